//! Times that a document gives in words.

use std::time::Duration;

use super::super::LifetimeRule;
use super::{Code, Declared, Family, Lint, Severity, Subject, listed};

pub(super) static FAMILY: Family = Family { codes: &[&WITHOUT_NUMBER, &NOT_IN_DOCUMENT], find };

static WITHOUT_NUMBER: Code = Code {
    id: "duration-without-number",
    title: "Connections are to last, or not to last, and nothing says how long",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/duration-without-number.md"),
};

static NOT_IN_DOCUMENT: Code = Code {
    id: "duration-not-in-document",
    title: "A time is declared that the quoted sentence does not give",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/duration-not-in-document.md"),
};

/// Words for an end that has no number.
const SOON: &[&str] = &[
    "few seconds",
    "few minutes",
    "several seconds",
    "several minutes",
    "short time",
    "short period",
    "briefly",
    "promptly",
];

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    let mut kept_open: Vec<&Declared<'_>> = Vec::new();
    for claim in &subject.flows {
        let life = claim.rule.lifetime.unwrap_or_default();
        if life.long_running && life.min.is_none() {
            kept_open.push(claim);
        }
        vague_end(subject, claim, life, lints);
        own_number(subject, claim, life, lints);
    }
    lints.extend(no_least(subject, &kept_open));
}

/// One row for all of them: it is one gap of one document.
fn no_least(subject: &Subject<'_>, claims: &[&Declared<'_>]) -> Option<Lint> {
    let first = claims.first()?;
    let ids: Vec<&str> = claims.iter().map(|claim| claim.claim.id.as_str()).collect();
    let message = format!(
        "connections of {} are to be kept open, and nothing says how long at least: only cuts on the path are found, not an \
         endpoint that closes early",
        listed(&ids)
    );
    let remedy = "ask for a number and declare it: `lifetime: {long_running: true, min: 1 h}`";
    let lint = subject.about(&WITHOUT_NUMBER, first.claim, "lifetime", message, remedy);
    Some(lint.with_claims(claims.iter().map(|claim| claim.claim)))
}

fn vague_end(subject: &Subject<'_>, claim: &Declared<'_>, life: LifetimeRule, lints: &mut Vec<Lint>) {
    let quote = claim.claim.source.quote.to_lowercase();
    let Some(words) = SOON.iter().find(|words| quote.contains(**words)) else { return };
    let ends = life.max.is_some() || life.max_idle_tail.is_some() || life.long_running;
    if claim.opens() && !ends {
        let message = format!(
            "the document says \u{201c}{words}\u{201d}, and the claim gives no greatest time: it is not checked"
        );
        let remedy = "declare what is taken for it: `lifetime: {max: 60 s}` or `{max_idle_tail: 15 s}`";
        let lint = subject.about(&WITHOUT_NUMBER, claim.claim, "quote", message, remedy);
        lints.push(lint.with_severity(Severity::Warning));
    }
}

fn own_number(subject: &Subject<'_>, claim: &Declared<'_>, life: LifetimeRule, lints: &mut Vec<Lint>) {
    let quote = &claim.claim.source.quote;
    if quote.is_empty() || quote.chars().any(|c| c.is_ascii_digit()) {
        return;
    }
    let times = [("min", life.min), ("max", life.max), ("max_idle_tail", life.max_idle_tail)];
    let given: Vec<String> =
        times.iter().filter_map(|(key, time)| Some(format!("`{key}: {}`", seconds((*time)?)))).collect();
    if !given.is_empty() {
        let message = format!("{} is the profile's own number: the quoted sentence has none", listed(&given));
        let remedy = "ask for the number, and weigh findings of this claim accordingly";
        lints.push(subject.about(&NOT_IN_DOCUMENT, claim.claim, "lifetime", message, remedy));
    }
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
