//! Telnet (RFC 854), recognised by its option negotiation.
//!
//! Read: which options the two sides offer and ask for, and that a password is asked for and given in the clear. Not
//! read: subnegotiations and what is typed.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    CLIENT_OPTION = "telnet.client_option", "RFC 855, IANA Telnet Options",
        "Number of an option in a WILL, WONT, DO or DONT of the client: 24 terminal type, 31 window size, 38 \
        encryption, 46 STARTTLS.";
    SERVER_OPTION = "telnet.server_option", "RFC 855, IANA Telnet Options",
        "The same of the server.";
    CREDENTIALS = "telnet.credentials", "RFC 854",
        "`password`: the server asked for one, and the client typed something.";
}

/// Telnet in the registry.
pub static DEFINITION: Definition = Definition {
    id: "telnet",
    title: "Telnet (RFC 854)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[23];
const IAC: u8 = 0xff;
/// WILL, WONT, DO, DONT.
const NEGOTIATION: std::ops::RangeInclusive<u8> = 0xfb..=0xfe;
const SUBNEGOTIATION: u8 = 0xfa;
const SUBNEGOTIATION_END: u8 = 0xf0;
/// Greatest number of an option that is assigned, but for 138 to 140 and 255.
const MAX_OPTION: u8 = 49;
/// Bytes of the server in which a password is awaited to be asked for.
const MAX_BYTES: u64 = 16 * 1024;
/// How prompts end.
const PROMPTS: [&[u8]; 2] = [b"assword:", b"asscode:"];
const PROMPT: usize = 8;

/// Two negotiations one after the other; on its port one is enough.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start {
        return Probe::No;
    }
    let enough = if input.port_in(PORTS) { 1 } else { 2 };
    for (count, command) in input.bytes.chunks(3).enumerate() {
        match command {
            _ if count >= enough => return Probe::Certainly(input.role_by_port(PORTS)),
            [IAC, verb, option] if NEGOTIATION.contains(verb) && is_option(*option) => {}
            [IAC] => return Probe::More,
            [IAC, verb] if NEGOTIATION.contains(verb) => return Probe::More,
            // What is typed may follow at once.
            _ => return Probe::No,
        }
    }
    if input.bytes.len() >= enough.saturating_mul(3) {
        Probe::Certainly(input.role_by_port(PORTS))
    } else {
        Probe::More
    }
}

fn is_option(option: u8) -> bool {
    matches!(option, 0..=MAX_OPTION | 138..=140 | 255)
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Telnet { client: State::Text, server: State::Text, bytes: 0, tail: [0; PROMPT], asked: false })
}

/// Where one direction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After IAC.
    Command,
    /// After WILL, WONT, DO or DONT.
    Option,
    Subnegotiation,
    /// After IAC within one.
    SubnegotiationCommand,
}

struct Telnet {
    client: State,
    server: State,
    /// Of the server.
    bytes: u64,
    /// The latest text of the server that is no space.
    tail: [u8; PROMPT],
    /// A password was asked for.
    asked: bool,
}

impl State {
    /// The next byte: the option that it names or the character that it is.
    fn next(&mut self, byte: u8) -> (Option<u8>, Option<u8>) {
        let (state, option, character) = match (*self, byte) {
            (Self::Text, IAC) => (Self::Command, None, None),
            (Self::Text, _) => (Self::Text, None, Some(byte)),
            (Self::Command, verb) if NEGOTIATION.contains(&verb) => (Self::Option, None, None),
            (Self::Command, SUBNEGOTIATION) => (Self::Subnegotiation, None, None),
            (Self::Option, option) => (Self::Text, Some(option), None),
            (Self::Subnegotiation, IAC) => (Self::SubnegotiationCommand, None, None),
            (Self::Command, _) | (Self::SubnegotiationCommand, SUBNEGOTIATION_END) => {
                (Self::Text, None, None)
            }
            (Self::Subnegotiation | Self::SubnegotiationCommand, _) => (Self::Subnegotiation, None, None),
        };
        *self = state;
        (option, character)
    }
}

impl Analyzer for Telnet {
    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        for byte in bytes {
            match role {
                Role::Client => {
                    let (option, character) = self.client.next(*byte);
                    if let Some(option) = option {
                        sink.fact(&CLIENT_OPTION, Value::Uint(u64::from(option)));
                    }
                    if self.asked && character.is_some_and(|character| character > b' ') {
                        sink.fact(&CREDENTIALS, Value::Word("password"));
                        return sink.finish();
                    }
                }
                Role::Server => {
                    let (option, character) = self.server.next(*byte);
                    if let Some(option) = option {
                        sink.fact(&SERVER_OPTION, Value::Uint(u64::from(option)));
                    }
                    if let Some(character) = character.filter(|character| *character > b' ') {
                        self.tail.rotate_left(1);
                        if let Some(last) = self.tail.last_mut() {
                            *last = character;
                        }
                        self.asked = PROMPTS.contains(&&self.tail[..]);
                    }
                }
            }
        }
        if role == Role::Server {
            self.bytes = self.bytes.saturating_add(bytes.len() as u64);
            if self.bytes > MAX_BYTES {
                sink.finish();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, steady, told, values};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    #[test]
    fn options_and_a_password_are_seen() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"\xff\xfd\x18\xff\xfd\x20"),
            (C, b"\xff\xfb\x18\xff\xfc\x20"),
            (S, b"\xff\xfa\x18\x01\xff\xf0login: "),
            (C, b"\xff\xfa\x18\0assword:\xff\xff\xff\xf0bob\r\n"),
            (S, b"bob\r\nPassword: "),
            (C, b"secret\r\n"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &SERVER_OPTION), ["24", "32"]);
        assert_eq!(values(&facts, &CLIENT_OPTION), ["24", "32"]);
        assert_eq!(values(&facts, &CREDENTIALS), ["password"]);
        assert!(!steady(&DEFINITION, &talk[..5]).has(&CREDENTIALS));
    }

    #[test]
    fn negotiations_are_recognised() {
        assert!(matches!(told(&DEFINITION, b"\xff\xfd\x18\xff\xfb\x01"), Probe::Certainly(_)));
        assert_eq!(told(&DEFINITION, b"\xff\xfd\x18"), Probe::More);
        assert_eq!(ask(&DEFINITION, b"\xff\xfd\x18", 23, 50_000), Probe::Certainly(S));
        assert_eq!(ask(&DEFINITION, b"\xff\xfd\x18\r\nlogin: ", 23, 50_000), Probe::Certainly(S));
        for other in [&b"\xff\xd8\xff\xe0"[..], b"\xff\xfd\x70\xff\xfd\x71", b"\xff\xfd\x18hello"] {
            assert_eq!(told(&DEFINITION, other), Probe::No);
        }
    }
}
