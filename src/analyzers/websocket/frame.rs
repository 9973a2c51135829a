//! The header of a frame (RFC 6455 section 5.2).

/// What a frame is, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Last frame of its message.
    pub(super) fin: bool,
    /// RSV1.
    pub(super) rsv1: bool,
    /// RSV2 or RSV3.
    pub(super) reserved: bool,
    /// Opcode, 0 to 15.
    pub(super) opcode: u8,
    /// Masking key, if it is masked.
    pub(super) key: Option<[u8; 4]>,
    /// Length of the payload in bytes; the most significant bit, which must be zero, as sent.
    pub(super) length: u64,
    /// The length is not in its shortest form.
    pub(super) long_form: bool,
}

/// Continuation of a fragmented message.
pub(super) const CONTINUATION: u8 = 0x0;
/// Text.
pub(super) const TEXT: u8 = 0x1;
/// Bytes.
pub(super) const BINARY: u8 = 0x2;
/// Connection close.
pub(super) const CLOSE: u8 = 0x8;
/// Ping.
pub(super) const PING: u8 = 0x9;
/// Pong.
pub(super) const PONG: u8 = 0xa;

/// The longest header: two bytes, eight of length, four of key.
const MAX_HEADER: usize = 14;

/// Collects a header byte by byte, however the stream is cut.
#[derive(Debug, Default)]
pub(super) struct HeaderBuffer {
    bytes: [u8; MAX_HEADER],
    /// How many of them are there; 0 <= have <= MAX_HEADER.
    have: usize,
}

impl HeaderBuffer {
    /// Takes bytes from the front of `stream` until the header is whole; how many, and the header
    /// then.
    pub(super) fn feed(&mut self, stream: &[u8]) -> (usize, Option<Header>) {
        for (at, byte) in stream.iter().enumerate() {
            if let Some(slot) = self.bytes.get_mut(self.have) {
                *slot = *byte;
            }
            self.have = self.have.saturating_add(1);
            if let Some(header) = parse(self.bytes.get(..self.have).unwrap_or_default()) {
                self.have = 0;
                return (at.saturating_add(1), Some(header));
            }
        }
        (stream.len(), None)
    }
}

/// The header that `bytes` are; `None` if it is longer.
fn parse(bytes: &[u8]) -> Option<Header> {
    let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
    let (length, long_form, rest) = match second & 0x7f {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let length = u64::from(u16::from_be_bytes(*length));
            (length, length < 126, rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            let length = u64::from_be_bytes(*length);
            (length, length < 0x1_0000, rest)
        }
        length => (u64::from(length), false, rest),
    };
    let key = if second & 0x80 == 0 { None } else { Some(*rest.first_chunk::<4>()?) };
    Some(Header {
        fin: first & 0x80 != 0,
        rsv1: first & 0x40 != 0,
        reserved: first & 0x30 != 0,
        opcode: first & 0x0f,
        key,
        length,
        long_form,
    })
}

impl Header {
    /// Close, ping, pong, and what may yet be defined beside them.
    pub(super) fn is_control(&self) -> bool {
        self.opcode & 0x8 != 0
    }

    /// The opcode as a word.
    pub(super) fn word(&self) -> &'static str {
        match self.opcode {
            CONTINUATION => "continuation",
            TEXT => "text",
            BINARY => "binary",
            CLOSE => "close",
            PING => "ping",
            PONG => "pong",
            _ => "reserved",
        }
    }
}

/// Payload of a frame, unmasked; `before` bytes of the same frame came earlier (section 5.3).
pub(super) fn unmasked(bytes: &[u8], key: Option<[u8; 4]>, before: u64) -> Vec<u8> {
    let Some(key) = key else { return bytes.to_vec() };
    let key = u32::from_be_bytes(key).rotate_left((before as u32 & 3).wrapping_mul(8)).to_be_bytes();
    let mut plain = bytes.to_vec();
    let word = u32::from_ne_bytes(key);
    let (words, rest) = plain.as_chunks_mut::<4>();
    words.iter_mut().for_each(|bytes| *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes());
    rest.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_rfc_6455_section_5_7() {
        let plain = Header {
            fin: true,
            rsv1: false,
            reserved: false,
            opcode: TEXT,
            key: None,
            length: 5,
            long_form: false,
        };
        for (bytes, expected) in [
            (&[0x81, 0x05][..], plain),
            (&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d], Header { key: Some([0x37, 0xfa, 0x21, 0x3d]), ..plain }),
            (&[0x01, 0x03], Header { fin: false, length: 3, ..plain }),
            (&[0x80, 0x02], Header { opcode: CONTINUATION, length: 2, ..plain }),
            (&[0x89, 0x05], Header { opcode: PING, ..plain }),
            (&[0x82, 0x7e, 0x01, 0x00], Header { opcode: BINARY, length: 256, ..plain }),
            (&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], Header { opcode: BINARY, length: 65_536, ..plain }),
            (&[0x82, 0x7e, 0x00, 0x7d], Header { opcode: BINARY, length: 125, long_form: true, ..plain }),
            (&[0xc1, 0x00], Header { rsv1: true, length: 0, ..plain }),
        ] {
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]), None);
                let mut buffer = HeaderBuffer::default();
                assert_eq!(buffer.feed(&bytes[..cut]), (cut, None));
                let mut rest = bytes[cut..].to_vec();
                rest.push(0xff);
                assert_eq!(buffer.feed(&rest), (bytes.len() - cut, Some(expected)));
            }
        }
    }

    #[test]
    fn the_mask_goes_on_where_the_last_piece_ended() {
        let key = Some([0x37, 0xfa, 0x21, 0x3d]);
        let masked = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        for cut in 0..=masked.len() {
            let mut text = unmasked(&masked[..cut], key, 0);
            text.extend(unmasked(&masked[cut..], key, cut as u64));
            assert_eq!(text, b"Hello");
        }
    }
}
