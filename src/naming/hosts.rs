//! Which addresses are one host, which hosts are routers, and what each says of itself.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use ipnet::IpNet;

use super::sightings::{Sighting, Sightings};

use crate::model::address::{Scope, scope};
use crate::model::evidence::Seen;
use crate::model::finding::DeviceLabel;
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{MacAddr, Timestamp};

/// A host of the capture.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Its MAC address, where the capture shows it on the link.
    pub mac: Option<MacAddr>,
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// DHCP host names.
    pub host_names: BTreeSet<String>,
    /// What it calls itself by multicast DNS, NetBIOS and LLDP.
    pub announced: BTreeSet<String>,
    /// URLs of Manufacturer Usage Descriptions.
    pub mud_urls: BTreeSet<String>,
    /// What it says it is.
    pub descriptions: BTreeSet<String>,
    /// LLDP chassis identifiers.
    pub chassis: BTreeSet<String>,
    /// DHCP vendor classes.
    pub vendor_classes: BTreeSet<String>,
    /// Names it looked up.
    pub lookups: BTreeSet<String>,
    /// Resolvers that DHCP gave it, and those that routers tell everybody who speaks IPv6.
    pub resolvers: BTreeSet<IpAddr>,
    /// Its networks, by DHCP's subnet mask, else the usual ones of its addresses.
    pub networks: BTreeSet<IpNet>,
    /// When it was seen to start: a DHCP DISCOVER, or a REQUEST without lease.
    pub booted: Option<Seen>,
    /// VLANs of its frames.
    pub vlans: BTreeSet<u16>,
    /// Whether it is a router and no device: its MAC address carries what others send, or DHCP hands it out as one, and
    /// nobody saw it ask DHCP for an address.
    pub is_router: bool,
}

/// Every host that sent something on the link, or was named by DHCP or neighbour discovery.
///
/// There may be as many hosts as flows, and nearly all of them are far: of those, only the address is kept.
#[derive(Debug, Default)]
pub struct Hosts {
    /// Those of which more is known than one address; by their first one, those without address last.
    known: Vec<Host>,
    /// Of an address that several had one after the other, the last.
    by_address: HashMap<IpAddr, usize>,
    /// Such addresses, with who claimed them and from when on, in order of time.
    shared: HashMap<IpAddr, Vec<(Timestamp, MacAddr)>>,
    /// Addresses of the others, ascending.
    far: Vec<IpAddr>,
    busiest: Option<(IpAddr, u64)>,
    /// Whose MAC address carries what others send, with the first of them.
    carriers: BTreeMap<MacAddr, Carried>,
}

/// Addresses of others that a MAC address sends from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// The first few.
    pub first: Vec<IpAddr>,
    /// How many there are.
    pub count: usize,
}

impl Host {
    /// How reports call it.
    pub fn label(&self) -> DeviceLabel {
        let ip = self.main_address();
        let key = match (self.mac, ip) {
            (Some(mac), _) => mac.to_string(),
            (None, Some(ip)) => ip.to_string(),
            (None, None) => String::from("unknown"),
        };
        // What DHCP calls it is told to the network's own server; what it announces, to everybody and by anybody.
        let name = self.host_names.first().or_else(|| self.announced.first());
        let name = name.cloned().unwrap_or_else(|| key.clone());
        DeviceLabel { key, name, ip, mac: self.mac }
    }

    /// The first IPv4 address that is not link-local, else the first address.
    fn main_address(&self) -> Option<IpAddr> {
        let usable = |ip: &&IpAddr| ip.is_ipv4() && matches!(scope(**ip), Scope::Private | Scope::Global);
        self.addresses.iter().find(usable).or_else(|| self.addresses.first()).copied()
    }

    /// Whether `ip` is on one of the host's own networks, a group or broadcast address included.
    pub fn is_local(&self, ip: IpAddr) -> bool {
        match scope(ip) {
            Scope::Group | Scope::Link | Scope::Unspecified => true,
            Scope::Private | Scope::Global => self.networks.iter().any(|net| net.contains(&ip)),
        }
    }
}

impl Hosts {
    /// Those with a MAC address, a VLAN or a trait; those without address last, the others by their first one.
    pub fn known(&self) -> impl Iterator<Item = &Host> {
        self.known.iter()
    }

    /// The addresses of the others, ascending.
    pub fn far(&self) -> &[IpAddr] {
        &self.far
    }

