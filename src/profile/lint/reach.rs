//! Claims that never decide anything, and constraints that are never looked at.

use super::super::schema::UNBOUND;
use super::super::{Condition, FlowRule, Level, Profile};
use super::compare::{self, conditions_exclude, peers_reach, peers_within, shape_within};
use super::transport::level_key;
use super::{Code, Declared, Family, Lint, Severity, Subject};
use crate::model::Transport;

pub(super) static FAMILY: Family = Family { codes: &[&UNREACHABLE, &REDUNDANT, &NO_EFFECT], find };

static UNREACHABLE: Code = Code {
    id: "unreachable",
    title: "A claim that can never apply, or of which another forbids all",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/unreachable.md"),
};

static REDUNDANT: Code = Code {
    id: "redundant",
    title: "A claim opens and demands nothing that another does not",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/redundant.md"),
};

static NO_EFFECT: Code = Code {
    id: "constraint-without-effect",
    title: "A constraint that nothing the claim is about can ever meet or break",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/constraint-without-effect.md"),
};

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    never_applies(subject, lints);
    for (at, claim) in subject.compared().iter().enumerate() {
        if compare::count(&claim.ports) == Some(0) {
            let message = "leaves no port: all of them are excepted".to_owned();
            let remedy = "take some of the excepted ports away";
            lints.push(subject.about(&UNREACHABLE, claim.claim, level_key(claim.claim), message, remedy));
        }
        if claim.opens() {
            all_forbidden(subject, claim, lints);
            redundant(subject, at, claim, lints);
        }
        no_effect(subject, claim, lints);
    }
}

/// Conditions that no binding meets.
fn never_applies(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    for claim in &subject.profile.claims {
        let never =
            claim.when.iter().find_map(|condition| always_bound(subject.profile, condition)).or_else(|| {
                let mut pairs = claim.when.iter().flat_map(|a| claim.when.iter().map(move |b| (a, b)));
                let (a, b) = pairs.find(|(a, b)| conditions_exclude(a, b))?;
                Some(format!("`{a}` and `{b}` exclude each other"))
            });
        if let Some(why) = never {
            let message = format!("can never apply: {why}");
            let remedy = "correct `when`, or take the claim away";
            lints.push(subject.about(&UNREACHABLE, claim, "when", message, remedy));
        }
    }
}

/// Whether the condition needs a group to be unbound that has a default.
fn always_bound(profile: &Profile, condition: &Condition) -> Option<String> {
    let Condition::Variant { group, options } = condition else { return None };
    let default = profile.variants.iter().find(|known| known.name == *group)?.default.as_ref()?;
    let only_unbound = !options.is_empty() && options.iter().all(|option| option == UNBOUND);
    only_unbound.then(|| format!("`{group}` is never unbound, its default is `{default}`"))
}

/// Whether all that `yes` opens is forbidden by `no`, whenever it applies.
pub(super) fn forbids_all(no: &Declared<'_>, yes: &Declared<'_>) -> bool {
    no.claim.level == Level::Forbidden && peers_within(yes.rule, no.rule) && shape_within(yes, no)
}

fn all_forbidden(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    let Some(no) = subject.compared().iter().find(|no| forbids_all(no, claim)) else { return };
    let message = format!("opens nothing: {} forbids all of it, and what is forbidden wins", no.claim.id);
    let remedy = "narrow what is forbidden, or take the claim away";
    let lint = subject.about(&UNREACHABLE, claim.claim, level_key(claim.claim), message, remedy);
    lints.push(lint.with_claims([claim.claim, no.claim]));
}

/// A claim with the same constraints opens all of it and more, or the same and stands before it.
fn redundant(subject: &Subject<'_>, at: usize, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    // What only a narrower claim opens against a prohibition is not redundant.
    let against = |no: &Declared<'_>| {
        no.claim.level == Level::Forbidden
            && compare::overlap_whoever(no, claim)
            && peers_reach(claim.rule, no.rule)
    };
    if subject.compared().iter().any(against) {
        return;
    }
    let covers = |(other_at, other): &(usize, &Declared<'_>)| {
        *other_at != at
            && other.opens()
            && (other.claim.level == claim.claim.level || claim.claim.level == Level::Allowed)
            && covered(claim, other)
            // Of two that are the same, the first stays.
            && (*other_at < at || !covered(other, claim) || other.claim.level != claim.claim.level)
    };
    let Some((_, other)) = subject.compared().iter().enumerate().find(covers) else { return };
    let message =
        format!("says nothing that {} does not: the same or more, on the same terms", other.claim.id);
    let remedy = "take it away, or say what is different about it";
    let lint = subject.about(&REDUNDANT, claim.claim, level_key(claim.claim), message, remedy);
    lints.push(lint.with_claims([claim.claim, other.claim]));
}

fn covered(claim: &Declared<'_>, other: &Declared<'_>) -> bool {
    let peers = match claim.claim.level {
        // Every one of its peers must work, or as many as it says: with others beside them that is another demand.
        Level::Required => {
            peers_within(claim.rule, other.rule)
                && peers_within(other.rule, claim.rule)
                && claim.rule.at_least == other.rule.at_least
                && claim.ports == other.ports
                && claim.rule.services == other.rule.services
        }
        _ => peers_reach(claim.rule, other.rule),
    };
    peers
        && shape_within(claim, other)
        && same_terms(claim.rule, other.rule)
        && claim.claim.severity == other.claim.severity
}

fn same_terms(a: &FlowRule, b: &FlowRule) -> bool {
    a.tls == b.tls
        && a.lifetime == b.lifetime
        && a.keep_alive_max == b.keep_alive_max
        && a.websocket == b.websocket
        && a.encrypted == b.encrypted
}

fn no_effect(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    let rule = claim.rule;
    let mut tell = |key: &str, why: &str, remedy: &str| {
        lints.push(subject.about(
            &NO_EFFECT,
            claim.claim,
            key,
            format!("`{key}` has no effect: {why}"),
            remedy,
        ));
    };
    let keys = [
        ("tls", rule.tls.is_some()),
        ("lifetime", rule.lifetime.is_some()),
        ("keep_alive_max", rule.keep_alive_max.is_some()),
        ("websocket", rule.websocket),
        ("encrypted", rule.encrypted),
    ];
    if claim.claim.level == Level::Forbidden {
        for (key, _) in keys.iter().filter(|(_, given)| *given) {
            tell(key, "what is forbidden is not judged further", "move it to the claim that allows the rest");
        }
        return;
    }
    let speaks = |words: &[&str]| {
        rule.services.is_empty()
            || rule.services.iter().any(|chain| chain.split('/').any(|word| words.contains(&word)))
    };
    if rule.tls.is_some() && !speaks(&["tls", "dtls", "quic"]) {
        tell("tls", "none of the claim's protocols is inside TLS", "name one in `service`, as in `tls/mqtt`");
    }
    if rule.keep_alive_max.is_some() && !speaks(&["mqtt", "mqtt-sn", "tls", "websocket"]) {
        tell(
            "keep_alive_max",
            "it is that of MQTT, which the claim does not name",
            "name `mqtt` in `service`",
        );
    }
    if rule.websocket && !speaks(&["http", "websocket", "tls"]) {
        tell("websocket", "none of the claim's protocols is HTTP", "name `http/websocket` in `service`");
    }
    let connections = rule.transports.is_empty() || rule.transports.contains(&Transport::Tcp);
    if rule.websocket && !connections {
        tell("websocket", "WebSocket runs over TCP", "declare the TCP port");
    }
}
