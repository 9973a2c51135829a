//! LDAP (RFC 4511) over TCP, and over UDP as domain controllers speak it (MS-ADTS section 6.3.3).
//!
//! Read: operations, how the client binds in the clear and with which result, whether it asks for TLS (section 4.14)
//! and whether that is accepted; then the connection is TLS's. Not read: everything after a bind that gave a name; not
//! kept: names, passwords, what is searched and found.

use super::ber::{self, Header};
use super::frames::{FrameReader, Framed, Size};
use super::starttls::StartTls;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, sasl};
use crate::model::{Transport, Value};

fields! {
    OPERATION = "ldap.operation", "RFC 4511 section 4.2 to 4.12",
        "An operation of the client: `bind`, `unbind`, `search`, `modify`, `add`, `delete`, `rename`, `compare`, \
        `abandon`, `extended`.";
    STARTTLS = "ldap.starttls", "RFC 4511 section 4.14",
        "One value each: `requested` by the client, `accepted`, `refused` by the server.";
    BIND = "ldap.bind", "RFC 4511 section 4.2, RFC 4513 section 5",
        "How the client binds in the clear: `anonymous`, `unauthenticated` (a name without a password), `simple`, \
        else the SASL mechanism.";
    CREDENTIALS = "ldap.credentials", "RFC 4513 section 6.3.3",
        "A password or token was sent as it is: `simple`, else the SASL mechanism.";
    BIND_RESULT = "ldap.bind_result", "RFC 4511 section 4.1.9",
        "Result code of a bind: 0 success, 13 confidentiality required, 14 SASL goes on, 49 invalid credentials.";
    ANOMALY = "ldap.anomaly", "RFC 4511 section 5.1",
        "Bytes that break the protocol: `header`; also where a security layer of SASL begins.";
}

/// LDAP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "ldap",
    title: "LDAP (RFC 4511)",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: &[389, 3268],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

/// What is read of a message.
const MAX_READ: usize = 512;
/// Longest message.
const MAX_SIZE: u64 = 1 << 26;
/// Messages of one side after which nothing new is awaited.
const MAX_MESSAGES: u16 = 256;

const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
/// The request for TLS, as digits.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// A whole envelope up to the operation, and the first bytes of that.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let bytes = input.bytes;
    let (length, rest) = match ber::header(bytes) {
        Header::Is(ber::SEQUENCE, start, length @ 5..MAX_SIZE) => {
            (length, bytes.get(start..).unwrap_or_default())
        }
        Header::More if bytes.first().is_none_or(|tag| *tag == ber::SEQUENCE) => return Probe::More,
        _ => return Probe::No,
    };
    // Four-byte lengths, as Active Directory writes them, and all else that comes before the contents of the operation.
    match operation(rest, length) {
        None if rest.len() < 16 && (rest.len() as u64) < length => Probe::More,
        None => Probe::No,
        Some((tag, inner)) => judge(tag, inner),
    }
}

/// The tag of the operation in an envelope of `length` bytes, and what there is of its contents.
fn operation(envelope: &[u8], length: u64) -> Option<(u8, &[u8])> {
    let mut rest = envelope;
    let id = ber::take_tagged(&mut rest, ber::INTEGER)?;
    let used = envelope.len().saturating_sub(rest.len()) as u64;
    let Header::Is(tag, start, inner) = ber::header(rest) else { return None };
    let fits = used.saturating_add(start as u64).saturating_add(inner) <= length;
    (fits && (1..=4).contains(&id.len())).then(|| (tag, rest.get(start..).unwrap_or_default()))
}

