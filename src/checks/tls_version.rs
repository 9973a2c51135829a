//! Versions of TLS, as negotiated and as offered; the check is [`tls`](super::tls).

use super::subject::{Subject, View};
use super::tls::{Offerer, at_fact, deciding, equivalent, number, rate, rules, tier_severity, version_text};
use super::{Code, rating};
use crate::analyzers::tls;
use crate::model::Finding;
use crate::model::finding::{Severity, Status};
use crate::model::observation::Fact;
use crate::profile::BoundClaim;
use crate::profile::tls_policy::{Tier, TlsPolicy};

pub(super) static WEAK_TLS_VERSION: Code = Code {
    id: "weak-tls-version",
    title: "An outdated TLS version is negotiated or offered",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/weak-tls-version.md"),
};
pub(super) static UNDECLARED_TLS_VERSION: Code = Code {
    id: "undeclared-tls-version",
    title: "A newer TLS version than the declared ones is negotiated",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/undeclared-tls-version.md"),
};
pub(super) fn version(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let claim = deciding(subject, view, |rule| rule.min_version.is_some());
    let declared = rules(subject, view).iter().filter_map(|(_, rule)| rule.min_version).max();
    let policy = subject.policy(view);
    let Some(fact) = view.flow.facts.first(&tls::VERSION) else {
        return offered_version(subject, view, claim, declared);
    };
    let version = number(fact)?;
    let rated = rating::version(policy, equivalent(version));
    let below = declared.is_some_and(|least| equivalent(version) < least);
    // What is declared is between the policy and the profile: one lint, not a row for each connection.
    if !below && (rated.tier == Tier::Ok || is_declared(subject, view, equivalent(version))) {
        return offered_version(subject, view, claim, declared);
    }
    let mut finding = at_fact(subject, &WEAK_TLS_VERSION, view, claim, fact);
    rate(&mut finding, claim, tier_severity(rated.tier, false).unwrap_or(Severity::Error));
    finding.expected = at_least(declared, policy);
    finding.observed = version_text(version);
    if rated.tier > Tier::Ok {
        rated.decides(&mut finding);
    }
    finding.message = format!(
        "{} and {} agreed on {} ({{count connection}}).",
        subject.who(),
        view.peer_port(),
        version_text(version)
    );
    Some(finding)
}

/// `tls>=1.2`: what is declared, or what the policy calls ok where that is more.
fn at_least(declared: Option<u16>, policy: &TlsPolicy) -> String {
    let least = declared.max(policy.least_version()).unwrap_or(0x0303);
    format!("tls>={}", version_text(least).trim_start_matches("tls"))
}

/// Whether a claim declares this version: it is between the bounds, or the upper one where that stands alone.
fn is_declared(subject: &Subject<'_>, view: &View<'_>, version: u16) -> bool {
    rules(subject, view).iter().any(|(_, rule)| match (rule.min_version, rule.max_version) {
        (Some(min), max) => min <= version && max.is_none_or(|max| version <= max),
        (None, max) => max == Some(version),
    })
}

/// Old versions in a hello: of the device, or of a peer that the device answered.
fn offered_version(
    subject: &Subject<'_>,
    view: &View<'_>,
    claim: Option<&BoundClaim>,
    declared: Option<u16>,
) -> Option<Finding> {
    let facts = &view.flow.facts;
    let by = Offerer::of(view)?;
    let offers: Vec<(u16, &Fact)> =
        facts.of(&tls::OFFERED_VERSION).filter_map(|fact| Some((number(fact)?, fact))).collect();
    let best = offers.iter().map(|(version, _)| equivalent(*version)).max().unwrap_or(0x0304);
    let undeclared = |(version, _): &&(u16, &Fact)| {
        declared.is_some_and(|least| equivalent(*version) < least)
            || !is_declared(subject, view, equivalent(*version))
    };
    let (worst, fact) = offers.iter().filter(undeclared).min_by_key(|(version, _)| equivalent(*version))?;
    let policy = subject.policy(view);
    let rated = rating::version(policy, equivalent(*worst));
    // Beside a good version an old one is only discouraged; where it is the best, it is as weak as it is.
    let tier = if rating::version(policy, best).tier == Tier::Ok {
        rated.tier.min(Tier::Discouraged)
    } else {
        rated.tier
    };
    let severity = by.severity(tier)?;
    let mut finding = at_fact(subject, &WEAK_TLS_VERSION, view, claim, fact);
    rate(&mut finding, claim, severity);
    finding.expected = at_least(declared, policy);
    finding.observed = format!("offers {}", version_text(*worst));
    rated.decides(&mut finding);
    finding.message = match by {
        Offerer::Device => format!(
            "{} offers {} to {} ({{count connection}}), which a good server does not choose.",
            subject.who(),
            version_text(*worst),
            view.peer_port()
        ),
        Offerer::Peer => format!(
            "{} offers {} to {} on {} ({{count connection}}), which did not choose it.",
            view.peer_text(),
            version_text(*worst),
            subject.who(),
            view.port_text()
        ),
    };
    Some(finding)
}

/// What is newer than all that is declared is not for the worse, and yet not what was declared.
pub(super) fn above_declared(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let rules = rules(subject, view);
    let (bound, most) = rules
        .iter()
        .filter_map(|(bound, rule)| Some((*bound, rule.max_version?)))
        .max_by_key(|(_, most)| *most)?;
    // Another claim that says nothing of it opens what this one does not.
    if rules.iter().any(|(_, rule)| rule.min_version.is_some() && rule.max_version.is_none()) {
        return None;
    }
    let fact = view.flow.facts.first(&tls::VERSION)?;
    let version = number(fact).filter(|version| equivalent(*version) > most)?;
    let mut finding = at_fact(subject, &UNDECLARED_TLS_VERSION, view, Some(bound), fact);
    finding.status = Status::Drift;
    finding.severity = Some(Severity::Info);
    finding.expected = format!("tls<={}", version_text(most).trim_start_matches("tls"));
    finding.observed = version_text(version);
    finding.message = format!(
        "{} and {} agreed on {} ({{count connection}}), which is newer than what {} declares.",
        subject.who(),
        view.peer_port(),
        version_text(version),
        bound.claim.id
    );
    Some(finding)
}
