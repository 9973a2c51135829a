//! How TLS handshakes went: those that failed, stopped, or were refused right after.

use std::collections::BTreeMap;

use super::matching::Match;
use super::subject::{Subject, View};
use super::{Check, Code, Found};
use crate::analyzers::{quic, tls};
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::flow::End;
use crate::model::{Direction, Field, Finding};
use crate::profile::Level;

/// The check.
pub(super) static CHECK: Check = Check { id: "tls-handshake", codes: &[&HANDSHAKE_FAILED], run };

static HANDSHAKE_FAILED: Code = Code {
    id: "handshake-failed",
    title: "A TLS handshake does not complete",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/handshake-failed.md"),
};

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    let mut rejections: BTreeMap<String, usize> = BTreeMap::new();
    for view in subject.views.iter().filter(|view| view.flow.facts.has(&tls::PROBABLE_REJECTION)) {
        *rejections.entry(view.peer_text()).or_default() += 1;
    }
    for view in subject.views.iter().filter(|view| view.has_tls() && !view.is_proxy) {
        findings.extend(handshake(subject, view, &rejections));
    }
}

/// The handshake failed, or stopped while the connection was open.
fn handshake(
    subject: &Subject<'_>,
    view: &View<'_>,
    rejections: &BTreeMap<String, usize>,
) -> Option<Finding> {
    let facts = &view.flow.facts;
    // Where TLS 1.3 was decrypted, a client may have completed what the server then refuses.
    let failed = facts.has(&tls::HANDSHAKE_FAILED);
    if !failed && (facts.has(&tls::HANDSHAKE_INCOMPLETE) || facts.has(&tls::HANDSHAKE_COMPLETED)) {
        return rejected(subject, view, rejections);
    }
    let alert = |field: &'static Field| facts.first(field).map(|fact| fact.value.to_string());
    let required = subject.rules(view).iter().any(|(bound, _)| bound.claim.level == Level::Required);
    let claim = subject.rules(view).first().map(|(bound, _)| *bound);
    let device_is_client = view.by_device;
    let (fact, status, observed, sentence) = if let Some(fact) = facts.first(&tls::HANDSHAKE_FAILED) {
        let how = fact.value.as_str().unwrap_or_default();
        let by_client = how.starts_with("client");
        let (of_tls, of_quic) = if by_client {
            (&tls::CLIENT_FATAL_ALERT, &quic::CLIENT_CLOSE)
        } else {
            (&tls::SERVER_FATAL_ALERT, &quic::SERVER_CLOSE)
        };
        let which =
            alert(of_tls).or_else(|| alert(of_quic)).unwrap_or_else(|| String::from("an encrypted alert"));
        let who = if by_client == device_is_client { subject.who().to_owned() } else { view.peer_text() };
        (fact, Status::Obstructed, format!("{how}: {which}"), format!("{who} ended it with {which}"))
    } else {
        let fact = facts.first(&tls::HANDSHAKE_UNFINISHED)?;
        let how_far = fact.value.to_string();
        let (status, end) = match view.flow.tcp.as_deref().map(|tcp| tcp.end)? {
            // The capture may just have ended first.
            End::Open => return None,
            End::Rst(Direction::RespToOrig) => (Status::Obstructed, "the other side reset it"),
            End::Rst(Direction::OrigToResp) => (Status::Inconclusive, "the opener reset it"),
            End::Fin(_) => (Status::Inconclusive, "it was closed"),
            End::Silence(_) => (Status::Obstructed, "nothing was answered any more"),
        };
        (fact, status, format!("stopped after {how_far}"), format!("{end} after {how_far}"))
    };
    let mut finding = subject.finding(&HANDSHAKE_FAILED, status, Confidence::Strong, view, claim);
    let mut evidence = fact.evidence.clone();
    evidence.count = 1;
    finding.evidence = Some(evidence);
    if !required && finding.severity == Some(Severity::Error) {
        finding.severity = Some(Severity::Warning);
    }
    finding.expected = String::from("handshake");
    finding.observed = observed;
    finding.message = format!(
        "The TLS handshake of {} with {} did not complete ({{count connection}}): {sentence}.{}",
        subject.who(),
        view.peer_port(),
        clock_hint(&finding.observed)
    );
    Some(finding)
}

/// TLS 1.3: the server seems to have refused the client's certificate after the client had finished.
fn rejected(subject: &Subject<'_>, view: &View<'_>, rejections: &BTreeMap<String, usize>) -> Option<Finding> {
    let fact = view.flow.facts.first(&tls::PROBABLE_REJECTION)?;
    let repeated = rejections.get(&view.peer_text()).copied().unwrap_or(0);
    if repeated < 3 || !matches!(view.matched, Match::Claims(_)) {
        return None;
    }
    let claim = subject.rules(view).first().map(|(bound, _)| *bound);
    let mut finding =
        subject.finding(&HANDSHAKE_FAILED, Status::Inconclusive, Confidence::Probable, view, claim);
    finding.evidence = Some(fact.evidence.clone());
    finding.expected = String::from("handshake");
    finding.observed = String::from("closed at once by an encrypted record");
    finding.message = format!(
        "{} ends each connection of {} right after the handshake ({{count connection}}): it may refuse the client's certificate.",
        view.peer_port(),
        subject.who()
    );
    Some(finding)
}

/// A device without the time rejects every certificate.
fn clock_hint(observed: &str) -> &'static str {
    if observed.contains("certificate_expired") || observed.contains("bad_certificate") {
        " A device whose clock is not set rejects good certificates: see its NTP."
    } else if observed.contains("unknown_ca") {
        " The issuer is not one that it trusts: a TLS inspection proxy looks like this."
    } else {
        ""
    }
}
