//! Who is judged: the devices that a selector names, that a profile recognises, or the busiest private address.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;

use foldhash::{HashSet, HashSetExt};
use ipnet::IpNet;

use crate::analyzers::http::fields as http;
use crate::analyzers::{socks, tls};
use crate::model::finding::DeviceLabel;
use crate::model::text::printable;
use crate::model::{Field, MacAddr, Outline};
use crate::naming::hosts::{Host, Hosts};
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
    /// A name that the host states, in DHCP or on the link (mDNS, NetBIOS, LLDP); `*` matches any run of characters.
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
            Self::HostName(pattern) => {
                host.host_names.iter().chain(&host.announced).any(|name| wildcard(pattern, name))
            }
        }
    }

    /// Whether it means the device of a row, by what the row says of it: a VLAN never does.
    pub fn names(&self, device: &DeviceLabel) -> bool {
        match self {
            Self::Address(ip) => device.ip == Some(*ip) || device.key == ip.to_string(),
            Self::Network(net) => device.ip.is_some_and(|ip| net.contains(&ip)),
            Self::Mac(mac) => device.mac == Some(*mac),
            Self::Oui(oui) => device.mac.is_some_and(|mac| mac.oui() == *oui),
            Self::Vlan(_) => false,
            Self::HostName(pattern) => wildcard(pattern, &device.name),
        }
    }

    /// Which of these addresses, ascending, it means, where nothing else is known of those who have them.
    fn selects_far<'f>(&self, far: &'f [IpAddr]) -> &'f [IpAddr] {
        let (first, last) = match self {
            Self::Address(ip) => (*ip, *ip),
            Self::Network(net) => (net.network(), net.broadcast()),
            Self::Mac(_) | Self::Oui(_) | Self::Vlan(_) | Self::HostName(_) => return &[],
        };
        within(far, first, last)
    }
}

/// Which of these addresses, ascending, are from `first` to `last`.
pub(super) fn within(far: &[IpAddr], first: IpAddr, last: IpAddr) -> &[IpAddr] {
    let from = far.partition_point(|ip| *ip < first);
    let to = far.partition_point(|ip| *ip <= last);
    far.get(from..to).unwrap_or_default()
}

/// The devices to judge, with the reason for the user; empty if nobody fits. `talkers` are those of the same profile.
pub fn choose<'a>(
    hosts: &'a Hosts,
    talkers: &Talkers<'_>,
    profile: &Profile,
    selectors: &[Selector],
) -> (Vec<Cow<'a, Host>>, String) {
    if !selectors.is_empty() {
        let near = |host: &Host| selectors.iter().any(|selector| selector.selects(host));
        let far = selectors.iter().flat_map(|selector| selector.selects_far(hosts.far())).copied();
        let selected = together(hosts, near, far);
        let why = if selected.is_empty() { "none is what --device asks for" } else { "selected by --device" };
        return (selected, String::from(why));
    }
    let near = |host: &Host| {
        let talks = |ip: &IpAddr| match host.mac.filter(|_| hosts.is_shared(*ip)) {
            Some(mac) => talkers.senders.contains(&(*ip, mac)),
            None => talkers.contains(*ip),
        };
        identified(&profile.identify, host) || host.addresses.iter().any(talks)
    };
    let far = talkers.iter().filter(|ip| hosts.far().binary_search(ip).is_ok());
    let recognised = together(hosts, near, far);
    if !recognised.is_empty() {
        let said: BTreeSet<String> = recognised.iter().filter_map(|host| in_own_words(host)).collect();
        let said: Vec<String> = said.into_iter().take(MAX_SAID).map(|words| printable(&words)).collect();
        let says =
            if said.is_empty() { String::new() } else { format!(", says of itself: {}", said.join("; ")) };
        return (recognised, format!("recognised by the profile {}{says}", profile.name));
    }
    match hosts.busiest().and_then(|(ip, count)| Some((hosts.at(ip)?, count))) {
        Some((host, count)) => (vec![host], format!("the private address that opens most flows ({count})")),
        None => (Vec::new(), String::from("no private address opens a flow")),
    }
}

