//! The flows of a run. There may be millions, of which few are judged: those are looked for by their outlines, and only
//! they are taken out whole.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::shard::Collector;
use super::spread::spread;
use crate::flow::{self, FlowTable};
use crate::model::evidence::Seen;
use crate::model::flow::Basis;
use crate::model::observation::Coming;
use crate::model::packed::Dictionary;
use crate::model::stats::{Shed, ShedKind};
use crate::model::{Flow, FlowKey, Outline, Timestamp, Transport};

/// Every flow of a run.
#[derive(Default)]
pub struct Flows {
    /// One for each shard.
    tables: Vec<Table>,
    /// Flows that come from no capture.
    made: Vec<Flow>,
    /// As what others have announced them.
    announced: BTreeMap<FlowAt, &'static str>,
    by_transport: BTreeMap<Transport, u64>,
    span: (Timestamp, Timestamp),
    /// Threads that look through them.
    jobs: usize,
}

/// A closed table of flows, with what their facts say.
pub(super) struct Table {
    pub(super) flows: FlowTable<Collector>,
    pub(super) dictionary: Dictionary,
}

/// Where a flow is, for [`Flows::flow`]. Its order means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowAt {
    table: u32,
    place: u32,
}

impl std::fmt::Debug for Flows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flows").field("by_transport", &self.by_transport).finish_non_exhaustive()
    }
}

/// How long before a flow it may have been announced: servers stop listening after a minute or a few.
const ANNOUNCED_BEFORE: Duration = Duration::from_mins(5);

/// Stands for flows that come from no capture.
const MADE: u32 = u32::MAX;

/// What one pass over the flows counts.
#[derive(Default)]
struct Counts {
    by_transport: BTreeMap<Transport, u64>,
    span: Option<(Timestamp, Timestamp)>,
}

impl Flows {
    /// Of these closed tables, with what their flows have announced, to be looked through by `jobs` threads (one, if
    /// zero).
    pub(super) fn new(tables: Vec<Table>, announced: &[Coming], jobs: usize) -> Self {
        let mut flows = Self { tables, jobs, ..Self::default() }.counted();
        flows.announced = flows.match_announced(announced);
        flows
    }

    /// Of flows made up, as for measuring what judging many costs.
    pub fn made_up(made: Vec<Flow>, jobs: usize) -> Self {
        Self { made, jobs, ..Self::default() }.counted()
    }

    fn counted(self) -> Self {
        let mut flows = self;
        let parts = flows.fold(Counts::default, |counts, _, outline| {
            *counts.by_transport.entry(outline.key.transport).or_default() += 1;
            let (first, last) = counts.span.get_or_insert((outline.first.at, outline.last.at));
            *first = outline.first.at.min(*first);
            *last = outline.last.at.max(*last);
        });
        let spans = parts.iter().filter_map(|counts| counts.span);
        flows.span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or_default();
        for (transport, count) in parts.iter().flat_map(|counts| &counts.by_transport) {
            *flows.by_transport.entry(*transport).or_default() += count;
        }
        flows
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|table| table.flows.len()).sum::<usize>().saturating_add(self.made.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there are of each transport.
    pub fn count_by_transport(&self) -> BTreeMap<Transport, u64> {
        self.by_transport.clone()
    }

    /// Earliest and latest packet of all; zero if there is no flow.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        self.span
    }

    /// Threads that may work on them.
    pub fn jobs(&self) -> usize {
        self.jobs.max(1)
    }

