//! From entries to claims: what an entry says of a peer, a port and who begins; entries that say the same, in either
//! direction and for either family of addresses, are one claim.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::ace::{Entry, Parts};
use super::json::Json;
use super::lints::{self, Lints, shown};
use super::tls::TlsOffer;
use super::{Class, Kept, NTH, OURS, Rest, Side, titles};
use crate::model::Transport;
use crate::model::finding::Way;
use crate::profile::claim::{DEVICE, nothing};
use crate::profile::{
    Baseline, Claim, FlowRule, Level, NamePattern, Parameter, ParameterKind, Peer, Ports, Rule, Slot,
    SlotPart, Source, Statement, TlsRule, load, schema,
};

/// Standard classes of controllers (RFC 8520 section 4.6), and the one that mudgee uses for the router.
pub(super) const DNS: &str = "urn:ietf:params:mud:dns";
pub(super) const NTP: &str = "urn:ietf:params:mud:ntp";
pub(super) const GATEWAY: &str = "urn:ietf:params:mud:gateway";
/// A class that stands for a parameter of a profile.
pub(super) const PARAMETER: &str = "urn:x-wireclaim:parameter:";
/// First of the ports that systems choose at random (RFC 6335 section 6).
const DYNAMIC: u16 = 49_152;
/// First and last of those that Linux chooses from, whose range is not that of the RFC. What is only sent to such a port
/// is most likely an answer.
const FIRST_USUAL: u16 = 32_768;
const LAST_USUAL: u16 = 60_999;
/// Infrastructure that every device needs before its access lists mean anything, and local DNS, which RFC 8520 appendix A
/// permits.
const ALWAYS: [Baseline; 4] = [Baseline::Arp, Baseline::Ndp, Baseline::Dhcp, Baseline::Dns];
/// Entries named for one claim.
const NAMED: usize = 6;

/// What entries came to.
pub(super) struct Made {
    pub(super) claims: Vec<Claim>,
    pub(super) slots: Vec<Slot>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) not_checkable: Vec<Statement>,
    pub(super) baseline: Vec<Baseline>,
    pub(super) classes: BTreeMap<String, Class>,
    pub(super) kept: Vec<Kept>,
    pub(super) rest: BTreeMap<String, Vec<Rest>>,
    pub(super) one_sided: BTreeSet<String>,
    /// Id that each entry came under.
    pub(super) ids: BTreeMap<usize, String>,
}

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Anyone,
    Name(String),
    Network(IpNet),
    Local,
    /// A parameter.
    Class(String),
}

/// Who begins, as far as one entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Begins {
    Out,
    In,
    /// Whoever may send: tells once it is known whether both may.
    Sender,
}

/// What one entry says; entries with the same are one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Says {
    /// Id that the entry's name gives, in files of ours.
    id: Option<String>,
    denies: bool,
    who: Who,
    begins: Begins,
    transports: Vec<Transport>,
    ports: Ports,
    rest: Vec<Rest>,
    tls: Vec<TlsOffer>,
}

/// What becomes of an entry.
enum Becomes {
    Claim(Box<Says>),
    Baseline(Baseline),
    /// Title and reason.
    Statement(String, String),
}

/// A claim in the making.
struct Group {
    says: Says,
    whos: Vec<Who>,
    /// Positions of its entries.
    entries: Vec<usize>,
    sides: BTreeSet<Side>,
    ways: BTreeSet<Begins>,
}

/// One row of the profile.
enum Row {
    Claim(Group),
    Statement(usize, String, String),
}

/// Makes claims of all entries, in their order.
pub(super) fn make(entries: &[Entry], lints: &mut Lints) -> Made {
    let mut classes = Classes::default();
    let mut rows: Vec<Row> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut baseline: BTreeMap<Baseline, Vec<usize>> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        lints.entry = Some(at);
        match becomes(entry, &mut classes, lints) {
            Becomes::Baseline(item) => baseline.entry(item).or_default().push(at),
            Becomes::Statement(title, reason) => rows.push(Row::Statement(at, title, reason)),
            Becomes::Claim(says) => {
                let row = *known.entry(format!("{says:?}")).or_insert(rows.len());
                match rows.get_mut(row) {
                    Some(Row::Claim(group)) => group.take(at, entry, says.begins),
                    _ => rows.push(Row::Claim(Group::new(*says, at, entry))),
                }
            }
        }
    }
    lints.entry = None;
    tell_baseline(entries, &baseline, lints);
    let rows = united(rows);
    let mut made = number(entries, rows, &mut classes, lints);
    made.baseline = ALWAYS.into_iter().chain(baseline.into_keys()).collect();
    made.baseline.sort_unstable();
    made.baseline.dedup();
    made
}

