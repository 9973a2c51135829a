//! A decoded batch: which of its frames go to which shard.

use super::shard::SHARDS;
use crate::capture::Batch;
use crate::decode::{self, Decoded};
use crate::flow::{KeyHasher, shard_hash};
use crate::model::packet::Segment;
use crate::model::stats::Stats;
use crate::model::{FlowKey, MacAddr};

/// What a shard does with a frame. The frame is decoded again then: that costs less than to keep what
/// the first time gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Takes it as a packet of one of its flows.
    Packet,
    /// Notes that this ICMP error quotes one of its flows.
    Error,
    /// Notes who says that it is where, and what it says of itself.
    Neighbour,
}

/// A frame of the batch for one shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    /// Position in the batch.
    pub(super) frame: u32,
    /// Of the 5-tuple, by the run's [`KeyHasher`]; zero for neighbours.
    pub(super) hash: u32,
    pub(super) task: Task,
    shard: u8,
}

/// A batch with its jobs, sorted by shard and then by frame.
#[derive(Debug)]
pub struct Sorted {
    pub(super) batch: Batch,
    jobs: Vec<Job>,
    /// Where the jobs of each shard end.
    ends: [usize; SHARDS],
}

impl Sorted {
    /// Decodes a batch and counts its frames.
    pub fn new(batch: Batch, hasher: &KeyHasher, stats: &mut Stats) -> Self {
        let mut sorter = Sorter { hasher, jobs: Vec::with_capacity(batch.len()), counts: [0; SHARDS] };
        for (at, frame) in (0_u32..).zip(batch.frames()) {
            if let Some(packet) = decode::usual(&frame) {
                stats.frame(&frame, None);
                sorter.flow(at, &packet.key(), Task::Packet);
                continue;
            }
            let decoded = decode::decode(&frame);
            stats.frame(&frame, decoded.skipped());
            match decoded {
                Decoded::Packet(packet) => {
                    sorter.flow(at, &packet.key(), Task::Packet);
                    if let Segment::Icmp(_) = packet.segment {
                        if let Some(quoted) = decode::quoted(&packet) {
                            sorter.flow(at, &quoted, Task::Error);
                        }
                        if let Some(neighbour) = decode::neighbour(&packet) {
                            sorter.neighbour(at, neighbour.mac);
                        } else if decode::resolvers(&packet).next().is_some() {
                            sorter.neighbour(at, MacAddr::default());
                        }
                    }
                }
                Decoded::Neighbour(neighbour) => sorter.neighbour(at, neighbour.mac),
                Decoded::Lldp(lldp) => sorter.neighbour(at, lldp.mac),
                Decoded::Other | Decoded::Skipped(_) => {}
            }
        }
        let (jobs, ends) = sorter.sort();
        Self { batch, jobs, ends }
    }

    /// How many jobs there are, for all shards.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The jobs of a shard, in order of frames.
    pub(super) fn jobs(&self, shard: usize) -> &[Job] {
        let end = self.ends.get(shard).copied().unwrap_or(0);
        let start = shard.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.jobs.get(start..end).unwrap_or_default()
    }
}

struct Sorter<'a> {
    hasher: &'a KeyHasher,
    jobs: Vec<Job>,
    counts: [usize; SHARDS],
}

impl Sorter<'_> {
    fn flow(&mut self, frame: u32, key: &FlowKey, task: Task) {
        let shard = (shard_hash(key) % SHARDS as u64) as u8;
        self.add(Job { frame, hash: self.hasher.hash(key), task, shard });
    }

    fn neighbour(&mut self, frame: u32, mac: MacAddr) {
        let sum: u8 = mac.0.iter().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
        self.add(Job { frame, hash: 0, task: Task::Neighbour, shard: sum % SHARDS as u8 });
    }

    fn add(&mut self, job: Job) {
        if let Some(count) = self.counts.get_mut(usize::from(job.shard)) {
            *count = count.saturating_add(1);
        }
        self.jobs.push(job);
    }

    /// By counting, which keeps the order of frames.
    fn sort(self) -> (Vec<Job>, [usize; SHARDS]) {
        let mut places = [0; SHARDS];
        let mut start = 0_usize;
        for (place, count) in places.iter_mut().zip(self.counts) {
            *place = start;
            start = start.saturating_add(count);
        }
        let mut sorted = self.jobs.clone();
        for job in self.jobs {
            if let Some(place) = places.get_mut(usize::from(job.shard)) {
                if let Some(slot) = sorted.get_mut(*place) {
                    *slot = job;
                }
                *place = place.saturating_add(1);
            }
        }
        (sorted, places)
    }
}
