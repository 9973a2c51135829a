//! What each stage costs on a capture of ordinary traffic: reading, decoding, and the whole way to findings.
//!
//! The capture is a shipped one, its records repeated until there is enough to time. Every bench asserts the number of
//! frames that it handled. `cargo bench` runs them, in bytes and frames per second.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot run says why and stops"
)]

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use wireclaim::capture::{Input, Options};
use wireclaim::decode::{Decoded, decode};
use wireclaim::pipeline::judge::{Scene, Task, judge};
use wireclaim::pipeline::{Analysis, analyse};
use wireclaim::profile::{bind, builtin};

/// Times the records of the shipped capture are repeated.
const TIMES: usize = 1_000;
/// Frames in that capture, as capinfos counts them.
const FRAMES: usize = 381;

/// Length of a classic pcap file header.
const FILE_HEADER: usize = 24;

static CAPTURE: LazyLock<PathBuf> = LazyLock::new(|| {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/farmbot-faults/capture.pcap");
    let bytes = std::fs::read(shipped).expect("the shipped capture is there");
    let (header, records) = bytes.split_at(FILE_HEADER);
    let path = std::env::temp_dir().join(format!("wireclaim-bench-{}.pcap", std::process::id()));
    std::fs::write(&path, [header, &records.repeat(TIMES)].concat())
        .expect("a temporary file can be written");
    path
});

fn main() {
    divan::main();
    let _ = std::fs::remove_file(&*CAPTURE);
}

fn input() -> Input {
    Input::open(&[&*CAPTURE], Options::default()).expect("the capture opens")
}

fn size() -> BytesCount {
    BytesCount::new(std::fs::metadata(&*CAPTURE).expect("the capture is there").len())
}

#[divan::bench(sample_count = 10)]
fn read(bencher: Bencher<'_, '_>) {
    bencher.counter(size()).counter(ItemsCount::new(FRAMES * TIMES)).bench(|| {
        let mut input = input();
        let mut frames = 0;
        while let Some(batch) = input.next_batch().expect("the capture can be read") {
            frames += batch.len();
        }
        assert_eq!(frames, FRAMES * TIMES);
    });
}

#[divan::bench(sample_count = 10)]
fn read_and_decode(bencher: Bencher<'_, '_>) {
    bencher.counter(size()).counter(ItemsCount::new(FRAMES * TIMES)).bench(|| {
        let mut input = input();
        let mut understood = 0;
        while let Some(batch) = input.next_batch().expect("the capture can be read") {
            understood +=
                batch.frames().filter(|frame| !matches!(decode(frame), Decoded::Skipped(_))).count();
        }
        assert_eq!(understood, FRAMES * TIMES);
    });
}

fn analysed(jobs: usize) -> Analysis {
    let analysis = analyse(input(), jobs).expect("the capture can be analysed");
    assert_eq!(analysis.stats.frames, (FRAMES * TIMES) as u64);
    analysis
}

#[divan::bench(args = [1, 2], sample_count = 10)]
fn to_flows(bencher: Bencher<'_, '_>, jobs: usize) {
    bencher.counter(size()).counter(ItemsCount::new(FRAMES * TIMES)).bench(|| analysed(jobs));
}

#[divan::bench(args = [1, 2], sample_count = 10)]
fn to_findings(bencher: Bencher<'_, '_>, jobs: usize) {
    let profile = Arc::new(builtin::open("farmbot").expect("the profile ships"));
    let declaration = bind::bind(&profile, &[], &[]).expect("nothing needs to be bound");
    let tasks = [Task { declaration, selectors: Vec::new() }];
    bencher.counter(size()).counter(ItemsCount::new(FRAMES * TIMES)).bench(|| {
        let analysis = analysed(jobs);
        let scene = Scene::new(&analysis, &[], &tasks);
        let found = judge(&scene);
        assert!(found.findings.iter().any(|finding| finding.code == "undeclared-destination"));
    });
}
