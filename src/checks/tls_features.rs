//! What a handshake agrees on, sends or leaves out beside version, suite and group: compression, renegotiation, extensions.
//! The TLS policy says which of it matters, and how much.

use super::subject::{Subject, View};
use super::tls::{at_fact, deciding, equivalent, number, rate, tier_severity, version_text};
use super::{Check, Code, Found, rating};
use crate::analyzers::tls;
use crate::model::finding::Severity;
use crate::model::observation::Fact;
use crate::model::{Field, Finding};
use crate::profile::tls_policy::{self, Feature};

/// The check.
pub(super) static CHECK: Check =
    Check { id: "tls-features", codes: &[&INSECURE_RENEGOTIATION, &TLS_COMPRESSION, &WEAK_TLS_FEATURE], run };

static INSECURE_RENEGOTIATION: Code = Code {
    id: "insecure-renegotiation",
    title: "Renegotiation is not bound to the connection",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/insecure-renegotiation.md"),
};
static TLS_COMPRESSION: Code = Code {
    id: "tls-compression",
    title: "TLS compression is negotiated or offered",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/tls-compression.md"),
};
static WEAK_TLS_FEATURE: Code = Code {
    id: "weak-tls-feature",
    title: "A TLS extension that the policy wants is missing, or one that it does not want is used",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/weak-tls-feature.md"),
};

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    for view in subject.views.iter().filter(|view| view.has_tls() && !view.is_proxy) {
        findings.extend(renegotiation(subject, view));
        findings.extend(compression(subject, view));
        findings.extend(extended_master_secret(subject, view));
        findings.extend(encrypt_then_mac(subject, view));
        findings.extend(used(subject, view));
        findings.extend(early_data(subject, view));
    }
}

/// A finding that the policy's judgement of `feature` decides; nothing where that is ok, or the policy says nothing.
fn judged(
    subject: &Subject<'_>,
    view: &View<'_>,
    code: &'static Code,
    feature: Feature,
    fact: &Fact,
    offered: bool,
) -> Option<Finding> {
    let rated = rating::feature(subject.policy(view), feature)?;
    let severity = tier_severity(rated.tier, offered)?;
    let claim = deciding(subject, view, |rule| rule.policy.is_some());
    let mut finding = at_fact(subject, code, view, claim, fact);
    rate(&mut finding, claim, severity);
    rated.decides(&mut finding);
    Some(finding)
}

/// Where a handshake before TLS 1.3 completed that the capture shows from its beginning: its version, and where it was.
fn completed<'v>(view: &'v View<'_>) -> Option<(u16, &'v Fact)> {
    let facts = &view.flow.facts;
    let version = facts.first(&tls::VERSION).and_then(number)?;
    let completed = facts.first(&tls::HANDSHAKE_COMPLETED)?;
    (equivalent(version) < 0x0304).then_some((version, completed))
}

fn renegotiation(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = &view.flow.facts;
    let (_, completed) = completed(view)?;
    if facts.has(&tls::SECURE_RENEGOTIATION) {
        return None;
    }
    let again = facts.of(&tls::RENEGOTIATION).find(|fact| fact.value.as_str() != Some("requested"));
    let feature = if again.is_some() { Feature::UnboundRenegotiation } else { Feature::NoRenegotiationInfo };
    let at = again.unwrap_or(completed);
    let mut finding = judged(subject, view, &INSECURE_RENEGOTIATION, feature, at, false)?;
    finding.expected = String::from("renegotiation_info");
    finding.observed =
        String::from(if again.is_some() { "renegotiated without it" } else { "not supported" });
    finding.message = format!(
        "{} does not answer renegotiation_info ({{count connection}}){}: handshakes can be spliced.",
        if view.by_device { view.peer_port() } else { format!("{} on {}", subject.who(), view.port_text()) },
        if again.is_some() { " and renegotiated" } else { "" }
    );
    Some(finding)
}

fn compression(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = &view.flow.facts;
    if let Some(fact) = facts.first(&tls::COMPRESSION) {
        let mut finding = judged(subject, view, &TLS_COMPRESSION, Feature::Compression, fact, false)?;
        finding.expected = String::from("null");
        finding.observed = fact.value.to_string();
        finding.message = format!(
            "{} and {} compress inside TLS ({{count connection}}), which gives secrets away (CRIME).",
            subject.who(),
            view.peer_port()
        );
        return Some(finding);
    }
    let fact = facts.first(&tls::OFFERED_COMPRESSION).filter(|_| view.by_device)?;
    let mut finding = judged(subject, view, &TLS_COMPRESSION, Feature::Compression, fact, true)?;
    finding.expected = String::from("null");
    finding.observed = format!("offers {}", fact.value);
    finding.message = format!(
        "{} offers {} to compress inside TLS ({{count connection}}), which a good server does not choose.",
        subject.who(),
        view.peer_port()
    );
    Some(finding)
}

