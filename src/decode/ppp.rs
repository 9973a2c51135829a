//! PPP (RFC 1661) in its framings, PPP over Ethernet (RFC 2516), Cisco HDLC.

use super::link::{IPV4, IPV6, by_ether_type};
use super::{Layer, Network, Protocol, tunnel};
use crate::model::packet::{Link, Outer, WrapKind};
use crate::model::stats::SkipReason;

type Result<T> = std::result::Result<T, SkipReason>;

/// PPP as captured on a serial line: with address and control (RFC 1662 section 3.1), without (section 3.2), or
/// Cisco HDLC, which has another address.
pub(super) fn framed(layer: Layer<'_>, link: Link, outer: Outer) -> Result<Network<'_>> {
    match layer.bytes {
        [0x0f | 0x8f, ..] => cisco(layer, link, outer),
        [0xff] | [0xff, 0x03, ..] => protocol(layer.skip(2), link, outer),
        _ => protocol(layer, link, outer),
    }
}

/// A PPPoE session: version and type, code, session, length, then PPP.
pub(super) fn over_ethernet(layer: Layer<'_>, link: Link, outer: Outer) -> Result<Network<'_>> {
    let ([0x11, 0, s0, s1, l0, l1], rest) = layer.header::<6>("PPPoE header")? else {
        return Err(SkipReason::Malformed("PPPoE header"));
    };
    let session = u16::from_be_bytes([*s0, *s1]);
    let outer = outer.with(WrapKind::Pppoe, session.into()).ok_or(SkipReason::Tunnel("PPPoE"))?;
    protocol(rest.limit(usize::from(u16::from_be_bytes([*l0, *l1]))), link, outer)
}

/// Behind the protocol field, of which the first byte may be left out where it is zero (RFC 1661 section 6.5).
pub(super) fn protocol(layer: Layer<'_>, link: Link, outer: Outer) -> Result<Network<'_>> {
    let (number, layer) = match layer.bytes {
        [first, ..] if first & 1 == 1 => (u16::from(*first), layer.skip(1)),
        [a, b, ..] => (u16::from_be_bytes([*a, *b]), layer.skip(2)),
        _ => return Err(layer.lacks("PPP protocol")),
    };
    let protocol = match number {
        0x0021 => Protocol::Ipv4,
        0x0057 => Protocol::Ipv6,
        0x0281 | 0x0283 => return tunnel::mpls(layer, link, outer),
        // Compressed or encrypted (RFC 1962, RFC 1968), with headers left out (RFC 2507), or over several links (RFC 1990).
        0x003d | 0x0053 | 0x0055 | 0x00fb | 0x00fd | 0x002d | 0x002f | 0x0061 | 0x0063 => {
            return Err(SkipReason::Tunnel("compressed PPP"));
        }
        // Negotiation and other network layers.
        _ => return Err(SkipReason::Protocol("PPP")),
    };
    Ok(Network { link, outer, protocol, layer })
}

/// Address, control, EtherType.
pub(super) fn cisco(layer: Layer<'_>, link: Link, outer: Outer) -> Result<Network<'_>> {
    let ([_, _, a, b], rest) = layer.header::<4>("Cisco HDLC header")?;
    match u16::from_be_bytes([*a, *b]) {
        // OSI in HDLC, and Cisco's keep-alives, are nobody's packets.
        ether_type @ (IPV4 | IPV6) => by_ether_type(ether_type, link, outer, rest),
        other => by_ether_type(other.max(0x0600), link, outer, rest).map_err(|reason| match reason {
            SkipReason::EtherType(_) => SkipReason::EtherType(other),
            reason => reason,
        }),
    }
}
