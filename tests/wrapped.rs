//! A shipped capture says the same inside a tunnel, in fragments, compressed, and captured twice;
//! connections with the same addresses and ports in two networks are two.

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

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde_json::Value;
use support::pcap::{ACK, End, FIN_ACK, Pcap, Record, SYN, SYN_ACK, Writer, tcp};
use support::{Answer, root};

fn case() -> PathBuf {
    root().join("fixtures/cases/farmbot-faults")
}

/// The shipped capture with each of its frames made into others.
fn check(each: impl Fn(&Record) -> Vec<Record>) -> Answer {
    let mut pcap = Pcap::read(&case().join("capture.pcap"), usize::MAX).unwrap();
    pcap.records = pcap.records.iter().flat_map(each).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcap");
    pcap.write(&path);
    let arguments = std::fs::read_to_string(case().join("arguments")).unwrap();
    let mut command = support::wireclaim();
    command.arg("check").arg(&path).args(arguments.split_whitespace()).args(["--format", "ndjson", "--all"]);
    Answer::from(command.output().unwrap())
}

/// The rows without these columns.
fn rows(answer: &Answer, without: &[&str]) -> Vec<Value> {
    let mut rows = answer.rows();
    for row in &mut rows {
        row.as_object_mut().unwrap().retain(|key, _| !without.contains(&key.as_str()));
    }
    rows
}

/// Behind an outer Ethernet, IPv4 and UDP header.
fn in_udp(port: u16, header: &[u8], frame: &[u8]) -> Vec<u8> {
    let payload = [header, frame].concat();
    let (ip_len, udp_len) = (payload.len() as u16 + 28, payload.len() as u16 + 8);
    let mut outer = vec![2, 0, 0, 0, 0, 0xf1, 2, 0, 0, 0, 0, 0xf2, 8, 0, 0x45, 0];
    outer.extend(ip_len.to_be_bytes());
    outer.extend([0, 1, 0, 0, 64, 17, 0, 0, 203, 0, 113, 1, 203, 0, 113, 2]);
    outer.extend(50_000_u16.to_be_bytes());
    outer.extend(port.to_be_bytes());
    outer.extend(udp_len.to_be_bytes());
    outer.extend([0, 0]);
    [outer, payload].concat()
}

#[test]
fn inside_a_tunnel_the_findings_are_the_same_and_say_so() {
    let plain = check(|record| vec![record.clone()]);
    let wrapped = check(|record| {
        let data = in_udp(4789, &[8, 0, 0, 0, 0, 0, 42, 0], &record.data);
        vec![Record { orig_len: data.len() as u32, data, ..record.clone() }]
    });
    assert_eq!(wrapped.status, plain.status);
    assert_eq!(rows(&wrapped, &["message"]), rows(&plain, &["message"]));
    let said = |row: &Value| row["message"].as_str().unwrap().ends_with(" Seen inside VXLAN 42.");
    let discrepancies = |answer: &Answer| -> Vec<Value> {
        answer.rows().into_iter().filter(|row| row["code"] != "claim").collect()
    };
    assert!(!discrepancies(&wrapped).is_empty());
    assert!(wrapped.rows().iter().any(said) && !plain.rows().iter().any(said));
}

/// Each frame in two fragments of a data message with 802.3 inside.
#[test]
fn in_fragments_of_capwap_the_findings_are_the_same() {
    let plain = check(|record| vec![record.clone()]);
    let number = std::cell::Cell::new(0_u16);
    let wrapped = check(|record| {
        number.set(number.get().wrapping_add(1));
        let [hi, lo] = number.get().to_be_bytes();
        let (first, rest) = record.data.split_at(32);
        let piece = |flags, offset, payload: &[u8]| {
            let data = in_udp(5247, &[0, 0x10, 0x42, flags, hi, lo, 0, offset], payload);
            Record { orig_len: data.len() as u32, data, ..record.clone() }
        };
        vec![piece(0x80, 0, first), piece(0xc0, 32, rest)]
    });
    assert_eq!(wrapped.status, plain.status, "{}", wrapped.err);
    assert!(!wrapped.err.contains("incomplete packet"), "{}", wrapped.err);
    let without = ["evidence", "message"];
    assert_eq!(rows(&wrapped, &without), rows(&plain, &without));
    let said = |row: &Value| row["message"].as_str().unwrap().ends_with(" Seen inside CAPWAP.");
    assert!(wrapped.rows().iter().any(said));
}

