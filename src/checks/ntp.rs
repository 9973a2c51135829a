//! Time: whether the servers that the device asks answer, refuse, or have no time themselves.
//!
//! Servers are judged by the name that led to them: a pool gives several addresses for one name, and any address
//! that the device was given for a name counts for it.

use std::collections::BTreeMap;

use super::availability::degraded;
use super::matching::Match;
use super::subject::{Subject, View, flow_rule};
use super::{Check, Code, Found, outcome};
use crate::analyzers::ntp;
use crate::model::evidence::Evidence;
use crate::model::finding::{Confidence, Severity, Status, Way};
use crate::model::{Field, Finding};
use crate::profile::BoundClaim;

/// The check.
pub(super) static CHECK: Check =
    Check { id: "ntp", codes: &[&NTP_UNANSWERED, &NTP_REFUSED, &NTP_UNSYNCHRONISED], run };

static NTP_UNANSWERED: Code = Code {
    id: "ntp-unanswered",
    title: "An NTP server never answers",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/ntp-unanswered.md"),
};
static NTP_REFUSED: Code = Code {
    id: "ntp-refused",
    title: "An NTP server refuses to serve",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/ntp-refused.md"),
};
static NTP_UNSYNCHRONISED: Code = Code {
    id: "ntp-unsynchronised",
    title: "An NTP server answers without knowing the time",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/ntp-unsynchronised.md"),
};

/// Fewer unanswered requests than this may be loss.
const ENOUGH_REQUESTS: u64 = 3;

fn run(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut servers: BTreeMap<String, Vec<&View<'_>>> = BTreeMap::new();
    for view in &subject.views {
        let asks = view.service.first() == Some(&"ntp") && view.flow.facts.has(&ntp::REQUEST);
        // Undeclared servers are undeclared, whether or not they answer.
        if asks && view.by_device && matches!(view.matched, Match::Claims(_)) {
            servers.entry(view.peer_text()).or_default().push(view);
        }
    }
    let mut findings: Vec<(usize, &View<'_>, Finding)> = Vec::new();
    let mut tally: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for views in servers.values() {
        let Some(view) = views.first() else { continue };
        let Match::Claims(claims) = &view.matched else { continue };
        let Some(index) = claims.first().copied() else { continue };
        let Some(bound) = subject.claim(index) else { continue };
        let entry = tally.entry(index).or_default();
        entry.1 += 1;
        match judge(subject, bound, views) {
            None => entry.0 += 1,
            Some(finding) => findings.push((index, view, finding)),
        }
    }
    found.extend(
        findings
            .into_iter()
            .map(|(index, view, finding)| soften(subject, finding, view, index, tally.get(&index))),
    );
}

/// What is wrong with one server; `None` if it gives the time.
fn judge(subject: &Subject<'_>, bound: &BoundClaim, views: &[&View<'_>]) -> Option<Finding> {
    let view = views.first()?;
    let requests = total(views, &ntp::REQUEST);
    let replies = total(views, &ntp::REPLY) + total(views, &ntp::UNMATCHED_REPLY);
    // INIT and STEP say that the server has no time yet; every other kiss sends the client away.
    let refuses = |kiss: &str| !matches!(kiss, "INIT" | "STEP");
    let kisses: Vec<String> = words(views, &ntp::KISS).into_iter().filter(|kiss| refuses(kiss)).collect();
    let refused: u64 = views
        .iter()
        .flat_map(|view| view.flow.facts.of(&ntp::KISS))
        .filter(|fact| fact.value.as_str().is_some_and(refuses))
        .map(|fact| fact.evidence.count)
        .sum();
    let unsynchronised = total(views, &ntp::UNSYNCHRONISED);
    let useful = replies.saturating_sub(unsynchronised).saturating_sub(refused);
    let (who, server) = (subject.who(), view.peer_text());
    if replies == 0 && subject.one_sided {
        return None;
    }
    if replies == 0 {
        let icmp = views.iter().find_map(|view| view.flow.icmp_errors.first());
        // Where nothing at all comes back, a span port that mirrors one direction explains it as well.
        let deaf = super::capture::hears_nothing(subject);
        let sure = (requests >= ENOUGH_REQUESTS && !deaf) || icmp.is_some();
        let status = if sure { Status::Obstructed } else { Status::Inconclusive };
        let confidence = if sure { Confidence::Strong } else { Confidence::Probable };
        let mut finding =
            subject.finding(&NTP_UNANSWERED, status, confidence.min(subject.absence), view, Some(bound));
        finding.evidence = evidence(views, &ntp::REQUEST);
        finding.expected = String::from("reply");
        finding.observed = icmp
            .map_or_else(|| String::from("no reply"), |error| format!("ICMP {}/{}", error.kind, error.code));
        let reading = match icmp {
            Some(error) => format!("{} sent ICMP errors instead", error.from),
            None if other_traffic_passes(subject, views) => {
                String::from("other traffic passes, so something blocks UDP port 123 or the server is down")
            }
            None if deaf => {
                format!(
                    "the capture holds nothing at all that was sent to {who}, so it may lack that direction"
                )
            }
            None => String::from("nothing else was answered meanwhile either"),
        };
        finding.message =
            format!("{who} asked {server} for the time {{count time}} and got no answer; {reading}.");
        return Some(finding);
    }
    if useful > 0 {
        return None;
    }
    if let Some(kiss) = kisses.first() {
        let mut finding =
            subject.finding(&NTP_REFUSED, Status::Obstructed, Confidence::Proven, view, Some(bound));
        finding.evidence = evidence(views, &ntp::KISS);
        finding.expected = String::from("reply");
        finding.observed = format!("kiss {kiss}");
        finding.reference = String::from("RFC 5905 section 7.4");
        finding.message = format!(
            "{server} refused {who} with {kiss} ({{count time}}): the server itself does so, not a firewall."
        );
        return Some(finding);
    }
    if unsynchronised > 0 {
        let mut finding =
            subject.finding(&NTP_UNSYNCHRONISED, Status::Obstructed, Confidence::Proven, view, Some(bound));
        finding.evidence = evidence(views, &ntp::UNSYNCHRONISED);
        finding.expected = String::from("synchronised reply");
        finding.observed = words(views, &ntp::LEAP).first().filter(|leap| *leap == "3").map_or_else(
            || format!("stratum {}", words(views, &ntp::STRATUM).join(",")),
            |_| String::from("leap 3"),
        );
        finding.reference = String::from("RFC 5905 section 7.3");
        finding.message =
            format!("{server} answered {who} {{count time}} and each time said that it has no time itself.");
        return Some(finding);
    }
    None
}

