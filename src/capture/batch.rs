//! Frames that travel together: blocks of a capture as read, and where the frames are in them.

use std::ops::Range;
use std::slice;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::model::frame::Frame;
use crate::model::{CaptureId, FrameNo, FrameRef, LinkType, Timestamp};

/// Frames in the order of the merged input, with the blocks that hold their bytes. When it is dropped,
/// its blocks go back to the input to be filled again.
#[derive(Debug, Default)]
pub struct Batch {
    blocks: Vec<Arc<Block>>,
    /// Not empty ranges of frames, in order of time.
    runs: Vec<Run>,
    len: usize,
}

/// Neighbouring frames of one block.
#[derive(Debug)]
struct Run {
    block: usize,
    frames: Range<usize>,
    /// Frames of the batch before this run.
    before: usize,
}

impl Batch {
    /// Number of frames, never zero in a batch that an input gives.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no frame in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All frames, in order of the merged input.
    pub fn frames(&self) -> Frames<'_> {
        self.frames_in(0..self.len)
    }

    /// The frames at these positions, as a worker's share; what is beyond the end is left out.
    pub fn frames_in(&self, range: Range<usize>) -> Frames<'_> {
        let end = range.end.min(self.len);
        let left = end.saturating_sub(range.start);
        let first = self.runs.partition_point(|run| run.before <= range.start).saturating_sub(1);
        let mut frames = Frames {
            batch: self,
            runs: self.runs.get(first..).unwrap_or_default().iter(),
            block: None,
            records: [].iter(),
            left,
        };
        let into_run = self.runs.get(first).map_or(0, |run| range.start.saturating_sub(run.before));
        if left > 0 && into_run > 0 {
            frames.next_run();
            let _ = frames.records.nth(into_run.saturating_sub(1));
        }
        frames
    }

    /// The frame at this position.
    pub fn frame(&self, at: usize) -> Option<Frame<'_>> {
        let run = match self.runs.as_slice() {
            [run] => run,
            runs => runs.get(runs.partition_point(|run| run.before <= at).checked_sub(1)?)?,
        };
        let block = self.blocks.get(run.block)?;
        let record = block.records.get(run.frames.clone())?.get(at.checked_sub(run.before)?)?;
        Some(block.frame(record))
    }

    /// Adds a block and returns its place, for [`Batch::push`].
    pub(super) fn hold(&mut self, block: &Arc<Block>) -> usize {
        let place = self.blocks.len();
        self.blocks.push(Arc::clone(block));
        place
    }

    /// Appends frames of the block at `place`; nothing if the range is empty.
    pub(super) fn push(&mut self, place: usize, frames: Range<usize>) {
        let count = frames.len();
        if count > 0 {
            self.runs.push(Run { block: place, frames, before: self.len });
            self.len = self.len.saturating_add(count);
        }
    }
}

/// The frames of a [`Batch`].
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    batch: &'a Batch,
    runs: slice::Iter<'a, Run>,
    block: Option<&'a Block>,
    records: slice::Iter<'a, Record>,
    left: usize,
}

impl Frames<'_> {
    fn next_run(&mut self) -> Option<()> {
        let run = self.runs.next()?;
        let block = self.batch.blocks.get(run.block)?;
        self.records = block.records.get(run.frames.clone())?.iter();
        self.block = Some(block);
        Some(())
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        self.left = self.left.checked_sub(1)?;
        loop {
            if let (Some(record), Some(block)) = (self.records.next(), self.block) {
                return Some(block.frame(record));
            }
            self.next_run()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Frames<'_> {}

/// Where a frame is in its block, and what its capture says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) time: Timestamp,
    pub(super) no: u64,
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) orig_len: u32,
    pub(super) link_type: LinkType,
}

/// A stretch of one capture with the frames found in it.
#[derive(Debug)]
pub(super) struct Block {
    capture: CaptureId,
    bytes: Vec<u8>,
    records: Vec<Record>,
    home: Sender<Buffers>,
    /// What buffers are kept for another use; a larger one held a rare, huge record.
    keep_up_to: usize,
}

