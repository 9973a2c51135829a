//! IKE: the handshake of IPsec, versions 1 (RFC 2408, RFC 2409) and 2 (RFC 7296), on UDP 500 and beside ESP on 4500.
//!
//! Read: versions, exchanges. Recognised by a header whose length is the datagram's, and by payloads that lead from one to
//! the next up to its end; in version 1 encrypted ones cannot be walked, so that such a message only may be one, on its ports.
//! Not read: what is negotiated. ESP beside it, and the byte that keeps a path open, are passed over.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    VERSION = "ike.version", "RFC 7296 section 3.1, RFC 2408 section 3.1", "Version in a header: `1.0`, `2.0`.";
    EXCHANGE = "ike.exchange", "RFC 7296 section 3.1, RFC 2408 section 3.1, RFC 2409 appendix A",
        "Type of an exchange: `ike-sa-init`, `ike-auth`, `create-child-sa`, `informational`, `main-mode`, `aggressive`, \
         `quick-mode`, …; its count is that of the messages.";
}

/// IKE in the registry.
pub static DEFINITION: Definition = Definition {
    id: "ike",
    title: "IKE, versions 1 and 2 (RFC 2409, RFC 7296)",
    transports: &[Transport::Udp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Encrypted,
    probe,
    start,
};

const PORTS: &[u16] = &[500, 4500];
/// Two indexes, next payload, version, exchange, flags, message, length.
const HEADER: usize = 28;
/// Where ESP may come too, four zero bytes say that it does not (RFC 3948 section 2.2).
const NO_ESP: &[u8] = &[0, 0, 0, 0];
/// Payloads of a message; each has at least four bytes.
const MAX_PAYLOADS: usize = 256;
/// Encrypted and authenticated, and a fragment of that (RFC 7383): nothing follows them in the clear.
const SEALED: [u8; 2] = [46, 53];

struct Message {
    version: &'static str,
    exchange: &'static str,
    /// The payloads lead up to the end.
    walked: bool,
    by_initiator: bool,
}

fn message(bytes: &[u8]) -> Option<Message> {
    let bytes = bytes.strip_prefix(NO_ESP).filter(|rest| rest.len() >= HEADER).unwrap_or(bytes);
    let (header, body) = bytes.split_first_chunk::<HEADER>()?;
    let [initiator @ .., p, v, x, flags, m0, m1, m2, m3, l0, l1, l2, l3] = *header;
    let (initiator, responder) = initiator.split_first_chunk::<8>()?;
    let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).ok()?;
    if *initiator == [0; 8] || length != bytes.len() || body.is_empty() {
        return None;
    }
    let is_first = responder == [0; 8];
    let (version, exchange) = match (v, x) {
        // Responses and what the first initiator sends have a flag each; no other exists.
        (0x20 | 0x21, 34..=44) if flags & !0x38 == 0 => ("2.0", exchange_2(x)),
        // Encryption, commit, authentication.
        (0x10, 1..=6 | 32..=33) if flags & !0x07 == 0 => ("1.0", exchange_1(x)),
        _ => return None,
    };
    // The first message of all has the number zero.
    if is_first && [m0, m1, m2, m3] != [0; 4] && version == "2.0" {
        return None;
    }
    let sealed = version == "1.0" && flags & 1 == 1;
    let walked = !sealed && walk(p, body, version == "2.0");
    if !sealed && !walked {
        return None;
    }
    let by_initiator = if version == "2.0" { flags & 0x08 != 0 } else { is_first };
    Some(Message { version, exchange, walked, by_initiator })
}

/// Whether payloads lead from the first up to the end (RFC 7296 section 3.2).
fn walk(mut next: u8, mut rest: &[u8], is_2: bool) -> bool {
    for _ in 0..MAX_PAYLOADS {
        let known = if is_2 { matches!(next, 33..=54 | 128..) } else { matches!(next, 1..=23 | 128..) };
        let Some([following, _, hi, lo]) = rest.first_chunk::<4>().filter(|_| known) else { return false };
        let length = usize::from(u16::from_be_bytes([*hi, *lo]));
        let Some(behind) = rest.get(length..).filter(|_| length >= 4) else { return false };
        if behind.is_empty() {
            return *following == 0 || SEALED.contains(&next);
        }
        (next, rest) = (*following, behind);
    }
    false
}

fn exchange_2(number: u8) -> &'static str {
    match number {
        34 => "ike-sa-init",
        35 => "ike-auth",
        36 => "create-child-sa",
        37 => "informational",
        38 => "session-resume",
        43 => "intermediate",
        44 => "followup-ke",
        _ => "other",
    }
}

