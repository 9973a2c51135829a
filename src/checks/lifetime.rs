//! How long connections live, and what ends them.
//!
//! A declared long-running connection may be closed by its two ends only. What cuts one is told from the packets of its
//! end: a reset whose TTL is not that side's, or data that nothing answers any more. A FIN is an endpoint's, as far as
//! packets show, and so is never a cut.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::matching::Match;
use super::subject::{Subject, View, flow_evidence, flow_rule};
use super::{Check, Code, Found, inside, outcome};
use crate::model::evidence::{Evidence, Seen};
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::flow::{End, TcpFacts};
use crate::model::{Direction, Finding, FlowId};
use crate::profile::{BoundClaim, Level, LifetimeRule};

/// The check.
pub(super) static CHECK: Check = Check {
    id: "lifetime",
    codes: &[&CONNECTION_CUT, &IDLE_TIMEOUT, &LIFETIME_EXCEEDED, &LIFETIME_TOO_SHORT, &RECONNECT_LOOP],
    run,
};

static CONNECTION_CUT: Code = Code {
    id: "connection-cut",
    title: "Something on the path ends a connection that is to stay open",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/connection-cut.md"),
};
static IDLE_TIMEOUT: Code = Code {
    id: "idle-timeout",
    title: "Something ends connections after a fixed time without data",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/idle-timeout.md"),
};
static LIFETIME_EXCEEDED: Code = Code {
    id: "lifetime-exceeded",
    title: "A connection stays open longer than declared",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/lifetime-exceeded.md"),
};
static LIFETIME_TOO_SHORT: Code = Code {
    id: "lifetime-too-short",
    title: "A connection ends sooner than declared",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/lifetime-too-short.md"),
};
static RECONNECT_LOOP: Code = Code {
    id: "reconnect-loop",
    title: "The device connects again and again without getting to work",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/reconnect-loop.md"),
};

/// Idle times that shipped products cut at, in seconds, and whose defaults they are.
const KNOWN_TIMERS: &[(u64, &str)] = &[
    (30, "short NAT and firewall timers"),
    (55, "the Heroku router"),
    (60, "nginx, HAProxy and AWS load balancers"),
    (100, "Cloudflare"),
    (120, "cellular NAT"),
    (240, "Azure load balancers"),
    (300, "home NAT and many firewalls"),
    (350, "AWS network load balancers"),
    (600, "firewalls"),
    (900, "firewalls"),
    (1800, "firewalls"),
    (3600, "firewalls"),
    (7200, "firewalls"),
];

/// Idle gaps shorter than this are traffic, not idleness.
const LEAST_IDLE: Duration = Duration::from_secs(5);

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    let mut limits: BTreeMap<FlowId, Vec<Finding>> = BTreeMap::new();
    let mut cut_peers: BTreeSet<PeerPort> = BTreeSet::new();
    let latest = latest_attempts(subject);
    for (index, bound) in subject.active_claims() {
        let Some(rule) = flow_rule(bound).and_then(|rule| rule.lifetime) else { continue };
        let selected = |view: &&View<'_>| matches!(view.matched, Match::Claims(_)) && view.flow.tcp.is_some();
        let mut groups: BTreeMap<PeerPort, Vec<&View<'_>>> = BTreeMap::new();
        for view in subject.views_under(index).filter(selected) {
            groups.entry((view.peer_text(), view.port)).or_default().push(view);
        }
        for (peer, views) in groups {
            if rule.long_running && !cut_peers.contains(&peer) {
                let cut = cuts(subject, bound, &views, latest.get(&peer).copied());
                if !cut.is_empty() {
                    cut_peers.insert(peer);
                }
                findings.extend(cut);
                findings.extend(reconnects(subject, bound, &views));
            }
            for view in &views {
                limits.entry(view.flow.id).or_default().extend(bounds(subject, bound, rule, view));
            }
        }
    }
    // Several claims may limit one connection; the gravest of what they say is enough.
    findings.extend(
        limits.into_values().filter_map(|list| list.into_iter().max_by_key(|finding| finding.severity)),
    );
}

/// A connection that the other side ended so soon did no work.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// A device that comes back within this time has not given up.
const COMES_BACK: Duration = Duration::from_mins(1);
/// So many in a row are a loop.
const LOOP: usize = 5;

