//! Which claims a flow falls under.
//!
//! Among the claims whose direction, transport, port and protocol match, those with the narrowest peer are
//! selected; claims of equal width are united; a forbidding one beats the others. Where nobody knows who opened a flow from
//! outside, a claim that lets the device open it covers it too. What matches nothing and is not baseline is undeclared.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::claim_index::applies;
use super::subject::{Subject, View, flow_rule};
use crate::model::finding::Way;
use crate::model::{FlowKey, NameSource, Transport};
use crate::profile::{
    Baseline, BoundClaim, ClaimState, FlowRule, Level, NamePattern, Peer, Ports, ProxyRule,
};

/// What the declaration says of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// These claims (positions in the declaration) allow or require it, together.
    Claims(Vec<usize>),
    /// This claim forbids it.
    Forbidden(usize),
    /// Infrastructure that needs no claim.
    Baseline(Baseline),
    /// A claim that nobody bound may cover it.
    Undetermined(usize),
    /// Nothing declares it.
    Undeclared,
}

/// How a flow's content fits a declared protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// As far as it can be seen.
    Yes,
    /// No content was recognised.
    Unseen,
    /// It is something else.
    No,
}

/// How narrowly a claim names its peer; smaller is narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// An exact name.
    Name,
    /// A wildcard; the longer its suffix, the narrower.
    Suffix(Reverse<usize>),
    /// A single address.
    Address,
    /// A prefix; the longer, the narrower.
    Prefix(Reverse<u8>),
    /// The device's own networks, or an address list.
    List,
    /// Anybody.
    Any,
}

/// What the declaration says of each view of `subject`. Connections that are alike in everything that matters here
/// are asked for once: a device may have a hundred thousand to one peer.
pub fn of_all(subject: &Subject<'_>) -> Vec<(Arc<[u32]>, Match)> {
    let mut known: HashMap<Likeness<'_>, (Arc<[u32]>, Match)> = HashMap::new();
    let one = |view| {
        let find = || {
            let candidates = candidates(subject, view);
            let matched = of(subject, view, &candidates);
            (candidates.into(), matched)
        };
        known.entry(likeness(view)).or_insert_with(find).clone()
    };
    subject.views.iter().map(one).collect()
}

/// Claims with a flow rule that may be about `view`.
fn candidates(subject: &Subject<'_>, view: &View<'_>) -> Vec<u32> {
    candidates_at(subject, view, view.port)
}

/// As [`candidates`], had it this port.
fn candidates_at(subject: &Subject<'_>, view: &View<'_>, port: Option<u16>) -> Vec<u32> {
    let about = |ip: IpAddr| subject.index.about(ip, &view.name.candidates, port);
    let mut found = about(view.peer);
    if let Some(v4) = subject.evidence.names.embedded(view.peer) {
        found.extend(about(v4));
        found.sort_unstable();
        found.dedup();
    }
    found
}

/// Who, by which name, from which side, on which ports, with which content, and whether it is a proxy or a resolver. Of the
/// ports, the last is that of the peer where the device may have opened the flow.
type Likeness<'v> = (
    (IpAddr, Option<&'v str>, NameSource),
    (bool, Way, Transport, Option<u16>, u16, Option<u16>),
    &'v [&'static str],
    (bool, bool),
);

/// Everything that [`of`] looks at. With its peer and its source, a name stands for its candidates.
fn likeness<'v>(view: &'v View<'_>) -> Likeness<'v> {
    let key = view.flow.key;
    (
        (view.peer, view.name.name.as_deref(), view.name.source),
        (view.by_device, view.way, key.transport, view.port, key.resp.port, port_if_outward(view)),
        &view.service,
        (view.is_proxy, view.encrypted_dns.is_some()),
    )
}

/// What the declaration says of `view`.
fn of(subject: &Subject<'_>, view: &View<'_>, candidates: &[u32]) -> Match {
    if view.is_proxy {
        return proxy(subject);
    }
    let selected = narrowest(subject, view, candidates, Reading::AsSeen);
    let level = |index: &usize| subject.claim(*index).map(|bound| bound.claim.level);
    if let Some(forbidding) = selected.iter().find(|index| level(index) == Some(Level::Forbidden)) {
        return Match::Forbidden(*forbidding);
    }
    if !selected.is_empty() {
        return Match::Claims(selected);
    }
    if let Some(item) = baseline(subject, view) {
        return Match::Baseline(item);
    }
    if let Some(port) = port_if_outward(view) {
        let candidates = candidates_at(subject, view, Some(port));
        let mut outward = narrowest(subject, view, &candidates, Reading::Outward(port));
        outward.retain(|index| level(index) != Some(Level::Forbidden));
        if !outward.is_empty() {
            return Match::Claims(outward);
        }
    }
    undetermined(subject, view, candidates).map_or(Match::Undeclared, Match::Undetermined)
}

