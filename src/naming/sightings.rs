//! Who sent what from where: what the outlines of flows show of addresses, in one pass that several threads may share.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::HashMap;

use crate::model::packet::Link;
use crate::model::{MacAddr, Outline};

/// What flows show of each address. Neither the order of flows matters nor who saw which.
///
/// Every flow asks here twice, so the addresses of the two families have tables of their own: a number is looked up
/// several times faster than an [`IpAddr`].
#[derive(Debug, Default)]
pub struct Sightings {
    v4: HashMap<u32, Sighting>,
    v6: HashMap<u128, Sighting>,
}

/// What flows show of one address.
#[derive(Debug, Default)]
pub(super) struct Sighting {
    /// Flows that it opened.
    pub(super) opened: u64,
    /// Whether somebody passed on what it sent.
    pub(super) routed: bool,
    /// The first MAC address that sent from it.
    mac: Option<MacAddr>,
    /// The first VLAN of its frames.
    vlan: Option<u16>,
    /// Where there are several.
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    macs: BTreeSet<MacAddr>,
    vlans: BTreeSet<u16>,
}

impl Sightings {
    /// Takes a flow.
    #[inline]
    pub fn add(&mut self, flow: &Outline<'_>) {
        let orig = self.of(flow.key.orig.ip);
        orig.opened = orig.opened.saturating_add(1);
        orig.take(flow.link.orig, flow.routed.orig);
        self.of(flow.key.resp.ip).take(flow.link.resp, flow.routed.resp);
    }

    fn of(&mut self, ip: IpAddr) -> &mut Sighting {
        match ip {
            IpAddr::V4(ip) => self.v4.entry(ip.to_bits()).or_default(),
            IpAddr::V6(ip) => self.v6.entry(ip.to_bits()).or_default(),
        }
    }

    /// Takes what others have seen.
    pub fn merge(&mut self, other: Self) {
        merge(&mut self.v4, other.v4);
        merge(&mut self.v6, other.v6);
    }

    /// Everything seen, and `others` of which nothing was, by address.
    pub(super) fn sorted(mut self, others: impl Iterator<Item = IpAddr>) -> Vec<(IpAddr, Sighting)> {
        for ip in others {
            self.of(ip);
        }
        let v4 = by_number(self.v4).into_iter();
        let v6 = by_number(self.v6).into_iter();
        v4.map(|(ip, sighting)| (Ipv4Addr::from_bits(ip).into(), sighting))
            .chain(v6.map(|(ip, sighting)| (Ipv6Addr::from_bits(ip).into(), sighting)))
            .collect()
    }
}

fn by_number<A: Ord + Copy>(sightings: HashMap<A, Sighting>) -> Vec<(A, Sighting)> {
    let mut rows: Vec<(A, Sighting)> = sightings.into_iter().collect();
    rows.sort_unstable_by_key(|(ip, _)| *ip);
    rows
}

fn merge<A: Eq + Hash>(all: &mut HashMap<A, Sighting>, some: HashMap<A, Sighting>) {
    if all.is_empty() {
        *all = some;
        return;
    }
    #[expect(clippy::iter_over_hash_type, reason = "joining them is the same in any order")]
    for (ip, sighting) in some {
        all.entry(ip).or_default().merge(sighting);
    }
}

impl Sighting {
    fn take(&mut self, link: Option<Link>, routed: bool) {
        let Some(link) = link else { return };
        self.routed |= routed;
        if link.src != self.mac || link.vlan != self.vlan {
            self.add(link.src, link.vlan);
        }
    }

    fn add(&mut self, mac: Option<MacAddr>, vlan: Option<u16>) {
        if let Some(mac) = mac.filter(|mac| !mac.is_group() && mac.0 != [0; 6])
            && *self.mac.get_or_insert(mac) != mac
        {
            self.more.get_or_insert_default().macs.insert(mac);
        }
        if let Some(vlan) = vlan
            && *self.vlan.get_or_insert(vlan) != vlan
        {
            self.more.get_or_insert_default().vlans.insert(vlan);
        }
    }

    fn merge(&mut self, other: Self) {
        self.opened = self.opened.saturating_add(other.opened);
        self.routed |= other.routed;
        self.add(other.mac, other.vlan);
        if let Some(more) = other.more {
            more.macs.into_iter().for_each(|mac| self.add(Some(mac), None));
            more.vlans.into_iter().for_each(|vlan| self.add(None, Some(vlan)));
        }
    }

    /// The MAC addresses that sent from it, in no order.
    pub(super) fn macs(&self) -> impl Iterator<Item = MacAddr> {
        self.mac.into_iter().chain(self.more.iter().flat_map(|more| more.macs.iter().copied()))
    }

    /// The VLANs of its frames, in no order.
    pub(super) fn vlans(&self) -> impl Iterator<Item = u16> {
        self.vlan.into_iter().chain(self.more.iter().flat_map(|more| more.vlans.iter().copied()))
    }
}
