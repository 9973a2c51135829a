//! Flows that no claim covers: undeclared or forbidden peers, ports, directions, resolvers and proxies.

use std::collections::BTreeMap;

use super::claim_index::applies;
use super::matching::{self, Fit, Match};
use super::subject::{Subject, View, flow_rule};
use super::{Check, Code, Found, outcome};
use crate::analyzers::{dns, tls};
use crate::model::address::{Scope, scope};
use crate::model::finding::{Confidence, Severity, Status, Way};
use crate::model::{Finding, NameSource, Transport};
use crate::naming::encrypted::{By, Encrypted};
use crate::naming::{Proxied, is_literal};
use crate::profile::{Baseline, BoundClaim, FlowRule, Level, Peer, Ports, ProxyRule};

/// The check.
pub(super) static CHECK: Check = Check {
    id: "destination",
    codes: &[
        &UNDECLARED_DESTINATION,
        &UNDECLARED_PORT,
        &UNDECLARED_SERVICE,
        &UNDECLARED_DIRECTION,
        &INBOUND_ACCEPTED,
        &INBOUND_ATTEMPTED,
        &FORBIDDEN_DESTINATION,
        &FORBIDDEN_SERVICE,
        &UNNAMED_DESTINATION,
        &UNDECLARED_RESOLVER,
        &UNDECLARED_PROXY,
        &NAME_MISMATCH,
    ],
    run,
};

static UNDECLARED_DESTINATION: Code = Code {
    id: "undeclared-destination",
    title: "The device contacts a peer that its profile does not name",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/undeclared-destination.md"),
};
static UNDECLARED_PORT: Code = Code {
    id: "undeclared-port",
    title: "The device contacts a declared peer on a port that is not declared",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/undeclared-port.md"),
};
static UNDECLARED_SERVICE: Code = Code {
    id: "undeclared-service",
    title: "The device uses a transport or protocol with a declared peer that is not declared",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/undeclared-service.md"),
};
static UNDECLARED_DIRECTION: Code = Code {
    id: "undeclared-direction",
    title: "A declared connection is opened from the other side",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/undeclared-direction.md"),
};
static INBOUND_ACCEPTED: Code = Code {
    id: "inbound-accepted",
    title: "The device answers a connection from outside that its profile does not allow",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/inbound-accepted.md"),
};
static INBOUND_ATTEMPTED: Code = Code {
    id: "inbound-attempted",
    title: "Somebody tries a port of the device that is not declared open, and gets nowhere",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/inbound-attempted.md"),
};
static FORBIDDEN_DESTINATION: Code = Code {
    id: "forbidden-destination",
    title: "The device contacts or looks up a peer that its profile forbids",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/forbidden-destination.md"),
};
static FORBIDDEN_SERVICE: Code = Code {
    id: "forbidden-service",
    title: "The device uses a protocol or port that its profile forbids",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/forbidden-service.md"),
};
static UNNAMED_DESTINATION: Code = Code {
    id: "unnamed-destination",
    title: "The device contacts an address whose name may have been looked up before the capture",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/unnamed-destination.md"),
};
static UNDECLARED_RESOLVER: Code = Code {
    id: "undeclared-resolver",
    title: "The device asks another DNS resolver than the ones it was given",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/undeclared-resolver.md"),
};
static UNDECLARED_PROXY: Code = Code {
    id: "undeclared-proxy",
    title: "The device goes through a proxy that its profile does not allow",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/undeclared-proxy.md"),
};
static NAME_MISMATCH: Code = Code {
    id: "name-mismatch",
    title: "One connection is called by two different names",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/name-mismatch.md"),
};

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    for view in &subject.views {
        match &view.matched {
            Match::Forbidden(index) => findings.extend(forbidden(subject, view, *index)),
            Match::Undeclared if view.is_proxy => findings.push(proxy(subject, view, None)),
            Match::Undeclared => findings.extend(undeclared(subject, view)),
            Match::Claims(_) => findings.extend(blocked_but_answered(subject, view)),
            Match::Baseline(_) | Match::Undetermined(_) => {}
        }
        findings.extend(name_mismatch(subject, view));
    }
    findings.extend(forbidden_lookups(subject));
}