/// Whether the contents of an operation begin as they should, and who sends it.
fn judge(tag: u8, inner: &[u8]) -> Probe {
    let (role, start): (_, &[u8]) = match tag {
        BIND_REQUEST => match inner {
            [0x02, 0x01, 2 | 3, 0x04, ..] => return Probe::Certainly(Role::Client),
            [] | [0x02] | [0x02, 0x01] | [0x02, 0x01, 2 | 3] => return Probe::More,
            _ => return Probe::No,
        },
        // Unbind is a NULL.
        0x42 => return if inner.is_empty() { Probe::Certainly(Role::Client) } else { Probe::No },
        EXTENDED_REQUEST => (Role::Client, &[0x80]),
        0x63 | 0x66 | 0x68 | 0x6c | 0x6e => (Role::Client, &[ber::OCTETS]),
        SEARCH_ENTRY | SEARCH_REFERENCE => (Role::Server, &[ber::OCTETS]),
        BIND_RESPONSE | 0x65 | 0x67 | 0x69 | 0x6b | 0x6d | 0x6f | EXTENDED_RESPONSE => {
            (Role::Server, &[ber::ENUMERATED, 1])
        }
        _ => return Probe::No,
    };
    let length = inner.len().min(start.len());
    if inner.get(..length) != start.get(..length) {
        Probe::No
    } else if length < start.len() {
        Probe::More
    } else {
        Probe::Certainly(role)
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Ldap {
        client: FrameReader::new(MAX_READ),
        server: FrameReader::new(MAX_READ),
        count: 0,
        tls: StartTls::default(),
        tls_id: 0,
        bind: Bind::None,
    })
}

/// What the client's latest bind gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bind {
    None,
    Anonymous,
    Named,
}

struct Ldap {
    client: FrameReader,
    server: FrameReader,
    count: u16,
    tls: StartTls,
    /// Identifier of the request for TLS.
    tls_id: u64,
    bind: Bind,
}

fn size(front: &[u8]) -> Size {
    match ber::header(front) {
        Header::More if front.first().is_none_or(|tag| *tag == ber::SEQUENCE) => Size::More,
        Header::Is(ber::SEQUENCE, start, length @ 5..MAX_SIZE) => {
            Size::Whole(length.saturating_add(start as u64))
        }
        _ => Size::Broken,
    }
}

/// Identifier, tag and contents of the operation in a message.
fn parse(message: &[u8]) -> Option<(u64, u8, &[u8])> {
    let mut rest = message;
    let mut rest = ber::take_front(&mut rest)?.value;
    let id = ber::number(ber::take_tagged(&mut rest, ber::INTEGER)?)?;
    let operation = ber::take_front(&mut rest)?;
    Some((id, operation.tag, operation.value))
}

/// What an operation of the client is called.
fn word(tag: u8) -> Option<&'static str> {
    Some(match tag {
        BIND_REQUEST => "bind",
        0x42 => "unbind",
        0x63 => "search",
        0x66 => "modify",
        0x68 => "add",
        0x4a => "delete",
        0x6c => "rename",
        0x6e => "compare",
        0x50 => "abandon",
        EXTENDED_REQUEST => "extended",
        _ => return None,
    })
}

impl Ldap {
    fn request(&mut self, message: &[u8], sink: &mut Sink) {
        let Some((id, tag, mut inner)) = parse(message) else { return };
        if let Some(word) = word(tag) {
            sink.fact(&OPERATION, Value::Word(word));
        }
        match tag {
            BIND_REQUEST => self.bind = bind(inner, sink).unwrap_or(Bind::None),
            EXTENDED_REQUEST if ber::take_tagged(&mut inner, 0x80) == Some(START_TLS) => {
                self.tls_id = id;
                self.tls.request(&STARTTLS, sink);
            }
            _ => {}
        }
    }

    /// One message of the server; `after` is what follows it.
    fn response(&mut self, message: &[u8], after: &[u8], sink: &mut Sink) {
        let Some((id, tag, mut inner)) = parse(message) else { return };
        let Some(result) = ber::take_tagged(&mut inner, ber::ENUMERATED).and_then(ber::number) else {
            return;
        };
        match tag {
            BIND_RESPONSE => {
                sink.fact(&BIND_RESULT, Value::Uint(result));
                if result == 0 && self.bind == Bind::Named {
                    sink.finish();
                }
            }
            EXTENDED_RESPONSE if self.tls.is_pending() && id == self.tls_id => {
                if result == 0 {
                    self.tls.accept(&STARTTLS, after, sink);
                } else {
                    let held = self.tls.refuse(&STARTTLS, sink);
                    self.client(&held, sink);
                }
            }
            _ => {}
        }
    }

