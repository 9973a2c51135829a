//! What is kept of what is said over and over: each thing once, within a bound.

use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{MacAddr, NameBinding, NameSource};

/// First sightings, as long as there is room. What comes first depends on the capture alone, so what is kept does too.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) items: Vec<T>,
    /// Sightings that found no room, of the same thing each time.
    pub(super) dropped: u64,
    /// Places of the items that are kept once. Hashed with a random key, so that no sender can make items meet.
    known: HashTable<u32>,
    hasher: RandomState,
    /// Bytes that are left, as `add` counts them.
    room: usize,
}

/// Names of addresses: one for each name, address, kind of source and asker.
pub(super) type Names = Kept<NameBinding>;

/// Traits of hosts: one for each host and trait, but every start of a host.
pub(super) type Traits = Kept<HostTrait>;

/// What is kept.
pub(super) trait Keep {
    /// What it is known by.
    fn key(&self) -> impl Eq + Hash;
    /// Whether each sighting is kept.
    fn repeats(&self) -> bool;
    /// About what it takes, with what it is known by.
    fn bytes(&self) -> usize;
}

impl Keep for NameBinding {
    fn key(&self) -> impl Eq + Hash {
        let key: (&str, IpAddr, NameSource, Option<IpAddr>) =
            (&self.name, self.address, self.source, self.asked_by);
        key
    }

    fn repeats(&self) -> bool {
        false
    }

    fn bytes(&self) -> usize {
        let texts: usize = self.aliases.iter().map(|alias| alias.len()).sum();
        texts.saturating_add(self.name.len().saturating_mul(2)).saturating_add(ENTRY)
    }
}

impl Keep for HostTrait {
    fn key(&self) -> impl Eq + Hash {
        let key: (Option<MacAddr>, Option<IpAddr>, &TraitKind) = (self.mac, self.ip, &self.kind);
        key
    }

    fn repeats(&self) -> bool {
        matches!(self.kind, TraitKind::Boot)
    }

    fn bytes(&self) -> usize {
        let text = match &self.kind {
            TraitKind::HostName(text) | TraitKind::VendorClass(text) | TraitKind::Lookup(text) => text.len(),
            _ => 0,
        };
        text.saturating_mul(2).saturating_add(ENTRY)
    }
}

impl<T: Keep> Kept<T> {
    /// With room for about this many bytes.
    pub(super) fn with_room(room: usize) -> Self {
        let (known, hasher) = (HashTable::new(), RandomState::default());
        Self { items: Vec::new(), dropped: 0, known, hasher, room }
    }

    /// Keeps `item`, unless the same is kept already or there is no room.
    pub(super) fn add(&mut self, item: T) {
        let Self { items, known, hasher, .. } = self;
        let hash = hasher.hash_one(item.key());
        let is_it = |place: &u32| items.get(*place as usize).is_some_and(|kept| kept.key() == item.key());
        if !item.repeats() && known.find(hash, is_it).is_some() {
            return;
        }
        let (Some(room), Ok(place)) = (self.room.checked_sub(item.bytes()), u32::try_from(items.len()))
        else {
            // Smaller ones might fit, but then it would be hard to say what is missing.
            self.room = 0;
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        self.room = room;
        if !item.repeats() {
            let rehash =
                |place: &u32| items.get(*place as usize).map_or(0, |kept| hasher.hash_one(kept.key()));
            known.insert_unique(hash, place, rehash);
        }
        items.push(item);
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
            names.add(binding(&format!("n{n}.example")));
        }
        names.add(binding("n0.example"));
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
            traits.add(host(TraitKind::Boot));
            traits.add(host(TraitKind::Lease(60)));
        }
        assert_eq!((traits.items.len(), traits.dropped), (4, 0));
    }
}
