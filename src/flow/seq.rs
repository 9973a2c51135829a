//! TCP sequence numbers, and what of a stream the capture holds.
//!
//! The wire counts bytes in 32 bits that wrap; everything here counts *positions*: `i64`, zero where
//! the stream begins (the byte after the SYN), or at the first byte expected when no SYN was captured.

/// A sequence or acknowledgement number as on the wire (RFC 9293 section 3.4). Has no order of its
/// own: only the distance between two numbers means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeqNum(pub(super) u32);

impl SeqNum {
    /// The number of the byte after this one.
    pub(super) fn after(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number of the byte before this one.
    pub(super) fn before(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// This number moved by `distance` bytes.
    fn moved(self, distance: i64) -> Self {
        // Reduction modulo 2^32 is what sequence numbers do.
        Self(self.0.wrapping_add(distance as u32))
    }

    /// How far `self` is ahead of `origin`; negative when behind. Ambiguous only beyond 2 GiB.
    pub(super) fn distance_from(self, origin: Self) -> i32 {
        self.0.wrapping_sub(origin.0) as i32
    }
}

/// Whether a segment brought anything new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Novelty {
    /// At least one byte that was not seen before.
    New,
    /// All of it had been seen.
    Seen,
    /// It lies before the first byte captured midstream: nobody can tell.
    Before,
}

/// Bytes that are missing: `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hole {
    start: i64,
    end: i64,
    /// Captured, but cut off by the snap length: no evidence of loss.
    cut: bool,
}

/// How many holes a direction remembers; beyond it, the oldest is given up as missed.
const MAX_HOLES: usize = 32;

/// Greatest window of TCP (RFC 7323 section 2.3). What is further off belongs to no connection at hand.
const MAX_DISTANCE: u32 = 1 << 30;

/// Which bytes of one direction the capture holds.
#[derive(Debug)]
pub(super) struct Sequence {
    /// One past the greatest position seen; a FIN takes one position.
    next: i64,
    /// Absent in the usual case: everything from position zero on is here.
    gaps: Option<Box<Gaps>>,
    /// The sequence number at position `next`.
    at_next: SeqNum,
}

/// What is not here.
#[derive(Debug, Default)]
struct Gaps {
    /// What lies before is not judged.
    start: i64,
    /// Ascending, disjoint, all within `start..next`.
    holes: Vec<Hole>,
    /// Bytes of holes that are no longer remembered.
    given_up: u64,
}

impl Sequence {
    /// A direction whose position zero has the sequence number `first`.
    pub(super) fn new(first: SeqNum) -> Self {
        Self { at_next: first, next: 0, gaps: None }
    }

    /// Begins at `position` instead; nothing may have been covered yet.
    pub(super) fn start_at(&mut self, position: i64) {
        self.advance(position);
        if position != 0 || self.gaps.is_some() {
            self.gaps.get_or_insert_default().start = position;
        }
    }

    /// What lies before this position is not judged.
    pub(super) fn start(&self) -> i64 {
        self.gaps.as_ref().map_or(0, |gaps| gaps.start)
    }

    /// One past the greatest position seen.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// Where `seq` is; `None` if it is too far off to belong to this connection.
    pub(super) fn position(&self, seq: SeqNum) -> Option<i64> {
        let distance = seq.distance_from(self.at_next);
        (distance.unsigned_abs() <= MAX_DISTANCE).then(|| self.next.saturating_add(i64::from(distance)))
    }

    /// Takes note of a segment of `len` bytes at `position`, of which the first `captured` are in the
    /// capture.
    pub(super) fn cover(&mut self, position: i64, captured: usize, len: u32) -> Novelty {
        let end = position.saturating_add(i64::from(len));
        if end <= self.start() {
            return Novelty::Before;
        }
        let held = position.saturating_add(i64::try_from(captured).unwrap_or(i64::MAX)).min(end);
        let next = self.next;
        let filled = self.fill(position, held.min(next));
        if end > next {
            self.advance(end);
            self.add_hole(Hole { start: next, end: position, cut: false });
            self.add_hole(Hole { start: held.max(next), end, cut: true });
        }
        if end > next || filled { Novelty::New } else { Novelty::Seen }
    }

