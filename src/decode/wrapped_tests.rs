//! Packets in tunnels and on links other than Ethernet. Headers are written out by the documents named where they are read.

use super::*;
use crate::model::{CaptureId, FrameNo, FrameRef, LinkType, MacAddr, Timestamp};

const INNER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x1a];
const OUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];

fn frame(link_type: LinkType, data: &[u8], wire: usize) -> Frame<'_> {
    Frame {
        at: FrameRef::new(CaptureId(0), FrameNo(1)),
        time: Timestamp::new(1, 0),
        link_type,
        orig_len: wire as u32,
        data,
    }
}

fn ethernet(src: [u8; 6], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 0xff][..], &src, &ether_type.to_be_bytes(), payload].concat()
}

fn ipv4(number: u8, last: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16 + 20).to_be_bytes();
    let header = [0x45, 0, len[0], len[1], 0, 1, 0, 0, 64, number, 0, 0, 192, 0, 2, last, 198, 51, 100, 2];
    [&header[..], payload].concat()
}

fn ipv6(number: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    let address = |last| [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    [&[0x60, 0, 0, 0, len[0], len[1], number, 64][..], &address(1), &address(2), payload].concat()
}

fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16 + 8).to_be_bytes();
    [&src.to_be_bytes()[..], &dst.to_be_bytes(), &len, &[0, 0], payload].concat()
}

/// What every tunnel here carries, as IP and as a frame.
fn inner() -> Vec<u8> {
    ipv4(17, 77, &udp(40_000, 53, b"inside"))
}

fn inner_frame() -> Vec<u8> {
    ethernet(INNER_MAC, 0x0800, &inner())
}

fn gre(header: &[u8], payload: &[u8]) -> Vec<u8> {
    ethernet(OUTER_MAC, 0x0800, &ipv4(47, 1, &[header, payload].concat()))
}

fn over_udp(port: u16, header: &[u8], payload: &[u8]) -> Vec<u8> {
    ethernet(OUTER_MAC, 0x0800, &ipv4(17, 1, &udp(50_000, port, &[header, payload].concat())))
}

