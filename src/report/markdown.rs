//! A Markdown table, for a ticket or a comment on a change: what a reader needs of each row, its sentence last.

use std::io::{self, Write};

use super::cell::Table;
use super::diff::{Change, ChangeTable};
use super::findings::{FindingRow, FindingTable};
use super::lints::{LintRow, LintTable};
use super::{Format, View};

pub(super) const FORMAT: Format = Format {
    name: "markdown",
    suffixes: &["md"],
    help: "Markdown table for tickets and reviews",
    available: true,
    binary: false,
    findings: Some(write_findings),
    flows: None,
    changes: Some(write_changes),
    lints: Some(write_lints),
};

/// The columns of findings that are shown.
const FINDINGS: &[&str] = &[
    "severity",
    "code",
    "claim",
    "device",
    "peer_name",
    "peer_ip",
    "port",
    "count",
    "evidence",
    "waiver",
    "finding_id",
    "message",
];
/// The columns of changes that are shown.
const CHANGES: &[&str] = &[
    "change",
    "severity",
    "code",
    "claim",
    "device",
    "peer_name",
    "peer_ip",
    "port",
    "what_changed",
    "waiver",
    "finding_id",
    "message",
];
/// The columns of lints that are shown.
const LINTS: &[&str] = &["severity", "code", "file", "line", "claims", "message", "remedy"];

fn write_findings(rows: &[FindingRow<'_>], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No findings.");
    }
    table::<FindingTable>(rows, FINDINGS, out)
}

fn write_changes(changes: &[Change], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    if changes.is_empty() {
        return writeln!(out, "Nothing changed.");
    }
    table::<ChangeTable>(changes, CHANGES, out)
}

fn write_lints(rows: &[LintRow], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No lints.");
    }
    table::<LintTable>(rows, LINTS, out)
}

fn table<'r, T: Table>(rows: &'r [T::Row<'r>], names: &[&str], out: &mut dyn Write) -> io::Result<()> {
    let columns: Vec<_> =
        names.iter().filter_map(|name| T::COLUMNS.iter().find(|column| column.name == *name)).collect();
    writeln!(out, "| {} |", names.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(columns.len()))?;
    for row in rows {
        out.write_all(b"|")?;
        for column in &columns {
            let cell = (column.cell)(row);
            write!(out, " {} |", escaped(&cell.text().unwrap_or_default()))?;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The text as it is to be read: nothing in it is markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '!' | '@') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::samples::{capture, finding, lint_row};
    use super::*;
    use crate::model::Finding;

    #[test]
    fn a_finding_is_a_row() {
        let captures = [capture(0, "demo.pcap")];
        let finding = Finding { waiver: "W-7".into(), ..finding() };
        let mut out = Vec::new();
        let row = FindingRow { finding: &finding, captures: &captures };
        write_findings(&[row], &View::default(), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "| severity | code | claim | device | peer_name | peer_ip | port | count | evidence | waiver | finding_id | message |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|\n\
             | error | weak-tls-version | tls | bot | my.example | 198.51.100.7 | 443 | 1 | demo.pcap\\#17 | W-7 | \
             d1c9d34ffe3447a9 | 1 connection with TLS 1.0 |\n"
        );
    }

    #[test]
    fn nothing_in_a_row_is_markup() {
        let mut row = lint_row();
        row.lint.message = "a | b\n<img src=x> [x](http://y) `c` @all".into();
        let mut out = Vec::new();
        write_lints(&[row], &View::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains(r"a \| b\\x0a\<img src=x\> \[x\](http://y) \`c\` \@all"), "{text}");
    }
}
