//! Link layers: Ethernet II and 802.3 with any number of tags, Linux cooked captures of both versions, BSD
//! loopback, raw IP; PPP and 802.11 are next door.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice};

use super::{Layer, Network, Protocol, ppp, tunnel, wireless};
use crate::model::frame::Frame;
use crate::model::packet::{Link, Outer, WrapKind};
use crate::model::stats::SkipReason;
use crate::model::{LinkType, MacAddr};

type Result<T> = std::result::Result<T, SkipReason>;

/// Reads the link header by the frame's link type.
pub(super) fn read<'a>(frame: &Frame<'a>) -> Result<Network<'a>> {
    by_link_type(frame.link_type, Layer::of(frame), Outer::default())
}

/// Reads a link header of any type.
pub(super) fn by_link_type(link_type: LinkType, layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let link = Link::default();
    let raw = |protocol| Ok(Network { link, outer, protocol, layer });
    match link_type {
        LinkType::ETHERNET => ethernet(layer, outer),
        LinkType::LINUX_SLL => cooked(layer),
        LinkType::LINUX_SLL2 => cooked_v2(layer),
        LinkType::RAW | RAW_BSD | RAW_OPENBSD => raw(Protocol::EitherIp),
        LinkType::IPV4 => raw(Protocol::Ipv4),
        LinkType::IPV6 => raw(Protocol::Ipv6),
        LinkType::NULL | LinkType::LOOP => loopback(layer),
        LinkType::PPP | LinkType::PPP_HDLC => ppp::framed(layer, link, outer),
        LinkType::PPP_WITH_DIR => ppp::framed(layer.skip(1), link, outer),
        LinkType::PPP_ETHER => ppp::over_ethernet(layer, link, outer),
        LinkType::C_HDLC => ppp::cisco(layer, link, outer),
        LinkType::MPLS => tunnel::mpls(layer, link, outer),
        LinkType::IEEE802_11 => wireless::frame(layer, outer),
        LinkType::RADIOTAP => wireless::radiotap(layer, outer),
        LinkType::PRISM | LinkType::AVS => wireless::prism(layer, outer),
        LinkType::PPI => wireless::ppi(layer, outer),
        LinkType::TZSP => tunnel::tzsp(layer, outer),
        other => Err(SkipReason::LinkType(other)),
    }
}

/// An Ethernet frame, on the wire or in a tunnel.
pub(super) fn ethernet(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let header = Ethernet2HeaderSlice::from_slice(layer.bytes).map_err(|_| layer.lacks("Ethernet header"))?;
    let link = Link { src: station(header.source()), dst: station(header.destination()), vlan: None };
    by_ether_type(header.ether_type().0, link, outer, layer.skip(14))
}

