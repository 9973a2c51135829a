//! What became of each claim: the rows that only `--all` shows, and the coverage line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::matching::Match;
use super::subject::{Subject, View, flow_evidence, peers_of};
use super::{Code, dns, outcome};
use crate::analyzers::tls;
use crate::analyzers::websocket::fields as websocket;
use crate::model::Finding;
use crate::model::evidence::Evidence;
use crate::model::finding::{Confidence, Severity, Status};
use crate::profile::{BoundClaim, ClaimState, FlowRule, Level, ProxyRule, Rule, TlsRule};

static CLAIM: Code =
    Code { id: "claim", title: "What became of a claim", severity: Severity::Info, since: "0.1", page: "" };

/// How many of a profile's statements were put to the test, and how they fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Statements of the profile, checkable or not.
    pub declared: usize,
    /// Those that packets can show and that apply to this device and variant.
    pub checkable: usize,
    /// Those that something in the capture touched.
    pub exercised: usize,
    /// Those that hold.
    pub conform: usize,
    /// Those with at least one discrepancy.
    pub discrepancies: usize,
    /// Those that nothing touched.
    pub not_exercised: usize,
    /// Those that are encrypted or beyond packets here.
    pub not_visible: usize,
    /// Those that depend on what nobody bound.
    pub unbound: usize,
    /// Those that bind somebody else than the one who is judged.
    pub others: usize,
}

/// Counts `rows` (one per claim without discrepancy) and the claims that `findings` name.
pub fn coverage<'f>(
    subject: &Subject<'_>,
    findings: impl Iterator<Item = &'f Finding>,
    rows: &'f [Finding],
) -> Coverage {
    let profile = &subject.declaration.profile;
    let not_checkable: BTreeSet<&str> =
        profile.not_checkable.iter().map(|statement| statement.id.as_str()).collect();
    let binds_other = |bound: &&BoundClaim| bound.state == ClaimState::OtherSubject;
    let others: BTreeSet<&str> =
        subject.declaration.claims.iter().filter(binds_other).map(|bound| bound.claim.id.as_str()).collect();
    let mut statements: BTreeMap<&str, Fate> = BTreeMap::new();
    let fates = rows.iter().map(|row| {
        let other = others.contains(row.claim.as_str());
        (row.claim.as_str(), if other { Fate::BindsOther } else { fate(row, &not_checkable) })
    });
    let found =
        findings.filter(|finding| !finding.claim.is_empty()).map(|f| (f.claim.as_str(), Fate::Discrepancy));
    for (id, fate) in fates.chain(found) {
        let worst = statements.entry(statement(id)).or_insert(fate);
        *worst = (*worst).max(fate);
    }
    let count = |fate: Fate| statements.values().filter(|other| **other == fate).count();
    let (conform, discrepancies, hidden) =
        (count(Fate::Conforms), count(Fate::Discrepancy), count(Fate::Hidden));
    Coverage {
        declared: statements.len(),
        checkable: statements.len()
            - count(Fate::NotCheckable)
            - count(Fate::Unbound)
            - count(Fate::BindsOther),
        exercised: conform + discrepancies + hidden,
        conform,
        discrepancies,
        not_exercised: count(Fate::NotExercised),
        not_visible: hidden + count(Fate::NotCheckable),
        unbound: count(Fate::Unbound),
        others: count(Fate::BindsOther),
    }
}

/// What became of a statement, from what says least of it to what says most: a statement that several claims spell out
/// counts once, by the claim that says most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    BindsOther,
    NotCheckable,
    Unbound,
    NotExercised,
    Hidden,
    Conforms,
    Discrepancy,
}

fn fate(row: &Finding, not_checkable: &BTreeSet<&str>) -> Fate {
    match row.status {
        Status::Conforms => Fate::Conforms,
        Status::Unbound => Fate::Unbound,
        Status::Unobservable if not_checkable.contains(row.claim.as_str()) => Fate::NotCheckable,
        Status::Unobservable => Fate::Hidden,
        _ => Fate::NotExercised,
    }
}

/// The statement that a claim spells out: `FB-07` of `FB-07b`.
fn statement(id: &str) -> &str {
    let trimmed = id.trim_end_matches(|c: char| c.is_ascii_lowercase());
    if trimmed.ends_with(|c: char| c.is_ascii_digit()) { trimmed } else { id }
}

