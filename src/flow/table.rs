//! All flows of one shard.

use hashbrown::HashTable;

use super::entry::Entry;
use super::reassembly::Piece;
use super::repeats::{Repeat, Repeats};
use super::slab::Slab;
use super::tcp::Connection;
use super::{Copies, FlowHead, Handler, Limits};
use crate::model::evidence::Seen;
use crate::model::flow::{IcmpError, RoleBasis};
use crate::model::packet::{Network, Segment, TcpFlags, TcpHeader};
use crate::model::stats::Shed;
use crate::model::{Direction, Flow, FlowKey, Outline, Packet, Transport};

/// The flows of a run, open and closed. Packets of a 5-tuple must come in the order of the capture; what
/// happens to one flow does not depend on the others.
#[derive(Debug)]
pub struct FlowTable<H: Handler> {
    pub(super) limits: Limits,
    /// An open flow is found with a 5-tuple in either direction; growing moves places only.
    pub(super) open: HashTable<Place>,
    pub(super) tcp: Slab<TcpEntry<H::State>>,
    /// All that is not TCP.
    pub(super) other: Slab<OtherEntry<H::State>>,
    /// Stream bytes that wait for missing ones before them.
    pub(super) waiting: usize,
    pub(super) shed: Shed,
    /// Packets that were captured twice.
    copies: u64,
    /// There are flows whose addresses and ports are also another's, in another network.
    apart: bool,
}

/// Where a flow is, with the hash of its 5-tuple.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    hash: u32,
    /// The place in its slab, shifted; the lowest bit tells TCP.
    pub(super) at: u32,
}

/// What a place takes in a table that is half full, with its control byte. What the table really has room for depends on
/// the hashes, which are others in every run: what is let go must not.
const PLACE: usize = 2 * (size_of::<Place>() + 1);

#[derive(Debug)]
pub(super) struct TcpEntry<S> {
    pub(super) entry: Entry<S>,
    pub(super) connection: Connection,
}

#[derive(Debug)]
pub(super) struct OtherEntry<S> {
    pub(super) entry: Entry<S>,
    repeats: Repeats<2>,
}

impl Place {
    pub(super) fn new(hash: u32, at: usize, tcp: bool) -> Self {
        // A shard of two thousand million flows has long met the limit of memory.
        let at = u32::try_from(at).unwrap_or(u32::MAX >> 1);
        Self { hash, at: at << 1 | u32::from(tcp) }
    }

    /// The same hash at another place.
    pub(super) fn with(self, at: u32) -> Self {
        Self { at, ..self }
    }

    pub(super) fn is_tcp(self) -> bool {
        self.at & 1 == 1
    }

    pub(super) fn index(self) -> usize {
        (self.at >> 1) as usize
    }

    /// A hash for a table that takes its place from some bits and its tag from others.
    fn spread(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl<H: Handler> FlowTable<H> {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: HashTable::new(),
            tcp: Slab::default(),
            other: Slab::default(),
            waiting: 0,
            shed: Shed::default(),
            copies: 0,
            apart: false,
        }
    }

