//! Findings, flows and lints to bytes: CSV, NDJSON, JSON, Markdown, Parquet, a table for the terminal, and the summary.
//!
//! Reports only format: what is found, how sure and how bad it is comes with the finding, and nothing is
//! dropped or judged here. Whatever came from the wire, a profile or a file name is made harmless
//! ([`crate::model::text`]) before it is written. The only place for the table library.
//!
//! A new format is one file with a [`Format`] and one line in [`REGISTRY`].

mod cell;
mod csv;
pub mod diff;
pub mod draft;
mod findings;
mod flows;
mod folding;
mod json;
mod lints;
mod markdown;
mod ndjson;
mod openings;
mod output;
mod parquet;
pub mod read;
#[cfg(test)]
mod samples;
pub mod summary;
mod tables;
mod terminal;
mod terminal_changes;

use std::io::{self, Write};
use std::path::Path;

pub use cell::Kind;
pub use findings::finding_id;
pub use flows::FlowRow;
pub use folding::{Folder, fold};
pub use lints::LintRow;
pub use openings::{write_claims, write_openings};
pub use output::Output;

use crate::error::{Error, Result};
use crate::model::finding::Finding;
use crate::model::stats::CaptureInfo;
use cell::Table;
use diff::{Change, ChangeTable};
use findings::{FindingRow, FindingTable};
use flows::{FlowCells, FlowTable};
use lints::LintTable;
use read::Row;

/// Version of the columns and keys of both tables; they only ever grow. In every format but CSV.
pub const SCHEMA_VERSION: u64 = 1;

/// Every format, in the order in which help shows them.
pub const REGISTRY: &[&Format] =
    &[&csv::FORMAT, &ndjson::FORMAT, &json::FORMAT, &markdown::FORMAT, &parquet::FORMAT, &terminal::FORMAT];

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The discrepancy table.
    Findings,
    /// The flow table.
    Flows,
    /// What changed between two discrepancy tables.
    Changes,
    /// What is wrong with profiles.
    Lints,
}

/// How something is written.
#[derive(Debug)]
pub struct Format {
    /// The value of `--format`: lower case.
    pub name: &'static str,
    /// File name suffixes that choose it, without dot.
    pub suffixes: &'static [&'static str],
    /// One line for help, without full stop.
    pub help: &'static str,
    /// Whether this build has it; where not, it lacks the cargo feature `table`.
    pub available: bool,
    /// Not for a terminal.
    pub binary: bool,
    findings: Option<WriteFindings>,
    flows: Option<WriteFlows>,
    changes: Option<WriteChanges>,
    lints: Option<WriteLints>,
}

