//! A profile from what a device did: the reverse of the checks, which stand beside it and judge the result.
//!
//! Claims are learnt from who opened what: names before addresses, the responder's port and never one that is handed out anew
//! each time, protocols and TLS as seen. What nobody answered opens nothing. Every claim says in a comment how often, when
//! and where it was seen, and the header what the captures could not show. **What is learnt is checked against what it was
//! learnt from before it is handed out, and what still differs is told; nothing weak is declared away.** `docs/learn.md` has
//! the rules in words.

mod cadence;
mod draft;
mod facts;
mod header;
mod identify;
mod names;
mod ports;
mod settle;
mod sort;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::checks::{CaptureEvidence, ClaimIndex, Subject};
use crate::error::Result;
use crate::model::Flow;
use crate::model::observation::{HostTrait, TraitKind};
use crate::naming::hosts::{Host, Hosts};
use crate::profile::write::Notes;
use crate::profile::{Baseline, Declaration, Identify, Level, Profile, bind, tls_policy};

/// Everything that a profile is learnt from.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// Whose.
    pub device: &'a Host,
    /// How it was found, for people.
    pub why: &'a str,
    /// Its flows, by first packet.
    pub flows: &'a [Flow],
    /// What the captures show.
    pub evidence: CaptureEvidence<'a>,
    /// Every host, to tell the device from them.
    pub hosts: &'a Hosts,
    /// What hosts say of themselves.
    pub traits: &'a [HostTrait],
}

/// What was learnt.
#[derive(Debug, Clone)]
pub struct Learnt {
    /// The profile; beside an existing one, its new claims alone.
    pub profile: Profile,
    /// Its comments. The header tells what the captures could not show, what was not learnt, and what checking them gives.
    pub notes: Notes,
    /// How many of its claims are required, allowed, and attempts that nobody answered.
    pub counts: (usize, usize, usize),
    /// Flows that were not learnt.
    pub left: usize,
    /// Which, and why: a sentence for each reason.
    pub why_left: Vec<String>,
    /// What checking the same captures still gives: code, connections, and one sentence.
    pub remaining: Vec<(&'static str, u64, String)>,
}

/// A declaration that declares nothing: everything is news.
///
/// # Errors
/// None, as long as the default TLS policy ships.
pub fn nothing() -> Result<Declaration> {
    let profile = Profile {
        name: String::from("learnt"),
        title: String::from("Learnt"),
        origin: String::from("learnt"),
        document: String::new(),
        reviewed: None,
        variants: Vec::new(),
        parameters: Vec::new(),
        subjects: Vec::new(),
        identify: Identify::default(),
        baseline: Vec::new(),
        tls_policy: tls_policy::DEFAULT.to_owned(),
        claims: Vec::new(),
        not_checkable: Vec::new(),
        slots: Vec::new(),
        contradictions: Vec::new(),
        mud: None,
    };
    bind::bind(&Arc::new(profile), &[], &[])
}

/// A profile of what the device did; `base` is [`nothing`].
pub fn afresh(material: &Material<'_>, base: &Declaration) -> Learnt {
    learn(material, base, true)
}

/// Claims for what the device did that `base` does not allow.
pub fn beside(material: &Material<'_>, base: &Declaration) -> Learnt {
    learn(material, base, false)
}

fn learn(material: &Material<'_>, base: &Declaration, fresh: bool) -> Learnt {
    let index = ClaimIndex::new(base);
    let subject = Subject::new(base, &index, material.device, material.flows, material.evidence);
    let mut sorted = sort::sort(&subject, fresh);
    let mut drafts = draft::drafts(&subject, &mut sorted, fresh);
    drafts.iter_mut().for_each(|draft| facts::fill(&subject, draft));
    let mut known = Declaration::clone(base);
    let mut said = Vec::new();
    if fresh {
        let mut profile = Profile::clone(&base.profile);
        let hosts: Vec<&Host> = material.hosts.known().collect();
        profile.baseline = baseline(material, &sorted.baseline);
        (profile.identify, said) = identify::identify(material.device, &hosts);
        (profile.name, profile.title) = header::called(&subject);
        known.profile = Arc::new(profile);
    }
    let first_id = first_id(&base.profile);
    let settled = settle::settle(material, &known, &mut drafts, first_id);
    if !settled.dropped.is_empty() {
        sorted.left.entry(sort::Why::Room).or_default().extend(settled.dropped);
    }
    let claims = settle::claims(&drafts, first_id);
    let mut notes = Notes::default();
    for (claim, draft) in claims.iter().zip(&drafts) {
        notes.entries.insert(claim.id.clone(), words::comment(&subject, draft));
    }
    let count =
        |level: Level| drafts.iter().filter(|draft| draft.level == level && !draft.views.is_empty()).count();
    let counts = (count(Level::Required), count(Level::Allowed), count(Level::Forbidden));
    let context = header::Context {
        material,
        subject: &subject,
        left: &sorted.left,
        rest: &settled.rest,
        fresh,
        said: &said,
        identify: &known.profile.identify,
    };
    notes.header = header::lines(&context);
    let why_left = header::not_learnt(&context);
    let mut profile = Profile::clone(&known.profile);
    profile.claims = claims;
    profile.slots.clear();
    let remaining = header::by_code(&settled.rest);
    let left = sorted.left.values().map(Vec::len).sum();
    Learnt { profile, notes, counts, left, why_left, remaining }
}

/// What was seen of infrastructure; address resolution and neighbour discovery are no flows.
fn baseline(material: &Material<'_>, seen: &BTreeSet<Baseline>) -> Vec<Baseline> {
    let mut all = seen.clone();
    let own = |item: &&HostTrait| {
        matches!(item.kind, TraitKind::Neighbour)
            && (item.mac.is_some() && item.mac == material.device.mac
                || item.ip.is_some_and(|ip| material.device.addresses.contains(&ip)))
    };
    for item in material.traits.iter().filter(own) {
        all.extend(item.ip.map(|ip| if ip.is_ipv4() { Baseline::Arp } else { Baseline::Ndp }));
    }
    all.into_iter().collect()
}

/// The number of the first id that is free, and all after it.
fn first_id(profile: &Profile) -> usize {
    let ids = profile.claims.iter().map(|claim| &claim.id);
    let ids = ids.chain(profile.not_checkable.iter().map(|statement| &statement.id));
    let numbers = ids.filter_map(|id| {
        let digits: String = id.strip_prefix("L-")?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    numbers.max().unwrap_or(0).saturating_add(1)
}

/// Whether a finding is about the capture and not about the device.
fn is_about_capture(code: &str) -> bool {
    code.starts_with("capture-")
}
