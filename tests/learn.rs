//! `wireclaim learn`: what is learnt, what is left out and why, and that checking the same captures finds nothing but
//! faults.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, each test binary uses its own part of `support`, and tests print figures"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use support::pcap::{self, ACK, End, FIN_ACK, RST_ACK, SYN, SYN_ACK, Writer};
use support::random::Random;
use support::{Answer, damage, wire};

fn answer(args: &[&str]) -> Answer {
    support::run(args).into()
}

/// A capture made up packet by packet.
struct Story {
    folder: tempfile::TempDir,
    writer: Writer,
    micros: u64,
    client_port: u16,
}

const DEVICE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 50);
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

fn far(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, last)
}

impl Story {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = Writer::create(&folder.path().join("story.pcap"), 1);
        Self { folder, writer, micros: 0, client_port: 40_000 }
    }

    fn at(&mut self, seconds: u64) {
        self.micros = seconds * 1_000_000;
    }

    fn frame(&mut self, data: Vec<u8>) {
        self.micros += 2_000;
        self.writer.frame(self.micros, data);
    }

    fn look_up(&mut self, name: &str, address: Ipv4Addr) {
        self.client_port += 1;
        let (own, server) = (End(DEVICE, self.client_port), End(ROUTER, 53));
        self.frame(pcap::udp(own, server, &pcap::dns(7, name, None)));
        self.frame(pcap::udp(server, own, &pcap::dns(7, name, Some(address))));
    }

    /// A connection that is opened, used and closed.
    fn connect(&mut self, from: Ipv4Addr, to: Ipv4Addr, port: u16, says: &[u8]) {
        self.client_port += 1;
        let (a, b) = (End(from, self.client_port), End(to, port));
        self.frame(pcap::tcp(a, b, SYN, 1, 0, b""));
        self.frame(pcap::tcp(b, a, SYN_ACK, 1, 2, b""));
        self.frame(pcap::tcp(a, b, ACK, 2, 2, says));
        let next = 2 + says.len() as u32;
        self.frame(pcap::tcp(b, a, ACK, 2, next, b""));
        self.frame(pcap::tcp(a, b, FIN_ACK, next, 2, b""));
        self.frame(pcap::tcp(b, a, FIN_ACK, 2, next + 1, b""));
        self.frame(pcap::tcp(a, b, ACK, next + 1, 3, b""));
    }

    /// An attempt that is refused.
    fn refused(&mut self, from: Ipv4Addr, to: Ipv4Addr, port: u16) {
        self.client_port = 40_000 + (self.client_port + 1) % 20_000;
        let (a, b) = (End(from, self.client_port), End(to, port));
        self.frame(pcap::tcp(a, b, SYN, 1, 0, b""));
        self.frame(pcap::tcp(b, a, RST_ACK, 0, 2, b""));
    }

    fn told(self) -> (tempfile::TempDir, PathBuf) {
        let Self { folder, writer, .. } = self;
        writer.finish();
        let path = folder.path().join("story.pcap");
        (folder, path)
    }
}

/// The profile learnt from a capture, and the codes that checking the capture against it gives.
fn learnt(capture: &Path) -> (String, Vec<String>) {
    try_learnt(capture).unwrap_or_else(|said| panic!("{}: {said}", capture.display()))
}

/// The same, or why there is none: not every file is a capture, and not every capture has a device on a private address.
fn try_learnt(capture: &Path) -> Result<(String, Vec<String>), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("learnt.yaml");
    let (capture, profile) = (capture.display().to_string(), path.display().to_string());
    let said = answer(&["learn", &capture, "-o", &profile, "-q"]);
    if said.status == 2 {
        return Err(said.err);
    }
    assert!([0, 3].contains(&said.status), "{capture}: {}", said.err);
    assert!(said.out.is_empty() && (said.err.is_empty() || said.status == 3), "{capture}: {}", said.err);
    let text = std::fs::read_to_string(&path).expect("the profile is there");
    let codes = check(&capture, &profile, &text);
    Ok((text, codes))
}

/// Checks; where nothing recognises the device, its profile says how it is to be named.
fn check(capture: &str, profile: &str, text: &str) -> Vec<String> {
    let mut args = vec!["check", capture, "-p", profile, "--format", "ndjson", "-q"];
    let plain = text.replace("\n# ", " ").replace("\n#   ", " ");
    let device = plain.split_once("check with `--device ").and_then(|(_, rest)| rest.split_once('`'));
    if let Some((device, _)) = device.filter(|_| !text.contains("\nidentify:\n")) {
        args.extend(["--device", device]);
    }
    let said = answer(&args);
    assert!([0, 1, 3].contains(&said.status), "{capture}: {}", said.err);
    said.codes()
}

