//! Messages, byte by byte.

use super::*;
use crate::analyzers::dns::testing::seen;

const MAC: [u8; 6] = [0x02, 0, 0x5e, 0x10, 0, 1];

/// A message of Ethernet with the magic cookie and these options.
fn build(op: u8, client: [u8; 4], your: [u8; 4], options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![op, 1, 6, 0, 0x39, 0x03, 0xf3, 0x26, 0, 0, 0x80, 0];
    bytes.extend(client);
    bytes.extend(your);
    bytes.resize(CLIENT_AT, 0);
    bytes.extend(MAC);
    bytes.resize(COOKIE_AT, 0);
    bytes.extend(COOKIE);
    for (code, content) in options {
        bytes.extend([*code, content.len() as u8]);
        bytes.extend(*content);
    }
    bytes.push(255);
    bytes
}

fn run(bytes: &[u8], missed: u32) -> Vec<String> {
    let mut sink = Sink::new(seen(1));
    Dhcp.datagram(Role::Client, bytes, missed, &mut sink);
    let shown = sink.observations.into_iter().map(|(_, observation)| match observation {
        Observation::Fact(field, value) => format!("{}={value}", field.name),
        Observation::Host(host) => {
            let HostTrait { mac, ip, kind, .. } = *host;
            assert_eq!(mac, Some(MacAddr(MAC)));
            format!("{} {kind:?}", ip.map_or_else(|| String::from("-"), |ip| ip.to_string()))
        }
        other => panic!("{other:?}"),
    });
    shown.collect()
}

fn probe_at(bytes: &[u8], src_port: u16, dst_port: u16) -> Probe {
    probe(&ProbeInput { bytes, transport: Transport::Udp, src_port, dst_port, at_start: true })
}

fn discover() -> Vec<u8> {
    build(1, [0; 4], [0; 4], &[(53, &[1]), (12, b"lamp\0"), (60, b"udhcp 1.2"), (50, &[192, 0, 2, 7])])
}

fn ack() -> Vec<u8> {
    build(
        2,
        [0; 4],
        [192, 0, 2, 7],
        &[
            (53, &[5]),
            (54, &[192, 0, 2, 1]),
            (51, &[0, 0, 0x0e, 0x10]),
            (1, &[255, 255, 255, 128]),
            (3, &[192, 0, 2, 1]),
            (6, &[192, 0, 2, 53, 198, 51, 100, 53]),
            (42, &[192, 0, 2, 123]),
            (15, b"lan.example"),
        ],
    )
}

#[test]
fn a_client_says_where_its_usage_is_described() {
    let url = b"https://mud.example/lamp.json".as_slice();
    let lines = run(&build(1, [0; 4], [0; 4], &[(53, &[1]), (161, url)]), 0);
    assert_eq!(
        lines[3..],
        ["- MudUrl(\"https://mud.example/lamp.json\")", "dhcp.mud_url=https://mud.example/lamp.json"]
    );
    // From a server it says nothing of the client.
    let lines = run(&build(2, [0; 4], [192, 0, 2, 7], &[(53, &[5]), (161, url)]), 0);
    assert!(lines.iter().all(|line| !line.contains("mud")), "{lines:?}");
}

#[test]
fn a_discover_says_who_starts() {
    assert_eq!(
        run(&discover(), 0),
        [
            "dhcp.message=DISCOVER",
            "dhcp.client_mac=02:00:5e:10:00:01",
            "- Boot",
            "- HostName(\"lamp\")",
            "dhcp.host_name=lamp",
            "- VendorClass(\"udhcp 1.2\")",
            "dhcp.vendor_class=udhcp 1.2",
            "dhcp.requested_address=192.0.2.7",
        ]
    );
}

