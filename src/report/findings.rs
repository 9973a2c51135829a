//! Findings as rows: folded by identity, sorted, one column per question.

use std::fmt::{Display, Write as _};

use sha2::{Digest, Sha256};

use super::cell::{Cell, Column, Kind, Table};
use crate::model::finding::Finding;
use crate::model::stats::CaptureInfo;
use crate::model::{Evidence, Seen, text};

/// The stable name of a finding: the same finding has the same one in the next capture. First 16 hex
/// digits of the SHA-256 of its identity: code, profile, claim, device key, direction, transport, peer
/// name (else address), port, observed; each preceded by its length in bytes (64 bits, big endian).
pub fn finding_id(finding: &Finding) -> String {
    let mut id = String::with_capacity(16);
    for byte in identity(finding).iter().take(8) {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// The message with `{count}` replaced by the number of sightings, and `{count NOUN}` by number and noun
/// in singular or plural: `{count connection}` gives `1 connection` or `3 connections`. Where more than the
/// noun changes, both are given: `{count connection was|connections were}`.
/// Fit to be shown.
pub(super) fn message(finding: &Finding) -> String {
    let message = counted(&finding.message, count(finding));
    match finding.inside.as_str() {
        "" => text::cell(&message),
        inside => text::cell(&format!("{message} Seen inside {inside}.")),
    }
}

/// How many connections or requests are folded into this finding; zero for what was never seen.
pub(super) fn count(finding: &Finding) -> u64 {
    finding.evidence.as_ref().map_or(0, |evidence| evidence.count)
}

/// The discrepancy table, columns as the contract has them.
pub(super) struct FindingTable;

/// What a row of it is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct FindingRow<'r> {
    /// The finding, folded.
    pub(super) finding: &'r Finding,
    /// To name the captures of its evidence.
    pub(super) captures: &'r [CaptureInfo],
}

impl Table for FindingTable {
    type Row<'r> = FindingRow<'r>;

    const COLUMNS: &'static [Column<Self>] = &[
        column("finding_id", |row| Cell::ours(finding_id(row.finding))),
        column("code", |row| Cell::wire(row.finding.code)),
        column("status", |row| Cell::ours(row.finding.status)),
        column("severity", |row| Cell::maybe(row.finding.severity)),
        column("confidence", |row| Cell::ours(row.finding.confidence)),
        column("profile", |row| Cell::wire(&row.finding.profile)),
        column("variant", |row| Cell::wire(&row.finding.variant)),
        column("claim", |row| Cell::wire(&row.finding.claim)),
        column("device", |row| Cell::wire(&row.finding.device.name)),
        column("device_ip", |row| Cell::ip(row.finding.device.ip)),
        column("device_mac", |row| Cell::maybe(row.finding.device.mac)),
        column("direction", |row| Cell::maybe(row.finding.way)),
        column("transport", |row| Cell::maybe(row.finding.transport)),
        column("service", |row| Cell::wire(&row.finding.service)),
        column("peer_name", |row| Cell::wire(&row.finding.peer_name)),
        column("name_source", |row| Cell::ours(row.finding.name_source)),
        column("peer_ip", |row| Cell::ip(row.finding.peer_ip)),
        Column { name: "port", kind: Kind::Uint, cell: |row| Cell::uint(row.finding.port) },
        column("expected", |row| Cell::wire(&row.finding.expected)),
        column("observed", |row| Cell::wire(&row.finding.observed)),
        column("reference", |row| Cell::wire(&row.finding.reference)),
        Column { name: "first_seen", kind: Kind::Time, cell: |row| time(row, |evidence| evidence.first) },
        Column { name: "last_seen", kind: Kind::Time, cell: |row| time(row, |evidence| evidence.last) },
        Column { name: "count", kind: Kind::Uint, cell: |row| Cell::Uint(count(row.finding)) },
        column("evidence", |row| match &row.finding.evidence {
            Some(evidence) => Cell::frames(evidence, row.captures),
            None => Cell::Empty,
        }),
        column("message", |row| Cell::Text(message(row.finding).into())),
        column("waiver", |row| Cell::wire(&row.finding.waiver)),
        column("policy", |row| Cell::wire(&row.finding.policy)),
        column("normative", |row| Cell::ours(row.finding.normative)),
    ];
}