/// A profile with its comments unwrapped.
fn plain(text: &str) -> String {
    text.replace("\n  #   ", " ").replace("\n#   ", " ")
}

/// The lines of a profile that are no comments.
fn content(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with('#')).collect()
}

/// Codes of faults: no profile declares them away, and `learn` does not either.
const FAULTS: &[&str] = &[
    "weak-tls-version",
    "weak-cipher",
    "weak-group",
    "weak-tls-feature",
    "certificate-too-long-lived",
    "weak-certificate-key",
    "weak-certificate-signature",
    "certificate-not-valid",
    "certificate-name-mismatch",
    "insecure-renegotiation",
    "tls-compression",
    "handshake-failed",
    "cleartext-credentials",
    "name-mismatch",
    "mqtt-version",
    "mqtt-refused",
    "mqtt-protocol-error",
    "mqtt-keep-alive-missed",
    "websocket-refused",
    "websocket-abnormal-close",
    "websocket-protocol-error",
    "ntp-refused",
    "ntp-unsynchronised",
    "dns-failed",
];

/// What a proxy, or answers that nobody can read, keep the device from.
const EXPLAINED: &[&str] = &["required-blocked", "ntp-unanswered"];

/// Checks of a capture's own profile, and what is odd.
fn judge(capture: &Path, tally: &mut BTreeMap<&'static str, usize>) {
    let Ok((text, codes)) = try_learnt(capture) else {
        *tally.entry("no device").or_default() += 1;
        return;
    };
    let found: BTreeSet<&str> =
        codes.iter().map(String::as_str).filter(|code| !code.starts_with("capture-")).collect();
    *tally.entry("learnt").or_default() += 1;
    if found.is_empty() {
        *tally.entry("nothing").or_default() += 1;
        *tally.entry("no row").or_default() += usize::from(codes.is_empty());
        // What is said of the capture is not nothing.
        assert_eq!(
            text.contains("# - nothing\n"),
            codes.is_empty(),
            "{}: {codes:?}\n{text}",
            capture.display()
        );
        assert!(
            codes.is_empty() || text.contains("# - nothing but what is said of the captures above ("),
            "{text}"
        );
    }
    let others: Vec<&&str> = found.iter().filter(|code| !FAULTS.contains(code)).collect();
    if others.is_empty() {
        *tally.entry("faults only").or_default() += 1;
    }
    for code in others {
        let explained = text.contains("# Not learnt:") || EXPLAINED.contains(code);
        assert!(explained, "{}: {code} is not explained:\n{text}", capture.display());
    }
    for code in found {
        assert!(text.contains(&format!("# - {code} (")), "{}: {code} is not told", capture.display());
    }
}

#[test]
fn checking_the_same_capture_finds_faults_only() {
    let mut tally = BTreeMap::new();
    for case in support::cases() {
        judge(&support::capture(&case), &mut tally);
    }
    println!("{tally:?}");
    // docs/learn.md has the figures.
    assert_eq!((tally["no row"], tally["nothing"] - tally["no row"]), (15, 3), "{tally:?}");
    assert!(tally["faults only"] + 1 >= tally["learnt"], "{tally:?}");
}

#[test]
fn checking_real_captures_finds_faults_and_what_is_said_not_to_be_learnt() {
    let Some(folder) = support::shared_captures() else { return };
    let mut tally = BTreeMap::new();
    for path in support::files(&folder.join("files")) {
        judge(&path, &mut tally);
    }
    println!("{tally:?}");
    assert!(tally["faults only"] * 20 >= tally["learnt"] * 18, "{tally:?}");
}

#[test]
fn a_clean_device_is_learnt_as_it_is() {
    let (text, codes) = learnt(&support::capture(&support::root().join("fixtures/cases/farmbot-clean")));
    assert_eq!(codes, Vec::<String>::new());
    let content = content(&text);
    for line in [
        "profile: learnt-farmbot-1234",
        "  dhcp_host_names: farmbot-1234",
        "baseline: [arp, ndp, dhcp, dns]",
        "allowed: {out: 0.pool.ntp.org, udp: 123, service: ntp}",
        "allowed: {out: my.farm.bot, tcp: 443, service: tls}",
        "allowed: {out: clever-octopus.rmq.cloudamqp.com, tcp: 8883, service: tls}",
        "      min_version: tls1.2",
    ] {
        assert!(content.contains(line), "{line}\n{text}");
    }
    // Names came before addresses, and no port of a client is among the ports.
    assert!(!content.contains("198.51.100.") && !content.contains("203.0.113."), "{content}");
    assert!(text.contains("# - nothing\n"), "{text}");
}

#[test]
fn that_connections_are_cut_is_told_and_they_are_not_declared_long_running() {
    let (text, codes) = learnt(&support::capture(&support::root().join("fixtures/cases/farmbot-cut")));
    assert_eq!(codes, Vec::<String>::new());
    let plain = text.replace("\n  #   ", " ");
    assert!(plain.contains("not declared long-running, but look at this (idle-timeout): "), "{text}");
    assert!(!text.contains("long_running: true"), "{text}");
}

