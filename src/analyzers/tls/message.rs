//! Handshake messages (RFC 8446 section 4): put together from the bodies of handshake records,
//! several in one record or one over many. Only messages that are wanted are buffered, and only as
//! far as they came.

use super::take;

/// Bytes of a message header: type and 24-bit length.
const HEADER: usize = 4;

/// Longest message that is buffered; a chain of certificates is the longest that is legitimate.
pub(super) const MAX_MESSAGE: u32 = 128 * 1024;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A header is complete; [`MessageReader::keep`] now, or the body is passed over.
    Header { kind: u8, length: u32 },
    /// A message that was wanted.
    Message { kind: u8, body: Vec<u8> },
    /// A message that was passed over.
    Passed { kind: u8 },
}

/// Puts the messages of one direction together.
#[derive(Debug, Default)]
pub(super) struct MessageReader {
    header: [u8; HEADER],
    /// 0 <= have <= HEADER.
    have: usize,
    /// Bytes of the body still to come; meaningful once the header is complete.
    left: u32,
    keep: bool,
    /// A part of the body is missing, which was told.
    cut: bool,
    /// What came of the body so far; at most [`MAX_MESSAGE`].
    body: Vec<u8>,
}

impl MessageReader {
    /// The next step, taken from the front of `input`; `None` when it needs more bytes.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Step> {
        if self.have < HEADER {
            return self.header(input);
        }
        let [kind, ..] = self.header;
        let bytes = take(input, self.left as usize);
        self.left = self.left.saturating_sub(bytes.len() as u32);
        if self.keep {
            self.body.extend_from_slice(bytes);
        }
        if self.left > 0 {
            return None;
        }
        let body = std::mem::take(&mut self.body);
        let (kept, cut) = (self.keep, self.cut);
        self.reset();
        if cut {
            return self.header(input);
        }
        Some(if kept { Step::Message { kind, body } } else { Step::Passed { kind } })
    }

    fn header(&mut self, input: &mut &[u8]) -> Option<Step> {
        let bytes = take(input, HEADER.saturating_sub(self.have));
        for (slot, byte) in self.header.iter_mut().skip(self.have).zip(bytes) {
            *slot = *byte;
        }
        self.have = self.have.saturating_add(bytes.len());
        if self.have < HEADER {
            return None;
        }
        let [kind, a, b, c] = self.header;
        self.left = u32::from_be_bytes([0, a, b, c]);
        Some(Step::Header { kind, length: self.left })
    }

    /// Passes over `missed` bytes that are not in the capture, and the message whose body they are of, of which this gives
    /// the type; `None` if they reach beyond it.
    pub(super) fn skip(&mut self, missed: u64) -> Option<u8> {
        let left = u64::from(self.left).checked_sub(missed).filter(|_| self.have == HEADER)?;
        let [kind, ..] = self.header;
        *self = Self { header: self.header, have: HEADER, left: left as u32, cut: true, ..Self::default() };
        Some(kind)
    }

    /// Whether a part of the message at hand is missing.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Wants the message whose header was just read; false if it is too long for that.
    pub(super) fn keep(&mut self) -> bool {
        self.keep = self.left <= MAX_MESSAGE;
        self.keep
    }

    /// Begins an SSLv2 message, which has no header of this kind: `start` are its first bytes, its
    /// type the first of them, `length` is that of all of it. The body that comes of it includes
    /// the type.
    pub(super) fn begin_ssl2(&mut self, start: [u8; 3], length: u16) {
        let [kind, ..] = start;
        *self = Self {
            header: [kind, 0, 0, 0],
            have: HEADER,
            left: u32::from(length).saturating_sub(3),
            keep: true,
            cut: false,
            body: start.to_vec(),
        };
    }

    /// What it takes beside itself.
    pub(super) fn held(&self) -> usize {
        self.body.capacity()
    }

    /// Forgets a message that will never be complete.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}
