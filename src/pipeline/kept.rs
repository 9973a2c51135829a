//! What is kept of what is said over and over: each thing once, within a bound.

use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::HashTable;

use crate::model::NameBinding;
use crate::model::observation::{HostTrait, TraitKind};

/// First sightings, as long as there is room. What comes first depends on the capture alone, so what is kept does too.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) items: Vec<T>,
    /// Sightings that found no room, of the same thing each time.
    pub(super) dropped: u64,
    /// Places of the items, by what they say.
    known: HashTable<usize>,
    hasher: foldhash::fast::RandomState,
    /// Bytes that are left, as `add` counts them.
    room: usize,
}

/// Something that may be said again.
pub(super) trait Said {
    /// Hashes what it says.
    fn say(&self, to: &mut impl Hasher);
    /// Whether `other` says the same.
    fn says_as(&self, other: &Self) -> bool;
    /// About how many bytes it takes.
    fn bytes(&self) -> usize;
}

/// Names of addresses: one for each name, address, kind of source and asker.
pub(super) type Names = Kept<NameBinding>;

/// Traits of hosts: one for each host and trait, but every start of a host.
pub(super) type Traits = Kept<HostTrait>;

impl<T: Said> Kept<T> {
    /// With room for about this many bytes.
    pub(super) fn with_room(room: usize) -> Self {
        Self {
            items: Vec::new(),
            dropped: 0,
            known: HashTable::new(),
            hasher: foldhash::fast::RandomState::default(),
            room,
        }
    }

    /// Keeps `item`, unless the same is kept or there is no room.
    pub(super) fn add(&mut self, item: T) {
        let Self { items, known, hasher, .. } = self;
        let hash = |item: &T| {
            let mut to = hasher.build_hasher();
            item.say(&mut to);
            to.finish()
        };
        let own = hash(&item);
        if known.find(own, |at| items.get(*at).is_some_and(|kept| kept.says_as(&item))).is_some() {
            return;
        }
        let Some(room) = self.room.checked_sub(item.bytes()) else {
            // Smaller ones might fit, but then it would be hard to say what is missing.
            self.room = 0;
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        self.room = room;
        known.insert_unique(own, items.len(), |at| items.get(*at).map_or(0, hash));
        items.push(item);
    }
}

impl Said for NameBinding {
    fn say(&self, to: &mut impl Hasher) {
        (&self.name, self.address, self.source, self.asked_by).hash(to);
    }

    fn says_as(&self, other: &Self) -> bool {
        self.name == other.name
            && (self.address, self.source, self.asked_by) == (other.address, other.source, other.asked_by)
    }

    fn bytes(&self) -> usize {
        let texts = self.aliases.iter().map(|alias| alias.len()).fold(self.name.len(), usize::saturating_add);
        // With what the allocator rounds up to.
        texts.saturating_add(self.name.len()).saturating_add(ENTRY)
    }
}

impl Said for HostTrait {
    fn say(&self, to: &mut impl Hasher) {
        (self.mac, self.ip, &self.kind).hash(to);
    }

    fn says_as(&self, other: &Self) -> bool {
        // Every start of a host counts.
        !matches!(self.kind, TraitKind::Boot)
            && (self.mac, self.ip, &self.kind) == (other.mac, other.ip, &other.kind)
    }

    fn bytes(&self) -> usize {
        let text = match &self.kind {
            TraitKind::HostName(text) | TraitKind::VendorClass(text) | TraitKind::Lookup(text) => text.len(),
            _ => 0,
        };
        text.saturating_mul(2).saturating_add(ENTRY)
    }
}

/// About what an item and its key take beside their texts.
const ENTRY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::evidence::Seen;
    use crate::model::{FrameRef, NameSource, Timestamp};

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
