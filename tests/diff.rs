//! `wireclaim diff` and `wireclaim explain --from` with the real program.

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

use support::{Answer, say};
use tempfile::TempDir;

const CLEAN: &str = "fixtures/cases/farmbot-clean/capture.pcap";
const FAULTS: &str = "fixtures/cases/farmbot-faults/capture.pcap";
const BLOCKED: &str = "fixtures/cases/farmbot-blocked/capture.pcap";

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The table of a case as it was committed.
fn expected(case: &str) -> String {
    format!("fixtures/cases/{case}/expected.csv")
}

fn diff(rest: &str) -> Answer {
    say(&format!("diff --format ndjson {rest}"))
}

/// What became of each, and its code.
fn fates(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    answer.rows().iter().map(|row| (text(&row["change"]), text(&row["code"]))).collect()
}

fn refused(answer: &Answer, parts: &[&str]) {
    assert_eq!((answer.status, answer.out.as_str()), (2, ""), "{}", answer.err);
    for part in parts {
        assert!(answer.err.contains(part), "`{part}` is not in: {}", answer.err);
    }
}

/// The table with `from` replaced, in a file.
fn altered(folder: &TempDir, case: &str, from: &str, to: &str) -> PathBuf {
    let table = fs::read_to_string(support::root().join(expected(case))).unwrap();
    assert!(table.contains(from), "{from}");
    let path = folder.path().join("altered.csv");
    fs::write(&path, table.replace(from, to)).unwrap();
    path
}

#[test]
fn help_names_what_is_compared() {
    let help = say("diff --help");
    assert_eq!(help.status, 0);
    for part in ["Usage: wireclaim diff [OPTIONS] <OLD> <NEW>\n", "--fail-on", "--waivers", "--profile"] {
        assert!(help.out.contains(part), "{part}: {}", help.out);
    }
    assert!(!help.out.contains("--write-waivers"), "it is for check");
    refused(&diff(CLEAN), &["2 values"]);
    refused(&diff("a b c"), &["c"]);
}

/// The three findings of the blocked device are none of the ten of the faulty one.
#[test]
fn two_tables_give_what_is_new_and_what_is_gone() {
    let answer = diff(&format!("{} {}", expected("farmbot-faults"), expected("farmbot-blocked")));
    assert_eq!(answer.status, 1);
    assert!(answer.err.starts_with("changes: 3 new, 10 gone, 0 changed, 0 the same\n"), "{}", answer.err);
    let fates = fates(&answer);
    let count = |fate: &str| fates.iter().filter(|(known, _)| known == fate).count();
    assert_eq!((count("new"), count("gone"), fates.len()), (3, 10, 13));
    let new: Vec<&str> = fates[..3].iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(new, ["ntp-unanswered", "required-blocked", "ntp-unanswered"]);
    assert!(answer.err.contains("gate: new required-blocked 754e5386fae58f98\n"), "{}", answer.err);

    let back = diff(&format!("{} {}", expected("farmbot-faults"), expected("farmbot-clean")));
    assert_eq!((back.status, back.rows().len()), (0, 10), "what is gone fails nothing");
    let same = format!("{0} {0}", expected("farmbot-faults"));
    assert_eq!((diff(&same).status, diff(&same).out.as_str()), (0, ""));
    assert_eq!(fates_of_all(&same), 10);
    assert_eq!(diff(&format!("-q {same}")).err, "");
}

fn fates_of_all(tables: &str) -> usize {
    fates(&diff(&format!("--all {tables}"))).iter().filter(|(fate, _)| fate == "same").count()
}

#[test]
fn tables_and_captures_give_the_same_in_any_pairing() {
    let folder = folder();
    let ndjson = folder.path().join("faults");
    let made = say(&format!("check -p farmbot {FAULTS} --format ndjson -q -o {}", ndjson.display()));
    assert_eq!(made.status, 1);
    let ndjson = ndjson.display().to_string();
    let csv = expected("farmbot-faults");
    let reference = diff(&format!("{} {csv}", expected("farmbot-clean")));
    assert_eq!((reference.status, reference.rows().len()), (1, 10));
    for (old, new) in [(CLEAN, FAULTS), (&expected("farmbot-clean"), FAULTS), (CLEAN, &csv), (CLEAN, &ndjson)]
    {
        let answer = diff(&format!("-p farmbot {old} {new}"));
        assert_eq!((answer.status, &answer.out), (1, &reference.out), "{old} {new}: {}", answer.err);
        assert!(answer.err.contains("changes: 10 new, 0 gone, 0 changed, 0 the same\n"), "{}", answer.err);
    }
    for jobs in ["1", "8"] {
        assert_eq!(diff(&format!("-p farmbot {CLEAN} {FAULTS} -j {jobs}")).out, reference.out, "{jobs}");
    }
    assert_eq!(diff(&format!("{csv} {ndjson}")).out, "", "CSV and NDJSON of one run");
}

