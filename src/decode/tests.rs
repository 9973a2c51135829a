use std::net::IpAddr;

use super::*;
use crate::model::packet::{IcmpHeader, Segment, TcpFlags, TcpHeader};
use crate::model::stats::Stats;
use crate::model::{
    CaptureId, Endpoint, FlowKey, FrameNo, FrameRef, LinkType, MacAddr, Timestamp, Transport,
};

const A: [u8; 4] = [192, 0, 2, 1];
const B: [u8; 4] = [198, 51, 100, 2];
const A6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const B6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const MAC_A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const MAC_B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];

fn frame(link_type: LinkType, data: &[u8]) -> Frame<'_> {
    cut_frame(link_type, data, data.len())
}

/// The first bytes of a frame that was as long as `wire`.
fn cut_frame(link_type: LinkType, data: &[u8], wire: usize) -> Frame<'_> {
    Frame {
        at: FrameRef::new(CaptureId(1), FrameNo(7)),
        time: Timestamp::new(5, 0),
        link_type,
        orig_len: wire as u32,
        data,
    }
}

fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&MAC_B[..], &MAC_A, &ether_type.to_be_bytes(), payload].concat()
}

fn ipv4(number: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16 + 20).to_be_bytes();
    [&[0x45, 0, len[0], len[1], 0x12, 0x34, 0, 0, 64, number, 0, 0][..], &A, &B, payload].concat()
}

fn ipv6(number: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0, len[0], len[1], number, 255][..], &A6, &B6, payload].concat()
}

/// Ports 1025 and 443, sequence number 100, acknowledgement 200, PSH and ACK, window 512.
fn tcp(options: &[u8], payload: &[u8]) -> Vec<u8> {
    let offset = ((20 + options.len()) as u8 / 4) << 4;
    let header = [4, 1, 1, 187, 0, 0, 0, 100, 0, 0, 0, 200, offset, 0x18, 2, 0, 0, 0, 0, 0];
    [&header[..], options, payload].concat()
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16 + 8).to_be_bytes();
    [&[0x14, 0xe9, 0, 53, len[0], len[1], 0, 0][..], payload].concat()
}

fn packet_of<'a>(frame: &Frame<'a>) -> Packet<'a> {
    match decode(frame) {
        Decoded::Packet(packet) => packet,
        other => panic!("{other:?}"),
    }
}

