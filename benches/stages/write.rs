//! Writing what was found, and the flow table, in each format that this build has.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use wireclaim::capture::{Input, Options};
use wireclaim::model::Finding;
use wireclaim::pipeline::analyse;
use wireclaim::pipeline::judge::Scene;
use wireclaim::report::{self, Content, Format, Output, View};

use super::{CASES, judged, task};

/// So many rows are written.
const ROWS: usize = 10_000;

/// The capture without repetition: its findings have few frames each, as most do.
fn shipped() -> Input {
    let path = format!("{CASES}/farmbot-faults/capture.pcap");
    Input::open(&[path], Options::default()).expect("the capture opens")
}

fn formats(content: Content) -> impl Iterator<Item = &'static str> {
    let available = move |format: &&&Format| format.available && format.offers(content);
    report::REGISTRY.iter().filter(available).map(|format| format.name)
}

#[divan::bench(args = formats(Content::Findings), sample_count = 10)]
fn write_findings(bencher: Bencher<'_, '_>, format: &str) {
    let analysis = analyse(shipped(), 1).expect("the capture can be analysed");
    let found = judged(&analysis, &[task()]).findings;
    let rows: Vec<Finding> = found.into_iter().cycle().take(ROWS).collect();
    let view = View { captures: &analysis.captures, width: None, color: false };
    written(bencher, format, |format, output| format.write_findings(&rows, &view, output));
}

#[divan::bench(args = formats(Content::Flows), sample_count = 10)]
fn write_flows(bencher: Bencher<'_, '_>, format: &str) {
    let analysis = analyse(shipped(), 1).expect("the capture can be analysed");
    let flows: Vec<_> = analysis.flows.all().into_iter().cycle().take(ROWS).collect();
    let rows = Scene::new(&analysis, &[], &[]).flow_rows(&flows);
    let view = View { captures: &analysis.captures, width: None, color: false };
    written(bencher, format, |format, output| format.write_flows(&rows, &view, output));
}

/// Writes to a file that is there already, and asserts that it has as many bytes, and so many lines, each time.
fn written(
    bencher: Bencher<'_, '_>,
    format: &str,
    write: impl Fn(&Format, Output) -> wireclaim::error::Result<()> + Sync,
) {
    let format = report::by_name(format).expect("the format is registered");
    let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let write = || {
        let output = Output::create(Some(file.path())).expect("the file opens");
        write(format, output).expect("the rows can be written");
        file.as_file().metadata().expect("the file is there").len()
    };
    let bytes = write();
    let text = std::fs::read(file.path()).expect("the file can be read");
    let lines = text.split(|byte| *byte == b'\n').count();
    assert!(format.binary || lines > ROWS, "{lines} lines");
    bencher
        .counter(BytesCount::new(bytes))
        .counter(ItemsCount::new(ROWS))
        .bench(|| assert_eq!(write(), bytes));
}
