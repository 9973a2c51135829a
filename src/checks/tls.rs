//! TLS as negotiated and as offered: version, cipher suite, group, renegotiation, compression, and how the handshake went.
//!
//! What is declared decides first; what no claim declares is judged by the profile's TLS policy. A suite that a claim
//! declares conforms, however the policy rates it: that is a matter between the policy and the profile.

use std::collections::BTreeMap;

use super::claim_index::applies;
use super::matching::Match;
use super::subject::{Subject, View};
use super::{Check, Code, Found, rating};
use crate::analyzers::{quic, tls};
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::flow::End;
use crate::model::observation::Fact;
use crate::model::{Direction, Field, Finding};
use crate::profile::tls_policy::Tier;
use crate::profile::{BoundClaim, Level, TlsRule};

/// The check.
pub(super) static CHECK: Check = Check {
    id: "tls",
    codes: &[
        &WEAK_TLS_VERSION,
        &WEAK_CIPHER,
        &UNDECLARED_CIPHER,
        &WEAK_GROUP,
        &INSECURE_RENEGOTIATION,
        &TLS_COMPRESSION,
        &HANDSHAKE_FAILED,
    ],
    run,
};

static WEAK_TLS_VERSION: Code = Code {
    id: "weak-tls-version",
    title: "An outdated TLS version is negotiated or offered",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/weak-tls-version.md"),
};
static WEAK_CIPHER: Code = Code {
    id: "weak-cipher",
    title: "A weak cipher suite is negotiated or offered",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/weak-cipher.md"),
};
static UNDECLARED_CIPHER: Code = Code {
    id: "undeclared-cipher",
    title: "Another cipher suite than the declared one is negotiated",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/undeclared-cipher.md"),
};
static WEAK_GROUP: Code = Code {
    id: "weak-group",
    title: "The key exchange uses a weak group",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/weak-group.md"),
};
static INSECURE_RENEGOTIATION: Code = Code {
    id: "insecure-renegotiation",
    title: "Renegotiation is not bound to the connection",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/insecure-renegotiation.md"),
};
static TLS_COMPRESSION: Code = Code {
    id: "tls-compression",
    title: "TLS compression is negotiated",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/tls-compression.md"),
};
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
        findings.extend(version(subject, view));
        findings.extend(cipher(subject, view));
        findings.extend(undeclared_cipher(subject, view));
        findings.extend(group(subject, view));
        findings.extend(renegotiation(subject, view));
        findings.extend(compression(subject, view));
        findings.extend(handshake(subject, view, &rejections));
    }
}

/// The claim that decides about a view's TLS: the selected one whose rule `says` something of it, else a selected one
/// with TLS at all, else one that demands encryption of whatever the peer, else any selected one.
pub(super) fn deciding<'a>(
    subject: &Subject<'a>,
    view: &View<'_>,
    says: impl Fn(&TlsRule) -> bool,
) -> Option<&'a BoundClaim> {
    let rules = subject.rules(view);
    let with = |test: &dyn Fn(&TlsRule) -> bool| {
        rules.iter().find(|(_, rule)| rule.tls.as_ref().is_some_and(test)).map(|(bound, _)| *bound)
    };
    with(&says)
        .or_else(|| with(&|rule| rule.min_version.is_some() || rule.policy.is_some()))
        .or_else(|| encrypting(subject, view))
        .or_else(|| rules.first().map(|(bound, _)| *bound))
}

/// A claim that demands encryption and does not speak of others than this view's peer.
pub(super) fn encrypting<'a>(subject: &Subject<'a>, view: &View<'_>) -> Option<&'a BoundClaim> {
    let selected = subject.rules(view).into_iter().find(|(_, rule)| rule.encrypted).map(|(bound, _)| bound);
    selected.or_else(|| {
        let first = |claims: &[u32], about_anybody: bool| {
            subject.rules_at(claims).find(|(_, bound, rule)| {
                rule.encrypted
                    && rule.peers.is_empty() == about_anybody
                    && applies(bound)
                    && super::matching::way_fits(rule.way, view)
                    && super::matching::width(subject, rule, view).is_some()
            })
        };
        // Of those about anybody, the candidates have only those with this port, which does not matter here.
        let both = [first(&view.candidates, false), first(subject.index.anybody(), true)];
        both.into_iter().flatten().min_by_key(|(at, ..)| *at).map(|(_, bound, _)| bound)
    })
}

