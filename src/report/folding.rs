//! Folding: findings with the same identity are one row.

use std::cmp::{Ordering, Reverse};
use std::collections::hash_map::Entry;
use std::net::IpAddr;

use foldhash::HashMap;

use super::findings::identity;
use crate::model::finding::{Confidence, Finding, Severity, Status};
use crate::model::{Evidence, NameSource};

/// Folds findings as [`Folder`] does.
pub fn fold(findings: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
    let mut folder = Folder::default();
    findings.into_iter().for_each(|finding| folder.add(finding));
    folder.finish()
}

/// Folds findings with the same identity into one, as they come: what it keeps grows with the rows, not with the
/// findings. The result does not depend on the order given.
///
/// Of a group, the row is the finding with the worst status; among those the one with the greatest
/// severity, then confidence, then the earliest sighting. It keeps its own texts, so that a severity is
/// never combined with the confidence of another finding. Evidence is that of all; the peer's address is
/// that of the earliest sighting, the source of its name the surest.
#[derive(Debug, Default)]
pub struct Folder {
    /// By identity.
    groups: HashMap<[u8; 32], Box<Group>>,
}

#[derive(Debug)]
struct Group {
    /// With its own evidence and peer, by which it is told which finding is the row.
    row: Finding,
    /// Of all but the first finding, with that one's; `None` while there is one finding only.
    more: Option<More>,
}

/// What a row takes from all findings of its group.
#[derive(Debug)]
struct More {
    evidence: Option<Evidence>,
    peer: Option<(Option<Evidence>, IpAddr)>,
    name_source: NameSource,
}

impl Folder {
    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        match self.groups.entry(identity(&finding)) {
            Entry::Occupied(mut known) => known.get_mut().add(finding),
            Entry::Vacant(new) => {
                new.insert(Box::new(Group { row: finding, more: None }));
            }
        }
    }

    /// Adds a finding if it is folded into a row that is there; gives it back if not.
    pub fn add_to_known(&mut self, finding: Finding) -> Option<Finding> {
        match self.groups.get_mut(&identity(&finding)) {
            Some(group) => group.add(finding),
            None => return Some(finding),
        }
        None
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Adds what another one has folded.
    pub fn merge(&mut self, other: Self) {
        if self.groups.is_empty() {
            *self = other;
            return;
        }
        #[expect(clippy::iter_over_hash_type, reason = "joining them is the same in any order")]
        for (id, group) in other.groups {
            match self.groups.entry(id) {
                Entry::Occupied(mut known) => known.get_mut().merge(*group),
                Entry::Vacant(new) => {
                    new.insert(group);
                }
            }
        }
    }

    /// The rows so far, in no order: with the evidence of one of their findings.
    pub fn rows(&self) -> impl Iterator<Item = &Finding> {
        self.groups.values().map(|group| &group.row)
    }

    /// The rows, sorted by severity (error first, those without severity last), then by
    /// [`finding_id`](super::finding_id).
    pub fn finish(self) -> Vec<Finding> {
        let mut groups: Vec<([u8; 32], Box<Group>)> = self.groups.into_iter().collect();
        groups.sort_unstable_by_key(|(id, group)| (place(group.row.severity), *id));
        groups.into_iter().map(|(_, group)| group.finish()).collect()
    }
}

impl Group {
    fn add(&mut self, finding: Finding) {
        let more = self.more.get_or_insert_with(|| More::of(&self.row));
        more.take(finding.evidence.as_ref(), finding.peer_ip, finding.evidence.as_ref(), finding.name_source);
        if order(&finding, &self.row).is_lt() {
            self.row = finding;
        }
    }

    fn merge(&mut self, other: Self) {
        let Some(others) = other.more else { return self.add(other.row) };
        let more = self.more.get_or_insert_with(|| More::of(&self.row));
        let (sighting, peer) = others.peer.map_or((None, None), |(sighting, ip)| (sighting, Some(ip)));
        more.take(others.evidence.as_ref(), peer, sighting.as_ref(), others.name_source);
        if order(&other.row, &self.row).is_lt() {
            self.row = other.row;
        }
    }

    fn finish(self) -> Finding {
        let Some(More { evidence, peer, name_source }) = self.more else { return self.row };
        Finding { evidence, peer_ip: peer.map(|(_, ip)| ip), name_source, ..self.row }
    }
}

impl More {
    fn of(row: &Finding) -> Self {
        Self {
            evidence: row.evidence.clone(),
            peer: row.peer_ip.map(|ip| (row.evidence.clone(), ip)),
            name_source: row.name_source,
        }
    }

    /// Takes the evidence of others, the peer of theirs that was sighted first with its sighting, and their surest
    /// source of a name.
    fn take(
        &mut self,
        evidence: Option<&Evidence>,
        peer: Option<IpAddr>,
        sighting: Option<&Evidence>,
        name_source: NameSource,
    ) {
        match (&mut self.evidence, evidence) {
            (Some(sum), Some(next)) => sum.merge(next),
            (sum @ None, Some(next)) => *sum = Some(next.clone()),
            (_, None) => {}
        }
        self.name_source = self.name_source.min(name_source);
        let earlier = |(known, known_ip): &(Option<Evidence>, IpAddr), ip: IpAddr| {
            sightings(sighting, known.as_ref()).then(ip.cmp(known_ip)).is_lt()
        };
        if let Some(ip) = peer
            && self.peer.as_ref().is_none_or(|known| earlier(known, ip))
        {
            self.peer = Some((sighting.cloned(), ip));
        }
    }
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

/// A total order as far as anything that is shown is concerned: the first of a group is its row.
fn order(a: &Finding, b: &Finding) -> Ordering {
    strength(a)
        .cmp(&strength(b))
        .then_with(|| sightings(a.evidence.as_ref(), b.evidence.as_ref()))
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
fn sightings(a: Option<&Evidence>, b: Option<&Evidence>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(a), Some(b)) => {
            let key = |evidence: &Evidence| (evidence.first, evidence.last, evidence.count);
            key(a).cmp(&key(b)).then_with(|| a.frames().cmp(b.frames()))
        }
    }
}

fn texts(finding: &Finding) -> [&str; 7] {
    [
        &finding.variant,
        &finding.service,
        &finding.peer_name,
        &finding.expected,
        &finding.reference,
        &finding.message,
        &finding.inside,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::finding_id;
    use super::super::samples::{finding, seen, seen_in};
    use super::*;

    fn ids(rows: &[Finding]) -> Vec<String> {
        rows.iter().map(finding_id).collect()
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
            // Nor on who folds which.
            let mut parts = [Folder::default(), Folder::default(), Folder::default()];
            for (n, row) in rows.iter().enumerate() {
                parts[n * turn % 3].add(row.clone());
            }
            let mut all = Folder::default();
            parts.into_iter().for_each(|part| all.merge(part));
            assert_eq!(show(&all.finish()), expected, "turn {turn}");
        }
        assert_eq!(ids(&fold(rows)).len(), 3);
    }
}
