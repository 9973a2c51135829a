//! One direction of a TCP connection put in order.
//!
//! Bytes that come in order go straight from the packet to whoever listens; only what comes too early is
//! copied, within [`Limits`]. Where two segments claim the same byte, the first one captured wins.
//! Missing bytes are given up, and announced, when the receiver has acknowledged them (so the capture
//! never held them), when too much waits behind them, and at the end.

use std::collections::VecDeque;

use super::Limits;

/// What comes out, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// The next bytes of the stream; never empty.
    Bytes(&'a [u8]),
    /// This many bytes are not in the capture; never zero.
    Gap(u64),
}

/// Stream bytes of a segment: `len` on the wire, the first of them captured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Captured<'a> {
    bytes: &'a [u8],
    /// `bytes.len() <= len`.
    len: i64,
}

impl<'a> Captured<'a> {
    /// Of a segment with `len` bytes on the wire.
    pub(super) fn new(bytes: &'a [u8], len: u32) -> Self {
        let bytes = bytes.get(..len as usize).unwrap_or(bytes);
        Self { bytes, len: i64::from(len) }
    }

    /// Without the first `count` bytes, at most all.
    fn after(self, count: i64) -> Self {
        let bytes = usize::try_from(count).ok().and_then(|from| self.bytes.get(from..)).unwrap_or_default();
        Self { bytes, len: self.len.saturating_sub(count).max(0) }
    }

    /// The first `count` bytes, at most all.
    fn first(self, count: i64) -> Self {
        let bytes = usize::try_from(count).ok().and_then(|to| self.bytes.get(..to)).unwrap_or(self.bytes);
        Self { bytes, len: self.len.min(count) }
    }

    fn cut(self) -> i64 {
        self.len.saturating_sub(self.bytes.len() as i64)
    }
}

/// The state of one direction.
#[derive(Debug, Default)]
pub(super) struct Reassembler {
    /// Position of the next byte to hand out.
    cursor: i64,
    /// What came too early; absent in the usual case.
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Ascending and disjoint, all beyond the cursor; never empty.
    runs: VecDeque<Run>,
    /// Sum of the runs' bytes.
    bytes: usize,
}

/// Contiguous bytes, followed by `cut` bytes that the snap length took.
#[derive(Debug)]
struct Run {
    at: i64,
    bytes: Vec<u8>,
    cut: i64,
}

impl Run {
    fn end(&self) -> i64 {
        self.at.saturating_add(self.bytes.len() as i64).saturating_add(self.cut)
    }
}

impl Reassembler {
    /// A stream that begins at `position`.
    pub(super) fn at(position: i64) -> Self {
        Self { cursor: position, waiting: None }
    }

    /// Begins at `position` instead; nothing may have been handed out yet.
    pub(super) fn start_at(&mut self, position: i64) {
        self.cursor = position;
    }

