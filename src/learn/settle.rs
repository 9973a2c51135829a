//! Drafts become claims, and these are checked against what they were learnt from: what the check would complain of is taken
//! back, as long as that hides nothing that is wrong. What remains is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::draft::{Draft, Section};
use super::{Material, words};
use crate::checks::{self, ClaimIndex, Subject};
use crate::model::Finding;
use crate::profile::{
    BoundClaim, Claim, ClaimState, Declaration, Level, LifetimeRule, Profile, Rule, Source,
};

/// Each round takes something back, and there is little that can be.
const ROUNDS: usize = 8;

/// What a check found: of each code and claim how often, and one sentence.
pub(super) type Found = BTreeMap<(&'static str, String), (u64, String)>;

/// What settling came to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// What checking the same captures still gives.
    pub(super) rest: Found,
    /// Flows of drafts that stood in the way of others, as positions of views.
    pub(super) dropped: Vec<usize>,
}

/// Checks and takes back until nothing is left that can be.
pub(super) fn settle(
    material: &Material<'_>,
    base: &Declaration,
    drafts: &mut Vec<Draft>,
    first_id: usize,
) -> Settled {
    tell_cuts(material, base, drafts, first_id);
    let mut settled = Settled::default();
    for _ in 0..ROUNDS {
        settled.rest = check(material, &declare(base, drafts, first_id));
        let dropped = take_back(drafts, &settled.rest, first_id);
        match dropped {
            Some(views) => settled.dropped.extend(views),
            None => return settled,
        }
    }
    settled.rest = check(material, &declare(base, drafts, first_id));
    settled
}

/// Says of which claims connections were cut: whether they are meant to stay open, only their owner knows, but that something
/// ends them is worth knowing before they are declared.
fn tell_cuts(material: &Material<'_>, base: &Declaration, drafts: &mut [Draft], first_id: usize) {
    let lasting = |draft: &Draft| {
        let mut draft = draft.clone();
        if let (Rule::Flow(rule), true) = (&mut draft.rule, draft.section != Section::Attempt) {
            rule.lifetime = Some(LifetimeRule { long_running: true, ..LifetimeRule::default() });
        }
        draft
    };
    let trial: Vec<Draft> = drafts.iter().map(lasting).collect();
    let found = check(material, &declare(base, &trial, first_id));
    for (at, draft) in drafts.iter_mut().enumerate() {
        let own = id(first_id.saturating_add(at));
        for code in ["connection-cut", "idle-timeout"] {
            let Some((_, sentence)) = found.get(&(code, own.clone())) else { continue };
            let Rule::Flow(rule) = &mut draft.rule else { continue };
            rule.lifetime = None;
            draft.remarks.push(format!("not declared long-running, but look at this ({code}): {sentence}"));
        }
    }
}

/// The claims of drafts, in their order, with ids from `first_id` on.
pub(super) fn claims(drafts: &[Draft], first_id: usize) -> Vec<Claim> {
    drafts
        .iter()
        .enumerate()
        .map(|(at, draft)| Claim {
            id: id(first_id.saturating_add(at)),
            title: words::title(draft),
            subject: String::from("device"),
            level: draft.level,
            when: Vec::new(),
            rule: draft.rule.clone(),
            severity: None,
            source: Source::default(),
            line: 0,
        })
        .collect()
}

/// `L-7`.
pub(super) fn id(number: usize) -> String {
    format!("L-{number}")
}

/// The base with the drafts as further claims.
fn declare(base: &Declaration, drafts: &[Draft], first_id: usize) -> Declaration {
    let new = claims(drafts, first_id);
    let mut profile = Profile::clone(&base.profile);
    profile.claims.extend(new.iter().cloned());
    let bound = new.into_iter().map(|claim| BoundClaim { claim, state: ClaimState::Active });
    Declaration {
        profile: Arc::new(profile),
        variant: base.variant.clone(),
        values: base.values.clone(),
        policies: base.policies.clone(),
        subject: base.subject.clone(),
        claims: base.claims.iter().cloned().chain(bound).collect(),
    }
}

