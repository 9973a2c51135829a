//! The first entry of a list that matches a packet decides (RFC 8519 section 4.1): what those before an entry leave of it.
//!
//! Claims have no order: what one forbids is forbidden, whatever another allows. An entry that denies is therefore
//! narrowed to what no entry before it accepts, or is no claim where that cannot be said.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Side;
use super::ace::{Entry, Parts};
use super::lints::{self, Lints, shown};
use crate::profile::{NamePattern, Ports, value};

/// What the entries before one leave of it.
pub(super) enum Left<'e> {
    /// All of it, or what is left makes no difference.
    Whole,
    /// These ports of it: the others are accepted before it.
    Ports(Box<Entry>),
    /// Nothing: this one decides before it, and otherwise.
    Nothing(&'e Entry),
    /// Unknown: this one accepts part of what it denies, and what remains cannot be said.
    Part(&'e Entry),
    /// Unknown: too much stands before it.
    Unknown,
}

impl Left<'_> {
    /// Why `entry` is no claim, if it is none; told as a lint, too.
    pub(super) fn told(&self, entry: &Entry, lints: &mut Lints) -> Option<String> {
        let name = shown(&entry.name, 64);
        let (kind, message, reason) = match self {
            Self::Whole | Self::Ports(_) => return None,
            Self::Nothing(first) => {
                let (first, does) = (named(first), if first.denies { "denies" } else { "accepts" });
                let message = format!("`{name}` is never reached: {first} {does} all that it matches");
                (&lints::SHADOWED, message, format!("{first} decides before it"))
            }
            Self::Part(first) => {
                let reason = format!("{} before it accepts part of it", named(first));
                (&lints::OVERLAP, format!("`{name}` denies, and {reason}"), reason)
            }
            Self::Unknown => {
                let reason = "more entries stand before it than are compared with it".to_owned();
                (&lints::OVERLAP, format!("`{name}` denies, and {reason}"), reason)
            }
        };
        lints.add(kind, entry.place, message);
        Some(reason)
    }
}

fn named(entry: &Entry) -> String {
    format!("the entry `{}`", shown(&entry.name, 64))
}

/// The entries so far, found by their peer.
pub(super) struct Order<'e> {
    entries: &'e [Entry],
    /// Whether any entry denies; else the order makes no difference.
    mixed: bool,
    /// By policy, list, and whether they deny.
    before: BTreeMap<(Side, &'e str, bool), Before<'e>>,
    /// How many pairs may still be compared.
    looks: Cell<u32>,
}

/// Positions of entries of one list.
#[derive(Default)]
struct Before<'e> {
    same: BTreeMap<Peer<'e>, Vec<usize>>,
    names: Vec<usize>,
    addresses: Vec<usize>,
    others: Vec<usize>,
}

/// Whom an entry is about. Two different names are two peers, as are two different addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Peer<'e> {
    Name(&'e str),
    Address(IpAddr),
    /// Several, or anyone.
    Other,
}

/// Most pairs of entries that are compared: of 40,000 entries that name 40,000 peers, next to none are.
const MOST_LOOKS: u32 = 5_000_000;

impl<'e> Order<'e> {
    pub(super) fn new(entries: &'e [Entry]) -> Self {
        let mixed = entries.iter().any(|entry| entry.denies);
        Self { entries, mixed, before: BTreeMap::new(), looks: Cell::new(MOST_LOOKS) }
    }