/// The peer's port of a flow that seems to come from outside, where nobody knows: the device may have opened it, and the
/// capture begins in its middle.
fn port_if_outward(view: &View<'_>) -> Option<u16> {
    (!view.by_device && view.opener_is_guessed()).then_some(view.flow.key.orig.port)
}

/// Whom to take for a flow's opener.
#[derive(Debug, Clone, Copy)]
enum Reading {
    /// Whoever seems to be.
    AsSeen,
    /// The device, to this port of the peer.
    Outward(u16),
}

/// Of the claims whose shape and content fit `view`, those that name its peer the most narrowly; those that name it as the
/// view does come first.
fn narrowest(subject: &Subject<'_>, view: &View<'_>, candidates: &[u32], reading: Reading) -> Vec<usize> {
    let shape_fits = |rule: &FlowRule| match reading {
        Reading::AsSeen => shape_fits(rule, view),
        Reading::Outward(port) => {
            rule.way != Some(Way::In)
                && (rule.way != Some(Way::Local) || view.way == Way::Local)
                && transport_fits(rule, view.flow.key)
                && rule.ports.contains(port)
        }
    };
    let mut best: Option<Width> = None;
    let mut selected: Vec<usize> = Vec::new();
    for (index, bound, rule) in subject.rules_at(candidates) {
        if !applies(bound) || !shape_fits(rule) {
            continue;
        }
        let fit = fit(&rule.services, &view.service);
        // What forbids a protocol forbids it where it is seen, not where it might be.
        let unseen = bound.claim.level == Level::Forbidden && !rule.services.is_empty() && fit == Fit::Unseen;
        // Infrastructure is not what a network is asked to block.
        let exempt = rule.blocked && is_baseline(subject, view);
        if fit == Fit::No || unseen || exempt {
            continue;
        }
        // Only a port that is bound can be told to match.
        let Some(width) = width(subject, rule, view) else { continue };
        match best {
            Some(narrowest) if width > narrowest => {}
            Some(narrowest) if width == narrowest => selected.push(index),
            _ => {
                best = Some(width);
                selected = vec![index];
            }
        }
    }
    // An address may have several names, each with a claim.
    if let (Some(name), [_, _, ..]) = (&view.name.name, &*selected) {
        selected.sort_by_key(|index| !subject.claim(*index).is_some_and(|bound| names(bound, name)));
    }
    selected
}

/// Whether a claim is about a peer of this name.
fn names(bound: &BoundClaim, name: &str) -> bool {
    let is_it = |peer: &Peer| matches!(peer, Peer::Name(pattern) if pattern.matches(name));
    flow_rule(bound).is_some_and(|rule| rule.peers.iter().any(is_it))
}

fn proxy(subject: &Subject<'_>) -> Match {
    subject
        .active_claims()
        .find_map(|(index, bound)| match bound.claim.rule {
            crate::profile::Rule::Proxy(ProxyRule::Required | ProxyRule::Allowed) => {
                Some(Match::Claims(vec![index]))
            }
            crate::profile::Rule::Proxy(ProxyRule::Forbidden) => Some(Match::Forbidden(index)),
            _ => None,
        })
        .unwrap_or(Match::Undeclared)
}

/// Whether direction, transport and port fit, whoever the peer is.
pub fn shape_fits(rule: &FlowRule, view: &View<'_>) -> bool {
    way_fits(rule.way, view) && transport_fits(rule, view.flow.key) && port_fits(&rule.ports, view.port)
}

/// `in` and `out` go by who sent the first packet, whether or not the peer is on the LAN.
pub fn way_fits(way: Option<Way>, view: &View<'_>) -> bool {
    match way {
        None => true,
        Some(Way::Out) => view.by_device,
        Some(Way::In) => !view.by_device,
        Some(Way::Local) => view.way == Way::Local,
    }
}