/// What checking the same captures gives.
fn check(material: &Material<'_>, declaration: &Declaration) -> Found {
    let mut found = Found::new();
    let index = ClaimIndex::new(declaration);
    let subject = Subject::new(declaration, &index, material.device, material.flows, material.evidence);
    checks::run(&subject, |finding| {
        let count = finding.evidence.as_ref().map_or(1, |evidence| evidence.count.max(1));
        let sentence = sentence(&finding, count);
        let (sum, _) = found.entry((finding.code, finding.claim)).or_insert_with(|| (0, sentence));
        *sum = sum.saturating_add(count);
    });
    found
}

/// The flows of drafts that went; `None` if nothing was taken back at all.
fn take_back(drafts: &mut Vec<Draft>, found: &Found, first_id: usize) -> Option<Vec<usize>> {
    let mut changed = false;
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    for (at, draft) in drafts.iter_mut().enumerate() {
        let own = id(first_id.saturating_add(at));
        for ((code, _), (_, sentence)) in found.iter().filter(|((_, claim), _)| *claim == own) {
            if draft.section == Section::Attempt {
                gone.insert(at);
            } else if let Some(what) = soften(draft, code) {
                changed = true;
                draft.remarks.push(format!("{what}: {sentence}"));
            }
        }
    }
    let views = gone.iter().rev().flat_map(|at| drafts.remove(*at).views).collect();
    (changed || !gone.is_empty()).then_some(views)
}

/// Takes back of a draft what `code` is about, and says so; `None` where that would hide something, or nothing is left of it.
fn soften(draft: &mut Draft, code: &str) -> Option<&'static str> {
    let Rule::Flow(rule) = &mut draft.rule else { return None };
    match code {
        "connection-cut" | "idle-timeout" | "reconnect-loop" | "lifetime-exceeded" | "lifetime-too-short" => {
            rule.lifetime.take().map(|_| "not declared long-running")
        }
        "required-blocked" | "required-not-seen" | "unanswered" | "degraded" | "ntp-unanswered"
            if draft.level == Level::Required =>
        {
            draft.level = Level::Allowed;
            Some("not declared required")
        }
        "protocol-mismatch" | "cleartext" => {
            let alpn = rule.tls.as_mut().is_some_and(|tls| !std::mem::take(&mut tls.alpn).is_empty());
            let services = !std::mem::take(&mut rule.services).is_empty();
            (alpn || services).then_some("no protocol is declared")
        }
        "inferred-protocol" if rule.services != ["tls"] => {
            rule.services = vec![String::from("tls")];
            Some("nothing is declared inside TLS")
        }
        "undeclared-cipher" => {
            let tls = rule.tls.as_mut()?;
            (!std::mem::take(&mut tls.suites).is_empty()).then_some("no suites are declared")
        }
        "undeclared-issuer" => {
            let tls = rule.tls.as_mut()?;
            (!std::mem::take(&mut tls.issuers).is_empty()).then_some("no issuer is declared")
        }
        "client-certificate-missing" => {
            let tls = rule.tls.as_mut()?;
            std::mem::take(&mut tls.mutual).then_some("mutual authentication is not declared")
        }
        "keep-alive-too-long" => rule.keep_alive_max.take().map(|_| "no keep alive is declared"),
        _ => None,
    }
}

/// The message of a finding with its count filled in, as reports do.
fn sentence(finding: &Finding, count: u64) -> String {
    let mut out = String::new();
    let mut rest = finding.message.as_str();
    while let Some((before, after)) = rest.split_once("{count") {
        let Some((noun, behind)) = after.split_once('}') else { break };
        let (one, many) = noun.split_once('|').map_or((noun, None), |(one, many)| (one, Some(many)));
        out.push_str(before);
        out.push_str(&count.to_string());
        match (count, many) {
            (1, _) => out.push_str(one),
            (_, None) if one.is_empty() => {}
            (_, None) => out.extend([one, "s"]),
            (_, Some(many)) => out.extend([" ", many]),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}
