//! What wraps frames and packets on their way through a network, and what span ports send them in across routers:
//! MPLS, GRE with all that it carries, VXLAN and its like, GTP-U, Teredo, TZSP, and CAPWAP from next door.
//!
//! A tunnel over UDP is looked for on its registered port only, and followed only where its header makes sense and a
//! packet is inside; else the datagram is what it says it is. What is inside a packet that the snap length cut is
//! followed as far as it goes.

use super::link::{self, IPV4, IPV6, MPLS, MPLS_UPSTREAM, NSH, by_ether_type, ethernet};
use super::{Layer, Network, Protocol, capwap, ppp, wireless};
use crate::model::packet::{Link, Outer, Segment, WrapKind};
use crate::model::stats::SkipReason;
use crate::model::{LinkType, Packet};

type Result<T> = std::result::Result<T, SkipReason>;

/// Whether a datagram on one of these ports may be a tunnel: what is usual is not asked any further.
pub(super) fn may_be(src_port: u16, dst_port: u16) -> bool {
    let is_tunnel = |port| {
        matches!(
            port,
            VXLAN | VXLAN_LINUX | VXLAN_GPE | GENEVE | GTP_U | TEREDO | TZSP | LISP | L2TP | capwap::PORT
        )
    };
    is_tunnel(dst_port) || is_tunnel(src_port)
}

/// What the packet carries, if it is a tunnel.
pub(super) fn inside<'a>(packet: &Packet<'a>) -> Option<Result<Network<'a>>> {
    let layer = Layer { bytes: packet.payload, wire: packet.payload_len as usize };
    let outer = packet.outer;
    match packet.segment {
        Segment::Other(number) => by_protocol(number, packet.src.is_ipv4(), layer, outer),
        Segment::Udp { src_port, dst_port } if may_be(src_port, dst_port) => {
            Some(by_port(src_port, dst_port, layer, outer))
        }
        Segment::Udp { .. } | Segment::Tcp(_) | Segment::Icmp(_) => None,
    }
}

