//! From what was sorted to claims that are still without facts: who, and at which ports.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::names::{self, Family};
use super::ports;
use super::sort::{Port, Sorted, Spot, Who, Why};
use crate::checks::Subject;
use crate::model::Transport;
use crate::model::finding::Way;
use crate::profile::{FlowRule, Level, NamePattern, Peer, Ports, ProxyRule, Rule};

/// A claim in the making.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// Place in the profile.
    pub(super) section: Section,
    /// What it says.
    pub(super) rule: Rule,
    /// How strongly.
    pub(super) level: Level,
    /// The flows that it was learnt from, as positions of views.
    pub(super) views: Vec<usize>,
    /// What is to be known, beside the counts.
    pub(super) remarks: Vec<String>,
}

/// Groups of claims, in the order in which a reviewer reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Proxy,
    /// By the device, to a name.
    Named,
    /// By the device, to addresses without name.
    Unnamed,
    /// By the device, in its own networks.
    Near,
    /// To the device.
    Inbound,
    /// Nobody answered.
    Attempt,
}

/// More addresses than this make no list that anybody reviews.
const MAX_PEERS: usize = 64;
/// More strangers than this that were let in are anybody.
const MAX_STRANGERS: usize = 16;
/// More ranges of ports than this are not written down.
const MAX_RANGES: usize = 64;
/// More claims than this make no profile that anybody reviews.
pub(super) const MAX_CLAIMS: usize = 400;
/// So many names are told where a wildcard stands for them.
const TOLD: usize = 8;

/// Drafts of everything that was sorted; what finds no room is left.
pub(super) fn drafts(subject: &Subject<'_>, sorted: &mut Sorted, fresh: bool) -> Vec<Draft> {
    let mut all = Vec::new();
    if !sorted.proxies.is_empty() {
        let rule = Rule::Proxy(ProxyRule::Allowed);
        let views = std::mem::take(&mut sorted.proxies);
        all.push(Draft { section: Section::Proxy, rule, level: Level::Allowed, views, remarks: Vec::new() });
    }
    all.extend(open(subject, sorted));
    all.extend(attempts_out(sorted));
    let ports_of_all = open_to_all(&all);
    all.extend(attempts_in(sorted, &ports_of_all));
    if all.is_empty() && fresh {
        // A profile has a claim. This one says what holds without it.
        let mut only = attempt(Way::In, Vec::new(), Transport::Tcp, Ports::Any, Vec::new());
        only.remarks.push(String::from(if sorted.left.is_empty() {
            "nothing but infrastructure was seen, which needs no claim"
        } else {
            "nothing was learnt but infrastructure, which needs no claim: the header says what was left out"
        }));
        all.push(only);
    }
    room(all, sorted)
}

/// Those that were learnt from most flows, by section and first sighting.
fn room(mut all: Vec<Draft>, sorted: &mut Sorted) -> Vec<Draft> {
    if all.len() > MAX_CLAIMS {
        all.sort_by_key(|draft| (std::cmp::Reverse(draft.views.len()), draft.views.first().copied()));
        let rest = all.split_off(MAX_CLAIMS);
        let mut left: Vec<usize> = rest.into_iter().flat_map(|draft| draft.views).collect();
        left.sort_unstable();
        sorted.left.entry(Why::Room).or_default().extend(left);
    }
    all.sort_by_key(|draft| (draft.section, draft.views.first().copied()));
    all
}

/// Where something answered.
fn open(subject: &Subject<'_>, sorted: &mut Sorted) -> Vec<Draft> {
    let mut out = Vec::new();
    let mut named: BTreeMap<(Transport, Port), BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    let mut bare: BTreeMap<(bool, Transport, Port), BTreeMap<IpNet, Vec<usize>>> = BTreeMap::new();
    let mut strangers: BTreeMap<(Transport, Port), BTreeMap<Who, Vec<usize>>> = BTreeMap::new();
    for (spot, views) in std::mem::take(&mut sorted.open) {
        let Spot { by_device, transport, port, who } = spot;
        match who {
            Who::Local => {
                let place = (transport, port);
                out.push(draft(subject, Section::Inbound, Way::In, vec![Peer::Local], place, views));
            }
            who if !by_device => {
                strangers.entry((transport, port)).or_default().insert(who, views);
            }
            Who::Name(name) => {
                named.entry((transport, port)).or_default().insert(name, views);
            }
            Who::Address(ip) => {
                let near = subject.device.is_local(ip);
                bare.entry((near, transport, port)).or_default().insert(IpNet::from(ip), views);
            }
        }
    }
    for ((transport, port), names) in named {
        out.extend(of_names(subject, (transport, port), names));
    }
    for ((near, transport, port), peers) in bare {
        let section = if near { Section::Near } else { Section::Unnamed };
        let views: Vec<usize> = ascending(peers.values().flatten());
        if peers.len() > MAX_PEERS {
            sorted.left.entry(Why::Peers(transport, port)).or_default().extend(views);
            continue;
        }
        let peers = peers.into_keys().map(Peer::Network).collect();
        out.push(draft(subject, section, Way::Out, peers, (transport, port), views));
    }
    for ((transport, port), peers) in strangers {
        let views: Vec<usize> = ascending(peers.values().flatten());
        let count = peers.len();
        let list: Vec<Peer> =
            if count > MAX_STRANGERS { Vec::new() } else { peers.into_keys().map(peer).collect() };
        let anybody = list.is_empty();
        let mut found = draft(subject, Section::Inbound, Way::In, list, (transport, port), views);
        if anybody {
            found
                .remarks
                .push(format!("{count} different hosts from outside were let in: taken for anybody"));
        }
        out.push(found);
    }
    out
}

