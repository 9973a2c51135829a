//! All flows of one shard.

use hashbrown::HashTable;

use super::reassembly::Piece;
use super::tcp::Connection;
use super::{FlowHead, Handler, Limits, roles};
use crate::model::evidence::Seen;
use crate::model::flow::{IcmpError, MAX_ICMP_ERRORS, RoleBasis};
use crate::model::packet::{Link, Segment, TcpFlags, TcpHeader};
use crate::model::{Direction, Facts, Flow, FlowId, FlowKey, Packet, PerDirection, Transport};

/// The flows that are open. Packets of a 5-tuple must come in the order of the capture; what happens to one
/// flow does not depend on the others.
#[derive(Debug)]
pub struct FlowTable<H: Handler> {
    limits: Limits,
    /// A flow is found with a 5-tuple in either direction; growing moves pointers only.
    flows: HashTable<(u32, Box<Entry<H::State>>)>,
}

impl<H: Handler> FlowTable<H> {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self { limits, flows: HashTable::new() }
    }

    /// How many flows are open.
    pub fn open_flows(&self) -> usize {
        self.flows.len()
    }

    /// Counts a packet for its flow, which it may open, and hands its bytes on. `hash` is that of its 5-tuple, by one
    /// [`KeyHasher`](super::KeyHasher) for all packets.
    pub fn packet(&mut self, packet: &Packet<'_>, hash: u32, handler: &mut H) {
        let key = packet.key();
        if let Some((_, entry)) =
            self.flows.find_mut(spread(hash), |(_, entry)| entry.direction(&key).is_some())
        {
            if entry.is_new_use(packet, &key) {
                std::mem::replace(entry, Box::new(Entry::open(packet))).close(handler);
            }
            entry.packet(packet, &key, &self.limits, handler);
            return;
        }
        let mut entry = Box::new(Entry::open(packet));
        entry.packet(packet, &key, &self.limits, handler);
        self.flows.insert_unique(spread(hash), (hash, entry), |(hash, _)| spread(*hash));
    }

    /// Attributes an ICMP error to the flow that it quotes, to be called in the shard of the quoted 5-tuple; in
    /// the shard of its own, it also is a packet like any other. Returns whether the flow is
    /// known: an error about something that was not captured opens none.
    pub fn icmp_error(&mut self, packet: &Packet<'_>, hash: u32) -> bool {
        let Segment::Icmp(icmp) = packet.segment else { return false };
        let Some(quoted) = icmp.quoted else { return false };
        let known = |(_, entry): &(u32, Box<Entry<H::State>>)| entry.direction(&quoted).is_some();
        let Some((_, entry)) = self.flows.find_mut(spread(hash), known) else { return false };
        if let Some(about) = entry.direction(&quoted)
            && entry.icmp_errors.len() < MAX_ICMP_ERRORS
        {
            let (seen, from) = (packet.seen, packet.src);
            entry.icmp_errors.push(IcmpError { seen, from, kind: icmp.kind, code: icmp.code, about });
        }
        true
    }

    /// Closes everything still open, in the order of the flows' first frames.
    pub fn finish(self, handler: &mut H) {
        let mut entries: Vec<_> = self.flows.into_iter().map(|(_, entry)| entry).collect();
        entries.sort_unstable_by_key(|entry| (entry.head.first.frame, entry.head.key));
        for entry in entries {
            entry.close(handler);
        }
    }
}

/// A hash for a table that takes its place from some bits and its tag from others.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// An open flow.
#[derive(Debug)]
struct Entry<S> {
    head: FlowHead,
    roles: RoleBasis,
    link: PerDirection<Option<Link>>,
    last: Seen,
    packets: PerDirection<u64>,
    bytes: PerDirection<u64>,
    ip_bytes: PerDirection<u64>,
    truncated_frames: u64,
    icmp_errors: Vec<IcmpError>,
    kind: Kind,
    /// Made when the handler is first told something.
    state: Option<Box<S>>,
}

#[derive(Debug)]
enum Kind {
    Tcp(Box<Connection>),
    Udp { wanted: bool },
    Counted,
}

impl<S: Default> Entry<S> {
    /// The flow of which `packet` is the first, before counting it.
    fn open(packet: &Packet<'_>) -> Self {
        let (key, roles) = roles::decide(packet);
        let flipped = key != packet.key();
        let kind = match key.transport {
            Transport::Tcp => Kind::Tcp(Box::new(Connection::new(packet.seen, flipped))),
            Transport::Udp => Kind::Udp { wanted: true },
            _ => Kind::Counted,
        };
        Self {
            head: FlowHead { key, first: packet.seen, midstream: false },
            roles,
            link: PerDirection::default(),
            last: packet.seen,
            packets: PerDirection::default(),
            bytes: PerDirection::default(),
            ip_bytes: PerDirection::default(),
            truncated_frames: 0,
            icmp_errors: Vec::new(),
            kind,
            state: None,
        }
    }

