//! One capture, read block by block.

use std::path::Path;

use super::batch::{Block, Buffers, Pool, slice_of};
use super::bpf::Filter;
use super::compressed::{Fill, Source};
use super::savefile::{Ledger, Names, Savefile, Stop};
use super::sniff::looks_like;
use crate::error::{Error, Result};
use crate::model::stats::{CaptureInfo, Damage, SkipReason, Stats};
use crate::model::{CaptureId, Timestamp};

/// An open capture.
pub(super) struct Reader {
    source: Source,
    savefile: Savefile,
    ledger: Ledger,
    /// The block being filled; its first `filled` bytes are read, those before `at` are split already.
    bytes: Vec<u8>,
    filled: usize,
    at: usize,
    /// Offset of the block's first byte in the capture.
    offset: u64,
    /// How filling the block ended.
    fill: Fill,
    /// Bytes of the capture to be thrown away before the next record.
    skip: u64,
    done: bool,
    damage: Option<Damage>,
    /// A block that was read ahead, to see its first time.
    ahead: Option<Block>,
}

impl Reader {
    /// Recognises the capture in `source`; `path` is for messages.
    pub(super) fn new(path: &Path, mut source: Source, pool: &Pool) -> Result<Self> {
        let Buffers { mut bytes, records } = pool.take(0);
        let mut filled = 0;
        let fill = source.fill(&mut bytes, &mut filled);
        let head = bytes.get(..filled).unwrap_or_default();
        let Some((savefile, at)) = Savefile::recognise(head) else {
            let path = path.to_owned();
            return Err(match fill {
                Fill::Broken(reason) if filled == 0 => Error::Unreadable { path, reason },
                _ => Error::NotACapture { path, looks_like: looks_like(head, source.packing().name()) },
            });
        };
        Ok(Self {
            source,
            savefile,
            ledger: Ledger::new(records),
            bytes,
            filled,
            at,
            offset: 0,
            fill,
            skip: 0,
            done: false,
            damage: None,
            ahead: None,
        })
    }

    /// Time of the first frame, as it is in the file; `None` if there is none. What is read for it is not lost.
    pub(super) fn first_time(&mut self, pool: &Pool) -> Option<Timestamp> {
        if self.ahead.is_none() {
            self.ahead = self.next_block(pool, None);
        }
        self.ahead.as_ref()?.records().first().map(|record| record.time)
    }

    /// The next block with at least one frame that the filter takes; `None` at the end, see [`Reader::finish`].
    pub(super) fn next_block(&mut self, pool: &Pool, mut filter: Option<&mut Filter>) -> Option<Block> {
        if let Some(mut block) = self.ahead.take() {
            if let Some(filter) = filter.as_deref_mut() {
                block.retain(|data, record| keep(filter, data, record, &mut self.ledger.passed_over));
            }
            if !block.records().is_empty() {
                return Some(block);
            }
        }
        while !self.done {
            self.split();
            if let Some(filter) = filter.as_deref_mut() {
                let Ledger { records, passed_over, .. } = &mut self.ledger;
                let bytes = &self.bytes;
                records.retain(|record| keep(filter, slice_of(bytes, record), record, passed_over));
            }
            if !self.ledger.records.is_empty() {
                return Some(self.hand_out(pool));
            }
            self.move_rest_to_front();
        }
        None
    }

    /// Fills the block, finds the records in it and decides how to go on.
    fn split(&mut self) {
        if self.fill == Fill::Full {
            self.fill = self.source.fill(&mut self.bytes, &mut self.filled);
        }
        if self.skip > 0 {
            let there = self.filled.saturating_sub(self.at);
            let now = usize::try_from(self.skip).unwrap_or(usize::MAX).min(there);
            self.at = self.at.saturating_add(now);
            self.skip = self.skip.saturating_sub(now as u64);
            if self.skip > 0 {
                self.end_if_no_more("ends within a block that", self.skip);
                return;
            }
        }
        let bytes = self.bytes.get(..self.filled).unwrap_or_default();
        let split = self.savefile.split(bytes, self.at, &mut self.ledger);
        self.at = split.end;
        match split.stop {
            Stop::Damage(reason) => self.end(Some(reason)),
            Stop::Skip(len) => self.skip = len,
            Stop::More(needed) => {
                let there = self.filled.saturating_sub(self.at);
                let missing = needed.saturating_sub(there) as u64;
                if there == 0 && self.fill == Fill::End {
                    self.end(None);
                } else {
                    self.end_if_no_more("ends within a record that", missing);
                }
                // Grows as bytes come, not as far as the record claims to reach.
                if !self.done && self.at == 0 && self.filled == self.bytes.len() {
                    let room = self.bytes.len().saturating_mul(2).min(needed.max(self.bytes.len()));
                    self.bytes.resize(room, 0);
                }
            }
        }
    }

