//! One entry of an access list, in any dialect, as plain values.
//!
//! The dialects differ in how deep things stand and what they are called, not in what they mean: containers are walked
//! through, and every leaf is known by its name without module.

use std::net::IpAddr;

use ipnet::IpNet;

use super::json::Json;
use super::lints::{self, Lints, shown};
use super::tls::{self, TlsOffer};
use super::{Class, Rest, Side, bare};
use crate::model::finding::Way;
use crate::profile::read::{At, Reader};
use crate::profile::value;
use crate::profile::yaml::{Node, Place};
use crate::profile::{NamePattern, Ports};

/// An entry, as far as it is understood.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) side: Side,
    pub(super) list: String,
    /// Type of its list, as written.
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) matches: Json,
    pub(super) actions: Json,
    /// Whether it drops or rejects.
    pub(super) denies: bool,
    pub(super) parts: Parts,
}

/// What an entry matches.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    pub(super) protocol: Option<u8>,
    /// Name of the peer.
    pub(super) names: Vec<NamePattern>,
    /// Its address.
    pub(super) networks: Vec<IpNet>,
    /// The device's own name or address is asked for.
    pub(super) own: bool,
    pub(super) peer_ports: Option<Ports>,
    pub(super) own_ports: Option<Ports>,
    /// `direction-initiated`
    pub(super) begun: Option<Way>,
    /// Anything of ICMP is asked for.
    pub(super) icmp: bool,
    pub(super) icmp_type: Option<u8>,
    pub(super) classes: Vec<Class>,
    pub(super) local: bool,
    pub(super) ethertype: Option<u16>,
    /// Whether anything of IP is asked for.
    pub(super) ip: bool,
    pub(super) tls: Vec<TlsOffer>,
    /// What is understood by nobody here, or not compared.
    pub(super) rest: Vec<Rest>,
    /// Something is asked for that cannot be read, so that a claim would say too much.
    pub(super) broken: Option<String>,
}

/// Why an entry is left out whose packets would be of two protocols.
const TWO_PROTOCOLS: &str = "its two protocols contradict each other";
/// Containers that only group leaves, and whose leaves are told apart by it.
const CONTAINERS: &[&str] = &[
    "l1", "l2", "l3", "l4", "l5", "eth", "eth-acl", "ethernet", "ipv4", "ipv4-acl", "ipv6", "ipv6-acl",
    "tcp", "tcp-acl", "udp", "udp-acl", "icmp", "icmp-acl", "icmpv6", "mud", "mud-acl",
];
/// Leaves of RFC 8519 that narrow an entry and that no claim compares.
const NARROWING: &[&str] = &[
    "dscp",
    "ecn",
    "length",
    "ttl",
    "ihl",
    "flags",
    "offset",
    "identification",
    "flow-label",
    "sequence-number",
    "acknowledgement-number",
    "data-offset",
    "reserved",
    "window-size",
    "urgent-pointer",
    "options",
    "rest-of-header",
    "established",
    "egress-interface",
    "ingress-interface",
];

/// Reads one entry.
pub(super) struct Walk<'a, 'r, 's> {
    pub(super) reader: &'r mut Reader<'s>,
    pub(super) lints: &'a mut Lints,
    pub(super) side: Side,
    /// The entry, for people.
    pub(super) entry: String,
    pub(super) parts: Parts,
    /// Where and how ICMP is narrowed.
    pub(super) narrowed: Vec<(Place, String)>,
    /// `actions` inside of `matches`, as the example of RFC 9761 has them.
    pub(super) actions: Option<Json>,
    /// The protocol that containers imply, and the container.
    pub(super) implied: Option<(u8, &'static str)>,
}

