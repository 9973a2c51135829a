//! DNS messages (RFC 1035 section 4): bytes to header, questions and resource records.
//!
//! Reading is lenient: what was understood before something broke is kept, together with the first [`Problem`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nom::bytes::complete::take;
use nom::number::complete::{be_u16, be_u32};
use nom::{IResult, Parser};

use super::edns::Edns;
use super::name;
use super::service::Service;
use crate::model::Value;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::analyzers) enum Problem {
    /// It ends before what its counts and lengths announce.
    Cut,
    /// A compression pointer that does not lead backwards.
    Pointer,
    /// A label of a kind that does not exist.
    Label,
    /// A name of more than 255 octets.
    LongName,
    /// A record whose content does not fit its type.
    Record,
    /// More records than are read.
    TooMany,
    /// Bytes after the last record.
    Trailing,
}

impl Problem {
    /// The word in `dns.anomaly`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Cut => "cut-short",
            Self::Pointer => "pointer-not-backwards",
            Self::Label => "unknown-label-type",
            Self::LongName => "name-too-long",
            Self::Record => "malformed-record",
            Self::TooMany => "too-many-records",
            Self::Trailing => "trailing-bytes",
        }
    }
}

/// The twelve bytes at the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u16,
    pub(super) flags: u16,
    /// Questions, answers, authority and additional records announced.
    pub(super) counts: [u16; 4],
}

impl Header {
    pub(super) fn is_response(self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub(super) fn opcode(self) -> u8 {
        (self.flags >> 11 & 0x0f) as u8
    }

    pub(super) fn is_truncated(self) -> bool {
        self.flags & 0x0200 != 0
    }

    /// The four bits in the header; EDNS may add eight more.
    pub(super) fn low_rcode(self) -> u16 {
        self.flags & 0x000f
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: Box<str>,
    pub(super) kind: u16,
    pub(super) class: u16,
}

/// Where in the message a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A resource record, with its content as far as it names something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) section: Section,
    pub(super) name: Box<str>,
    pub(super) class: u16,
    pub(super) ttl: u32,
    pub(super) data: Data,
}

/// The content of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// CNAME.
    Alias(Box<str>),
    /// PTR.
    Pointer(Box<str>),
    /// SRV, MX or NS: a host whose address may follow in the additional section.
    Host(Box<str>),
    /// SVCB or HTTPS (RFC 9460).
    Service(Service),
    /// OPT (RFC 6891).
    Edns(Edns),
    /// Anything else.
    Other,
}

/// A message as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) header: Header,
    pub(super) questions: Vec<Question>,
    /// At most [`MAX_RECORDS`].
    pub(super) records: Vec<Record>,
    /// The first thing that is wrong.
    pub(super) problem: Option<Problem>,
}

impl Message {
    /// Reads all of `bytes`; `None` if not even a header is there.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let header = header(bytes)?;
        let mut message = Self { header, questions: Vec::new(), records: Vec::new(), problem: None };
        message.problem = message.read_body(bytes).err();
        Some(message)
    }

    fn read_body(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let mut at = HEADER_LEN;
        let mut flaw = None;
        let [questions, answers, authorities, additionals] = self.header.counts;
        for _ in 0..questions {
            if self.questions.len() >= MAX_RECORDS {
                return Err(Problem::TooMany);
            }
            let (question, after) = question(bytes, at)?;
            self.questions.push(question);
            at = after;
        }
        for (section, count) in [
            (Section::Answer, answers),
            (Section::Authority, authorities),
            (Section::Additional, additionals),
        ] {
            for _ in 0..count {
                if self.records.len() >= MAX_RECORDS {
                    return Err(Problem::TooMany);
                }
                let (record, problem, after) = record(bytes, at, section)?;
                flaw = flaw.or(problem);
                self.records.push(record);
                at = after;
            }
        }
        match flaw {
            Some(problem) => Err(problem),
            None if at < bytes.len() => Err(Problem::Trailing),
            None => Ok(()),
        }
    }

    /// Whether the answer section could be read to its end.
    pub(super) fn has_all_answers(&self) -> bool {
        let read = self.records.iter().filter(|record| record.section == Section::Answer).count();
        let [_, announced, _, _] = self.header.counts;
        self.problem != Some(Problem::Cut) || read >= usize::from(announced)
    }

    /// The response code with the bits that EDNS adds (RFC 6891 section 6.1.3).
    pub(super) fn rcode(&self) -> u16 {
        let high = self.records.iter().find_map(|record| match record.data {
            Data::Edns(ref edns) => Some(edns.high_rcode),
            _ => None,
        });
        u16::from(high.unwrap_or(0)) << 4 | self.header.low_rcode()
    }
}