    /// About what the bytes that wait take, with what holds them.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| {
            let runs = waiting.runs.capacity().saturating_mul(size_of::<Run>());
            // No allocation is smaller than some bytes.
            let least = waiting.runs.len().saturating_mul(16);
            [size_of::<Waiting>(), runs, least, waiting.bytes].into_iter().fold(0, usize::saturating_add)
        })
    }

    /// Whether a segment says otherwise than one that waits about the same bytes. What was handed out already is not kept, so
    /// nothing is said of that.
    pub(super) fn contradicts(&self, at: i64, segment: Captured<'_>) -> bool {
        fn part(bytes: &[u8], from: i64, to: i64) -> Option<&[u8]> {
            bytes.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
        }
        let Some(waiting) = &self.waiting else { return false };
        let end = at.saturating_add(segment.bytes.len() as i64);
        waiting.runs.iter().any(|run| {
            let run_end = run.at.saturating_add(run.bytes.len() as i64);
            let (from, to) = (run.at.max(at), run_end.min(end));
            from < to
                && part(&run.bytes, from.saturating_sub(run.at), to.saturating_sub(run.at))
                    != part(segment.bytes, from.saturating_sub(at), to.saturating_sub(at))
        })
    }

    /// Whether everything was handed out before a FIN that takes the position before `next`.
    pub(super) fn is_at_fin(&self, next: i64) -> bool {
        self.waiting.is_none() && self.cursor.saturating_add(1) >= next
    }

    /// A segment at position `at`; the receiver has acknowledged everything before `acked`. Hands out
    /// what is in order now. Returns false as soon as `out` does: no more is wanted then.
    pub(super) fn segment(
        &mut self,
        at: i64,
        segment: Captured<'_>,
        acked: i64,
        limits: &Limits,
        out: &mut impl FnMut(Piece<'_>) -> bool,
    ) -> bool {
        let old = self.cursor.saturating_sub(at).max(0);
        let (at, segment) = (at.saturating_add(old), segment.after(old));
        if segment.len == 0 {
            return true;
        }
        let first_waiting = self.first_waiting();
        if at > self.cursor && acked >= at && first_waiting.is_none_or(|first| at <= first) {
            // Acknowledged, and what follows is here: the capture never held it.
            if !self.skip_to(at, out) {
                return false;
            }
        }
        if at > self.cursor {
            self.waiting.get_or_insert_default().insert(at, segment);
            return self.keep_within(limits, out);
        }
        if first_waiting.is_none() {
            return self.hand_out(segment, out);
        }
        self.hand_out_around_waiting(at, segment, out)
    }

    /// The receiver has acknowledged everything before `acked`: gives up the holes that this covers as
    /// far as later bytes wait behind them. (With nothing waiting there is time to see whether the
    /// capture has data and acknowledgement in the wrong order.)
    pub(super) fn acked(&mut self, acked: i64, out: &mut impl FnMut(Piece<'_>) -> bool) -> bool {
        while let Some(first) = self.first_waiting() {
            if first > acked {
                break;
            }
            if !(self.skip_to(first, out) && self.drain(out)) {
                return false;
            }
        }
        true
    }

    /// The stream is over: hands out everything that waits, with the gaps.
    pub(super) fn finish(&mut self, out: &mut impl FnMut(Piece<'_>) -> bool) -> bool {
        self.acked(i64::MAX, out)
    }

    fn first_waiting(&self) -> Option<i64> {
        self.waiting.as_ref().and_then(|waiting| waiting.runs.front()).map(|run| run.at)
    }

    /// Hands out a segment that begins at the cursor.
    fn hand_out(&mut self, segment: Captured<'_>, out: &mut impl FnMut(Piece<'_>) -> bool) -> bool {
        self.cursor = self.cursor.saturating_add(segment.len);
        (segment.bytes.is_empty() || out(Piece::Bytes(segment.bytes)))
            && (segment.cut() == 0 || out(Piece::Gap(segment.cut().unsigned_abs())))
    }

    /// The same when runs wait that it may overlap: they came first and win.
    fn hand_out_around_waiting(
        &mut self,
        mut at: i64,
        mut segment: Captured<'_>,
        out: &mut impl FnMut(Piece<'_>) -> bool,
    ) -> bool {
        while segment.len > 0 {
            let free = self.first_waiting().map_or(segment.len, |first| first.saturating_sub(at));
            if !(self.hand_out(segment.first(free), out) && self.drain(out)) {
                return false;
            }
            // The cursor has moved at least one byte: `segment` gets shorter each time.
            let used = self.cursor.saturating_sub(at);
            segment = segment.after(used);
            at = self.cursor;
        }
        true
    }

    /// Hands out the runs that are in order now.
    fn drain(&mut self, out: &mut impl FnMut(Piece<'_>) -> bool) -> bool {
        while let Some(waiting) = &mut self.waiting {
            if waiting.runs.front().is_some_and(|run| run.at > self.cursor) {
                break;
            }
            let Some(run) = waiting.runs.pop_front() else {
                self.waiting = None;
                break;
            };
            waiting.bytes = waiting.bytes.saturating_sub(run.bytes.len());
            let len = run.end().saturating_sub(run.at);
            if !self.hand_out(Captured { bytes: &run.bytes, len }, out) {
                return false;
            }
        }
        true
    }

    fn skip_to(&mut self, position: i64, out: &mut impl FnMut(Piece<'_>) -> bool) -> bool {
        let missed = position.saturating_sub(self.cursor);
        self.cursor = position;
        out(Piece::Gap(missed.unsigned_abs()))
    }

    fn keep_within(&mut self, limits: &Limits, out: &mut impl FnMut(Piece<'_>) -> bool) -> bool {
        while let Some(waiting) = &self.waiting {
            let Some(first) = waiting.runs.front() else { break };
            if waiting.bytes <= limits.reorder_bytes && waiting.runs.len() <= limits.reorder_segments {
                break;
            }
            let first = first.at;
            if !(self.skip_to(first, out) && self.drain(out)) {
                return false;
            }
        }
        true
    }
}

impl Waiting {
    /// Copies what no run holds yet. `segment` is not empty.
    fn insert(&mut self, mut at: i64, mut segment: Captured<'_>) {
        let mut index = 0;
        while segment.len > 0 {
            let used = match self.runs.get(index) {
                Some(run) if run.end() <= at => {
                    index = index.saturating_add(1);
                    continue;
                }
                Some(run) if run.at <= at => run.end().saturating_sub(at),
                next => {
                    let free = next.map_or(segment.len, |run| run.at.saturating_sub(at)).min(segment.len);
                    self.place(index, at, segment.first(free));
                    free
                }
            };
            at = at.saturating_add(used);
            segment = segment.after(used);
        }
    }

    /// Puts `part` before the run at `index`, or at the end of the run before that if it continues it.
    fn place(&mut self, index: usize, at: i64, part: Captured<'_>) {
        self.bytes = self.bytes.saturating_add(part.bytes.len());
        if let Some(before) = index.checked_sub(1).and_then(|before| self.runs.get_mut(before))
            && before.end() == at
            && (before.cut == 0 || part.bytes.is_empty())
        {
            before.bytes.extend_from_slice(part.bytes);
            before.cut = before.cut.saturating_add(part.cut());
            return;
        }
        self.runs.insert(index, Run { at, bytes: part.bytes.to_vec(), cut: part.cut() });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Copies;
    use super::*;

    const WIDE: Limits = Limits {
        reorder_bytes: 1 << 20,
        reorder_segments: 1 << 20,
        bytes: usize::MAX,
        beside: 0,
        copies: Copies::Drop,
    };

    /// What came out: bytes, with `None` for each byte of a gap.
    #[derive(Default)]
    struct Output(Vec<Option<u8>>);

    impl Output {
        fn take(&mut self, piece: Piece<'_>) -> bool {
            match piece {
                Piece::Bytes(bytes) => {
                    assert!(!bytes.is_empty());
                    self.0.extend(bytes.iter().map(|byte| Some(*byte)));
                }
                Piece::Gap(missed) => {
                    assert_ne!(missed, 0);
                    self.0.extend((0..missed).map(|_| None));
                }
            }
            true
        }
    }

    fn feed(segments: &[(i64, &str, u32)], limits: &Limits) -> String {
        let mut output = Output::default();
        let mut reassembler = Reassembler::default();
        for (at, bytes, len) in segments {
            let segment = Captured::new(bytes.as_bytes(), *len);
            assert!(reassembler.segment(*at, segment, 0, limits, &mut |piece| output.take(piece)));
        }
        assert!(reassembler.finish(&mut |piece| output.take(piece)));
        assert!(reassembler.waiting.is_none());
        output.0.into_iter().map(|byte| byte.map_or('_', char::from)).collect()
    }

    #[test]
    fn early_segments_wait_and_each_byte_comes_once() {
        assert_eq!(feed(&[(0, "ab", 2), (4, "ef", 2), (2, "cd", 2), (6, "gh", 2)], &WIDE), "abcdefgh");
        assert_eq!(feed(&[(0, "abcd", 4), (0, "abcd", 4), (2, "cdef", 4)], &WIDE), "abcdef");
    }

    #[test]
    fn the_first_writer_wins() {
        assert_eq!(feed(&[(2, "CD", 2), (0, "abcdef", 6)], &WIDE), "abCDef");
        assert_eq!(feed(&[(2, "C", 1), (4, "E", 1), (1, "bcdef", 5), (0, "abcdef", 6)], &WIDE), "abCdEf");
    }

    #[test]
    fn a_cut_segment_gives_what_it_has_and_then_a_gap() {
        assert_eq!(feed(&[(0, "ab", 4), (4, "ef", 2)], &WIDE), "ab__ef");
        assert_eq!(feed(&[(4, "e", 3), (0, "abcd", 4), (7, "h", 1)], &WIDE), "abcde__h");
        assert_eq!(feed(&[(4, "", 3), (7, "", 2), (0, "abcd", 4)], &WIDE), "abcd_____");
    }

    #[test]
    fn the_budget_gives_up_the_oldest_hole() {
        let few = Limits { reorder_bytes: 4, reorder_segments: 2, ..WIDE };
        assert_eq!(feed(&[(0, "a", 1), (2, "cd", 2), (5, "fgh", 3), (1, "b", 1)], &few), "a_cd_fgh");
        assert_eq!(feed(&[(2, "c", 1), (4, "e", 1), (6, "g", 1), (5, "f", 1)], &few), "__c_efg");
    }

    #[test]
    fn contiguous_early_segments_share_a_run() {
        let mut reassembler = Reassembler::default();
        for n in 1..1000 {
            reassembler.segment(n, Captured::new(b"x", 1), 0, &WIDE, &mut |_| panic!("nothing is in order"));
        }
        assert_eq!(reassembler.waiting.map(|waiting| waiting.runs.len()), Some(1));
    }

    #[test]
    fn acknowledged_holes_are_given_up_only_when_later_bytes_are_here() {
        let mut output = Output::default();
        let mut reassembler = Reassembler::default();
        let mut out = |piece: Piece<'_>| output.take(piece);
        reassembler.acked(10, &mut out);
        // The data that was acknowledged comes late: the capture has the two in the wrong order.
        reassembler.segment(0, Captured::new(b"ab", 2), 10, &WIDE, &mut out);
        reassembler.segment(6, Captured::new(b"gh", 2), 10, &WIDE, &mut out);
        reassembler.segment(9, Captured::new(b"j", 1), 8, &WIDE, &mut out);
        reassembler.acked(8, &mut out);
        reassembler.segment(8, Captured::new(b"i", 1), 8, &WIDE, &mut out);
        let text: String = output.0.iter().map(|byte| byte.map_or('_', char::from)).collect();
        assert_eq!(text, "ab____ghij");
    }

    #[test]
    fn nothing_comes_after_the_listener_has_enough() {
        let mut reassembler = Reassembler::default();
        reassembler.segment(2, Captured::new(b"c", 1), 0, &WIDE, &mut |_| true);
        let mut calls = 0;
        let wanted = reassembler.segment(0, Captured::new(b"abcd", 4), 0, &WIDE, &mut |_| {
            calls += 1;
            false
        });
        assert_eq!((wanted, calls), (false, 1));
    }

    /// The slow, obviously right twin: a map from position to the first byte that claimed it.
    #[derive(Default)]
    struct Twin {
        cursor: i64,
        claimed: std::collections::BTreeMap<i64, Option<u8>>,
        out: Vec<Option<u8>>,
    }

    impl Twin {
        fn segment(&mut self, at: i64, bytes: &[u8], len: u32, acked: i64) {
            for n in 0..i64::from(len) {
                let byte = bytes.get(n as usize).copied();
                if at + n >= self.cursor {
                    self.claimed.entry(at + n).or_insert(byte);
                }
            }
            if len > 0 {
                self.acked(acked);
            }
        }

        fn drain(&mut self) {
            while let Some(byte) = self.claimed.remove(&self.cursor) {
                self.out.push(byte);
                self.cursor += 1;
            }
        }

        /// Skips every hole that is acknowledged and has bytes behind it.
        fn acked(&mut self, acked: i64) {
            self.drain();
            while let Some((&first, _)) = self.claimed.first_key_value() {
                if first > acked {
                    break;
                }
                self.out.extend((self.cursor..first).map(|_| None));
                self.cursor = first;
                self.drain();
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Segment { at: i64, len: u32, cut: u32, other: bool },
        Ack(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..400_i64, 0..40_u32, prop_oneof![4 => Just(0_u32), 1 => 0..40_u32], any::<bool>())
                .prop_map(|(at, len, cut, other)| Step::Segment { at, len, cut, other }),
            1 => (0..420_i64).prop_map(Step::Ack),
        ]
    }

    proptest! {
        #[test]
        fn reassembly_equals_its_slow_twin(steps in prop::collection::vec(step(), 0..80), start in -50..50_i64) {
            let mut output = Output::default();
            let mut fast = Reassembler::default();
            let mut slow = Twin { cursor: start, ..Twin::default() };
            fast.start_at(start);
            let mut acked = 0;
            for step in steps {
                match step {
                    Step::Segment { at, len, cut, other } => {
                        // Content depends on the position, or (an overlap that differs) not quite.
                        let bytes: Vec<u8> = (0..len.saturating_sub(cut))
                            .map(|n| (at + i64::from(n)) as u8 ^ if other { 0x55 } else { 0 })
                            .collect();
                        fast.segment(at, Captured::new(&bytes, len), acked, &WIDE, &mut |p| output.take(p));
                        slow.segment(at, &bytes, len, acked);
                    }
                    Step::Ack(to) => {
                        acked = acked.max(to);
                        fast.acked(acked, &mut |p| output.take(p));
                        slow.acked(acked);
                    }
                }
                prop_assert_eq!(&output.0, &slow.out);
                prop_assert_eq!(fast.cursor, slow.cursor);
                let held = fast.waiting.as_ref().map_or(0, |waiting| waiting.bytes);
                prop_assert_eq!(held, slow.claimed.values().flatten().count());
            }
            fast.finish(&mut |p| output.take(p));
            slow.acked(i64::MAX);
            prop_assert_eq!(&output.0, &slow.out);
        }

        #[test]
        fn the_budget_always_holds(steps in prop::collection::vec(step(), 0..200)) {
            let limits = Limits { reorder_bytes: 64, reorder_segments: 4, ..Limits::default() };
            let mut reassembler = Reassembler::default();
            let mut expected = 0;
            for step in steps {
                let Step::Segment { at, len, .. } = step else { continue };
                let bytes: Vec<u8> = (0..len).map(|n| (at + i64::from(n)) as u8).collect();
                reassembler.segment(at, Captured::new(&bytes, len), 0, &limits, &mut |piece| {
                    match piece {
                        Piece::Bytes(bytes) => bytes.iter().for_each(|byte| {
                            assert_eq!(*byte, expected as u8);
                            expected += 1;
                        }),
                        Piece::Gap(missed) => expected += missed as i64,
                    }
                    true
                });
                prop_assert_eq!(expected, reassembler.cursor);
                if let Some(waiting) = &reassembler.waiting {
                    prop_assert!(waiting.bytes <= 64 && waiting.runs.len() <= 4 && !waiting.runs.is_empty());
                }
            }
        }
    }
}