    /// The host with this address.
    pub fn at(&self, ip: IpAddr) -> Option<Cow<'_, Host>> {
        match self.by_address.get(&ip).and_then(|at| self.known.get(*at)) {
            Some(host) => Some(Cow::Borrowed(host)),
            None => self.far.binary_search(&ip).is_ok().then(|| Cow::Owned(Host::far(ip))),
        }
    }

    /// Whether several of the known hosts had this address, one after the other.
    pub fn is_shared(&self, ip: IpAddr) -> bool {
        self.shared.contains_key(&ip)
    }

    /// Who had an address that is shared at this time, by the claim before it, else by the first one.
    pub fn holder(&self, ip: IpAddr, at: Timestamp) -> Option<MacAddr> {
        let claims = self.shared.get(&ip)?;
        let next = claims.partition_point(|(since, _)| *since <= at);
        claims.get(next.saturating_sub(1)).map(|(_, mac)| *mac)
    }

    /// The private address that opens most flows (of several the smallest), and how many.
    pub fn busiest(&self) -> Option<(IpAddr, u64)> {
        self.busiest
    }

    /// The MAC addresses that carry what others send, ascending, with whom: those of routers, and of devices that others
    /// are behind.
    pub fn carriers(&self) -> impl Iterator<Item = (MacAddr, &Carried)> {
        self.carriers.iter().map(|(mac, carried)| (*mac, carried))
    }

    /// What the MAC address of a host carries of others.
    pub fn carried(&self, mac: MacAddr) -> Option<&Carried> {
        self.carriers.get(&mac)
    }

    /// Marks those whose MAC address carries what others send, and those that DHCP hands out as routers. Who asks DHCP
    /// for an address is a device, whatever else it does.
    fn tell_routers(&mut self, clients: &HashSet<MacAddr>, traits: &[HostTrait]) {
        for host in &mut self.known {
            host.is_router = host.mac.is_some_and(|mac| self.carriers.contains_key(&mac));
        }
        for item in traits {
            let TraitKind::Router(ip) = item.kind else { continue };
            if let Some(host) = self.by_address.get(&ip).and_then(|at| self.known.get_mut(*at)) {
                host.is_router = true;
            }
        }
        for host in &mut self.known {
            host.is_router &= host.mac.is_none_or(|mac| !clients.contains(&mac));
        }
    }

    fn add(&mut self, mac: Option<MacAddr>) -> usize {
        self.known.push(Host { mac, ..Host::default() });
        self.known.len().saturating_sub(1)
    }
}

impl Sightings {
    /// The hosts, which `traits` (in order of time) say more of.
    pub fn hosts(self, traits: &[HostTrait]) -> Hosts {
        let mut claims = Claims::default();
        let mut named: HashSet<IpAddr> = HashSet::new();
        let mut clients: HashSet<MacAddr> = HashSet::new();
        for item in traits {
            named.extend(item.ip);
            if matches!(item.kind, TraitKind::Lease(_) | TraitKind::Boot) {
                clients.extend(item.mac);
            }
            if let (TraitKind::Lease(_) | TraitKind::Neighbour, Some(ip), Some(mac)) =
                (&item.kind, item.ip, item.mac)
            {
                claims.add(ip, mac, item.seen.at);
            }
        }
        let rows = self.sorted(claims.last.keys().copied());
        let routers = carriers(&rows, &claims, &clients);
        let mut hosts = Hosts { busiest: busiest(&rows), ..Hosts::default() };
        let mut by_mac: HashMap<MacAddr, usize> = HashMap::new();
        for (ip, sighting) in rows {
            let own = match claims.last.get(&ip) {
                Some(mac) => Some(*mac),
                None if matches!(scope(ip), Scope::Group | Scope::Unspecified) => continue,
                None => sighting.macs().filter(|mac| !routers.contains_key(mac)).min(),
            };
            let at = match own {
                Some(mac) => *by_mac.entry(mac).or_insert_with(|| hosts.add(Some(mac))),
                None if named.contains(&ip) || sighting.vlans().next().is_some() => hosts.add(None),
                None => {
                    hosts.far.push(ip);
                    continue;
                }
            };
            hosts.by_address.insert(ip, at);
            if let Some(host) = hosts.known.get_mut(at) {
                host.addresses.insert(ip);
                host.vlans.extend(sighting.vlans());
            }
            for mac in claims.earlier(ip, &sighting, &routers) {
                let at = *by_mac.entry(mac).or_insert_with(|| hosts.add(Some(mac)));
                hosts.shared.entry(ip).or_insert_with(|| claims.of(ip));
                if let Some(host) = hosts.known.get_mut(at) {
                    host.addresses.insert(ip);
                }
            }
        }
        for item in traits {
            let at = match (item.mac, item.ip) {
                (Some(mac), _) if by_mac.contains_key(&mac) => by_mac.get(&mac).copied(),
                (_, Some(ip)) if hosts.by_address.contains_key(&ip) => {
                    let holder = hosts.holder(ip, item.seen.at).and_then(|mac| by_mac.get(&mac));
                    holder.or_else(|| hosts.by_address.get(&ip)).copied()
                }
                (Some(mac), _) if !mac.is_group() => {
                    Some(*by_mac.entry(mac).or_insert_with(|| hosts.add(Some(mac))))
                }
                _ => None,
            };
            if let Some(host) = at.and_then(|at| hosts.known.get_mut(at)) {
                host.take(item);
            }
        }
        hosts.carriers = routers;
        hosts.tell_routers(&clients, traits);
        let everybody = traits.iter().filter(|item| item.mac.is_none() && item.ip.is_none());
        let advertised: BTreeSet<IpAddr> = everybody
            .filter_map(|item| match item.kind {
                TraitKind::DnsServer(ip) => Some(ip),
                _ => None,
            })
            .collect();
        for host in &mut hosts.known {
            // Of a host that was given none and speaks IPv4 alone it is not known which ones it uses.
            if !host.resolvers.is_empty() || host.addresses.iter().any(IpAddr::is_ipv6) {
                host.resolvers.extend(&advertised);
            }
            host.settle_networks();
        }
        hosts
    }
}