    /// Takes note of a FIN whose own position is `position`.
    pub(super) fn finish_at(&mut self, position: i64) {
        let next = self.next;
        if position >= next {
            self.advance(position.saturating_add(1));
            self.add_hole(Hole { start: next, end: position, cut: false });
        }
    }

    /// Whether bytes in `from..to` were sent but never captured (and not just cut by the snap length).
    pub(super) fn lacks(&self, from: i64, to: i64) -> bool {
        to > self.next || self.holes().iter().any(|hole| !hole.cut && hole.start < to && hole.end > from)
    }

    /// Whether bytes were sent after the last that the capture has (and not just cut by the snap length), as a FIN
    /// behind them tells.
    pub(super) fn lacks_end(&self, fin: bool) -> bool {
        let end = self.next.saturating_sub(i64::from(fin));
        self.holes().last().is_some_and(|hole| !hole.cut && hole.end >= end)
    }

    /// Bytes that are not in the capture though later ones are.
    pub(super) fn missed(&self) -> u64 {
        let given_up = self.gaps.as_ref().map_or(0, |gaps| gaps.given_up);
        self.holes().iter().fold(given_up, |sum, hole| sum.saturating_add(hole.len()))
    }

    fn holes(&self) -> &[Hole] {
        self.gaps.as_ref().map_or(&[], |gaps| gaps.holes.as_slice())
    }

    fn advance(&mut self, to: i64) {
        self.at_next = self.at_next.moved(to.saturating_sub(self.next));
        self.next = to;
    }

    #[inline]
    fn add_hole(&mut self, hole: Hole) {
        if hole.start < hole.end {
            self.gaps.get_or_insert_default().add(hole);
        }
    }

    /// Removes `from..to` from the holes; whether there was anything to remove.
    fn fill(&mut self, from: i64, to: i64) -> bool {
        from < to && self.gaps.as_mut().is_some_and(|gaps| gaps.fill(from, to))
    }
}

impl Gaps {
    fn add(&mut self, hole: Hole) {
        if let Some(last) = self.holes.last_mut()
            && last.end == hole.start
            && last.cut == hole.cut
        {
            last.end = hole.end;
            return;
        }
        self.holes.push(hole);
        self.forget_oldest();
    }

    fn forget_oldest(&mut self) {
        if self.holes.len() > MAX_HOLES {
            let oldest = self.holes.remove(0);
            self.given_up = self.given_up.saturating_add(oldest.len());
        }
    }

    fn fill(&mut self, from: i64, to: i64) -> bool {
        let mut filled = false;
        let mut index = 0;
        while let Some(hole) = self.holes.get(index).copied() {
            if hole.start >= to {
                break;
            }
            if hole.end <= from {
                index = index.saturating_add(1);
                continue;
            }
            filled = true;
            let left = Hole { end: from, ..hole };
            let right = Hole { start: to, ..hole };
            let rest = [left, right].into_iter().filter(|part| part.start < part.end);
            let kept = rest.clone().count();
            self.holes.splice(index..=index, rest);
            index = index.saturating_add(kept);
        }
        self.forget_oldest();
        filled
    }
}

impl Hole {
    fn len(self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.start)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_short_across_the_wrap() {
        assert_eq!(SeqNum(5).distance_from(SeqNum(u32::MAX - 4)), 10);
        assert_eq!(SeqNum(u32::MAX - 4).distance_from(SeqNum(5)), -10);
        assert_eq!(SeqNum(u32::MAX).after(), SeqNum(0));
        assert_eq!(SeqNum(0).before(), SeqNum(u32::MAX));
    }

