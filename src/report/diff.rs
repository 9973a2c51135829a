//! What changed between two discrepancy tables: the same finding has the same `finding_id` in both.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};

use super::cell::{Cell, Column, Kind, Table};
use super::findings::FindingTable;
use super::read::{Row, frames};

/// What became of a finding. In this order they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Only the newer table has it.
    New,
    /// Only the older table has it.
    Gone,
    /// Both have it, and not with the same words.
    Changed,
    /// Both have it.
    Same,
}

impl Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::Same => "same",
        })
    }
}

/// One finding of either table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What became of it.
    pub fate: Fate,
    /// As the newer table has it; what is gone, as the older one has it.
    pub row: Row,
    /// As the older table had it, where both have it.
    pub before: Option<Row>,
    /// What changed: column, old value, new value.
    pub changes: Vec<(&'static str, String, String)>,
}

/// Columns in which a finding can change without being another one.
const COMPARED: [&str; 6] = ["status", "severity", "confidence", "expected", "observed", "waiver"];

/// A count that is so many times greater or smaller is a change.
const TIMES: u64 = 10;

/// Compares two tables. The result is sorted by fate, then severity, then `finding_id`.
///
/// The observed value belongs to the identity of a finding. Where it is a measurement (`80 s`, `5.1 %`), another capture
/// shows another value: a finding that is gone and one that is new and agrees in everything else are one that changed.
pub fn diff(old: Vec<Row>, new: Vec<Row>) -> Vec<Change> {
    let mut old: BTreeMap<String, Row> = old.into_iter().map(|row| (row.id().to_owned(), row)).collect();
    let mut changes = Vec::new();
    let mut unmatched = Vec::new();
    for row in new {
        match old.remove(row.id()) {
            Some(before) => changes.push(Change::between(before, row)),
            None => unmatched.push(row),
        }
    }
    for (before, row) in pair_measured(&mut old, &mut unmatched) {
        changes.push(Change::between(before, row));
    }
    let alone = |fate| move |row| Change { fate, row, before: None, changes: Vec::new() };
    changes.extend(unmatched.into_iter().map(alone(Fate::New)));
    changes.extend(old.into_values().map(alone(Fate::Gone)));
    changes.sort_by(|a, b| {
        let key = |change: &Change| (change.fate, std::cmp::Reverse(change.row.severity));
        key(a).cmp(&key(b)).then_with(|| a.row.id().cmp(b.row.id()))
    });
    changes
}

/// Takes out what is the same but for a measured value, where that is one row on each side.
fn pair_measured(old: &mut BTreeMap<String, Row>, new: &mut Vec<Row>) -> Vec<(Row, Row)> {
    let mut known: BTreeMap<String, (Vec<String>, u64)> = BTreeMap::new();
    for row in old.values() {
        let Some(key) = measured_identity(row) else { continue };
        known.entry(key).or_default().0.push(row.id().to_owned());
    }
    for key in new.iter().filter_map(measured_identity) {
        if let Some((_, count)) = known.get_mut(&key) {
            *count += 1;
        }
    }
    let mut pairs = Vec::new();
    let mut rest = Vec::with_capacity(new.len());
    for row in new.drain(..) {
        let twin = measured_identity(&row).and_then(|key| match known.get(&key) {
            Some((ids, 1)) if ids.len() == 1 => old.remove(ids.first()?),
            _ => None,
        });
        match twin {
            Some(before) => pairs.push((before, row)),
            None => rest.push(row),
        }
    }
    *new = rest;
    pairs
}

/// The identity of a row with its measurements taken out of the observed value; `None` where there is none.
fn measured_identity(row: &Row) -> Option<String> {
    let observed = without_measurements(row.cell("observed"))?;
    let or = |first: &'static str, second: &'static str| match row.cell(first) {
        "" => row.cell(second),
        known => known,
    };
    let mut key = String::new();
    let parts = ["code", "profile", "claim", "direction", "transport", "port"].map(|name| row.cell(name));
    let peers = [or("device_mac", "device_ip"), or("peer_name", "peer_ip"), &observed];
    for part in parts.into_iter().chain(peers) {
        let _ = write!(key, "{}:{part}", part.len());
    }
    Some(key)
}

