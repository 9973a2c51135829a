//! What the tests of the whole program share.

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

pub(crate) mod damage;
pub(crate) mod page;
pub(crate) mod pcap;
pub(crate) mod random;
pub(crate) mod wire;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of the project.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The real program.
pub(crate) fn wireclaim() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireclaim"));
    command.current_dir(root()).env_remove("NO_COLOR").env("LC_ALL", "C");
    command
}

/// Runs the program with these arguments.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Output {
    wireclaim().args(args).output().expect("the program starts")
}

/// The program's answer: exit status, standard output, standard error.
pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// The rows of an NDJSON result.
    pub(crate) fn rows(&self) -> Vec<serde_json::Value> {
        let row = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(row).collect()
    }

    /// The codes of its findings, in their order.
    pub(crate) fn codes(&self) -> Vec<String> {
        self.rows().iter().map(|row| row["code"].as_str().expect("a finding has a code").to_owned()).collect()
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        let status = output.status.code().expect("the program ends of its own accord");
        Self { status, out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs the program with these arguments, of which blanks part one from the next.
pub(crate) fn say(args: &str) -> Answer {
    run(&args.split_whitespace().collect::<Vec<_>>()).into()
}

/// Every case: a folder with a capture, the arguments of `check`, and the table that must come out.
pub(crate) fn cases() -> Vec<PathBuf> {
    folders(&root().join("fixtures/cases"))
}

/// Folders directly below `path`, sorted.
pub(crate) fn folders(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

/// The capture of a case.
pub(crate) fn capture(case: &Path) -> PathBuf {
    let mut captures: Vec<PathBuf> = std::fs::read_dir(case)
        .expect("the case exists")
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("capture.")))
        .collect();
    assert_eq!(captures.len(), 1, "{} has one capture", case.display());
    captures.remove(0)
}

/// Captures made by others: the folder named by `WIRECLAIM_CAPTURES`, else `../shared/captures`. `None`, with a
/// message, where they are absent.
pub(crate) fn shared_captures() -> Option<PathBuf> {
    let folder = std::env::var_os("WIRECLAIM_CAPTURES")
        .map_or_else(|| root().join("../shared/captures"), PathBuf::from);
    if folder.join("files").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no captures in {} (set WIRECLAIM_CAPTURES)", folder.display());
    None
}

/// Every file below `folder`, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(&next).expect("a readable folder") {
            let path = entry.expect("a folder entry").path();
            if path.is_dir() { todo.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The rows of a CSV file with a header (RFC 4180), each as name to value.
pub(crate) fn csv(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut records = records(text).into_iter();
    let Some(header) = records.next() else { return Vec::new() };
    records.map(|row| header.iter().cloned().zip(row).collect()).collect()
}

/// The records of a CSV file.
pub(crate) fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            other => cell.push(other),
        }
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push(record);
    }
    records
}
