//! One of a fixed number of parts of the flow table: owns its flows, shares nothing.

use std::collections::HashSet;
use std::net::IpAddr;

use super::session::{Listener, Session};
use crate::flow::{FlowHead, FlowTable, Handler, Limits};
use crate::model::evidence::Seen;
use crate::model::flow::RoleBasis;
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::packet::Packet;
use crate::model::{Direction, Facts, Flow, FlowKey, NameBinding, NameSource, Observation};

/// How many shards there are, whatever the number of threads: results must not depend on it.
pub(crate) const SHARDS: usize = 32;

/// A bug of ours that one flow brought out.
#[derive(Debug, Clone)]
pub struct InternalError {
    /// The analyzer.
    pub analyzer: &'static str,
    /// The flow.
    pub flow: FlowKey,
    /// The frame.
    pub seen: Seen,
}

/// A shard of the flow table with what its flows have shown.
pub(crate) struct Shard {
    table: FlowTable<Collector>,
    pub(crate) collected: Collector,
}

/// What is known at the end.
#[derive(Default)]
pub(crate) struct Collector {
    pub(crate) flows: Vec<Flow>,
    pub(crate) names: Vec<NameBinding>,
    pub(crate) hosts: Vec<HostTrait>,
    pub(crate) failures: Vec<InternalError>,
    known_names: HashSet<(Box<str>, IpAddr, NameSource, Option<IpAddr>)>,
    known_hosts: HashSet<(Option<crate::model::MacAddr>, Option<IpAddr>, TraitKind)>,
}

/// A flow's session with the facts gathered so far.
#[derive(Default)]
pub(crate) struct FlowState {
    session: Session,
    facts: Facts,
}

/// Puts observations where they belong: facts with the flow, names and traits with the shard.
struct Sorter<'a> {
    collected: &'a mut Collector,
    facts: &'a mut Facts,
}

impl Listener for Sorter<'_> {
    fn observed(&mut self, seen: Seen, observation: Observation) {
        match observation {
            Observation::Fact(field, value) => self.facts.add(field, value, seen),
            Observation::Name(binding) => self.collected.name(binding),
            Observation::Host(host) => self.collected.host(host),
        }
    }

    fn failed(&mut self, analyzer: &'static str, flow: FlowKey, seen: Seen) {
        self.collected.failures.push(InternalError { analyzer, flow, seen });
    }
}

impl Collector {
    /// Keeps the first sighting of each binding.
    fn name(&mut self, binding: NameBinding) {
        let key = (binding.name.clone(), binding.address, binding.source, binding.asked_by);
        if self.known_names.insert(key) {
            self.names.push(binding);
        }
    }

    /// Keeps the first sighting of each trait, and every start of a host.
    pub(crate) fn host(&mut self, host: HostTrait) {
        let repeats = matches!(host.kind, TraitKind::Boot);
        if self.known_hosts.insert((host.mac, host.ip, host.kind.clone())) || repeats {
            self.hosts.push(host);
        }
    }
}

impl Handler for Collector {
    type State = FlowState;

    fn data(
        &mut self,
        state: &mut FlowState,
        flow: &FlowHead,
        from: Direction,
        bytes: &[u8],
        seen: Seen,
    ) -> bool {
        let mut sorter = Sorter { collected: self, facts: &mut state.facts };
        state.session.data(flow, from, bytes, seen, &mut sorter)
    }

    fn gap(
        &mut self,
        state: &mut FlowState,
        flow: &FlowHead,
        from: Direction,
        missed: u64,
        seen: Seen,
    ) -> bool {
        let mut sorter = Sorter { collected: self, facts: &mut state.facts };
        state.session.gap(flow, from, missed, seen, &mut sorter)
    }

    fn datagram(
        &mut self,
        state: &mut FlowState,
        flow: &FlowHead,
        from: Direction,
        bytes: &[u8],
        missed: u32,
        seen: Seen,
    ) -> bool {
        let mut sorter = Sorter { collected: self, facts: &mut state.facts };
        state.session.datagram(flow, from, bytes, missed, seen, &mut sorter)
    }

    fn closed(&mut self, mut state: FlowState, mut flow: Flow) {
        let mut sorter = Sorter { collected: self, facts: &mut state.facts };
        let midstream = flow.tcp.as_ref().is_some_and(|tcp| tcp.midstream);
        let head = FlowHead { key: flow.key, first: flow.first, midstream };
        state.session.end(&head, flow.last, &mut sorter);
        flow.facts = state.facts;
        flow.service = std::mem::take(&mut state.session.service);
        if flow.roles > RoleBasis::Protocol
            && let Some(client) = state.session.client
        {
            flow.roles = RoleBasis::Protocol;
            if client == Direction::RespToOrig {
                flow.reverse_roles();
            }
        }
        self.flows.push(flow);
    }
}

impl Shard {
    pub(crate) fn new() -> Self {
        Self { table: FlowTable::new(Limits::default()), collected: Collector::default() }
    }

    /// Takes a packet of one of this shard's flows.
    pub(crate) fn packet(&mut self, packet: &Packet<'_>) {
        self.table.packet(packet, &mut self.collected);
    }

    /// Takes an ICMP error about one of this shard's flows.
    pub(crate) fn icmp_error(&mut self, packet: &Packet<'_>) {
        self.table.icmp_error(packet);
    }

    /// Ends every flow.
    pub(crate) fn finish(mut self) -> Collector {
        self.table.finish(&mut self.collected);
        self.collected
    }
}