#[test]
fn the_next_capture_gives_only_what_is_new() {
    let case = |name: &str| {
        support::capture(&support::root().join("fixtures/cases").join(name)).display().to_string()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let profile = folder.path().join("clean.yaml").display().to_string();
    assert_eq!(answer(&["learn", &case("farmbot-clean"), "-o", &profile, "-q"]).status, 0);
    let said = answer(&["check", &case("farmbot-faults"), "-p", &profile, "--format", "ndjson", "-q"]);
    let new: BTreeSet<String> = said
        .rows()
        .iter()
        .filter(|row| row["code"].as_str().unwrap().starts_with("undeclared-"))
        .map(|row| {
            let name = row["peer_name"].as_str().or(row["peer_ip"].as_str()).unwrap();
            format!("{name}:{}", row["port"])
        })
        .collect();
    // What the recording's README says was put in, and nothing of what a clean device does.
    let expected = [
        "203.0.113.77:443",
        "clever-octopus.rmq.cloudamqp.com:1883",
        "clever-octopus.rmq.cloudamqp.com:8443",
        "farmbot-production.storage.googleapis.com:443",
        "openfarm.cc:443",
        "telemetry.example.net:443",
    ];
    assert_eq!(new, expected.map(str::to_owned).into());
}

#[test]
fn an_existing_profile_keeps_every_byte_and_gets_what_is_new_once() {
    let root = support::root();
    let capture = support::capture(&root.join("fixtures/cases/farmbot-faults")).display().to_string();
    let text = std::fs::read_to_string(root.join("rules/profiles/farmbot.yaml")).unwrap();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.yaml");
    std::fs::write(&path, &text).unwrap();
    let own = path.display().to_string();
    let said = answer(&["learn", &capture, "--into", &own, "-o", &own]);
    assert_eq!(said.status, 0, "{}", said.err);
    let merged = std::fs::read_to_string(&path).unwrap();
    // The block is one piece; without it the file is what it was.
    let start = merged.find("\n  # new in capture.pcap, 2026-11-21: review\n").expect("a marked block");
    let (block, after) = merged[start..].split_once("  # end of what is new\n").expect("its end");
    assert_eq!(format!("{}{after}", &merged[..start]), text);
    assert!(block.contains("out: telemetry.example.net, tcp: 443"), "{block}");
    assert!(!block.contains("out: my.farm.bot"), "{block}");
    let codes = check(&capture, &own, &merged);
    assert!(!codes.iter().any(|code| code.starts_with("undeclared")), "{codes:?}");
    // A second time nothing is new.
    let said = answer(&["learn", &capture, "--into", &own, "-o", &own]);
    assert!(said.err.contains("nothing is new to claim"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), merged);
    // A shipped profile can be had by its name, on standard output.
    let said = answer(&["learn", &capture, "--into", "farmbot", "-q"]);
    assert_eq!(said.out, merged.replace(&format!("profile {own}"), "profile farmbot"));
}

#[test]
fn a_profile_that_extends_a_file_beside_it_is_read_back_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let claim = "id: A-1\n    title: t\n    allowed: {out: x.example.com}\n";
    let base = format!("version: 1\nprofile: base\ntitle: t\nbaseline: [dns]\nclaims:\n  - {claim}");
    std::fs::write(path("base.yaml"), base).unwrap();
    let own = "version: 1\nprofile: own\nextends: base.yaml\nclaims:\n  - id: A-2\n    title: t\n    allowed: {out: y.example.com}\n";
    std::fs::write(path("own.yaml"), own).unwrap();
    let capture = support::capture(&support::root().join("fixtures/cases/imp-clean")).display().to_string();
    let said = answer(&["learn", &capture, "--into", &path("own.yaml").display().to_string(), "-q"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.starts_with(own), "{}", said.out);
}

#[test]
fn ids_go_on_where_they_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.yaml");
    let text = "version: 1\nprofile: own\ntitle: own\nbaseline: [dns]\nclaims:\n- {id: L-7, title: t, allowed: {out: x.example.com}}\n";
    std::fs::write(&path, text).unwrap();
    let capture = support::capture(&support::root().join("fixtures/cases/imp-clean")).display().to_string();
    let said = answer(&["learn", &capture, "--into", &path.display().to_string(), "-q"]);
    assert!(said.out.starts_with(text), "{}", said.out);
    assert!(said.out.contains("\n- id: L-8\n"), "{}{}", said.out, said.err);
}

