//! Traffic that is made to grow: a million connections, names, publishes. What it costs may grow with it in
//! proportion, and what it keeps has bounds. Nothing here asserts a time, which other work on the machine would
//! break; what is quadratic shows by the test not coming to an end.
//!
//! `WIRECLAIM_GROWTH=N` sets how much of everything; `-- --nocapture` shows what it took.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, and these tests print what they did"
)]

mod support;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use support::pcap::{ACK, End, FIN_ACK, RST_ACK, SYN, SYN_ACK, Writer, dns, tcp, udp};
use wireclaim::capture::{Input, Options};
use wireclaim::checks::devices::Selector;
use wireclaim::model::Finding;
use wireclaim::pipeline::judge::{self, Scene, Task};
use wireclaim::pipeline::{self, Analysis};
use wireclaim::profile::{bind, load};

const DEVICE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
const RESOLVER: End = End(Ipv4Addr::new(192, 168, 1, 1), 53);
const CLOUD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);

const PROFILE: &str = "
version: 1
profile: growth
title: Growth
document: {title: What is made up for the test, reviewed: 2024-01-01}
identify: {names: [cloud.example]}
baseline: [arp, dns, icmp]
tls_policy: default
claims:
  - {id: G-01, title: Telemetry, quote: q, source: s, allowed: {out: cloud.example, tcp: 8883}, lifetime: {long_running: true}}
  - {id: G-02, title: Anybody's web server, quote: q, source: s, allowed: {out: anyone, tcp: 443}}
  - {id: G-03, title: Never that one, quote: q, source: s, forbidden: {out: '*.bad.example'}}
  - {id: G-04, title: Time, quote: q, source: s, required: {out: anyone, udp: 123, service: ntp}}
";

fn amount() -> u32 {
    std::env::var("WIRECLAIM_GROWTH").ok().map_or(4_000, |text| text.parse().expect("a number"))
}

/// Packets of made-up flows, a millisecond apart.
struct Traffic {
    writer: Writer,
    micros: u64,
}

impl Traffic {
    fn send(&mut self, frame: Vec<u8>) {
        self.micros += 1_000;
        self.writer.frame(self.micros, frame);
    }

    fn datagram(&mut self, src: End, dst: End, payload: &[u8]) {
        self.send(udp(src, dst, payload));
    }

    /// The device looks `name` up and is told `address`.
    fn look_up(&mut self, id: u16, name: &str, address: Ipv4Addr) {
        let asker = End(DEVICE, 5_000);
        self.datagram(asker, RESOLVER, &dns(id, name, None));
        self.datagram(RESOLVER, asker, &dns(id, name, Some(address)));
    }

    /// Opens a connection whose originator has `seq` as its initial sequence number.
    fn open(&mut self, from: End, to: End, seq: u32) {
        self.send(tcp(from, to, SYN, seq, 0, b""));
        self.send(tcp(to, from, SYN_ACK, 9_000, seq + 1, b""));
        self.send(tcp(from, to, ACK, seq + 1, 9_001, b""));
    }
}

/// Makes a capture, runs everything on it, and tells what it took.
fn run(name: &str, make: impl FnOnce(&mut Traffic)) -> (Analysis, Vec<Finding>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcap");
    let mut traffic = Traffic { writer: Writer::create(&path, 1), micros: 0 };
    make(&mut traffic);
    traffic.writer.finish();
    let before = resident_kib();
    let start = Instant::now();
    let analysis = analyse(&path);
    let (analysed, held) = (start.elapsed(), resident_kib().saturating_sub(before));
    assert!(analysis.internal_errors.is_empty(), "{:?}", analysis.internal_errors);
    let start = Instant::now();
    let findings = judge(&analysis);
    let judged = start.elapsed();
    println!(
        "{name}: {} frames, {} flows: analysed in {:.2} s ({held} KiB more), judged in {:.2} s, {} findings",
        analysis.stats.frames,
        analysis.flows.len(),
        analysed.as_secs_f64(),
        judged.as_secs_f64(),
        findings.len()
    );
    (analysis, findings)
}

fn analyse(path: &Path) -> Analysis {
    pipeline::analyse(Input::open(&[path], Options::default()).unwrap(), 2).unwrap()
}

fn judge(analysis: &Analysis) -> Vec<Finding> {
    let profile = Arc::new(load::from_str(PROFILE, "growth").unwrap());
    let declaration = || bind::bind(&profile, &[], &[]).unwrap();
    let tasks = [
        // By what the profile recognises, then by address.
        Task { declaration: declaration(), selectors: Vec::new() },
        Task { declaration: declaration(), selectors: vec![Selector::Address(DEVICE.into())] },
    ];
    let scene = Scene::new(analysis, &[], &tasks);
    judge::judge(&scene, judge::Show::Discrepancies).findings
}

/// Memory of this process; 0 where the system does not tell.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string(PathBuf::from("/proc/self/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn codes(findings: &[Finding], code: &str) -> usize {
    findings.iter().filter(|finding| finding.code == code).count()
}

