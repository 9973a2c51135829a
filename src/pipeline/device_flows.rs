//! Which flows are those of the devices to judge.

use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt};

use super::flows::{FlowAt, Flows};
use crate::model::{MacAddr, Outline};
use crate::naming::hosts::Host;

/// Where the flows of some devices are.
#[derive(Debug)]
pub(super) struct DeviceFlows {
    ends: Ends,
    /// Of each device.
    places: Vec<Vec<FlowAt>>,
}

/// Devices by what a flow shows of them. An address has one host, and so has a MAC address.
#[derive(Debug)]
struct Ends {
    by_address: HashMap<IpAddr, u32>,
    /// For flows from the unspecified address, as of a host that asks DHCP for one.
    by_mac: HashMap<MacAddr, u32>,
    devices: u32,
}

impl DeviceFlows {
    /// Looks through all flows once. The same device may be given twice.
    pub(super) fn find<'d>(flows: &Flows, devices: impl Iterator<Item = &'d Host>) -> Self {
        let mut ends = Ends { by_address: HashMap::new(), by_mac: HashMap::new(), devices: 0 };
        devices.for_each(|device| ends.add(device));
        let mut places = vec![Vec::new(); ends.devices as usize];
        if !places.is_empty() {
            let found =
                flows.fold(Vec::new, |found, at, flow| ends.each_of(flow, |device| found.push((device, at))));
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
        let number = device.addresses.first().and_then(|ip| self.ends.by_address.get(ip));
        number.and_then(|number| self.places.get(*number as usize)).map_or(&[], Vec::as_slice)
    }
}

impl Ends {
    fn add(&mut self, device: &Host) {
        if device.addresses.first().is_some_and(|ip| self.by_address.contains_key(ip)) {
            return;
        }
        self.by_address.extend(device.addresses.iter().map(|ip| (*ip, self.devices)));
        self.by_mac.extend(device.mac.map(|mac| (mac, self.devices)));
        self.devices = self.devices.saturating_add(1);
    }

    /// Calls `tell` with each device that `flow` is one of, once.
    fn each_of(&self, flow: &Outline<'_>, mut tell: impl FnMut(u32)) {
        let orig = self.by_address.get(&flow.key.orig.ip).copied();
        let resp = self.by_address.get(&flow.key.resp.ip).copied().filter(|resp| orig != Some(*resp));
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
