//! How old the declarations are: against a given day, else against the newest date that the profile itself holds or
//! refers to.

use std::collections::BTreeMap;

use super::super::{AddressSet, Peer, Rule};
use super::date::{Month, span};
use super::{Code, Family, Lint, Severity, Subject, listed, weak_tls};

pub(super) static FAMILY: Family = Family { codes: &[&REVIEWED, &UNDATED, &LIST], find };

static REVIEWED: Code = Code {
    id: "reviewed-long-ago",
    title: "The document, or a statement of it, was last reviewed years ago",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/reviewed-long-ago.md"),
};

static UNDATED: Code = Code {
    id: "undated",
    title: "Nothing says how old the document is",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/undated.md"),
};

static LIST: Code = Code {
    id: "address-list-old",
    title: "A list of addresses was copied long ago",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/address-list-old.md"),
};

/// From so many months on, a review is old.
const OLD_REVIEW: u32 = 24;
/// Addresses move sooner.
const OLD_LIST: u32 = 12;

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    let lists = lists(subject);
    let Some(reference) = reference(subject, &lists) else { return undated(subject, lints) };
    reviewed(subject, &reference, lints);
    undated(subject, lints);
    for (list, claims) in lists.values() {
        let Some(dated) = Month::read(&list.dated) else { continue };
        let age = dated.until(&reference.month);
        if age >= OLD_LIST {
            let message =
                format!("the address list `{}` is of {dated}, {} before {reference}", list.name, span(age));
            let remedy = "take a newer copy of the list, and its date with it";
            let first = claims.first().copied().unwrap_or_default();
            let line = subject.places.of_claim(first, "informational").unwrap_or(1);
            let claims = claims.iter().map(|id| (*id).to_owned()).collect();
            lints.push(Lint { line, claims, ..subject.at(&LIST, &[], message, remedy) });
        }
    }
}

/// What ages are counted to.
struct Reference {
    month: Month,
    what: String,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.month, self.what)
    }
}

/// The given day, else the newest date of document, statements, address lists and TLS policy.
fn reference(subject: &Subject<'_>, lists: &Lists<'_>) -> Option<Reference> {
    if let Some(month) = subject.as_of.clone() {
        return Some(Reference { month, what: String::new() });
    }
    let mut known: Vec<(Month, String)> = Vec::new();
    let mut add = |text: &str, what: String| known.extend(Month::read(text).map(|month| (month, what)));
    if let Some((name, dated)) = weak_tls::policy_dated(subject.profile) {
        add(&dated, format!(", the date of the TLS policy `{name}`"));
    }
    for (list, _) in lists.values() {
        add(&list.dated, format!(", the date of the address list `{}`", list.name));
    }
    for date in dates(subject) {
        add(date, ", the newest date in the profile".to_owned());
    }
    // The first of the newest: the order above is fixed.
    let newest = known.iter().map(|(month, _)| month).max().cloned()?;
    known.into_iter().find(|(month, _)| *month == newest).map(|(month, what)| Reference { month, what })
}

/// Every date of a review.
fn dates<'p>(subject: &Subject<'p>) -> impl Iterator<Item = &'p str> {
    let profile = subject.profile;
    let claims = profile.claims.iter().filter_map(|claim| claim.source.reviewed.as_deref());
    let statements =
        profile.not_checkable.iter().filter_map(|statement| statement.source.reviewed.as_deref());
    profile.reviewed.as_deref().into_iter().chain(claims).chain(statements)
}

/// One row for all: where the document is old, its statements are.
fn reviewed(subject: &Subject<'_>, reference: &Reference, lints: &mut Vec<Lint>) {
    let profile = subject.profile;
    let age = |date: &Option<String>| {
        let month = Month::read(date.as_deref()?)?;
        let age = month.until(&reference.month);
        (age >= OLD_REVIEW).then_some((age, month))
    };
    let claims: Vec<_> =
        profile.claims.iter().filter_map(|claim| Some((claim, age(&claim.source.reviewed)?))).collect();
    let remedy = "read the document anew, correct the profile, and set `reviewed`";
    if let Some((months, date)) = age(&profile.reviewed) {
        let message = format!("the document was last reviewed {date}, {} before {reference}", span(months));
        let lint = subject.at(&REVIEWED, &["document", "reviewed"], message, remedy);
        lints.push(lint.with_claims(claims.iter().map(|(claim, _)| *claim)));
    } else if let Some((first, (months, date))) = claims.first() {
        let ids: Vec<&str> = claims.iter().map(|(claim, _)| claim.id.as_str()).collect();
        let (verb, of_first) = match ids.len() {
            1 => ("was", String::new()),
            _ => ("were", format!("{} ", first.id)),
        };
        let message = format!(
            "{} {verb} last reviewed long ago, {of_first}{date}, {} before {reference}",
            listed(&ids),
            span(*months)
        );
        let lint = subject.about(&REVIEWED, first, "reviewed", message, remedy);
        lints.push(lint.with_claims(claims.iter().map(|(claim, _)| *claim)));
    }
}

fn undated(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    let profile = subject.profile;
    if !profile.document.is_empty() && profile.reviewed.is_none() {
        let message = "the document has no date: nobody can tell whether it is still true".to_owned();
        let remedy =
            "state the date of the document, or of its last review, as `document: {reviewed: 2026-05}`";
        lints.push(subject.at(&UNDATED, &["document"], message, remedy));
    }
}

/// Address lists by name, with the claims that refer to them.
type Lists<'p> = BTreeMap<&'p str, (&'p AddressSet, Vec<&'p str>)>;

fn lists<'p>(subject: &Subject<'p>) -> Lists<'p> {
    let mut lists = Lists::new();
    for claim in &subject.profile.claims {
        let sets: Vec<&AddressSet> = match &claim.rule {
            Rule::AddressesWithin { networks, .. } => vec![networks],
            Rule::Flow(rule) => rule
                .peers
                .iter()
                .filter_map(|peer| if let Peer::List(set) = peer { Some(set) } else { None })
                .collect(),
            _ => Vec::new(),
        };
        for set in sets.into_iter().filter(|set| !set.dated.is_empty()) {
            lists.entry(set.name.as_str()).or_insert((set, Vec::new())).1.push(claim.id.as_str());
        }
    }
    lists
}
