//! NDJSON: one JSON object per line, keys and order as the columns of the CSV after `schema_version`. Numbers are
//! numbers, what is absent is `null`, evidence is a list of frames, facts are nested. Text is neutralised as in CSV,
//! so that a value is the same in both.

use std::io::{self, Write};

use super::cell::{RowObject, Table};
use super::diff::{Change, ChangeTable};
use super::findings::{FindingRow, FindingTable};
use super::flows::{FlowCells, FlowTable};
use super::lints::{LintRow, LintTable};
use super::{Format, SCHEMA_VERSION, View};

pub(super) const FORMAT: Format = Format {
    name: "ndjson",
    suffixes: &["ndjson", "jsonl"],
    help: "one JSON object per line",
    available: true,
    binary: false,
    findings: Some(write_findings),
    flows: Some(write_flows),
    changes: Some(write_changes),
    lints: Some(write_lints),
};

fn write_findings(rows: &[FindingRow<'_>], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    lines::<FindingTable>(rows, out)
}

fn write_flows(rows: &[FlowCells<'_>], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    lines::<FlowTable>(rows, out)
}

fn write_lints(rows: &[LintRow], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    lines::<LintTable>(rows, out)
}

fn lines<'r, T: Table>(rows: &'r [T::Row<'r>], out: &mut dyn Write) -> io::Result<()> {
    rows.iter().try_for_each(|row| {
        serde_json::to_writer(&mut *out, &RowObject::<T> { row, version: Some(SCHEMA_VERSION) })?;
        out.write_all(b"\n")
    })
}

fn write_changes(changes: &[Change], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    lines::<ChangeTable>(changes, out)
}

#[cfg(test)]
mod tests {
    use super::super::flows::{FlowRow, sorted};
    use super::super::samples::{capture, finding, flow, seen};
    use super::super::{Content, columns};
    use super::*;
    use crate::model::Evidence;
    use crate::model::finding::Finding;

    fn json(finding: &Finding) -> String {
        let captures = [capture(0, "demo.pcap")];
        let mut out = Vec::new();
        write_findings(&[FindingRow { finding, captures: &captures }], &View::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_rows_are_no_bytes() {
        let mut out = Vec::new();
        write_findings(&[], &View::default(), &mut out).unwrap();
        assert!(out.is_empty());
    }

    #[test]
    fn keys_are_the_columns_in_their_order() {
        let text = json(&finding());
        let mut place = 0;
        for (name, _) in columns(Content::Findings) {
            let found = text.find(&format!("\"{name}\":")).unwrap();
            assert!(found > place, "{name}");
            place = found;
        }
        assert!(text.starts_with("{\"schema_version\":1,\"finding_id\":\""), "{text}");
    }

    #[test]
    fn numbers_are_numbers_and_absence_is_null() {
        let mut row = finding();
        row.port = None;
        row.evidence = Some(Evidence::once(seen(17)));
        let value: serde_json::Value = serde_json::from_str(&json(&row)).unwrap();
        assert_eq!(value["port"], serde_json::Value::Null);
        assert_eq!(value["count"], 1);
        assert_eq!(value["waiver"], serde_json::Value::Null);
        assert_eq!(value["evidence"], serde_json::json!([{"capture": "demo.pcap", "frame": 17}]));
        assert_eq!(value["message"], "1 connection with TLS 1.0");
        row.evidence = None;
        let value: serde_json::Value = serde_json::from_str(&json(&row)).unwrap();
        assert_eq!(
            (&value["evidence"], &value["first_seen"]),
            (&serde_json::Value::Null, &serde_json::Value::Null)
        );
        assert_eq!(value["count"], 0);
    }

    #[test]
    fn hostile_text_stays_on_its_line() {
        let mut row = finding();
        row.peer_name = "a\n\"}\u{1b}[2J\u{2028}\u{202e}".into();
        let text = json(&row);
        assert_eq!(text.lines().count(), 1);
        assert!(!text.trim_end().chars().any(char::is_control), "{text:?}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["peer_name"], "a\\x0a\"}\\x1b[2J\\u{2028}\\u{202e}");
    }

    #[test]
    fn facts_are_nested_with_count_and_first_frame() {
        let captures = [capture(0, "demo.pcap")];
        let flow = flow();
        let row = FlowRow { flow: &flow, resp_name: None };
        let mut out = Vec::new();
        write_flows(&sorted(&[row], &captures), &View::default(), &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            value["facts"]["tls.sni"][0],
            serde_json::json!({"value": "my.example", "count": 2, "first_seen": "1970-01-01T00:00:13.000000Z",
                "capture": "demo.pcap", "frame": 13})
        );
        assert_eq!(value["facts"]["tls.suites"][0]["value"], 2);
        assert_eq!(value["duration_s"], 60.0);
        assert_eq!(value["midstream"], false);
        assert_eq!(value["resp_name"], serde_json::Value::Null);
        assert_eq!(value["name_source"], "none");
    }
}
