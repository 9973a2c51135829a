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

/// A frame of a station to its access point.
fn wlan(control: [u8; 2], rest: &[u8], payload: &[u8]) -> Vec<u8> {
    let ether_type: &[u8] = if payload[0] >> 4 == 4 { &[8, 0] } else { &[0x86, 0xdd] };
    let llc = [&[0xaa, 0xaa, 3, 0, 0, 0], ether_type].concat();
    [&control[..], &[0, 0], &OUTER_MAC, &INNER_MAC, &[2, 0, 0, 0, 0, 3], &[0, 0], rest, &llc, payload]
        .concat()
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
        // 802.3; 802.11 as it is, with its first two bytes exchanged, and with QoS; with a radio's address and reception.
        ("CAPWAP", over_udp(5247, &[0, 0x10, 0x42, 0, 0, 0, 0, 0], &framed), own),
        ("CAPWAP", over_udp(5247, &[0, 0x10, 0x43, 0, 0, 0, 0, 0], &wlan([0x08, 0x01], &[], &ip)), own),
        ("CAPWAP", over_udp(5247, &[0, 0x10, 0x43, 0, 0, 0, 0, 0], &wlan([0x01, 0x08], &[], &ip)), own),
        ("CAPWAP", over_udp(5247, &[0, 0x10, 0x41, 0, 0, 0, 0, 0], &wlan([0x01, 0x88], &[0, 0], &ip6)), own),
        (
            "CAPWAP",
            over_udp(
                5247,
                &[0, 0x30, 0x43, 0x30, 0, 0, 0, 0, 6, 1, 2, 3, 4, 5, 6, 0, 4, 0xed, 0x4d, 0, 0, 0, 0, 0],
                &wlan([0x01, 0x08], &[], &ip),
            ),
            own,
        ),
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
        // DTLS; a keep-alive; management; a header longer than it says; another binding; an IP packet that is longer.
        (over_udp(5247, &[1, 0, 0, 0, 23, 254, 253, 0], &inner_frame()), 17),
        (over_udp(5247, &[0, 0x10, 0x42, 8, 0, 0, 0, 0], &inner_frame()), 17),
        (over_udp(5247, &[0, 0x10, 0x43, 0, 0, 0, 0, 0], &wlan([0x80, 0], &[], &inner())), 17),
        (over_udp(5247, &[0, 0x10, 0x43, 0, 0, 0, 0, 0], &wlan([0x08, 0x41], &[], &inner())), 17),
        (
            over_udp(
                5247,
                &[0, 0x10, 0x43, 0x20, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0],
                &wlan([8, 1], &[], &inner()),
            ),
            17,
        ),
        (over_udp(5247, &[0, 0x10, 0x45, 0, 0, 0, 0, 0], &wlan([8, 1], &[], &inner())), 17),
        (over_udp(5247, &[0, 0x10, 0x43, 0, 0, 0, 0, 0], &wlan([8, 1], &[], &inner()[..30])), 17),
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
    assert_eq!(packet.src, IpAddr::from([192, 0, 2, 34]));
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

fn fragment_of(bytes: &[u8]) -> Fragment<'_> {
    let Decoded::Fragment(fragment) = decode(&frame(LinkType::ETHERNET, bytes, bytes.len())) else {
        panic!("{:?}", decode(&frame(LinkType::ETHERNET, bytes, bytes.len())))
    };
    fragment
}

#[test]
fn fragments_of_what_capwap_carries_are_put_together() {
    let content = wlan([0x01, 0x08], &[], &inner());
    let (first, rest) = content.split_at(32);
    // Flags: a fragment, and the last one; identifier 9; the offset in units of eight bytes.
    let part = |flags, offset: u16, payload: &[u8]| {
        let [hi, lo] = (offset << 3).to_be_bytes();
        over_udp(5247, &[0, 0x10, 0x43, flags, 0, 9, hi, lo], payload)
    };
    let parts = [part(0x80, 0, first), part(0xc0, 4, rest)];
    for order in [[0, 1], [1, 0]] {
        let (mut defragmenter, mut stats) = (Defragmenter::default(), crate::model::stats::Stats::default());
        assert!(defragmenter.add(&fragment_of(&parts[order[0]]), &mut stats).is_none());
        let joined = defragmenter.add(&fragment_of(&parts[order[1]]), &mut stats).unwrap();
        let Decoded::Packet(packet) = whole(&joined) else { panic!("{:?}", whole(&joined)) };
        assert_eq!((packet.payload, packet.outer.to_string().as_str()), (&b"inside"[..], "CAPWAP"));
        assert_eq!(packet.link.src, Some(MacAddr(INNER_MAC)));
        assert_eq!((stats.analysed, stats.fragments.packets), (2, 1));
    }
    // The two ends may use the same number for something else: another port, or a fragment of IP.
    let (mut defragmenter, mut stats) = (Defragmenter::default(), crate::model::stats::Stats::default());
    let mut other = parts[1].clone();
    other[34] ^= 1;
    assert!(defragmenter.add(&fragment_of(&parts[0]), &mut stats).is_none());
    assert!(defragmenter.add(&fragment_of(&other), &mut stats).is_none());
    // What is no part of anything is a datagram.
    for odd in [part(0x80, 0, &first[..31]), part(0xc0, 0, rest), part(0xc0, 4, &[]), part(0x40, 0, first)] {
        let decoded = decode(&frame(LinkType::ETHERNET, &odd, odd.len()));
        assert!(matches!(decoded, Decoded::Packet(packet) if packet.outer.is_empty()), "{decoded:?}");
    }
}