/// One row for every statement that no finding names.
pub fn claim_rows<'f>(subject: &Subject<'_>, findings: impl Iterator<Item = &'f Finding>) -> Vec<Finding> {
    let named: BTreeSet<&str> = findings.map(|finding| finding.claim.as_str()).collect();
    let mut rows = Vec::new();
    for (index, bound) in subject.declaration.claims.iter().enumerate() {
        if named.contains(bound.claim.id.as_str()) {
            continue;
        }
        let (status, evidence, message) = standing(subject, index, bound);
        let mut row =
            subject.bare_finding(&CLAIM, status, Confidence::Strong.min(subject.absence), Some(bound));
        row.expected.clone_from(&bound.claim.title);
        row.evidence = evidence;
        row.message = message;
        rows.push(row);
    }
    for statement in &subject.declaration.profile.not_checkable {
        let mut row = subject.bare_finding(&CLAIM, Status::Unobservable, Confidence::Strong, None);
        row.claim.clone_from(&statement.id);
        row.reference = format!("{} {}", subject.declaration.profile.name, statement.id);
        row.expected.clone_from(&statement.title);
        row.message.clone_from(&statement.reason);
        rows.push(row);
    }
    rows
}

type Standing = (Status, Option<Evidence>, String);

fn standing(subject: &Subject<'_>, index: usize, bound: &BoundClaim) -> Standing {
    let none = |status, message: String| (status, None, message);
    match &bound.state {
        ClaimState::OtherSubject => none(
            Status::NotExercised,
            format!("This binds the {}, not the {}.", bound.claim.subject, subject.declaration.subject),
        ),
        ClaimState::Inactive(why) => none(Status::NotExercised, format!("Does not apply: {why}.")),
        ClaimState::Unbound(what) => unbound(subject, index, what),
        ClaimState::Active | ClaimState::Noted(_) => match &bound.claim.rule {
            Rule::Flow(rule) => flow_standing(subject, index, bound, rule),
            Rule::Proxy(rule) => proxy_standing(subject, *rule),
            _ => match dns::names_evidence(subject, bound) {
                Some(evidence) => (Status::Conforms, Some(evidence), String::from("As declared.")),
                None if dns::looked_up(subject, bound) => none(
                    Status::Unobservable,
                    String::from(
                        "Looked up, but what the answers hold says nothing of it (addresses outside the Internet, or none shared).",
                    ),
                ),
                None => none(Status::NotExercised, String::from("No look-up in this capture shows it.")),
            },
        },
    }
}

/// What depends on something that nobody bound may be what some connections are about, which nothing else declares.
fn unbound(subject: &Subject<'_>, index: usize, what: &str) -> Standing {
    let may_be = |view: &&View<'_>| view.matched == Match::Undetermined(index);
    let touching: Vec<&View<'_>> = subject.views.iter().filter(may_be).collect();
    let message = format!("Depends on `{what}`, which nobody bound (--variant or --set)");
    match joined(&touching) {
        Some(evidence) => {
            let peers: Vec<String> = peers_of(touching.iter().copied()).into_iter().take(MAX_PEERS).collect();
            let noun = if touching.len() == 1 { "connection" } else { "connections" };
            let (count, peers) = (touching.len(), peers.join(", "));
            let message =
                format!("{message}; {count} {noun} that nothing else declares may be of it, with {peers}.");
            (Status::Unbound, Some(evidence), message)
        }
        None => (Status::Unbound, None, format!("{message}.")),
    }
}

/// Peers that a message names.
const MAX_PEERS: usize = 3;

fn flow_standing(subject: &Subject<'_>, index: usize, bound: &BoundClaim, rule: &FlowRule) -> Standing {
    let forbidden = bound.claim.level == Level::Forbidden;
    let touching: Vec<&View<'_>> = subject.views_under(index).collect();
    if forbidden || rule.blocked {
        let refused: Vec<&View<'_>> =
            touching.into_iter().filter(|view| !outcome::of(view).answered()).collect();
        return match joined(&refused) {
            Some(evidence) => (Status::Conforms, Some(evidence), String::from("Tried, and not answered.")),
            None => (Status::NotExercised, None, String::from("Nothing in this capture tried it.")),
        };
    }
    if touching.is_empty() {
        return (Status::NotExercised, None, String::from("Nothing in this capture touched it."));
    }
    let worked: Vec<&View<'_>> = touching.iter().copied().filter(|view| outcome::worked(view)).collect();
    if worked.is_empty() {
        let message = "It was tried, and this capture does not show how it went.";
        return (Status::Unobservable, joined(&touching), String::from(message));
    }
    let (status, showing, message) = shown(rule, &worked);
    let message = match (&bound.state, status) {
        (ClaimState::Noted(note), Status::Conforms) => format!("{message}; {note}."),
        _ => format!("{message}."),
    };
    (status, joined(if showing.is_empty() { &worked } else { &showing }), message)
}