/// What it is called, the frame, and who sends it at the link layer, if the packet inside says so.
type Wrapped = (&'static str, Vec<u8>, Option<[u8; 6]>);

fn wrapped() -> Vec<Wrapped> {
    let (ip, own) = (inner(), Some(INNER_MAC));
    let around = Some(OUTER_MAC);
    let ip6 = ipv6(17, &udp(40_000, 53, b"inside"));
    let mut teredo = ip6.clone();
    teredo[8..12].copy_from_slice(&[0x20, 1, 0, 0]);
    let framed = inner_frame();
    let on = |ether_type, header: &[u8], payload: &[u8]| {
        ethernet(OUTER_MAC, ether_type, &[header, payload].concat())
    };
    let pppoe = |inner: &[u8]| {
        let len = (inner.len() as u16 + 2).to_be_bytes();
        [&[0x11, 0, 0x12, 0x34, len[0], len[1], 0, 0x21][..], inner].concat()
    };
    vec![
        ("QinQ 7", on(0x88a8, &[0, 5, 0x81, 0, 0, 7, 8, 0], &ip), around),
        ("", on(0x893f, &[0, 0, 0, 0, 0, 0, 8, 0], &ip), around),
        ("", on(0x8926, &[0, 0, 0, 0, 8, 0], &ip), around),
        ("", on(0x88e5, &[0x00, 0, 0, 0, 0, 1, 8, 0], &ip), around),
        ("", on(0x88e5, &[0x20, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 0, 1, 8, 0], &ip), around),
        ("802.1ah 70000", on(0x88e7, &[0, 1, 0x11, 0x70], &framed), own),
        ("MPLS 17", on(0x8847, &[0, 1, 0, 64, 0, 1, 0x11, 64], &ip), around),
        ("MPLS 17", on(0x8847, &[0, 1, 0x11, 64], &ip6), around),
        ("MPLS 18", on(0x8847, &[0, 1, 0x21, 64, 0, 0, 0, 0], &framed), own),
        ("PPPoE 4660", on(0x8864, &[], &pppoe(&ip)), around),
        ("NSH 42", on(0x894f, &[0x0f, 0xc2, 1, 1, 0, 0, 42, 255], &ip), around),
        ("IP-in-IP", on(0x0800, &[], &ipv4(4, 1, &ip)), None),
        ("6in4", on(0x0800, &[], &ipv4(41, 1, &ip6)), None),
        ("4in6", on(0x86dd, &[], &ipv6(4, &ip)), None),
        ("6in6", on(0x86dd, &[], &ipv6(41, &ip6)), None),
        ("GRE", gre(&[0, 0, 8, 0], &ip), None),
        ("GRE", gre(&[0, 0, 0x86, 0xdd], &ip6), None),
        ("GRE", gre(&[0x90, 0, 0x65, 0x58, 1, 2, 0, 0, 0, 0, 0, 9], &framed), own),
        ("GRE key 7", gre(&[0xb0, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9], &ip), None),
        ("GRE / MPLS 17", gre(&[0, 0, 0x88, 0x47, 0, 1, 0x11, 64], &ip), None),
        ("NVGRE 5000", gre(&[0x20, 0, 0x65, 0x58, 0, 0x13, 0x88, 9], &framed), own),
        ("GRE key 42", gre(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 42], &framed), own),
        ("PPTP 3", gre(&[0x30, 1, 0x88, 0x0b, 0, 54, 0, 3, 0, 0, 0, 1, 0xff, 3, 0, 0x21], &ip), None),
        ("ERSPAN I", gre(&[0, 0, 0x88, 0xbe], &framed), own),
        ("ERSPAN II 100", gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 100, 0, 0, 0, 0], &framed), own),
        (
            "ERSPAN III 100",
            gre(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0], &framed),
            own,
        ),
        (
            "ERSPAN III 100",
            gre(
                &[
                    0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0,
                    0, 0, 0,
                ],
                &framed,
            ),
            own,
        ),
        ("EtherIP", on(0x0800, &[], &ipv4(97, 1, &[&[0x30, 0][..], &framed].concat())), own),
        ("MPLS 17", on(0x0800, &[], &ipv4(137, 1, &[&[0, 1, 0x11, 64][..], &ip].concat())), None),
        ("VXLAN 42", over_udp(4789, &[8, 0, 0, 0, 0, 0, 42, 0], &framed), own),
        ("VXLAN 42", over_udp(8472, &[0x88, 0, 0, 5, 0, 0, 42, 0], &framed), own),
        ("VXLAN-GPE 42", over_udp(4790, &[0x0c, 0, 0, 1, 0, 0, 42, 0], &ip), None),
        ("VXLAN-GPE 42", over_udp(4790, &[0x0c, 0, 0, 3, 0, 0, 42, 0], &framed), own),
        ("GENEVE 42", over_udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 42, 0], &framed), own),
        ("GENEVE 42", over_udp(6081, &[1, 0, 8, 0, 0, 0, 42, 0, 0, 1, 0, 0], &ip), None),
        ("GTP-U 9", over_udp(2152, &[0x30, 255, 0, 54, 0, 0, 0, 9], &ip), None),
        ("GTP-U 9", over_udp(2152, &[0x34, 255, 0, 62, 0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0x10, 9, 0], &ip), None),
        ("Teredo", over_udp(3544, &[], &teredo), None),
        (
            "Teredo",
            over_udp(3544, &[0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6], &teredo),
            None,
        ),
        ("LISP 0", over_udp(4341, &[0x80, 0, 0, 1, 0, 0, 0, 1], &ip), None),
        ("L2TP 5", over_udp(1701, &[0, 2, 0, 1, 0, 5, 0xff, 3, 0, 0x21], &ip), None),
        ("L2TP 5", over_udp(1701, &[0x42, 2, 0, 58, 0, 1, 0, 5, 0, 0, 0xff, 3, 0, 0x21], &ip), None),
        ("TZSP", over_udp(37008, &[1, 0, 0, 1, 10, 1, 0xaa, 0, 1], &framed), own),
    ]
}

#[test]
fn the_innermost_packet_is_found_and_keeps_what_is_around_it() {
    for (name, bytes, mac) in wrapped() {
        let frame = frame(LinkType::ETHERNET, &bytes, bytes.len());
        let Decoded::Packet(packet) = decode(&frame) else { panic!("{name}: {:?}", decode(&frame)) };
        assert_eq!((packet.payload, packet.payload_len), (&b"inside"[..], 6), "{name}: {packet:?}");
        assert_eq!(packet.key().resp.port, 53, "{name}");
        assert_eq!(packet.outer.to_string(), name);
        assert_eq!(packet.link.src, mac.map(MacAddr), "{name}");
    }
}