/// Of 24 claims with their rows, those of two captures that both exercise are the same.
#[test]
fn with_all_captures_are_compared_claim_by_claim() {
    let answer = diff(&format!("-p farmbot --all {CLEAN} {BLOCKED}"));
    let rows = answer.rows();
    let claim = |row: &&serde_json::Value| row["code"] == "claim" && row["change"] == "changed";
    let changed: Vec<_> = rows.iter().filter(claim).map(|row| row["what_changed"].to_string()).collect();
    assert!(changed.iter().any(|what| what.contains("status: conforms -> not_exercised")), "{changed:?}");
    assert!(rows.iter().any(|row| row["change"] == "same"));
    // A table has no such rows, so they are not made up for the other side.
    let mixed = diff(&format!("-p farmbot --all {} {BLOCKED}", expected("farmbot-clean")));
    assert!(mixed.rows().iter().all(|row| row["code"] != "claim"));
}

#[test]
fn a_table_may_come_on_standard_input() {
    let table = fs::File::open(support::root().join(expected("farmbot-blocked"))).unwrap();
    let output = support::wireclaim()
        .args(["diff", "--format", "ndjson", &expected("farmbot-faults"), "-"])
        .stdin(table)
        .output()
        .unwrap();
    assert_eq!(fates(&output.into()).len(), 13);
}

#[test]
fn worse_fails_the_run_and_better_does_not() {
    let folder = folder();
    let faults = expected("farmbot-faults");
    let run = |from: &str, to: &str, rest: &str, turned: bool| {
        let path = altered(&folder, "farmbot-faults", from, to).display().to_string();
        let (old, new) = if turned { (&faults, &path) } else { (&path, &faults) };
        diff(&format!("{old} {new} {rest}"))
    };
    let severity = ("lifetime-exceeded,violation,warning", "lifetime-exceeded,violation,info");
    let worse = run(severity.0, severity.1, "--fail-on warning", false);
    assert_eq!((worse.status, fates(&worse)), (1, vec![("changed".into(), "lifetime-exceeded".into())]));
    assert_eq!(worse.rows()[0]["what_changed"], "severity: info -> warning");
    assert!(worse.err.contains("changes: 0 new, 0 gone, 1 changed, 9 the same\n"), "{}", worse.err);
    assert_eq!(run(severity.0, severity.1, "", false).status, 0, "a warning does not reach the gate");
    assert_eq!(run(severity.0, severity.1, "--fail-on warning", true).status, 0, "it is better now");
    // Surer than before, and only now sure enough.
    let confidence =
        ("undeclared-destination,violation,error,strong", "undeclared-destination,violation,error,weak");
    assert_eq!(run(confidence.0, confidence.1, "", false).status, 1);
    assert_eq!(run(confidence.0, confidence.1, "--min-confidence weak", false).status, 0);
    // Of a severity it had before, with other words.
    let expected = run("443,tls>=1.2,tls1.0", "443,tls>=1.1,tls1.0", "", false);
    assert_eq!(
        (expected.status, expected.rows()[0]["what_changed"].as_str()),
        (0, Some("expected: tls>=1.1 -> tls>=1.2"))
    );
    // A measurement is not part of what makes it another finding.
    let id = altered(&folder, "farmbot-faults", "life<=60 s,80 s", "life<=60 s,95 s");
    let table = fs::read_to_string(&id).unwrap().replace("f8fa386d25bf438f", "00000000000000aa");
    fs::write(&id, table).unwrap();
    let measured = diff(&format!("{faults} {} --fail-on warning", id.display()));
    assert_eq!(
        (measured.status, measured.rows()[0]["what_changed"].as_str()),
        (0, Some("observed: 80 s -> 95 s"))
    );
}

#[test]
fn a_waiver_that_is_over_fails_the_run_and_one_that_is_valid_does_not() {
    let folder = folder();
    let waivers = folder.path().join("w.yaml");
    let write = |expires: &str| {
        let entry =
            format!("{{id: W, match: {{profile: farmbot}}, reason: r, owner: o, expires: {expires}}}");
        fs::write(&waivers, format!("version: 1\nwaivers: [{entry}]\n")).unwrap();
    };
    write("2026-12-31");
    let accepted = folder.path().join("accepted.ndjson").display().to_string();
    let waivers = waivers.display().to_string();
    let check = say(&format!("check -p farmbot {FAULTS} -q --waivers {waivers} -o {accepted}"));
    assert_eq!(check.status, 0);
    let run = |rest: &str| diff(&format!("{accepted} {FAULTS} -p farmbot --waivers {waivers} {rest}"));
    assert_eq!((run("").status, run("").out.as_str()), (0, ""));
    let over = run("--as-of 2027-01-01");
    assert_eq!(over.status, 1);
    let fates = fates(&over);
    assert_eq!(fates[0], ("new".into(), "waiver-expired".into()));
    assert!(fates[1..].iter().all(|(fate, _)| fate == "changed") && fates.len() == 11, "{fates:?}");
    assert_eq!(over.rows()[1]["what_changed"], "severity: info -> error; waiver: W -> none");
}

