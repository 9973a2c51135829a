//! Several captures as one, in order of time.
//!
//! Of the captures that are open, the one whose next frame is earliest is read, up to the time of the next
//! best; equal times go by the order in which the captures were given, and the order inside a capture is
//! kept even where its clock steps back. A capture is opened only when its first frame is due, so files
//! that follow one another, such as a ring buffer's, are open one at a time, however many there are. Where
//! captures interleave, a batch holds blocks of each; no frame is copied.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::batch::{Batch, Block, Pool};
use super::bpf::Filter;
use super::compressed::Source;
use super::reader::{Finished, Reader};
use crate::error::{Error, Result};
use crate::model::{CaptureId, Timestamp};

/// When something is due: its time, and its place in the order given.
type Due = (Timestamp, usize);

/// A capture that waits for its turn.
pub(super) enum Waiting {
    /// A file, closed again after a look at its first frame.
    Closed(PathBuf),
    /// What cannot be opened twice.
    Open(Box<Reader>),
}

/// The captures of an input and where in them it is.
pub(super) struct Merge {
    names: Vec<String>,
    waiting: BTreeMap<Due, Waiting>,
    active: BTreeMap<usize, Active>,
    /// The next frame of each capture in `active` but that in `spent`.
    due: BinaryHeap<Reverse<Due>>,
    /// The capture whose block is used up; reading on waits until more is asked for.
    spent: Option<usize>,
    finished: Vec<Finished>,
    progress: Arc<AtomicU64>,
    window: u64,
}

struct Active {
    reader: Box<Reader>,
    block: Arc<Block>,
    /// The next frame in the block.
    next: usize,
    /// Where the batch at hand holds the block.
    place: Option<usize>,
}

impl Merge {
    /// Captures by name, in the order given.
    pub(super) fn new(names: Vec<String>, progress: Arc<AtomicU64>, window: u64) -> Self {
        Self {
            names,
            waiting: BTreeMap::new(),
            active: BTreeMap::new(),
            due: BinaryHeap::new(),
            spent: None,
            finished: Vec::new(),
            progress,
            window,
        }
    }

    /// Adds the capture at `place` of the order given, whose first frame is of this time.
    pub(super) fn add(&mut self, place: usize, first: Timestamp, capture: Waiting) {
        self.waiting.insert((first, place), capture);
    }

    /// Adds a capture that has come to its end.
    pub(super) fn add_finished(&mut self, place: usize, reader: Reader) {
        let name = self.names.get(place).cloned().unwrap_or_default();
        self.finished.push(reader.finish(capture_id(place), name));
    }

    /// Adds a file that cannot be read at all.
    pub(super) fn add_unreadable(&mut self, place: usize, reason: String) {
        let name = self.names.get(place).cloned().unwrap_or_default();
        self.finished.push(Finished::unreadable(capture_id(place), name, reason));
    }

