//! Look-ups that fail, and what declared names resolve to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::subject::{Subject, View};
use super::{Check, Code, Found};
use crate::analyzers::dns;
use crate::model::address::{Scope, scope};
use crate::model::evidence::Evidence;
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::observation::Fact;
use crate::model::{Finding, NameBinding, NameSource};
use crate::profile::{BoundClaim, Peer, Rule};

/// The check.
pub(super) static CHECK: Check = Check { id: "dns", codes: &[&DNS_FAILED, &ADDRESS_DRIFT], run };

static DNS_FAILED: Code = Code {
    id: "dns-failed",
    title: "A declared name cannot be resolved",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/dns-failed.md"),
};
static ADDRESS_DRIFT: Code = Code {
    id: "address-drift",
    title: "A declared name resolves elsewhere than the document says",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/address-drift.md"),
};

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    findings.extend(failed(subject));
    for (_, bound) in subject.active_claims() {
        findings.extend(drift(subject, bound));
    }
}

/// Names that claims declare and that never resolved for this device.
fn failed(subject: &Subject<'_>) -> Vec<Finding> {
    let resolved: BTreeSet<&str> = subject.answers.iter().map(|binding| &*binding.name).collect();
    let mut failures: BTreeMap<(String, String), (&View<'_>, Evidence)> = BTreeMap::new();
    for view in subject.views.iter().filter(|view| view.by_device) {
        let facts = &view.flow.facts;
        let refused = facts.of(&dns::FAILED).filter_map(|fact| {
            let (name, rcode) = fact.value.as_str()?.split_once(' ')?;
            Some((name.to_owned(), rcode.to_owned(), fact))
        });
        let silent = facts
            .of(&dns::UNANSWERED)
            .filter_map(|fact| Some((fact.value.as_str()?.to_owned(), String::from("no answer"), fact)));
        let all: Vec<(String, String, &Fact)> = refused.chain(silent).collect();
        for (name, how, fact) in all {
            if resolved.contains(name.as_str()) {
                continue;
            }
            failures
                .entry((name, how))
                .and_modify(|(_, evidence)| evidence.merge(&fact.evidence))
                .or_insert_with(|| (view, fact.evidence.clone()));
        }
    }
    failures
        .into_iter()
        .filter_map(|((name, how), (view, evidence))| {
            let bound = declaring(subject, &name)?;
            let silent = how == "no answer";
            let confidence =
                if silent { Confidence::Strong.min(subject.absence) } else { Confidence::Proven };
            if silent && subject.one_sided {
                return None;
            }
            // One query without answer may be one lost packet.
            let status = if silent && evidence.count < 2 { Status::Inconclusive } else { Status::Obstructed };
            let mut finding = subject.finding(&DNS_FAILED, status, confidence, view, Some(bound));
            finding.peer_name.clone_from(&name);
            finding.evidence = Some(evidence);
            finding.expected = format!("{name} resolves");
            finding.observed = format!("{name} {how}");
            finding.message = format!(
                "{} looked up {name} {{count time}} and got {how} from {}.",
                subject.who(),
                view.peer
            );
            Some(finding)
        })
        .collect()
}

/// The first active claim that names `name` as a peer.
fn declaring<'a>(subject: &Subject<'a>, name: &str) -> Option<&'a BoundClaim> {
    subject.active_claims().map(|(_, bound)| bound).find_map(|bound| {
        let rule = super::subject::flow_rule(bound)?;
        let named = |peer: &Peer| matches!(peer, Peer::Name(pattern) if pattern.matches(name));
        (rule.peers.iter().any(named) && bound.claim.level != crate::profile::Level::Forbidden)
            .then_some(bound)
    })
}

/// DNS answers to this device.
fn answers<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a NameBinding> {
    subject.answers.iter().copied()
}

fn addresses_of(subject: &Subject<'_>, name: &str) -> BTreeSet<IpAddr> {
    answers(subject).filter(|binding| &*binding.name == name).map(|binding| binding.address).collect()
}

