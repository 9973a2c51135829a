//! One of a fixed number of parts of the flow table: owns its flows, shares nothing.

use std::hash::BuildHasher;
use std::sync::Arc;

use super::kept::{Names, Traits};
use super::memory::Shares;
use super::session::{Listener, Session, Tools};
use super::sorted::{Job, Sorted, Task};
use crate::decode::{self, Decoded};
use crate::flow::{Copies, FlowHead, FlowTable, Handler, Limits};
use crate::model::evidence::Seen;
use crate::model::observation::{Coming, HostTrait, TraitKind};
use crate::model::outline::Said;
use crate::model::packed::{Dictionary, Packed};
use crate::model::packet::{INSIDE, Lldp, Neighbour, Outer};
use crate::model::text::lossless;
use crate::model::{Direction, Flow, FlowKey, MacAddr, Observation, Secrets, Value};
use crate::naming::encrypted;

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
pub(crate) struct Collector {
    pub(super) names: Names,
    pub(super) hosts: Traits,
    /// What the facts of all flows say.
    pub(super) dictionary: Dictionary,
    pub(crate) failures: Vec<InternalError>,
    /// Flows that others have announced, at most [`MAX_COMING`].
    pub(super) coming: Vec<Coming>,
    /// How many more were announced.
    pub(super) coming_dropped: u64,
    /// About what the states of all flows take, and how many there are.
    states: usize,
    living: usize,
    tools: Tools,
}

/// A flow's session with the facts gathered so far.
#[derive(Default)]
pub(crate) struct FlowState {
    session: Session,
    facts: Packed,
    /// As which it is counted in what all states take.
    counted: u32,
    /// Tells what its latest packet in a tunnel came in; zero before there is one.
    inside: u32,
}

/// Puts observations where they belong: facts with the flow, names and traits with the shard.
struct Sorter<'a> {
    names: &'a mut Names,
    hosts: &'a mut Traits,
    dictionary: &'a mut Dictionary,
    failures: &'a mut Vec<InternalError>,
    coming: &'a mut Vec<Coming>,
    coming_dropped: &'a mut u64,
    facts: &'a mut Packed,
}

impl Listener for Sorter<'_> {
    fn observed(&mut self, observations: &mut Vec<(Seen, Observation)>) {
        for (seen, observation) in observations.drain(..) {
            match observation {
                Observation::Fact(field, value) => self.facts.add(self.dictionary, field, value, seen),
                Observation::Name(binding) => self.names.add(*binding),
                Observation::Host(host) => self.hosts.add(*host),
                Observation::Coming(coming) if self.coming.len() < MAX_COMING => self.coming.push(*coming),
                Observation::Coming(_) => *self.coming_dropped = self.coming_dropped.saturating_add(1),
            }
        }
    }

    fn failed(&mut self, analyzer: &'static str, flow: FlowKey, seen: Seen) {
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(InternalError { analyzer, flow, seen });
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
        self.told(state, |session, tools, sorter| session.data(flow, from, bytes, seen, tools, sorter))
    }

    fn gap(
        &mut self,
        state: &mut FlowState,
        flow: &FlowHead,
        from: Direction,
        missed: u64,
        seen: Seen,
    ) -> bool {
        self.told(state, |session, tools, sorter| session.gap(flow, from, missed, seen, tools, sorter))
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
        self.told(state, |session, tools, sorter| {
            session.datagram(flow, from, bytes, missed, seen, tools, sorter)
        })
    }

    fn inside(&mut self, state: &mut FlowState, outer: Outer, seen: Seen) {
        let print = foldhash::fast::FixedState::default().hash_one(outer) as u32 | 1;
        if state.inside != print {
            state.inside = print;
            self.told(state, |_, _, sorter| {
                let chain = Value::Text(outer.to_string().into());
                sorter.facts.add(sorter.dictionary, &INSIDE, chain, seen);
            });
        }
    }

    fn heard_out(&mut self, state: &mut FlowState, flow: &FlowHead, seen: Seen) {
        self.told(state, |session, tools, sorter| session.end_early(flow, seen, tools, sorter));
        state.facts.shrink();
    }

    fn lacks(&mut self, state: &mut FlowState, from: Direction) {
        state.session.lacks(from);
    }

    fn touch(state: &FlowState) -> u64 {
        state.facts.touch() ^ state.session.touch()
    }

    fn bytes(&self) -> usize {
        self.states.saturating_add(self.dictionary.bytes())
    }

    fn bytes_of(&self, state: &FlowState) -> usize {
        let values = self.dictionary.bytes().checked_div(self.living).unwrap_or(0);
        values.saturating_add(state.counted as usize)
    }

    fn tidy(&mut self, left: &mut dyn Iterator<Item = &mut FlowState>) {
        self.dictionary.sweep(left.map(|state| &mut state.facts));
    }

    fn shed(&mut self, state: FlowState) {
        self.states = self.states.saturating_sub(state.counted as usize);
        self.living = self.living.saturating_sub(usize::from(state.counted > 0));
    }

    fn closed(&mut self, state: &mut FlowState, flow: &FlowHead, last: Seen) -> Option<Direction> {
        self.told(state, |session, tools, sorter| session.end(flow, last, tools, sorter));
        state.session.client()
    }
}

