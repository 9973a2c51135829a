//! BACnet/IP (ANSI/ASHRAE 135 annex J): BVLC over UDP, the network layer as far as needed to find
//! the application message, and what kind of message that is.
//!
//! Read: BVLC function (J.2), network message or application message (6.2), type of the latter and
//! its service (20.1), and who an I-Am says it is (16.10). Not read: other objects, properties, segments,
//! BACnet/IPv6 (annex U) and secure connect.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Field, Transport, Value};

/// BVLC functions.
pub static FUNCTION: Field = Field {
    name: "bacnet.function",
    doc: "BVLC function (0x0a original unicast, 0x0b original broadcast, 0x05 register foreign device, …).",
    source: "ANSI/ASHRAE 135 annex J.2",
};
/// Unconfirmed services.
pub static UNCONFIRMED: Field = Field {
    name: "bacnet.unconfirmed",
    doc: "Service choice of an unconfirmed request (0 I-Am, 8 Who-Is, …).",
    source: "ANSI/ASHRAE 135 clauses 20.1.3 and 21",
};
/// Confirmed services.
pub static CONFIRMED: Field = Field {
    name: "bacnet.confirmed",
    doc: "Service choice of a confirmed request (12 ReadProperty, 15 WriteProperty, …).",
    source: "ANSI/ASHRAE 135 clauses 20.1.2 and 21",
};
/// Acknowledgements.
pub static ACKNOWLEDGED: Field = Field {
    name: "bacnet.acknowledged",
    doc: "Service choice of a confirmed request that was carried out (simple or complex acknowledgement).",
    source: "ANSI/ASHRAE 135 clauses 20.1.4 and 20.1.5",
};
/// Refusals.
pub static REFUSED: Field = Field {
    name: "bacnet.refused",
    doc: "How a confirmed request was refused: `error`, `reject`, `abort`.",
    source: "ANSI/ASHRAE 135 clauses 20.1.7 to 20.1.9",
};
/// Device.
pub static DEVICE: Field = Field {
    name: "bacnet.device",
    doc: "Instance number of the device that an I-Am is from.",
    source: "ANSI/ASHRAE 135 clause 16.10.2",
};
/// Vendor.
pub static VENDOR: Field = Field {
    name: "bacnet.vendor",
    doc: "Vendor identifier in an I-Am, as assigned by ASHRAE.",
    source: "ANSI/ASHRAE 135 clause 16.10.2",
};
/// Network layer messages.
pub static NETWORK_MESSAGE: Field = Field {
    name: "bacnet.network_message",
    doc: "Type of a network layer message (0 Who-Is-Router-To-Network, …).",
    source: "ANSI/ASHRAE 135 clause 6.2.4",
};

/// BACnet/IP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "bacnet",
    title: "BACnet/IP (ANSI/ASHRAE 135 annex J)",
    transports: &[Transport::Udp],
    ports: PORTS,
    fields: &[
        &FUNCTION,
        &UNCONFIRMED,
        &CONFIRMED,
        &ACKNOWLEDGED,
        &REFUSED,
        &DEVICE,
        &VENDOR,
        &NETWORK_MESSAGE,
    ],
    class: Class::Readable,
    probe,
    start,
};

/// 0xBAC0 and those after it, for several networks on one wire.
const PORTS: &[u16] = &[
    0xbac0, 0xbac1, 0xbac2, 0xbac3, 0xbac4, 0xbac5, 0xbac6, 0xbac7, 0xbac8, 0xbac9, 0xbaca, 0xbacb, 0xbacc,
    0xbacd, 0xbace, 0xbacf,
];
/// Service choice of I-Am.
const I_AM: u8 = 0;
/// BVLC type of BACnet/IP.
const BVLC: u8 = 0x81;

/// What a datagram holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    /// Nothing above BVLC.
    Bvlc,
    Network(u8),
    Confirmed(u8),
    /// Device and vendor.
    IAm(u32, Option<u16>),
    Unconfirmed(u8),
    Acknowledged(u8),
    Refused(&'static str),
    /// Segment acknowledgements, and what the snap length cut.
    Other,
}

