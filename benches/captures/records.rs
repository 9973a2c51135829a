//! Data as an application protocol puts it on a connection.

use super::random::Random;

/// How a protocol frames its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Application data records of this version (RFC 8446 section 5.1).
    Tls([u8; 2]),
    /// Binary frames, masked from the client (RFC 6455 section 5.2).
    WebSocket,
    /// PUBLISH of QoS 0, or a ping where it is no longer than that (MQTT 3.1.1).
    Mqtt,
}

/// A run of records of a given length in all, handed out in pieces of any length.
#[derive(Debug)]
pub(super) struct Records {
    framing: Framing,
    from: usize,
    left: u64,
    /// Header bytes of the record begun, and what is left of its body.
    header: Vec<u8>,
    body: u64,
}

impl Records {
    /// From end `from` (0: the client), `len` bytes, headers included.
    pub(super) fn new(framing: Framing, from: usize, len: u64) -> Self {
        Self { framing, from, left: len, header: Vec::new(), body: 0 }
    }

    /// Bytes that are still to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Appends the next `len` bytes, no more than are left.
    pub(super) fn take(&mut self, out: &mut Vec<u8>, mut len: usize, random: &mut Random) {
        while len > 0 && self.left > 0 {
            if self.header.is_empty() && self.body == 0 {
                self.begin(random);
            }
            let piece = if self.header.is_empty() {
                let piece = len.min(self.body as usize);
                random.fill(out, piece);
                self.body -= piece as u64;
                piece
            } else {
                let piece = len.min(self.header.len());
                out.extend(self.header.drain(..piece));
                piece
            };
            len -= piece;
            self.left -= piece as u64;
        }
    }

    fn begin(&mut self, random: &mut Random) {
        let most = match self.framing {
            // 16 KiB, the byte of the inner type, and the tag.
            Framing::Tls(_) => 5 + 16_384 + 17,
            Framing::WebSocket | Framing::Mqtt => 8_192,
        };
        let whole = match self.left {
            left if left <= most => left,
            // The last one must not be too short for a header.
            left if left < most + 1_000 => left / 2,
            _ => most,
        };
        self.header = header(self.framing, self.from, whole as u16, random);
        self.body = whole - self.header.len() as u64;
    }
}

/// The header of a record that is `whole` bytes long with it.
fn header(framing: Framing, from: usize, whole: u16, random: &mut Random) -> Vec<u8> {
    let mut header = Vec::with_capacity(8);
    match framing {
        Framing::Tls([major, minor]) => {
            header.extend_from_slice(&[23, major, minor]);
            header.extend_from_slice(&(whole - 5).to_be_bytes());
        }
        Framing::WebSocket => {
            let (masked, mask) = if from == 0 { (0x80, 4) } else { (0, 0) };
            if whole - 2 - mask < 126 {
                header.extend_from_slice(&[0x82, masked | (whole - 2 - mask) as u8]);
            } else {
                header.extend_from_slice(&[0x82, masked | 0x7e]);
                header.extend_from_slice(&(whole - 4 - mask).to_be_bytes());
            }
            random.fill(&mut header, usize::from(mask));
        }
        Framing::Mqtt if whole == 2 => header.extend_from_slice(&[if from == 0 { 0xc0 } else { 0xd0 }, 0]),
        Framing::Mqtt => {
            header.push(0x30);
            if whole - 2 < 128 {
                header.push((whole - 2) as u8);
            } else {
                let rest = whole - 3;
                header.extend_from_slice(&[(rest & 127) as u8 | 128, (rest >> 7) as u8]);
            }
            header.extend_from_slice(&[0, 3, b'a', b'/', b'b']);
        }
    }
    header
}
