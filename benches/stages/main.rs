//! What each stage costs by itself, and the whole way: reading, decoding, sorting by shard, following flows, each analyzer,
//! checking, writing.
//!
//! The capture is a shipped one, its records repeated until there is enough to time; analyzers are fed what they were fed
//! in all shipped captures. Every bench asserts how much it handled. `cargo bench --bench stages` runs them, in bytes and
//! packets per second.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark that cannot run says why and stops"
)]

mod analyzers;
mod flows;
mod made_up;
mod talks;
mod write;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use wireclaim::capture::{Batch, Input, Options};
use wireclaim::decode::{Decoded, decode};
use wireclaim::flow::KeyHasher;
use wireclaim::model::stats::Stats;
use wireclaim::pipeline::judge::{Judgement, Scene, Show, Task, judge};
use wireclaim::pipeline::{Analysis, Sorted, analyse};
use wireclaim::profile::{bind, builtin};

/// The shipped cases.
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases");
/// Times the records of the shipped capture are repeated.
const TIMES: usize = 1_000;
/// Frames in that capture, as capinfos counts them.
const FRAMES: usize = 381;
/// What shards have to do for them: all go to one, and five also tell who has which address.
const JOBS: usize = 386;

/// Length of a classic pcap file header.
const FILE_HEADER: usize = 24;

static CAPTURE: LazyLock<PathBuf> = LazyLock::new(|| {
    let bytes =
        std::fs::read(format!("{CASES}/farmbot-faults/capture.pcap")).expect("the shipped capture is there");
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

fn batches() -> Vec<Batch> {
    let mut input = input();
    let next = || input.next_batch().expect("the capture can be read");
    std::iter::from_fn(next).collect()
}

fn size() -> BytesCount {
    BytesCount::new(std::fs::metadata(&*CAPTURE).expect("the capture is there").len())
}

fn frames() -> ItemsCount {
    ItemsCount::new(FRAMES * TIMES)
}

#[divan::bench(sample_count = 10)]
fn read(bencher: Bencher<'_, '_>) {
    bencher.counter(size()).counter(frames()).bench(|| {
        let mut input = input();
        let mut frames = 0;
        while let Some(batch) = input.next_batch().expect("the capture can be read") {
            frames += batch.len();
        }
        assert_eq!(frames, FRAMES * TIMES);
    });
}

#[divan::bench(sample_count = 10)]
fn decoded(bencher: Bencher<'_, '_>) {
    let batches = batches();
    bencher.counter(size()).counter(frames()).bench(|| {
        let frames = batches.iter().flat_map(Batch::frames);
        let understood = frames.filter(|frame| !matches!(decode(frame), Decoded::Skipped(_))).count();
        assert_eq!(understood, FRAMES * TIMES);
    });
}

/// Sorting by shard, for which frames are decoded.
#[divan::bench(sample_count = 10)]
fn shard(bencher: Bencher<'_, '_>) {
    let hasher = KeyHasher::default();
    bencher.counter(size()).counter(frames()).with_inputs(batches).bench_values(|batches| {
        let mut stats = Stats::default();
        let sorted = batches.into_iter().map(|batch| Sorted::new(batch, &hasher, &mut stats));
        let sorted: Vec<Sorted> = sorted.collect();
        assert_eq!(stats.frames, (FRAMES * TIMES) as u64);
        assert_eq!(sorted.iter().map(Sorted::len).sum::<usize>(), JOBS * TIMES);
        sorted
    });
}

fn analysed(jobs: usize) -> Analysis {
    let analysis = analyse(input(), jobs).expect("the capture can be analysed");
    assert_eq!(analysis.stats.frames, (FRAMES * TIMES) as u64);
    analysis
}

fn task() -> Task {
    let profile = Arc::new(builtin::open("farmbot").expect("the profile ships"));
    let declaration = bind::bind(&profile, &[], &[]).expect("nothing needs to be bound");
    Task { declaration, selectors: Vec::new() }
}

fn judged(analysis: &Analysis, tasks: &[Task]) -> Judgement {
    let found = judge(&Scene::new(analysis, &[], tasks), Show::Discrepancies);
    assert!(found.findings.iter().any(|finding| finding.code == "undeclared-destination"));
    found
}

/// Naming and checking, by flows. How that grows is for the bench `judge`.
#[divan::bench(sample_count = 10)]
fn check(bencher: Bencher<'_, '_>) {
    let (analysis, tasks) = (analysed(1), [task()]);
    bencher.counter(ItemsCount::new(analysis.flows.len())).bench(|| judged(&analysis, &tasks));
}

#[divan::bench(args = [1, 2], sample_count = 10)]
fn to_flows(bencher: Bencher<'_, '_>, jobs: usize) {
    bencher.counter(size()).counter(frames()).bench(|| analysed(jobs));
}

#[divan::bench(args = [1, 2], sample_count = 10)]
fn to_findings(bencher: Bencher<'_, '_>, jobs: usize) {
    let tasks = [task()];
    bencher.counter(size()).counter(frames()).bench(|| judged(&analysed(jobs), &tasks));
}
