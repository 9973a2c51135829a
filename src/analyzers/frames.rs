//! Messages with a length in front, put together from segments.

/// Collects such messages of one direction. Of a longer one only the front is kept.
#[derive(Debug)]
pub(crate) struct FrameReader {
    front: Vec<u8>,
    /// Bytes of the message taken so far; at least `front.len()`.
    have: u64,
    limit: usize,
}

/// How long a message is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// More of it must be seen.
    More,
    /// This many bytes, header included.
    Whole(u64),
    /// These are no header.
    Broken,
}

/// What [`FrameReader::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    /// A message, or its front.
    Message(Vec<u8>),
    /// No end of a message yet.
    More,
    /// Something that is no message.
    Broken,
}

impl FrameReader {
    /// Keeps at most `limit` bytes of a message; enough for `size` to tell its length.
    pub(crate) fn new(limit: usize) -> Self {
        Self { front: Vec::new(), have: 0, limit }
    }

    /// Takes bytes of one message from the front of `input`; `size` knows the header.
    pub(crate) fn next(&mut self, input: &mut &[u8], size: impl Fn(&[u8]) -> Size) -> Framed {
        // Each turn takes at least one byte or ends the loop.
        loop {
            let wanted = match size(&self.front) {
                Size::Broken => return Framed::Broken,
                Size::Whole(whole) if whole <= self.have => {
                    self.have = 0;
                    return Framed::Message(std::mem::take(&mut self.front));
                }
                Size::Whole(whole) => whole.saturating_sub(self.have),
                Size::More if self.front.len() >= self.limit => return Framed::Broken,
                Size::More => 1,
            };
            if input.is_empty() {
                return Framed::More;
            }
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
            let (part, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
            *input = rest;
            let room = self.limit.saturating_sub(self.front.len());
            self.front.extend(part.iter().take(room));
            self.have = self.have.saturating_add(part.len() as u64);
        }
    }

    /// Whether what comes next begins a message.
    pub(crate) fn is_between(&self) -> bool {
        self.have == 0
    }

    /// What it takes beside itself.
    pub(crate) fn held(&self) -> usize {
        self.front.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(front: &[u8]) -> Size {
        match front {
            [] => Size::More,
            [0, ..] => Size::Broken,
            [length, ..] => Size::Whole(u64::from(*length)),
        }
    }

    #[test]
    fn messages_come_out_whole_however_they_went_in() {
        let wire = b"\x03ab\x01\x09abcdefgh\x02x\x04abc";
        for cut in 1..=wire.len() {
            let mut reader = FrameReader::new(4);
            let mut messages = Vec::new();
            for mut chunk in wire.chunks(cut) {
                while let Framed::Message(message) = reader.next(&mut chunk, size) {
                    messages.push(message);
                }
                assert!(chunk.is_empty());
            }
            assert_eq!(
                messages,
                [&b"\x03ab"[..], b"\x01", b"\x09abc", b"\x02x", b"\x04abc"],
                "chunks of {cut}"
            );
        }
        assert_eq!(FrameReader::new(4).next(&mut &b"\x00"[..], size), Framed::Broken);
        assert_eq!(FrameReader::new(4).next(&mut &b"abcdef"[..], |_| Size::More), Framed::Broken);
    }
}