/// What the connections that worked show of what a rule demands beyond being possible: the status, and those that show it.
fn shown<'v>(rule: &FlowRule, worked: &[&'v View<'v>]) -> (Status, Vec<&'v View<'v>>, String) {
    let having = |test: &dyn Fn(&View<'_>) -> bool| -> Vec<&'v View<'v>> {
        worked.iter().copied().filter(|view| test(view)).collect()
    };
    let hidden = |message: &str| (Status::Unobservable, Vec::new(), String::from(message));
    if rule.tls.as_ref().is_some_and(only_hidden) {
        let showing = having(&|view| view.certificates().has(&tls::CERTIFICATE_KEY_BITS));
        if showing.is_empty() {
            return hidden(
                "The certificates of these connections are not visible: TLS 1.3 encrypts them, and a resumed session sends none (the handshake that issued it is not in the capture)",
            );
        }
        let message = format!(
            "As declared, in the {} of {} connections that show certificates{}",
            showing.len(),
            worked.len(),
            if showing.iter().any(|view| view.session.is_some()) {
                " or resume a session that did"
            } else {
                ""
            }
        );
        return (Status::Conforms, showing, message);
    }
    if rule.websocket {
        let showing = having(&|view| view.flow.facts.has(&websocket::ACCEPTED));
        if showing.is_empty() {
            return hidden("Whether a WebSocket was asked for is inside the encryption");
        }
        return (Status::Conforms, showing, String::from("As declared"));
    }
    if rule.encrypted {
        let showing = having(&|view| view.has_tls());
        if showing.is_empty() {
            return hidden("No content was seen, encrypted or not");
        }
        return (Status::Conforms, showing, String::from("As declared"));
    }
    if rule.lifetime.is_some_and(|lifetime| lifetime.long_running) {
        let showing = having(&|view| view.flow.duration() >= LONG_ENOUGH);
        let longest = worked.iter().map(|view| view.flow.duration()).max().unwrap_or_default();
        if showing.is_empty() {
            let message = "Only short connections were seen, so nothing had the time to cut one";
            return (Status::NotExercised, Vec::new(), String::from(message));
        }
        return (
            Status::Conforms,
            showing,
            format!("As declared; the longest connection lived for at least {} s", longest.as_secs()),
        );
    }
    (Status::Conforms, worked.to_vec(), String::from("As declared"))
}

/// A connection that lived so long tells something of whether long ones are cut: the shortest of the usual timers.
const LONG_ENOUGH: Duration = Duration::from_secs(30);

/// Whether everything a TLS rule says is about certificates.
fn only_hidden(rule: &TlsRule) -> bool {
    let visible = TlsRule {
        min_version: rule.min_version,
        max_version: rule.max_version,
        suites: rule.suites.clone(),
        alpn: rule.alpn.clone(),
        policy: rule.policy.clone(),
        offers: rule.offers.clone(),
        ..TlsRule::default()
    };
    visible == TlsRule::default() && *rule != TlsRule::default()
}

fn proxy_standing(subject: &Subject<'_>, rule: ProxyRule) -> Standing {
    let through: Vec<&View<'_>> = subject.views.iter().filter(|view| view.is_proxy).collect();
    match (rule, joined(&through)) {
        (ProxyRule::Forbidden, _) | (_, None) => {
            (Status::NotExercised, None, String::from("No proxy was used in this capture."))
        }
        (_, evidence) => (Status::Conforms, evidence, String::from("As declared.")),
    }
}

fn joined(views: &[&View<'_>]) -> Option<Evidence> {
    let mut all = views.iter().map(|view| flow_evidence(view.flow));
    let mut sum = all.next()?;
    all.for_each(|one| sum.merge(&one));
    Some(sum)
}