/// One claim for each name, and one for each family of generated names.
fn of_names(
    subject: &Subject<'_>,
    place: (Transport, Port),
    mut names: BTreeMap<String, Vec<usize>>,
) -> Vec<Draft> {
    let families = names::families(names.keys().map(String::as_str));
    let mut out = Vec::new();
    for Family { apex, members } in families {
        let views: Vec<Vec<usize>> = members.iter().filter_map(|name| names.remove(name)).collect();
        let views = ascending(views.iter().flatten());
        let peers = vec![Peer::Name(NamePattern::Below(apex))];
        let mut found = draft(subject, Section::Named, Way::Out, peers, place, views);
        let told: Vec<&str> = members.iter().take(TOLD).map(String::as_str).collect();
        let more = members.len().saturating_sub(told.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        found.remarks.push(format!(
            "one wildcard for {} names that differ only in a label that looks generated: {}{more}",
            members.len(),
            told.join(", ")
        ));
        out.push(found);
    }
    for (name, views) in names {
        let peers = vec![peer(Who::Name(name))];
        out.push(draft(subject, Section::Named, Way::Out, peers, place, views));
    }
    out
}

/// What the device tried and nobody ever answered: peers with the same ports are one claim.
fn attempts_out(sorted: &mut Sorted) -> Vec<Draft> {
    let mut ports: BTreeMap<(Transport, Who), (BTreeSet<Port>, Vec<usize>)> = BTreeMap::new();
    for (spot, views) in &sorted.attempts {
        if spot.by_device {
            let (list, all) = ports.entry((spot.transport, spot.who.clone())).or_default();
            list.insert(spot.port);
            all.extend(views);
        }
    }
    let mut alike: BTreeMap<(Transport, BTreeSet<Port>), BTreeMap<Who, Vec<usize>>> = BTreeMap::new();
    for ((transport, who), (ports, views)) in ports {
        alike.entry((transport, ports)).or_default().insert(who, views);
    }
    let mut out = Vec::new();
    for ((transport, ports), peers) in alike {
        let views: Vec<usize> = ascending(peers.values().flatten());
        let ports = ranges(ports);
        if ports.len() > MAX_RANGES {
            sorted.left.entry(Why::Room).or_default().extend(views);
            continue;
        }
        let count = peers.len();
        let list: Vec<Peer> =
            if count > MAX_PEERS { Vec::new() } else { peers.into_keys().map(peer).collect() };
        let mut found = attempt(Way::Out, list, transport, Ports::Of(ports), views);
        if count > MAX_PEERS {
            found.remarks.push(format!("{count} different peers were tried: written as anybody"));
        }
        out.push(found);
    }
    out
}

/// What others tried at the device, which never answered: one claim for each transport.
fn attempts_in(sorted: &Sorted, open_to_all: &BTreeMap<Transport, Vec<(u16, u16)>>) -> Vec<Draft> {
    let mut found: BTreeMap<Transport, (BTreeSet<u16>, Vec<usize>)> = BTreeMap::new();
    for (spot, views) in sorted.attempts.iter().filter(|(spot, _)| !spot.by_device) {
        let (ports, all) = found.entry(spot.transport).or_default();
        if let Port::One(port) = spot.port {
            ports.insert(port);
        }
        all.extend(views);
    }
    let mut out = Vec::new();
    for (transport, (ports, views)) in found {
        let open = open_to_all.get(&transport).cloned().unwrap_or_default();
        let closed = |port: &u16| !open.iter().any(|(low, high)| (*low..=*high).contains(port));
        let tried: Vec<u16> = ports.into_iter().filter(closed).collect();
        let list = ranges(tried.iter().copied().map(Port::One));
        let many = list.len() > MAX_RANGES;
        // Where so many ports were tried that a list says nothing, every port that is not open to all is meant.
        let ports = match (many, open.is_empty()) {
            (true, true) => Ports::Any,
            (true, false) => Ports::Except(open),
            (false, _) => Ports::Of(list),
        };
        let (Some(first), Some(last)) = (tried.first(), tried.last()) else { continue };
        let mut found = attempt(Way::In, Vec::new(), transport, ports, ascending(views.iter()));
        if many {
            found.remarks.push(format!(
                "{} different ports were tried, {first} to {last}: written as every port that no claim opens to all",
                tried.len()
            ));
        }
        out.push(found);
    }
    out
}

/// Ports at which drafts let anybody in.
fn open_to_all(drafts: &[Draft]) -> BTreeMap<Transport, Vec<(u16, u16)>> {
    let mut out: BTreeMap<Transport, Vec<(u16, u16)>> = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| draft.section == Section::Inbound) {
        let Rule::Flow(rule) = &draft.rule else { continue };
        if let (true, Ports::Of(list)) = (rule.peers.is_empty(), &rule.ports) {
            for transport in &rule.transports {
                out.entry(*transport).or_default().extend(list);
            }
        }
    }
    out.values_mut().for_each(|list| list.sort_unstable());
    out
}

