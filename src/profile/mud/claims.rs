//! From entries to claims: what an entry says of a peer, a port and who begins; entries that say the same, in either
//! direction and for either family of addresses, are one claim.

use std::collections::{BTreeMap, BTreeSet};

use super::ace::Entry;
use super::classes::{Classes, NTP, Taken};
use super::groups::{Group, Row, families, united};
use super::json::Json;
use super::lints::{self, Lints, shown};
use super::order::{Left, Order};
use super::says::{Becomes, DYNAMIC, FIRST_USUAL, Who, becomes, is_group, own_id};
use super::{Class, Kept, Rest, Side, titles};
use crate::model::Transport;
use crate::model::finding::Way;
use crate::profile::bind::DEVICE;
use crate::profile::claim::nothing;
use crate::profile::{
    Baseline, Claim, FlowRule, Level, Parameter, Peer, Ports, Rule, Slot, SlotPart, Source, Statement,
    TlsRule,
};

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
    pub(super) kept: Vec<Kept>,
    pub(super) rest: BTreeMap<String, Vec<Rest>>,
    pub(super) one_sided: BTreeSet<String>,
    /// Id that each entry came under.
    pub(super) ids: BTreeMap<usize, String>,
}

/// Makes claims of all entries, in their order.
pub(super) fn make(entries: &[Entry], lints: &mut Lints) -> Made {
    let mut classes = Classes::default();
    let mut rows: Vec<Row> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut baseline: BTreeMap<Baseline, Vec<usize>> = BTreeMap::new();
    let mut order = Order::new(entries);
    for (at, entry) in entries.iter().enumerate() {
        lints.entry = Some(at);
        let left = order.left(entry, at);
        let reached = if let Left::Ports(narrowed) = &left { narrowed } else { entry };
        match becomes(reached, &mut classes, lints) {
            Becomes::Baseline(item) => baseline.entry(item).or_default().push(at),
            Becomes::Statement(title, reason) => rows.push(Row::Statement(at, title, reason)),
            Becomes::Claim(says) => {
                if let Some(reason) = left.told(entry, lints) {
                    rows.push(Row::Statement(at, format!("the entry {}", shown(&entry.name, 80)), reason));
                    continue;
                }
                if entry.denies {
                    let message = "the entry denies: it becomes a claim that forbids";
                    lints.add(&lints::ACTION, entry.place, message);
                }
                let row = *known.entry(format!("{says:?}")).or_insert(rows.len());
                match rows.get_mut(row) {
                    Some(Row::Claim(group)) => group.take(at, entry, says.begins),
                    _ => rows.push(Row::Claim(Box::new(Group::new(*says, at, entry)))),
                }
            }
        }
    }
    lints.entry = None;
    tell_baseline(entries, &baseline, lints);
    let rows = united(families(rows));
    let mut made = number(entries, rows, &mut classes, lints);
    made.baseline = ALWAYS.into_iter().chain(baseline.into_keys()).collect();
    made.baseline.sort_unstable();
    made.baseline.dedup();
    made
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
        let id = taken.name(&own.unwrap_or_else(|| format!("MUD-{:0width$}", nth.saturating_add(1))), '-');
        match row {
            Row::Claim(group) => made.claim(id, *group, entries, classes, lints),
            Row::Statement(at, title, reason) => made.statement(id, at, title, reason, entries),
        }
    }
    ports_that_differ(&made, lints);
    if !classes.names.contains_key(&Class::Controller(NTP.to_owned())) {
        made.local_ntp(taken.name(NTP_ID, '-'), classes);
    }
    // A class that only infrastructure names needs nobody to bind it.
    let used: BTreeSet<&String> = made.slots.iter().map(|slot| &slot.parameter).collect();
    classes.names.retain(|_, name| used.contains(name));
    made.parameters = classes.parameters();
    made
}

impl Made {
    fn claim(&mut self, id: String, group: Group, entries: &[Entry], classes: &Classes, lints: &mut Lints) {
        let way = group.way();
        for at in &group.entries {
            self.ids.insert(*at, id.clone());
        }
        let first = group.entries.first().and_then(|at| entries.get(*at));
        let line = first.map_or(0, |entry| entry.place.line);
        let peers = group.whos.iter().filter_map(|who| self.peer(who)).collect();
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

    /// A peer of the next claim, with a slot where the site says who it is; nothing for anyone.
    fn peer(&mut self, who: &Who) -> Option<Peer> {
        Some(match who {
            Who::Anyone => return None,
            Who::Name(name) => Peer::Name(name.clone()),
            Who::Network(network) => Peer::Network(*network),
            Who::Local => Peer::Local,
            Who::Class(name) => {
                let (claim, parameter) = (self.claims.len(), name.clone());
                self.slots.push(Slot { claim, part: SlotPart::Peers, parameter });
                Peer::List(nothing(name.clone()))
            }
        })
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
    fn local_ntp(&mut self, id: String, classes: &mut Classes) {
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
            id,
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