/// BVLC type, a length that is the datagram's, and a network layer of version 1 where there must be
/// one.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let Some((_, message)) = read(input.bytes).filter(|_| !is_longer(input.bytes)) else { return Probe::No };
    let length_fits = matches!(*input.bytes, [_, _, hi, lo, ..]
        if usize::from(u16::from_be_bytes([hi, lo])) == input.bytes.len());
    if !length_fits && !input.port_in(PORTS) {
        return Probe::No;
    }
    let role = match message {
        Message::Acknowledged(_) | Message::Refused(_) => Role::Server,
        _ => Role::Client,
    };
    // Four bytes that agree with each other and nothing behind them that could not be anything.
    let bare = matches!(message, Message::Bvlc | Message::Other) && !input.port_in(PORTS);
    if bare { Probe::Perhaps(role) } else { Probe::Certainly(role) }
}

/// Whether a datagram is longer than its message says it is.
fn is_longer(bytes: &[u8]) -> bool {
    matches!(*bytes, [_, _, hi, lo, ..] if usize::from(u16::from_be_bytes([hi, lo])) < bytes.len())
}

/// BVLC function and message of a datagram that may be cut; `None` if it is no BACnet/IP.
fn read(bytes: &[u8]) -> Option<(u8, Message)> {
    let ([BVLC, function @ 0..=0x0c, hi, lo], rest) = bytes.split_first_chunk::<4>()? else { return None };
    // What follows the message in its datagram is nobody's.
    let length = usize::from(u16::from_be_bytes([*hi, *lo])).checked_sub(4)?;
    let rest = rest.get(..length).unwrap_or(rest);
    let network = match function {
        // Forwarded: the address of who sent it comes first (J.2.5).
        0x04 => rest.get(6..)?,
        0x09..=0x0b => rest,
        _ => return Some((*function, Message::Bvlc)),
    };
    let ([1, control], rest) = network.split_first_chunk::<2>()? else { return None };
    Some((*function, application(*control, rest).unwrap_or(Message::Other)))
}

/// What follows the control octet of the network layer (clause 6.2.2).
fn application(control: u8, rest: &[u8]) -> Option<Message> {
    let (destination, source) = (control & 0x20 != 0, control & 0x08 != 0);
    let mut rest = rest;
    for present in [destination, source] {
        // Network, length of the address, address.
        if present {
            let length = usize::from(*rest.get(2)?);
            rest = rest.get(length.saturating_add(3)..)?;
        }
    }
    // Hop count.
    rest = rest.get(usize::from(destination)..)?;
    if control & 0x80 != 0 {
        return Some(Message::Network(*rest.first()?));
    }
    let segmented = rest.first()? & 0x08 != 0;
    let after_segment = if segmented { 2 } else { 0 };
    let choice = |at: usize| rest.get(at).copied();
    Some(match rest.first()? >> 4 {
        0 => Message::Confirmed(choice(3_usize.saturating_add(after_segment))?),
        1 => match rest {
            [_, I_AM, parameters @ ..] => i_am(parameters).unwrap_or(Message::Unconfirmed(I_AM)),
            _ => Message::Unconfirmed(choice(1)?),
        },
        2 => Message::Acknowledged(choice(2)?),
        3 => Message::Acknowledged(choice(2_usize.saturating_add(after_segment))?),
        5 => Message::Refused("error"),
        6 => Message::Refused("reject"),
        7 => Message::Refused("abort"),
        _ => Message::Other,
    })
}

/// Device identifier (object type 8), longest message, segmentation, vendor; each with its tag (clause 20.2).
fn i_am(parameters: &[u8]) -> Option<Message> {
    let ([0xc4, a, b, c, d], rest) = parameters.split_first_chunk::<5>()? else { return None };
    let object = u32::from_be_bytes([*a, *b, *c, *d]);
    if object >> 22 != 8 {
        return None;
    }
    let vendor = match rest {
        [0x21, _, 0x91, _, rest @ ..] | [0x22, _, _, 0x91, _, rest @ ..] => match rest {
            [0x21, vendor, ..] => Some(u16::from(*vendor)),
            [0x22, hi, lo, ..] => Some(u16::from_be_bytes([*hi, *lo])),
            _ => None,
        },
        _ => None,
    };
    Some(Message::IAm(object & 0x3f_ffff, vendor))
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Bacnet)
}

struct Bacnet;

