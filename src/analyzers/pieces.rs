//! Bytes that come in any order, twice, or not at all: a stream or a message spread over datagrams.
//!
//! What comes first wins where pieces overlap. Nothing is allocated but what came: an offset from the wire costs
//! nothing, whatever it says.

use std::collections::BTreeMap;

/// Pieces that wait for those before them.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// Offset of the next byte to be taken.
    next: u64,
    /// What came beyond it, by offset; none is empty and none overlaps another.
    waiting: BTreeMap<u64, Vec<u8>>,
    /// Bytes in them; at most `limit`.
    bytes: usize,
    /// How far beyond `next` a piece may reach.
    limit: usize,
}

/// Pieces that wait at the same time; a hello that is torn up on purpose has about twenty.
const MAX_PIECES: usize = 256;

/// About what a piece takes beside its bytes.
const ENTRY: usize = 64;

impl Pieces {
    /// Takes pieces that reach at most `limit` bytes beyond what was taken out.
    pub(crate) fn new(limit: usize) -> Self {
        Self { next: 0, waiting: BTreeMap::new(), bytes: 0, limit }
    }

    /// Puts a piece in; false if it, or a part of it, is too far ahead or one too many.
    #[must_use]
    pub(crate) fn insert(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let Some(end) = offset.checked_add(bytes.len() as u64) else { return false };
        if end > self.next.saturating_add(self.limit as u64) {
            return false;
        }
        let mut at = offset.max(self.next);
        // Each turn goes over one piece that is there already, or fills one hole.
        while at < end {
            let before = self.waiting.range(..=at).next_back();
            let taken = before.map_or(0, |(start, piece)| start.saturating_add(piece.len() as u64));
            if taken > at {
                at = taken;
                continue;
            }
            let hole_end = self.waiting.range(at..).next().map_or(end, |(start, _)| end.min(*start));
            let (from, to) = (at.saturating_sub(offset) as usize, hole_end.saturating_sub(offset) as usize);
            let Some(part) = bytes.get(from..to).filter(|_| self.waiting.len() < MAX_PIECES) else {
                return false;
            };
            self.bytes = self.bytes.saturating_add(part.len());
            self.waiting.insert(at, part.to_vec());
            at = hole_end;
        }
        true
    }

    /// Takes the next bytes out, as far as they were put in at once.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let first = self.waiting.first_entry().filter(|first| *first.key() == self.next)?;
        let piece = first.remove();
        self.next = self.next.saturating_add(piece.len() as u64);
        self.bytes = self.bytes.saturating_sub(piece.len());
        Some(piece)
    }

    /// Whether something waits for bytes before it.
    pub(crate) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// About what it takes beside itself.
    pub(crate) fn held(&self) -> usize {
        self.bytes.saturating_add(self.waiting.len().saturating_mul(ENTRY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::testing::Noise;

    fn taken(pieces: &mut Pieces) -> Vec<u8> {
        std::iter::from_fn(|| pieces.take()).flatten().collect()
    }

    #[test]
    fn pieces_come_out_in_order_and_the_first_wins() {
        let mut pieces = Pieces::new(100);
        assert!(pieces.insert(4, b"EF"));
        assert!(pieces.take().is_none() && pieces.waits());
        assert!(pieces.insert(2, b"cdefgh"));
        assert!(pieces.insert(0, b"ab"));
        assert_eq!(taken(&mut pieces), b"abcdEFgh");
        assert!(!pieces.waits() && pieces.held() == 0);
        // What was taken out does not come again.
        assert!(pieces.insert(0, b"abcdefghij"));
        assert_eq!(taken(&mut pieces), b"ij");
    }

    #[test]
    fn what_is_too_far_ahead_is_refused_and_costs_nothing() {
        let mut pieces = Pieces::new(10);
        assert!(pieces.insert(8, b"ij") && !pieces.insert(8, b"ijk"));
        assert!(!pieces.insert(u64::MAX, b"a") && !pieces.insert((1 << 62) - 1, b"a"));
        assert_eq!(pieces.held(), 2 + ENTRY);
        let mut pieces = Pieces::new(10_000);
        let accepted = (0..1_000).filter(|n| pieces.insert(n * 2 + 1, b"x")).count();
        assert_eq!(accepted, MAX_PIECES);
    }

    /// A slow twin: one slot for each byte.
    #[test]
    fn any_order_of_any_pieces_gives_what_an_array_of_slots_gives() {
        for seed in 0..500 {
            let mut noise = Noise(seed);
            let (mut pieces, mut slots) = (Pieces::new(64), vec![None; 64]);
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..40 {
                let offset = noise.next() % 64;
                let length = (noise.next() % 12).min(64 - offset) as usize;
                let bytes = noise.bytes(length, &[]);
                assert!(pieces.insert(offset, &bytes));
                for (slot, byte) in slots.iter_mut().skip(offset as usize).zip(&bytes) {
                    slot.get_or_insert(*byte);
                }
                if noise.next().is_multiple_of(3) {
                    ours.extend(taken(&mut pieces));
                    theirs = slots.iter().map_while(|slot| *slot).collect();
                    assert_eq!(ours, theirs);
                }
            }
            assert!(ours.len() <= 64 && theirs.len() == ours.len());
        }
    }
}