fn draft(
    subject: &Subject<'_>,
    section: Section,
    way: Way,
    peers: Vec<Peer>,
    (transport, port): (Transport, Port),
    views: Vec<usize>,
) -> Draft {
    let list = if port == Port::None { Ports::Any } else { Ports::Of(ranges([port])) };
    let rule = rule(way, peers, transport, list);
    let remarks = of_range(subject, port, &views).into_iter().collect();
    Draft { section, rule: Rule::Flow(Box::new(rule)), level: Level::Allowed, views, remarks }
}

/// What was seen of ports where a claim has a range, or a port that may be another one the next time.
fn of_range(subject: &Subject<'_>, port: Port, views: &[usize]) -> Option<String> {
    let views = || views.iter().filter_map(|at| subject.views.get(*at));
    let seen: BTreeSet<u16> = views().filter_map(|view| view.port).collect();
    let (first, last) = (seen.first()?, seen.last()?);
    let all = format!("{} different ports from {first} to {last} were seen", seen.len());
    match port {
        Port::Dynamic(_) => Some(format!(
            "{all}, and nothing tells that a service has one of them: the range that hosts hand out stands here; narrow it if the device's documents do"
        )),
        Port::Drawn => Some(format!(
            "{all}, each the same on both sides: they are drawn anew, so the range from which programs draw stands here; narrow it if the device's documents do"
        )),
        Port::One(_) if views().count() == 1 && views().all(ports::may_change) => Some(String::from(
            "seen once, at a port from the range that hosts hand out: it may be another one the next time",
        )),
        Port::One(_) | Port::None => None,
    }
}

/// Nothing is opened by it: an answer would be a finding, as without it, and an attempt is none.
fn attempt(way: Way, peers: Vec<Peer>, transport: Transport, ports: Ports, views: Vec<usize>) -> Draft {
    let rule = FlowRule { blocked: true, ..rule(way, peers, transport, ports) };
    Draft {
        section: Section::Attempt,
        rule: Rule::Flow(Box::new(rule)),
        level: Level::Forbidden,
        views,
        remarks: Vec::new(),
    }
}

fn rule(way: Way, peers: Vec<Peer>, transport: Transport, ports: Ports) -> FlowRule {
    FlowRule {
        way: Some(way),
        peers,
        transports: vec![transport],
        ports,
        services: Vec::new(),
        at_least: 1,
        blocked: false,
        tls: None,
        lifetime: None,
        keep_alive_max: None,
        websocket: false,
        encrypted: false,
    }
}

/// What stands in a profile for the other end.
fn peer(who: Who) -> Peer {
    match who {
        Who::Name(name) => Peer::Name(NamePattern::Exact(name)),
        Who::Address(ip) => Peer::Network(IpNet::from(ip)),
        Who::Local => Peer::Local,
    }
}

/// Disjoint ranges, ascending.
fn ranges(ports: impl IntoIterator<Item = Port>) -> Vec<(u16, u16)> {
    let mut all: Vec<(u16, u16)> = ports.into_iter().filter_map(Port::bounds).collect();
    all.sort_unstable();
    let mut out: Vec<(u16, u16)> = Vec::new();
    for (low, high) in all {
        match out.last_mut() {
            Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
            _ => out.push((low, high)),
        }
    }
    out
}

fn ascending<'v>(views: impl Iterator<Item = &'v usize>) -> Vec<usize> {
    let mut all: Vec<usize> = views.copied().collect();
    all.sort_unstable();
    all
}
