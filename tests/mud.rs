//! The MUD files of others, which lie beside the repository, each with what it becomes: claims, statements and lints, a
//! line each. `tests/mud/README.md` says which of the expected files were compared with their JSON by hand.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use wireclaim::profile::{Profile, builtin};

/// Set to write the expected files anew; read the difference before it is committed.
const UPDATE: &str = "WIRECLAIM_BLESS";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files, by the name of their expected file; none where they are not there.
fn files() -> Vec<(String, PathBuf)> {
    let folder = root().join("../../shared/mud");
    let folder = if folder.is_dir() { folder } else { root().join("../shared/mud") };
    let mut files = Vec::new();
    for part in ["", "daq", "osmud"] {
        for entry in fs::read_dir(folder.join(part)).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_file() && name != "README.md" {
                let name = if part.is_empty() { name } else { format!("{part}-{name}") };
                files.push((name.trim_end_matches(".json").to_owned(), path));
            }
        }
    }
    files.sort();
    files
}

/// What a file became.
fn text(profile: &Profile) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{} ({})", profile.title, profile.name);
    let baseline: Vec<String> = profile.baseline.iter().map(ToString::to_string).collect();
    let _ = writeln!(out, "baseline: {}", baseline.join(", "));
    for parameter in &profile.parameters {
        let default = parameter.default.as_ref().map_or(String::new(), |value| format!(", default {value}"));
        let _ = writeln!(out, "parameter: {}{default}", parameter.name);
    }
    let _ = writeln!(out, "\nclaims: {}", profile.claims.len());
    for claim in &profile.claims {
        let _ = writeln!(out, "{} line {}: {}: {}", claim.id, claim.line, claim.level, claim.rule);
    }
    let _ = writeln!(out, "\nstatements: {}", profile.not_checkable.len());
    for statement in &profile.not_checkable {
        let _ = writeln!(
            out,
            "{} line {}: {}: {}",
            statement.id, statement.line, statement.title, statement.reason
        );
    }
    let lints = &profile.mud.as_ref().expect("a MUD file").lints;
    let _ = writeln!(out, "\nlints: {}", lints.len());
    for lint in lints {
        let claims =
            if lint.claims.is_empty() { String::new() } else { format!(" {}", lint.claims.join(", ")) };
        let _ =
            writeln!(out, "line {}: {}: {}{claims}: {}", lint.line, lint.severity, lint.code, lint.message);
    }
    out
}

#[test]
fn every_file_becomes_what_is_expected() {
    let files = files();
    if files.is_empty() {
        eprintln!("skipped: there are no MUD files beside the repository");
        return;
    }
    let mut wrong = Vec::new();
    for (name, path) in &files {
        let profile = builtin::open(&path.display().to_string()).unwrap_or_else(|error| panic!("{error}"));
        let got = text(&profile);
        let expected = root().join("tests/mud/expected").join(format!("{name}.txt"));
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&expected, &got).expect("the expected file can be written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != got {
            wrong.push(name.as_str());
        }
    }
    assert!(wrong.is_empty(), "not as expected: {}", wrong.join(", "));
    assert_eq!(files.len(), 40, "the files that are known");
}
