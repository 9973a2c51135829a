//! What the device must or may reach, and whether it could.

use std::collections::BTreeSet;

use super::destination::{bypassed_proxy, expected_ports};
use super::matching::Match;
use super::subject::{Subject, View, flow_rule};
use super::{Check, Code, Found, outcome};
use crate::model::evidence::Evidence;
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::{Finding, NameSource, Transport};
use crate::naming::Proxied;
use crate::profile::{BoundClaim, FlowRule, Level, Peer, Ports};

/// The check.
pub(super) static CHECK: Check = Check {
    id: "availability",
    codes: &[&REQUIRED_NOT_SEEN, &REQUIRED_BLOCKED, &UNANSWERED, &FALLBACK_USED, &DEGRADED],
    run,
};

static REQUIRED_NOT_SEEN: Code = Code {
    id: "required-not-seen",
    title: "The device never tried something that its profile requires",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/required-not-seen.md"),
};
static REQUIRED_BLOCKED: Code = Code {
    id: "required-blocked",
    title: "The device tried what it needs, and never got through",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/required-blocked.md"),
};
static UNANSWERED: Code = Code {
    id: "unanswered",
    title: "The device tried something that it may do, and nobody answered",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/unanswered.md"),
};
static FALLBACK_USED: Code = Code {
    id: "fallback-used",
    title: "The preferred port did not work and a later one was used",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/fallback-used.md"),
};
static DEGRADED: Code = Code {
    id: "degraded",
    title: "Some of several redundant servers do not answer",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/degraded.md"),
};

/// How long a capture must show the device from its start before something required counts as never tried.
const SETTLING_TIME: std::time::Duration = std::time::Duration::from_mins(5);

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    for (index, bound) in subject.active_claims() {
        let Some(rule) = flow_rule(bound) else { continue };
        if bound.claim.level == Level::Forbidden || rule.blocked || subject.one_sided {
            continue;
        }
        let views: Vec<&View<'_>> = subject.views_under(index).filter(|view| selects(view)).collect();
        // NTP and DNS have exchanges rather than connections, and checks of their own.
        if views.iter().any(|view| matches!(view.service.first(), Some(&"ntp" | &"dns"))) {
            continue;
        }
        if let Ports::Fallback(ports) = &rule.ports
            && !views.is_empty()
        {
            findings.extend(fallback(subject, bound, ports, &views));
            continue;
        }
        match bound.claim.level {
            Level::Required if views.is_empty() => findings.extend(not_seen(subject, bound, rule)),
            Level::Required => findings.extend(blocked(subject, bound, rule, &views)),
            _ => findings.extend(unanswered(subject, bound, &views)),
        }
    }
    for view in &subject.views {
        findings.extend(bypassed_proxy(subject, view));
        findings.extend(refused_tunnel(subject, view));
    }
}

fn selects(view: &View<'_>) -> bool {
    matches!(view.matched, Match::Claims(_)) && view.by_device
}

/// Absence is never more than probable, and says nothing unless the device was watched from its start for long enough.
fn not_seen(subject: &Subject<'_>, bound: &BoundClaim, rule: &FlowRule) -> Option<Finding> {
    let start = subject.start?;
    let active = subject.views.iter().any(|view| view.by_device && matches!(view.matched, Match::Claims(_)));
    if !active || subject.span.1.since(start.at) < SETTLING_TIME {
        return None;
    }
    let confidence = Confidence::Probable.min(subject.absence);
    let mut finding = subject.bare_finding(&REQUIRED_NOT_SEEN, Status::Violation, confidence, Some(bound));
    finding.expected = format!("{} {}", peers_text(&rule.peers), expected_ports(rule));
    finding.observed = String::from("never tried");
    finding.evidence = Some(Evidence::once(start));
    finding.message = format!(
        "{} was seen from its start for {} s and never tried {} on {}, which {} requires.",
        subject.who(),
        subject.span.1.since(start.at).as_secs(),
        peers_text(&rule.peers),
        expected_ports(rule),
        bound.claim.id
    );
    Some(finding)
}

