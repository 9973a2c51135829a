//! KNXnet/IP (ISO 22510, KNX standard 03.08): building automation over UDP and TCP.
//!
//! Read: services, and the name that a device gives of itself. Recognised by its header of six bytes: two fixed ones, a
//! service that exists, and a length that is the datagram's. Not read: group telegrams.

use super::cutter::Cutters;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    SERVICE = "knxnet-ip.service", "KNX standard 03.08.02 section 2",
        "Service of a message: `search-request`, `connect-request`, `tunnelling-request`, `routing-indication`, …; its \
         count is that of the messages.";
    DEVICE = "knxnet-ip.device", "KNX standard 03.08.02 section 7.5.4.2",
        "Name in the description that a device gives of itself.";
    SECURE = "knxnet-ip.secure", "KNX AN159 KNX IP Secure", "A message of KNX IP Secure: what follows is encrypted.";
}

/// KNXnet/IP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "knxnet-ip",
    title: "KNXnet/IP (ISO 22510)",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[3671];
/// Length of the header, version, service, length of all.
const HEADER: usize = 6;
/// What is kept of a message in a stream.
const KEPT: usize = 512;
/// A block that describes a device, and where the name of 30 bytes stands in it.
const DEVICE_BLOCK: [u8; 2] = [0x36, 0x01];
const NAME_AT: usize = 24;
const NAME: usize = 30;

/// The service of a message, who sends it, and how long all of it is.
fn header(bytes: &[u8]) -> Option<(&'static str, Option<Role>, usize)> {
    let [6, 0x10, a, b, c, d] = *bytes.first_chunk::<HEADER>()? else { return None };
    let (name, role) = service(u16::from_be_bytes([a, b]))?;
    let length = usize::from(u16::from_be_bytes([c, d]));
    (length > HEADER).then_some((name, role, length))
}

/// Its name, and who sends it where that is one side only.
fn service(number: u16) -> Option<(&'static str, Option<Role>)> {
    const C: Option<Role> = Some(Role::Client);
    const S: Option<Role> = Some(Role::Server);
    Some(match number {
        0x0201 => ("search-request", C),
        0x0202 => ("search-response", S),
        0x0203 => ("description-request", C),
        0x0204 => ("description-response", S),
        0x0205 => ("connect-request", C),
        0x0206 => ("connect-response", S),
        0x0207 => ("connectionstate-request", C),
        0x0208 => ("connectionstate-response", S),
        0x0209 => ("disconnect-request", None),
        0x020a => ("disconnect-response", None),
        0x020b => ("search-request-extended", C),
        0x020c => ("search-response-extended", S),
        0x0310 => ("device-configuration-request", None),
        0x0311 => ("device-configuration-ack", None),
        0x0420 => ("tunnelling-request", None),
        0x0421 => ("tunnelling-ack", None),
        0x0422 => ("tunnelling-feature-get", C),
        0x0423 => ("tunnelling-feature-response", S),
        0x0424 => ("tunnelling-feature-set", C),
        0x0425 => ("tunnelling-feature-info", S),
        0x0530 => ("routing-indication", None),
        0x0531 => ("routing-lost-message", None),
        0x0532 => ("routing-busy", None),
        0x0533 => ("routing-system-broadcast", None),
        0x0740 => ("remote-diagnostic-request", C),
        0x0741 => ("remote-diagnostic-response", S),
        0x0742 => ("remote-configuration-request", C),
        0x0743 => ("remote-reset-request", C),
        0x0950 => ("secure-wrapper", None),
        0x0951 => ("session-request", C),
        0x0952 => ("session-response", S),
        0x0953 => ("session-authenticate", C),
        0x0954 => ("session-status", None),
        0x0955 => ("timer-notify", None),
        _ => return None,
    })
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    let Some((_, role, length)) = header(input.bytes) else {
        let begins =
            input.bytes.len() < HEADER && [6, 0x10].starts_with(input.bytes.get(..2).unwrap_or(input.bytes));
        let more = input.transport == Transport::Tcp && input.at_start && input.port_in(PORTS) && begins;
        return if more { Probe::More } else { Probe::No };
    };
    let role = role.unwrap_or_else(|| input.role_by_port(PORTS));
    let is_whole = match input.transport {
        Transport::Udp => input.bytes.len() == length,
        _ => {
            (input.at_start || input.port_in(PORTS))
                && input.bytes.get(length..).is_some_and(|rest| rest.is_empty() || header(rest).is_some())
        }
    };
    if is_whole { Probe::Certainly(role) } else { Probe::No }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Knx(Cutters::new(HEADER, KEPT)))
}

