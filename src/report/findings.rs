//! Findings as rows: folded by identity, sorted, one column per question.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::cell::{Cell, Column, Kind, Table};
use crate::model::finding::{Confidence, Finding, Severity, Status};
use crate::model::stats::CaptureInfo;
use crate::model::{Evidence, FrameRef, Seen, text};

/// Folds findings with the same identity into one and sorts the result by severity (error first, those
/// without severity last), then by [`finding_id`]. The result does not depend on the order given.
///
/// Of a group, the row is the finding with the worst status; among those the one with the greatest
/// severity, then confidence, then the earliest sighting. It keeps its own texts, so that a severity is
/// never combined with the confidence of another finding. Evidence is that of all; the peer's address is
/// that of the earliest sighting, the source of its name the surest.
pub fn fold(findings: Vec<Finding>) -> Vec<Finding> {
    let mut groups: BTreeMap<[u8; 32], Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        groups.entry(identity(&finding)).or_default().push(finding);
    }
    // The map is in the order of the ids, and the sort is stable.
    let mut rows: Vec<Finding> = groups.into_values().filter_map(fold_group).collect();
    rows.sort_by_key(|row| place(row.severity));
    rows
}

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
    text::cell(&counted(&finding.message, count(finding)))
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
        // Waivers come later; their column is part of the contract.
        column("waiver", |_| Cell::Empty),
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

fn identity(finding: &Finding) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut field = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    field(finding.code);
    field(&finding.profile);
    field(&finding.claim);
    field(&finding.device.key);
    field(&shown(finding.way));
    field(&shown(finding.transport));
    if finding.peer_name.is_empty() {
        field(&shown(finding.peer_ip));
    } else {
        field(&finding.peer_name);
    }
    field(&shown(finding.port));
    field(&finding.observed);
    hash.finalize().into()
}