/// Whether the transport is one of the rule's.
pub fn transport_fits(rule: &FlowRule, key: FlowKey) -> bool {
    rule.transports.is_empty() || rule.transports.contains(&key.transport)
}

fn port_fits(ports: &Ports, port: Option<u16>) -> bool {
    match port {
        Some(port) => ports.contains(port),
        None => *ports == Ports::Any,
    }
}

/// How the observed chain fits the declared ones: it may be the beginning of one (the rest is encrypted), or go on
/// where one ends.
pub fn fit(declared: &[String], observed: &[&'static str]) -> Fit {
    if observed.is_empty() {
        return Fit::Unseen;
    }
    let fits = |chain: &String| chain.split('/').zip(observed).all(|(want, got)| want == *got);
    if declared.is_empty() || declared.iter().any(fits) { Fit::Yes } else { Fit::No }
}

/// How narrowly `rule` names the peer of `view`; `None` if it names others.
pub fn width(subject: &Subject<'_>, rule: &FlowRule, view: &View<'_>) -> Option<Width> {
    if rule.peers.is_empty() {
        return Some(Width::Any);
    }
    rule.peers.iter().filter_map(|peer| peer_width(subject, peer, view)).min()
}

fn peer_width(subject: &Subject<'_>, peer: &Peer, view: &View<'_>) -> Option<Width> {
    match peer {
        Peer::Name(pattern) => {
            view.name.candidates.iter().any(|name| pattern.matches(name)).then_some(match pattern {
                NamePattern::Exact(_) => Width::Name,
                NamePattern::Below(apex) | NamePattern::Suffix(apex) => Width::Suffix(Reverse(apex.len())),
            })
        }
        Peer::Network(net) => means(subject, view.peer, |ip| net.contains(&ip)).then(|| {
            if net.prefix_len() == net.max_prefix_len() {
                Width::Address
            } else {
                Width::Prefix(Reverse(net.prefix_len()))
            }
        }),
        Peer::List(list) => means(subject, view.peer, |ip| list.contains(ip)).then_some(Width::List),
        Peer::Local => subject.is_local(view.peer).then_some(Width::List),
    }
}

/// Whether `ip`, or the IPv4 address that it stands for behind a translator, is among those meant.
fn means(subject: &Subject<'_>, ip: IpAddr, meant: impl Fn(IpAddr) -> bool) -> bool {
    meant(ip) || subject.evidence.names.embedded(ip).is_some_and(meant)
}

/// The infrastructure item that covers `view`, if the profile lists it.
fn baseline(subject: &Subject<'_>, view: &View<'_>) -> Option<Baseline> {
    let item = infrastructure(view)?;
    if !subject.declaration.profile.baseline.contains(&item) {
        return None;
    }
    let foreign_resolver = item == Baseline::Dns && is_foreign_resolver(subject, view);
    (!foreign_resolver).then_some(item)
}

/// Whether the profile's baseline covers `view`.
fn is_baseline(subject: &Subject<'_>, view: &View<'_>) -> bool {
    baseline(subject, view).is_some()
}

/// Whether `view` is DNS to another resolver than the site's, or where it names none, than those that DHCP handed out.
/// Where none is known, any will do; but not beyond the LAN for look-ups that only the resolver can read.
pub fn is_foreign_resolver(subject: &Subject<'_>, view: &View<'_>) -> bool {
    let given = subject.resolvers();
    let secret = view.encrypted_dns.is_some() && view.way != Way::Local;
    view.by_device && !given.contains(&view.peer) && (secret || !given.is_empty())
}

/// A responder's datagrams whose request came before the capture: nobody opened this flow here.
pub fn is_reply_only(view: &View<'_>) -> bool {
    let flow = view.flow;
    !view.by_device && flow.packets.resp == 0 && flow.key.orig.port < 1024 && flow.key.resp.port >= 1024
}

/// What kind of infrastructure traffic `view` is, by content, and by port where nothing was recognised.
pub fn infrastructure(view: &View<'_>) -> Option<Baseline> {
    if view.encrypted_dns.is_some() {
        return Some(Baseline::Dns);
    }
    let key = view.flow.key;
    let service = view.service.first().copied();
    let port = |number: u16| key.resp.port == number;
    match key.transport {
        Transport::Icmp => Some(Baseline::Icmp),
        Transport::Icmpv6 => Some(if view.way == Way::Local { Baseline::Ndp } else { Baseline::Icmp }),
        Transport::Other(2) => Some(Baseline::Igmp),
        // IPv6 without a transport header of its own: hop-by-hop with multicast listener reports.
        Transport::Other(_) => None,
        Transport::Tcp => {
            (port(53) && view.by_device && matches!(service, None | Some("dns"))).then_some(Baseline::Dns)
        }
        Transport::Udp => match service {
            Some("dns") if view.by_device => Some(Baseline::Dns),
            Some("dhcp" | "dhcpv6") => Some(Baseline::Dhcp),
            Some("mdns") => Some(Baseline::Mdns),
            Some("llmnr") => Some(Baseline::Llmnr),
            Some("ssdp") => Some(Baseline::Ssdp),
            Some("nbns" | "netbios-dgm") => Some(Baseline::Netbios),
            None | Some("http") => match key.resp.port {
                53 if view.by_device => Some(Baseline::Dns),
                67 | 68 | 546 | 547 => Some(Baseline::Dhcp),
                5353 => Some(Baseline::Mdns),
                5355 => Some(Baseline::Llmnr),
                1900 => Some(Baseline::Ssdp),
                137 | 138 => Some(Baseline::Netbios),
                _ => None,
            },
            Some(_) => None,
        },
    }
}

/// A claim that would cover `view` if somebody bound its parameter or variant.
fn undetermined(subject: &Subject<'_>, view: &View<'_>, candidates: &[u32]) -> Option<usize> {
    subject.rules_at(candidates).find_map(|(index, bound, rule)| {
        let unbound_port = matches!(rule.ports, Ports::Unbound(_));
        let open = matches!(bound.state, ClaimState::Unbound(_)) && bound.claim.level != Level::Forbidden;
        let fits = way_fits(rule.way, view)
            && transport_fits(rule, view.flow.key)
            && (unbound_port || port_fits(&rule.ports, view.port))
            && (width(subject, rule, view).is_some() || rule.peers.iter().any(is_open));
        (open && fits).then_some(index)
    })
}

/// Whether a peer stands for whatever a parameter will be bound to.
fn is_open(peer: &Peer) -> bool {
    matches!(peer, Peer::List(set) if set.dated.is_empty() && set.networks.is_empty())
}

/// Active claims that name the peer of `view` with its direction, whatever port and protocol.
pub fn claims_of_peer<'a>(subject: &Subject<'a>, view: &View<'_>) -> Vec<(&'a BoundClaim, &'a FlowRule)> {
    subject
        .rules_at(&view.candidates)
        .filter(|(_, bound, rule)| {
            bound.claim.level != Level::Forbidden
                && !rule.peers.is_empty()
                && applies(bound)
                && width(subject, rule, view).is_some()
        })
        .map(|(_, bound, rule)| (bound, rule))
        .collect()
}

