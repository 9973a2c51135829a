//! Text from the wire and from file names that aims at a spreadsheet, a terminal or a parser of the output.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

mod support;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::Value;
use support::Answer;
use support::wire::{self, Host, Pcap};

/// A formula, a terminal's colours and title, line breaks, and characters that turn the reading order.
const HOSTILE: &str = "=cmd|' /C calc'!A0\x1b[31m\x1b]0;owned\x07\r\n\u{202e}fdp.exe\u{2028}\"";

const DEVICE: Host = Host { mac: [0x02, 0xfa, 0xb0, 0, 0x66, 0x01], ip: Ipv4Addr::new(192, 0, 2, 100) };
const ROUTER: Host = Host { mac: [0x02, 0, 0x5e, 0, 0, 1], ip: Ipv4Addr::new(192, 0, 2, 1) };

fn outside(last: u8) -> Host {
    Host { mac: ROUTER.mac, ip: Ipv4Addr::new(203, 0, 113, last) }
}

/// A device whose DHCP host name, server names and HTTP host are hostile.
fn capture() -> Vec<u8> {
    let mut pcap = Pcap::new();
    let nobody = Host { ip: Ipv4Addr::UNSPECIFIED, ..DEVICE };
    let everybody = Host { mac: [0xff; 6], ip: Ipv4Addr::BROADCAST };
    let name = HOSTILE.as_bytes();
    for kind in [1, 3] {
        pcap.udp((nobody, 68), (everybody, 67), &wire::dhcp(kind, DEVICE, Ipv4Addr::UNSPECIFIED, name));
        pcap.udp(
            (ROUTER, 67),
            (DEVICE, 68),
            &wire::dhcp(kind + if kind == 1 { 1 } else { 2 }, DEVICE, DEVICE.ip, b""),
        );
    }
    pcap.connection(
        (DEVICE, 40_001),
        (outside(10), 443),
        &wire::client_hello(name),
        b"\x15\x03\x03\x00\x02\x02\x28",
    );
    let host = HOSTILE.replace(['\r', '\n', '\x1b', '\x07'], "");
    let request = format!("GET /{} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {host}\r\n\r\n", "=1+1");
    pcap.connection(
        (DEVICE, 40_002),
        (outside(11), 80),
        request.as_bytes(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    let request = b"GET / HTTP/1.1\r\nHost: a\x1b[31mb.example.net\r\n\r\n";
    pcap.connection(
        (DEVICE, 40_003),
        (outside(12), 80),
        request,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    pcap.connection(
        (DEVICE, 40_004),
        (outside(13), 443),
        &wire::client_hello(b"@SUM(1+1)*cmd"),
        b"\x15\x03\x03\x00\x02\x02\x28",
    );
    pcap.into_bytes()
}

/// Characters that a terminal or a reader acts upon; line ends are the writer's own.
fn acts(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn assert_plain(what: &str, text: &str) {
    assert_eq!(text.chars().find(|c| acts(*c)), None, "{what}: {text:?}");
}

/// A cell that a spreadsheet takes for a formula. A lone `-` is wireclaim's own word for standard input.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '@', '\t', '\r'])
        || (cell.starts_with('-') && cell != "-" && !cell.starts_with("-#"))
}

fn assert_harmless(value: &Value) {
    match value {
        Value::String(text) => {
            assert!(!is_formula(text), "{text:?}");
            assert!(!text.contains('\n'), "{text:?}");
            assert_plain("cell", text);
        }
        Value::Array(values) => values.iter().for_each(assert_harmless),
        Value::Object(values) => values.iter().for_each(|(key, value)| {
            // A file's name inside a list is no cell.
            if let ("capture", Value::String(name)) = (key.as_str(), value) {
                assert_plain("capture", name);
            } else {
                assert_plain("key", key);
                assert_harmless(value);
            }
        }),
        _ => {}
    }
}

fn run(args: &[&str], capture: &Path) -> Answer {
    let mut all: Vec<&std::ffi::OsStr> = args.iter().map(std::ffi::OsStr::new).collect();
    all.insert(1, capture.as_os_str());
    support::run(&all).into()
}

const CHECK: &[&str] = &["check", "-p", "farmbot", "--device", "192.0.2.100", "--format"];

fn with<'a>(args: &[&'a str], format: &'a str) -> Vec<&'a str> {
    args.iter().copied().chain([format]).collect()
}

#[test]
fn hostile_names_reach_every_output_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.pcap");
    fs::write(&path, capture()).unwrap();
    let answer = run(&with(CHECK, "ndjson"), &path);
    assert_eq!(answer.status, 1, "{}", answer.err);
    let rows = answer.rows();
    assert!(rows.len() >= 4, "{}", answer.out);
    rows.iter().for_each(assert_harmless);
    assert_plain("summary", &answer.err);
    // They do get that far: what is shown is what was sent, escaped.
    let devices: Vec<&str> = rows.iter().filter_map(|row| row["device"].as_str()).collect();
    assert!(devices.iter().all(|name| name.starts_with("'=cmd|' /C calc'!A0\\x1b[31m")), "{devices:?}");
    let peers: Vec<&str> = rows.iter().filter_map(|row| row["peer_name"].as_str()).collect();
    assert!(peers.iter().any(|name| name.starts_with("'=cmd|")), "{peers:?}");
    assert!(peers.iter().any(|name| name.starts_with("'@sum(")), "{peers:?}");

    let table = run(&with(CHECK, "table"), &path);
    assert_plain("table", &table.out);
    assert!(table.out.contains("=cmd|"), "{}", table.out);
    let flows = run(&["flows", "--format", "ndjson"], &path);
    assert_eq!(flows.status, 0, "{}", flows.err);
    assert_plain("flows", &flows.out);
    assert!(flows.out.contains("cmd|"), "{}", flows.out);
    let flows = run(&["flows", "--format", "table"], &path);
    assert_plain("table of flows", &flows.out);
}

#[cfg(feature = "table")]
#[test]
fn hostile_names_in_csv_stay_in_their_cells() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.pcap");
    fs::write(&path, capture()).unwrap();
    for args in [with(CHECK, "csv"), vec!["flows", "--format", "csv"]] {
        let answer = run(&args, &path);
        assert_plain("csv", &answer.out);
        let rows = support::csv(&answer.out);
        assert_eq!(rows.len() + 1, answer.out.lines().count(), "a row is a line: {}", answer.out);
        let header = rows[0].len();
        for row in &rows {
            assert_eq!(row.len(), header);
            assert!(row.values().all(|cell| !is_formula(cell)), "{row:?}");
        }
        assert!(answer.out.contains("cmd|"), "{}", answer.out);
    }
}