impl Group {
    fn new(says: Says, at: usize, entry: &Entry) -> Self {
        let whos = vec![says.who.clone()];
        let ways = BTreeSet::from([says.begins]);
        Self { says, whos, entries: vec![at], sides: BTreeSet::from([entry.side]), ways }
    }

    fn take(&mut self, at: usize, entry: &Entry, begins: Begins) {
        self.entries.push(at);
        self.sides.insert(entry.side);
        self.ways.insert(begins);
    }

    fn way(&self) -> Option<Way> {
        let both = self.ways.contains(&Begins::Out) && self.ways.contains(&Begins::In);
        if both {
            None
        } else if self.ways.contains(&Begins::Out) {
            Some(Way::Out)
        } else if self.ways.contains(&Begins::In) {
            Some(Way::In)
        } else {
            // Either may send to the other, or only one to the other.
            match (self.sides.contains(&Side::From), self.sides.contains(&Side::To)) {
                (true, false) => Some(Way::Out),
                (false, true) => Some(Way::In),
                _ => None,
            }
        }
    }
}

/// In files of ours, entries under one id are one claim again, if they are all combinations of its peers and transports.
fn united(rows: Vec<Row>) -> Vec<Row> {
    let mut by_id: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        if let Row::Claim(Group { says: Says { id: Some(id), .. }, .. }) = row {
            by_id.entry(id.clone()).or_default().push(at);
        }
    }
    let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
    for places in by_id.into_values().filter(|places| places.len() > 1) {
        let groups: Vec<Group> = places
            .iter()
            .filter_map(|at| match rows.get_mut(*at)?.take() {
                Some(Row::Claim(group)) => Some(group),
                other => {
                    *rows.get_mut(*at)? = other;
                    None
                }
            })
            .collect();
        for (at, group) in places.iter().zip(combined(groups)) {
            if let Some(place) = rows.get_mut(*at) {
                *place = Some(Row::Claim(group));
            }
        }
    }
    rows.into_iter().flatten().collect()
}

/// One group, if these are the combinations of one; else they stay as they are.
fn combined(groups: Vec<Group>) -> Vec<Group> {
    let Some(first) = groups.first() else { return groups };
    type Shape = (Begins, Vec<Transport>);
    let mut ports: BTreeMap<(Who, Shape), Vec<(u16, u16)>> = BTreeMap::new();
    for group in &groups {
        let shape = (group.says.begins, group.says.transports.clone());
        let ranges = match &group.says.ports {
            Ports::Of(ranges) => ranges.clone(),
            Ports::Any => vec![(0, u16::MAX)],
            _ => return groups,
        };
        ports.entry((group.says.who.clone(), shape)).or_default().extend(ranges);
    }
    let ports: BTreeMap<_, _> =
        ports.into_iter().map(|(key, ranges)| (key, crate::profile::value::united(ranges))).collect();
    let whos: BTreeSet<&Who> = ports.keys().map(|(who, _)| who).collect();
    let shapes: BTreeSet<&Shape> = ports.keys().map(|(_, shape)| shape).collect();
    let alike = |group: &Group| {
        group.says.denies == first.says.denies
            && group.says.rest == first.says.rest
            && group.says.tls == first.says.tls
    };
    let mut sets = ports.values();
    let same_ports = sets.next().is_some_and(|one| sets.all(|other| other == one));
    // Ways and transports are independent too.
    let ways: BTreeSet<Begins> = shapes.iter().map(|(begins, _)| *begins).collect();
    let kinds: BTreeSet<&Vec<Transport>> = shapes.iter().map(|(_, transports)| transports).collect();
    let whole = ports.len() == whos.len().saturating_mul(shapes.len())
        && shapes.len() == ways.len().saturating_mul(kinds.len());
    if !(same_ports && whole && groups.iter().all(alike)) {
        return groups;
    }
    let ranges = ports.into_values().next().unwrap_or_default();
    let mut groups = groups.into_iter();
    let Some(mut all) = groups.next() else { return Vec::new() };
    all.says.ports = if ranges == [(0, u16::MAX)] { Ports::Any } else { Ports::Of(ranges) };
    for group in groups {
        for who in group.whos {
            if !all.whos.contains(&who) {
                all.whos.push(who);
            }
        }
        for transport in group.says.transports {
            if !all.says.transports.contains(&transport) {
                all.says.transports.push(transport);
            }
        }
        all.entries.extend(group.entries);
        all.sides.extend(group.sides);
        all.ways.extend(group.ways);
    }
    vec![all]
}

