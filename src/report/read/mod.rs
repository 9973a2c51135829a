//! Discrepancy tables, and of flow tables what tells conversations, read back: what `csv`, `ndjson`
//! and `json` wrote, told apart by content. Columns are found by their name: one that an older table
//! lacks is empty, one that is not ours is passed over. A table that is damaged is not read in part.

mod csv;
mod flows;
mod json;
mod ndjson;

pub use flows::{FlowLine, conversations};

use std::io::{self, Read};
use std::path::Path;

use super::cell::{Kind, Table};
use super::findings::{FindingRow, FindingTable};
use crate::error::{Error, Result};
use crate::files;
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::text;

/// Largest table that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// Columns that every table has; those behind them came later.
const FIRST_COLUMNS: usize = 27;

/// A row of a discrepancy table, as shown: without what guards its cells against spreadsheets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// In the order of the columns; empty where nothing is known.
    cells: Vec<String>,
    /// What it says of a claim.
    pub status: Status,
    /// How bad, if it is a discrepancy.
    pub severity: Option<Severity>,
    /// How sure.
    pub confidence: Confidence,
    /// Connections or requests.
    pub count: u64,
}

impl Row {
    /// The row that a finding makes.
    pub(super) fn of(row: &FindingRow<'_>) -> Self {
        let finding = row.finding;
        let shown = |text: std::borrow::Cow<'_, str>| text::uncell(&text).to_owned();
        let cells = FindingTable::COLUMNS
            .iter()
            .map(|column| (column.cell)(row).text().map(shown).unwrap_or_default())
            .collect();
        let (status, severity, confidence) = (finding.status, finding.severity, finding.confidence);
        Self { cells, status, severity, confidence, count: super::findings::count(finding) }
    }

    /// A row of its cells by column; the others are empty.
    fn of_cells(
        cells: &[(&'static str, String)],
        (status, severity, confidence): (Status, Severity, Confidence),
        count: u64,
    ) -> Self {
        let given =
            |name: &str| cells.iter().find(|(column, _)| *column == name).map(|(_, cell)| cell.clone());
        let cells =
            FindingTable::COLUMNS.iter().map(|column| given(column.name).unwrap_or_default()).collect();
        Self { cells, status, severity: Some(severity), confidence, count }
    }

    /// The cell of the column called `name`; empty where nothing is known.
    pub fn cell(&self, name: &str) -> &str {
        let at = FindingTable::COLUMNS.iter().position(|column| column.name == name);
        at.and_then(|at| self.cell_at(at)).unwrap_or_default()
    }

    /// The cell of the column at `index`.
    pub(super) fn cell_at(&self, index: usize) -> Option<&str> {
        self.cells.get(index).map(String::as_str)
    }

    /// Its stable name.
    pub fn id(&self) -> &str {
        self.cell("finding_id")
    }

    /// The frames of its evidence by capture; `None` where the cell was too long to be written whole.
    pub fn frames(&self) -> Option<Vec<(&str, Vec<u64>)>> {
        frames(self.cell("evidence"))
    }
}

/// What a file holds, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// Text, so a table, if anything.
    Table,
    /// Something else, such as a capture.
    Other,
}

/// Whether the file at `path` may be a table. Of standard input (`-`) and of other pipes that the shell hands over only a
/// table is expected: what is read from them to look is gone.
pub fn looks(path: &Path) -> Looks {
    if path == Path::new("-") {
        return Looks::Table;
    }
    let head = files::open(path).and_then(|file| {
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut head = Vec::new();
        file.take(4096).read_to_end(&mut head)?;
        Ok(Some(head))
    });
    match head {
        Ok(Some(head)) if is_text(&head) || head.starts_with(PARQUET) => Looks::Table,
        Ok(None) => Looks::Table,
        _ => Looks::Other,
    }
}

/// How a Parquet file begins.
const PARQUET: &[u8] = b"PAR1";

fn is_text(head: &[u8]) -> bool {
    let cut_short = |error: std::str::Utf8Error| error.error_len().is_none();
    !head.contains(&0) && std::str::from_utf8(head).map_or_else(cut_short, |_| true)
}

/// Reads the discrepancy table at `path`; `-` is standard input.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Table`] with line, column and remedy where it is damaged or no
/// discrepancy table.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let bytes = bytes(path)?;
    from_bytes(bytes).map_err(|damage| damage.of(path))
}