/// A flow that a claim forbids.
fn forbidden(subject: &Subject<'_>, view: &View<'_>, index: usize) -> Option<Finding> {
    let bound = subject.claim(index)?;
    let who = subject.who();
    if view.is_proxy {
        return Some(proxy(subject, view, Some(bound)));
    }
    let rule = flow_rule(bound)?;
    // ICMP errors contact nobody: only who forbids ICMP means them.
    if view.flow.is_errors() && rule.transports.is_empty() {
        return None;
    }
    // What is said to be blocked may be tried.
    if rule.blocked && !outcome::of(view).answered() {
        return None;
    }
    if !view.by_device {
        return Some(inbound(subject, view, Some(bound)));
    }
    let code = if rule.peers.is_empty() { &FORBIDDEN_SERVICE } else { &FORBIDDEN_DESTINATION };
    // A claim about anybody needs no name; one about a name is as sure as the name.
    let confidence = if rule.peers.is_empty() { Confidence::Proven } else { view.name.confidence };
    let mut finding = subject.finding(code, Status::Violation, confidence, view, Some(bound));
    finding.expected = String::from(if rule.blocked { "blocked" } else { "none" });
    finding.observed = observed(view);
    finding.message = if rule.blocked {
        reached_blocked(subject, view, bound)
    } else {
        let service = if view.service.is_empty() { "" } else { " with " };
        format!(
            "{who} contacted {} on {}{service}{} ({{count connection}}), which {} forbids: {}.",
            view.peer_text(),
            view.port_text(),
            view.service.join("/"),
            bound.claim.id,
            bound.claim.title
        )
    };
    Some(finding)
}

/// A claim may say that the network blocks a flow: then an answer is the violation.
fn blocked_but_answered(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let rules = subject.rules(view);
    let (bound, _) = rules.iter().find(|(_, rule)| rule.blocked)?;
    if rules.iter().any(|(_, rule)| !rule.blocked) || !outcome::of(view).answered() {
        return None;
    }
    let mut finding =
        subject.finding(&FORBIDDEN_SERVICE, Status::Violation, Confidence::Proven, view, Some(bound));
    finding.expected = String::from("blocked");
    finding.observed = observed(view);
    finding.message = reached_blocked(subject, view, bound);
    Some(finding)
}

fn reached_blocked(subject: &Subject<'_>, view: &View<'_>, bound: &BoundClaim) -> String {
    format!(
        "{} reached {} on {} ({{count connection}}), a port that the network is to block ({}).",
        subject.who(),
        view.peer_text(),
        view.port_text(),
        bound.claim.id
    )
}

/// Nothing declares this flow: says what about it differs from what is declared, the least difference first.
fn undeclared(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let key = view.flow.key;
    if key.transport == Transport::Udp && matching::is_reply_only(view) || view.flow.is_errors() {
        return None;
    }
    if view.by_device && matching::infrastructure(view) == Some(Baseline::Dns) {
        return Some(resolver(subject, view));
    }
    if content_mismatch(subject, view).is_some() {
        // Port and peer are declared and the content is not: a matter of the protocol checks.
        return None;
    }
    if !view.by_device {
        return Some(inbound(subject, view, None));
    }
    let mut near = matching::claims_of_peer(subject, view);
    if near.is_empty() {
        near = matching::claims_of_anybody(subject, view);
    }
    if let Some((bound, rule)) = nearest(&near, view) {
        return Some(wrong_shape(subject, view, bound, rule));
    }
    Some(destination(subject, view))
}

/// The claim whose peer, port and direction fit `view` while its content does not.
pub(super) fn content_mismatch<'a>(
    subject: &Subject<'a>,
    view: &View<'_>,
) -> Option<(&'a BoundClaim, &'a FlowRule)> {
    if !matches!(view.matched, Match::Undeclared) || view.is_proxy {
        return None;
    }
    let mut fitting: Vec<_> = subject
        .rules_at(&view.candidates)
        .filter(|(_, bound, rule)| {
            bound.claim.level != Level::Forbidden
                && applies(bound)
                && matching::shape_fits(rule, view)
                && matching::fit(&rule.services, &view.service) == Fit::No
        })
        .filter_map(|(_, bound, rule)| Some((matching::width(subject, rule, view)?, bound, rule)))
        .collect();
    fitting.sort_by_key(|(width, ..)| *width);
    fitting.first().map(|(_, bound, rule)| (*bound, *rule))
}

