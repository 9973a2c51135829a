//! When a device looked names up. Where an address has several of its names, the one that it asked for last before a flow
//! began is what it meant.

use foldhash::{HashMap, HashMapExt};

use crate::analyzers::dns;
use crate::model::{Flow, NameBinding, Seen};

/// When a device asked for those of its names that share an address with another one.
#[derive(Debug, Default)]
pub(super) struct LookUps<'n> {
    times: HashMap<&'n str, Vec<Seen>>,
    /// Whether the times are ascending.
    sorted: bool,
}

/// Of an address with more names than this, only the first answer with each name counts, not the look-ups after it.
const MAX_NAMES: usize = 64;

impl<'n> LookUps<'n> {
    /// Of a device that was told `answers`, by address; what it asked when is still to be noted.
    pub(super) fn of(answers: &[&'n NameBinding]) -> Self {
        let mut times = HashMap::new();
        for same in answers.chunk_by(|a, b| a.address == b.address) {
            let shared = same.iter().any(|other| same.first().is_some_and(|first| first.name != other.name));
            times.extend(same.iter().filter(|_| shared).map(|answer| (&*answer.name, Vec::new())));
        }
        Self { times, sorted: true }
    }

    /// Takes what the device asked in `flow`.
    pub(super) fn note(&mut self, flow: &Flow) {
        if self.times.is_empty() || flow.service.first() != Some(&"dns") {
            return;
        }
        for fact in flow.facts.of(&dns::QUERY) {
            if let Some(times) = fact.value.as_str().and_then(|name| self.times.get_mut(name)) {
                times.extend([fact.evidence.first, fact.evidence.last]);
                self.sorted = false;
            }
        }
    }

    /// Which of the names in `same`, what the device was told of one address, earliest first, it asked for last before
    /// something that began `then`; `None` where it was told none of them by then.
    pub(super) fn last(&mut self, same: &[&'n NameBinding], then: Seen) -> Option<&'n str> {
        if !self.sorted {
            self.times.values_mut().for_each(|times| times.sort_unstable());
            self.sorted = true;
        }
        let told = same.partition_point(|answer| answer.seen <= Some(then));
        let told = same.get(..told).unwrap_or_default();
        if told.len() > MAX_NAMES {
            return told.last().map(|answer| &*answer.name);
        }
        let asked = |answer: &&&NameBinding| {
            let times = self.times.get(&*answer.name).map_or(&[][..], Vec::as_slice);
            let before = times.partition_point(|time| *time <= then);
            let last = before.checked_sub(1).and_then(|at| times.get(at).copied());
            last.max(answer.seen)
        };
        told.iter().max_by_key(asked).map(|answer| &*answer.name)
    }
}
