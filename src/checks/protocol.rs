//! Content that is not what its port and peer are declared for, and content that everybody can read.

use super::destination::content_mismatch;
use super::matching::Match;
use super::subject::{Subject, View, is_tls};
use super::tls::{at_fact, encrypting};
use super::{Check, Code, Found};
use crate::analyzers::http::fields as http;
use crate::analyzers::mqtt::fields as mqtt;
use crate::analyzers::websocket::fields as websocket;
use crate::analyzers::{self, Class, tls};
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::flow::RoleBasis;
use crate::model::observation::Fact;
use crate::model::{Finding, Transport, Value};

/// The check.
pub(super) static CHECK: Check =
    Check { id: "protocol", codes: &[&PROTOCOL_MISMATCH, &CLEARTEXT, &CLEARTEXT_CREDENTIALS], run };

static PROTOCOL_MISMATCH: Code = Code {
    id: "protocol-mismatch",
    title: "A declared port carries another protocol than declared",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/protocol-mismatch.md"),
};
static CLEARTEXT: Code = Code {
    id: "cleartext",
    title: "Content is readable where encryption is declared",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/cleartext.md"),
};
static CLEARTEXT_CREDENTIALS: Code = Code {
    id: "cleartext-credentials",
    title: "Credentials cross the network readable",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/cleartext-credentials.md"),
};

/// Whether the outermost protocol carries readable data of applications itself; with STARTTLS, most of it is not.
fn is_readable(view: &View<'_>) -> bool {
    let is = |id: &str, class| analyzers::class(id) == Some(class);
    view.service.first().is_some_and(|first| is(first, Class::Readable))
        && !view.service.iter().any(|id| is(id, Class::Encrypted))
}

/// Whether what `analyzer` observed in a flow of these protocols was outside of encryption.
fn in_the_clear(service: &[&str], analyzer: &str) -> bool {
    let encryption = service.iter().position(|id| analyzers::class(id) == Some(Class::Encrypted));
    match (service.iter().rposition(|id| *id == analyzer), encryption) {
        (Some(own), Some(encryption)) => own < encryption,
        (_, encryption) => encryption.is_none(),
    }
}

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    for view in subject.views.iter().filter(|view| !view.is_proxy) {
        findings.extend(mismatch(subject, view));
        findings.extend(unrecognised(subject, view));
        findings.extend(clear(subject, view));
        findings.extend(credentials(subject, view));
        findings.extend(alpn(subject, view));
    }
}

/// Peer, port and direction are declared, the content is something else.
fn mismatch(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let (bound, rule) = content_mismatch(subject, view)?;
    let observed = view.service.join("/");
    let wants_tls = rule.services.iter().all(|chain| chain.split('/').next().is_some_and(is_tls));
    let clear = wants_tls && is_readable(view);
    let code = if clear { &CLEARTEXT } else { &PROTOCOL_MISMATCH };
    let mut finding = subject.finding(code, Status::Violation, Confidence::Proven, view, Some(bound));
    finding.expected = rule.services.join(" or ");
    finding.message = if clear {
        format!(
            "{} speaks {observed} without encryption with {} ({{count connection}}), where {} declares {}.",
            subject.who(),
            view.peer_port(),
            bound.claim.id,
            finding.expected
        )
    } else {
        format!(
            "{} speaks {observed} with {} ({{count connection}}), where {} declares {}.",
            subject.who(),
            view.peer_port(),
            bound.claim.id,
            finding.expected
        )
    };
    finding.observed = observed;
    Some(finding)
}

/// TLS is declared, the whole beginning of the connection was captured, and it is not TLS.
fn unrecognised(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let flow = view.flow;
    let whole = flow.roles == RoleBasis::Syn
        && flow.truncated_frames == 0
        && flow.missed.orig + flow.missed.resp == 0;
    if flow.key.transport != Transport::Tcp || !view.service.is_empty() || !whole || flow.bytes.orig < 16 {
        return None;
    }
    let rules = subject.rules(view);
    let wants_tls = |services: &Vec<String>| {
        !services.is_empty() && services.iter().all(|chain| chain.split('/').next() == Some("tls"))
    };
    let (bound, rule) = rules.iter().find(|(_, rule)| wants_tls(&rule.services))?;
    let mut finding =
        subject.finding(&PROTOCOL_MISMATCH, Status::Violation, Confidence::Probable, view, Some(bound));
    finding.expected = rule.services.join(" or ");
    finding.observed = String::from("unrecognised");
    finding.message = format!(
        "{} exchanges data with {} that is not TLS ({{count connection}}), where {} declares {}.",
        subject.who(),
        view.peer_port(),
        bound.claim.id,
        finding.expected
    );
    Some(finding)
}

