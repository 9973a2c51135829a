//! The facts of many flows, kept small: each field with its value once for all of them.
//!
//! Most flows say what others have said: the same suites, the same topic, the same host. A flow keeps eight bytes for
//! each of its facts, sixteen for each packet that showed some, and a little for what was seen again.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::evidence::{Evidence, MAX_FRAMES, Seen};
use super::observation::{Fact, Facts, Field, MAX_VALUES, Value};
use super::{FrameRef, NO_FRAME};

/// Fields with values, each once. Hashed with a random key, so that no sender can make values meet; never iterated.
#[derive(Debug, Default)]
pub struct Dictionary {
    hasher: RandomState,
    ids: HashTable<u32>,
    items: Vec<Item>,
    /// Of texts.
    bytes: usize,
}

#[derive(Debug)]
struct Item {
    field: &'static Field,
    value: Value,
    /// What a flow that said this said next the last time: conversations say the same things in the same order.
    next: u32,
}

impl Dictionary {
    /// The number of a fact that a flow says after the one with the number `after`, if it was said before.
    fn find(&self, field: &'static Field, value: &Value, after: u32) -> Option<u32> {
        let is_it = |id: &u32| {
            self.get(*id).is_some_and(|item| std::ptr::eq(item.field, field) && item.value == *value)
        };
        let next = self.get(after).map(|item| item.next);
        next.filter(is_it).or_else(|| self.ids.find(self.hash(field, value), is_it).copied())
    }

    /// Notes that a flow said `id` after another.
    fn follow(&mut self, after: u32, id: u32) {
        if let Some(item) = self.items.get_mut(after as usize).filter(|item| item.next != id) {
            item.next = id;
        }
    }

    /// Adds what is not there yet; `None` if there is no number left for it.
    fn insert(&mut self, field: &'static Field, value: Value, after: u32) -> Option<u32> {
        let id = u32::try_from(self.items.len()).ok()?;
        let hash = self.hash(field, &value);
        if let Value::Text(text) = &value {
            self.bytes = self.bytes.saturating_add(text.len());
        }
        // Whatever the value of this field is, what comes next is likely to be what came next with another.
        let other = self.get(after).and_then(|item| self.get(item.next));
        let next = other.map_or(id, |other| other.next);
        self.items.push(Item { field, value, next });
        let Self { hasher, ids, items, .. } = self;
        ids.insert_unique(hash, id, |id| {
            items.get(*id as usize).map_or(0, |item| hash_of(hasher, item.field, &item.value))
        });
        Some(id)
    }

    fn get(&self, id: u32) -> Option<&Item> {
        self.items.get(id as usize)
    }

    fn hash(&self, field: &'static Field, value: &Value) -> u64 {
        hash_of(&self.hasher, field, value)
    }

    /// Forgets what none of `used`, all that use it, has any more.
    pub fn sweep<'a>(&mut self, used: impl Iterator<Item = &'a mut Packed>) {
        let old = std::mem::take(&mut self.items);
        let mut old: Vec<_> = old.into_iter().map(|item| (Some(item), None)).collect();
        let mut kept = Self { hasher: self.hasher.clone(), ..Self::default() };
        for packed in used {
            for entry in &mut packed.facts {
                let Some((item, new)) = old.get_mut(entry.id as usize) else { continue };
                if let Some(Item { field, value, .. }) = item.take() {
                    *new = kept.insert(field, value, NOTHING);
                }
                entry.id = new.unwrap_or(entry.id);
            }
            packed.last = NOTHING;
            packed.marks = packed.facts.iter().fold(0, |marks, entry| marks | mark(entry.id));
            if let Some(index) = &mut packed.index {
                index.number(&packed.facts);
            }
        }
        *self = kept;
    }

    /// About what it takes.
    pub fn bytes(&self) -> usize {
        let items = self.items.capacity().saturating_mul(size_of::<Item>());
        items.saturating_add(self.ids.capacity().saturating_mul(5)).saturating_add(self.bytes)
    }
}

fn hash_of(hasher: &RandomState, field: &'static Field, value: &Value) -> u64 {
    hasher.hash_one((std::ptr::from_ref(field).addr(), value))
}

