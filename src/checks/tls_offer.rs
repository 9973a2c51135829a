//! What a device offers in its ClientHello against what its profile declares that it offers (RFC 9761).
//!
//! This is about the client alone: what was agreed on is for [`tls`](super::tls) to judge. Three outcomes: declared;
//! undeclared; undeclared and unknown to this program, which RFC 9761 section 6 wants ignored and which is told as drift.

use super::matching::Match;
use super::subject::{Subject, View, is_tls};
use super::tls::{at_fact, version_text};
use super::{Check, Code, Found};
use crate::analyzers::tls;
use crate::model::finding::{Severity, Status};
use crate::model::observation::Fact;
use crate::model::{Field, Finding, Value};
use crate::profile::BoundClaim;
use crate::profile::mud::{OfferKind, TlsOffer};
use crate::profile::tls_policy::{Registry, group_names, suite_names};

/// The check.
pub(super) static CHECK: Check = Check { id: "tls-offer", codes: &[&UNDECLARED_TLS_OFFER], run };

static UNDECLARED_TLS_OFFER: Code = Code {
    id: "undeclared-tls-offer",
    title: "The device offers something in TLS that its profile does not declare",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/undeclared-tls-offer.md"),
};

/// Deviations that a row names; the others are counted.
const NAMED: usize = 3;
/// Declared values that a row names; the others are counted.
const DECLARED: usize = 8;

fn run(subject: &Subject<'_>, found: &mut Found<'_>) {
    for view in subject.views.iter().filter(|view| view.by_device && !view.is_proxy) {
        if !view.service.iter().any(|id| is_tls(id)) || !matches!(view.matched, Match::Claims(_)) {
            continue;
        }
        found.extend(judge(subject, view));
    }
}

/// Something that is offered and not declared.
struct Extra<'f> {
    kind: Option<OfferKind>,
    name: String,
    known: bool,
    fact: &'f Fact,
}

fn judge(subject: &Subject<'_>, view: &View<'_>) -> Vec<Finding> {
    let declared: Vec<(&BoundClaim, &TlsOffer)> = subject
        .rules(view)
        .into_iter()
        .filter_map(|(bound, rule)| Some((bound, rule.tls.as_ref()?)))
        .flat_map(|(bound, tls)| tls.offers.iter().map(move |offer| (bound, offer)))
        .collect();
    // Of several profiles, the one that it comes nearest to.
    let nearest = declared
        .into_iter()
        .map(|(bound, offer)| (bound, offer, extras(view, offer)))
        .min_by_key(|(.., extras)| (extras.iter().filter(|extra| extra.known).count(), extras.len()));
    let Some((bound, offer, extras)) = nearest else { return Vec::new() };
    let mut findings = Vec::new();
    for known in [true, false] {
        let mut kinds: Vec<Option<OfferKind>> = Vec::new();
        for extra in extras.iter().filter(|extra| extra.known == known) {
            if !kinds.contains(&extra.kind) {
                kinds.push(extra.kind);
            }
        }
        for kind in kinds {
            let of: Vec<&Extra<'_>> =
                extras.iter().filter(|extra| extra.kind == kind && extra.known == known).collect();
            findings.extend(finding(subject, view, bound, offer, &of));
        }
    }
    findings
}