impl Walk<'_, '_, '_> {
    /// Reads what stands in a container called `part`.
    pub(super) fn matches(&mut self, at: &At<'_>, part: &str) {
        let Node::Map(_) = &at.item.value else {
            if !is_empty(&at.item.value) {
                self.reader.wrong(at, format!("expected a mapping, got {}", at.item.value.kind()));
            }
            return;
        };
        let Some(map) = self.reader.map(at, &[]) else { return };
        for (key, place, at) in map.entries() {
            let name = bare(key);
            if CONTAINERS.contains(&name) {
                self.enters(name);
                // As deep as the parser allows.
                self.matches(&at, if matches!(name, "l1" | "l2" | "l3" | "l4" | "l5") { part } else { name });
            } else {
                self.leaf(part, name, key, place, &at);
            }
        }
    }

    /// A container says which protocol its leaves are of.
    fn enters(&mut self, name: &str) {
        self.parts.ip |= !name.starts_with("eth") && !name.starts_with("mud") && !name.starts_with('l');
        match name {
            "tcp" | "tcp-acl" => self.implies(6, "tcp"),
            "udp" | "udp-acl" => self.implies(17, "udp"),
            "icmp" | "icmp-acl" | "icmpv6" => self.parts.icmp = true,
            _ => {}
        }
    }

    fn implies(&mut self, number: u8, container: &'static str) {
        if self.implied.is_some_and(|(other, _)| other != number) {
            self.parts.broken = Some(TWO_PROTOCOLS.to_owned());
        }
        self.implied = Some((number, container));
    }

    fn protocol(&mut self, place: Place, at: &At<'_>) {
        let Some(number) = self.number(at, protocol_by_name) else { return };
        if let Some(other) = self.parts.protocol.replace(number).filter(|other| *other != number) {
            let message = format!("`protocol` is {other} and {number}");
            self.lints.add(&lints::PROTOCOL, place, message);
            self.parts.broken = Some(TWO_PROTOCOLS.to_owned());
        }
    }

    fn leaf(&mut self, part: &str, name: &str, key: &str, place: Place, at: &At<'_>) {
        match name {
            "protocol" | "next-header" => self.protocol(place, at),
            "dst-dnsname" | "src-dnsname" => self.name(name, at),
            "destination-ipv4-network"
            | "source-ipv4-network"
            | "destination-ipv6-network"
            | "source-ipv6-network" => self.network(name, at),
            "destination-port"
            | "source-port"
            | "destination-port-range"
            | "source-port-range"
            | "destination-port-range-or-operator"
            | "source-port-range-or-operator" => self.port(name, at),
            "direction-initiated" => self.direction(at),
            "type" | "code" if part.starts_with("icmp") => self.icmp(part, name, key, at),
            "rest-of-header" if part.starts_with("icmp") => self.unknown(part, name, key, place, at),
            "ethertype" => self.parts.ethertype = self.ethertype(at),
            // Which host on the link it is, the address says better.
            "destination-mac-address"
            | "source-mac-address"
            | "destination-mac-address-mask"
            | "source-mac-address-mask" => {}
            "local-networks" => self.parts.local |= self.empty_leaf(name, at),
            "same-manufacturer" => self.class(name, at, Class::SameManufacturer),
            "my-controller" => self.class(name, at, Class::MyController),
            "controller" => self.classes(at, Class::Controller),
            "manufacturer" => self.classes(at, Class::Manufacturer),
            "model" => self.classes(at, Class::Model),
            "client-profiles" | "client-profile" => {
                self.parts.tls = tls::offers(self.reader, self.lints, at, name, place);
            }
            "actions" => self.actions = Some(Json::of(at.item)),
            _ => self.unknown(part, name, key, place, at),
        }
    }

    fn unknown(&mut self, part: &str, name: &str, key: &str, place: Place, at: &At<'_>) {
        self.parts.rest.push(Rest { part: part.into(), key: key.into(), value: Json::of(at.item) });
        if NARROWING.contains(&name) {
            self.lints.not_compared(&self.entry, place, &format!("`{name}` narrows it"));
        } else {
            let message = format!("the node `{}` is unknown", shown(key, 80));
            self.lints.add(&lints::UNKNOWN, place, message);
        }
    }

    fn number<T: TryFrom<u64>>(&mut self, at: &At<'_>, by_name: fn(&str) -> Option<u64>) -> Option<T> {
        let text = self.reader.text(at)?;
        let number = text.parse().ok().or_else(|| by_name(&text.to_ascii_lowercase()));
        let number = number.and_then(|number: u64| T::try_from(number).ok());
        if number.is_none() {
            self.reader.wrong(at, format!("expected a number in its range, got `{}`", shown(&text, 40)));
        }
        number
    }

    fn name(&mut self, key: &str, at: &At<'_>) {
        let Some(text) = self.reader.text(at) else { return };
        if !self.is_peers(key) {
            self.own_side(key, at);
            return;
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let message = format!("`{key}` is the address {address} and no name; taken as that address");
            self.lints.add(&lints::NAME, at.place(), message);
            self.parts.networks.push(IpNet::from(address));
            return;
        }
        match value::name_pattern(&text) {
            Ok(pattern) => {
                if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    let message = format!("the name `{}` is written with capitals", shown(&text, 80));
                    self.lints.add(&lints::NAME_CASE, at.place(), message);
                }
                self.parts.names.push(pattern);
            }
            Err(message) => {
                self.lints.add(&lints::NAME, at.place(), format!("`{key}` is no name: {message}"));
                self.parts.broken = Some(format!("`{}` is no whole domain name", shown(&text, 80)));
            }
        }
    }

    /// Whether a key speaks of the peer: the destination of what the device sends.
    fn is_peers(&self, key: &str) -> bool {
        let destination = key.starts_with("dst") || key.starts_with("destination");
        destination == (self.side == Side::From)
    }

    fn own_side(&mut self, key: &str, at: &At<'_>) {
        self.parts.own = true;
        let message = format!("`{key}` is the device's own side here");
        self.lints.add(&lints::OWN_SIDE, at.place(), message);
    }

    fn network(&mut self, key: &str, at: &At<'_>) {
        let Some(text) = self.reader.text(at) else { return };
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let Ok(network) = network else {
            let message = format!("expected a prefix such as `192.0.2.0/24`, got `{}`", shown(&text, 60));
            self.reader.wrong(at, message);
            return;
        };
        let place = at.place();
        if matches!(network, IpNet::V4(_)) != key.contains("ipv4") {
            let (family, field) = if key.contains("ipv4") { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
            let message = format!("the {family} address {network} stands in a field for {field}");
            self.lints.add(&lints::FAMILY, place, message);
        }
        let whole = network.trunc();
        if whole != network {
            let message = format!("{text} has bits set below its prefix length; taken as {whole}");
            self.lints.add(&lints::ADDRESS, place, message);
        } else if !text.contains('/') {
            self.lints.add(
                &lints::ADDRESS,
                place,
                format!("{text} has no prefix length; taken as {network}"),
            );
        } else if !text.eq_ignore_ascii_case(&network.to_string()) {
            self.lints.add(&lints::ADDRESS, place, format!("{text} is {network}, written another way"));
        }
        if self.is_peers(key) {
            self.parts.networks.push(whole);
        } else {
            self.own_side(key, at);
        }
    }

    fn port(&mut self, key: &str, at: &At<'_>) {
        let Some(ports) = self.ports(at) else { return };
        let place = if self.is_peers(key) { &mut self.parts.peer_ports } else { &mut self.parts.own_ports };
        *place = Some(ports);
    }

    /// A port with its operator, a range, or the container of one of them.
    fn ports(&mut self, at: &At<'_>) -> Option<Ports> {
        if !matches!(at.item.value, Node::Map(_)) {
            return self.one_port(at).map(|port| Ports::Of(vec![(port, port)]));
        }
        let map = self.reader.map(at, &[])?;
        let (mut operator, mut port, mut lower, mut upper) = (None, None, None, None);
        for (key, place, at) in map.entries() {
            match bare(key) {
                "operator" => operator = self.reader.text(&at).map(|text| (text, at)),
                "port" => port = Some(at),
                "lower-port" => lower = Some(at),
                "upper-port" => upper = Some(at),
                "port-range-or-operator" | "range" | "operator-port" => return self.ports(&at),
                _ => self.reader.problem(place, &map.key, format!("unknown key `{}`", shown(key, 60))),
            }
        }
        let word = operator.as_ref().map_or_else(|| "eq".to_owned(), |(text, _)| text.clone());
        if let Some(lower) = lower {
            if word != "range" && operator.is_some() {
                let message = format!("the operator `{}` stands beside a range of ports", shown(&word, 20));
                self.lints.add(&lints::OPERATOR, at.place(), message);
            }
            // A range from 0 is one from the first port there is.
            let low = self.first_port(&lower)?;
            let high = match &upper {
                Some(upper) => self.one_port(upper)?,
                None => low,
            };
            if low > high {
                self.reader.wrong(&lower, format!("the range {low} to {high} has no port"));
                return None;
            }
            return Some(Ports::Of(vec![(low, high)]));
        }
        let Some(port) = port else {
            self.reader.problem(map.place, &map.key, "expected `port`, or `lower-port` and `upper-port`");
            return None;
        };
        self.by_operator(&word, operator.as_ref().map_or(at, |(_, at)| at), &port, at)
    }

    /// The ports that stand so to one of them; `word` is the operator, which is written at `word_at`.
    fn by_operator(&mut self, word: &str, word_at: &At<'_>, port: &At<'_>, at: &At<'_>) -> Option<Ports> {
        let port = if word == "gte" { self.first_port(port)? } else { self.one_port(port)? };
        let ranges = match word {
            "eq" => vec![(port, port)],
            "neq" | "ne" => return Some(Ports::Except(vec![(port, port)])),
            "lte" => vec![(1, port)],
            "lt" if port > 1 => vec![(1, port.saturating_sub(1))],
            "gte" => vec![(port, u16::MAX)],
            "gt" if port < u16::MAX => vec![(port.saturating_add(1), u16::MAX)],
            "lt" | "gt" => {
                self.reader.wrong(at, format!("no port is `{word}` {port}"));
                return None;
            }
            other => {
                let message = format!(
                    "unknown operator `{}` (expected one of `eq`, `neq`, `lte`, `gte`)",
                    shown(other, 20)
                );
                self.reader.wrong(word_at, message);
                return None;
            }
        };
        Some(Ports::Of(ranges))
    }

    fn one_port(&mut self, at: &At<'_>) -> Option<u16> {
        self.reader.read(at, value::port)
    }

    fn first_port(&mut self, at: &At<'_>) -> Option<u16> {
        if matches!(&at.item.value, Node::Text(text) | Node::Inferred(text) if text == "0") {
            return Some(1);
        }
        self.one_port(at)
    }

    fn direction(&mut self, at: &At<'_>) {
        let Some(text) = self.reader.text(at) else { return };
        self.parts.begun = match text.as_str() {
            "from-device" => Some(Way::Out),
            "to-device" => Some(Way::In),
            other => {
                let message = format!("expected `from-device` or `to-device`, got `{}`", shown(other, 40));
                self.reader.wrong(at, message);
                None
            }
        };
    }

    /// An echo says who begins. No claim is about one type or code.
    fn icmp(&mut self, part: &str, name: &str, key: &str, at: &At<'_>) {
        let Some(number) = self.number::<u8>(at, |_| None) else { return };
        if name == "type" {
            self.parts.icmp_type = Some(number);
        }
        // What is written is that of an echo where nothing else is kept.
        let usual = if name == "type" { matches!(number, 0 | 8 | 128 | 129) } else { number == 0 };
        if !usual {
            self.parts.rest.push(Rest { part: part.into(), key: key.into(), value: Json::bare(&number) });
        }
        self.narrowed.push((at.place(), format!("`{name}` {number}")));
    }

    fn ethertype(&mut self, at: &At<'_>) -> Option<u16> {
        let text = self.reader.text(at)?;
        let lower = text.to_ascii_lowercase();
        let number = match lower.as_str() {
            "arp" => Some(0x0806),
            "ipv4" => Some(0x0800),
            "ipv6" => Some(0x86dd),
            other => match other.strip_prefix("0x") {
                Some(digits) => u16::from_str_radix(digits, 16).ok(),
                None => other.parse().ok(),
            },
        };
        if number.is_none() {
            let message = format!("expected an EtherType such as `0x0806`, got `{}`", shown(&text, 40));
            self.reader.wrong(at, message);
        }
        number
    }

    fn class(&mut self, name: &str, at: &At<'_>, class: Class) {
        if self.empty_leaf(name, at) {
            self.parts.classes.push(class);
        }
    }

    fn classes(&mut self, at: &At<'_>, class: fn(String) -> Class) {
        let texts = self.reader.texts(at);
        self.parts.classes.extend(texts.into_iter().map(|(text, _)| class(text)));
    }

    /// Whether a leaf without value is set. JSON says so with `[null]`; people write other things.
    fn empty_leaf(&mut self, name: &str, at: &At<'_>) -> bool {
        let (written, set) = match &at.item.value {
            Node::List(items) if matches!(items.as_slice(), [item] if item.value == Node::Null) => {
                return true;
            }
            Node::List(items) if items.is_empty() => ("[]".to_owned(), true),
            Node::Null => ("null".to_owned(), true),
            Node::Text(text) if text.is_empty() => ("\"\"".to_owned(), true),
            Node::Map(entries) if entries.is_empty() => ("{}".to_owned(), true),
            Node::Inferred(text) if text == "false" => (text.clone(), false),
            _ => (shown(&Json::of(at.item).compact(), 40), true),
        };
        let taken = if set { "taken as set" } else { "taken as not set" };
        let message = format!("`{name}` has no value and is written as `{written}`; {taken}");
        self.lints.add(&lints::EMPTY_LEAF, at.place(), message);
        set
    }

    /// Tells how ICMP is narrowed, and compares the number of the protocol with what containers are there.
    pub(super) fn settle(&mut self, place: Place) {
        if let Some((first, _)) = self.narrowed.first() {
            let fields: Vec<&str> = self.narrowed.iter().map(|(_, field)| field.as_str()).collect();
            let fields = fields.join(" and ");
            let narrow = if self.narrowed.len() > 1 { "narrow" } else { "narrows" };
            let what = format!("{fields} {narrow} it, and the claim is about all of ICMP");
            self.lints.not_compared(&self.entry, *first, &what);
        }
        if self.parts.icmp && !matches!(self.parts.protocol, None | Some(1 | 58)) {
            self.implied = Some((1, "icmp"));
        }
        let Some((number, container)) = self.implied else { return };
        match self.parts.protocol {
            None => self.parts.protocol = Some(number),
            Some(said) if said != number => {
                let message = format!("`protocol` is {said}, and the entry has the container `{container}`");
                self.lints.add(&lints::PROTOCOL, place, message);
                self.parts.broken = Some(TWO_PROTOCOLS.to_owned());
            }
            Some(_) => {}
        }
    }
}

