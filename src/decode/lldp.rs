//! Link Layer Discovery Protocol (IEEE 802.1AB): what a station says of itself to its neighbour on the link.
//!
//! Read are chassis, system name, system description, and the URL of a Manufacturer Usage Description (RFC 8520 section
//! 12). Not read: ports, capabilities, management addresses, and what organisations other than IANA define.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Layer;
use crate::model::MacAddr;
use crate::model::evidence::Seen;
use crate::model::packet::{Link, Lldp};

/// Reads the units of a frame, as far as they are whole. `None` if the sender has no address of its own.
pub(super) fn read(link: Link, layer: Layer<'_>, seen: Seen) -> Option<Lldp<'_>> {
    let mac = link.src.filter(|mac| !mac.is_group())?;
    let mut lldp =
        Lldp { seen, mac, chassis: None, system_name: None, system_description: None, mud_url: None };
    let mut rest = layer.bytes;
    while let Some((header, behind)) = rest.split_first_chunk::<2>() {
        let header = u16::from_be_bytes(*header);
        let Some((value, behind)) = behind.split_at_checked(usize::from(header & 0x01ff)) else { break };
        match (header >> 9, value) {
            (END, _) => break,
            (CHASSIS_ID, [kind, id @ ..]) => lldp.chassis = lldp.chassis.or(Some((*kind, id))),
            (SYSTEM_NAME, _) => first(&mut lldp.system_name, value),
            (SYSTEM_DESCRIPTION, _) => first(&mut lldp.system_description, value),
            (ORGANISATION, [0x00, 0x00, 0x5e, MUD, url @ ..]) => first(&mut lldp.mud_url, url),
            _ => {}
        }
        rest = behind;
    }
    Some(lldp)
}

/// Keeps the first value that is not empty.
fn first<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8]) {
    *slot = slot.or(Some(value).filter(|value| !value.is_empty()));
}

/// A chassis identifier in the way of its kind: an address where it is one, else text (IEEE 802.1AB section 8.5.2).
pub fn chassis_text(kind: u8, id: &[u8]) -> String {
    match (kind, id) {
        (MAC_ADDRESS, &[a, b, c, d, e, f]) => MacAddr([a, b, c, d, e, f]).to_string(),
        (NETWORK_ADDRESS, [1, octets @ ..]) => <[u8; 4]>::try_from(octets)
            .map_or_else(|_| text(id), |v4| IpAddr::from(Ipv4Addr::from(v4)).to_string()),
        (NETWORK_ADDRESS, [2, octets @ ..]) => <[u8; 16]>::try_from(octets)
            .map_or_else(|_| text(id), |v6| IpAddr::from(Ipv6Addr::from(v6)).to_string()),
        _ => text(id),
    }
}

fn text(bytes: &[u8]) -> String {
    crate::model::text::lossless(bytes)
}

/// Kinds of units (table 8-1).
const END: u16 = 0;
const CHASSIS_ID: u16 = 1;
const SYSTEM_NAME: u16 = 5;
const SYSTEM_DESCRIPTION: u16 = 6;
const ORGANISATION: u16 = 127;

/// IANA's subtype for the URL.
const MUD: u8 = 1;

/// Kinds of chassis identifiers (table 8-2).
const MAC_ADDRESS: u8 = 4;
const NETWORK_ADDRESS: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Decoded, decode};
    use crate::model::frame::Frame;
    use crate::model::{CaptureId, FrameNo, FrameRef, LinkType, Timestamp};

    fn unit(kind: u16, value: &[u8]) -> Vec<u8> {
        [&(kind << 9 | value.len() as u16).to_be_bytes(), value].concat()
    }

    fn announcement() -> Vec<u8> {
        [
            vec![0x01, 0x80, 0xc2, 0, 0, 0x0e, 0x02, 0, 0x5e, 0x10, 0, 1, 0x88, 0xcc],
            unit(1, &[4, 2, 0, 0x5e, 0x10, 0, 1]),
            unit(2, b"\x05eth0"),
            unit(3, &[0, 120]),
            unit(5, b"lamp"),
            unit(6, b"Lamp 1.0"),
            unit(127, b"\x00\x00\x5e\x01https://mud.example/lamp"),
            unit(127, b"\x00\x12\x0f\x01x"),
            unit(0, b""),
            vec![0; 8],
        ]
        .concat()
    }

    fn frame(data: &[u8]) -> Frame<'_> {
        let at = FrameRef::new(CaptureId(0), FrameNo(1));
        let orig_len = data.len() as u32;
        Frame { at, time: Timestamp::new(1, 0), link_type: LinkType::ETHERNET, orig_len, data }
    }

    #[test]
    fn a_station_says_what_it_is() {
        let bytes = announcement();
        let Decoded::Lldp(lldp) = decode(&frame(&bytes)) else { panic!("{:?}", decode(&frame(&bytes))) };
        assert_eq!(lldp.mac, MacAddr([2, 0, 0x5e, 0x10, 0, 1]));
        assert_eq!(lldp.chassis.map(|(kind, id)| chassis_text(kind, id)), Some("02:00:5e:10:00:01".into()));
        assert_eq!(lldp.system_name, Some(&b"lamp"[..]));
        assert_eq!(lldp.system_description, Some(&b"Lamp 1.0"[..]));
        assert_eq!(lldp.mud_url, Some(&b"https://mud.example/lamp"[..]));
    }

    #[test]
    fn every_shorter_length_says_no_more() {
        let bytes = announcement();
        for end in 14..bytes.len() {
            let Decoded::Lldp(lldp) = decode(&frame(&bytes[..end])) else { panic!("{end}") };
            assert!(lldp.system_name.is_none_or(|name| name == b"lamp"), "{end}");
            assert!(lldp.mud_url.is_none_or(|url| url == b"https://mud.example/lamp"), "{end}");
        }
    }

    #[test]
    fn chassis_identifiers_are_shown_in_the_way_of_their_kind() {
        assert_eq!(chassis_text(5, &[1, 192, 0, 2, 7]), "192.0.2.7");
        assert_eq!(chassis_text(5, &[1, 192, 0, 2]), "\u{1}\\xc0\u{0}\u{2}");
        assert_eq!(chassis_text(7, b"cabinet 4"), "cabinet 4");
    }
}
