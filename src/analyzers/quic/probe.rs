//! Recognises QUIC by the first datagram that has a long header.

use super::PORTS;
use super::packet::{self, FIXED, Kind, Long, Packet};
use super::protection::Secrets;
use super::version::{self, Version};
use crate::analyzers::{Probe, ProbeInput, Role};

/// Least connection identifier that a client chooses for a server (RFC 9000 section 7.2).
const MIN_CLIENT_DCID: usize = 8;
/// Least datagram with an Initial packet of a client (RFC 9000 section 14.1).
const MIN_CLIENT_DATAGRAM: usize = 1200;

/// An Initial packet of a client that opens is certain: somebody made it for this version and identifier. So is a list
/// of versions that are spoken. Other headers are a shape, as others may have by chance; short ones say nothing.
pub(super) fn probe(input: &ProbeInput<'_>) -> Probe {
    if google(input.bytes).is_some() {
        return Probe::Certainly(Role::Client);
    }
    let mut rest = input.bytes;
    match packet::next(&mut rest, true) {
        Some(Packet::Long(packet)) => long(input, &packet),
        // With shorter identifiers it could be any bytes that are mostly zero.
        Some(Packet::Negotiation { scid, versions })
            if scid.len() >= MIN_CLIENT_DCID && packet::lists_known(versions) =>
        {
            Probe::Certainly(Role::Server)
        }
        Some(Packet::Foreign { number, dcid }) => foreign(input, number, dcid),
        _ => Probe::No,
    }
}

fn long(input: &ProbeInput<'_>, packet: &Long<'_>) -> Probe {
    if packet.kind == Kind::Initial && packet.dcid.len() >= MIN_CLIENT_DCID {
        let opens = |version| {
            let secrets = Secrets::new(version, packet.dcid);
            secrets.is_some_and(|secrets| secrets.open(Role::Client, packet, 0).is_some())
        };
        if opens(packet.version) || Version::or(packet.number).is_some_and(opens) {
            return Probe::Certainly(Role::Client);
        }
    }
    if version::is_reserved(packet.number) {
        return foreign(input, packet.number, packet.dcid);
    }
    // A server's Initial packets have no token, and only servers send Retry packets.
    match packet.kind {
        _ if input.bytes.first().is_none_or(|first| first & FIXED == 0) => Probe::No,
        Kind::Retry => Probe::Perhaps(Role::Server),
        Kind::Initial if !packet.token.is_empty() => Probe::Perhaps(Role::Client),
        _ => Probe::Perhaps(role_by_port(input)),
    }
}

/// A version that cannot be read: one of Google's, a draft, or one that no server knows, as clients send to see that
/// the server says so.
fn foreign(input: &ProbeInput<'_>, number: u32, dcid: &[u8]) -> Probe {
    let first = dcid.len() >= MIN_CLIENT_DCID && input.bytes.len() >= MIN_CLIENT_DATAGRAM;
    match () {
        () if version::is_known(number) => Probe::Perhaps(role_by_port(input)),
        () if version::is_reserved(number) && first => Probe::Perhaps(Role::Client),
        () => Probe::No,
    }
}

/// The version in the header that Google's QUIC had up to version 43: flags that say that a version follows, eight
/// bytes of identifier, the version.
pub(super) fn google(bytes: &[u8]) -> Option<u32> {
    let [flags, _, _, _, _, _, _, _, _, version @ ..] = bytes.first_chunk::<13>()?;
    let version = u32::from_be_bytes(*version);
    (flags & 0x89 == 0x09 && version::is_google(version)).then_some(version)
}

/// Who sends, where content does not tell: the server has the port, else the smaller one.
fn role_by_port(input: &ProbeInput<'_>) -> Role {
    match (PORTS.contains(&input.src_port), PORTS.contains(&input.dst_port)) {
        (true, false) => Role::Server,
        (false, true) => Role::Client,
        _ if input.src_port < input.dst_port => Role::Server,
        _ => Role::Client,
    }
}