/// Gives ids and makes the values of the profile.
fn number(entries: &[Entry], rows: Vec<Row>, classes: &mut Classes, lints: &mut Lints) -> Made {
    let width = rows.len().to_string().len().max(2);
    let mut made = Made {
        claims: Vec::new(),
        slots: Vec::new(),
        parameters: Vec::new(),
        not_checkable: Vec::new(),
        baseline: Vec::new(),
        classes: BTreeMap::new(),
        kept: Vec::new(),
        rest: BTreeMap::new(),
        one_sided: BTreeSet::new(),
        ids: BTreeMap::new(),
    };
    let mut taken = Taken::default();
    for (nth, row) in rows.into_iter().enumerate() {
        let own = match &row {
            Row::Claim(group) => group.says.id.clone(),
            Row::Statement(at, ..) => entries.get(*at).and_then(own_id),
        };
        let id = taken.name(own.unwrap_or_else(|| format!("MUD-{:0width$}", nth.saturating_add(1))), '-');
        match row {
            Row::Claim(group) => made.claim(id, group, entries, classes, lints),
            Row::Statement(at, title, reason) => made.statement(id, at, title, reason, entries),
        }
    }
    ports_that_differ(&made, lints);
    if !classes.names.contains_key(&Class::Controller(NTP.to_owned())) {
        made.local_ntp(classes);
    }
    // A class that only infrastructure names needs nobody to bind it.
    let used: BTreeSet<&String> = made.slots.iter().map(|slot| &slot.parameter).collect();
    classes.names.retain(|_, name| used.contains(name));
    made.parameters = classes.parameters();
    made.classes = classes.names.iter().map(|(class, name)| (name.clone(), class.clone())).collect();
    made
}

/// Names that are given, each once; a second is numbered.
#[derive(Default)]
struct Taken {
    names: BTreeSet<String>,
    /// How often each was asked for: a file may ask for one a thousand times.
    asked: BTreeMap<String, usize>,
}

impl Taken {
    fn name(&mut self, wanted: String, between: char) -> String {
        let asked = self.asked.entry(wanted.clone()).or_default();
        let mut name = wanted.clone();
        while !self.names.insert(name.clone()) {
            *asked = asked.saturating_add(1);
            name = format!("{wanted}{between}{}", asked.saturating_add(1));
        }
        name
    }
}