fn compressed(number: u8, cpi: u16, content: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(content).unwrap();
    let packed = packer.finish().unwrap();
    [&[number, 0][..], &cpi.to_be_bytes(), &packed].concat()
}

#[test]
fn what_ipcomp_compresses_is_unpacked() {
    let udp = udp(40_000, 53, b"inside");
    for (bytes, around) in [
        (ethernet(OUTER_MAC, 0x0800, &ipv4(108, 77, &compressed(17, 2, &udp))), "IPComp"),
        (ethernet(OUTER_MAC, 0x86dd, &ipv6(108, &compressed(17, 2, &udp))), "IPComp"),
        (ethernet(OUTER_MAC, 0x0800, &ipv4(108, 1, &compressed(4, 0xeed1, &inner()))), "IPComp / IP-in-IP"),
    ] {
        let Decoded::Packet(packet) = decode(&frame(LinkType::ETHERNET, &bytes, bytes.len())) else {
            panic!()
        };
        assert!(is_compressed(&packet) && packet.outer.is_empty());
        let inside = unpacked(&packet).unwrap();
        let Decoded::Packet(inner) = whole(&inside) else { panic!("{:?}", whole(&inside)) };
        assert_eq!((inner.payload, inner.outer.to_string().as_str()), (&b"inside"[..], around));
        assert!(unpacked(&inner).is_none());
        for cut in 0..bytes.len() {
            if let Decoded::Packet(packet) = decode(&frame(LinkType::ETHERNET, &bytes[..cut], bytes.len())) {
                assert!(unpacked(&packet).is_none(), "cut at {cut}");
            }
        }
    }
}

#[test]
fn what_does_not_unpack_to_a_packet_stays_compressed() {
    let good = compressed(17, 2, &udp(40_000, 53, b"inside"));
    let mut longer = good.clone();
    longer.push(0);
    for odd in [
        compressed(17, 3, &udp(40_000, 53, b"inside")),
        compressed(17, 2, b"short"),
        compressed(17, 2, &vec![0; 70_000]),
        compressed(6, 2, &[0; 40]),
        good[..good.len() - 1].to_vec(),
        longer,
        vec![17, 0, 0, 2],
        vec![17, 0],
    ] {
        let bytes = ipv4(108, 1, &odd);
        let Decoded::Packet(packet) = decode(&frame(LinkType::RAW, &bytes, bytes.len())) else { panic!() };
        assert!(unpacked(&packet).is_none(), "{odd:02x?}");
    }
    // As often as there is room to say so, and no more often.
    let mut content = udp(40_000, 53, b"inside");
    let mut number = 17;
    for _ in 0..20 {
        content = compressed(number, 2, &content);
        number = 108;
    }
    let bytes = ipv4(108, 1, &content);
    let Decoded::Packet(packet) = decode(&frame(LinkType::RAW, &bytes, bytes.len())) else { panic!() };
    let mut inside = unpacked(&packet).unwrap();
    let mut turns = 1;
    while let Decoded::Packet(packet) = whole(&inside)
        && let Some(next) = unpacked(&packet)
    {
        inside = next;
        turns += 1;
    }
    assert_eq!(turns, Outer::MAX);
}

/// Whatever comes behind the headers: a packet, a fragment or a reason, and no panic.
#[test]
fn noise_in_capwap_and_in_ipcomp_does_no_harm() {
    let mut noise = 0x2545_f491_u32;
    let mut next = || {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise.to_le_bytes()
    };
    let (mut defragmenter, mut stats) = (Defragmenter::default(), crate::model::stats::Stats::default());
    for turn in 0..20_000_usize {
        let mut body: Vec<u8> = (0..turn % 23).flat_map(|_| next()).collect();
        for (at, byte) in [(0, 0), (1, 0x10), (2, 0x43)].into_iter().take(turn % 4) {
            if let Some(place) = body.get_mut(at) {
                *place = byte;
            }
        }
        let bytes = if turn % 2 == 0 {
            over_udp(5247, &body, &[])
        } else {
            ethernet(OUTER_MAC, 0x0800, &ipv4(108, 1, &[&[4, 0, 0, 2][..], &body].concat()))
        };
        match decode(&frame(LinkType::ETHERNET, &bytes, bytes.len())) {
            Decoded::Packet(packet) => drop(unpacked(&packet)),
            Decoded::Fragment(fragment) => drop(defragmenter.add(&fragment, &mut stats)),
            _ => {}
        }
    }
}
