//! Where a message body ends (RFC 9112 sections 6.3 and 7.1). Bodies are counted past, never kept.

/// How the rest of a body is delimited.
#[derive(Debug)]
pub(super) enum Body {
    /// This many bytes to come; more than zero.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
    /// The sender closes the connection.
    UntilClose,
}

/// What came of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All of them belong to the body, and it goes on.
    More,
    /// The body ends after this many of them.
    Done(usize),
    /// They are no chunks.
    Broken,
}

/// Where in the chunked coding a stream is.
#[derive(Debug)]
pub(super) struct Chunked {
    at: ChunkPart,
    /// Bytes of the current line of size, or of all trailers.
    line: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkPart {
    /// In the size, of which this much was read; `digits` says whether any.
    Size { size: u64, digits: bool },
    /// Behind the size, up to the end of the line.
    Extension { size: u64 },
    /// Bytes of data to come; more than zero.
    Data(u64),
    /// Expects the line end after the data.
    DataEnd,
    /// In the trailer section; whether its current line is empty so far.
    Trailer { empty: bool },
}

/// The longest line of a chunk size with its extensions; RFC 9112 section 7.1.1 asks for a limit.
const MAX_SIZE_LINE: u32 = 4096;
/// The longest trailer section.
const MAX_TRAILERS: u32 = 65_536;

impl Body {
    /// A chunked body, from its first byte.
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunked { at: ChunkPart::Size { size: 0, digits: false }, line: 0 })
    }

    /// A body of `length` bytes, or none.
    pub(super) fn of_length(length: u64) -> Option<Self> {
        (length > 0).then_some(Self::Length(length))
    }

    /// The next bytes of the stream.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Progress {
        match self {
            Self::UntilClose => Progress::More,
            Self::Length(left) => {
                let taken = within(*left, bytes);
                *left = left.saturating_sub(taken as u64);
                if *left == 0 { Progress::Done(taken) } else { Progress::More }
            }
            Self::Chunked(chunked) => chunked.advance(bytes),
        }
    }

    /// `missed` bytes are not in the capture. `Done(0)` if they were just the rest of the body;
    /// `Broken` if it cannot be told any more where the stream is.
    pub(super) fn gap(&mut self, missed: u64) -> Progress {
        match self {
            Self::UntilClose => Progress::More,
            Self::Length(left) => match left.checked_sub(missed) {
                Some(0) => Progress::Done(0),
                Some(rest) => {
                    *left = rest;
                    Progress::More
                }
                None => Progress::Broken,
            },
            Self::Chunked(chunked) => chunked.gap(missed),
        }
    }
}

impl Chunked {
    fn advance(&mut self, bytes: &[u8]) -> Progress {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let ChunkPart::Data(left) = self.at {
                let taken = within(left, bytes.get(at..).unwrap_or_default());
                at = at.saturating_add(taken);
                let left = left.saturating_sub(taken as u64);
                self.at = if left == 0 { ChunkPart::DataEnd } else { ChunkPart::Data(left) };
                continue;
            }
            at = at.saturating_add(1);
            match self.control(byte) {
                Some(true) => return Progress::Done(at),
                Some(false) => {}
                None => return Progress::Broken,
            }
        }
        Progress::More
    }

    fn gap(&mut self, missed: u64) -> Progress {
        let ChunkPart::Data(left) = self.at else { return Progress::Broken };
        self.at = match left.checked_sub(missed) {
            Some(0) => ChunkPart::DataEnd,
            Some(rest) => ChunkPart::Data(rest),
            None => return Progress::Broken,
        };
        Progress::More
    }

    /// One byte that is not data. Whether the body ends with it; `None` if it does not belong
    /// there. A lone LF ends a line, as RFC 9112 section 2.2 lets a recipient do; CR before it is
    /// skipped.
    fn control(&mut self, byte: u8) -> Option<bool> {
        self.line = self.line.saturating_add(1);
        let in_trailers = matches!(self.at, ChunkPart::Trailer { .. });
        if self.line > if in_trailers { MAX_TRAILERS } else { MAX_SIZE_LINE } {
            return None;
        }
        match (self.at, byte) {
            (ChunkPart::Size { size, digits: true } | ChunkPart::Extension { size }, b'\n') => {
                self.line = 0;
                self.at = if size == 0 { ChunkPart::Trailer { empty: true } } else { ChunkPart::Data(size) };
            }
            (ChunkPart::Size { size, digits: true }, b'\r' | b' ' | b'\t' | b';') => {
                self.at = ChunkPart::Extension { size };
            }
            (ChunkPart::Size { size, .. }, _) => {
                let digit = char::from(byte).to_digit(16)?;
                let size = size.checked_mul(16)?.checked_add(u64::from(digit))?;
                self.at = ChunkPart::Size { size, digits: true };
            }
            (ChunkPart::Extension { .. }, _) | (ChunkPart::DataEnd | ChunkPart::Trailer { .. }, b'\r') => {}
            (ChunkPart::DataEnd, b'\n') => {
                self.line = 0;
                self.at = ChunkPart::Size { size: 0, digits: false };
            }
            (ChunkPart::Trailer { empty: true }, b'\n') => return Some(true),
            (ChunkPart::Trailer { .. }, _) => self.at = ChunkPart::Trailer { empty: byte == b'\n' },
            // `Data` is dealt with in bulk.
            (ChunkPart::DataEnd | ChunkPart::Data(_), _) => return None,
        }
        Some(false)
    }
}