#[test]
fn an_ack_gives_address_lease_and_servers() {
    assert_eq!(
        run(&ack(), 0),
        [
            "dhcp.message=ACK",
            "dhcp.client_mac=02:00:5e:10:00:01",
            "dhcp.server=192.0.2.1",
            "dhcp.address=192.0.2.7",
            "dhcp.lease_time=3600.000000",
            "192.0.2.7 Lease(3600)",
            "dhcp.prefix_length=25",
            "192.0.2.7 PrefixLen(25)",
            "dhcp.router=192.0.2.1",
            "192.0.2.7 Router(192.0.2.1)",
            "dhcp.dns_server=192.0.2.53",
            "192.0.2.7 DnsServer(192.0.2.53)",
            "dhcp.dns_server=198.51.100.53",
            "192.0.2.7 DnsServer(198.51.100.53)",
            "dhcp.ntp_server=192.0.2.123",
            "dhcp.domain=lan.example",
        ]
    );
}

#[test]
fn an_offer_promises_and_gives_nothing() {
    let mut offer = ack();
    offer[OPTIONS_AT + 2] = 2;
    assert_eq!(
        run(&offer, 0),
        ["dhcp.message=OFFER", "dhcp.client_mac=02:00:5e:10:00:01", "dhcp.server=192.0.2.1"]
    );
}

#[test]
fn only_a_request_without_lease_is_a_start() {
    let boots = |client: [u8; 4], options: &[(u8, &[u8])]| {
        let all: Vec<(u8, &[u8])> =
            std::iter::once((53, &[3_u8][..])).chain(options.iter().copied()).collect();
        run(&build(1, client, [0; 4], &all), 0).iter().any(|line| line.ends_with("Boot"))
    };
    let wanted: (u8, &[u8]) = (50, &[192, 0, 2, 7]);
    let server: (u8, &[u8]) = (54, &[192, 0, 2, 1]);
    assert!(boots([0; 4], &[wanted]), "INIT-REBOOT");
    assert!(!boots([0; 4], &[wanted, server]), "SELECTING");
    assert!(!boots([192, 0, 2, 7], &[]), "RENEWING and REBINDING");
}

#[test]
fn an_ack_to_an_inform_assigns_nothing() {
    let bytes = build(2, [192, 0, 2, 9], [0; 4], &[(53, &[5]), (6, &[192, 0, 2, 53])]);
    assert_eq!(run(&bytes, 0)[2..], ["dhcp.dns_server=192.0.2.53", "192.0.2.9 DnsServer(192.0.2.53)"]);
}

#[test]
fn refusals_say_why() {
    let nak = build(2, [0; 4], [0; 4], &[(53, &[6]), (54, &[192, 0, 2, 1]), (56, b"wrong network")]);
    assert_eq!(run(&nak, 0)[2..], ["dhcp.server=192.0.2.1", "dhcp.refusal=wrong network"]);
}

#[test]
fn domain_names_come_as_text_and_as_wire_form() {
    for (content, shown) in [
        (b"\x00\x00\x00Lamp.example.".as_slice(), "Lamp.example"),
        (b"\x04\x00\x00\x04Lamp\x07example\x00", "lamp.example"),
        (b"\x05\x00\x00\x04Lamp", "lamp"),
    ] {
        let lines = run(&build(1, [0; 4], [0; 4], &[(53, &[3]), (81, content)]), 0);
        let label = shown.split('.').next().unwrap();
        assert_eq!(lines[2..], [format!("- HostName(\"{label}\")"), format!("dhcp.fqdn={shown}")]);
    }
    let bad = build(1, [0; 4], [0; 4], &[(53, &[3]), (81, b"\x04\x00\x00\xc0\x00")]);
    assert_eq!(run(&bad, 0).len(), 2);
}

#[test]
fn options_continue_in_file_and_server_name() {
    let mut bytes = build(2, [0; 4], [192, 0, 2, 7], &[(53, &[5]), (52, &[3])]);
    bytes[108..115].copy_from_slice(&[3, 4, 192, 0, 2, 1, 255]);
    bytes[44..51].copy_from_slice(&[6, 4, 192, 0, 2, 53, 255]);
    let lines = run(&bytes, 0);
    assert!(lines.contains(&String::from("dhcp.router=192.0.2.1")), "{lines:?}");
    assert!(lines.contains(&String::from("dhcp.dns_server=192.0.2.53")), "{lines:?}");
}