/// The known hosts that `near` wants, and those at `far` addresses, by their first address.
fn together(
    hosts: &Hosts,
    near: impl Fn(&Host) -> bool,
    far: impl Iterator<Item = IpAddr>,
) -> Vec<Cow<'_, Host>> {
    let far: BTreeSet<IpAddr> = far.collect();
    let near = hosts.known().filter(|host| !host.addresses.is_empty() && near(host)).map(Cow::Borrowed);
    let mut all: Vec<_> = near.chain(far.into_iter().map(|ip| Cow::Owned(Host::far(ip)))).collect();
    all.sort_by_key(|host| host.addresses.first().copied());
    all
}

/// What a host says it is, beside its name.
pub fn in_own_words(host: &Host) -> Option<String> {
    let words = [&host.mud_urls, &host.descriptions, &host.vendor_classes];
    words.into_iter().find_map(|words| words.first()).cloned()
}

/// Whether what a host is and looks up is what the profile's device is and looks up.
fn identified(identify: &Identify, host: &Host) -> bool {
    let matches_any = |patterns: &[String], names: &BTreeSet<String>| {
        patterns.iter().any(|pattern| names.iter().any(|name| wildcard(pattern, name)))
    };
    matches_any(&identify.dhcp_host_names, &host.host_names)
        || matches_any(&identify.dhcp_vendor_classes, &host.vendor_classes)
        || matches_any(&identify.mud_urls, &host.mud_urls)
        || host.mac.is_some_and(|mac| identify.ouis.contains(&mac.oui()))
        || host.lookups.iter().any(|name| known_name(identify, name))
}

/// Addresses that open flows as a profile's device does. There may be as many as flows.
#[derive(Debug)]
pub struct Talkers<'p> {
    identify: &'p Identify,
    addresses: HashSet<IpAddr>,
    /// With who sent from them, which may be several one after the other.
    senders: HashSet<(IpAddr, MacAddr)>,
}

impl<'p> Talkers<'p> {
    /// None yet.
    pub fn new(identify: &'p Identify) -> Self {
        Self { identify, addresses: HashSet::new(), senders: HashSet::new() }
    }

    /// Looks at a flow.
    #[inline]
    pub fn add(&mut self, flow: &Outline<'_>) {
        let orig = flow.key.orig.ip;
        let by_port = || self.identify.ports.contains(&flow.key.resp.port);
        let by_name = || {
            let Some(facts) = flow.facts.filter(|_| !self.identify.names.is_empty()) else { return false };
            facts.texts(CALLED).any(|name| {
                let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
                known_name(self.identify, &lower(host))
            })
        };
        // Whoever is known needs no more to show it.
        let sender = flow.link.orig.and_then(|link| link.src).map(|mac| (orig, mac));
        let known = |talkers: &Self| match sender {
            Some(sender) => talkers.senders.contains(&sender),
            None => talkers.contains(orig),
        };
        if by_port() || (flow.facts.is_some() && !known(self) && by_name()) {
            self.addresses.insert(orig);
            self.senders.extend(sender);
        }
    }

    /// Takes what others have found.
    pub fn merge(&mut self, other: Self) {
        self.addresses.extend(other.addresses);
        self.senders.extend(other.senders);
    }

    /// Whether `ip` is one.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.addresses.contains(&ip)
    }

    /// All of them, in no order.
    fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied()
    }
}

/// What an originator calls the other end, with a port after a colon or without.
const CALLED: &[&Field] = &[&tls::SNI, &http::CONNECT_TARGET, &socks::TARGET];

/// Descriptions shown of the devices that a profile recognises.
const MAX_SAID: usize = 3;

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
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
