//! What rows about undeclared traffic say: which claim decides, what was expected, and who was meant.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails says so, and each test binary uses its own part"
)]

mod support;

use std::net::Ipv4Addr;

use serde_json::Value;
use support::Answer;
use support::pcap::{ACK, End, SYN, SYN_ACK, Writer, ethernet, tcp, udp};

const DEVICE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// The rows of `check` about the device in these frames, as `columns` of each.
fn rows<const N: usize>(frames: &[Vec<u8>], profile: &str, columns: [&str; N]) -> Vec<[String; N]> {
    let folder = tempfile::tempdir().unwrap();
    let (capture, path) = (folder.path().join("a.pcap"), folder.path().join("a.yaml"));
    let mut writer = Writer::create(&capture, 1);
    for (at, frame) in (0..).zip(frames) {
        writer.frame(at * 10_000, frame.clone());
    }
    writer.finish();
    std::fs::write(&path, format!("version: 1\nprofile: a\ntitle: A\n{profile}\n")).unwrap();
    let mut command = support::wireclaim();
    command.arg("check").arg(&capture).arg("-p").arg(&path);
    let output = command.args(["--device", "192.168.1.10", "--format", "ndjson", "-q"]).output().unwrap();
    let cell = |row: &Value, column: &str| match &row[column] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let rows = Answer::from(output).rows();
    rows.iter().map(|row| columns.map(|column| cell(row, column))).collect()
}

/// A connection in which the client says something and the server answers.
fn connection(port: u16, said: &[u8], answer: &[u8]) -> Vec<Vec<u8>> {
    let (client, server) = (End(DEVICE, 40_001), End(SERVER, port));
    let (next, last) = (101 + said.len() as u32, 501 + answer.len() as u32);
    vec![
        tcp(client, server, SYN, 100, 0, b""),
        tcp(server, client, SYN_ACK, 500, 101, b""),
        tcp(client, server, ACK, 101, 501, said),
        tcp(server, client, ACK, 501, next, answer),
        tcp(client, server, ACK, next, last, b""),
    ]
}

/// A look-up of the server's address by the name `x.example` and its answer.
fn look_up(label: u8) -> [Vec<u8>; 2] {
    let question = [&[1, label, 7][..], b"example", &[0, 0, 1, 0, 1]].concat();
    let head = |flags: u8, answers: u8| vec![0, label, flags, 0, 0, 1, 0, answers, 0, 0, 0, 0];
    let answer = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &SERVER.octets()].concat();
    let (client, server) = (End(DEVICE, 30_000 + u16::from(label)), End(RESOLVER, 53));
    [
        udp(client, server, &[head(1, 0), question.clone()].concat()),
        udp(server, client, &[head(0x81, 1), question, answer].concat()),
    ]
}

#[test]
fn a_resolver_that_was_given_is_no_excuse_where_dns_is_not_baseline() {
    let columns = ["code", "expected", "observed", "message"];
    let found = rows(
        &look_up(b'a'),
        "baseline: [arp]\nclaims: [{id: A, title: t, allowed: {out: 198.51.100.1, tcp: 9}}]",
        columns,
    );
    let [[code, expected, observed, message]] = &*found else { panic!("{found:?}") };
    assert_eq!([code, expected, observed], ["undeclared-resolver", "no DNS", "192.168.1.1"]);
    assert!(message.contains("`dns` is not in the profile's baseline"), "{message}");
    assert!(
        rows(
            &look_up(b'a'),
            "baseline: [dns]\nclaims: [{id: A, title: t, allowed: {out: 198.51.100.1, tcp: 9}}]",
            columns
        )
        .is_empty()
    );
}

