//! Connections that another one announces: FTP's, whatever shards the two are in.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

mod support;

use std::fs;
use std::net::Ipv4Addr;

use support::Answer;
use support::wire::{Host, Pcap};

const CLIENT: Host = Host { mac: [0x02, 0xfa, 0xb0, 0, 0x66, 0x01], ip: Ipv4Addr::new(192, 0, 2, 100) };
const SERVER: Host = Host { mac: [0x02, 0, 0x5e, 0, 0, 1], ip: Ipv4Addr::new(203, 0, 113, 10) };
const OTHER: Host = Host { mac: [0x02, 0, 0x5e, 0, 0, 2], ip: Ipv4Addr::new(203, 0, 113, 11) };

#[test]
fn data_connections_of_ftp_have_its_name() {
    let mut pcap = Pcap::new();
    let content = [(false, b"total 0\r\n".to_vec())];
    // Before it is announced, it is anything.
    pcap.talk((CLIENT, 40_000), (SERVER, 50_000), &content);
    let control: &[(bool, &str)] = &[
        (false, "220 files FTP\r\n"),
        (true, "USER anonymous\r\n"),
        (false, "230 in\r\n"),
        (true, "PASV\r\n"),
        // A translated address, as behind a router.
        (false, "227 Entering Passive Mode (10,0,0,1,195,80).\r\n"),
        (true, "EPSV\r\n"),
        (false, "229 Entering Extended Passive Mode (|||50001|)\r\n"),
        (true, "PORT 192,0,2,100,195,82\r\n"),
        (true, "EPRT |1|192.0.2.100|50003|\r\n"),
    ];
    let control: Vec<(bool, Vec<u8>)> =
        control.iter().map(|(by_client, line)| (*by_client, line.as_bytes().to_vec())).collect();
    pcap.talk((CLIENT, 40_001), (SERVER, 21), &control);
    for port in [50_000, 50_001] {
        pcap.talk((CLIENT, 40_010), (SERVER, port), &content);
    }
    for port in [50_002, 50_003] {
        pcap.talk((SERVER, 20), (CLIENT, port), &[(true, b"total 0\r\n".to_vec())]);
    }
    // The announcement was for one connection.
    pcap.talk((CLIENT, 40_011), (SERVER, 50_001), &content);
    // Nobody announced these: another port, another host.
    pcap.talk((CLIENT, 40_020), (SERVER, 50_009), &content);
    pcap.talk((CLIENT, 40_021), (OTHER, 50_001), &content);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ftp.pcap");
    fs::write(&path, pcap.into_bytes()).unwrap();
    let flows = |jobs: &str| {
        Answer::from(support::run(&["flows", path.to_str().unwrap(), "--format", "ndjson", "-j", jobs]))
    };
    let answer = flows("1");
    assert_eq!(answer.out, flows("4").out);
    let services: Vec<String> = answer
        .rows()
        .iter()
        .map(|row| format!("{} {}", row["resp_port"], row["service"].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(
        services,
        [
            "50000 -",
            "21 ftp",
            "50000 ftp-data",
            "50001 ftp-data",
            "50002 ftp-data",
            "50003 ftp-data",
            "50001 -",
            "50009 -",
            "50001 -",
        ]
    );
}