/// Packets directly in IP. The link-layer addresses around them are those of the tunnel's ends, not of who speaks inside.
fn by_protocol(number: u8, in_ipv4: bool, layer: Layer<'_>, outer: Outer) -> Option<Result<Network<'_>>> {
    let ip = |kind, protocol| {
        let outer = outer.with(kind, 0).ok_or(TOO_DEEP)?;
        Ok(Network { link: Link::default(), outer, protocol, layer })
    };
    Some(match (number, in_ipv4) {
        (4, true) => ip(WrapKind::IpIp, Protocol::Ipv4),
        (4, false) => ip(WrapKind::FourInSix, Protocol::Ipv4),
        (41, true) => ip(WrapKind::SixInFour, Protocol::Ipv6),
        (41, false) => ip(WrapKind::Ip6Ip6, Protocol::Ipv6),
        (47, _) => gre(layer, outer),
        (97, _) => ether_ip(layer, outer),
        (137, _) => mpls(layer, Link::default(), outer),
        _ => return None,
    })
}

/// By the receiver's port, which is the registered one but in some answers.
fn by_port(src_port: u16, dst_port: u16, layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let read = |port| {
        Some(match port {
            VXLAN | VXLAN_LINUX => vxlan(layer, outer),
            VXLAN_GPE => vxlan_gpe(layer, outer),
            GENEVE => geneve(layer, outer),
            TZSP => tzsp(layer, outer),
            LISP => lisp(layer, outer),
            GTP_U => gtp_u(layer, outer),
            TEREDO => teredo(layer, outer),
            L2TP => l2tp(layer, outer),
            capwap::PORT => capwap::read(layer, outer),
            _ => return None,
        })
    };
    read(dst_port).or_else(|| read(src_port)).unwrap_or(Err(SkipReason::Tunnel("UDP")))
}

/// RFC 3032: labels of four bytes up to the bottom of the stack. What follows is not said: IP by its version, else
/// Ethernet, with a control word before it (RFC 4448 section 4.6) where the first four bits are zero.
pub(super) fn mpls(mut layer: Layer<'_>, link: Link, outer: Outer) -> Result<Network<'_>> {
    loop {
        let (header, rest) = layer.header::<4>("MPLS label")?;
        let word = u32::from_be_bytes(*header);
        layer = rest;
        if word & BOTTOM_OF_STACK == 0 {
            continue;
        }
        let outer = outer.with(WrapKind::Mpls, word >> 12).ok_or(TOO_DEEP)?;
        let network = |protocol| Ok(Network { link, outer, protocol, layer });
        return match layer.bytes.first().map(|byte| byte >> 4) {
            None => Err(layer.lacks("MPLS payload")),
            Some(4) => network(Protocol::Ipv4),
            Some(6) => network(Protocol::Ipv6),
            // An associated channel (RFC 4385 section 5) carries no user's packets.
            Some(1) => Err(SkipReason::Protocol("MPLS")),
            Some(0) => match ethernet(layer.skip(4), outer) {
                Err(SkipReason::EtherType(_) | SkipReason::Malformed(_)) => ethernet(layer, outer),
                read => read,
            },
            Some(_) => ethernet(layer, outer),
        };
    }
}

/// IEEE 802.1ah: flags and service instance, then the customer's frame.
pub(super) fn backbone(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([_, a, b, c], rest) = layer.header::<4>("802.1ah tag")?;
    let outer = outer.with(WrapKind::Pbb, u32::from_be_bytes([0, *a, *b, *c])).ok_or(TOO_DEEP)?;
    ethernet(rest, outer)
}

/// RFC 8300 section 2: base and service path headers, context, then what the next-protocol field says.
pub(super) fn nsh(layer: Layer<'_>, link: Link, outer: Outer) -> Result<Network<'_>> {
    let ([_, len, _, next, a, b, c, _], _) = layer.header::<8>("NSH header")?;
    let len = usize::from(len & 0x3f).saturating_mul(4);
    if len < 8 || layer.bytes.len() < len {
        return Err(layer.lacks("NSH header"));
    }
    let outer = outer.with(WrapKind::Nsh, u32::from_be_bytes([0, *a, *b, *c])).ok_or(TOO_DEEP)?;
    next_protocol(*next, layer.skip(len), link, outer)
}

/// The registry that NSH and VXLAN-GPE share (RFC 8300 section 9.1.4).
fn next_protocol(next: u8, layer: Layer<'_>, link: Link, outer: Outer) -> Result<Network<'_>> {
    match next {
        1 => by_ether_type(IPV4, link, outer, layer),
        2 => by_ether_type(IPV6, link, outer, layer),
        3 => ethernet(layer, outer),
        4 => nsh(layer, link, outer),
        5 => mpls(layer, link, outer),
        _ => Err(SkipReason::Tunnel("NSH")),
    }
}

/// RFC 2784 and RFC 2890; version 1 is PPTP's (RFC 2637 section 4.1).
fn gre(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([flags, version, a, b], _) = layer.header::<4>("GRE header")?;
    let has = |bit: u8| flags & bit != 0;
    let protocol = u16::from_be_bytes([*a, *b]);
    // RFC 1701 had a route here, of a length that is not known before it is walked.
    if has(ROUTING) {
        return Err(SkipReason::Tunnel("GRE"));
    }
    let four = |present: bool| if present { 4_usize } else { 0 };
    let word = |at: usize| {
        let bytes = layer.bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map(|bytes| u32::from_be_bytes(*bytes)).ok_or_else(|| layer.lacks("GRE header"))
    };
    if version & 7 == 1 {
        // Key: length and call; then sequence and acknowledgement.
        let call = word(4)? & 0xffff;
        let len = 8_usize.saturating_add(four(has(SEQUENCE))).saturating_add(four(version & 0x80 != 0));
        let outer = outer.with(WrapKind::Pptp, call).ok_or(TOO_DEEP)?;
        return ppp::framed(layer.skip(len), Link::default(), outer);
    }
    let key_at = 4_usize.saturating_add(four(has(CHECKSUM)));
    let sequence_at = key_at.saturating_add(four(has(KEY)));
    let body = layer.skip(sequence_at.saturating_add(four(has(SEQUENCE))));
    let key = if has(KEY) { Some(word(key_at)?) } else { None };
    let wrap = |kind, id| outer.with(kind, id).ok_or(TOO_DEEP);
    match (protocol, key) {
        (ERSPAN_1_2, _) if !has(SEQUENCE) => ethernet(body, wrap(WrapKind::Erspan1, 0)?),
        (ERSPAN_1_2 | ERSPAN_3, _) => erspan(body, outer),
        // RFC 7637 section 3.3: subnets begin at 0x1000. Below, it is a key of somebody else's.
        (BRIDGED, Some(key)) if !has(CHECKSUM | SEQUENCE) && key >> 8 >= 0x1000 => {
            ethernet(body, wrap(WrapKind::Nvgre, key >> 8)?)
        }
        (protocol, key) => {
            let outer = match key {
                Some(key) => wrap(WrapKind::GreKey, key)?,
                None => wrap(WrapKind::Gre, 0)?,
            };
            match protocol {
                BRIDGED => ethernet(body, outer),
                PPP => ppp::framed(body, Link::default(), outer),
                // Web cache redirection: a header of its own, unless IP follows at once.
                WCCP if body.bytes.first().is_some_and(|byte| byte >> 4 != 4) => {
                    by_ether_type(IPV4, Link::default(), outer, body.skip(4))
                }
                WCCP => by_ether_type(IPV4, Link::default(), outer, body),
                IPV4 | IPV6 | MPLS | MPLS_UPSTREAM | NSH => {
                    by_ether_type(protocol, Link::default(), outer, body)
                }
                _ => Err(SkipReason::Tunnel("GRE")),
            }
        }
    }
}

/// ERSPAN types II and III (draft-foschiano-erspan): version, VLAN, session; III has a longer header, and more behind it
/// where its last bit says so.
fn erspan(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([version, _, a, b], _) = layer.header::<4>("ERSPAN header")?;
    let session = u32::from(u16::from_be_bytes([*a, *b]) & 0x03ff);
    match version >> 4 {
        1 => ethernet(layer.skip(8), outer.with(WrapKind::Erspan2, session).ok_or(TOO_DEEP)?),
        2 => {
            let ([.., kind, last], _) = layer.header::<12>("ERSPAN header")?;
            let outer = outer.with(WrapKind::Erspan3, session).ok_or(TOO_DEEP)?;
            let body = layer.skip(if last & 1 == 1 { 20 } else { 12 });
            // Frame type: Ethernet, or an IP packet.
            match (kind >> 2) & 0x1f {
                2 => Ok(Network { link: Link::default(), outer, protocol: Protocol::EitherIp, layer: body }),
                _ => ethernet(body, outer),
            }
        }
        _ => Err(SkipReason::Tunnel("ERSPAN")),
    }
}

/// RFC 3378: version 3 and nothing, then a frame.
fn ether_ip(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([0x30, 0], rest) = layer.header::<2>("EtherIP header")? else {
        return Err(SkipReason::Tunnel("EtherIP"));
    };
    ethernet(rest, outer.with(WrapKind::EtherIp, 0).ok_or(TOO_DEEP)?)
}

/// RFC 7348 section 5: the flag that says that there is a VNI must be set. Other flags and the group are those of
/// draft-smith-vxlan-group-policy.
fn vxlan(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([flags, _, _, _, a, b, c, 0], rest) = layer.header::<8>("VXLAN header")? else {
        return Err(SkipReason::Tunnel("VXLAN"));
    };
    if flags & 0x08 == 0 {
        return Err(SkipReason::Tunnel("VXLAN"));
    }
    ethernet(rest, outer.with(WrapKind::Vxlan, u32::from_be_bytes([0, *a, *b, *c])).ok_or(TOO_DEEP)?)
}

/// draft-ietf-nvo3-vxlan-gpe section 3: as VXLAN, with a next protocol where bit P is set. Some senders do not set it; without
/// a next protocol it is Ethernet.
fn vxlan_gpe(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([flags, _, _, next, a, b, c, _], rest) = layer.header::<8>("VXLAN-GPE header")?;
    if flags & 0xf8 != 0x08 {
        return Err(SkipReason::Tunnel("VXLAN-GPE"));
    }
    let outer = outer.with(WrapKind::VxlanGpe, u32::from_be_bytes([0, *a, *b, *c])).ok_or(TOO_DEEP)?;
    next_protocol(if *next == 0 { 3 } else { *next }, rest, Link::default(), outer)
}

/// RFC 8926 section 3.4: version 0, options in words of four bytes, the EtherType of what follows, VNI.
fn geneve(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([first, _, p0, p1, a, b, c, _], rest) = layer.header::<8>("GENEVE header")?;
    if first >> 6 != 0 {
        return Err(SkipReason::Tunnel("GENEVE"));
    }
    let outer = outer.with(WrapKind::Geneve, u32::from_be_bytes([0, *a, *b, *c])).ok_or(TOO_DEEP)?;
    let body = rest.skip(usize::from(first & 0x3f).saturating_mul(4));
    match u16::from_be_bytes([*p0, *p1]) {
        BRIDGED => ethernet(body, outer),
        protocol => by_ether_type(protocol, Link::default(), outer, body),
    }
}

/// 3GPP TS 29.281 section 5.1: a G-PDU with its tunnel endpoint; four more bytes where one of three flags is set, and
/// then extension headers, each as long as it says in words of four bytes, the last without a next one.
fn gtp_u(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([flags, 0xff, l0, l1, teid @ ..], rest) = layer.header::<8>("GTP-U header")? else {
        return Err(SkipReason::Tunnel("GTP-U"));
    };
    // Version 1, protocol type GTP.
    if flags >> 4 != 3 {
        return Err(SkipReason::Tunnel("GTP-U"));
    }
    let mut body = rest.limit(usize::from(u16::from_be_bytes([*l0, *l1])));
    if flags & 0x07 != 0 {
        let ([_, _, _, next], behind) = body.header::<4>("GTP-U header")?;
        body = behind;
        let mut next = if flags & 0x04 != 0 { *next } else { 0 };
        // Each turn leaves at least four bytes behind.
        while next != 0 {
            let units = usize::from(*body.bytes.first().ok_or_else(|| body.lacks("GTP-U extension"))?);
            let len = units.saturating_mul(4);
            let last = len.checked_sub(1).ok_or(SkipReason::Malformed("GTP-U extension"))?;
            next = *body.bytes.get(last).ok_or_else(|| body.lacks("GTP-U extension"))?;
            body = body.skip(len);
        }
    }
    if !is_whole_ip(body) {
        return Err(SkipReason::Tunnel("GTP-U"));
    }
    let outer = outer.with(WrapKind::GtpU, u32::from_be_bytes(*teid)).ok_or(TOO_DEEP)?;
    Ok(Network { link: Link::default(), outer, protocol: Protocol::EitherIp, layer: body })
}

/// RFC 4380 section 5.1.1: perhaps authentication, perhaps the origin's address, then IPv6.
fn teredo(mut layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    if let [0, 1, id, auth, ..] = layer.bytes {
        let len = 13_usize.saturating_add(usize::from(*id)).saturating_add(usize::from(*auth));
        layer = layer.skip(len);
    }
    if let [0, 0, ..] = layer.bytes {
        layer = layer.skip(8);
    }
    // A bubble (section 2.8) has no content.
    let outer = outer.with(WrapKind::Teredo, 0).ok_or(TOO_DEEP)?;
    // Either end has a Teredo address (section 4), or both speak of the link (section 5.2).
    let speaks_teredo =
        |address: Option<&[u8]>| matches!(address, Some([0x20, 0x01, 0, 0, ..] | [0xfe, 0x80, ..]));
    let addresses = [layer.bytes.get(8..24), layer.bytes.get(24..40)];
    // What stands behind the packet are trailers (RFC 6081 section 4).
    let fits = ip_len(layer.bytes).is_some_and(|len| len <= layer.wire);
    if !fits || !addresses.into_iter().any(speaks_teredo) {
        return Err(SkipReason::Tunnel("Teredo"));
    }
    Ok(Network { link: Link::default(), outer, protocol: Protocol::Ipv6, layer })
}

/// RFC 9300 section 5.1: flags, nonce, instance; IP follows.
fn lisp(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([flags, _, _, _, a, b, c, _], rest) = layer.header::<8>("LISP header")?;
    if !is_whole_ip(rest) {
        return Err(SkipReason::Tunnel("LISP"));
    }
    let instance = if flags & 0x08 != 0 { u32::from_be_bytes([0, *a, *b, *c]) } else { 0 };
    let outer = outer.with(WrapKind::Lisp, instance).ok_or(TOO_DEEP)?;
    Ok(Network { link: Link::default(), outer, protocol: Protocol::EitherIp, layer: rest })
}

/// RFC 2661 section 3.1: a data message; length, sequence numbers and offset where their flags are set.
fn l2tp(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([flags, version], mut rest) = layer.header::<2>("L2TP header")?;
    let has = |bit: u8| flags & bit != 0;
    // Version 2; the first bit is set in control messages.
    if version & 0x0f != 2 || has(0x80) {
        return Err(SkipReason::Tunnel("L2TP"));
    }
    if has(0x40) {
        let (len, _) = rest.header::<2>("L2TP header")?;
        rest = layer.limit(usize::from(u16::from_be_bytes(*len))).skip(4);
    }
    let ([_, _, s0, s1], behind) = rest.header::<4>("L2TP header")?;
    rest = if has(0x08) { behind.skip(4) } else { behind };
    if has(0x02) {
        let (offset, behind) = rest.header::<2>("L2TP header")?;
        rest = behind.skip(usize::from(u16::from_be_bytes(*offset)));
    }
    let outer = outer.with(WrapKind::L2tp, u16::from_be_bytes([*s0, *s1]).into()).ok_or(TOO_DEEP)?;
    ppp::framed(rest, Link::default(), outer)
}

/// Version, type, what is inside, then tagged fields up to the one that ends them.
pub(super) fn tzsp(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    // Received or to be sent; others carry nothing.
    let ([1, 0 | 1, p0, p1], mut rest) = layer.header::<4>("TZSP header")? else {
        return Err(SkipReason::Tunnel("TZSP"));
    };
    // Each turn leaves at least a byte behind.
    loop {
        rest = match rest.bytes {
            [0, ..] => rest.skip(1),
            [1, ..] => break,
            [_, len, ..] => rest.skip(usize::from(*len).saturating_add(2)),
            _ => return Err(rest.lacks("TZSP header")),
        }
    }
    let outer = outer.with(WrapKind::Tzsp, 0).ok_or(TOO_DEEP)?;
    let body = rest.skip(1);
    match u16::from_be_bytes([*p0, *p1]) {
        1 => ethernet(body, outer),
        18 => wireless::frame(body, outer),
        119 => link::by_link_type(LinkType::PRISM, body, outer),
        127 => link::by_link_type(LinkType::RADIOTAP, body, outer),
        _ => Err(SkipReason::Tunnel("TZSP")),
    }
}

/// Whether this is an IP packet that is exactly as long as it says: what has nothing else to tell it from any other datagram
/// on its port must have that.
fn is_whole_ip(layer: Layer<'_>) -> bool {
    ip_len(layer.bytes) == Some(layer.wire)
}

/// Length that an IP header says.
pub(super) fn ip_len(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0x45..=0x4f, _, a, b, ..] => Some(usize::from(u16::from_be_bytes([*a, *b]))),
        [0x60..=0x6f, _, _, _, a, b, ..] => {
            Some(usize::from(u16::from_be_bytes([*a, *b])).saturating_add(40))
        }
        _ => None,
    }
}

pub(super) const TOO_DEEP: SkipReason = SkipReason::Tunnel("too many others");

const BOTTOM_OF_STACK: u32 = 0x100;

/// Flags of GRE.
const CHECKSUM: u8 = 0x80;
const ROUTING: u8 = 0x40;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;

/// EtherTypes that are only found in tunnels.
const BRIDGED: u16 = 0x6558;
const PPP: u16 = 0x880b;
const WCCP: u16 = 0x883e;
const ERSPAN_1_2: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;

/// UDP ports.
const VXLAN: u16 = 4789;
/// What Linux used before there was a registered one.
const VXLAN_LINUX: u16 = 8472;
const VXLAN_GPE: u16 = 4790;
const GENEVE: u16 = 6081;
const GTP_U: u16 = 2152;
const TEREDO: u16 = 3544;
const TZSP: u16 = 37008;
const LISP: u16 = 4341;
const L2TP: u16 = 1701;
