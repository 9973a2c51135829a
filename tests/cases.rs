//! Every case in `fixtures/cases`: the table that comes out is the expected one, byte for byte and for any number of
//! threads, and agrees with what was reasoned from what servers and clients said.
//!
//! `make expected` writes `expected.csv` and `expected.status` anew; read them before you commit them.

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

use std::collections::BTreeMap;
use std::path::Path;

fn arguments(case: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(case.join("arguments")).expect("the case has arguments");
    text.split_whitespace().map(str::to_owned).collect()
}

fn check(case: &Path, jobs: &str) -> (String, String) {
    let mut args = vec![String::from("check"), support::capture(case).display().to_string()];
    args.extend(arguments(case));
    args.extend(["-j", jobs, "--format", "csv", "--quiet"].map(str::to_owned));
    let output = support::run(&args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.is_empty(), "{}: --quiet says nothing: {said}", case.display());
    let table = String::from_utf8(output.stdout).expect("the table is UTF-8");
    (table, format!("{}\n", output.status.code().expect("the program exits")))
}

#[test]
fn every_case_gives_its_table_for_any_number_of_threads() {
    let bless = std::env::var_os("WIRECLAIM_BLESS").is_some();
    let cases = support::cases();
    assert!(cases.len() >= 12, "the cases are there");
    let mut wrong = Vec::new();
    for case in &cases {
        let (table, status) = check(case, "1");
        for jobs in ["2", "8"] {
            assert_eq!(
                check(case, jobs),
                (table.clone(), status.clone()),
                "{} with -j {jobs}",
                case.display()
            );
        }
        if bless {
            std::fs::write(case.join("expected.csv"), &table).expect("expected.csv can be written");
            std::fs::write(case.join("expected.status"), &status).expect("expected.status can be written");
            continue;
        }
        let expected = |name: &str| std::fs::read_to_string(case.join(name)).unwrap_or_default();
        if expected("expected.csv") != table || expected("expected.status") != status {
            wrong.push(format!("{} (status {}):\n{table}", case.display(), status.trim()));
        }
    }
    assert!(wrong.is_empty(), "tables differ from expected.csv:\n{}", wrong.join("\n"));
}

/// What a row must agree in with the reasoning; wording and hashes are the program's own.
const REASONED: &[&str] = &[
    "code",
    "status",
    "severity",
    "confidence",
    "claim",
    "direction",
    "transport",
    "peer_name",
    "peer_ip",
    "port",
    "count",
];

type Key = Vec<String>;

fn cell(row: &BTreeMap<String, String>, name: &str) -> String {
    let cell = row.get(name).map_or("", String::as_str);
    // One statement may be spelt out by several claims, `FB-07a` and `FB-07b`.
    let statement = cell.trim_end_matches(|c: char| c.is_ascii_lowercase());
    if name == "claim" { statement.to_owned() } else { cell.to_owned() }
}

fn keys(rows: &[BTreeMap<String, String>]) -> Vec<Key> {
    let mut keys: Vec<Key> =
        rows.iter().map(|row| REASONED.iter().map(|name| cell(row, name)).collect()).collect();
    keys.sort();
    keys
}

#[test]
fn every_table_agrees_with_what_was_reasoned_from_the_recording() {
    let mut wrong = Vec::new();
    for case in support::cases() {
        let read = |name: &str| {
            let text = std::fs::read_to_string(case.join(name));
            support::csv(&text.unwrap_or_else(|error| panic!("{}/{name}: {error}", case.display())))
        };
        let (reasoned, expected) = (keys(&read("reasoned.csv")), keys(&read("expected.csv")));
        let only = |a: &[Key], b: &[Key]| {
            a.iter().filter(|row| !b.contains(row)).map(|row| row.join(",")).collect::<Vec<_>>()
        };
        if reasoned != expected {
            wrong.push(format!(
                "{}\n  reasoned only:\n    {}\n  in the table only:\n    {}",
                case.display(),
                only(&reasoned, &expected).join("\n    "),
                only(&expected, &reasoned).join("\n    ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn clean_recordings_have_no_discrepancy() {
    let clean: Vec<_> = support::cases()
        .into_iter()
        .filter(|case| case.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-clean")))
        .collect();
    assert!(clean.len() >= 3);
    for case in clean {
        let (table, status) = check(&case, "2");
        assert_eq!((table.lines().count(), status.as_str()), (1, "0\n"), "{}:\n{table}", case.display());
    }
}
