use proptest::prelude::*;

use super::super::samples::{capture, finding, seen_in};
use super::super::{Content, View, by_name, rows as rows_of};
use super::*;
use crate::model::Evidence;
use crate::model::finding::Finding;
use crate::model::stats::CaptureInfo;

/// What `format` writes of `findings`.
fn written(format: &str, findings: &[Finding], captures: &[CaptureInfo]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let output = super::super::Output::create(Some(&path)).unwrap();
    let view = View { captures, ..View::default() };
    by_name(format).unwrap().write_findings(findings, &view, output).unwrap();
    std::fs::read(&path).unwrap()
}

fn formats() -> Vec<&'static str> {
    if cfg!(feature = "table") { vec!["csv", "ndjson", "json"] } else { vec!["ndjson", "json"] }
}

fn csv_of(findings: &[Finding]) -> String {
    String::from_utf8(written("csv", findings, &[capture(0, "a.pcap")])).unwrap()
}

fn damage(text: impl Into<String>) -> Damage {
    from_bytes(text.into().into_bytes()).unwrap_err()
}

/// Text as the wire, a profile or a file name may bring it: plain, and with everything that means something to
/// somebody.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9.-]{0,12}",
        "['=+@\t\r\n,;\"#x09d\\\\-]{0,8}",
        "\\PC{0,20}",
        proptest::collection::vec(any::<char>(), 0..8).prop_map(|chars| chars.into_iter().collect()),
    ]
}

