//! Control packets: bytes to values (MQTT 5.0 sections 2 and 3, the same sections of 3.1.1, and
//! MQTT V3.1).

use nom::bytes::complete::take;
use nom::combinator::rest;
use nom::error::ErrorKind;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16};
use nom::{IResult, Parser as _};

use crate::analyzers::Role;

/// Control packet types (section 2.1.2).
pub(super) mod kind {
    /// From the client.
    pub(in super::super) const CONNECT: u8 = 1;
    /// From the server.
    pub(in super::super) const CONNACK: u8 = 2;
    /// From either.
    pub(in super::super) const PUBLISH: u8 = 3;
    /// From either.
    pub(in super::super) const PUBACK: u8 = 4;
    /// From either.
    pub(in super::super) const PUBREL: u8 = 6;
    /// From either.
    pub(in super::super) const PUBCOMP: u8 = 7;
    /// From the client.
    pub(in super::super) const SUBSCRIBE: u8 = 8;
    /// From the server.
    pub(in super::super) const SUBACK: u8 = 9;
    /// From the client.
    pub(in super::super) const UNSUBSCRIBE: u8 = 10;
    /// From the server.
    pub(in super::super) const UNSUBACK: u8 = 11;
    /// From the client.
    pub(in super::super) const PINGREQ: u8 = 12;
    /// From the server.
    pub(in super::super) const PINGRESP: u8 = 13;
    /// From the client; in MQTT 5 from either.
    pub(in super::super) const DISCONNECT: u8 = 14;
    /// From either, MQTT 5 only.
    pub(in super::super) const AUTH: u8 = 15;
}

/// The type as a word.
pub(super) fn word(kind: u8, level: Option<u8>) -> &'static str {
    match kind {
        1 => "connect",
        2 => "connack",
        3 => "publish",
        4 => "puback",
        5 => "pubrec",
        6 => "pubrel",
        7 => "pubcomp",
        8 => "subscribe",
        9 => "suback",
        10 => "unsubscribe",
        11 => "unsuback",
        12 => "pingreq",
        13 => "pingresp",
        14 => "disconnect",
        15 if level.is_none_or(|level| level >= 5) => "auth",
        _ => "reserved",
    }
}

type Parsed<'a, T> = IResult<&'a [u8], T>;

/// What a parser says of a body that ends too early or holds what must not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

fn done<T>(parsed: Parsed<'_, T>) -> Result<T, Malformed> {
    parsed.map(|(_, value)| value).map_err(|_| Malformed)
}

/// Remaining length (section 2.1.4, 1.5.5): seven bits a byte, least significant first, at most
/// four bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RemainingLength {
    value: u32,
    bytes: u8,
}

impl RemainingLength {
    /// The next byte. `Ok(Some(length))` when it was the last one; an error if a fifth would
    /// follow, or if the encoding is not the shortest.
    pub(super) fn push(&mut self, byte: u8) -> Result<Option<u32>, Malformed> {
        let shift = u32::from(self.bytes).saturating_mul(7);
        self.value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        self.bytes = self.bytes.saturating_add(1);
        if byte & 0x80 == 0 {
            return if byte == 0 && self.bytes > 1 { Err(Malformed) } else { Ok(Some(self.value)) };
        }
        if self.bytes >= 4 { Err(Malformed) } else { Ok(None) }
    }
}

/// A variable byte integer within a body.
fn variable_integer(input: &[u8]) -> Parsed<'_, u32> {
    let mut length = RemainingLength::default();
    let mut left = input;
    loop {
        let (after, byte) = be_u8(left)?;
        left = after;
        match length.push(byte) {
            Ok(Some(value)) => return Ok((left, value)),
            Ok(None) => {}
            Err(Malformed) => return Err(nom::Err::Error(nom::error::Error::new(input, ErrorKind::Verify))),
        }
    }
}

/// UTF-8 string or binary data: two bytes of length, then that many (sections 1.5.4, 1.5.6).
fn string(input: &[u8]) -> Parsed<'_, &[u8]> {
    length_data(be_u16).parse(input)
}

/// The properties of an MQTT 5 packet (section 2.2.2), unread.
fn properties(input: &[u8]) -> Parsed<'_, &[u8]> {
    length_data(variable_integer).parse(input)
}

/// Properties where the level has them.
fn properties_of(level: u8, input: &[u8]) -> Parsed<'_, &[u8]> {
    if level >= 5 { properties(input) } else { Ok((input, &[])) }
}