#[test]
fn a_capture_too_poor_to_tell_is_no_pass() {
    let clean = expected("farmbot-clean");
    let folder = folder();
    // As a table, too: with a row that says so.
    let row = altered(&folder, "farmbot-lossy", "inconclusive,warning,", "inconclusive,error,")
        .display()
        .to_string();
    let answer = diff(&format!("{row} {row}"));
    assert_eq!(answer.status, 3, "{}", answer.err);
    assert!(answer.err.contains("too poor to tell what is new"), "{}", answer.err);
    let cut = folder.path().join("cut.pcap");
    let whole = fs::read(support::root().join(CLEAN)).unwrap();
    fs::write(&cut, &whole[..whole.len() - 7]).unwrap();
    let answer = diff(&format!("-p farmbot {clean} {}", cut.display()));
    assert!(answer.status == 3 && answer.err.contains("damaged at byte"), "{}", answer.err);
}

#[test]
fn damaged_tables_name_file_line_and_remedy() {
    let folder = folder();
    let clean = expected("farmbot-clean");
    let whole = fs::read_to_string(support::root().join(expected("farmbot-faults"))).unwrap();
    let path = folder.path().join("bad.csv");
    let with = |text: &str| {
        fs::write(&path, text).unwrap();
        diff(&format!("{clean} {}", path.display()))
    };
    let shown = path.display().to_string();
    refused(&with(&whole[..whole.len() - 100]), &[&shown, "line 11", "cut off", "wireclaim check -o"]);
    refused(&with(&whole.replace(",count,", ",n,")), &[&shown, "line 2", "`count` is missing"]);
    refused(
        &with(&format!("{whole}{}\n", whole.lines().nth(1).unwrap())),
        &["line 12", "finding_id", "line 2"],
    );
    refused(&with("a,b\n1,2\n"), &["line 1", "`finding_id` is missing", "wireclaim check"]);
    let flows = say(&format!("flows {CLEAN} -q -o {shown}"));
    assert_eq!(flows.status, 0);
    refused(&diff(&format!("{clean} {shown}")), &["is a flow table", "wireclaim flows", "wireclaim check"]);
    refused(&diff(&format!("{shown} {clean}")), &[&format!("`{shown}` is a flow table"), &clean]);
    refused(&say(&format!("explain 48b6 --from {shown}")), &["it is a flow table", "wireclaim check"]);
    refused(&diff(&format!("{clean} nowhere.csv")), &["nowhere.csv"]);
    refused(&diff(&format!("{clean} {FAULTS}")), &["no table", "-p"]);
    refused(&diff(&format!("{clean} {clean} -p farmbot")), &["`--profile`", "both are tables"]);
    refused(&diff(&format!("{clean} {clean} --waivers x.yaml")), &["`--waivers`", "wireclaim check"]);
    refused(&diff(&format!("{clean} {clean} --write-waivers x.yaml")), &["`--write-waivers`"]);
    refused(&say(&format!("diff {clean} {clean} --format parquet")), &["parquet"]);
    // Other columns in between and behind do no harm.
    let more: String = whole.lines().flat_map(|line| ["x,", line, ",y\n"]).collect();
    let header_once =
        more.replacen("x,finding_id", "mine,finding_id", 1).replacen("waiver,y", "waiver,policy_of_mine", 1);
    assert_eq!(with(&header_once).rows().len(), 10);
}