/// Active claims that open the direction of `view` for anybody over its transport, whatever port and protocol.
pub fn claims_of_anybody<'a>(subject: &Subject<'a>, view: &View<'_>) -> Vec<(&'a BoundClaim, &'a FlowRule)> {
    subject
        .rules_at(subject.index.anybody())
        .filter(|(_, bound, rule)| {
            matches!(bound.claim.level, Level::Required | Level::Allowed)
                && applies(bound)
                && rule.way.is_some()
                && way_fits(rule.way, view)
                && transport_fits(rule, view.flow.key)
        })
        .map(|(_, bound, rule)| (bound, rule))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_chain_may_be_hidden_or_go_on() {
        let declared = vec![String::from("tls/mqtt")];
        assert_eq!(fit(&declared, &["tls"]), Fit::Yes);
        assert_eq!(fit(&declared, &["tls", "mqtt"]), Fit::Yes);
        assert_eq!(fit(&declared, &["mqtt"]), Fit::No);
        assert_eq!(fit(&declared, &[]), Fit::Unseen);
        assert_eq!(fit(&[String::from("http")], &["http", "websocket"]), Fit::Yes);
        assert_eq!(fit(&[], &["http"]), Fit::Yes);
    }

    #[test]
    fn widths_order_from_name_to_anybody() {
        let order = [
            Width::Name,
            Width::Suffix(Reverse(12)),
            Width::Suffix(Reverse(3)),
            Width::Address,
            Width::Prefix(Reverse(24)),
            Width::Prefix(Reverse(8)),
            Width::List,
            Width::Any,
        ];
        assert!(order.is_sorted());
    }
}