/// What CONNECT says (section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connect<'a> {
    pub(super) name: &'a [u8],
    /// As sent.
    pub(super) level: u8,
    pub(super) flags: u8,
    /// Seconds.
    pub(super) keep_alive: u16,
    /// `Err` if the properties before it or itself do not fit into the packet.
    pub(super) client_id: Result<&'a [u8], Malformed>,
}

impl<'a> Connect<'a> {
    /// Reads the body, up to the client identifier. The will, user name and password behind it are
    /// told by the flags and not read.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let (input, (name, level, flags, keep_alive)) = (string, be_u8, be_u8, be_u16)
            .parse(body)
            .map_err(|_: nom::Err<nom::error::Error<_>>| Malformed)?;
        let client_id =
            done((|input| properties_of(level & 0x7f, input), string).parse(input)).map(|(_, id)| id);
        Ok(Self { name, level, flags, keep_alive, client_id })
    }
}

/// What CONNACK says (section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connack<'a> {
    pub(super) flags: u8,
    pub(super) code: u8,
    pub(super) server_keep_alive: Option<u16>,
    pub(super) assigned_client_id: Option<&'a [u8]>,
}

impl<'a> Connack<'a> {
    /// Reads the body. Whether there are properties is told by its length: brokers answer a level
    /// they do not know in the form of another.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let (input, (flags, code)) =
            (be_u8, be_u8).parse(body).map_err(|_: nom::Err<nom::error::Error<_>>| Malformed)?;
        let mut connack = Self { flags, code, server_keep_alive: None, assigned_client_id: None };
        if !input.is_empty() {
            let mut left = done(properties(input))?;
            while !left.is_empty() {
                let (after, (identifier, value)) = property(left).map_err(|_| Malformed)?;
                left = after;
                match identifier {
                    0x12 => connack.assigned_client_id = done(string(value)).ok(),
                    0x13 => connack.server_keep_alive = done(be_u16::<_, nom::error::Error<_>>(value)).ok(),
                    _ => {}
                }
            }
        }
        Ok(connack)
    }
}

/// One property: its identifier and the bytes of its value (section 2.2.2.2).
fn property(input: &[u8]) -> Parsed<'_, (u8, &[u8])> {
    let (value, identifier) = be_u8(input)?;
    let (after, length) = match identifier {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => (value, 1),
        0x13 | 0x21..=0x23 => (value, 2),
        0x02 | 0x11 | 0x18 | 0x27 => (value, 4),
        0x0b => {
            let (after, _) = variable_integer(value)?;
            (value, value.len().saturating_sub(after.len()))
        }
        0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => {
            let (after, _) = string(value)?;
            (value, value.len().saturating_sub(after.len()))
        }
        0x26 => {
            let (after, _) = (string, string).parse(value)?;
            (value, value.len().saturating_sub(after.len()))
        }
        _ => return Err(nom::Err::Error(nom::error::Error::new(input, ErrorKind::Tag))),
    };
    let (after, value) = take(length)(after)?;
    Ok((after, (identifier, value)))
}

/// Topic and packet identifier of a PUBLISH (section 3.3.2); the identifier is absent with QoS 0.
pub(super) fn publish(qos: u8, body: &[u8]) -> Result<(&[u8], Option<u16>), Malformed> {
    let (input, topic) = string(body).map_err(|_| Malformed)?;
    if qos == 0 { Ok((topic, None)) } else { done(identifier(input)).map(|id| (topic, Some(id))) }
}

/// Packet identifier at the front of a body (section 2.2.1).
fn identifier(input: &[u8]) -> Parsed<'_, u16> {
    be_u16(input)
}

/// Packet identifier and reason code of PUBACK, PUBREC, PUBREL and PUBCOMP (section 3.4.2); without
/// a code it is 0, success.
pub(super) fn acknowledgement(body: &[u8]) -> Result<(u16, u8), Malformed> {
    let (input, id) = identifier(body).map_err(|_| Malformed)?;
    Ok((id, input.first().copied().unwrap_or(0)))
}

/// Packet identifier of SUBSCRIBE, UNSUBSCRIBE, SUBACK and UNSUBACK, and what follows the
/// properties.
pub(super) fn subscription(level: u8, body: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    done((identifier, |input| properties_of(level, input), rest).parse(body)).map(|(id, _, list)| (id, list))
}