/// How many of `bytes` are among the next `left`.
fn within(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes of `stream` the body takes when it comes in pieces of `piece` bytes.
    fn taken(mut body: Body, stream: &[u8], piece: usize) -> Option<usize> {
        let mut before = 0;
        for chunk in stream.chunks(piece) {
            match body.advance(chunk) {
                Progress::More => before += chunk.len(),
                Progress::Done(taken) => return Some(before + taken),
                Progress::Broken => return None,
            }
        }
        None
    }

    #[test]
    fn chunks_with_extensions_and_trailers_end_where_they_should() {
        // RFC 9112 section 7.1: sizes in hex of either case, extensions, trailer fields.
        for stream in [
            &b"4\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\n\r\n"[..],
            b"a;name=\"v;\"\r\n0123456789\r\n00\r\nExpires: never\r\nX: y\r\n\r\n",
            b"3 \nabc\n0\n\n",
            b"0\r\n\r\n",
        ] {
            let mut followed = stream.to_vec();
            followed.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            for piece in 1..=followed.len() {
                assert_eq!(taken(Body::chunked(), &followed, piece), Some(stream.len()), "{piece}");
            }
            for cut in 0..stream.len() {
                assert_eq!(taken(Body::chunked(), &stream[..cut], stream.len()), None);
            }
        }
    }

    #[test]
    fn what_is_no_chunk_is_told() {
        for stream in [
            &b"\r\n"[..],
            b"x\r\n",
            b";\r\n",
            b"-1\r\n",
            b"3\r\nabcd",
            b"11112222333344445\r\n",
            b"0x3\r\nabc",
        ] {
            assert_eq!(Body::chunked().advance(stream), Progress::Broken, "{stream:?}");
        }
        let endless = vec![b' '; MAX_SIZE_LINE as usize];
        let mut body = Body::chunked();
        assert_eq!(body.advance(b"1"), Progress::More);
        assert_eq!(body.advance(&endless), Progress::Broken);
    }

    #[test]
    fn a_gap_within_known_bytes_is_counted_past_and_another_is_not() {
        let mut body = Body::Length(10);
        assert_eq!(body.advance(b"abc"), Progress::More);
        assert_eq!(body.gap(4), Progress::More);
        assert_eq!(body.advance(b"defgh"), Progress::Done(3));
        assert_eq!(Body::Length(10).gap(10), Progress::Done(0));
        assert_eq!(Body::Length(10).gap(11), Progress::Broken);
        let mut body = Body::chunked();
        assert_eq!(body.advance(b"9\r\nab"), Progress::More);
        assert_eq!(body.gap(6), Progress::More);
        assert_eq!(body.advance(b"c\r\n0\r\n\r\n"), Progress::Done(8));
        assert_eq!(body.gap(1), Progress::Broken);
        let mut body = Body::chunked();
        assert_eq!(body.advance(b"9\r\n"), Progress::More);
        assert_eq!(body.gap(9), Progress::More);
        assert_eq!(body.advance(b"\r\n0\r\n\r\n"), Progress::Done(7));
    }
}