/// What selected claims say of TLS, with the claim.
pub(super) fn rules<'a>(subject: &Subject<'a>, view: &View<'_>) -> Vec<(&'a BoundClaim, &'a TlsRule)> {
    subject.rules(view).into_iter().filter_map(|(bound, rule)| Some((bound, rule.tls.as_ref()?))).collect()
}

/// The version of TLS that is as strong: DTLS 1.0 is TLS 1.1 over datagrams, 1.2 and 1.3 are their namesakes (RFC 4347,
/// RFC 6347, RFC 9147).
pub fn equivalent(version: u16) -> u16 {
    match version {
        0xfeff | 0x0100 => 0x0302,
        0xfefd => 0x0303,
        0xfefc => 0x0304,
        other => other,
    }
}

/// `tls1.2`, `dtls1.2`, `ssl3.0`; an unknown version in hex.
pub(super) fn version_text(version: u16) -> String {
    match version {
        0x0100 => String::from("dtls before 1.0"),
        0xfeff => String::from("dtls1.0"),
        0xfefd => String::from("dtls1.2"),
        0xfefc => String::from("dtls1.3"),
        0x0002 => String::from("ssl2.0"),
        0x0300 => String::from("ssl3.0"),
        0x0301..=0x0304 => format!("tls1.{}", version - 0x0301),
        other => format!("0x{other:04x}"),
    }
}

fn number(fact: &Fact) -> Option<u16> {
    fact.value.as_uint().and_then(|value| u16::try_from(value).ok())
}

/// The severity of a tier: what is only offered is one milder.
fn tier_severity(tier: Tier, offered: bool) -> Option<Severity> {
    let severity = match tier {
        Tier::Ok => return None,
        Tier::Discouraged => Severity::Warning,
        Tier::Weak | Tier::Broken => Severity::Error,
    };
    Some(if offered { severity.lower() } else { severity })
}

/// A finding about something that the handshake shows at `fact`.
pub(super) fn at_fact(
    subject: &Subject<'_>,
    code: &'static Code,
    view: &View<'_>,
    claim: Option<&BoundClaim>,
    fact: &Fact,
) -> Finding {
    let mut finding = subject.finding(code, Status::Violation, Confidence::Proven, view, claim);
    let mut evidence = fact.evidence.clone();
    evidence.count = 1;
    finding.evidence = Some(evidence);
    finding
}

/// Applies a severity unless the claim has one of its own or is informational.
pub(super) fn rate(finding: &mut Finding, claim: Option<&BoundClaim>, severity: Severity) {
    let own = claim
        .is_some_and(|bound| bound.claim.severity.is_some() || bound.claim.level == Level::Informational);
    if !own {
        finding.severity = Some(severity);
    }
}

fn version(subject: &Subject<'_>, view: &View<'_>) -> Vec<Finding> {
    let claim = deciding(subject, view, |rule| rule.min_version.is_some());
    let declared = rules(subject, view).iter().filter_map(|(_, rule)| rule.min_version).max();
    let expected = format!("tls>={}", version_text(declared.unwrap_or(0x0303)).trim_start_matches("tls"));
    let facts = &view.flow.facts;
    if let Some(fact) = facts.first(&tls::VERSION) {
        let Some(version) = number(fact) else { return Vec::new() };
        let rated = rating::version(subject.policy, equivalent(version));
        let below = declared.is_some_and(|least| equivalent(version) < least);
        if below || rated.tier > Tier::Ok {
            let mut finding = at_fact(subject, &WEAK_TLS_VERSION, view, claim, fact);
            rate(&mut finding, claim, tier_severity(rated.tier, false).unwrap_or(Severity::Error));
            finding.expected = expected;
            finding.observed = version_text(version);
            finding.reference.clone_from(&rated.reference);
            finding.message = format!(
                "{} and {} agreed on {} ({{count connection}}).",
                subject.who(),
                view.peer_port(),
                version_text(version)
            );
            return vec![finding];
        }
    }
    if !view.by_device {
        // What a stranger offers says nothing of the device.
        return Vec::new();
    }
    let offers: Vec<(u16, &Fact)> =
        facts.of(&tls::OFFERED_VERSION).filter_map(|fact| Some((number(fact)?, fact))).collect();
    let best = offers.iter().map(|(version, _)| equivalent(*version)).max().unwrap_or(0x0304);
    let Some((worst, fact)) = offers.iter().min_by_key(|(version, _)| equivalent(*version)) else {
        return Vec::new();
    };
    let rated = rating::version(subject.policy, equivalent(*worst));
    // Beside a good version an old one is only discouraged; where it is the best, it is as weak as it is.
    let tier = if rating::version(subject.policy, best).tier == Tier::Ok {
        rated.tier.min(Tier::Discouraged)
    } else {
        rated.tier
    };
    let Some(severity) = tier_severity(tier, true) else { return Vec::new() };
    let mut finding = at_fact(subject, &WEAK_TLS_VERSION, view, claim, fact);
    rate(&mut finding, claim, severity);
    finding.expected = expected;
    finding.observed = format!("offers {}", version_text(*worst));
    finding.reference.clone_from(&rated.reference);
    finding.message = format!(
        "{} offers {} to {} ({{count connection}}), which a good server does not choose.",
        subject.who(),
        version_text(*worst),
        view.peer_port()
    );
    vec![finding]
}

