//! What the flows of a claim have in common, as things that it can declare: protocols, TLS, lifetimes, keep alive, cadence.
//!
//! Nothing weak is declared: a declared cipher suite or signature conforms, whatever the policy says of it, and what is
//! learnt must not hide what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cadence::Cadence;
use super::draft::{Draft, Section};
use super::ports;
use super::words::span_text;
use crate::analyzers::mqtt::fields as mqtt;
use crate::analyzers::tls;
use crate::analyzers::websocket::fields as websocket;
use crate::checks::{Subject, View, equivalent_version, outcome};
use crate::model::Field;
use crate::model::flow::End;
use crate::model::text::counted;
use crate::profile::tls_policy::{self, Tier, TlsPolicy};
use crate::profile::{FlowRule, Level, LifetimeRule, Peer, Ports, Rule, TlsRule};

/// A connection that lives so long is one that is meant to.
pub(super) const LONG: Duration = Duration::from_mins(5);
/// More different chains of protocols than this at one place say nothing.
const MAX_SERVICES: usize = 4;
/// More different values of a kind than this are not written down.
const MAX_VALUES: usize = 8;
/// Longer text from a certificate or a hello is not written down.
const MAX_TEXT: usize = 128;

/// So many connections show what a server agrees on.
const ENOUGH: usize = 3;

/// What is said where something weak was seen.
const NOT_GOOD: &str = "which the TLS policy does not call good";
const STAYS: &str = "so that it goes on being told";

/// Fills the facts in, and decides how strongly the claim binds.
pub(super) fn fill(subject: &Subject<'_>, draft: &mut Draft) {
    let views: Vec<&View<'_>> = draft.views.iter().filter_map(|at| subject.views.get(*at)).collect();
    let Rule::Flow(rule) = &mut draft.rule else { return };
    if draft.section == Section::Attempt {
        return;
    }
    services(rule, &views, &mut draft.remarks);
    let with_tls: Vec<&View<'_>> = views.iter().copied().filter(|view| view.has_tls()).collect();
    if !with_tls.is_empty() {
        rule.tls = tls_rule(subject.declaration.policies.get(None), &with_tls, &mut draft.remarks);
    }
    lifetime(rule, &views, &mut draft.remarks);
    keep_alive(rule, &views, &mut draft.remarks);
    rule.websocket = views.iter().any(|view| view.flow.facts.has(&websocket::ACCEPTED))
        && !views.iter().any(|view| view.flow.facts.has(&websocket::REFUSED));
    if draft.section == Section::Named || draft.section == Section::Near {
        level(subject, rule, &views, &mut draft.level, &mut draft.remarks);
    }
}

