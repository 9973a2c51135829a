//! Recognises TLS by its first bytes.

use super::message::MAX_MESSAGE;
use super::record::{Content, MAX_LENGTH, Record, SSL2_CLIENT_HELLO, SSL2_SERVER_HELLO};
use super::{PORTS, VERSION_MAJOR, alert, take};
use crate::analyzers::{Probe, ProbeInput, Role};

/// Least body of a ClientHello: version, random, three empty or minimal lists (SSLv3).
const MIN_CLIENT_HELLO: u32 = 2 + 32 + 1 + 4 + 2;
/// Least body of a ServerHello: version, random, suite, nothing else (drafts of TLS 1.3).
const MIN_SERVER_HELLO: u32 = 2 + 32 + 2;
/// Least body of an encrypted record: a MAC or tag without anything.
const MIN_ENCRYPTED: u16 = 16;

/// A ClientHello or ServerHello where a stream begins, or a lone alert. Elsewhere also an encrypted
/// record, which must be followed by another record where the next bytes are visible.
pub(super) fn probe(input: &ProbeInput<'_>) -> Probe {
    for answer in [hello(input.bytes), alert(input)] {
        if answer != Probe::No {
            return answer;
        }
    }
    if input.at_start { ssl2(input.bytes) } else { midstream(input) }
}

/// An alert in the clear and nothing else.
fn alert(input: &ProbeInput<'_>) -> Probe {
    match *input.bytes {
        [21, VERSION_MAJOR, 0..=4, 0, 2, 1 | 2, description] if alert::name(description).is_some() => {
            Probe::Certainly(role_by_port(input))
        }
        [21] | [21, VERSION_MAJOR] | [21, VERSION_MAJOR, 0..=4] | [21, VERSION_MAJOR, 0..=4, 0] => {
            Probe::More
        }
        [21, VERSION_MAJOR, 0..=4, 0, 2] | [21, VERSION_MAJOR, 0..=4, 0, 2, 1 | 2] => Probe::More,
        _ => Probe::No,
    }
}

/// The first six bytes of the first handshake message, which may be spread over several records.
fn hello(bytes: &[u8]) -> Probe {
    let mut rest = bytes;
    let mut start = [0; 6];
    let mut have = 0_usize;
    while have < start.len() {
        let header = take(&mut rest, 5);
        let Some(record) = header.first_chunk::<5>() else {
            let so_far = judge_hello(start.get(..have).unwrap_or_default());
            return if could_be_header(header) { so_far } else { Probe::No };
        };
        match Record::parse(*record, false) {
            Some(Record { content: Content::Handshake, length, .. }) if length > 0 => {
                let body = take(&mut rest, usize::from(length));
                let wanted = start.len().saturating_sub(have);
                for (slot, byte) in start.iter_mut().skip(have).zip(body) {
                    *slot = *byte;
                }
                have = have.saturating_add(body.len().min(wanted));
                if body.len() < usize::from(length) && have < start.len() {
                    break;
                }
            }
            _ => return Probe::No,
        }
    }
    judge_hello(start.get(..have).unwrap_or_default())
}

/// Type, length and version of a hello, as far as they are there.
fn judge_hello(start: &[u8]) -> Probe {
    let Some(kind) = start.first() else { return Probe::More };
    let (role, least) = match kind {
        1 => (Role::Client, MIN_CLIENT_HELLO),
        2 => (Role::Server, MIN_SERVER_HELLO),
        _ => return Probe::No,
    };
    let [_, a, b, c, major, minor] = *start else {
        return if start.get(1).is_some_and(|a| *a > 1) { Probe::No } else { Probe::More };
    };
    let length = u32::from_be_bytes([0, a, b, c]);
    let known_version = major == VERSION_MAJOR && minor <= 4 || role == Role::Server && major == 0x7f;
    if known_version && (least..=MAX_MESSAGE).contains(&length) { Probe::Certainly(role) } else { Probe::No }
}

/// Whether fewer than five bytes may become a header of a handshake record.
fn could_be_header(bytes: &[u8]) -> bool {
    let mut header = [22, VERSION_MAJOR, 1, 0, 4];
    for (slot, byte) in header.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    matches!(Record::parse(header, false), Some(Record { content: Content::Handshake, .. }))
}

/// An SSLv2-format ClientHello or ServerHello, whose lengths must add up.
fn ssl2(bytes: &[u8]) -> Probe {
    let [first, ..] = *bytes else { return Probe::More };
    let Some(header) = bytes.first_chunk::<11>() else {
        let kind_fits =
            bytes.get(2).is_none_or(|kind| matches!(*kind, SSL2_CLIENT_HELLO | SSL2_SERVER_HELLO));
        return if first & 0x80 != 0 && kind_fits { Probe::More } else { Probe::No };
    };
    let [a, b, kind, c, d, e, f, g, h, i, j] = *header;
    let length = u32::from(u16::from_be_bytes([a & 0x7f, b]));
    let pair = |x, y| u32::from(u16::from_be_bytes([x, y]));
    let is = match kind {
        SSL2_CLIENT_HELLO => {
            let (version, ciphers, session, challenge) = (pair(c, d), pair(e, f), pair(g, h), pair(i, j));
            matches!(version, 0x0002 | 0x0300..=0x0304)
                && ciphers > 0
                && ciphers % 3 == 0
                && matches!(session, 0 | 16)
                && (16..=32).contains(&challenge)
                && length == [9, ciphers, session, challenge].iter().sum::<u32>()
        }
        SSL2_SERVER_HELLO => c <= 1 && pair(e, f) == 0x0002 && length > pair(g, h).saturating_add(pair(i, j)),
        _ => false,
    };
    let role = if kind == SSL2_CLIENT_HELLO { Role::Client } else { Role::Server };
    if first & 0x80 != 0 && is { Probe::Certainly(role) } else { Probe::No }
}

/// An encrypted record, then the header of another as far as it is visible.
fn midstream(input: &ProbeInput<'_>) -> Probe {
    let mut rest = input.bytes;
    let Some(header) = take(&mut rest, 5).first_chunk::<5>() else {
        return match *input.bytes {
            [] | [21 | 23] | [21 | 23, VERSION_MAJOR, ..] => Probe::More,
            _ => Probe::No,
        };
    };
    let Some(record) = Record::parse(*header, false) else { return Probe::No };
    let plausible = matches!(record.content, Content::ApplicationData | Content::Alert)
        && (0x0301..=0x0303).contains(&record.version)
        && (MIN_ENCRYPTED..=MAX_LENGTH).contains(&record.length);
    let body = take(&mut rest, usize::from(record.length));
    // An encrypted alert is the last that is said: it must be there whole.
    let whole = record.content == Content::ApplicationData || body.len() == usize::from(record.length);
    let followed = match rest.first_chunk::<5>() {
        Some(next) => Record::parse(*next, false).is_some_and(|next| next.version == record.version),
        None => rest.first().is_none_or(|kind| (20..=24).contains(kind)),
    };
    if plausible && whole && followed { Probe::Certainly(role_by_port(input)) } else { Probe::No }
}

/// Who sends, where content does not tell: the server has a TLS port, else the smaller one.
fn role_by_port(input: &ProbeInput<'_>) -> Role {
    match (PORTS.contains(&input.src_port), PORTS.contains(&input.dst_port)) {
        (true, false) => Role::Server,
        (false, true) => Role::Client,
        _ if input.src_port < input.dst_port => Role::Server,
        _ => Role::Client,
    }
}