/// A required long-running connection is opened again and again, and the other side ends it each time at once.
fn reconnects(subject: &Subject<'_>, bound: &BoundClaim, views: &[&View<'_>]) -> Option<Finding> {
    if bound.claim.level != Level::Required {
        return None;
    }
    let turned_away = |view: &View<'_>| {
        let device = if view.by_device { Direction::OrigToResp } else { Direction::RespToOrig };
        let tcp = view.flow.tcp.as_deref()?;
        let seen = tcp.end_seen?;
        let by_peer = matches!(tcp.end, End::Fin(from) | End::Rst(from) if from != device);
        let soon = seen.at.since(view.flow.first.at) <= SHORT_LIFE;
        (by_peer && soon && outcome::of(view).answered() && view.by_device).then_some(seen)
    };
    let mut longest: Vec<&View<'_>> = Vec::new();
    let mut row: Vec<&View<'_>> = Vec::new();
    let mut ended: Option<Seen> = None;
    for view in views {
        let Some(end) = turned_away(view) else {
            row.clear();
            continue;
        };
        if ended.is_none_or(|last| view.flow.first.at.since(last.at) > COMES_BACK) {
            row.clear();
        }
        row.push(view);
        ended = Some(end);
        if row.len() > longest.len() {
            longest.clone_from(&row);
        }
    }
    let first = longest.first().filter(|_| longest.len() >= LOOP)?;
    let mut finding =
        subject.finding(&RECONNECT_LOOP, Status::Obstructed, Confidence::Probable, first, Some(bound));
    let mut evidence = flow_evidence(first.flow);
    longest.iter().skip(1).for_each(|view| evidence.merge(&flow_evidence(view.flow)));
    finding.evidence = Some(evidence);
    finding.expected = String::from("one long connection");
    finding.observed = format!("ended by the peer within {} s, again and again", SHORT_LIFE.as_secs());
    finding.message = format!(
        "{} opened {{count connection}} to {} in a row, and the other side ended each within {} s.",
        subject.who(),
        first.peer_port(),
        SHORT_LIFE.as_secs()
    );
    Some(finding)
}

/// What a peer is called, and its port.
type PeerPort = (String, Option<u16>);

/// When the device last opened a connection to each peer and port.
fn latest_attempts(subject: &Subject<'_>) -> BTreeMap<PeerPort, Seen> {
    let mut latest: BTreeMap<PeerPort, Seen> = BTreeMap::new();
    for view in subject.views.iter().filter(|view| view.by_device) {
        let last = latest.entry((view.peer_text(), view.port)).or_insert(view.flow.first);
        *last = (*last).max(view.flow.first);
    }
    latest
}

/// One connection that something other than its ends ended.
struct Cut<'v> {
    view: &'v View<'v>,
    how: How,
    at: Seen,
    idle: Duration,
    life: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    /// A reset that does not come from where that side's packets come from.
    ForeignReset,
    /// Data that nothing answers any more.
    Silence,
    /// A reset from as far away as the peer, after idling.
    PeerReset,
}

impl How {
    fn word(self) -> &'static str {
        match self {
            Self::ForeignReset => "RST by a box on the path",
            Self::Silence => "silently dropped",
            Self::PeerReset => "RST by the peer",
        }
    }
}

/// How `view` was cut, if it was. The device opened its `latest` connection to the same peer and port then.
fn cut<'v>(view: &'v View<'v>, latest: Option<Seen>) -> Option<Cut<'v>> {
    let tcp = view.flow.tcp.as_deref()?;
    if !outcome::of(view).answered() {
        return None;
    }
    let at = tcp.end_seen?;
    let idle = tcp.idle_before_end.unwrap_or_default();
    let device = if view.by_device { Direction::OrigToResp } else { Direction::RespToOrig };
    let how = match tcp.end {
        End::Rst(from) if foreign(tcp, from) => How::ForeignReset,
        End::Rst(from) if from != device && idle >= LEAST_IDLE => How::PeerReset,
        // The device has given up the connection that nothing answers: it made another.
        End::Silence(from) if from == device && (retried(tcp, from) || latest > Some(at)) => How::Silence,
        _ => return None,
    };
    Some(Cut { view, how, at, idle, life: at.at.since(view.flow.first.at) })
}

/// Whether the reset's TTL is none that its side had used.
fn foreign(tcp: &TcpFacts, from: Direction) -> bool {
    let Some(((low, high), hops)) = (*tcp.hop_limits.of(from)).zip(tcp.end_hop_limit) else { return false };
    !(low..=high).contains(&hops)
}

fn retried(tcp: &TcpFacts, from: Direction) -> bool {
    *tcp.unanswered.of(from) >= 2
}

