//! What a reader of a profile should know before relying on it: statements that contradict each other, claims that can
//! never apply, what is left open, what is out of date. A profile that does not load has errors instead (see
//! [`load`](super::load)).
//!
//! A new lint is a [`Code`] with its page in the file of its family, or a new file with a [`Family`] and one line in
//! [`REGISTRY`]. A page has an example that the lint tells and one that it does not: both are tests.

mod age;
mod breadth;
mod cleartext;
mod compare;
mod contradictions;
mod date;
mod duration;
mod infrastructure;
mod open;
mod places;
mod protocols;
mod reach;
mod tls_versions;
mod transport;
mod weak_tls;

use std::collections::{HashMap, HashSet};

use super::{Claim, FlowRule, Level, Ports, Profile, Rule};
use crate::model::finding::Severity;
use date::Month;
use places::Places;

/// Something to know about a profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lint {
    /// Line in the file, from 1; the order of lints.
    pub line: u64,
    /// Kind, kebab-case.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Ids of the claims it is about; may be none.
    pub claims: Vec<String>,
    /// What is so, without a full stop at its end.
    pub message: String,
    /// What to do about it, likewise.
    pub remedy: String,
}

/// A kind of lint, with the page that `wireclaim explain` shows.
#[derive(Debug)]
pub struct Code {
    /// Kebab-case, named for what is found.
    pub id: &'static str,
    /// One line.
    pub title: &'static str,
    /// How bad it usually is; the page says where it is not.
    pub severity: Severity,
    /// The version that brought it.
    pub since: &'static str,
    /// What it reports, why it matters, what to do, an example that it tells and the same put right: Markdown with these
    /// as second-level headings.
    pub page: &'static str,
}

/// Lints that are found together.
#[derive(Debug)]
pub struct Family {
    /// Its codes.
    pub codes: &'static [&'static Code],
    find: fn(&Subject<'_>, &mut Vec<Lint>),
}

/// Every family of lints, in the order of the documentation.
pub const REGISTRY: &[&Family] = &[
    &contradictions::FAMILY,
    &transport::FAMILY,
    &protocols::FAMILY,
    &cleartext::FAMILY,
    &weak_tls::FAMILY,
    &tls_versions::FAMILY,
    &reach::FAMILY,
    &breadth::FAMILY,
    &duration::FAMILY,
    &infrastructure::FAMILY,
    &open::FAMILY,
    &age::FAMILY,
];

/// Every code, in the order of the documentation.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    REGISTRY.iter().flat_map(|family| family.codes).copied()
}

/// What lints may know besides the profile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'t> {
    /// The day that ages are counted to, as a profile writes dates; without it, the newest date of the profile itself and
    /// of what it refers to. Never the clock: the same file has the same lints on every day.
    pub as_of: Option<&'t str>,
    /// The text of the file, which tells the line of every key; without it, lines are those of claims.
    pub text: Option<&'t str>,
    /// What content is recognised as; empty where that is not known, and then no word is called unknown.
    pub protocols: &'t [&'t str],
}

/// Every lint of a profile, in the order of lines.
pub fn lint(profile: &Profile) -> Vec<Lint> {
    lint_on(profile, Terms::default())
}

/// Every lint of a profile on these terms, in the order of lines.
pub fn lint_on<'p>(profile: &'p Profile, terms: Terms<'p>) -> Vec<Lint> {
    let subject = Subject {
        profile,
        flows: flows(profile),
        places: terms.text.map(Places::of).unwrap_or_default(),
        as_of: terms.as_of.and_then(Month::read),
        protocols: terms.protocols,
    };
    // A MUD file is odd in ways that its claims no longer show.
    let mut lints = profile.mud.as_ref().map(|mud| mud.lints.clone()).unwrap_or_default();
    for family in REGISTRY {
        (family.find)(&subject, &mut lints);
    }
    lints.sort();
    let mut lints = united(lints);
    contradictions::join(&mut lints);
    lints.sort();
    lints
}

