//! IPComp (RFC 3173) with DEFLATE (RFC 2394): the content of an IP packet, compressed.

use flate2::{Decompress, FlushDecompress, Status};

use super::{Decoded, Whole, whole};
use crate::model::Packet;
use crate::model::packet::{Segment, WrapKind};

/// What is inside a compressed packet, unpacked. `None` of all others, and where it does not unpack to the last byte, or
/// to something that is no packet: another algorithm has compressed it, or it is cut.
///
/// Not a part of [`super::decode()`], which gives the packet around, since it takes memory.
pub fn unpacked(packet: &Packet<'_>) -> Option<Whole> {
    if !is_compressed(packet) || packet.missing() > 0 {
        return None;
    }
    let ([next, _, hi, lo], body) = packet.payload.split_first_chunk::<4>()?;
    // What a number stands for is agreed upon by the two ends, but for the well-known ones.
    if !matches!(u16::from_be_bytes([*hi, *lo]), DEFLATE | FIRST_NEGOTIATED..) {
        return None;
    }
    let outer = packet.outer.with(WrapKind::IpComp, 0)?;
    let inside = Whole::inside(packet, outer, *next, inflate(body)?);
    (!matches!(whole(&inside), Decoded::Skipped(_))).then_some(inside)
}

/// Whether it may be worth the while.
pub fn is_compressed(packet: &Packet<'_>) -> bool {
    packet.segment == Segment::Other(IPCOMP)
}

/// All of it, to its very end.
fn inflate(body: &[u8]) -> Option<Vec<u8>> {
    let mut inflater = Decompress::new(false);
    let mut content = Vec::with_capacity(MAX_PAYLOAD);
    let status = inflater.decompress_vec(body, &mut content, FlushDecompress::Finish).ok()?;
    let is_all = status == Status::StreamEnd && inflater.total_in() == body.len() as u64;
    content.shrink_to_fit();
    (is_all && !content.is_empty()).then_some(content)
}

const IPCOMP: u8 = 108;
/// Compression parameter indexes (RFC 3173 section 3.3).
const DEFLATE: u16 = 2;
const FIRST_NEGOTIATED: u16 = 256;
/// No IP packet has more.
const MAX_PAYLOAD: usize = 65_535;