/// What IPv4 packets carry, compressed as by two hosts that have agreed on it.
#[test]
fn compressed_the_findings_are_the_same() {
    let plain = check(|record| vec![record.clone()]);
    let packed = check(|record| {
        let data = &record.data;
        let is_ipv4 = data.get(12..14) == Some(&[8, 0]) && data.get(14) == Some(&0x45);
        let len = usize::from(u16::from_be_bytes([data[16], data[17]]));
        if !is_ipv4 || len <= 20 || data.len() < 14 + len || record.orig_len as usize != data.len() {
            return vec![record.clone()];
        }
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&data[34..14 + len]).unwrap();
        let header = [data[23], 0, 0, 2];
        let mut data = [&data[..34], &header, &packer.finish().unwrap()].concat();
        data[23] = 108;
        let len = data.len() as u16 - 14;
        data[16..18].copy_from_slice(&len.to_be_bytes());
        vec![Record { orig_len: data.len() as u32, data, ..record.clone() }]
    });
    assert_eq!(packed.status, plain.status, "{}", packed.err);
    assert_eq!(rows(&packed, &["message"]), rows(&plain, &["message"]));
    let said = |row: &Value| row["message"].as_str().unwrap().ends_with(" Seen inside IPComp.");
    assert!(packed.rows().iter().any(said));
}

/// An IPv4 packet over this length is cut in two; what it says is that of the frame that completes it.
#[test]
fn in_fragments_the_findings_are_the_same() {
    let plain = check(|record| vec![record.clone()]);
    let cut = check(|record| {
        let data = &record.data;
        let is_ipv4 = data.get(12..14) == Some(&[8, 0]) && data.get(14) == Some(&0x45);
        let len = usize::from(u16::from_be_bytes([data[16], data[17]]));
        if !is_ipv4 || len < 20 + 96 || data.len() != 14 + len || record.orig_len as usize != data.len() {
            return vec![record.clone()];
        }
        let (header, payload) = (&data[..34], &data[34..]);
        let piece = |payload: &[u8], flags: [u8; 2]| {
            let mut data = [header, payload].concat();
            data[16..18].copy_from_slice(&(payload.len() as u16 + 20).to_be_bytes());
            data[20..22].copy_from_slice(&flags);
            Record { orig_len: data.len() as u32, data, ..record.clone() }
        };
        vec![piece(&payload[..64], [0x20, 0]), piece(&payload[64..], [0, 8])]
    });
    assert_eq!(cut.status, plain.status, "{}", cut.err);
    assert!(cut.err.contains(" 0 skipped") || !cut.err.contains("incomplete packet"), "{}", cut.err);
    // Frames have other numbers, and texts may name frames.
    let without = ["evidence", "message"];
    assert_eq!(rows(&cut, &without), rows(&plain, &without));
}

#[test]
fn captured_twice_the_findings_are_the_same_and_the_copies_are_counted() {
    let plain = check(|record| vec![record.clone()]);
    let twice = check(|record| vec![record.clone(), record.clone()]);
    assert_eq!(twice.status, plain.status);
    let without = ["evidence", "message"];
    assert_eq!(rows(&twice, &without), rows(&plain, &without));
    assert!(twice.err.contains("were captured twice and are counted once"), "{}", twice.err);
    assert!(!plain.err.contains("captured twice"), "{}", plain.err);
}

const CLIENT: End = End(Ipv4Addr::new(192, 168, 1, 10), 40_000);
const SERVER: End = End(Ipv4Addr::new(192, 168, 1, 20), 80);

/// A connection that asks `host` for a page, with these initial numbers: whether the client sends, and each frame.
fn web(host: &str, seq: u32, ack: u32) -> Vec<(bool, Vec<u8>)> {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let response = format!("HTTP/1.1 200 OK\r\nServer: {host}\r\nContent-Length: 0\r\n\r\n");
    let (sent, got) = (seq + 1 + request.len() as u32, ack + 1 + response.len() as u32);
    vec![
        (true, tcp(CLIENT, SERVER, SYN, seq, 0, b"")),
        (false, tcp(SERVER, CLIENT, SYN_ACK, ack, seq + 1, b"")),
        (true, tcp(CLIENT, SERVER, ACK, seq + 1, ack + 1, request.as_bytes())),
        (false, tcp(SERVER, CLIENT, ACK, ack + 1, sent, response.as_bytes())),
        (true, tcp(CLIENT, SERVER, FIN_ACK, sent, got, b"")),
        (false, tcp(SERVER, CLIENT, FIN_ACK, got, sent + 1, b"")),
        (true, tcp(CLIENT, SERVER, ACK, sent + 1, got + 1, b"")),
    ]
}