type WriteFindings = fn(&[FindingRow<'_>], &View<'_>, &mut dyn Write) -> io::Result<()>;
type WriteFlows = fn(&[FlowCells<'_>], &View<'_>, &mut dyn Write) -> io::Result<()>;
type WriteChanges = fn(&[Change], &View<'_>, &mut dyn Write) -> io::Result<()>;
type WriteLints = fn(&[LintRow], &View<'_>, &mut dyn Write) -> io::Result<()>;

/// What a format has to know besides the rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct View<'a> {
    /// The captures of the input: their names stand in evidence.
    pub captures: &'a [CaptureInfo],
    /// Columns of the terminal; `None` where lines may be of any length.
    pub width: Option<u16>,
    /// Whether colours are wanted; only the terminal table has any.
    pub color: bool,
}

impl Format {
    /// Whether it can write `content`.
    pub fn offers(&self, content: Content) -> bool {
        match content {
            Content::Findings => self.findings.is_some(),
            Content::Flows => self.flows.is_some(),
            Content::Changes => self.changes.is_some(),
            Content::Lints => self.lints.is_some(),
        }
    }

    /// Writes the discrepancy table. `findings` are as [`fold`] gives them: folded and sorted.
    pub fn write_findings(&self, findings: &[Finding], view: &View<'_>, output: Output) -> Result<()> {
        let write = self.findings.ok_or_else(|| self.does_not_write(Content::Findings))?;
        self.check_available()?;
        let captures = view.captures;
        let rows: Vec<_> = findings.iter().map(|finding| FindingRow { finding, captures }).collect();
        output.write(|out| write(&rows, view, out))
    }

    /// Writes the flow table, sorted by the time of the first packet, then by flow identity.
    pub fn write_flows(&self, flows: &[FlowRow<'_>], view: &View<'_>, output: Output) -> Result<()> {
        let write = self.flows.ok_or_else(|| self.does_not_write(Content::Flows))?;
        self.check_available()?;
        output.write(|out| write(&flows::sorted(flows, view.captures), view, out))
    }

    /// Writes what changed between two discrepancy tables, in the order given.
    pub fn write_changes(&self, changes: &[Change], view: &View<'_>, output: Output) -> Result<()> {
        let write = self.changes.ok_or_else(|| self.does_not_write(Content::Changes))?;
        self.check_available()?;
        output.write(|out| write(changes, view, out))
    }

    /// Writes lints in the given order.
    pub fn write_lints(&self, lints: &[LintRow], view: &View<'_>, output: Output) -> Result<()> {
        let write = self.lints.ok_or_else(|| self.does_not_write(Content::Lints))?;
        self.check_available()?;
        output.write(|out| write(lints, view, out))
    }

    fn check_available(&self) -> Result<()> {
        if self.available {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "failed to write `{}`: this build is without the feature `table` (choose `ndjson`, or build with \
             `--features table`)",
            self.name
        )))
    }

    fn does_not_write(&self, content: Content) -> Error {
        let what = match content {
            Content::Findings => "findings",
            Content::Flows => "flows",
            Content::Changes => "changes",
            Content::Lints => "lints",
        };
        Error::Usage(format!(
            "failed to write {what} as `{}`: expected one of {}",
            self.name,
            names(content).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ))
    }
}

/// The rows that findings make: what reading them back from a table would give.
pub fn rows(findings: &[Finding], captures: &[CaptureInfo]) -> Vec<Row> {
    findings.iter().map(|finding| Row::of(&FindingRow { finding, captures })).collect()
}

/// The format called `name`.
pub fn by_name(name: &str) -> Option<&'static Format> {
    REGISTRY.iter().copied().find(|format| format.name == name)
}

/// The format that the suffix of `path` stands for, in upper or lower case.
pub fn by_suffix(path: &Path) -> Option<&'static Format> {
    let suffix = path.extension()?.to_str()?;
    REGISTRY
        .iter()
        .copied()
        .find(|format| format.suffixes.iter().any(|known| known.eq_ignore_ascii_case(suffix)))
}

/// The names of the formats that can write `content`, in the order of help.
pub fn names(content: Content) -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().filter(move |format| format.offers(content)).map(|format| format.name)
}

/// The format to use: the one named, else the one of the file's suffix, else `table` on a terminal and `csv`
/// elsewhere, a file without suffix included. To be called before the analysis starts.
///
/// Fails for a suffix that nobody knows (nobody wants CSV in a `.xlsx`), for a name that nobody
/// knows, for a format that does not write `content` or is not in this build, and for a binary
/// format on a terminal.
///
/// `path` is `None` for standard output; `terminal` says whether that is one.
pub fn choose(
    name: Option<&str>,
    path: Option<&Path>,
    content: Content,
    terminal: IsTerminal,
) -> Result<&'static Format> {
    let on_terminal = path.is_none() && terminal == IsTerminal::Yes;
    let format = match (name, path.and_then(by_suffix)) {
        (Some(name), _) => by_name(name).ok_or_else(|| unknown(name, content))?,
        (None, Some(format)) => format,
        (None, None) if on_terminal => &terminal::FORMAT,
        (None, None) => match path.filter(|path| path.extension().is_some() && !path.starts_with("/dev")) {
            Some(path) => return Err(unknown_suffix(path, content)),
            None => &csv::FORMAT,
        },
    };
    if !format.offers(content) {
        return Err(format.does_not_write(content));
    }
    format.check_available()?;
    if format.binary && on_terminal {
        return Err(Error::Usage(format!(
            "failed to write `{}` to a terminal: it is binary (name a file with `--output`)",
            format.name
        )));
    }
    Ok(format)
}