impl FlowState {
    /// About what it takes.
    fn bytes(&self) -> usize {
        [size_of::<Self>(), self.facts.bytes(), self.session.bytes()]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// What was learnt of the flow's content. Nothing is looked at before it is asked.
    pub(super) fn said<'a>(&'a self, dictionary: &'a Dictionary) -> Said<'a> {
        Said::Packed(&self.facts, dictionary)
    }

    /// Puts what was learnt where it belongs.
    pub(super) fn complete(&self, dictionary: &Dictionary, flow: &mut Flow) {
        flow.facts = self.facts.unpack(dictionary, flow.last);
        flow.service = self.session.services().collect();
        flow.recognised = self.session.bases().collect();
        encrypted::tell(flow);
    }
}

/// What judging takes for each flow, at most, where each has another host: what is known of the host.
const JUDGED: usize = 256;

/// Failures that are kept of each shard: more of a bug tell no more.
const MAX_FAILURES: usize = 256;

/// Announced flows that are kept of each shard.
const MAX_COMING: usize = 8_192;

/// Packets whose flows are looked up together: enough to wait for memory once instead of each time.
const GROUP: usize = 16;

impl Collector {
    /// Tells a flow's session something, and keeps account of what it takes.
    fn told<T>(
        &mut self,
        state: &mut FlowState,
        tell: impl FnOnce(&mut Session, &mut Tools, &mut Sorter<'_>) -> T,
    ) -> T {
        let Self { names, hosts, dictionary, failures, coming, coming_dropped, states, living, tools } = self;
        let FlowState { session, facts, .. } = state;
        let mut sorter = Sorter { names, hosts, dictionary, failures, coming, coming_dropped, facts };
        let result = tell(session, tools, &mut sorter);
        let bytes = u32::try_from(state.bytes()).unwrap_or(u32::MAX);
        *living = living.saturating_add(usize::from(state.counted == 0));
        *states = states.saturating_sub(state.counted as usize).saturating_add(bytes as usize);
        state.counted = bytes;
        result
    }

    /// Hosts say where they are over and over; the first time is kept.
    fn note(&mut self, neighbour: Neighbour) {
        let Neighbour { seen, mac, ip } = neighbour;
        self.hosts.add(HostTrait { mac: Some(mac), ip: Some(ip), kind: TraitKind::Neighbour, seen });
    }
}

impl Collector {
    /// What a station says of itself on the link.
    fn station(&mut self, lldp: &Lldp<'_>) {
        let mut say = |kind: fn(Box<str>) -> TraitKind, text: Option<String>| {
            text.into_iter().for_each(|text| self.trait_of(Some(lldp.mac), kind(text.into()), lldp.seen));
        };
        say(TraitKind::Announced, lldp.system_name.map(lossless));
        say(TraitKind::Description, lldp.system_description.map(lossless));
        say(TraitKind::Chassis, lldp.chassis.map(|(kind, id)| decode::chassis_text(kind, id)));
        say(TraitKind::MudUrl, lldp.mud_url.map(lossless));
    }

    /// Of one host, or of every host on the link.
    fn trait_of(&mut self, mac: Option<MacAddr>, kind: TraitKind, seen: Seen) {
        self.hosts.add(HostTrait { mac, ip: None, kind, seen });
    }
}

impl Shard {
    pub(super) fn new(shares: Shares, copies: Copies, secrets: &Arc<Secrets>) -> Self {
        let collected = Collector {
            names: Names::with_room(shares.names),
            hosts: Traits::with_room(shares.traits),
            dictionary: Dictionary::default(),
            failures: Vec::new(),
            coming: Vec::new(),
            coming_dropped: 0,
            states: 0,
            living: 0,
            tools: Tools::new(secrets),
        };
        let limits = Limits { bytes: shares.flows, beside: JUDGED, copies, ..Limits::default() };
        Self { table: FlowTable::new(limits), collected }
    }

    /// Takes its packets of a batch; it is the shard with this number.
    pub(crate) fn take(&mut self, sorted: &Sorted, number: usize) {
        for group in sorted.jobs(number).chunks(GROUP) {
            self.table.look_ahead(group.iter().map(|job| job.hash));
            for job in group {
                let Some(frame) = sorted.batch.frame(job.frame as usize) else { continue };
                if job.task == Task::Packet
                    && let Some(packet) = decode::usual(&frame)
                {
                    self.table.packet(&packet, job.hash, &mut self.collected);
                } else {
                    sorted.decode(job, &frame, |decoded| self.take_unusual(job, decoded));
                }
            }
        }
    }

    fn take_unusual(&mut self, job: &Job, decoded: Decoded<'_>) {
        match (job.task, decoded) {
            (Task::Packet, Decoded::Packet(packet)) => {
                self.table.packet(&packet, job.hash, &mut self.collected);
            }
            (Task::Error, Decoded::Packet(packet)) => {
                let quoted = decode::quoted(&packet);
                quoted.map(|quoted| self.table.icmp_error(&packet, &quoted, job.hash));
            }
            (Task::Neighbour, Decoded::Packet(packet)) => {
                decode::neighbour(&packet).into_iter().for_each(|neighbour| self.collected.note(neighbour));
                for resolver in decode::resolvers(&packet) {
                    self.collected.trait_of(None, TraitKind::DnsServer(resolver.into()), packet.seen);
                }
            }
            (Task::Neighbour, Decoded::Lldp(lldp)) => self.collected.station(&lldp),
            (Task::Neighbour, Decoded::Neighbour(neighbour)) => self.collected.note(neighbour),
            _ => {}
        }
    }

    /// Ends every flow.
    pub(crate) fn close(mut self) -> (FlowTable<Collector>, Collector) {
        self.table.close(&mut self.collected);
        (self.table, self.collected)
    }
}
