//! What one entry says: of whom, over what, on which ports, and who begins.

use ipnet::IpNet;

use super::ace::{Entry, Parts};
use super::classes::{Classes, DNS, GATEWAY};
use super::lints::{self, Lints, shown};
use super::tls::TlsOffer;
use super::{Class, NTH, OURS, Rest, Side, bare};
use crate::model::Transport;
use crate::model::finding::Way;
use crate::profile::{Baseline, NamePattern, Ports, load, schema};

/// First of the ports that systems choose at random (RFC 6335 section 6).
pub(super) const DYNAMIC: u16 = 49_152;
/// First and last of those that Linux chooses from, whose range is not that of the RFC. What is only sent to such a port
/// is most likely an answer.
pub(super) const FIRST_USUAL: u16 = 32_768;
const LAST_USUAL: u16 = 60_999;

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Anyone,
    Name(NamePattern),
    Network(IpNet),
    Local,
    /// A parameter.
    Class(String),
}

/// Who begins, as far as one entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Begins {
    Out,
    In,
    /// Whoever may send: tells once it is known whether both may.
    Sender,
}

/// What one entry says; entries with the same are one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Says {
    /// Id that the entry's name gives, in files of ours.
    pub(super) id: Option<String>,
    pub(super) denies: bool,
    pub(super) who: Who,
    pub(super) begins: Begins,
    pub(super) transports: Vec<Transport>,
    pub(super) ports: Ports,
    pub(super) rest: Vec<Rest>,
    pub(super) tls: Vec<TlsOffer>,
}

/// What becomes of an entry.
pub(super) enum Becomes {
    Claim(Box<Says>),
    Baseline(Baseline),
    /// Title and reason.
    Statement(String, String),
}

/// Multicast, or the broadcast address.
pub(super) fn is_group(network: &IpNet) -> bool {
    let ip = network.network();
    ip.is_multicast() || ip == std::net::Ipv4Addr::BROADCAST
}

/// The id that the name of an entry of ours gives.
pub(super) fn own_id(entry: &Entry) -> Option<String> {
    if !entry.list.starts_with(OURS) {
        return None;
    }
    let name = entry.name.split_once(NTH).map_or(entry.name.as_str(), |(id, _)| id);
    load::id(name).ok()
}

