//! IPv4 (RFC 791), IPv6 with extension headers (RFC 8200), ARP (RFC 826).

use etherparse::err::{ip_auth, ipv4, ipv6, ipv6_exts};
use etherparse::{ArpHardwareId, ArpPacketSlice, EtherType, LaxIpv4Slice, LaxIpv6Slice};
use std::net::{IpAddr, Ipv4Addr};

use super::{Decoded, Layer, Network, Protocol, lldp, transport};
use crate::model::evidence::Seen;
use crate::model::packet::{Link, Neighbour};
use crate::model::stats::SkipReason;
use crate::model::{MacAddr, Packet};

type Result<T> = std::result::Result<T, SkipReason>;

/// Reads what the link layer carries.
pub(super) fn read(network: Network<'_>, seen: Seen) -> Result<Decoded<'_>> {
    let Network { link, protocol, layer } = network;
    match (protocol, layer.bytes.first().map(|byte| byte >> 4)) {
        (Protocol::Ipv4, _) | (Protocol::EitherIp, Some(4)) => packet(ipv4(layer)?, link, seen),
        (Protocol::Ipv6, _) | (Protocol::EitherIp, Some(6)) => packet(ipv6(layer)?, link, seen),
        (Protocol::EitherIp, Some(_)) => Err(SkipReason::Malformed("IP version")),
        (Protocol::EitherIp, None) => Err(layer.lacks("IP header")),
        (Protocol::Arp, _) => arp(layer, seen),
        (Protocol::Lldp, _) => Ok(lldp::read(link, layer, seen).map_or(Decoded::Other, Decoded::Lldp)),
    }
}

/// An IP packet without its transport.
#[derive(Clone, Copy)]
struct Ip<'a> {
    src: IpAddr,
    dst: IpAddr,
    hop_limit: u8,
    id: Option<u16>,
    /// Length on the wire, header included.
    len: usize,
    /// What it carries: behind the last extension header.
    number: u8,
    payload: Layer<'a>,
}

fn packet(ip: Ip<'_>, link: Link, seen: Seen) -> Result<Decoded<'_>> {
    let (segment, payload) = transport::read(ip.number, ip.src.is_ipv4(), ip.payload)?;
    Ok(Decoded::Packet(Packet {
        seen,
        link,
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

fn ipv4(layer: Layer<'_>) -> Result<Ip<'_>> {
    let (slice, extension) = LaxIpv4Slice::from_slice(layer.bytes).map_err(|error| match error {
        ipv4::HeaderSliceError::Len(_) => layer.lacks("IPv4 header"),
        ipv4::HeaderSliceError::Content(_) => SkipReason::Malformed("IPv4 header"),
    })?;
    let header = slice.header();
    let header_len = header.slice().len();
    let ip = match usize::from(header.total_len()) {
        // Captured before the network card cut it into segments and filled this in.
        0 => layer,
        len if len < header_len => return Err(SkipReason::Malformed("IPv4 total length")),
        len => layer.limit(len),
    };
    if slice.is_payload_fragmented() {
        return Err(SkipReason::Fragment);
    }
    let payload = ip.skip(header_len);
    match extension {
        Some(ip_auth::HeaderSliceError::Len(_)) => return Err(payload.lacks("authentication header")),
        Some(ip_auth::HeaderSliceError::Content(_)) => {
            return Err(SkipReason::Malformed("authentication header"));
        }
        None => {}
    }
    let auth_len = slice.extensions().auth.map_or(0, |auth| auth.slice().len());
    Ok(Ip {
        src: header.source_addr().into(),
        dst: header.destination_addr().into(),
        hop_limit: header.ttl(),
        id: Some(header.identification()),
        len: ip.wire,
        number: slice.payload_ip_number().0,
        payload: payload.skip(auth_len),
    })
}

fn ipv6(layer: Layer<'_>) -> Result<Ip<'_>> {
    let (slice, extension) = LaxIpv6Slice::from_slice(layer.bytes).map_err(|error| match error {
        ipv6::HeaderSliceError::Len(_) => layer.lacks("IPv6 header"),
        ipv6::HeaderSliceError::Content(_) => SkipReason::Malformed("IPv6 header"),
    })?;
    let header = slice.header();
    let ip = match usize::from(header.payload_length()) {
        // Offloading as in IPv4, or a jumbogram (RFC 2675).
        0 => layer,
        len => layer.limit(IPV6_HEADER.saturating_add(len)),
    };
    if slice.is_payload_fragmented() {
        return Err(SkipReason::Fragment);
    }
    match extension {
        Some((ipv6_exts::HeaderSliceError::Len(_), _)) => return Err(ip.lacks("IPv6 extension header")),
        Some((ipv6_exts::HeaderSliceError::Content(_), _)) => {
            return Err(SkipReason::Malformed("IPv6 extension header"));
        }
        None => {}
    }
    Ok(Ip {
        src: header.source_addr().into(),
        dst: header.destination_addr().into(),
        hop_limit: header.hop_limit(),
        id: None,
        len: ip.wire,
        number: slice.payload().ip_number.0,
        payload: ip.skip(IPV6_HEADER.saturating_add(slice.extensions().slice().len())),
    })
}

const IPV6_HEADER: usize = 40;

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
