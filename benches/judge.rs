//! What comes after the last packet: who is who, who is judged, the checks, the table. How that grows with flows, devices,
//! claims and findings.
//!
//! The flows are made up in memory. Every bench asserts what it found. `WIRECLAIM_BENCH_TIMES=N` makes N times as many of
//! whatever a bench has most of.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot run says why and stops"
)]

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use wireclaim::analyzers::tls;
use wireclaim::checks::devices::Selector;
use wireclaim::model::evidence::Seen;
use wireclaim::model::flow::{Basis, ConnState, End, RoleBasis, TcpFacts};
use wireclaim::model::packet::Link;
use wireclaim::model::stats::Stats;
use wireclaim::model::{
    CaptureId, Endpoint, Facts, Finding, Flow, FlowId, FlowKey, FrameNo, FrameRef, MacAddr, NameBinding,
    NameSource, PerDirection, Timestamp, Transport, Value,
};
use wireclaim::pipeline::judge::{Scene, Show, Task, judge};
use wireclaim::pipeline::{Analysis, Flows};
use wireclaim::profile::{bind, load};
use wireclaim::report;

fn main() {
    divan::main();
}

fn times() -> u32 {
    std::env::var("WIRECLAIM_BENCH_TIMES").ok().map_or(1, |text| text.parse().expect("a number"))
}

/// Flows of each host, where few hosts are judged.
const EACH: u32 = 50;

/// Many flows of many hosts, of which few are judged: what each flow costs that is nobody's concern.
#[divan::bench(args = [1, 2], sample_count = 5)]
fn few_of_many(bencher: Bencher<'_, '_>, jobs: usize) {
    let flows = 20_000 * times();
    let analysis = analysis(flows, flows / EACH, 100, jobs);
    let tasks = [task(10, vec![Selector::parse("10.0.0.0/27")])];
    bencher.counter(ItemsCount::new(flows)).bench(|| {
        let judged = judge(&Scene::new(&analysis, &[], &tasks), Show::Discrepancies);
        assert_eq!(judged.verdicts.len(), 32);
        judged
    });
}

/// Devices found by what they connect to.
#[divan::bench(sample_count = 5)]
fn recognise(bencher: Bencher<'_, '_>) {
    let flows = 20_000 * times();
    let analysis = analysis(flows, flows / EACH, 100, 1);
    let tasks = [task(1, Vec::new())];
    bencher.counter(ItemsCount::new(flows)).bench(|| {
        let scene = Scene::new(&analysis, &[], &tasks);
        assert_eq!(scene.hosts.known().count(), (flows / EACH) as usize);
        scene.hosts.busiest()
    });
}

/// So many devices with the same number of flows each.
#[divan::bench(args = [1, 10, 100, 1_000, 10_000], sample_count = 3)]
fn devices(bencher: Bencher<'_, '_>, devices: u32) {
    let devices = devices * times();
    let analysis = analysis(devices * 20, devices, 100, 1);
    let tasks = [task(10, vec![Selector::parse("10.0.0.0/8")])];
    bencher.counter(ItemsCount::new(devices)).bench(|| {
        let judged = judge(&Scene::new(&analysis, &[], &tasks), Show::Discrepancies);
        assert_eq!(judged.verdicts.len(), devices as usize);
        judged
    });
}

/// One device with so many flows.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 3)]
fn flows(bencher: Bencher<'_, '_>, flows: u32) {
    let flows = flows * times();
    let analysis = analysis(flows, 1, 100, 1);
    let tasks = [task(10, vec![Selector::parse("10.0.0.0/8")])];
    bencher.counter(ItemsCount::new(flows)).bench(|| {
        let judged = judge(&Scene::new(&analysis, &[], &tasks), Show::Discrepancies);
        assert_eq!(judged.verdicts.len(), 1);
        judged
    });
}

/// One device with many flows to ever new peers, under so many claims.
#[divan::bench(args = [10, 100, 1_000], sample_count = 3)]
fn claims(bencher: Bencher<'_, '_>, claims: u32) {
    let flows = 2_000 * times();
    let analysis = analysis(flows, 1, flows, 1);
    let tasks = [task(claims, vec![Selector::parse("10.0.0.0/8")])];
    bencher.counter(ItemsCount::new(flows)).bench(|| {
        let judged = judge(&Scene::new(&analysis, &[], &tasks), Show::Discrepancies);
        assert_eq!(judged.verdicts[0].coverage.declared, claims as usize + 2);
        judged
    });
}

/// Findings of so many devices, with ten flows each; each finding five times.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 3)]
fn findings(bencher: Bencher<'_, '_>, devices: u32) {
    let devices = devices * times();
    let analysis = analysis(devices * 10, devices, 1, 1);
    let tasks = [task(1, vec![Selector::parse("10.0.0.0/8")])];
    let found = judge(&Scene::new(&analysis, &[], &tasks), Show::Discrepancies).findings;
    let (rows, found) = (found.len(), std::iter::repeat_n(found, 5).flatten().collect::<Vec<_>>());
    bencher.counter(ItemsCount::new(found.len())).with_inputs(|| found.clone()).bench_values(
        |found: Vec<Finding>| {
            let folded = report::fold(found);
            assert_eq!(folded.len(), rows);
            folded
        },
    );
}

