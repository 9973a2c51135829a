//! PostgreSQL frontend/backend protocol 3 (manual, chapter 55), up to TLS or the end of the start-up.
//!
//! Read: whether the client asks for TLS or GSSAPI encryption and what the server says, the protocol version, what
//! kind of authentication the server demands and how it ends, the server's version. Not read: queries; not kept: names
//! of users and databases, passwords.

use super::frames::{FrameReader, Framed, Size};
use super::starttls::StartTls;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    STARTTLS = "postgresql.starttls", "PostgreSQL 17 section 53.2.11",
        "One value each: `requested` by the client, `accepted`, `refused` by the server.";
    GSS = "postgresql.gss", "PostgreSQL 17 section 53.2.12",
        "The same of encryption by GSSAPI.";
    VERSION = "postgresql.version", "PostgreSQL 17 section 53.7",
        "Protocol version that the client asks for: `3.0`.";
    AUTH = "postgresql.auth", "PostgreSQL 17 section 53.2.1",
        "What the server demands in the clear: `none`, `kerberos5`, `cleartext`, `md5`, `scm`, `gss`, `sspi`, or the \
        SASL mechanisms that it offers; unknown codes in numbers.";
    CREDENTIALS = "postgresql.credentials", "PostgreSQL 17 section 53.2.1",
        "`cleartext`: a password was sent as it is.";
    LOGIN = "postgresql.login", "PostgreSQL 17 section 53.2.1",
        "How the start-up in the clear ended: `accepted`, `refused`.";
    ERROR = "postgresql.error", "PostgreSQL 17 section 53.8",
        "SQLSTATE of an error during the start-up: `28P01` for a wrong password.";
    SERVER_VERSION = "postgresql.server_version", "PostgreSQL 17 section 53.2.7",
        "Version that the server reports in the clear.";
    ANOMALY = "postgresql.anomaly", "PostgreSQL 17 section 53.7",
        "Bytes that break the protocol: `header`.";
}

/// PostgreSQL in the registry.
pub static DEFINITION: Definition = Definition {
    id: "postgresql",
    title: "PostgreSQL protocol 3",
    transports: &[Transport::Tcp],
    ports: &[5432],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const MAX_READ: usize = 512;
/// Longest start-up message (`MAX_STARTUP_PACKET_LENGTH` in the server).
const MAX_STARTUP: u32 = 10_000;
/// Longest message during the start-up; longer ones are none.
const MAX_SIZE: u32 = 1 << 20;
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSSAPI: u32 = 80_877_104;

/// The client's first message, or the server's first if that begins the capture.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start {
        return Probe::No;
    }
    match *input.bytes {
        [] => Probe::More,
        [0, ..] => request(input.bytes),
        [b'R' | b'E', ..] => response(input.bytes),
        _ => Probe::No,
    }
}

fn request(bytes: &[u8]) -> Probe {
    let Some((header, parameters)) = bytes.split_first_chunk::<8>() else {
        let fits = matches!(*bytes, [0] | [0, 0] | [0, 0, 0..0x28] | [0, 0, 0..0x28, _])
            || matches!(*bytes, [0, 0, _, _, 0, ..] | [0, 0, 0, 8 | 16, 4, ..]);
        return if fits { Probe::More } else { Probe::No };
    };
    let (length, code) = numbers(*header);
    match (length, code) {
        (8, TLS | GSSAPI) | (16, CANCEL) => Probe::Certainly(Role::Client),
        (9..=MAX_STARTUP, 0x0003_0000..=0x0003_00ff) => {
            const NAMES: [&[u8]; 6] = [
                b"user\0",
                b"database\0",
                b"application_name\0",
                b"client_encoding\0",
                b"options\0",
                b"replication\0",
            ];
            if NAMES.into_iter().any(|name| parameters.starts_with(name)) {
                Probe::Certainly(Role::Client)
            } else if NAMES.into_iter().any(|name| name.starts_with(parameters)) {
                Probe::More
            } else {
                Probe::No
            }
        }
        _ => Probe::No,
    }
}

/// A demand for authentication, or an error with its severity.
fn response(bytes: &[u8]) -> Probe {
    let Some(start) = bytes.first_chunk::<9>() else {
        let fits = matches!(*bytes, [_] | [_, 0] | [_, 0, 0] | [_, 0, 0, 0..=3] | [_, 0, 0, 0..=3, _])
            || matches!(*bytes, [b'R', 0, 0, 0, _, 0, ..] | [b'E', 0, 0, _, _, b'S', ..]);
        return if fits { Probe::More } else { Probe::No };
    };
    match *start {
        [b'R', 0, 0, 0, 8, 0, 0, 0, 0 | 2 | 3 | 6 | 7 | 9]
        | [b'R', 0, 0, 0, 12, 0, 0, 0, 5]
        | [b'R', 0, 0, 0, 9..=0xff, 0, 0, 0, 10]
        | [b'E', 0, 0, 0..=3, _, b'S', b'F', b'A', b'T']
        | [b'E', 0, 0, 0..=3, _, b'S', b'E', b'R', b'R'] => Probe::Certainly(Role::Server),
        _ => Probe::No,
    }
}

