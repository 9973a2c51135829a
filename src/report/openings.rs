//! Profiles as tables: every claim on a line, and the openings to ask the administrator of a firewall for.

use std::io::{self, Write};

use super::cell::{Cell, Column, Kind, Table};
use super::{Output, View, tables, terminal};
use crate::error::{Error, Result};
use crate::profile::firewall::{ClaimRow, Opening};

/// The table of openings.
struct OpeningTable;

impl Table for OpeningTable {
    type Row<'r> = Opening;

    const COLUMNS: &'static [Column<Self>] = &[
        column("claim", |row| Cell::wire(&row.claim)),
        column("source", |row| Cell::wire(&row.source)),
        column("destination", |row| Cell::wire(&row.destination)),
        column("transport", |row| Cell::wire(&row.transport)),
        column("port", |row| Cell::wire(&row.port)),
        column("protocol", |row| Cell::wire(&row.protocol)),
        column("required", |row| Cell::ours(if row.required { "yes" } else { "no" })),
        column("condition", |row| Cell::wire(&row.condition)),
        column("note", |row| Cell::wire(&row.note)),
        column("reason", |row| Cell::wire(&row.reason)),
        column("place", |row| Cell::wire(&row.place)),
        column("document", |row| Cell::wire(&row.document)),
        column("reviewed", |row| Cell::wire(&row.reviewed)),
    ];
}

const fn column(name: &'static str, cell: for<'r> fn(&'r Opening) -> Cell<'r>) -> Column<OpeningTable> {
    Column { name, kind: Kind::Text, cell }
}

/// Tells a spreadsheet that what follows is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Writes openings as CSV for a spreadsheet: with a byte order mark, and no cell that it takes for a formula, a number in
/// thousands or a date.
pub fn write_openings(rows: &[Opening], output: Output) -> Result<()> {
    if !tables::AVAILABLE {
        let message = "failed to write `csv`: this build is without the feature `table` (build with `--features table`)";
        return Err(Error::Usage(message.to_owned()));
    }
    output.write(|out| csv(rows, out))
}

fn csv(rows: &[Opening], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(BYTE_ORDER_MARK.as_bytes())?;
    tables::csv::<OpeningTable>(rows, out)
}

/// Writes every claim on a line, aligned.
pub fn write_claims(rows: &[ClaimRow], view: &View<'_>, output: Output) -> Result<()> {
    output.write(|out| claims(rows, view, out))
}

fn claims(rows: &[ClaimRow], view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let header = ["CLAIM", "DIRECTION", "TRANSPORT", "PORT", "PEER", "LEVEL", "ENCRYPTED", "WHEN"];
    let cells = rows.iter().map(|row| {
        let texts = [
            &row.claim,
            &row.direction,
            &row.transport,
            &row.port,
            &row.peer,
            &row.level,
            &row.encrypted,
            &row.when,
        ];
        texts.map(|text| Cell::wire(text).text().unwrap_or_default().into_owned())
    });
    terminal::write_aligned(header, cells, view, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Opening {
        Opening {
            claim: "A-1".into(),
            source: "=cmd|'/c calc'!A0".into(),
            destination: "a.example.com".into(),
            transport: "tcp".into(),
            port: "10 to 12".into(),
            protocol: String::new(),
            required: true,
            condition: String::new(),
            note: String::new(),
            reason: "@SUM(1), \"quoted\"\nsecond line".into(),
            place: String::new(),
            document: "Doc\u{fc}ment".into(),
            reviewed: "2026-05".into(),
        }
    }

    #[cfg(feature = "table")]
    #[test]
    fn a_spreadsheet_takes_no_cell_for_more_than_text() {
        let mut out = Vec::new();
        csv(&[opening()], &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\u{feff}claim,source,destination,transport,port,protocol,required,condition,note,reason,place,document,reviewed\n\
             A-1,'=cmd|'/c calc'!A0,a.example.com,tcp,10 to 12,,yes,,,\"'@SUM(1), \"\"quoted\"\"\\x0asecond line\",,\
             Doc\u{fc}ment,2026-05\n"
        );
    }

    #[test]
    fn claims_are_aligned() {
        let row = ClaimRow {
            claim: "A-1".into(),
            direction: "out".into(),
            transport: "tcp".into(),
            port: "443".into(),
            peer: "a.example.com\u{1b}[2J".into(),
            level: "required".into(),
            encrypted: "yes".into(),
            when: String::new(),
        };
        let mut out = Vec::new();
        claims(&[row], &View::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("CLAIM  DIRECTION  TRANSPORT  PORT  PEER "), "{text}");
        assert!(
            text.contains("A-1    out        tcp        443   a.example.com\\x1b[2J  required"),
            "{text}"
        );
    }
}
