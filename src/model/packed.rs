//! The facts of many flows, kept small: each field with its value once for all of them.
//!
//! Most flows say what others have said: the same suites, the same topic, the same host. A flow keeps eight bytes for
//! each of its facts, and sixteen for each packet that showed some.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

use super::evidence::{Evidence, Seen};
use super::observation::{Fact, Facts, Field, MAX_VALUES, Value};
use super::{FrameRef, NO_FRAME};

/// Fields with values, each once. Hashed with a random key, so that no sender can make values meet; never iterated.
#[derive(Debug, Default)]
pub struct Dictionary {
    hasher: RandomState,
    ids: HashTable<u32>,
    items: Vec<(&'static Field, Value)>,
    /// Of texts.
    bytes: usize,
}

impl Dictionary {
    fn find(&self, field: &'static Field, value: &Value) -> Option<u32> {
        let is_it = |id: &u32| {
            self.get(*id).is_some_and(|(known, other)| std::ptr::eq(*known, field) && other == value)
        };
        self.ids.find(self.hash(field, value), is_it).copied()
    }

    /// Adds what is not there yet; `None` if there is no number left for it.
    fn insert(&mut self, field: &'static Field, value: Value) -> Option<u32> {
        let id = u32::try_from(self.items.len()).ok()?;
        let hash = self.hash(field, &value);
        if let Value::Text(text) = &value {
            self.bytes = self.bytes.saturating_add(text.len());
        }
        self.items.push((field, value));
        let Self { hasher, ids, items, .. } = self;
        ids.insert_unique(hash, id, |id| {
            items.get(*id as usize).map_or(0, |(field, value)| hash_of(hasher, field, value))
        });
        Some(id)
    }

    fn get(&self, id: u32) -> Option<&(&'static Field, Value)> {
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
        for inner in used.filter_map(|packed| packed.0.as_mut()) {
            for entry in &mut inner.facts {
                let Some((item, new)) = old.get_mut(entry.id as usize) else { continue };
                if let Some((field, value)) = item.take() {
                    *new = kept.insert(field, value);
                }
                entry.id = new.unwrap_or(entry.id);
            }
            if let Some(index) = &mut inner.index {
                index.places.clear();
                index.places.extend(inner.facts.iter().enumerate().map(|(place, entry)| (entry.id, place)));
            }
        }
        *self = kept;
    }

    /// About what it takes.
    pub fn bytes(&self) -> usize {
        let items = self.items.capacity().saturating_mul(size_of::<(&Field, Value)>());
        items.saturating_add(self.ids.capacity().saturating_mul(5)).saturating_add(self.bytes)
    }
}

fn hash_of(hasher: &RandomState, field: &'static Field, value: &Value) -> u64 {
    hasher.hash_one((std::ptr::from_ref(field).addr(), value))
}

/// The facts of one flow; [`Facts`] is what it is the small form of. Nothing is allocated before the first.
#[derive(Debug, Default)]
pub struct Packed(Option<Box<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    facts: Vec<Entry>,
    /// Packets in which facts were first seen.
    moments: Vec<Seen>,
    /// Sightings of what was seen more than once.
    repeats: Vec<Evidence>,
    index: Option<Box<Index>>,
    dropped: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
    /// Its place in `moments`.
    moment: u16,
    /// One more than its place in `repeats`; zero if it was seen once.
    repeat: u16,
}

/// Where to find facts, once there are too many to look through.
#[derive(Debug, Default)]
struct Index {
    places: HashMap<u32, usize, RandomState>,
    /// Values of each field, by the field's address.
    values: HashMap<usize, usize, RandomState>,
}

/// As many facts are looked through one by one; most flows have fewer.
const WITHOUT_INDEX: usize = 32;

impl Packed {
    /// Records that `field` had `value`. `seen` may be [`at_end`], which stands for the last packet of the flow.
    pub fn add(&mut self, dictionary: &mut Dictionary, field: &'static Field, value: Value, seen: Seen) {
        let inner = self.0.get_or_insert_default();
        let known = dictionary.find(field, &value);
        if let Some(place) = known.and_then(|id| inner.find(id)) {
            inner.again(place, seen);
            return;
        }
        if inner.is_full(field) {
            inner.dropped = inner.dropped.saturating_add(1);
            return;
        }
        let (Some(id), Some(moment)) =
            (known.or_else(|| dictionary.insert(field, value)), inner.moment(seen))
        else {
            inner.dropped = inner.dropped.saturating_add(1);
            return;
        };
        inner.push(Entry { id, moment, repeat: 0 }, field, dictionary);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|inner| inner.facts.is_empty())
    }

    /// Takes no more room than it needs: nothing will be added soon.
    pub fn shrink(&mut self) {
        if let Some(inner) = &mut self.0 {
            inner.facts.shrink_to_fit();
            inner.moments.shrink_to_fit();
        }
    }

