//! Neighbour discovery for IPv6 (RFC 4861): who says which address is at which MAC address.

use std::net::{IpAddr, Ipv6Addr};

use crate::model::packet::{IcmpHeader, Neighbour, Segment};
use crate::model::{MacAddr, Packet};

/// The statement that a neighbour discovery message makes by its link-layer address option: a solicitation
/// (of a neighbour or router) and a router advertisement about their sender, a neighbour advertisement about
/// its target. `None` for all other packets, and for those that a router has forwarded (section 6.1, 7.1).
pub fn neighbour(packet: &Packet<'_>) -> Option<Neighbour> {
    let (Segment::Icmp(IcmpHeader { kind, code: 0, .. }), IpAddr::V6(src), 255) =
        (packet.segment, packet.src, packet.hop_limit)
    else {
        return None;
    };
    let (ip, option, options) = match kind {
        ROUTER_SOLICITATION => (src, SOURCE, packet.payload),
        // Reachable time and retransmission timer come before the options.
        ROUTER_ADVERTISEMENT => (src, SOURCE, packet.payload.get(8..)?),
        NEIGHBOUR_SOLICITATION => (src, SOURCE, packet.payload.get(16..)?),
        NEIGHBOUR_ADVERTISEMENT => {
            let (target, options) = packet.payload.split_first_chunk::<16>()?;
            (Ipv6Addr::from(*target), TARGET, options)
        }
        _ => return None,
    };
    let mac = link_layer_address(option, options)?;
    // Without an address of its own a host states nothing (it looks whether one is free).
    let states = !ip.is_unspecified() && !ip.is_multicast() && !mac.is_group() && mac.0 != [0; 6];
    states.then_some(Neighbour { seen: packet.seen, mac, ip: ip.into() })
}

/// The address in the first option of this kind. Lengths are in units of eight bytes; zero is invalid, and
/// would not end.
fn link_layer_address(wanted: u8, mut options: &[u8]) -> Option<MacAddr> {
    while let [kind, units, value @ ..] = options {
        match (*kind, *units) {
            (_, 0) => return None,
            (kind, 1) if kind == wanted => return value.first_chunk::<6>().map(|address| MacAddr(*address)),
            _ => {}
        }
        options = options.get(usize::from(*units).saturating_mul(8)..)?;
    }
    None
}

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const SOURCE: u8 = 1;
const TARGET: u8 = 2;
