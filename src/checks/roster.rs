//! Who is who: the hosts of a capture and the entries of an inventory.
//!
//! Of several entries that match a host, the most specific one counts. They are compared key by key: by MAC address,
//! address, MUD URL, DHCP host name, DHCP vendor class, OUI, prefix, VLAN, in this order: what a device is goes before where
//! it is. The first key that one entry has and the other has not decides; where both have it, the pattern with more beside its `*`, or the longer prefix. Entries
//! that are equal in all of this are a tie, and the user has to say which is meant.
//!
//! Routers are meant only where an entry names them by MAC address or address, and a VLAN is that of hosts on the link: of
//! those beyond a router it says where the router is.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::Hash;
use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt};
use ipnet::IpNet;

use super::devices::{wildcard, within};
use crate::model::MacAddr;
use crate::model::address::{Scope, scope};
use crate::model::finding::DeviceLabel;
use crate::naming::hosts::{Host, Hosts};
use crate::profile::inventory::{Entry, Fits, Site};

/// The entries of an inventory, by what they match: there may be ten thousand, and as many hosts.
#[derive(Debug)]
pub struct Roster<'i> {
    entries: &'i [Entry],
    macs: HashMap<MacAddr, Vec<u32>>,
    ips: HashMap<IpAddr, Vec<u32>>,
    mud_urls: Patterns,
    host_names: Patterns,
    vendor_classes: Patterns,
    prefixes: HashMap<IpNet, Vec<u32>>,
    /// Lengths of the prefixes.
    lengths: BTreeSet<(bool, u8)>,
    vlans: HashMap<u16, Vec<u32>>,
    ouis: HashMap<[u8; 3], Vec<u32>>,
}

/// What calling a roster gave.
#[derive(Debug, Default)]
pub struct RollCall<'h> {
    /// Hosts with the entry that counts, by the host's first address, those without address last.
    pub present: Vec<(Cow<'h, Host>, usize)>,
    /// Entries that match nobody, as indices.
    pub absent: Vec<usize>,
    /// Entries that match somebody, and count for nobody: others that match are narrower. As indices.
    pub outdone: Vec<usize>,
    /// Those that are taken for routers and that no entry matches, in the order of [`Hosts::known`].
    pub routers: Vec<&'h Host>,
    /// Devices of the site that no entry matches, in the order of [`Hosts::known`].
    pub unlisted: Vec<&'h Host>,
    /// Addresses that would be such devices if they open flows: nothing else is known of them. Ascending.
    pub unlisted_far: Vec<IpAddr>,
}

/// Two entries match one host equally well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tie {
    /// Who.
    pub device: DeviceLabel,
    /// Which, as indices.
    pub entries: (usize, usize),
}

impl<'i> Roster<'i> {
    /// Of these entries.
    pub fn new(entries: &'i [Entry]) -> Self {
        let mut roster = Self {
            entries,
            macs: HashMap::new(),
            ips: HashMap::new(),
            mud_urls: Patterns::default(),
            host_names: Patterns::default(),
            vendor_classes: Patterns::default(),
            prefixes: HashMap::new(),
            lengths: BTreeSet::new(),
            vlans: HashMap::new(),
            ouis: HashMap::new(),
        };
        for (at, entry) in (0..).zip(entries) {
            roster.add(at, &entry.fits);
        }
        roster
    }

    /// Puts an entry where its most specific key is looked up.
    fn add(&mut self, at: u32, fits: &Fits) {
        if !fits.macs.is_empty() {
            put(&mut self.macs, &fits.macs, at);
        } else if !fits.ips.is_empty() {
            put(&mut self.ips, &fits.ips, at);
        } else if !fits.mud_urls.is_empty() {
            self.mud_urls.put(&fits.mud_urls, at);
        } else if !fits.dhcp_host_names.is_empty() {
            self.host_names.put(&fits.dhcp_host_names, at);
        } else if !fits.dhcp_vendor_classes.is_empty() {
            self.vendor_classes.put(&fits.dhcp_vendor_classes, at);
        } else if !fits.ouis.is_empty() {
            put(&mut self.ouis, &fits.ouis, at);
        } else if !fits.prefixes.is_empty() {
            self.lengths.extend(fits.prefixes.iter().map(|net| (is_v4(net), net.prefix_len())));
            put(&mut self.prefixes, &fits.prefixes, at);
        } else {
            put(&mut self.vlans, &fits.vlans, at);
        }
    }