    fn client(&mut self, mut bytes: &[u8], sink: &mut Sink) {
        while !bytes.is_empty() && !sink.done {
            if self.tls.is_pending() {
                return self.tls.hold(bytes, sink);
            }
            if self.client.is_between() && self.tls.begins_unasked(Role::Client, bytes, sink) {
                return;
            }
            match self.client.next(&mut bytes, size) {
                Framed::Message(message) => self.request(&message, sink),
                Framed::More => return,
                Framed::Broken => broken(sink),
            }
            self.counted(sink);
        }
    }

    fn server(&mut self, mut bytes: &[u8], sink: &mut Sink) {
        while !bytes.is_empty() && !sink.done {
            if self.server.is_between() && self.tls.begins_unasked(Role::Server, bytes, sink) {
                return;
            }
            match self.server.next(&mut bytes, size) {
                Framed::Message(message) => self.response(&message, bytes, sink),
                Framed::More => return,
                Framed::Broken => broken(sink),
            }
            self.counted(sink);
        }
    }

    fn counted(&mut self, sink: &mut Sink) {
        self.count = self.count.saturating_add(1);
        if self.count >= MAX_MESSAGES && !self.tls.is_pending() {
            sink.finish();
        }
    }
}

fn broken(sink: &mut Sink) {
    sink.broken(&ANOMALY, "header");
    sink.give_up();
}

/// A bind: version, name, then `[0]` a password or `[3]` a mechanism and its data.
fn bind(mut inner: &[u8], sink: &mut Sink) -> Option<Bind> {
    ber::take_tagged(&mut inner, ber::INTEGER)?;
    let name = ber::take_tagged(&mut inner, ber::OCTETS)?;
    let choice = ber::take_front(&mut inner)?;
    match choice.tag {
        0x80 if choice.value.is_empty() => {
            sink.fact(&BIND, Value::Word(if name.is_empty() { "anonymous" } else { "unauthenticated" }));
            Some(Bind::Anonymous)
        }
        0x80 => {
            sink.fact(&BIND, Value::Word("simple"));
            sink.fact(&CREDENTIALS, Value::Word("simple"));
            Some(Bind::Named)
        }
        0xa3 => {
            let mut rest = choice.value;
            sasl::observe(ber::take_tagged(&mut rest, ber::OCTETS)?, &BIND, &CREDENTIALS, sink);
            Some(Bind::Named)
        }
        _ => None,
    }
}

impl Analyzer for Ldap {
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

    fn datagram(&mut self, role: Role, bytes: &[u8], _missed: u32, sink: &mut Sink) {
        if role == Role::Client {
            self.request(bytes, sink);
        }
        self.counted(sink);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Next;
    use super::super::talk::{ask_udp, run_with, steady, steady_datagrams, told, values};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    fn element(tag: u8, value: &[u8]) -> Vec<u8> {
        [&[tag, value.len() as u8], value].concat()
    }

    fn message(id: u8, tag: u8, inner: &[&[u8]]) -> Vec<u8> {
        element(0x30, &[element(2, &[id]), element(tag, &inner.concat())].concat())
    }

    fn result(id: u8, tag: u8, code: u8) -> Vec<u8> {
        message(id, tag, &[&[0x0a, 1, code], &[4, 0], &[4, 0]])
    }

    #[test]
    fn an_accepted_request_for_tls_hands_over_what_follows() {
        let asked = message(1, EXTENDED_REQUEST, &[&element(0x80, START_TLS)]);
        let told = [result(1, EXTENDED_RESPONSE, 0), b"\x16".to_vec()].concat();
        let talk: &[(Role, &[u8])] = &[(C, &asked), (C, b"\x16\x03\x01"), (S, &told)];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["requested", "accepted"]);
        assert_eq!(values(&facts, &OPERATION), ["extended"]);
        let sink = &run_with(&DEFINITION, talk).1[2];
        assert_eq!((sink.next, sink.done), (Some(Next::Named("tls")), true));
        assert_eq!(sink.forwarded, [(S, b"\x16".to_vec()), (C, b"\x16\x03\x01".to_vec())]);
    }

