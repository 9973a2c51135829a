//! What is kept of what is said over and over: each thing once, within a bound.

use std::collections::HashSet;
use std::hash::Hash;
use std::net::IpAddr;

use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{MacAddr, NameBinding, NameSource};

/// First sightings, as long as there is room. What comes first depends on the capture alone, so what is kept does too.
#[derive(Debug)]
pub(super) struct Kept<K, T> {
    pub(super) items: Vec<T>,
    /// Sightings that found no room, of the same thing each time.
    pub(super) dropped: u64,
    known: HashSet<K>,
    /// Bytes that are left, as `add` counts them.
    room: usize,
}

/// Names of addresses: one for each name, address, kind of source and asker.
pub(super) type Names = Kept<(Box<str>, IpAddr, NameSource, Option<IpAddr>), NameBinding>;

/// Traits of hosts: one for each host and trait, but every start of a host.
pub(super) type Traits = Kept<(Option<MacAddr>, Option<IpAddr>, TraitKind), HostTrait>;

impl<K: Eq + Hash, T> Kept<K, T> {
    /// With room for about this many bytes.
    pub(super) fn with_room(room: usize) -> Self {
        Self { items: Vec::new(), dropped: 0, known: HashSet::new(), room }
    }

    /// Keeps `item`, which takes about this many bytes, unless something with its key is kept or there is no room.
    fn add(&mut self, key: Option<K>, item: T, bytes: usize) {
        if key.as_ref().is_some_and(|key| self.known.contains(key)) {
            return;
        }
        let Some(room) = self.room.checked_sub(bytes) else {
            // Smaller ones might fit, but then it would be hard to say what is missing.
            self.room = 0;
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        self.room = room;
        self.known.extend(key);
        self.items.push(item);
    }
}

impl Names {
    /// Keeps the first sighting of each binding.
    pub(super) fn name(&mut self, binding: NameBinding) {
        let key = (binding.name.clone(), binding.address, binding.source, binding.asked_by);
        let texts: usize = binding.aliases.iter().map(|alias| alias.len()).sum();
        // The key has the name too.
        let bytes = texts.saturating_add(binding.name.len().saturating_mul(2)).saturating_add(ENTRY);
        self.add(Some(key), binding, bytes);
    }
}

impl Traits {
    /// Keeps the first sighting of each trait, and every start of a host.
    pub(super) fn host(&mut self, host: HostTrait) {
        let text = match &host.kind {
            TraitKind::HostName(text) | TraitKind::VendorClass(text) | TraitKind::Lookup(text) => text.len(),
            _ => 0,
        };
        let repeats = matches!(host.kind, TraitKind::Boot);
        let key = (!repeats).then(|| (host.mac, host.ip, host.kind.clone()));
        self.add(key, host, text.saturating_mul(2).saturating_add(ENTRY));
    }
}

/// About what an item and its key take beside their texts.
const ENTRY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::evidence::Seen;
    use crate::model::{FrameRef, Timestamp};

    fn binding(name: &str) -> NameBinding {
        NameBinding {
            name: name.into(),
            aliases: Vec::new(),
            address: [192, 0, 2, 1].into(),
            source: NameSource::Dns,
            asked_by: None,
            seen: None,
        }
    }

    #[test]
    fn names_without_room_are_counted_and_known_ones_are_not() {
        let mut names = Names::with_room(3 * ENTRY);
        for n in 0..10 {
            names.name(binding(&format!("n{n}.example")));
        }
        names.name(binding("n0.example"));
        let kept: Vec<&str> = names.items.iter().map(|binding| &*binding.name).collect();
        assert_eq!((kept, names.dropped), (vec!["n0.example", "n1.example"], 8));
        assert_eq!(names.known.len(), 2, "nor does what is known grow");
    }

    #[test]
    fn every_start_of_a_host_is_kept_and_every_other_trait_once() {
        let seen = Seen { at: Timestamp::default(), frame: FrameRef::default() };
        let host = |kind| HostTrait { mac: None, ip: None, kind, seen };
        let mut traits = Traits::with_room(100 * ENTRY);
        for _ in 0..3 {
            traits.host(host(TraitKind::Boot));
            traits.host(host(TraitKind::Lease(60)));
        }
        assert_eq!((traits.items.len(), traits.dropped), (4, 0));
    }
}