fn declared_suites(subject: &Subject<'_>, view: &View<'_>) -> Vec<u16> {
    rules(subject, view).iter().flat_map(|(_, rule)| rule.suites.iter().copied()).collect()
}

fn cipher(subject: &Subject<'_>, view: &View<'_>) -> Vec<Finding> {
    let claim = deciding(subject, view, |rule| rule.policy.is_some());
    let declared = declared_suites(subject, view);
    let facts = &view.flow.facts;
    let negotiated = facts.first(&tls::SUITE);
    let chosen = negotiated.and_then(number);
    let mut findings = Vec::new();
    if let (Some(fact), Some(code)) = (negotiated, chosen)
        && !declared.contains(&code)
    {
        let suite = rating::suite(subject.policy, code);
        if let Some(severity) = tier_severity(suite.tier, false) {
            let mut finding = at_fact(subject, &WEAK_CIPHER, view, claim, fact);
            rate(&mut finding, claim, severity);
            finding.expected = String::from("ok suites");
            finding.observed.clone_from(&suite.name);
            finding.reference = rating::citations(&suite.reference);
            finding.message = format!(
                "{} and {} agreed on {} ({{count connection}}), which is {}: {}.",
                subject.who(),
                view.peer_port(),
                suite.name,
                suite.tier,
                suite.reference
            );
            findings.push(finding);
        }
    }
    if !view.by_device {
        return findings;
    }
    let mut offered: Vec<(Tier, u16, &Fact)> = facts
        .of(&tls::OFFERED_SUITE)
        .filter_map(|fact| Some((number(fact)?, fact)))
        .filter(|(code, _)| Some(*code) != chosen && !declared.contains(code))
        .map(|(code, fact)| (rating::suite(subject.policy, code), code, fact))
        // An unknown code point in an offer is most often newer than the table.
        .filter(|(rated, ..)| rated.tier > Tier::Ok && rated.known)
        .map(|(rated, code, fact)| (rated.tier, code, fact))
        .collect();
    offered.sort_by_key(|(tier, code, _)| (std::cmp::Reverse(*tier), *code));
    if let Some((tier, code, fact)) = offered.first()
        && let Some(severity) = tier_severity(*tier, true)
    {
        let suite = rating::suite(subject.policy, *code);
        let alike = offered.iter().filter(|(other, ..)| other == tier).count();
        let mut finding = at_fact(subject, &WEAK_CIPHER, view, claim, fact);
        rate(&mut finding, claim, severity);
        finding.expected = String::from("ok suites");
        finding.observed = match alike {
            1 => format!("offers {}", suite.name),
            more => format!("offers {} and {} more", suite.name, more - 1),
        };
        finding.reference = rating::citations(&suite.reference);
        finding.message = format!(
            "{} offers {alike} {tier} cipher suites to {} ({{count connection}}), among them {}.",
            subject.who(),
            view.peer_port(),
            suite.name
        );
        findings.push(finding);
    }
    findings
}