/// The longest chains that were seen: shorter ones are their beginnings, with the rest hidden.
fn services(rule: &mut FlowRule, views: &[&View<'_>], remarks: &mut Vec<String>) {
    let all: BTreeSet<&[&'static str]> =
        views.iter().map(|view| view.service.as_slice()).filter(|chain| !chain.is_empty()).collect();
    let longer =
        |chain: &[&str]| all.iter().any(|other| other.len() > chain.len() && other.starts_with(chain));
    let chains: Vec<String> =
        all.iter().filter(|chain| !longer(chain)).map(|chain| chain.join("/")).collect();
    if chains.len() > MAX_SERVICES {
        remarks.push(format!("{} different protocols were seen, so none is declared", chains.len()));
    } else {
        rule.services = chains;
    }
}

/// What the handshakes agreed on; `None` where none was seen.
fn tls_rule(policy: &TlsPolicy, views: &[&View<'_>], remarks: &mut Vec<String>) -> Option<TlsRule> {
    let rule = TlsRule {
        min_version: versions(policy, views, remarks),
        suites: suites(policy, views, remarks),
        min_rsa_bits: rsa_bits(policy, views, remarks),
        signatures: signatures(policy, views, remarks),
        mutual: mutual(views),
        issuers: issuers(views),
        alpn: alpn(views),
        ..TlsRule::default()
    };
    remarks.extend(without_certificate(views).map(|which| format!("not seen: {which}")));
    (rule != TlsRule::default()).then_some(rule)
}

/// In how many of `views` no certificate was seen, and why.
pub(super) fn without_certificate(views: &[&View<'_>]) -> Option<String> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for facts in views.iter().map(|view| view.certificates()) {
        if !facts.has(&tls::CERTIFICATE_KEY_BITS) {
            let why = match facts.first(&tls::CERTIFICATE).and_then(|fact| fact.value.as_str()) {
                Some("encrypted") => "encrypted by TLS 1.3",
                Some("resumed") => "none sent, as a session was resumed",
                Some("none") => "none is needed with what was agreed on",
                Some(_) => "it cannot be read",
                None => "that part of the handshake is not there",
            };
            let count = reasons.entry(why).or_default();
            *count = count.saturating_add(1);
        }
    }
    let missing: usize = reasons.values().sum();
    let why = match reasons.first_key_value() {
        Some((why, count)) if *count == missing => (*why).to_owned(),
        _ => reasons.iter().map(|(why, count)| format!("{count} {why}")).collect::<Vec<_>>().join(", "),
    };
    let of = counted(views.len() as u64, "TLS connection");
    (missing > 0).then(|| format!("the certificate in {missing} of {of}: {why}"))
}

fn numbers(views: &[&View<'_>], field: &'static Field) -> BTreeSet<u16> {
    let facts = views.iter().flat_map(|view| view.flow.facts.of(field));
    facts.filter_map(|fact| fact.value.as_uint().and_then(|number| u16::try_from(number).ok())).collect()
}

/// What the device offers as least of what the policy calls good, where it is the client: the server may choose any of it the
/// next time. Where it is the server, what it agreed on with [`ENOUGH`] clients; another client may offer less.
fn versions(policy: &TlsPolicy, views: &[&View<'_>], remarks: &mut Vec<String>) -> Option<u16> {
    let is_good = |version: u16| {
        let judgement = policy.version(equivalent_version(version));
        judgement.is_some_and(|judgement| judgement.tier == Tier::Ok)
    };
    let agreed =
        |view: &&View<'_>| numbers(&[view], &tls::VERSION).into_iter().min_by_key(|v| equivalent_version(*v));
    let shown: Vec<u16> = views.iter().filter_map(agreed).collect();
    let least = shown.iter().copied().min_by_key(|version| equivalent_version(*version))?;
    let name = version_name(least);
    if !is_good(least) {
        remarks.push(format!("{name} was agreed on, {NOT_GOOD}: no version is declared, {STAYS}"));
        return None;
    }
    if views.iter().any(|view| !view.by_device) && shown.len() < ENOUGH {
        let shown = counted(shown.len() as u64, "connection");
        remarks.push(format!(
            "{name} was agreed on in {shown}, too few to declare that the device accepts no less"
        ));
        return None;
    }
    let least = equivalent_version(least);
    let offered = views.iter().filter(|view| view.by_device && agreed(view).is_some());
    let offered =
        offered.flat_map(|view| numbers(&[view], &tls::OFFERED_VERSION)).filter(|offer| is_good(*offer));
    let offered = offered.map(equivalent_version).min().filter(|offered| *offered < least);
    remarks.extend(offered.map(|offered| {
        let offered = version_name(offered);
        format!("the least agreed on is {name}; the device offers {offered} too, so that is declared")
    }));
    Some(offered.unwrap_or(least))
}

fn version_name(version: u16) -> String {
    let known = tls_policy::version_names().get(version);
    known.map_or_else(|| format!("0x{version:04x}"), |known| known.name.to_owned())
}

fn suites(policy: &TlsPolicy, views: &[&View<'_>], remarks: &mut Vec<String>) -> Vec<u16> {
    let all = numbers(views, &tls::SUITE);
    let good = |code: &u16| policy.suite(*code).is_some_and(|suite| suite.tier == Tier::Ok);
    let Some(weak) = all.iter().find(|code| !good(code)) else {
        return if all.len() > MAX_VALUES { Vec::new() } else { all.into_iter().collect() };
    };
    let name =
        tls_policy::suite(*weak).map_or_else(|| format!("0x{weak:04x}"), |suite| suite.name.to_owned());
    remarks.push(format!("{name} was agreed on, {NOT_GOOD}: no suites are declared, {STAYS}"));
    Vec::new()
}

/// The least size of an RSA key in a certificate of either side.
fn rsa_bits(policy: &TlsPolicy, views: &[&View<'_>], remarks: &mut Vec<String>) -> Option<u32> {
    let sides = [
        (&tls::CERTIFICATE_KEY_TYPE, &tls::CERTIFICATE_KEY_BITS),
        (&tls::CLIENT_KEY_TYPE, &tls::CLIENT_KEY_BITS),
    ];
    let mut sizes = Vec::new();
    for facts in views.iter().map(|view| view.certificates()) {
        for (kind, bits) in sides {
            let is_rsa = facts.first(kind).is_some_and(|fact| fact.value.to_string().starts_with("rsa"));
            let bits = facts.first(bits).and_then(|fact| u32::try_from(fact.value.as_uint()?).ok());
            sizes.extend(bits.filter(|_| is_rsa));
        }
    }
    let least = sizes.into_iter().min()?;
    if policy.rsa_bits(least).is_some_and(|judgement| judgement.tier == Tier::Ok) && least <= 65_536 {
        return Some(least);
    }
    remarks.push(format!(
        "a certificate has an RSA key of {least} bits, {NOT_GOOD}: no size is declared, {STAYS}"
    ));
    None
}

fn signatures(policy: &TlsPolicy, views: &[&View<'_>], remarks: &mut Vec<String>) -> Vec<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    for facts in views.iter().map(|view| view.certificates()) {
        for field in [&tls::CERTIFICATE_SIGNATURE, &tls::CLIENT_SIGNATURE] {
            all.extend(facts.first(field).map(|fact| fact.value.to_string()));
        }
    }
    let good = |name: &String| {
        policy.signature(name).is_some_and(|judgement| judgement.tier == Tier::Ok) && is_plain(name)
    };
    if let Some(weak) = all.iter().find(|name| !good(name)) {
        remarks.push(format!(
            "a certificate is signed with {weak}, {NOT_GOOD}: no signatures are declared, {STAYS}"
        ));
        return Vec::new();
    }
    if all.len() > MAX_VALUES { Vec::new() } else { all.into_iter().collect() }
}

/// Every handshake that shows certificates shows one of the client.
fn mutual(views: &[&View<'_>]) -> bool {
    let shown: Vec<bool> = views
        .iter()
        .map(|view| view.certificates())
        .filter(|facts| {
            facts.first(&tls::CERTIFICATE).is_some_and(|fact| fact.value.as_str() == Some("visible"))
        })
        .map(|facts| {
            facts.first(&tls::CLIENT_CERTIFICATE).is_some_and(|fact| fact.value.as_str() == Some("sent"))
        })
        .collect();
    !shown.is_empty() && shown.into_iter().all(|sent| sent)
}

/// Organisation, else common name, of every issuer, as far as they can be declared.
fn issuers(views: &[&View<'_>]) -> Vec<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    for facts in views.iter().map(|view| view.certificates()) {
        let Some(whole) = facts.first(&tls::CERTIFICATE_ISSUER).map(|fact| fact.value.to_string()) else {
            continue;
        };
        let parts = [&tls::CERTIFICATE_ISSUER_O, &tls::CERTIFICATE_ISSUER_CN];
        let said =
            parts.into_iter().filter_map(|field| facts.first(field)).map(|fact| fact.value.to_string());
        // Escapes may make the whole name say it otherwise.
        let fits = |part: &String| is_plain(part) && whole.to_lowercase().contains(&part.to_lowercase());
        match said.into_iter().find(fits) {
            Some(part) => all.insert(part),
            None => return Vec::new(),
        };
    }
    if all.len() > MAX_VALUES { Vec::new() } else { all.into_iter().collect() }
}

/// What servers chose, where each client offered one of those; else what clients offered.
fn alpn(views: &[&View<'_>]) -> Vec<String> {
    let texts = |view: &View<'_>, field: &'static Field| -> BTreeSet<String> {
        let all = view.flow.facts.of(field).filter_map(|fact| fact.value.as_str());
        all.filter(|text| is_plain(text)).map(str::to_owned).collect()
    };
    let offered: Vec<BTreeSet<String>> = views
        .iter()
        .map(|view| texts(view, &tls::OFFERED_ALPN))
        .filter(|offered| !offered.is_empty())
        .collect();
    let chosen: BTreeSet<String> = views.iter().flat_map(|view| texts(view, &tls::ALPN)).collect();
    let covers = |set: &BTreeSet<String>| offered.iter().all(|one| !one.is_disjoint(set));
    let all =
        if !chosen.is_empty() && covers(&chosen) { chosen } else { offered.into_iter().flatten().collect() };
    if all.len() > MAX_VALUES { Vec::new() } else { all.into_iter().collect() }
}

/// Text that can stand in a profile and reads back as it was.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_TEXT
        && text.trim() == text
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Long-running is what outlived [`LONG`] and was still open at the end.
fn lifetime(rule: &mut FlowRule, views: &[&View<'_>], remarks: &mut Vec<String>) {
    let tcp: Vec<_> = views.iter().filter_map(|view| Some((view, view.flow.tcp.as_deref()?))).collect();
    let lasting = tcp.iter().filter(|(view, tcp)| {
        tcp.end == End::Open && view.flow.duration() >= LONG && outcome::of(view).answered()
    });
    if lasting.count() > 0 {
        rule.lifetime = Some(LifetimeRule { long_running: true, ..LifetimeRule::default() });
    }
    let longest = tcp.iter().map(|(view, _)| view.flow.duration()).max().unwrap_or_default();
    if longest >= Duration::from_secs(30) {
        remarks.push(format!("the longest connection was seen for {}", span_text(longest)));
    }
}

/// The longest that was announced.
fn keep_alive(rule: &mut FlowRule, views: &[&View<'_>], remarks: &mut Vec<String>) {
    let announced: Vec<u64> = views
        .iter()
        .flat_map(|view| view.flow.facts.of(&mqtt::KEEP_ALIVE))
        .filter_map(|fact| fact.value.as_uint())
        .collect();
    if announced.contains(&0) {
        remarks.push(String::from(
            "the MQTT keep alive is switched off in some connections, so none is declared",
        ));
    } else {
        rule.keep_alive_max = announced.into_iter().max().map(Duration::from_secs);
    }
    let mut inferred: BTreeMap<&str, u64> = BTreeMap::new();
    for view in views.iter().filter(|view| view.service.last() == Some(&"tls")) {
        let facts = &view.flow.facts;
        let score = facts.first(&tls::INSIDE_SCORE).and_then(|fact| fact.value.as_uint()).unwrap_or(0);
        if let Some(word) = facts.first(&tls::INSIDE).and_then(|fact| fact.value.as_str()) {
            let best = inferred.entry(word).or_default();
            *best = (*best).max(score);
        }
    }
    for (word, score) in inferred {
        remarks.push(format!("what is inside TLS looks like {word} (inferred, score {score}); not declared"));
    }
}

/// Needed is what was done again and again, and worked.
fn level(
    subject: &Subject<'_>,
    rule: &FlowRule,
    views: &[&View<'_>],
    level: &mut Level,
    remarks: &mut Vec<String>,
) {
    let mut cadence = Cadence::default();
    let worked = || views.iter().filter(|view| outcome::worked(view));
    worked().for_each(|view| cadence.add(view.flow.first, view.flow.last));
    remarks.extend(cadence.rhythm());
    let to_group = rule.peers.iter().any(|peer| match peer {
        Peer::Network(net) => super::sort::is_to_all(subject.device, net.addr()),
        _ => false,
    });
    let first = subject.views.iter().map(|view| view.flow.first.at).min();
    let last = subject.views.iter().map(|view| view.flow.last.at).max();
    let (Some(first), Some(last)) = (first, last) else { return };
    // What another port, or another one of a range, would serve the next time is not needed by its number.
    let changes = views.len() == 1 && views.iter().all(|view| ports::may_change(view));
    let is_range = matches!(&rule.ports, Ports::Of(list) if list.iter().any(|(low, high)| low < high));
    if !to_group && !changes && !is_range && cadence.is_habit(first, last) {
        *level = Level::Required;
    }
}
