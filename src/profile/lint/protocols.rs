//! Protocols that nothing recognises.

use super::super::problem;
use super::transport::level_key;
use super::{Code, Declared, Family, Lint, Severity, Subject};

pub(super) static FAMILY: Family = Family { codes: &[&UNKNOWN], find };

static UNKNOWN: Code = Code {
    id: "unknown-protocol",
    title: "A claim names a protocol that is not recognised by content",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/unknown-protocol.md"),
};

/// What content is recognised as: the names of all analyzers, in alphabetical order (a test compares them).
pub const PROTOCOLS: &[&str] = &[
    "amqp",
    "bacnet",
    "bittorrent",
    "coap",
    "dhcp",
    "dhcpv6",
    "dnp3",
    "dns",
    "dtls",
    "enip",
    "ftp",
    "hart-ip",
    "http",
    "http2",
    "iec104",
    "ike",
    "imap",
    "irc",
    "knxnet-ip",
    "ldap",
    "llmnr",
    "lon-ip70",
    "lon-ip852",
    "mdns",
    "modbus",
    "mqtt",
    "mqtt-sn",
    "mysql",
    "nbns",
    "netbios-dgm",
    "nntp",
    "ntp",
    "opcua",
    "openvpn",
    "pop3",
    "postgresql",
    "quic",
    "radius",
    "rdp",
    "redis",
    "rtsp",
    "s7comm",
    "sip",
    "smb",
    "smtp",
    "snmp",
    "socks",
    "ssdp",
    "ssh",
    "stun",
    "syslog",
    "telnet",
    "tftp",
    "tls",
    "vnc",
    "websocket",
    "wireguard",
    "xmpp",
];

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    for claim in &subject.flows {
        unknown(subject, claim, lints);
    }
}

fn unknown(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    let is_known = |word: &str| PROTOCOLS.binary_search(&word).is_ok();
    let some_are_known = claim.rule.services.iter().any(|chain| chain.split('/').all(is_known));
    let severity = if some_are_known { Severity::Warning } else { Severity::Error };
    for word in claim.rule.services.iter().flat_map(|chain| chain.split('/')).filter(|word| !is_known(word)) {
        let near = problem::near(word, PROTOCOLS.iter().copied());
        let message = format!("names the protocol `{word}`, which is not recognised by content{near}");
        let remedy =
            "correct the word, or leave the protocol out: `wireclaim flows` shows what connections speak";
        let key = level_key(claim.claim);
        lints.push(subject.about(&UNKNOWN, claim.claim, key, message, remedy).with_severity(severity));
    }
}