fn extended_master_secret(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = &view.flow.facts;
    let (version, completed) = completed(view)?;
    // Before TLS 1.2 the version is what is wrong.
    if equivalent(version) != 0x0303 || facts.has(&tls::EXTENDED_MASTER_SECRET) {
        return None;
    }
    let mut finding =
        judged(subject, view, &WEAK_TLS_FEATURE, Feature::NoExtendedMasterSecret, completed, false)?;
    finding.expected = String::from("extended_master_secret");
    finding.observed = String::from("no extended_master_secret");
    finding.message = format!(
        "{} and {} agreed on {} without extended_master_secret ({{count connection}}), which {}: two sessions can be made to share their keys.",
        subject.who(),
        view.peer_port(),
        version_text(version),
        lacking(view, &tls::OFFERED_EXTENDED_MASTER_SECRET)
    );
    Some(finding)
}

/// Which side does without an extension that only the client can begin.
fn lacking(view: &View<'_>, offered: &'static Field) -> &'static str {
    if view.flow.facts.has(offered) { "the server does not know" } else { "the client does not offer" }
}

fn encrypt_then_mac(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = &view.flow.facts;
    let (_, completed) = completed(view)?;
    let suite = tls_policy::suite(facts.first(&tls::SUITE).and_then(number)?)?;
    if !suite.name.contains("_CBC_") || facts.has(&tls::ENCRYPT_THEN_MAC) {
        return None;
    }
    let mut finding = judged(subject, view, &WEAK_TLS_FEATURE, Feature::NoEncryptThenMac, completed, false)?;
    finding.expected = String::from("encrypt_then_mac");
    finding.observed = String::from("no encrypt_then_mac");
    finding.message = format!(
        "{} and {} agreed on {} without encrypt_then_mac ({{count connection}}), which {}: padding can be probed (Lucky 13).",
        subject.who(),
        view.peer_port(),
        suite.name,
        lacking(view, &tls::OFFERED_ENCRYPT_THEN_MAC)
    );
    Some(finding)
}

/// What is used where it should not be: fact, feature, its name in a row, why it matters.
const USED: &[(&Field, Feature, &str, &str)] = &[
    (&tls::TRUNCATED_HMAC, Feature::TruncatedHmac, "truncated_hmac", "tags of 80 bits can be forged sooner"),
    (&tls::HEARTBEAT, Feature::Heartbeat, "heartbeat", "what is not needed is better left out"),
    (
        &tls::HEARTBEAT_OVERREAD,
        Feature::HeartbeatOverread,
        "heartbeat over-read",
        "somebody tries to read the other side's memory (Heartbleed, CVE-2014-0160)",
    ),
    (
        &tls::PSK_ONLY,
        Feature::PskOnly,
        "psk_ke",
        "without a key exchange beside it a key gives all sessions away",
    ),
];

fn used(subject: &Subject<'_>, view: &View<'_>) -> Vec<Finding> {
    let found = USED.iter().filter_map(|(field, feature, name, why)| {
        let fact = view.flow.facts.first(field)?;
        let mut finding = judged(subject, view, &WEAK_TLS_FEATURE, *feature, fact, false)?;
        finding.expected = format!("no {name}");
        finding.observed = String::from(*name);
        finding.message =
            format!("{} and {} use {name} ({{count connection}}): {why}.", subject.who(), view.peer_port());
        Some(finding)
    });
    found.collect()
}

/// Early data that was sent and not refused counts as used; refused, as offered only.
fn early_data(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = &view.flow.facts;
    let fact = facts.first(&tls::EARLY_DATA_SENT)?;
    let answer = facts.first(&tls::EARLY_DATA_ANSWER).and_then(|fact| fact.value.as_str());
    let refused = answer.is_some_and(|answer| answer.ends_with("rejected"));
    let mut finding = judged(subject, view, &WEAK_TLS_FEATURE, Feature::EarlyData, fact, refused)?;
    finding.expected = String::from("no early data");
    finding.observed = String::from(if refused { "early data, refused" } else { "early data" });
    let (client, server) = if view.by_device {
        (subject.who().to_owned(), view.peer_port())
    } else {
        (view.peer_text(), format!("{} on {}", subject.who(), view.port_text()))
    };
    finding.message = format!(
        "{client} sends early data to {server} before the handshake is done ({{count connection}}): it can be replayed."
    );
    Some(finding)
}