    /// The outline of each. In no order: what is made of them may not depend on it.
    pub fn outlines(&self) -> impl Iterator<Item = Outline<'_>> {
        let made = self.made.iter().map(Outline::from);
        self.tables.iter().flat_map(outlines).map(|(_, outline)| outline).chain(made)
    }

    /// The outlines of all flows, taken by several threads, each into a value of its own that begins as `start`. What
    /// is made of the values may depend neither on which flows went into which, nor on their order.
    pub fn fold<T: Send>(
        &self,
        start: impl Fn() -> T + Sync,
        take: impl Fn(&mut T, FlowAt, &Outline<'_>) + Sync,
    ) -> Vec<T> {
        let tables: Vec<(u32, &Table)> = (0..).zip(&self.tables).collect();
        let size = tables.len().div_ceil(self.jobs.max(1)).max(1);
        let parts: Vec<_> = tables.chunks(size).collect();
        let mut values = spread(self.jobs, &parts, |part| {
            let mut value = start();
            for (table, flows) in *part {
                for (place, outline) in outlines(flows) {
                    take(&mut value, FlowAt { table: *table, place }, &outline);
                }
            }
            value
        });
        let size = self.made.len().div_ceil(self.jobs.max(1)).max(1);
        let parts: Vec<_> = (0_usize..).step_by(size).zip(self.made.chunks(size)).collect();
        values.extend(spread(self.jobs, &parts, |(first, part)| {
            let mut value = start();
            for (at, flow) in (*first..).zip(*part) {
                let place = u32::try_from(at).unwrap_or(u32::MAX);
                take(&mut value, FlowAt { table: MADE, place }, &Outline::from(flow));
            }
            value
        }));
        values
    }

    /// The flow at a place that [`Self::fold`] gave; `None` for places of other flows than these.
    pub fn flow(&self, at: FlowAt) -> Option<Flow> {
        if at.table == MADE {
            return self.made.get(at.place as usize).cloned();
        }
        let Table { flows, dictionary } = self.tables.get(at.table as usize)?;
        let (mut flow, state) = flows.flow(at.place)?;
        if let Some(state) = state {
            state.complete(dictionary, &mut flow);
        }
        // A connection that nobody has recognised is what another one had announced.
        if flow.service.is_empty()
            && let Some(service) = self.announced.get(&at)
        {
            flow.service.push(service);
            flow.recognised.push(Basis::Handshake);
        }
        Some(flow)
    }

    /// What each announcement names: the first connection from there to there after it that was answered and carried
    /// something.
    fn match_announced(&self, announced: &[Coming]) -> BTreeMap<FlowAt, &'static str> {
        let mut by_ends: BTreeMap<_, Vec<(Seen, FlowAt)>> =
            announced.iter().map(|coming| ((coming.orig, coming.resp), Vec::new())).collect();
        if by_ends.is_empty() {
            return BTreeMap::new();
        }
        let parts = self.fold(Vec::new, |places, at, outline| {
            let ends = ends(outline.key);
            if outline.key.transport == Transport::Tcp && by_ends.contains_key(&ends) {
                places.push((ends, outline.first, at));
            }
        });
        for (ends, first, at) in parts.concat() {
            let carried = |flow: &Flow| flow.answered() && flow.bytes.orig.max(flow.bytes.resp) > 0;
            if self.flow(at).is_some_and(|flow| carried(&flow)) {
                by_ends.entry(ends).or_default().push((first, at));
            }
        }
        by_ends.values_mut().for_each(|flows| flows.sort_unstable());
        let named = announced.iter().filter_map(|Coming { orig, resp, service, seen }| {
            let flows = by_ends.get(&(*orig, *resp))?;
            let (first, at) = flows.get(flows.partition_point(|(first, _)| first <= seen))?;
            (first.at.since(seen.at) < ANNOUNCED_BEFORE).then_some((*at, *service))
        });
        named.collect()
    }

    /// Of the flows at such places the `most` that tell most of the host with `addresses`, and what was left out.
    pub fn most_telling(
        &self,
        places: &[FlowAt],
        most: usize,
        addresses: &BTreeSet<IpAddr>,
    ) -> (Vec<FlowAt>, Shed) {
        let mut shed = Shed::default();
        let Some(excess) = places.len().checked_sub(most).filter(|excess| *excess > 0) else {
            return (places.to_vec(), shed);
        };
        let telling: Vec<_> = places.iter().filter_map(|at| Some((*at, self.telling(*at)?))).collect();
        let flows: Vec<_> = telling.iter().map(|(_, flow)| *flow).collect();
        let mut order = flow::least_telling(&flows, |ip| addresses.contains(&ip)).into_iter();
        for (_, (_, kind, seen)) in order.by_ref().take(excess).filter_map(|at| telling.get(at)) {
            shed.flow(*kind, *seen, addresses.iter().copied());
        }
        (order.filter_map(|at| telling.get(at)).map(|(place, _)| *place).collect(), shed)
    }

    fn telling(&self, at: FlowAt) -> Option<(FlowKey, ShedKind, Seen)> {
        if at.table == MADE {
            return self.made.get(at.place as usize).map(|flow| (flow.key, ShedKind::Recognised, flow.last));
        }
        self.tables.get(at.table as usize)?.flows.telling(at.place)
    }

    /// The flows at such places, by first packet, then by identity.
    pub fn at(&self, places: &[FlowAt]) -> Vec<Flow> {
        let mut flows: Vec<Flow> = places.iter().filter_map(|at| self.flow(*at)).collect();
        flows.sort_unstable_by_key(order);
        flows
    }

    /// The flows whose outlines are wanted, by first packet, then by identity.
    pub fn select(&self, wanted: impl Fn(&Outline<'_>) -> bool + Sync) -> Vec<Flow> {
        let places = self.fold(Vec::new, |places, at, outline| {
            if wanted(outline) {
                places.push(at);
            }
        });
        self.at(&places.concat())
    }

    /// Every flow, by first packet, then by identity.
    pub fn all(&self) -> Vec<Flow> {
        self.select(|_| true)
    }
}

/// Who opened it, and to where.
fn ends(key: FlowKey) -> (IpAddr, SocketAddr) {
    (key.orig.ip, SocketAddr::new(key.resp.ip, key.resp.port))
}

fn order(flow: &Flow) -> impl Ord + use<> {
    (flow.first, flow.id)
}

fn outlines(table: &Table) -> impl Iterator<Item = (u32, Outline<'_>)> {
    let Table { flows, dictionary } = table;
    flows.outlines().map(move |(place, outline, state)| {
        let facts = state.map(|state| state.said(dictionary));
        (place, Outline { facts, ..outline })
    })
}
