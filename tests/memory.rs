//! `--max-memory` is a promise: captures made to break it stay below, and the device among them is judged as if it
//! were alone.
//!
//! Each capture holds the frames of a shipped one, and between them, at the same time, what other hosts do to fill the
//! memory. `-- --nocapture` shows what it took.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails says so, and these tests print what they took"
)]

mod support;

use std::net::Ipv4Addr;
use std::path::Path;

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;
use support::pcap::{ACK, End, Pcap, Record, SYN, SYN_ACK, Writer, dns, tcp, udp};
use support::{Answer, root};

/// The least limit there is, in MiB; without one, most of these captures take several times as much.
const LIMIT: i64 = 64;
/// What comes on top, in MiB: the program before it reads the first byte (its pages, profiles, addresses and suites; the
/// table library is most of them), and for each of two threads 8 of pages that the allocator keeps for it. Both measured
/// in the builds that tests run.
const BASE: i64 = (if cfg!(feature = "table") { 40 } else { 16 }) + 2 * 8;

/// Who is attacked or attacks, beside the device.
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 200);
const DEVICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const RESOLVER: End = End(Ipv4Addr::new(192, 0, 2, 1), 53);

/// One thing that fills memory: its frames, by number.
struct Flood {
    name: &'static str,
    frames: u32,
    frame: fn(u32) -> Vec<u8>,
}

#[test]
fn a_syn_flood_past_the_device() {
    let flood = Flood { name: "SYN flood of another", frames: 400_000, frame: |n| syn(n, OTHER) };
    let (alone, among) = (alone(), Seen::of(&flood));
    assert_eq!(among.findings(), alone.findings(), "none of the device's flows is gone");
    among.shed("unanswered", &alone, flood.frames);
}

#[test]
fn a_syn_flood_upon_the_device() {
    let flood = Flood { name: "SYN flood", frames: 400_000, frame: |n| syn(n, DEVICE) };
    let (alone, among) = (alone(), Seen::of(&flood));
    among.shed("unanswered", &alone, flood.frames);
    let is_flood = |row: &Value| row["code"] == "inbound-attempted";
    let (attempts, others): (Vec<Value>, Vec<Value>) = among.findings().into_iter().partition(is_flood);
    let judged: u64 = attempts.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    let gone = u64::from(flood.frames) - judged;
    let others: Vec<Value> = others.into_iter().filter(|row| row["code"] != "capture-shed").collect();
    assert_eq!(others, alone.findings());
    let row = among.row("capture-shed");
    assert_eq!(row["observed"], format!("{gone} flows let go"));
    let message = row["message"].as_str().unwrap();
    assert!(message.contains(&format!("({gone} unanswered)")), "{message}");
    assert_eq!(row["severity"], "warning", "attempts only");
}

/// A SYN from one of many hosts, each of which sends one.
fn syn(n: u32, to: Ipv4Addr) -> Vec<u8> {
    tcp(End(stranger(n), 1_025), End(to, 80), SYN, n, 0, b"")
}

#[test]
fn look_ups_of_ever_new_names() {
    let frame = |n| look_up(n, Ipv4Addr::from(OTHER.to_bits() + n / 100_000));
    let flood = Flood { name: "names", frames: 600_000, frame };
    let (alone, among) = (alone(), Seen::of(&flood));
    assert_eq!(among.findings(), alone.findings());
    among.shed("open", &alone, flood.frames / 2);
    assert!(among.said(" sightings of names of addresses") > 0, "{}", among.err);
}

#[test]
fn a_device_whose_own_names_are_lost_is_not_accused() {
    let flood = Flood { name: "names of the device", frames: 300_000, frame: |n| look_up(n, DEVICE) };
    let (alone, among) = (alone(), Seen::of(&flood));
    let row = among.row("capture-shed");
    let names = among.said(" sightings of names of addresses");
    assert!(names > 0 && row["observed"].as_str().unwrap().ends_with(&format!(" and {names} names let go")));
    assert_eq!(row["severity"], "error", "whatever else is gone may be what matters");
    let known = |row: &Value| alone.rows.iter().any(|other| other["finding_id"] == row["finding_id"]);
    let violations = among.rows.iter().filter(|row| row["status"] == "violation");
    violations.for_each(|row| assert!(known(row), "{row}"));
}

