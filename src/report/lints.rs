//! Lints of profiles as rows, and as compilers show such things.

use std::io::{self, Write};

use super::View;
use super::cell::{Cell, Column, Kind, Table};
use crate::model::finding::Severity;
use crate::model::text::printable;
use crate::profile::lint::Lint;

/// A lint, and where it is.
#[derive(Debug, Clone)]
pub struct LintRow {
    /// The file, as messages call it.
    pub file: String,
    /// Name of the profile.
    pub profile: String,
    /// The lint.
    pub lint: Lint,
    /// The line of the file that it is about, where the file is at hand.
    pub source: Option<String>,
}

impl LintRow {
    /// Column where its line begins to say something, from 1: behind indentation and the marks of list items.
    fn column(&self) -> Option<u64> {
        let source = self.source.as_deref()?;
        let rest = source.trim_start_matches([' ', '\t']);
        let rest = rest.strip_prefix("- ").map_or(rest, |item| item.trim_start_matches(' '));
        let before = source.strip_suffix(rest)?.chars().count();
        u64::try_from(before).ok()?.checked_add(1)
    }
}

/// The table of lints.
pub(super) struct LintTable;

impl Table for LintTable {
    type Row<'r> = LintRow;

    const COLUMNS: &'static [Column<Self>] = &[
        column("file", |row| Cell::wire(&row.file)),
        Column { name: "line", kind: Kind::Uint, cell: |row| Cell::Uint(row.lint.line) },
        Column { name: "column", kind: Kind::Uint, cell: |row| Cell::uint(row.column()) },
        column("code", |row| Cell::wire(row.lint.code)),
        column("severity", |row| Cell::ours(row.lint.severity)),
        column("profile", |row| Cell::wire(&row.profile)),
        column("claims", |row| Cell::Text(crate::model::text::cell(&row.lint.claims.join(", ")).into())),
        column("message", |row| Cell::wire(&row.lint.message)),
        column("remedy", |row| Cell::wire(&row.lint.remedy)),
    ];
}

const fn column(name: &'static str, cell: for<'r> fn(&'r LintRow) -> Cell<'r>) -> Column<LintTable> {
    Column { name, kind: Kind::Text, cell }
}

/// `file:line:column: severity[code] claims: message`, the line itself, and what to do.
pub(super) fn write_text(rows: &[LintRow], view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No lints.");
    }
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let lint = &row.lint;
        let (tint, plain) = tint(lint.severity, view.color);
        let column = row.column().map_or_else(String::new, |column| format!("{column}:"));
        let claims =
            if lint.claims.is_empty() { String::new() } else { format!(" {}", lint.claims.join(", ")) };
        writeln!(
            out,
            "{}:{}:{column} {tint}{}[{}]{plain}{}: {}",
            printable(&row.file),
            lint.line,
            lint.severity,
            lint.code,
            printable(&claims),
            printable(&lint.message)
        )?;
        if let Some(source) = &row.source {
            writeln!(out, "{:>5} | {}", lint.line, printable(source))?;
        }
        writeln!(out, "      = help: {}", printable(&lint.remedy))?;
    }
    Ok(())
}

/// What switches a colour on and off again.
fn tint(severity: Severity, color: bool) -> (&'static str, &'static str) {
    match severity {
        _ if !color => ("", ""),
        Severity::Error => ("\u{1b}[31m", "\u{1b}[0m"),
        Severity::Warning => ("\u{1b}[33m", "\u{1b}[0m"),
        Severity::Info => ("\u{1b}[2m", "\u{1b}[0m"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::lint_row;
    use super::*;

    fn shown(rows: &[LintRow], color: bool) -> String {
        let mut out = Vec::new();
        write_text(rows, &View { color, ..View::default() }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_lint_is_shown_as_compilers_do() {
        assert_eq!(
            shown(&[lint_row()], false),
            "my.yaml:7:5: warning[over-broad] A-1, A-2: opens 16384 ports\n    \
             7 |   - {id: A-1, allowed: {out: anyone, udp: 49152-65535}}\n      = help: declare the port\n"
        );
        assert!(shown(&[lint_row()], true).contains("\u{1b}[33mwarning[over-broad]\u{1b}[0m"));
        assert_eq!(shown(&[], true), "No lints.\n");
    }

    #[test]
    fn the_column_is_where_the_line_begins_to_say_something() {
        let column = |source: &str| LintRow { source: Some(source.into()), ..lint_row() }.column();
        assert_eq!(column("  - id: A"), Some(5));
        assert_eq!(column("    tls: {}"), Some(5));
        assert_eq!(column("profile: a"), Some(1));
        assert_eq!(column(""), Some(1));
        assert_eq!(LintRow { source: None, ..lint_row() }.column(), None);
    }

    #[test]
    fn a_hostile_file_reaches_no_terminal() {
        let mut row = lint_row();
        row.source = Some("\u{1b}]0;x\u{7}".into());
        row.file = "a\n\u{1b}[2J.yaml".into();
        row.lint.message = "b\u{202e}\r".into();
        let text = shown(&[row], false);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n') && !text.contains('\u{202e}'), "{text:?}");
        assert_eq!(text.lines().count(), 3);
    }
}
