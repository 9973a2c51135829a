//! What is kept of what is said over and over: each thing once, within a bound.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use foldhash::HashMap;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{MacAddr, NameBinding, NameSource};

/// First sightings, as long as there is room. Then those go that came last from whoever said most, if that is much; if
/// nobody has said much, nothing new is kept. All this depends on the capture alone.
#[derive(Debug)]
pub(super) struct Kept<T: Keep> {
    pub(super) items: Vec<T>,
    /// Sightings that found no room, of the same thing each time.
    pub(super) dropped: u64,
    /// Who said them; of very many, not all.
    pub(super) losers: BTreeSet<T::Owner>,
    /// Places of the items that are kept once. Hashed with a random key, so that no sender can make items meet.
    known: HashTable<Known>,
    hasher: RandomState,
    /// Bytes that are left, and that there were, as `add` counts them.
    room: usize,
    whole: usize,
    /// Nothing new is kept.
    full: bool,
}

/// Where an item is, with the hash of its key: growing moves places only.
#[derive(Debug, Clone, Copy)]
struct Known {
    hash: u32,
    place: u32,
}

impl Known {
    /// A hash for a table that takes its place from some bits and its tag from others.
    fn spread(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Whoever has more than this part of the room has said much, as a divisor.
const MUCH: usize = 16;

/// Losers that are known; one more stands for all others.
const MAX_LOSERS: usize = 1_024;

/// Names of addresses: one for each name, address, kind of source and asker.
pub(super) type Names = Kept<NameBinding>;

/// Traits of hosts: one for each host and trait, but every start of a host.
pub(super) type Traits = Kept<HostTrait>;

/// What is kept.
pub(super) trait Keep {
    /// Who said it.
    type Owner: Copy + Ord + Hash + std::fmt::Debug;
    /// Who said it.
    fn owner(&self) -> Self::Owner;
    /// What it is known by.
    fn key(&self) -> impl Eq + Hash;
    /// Whether each sighting is kept.
    fn repeats(&self) -> bool;
    /// About what it takes, with what it is known by.
    fn bytes(&self) -> usize;
}

impl Keep for NameBinding {
    /// Who asked, else who has the name.
    type Owner = IpAddr;

    fn owner(&self) -> IpAddr {
        self.asked_by.unwrap_or(self.address)
    }

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
    type Owner = (Option<MacAddr>, Option<IpAddr>);

    fn owner(&self) -> Self::Owner {
        // Of a host with one MAC address, all addresses are its own.
        (self.mac, self.ip.filter(|_| self.mac.is_none()))
    }

    fn key(&self) -> impl Eq + Hash {
        let key: (Option<MacAddr>, Option<IpAddr>, &TraitKind) = (self.mac, self.ip, &self.kind);
        key
    }

    fn repeats(&self) -> bool {
        matches!(self.kind, TraitKind::Boot)
    }

    fn bytes(&self) -> usize {
        let text = match &self.kind {
            TraitKind::HostName(text)
            | TraitKind::VendorClass(text)
            | TraitKind::Lookup(text)
            | TraitKind::Announced(text)
            | TraitKind::MudUrl(text)
            | TraitKind::Description(text)
            | TraitKind::Chassis(text) => text.len(),
            _ => 0,
        };
        text.saturating_mul(2).saturating_add(ENTRY)
    }
}

impl<T: Keep> Kept<T> {
    /// With room for about this many bytes.
    pub(super) fn with_room(room: usize) -> Self {
        let (known, hasher) = (HashTable::new(), RandomState::default());
        let losers = BTreeSet::new();
        Self { items: Vec::new(), dropped: 0, losers, known, hasher, room, whole: room, full: false }
    }

    /// Keeps `item`, unless the same is kept already or there is no room.
    pub(super) fn add(&mut self, item: T) {
        let hash = self.hash(&item);
        let items = &self.items;
        let is_it = |known: &Known| {
            known.hash == hash && items.get(known.place as usize).is_some_and(|kept| kept.key() == item.key())
        };
        if !item.repeats() && self.known.find(Known::spread(hash), is_it).is_some() {
            return;
        }
        if self.room < item.bytes() && !self.full {
            self.make_room();
        }
        let place = u32::try_from(self.items.len()).ok().filter(|_| !self.full);
        let (Some(room), Some(place)) = (self.room.checked_sub(item.bytes()), place) else {
            return self.lose(item.owner());
        };
        self.room = room;
        if !item.repeats() {
            self.know(hash, place);
        }
        self.items.push(item);
    }

    fn hash(&self, item: &T) -> u32 {
        let hash = self.hasher.hash_one(item.key());
        (hash ^ (hash >> 32)) as u32
    }

    fn know(&mut self, hash: u32, place: u32) {
        let known = Known { hash, place };
        self.known.insert_unique(Known::spread(hash), known, |known| Known::spread(known.hash));
    }

    fn lose(&mut self, owner: T::Owner) {
        self.dropped = self.dropped.saturating_add(1);
        if self.losers.len() <= MAX_LOSERS {
            self.losers.insert(owner);
        }
    }

    /// Takes from whoever has most the later half of it.
    fn make_room(&mut self) {
        let mut shares: HashMap<T::Owner, usize> = HashMap::default();
        for item in &self.items {
            let share = shares.entry(item.owner()).or_default();
            *share = share.saturating_add(item.bytes());
        }
        let most = shares.into_iter().map(|(owner, share)| (share, Reverse(owner))).max();
        let Some((share, Reverse(owner))) = most.filter(|(share, _)| *share > self.whole / MUCH) else {
            self.full = true;
            return;
        };
        let (mut left, items) = (share / 2, std::mem::take(&mut self.items));
        self.known.clear();
        for item in items {
            let kept = if item.owner() == owner {
                let room = left.checked_sub(item.bytes());
                left = room.unwrap_or(0);
                room.is_some()
            } else {
                true
            };
            if !kept {
                self.room = self.room.saturating_add(item.bytes());
                self.lose(owner);
                continue;
            }
            let place = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
            if !item.repeats() {
                self.know(self.hash(&item), place);
            }
            self.items.push(item);
        }
    }
}

/// About what an item and its key take beside their texts.
const ENTRY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::evidence::Seen;
    use crate::model::{FrameRef, Timestamp};

    fn asker(host: u8) -> IpAddr {
        [198, 51, 100, host].into()
    }

    fn binding(name: &str, host: u8) -> NameBinding {
        NameBinding {
            name: name.into(),
            aliases: Vec::new(),
            address: [192, 0, 2, 1].into(),
            source: NameSource::Dns,
            asked_by: Some(asker(host)),
            seen: None,
        }
    }

    #[test]
    fn names_without_room_are_counted_and_known_ones_are_not() {
        let each = binding("n00.example", 1).bytes();
        let mut names = Names::with_room(40 * each);
        for n in 0..40 {
            names.add(binding(&format!("n{n}.example"), n));
        }
        names.add(binding("n9.example", 40));
        names.add(binding("n0.example", 0));
        assert_eq!((names.items.len(), names.dropped), (40, 1));
        assert_eq!((names.known.len(), names.losers.len()), (40, 1), "nor does what is known grow");
    }

    #[test]
    fn who_says_most_leaves_room_for_others() {
        let each = binding("n00.example", 1).bytes();
        let mut names = Names::with_room(16 * each);
        for n in 10..60 {
            names.add(binding(&format!("n{n}.example"), 1));
        }
        for n in 60..64 {
            names.add(binding(&format!("n{n}.example"), 2));
        }
        let of = |owner: u8| names.items.iter().filter(|name| name.owner() == asker(owner)).count();
        assert_eq!(of(2), 4);
        assert_eq!(of(1) as u64 + names.dropped, 50);
        assert_eq!(names.losers, BTreeSet::from([asker(1)]));
        assert_eq!(&*names.items[0].name, "n10.example", "the first ones stay");
        assert_eq!(names.known.len(), names.items.len());
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
