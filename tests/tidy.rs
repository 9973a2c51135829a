//! The rules of the source tree that no compiler checks: who may import whom, how long files may be, what a fixture
//! consists of. A rule that stands in the way is changed here, in the open, with the reason in the commit.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules of ours that each top-level module may import; the module itself is always allowed.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("error", &[]),
    ("files", &["error"]),
    ("capture", &["model", "error"]),
    ("profile", &["model", "error", "files"]),
    ("decode", &["model"]),
    ("flow", &["model"]),
    ("analyzers", &["model"]),
    ("naming", &["model", "analyzers"]),
    ("checks", &["model", "profile", "naming", "analyzers"]),
    ("learn", &["model", "error", "analyzers", "naming", "profile", "checks"]),
    // What is declared is shown too: a report takes profiles, no profile takes reports.
    ("report", &["model", "error", "files", "profile"]),
    (
        "pipeline",
        &[
            "model",
            "error",
            "files",
            "capture",
            "decode",
            "flow",
            "analyzers",
            "naming",
            "profile",
            "checks",
            "learn",
            "report",
        ],
    ),
    ("cli", &["pipeline", "report", "learn", "checks", "profile", "model", "error", "files"]),
];

/// What of `analyzers` is not a field constant: those who import it for its fields may not name these.
const NOT_FIELDS: &[&str] = &[
    "Analyzer",
    "Sink",
    "Context",
    "Probe",
    "ProbeInput",
    "Definition",
    "Next",
    "REGISTRY",
    "by_id",
    "buffer",
];

/// Crates that have one place each: the crate as code names it, and the paths below `src` that may use it.
const ONE_PLACE: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("etherparse", &["decode"]),
    ("pcap", &["capture/bpf", "capture/live"]),
    ("polars", &["report"]),
    ("polars_io", &["report"]),
    ("rayon", &["pipeline"]),
    ("tls_parser", &["analyzers/tls"]),
    ("x509_parser", &["analyzers/tls"]),
];

/// Longer files are listed, and from [`TOO_LONG`] on refused. Lines ahead of the tests at the end of a file; files of
/// tests are not counted.
const LONG: usize = 500;
const TOO_LONG: usize = 700;

