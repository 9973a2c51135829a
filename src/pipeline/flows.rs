//! The flows of a run. There may be millions, of which few are judged: those are looked for by their outlines, and only
//! they are taken out whole.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::spread::spread;
use crate::model::{Flow, Outline, Timestamp, Transport};

/// Every flow of a run.
#[derive(Debug, Default)]
pub struct Flows {
    /// By first packet, then by identity.
    sorted: Vec<Flow>,
    by_transport: BTreeMap<Transport, u64>,
    span: (Timestamp, Timestamp),
    /// Threads that look through them.
    jobs: usize,
}

/// Where a flow is, for [`Flows::flow`]. Its order means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowAt(usize);

/// Fewer flows than this are one thread's work.
const PART: usize = 4_096;

impl Flows {
    /// Of these flows, in any order, to be looked through by `jobs` threads (one, if zero).
    pub fn new(mut flows: Vec<Flow>, jobs: usize) -> Self {
        flows.par_sort_unstable_by_key(order);
        let mut by_transport: BTreeMap<Transport, u64> = BTreeMap::new();
        let mut span: Option<(Timestamp, Timestamp)> = None;
        for flow in &flows {
            *by_transport.entry(flow.key.transport).or_default() += 1;
            let (first, last) = span.get_or_insert((flow.first.at, flow.last.at));
            *first = flow.first.at.min(*first);
            *last = flow.last.at.max(*last);
        }
        Self { sorted: flows, by_transport, span: span.unwrap_or_default(), jobs }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
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
        self.sorted.iter().map(Outline::from)
    }

    /// The outlines of all flows, taken by several threads, each into a value of its own that begins as `start`. What
    /// is made of the values may depend neither on which flows went into which, nor on their order.
    pub fn fold<T: Send>(
        &self,
        start: impl Fn() -> T + Sync,
        take: impl Fn(&mut T, FlowAt, &Outline<'_>) + Sync,
    ) -> Vec<T> {
        spread(self.jobs, &self.parts(), |part: &Range<usize>| {
            let mut value = start();
            for (at, flow) in part.clone().zip(self.sorted.get(part.clone()).unwrap_or_default()) {
                take(&mut value, FlowAt(at), &Outline::from(flow));
            }
            value
        })
    }

    /// One for each thread, or fewer.
    fn parts(&self) -> Vec<Range<usize>> {
        let size = self.sorted.len().div_ceil(self.jobs.max(1)).max(PART);
        (0..self.sorted.len())
            .step_by(size)
            .map(|start| start..start.saturating_add(size).min(self.sorted.len()))
            .collect()
    }

    /// The flow at a place that [`Self::fold`] gave; `None` for places of other flows than these.
    pub fn flow(&self, at: FlowAt) -> Option<Flow> {
        self.sorted.get(at.0).cloned()
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
        self.sorted.clone()
    }
}

fn order(flow: &Flow) -> impl Ord + use<> {
    (flow.first, flow.id)
}