    /// How many flows there are, open or closed.
    pub fn len(&self) -> usize {
        self.tcp.len().saturating_add(self.other.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The flow with these ends, and which way a packet with `key` travels in it.
    fn find(&self, key: &FlowKey, hash: u32) -> Option<(Place, Direction)> {
        self.find_with(key, hash, |_, _| ()).map(|(place, from, ())| (place, from))
    }

    /// The same, with what `look` sees there.
    #[inline]
    fn find_with<T>(
        &self,
        key: &FlowKey,
        hash: u32,
        look: impl Fn(&Entry<H::State>, Direction) -> T,
    ) -> Option<(Place, Direction, T)> {
        let mut found = None;
        let is_it = |place: &Place| {
            if place.hash == hash
                && let Some(entry) = self.entry(*place)
                && let Some(from) = entry.direction(key)
            {
                found = Some((from, look(entry, from)));
                return true;
            }
            false
        };
        let place = *self.open.find(Place::spread(hash), is_it)?;
        found.map(|(from, seen)| (place, from, seen))
    }

    /// The flow of a packet, which way it travels in it, and the hash to find it by, or to open it with. As a rule, that is
    /// the hash of the 5-tuple.
    #[inline]
    fn locate(&mut self, packet: &Packet<'_>, key: &FlowKey, hash: u32) -> (Option<(Place, Direction)>, u32) {
        let network = packet.network();
        let first = self.find_with(key, hash, |entry, from| entry.is_in(from, network));
        let is_it = first.map_or(!self.apart, |(_, _, is_in)| is_in);
        let first = first.map(|(place, from, _)| (place, from));
        if is_it { (first, hash) } else { self.locate_apart(packet, key, hash, first) }
    }

    /// The same where the 5-tuple has been seen in another network than the packet's. Both directions of a connection are
    /// in one network as a rule, but a span port may show one of them with a tag and one without, or both in two VLANs, before
    /// and behind a router. So only packets that contradict those of the flow at hand are another flow's, which is found
    /// by its network too.
    #[cold]
    fn locate_apart(
        &mut self,
        packet: &Packet<'_>,
        key: &FlowKey,
        hash: u32,
        first: Option<(Place, Direction)>,
    ) -> (Option<(Place, Direction)>, u32) {
        let network = packet.network();
        let own_hash = in_network(hash, network);
        let own = self.find(key, own_hash).filter(|_| self.apart);
        if own.is_some_and(|(place, from)| self.is_in(place, from, network)) {
            return (own, own_hash);
        }
        let Some((place, from)) = first else { return (None, hash) };
        let is_its = self.goes_on(place, from, packet, network);
        let Some(entry) = self.entry_mut(place) else { return (None, hash) };
        if is_its {
            entry.is_also_in(from, network);
            return (first, hash);
        }
        entry.is_not_in(from, network);
        self.apart = true;
        (None, own_hash)
    }

    /// Whether packets from this side are known to come in this network.
    fn is_in(&self, place: Place, from: Direction, network: Network) -> bool {
        self.entry(place).is_some_and(|entry| entry.is_in(from, network))
    }

    /// Whether a packet in another network than those before it from the same side is of their flow all the same. The first
    /// from its side is, unless numbers of TCP contradict it. Later ones are if there are only other tags on them, and
    /// numbers say so, or they are copies.
    fn goes_on(&self, place: Place, from: Direction, packet: &Packet<'_>, network: Network) -> bool {
        let Some(entry) = self.entry(place) else { return false };
        let (is_first, vlan) = (entry.is_silent(from), entry.differs_in_vlan(from, network));
        if let (Segment::Tcp(header), Some(tcp)) = (packet.segment, self.tcp.get(place.index())) {
            match tcp.connection.is_near(from, &header) {
                Some(near) => near && (is_first || vlan),
                None => is_first,
            }
        } else {
            let is_copy = |other: &OtherEntry<_>| other.repeats.holds_datagram(packet, from);
            is_first || vlan && self.other.get(place.index()).is_some_and(is_copy)
        }
    }

    fn entry_mut(&mut self, place: Place) -> Option<&mut Entry<H::State>> {
        if place.is_tcp() {
            self.tcp.get_mut(place.index()).map(|tcp| &mut tcp.entry)
        } else {
            self.other.get_mut(place.index()).map(|other| &mut other.entry)
        }
    }

    pub(super) fn entry(&self, place: Place) -> Option<&Entry<H::State>> {
        if place.is_tcp() {
            self.tcp.get(place.index()).map(|tcp| &tcp.entry)
        } else {
            self.other.get(place.index()).map(|other| &other.entry)
        }
    }

    /// Looks at what the packets with these hashes will be counted in, before anything depends on it, so that the processor
    /// waits for all of them at once. Changes nothing.
    pub fn look_ahead(&self, hashes: impl Iterator<Item = u32>) {
        let touched = hashes.map(|hash| self.touch(hash));
        std::hint::black_box(touched.fold(0, u64::wrapping_add));
    }

    fn touch(&self, hash: u32) -> u64 {
        let Some(place) = self.open.find(Place::spread(hash), |place| place.hash == hash) else { return 0 };
        if place.is_tcp() {
            self.tcp.get(place.index()).map_or(0, |tcp| {
                let state = if tcp.connection.wants() { tcp.entry.touch::<H>() } else { 0 };
                state ^ tcp.connection.touch()
            })
        } else {
            let other = self.other.get(place.index()).filter(|other| other.entry.wanted);
            other.map_or(0, |other| other.entry.touch::<H>())
        }
    }

    /// Counts a packet for its flow, which it may open, and hands its bytes on. `hash` is that of its 5-tuple, by one
    /// [`KeyHasher`](super::KeyHasher) for all packets.
    pub fn packet(&mut self, packet: &Packet<'_>, hash: u32, handler: &mut H) {
        let key = packet.key();
        let (mut found, hash) = self.locate(packet, &key, hash);
        if let (Some((used, from)), Segment::Tcp(header)) = (found, packet.segment)
            && header.flags.has(TcpFlags::SYN)
            && let Some(tcp) = self.tcp.get_mut(used.index())
            && tcp.connection.is_new_use(from, packet, &header)
        {
            self.waiting = self.waiting.saturating_sub(tcp.connection.waiting());
            tcp.close(handler);
            self.forget(used);
            found = None;
        }
        let (place, from) = found.unwrap_or_else(|| self.open(packet, &key, hash));
        match packet.segment {
            Segment::Tcp(header) => {
                if let Some(tcp) = self.tcp.get_mut(place.index()) {
                    let from = tcp.learn_roles(from, &key, &header);
                    let repeat = tcp.connection.note(from, packet, &header);
                    if repeat == Repeat::Sure && self.limits.copies == Copies::Drop {
                        self.copies = self.copies.saturating_add(1);
                        return;
                    }
                    let before = tcp.connection.waiting();
                    tcp.packet(from, packet, &header, repeat, &self.limits, handler);
                    self.waiting =
                        self.waiting.saturating_sub(before).saturating_add(tcp.connection.waiting());
                }
            }
            _ => {
                if let Some(OtherEntry { entry, repeats }) = self.other.get_mut(place.index()) {
                    if repeats.note_datagram(packet, from) == Repeat::Sure
                        && self.limits.copies == Copies::Drop
                    {
                        self.copies = self.copies.saturating_add(1);
                        return;
                    }
                    datagram(entry, from, packet, handler);
                }
            }
        }
        if self.bytes(handler) > self.limits.bytes {
            self.make_room(handler);
        }
    }

    /// About what everything takes.
    pub(super) fn bytes(&self, handler: &H) -> usize {
        let tcp = self.tcp.len().saturating_mul(self.each(true));
        let other = self.other.len().saturating_mul(self.each(false));
        [tcp, other, self.waiting, handler.bytes()].into_iter().fold(0, usize::saturating_add)
    }

    /// About what a flow takes here and, whatever is said in it, elsewhere.
    pub(super) fn each(&self, tcp: bool) -> usize {
        let own = if tcp { size_of::<TcpEntry<H::State>>() } else { size_of::<OtherEntry<H::State>>() };
        own.saturating_add(PLACE).saturating_add(self.limits.beside)
    }

    /// How many packets were captured twice and are counted once.
    pub fn copies(&self) -> u64 {
        self.copies
    }

    /// What was let go for want of room.
    pub fn shed(&self) -> &Shed {
        &self.shed
    }

    fn open(&mut self, packet: &Packet<'_>, key: &FlowKey, hash: u32) -> (Place, Direction) {
        let entry = Entry::open(packet, key);
        let from = entry.direction(key).unwrap_or(Direction::OrigToResp);
        let tcp = key.transport == Transport::Tcp;
        let at = if tcp {
            let connection = Connection::new(packet.seen, from == Direction::RespToOrig);
            self.tcp.push(TcpEntry { entry, connection })
        } else {
            self.other.push(OtherEntry { entry, repeats: Repeats::default() })
        };
        let place = Place::new(hash, at, tcp);
        self.open.insert_unique(Place::spread(hash), place, |place| Place::spread(place.hash));
        (place, from)
    }

    /// No packet finds this flow any more.
    fn forget(&mut self, place: Place) {
        if let Ok(found) = self.open.find_entry(Place::spread(place.hash), |other| other.at == place.at) {
            found.remove();
        }
    }

    /// Attributes an ICMP error to the flow that it quotes, to be called in the shard of the quoted 5-tuple, with that and
    /// its hash; in the shard of its own, it also is a packet like any other. Returns whether the flow is
    /// known: an error about something that was not captured opens none.
    pub fn icmp_error(&mut self, packet: &Packet<'_>, quoted: &FlowKey, hash: u32) -> bool {
        let Segment::Icmp(icmp) = packet.segment else { return false };
        let first = self.find(quoted, hash);
        let network = packet.network();
        let own = if self.apart { self.find(quoted, in_network(hash, network)) } else { None };
        // It travels against what it quotes.
        let is_its = |found: &(Place, Direction)| self.is_in(found.0, found.1.reverse(), network);
        let Some((place, about)) = first.filter(is_its).or(own).or(first) else { return false };
        let Some(entry) = self.entry_mut(place) else { return false };
        let (seen, from) = (packet.seen, packet.src);
        entry.icmp_error(IcmpError { seen, from, kind: icmp.kind, code: icmp.code, about });
        true
    }

    /// Closes everything still open, TCP first, in the order of first packets.
    pub fn close(&mut self, handler: &mut H) {
        let open = std::mem::take(&mut self.open);
        let mut places: Vec<Place> = open.into_iter().collect();
        places.sort_unstable_by_key(|place| (!place.is_tcp(), place.at));
        for place in places {
            if !place.is_tcp() {
                if let Some(OtherEntry { entry, .. }) = self.other.get_mut(place.index()) {
                    over(entry, false, handler);
                }
            } else if let Some(tcp) = self.tcp.get_mut(place.index()) {
                tcp.close(handler);
            }
        }
    }

    /// Every flow's outline with its place and the handler's state, in no particular order.
    pub fn outlines(&self) -> impl Iterator<Item = (u32, Outline<'static>, Option<&H::State>)> {
        let place = |at, tcp| Place::new(0, at, tcp).at;
        let tcp = self.tcp.iter().enumerate().map(move |(at, tcp)| (place(at, true), &tcp.entry));
        let other = self.other.iter().enumerate().map(move |(at, other)| (place(at, false), &other.entry));
        tcp.chain(other).map(|(at, entry)| (at, entry.outline(), entry.state.as_deref()))
    }

    /// The flow at a place that [`Self::outlines`] gave, but for what only the handler knows, and the handler's state.
    pub fn flow(&self, at: u32) -> Option<(Flow, Option<&H::State>)> {
        let place = Place { hash: 0, at };
        let (entry, connection) = if place.is_tcp() {
            let TcpEntry { entry, connection } = self.tcp.get(place.index())?;
            (entry, Some(connection))
        } else {
            (&self.other.get(place.index())?.entry, None)
        };
        Some((entry.flow(connection), entry.state.as_deref()))
    }
}

impl<S: Default> TcpEntry<S> {
    fn packet<H: Handler<State = S>>(
        &mut self,
        from: Direction,
        packet: &Packet<'_>,
        header: &TcpHeader,
        repeat: Repeat,
        limits: &Limits,
        handler: &mut H,
    ) {
        let Self { entry, connection } = self;
        entry.count(from, packet);
        inside(entry, packet, handler);
        let midstream = connection.midstream() && !header.flags.has(TcpFlags::SYN);
        {
            let mut out = outlet(entry, midstream, packet.seen, handler);
            connection.packet(from, packet, header, repeat, limits, &mut out);
        }
        if connection.is_heard_out() {
            connection.stop();
            let head = entry.head(connection.midstream());
            if let Some(state) = entry.state.as_deref_mut() {
                handler.heard_out(state, &head, packet.seen);
            }
        }
    }

    /// A SYN that comes after other packets of its connection (captured out of order) corrects what was
    /// guessed before, unless the handler has been told bytes with the old roles. Returns which way it travels then.
    fn learn_roles(&mut self, from: Direction, key: &FlowKey, header: &TcpHeader) -> Direction {
        let Self { entry, connection } = self;
        if !header.flags.has(TcpFlags::SYN)
            || header.flags.has(TcpFlags::RST)
            || entry.roles == RoleBasis::Syn
        {
            return from;
        }
        let opener = if header.flags.has(TcpFlags::ACK) { key.resp } else { key.orig };
        if opener == entry.key().orig {
            entry.roles = RoleBasis::Syn;
        } else if connection.can_swap() {
            entry.roles = RoleBasis::Syn;
            connection.swap_roles();
            entry.swap_roles();
            return from.reverse();
        }
        from
    }

    fn close<H: Handler<State = S>>(&mut self, handler: &mut H) {
        let Self { entry, connection } = self;
        let (midstream, last) = (connection.midstream(), entry.last);
        connection.finish(&mut outlet(entry, midstream, last, handler));
        if let Some(state) = entry.state.as_deref_mut() {
            let lacking = Direction::BOTH.into_iter().filter(|of| connection.lacks_end(*of));
            lacking.for_each(|of| handler.lacks(state, of));
        }
        over(entry, midstream, handler);
    }
}

/// By what a flow is found whose 5-tuple is another's too: another value for each network, and never that of the 5-tuple.
fn in_network(hash: u32, network: Network) -> u32 {
    /// The bits of no network.
    const NONE: u32 = 0x7fff_ffff;
    hash.wrapping_add((network.bits() ^ NONE).wrapping_mul(0x9e37_79b1))
}

/// A packet of a flow that is not TCP.
fn datagram<H: Handler>(entry: &mut Entry<H::State>, from: Direction, packet: &Packet<'_>, handler: &mut H) {
    entry.count(from, packet);
    inside(entry, packet, handler);
    if entry.wanted && matches!(packet.segment, Segment::Udp { .. }) {
        let head = entry.head(false);
        let state = entry.state.get_or_insert_default();
        let (bytes, missed) = (packet.payload, packet.missing());
        entry.wanted = handler.datagram(state, &head, from, bytes, missed, packet.seen);
    }
}

/// Tells what the packet came in.
fn inside<H: Handler>(entry: &mut Entry<H::State>, packet: &Packet<'_>, handler: &mut H) {
    if !packet.outer.is_empty() {
        handler.inside(entry.state.get_or_insert_default(), packet.outer, packet.seen);
    }
}

/// Nothing comes any more.
fn over<H: Handler>(entry: &mut Entry<H::State>, midstream: bool, handler: &mut H) {
    let (head, last) = (entry.head(midstream), entry.last);
    if let Some(state) = entry.state.as_deref_mut()
        && let Some(client) = handler.closed(state, &head, last)
    {
        entry.client_is(client);
    }
}

/// Tells the handler what a connection hands out while `seen` is the packet at hand.
pub(super) fn outlet<'a, H: Handler>(
    entry: &'a mut Entry<H::State>,
    midstream: bool,
    seen: Seen,
    handler: &'a mut H,
) -> impl FnMut(Direction, Piece<'_>) -> bool + 'a {
    let mut head: Option<FlowHead> = None;
    move |from, piece| {
        let head = head.get_or_insert_with(|| entry.head(midstream));
        let state = entry.state.get_or_insert_default();
        match piece {
            Piece::Bytes(bytes) => handler.data(state, head, from, bytes, seen),
            Piece::Gap(missed) => handler.gap(state, head, from, missed, seen),
        }
    }
}
