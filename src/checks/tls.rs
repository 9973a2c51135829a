//! TLS as negotiated and as offered: version, cipher suite, group.
//!
//! What is declared decides first; what no claim declares is judged by the profile's TLS policy. A suite that a claim
//! declares conforms, however the policy rates it: that is a matter between the policy and the profile.

use super::claim_index::applies;
use super::subject::{Subject, View};
use super::{Check, Code, Found, matching, rating, tls_version};
use crate::analyzers::tls;
use crate::model::Finding;
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::observation::Fact;
use crate::profile::tls_policy::Tier;
use crate::profile::{BoundClaim, FlowRule, Level, TlsRule};

/// The check.
pub(super) static CHECK: Check = Check {
    id: "tls",
    codes: &[
        &tls_version::WEAK_TLS_VERSION,
        &tls_version::UNDECLARED_TLS_VERSION,
        &WEAK_CIPHER,
        &UNDECLARED_CIPHER,
        &WEAK_GROUP,
    ],
    run,
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

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    for view in subject.views.iter().filter(|view| view.has_tls() && !view.is_proxy) {
        findings.extend(tls_version::version(subject, view));
        findings.extend(tls_version::above_declared(subject, view));
        findings.extend(cipher(subject, view));
        findings.extend(undeclared_cipher(subject, view));
        findings.extend(group(subject, view));
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

/// A claim that demands encryption of flows like this one: those with its peer, on its port.
pub(super) fn encrypting<'a>(subject: &Subject<'a>, view: &View<'_>) -> Option<&'a BoundClaim> {
    let selected = subject.rules(view).into_iter().find(|(_, rule)| rule.encrypted).map(|(bound, _)| bound);
    selected.or_else(|| {
        let demands = |(_, bound, rule): &(usize, &BoundClaim, &FlowRule)| {
            rule.encrypted
                && applies(bound)
                && matching::shape_fits(rule, view)
                && matching::width(subject, rule, view).is_some()
        };
        subject.rules_at(&view.candidates).find(demands).map(|(_, bound, _)| bound)
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

/// What a fact has as a number on the wire.
pub(super) fn number(fact: &Fact) -> Option<u16> {
    fact.value.as_uint().and_then(|value| u16::try_from(value).ok())
}

/// The severity of a tier: what the device only offers is one milder.
pub(super) fn tier_severity(tier: Tier, offered: bool) -> Option<Severity> {
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

/// Whose hello it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offerer {
    /// What it offers can be forced on it.
    Device,
    /// It says nothing of the device: information, and only where the device took part.
    Peer,
}

impl Offerer {
    pub(super) fn of(view: &View<'_>) -> Option<Self> {
        if view.by_device {
            return Some(Self::Device);
        }
        view.flow.facts.has(&tls::VERSION).then_some(Self::Peer)
    }

    pub(super) fn severity(self, tier: Tier) -> Option<Severity> {
        let severity = tier_severity(tier, true)?;
        Some(if self == Self::Peer { Severity::Info } else { severity })
    }
}

fn declared_suites(subject: &Subject<'_>, view: &View<'_>) -> Vec<u16> {
    rules(subject, view).iter().flat_map(|(_, rule)| rule.suites.iter().copied()).collect()
}

fn cipher(subject: &Subject<'_>, view: &View<'_>) -> Vec<Finding> {
    let claim = deciding(subject, view, |rule| rule.policy.is_some());
    // What is declared is between the policy and the profile: one lint, not a row for each connection.
    let declared = declared_suites(subject, view);
    let negotiated = view.flow.facts.first(&tls::SUITE);
    let chosen = negotiated.and_then(number);
    let mut findings = Vec::new();
    if let (Some(fact), Some(code)) = (negotiated, chosen)
        && !declared.contains(&code)
    {
        let suite = rating::suite(subject.policy(view), code);
        if let Some(severity) = tier_severity(suite.tier, false) {
            let mut finding = at_fact(subject, &WEAK_CIPHER, view, claim, fact);
            rate(&mut finding, claim, severity);
            finding.expected = String::from("ok suites");
            finding.observed.clone_from(&suite.name);
            suite.decides(&mut finding);
            finding.message = format!(
                "{} and {} agreed on {} ({{count connection}}), which is {}: {}.",
                subject.who(),
                view.peer_port(),
                suite.name,
                suite.tier,
                if suite.known { suite.reference.as_str() } else { "the policy does not know it" }
            );
            findings.push(finding);
        }
    }
    findings.extend(offered_suites(subject, view, claim, &declared, chosen));
    findings
}

/// The worst that the device offers, or a peer that the device answered, beside what was chosen and what is declared.
fn offered_suites(
    subject: &Subject<'_>,
    view: &View<'_>,
    claim: Option<&BoundClaim>,
    declared: &[u16],
    chosen: Option<u16>,
) -> Option<Finding> {
    let by = Offerer::of(view)?;
    let policy = subject.policy(view);
    let mut offered: Vec<(Tier, u16, &Fact)> = view
        .flow
        .facts
        .of(&tls::OFFERED_SUITE)
        .filter_map(|fact| Some((number(fact)?, fact)))
        .filter(|(code, _)| Some(*code) != chosen && !declared.contains(code))
        // An unknown code point in an offer is most often newer than the table.
        .filter_map(|(code, fact)| Some((policy.suite(code)?.tier, code, fact)))
        .filter(|(tier, ..)| *tier > Tier::Ok)
        .collect();
    offered.sort_by_key(|(tier, code, _)| (std::cmp::Reverse(*tier), *code));
    let (tier, code, fact) = offered.first()?;
    let severity = by.severity(*tier)?;
    let suite = rating::suite(policy, *code);
    let alike = offered.iter().filter(|(other, ..)| other == tier).count();
    let mut finding = at_fact(subject, &WEAK_CIPHER, view, claim, fact);
    rate(&mut finding, claim, severity);
    finding.expected = String::from("ok suites");
    finding.observed = match alike {
        1 => format!("offers {}", suite.name),
        more => format!("offers {} and {} more", suite.name, more - 1),
    };
    suite.decides(&mut finding);
    let (who, to) = match by {
        Offerer::Device => (subject.who().to_owned(), view.peer_port()),
        Offerer::Peer => (view.peer_text(), format!("{} on {}", subject.who(), view.port_text())),
    };
    finding.message = format!(
        "{who} offers {alike} {tier} cipher suites to {to} ({{count connection}}), among them {}.",
        suite.name
    );
    Some(finding)
}

fn undeclared_cipher(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let (bound, rule) = rules(subject, view).into_iter().find(|(_, rule)| !rule.suites.is_empty())?;
    let fact = view.flow.facts.first(&tls::SUITE)?;
    let code = number(fact)?;
    if rule.suites.contains(&code) {
        return None;
    }
    let got = rating::suite(subject.policy(view), code);
    let best = rule
        .suites
        .iter()
        .map(|code| rating::suite(subject.policy(view), *code).tier)
        .min()
        .unwrap_or(Tier::Ok);
    // Drift is what is not for the worse: as good, or better.
    let stronger = got.tier <= best;
    let mut finding = at_fact(subject, &UNDECLARED_CIPHER, view, Some(bound), fact);
    if stronger {
        finding.status = Status::Drift;
        finding.severity = Some(Severity::Info);
    }
    let names: Vec<String> =
        rule.suites.iter().map(|code| rating::suite(subject.policy(view), *code).name.clone()).collect();
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
        Some((fact, rating::prime(subject.policy(view), bits), format!("dh{bits}")))
    });
    let by_group = facts.first(&tls::GROUP).and_then(|fact| {
        let group = rating::group(subject.policy(view), number(fact)?);
        let name = group.name.clone();
        Some((fact, group, name))
    });
    let (fact, rated, observed) = by_prime.or(by_group)?;
    let severity = tier_severity(rated.tier, false)?;
    let mut finding = at_fact(subject, &WEAK_GROUP, view, claim, fact);
    rate(&mut finding, claim, severity);
    finding.expected = String::from("ok groups");
    rated.decides(&mut finding);
    finding.message = format!(
        "{} and {} exchanged keys with {observed} ({{count connection}}), which is {}.",
        subject.who(),
        view.peer_port(),
        rated.tier
    );
    finding.observed = observed;
    Some(finding)
}