/// A question, then its answer, each from another port.
fn look_up(n: u32, asker: Ipv4Addr) -> Vec<u8> {
    let (query, name) = (n / 2, format!("host-{:06}.department.example.org", n / 2));
    let asker = End(asker, 1_025 + (query % 50_000) as u16);
    match n % 2 {
        0 => udp(asker, RESOLVER, &dns(query as u16, &name, None)),
        _ => udp(RESOLVER, asker, &dns(query as u16, &name, Some(stranger(query)))),
    }
}

#[test]
fn segments_behind_holes_that_are_never_filled() {
    let frame = |n| match said(n, 15) {
        Said::Opening(frame) => frame,
        Said::Data(client, server, at) => {
            tcp(client, server, ACK, 1_001 + u32::from(at) * 900, 9_001, &[at; 400])
        }
    };
    let flood = Flood { name: "holes", frames: 300_000, frame };
    let (alone, among) = (alone(), Seen::of(&flood));
    assert_eq!(among.findings(), alone.findings());
    // The other host's connections fit, without what they would wait for.
    assert!(among.flows() > 1_000, "{}", among.err);
    assert!(among.said(" streams were given up") > 0, "{}", among.err);
}

#[test]
fn hellos_that_are_never_whole() {
    let frame = |n| match said(n, 10) {
        Said::Opening(frame) => frame,
        Said::Data(client, server, 1) => tcp(client, server, ACK, 1_001, 9_001, &half_hello()),
        Said::Data(client, server, at) => {
            tcp(client, server, ACK, 1_001 + (u32::from(at) - 1) * 1_400, 9_001, &[7; 1_400])
        }
    };
    let flood = Flood { name: "half hellos", frames: 200_000, frame };
    let (alone, among) = (alone(), Seen::of(&flood));
    assert_eq!(among.findings(), alone.findings());
    among.shed("open", &alone, flood.frames / 10);
}

/// A frame of one of many connections of the other host, each of `frames` frames.
enum Said {
    Opening(Vec<u8>),
    /// Data from client to server; which, from 1.
    Data(End, End, u8),
}

fn said(n: u32, frames: u32) -> Said {
    let (client, server) = (client(n / frames), End(OTHER, 443));
    match n % frames {
        0 => Said::Opening(tcp(client, server, SYN, 1_000, 0, b"")),
        1 => Said::Opening(tcp(server, client, SYN_ACK, 9_000, 1_001, b"")),
        at => Said::Data(client, server, at as u8 - 1),
    }
}

/// The first 1,400 bytes of a `ClientHello` of 16,000 (RFC 8446 section 4).
fn half_hello() -> Vec<u8> {
    let mut bytes = vec![22, 3, 1, 0x3e, 0x84, 1, 0, 0x3e, 0x80, 3, 3];
    bytes.resize(1_400, 7);
    bytes
}

fn stranger(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x2d00_0000 + n)
}

/// One of many ends on the LAN of the other host.
fn client(n: u32) -> End {
    End(Ipv4Addr::from(0x0a00_0000 + n % 500), 1_025 + (n / 500) as u16)
}

/// What the program says of a capture.
struct Seen {
    rows: Vec<Value>,
    err: String,
}

/// The device's capture alone.
fn alone() -> Seen {
    Seen::by(&case().join("capture.pcap"), 1)
}

fn case() -> std::path::PathBuf {
    root().join("fixtures/cases/farmbot-faults")
}