#[test]
fn a_habit_is_required_and_what_happens_once_is_allowed() {
    let mut story = Story::new();
    story.look_up("cloud.example.com", far(1));
    story.look_up("update.example.com", far(2));
    for minute in 0..20 {
        story.at(minute * 60 + 1);
        story.connect(DEVICE, far(1), 8080, b"GET / HTTP/1.1\r\nHost: cloud.example.com\r\n\r\n");
        if minute == 3 {
            story.connect(DEVICE, far(2), 80, b"GET / HTTP/1.1\r\nHost: update.example.com\r\n\r\n");
        }
    }
    let (_folder, path) = story.told();
    let (text, codes) = learnt(&path);
    assert_eq!(codes, Vec::<String>::new(), "{text}");
    assert!(text.contains("required: {out: cloud.example.com, tcp: 8080, service: http}"), "{text}");
    assert!(text.contains("# about every 60 s"), "{text}");
    assert!(
        text.contains("# 20 connections, first 2024-01-01T00:00:01Z, last 2024-01-01T00:19:01Z"),
        "{text}"
    );
    assert!(text.contains("allowed: {out: update.example.com, tcp: 80, service: http}"), "{text}");
}

#[test]
fn neither_a_range_of_ports_nor_one_seen_once_of_it_is_required() {
    let mut story = Story::new();
    let hub = Ipv4Addr::new(192, 168, 1, 9);
    let lasting = Ipv4Addr::new(192, 168, 1, 10);
    let printer = Ipv4Addr::new(192, 168, 1, 11);
    let (a, b) = (End(DEVICE, 41_000), End(lasting, 51_234));
    story.frame(pcap::tcp(a, b, SYN, 1, 0, b""));
    story.frame(pcap::tcp(b, a, SYN_ACK, 1, 2, b""));
    for minute in 0..20_u16 {
        story.at(u64::from(minute) * 60 + 1);
        story.connect(DEVICE, hub, 50_000 + 7 * minute, b"\x00\x01");
        story.connect(DEVICE, printer, 9100, b"\x00\x01");
        let said = 2 + 3 * u32::from(minute);
        story.frame(pcap::tcp(a, b, ACK, said, said, b"yes"));
        story.frame(pcap::tcp(b, a, ACK, said, said + 3, b"no."));
    }
    let (_folder, path) = story.told();
    let (text, _) = learnt(&path);
    assert!(text.contains("allowed: {out: 192.168.1.9, tcp: 49152-65535}"), "{text}");
    assert!(text.contains("allowed: {out: 192.168.1.10, tcp: 51234}"), "{text}");
    assert!(text.contains("required: {out: 192.168.1.11, tcp: 9100}"), "{text}");
}

#[test]
fn a_connection_that_stays_open_is_long_running_and_required() {
    let mut story = Story::new();
    story.look_up("broker.example.com", far(3));
    let (a, b) = (End(DEVICE, 41_000), End(far(3), 1884));
    story.frame(pcap::tcp(a, b, SYN, 1, 0, b""));
    story.frame(pcap::tcp(b, a, SYN_ACK, 1, 2, b""));
    for (n, minute) in (0..12_u32).zip(0..) {
        story.at(minute * 60 + 1);
        story.frame(pcap::tcp(a, b, ACK, 2 + 3 * n, 2 + 3 * n, b"yes"));
        story.frame(pcap::tcp(b, a, ACK, 2 + 3 * n, 5 + 3 * n, b"no."));
    }
    let (_folder, path) = story.told();
    let (text, codes) = learnt(&path);
    assert_eq!(codes, Vec::<String>::new(), "{text}");
    assert!(text.contains("required: {out: broker.example.com, tcp: 1884}"), "{text}");
    assert!(text.contains("lifetime: {long_running: true}"), "{text}");
    assert!(text.contains("# the longest connection was seen for 11 min"), "{text}");
}

#[test]
fn generated_names_are_one_wildcard_with_its_evidence_but_not_below_a_hosting_provider() {
    let mut story = Story::new();
    for (at, label) in ["a1b2c3d4", "99f0e1aa", "0c0ffee1"].iter().enumerate() {
        for (apex, offset) in [("iot.example.com", 10), ("s3.amazonaws.com", 20)] {
            let (name, address) = (format!("{label}.{apex}"), far(offset + at as u8));
            story.look_up(&name, address);
            let hello = wire::client_hello(name.as_bytes());
            story.connect(DEVICE, address, 443, &hello);
        }
    }
    let (_folder, path) = story.told();
    let (text, _) = learnt(&path);
    assert!(text.contains("{out: \"*.iot.example.com\", tcp: 443, service: tls}"), "{text}");
    let plain = text.replace("\n  #   ", " ");
    assert!(plain.contains("one wildcard for 3 names"), "{text}");
    assert!(plain.contains("0c0ffee1.iot.example.com, 99f0e1aa.iot.example.com, a1b2c3d4.iot.example.com"));
    assert!(!text.contains("*.s3") && text.contains("out: a1b2c3d4.s3.amazonaws.com"), "{text}");
}

