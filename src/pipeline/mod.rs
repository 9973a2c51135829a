//! Puts the stages together: reads on one thread, decodes and follows flows on the others.
//!
//! Rounds of batches go through two parallel steps: each batch is decoded and its packets are sorted by shard; then each
//! shard takes its packets of all batches in order. A flow belongs to one shard, so it sees its packets in the order of
//! the input, whatever the number of threads; the number of shards is fixed, so that nothing depends on it either.

pub mod judge;
mod kept;
mod session;
mod shard;

use std::sync::mpsc::{Receiver, sync_channel};

use kept::Traits;
use rayon::prelude::*;
pub use shard::InternalError;
use shard::{SHARDS, Shard};

use crate::capture::{self, Batch};
pub use crate::capture::{Input, Options};
use crate::decode::{self, Decoded};
use crate::error::{Error, Result};
use crate::flow::shard_hash;
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::packet::{Neighbour, Packet, Segment};
use crate::model::stats::{CaptureInfo, Stats};
use crate::model::{Flow, NameBinding};

/// Batches read ahead while others are worked on.
const READ_AHEAD: usize = 8;
/// Batches of one round for each thread: enough for even loads, few enough to stay in the cache.
const BATCHES_PER_THREAD: usize = 2;

/// Everything that a run learnt from its input.
#[derive(Debug, Default)]
pub struct Analysis {
    /// Every flow, by first frame in order of time.
    pub flows: Vec<Flow>,
    /// Names of addresses.
    pub names: Vec<NameBinding>,
    /// Sightings of names that there was no room to keep.
    pub names_dropped: u64,
    /// What hosts say of themselves.
    pub hosts: Vec<HostTrait>,
    /// Sightings of such traits that there was no room to keep.
    pub hosts_dropped: u64,
    /// Counts.
    pub stats: Stats,
    /// The captures.
    pub captures: Vec<CaptureInfo>,
    /// Files in folders that are no captures.
    pub not_captures: Vec<std::path::PathBuf>,
    /// Bugs of ours.
    pub internal_errors: Vec<InternalError>,
    /// Why reading ended early, if it did; what was read before is all here.
    pub read_error: Option<Error>,
}

/// Reads `input` to its end with `jobs` threads (at least one) beside the reading one.
pub fn analyse(input: Input, jobs: usize) -> Result<Analysis> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs.max(1))
        .build()
        .map_err(|error| Error::Usage(format!("failed to start {jobs} threads: {error}")))?;
    let (sender, receiver) = sync_channel::<Batch>(READ_AHEAD);
    let mut work = Work {
        shards: (0..SHARDS).map(|_| Shard::new()).collect(),
        stats: Stats::default(),
        neighbours: Traits::with_room(ROOM_FOR_NEIGHBOURS),
    };
    let (summary, read_error) = std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(input, &sender));
        work.take_all(&pool, &receiver, jobs.max(1) * BATCHES_PER_THREAD);
        reader.join().unwrap_or_else(|_| {
            (
                capture::Summary::default(),
                Some(Error::Usage(String::from("failed to read: the reader stopped"))),
            )
        })
    });
    Ok(pool.install(move || work.finish(summary, read_error)))
}

