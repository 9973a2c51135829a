//! Waivers with the real program: applied, expired, unused, drafted; and the examples of their page.

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

use std::fs;
use std::path::{Path, PathBuf};

use support::{Answer, page, say};

const FAULTS: &str = "fixtures/cases/farmbot-faults/capture.pcap";

/// One waiver, with these keys of `match` and this last day.
fn waiver(id: &str, keys: &str, expires: &str) -> String {
    format!(
        "  - {{id: {id}, match: {{{keys}}}, reason: field trial, owner: alice@example.com, expires: {expires}}}\n"
    )
}

/// A file of these waivers, in a folder that goes when it is dropped.
fn file(entries: &[String]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("waivers.yaml");
    fs::write(&path, format!("version: 1\nwaivers:\n{}", entries.concat())).unwrap();
    (folder, path)
}

/// `check` of the capture with faults.
fn check(waivers: &Path, rest: &str) -> Answer {
    say(&format!("check -p farmbot --format ndjson {FAULTS} --waivers {} {rest}", waivers.display()))
}

/// Code and severity of the rows that a waiver lowers, with its id.
fn waived(answer: &Answer) -> Vec<(String, String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let rows = answer.rows();
    let waived = rows.iter().filter(|row| !row["waiver"].is_null());
    waived.map(|row| (text(&row["code"]), text(&row["severity"]), text(&row["waiver"]))).collect()
}

/// The capture ends on 2026-11-21: two connections with undeclared peers, of which one has a name.
#[test]
fn a_waived_row_is_shown_for_information_and_fails_no_run() {
    let (_folder, path) = file(&[
        waiver("W-1", "code: undeclared-destination, peer: '*.example.net'", "2026-11-21"),
        waiver("W-2", "code: [weak-cipher, weak-tls-version]", "2027-01-01"),
    ]);
    let answer = check(&path, "");
    let expected = [
        ("weak-cipher", "info", "W-2"),
        ("undeclared-destination", "info", "W-1"),
        ("weak-tls-version", "info", "W-2"),
    ];
    assert_eq!(
        waived(&answer),
        expected.map(|(code, severity, id)| (code.into(), severity.into(), id.into()))
    );
    assert_eq!((answer.status, answer.rows().len()), (1, 10), "the others still fail the run");
    assert!(answer.err.contains("waivers: 3 findings waived by 2 of 2 waivers\n"), "{}", answer.err);
    assert!(answer.err.contains("findings: 6 errors, 1 warning, 3 for information\n"), "{}", answer.err);
    // Rows are where their severity belongs.
    let severities: Vec<String> = answer.rows().iter().map(|row| row["severity"].to_string()).collect();
    let rank = |severity: &String| {
        ["\"error\"", "\"warning\"", "\"info\""].iter().position(|known| known == severity)
    };
    assert!(severities.is_sorted_by_key(rank), "{severities:?}");

    let (_folder, all) = file(&[waiver("W", "profile: farmbot", "2027-01-01")]);
    for gate in ["", "--fail-on warning", "--fail-on info --min-confidence weak"] {
        assert_eq!(check(&all, gate).status, 0, "{gate}");
    }
}

#[test]
fn the_day_is_that_of_the_last_packet_or_the_one_given() {
    let (_folder, path) = file(&[waiver("W-1", "peer: .example.net", "2026-11-21")]);
    assert_eq!(waived(&check(&path, "")).len(), 1);
    assert_eq!(waived(&check(&path, "--as-of 2026-11-21")).len(), 1);
    let late = check(&path, "--as-of 2026-11-22");
    assert_eq!(waived(&late), []);
    let row = late.rows().into_iter().find(|row| row["code"] == "waiver-expired").expect("it is a finding");
    assert_eq!(
        row["message"],
        "The waiver W-1 (owner alice@example.com) expired on 2026-11-21; it would cover undeclared-destination \
         48b695f2081c18c4."
    );
    assert_eq!((&row["severity"], &row["status"]), (&"warning".into(), &"inconclusive".into()));
    assert_eq!((&row["observed"], &row["evidence"][0]["frame"]), (&"W-1 2026-11-21".into(), &173.into()));
    assert!(
        late.err.contains(
            "waivers: W-1 (owner alice@example.com) expired on 2026-11-21: 1 finding is not waived any more"
        ),
        "{}",
        late.err
    );
    let bad = check(&path, "--as-of 2026-02-30");
    assert!(bad.status == 2 && bad.err.contains("2026-02-30"), "{}", bad.err);
}

#[test]
fn an_expired_waiver_fails_a_run_that_warnings_fail() {
    // All else is waived by name.
    let (_folder, path) = file(&[
        waiver("old", "code: lifetime-exceeded", "2026-01-01"),
        waiver("all", "direction: out, port: [1-65535], confidence_is_no_key: 1", "2027-01-01"),
    ]);
    assert!(check(&path, "").err.contains("unknown key `confidence_is_no_key`"));
    let codes = "code: [cleartext-credentials, weak-cipher, undeclared-destination, undeclared-port, weak-certificate-key, \
                 weak-certificate-signature, weak-tls-version]";
    let (_folder, path) =
        file(&[waiver("old", "code: lifetime-exceeded", "2026-01-01"), waiver("all", codes, "2027-01-01")]);
    assert_eq!(check(&path, "").status, 0);
    assert_eq!(check(&path, "--fail-on warning").status, 1);
}