/// What the cut connections to one peer and port have in common.
fn cuts(
    subject: &Subject<'_>,
    bound: &BoundClaim,
    views: &[&View<'_>],
    latest: Option<Seen>,
) -> Vec<Finding> {
    let cuts: Vec<Cut<'_>> = views.iter().filter_map(|view| cut(view, latest)).collect();
    let mut by_how: BTreeMap<How, Vec<&Cut<'_>>> = BTreeMap::new();
    for cut in &cuts {
        by_how.entry(cut.how).or_default().push(cut);
    }
    by_how.into_iter().filter_map(|(how, cuts)| describe(subject, bound, how, &cuts)).collect()
}

fn describe(subject: &Subject<'_>, bound: &BoundClaim, how: How, cuts: &[&Cut<'_>]) -> Option<Finding> {
    let first = cuts.first()?;
    let idles: Vec<Duration> = cuts.iter().map(|cut| cut.idle).collect();
    let lives: Vec<Duration> = cuts.iter().map(|cut| cut.life).collect();
    let idle_timer = clustered(&idles).filter(|time| *time >= LEAST_IDLE);
    let life_timer = clustered(&lives).filter(|_| idle_timer.is_none());
    if how == How::PeerReset && idle_timer.is_none() {
        // A peer may reset when it likes; only a timer shows that something does it for being idle.
        return None;
    }
    if cuts.len() < 2 && bound.claim.level != Level::Required {
        // Single connections end abruptly for many harmless reasons.
        return None;
    }
    let confidence = match (how, cuts.len(), idle_timer.or(life_timer).is_some()) {
        (How::ForeignReset, 2.., _) | (How::Silence, 3.., true) => Confidence::Strong,
        _ => Confidence::Probable,
    };
    let code = if idle_timer.is_some() { &IDLE_TIMEOUT } else { &CONNECTION_CUT };
    let mut finding =
        subject.finding(code, Status::Obstructed, confidence.min(subject.absence), first.view, Some(bound));
    finding.evidence = evidence(cuts);
    finding.expected = String::from("closed by an endpoint");
    let pattern = match (idle_timer, life_timer) {
        (Some(idle), _) => format!("after {} s idle", round(idle)),
        (None, Some(life)) => format!("after {} s in all", round(life)),
        (None, None) => String::from("at no fixed time"),
    };
    finding.observed = match (how, idle_timer) {
        (How::Silence, Some(idle)) => format!("{} within {} s idle", how.word(), round(idle)),
        _ => format!("{} {pattern}", how.word()),
    };
    // A reset comes when the timer ends; silence is only noticed when the device next speaks.
    let (pattern, timer) = match (how, idle_timer) {
        (How::Silence, Some(idle)) => (format!("at some time in {} s without data", round(idle)), None),
        _ => (pattern, idle_timer),
    };
    let hint = timer.and_then(known).map(|whose| format!(", a default of {whose}")).unwrap_or_default();
    finding.message = format!(
        "{{count connection}} of {} to {}{} ended without either side closing: {} {pattern}{hint}.{}",
        subject.who(),
        first.view.peer_port(),
        inferred(bound, first.view),
        how.word(),
        who_did(how, first)
    );
    Some(finding)
}

/// Says which protocol is meant where encryption hides it.
fn inferred(bound: &BoundClaim, view: &View<'_>) -> String {
    let hidden = flow_rule(bound)
        .into_iter()
        .flat_map(|rule| &rule.services)
        .find(|chain| view.service == ["tls"] && chain.starts_with("tls/"));
    let seen = inside::of(view);
    hidden
        .map(|chain| match seen.filter(|inferred| inferred.supports(chain) == Some(true)) {
            Some(inferred) => format!(" (inside TLS; the claim says {chain}, and {})", inferred.text()),
            None => format!(" (inside TLS; that it is {chain} is inferred from the claim)"),
        })
        .unwrap_or_default()
}

