//! RDP (MS-RDPBCGR), connection initiation, up to TLS.
//!
//! Read: which security the client offers and the server chooses in the X.224 connection request and confirm; then,
//! unless it is RDP's own, the connection is TLS's. Not read: what follows without TLS; not kept: the user's name in
//! the cookie.

use super::frames::{FrameReader, Framed, Size};
use super::starttls::StartTls;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    OFFERED = "rdp.offered_security", "MS-RDPBCGR section 2.2.1.1.1",
        "A security protocol that the client offers: `rdp`, `tls`, `credssp`, `rdstls`, `credssp-ex`, `aad`.";
    SECURITY = "rdp.security", "MS-RDPBCGR section 2.2.1.2.1",
        "The security protocol that the server chooses: `rdp` is RDP's own, all others are in TLS; unknown ones in \
        numbers.";
    FAILURE = "rdp.failure", "MS-RDPBCGR section 2.2.1.2.2",
        "Code of the server's refusal: 1 TLS required, 2 TLS not allowed, 5 CredSSP required.";
    ANOMALY = "rdp.anomaly", "MS-RDPBCGR section 2.2.1.2",
        "Bytes that break the protocol: `header`.";
}

/// RDP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "rdp",
    title: "RDP (MS-RDPBCGR)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[3389];
/// TPKT (RFC 1006) and the fixed part of an X.224 request.
const HEADER: usize = 11;
const MAX_SIZE: u16 = 512;
const MAX_READ: usize = 512;
/// Security protocols by their flags.
const NAMES: [(u32, &str); 5] = [(1, "tls"), (2, "credssp"), (4, "rdstls"), (8, "credssp-ex"), (16, "aad")];
const CONNECTION_REQUEST: u8 = 0xe0;
const CONNECTION_CONFIRM: u8 = 0xd0;

/// A connection request with a cookie, a routing token or a negotiation; without them other protocols over TPKT (S7,
/// MMS, H.323) begin alike, so the port decides.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start {
        return Probe::No;
    }
    match *input.bytes {
        [] | [3] | [3, 0] | [3, 0, 0 | 1] | [3, 0, 0 | 1, _] | [3, 0, 0 | 1, _, _] => return Probe::More,
        [3, 0, 0 | 1, _, _, CONNECTION_REQUEST, ..] => {}
        _ => return Probe::No,
    }
    let length = input.bytes.get(2..4).and_then(<[u8]>::first_chunk).copied().map_or(0, u16::from_be_bytes);
    let Some(variable) = input.bytes.get(HEADER..).filter(|_| length >= HEADER as u16) else {
        return if length >= HEADER as u16 { Probe::More } else { Probe::No };
    };
    if usize::from(length) == HEADER {
        return if input.port_in(PORTS) { Probe::Certainly(Role::Client) } else { Probe::No };
    }
    let cookie = b"Cookie: ms";
    match variable {
        [1, 0..=0x3f, 8, 0, ..] => Probe::Certainly(Role::Client),
        [] | [1] | [1, 0..=0x3f] | [1, 0..=0x3f, 8] => Probe::More,
        _ if variable.starts_with(cookie) => Probe::Certainly(Role::Client),
        _ if cookie.starts_with(variable) => Probe::More,
        _ => Probe::No,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Rdp {
        client: FrameReader::new(MAX_READ),
        server: FrameReader::new(MAX_READ),
        tls: StartTls::default(),
    })
}

struct Rdp {
    client: FrameReader,
    server: FrameReader,
    tls: StartTls,
}

fn size(front: &[u8]) -> Size {
    match *front {
        [3, _, high, low, ..] => match u16::from_be_bytes([high, low]) {
            length @ 7..=MAX_SIZE => Size::Whole(u64::from(length)),
            _ => Size::Broken,
        },
        [] | [3] | [3, _] | [3, _, _] => Size::More,
        _ => Size::Broken,
    }
}

/// Type, flags and number of a negotiation in eight bytes: all that may come after a cookie's line.
fn negotiation(variable: &[u8]) -> Option<(u8, u32)> {
    let line = variable.windows(2).position(|pair| pair == b"\r\n").and_then(|end| end.checked_add(2));
    let [kind, _, 8, 0, a, b, c, d] = *variable.get(line.unwrap_or(0)..)?.first_chunk::<8>()? else {
        return None;
    };
    Some((kind, u32::from_le_bytes([a, b, c, d])))
}

