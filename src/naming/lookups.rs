//! When a device looked names up. Where an address has several of its names, the one that it asked for last before a flow
//! began is what it meant, where that can be known: of look-ups of one name on one socket the first, the last and the
//! number are kept, so that with three or more it is not known when those in between were.

use foldhash::{HashMap, HashMapExt};

use crate::analyzers::dns;
use crate::model::{Flow, NameBinding, Seen};

/// When a device asked for those of its names that share an address with another one.
#[derive(Debug, Default)]
pub(super) struct LookUps<'n> {
    times: HashMap<&'n str, Times>,
    /// Whether the times are ascending.
    sorted: bool,
}

/// When one name was looked up.
#[derive(Debug, Default)]
struct Times {
    /// For certain.
    known: Vec<Seen>,
    /// Between these there were more; once sorted, each ends with the latest end of those that began before.
    between: Vec<(Seen, Seen)>,
}

impl Times {
    fn sort(&mut self) {
        self.known.sort_unstable();
        self.between.sort_unstable();
        let mut latest = None;
        for (_, end) in &mut self.between {
            *end = latest.map_or(*end, |latest| (*end).max(latest));
            latest = Some(*end);
        }
    }

    /// The last one known of up to `then`.
    fn last(&self, then: Seen) -> Option<Seen> {
        let before = self.known.partition_point(|time| *time <= then);
        self.known.get(before.checked_sub(1)?).copied()
    }

    /// Whether there may have been a later one up to `then`.
    fn is_vague(&self, then: Seen) -> bool {
        let begun = self.between.partition_point(|(begin, _)| *begin <= then);
        begun.checked_sub(1).and_then(|at| self.between.get(at)).is_some_and(|(_, end)| *end > then)
    }
}

/// Of an address with more names than this, only the first answer with each name counts, not the look-ups after it.
const MAX_NAMES: usize = 64;

impl<'n> LookUps<'n> {
    /// Of a device that was told `answers`, by address; what it asked when is still to be noted.
    pub(super) fn of(answers: &[&'n NameBinding]) -> Self {
        let mut times = HashMap::new();
        for same in answers.chunk_by(|a, b| a.address == b.address) {
            let shared = same.iter().any(|other| same.first().is_some_and(|first| first.name != other.name));
            times.extend(same.iter().filter(|_| shared).map(|answer| (&*answer.name, Times::default())));
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
                let (first, last) = (fact.evidence.first, fact.evidence.last);
                times.known.extend([first, last]);
                times.between.extend((fact.evidence.count > 2).then_some((first, last)));
                self.sorted = false;
            }
        }
    }

    /// Which of the names in `same`, what the device was told of one address, earliest first, it asked for last before
    /// something that began `then`; `None` where it was told none of them by then, or where that is not known.
    pub(super) fn last(&mut self, same: &[&'n NameBinding], then: Seen) -> Option<&'n str> {
        if !self.sorted {
            self.times.values_mut().for_each(Times::sort);
            self.sorted = true;
        }
        let told = same.partition_point(|answer| answer.seen <= Some(then));
        let told = same.get(..told).unwrap_or_default();
        if told.len() > MAX_NAMES {
            return told.last().map(|answer| &*answer.name);
        }
        let times = |answer: &NameBinding| self.times.get(&*answer.name);
        let asked =
            |answer: &&&NameBinding| times(answer).and_then(|times| times.last(then)).max(answer.seen);
        let last = &*told.iter().max_by_key(asked)?.name;
        let is_vague = |answer: &&NameBinding| times(answer).is_some_and(|times| times.is_vague(then));
        let other = told.iter().filter(|answer| *answer.name != *last).any(is_vague);
        (!other).then_some(last)
    }
}
