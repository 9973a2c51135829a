//! AMQP in the clear: refusals.

use super::subject::{Subject, View};
use super::{Check, Code, Found};
use crate::analyzers::amqp::fields as amqp;
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::flow::End;
use crate::model::observation::Fact;
use crate::model::{Direction, Evidence, Finding};

/// The check.
pub(super) static CHECK: Check = Check { id: "amqp", codes: &[&AMQP_REFUSED], run };

static AMQP_REFUSED: Code = Code {
    id: "amqp-refused",
    title: "An AMQP broker refuses the client",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/amqp-refused.md"),
};

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    let amqp = |view: &&View<'_>| view.service.contains(&"amqp") && !view.is_proxy;
    findings.extend(subject.views.iter().filter(amqp).filter_map(|view| judge(subject, view)));
}

/// How a broker turned a client away.
struct Refusal {
    evidence: Evidence,
    confidence: Confidence,
    expected: &'static str,
    observed: String,
    how: String,
    reference: &'static str,
}

fn judge(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = &view.flow.facts;
    let word = |fact: Option<&Fact>, word: &str| fact.is_some_and(|fact| fact.value.to_string() == word);
    let refusal = if let Some(fact) = facts.first(&amqp::REFUSED) {
        version(view, fact)
    } else if let Some(fact) = facts.of(&amqp::SASL_OUTCOME).find(|fact| fact.value.as_uint() != Some(0)) {
        Refusal {
            evidence: fact.evidence.clone(),
            confidence: Confidence::Proven,
            expected: "SASL outcome 0",
            observed: format!("SASL outcome {}", fact.value),
            how: format!("with SASL outcome {}", fact.value),
            reference: "AMQP 1.0 part 5 section 3.3.6",
        }
    } else if facts.has(&amqp::OPENED) {
        // What goes wrong later is no refusal of the client.
        return None;
    } else if word(facts.first(&amqp::CLOSED_BY), "server") {
        closed(facts.first(&amqp::CLOSE_CODE)?)?
    } else if facts.has(&amqp::CLOSED_BY) {
        return None;
    } else {
        dropped(view)?
    };
    let claim = subject.rules(view).first().map(|(bound, _)| *bound);
    let mut finding = subject.finding(&AMQP_REFUSED, Status::Obstructed, refusal.confidence, view, claim);
    let mut evidence = refusal.evidence;
    evidence.count = 1;
    finding.evidence = Some(evidence);
    finding.expected = String::from(refusal.expected);
    finding.observed = refusal.observed;
    finding.reference = String::from(refusal.reference);
    finding.message = format!(
        "{} refused the AMQP connection of {} {} ({{count connection}}).",
        view.peer_port(),
        subject.who(),
        refusal.how
    );
    Some(finding)
}

/// It speaks another version than the client's.
fn version(view: &View<'_>, fact: &Fact) -> Refusal {
    let said = |field| view.flow.facts.first(field).map(|fact| fact.value.to_string()).unwrap_or_default();
    let (offered, spoken) = (said(&amqp::OFFERED_VERSION), said(&amqp::SERVER_VERSION));
    Refusal {
        evidence: fact.evidence.clone(),
        confidence: Confidence::Proven,
        expected: "the version offered",
        how: format!("of version {offered}: it speaks {spoken}"),
        observed: format!("version {spoken}"),
        reference: "AMQP 0-9-1 section 4.2.2, AMQP 1.0 part 2 section 2.2",
    }
}

/// It closed the connection before it was open.
fn closed(code: &Fact) -> Option<Refusal> {
    let number = code.value.as_uint().filter(|number| *number != SUCCESS)?;
    let name = name(number);
    Some(Refusal {
        evidence: code.evidence.clone(),
        confidence: Confidence::Proven,
        expected: "Connection.Open-Ok",
        observed: format!("Connection.Close {number}"),
        how: format!("with code {number}{name}"),
        reference: "AMQP 0-9-1 sections 1.4.2.9 and 1.8",
    })
}

/// It ended the TCP connection without a word after the client had authenticated itself: what a broker does with a client
/// that has not said that it understands a refusal (RabbitMQ's `authentication_failure_close`), and what 0-9-1 before that
/// asked for (section 4.2.2).
fn dropped(view: &View<'_>) -> Option<Refusal> {
    let (flow, facts) = (view.flow, &view.flow.facts);
    let tcp = flow.tcp.as_deref()?;
    let last = facts
        .first(&amqp::HEARTBEAT)
        .map(|_| "Tune-Ok")
        .or_else(|| facts.first(&amqp::MECHANISM).map(|_| "Start-Ok"))?;
    // The server is who answers.
    let by_server = matches!(tcp.end, End::Fin(Direction::RespToOrig) | End::Rst(Direction::RespToOrig));
    // In AMQP 1.0 there is no such thing, and what is missing may have said it.
    let is_old = facts.of(&amqp::OFFERED_VERSION).all(|fact| !fact.value.to_string().starts_with("1.0"));
    let whole = flow.missed.orig == 0 && flow.missed.resp == 0 && flow.truncated_frames == 0;
    (by_server && is_old && whole && !facts.has(&amqp::ANOMALY)).then_some(())?;
    Some(Refusal {
        evidence: Evidence::once(tcp.end_seen?),
        confidence: Confidence::Strong,
        expected: "Connection.Open-Ok",
        observed: format!("closed after {last}"),
        how: format!("by closing it after {last}"),
        reference: "AMQP 0-9-1 section 4.2.2",
    })
}

const SUCCESS: u64 = 200;

/// What codes are called that refuse a connection (0-9-1 section 1.8).
fn name(code: u64) -> &'static str {
    match code {
        320 => " (connection forced)",
        402 => " (invalid path)",
        403 => " (access refused)",
        501 => " (frame error)",
        502 => " (syntax error)",
        503 => " (command invalid)",
        504 => " (channel error)",
        505 => " (unexpected frame)",
        506 => " (resource error)",
        530 => " (not allowed)",
        540 => " (not implemented)",
        541 => " (internal error)",
        _ => "",
    }
}
