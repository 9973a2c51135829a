//! Entries that are one claim.

use std::collections::{BTreeMap, BTreeSet};

use super::Side;
use super::ace::Entry;
use super::says::{Begins, Says, Who};
use crate::model::Transport;
use crate::model::finding::Way;
use crate::profile::Ports;
use crate::profile::value;

/// A claim in the making.
pub(super) struct Group {
    pub(super) says: Says,
    pub(super) whos: Vec<Who>,
    /// Positions of its entries.
    pub(super) entries: Vec<usize>,
    pub(super) sides: BTreeSet<Side>,
    pub(super) ways: BTreeSet<Begins>,
}

/// One row of the profile.
pub(super) enum Row {
    Claim(Box<Group>),
    Statement(usize, String, String),
}

impl Group {
    pub(super) fn new(says: Says, at: usize, entry: &Entry) -> Self {
        let whos = vec![says.who.clone()];
        let ways = BTreeSet::from([says.begins]);
        Self { says, whos, entries: vec![at], sides: BTreeSet::from([entry.side]), ways }
    }

    pub(super) fn take(&mut self, at: usize, entry: &Entry, begins: Begins) {
        self.entries.push(at);
        self.sides.insert(entry.side);
        self.ways.insert(begins);
    }

    pub(super) fn way(&self) -> Option<Way> {
        let both = self.ways.contains(&Begins::Out) && self.ways.contains(&Begins::In);
        if both {
            None
        } else if self.ways.contains(&Begins::Out) {
            Some(Way::Out)
        } else if self.ways.contains(&Begins::In) {
            Some(Way::In)
        } else {
            // Either may send to the other, or only one to the other.
            match (self.sides.contains(&Side::From), self.sides.contains(&Side::To)) {
                (true, false) => Some(Way::Out),
                (false, true) => Some(Way::In),
                _ => None,
            }
        }
    }
}

/// What is said of ICMP and the same of ICMPv6 are one claim.
pub(super) fn families(rows: Vec<Row>) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let mut row = Some(row);
        if let Some(Row::Claim(group)) = &row
            && let [Transport::Icmp | Transport::Icmpv6] = group.says.transports.as_slice()
        {
            let says = Says { transports: Vec::new(), ..group.says.clone() };
            let key = format!("{says:?} {:?} {:?}", group.sides, group.ways);
            let other = known.get(&key).and_then(|at| out.get_mut(*at));
            if let Some(Row::Claim(other)) = other
                && other.says.transports != group.says.transports
                && let Some(Row::Claim(group)) = row.take()
            {
                other.says.transports = vec![Transport::Icmp, Transport::Icmpv6];
                other.entries.extend(group.entries);
            } else {
                known.entry(key).or_insert(out.len());
            }
        }
        out.extend(row);
    }
    out
}

/// In files of ours, entries under one id are one claim again, if they are all combinations of its peers and transports.
pub(super) fn united(rows: Vec<Row>) -> Vec<Row> {
    let mut by_id: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        if let Row::Claim(group) = row
            && let Some(id) = &group.says.id
        {
            by_id.entry(id.clone()).or_default().push(at);
        }
    }
    let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
    for places in by_id.into_values().filter(|places| places.len() > 1) {
        let groups: Vec<Group> = places
            .iter()
            .filter_map(|at| match rows.get_mut(*at)?.take() {
                Some(Row::Claim(group)) => Some(*group),
                other => {
                    *rows.get_mut(*at)? = other;
                    None
                }
            })
            .collect();
        for (at, group) in places.iter().zip(combined(groups)) {
            if let Some(place) = rows.get_mut(*at) {
                *place = Some(Row::Claim(Box::new(group)));
            }
        }
    }
    rows.into_iter().flatten().collect()
}

/// Who begins, over what.
type Shape = (Begins, Vec<Transport>);

/// One group, if these are the combinations of one; else they stay as they are.
fn combined(groups: Vec<Group>) -> Vec<Group> {
    let Some(first) = groups.first() else { return groups };
    let mut ports: BTreeMap<(Who, Shape), Vec<(u16, u16)>> = BTreeMap::new();
    for group in &groups {
        let shape = (group.says.begins, group.says.transports.clone());
        let ranges = match &group.says.ports {
            Ports::Of(ranges) => ranges.clone(),
            Ports::Any => vec![(0, u16::MAX)],
            _ => return groups,
        };
        ports.entry((group.says.who.clone(), shape)).or_default().extend(ranges);
    }
    let ports: BTreeMap<_, _> = ports.into_iter().map(|(key, ranges)| (key, value::united(ranges))).collect();
    let whos: BTreeSet<&Who> = ports.keys().map(|(who, _)| who).collect();
    let shapes: BTreeSet<&Shape> = ports.keys().map(|(_, shape)| shape).collect();
    let alike = |group: &Group| {
        group.says.denies == first.says.denies
            && group.says.rest == first.says.rest
            && group.says.tls == first.says.tls
    };
    let mut sets = ports.values();
    let same_ports = sets.next().is_some_and(|one| sets.all(|other| other == one));
    // Ways and transports are independent too.
    let ways: BTreeSet<Begins> = shapes.iter().map(|(begins, _)| *begins).collect();
    let kinds: BTreeSet<&Vec<Transport>> = shapes.iter().map(|(_, transports)| transports).collect();
    let whole = ports.len() == whos.len().saturating_mul(shapes.len())
        && shapes.len() == ways.len().saturating_mul(kinds.len());
    if !(same_ports && whole && groups.iter().all(alike)) {
        return groups;
    }
    let ranges = ports.into_values().next().unwrap_or_default();
    let mut groups = groups.into_iter();
    let Some(mut all) = groups.next() else { return Vec::new() };
    all.says.ports = if ranges == [(0, u16::MAX)] { Ports::Any } else { Ports::Of(ranges) };
    for group in groups {
        for who in group.whos {
            if !all.whos.contains(&who) {
                all.whos.push(who);
            }
        }
        for transport in group.says.transports {
            if !all.says.transports.contains(&transport) {
                all.says.transports.push(transport);
            }
        }
        all.says.transports.sort_unstable();
        all.entries.extend(group.entries);
        all.sides.extend(group.sides);
        all.ways.extend(group.ways);
    }
    vec![all]
}