/// Whether standard output is a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsTerminal {
    /// It is.
    Yes,
    /// It is a file or a pipe.
    No,
}

/// Names and kinds of the columns that CSV, NDJSON and Parquet have, in order.
pub fn columns(content: Content) -> Vec<(&'static str, Kind)> {
    fn of<T: Table>() -> Vec<(&'static str, Kind)> {
        T::COLUMNS.iter().map(|column| (column.name, column.kind)).collect()
    }
    match content {
        Content::Findings => of::<FindingTable>(),
        Content::Flows => of::<FlowTable>(),
        Content::Changes => of::<ChangeTable>(),
        Content::Lints => of::<LintTable>(),
    }
}

fn unknown(name: &str, content: Content) -> Error {
    let known: Vec<&str> = names(content).collect();
    let near = known.iter().find(|known| strsim::damerau_levenshtein(known, name) <= 2);
    let hint = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
    Error::Usage(format!("failed to choose format `{name}`: expected one of {}{hint}", known.join(", ")))
}

/// No format has this suffix.
fn unknown_suffix(path: &Path, content: Content) -> Error {
    let offered = REGISTRY.iter().filter(|format| format.offers(content));
    let known: Vec<String> =
        offered.flat_map(|format| format.suffixes).map(|suffix| format!(".{suffix}")).collect();
    Error::Usage(format!(
        "failed to choose a format for `{}`: its suffix is none of {} (name it otherwise, or the format with `--format`: {})",
        path.display(),
        known.join(", "),
        names(content).collect::<Vec<_>>().join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_goes_before_the_suffix_and_the_suffix_before_the_default() {
        let chosen = |name, path: Option<&str>, terminal| {
            choose(name, path.map(Path::new), Content::Findings, terminal).map(|format| format.name)
        };
        assert_eq!(chosen(Some("table"), Some("x.ndjson"), IsTerminal::No).unwrap(), "table");
        assert_eq!(chosen(None, Some("dir.csv/x.NDJSON"), IsTerminal::Yes).unwrap(), "ndjson");
        assert_eq!(chosen(None, None, IsTerminal::Yes).unwrap(), "table");
        if cfg!(feature = "table") {
            assert_eq!(chosen(None, Some("dir.d/x"), IsTerminal::Yes).unwrap(), "csv");
            assert_eq!(chosen(Some("csv"), Some("x.unknown"), IsTerminal::Yes).unwrap(), "csv");
            assert_eq!(chosen(None, None, IsTerminal::No).unwrap(), "csv");
        } else {
            let error = chosen(None, None, IsTerminal::No).unwrap_err().to_string();
            assert!(error.contains("feature `table`"), "{error}");
        }
    }

    #[test]
    fn a_suffix_that_nobody_knows_is_refused_with_those_that_are_known() {
        for path in ["x.doc", "x.csv.gz", "out.2026"] {
            let error = choose(None, Some(Path::new(path)), Content::Findings, IsTerminal::No).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "failed to choose a format for `{path}`: its suffix is none of .csv, .ndjson, .jsonl, .json, .md, .txt (name it \
                     otherwise, or the format with `--format`: csv, ndjson, json, markdown, table)"
                )
            );
        }
    }

    #[test]
    fn a_wrong_format_is_refused_with_what_would_be_right() {
        let error =
            |name, content| choose(Some(name), None, content, IsTerminal::Yes).unwrap_err().to_string();
        assert_eq!(
            error("cvs", Content::Findings),
            "failed to choose format `cvs`: expected one of csv, ndjson, json, markdown, table (did you mean \
             `csv`?)"
        );
        assert_eq!(
            error("parquet", Content::Findings),
            "failed to write findings as `parquet`: expected one of `csv`, `ndjson`, `json`, `markdown`, \
             `table`"
        );
        assert!(error("parquet", Content::Flows).starts_with("failed to write `parquet`"));
    }
}