fn is_empty(node: &Node) -> bool {
    match node {
        Node::Null => true,
        Node::List(items) => items.iter().all(|item| item.value == Node::Null),
        Node::Text(text) => text.is_empty(),
        _ => false,
    }
}

fn protocol_by_name(word: &str) -> Option<u64> {
    Some(match word {
        "icmp" => 1,
        "igmp" => 2,
        "tcp" => 6,
        "udp" => 17,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmpv6" | "ipv6-icmp" => 58,
        "sctp" => 132,
        _ => return None,
    })
}

/// Whether `actions` denies; nothing where it does not say.
pub(super) fn denies(actions: &Json) -> Option<Result<bool, String>> {
    let Json::Map(entries) = actions else { return None };
    let forwarding = entries.iter().find(|(key, _)| matches!(bare(key), "forwarding" | "packet-handling"));
    let word = match forwarding {
        Some((_, Json::Text(word))) => bare(word).to_owned(),
        Some((_, other)) => other.compact(),
        // The drafts had a leaf without value for each.
        None => bare(&entries.iter().find(|(key, _)| WORDS.contains(&bare(key)))?.0).to_owned(),
    };
    Some(match word.as_str() {
        "accept" | "permit" => Ok(false),
        "drop" | "reject" | "deny" => Ok(true),
        other => Err(shown(other, 40)),
    })
}

/// Words for what is done.
const WORDS: &[&str] = &["accept", "permit", "drop", "reject", "deny"];