/// A claim demands encryption of flows that are otherwise as declared.
fn clear(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    if !matches!(view.matched, Match::Claims(_)) || !is_readable(view) {
        return None;
    }
    let bound = encrypting(subject, view)?;
    let observed = view.service.join("/");
    let mut finding = subject.finding(&CLEARTEXT, Status::Violation, Confidence::Proven, view, Some(bound));
    finding.expected = String::from("encrypted");
    finding.message = format!(
        "{} speaks {observed} without encryption with {} ({{count connection}}), although {} demands it.",
        subject.who(),
        view.peer_port(),
        bound.claim.id
    );
    finding.observed = observed;
    Some(finding)
}

/// Passwords and tokens that anybody on the path can read.
fn credentials(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let clear = |fact: &&Fact| in_the_clear(&view.service, fact.field.analyzer());
    let secret = |fact: &&Fact| fact.value.as_str() != Some("public");
    let first = |field| view.flow.facts.first(field).filter(clear);
    let (fact, what) = if let Some(fact) = first(&mqtt::PASSWORD) {
        (fact, String::from("MQTT password"))
    } else if let Some(fact) = first(&mqtt::USER_NAME) {
        (fact, String::from("MQTT user name"))
    } else if let Some(fact) = view.flow.facts.of(&http::AUTHORIZATION).filter(clear).find(secret) {
        (fact, format!("HTTP {} credentials", fact.value))
    } else if let Some(fact) = first(&http::TARGET_CREDENTIAL) {
        (fact, String::from("HTTP credentials in the target"))
    } else if let Some(fact) = first(&websocket::SUBPROTOCOL_CREDENTIAL) {
        (fact, String::from("WebSocket token"))
    } else {
        let fact = view.flow.facts.iter().filter(|fact| fact.field.is_credentials()).find(clear)?;
        let protocol = fact.field.analyzer().to_uppercase();
        match &fact.value {
            Value::Yes => (fact, format!("{protocol} credentials")),
            how => (fact, format!("{protocol} credentials ({how})")),
        }
    };
    let claim = encrypting(subject, view);
    let mut finding = at_fact(subject, &CLEARTEXT_CREDENTIALS, view, claim, fact);
    finding.expected = String::from("tls");
    finding.observed = format!("{what} in the clear");
    finding.reference = String::from("RFC 9325 section 3.2");
    finding.message = format!(
        "Anybody on the path can read the {what} that {} exchanges with {} ({{count connection}}).",
        subject.who(),
        view.peer_port()
    );
    Some(finding)
}

/// Application protocols are declared and none of them is offered.
fn alpn(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = &view.flow.facts;
    let (bound, rule) =
        super::tls::rules(subject, view).into_iter().find(|(_, rule)| !rule.alpn.is_empty())?;
    let offered: Vec<&str> = facts.of(&tls::OFFERED_ALPN).filter_map(|fact| fact.value.as_str()).collect();
    let fact = facts.first(&tls::OFFERED_ALPN)?;
    if offered.iter().any(|protocol| rule.alpn.iter().any(|known| known == protocol)) {
        return None;
    }
    let mut finding = at_fact(subject, &PROTOCOL_MISMATCH, view, Some(bound), fact);
    finding.expected = format!("ALPN {}", rule.alpn.join(" or "));
    finding.observed = format!("ALPN {}", offered.join(","));
    finding.message = format!(
        "{} offers {} to {} ({{count connection}}), where {} declares {}.",
        subject.who(),
        finding.observed,
        view.peer_port(),
        bound.claim.id,
        finding.expected
    );
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_before_starttls_is_in_the_clear() {
        assert!(in_the_clear(&["imap"], "imap"));
        assert!(in_the_clear(&["imap", "tls"], "imap"));
        assert!(!in_the_clear(&["tls", "mqtt"], "mqtt"));
        assert!(!in_the_clear(&["http", "tls", "http"], "http"));
        assert!(!in_the_clear(&["tls"], "http"));
        assert!(in_the_clear(&[], "http"));
    }
}
