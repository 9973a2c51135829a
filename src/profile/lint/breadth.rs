//! Claims that open more than anybody can have meant.

use std::collections::BTreeSet;

use super::super::{NamePattern, Peer, bind, schema};
use super::compare::count;
use super::transport::level_key;
use super::{Code, Declared, Family, Lint, Severity, Subject, listed};
use crate::model::Transport;
use crate::model::finding::Way;

pub(super) static FAMILY: Family = Family { codes: &[&OVER_BROAD, &ANY_PEER], find };

static OVER_BROAD: Code = Code {
    id: "over-broad",
    title: "A claim opens a great many ports to anybody, or a name under which anybody may be",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/over-broad.md"),
};

static ANY_PEER: Code = Code {
    id: "any-peer",
    title: "Claims let the device connect to anybody: neither name nor address is declared",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/any-peer.md"),
};

/// From so many ports on, a claim about anybody says hardly anything.
const MANY_PORTS: u32 = 1_000;

/// From so few bits on, a prefix is nearly everybody: IPv4, IPv6.
const SHORT_PREFIX: (u8, u8) = (7, 19);

/// Names below which everybody may rent a place.
const SHARED: &[&str] = &[
    "akamaiedge.net",
    "akamaihd.net",
    "amazonaws.com",
    "appspot.com",
    "azure.com",
    "azureedge.net",
    "azurewebsites.net",
    "cloudapp.net",
    "cloudflare.net",
    "cloudfront.net",
    "edgekey.net",
    "fastly.net",
    "github.io",
    "googleapis.com",
    "herokuapp.com",
    "netlify.app",
    "pages.dev",
    "vercel.app",
    "windows.net",
    "workers.dev",
];

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    let mut anybody = Vec::new();
    for claim in subject.flows.iter().filter(|claim| claim.opens()) {
        broad_names(subject, claim, lints);
        if !about_anybody(claim) || claim.rule.way == Some(Way::Local) {
            continue;
        }
        if count(&claim.ports).is_some_and(|count| count >= MANY_PORTS) {
            lints.push(many_ports(subject, claim));
        } else if claim.rule.way == Some(Way::Out) && binds_device(claim) {
            anybody.push(claim);
        }
    }
    lints.extend(any_peer(subject, &anybody));
}

fn binds_device(claim: &Declared<'_>) -> bool {
    [bind::DEVICE, schema::ANYONE].contains(&claim.claim.subject.as_str())
}

/// Whether the claim names no peer, or nearly all.
fn about_anybody(claim: &Declared<'_>) -> bool {
    let nearly_all = |peer: &Peer| match peer {
        // All groups (224.0.0.0/4, ff00::/8) are short prefixes, and still not anybody.
        Peer::Network(ipnet::IpNet::V4(net)) => {
            net.prefix_len() <= SHORT_PREFIX.0 && !(net.prefix_len() >= 4 && net.addr().is_multicast())
        }
        Peer::Network(ipnet::IpNet::V6(net)) => {
            net.prefix_len() <= SHORT_PREFIX.1 && !(net.prefix_len() >= 8 && net.addr().is_multicast())
        }
        Peer::Name(_) | Peer::List(_) | Peer::Local => false,
    };
    claim.rule.peers.is_empty() || claim.rule.peers.iter().any(nearly_all)
}

fn many_ports(subject: &Subject<'_>, claim: &Declared<'_>) -> Lint {
    let transports: Vec<String> = claim.rule.transports.iter().map(ToString::to_string).collect();
    let transports = if transports.is_empty() { "all".to_owned() } else { transports.join(" and ") };
    let ports = match count(&claim.ports) {
        Some(count) if count >= 65_535 => "every port".to_owned(),
        Some(count) => format!("{count} ports ({})", shown(claim)),
        None => "ports that are not bound".to_owned(),
    };
    let (way, remedy) = match claim.rule.way {
        Some(Way::In) => (
            "lets anybody reach the device on",
            "declare the ports that the service listens on, and who may use it: replies need no claim",
        ),
        Some(Way::Out) => {
            ("lets the device reach anybody on", "declare the peers, or the ports of their services")
        }
        _ => ("lets anybody and the device talk on", "declare direction, peers and ports"),
    };
    let message = format!("{way} {ports} over {transports}");
    subject.about(&OVER_BROAD, claim.claim, level_key(claim.claim), message, remedy)
}

fn shown(claim: &Declared<'_>) -> String {
    words(&claim.ports.ranges().unwrap_or_default())
}

fn words(ranges: &[(u16, u16)]) -> String {
    let word = |(low, high): &(u16, u16)| if low == high { low.to_string() } else { format!("{low}-{high}") };
    ranges.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn broad_names(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    for peer in &claim.rule.peers {
        let Peer::Name(pattern @ (NamePattern::Below(apex) | NamePattern::Suffix(apex))) = peer else {
            continue;
        };
        let who = if !apex.contains('.') {
            "a whole top-level domain"
        } else if SHARED.contains(&apex.as_str()) {
            "shared hosting, where everybody may have a name"
        } else {
            continue;
        };
        let message = format!("opens `{pattern}`, which is {who}");
        let remedy = "declare the names that the device uses";
        lints.push(subject.about(&OVER_BROAD, claim.claim, level_key(claim.claim), message, remedy));
    }
}

/// One row for all of them: a document that names nobody does so throughout.
fn any_peer(subject: &Subject<'_>, claims: &[&Declared<'_>]) -> Option<Lint> {
    let first = claims.first()?;
    let mut services: Vec<String> = Vec::new();
    let transports: BTreeSet<Transport> =
        claims.iter().flat_map(|claim| claim.rule.transports.iter().copied()).collect();
    for transport in transports {
        let of_it = claims.iter().filter(|claim| claim.rule.transports.contains(&transport));
        let (mut known, mut unbound) = (Vec::new(), BTreeSet::new());
        for claim in of_it {
            match claim.ports.ranges() {
                Some(ranges) => known.extend(ranges),
                None => drop(unbound.insert(claim.ports.to_string())),
            }
        }
        let known = super::super::value::united(known);
        let words = Some(words(&known)).filter(|words| !words.is_empty()).into_iter().chain(unbound);
        services.push(format!("{transport} {}", words.collect::<Vec<_>>().join(", ")));
    }
    let count = claims.len();
    let verb = if count == 1 { "1 claim names no peer and lets" } else { "claims name no peer and let" };
    let verb = if count == 1 { verb.to_owned() } else { format!("{count} {verb}") };
    let message = format!("{verb} the device connect to anybody on {}", listed(&services));
    let remedy = "ask for names or addresses, or for what their certificates have in common: a port alone tells nobody";
    let lint = subject.about(&ANY_PEER, first.claim, level_key(first.claim), message, remedy);
    Some(lint.with_claims(claims.iter().map(|claim| claim.claim)))
}