#[test]
fn bootp_has_no_message_type() {
    let mut request = build(1, [0; 4], [0; 4], &[]);
    request[COOKIE_AT..].fill(0);
    assert_eq!(run(&request, 0)[..1], ["dhcp.message=BOOTREQUEST"]);
    let reply = build(2, [0; 4], [192, 0, 2, 7], &[]);
    let lines = run(&reply, 0);
    assert_eq!(lines[0], "dhcp.message=BOOTREPLY");
    assert!(lines.contains(&String::from("192.0.2.7 Lease(4294967295)")), "{lines:?}");
}

#[test]
fn every_shorter_length_keeps_what_is_whole_and_invents_nothing() {
    let selecting = build(1, [0; 4], [0; 4], &[(53, &[3]), (50, &[192, 0, 2, 7]), (54, &[192, 0, 2, 1])]);
    for whole in [discover(), ack(), selecting] {
        let all = run(&whole, 0);
        for end in 0..whole.len() {
            let cut = run(&whole[..end], (whole.len() - end) as u32);
            assert!(cut.iter().all(|line| all.contains(line)), "{end}: {cut:?}");
            // Options may end without the end option, so a cut between two of them is not seen.
            let damaged = run(&whole[..end], 0);
            let marked = damaged.contains(&String::from("dhcp.anomaly=cut-short"));
            assert!(marked || end >= OPTIONS_AT, "{end}");
        }
    }
}

#[test]
fn options_of_impossible_length_are_told() {
    for option in
        [(53, &[1, 2][..]), (51, &[1]), (3, &[192, 0, 2]), (6, &[]), (12, &[]), (1, &[255]), (81, &[0])]
    {
        let lines = run(&build(2, [0; 4], [0; 4], &[option]), 0);
        assert!(lines.contains(&String::from("dhcp.anomaly=malformed-option")), "{option:?}");
    }
    let lines = run(&build(2, [0; 4], [192, 0, 2, 7], &[(53, &[5]), (1, &[255, 0, 255, 0])]), 0);
    assert!(lines.contains(&String::from("dhcp.anomaly=mask-with-holes")), "{lines:?}");
}

#[test]
fn messages_are_recognised_by_their_cookie() {
    assert_eq!(probe_at(&discover(), 68, 67), Probe::Certainly(Role::Client));
    assert_eq!(probe_at(&ack(), 67, 68), Probe::Certainly(Role::Server));
    assert_eq!(probe_at(&ack(), 4011, 40000), Probe::Certainly(Role::Server));
    assert_eq!(probe_at(&discover()[..CLIENT_END], 68, 67), Probe::Certainly(Role::Client));
    assert_eq!(probe_at(&discover()[..COOKIE_AT], 1000, 2000), Probe::No);
    assert_eq!(probe_at(&[0; 300], 68, 67), Probe::No);
    assert_eq!(probe_at(&[0xff; 300], 68, 67), Probe::No);
    assert_eq!(probe_at(b"", 68, 67), Probe::No);
}

#[test]
fn masks_have_a_length_or_holes() {
    let length = |mask: [u8; 4]| prefix_length(mask.into());
    assert_eq!(length([0; 4]), Some(0));
    assert_eq!(length([255, 255, 254, 0]), Some(23));
    assert_eq!(length([255; 4]), Some(32));
    assert_eq!(length([0, 255, 255, 255]), None);
}

#[test]
fn every_byte_may_be_any_byte() {
    for message in [discover(), ack()] {
        for at in 0..message.len() {
            for value in 0..=255 {
                let mut bent = message.clone();
                bent[at] = value;
                probe_at(&bent, 67, 68);
                let mut sink = Sink::new(seen(1));
                Dhcp.datagram(Role::Server, &bent, 0, &mut sink);
                assert!(sink.observations.len() < 400, "byte {at} is {value}");
            }
        }
    }
}