/// Wherever the snap length cuts, there is the packet inside, one around it, or the reason why there is none.
#[test]
fn a_wrapped_packet_may_be_cut_anywhere() {
    for (name, bytes, _) in wrapped() {
        for cut in 0..bytes.len() {
            match decode(&frame(LinkType::ETHERNET, &bytes[..cut], bytes.len())) {
                Decoded::Packet(packet) => assert!(packet.missing() > 0, "{name} cut at {cut}: {packet:?}"),
                Decoded::Skipped(SkipReason::Truncated) => {}
                other => panic!("{name} cut at {cut}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_makes_no_sense_inside_leaves_the_packet_around() {
    for (bytes, number) in [
        (gre(&[0, 0, 8, 0], b"no packet"), 47),
        (gre(&[0x40, 0, 8, 0, 0, 0, 0, 0], &inner()), 47),
        (gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x70, 0, 0, 100, 0, 0, 0, 0], &inner_frame()), 47),
        (over_udp(4789, &[0, 0, 0, 0, 0, 0, 42, 0], &inner_frame()), 17),
        (over_udp(4789, &[8, 0, 0, 0, 0, 0, 42, 0], b"no frame at all, only text"), 17),
        (over_udp(2152, &[0x30, 1, 0, 54, 0, 0, 0, 9], &inner()), 17),
        (over_udp(3544, &[], b"Teredo carries IPv6 only"), 17),
        // Of another port, by chance: the first bits are those of IPv6, the rest is not.
        (over_udp(3544, &[], &[0x60; 80]), 17),
        (over_udp(3544, &[], &ipv6(17, &udp(40_000, 53, b"inside"))), 17),
        (over_udp(4341, &[0x60; 8], &[0x60; 80]), 17),
        (over_udp(2152, &[0x30, 255, 0, 80, 0, 0, 0, 9], &[0x45; 80]), 17),
    ] {
        let frame = frame(LinkType::ETHERNET, &bytes, bytes.len());
        let Decoded::Packet(packet) = decode(&frame) else { panic!("{:?}", decode(&frame)) };
        assert!(packet.outer.is_empty(), "{}", packet.outer);
        assert_eq!(packet.link.src, Some(MacAddr(OUTER_MAC)));
        let found = if let crate::model::packet::Segment::Udp { .. } = packet.segment { 17 } else { 47 };
        assert_eq!(found, number);
    }
}

/// As deep as there is room to say, and no deeper: what is around the rest is given.
#[test]
fn depth_is_bounded() {
    let mut ip = inner();
    for depth in 1..=40 {
        ip = ipv4(4, depth, &ip);
    }
    let frame = frame(LinkType::RAW, &ip, ip.len());
    let Decoded::Packet(packet) = decode(&frame) else { panic!("{:?}", decode(&frame)) };
    assert_eq!(packet.outer.iter().count(), Outer::MAX);
    assert_eq!(packet.src, std::net::IpAddr::from([192, 0, 2, 34]));
    let labels = [&[0, 1, 0, 64].repeat(300)[..], &[0, 1, 0x11, 64], &inner()].concat();
    let bytes = ethernet(OUTER_MAC, 0x8847, &labels);
    let Decoded::Packet(packet) = decode(&self::frame(LinkType::ETHERNET, &bytes, bytes.len())) else {
        panic!()
    };
    assert_eq!(packet.outer.to_string(), "MPLS 17");
}

#[test]
fn links_of_other_kinds_give_the_same_packet() {
    let ip = inner();
    let llc = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let (a, b, c, d) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4]);
    let wlan = |control: u8, flags: u8, rest: &[u8]| {
        [&[control, flags, 0, 0][..], &a, &b, &c, &[0, 0], rest, &llc, &ip].concat()
    };
    let radiotap = |flags: u8| [0, 0, 9, 0, 2, 0, 0, 0, flags];
    let ppi = |link: u8| [0, 0, 8, 0, link, 0, 0, 0];
    let wds = [&d[..], &[]].concat();
    for (link_type, bytes, src) in [
        (LinkType::PPP, [&[0xff, 3, 0, 0x21][..], &ip].concat(), None),
        (LinkType::PPP, [&[0, 0x21][..], &ip].concat(), None),
        (LinkType::PPP, [&[0x21][..], &ip].concat(), None),
        (LinkType::PPP_HDLC, [&[0x0f, 0, 8, 0][..], &ip].concat(), None),
        (LinkType::PPP_WITH_DIR, [&[1, 0xff, 3, 0, 0x21][..], &ip].concat(), None),
        (LinkType::PPP_ETHER, [&[0x11, 0, 0, 1, 0, 56, 0, 0x21][..], &ip].concat(), None),
        (LinkType::C_HDLC, [&[0x8f, 0, 8, 0][..], &ip].concat(), None),
        (LinkType::MPLS, [&[0, 1, 0x11, 64][..], &ip].concat(), None),
        // To the access point, from it, between two, without one; with QoS and with HT control.
        (LinkType::IEEE802_11, wlan(0x08, 0x01, &[]), Some(b)),
        (LinkType::IEEE802_11, wlan(0x08, 0x02, &[]), Some(c)),
        (LinkType::IEEE802_11, wlan(0x08, 0x03, &wds), Some(d)),
        (LinkType::IEEE802_11, wlan(0x08, 0x00, &[]), Some(b)),
        (LinkType::IEEE802_11, wlan(0x88, 0x02, &[0, 0]), Some(c)),
        (LinkType::IEEE802_11, wlan(0x88, 0x82, &[0, 0, 0, 0, 0, 0]), Some(c)),
        (LinkType::RADIOTAP, [&radiotap(0)[..], &wlan(0x08, 0x01, &[])].concat(), Some(b)),
        (LinkType::RADIOTAP, [&radiotap(0x10)[..], &wlan(0x08, 0x01, &[]), &[1, 2, 3, 4]].concat(), Some(b)),
        // Padded to four bytes between header and body.
        (LinkType::RADIOTAP, [&radiotap(0x20)[..], &wlan(0x88, 0x02, &[0, 0, 0, 0])].concat(), Some(c)),
        (LinkType::PRISM, [&[0, 0, 0, 0x44, 9, 0, 0, 0, 0][..], &wlan(0x08, 0x01, &[])].concat(), Some(b)),
        (LinkType::PRISM, [&[0x80, 0x21, 0x10, 1, 0, 0, 0, 8][..], &wlan(0x08, 0x01, &[])].concat(), Some(b)),
        (LinkType::PPI, [&ppi(105)[..], &wlan(0x08, 0x01, &[])].concat(), Some(b)),
        (LinkType::PPI, [&ppi(1)[..], &inner_frame()].concat(), Some(INNER_MAC)),
        (LinkType::TZSP, [&[1, 0, 0, 18, 1][..], &wlan(0x08, 0x01, &[])].concat(), Some(b)),
    ] {
        let frame = frame(link_type, &bytes, bytes.len());
        let Decoded::Packet(packet) = decode(&frame) else { panic!("{link_type:?}: {:?}", decode(&frame)) };
        assert_eq!(packet.payload, b"inside", "{link_type:?}");
        assert_eq!(packet.link.src, src.map(MacAddr), "{link_type:?} {bytes:02x?}");
        for cut in 0..bytes.len() {
            let decoded = decode(&self::frame(link_type, &bytes[..cut], bytes.len()));
            assert!(
                match decoded {
                    // Of some, the end is a check sequence.
                    Decoded::Packet(packet) => packet.missing() > 0 || packet.payload == b"inside",
                    Decoded::Skipped(reason) =>
                        matches!(reason, SkipReason::Truncated | SkipReason::EtherType(0)),
                    _ => false,
                },
                "{link_type:?} cut at {cut}: {decoded:?}"
            );
        }
    }
}

#[test]
fn wireless_frames_without_a_readable_packet_say_why() {
    let body = [0; 60];
    for (control, flags, reason) in [
        (0x80, 0, SkipReason::Protocol("802.11")),
        (0xd4, 0, SkipReason::Protocol("802.11")),
        (0x48, 1, SkipReason::Protocol("802.11")),
        (0x08, 0x41, SkipReason::Tunnel("encrypted 802.11")),
        (0x09, 0, SkipReason::Malformed("802.11 header")),
    ] {
        let bytes = [&[control, flags][..], &body].concat();
        let decoded = decode(&frame(LinkType::IEEE802_11, &bytes, bytes.len()));
        assert!(matches!(decoded, Decoded::Skipped(found) if found == reason), "{decoded:?}");
    }
}
