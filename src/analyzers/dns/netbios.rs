//! NetBIOS name service over UDP (RFC 1001, RFC 1002 section 4.2): who has which name, as old Windows networks ask it.
//!
//! The header is that of DNS; names are sixteen bytes, the last of which says what kind of thing has the name, written
//! as letters. Read are queries, registrations and their kin with the addresses that they name, and node status. Not
//! read: the list of statistics in a node status, redirections, datagrams and sessions (ports 138 and 139).

use std::net::{IpAddr, Ipv4Addr};

use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u16, be_u32};

use super::message::{self, HEADER_LEN, Header, IN, fixed, tail};
use super::name;
use crate::analyzers::{Analyzer, Class, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::text::lossless;
use crate::model::{Field, MacAddr, NameBinding, NameSource, Observation, Transport, Value};

/// NetBIOS name service.
pub static NBNS: Definition = Definition {
    id: "nbns",
    title: "NetBIOS name service (RFC 1002)",
    transports: &[Transport::Udp],
    ports: &[137],
    fields: &[&MESSAGE, &QUERY, &NAME, &STATUS_NAME, &STATUS_MAC, &RCODE, &ANOMALY],
    class: Class::Infrastructure,
    probe,
    start: |context| Box::new(NetBios { client: context.client.ip, server: context.server.ip }),
};

/// `nbns.message`.
pub static MESSAGE: Field = Field {
    name: "nbns.message",
    doc: "What a message is: query, status, registration, release, wait, refresh, multi-homed-registration, or the \
          number of its operation; with `response` behind it where it answers",
    source: "RFC 1002 sections 4.2.1.1 and 4.2.17",
};

/// `nbns.query`.
pub static QUERY: Field = Field {
    name: "nbns.query",
    doc: "Name asked for, as sent, with its kind in hex: `WORKGROUP<1d>`; `*<00>` asks for any",
    source: "RFC 1001 section 14.1, RFC 1002 section 4.2.12",
};

/// `nbns.name`.
pub static NAME: Field = Field {
    name: "nbns.name",
    doc: "Name that is given an address, by an answer or by whoever registers or refreshes it",
    source: "RFC 1002 sections 4.2.2 and 4.2.13",
};

/// `nbns.status_name`.
pub static STATUS_NAME: Field = Field {
    name: "nbns.status_name",
    doc: "Name that a host lists as its own or its group's in a node status",
    source: "RFC 1002 section 4.2.18",
};

/// `nbns.status_mac`.
pub static STATUS_MAC: Field = Field {
    name: "nbns.status_mac",
    doc: "Hardware address that a host states in a node status, where it is not zero",
    source: "RFC 1002 section 4.2.18 (UNIT_ID)",
};

/// `nbns.rcode`.
pub static RCODE: Field = Field {
    name: "nbns.rcode",
    doc: "Why a response is a refusal: format-error, server-failure, no-such-name, not-supported, refused, \
          name-is-active, name-in-conflict, or a number",
    source: "RFC 1002 section 4.2.6",
};

/// `nbns.anomaly`.
pub static ANOMALY: Field = Field {
    name: "nbns.anomaly",
    doc: "What breaks the protocol: cut-short, malformed-name",
    source: "RFC 1002 section 4.2",
};

/// A name of 32 letters A to P, of one of two types: nothing else looks like that. Whoever sends towards a group is the
/// client, as everywhere.
fn probe(input: &ProbeInput<'_>) -> Probe {
    // The first name's first label has 32 letters (RFC 1002 section 4.1), which no usual domain name's has.
    if input.bytes.get(HEADER_LEN) != Some(&32) {
        return Probe::No;
    }
    let Some(header) = message::header(input.bytes) else { return Probe::No };
    let [questions, answers, authorities, additionals] = header.counts;
    let counted = questions <= 1 && answers <= 1 && authorities <= 1 && additionals <= 1;
    let sane = header.flags & RESERVED == 0 && matches!(header.opcode(), 0 | 5..=9 | 15) && counted;
    if input.transport != Transport::Udp || !sane || questions == 0 && answers == 0 {
        return Probe::No;
    }
    // A question and a record both begin with name, type and class.
    match message::question(input.bytes, HEADER_LEN) {
        Ok((first, _))
            if matches!(first.kind, NB | NBSTAT | NULL)
                && first.class == IN
                && Name::read(&first.name).is_some() =>
        {
            Probe::Certainly(if header.is_response() { Role::Server } else { Role::Client })
        }
        _ => Probe::No,
    }
}

/// A NetBIOS name.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    /// Without the blanks behind it.
    text: String,
    /// The sixteenth byte.
    kind: u8,
}

