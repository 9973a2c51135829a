//! Where something was seen.

use super::{FrameRef, Timestamp};

/// One sighting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seen {
    /// Packet time.
    pub at: Timestamp,
    /// The frame that completed what was seen.
    pub frame: FrameRef,
}

/// How many frame numbers one piece of evidence names at most.
pub const MAX_FRAMES: usize = 8;

/// Sightings of the same thing, folded: how often, first, last, and the first few frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Earliest sighting.
    pub first: Seen,
    /// Latest sighting.
    pub last: Seen,
    /// Number of sightings.
    pub count: u64,
    /// The earliest distinct frames after the first one; with it, at most [`MAX_FRAMES`], ascending.
    more: Vec<FrameRef>,
}

impl Evidence {
    /// A single sighting.
    pub fn once(seen: Seen) -> Self {
        Self { first: seen, last: seen, count: 1, more: Vec::new() }
    }

    /// Adds a later (or equal) sighting of the same flow; order of calls is order of packets.
    pub fn again(&mut self, seen: Seen) {
        self.count = self.count.saturating_add(1);
        self.last = seen;
        if self.more.len() + 1 < MAX_FRAMES
            && self.more.last().copied().unwrap_or(self.first.frame) != seen.frame
        {
            self.more.push(seen.frame);
        }
    }

    /// Puts the sighting `by` where the frame `stand_in` stands for it.
    pub(super) fn resolve(&mut self, stand_in: FrameRef, by: Seen) {
        for seen in [&mut self.first, &mut self.last] {
            if seen.frame == stand_in {
                *seen = by;
            }
        }
        for frame in &mut self.more {
            if *frame == stand_in {
                *frame = by.frame;
            }
        }
        // The last packet may have been seen already.
        self.more.dedup();
    }

    /// Joins evidence from elsewhere; the result does not depend on the order of joining.
    pub fn merge(&mut self, other: &Self) {
        // Once there are enough frames, nearly all that comes is later.
        let full = self.more.len() + 1 == MAX_FRAMES && self.first <= other.first;
        if full && self.more.last() < other.frames().min().as_ref() {
            self.count = self.count.saturating_add(other.count);
            self.last = self.last.max(other.last);
            return;
        }
        let mut frames: Vec<FrameRef> = self.frames().chain(other.frames()).collect();
        frames.sort_unstable();
        frames.dedup();
        frames.truncate(MAX_FRAMES);
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        frames.retain(|frame| *frame != self.first.frame);
        frames.truncate(MAX_FRAMES - 1);
        self.more = frames;
    }

    /// The frames named, ascending by time of sighting, at most [`MAX_FRAMES`].
    pub fn frames(&self) -> impl Iterator<Item = FrameRef> + '_ {
        std::iter::once(self.first.frame).chain(self.more.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CaptureId, FrameNo};

    fn seen(n: u64) -> Seen {
        Seen { at: Timestamp::new(n as i64, 0), frame: FrameRef::new(CaptureId(0), FrameNo(n)) }
    }

    #[test]
    fn frames_are_bounded_and_the_count_is_not() {
        let mut evidence = Evidence::once(seen(1));
        (2..=20).for_each(|n| evidence.again(seen(n)));
        assert_eq!(evidence.count, 20);
        assert_eq!(evidence.frames().count(), MAX_FRAMES);
        assert_eq!(evidence.last, seen(20));
    }

    #[test]
    fn merging_does_not_depend_on_order() {
        let mut parts: Vec<Evidence> = [5, 1, 9].map(|n| Evidence::once(seen(n))).into();
        parts.iter_mut().for_each(|part| part.again(part.first));
        let join = |order: [usize; 3]| {
            let mut all = parts[order[0]].clone();
            order[1..].iter().for_each(|&i| all.merge(&parts[i]));
            all
        };
        assert_eq!(join([0, 1, 2]), join([2, 1, 0]));
        assert_eq!(join([0, 1, 2]).frames().map(|f| f.no().0).collect::<Vec<_>>(), [1, 5, 9]);
    }
}