    /// What is left of the entry at `at`; to be asked of each in turn.
    pub(super) fn left(&mut self, entry: &'e Entry, at: usize) -> Left<'e> {
        if !self.mixed {
            return Left::Whole;
        }
        let left = match entry.parts.broken {
            Some(_) => Left::Whole,
            None if entry.denies => self.of_denied(entry),
            None => self.of_accepted(entry),
        };
        let before = self.before.entry((entry.side, &entry.list, entry.denies)).or_default();
        let peer = Peer::of(&entry.parts);
        match peer {
            Peer::Name(_) => before.names.push(at),
            Peer::Address(_) => before.addresses.push(at),
            Peer::Other => before.others.push(at),
        }
        if peer != Peer::Other {
            before.same.entry(peer).or_default().push(at);
        }
        left
    }

    fn of_accepted(&self, entry: &'e Entry) -> Left<'e> {
        match self.covering(entry, true) {
            Some((at, first)) if !self.covered_before(entry, at) => Left::Nothing(first),
            _ => Left::Whole,
        }
    }

    fn of_denied(&self, entry: &'e Entry) -> Left<'e> {
        // What comes after an entry that denies all of it makes no difference.
        let mut denied = None;
        let (mut taken, mut ranges) = (None, Vec::new());
        for (at, other) in self.before(entry, false, true) {
            if apart(&other.parts, &entry.parts) {
                continue;
            }
            let denied = *denied.get_or_insert_with(|| self.covering(entry, true).map(|(first, _)| first));
            if denied.is_some_and(|first| first < at) {
                continue;
            }
            if covers(&other.parts, &entry.parts) {
                return Left::Nothing(other);
            }
            let Some(end) = End::that_differs(&other.parts, &entry.parts) else { return Left::Part(other) };
            if taken.get_or_insert((end, other)).0 != end {
                return Left::Part(other);
            }
            ranges.extend(end.ranges(&other.parts));
        }
        if self.looks.get() == 0 {
            return Left::Unknown;
        }
        let Some((end, first)) = taken else { return Left::Whole };
        match without(end.ports(&entry.parts), ranges) {
            Some(ports) => {
                let mut entry = entry.clone();
                *end.ports_mut(&mut entry.parts) = Some(ports);
                Left::Ports(Box::new(entry))
            }
            None => Left::Nothing(first),
        }
    }

    /// The first entry before it that matches all of it, of those that deny or of those that accept.
    fn covering(&self, entry: &'e Entry, denies: bool) -> Option<(usize, &'e Entry)> {
        let whole = |other: &Entry| covers(&other.parts, &entry.parts);
        self.before(entry, denies, false).filter(|(_, other)| whole(other)).min_by_key(|(at, _)| *at)
    }

    /// Whether an entry before `at` accepts all of this one.
    fn covered_before(&self, entry: &'e Entry, at: usize) -> bool {
        self.covering(entry, false).is_some_and(|(first, _)| first < at)
    }

    /// Entries of the same list that may be about the same peer, as long as there are looks left. `apart` adds those
    /// that may be about it under an address where it has a name, or the other way round.
    fn before(
        &self,
        entry: &'e Entry,
        denies: bool,
        apart: bool,
    ) -> impl Iterator<Item = (usize, &'e Entry)> {
        let known = self.before.get(&(entry.side, entry.list.as_str(), denies));
        let parts = known.map_or([&[][..]; 3], |known| {
            let peer = Peer::of(&entry.parts);
            let same = known.same.get(&peer).map_or(&[][..], Vec::as_slice);
            match peer {
                Peer::Other => [&known.others, &known.names, &known.addresses],
                Peer::Name(_) => [same, &known.others, if apart { &known.addresses } else { &[] }],
                Peer::Address(_) => [same, &known.others, if apart { &known.names } else { &[] }],
            }
        });
        let entries = self.entries;
        parts
            .into_iter()
            .flatten()
            .take_while(|_| {
                self.looks.set(self.looks.get().saturating_sub(1));
                self.looks.get() > 0
            })
            .filter_map(move |at| Some((*at, entries.get(*at)?)))
    }
}

impl<'e> Peer<'e> {
    fn of(parts: &'e Parts) -> Self {
        match (parts.names.as_slice(), parts.networks.as_slice()) {
            ([NamePattern::Exact(name)], []) => Self::Name(name),
            ([], [network]) if network.prefix_len() == network.max_prefix_len() => {
                Self::Address(network.addr())
            }
            _ => Self::Other,
        }
    }
}

/// Whose ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Peer,
    Device,
}

impl End {
    /// The end whose ports alone keep `wide` from matching all that `narrow` matches. Only one end of each may have
    /// ports: those of a claim are of whoever is connected to.
    fn that_differs(wide: &Parts, narrow: &Parts) -> Option<Self> {
        let end = match (&wide.peer_ports, &wide.own_ports) {
            (Some(_), None) if narrow.own_ports.is_none() => Self::Peer,
            (None, Some(_)) if narrow.peer_ports.is_none() => Self::Device,
            _ => return None,
        };
        covers_but_ports(wide, narrow).then_some(end)
    }

    fn ports(self, parts: &Parts) -> Option<&Ports> {
        match self {
            Self::Peer => parts.peer_ports.as_ref(),
            Self::Device => parts.own_ports.as_ref(),
        }
    }

    fn ports_mut(self, parts: &mut Parts) -> &mut Option<Ports> {
        match self {
            Self::Peer => &mut parts.peer_ports,
            Self::Device => &mut parts.own_ports,
        }
    }

    fn ranges(self, parts: &Parts) -> Vec<(u16, u16)> {
        self.ports(parts).and_then(Ports::ranges).unwrap_or_default()
    }
}

/// `ports` (any, if there are none) but for those that are taken, in the shorter of two ways to say it; nothing if none
/// are left.
fn without(ports: Option<&Ports>, taken: Vec<(u16, u16)>) -> Option<Ports> {
    let had = ports.and_then(Ports::ranges).unwrap_or_else(|| vec![(1, u16::MAX)]);
    let mut gone = value::others(&value::united(had));
    gone.extend(taken);
    let gone = value::united(gone);
    let left = value::others(&gone);
    let few = gone.len() < left.len();
    (!left.is_empty()).then_some(if few { Ports::Except(gone) } else { Ports::Of(left) })
}

/// Whether no packet of IP matches both, as far as that is certain. What a name, an address and a class stand for is
/// known to the site alone: these may all be one peer.
fn apart(one: &Parts, other: &Parts) -> bool {
    fn differ<T: PartialEq + Copy>(one: Option<T>, other: Option<T>) -> bool {
        one.is_some() && other.is_some() && one != other
    }
    let no_ip = |parts: &Parts| !parts.ip && parts.ethertype.is_some_and(|t| !matches!(t, 0x0800 | 0x86dd));
    let icmp = |number: u8| matches!(number, 1 | 58);
    let protocols = match (one.protocol, other.protocol) {
        (Some(one), Some(other)) => one != other,
        (Some(number), None) => other.icmp && !icmp(number),
        (None, Some(number)) => one.icmp && !icmp(number),
        (None, None) => false,
    };
    let mut networks =
        one.networks.iter().flat_map(|one| other.networks.iter().map(move |other| (one, other)));
    let mut names = one.names.iter().flat_map(|one| other.names.iter().map(move |other| (one, other)));
    protocols
        || no_ip(one) != no_ip(other)
        || differ(one.icmp_type, other.icmp_type)
        || differ(one.begun, other.begun)
        || networks.any(|(one, other)| !one.contains(other) && !other.contains(one))
        || names.any(|(one, other)| names_differ(one, other))
        || ports_differ(one.peer_ports.as_ref(), other.peer_ports.as_ref())
        || ports_differ(one.own_ports.as_ref(), other.own_ports.as_ref())
}

fn names_differ(one: &NamePattern, other: &NamePattern) -> bool {
    let bare = |pattern: &'_ NamePattern| match pattern {
        NamePattern::Exact(name) | NamePattern::Below(name) | NamePattern::Suffix(name) => name.clone(),
    };
    match (one, other) {
        (NamePattern::Exact(one), other) => !other.matches(one),
        (one, NamePattern::Exact(other)) => !one.matches(other),
        _ => bare(one) != bare(other) && !one.matches(&bare(other)) && !other.matches(&bare(one)),
    }
}

fn ports_differ(one: Option<&Ports>, other: Option<&Ports>) -> bool {
    let (Some(one), Some(other)) = (one.and_then(Ports::ranges), other.and_then(Ports::ranges)) else {
        return false;
    };
    !one.iter().any(|(low, high)| other.iter().any(|(first, last)| low <= last && first <= high))
}

/// Whether whatever `narrow` matches, `wide` matches too, as far as that is certain.
fn covers(wide: &Parts, narrow: &Parts) -> bool {
    covers_but_ports(wide, narrow)
        && covers_ports(wide.peer_ports.as_ref(), narrow.peer_ports.as_ref())
        && covers_ports(wide.own_ports.as_ref(), narrow.own_ports.as_ref())
}

fn covers_but_ports(wide: &Parts, narrow: &Parts) -> bool {
    let any_protocol = wide.protocol.is_none() && !wide.icmp;
    wide.broken.is_none()
        && wide.rest.is_empty()
        && wide.tls.is_empty()
        && !wide.own
        && (any_protocol || (wide.protocol == narrow.protocol && wide.icmp == narrow.icmp))
        && (wide.icmp_type.is_none() || wide.icmp_type == narrow.icmp_type)
        && (wide.names.is_empty() || wide.names == narrow.names)
        && wide.networks.iter().all(|network| narrow.networks.iter().any(|inner| network.contains(inner)))
        && (wide.classes.is_empty() || wide.classes == narrow.classes)
        && (!wide.local || narrow.local)
        && (wide.begun.is_none() || wide.begun == narrow.begun)
        && (wide.ethertype.is_none() || wide.ethertype == narrow.ethertype)
}

fn covers_ports(wide: Option<&Ports>, narrow: Option<&Ports>) -> bool {
    let ranges = |ports: &Ports| ports.ranges().unwrap_or_default();
    match (wide.map(ranges), narrow.map(ranges)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => {
            narrow.iter().all(|(low, high)| wide.iter().any(|(first, last)| first <= low && high <= last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::mud::json::Json;
    use crate::profile::yaml::Place;

    fn entry(nth: usize, denies: bool) -> Entry {
        let names = vec![NamePattern::Exact(format!("h{nth}.example"))];
        Entry {
            side: Side::From,
            list: "from".to_owned(),
            kind: String::new(),
            name: format!("e{nth}"),
            place: Place { line: 1, column: 1, len: 1 },
            matches: Json::Map(Vec::new()),
            actions: Json::Map(Vec::new()),
            denies,
            parts: Parts { names, protocol: Some(6), ..Parts::default() },
        }
    }

    #[test]
    fn entries_about_different_peers_are_not_compared_with_each_other() {
        let entries: Vec<Entry> = (0..4_000).map(|nth| entry(nth / 2 * 2 % 1_999, nth % 3 == 0)).collect();
        let mut order = Order::new(&entries);
        for (at, entry) in entries.iter().enumerate() {
            order.left(entry, at);
        }
        // Each peer has a handful of entries.
        assert!(order.looks.get() > MOST_LOOKS - 40_000, "{}", order.looks.get());
    }

    #[test]
    fn what_is_not_compared_is_not_forbidden() {
        let entries = [entry(1, false), entry(2, true), entry(1, true)];
        let mut order = Order::new(&entries);
        assert!(matches!(order.left(&entries[0], 0), Left::Whole));
        order.looks.set(0);
        assert!(matches!(order.left(&entries[1], 1), Left::Unknown));
        order.looks.set(9);
        assert!(matches!(order.left(&entries[2], 2), Left::Nothing(first) if first.name == "e1"));
    }
}
