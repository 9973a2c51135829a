//! What each stage may cost: instructions, counted by callgrind on shipped recordings, against `budget/instructions.tsv`.
//!
//! A stage that costs a tenth more than its budget fails. `make budget` writes the counts anew, to be committed with the
//! reason.
//!
//! What is counted is the program that all other tests run, by one thread, with the default features: other features share
//! other instances of generic functions, which moves single stages by a sixth. Two runs differ by one in a hundred at
//! most, in each stage. Other processors are not held to the budget, nor are optimised builds.
#![cfg(all(
    target_os = "linux",
    target_arch = "x86_64",
    debug_assertions,
    feature = "live",
    feature = "mimalloc",
    feature = "table"
))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, and this one prints what stages cost"
)]

#[path = "budget/callgrind.rs"]
mod callgrind;
#[path = "budget/stage.rs"]
mod stage;
mod support;
#[path = "budget/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::process::Command;

use table::Table;

/// What is checked, as one input: every analyzer that any recording has content for, IPv4 and IPv6, both formats. None
/// is packed: unpacking takes other ways on other processors.
const CASES: &[&str] = &[
    "farmbot-cut/capture.pcapng",
    "farmbot-dual-stack/capture.pcap",
    "farmbot-faults/capture.pcap",
    "farmbot-old-firmware/capture.pcap",
    "farmbot-websocket/capture.pcap",
    "fortrabbit-egress/capture.pcap",
    "imp-bad/capture.pcap",
    "smartserver-enhanced/capture.pcap",
    "smartserver-websocket/capture.pcap",
];

/// NDJSON, which every build writes.
const ARGUMENTS: &str = "-j 1 --all --quiet --fail-on never --format ndjson \
    -p farmbot -p electric-imp -p smartserver -p fortrabbit";

#[test]
fn no_stage_costs_a_tenth_more_than_its_budget() {
    let path = support::root().join("tests/budget/instructions.tsv");
    let measured = Table { tools: tools(), costs: measure() };
    if std::env::var_os("WIRECLAIM_BLESS").is_some() {
        std::fs::write(&path, measured.to_string()).expect("the budget can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the budget is there");
    let budget: Table = text.parse().expect("the budget can be read");
    println!("{}", table::compare(&budget.costs, &measured.costs));
    let over: Vec<_> = table::over(&budget.costs, &measured.costs);
    assert!(
        over.is_empty(),
        "instructions of these stages are not within their budget:\n{}\n\
         counted with {}; budget of {}.\n\
         `make budget` writes the counts to tests/budget/instructions.tsv, if that is what they should be.",
        over.join("\n"),
        measured.tools,
        budget.tools,
    );
}

/// Instructions of each stage.
fn measure() -> BTreeMap<String, u64> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counts = folder.path().join("counts");
    let cases = CASES.iter().map(|case| format!("fixtures/cases/{case}"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--demangle=no", "--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .args([env!("CARGO_BIN_EXE_wireclaim"), "check"])
        .args(cases)
        .args(ARGUMENTS.split_whitespace())
        .current_dir(support::root())
        // The length of the environment is a matter of the machine.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .output()
        .unwrap_or_else(|error| panic!("failed to run valgrind (`make setup` installs it): {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // What is counted is the whole way to findings, not a run that stopped early.
    assert!(output.stdout.split(|byte| *byte == b'\n').count() > 100, "{said}");
    let counts = std::fs::read_to_string(counts).expect("callgrind has written its counts");
    callgrind::by_stage(&counts, stage::of)
}

/// What the counts depend on beside the program.
fn tools() -> String {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        output.map_or_else(
            |error| format!("{program}: {error}"),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    format!("{}, {}", version("rustc"), version("valgrind"))
}