fn in_vxlan(vni: u8, frame: &[u8]) -> Vec<u8> {
    in_udp(4789, &[8, 0, 0, 0, 0, 0, vni, 0], frame)
}

/// With tags; zero is none.
fn tagged(tags: &[u8], frame: &[u8]) -> Vec<u8> {
    let tags: Vec<u8> = tags.iter().filter(|tag| **tag != 0).flat_map(|tag| [0x81, 0, 0, *tag]).collect();
    [&frame[..12], &tags, &frame[12..]].concat()
}

/// The flows of these frames, each 10 ms after the one before, with host and packets, bytes that are missing and what was
/// sent again.
fn flows(frames: &[Vec<u8>]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcap");
    let mut writer = Writer::create(&path, 1);
    for (at, frame) in (0..).zip(frames) {
        writer.frame(at * 10_000, frame.clone());
    }
    writer.finish();
    let mut command = support::wireclaim();
    let output = command.arg("flows").arg(&path).args(["--format", "ndjson", "-q"]).output().unwrap();
    let rows = Answer::from(output).rows();
    let shown = |row: &Value| {
        let hosts: Vec<&str> = row["facts"]["http.host"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|v| v["value"].as_str())
            .collect();
        let number = |key: &str| row[key].as_u64().unwrap();
        format!(
            "{} {} {}+{} missed {} again {}",
            hosts.join(","),
            row["conn_state"].as_str().unwrap(),
            number("orig_packets"),
            number("resp_packets"),
            number("orig_missed_bytes") + number("resp_missed_bytes"),
            number("orig_retransmissions") + number("resp_retransmissions"),
        )
    };
    rows.iter().map(shown).collect()
}

/// What a frame is put in.
type Wrap = fn(&[u8]) -> Vec<u8>;

#[test]
fn the_same_addresses_and_ports_in_two_networks_are_two_flows_with_facts_of_their_own() {
    let (one, other) = (web("one.example", 1_000, 2_000), web("other.example", 0x7000_0000, 0x5000_0000));
    let pairs: [(Wrap, Wrap); 5] = [
        (|frame| in_vxlan(1, frame), |frame| in_vxlan(2, frame)),
        (<[u8]>::to_vec, |frame| in_vxlan(2, frame)),
        (|frame| tagged(&[10], frame), |frame| tagged(&[20], frame)),
        (|frame| tagged(&[10, 7], frame), |frame| tagged(&[10, 8], frame)),
        (|frame| in_vxlan(1, &tagged(&[10], frame)), |frame| in_vxlan(1, &tagged(&[20], frame))),
    ];
    for (at, (wrap_one, wrap_other)) in pairs.into_iter().enumerate() {
        let turns = one.iter().zip(&other);
        let frames: Vec<_> = turns.flat_map(|((_, a), (_, b))| [wrap_one(a), wrap_other(b)]).collect();
        let expected = ["one.example SF 4+3 missed 0 again 0", "other.example SF 4+3 missed 0 again 0"];
        assert_eq!(flows(&frames), expected, "{at}");
    }
}

#[test]
fn a_connection_whose_directions_have_different_tags_is_one_flow() {
    let one = web("one.example", 1_000, 2_000);
    for (forth, back) in [(10, 0), (0, 10), (10, 20)] {
        let frames: Vec<_> = one
            .iter()
            .map(|(by_client, frame)| tagged(&[if *by_client { forth } else { back }], frame))
            .collect();
        assert_eq!(flows(&frames), ["one.example SF 4+3 missed 0 again 0"], "{forth} {back}");
        let frames: Vec<_> = one
            .iter()
            .map(|(by_client, frame)| in_vxlan(if *by_client { forth } else { back }, frame))
            .collect();
        assert_eq!(flows(&frames), ["one.example SF 4+3 missed 0 again 0"], "VNI {forth} {back}");
    }
}

#[test]
fn a_frame_with_and_without_tag_is_one_frame_captured_twice() {
    let case = check(|record| {
        let with = |tags: &[u8]| {
            let data = tagged(tags, &record.data);
            Record { orig_len: record.orig_len + 4 * tags.len() as u32, data, ..record.clone() }
        };
        vec![record.clone(), with(&[10]), with(&[10, 7])]
    });
    let plain = check(|record| vec![record.clone()]);
    assert_eq!(case.status, plain.status);
    let without = ["evidence", "message"];
    assert_eq!(rows(&case, &without), rows(&plain, &without));
    assert!(case.err.contains("were captured twice and are counted once"), "{}", case.err);
}
