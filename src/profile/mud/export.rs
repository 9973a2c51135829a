//! A profile as RFC 8520 (and RFC 9761), and what that cannot say.
//!
//! The name of an entry is the id of its claim; where a claim needs several, they are numbered (`A-1`, `A-1#2`). Both
//! policies have an entry for what goes and what comes back, for each family of addresses.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::claims::{NTP_ID, NTP_PLACE};
use super::classes::PARAMETER;
use super::frame::{MAX_NAME, list};
use super::json::Json;
use super::says::is_group;
use super::{CONTAINER, Class, Extras, NTH, Side, bare, tls};
use crate::error::Result;
use crate::model::Transport;
use crate::model::finding::Way;
use crate::profile::bind::{self, DEVICE};
use crate::profile::{
    BoundClaim, Claim, ClaimState, Condition, Declaration, FlowRule, Level, NamePattern, Parameter, Peer,
    Ports, Profile, Rule,
};

/// What the container says that a profile need not know; each has a stand-in.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// `mud-url`
    pub url: Option<String>,
    /// `last-update`, as a date.
    pub updated: Option<String>,
}

/// A profile as a MUD file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The file.
    pub json: String,
    /// What it cannot say: the id of the claim (empty for the whole profile) and a sentence.
    pub notes: Vec<(String, String)>,
}

/// Writes what a profile declares for the device, with `variants` and `sets` as [`bind::bind`] takes them, as a Manufacturer
/// Usage Description.
///
/// # Errors
/// Those of [`bind::bind`].
pub fn export(
    profile: &Profile,
    variants: &[String],
    sets: &[(String, String)],
    header: &Header,
) -> Result<Exported> {
    let mut profile = profile.clone();
    // A group of peers that MUD has a word for stays one, whatever the site binds it to by default.
    for parameter in profile.parameters.iter_mut().filter(|parameter| parameter.mud.is_some()) {
        parameter.default = None;
    }
    Ok(written(&bind::bind(&Arc::new(profile), variants, sets)?, header))
}

fn written(declaration: &Declaration, header: &Header) -> Exported {
    let profile = &declaration.profile;
    let mut writer = Writer {
        extras: profile.mud.as_deref(),
        parameters: &profile.parameters,
        notes: Vec::new(),
        lists: BTreeMap::new(),
        tls: false,
    };
    // What denies stands first: the first entry that matches decides.
    let denies = |bound: &&BoundClaim| bound.claim.level == Level::Forbidden;
    let (first, then): (Vec<_>, Vec<_>) = declaration.claims.iter().partition(denies);
    for bound in first.into_iter().chain(then) {
        writer.claim(bound);
    }
    for item in &profile.baseline {
        writer.baseline(*item);
    }
    writer.statements(profile);
    let container = writer.container(profile, header);
    let mut root = vec![(CONTAINER.to_owned(), container)];
    let lists: Vec<Json> =
        writer.lists.into_iter().map(|(key, entries)| list(profile, &key, entries)).collect();
    root.push(("ietf-access-control-list:acls".to_owned(), Json::map([("acl", Json::List(lists))])));
    root.extend(writer.extras.map(|extras| extras.others.clone()).unwrap_or_default());
    Exported { json: Json::Map(root).pretty(), notes: writer.notes }
}

/// A list: its policy and its type.
pub(super) type Key = (Side, String);

pub(super) struct Writer<'p> {
    pub(super) extras: Option<&'p Extras>,
    parameters: &'p [Parameter],
    pub(super) notes: Vec<(String, String)>,
    pub(super) lists: BTreeMap<Key, Vec<Json>>,
    pub(super) tls: bool,
}

/// A peer as an entry names it: by name or network, or by a leaf of MUD.
type Named = (Option<Json>, Option<(String, Json)>);