/// The facts of one flow; [`Facts`] is what it is the small form of. Nothing is allocated before the first.
#[derive(Debug, Default)]
pub struct Packed {
    facts: Vec<Entry>,
    /// Packets in which facts were first seen.
    moments: Vec<Seen>,
    /// Sightings of what was seen more than once.
    repeats: Vec<Repeat>,
    index: Option<Box<Index>>,
    dropped: u32,
    /// The number of what was said last.
    last: u32,
    /// A bit for each fact, by its number: most facts are new to a flow, and need not be looked for where their bit is
    /// not set.
    marks: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
    /// Its place in `moments`.
    moment: u16,
    /// One more than its place in `repeats`; zero if it was seen once.
    repeat: u16,
}

/// All sightings of what was seen more than once.
#[derive(Debug)]
enum Repeat {
    /// In the first packet and at most one other.
    Twice { last: Seen, count: u64 },
    /// In more packets.
    Often(Box<Evidence>),
}

/// Where to find facts, once there are too many to look through.
#[derive(Debug, Default)]
struct Index {
    /// Places of the facts, by their numbers.
    places: HashTable<u16>,
    /// How many values each field has, by the field's address.
    values: Vec<(usize, usize)>,
}

/// No fact has this number.
const NOTHING: u32 = u32::MAX;

/// As many facts are looked through one by one; most flows have fewer.
const WITHOUT_INDEX: usize = 64;

impl Packed {
    /// Records that `field` had `value`. `seen` may be [`at_end`], which stands for the last packet of the flow.
    pub fn add(&mut self, dictionary: &mut Dictionary, field: &'static Field, value: Value, seen: Seen) {
        let last = self.last;
        let known = dictionary.find(field, &value, last);
        if let Some(id) = known
            && let Some(place) = self.find(id)
        {
            dictionary.follow(last, id);
            self.last = id;
            self.again(place, seen);
            return;
        }
        if self.is_full(field) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let id = known.or_else(|| dictionary.insert(field, value, last));
        let (Some(id), Some(moment)) = (id, self.moment(seen)) else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        dictionary.follow(last, id);
        self.last = id;
        self.push(Entry { id, moment, repeat: 0 }, field, dictionary);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Reads a little of it.
    pub fn touch(&self) -> u64 {
        self.marks
    }

    /// Takes no more room than it needs: nothing will be added soon.
    pub fn shrink(&mut self) {
        fit(&mut self.facts);
        fit(&mut self.moments);
        fit(&mut self.repeats);
    }

    /// About what it takes beside itself.
    pub fn bytes(&self) -> usize {
        // What the frames of one that was seen often take.
        const OFTEN: usize = size_of::<Evidence>() + MAX_FRAMES * size_of::<FrameRef>();
        [
            self.facts.capacity().saturating_mul(size_of::<Entry>()),
            self.moments.capacity().saturating_mul(size_of::<Seen>()),
            self.repeats.capacity().saturating_mul(size_of::<Repeat>()),
            self.repeats.len().saturating_mul(OFTEN),
            self.index.as_ref().map_or(0, |index| index.bytes()),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    /// The whole facts of a flow whose last packet is `last`.
    pub fn unpack(&self, dictionary: &Dictionary, last: Seen) -> Facts {
        let whole = |entry: &Entry| {
            let Item { field, value, .. } = dictionary.get(entry.id)?;
            let first = *self.moments.get(usize::from(entry.moment))?;
            let repeat = entry.repeat.checked_sub(1).and_then(|at| self.repeats.get(usize::from(at)));
            let mut evidence = repeat.map_or_else(|| Evidence::once(first), |repeat| repeat.evidence(first));
            evidence.resolve(AT_END, last);
            Some(Fact { field, value: value.clone(), evidence })
        };
        Facts::of_parts(self.facts.iter().filter_map(whole).collect(), u64::from(self.dropped))
    }

    /// The texts that any of `fields` had, in order of first sighting.
    pub fn texts<'a>(
        &'a self,
        dictionary: &'a Dictionary,
        fields: &'a [&'static Field],
    ) -> impl Iterator<Item = &'a str> {
        self.facts
            .iter()
            .filter_map(|entry| dictionary.get(entry.id))
            .filter(move |item| fields.iter().any(|field| std::ptr::eq(item.field, *field)))
            .filter_map(|item| item.value.as_str())
    }

    fn find(&self, id: u32) -> Option<usize> {
        if self.marks & mark(id) == 0 {
            return None;
        }
        let Some(index) = &self.index else { return self.facts.iter().position(|entry| entry.id == id) };
        let is_it = |place: &u16| self.facts.get(usize::from(*place)).is_some_and(|entry| entry.id == id);
        index.places.find(spread(id), is_it).map(|place| usize::from(*place))
    }

