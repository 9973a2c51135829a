//! What is let go when there is no more room: what tells least first.
//!
//! First come the flows of whoever has very many, a flood or a scan, then all others; of both, attempts that nobody
//! answered, flows that are over, those whose protocol is known, and those still looked at, the oldest first.
//!
//! Shedding looks at the table alone, and a table is a fixed part of the whole: what is let go is the same in
//! every run and for any number of threads.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use super::Handler;
use super::table::{FlowTable, OtherEntry, Place, TcpEntry, outlet};
use crate::model::FlowKey;
use crate::model::evidence::Seen;
use crate::model::stats::ShedKind;

/// So much of the limit is free again afterwards, as a divisor: shedding looks at every flow, and should be rare.
const FREED: usize = 4;

/// Streams may hold back so much of the limit before holes are given up, as a divisor.
const HELD_BACK: usize = 16;

/// Flows that take more than this part of what all take, as a divisor, crowd out the others.
const CROWD: usize = 16;

/// A flow that may be let go; the least goes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// One of very many tells little, whatever is said in it, and must not push out the few flows of others.
    crowd: Reverse<Crowd>,
    kind: ShedKind,
    /// Of attempts, how many others there are to the same service, or from the same host: one of many (a flood, a scan)
    /// tells less than one of few.
    others: Reverse<u32>,
    last: Seen,
    at: u32,
    /// Of attempts, whom the others are about.
    by: Option<IpAddr>,
}

