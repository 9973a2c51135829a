//! Who does what: every thread reads, decodes and follows flows, whatever is next to be done.
//!
//! A batch goes two steps. Whoever is free reads and decodes it, which sorts its packets by shard. Then each
//! shard takes its packets of it, after those of all batches before; a shard is one thread's at a time, whose does
//! not matter. So a flow sees its packets in the order of the input, nothing depends on the number of threads, and no
//! thread waits while there is anything to do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

use super::shard::{SHARDS, Shard};
use super::sorted::Sorted;
use crate::capture::{self, Batch, Input};
use crate::decode::Defragmenter;
use crate::error::Error;
use crate::flow::KeyHasher;
use crate::model::stats::Stats;

/// Batches on their way for each thread, beside one that it reads.
const BATCHES_PER_THREAD: usize = 2;

/// Everything the threads share.
pub(super) struct Lanes {
    source: Mutex<Source>,
    joint: Mutex<Joint>,
    queue: Mutex<Queue>,
    /// Told when the queue gets shorter.
    shorter: Condvar,
    shards: Vec<Mutex<Lane>>,
    hasher: KeyHasher,
    /// Batches that may be on their way.
    room: usize,
    /// A thread has panicked: what it was at will never be done, so nobody may wait for it.
    broken: AtomicBool,
}

/// Says so to the others when its thread panics.
struct Alarm<'a>(&'a Lanes);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
            // Whoever is about to wait has looked at the flag, or will be told.
            drop(lock(&self.0.queue));
            self.0.shorter.notify_all();
        }
    }
}

/// Where batches come from.
struct Source {
    input: Input,
    /// Nothing more comes.
    ended: bool,
    error: Option<Error>,
}

/// Where fragments are put together: every batch passes here in the order of the input, and nearly none stops.
#[derive(Default)]
struct Joint {
    /// Decoded batches that come after one that is still being decoded.
    waiting: VecDeque<Option<Sorted>>,
    /// Number of the first of them.
    next: u64,
    defragmenter: Defragmenter,
    stats: Stats,
}

/// Batches on their way, the oldest first.
#[derive(Default)]
struct Queue {
    /// `None` while it is being decoded.
    batches: VecDeque<Option<Arc<Shared>>>,
    /// Number of the oldest.
    first: u64,
}

/// A decoded batch with the number of shards that have not taken theirs.
struct Shared {
    sorted: Sorted,
    left: AtomicUsize,
}

struct Lane {
    shard: Shard,
    /// Number of the batch that it takes next.
    next: u64,
}

/// What remains when everything is read.
pub(super) struct Outcome {
    pub(super) shards: Vec<Shard>,
    pub(super) stats: Stats,
    pub(super) summary: capture::Summary,
    pub(super) error: Option<Error>,
}

impl Lanes {
    /// For `jobs` threads.
    pub(super) fn new(input: Input, jobs: usize, shard: impl Fn() -> Shard) -> Self {
        let lane = |_| Mutex::new(Lane { shard: shard(), next: 0 });
        Self {
            source: Mutex::new(Source { input, ended: false, error: None }),
            joint: Mutex::default(),
            queue: Mutex::default(),
            shorter: Condvar::new(),
            shards: (0..SHARDS).map(lane).collect(),
            hasher: KeyHasher::default(),
            room: jobs.saturating_mul(BATCHES_PER_THREAD).saturating_add(1),
            broken: AtomicBool::new(false),
        }
    }