/// Claims on the `claims` first names, with time and a port for anybody.
fn task(claims: u32, selectors: Vec<Selector>) -> Task {
    let mut text = String::from(
        "
version: 1
profile: growth
title: Growth
document: {title: What is made up for the benchmark, reviewed: 2024-01-01}
identify: {names: ['*.cloud.example']}
baseline: [arp, dns, icmp]
tls_policy: default
claims:
  - {id: T-01, title: Time, quote: q, source: s, allowed: {out: anyone, udp: 123, service: ntp}}
  - {id: T-02, title: Any, quote: q, source: s, required: {out: '*.cloud.example', tcp: 8883}}
",
    );
    for n in 0..claims {
        let _ = writeln!(
            text,
            "  - {{id: 'C-{n:05}', title: One, quote: q, source: s, allowed: {{out: n{n}.cloud.example, tcp: 443}}}}"
        );
    }
    let profile = Arc::new(load::from_str(&text, "growth").expect("the profile is right"));
    Task { declaration: bind::bind(&profile, &[], &[]).expect("nothing needs to be bound"), selectors }
}

fn seen(at: u32) -> Seen {
    let time = Timestamp::new(i64::from(at / 1_000), (at % 1_000) * 1_000_000);
    Seen { at: time, frame: FrameRef::new(CaptureId(0), FrameNo(u64::from(at) + 1)) }
}

/// So many flows, evenly of so many hosts, each to one of so many peers in turn.
fn analysis(flows: u32, hosts: u32, peers: u32, jobs: usize) -> Analysis {
    let peer = |n: u32| Ipv4Addr::from(0x2d00_0000 + n * 257);
    let name = |n: u32, asker: Option<u32>| NameBinding {
        name: format!("n{n}.cloud.example").into(),
        aliases: Vec::new(),
        address: peer(n).into(),
        source: NameSource::Dns,
        asked_by: asker.map(|host| own_address(host).into()),
        seen: Some(seen(asker.unwrap_or(0))),
    };
    let told = (0..hosts).flat_map(|host| (0..peers.min(5)).map(move |n| name(n, Some(host))));
    let names = told.chain((0..peers).map(|n| name(n, None)));
    let flows = (0..flows).map(|n| flow(n, n % hosts, peer((n / hosts) % peers)));
    Analysis {
        flows: Flows::made_up(flows.collect(), jobs),
        names: names.collect(),
        stats: Stats { frames: 1, ..Stats::default() },
        ..Analysis::default()
    }
}

fn own_address(host: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + host)
}

/// Of four flows, one shows a TLS handshake, one asks for the time, one is not answered.
fn flow(n: u32, host: u32, peer: Ipv4Addr) -> Flow {
    let [_, a, b, c] = host.to_be_bytes();
    let kind = n.wrapping_mul(0x9e37_79b1) >> 30;
    let (transport, port) =
        [(Transport::Tcp, 443), (Transport::Udp, 123), (Transport::Tcp, 80), (Transport::Tcp, 8_883)]
            [kind as usize];
    let link = |src| Some(Link { src: Some(MacAddr(src)), dst: None, vlan: None });
    let answered = u64::from(kind != 2);
    let mut facts = Facts::default();
    if kind == 0 {
        facts.add(
            &tls::SNI,
            Value::Text(format!("n{}.cloud.example", (u32::from(peer) - 0x2d00_0000) / 257).into()),
            seen(n),
        );
        facts.add(&tls::VERSION, Value::Uint(0x0303), seen(n));
    }
    Flow {
        id: FlowId(seen(n).frame),
        key: FlowKey {
            transport,
            orig: Endpoint { ip: own_address(host).into(), port: 1_025 + (n % 60_000) as u16 },
            resp: Endpoint { ip: peer.into(), port },
        },
        roles: RoleBasis::Syn,
        link: PerDirection { orig: link([2, 0, 0, a, b, c]), resp: link([2, 1, 0, 0, 0, 1]) },
        first: seen(n),
        last: seen(n + 10),
        packets: PerDirection { orig: 5, resp: 5 * answered },
        bytes: PerDirection { orig: 100 * answered, resp: 100 * answered },
        ip_bytes: PerDirection { orig: 400, resp: 400 * answered },
        missed: PerDirection::default(),
        truncated_frames: 0,
        tcp: (transport == Transport::Tcp).then(|| Box::new(tcp(n, answered > 0))),
        icmp_errors: Vec::new(),
        errors: 0,
        service: [&["tls"][..], &["ntp"], &[], &[]][kind as usize].to_vec(),
        recognised: vec![Basis::Content; usize::from(kind < 2)],
        facts,
    }
}

fn tcp(n: u32, answered: bool) -> TcpFacts {
    TcpFacts {
        state: if answered { ConnState::Sf } else { ConnState::S0 },
        history: String::from(if answered { "ShADadFf" } else { "S" }),
        syn: Some(seen(n)),
        syn_count: 1,
        syn_ack: answered.then(|| seen(n + 1)),
        established: answered.then(|| seen(n + 2)),
        end: End::Open,
        end_seen: None,
        end_hop_limit: None,
        hop_limits: PerDirection::default(),
        end_lacks_timestamp: false,
        last_data: PerDirection::default(),
        idle_before_end: None,
        longest_idle: Duration::ZERO,
        retransmissions: PerDirection::default(),
        unanswered: PerDirection::default(),
        keep_alive_probes: PerDirection::default(),
        acked_unseen: PerDirection::default(),
        conflicts: PerDirection::default(),
        midstream: false,
    }
}