impl Block {
    /// Says of which capture it is; known only once all captures were looked at.
    pub(super) fn of(mut self, capture: CaptureId) -> Arc<Self> {
        self.capture = capture;
        Arc::new(self)
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Forgets the frames that `keep` does not want.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&[u8], &Record) -> bool) {
        let bytes = &self.bytes;
        self.records.retain(|record| keep(slice_of(bytes, record), record));
    }

    fn frame(&self, record: &Record) -> Frame<'_> {
        Frame {
            at: FrameRef::new(self.capture, FrameNo(record.no)),
            time: record.time,
            link_type: record.link_type,
            orig_len: record.orig_len,
            data: slice_of(&self.bytes, record),
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.len() <= self.keep_up_to {
            let mut records = std::mem::take(&mut self.records);
            records.clear();
            // Fails when the input is gone; then nobody needs the buffers.
            let _ = self.home.send(Buffers { bytes, records });
        }
    }
}

/// The bytes of `record` in its block.
pub(super) fn slice_of<'a>(bytes: &'a [u8], record: &Record) -> &'a [u8] {
    let start = record.start as usize;
    bytes.get(start..start.saturating_add(record.len as usize)).unwrap_or_default()
}

/// A block's memory while it is empty or being filled.
#[derive(Debug)]
pub(super) struct Buffers {
    /// Its length is the room there is; nothing is said of the content.
    pub(super) bytes: Vec<u8>,
    pub(super) records: Vec<Record>,
}

/// Buffers that wait to be filled again. Blocks come home by a channel, so that a batch may be dropped
/// by any thread without a lock on anything.
#[derive(Debug)]
pub(super) struct Pool {
    block_len: usize,
    home: Sender<Buffers>,
    returned: Receiver<Buffers>,
}

impl Pool {
    /// Buffers of `block_len` bytes.
    pub(super) fn new(block_len: usize) -> Self {
        let (home, returned) = channel();
        Self { block_len, home, returned }
    }

    /// Room for `at_least` bytes, usually [`Pool::block_len`].
    pub(super) fn take(&self, at_least: usize) -> Buffers {
        let mut buffers = self
            .returned
            .try_recv()
            .unwrap_or_else(|_| Buffers { bytes: vec![0; self.block_len], records: Vec::new() });
        if buffers.bytes.len() < at_least {
            buffers.bytes.resize(at_least, 0);
        }
        buffers
    }

    /// A block that comes back here when it is dropped.
    pub(super) fn block(&self, buffers: Buffers) -> Block {
        Block {
            capture: CaptureId(0),
            bytes: buffers.bytes,
            records: buffers.records,
            home: self.home.clone(),
            keep_up_to: self.block_len,
        }
    }

    /// How large an ordinary block is.
    pub(super) fn block_len(&self) -> usize {
        self.block_len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(pool: &Pool, times: &[i64]) -> Arc<Block> {
        let mut buffers = pool.take(0);
        for (i, time) in times.iter().enumerate() {
            buffers.records.push(Record {
                time: Timestamp::new(*time, 0),
                no: i as u64 + 1,
                start: i as u32,
                len: 1,
                orig_len: 1,
                link_type: LinkType::RAW,
            });
        }
        pool.block(buffers).of(CaptureId(3))
    }

    #[test]
    fn a_share_of_a_batch_is_the_same_frames_as_in_the_whole() {
        let pool = Pool::new(16);
        let (a, b) = (block(&pool, &[1, 4, 5, 9]), block(&pool, &[2, 3]));
        let mut batch = Batch::default();
        let (in_a, in_b) = (batch.hold(&a), batch.hold(&b));
        batch.push(in_a, 0..1);
        batch.push(in_b, 0..2);
        batch.push(in_b, 2..2);
        batch.push(in_a, 1..4);
        let seconds = |frames: Frames<'_>| frames.map(|frame| frame.time.secs()).collect::<Vec<_>>();
        let whole = seconds(batch.frames());
        assert_eq!(whole, [1, 2, 3, 4, 5, 9]);
        for start in 0..8 {
            for end in start..8 {
                let expected = &whole[start.min(6)..end.min(6)];
                let share = batch.frames_in(start..end);
                assert_eq!(share.len(), expected.len());
                assert_eq!(seconds(share), expected, "{start}..{end}");
            }
        }
    }

    #[test]
    fn memory_comes_back_when_the_last_batch_that_uses_it_is_dropped() {
        let pool = Pool::new(16);
        let shared = block(&pool, &[1]);
        let mut batches = [Batch::default(), Batch::default()];
        for batch in &mut batches {
            let place = batch.hold(&shared);
            batch.push(place, 0..1);
        }
        drop(shared);
        let [first, second] = batches;
        drop(first);
        assert!(pool.returned.try_recv().is_err());
        drop(second);
        assert_eq!(pool.returned.try_recv().map(|buffers| buffers.bytes.len()).ok(), Some(16));
    }
}
