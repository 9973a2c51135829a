//! Selects variants and fills parameters in: a [`Profile`] becomes the [`Declaration`] of one run.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::problem::{near_or_all, quoted};
use super::schema::{ANYONE, UNBOUND};
use super::tls_policy::Policies;
use super::version::Version;
use super::{
    AddressSet, BoundClaim, Claim, ClaimState, Condition, Declaration, FlowRule, Parameter, Peer, Ports,
    Profile, Rule, Slot, SlotPart, load, value,
};
use crate::error::{Error, Result};

/// Whom a claim binds, and as whom devices are judged, where nothing else is said.
pub const DEVICE: &str = "device";

/// Binds `profile`: `variants` are options of its groups, `sets` names and values of its parameters, both already
/// stripped of the profile's name. What is not bound keeps its default, or stays open and is told by the state of the
/// claims that depend on it.
///
/// # Errors
/// [`Error::Usage`] for an unknown option or parameter (with the near miss), two options of one group, a parameter set
/// twice, and a value that is not of its parameter's kind; those of [`Policies::of`].
pub fn bind(profile: &Arc<Profile>, variants: &[String], sets: &[(String, String)]) -> Result<Declaration> {
    bind_as(profile, DEVICE, variants, sets)
}

/// As [`bind`], for a run that judges `subject`: `device`, or one of [`Profile::subjects`].
///
/// # Errors
/// As [`bind`], and [`Error::Usage`] for an unknown subject.
pub fn bind_as(
    profile: &Arc<Profile>,
    subject: &str,
    variants: &[String],
    sets: &[(String, String)],
) -> Result<Declaration> {
    let profile = &seen_by(profile, subject)?;
    let chosen = choose(profile, variants)?;
    let values = values(profile, sets)?;
    let claims = profile
        .claims
        .iter()
        .enumerate()
        .map(|(index, claim)| {
            let slots: Vec<&Slot> = profile.slots.iter().filter(|slot| slot.claim == index).collect();
            let mut claim = claim.clone();
            let mut state = state(&claim, subject, &chosen, &values);
            for slot in slots {
                match values.get(slot.parameter.as_str()) {
                    Some(text) => fill(&mut claim, slot, text, profile)?,
                    None if matches!(state, ClaimState::Active | ClaimState::Noted(_)) => {
                        state = ClaimState::Unbound(slot.parameter.clone());
                    }
                    None => {}
                }
            }
            Ok(BoundClaim { claim, state })
        })
        .collect::<Result<Vec<_>>>()?;
    let bound = profile.variants.iter().filter_map(|group| chosen.get(group.name.as_str()).copied());
    let role = (subject != DEVICE).then(|| format!("subject:{subject}"));
    let variant = role.as_deref().into_iter().chain(bound).collect::<Vec<_>>().join("+");
    Ok(Declaration {
        profile: Arc::clone(profile),
        subject: subject.to_owned(),
        variant,
        values: values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        claims,
        policies: Policies::of(profile)?,
    })
}

/// The profile whose `identify` recognises `subject`.
fn seen_by(profile: &Arc<Profile>, subject: &str) -> Result<Arc<Profile>> {
    if subject == DEVICE {
        return Ok(Arc::clone(profile));
    }
    let Some(role) = profile.subjects.iter().find(|role| role.name == subject) else {
        let known = std::iter::once(DEVICE).chain(profile.subjects.iter().map(|role| role.name.as_str()));
        let (name, hint) = (&profile.name, near_or_all(subject, known));
        return Err(Error::Usage(format!(
            "failed to select a subject: `{name}` has no subject `{subject}`{hint}"
        )));
    };
    Ok(Arc::new(Profile { identify: role.identify.clone(), ..Profile::clone(profile) }))
}

/// Group to option.
type Chosen<'p> = BTreeMap<&'p str, &'p str>;
/// Parameter to value; those without value are left out.
type Values<'p> = BTreeMap<&'p str, &'p str>;

fn choose<'p>(profile: &'p Profile, variants: &[String]) -> Result<Chosen<'p>> {
    let mut chosen = Chosen::new();
    for given in variants {
        let found = profile
            .variants
            .iter()
            .find_map(|group| Some((group, group.options.iter().find(|option| *option == given)?)));
        let Some((group, option)) = found else {
            let all: Vec<&str> =
                profile.variants.iter().flat_map(|group| &group.options).map(String::as_str).collect();
            let hint =
                if all.is_empty() { " (it has no variants)".to_owned() } else { near_or_all(given, all) };
            let name = &profile.name;
            return Err(Error::Usage(format!(
                "failed to select a variant: `{name}` has no variant `{given}`{hint}"
            )));
        };
        if let Some(other) = chosen.insert(&group.name, option)
            && other != option
        {
            let message = format!(
                "failed to select a variant: `{other}` and `{option}` exclude each other (one of {} of `{}`)",
                quoted(group.options.iter().map(String::as_str)),
                group.name
            );
            return Err(Error::Usage(message));
        }
    }
    for group in &profile.variants {
        if let Some(default) = &group.default {
            chosen.entry(&group.name).or_insert(default);
        }
    }
    Ok(chosen)
}

