//! CoAP over UDP (RFC 7252) and over TCP (RFC 8323).
//!
//! Read: methods, response codes, host and path of requests. A header of four bytes has next to no shape of its own, so
//! a datagram is CoAP on its port if all its options can be read, and elsewhere only may be, if a request names a path.
//! Over TCP it begins with capabilities (7.01), which are believed on the port only. Not read: payload, blocks, tokens;
//! over TCP nothing after the first message.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    REQUEST = "coap.request", "RFC 7252 section 5.8, RFC 8132",
        "Method of a request: `GET`, `POST`, `PUT`, `DELETE`, `FETCH`, `PATCH`, `iPATCH`.";
    RESPONSE = "coap.response", "RFC 7252 section 5.9", "Code of a response: `2.05`, `4.04`.";
    EMPTY = "coap.empty", "RFC 7252 section 4.1", "Messages without method or code: acknowledgements, resets, pings.";
    SIGNAL = "coap.signal", "RFC 8323 section 5", "Code of a signalling message over TCP: `7.01` capabilities.";
    HOST = "coap.host", "RFC 7252 section 5.10.1", "Uri-Host of a request.";
    PATH = "coap.path", "RFC 7252 section 5.10.1", "Path of a request, at most 256 bytes; without its query.";
}

/// CoAP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "coap",
    title: "CoAP over UDP and TCP (RFC 7252, RFC 8323)",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[5683];
const URI_HOST: u32 = 3;
const URI_PATH: u32 = 11;
/// Options of one message that are read; none has as many.
const MAX_OPTIONS: usize = 64;
const MAX_TEXT: usize = 256;

/// A message whose options could all be read.
#[derive(Debug, Default)]
struct Message<'a> {
    /// Class in the high three bits.
    code: u8,
    host: Option<&'a [u8]>,
    /// Its parts, each with a slash before it.
    path: Vec<u8>,
}

/// Version 1 and type, length of the token, code, identifier; token, options, payload (section 3).
fn datagram(bytes: &[u8]) -> Option<Message<'_>> {
    let ([first, code, _, _], rest) = bytes.split_first_chunk::<4>()?;
    if first >> 6 != 1 || !is_code(*code) || *code >> 5 == 7 {
        return None;
    }
    if *code == 0 {
        return (rest.is_empty() && token(*first) == Some(0)).then(Message::default);
    }
    message(*code, rest.get(token(*first)?..)?)
}

/// Length and token length, more length, code; token, options, payload (RFC 8323 section 3.2): the message, and its
/// length with its header.
fn segment(bytes: &[u8]) -> Option<(u8, usize)> {
    let (first, rest) = bytes.split_first()?;
    let (length, more) = match first >> 4 {
        13 => (usize::from(*rest.first()?).saturating_add(13), 1),
        14 => (usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?)).saturating_add(269), 2),
        15 => return None,
        length => (usize::from(length), 0),
    };
    let code = *rest.get(more)?;
    let whole = length.saturating_add(more).saturating_add(2).saturating_add(token(*first)?);
    is_code(code).then_some((code, whole))
}

/// Length of the token; 9 and more are no message.
fn token(first: u8) -> Option<usize> {
    Some(usize::from(first & 0x0f)).filter(|length| *length <= 8)
}

/// Codes in use: empty, methods, responses, signals.
fn is_code(code: u8) -> bool {
    matches!(code, 0..=7 | 0x40..=0x45 | 0x5f | 0x80..=0x8f | 0x91 | 0x96 | 0x9d | 0xa0..=0xa5 | 0xa8 | 0xe1..=0xe5)
}

/// Options: difference of numbers and length, each with up to two more bytes; the payload after 0xff is not empty.
fn message(code: u8, mut rest: &[u8]) -> Option<Message<'_>> {
    let mut message = Message { code, ..Message::default() };
    let mut number = 0_u32;
    for _ in 0..MAX_OPTIONS {
        let Some((first, after)) = rest.split_first() else { return Some(message) };
        rest = after;
        if *first == 0xff {
            return (!rest.is_empty()).then_some(message);
        }
        number = number.checked_add(extended(first >> 4, &mut rest)?)?;
        let length = usize::try_from(extended(first & 0x0f, &mut rest)?).ok()?;
        let (value, after) = rest.split_at_checked(length)?;
        rest = after;
        match number {
            URI_HOST => message.host = Some(value),
            URI_PATH => {
                message.path.push(b'/');
                message.path.extend_from_slice(value);
            }
            // Those above are reserved, or nobody's.
            2050.. => return None,
            _ => {}
        }
    }
    None
}

fn extended(nibble: u8, rest: &mut &[u8]) -> Option<u32> {
    let (base, length) = match nibble {
        13 => (13, 1),
        14 => (269, 2),
        15 => return None,
        value => return Some(u32::from(value)),
    };
    let (more, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(more.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)).saturating_add(base))
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    let on_port = input.port_in(PORTS);
    if input.transport == Transport::Tcp {
        return match segment(input.bytes) {
            _ if !on_port || !input.at_start => Probe::No,
            Some((0xe1, _)) => Probe::Certainly(by_port(input)),
            None if input.bytes.len() < 4 => Probe::More,
            _ => Probe::No,
        };
    }
    let Some(message) = datagram(input.bytes) else { return Probe::No };
    let is_request = matches!(message.code, 1..=7);
    let role = match message.code {
        1..=7 => Role::Client,
        0 => by_port(input),
        _ => Role::Server,
    };
    let path = message.path.split_first().map_or(&[][..], |(_, path)| path);
    let is_text = !path.is_empty() && path.iter().all(u8::is_ascii_graphic);
    match on_port {
        true => Probe::Certainly(role),
        false if is_request && is_text => Probe::Perhaps(role),
        false => Probe::No,
    }
}