prop_compose! {
    fn any_finding()(
        texts in proptest::collection::vec(text(), 10),
        port in any::<Option<u16>>(),
        frames in proptest::collection::vec((0..2_u32, 1..9_000_u64, 0..9_000_u64), 0..10),
        severity in prop_oneof![Just(None), Just(Some(Severity::Info)), Just(Some(Severity::Error))],
        confidence in prop_oneof![Just(Confidence::Weak), Just(Confidence::Proven)],
    ) -> Finding {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        let mut evidence: Option<Evidence> = None;
        for (capture, no, at) in frames {
            let once = Evidence::once(seen_in(capture, no, at));
            match &mut evidence {
                Some(all) => all.merge(&once),
                None => evidence = Some(once),
            }
        }
        let mut row = finding();
        row.device.name = next();
        Finding {
            profile: next(), variant: next(), claim: next(), service: next(), peer_name: next(), expected: next(),
            observed: next(), message: next(), waiver: next(), port, evidence, severity, confidence, ..row
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        findings in proptest::collection::vec(any_finding(), 0..5),
        names in [text(), text()],
    ) {
        let findings = super::super::fold(findings);
        // A name that looks like another entry of the list cannot be told from one.
        let name = |at: u32| names[at as usize].replace([';', '#'], "_");
        let captures = [capture(0, &name(0)), capture(1, &format!("b{}", name(1)))];
        let expected = rows_of(&findings, &captures);
        for (row, finding) in expected.iter().zip(&findings) {
            prop_assert_eq!(row.cell("peer_name"), text::printable(&finding.peer_name));
            prop_assert_eq!(row.cell("observed"), text::printable(&finding.observed));
            prop_assert_eq!(row.cell("waiver"), text::printable(&finding.waiver));
        }
        for format in formats() {
            let bytes = written(format, &findings, &captures);
            let read = from_bytes(bytes).map_err(|damage| TestCaseError::fail(format!("{format}: {damage:?}")))?;
            prop_assert_eq!(&read, &expected, "{}", format);
        }
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0..2_000_usize) {
        let _ = from_bytes(bytes.clone());
        if cfg!(feature = "table") {
            let mut table = written("csv", &[finding()], &[capture(0, "a.pcap")]);
            table.splice(cut.min(table.len()).., bytes);
            let _ = from_bytes(table);
        }
    }
}

#[test]
fn the_columns_that_every_table_has_end_with_the_waiver() {
    assert_eq!(FindingTable::COLUMNS[FIRST_COLUMNS - 1].name, "waiver");
}

#[test]
#[cfg(feature = "table")]
fn every_cut_of_a_table_is_told_or_ends_after_a_row() {
    let mut other = finding();
    other.observed = "a, \"b\"".into();
    let whole = csv_of(&super::super::fold(vec![finding(), other]));
    let ends: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
    for cut in 1..=whole.len() {
        let read = from_bytes(whole.as_bytes()[..cut].to_vec());
        match ends.iter().position(|end| *end == cut) {
            Some(rows) => assert_eq!(read.unwrap().len(), rows),
            None => assert!(read.is_err(), "{}", &whole[..cut]),
        }
    }
}

#[test]
#[cfg(feature = "table")]
fn damage_names_line_column_and_remedy() {
    let table = csv_of(&[finding()]);
    let (header, row) = table.split_once('\n').unwrap();
    let told = |text: String| {
        let Damage { line, column, reason } = damage(text);
        format!("{line} {column}: {reason}")
    };
    for (text, parts) in [
        (format!("{header}\n{row}{row}"), "3 finding_id: `d1c9d34ffe3447a9` is there already, in line 2"),
        (table.replace("d1c9d34ffe3447a9", "4,87E+15"), "fields and the header"),
        (table.replace("d1c9d34ffe3447a9", "1.2E+15"), "2 finding_id: `1.2E+15` is no id"),
        (
            table.replace(",error,", ",eror,"),
            "2 severity: expected one of `error`, `warning`, `info`, got `eror`",
        ),
        (table.replace(",443,", ",https,"), "2 port: `https` is no number"),
        (table.replace("finding_id,", "id,"), "1 : the column `finding_id` is missing"),
        (table.replace(",count,", ",number,"), "2 : the column `count` is missing"),
        (format!("{}\n", header.replace(",count,", ",number,")), "1 : the column `count` is missing"),
        (table.replace(",count,", ",port,"), "1 : the column `port` is there twice"),
        (table.replace(',', ";"), "1 : its fields are parted by `;`"),
        (format!("{header}\n{}", row.trim_end()), "2 : the last row has no line end: the file is cut off"),
        (format!("{header}\n\"{row}"), "2 : "),
        (
            String::from("flow_id,orig\nx,y\n"),
            "2 : the column `first_seen` is missing (expected a flow table, as `wireclaim flows` writes it",
        ),
        (String::from("PAR1"), "0 : it is a Parquet file"),
    ] {
        assert!(told(text.clone()).contains(parts), "{parts}\n{}\n{text}", told(text.clone()));
    }
    assert!(!damage("a\nb\n").reason.is_empty());
    assert_eq!(from_bytes(b"a,b\n\xff".to_vec()).unwrap_err().line, 2);
}

#[test]
#[cfg(feature = "table")]
fn what_others_do_to_a_table_does_no_harm() {
    let plain = csv_of(&[finding()]);
    let expected = from_bytes(plain.clone().into_bytes()).unwrap();
    // A byte order mark, other line ends, blank lines at the end, columns of somebody else in another order.
    let odd = format!("\u{feff}{}\r\n", plain.replace('\n', "\r\n"));
    assert_eq!(from_bytes(odd.into_bytes()).unwrap(), expected);
    let more: String =
        plain.lines().zip(["mine,", "x,"]).flat_map(|(line, mine)| [mine, line, "\n"]).collect();
    assert_eq!(from_bytes(more.into_bytes()).unwrap(), expected);
    // Control characters that somebody put into a cell do not reach a terminal.
    let hostile = plain.replace("my.example", "my\u{1b}[31m");
    assert_eq!(from_bytes(hostile.into_bytes()).unwrap()[0].cell("peer_name"), "my\\x1b[31m");
}

#[test]
fn an_object_that_is_none_names_its_line() {
    let good = String::from_utf8(written("ndjson", &[finding()], &[capture(0, "a.pcap")])).unwrap();
    assert_eq!(from_bytes(Vec::new()).unwrap(), []);
    assert_eq!(from_bytes(good.clone().into_bytes()).unwrap().len(), 1);
    let cut = damage(format!("{good}{}", &good[..40]));
    assert!(cut.line == 2 && cut.reason.contains("damaged or cut off"), "{cut:?}");
    let newer = damage(good.replace("\"schema_version\":1", "\"schema_version\":2"));
    assert!(newer.reason.contains("schema_version is 2"), "{newer:?}");
    let lacking = damage(good.replace("\"count\":1,", ""));
    assert!(lacking.reason.contains("the column `count` is missing"), "{lacking:?}");
    let nested = damage(good.replace("\"port\":443", "\"port\":{}"));
    assert_eq!((nested.line, nested.column), (1, "port"));
    assert!(damage("{\"flow_id\":\"a\"}\n").reason.contains("flow table"));
}

#[test]
fn frames_are_read_by_capture() {
    assert_eq!(frames("a.pcap#17,18;b.pcap#3").unwrap(), [("a.pcap", vec![17, 18]), ("b.pcap", vec![3])]);
    assert_eq!(frames("-#4").unwrap(), [("-", vec![4])]);
    assert_eq!(frames("a#b.pcap#4").unwrap(), [("a#b.pcap", vec![4])]);
    assert_eq!(frames("").unwrap(), []);
    for bad in ["a.pcap", "a.pcap#", "a.pcap#1,", "a.pcap#1…", "#", "a#1;"] {
        assert_eq!(frames(bad), None, "{bad}");
    }
}

#[test]
fn every_column_of_findings_is_in_the_table_of_changes() {
    let names =
        |content| super::super::columns(content).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let changes = names(Content::Changes);
    assert_eq!(changes[..2], ["change", "what_changed"]);
    assert_eq!(changes[2..], names(Content::Findings));
}

#[test]
fn a_document_is_read_however_it_is_laid_out() {
    let text = String::from_utf8(written("json", &[finding()], &[capture(0, "a.pcap")])).unwrap();
    let rows = from_bytes(text.clone().into_bytes()).unwrap();
    assert_eq!((rows.len(), rows[0].cell("peer_name")), (1, "my.example"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    for other in [value.to_string(), format!("{value:#}")] {
        assert_eq!(from_bytes(other.into_bytes()).unwrap(), rows);
    }
    assert_eq!(from_bytes(written("json", &[], &[])).unwrap(), []);
    let lacking = damage(text.replace("\"count\":1,", ""));
    assert!(lacking.line == 2 && lacking.reason.contains("the column `count` is missing"), "{lacking:?}");
    assert!(damage(text.replace("\"schema_version\":1", "\"schema_version\":2")).reason.contains("is 2"));
    assert!(damage(&text[..text.len() - 4]).reason.contains("cut off"));
    assert!(damage("{\"schema_version\":1,\"flows\":[\n{}\n]}").reason.contains("flow table"));
    assert!(damage("{\"schema_version\":1,\"findings\":[\n3\n]}").reason.contains("an object"));
    for people in ["| severity | code |\n|---|---|\n", "SEVERITY  CODE  PEER\nerror  x  y\n"] {
        assert!(damage(people).reason.contains("a table for people"), "{people}");
    }
}