    /// Works until everything is read and taken, or others are at what is left.
    pub(super) fn work(&self) -> Stats {
        let _alarm = Alarm(self);
        let mut stats = Stats::default();
        while !self.broken.load(Ordering::Acquire) {
            let read = self.read(&mut stats);
            let took = self.take();
            if read || took {
                continue;
            }
            let source = lock(&self.source);
            if source.ended {
                return stats;
            }
            drop(source);
            let full =
                |queue: &mut Queue| queue.batches.len() >= self.room && !self.broken.load(Ordering::Acquire);
            let waited = self.shorter.wait_while(lock(&self.queue), full);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        stats
    }

    /// Reads and decodes the next batch, unless another thread is reading or too many are on their way.
    fn read(&self, stats: &mut Stats) -> bool {
        let mut source = match self.source.try_lock() {
            Ok(source) => source,
            Err(TryLockError::Poisoned(source)) => source.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        if source.ended {
            return false;
        }
        let number = {
            let queue = lock(&self.queue);
            if queue.batches.len() >= self.room {
                return false;
            }
            queue.first.saturating_add(queue.batches.len() as u64)
        };
        let Some(batch) = source.next() else { return false };
        lock(&self.queue).batches.push_back(None);
        drop(source);
        let sorted = Sorted::new(batch, &self.hasher, stats);
        let mut joint = lock(&self.joint);
        joint.put(number, sorted);
        while let Some((number, sorted)) = joint.take(&self.hasher) {
            if let Some(place) = lock(&self.queue).place(number) {
                *place = Some(Arc::new(Shared { sorted, left: AtomicUsize::new(SHARDS) }));
            }
        }
        true
    }

    /// Lets every shard that no other thread has take what there is for it.
    fn take(&self) -> bool {
        let shards = self.shards.iter().enumerate();
        shards.fold(false, |took, (number, lane)| self.take_lane(number, lane) || took)
    }

    fn take_lane(&self, number: usize, lane: &Mutex<Lane>) -> bool {
        let mut took = false;
        loop {
            let mut lane = match lane.try_lock() {
                Ok(lane) => lane,
                Err(TryLockError::Poisoned(lane)) => lane.into_inner(),
                Err(TryLockError::WouldBlock) => return took,
            };
            while let Some(shared) = self.decoded(lane.next) {
                lane.shard.take(&shared.sorted, number);
                lane.next = lane.next.saturating_add(1);
                took = true;
                if shared.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.retire();
                }
            }
            let next = lane.next;
            drop(lane);
            // Who decoded a batch since the last look may have found the lane locked and gone on: so whoever unlocks
            // it looks once more.
            if self.decoded(next).is_none() {
                return took;
            }
        }
    }

    /// The batch with this number, if it is decoded.
    fn decoded(&self, number: u64) -> Option<Arc<Shared>> {
        lock(&self.queue).place(number)?.clone()
    }

    /// Forgets the oldest batches that every shard has taken.
    fn retire(&self) {
        let mut queue = lock(&self.queue);
        while let Some(Some(oldest)) = queue.batches.front()
            && oldest.left.load(Ordering::Acquire) == 0
        {
            queue.batches.pop_front();
            queue.first = queue.first.saturating_add(1);
        }
        drop(queue);
        self.shorter.notify_all();
    }

    /// What remains, when all threads are done.
    pub(super) fn finish(self, mut stats: Stats) -> Outcome {
        let mut joint = self.joint.into_inner().unwrap_or_else(PoisonError::into_inner);
        joint.defragmenter.finish(&mut joint.stats);
        stats.merge(&joint.stats);
        let source = self.source.into_inner().unwrap_or_else(PoisonError::into_inner);
        let shards = self
            .shards
            .into_iter()
            .map(|lane| lane.into_inner().unwrap_or_else(PoisonError::into_inner).shard)
            .collect();
        Outcome { shards, stats, summary: source.input.finish(), error: source.error }
    }
}

impl Source {
    fn next(&mut self) -> Option<Batch> {
        match self.input.next_batch() {
            Ok(Some(batch)) => return Some(batch),
            Ok(None) => {}
            Err(error) => self.error = Some(error),
        }
        self.ended = true;
        None
    }
}

impl Joint {
    fn put(&mut self, number: u64, sorted: Sorted) {
        let at = number.saturating_sub(self.next) as usize;
        while self.waiting.len() <= at {
            self.waiting.push_back(None);
        }
        if let Some(place) = self.waiting.get_mut(at) {
            *place = Some(sorted);
        }
    }

    /// The next batch with its fragments put together, if it is decoded.
    fn take(&mut self, hasher: &KeyHasher) -> Option<(u64, Sorted)> {
        let mut sorted = self.waiting.front_mut()?.take()?;
        self.waiting.pop_front();
        let number = self.next;
        self.next = self.next.saturating_add(1);
        sorted.join(&mut self.defragmenter, hasher, &mut self.stats);
        Some((number, sorted))
    }
}

impl Queue {
    fn place(&mut self, number: u64) -> Option<&mut Option<Arc<Shared>>> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.batches.get_mut(at)
    }
}

/// Locks whatever a thread that panicked has left: analyzers are guarded, so it would be a bug of ours, and told.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