fn nearest<'a>(
    near: &[(&'a BoundClaim, &'a FlowRule)],
    view: &View<'_>,
) -> Option<(&'a BoundClaim, &'a FlowRule)> {
    let same_transport = |rule: &FlowRule| matching::transport_fits(rule, view.flow.key);
    near.iter()
        .find(|(_, rule)| matching::way_fits(rule.way, view) && same_transport(rule))
        .or_else(|| near.iter().find(|(_, rule)| matching::way_fits(rule.way, view)))
        .or_else(|| near.first())
        .copied()
}

/// The peer is declared; direction, transport or port is not.
fn wrong_shape(subject: &Subject<'_>, view: &View<'_>, bound: &BoundClaim, rule: &FlowRule) -> Finding {
    let (code, expected) = if !matching::way_fits(rule.way, view) {
        (&UNDECLARED_DIRECTION, rule.way.map_or_else(String::new, |way| way.to_string()))
    } else if !matching::transport_fits(rule, view.flow.key) {
        (&UNDECLARED_SERVICE, expected_ports(rule))
    } else {
        (&UNDECLARED_PORT, all_ports(subject, view).unwrap_or_else(|| expected_ports(rule)))
    };
    let mut finding = attempt(subject, code, view);
    // A claim about this peer says what was meant; one about anybody is only one of many.
    if !rule.peers.is_empty() {
        finding.reference = format!("{} {}", subject.declaration.profile.name, bound.claim.id);
    }
    finding.expected.clone_from(&expected);
    finding.observed =
        if code.id == UNDECLARED_DIRECTION.id { view.way.to_string() } else { view.port_text() };
    if code.id == UNDECLARED_DIRECTION.id && view.opener_is_guessed() {
        unsettle(&mut finding);
    }
    finding.message = format!(
        "{} contacted {} on {} ({{count connection}}{}); declared for it: {expected}.",
        subject.who(),
        view.peer_text(),
        view.port_text(),
        unanswered_clause(view)
    );
    finding
}

/// Every port that some claim opens for the peer of `view` over its transport, each once.
fn all_ports(subject: &Subject<'_>, view: &View<'_>) -> Option<String> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    let near = matching::claims_of_peer(subject, view);
    let near = if near.is_empty() { matching::claims_of_anybody(subject, view) } else { near };
    for (_, rule) in near {
        if !matching::way_fits(rule.way, view) || !matching::transport_fits(rule, view.flow.key) {
            continue;
        }
        match &rule.ports {
            Ports::Of(list) => ranges.extend(list),
            Ports::Fallback(list) => ranges.extend(list.iter().map(|port| (*port, *port))),
            Ports::Any | Ports::Except(_) | Ports::Unbound(_) => return None,
        }
    }
    ranges.sort_unstable();
    ranges.dedup();
    (!ranges.is_empty()).then(|| format!("{}/{}", Ports::Of(ranges), view.flow.key.transport))
}

/// `8883/tcp`, `31314>993>443/tcp`, `any/udp`.
pub(super) fn expected_ports(rule: &FlowRule) -> String {
    match rule.transports.as_slice() {
        [] => rule.ports.to_string(),
        transports => {
            let names: Vec<String> = transports.iter().map(ToString::to_string).collect();
            format!("{}/{}", rule.ports, names.join("+"))
        }
    }
}