impl Made {
    fn claim(&mut self, id: String, group: Group, entries: &[Entry], classes: &Classes, lints: &mut Lints) {
        let way = group.way();
        for at in &group.entries {
            self.ids.insert(*at, id.clone());
        }
        let first = group.entries.first().and_then(|at| entries.get(*at));
        let line = first.map_or(0, |entry| entry.place.line);
        let mut peers = Vec::new();
        for who in &group.whos {
            peers.extend(match who {
                Who::Anyone => None,
                Who::Name(name) => Some(Peer::Name(NamePattern::Exact(name.clone()))),
                Who::Network(network) => Some(Peer::Network(*network)),
                Who::Local => Some(Peer::Local),
                Who::Class(name) => {
                    let (claim, parameter) = (self.claims.len(), name.clone());
                    self.slots.push(Slot { claim, part: SlotPart::Peers, parameter });
                    Some(Peer::List(nothing(name.clone())))
                }
            });
        }
        let says = group.says;
        let tls = (!says.tls.is_empty()).then(|| TlsRule { offers: says.tls, ..TlsRule::default() });
        let rule = FlowRule {
            way,
            peers,
            transports: says.transports,
            ports: says.ports,
            services: Vec::new(),
            at_least: 1,
            blocked: false,
            tls,
            lifetime: None,
            keep_alive_max: None,
            websocket: false,
            encrypted: false,
        };
        let level = if says.denies { Level::Forbidden } else { Level::Allowed };
        if group.sides.len() == 1 {
            self.one_sided.insert(id.clone());
            if !says.denies && has_way_back(&rule) {
                let side = if group.sides.contains(&Side::From) { "from-device" } else { "to-device" };
                let message =
                    format!("only the {side} policy has this: no packet in the other direction is allowed");
                lints.about(&lints::ONE_SIDED, line, vec![id.clone()], message);
            }
        }
        let first = if group.sides.len() == 1 && way == Some(Way::In) { FIRST_USUAL } else { DYNAMIC };
        wide_ports(&rule, first, &id, line, lints);
        repeated(&group.entries, entries, &id, lints);
        if !says.rest.is_empty() {
            self.rest.insert(id.clone(), says.rest);
        }
        let title = titles::of(level, &rule, |name| classes.of(name));
        let source = source(group.entries.iter().filter_map(|at| entries.get(*at)));
        self.claims.push(Claim {
            id,
            title,
            subject: DEVICE.to_owned(),
            level,
            when: Vec::new(),
            rule: Rule::Flow(Box::new(rule)),
            severity: None,
            source,
            line,
        });
    }

    fn statement(&mut self, id: String, at: usize, title: String, reason: String, entries: &[Entry]) {
        let Some(entry) = entries.get(at) else { return };
        self.ids.insert(at, id.clone());
        self.kept.push(Kept {
            id: id.clone(),
            side: entry.side,
            kind: entry.kind.clone(),
            matches: entry.matches.clone(),
            actions: entry.actions.clone(),
        });
        let (source, line) = (source(std::iter::once(entry)), entry.place.line);
        self.not_checkable.push(Statement { id, title, reason, source, line });
    }

    /// Local NTP is permitted by default.
    fn local_ntp(&mut self, classes: &mut Classes) {
        let parameter = classes.name(&Class::Controller(NTP.to_owned()));
        self.slots.push(Slot {
            claim: self.claims.len(),
            part: SlotPart::Peers,
            parameter: parameter.clone(),
        });
        let rule = FlowRule {
            way: Some(Way::Out),
            peers: vec![Peer::List(nothing(parameter))],
            transports: vec![Transport::Udp],
            ports: Ports::Of(vec![(123, 123)]),
            services: Vec::new(),
            at_least: 1,
            blocked: false,
            tls: None,
            lifetime: None,
            keep_alive_max: None,
            websocket: false,
            encrypted: false,
        };
        self.claims.push(Claim {
            id: NTP_ID.to_owned(),
            title: "may ask local NTP servers, as any device with a MUD file".to_owned(),
            subject: DEVICE.to_owned(),
            level: Level::Allowed,
            when: Vec::new(),
            rule: Rule::Flow(Box::new(rule)),
            severity: None,
            source: Source { place: NTP_PLACE.to_owned(), ..Source::default() },
            line: 1,
        });
    }
}

/// Id of the claim that stands for what RFC 8520 permits by default.
pub(super) const NTP_ID: &str = "MUD-NTP";
pub(super) const NTP_PLACE: &str = "RFC 8520 appendix A";

/// Where a claim is from: what the first entry matches, and the names of all.
fn source<'e>(entries: impl Iterator<Item = &'e Entry>) -> Source {
    let entries: Vec<&Entry> = entries.collect();
    let quote = entries.first().map(|entry| shown(&entry.matches.compact(), 400)).unwrap_or_default();
    let mut names: Vec<String> = entries
        .iter()
        .take(NAMED)
        .map(|entry| shown(&format!("{}/{}", entry.list, entry.name), 130))
        .collect();
    if entries.len() > NAMED {
        names.push(format!("and {} more", entries.len().saturating_sub(NAMED)));
    }
    Source { quote, place: names.join(", "), reviewed: None }
}