/// Which crowd a flow is one of, with what that takes (the power of two). A service that all use is also used by those
/// who do little else, and a host that asks one service over and over also does other things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Crowd {
    None,
    /// Flows to one service.
    Service(u32),
    /// Flows from one host.
    Host(u32),
    /// From the host of one crowd to the service of another.
    Both(u32),
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
        let mut candidates = self.candidates(handler);
        candidates.sort_unstable();
        let mut gone = Gone::new(self.tcp.len(), self.other.len());
        for candidate in candidates {
            if excess == 0 {
                break;
            }
            let place = Place::new(0, 0, false).with(candidate.at);
            let Some(entry) = self.entry(place) else { continue };
            let (key, first) = (entry.key(), entry.first);
            excess = excess.saturating_sub(self.bytes_of(place, handler));
            gone.mark(place);
            match candidate.by {
                Some(host) => self.shed.flow(candidate.kind, first, [host]),
                None => self.shed.flow(candidate.kind, first, [key.orig.ip, key.resp.ip]),
            }
        }
        self.remove(&gone, handler);
        let tcp = self.tcp.iter_mut().map(|tcp| &mut tcp.entry);
        let left = tcp.chain(self.other.iter_mut().map(|other| &mut other.entry));
        handler.tidy(&mut left.filter_map(|entry| entry.state.as_deref_mut()));
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

    /// About what goes with the flow at this place.
    fn bytes_of(&self, place: Place, handler: &H) -> usize {
        let state = self.entry(place).and_then(|entry| entry.state.as_ref());
        let state = state.map_or(0, |state| handler.bytes_of(state));
        let connection = self.tcp.get(place.index()).filter(|_| place.is_tcp());
        let waiting = connection.map_or(0, |tcp| tcp.connection.waiting());
        self.each(place.is_tcp()).saturating_add(state).saturating_add(waiting)
    }

    fn candidates(&self, handler: &H) -> Vec<Candidate> {
        let flows = || {
            let tcp = (0..self.tcp.len()).map(|at| Place::new(0, at, true).at);
            tcp.chain((0..self.other.len()).map(|at| Place::new(0, at, false).at))
        };
        let bytes = |at| self.bytes_of(Place::new(0, 0, false).with(at), handler);
        candidates(flows, |at| self.telling(at), bytes, |_| false)
    }

    /// Of the flow at a place that [`Self::outlines`] gave: as what it would be let go, and its last packet.
    pub fn telling(&self, at: u32) -> Option<(FlowKey, ShedKind, Seen)> {
        let place = Place::new(0, 0, false).with(at);
        let entry = self.entry(place)?;
        let connection = self.tcp.get(place.index()).filter(|_| place.is_tcp());
        let kind = connection.map_or_else(|| entry.kind(), |tcp| tcp.connection.kind());
        Some((entry.key(), kind, entry.last))
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
            |OtherEntry { entry, .. }| entry.state.into_iter().for_each(|state| handler.shed(*state)),
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

/// Positions of flows in the order in which to let them go. Of `is_judged`, whoever it is, the number of flows is no
/// crowd: they are what is asked for.
pub fn least_telling(flows: &[(FlowKey, ShedKind, Seen)], is_judged: impl Fn(IpAddr) -> bool) -> Vec<usize> {
    let places = || (0..flows.len()).filter_map(|at| u32::try_from(at).ok());
    let mut candidates = candidates(places, |at| flows.get(at as usize).copied(), |_| 1, is_judged);
    candidates.sort_unstable();
    candidates.into_iter().map(|candidate| candidate.at as usize).collect()
}

fn candidates<I: Iterator<Item = u32>>(
    flows: impl Fn() -> I,
    telling: impl Fn(u32) -> Option<(FlowKey, ShedKind, Seen)>,
    bytes: impl Fn(u32) -> usize,
    is_judged: impl Fn(IpAddr) -> bool,
) -> Vec<Candidate> {
    let mut crowds = Crowds::default();
    let list = || flows().filter_map(|at| telling(at).map(|flow| (at, flow)));
    list().for_each(|(at, (key, kind, _))| crowds.add(&key, kind, bytes(at)));
    list()
        .map(|(at, (key, kind, last))| {
            let (others, by) = if kind == ShedKind::Attempt { crowds.attempts(&key) } else { (0, None) };
            let (crowd, others) = (Reverse(crowds.of(&key, &is_judged)), Reverse(others));
            Candidate { crowd, kind, others, last, at, by }
        })
        .collect()
}

/// What there is to each service and from each host.
#[derive(Debug, Default)]
struct Crowds {
    to: HashMap<(IpAddr, u16), Count, foldhash::fast::RandomState>,
    from: HashMap<IpAddr, Count, foldhash::fast::RandomState>,
    bytes: usize,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    /// That all flows take.
    bytes: usize,
    attempts: u32,
}

impl Crowds {
    fn add(&mut self, key: &FlowKey, kind: ShedKind, bytes: usize) {
        let to = self.to.entry((key.resp.ip, key.resp.port)).or_default();
        let from = self.from.entry(key.orig.ip).or_default();
        for count in [to, from] {
            count.bytes = count.bytes.saturating_add(bytes);
            count.attempts = count.attempts.saturating_add(u32::from(kind == ShedKind::Attempt));
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn counts(&self, key: &FlowKey) -> (Count, Count) {
        let to = self.to.get(&(key.resp.ip, key.resp.port)).copied();
        let from = self.from.get(&key.orig.ip).copied();
        (to.unwrap_or_default(), from.unwrap_or_default())
    }

    fn of(&self, key: &FlowKey, is_judged: impl Fn(IpAddr) -> bool) -> Crowd {
        let (to, from) = self.counts(key);
        let many = |count: Count| count.bytes > self.bytes / CROWD;
        let size = |count: Count| count.bytes.checked_ilog2().unwrap_or(0);
        match (many(from) && !is_judged(key.orig.ip), many(to)) {
            (true, true) => Crowd::Both(size(from)),
            (true, false) => Crowd::Host(size(from)),
            (false, true) => Crowd::Service(size(to)),
            (false, false) => Crowd::None,
        }
    }

    /// The larger number of attempts that an attempt is one of, and whom they are about.
    fn attempts(&self, key: &FlowKey) -> (u32, Option<IpAddr>) {
        let (to, from) = self.counts(key);
        match (to.attempts.max(from.attempts), to.attempts >= from.attempts) {
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

#[cfg(test)]
mod tests {
    use super::super::testing::{Frames, HostPort, OwnedFrame, Recorder};
    use super::super::{KeyHasher, Limits};
    use super::*;
    use ShedKind::{Attempt, Closed, Open, Recognised};

    type Table = FlowTable<Recorder>;

    /// A table with room for all of these.
    fn table(frames: &[OwnedFrame], recorder: &mut Recorder) -> Table {
        let (mut table, hasher) = (Table::new(Limits::default()), KeyHasher::default());
        for frame in frames {
            let packet = frame.packet();
            table.packet(&packet, hasher.hash(&packet.key()), recorder);
        }
        table
    }

    /// Leaves so little room that something must go, and tells how many of each kind are gone by now.
    fn squeeze(table: &mut Table, recorder: &mut Recorder) -> Vec<(ShedKind, u64)> {
        table.limits.bytes = table.bytes(recorder).saturating_sub(1);
        table.make_room(recorder);
        table.shed.flows.iter().map(|(kind, count)| (*kind, *count)).collect()
    }

    fn opening(frames: &Frames, from: HostPort, to: HostPort) -> Vec<OwnedFrame> {
        vec![
            frames.tcp(from, to, "S", 100, 0),
            frames.tcp(to, from, "SA", 500, 101),
            frames.tcp(from, to, "A", 101, 501),
        ]
    }

    fn said(frames: &Frames, from: HostPort, to: HostPort, seq: u32, text: &[u8]) -> OwnedFrame {
        frames.tcp(from, to, "PA", seq, 501).with(text)
    }

    /// Whether the flow between these is left.
    fn has(table: &Table, from: HostPort, to: HostPort) -> bool {
        let is_it = |key: FlowKey| (key.orig.ip, key.resp.ip, key.resp.port) == (from.ip, to.ip, to.port);
        table.outlines().any(|(_, outline, _)| is_it(outline.key))
    }

    #[test]
    fn what_tells_least_goes_first_and_of_one_kind_the_oldest() {
        let frames = Frames::default();
        let ends = |n: u8| (HostPort::v4(n, 40_000), HostPort::v4(n + 100, 443));
        let mut all = Vec::new();
        // Two of each kind, those that tell most first.
        for n in [1, 2] {
            let (from, to) = ends(n);
            all.extend(opening(&frames, from, to));
            all.push(said(&frames, from, to, 101, b"a"));
        }
        for n in [3, 4] {
            let (from, to) = ends(n);
            all.extend(opening(&frames, from, to));
            all.extend([said(&frames, from, to, 101, b"a"), said(&frames, from, to, 102, b"b")]);
        }
        for n in [5, 6] {
            let (from, to) = ends(n);
            all.extend(opening(&frames, from, to));
            all.push(frames.tcp(from, to, "RA", 101, 501));
        }
        for n in [7, 8] {
            let (from, to) = ends(n);
            all.push(frames.tcp(from, to, "S", 100, 0));
        }
        let mut recorder = Recorder { enough: 2 };
        let mut table = table(&all, &mut recorder);
        let mut order = Vec::new();
        while !table.is_empty() {
            let before: Vec<bool> = (1..=8).map(|n| has(&table, ends(n).0, ends(n).1)).collect();
            squeeze(&mut table, &mut recorder);
            order.extend(
                (1..=8).filter(|n| before[usize::from(*n) - 1] && !has(&table, ends(*n).0, ends(*n).1)),
            );
        }
        assert_eq!(order, [7, 8, 5, 6, 3, 4, 1, 2]);
        let two = [Attempt, Closed, Recognised, Open].map(|kind| (kind, 2));
        assert_eq!(table.shed.flows.into_iter().collect::<Vec<_>>(), two);
    }

    #[test]
    fn one_of_many_goes_before_one_of_few_whatever_was_said() {
        let frames = Frames::default();
        let (device, peer, blocked) = (HostPort::v4(1, 40_000), HostPort::v4(2, 443), HostPort::v4(3, 123));
        let mut all = opening(&frames, device, peer);
        all.push(frames.tcp(device, peer, "RA", 101, 501));
        all.push(frames.tcp(device, blocked, "S", 100, 0));
        for port in 0..40 {
            let (from, to) = (HostPort::v4(9, 10_000 + port), HostPort::v4(2, 443));
            all.extend(opening(&frames, from, to));
            all.push(said(&frames, from, to, 101, b"hello"));
        }
        let mut recorder = Recorder::default();
        let mut table = table(&all, &mut recorder);
        while table.len() > 12 {
            squeeze(&mut table, &mut recorder);
        }
        assert!(has(&table, device, peer) && has(&table, device, blocked), "{:?}", table.shed);
        assert_eq!(table.shed.flows.keys().collect::<Vec<_>>(), [&Open]);
        assert!(!table.shed.may_touch(device.ip) && table.shed.may_touch(HostPort::v4(9, 0).ip));
    }

    #[test]
    fn a_flood_is_about_whom_it_is_sent_to() {
        let frames = Frames::default();
        let (device, peer, victim) = (HostPort::v4(1, 40_000), HostPort::v4(2, 443), HostPort::v4(3, 80));
        let mut all = vec![frames.tcp(device, peer, "S", 100, 0)];
        all.extend((10..250).map(|n| frames.tcp(HostPort::v4(n, 1_025), victim, "S", 100, 0)));
        let mut recorder = Recorder::default();
        let gone = |table: &mut Table, recorder: &mut Recorder| squeeze(table, recorder);
        let mut tables = [table(&all, &mut recorder), table(&all, &mut recorder)];
        // The tables hash with other keys each.
        let [one, two] = tables.each_mut().map(|table| gone(table, &mut recorder));
        assert_eq!(one, two);
        let [table, _] = tables;
        assert!(has(&table, device, peer));
        assert!(table.shed.may_touch(victim.ip));
        assert!(!table.shed.may_touch(device.ip) && !table.shed.may_touch(HostPort::v4(10, 0).ip));
    }

    #[test]
    fn holes_are_given_up_before_any_flow_is() {
        let frames = Frames::default();
        let (device, peer) = (HostPort::v4(1, 40_000), HostPort::v4(2, 443));
        let mut all = opening(&frames, device, peer);
        all.extend([
            said(&frames, device, peer, 101, b"a"),
            said(&frames, device, peer, 104, &[b'd'; 5_000]),
        ]);
        let mut recorder = Recorder::default();
        let mut table = table(&all, &mut recorder);
        assert!(table.waiting > 5_000);
        assert_eq!(squeeze(&mut table, &mut recorder), []);
        assert_eq!((table.shed.streams, table.waiting, table.len()), (1, 0, 1));
        let told = table.outlines().find_map(|(.., told)| Some(told?.orig.clone())).unwrap();
        assert!(told.starts_with("a__dd"), "the missing bytes are told");
    }

    #[test]
    fn what_is_judged_is_no_crowd() {
        let frames = Frames::default();
        let (device, other) = (HostPort::v4(1, 40_000), HostPort::v4(9, 40_000));
        let flow = |from: HostPort, to: HostPort, kind| {
            let frame = frames.udp(from, to, b"");
            (frame.packet().key(), kind, frame.seen)
        };
        let mut flows: Vec<_> = (10..20).map(|n| flow(device, HostPort::v4(n, 443), Closed)).collect();
        flows.extend((0..10).map(|port| flow(HostPort::v4(9, 1_000 + port), HostPort::v4(1, 80), Open)));
        let order = least_telling(&flows, |ip| ip == device.ip);
        assert_eq!(order.len(), 20);
        assert!(order[..10].iter().all(|at| *at >= 10), "{order:?}");
        let order = least_telling(&flows, |ip| ip == other.ip);
        assert!(order[..10].iter().all(|at| *at < 10), "{order:?}");
    }
}