impl Seen {
    /// The device among `flood`, by one thread and by two, within the limit.
    fn of(flood: &Flood) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capture.pcap");
        flood.write(&path);
        let [one, two] = [1, 2].map(|jobs| Self::by(&path, jobs));
        // Children of all tests count, and all have the same limit.
        let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / 1_024;
        println!("{}: {peak} MiB at most\n{}", flood.name, one.err);
        assert!(peak <= LIMIT + BASE, "{}: {peak} MiB", flood.name);
        assert_eq!((&one.rows, &one.err), (&two.rows, &two.err), "{}: threads matter", flood.name);
        one
    }

    fn by(path: &Path, jobs: u8) -> Self {
        let arguments = std::fs::read_to_string(case().join("arguments")).unwrap();
        let mut command = support::wireclaim();
        command.arg("check").arg(path).args(arguments.split_whitespace());
        command.args(["--format", "ndjson", "--max-memory", &format!("{LIMIT}M"), "-j", &jobs.to_string()]);
        let answer = Answer::from(command.output().unwrap());
        assert_eq!(answer.status, 1, "{}", answer.err);
        Self { rows: answer.rows(), err: answer.err }
    }

    /// Each finding, without what says where in the capture it is.
    fn findings(&self) -> Vec<Value> {
        let mut rows = self.rows.clone();
        for row in &mut rows {
            row.as_object_mut().unwrap().retain(|key, _| key != "evidence");
        }
        rows
    }

    fn row(&self, code: &str) -> &Value {
        self.rows.iter().find(|row| row["code"] == code).unwrap_or_else(|| panic!("no {code}"))
    }

    /// The number before `what` in the summary; zero if it is not said.
    fn said(&self, what: &str) -> u64 {
        let text = self.err.replace(',', "");
        let before = text.split_once(what).and_then(|(before, _)| before.split_whitespace().last());
        before.map_or(0, |word| word.trim_start_matches('(').parse().unwrap())
    }

    fn flows(&self) -> u64 {
        let line = self.err.lines().find_map(|line| line.strip_prefix("flows: ")).unwrap();
        line.split_once(' ').unwrap().0.replace(',', "").parse().unwrap()
    }

    /// Flows were let go, but for a few of this kind: as many as the flood `made`, less those that are left.
    fn shed(&self, kind: &str, alone: &Self, made: u32) {
        let gone = self.said(" flows were let go");
        // What had only begun just then is an attempt, whatever would have become of it.
        assert!(gone > 0 && self.said(&format!(" {kind})")) * 100 >= gone * 99, "{}", self.err);
        // What is let go while it goes on is another flow afterwards, and counts twice: of the flows in a shard, some
        // twenty where each holds back a whole segment, one is going on at a time.
        let flood = (gone + self.flows()).checked_sub(alone.flows()).unwrap();
        assert!((made..=made + made / 20).contains(&(flood as u32)), "{flood} of {made}: {}", self.err);
    }
}

impl Flood {
    /// Writes the device's frames with the flood's between them, evenly from the first to the last.
    fn write(&self, path: &Path) {
        let device = Pcap::read(&case().join("capture.pcap"), usize::MAX).unwrap();
        let micros = |record: &Record| u64::from(record.secs) * 1_000_000 + u64::from(record.micros);
        let (first, last) = (micros(&device.records[0]), micros(device.records.last().unwrap()));
        let step = (last - first) as f64 / f64::from(self.frames);
        let mut writer = Writer::create(path, device.link_type);
        let mut records = device.records.iter().peekable();
        for n in 0..self.frames {
            let at = first + (f64::from(n) * step) as u64;
            while let Some(record) = records.next_if(|record| micros(record) <= at) {
                writer.record(record);
            }
            let (secs, data) = ((at / 1_000_000) as u32, (self.frame)(n));
            let record = Record { secs, micros: (at % 1_000_000) as u32, orig_len: data.len() as u32, data };
            writer.record(&record);
        }
        records.for_each(|record| writer.record(record));
        writer.finish();
    }
}