#[test]
fn unused_waivers_are_listed_and_harmless() {
    let (_folder, path) =
        file(&[waiver("W-8", "peer: nobody.example", "2027-01-01"), waiver("W-9", "port: 1", "2026-01-01")]);
    let answer = check(&path, "");
    assert!(answer.err.contains("waivers: 0 findings waived by 0 of 2 waivers"), "{}", answer.err);
    assert!(answer.err.contains("W-8 (owner alice@example.com) is unused"), "{}", answer.err);
    assert!(
        answer.err.contains("W-9 (owner alice@example.com) expired on 2026-01-01 and covers nothing"),
        "{}",
        answer.err
    );
    let without = say(&format!("check -p farmbot --format ndjson {FAULTS}"));
    assert_eq!(answer.out, without.out);
    assert_eq!(check(&path, "-q").err, "");
}

#[test]
fn what_is_wrong_with_a_file_is_told_before_anything_is_read() {
    let (_folder, path) = file(&[waiver("W", "code: capture-loss", "2027-01-01")]);
    let answer = check(&path, "");
    assert_eq!((answer.status, answer.out.as_str()), (2, ""));
    assert!(
        answer.err.contains(":3:") && answer.err.contains("`capture-loss` cannot be waived"),
        "{}",
        answer.err
    );
    let (_folder, first) = file(&[waiver("W", "port: 1", "2027-01-01")]);
    let (_other, second) = file(&[waiver("W", "port: 2", "2027-01-01")]);
    let twice = check(&first, &format!("--waivers {}", second.display()));
    assert!(twice.status == 2 && twice.err.contains("the id `W` is used at"), "{}", twice.err);
    assert_eq!(check(Path::new("nowhere.yaml"), "").status, 2);
}

#[test]
fn a_draft_covers_what_failed_and_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let draft = folder.path().join("w.yaml");
    let write = format!("check -p farmbot --format ndjson {FAULTS} --write-waivers {}", draft.display());
    let first = say(&write);
    assert_eq!(first.status, 1, "the answer stays the answer");
    assert!(first.err.contains("9 waivers drafted"), "{}", first.err);
    let text = fs::read_to_string(&draft).unwrap();
    assert_eq!(text.matches("expires: 2027-02-19\n").count(), 9, "90 days after 2026-11-21: {text}");
    assert!(text.contains("  # farmbot-1234 contacted telemetry.example.net on 443/tcp"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");

    let again = say(&write);
    assert!(again.status == 2 && again.err.contains("the file exists"), "{}", again.err);
    assert_eq!(fs::read_to_string(&draft).unwrap(), text);
    let empty = check(&draft, "");
    assert!(empty.status == 2 && empty.err.contains("`owner` is still to be filled in"), "{}", empty.err);

    fs::write(&draft, text.replace("reason: \"\"", "reason: trial").replace("owner: \"\"", "owner: alice"))
        .unwrap();
    let filled = check(&draft, "");
    assert_eq!((filled.status, waived(&filled).len()), (0, 9), "{}", filled.err);
    // Nothing is left to be drafted.
    let none = folder.path().join("none.yaml");
    let rest = check(&draft, &format!("--write-waivers {}", none.display()));
    assert!(rest.err.contains("is not written") && !none.exists(), "{}", rest.err);
}

/// A folder as the page describes it: the clean recording is the release's, the one with faults the candidate's.
fn bench() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, case) in [("release", "clean"), ("candidate", "faults")] {
        let from = support::root().join(format!("fixtures/cases/farmbot-{case}/capture.pcap"));
        fs::copy(from, folder.path().join(format!("{name}.pcap"))).unwrap();
    }
    folder
}

#[test]
#[cfg(feature = "table")]
fn the_examples_of_the_page_are_what_the_program_says() {
    let folder = bench();
    assert!(page::run(&page::text("waivers.md"), folder.path()) >= 7, "every subject has its example");
}

/// The gate of the page, as the page has it, on a bench whose last release was the clean recording.
#[test]
#[cfg(feature = "table")]
fn the_gate_of_the_page_lets_through_what_is_not_new() {
    let page = page::text("waivers.md");
    let blocks = page::blocks(&page);
    let scripts = blocks.iter().filter(|(info, _)| info.split(' ').next() == Some("sh"));
    let scripts: Vec<&str> = scripts.map(|(_, text)| *text).collect();
    let [gate, release] = scripts.as_slice() else { panic!("two scripts: {scripts:?}") };
    let folder = bench();
    fs::write(folder.path().join("gate.sh"), gate).unwrap();
    fs::write(folder.path().join("waivers.yaml"), "version: 1\nwaivers: []\n").unwrap();
    let run = |recording: &str| page::shell(folder.path(), &format!("sh gate.sh {recording}"));
    let (status, said) = run("candidate.pcap");
    assert!(status == 2 && said.contains("released.csv") && said.contains("gate: could not run"), "{said}");

    page::shell(folder.path(), &release.replace("candidate.pcap", "release.pcap"));
    let (status, said) = run("candidate.pcap");
    assert!(status == 1 && said.contains("gate: new or worse"), "{said}");
    assert!(said.contains("changes: 10 new, 0 gone, 0 changed, 0 the same"), "{said}");
    let changes = support::csv(&fs::read_to_string(folder.path().join("changes.csv")).unwrap());
    assert!(changes.len() == 10 && changes.iter().all(|row| row["change"] == "new"));
    assert_eq!(run("release.pcap").0, 0);

    // Released all the same, it is what the next one is compared with.
    page::shell(folder.path(), release);
    let (status, said) = run("candidate.pcap");
    assert!(status == 0 && said.contains("gate: nothing new or worse"), "{said}");
    assert!(said.contains("changes: 0 new, 0 gone, 0 changed, 10 the same"), "{said}");

    // A recording that is cut off cannot tell.
    let whole = fs::read(folder.path().join("release.pcap")).unwrap();
    fs::write(folder.path().join("cut.pcap"), &whole[..whole.len() - 7]).unwrap();
    let (status, said) = run("cut.pcap");
    assert!(status == 3 && said.contains("record again"), "{said}");
}