/// The peer is not declared at all, or cannot be told.
fn destination(subject: &Subject<'_>, view: &View<'_>) -> Finding {
    let port = view.port_text();
    if view.name.name.is_some() {
        let mut finding = attempt(subject, &UNDECLARED_DESTINATION, view);
        finding.confidence = finding.confidence.min(view.name.confidence);
        // The device may know the address by another name, which it looked up where nobody can read it.
        if subject.asks_in_secret.is_some() && !is_said_by_client(view.name.source) {
            finding.confidence = finding.confidence.min(Confidence::Probable);
        }
        finding.expected = String::from("declared peer");
        finding.observed = format!("{} {port}", view.peer_text());
        finding.message = format!(
            "{} contacted {} on {port} ({{count connection}}{}), which no claim declares.",
            subject.who(),
            view.peer_text(),
            unanswered_clause(view)
        );
        return finding;
    }
    let mut finding = if is_bare(subject, view) {
        let mut finding = attempt(subject, &UNDECLARED_DESTINATION, view);
        finding.message = format!(
            "{} contacted the bare address {} on {port} ({{count connection}}{}): no look-up led to it and no claim declares it.",
            subject.who(),
            view.peer,
            unanswered_clause(view)
        );
        finding
    } else {
        let mut finding =
            subject.finding(&UNNAMED_DESTINATION, Status::Inconclusive, Confidence::Weak, view, None);
        let why = match &subject.asks_in_secret {
            _ if subject.names_hidden => String::from(
                "whose name cannot be told because answers to look-ups are missing or cut; record whole frames of both directions",
            ),
            Some(how) => format!(
                "whose name may have been looked up by {how}, which nobody else can read; let it use plain DNS"
            ),
            None => String::from(
                "whose name may have been looked up before the capture began; record from power-on",
            ),
        };
        finding.message = format!(
            "{} contacted {} on {port} ({{count connection}}), {why}, or name it with --names.",
            subject.who(),
            view.peer
        );
        finding
    };
    finding.expected = String::from("declared peer");
    finding.observed = format!("{} {port}", view.peer);
    finding
}

/// Whether an address without name is one that no look-up led to, as far as the capture can tell.
fn is_bare(subject: &Subject<'_>, view: &View<'_>) -> bool {
    // Names are expected of far peers only: a LAN or group address is what it is.
    let needs_no_name = view.way == Way::Local
        || !matches!(scope(view.peer), Scope::Global | Scope::Private)
        // Where the profile names no peer, a missing name excuses nothing.
        || !subject.index.has_names();
    let watched = subject.start.is_some_and(|start| start <= view.flow.first);
    !subject.names_hidden && (needs_no_name || watched && subject.asks_in_secret.is_none())
}

/// Whether the client itself says this name in the connection.
fn is_said_by_client(source: NameSource) -> bool {
    matches!(source, NameSource::Connect | NameSource::Socks | NameSource::Sni | NameSource::Host)
}

/// An outward flow that should not be: an error if anybody answered, a warning if not.
fn attempt(subject: &Subject<'_>, code: &'static Code, view: &View<'_>) -> Finding {
    let mut finding = subject.finding(code, Status::Violation, Confidence::Strong, view, None);
    if !outcome::of(view).answered() {
        finding.severity = finding.severity.map(|_| Severity::Warning);
    }
    finding
}