    fn again(&mut self, place: usize, seen: Seen) {
        let Self { facts, moments, repeats, .. } = self;
        let Some(entry) = facts.get_mut(place) else { return };
        let Some(first) = moments.get(usize::from(entry.moment)) else { return };
        if let Some(repeat) = usize::from(entry.repeat).checked_sub(1).and_then(|at| repeats.get_mut(at)) {
            repeat.again(*first, seen);
        } else if let Ok(repeat) = u16::try_from(repeats.len().saturating_add(1)) {
            grow(repeats, 2);
            repeats.push(Repeat::Twice { last: seen, count: 2 });
            entry.repeat = repeat;
        }
    }

    /// Whether a flow keeps no more values of `field`.
    fn is_full(&self, field: &'static Field) -> bool {
        self.index.as_ref().is_some_and(|index| index.values(field) >= MAX_VALUES)
    }

    fn moment(&mut self, seen: Seen) -> Option<u16> {
        if self.moments.last() != Some(&seen) {
            // One for each of several packets is enough for most.
            grow(&mut self.moments, 3);
            self.moments.push(seen);
        }
        u16::try_from(self.moments.len().checked_sub(1)?).ok()
    }

    fn push(&mut self, entry: Entry, field: &'static Field, dictionary: &Dictionary) {
        grow(&mut self.facts, 8);
        self.facts.push(entry);
        self.marks |= mark(entry.id);
        if self.facts.len() == WITHOUT_INDEX {
            let mut index = Box::<Index>::default();
            for (at, entry) in self.facts.iter().enumerate() {
                if let Some(item) = dictionary.get(entry.id) {
                    index.insert(at, item.field, &self.facts);
                }
            }
            self.index = Some(index);
        } else if let Some(index) = &mut self.index {
            index.insert(self.facts.len().saturating_sub(1), field, &self.facts);
        }
    }
}

impl Repeat {
    /// Seen once more, later or in the same packet.
    fn again(&mut self, first: Seen, seen: Seen) {
        match self {
            Self::Often(evidence) => evidence.again(seen),
            Self::Twice { last, count } if [first.frame, seen.frame].contains(&last.frame) => {
                *last = seen;
                *count = count.saturating_add(1);
            }
            Self::Twice { .. } => {
                let mut evidence = self.evidence(first);
                evidence.again(seen);
                *self = Self::Often(Box::new(evidence));
            }
        }
    }

    fn evidence(&self, first: Seen) -> Evidence {
        match self {
            Self::Twice { last, count } => {
                let mut evidence = Evidence::once(first);
                evidence.again(*last);
                evidence.count = *count;
                evidence
            }
            Self::Often(evidence) => Evidence::clone(evidence),
        }
    }
}

/// Makes room for one more, at first for so many.
fn grow<T>(list: &mut Vec<T>, at_first: usize) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len().max(at_first));
    }
}

/// Gives back what is not used, if it is worth it.
fn fit<T>(list: &mut Vec<T>) {
    if list.len().saturating_mul(4) <= list.capacity().saturating_mul(3) {
        list.shrink_to_fit();
    }
}

