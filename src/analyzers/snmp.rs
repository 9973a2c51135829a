//! SNMP v1, v2c (RFC 3416, RFC 1157) and v3 (RFC 3412) over UDP.
//!
//! Read: versions, kinds of messages, whether a community is given that is not the well-known `public`, and what
//! security messages of version 3 have. Not read: objects and values; not kept: communities, names of users.

use super::ber::{self, Element};
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    VERSION = "snmp.version", "RFC 3411 section 5, RFC 1901 section 3",
        "`1`, `2c`, `3`.";
    PDU = "snmp.pdu", "RFC 3416 section 3, RFC 1157 section 4.1",
        "Kind of a message that can be read: `get`, `get-next`, `response`, `set`, `trap1`, `get-bulk`, `inform`, \
        `trap`, `report`.";
    SECURITY = "snmp.security", "RFC 3412 section 6.4",
        "Security level of a message of version 3: `none`, `authenticated`, `encrypted`.";
    COMMUNITY = "snmp.community", "RFC 1157 section 4.1, RFC 1901 section 3",
        "Which community a request or a trap gives: `public`, or `other`.";
    CREDENTIALS = "snmp.credentials", "RFC 3411 section 1.4",
        "`community`: one that is not `public`, which whoever reads it may use.";
}

/// SNMP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "snmp",
    title: "SNMP v1, v2c and v3",
    transports: &[Transport::Udp],
    ports: &[161, 162],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

/// What is read of a message.
enum Message<'a> {
    /// Version 1 or 2c: community, tag of the PDU.
    Community(&'static str, &'a [u8], u8),
    /// Version 3: flags, and the tag of the PDU if it is not encrypted.
    Secured(u8, Option<u8>),
}

/// One message and nothing after it; the PDU may be cut.
fn parse(datagram: &[u8]) -> Option<Message<'_>> {
    let mut rest = datagram;
    let mut rest = match ber::header(datagram) {
        ber::Header::Is(ber::SEQUENCE, ..) => ber::take_front(&mut rest)?.value,
        _ => return None,
    };
    let version = ber::number(ber::take_tagged(&mut rest, ber::INTEGER)?)?;
    match version {
        0 | 1 => {
            let community = ber::take_tagged(&mut rest, ber::OCTETS)?;
            let tag = pdu(&mut rest)?;
            word(tag).map(|_| Message::Community(if version == 0 { "1" } else { "2c" }, community, tag))
        }
        3 => {
            let mut header = ber::take_tagged(&mut rest, ber::SEQUENCE)?;
            ber::take_tagged(&mut header, ber::INTEGER)?;
            ber::take_tagged(&mut header, ber::INTEGER)?;
            let [flags] = ber::take_tagged(&mut header, ber::OCTETS)? else { return None };
            ber::take_tagged(&mut header, ber::INTEGER)?;
            ber::take_tagged(&mut rest, ber::OCTETS)?;
            let scoped = ber::take_front(&mut rest)?;
            let tag = if scoped.tag == ber::SEQUENCE { scoped_pdu(scoped.value) } else { None };
            matches!(scoped.tag, ber::SEQUENCE | ber::OCTETS).then_some(Message::Secured(*flags, tag))
        }
        _ => None,
    }
}

/// The tag of a PDU whose contents begin with a number, or, of a trap of version 1, with an object identifier.
fn pdu(rest: &mut &[u8]) -> Option<u8> {
    let Element { tag, value } = ber::take_front(rest)?;
    let first = if tag == 0xa4 { 0x06 } else { ber::INTEGER };
    (value.first() == Some(&first)).then_some(tag)
}

/// Engine, context, PDU.
fn scoped_pdu(mut rest: &[u8]) -> Option<u8> {
    ber::take_tagged(&mut rest, ber::OCTETS)?;
    ber::take_tagged(&mut rest, ber::OCTETS)?;
    pdu(&mut rest)
}

fn word(tag: u8) -> Option<&'static str> {
    Some(match tag {
        0xa0 => "get",
        0xa1 => "get-next",
        0xa2 => "response",
        0xa3 => "set",
        0xa4 => "trap1",
        0xa5 => "get-bulk",
        0xa6 => "inform",
        0xa7 => "trap",
        0xa8 => "report",
        _ => return None,
    })
}