impl Analyzer for Bacnet {
    fn data(&mut self, _: Role, _: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], _: u32, sink: &mut Sink) {
        let Some((function, message)) = read(bytes) else { return };
        sink.fact(&FUNCTION, Value::Uint(u64::from(function)));
        let (field, code) = match message {
            Message::Network(kind) => (&NETWORK_MESSAGE, kind),
            Message::Confirmed(service) => (&CONFIRMED, service),
            Message::IAm(device, vendor) => {
                sink.fact(&DEVICE, Value::Uint(u64::from(device)));
                if let Some(vendor) = vendor {
                    sink.fact(&VENDOR, Value::Uint(u64::from(vendor)));
                }
                (&UNCONFIRMED, I_AM)
            }
            Message::Unconfirmed(service) => (&UNCONFIRMED, service),
            Message::Acknowledged(service) => (&ACKNOWLEDGED, service),
            Message::Refused(how) => return sink.fact(&REFUSED, Value::Word(how)),
            Message::Bvlc | Message::Other => return,
        };
        sink.fact(field, Value::Uint(u64::from(code)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask_udp, run_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    /// Who-Is to all networks: destination 0xffff, hop count 255.
    const WHO_IS: &[u8] = &[0x81, 0x0b, 0, 12, 1, 0x20, 0xff, 0xff, 0, 0xff, 0x10, 8];
    /// ReadProperty, invoke identifier 1, device 1, object-name.
    const READ: &[u8] = &[0x81, 0x0a, 0, 17, 1, 0x04, 0x00, 0x05, 1, 12, 0x0c, 2, 0, 0, 1, 0x19, 77];
    const ERROR: &[u8] = &[0x81, 0x0a, 0, 13, 1, 0, 0x50, 1, 12, 0x91, 1, 0x91, 31];

    #[test]
    fn services_are_found_behind_the_network_layer() {
        let facts = run_datagrams(&DEFINITION, &[(C, WHO_IS), (C, READ), (S, ERROR)]);
        assert_eq!(facts.first(&UNCONFIRMED).unwrap().value, Value::Uint(8));
        assert_eq!(facts.first(&CONFIRMED).unwrap().value, Value::Uint(12));
        assert_eq!(facts.first(&REFUSED).unwrap().value, Value::Word("error"));
        assert_eq!(facts.count(&FUNCTION), 3);
    }

    #[test]
    fn an_i_am_names_device_and_vendor() {
        // Device 1234, 1476 bytes, no segments, vendor 260.
        let i_am: &[u8] = &[
            0x81, 0x0b, 0, 25, 1, 0x20, 0xff, 0xff, 0, 0xff, 0x10, 0, 0xc4, 2, 0, 4, 0xd2, 0x22, 5, 0xc4,
            0x91, 3, 0x22, 1, 4,
        ];
        let facts = run_datagrams(&DEFINITION, &[(C, i_am)]);
        assert_eq!(facts.first(&DEVICE).unwrap().value, Value::Uint(1234));
        assert_eq!(facts.first(&VENDOR).unwrap().value, Value::Uint(260));
        assert_eq!(facts.first(&UNCONFIRMED).unwrap().value, Value::Uint(0));
        for length in 0..i_am.len() {
            let _ = read(&i_am[..length]);
        }
    }

    #[test]
    fn datagrams_are_recognised_by_their_own_length() {
        assert_eq!(ask_udp(&DEFINITION, WHO_IS, 47808, 47808), Probe::Certainly(C));
        assert_eq!(ask_udp(&DEFINITION, READ, 50_000, 50_001), Probe::Certainly(C));
        assert_eq!(ask_udp(&DEFINITION, ERROR, 47810, 50_000), Probe::Certainly(S));
        for length in 0..WHO_IS.len() {
            assert_eq!(ask_udp(&DEFINITION, &WHO_IS[..length], 50_000, 50_001), Probe::No, "{length}");
            let _ = ask_udp(&DEFINITION, &WHO_IS[..length], 47808, 47808);
        }
        assert_eq!(ask_udp(&DEFINITION, &[WHO_IS, &[0]].concat(), 47808, 47808), Probe::No);
        assert_eq!(ask_udp(&DEFINITION, b"\x81\x0a\x00\x06\x02\x00", 47808, 47808), Probe::No);
    }
}