fn finding(
    subject: &Subject<'_>,
    view: &View<'_>,
    bound: &BoundClaim,
    offer: &TlsOffer,
    extras: &[&Extra<'_>],
) -> Option<Finding> {
    let first = extras.first()?;
    let noun = first.kind.map_or("application protocol", OfferKind::noun);
    let mut named: Vec<&str> = extras.iter().take(NAMED).map(|extra| extra.name.as_str()).collect();
    let more = extras.len().saturating_sub(named.len());
    let more = (more > 0).then(|| format!("{more} more"));
    named.extend(more.as_deref());
    let listed = named.join(", ");
    let mut finding = at_fact(subject, &UNDECLARED_TLS_OFFER, view, Some(bound), first.fact);
    let profile = if offer.name.is_empty() { String::new() } else { format!(" of `{}`", offer.name) };
    let all = declared(offer, first.kind);
    let more = all.len().saturating_sub(DECLARED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let some = all.iter().take(DECLARED).map(String::as_str).collect::<Vec<_>>().join(", ");
    finding.expected = format!("{noun} as declared{profile}: {some}{more}");
    finding.observed = format!("offers {listed}");
    finding.reference = String::from("RFC 9761 section 6");
    let (who, peer, claim) = (subject.who(), view.peer_port(), &bound.claim.id);
    finding.message = if first.known {
        format!(
            "{who} offers to {peer} ({{count connection}}) what {claim} does not declare: {noun} {listed}."
        )
    } else {
        finding.status = Status::Drift;
        finding.severity = Some(Severity::Info);
        format!(
            "{who} offers to {peer} ({{count connection}}) what neither {claim} declares nor this program knows: {noun} {listed}."
        )
    };
    Some(finding)
}

/// What `view` offers beyond `offer`. Of a kind that the profile does not list, nothing is said.
fn extras<'f>(view: &View<'f>, offer: &TlsOffer) -> Vec<Extra<'f>> {
    let mut extras = Vec::new();
    let mut compare = |kind: OfferKind, declared: &[u16], offered: Vec<(u16, &'f Fact)>| {
        if declared.is_empty() {
            return;
        }
        for (code, fact) in offered {
            let seen = extras
                .iter()
                .any(|extra: &Extra<'_>| extra.kind == Some(kind) && extra.name == name(kind, code));
            if !declared.contains(&code) && !seen {
                extras.push(Extra {
                    kind: Some(kind),
                    name: name(kind, code),
                    known: kind.is_known(code),
                    fact,
                });
            }
        }
    };
    // TLS and its form over datagrams are listed apart, and only one of them is offered.
    let versions = numbers(view, &tls::OFFERED_VERSION);
    let datagrams = |code: &u16| *code >= 0xfe00;
    let alike = |code: &u16| versions.iter().any(|(offered, _)| datagrams(offered) == datagrams(code));
    let declared: Vec<u16> = offer.versions.iter().copied().filter(alike).collect();
    compare(OfferKind::Version, &declared, versions);
    compare(OfferKind::Suite, &offer.suites, numbers(view, &tls::OFFERED_SUITE));
    compare(OfferKind::Group, &offer.groups, numbers(view, &tls::OFFERED_GROUP));
    compare(OfferKind::Signature, &offer.signatures, lists(view, &tls::OFFERED_SIGNATURE));
    let of_certificates = lists(view, &tls::OFFERED_CERTIFICATE_SIGNATURE);
    compare(OfferKind::Signature, &offer.certificate_signatures, of_certificates);
    compare(OfferKind::PskMode, &offer.psk_modes, psk_modes(view));
    compare(OfferKind::Extension, &offer.extensions, extensions(view));
    if !offer.alpn.is_empty() {
        for fact in view.flow.facts.of(&tls::OFFERED_ALPN) {
            if let Some(name) =
                fact.value.as_str().filter(|name| !offer.alpn.iter().any(|known| known == name))
            {
                extras.push(Extra { kind: None, name: name.to_owned(), known: true, fact });
            }
        }
    }
    extras
}

fn numbers<'f>(view: &View<'f>, field: &'static Field) -> Vec<(u16, &'f Fact)> {
    let number = |fact: &'f Fact| Some((u16::try_from(fact.value.as_uint()?).ok()?, fact));
    view.flow.facts.of(field).filter_map(number).collect()
}

/// Numbers in one value: `0x0403 0x0804`.
fn lists<'f>(view: &View<'f>, field: &'static Field) -> Vec<(u16, &'f Fact)> {
    let mut out = Vec::new();
    for fact in view.flow.facts.of(field) {
        let words = fact.value.as_str().unwrap_or_default().split(' ');
        let codes = words.filter_map(|word| u16::from_str_radix(word.strip_prefix("0x")?, 16).ok());
        out.extend(codes.map(|code| (code, fact)));
    }
    out
}

