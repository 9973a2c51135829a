//! The usual frame, read in one go: Ethernet with at most one VLAN tag, IPv4 without options or IPv6 without
//! extensions, TCP or UDP, nothing odd; and the like with ICMP, which networks that speak IPv6 are full of. For all else there
//! is the way layer by layer, which gives the same where both apply.

#![expect(clippy::inline_always, reason = "who only wants the 5-tuple pays for no more")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Layer, link, network, transport, tunnel};
use crate::model::evidence::Seen;
use crate::model::frame::Frame;
use crate::model::packet::{Link, Outer, Segment, TcpFlags, TcpHeader};
use crate::model::{LinkType, Packet};

/// The packet of a usual frame with TCP or UDP.
#[inline(always)]
pub(super) fn read<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
    let (link, ip) = ip_in(frame)?;
    let read = match ip.number {
        transport::TCP => tcp(ip.payload),
        transport::UDP => udp(ip.payload),
        _ => None,
    };
    Some(packet(frame, link, &ip, read?))
}

/// The packet of a usual frame with ICMP. In IPv6, reports of group membership come behind an option for routers.
#[inline(never)]
pub(super) fn icmp<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
    let (link, ip) = ip_in(frame)?;
    let (number, payload) = match (ip.number, ip.payload.bytes) {
        (network::HOP_BY_HOP, [next, 0, _, _, _, _, _, _, ..]) if ip.src.is_ipv6() => {
            (*next, ip.payload.skip(8)?)
        }
        _ => (ip.number, ip.payload),
    };
    if number != if ip.src.is_ipv4() { transport::ICMP } else { transport::ICMPV6 } {
        return None;
    }
    let layer = Layer { bytes: payload.bytes, wire: payload.wire };
    let (segment, Layer { bytes, wire }) = transport::icmp(layer, ip.src.is_ipv4()).ok()?;
    Some(packet(frame, link, &ip, (segment, Found { bytes, wire })))
}

/// The headers before the segment of a usual frame.
#[inline(always)]
fn ip_in<'a>(frame: &Frame<'a>) -> Option<(Link, Ip<'a>)> {
    if frame.link_type != LinkType::ETHERNET {
        return None;
    }
    let layer = Layer::of(frame);
    let (header, rest) = frame.data.split_first_chunk::<14>()?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, a, b] = *header;
    let mut link = Link {
        src: link::station([s0, s1, s2, s3, s4, s5]),
        dst: link::station([d0, d1, d2, d3, d4, d5]),
        vlan: None,
    };
    let mut found = Found { bytes: rest, wire: layer.wire.checked_sub(14)? };
    let mut ether_type = u16::from_be_bytes([a, b]);
    if ether_type == link::VLAN {
        let ([t0, t1, a, b], rest) = rest.split_first_chunk::<4>()?;
        let id = u16::from_be_bytes([*t0, *t1]) & 0x0fff;
        link.vlan = (id != 0).then_some(id);
        ether_type = u16::from_be_bytes([*a, *b]);
        found = Found { bytes: rest, wire: found.wire.checked_sub(4)? };
    }
    let ip = match ether_type {
        link::IPV4 => ipv4(found),
        link::IPV6 => ipv6(found),
        _ => None,
    };
    Some((link, ip?))
}

/// A transport header with what is behind it.
type Read<'a> = Option<(Segment, Found<'a>)>;

/// What is left of a frame: captured, and on the wire.
#[derive(Clone, Copy)]
struct Found<'a> {
    bytes: &'a [u8],
    wire: usize,
}

impl Found<'_> {
    /// No more than the first `len` bytes.
    fn limit(self, len: usize) -> Self {
        Self { bytes: self.bytes.get(..len).unwrap_or(self.bytes), wire: self.wire.min(len) }
    }

    /// What is behind the first `len` bytes, which must be there.
    fn skip(self, len: usize) -> Option<Self> {
        Some(Self { bytes: self.bytes.get(len..)?, wire: self.wire.checked_sub(len)? })
    }
}

/// An IP header, with what it carries.
struct Ip<'a> {
    src: IpAddr,
    dst: IpAddr,
    hop_limit: u8,
    id: Option<u16>,
    number: u8,
    len: usize,
    payload: Found<'a>,
}

#[inline(always)]
fn ipv4(found: Found<'_>) -> Option<Ip<'_>> {
    let header = found.bytes.first_chunk::<20>()?;
    let [0x45, _, l0, l1, i0, i1, f0, f1, hop_limit, number, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = *header
    else {
        return None;
    };
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    // More fragments, or not the first.
    if len < 20 || u16::from_be_bytes([f0, f1]) & 0x3fff != 0 {
        return None;
    }
    let ip = found.limit(len);
    let (src, dst) = (Ipv4Addr::new(s0, s1, s2, s3).into(), Ipv4Addr::new(d0, d1, d2, d3).into());
    let id = Some(u16::from_be_bytes([i0, i1]));
    Some(Ip { src, dst, hop_limit, id, number, len: ip.wire, payload: ip.skip(20)? })
}

#[inline(always)]
fn ipv6(found: Found<'_>) -> Option<Ip<'_>> {
    let (header, _) = found.bytes.split_first_chunk::<40>()?;
    let ([v, _, _, _, l0, l1, number, hop_limit], addresses) = header.split_first_chunk::<8>()?;
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    if v >> 4 != 6 || len == 0 {
        return None;
    }
    let (src, dst) = addresses.split_first_chunk::<16>()?;
    let dst = dst.first_chunk::<16>()?;
    let ip = found.limit(len.saturating_add(40));
    let (src, dst) = (Ipv6Addr::from(*src).into(), Ipv6Addr::from(*dst).into());
    let (hop_limit, number) = (*hop_limit, *number);
    Some(Ip { src, dst, hop_limit, id: None, number, len: ip.wire, payload: ip.skip(40)? })
}

#[inline(always)]
fn packet<'a>(frame: &Frame<'a>, link: Link, ip: &Ip<'a>, read: (Segment, Found<'a>)) -> Packet<'a> {
    let (segment, payload) = read;
    Packet {
        seen: Seen { at: frame.time, frame: frame.at },
        link,
        outer: Outer::default(),
        src: ip.src,
        dst: ip.dst,
        hop_limit: ip.hop_limit,
        ip_id: ip.id,
        ip_len: u32::try_from(ip.len).unwrap_or(u32::MAX),
        segment,
        payload: payload.bytes,
        payload_len: u32::try_from(payload.wire).unwrap_or(u32::MAX),
    }
}