/// `RST after 25 s idle` gives `RST after * s idle`: numbers before a unit of time or `%` become `*`. `None` where the
/// text has no measurement.
pub(super) fn without_measurements(text: &str) -> Option<String> {
    const UNITS: [&str; 6] = ["ms", "s", "min", "h", "d", "%"];
    let words: Vec<&str> = text.split(' ').collect();
    let is_number = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && word.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    let mut found = false;
    let mut out = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let unit = words.get(at.saturating_add(1)).map(|next| next.trim_end_matches([',', ';', '.']));
        let measured = is_number(word) && unit.is_some_and(|unit| UNITS.contains(&unit));
        found |= measured;
        out.push(if measured { "*" } else { word });
    }
    found.then(|| out.join(" "))
}

impl Change {
    fn between(before: Row, row: Row) -> Self {
        let mut changes: Vec<_> = COMPARED
            .into_iter()
            .filter(|name| before.cell(name) != row.cell(name))
            .map(|name| (name, before.cell(name).to_owned(), row.cell(name).to_owned()))
            .collect();
        let (less, more) = (before.count.min(row.count), before.count.max(row.count));
        if less != more && less.saturating_mul(TIMES) <= more {
            changes.push(("count", before.count.to_string(), row.count.to_string()));
        }
        let fate = if changes.is_empty() { Fate::Same } else { Fate::Changed };
        Self { fate, row, before: Some(before), changes }
    }

    /// `severity: warning -> error; count: 1 -> 40`; nothing where nothing changed.
    pub fn what_changed(&self) -> String {
        let shown = |text: &str| if text.is_empty() { String::from("none") } else { text.to_owned() };
        let parts: Vec<String> = self
            .changes
            .iter()
            .map(|(name, from, to)| format!("{name}: {} -> {}", shown(from), shown(to)))
            .collect();
        parts.join("; ")
    }
}

/// The table of changes: two columns, then those of the discrepancy table.
pub(super) struct ChangeTable;

impl Table for ChangeTable {
    type Row<'r> = Change;

    const COLUMNS: &'static [Column<Self>] = &[
        Column { name: "change", kind: Kind::Text, cell: |change| Cell::ours(change.fate) },
        Column {
            name: "what_changed",
            kind: Kind::Text,
            cell: |change| Cell::Text(crate::model::text::cell(&change.what_changed()).into()),
        },
        column::<0>(),
        column::<1>(),
        column::<2>(),
        column::<3>(),
        column::<4>(),
        column::<5>(),
        column::<6>(),
        column::<7>(),
        column::<8>(),
        column::<9>(),
        column::<10>(),
        column::<11>(),
        column::<12>(),
        column::<13>(),
        column::<14>(),
        column::<15>(),
        column::<16>(),
        column::<17>(),
        column::<18>(),
        column::<19>(),
        column::<20>(),
        column::<21>(),
        column::<22>(),
        column::<23>(),
        column::<24>(),
        column::<25>(),
        column::<26>(),
        column::<27>(),
        column::<28>(),
    ];
}

/// The column of the discrepancy table at `AT`.
#[expect(
    clippy::indexing_slicing,
    reason = "looked up while compiling: a column that is not there does not compile"
)]
const fn column<const AT: usize>() -> Column<ChangeTable> {
    let known = &FindingTable::COLUMNS[AT];
    Column { name: known.name, kind: known.kind, cell: cell::<AT> }
}

fn cell<const AT: usize>(change: &Change) -> Cell<'_> {
    let text = change.row.cell_at(AT).unwrap_or_default();
    let Some(column) = FindingTable::COLUMNS.get(AT) else { return Cell::Empty };
    match (column.kind, column.name) {
        _ if text.is_empty() => Cell::Empty,
        (Kind::Uint, _) => Cell::uint(text.parse::<u64>().ok()),
        (_, "evidence") => match frames(text) {
            Some(places) => {
                Cell::Frames(places.into_iter().map(|(name, numbers)| (name.into(), numbers)).collect())
            }
            None => Cell::wire(text),
        },
        _ => Cell::wire(text),
    }
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
