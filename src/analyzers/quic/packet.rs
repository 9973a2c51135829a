//! Headers of QUIC packets, and how a datagram divides into packets (RFC 9000 sections 12.2 and 17, RFC 8999).

use super::version::{self, Version};
use crate::analyzers::tls::take;

/// What a long header begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

/// A packet with a long header of a version that can be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Long<'a> {
    pub(super) kind: Kind,
    pub(super) number: u32,
    pub(super) version: &'static Version,
    pub(super) dcid: &'a [u8],
    pub(super) scid: &'a [u8],
    /// Of an Initial or a Retry packet.
    pub(super) token: &'a [u8],
    /// All of it; the packet number begins at `number_at`, which a Retry packet does not have.
    pub(super) bytes: &'a [u8],
    pub(super) number_at: usize,
}

/// What a datagram goes on with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Packet<'a> {
    Long(Long<'a>),
    /// Versions that a server speaks, four bytes each; `scid` is what the client called it.
    Negotiation {
        scid: &'a [u8],
        versions: &'a [u8],
    },
    /// A long header of another version: only what all versions have in common (RFC 8999).
    Foreign {
        number: u32,
        dcid: &'a [u8],
    },
    /// A packet of an established connection, to the end of the datagram.
    Short,
    /// Its length reaches beyond the datagram.
    Cut,
    /// No header.
    Broken,
}

/// Longest connection identifier of the versions read (RFC 9000 section 17.2).
const MAX_ID: usize = 20;
/// Bytes of the integrity tag at the end of a Retry packet.
pub(super) const RETRY_TAG: usize = 16;
/// Top bit of the first byte: a long header.
const LONG: u8 = 0x80;
/// Set in every packet, but of those who agreed to hide even that (RFC 9287).
pub(super) const FIXED: u8 = 0x40;

/// The next packet of a datagram, taken from its front; `None` at its end. `first` is whether none came before it.
pub(super) fn next<'a>(rest: &mut &'a [u8], first: bool) -> Option<Packet<'a>> {
    let datagram = *rest;
    let head = *datagram.first()?;
    if head & LONG == 0 {
        *rest = &[];
        // Behind other packets there may be padding that is no packet at all.
        return (first || head & FIXED != 0).then_some(Packet::Short);
    }
    let packet = long(datagram, head);
    *rest = match packet {
        Packet::Long(Long { bytes, kind, .. }) if kind != Kind::Retry => {
            datagram.get(bytes.len()..).unwrap_or_default()
        }
        _ => &[],
    };
    Some(packet)
}

fn long(datagram: &[u8], head: u8) -> Packet<'_> {
    let mut rest = datagram.get(1..).unwrap_or_default();
    let Some(number) = take(&mut rest, 4).first_chunk::<4>().map(|four| u32::from_be_bytes(*four)) else {
        return Packet::Cut;
    };
    let (Some(dcid), Some(scid)) = (short_bytes(&mut rest), short_bytes(&mut rest)) else {
        return Packet::Cut;
    };
    if number == 0 {
        return Packet::Negotiation { scid, versions: rest };
    }
    let Some(version) = Version::of(number) else { return Packet::Foreign { number, dcid } };
    if dcid.len() > MAX_ID || scid.len() > MAX_ID {
        return Packet::Broken;
    }
    let kind = version.kind(head);
    let mut packet =
        Long { kind, number, version, dcid, scid, token: &[], bytes: datagram, number_at: datagram.len() };
    if kind == Kind::Retry {
        let Some((token, _)) = rest.split_last_chunk::<RETRY_TAG>() else { return Packet::Cut };
        packet.token = token;
        return Packet::Long(packet);
    }
    if kind == Kind::Initial {
        let Some(length) = varint(&mut rest) else { return Packet::Cut };
        let Some((token, after)) = usize::try_from(length).ok().and_then(|at| rest.split_at_checked(at))
        else {
            return Packet::Cut;
        };
        (packet.token, rest) = (token, after);
    }
    let Some(length) = varint(&mut rest) else { return Packet::Cut };
    packet.number_at = datagram.len().saturating_sub(rest.len());
    let end = usize::try_from(length).ok().and_then(|length| packet.number_at.checked_add(length));
    match end.and_then(|end| datagram.get(..end)) {
        Some(bytes) => Packet::Long(Long { bytes, ..packet }),
        None => Packet::Cut,
    }
}

/// Bytes behind one byte of length.
fn short_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(*take(rest, 1).first()?);
    let bytes = take(rest, length);
    (bytes.len() == length).then_some(bytes)
}

/// A number of one, two, four or eight bytes (RFC 9000 section 16).
pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let first = *rest.first()?;
    let length = 1_usize << (first >> 6);
    let bytes = take(rest, length);
    if bytes.len() < length {
        return None;
    }
    Some(bytes.iter().skip(1).fold(u64::from(first & 0x3f), |number, byte| number << 8 | u64::from(*byte)))
}

/// Whether one of the versions that a server lists is one that somebody speaks.
pub(super) fn lists_known(versions: &[u8]) -> bool {
    let (numbers, rest) = versions.as_chunks::<4>();
    rest.is_empty() && numbers.iter().any(|number| version::is_known(u32::from_be_bytes(*number)))
}