fn exchange_1(number: u8) -> &'static str {
    match number {
        1 => "base",
        2 => "main-mode",
        3 => "authentication-only",
        4 => "aggressive",
        5 => "informational",
        6 => "transaction",
        32 => "quick-mode",
        33 => "new-group-mode",
        _ => "other",
    }
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    let Some(message) = message(input.bytes) else { return Probe::No };
    // In later messages of version 1 nothing tells who began.
    let role = match (message.by_initiator, message.version) {
        (true, _) => Role::Client,
        (false, "2.0") => Role::Server,
        _ => input.role_by_port(PORTS),
    };
    match (message.walked, input.port_in(PORTS)) {
        (true, _) => Probe::Certainly(role),
        (false, true) => Probe::Perhaps(role),
        (false, false) => Probe::No,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Ike)
}

struct Ike;

impl Analyzer for Ike {
    fn data(&mut self, _: Role, _: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], _: u32, sink: &mut Sink) {
        if let Some(message) = message(bytes) {
            sink.fact(&VERSION, Value::Word(message.version));
            sink.fact(&EXCHANGE, Value::Word(message.exchange));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask_udp, run_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    fn message(responder: u8, next: u8, version: u8, exchange: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let length = ((HEADER + body.len()) as u32).to_be_bytes();
        let head = [next, version, exchange, flags, 0, 0, 0, 0];
        [&[7; 8][..], &[responder; 8], &head, &length, body].concat()
    }

    /// A security association, a key exchange, a nonce: the inner bytes do not matter.
    const INIT: &[u8] = &[34, 0, 0, 8, 1, 1, 1, 1, 40, 0, 0, 6, 0, 14, 0, 0, 0, 6, 9, 9];

    #[test]
    fn versions_and_exchanges_are_read() {
        let init = message(0, 33, 0x20, 34, 0x08, INIT);
        let answer = message(8, 33, 0x20, 34, 0x20, INIT);
        let auth = [NO_ESP, &message(8, 46, 0x20, 35, 0x08, &[35, 0, 0, 6, 5, 5])].concat();
        let facts =
            run_datagrams(&DEFINITION, &[(C, &init), (S, &answer), (C, &auth), (C, &[0xff]), (C, &[5; 90])]);
        let told: Vec<String> =
            facts.iter().map(|fact| format!("{} {}", fact.value, fact.evidence.count)).collect();
        assert_eq!(told, ["2.0 3", "ike-sa-init 2", "ike-auth 1"]);
        let main = message(0, 1, 0x10, 2, 0, &[0, 0, 0, 6, 1, 2]);
        let quick = message(8, 8, 0x10, 32, 1, &[9; 30]);
        let facts = run_datagrams(&DEFINITION, &[(C, &main), (C, &quick)]);
        let told: Vec<String> =
            facts.iter().map(|fact| format!("{} {}", fact.value, fact.evidence.count)).collect();
        assert_eq!(told, ["1.0 2", "main-mode 1", "quick-mode 1"]);
    }

    #[test]
    fn only_what_can_be_walked_is_certain() {
        let init = message(0, 33, 0x20, 34, 0x08, INIT);
        assert_eq!(ask_udp(&DEFINITION, &init, 500, 500), Probe::Certainly(C));
        assert_eq!(ask_udp(&DEFINITION, &[NO_ESP, &init].concat(), 50_000, 4500), Probe::Certainly(C));
        assert_eq!(ask_udp(&DEFINITION, &message(8, 33, 0x20, 34, 0x20, INIT), 9, 9), Probe::Certainly(S));
        for length in 0..init.len() {
            assert_eq!(ask_udp(&DEFINITION, &init[..length], 500, 500), Probe::No, "{length}");
        }
        // A payload that is longer than the message, one that nothing is, a flag that is not, a last one that is none.
        let broken = |at: usize, byte: u8| {
            let mut bytes = init.clone();
            bytes[at] = byte;
            ask_udp(&DEFINITION, &bytes, 500, 500)
        };
        for (at, byte) in [(31, 90), (16, 3), (19, 0x48), (42, 33), (17, 0x30), (18, 90)] {
            assert_eq!(broken(at, byte), Probe::No, "{at}");
        }
        let quick = message(8, 8, 0x10, 32, 1, &[9; 30]);
        assert_eq!(ask_udp(&DEFINITION, &quick, 500, 500), Probe::Perhaps(S.peer()));
        assert_eq!(ask_udp(&DEFINITION, &quick, 9, 9), Probe::No);
    }
}