/// Whether answers to these flows come back to the sender: not from a group or everybody.
fn has_way_back(rule: &FlowRule) -> bool {
    let ports = rule.transports.iter().any(|transport| matches!(transport, Transport::Tcp | Transport::Udp));
    let to_all = |peer: &Peer| matches!(peer, Peer::Network(network) if is_group(network));
    ports && (rule.peers.is_empty() || !rule.peers.iter().all(to_all))
}

/// Multicast, or the broadcast address.
pub(super) fn is_group(network: &IpNet) -> bool {
    let ip = network.network();
    ip.is_multicast() || ip == std::net::Ipv4Addr::BROADCAST
}

/// Ports that were chosen at random are no services, and ranges of thousands say nothing.
fn wide_ports(rule: &FlowRule, first: u16, id: &str, line: u64, lints: &mut Lints) {
    if !rule.transports.iter().any(|transport| matches!(transport, Transport::Tcp | Transport::Udp)) {
        return;
    }
    let Ports::Of(ranges) = &rule.ports else { return };
    let count: u32 =
        ranges.iter().map(|(low, high)| u32::from(high.saturating_sub(*low)).saturating_add(1)).sum();
    if ranges.iter().all(|(low, _)| *low >= first) && count < 64 {
        let message = format!("port {} is one of those that systems choose at random", rule.ports);
        lints.about(&lints::PORT, line, vec![id.to_owned()], message);
    } else if count > 1024 {
        let message = format!("{count} ports are open");
        lints.about(&lints::ANY_PORT, line, vec![id.to_owned()], message);
    }
}

/// An entry that says what another of the same list says.
fn repeated(group: &[usize], entries: &[Entry], id: &str, lints: &mut Lints) {
    let mut seen: BTreeMap<(Side, &str, &Json), &str> = BTreeMap::new();
    for entry in group.iter().filter_map(|at| entries.get(*at)) {
        if let Some(first) = seen.insert((entry.side, &entry.list, &entry.matches), &entry.name) {
            let message =
                format!("the entries {} and {} say the same", shown(first, 60), shown(&entry.name, 60));
            lints.about(&lints::REPEATED, entry.place.line, vec![id.to_owned()], message);
        }
    }
}

/// The same peer in both policies, but not the same port: most likely one of the two is mistaken.
fn ports_that_differ(made: &Made, lints: &mut Lints) {
    let flow = |claim: &Claim| match &claim.rule {
        Rule::Flow(rule) if made.one_sided.contains(&claim.id) && has_way_back(rule) => Some((
            claim.id.clone(),
            claim.line,
            rule.peers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            rule.transports.iter().map(ToString::to_string).collect::<Vec<_>>().join("+"),
            rule.way,
            rule.ports.to_string(),
        )),
        _ => None,
    };
    let mut by_peer: BTreeMap<(Vec<String>, String), Vec<_>> = BTreeMap::new();
    for (id, line, peers, transports, way, ports) in made.claims.iter().filter_map(flow) {
        let named = peers.iter().any(|peer| peer.contains('.') && !peer.starts_with('$'));
        if named {
            by_peer.entry((peers, transports)).or_default().push((line, id, way, ports));
        }
    }
    for ((peers, _), mut claims) in by_peer {
        claims.sort();
        let mut first = claims.iter();
        let Some((line, id, _, ports)) = first.next() else { continue };
        for (_, other, _, other_ports) in first.filter(|(.., other)| other != ports) {
            let message = format!(
                "the entries about {} name port {ports} in one direction and {other_ports} in the other",
                shown(&peers.join(", "), 80)
            );
            lints.about(&lints::PORTS_DIFFER, *line, vec![id.clone(), other.clone()], message);
        }
    }
}