impl Host {
    /// A host of which nothing but an address is known.
    pub fn far(ip: IpAddr) -> Self {
        let mut host = Self { addresses: BTreeSet::from([ip]), ..Self::default() };
        host.settle_networks();
        host
    }
}

impl Host {
    fn take(&mut self, item: &HostTrait) {
        match &item.kind {
            TraitKind::HostName(name) => {
                self.host_names.insert(name.to_string());
            }
            TraitKind::VendorClass(class) => {
                self.vendor_classes.insert(class.to_string());
            }
            TraitKind::Announced(name) => {
                self.announced.insert(name.to_string());
            }
            TraitKind::MudUrl(url) => {
                self.mud_urls.insert(url.to_string());
            }
            TraitKind::Description(text) => {
                self.descriptions.insert(text.to_string());
            }
            TraitKind::Chassis(id) => {
                self.chassis.insert(id.to_string());
            }
            TraitKind::Lookup(name) => {
                self.lookups.insert(name.to_string());
            }
            TraitKind::DnsServer(ip) => {
                self.resolvers.insert(*ip);
            }
            TraitKind::PrefixLen(length) => {
                if let Some(net) = item.ip.and_then(|ip| IpNet::new(ip, *length).ok()) {
                    self.networks.insert(net.trunc());
                }
            }
            TraitKind::Boot => {
                self.booted = Some(self.booted.map_or(item.seen, |first| first.min(item.seen)));
            }
            TraitKind::Lease(_) | TraitKind::Neighbour | TraitKind::Router(_) => {}
        }
    }

    /// Adds the usual network of each address that no known one covers: /24 for IPv4, /64 for IPv6.
    fn settle_networks(&mut self) {
        for ip in &self.addresses {
            let length = if ip.is_ipv4() { 24 } else { 64 };
            if matches!(scope(*ip), Scope::Private)
                && !self.networks.iter().any(|net| net.contains(ip))
                && let Ok(net) = IpNet::new(*ip, length)
            {
                self.networks.insert(net.trunc());
            }
        }
    }
}

/// Who claims which address: by DHCP lease, ARP and neighbour discovery.
#[derive(Debug, Default)]
struct Claims {
    last: HashMap<IpAddr, MacAddr>,
    /// Where there are several claimants: each of their first claims after another's, in order of time.
    all: HashMap<IpAddr, Vec<(Timestamp, MacAddr)>>,
}

impl Claims {
    fn add(&mut self, ip: IpAddr, mac: MacAddr, at: Timestamp) {
        if let Some(other) = self.last.insert(ip, mac).filter(|other| *other != mac) {
            // The first claim needs no time: nobody is before it.
            self.all.entry(ip).or_insert_with(|| vec![(Timestamp::default(), other)]).push((at, mac));
        }
    }

