//! Who opened a connection is not claimed where the capture holds its end only.

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
use support::pcap::{ACK, End, FIN_ACK, RST_ACK, SYN, SYN_ACK, Writer, tcp};

const DEVICE: End = End(Ipv4Addr::new(192, 168, 1, 10), 34_418);
const SERVER: End = End(Ipv4Addr::new(203, 0, 113, 7), 50_443);

/// What `check` says of these frames about the direction of connections, where this is declared and nothing else.
fn said(frames: &[Vec<u8>], allowed: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (capture, profile) = (folder.path().join("a.pcap"), folder.path().join("a.yaml"));
    let mut writer = Writer::create(&capture, 1);
    for (at, frame) in (0..).zip(frames) {
        writer.frame(at * 10_000, frame.clone());
    }
    writer.finish();
    let claims = format!("claims: [{{id: A, title: t, allowed: {{{allowed}}}}}]");
    std::fs::write(&profile, format!("version: 1\nprofile: a\ntitle: A\n{claims}\n")).unwrap();
    let mut command = support::wireclaim();
    command.arg("check").arg(&capture).arg("-p").arg(&profile);
    let output = command.args(["--device", "192.168.1.10", "--format", "ndjson", "-q"]).output().unwrap();
    let words = |row: &Value| {
        let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        ["code", "status", "severity", "confidence"].map(word).join(" ")
    };
    Answer::from(output).rows().iter().map(words).filter(|words| words.starts_with("inbound")).collect()
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