/// The envelope, and that it fills the datagram; on its ports it may have been cut.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let ber::Header::Is(ber::SEQUENCE, start, length) = ber::header(input.bytes) else { return Probe::No };
    let whole = length.saturating_add(start as u64) == input.bytes.len() as u64;
    if !whole && !input.port_in(DEFINITION.ports) {
        return Probe::No;
    }
    let tag = match parse(input.bytes) {
        None => return Probe::No,
        Some(Message::Community(.., tag)) => Some(tag),
        Some(Message::Secured(_, tag)) => tag,
    };
    Probe::Certainly(match tag {
        Some(0xa2 | 0xa8) => Role::Server,
        // Notifications go to the port of whoever takes them, who serves that.
        Some(_) => Role::Client,
        None => input.role_by_port(DEFINITION.ports),
    })
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Snmp)
}

struct Snmp;

impl Analyzer for Snmp {
    fn data(&mut self, _role: Role, _bytes: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _role: Role, bytes: &[u8], _missed: u32, sink: &mut Sink) {
        let tag = match parse(bytes) {
            None => return,
            Some(Message::Community(version, community, tag)) => {
                sink.fact(&VERSION, Value::Word(version));
                let is_public = community == b"public";
                // A response only repeats it.
                if tag != 0xa2 && !community.is_empty() {
                    sink.fact(&COMMUNITY, Value::Word(if is_public { "public" } else { "other" }));
                    if !is_public {
                        sink.fact(&CREDENTIALS, Value::Word("community"));
                    }
                }
                Some(tag)
            }
            Some(Message::Secured(flags, tag)) => {
                sink.fact(&VERSION, Value::Word("3"));
                let level = match flags & 3 {
                    0 => "none",
                    1 => "authenticated",
                    _ => "encrypted",
                };
                sink.fact(&SECURITY, Value::Word(level));
                tag
            }
        };
        if let Some(word) = tag.and_then(word) {
            sink.fact(&PDU, Value::Word(word));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask_udp, list, steady_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    /// GetRequest of version 1 with the community `public`: request 1, no error, no bindings.
    const GET: &[u8] =
        b"\x30\x18\x02\x01\x00\x04\x06public\xa0\x0b\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x00";
    /// Response of version 2c with the community `s3cret`.
    const RESPONSE: &[u8] =
        b"\x30\x18\x02\x01\x01\x04\x06s3cret\xa2\x0b\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x00";
    /// Version 3: identifier, size, flags, model; security parameters; an encrypted PDU.
    const SECURED: &[u8] = b"\x30\x1a\x02\x01\x03\x30\x0d\x02\x01\x05\x02\x02\x05\xdc\x04\x01\x07\x02\x01\x03\x04\x02\x30\x00\x04\x02ab";

    #[test]
    fn versions_kinds_and_communities_are_told_apart() {
        let set = [&GET[..3], &[2, 1, 1][..1], &GET[4..]].concat();
        assert_eq!(set.len(), GET.len());
        let mut other = RESPONSE.to_vec();
        other[13] = 0xa3;
        let facts = steady_datagrams(&DEFINITION, &[(C, GET), (C, &other), (S, RESPONSE), (C, SECURED)]);
        assert_eq!(
            list(&facts),
            [
                "snmp.version=1 x1",
                "snmp.community=public x1",
                "snmp.pdu=get x1",
                "snmp.version=2c x2",
                "snmp.community=other x1",
                "snmp.credentials=community x1",
                "snmp.pdu=set x1",
                "snmp.pdu=response x1",
                "snmp.version=3 x1",
                "snmp.security=encrypted x1",
            ]
        );
    }

    #[test]
    fn what_comes_after_many_messages_is_counted_too() {
        let mut other = GET.to_vec();
        other[7] = b'x';
        let talk: Vec<_> = std::iter::repeat_n((C, GET), 300).chain([(C, &other[..])]).collect();
        let facts = super::super::talk::run_datagrams(&DEFINITION, &talk);
        assert!(list(&facts).contains(&String::from("snmp.pdu=get x301")));
        assert!(list(&facts).contains(&String::from("snmp.community=other x1")));
    }

    #[test]
    fn messages_are_recognised() {
        assert_eq!(ask_udp(&DEFINITION, GET, 50_000, 9), Probe::Certainly(C));
        assert_eq!(ask_udp(&DEFINITION, RESPONSE, 9, 50_000), Probe::Certainly(S));
        assert_eq!(ask_udp(&DEFINITION, SECURED, 161, 50_000), Probe::Certainly(S));
        let mut wrong = GET.to_vec();
        wrong[13] = 0xaf;
        for other in [&wrong[..], b"\x30\x03\x02\x01\x00", b"\x30", b""] {
            assert_eq!(ask_udp(&DEFINITION, other, 50_000, 161), Probe::No);
        }
    }
}