    /// Looks who of the inventory is there, and who else is.
    ///
    /// # Errors
    /// The first tie.
    pub fn call<'h>(&self, hosts: &'h Hosts, site: &Site) -> Result<RollCall<'h>, Tie> {
        let mut call = RollCall::default();
        let mut seen = vec![false; self.entries.len()];
        // Where no MAC address is seen there is no link, and private addresses are all that is known of a site.
        let has_link = hosts.known().any(|host| host.mac.is_some());
        for host in hosts.known() {
            match self.best(host, &mut seen)? {
                Some(entry) => call.present.push((Cow::Borrowed(host), entry)),
                None if host.is_router => call.routers.push(host),
                None if is_of_site(host, site) => call.unlisted.push(host),
                None => {}
            }
        }
        let mut taken = BTreeSet::new();
        for ip in self.named_far(hosts.far()) {
            let host = Host::far(ip);
            if let Some(entry) = self.best(&host, &mut seen)? {
                taken.insert(ip);
                call.present.push((Cow::Owned(host), entry));
            }
        }
        let of_site = |ip| is_stated(ip, site) || !has_link && scope(ip) == Scope::Private;
        let others = hosts.far().iter().copied();
        call.unlisted_far = others.filter(|ip| of_site(*ip) && !taken.contains(ip)).collect();
        call.present
            .sort_by_key(|(host, _)| (host.addresses.is_empty(), host.addresses.first().copied(), host.mac));
        let counts: BTreeSet<usize> = call.present.iter().map(|(_, entry)| *entry).collect();
        let matching = seen.iter().enumerate().filter(|(at, seen)| **seen && !counts.contains(at));
        call.outdone = matching.map(|(at, _)| at).collect();
        call.absent = seen.iter().enumerate().filter(|(_, seen)| !**seen).map(|(at, _)| at).collect();
        Ok(call)
    }

    /// The entry that counts for a host, if any; marks in `seen` all that match it.
    fn best(&self, host: &Host, seen: &mut [bool]) -> Result<Option<usize>, Tie> {
        let mut best: Option<(Rank, usize)> = None;
        let mut tie = None;
        for at in self.candidates(host) {
            let Some(rank) = self.entries.get(at).and_then(|entry| rank(&entry.fits, host)) else { continue };
            if let Some(seen) = seen.get_mut(at) {
                *seen = true;
            }
            match best {
                Some((narrowest, _)) if rank < narrowest => {}
                Some((narrowest, other)) if rank == narrowest => tie = Some((other, at)),
                _ => (best, tie) = (Some((rank, at)), None),
            }
        }
        match tie {
            Some(entries) => Err(Tie { device: host.label(), entries }),
            None => Ok(best.map(|(_, at)| at)),
        }
    }

    /// Entries that may match a host, ascending, each once.
    fn candidates(&self, host: &Host) -> BTreeSet<usize> {
        let mut found: Vec<u32> = Vec::new();
        let mut take = |list: Option<&Vec<u32>>| found.extend(list.into_iter().flatten());
        if let Some(mac) = host.mac {
            take(self.macs.get(&mac));
            take(self.ouis.get(&mac.oui()));
        }
        for ip in &host.addresses {
            take(self.ips.get(ip));
            for (v4, length) in &self.lengths {
                if *v4 == ip.is_ipv4()
                    && let Ok(net) = IpNet::new(*ip, *length)
                {
                    take(self.prefixes.get(&net.trunc()));
                }
            }
        }
        host.vlans.iter().for_each(|vlan| take(self.vlans.get(vlan)));
        host.mud_urls.iter().for_each(|url| self.mud_urls.about(url, &mut take));
        host.host_names.iter().for_each(|name| self.host_names.about(name, &mut take));
        host.vendor_classes.iter().for_each(|class| self.vendor_classes.about(class, &mut take));
        found.into_iter().map(|at| at as usize).collect()
    }

    /// Addresses of `far` that an entry names, alone or by its network.
    fn named_far(&self, far: &[IpAddr]) -> BTreeSet<IpAddr> {
        let mut named = BTreeSet::new();
        for Entry { fits, .. } in self.entries {
            named.extend(fits.ips.iter().flat_map(|ip| within(far, *ip, *ip)));
            // An address that is named is in the networks that are, too.
            if fits.ips.is_empty() {
                let ranges = fits.prefixes.iter().map(|net| within(far, net.network(), net.broadcast()));
                named.extend(ranges.flatten());
            }
        }
        named
    }
}