fn undeclared_cipher(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let (bound, rule) = rules(subject, view).into_iter().find(|(_, rule)| !rule.suites.is_empty())?;
    let fact = view.flow.facts.first(&tls::SUITE)?;
    let code = number(fact)?;
    if rule.suites.contains(&code) {
        return None;
    }
    let got = rating::suite(subject.policy, code);
    let best =
        rule.suites.iter().map(|code| rating::suite(subject.policy, *code).tier).min().unwrap_or(Tier::Ok);
    // Drift is what is not for the worse: as good, or better.
    let stronger = got.tier <= best;
    let mut finding = at_fact(subject, &UNDECLARED_CIPHER, view, Some(bound), fact);
    if stronger {
        finding.status = Status::Drift;
        finding.severity = Some(Severity::Info);
    }
    let names: Vec<String> =
        rule.suites.iter().map(|code| rating::suite(subject.policy, *code).name.clone()).collect();
    finding.expected = names.join(" or ");
    finding.observed.clone_from(&got.name);
    finding.message = format!(
        "{} and {} agreed on {} ({{count connection}}){}; {} declares {}.",
        subject.who(),
        view.peer_port(),
        got.name,
        if stronger { ", not a weaker suite" } else { "" },
        bound.claim.id,
        finding.expected
    );
    Some(finding)
}

fn group(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let claim = deciding(subject, view, |rule| rule.policy.is_some());
    let facts = &view.flow.facts;
    let by_prime = facts.first(&tls::DH_BITS).and_then(|fact| {
        let bits = u32::try_from(fact.value.as_uint()?).ok()?;
        Some((fact, rating::prime(subject.policy, bits), format!("dh{bits}")))
    });
    let by_group = facts.first(&tls::GROUP).and_then(|fact| {
        let group = rating::group(subject.policy, number(fact)?);
        let name = group.name.clone();
        Some((fact, group, name))
    });
    let (fact, rated, observed) = by_prime.or(by_group)?;
    let severity = tier_severity(rated.tier, false)?;
    let mut finding = at_fact(subject, &WEAK_GROUP, view, claim, fact);
    rate(&mut finding, claim, severity);
    finding.expected = String::from("ok groups");
    finding.reference.clone_from(&rated.reference);
    finding.message = format!(
        "{} and {} exchanged keys with {observed} ({{count connection}}), which is {}.",
        subject.who(),
        view.peer_port(),
        rated.tier
    );
    finding.observed = observed;
    Some(finding)
}

fn renegotiation(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = &view.flow.facts;
    let version = facts.first(&tls::VERSION).and_then(number)?;
    let completed = facts.first(&tls::HANDSHAKE_COMPLETED)?;
    if equivalent(version) >= 0x0304 || facts.has(&tls::SECURE_RENEGOTIATION) {
        return None;
    }
    let claim = deciding(subject, view, |rule| rule.policy.is_some());
    let again = facts.of(&tls::RENEGOTIATION).find(|fact| fact.value.as_str() != Some("requested"));
    let mut finding = at_fact(subject, &INSECURE_RENEGOTIATION, view, claim, again.unwrap_or(completed));
    if again.is_none() {
        rate(&mut finding, claim, Severity::Warning);
    }
    finding.expected = String::from("renegotiation_info");
    finding.observed =
        String::from(if again.is_some() { "renegotiated without it" } else { "not supported" });
    finding.reference = String::from("RFC 5746");
    finding.message = format!(
        "{} does not answer renegotiation_info ({{count connection}}){}: handshakes can be spliced.",
        if view.by_device { view.peer_port() } else { format!("{} on {}", subject.who(), view.port_text()) },
        if again.is_some() { " and renegotiated" } else { "" }
    );
    Some(finding)
}

fn compression(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let fact = view.flow.facts.first(&tls::COMPRESSION)?;
    let claim = deciding(subject, view, |rule| rule.policy.is_some());
    let mut finding = at_fact(subject, &TLS_COMPRESSION, view, claim, fact);
    finding.expected = String::from("null");
    finding.observed = fact.value.to_string();
    finding.reference = String::from("RFC 9325 section 3.3");
    finding.message = format!(
        "{} and {} compress inside TLS ({{count connection}}), which gives secrets away (CRIME).",
        subject.who(),
        view.peer_port()
    );
    Some(finding)
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
