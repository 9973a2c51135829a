//! What a capture with a hole says, the whole one says too: of each conversation every segment is left out in turn, then
//! each direction, then each beginning.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::Path;

use support::Answer;
use support::wire::{Host, Pcap, records};

const CLIENT: Host = Host { mac: [0x02, 0xfa, 0xb0, 0, 0x66, 0x01], ip: Ipv4Addr::new(192, 0, 2, 100) };
const SERVER: Host = Host { mac: [0x02, 0, 0x5e, 0, 0, 1], ip: Ipv4Addr::new(203, 0, 113, 10) };

type Talk = Vec<(bool, Vec<u8>)>;

fn asked(bytes: impl AsRef<[u8]>) -> (bool, Vec<u8>) {
    (true, bytes.as_ref().to_vec())
}

fn told(bytes: impl AsRef<[u8]>) -> (bool, Vec<u8>) {
    (false, bytes.as_ref().to_vec())
}

fn http() -> Talk {
    let get = |path: &str| asked(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    let ok = || told("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    vec![
        get("/a"),
        ok(),
        get("/b"),
        told("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"),
        told("cd"),
        get("/c"),
        ok(),
    ]
}

/// Pings from both sides; the client closes.
fn websocket() -> Talk {
    let upgrade = "GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let granted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    vec![
        asked(upgrade),
        told(granted),
        asked(b"\x81\x82\0\0\0\0hi"),
        told(b"\x81\x02hi"),
        told(b"\x89\x00"),
        asked(b"\x8a\x80\0\0\0\0"),
        asked(b"\x89\x80\0\0\0\0"),
        told(b"\x8a\x00"),
        asked(b"\x88\x82\0\0\0\0\x03\xe8"),
        told(b"\x88\x02\x03\xe8"),
    ]
}

fn mqtt() -> Talk {
    vec![
        asked(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x0a\x00\x02id"),
        told(b"\x20\x02\x00\x00"),
        asked(b"\x32\x07\x00\x03a/b\x00\x0a"),
        told(b"\x40\x02\x00\x0a"),
        asked(b"\xc0\x00"),
        told(b"\xd0\x00"),
        asked(b"\xe0\x00"),
    ]
}

fn modbus() -> Talk {
    let read = |id: u8| asked([0, id, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10]);
    let answer = |id: u8| told([0, id, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2]);
    vec![read(1), answer(1), read(2), read(3), answer(2), answer(3)]
}

fn dns() -> Talk {
    let query = |id: u8, name: u8| {
        let mut message = vec![0, 27, 0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, name];
        message.extend(b"\x07example\x00\x00\x01\x00\x01");
        message
    };
    let answer = |id: u8, name: u8| {
        let mut message = query(id, name);
        (message[4], message[5]) = (0x81, 0x80);
        told(message)
    };
    vec![
        asked(query(1, b'a')),
        answer(1, b'a'),
        asked(query(2, b'b')),
        asked(query(3, b'c')),
        answer(2, b'b'),
        answer(3, b'c'),
    ]
}

/// TLS begins after StartTLS; its records are none of LDAP's messages.
fn ldap() -> Talk {
    let alert = b"\x15\x03\x03\x00\x02\x02\x28";
    vec![
        asked(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"),
        told(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"),
        asked(support::wire::client_hello(b"a.example")),
        told(alert),
    ]
}

/// What the flows of a capture say: service, and facts with how often.
fn said(folder: &Path, header: &[u8], kept: &[&[u8]]) -> (String, BTreeMap<(String, String), u64>) {
    let path = folder.join("talk.pcap");
    fs::write(&path, [&[header][..], kept].concat().concat()).unwrap();
    let answer = Answer::from(support::run(&["flows", path.to_str().unwrap(), "--format", "ndjson"]));
    assert_eq!(answer.status, 0, "{}", answer.err);
    let (mut service, mut facts) = (String::new(), BTreeMap::new());
    for row in answer.rows() {
        row["service"].as_str().unwrap_or_default().clone_into(&mut service);
        for (field, values) in row["facts"].as_object().into_iter().flatten() {
            for value in values.as_array().unwrap() {
                let key = (field.clone(), value["value"].to_string());
                *facts.entry(key).or_default() += value["count"].as_u64().unwrap();
            }
        }
    }
    (service, facts)
}

/// Fields that tell what the capture lacks, or how much of something it has. TLS has tests of its
/// own.
fn depends_on_the_capture(field: &str) -> bool {
    field.ends_with("incomplete")
        || field.starts_with("tls.")
        || matches!(field, "http.requests" | "http.responses")
}

fn check(name: &str, port: u16, mut talk: Talk) {
    // Acknowledgements of the last bytes.
    talk.extend([asked(""), told("")]);
    let mut pcap = Pcap::new();
    pcap.talk((CLIENT, 40_001), (SERVER, port), &talk);
    let bytes = pcap.into_bytes();
    let (header, all) = records(&bytes);
    let folder = tempfile::tempdir().unwrap();
    let (service, whole) = said(folder.path(), header, &all);
    assert!(service.split('/').any(|part| part == name), "{name}: {service}");
    // The handshake is two frames, the acknowledgements are two.
    let segments: Range<usize> = 2..all.len() - 2;
    let from_client = |at: usize| all[at][22..28] == CLIENT.mac;
    let one = segments.clone().map(|at| (format!("without {at}"), vec![at]));
    let sides = [true, false].map(|client| {
        (
            format!("without the client ({client})"),
            (0..all.len()).filter(|at| from_client(*at) == client).collect(),
        )
    });
    let beginnings = segments.map(|at| (format!("from {at}"), (0..=at).collect::<Vec<_>>()));
    let mut kept_facts: usize = 0;
    for (what, left_out) in one.chain(sides).chain(beginnings) {
        let kept: Vec<&[u8]> = all
            .iter()
            .enumerate()
            .filter(|(at, _)| !left_out.contains(at))
            .map(|(_, frame)| *frame)
            .collect();
        for ((field, value), count) in said(folder.path(), header, &kept).1 {
            let known = whole.get(&(field.clone(), value.clone())).copied().unwrap_or(0);
            kept_facts += usize::from(known > 0 && !depends_on_the_capture(&field));
            assert!(
                depends_on_the_capture(&field) || count <= known,
                "{name} {what}: {field} {value} x{count}"
            );
        }
    }
    assert!(kept_facts > 0, "{name}: what is left tells nothing");
}

#[test]
fn http_says_nothing_of_what_is_missing() {
    check("http", 80, http());
}

#[test]
fn websocket_says_nothing_of_what_is_missing() {
    check("websocket", 80, websocket());
}

#[test]
fn mqtt_says_nothing_of_what_is_missing() {
    check("mqtt", 1883, mqtt());
}

#[test]
fn modbus_says_nothing_of_what_is_missing() {
    check("modbus", 502, modbus());
}

#[test]
fn dns_over_tcp_says_nothing_of_what_is_missing() {
    check("dns", 53, dns());
}

#[test]
fn ldap_says_nothing_of_what_is_missing() {
    check("ldap", 389, ldap());
}
