//! OPC UA over TCP (OPC 10000-6 section 7.1): connection protocol and the opening of the secure
//! channel.
//!
//! Read: Hello, Acknowledge, Error and ReverseHello, and of OpenSecureChannel the security policy,
//! which is in the clear (section 6.7.2.3), and the security mode asked for where the policy is `None`:
//! any other policy encrypts it. Not read: what the channel carries.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Field, Transport, Value};

/// Endpoint.
pub static ENDPOINT: Field = Field {
    name: "opcua.endpoint",
    doc: "URL of the endpoint that the client asks for: `opc.tcp://host:4840/path`.",
    source: "OPC 10000-6 section 7.1.2.3",
};
/// Acknowledge.
pub static ACCEPTED: Field = Field {
    name: "opcua.accepted",
    doc: "The server acknowledged the client's Hello.",
    source: "OPC 10000-6 section 7.1.2.4",
};
/// Error.
pub static ERROR: Field = Field {
    name: "opcua.error",
    doc: "Status code of an Error message, which ends the connection (0x80820000 and more).",
    source: "OPC 10000-6 sections 7.1.2.5 and 7.1.5",
};
/// Security policy.
pub static SECURITY_POLICY: Field = Field {
    name: "opcua.security_policy",
    doc: "URI of the security policy with which the client opens the channel; it ends in `#None` where \
          nothing is secured.",
    source: "OPC 10000-6 section 6.7.2.3",
};
/// Security mode.
pub static SECURITY_MODE: Field = Field {
    name: "opcua.security_mode",
    doc: "Security mode that the client asks for: `none`, `sign`, `sign-and-encrypt`, `invalid`. Visible only with the \
          security policy `None`, which goes with `none`.",
    source: "OPC 10000-4 sections 5.5.2 and 7.20",
};
/// Channel open.
pub static OPENED: Field = Field {
    name: "opcua.opened",
    doc: "The server opened the secure channel.",
    source: "OPC 10000-6 section 6.7.4",
};
/// Broken framing.
pub static ANOMALY: Field = Field {
    name: "opcua.anomaly",
    doc: "Bytes that break the protocol: `header`.",
    source: "OPC 10000-6 section 7.1.2.2",
};

/// OPC UA in the registry.
pub static DEFINITION: Definition = Definition {
    id: "opcua",
    title: "OPC UA over TCP (OPC 10000-6)",
    transports: &[Transport::Tcp],
    ports: &[PORT],
    fields: &[&ENDPOINT, &ACCEPTED, &ERROR, &SECURITY_POLICY, &SECURITY_MODE, &OPENED, &ANOMALY],
    class: Class::Readable,
    probe,
    start,
};

const PORT: u16 = 4840;
/// Type, chunk type, size.
const HEADER: usize = 8;
/// What is read of a message: policies and URLs have at most 255 and 4096 bytes.
const MAX_READ: usize = 4096 + 64;
/// Longest message before the sizes are agreed on; later only headers are read.
const MAX_SIZE: u32 = 1 << 24;

/// A Hello, Acknowledge or ReverseHello where the stream begins; elsewhere the header of any later
/// message.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start {
        return midstream(input);
    }
    // Least size: header and the fixed fields, strings of length zero (section 7.1.2).
    for (start, role, least) in
        [(b"HELF", Role::Client, 32), (b"ACKF", Role::Server, 28), (b"RHEF", Role::Server, 16)]
    {
        let length = input.bytes.len().min(start.len());
        if input.bytes.get(..length) != start.get(..length) {
            continue;
        }
        let Some([_, _, _, _, a, b, c, d]) = input.bytes.first_chunk::<HEADER>().copied() else {
            return Probe::More;
        };
        let size = u32::from_le_bytes([a, b, c, d]);
        return if (least..=0x1_0000).contains(&size) { Probe::Certainly(role) } else { Probe::No };
    }
    Probe::No
}

/// A message of an open channel: its header and the identifier of the channel (section 6.7.2.2).
fn midstream(input: &ProbeInput<'_>) -> Probe {
    let Some([a, b, c, chunk, size @ ..]) = input.bytes.first_chunk::<HEADER>() else { return Probe::No };
    let kind = matches!([*a, *b, *c], [b'M', b'S', b'G'] | [b'O', b'P', b'N'] | [b'C', b'L', b'O']);
    let size = u32::from_le_bytes(*size);
    if !kind || !matches!(chunk, b'F' | b'C' | b'A') || !(12..MAX_SIZE).contains(&size) {
        return Probe::No;
    }
    let server = match (input.src_port == PORT, input.dst_port == PORT) {
        (true, false) => true,
        (false, true) => false,
        _ => input.src_port < input.dst_port,
    };
    Probe::Certainly(if server { Role::Server } else { Role::Client })
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(OpcUa { client: Side::default(), server: Side::default() })
}

/// Cuts one direction into messages.
#[derive(Debug, Default)]
struct Side {
    /// The message so far, at most [`MAX_READ`].
    message: Vec<u8>,
    /// Bytes of it seen so far.
    have: u32,
}