fn shown(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Place of a severity in the table; rows without one come last.
fn place(severity: Option<Severity>) -> u8 {
    match severity {
        Some(Severity::Error) => 0,
        Some(Severity::Warning) => 1,
        Some(Severity::Info) => 2,
        None => 3,
    }
}

fn fold_group(mut group: Vec<Finding>) -> Option<Finding> {
    group.sort_by(order);
    let evidence = group.iter().filter_map(|finding| finding.evidence.as_ref());
    let evidence = evidence.fold(None, |sum: Option<Evidence>, next| match sum {
        None => Some(next.clone()),
        Some(mut sum) => {
            sum.merge(next);
            Some(sum)
        }
    });
    let peer_ip = group
        .iter()
        .filter_map(|finding| finding.peer_ip.map(|ip| (sighting(finding), ip)))
        .min()
        .map(|(_, ip)| ip);
    let name_source = group.iter().map(|finding| finding.name_source).min()?;
    let row = group.into_iter().next()?;
    Some(Finding { name_source, peer_ip, evidence, ..row })
}

/// A total order as far as anything that is shown is concerned: the first of a group is its row.
fn order(a: &Finding, b: &Finding) -> Ordering {
    strength(a)
        .cmp(&strength(b))
        .then_with(|| sighting(a).cmp(&sighting(b)))
        .then_with(|| texts(a).cmp(&texts(b)))
        .then_with(|| (&a.device, a.peer_ip, a.name_source).cmp(&(&b.device, b.peer_ip, b.name_source)))
}

/// Worst status, greatest severity, strongest confidence first.
fn strength(finding: &Finding) -> (u8, Reverse<Option<Severity>>, Reverse<Confidence>) {
    (badness(finding.status), Reverse(finding.severity), Reverse(finding.confidence))
}

/// What was once seen to be wrong stays wrong, and what could not be judged everywhere does not
/// become *conforms*.
fn badness(status: Status) -> u8 {
    match status {
        Status::Violation => 0,
        Status::Obstructed => 1,
        Status::Inconclusive => 2,
        Status::Drift => 3,
        Status::Unbound => 4,
        Status::Unobservable => 5,
        Status::Conforms => 6,
        Status::NotExercised => 7,
    }
}

/// Earliest first; what was never seen last.
fn sighting(finding: &Finding) -> (bool, Option<(Seen, Seen, u64)>, Vec<FrameRef>) {
    let evidence = finding.evidence.as_ref();
    (
        evidence.is_none(),
        evidence.map(|evidence| (evidence.first, evidence.last, evidence.count)),
        evidence.map(|evidence| evidence.frames().collect()).unwrap_or_default(),
    )
}

fn texts(finding: &Finding) -> [&str; 6] {
    [
        &finding.variant,
        &finding.service,
        &finding.peer_name,
        &finding.expected,
        &finding.reference,
        &finding.message,
    ]
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
                None => out.push_str(&plural(words)),
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

/// The regular plural of an English noun; of several words, that of the last.
pub(super) fn plural(noun: &str) -> String {
    let stem = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    if noun.is_empty() {
        String::new()
    } else if let Some(stem) = stem {
        format!("{stem}ies")
    } else if ["s", "x", "ch", "sh"].iter().any(|end| noun.ends_with(end)) {
        format!("{noun}es")
    } else {
        format!("{noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{finding, seen, seen_in};
    use super::*;
    use crate::model::NameSource;

    fn ids(rows: &[Finding]) -> Vec<String> {
        rows.iter().map(finding_id).collect()
    }

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
    fn equal_identities_are_folded_and_the_earliest_address_is_kept() {
        let (mut first, mut second) = (finding(), finding());
        first.evidence = Some(Evidence::once(seen(9)));
        first.peer_ip = Some("192.0.2.2".parse().unwrap());
        first.name_source = NameSource::Dns;
        second.evidence = Some(Evidence::once(seen(4)));
        second.peer_ip = Some("192.0.2.9".parse().unwrap());
        let rows = fold(vec![first, second]);
        assert_eq!(rows.len(), 1);
        let evidence = rows[0].evidence.as_ref().unwrap();
        assert_eq!(evidence.count, 2);
        assert_eq!(evidence.frames().map(|frame| frame.no().0).collect::<Vec<_>>(), [4, 9]);
        assert_eq!(rows[0].peer_ip, Some("192.0.2.9".parse().unwrap()));
        assert_eq!(rows[0].name_source, NameSource::Sni);
    }

    #[test]
    fn the_worst_status_wins_with_its_own_severity_and_confidence() {
        let (mut weak, mut sure) = (finding(), finding());
        weak.status = Status::Inconclusive;
        weak.severity = Some(Severity::Warning);
        weak.confidence = Confidence::Proven;
        sure.status = Status::Violation;
        sure.severity = Some(Severity::Error);
        sure.confidence = Confidence::Probable;
        let rows = fold(vec![weak, sure]);
        assert_eq!(rows[0].status, Status::Violation);
        assert_eq!((rows[0].severity, rows[0].confidence), (Some(Severity::Error), Confidence::Probable));
    }

    #[test]
    fn rows_are_sorted_by_severity_then_id() {
        let rows: Vec<Finding> = [None, Some(Severity::Info), Some(Severity::Error), Some(Severity::Warning)]
            .into_iter()
            .enumerate()
            .flat_map(|(n, severity)| {
                [0, 1].map(|m| Finding { severity, observed: format!("{n}-{m}"), ..finding() })
            })
            .collect();
        let rows = fold(rows);
        let severities: Vec<_> = rows.iter().map(|row| row.severity).collect();
        assert_eq!(severities.first(), Some(&Some(Severity::Error)));
        assert_eq!(severities.last(), Some(&None));
        assert!(rows.windows(2).all(|pair| {
            let key = |row: &Finding| (place(row.severity), finding_id(row));
            key(&pair[0]) < key(&pair[1])
        }));
    }

    #[test]
    fn folding_does_not_depend_on_the_order_given() {
        let mut rows = Vec::new();
        for n in 0..24_u64 {
            let mut row = finding();
            row.observed = format!("tls1.{}", n % 3);
            row.message = format!("{{count connection}} {}", n % 5);
            row.status = if n % 4 == 0 { Status::Inconclusive } else { Status::Violation };
            row.peer_ip = Some(std::net::Ipv4Addr::new(192, 0, 2, (n * 7 % 11) as u8).into());
            // Frame numbers against the order of time, over two captures.
            row.evidence = (n % 6 != 5).then(|| Evidence::once(seen_in((n % 2) as u32, 100 - n, n / 3)));
            rows.push(row);
        }
        let show = |rows: &[Finding]| format!("{rows:?}");
        let expected = show(&fold(rows.clone()));
        for turn in 1..rows.len() {
            rows.rotate_left(turn);
            if turn % 2 == 0 {
                rows.reverse();
            }
            assert_eq!(show(&fold(rows.clone())), expected, "turn {turn}");
        }
        assert_eq!(ids(&fold(rows)).len(), 3);
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
             first_seen last_seen count evidence message waiver"
        );
    }
}
