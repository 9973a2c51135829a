//! What is kept of every flow from its first packet to the end of the run, whatever its transport.

use super::ends::Ends;
use super::tcp::Connection;
use super::{FlowHead, Handler, roles};
use crate::model::evidence::Seen;
use crate::model::flow::{IcmpError, MAX_ICMP_ERRORS, RoleBasis};
use crate::model::packet::{Link, Network, Segment};
use crate::model::stats::ShedKind;
use crate::model::{Direction, Facts, Flow, FlowId, FlowKey, Outline, Packet, PerDirection, Transport};

/// A flow without what only TCP has.
#[derive(Debug)]
pub(super) struct Entry<S> {
    ends: Ends,
    pub(super) first: Seen,
    pub(super) last: Seen,
    packets: PerDirection<u64>,
    bytes: PerDirection<u64>,
    ip_bytes: PerDirection<u64>,
    /// Of the first packet from each side.
    link: PerDirection<Option<Link>>,
    /// Whether a router had the first packet from each side before.
    routed: PerDirection<bool>,
    /// Of the first packet from each side; of a side that is still silent, the other's.
    networks: PerDirection<Network>,
    /// What few flows have.
    rare: Option<Box<Rare>>,
    /// Made when the handler is first told something.
    pub(super) state: Option<Box<S>>,
    transport: Transport,
    pub(super) roles: RoleBasis,
    /// Datagrams are wanted.
    pub(super) wanted: bool,
    /// The protocol says that the originator is the server: to be shown the other way round.
    reversed: bool,
}

#[derive(Debug, Default)]
struct Rare {
    truncated_frames: u64,
    icmp_errors: Vec<IcmpError>,
    /// Its own packets that are ICMP errors.
    errors: u64,
    /// Further networks that packets of it came in.
    networks: Vec<Network>,
}

/// Further networks of a flow that are remembered: each leg of a path that a span port mirrors may be one.
const MAX_NETWORKS: usize = 8;

impl<S: Default> Entry<S> {
    /// The flow of which `packet` is the first, before counting it.
    pub(super) fn open(packet: &Packet<'_>, key: &FlowKey) -> Self {
        let (key, roles) = roles::decide(packet, key);
        Self {
            ends: Ends::new(&key),
            first: packet.seen,
            last: packet.seen,
            packets: PerDirection::default(),
            bytes: PerDirection::default(),
            ip_bytes: PerDirection::default(),
            link: PerDirection::default(),
            routed: PerDirection::default(),
            networks: PerDirection { orig: packet.network(), resp: packet.network() },
            rare: None,
            state: None,
            transport: key.transport,
            roles,
            wanted: key.transport == Transport::Udp,
            reversed: false,
        }
    }

    /// Reads a little of the state.
    pub(super) fn touch<H: Handler<State = S>>(&self) -> u64 {
        self.state.as_deref().map_or(0, H::touch)
    }

    pub(super) fn key(&self) -> FlowKey {
        self.ends.key(self.transport)
    }

    /// What a handler may know of it.
    pub(super) fn head(&self, midstream: bool) -> FlowHead {
        FlowHead { key: self.key(), first: self.first, midstream }
    }

    /// Which way a packet with `key` travels in this flow; `None` if it is not of this flow.
    pub(super) fn direction(&self, key: &FlowKey) -> Option<Direction> {
        if self.transport == key.transport { self.ends.direction(key) } else { None }
    }

    /// Whether its packets from this side are known to come in this network.
    #[inline]
    pub(super) fn is_in(&self, from: Direction, network: Network) -> bool {
        *self.networks.of(from) == network
            || self.rare.as_ref().is_some_and(|rare| rare.networks.contains(&network))
    }

    /// Whether this side is still silent.
    pub(super) fn is_silent(&self, from: Direction) -> bool {
        *self.packets.of(from) == 0
    }

    /// Whether this network and the one where its packets from this side come in differ in nothing but VLANs.
    pub(super) fn differs_in_vlan(&self, from: Direction, network: Network) -> bool {
        network.is_vlan() && self.networks.of(from).is_vlan()
    }

