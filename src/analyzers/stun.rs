//! STUN (RFC 8489) and TURN (RFC 8656) over UDP and TCP.
//!
//! Read: message types, the address that the server saw, error codes, software. Recognised by the magic cookie, a length
//! that is the datagram's, and attributes that fill it. What else comes in the same flow of datagrams (DTLS, RTP; RFC 7983)
//! is left to be recognised. Not read: what TURN relays, STUN without cookie (RFC 3489), user names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cutter::Cutters;
use super::{Analyzer, Class, Context, Definition, Next, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Endpoint, Transport, Value};

fields! {
    MESSAGE = "stun.message", "RFC 8489 section 5, RFC 8656 section 17",
        "Method and class of a message: `binding-request`, `binding-response`, `allocate-error`, `send-indication`, …; \
         unknown methods in hex; its count is that of the messages.";
    MAPPED_ADDRESS = "stun.mapped_address", "RFC 8489 section 14.2",
        "Address and port from which the server saw the client's request come (XOR-MAPPED-ADDRESS).";
    ERROR = "stun.error", "RFC 8489 section 14.8", "Code of an error: 401 unauthenticated, 438 stale nonce, …";
    SOFTWARE = "stun.software", "RFC 8489 section 14.14", "Software that a message names, of either side.";
}

/// STUN in the registry.
pub static DEFINITION: Definition = Definition {
    id: "stun",
    title: "STUN and TURN (RFC 8489, RFC 8656)",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Infrastructure,
    probe,
    start,
};

const PORTS: &[u16] = &[3478];
/// Type, length, cookie, transaction.
const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// What is kept of a message in a stream.
const KEPT: usize = 1024;
/// Attributes that are looked at; messages have less than twenty.
const MAX_ATTRIBUTES: usize = 64;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Indication,
    Response,
    Error,
}

/// Method and kind of a message, and how long all of it is.
fn header(bytes: &[u8]) -> Option<(u16, Kind, usize)> {
    let [a, b, c, d, cookie @ ..] = *bytes.first_chunk::<8>()?;
    let (word, length) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    if word >> 14 != 0 || length % 4 != 0 || cookie != COOKIE {
        return None;
    }
    let kind = match (word >> 8 & 1, word >> 4 & 1) {
        (0, 0) => Kind::Request,
        (0, _) => Kind::Indication,
        (_, 0) => Kind::Response,
        _ => Kind::Error,
    };
    let method = word & 0x000f | word >> 1 & 0x0070 | word >> 2 & 0x0f80;
    Some((method, kind, usize::from(length).saturating_add(HEADER)))
}

/// Type and value of each attribute; `None` where they do not fill the message.
fn attributes(message: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut rest = message.get(HEADER..)?;
    let mut list = Vec::new();
    while let Some(([a, b, c, d], behind)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let value = behind.get(..length)?;
        rest = behind.get(length.next_multiple_of(4)..)?;
        if list.len() < MAX_ATTRIBUTES {
            list.push((u16::from_be_bytes([*a, *b]), value));
        }
    }
    rest.is_empty().then_some(list)
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    if input.transport == Transport::Tcp && !input.at_start {
        return Probe::No;
    }
    let Some((method, kind, length)) = header(input.bytes) else {
        let begins = matches!(input.bytes, [] | [0 | 1] | [0 | 1, _] | [0 | 1, _, _] | [0 | 1, _, _, _]);
        return if input.transport == Transport::Tcp && input.port_in(PORTS) && begins {
            Probe::More
        } else {
            Probe::No
        };
    };
    let role = match kind {
        Kind::Request => Role::Client,
        Kind::Response | Kind::Error => Role::Server,
        // Send goes to the server, Data comes from it; Binding keeps a path open from either side.
        Kind::Indication if method == 6 => Role::Client,
        Kind::Indication if method == 7 => Role::Server,
        Kind::Indication => input.role_by_port(PORTS),
    };
    let is_whole = match input.transport {
        Transport::Udp => input.bytes.len() == length && attributes(input.bytes).is_some(),
        _ => match input.bytes.get(..length) {
            Some(message) => attributes(message).is_some(),
            None => return Probe::More,
        },
    };
    if is_whole { Probe::Certainly(role) } else { Probe::No }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Stun(Cutters::new(HEADER, KEPT)))
}

struct Stun(Cutters);

impl Analyzer for Stun {
    fn held(&self) -> usize {
        self.0.held()
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let cutter = self.0.of(role);
        while let Some(message) = cutter.next(&mut bytes, |bytes| header(bytes).map(|(.., length)| length)) {
            // What TURN relays follows its messages.
            let Ok(message) = message else { return sink.give_up() };
            observe(&message, sink);
        }
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        if header(bytes).is_some_and(|(.., length)| missed > 0 || length == bytes.len()) {
            return observe(bytes, sink);
        }
        // Channels of TURN (RFC 7983 section 7) are not for others.
        if missed == 0 && !matches!(bytes, [64..=79, ..]) {
            sink.hand_over(Next::Probe);
            sink.forward(role, bytes);
        }
    }
}