/// `my.farm.bot or my.farmbot.io`.
pub(super) fn peers_text(peers: &[Peer]) -> String {
    if peers.is_empty() {
        return String::from("any peer");
    }
    let one = |peer: &Peer| match peer {
        Peer::Name(pattern) => pattern.to_string(),
        Peer::Network(net) => net.to_string(),
        Peer::List(list) => list.name.clone(),
        Peer::Local => String::from("the LAN"),
    };
    peers.iter().map(one).collect::<Vec<_>>().join(" or ")
}

/// Every attempt at something required failed.
fn blocked(subject: &Subject<'_>, bound: &BoundClaim, rule: &FlowRule, views: &[&View<'_>]) -> Vec<Finding> {
    if views.iter().any(|view| outcome::worked(view)) {
        return Vec::new();
    }
    let failed: Vec<&&View<'_>> = views.iter().filter(|view| !outcome::of(view).answered()).collect();
    // Connections that were answered and failed later are the handshake checks' business.
    failed
        .iter()
        .map(|view| {
            let outcome = outcome::of(view);
            let confidence = if outcome.refused() || repeated(view) || failed.len() >= 3 {
                Confidence::Strong.min(subject.absence)
            } else {
                Confidence::Probable.min(subject.absence)
            };
            let mut finding =
                subject.finding(&REQUIRED_BLOCKED, Status::Obstructed, confidence, view, Some(bound));
            finding.expected = expected_ports(rule);
            finding.observed = outcome.word();
            finding.message = format!(
                "{} tried {} on {} ({{count connection}}) and never got through: {}.",
                subject.who(),
                view.peer_text(),
                view.port_text(),
                outcome.word()
            );
            finding
        })
        .collect()
}

/// The SYN was retransmitted, so it was not one lost packet.
fn repeated(view: &View<'_>) -> bool {
    view.flow.tcp.as_ref().is_some_and(|tcp| tcp.syn_count >= 3)
}

/// None of several attempts at something allowed was answered.
fn unanswered(subject: &Subject<'_>, bound: &BoundClaim, views: &[&View<'_>]) -> Vec<Finding> {
    // What is required as well is the other check's matter.
    let required =
        |view: &View<'_>| subject.rules(view).iter().any(|(bound, _)| bound.claim.level == Level::Required);
    let is_silent = |view: &&&View<'_>| {
        view.flow.key.transport == Transport::Tcp
            && !outcome::of(view).answered()
            && !view.through_proxy
            && !required(view)
    };
    let working: BTreeSet<(String, Option<u16>)> = views
        .iter()
        .filter(|view| outcome::of(view).answered())
        .map(|view| (view.peer_text(), view.port))
        .collect();
    views
        .iter()
        .filter(is_silent)
        .filter(|view| {
            (outcome::of(view).refused() || repeated(view))
                && !working.contains(&(view.peer_text(), view.port))
        })
        .map(|view| {
            let outcome = outcome::of(view);
            let mut finding = subject.finding(
                &UNANSWERED,
                Status::Obstructed,
                Confidence::Strong.min(subject.absence),
                view,
                Some(bound),
            );
            finding.expected = String::from("answer");
            finding.observed = outcome.word();
            finding.message = format!(
                "{} tried {} on {} ({{count connection}}), which it may; {}.",
                subject.who(),
                view.peer_text(),
                view.port_text(),
                outcome.word()
            );
            finding
        })
        .collect()
}