/// Claims about what names resolve to. They are drift at most: operators move, and documents age.
fn drift(subject: &Subject<'_>, bound: &BoundClaim) -> Option<Finding> {
    let (expected, observed, binding) = match &bound.claim.rule {
        Rule::CanonicalName { name, under } => {
            let off = answers(subject).find(|binding| {
                *binding.name == **name && !binding.aliases.iter().any(|alias| under.matches(alias))
            })?;
            let end = off.aliases.last().map_or_else(|| String::from("no CNAME"), ToString::to_string);
            (format!("under {under}"), end, off)
        }
        Rule::AddressesWithin { names, networks } => {
            let off = answers(subject).find(|binding| {
                let address = subject.evidence.names.embedded(binding.address).unwrap_or(binding.address);
                names.iter().any(|pattern| pattern.matches(&binding.name))
                    // An address that is not routed in the Internet is a site's own doing and in no list.
                    && scope(address) == Scope::Global
                    && !networks.contains(address)
            })?;
            (format!("{} of {}", networks.name, networks.dated), off.address.to_string(), off)
        }
        Rule::SameAddresses(_) | Rule::Flow(_) | Rule::Proxy(_) => return None,
    };
    let mut finding = subject.bare_finding(&ADDRESS_DRIFT, Status::Drift, Confidence::Strong, Some(bound));
    finding.peer_name = binding.name.to_string();
    finding.name_source = NameSource::Dns;
    finding.peer_ip = Some(binding.address);
    finding.evidence = binding.seen.map(Evidence::once);
    finding.message = format!("{} resolved to {observed}; {} says {expected}.", binding.name, bound.claim.id);
    finding.expected = expected;
    finding.observed = observed;
    Some(finding)
}

/// Whether the device looked up any of the names that a claim is about.
pub(super) fn looked_up(subject: &Subject<'_>, bound: &BoundClaim) -> bool {
    let about = |name: &str| match &bound.claim.rule {
        Rule::SameAddresses(names) => names.iter().any(|known| known == name),
        Rule::CanonicalName { name: known, .. } => known == name,
        Rule::AddressesWithin { names, .. } => names.iter().any(|pattern| pattern.matches(name)),
        Rule::Flow(_) | Rule::Proxy(_) => false,
    };
    answers(subject).any(|binding| about(&binding.name))
}

/// The look-ups that bear a claim about names out; `None` where none was seen, or none says anything.
pub(super) fn names_evidence(subject: &Subject<'_>, bound: &BoundClaim) -> Option<Evidence> {
    let seen: Vec<Evidence> = match &bound.claim.rule {
        Rule::SameAddresses(names) => {
            let sets: Vec<BTreeSet<IpAddr>> = names.iter().map(|name| addresses_of(subject, name)).collect();
            let shared = sets.iter().skip(1).fold(sets.first()?.clone(), |all, set| &all & set);
            let bound = |binding: &&NameBinding| shared.contains(&binding.address);
            answers(subject).filter(bound).filter_map(|binding| binding.seen.map(Evidence::once)).collect()
        }
        Rule::CanonicalName { name, .. } => answers(subject)
            .filter(|binding| *binding.name == **name)
            .filter_map(|binding| binding.seen.map(Evidence::once))
            .collect(),
        Rule::AddressesWithin { names, .. } => answers(subject)
            .filter(|binding| names.iter().any(|pattern| pattern.matches(&binding.name)))
            .filter(|binding| scope(binding.address) == Scope::Global)
            .filter_map(|binding| binding.seen.map(Evidence::once))
            .collect(),
        Rule::Flow(_) | Rule::Proxy(_) => Vec::new(),
    };
    let mut all = seen.into_iter();
    let mut sum = all.next()?;
    all.for_each(|one| sum.merge(&one));
    Some(sum)
}