fn tell_baseline(entries: &[Entry], baseline: &BTreeMap<Baseline, Vec<usize>>, lints: &mut Lints) {
    for (item, places) in baseline {
        let of: Vec<&Entry> = places.iter().filter_map(|at| entries.get(*at)).collect();
        let Some(first) = of.first() else { continue };
        let names: Vec<String> = of.iter().take(NAMED).map(|entry| shown(&entry.name, 64)).collect();
        let more = of.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (noun, verb) = if of.len() == 1 { ("entry", "is") } else { ("entries", "are") };
        let message = format!("the {noun} {}{more} {verb} the baseline item `{item}`", names.join(", "));
        lints.about(&lints::BASELINE, first.place.line, Vec::new(), message);
    }
}

/// Parameters that stand for classes, each with a name of its own.
#[derive(Default)]
struct Classes {
    names: BTreeMap<Class, String>,
    by_name: BTreeMap<String, Class>,
    taken: Taken,
}

impl Classes {
    fn of(&self, name: &str) -> Option<Class> {
        self.by_name.get(name).cloned()
    }

    /// The parameter of a class.
    fn name(&mut self, class: &Class) -> String {
        if let Some(name) = self.names.get(class) {
            return name.clone();
        }
        let name = self.taken.name(base_name(class), '_');
        self.names.insert(class.clone(), name.clone());
        self.by_name.insert(name.clone(), class.clone());
        name
    }