/// Follows tags and SNAP to what is carried. Each turn leaves some of the layer behind, so it ends.
pub(super) fn by_ether_type(
    mut ether_type: u16,
    mut link: Link,
    mut outer: Outer,
    mut layer: Layer<'_>,
) -> Result<Network<'_>> {
    let mut tagged = false;
    loop {
        let protocol = match ether_type {
            IPV4 => Protocol::Ipv4,
            IPV6 => Protocol::Ipv6,
            ARP => Protocol::Arp,
            LLDP => Protocol::Lldp,
            VLAN | SERVICE_VLAN | OLD_SERVICE_VLAN | OLDER_SERVICE_VLAN => {
                let tag =
                    SingleVlanHeaderSlice::from_slice(layer.bytes).map_err(|_| layer.lacks("VLAN tag"))?;
                // Identifier 0 means a priority and no VLAN (IEEE 802.1Q section 9.6).
                let id = tag.vlan_identifier().value();
                if id != 0 && link.vlan.is_some() {
                    outer = outer.with(WrapKind::Qinq, id.into()).unwrap_or(outer);
                }
                link.vlan = link.vlan.or((id != 0).then_some(id));
                ether_type = tag.ether_type().0;
                layer = layer.skip(4);
                continue;
            }
            // IEEE 802.1BR section 7.5 and Cisco's VN-Tag: ports of an extended bridge, a tag and the next EtherType.
            E_TAG => {
                let ([.., a, b], rest) = layer.header::<8>("E-TAG")?;
                (ether_type, layer) = (u16::from_be_bytes([*a, *b]), rest);
                continue;
            }
            VN_TAG => {
                let ([.., a, b], rest) = layer.header::<6>("VN-Tag")?;
                (ether_type, layer) = (u16::from_be_bytes([*a, *b]), rest);
                continue;
            }
            // IEC 62439-3 section 5.7, rings whose frames go both ways: path and length, number, the next EtherType.
            REDUNDANCY_TAG => {
                let ([.., a, b], rest) = layer.header::<6>("HSR tag")?;
                (ether_type, layer) = (u16::from_be_bytes([*a, *b]), rest);
                continue;
            }
            // Cisco's metadata (draft-smith-kandula-sxp): version 1, with one option, the group of the sender.
            CISCO_METADATA => {
                let (header, rest) = layer.header::<8>("Cisco metadata")?;
                let [1, 1, .., a, b] = *header else { return Err(SkipReason::EtherType(CISCO_METADATA)) };
                (ether_type, layer) = (u16::from_be_bytes([a, b]), rest);
                continue;
            }
            // IEEE 802.1AE section 9: a tag, 14 bytes with and 6 without the sender's identifier; then, if it is only protected
            // against change, what it protects, with a check value behind it.
            MACSEC => {
                let ([flags, ..], _) = layer.header::<6>("MACsec tag")?;
                if flags & 0x0c != 0 {
                    return Err(SkipReason::Tunnel("MACsec"));
                }
                let ([a, b], rest) =
                    layer.skip(if flags & 0x20 != 0 { 14 } else { 6 }).header::<2>("MACsec tag")?;
                (ether_type, layer) = (u16::from_be_bytes([*a, *b]), rest);
                continue;
            }
            ..FIRST_ETHER_TYPE | JUMBO_LLC if !tagged => {
                // IEEE 802.3: a length, LLC and perhaps SNAP (RFC 1042), which has the EtherType.
                if ether_type < FIRST_ETHER_TYPE {
                    layer = layer.limit(usize::from(ether_type));
                }
                (ether_type, layer) = llc(layer)?;
                tagged = true;
                continue;
            }
            ..FIRST_ETHER_TYPE => return Err(SkipReason::EtherType(0)),
            MPLS | MPLS_UPSTREAM => return tunnel::mpls(layer, link, outer),
            PPPOE_SESSION => return ppp::over_ethernet(layer, link, outer),
            PROVIDER_BACKBONE => return tunnel::backbone(layer, outer),
            NSH => return tunnel::nsh(layer, link, outer),
            other => return Err(SkipReason::EtherType(other)),
        };
        return Ok(Network { link, outer, protocol, layer });
    }
}

/// IEEE 802.2 LLC: the EtherType in SNAP (RFC 1042, and the form for bridges with 00-00-F8), or IP's own service access point.
pub(super) fn llc(layer: Layer<'_>) -> Result<(u16, Layer<'_>)> {
    match layer.header::<8>("") {
        Ok(([0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, a, b], rest)) => Ok((u16::from_be_bytes([*a, *b]), rest)),
        Ok(([0x06, 0x06, 0x03, ..], _)) => Ok((IPV4, layer.skip(3))),
        // One reason for all lengths.
        _ => Err(SkipReason::EtherType(0)),
    }
}

/// LINKTYPE_LINUX_SLL: packet type, ARPHRD type, address length and address, protocol. Not etherparse's, which
/// refuses all but a few ARPHRD types.
fn cooked(layer: Layer<'_>) -> Result<Network<'_>> {
    let (header, rest) = layer.header::<16>("cooked header")?;
    let [_, _, arphrd @ .., _, _] = header;
    let [a, b, _, len, address @ ..] = arphrd;
    let [.., c, d] = header;
    let src = cooked_station(*len, *address);
    cooked_payload(u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]), src, rest)
}