/// Reads the header alone.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let parsed: IResult<&[u8], _> = (be_u16, be_u16, be_u16, be_u16, be_u16, be_u16).parse(bytes);
    let (_, (id, flags, questions, answers, authorities, additionals)) = parsed.ok()?;
    Some(Header { id, flags, counts: [questions, answers, authorities, additionals] })
}

/// Reads the question at `at`, and says where the next thing begins.
pub(super) fn question(message: &[u8], at: usize) -> Result<(Question, usize), Problem> {
    let (name, at) = name::read(message, at)?;
    let (kind, class, at) = kind_and_class(message, at)?;
    Ok((Question { name, kind, class }, at))
}

/// Type and class of the question at `at`, if [`question`] can read it.
pub(super) fn asked(message: &[u8], at: usize) -> Result<(u16, u16), Problem> {
    let (kind, class, _) = kind_and_class(message, name::skip(message, at)?)?;
    Ok((kind, class))
}

fn kind_and_class(message: &[u8], at: usize) -> Result<(u16, u16, usize), Problem> {
    let (rest, (kind, class)) = fixed((be_u16, be_u16).parse(tail(message, at)))?;
    Ok((kind, class, message.len().saturating_sub(rest.len())))
}

/// Reads the record at `at`: with it, what is wrong inside its content, and where the next one begins.
fn record(message: &[u8], at: usize, section: Section) -> Result<(Record, Option<Problem>, usize), Problem> {
    let (name, at) = name::read(message, at)?;
    let (rest, (kind, class, ttl, length)) =
        fixed((be_u16, be_u16, be_u32, be_u16).parse(tail(message, at)))?;
    let start = message.len().saturating_sub(rest.len());
    let (_, content) = fixed(take(length)(rest))?;
    let after = start.saturating_add(content.len());
    let (data, problem) = match data(message, start, content, kind, class, ttl) {
        Ok(Data::Edns(edns)) if edns.malformed => (Data::Edns(edns), Some(Problem::Record)),
        Ok(data) => (data, None),
        Err(Problem::Cut) => (Data::Other, Some(Problem::Record)),
        Err(problem) => (Data::Other, Some(problem)),
    };
    Ok((Record { section, name, class, ttl, data }, problem, after))
}

/// Reads the content of a record, which begins at `start` of `message`. `Cut` means that it is too short.
fn data(
    message: &[u8],
    start: usize,
    content: &[u8],
    kind: u16,
    class: u16,
    ttl: u32,
) -> Result<Data, Problem> {
    let name_at = |offset: usize| {
        let (name, after) = name::read(message, start.saturating_add(offset))?;
        let end = start.saturating_add(content.len());
        if after > end { Err(Problem::Record) } else { Ok((name, after.saturating_sub(start))) }
    };
    Ok(match kind {
        // Dynamic update deletes with empty content of class ANY or NONE (RFC 2136 section 2.5), and asks for what is there
        // in the same way (section 2.4).
        _ if content.is_empty() && matches!(class, ANY | NONE) && kind != OPT => Data::Other,
        A => Data::Address(v4(content).ok_or(Problem::Record)?),
        AAAA => Data::Address(v6(content).ok_or(Problem::Record)?),
        _ if content.is_empty() && kind != OPT => Data::Other,
        CNAME => Data::Alias(name_at(0)?.0),
        PTR => Data::Pointer(name_at(0)?.0),
        NS => Data::Host(name_at(0)?.0),
        MX => Data::Host(name_at(2)?.0),
        SRV => Data::Host(name_at(6)?.0),
        SVCB | HTTPS => {
            let (target, params) = name_at(2)?;
            Data::Service(Service::read(target, content, params)?)
        }
        OPT => Data::Edns(Edns::read(class, ttl, content)),
        _ => Data::Other,
    })
}

