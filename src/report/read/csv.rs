//! CSV (RFC 4180), strictly: a table that is cut off or was written anew by another program is told, not guessed at.

use std::collections::BTreeSet;

use super::{Cells, Damage, missing};

/// The rows with their lines, each made by `make`; a table without rows has at least the columns `needed`.
pub(super) fn rows<T>(
    text: &str,
    needed: &[&'static str],
    make: impl Fn(u64, &mut Cells<'_>) -> Result<T, Damage>,
) -> Result<Vec<(u64, T)>, Damage> {
    let mut records = Records { rest: text, line: 1 };
    let Some(header) = records.next().transpose()? else { return Ok(Vec::new()) };
    refuse_other_tables(&header)?;
    let mut known = BTreeSet::new();
    if let Some(name) = header.fields.iter().find(|name| !known.insert(name.as_str())) {
        return Err(Damage::new(header.line, format!("the column `{name}` is there twice")));
    }
    let width = header.fields.len();
    let mut rows = Vec::new();
    for record in records {
        let Record { line, fields } = record?;
        if fields.len() != width {
            let reason = format!(
                "the row has {} fields and the header {width}: the file is damaged or cut off (write it again with `wireclaim check -o` or `wireclaim flows -o`)",
                fields.len()
            );
            return Err(Damage::new(line, reason));
        }
        let mut cell = |name: &'static str| {
            let at = header.fields.iter().position(|known| known == name);
            Ok(at.and_then(|at| fields.get(at)).cloned())
        };
        rows.push((line, make(line, &mut cell)?));
    }
    // Where there is no row that lacks a column, the header must tell.
    match needed.iter().find(|column| !known.contains(*column)) {
        Some(column) if rows.is_empty() => Err(Damage::new(header.line, missing(column))),
        _ => Ok(rows),
    }
}

/// The names of the columns.
pub(super) fn header(text: &str) -> Vec<String> {
    let mut records = Records { rest: text, line: 1 };
    records.next().and_then(Result::ok).map(|record| record.fields).unwrap_or_default()
}

/// Says what a file is that is no discrepancy table.
fn refuse_other_tables(header: &Record) -> Result<(), Damage> {
    let has = |name: &str| header.fields.iter().any(|known| known == name);
    if has("finding_id") || has("flow_id") {
        return Ok(());
    }
    let first = header.fields.first().map_or("", String::as_str);
    let reason = if first.starts_with("| ") || first.starts_with("SEVERITY ") || first.starts_with("CHANGE ")
    {
        String::from("it is a table for people, which is not read back (write it as CSV, NDJSON or JSON)")
    } else if first.starts_with("finding_id;") || first.starts_with("finding_id\t") {
        String::from(
            "its fields are parted by `;` or tabs, as a spreadsheet writes them (save it with commas)",
        )
    } else {
        missing("finding_id")
    };
    Err(Damage::new(header.line, reason))
}

/// One record and the line in which it begins.
struct Record {
    line: u64,
    fields: Vec<String>,
}

/// The records of a text; blank lines are none.
struct Records<'t> {
    rest: &'t str,
    line: u64,
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let blank = self.rest.strip_prefix('\n').or_else(|| self.rest.strip_prefix("\r\n"));
            let Some(after) = blank else { break };
            self.rest = after;
            self.line += 1;
        }
        if self.rest.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.rest = "";
        }
        Some(record)
    }
}

impl Records<'_> {
    fn record(&mut self) -> Result<Record, Damage> {
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            fields.push(self.field(line)?);
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
            } else if let Some(rest) = self.rest.strip_prefix('\n').or_else(|| self.rest.strip_prefix("\r\n"))
            {
                self.rest = rest;
                self.line += 1;
                return Ok(Record { line, fields });
            } else if self.rest.is_empty() {
                let reason = "the last row has no line end: the file is cut off (write it again with `wireclaim check -o` or `wireclaim flows -o`)";
                return Err(Damage::new(line, reason));
            } else {
                return Err(Damage::new(
                    line,
                    format!("in field {}: text after the closing quote", fields.len()),
                ));
            }
        }
    }

    /// One field; what comes after it is the rest.
    fn field(&mut self, line: u64) -> Result<String, Damage> {
        let Some(mut rest) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let (field, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
            self.rest = rest;
            let field = field.strip_suffix('\r').filter(|_| rest.starts_with('\n')).unwrap_or(field);
            return Ok(field.to_owned());
        };
        let mut field = String::new();
        loop {
            let Some((part, after)) = rest.split_once('"') else {
                let reason = "a quoted field has no end: the file is cut off (write it again with `wireclaim check -o` or `wireclaim flows -o`)";
                return Err(Damage::new(line, reason));
            };
            self.line += part.matches('\n').count() as u64;
            field.push_str(part);
            let Some(more) = after.strip_prefix('"') else {
                self.rest = after;
                return Ok(field);
            };
            field.push('"');
            rest = more;
        }
    }
}