/// A later port was used after an earlier one had failed.
fn fallback(subject: &Subject<'_>, bound: &BoundClaim, ports: &[u16], views: &[&View<'_>]) -> Vec<Finding> {
    let working = views.iter().find(|view| outcome::worked(view) && view.port.is_some());
    let Some(first) = ports.first() else { return Vec::new() };
    let failed: Vec<&&View<'_>> = views.iter().filter(|view| !outcome::of(view).answered()).collect();
    let Some(working) = working else {
        let Some(attempt) = failed.first() else { return Vec::new() };
        if bound.claim.level != Level::Required {
            return Vec::new();
        }
        let mut finding = subject.finding(
            &REQUIRED_BLOCKED,
            Status::Obstructed,
            Confidence::Strong.min(subject.absence),
            attempt,
            Some(bound),
        );
        finding.expected = list(ports);
        finding.observed = String::from("unanswered");
        finding.evidence = merged(&failed);
        finding.message = format!("{} tried {} and got through on none of them.", subject.who(), list(ports));
        return vec![finding];
    };
    let used = working.port.unwrap_or_default();
    if used == *first {
        return Vec::new();
    }
    let skipped: Vec<&&View<'_>> = failed.iter().filter(|view| view.port != Some(used)).copied().collect();
    let (status, confidence) = if skipped.is_empty() {
        (Status::Inconclusive, Confidence::Probable)
    } else {
        (Status::Obstructed, Confidence::Strong.min(subject.absence))
    };
    let mut finding = subject.finding(&FALLBACK_USED, status, confidence, working, Some(bound));
    let mut tried: Vec<u16> = Vec::new();
    for port in skipped.iter().filter_map(|view| view.port) {
        if !tried.contains(&port) {
            tried.push(port);
        }
    }
    finding.expected = format!("{first}/tcp");
    finding.observed = format!("{used}/tcp");
    let worked: Vec<&&View<'_>> =
        views.iter().filter(|view| view.port == Some(used) && outcome::worked(view)).collect();
    let all: Vec<&&View<'_>> = skipped.iter().copied().chain(worked.iter().copied()).collect();
    finding.evidence = merged(&all);
    if let Some(evidence) = &mut finding.evidence {
        evidence.count = worked.len() as u64;
    }
    finding.message = if tried.is_empty() {
        format!(
            "{} used port {used} to {} without a try at {first} in this capture.",
            subject.who(),
            working.peer_text()
        )
    } else {
        format!(
            "{} fell back to port {used} to {} because {} did not get through: most often a firewall on the path.",
            subject.who(),
            working.peer_text(),
            list(&tried)
        )
    };
    vec![finding]
}

fn list(ports: &[u16]) -> String {
    let texts: Vec<String> = ports.iter().map(u16::to_string).collect();
    format!("{}/tcp", texts.join(","))
}

fn merged(views: &[&&View<'_>]) -> Option<Evidence> {
    let mut all = views.iter().map(|view| super::subject::flow_evidence(view.flow));
    let mut evidence = all.next()?;
    all.for_each(|other| evidence.merge(&other));
    Some(evidence)
}

/// A proxy that is allowed refuses to connect. That it wants credentials first is no refusal if they help.
fn refused_tunnel(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let Match::Claims(claims) = &view.matched else { return None };
    let proxied = Proxied::of(view.flow).filter(|_| view.is_proxy)?;
    let (refusal, wants_credentials) = proxied.refusal()?;
    let granted = |other: &View<'_>| {
        let same = other.is_proxy && (other.peer, other.port) == (view.peer, view.port);
        same && Proxied::of(other.flow).is_some_and(|other| other.granted)
    };
    if wants_credentials && subject.views.iter().any(granted) {
        return None;
    }
    let bound = claims.first().and_then(|index| subject.claim(*index));
    let mut finding = subject.finding(&REQUIRED_BLOCKED, Status::Obstructed, Confidence::Proven, view, bound);
    finding.evidence = Some(refusal.evidence.clone());
    finding.expected = proxied.request();
    finding.observed = refusal.value.to_string();
    let word = if proxied.source == NameSource::Connect { "status" } else { "reply" };
    finding.message = format!(
        "The proxy {} refused to connect {} to {} with {word} {} ({{count request}}){}.",
        view.peer_text(),
        subject.who(),
        proxied.target.unwrap_or("anybody"),
        refusal.value,
        if wants_credentials { ": it wants credentials, and none that it took were seen" } else { "" }
    );
    Some(finding)
}

/// Some names of a redundant set do not work while enough others do: used by the checks of protocols with exchanges.
pub(super) fn degraded(
    subject: &Subject<'_>,
    bound: &BoundClaim,
    view: &View<'_>,
    working: usize,
    tried: usize,
) -> Finding {
    let mut finding = subject.finding(
        &DEGRADED,
        Status::Obstructed,
        Confidence::Strong.min(subject.absence),
        view,
        Some(bound),
    );
    finding.expected = format!("{tried} of {tried}");
    finding.observed = format!("{working} of {tried}");
    let reading = view
        .flow
        .icmp_errors
        .first()
        .map_or_else(String::new, |error| format!(": {} sent ICMP errors instead", error.from));
    finding.message = format!(
        "Of {tried} redundant servers that {} asked, {working} answered; {} did not{reading}.",
        subject.who(),
        view.peer_text()
    );
    finding
}
