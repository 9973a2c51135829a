//! A resumed session is judged by the certificate of the handshake that issued it, and says so.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

mod support;

use std::fs;
use std::net::Ipv4Addr;

use serde_json::Value;
use support::Answer;
use support::wire::{Host, Pcap};

const DEVICE: Host = Host { mac: [0x02, 0xfa, 0xb0, 0, 0x66, 0x01], ip: Ipv4Addr::new(192, 0, 2, 100) };
const SERVER: Host = Host { mac: [0x02, 0, 0x5e, 0, 0, 1], ip: Ipv4Addr::new(203, 0, 113, 10) };

/// What each side says in a recorded connection.
fn recording(name: &str) -> Vec<(bool, Vec<u8>)> {
    let path = support::root().join("src/analyzers/tls/testdata").join(name);
    let text = fs::read_to_string(path).unwrap();
    let parts = text.lines().filter_map(|line| {
        let (side, hex) = line.split_once(' ')?;
        let by_client = match side {
            ">" => true,
            "<" => false,
            _ => return None,
        };
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        Some((by_client, bytes.collect()))
    });
    parts.collect()
}

/// The rows about a weak key, when connections with these ports follow each other.
fn weak_keys(connections: &[(&str, u16)]) -> Vec<Value> {
    let mut pcap = Pcap::new();
    for (client_port, (name, port)) in (40_001..).zip(connections) {
        pcap.talk((DEVICE, client_port), (SERVER, *port), &recording(name));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.pcap");
    fs::write(&path, pcap.into_bytes()).unwrap();
    let device = format!("farmbot={}", DEVICE.ip);
    let arguments =
        ["check", path.to_str().unwrap(), "-p", "farmbot", "--device", &device, "--format", "ndjson"];
    let answer = Answer::from(support::run(&arguments));
    let rows = answer.rows();
    assert!(!rows.is_empty(), "{}", answer.err);
    rows.into_iter().filter(|row| row["code"] == "weak-certificate-key").collect()
}

#[test]
fn a_resumed_session_is_judged_by_the_certificate_that_issued_it() {
    // The second one goes to another port of the same name, so that it has a row of its own.
    let rows = weak_keys(&[("tls10_dhe.txt", 443), ("tls10_resumed.txt", 8443)]);
    let row = |port: u64| rows.iter().find(|row| row["port"] == port).unwrap();
    assert_eq!((rows.len(), &row(443)["confidence"]), (2, &Value::from("proven")));
    assert_eq!(row(8443)["confidence"], "strong");
    assert_eq!(row(8443)["observed"], "rsa1024");
    // Two frames open the connection, the client speaks in the third, the certificate is in the fourth.
    let message = row(8443)["message"].as_str().unwrap();
    assert!(message.contains("the full handshake that issued the session (frame 4)"), "{message}");
    assert!(!row(443)["message"].as_str().unwrap().contains("resumed"));
}

#[test]
fn a_session_that_the_capture_did_not_see_issued_shows_nothing() {
    assert!(weak_keys(&[("tls10_resumed.txt", 443)]).is_empty());
    // What comes later issued nothing yet.
    assert_eq!(weak_keys(&[("tls10_resumed.txt", 8443), ("tls10_dhe.txt", 443)]).len(), 1);
}

#[test]
fn the_same_place_is_one_row() {
    let rows = weak_keys(&[("tls10_dhe.txt", 443), ("tls10_resumed.txt", 443)]);
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["confidence"], &rows[0]["count"]), (&Value::from("proven"), &Value::from(2)));
}
