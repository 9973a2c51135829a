//! Frames and where they are.

use std::fmt;
use std::num::NonZeroU64;

use super::Timestamp;

/// Which capture of the input, in the order given; names are kept in the run's statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CaptureId(pub u32);

/// Number of a frame in its capture, from 1: Wireshark's `frame.number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameNo(pub u64);

impl fmt::Display for FrameNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A frame of the whole input. 24 bits for the capture, 40 for the frame (10^12 frames); both
/// saturate. Ordered by capture, then frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameRef(
    /// One more than the bits, so that "no frame" takes no room of its own.
    NonZeroU64,
);

/// Frame 0 of the first capture, which no capture has.
impl Default for FrameRef {
    fn default() -> Self {
        Self(NonZeroU64::MIN)
    }
}

/// Stands for a frame that is not known yet.
pub(super) const NO_FRAME: FrameRef = FrameRef(NonZeroU64::MAX);

const FRAME_BITS: u32 = 40;
const FRAME_MASK: u64 = (1 << FRAME_BITS) - 1;
const CAPTURE_MASK: u64 = (1 << 24) - 1;

impl FrameRef {
    /// The frame `no` of `capture`.
    pub fn new(capture: CaptureId, no: FrameNo) -> Self {
        let bits = (u64::from(capture.0).min(CAPTURE_MASK) << FRAME_BITS) | no.0.min(FRAME_MASK);
        Self(NonZeroU64::MIN.saturating_add(bits))
    }

    /// Which capture it is in.
    pub fn capture(self) -> CaptureId {
        CaptureId((self.bits() >> FRAME_BITS) as u32)
    }

    /// Its number there.
    pub fn no(self) -> FrameNo {
        FrameNo(self.bits() & FRAME_MASK)
    }

    fn bits(self) -> u64 {
        self.0.get().saturating_sub(1)
    }
}

/// A LINKTYPE value: how the bytes of a frame begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback: four bytes of address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet II and 802.3.
    pub const ETHERNET: Self = Self(1);
    /// PPP, perhaps with an HDLC address.
    pub const PPP: Self = Self(9);
    /// PPP in HDLC-like framing (RFC 1662), or Cisco HDLC.
    pub const PPP_HDLC: Self = Self(50);
    /// PPPoE, from its session header on.
    pub const PPP_ETHER: Self = Self(51);
    /// Raw IP, version in the first nibble.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// IEEE 802.11.
    pub const IEEE802_11: Self = Self(105);
    /// OpenBSD loopback: as NULL, in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture v1.
    pub const LINUX_SLL: Self = Self(113);
    /// IEEE 802.11 behind a Prism header.
    pub const PRISM: Self = Self(119);
    /// IEEE 802.11 behind a radiotap header.
    pub const RADIOTAP: Self = Self(127);
    /// TZSP.
    pub const TZSP: Self = Self(128);
    /// IEEE 802.11 behind an AVS header.
    pub const AVS: Self = Self(163);
    /// Any link type behind a per-packet information header.
    pub const PPI: Self = Self(192);
    /// PPP behind a byte of direction.
    pub const PPP_WITH_DIR: Self = Self(204);
    /// MPLS.
    pub const MPLS: Self = Self(219);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture v2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// One frame as captured, lent by the batch that owns its block.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Where it is.
    pub at: FrameRef,
    /// When it was captured.
    pub time: Timestamp,
    /// How its bytes begin.
    pub link_type: LinkType,
    /// Bytes on the wire; `data` may be shorter (snap length).
    pub orig_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_gives_back_what_it_was_made_of() {
        let frame = FrameRef::new(CaptureId(7), FrameNo(123_456_789_012));
        assert_eq!((frame.capture(), frame.no()), (CaptureId(7), FrameNo(123_456_789_012)));
        assert!(frame < FrameRef::new(CaptureId(8), FrameNo(1)));
        assert_eq!(size_of::<Option<FrameRef>>(), 8);
    }
}
