//! What checks say of TLS inside DTLS, QUIC and OpenVPN: recordings of the analyzers' tests, between made-up addresses.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

mod support;

use std::net::Ipv4Addr;

use support::pcap::{End, Writer, udp};
use support::{Answer, run};

const PROFILE: &str = "version: 1
profile: sensor
title: Sensor
document: {title: made up}
baseline: [arp]
tls_policy: default
claims:
  - id: S-1
    title: CoAP over DTLS 1.2
    required: {out: 198.51.100.7, udp: 5684, service: dtls}
    tls: {min_version: 1.2}
    quote: It speaks DTLS 1.2.
    source: made up
  - id: S-2
    title: Names over QUIC
    allowed: {out: 198.51.100.7, udp: 8853, service: quic}
    encrypted: true
    quote: It asks for names over QUIC.
    source: made up
  - id: S-3
    title: A tunnel with TLS 1.3
    allowed: {out: 198.51.100.7, udp: 1194, service: openvpn}
    tls: {min_version: 1.3}
    quote: It keeps a tunnel open.
    source: made up
";

/// What `check` says of a recording: one line for each datagram, `> ` from the device, `< ` to it, then hex.
fn check(recording: &str, port: u16) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let (capture, profile) = (folder.path().join("capture.pcap"), folder.path().join("profile.yaml"));
    std::fs::write(&profile, PROFILE).unwrap();
    let device = End(Ipv4Addr::new(192, 168, 7, 9), 40_000);
    let peer = End(Ipv4Addr::new(198, 51, 100, 7), port);
    let mut writer = Writer::create(&capture, 1);
    for (micros, line) in (0..).step_by(10_000).zip(recording.lines()) {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        match line.split_at(2) {
            ("> ", hex) => writer.frame(micros, udp(device, peer, &bytes(hex))),
            ("< ", hex) => writer.frame(micros, udp(peer, device, &bytes(hex))),
            _ => {}
        }
    }
    writer.finish();
    let files = [&capture, &profile].map(|path| path.to_str().unwrap().to_owned());
    let [capture, profile] = &files;
    let args =
        ["check", capture, "--profile", profile, "--device", "192.168.7.9", "--format", "ndjson", "-q"];
    run(&args).into()
}

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../src/analyzers/", $name, ".txt"))
    };
}

#[test]
fn dtls_10_is_as_weak_as_tls_11() {
    let answer = check(recorded!("dtls/testdata/dtls10"), 5684);
    let rows = answer.rows();
    let weak = rows.iter().find(|row| row["code"] == "weak-tls-version").expect("a weak version");
    assert_eq!((&weak["observed"], &weak["expected"]), (&"dtls1.0".into(), &"tls>=1.2".into()));
    assert_eq!((&weak["service"], &weak["claim"]), (&"dtls".into(), &"S-1".into()));
    for good in [recorded!("dtls/testdata/dtls12_ec"), recorded!("dtls/testdata/dtls13")] {
        let codes = check(good, 5684).codes();
        assert!(!codes.iter().any(|code| code == "weak-tls-version"), "{codes:?}");
    }
}

#[test]
fn tls_in_the_control_channel_of_openvpn_is_judged() {
    let rows = check(recorded!("openvpn/testdata/udp_tls_auth"), 1194).rows();
    let weak = rows.iter().find(|row| row["code"] == "weak-tls-version").expect("a weak version");
    assert_eq!((&weak["observed"], &weak["expected"]), (&"tls1.2".into(), &"tls>=1.3".into()));
    assert_eq!((&weak["service"], &weak["claim"]), (&"openvpn/tls".into(), &"S-3".into()));
    assert!(!rows.iter().any(|row| row["code"] == "protocol-mismatch"), "{rows:?}");
}

#[test]
fn handshakes_that_fail_are_reported_with_their_reason_and_others_are_not() {
    let failed = |recording, port| {
        let rows = check(recording, port).rows();
        let found = rows.into_iter().find(|row| row["code"] == "handshake-failed");
        found.map(|row| row["observed"].as_str().unwrap().to_owned())
    };
    let refused = failed(recorded!("dtls/testdata/dtls12_refused"), 5684);
    assert_eq!(refused.as_deref(), Some("server-alert: handshake_failure"));
    let unknown = failed(recorded!("dtls/testdata/dtls12_unknown_ca"), 5684);
    assert_eq!(unknown.as_deref(), Some("client-alert: unknown_ca"));
    let closed = failed(recorded!("quic/testdata/alpn"), 8853);
    assert_eq!(closed.as_deref(), Some("server-alert: no_application_protocol"));
    assert_eq!(failed(recorded!("quic/testdata/plain"), 8853), None);
    assert_eq!(failed(recorded!("dtls/testdata/dtls12_mutual"), 5684), None);
}

#[test]
fn quic_is_encrypted_and_another_protocol_than_dtls() {
    let codes = check(recorded!("quic/testdata/plain"), 8853).codes();
    assert!(!codes.iter().any(|code| code == "cleartext" || code == "protocol-mismatch"), "{codes:?}");
    let codes = check(recorded!("quic/testdata/plain"), 5684).codes();
    assert!(codes.iter().any(|code| code == "protocol-mismatch"), "{codes:?}");
}

/// As where two browsers or a camera look for a path first (RFC 7983).
#[test]
fn dtls_that_comes_after_stun_is_judged_like_any_other() {
    let stun = "> 000100002112a442000102030405060708090a0b\n< 010100002112a442000102030405060708090a0b\n";
    let keep_open = "> 001100002112a442000102030405060708090a0c\n";
    let answer = check(&[stun, recorded!("dtls/testdata/dtls10"), keep_open].concat(), 5684);
    let rows = answer.rows();
    let weak = rows.iter().find(|row| row["code"] == "weak-tls-version").expect("a weak version");
    assert_eq!((&weak["observed"], &weak["service"]), (&"dtls1.0".into(), &"stun/dtls".into()));
}
