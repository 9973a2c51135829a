//! From what was seen of a device to a profile of it.

use super::Room;
use super::device_flows::DeviceFlows;
use super::judge::{Scene, UNSAID};
use crate::checks::devices;
use crate::error::{Error, Result};
use crate::learn::{self, Learnt, Material};

/// Whether there is a profile already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// No: everything is learnt.
    Afresh,
    /// Yes, that of the scene's first task: what it does not allow is learnt.
    Beside,
}

/// Learns what the device of the scene's first task did.
///
/// # Errors
/// [`Error::Usage`] where there is no such device, or several.
pub fn learn(scene: &Scene<'_>, start: Start) -> Result<Learnt> {
    let (Some(task), Some(talkers)) = (scene.tasks.first(), scene.talkers.first()) else {
        return Err(Error::Usage(String::from("failed to learn: no device is asked for")));
    };
    let (mut devices, why) =
        devices::choose(&scene.hosts, talkers, &task.declaration.profile, &task.selectors);
    if devices.len() > 1 {
        let names: Vec<String> = devices.iter().take(MAX_NAMED).map(|device| device.label().key).collect();
        let more = if devices.len() > MAX_NAMED { ", …" } else { "" };
        return Err(Error::Usage(format!(
            "failed to learn: {} devices fit ({}{more}), and a profile is one device's (name one with --device)",
            devices.len(),
            names.join(", ")
        )));
    }
    let Some(device) = devices.pop() else {
        return Err(Error::Usage(format!(
            "failed to learn: no device found, {why} (name one with --device that is in the captures: `wireclaim flows` shows who is)"
        )));
    };
    let found = DeviceFlows::find(&scene.analysis.flows, &scene.hosts, std::iter::once(&*device));
    let Room { flows: most, .. } = scene.analysis.room;
    let (places, left_out) = scene.analysis.flows.most_telling(found.of(&device), most, &device.addresses);
    let flows = scene.analysis.flows.at(&places);
    let mut stats = scene.analysis.stats.clone();
    stats.shed.merge(&left_out);
    let evidence = crate::checks::CaptureEvidence { stats: &stats, ..scene.evidence(&UNSAID) };
    let material = Material {
        device: &device,
        why: &why,
        flows: &flows,
        evidence,
        hosts: &scene.hosts,
        traits: &scene.analysis.hosts,
    };
    Ok(match start {
        Start::Afresh => learn::afresh(&material, &task.declaration),
        Start::Beside => learn::beside(&material, &task.declaration),
    })
}

/// Devices that a message names.
const MAX_NAMED: usize = 6;
