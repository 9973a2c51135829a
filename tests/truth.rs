//! What the whole pipeline finds in every real capture at hand, against what tshark and OpenSSL say of it. Skipped
//! where the captures are not: `WIRECLAIM_CAPTURES` names their folder, else `../shared/captures` is tried.
//!
//! Every disagreement is listed in `truth/disagreements.csv` with who is right and why: one that is not listed fails,
//! one that is listed and no longer there fails too, and so does comparing less than [`AT_LEAST`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, and this one prints how much agrees"
)]

#[path = "truth/case.rs"]
mod case;
#[path = "truth/dtls.rs"]
mod dtls;
#[path = "truth/fields.rs"]
mod fields;
#[path = "truth/fingerprints.rs"]
mod fingerprints;
#[path = "truth/flows.rs"]
mod flows;
#[path = "truth/ledger.rs"]
mod ledger;
#[path = "truth/local.rs"]
mod local;
#[path = "truth/messages.rs"]
mod messages;
#[path = "truth/names.rs"]
mod names;
#[path = "truth/ntp.rs"]
mod ntp;
#[path = "truth/quic.rs"]
mod quic;
#[path = "truth/services.rs"]
mod services;
mod support;
#[path = "truth/tls.rs"]
mod tls;

use std::collections::{BTreeMap, BTreeSet};

use case::Case;
use ledger::Ledger;

/// Link types among the tags (`lt-…`) that are read. Of captures with others only the connections that both sides know
/// are compared.
const READ: &[&str] = &[
    "lt-c_hdlc",
    "lt-null",
    "lt-ppi",
    "lt-ppp",
    "lt-ppp-dir",
    "lt-ppp-ether",
    "lt-radiotap",
    "lt-raw",
    "lt-raw-ipv4",
    "lt-raw-ipv6",
    "lt-sll",
    "lt-sll2",
    "lt-wlan",
];

/// How many comparisons of each fact there are at least where all captures are at hand: a test that compares
/// nothing must not pass.
const AT_LEAST: &[(&str, u64)] = &[
    ("bacnet.acknowledged", 61),
    ("bacnet.confirmed", 61),
    ("bacnet.function", 94),
    ("bacnet.unconfirmed", 33),
    ("bacnet.vendor", 32),
    ("certificate.chain_length", 149),
    ("certificate.chain_order", 59),
    ("certificate.issuer", 155),
    ("certificate.key", 155),
    ("certificate.not_after", 155),
    ("certificate.not_before", 155),
    ("certificate.signature", 155),
    ("certificate.subject", 155),
    ("coap.code", 12),
    ("coap.path", 8),
    ("connect.status", 5),
    ("connect.target", 5),
    ("dhcp.address", 35),
    ("dhcp.host_name", 31),
    ("dhcp.message", 108),
    ("dhcp.requested_address", 50),
    ("dhcp.server", 29),
    ("dhcp.vendor_class", 19),
    ("dhcpv6.message", 7),
    ("dnp3.request", 3),
    ("dnp3.response", 3),
    ("dns.address", 390),
    ("dns.edns_server_size", 1),
    ("dtls.certificate_cn", 2),
    ("dtls.client_cn", 1),
    ("dtls.hello_verify", 2),
    ("dtls.offered_suites", 4),
    ("dtls.sni", 1),
    ("dtls.suite", 2),
    ("dtls.version", 2),
    ("enip.command", 13),
    ("enip.product", 5),
    ("flow.bytes", 2745),
    ("flow.conversations", 299),
    ("flow.packets", 2745),
    ("iec104.cause", 6),
    ("iec104.control", 8),
    ("iec104.type", 8),
    ("lldp.chassis", 4),
    ("llmnr.address", 1),
    ("llmnr.query", 5),
    ("lon-ip852.packet", 2),
    ("mdns.address", 18),
    ("mdns.instance", 5),
    ("mdns.query", 19),
    ("modbus.exception", 5),
    ("modbus.request", 45),
    ("modbus.unit", 45),
    ("mqtt.client_id", 16),
    ("mqtt.connack_code", 16),
    ("mqtt.connects", 19),
    ("mqtt.keep_alive", 19),
    ("mqtt.packets", 20),
    ("mqtt.protocol_level", 19),
    ("mqtt.protocol_name", 19),
    ("nbns.message", 14),
    ("nbns.name", 12),
    ("nbns.query", 21),
    ("neighbour", 128),
    ("ntp.control", 2),
    ("ntp.extension", 4),
    ("ntp.kiss", 3),
    ("ntp.matched_replies", 80),
    ("ntp.private", 6),
    ("ntp.replies", 80),
    ("ntp.requests", 92),
    ("opcua.endpoint", 19),
    ("opcua.security_mode", 21),
    ("opcua.security_policy", 22),
    ("published.ja3", 38),
    ("published.ja3s", 31),
    ("published.ja4", 315),
    ("quic.offered_alpn", 111),
    ("quic.offered_suites", 111),
    ("quic.offered_versions", 111),
    ("quic.sni", 109),
    ("quic.suite", 27),
    ("quic.tls_version", 27),
    ("s7comm.function", 3),
    ("service", 396),
    ("socks.method", 3),
    ("socks.target", 2),
    ("ssdp.location", 10),
    ("ssdp.message", 14),
    ("ssdp.server", 8),
    ("ssdp.target", 121),
    ("ssdp.user_agent", 3),
    ("ssh.client_host_keys", 10),
    ("ssh.client_kex", 10),
    ("ssh.server_host_keys", 8),
    ("ssh.server_kex", 8),
    ("tls.certificate_requested", 9),
    ("tls.client_certificate", 6),
    ("tls.hello_retry", 10),
    ("tls.ja3", 410),
    ("tls.ja3s", 252),
    ("tls.offered_alpn", 155),
    ("tls.offered_ssl2_ciphers", 9),
    ("tls.offered_suites", 417),
    ("tls.offered_versions", 419),
    ("tls.sni", 202),
    ("tls.suite", 252),
    ("tls.version", 253),
    ("websocket.close_code", 7),
    ("websocket.closed", 7),
    ("websocket.closed_by", 7),
    ("websocket.extensions", 1),
    ("websocket.frames", 10),
    ("websocket.host", 11),
    ("websocket.offered", 6),
    ("websocket.opened", 11),
    ("websocket.status", 11),
    ("websocket.subprotocol", 6),
];