#[cfg(unix)]
#[test]
fn a_hostile_file_name_breaks_no_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let name = "=1+1\n\x1b[31m\u{202e}#9,8;x.pcap";
    let path = folder.path().join(name);
    fs::write(&path, capture()).unwrap();
    fs::write(folder.path().join("-\x1b[2Jnotes"), "no capture").unwrap();
    let damaged = folder.path().join("=2\n\x1b.pcap");
    let whole = capture();
    fs::write(&damaged, &whole[..whole.len() - 3]).unwrap();
    for input in [path.as_path(), folder.path()] {
        let answer = run(&with(CHECK, "ndjson"), input);
        assert_eq!(answer.status, 1, "{}", answer.err);
        answer.rows().iter().for_each(assert_harmless);
        assert_plain("summary", &answer.err);
        let table = run(&with(CHECK, "table"), input);
        assert_plain("table", &table.out);
        assert_plain("summary", &table.err);
        #[cfg(feature = "table")]
        {
            let csv = run(&with(CHECK, "csv"), input);
            assert_plain("csv", &csv.out);
            let rows = support::csv(&csv.out);
            assert_eq!(rows.len() + 1, csv.out.lines().count(), "a row is a line: {}", csv.out);
            assert!(rows.iter().flat_map(|row| row.values()).all(|cell| !is_formula(cell)), "{}", csv.out);
        }
    }
    // Messages about files that cannot be used name them, and are shown on the same terminal.
    let bad = folder.path().join("-\x1b[2Jnotes");
    let answer = run(&with(CHECK, "ndjson"), &bad);
    assert_eq!(answer.status, 2);
    assert_plain("message", &answer.err);
    let answer = run(&with(CHECK, "ndjson"), Path::new("no\x1b[2Jwhere"));
    assert_eq!(answer.status, 2);
    assert_plain("message", &answer.err);
}