/// A public address.
fn stranger(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x2d00_0000 + n)
}

/// A port and an initial sequence number that no other `n` has both of.
fn port_and_seq(n: u32) -> (u16, u32) {
    (1_025 + (n % 60_000) as u16, 1_000 + (n / 60_000) * 1_000_000)
}

#[test]
fn a_syn_flood_costs_a_flow_each_and_nothing_more() {
    let (analysis, _) = run("SYN flood", |traffic| {
        for n in 0..amount() {
            traffic.send(tcp(End(stranger(n), 1_025), End(DEVICE, 443), SYN, n, 0, b""));
        }
    });
    assert_eq!(analysis.flows.len(), amount() as usize);
}

#[test]
fn a_device_may_scan_the_internet() {
    let (_, findings) = run("scan", |traffic| {
        for n in 0..amount() {
            traffic.send(tcp(End(DEVICE, 1_025), End(stranger(n), 23), SYN, n, 0, b""));
        }
    });
    assert!(codes(&findings, "undeclared-port") > 0, "{}", findings.len());
}

#[test]
fn many_cut_connections_are_one_finding() {
    let (analysis, findings) = run("cut connections", |traffic| {
        traffic.look_up(1, "cloud.example", CLOUD);
        for n in 0..amount() {
            let (port, seq) = port_and_seq(n);
            let (from, to) = (End(DEVICE, port), End(CLOUD, 8_883));
            traffic.open(from, to, seq);
            traffic.send(tcp(from, to, ACK, seq + 1, 9_001, b"something"));
            traffic.micros += 400_000;
            traffic.send(tcp(from, to, ACK, seq + 1, 9_001, b"something"));
        }
    });
    assert_eq!(analysis.flows.len(), amount() as usize + 1);
    assert_eq!(codes(&findings, "connection-cut"), 1, "{findings:#?}");
}

#[test]
fn many_refused_connections_are_one_finding() {
    let (_, findings) = run("refused connections", |traffic| {
        traffic.look_up(1, "cloud.example", CLOUD);
        for n in 0..amount() {
            let (port, seq) = port_and_seq(n);
            traffic.send(tcp(End(DEVICE, port), End(CLOUD, 443), SYN, seq, 0, b""));
            traffic.send(tcp(End(CLOUD, 443), End(DEVICE, port), RST_ACK, 0, seq + 1, b""));
        }
    });
    assert_eq!(codes(&findings, "unanswered"), 1, "{findings:#?}");
}

#[test]
fn refused_peers_are_told_apart_without_comparing_all_with_all() {
    let (_, findings) = run("refused peers", |traffic| {
        for n in 0..amount() {
            let (from, to) = (End(DEVICE, 1_025), End(stranger(n), 443));
            traffic.send(tcp(from, to, SYN, 1_000, 0, b""));
            traffic.send(tcp(to, from, RST_ACK, 0, 1_001, b""));
        }
    });
    assert_eq!(codes(&findings, "unanswered"), amount() as usize);
}

#[test]
fn an_address_with_many_names_is_named_quickly() {
    let names = amount() / 20;
    let (analysis, _) = run("names of one address", |traffic| {
        traffic.look_up(1, "cloud.example", CLOUD);
        for n in 0..names {
            traffic.look_up(n as u16, &format!("n{n}.cdn.example"), CLOUD);
        }
        for n in 0..amount() {
            let (port, seq) = port_and_seq(n);
            let (from, to) = (End(DEVICE, port), End(CLOUD, 8_883));
            traffic.open(from, to, seq);
            traffic.send(tcp(from, to, FIN_ACK, seq + 1, 9_001, b""));
            traffic.send(tcp(to, from, FIN_ACK, 9_001, seq + 2, b""));
        }
    });
    assert!(analysis.names.len() > 1);
}

