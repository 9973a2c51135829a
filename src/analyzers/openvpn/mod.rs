//! OpenVPN over UDP and TCP (the protocol's own documentation, `doc/doxygen/doc_protocol_overview.h`).
//!
//! Read: that a session was asked for and answered. It has no signature: recognised is the message that resets a session, the
//! first of each side, where its length is one of those that it can have (in the clear, with `tls-auth`, with `tls-crypt`)
//! and what is in the clear of it is what a first message has. Even then it only may be one. What follows is encrypted.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    RESET = "openvpn.reset", "OpenVPN protocol overview",
        "A side begins a session: `client`, `server`; its count is that of the messages.";
}

/// OpenVPN in the registry.
pub static DEFINITION: Definition = Definition {
    id: "openvpn",
    title: "OpenVPN",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: &[1194],
    fields: FIELDS,
    class: Class::Encrypted,
    probe,
    start,
};

/// First byte: P_CONTROL_HARD_RESET_CLIENT_V2, …_SERVER_V2, and key 0.
const CLIENT: u8 = 7 << 3;
const SERVER: u8 = 8 << 3;
/// Opcode and session.
const OPENING: usize = 9;
/// Replay protection: packet number and time.
const REPLAY: usize = 8;
/// What goes before a body that `tls-crypt` encrypts: that, and a code.
const SEALED: usize = REPLAY + 32;

/// Who resets with this message, as far as can be told.
fn reset(bytes: &[u8]) -> Option<Role> {
    let (role, body) = match *bytes.first()? {
        CLIENT => (Role::Client, 5),
        // It acknowledges the client's one message, and names its session.
        SERVER => (Role::Server, 17),
        _ => return None,
    };
    let (session, rest) = bytes.get(1..)?.split_first_chunk::<8>()?;
    // Acknowledgements and the number of the message, which is zero.
    let plain = |rest: &[u8]| match (role, rest) {
        (Role::Client, [0, 0, 0, 0, 0]) => true,
        (Role::Server, [1, 0, 0, 0, 0, peer @ .., 0, 0, 0, 0]) => peer.len() == 8 && peer != [0; 8],
        _ => false,
    };
    let is_first = |replay: &[u8]| matches!(replay, [0, 0, 0, 1, time @ ..] if time != [0; 4]);
    let fits = match rest.len() {
        length if length == body => plain(rest),
        // `tls-crypt`: replay protection, a code of 32 bytes, and what is encrypted.
        length if length == body.saturating_add(SEALED) => rest.get(..REPLAY).is_some_and(is_first),
        _ => false,
    };
    // `tls-auth`: a code, of one of the usual hashes, before both.
    let signed = [16, 20, 32, 48, 64].into_iter().any(|code| {
        let parts = rest.get(code..).and_then(|behind| behind.split_at_checked(REPLAY));
        parts.is_some_and(|(replay, behind)| is_first(replay) && plain(behind))
    });
    (*session != [0; OPENING - 1] && (fits || signed)).then_some(role)
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    let message = match input.transport {
        Transport::Udp => Some(input.bytes),
        _ if !input.at_start => None,
        // A length goes before each message.
        _ => input.bytes.split_first_chunk::<2>().and_then(|(length, rest)| {
            (rest.len() == usize::from(u16::from_be_bytes(*length))).then_some(rest)
        }),
    };
    message.and_then(reset).map_or(Probe::No, Probe::Perhaps)
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(OpenVpn)
}

struct OpenVpn;

impl Analyzer for OpenVpn {
    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        match bytes.get(2..).and_then(reset) {
            Some(by) if by == role => observe(role, sink),
            _ => sink.finish(),
        }
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], _: u32, sink: &mut Sink) {
        if reset(bytes) == Some(role) {
            observe(role, sink);
        }
    }
}

fn observe(role: Role, sink: &mut Sink) {
    sink.fact(&RESET, Value::Word(if role == Role::Client { "client" } else { "server" }));
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, ask_udp, run, run_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    fn client() -> Vec<u8> {
        [&[CLIENT][..], &[7; 8], &[0; 5]].concat()
    }

    fn server() -> Vec<u8> {
        [&[SERVER][..], &[8; 8], &[1, 0, 0, 0, 0], &[7; 8], &[0; 4]].concat()
    }

    fn in_stream(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u16).to_be_bytes()[..], message].concat()
    }

    #[test]
    fn both_sides_begin() {
        let facts = run_datagrams(&DEFINITION, &[(C, &client()), (S, &server()), (C, &[0x20; 100])]);
        let told: Vec<String> = facts.iter().map(|fact| fact.value.to_string()).collect();
        assert_eq!(told, ["client", "server"]);
        let facts =
            run(&DEFINITION, &[(C, &in_stream(&client())), (S, &in_stream(&server())), (C, &[0x20; 100])]);
        assert_eq!(facts.count(&RESET), 2);
    }

    #[test]
    fn resets_may_be_one_and_nothing_else() {
        assert_eq!(ask_udp(&DEFINITION, &client(), 50_000, 1194), Probe::Perhaps(C));
        assert_eq!(ask_udp(&DEFINITION, &server(), 1194, 50_000), Probe::Perhaps(S));
        assert_eq!(ask(&DEFINITION, &in_stream(&client()), 50_000, 443), Probe::Perhaps(C));
        let auth = [&[CLIENT][..], &[7; 8], &[3; 20], &[0, 0, 0, 1, 9, 9, 9, 9], &[0; 5]].concat();
        assert_eq!(ask_udp(&DEFINITION, &auth, 50_000, 1194), Probe::Perhaps(C));
        let crypt = [&[CLIENT][..], &[7; 8], &[0, 0, 0, 1, 9, 9, 9, 9], &[3; 37]].concat();
        assert_eq!(ask_udp(&DEFINITION, &crypt, 50_000, 1194), Probe::Perhaps(C));
        for whole in [client(), server(), auth, crypt] {
            for length in 0..whole.len() {
                assert_eq!(ask_udp(&DEFINITION, &whole[..length], 50_000, 1194), Probe::No, "{length}");
            }
            let mut longer = whole.clone();
            longer.push(0);
            assert_eq!(ask_udp(&DEFINITION, &longer, 50_000, 1194), Probe::No);
        }
        assert_eq!(ask_udp(&DEFINITION, &[0x30; 14], 50_000, 1194), Probe::No);
    }
}