#[test]
fn modules_import_only_what_is_below_them() {
    let mut problems = Vec::new();
    for file in sources() {
        let Some(own) = file.module.first() else { continue };
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(module, _)| module == own) else {
            if own != "main" && own != "lib" {
                problems.push(format!("{}: `{own}` is not in the table of modules", file.shown));
            }
            continue;
        };
        for (module, rest) in file.imports() {
            if module != *own && !allowed.contains(&module.as_str()) {
                problems.push(format!("{}: `{own}` may not import `{module}`", file.shown));
            }
            let judge = own == "naming" || own == "checks";
            if let Some(name) =
                NOT_FIELDS.iter().find(|name| judge && module == "analyzers" && has_word(&rest, name))
            {
                problems
                    .push(format!("{}: `{own}` may import fields of `analyzers`, not `{name}`", file.shown));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn crates_stay_in_their_place() {
    let mut problems = Vec::new();
    for file in sources() {
        for (name, places) in ONE_PLACE {
            let path = file.module.join("/");
            let at_home = places.iter().any(|place| path == *place || path.starts_with(&format!("{place}/")));
            if !at_home && file.uses_crate(name) {
                problems.push(format!("{}: `{name}` is only for {}", file.shown, places.join(", ")));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn files_are_short() {
    let mut problems = Vec::new();
    for file in sources().into_iter().filter(|file| !file.shown.ends_with("tests.rs")) {
        let code =
            file.text.split_once("\n#[cfg(test)]\nmod tests {").map_or(file.text.as_str(), |(code, _)| code);
        let lines = code.lines().count();
        if lines > TOO_LONG {
            problems.push(format!(
                "{}: {lines} lines, at most {TOO_LONG} (split it by what it does)",
                file.shown
            ));
        } else if lines > LONG {
            println!("{}: {lines} lines", file.shown);
        }
    }
    assert_none(&problems);
}

#[test]
fn what_is_left_to_do_names_its_issue() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
    let mut problems = Vec::new();
    for path in ["src", "tests", "benches"].iter().flat_map(|folder| files_below(&root().join(folder))) {
        let text = text_of(&path).unwrap_or_default();
        for (line, word) in text.lines().flat_map(|line| words.map(|word| (line, word))) {
            let Some(after) = after_word(line, word) else { continue };
            let number =
                after.strip_prefix("(#").and_then(|rest| rest.split_once(')')).map(|(number, _)| number);
            let numbered = number.is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
            if word != words[0] || !numbered {
                problems.push(format!("{}: `{}` (write `{}(#12)`)", shown(&path), line.trim(), words[0]));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn every_case_is_complete() {
    let mut problems = Vec::new();
    for case in entries(&root().join("fixtures/cases")).into_iter().filter(|path| path.is_dir()) {
        for name in ["README.md", "arguments", "expected.csv"] {
            if !case.join(name).is_file() {
                problems.push(format!("{}: has no `{name}`", shown(&case)));
            }
        }
        let capture = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            [".pcap", ".pcapng"].iter().any(|suffix| {
                ["", ".gz", ".zst", ".xz"].iter().any(|packed| name.ends_with(&format!("{suffix}{packed}")))
            })
        };
        if !files_below(&case).iter().any(capture) {
            problems.push(format!("{}: has no capture", shown(&case)));
        }
    }
    assert_none(&problems);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // Split so that this file does not hold them.
    let places =
        [concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
    let mut problems = Vec::new();
    for path in files_below(&root()) {
        let Some(text) = text_of(&path) else { continue };
        for (line, place) in text.lines().flat_map(|line| places.map(|place| (line, place))) {
            let absolute = |at: usize| {
                !line
                    .get(..at)
                    .unwrap_or_default()
                    .ends_with(|c: char| c.is_alphanumeric() || "./}_-~".contains(c))
            };
            if line.match_indices(place).any(|(at, _)| absolute(at)) {
                problems.push(format!("{}: `{}`", shown(&path), line.trim()));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn these_checks_see_what_they_look_for() {
    let file = |module: &[&str], text: &str| Source {
        shown: String::new(),
        module: module.iter().map(|part| (*part).to_owned()).collect(),
        text: text.to_owned(),
    };
    let modules = |module: &[&str], text: &str| -> Vec<String> {
        file(module, text).imports().into_iter().map(|(module, _)| module).collect()
    };
    assert_eq!(
        modules(&["report"], "use crate::{error::{A, b::C}, model, checks as x};"),
        ["error", "model", "checks"]
    );
    assert_eq!(modules(&["report"], "fn f() { crate::flow::go() } // crate::cli::x"), ["flow"]);
    assert_eq!(modules(&["report", "csv"], "use super::super::flow::X;"), ["flow"]);
    assert_eq!(modules(&["report", "csv"], "use super::flow::X;"), Vec::<String>::new());
    let rest = file(&["checks"], "use crate::analyzers::{Sink, tls};").imports();
    assert!(rest.iter().any(|(_, rest)| has_word(rest, "Sink")));

    let uses = |name: &str, text: &str| file(&["capture", "merge"], text).uses_crate(name);
    assert!(uses("rayon", "use rayon::prelude::*;") && uses("pcap", "::pcap::Capture::dead(x)"));
    assert!(uses("rayon", "extern crate rayon;") && uses("clap", "#[derive(clap::Parser)]"));
    assert!(!uses("rayon", "use crate::rayon::x;") && !uses("pcap", "pcap_parser::x; // pcap::x"));
    assert!(!uses("pcap", "savefile::pcap::read()") && !uses("pcap", "mod pcap;\nuse pcap::Reader;"));
    assert!(uses("pcap", "mod pcap;\nuse ::pcap::Capture;"));
}

/// A file of the crate.
struct Source {
    /// Path from the root of the project.
    shown: String,
    /// Its module path: `["report", "csv"]`; `mod.rs` is its folder.
    module: Vec<String>,
    text: String,
}

impl Source {
    fn code(&self) -> String {
        self.text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Top-level modules named in paths from the crate's root, each with what follows up to the end of the path.
    fn imports(&self) -> Vec<(String, String)> {
        let code = self.code();
        let mut found = Vec::new();
        for (at, _) in code.match_indices("crate::") {
            let word_before = code.get(..at).is_some_and(|before| before.ends_with(is_word));
            if let Some(rest) = code.get(at + "crate::".len()..).filter(|_| !word_before) {
                found.extend(first_parts(rest));
            }
        }
        // The same by way of `super`, counted from this file; inline modules are one deeper, so what looks like the
        // root from there is taken for it only if it is named like a module of the table.
        let up = "super::".repeat(self.module.len());
        for (at, _) in code.match_indices(&up) {
            let rest = code.get(at + up.len()..).unwrap_or_default().trim_start_matches("super::");
            found.extend(
                first_parts(rest).into_iter().filter(|(part, _)| MAY_IMPORT.iter().any(|(m, _)| m == part)),
            );
        }
        found
    }

    /// Whether a path in it begins with the crate `name`. A child module of that name hides the crate, unless the
    /// path begins with `::`.
    fn uses_crate(&self, name: &str) -> bool {
        let code = self.code();
        let hidden = code.contains(&format!("mod {name};"));
        code.match_indices(name).any(|(at, _)| {
            let before = code.get(..at).unwrap_or_default();
            let after = code.get(at + name.len()..).unwrap_or_default();
            let absolute = before.strip_suffix("::").is_some_and(|path| !path.ends_with(is_word));
            let starts =
                absolute || !hidden && !before.ends_with(|c: char| is_word(c) || c == ':' || c == '"');
            let declared = ["use ", "use ::", "extern crate "].iter().any(|intro| before.ends_with(intro));
            starts && (after.starts_with("::") || declared && !after.starts_with(is_word))
        })
    }
}

/// The first part of each path in `rest`, which follows a `::` and may be a braced list, with what follows it.
fn first_parts(rest: &str) -> Vec<(String, String)> {
    let Some(list) = rest.strip_prefix('{') else {
        let end = rest.find([';', '(', '\n', '=']).unwrap_or(rest.len());
        // A braced list may span lines.
        let end = if rest.get(..end).is_some_and(|path| path.contains('{')) {
            rest.find(';').unwrap_or(end)
        } else {
            end
        };
        return vec![split_first(rest.get(..end).unwrap_or_default())];
    };
    let (mut depth, mut parts, mut part) = (0_u32, Vec::new(), String::new());
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => {
                depth = if c == '{' { depth + 1 } else { depth - u32::from(c == '}') };
                part.push(c);
            }
        }
    }
    parts.push(part);
    parts.iter().map(|part| split_first(part.trim())).filter(|(name, _)| !name.is_empty()).collect()
}

fn split_first(path: &str) -> (String, String) {
    let end = path.find(|c| !is_word(c)).unwrap_or(path.len());
    let (first, rest) = path.split_at(end);
    (first.to_owned(), rest.to_owned())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c| !is_word(c)).any(|part| part == word)
}

/// What follows `word` in `line`, if it is there as a word of its own.
fn after_word<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let (before, after) = line.split_once(word)?;
    (!before.ends_with(is_word) && !after.starts_with(is_word)).then_some(after)
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let files =
        files_below(&src).into_iter().filter(|path| path.extension().is_some_and(|suffix| suffix == "rs"));
    let sources: Vec<Source> = files
        .map(|path| {
            let inside = path.strip_prefix(&src).unwrap_or(&path).with_extension("");
            let mut module: Vec<String> =
                inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            module.pop_if(|part| part == "mod");
            Source { shown: shown(&path), module, text: text_of(&path).unwrap_or_default() }
        })
        .collect();
    assert!(sources.len() > 20, "the sources are not where this test looks for them");
    sources
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Entries of a folder, sorted; none where there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Files below a folder without what the version control ignores or keeps for itself.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match path.is_dir() {
                true if name == ".git" || name == "target" => {}
                true => folders.push(path),
                false if name == ".git" => {}
                false => files.push(path),
            }
        }
    }
    files.sort();
    files
}

/// The content of a text file; `None` for anything else, captures for one.
fn text_of(path: &Path) -> Option<String> {
    fs::read(path).ok().filter(|bytes| !bytes.contains(&0)).and_then(|bytes| String::from_utf8(bytes).ok())
}

#[track_caller]
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{} problem(s):\n{}", problems.len(), problems.join("\n"));
}