pub(super) fn becomes(entry: &Entry, classes: &mut Classes, lints: &mut Lints) -> Becomes {
    let parts = &entry.parts;
    if let Some(why) = &parts.broken {
        return statement(entry, why.clone());
    }
    if !entry.denies
        && let Some(item) = own_baseline(entry)
    {
        return Becomes::Baseline(item);
    }
    if !parts.ip
        && let Some(ethertype) = parts.ethertype
        && let Some(becomes) = ethernet(entry, ethertype, lints)
    {
        return becomes;
    }
    if parts.own && parts.names.is_empty() && parts.networks.is_empty() {
        let reason = "it names the device's own side, where the peer is meant or nothing is narrowed";
        return statement(entry, reason.to_owned());
    }
    let who = who(entry, classes, lints);
    if !entry.denies
        && let Some(item) = infrastructure(entry, &who)
    {
        return Becomes::Baseline(item);
    }
    if let Some(name) = parts.protocol.and_then(header_name) {
        let reason = "these are headers before the protocol that is compared, not one of their own";
        return Becomes::Statement(format!("packets of protocol {name}"), reason.to_owned());
    }
    let transports = transports(entry);
    if let Some(reason) = families_differ(&transports, &parts.networks) {
        return statement(entry, reason.to_owned());
    }
    let (begins, ports) = match service(entry, &transports, lints) {
        Ok(found) => found,
        Err(reason) => return statement(entry, reason),
    };
    if entry.denies && who == Who::Anyone && transports.is_empty() && ports == Ports::Any {
        return Becomes::Statement("everything else is denied".to_owned(), DEFAULT.to_owned());
    }
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

/// Why an entry that denies everything is no claim.
const DEFAULT: &str = "what no entry accepts is denied in any case";

fn statement(entry: &Entry, reason: String) -> Becomes {
    Becomes::Statement(format!("the entry {}", shown(&entry.name, 80)), reason)
}

/// Over what; nothing for anything.
fn transports(entry: &Entry) -> Vec<Transport> {
    match entry.parts.protocol {
        None if entry.parts.icmp => icmp_of(&entry.kind, entry.parts.icmp_type),
        None => Vec::new(),
        Some(1) => vec![Transport::Icmp],
        Some(6) => vec![Transport::Tcp],
        Some(17) => vec![Transport::Udp],
        Some(58) => vec![Transport::Icmpv6],
        Some(number) => vec![Transport::Other(number)],
    }
}

/// Which ICMP is meant where only its container is there: that of the list's family, else that of the type.
fn icmp_of(kind: &str, icmp_type: Option<u8>) -> Vec<Transport> {
    match (bare(kind), icmp_type) {
        ("ipv4-acl-type" | "ipv4-acl" | "ipv4", _) => vec![Transport::Icmp],
        ("ipv6-acl-type" | "ipv6-acl" | "ipv6", _) | (_, Some(128..)) => vec![Transport::Icmpv6],
        _ => vec![Transport::Icmp, Transport::Icmpv6],
    }
}

/// No packet of ICMP has addresses of the other family.
fn families_differ(transports: &[Transport], networks: &[IpNet]) -> Option<&'static str> {
    let v6 = match transports {
        [Transport::Icmp] => false,
        [Transport::Icmpv6] => true,
        _ => return None,
    };
    let differ = networks.iter().any(|network| matches!(network, IpNet::V6(_)) != v6);
    differ.then_some("its address and its ICMP are of different families, and no packet is both")
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
        0x0806 if !entry.denies => return Some(Becomes::Baseline(Baseline::Arp)),
        0x0806 => "ARP",
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
        lints.not_compared(&entry.name, entry.place, &format!("the peer must also be {what}"));
    };
    if let Some(name) = parts.names.first() {
        if parts.names.len() > 1 {
            told("called by a second name");
        }
        if !parts.networks.is_empty() {
            told("in a network");
        }
        if !parts.classes.is_empty() {
            told("of a class");
        }
        return Who::Name(name.clone());
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
    if transports.iter().any(|transport| matches!(transport, Transport::Icmp | Transport::Icmpv6)) {
        return Ok((icmp(entry.side, parts), Ports::Any));
    }
    let (peer, mut own) = (parts.peer_ports.clone(), parts.own_ports.clone());
    if matches!(transports, [Transport::Other(_)]) && (peer.is_some() || own.is_some()) {
        return Err("it narrows the ports of a protocol whose ports are not compared".to_owned());
    }
    // What a device sends from whatever port its system chose is no service of its own. Of TCP, the entry of the other
    // direction says who begins.
    let wide = |(low, high): &(u16, u16)| *low <= DYNAMIC && *high >= LAST_USUAL;
    let guess = entry.side == Side::From && transports == [Transport::Udp] && !entry.list.starts_with(OURS);
    if guess && matches!(&own, Some(Ports::Of(ranges)) if ranges.iter().any(wide)) {
        own = None;
        let message = "the device's ports are those that systems choose at random: taken as a client's";
        lints.add(&lints::ANY_PORT, entry.place, message);
    }
    let mut both = || {
        let what =
            "both `source-port` and `destination-port` are given, and that of whoever begins narrows it";
        lints.not_compared(&entry.name, entry.place, what);
    };
    match (peer, own, parts.begun) {
        (Some(ports), None, None | Some(Way::Out)) => Ok((Begins::Out, ports)),
        (None, Some(ports), None | Some(Way::In)) => Ok((Begins::In, ports)),
        (Some(peer), Some(own), None) if peer == own => {
            both();
            Ok((Begins::Sender, peer))
        }
        (Some(peer), Some(_), None | Some(Way::Out)) => {
            both();
            Ok((Begins::Out, peer))
        }
        (Some(_), Some(own), Some(_)) => {
            both();
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

/// Number and name of a header that stands before the protocol that is compared.
fn header_name(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "0 (IPv6 hop-by-hop options)",
        43 => "43 (IPv6 routing header)",
        44 => "44 (IPv6 fragments)",
        51 => "51 (AH)",
        60 => "60 (IPv6 destination options)",
        _ => return None,
    })
}