    /// About what it takes beside itself.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |inner| {
            let index = inner.index.as_ref().map_or(0, |index| index.places.capacity().saturating_mul(17));
            [
                size_of::<Inner>(),
                inner.facts.capacity().saturating_mul(size_of::<Entry>()),
                inner.moments.capacity().saturating_mul(size_of::<Seen>()),
                inner.repeats.capacity().saturating_mul(size_of::<Evidence>()),
                index,
            ]
            .into_iter()
            .fold(0, usize::saturating_add)
        })
    }

    /// The whole facts of a flow whose last packet is `last`.
    pub fn unpack(&self, dictionary: &Dictionary, last: Seen) -> Facts {
        let Some(inner) = &self.0 else { return Facts::default() };
        let whole = |entry: &Entry| {
            let (field, value) = dictionary.get(entry.id)?;
            let mut evidence = match entry.repeat.checked_sub(1) {
                Some(repeat) => inner.repeats.get(usize::from(repeat))?.clone(),
                None => Evidence::once(*inner.moments.get(usize::from(entry.moment))?),
            };
            evidence.resolve(AT_END, last);
            Some(Fact { field, value: value.clone(), evidence })
        };
        Facts::of_parts(inner.facts.iter().filter_map(whole).collect(), inner.dropped)
    }

    /// The texts that a field had, in order of first sighting.
    pub fn texts<'a>(
        &'a self,
        dictionary: &'a Dictionary,
        field: &'static Field,
    ) -> impl Iterator<Item = &'a str> {
        let facts = self.0.as_ref().map_or(&[] as &[Entry], |inner| inner.facts.as_slice());
        facts
            .iter()
            .filter_map(|entry| dictionary.get(entry.id))
            .filter(move |(known, _)| std::ptr::eq(*known, field))
            .filter_map(|(_, value)| value.as_str())
    }
}

/// Stands for the last packet of a flow while more may come; the time is that of the latest packet so far.
pub fn at_end(latest: Seen) -> Seen {
    Seen { at: latest.at, frame: AT_END }
}

/// No capture has this frame.
const AT_END: FrameRef = NO_FRAME;

impl Inner {
    fn find(&self, id: u32) -> Option<usize> {
        match &self.index {
            Some(index) => index.places.get(&id).copied(),
            None => self.facts.iter().position(|entry| entry.id == id),
        }
    }

    fn again(&mut self, place: usize, seen: Seen) {
        let Self { facts, moments, repeats, .. } = self;
        let Some(entry) = facts.get_mut(place) else { return };
        if entry.repeat == 0
            && let Some(first) = moments.get(usize::from(entry.moment))
            && let Ok(repeat) = u16::try_from(repeats.len().saturating_add(1))
        {
            repeats.push(Evidence::once(*first));
            entry.repeat = repeat;
        }
        if let Some(evidence) = usize::from(entry.repeat).checked_sub(1).and_then(|at| repeats.get_mut(at)) {
            evidence.again(seen);
        }
    }

    /// Whether a flow keeps no more values of `field`.
    fn is_full(&self, field: &'static Field) -> bool {
        let values =
            self.index.as_ref().and_then(|index| index.values.get(&std::ptr::from_ref(field).addr()));
        values.is_some_and(|count| *count >= MAX_VALUES)
    }

    fn moment(&mut self, seen: Seen) -> Option<u16> {
        if self.moments.last() != Some(&seen) {
            // One for each of several packets is enough for most.
            if self.moments.len() == self.moments.capacity() {
                self.moments.reserve_exact(self.moments.len().max(2));
            }
            self.moments.push(seen);
        }
        u16::try_from(self.moments.len().checked_sub(1)?).ok()
    }

    fn push(&mut self, entry: Entry, field: &'static Field, dictionary: &Dictionary) {
        if self.facts.len() == WITHOUT_INDEX {
            let mut index = Box::<Index>::default();
            for (place, entry) in self.facts.iter().enumerate() {
                if let Some((field, _)) = dictionary.get(entry.id) {
                    index.insert(entry.id, field, place);
                }
            }
            self.index = Some(index);
        }
        if let Some(index) = &mut self.index {
            index.insert(entry.id, field, self.facts.len());
        }
        if self.facts.len() == self.facts.capacity() {
            self.facts.reserve_exact(self.facts.len().max(6));
        }
        self.facts.push(entry);
    }
}

impl Index {
    fn insert(&mut self, id: u32, field: &'static Field, place: usize) {
        self.places.insert(id, place);
        *self.values.entry(std::ptr::from_ref(field).addr()).or_default() += 1;
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
                dictionary.insert(&FIELDS[0], value(1));
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
                prop_assert_eq!(packed.texts(&dictionary, &FIELDS[1]).collect::<Vec<_>>(), texts(whole));
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
        assert_eq!((size_of::<Packed>(), size_of::<Entry>()), (8, 8));
    }
}