/// What one entry is about; ports are those of the peer or of the device.
struct Line<'c> {
    family: &'static str,
    who: Option<Json>,
    own_class: Option<(String, Json)>,
    transport: Option<Transport>,
    /// Who begins: the device, the peer, or nobody says.
    way: Option<Way>,
    port: Option<Json>,
    claim: &'c Claim,
}

impl Writer<'_> {
    pub(super) fn note(&mut self, id: &str, message: impl Into<String>) {
        let note = (id.to_owned(), message.into());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn claim(&mut self, bound: &BoundClaim) {
        let claim = &bound.claim;
        if claim.id.starts_with(NTP_ID) && claim.source.place == NTP_PLACE {
            // What RFC 8520 permits by default needs no entry.
            return;
        }
        let Rule::Flow(rule) = &claim.rule else {
            self.note(&claim.id, "is left out: MUD speaks of connections only");
            return;
        };
        if claim.level == Level::Forbidden && !rule.services.is_empty() && rule.ports == Ports::Any {
            self.note(&claim.id, "is left out: it forbids by content, which no access list tells");
            return;
        }
        let open = |name: &String| {
            rule.peers
                .iter()
                .any(|peer| matches!(peer, Peer::List(set) if set.dated.is_empty() && set.name == *name))
        };
        match &bound.state {
            ClaimState::Active | ClaimState::Noted(_) => {}
            ClaimState::Unbound(name) if open(name) => {}
            ClaimState::Unbound(name) => {
                self.note(
                    &claim.id,
                    format!("is left out: it depends on `{name}`, which nobody bound (--set, --variant)"),
                );
                return;
            }
            ClaimState::Inactive(why) => {
                self.note(&claim.id, format!("is left out: it does not apply ({why})"));
                return;
            }
            ClaimState::OtherSubject => {
                self.note(
                    &claim.id,
                    format!("is left out: it binds the {}, not the {DEVICE}", claim.subject),
                );
                return;
            }
        }
        self.lost(claim, rule);
        self.flow(claim, rule);
    }

    /// Tells what of a claim no access list says.
    fn lost(&mut self, claim: &Claim, rule: &FlowRule) {
        let mut lost: Vec<&str> = Vec::new();
        let mut say = |is: bool, what: &'static str| {
            if is {
                lost.push(what);
            }
        };
        say(claim.level == Level::Required, "that it is required");
        say(claim.level == Level::Informational, "that it is for information");
        say(rule.blocked, "that the network is to block it");
        say(claim.when.iter().any(|when| !matches!(when, Condition::Variant { .. })), "its condition");
        say(!rule.services.is_empty(), "the protocol by content");
        say(rule.at_least > 1, "how many of the peers must work");
        say(matches!(rule.ports, Ports::Fallback(_)), "the order of the ports");
        say(rule.way == Some(Way::Local), "that only the local network is meant");
        say(rule.lifetime.is_some(), "lifetimes");
        say(rule.keep_alive_max.is_some(), "the keep alive");
        say(rule.websocket, "the WebSocket upgrade");
        say(rule.encrypted, "that content is encrypted");
        if let Some(tls) = &rule.tls {
            say(
                tls.min_version.is_some() || tls.max_version.is_some() || !tls.suites.is_empty(),
                "what TLS is to negotiate",
            );
            say(
                tls.min_rsa_bits.is_some() || !tls.signatures.is_empty(),
                "keys and signatures of certificates",
            );
            say(!tls.issuers.is_empty() || !tls.pins.is_empty(), "issuers and pins");
            say(tls.mutual, "the client certificate");
            say(!tls.alpn.is_empty(), "the application protocol that is negotiated");
            say(tls.policy.is_some(), "the TLS policy");
        }
        if !lost.is_empty() {
            self.note(&claim.id, format!("loses {}", lost.join(", ")));
        }
    }

    fn flow(&mut self, claim: &Claim, rule: &FlowRule) {
        let Some(ports) = self.ports(claim, rule) else { return };
        let way = rule.way.filter(|way| *way != Way::Local);
        let transports: Vec<Option<Transport>> = match (rule.transports.is_empty(), rule.ports == Ports::Any)
        {
            (false, _) => rule.transports.iter().copied().map(Some).collect(),
            (true, true) => vec![None],
            (true, false) => vec![Some(Transport::Tcp), Some(Transport::Udp)],
        };
        let mut written = 0_usize;
        for family in ["ipv4", "ipv6"] {
            let mut nth = 0_usize;
            for (who, own_class) in self.whos(claim, rule, family) {
                for transport in &transports {
                    if matches!(
                        (transport, family),
                        (Some(Transport::Icmp), "ipv6") | (Some(Transport::Icmpv6), "ipv4")
                    ) {
                        continue;
                    }
                    for port in &ports {
                        // Where a port is given, only two entries say that either may begin.
                        let ways = if way.is_none() && port.is_some() {
                            vec![Some(Way::Out), Some(Way::In)]
                        } else {
                            vec![way]
                        };
                        for way in ways {
                            nth = nth.saturating_add(1);
                            let line = Line {
                                family,
                                who: who.clone(),
                                own_class: own_class.clone(),
                                transport: *transport,
                                way,
                                port: port.clone(),
                                claim,
                            };
                            self.both(&line, rule, nth);
                        }
                    }
                }
            }
            written = written.saturating_add(nth);
        }
        if written == 0 {
            self.note(&claim.id, "is left out: MUD can name none of its peers");
        }
    }

    /// Entries of both policies, or of the one that the claim is from.
    fn both(&mut self, line: &Line<'_>, rule: &FlowRule, nth: usize) {
        let id = &line.claim.id;
        let directed = matches!(line.transport, Some(Transport::Tcp | Transport::Icmp | Transport::Icmpv6));
        if line.way.is_some() && line.port.is_none() && !directed {
            let one_sided = self.extras.is_some_and(|extras| extras.one_sided.contains(id));
            if !one_sided
                && (rule.peers.is_empty()
                    || rule.peers.iter().any(|peer| !matches!(peer, Peer::Network(net) if is_group(net))))
            {
                let what = line
                    .transport
                    .map_or_else(|| "any protocol".to_owned(), |transport| transport.to_string());
                self.note(id, format!("loses who begins: MUD cannot say that of {what} without a port"));
            }
        }
        let only = self.extras.and_then(|extras| extras.one_sided.contains(id).then_some(line.way));
        let to_all = rule.peers.iter().all(|peer| matches!(peer, Peer::Network(net) if is_group(net)))
            && !rule.peers.is_empty();
        for side in [Side::From, Side::To] {
            let own_side = match only {
                Some(Some(Way::In)) => side == Side::To,
                Some(_) => side == Side::From,
                None => !(to_all && line.way == Some(Way::Out)) || side == Side::From,
            };
            if own_side {
                let entry = self.entry(line, rule, side, nth);
                self.lists.entry((side, format!("{}-acl-type", line.family))).or_default().push(entry);
            }
        }
    }

    fn entry(&mut self, line: &Line<'_>, rule: &FlowRule, side: Side, nth: usize) -> Json {
        let mut matches = Json::Map(Vec::new());
        if let Some((key, value)) = &line.own_class {
            matches.object(CONTAINER).push((key.clone(), value.clone()));
        }
        if let Some(protocol) = line.transport.map(number) {
            matches.object(line.family).push(("protocol".to_owned(), Json::bare(&protocol)));
        }
        if let Some(who) = &line.who {
            let end = if side == Side::From { "destination" } else { "source" };
            let key = match who.get("name") {
                Some(_) => format!("ietf-acldns:{}-dnsname", if side == Side::From { "dst" } else { "src" }),
                None => format!("{end}-{}-network", line.family),
            };
            let value = who.get("name").or_else(|| who.get("network")).cloned().unwrap_or(Json::Null);
            matches.object(line.family).push((key, value));
        }
        ends(&mut matches, line, side);
        if let Some(tls) = rule.tls.as_ref().filter(|tls| !tls.offers.is_empty()) {
            self.tls = true;
            let key = "ietf-acl-tls:client-profiles".to_owned();
            if let Json::Map(entries) = &mut matches {
                entries.push((key, tls::container(&tls.offers)));
            }
        }
        let rest = self.extras.and_then(|extras| extras.rest.get(&line.claim.id));
        for rest in rest.into_iter().flatten() {
            let part = match rest.part.trim_end_matches("-acl") {
                "ipv4" | "ipv6" => line.family,
                "mud" => CONTAINER,
                "" => {
                    if let Json::Map(entries) = &mut matches {
                        entries.push((rest.key.clone(), rest.value.clone()));
                    }
                    continue;
                }
                part => part,
            };
            // A type of ICMP that is kept goes before that of an echo.
            let leaves = matches.object(part);
            leaves.retain(|(key, _)| bare(key) != bare(&rest.key));
            leaves.push((rest.key.clone(), rest.value.clone()));
        }
        let action = if line.claim.level == Level::Forbidden { "drop" } else { "accept" };
        ace(&name(&line.claim.id, nth), matches, Json::map([("forwarding", Json::text(action))]))
    }

    /// The peers that MUD can name, with the class that they are of.
    fn whos(&mut self, claim: &Claim, rule: &FlowRule, family: &str) -> Vec<Named> {
        let local = || Some(("local-networks".to_owned(), Json::List(vec![Json::Null])));
        if rule.peers.is_empty() {
            return vec![(None, if rule.way == Some(Way::Local) { local() } else { None })];
        }
        let mut whos = Vec::new();
        for peer in &rule.peers {
            match peer {
                Peer::Name(NamePattern::Exact(name)) => {
                    whos.push((Some(Json::map([("name", Json::text(name))])), None));
                }
                Peer::Name(pattern) => {
                    self.note(&claim.id, format!("loses the peer {pattern}: MUD has no wildcards"));
                }
                Peer::Network(network) => {
                    if matches!(network, IpNet::V4(_)) == (family == "ipv4") {
                        whos.push((Some(Json::map([("network", Json::text(network))])), None));
                    }
                }
                Peer::Local => whos.push((None, local())),
                Peer::List(set) if set.dated.is_empty() && set.networks.is_empty() => {
                    whos.push((None, Some(self.class(&set.name))));
                }
                Peer::List(set) => {
                    self.note(&claim.id, format!("loses the address list `{}`: MUD has none", set.name));
                }
            }
        }
        whos
    }

    fn class(&self, parameter: &str) -> (String, Json) {
        let known = self.parameters.iter().find(|known| known.name == parameter);
        let class = known.and_then(|known| known.mud.clone());
        let class = class.unwrap_or_else(|| Class::Controller(format!("{PARAMETER}{parameter}")));
        let (key, value) = class.leaf();
        (key.to_owned(), value.map_or_else(|| Json::List(vec![Json::Null]), Json::text))
    }

    /// A port or a range for each entry; nothing of them for any port.
    fn ports(&mut self, claim: &Claim, rule: &FlowRule) -> Option<Vec<Option<Json>>> {
        let one = |operator: &str, port: u16| {
            Json::map([("operator", Json::text(operator)), ("port", Json::bare(&port))])
        };
        let range = |(low, high): &(u16, u16)| {
            if low == high {
                one("eq", *low)
            } else {
                Json::map([("lower-port", Json::bare(low)), ("upper-port", Json::bare(high))])
            }
        };
        Some(match &rule.ports {
            Ports::Any => vec![None],
            Ports::Of(ranges) => ranges.iter().map(|pair| Some(range(pair))).collect(),
            Ports::Except(ranges) => match ranges.as_slice() {
                [(low, high)] if low == high => vec![Some(one("neq", *low))],
                ranges => others(ranges).iter().map(|pair| Some(range(pair))).collect(),
            },
            Ports::Fallback(ports) => ports.iter().map(|port| Some(one("eq", *port))).collect(),
            Ports::Unbound(name) => {
                self.note(
                    &claim.id,
                    format!("is left out: its ports are those of `{name}`, which nobody bound (--set)"),
                );
                return None;
            }
        })
    }

    fn statements(&mut self, profile: &Profile) {
        let kept = self.extras.map(|extras| extras.kept.as_slice()).unwrap_or_default();
        for kept in kept {
            let entry = ace(&name(&kept.id, 1), kept.matches.clone(), kept.actions.clone());
            let kind = if kept.kind.is_empty() { "ethernet-acl-type" } else { kept.kind.as_str() };
            self.lists.entry((kept.side, bare(kind).to_owned())).or_default().push(entry);
        }
        let other =
            profile.not_checkable.iter().filter(|statement| !kept.iter().any(|kept| kept.id == statement.id));
        let ids: Vec<&str> = other.map(|statement| statement.id.as_str()).collect();
        if !ids.is_empty() {
            self.note("", format!("what packets cannot show is left out: {}", ids.join(", ")));
        }
        if profile.tls_policy != crate::profile::load::DEFAULT_POLICY {
            self.note("", format!("the TLS policy `{}` is left out: MUD has none", profile.tls_policy));
        }
    }
}

