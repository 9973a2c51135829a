//! Who is judged: the devices that a selector names, that a profile recognises, or the busiest private address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::subject::Evidence;
use crate::analyzers::http::fields as http;
use crate::analyzers::tls;
use crate::model::address::{Scope, scope};
use crate::model::{Flow, MacAddr};
use crate::naming::hosts::Host;
use crate::profile::{Identify, Profile};

/// What a user calls a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// An address.
    Address(IpAddr),
    /// Every host with an address in it.
    Network(IpNet),
    /// A MAC address.
    Mac(MacAddr),
    /// The first three bytes of the MAC address.
    Oui([u8; 3]),
    /// Every host in this VLAN.
    Vlan(u16),
    /// A DHCP host name; `*` matches any run of characters.
    HostName(String),
}

impl Selector {
    /// Reads `192.0.2.7`, `192.0.2.0/24`, `02:00:5e:10:00:01`, `02:00:5e`, `vlan:12`, or a host name.
    pub fn parse(text: &str) -> Self {
        if let Ok(ip) = text.parse() {
            return Self::Address(ip);
        }
        if let Ok(net) = text.parse() {
            return Self::Network(net);
        }
        if let Some(vlan) = text.strip_prefix("vlan:").and_then(|number| number.parse().ok()) {
            return Self::Vlan(vlan);
        }
        let bytes: Option<Vec<u8>> = text
            .split([':', '-'])
            .map(|part| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok())?)
            .collect();
        match bytes.as_deref() {
            Some(&[a, b, c, d, e, f]) => Self::Mac(MacAddr([a, b, c, d, e, f])),
            Some(&[a, b, c]) => Self::Oui([a, b, c]),
            _ => Self::HostName(text.to_owned()),
        }
    }

    /// Whether it means `host`.
    pub fn selects(&self, host: &Host) -> bool {
        match self {
            Self::Address(ip) => host.addresses.contains(ip),
            Self::Network(net) => host.addresses.iter().any(|ip| net.contains(ip)),
            Self::Mac(mac) => host.mac == Some(*mac),
            Self::Oui(oui) => host.mac.is_some_and(|mac| mac.oui() == *oui),
            Self::Vlan(vlan) => host.vlans.contains(vlan),
            Self::HostName(pattern) => host.host_names.iter().any(|name| wildcard(pattern, name)),
        }
    }
}

/// The devices to judge, with the reason for the user; empty if nobody fits.
pub fn choose<'a>(
    evidence: Evidence<'a>,
    profile: &Profile,
    selectors: &[Selector],
) -> (Vec<&'a Host>, String) {
    let hosts = || evidence.hosts.iter().filter(|host| !host.addresses.is_empty());
    if !selectors.is_empty() {
        let chosen = hosts().filter(|host| selectors.iter().any(|selector| selector.selects(host))).collect();
        return (chosen, String::from("selected by --device"));
    }
    let talkers = talkers(evidence, &profile.identify);
    let by_traffic = |host: &Host| host.addresses.iter().any(|ip| talkers.contains(ip));
    let known: Vec<&Host> =
        hosts().filter(|host| identified(&profile.identify, host) || by_traffic(host)).collect();
    if !known.is_empty() {
        return (known, format!("recognised by the profile {}", profile.name));
    }
    let mut opened: BTreeMap<IpAddr, u64> = BTreeMap::new();
    for flow in evidence.flows {
        if scope(flow.key.orig.ip) == Scope::Private {
            *opened.entry(flow.key.orig.ip).or_default() += 1;
        }
    }
    // Most flows, then the smallest address, so that a tie is decided the same way every time.
    let busiest = opened.into_iter().max_by_key(|(ip, count)| (*count, std::cmp::Reverse(*ip)));
    match busiest.and_then(|(ip, count)| Some((evidence.hosts.at(ip)?, count))) {
        Some((host, count)) => (vec![host], format!("the private address that opens most flows ({count})")),
        None => (Vec::new(), String::from("no private address opens a flow")),
    }
}

/// Whether what a host is and looks up is what the profile's device is and looks up.
fn identified(identify: &Identify, host: &Host) -> bool {
    let matches_any = |patterns: &[String], names: &BTreeSet<String>| {
        patterns.iter().any(|pattern| names.iter().any(|name| wildcard(pattern, name)))
    };
    matches_any(&identify.dhcp_host_names, &host.host_names)
        || matches_any(&identify.dhcp_vendor_classes, &host.vendor_classes)
        || host.mac.is_some_and(|mac| identify.ouis.contains(&mac.oui()))
        || host.lookups.iter().any(|name| known_name(identify, name))
}

/// Addresses that open flows as the profile's device does. Found in one pass over the flows: there may be as many
/// hosts as flows.
fn talkers(evidence: Evidence<'_>, identify: &Identify) -> BTreeSet<IpAddr> {
    if identify.names.is_empty() && identify.ports.is_empty() {
        return BTreeSet::new();
    }
    let known = |flow: &&Flow| {
        let said = flow.facts.of(&tls::SNI).chain(flow.facts.of(&http::CONNECT_TARGET));
        identify.ports.contains(&flow.key.resp.port)
            || said.filter_map(|fact| fact.value.as_str()).any(|name| {
                let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
                known_name(identify, &host.to_ascii_lowercase())
            })
    };
    evidence.flows.iter().filter(known).map(|flow| flow.key.orig.ip).collect()
}

fn known_name(identify: &Identify, name: &str) -> bool {
    identify.names.iter().any(|pattern| pattern.matches(name))
}

/// Whether `text` fits `pattern`, in which `*` stands for any run of characters; ASCII case is ignored.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last_is_open = false;
    for part in parts {
        last_is_open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = rest.get(at.saturating_add(part.len())..).unwrap_or_default(),
            None => return false,
        }
    }
    // The last part must end the text: leftmost placement may have stopped short of it.
    rest.is_empty()
        || last_is_open
        || pattern.rsplit('*').next().is_some_and(|tail| pattern.contains('*') && rest.ends_with(tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_told_apart_by_form() {
        assert_eq!(Selector::parse("192.0.2.7"), Selector::Address("192.0.2.7".parse().unwrap()));
        assert_eq!(Selector::parse("192.0.2.0/24"), Selector::Network("192.0.2.0/24".parse().unwrap()));
        assert_eq!(Selector::parse("02:00:5e:10:00:01"), Selector::Mac(MacAddr([2, 0, 0x5e, 0x10, 0, 1])));
        assert_eq!(Selector::parse("02-00-5E"), Selector::Oui([2, 0, 0x5e]));
        assert_eq!(Selector::parse("vlan:12"), Selector::Vlan(12));
        assert_eq!(Selector::parse("farmbot-1"), Selector::HostName("farmbot-1".into()));
    }

    #[test]
    fn wildcards_match_whole_names() {
        for (pattern, text, fits) in [
            ("farmbot*", "FarmBot-1234", true),
            ("farmbot", "farmbot-1234", false),
            ("*bot", "farmbot", true),
            ("*bot", "bot-bot", true),
            ("*bot", "bots", false),
            ("f*b*t", "farmbot", true),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(wildcard(pattern, text), fits, "{pattern} {text}");
        }
    }
}