struct OpcUa {
    client: Side,
    server: Side,
}

impl Side {
    /// Takes bytes of one message from the front of `input`: `Some(Ok)` when it is complete,
    /// `Some(Err)` when its header is none.
    fn next(&mut self, input: &mut &[u8]) -> Option<Result<Vec<u8>, ()>> {
        loop {
            let whole = match self.message.first_chunk::<HEADER>() {
                None => HEADER as u32,
                Some([_, _, _, chunk, a, b, c, d]) => {
                    let size = u32::from_le_bytes([*a, *b, *c, *d]);
                    if !matches!(chunk, b'F' | b'C' | b'A') || size < HEADER as u32 || size > MAX_SIZE {
                        return Some(Err(()));
                    }
                    size
                }
            };
            let wanted = whole.saturating_sub(self.have) as usize;
            let (bytes, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
            *input = rest;
            let room = MAX_READ.saturating_sub(self.message.len());
            self.message.extend(bytes.iter().take(room));
            self.have = self.have.saturating_add(bytes.len() as u32);
            if self.have < whole {
                return None;
            }
            if self.message.len() > HEADER || bytes.is_empty() {
                return Some(Ok(std::mem::take(self).message));
            }
        }
    }
}

/// The string at `at`: a length of four bytes, then UTF-8 (section 5.2.2.4).
fn string(message: &[u8], at: usize) -> Option<&[u8]> {
    let (length, text) = message.get(at..)?.split_first_chunk::<4>()?;
    text.get(..u32::from_le_bytes(*length) as usize)
}

/// The mode in the clear body of an OpenSecureChannel request (OPC 10000-4 section 5.5.2, OPC 10000-6 section 5.2).
fn mode(message: &[u8]) -> Option<&'static str> {
    // Security policy, certificate and thumbprint; sequence number and request.
    let mut rest = message.get(HEADER + 4..)?;
    for _ in 0..3 {
        skip_string(&mut rest)?;
    }
    rest = rest.get(8..)?;
    // The type of the body: request 446 of namespace 0.
    rest = rest.strip_prefix(&[1, 0, 0xbe, 0x01])?;
    // Request header: token, time, handle, diagnostics, audit entry, time-out hint, more.
    skip_node(&mut rest)?;
    rest = rest.get(16..)?;
    skip_string(&mut rest)?;
    rest = rest.get(4..)?;
    skip_node(&mut rest)?;
    let (encoding, after) = rest.split_first()?;
    rest = after;
    if *encoding != 0 {
        skip_string(&mut rest)?;
    }
    // Protocol version and kind of request come first.
    let mode = rest.get(8..)?.first_chunk::<4>()?;
    Some(match u32::from_le_bytes(*mode) {
        0 => "invalid",
        1 => "none",
        2 => "sign",
        3 => "sign-and-encrypt",
        _ => return None,
    })
}

/// A string, which may be null: length -1.
fn skip_string(rest: &mut &[u8]) -> Option<()> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = if *length == [0xff; 4] { 0 } else { usize::try_from(u32::from_le_bytes(*length)).ok()? };
    *rest = after.get(length..)?;
    Some(())
}

/// A node identifier of any encoding (OPC 10000-6 section 5.2.2.9).
fn skip_node(rest: &mut &[u8]) -> Option<()> {
    let (encoding, after) = rest.split_first()?;
    let fixed = match encoding {
        0 => 1,
        1 => 3,
        2 => 6,
        3 | 5 => 2,
        4 => 18,
        _ => return None,
    };
    *rest = after.get(fixed..)?;
    if matches!(encoding, 3 | 5) { skip_string(rest) } else { Some(()) }
}

