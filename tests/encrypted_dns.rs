//! A device that looks names up where nobody else can read it: the resolver is told, and what cannot be named any more is
//! accused less surely. The same device without it is the silent twin.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

mod support;

use std::fs;
use std::net::Ipv4Addr;

use support::wire::{self, Host, Pcap};

const DEVICE: Host = Host { mac: [0x02, 0xfa, 0xb0, 0, 0x66, 0x01], ip: Ipv4Addr::new(192, 0, 2, 100) };
const ROUTER: Host = Host { mac: [0x02, 0, 0x5e, 0, 0, 1], ip: Ipv4Addr::new(192, 0, 2, 1) };
/// `handshake_failure`: the server refuses.
const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x28";

/// A `ServerHello` of TLS 1.2 without session, extensions and anything behind it.
fn server_hello() -> Vec<u8> {
    let mut hello = b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03".to_vec();
    hello.extend([9; 32]);
    hello.extend([0, 0xc0, 0x2f, 0]);
    hello
}

/// A resolver at 203.0.113.53: its port, the name it is asked by, and what it answers.
type Resolver<'a> = (u16, &'a [u8], &'a [u8]);

fn outside(ip: [u8; 4]) -> Host {
    Host { mac: ROUTER.mac, ip: ip.into() }
}

/// The device starts, may open a connection to a resolver, and then one to an address that nobody named.
fn capture(resolver: Option<Resolver<'_>>) -> Vec<u8> {
    let mut pcap = Pcap::new();
    let nobody = Host { ip: Ipv4Addr::UNSPECIFIED, ..DEVICE };
    let everybody = Host { mac: [0xff; 6], ip: Ipv4Addr::BROADCAST };
    for (kind, answer) in [(1, 2), (3, 5)] {
        let ask = wire::dhcp(kind, DEVICE, Ipv4Addr::UNSPECIFIED, b"farmbot-1");
        pcap.udp((nobody, 68), (everybody, 67), &ask);
        pcap.udp((ROUTER, 67), (DEVICE, 68), &wire::dhcp(answer, DEVICE, DEVICE.ip, b""));
    }
    if let Some((port, name, answer)) = resolver {
        let server = (outside([203, 0, 113, 53]), port);
        pcap.connection((DEVICE, 40_001), server, &wire::client_hello(name), answer);
    }
    pcap.connection((DEVICE, 40_002), (outside([203, 0, 113, 9]), 6000), b"who are you\r\n", b"nobody\r\n");
    pcap.into_bytes()
}

/// Code, status, confidence and observed of each row, sorted; how the handshake went is not the point here.
fn rows(resolver: Option<Resolver<'_>>) -> Vec<[String; 4]> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcap");
    fs::write(&path, capture(resolver)).unwrap();
    let answer = support::run(&["check", path.to_str().unwrap(), "-p", "farmbot", "--format", "ndjson"]);
    let text = String::from_utf8(answer.stdout).unwrap();
    let cell = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut rows: Vec<[String; 4]> =
        rows.map(|row| ["code", "status", "confidence", "observed"].map(|name| cell(&row, name))).collect();
    rows.retain(|[code, ..]| code != "handshake-failed");
    rows.sort();
    rows
}

fn row(cells: [&str; 4]) -> [String; 4] {
    cells.map(str::to_owned)
}

#[test]
fn a_bare_address_is_undeclared_where_look_ups_can_be_seen() {
    assert_eq!(rows(None), [row(["undeclared-destination", "violation", "strong", "203.0.113.9 6000/tcp"])]);
}

#[test]
fn encrypted_look_ups_are_told_and_hide_names() {
    let hidden = row(["unnamed-destination", "inconclusive", "weak", "203.0.113.9 6000/tcp"]);
    let hello = server_hello();
    for (port, name, observed) in
        [(853, b"dns.example".as_slice(), "dot dns.example"), (443, b"dns.google", "doh dns.google")]
    {
        let told = row(["undeclared-resolver", "violation", "strong", observed]);
        assert_eq!(rows(Some((port, name, &hello))), [told, hidden.clone()]);
    }
}

#[test]
fn a_resolver_that_refuses_hides_nothing() {
    let told = row(["undeclared-resolver", "violation", "strong", "dot dns.example"]);
    let bare = row(["undeclared-destination", "violation", "strong", "203.0.113.9 6000/tcp"]);
    assert_eq!(rows(Some((853, b"dns.example", ALERT))), [bare, told]);
}

#[test]
fn another_server_on_the_port_of_https_is_no_resolver() {
    let found = rows(Some((443, b"www.example", &server_hello())));
    assert!(found.iter().all(|[code, ..]| code == "undeclared-destination"), "{found:?}");
}

/// Real programs: see `fixtures/README.md`. The values are those that tshark shows.
#[test]
fn what_real_programs_say_by_edns_tls_and_nts_is_told() {
    let path = support::root().join("fixtures/names/capture.pcap");
    let answer = support::run(&["flows", path.to_str().unwrap(), "--format", "ndjson"]);
    let text = String::from_utf8(answer.stdout).unwrap();
    let flows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let facts = |port: u16, field: &str| -> Vec<String> {
        let flows = flows.iter().filter(|flow| flow["resp_port"] == port);
        let mut told: Vec<String> = flows
            .filter_map(|flow| flow["facts"][field].as_array())
            .flatten()
            .map(|fact| {
                let value = &fact["value"];
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            })
            .collect();
        told.sort();
        told.dedup();
        told
    };
    assert_eq!(facts(53, "dns.edns_size"), ["1232", "512"]);
    assert_eq!(facts(53, "dns.edns_server_size"), ["1232"]);
    let options = ["65001", "client-subnet", "cookie", "extended-error", "padding"];
    assert_eq!(facts(53, "dns.edns_option"), options);
    assert_eq!(facts(53, "dns.client_subnet"), ["192.0.2.0/24"]);
    assert_eq!(facts(53, "dns.service"), ["my.example alpn h2,h3"]);
    assert_eq!(facts(53, "dns.failed"), ["none.example REFUSED"]);
    assert_eq!(facts(53, "dns.truncated"), ["true"]);
    // What does not fit is asked for again over TCP.
    assert!(facts(53, "dns.answers").contains(&String::from("60")));
    assert_eq!(facts(853, "dns.encrypted"), ["dot"]);
    assert_eq!(facts(853, "dns.encrypted_by"), ["alpn"]);
    assert_eq!(facts(4460, "ntp.key_establishment"), ["alpn"]);
    assert_eq!(facts(123, "ntp.extension"), ["1028", "260", "516"]);
    assert_eq!(facts(123, "ntp.nts"), ["authenticator", "cookie", "unique-identifier"]);
}
