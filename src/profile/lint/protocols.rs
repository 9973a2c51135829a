//! Protocols that nothing recognises.

use super::super::problem;
use super::transport::level_key;
use super::{Code, Declared, Family, Lint, Severity, Subject};

pub(super) static FAMILY: Family = Family { codes: &[&UNKNOWN], find };

static UNKNOWN: Code = Code {
    id: "unknown-protocol",
    title: "A claim names a protocol that is not recognised by content",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/unknown-protocol.md"),
};

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    // Whoever asks may not know what is recognised.
    if subject.protocols.is_empty() {
        return;
    }
    for claim in &subject.flows {
        unknown(subject, claim, lints);
    }
}

fn unknown(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    let is_known = |word: &str| subject.protocols.contains(&word);
    let some_are_known = claim.rule.services.iter().any(|chain| chain.split('/').all(is_known));
    let severity = if some_are_known { Severity::Warning } else { Severity::Error };
    for word in claim.rule.services.iter().flat_map(|chain| chain.split('/')).filter(|word| !is_known(word)) {
        let near = problem::near(word, subject.protocols.iter().copied());
        let message = format!("names the protocol `{word}`, which is not recognised by content{near}");
        let remedy =
            "correct the word, or leave the protocol out: `wireclaim flows` shows what connections speak";
        let key = level_key(claim.claim);
        lints.push(subject.about(&UNKNOWN, claim.claim, key, message, remedy).with_severity(severity));
    }
}
