//! What the missing beginning or the missing half of a conversation makes unknowable is not claimed.

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
use support::pcap::{ACK, End, FIN_ACK, RST_ACK, SYN, SYN_ACK, Writer, tcp, udp};

const DEVICE: End = End(Ipv4Addr::new(192, 168, 1, 10), 34_418);
const SERVER: End = End(Ipv4Addr::new(203, 0, 113, 7), 50_443);

const ANY_TCP: &str = "out: anyone, tcp: any";
const ANY_UDP: &str = "out: anyone, udp: any";
/// What no frame here falls under.
const ELSEWHERE: &str = "out: 198.51.100.9, udp: 9";

/// What `check` says of these frames about the direction of connections, where this is declared and nothing else.
fn said(frames: &[Vec<u8>], allowed: &str) -> Vec<String> {
    rows(frames, &[allowed], "inbound")
}

/// The rows that `check` gives with codes that begin so, where this is declared: code, status, severity, confidence.
fn rows(frames: &[Vec<u8>], allowed: &[&str], codes: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (capture, profile) = (folder.path().join("a.pcap"), folder.path().join("a.yaml"));
    let mut writer = Writer::create(&capture, 1);
    for (at, frame) in (0..).zip(frames) {
        writer.frame(at * 10_000, frame.clone());
    }
    writer.finish();
    let claim = |(n, allowed): (usize, &&str)| format!("{{id: A-{n}, title: t, allowed: {{{allowed}}}}}");
    let claims: Vec<String> = allowed.iter().enumerate().map(claim).collect();
    let claims = format!("claims: [{}]", claims.join(", "));
    std::fs::write(&profile, format!("version: 1\nprofile: a\ntitle: A\n{claims}\n")).unwrap();
    let mut command = support::wireclaim();
    command.arg("check").arg(&capture).arg("-p").arg(&profile);
    let output = command.args(["--device", "192.168.1.10", "--format", "ndjson", "-q"]).output().unwrap();
    let words = |row: &Value| {
        let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        ["code", "status", "severity", "confidence"].map(word).join(" ")
    };
    Answer::from(output).rows().iter().map(words).filter(|words| words.starts_with(codes)).collect()
}

#[test]
fn the_tail_of_an_outward_connection_is_no_proof_of_an_inward_one() {
    // Encrypted data and an alert of the server, and the answer of the device.
    let tail = [&[23, 3, 3, 0, 32][..], &[0x5a; 32], &[21, 3, 3, 0, 26], &[0x5a; 26]].concat();
    let after = 1000 + tail.len() as u32;
    let frames = [
        tcp(SERVER, DEVICE, ACK, 1000, 500, &tail),
        tcp(DEVICE, SERVER, FIN_ACK, 500, after, b""),
        tcp(SERVER, DEVICE, FIN_ACK, after, 501, b""),
    ];
    for other in ["out: 203.0.113.7, tcp: 443", "out: 203.0.113.8, tcp: 50443", "in: 203.0.113.7, tcp: 50443"]
    {
        assert_eq!(said(&frames, other), ["inbound-accepted inconclusive warning weak"], "{other}");
    }
    // The device may open such a connection, and nobody knows that it did not.
    for fitting in
        ["out: 203.0.113.7, tcp: 50443", "out: anyone, tcp: any", "either: 203.0.113.7, tcp: 50443"]
    {
        assert!(said(&frames, fitting).is_empty(), "{fitting}");
    }
}

#[test]
fn a_reset_answers_nothing() {
    let end = tcp(SERVER, DEVICE, FIN_ACK, 1000, 500, b"");
    let reset = tcp(DEVICE, SERVER, RST_ACK, 500, 1001, b"");
    let other = "out: 203.0.113.7, tcp: 443";
    let frames = [end.clone(), reset.clone(), end.clone(), reset];
    assert_eq!(said(&frames, other), ["inbound-attempted inconclusive info weak"]);
    // An ACK shows that somebody is there.
    let answered = [end, tcp(DEVICE, SERVER, ACK, 500, 1001, b"")];
    assert_eq!(said(&answered, other), ["inbound-accepted inconclusive warning weak"]);
}

#[test]
fn a_handshake_from_outside_is_proof() {
    let frames = [
        tcp(SERVER, DEVICE, SYN, 1000, 0, b""),
        tcp(DEVICE, SERVER, SYN_ACK, 500, 1001, b""),
        tcp(SERVER, DEVICE, ACK, 1001, 501, b"hello"),
        tcp(DEVICE, SERVER, ACK, 501, 1006, b"hello"),
    ];
    assert_eq!(said(&frames, "out: anyone, tcp: any"), ["inbound-accepted violation error proven"]);
}

const SENSOR: End = End(DEVICE.0, 40_000);