fn skipped(frame: &Frame<'_>) -> SkipReason {
    match decode(frame) {
        Decoded::Skipped(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn raw(data: &[u8]) -> Frame<'_> {
    frame(LinkType::RAW, data)
}

const TCP_HEADER: TcpHeader = TcpHeader {
    src_port: 1025,
    dst_port: 443,
    seq: 100,
    ack: 200,
    flags: TcpFlags(TcpFlags::PSH | TcpFlags::ACK),
    window: 512,
    has_timestamp: false,
};

#[test]
fn every_field_of_a_tcp_packet_is_read() {
    let bytes = ethernet(0x0800, &ipv4(6, &tcp(&[], b"hello")));
    let frame = frame(LinkType::ETHERNET, &bytes);
    let packet = packet_of(&frame);
    assert_eq!(packet.seen, Seen { at: frame.time, frame: frame.at });
    let link = Link { src: Some(MacAddr(MAC_A)), dst: Some(MacAddr(MAC_B)), vlan: None };
    assert_eq!(packet.link, link);
    assert_eq!((packet.src, packet.dst), (IpAddr::from(A), IpAddr::from(B)));
    assert_eq!((packet.hop_limit, packet.ip_id, packet.ip_len), (64, Some(0x1234), 45));
    assert_eq!(packet.segment, Segment::Tcp(TCP_HEADER));
    assert_eq!((packet.payload, packet.payload_len, packet.missing()), (&b"hello"[..], 5, 0));
}

#[test]
fn link_padding_is_cut_off() {
    let mut bytes = ethernet(0x0800, &ipv4(6, &tcp(&[], b"")));
    bytes.resize(60, 0xee);
    let packet = packet_of(&frame(LinkType::ETHERNET, &bytes));
    assert_eq!((packet.payload, packet.payload_len), (&b""[..], 0));
}

#[test]
fn vlan_tags_are_followed_and_the_outermost_is_kept() {
    let inner = ipv4(17, &udp(b"x"));
    for (tags, vlan) in [
        (&[0x8100, 5][..], Some(5)),
        (&[0x88a8, 0x2fff, 0x8100, 6], Some(0xfff)),
        (&[0x9100, 7, 0x9100, 8, 0x8100, 9, 0x8100, 10], Some(7)),
        (&[0x8100, 0xe000, 0x8100, 3], Some(3)),
        (&[0x8100, 0xe000], None),
    ] {
        // A tag's EtherType stands before it, so they are one word apart.
        let mut words: Vec<u8> = tags[1..].iter().flat_map(|word: &u16| word.to_be_bytes()).collect();
        words.extend([0x08, 0x00]);
        words.extend(&inner);
        let bytes = ethernet(tags[0], &words);
        assert_eq!(packet_of(&frame(LinkType::ETHERNET, &bytes)).link.vlan, vlan, "{tags:x?}");
    }
}

#[test]
fn tags_of_switches_and_rings_are_followed() {
    let inner = ipv4(17, &udp(b"x"));
    for (ether_type, tag) in [
        (0x8909, &[1, 1, 0, 1, 0, 5, 0x08, 0x00][..]),
        (0x892f, &[0x10, 0x2c, 0, 9, 0x08, 0x00]),
        (0x8926, &[0, 1, 0, 0, 0x08, 0x00]),
        (0x893f, &[0, 0, 0, 1, 0, 0, 0x08, 0x00]),
        (0x8100, &[0, 5, 0x89, 0x09, 1, 1, 0, 1, 0, 5, 0x08, 0x00]),
    ] {
        let bytes = ethernet(ether_type, &[tag, &inner].concat());
        assert_eq!(packet_of(&frame(LinkType::ETHERNET, &bytes)).payload, b"x", "{ether_type:x}");
    }
    // Another version may be laid out otherwise.
    let bytes = ethernet(0x8909, &[&[2, 1, 0, 1, 0, 5, 0x08, 0x00][..], &inner].concat());
    let skipped = decode(&frame(LinkType::ETHERNET, &bytes));
    assert!(matches!(skipped, Decoded::Skipped(SkipReason::EtherType(0x8909))), "{skipped:?}");
}

#[test]
fn every_link_type_gives_the_same_packet() {
    let ip = ipv4(17, &udp(b"ping"));
    let ip6 = ipv6(17, &udp(b"ping"));
    let sll = |protocol: [u8; 2]| [&[0, 0, 0, 1, 0, 6][..], &MAC_A, &[0, 0], &protocol].concat();
    let sll2 = |protocol: [u8; 2]| [&protocol[..], &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6], &MAC_A, &[0, 0]].concat();
    let snap = |protocol: [u8; 2], len: usize| {
        let len = (len as u16 + 8).to_be_bytes();
        [&MAC_B[..], &MAC_A, &len, &[0xaa, 0xaa, 3, 0, 0, 0], &protocol].concat()
    };
    let (v4, v6) = ([8, 0], [0x86, 0xdd]);
    for (link_type, header4, header6, mac) in [
        (LinkType::ETHERNET, [&MAC_B[..], &MAC_A, &v4].concat(), [&MAC_B[..], &MAC_A, &v6].concat(), true),
        (LinkType::ETHERNET, snap(v4, ip.len()), snap(v6, ip6.len()), true),
        (LinkType::LINUX_SLL, sll(v4), sll(v6), true),
        (LinkType::LINUX_SLL2, sll2(v4), sll2(v6), true),
        (LinkType::RAW, vec![], vec![], false),
        (LinkType(12), vec![], vec![], false),
        (LinkType(14), vec![], vec![], false),
        (LinkType::NULL, vec![2, 0, 0, 0], vec![30, 0, 0, 0], false),
        (LinkType::NULL, vec![0, 0, 0, 2], vec![0, 0, 0, 24], false),
        (LinkType::LOOP, vec![0, 0, 0, 2], vec![0, 0, 0, 28], false),
    ] {
        for (header, inner, src) in [(header4, &ip, IpAddr::from(A)), (header6, &ip6, IpAddr::from(A6))] {
            let mut bytes = [&header[..], inner].concat();
            let whole = bytes.len();
            let packet = packet_of(&frame(link_type, &bytes));
            assert_eq!((packet.src, packet.payload), (src, &b"ping"[..]), "{link_type:?}");
            assert_eq!(packet.link.src, mac.then_some(MacAddr(MAC_A)), "{link_type:?}");
            assert_eq!(packet.ip_id.is_some(), src.is_ipv4());
            // Every cut either still reaches the transport header or says that it does not.
            for cut in 0..whole {
                let frame = cut_frame(link_type, &bytes[..cut], whole);
                match decode(&frame) {
                    Decoded::Packet(packet) => {
                        assert!(cut >= whole - 4);
                        assert_eq!(packet.missing() as usize, whole - cut);
                    }
                    Decoded::Skipped(SkipReason::Truncated) => assert!(cut < whole - 4),
                    // The LLC header is what tells that it is IP.
                    Decoded::Skipped(SkipReason::EtherType(0)) => assert!((14..22).contains(&cut)),
                    other => panic!("{cut}: {other:?}"),
                }
            }
            // The same without a longer original: nothing was cut, so it is wrong.
            bytes.truncate(whole - 5);
            assert_eq!(skipped(&cut_frame(link_type, &bytes, 0)), SkipReason::Malformed("UDP header"));
        }
    }
    assert_eq!(packet_of(&frame(LinkType::IPV4, &ip)).payload, b"ping");
    assert_eq!(packet_of(&frame(LinkType::IPV6, &ip6)).payload, b"ping");
    assert_eq!(skipped(&frame(LinkType::IPV4, &ip6)), SkipReason::Malformed("IPv4 header"));
    assert_eq!(skipped(&raw(&[0x50; 40])), SkipReason::Malformed("IP version"));
}

#[test]
fn a_loopback_interface_has_no_mac_address() {
    let bytes = [&[0; 12][..], &[8, 0], &ipv4(17, &udp(b""))].concat();
    assert_eq!(packet_of(&frame(LinkType::ETHERNET, &bytes)).link, Link::default());
}

#[test]
fn what_is_not_followed_has_a_reason() {
    let payload = [0; 50];
    for (ether_type, reason) in [
        (0x8847, SkipReason::Malformed("MPLS label")),
        (0x8864, SkipReason::Malformed("PPPoE header")),
        (0x8863, SkipReason::EtherType(0x8863)),
        (0x88ca, SkipReason::EtherType(0x88ca)),
        (0x0026, SkipReason::EtherType(0)),
        (0x0000, SkipReason::EtherType(0)),
    ] {
        let bytes = ethernet(ether_type, &payload);
        assert_eq!(skipped(&frame(LinkType::ETHERNET, &bytes)), reason);
    }
    assert_eq!(skipped(&frame(LinkType(147), &payload)), SkipReason::LinkType(LinkType(147)));
    let mut netlink = [0; 40];
    netlink[2..4].copy_from_slice(&824_u16.to_be_bytes());
    netlink[14..16].copy_from_slice(&0x0800_u16.to_be_bytes());
    let reason = skipped(&frame(LinkType::LINUX_SLL, &netlink));
    assert_eq!(reason, SkipReason::LinkType(LinkType(253)));
    let reason = skipped(&frame(LinkType::NULL, &[7, 0, 0, 0, 1]));
    assert_eq!(reason, SkipReason::Malformed("loopback address family"));
}

#[test]
fn ipv4_lengths_that_cannot_be_are_told_from_those_that_offloading_leaves() {
    let mut bytes = ipv4(6, &tcp(&[], b"segment before segmentation"));
    bytes[2..4].copy_from_slice(&[0, 0]);
    let packet = packet_of(&raw(&bytes));
    assert_eq!((packet.payload.len(), packet.payload_len, packet.ip_len), (27, 27, 67));
    bytes[2..4].copy_from_slice(&[0, 19]);
    assert_eq!(skipped(&raw(&bytes)), SkipReason::Malformed("IPv4 total length"));
    // More than was on the wire: the wire is right.
    bytes[2..4].copy_from_slice(&[0xff, 0xff]);
    let packet = packet_of(&raw(&bytes));
    assert_eq!((packet.payload_len, packet.missing(), packet.ip_len), (27, 0, 67));
}

#[test]
fn ipv4_options_and_authentication_are_stepped_over() {
    let mut bytes = ipv4(6, &tcp(&[], b"x"));
    bytes[0] = 0x46;
    bytes[3] += 4;
    bytes.splice(20..20, [1, 1, 1, 0]);
    assert_eq!(packet_of(&raw(&bytes)).segment, Segment::Tcp(TCP_HEADER));

    // RFC 4302: next header, length in words less two, reserved, SPI, sequence, check value.
    let auth = [6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2];
    let whole = ipv4(51, &[&auth[..], &tcp(&[], b"x")].concat());
    let packet = packet_of(&raw(&whole));
    assert_eq!((packet.segment, packet.payload_len), (Segment::Tcp(TCP_HEADER), 1));
    let cut = cut_frame(LinkType::RAW, &whole[..30], whole.len());
    assert_eq!(skipped(&cut), SkipReason::Truncated);
    assert_eq!(skipped(&raw(&whole[..30])), SkipReason::Malformed("authentication header"));
}

#[test]
fn fragments_are_told_from_whole_datagrams_with_a_fragment_header() {
    for (flags, is_fragment) in [(0x2000_u16, true), (0x0001, true), (0x4000, false), (0x8000, false)] {
        let mut bytes = ipv4(17, &udp(b"x"));
        bytes[6..8].copy_from_slice(&flags.to_be_bytes());
        assert_eq!(matches!(decode(&raw(&bytes)), Decoded::Fragment(_)), is_fragment);
        let [hi, lo] = match flags {
            0x2000 => [0, 1],
            0x0001 => [0, 8],
            _ => [0, 0],
        };
        let header = [&[17, 0, hi, lo, 0, 0, 0, 9][..], &udp(b"x")].concat();
        let bytes = ipv6(44, &header);
        assert_eq!(matches!(decode(&raw(&bytes)), Decoded::Fragment(_)), is_fragment);
    }
}

#[test]
fn ipv6_extension_headers_are_stepped_over() {
    let hop = [60, 0, 5, 2, 0, 0, 1, 0];
    let destination = [43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let routing = [44, 0, 0, 0, 0, 0, 0, 0];
    let atomic = [6, 0, 0, 0, 0, 0, 0, 9];
    let exts = [&hop[..], &destination, &routing, &atomic].concat();
    let bytes = ipv6(0, &[&exts[..], &tcp(&[], b"v6")].concat());
    let packet = packet_of(&raw(&bytes));
    assert_eq!((packet.segment, packet.payload), (Segment::Tcp(TCP_HEADER), &b"v6"[..]));
    assert_eq!((packet.payload_len, packet.ip_len, packet.hop_limit), (2, 102, 255));
    for cut in 40..40 + exts.len() {
        let frame = cut_frame(LinkType::RAW, &bytes[..cut], bytes.len());
        assert_eq!(skipped(&frame), SkipReason::Truncated, "{cut}");
    }
    let twice = ipv6(60, &[&[0, 0, 1, 4, 0, 0, 0, 0][..], &hop].concat());
    assert_eq!(skipped(&raw(&twice)), SkipReason::Malformed("IPv6 extension header"));
    assert_eq!(packet_of(&raw(&ipv6(59, b"none"))).segment, Segment::Other(59));
}

#[test]
fn tcp_options_are_searched_for_a_timestamp() {
    let stamp = [8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    for (options, expected) in [
        ([&[1, 1][..], &stamp].concat(), true),
        ([&[2, 4, 5, 0xb4, 4, 2][..], &stamp].concat(), true),
        (vec![1, 1, 1, 1], false),
        (vec![1, 1, 8, 9], false),
        ([&[0, 0][..], &stamp].concat(), false),
    ] {
        let Segment::Tcp(header) = packet_of(&raw(&ipv4(6, &tcp(&options, b"x")))).segment else { panic!() };
        assert_eq!(header.has_timestamp, expected, "{options:?}");
    }
}

#[test]
fn a_tcp_header_whose_options_were_cut_off_still_counts() {
    let options = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let bytes = ipv4(6, &tcp(&options, b"payload"));
    for (cut, has_timestamp) in [(40, false), (43, false), (44, true), (52, true), (55, true)] {
        let packet = packet_of(&cut_frame(LinkType::RAW, &bytes[..cut], bytes.len()));
        assert_eq!(packet.segment, Segment::Tcp(TcpHeader { has_timestamp, ..TCP_HEADER }), "{cut}");
        assert_eq!((packet.payload_len, packet.missing() as usize), (7, 7.min(59 - cut)));
    }
    let short = cut_frame(LinkType::RAW, &bytes[..39], bytes.len());
    assert_eq!(skipped(&short), SkipReason::Truncated);
    assert_eq!(skipped(&raw(&ipv4(6, &tcp(&options, b"")[..24]))), SkipReason::Malformed("TCP header"));
    let mut low = tcp(&[], b"");
    low[12] = 0x40;
    assert_eq!(skipped(&raw(&ipv4(6, &low))), SkipReason::Malformed("TCP data offset"));
}

#[test]
fn udp_lengths_are_taken_as_far_as_they_make_sense() {
    for (len, expected) in
        [(0, Some(4)), (8, Some(0)), (10, Some(2)), (12, Some(4)), (99, Some(4)), (7, None)]
    {
        let mut datagram = udp(b"data");
        datagram[5] = len;
        let bytes = ipv4(17, &datagram);
        match expected {
            Some(len) => assert_eq!(packet_of(&raw(&bytes)).payload, &b"data"[..len]),
            None => assert_eq!(skipped(&raw(&bytes)), SkipReason::Malformed("UDP length")),
        }
    }
    assert_eq!(packet_of(&raw(&ipv4(17, &udp(b"")))).segment, Segment::Udp { src_port: 5353, dst_port: 53 });
}

#[test]
fn other_protocols_keep_their_number_and_all_their_bytes() {
    for number in [2, 4, 41, 47, 50, 132] {
        let bytes = ipv4(number, b"anything");
        let packet = packet_of(&raw(&bytes));
        assert_eq!((packet.segment, packet.payload), (Segment::Other(number), &b"anything"[..]));
    }
    // ICMP of the other IP version is not ICMP.
    assert_eq!(packet_of(&raw(&ipv4(58, &[0; 8]))).segment, Segment::Other(58));
    assert_eq!(packet_of(&raw(&ipv6(1, &[0; 8]))).segment, Segment::Other(1));
}

fn icmp(segment: Segment) -> IcmpHeader {
    match segment {
        Segment::Icmp(header) => header,
        other => panic!("{other:?}"),
    }
}

#[test]
fn echo_messages_have_an_identifier_and_others_do_not() {
    for (kind, id) in [(8, 0x0102), (0, 0x0102), (13, 0)] {
        let bytes = ipv4(1, &[kind, 0, 0, 0, 1, 2, 0, 9, b'x']);
        let packet = packet_of(&raw(&bytes));
        assert_eq!(icmp(packet.segment), IcmpHeader { kind, code: 0, id, rest: 0x0102_0009 });
        assert_eq!(packet.payload, b"x");
    }
    let bytes = ipv6(58, &[129, 0, 0, 0, 1, 2, 0, 9]);
    assert_eq!(packet_of(&raw(&bytes)).key().orig.port, 0x0102);
    let bytes = ipv4(1, &[8, 0, 0, 0, 1, 2, 0]);
    assert_eq!(skipped(&raw(&bytes)), SkipReason::Malformed("ICMP header"));
}

#[test]
fn errors_quote_the_flow_they_are_about_in_its_own_direction() {
    let inner = ipv4(6, &tcp(&[], b"much longer than what is quoted"));
    let key = FlowKey {
        transport: Transport::Tcp,
        orig: Endpoint { ip: A.into(), port: 1025 },
        resp: Endpoint { ip: B.into(), port: 443 },
    };
    for kind in [3, 4, 5, 11, 12] {
        let bytes = ipv4(1, &[&[kind, 1, 0, 0, 0, 0, 0, 0][..], &inner[..28]].concat());
        assert_eq!(quoted(&packet_of(&raw(&bytes))), Some(key));
    }
    let inner6 = ipv6(44, &[&[17, 0, 0, 1, 0, 0, 0, 9][..], &udp(b"first fragment")].concat());
    let key6 = FlowKey {
        transport: Transport::Udp,
        orig: Endpoint { ip: A6.into(), port: 5353 },
        resp: Endpoint { ip: B6.into(), port: 53 },
    };
    for kind in 1..=4 {
        let bytes = ipv6(58, &[&[kind, 0, 0, 0, 0, 0, 0, 0][..], &inner6].concat());
        assert_eq!(quoted(&packet_of(&raw(&bytes))), Some(key6));
    }
    let ping = ipv4(1, &[8, 0, 0, 0, 7, 7, 0, 1]);
    let bytes = ipv4(1, &[&[11, 0, 0, 0, 0, 0, 0, 0][..], &ping].concat());
    let key = quoted(&packet_of(&raw(&bytes))).unwrap();
    assert_eq!((key.transport, key.orig.port, key.resp.port), (Transport::Icmp, 0x0707, 0x0707));
    let gre = ipv4(47, &[0; 8]);
    let bytes = ipv4(1, &[&[3, 2, 0, 0, 0, 0, 0, 0][..], &gre].concat());
    let key = quoted(&packet_of(&raw(&bytes))).unwrap();
    assert_eq!((key.transport, key.orig.port), (Transport::Other(47), 0));
}

#[test]
fn a_quote_without_ports_is_about_no_flow() {
    let mut later = ipv4(6, &tcp(&[], b""));
    later[7] = 1;
    let later6 = ipv6(44, &[&[17, 0, 0, 8, 0, 0, 0, 9][..], &udp(b"")].concat());
    let short = &ipv4(6, &tcp(&[], b""))[..23];
    for (number, kind, inner) in [(1, 3, &later[..]), (1, 3, short), (1, 3, b""), (58, 1, &later6)] {
        let message = [&[kind, 0, 0, 0, 0, 0, 0, 0][..], inner].concat();
        let bytes = if number == 1 { ipv4(1, &message) } else { ipv6(58, &message) };
        assert_eq!(quoted(&packet_of(&raw(&bytes))), None);
    }
}

fn arp(sender: [u8; 4], mac: [u8; 6]) -> Vec<u8> {
    [&[0, 1, 8, 0, 6, 4, 0, 2][..], &mac, &sender, &MAC_B, &B].concat()
}

#[test]
fn arp_states_who_has_an_address_and_probes_state_nothing() {
    let bytes = ethernet(0x0806, &arp(A, MAC_A));
    let Decoded::Neighbour(neighbour) = decode(&frame(LinkType::ETHERNET, &bytes)) else { panic!() };
    assert_eq!((neighbour.mac, neighbour.ip), (MacAddr(MAC_A), IpAddr::from(A)));
    assert_eq!(neighbour.seen.frame.no(), FrameNo(7));
    for (sender, mac) in [([0; 4], MAC_A), (A, [0xff; 6]), (A, [0; 6])] {
        let bytes = ethernet(0x0806, &arp(sender, mac));
        assert!(matches!(decode(&frame(LinkType::ETHERNET, &bytes)), Decoded::Other));
    }
    let mut other = ethernet(0x0806, &arp(A, MAC_A));
    other[15] = 6;
    assert!(matches!(decode(&frame(LinkType::ETHERNET, &other)), Decoded::Other));
    let mut odd = ethernet(0x0806, &arp(A, MAC_A));
    odd[19] = 3;
    assert_eq!(skipped(&frame(LinkType::ETHERNET, &odd)), SkipReason::Malformed("ARP"));
    for cut in 14..bytes.len() {
        let frame = cut_frame(LinkType::ETHERNET, &bytes[..cut], bytes.len());
        assert_eq!(skipped(&frame), SkipReason::Truncated);
    }
}

#[test]
fn neighbour_discovery_states_who_has_an_address() {
    let option = |kind: u8, mac: [u8; 6]| [&[kind, 1][..], &mac].concat();
    let unrelated = [14, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let target = B6;
    let message =
        |kind: u8, parts: &[&[u8]]| ipv6(58, &[&[kind, 0, 0, 0, 0, 0, 0, 0], &parts.concat()[..]].concat());
    let (source, at_target) = (option(1, MAC_A), option(2, MAC_B));
    let stated = |bytes: &[u8]| neighbour(&packet_of(&raw(bytes))).map(|n| (n.ip, n.mac));
    let (of_a, of_b) = (Some((A6.into(), MacAddr(MAC_A))), Some((B6.into(), MacAddr(MAC_B))));
    assert_eq!(stated(&message(135, &[&target, &source])), of_a);
    assert_eq!(stated(&message(136, &[&target, &unrelated, &at_target])), of_b);
    assert_eq!(stated(&message(133, &[&source])), of_a);
    assert_eq!(stated(&message(134, &[&[0; 8], &source])), of_a);
    assert_eq!(stated(&message(136, &[&target, &source])), None, "the wrong option");
    assert_eq!(stated(&message(135, &[&target, &[9, 0, 0, 0, 0, 0, 0, 0], &source])), None, "would not end");
    assert_eq!(stated(&message(128, &[&target, &source])), None);
    let mut forwarded = message(135, &[&target, &source]);
    forwarded[7] = 254;
    assert_eq!(stated(&forwarded), None);
    let mut probe = message(135, &[&target, &source]);
    probe[8..24].fill(0);
    assert_eq!(stated(&probe), None);
    let whole = message(136, &[&target, &unrelated, &at_target]);
    for cut in 48..whole.len() {
        let frame = cut_frame(LinkType::RAW, &whole[..cut], whole.len());
        assert!(neighbour(&packet_of(&frame)).is_none());
    }
}

#[test]
fn routers_tell_which_resolvers_there_are() {
    let of = |lifetime: [u8; 4]| [&[25, 5, 0, 0][..], &lifetime, &A6, &B6].concat();
    let message = |kind: u8, option: &[u8]| {
        let prefix = [3, 4, 64, 0xc0].into_iter().chain([0; 28]).collect::<Vec<u8>>();
        ipv6(58, &[&[kind, 0, 0, 0, 0, 0, 0, 0], &[0; 8][..], &prefix, option].concat())
    };
    let told = |bytes: &[u8]| resolvers(&packet_of(&raw(bytes))).collect::<Vec<_>>();
    let whole = message(134, &of([0, 0, 2, 0]));
    assert_eq!(told(&whole), [std::net::Ipv6Addr::from(A6), B6.into()]);
    assert!(told(&message(134, &of([0; 4]))).is_empty(), "taken back");
    assert!(told(&message(133, &of([0, 0, 2, 0]))).is_empty());
    for cut in 48..whole.len() {
        let frame = cut_frame(LinkType::RAW, &whole[..cut], whole.len());
        assert_eq!(resolvers(&packet_of(&frame)).count(), 0);
    }
}

#[test]
fn frames_are_those_analysed_and_those_skipped() {
    let mut stats = Stats::default();
    let good = ethernet(0x0800, &ipv4(17, &udp(b"x")));
    let (arp, tipc) = (ethernet(0x0806, &arp([0; 4], MAC_A)), ethernet(0x88ca, &[]));
    for (data, wire) in [(&good[..], good.len()), (&good[..20], good.len()), (&arp, 0), (&tipc, 60)] {
        let frame = cut_frame(LinkType::ETHERNET, data, wire);
        stats.frame(&frame, decode(&frame).fate());
    }
    assert_eq!((stats.frames, stats.analysed, stats.truncated), (4, 2, 2));
    assert_eq!(stats.skipped.values().sum::<u64>(), 2);
    assert_eq!(stats.captured_bytes as usize, good.len() + 20 + arp.len() + tipc.len());
}

/// Random bytes, and good frames with random bytes changed: nothing panics and payload stays in bounds.
#[test]
fn no_bytes_make_it_panic() {
    let mut seed = 0x1234_5678_9abc_def0_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 16) as usize
    };
    let exts = [&[60, 0, 5, 2, 0, 0, 1, 0][..], &[6, 0, 1, 4, 0, 0, 0, 0]].concat();
    let quoting = [&[3, 1, 0, 0, 0, 0, 0, 0][..], &ipv4(6, &tcp(&[], b"q"))].concat();
    let good = [
        ethernet(0x0800, &ipv4(6, &tcp(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], b"payload"))),
        ethernet(
            0x8100,
            &[&[0, 5, 0x86, 0xdd][..], &ipv6(0, &[&exts[..], &tcp(&[], b"v6")].concat())].concat(),
        ),
        ethernet(0x0800, &ipv4(1, &quoting)),
        ethernet(0x0806, &arp(A, MAC_A)),
        ethernet(0x86dd, &ipv6(58, &[&[136, 0, 0, 0, 0, 0, 0, 0][..], &B6, &[2, 1], &MAC_B].concat())),
        (0..80).collect(),
    ];
    let link_types = [0, 1, 12, 101, 108, 113, 228, 229, 276].map(LinkType);
    let mut packets = 0;
    for round in 0..60_000 {
        let mut bytes = good[round % good.len()].clone();
        for _ in 0..random() % 4 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        bytes.truncate(random() % (bytes.len() + 1));
        let link_type = if round % 3 == 0 { link_types[random() % 9] } else { LinkType::ETHERNET };
        let frame = cut_frame(link_type, &bytes, random() % 200);
        if let Decoded::Packet(packet) = decode(&frame) {
            packets += 1;
            assert!(packet.payload.len() <= packet.payload_len as usize);
            assert!(packet.payload_len <= packet.ip_len && packet.ip_len as usize <= bytes.len().max(200));
            let _ = (neighbour(&packet), packet.key());
        }
    }
    assert!(packets > 5_000, "{packets}");
}