/// One row where several claims have the same said of them, at the first of them.
fn united(lints: Vec<Lint>) -> Vec<Lint> {
    let mut out: Vec<Lint> = Vec::with_capacity(lints.len());
    let mut known: HashMap<(&'static str, Severity, String, String), usize> = HashMap::new();
    for lint in lints {
        let key = (lint.code, lint.severity, lint.message.clone(), lint.remedy.clone());
        let Some(first) = known.get(&key).and_then(|at| out.get_mut(*at)) else {
            known.insert(key, out.len());
            out.push(lint);
            continue;
        };
        first.claims.extend(lint.claims);
    }
    for lint in &mut out {
        let mut told = HashSet::new();
        lint.claims.retain(|id| told.insert(id.clone()));
    }
    out
}

/// Checks that `text` is a date that [`Terms::as_of`] takes.
///
/// # Errors
/// A sentence that says what is expected.
pub fn check_date(text: &str) -> Result<(), String> {
    super::value::date(text).map(drop)
}

/// How many claims are compared with each other.
const MOST_COMPARED: usize = 2_000;

/// What lints look at.
struct Subject<'p> {
    profile: &'p Profile,
    /// The claims about flows, in the order of the file.
    flows: Vec<Declared<'p>>,
    places: Places,
    as_of: Option<Month>,
    protocols: &'p [&'p str],
}

/// A claim about flows.
struct Declared<'p> {
    claim: &'p Claim,
    rule: &'p FlowRule,
    /// Its ports, with a parameter's default where it has one.
    ports: Ports,
}

impl Declared<'_> {
    /// Whether the claim opens something.
    fn opens(&self) -> bool {
        matches!(self.claim.level, Level::Required | Level::Allowed)
    }
}

fn flows(profile: &Profile) -> Vec<Declared<'_>> {
    let mut flows = Vec::new();
    for (index, claim) in profile.claims.iter().enumerate() {
        if let Rule::Flow(rule) = &claim.rule {
            flows.push(Declared { claim, rule, ports: compare::ports_of(profile, index, rule) });
        }
    }
    flows
}

impl<'p> Subject<'p> {
    /// The claims about flows that are compared with each other: a file may hold ten thousand, and nobody waits for every
    /// pair of those.
    fn compared(&self) -> &[Declared<'p>] {
        self.flows.get(..MOST_COMPARED).unwrap_or(&self.flows)
    }

    /// A lint about `claim`, at the line of its key `key`; of the claim where it has none.
    fn about(&self, code: &'static Code, claim: &Claim, key: &str, message: String, remedy: &str) -> Lint {
        Lint {
            line: self.places.of_claim(&claim.id, key).unwrap_or(claim.line),
            code: code.id,
            severity: code.severity,
            claims: vec![claim.id.clone()],
            message,
            remedy: remedy.to_owned(),
        }
    }

    /// A lint about the file at the line of the key at `path`; of its first line where it has none.
    fn at(&self, code: &'static Code, path: &[&str], message: String, remedy: &str) -> Lint {
        Lint {
            line: self.places.of_key(path).unwrap_or(1),
            code: code.id,
            severity: code.severity,
            claims: Vec::new(),
            message,
            remedy: remedy.to_owned(),
        }
    }
}

impl Lint {
    /// The same about these claims.
    fn with_claims<'c>(mut self, claims: impl IntoIterator<Item = &'c Claim>) -> Self {
        self.claims = claims.into_iter().map(|claim| claim.id.clone()).collect();
        self
    }

    /// The same, as bad as this.
    fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// `A`, `A and B`, `A, B and C`; of many, the first ones and how many more.
fn listed<T: AsRef<str>>(words: &[T]) -> String {
    const SHOWN: usize = 8;
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] if words.len() <= SHOWN => format!("{} and {last}", first.join(", ")),
        _ => {
            let shown: Vec<&str> = words.iter().take(SHOWN).copied().collect();
            format!("{} and {} more", shown.join(", "), words.len().saturating_sub(SHOWN))
        }
    }
}

#[cfg(test)]
mod tests;