/// Datagrams of a recording between a server that has this port and the device.
fn recorded(recording: &str, port: u16) -> Vec<Vec<u8>> {
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let server = End(SERVER.0, port);
    let frame = |line: &str| match line.split_at(2) {
        ("> ", hex) => Some(udp(SENSOR, server, &bytes(hex))),
        ("< ", hex) => Some(udp(server, SENSOR, &bytes(hex))),
        _ => None,
    };
    recording.lines().filter_map(frame).collect()
}

#[test]
fn a_hello_tells_who_opened_quic_whatever_came_first() {
    let whole = recorded(include_str!("../src/analyzers/quic/testdata/plain.txt"), 4500);
    let mut swapped = whole.clone();
    swapped.swap(0, 1);
    assert!(said(&whole, ANY_UDP).is_empty());
    assert!(said(&swapped, ANY_UDP).is_empty());
    // The ports look as if the device were the server: the analyzer begins the wrong way round.
    let mut swapped = recorded(include_str!("../src/analyzers/quic/testdata/plain.txt"), 50_000);
    swapped.swap(0, 1);
    assert!(said(&swapped, ANY_UDP).is_empty());
    // Without the hello nobody knows.
    assert_eq!(said(&whole[1..], ELSEWHERE), ["inbound-accepted inconclusive warning weak"]);
}

#[test]
fn a_server_key_exchange_tells_who_opened_dtls() {
    let message = |kind: u8| {
        let head = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, kind, 0, 32];
        [&head[..], &[kind, 0, 0, 20, 0, kind, 0, 0, 0, 0, 0, 20], &[0x5a; 20]].concat()
    };
    let server = End(SERVER.0, 4440);
    // A certificate may be either side's.
    let certificate = udp(server, SENSOR, &message(11));
    let answer = udp(SENSOR, server, &message(11));
    let frames = [certificate.clone(), udp(server, SENSOR, &message(12)), answer.clone()];
    assert!(said(&frames, ANY_UDP).is_empty());
    assert_eq!(said(&[certificate, answer], ELSEWHERE), ["inbound-accepted inconclusive warning weak"]);
}

#[test]
fn datagrams_from_a_servers_port_do_not_begin_anything() {
    let talk = |sender, receiver| {
        said(&[udp(sender, receiver, b"some datagram"), udp(receiver, sender, b"another one")], ELSEWHERE)
    };
    let weak = ["inbound-accepted inconclusive warning weak"];
    // From a low port to a high one; from the device's own well-known port.
    assert_eq!(talk(End(SERVER.0, 5000), SENSOR), weak);
    assert_eq!(talk(End(DEVICE.0, 8081), End(SERVER.0, 50_000)), weak);
    assert_eq!(talk(End(SERVER.0, 50_000), End(DEVICE.0, 8081)), ["inbound-accepted violation error proven"]);
    assert_eq!(talk(End(SERVER.0, 50_000), SENSOR), ["inbound-accepted violation error proven"]);
}

#[test]
fn silence_of_everybody_may_be_the_span_ports() {
    let ask = |at: u8| {
        let request = [&[0x23][..], &[0; 46], &[at]].concat();
        udp(SENSOR, End(SERVER.0, 123), &request)
    };
    let mut frames: Vec<Vec<u8>> = (1..=5).map(ask).collect();
    assert_eq!(rows(&frames, &[ANY_TCP, ANY_UDP], "ntp"), ["ntp-unanswered inconclusive warning probable"]);
    frames.push(tcp(DEVICE, SERVER, SYN, 1000, 0, b""));
    frames.push(tcp(SERVER, DEVICE, SYN_ACK, 500, 1001, b""));
    assert_eq!(rows(&frames, &[ANY_TCP, ANY_UDP], "ntp"), ["ntp-unanswered obstructed error strong"]);
}

#[test]
fn a_side_that_was_not_captured_may_have_closed_its_websocket() {
    let server = End(SERVER.0, 80);
    let request = b"GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let granted = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let (asked, told) = (1001 + request.len() as u32, 501 + granted.len() as u32);
    let frames = [
        (true, tcp(DEVICE, server, SYN, 1000, 0, b"")),
        (false, tcp(server, DEVICE, SYN_ACK, 500, 1001, b"")),
        (true, tcp(DEVICE, server, ACK, 1001, 501, request)),
        (false, tcp(server, DEVICE, ACK, 501, asked, granted)),
        (false, tcp(server, DEVICE, ACK, told, asked, b"\x81\x02hi")),
        (true, tcp(DEVICE, server, ACK, asked, told + 4, b"")),
        (false, tcp(server, DEVICE, FIN_ACK, told + 4, asked, b"")),
    ];
    let closes = |frames: Vec<Vec<u8>>| rows(&frames, &[ANY_TCP, ANY_UDP], "websocket");
    let whole = frames.iter().map(|(_, frame)| frame.clone()).collect();
    assert_eq!(closes(whole), ["websocket-abnormal-close obstructed warning proven"]);
    let half = frames.iter().filter(|(asks, _)| !asks).map(|(_, frame)| frame.clone()).collect();
    assert!(closes(half).is_empty());
}
