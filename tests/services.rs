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