fn by_port(input: &ProbeInput<'_>) -> Role {
    if PORTS.contains(&input.src_port) && !PORTS.contains(&input.dst_port) {
        Role::Server
    } else {
        Role::Client
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Coap)
}

struct Coap;

impl Analyzer for Coap {
    fn data(&mut self, _: Role, bytes: &[u8], sink: &mut Sink) {
        if let Some((code, _)) = segment(bytes) {
            sink.fact(&SIGNAL, dotted(code));
        }
        sink.finish();
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let Some(message) = datagram(bytes).filter(|_| missed == 0) else { return };
        let method = match message.code {
            0 => return sink.fact(&EMPTY, Value::Yes),
            1 => "GET",
            2 => "POST",
            3 => "PUT",
            4 => "DELETE",
            5 => "FETCH",
            6 => "PATCH",
            7 => "iPATCH",
            code => return sink.fact(&RESPONSE, dotted(code)),
        };
        sink.fact(&REQUEST, Value::Word(method));
        if let Some(host) = message.host {
            sink.fact(&HOST, text(host, MAX_TEXT));
        }
        if !message.path.is_empty() {
            sink.fact(&PATH, text(&message.path, MAX_TEXT));
        }
    }
}

/// Class, dot, detail in two digits.
fn dotted(code: u8) -> Value {
    Value::Text(format!("{}.{:02}", code >> 5, code & 0x1f).into())
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, ask_udp, run, run_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    /// GET /storage/myresource of host h, token of three bytes; its answer with a payload; an acknowledgement.
    const GET: &[u8] = b"\x43\x01\x95\x23tok\x31h\x87storage\x0amyresource";
    const CONTENT: &[u8] = b"\x63\x45\x95\x23tok\xffmydata";
    const ACK: &[u8] = b"\x60\x00\x57\x0f";

    #[test]
    fn requests_and_responses_are_read() {
        let facts = run_datagrams(&DEFINITION, &[(C, GET), (S, CONTENT), (C, ACK)]);
        let told: Vec<String> =
            facts.iter().map(|fact| format!("{}={}", fact.field.name, fact.value)).collect();
        assert_eq!(
            told,
            [
                "coap.request=GET",
                "coap.host=h",
                "coap.path=/storage/myresource",
                "coap.response=2.05",
                "coap.empty=yes"
            ]
        );
        for length in 0..GET.len() {
            let _ = run_datagrams(&DEFINITION, &[(C, &GET[..length])]);
        }
        // Longer numbers and lengths: option 11 + 13 + 1 = 25 of 14 bytes.
        let long = b"\x40\x01\x00\x01\xb1a\xdd\x01\x0112345678901234";
        assert_eq!(datagram(long).unwrap().path, b"/a");
    }

    #[test]
    fn it_is_certain_on_its_port_and_may_be_elsewhere() {
        assert_eq!(ask_udp(&DEFINITION, GET, 50_000, 5683), Probe::Certainly(C));
        assert_eq!(ask_udp(&DEFINITION, CONTENT, 5683, 50_000), Probe::Certainly(S));
        assert_eq!(ask_udp(&DEFINITION, ACK, 5683, 50_000), Probe::Certainly(S));
        assert_eq!(ask_udp(&DEFINITION, GET, 50_000, 50_001), Probe::Perhaps(C));
        assert_eq!(ask_udp(&DEFINITION, CONTENT, 50_001, 50_000), Probe::No);
        // Version 2; token of nine bytes; payload mark without payload; a code that is none.
        for not in [
            &b"\x83\x01\x95\x23tok"[..],
            b"\x49\x01\x95\x23123456789",
            b"\x40\x45\x00\x01\xff",
            b"\x40\x09\0\0",
        ] {
            assert_eq!(ask_udp(&DEFINITION, not, 50_000, 5683), Probe::No, "{not:?}");
        }
    }

    #[test]
    fn over_tcp_capabilities_come_first() {
        let csm: &[u8] = b"\x30\xe1\x22\x04\x80";
        assert_eq!(ask(&DEFINITION, csm, 50_000, 5683), Probe::Certainly(C));
        assert_eq!(ask(&DEFINITION, csm, 50_000, 9), Probe::No);
        assert_eq!(ask(&DEFINITION, &csm[..1], 50_000, 5683), Probe::More);
        assert_eq!(ask(&DEFINITION, b"GET / HTTP/1.1", 50_000, 5683), Probe::No);
        let facts = run(&DEFINITION, &[(C, csm), (S, b"\x00\xe1")]);
        assert_eq!(facts.first(&SIGNAL).unwrap().value.to_string(), "7.01");
    }
}