fn observe(message: &[u8], sink: &mut Sink) {
    let Some((method, kind, _)) = header(message) else { return };
    let kind = match kind {
        Kind::Request => "request",
        Kind::Indication => "indication",
        Kind::Response => "response",
        Kind::Error => "error",
    };
    let name = match method {
        0x001 => "binding",
        0x003 => "allocate",
        0x004 => "refresh",
        0x006 => "send",
        0x007 => "data",
        0x008 => "create-permission",
        0x009 => "channel-bind",
        0x00a => "connect",
        0x00b => "connection-bind",
        0x00c => "connection-attempt",
        _ => "",
    };
    let name = if name.is_empty() { format!("0x{method:03x}-{kind}") } else { format!("{name}-{kind}") };
    sink.fact(&MESSAGE, Value::Text(name.into()));
    for (kind, value) in attributes(message).unwrap_or_default() {
        match (kind, value) {
            (0x0020, value) => {
                if let Some(end) = mapped(value, message) {
                    sink.fact(&MAPPED_ADDRESS, Value::Text(end.to_string().into()));
                }
            }
            (0x0009, [_, _, class, number, ..]) => {
                let code = u64::from(class & 7).saturating_mul(100).saturating_add(u64::from(*number));
                sink.fact(&ERROR, Value::Uint(code));
            }
            (0x8022, value) if !value.is_empty() => sink.fact(&SOFTWARE, text(value, 128)),
            _ => {}
        }
    }
}

/// XOR-MAPPED-ADDRESS: the cookie, and in IPv6 the transaction behind it, lie over it.
fn mapped(value: &[u8], message: &[u8]) -> Option<Endpoint> {
    let ([_, family, hi, lo], address) = value.split_first_chunk::<4>()?;
    let [c0, c1, ..] = COOKIE;
    let port = u16::from_be_bytes([hi ^ c0, lo ^ c1]);
    let over = message.get(4..HEADER)?;
    let bytes: Vec<u8> = address.iter().zip(over).map(|(byte, over)| byte ^ over).collect();
    let ip = match (family, address.len()) {
        (1, 4) => IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?)),
        (2, 16) => IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(Endpoint { ip, port })
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, ask_udp, run, run_datagrams, run_with};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    fn message(kind: u16, attributes: &[u8]) -> Vec<u8> {
        let length = (attributes.len() as u16).to_be_bytes();
        [&kind.to_be_bytes()[..], &length, &COOKIE, b"transaction!", attributes].concat()
    }

    /// RFC 5769 section 2.2, without integrity and fingerprint: software, and 192.0.2.1:32853.
    const ATTRIBUTES: &[u8] = &[
        0x80, 0x22, 0, 0x0b, b't', b'e', b's', b't', b' ', b'v', b'e', b'c', b't', b'o', b'r', b' ', //
        0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    ];

    #[test]
    fn requests_answers_and_errors_are_read() {
        let (request, response) = (message(0x0001, &[]), message(0x0101, ATTRIBUTES));
        let error = message(0x0113, &[0, 9, 0, 4, 0, 0, 4, 1]);
        let expected = [
            "stun.message=binding-request",
            "stun.message=binding-response",
            "stun.message=allocate-error",
            "stun.mapped_address=192.0.2.1:32853",
            "stun.error=401",
            "stun.software=test vector",
        ];
        let talk: [(Role, &[u8]); 3] = [(C, &request), (S, &response), (S, &error)];
        for facts in [run_datagrams(&DEFINITION, &talk), run(&DEFINITION, &talk)] {
            let mut told: Vec<String> =
                facts.iter().map(|fact| format!("{}={}", fact.field.name, fact.value)).collect();
            let mut expected = expected.map(str::to_owned);
            told.sort();
            expected.sort();
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn an_ipv6_address_is_covered_by_the_transaction_too() {
        // RFC 5769 section 2.3.
        let transaction = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
        let value = [
            0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe,
            0xd2, 0xb9, 0xd9,
        ];
        let header = [&[1, 1, 0, 0][..], &COOKIE, &transaction].concat();
        let end = mapped(&value, &header).unwrap();
        assert_eq!(end.to_string(), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    }

    #[test]
    fn only_whole_messages_with_the_cookie_are_recognised() {
        let response = message(0x0101, ATTRIBUTES);
        assert_eq!(ask_udp(&DEFINITION, &response, 3478, 50_000), Probe::Certainly(S));
        assert_eq!(ask_udp(&DEFINITION, &response, 40_000, 50_000), Probe::Certainly(S));
        assert_eq!(ask_udp(&DEFINITION, &message(0x0016, &[]), 40_000, 50_000), Probe::Certainly(C));
        assert_eq!(ask(&DEFINITION, &response, 3478, 50_000), Probe::Certainly(S));
        for length in 0..response.len() {
            assert_eq!(ask_udp(&DEFINITION, &response[..length], 3478, 50_000), Probe::No, "{length}");
            let in_stream = ask(&DEFINITION, &response[..length], 3478, 50_000);
            assert!(matches!(in_stream, Probe::More | Probe::No), "{length}");
        }
        let mut broken = response.clone();
        broken[23] = 0x40;
        assert_eq!(ask_udp(&DEFINITION, &broken, 3478, 50_000), Probe::No);
        let mut other = response;
        other[5] ^= 1;
        assert_eq!(ask_udp(&DEFINITION, &other, 3478, 50_000), Probe::No);
    }

    #[test]
    fn what_is_no_stun_is_left_to_others() {
        let request = message(0x0001, &[]);
        let talk: [(Role, &[u8]); 3] =
            [(C, &request), (C, &[22, 0xfe, 0xff]), (S, &[0x40, 0, 0, 4, 1, 2, 3, 4])];
        let (_, sinks) = super::super::talk::play(&DEFINITION, &talk, Transport::Udp);
        let forwarded: Vec<usize> = sinks.iter().map(|sink| sink.forwarded.len()).collect();
        assert_eq!(forwarded, [0, 1, 0, 0]);
        assert!(matches!(sinks[1].next, Some(Next::Probe)));
        assert_eq!(run_with(&DEFINITION, &[(C, b"GET / HTTP/1.1\r\n\r\n......")]).0.iter().count(), 0);
    }
}