/// The one thing that the flows themselves say: the faulty device speaks with others, in the clear, and with its clock's
/// servers as before.
#[test]
fn two_flow_tables_are_compared_by_their_conversations() {
    let folder = folder();
    let table = |capture: &str, name: &str| {
        let path = folder.path().join(name);
        let format = if name.ends_with("ndjson") { "ndjson" } else { "csv" };
        let made = say(&format!("flows {capture} -q --format {format} -o {}", path.display()));
        assert_eq!(made.status, 0, "{}", made.err);
        path.display().to_string()
    };
    let (old, new, again) = (table(CLEAN, "old.csv"), table(FAULTS, "new.csv"), table(FAULTS, "new.ndjson"));
    let answer = diff(&format!("{old} {new}"));
    assert_eq!(answer.status, 0, "nothing of it is judged: {}", answer.err);
    let rows = answer.rows();
    let of = |fate: &str, peer: &str, port: u64| {
        rows.iter()
            .filter(|row| row["change"] == fate && row["peer_name"] == peer && row["port"] == port)
            .count()
    };
    assert_eq!(of("new", "telemetry.example.net", 443), 1, "{}", answer.out);
    assert_eq!(of("new", "clever-octopus.rmq.cloudamqp.com", 1883), 1, "{}", answer.out);
    for row in &rows {
        assert_eq!((&row["code"], &row["severity"]), (&"conversation".into(), &"info".into()));
        assert_eq!(row["finding_id"].as_str().map(str::len), Some(16));
        assert!(row["message"].as_str().unwrap().contains(" spoke "), "{row}");
    }
    let same = diff(&format!("{old} {old} --all"));
    assert!(same.rows().iter().all(|row| row["change"] == "same") && same.rows().len() > 5);
    assert_eq!(diff(&format!("{new} {again}")).out, "", "CSV and NDJSON of one run");
    assert_eq!(diff(&format!("{old} {new} --fail-on info")).status, 1);
    // No flows in NDJSON are no bytes.
    let none = folder.path().join("none.ndjson").display().to_string();
    fs::write(&none, "").unwrap();
    assert!(diff(&format!("{none} {new}")).rows().iter().all(|row| row["change"] == "new"));
    // A table that another program has cut.
    let text = fs::read_to_string(&new).unwrap();
    fs::write(&new, &text[..text.len() - 9]).unwrap();
    refused(&diff(&format!("{old} {new}")), &["new.csv", "cut off"]);
    fs::write(&new, text.replacen("resp_name", "name", 1)).unwrap();
    refused(&diff(&format!("{old} {new}")), &["`resp_name` is missing", "wireclaim flows"]);
}

#[test]
fn one_row_is_explained_from_its_table() {
    let table = expected("farmbot-faults");
    let whole = say(&format!("explain 48b695f2081c18c4 --from {table}"));
    assert_eq!((whole.status, whole.err.as_str()), (0, ""));
    for part in [
        "# undeclared-destination 48b695f2081c18c4\n",
        "farmbot-1234 contacted telemetry.example.net on 443/tcp (1 connection), which no claim declares.",
        "who:      farmbot-1234 (192.0.2.100, 02:fa:b0:00:12:34)\n",
        "where:    telemetry.example.net (203.0.113.60, named by sni), 443/tcp, tls, outbound\n",
        "expected: declared peer\n",
        "evidence: capture.pcap, in Wireshark `frame.number in {173, 174, 176}`\n",
        "## What to do",
        "declare it in a claim of the profile",
        "## Why it matters",
        "wireclaim explain undeclared-destination",
    ] {
        assert!(whole.out.contains(part), "{part}\n{}", whole.out);
    }
    assert_eq!(say(&format!("explain 48B6 --from {table}")).out, whole.out, "the beginning will do");
    refused(&say(&format!("explain 48b --from {table}")), &["at least 4 letters"]);
    refused(&say(&format!("explain 48b695f2081c18c5 --from {table}")), &["did you mean `48b695f2081c18c4`?"]);
    refused(&say(&format!("explain ffffffff --from {table}")), &["no such id among 10 findings"]);
    refused(&say(&format!("explain weak-cipher --from {table}")), &["it is a code", "`39876b29ebe006b0`"]);
    refused(&say("explain 48b695f2081c18c4"), &["--from"]);
    refused(&say("explain 48b6 --from README.md"), &["README.md", "`finding_id` is missing"]);
    let folder = folder();
    let twins = altered(&folder, "farmbot-faults", "4935bead46357193", "48b6bead46357193");
    refused(
        &say(&format!("explain 48b6 --from {}", twins.display())),
        &["2 findings begin so", "`48b6bead46357193`"],
    );
}

/// Nothing that a table holds reaches the terminal as it is, and nothing makes the program fail in an odd way.
#[test]
fn hostile_tables_are_harmless() {
    let folder = folder();
    let path = altered(&folder, "farmbot-faults", "telemetry.example.net", "a\u{1b}]0;x\u{7}\u{202e}");
    let shown = path.display().to_string();
    let clean = expected("farmbot-clean");
    for args in [
        format!("diff {clean} {shown} --format table"),
        format!("diff {clean} {shown} --format csv"),
        format!("diff {clean} {shown} --format ndjson"),
        format!("explain 48b6 --from {shown}"),
    ] {
        let answer = say(&args);
        let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(answer.status <= 1 && !answer.out.contains(odd), "{args}: {:?}", answer.out);
        assert!(answer.out.contains("a\\x1b]0;x\\x07\\u{202e}") || answer.out.contains("a\\\\x1b"), "{args}");
    }
    assert!(Path::new(&shown).exists());
}