/// Enough redundant servers work: then one that does not is a degradation, not a failure.
fn soften(
    subject: &Subject<'_>,
    finding: Finding,
    view: &View<'_>,
    index: usize,
    tally: Option<&(usize, usize)>,
) -> Finding {
    let Some((working, tried)) = tally.copied() else { return finding };
    let Some(bound) = subject.claim(index) else { return finding };
    let needed = flow_rule(bound).map_or(1, |rule| rule.at_least.max(1));
    if working < needed || finding.status != Status::Obstructed {
        return finding;
    }
    Finding { evidence: finding.evidence, ..degraded(subject, bound, view, working, tried) }
}

/// Whether the device got answers from beyond its LAN while these requests went unanswered.
fn other_traffic_passes(subject: &Subject<'_>, views: &[&View<'_>]) -> bool {
    let first = views.iter().map(|view| view.flow.first.at).min();
    subject.views.iter().any(|view| {
        view.way == Way::Out
            && view.service.first() != Some(&"ntp")
            && outcome::of(view).answered()
            && Some(view.flow.last.at) >= first
    })
}

fn total(views: &[&View<'_>], field: &'static Field) -> u64 {
    views.iter().map(|view| view.flow.facts.count(field)).sum()
}

fn words(views: &[&View<'_>], field: &'static Field) -> Vec<String> {
    let mut all: Vec<String> =
        views.iter().flat_map(|view| view.flow.facts.of(field)).map(|fact| fact.value.to_string()).collect();
    all.sort();
    all.dedup();
    all
}

/// Every sighting of `field` in these flows.
fn evidence(views: &[&View<'_>], field: &'static Field) -> Option<Evidence> {
    let mut all = views.iter().flat_map(|view| view.flow.facts.of(field)).map(|fact| &fact.evidence);
    let mut sum = all.next()?.clone();
    all.for_each(|other| sum.merge(other));
    Some(sum)
}
