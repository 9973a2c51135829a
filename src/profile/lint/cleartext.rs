//! Cleartext where everything is said to be encrypted.

use super::super::Ports;
use super::compare::{exclude_each_other, ports_of_both, same_peers, share, subjects_meet};
use super::transport::level_key;
use super::{Code, Declared, Family, Lint, Severity, Subject, listed};

pub(super) static FAMILY: Family = Family { codes: &[&PORT, &BESIDE], find };

static PORT: Code = Code {
    id: "cleartext-port",
    title: "Encryption is demanded on a port whose protocol is in the clear",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/cleartext-port.md"),
};

static BESIDE: Code = Code {
    id: "cleartext-beside-encrypted",
    title: "Cleartext is accepted where encryption is demanded, by another claim or the same",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/cleartext-beside-encrypted.md"),
};

/// Ports whose registered protocol is not encrypted, with its name.
const PORTS: &[(u16, &str)] = &[
    (21, "FTP"),
    (23, "Telnet"),
    (25, "SMTP"),
    (80, "HTTP"),
    (110, "POP3"),
    (143, "IMAP"),
    (389, "LDAP"),
    (502, "Modbus/TCP"),
    (1883, "MQTT"),
    (5672, "AMQP"),
];

/// Protocols that are readable unless they run inside another.
const SERVICES: &[&str] = &[
    "amqp",
    "coap",
    "ftp",
    "http",
    "http2",
    "imap",
    "irc",
    "ldap",
    "modbus",
    "mqtt",
    "mqtt-sn",
    "mysql",
    "nntp",
    "pop3",
    "postgresql",
    "redis",
    "rtsp",
    "sip",
    "smtp",
    "snmp",
    "syslog",
    "telnet",
    "tftp",
    "vnc",
    "websocket",
    "xmpp",
];

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    for claim in subject.compared() {
        if claim.rule.encrypted {
            cleartext_port(subject, claim, lints);
            cleartext_service(subject, claim, lints);
        } else if claim.opens() {
            beside_encrypted(subject, claim, lints);
        }
    }
}

fn cleartext_port(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    for (port, protocol) in PORTS.iter().filter(|(port, _)| names_port(&claim.ports, *port)) {
        let message = format!("demands encryption on port {port}, which is that of {protocol} in the clear");
        let remedy = "declare the port of the protocol inside TLS, or take `encrypted` away";
        lints.push(subject.about(&PORT, claim.claim, "encrypted", message, remedy));
    }
}

/// Protocols of [`SERVICES`] that have no way from the clear into encryption.
const NEVER_ENCRYPTED: &[&str] =
    &["coap", "http", "http2", "modbus", "mqtt", "mqtt-sn", "rtsp", "syslog", "telnet", "tftp", "websocket"];

/// A claim that demands encryption and names a protocol as it is in the clear.
fn cleartext_service(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    let in_the_clear = |chain: &&str| NEVER_ENCRYPTED.contains(&chain.split('/').next().unwrap_or_default());
    let chains: Vec<&str> = claim.rule.services.iter().map(String::as_str).filter(in_the_clear).collect();
    if chains.is_empty() {
        return;
    }
    let message = format!("demands encryption, and names {} in the clear", listed(&chains));
    let remedy = "write it as what it is inside of, as in `tls/mqtt`, or do not demand encryption";
    lints.push(subject.about(&BESIDE, claim.claim, "encrypted", message, remedy));
}

/// Whether the port is declared by its number: not as one of a range.
fn names_port(ports: &Ports, port: u16) -> bool {
    match ports {
        Ports::Of(ranges) => ranges.contains(&(port, port)),
        Ports::Fallback(ports) => ports.contains(&port),
        Ports::Any | Ports::Except(_) | Ports::Unbound(_) => false,
    }
}

fn beside_encrypted(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    let Some(what) = cleartext(claim) else { return };
    let demands = |other: &&Declared<'_>| {
        other.rule.encrypted
            && subjects_meet(other.claim, claim.claim)
            && same_peers(claim.rule, other.rule)
            && (claim.rule.way.is_none() || other.rule.way.is_none() || claim.rule.way == other.rule.way)
            && share(&claim.rule.transports, &other.rule.transports, |a, b| a == b)
            && ports_of_both(claim, other)
            && !exclude_each_other(claim.claim, other.claim)
    };
    let demanding: Vec<&Declared<'_>> = subject.compared().iter().filter(demands).collect();
    if demanding.is_empty() {
        return;
    }
    let ids: Vec<&str> = demanding.iter().map(|other| other.claim.id.as_str()).collect();
    let verb = if ids.len() == 1 { "demands" } else { "demand" };
    let message = format!("accepts {what} in the clear, where {} {verb} encryption", listed(&ids));
    let remedy = "take the cleartext protocol away, or do not demand encryption there";
    let all = std::iter::once(claim).chain(demanding).map(|claim| claim.claim);
    lints.push(subject.about(&BESIDE, claim.claim, level_key(claim.claim), message, remedy).with_claims(all));
}

/// What the claim accepts that anybody on the path can read.
fn cleartext(claim: &Declared<'_>) -> Option<String> {
    let chains: Vec<&str> = claim
        .rule
        .services
        .iter()
        .map(String::as_str)
        .filter(|chain| SERVICES.contains(&chain.split('/').next().unwrap_or_default()))
        .collect();
    if !chains.is_empty() {
        return Some(listed(&chains));
    }
    let port =
        PORTS.iter().find(|(port, _)| claim.rule.services.is_empty() && names_port(&claim.ports, *port));
    port.map(|(port, protocol)| format!("{protocol} on port {port}"))
}
