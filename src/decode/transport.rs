//! TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792) and ICMPv6 (RFC 4443) with the packets that errors quote.

use std::net::IpAddr;

use etherparse::err::tcp;
use etherparse::{
    Ipv6ExtensionSlice, LaxIpv4Slice, LaxIpv6Slice, TcpHeaderSlice, TcpOptionElement, UdpHeaderSlice,
};

use super::Layer;
use crate::model::packet::{IcmpHeader, Segment, TcpFlags, TcpHeader};
use crate::model::stats::SkipReason;
use crate::model::{Endpoint, FlowKey, Packet, Transport};

type Result<T> = std::result::Result<T, SkipReason>;

/// Reads the transport header that IP protocol `number` has; gives what is behind it.
pub(super) fn read(number: u8, is_ipv4: bool, layer: Layer<'_>) -> Result<(Segment, Layer<'_>)> {
    match (number, is_ipv4) {
        (TCP, _) => tcp(layer),
        (UDP, _) => udp(layer),
        (ICMP, true) | (ICMPV6, false) => icmp(layer, is_ipv4),
        _ => Ok((Segment::Other(number), layer)),
    }
}

fn tcp(layer: Layer<'_>) -> Result<(Segment, Layer<'_>)> {
    match TcpHeaderSlice::from_slice(layer.bytes) {
        Ok(header) => Ok((tcp_header(&header), layer.skip(header.slice().len()))),
        Err(tcp::HeaderSliceError::Content(_)) => Err(SkipReason::Malformed("TCP data offset")),
        Err(tcp::HeaderSliceError::Len(error)) => {
            // If only options are missing, the rest of the header is good: fill up with end-of-options.
            let mut whole = [0; TCP_MAX_HEADER];
            let (true, Some(there)) = (
                layer.bytes.len() >= TCP_MIN_HEADER && layer.wire >= error.required_len,
                whole.get_mut(..layer.bytes.len()),
            ) else {
                return Err(layer.lacks("TCP header"));
            };
            there.copy_from_slice(layer.bytes);
            let header = TcpHeaderSlice::from_slice(&whole).map_err(|_| layer.lacks("TCP header"))?;
            Ok((tcp_header(&header), layer.skip(error.required_len)))
        }
    }
}

fn tcp_header(header: &TcpHeaderSlice<'_>) -> Segment {
    let mut options = header.options_iterator();
    Segment::Tcp(TcpHeader {
        src_port: header.source_port(),
        dst_port: header.destination_port(),
        seq: header.sequence_number(),
        ack: header.acknowledgment_number(),
        flags: TcpFlags(header.slice().get(13).copied().unwrap_or(0)),
        window: header.window_size(),
        // Stops at the first option that makes no sense.
        has_timestamp: options
            .by_ref()
            .map_while(std::result::Result::ok)
            .any(|option| matches!(option, TcpOptionElement::Timestamp(..))),
    })
}

fn udp(layer: Layer<'_>) -> Result<(Segment, Layer<'_>)> {
    let header = UdpHeaderSlice::from_slice(layer.bytes).map_err(|_| layer.lacks("UDP header"))?;
    let datagram = match usize::from(header.length()) {
        // Offloading, or a jumbogram (RFC 2675 section 4).
        0 => layer,
        len if len < UDP_HEADER => return Err(SkipReason::Malformed("UDP length")),
        // Longer than the IP packet is taken as the IP packet; so it is where a router changed the one only.
        len => layer.limit(len),
    };
    let segment = Segment::Udp { src_port: header.source_port(), dst_port: header.destination_port() };
    Ok((segment, datagram.skip(UDP_HEADER)))
}

pub(super) fn icmp(layer: Layer<'_>, is_ipv4: bool) -> Result<(Segment, Layer<'_>)> {
    let ([kind, code, _, _, a, b, c, d], body) = layer.header::<8>("ICMP header")?;
    let echo = if is_ipv4 { matches!(kind, 0 | 8) } else { matches!(kind, 128 | 129) };
    let id = if echo { u16::from_be_bytes([*a, *b]) } else { 0 };
    let rest = u32::from_be_bytes([*a, *b, *c, *d]);
    Ok((Segment::Icmp(IcmpHeader { kind: *kind, code: *code, id, rest }), body))
}

/// For an ICMP error: the 5-tuple of the packet that it quotes, in the direction in which that one travelled. Not
/// read with the packet, because few ask for it.
pub fn quoted(packet: &Packet<'_>) -> Option<FlowKey> {
    let Segment::Icmp(IcmpHeader { kind, .. }) = packet.segment else { return None };
    match packet.src {
        IpAddr::V4(_) if matches!(kind, 3 | 4 | 5 | 11 | 12) => quoted_ipv4(packet.payload),
        IpAddr::V6(_) if matches!(kind, 1..=4) => quoted_ipv6(packet.payload),
        _ => None,
    }
}

/// The 5-tuple of a quoted IPv4 packet, of which as little as the header and eight bytes may be there.
fn quoted_ipv4(bytes: &[u8]) -> Option<FlowKey> {
    let (slice, _) = LaxIpv4Slice::from_slice(bytes).ok()?;
    let header = slice.header();
    if header.fragments_offset().value() != 0 {
        return None;
    }
    let (src, dst) = (header.source_addr().into(), header.destination_addr().into());
    key(src, dst, slice.payload().ip_number.0, slice.payload().payload)
}

fn quoted_ipv6(bytes: &[u8]) -> Option<FlowKey> {
    let (slice, _) = LaxIpv6Slice::from_slice(bytes).ok()?;
    let header = slice.header();
    let later_fragment = slice.extensions().clone().into_iter().any(|extension| {
        matches!(extension, Ipv6ExtensionSlice::Fragment(fragment) if fragment.fragment_offset().value() != 0)
    });
    if later_fragment {
        return None;
    }
    let (src, dst) = (header.source_addr().into(), header.destination_addr().into());
    key(src, dst, slice.payload().ip_number.0, slice.payload().payload)
}

/// A 5-tuple from the first bytes of a transport header.
fn key(src: IpAddr, dst: IpAddr, number: u8, payload: &[u8]) -> Option<FlowKey> {
    let transport = match (number, src.is_ipv4()) {
        (TCP, _) => Transport::Tcp,
        (UDP, _) => Transport::Udp,
        (ICMP, true) => Transport::Icmp,
        (ICMPV6, false) => Transport::Icmpv6,
        _ => Transport::Other(number),
    };
    let (src_port, dst_port) = match (transport, payload) {
        (Transport::Tcp | Transport::Udp, [a, b, c, d, ..]) => {
            (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
        }
        (Transport::Icmp, [0 | 8, _, _, _, a, b, ..])
        | (Transport::Icmpv6, [128 | 129, _, _, _, a, b, ..]) => {
            let id = u16::from_be_bytes([*a, *b]);
            (id, id)
        }
        (Transport::Tcp | Transport::Udp, _) => return None,
        (Transport::Icmp | Transport::Icmpv6 | Transport::Other(_), _) => (0, 0),
    };
    Some(FlowKey {
        transport,
        orig: Endpoint { ip: src, port: src_port },
        resp: Endpoint { ip: dst, port: dst_port },
    })
}

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;
const TCP_MIN_HEADER: usize = 20;
const TCP_MAX_HEADER: usize = 60;
const UDP_HEADER: usize = 8;