struct Knx(Cutters);

impl Analyzer for Knx {
    fn held(&self) -> usize {
        self.0.held()
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let cutter = self.0.of(role);
        while let Some(message) = cutter.next(&mut bytes, |bytes| header(bytes).map(|(.., length)| length)) {
            let Ok(message) = message else { return sink.give_up() };
            observe(&message, sink);
        }
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], _: u32, sink: &mut Sink) {
        observe(bytes, sink);
    }
}

fn observe(message: &[u8], sink: &mut Sink) {
    let Some((name, ..)) = header(message) else { return };
    sink.fact(&SERVICE, Value::Word(name));
    if matches!(name, "secure-wrapper" | "session-request" | "timer-notify") {
        sink.fact(&SECURE, Value::Yes);
    }
    // Behind the address of who answers a search, or at once.
    let block = match name {
        "search-response" | "search-response-extended" => message.get(HEADER.saturating_add(8)..),
        "description-response" => message.get(HEADER..),
        _ => None,
    };
    let block = block.filter(|block| block.starts_with(&DEVICE_BLOCK));
    let name = block.and_then(|block| block.get(NAME_AT..)?.get(..NAME));
    // Filled up with zeros.
    let name = name.and_then(|name| name.split(|byte| *byte == 0).next()).filter(|name| !name.is_empty());
    if let Some(name) = name {
        sink.fact(&DEVICE, text(name, NAME));
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, ask_udp, run, run_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    fn message(service: u16, body: &[u8]) -> Vec<u8> {
        let length = ((HEADER + body.len()) as u16).to_be_bytes();
        [&[6, 0x10][..], &service.to_be_bytes(), &length, body].concat()
    }

    /// Where to answer: eight bytes.
    const ADDRESS: &[u8] = &[8, 1, 192, 0, 2, 7, 0x0e, 0x57];

    #[test]
    fn services_and_the_name_of_a_device_are_read() {
        let mut device = vec![0; 54];
        device[..2].copy_from_slice(&DEVICE_BLOCK);
        device[24..34].copy_from_slice(b"KNX router");
        let search = message(0x0201, ADDRESS);
        let found = message(0x0202, &[ADDRESS, &device].concat());
        let secure = message(0x0951, ADDRESS);
        let talk: [(Role, &[u8]); 3] = [(C, &search), (S, &found), (C, &secure)];
        for facts in [run_datagrams(&DEFINITION, &talk), run(&DEFINITION, &talk)] {
            assert_eq!(facts.count(&SERVICE), 3);
            assert_eq!(facts.first(&DEVICE).unwrap().value.to_string(), "KNX router");
            assert!(facts.has(&SECURE));
        }
    }

    #[test]
    fn a_header_is_recognised_where_its_length_is_right() {
        let search = message(0x0201, ADDRESS);
        assert_eq!(ask_udp(&DEFINITION, &search, 50_000, 3671), Probe::Certainly(C));
        assert_eq!(ask_udp(&DEFINITION, &message(0x0202, ADDRESS), 9, 9), Probe::Certainly(S));
        assert_eq!(ask(&DEFINITION, &search, 50_000, 3671), Probe::Certainly(C));
        assert_eq!(ask(&DEFINITION, &[6, 0x10, 2], 50_000, 3671), Probe::More);
        assert_eq!(ask(&DEFINITION, &[6, 0x10, 2], 50_000, 9), Probe::No);
        for length in 0..search.len() {
            assert_eq!(ask_udp(&DEFINITION, &search[..length], 50_000, 3671), Probe::No, "{length}");
        }
        assert_eq!(ask_udp(&DEFINITION, &message(0x0299, ADDRESS), 50_000, 3671), Probe::No);
        assert_eq!(ask_udp(&DEFINITION, &message(0x0201, b""), 50_000, 3671), Probe::No);
    }
}