#[test]
fn several_addresses_of_a_name_are_one_claim() {
    let mut story = Story::new();
    for last in 1..=5 {
        story.look_up("pool.example.com", far(last));
        story.connect(DEVICE, far(last), 80, b"GET / HTTP/1.1\r\nHost: pool.example.com\r\n\r\n");
    }
    let (_folder, path) = story.told();
    let (text, _) = learnt(&path);
    assert_eq!(content(&text).matches("- id:").count(), 1, "{text}");
    assert!(text.contains("# name by host; at 203.0.113.1, 203.0.113.2, 203.0.113.3,"), "{text}");
}

#[test]
fn ports_that_are_handed_out_anew_are_a_range_and_one_alone_is_what_it_is() {
    let mut story = Story::new();
    let lan = |last| Ipv4Addr::new(192, 168, 1, last);
    // As of a passive transfer: another port each time, at a host in the LAN and at one outside.
    for port in [50_001, 61_234] {
        story.connect(DEVICE, lan(9), port, b"\x01\x02\x03 raw");
        story.connect(DEVICE, far(9), port, b"\x01\x02\x03 raw");
    }
    // What was refused was, also where others of the range worked.
    story.refused(DEVICE, far(9), 62_000);
    // One port, answered; another one of the same host, refused.
    story.connect(DEVICE, far(7), 62_910, b"\x01\x02\x03 raw");
    story.refused(DEVICE, far(7), 64_001);
    // Data within a connection that began earlier, between two such ports: nobody can tell who opened it.
    let (a, b) = (End(DEVICE, 52_433), End(far(8), 52_000));
    story.frame(pcap::tcp(b, a, ACK, 100, 100, b"\x00\x01"));
    story.frame(pcap::tcp(a, b, ACK, 100, 102, b"\x00\x01"));
    let (_folder, path) = story.told();
    let (text, codes) = learnt(&path);
    let content = content(&text);
    for port in ["50001", "61234", "52433", "52000", "4000"] {
        assert!(!content.contains(port), "{port}: {text}");
    }
    assert!(content.contains("{out: 192.168.1.9, tcp: 49152-65535}"), "{text}");
    assert!(content.contains("{out: 203.0.113.9, tcp: 49152-65535}"), "{text}");
    assert!(content.contains("allowed: {out: 203.0.113.7, tcp: 62910}"), "{text}");
    assert!(content.contains("forbidden: {out: 203.0.113.7, tcp: 64001, blocked: true}"), "{text}");
    let plain = plain(&text);
    assert!(plain.contains("2 different ports from 50001 to 61234 were seen"), "{text}");
    assert!(content.contains("forbidden: {out: 203.0.113.9, tcp: 62000, blocked: true}"), "{text}");
    assert!(plain.contains("it may be another one the next time"), "{text}");
    assert!(
        plain.contains("1 flow whose opener cannot be told: 203.0.113.8 52000/tcp with the device's 52433 "),
        "{text}"
    );
    assert_eq!(codes.len(), 1, "what is not learnt is not declared: {codes:?}");
}

#[test]
fn ports_that_are_drawn_for_both_sides_are_one_claim_and_a_registered_one_is_what_it_is() {
    let mut story = Story::new();
    let to_all = Ipv4Addr::BROADCAST;
    for port in [58_294, 52_608, 28_893] {
        story.frame(pcap::udp(End(DEVICE, port), End(to_all, port), b"\x01search"));
    }
    let lan = Ipv4Addr::new(192, 168, 1, 20);
    story.frame(pcap::udp(End(DEVICE, 47_808), End(lan, 47_808), b"\x01\x02"));
    story.frame(pcap::udp(End(lan, 47_808), End(DEVICE, 47_808), b"\x01\x02"));
    // Two low ones are two services.
    for port in [6_666, 6_667] {
        story.frame(pcap::udp(End(DEVICE, port), End(Ipv4Addr::new(192, 168, 1, 255), port), b"\x01\x02"));
    }
    let (_folder, path) = story.told();
    let (text, codes) = learnt(&path);
    assert_eq!(codes, Vec::<String>::new(), "{text}");
    let content = content(&text);
    assert!(content.contains("allowed: {out: 255.255.255.255, udp: 1024-65535}"), "{text}");
    assert!(content.contains("allowed: {out: 192.168.1.20, udp: 47808}"), "{text}");
    assert!(content.contains("udp: 6666}") && content.contains("udp: 6667}"), "{text}");
    assert_eq!(content.matches("- id:").count(), 4, "{text}");
    let plain = plain(&text);
    assert!(
        plain.contains("3 different ports from 28893 to 58294 were seen, each the same on both sides"),
        "{text}"
    );
    assert!(!plain.contains("was not captured") && !plain.contains("the next time"), "{text}");
}

