//! `wireclaim profile lint` by the real program: what it says of the shipped profiles, its forms, its exit status, and
//! the documentation that is made of its pages.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

mod support;

use std::fs;
use std::path::PathBuf;

use support::{Answer, run, say};
use wireclaim::profile::{builtin, lint};

fn blessing() -> bool {
    std::env::var_os("WIRECLAIM_BLESS").is_some()
}

/// A profile with these claims, in a file of its own.
fn file(folder: &tempfile::TempDir, name: &str, claims: &str) -> String {
    let path = folder.path().join(name);
    let head = "version: 1\nprofile: mine\ntitle: Mine\nidentify: {ouis: \"02:00:00\"}\nbaseline: [arp, dns]\nclaims:\n";
    fs::write(&path, format!("{head}{claims}")).unwrap();
    path.display().to_string()
}

const UNREACHABLE: &str = "  - {id: A-1, title: a, allowed: {out: a.example.com, tcp: 443}}\n  \
                           - {id: A-2, title: b, forbidden: {out: a.example.com}}\n";
const CLEAN: &str = "  - {id: A-1, title: a, allowed: {out: a.example.com, tcp: 443}}\n";

#[cfg(feature = "table")]
#[test]
fn the_lints_of_the_shipped_profiles_are_those_that_were_reviewed() {
    for name in builtin::names() {
        let answer = say(&format!("profile lint {name} --format csv"));
        assert_eq!((answer.status, answer.err.as_str()), (0, ""), "{name}");
        let path = support::root().join(format!("fixtures/lint/{name}.csv"));
        if blessing() {
            fs::write(&path, &answer.out).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(answer.out, expected, "{name} (WIRECLAIM_BLESS=1 writes it anew; read the difference)");
    }
}

#[test]
fn the_exit_status_is_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (bad, clean) = (file(&folder, "bad.yaml", UNREACHABLE), file(&folder, "clean.yaml", CLEAN));
    let status = |args: String| say(&format!("profile lint --format ndjson {args}")).status;
    assert_eq!(status(clean.clone()), 0);
    assert_eq!(status(bad.clone()), 1);
    assert_eq!(status(format!("{clean} {bad}")), 1);
    assert_eq!(status(format!("{bad} --fail-on never")), 0);
    assert_eq!(status("farmbot".to_owned()), 0, "warnings only");
    assert_eq!(status("farmbot --fail-on warning".to_owned()), 1);
    assert_eq!(status(format!("{clean} --fail-on info")), 0);

    let broken = folder.path().join("broken.yaml");
    fs::write(&broken, "version: 1\nprofle: x\n").unwrap();
    let mixed = say(&format!("profile lint --format ndjson {} {bad}", broken.display()));
    assert_eq!(mixed.status, 2, "what cannot be read weighs more");
    assert!(mixed.err.contains("profle") && mixed.err.contains("1 of 2 profiles"), "{}", mixed.err);
    assert_eq!(mixed.codes(), ["unreachable"], "the other is linted all the same");
}

#[test]
fn rows_have_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "my.yaml", UNREACHABLE);
    let rows = say(&format!("profile lint --format ndjson {path}")).rows();
    let row = &rows[0];
    assert_eq!(
        (&row["file"], row["line"].as_u64(), row["column"].as_u64()),
        (&path.clone().into(), Some(7), Some(5))
    );
    assert_eq!((row["profile"].as_str(), row["claims"].as_str()), (Some("mine"), Some("A-1, A-2")));
    assert_eq!(row["severity"], "error");
    for key in ["message", "remedy"] {
        assert!(row[key].as_str().is_some_and(|text| text.len() > 10), "{row}");
    }
    let text = say(&format!("profile lint --format table {path}"));
    assert!(
        text.out.starts_with(&format!(
            "{path}:7:5: error[unreachable] A-1, A-2: opens nothing: A-2 forbids all of it, and what is forbidden wins\n    \
             7 |   - {{id: A-1, title: a, allowed: {{out: a.example.com, tcp: 443}}}}\n      = help: "
        )),
        "{}",
        text.out
    );
    let clean = say(&format!("profile lint --format table {}", file(&folder, "clean.yaml", CLEAN)));
    assert_eq!(clean.out, "No lints.\n");
    let clean = file(&folder, "clean.yaml", CLEAN);
    let quiet = say(&format!("profile lint -q --format table {clean}"));
    assert_eq!((quiet.status, quiet.out.as_str(), quiet.err.as_str()), (0, "", ""));
    assert_eq!(say(&format!("profile lint -q --format table {path}")).out, text.out);
}