/// A table that is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A discrepancy table.
    Findings(Vec<Row>),
    /// A flow table.
    Flows(Vec<FlowLine>),
    /// NDJSON without rows, which may be of either.
    Nothing,
}

/// Reads the discrepancy table or flow table at `path`; `-` is standard input.
///
/// # Errors
/// Those of [`read`].
pub fn read_any(path: &Path) -> Result<Held> {
    let bytes = bytes(path)?;
    held(bytes).map_err(|damage| damage.of(path))
}

/// What a table is read from.
fn bytes(path: &Path) -> Result<Vec<u8>> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        // One byte more than is read tells that there is more.
        io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
        bytes
    } else {
        files::read(path, MAX_BYTES).map_err(io)?
    };
    // What a run that failed leaves behind is no table without findings; only NDJSON has no header to tell by.
    let is_ndjson = path.extension().is_some_and(|suffix| suffix == "ndjson" || suffix == "jsonl");
    if bytes.is_empty() && !is_ndjson {
        return Err(Error::Table {
            path: path.to_owned(),
            line: 0,
            column: "",
            reason: String::from(
                "it is empty, and a table has at least its header (was the run that was to write it broken off?)",
            ),
        });
    }
    Ok(bytes)
}

/// What is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Damage {
    /// From 1; zero for the file as a whole.
    line: u64,
    /// The column's name, or empty.
    column: &'static str,
    /// Lower-case sentence with the remedy.
    reason: String,
}

impl Damage {
    fn new(line: u64, reason: impl Into<String>) -> Self {
        Self { line, column: "", reason: reason.into() }
    }

    fn of(self, path: &Path) -> Error {
        Error::Table { path: path.to_owned(), line: self.line, column: self.column, reason: self.reason }
    }
}

fn from_bytes(bytes: Vec<u8>) -> std::result::Result<Vec<Row>, Damage> {
    match held(bytes)? {
        Held::Findings(rows) => Ok(rows),
        Held::Nothing => Ok(Vec::new()),
        Held::Flows(_) => Err(Damage::new(
            1,
            "it is a flow table (expected a discrepancy table, as `wireclaim check` writes it)",
        )),
    }
}

fn held(bytes: Vec<u8>) -> std::result::Result<Held, Damage> {
    if bytes.starts_with(PARQUET) {
        let reason = "it is a Parquet file, which is not read back (write the table as CSV, NDJSON or JSON)";
        return Err(Damage::new(0, reason));
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Damage::new(
            0,
            format!("it has more than {} MiB, which is no table to compare", MAX_BYTES >> 20),
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = good.filter(|byte| **byte == b'\n').count() as u64 + 1;
        Damage::new(line, "it is not UTF-8 (expected a discrepancy table, as `wireclaim check` writes it)")
    })?;
    // A spreadsheet puts a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let is_json = match text.trim_start().chars().next() {
        // A table of no rows is no bytes.
        None => return Ok(Held::Nothing),
        Some(first) => first == '{',
    };
    if is_json && let Some(held) = json::held(text) {
        return held;
    }
    let columns = if is_json { ndjson::header(text) } else { csv::header(text) };
    let has = |name: &str| columns.iter().any(|column| column == name);
    if has("flow_id") && !has("finding_id") {
        let lines = if is_json {
            ndjson::rows(text, flows::line)
        } else {
            csv::rows(text, &flows::COLUMNS, flows::line)
        };
        return Ok(Held::Flows(lines?.into_iter().map(|(_, line)| line).collect()));
    }
    let first: Vec<&'static str> =
        FindingTable::COLUMNS.iter().take(FIRST_COLUMNS).map(|column| column.name).collect();
    let rows = if is_json { ndjson::rows(text, row)? } else { csv::rows(text, &first, row)? };
    refuse_twins(&rows)?;
    Ok(Held::Findings(rows.into_iter().map(|(_, row)| row).collect()))
}

/// The cells of a row: that of a column, guarded as it was written; `None` for a column that the table has not.
type Cells<'c> = dyn FnMut(&'static str) -> std::result::Result<Option<String>, Damage> + 'c;

/// One identity is one row: a table with two of it was put together of several.
fn refuse_twins(rows: &[(u64, Row)]) -> std::result::Result<(), Damage> {
    let mut known = std::collections::BTreeMap::new();
    for (line, row) in rows {
        if let Some(first) = known.insert(row.id(), *line) {
            return Err(Damage {
                line: *line,
                column: "finding_id",
                reason: format!(
                    "`{}` is there already, in line {first} (a table of one run has each once)",
                    row.id()
                ),
            });
        }
    }
    Ok(())
}

