//! Recognising MQTT: by its CONNECT anywhere, by any other packet where the port suggests it.

use super::packet::{RemainingLength, is_plausible, is_plausible_header, kind, sender};
use crate::analyzers::{Probe, ProbeInput, Role};
use crate::model::Transport;

/// Where MQTT in the clear is expected.
pub(super) const PORTS: &[u16] = &[1883];

/// How many packets in a row are looked at.
const MAX_RUN: usize = 16;

pub(super) fn probe(input: &ProbeInput<'_>) -> Probe {
    if input.transport != Transport::Tcp {
        return Probe::No;
    }
    match begins_connect(input.bytes) {
        Probe::No => {}
        told => return told,
    }
    if !input.port_in(PORTS) {
        return Probe::No;
    }
    let Some(first) = input.bytes.first() else { return Probe::More };
    let by_port = if PORTS.contains(&input.dst_port) { Role::Client } else { Role::Server };
    begins_packets(sender(first >> 4).unwrap_or(by_port), input.bytes)
}

/// CONNECT up to its protocol name: enough to know MQTT by on any port.
fn begins_connect(bytes: &[u8]) -> Probe {
    let (first, _, body) = match header(bytes) {
        Ok(Some(parts)) => parts,
        Ok(None) if bytes.first().is_none_or(|first| *first == kind::CONNECT << 4) => return Probe::More,
        _ => return Probe::No,
    };
    if first != kind::CONNECT << 4 {
        return Probe::No;
    }
    let mut more = false;
    for name in [&b"\0\x04MQTT"[..], b"\0\x06MQIsdp"] {
        if body.starts_with(name) {
            return Probe::Certainly(Role::Client);
        }
        more = more || name.starts_with(body);
    }
    if more { Probe::More } else { Probe::No }
}

/// Whether `bytes` from `role` are control packets one after the other; the last one may be cut.
pub(super) fn begins_packets(role: Role, bytes: &[u8]) -> Probe {
    let mut rest = bytes;
    for run in 0..MAX_RUN {
        if rest.is_empty() && run > 0 {
            break;
        }
        let is_cut = |run| if run == 0 { Probe::More } else { Probe::Certainly(role) };
        let (first, length, body) = match header(rest) {
            Ok(Some(parts)) => parts,
            Ok(None) => return is_cut(run),
            Err(()) => return Probe::No,
        };
        let (kind, flags) = (first >> 4, first & 0x0f);
        let wrong_way = sender(kind).is_some_and(|sender| sender != role);
        if wrong_way || !is_plausible_header(kind, flags, length) {
            return Probe::No;
        }
        let length_here = usize::try_from(length).unwrap_or(usize::MAX);
        match body.split_at_checked(length_here) {
            Some((body, after)) if is_plausible(kind, flags, length, body) => rest = after,
            // A PUBLISH may be long; its topic tells enough.
            None if is_plausible(kind, flags, length, body) => return Probe::Certainly(role),
            None if body.len() < 512 => return is_cut(run),
            _ => return Probe::No,
        }
    }
    Probe::Certainly(role)
}

/// First byte, remaining length, and what follows.
type Beginning<'a> = (u8, u32, &'a [u8]);

/// The beginning of a control packet; `None` if there is not enough of it.
fn header(bytes: &[u8]) -> Result<Option<Beginning<'_>>, ()> {
    let Some((&first, mut rest)) = bytes.split_first() else { return Ok(None) };
    let mut length = RemainingLength::default();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if let Some(length) = length.push(byte).map_err(|_| ())? {
            return Ok(Some((first, length, rest)));
        }
    }
    Ok(None)
}
