//! A decoded batch: which of its frames go to which shard.

use super::shard::SHARDS;
use crate::capture::Batch;
use crate::decode::{self, Decoded, Defragmenter, Whole};
use crate::flow::{KeyHasher, shard_hash};
use crate::model::frame::Frame;
use crate::model::packet::Segment;
use crate::model::stats::{Fate, Stats};
use crate::model::{FlowKey, MacAddr, Packet};

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
    /// Frames that are fragments, or are compressed, until [`Self::join`].
    fragments: Vec<u32>,
    /// Packets put together or unpacked, by the frame that completed them.
    wholes: Vec<(u32, Whole)>,
}

impl Sorted {
    /// Decodes a batch and counts its frames.
    pub fn new(batch: Batch, hasher: &KeyHasher, stats: &mut Stats) -> Self {
        // Some frames are jobs for two shards.
        let room = batch.len().saturating_add(batch.len() / 4);
        let mut sorter = Sorter { hasher, jobs: Vec::with_capacity(room), counts: [0; SHARDS] };
        let mut fragments = Vec::new();
        for (at, frame) in (0_u32..).zip(batch.frames()) {
            if let Some(packet) = decode::usual(&frame) {
                stats.frame(&frame, Fate::Analysed);
                sorter.flow(at, &packet.key(), Task::Packet);
                continue;
            }
            let decoded = decode::unusual(&frame);
            stats.frame(&frame, decoded.fate());
            match decoded {
                Decoded::Packet(packet) if decode::is_compressed(&packet) => fragments.push(at),
                Decoded::Packet(packet) => sorter.packet(at, &packet),
                Decoded::Fragment(_) => fragments.push(at),
                Decoded::Neighbour(neighbour) => sorter.neighbour(at, neighbour.mac),
                Decoded::Lldp(lldp) => sorter.neighbour(at, lldp.mac),
                Decoded::Other | Decoded::Skipped(_) => {}
            }
        }
        let (jobs, ends) = sorter.sort();
        Self { batch, jobs, ends, fragments, wholes: Vec::new() }
    }

    /// Puts fragments together and unpacks what is compressed, to be called for one batch after the other.
    pub fn join(&mut self, defragmenter: &mut Defragmenter, hasher: &KeyHasher, stats: &mut Stats) {
        if self.fragments.is_empty() {
            return;
        }
        let mut sorter = Sorter { hasher, jobs: std::mem::take(&mut self.jobs), counts: [0; SHARDS] };
        for at in std::mem::take(&mut self.fragments) {
            let Some(frame) = self.batch.frame(at as usize) else { continue };
            let mut whole = match decode::unusual(&frame) {
                Decoded::Fragment(fragment) => defragmenter.add(&fragment, stats),
                Decoded::Packet(packet) => {
                    let inside = decode::unpacked(&packet);
                    if inside.is_none() {
                        sorter.packet(at, &packet);
                    }
                    inside
                }
                _ => continue,
            };
            while let Some(packet) = whole.take() {
                match decode::whole(&packet) {
                    Decoded::Packet(inner) => {
                        // Each time there is one more around it, for which there is little room.
                        whole = decode::unpacked(&inner);
                        if whole.is_some() {
                            continue;
                        }
                        sorter.packet(at, &inner);
                    }
                    // In a tunnel, whose packets were fragments themselves: the fate of the frame is still open.
                    Decoded::Fragment(fragment) => {
                        stats.analysed = stats.analysed.saturating_sub(1);
                        whole = defragmenter.add(&fragment, stats);
                        continue;
                    }
                    Decoded::Skipped(reason) => {
                        stats.analysed = stats.analysed.saturating_sub(1);
                        stats.skip(reason);
                    }
                    Decoded::Neighbour(_) | Decoded::Lldp(_) | Decoded::Other => {}
                }
                self.wholes.push((at, packet));
            }
        }
        sorter.jobs.sort_by_key(|job| (job.shard, job.frame));
        for (shard, end) in (0_u8..).zip(&mut self.ends) {
            *end = sorter.jobs.partition_point(|job| job.shard <= shard);
        }
        self.jobs = sorter.jobs;
    }

    /// Decodes the unusual frame of a job again, or what it completed.
    pub(super) fn decode<'a>(&'a self, job: &Job, frame: &Frame<'a>) -> Decoded<'a> {
        match self.wholes.binary_search_by_key(&job.frame, |(at, _)| *at) {
            Ok(found) => self.wholes.get(found).map_or(Decoded::Other, |(_, whole)| decode::whole(whole)),
            Err(_) => decode::unusual(frame),
        }
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
    fn packet(&mut self, frame: u32, packet: &Packet<'_>) {
        self.flow(frame, &packet.key(), Task::Packet);
        if let Segment::Icmp(_) = packet.segment {
            if let Some(quoted) = decode::quoted(packet) {
                self.flow(frame, &quoted, Task::Error);
            }
            if let Some(neighbour) = decode::neighbour(packet) {
                self.neighbour(frame, neighbour.mac);
            } else if decode::resolvers(packet).next().is_some() {
                self.neighbour(frame, MacAddr::default());
            }
        }
    }

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
