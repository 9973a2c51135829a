//! How long the content of an encrypted record is, from the length of the record.

use crate::analyzers::tls::adapter::{self, Cipher};

/// TLS 1.1: from here on CBC records begin with an initialisation vector of their own.
const TLS11: u16 = 0x0302;

/// What a suite adds to the content of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::analyzers::tls) enum Sizes {
    /// Always as much: nonce and tag of an AEAD (RFC 5288 section 3, RFC 6655 section 3, RFC 7905 section 2), or the MAC of a
    /// stream cipher (RFC 5246 section 6.2.3.1).
    Exact(u16),
    /// TLS 1.3: tag, content type, and as many zeros as the sender likes (RFC 8446 sections 5.2 and 5.4).
    Tls13 { tag: u16 },
    /// Initialisation vector, MAC, and 1 to `block` bytes of padding (RFC 5246 section 6.2.3.2). Where the MAC is outside the
    /// encryption (RFC 7366 section 3) the sum is the same. More padding is allowed, but nobody sends it.
    Block { fixed: u16, block: u16 },
}

/// Length of the content, in bytes: exact, or between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) low: u16,
    pub(super) high: u16,
}

impl Size {
    /// Whether it is known to be `bytes`.
    pub(super) fn is(self, bytes: u16) -> bool {
        self.low == bytes && self.high == bytes
    }

    /// Whether it may be `bytes`.
    pub(super) fn may_be(self, bytes: u16) -> bool {
        (self.low..=self.high).contains(&bytes)
    }

    /// Whether it may be between two lengths, both included.
    pub(super) fn may_be_within(self, low: u16, high: u16) -> bool {
        self.low <= high && self.high >= low
    }

    pub(super) fn is_exact(self) -> bool {
        self.low == self.high
    }
}

impl Sizes {
    /// Of a negotiated version and suite. `None` where records say too little: suites that are not known, and CBC before TLS
    /// 1.1, where implementations split every message in two (an empty or one-byte record first).
    pub(in crate::analyzers::tls) fn of(
        version: u16,
        tls13: bool,
        suite: u16,
        truncated_mac: bool,
    ) -> Option<Self> {
        // RFC 6066 section 7: an HMAC cut to ten bytes.
        let mac = |bytes: u16| if truncated_mac { bytes.min(10) } else { bytes };
        Some(match adapter::cipher(suite)? {
            Cipher::Aead { tag, .. } if tls13 => Self::Tls13 { tag },
            Cipher::Aead { nonce, tag } => Self::Exact(nonce.saturating_add(tag)),
            Cipher::Stream { mac: bytes } => Self::Exact(mac(bytes)),
            Cipher::Block { block, mac: bytes } if version >= TLS11 => {
                Self::Block { fixed: block.saturating_add(mac(bytes)), block }
            }
            Cipher::Block { .. } => return None,
        })
    }

    /// The content of a record with a body of `length` bytes; `None` if it is too short for one.
    pub(super) fn content(self, length: u16) -> Option<Size> {
        match self {
            Self::Exact(added) => length.checked_sub(added).map(|bytes| Size { low: bytes, high: bytes }),
            Self::Tls13 { tag } => {
                length.checked_sub(tag.saturating_add(1)).map(|bytes| Size { low: bytes, high: bytes })
            }
            Self::Block { fixed, block } => {
                let high = length.checked_sub(fixed)?.checked_sub(1)?;
                Some(Size { low: high.saturating_sub(block.saturating_sub(1)), high })
            }
        }
    }

    /// Whether the sender may pad at will.
    pub(super) fn may_be_padded(self) -> bool {
        matches!(self, Self::Tls13 { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: u16, suite: u16) -> Sizes {
        Sizes::of(version, version == 0x0304, suite, false).unwrap()
    }

    fn content(version: u16, suite: u16, length: u16) -> (u16, u16) {
        let size = of(version, suite).content(length).unwrap();
        (size.low, size.high)
    }

    /// Records of one message of two bytes, computed by hand from the sections named above.
    #[test]
    fn a_ping_of_two_bytes_has_one_length_in_each_kind_of_suite() {
        // TLS 1.3: content type and a tag of 16; CCM_8: 8.
        for suite in [0x1301, 0x1302, 0x1303, 0x1304] {
            assert_eq!(content(0x0304, suite, 2 + 1 + 16), (2, 2), "{suite:04x}");
        }
        assert_eq!(content(0x0304, 0x1305, 2 + 1 + 8), (2, 2));
        // TLS 1.2: GCM and CCM with an explicit nonce of 8, CCM_8 with half the tag, ChaCha20 without nonce.
        assert_eq!(content(0x0303, 0xc02b, 8 + 2 + 16), (2, 2));
        assert_eq!(content(0x0303, 0xc0ac, 8 + 2 + 16), (2, 2));
        assert_eq!(content(0x0303, 0xc0ae, 8 + 2 + 8), (2, 2));
        assert_eq!(content(0x0303, 0xcca9, 2 + 16), (2, 2));
        // RC4 with SHA-1.
        assert_eq!(content(0x0303, 0x0005, 2 + 20), (2, 2));
        // CBC: IV 16, and content with MAC and 1 to 16 bytes of padding fill blocks: 2 + 20 + 10 = 32.
        assert_eq!(content(0x0303, 0xc009, 16 + 32), (0, 11));
        assert_eq!(content(0x0303, 0xc023, 16 + 48), (0, 15));
        assert_eq!(content(0x0303, 0xc024, 16 + 64), (0, 15));
        // 3DES: blocks of 8: 2 + 20 + 2 = 24.
        assert_eq!(content(0x0303, 0x000a, 8 + 24), (0, 3));
    }

    #[test]
    fn every_content_lies_within_what_its_record_allows() {
        for (suite, mac) in [(0xc009, 20), (0xc023, 32), (0xc024, 48)] {
            for bytes in 0..200_u16 {
                // MAC-then-encrypt: all in whole blocks. Encrypt-then-MAC: the MAC after the blocks.
                let inside = 16 + (bytes + mac + 16) / 16 * 16;
                let outside = 16 + (bytes + 16) / 16 * 16 + mac;
                for length in [inside, outside] {
                    let (low, high) = content(0x0303, suite, length);
                    assert!((low..=high).contains(&bytes), "{suite:04x} {bytes} in {length}: {low}..={high}");
                    assert!(high - low < 16);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        // TLS 1.0 splits what it sends with CBC; a suite that nobody knows; a record too short for its tag.
        assert_eq!(Sizes::of(0x0301, false, 0xc009, false), None);
        assert_eq!(Sizes::of(0x0303, false, 0xfafa, false), None);
        for length in 0..17 {
            assert_eq!(of(0x0304, 0x1301).content(length), None);
        }
        for length in 0..37 {
            assert_eq!(of(0x0303, 0xc009).content(length), None, "{length}");
        }
        assert_eq!(Sizes::of(0x0303, false, 0xc009, true), Some(Sizes::Block { fixed: 26, block: 16 }));
    }
}
