//! JSON: one document with `schema_version` and the rows, keys as the columns of the CSV, values as in NDJSON.

use std::io::{self, Write};

use super::cell::{RowObject, Table};
use super::diff::{Change, ChangeTable};
use super::findings::{FindingRow, FindingTable};
use super::flows::{FlowCells, FlowTable};
use super::lints::{LintRow, LintTable};
use super::{Format, SCHEMA_VERSION, View};

pub(super) const FORMAT: Format = Format {
    name: "json",
    suffixes: &["json"],
    help: "one JSON document",
    available: true,
    binary: false,
    findings: Some(write_findings),
    flows: Some(write_flows),
    changes: Some(write_changes),
    lints: Some(write_lints),
};

fn write_findings(rows: &[FindingRow<'_>], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    document::<FindingTable>("findings", rows, out)
}

fn write_flows(rows: &[FlowCells<'_>], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    document::<FlowTable>("flows", rows, out)
}

fn write_changes(changes: &[Change], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    document::<ChangeTable>("changes", changes, out)
}

fn write_lints(rows: &[LintRow], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    document::<LintTable>("lints", rows, out)
}

/// A row per line, so that two documents can be compared line by line.
fn document<'r, T: Table>(name: &str, rows: &'r [T::Row<'r>], out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{{\"schema_version\":{SCHEMA_VERSION},\"{name}\":[")?;
    for (at, row) in rows.iter().enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &RowObject::<T> { row, version: None })?;
    }
    out.write_all(if rows.is_empty() { b"]}\n" } else { b"\n]}\n" })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{capture, finding, lint_row};
    use super::*;

    #[test]
    fn rows_are_objects_of_one_document() {
        let captures = [capture(0, "demo.pcap")];
        let finding = finding();
        let row = FindingRow { finding: &finding, captures: &captures };
        let mut out = Vec::new();
        write_findings(&[row, row], &View::default(), &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["schema_version"], SCHEMA_VERSION);
        assert_eq!(value["findings"][1]["code"], "weak-tls-version");
        assert_eq!(value["findings"][0].get("schema_version"), None);
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), 4);
    }

    #[test]
    fn no_rows_are_an_empty_list() {
        let mut out = Vec::new();
        write_lints(&[], &View::default(), &mut out).unwrap();
        assert_eq!(out, b"{\"schema_version\":1,\"lints\":[]}\n");
        out.clear();
        write_lints(&[lint_row()], &View::default(), &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["lints"][0]["column"], 5);
        assert_eq!(value["lints"][0]["claims"], "A-1, A-2");
    }
}
