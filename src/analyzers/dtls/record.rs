//! Records, several in a datagram (RFC 6347 section 4.1, RFC 9147 section 4), and the pieces of handshake messages in
//! them (RFC 6347 section 4.2.2).

use crate::analyzers::tls::take;

/// What a record of DTLS 1.0 to 1.2, or one of 1.3 in the clear, carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    Heartbeat,
    /// Encrypted content of any type behind a connection identifier (RFC 9146).
    WithId,
    /// Acknowledgement of DTLS 1.3.
    Ack,
}

impl Content {
    pub(super) fn of(number: u8) -> Option<Self> {
        Some(match number {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::ApplicationData,
            24 => Self::Heartbeat,
            25 => Self::WithId,
            26 => Self::Ack,
            _ => return None,
        })
    }
}

/// What a datagram goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// With the header of DTLS 1.2; in the clear as long as the epoch is zero.
    Plain { content: Content, version: u16, epoch: u16, body: &'a [u8] },
    /// Encrypted with DTLS 1.3: the lowest two bits of the epoch.
    Unified { epoch: u8 },
    /// Its length reaches beyond the datagram.
    Cut,
    /// No record: other things share the port (RFC 7983).
    Foreign,
}

/// Bytes of the header of DTLS 1.2.
const HEADER: usize = 13;
/// Longest body: 2^14 bytes of plaintext and 2048 of expansion (RFC 5246 section 6.2.3).
pub(super) const MAX_LENGTH: usize = 0x4000 + 2048;

/// Whether a record may have this version: DTLS 1.0 and 1.2, which 1.3 writes as well, and what was there before 1.0.
pub(super) fn is_version(version: u16) -> bool {
    matches!(version, 0xfeff | 0xfefd | 0x0100)
}

/// A datagram without the four bytes that CAPWAP puts before DTLS (RFC 5415 section 4.2).
pub(super) fn without_preamble(datagram: &[u8]) -> &[u8] {
    datagram.strip_prefix(&[1, 0, 0, 0]).unwrap_or(datagram)
}

/// The next record of a datagram, taken from its front; `None` at its end.
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let first = *rest.first()?;
    let record = if first & 0xe0 == 0x20 { unified(rest, first) } else { plain(rest, first) };
    if matches!(record, Record::Cut | Record::Foreign) {
        *rest = &[];
    }
    Some(record)
}

fn plain<'a>(rest: &mut &'a [u8], first: u8) -> Record<'a> {
    let Some(content) = Content::of(first) else { return Record::Foreign };
    let Some([_, a, b, c, d, _, _, _, _, _, _, e, f]) = take(rest, HEADER).first_chunk::<HEADER>() else {
        return Record::Cut;
    };
    let version = u16::from_be_bytes([*a, *b]);
    let epoch = u16::from_be_bytes([*c, *d]);
    if !is_version(version) {
        return Record::Foreign;
    }
    if content == Content::WithId {
        // The identifier is before the length, and only the two ends know how long it is.
        return Record::Plain { content, version, epoch, body: take(rest, rest.len()) };
    }
    let length = usize::from(u16::from_be_bytes([*e, *f]));
    let body = take(rest, length);
    if length > MAX_LENGTH {
        Record::Foreign
    } else if body.len() < length {
        Record::Cut
    } else {
        Record::Plain { content, version, epoch, body }
    }
}

/// `001CSLEE`: whether there is an identifier, whether the number has two bytes, whether there is a length, the epoch
/// (RFC 9147 section 4).
fn unified<'a>(rest: &mut &'a [u8], first: u8) -> Record<'a> {
    let header = if first & 0x08 == 0 { 2 } else { 3 };
    let has_id = first & 0x10 != 0;
    if has_id || first & 0x04 == 0 {
        // To the end of the datagram, or as far as only the two ends know.
        *rest = &[];
        return Record::Unified { epoch: first & 0b11 };
    }
    take(rest, header);
    let Some(length) = take(rest, 2).first_chunk::<2>().map(|two| usize::from(u16::from_be_bytes(*two)))
    else {
        return Record::Cut;
    };
    if take(rest, length).len() < length { Record::Cut } else { Record::Unified { epoch: first & 0b11 } }
}

/// A piece of a handshake message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fragment<'a> {
    pub(super) kind: u8,
    /// Of the whole message.
    pub(super) length: usize,
    /// Number of the message.
    pub(super) number: u16,
    /// Where this piece belongs.
    pub(super) offset: usize,
    pub(super) bytes: &'a [u8],
}

/// Bytes of the header of a piece.
pub(super) const FRAGMENT_HEADER: usize = 12;

/// The next piece in the body of a handshake record, taken from its front; `None` if there is none, or it is broken.
pub(super) fn fragment<'a>(rest: &mut &'a [u8]) -> Option<Fragment<'a>> {
    let [kind, a, b, c, d, e, f, g, h, i, j, k] =
        *take(rest, FRAGMENT_HEADER).first_chunk::<FRAGMENT_HEADER>()?;
    let three = |x, y, z| u32::from_be_bytes([0, x, y, z]) as usize;
    let (length, offset, size) = (three(a, b, c), three(f, g, h), three(i, j, k));
    let bytes = take(rest, size);
    let fits = bytes.len() == size && offset.checked_add(size).is_some_and(|end| end <= length);
    fits.then_some(Fragment { kind, length, number: u16::from_be_bytes([d, e]), offset, bytes })
}
