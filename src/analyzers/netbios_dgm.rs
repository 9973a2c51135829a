//! NetBIOS datagram service (RFC 1002 section 4.4), which carries the browsing of Windows networks.
//!
//! Read: kind of the datagram and the two names. Not read: what it carries.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    SOURCE_NAME = "netbios-dgm.source_name", "RFC 1002 section 4.4.2",
        "NetBIOS name of the sender, without padding.";
    DESTINATION_NAME = "netbios-dgm.destination_name", "RFC 1002 section 4.4.2",
        "NetBIOS name that the datagram is for, without padding: a host, a group, or `*`.";
    KIND = "netbios-dgm.kind", "RFC 1002 section 4.4.1",
        "`unique`, `group`, `broadcast`.";
}

/// The NetBIOS datagram service in the registry.
pub static DEFINITION: Definition = Definition {
    id: "netbios-dgm",
    title: "NetBIOS datagram service (RFC 1002)",
    transports: &[Transport::Udp],
    ports: &[138],
    fields: FIELDS,
    class: Class::Infrastructure,
    probe,
    start,
};

/// Kind, flags, identifier, sender's address and port, length, offset.
const HEADER: usize = 14;
/// A name's length, 32 letters, and a zero if it has no scope.
const NAME: usize = 34;
/// Datagrams that are read.
const MAX_DATAGRAMS: u8 = 16;

/// Kind, sender's name, destination's name. The sender's own port is in the header.
fn parse(bytes: &[u8], src_port: u16) -> Option<(&'static str, Vec<u8>, Vec<u8>)> {
    let header = bytes.first_chunk::<HEADER>()?;
    let [kind, flags, _, _, _, _, _, _, high, low, ..] = *header;
    let word = match kind {
        0x10 => "unique",
        0x11 => "group",
        0x12 => "broadcast",
        _ => return None,
    };
    let names = bytes.get(HEADER..)?;
    let (source, destination) = (name(names)?, name(names.get(NAME..)?)?);
    (flags & 0xf0 == 0 && u16::from_be_bytes([high, low]) == src_port).then_some((word, source, destination))
}

/// The first 15 characters of a name, whose half bytes are letters (RFC 1001 section 14.1).
fn name(encoded: &[u8]) -> Option<Vec<u8>> {
    let half = |byte: u8| byte.checked_sub(b'A').filter(|half| *half < 16);
    let [32, letters @ ..] = encoded.get(..NAME)? else { return None };
    let pairs = letters.get(..30)?.chunks_exact(2);
    let name = pairs.map(|pair| Some(half(*pair.first()?)? << 4 | half(*pair.last()?)?));
    Some(name.collect::<Option<Vec<u8>>>()?.trim_ascii_end().to_vec())
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    if parse(input.bytes, input.src_port).is_some() { Probe::Certainly(Role::Client) } else { Probe::No }
}

fn start(context: &Context) -> Box<dyn Analyzer> {
    Box::new(Datagrams { ports: [context.client.port, context.server.port], count: 0 })
}

struct Datagrams {
    /// Of client and server.
    ports: [u16; 2],
    count: u8,
}

impl Analyzer for Datagrams {
    fn data(&mut self, _role: Role, _bytes: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], _missed: u32, sink: &mut Sink) {
        let [client, server] = self.ports;
        if let Some((kind, source, destination)) =
            parse(bytes, if role == Role::Client { client } else { server })
        {
            sink.fact(&KIND, Value::Word(kind));
            sink.fact(&SOURCE_NAME, text(&source, 15));
            sink.fact(&DESTINATION_NAME, text(&destination, 15));
        }
        self.count = self.count.saturating_add(1);
        if self.count >= MAX_DATAGRAMS {
            sink.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask_udp, list, steady_datagrams};
    use super::*;

    fn datagram(port: u16) -> Vec<u8> {
        let name = |name: &[u8; 16]| -> Vec<u8> {
            let letters = name.iter().flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 15)]);
            [32].into_iter().chain(letters).chain([0]).collect()
        };
        let header =
            [&[0x11, 0x02, 0x12, 0x34, 192, 0, 2, 1][..], &port.to_be_bytes(), &[0, 68, 0, 0]].concat();
        [header, name(b"DEVICE         \0"), name(b"WORKGROUP      \x1d")].concat()
    }

    #[test]
    fn names_are_read() {
        // The stand-in of the tests gives the client this port.
        let facts = steady_datagrams(&DEFINITION, &[(Role::Client, &datagram(50_000))]);
        assert_eq!(
            list(&facts),
            [
                "netbios-dgm.kind=group x1",
                "netbios-dgm.source_name=DEVICE x1",
                "netbios-dgm.destination_name=WORKGROUP x1"
            ]
        );
    }

    #[test]
    fn the_header_must_name_the_port_it_came_from() {
        assert_eq!(ask_udp(&DEFINITION, &datagram(138), 138, 138), Probe::Certainly(Role::Client));
        assert_eq!(ask_udp(&DEFINITION, &datagram(138), 139, 138), Probe::No);
        assert_eq!(ask_udp(&DEFINITION, &datagram(138)[..80], 138, 138), Probe::No);
    }
}