fn values<'p>(profile: &'p Profile, sets: &'p [(String, String)]) -> Result<Values<'p>> {
    let mut values = Values::new();
    for (name, text) in sets {
        let parameter = known_parameter(profile, name)?;
        load::check_value(parameter.kind, text).map_err(|message| {
            Error::Usage(format!("failed to set `{name}`: {message} ({})", parameter.help))
        })?;
        if values.insert(name.as_str(), text.as_str()).is_some_and(|other| other != text) {
            return Err(Error::Usage(format!(
                "failed to set `{name}`: it is set twice, to different values"
            )));
        }
    }
    for parameter in &profile.parameters {
        if let Some(default) = &parameter.default {
            values.entry(&parameter.name).or_insert(default);
        }
    }
    Ok(values)
}

fn known_parameter<'p>(profile: &'p Profile, name: &str) -> Result<&'p Parameter> {
    profile.parameters.iter().find(|parameter| parameter.name == name).ok_or_else(|| {
        let all: Vec<&str> = profile.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let hint = if all.is_empty() { " (it has no parameters)".to_owned() } else { near_or_all(name, all) };
        Error::Usage(format!("failed to set `{name}`: `{}` has no such parameter{hint}", profile.name))
    })
}

/// Whether the claim applies, its slots aside. What excludes it weighs more than what is open.
fn state(claim: &Claim, subject: &str, chosen: &Chosen<'_>, values: &Values<'_>) -> ClaimState {
    if claim.subject != subject && claim.subject != ANYONE {
        return ClaimState::OtherSubject;
    }
    let mut open = None;
    let mut notes = Vec::new();
    for condition in &claim.when {
        match condition {
            Condition::Variant { group, options } => match chosen.get(group.as_str()) {
                Some(option) if options.iter().any(|known| known == option) => {}
                Some(option) => return ClaimState::Inactive(format!("`{group}` is `{option}`")),
                None if options.iter().any(|known| known == UNBOUND) => {}
                None => open = open.or(Some(group)),
            },
            Condition::Flag { parameter, is } => {
                match values.get(parameter.as_str()).map(|text| *text == "true") {
                    Some(value) if value == *is => {}
                    Some(value) => return ClaimState::Inactive(format!("`{parameter}` is `{value}`")),
                    None if *is => notes.push(format!("`{parameter}` is not set and taken as `true`")),
                    // What holds only without a service must not be held against a device that may have it.
                    None => open = open.or(Some(parameter)),
                }
            }
            Condition::Version { parameter, ranges, unbound } => {
                let text = values.get(parameter.as_str());
                // What is no version was refused when it was set.
                match text.and_then(|text| Some((text, Version::parse(text).ok()?))) {
                    Some((_, version)) if ranges.iter().any(|range| range.contains(&version)) => {}
                    Some((text, _)) => return ClaimState::Inactive(format!("`{parameter}` is `{text}`")),
                    None if *unbound => {}
                    None => open = open.or(Some(parameter)),
                }
            }
        }
    }
    match (open, notes.is_empty()) {
        (Some(name), _) => ClaimState::Unbound(name.clone()),
        (None, true) => ClaimState::Active,
        (None, false) => ClaimState::Noted(notes.join(", ")),
    }
}

fn fill(claim: &mut Claim, slot: &Slot, text: &str, profile: &Profile) -> Result<()> {
    let usage = |message: String| {
        Error::Usage(format!("failed to bind `{}` of `{}`: {message}", slot.parameter, profile.name))
    };
    match (&mut claim.rule, slot.part) {
        (Rule::Flow(rule), SlotPart::Ports) => rule.ports = Ports::Of(value::ports(text).map_err(usage)?),
        (Rule::Flow(rule), SlotPart::PortsExcept) => {
            rule.ports = Ports::Except(value::ports(text).map_err(usage)?);
        }
        (Rule::Flow(rule), SlotPart::Peers) => fill_peers(rule, slot, value::peers(text).map_err(usage)?),
        (Rule::AddressesWithin { networks, .. }, SlotPart::Networks) => {
            let mut prefixes: Vec<IpNet> = Vec::new();
            for peer in value::peers(text).map_err(usage)? {
                match peer {
                    Peer::Network(network) => prefixes.push(network),
                    Peer::List(set) => prefixes.extend(set.networks.iter()),
                    _ => return Err(usage(format!("expected addresses or prefixes, got `{text}`"))),
                }
            }
            let networks_of = Arc::new(IpNet::aggregate(&prefixes));
            *networks =
                AddressSet { name: slot.parameter.clone(), dated: String::new(), networks: networks_of };
        }
        // The loader makes no other combination.
        _ => {}
    }
    Ok(())
}

/// Puts the parameter's peers in the place of its stand-in; no peers mean anybody.
fn fill_peers(rule: &mut FlowRule, slot: &Slot, peers: Vec<Peer>) {
    let stands_in =
        |peer: &Peer| matches!(peer, Peer::List(set) if set.name == slot.parameter && set.dated.is_empty());
    if peers.is_empty() {
        rule.peers.clear();
        return;
    }
    rule.peers.retain(|peer| !stands_in(peer));
    rule.peers.extend(peers);
}
