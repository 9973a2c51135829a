//! Claims about the same ports that differ in direction or transport, and protocols over a transport that is not theirs.

use super::super::{Claim, Peer};
use super::compare::{common, exclude_each_other, overlap, same_peers, share, subjects_meet};
use super::{Code, Declared, Family, Lint, Severity, Subject};
use crate::model::Transport;
use crate::model::finding::Way;

pub(super) static FAMILY: Family =
    Family { codes: &[&OPPOSITE, &OTHER_TRANSPORT, &WRONG_TRANSPORT, &FORBIDDEN], find };

static OPPOSITE: Code = Code {
    id: "opposite-directions",
    title: "A range of ports is opened in one direction by one claim and in the other by another",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/opposite-directions.md"),
};

static OTHER_TRANSPORT: Code = Code {
    id: "tcp-against-udp",
    title: "A service's port is given over TCP in one place and over UDP in another",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/tcp-against-udp.md"),
};

static WRONG_TRANSPORT: Code = Code {
    id: "wrong-transport",
    title: "A protocol is declared over a transport that it does not run on",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/wrong-transport.md"),
};

static FORBIDDEN: Code = Code {
    id: "forbidden-and-allowed",
    title: "One claim forbids some of what another opens, for the same peers",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/forbidden-and-allowed.md"),
};

/// Protocols that run on one transport only.
const TRANSPORTS: &[(&str, Transport)] = &[
    ("amqp", Transport::Tcp),
    ("dhcp", Transport::Udp),
    ("dhcpv6", Transport::Udp),
    ("dtls", Transport::Udp),
    ("ftp", Transport::Tcp),
    ("http", Transport::Tcp),
    ("http2", Transport::Tcp),
    ("imap", Transport::Tcp),
    ("llmnr", Transport::Udp),
    ("mdns", Transport::Udp),
    ("modbus", Transport::Tcp),
    ("mqtt", Transport::Tcp),
    ("mqtt-sn", Transport::Udp),
    ("ntp", Transport::Udp),
    ("opcua", Transport::Tcp),
    ("pop3", Transport::Tcp),
    ("quic", Transport::Udp),
    ("smtp", Transport::Tcp),
    ("ssdp", Transport::Udp),
    ("ssh", Transport::Tcp),
    ("telnet", Transport::Tcp),
    ("tftp", Transport::Udp),
    ("tls", Transport::Tcp),
];

/// Protocols that are defined for both, on the same port.
const BOTH: &[&str] = &["dns", "sip", "snmp", "syslog", "ldap", "coap"];

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    for claim in &subject.flows {
        wrong_transport(subject, claim, lints);
        not_in_quote(subject, claim, lints);
    }
    for (at, a) in subject.compared().iter().enumerate() {
        for b in subject.compared().iter().skip(at.saturating_add(1)) {
            opposite_directions(subject, a, b, lints);
            tcp_against_udp(subject, a, b, lints);
        }
    }
    forbidden_and_allowed(subject, lints);
}

/// One port may well be served and used (443); a whole range in both directions is a table that was misread, most often
/// the ports that replies go to.
fn opposite_directions(subject: &Subject<'_>, a: &Declared<'_>, b: &Declared<'_>, lints: &mut Vec<Lint>) {
    let ways = [a.rule.way, b.rule.way];
    let opposite = ways == [Some(Way::In), Some(Way::Out)] || ways == [Some(Way::Out), Some(Way::In)];
    let concerned = opposite
        && a.opens()
        && b.opens()
        && subjects_meet(a.claim, b.claim)
        && same_peers(a.rule, b.rule)
        && share(&a.rule.transports, &b.rule.transports, |a, b| a == b)
        && !exclude_each_other(a.claim, b.claim);
    let all = |claim: &Declared<'_>| super::compare::count(&claim.ports).is_none_or(|count| count > 60_000);
    if !concerned || all(a) || all(b) {
        return;
    }
    let shared: Vec<String> = common(&a.ports, &b.ports)
        .into_iter()
        .filter(|(low, high)| low < high)
        .map(|(low, high)| format!("{low}-{high}"))
        .collect();
    if shared.is_empty() {
        return;
    }
    let (inward, outward) = if a.rule.way == Some(Way::In) { (a, b) } else { (b, a) };
    let message = format!(
        "{} opens the ports {} inward and {} the same outward; together they are open in both directions",
        inward.claim.id,
        shared.join(", "),
        outward.claim.id
    );
    let remedy = "keep the direction of the first packet and take the other away: replies need no claim";
    lints.push(subject.about(&OPPOSITE, a.claim, "", message, remedy).with_claims([a.claim, b.claim]));
}