fn unanswered_clause(view: &View<'_>) -> &'static str {
    if outcome::of(view).answered() { "" } else { ", unanswered" }
}

/// A flow that somebody else opened to the device.
fn inbound(subject: &Subject<'_>, view: &View<'_>, bound: Option<&BoundClaim>) -> Finding {
    let mut finding = inbound_as_seen(subject, view, bound);
    if view.opener_is_guessed() {
        unsettle(&mut finding);
        let clause = bound.map_or_else(
            || String::from("and no claim opens that port"),
            |bound| format!("and {} forbids that", bound.claim.id),
        );
        let (who, peer, port) = (subject.who(), view.peer_text(), view.port_text());
        finding.message = match view.flow.key.transport {
            Transport::Udp => format!(
                "Datagrams go between {who} and {peer} on {port} ({{count connection}}), and the capture does not show who began: {peer} may have, {clause}."
            ),
            _ => format!(
                "{who} and {peer} have a connection on {port} ({{count connection}}) whose beginning the capture does not hold: {peer} may have opened it, {clause}."
            ),
        };
    }
    finding
}

/// What the direction of a flow decides is open where that is a guess.
fn unsettle(finding: &mut Finding) {
    finding.status = Status::Inconclusive;
    finding.confidence = Confidence::Weak;
    finding.severity = finding.severity.map(|severity| severity.min(Severity::Warning));
}

/// As [`inbound`], taking the roles for granted.
fn inbound_as_seen(subject: &Subject<'_>, view: &View<'_>, bound: Option<&BoundClaim>) -> Finding {
    let outcome = outcome::of(view);
    let who = subject.who();
    let port = view.port_text();
    let clause = bound.map_or_else(
        || String::from("which no claim opens"),
        |bound| format!("which {} forbids", bound.claim.id),
    );
    if outcome.answered() && !outcome.refused() {
        let mut finding =
            subject.finding(&INBOUND_ACCEPTED, Status::Violation, Confidence::Proven, view, bound);
        finding.expected = String::from("closed");
        finding.observed = format!("{port} answered");
        finding.message =
            format!("{who} answered {} on {port} ({{count connection}}), {clause}.", view.peer_text());
        return finding;
    }
    // A refusal is seen; that nothing came back is only as sure as the capture is complete.
    let confidence = if outcome.refused() || subject.absence == Confidence::Strong {
        Confidence::Proven
    } else {
        subject.absence
    };
    let mut finding = subject.finding(&INBOUND_ATTEMPTED, Status::Violation, confidence, view, bound);
    // Refusing is what the device ought to do: whatever the claim's severity, this is information.
    finding.severity = Some(Severity::Info);
    finding.expected = String::from("closed");
    finding.observed = format!("{port} {}", outcome.word());
    finding.message = format!(
        "{} tried {who} on {port} ({{count connection}}) and was {}, as it should be.",
        view.peer_text(),
        if outcome.refused() { "refused" } else { "not answered" }
    );
    finding
}

fn resolver(subject: &Subject<'_>, view: &View<'_>) -> Finding {
    let mut finding = attempt(subject, &UNDECLARED_RESOLVER, view);
    // Without `dns` in the baseline, whom the network gave it makes no difference.
    let is_baseline = subject.declaration.profile.baseline.contains(&Baseline::Dns);
    let given: Vec<String> =
        subject.resolvers().iter().filter(|_| is_baseline).map(ToString::to_string).collect();
    finding.expected = if given.is_empty() { String::from("no DNS") } else { given.join(",") };
    let given = match (given.is_empty(), subject.evidence.site.resolvers.is_empty()) {
        _ if !is_baseline => String::from("`dns` is not in the profile's baseline, and no claim declares it"),
        (true, _) => String::from("it was given none"),
        (false, true) => format!("it was given {}", given.join(" and ")),
        (false, false) => format!("the site's resolvers are {}", given.join(" and ")),
    };
    let who = subject.who();
    (finding.observed, finding.message) = match view.encrypted_dns {
        None => (
            view.peer.to_string(),
            format!("{who} asked the resolver {} ({{count connection}}); {given}.", view.peer),
        ),
        Some(Encrypted { way, by }) => {
            let peer = view.peer_port();
            let clue = match by {
                By::Alpn => "as its handshake says",
                By::Port => "as its port says",
                By::Name => "where a known resolver has that name",
                By::Address => "where a known resolver has that address",
            };
            (
                format!("{} {}", way.word(), view.peer_text()),
                format!(
                    "{who} uses {way} with {peer} ({{count connection}}), {clue}: nobody else can read what it looks up; {given}.",
                ),
            )
        }
    };
    finding
}

fn proxy(subject: &Subject<'_>, view: &View<'_>, bound: Option<&BoundClaim>) -> Finding {
    let mut finding = subject.finding(&UNDECLARED_PROXY, Status::Violation, Confidence::Proven, view, bound);
    finding.expected = String::from("direct");
    let proxied = Proxied::of(view.flow);
    finding.observed = proxied.map(|proxied| proxied.request()).unwrap_or_default();
    finding.message = format!(
        "{} asked the proxy {} on {} to connect it to {} ({{count connection}}).",
        subject.who(),
        view.peer_text(),
        view.port_text(),
        proxied
            .filter(|proxied| proxied.host().is_some())
            .and_then(|proxied| proxied.target)
            .unwrap_or("somebody else")
    );
    finding
}

/// The inner and the outer name of one connection differ: domain fronting, or a proxy that is asked for one name and
/// shown another.
fn name_mismatch(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    if !view.through_proxy || !matches!(view.name.source, NameSource::Connect | NameSource::Socks) {
        return None;
    }
    let asked = view.name.name.as_deref()?;
    let shown = view.flow.facts.latest(&tls::SNI)?.value.as_str()?.to_ascii_lowercase();
    if asked == shown || is_literal(asked) || is_literal(&shown) {
        return None;
    }
    let mut finding = subject.finding(&NAME_MISMATCH, Status::Violation, Confidence::Proven, view, None);
    asked.clone_into(&mut finding.expected);
    finding.observed.clone_from(&shown);
    finding.message = format!(
        "{} asked its proxy for {asked} and then named {shown} in the TLS handshake ({{count connection}}).",
        subject.who()
    );
    Some(finding)
}

/// Look-ups of names that a claim forbids, where no flow to them was seen: the intent is the finding.
fn forbidden_lookups(subject: &Subject<'_>) -> Vec<Finding> {
    let forbidden: Vec<_> = subject
        .active_claims()
        .filter(|(_, bound)| bound.claim.level == Level::Forbidden)
        .filter_map(|(_, bound)| Some((bound, flow_rule(bound)?)))
        // Where only some ports are forbidden, the name may be looked up for the others.
        .filter(|(_, rule)| {
            rule.ports == Ports::Any && rule.transports.is_empty() && rule.services.is_empty()
        })
        .collect();
    let mut folded: BTreeMap<(String, String), Finding> = BTreeMap::new();
    for view in subject.views.iter().filter(|view| view.by_device) {
        for fact in view.flow.facts.of(&dns::QUERY) {
            let Some(name) = fact.value.as_str() else { continue };
            for (bound, rule) in &forbidden {
                let named = rule
                    .peers
                    .iter()
                    .any(|peer| matches!(peer, Peer::Name(pattern) if pattern.matches(name)));
                let key = (bound.claim.id.clone(), name.to_owned());
                if !named || folded.contains_key(&key) {
                    continue;
                }
                let mut finding = subject.finding(
                    &FORBIDDEN_DESTINATION,
                    Status::Violation,
                    Confidence::Strong,
                    view,
                    Some(bound),
                );
                finding.evidence = Some(fact.evidence.clone());
                finding.expected = String::from("none");
                finding.observed = format!("looked up {name}");
                finding.message = format!(
                    "{} looked up {name} ({{count request}}), which {} forbids: {}.",
                    subject.who(),
                    bound.claim.id,
                    bound.claim.title
                );
                folded.insert(key, finding);
            }
        }
    }
    leave_to_contacts(subject, &mut folded);
    folded.into_values().collect()
}

/// A flow to the name says more than its look-up does: drops what `folded` has of names that were contacted.
fn leave_to_contacts(subject: &Subject<'_>, folded: &mut BTreeMap<(String, String), Finding>) {
    for view in &subject.views {
        let Match::Forbidden(index) = view.matched else { continue };
        let Some(bound) = subject.claim(index) else { continue };
        if folded.is_empty() {
            return;
        }
        for name in view.name.candidates.iter() {
            folded.remove(&(bound.claim.id.clone(), name.clone()));
        }
    }
}

fn observed(view: &View<'_>) -> String {
    let service = view.service.join("/");
    if service.is_empty() { view.port_text() } else { format!("{service} {}", view.port_text()) }
}

/// A required proxy that a connection did not use.
pub(super) fn bypassed_proxy(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let (bound, ProxyRule::Required) = subject.proxy_rule()? else { return None };
    let direct = view.by_device && view.way == Way::Out && !view.through_proxy && !view.is_proxy;
    if !direct || view.flow.key.transport != Transport::Tcp {
        return None;
    }
    let mut finding =
        subject.finding(&UNDECLARED_DESTINATION, Status::Violation, Confidence::Strong, view, Some(bound));
    finding.expected = String::from("through a proxy");
    finding.observed = format!("direct {}", view.port_text());
    finding.message = format!(
        "{} connected to {} on {} directly ({{count connection}}), although {} sends every connection through a proxy.",
        subject.who(),
        view.peer_text(),
        view.port_text(),
        bound.claim.id
    );
    Some(finding)
}
