//! Recordings of real servers and clients: what follows STARTTLS is judged like any other TLS, what goes over the line
//! in the clear is seen, and where a password is read is told. `fixtures/record/services.sh` made them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test that fails says so"
)]

mod support;

use std::path::{Path, PathBuf};

use wireclaim::capture::{Input, Options};
use wireclaim::model::Flow;
use wireclaim::model::flow::Basis;
use wireclaim::pipeline::analyse;

use support::pcap::Pcap;

/// By capture, the protocols of each connection in order, and by which field and value a secret was readable, or
/// nothing: as the clients were told (`--ssl-reqd`, `sslmode`, `AUTH=CRAM-MD5`, community `s3cret`, …).
const SAID: &[(&str, &[(&str, &str)])] = &[
    (
        "amqp",
        &[
            ("amqp", "amqp.credentials yes"),
            ("amqp", "amqp.credentials yes"),
            ("amqp", "amqp.credentials yes"),
            ("amqp", "amqp.credentials yes"),
            ("amqp", "amqp.credentials yes"),
            ("amqp", ""),
        ],
    ),
    ("ftp", &[("ftp tls", ""), ("ftp", ""), ("ftp", "ftp.credentials PASS")]),
    ("imap", &[("imap tls", ""), ("imap", "imap.credentials PLAIN"), ("imap", "")]),
    ("ldap", &[("ldap tls", ""), ("ldap", "ldap.credentials simple")]),
    ("mysql", &[("mysql tls", ""), ("mysql", "")]),
    ("pop3", &[("pop3 tls", ""), ("pop3", "pop3.credentials PLAIN"), ("pop3", "")]),
    ("postgresql", &[("postgresql tls", ""), ("postgresql", "postgresql.credentials cleartext")]),
    ("redis", &[("redis", ""), ("redis", "redis.credentials AUTH")]),
    ("snmp", &[("snmp", ""), ("snmp", "snmp.credentials community"), ("snmp", "")]),
    ("tftp", &[("tftp", ""), ("tftp", ""), ("tftp", ""), ("tftp", ""), ("tftp", ""), ("tftp", "")]),
    ("xmpp", &[("xmpp tls", "")]),
];

fn path(name: &str) -> PathBuf {
    support::root().join("fixtures/services").join(name).with_extension("pcap")
}

fn flows(path: &Path) -> Vec<Flow> {
    let mut flows = analyse(Input::open(&[path], Options::default()).unwrap(), 1).unwrap().flows.all();
    flows.sort_by_key(|flow| flow.id);
    flows
}

#[test]
fn every_connection_is_named_and_every_readable_secret_is_seen() {
    for (name, said) in SAID {
        let found: Vec<(String, String)> = flows(&path(name))
            .iter()
            .map(|flow| {
                let secrets = flow.facts.iter().filter(|fact| fact.field.is_credentials());
                let secrets = secrets.map(|fact| format!("{} {}", fact.field.name, fact.value));
                (flow.service.join(" "), secrets.collect::<Vec<_>>().join(", "))
            })
            .collect();
        let said: Vec<(String, String)> =
            said.iter().map(|(service, secret)| ((*service).to_owned(), (*secret).to_owned())).collect();
        assert_eq!(found, said, "{name}");
    }
}

#[test]
fn tls_after_starttls_is_read_like_any_other() {
    for (name, _) in SAID.iter().filter(|(_, said)| said[0].0.ends_with(" tls")) {
        let flow = &flows(&path(name))[0];
        assert_eq!(flow.recognised, [Basis::Content, Basis::Handshake], "{name}");
        let value = |field: &str| {
            let mut facts = flow.facts.iter().filter(|fact| fact.field.name == field);
            facts.next().map(|fact| fact.value.to_string())
        };
        // TLS 1.3, by supported_versions of the ServerHello.
        assert_eq!(value("tls.version").as_deref(), Some("772"), "{name}");
        assert!(value("tls.suite").is_some() && value("tls.offered_suite").is_some(), "{name}");
        assert_eq!(value("tls.anomaly"), None, "{name}");
    }
}

#[test]
fn no_secret_is_kept() {
    for (name, _) in SAID {
        for flow in flows(&path(name)) {
            for fact in &flow.facts {
                let value = fact.value.to_string();
                let secrets = ["secret", "s3cret", "AGJvYgBzZWNyZXQ", "bob"];
                assert!(!secrets.iter().any(|secret| value.contains(secret)), "{}: {value}", fact.field.name);
            }
        }
    }
}

const PROFILE: &str = "version: 1
profile: mine
title: Mine
claims:
  - id: M-1
    title: Its broker
    allowed: {out: 198.51.100.20, tcp: 5672, service: amqp}
    quote: It speaks AMQP.
    source: Manual
";

/// As the clients were told: the first and the fifth connection were opened (in the latter a channel was closed), the second
/// had a wrong password, the third a virtual host that is not there, the fourth a wrong password and no way to be told, the
/// sixth another version.
#[test]
fn each_way_in_which_a_broker_refuses_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("mine.yaml");
    std::fs::write(&profile, PROFILE).unwrap();
    let (capture, profile) = (path("amqp"), profile.to_str().unwrap());
    let capture = capture.to_str().unwrap();
    let args = ["check", "-q", capture, "-p", profile, "--device", "mine=192.0.2.10", "--format", "ndjson"];
    let rows = support::Answer::from(support::run(&args)).rows();
    let of_it = rows.iter().filter(|row| row["code"] == "amqp-refused");
    let mut found: Vec<String> = of_it
        .map(|row| {
            assert_eq!((row["count"].as_u64(), row["claim"].as_str()), (Some(1), Some("M-1")));
            ["status", "severity", "confidence", "observed"].map(|key| row[key].as_str().unwrap()).join(" ")
        })
        .collect();
    found.sort();
    let expected = [
        "obstructed error proven Connection.Close 403",
        "obstructed error proven Connection.Close 530",
        "obstructed error proven version 0-9-1",
        "obstructed error strong closed after Start-Ok",
    ];
    assert_eq!(found, expected);
    assert!(!rows.iter().any(|row| row.to_string().contains("guest")), "no user is named");
}

#[test]
fn tls_is_found_though_what_led_to_it_was_not_captured() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.pcap");
    for (name, said) in SAID.iter().filter(|(_, said)| said[0].0.ends_with(" tls")) {
        let hello =
            flows(&path(name))[0].facts.iter().find(|fact| fact.field.name == "tls.offered_suite").cloned();
        let hello = usize::try_from(hello.unwrap().evidence.first.frame.no().0).unwrap();
        // Each frame after the handshake of TCP up to the one with the ClientHello.
        for missing in 4..hello {
            let mut pcap = Pcap::read(&path(name), usize::MAX).unwrap();
            pcap.records.remove(missing - 1);
            pcap.write(&cut);
            let flow = &flows(&cut)[0];
            assert_eq!(flow.service.last(), Some(&"tls"), "{name} without frame {missing}: {said:?}");
        }
    }
}
