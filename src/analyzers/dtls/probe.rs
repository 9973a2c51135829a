//! Recognises DTLS by one datagram.

use super::PORTS;
use super::record::{self, Content, FRAGMENT_HEADER, Record};
use crate::analyzers::{Probe, ProbeInput, Role};

/// Types of the handshake messages that come in the clear: requests and hellos, certificates, keys (RFC 6347 section
/// 4.3.2).
const KINDS: &[u8] = &[0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23];

/// A piece of a handshake message in the clear, an alert in the clear, or encrypted records that fill the datagram to
/// its last byte.
pub(super) fn probe(input: &ProbeInput<'_>) -> Probe {
    let mut rest = record::without_preamble(input.bytes);
    match record::next(&mut rest) {
        Some(Record::Plain { content: Content::Handshake, epoch: 0, body, .. }) => handshake(input, body),
        Some(Record::Plain { content: Content::Alert, epoch: 0, body: [1 | 2, _], .. })
            if rest.is_empty() =>
        {
            Probe::Certainly(role_by_port(input))
        }
        Some(Record::Plain { content, epoch, body, .. }) => {
            let encrypted = epoch > 0 && body.len() >= MIN_ENCRYPTED;
            let carries = matches!(content, Content::Handshake | Content::ApplicationData | Content::Alert);
            let whole = std::iter::from_fn(|| record::next(&mut rest))
                .all(|record| matches!(record, Record::Plain { .. }));
            if encrypted && carries && whole { Probe::Certainly(role_by_port(input)) } else { Probe::No }
        }
        // The snap length may have cut it: the header of the first piece must be there all the same.
        Some(Record::Cut) => cut(input),
        _ => Probe::No,
    }
}

/// Least body of an encrypted record: an explicit nonce and half a tag, or one block.
const MIN_ENCRYPTED: usize = 16;

fn handshake(input: &ProbeInput<'_>, body: &[u8]) -> Probe {
    let mut rest = body;
    match record::fragment(&mut rest) {
        Some(piece) if KINDS.contains(&piece.kind) && piece.length <= MAX_MESSAGE => {
            Probe::Certainly(role(input, piece.kind))
        }
        _ => Probe::No,
    }
}

/// No certificate chain is longer.
const MAX_MESSAGE: usize = 0x2_0000;

/// A hello whose end is not there.
fn cut(input: &ProbeInput<'_>) -> Probe {
    match *record::without_preamble(input.bytes) {
        [22, 0xfe, 0xfd | 0xff, 0, 0, _, _, _, _, _, _, _, _, kind @ (1 | 2), 0, _, _, ..] => {
            let header = input.bytes.len() >= RECORD_HEADER.saturating_add(FRAGMENT_HEADER);
            if header { Probe::Perhaps(role(input, kind)) } else { Probe::No }
        }
        _ => Probe::No,
    }
}

const RECORD_HEADER: usize = 13;

/// Who sends a message of this type; certificates and Finished come from both.
fn role(input: &ProbeInput<'_>, kind: u8) -> Role {
    match kind {
        1 | 15 | 16 => Role::Client,
        0 | 2 | 3 | 4 | 12 | 13 | 14 => Role::Server,
        _ => role_by_port(input),
    }
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