fn psk_modes<'f>(view: &View<'f>) -> Vec<(u16, &'f Fact)> {
    let mode = |fact: &'f Fact| match &fact.value {
        Value::Word("psk_ke") => Some((0, fact)),
        Value::Word("psk_dhe_ke") => Some((1, fact)),
        value => Some((value.to_string().parse().ok()?, fact)),
    };
    view.flow.facts.of(&tls::OFFERED_PSK_MODE).filter_map(mode).collect()
}

/// The extensions that what was observed shows: others are not looked at, and nothing is said of them.
fn extensions<'f>(view: &View<'f>) -> Vec<(u16, &'f Fact)> {
    let facts = &view.flow.facts;
    let mut out: Vec<(u16, &Fact)> =
        SHOWN_BY.iter().filter_map(|(code, field)| Some((*code, facts.first(field)?))).collect();
    // In the list of suites it is a signal, not an extension.
    let extension = |fact: &&Fact| fact.value == Value::Word("extension");
    out.extend(facts.of(&tls::OFFERED_RENEGOTIATION_INFO).find(extension).map(|fact| (0xff01, fact)));
    // TLS 1.3 is offered nowhere else than in supported_versions.
    let versions = facts.of(&tls::OFFERED_VERSION);
    let mut newest = versions.filter(|fact| matches!(fact.value.as_uint(), Some(0x0304 | 0xfefc)));
    out.extend(newest.next().map(|fact| (43, fact)));
    out
}

/// IANA, TLS `ExtensionType` values, and the fields that only they give.
static SHOWN_BY: &[(u16, &Field)] = &[
    (0, &tls::SNI),
    (5, &tls::OFFERED_OCSP),
    (10, &tls::OFFERED_GROUP),
    (13, &tls::OFFERED_SIGNATURE),
    (16, &tls::OFFERED_ALPN),
    (22, &tls::OFFERED_ENCRYPT_THEN_MAC),
    (23, &tls::OFFERED_EXTENDED_MASTER_SECRET),
    (35, &tls::OFFERED_TICKET),
    (41, &tls::OFFERED_PSK),
    (42, &tls::EARLY_DATA),
    (45, &tls::OFFERED_PSK_MODE),
    (50, &tls::OFFERED_CERTIFICATE_SIGNATURE),
    (51, &tls::OFFERED_KEY_SHARE),
];

fn name(kind: OfferKind, code: u16) -> String {
    match kind {
        OfferKind::Version => version_text(code),
        OfferKind::Suite => named(suite_names(), code),
        OfferKind::Group => named(group_names(), code),
        OfferKind::Extension => code.to_string(),
        OfferKind::Signature => format!("0x{code:04x}"),
        OfferKind::PskMode => match code {
            0 => String::from("psk_ke"),
            1 => String::from("psk_dhe_ke"),
            other => other.to_string(),
        },
    }
}

/// What `offer` lists of a kind, each as a row calls it; application protocols have none.
fn declared(offer: &TlsOffer, kind: Option<OfferKind>) -> Vec<String> {
    let Some(kind) = kind else { return offer.alpn.clone() };
    let mut all: Vec<u16> = match kind {
        OfferKind::Version => offer.versions.clone(),
        OfferKind::Suite => offer.suites.clone(),
        OfferKind::Group => offer.groups.clone(),
        OfferKind::Extension => offer.extensions.clone(),
        OfferKind::Signature => {
            offer.signatures.iter().chain(&offer.certificate_signatures).copied().collect()
        }
        OfferKind::PskMode => offer.psk_modes.clone(),
    };
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|code| name(kind, code)).collect()
}

fn named(registry: &Registry, code: u16) -> String {
    registry.get(code).map_or_else(|| format!("0x{code:04x}"), |known| known.name.to_owned())
}
