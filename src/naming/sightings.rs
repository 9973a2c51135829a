//! Who sent what from where: what the outlines of flows show of addresses, in one pass that several threads may share.

use std::collections::BTreeSet;
use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt};

use crate::model::packet::Link;
use crate::model::{MacAddr, Outline};

/// What flows show of each address. Neither the order of flows matters nor who saw which.
#[derive(Debug, Default)]
pub struct Sightings {
    by_address: HashMap<IpAddr, Sighting>,
}

/// What flows show of one address.
#[derive(Debug, Default)]
pub(super) struct Sighting {
    /// Flows that it opened.
    pub(super) opened: u64,
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
    pub fn add(&mut self, flow: &Outline<'_>) {
        let orig = self.by_address.entry(flow.key.orig.ip).or_default();
        orig.opened = orig.opened.saturating_add(1);
        orig.take(flow.link.orig);
        self.by_address.entry(flow.key.resp.ip).or_default().take(flow.link.resp);
    }

    /// Takes what others have seen.
    pub fn merge(&mut self, other: Self) {
        if self.by_address.is_empty() {
            *self = other;
            return;
        }
        #[expect(clippy::iter_over_hash_type, reason = "joining them is the same in any order")]
        for (ip, sighting) in other.by_address {
            self.by_address.entry(ip).or_default().merge(sighting);
        }
    }

    /// Everything seen, and `others` of which nothing was, by address.
    pub(super) fn sorted(mut self, others: impl Iterator<Item = IpAddr>) -> Vec<(IpAddr, Sighting)> {
        for ip in others {
            self.by_address.entry(ip).or_default();
        }
        let mut rows: Vec<(IpAddr, Sighting)> = self.by_address.into_iter().collect();
        rows.sort_unstable_by_key(|(ip, _)| *ip);
        rows
    }

    /// With room for this many addresses.
    pub fn with_room(addresses: usize) -> Self {
        Self { by_address: HashMap::with_capacity(addresses) }
    }
}

impl Sighting {
    fn take(&mut self, link: Option<Link>) {
        let Some(link) = link else { return };
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