    #[test]
    fn positions_go_on_beyond_four_gibibytes() {
        let mut sequence = Sequence::new(SeqNum(0xffff_ff00));
        let step = 0x1000_0000_u32;
        for n in 0..40_i64 {
            let seq = SeqNum(0xffff_ff00_u32.wrapping_add((n as u32).wrapping_mul(step)));
            assert_eq!(sequence.position(seq), Some(n * i64::from(step)));
            assert_eq!(sequence.cover(n * i64::from(step), step as usize, step), Novelty::New);
        }
        assert_eq!(sequence.next(), 40 * i64::from(step));
        assert_eq!(sequence.missed(), 0);
    }

    #[test]
    fn a_number_out_of_every_window_has_no_position() {
        let sequence = Sequence::new(SeqNum(1000));
        assert_eq!(sequence.position(SeqNum(1000 + (1 << 30))), Some(1 << 30));
        assert_eq!(sequence.position(SeqNum(1001 + (1 << 30))), None);
        assert_eq!(sequence.position(SeqNum(1000_u32.wrapping_sub(1 << 30))), Some(-(1 << 30)));
    }

    #[test]
    fn a_hole_is_missed_until_it_is_filled_and_filling_it_is_no_retransmission() {
        let mut sequence = Sequence::new(SeqNum(0));
        assert_eq!(sequence.cover(0, 10, 10), Novelty::New);
        assert_eq!(sequence.cover(20, 10, 10), Novelty::New);
        assert_eq!(sequence.missed(), 10);
        assert_eq!(sequence.cover(12, 4, 4), Novelty::New);
        assert_eq!(sequence.missed(), 6);
        assert_eq!(sequence.cover(12, 4, 4), Novelty::Seen);
        assert_eq!(sequence.cover(8, 14, 14), Novelty::New);
        assert_eq!(sequence.missed(), 0);
        assert_eq!(sequence.cover(0, 30, 30), Novelty::Seen);
    }

    #[test]
    fn bytes_cut_by_the_snap_length_are_missed_but_no_sign_of_loss() {
        let mut sequence = Sequence::new(SeqNum(0));
        assert_eq!(sequence.cover(0, 4, 10), Novelty::New);
        assert_eq!(sequence.cover(0, 4, 10), Novelty::Seen);
        assert_eq!((sequence.missed(), sequence.lacks(0, 10)), (6, false));
        sequence.cover(20, 10, 10);
        assert!(sequence.lacks(0, 15));
        assert!(!sequence.lacks(20, 30));
        assert!(sequence.lacks(20, 31));
    }

    #[test]
    fn a_fin_tells_how_many_bytes_came_before_it() {
        let mut sequence = Sequence::new(SeqNum(0));
        sequence.cover(0, 10, 10);
        sequence.finish_at(15);
        sequence.finish_at(15);
        assert_eq!((sequence.next(), sequence.missed()), (16, 5));
    }

    #[test]
    fn old_holes_are_given_up_but_still_counted() {
        let mut sequence = Sequence::new(SeqNum(0));
        for n in 0..1000 {
            sequence.cover(n * 10 + 5, 5, 5);
        }
        assert_eq!(sequence.missed(), 5000);
        assert!(sequence.holes().len() <= MAX_HOLES);
        // Filling a remembered one lowers the count, filling a forgotten one looks like a repetition.
        assert_eq!(sequence.cover(9990, 5, 5), Novelty::New);
        assert_eq!(sequence.cover(0, 5, 5), Novelty::Seen);
        assert_eq!(sequence.missed(), 4995);
    }

    #[test]
    fn midstream_nothing_before_the_first_byte_is_judged() {
        let mut sequence = Sequence::new(SeqNum(100));
        sequence.start_at(50);
        assert_eq!(sequence.cover(50, 10, 10), Novelty::New);
        assert_eq!(sequence.cover(40, 10, 10), Novelty::Before);
        assert_eq!(sequence.position(SeqNum(160)), Some(60));
    }
}