pub(super) fn v4(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).ok().map(|octets| Ipv4Addr::from(octets).into())
}

pub(super) fn v6(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into())
}

pub(super) fn tail(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

/// Parsers of fixed fields fail for one reason only.
pub(super) fn fixed<T>(parsed: IResult<&[u8], T>) -> Result<(&[u8], T), Problem> {
    parsed.map_err(|_| Problem::Cut)
}

/// Splits off the message at the front of a TCP stream (RFC 1035 section 4.2.2); `None` while it is not complete.
pub(super) fn framed(stream: &[u8]) -> Option<&[u8]> {
    let parsed: IResult<&[u8], &[u8]> = nom::multi::length_data(be_u16).parse(stream);
    parsed.ok().map(|(_, message)| message)
}

/// A type's mnemonic, or `TYPE` and its number (RFC 3597 section 5).
pub(super) fn type_value(kind: u16) -> Value {
    let known = TYPES.iter().find(|(number, _)| *number == kind);
    known.map_or_else(|| Value::Text(format!("TYPE{kind}").into()), |(_, word)| Value::Word(word))
}

/// A response code's mnemonic, if it has one.
pub(super) fn rcode_word(rcode: u16) -> Option<&'static str> {
    RCODES.iter().find(|(number, _)| *number == rcode).map(|(_, word)| *word)
}

/// An operation's mnemonic.
pub(super) fn opcode_value(opcode: u8) -> Value {
    match opcode {
        0 => Value::Word("QUERY"),
        1 => Value::Word("IQUERY"),
        2 => Value::Word("STATUS"),
        4 => Value::Word("NOTIFY"),
        5 => Value::Word("UPDATE"),
        6 => Value::Word("DSO"),
        other => Value::Uint(other.into()),
    }
}

/// What DNSSEC-free UDP needs at most is far below this; zone transfers come in many messages.
pub(super) const MAX_RECORDS: usize = 1024;

/// Classes that only queries and updates have.
const NONE: u16 = 254;
const ANY: u16 = 255;

/// Length of the header.
pub(super) const HEADER_LEN: usize = 12;

/// Internet class.
pub(super) const IN: u16 = 1;

/// Type of an IPv4 address record.
const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const PTR: u16 = 12;
const MX: u16 = 15;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const OPT: u16 = 41;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;