#[test]
fn the_last_look_up_before_a_connection_names_its_peer() {
    let mut story = Story::new();
    let raw = b"\x01\x02\x03 raw";
    story.look_up("first.example.com", far(1));
    story.connect(DEVICE, far(1), 7000, raw);
    story.look_up("second.example.com", far(1));
    story.connect(DEVICE, far(1), 7001, raw);
    // Asked once more, it is meant once more.
    story.look_up("first.example.com", far(1));
    story.connect(DEVICE, far(1), 7002, raw);
    let (_folder, path) = story.told();
    let (text, codes) = learnt(&path);
    assert_eq!(codes, Vec::<String>::new(), "{text}");
    for (name, port) in [("first", 7000), ("second", 7001), ("first", 7002)] {
        assert!(text.contains(&format!("allowed: {{out: {name}.example.com, tcp: {port}}}")), "{text}");
    }
    assert!(text.contains("# other names lead there too, and may be meant: second.example.com"), "{text}");
    let said = answer(&["flows", &path.display().to_string(), "--format", "ndjson", "-q"]);
    let names: Vec<String> = said
        .rows()
        .iter()
        .filter(|row| row["resp_port"].as_u64() >= Some(7000))
        .map(|row| row["resp_name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names, ["first", "second", "first"].map(|label| format!("{label}.example.com")));
}

#[test]
fn what_is_said_of_beginnings_protocols_and_attempts_is_true() {
    let mut story = Story::new();
    // A datagram begins where it begins; a protocol without ports has none to tell anything by.
    story.frame(pcap::udp(End(DEVICE, 5_000), End(far(1), 5_001), b"\x01\x02"));
    story.frame(pcap::udp(End(far(1), 5_001), End(DEVICE, 5_000), b"\x01\x02"));
    let mut other = pcap::udp(End(DEVICE, 1), End(far(2), 2), b"\x01\x02");
    other[14 + 9] = 253;
    story.frame(other);
    // What is left of connections from before the capture was no attempt.
    story.frame(pcap::tcp(End(DEVICE, 50_000), End(far(3), 80), FIN_ACK, 9, 9, b""));
    let (_folder, path) = story.told();
    let (text, codes) = learnt(&path);
    assert_eq!(codes, Vec::<String>::new(), "{text}");
    assert!(text.contains("title: 203.0.113.2 by IP protocol 253\n"), "{text}");
    assert!(text.contains("allowed: {out: 203.0.113.3, tcp: 80}"), "{text}");
    assert_eq!(text.matches("was not captured").count(), 1, "{text}");
    assert!(
        text.contains("# the beginning of 1 of 1 was not captured: ports tell who opened it\n"),
        "{text}"
    );
    assert!(
        text.contains("# 4 frames of all hosts, 2024-01-01T00:00:00Z to 2024-01-01T00:00:00Z (under 1 s);"),
        "{text}"
    );
    let said = answer(&["learn", &path.display().to_string()]);
    let counts = "learnt: 3 claims (0 required, 3 allowed, 0 only attempted); 0 flows not learnt";
    assert!(said.err.contains(counts), "{}", said.err);
}

#[test]
fn where_nothing_was_attempted_nothing_is_counted_as_attempted() {
    let mut story = Story::new();
    story.look_up("x.example.com", far(1));
    let (_folder, path) = story.told();
    let said = answer(&["learn", &path.display().to_string()]);
    let counts = "learnt: 1 claim (0 required, 0 allowed, 0 only attempted); 0 flows not learnt";
    assert!(said.err.contains(counts), "{}", said.err);
    assert!(said.out.contains("nothing but infrastructure was seen, which needs no claim"), "{}", said.out);
}

#[test]
fn datagrams_of_netbios_are_infrastructure_as_its_names_are() {
    let mut story = Story::new();
    let name = [&[32][..], &b"CA".repeat(16), &[0]].concat();
    let header = [&[0x11, 0x02, 0x12, 0x34, 192, 168, 1, 50, 0, 138, 0, 72, 0, 0][..], &name, &name].concat();
    story.frame(pcap::udp(
        End(DEVICE, 138),
        End(Ipv4Addr::new(192, 168, 1, 255), 138),
        &[&header[..], b"\xffSMB"].concat(),
    ));
    let (_folder, path) = story.told();
    let (text, codes) = learnt(&path);
    assert_eq!(codes, Vec::<String>::new(), "{text}");
    assert!(text.contains("baseline: netbios\n") || text.contains("baseline: [netbios]\n"), "{text}");
    assert!(!text.contains("138"), "{text}");
    let flows = answer(&["flows", &path.display().to_string(), "--format", "csv", "-q"]).out;
    assert!(flows.contains("netbios-dgm"), "{flows}");
}

#[test]
fn messages_of_icmp_open_nothing_beside_a_profile_without_them() {
    let mut story = Story::new();
    story.look_up("x.example.com", far(1));
    let mut echo = pcap::udp(End(DEVICE, 0x0800), End(far(2), 0), b"\x01\x02");
    echo[14 + 9] = 1;
    story.frame(echo);
    let (folder, path) = story.told();
    let own = folder.path().join("own.yaml");
    let claim = "claims:\n  - {id: A-1, title: t, allowed: {out: y.example.com}}\n";
    std::fs::write(&own, format!("version: 1\nprofile: own\ntitle: t\nbaseline: [dns]\n{claim}")).unwrap();
    let (own, path) = (own.display().to_string(), path.display().to_string());
    let said = answer(&["learn", &path, "--into", &own, "--device", "192.168.1.50"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(!said.out.contains("icmp"), "{}", said.out);
    assert!(said.err.contains("0 new claims") && said.err.contains("1 flow not learnt"), "{}", said.err);
    let which = "not learnt: 1 flow of infrastructure that the baseline lacks (`icmp`): 203.0.113.2 icmp [";
    assert!(said.err.contains(which), "{}", said.err);
}

#[test]
fn the_least_version_is_what_the_device_offers_and_what_it_accepts_from_several() {
    let case = |name: &str| support::capture(&support::root().join("fixtures/cases").join(name));
    let (text, _) = learnt(&case("farmbot-odd"));
    let broker = text.split("- id:").find(|claim| claim.contains("tcp: 8883")).expect("the broker");
    assert!(broker.contains("min_version: tls1.2"), "{broker}");
    let said = "the least agreed on is tls1.3; the device offers tls1.2 too, so that is declared";
    assert!(plain(&text).contains(said), "{text}");
    // A page of the device that one client opened once.
    let (text, codes) = learnt(&case("smartserver-enhanced"));
    assert_eq!(codes, Vec::<String>::new());
    let served = text.split("- id:").find(|claim| claim.contains("in: 198.51.100.200, tcp: 443"));
    assert!(served.is_some_and(|claim| !claim.contains("min_version")), "{text}");
    let said = "tls1.2 was agreed on in 1 connection, too few to declare that the device accepts no less";
    assert!(plain(&text).contains(said), "{text}");
}

#[test]
fn nothing_is_learnt_that_the_policy_asked_for_does_not_call_good() {
    let capture =
        support::capture(&support::root().join("fixtures/cases/farmbot-clean")).display().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let own = std::fs::read_to_string(support::root().join("rules/tls/mozilla-modern.yaml"));
    let file = folder.path().join("site.yaml");
    if let Ok(own) = own {
        std::fs::write(&file, own).unwrap();
    }
    let file = file.display().to_string();
    for (policy, named) in [("mozilla-modern", "mozilla-modern"), (file.as_str(), "./site.yaml")] {
        let path = folder.path().join(format!("{}.yaml", policy.len())).display().to_string();
        let said = answer(&["learn", &capture, "-o", &path, "-q", "--tls-policy", policy]);
        assert_eq!(said.status, 0, "{}", said.err);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!("\ntls_policy: {named}\n")), "{text}");
        assert!(!text.contains("min_version: tls1.2"), "{text}");
        // The profile says by which policy it is to be judged.
        let codes = check(&capture, &path, &text);
        assert!(codes.iter().any(|code| code == "weak-tls-version"), "{codes:?}");
        assert!(codes.iter().all(|code| FAULTS.contains(&code.as_str())), "{codes:?}");
    }
    let said = answer(&["learn", &capture, "--tls-policy", "mozilla-modem"]);
    assert!(said.status == 2 && said.err.contains("mozilla-modern"), "{}", said.err);
}

#[test]
fn what_could_not_be_learnt_leaves_no_file_in_the_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.yaml").display().to_string();
    let capture =
        support::capture(&support::root().join("fixtures/cases/farmbot-clean")).display().to_string();
    assert_eq!(answer(&["learn", &capture, "--device", "10.9.8.7", "-o", &path]).status, 2);
    assert_eq!(answer(&["learn", &capture, "-o", &path, "-q"]).status, 0);
    let said = answer(&["learn", &capture, "-o", &path, "-q"]);
    assert!(said.status == 2 && said.err.contains("the file exists"), "{}", said.err);
}

#[test]
fn attempts_open_nothing_and_are_no_finding() {
    let mut story = Story::new();
    story.look_up("gone.example.com", far(4));
    story.look_up("here.example.com", far(5));
    story.refused(DEVICE, far(4), 443);
    story.connect(DEVICE, far(5), 443, &wire::client_hello(b"here.example.com"));
    for port in [22, 23, 80] {
        story.refused(Ipv4Addr::new(192, 168, 1, 77), DEVICE, port);
    }
    story.connect(Ipv4Addr::new(192, 168, 1, 77), DEVICE, 8000, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let (_folder, path) = story.told();
    let (text, codes) = learnt(&path);
    assert!(text.contains("forbidden: {out: gone.example.com, tcp: 443, blocked: true}"), "{text}");
    assert!(text.contains("forbidden: {in: anyone, tcp: [22-23, 80], blocked: true}"), "{text}");
    assert!(text.contains("allowed: {in: local-network, tcp: 8000, service: http}"), "{text}");
    assert!(text.contains("attempted only: nothing is opened by this claim"), "{text}");
    let others: Vec<&String> = codes.iter().filter(|code| *code != "handshake-failed").collect();
    assert!(others.is_empty(), "{codes:?}");
}

#[test]
fn a_scan_of_thousands_makes_few_claims() {
    let mut story = Story::new();
    for n in 0..10_000_u32 {
        let to = Ipv4Addr::from(0xc633_0000 + n);
        if n % 2 == 0 {
            story.refused(DEVICE, to, 23);
        } else {
            story.connect(DEVICE, to, 80, b"\x01\x02");
        }
    }
    for port in (1..2_000).step_by(3) {
        story.refused(far(66), DEVICE, port);
    }
    let (_folder, path) = story.told();
    let (text, _) = learnt(&path);
    let content = content(&text);
    assert!(content.matches("- id:").count() <= 3, "{content}");
    assert!(text.len() < 8_000, "{} bytes", text.len());
    assert!(content.contains("forbidden: {out: anyone, tcp: 23, blocked: true}"), "{content}");
    assert!(content.contains("forbidden: {in: anyone, tcp: any, blocked: true}"), "{content}");
    let plain = text.replace("\n#   ", " ");
    assert!(plain.contains("5,000 flows with more addresses without name than anybody reviews"), "{text}");
    assert!(plain.contains("`allowed: {out: anyone, tcp: 80}`"), "offered, not taken: {text}");
}

#[test]
fn names_from_the_wire_stay_in_their_place() {
    let mut story = Story::new();
    for (at, name) in [
        "evil\n  - id: X",
        "a b.example.com",
        "*.example.com",
        "\u{202e}moc.example",
        "x.example.com: {",
        "192.0.2.1",
        "anyone",
        "$ref.example",
        "list:aws-us-east-1",
    ]
    .iter()
    .enumerate()
    {
        story.connect(DEVICE, far(30 + at as u8), 443, &wire::client_hello(name.as_bytes()));
    }
    let (_folder, path) = story.told();
    let (text, _) = learnt(&path);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text}");
    let ids = content(&text).matches("- id:").count();
    assert_eq!(ids, 1, "they are addresses then, with one claim for all: {text}");
}

#[test]
fn what_is_learnt_from_damaged_captures_is_as_true_of_them() {
    let mut random = Random::new(0x1ea4);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spoilt.pcap");
    let mut tally = BTreeMap::new();
    for case in support::cases().iter().step_by(4) {
        let Some(whole) = pcap::Pcap::read(&support::capture(case), 400) else { continue };
        for way in damage::WAYS {
            let mut spoilt = whole.clone();
            (way.apply)(&mut spoilt, &mut random);
            spoilt.write(&path);
            // The program reads its own profile back before it writes it.
            judge(&path, &mut tally);
        }
    }
    println!("{tally:?}");
    assert!(tally["learnt"] > 60, "{tally:?}");
}

#[test]
fn usage_errors_name_the_remedy() {
    let capture =
        support::capture(&support::root().join("fixtures/cases/farmbot-clean")).display().to_string();
    let said = answer(&["learn", &capture, "--variant", "x"]);
    assert!(said.status == 2 && said.err.contains("--into"), "{}", said.err);
    let said = answer(&["learn", &capture, "--device", "10.9.8.7"]);
    assert!(said.status == 2 && said.err.contains("--device"), "{}", said.err);
    let said = answer(&["learn", &capture, "--device", "0.0.0.0/0"]);
    assert!(said.status == 2 && said.err.contains("devices fit"), "{}", said.err);
    let said = answer(&["learn", &capture, "--into", "no-such-profile"]);
    assert!(said.status == 2 && said.err.contains("no such file"), "{}", said.err);
}

#[test]
fn the_result_does_not_depend_on_threads() {
    let capture =
        support::capture(&support::root().join("fixtures/cases/farmbot-faults")).display().to_string();
    let one = answer(&["learn", &capture, "-q", "-j", "1"]).out;
    for jobs in ["2", "8"] {
        assert_eq!(answer(&["learn", &capture, "-q", "-j", jobs]).out, one);
    }
}
