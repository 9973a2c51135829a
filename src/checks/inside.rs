//! What is inferred inside TLS, beside what is declared. Inference proves nothing: at most it is named in a message, or asks
//! for a look.

use std::time::Duration;

use super::matching::Match;
use super::subject::{Subject, View};
use super::tls::at_fact;
use super::{Check, Code, Found};
use crate::analyzers::tls;
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::observation::Fact;
use crate::model::{Facts, Finding, Value};

/// The check.
pub(super) static CHECK: Check = Check { id: "inside", codes: &[&INFERRED_PROTOCOL], run };

static INFERRED_PROTOCOL: Code = Code {
    id: "inferred-protocol",
    title: "What encryption hides does not look like what is declared",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/inferred-protocol.md"),
};

/// A score from which on a contradiction is worth a look.
const CLEAR: u64 = 80;

/// What is inferred of a connection.
#[derive(Debug)]
pub(super) struct Inferred<'a> {
    /// The protocol.
    word: &'a str,
    score: u64,
    /// Where it was said.
    fact: &'a Fact,
}

/// What is inferred of `view`, where TLS hides its content.
pub(super) fn of<'a>(view: &View<'a>) -> Option<Inferred<'a>> {
    let facts = hidden(view)?;
    let fact = facts.first(&tls::INSIDE)?;
    let score = facts.first(&tls::INSIDE_SCORE)?.value.as_uint()?;
    Some(Inferred { word: fact.value.as_str()?, score, fact })
}

/// The time between what looks like pings inside TLS, and where it was said.
pub(super) fn pings<'a>(view: &View<'a>) -> Option<(&'a Fact, Duration)> {
    let fact = hidden(view)?.first(&tls::INSIDE_KEEP_ALIVE)?;
    match fact.value {
        Value::Span(span) => Some((fact, span)),
        _ => None,
    }
}

/// The facts of a connection that ends in TLS.
fn hidden<'a>(view: &View<'a>) -> Option<&'a Facts> {
    (view.service.last() == Some(&"tls")).then_some(&view.flow.facts)
}

impl Inferred<'_> {
    /// Whether a declared chain is what it looks like; `None` if the chain says nothing of what is inside TLS.
    pub(super) fn supports(&self, chain: &str) -> Option<bool> {
        let inner = chain.strip_prefix("tls/")?;
        let mut parts = inner.split('/');
        Some(match self.word {
            // It begins as HTTP, and a chain may go on where a declared one ends.
            "websocket" => inner == "http" || parts.any(|part| part == "websocket"),
            // A request to upgrade that is not granted is HTTP.
            "http" => matches!(parts.next(), Some("http" | "http2")),
            word => parts.next() == Some(word),
        })
    }

    /// For a sentence.
    pub(super) fn text(&self) -> String {
        format!("{} is inferred from lengths and times of records, score {}", self.word, self.score)
    }
}

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    findings.extend(subject.views.iter().filter_map(|view| contradiction(subject, view)));
}

/// Every claim that the flow falls under says what is inside, and none what it looks like.
fn contradiction(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    if !matches!(view.matched, Match::Claims(_)) {
        return None;
    }
    let inferred = of(view).filter(|inferred| inferred.score >= CLEAR)?;
    let rules = subject.rules(view);
    let unlike = |chain: &String| inferred.supports(chain) == Some(false);
    let contradicts = |services: &Vec<String>| !services.is_empty() && services.iter().all(unlike);
    if !rules.iter().all(|(_, rule)| contradicts(&rule.services)) {
        return None;
    }
    let (bound, rule) = rules.first()?;
    let mut finding = at_fact(subject, &INFERRED_PROTOCOL, view, Some(*bound), inferred.fact);
    finding.status = Status::Inconclusive;
    finding.confidence = Confidence::Weak;
    finding.severity = Some(Severity::Info);
    finding.expected = rule.services.join(" or ");
    finding.observed = format!("tls, inferred {}", inferred.word);
    finding.message = format!(
        "{} speaks TLS with {} ({{count connection}}); inside, {}, where {} declares {}.",
        subject.who(),
        view.peer_port(),
        inferred.text(),
        bound.claim.id,
        finding.expected
    );
    Some(finding)
}