/// IANA "DNS Resource Record (RR) TYPEs", those in use.
const TYPES: [(u16, &str); 30] = [
    (A, "A"),
    (NS, "NS"),
    (CNAME, "CNAME"),
    (6, "SOA"),
    (10, "NULL"),
    (PTR, "PTR"),
    (13, "HINFO"),
    (MX, "MX"),
    (16, "TXT"),
    (AAAA, "AAAA"),
    (SRV, "SRV"),
    (35, "NAPTR"),
    (39, "DNAME"),
    (OPT, "OPT"),
    (43, "DS"),
    (44, "SSHFP"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (50, "NSEC3"),
    (52, "TLSA"),
    (SVCB, "SVCB"),
    (HTTPS, "HTTPS"),
    (99, "SPF"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (255, "ANY"),
    (257, "CAA"),
];

/// IANA "DNS RCODEs".
const RCODES: [(u16, &str); 20] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (11, "DSOTYPENI"),
    (16, "BADVERS"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::dns::testing::{Build, label};

    #[test]
    fn a_response_is_read_section_by_section() {
        let bytes = Build::response(0x1234, 0x8180)
            .question("WWW.Example.COM", A)
            .record(1, "www.example.com", CNAME, &label("edge.example.net"))
            .record(1, "edge.example.net", A, &[192, 0, 2, 1])
            .record(2, "example.net", NS, &label("ns.example.net"))
            .record(3, "ns.example.net", AAAA, &[0x20; 16])
            .bytes();
        let message = Message::read(&bytes).unwrap();
        assert_eq!(message.problem, None);
        assert_eq!(message.header.id, 0x1234);
        assert!(message.header.is_response());
        assert_eq!(&*message.questions[0].name, "www.example.com");
        let data: Vec<_> = message.records.iter().map(|record| (record.section, &record.data)).collect();
        assert_eq!(
            data,
            [
                (Section::Answer, &Data::Alias("edge.example.net".into())),
                (Section::Answer, &Data::Address("192.0.2.1".parse().unwrap())),
                (Section::Authority, &Data::Host("ns.example.net".into())),
                (
                    Section::Additional,
                    &Data::Address("2020:2020:2020:2020:2020:2020:2020:2020".parse().unwrap())
                ),
            ]
        );
    }

    #[test]
    fn every_shorter_length_keeps_what_came_before_the_cut() {
        let bytes = Build::response(1, 0x8180)
            .question("a.example", A)
            .record(1, "a.example", A, &[192, 0, 2, 1])
            .record(1, "a.example", A, &[192, 0, 2, 2])
            .bytes();
        let record = label("a.example").len() + 10 + 4;
        for end in 0..bytes.len() {
            let Some(message) = Message::read(&bytes[..end]) else {
                assert!(end < HEADER_LEN);
                continue;
            };
            assert_eq!(message.problem, Some(Problem::Cut), "{end}");
            let due = end.saturating_sub(bytes.len() - 2 * record) / record;
            assert_eq!(message.records.len(), due, "{end}");
        }
    }

    #[test]
    fn content_that_does_not_fit_its_type_loses_that_record_only() {
        let bytes = Build::response(1, 0x8180)
            .question("a.example", A)
            .record(1, "a.example", A, &[192, 0, 2])
            .record(1, "a.example", CNAME, b"\x09too-short")
            .record(1, "a.example", A, &[192, 0, 2, 2])
            .bytes();
        let message = Message::read(&bytes).unwrap();
        assert_eq!(message.problem, Some(Problem::Record));
        let data: Vec<_> = message.records.into_iter().map(|record| record.data).collect();
        assert_eq!(data, [Data::Other, Data::Other, Data::Address("192.0.2.2".parse().unwrap())]);
    }

    #[test]
    fn counts_are_not_believed() {
        let mut bytes = Build::response(1, 0x8180).question("a.example", A).bytes();
        bytes[6..12].copy_from_slice(&[0xff; 6]);
        let message = Message::read(&bytes).unwrap();
        assert_eq!((message.records.len(), message.problem), (0, Some(Problem::Cut)));
        // The shortest record has eleven bytes: more than MAX_RECORDS of them fit into 64 KiB.
        bytes.truncate(HEADER_LEN);
        bytes[4..6].copy_from_slice(&[0, 0]);
        bytes.extend([0, 0, 0xfe, 0, 1, 0, 0, 0, 0, 0, 0].repeat(2000));
        let message = Message::read(&bytes).unwrap();
        assert_eq!((message.records.len(), message.problem), (MAX_RECORDS, Some(Problem::TooMany)));
    }

    #[test]
    fn edns_gives_size_and_upper_bits_of_the_response_code() {
        // BADVERS is 16: zero in the header, one in the OPT record.
        let bytes = Build::response(1, 0x8180)
            .question("a.example", A)
            .raw(3, &[0, 0, 41, 0x04, 0xd0, 0x01, 0, 0, 0, 0, 0])
            .bytes();
        let message = Message::read(&bytes).unwrap();
        assert_eq!(message.problem, None);
        assert_eq!(message.rcode(), 16);
        assert_eq!(rcode_word(16), Some("BADVERS"));
        assert_eq!(
            message.records[0].data,
            Data::Edns(Edns { size: 1232, high_rcode: 1, ..Edns::default() })
        );
    }

    #[test]
    fn unknown_numbers_keep_their_number() {
        assert_eq!(type_value(65280), Value::Text("TYPE65280".into()));
        assert_eq!(rcode_word(24), None);
        assert_eq!(opcode_value(15), Value::Uint(15));
    }
}
