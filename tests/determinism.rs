//! The same input gives the same findings: however it is cut into files, in whatever order they are given, and for
//! any number of threads.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, each test binary uses its own part, and tests print how much agrees"
)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Answer, wire};

/// Findings without what names a place in a file.
fn findings(answer: &Answer) -> Vec<Value> {
    let mut rows = answer.rows();
    for row in &mut rows {
        row.as_object_mut().expect("a row is an object").remove("evidence");
    }
    rows
}

/// The arguments of a case's `check`, after its captures.
fn arguments(case: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(case.join("arguments")).expect("the case has arguments");
    text.split_whitespace().map(str::to_owned).collect()
}

fn check(captures: &[PathBuf], arguments: &[String]) -> Answer {
    let mut args = vec![String::from("check")];
    args.extend(captures.iter().map(|path| path.display().to_string()));
    args.extend(arguments.iter().cloned());
    args.extend(["--format", "ndjson", "-q"].map(str::to_owned));
    support::run(&args).into()
}

/// Cuts a capture into `pieces` files, one after the other in time: what `tcpdump -C` leaves behind.
fn rotated(capture: &[u8], pieces: usize, folder: &Path) -> Vec<PathBuf> {
    let (header, records) = wire::records(capture);
    let size = records.len().div_ceil(pieces);
    let write = |(at, records): (usize, &[&[u8]])| {
        // Names sort against time, so that only the frames' own times can put them in order.
        let path = folder.join(format!("{}.pcap", 9 - at));
        std::fs::write(&path, [header, &records.concat()].concat()).expect("the piece can be written");
        path
    };
    records.chunks(size).enumerate().map(write).collect()
}

/// Deals the frames of a capture out to two files: what two capturing processes leave behind.
fn dealt(capture: &[u8], folder: &Path) -> Vec<PathBuf> {
    let (header, records) = wire::records(capture);
    let mut files = [header.to_vec(), header.to_vec()];
    let mut last: &[u8] = &[];
    let mut to = 0;
    for record in records {
        // Frames of one time stay together: between files, nothing tells which came first.
        if record[..8] != *last {
            to = 1 - to;
        }
        last = &record[..8];
        files[to].extend(record);
    }
    let write = |(at, bytes): (usize, Vec<u8>)| {
        let path = folder.join(format!("{at}.pcap"));
        std::fs::write(&path, bytes).expect("the piece can be written");
        path
    };
    files.into_iter().enumerate().map(write).collect()
}

#[test]
fn a_capture_cut_into_files_gives_the_same_findings_in_any_order() {
    for name in ["farmbot-faults", "imp-bad", "farmbot-blocked", "smartserver-enhanced"] {
        let case = support::root().join("fixtures/cases").join(name);
        let (path, arguments) = (support::capture(&case), arguments(&case));
        let capture = std::fs::read(&path).expect("the capture can be read");
        let whole = check(&[path], &arguments);
        let expected = findings(&whole);
        assert!(!expected.is_empty(), "{name}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let three = rotated(&capture, 3, folder.path());
        assert_eq!(three.len(), 3);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let given: Vec<PathBuf> = order.iter().map(|at| three[*at].clone()).collect();
            let answer = check(&given, &arguments);
            assert_eq!(findings(&answer), expected, "{name} as {order:?}");
            assert_eq!(answer.status, whole.status, "{name} as {order:?}");
        }
        let answer = check(&[folder.path().to_owned()], &arguments);
        assert_eq!(findings(&answer), expected, "{name} as a folder");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let two = dealt(&capture, folder.path());
        assert_eq!(findings(&check(&two, &arguments)), expected, "{name} dealt to two files");
    }
}

#[test]
fn evidence_names_the_piece_that_holds_the_frame() {
    let case = support::root().join("fixtures/cases/farmbot-faults");
    let capture = std::fs::read(support::capture(&case)).expect("the capture can be read");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pieces = rotated(&capture, 3, folder.path());
    let size = {
        let (_, records) = wire::records(&capture);
        records.len().div_ceil(3) as u64
    };
    let arguments = arguments(&case);
    let whole = check(&[support::capture(&case)], &arguments).rows();
    let cut = check(&pieces, &arguments).rows();
    for (whole, cut) in whole.iter().zip(&cut) {
        let places = |row: &Value| row["evidence"].as_array().expect("evidence is a list").clone();
        let expected: Vec<(String, u64)> = places(whole)
            .iter()
            .map(|place| place["frame"].as_u64().expect("a number"))
            .map(|frame| (format!("{}.pcap", 9 - (frame - 1) / size), (frame - 1) % size + 1))
            .collect();
        let got: Vec<(String, u64)> = places(cut)
            .iter()
            .map(|place| {
                let capture = place["capture"].as_str().expect("a name").to_owned();
                (capture, place["frame"].as_u64().expect("a number"))
            })
            .collect();
        assert_eq!(got, expected, "{}", whole["code"]);
    }
}

#[test]
fn the_number_of_threads_changes_nothing_on_large_captures() {
    let Some(folder) = support::shared_captures() else { return };
    let mut captures: Vec<(u64, PathBuf)> = support::files(&folder.join("files"))
        .into_iter()
        .map(|path| (std::fs::metadata(&path).expect("the file is there").len(), path))
        .collect();
    captures.sort();
    for (_, path) in captures.iter().rev().take(5) {
        let run = |command: &[&str], jobs: &str| {
            let mut args = vec![command[0].to_owned(), path.display().to_string()];
            args.extend(command[1..].iter().map(|arg| (*arg).to_owned()));
            args.extend(["--format", "ndjson", "-j", jobs].map(str::to_owned));
            let answer = Answer::from(support::run(&args));
            assert!(matches!(answer.status, 0..=3), "{}: {}", path.display(), answer.err);
            (answer.status, answer.out, answer.err)
        };
        let everybody: &[&str] = &["check", "-p", "smartserver", "--all", "--device", "0.0.0.0/0"];
        for command in [everybody, &["flows"]] {
            let one = run(command, "1");
            for jobs in ["2", "8"] {
                assert_eq!(run(command, jobs), one, "{} of {} with -j {jobs}", command[0], path.display());
            }
        }
    }
}