impl Name {
    /// Reads the first label of a domain name, in lower case, as RFC 1001 section 14.1 writes names: two letters a byte.
    fn read(domain: &str) -> Option<Self> {
        let label = domain.split('.').next()?.as_bytes();
        let (pairs, []) = label.as_chunks::<2>() else { return None };
        let nibble = |letter: u8| letter.checked_sub(b'a').filter(|nibble| *nibble < 16);
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect();
        Self::of(bytes?.as_slice())
    }

    /// Of sixteen bytes.
    fn of(bytes: &[u8]) -> Option<Self> {
        let (kind, text) = bytes.split_last().filter(|(_, text)| text.len() == 15)?;
        let end =
            text.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |at| at.saturating_add(1));
        Some(Self { text: lossless(text.get(..end)?), kind: *kind })
    }

    /// `WORKGROUP<1d>`.
    fn shown(&self) -> Value {
        Value::Text(format!("{}<{:02x}>", self.text, self.kind).into())
    }

    /// Whether it is that of a computer: its workstation or its server service.
    fn is_host(&self) -> bool {
        matches!(self.kind, 0x00 | 0x20) && !self.text.is_empty() && self.text != "*"
    }
}

struct NetBios {
    client: IpAddr,
    server: IpAddr,
}

impl NetBios {
    /// Reads a message; false if it ends too early.
    fn message(&self, from: Role, bytes: &[u8], sink: &mut Sink) -> bool {
        let Some(header) = message::header(bytes) else { return false };
        let [questions, answers, authorities, additionals] = header.counts;
        let mut at = HEADER_LEN;
        let mut kind = None;
        let sender = if from == Role::Client { self.client } else { self.server };
        for _ in 0..questions.min(1) {
            let Ok((question, after)) = message::question(bytes, at) else { return false };
            kind = Some(question.kind);
            match Name::read(&question.name) {
                Some(name) if !header.is_response() && header.opcode() == 0 => {
                    sink.fact(&QUERY, name.shown());
                }
                Some(_) => {}
                None => sink.fact(&ANOMALY, Value::Word("malformed-name")),
            }
            at = after;
        }
        let records: u16 = [answers, authorities, additionals].into_iter().fold(0, u16::saturating_add);
        for _ in 0..records.min(MAX_RECORDS) {
            let Some((record, after)) = Record::read(bytes, at) else {
                sink.fact(&MESSAGE, message_value(header, kind));
                return false;
            };
            kind = kind.or(Some(record.kind));
            record.observe(header, sender, sink);
            at = after;
        }
        sink.fact(&MESSAGE, message_value(header, kind));
        if header.is_response() && header.low_rcode() != 0 {
            sink.fact(&RCODE, rcode_value(header.low_rcode()));
        }
        true
    }
}