#[test]
fn a_given_resolver_is_not_what_was_expected_without_the_baseline() {
    // DHCP gives this device the resolver that it asks.
    let case = support::root().join("fixtures/cases/farmbot-clean");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, "version: 1\nprofile: a\ntitle: A\nbaseline: [arp]\nclaims: [{id: A, title: t, allowed: {out: 198.51.100.1, tcp: 9}}]\n").unwrap();
    let mut command = support::wireclaim();
    command.arg("check").arg(support::capture(&case)).arg("-p").arg(&path);
    let answer = Answer::from(command.args(["--format", "ndjson", "-q"]).output().unwrap());
    let rows = answer.rows();
    let row = rows.iter().find(|row| row["code"] == "undeclared-resolver").unwrap();
    assert_eq!((row["expected"].as_str(), row["observed"].as_str()), (Some("no DNS"), Some("192.0.2.1")));
}

#[test]
fn of_the_names_of_an_address_the_one_looked_up_last_names_the_claim() {
    const CONNECT: &[u8] = b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03abc";
    let claim = |id: &str, name: &str| {
        format!("  - {{id: {id}, title: t, allowed: {{out: {name}, tcp: 1883}}, encrypted: true}}\n")
    };
    let profile = format!("baseline: [dns]\nclaims:\n{}{}", claim("A", "a.example"), claim("B", "b.example"));
    for (first, last, claim) in [(b'a', b'b', "B"), (b'b', b'a', "A")] {
        let mut frames = [look_up(first), look_up(last)].concat();
        frames.extend(connection(1883, CONNECT, b"\x20\x02\0\0"));
        let found = rows(&frames, &profile, ["code", "claim"]);
        assert_eq!(found, [["cleartext".to_owned(), claim.to_owned()]]);
    }
}

#[test]
fn a_claim_about_another_port_does_not_decide() {
    const CONNECT: &[u8] = b"\x10\x15\0\x04MQTT\x04\xc2\0\x3c\0\x01a\0\x02me\0\x02pw";
    let said = |port: u16| {
        let claim =
            format!("{{id: A, title: t, allowed: {{out: 203.0.113.7, tcp: {port}}}, encrypted: true}}");
        let found = rows(&connection(1883, CONNECT, b""), &format!("claims: [{claim}]"), ["code", "claim"]);
        found.into_iter().find(|[code, _]| code == "cleartext-credentials").unwrap()
    };
    assert_eq!(said(443)[1], "");
    assert_eq!(said(1883)[1], "A");
}

#[test]
fn icmp_errors_open_nothing() {
    // Port unreachable, about a datagram from the server to port 9 of the device; and an echo request.
    let mut quoted = ethernet(SERVER, DEVICE, 17, &[0x30, 0x39, 0, 9, 0, 8, 0, 0]);
    let error = [&[3, 3, 0, 0, 0, 0, 0, 0][..], &quoted.split_off(14)].concat();
    let error = ethernet(DEVICE, SERVER, 1, &error);
    let echo = ethernet(DEVICE, SERVER, 1, &[8, 0, 0, 0, 0, 1, 0, 1]);
    let claims = "claims: [{id: A, title: t, allowed: {out: 203.0.113.7, udp: 123}}]";
    let codes = |frames: &[Vec<u8>], claims: &str| {
        let found = rows(frames, claims, ["code"]);
        found.into_iter().map(|[code]| code).filter(|code| !code.starts_with("capture")).collect::<Vec<_>>()
    };
    assert!(codes(&[error.clone(), error.clone()], claims).is_empty());
    assert_eq!(codes(&[echo], claims), ["undeclared-service"]);
    // Whoever forbids ICMP means them too.
    let forbidden = "claims: [{id: A, title: t, forbidden: {out: anyone, icmp: true}}]";
    assert_eq!(codes(&[error], forbidden), ["forbidden-service"]);
}

#[test]
fn a_connect_without_a_host_stays_the_proxys() {
    let asked = b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n";
    let frames = connection(80, asked, b"HTTP/1.1 200 OK\r\n\r\n");
    let found = rows(
        &frames,
        "claims: [{id: A, title: t, allowed: {out: 198.51.100.1, tcp: 9}}]",
        ["code", "peer_name", "peer_ip", "port", "observed"],
    );
    assert_eq!(found, [["undeclared-proxy", "", "203.0.113.7", "80", "CONNECT /"].map(str::to_owned)]);
}
