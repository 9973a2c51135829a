//! Neighbour discovery for IPv6 (RFC 4861): who says which address is at which MAC address, and which resolvers routers
//! advertise (RFC 8106).

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

/// The resolvers that a router advertisement tells every host on the link, in order; those with a lifetime of zero are
/// taken back and left out. None for all other packets.
pub fn resolvers<'a>(packet: &Packet<'a>) -> impl Iterator<Item = Ipv6Addr> + 'a {
    let told = match (packet.segment, packet.hop_limit) {
        (Segment::Icmp(IcmpHeader { kind: ROUTER_ADVERTISEMENT, code: 0, .. }), 255)
            if packet.src.is_ipv6() =>
        {
            packet.payload.get(8..)
        }
        _ => None,
    };
    let found = options(told.unwrap_or_default()).filter_map(|(kind, value)| {
        // Two reserved bytes and the lifetime come before the addresses.
        let (lifetime, addresses) = value.get(2..)?.split_first_chunk::<4>()?;
        (kind == RESOLVERS && *lifetime != [0; 4]).then_some(addresses.as_chunks::<16>().0)
    });
    found.flatten().map(|octets| Ipv6Addr::from(*octets))
}

/// The options of a message, as kind and content. Lengths are in units of eight bytes; zero is invalid, and would not
/// end.
fn options(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [kind, units, ..] = *rest else { return None };
        let (option, behind) = rest.split_at_checked(usize::from(units).saturating_mul(8))?;
        rest = behind;
        Some((kind, option.get(2..)?))
    })
}

/// The address in the first option of this kind.
fn link_layer_address(wanted: u8, rest: &[u8]) -> Option<MacAddr> {
    let mut found = options(rest).filter(|(kind, value)| *kind == wanted && value.len() == 6);
    found.next().and_then(|(_, value)| value.first_chunk::<6>()).map(|address| MacAddr(*address))
}

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const SOURCE: u8 = 1;
const TARGET: u8 = 2;
const RESOLVERS: u8 = 25;
