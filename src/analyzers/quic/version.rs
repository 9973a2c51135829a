//! What differs between versions of QUIC: salts, labels, type numbers, the key of Retry packets.

use super::packet::Kind;

/// A version whose first packets can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// From which, with a connection identifier, the secrets of Initial packets follow (RFC 9001 section 5.2).
    pub(super) salt: [u8; 20],
    /// Labels of key, vector and header protection key (RFC 9001 section 5.1).
    pub(super) labels: [&'static str; 3],
    /// What the type bits 0 to 3 of a long header mean (RFC 9000 section 17.2).
    kinds: [Kind; 4],
    /// Key and nonce of the integrity tag of a Retry packet (RFC 9001 section 5.8).
    pub(super) retry: ([u8; 16], [u8; 12]),
}

impl Version {
    /// The version with this number, if its first packets can be read.
    pub(super) fn of(number: u32) -> Option<&'static Self> {
        Some(match number {
            V1 | 0xff00_0021 | 0xff00_0022 => &VERSION_1,
            V2 => &VERSION_2,
            0xff00_001d..=0xff00_0020 => &DRAFT_29,
            0xff00_0019..=0xff00_001c => &DRAFT_25,
            // No server knows these, but clients protect them as a version that they know.
            _ if is_reserved(number) => &VERSION_1,
            _ => return None,
        })
    }

    /// Another version whose keys a packet with this number may have.
    pub(super) fn or(number: u32) -> Option<&'static Self> {
        is_reserved(number).then_some(&DRAFT_29)
    }

    /// What a long header with this first byte begins.
    pub(super) fn kind(&self, first: u8) -> Kind {
        let [a, b, c, d] = self.kinds;
        match first >> 4 & 0b11 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        }
    }
}

/// Version 1 (RFC 9000) and 2 (RFC 9369).
pub(super) const V1: u32 = 1;
/// See [`V1`].
pub(super) const V2: u32 = 0x6b33_43cf;

const KINDS_1: [Kind; 4] = [Kind::Initial, Kind::ZeroRtt, Kind::Handshake, Kind::Retry];
const LABELS_1: [&str; 3] = ["quic key", "quic iv", "quic hp"];

/// RFC 9001; drafts 33 and 34 differ in their number only.
static VERSION_1: Version = Version {
    salt: [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
        0xbb, 0x7f, 0x0a,
    ],
    labels: LABELS_1,
    kinds: KINDS_1,
    retry: (
        [0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e],
        [0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb],
    ),
};

/// RFC 9369 section 3.
static VERSION_2: Version = Version {
    salt: [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
        0xbd, 0x2e, 0xd9,
    ],
    labels: ["quicv2 key", "quicv2 iv", "quicv2 hp"],
    kinds: [Kind::Retry, Kind::Initial, Kind::ZeroRtt, Kind::Handshake],
    retry: (
        [0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2, 0x60, 0xfb, 0xcb, 0xce, 0xad, 0x7c, 0xcc, 0x92],
        [0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a],
    ),
};

/// draft-ietf-quic-tls-29 to 32, sections 5.2 and 5.8.
static DRAFT_29: Version = Version {
    salt: [
        0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43,
        0x90, 0xa8, 0x99,
    ],
    labels: LABELS_1,
    kinds: KINDS_1,
    retry: (
        [0xcc, 0xce, 0x18, 0x7e, 0xd0, 0x9a, 0x09, 0xd0, 0x57, 0x28, 0x15, 0x5a, 0x6c, 0xb9, 0x6b, 0xe1],
        [0xe5, 0x49, 0x30, 0xf9, 0x7f, 0x21, 0x36, 0xf0, 0x53, 0x0a, 0x8c, 0x1c],
    ),
};

/// draft-ietf-quic-tls-25 to 28, sections 5.2 and 5.8.
static DRAFT_25: Version = Version {
    salt: [
        0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe,
        0xf9, 0xf5, 0x02,
    ],
    labels: LABELS_1,
    kinds: KINDS_1,
    retry: (
        [0x4d, 0x32, 0xec, 0xdb, 0x2a, 0x21, 0x33, 0xc8, 0x41, 0xe4, 0x04, 0x3d, 0xf2, 0x7d, 0x44, 0x30],
        [0x4d, 0x16, 0x11, 0xd0, 0x55, 0x13, 0xa5, 0x52, 0xc5, 0x87, 0xd5, 0x75],
    ),
};

/// What a version is called: `1`, `2`, `draft-29`, `Q046` (Google's own), else its number in hex.
pub(super) fn name(number: u32) -> String {
    match (number, number.to_be_bytes()) {
        (V1, _) => String::from("1"),
        (V2, _) => String::from("2"),
        (_, [0xff, 0, 0, draft]) => format!("draft-{draft}"),
        (_, letters) if is_google(number) => letters.map(char::from).iter().collect(),
        _ => format!("0x{number:08x}"),
    }
}

/// Whether it is a version of Google's own QUIC, as `Q046` or `T051`.
pub(super) fn is_google(number: u32) -> bool {
    matches!(number.to_be_bytes(), [b'Q' | b'T', b'0', b'0'..=b'9', b'0'..=b'9'])
}

/// Whether a server must not know it (RFC 9000 section 15).
pub(super) fn is_reserved(number: u32) -> bool {
    number & 0x0f0f_0f0f == 0x0a0a_0a0a
}

/// Whether anybody speaks it: a number that is hardly met by chance.
pub(super) fn is_known(number: u32) -> bool {
    matches!(number, V1 | V2 | 0xff00_0011..=0xff00_0022) || is_google(number)
}