/// A hash of the number of a fact: they are given in order, so nobody can choose them.
fn spread(id: u32) -> u64 {
    u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// One of 64 bits for the number of a fact.
fn mark(id: u32) -> u64 {
    1_u64.wrapping_shl((spread(id) >> 58) as u32)
}

/// Stands for the last packet of a flow while more may come; the time is that of the latest packet so far.
pub fn at_end(latest: Seen) -> Seen {
    Seen { at: latest.at, frame: AT_END }
}

/// No capture has this frame.
const AT_END: FrameRef = NO_FRAME;

impl Index {
    /// Adds the fact at a place.
    fn insert(&mut self, at: usize, field: &'static Field, facts: &[Entry]) {
        self.place(at, facts);
        let address = std::ptr::from_ref(field).addr();
        match self.values.iter_mut().find(|(known, _)| *known == address) {
            Some((_, count)) => *count += 1,
            None => self.values.push((address, 1)),
        }
    }

    fn place(&mut self, at: usize, facts: &[Entry]) {
        let hash = |at: usize| facts.get(at).map_or(0, |entry| spread(entry.id));
        // Fields are few and have few values each, so that sixteen bits are enough.
        if let Ok(place) = u16::try_from(at) {
            self.places.insert_unique(hash(at), place, |place| hash(usize::from(*place)));
        }
    }

    /// Finds the facts again, after all have other numbers.
    fn number(&mut self, facts: &[Entry]) {
        self.places.clear();
        (0..facts.len()).for_each(|at| self.place(at, facts));
    }

    fn values(&self, field: &'static Field) -> usize {
        let address = std::ptr::from_ref(field).addr();
        self.values.iter().find(|(known, _)| *known == address).map_or(0, |(_, count)| *count)
    }

    fn bytes(&self) -> usize {
        let values = self.values.capacity().saturating_mul(size_of::<(usize, usize)>());
        // A control byte for each place.
        self.places.capacity().saturating_mul(size_of::<u16>() + 1).saturating_add(values)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{CaptureId, FrameNo, Timestamp};

    static FIELDS: [Field; 3] = [
        Field { name: "test.one", doc: "One", source: "none" },
        Field { name: "test.two", doc: "Two", source: "none" },
        Field { name: "test.three", doc: "Three", source: "none" },
    ];

    fn seen(no: u64) -> Seen {
        Seen { at: Timestamp::new(no as i64, 0), frame: FrameRef::new(CaptureId(0), FrameNo(no)) }
    }

    fn value(n: u16) -> Value {
        match n % 3 {
            0 => Value::Uint(u64::from(n)),
            1 => Value::text(format!("text {n}").as_bytes()),
            _ => Value::Yes,
        }
    }

    proptest! {
        /// Two flows share a dictionary; each gives back what whole facts would be.
        #[test]
        fn packed_facts_are_those_that_were_added(
            adds in prop::collection::vec((0_usize..2, 0_usize..3, 0_u16..900, 0_u64..3), 0..1_500),
            only in prop::option::of(0_usize..2),
        ) {
            let mut dictionary = Dictionary::default();
            let mut flows = [(Packed::default(), Facts::default()), (Packed::default(), Facts::default())];
            let mut no = 1;
            for (flow, field, n, step) in adds {
                no += step;
                let (packed, whole) = &mut flows[flow];
                packed.add(&mut dictionary, &FIELDS[field], value(n), seen(no));
                whole.add(&FIELDS[field], value(n), seen(no));
            }
            // One flow is let go, in some cases; the other keeps all.
            if let Some(only) = only {
                dictionary.sweep(std::iter::once(&mut flows[only].0));
                dictionary.insert(&FIELDS[0], value(1), NOTHING);
            }
            for (packed, whole) in flows.iter().enumerate().filter(|(at, _)| only.is_none_or(|only| only == *at)).map(|(_, flow)| flow) {
                let unpacked = packed.unpack(&dictionary, seen(no));
                prop_assert_eq!(unpacked.dropped, whole.dropped);
                let all = |facts: &Facts| {
                    facts.iter().map(|fact| (fact.field.name, fact.value.clone(), fact.evidence.clone())).collect::<Vec<_>>()
                };
                prop_assert_eq!(all(&unpacked), all(whole));
                let texts = |facts: &Facts| {
                    facts.of(&FIELDS[1]).filter_map(|fact| fact.value.as_str().map(str::to_owned)).collect::<Vec<_>>()
                };
                let fields = [&FIELDS[1]];
                prop_assert_eq!(packed.texts(&dictionary, &fields).collect::<Vec<_>>(), texts(whole));
            }
        }
    }

    #[test]
    fn what_is_seen_at_the_end_is_seen_in_the_last_packet() {
        let mut dictionary = Dictionary::default();
        let mut packed = Packed::default();
        packed.add(&mut dictionary, &FIELDS[0], Value::Yes, seen(1));
        packed.add(&mut dictionary, &FIELDS[0], Value::Yes, at_end(seen(2)));
        packed.add(&mut dictionary, &FIELDS[1], Value::Yes, at_end(seen(2)));
        let facts = packed.unpack(&dictionary, seen(9));
        let frames =
            |field| facts.first(field).unwrap().evidence.frames().map(|f| f.no().0).collect::<Vec<_>>();
        assert_eq!((frames(&FIELDS[0]), frames(&FIELDS[1])), (vec![1, 9], vec![9]));
        assert_eq!(facts.first(&FIELDS[0]).unwrap().evidence.last, seen(9));
        assert_eq!((size_of::<Packed>(), size_of::<Entry>(), size_of::<Repeat>()), (96, 8, 24));
    }
}