fn numbers([a, b, c, d, e, f, g, h]: [u8; 8]) -> (u32, u32) {
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Postgresql {
        client: FrameReader::new(MAX_READ),
        server: FrameReader::new(MAX_READ),
        state: State::Start,
        cleartext: false,
        tls: StartTls::default(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The client's next message is a start-up, which has no type.
    Start,
    /// It asked for GSSAPI and waits for one byte.
    Gss,
    /// Messages have types.
    Typed,
}

struct Postgresql {
    client: FrameReader,
    server: FrameReader,
    state: State,
    /// The server demanded a password as it is.
    cleartext: bool,
    tls: StartTls,
}

/// Length of a start-up message, which counts itself.
fn untyped(front: &[u8]) -> Size {
    let Some(length) = front.first_chunk::<4>() else { return Size::More };
    match u32::from_be_bytes(*length) {
        length @ 8..=MAX_STARTUP => Size::Whole(u64::from(length)),
        _ => Size::Broken,
    }
}

/// Length of a message with a type, which is not counted.
fn typed(front: &[u8]) -> Size {
    let Some([_, length @ ..]) = front.first_chunk::<5>() else { return Size::More };
    match u32::from_be_bytes(*length) {
        length @ 4..=MAX_SIZE => Size::Whole(u64::from(length).saturating_add(1)),
        _ => Size::Broken,
    }
}

impl Postgresql {
    fn client(&mut self, mut bytes: &[u8], sink: &mut Sink) {
        while !bytes.is_empty() && !sink.done {
            if self.tls.is_pending() || self.state == State::Gss {
                return self.tls.hold(bytes, sink);
            }
            let is_typed = self.state == State::Typed;
            match self.client.next(&mut bytes, if is_typed { typed } else { untyped }) {
                Framed::Message(message) if is_typed => {
                    if self.cleartext && message.first() == Some(&b'p') {
                        sink.fact(&CREDENTIALS, Value::Word("cleartext"));
                    }
                }
                Framed::Message(message) => self.start_up(&message, sink),
                Framed::More => return,
                Framed::Broken => broken(sink),
            }
        }
    }

    fn start_up(&mut self, message: &[u8], sink: &mut Sink) {
        let Some(header) = message.first_chunk::<8>() else { return };
        match numbers(*header).1 {
            TLS => self.tls.request(&STARTTLS, sink),
            GSSAPI => {
                sink.fact(&GSS, Value::Word("requested"));
                self.state = State::Gss;
            }
            CANCEL => sink.finish(),
            version => {
                sink.fact(
                    &VERSION,
                    Value::text(format!("{}.{}", version >> 16, version & 0xffff).as_bytes()),
                );
                self.state = State::Typed;
            }
        }
    }

    fn server(&mut self, mut bytes: &[u8], sink: &mut Sink) {
        while !bytes.is_empty() && !sink.done {
            if self.tls.is_pending() || self.state == State::Gss {
                let Some((answer, rest)) = bytes.split_first() else { return };
                if self.answer(*answer, rest, sink) {
                    bytes = rest;
                    continue;
                }
                if sink.done {
                    return;
                }
            }
            match self.server.next(&mut bytes, typed) {
                Framed::Message(message) => self.response(&message, sink),
                Framed::More => return,
                Framed::Broken => broken(sink),
            }
        }
    }

    /// The byte that answers a request for encryption; false if it is none, but begins an error of an old server.
    fn answer(&mut self, answer: u8, rest: &[u8], sink: &mut Sink) -> bool {
        let asked_gss = self.state == State::Gss;
        match (asked_gss, answer) {
            (false, b'S') => {
                self.tls.accept(&STARTTLS, rest, sink);
                return true;
            }
            (true, b'G') => {
                sink.fact(&GSS, Value::Word("accepted"));
                sink.finish();
                return true;
            }
            (_, b'N' | b'E') => {}
            _ => {
                broken(sink);
                return false;
            }
        }
        let held = if asked_gss {
            sink.fact(&GSS, Value::Word("refused"));
            self.state = State::Start;
            // Nothing was requested of it, so that only what it held comes back.
            self.tls.take()
        } else {
            self.tls.refuse(&STARTTLS, sink)
        };
        self.client(&held, sink);
        answer == b'N'
    }

    fn response(&mut self, message: &[u8], sink: &mut Sink) {
        let Some((header, body)) = message.split_first_chunk::<5>() else { return };
        match header.first() {
            Some(b'R') => self.demand(body, sink),
            Some(b'E') => {
                // Fields of a letter and a string.
                let code = body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C"));
                if let Some(code) = code {
                    sink.fact(&ERROR, text(code, 5));
                }
                sink.fact(&LOGIN, Value::Word("refused"));
                sink.finish();
            }
            Some(b'S') => {
                let mut strings = body.split(|byte| *byte == 0);
                if strings.next() == Some(b"server_version") {
                    sink.fact(&SERVER_VERSION, text(strings.next().unwrap_or_default(), 64));
                }
            }
            Some(b'Z') => sink.finish(),
            _ => {}
        }
    }

    fn demand(&mut self, body: &[u8], sink: &mut Sink) {
        let Some((code, rest)) = body.split_first_chunk::<4>() else { return };
        self.cleartext = false;
        let word = match u32::from_be_bytes(*code) {
            0 => return sink.fact(&LOGIN, Value::Word("accepted")),
            2 => "kerberos5",
            3 => {
                self.cleartext = true;
                "cleartext"
            }
            5 => "md5",
            6 => "scm",
            7 => "gss",
            9 => "sspi",
            10 => {
                for mechanism in rest.split(|byte| *byte == 0).filter(|name| !name.is_empty()).take(8) {
                    sink.fact(&AUTH, text(mechanism, 20));
                }
                return;
            }
            // Further steps of GSSAPI and SASL.
            8 | 11 | 12 => return,
            code => return sink.fact(&AUTH, Value::Uint(u64::from(code))),
        };
        sink.fact(&AUTH, Value::Word(word));
    }
}

fn broken(sink: &mut Sink) {
    sink.broken(&ANOMALY, "header");
    sink.give_up();
}

impl Analyzer for Postgresql {
    fn held(&self) -> usize {
        [self.client.held(), self.server.held(), self.tls.held()].into_iter().fold(0, usize::saturating_add)
    }

    fn gap(&mut self, _role: Role, _missed: u64, sink: &mut Sink) {
        sink.give_up_but_tls();
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        match role {
            Role::Client => self.client(bytes, sink),
            Role::Server => self.server(bytes, sink),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Next;
    use super::super::talk::{run_with, steady, told, values};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    const ASK_TLS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
    const ASK_GSS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
    const START: &[u8] = b"\0\0\0\x12\0\x03\0\0user\0bob\0\0";

    #[test]
    fn an_accepted_request_for_tls_hands_over_what_follows() {
        let talk: &[(Role, &[u8])] =
            &[(C, ASK_GSS), (S, b"N"), (C, ASK_TLS), (C, b"\x16\x03\x01"), (S, b"S\x16")];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &GSS), ["requested", "refused"]);
        assert_eq!(values(&facts, &STARTTLS), ["requested", "accepted"]);
        let sink = &run_with(&DEFINITION, talk).1[4];
        assert_eq!((sink.next, sink.done), (Some(Next::Named("tls")), true));
        assert_eq!(sink.forwarded, [(S, b"\x16".to_vec()), (C, b"\x16\x03\x01".to_vec())]);
    }

    #[test]
    fn a_password_in_the_clear_is_seen_and_not_kept() {
        let talk: &[(Role, &[u8])] = &[
            (C, ASK_TLS),
            (S, b"N"),
            (C, START),
            (S, b"R\0\0\0\x08\0\0\0\x03"),
            (C, b"p\0\0\0\x0bsecret\0"),
            (S, b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0015.4\0Z\0\0\0\x05I"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["requested", "refused"]);
        assert_eq!(values(&facts, &VERSION), ["3.0"]);
        assert_eq!(values(&facts, &AUTH), ["cleartext"]);
        assert_eq!(values(&facts, &CREDENTIALS), ["cleartext"]);
        assert_eq!(values(&facts, &LOGIN), ["accepted"]);
        assert_eq!(values(&facts, &SERVER_VERSION), ["15.4"]);
        assert!(!facts.has(&ANOMALY));
    }

    #[test]
    fn a_password_that_is_proved_is_no_credential() {
        let talk: &[(Role, &[u8])] = &[
            (C, START),
            (S, b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"),
            (C, b"p\0\0\0\x08n,,n"),
            (S, b"E\0\0\0\x15SFATAL\0C28P01\0M\0\0"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &AUTH), ["SCRAM-SHA-256"]);
        assert_eq!(values(&facts, &ERROR), ["28P01"]);
        assert_eq!(values(&facts, &LOGIN), ["refused"]);
        assert!(!facts.has(&CREDENTIALS));
    }

    #[test]
    fn first_messages_are_recognised() {
        for first in [ASK_TLS, ASK_GSS, START, b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02"] {
            assert_eq!(told(&DEFINITION, first), Probe::Certainly(C));
        }
        for first in [&b"R\0\0\0\x08\0\0\0\x03"[..], b"R\0\0\0\x0c\0\0\0\x05abcd", b"E\0\0\0\x40SFATAL\0"] {
            assert_eq!(told(&DEFINITION, first), Probe::Certainly(S));
        }
        for other in [
            &b"\0\0\0\x08\0\0\0\x01"[..],
            b"\0\0\0\x12\0\x03\0\0xyz\0",
            b"RTSP/1.0 200 OK\r\n",
            b"\0\x01\0\0",
        ] {
            assert_eq!(told(&DEFINITION, other), Probe::No);
        }
    }
}
