//! IPv4 (RFC 791), IPv6 with extension headers (RFC 8200), ARP (RFC 826).

use etherparse::err::ipv4;
use etherparse::{ArpHardwareId, ArpPacketSlice, EtherType, Ipv4HeaderSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::defrag::{Cut, Fragment};
use super::{Decoded, Layer, Network, Protocol, lldp, transport};
use crate::model::evidence::Seen;
use crate::model::packet::{Link, Neighbour, Outer};
use crate::model::stats::SkipReason;
use crate::model::{MacAddr, Packet};

type Result<T> = std::result::Result<T, SkipReason>;

/// Reads what the link layer, or a tunnel, carries.
pub(super) fn read(network: Network<'_>, seen: Seen) -> Result<Decoded<'_>> {
    let Network { link, outer, protocol, layer } = network;
    let around = Around { link, outer, seen };
    match (protocol, layer.bytes.first().map(|byte| byte >> 4)) {
        (Protocol::Ipv4, _) | (Protocol::EitherIp, Some(4)) => ipv4(layer, around),
        (Protocol::Ipv6, _) | (Protocol::EitherIp, Some(6)) => ipv6(layer, around),
        (Protocol::EitherIp, Some(_)) => Err(SkipReason::Malformed("IP version")),
        (Protocol::EitherIp, None) => Err(layer.lacks("IP header")),
        (Protocol::Arp, _) => arp(layer, seen),
        (Protocol::Lldp, _) => Ok(lldp::read(link, layer, seen).map_or(Decoded::Other, Decoded::Lldp)),
    }
}

/// What is known of an IP packet before its header is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    pub(super) link: Link,
    pub(super) outer: Outer,
    pub(super) seen: Seen,
}

/// An IP packet without its transport.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ip<'a> {
    pub(super) around: Around,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) hop_limit: u8,
    pub(super) id: Option<u16>,
    /// Length on the wire, header included.
    pub(super) len: usize,
    /// What it carries: behind the last extension header.
    pub(super) number: u8,
    pub(super) payload: Layer<'a>,
}