    /// The next frames; `None` when all captures are read. A batch ends when it has about `target` bytes of
    /// frames, or has used up so many blocks that it would keep too many from being filled again.
    pub(super) fn next_batch(
        &mut self,
        target: usize,
        pool: &Pool,
        mut filter: Option<&mut Filter>,
    ) -> Result<Option<Batch>> {
        if let Some(place) = self.spent.take() {
            self.refill(place, pool, filter.as_deref_mut());
        }
        self.active.values_mut().for_each(|active| active.place = None);
        let mut batch = Batch::default();
        let (mut bytes, mut used_up) = (0_usize, 0_usize);
        while bytes < target && used_up < MAX_USED_UP {
            self.open_due(pool, filter.as_deref_mut())?;
            let Some(Reverse((_, place))) = self.due.pop() else {
                break;
            };
            let limit = self.limit();
            let Some(active) = self.active.get_mut(&place) else {
                continue;
            };
            let (taken, next) = active.take_until(place, limit, &mut batch);
            bytes = bytes.saturating_add(taken);
            if let Some(time) = next {
                self.due.push(Reverse((time, place)));
                continue;
            }
            used_up = used_up.saturating_add(1);
            if bytes < target && used_up < MAX_USED_UP {
                self.refill(place, pool, filter.as_deref_mut());
            } else {
                self.spent = Some(place);
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// Up to when the capture that was just taken from `due` may be read.
    fn limit(&self) -> Option<Due> {
        let active = self.due.peek().map(|Reverse(due)| *due);
        let waiting = self.waiting.first_key_value().map(|(due, _)| *due);
        active.into_iter().chain(waiting).min()
    }

    /// Opens the captures that come before everything that is open.
    fn open_due(&mut self, pool: &Pool, mut filter: Option<&mut Filter>) -> Result<()> {
        while let Some(entry) = self.waiting.first_entry() {
            if self.due.peek().is_some_and(|Reverse(due)| due < entry.key()) {
                break;
            }
            let ((_, place), waiting) = entry.remove_entry();
            let reader = match waiting {
                Waiting::Open(reader) => reader,
                Waiting::Closed(path) => {
                    let source = Source::open(&path, Arc::clone(&self.progress), self.window)
                        .map_err(|source| Error::Io { action: "read", path: path.clone(), source })?;
                    Box::new(Reader::new(&path, source, pool)?)
                }
            };
            self.read_on(place, reader, pool, filter.as_deref_mut());
        }
        Ok(())
    }

    fn refill(&mut self, place: usize, pool: &Pool, filter: Option<&mut Filter>) {
        if let Some(Active { reader, block, .. }) = self.active.remove(&place) {
            drop(block);
            self.read_on(place, reader, pool, filter);
        }
    }

    /// Reads the next block of a capture, or notes its end.
    fn read_on(&mut self, place: usize, mut reader: Box<Reader>, pool: &Pool, filter: Option<&mut Filter>) {
        let block = reader.next_block(pool, filter).map(|block| block.of(capture_id(place)));
        let first = block.as_ref().and_then(|block| block.records().first()).map(|record| record.time);
        let (Some(block), Some(first)) = (block, first) else {
            self.add_finished(place, *reader);
            return;
        };
        self.active.insert(place, Active { reader, block, next: 0, place: None });
        self.due.push(Reverse((first, place)));
    }

    #[cfg(test)]
    pub(super) fn open_captures(&self) -> usize {
        self.active.len()
    }

    /// What the captures said of themselves, in the order given. Those not read to their end say what was
    /// read of them.
    pub(super) fn finish(mut self) -> Vec<Finished> {
        for (place, active) in std::mem::take(&mut self.active) {
            self.add_finished(place, *active.reader);
        }
        self.finished.sort_by_key(|finished| finished.info.id);
        self.finished
    }
}

impl Active {
    /// Moves frames to the batch up to and with `limit`, at least one. Gives the bytes they span and the time of
    /// the next frame of the block.
    fn take_until(
        &mut self,
        place: usize,
        limit: Option<Due>,
        batch: &mut Batch,
    ) -> (usize, Option<Timestamp>) {
        let records = self.block.records();
        let rest = records.get(self.next..).unwrap_or_default();
        let count = limit.map_or(rest.len(), |limit| {
            let later = rest.iter().skip(1).position(|record| (record.time, place) > limit);
            later.map_or(rest.len(), |later| later.saturating_add(1))
        });
        let end = self.next.saturating_add(count);
        let taken = rest.get(..count).unwrap_or_default();
        let bytes = match (taken.first(), taken.last()) {
            (Some(first), Some(last)) => last.start.saturating_sub(first.start).saturating_add(last.len),
            _ => 0,
        };
        let held = *self.place.get_or_insert_with(|| batch.hold(&self.block));
        batch.push(held, self.next..end);
        self.next = end;
        (bytes as usize, records.get(end).map(|record| record.time))
    }
}

fn capture_id(place: usize) -> CaptureId {
    CaptureId(u32::try_from(place).unwrap_or(u32::MAX))
}

/// Blocks used up in one batch: bounds memory where captures are many and small.
const MAX_USED_UP: usize = 16;