/// The next topic filter of a SUBSCRIBE (followed by its options) or an UNSUBSCRIBE, and the rest.
pub(super) fn topic_filter(kind: u8, list: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let options = usize::from(kind == kind::SUBSCRIBE);
    let (after, (filter, _)) =
        (string, take(options)).parse(list).map_err(|_: nom::Err<nom::error::Error<_>>| Malformed)?;
    Ok((filter, after))
}

/// Whether the low bits of the first byte are as section 2.1.3 has them. MQTT 3.1 marks the three
/// types with an answer as QoS 1, may set DUP on them, and says nothing of the rest.
pub(super) fn flags_are_valid(kind: u8, flags: u8, level: Option<u8>) -> bool {
    let expected = match kind {
        kind::PUBLISH => return true,
        kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => 0x2,
        _ => 0,
    };
    match level {
        Some(3) => expected == 0 || flags & 0x6 == expected,
        _ => flags == expected,
    }
}

/// Whether a topic name (or, with `wildcards`, a filter) may look like this (sections 1.5.4, 4.7).
pub(super) fn is_topic(topic: &[u8], wildcards: bool) -> bool {
    std::str::from_utf8(topic).is_ok()
        && topic.iter().all(|byte| *byte != 0 && (wildcards || !matches!(byte, b'#' | b'+')))
}

/// A protocol name that is in use.
pub(super) fn is_protocol_name(name: &[u8]) -> bool {
    matches!(name, b"MQTT" | b"MQIsdp")
}

/// Who may send this type (section 2.1.2); `None` if either may.
pub(super) fn sender(kind: u8) -> Option<Role> {
    match kind {
        kind::CONNECT | kind::SUBSCRIBE | kind::UNSUBSCRIBE | kind::PINGREQ => Some(Role::Client),
        kind::CONNACK | kind::SUBACK | kind::UNSUBACK | kind::PINGRESP => Some(Role::Server),
        _ => None,
    }
}

/// Whether a control packet may begin with these flags and this length, before anything of its body
/// is seen. As [`is_plausible`], only for telling MQTT from anything else.
pub(super) fn is_plausible_header(kind: u8, flags: u8, length: u32) -> bool {
    let lengths = match kind {
        kind::CONNECT => 12..=u32::MAX,
        kind::CONNACK => 2..=u32::MAX,
        kind::PUBLISH => 3..=u32::MAX,
        // MQTT 5 may add a reason code and properties, which are short in practice.
        kind::PUBACK..=kind::PUBCOMP => 2..=512,
        kind::SUBSCRIBE | kind::UNSUBSCRIBE => 5..=u32::MAX,
        kind::SUBACK | kind::UNSUBACK => 2..=u32::MAX,
        kind::PINGREQ | kind::PINGRESP => 0..=0,
        kind::DISCONNECT => 0..=512,
        _ => return false,
    };
    lengths.contains(&length) && flags_are_valid(kind, flags, None)
}

/// Whether `body` may be all of such a control packet, or its beginning; `length` is the whole
/// length.
pub(super) fn is_plausible(kind: u8, flags: u8, length: u32, body: &[u8]) -> bool {
    let is_whole = body.len() as u64 >= u64::from(length);
    match kind {
        kind::CONNECT => Connect::parse(body).is_ok_and(|connect| is_protocol_name(connect.name)),
        kind::CONNACK => match (body, length) {
            ([flags, code], 2) => *flags <= 1 && (*code <= 5 || *code >= 0x80),
            _ => is_whole && Connack::parse(body).is_ok_and(|connack| connack.flags <= 1),
        },
        kind::PUBLISH => {
            let qos = flags >> 1 & 0x3;
            qos < 3 && publish(qos, body).is_ok_and(|(topic, _)| !topic.is_empty() && is_topic(topic, false))
        }
        kind::PUBACK..=kind::PUBCOMP => acknowledgement(body).is_ok_and(|(id, _)| id != 0),
        kind::SUBSCRIBE | kind::UNSUBSCRIBE => [4, 5].into_iter().any(|level| {
            let first =
                subscription(level, body).and_then(|(id, list)| Ok((id, topic_filter(kind, list)?.0)));
            first.is_ok_and(|(id, filter)| id != 0 && !filter.is_empty() && is_topic(filter, true))
        }),
        kind::SUBACK | kind::UNSUBACK => subscription(4, body).is_ok_and(|(id, _)| id != 0),
        kind::PINGREQ | kind::PINGRESP => true,
        kind::DISCONNECT => body.first().is_none_or(|code| matches!(code, 0 | 4 | 0x80..)),
        _ => false,
    }
}
