//! Which flows are those of the devices to judge.

use std::net::IpAddr;

use foldhash::HashMap;

use super::flows::{FlowAt, Flows};
use crate::model::packet::Link;
use crate::model::{MacAddr, Outline};
use crate::naming::hosts::{Host, Hosts};

/// Where the flows of some devices are.
#[derive(Debug)]
pub(super) struct DeviceFlows {
    ends: Ends,
    /// Of each device.
    places: Vec<Vec<FlowAt>>,
}

/// Devices by what a flow shows of them. A MAC address has one host, and so has an address at any one time.
#[derive(Debug, Default)]
struct Ends {
    by_address: HashMap<IpAddr, u32>,
    /// Those with an address that several had one after the other.
    by_sender: HashMap<(IpAddr, MacAddr), u32>,
    /// Each device once.
    numbers: HashMap<Identity, u32>,
    /// Addresses that may be among them.
    sieve: Sieve,
    /// For flows from the unspecified address, as of a host that asks DHCP for one.
    by_mac: HashMap<MacAddr, u32>,
    devices: u32,
}

/// What tells a host from all others: its first address and its MAC address.
type Identity = (Option<IpAddr>, Option<MacAddr>);

fn identity(device: &Host) -> Identity {
    (device.addresses.first().copied(), device.mac)
}

impl DeviceFlows {
    /// Looks through all flows once. The same device may be given twice.
    pub(super) fn find<'d>(flows: &Flows, hosts: &Hosts, devices: impl Iterator<Item = &'d Host>) -> Self {
        let mut ends = Ends::default();
        devices.for_each(|device| ends.add(hosts, device));
        let mut places = vec![Vec::new(); ends.devices as usize];
        if !places.is_empty() {
            let found = flows.fold(Vec::new, |found, at, flow| {
                ends.each_of(hosts, flow, |device| found.push((device, at)));
            });
            for (device, at) in found.into_iter().flatten() {
                if let Some(places) = places.get_mut(device as usize) {
                    places.push(at);
                }
            }
        }
        Self { ends, places }
    }

    /// The flows of one of the devices.
    pub(super) fn of(&self, device: &Host) -> &[FlowAt] {
        let number = self.ends.numbers.get(&identity(device));
        number.and_then(|number| self.places.get(*number as usize)).map_or(&[], Vec::as_slice)
    }
}

impl Ends {
    fn add(&mut self, hosts: &Hosts, device: &Host) {
        if self.numbers.contains_key(&identity(device)) {
            return;
        }
        self.numbers.insert(identity(device), self.devices);
        for ip in &device.addresses {
            self.sieve.add(*ip);
            self.by_address.insert(*ip, self.devices);
            if hosts.is_shared(*ip) {
                self.by_sender.extend(device.mac.map(|mac| ((*ip, mac), self.devices)));
            }
        }
        self.by_mac.extend(device.mac.map(|mac| (mac, self.devices)));
        self.devices = self.devices.saturating_add(1);
    }

    /// Calls `tell` with each device that `flow` is one of, once.
    #[inline]
    fn each_of(&self, hosts: &Hosts, flow: &Outline<'_>, mut tell: impl FnMut(u32)) {
        let device = |ip, link: Option<Link>| {
            let device = if self.sieve.passes(ip) { self.by_address.get(&ip).copied() } else { None }?;
            if self.by_sender.is_empty() || !hosts.is_shared(ip) {
                return Some(device);
            }
            let sender = link.and_then(|link| link.src).or_else(|| hosts.holder(ip, flow.first.at))?;
            self.by_sender.get(&(ip, sender)).copied()
        };
        let orig = device(flow.key.orig.ip, flow.link.orig);
        let resp = device(flow.key.resp.ip, flow.link.resp).filter(|resp| orig != Some(*resp));
        let nameless = || {
            let mac = flow.link.orig.and_then(|link| link.src)?;
            let device = self.by_mac.get(&mac).copied();
            device.filter(|device| orig != Some(*device) && resp != Some(*device))
        };
        orig.into_iter().chain(resp).for_each(&mut tell);
        if flow.key.orig.ip.is_unspecified() {
            nameless().into_iter().for_each(tell);
        }
    }
}

/// A set of addresses that may seem to hold more than was put into it, and is small enough to stay at hand: nearly all
/// flows are nobody's who is judged.
#[derive(Debug)]
struct Sieve {
    bits: Box<[u64]>,
}

impl Default for Sieve {
    fn default() -> Self {
        Self { bits: vec![0; 1 << (Self::BITS - 6)].into() }
    }
}

impl Sieve {
    /// Two to this power are the places: 8 KiB.
    const BITS: u32 = 16;

    /// Word and bit of an address. Whoever makes addresses meet gains nothing but a look at the right table.
    fn place(ip: IpAddr) -> (usize, u64) {
        let number = match ip {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64 ^ (ip.to_bits() as u64).rotate_left(23),
        };
        let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - Self::BITS);
        ((hash >> 6) as usize, 1 << (hash & 63))
    }

    fn add(&mut self, ip: IpAddr) {
        let (word, bit) = Self::place(ip);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
    }

    fn passes(&self, ip: IpAddr) -> bool {
        let (word, bit) = Self::place(ip);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_into_the_sieve_passes_and_little_else_does() {
        let mut sieve = Sieve::default();
        let v4 = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n));
        let v6 = |n: u128| IpAddr::from(std::net::Ipv6Addr::from_bits((0xfe80 << 112) + n));
        for n in 0..20 {
            sieve.add(v4(n));
            sieve.add(v6(n.into()));
        }
        assert!((0..20).all(|n| sieve.passes(v4(n)) && sieve.passes(v6(n.into()))));
        let others = (20..20_020_u32).filter(|n| sieve.passes(v4(*n)) || sieve.passes(v6((*n).into())));
        assert!(others.count() < 200);
    }
}
