//! Which addresses are one host, which hosts are routers, and what each says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::address::{Scope, scope};
use crate::model::evidence::Seen;
use crate::model::finding::DeviceLabel;
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{Direction, Flow, MacAddr};

/// A host of the capture.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Its MAC address, where the capture shows it on the link.
    pub mac: Option<MacAddr>,
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// DHCP host names.
    pub host_names: BTreeSet<String>,
    /// DHCP vendor classes.
    pub vendor_classes: BTreeSet<String>,
    /// Names it looked up.
    pub lookups: BTreeSet<String>,
    /// Resolvers that DHCP gave it.
    pub resolvers: BTreeSet<IpAddr>,
    /// Its networks, by DHCP's subnet mask, else the usual ones of its addresses.
    pub networks: BTreeSet<IpNet>,
    /// When it was seen to start: a DHCP DISCOVER, or a REQUEST without lease.
    pub booted: Option<Seen>,
    /// VLANs of its frames.
    pub vlans: BTreeSet<u16>,
}

/// Every host that sent something on the link, or was named by DHCP or neighbour discovery.
#[derive(Debug, Default)]
pub struct Hosts {
    hosts: Vec<Host>,
    by_address: BTreeMap<IpAddr, usize>,
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
        let name = self.host_names.first().cloned().unwrap_or_else(|| key.clone());
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
    /// Puts together what flows and traits show of hosts.
    pub fn new(flows: &[Flow], traits: &[HostTrait]) -> Self {
        let owners = owners(flows, traits);
        let mut hosts = Self::default();
        let mut by_mac: BTreeMap<MacAddr, usize> = BTreeMap::new();
        for (ip, mac) in &owners {
            let at = match mac {
                Some(mac) => *by_mac.entry(*mac).or_insert_with(|| hosts.add(Some(*mac))),
                None => hosts.add(None),
            };
            hosts.by_address.insert(*ip, at);
            if let Some(host) = hosts.hosts.get_mut(at) {
                host.addresses.insert(*ip);
            }
        }
        for item in traits {
            let at = match (item.mac, item.ip) {
                (Some(mac), _) if by_mac.contains_key(&mac) => by_mac.get(&mac).copied(),
                (_, Some(ip)) if hosts.by_address.contains_key(&ip) => hosts.by_address.get(&ip).copied(),
                (Some(mac), _) if !mac.is_group() => {
                    Some(*by_mac.entry(mac).or_insert_with(|| hosts.add(Some(mac))))
                }
                _ => None,
            };
            if let Some(host) = at.and_then(|at| hosts.hosts.get_mut(at)) {
                host.take(item);
            }
        }
        for flow in flows {
            for (end, link) in [(flow.key.orig, flow.link.orig), (flow.key.resp, flow.link.resp)] {
                if let Some(vlan) = link.and_then(|link| link.vlan)
                    && let Some(host) = hosts.by_address.get(&end.ip).and_then(|at| hosts.hosts.get_mut(*at))
                {
                    host.vlans.insert(vlan);
                }
            }
        }
        hosts.hosts.iter_mut().for_each(Host::settle_networks);
        hosts
    }

    fn add(&mut self, mac: Option<MacAddr>) -> usize {
        self.hosts.push(Host { mac, ..Host::default() });
        self.hosts.len().saturating_sub(1)
    }

    /// Every host, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter()
    }

    /// The host with this address.
    pub fn at(&self, ip: IpAddr) -> Option<&Host> {
        self.by_address.get(&ip).and_then(|at| self.hosts.get(*at))
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

/// Which MAC address each address has, where that is the host's own and not a router's.
fn owners(flows: &[Flow], traits: &[HostTrait]) -> BTreeMap<IpAddr, Option<MacAddr>> {
    let mut claimed: BTreeMap<IpAddr, MacAddr> = BTreeMap::new();
    for item in traits {
        if let (TraitKind::Lease(_) | TraitKind::Neighbour, Some(ip), Some(mac)) =
            (&item.kind, item.ip, item.mac)
        {
            claimed.insert(ip, mac);
        }
    }
    let mut seen: BTreeMap<IpAddr, BTreeSet<MacAddr>> = BTreeMap::new();
    for flow in flows {
        for direction in Direction::BOTH {
            let ip = match direction {
                Direction::OrigToResp => flow.key.orig.ip,
                Direction::RespToOrig => flow.key.resp.ip,
            };
            let macs = seen.entry(ip).or_default();
            let link = flow.link.of(direction).and_then(|link| link.src);
            macs.extend(link.filter(|mac| !mac.is_group() && mac.0 != [0; 6]));
        }
    }
    let routers = routers(&seen, &claimed);
    let mut owners: BTreeMap<IpAddr, Option<MacAddr>> = BTreeMap::new();
    for (ip, macs) in &seen {
        if matches!(scope(*ip), Scope::Group | Scope::Unspecified) {
            continue;
        }
        let own =
            claimed.get(ip).copied().or_else(|| macs.iter().find(|mac| !routers.contains(mac)).copied());
        owners.insert(*ip, own);
    }
    for (ip, mac) in claimed {
        owners.entry(ip).or_insert(Some(mac));
    }
    owners
}

/// MAC addresses that carry unclaimed addresses of more than one network, or of another network than the
/// addresses they claim.
fn routers(
    seen: &BTreeMap<IpAddr, BTreeSet<MacAddr>>,
    claimed: &BTreeMap<IpAddr, MacAddr>,
) -> BTreeSet<MacAddr> {
    let mut carried: BTreeMap<MacAddr, (BTreeSet<IpNet>, bool)> = BTreeMap::new();
    for (ip, macs) in seen {
        let length = if ip.is_ipv4() { 24 } else { 64 };
        if !matches!(scope(*ip), Scope::Private | Scope::Global) {
            continue;
        }
        let Ok(net) = IpNet::new(*ip, length) else { continue };
        for mac in macs {
            let entry = carried.entry(*mac).or_default();
            entry.0.insert(net.trunc());
            entry.1 |= claimed.get(ip) != Some(mac);
        }
    }
    let per_family = |nets: &BTreeSet<IpNet>| {
        let v4 = nets.iter().filter(|net| matches!(net, IpNet::V4(_))).count();
        v4 > 1 || nets.len().saturating_sub(v4) > 2
    };
    carried
        .into_iter()
        .filter(|(_, (nets, foreign))| *foreign && per_family(nets))
        .map(|(mac, _)| mac)
        .collect()
}