/// The reading thread: batches until the end, an error, or nobody listens.
fn read(mut input: Input, sender: &std::sync::mpsc::SyncSender<Batch>) -> (capture::Summary, Option<Error>) {
    let error = loop {
        match input.next_batch() {
            Ok(Some(batch)) => {
                if sender.send(batch).is_err() {
                    break None;
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    (input.finish(), error)
}

/// The state of a run between rounds.
struct Work {
    shards: Vec<Shard>,
    stats: Stats,
    neighbours: Traits,
}

/// Bytes for who is where on the link: some sixty thousand hosts.
const ROOM_FOR_NEIGHBOURS: usize = 16 << 20;

/// A decoded batch, its packets by shard.
struct Round<'a> {
    by_shard: Vec<Vec<Job<'a>>>,
    neighbours: Vec<Neighbour>,
    stats: Stats,
}

/// What a shard does with a packet.
enum Job<'a> {
    /// Takes it as one of its flows'.
    Packet(Packet<'a>),
    /// Notes that this ICMP error quotes one of its flows.
    Error(Packet<'a>),
}

impl Work {
    fn take_all(&mut self, pool: &rayon::ThreadPool, receiver: &Receiver<Batch>, per_round: usize) {
        loop {
            // What has been read so far, at least one batch: waiting for a full round would leave threads idle.
            let Ok(first) = receiver.recv() else { return };
            let mut batches = vec![first];
            batches.extend(receiver.try_iter().take(per_round.saturating_sub(1)));
            pool.install(|| self.round(&batches));
        }
    }

    fn round(&mut self, batches: &[Batch]) {
        let decoded: Vec<Round<'_>> = batches.par_iter().map(decode_batch).collect();
        self.shards.par_iter_mut().enumerate().for_each(|(number, shard)| {
            for job in decoded.iter().filter_map(|round| round.by_shard.get(number)).flatten() {
                match job {
                    Job::Packet(packet) => shard.packet(packet),
                    Job::Error(packet) => shard.icmp_error(packet),
                }
            }
        });
        for round in decoded {
            self.stats.merge(&round.stats);
            // Hosts say where they are over and over; the first time is enough.
            round.neighbours.into_iter().for_each(|neighbour| self.neighbours.host(as_trait(neighbour)));
        }
    }

    fn finish(self, summary: capture::Summary, read_error: Option<Error>) -> Analysis {
        let mut analysis = Analysis {
            stats: self.stats,
            hosts: self.neighbours.items,
            hosts_dropped: self.neighbours.dropped,
            names: summary.names,
            names_dropped: summary.names_dropped,
            captures: summary.captures,
            not_captures: summary.not_captures,
            read_error,
            ..Analysis::default()
        };
        analysis.stats.merge(&summary.passed_over);
        let collected: Vec<_> = self.shards.into_par_iter().map(Shard::finish).collect();
        for part in collected {
            analysis.flows.extend(part.flows);
            analysis.names.extend(part.names.items);
            analysis.names_dropped = analysis.names_dropped.saturating_add(part.names.dropped);
            analysis.hosts.extend(part.hosts.items);
            analysis.hosts_dropped = analysis.hosts_dropped.saturating_add(part.hosts.dropped);
            analysis.internal_errors.extend(part.failures);
        }
        analysis.flows.par_sort_unstable_by_key(|flow| (flow.first, flow.id));
        analysis.names.sort_by(|a, b| {
            (a.seen, &a.name, a.address, a.asked_by).cmp(&(b.seen, &b.name, b.address, b.asked_by))
        });
        analysis.hosts.sort_by_key(|host| (host.seen, host.mac, host.ip));
        first_sightings(&mut analysis.hosts);
        analysis.internal_errors.sort_by_key(|error| error.seen);
        analysis
    }
}

/// Keeps the first of equal traits; starts of a host are kept all. The list is in order of time.
fn first_sightings(traits: &mut Vec<HostTrait>) {
    let mut known = std::collections::HashSet::new();
    traits.retain(|item| {
        matches!(item.kind, TraitKind::Boot) || known.insert((item.mac, item.ip, item.kind.clone()))
    });
}

fn as_trait(neighbour: Neighbour) -> HostTrait {
    HostTrait {
        mac: Some(neighbour.mac),
        ip: Some(neighbour.ip),
        kind: TraitKind::Neighbour,
        seen: neighbour.seen,
    }
}

fn decode_batch(batch: &Batch) -> Round<'_> {
    let mut round = Round {
        by_shard: (0..SHARDS).map(|_| Vec::new()).collect(),
        neighbours: Vec::new(),
        stats: Stats::default(),
    };
    for frame in batch.frames() {
        round.stats.frames += 1;
        round.stats.captured_bytes += frame.data.len() as u64;
        round.stats.truncated += u64::from((frame.data.len() as u64) < u64::from(frame.orig_len));
        match decode::decode(&frame) {
            Decoded::Packet(packet) => {
                round.stats.analysed += 1;
                round.neighbours.extend(decode::neighbour(&packet));
                if let Segment::Icmp(icmp) = packet.segment
                    && let Some(quoted) = icmp.quoted
                {
                    round.put(shard_hash(&quoted), Job::Error(packet));
                }
                round.put(shard_hash(&packet.key()), Job::Packet(packet));
            }
            Decoded::Neighbour(neighbour) => {
                round.stats.analysed += 1;
                round.neighbours.push(neighbour);
            }
            Decoded::Other => round.stats.analysed += 1,
            Decoded::Skipped(reason) => round.stats.skip(reason),
        }
    }
    round
}

impl<'a> Round<'a> {
    fn put(&mut self, hash: u64, job: Job<'a>) {
        let shard = (hash % SHARDS as u64) as usize;
        if let Some(jobs) = self.by_shard.get_mut(shard) {
            jobs.push(job);
        }
    }
}