    fn end_if_no_more(&mut self, what: &str, missing: u64) {
        match &self.fill {
            Fill::Full => {}
            Fill::End => self.end(Some(format!("the file {what} needs {missing} more bytes"))),
            Fill::Broken(reason) => {
                let reason = reason.clone();
                self.end(Some(reason));
            }
        }
    }

    fn end(&mut self, damage: Option<String>) {
        self.done = true;
        self.damage =
            damage.map(|reason| Damage { offset: self.offset.saturating_add(self.at as u64), reason });
    }

    /// Gives the block away and starts the next one with what is left of it: a part of one record.
    fn hand_out(&mut self, pool: &Pool) -> Block {
        let rest = self.bytes.get(self.at..self.filled).unwrap_or_default();
        let Buffers { mut bytes, records } = if self.done {
            Buffers { bytes: Vec::new(), records: Vec::new() }
        } else {
            // Double, so that a record longer than a block finds room to grow in.
            let room = if rest.len() < pool.block_len() { 0 } else { rest.len().saturating_mul(2) };
            pool.take(room)
        };
        if let Some(front) = bytes.get_mut(..rest.len()) {
            front.copy_from_slice(rest);
        }
        self.offset = self.offset.saturating_add(self.at as u64);
        self.filled = rest.len();
        self.at = 0;
        let bytes = std::mem::replace(&mut self.bytes, bytes);
        let records = std::mem::replace(&mut self.ledger.records, records);
        pool.block(Buffers { bytes, records })
    }

    fn move_rest_to_front(&mut self) {
        self.bytes.copy_within(self.at..self.filled, 0);
        self.offset = self.offset.saturating_add(self.at as u64);
        self.filled = self.filled.saturating_sub(self.at);
        self.at = 0;
    }

    /// What there is to say of the capture, now that it is read as far as it will be.
    pub(super) fn finish(self, id: CaptureId, name: String) -> Finished {
        let info = CaptureInfo {
            id,
            name,
            frames: self.ledger.count,
            first: self.ledger.earliest,
            last: self.ledger.latest,
            out_of_order: self.ledger.out_of_order,
            dropped: self.savefile.dropped(),
            damage: self.damage,
        };
        Finished { info, passed_over: self.ledger.passed_over, names: self.savefile.names() }
    }
}

/// What is left of a capture when it was read.
pub(super) struct Finished {
    pub(super) info: CaptureInfo,
    pub(super) passed_over: Stats,
    pub(super) names: Names,
}

impl Finished {
    /// Of a file that cannot be read from its first byte on, so that it is not even known whether it is a capture.
    pub(super) fn unreadable(id: CaptureId, name: String, reason: String) -> Self {
        let info = CaptureInfo {
            id,
            name,
            frames: 0,
            first: None,
            last: None,
            out_of_order: 0,
            dropped: None,
            damage: Some(Damage { offset: 0, reason }),
        };
        Self { info, passed_over: Stats::default(), names: Names::default() }
    }
}

/// Whether the filter takes a frame; counts it if not.
fn keep(filter: &mut Filter, data: &[u8], record: &super::batch::Record, passed_over: &mut Stats) -> bool {
    let takes = filter.takes(record.link_type, data);
    if !takes {
        passed_over.frames = passed_over.frames.saturating_add(1);
        passed_over.captured_bytes = passed_over.captured_bytes.saturating_add(u64::from(record.len));
        passed_over.truncated = passed_over.truncated.saturating_add(u64::from(record.len < record.orig_len));
        passed_over.skip(SkipReason::Filtered);
    }
    takes
}