/// LINKTYPE_LINUX_SLL2: the same in another order, with an interface index.
fn cooked_v2(layer: Layer<'_>) -> Result<Network<'_>> {
    let (header, rest) = layer.header::<20>("cooked header")?;
    let [c, d, _, _, _, _, _, _, a, b, _, len, address @ ..] = header;
    let src = cooked_station(*len, *address);
    cooked_payload(u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]), src, rest)
}

/// The protocol is an EtherType, except on a few kinds of device.
fn cooked_payload(arphrd: u16, protocol: u16, src: Option<MacAddr>, layer: Layer<'_>) -> Result<Network<'_>> {
    match arphrd {
        ARPHRD_NETLINK => Err(SkipReason::LinkType(NETLINK)),
        ARPHRD_RADIOTAP => wireless::radiotap(layer, Outer::default()),
        // Numbers below EtherTypes are kinds of 802.3 and 802.2 frames, not lengths.
        _ if protocol == COOKED_LLC => {
            let (ether_type, layer) = llc(layer)?;
            by_ether_type(ether_type, Link { src, dst: None, vlan: None }, Outer::default(), layer)
        }
        _ if protocol < FIRST_ETHER_TYPE => Err(SkipReason::EtherType(0)),
        _ => by_ether_type(protocol, Link { src, dst: None, vlan: None }, Outer::default(), layer),
    }
}

/// The address of a cooked header, where it is one of Ethernet.
fn cooked_station(len: u8, address: [u8; 8]) -> Option<MacAddr> {
    address.first_chunk::<6>().filter(|_| len == 6).and_then(|address| station(*address))
}

/// An address family; LOOP has it in network byte order and NULL in that of the capturing host, but the
/// families in question are one byte long, so either way round is the same.
fn loopback(layer: Layer<'_>) -> Result<Network<'_>> {
    let (header, layer) = layer.header::<4>("loopback header")?;
    let protocol = match header {
        [family, 0, 0, 0] | [0, 0, 0, family] => match *family {
            2 => Some(Protocol::Ipv4),
            // Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin.
            10 | 23 | 24 | 28 | 30 => Some(Protocol::Ipv6),
            _ => None,
        },
        _ => None,
    };
    let protocol = protocol.ok_or(SkipReason::Malformed("loopback address family"))?;
    Ok(Network { link: Link::default(), outer: Outer::default(), protocol, layer })
}

/// An address of a station; all zero, as on Linux's loopback interface, is nobody's.
pub(super) fn station(address: [u8; 6]) -> Option<MacAddr> {
    (address != [0; 6]).then_some(MacAddr(address))
}

/// Below are lengths (IEEE 802.3 section 3.2.6).
const FIRST_ETHER_TYPE: u16 = 0x0600;
pub(super) const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const LLDP: u16 = 0x88cc;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;
const OLD_SERVICE_VLAN: u16 = 0x9100;
const OLDER_SERVICE_VLAN: u16 = 0x9200;
/// LLC in a frame that is longer than a length can say.
const JUMBO_LLC: u16 = 0x8870;
const MACSEC: u16 = 0x88e5;
const CISCO_METADATA: u16 = 0x8909;
const VN_TAG: u16 = 0x8926;
const REDUNDANCY_TAG: u16 = 0x892f;
const E_TAG: u16 = 0x893f;
pub(super) const MPLS: u16 = 0x8847;
pub(super) const MPLS_UPSTREAM: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;
const PROVIDER_BACKBONE: u16 = 0x88e7;
pub(super) const NSH: u16 = 0x894f;

/// What raw IP is called by BSD/OS and others, and by OpenBSD.
const RAW_BSD: LinkType = LinkType(12);
const RAW_OPENBSD: LinkType = LinkType(14);
const NETLINK: LinkType = LinkType(253);

/// An 802.2 frame.
const COOKED_LLC: u16 = 4;
const ARPHRD_RADIOTAP: u16 = 803;
const ARPHRD_NETLINK: u16 = 824;
