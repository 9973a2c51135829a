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
    /// Packets put together, by the frame that completed them. What is compressed is unpacked again where it is needed: it may
    /// take a thousand times what the frame does.
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

    /// Puts fragments together and looks into what is compressed, to be called for one batch after the other.
    pub fn join(&mut self, defragmenter: &mut Defragmenter, hasher: &KeyHasher, stats: &mut Stats) {
        if self.fragments.is_empty() {
            return;
        }
        let mut sorter = Sorter { hasher, jobs: std::mem::take(&mut self.jobs), counts: [0; SHARDS] };
        for at in std::mem::take(&mut self.fragments) {
            let Some(frame) = self.batch.frame(at as usize) else { continue };
            let mut whole = match decode::unusual(&frame) {
                Decoded::Fragment(fragment) => match defragmenter.add(&fragment, stats) {
                    None => continue,
                    whole => whole,
                },
                _ => None,
            };
            loop {
                let decoded = whole.as_ref().map_or_else(|| decode::unusual(&frame), decode::whole);
                let next = innermost(decoded, |inner| match inner {
                    Decoded::Packet(packet) => {
                        sorter.packet(at, &packet);
                        None
                    }
                    // In a tunnel, whose packets were fragments themselves: the fate of the frame is still open.
                    Decoded::Fragment(fragment) => {
                        stats.analysed = stats.analysed.saturating_sub(1);
                        defragmenter.add(&fragment, stats)
                    }
                    Decoded::Skipped(reason) => {
                        stats.analysed = stats.analysed.saturating_sub(1);
                        stats.skip(reason);
                        None
                    }
                    Decoded::Neighbour(_) | Decoded::Lldp(_) | Decoded::Other => None,
                });
                if next.is_none() {
                    break;
                }
                whole = next;
            }
            self.wholes.extend(whole.map(|whole| (at, whole)));
        }
        sorter.jobs.sort_by_key(|job| (job.shard, job.frame));
        for (shard, end) in (0_u8..).zip(&mut self.ends) {
            *end = sorter.jobs.partition_point(|job| job.shard <= shard);
        }
        self.jobs = sorter.jobs;
    }

    /// Decodes the unusual frame of a job again, or what it completed, and what is compressed in that.
    pub(super) fn decode<T>(&self, job: &Job, frame: &Frame<'_>, take: impl FnOnce(Decoded<'_>) -> T) -> T {
        let found = self.wholes.binary_search_by_key(&job.frame, |(at, _)| *at).ok();
        let whole = found.and_then(|found| self.wholes.get(found));
        innermost(whole.map_or_else(|| decode::unusual(frame), |(_, whole)| decode::whole(whole)), take)
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

/// Hands on what is inside all that is compressed, or what there is if nothing is.
fn innermost<T>(decoded: Decoded<'_>, take: impl FnOnce(Decoded<'_>) -> T) -> T {
    let unpacked = |decoded: &Decoded<'_>| match decoded {
        Decoded::Packet(packet) => decode::unpacked(packet),
        _ => None,
    };
    let Some(mut inside) = unpacked(&decoded) else { return take(decoded) };
    // Each time there is one more around it, for which there is little room.
    while let Some(next) = unpacked(&decode::whole(&inside)) {
        inside = next;
    }
    take(decode::whole(&inside))
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::capture::{Input, Options};

    /// A capture of raw IP in which IPComp has packed 60,000 bytes into few, often.
    fn packed(frames: u32) -> Vec<u8> {
        let datagram = [&[0x9c, 0x40, 0, 9, 0xea, 0x68, 0, 0][..], &vec![0; 60_000]].concat();
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&datagram).unwrap();
        let body = [&[17, 0, 0, 2][..], &packer.finish().unwrap()].concat();
        let length = (20 + body.len()) as u16;
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 108, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        packet.extend(body);
        let mut capture = Vec::new();
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, 101_u32] {
            capture.extend(word.to_le_bytes());
        }
        for time in 0..frames {
            for word in [time, 0, u32::from(length), u32::from(length)] {
                capture.extend(word.to_le_bytes());
            }
            capture.extend(&packet);
        }
        capture
    }

    #[test]
    fn what_was_unpacked_is_not_kept() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&packed(50)).unwrap();
        let mut input = Input::open(&[file.path()], Options::default()).unwrap();
        let (hasher, mut stats) = (KeyHasher::default(), Stats::default());
        let mut sorted = Sorted::new(input.next_batch().unwrap().unwrap(), &hasher, &mut stats);
        sorted.join(&mut Defragmenter::default(), &hasher, &mut stats);
        assert_eq!((sorted.len(), sorted.wholes.len()), (50, 0));
        for job in &sorted.jobs {
            let frame = sorted.batch.frame(job.frame as usize).unwrap();
            sorted.decode(job, &frame, |inside| match inside {
                Decoded::Packet(packet) => {
                    assert_eq!((packet.key().resp.port, packet.payload.len()), (9, 60_000));
                }
                other => panic!("{other:?}"),
            });
        }
    }
}
