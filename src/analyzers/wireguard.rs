//! WireGuard (whitepaper section 5.4).
//!
//! Read: message types. Recognised by a handshake message: its type, three zero bytes, its length and, where no cookie was
//! asked for, as nearly always, 16 zero bytes at its end. What is carried is encrypted and has next to no shape, so that a
//! tunnel joined in the middle only may be one, on its port; elsewhere it is not recognised before it shakes hands again
//! (every two minutes).

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    MESSAGE = "wireguard.message", "WireGuard whitepaper section 5.4",
        "Type of a message: `initiation`, `response`, `cookie`, `data`; its count is that of the messages.";
}

/// WireGuard in the registry.
pub static DEFINITION: Definition = Definition {
    id: "wireguard",
    title: "WireGuard",
    transports: &[Transport::Udp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Encrypted,
    probe,
    start,
};

const PORTS: &[u16] = &[51820];
/// Length of a message authentication code; the second of the two that end a handshake message is for cookies.
const MAC: usize = 16;

fn message(bytes: &[u8]) -> Option<&'static str> {
    match (bytes, bytes.len()) {
        ([1, 0, 0, 0, ..], 148) => Some("initiation"),
        ([2, 0, 0, 0, ..], 92) => Some("response"),
        ([3, 0, 0, 0, ..], 64) => Some("cookie"),
        // Index, counter, and what is padded to 16 bytes, with a tag.
        ([4, 0, 0, 0, ..], length) if length >= 32 && length.is_multiple_of(16) => Some("data"),
        _ => None,
    }
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    let role = match message(input.bytes) {
        Some("initiation") => Role::Client,
        Some("response") => Role::Server,
        Some(_) if input.port_in(PORTS) && counts(input.bytes) => {
            return Probe::Perhaps(input.role_by_port(PORTS));
        }
        _ => return Probe::No,
    };
    let at = input.bytes.len().saturating_sub(MAC);
    let end = input.bytes.get(at..).unwrap_or_default();
    let before = input.bytes.get(at.saturating_sub(MAC)..at).unwrap_or_default();
    // The first code is never absent.
    match (before.iter().any(|byte| *byte != 0), end.iter().all(|byte| *byte == 0)) {
        (true, true) => Probe::Certainly(role),
        (true, false) => Probe::Perhaps(role),
        (false, _) => Probe::No,
    }
}

/// Whether the counter of a data message is one that may be reached; the others have none.
fn counts(bytes: &[u8]) -> bool {
    !matches!(bytes, [4, ..]) || bytes.get(13..16) == Some(&[0; 3])
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Wireguard)
}

struct Wireguard;

impl Analyzer for Wireguard {
    fn data(&mut self, _: Role, _: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        if let Some(message) = message(bytes).filter(|_| missed == 0) {
            sink.fact(&MESSAGE, Value::Word(message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask_udp, run_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    /// A handshake message of this type and length, without cookie.
    fn handshake(kind: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![7; length];
        bytes[..4].copy_from_slice(&[kind, 0, 0, 0]);
        bytes[length - MAC..].fill(0);
        bytes
    }

    #[test]
    fn a_handshake_and_what_follows_are_counted() {
        let data = [&[4, 0, 0, 0][..], &[9; 28]].concat();
        let facts = run_datagrams(
            &DEFINITION,
            &[(C, &handshake(1, 148)), (S, &handshake(2, 92)), (C, &data), (S, &data), (C, &data[1..])],
        );
        let counts: Vec<String> =
            facts.iter().map(|fact| format!("{} {}", fact.value, fact.evidence.count)).collect();
        assert_eq!(counts, ["initiation 1", "response 1", "data 2"]);
    }

    #[test]
    fn only_handshakes_are_recognised() {
        assert_eq!(ask_udp(&DEFINITION, &handshake(1, 148), 50_000, 51820), Probe::Certainly(C));
        assert_eq!(ask_udp(&DEFINITION, &handshake(2, 92), 9, 50_000), Probe::Certainly(S));
        let mut cookie = handshake(1, 148);
        cookie[140] = 1;
        assert_eq!(ask_udp(&DEFINITION, &cookie, 50_000, 9), Probe::Perhaps(C));
        for length in [0, 4, 91, 93, 147, 149] {
            assert_eq!(
                ask_udp(&DEFINITION, &handshake(1, 149)[..length], 50_000, 51820),
                Probe::No,
                "{length}"
            );
        }
        assert_eq!(ask_udp(&DEFINITION, &[&[1, 0, 0, 0][..], &[0; 144]].concat(), 50_000, 51820), Probe::No);
        assert_eq!(ask_udp(&DEFINITION, &[&[4, 0, 0, 0][..], &[9; 28]].concat(), 50_000, 51820), Probe::No);
        let data = [&[4, 0, 0, 0, 5, 5, 5, 5, 1, 0, 0, 0, 0, 0, 0, 0][..], &[9; 16]].concat();
        assert_eq!(ask_udp(&DEFINITION, &data, 50_000, 51820), Probe::Perhaps(C));
        assert_eq!(ask_udp(&DEFINITION, &data, 50_000, 9), Probe::No);
    }
}