#[test]
fn the_form_is_chosen_by_name_and_by_suffix() {
    let folder = tempfile::tempdir().unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&say("profile lint smartserver --format json").out).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert!(json["lints"].as_array().is_some_and(|lints| lints.len() > 10));
    let path = folder.path().join("lints.md");
    let answer = say(&format!("profile lint smartserver -o {}", path.display()));
    assert_eq!((answer.status, answer.out.as_str()), (0, ""));
    let table = fs::read_to_string(&path).unwrap();
    assert!(table.starts_with("| severity | code | file | line |"), "{table}");
    assert_eq!(say("profile lint smartserver --format parquet").status, 2);
}

#[test]
fn ages_are_counted_to_the_day_that_is_given() {
    let codes = |args: &str| say(&format!("profile lint --format ndjson farmbot {args}")).codes();
    let old = |args: &str| codes(args).iter().any(|code| code == "reviewed-long-ago");
    assert!(old("") && old("--as-of 2023-04") && !old("--as-of 2023-02-28"));
    let wrong = say("profile lint farmbot --as-of yesterday");
    assert_eq!(wrong.status, 2);
    assert!(wrong.err.contains("--as-of") && wrong.err.contains("2021-04-30"), "{}", wrong.err);
}

#[test]
fn a_hostile_profile_reaches_no_terminal_and_no_spreadsheet() {
    let folder = tempfile::tempdir().unwrap();
    let claims = "  - {id: A-1, title: \"\\e[2J\", allowed: {out: a.example.com, tcp: 443}}\n\
                  contradictions:\n  - {claims: [A-1], note: \"=1+1\\e]0;x\\a\\u202e\"}\n";
    let path = file(&folder, "evil.yaml", claims);
    for format in ["table", "ndjson", "json", "markdown", "csv"] {
        if format == "csv" && !cfg!(feature = "table") {
            continue;
        }
        let Answer { out, .. } = say(&format!("profile lint --format {format} {path}"));
        assert!(
            !out.chars().any(|c| c.is_control() && c != '\n') && !out.contains('\u{202e}'),
            "{format}: {out:?}"
        );
        assert!(format == "table" || out.contains("'=1+1"), "{format}: {out}");
    }
}

#[test]
fn explain_shows_the_page_of_every_lint() {
    for code in lint::codes() {
        let answer: Answer = run(&["explain", code.id]).into();
        assert_eq!((answer.status, answer.err.as_str()), (0, ""), "{}", code.id);
        assert!(answer.out.starts_with(&format!("# {}\n\n{}.", code.id, code.title)), "{}", answer.out);
        assert!(answer.out.contains("## What to do"), "{}", answer.out);
    }
    assert!(say("explain over-brod").err.contains("did you mean `over-broad`?"));
}

/// Where the pages begin in the documentation.
const MARK: &str = "<!-- The pages of `wireclaim explain` follow; WIRECLAIM_BLESS=1 cargo test --test lint writes them. -->\n";

#[test]
fn the_documentation_has_the_pages_as_they_are() {
    let path: PathBuf = support::root().join("docs/lint.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, _) = text.split_once(MARK).expect("the mark is there");
    let mut pages = String::new();
    for code in lint::codes() {
        let page = code.page.trim_end().replace("\n## ", "\n#### ");
        let page = page.strip_prefix("## ").map_or(page.clone(), |page| format!("#### {page}"));
        let (id, title, severity) = (code.id, code.title, code.severity);
        let section = format!("\n### {id}\n\n{title}. Usually `{severity}`.\n\n{page}\n");
        pages.push_str(&section);
    }
    if blessing() {
        fs::write(&path, format!("{head}{MARK}{pages}")).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.split_once(MARK).unwrap().1, pages);
    for code in lint::codes() {
        assert!(
            head.contains(&format!("[`{0}`](#{0})", code.id)),
            "the table of docs/lint.md lacks {}",
            code.id
        );
    }
}