    /// Which way a packet with `key` travels in this flow; `None` if it is not of this flow. From an
    /// endpoint to itself there is only one direction.
    fn direction(&self, key: &FlowKey) -> Option<Direction> {
        let own = &self.head.key;
        if own.transport != key.transport {
            None
        } else if own.orig == key.orig && own.resp == key.resp {
            Some(Direction::OrigToResp)
        } else if own.orig == key.resp && own.resp == key.orig {
            Some(Direction::RespToOrig)
        } else {
            None
        }
    }

    /// Whether `packet` begins another connection on the same 5-tuple.
    fn is_new_use(&self, packet: &Packet<'_>, key: &FlowKey) -> bool {
        match (&self.kind, packet.segment, self.direction(key)) {
            (Kind::Tcp(connection), Segment::Tcp(tcp), Some(from)) => {
                connection.is_new_use(from, packet, &tcp)
            }
            _ => false,
        }
    }

    fn packet<H: Handler<State = S>>(
        &mut self,
        packet: &Packet<'_>,
        key: &FlowKey,
        limits: &Limits,
        handler: &mut H,
    ) {
        if let Segment::Tcp(tcp) = packet.segment {
            self.learn_roles(key, &tcp);
        }
        let Some(from) = self.direction(key) else { return };
        self.count(from, packet);
        let Self { head, kind, state, .. } = self;
        match (kind, packet.segment) {
            (Kind::Tcp(connection), Segment::Tcp(tcp)) => {
                head.midstream = connection.midstream() && !tcp.flags.has(TcpFlags::SYN);
                let mut out = outlet(head, state, packet.seen, handler);
                connection.packet(from, packet, &tcp, limits, &mut out);
            }
            (Kind::Udp { wanted }, Segment::Udp { .. }) if *wanted => {
                let state = state.get_or_insert_default();
                let (bytes, missed) = (packet.payload, packet.missing());
                *wanted = handler.datagram(state, head, from, bytes, missed, packet.seen);
            }
            _ => {}
        }
    }

    fn count(&mut self, from: Direction, packet: &Packet<'_>) {
        self.last = packet.seen;
        self.link.of_mut(from).get_or_insert(packet.link);
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(self.packets.of_mut(from), 1);
        add(self.bytes.of_mut(from), u64::from(packet.payload_len));
        add(self.ip_bytes.of_mut(from), u64::from(packet.ip_len));
        add(&mut self.truncated_frames, u64::from(packet.missing() > 0));
    }

    /// A SYN that comes after other packets of its connection (captured out of order) corrects what was
    /// guessed before, unless the handler has been told bytes with the old roles.
    fn learn_roles(&mut self, key: &FlowKey, tcp: &TcpHeader) {
        let Kind::Tcp(connection) = &mut self.kind else { return };
        if self.roles == RoleBasis::Syn || !tcp.flags.has(TcpFlags::SYN) || tcp.flags.has(TcpFlags::RST) {
            return;
        }
        let opener = if tcp.flags.has(TcpFlags::ACK) { key.resp } else { key.orig };
        if opener == self.head.key.orig {
            self.roles = RoleBasis::Syn;
        } else if connection.can_swap() {
            self.roles = RoleBasis::Syn;
            connection.swap_roles();
            self.head.key = self.head.key.reversed();
            self.link.swap();
            self.packets.swap();
            self.bytes.swap();
            self.ip_bytes.swap();
            for error in &mut self.icmp_errors {
                error.about = error.about.reverse();
            }
        }
    }

    fn close<H: Handler<State = S>>(mut self: Box<Self>, handler: &mut H) {
        let (mut tcp, mut missed) = (None, PerDirection::default());
        if let Kind::Tcp(connection) = &mut self.kind {
            connection.finish(&mut outlet(&self.head, &mut self.state, self.last, handler));
            tcp = Some(Box::new(connection.facts(self.last)));
            missed = connection.missed();
        }
        let flow = Flow {
            id: FlowId(self.head.first.frame),
            key: self.head.key,
            roles: self.roles,
            link: self.link,
            first: self.head.first,
            last: self.last,
            packets: self.packets,
            bytes: self.bytes,
            ip_bytes: self.ip_bytes,
            missed,
            truncated_frames: self.truncated_frames,
            tcp,
            icmp_errors: self.icmp_errors,
            service: Vec::new(),
            facts: Facts::default(),
        };
        handler.closed(self.state.map(|state| *state).unwrap_or_default(), flow);
    }
}

/// Tells the handler what a connection hands out while `seen` is the packet at hand.
fn outlet<'a, H: Handler>(
    head: &'a FlowHead,
    state: &'a mut Option<Box<H::State>>,
    seen: Seen,
    handler: &'a mut H,
) -> impl FnMut(Direction, Piece<'_>) -> bool + 'a {
    move |from, piece| {
        let state = state.get_or_insert_default();
        match piece {
            Piece::Bytes(bytes) => handler.data(state, head, from, bytes, seen),
            Piece::Gap(missed) => handler.gap(state, head, from, missed, seen),
        }
    }
}