impl Rdp {
    fn confirm(&mut self, message: &[u8], after: &[u8], sink: &mut Sink) {
        if message.get(5) != Some(&CONNECTION_CONFIRM) {
            return broken(sink);
        }
        let security = match negotiation(message.get(HEADER..).unwrap_or_default()) {
            Some((2, chosen)) => chosen,
            Some((3, code)) => {
                sink.fact(&FAILURE, Value::Uint(u64::from(code)));
                return sink.finish();
            }
            _ => 0,
        };
        let word = match security {
            0 => "rdp",
            1 => "tls",
            2 => "credssp",
            4 => "rdstls",
            8 => "credssp-ex",
            16 => "aad",
            other => {
                sink.fact(&SECURITY, Value::Uint(u64::from(other)));
                return sink.finish();
            }
        };
        sink.fact(&SECURITY, Value::Word(word));
        if security == 0 { sink.finish() } else { self.tls.begin(after, sink) }
    }
}

fn request(message: &[u8], sink: &mut Sink) {
    let offered = match negotiation(message.get(HEADER..).unwrap_or_default()) {
        Some((1, offered)) => offered,
        _ => 0,
    };
    // Its own has no flag: it is always on offer.
    sink.fact(&OFFERED, Value::Word("rdp"));
    for (_, name) in NAMES.into_iter().filter(|(flag, _)| offered & flag != 0) {
        sink.fact(&OFFERED, Value::Word(name));
    }
}

fn broken(sink: &mut Sink) {
    sink.broken(&ANOMALY, "header");
    sink.give_up();
}

impl Analyzer for Rdp {
    fn held(&self) -> usize {
        [self.client.held(), self.server.held(), self.tls.held()].into_iter().fold(0, usize::saturating_add)
    }

    fn gap(&mut self, _role: Role, _missed: u64, sink: &mut Sink) {
        sink.give_up_but_tls();
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let reader = match role {
            // After its request the client waits; what comes is for whoever is chosen.
            Role::Client if self.tls.is_pending() => return self.tls.hold(bytes, sink),
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        };
        match (reader.next(&mut bytes, size), role) {
            (Framed::More, _) => {}
            (Framed::Broken, _) => broken(sink),
            (Framed::Message(message), Role::Client) => {
                request(&message, sink);
                self.tls.expect();
                if !bytes.is_empty() {
                    self.tls.hold(bytes, sink);
                }
            }
            (Framed::Message(message), Role::Server) => self.confirm(&message, bytes, sink),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Next;
    use super::super::talk::{ask, run_with, steady, told, values};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    /// With a cookie, and TLS and CredSSP on offer.
    const ASKED: &[u8] = b"\x03\0\0\x29\x24\xe0\0\0\0\0\0Cookie: mstshash=bob\r\n\x01\0\x08\0\x03\0\0\0";

    #[test]
    fn tls_begins_after_it_was_chosen() {
        let talk: &[(Role, &[u8])] = &[
            (C, ASKED),
            (C, b"\x16\x03\x01"),
            (S, b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0\x16"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &OFFERED), ["rdp", "tls", "credssp"]);
        assert_eq!(values(&facts, &SECURITY), ["credssp"]);
        let sink = &run_with(&DEFINITION, talk).1[2];
        assert_eq!((sink.next, sink.done), (Some(Next::Named("tls")), true));
        assert_eq!(sink.forwarded, [(S, b"\x16".to_vec()), (C, b"\x16\x03\x01".to_vec())]);
    }

    #[test]
    fn its_own_security_and_refusals_end_it() {
        let old: &[(Role, &[u8])] =
            &[(C, b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0"), (S, b"\x03\0\0\x0b\x06\xd0\0\0\x12\x34\0")];
        let facts = steady(&DEFINITION, old);
        assert_eq!(values(&facts, &OFFERED), ["rdp"]);
        assert_eq!(values(&facts, &SECURITY), ["rdp"]);
        let refused: &[(Role, &[u8])] =
            &[(C, ASKED), (S, b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x03\0\x08\0\x05\0\0\0")];
        assert_eq!(values(&steady(&DEFINITION, refused), &FAILURE), ["5"]);
        assert!(steady(&DEFINITION, &[(C, ASKED), (S, b"HTTP/1.1 400")]).has(&ANOMALY));
    }

    #[test]
    fn requests_are_told_from_those_of_others_over_tpkt() {
        assert_eq!(told(&DEFINITION, ASKED), Probe::Certainly(C));
        assert_eq!(
            told(&DEFINITION, b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x0b\0\0\0"),
            Probe::Certainly(C)
        );
        assert_eq!(told(&DEFINITION, b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0"), Probe::No);
        assert_eq!(ask(&DEFINITION, b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0", 50_000, 3389), Probe::Certainly(C));
        // S7: parameters of X.224.
        assert_eq!(
            told(&DEFINITION, b"\x03\0\0\x16\x11\xe0\0\0\0\x01\0\xc1\x02\x01\0\xc2\x02\x01\x02\xc0\x01\x0a"),
            Probe::No
        );
    }
}