/// Where the box is, as far as the reset's TTL tells.
fn who_did(how: How, cut: &Cut<'_>) -> &'static str {
    let hops = cut.view.flow.tcp.as_deref().and_then(|tcp| tcp.end_hop_limit);
    match (how, hops) {
        (How::ForeignReset, Some(63 | 64 | 127 | 128 | 254 | 255)) => {
            " The reset comes from at most one hop away: a firewall or NAT of this site."
        }
        (How::PeerReset, _) => " The reset comes from as far as the peer: its load balancer, not this site.",
        _ => "",
    }
}

fn evidence(cuts: &[&Cut<'_>]) -> Option<Evidence> {
    let mut all = cuts.iter().map(|cut| Evidence::once(cut.at));
    let mut sum = all.next()?;
    all.for_each(|one| sum.merge(&one));
    Some(sum)
}

/// The common value of at least three times: coefficient of variation below 5 %, or all within 2 s of a known timer.
fn clustered(times: &[Duration]) -> Option<Duration> {
    if times.len() < 3 {
        return None;
    }
    let secs: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    let mean = secs.iter().sum::<f64>() / secs.len() as f64;
    let variance = secs.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / secs.len() as f64;
    let near_timer =
        KNOWN_TIMERS.iter().any(|(timer, _)| secs.iter().all(|t| (t - *timer as f64).abs() <= 2.0));
    (near_timer || variance.sqrt() < 0.05 * mean).then(|| Duration::from_secs_f64(mean))
}

fn known(time: Duration) -> Option<&'static str> {
    let near = |(timer, _): &&(u64, &str)| (time.as_secs_f64() - *timer as f64).abs() <= 2.0;
    KNOWN_TIMERS.iter().find(near).map(|(_, whose)| *whose)
}

fn round(time: Duration) -> u64 {
    time.as_secs_f64().round() as u64
}

/// Declared least and greatest life, and the time that a finished transfer may keep its connection.
fn bounds(subject: &Subject<'_>, bound: &BoundClaim, rule: LifetimeRule, view: &View<'_>) -> Option<Finding> {
    let tcp = view.flow.tcp.as_deref()?;
    if !outcome::of(view).answered() {
        return None;
    }
    let ended = tcp.end != End::Open;
    let end = if ended { tcp.end_seen.unwrap_or(view.flow.last).at } else { subject.span.1 };
    let life = end.since(view.flow.first.at);
    let last_data = tcp.last_data.orig.max(tcp.last_data.resp).map_or(view.flow.first, |seen| seen);
    let pause = tcp.idle_before_end.filter(|_| ended).unwrap_or_else(|| end.since(last_data.at));
    // A close_notify that the other side answers with its FIN is payload too: then the pause before it is what counts.
    let tail = if pause < Duration::from_secs(1) { pause.max(tcp.longest_idle) } else { pause };
    let at_least = if ended { "" } else { "at least " };
    let too_long = match (rule.max, rule.max_idle_tail) {
        (Some(max), _) if life > max => {
            Some((format!("life<={} s", max.as_secs()), format!("{} s", round(life)), life))
        }
        (_, Some(max)) if tail > max => Some((
            format!("close within {} s", max.as_secs()),
            format!("idle {} s before close", round(tail)),
            tail,
        )),
        _ => None,
    };
    if let Some((expected, observed, _)) = too_long {
        let mut finding =
            subject.finding(&LIFETIME_EXCEEDED, Status::Violation, Confidence::Strong, view, Some(bound));
        finding.evidence = Some(ends(view));
        finding.message = format!(
            "{} kept {{count connection}} to {} open for {at_least}{} s, {at_least}{} s of it after the last data; {} declares {expected}.",
            subject.who(),
            view.peer_port(),
            round(life),
            round(tail),
            bound.claim.id
        );
        finding.expected = expected;
        finding.observed = observed;
        return Some(finding);
    }
    let min = rule.min.filter(|min| ended && life < *min && !tcp.midstream)?;
    let mut finding =
        subject.finding(&LIFETIME_TOO_SHORT, Status::Violation, Confidence::Strong, view, Some(bound));
    finding.evidence = Some(ends(view));
    finding.expected = format!("life>={} s", min.as_secs());
    finding.observed = format!("{} s", round(life));
    finding.message = format!(
        "{{count connection}} of {} to {} lived {} s; {} declares at least {} s.",
        subject.who(),
        view.peer_port(),
        round(life),
        bound.claim.id,
        min.as_secs()
    );
    Some(finding)
}

fn ends(view: &View<'_>) -> Evidence {
    let mut evidence = flow_evidence(view.flow);
    if let Some(end) = view.flow.tcp.as_deref().and_then(|tcp| tcp.end_seen) {
        evidence.merge(&Evidence::once(end));
        evidence.count = 1;
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(times: &[f64]) -> Vec<Duration> {
        times.iter().copied().map(Duration::from_secs_f64).collect()
    }

    #[test]
    fn three_like_gaps_are_a_timer_and_two_are_not() {
        assert_eq!(clustered(&seconds(&[60.1, 59.9])), None);
        assert_eq!(clustered(&seconds(&[60.1, 59.9, 60.0])).map(round), Some(60));
        assert_eq!(clustered(&seconds(&[29.0, 31.5, 30.2])).map(round), Some(30));
        assert_eq!(clustered(&seconds(&[20.0, 45.0, 300.0])), None);
    }
}