/// How specific a match is: one number for each key in the order of the module's description, greater is narrower.
type Rank = [u16; 8];

/// How specifically `fits` means `host`; `None` if it does not.
fn rank(fits: &Fits, host: &Host) -> Option<Rank> {
    if host.is_router && !fits.is_one_device() {
        return None;
    }
    let name = |pattern: &String, names: &BTreeSet<String>| {
        names.iter().any(|name| wildcard(pattern, name)).then(|| literals(pattern))
    };
    let prefix = |net: &IpNet| {
        let length = u16::from(net.prefix_len());
        // A quarter of the bits is a quarter of the bits, in either family.
        let length = if is_v4(net) { length.saturating_mul(4) } else { length };
        host.addresses.iter().any(|ip| net.contains(ip)).then(|| length.saturating_add(1))
    };
    Some([
        narrowest(&fits.macs, |mac| (host.mac == Some(*mac)).then_some(1))?,
        narrowest(&fits.ips, |ip| host.addresses.contains(ip).then_some(1))?,
        narrowest(&fits.mud_urls, |url| name(url, &host.mud_urls))?,
        narrowest(&fits.dhcp_host_names, |pattern| name(pattern, &host.host_names))?,
        narrowest(&fits.dhcp_vendor_classes, |pattern| name(pattern, &host.vendor_classes))?,
        narrowest(&fits.ouis, |oui| host.mac.is_some_and(|mac| mac.oui() == *oui).then_some(1))?,
        narrowest(&fits.prefixes, prefix)?,
        narrowest(&fits.vlans, |vlan| (host.mac.is_some() && host.vlans.contains(vlan)).then_some(1))?,
    ])
}

/// The greatest number of those that hold; zero where nothing is asked, `None` where nothing holds.
fn narrowest<T>(asked: &[T], holds: impl Fn(&T) -> Option<u16>) -> Option<u16> {
    if asked.is_empty() { Some(0) } else { asked.iter().filter_map(holds).max() }
}

/// How much of a pattern is no wildcard; without any, it is the narrowest.
fn literals(pattern: &str) -> u16 {
    if !pattern.contains('*') {
        return u16::MAX;
    }
    let literals = pattern.bytes().filter(|byte| *byte != b'*').count();
    u16::try_from(literals.saturating_add(1)).unwrap_or(u16::MAX).min(u16::MAX - 1)
}

/// Whether a host that no entry matches and that is no router is a device of the site, not somebody beyond a router.
fn is_of_site(host: &Host, site: &Site) -> bool {
    if host.addresses.is_empty() {
        // Asks DHCP for an address; what only announces itself to its neighbours is the network's own gear.
        return host.mac.is_some() && (host.booted.is_some() || !host.host_names.is_empty());
    }
    let near = |ip: &IpAddr| matches!(scope(*ip), Scope::Private | Scope::Link);
    host.addresses.iter().any(|ip| is_stated(*ip, site) || host.mac.is_some() && near(ip))
}

/// Whether `ip` is on a network that the site calls local.
fn is_stated(ip: IpAddr, site: &Site) -> bool {
    site.local_networks.iter().any(|net| net.contains(&ip))
}

/// Patterns by what stands before their first `*`: few have nothing there.
#[derive(Debug, Default)]
struct Patterns {
    by_beginning: HashMap<String, Vec<u32>>,
    /// Lengths of the beginnings, in bytes.
    lengths: BTreeSet<usize>,
}

impl Patterns {
    fn put(&mut self, patterns: &[String], at: u32) {
        for pattern in patterns {
            let beginning = pattern.split('*').next().unwrap_or_default();
            self.lengths.insert(beginning.len());
            self.by_beginning.entry(beginning.to_owned()).or_default().push(at);
        }
    }

    /// Gives `take` what may match `text`.
    fn about<'p>(&'p self, text: &str, take: &mut impl FnMut(Option<&'p Vec<u32>>)) {
        if self.lengths.is_empty() {
            return;
        }
        let text = text.to_ascii_lowercase();
        for beginning in self.lengths.iter().filter_map(|length| text.get(..*length)) {
            take(self.by_beginning.get(beginning));
        }
    }
}

fn put<K: Eq + Hash + Copy>(index: &mut HashMap<K, Vec<u32>>, keys: &[K], at: u32) {
    for key in keys {
        index.entry(*key).or_default().push(at);
    }
}

fn is_v4(net: &IpNet) -> bool {
    matches!(net, IpNet::V4(_))
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