#[inline(always)]
fn tcp(found: Found<'_>) -> Read<'_> {
    let header = found.bytes.first_chunk::<20>()?;
    let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, ..] = *header;
    let len = usize::from(offset >> 4).saturating_mul(4);
    // Without options, or with the ones of most segments.
    let has_timestamp = match (len, found.bytes.get(20..len)?) {
        (20, _) => false,
        (32, [1, 1, 8, 10, ..]) => true,
        (_, options) => timestamp(options)?,
    };
    let segment = Segment::Tcp(TcpHeader {
        src_port: u16::from_be_bytes([s0, s1]),
        dst_port: u16::from_be_bytes([d0, d1]),
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        flags: TcpFlags(flags),
        window: u16::from_be_bytes([w0, w1]),
        has_timestamp,
    });
    Some((segment, found.skip(len)?))
}

/// Whether there is a timestamp among the options of a SYN or of a segment that acknowledges selectively, if they are usual.
#[inline(never)]
fn timestamp(mut options: &[u8]) -> Option<bool> {
    loop {
        options = match options {
            [] | [0, ..] => return Some(false),
            // No operation, maximum segment size, window scale, SACK permitted.
            [1, rest @ ..] | [2, 4, _, _, rest @ ..] | [3, 3, _, rest @ ..] | [4, 2, rest @ ..] => rest,
            [5, len @ (10 | 18 | 26 | 34), ..] => options.get(usize::from(*len)..)?,
            [8, 10, _, _, _, _, _, _, _, _, ..] => return Some(true),
            _ => return None,
        }
    }
}

#[inline(always)]
fn udp(found: Found<'_>) -> Read<'_> {
    let [s0, s1, d0, d1, l0, l1, _, _] = *found.bytes.first_chunk::<8>()?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if len < 8 {
        return None;
    }
    let datagram = found.limit(len);
    let (src_port, dst_port) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    if tunnel::may_be(src_port, dst_port) {
        return None;
    }
    let segment = Segment::Udp { src_port, dst_port };
    Some((segment, datagram.skip(8)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Decoded, layer_by_layer};
    use super::*;
    use crate::model::{CaptureId, FrameNo, FrameRef, Timestamp};

    /// Frames of a shipped capture: link type and bytes. Each of them is a classic pcap, little-endian.
    fn frames(case: &str) -> Vec<(LinkType, Vec<u8>)> {
        let path = format!("{}/fixtures/cases/{case}/capture.pcap", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).unwrap();
        let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
        assert!([0xa1b2_c3d4, 0xa1b2_3c4d].contains(&word(0)), "of this byte order");
        let (link_type, mut at, mut frames) = (LinkType(word(20)), 24, Vec::new());
        while at < bytes.len() {
            let (start, len) = (at + 16, word(at + 8) as usize);
            frames.push((link_type, bytes[start..start + len].to_vec()));
            at = start + len;
        }
        frames
    }

    fn both(link_type: LinkType, data: &[u8], orig_len: u32) -> bool {
        let at = FrameRef::new(CaptureId(0), FrameNo(1));
        let frame = Frame { at, time: Timestamp::default(), link_type, orig_len, data };
        let usual = read(&frame).or_else(|| icmp(&frame));
        if let Some(packet) = &usual {
            let general = layer_by_layer(&frame);
            assert_eq!(format!("{general:?}"), format!("{:?}", Decoded::Packet(*packet)), "{data:02x?}");
        }
        usual.is_some()
    }

    #[test]
    fn most_frames_are_usual_and_read_as_layer_by_layer() {
        for case in ["farmbot-faults", "farmbot-dual-stack", "imp-clean", "farmbot-lossy"] {
            let frames = frames(case);
            let usual = frames.iter().filter(|(link, data)| both(*link, data, data.len() as u32)).count();
            assert!(usual * 10 > frames.len() * 7, "{case}: {usual} of {}", frames.len());
        }
    }

    proptest! {
        #[test]
        fn changed_frames_read_as_layer_by_layer(
            pick in any::<prop::sample::Index>(),
            tag in any::<bool>(),
            changes in prop::collection::vec((0_usize..80, any::<u8>()), 0..4),
            cut in 0_usize..200,
            longer in 0_u32..40,
        ) {
            static FRAMES: std::sync::LazyLock<Vec<(LinkType, Vec<u8>)>> =
                std::sync::LazyLock::new(|| frames("farmbot-dual-stack"));
            let (link, data) = pick.get(FRAMES.as_slice());
            let mut data = data.clone();
            if tag && data.len() >= 12 {
                data.splice(12..12, [0x81, 0, 0x20, 7]);
            }
            let orig_len = data.len() as u32 + longer;
            for (at, value) in changes {
                if let Some(byte) = data.get_mut(at) {
                    *byte = value;
                }
            }
            if cut < data.len() && cut > 20 {
                data.truncate(cut);
            }
            both(*link, &data, orig_len);
        }
    }
}
