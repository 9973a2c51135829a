//! The record layer (RFC 8446 section 5.1, RFC 5246 section 6.2): headers are read, bodies are
//! passed on in pieces as they come. Nothing is buffered but the five bytes of a header, so a
//! record costs the same whatever its length.

use super::{VERSION_MAJOR, take};

/// Bytes of a record header.
const HEADER: usize = 5;

/// Longest body: 2^14 bytes of plaintext and 2048 of expansion (RFC 5246 section 6.2.3).
pub(super) const MAX_LENGTH: u16 = 0x4000 + 2048;

/// What a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    Heartbeat,
    /// Not a record but an SSLv2 message of this type, possible only where a stream begins.
    Ssl2(u8),
}

/// A record header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) content: Content,
    /// `legacy_record_version`. Of an SSLv2 message: the two bytes after its type.
    pub(super) version: u16,
    /// Of the body. Of an SSLv2 message: of all that follows its two length bytes.
    pub(super) length: u16,
}

impl Record {
    /// Reads a header; `None` if it is none. `first` allows an SSLv2 message.
    pub(super) fn parse(header: [u8; HEADER], first: bool) -> Option<Self> {
        let [a, b, c, d, e] = header;
        let content = match a {
            20 => Content::ChangeCipherSpec,
            21 => Content::Alert,
            22 => Content::Handshake,
            23 => Content::ApplicationData,
            24 => Content::Heartbeat,
            0x80.. if first && (c == SSL2_CLIENT_HELLO || c == SSL2_SERVER_HELLO) => {
                let length = u16::from_be_bytes([a & 0x7f, b]);
                let version = u16::from_be_bytes([d, e]);
                return (length >= SSL2_MIN).then_some(Self { content: Content::Ssl2(c), version, length });
            }
            _ => return None,
        };
        let length = u16::from_be_bytes([d, e]);
        (b == VERSION_MAJOR && c <= 4 && length <= MAX_LENGTH).then_some(Self {
            content,
            version: u16::from_be_bytes([b, c]),
            length,
        })
    }

    /// The header as it was on the wire; not of an SSLv2 message.
    pub(super) fn header(self) -> [u8; HEADER] {
        let kind = match self.content {
            Content::ChangeCipherSpec => 20,
            Content::Alert => 21,
            Content::Handshake => 22,
            Content::ApplicationData => 23,
            Content::Heartbeat => 24,
            Content::Ssl2(_) => 0,
        };
        let ([b, c], [d, e]) = (self.version.to_be_bytes(), self.length.to_be_bytes());
        [kind, b, c, d, e]
    }

    /// Bytes after the five that were read as header.
    fn body_length(self) -> u16 {
        match self.content {
            Content::Ssl2(_) => self.length.saturating_sub(3),
            _ => self.length,
        }
    }
}

/// SSLv2 message types (RFC 5246 appendix E.2; draft-hickman-netscape-ssl-00).
pub(super) const SSL2_CLIENT_HELLO: u8 = 1;
/// See [`SSL2_CLIENT_HELLO`].
pub(super) const SSL2_SERVER_HELLO: u8 = 4;
/// Fixed part of an SSLv2 ClientHello; that of a ServerHello is longer.
const SSL2_MIN: u16 = 9;

/// What comes next in a stream of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A header is complete.
    Start(Record),
    /// The next bytes of the body, not empty.
    Body(Record, &'a [u8]),
    /// The body is complete.
    End(Record),
    /// What should be a header is none; the stream cannot be followed.
    Broken,
}

/// Cuts one direction of a stream into records.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RecordReader {
    header: [u8; HEADER],
    /// 0 <= have <= HEADER; all of the header while `record` is known.
    have: usize,
    record: Option<Record>,
    /// Bytes of the body still to come.
    left: u16,
    /// A header was read before.
    begun: bool,
}

impl RecordReader {
    /// The next piece, taken from the front of `input`; `None` when it needs more bytes.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Piece<'a>> {
        let Some(record) = self.record else {
            let header = self.header(input)?;
            let Some(record) = Record::parse(header, !self.begun) else { return Some(Piece::Broken) };
            self.record = Some(record);
            self.left = record.body_length();
            self.begun = true;
            return Some(Piece::Start(record));
        };
        if self.left == 0 {
            self.record = None;
            return Some(Piece::End(record));
        }
        let body = take(input, usize::from(self.left));
        self.left = self.left.saturating_sub(body.len() as u16);
        (!body.is_empty()).then_some(Piece::Body(record, body))
    }

    /// The bytes of a header, once all are there.
    fn header(&mut self, input: &mut &[u8]) -> Option<[u8; HEADER]> {
        let bytes = take(input, HEADER.saturating_sub(self.have));
        for (slot, byte) in self.header.iter_mut().skip(self.have).zip(bytes) {
            *slot = *byte;
        }
        self.have = self.have.saturating_add(bytes.len());
        if self.have < HEADER {
            return None;
        }
        self.have = 0;
        Some(self.header)
    }

    /// Goes on with a header.
    pub(super) fn resume(&mut self) {
        *self = Self { begun: true, ..Self::default() };
    }

    /// The record whose body is being read.
    pub(super) fn current(&self) -> Option<Record> {
        self.record
    }

    /// Passes over `missed` bytes that are not in the capture; false if they reach beyond the body
    /// at hand.
    pub(super) fn skip(&mut self, missed: u64) -> bool {
        match u16::try_from(missed) {
            Ok(missed) if self.record.is_some() && missed <= self.left => {
                self.left = self.left.saturating_sub(missed);
                true
            }
            _ => false,
        }
    }

    /// Whether a header was ever complete.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }
}
