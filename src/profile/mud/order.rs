//! The first entry of a list that matches a packet decides: which entries are never reached.

use super::ace::{Entry, Parts};
use super::lints::{self, Lints, shown};
use crate::profile::Ports;

/// Entries that a later one may never be reached for.
pub(super) struct Shadowing<'e> {
    entries: &'e [Entry],
    /// Whether any entry denies; else the order makes no difference.
    mixed: bool,
}

impl<'e> Shadowing<'e> {
    pub(super) fn new(entries: &'e [Entry]) -> Self {
        Self { entries, mixed: entries.iter().any(|entry| entry.denies) }
    }

    /// What to call the entry of the same list that decides before the one at `at`, and otherwise than it would.
    pub(super) fn of(&self, entry: &Entry, at: usize, lints: &mut Lints) -> Option<String> {
        if !self.mixed {
            return None;
        }
        let before = self.entries.iter().take(at);
        let mut same_list = before.filter(|other| other.side == entry.side && other.list == entry.list);
        let first =
            same_list.find(|other| other.parts.broken.is_none() && covers(&other.parts, &entry.parts))?;
        if first.denies == entry.denies {
            return None;
        }
        let name = format!("the entry `{}`", shown(&first.name, 64));
        let does = if first.denies { "denies" } else { "accepts" };
        let message =
            format!("`{}` is never reached: {name} {does} all that it matches", shown(&entry.name, 64));
        lints.add(&lints::SHADOWED, entry.place, message);
        Some(name)
    }
}

/// Whether whatever `narrow` matches, `wide` matches too, as far as that is certain.
fn covers(wide: &Parts, narrow: &Parts) -> bool {
    let any_or = |empty: bool, same: bool| empty || same;
    let networks =
        wide.networks.iter().all(|network| narrow.networks.iter().any(|inner| network.contains(inner)));
    wide.rest.is_empty()
        && wide.tls.is_empty()
        && !wide.own
        && any_or(
            wide.protocol.is_none() && !wide.icmp,
            wide.protocol == narrow.protocol && wide.icmp == narrow.icmp,
        )
        && any_or(wide.icmp_type.is_none(), wide.icmp_type == narrow.icmp_type)
        && any_or(wide.names.is_empty(), wide.names == narrow.names)
        && networks
        && any_or(wide.classes.is_empty(), wide.classes == narrow.classes)
        && any_or(!wide.local, narrow.local)
        && any_or(wide.begun.is_none(), wide.begun == narrow.begun)
        && any_or(wide.ethertype.is_none(), wide.ethertype == narrow.ethertype)
        && ports(wide.peer_ports.as_ref(), narrow.peer_ports.as_ref())
        && ports(wide.own_ports.as_ref(), narrow.own_ports.as_ref())
}

fn ports(wide: Option<&Ports>, narrow: Option<&Ports>) -> bool {
    let ranges = |ports: &Ports| ports.ranges().unwrap_or_default();
    match (wide.map(ranges), narrow.map(ranges)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => {
            narrow.iter().all(|(low, high)| wide.iter().any(|(first, last)| first <= low && high <= last))
        }
    }
}