/// Ports, and who begins, of the transport.
fn ends(matches: &mut Json, line: &Line<'_>, side: Side) {
    let container = match line.transport {
        Some(Transport::Tcp) => "tcp",
        Some(Transport::Udp) => "udp",
        Some(Transport::Icmp | Transport::Icmpv6) => {
            if let Some(way) = line.way {
                // What the device sends is a request where it begins, else a reply.
                let asks = (way == Way::Out) == (side == Side::From);
                let kind = match (line.family, asks) {
                    ("ipv4", true) => 8,
                    ("ipv4", false) => 0,
                    (_, true) => 128,
                    (_, false) => 129,
                };
                let icmp = matches.object("icmp");
                icmp.push(("type".to_owned(), Json::bare(&kind)));
                icmp.push(("code".to_owned(), Json::bare(&0)));
            }
            return;
        }
        _ => return,
    };
    let entries = matches.object(container);
    if container == "tcp"
        && let Some(way) = line.way
    {
        let word = if way == Way::Out { "from-device" } else { "to-device" };
        entries.push(("ietf-mud:direction-initiated".to_owned(), Json::text(word)));
    }
    if let Some(port) = &line.port {
        // The port is the responder's: the peer's where the device begins.
        let peers = line.way != Some(Way::In);
        let key = if peers == (side == Side::From) { "destination-port" } else { "source-port" };
        entries.push((key.to_owned(), port.clone()));
    }
}

pub(super) fn ace(name: &str, matches: Json, actions: Json) -> Json {
    Json::map([("name", Json::text(name)), ("matches", matches), ("actions", actions)])
}

/// `A-1` for the first, `A-1#2` for the second entry of a claim.
pub(super) fn name(id: &str, nth: usize) -> String {
    let number = if nth > 1 { format!("{NTH}{nth}") } else { String::new() };
    let room = MAX_NAME.saturating_sub(number.len());
    format!("{}{number}", id.chars().take(room).collect::<String>())
}

fn number(transport: Transport) -> u8 {
    match transport {
        Transport::Icmp => 1,
        Transport::Tcp => 6,
        Transport::Udp => 17,
        Transport::Icmpv6 => 58,
        Transport::Other(number) => number,
    }
}

/// The ports outside of these ranges, which are sorted.
fn others(ranges: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let mut out = Vec::new();
    let mut next = Some(1_u16);
    for (low, high) in ranges {
        if let Some(first) = next.filter(|first| first < low) {
            out.push((first, low.saturating_sub(1)));
        }
        next = high.checked_add(1);
    }
    out.extend(next.map(|first| (first, u16::MAX)));
    out
}
