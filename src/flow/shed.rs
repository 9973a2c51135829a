//! What is let go when there is no more room: what tells least first.
//!
//! Shedding looks at the table alone, and a table is a fixed part of the whole: what is let go is the same in
//! every run and for any number of threads.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use super::Handler;
use super::entry::Entry;
use super::table::{FlowTable, Place, TcpEntry, outlet};
use crate::model::FlowKey;
use crate::model::evidence::Seen;
use crate::model::stats::ShedKind;

/// So much of the limit is free again afterwards, as a divisor: shedding looks at every flow, and should be rare.
const FREED: usize = 8;

/// Streams may hold back so much of the limit before holes are given up, as a divisor.
const HELD_BACK: usize = 16;

/// A flow that may be let go; the least goes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    kind: ShedKind,
    /// Of attempts, how many others there are to the same service, or from the same host: one of many (a flood, a scan)
    /// tells less than one of few.
    crowd: Reverse<u32>,
    last: Seen,
    at: u32,
    /// Who makes the crowd.
    by: Option<IpAddr>,
}

impl<H: Handler> FlowTable<H> {
    /// Gives up missing bytes, then lets flows go, until there is room again.
    pub(super) fn make_room(&mut self, handler: &mut H) {
        self.give_up_holes(handler);
        let goal = self.limits.bytes.saturating_sub(self.limits.bytes / FREED);
        let mut excess = self.bytes(handler).saturating_sub(goal);
        if excess == 0 {
            return;
        }
        let mut candidates = self.candidates();
        candidates.sort_unstable();
        let state = handler.bytes().checked_div(candidates.len()).unwrap_or_default();
        let mut gone = Gone::new(self.tcp.len(), self.other.len());
        for candidate in candidates {
            if excess == 0 {
                break;
            }
            let place = Place::new(0, 0, false).with(candidate.at);
            let Some(entry) = self.entry(place) else { continue };
            let (key, first) = (entry.key(), entry.first);
            let own =
                if place.is_tcp() { size_of::<TcpEntry<H::State>>() } else { size_of::<Entry<H::State>>() };
            // What attempts leave behind is next to nothing; the others are counted with their mean.
            let rest = if candidate.kind == ShedKind::Attempt { 0 } else { state };
            excess = excess.saturating_sub(own.saturating_add(rest));
            gone.mark(place);
            match candidate.by {
                Some(host) => self.shed.flow(candidate.kind, first, [host]),
                None => self.shed.flow(candidate.kind, first, [key.orig.ip, key.resp.ip]),
            }
        }
        self.remove(&gone, handler);
    }

    /// Hands out what waits in streams, those first that hold back most.
    fn give_up_holes(&mut self, handler: &mut H) {
        let most = self.limits.bytes / HELD_BACK;
        if self.waiting <= most {
            return;
        }
        let mut holding: Vec<(Reverse<usize>, usize)> = self
            .tcp
            .iter()
            .enumerate()
            .map(|(at, tcp)| (Reverse(tcp.connection.waiting()), at))
            .filter(|(Reverse(waiting), _)| *waiting > 0)
            .collect();
        holding.sort_unstable();
        for (Reverse(waiting), at) in holding {
            if self.waiting <= most / 2 {
                break;
            }
            let Some(TcpEntry { entry, connection }) = self.tcp.get_mut(at) else { continue };
            let (midstream, last) = (connection.midstream(), entry.last);
            connection.give_up_holes(&mut outlet(entry, midstream, last, handler));
            self.waiting = self.waiting.saturating_sub(waiting);
            self.shed.streams = self.shed.streams.saturating_add(1);
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        let mut crowds = Crowds::default();
        let tcp =
            || self.tcp.iter().enumerate().map(|(at, tcp)| (at, true, tcp.connection.kind(), &tcp.entry));
        let other = || self.other.iter().enumerate().map(|(at, entry)| (at, false, entry.kind(), entry));
        for (_, _, kind, entry) in tcp().chain(other()) {
            if kind == ShedKind::Attempt {
                crowds.add(&entry.key());
            }
        }
        tcp()
            .chain(other())
            .map(|(at, is_tcp, kind, entry)| {
                let attempt = kind == ShedKind::Attempt;
                let (crowd, by) = if attempt { crowds.of(&entry.key()) } else { (0, None) };
                let at = Place::new(0, at, is_tcp).at;
                Candidate { kind, crowd: Reverse(crowd), last: entry.last, at, by }
            })
            .collect()
    }

    fn remove(&mut self, gone: &Gone, handler: &mut H) {
        let mut waiting = self.waiting;
        let tcp = self.tcp.keep(
            |at| !gone.has(Place::new(0, at, true)),
            |TcpEntry { entry, connection }| {
                waiting = waiting.saturating_sub(connection.waiting());
                entry.state.into_iter().for_each(|state| handler.shed(*state));
            },
        );
        let other = self.other.keep(
            |at| !gone.has(Place::new(0, at, false)),
            |entry| entry.state.into_iter().for_each(|state| handler.shed(*state)),
        );
        self.waiting = waiting;
        self.open.retain(|place| {
            let places = if place.is_tcp() { &tcp } else { &other };
            let new = places.get(place.index()).copied().flatten();
            if let Some(at) = new {
                *place = place.with(Place::new(0, at, place.is_tcp()).at);
            }
            new.is_some()
        });
    }
}

/// How many attempts there are to each service and from each host.
#[derive(Debug, Default)]
struct Crowds {
    to: HashMap<(IpAddr, u16), u32, foldhash::fast::RandomState>,
    from: HashMap<IpAddr, u32, foldhash::fast::RandomState>,
}

impl Crowds {
    fn add(&mut self, key: &FlowKey) {
        let to = self.to.entry((key.resp.ip, key.resp.port)).or_default();
        *to = to.saturating_add(1);
        let from = self.from.entry(key.orig.ip).or_default();
        *from = from.saturating_add(1);
    }

    /// The larger of the two that a flow belongs to, and who it is about.
    fn of(&self, key: &FlowKey) -> (u32, Option<IpAddr>) {
        let to = self.to.get(&(key.resp.ip, key.resp.port)).copied().unwrap_or(0);
        let from = self.from.get(&key.orig.ip).copied().unwrap_or(0);
        match (to.max(from), to >= from) {
            // One of its kind is nobody's crowd.
            (..=1, _) => (1, None),
            (crowd, true) => (crowd, Some(key.resp.ip)),
            (crowd, false) => (crowd, Some(key.orig.ip)),
        }
    }
}

/// Places to be left.
struct Gone {
    tcp: Vec<bool>,
    other: Vec<bool>,
}

impl Gone {
    fn new(tcp: usize, other: usize) -> Self {
        Self { tcp: vec![false; tcp], other: vec![false; other] }
    }

    fn mark(&mut self, place: Place) {
        let places = if place.is_tcp() { &mut self.tcp } else { &mut self.other };
        if let Some(mark) = places.get_mut(place.index()) {
            *mark = true;
        }
    }

    fn has(&self, place: Place) -> bool {
        let places = if place.is_tcp() { &self.tcp } else { &self.other };
        places.get(place.index()).copied().unwrap_or(false)
    }
}
