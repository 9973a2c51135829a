//! Puts the stages together: batches are decoded and sorted by shard, shards follow their flows.
//!
//! A flow belongs to one of a fixed number of shards, so that results do not depend on the number of threads.

mod device_flows;
pub mod fleet;
mod flows;
pub mod judge;
mod kept;
mod kin;
mod lanes;
mod layers;
pub mod learn;
mod memory;
mod recognise;
mod session;
mod shard;
mod sorted;
mod spread;
pub mod waive;

use std::sync::Arc;

use flows::Table;
pub use flows::{FlowAt, Flows};
use foldhash::fast::RandomState;
use lanes::{Lanes, Outcome};
use memory::Shares;
pub use memory::{DEFAULT_MAX_MEMORY, LEAST_MAX_MEMORY, Room, room_for_secrets, window};
use rayon::prelude::*;
pub use shard::InternalError;
use shard::Shard;
pub use sorted::Sorted;

pub use crate::capture::{Input, Options};
use crate::error::{Error, Result};
pub use crate::flow::Copies;
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::stats::{CaptureInfo, Stats};
use crate::model::{NameBinding, Secrets};

/// Everything that a run learnt from its input.
#[derive(Debug, Default)]
pub struct Analysis {
    /// Every flow.
    pub flows: Flows,
    /// Names of addresses.
    pub names: Vec<NameBinding>,
    /// Sightings of names that there was no room to keep.
    pub names_dropped: u64,
    /// What hosts say of themselves.
    pub hosts: Vec<HostTrait>,
    /// Sightings of such traits that there was no room to keep.
    pub hosts_dropped: u64,
    /// Announcements of connections that were not kept, because there were too many.
    pub announced_dropped: u64,
    /// Counts.
    pub stats: Stats,
    /// The captures.
    pub captures: Vec<CaptureInfo>,
    /// Files in folders that are no captures.
    pub not_captures: Vec<std::path::PathBuf>,
    /// Secrets that captures hold behind their first frames, with all that were used: analysing the same input once
    /// more with these uses them all. `None` if these were used already.
    pub late_secrets: Option<Secrets>,
    /// All captures are files, which can be read once more.
    pub readable_again: bool,
    /// There were more secrets of connections than there is room to keep.
    pub secrets_dropped: bool,
    /// Bugs of ours.
    pub internal_errors: Vec<InternalError>,
    /// How much of a device may be judged.
    pub room: Room,
    /// Why reading ended early, if it did; what was read before is all here.
    pub read_error: Option<Error>,
}

/// How an input is analysed.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Threads, at least one; the result does not depend on them.
    pub jobs: usize,
    /// Bytes that may be kept, at least [`LEAST_MAX_MEMORY`].
    pub max_memory: u64,
    /// What becomes of packets that were captured twice.
    pub copies: Copies,
}

impl Default for Terms {
    /// One thread, the default limit of memory, copies not counted.
    fn default() -> Self {
        Self { jobs: 1, max_memory: DEFAULT_MAX_MEMORY, copies: Copies::Drop }
    }
}

/// What content is recognised as: the name of every analyzer, in the order of probing.
pub fn protocols() -> Vec<&'static str> {
    crate::analyzers::REGISTRY.iter().map(|definition| definition.id).collect()
}

/// Reads `input` to its end with `jobs` threads (at least one), on the usual terms.
pub fn analyse(input: Input, jobs: usize) -> Result<Analysis> {
    analyse_on(input, Terms { jobs, ..Terms::default() })
}

/// Reads `input` to its end.
pub fn analyse_on(input: Input, terms: Terms) -> Result<Analysis> {
    let Terms { jobs, max_memory, copies } = terms;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs.max(1))
        .build()
        .map_err(|error| Error::Usage(format!("failed to start {jobs} threads: {error}")))?;
    let readable_again = input.total_bytes().is_some();
    let secrets = Arc::clone(input.secrets());
    let lanes = Lanes::new(input, jobs.max(1), || Shard::new(Shares::of(max_memory), copies, &secrets));
    let stats = pool.broadcast(|_| lanes.work());
    let mut all = Stats::default();
    stats.iter().for_each(|part| all.merge(part));
    let outcome = lanes.finish(all);
    let late_secrets = late(&secrets, &outcome.summary.secrets);
    let secrets_dropped = secrets.dropped() > 0 || outcome.summary.secrets.dropped() > 0;
    let analysis = pool.install(move || finish(outcome));
    Ok(Analysis { room: Room::of(max_memory), late_secrets, readable_again, secrets_dropped, ..analysis })
}

/// The secrets that were used and those found since, if there is any that was not used and there is room for.
fn late(used: &Secrets, found: &Secrets) -> Option<Secrets> {
    if used.cover(found) {
        return None;
    }
    let mut all = used.clone();
    all.merge(found);
    (!used.cover(&all)).then_some(all)
}

/// Ends all flows and puts together what the shards have learnt.
fn finish(outcome: Outcome) -> Analysis {
    let Outcome { shards, stats, summary, error } = outcome;
    let mut analysis = Analysis {
        stats,
        names: summary.names,
        names_dropped: summary.names_dropped,
        captures: summary.captures,
        not_captures: summary.not_captures,
        read_error: error,
        ..Analysis::default()
    };
    analysis.stats.merge(&summary.passed_over);
    let (tables, collected): (Vec<_>, Vec<_>) = shards.into_par_iter().map(Shard::close).unzip();
    let (mut closed, mut coming) = (Vec::new(), Vec::new());
    analysis.names.reserve_exact(collected.iter().map(|part| part.names.items.len()).sum());
    analysis.hosts.reserve_exact(collected.iter().map(|part| part.hosts.items.len()).sum());
    for (flows, part) in tables.into_iter().zip(collected) {
        analysis.stats.shed.merge(flows.shed());
        analysis.stats.copies = analysis.stats.copies.saturating_add(flows.copies());
        closed.push(Table { flows, dictionary: part.dictionary });
        coming.extend(part.coming);
        analysis.announced_dropped = analysis.announced_dropped.saturating_add(part.coming_dropped);
        analysis.names_dropped = analysis.names_dropped.saturating_add(part.names.dropped);
        analysis.stats.shed.names(part.names.dropped, part.names.losers);
        analysis.names.extend(part.names.items);
        analysis.hosts.extend(part.hosts.items);
        analysis.hosts_dropped = analysis.hosts_dropped.saturating_add(part.hosts.dropped);
        analysis.internal_errors.extend(part.failures);
    }
    analysis.flows = Flows::new(closed, &coming, rayon::current_num_threads());
    analysis.names.sort_by(|a, b| {
        (a.seen, &a.name, a.address, a.asked_by).cmp(&(b.seen, &b.name, b.address, b.asked_by))
    });
    analysis.hosts.sort_by_key(|host| (host.seen, host.mac, host.ip));
    first_sightings(&mut analysis.hosts);
    analysis.internal_errors.sort_by_key(|error| error.seen);
    analysis
}

/// Keeps the first of equal traits; starts of a host are kept all. The list is in order of time.
fn first_sightings(traits: &mut Vec<HostTrait>) {
    let mut known = foldhash::HashSet::with_capacity_and_hasher(traits.len(), RandomState::default());
    let mut firsts = Vec::with_capacity(traits.len());
    for HostTrait { mac, ip, kind, .. } in &*traits {
        firsts.push(*kind == TraitKind::Boot || known.insert((*mac, *ip, kind)));
    }
    let mut firsts = firsts.into_iter();
    traits.retain(|_| firsts.next() == Some(true));
}