const fn column(
    name: &'static str,
    cell: for<'r> fn(&'r FindingRow<'r>) -> Cell<'r>,
) -> Column<FindingTable> {
    Column { name, kind: Kind::Text, cell }
}

fn time<'r>(row: &'r FindingRow<'r>, which: fn(&Evidence) -> Seen) -> Cell<'r> {
    row.finding.evidence.as_ref().map_or(Cell::Empty, |evidence| Cell::Time(which(evidence).at))
}

pub(super) fn identity(finding: &Finding) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut field = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    let mut room = String::new();
    field(finding.code);
    field(&finding.profile);
    field(&finding.claim);
    field(&finding.device.key);
    field(shown(&mut room, finding.way));
    field(shown(&mut room, finding.transport));
    if finding.peer_name.is_empty() {
        field(shown(&mut room, finding.peer_ip));
    } else {
        field(&finding.peer_name);
    }
    field(shown(&mut room, finding.port));
    field(&finding.observed);
    hash.finalize().into()
}

/// The value as text, or nothing; in `room`, which there is one of for all.
fn shown(room: &mut String, value: Option<impl Display>) -> &str {
    room.clear();
    if let Some(value) = value {
        let _ = write!(room, "{value}");
    }
    room
}

fn counted(template: &str, count: u64) -> String {
    const OPEN: &str = "{count";
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once(OPEN) {
        out.push_str(before);
        let words = after.split_once('}').filter(|(words, _)| words.is_empty() || words.starts_with(' '));
        if let Some((words, tail)) = words {
            out.push_str(&count.to_string());
            match words.split_once('|') {
                Some((one, _)) if count == 1 => out.push_str(one),
                Some((_, many)) => out.extend([" ", many]),
                None if count == 1 => out.push_str(words),
                None => out.push_str(&text::plural(words)),
            }
            rest = tail;
        } else {
            out.push_str(OPEN);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::super::samples::finding;
    use super::*;
    use crate::model::finding::Status;

    #[test]
    fn the_id_is_the_hash_of_the_identity_with_lengths() {
        // Computed apart from this code, with Python's hashlib over the same length-prefixed fields.
        assert_eq!(finding_id(&finding()), "d1c9d34ffe3447a9");
    }

    #[test]
    fn what_is_not_identity_does_not_change_the_id() {
        let mut other = finding();
        other.message = "other".into();
        other.expected = "other".into();
        other.status = Status::Drift;
        other.evidence = None;
        other.peer_ip = None;
        other.device.name = "other".into();
        assert_eq!(finding_id(&other), finding_id(&finding()));
    }

    #[test]
    fn moving_a_byte_between_fields_changes_the_id() {
        let (mut a, mut b) = (finding(), finding());
        (a.profile, a.claim) = ("ab".into(), "c".into());
        (b.profile, b.claim) = ("a".into(), "bc".into());
        assert_ne!(finding_id(&a), finding_id(&b));
    }

    #[test]
    fn without_a_name_the_address_tells_peers_apart() {
        let (mut a, mut b) = (finding(), finding());
        a.peer_name.clear();
        b.peer_name.clear();
        b.peer_ip = Some("192.0.2.99".parse().unwrap());
        assert_ne!(finding_id(&a), finding_id(&b));
        a.peer_name = "x.example".into();
        b.peer_name = "x.example".into();
        assert_eq!(finding_id(&a), finding_id(&b));
    }

    #[test]
    fn the_count_takes_its_noun_in_the_right_number() {
        for (template, count, text) in [
            ("{count connection} cut", 1, "1 connection cut"),
            ("{count connection} cut", 3, "3 connections cut"),
            ("no {count DNS query}", 0, "no 0 DNS queries"),
            ("{count connection was|connections were} cut", 1, "1 connection was cut"),
            ("{count connection was|connections were} cut", 2, "2 connections were cut"),
            ("{count}x {count}", 12, "12x 12"),
            ("{counter} {count", 2, "{counter} {count"),
            ("{count address} {count switch} {count day}", 2, "2 addresses 2 switches 2 days"),
        ] {
            assert_eq!(counted(template, count), text);
        }
    }

    #[test]
    fn columns_are_those_of_the_contract() {
        let names: Vec<&str> = FindingTable::COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(
            names.join(" "),
            "finding_id code status severity confidence profile variant claim device device_ip device_mac \
             direction transport service peer_name name_source peer_ip port expected observed reference \
             first_seen last_seen count evidence message waiver policy normative"
        );
    }
}
