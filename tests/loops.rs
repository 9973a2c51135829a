//! A device that is turned away again and again, made up frame by frame: no server that was recorded does so on purpose.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so"
)]

mod support;

use std::net::Ipv4Addr;

use support::pcap::{ACK, End, FIN_ACK, SYN, SYN_ACK, Writer, tcp};

const PROFILE: &str = "version: 1
profile: gadget
title: Gadget
document: {title: made up}
baseline: [arp]
tls_policy: default
claims:
  - id: G-1
    title: A long connection to the broker
    required: {out: 198.51.100.7, tcp: 1883}
    lifetime: {long_running: true}
    quote: It stays connected.
    source: made up
";

/// Connections of `lifetime` seconds each that `closer` ends, one every 20 s: the rows of the table.
fn rows(
    connections: u32,
    lifetime: u64,
    server_closes: bool,
) -> Vec<std::collections::BTreeMap<String, String>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (capture, profile) = (folder.path().join("a.pcap"), folder.path().join("gadget.yaml"));
    std::fs::write(&profile, PROFILE).expect("the profile can be written");
    let mut writer = Writer::create(&capture, 1);
    for n in 0..connections {
        let device = End(Ipv4Addr::new(192, 0, 2, 7), 40_000 + u16::try_from(n).unwrap());
        let server = End(Ipv4Addr::new(198, 51, 100, 7), 1883);
        let start = u64::from(n) * 20_000_000;
        let end = start + lifetime * 1_000_000;
        writer.frame(start, tcp(device, server, SYN, 100, 0, &[]));
        writer.frame(start + 1_000, tcp(server, device, SYN_ACK, 500, 101, &[]));
        writer.frame(start + 2_000, tcp(device, server, ACK, 101, 501, b"hello there, broker"));
        writer.frame(start + 3_000, tcp(server, device, ACK, 501, 120, &[]));
        let (first, second) = if server_closes { (server, device) } else { (device, server) };
        let (seq, ack) = if server_closes { (501, 120) } else { (120, 501) };
        writer.frame(end, tcp(first, second, FIN_ACK, seq, ack, &[]));
        writer.frame(end + 1_000, tcp(second, first, FIN_ACK, ack, seq + 1, &[]));
        writer.frame(end + 2_000, tcp(first, second, ACK, seq + 1, ack + 1, &[]));
    }
    writer.finish();
    let output = support::wireclaim()
        .arg("check")
        .arg(&capture)
        .arg("-p")
        .arg(&profile)
        .args(["--device", "192.0.2.7", "--format", "ndjson", "--quiet"])
        .output()
        .expect("the program starts");
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("rows are UTF-8");
    text.lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("a row is JSON");
            let cell = |name: &str| (name.to_owned(), row[name].to_string().trim_matches('"').to_owned());
            ["code", "status", "confidence", "claim", "count"].map(cell).into_iter().collect()
        })
        .collect()
}

#[test]
fn six_connections_that_the_server_ends_at_once_are_a_loop() {
    let rows = rows(6, 2, true);
    assert_eq!(rows.len(), 1, "{rows:?}");
    let cells: Vec<&str> =
        ["code", "status", "confidence", "claim", "count"].map(|name| rows[0][name].as_str()).into();
    assert_eq!(cells, ["reconnect-loop", "obstructed", "probable", "G-1", "6"]);
}

#[test]
fn too_few_or_long_enough_or_closed_by_the_device_is_no_loop() {
    for (connections, lifetime, server_closes) in [(4, 2, true), (6, 15, true), (6, 2, false)] {
        assert_eq!(
            rows(connections, lifetime, server_closes),
            [],
            "{connections} {lifetime} {server_closes}"
        );
    }
}
