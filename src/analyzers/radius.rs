//! RADIUS (RFC 2865, RFC 2866, RFC 5176): who may use a network.
//!
//! Read: message types. Recognised on its ports only, and even there it only may be: by a type that
//! exists, a length that fits in the datagram (what is behind it is padding), and attributes that
//! fill it. Not read: attributes; never kept: user names and what goes with them.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    MESSAGE = "radius.message", "RFC 2865 section 3, RFC 2866 section 3, RFC 5176 section 3",
        "Type of a message: `access-request`, `access-accept`, `access-reject`, `access-challenge`, `accounting-request`, \
         `accounting-response`, …; its count is that of the messages.";
}

/// RADIUS in the registry.
pub static DEFINITION: Definition = Definition {
    id: "radius",
    title: "RADIUS (RFC 2865, RFC 2866)",
    transports: &[Transport::Udp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

/// Access, accounting, both as they were before they were registered, and changes by the server, registered and Cisco's.
const PORTS: &[u16] = &[1812, 1813, 1645, 1646, 3799, 1700];
/// Type, identifier, length, authenticator.
const HEADER: usize = 20;
const MAX_LENGTH: usize = 4096;

/// The type of a message, and who sends it.
fn message(bytes: &[u8]) -> Option<(&'static str, Role)> {
    let [kind, _, hi, lo, ..] = bytes.first_chunk::<HEADER>()?;
    let length = usize::from(u16::from_be_bytes([*hi, *lo]));
    let mut rest = bytes.get(HEADER..length).filter(|_| length <= MAX_LENGTH)?;
    // Each has at least its type and its length.
    while let [kind, length, ..] = rest {
        let length = usize::from(*length);
        rest = rest.get(length..).filter(|_| length >= 2 && *kind != 0)?;
    }
    let name = match kind {
        1 => ("access-request", Role::Client),
        2 => ("access-accept", Role::Server),
        3 => ("access-reject", Role::Server),
        4 => ("accounting-request", Role::Client),
        5 => ("accounting-response", Role::Server),
        11 => ("access-challenge", Role::Server),
        12 => ("status-server", Role::Client),
        40 => ("disconnect-request", Role::Client),
        41 => ("disconnect-ack", Role::Server),
        42 => ("disconnect-nak", Role::Server),
        43 => ("coa-request", Role::Client),
        44 => ("coa-ack", Role::Server),
        45 => ("coa-nak", Role::Server),
        _ => return None,
    };
    rest.is_empty().then_some(name)
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    match message(input.bytes) {
        Some((_, role)) if input.port_in(PORTS) => Probe::Perhaps(role),
        _ => Probe::No,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Radius)
}

struct Radius;

impl Analyzer for Radius {
    fn data(&mut self, _: Role, _: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], _: u32, sink: &mut Sink) {
        if let Some((name, _)) = message(bytes) {
            sink.fact(&MESSAGE, Value::Word(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask_udp, run_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    fn message(kind: u8, attributes: &[u8]) -> Vec<u8> {
        let length = ((HEADER + attributes.len()) as u16).to_be_bytes();
        [&[kind, 9][..], &length, &[7; 16], attributes].concat()
    }

    /// A user name and a port.
    const WHO: &[u8] = &[1, 6, b'n', b'e', b'm', b'o', 5, 6, 0, 0, 0, 3];

    #[test]
    fn requests_and_answers_are_told_and_no_user_is_kept() {
        let facts = run_datagrams(&DEFINITION, &[(C, &message(1, WHO)), (S, &message(2, &[])), (C, b"nemo")]);
        let told: Vec<String> = facts.iter().map(|fact| fact.value.to_string()).collect();
        assert_eq!(told, ["access-request", "access-accept"]);
    }

    #[test]
    fn it_may_be_one_on_its_port_where_attributes_fill_it() {
        let request = message(1, WHO);
        assert_eq!(ask_udp(&DEFINITION, &request, 50_000, 1812), Probe::Perhaps(C));
        assert_eq!(ask_udp(&DEFINITION, &message(5, &[]), 1813, 50_000), Probe::Perhaps(S));
        assert_eq!(ask_udp(&DEFINITION, &request, 50_000, 9), Probe::No);
        // RFC 2865 section 3.
        assert_eq!(ask_udp(&DEFINITION, &[&request[..], &[0; 2]].concat(), 50_000, 1812), Probe::Perhaps(C));
        for length in 0..request.len() {
            assert_eq!(ask_udp(&DEFINITION, &request[..length], 50_000, 1812), Probe::No, "{length}");
        }
        for attributes in [&[1, 1][..], &[1, 9, 0], &[0, 2], &[7]] {
            assert_eq!(ask_udp(&DEFINITION, &message(1, attributes), 50_000, 1812), Probe::No);
        }
        assert_eq!(ask_udp(&DEFINITION, &message(99, WHO), 50_000, 1812), Probe::No);
    }
}