/// Reads the transport header.
pub(super) fn packet(ip: Ip<'_>) -> Result<Decoded<'_>> {
    let (segment, payload) = transport::read(ip.number, ip.src.is_ipv4(), ip.payload)?;
    Ok(Decoded::Packet(Packet {
        seen: ip.around.seen,
        link: ip.around.link,
        outer: ip.around.outer,
        src: ip.src,
        dst: ip.dst,
        hop_limit: ip.hop_limit,
        ip_id: ip.id,
        ip_len: u32::try_from(ip.len).unwrap_or(u32::MAX),
        segment,
        payload: payload.bytes,
        payload_len: u32::try_from(payload.wire).unwrap_or(u32::MAX),
    }))
}

fn ipv4(layer: Layer<'_>, around: Around) -> Result<Decoded<'_>> {
    let header = Ipv4HeaderSlice::from_slice(layer.bytes).map_err(|error| match error {
        ipv4::HeaderSliceError::Len(_) => layer.lacks("IPv4 header"),
        ipv4::HeaderSliceError::Content(_) => SkipReason::Malformed("IPv4 header"),
    })?;
    let header_len = header.slice().len();
    let datagram = match usize::from(header.total_len()) {
        // Captured before the network card cut it into segments and filled this in.
        0 => layer,
        len if len < header_len => return Err(SkipReason::Malformed("IPv4 total length")),
        len => layer.limit(len),
    };
    let (src, dst) = (header.source_addr().into(), header.destination_addr().into());
    let number = header.protocol().0;
    let ip = Ip {
        around,
        src,
        dst,
        hop_limit: header.ttl(),
        id: Some(header.identification()),
        len: datagram.wire,
        number,
        payload: datagram.skip(header_len),
    };
    if header.is_fragmenting_payload() {
        return Ok(Decoded::Fragment(Fragment {
            cut: Cut::Ip,
            id: u32::from(header.identification()),
            number,
            offset: usize::from(header.fragments_offset().value()).saturating_mul(8),
            more: header.more_fragments(),
            ip,
        }));
    }
    behind_authentication(ip)
}

/// Steps over an authentication header (RFC 4302 section 2), in IPv4.
pub(super) fn behind_authentication(mut ip: Ip<'_>) -> Result<Decoded<'_>> {
    if ip.number == AUTHENTICATION {
        let ([next, len], _) = ip.payload.header::<2>("authentication header")?;
        let len = usize::from(*len).saturating_add(2).saturating_mul(4);
        if ip.payload.bytes.len() < len {
            return Err(ip.payload.lacks("authentication header"));
        }
        (ip.number, ip.payload) = (*next, ip.payload.skip(len));
    }
    packet(ip)
}

fn ipv6(layer: Layer<'_>, around: Around) -> Result<Decoded<'_>> {
    let (header, rest) = layer.header::<40>("IPv6 header")?;
    let [v, _, _, _, l0, l1, number, hop_limit, addresses @ ..] = header;
    if v >> 4 != 6 {
        return Err(SkipReason::Malformed("IPv6 header"));
    }
    let (src, dst) = addresses.split_at(16);
    let address =
        |bytes: &[u8]| bytes.first_chunk::<16>().map_or(Ipv6Addr::UNSPECIFIED, |b| Ipv6Addr::from(*b));
    let rest = match usize::from(u16::from_be_bytes([*l0, *l1])) {
        // Offloading as in IPv4, or a jumbogram (RFC 2675).
        0 => rest,
        len => rest.limit(len),
    };
    behind_extensions(Ip {
        around,
        src: address(src).into(),
        dst: address(dst).into(),
        hop_limit: *hop_limit,
        id: None,
        len: IPV6_HEADER.saturating_add(rest.wire),
        number: *number,
        payload: rest,
    })
}

const IPV6_HEADER: usize = 40;

/// Steps over IPv6 extension headers (RFC 8200 section 4). Each turn takes at least eight bytes, so it ends.
pub(super) fn behind_extensions(mut ip: Ip<'_>) -> Result<Decoded<'_>> {
    let mut first = true;
    loop {
        let units = match ip.number {
            // Only directly behind the IPv6 header (section 4.1).
            HOP_BY_HOP if !first => return Err(SkipReason::Malformed("IPv6 extension header")),
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | HIP | SHIM6 => 8,
            // RFC 4302 section 2.2.
            AUTHENTICATION => 4,
            FRAGMENT => {
                let ([next, _, hi, lo, i0, i1, i2, i3], payload) =
                    ip.payload.header::<8>("IPv6 extension header")?;
                let word = u16::from_be_bytes([*hi, *lo]);
                (ip.number, ip.payload) = (*next, payload);
                // More fragments, or not the first; else it is whole (RFC 6946).
                if word & 0xfff9 != 0 {
                    return Ok(Decoded::Fragment(Fragment {
                        cut: Cut::Ip,
                        id: u32::from_be_bytes([*i0, *i1, *i2, *i3]),
                        number: 0,
                        offset: usize::from(word & 0xfff8),
                        more: word & 1 != 0,
                        ip,
                    }));
                }
                first = false;
                continue;
            }
            _ => return packet(ip),
        };
        first = false;
        let ([next, len], _) = ip.payload.header::<2>("IPv6 extension header")?;
        let extra = if units == 4 { 2 } else { 1 };
        let len = usize::from(*len).saturating_add(extra).saturating_mul(units).max(8);
        if ip.payload.bytes.len() < len {
            return Err(ip.payload.lacks("IPv6 extension header"));
        }
        (ip.number, ip.payload) = (*next, ip.payload.skip(len));
    }
}

pub(super) const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

fn arp(layer: Layer<'_>, seen: Seen) -> Result<Decoded<'static>> {
    let arp = ArpPacketSlice::from_slice(layer.bytes).map_err(|_| layer.lacks("ARP"))?;
    if arp.hw_addr_type() != ArpHardwareId::ETHERNET || arp.proto_addr_type() != EtherType::IPV4 {
        return Ok(Decoded::Other);
    }
    let (Ok(mac), Ok(ip)) =
        (<[u8; 6]>::try_from(arp.sender_hw_addr()), <[u8; 4]>::try_from(arp.sender_protocol_addr()))
    else {
        return Err(SkipReason::Malformed("ARP"));
    };
    let (mac, ip) = (MacAddr(mac), Ipv4Addr::from(ip));
    // A probe asks whether an address is free (RFC 5227 section 2.1.1) and states nothing.
    if ip.is_unspecified() || mac.is_group() || mac.0 == [0; 6] {
        return Ok(Decoded::Other);
    }
    Ok(Decoded::Neighbour(Neighbour { seen, mac, ip: ip.into() }))
}