#[test]
fn what_the_pipeline_finds_is_what_tshark_finds() {
    let Some(folder) = support::shared_captures() else { return };
    let expected = support::csv(&std::fs::read_to_string(folder.join("expected.csv")).unwrap());
    let mut ledger = Ledger::default();
    let (mut compared, mut in_part, mut unread) = (0, 0, 0);
    for row in support::csv(&std::fs::read_to_string(folder.join("catalog.csv")).unwrap()) {
        let tags: BTreeSet<&str> = row["tags"].split(' ').collect();
        let partial = tags.iter().any(|tag| tag.starts_with("lt-") && !READ.contains(tag));
        let Some(case) = Case::read(&folder, &row["path"], partial) else {
            unread += 1;
            continue;
        };
        ledger.capture = case.name.clone();
        tls::compare(&case, &mut ledger);
        quic::compare(&case, &mut ledger);
        dtls::compare(&case, &mut ledger);
        fingerprints::compare(&folder, &expected, &case, &mut ledger);
        messages::compare(&case, &mut ledger);
        fields::compare(&case, &mut ledger);
        if partial {
            in_part += 1;
            continue;
        }
        compared += 1;
        flows::compare(&case, &mut ledger);
        ntp::compare(&case, &mut ledger);
        names::compare(&case, &mut ledger);
        services::compare(&case, &mut ledger);
        local::compare(&case, &mut ledger);
    }
    println!("captures: {compared} compared, {in_part} in part (link types), {unread} of other formats");
    for (fact, count) in &ledger.counts {
        println!("{fact} {}/{}", count.agreed, count.compared);
    }
    judge(&ledger);
    let few: Vec<_> = AT_LEAST
        .iter()
        .filter(|(fact, least)| ledger.counts.get(fact).is_none_or(|count| count.compared < *least))
        .collect();
    assert!(few.is_empty(), "fewer comparisons than {few:?}");
    assert_eq!(AT_LEAST.len(), ledger.counts.len(), "every fact has its least number of comparisons");
}

/// Every disagreement is listed, and every listed one is there.
fn judge(ledger: &Ledger) {
    let listed = support::csv(include_str!("truth/disagreements.csv"));
    let columns = ["capture", "fact", "key", "theirs", "ours"];
    let list: BTreeSet<[&str; 5]> = listed.iter().map(|row| columns.map(|name| row[name].as_str())).collect();
    assert_eq!(list.len(), listed.len(), "the list names each disagreement once");
    let mut right: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &listed {
        assert!(["us", "tshark", "both"].contains(&row["who_is_right"].as_str()), "{row:?}");
        assert!(!row["why"].is_empty(), "{row:?}");
        *right.entry(&row["who_is_right"]).or_default() += 1;
    }
    println!("disagreements: {} listed, right is {right:?}", listed.len());
    let found: BTreeSet<[&str; 5]> = ledger.disagreements.iter().map(ledger::Disagreement::cells).collect();
    let line = |cells: &[&str; 5]| cells.map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).join(",");
    let unlisted: Vec<String> = found.difference(&list).map(line).collect();
    let stale: Vec<String> = list.difference(&found).map(line).collect();
    for (what, lines) in [("not listed", &unlisted), ("listed, but gone", &stale)] {
        lines.iter().for_each(|line| println!("{what}: {line}"));
    }
    assert!(unlisted.is_empty() && stale.is_empty(), "{} not listed, {} gone", unlisted.len(), stale.len());
}