impl Analyzer for OpcUa {
    fn held(&self) -> usize {
        self.client.message.capacity().saturating_add(self.server.message.capacity())
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        while !sink.done {
            let side = if role == Role::Client { &mut self.client } else { &mut self.server };
            let Some(message) = side.next(&mut bytes) else { return };
            let Ok(message) = message else {
                sink.broken(&ANOMALY, "header");
                return sink.give_up();
            };
            match (message.get(..3).unwrap_or_default(), role) {
                // Five numbers come before the URL.
                (b"HEL", _) => {
                    if let Some(url) = string(&message, HEADER + 20) {
                        sink.fact(&ENDPOINT, Value::text(url));
                    }
                }
                (b"ACK", _) => sink.fact(&ACCEPTED, Value::Yes),
                (b"ERR", _) => {
                    if let Some(code) = message.get(HEADER..).and_then(<[u8]>::first_chunk::<4>) {
                        sink.fact(&ERROR, Value::Uint(u64::from(u32::from_le_bytes(*code))));
                    }
                }
                // The channel's identifier comes before the policy.
                (b"OPN", Role::Client) => {
                    if let Some(policy) = string(&message, HEADER + 4) {
                        sink.fact(&SECURITY_POLICY, Value::text(policy));
                        if let Some(mode) = mode(&message).filter(|_| policy.ends_with(b"#None")) {
                            sink.fact(&SECURITY_MODE, Value::Word(mode));
                        }
                    }
                }
                (b"OPN", Role::Server) => {
                    sink.fact(&OPENED, Value::Yes);
                    sink.finish();
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, run};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    fn message(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        let size = (body.len() as u32 + 8).to_le_bytes();
        [&kind[..], &size, body].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn hello() -> Vec<u8> {
        message(*b"HELF", &[&[0; 20][..], &text("opc.tcp://plc.example:4840/")].concat())
    }

    const POLICY: &str = "http://opcfoundation.org/UA/SecurityPolicy#None";

    #[test]
    fn endpoint_and_policy_are_read_however_they_are_cut() {
        let open = message(*b"OPNF", &[&[0; 4][..], &text(POLICY), &[0xff; 8], &[0; 40]].concat());
        let asked = [hello(), open].concat();
        let told = [message(*b"ACKF", &[0; 20]), message(*b"OPNF", &[1; 60])].concat();
        for size in 1..asked.len() {
            let mut talk: Vec<(Role, &[u8])> = asked.chunks(size).map(|part| (C, part)).collect();
            talk.extend(told.chunks(size).map(|part| (S, part)));
            let facts = run(&DEFINITION, &talk);
            assert_eq!(facts.first(&ENDPOINT).unwrap().value.to_string(), "opc.tcp://plc.example:4840/");
            assert_eq!(facts.first(&SECURITY_POLICY).unwrap().value.to_string(), POLICY);
            assert!(facts.has(&ACCEPTED) && facts.has(&OPENED) && !facts.has(&ANOMALY));
        }
    }

    #[test]
    fn the_mode_is_read_where_it_is_in_the_clear() {
        // As open62541 asks: null certificate and thumbprint, numbers of the sequence, request 446, a header, version 0,
        // issue, mode 1, null nonce, an hour.
        let body = |policy: &str, mode: u8| {
            let security = [&[0; 4][..], &text(policy), &[0xff; 8], &[1, 0, 0, 0, 1, 0, 0, 0]].concat();
            let header = [&[0, 0][..], &[7; 16], &[0xff; 4], &[0x10, 0x27, 0, 0], &[0, 0, 0]].concat();
            let asked = [&[0; 8][..], &[mode, 0, 0, 0], &[0xff; 4], &[0x80, 0xee, 0x36, 0]].concat();
            message(*b"OPNF", &[security, vec![1, 0, 0xbe, 1], header, asked].concat())
        };
        let mode = |policy, mode| {
            let facts = run(&DEFINITION, &[(C, &hello()), (C, &body(policy, mode))]);
            facts.first(&SECURITY_MODE).map(|fact| fact.value.to_string())
        };
        assert_eq!(mode(POLICY, 1), Some("none".into()));
        assert_eq!(mode(POLICY, 3), Some("sign-and-encrypt".into()));
        assert_eq!(mode(POLICY, 9), None);
        assert_eq!(mode("http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256", 1), None);
        let whole = body(POLICY, 1);
        for length in HEADER..whole.len() - 12 {
            assert_eq!(super::mode(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_channel_joined_midstream_is_recognised() {
        let ask = |bytes: &[u8]| {
            probe(&ProbeInput {
                bytes,
                transport: Transport::Tcp,
                src_port: 4840,
                dst_port: 5,
                at_start: false,
            })
        };
        assert_eq!(ask(&message(*b"MSGF", &[0; 16])), Probe::Certainly(S));
        assert_eq!(ask(b"MSGF    "), Probe::No);
        assert_eq!(ask(b"MSGX\x20\x00\x00\x00"), Probe::No);
    }

    #[test]
    fn a_refusal_has_its_code() {
        let error = message(*b"ERRF", &[&0x8083_0000_u32.to_le_bytes()[..], &[0xff; 4]].concat());
        let facts = run(&DEFINITION, &[(C, &hello()), (S, &error)]);
        assert_eq!(facts.first(&ERROR).unwrap().value, Value::Uint(0x8083_0000));
        assert!(!facts.has(&ACCEPTED));
    }

    #[test]
    fn a_size_below_the_header_ends_it() {
        let facts = run(&DEFINITION, &[(C, &hello()), (C, b"MSGF\x02\x00\x00\x00")]);
        assert!(facts.has(&ANOMALY));
    }

    #[test]
    fn the_hello_is_recognised() {
        let hello = hello();
        for length in 0..8 {
            assert_eq!(ask(&DEFINITION, &hello[..length], 50_000, 4840), Probe::More, "{length}");
        }
        assert_eq!(ask(&DEFINITION, &hello, 50_000, 4840), Probe::Certainly(C));
        assert_eq!(ask(&DEFINITION, &message(*b"ACKF", &[0; 20]), 4840, 50_000), Probe::Certainly(S));
        assert_eq!(ask(&DEFINITION, b"HELFIRE!\r\n", 50_000, 4840), Probe::No);
        assert_eq!(ask(&DEFINITION, b"HELP", 50_000, 4840), Probe::No);
    }
}
