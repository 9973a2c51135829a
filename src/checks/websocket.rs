//! WebSockets in the clear: whether they are let through, and how they end.

use super::capture::shows_one_side;
use super::matching::Match;
use super::subject::{Subject, View};
use super::tls::at_fact;
use super::{Check, Code, Found};
use crate::analyzers::websocket::fields as ws;
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::flow::End;
use crate::model::observation::Fact;
use crate::model::{Direction, Evidence, Finding};

/// The check.
pub(super) static CHECK: Check = Check {
    id: "websocket",
    codes: &[&WEBSOCKET_REFUSED, &WEBSOCKET_ABNORMAL_CLOSE, &WEBSOCKET_PROTOCOL_ERROR],
    run,
};

static WEBSOCKET_REFUSED: Code = Code {
    id: "websocket-refused",
    title: "A WebSocket is asked for and not granted",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/websocket-refused.md"),
};
static WEBSOCKET_ABNORMAL_CLOSE: Code = Code {
    id: "websocket-abnormal-close",
    title: "A WebSocket ends without a normal close",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/websocket-abnormal-close.md"),
};
static WEBSOCKET_PROTOCOL_ERROR: Code = Code {
    id: "websocket-protocol-error",
    title: "WebSocket frames break the protocol",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/websocket-protocol-error.md"),
};

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    // Only what a claim opens can be obstructed; the rest is undeclared, however it went.
    let declared = |view: &&View<'_>| !view.is_proxy && matches!(view.matched, Match::Claims(_));
    for view in subject.views.iter().filter(declared) {
        findings.extend(refused(subject, view));
        findings.extend(abnormal(subject, view));
        findings.extend(broken(subject, view));
    }
}

fn refused(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = &view.flow.facts;
    if facts.has(&ws::ACCEPTED) {
        return None;
    }
    let fact = facts.first(&ws::REFUSED)?;
    let rules = subject.rules(view);
    let declared = rules.iter().find(|(_, rule)| rule.websocket).or(rules.first()).map(|(bound, _)| *bound);
    let mut finding =
        subject.finding(&WEBSOCKET_REFUSED, Status::Obstructed, Confidence::Proven, view, declared);
    finding.evidence = Some(fact.evidence.clone());
    if !rules.iter().any(|(_, rule)| rule.websocket) {
        finding.severity = finding.severity.map(|severity| severity.min(Severity::Warning));
    }
    finding.expected = String::from("101");
    finding.observed = fact.value.to_string();
    finding.reference = String::from("RFC 6455 section 4.2.2");
    finding.message = format!(
        "{} asked {} for a WebSocket and got status {} ({{count time}}).",
        subject.who(),
        view.peer_port(),
        fact.value
    );
    Some(finding)
}

/// Codes that say nothing went wrong (RFC 6455 section 7.4.1): normal, and going away.
fn is_normal(fact: &Fact) -> bool {
    matches!(fact.value.as_uint(), Some(1000 | 1001))
}

fn abnormal(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = &view.flow.facts;
    let opened = facts.first(&ws::OPENED)?;
    if facts.has(&ws::INCOMPLETE) {
        return None;
    }
    // The other side echoes the code: the earlier of the two frames says who had it first.
    let odd = [&ws::CLIENT_CLOSE_CODE, &ws::SERVER_CLOSE_CODE]
        .into_iter()
        .filter_map(|field| facts.first(field))
        .filter(|fact| !is_normal(fact))
        .min_by_key(|fact| fact.evidence.first);
    let tcp = view.flow.tcp.as_deref()?;
    let device = if view.by_device { Direction::OrigToResp } else { Direction::RespToOrig };
    let (seen, observed) = match odd {
        Some(fact) => (fact.evidence.first, format!("close {}", fact.value)),
        None if facts.has(&ws::CLOSED) => return None,
        // The side that was not captured may have sent the close frame.
        None if shows_one_side(view) => return None,
        // 1006 is what an endpoint reports then; it cannot be on the wire. What the device ends itself is no obstruction.
        None => match tcp.end {
            End::Open => return None,
            End::Fin(from) | End::Rst(from) if from == device => return None,
            End::Fin(_) => (tcp.end_seen?, String::from("FIN without close frame")),
            End::Rst(_) => (tcp.end_seen?, String::from("RST without close frame")),
            End::Silence(_) => (tcp.end_seen?, String::from("silence without close frame")),
        },
    };
    let claim = subject.rules(view).first().map(|(bound, _)| *bound);
    let mut finding =
        subject.finding(&WEBSOCKET_ABNORMAL_CLOSE, Status::Obstructed, Confidence::Proven, view, claim);
    finding.evidence = Some(Evidence::once(seen));
    let life = tcp.end_seen.unwrap_or(view.flow.last).at.since(opened.evidence.first.at);
    finding.expected = String::from("close 1000");
    finding.observed = observed;
    finding.reference = String::from("RFC 6455 section 7.4.1");
    finding.message = format!(
        "A WebSocket of {} with {} ended after {} s with {} ({{count connection}}).",
        subject.who(),
        view.peer_port(),
        life.as_secs(),
        finding.observed
    );
    Some(finding)
}

fn broken(subject: &Subject<'_>, view: &View<'_>) -> Vec<Finding> {
    let facts = &view.flow.facts;
    let claim = subject.rules(view).first().map(|(bound, _)| *bound);
    let mismatch =
        facts.of(&ws::ACCEPT_MISMATCH).map(|fact| (fact, String::from("wrong Sec-WebSocket-Accept")));
    let anomalies = facts.of(&ws::ANOMALY).map(|fact| (fact, fact.value.to_string()));
    anomalies
        .chain(mismatch)
        .map(|(fact, what)| {
            let mut finding = at_fact(subject, &WEBSOCKET_PROTOCOL_ERROR, view, claim, fact);
            finding.expected = String::from("RFC 6455");
            finding.message = format!(
                "WebSocket frames between {} and {} break the protocol: {what} ({{count connection}}).",
                subject.who(),
                view.peer_port()
            );
            finding.observed = what;
            finding.reference = String::from("RFC 6455");
            finding
        })
        .collect()
}