fn tcp_against_udp(subject: &Subject<'_>, a: &Declared<'_>, b: &Declared<'_>, lints: &mut Vec<Lint>) {
    let one_each = matches!(
        (a.rule.transports.as_slice(), b.rule.transports.as_slice()),
        ([Transport::Tcp], [Transport::Udp]) | ([Transport::Udp], [Transport::Tcp])
    );
    let service = a.rule.services.iter().find(|chain| b.rule.services.contains(chain));
    let Some(service) = service.filter(|_| one_each) else { return };
    let first = service.split('/').next().unwrap_or_default();
    let ports = common(&a.ports, &b.ports);
    let (Some((port, _)), false) = (ports.first(), BOTH.contains(&first)) else { return };
    if !a.opens() || !b.opens() || a.rule.way != b.rule.way || !same_peers(a.rule, b.rule) {
        return;
    }
    if !subjects_meet(a.claim, b.claim) || exclude_each_other(a.claim, b.claim) {
        return;
    }
    let (transport_a, transport_b) = (word(a), word(b));
    let message = format!(
        "{} gives port {port} of {service} over {transport_a} and {} over {transport_b}",
        a.claim.id, b.claim.id
    );
    let remedy = "find out which of them the device uses, and take the other away";
    lints.push(subject.about(&OTHER_TRANSPORT, a.claim, "", message, remedy).with_claims([a.claim, b.claim]));
}

/// The sentence names the one transport, and the claim has the other.
fn not_in_quote(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    let quote = &claim.claim.source.quote;
    let (said, unsaid) = match (quote.contains("TCP"), quote.contains("UDP")) {
        (true, false) => ("TCP", Transport::Udp),
        (false, true) => ("UDP", Transport::Tcp),
        _ => return,
    };
    if claim.opens() && claim.rule.transports.contains(&unsaid) {
        let message = format!("declares {unsaid}, and the quoted sentence says {said}");
        let remedy = "find out which of them the device uses, and take the other away";
        lints.push(subject.about(&OTHER_TRANSPORT, claim.claim, level_key(claim.claim), message, remedy));
    }
}

fn word(claim: &Declared<'_>) -> &'static str {
    if claim.rule.transports.contains(&Transport::Udp) { "UDP" } else { "TCP" }
}

fn wrong_transport(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    if claim.rule.transports.is_empty() {
        return;
    }
    for chain in &claim.rule.services {
        let first = chain.split('/').next().unwrap_or_default();
        let Some((_, only)) = TRANSPORTS.iter().find(|(name, _)| *name == first) else { continue };
        if claim.rule.transports.contains(only) {
            continue;
        }
        let declared: Vec<String> = claim.rule.transports.iter().map(ToString::to_string).collect();
        let message =
            format!("declares {first} over {}, and {first} runs over {only} only", declared.join(" and "));
        let remedy = format!("write `{only}` for the port, or name the protocol that is meant");
        lints.push(subject.about(&WRONG_TRANSPORT, claim.claim, level_key(claim.claim), message, &remedy));
    }
}

/// The key of a claim that says what it opens.
pub(super) fn level_key(claim: &Claim) -> &'static str {
    match claim.level {
        super::Level::Required => "required",
        super::Level::Allowed => "allowed",
        super::Level::Forbidden => "forbidden",
        super::Level::Informational => "informational",
    }
}

/// `forbidden` beats `allowed` among claims whose peers are equally narrow; a pair that overlaps should be known. Where
/// all of a claim is forbidden, `unreachable` says so.
fn forbidden_and_allowed(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    let forbidding = |claim: &&Declared<'_>| claim.claim.level == super::Level::Forbidden;
    for no in subject.compared().iter().filter(forbidding) {
        for yes in subject.compared().iter().filter(|claim| claim.opens()) {
            if !overlap(no, yes) || super::reach::forbids_all(no, yes) {
                continue;
            }
            let peers: Vec<String> = shared_peers(no, yes).iter().map(ToString::to_string).collect();
            let whom = if peers.is_empty() { "anyone".to_owned() } else { super::listed(&peers) };
            let message = format!(
                "{} forbids some of what {} opens with {whom}; what is forbidden wins",
                no.claim.id, yes.claim.id
            );
            let remedy = "narrow what is forbidden, or take away what is opened and can never be";
            let lint = subject.about(&FORBIDDEN, no.claim, "", message, remedy);
            lints.push(lint.with_claims([no.claim, yes.claim]));
        }
    }
}

fn shared_peers<'p>(a: &Declared<'p>, b: &Declared<'_>) -> Vec<&'p Peer> {
    a.rule.peers.iter().filter(|peer| b.rule.peers.contains(peer)).collect()
}