    fn parameters(&self) -> Vec<Parameter> {
        let parameter = |(class, name): (&Class, &String)| Parameter {
            name: name.clone(),
            kind: ParameterKind::Peers,
            // Only local ones, says RFC 8520.
            default: (*class == Class::Controller(NTP.to_owned())).then(|| schema::LOCAL_NETWORK.to_owned()),
            help: format!("addresses, prefixes or names of {}", titles::class_text(class)),
        };
        let mut all: Vec<Parameter> = self.names.iter().map(parameter).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// `controller_gateway` for `urn:ietf:params:mud:gateway`
fn base_name(class: &Class) -> String {
    let last = |text: &str| {
        let parts = text.trim_end_matches(['/', ':']).rsplit(['/', ':', '#', '?']);
        snake(parts.into_iter().find(|part| !part.is_empty()).unwrap_or("unnamed"))
    };
    match class {
        Class::Controller(name) => match name.strip_prefix(PARAMETER) {
            Some(parameter) => snake(parameter),
            None => format!("controller_{}", last(name)),
        },
        Class::MyController => "my_controller".to_owned(),
        Class::SameManufacturer => "same_manufacturer".to_owned(),
        Class::Manufacturer(name) => format!("manufacturer_{}", snake(name)),
        Class::Model(name) => format!("model_{}", last(name)),
    }
}

fn snake(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(60) {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_matches('_');
    if out.starts_with(|c: char| c.is_ascii_lowercase()) { out.to_owned() } else { format!("x{out}") }
}

/// The id that the name of an entry of ours gives.
fn own_id(entry: &Entry) -> Option<String> {
    if !entry.list.starts_with(OURS) {
        return None;
    }
    let name = entry.name.split_once(NTH).map_or(entry.name.as_str(), |(id, _)| id);
    load::id(name).ok()
}

fn becomes(entry: &Entry, classes: &mut Classes, lints: &mut Lints) -> Becomes {
    let parts = &entry.parts;
    if let Some(item) = own_baseline(entry) {
        return Becomes::Baseline(item);
    }
    if !parts.ip
        && let Some(ethertype) = parts.ethertype
        && let Some(becomes) = ethernet(entry, ethertype, lints)
    {
        return becomes;
    }
    if let Some(why) = &parts.broken {
        return Becomes::Statement(format!("the entry {}", shown(&entry.name, 80)), why.clone());
    }
    if parts.own && parts.names.is_empty() && parts.networks.is_empty() {
        let reason = "it names the device's own side, where the peer is meant or nothing is narrowed";
        return Becomes::Statement(format!("the entry {}", shown(&entry.name, 80)), reason.to_owned());
    }
    let who = who(entry, classes, lints);
    if !entry.denies
        && let Some(item) = infrastructure(entry, &who)
    {
        return Becomes::Baseline(item);
    }
    let transports = match parts.protocol {
        None => Vec::new(),
        Some(6) => vec![Transport::Tcp],
        Some(17) => vec![Transport::Udp],
        // A claim is not about a family of addresses.
        Some(1 | 58) => vec![Transport::Icmp, Transport::Icmpv6],
        Some(number) => {
            let title = format!("packets of protocol {number}{}", protocol_name(number));
            let reason = match number {
                0 | 43 | 44 | 60 => {
                    "these are headers before the protocol that is compared, not one of their own"
                }
                _ => "a profile speaks of TCP, UDP and ICMP",
            };
            return Becomes::Statement(title, reason.to_owned());
        }
    };
    let (begins, ports) = match service(entry, &transports, lints) {
        Ok(found) => found,
        Err(reason) => return Becomes::Statement(format!("the entry {}", shown(&entry.name, 80)), reason),
    };
    Becomes::Claim(Box::new(Says {
        id: own_id(entry),
        denies: entry.denies,
        who,
        begins,
        transports,
        ports,
        rest: parts.rest.clone(),
        tls: parts.tls.clone(),
    }))
}

/// `baseline-dhcp`, `baseline-dhcp#2` in files of ours.
fn own_baseline(entry: &Entry) -> Option<Baseline> {
    let name = entry.name.split_once(NTH).map_or(entry.name.as_str(), |(name, _)| name);
    let word = name.strip_prefix("baseline-").filter(|_| entry.list.starts_with(OURS))?;
    schema::BASELINE.iter().find(|(known, _)| *known == word).map(|(_, item)| *item)
}

/// Frames that hold no IP; nothing where the type is that of IP.
fn ethernet(entry: &Entry, ethertype: u16, lints: &mut Lints) -> Option<Becomes> {
    let name = match ethertype {
        0x0800 | 0x86dd => return None,
        0x0806 => return Some(Becomes::Baseline(Baseline::Arp)),
        0x888e => "EAPOL (802.1X)",
        0x8863 | 0x8864 => "PPPoE",
        0x88cc => "LLDP",
        0x8892 => "PROFINET",
        0x88b8 => "GOOSE",
        0x88f7 => "PTP",
        0x22f0 => "AVTP",
        _ => "",
    };
    let place = entry.place;
    if ethertype < 0x0600 {
        let message = format!("0x{ethertype:04x} is no EtherType but the length of an 802.3 frame");
        lints.add(&lints::ETHERTYPE, place, message);
    } else if name.is_empty() {
        lints.add(&lints::ETHERTYPE, place, format!("the EtherType 0x{ethertype:04x} is unknown"));
    } else {
        lints.add(&lints::ETHERNET, place, format!("frames of {name} hold no IP and are not compared"));
    }
    let title = match (name, ethertype < 0x0600) {
        ("", true) => format!("Ethernet frames of length {ethertype}"),
        ("", false) => format!("Ethernet frames of type 0x{ethertype:04x}"),
        (name, _) => format!("Ethernet frames of {name}"),
    };
    Some(Becomes::Statement(title, "frames that hold no IP are counted and not compared".to_owned()))
}

/// The narrowest of what must all hold.
fn who(entry: &Entry, classes: &mut Classes, lints: &mut Lints) -> Who {
    let parts = &entry.parts;
    let mut told = |what: &str| {
        let message = format!("the peer must also be {what}, which is not compared");
        lints.add(&lints::NOT_COMPARED, entry.place, message);
    };
    if let Some(NamePattern::Exact(name)) = parts.names.first() {
        if !parts.networks.is_empty() {
            told("in a network");
        }
        return Who::Name(name.clone());
    }
    if let Some(pattern) = parts.names.first() {
        return Who::Name(pattern.to_string());
    }
    if let Some(network) = parts.networks.iter().max_by_key(|network| network.prefix_len()) {
        if !parts.classes.is_empty() {
            told("of a class");
        }
        return Who::Network(*network);
    }
    if let Some(class) = parts.classes.first() {
        if parts.classes.len() > 1 {
            told("of a second class");
        }
        return Who::Class(classes.name(class));
    }
    if parts.local { Who::Local } else { Who::Anyone }
}

/// What every device does before its lists apply, or what its network does with it.
fn infrastructure(entry: &Entry, who: &Who) -> Option<Baseline> {
    let parts = &entry.parts;
    let class = |name: &str| parts.classes.first().is_some_and(|c| *c == Class::Controller(name.to_owned()));
    let here =
        class(GATEWAY) || *who == Who::Local || matches!(who, Who::Network(network) if is_group(network));
    let only = |ports: &Option<Ports>, number: u16| *ports == Some(Ports::Of(vec![(number, number)]));
    match parts.protocol? {
        2 => Some(Baseline::Igmp),
        0 | 58 if here && !parts.networks.iter().any(|net| matches!(net, IpNet::V4(_))) => {
            Some(Baseline::Ndp)
        }
        17 if here && [67, 547].iter().any(|port| only(&parts.peer_ports, *port)) => Some(Baseline::Dhcp),
        6 | 17 if class(DNS) && only(&parts.peer_ports, 53) => Some(Baseline::Dns),
        _ => None,
    }
}

/// Who begins, and the ports of whoever does not.
fn service(entry: &Entry, transports: &[Transport], lints: &mut Lints) -> Result<(Begins, Ports), String> {
    let parts = &entry.parts;
    if transports.contains(&Transport::Icmp) {
        return Ok((icmp(entry.side, parts), Ports::Any));
    }
    let (peer, mut own) = (parts.peer_ports.clone(), parts.own_ports.clone());
    // What a device sends from whatever port its system chose is no service of its own. Of TCP, the entry of the other
    // direction says who begins.
    let wide = |(low, high): &(u16, u16)| *low <= DYNAMIC && *high >= LAST_USUAL;
    let guess = entry.side == Side::From && transports == [Transport::Udp] && !entry.list.starts_with(OURS);
    if guess && matches!(&own, Some(Ports::Of(ranges)) if ranges.iter().any(wide)) {
        own = None;
        let message = "the device's ports are those that systems choose at random: taken as a client's";
        lints.add(&lints::ANY_PORT, entry.place, message);
    }
    let both = "the port of whoever begins is not compared";
    match (peer, own, parts.begun) {
        (Some(ports), None, None | Some(Way::Out)) => Ok((Begins::Out, ports)),
        (None, Some(ports), None | Some(Way::In)) => Ok((Begins::In, ports)),
        (Some(peer), Some(own), None) if peer == own => Ok((Begins::Sender, peer)),
        (Some(peer), Some(_), None | Some(Way::Out)) => {
            lints.add(&lints::NOT_COMPARED, entry.place, both);
            Ok((Begins::Out, peer))
        }
        (Some(_), Some(own), Some(_)) => {
            lints.add(&lints::NOT_COMPARED, entry.place, both);
            Ok((Begins::In, own))
        }
        (None, None, Some(Way::Out)) => Ok((Begins::Out, Ports::Any)),
        (None, None, Some(_)) => Ok((Begins::In, Ports::Any)),
        (None, None, None) => Ok((Begins::Sender, Ports::Any)),
        (Some(_), None, Some(_)) | (None, Some(_), Some(_)) => {
            let message =
                "`direction-initiated` names the side whose port is given: the port of whoever begins";
            lints.add(&lints::DIRECTION, entry.place, message);
            Err("it gives the port of whoever begins the connection, and a claim has that of the other side"
                .to_owned())
        }
    }
}

/// An echo request says who begins, as does its reply.
fn icmp(side: Side, parts: &Parts) -> Begins {
    match (parts.icmp_type, side) {
        (Some(8 | 128), Side::From) | (Some(0 | 129), Side::To) => Begins::Out,
        (Some(8 | 128), Side::To) | (Some(0 | 129), Side::From) => Begins::In,
        _ => Begins::Sender,
    }
}

fn protocol_name(number: u8) -> &'static str {
    match number {
        0 => " (IPv6 hop-by-hop options)",
        41 => " (IPv6 in IP)",
        43 => " (IPv6 routing header)",
        44 => " (IPv6 fragments)",
        47 => " (GRE)",
        50 => " (ESP)",
        51 => " (AH)",
        60 => " (IPv6 destination options)",
        103 => " (PIM)",
        132 => " (SCTP)",
        _ => "",
    }
}