    fn of(&self, ip: IpAddr) -> Vec<(Timestamp, MacAddr)> {
        self.all.get(&ip).cloned().unwrap_or_default()
    }

    /// Who had `ip` beside the last one: those who claimed it and sent from it. A claim alone is easily made.
    fn earlier(
        &self,
        ip: IpAddr,
        sighting: &Sighting,
        routers: &BTreeMap<MacAddr, Carried>,
    ) -> BTreeSet<MacAddr> {
        let Some(all) = self.all.get(&ip) else { return BTreeSet::new() };
        let last = self.last.get(&ip);
        let claimed: BTreeSet<MacAddr> = all.iter().map(|(_, mac)| *mac).collect();
        let senders = sighting.macs().filter(|mac| last != Some(mac) && !routers.contains_key(mac));
        senders.filter(|mac| claimed.contains(mac)).collect()
    }

    fn has(&self, ip: IpAddr, mac: MacAddr) -> bool {
        self.last.get(&ip) == Some(&mac)
            || self.all.get(&ip).is_some_and(|all| all.iter().any(|(_, other)| *other == mac))
    }
}

/// Addresses that are shown of those that a MAC address carries.
const FEW: usize = 3;

/// Whose MAC address carries what others send. `rows` are by address, so that those of a network are neighbours; `clients`
/// asked DHCP for an address.
///
/// Such a one sends from unclaimed addresses, of more than one network or of another than the addresses that it claims.
/// That alone may be a device's own doing: it has an access point of its own while it is set up, or still has its address of
/// yesterday. So whoever has an address of its own is no carrier, unless a hop limit shows that somebody sent it before, or
/// there are several others, or one of the Internet and no lease.
fn carriers(
    rows: &[(IpAddr, Sighting)],
    claims: &Claims,
    clients: &HashSet<MacAddr>,
) -> BTreeMap<MacAddr, Carried> {
    let mut senders: HashMap<MacAddr, Sender> = HashMap::new();
    for (ip, sighting) in rows {
        let length = if ip.is_ipv4() { 24 } else { 64 };
        if !matches!(scope(*ip), Scope::Private | Scope::Global) {
            continue;
        }
        let Ok(net) = IpNet::new(*ip, length).map(|net| net.trunc()) else { continue };
        for mac in sighting.macs() {
            senders.entry(mac).or_default().take(*ip, net, claims.has(*ip, mac), sighting.routed);
        }
    }
    let carriers = senders.into_iter().filter(|(mac, sender)| sender.carries(clients.contains(mac)));
    carriers.map(|(mac, sender)| (mac, sender.carried)).collect()
}

/// What a MAC address sends from.
#[derive(Default)]
struct Sender {
    /// The network of the address before, and of the unclaimed one before.
    last: Option<IpNet>,
    last_carried: Option<IpNet>,
    v4: u64,
    v6: u64,
    /// Networks of unclaimed addresses.
    networks: u64,
    carried: Carried,
    claims: bool,
    routed: bool,
    global: bool,
}

impl Sender {
    fn take(&mut self, ip: IpAddr, net: IpNet, claimed: bool, routed: bool) {
        if self.last.replace(net) != Some(net) {
            *if ip.is_ipv4() { &mut self.v4 } else { &mut self.v6 } += 1;
        }
        if claimed {
            self.claims = true;
            return;
        }
        if self.last_carried.replace(net) != Some(net) {
            self.networks += 1;
        }
        self.carried.count += 1;
        if self.carried.first.len() < FEW {
            self.carried.first.push(ip);
        }
        self.routed |= routed;
        self.global |= ip.is_ipv4() && scope(ip) == Scope::Global;
    }

    fn carries(&self, is_client: bool) -> bool {
        let several = self.v4 > 1 || self.v6 > 2;
        let own = self.claims || is_client;
        let many = self.carried.count > 2 && self.networks > 1;
        self.carried.count > 0 && several && (!own || many || self.routed || self.global && !is_client)
    }
}

/// Most flows, then the smallest address, so that a tie is decided the same way every time.
fn busiest(rows: &[(IpAddr, Sighting)]) -> Option<(IpAddr, u64)> {
    let private = rows.iter().filter(|(ip, sighting)| sighting.opened > 0 && scope(*ip) == Scope::Private);
    private.map(|(ip, sighting)| (*ip, sighting.opened)).max_by_key(|(ip, opened)| (*opened, Reverse(*ip)))
}

#[cfg(test)]
#[path = "hosts_tests.rs"]
mod tests;