struct Record<'a> {
    name: Box<str>,
    kind: u16,
    content: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at `at`, and where the next one begins.
    fn read(bytes: &'a [u8], at: usize) -> Option<(Self, usize)> {
        let (name, at) = name::read(bytes, at).ok()?;
        let (rest, (kind, _, _, length)) =
            fixed((be_u16, be_u16, be_u32, be_u16).parse(tail(bytes, at))).ok()?;
        let (rest, content) = fixed(take(length)(rest)).ok()?;
        Some((Self { name, kind, content }, bytes.len().saturating_sub(rest.len())))
    }

    fn observe(&self, header: Header, sender: IpAddr, sink: &mut Sink) {
        match self.kind {
            NBSTAT => status(self.content, sender, sink),
            NB if header.is_response() && header.opcode() != 0 => {}
            NB => {
                let Some(name) = Name::read(&self.name) else {
                    return sink.fact(&ANOMALY, Value::Word("malformed-name"));
                };
                // A release says that the name has the address no longer.
                if header.low_rcode() != 0 || header.opcode() == RELEASE || self.content.is_empty() {
                    return;
                }
                sink.fact(&NAME, name.shown());
                for entry in self.content.as_chunks::<6>().0.iter().take(MAX_ADDRESSES) {
                    let [flags, _, ip @ ..] = *entry;
                    // A group's name is nobody's own.
                    if flags & GROUP == 0 && name.is_host() {
                        named(&name, Ipv4Addr::from(ip), sink);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The names of a host's table: each of sixteen bytes and flags; then its hardware address.
fn status(content: &[u8], sender: IpAddr, sink: &mut Sink) {
    let Some((count, table)) = content.split_first() else { return };
    let length = usize::from(*count).saturating_mul(18);
    for entry in table.get(..length).unwrap_or(table).as_chunks::<18>().0 {
        let [name @ .., flags, _] = entry;
        let Some(name) = Name::of(name) else { continue };
        sink.fact(&STATUS_NAME, name.shown());
        if flags & GROUP == 0 && name.is_host() {
            announced(&name, sender, sink);
        }
    }
    let mac = table.get(length..).and_then(|rest| rest.first_chunk::<6>()).map(|octets| MacAddr(*octets));
    if let Some(mac) = mac.filter(|mac| mac.0 != [0; 6]) {
        sink.fact(&STATUS_MAC, Value::Text(mac.to_string().into()));
    }
}

/// Somebody says that the host `name` is at `ip`.
fn named(name: &Name, ip: Ipv4Addr, sink: &mut Sink) {
    if ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() {
        return;
    }
    let seen = sink.seen;
    sink.observe(Observation::Name(Box::new(NameBinding {
        name: name.text.to_ascii_lowercase().into(),
        aliases: Vec::new(),
        address: ip.into(),
        source: NameSource::Netbios,
        asked_by: None,
        seen: Some(seen),
    })));
    announced(name, ip.into(), sink);
}

fn announced(name: &Name, ip: IpAddr, sink: &mut Sink) {
    let (kind, seen) = (TraitKind::Announced(name.text.as_str().into()), sink.seen);
    sink.observe(Observation::Host(Box::new(HostTrait { mac: None, ip: Some(ip), kind, seen })));
}

impl Analyzer for NetBios {
    /// Not called: it runs on UDP.
    fn data(&mut self, _role: Role, _bytes: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        if !self.message(role, bytes, sink) && missed == 0 {
            sink.fact(&ANOMALY, Value::Word("cut-short"));
        }
    }
}

fn message_value(header: Header, kind: Option<u16>) -> Value {
    let words = match header.opcode() {
        0 if kind == Some(NBSTAT) => ["status", "status response"],
        0 => ["query", "query response"],
        5 => ["registration", "registration response"],
        RELEASE => ["release", "release response"],
        7 => ["wait", "wait response"],
        // Both numbers are in use: the standard says 9, and its own example 8.
        8 | 9 => ["refresh", "refresh response"],
        15 => ["multi-homed-registration", "multi-homed-registration response"],
        other => return Value::Uint(other.into()),
    };
    let [asks, answers] = words;
    Value::Word(if header.is_response() { answers } else { asks })
}

fn rcode_value(rcode: u16) -> Value {
    Value::Word(match rcode {
        1 => "format-error",
        2 => "server-failure",
        3 => "no-such-name",
        4 => "not-supported",
        5 => "refused",
        6 => "name-is-active",
        7 => "name-in-conflict",
        other => return Value::Uint(other.into()),
    })
}

/// Types of questions and records.
const NB: u16 = 0x20;
const NBSTAT: u16 = 0x21;
/// What a negative answer may have instead.
const NULL: u16 = 0x0a;

const RELEASE: u8 = 6;

/// Flag bits that must be zero.
const RESERVED: u16 = 0x0060;

/// A name is that of a group.
const GROUP: u8 = 0x80;

/// Records read of a message; those that are specified have one.
const MAX_RECORDS: u16 = 3;

/// Addresses read of a record.
const MAX_ADDRESSES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::Context;
    use crate::analyzers::dns::testing::seen;
    use crate::model::Endpoint;

    /// A name in wire form.
    fn wire(name: &str, kind: u8) -> Vec<u8> {
        let mut bytes: Vec<u8> = name.bytes().collect();
        bytes.resize(15, b' ');
        bytes.push(kind);
        let letters = bytes.iter().flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 15)]);
        [&[32], letters.collect::<Vec<u8>>().as_slice(), &[0]].concat()
    }

    fn header(flags: u16, counts: [u8; 4]) -> Vec<u8> {
        let [a, b] = flags.to_be_bytes();
        let mut bytes = vec![0x80, 0x01, a, b];
        bytes.extend(counts.into_iter().flat_map(|count| [0, count]));
        bytes
    }

    /// A broadcast query for a master browser.
    fn query() -> Vec<u8> {
        [header(0x0110, [1, 0, 0, 0]), wire("WORKGROUP", 0x1d), vec![0, 0x20, 0, 1]].concat()
    }

    /// A registration: the question, and the record with a pointer to its name.
    fn registration(flags: u8) -> Vec<u8> {
        [
            header(0x2910, [1, 0, 0, 1]),
            wire("LAMP", 0x00),
            vec![0, 0x20, 0, 1],
            vec![0xc0, 0x0c, 0, 0x20, 0, 1, 0, 4, 0x93, 0xe0, 0, 6, flags, 0, 192, 0, 2, 7],
        ]
        .concat()
    }

    fn status() -> Vec<u8> {
        let mut content = vec![2];
        content.extend(b"LAMP           \x20\x04\x00");
        content.extend(b"WORKGROUP      \x00\x84\x00");
        content.extend([2, 0, 0x5e, 0x10, 0, 1]);
        content.resize(content.len() + 40, 0);
        let mut bytes = header(0x8400, [0, 1, 0, 0]);
        bytes.extend(wire("*", 0));
        bytes.extend([0, 0x21, 0, 1, 0, 0, 0, 0, 0, content.len() as u8]);
        bytes.extend(content);
        bytes
    }

    fn run(from: Role, bytes: &[u8], missed: u32) -> Vec<String> {
        let end = |ip: &str| Endpoint { ip: ip.parse().unwrap(), port: 137 };
        let (client, server) = (end("192.0.2.7"), end("192.0.2.9"));
        let mut analyzer = (NBNS.start)(&Context {
            transport: Transport::Udp,
            client,
            server,
            from_start: true,
            secrets: None,
        });
        let mut sink = Sink::new(seen(1));
        analyzer.datagram(from, bytes, missed, &mut sink);
        let shown = sink.observations.into_iter().map(|(_, observation)| match observation {
            Observation::Fact(field, value) => format!("{}={value}", field.name),
            Observation::Name(binding) => format!("{} {} {}", binding.source, binding.name, binding.address),
            Observation::Host(host) => format!("{:?} at {}", host.kind, host.ip.unwrap()),
            other @ Observation::Coming(_) => panic!("{other:?}"),
        });
        shown.collect()
    }

    fn probe_at(bytes: &[u8], port: u16) -> Probe {
        probe(&ProbeInput {
            bytes,
            transport: Transport::Udp,
            src_port: port,
            dst_port: port,
            at_start: true,
        })
    }

    #[test]
    fn queries_tell_what_they_ask_for() {
        assert_eq!(run(Role::Client, &query(), 0), ["nbns.query=WORKGROUP<1d>", "nbns.message=query"]);
    }

    #[test]
    fn registrations_name_the_sender_unless_the_name_is_a_groups() {
        assert_eq!(
            run(Role::Client, &registration(0), 0),
            [
                "nbns.name=LAMP<00>",
                "netbios lamp 192.0.2.7",
                "Announced(\"LAMP\") at 192.0.2.7",
                "nbns.message=registration",
            ]
        );
        assert_eq!(
            run(Role::Client, &registration(0x80), 0),
            ["nbns.name=LAMP<00>", "nbns.message=registration"]
        );
    }

    #[test]
    fn a_node_status_lists_names_and_the_hardware_address() {
        assert_eq!(
            run(Role::Server, &status(), 0),
            [
                "nbns.status_name=LAMP<20>",
                "Announced(\"LAMP\") at 192.0.2.9",
                "nbns.status_name=WORKGROUP<00>",
                "nbns.status_mac=02:00:5e:10:00:01",
                "nbns.message=status response",
            ]
        );
    }

    #[test]
    fn refusals_name_nothing() {
        let mut bytes = header(0x8583, [0, 1, 0, 0]);
        bytes.extend(wire("LAMP", 0x20));
        bytes.extend([0, 0x0a, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(probe_at(&bytes, 137), Probe::Certainly(Role::Server));
        assert_eq!(run(Role::Server, &bytes, 0), ["nbns.message=query response", "nbns.rcode=no-such-name"]);
    }

    #[test]
    fn names_are_recognised_on_any_port_and_whole_only() {
        for (bytes, role) in
            [(query(), Role::Client), (registration(0), Role::Client), (status(), Role::Server)]
        {
            assert_eq!(probe_at(&bytes, 137), Probe::Certainly(role));
            assert_eq!(probe_at(&bytes, 40000), Probe::Certainly(role));
            for end in 0..50 {
                assert_eq!(probe_at(&bytes[..end], 137), Probe::No, "{end}");
            }
        }
        let mut other = query();
        other[14] = b'Q';
        assert_eq!(probe_at(&other, 137), Probe::No);
        assert_eq!(probe_at(&[0; 60], 137), Probe::No);
        assert_eq!(probe_at(&[0xff; 60], 137), Probe::No);
    }

    #[test]
    fn what_is_cut_anywhere_says_no_more_than_the_whole() {
        for bytes in [query(), registration(0), status()] {
            let whole = run(Role::Server, &bytes, 0);
            for end in 0..bytes.len() {
                let part = run(Role::Server, &bytes[..end], 1);
                assert!(
                    part.iter().all(|line| whole.contains(line) || line.starts_with("nbns.message")),
                    "{end}"
                );
                assert!(
                    run(Role::Server, &bytes[..end], 0).contains(&String::from("nbns.anomaly=cut-short"))
                );
            }
        }
    }

    #[test]
    fn every_byte_may_be_any_byte() {
        for message in [registration(0), status()] {
            for at in 0..message.len() {
                for value in 0..=255 {
                    let mut bent = message.clone();
                    bent[at] = value;
                    probe_at(&bent, 137);
                    assert!(run(Role::Client, &bent, 0).len() < 20, "byte {at} is {value}");
                }
            }
        }
    }
}