/// Makes a row of its cells.
fn row(line: u64, cell: &mut Cells<'_>) -> std::result::Result<Row, Damage> {
    let mut cells = Vec::with_capacity(FindingTable::COLUMNS.len());
    for (at, column) in FindingTable::COLUMNS.iter().enumerate() {
        let found = cell(column.name)?;
        if found.is_none() && at < FIRST_COLUMNS {
            return Err(Damage::new(line, missing(column.name)));
        }
        let shown = found.map(|found| text::printable(text::uncell(&found))).unwrap_or_default();
        let told = |reason| Damage { line, column: column.name, reason };
        if column.kind == Kind::Uint && !shown.is_empty() && shown.parse::<u64>().is_err() {
            return Err(told(format!("`{shown}` is no number")));
        }
        cells.push(shown);
    }
    let mut row =
        Row { cells, status: Status::Violation, severity: None, confidence: Confidence::Weak, count: 0 };
    let told = |column, reason| Damage { line, column, reason };
    if !is_id(row.id()) {
        let reason = format!(
            "`{}` is no id: expected 16 digits or letters from a to f (has a spreadsheet rewritten it?)",
            row.id()
        );
        return Err(told("finding_id", reason));
    }
    if row.cell("code").is_empty() {
        return Err(told("code", String::from("it is empty")));
    }
    row.status = word(row.cell("status"), &STATUSES).map_err(|reason| told("status", reason))?;
    row.severity = match row.cell("severity") {
        "" => None,
        text => Some(word(text, &SEVERITIES).map_err(|reason| told("severity", reason))?),
    };
    row.confidence =
        word(row.cell("confidence"), &CONFIDENCES).map_err(|reason| told("confidence", reason))?;
    row.count = row.cell("count").parse().map_err(|_| told("count", String::from("it is empty")))?;
    Ok(row)
}

fn missing(column: &str) -> String {
    missing_of(column, "discrepancy table", "wireclaim check")
}

fn missing_of(column: &str, table: &str, command: &str) -> String {
    format!(
        "the column `{column}` is missing (expected a {table}, as `{command}` writes it with all its columns)"
    )
}

/// Whether it is 16 hexadecimal digits, as [`super::finding_id`] gives them.
fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

const STATUSES: [Status; 8] = [
    Status::Violation,
    Status::Obstructed,
    Status::Drift,
    Status::Inconclusive,
    Status::Conforms,
    Status::NotExercised,
    Status::Unobservable,
    Status::Unbound,
];
const SEVERITIES: [Severity; 3] = [Severity::Error, Severity::Warning, Severity::Info];
const CONFIDENCES: [Confidence; 4] =
    [Confidence::Proven, Confidence::Strong, Confidence::Probable, Confidence::Weak];

/// The value that is shown as `text`.
fn word<T: Copy + std::fmt::Display>(text: &str, known: &[T]) -> std::result::Result<T, String> {
    known.iter().copied().find(|value| value.to_string() == text).ok_or_else(|| {
        let words: Vec<String> = known.iter().map(|value| format!("`{value}`")).collect();
        format!("expected one of {}, got `{text}`", words.join(", "))
    })
}

/// Reads `a.pcap#17,18;b.pcap#3`. The name of a capture may hold anything, `;` and `#` included: an entry ends before the
/// first `;` behind its numbers. `None` for anything else, such as a cell that was cut because it was too long.
pub(super) fn frames(text: &str) -> Option<Vec<(&str, Vec<u64>)>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut from = 0;
    if text.is_empty() {
        return Some(found);
    }
    while let Some(at) = text.get(from..).and_then(|rest| rest.find('#')).map(|at| from.saturating_add(at)) {
        from = at.saturating_add(1);
        let rest = text.get(from..)?;
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(rest.len());
        let numbers: Option<Vec<u64>> =
            rest.get(..digits)?.split(',').map(|number| number.parse().ok()).collect();
        let after = rest.get(digits..)?;
        if let Some(numbers) = numbers
            && (after.is_empty() || after.starts_with(';'))
        {
            found.push((text.get(start..at)?, numbers));
            start = from.saturating_add(digits).saturating_add(1);
            from = start;
            if after.is_empty() {
                return Some(found);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