    #[test]
    fn tls_whose_request_is_missing_is_no_anomaly() {
        let answer = result(1, EXTENDED_RESPONSE, 0);
        let talk: &[(Role, &[u8])] = &[(S, &answer), (S, b"\x16\x03\x03\0\x40")];
        let (facts, sinks) = run_with(&DEFINITION, talk);
        assert!(!facts.has(&ANOMALY) && !facts.has(&STARTTLS));
        assert_eq!((sinks[1].next, sinks[1].done), (Some(Next::Named("tls")), true));
        // What the client said of it is missing.
        assert_eq!(sinks[1].forwarded, [(C, Vec::new()), (S, b"\x16\x03\x03\0\x40".to_vec())]);
    }

    #[test]
    fn a_simple_bind_is_seen_and_its_password_not_kept() {
        let asked = message(1, EXTENDED_REQUEST, &[&element(0x80, START_TLS)]);
        let simple =
            message(2, BIND_REQUEST, &[&[2, 1, 3], &element(4, b"cn=bob"), &element(0x80, b"secret")]);
        let talk: &[(Role, &[u8])] = &[
            (C, &asked),
            (S, &result(1, EXTENDED_RESPONSE, 2)),
            (C, &simple),
            (S, &result(2, BIND_RESPONSE, 0)),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["requested", "refused"]);
        assert_eq!(values(&facts, &BIND), ["simple"]);
        assert_eq!(values(&facts, &CREDENTIALS), ["simple"]);
        assert_eq!(values(&facts, &BIND_RESULT), ["0"]);
        assert_eq!(values(&facts, &OPERATION), ["extended", "bind"]);
    }

    #[test]
    fn binds_without_a_secret_are_no_credentials() {
        let version: &[u8] = &[2, 1, 3];
        let anonymous = message(1, BIND_REQUEST, &[version, &[4, 0], &[0x80, 0]]);
        let nameless = message(2, BIND_REQUEST, &[version, &element(4, b"cn=a"), &[0x80, 0]]);
        let mechanism = element(0xa3, &element(4, b"GSS-SPNEGO"));
        let spnego = message(3, BIND_REQUEST, &[version, &[4, 0], &mechanism]);
        let facts = steady(&DEFINITION, &[(C, &anonymous), (C, &nameless), (C, &spnego), (S, b"\0\0\0\x10")]);
        assert_eq!(values(&facts, &BIND), ["anonymous", "unauthenticated", "GSS-SPNEGO"]);
        assert!(!facts.has(&CREDENTIALS));
        assert!(facts.has(&ANOMALY));
    }

    #[test]
    fn messages_are_recognised() {
        let bind = message(1, BIND_REQUEST, &[&[2, 1, 3], &[4, 0], &[0x80, 0]]);
        assert_eq!(told(&DEFINITION, &bind), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, &result(1, BIND_RESPONSE, 0)), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, &message(3, 0x42, &[])), Probe::Certainly(C));
        // Active Directory writes all lengths with four bytes.
        let long =
            b"\x30\x84\x00\x00\x00\x10\x02\x01\x07\x65\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00";
        assert_eq!(told(&DEFINITION, long), Probe::Certainly(S));
        let search = message(5, 0x63, &[&[4, 0], &[0x0a, 1, 0], &[0x0a, 1, 0]]);
        assert_eq!(ask_udp(&DEFINITION, &search, 50_000, 389), Probe::Certainly(C));
        let facts = steady_datagrams(&DEFINITION, &[(C, &search), (S, &result(5, 0x65, 0))]);
        assert_eq!(values(&facts, &OPERATION), ["search"]);
        // SNMP has a community where LDAP has an operation; here the operation is longer than its envelope.
        for other in [&b"\x30\x26\x02\x01\x01\x04\x06public"[..], b"\x30\x05\x02\x01\x01\x60\x7f\x02\x01\x03"]
        {
            assert_eq!(told(&DEFINITION, other), Probe::No);
        }
    }
}