#[test]
fn look_ups_of_ever_new_names_have_a_bound() {
    let (analysis, _) = run("look-ups", |traffic| {
        for n in 0..amount() {
            traffic.look_up(n as u16, &format!("n{n}.bad.example"), stranger(n));
        }
    });
    assert_eq!(analysis.flows.len(), 1);
}

#[test]
fn publishes_to_ever_new_topics_have_a_bound() {
    let (from, to) = (End(DEVICE, 1_025), End(CLOUD, 1_883));
    let (analysis, _) = run("publishes", |traffic| {
        traffic.open(from, to, 1_000);
        let mut seq = 1_001_u32;
        let connect = b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02id";
        traffic.send(tcp(from, to, ACK, seq, 9_001, connect));
        seq += connect.len() as u32;
        for n in 0..amount() {
            let topic = format!("topic/{n:08}");
            let mut publish = vec![0x30, topic.len() as u8 + 2, 0, topic.len() as u8];
            publish.extend(topic.as_bytes());
            traffic.send(tcp(from, to, ACK, seq, 9_001, &publish));
            seq = seq.wrapping_add(publish.len() as u32);
        }
    });
    let service = &analysis.flows.all()[0].service;
    assert!(service.contains(&"mqtt"), "{service:?}");
}

#[test]
fn requests_without_answers_have_a_bound() {
    let (from, to) = (End(DEVICE, 1_025), End(CLOUD, 80));
    run("pipelined requests", |traffic| {
        traffic.open(from, to, 1_000);
        let mut seq = 1_001_u32;
        for n in 0..amount() {
            let request = format!("GET /{n} HTTP/1.1\r\nHost: h{n}.example\r\n\r\n");
            traffic.send(tcp(from, to, ACK, seq, 9_001, request.as_bytes()));
            seq = seq.wrapping_add(request.len() as u32);
        }
    });
    run("NTP requests", |traffic| {
        for n in 0..amount() {
            let mut request = vec![0; 48];
            request[0] = 0x23;
            request[44..].copy_from_slice(&n.to_be_bytes());
            request[40] = 0xe9;
            traffic.datagram(End(DEVICE, 123), End(CLOUD, 123), &request);
        }
    });
}

#[test]
fn servers_that_do_not_answer_are_not_compared_with_all_others() {
    run("NTP servers", |traffic| {
        for n in 0..amount() {
            let mut request = vec![0; 48];
            request[0] = 0x23;
            request[40] = 0xe9;
            request[47] = n as u8;
            let (from, to) = (End(DEVICE, 123), End(stranger(n), 123));
            traffic.datagram(from, to, &request);
            if n == 0 {
                request[0] = 0x24;
                request[1] = 1;
                request.copy_within(40..48, 24);
                traffic.datagram(to, from, &request);
            }
        }
    });
}

#[test]
fn segments_that_never_fit_have_a_bound() {
    let (from, to) = (End(DEVICE, 1_025), End(CLOUD, 8_883));
    run("holes", |traffic| {
        traffic.open(from, to, 1_000);
        // Every second byte, backwards and forwards; nothing is ever acknowledged.
        for n in 0..amount() {
            let at = if n.is_multiple_of(2) { n * 2 } else { (amount() - n) * 2 };
            traffic.send(tcp(from, to, ACK, 1_010 + at, 9_001, b"x"));
        }
    });
    run("bytes one by one", |traffic| {
        for n in 0..amount() / 8 {
            let (port, seq) = port_and_seq(n);
            let (from, to) = (End(DEVICE, port), End(CLOUD, 8_883));
            for at in 0..8 {
                traffic.send(tcp(from, to, ACK, seq + at, 9_001, b"\x16"));
            }
        }
    });
}

#[test]
fn neighbours_and_starts_of_hosts_have_a_bound() {
    run("neighbours", |traffic| {
        for n in 0..amount() {
            let [_, a, b, c] = n.to_be_bytes();
            let mut arp = vec![0xff; 6];
            arp.extend([2, 0, 0, a, b, c, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, a, b, c, 10, a, b, c]);
            arp.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
            traffic.send(arp);
        }
    });
}