    /// Its packets from this side come in this network too.
    pub(super) fn is_also_in(&mut self, from: Direction, network: Network) {
        if self.is_silent(from) {
            *self.networks.of_mut(from) = network;
            return;
        }
        let networks = &mut self.rare.get_or_insert_default().networks;
        if networks.len() < MAX_NETWORKS {
            networks.push(network);
        }
    }

    /// In this network its addresses and ports are another's. What came from the other side in it, and was taken for the
    /// answer, is that one's too.
    pub(super) fn is_not_in(&mut self, from: Direction, network: Network) {
        if *self.networks.of(from.reverse()) == network {
            *self.networks.of_mut(from.reverse()) = *self.networks.of(from);
        }
    }

    /// Counts a packet.
    pub(super) fn count(&mut self, from: Direction, packet: &Packet<'_>) {
        self.last = packet.seen;
        let link = self.link.of_mut(from);
        if link.is_none() {
            *link = Some(packet.link);
            *self.routed.of_mut(from) = packet.is_routed();
        }
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(self.packets.of_mut(from), 1);
        add(self.bytes.of_mut(from), u64::from(packet.payload_len));
        add(self.ip_bytes.of_mut(from), u64::from(packet.ip_len));
        if packet.missing() > 0 {
            add(&mut self.rare.get_or_insert_default().truncated_frames, 1);
        }
        if let Segment::Icmp(icmp) = packet.segment
            && icmp.is_error(packet.src.is_ipv4())
        {
            add(&mut self.rare.get_or_insert_default().errors, 1);
        }
    }

    /// Notes an ICMP error about this flow, unless there have been many.
    pub(super) fn icmp_error(&mut self, error: IcmpError) {
        let errors = &mut self.rare.get_or_insert_default().icmp_errors;
        if errors.len() < MAX_ICMP_ERRORS {
            errors.push(error);
        }
    }

    /// Exchanges the roles.
    pub(super) fn swap_roles(&mut self) {
        self.ends.swap();
        self.link.swap();
        self.routed.swap();
        self.networks.swap();
        self.packets.swap();
        self.bytes.swap();
        self.ip_bytes.swap();
        for error in self.rare.iter_mut().flat_map(|rare| &mut rare.icmp_errors) {
            error.about = error.about.reverse();
        }
    }

    /// What it would be let go as, if it is not TCP.
    pub(super) fn kind(&self) -> ShedKind {
        match (&self.state, self.wanted) {
            (None, _) => ShedKind::Attempt,
            (Some(_), true) => ShedKind::Open,
            (Some(_), false) => ShedKind::Recognised,
        }
    }

    /// The flow is over, and content tells in which direction its client speaks.
    pub(super) fn client_is(&mut self, client: Direction) {
        if self.roles > RoleBasis::Protocol {
            self.roles = RoleBasis::Protocol;
            self.reversed = client == Direction::RespToOrig;
        }
    }

    /// Its outline, without what only the handler knows.
    pub(super) fn outline(&self) -> Outline<'static> {
        let (key, mut link, mut routed) = (self.key(), self.link, self.routed);
        if self.reversed {
            link.swap();
            routed.swap();
        }
        let key = if self.reversed { key.reversed() } else { key };
        Outline { key, link, routed, first: self.first, last: self.last, facts: None }
    }

    /// The whole flow, but for what only the handler knows.
    pub(super) fn flow(&self, connection: Option<&Connection>) -> Flow {
        let rare = self.rare.as_deref();
        let mut flow = Flow {
            id: FlowId(self.first.frame),
            key: self.key(),
            roles: self.roles,
            link: self.link,
            first: self.first,
            last: self.last,
            packets: self.packets,
            bytes: self.bytes,
            ip_bytes: self.ip_bytes,
            missed: connection.map(Connection::missed).unwrap_or_default(),
            truncated_frames: rare.map_or(0, |rare| rare.truncated_frames),
            tcp: connection.map(|connection| Box::new(connection.facts(self.last))),
            icmp_errors: rare.map(|rare| rare.icmp_errors.clone()).unwrap_or_default(),
            errors: rare.map_or(0, |rare| rare.errors),
            service: Vec::new(),
            recognised: Vec::new(),
            facts: Facts::default(),
        };
        if self.reversed {
            flow.reverse_roles();
        }
        flow
    }
}
