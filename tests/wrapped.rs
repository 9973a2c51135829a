//! A shipped capture says the same inside a tunnel, in fragments, and captured twice.

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

use std::path::PathBuf;

use serde_json::Value;
use support::pcap::{Pcap, Record};
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
