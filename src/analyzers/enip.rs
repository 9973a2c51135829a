//! EtherNet/IP (CIP volume 2): encapsulation over TCP and UDP (port 44818), and implicit input and output over UDP.
//!
//! Read: commands with their status, and the product that answers List Identity. Recognised by a header of 24 bytes in
//! which length, options and what a command demands agree; input and output by its two items, whose lengths must add
//! up. Not read: CIP inside.

use super::cutter::Cutters;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    COMMAND = "enip.command", "CIP volume 2 section 2-3.2",
        "Encapsulation command (4 List Services, 99 List Identity, 101 Register Session, 102 Unregister Session, 111 Send \
         RR Data, 112 Send Unit Data); its count is that of requests and replies together.";
    STATUS = "enip.status", "CIP volume 2 section 2-3.5",
        "Status of a reply that is not zero (1 unsupported command, 100 invalid session handle, …).";
    PRODUCT = "enip.product", "CIP volume 2 section 2-4.2.3", "Product name in an answer to List Identity.";
    VENDOR = "enip.vendor", "CIP volume 2 section 2-4.2.3", "Vendor identifier in an answer to List Identity.";
    IO = "enip.io", "CIP volume 2 sections 2-6.1 and 3-2", "Implicit messages (class 0 and 1): cyclic input and output.";
    ANOMALY = "enip.anomaly", "CIP volume 2 section 2-3.1", "Bytes that break the protocol: `header`.";
}

/// EtherNet/IP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "enip",
    title: "EtherNet/IP encapsulation and implicit messages (CIP volume 2)",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[44818, 2222];
const PORT: u16 = 44818;
/// Command, length, session, status, context, options.
const HEADER: usize = 24;
/// What is read of a message: an identity fits.
const KEPT: usize = HEADER + 128;
const LIST_IDENTITY: u16 = 0x63;
const REGISTER: u16 = 0x65;

/// Command, length of what follows, session and status.
fn header(bytes: &[u8]) -> Option<(u16, usize, u32, u32)> {
    let header = bytes.first_chunk::<HEADER>()?;
    let [a, b, c, d, e, f, g, h, i, j, k, l, .., 0, 0, 0, 0] = *header else { return None };
    let (command, length) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    let (session, status) = (u32::from_le_bytes([e, f, g, h]), u32::from_le_bytes([i, j, k, l]));
    let fits = match command {
        0 => session == 0 && status == 0,
        0x04 | 0x63 | 0x64 => true,
        REGISTER => length == 4 || status != 0,
        0x66 => length == 0,
        0x6f | 0x70 => session != 0 && (length >= 12 || status != 0),
        _ => false,
    };
    (fits && length <= 65_511).then_some((command, usize::from(length), session, status))
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    if input.transport == Transport::Udp && is_io(input.bytes) {
        return Probe::Certainly(Role::Client);
    }
    let Some((command, length, session, status)) = header(input.bytes) else {
        let may_be =
            input.transport == Transport::Tcp && input.bytes.len() < HEADER && input.port_in(&[PORT]);
        return if may_be && begins(input.bytes) { Probe::More } else { Probe::No };
    };
    let body = input.bytes.get(HEADER..).unwrap_or_default();
    let known = matches!(status, 0..=3 | 0x64 | 0x65 | 0x69);
    // Nothing but zeros could be anything.
    if command == 0 || !known || input.transport == Transport::Udp && body.len() != length {
        return Probe::No;
    }
    let lists = matches!(command, 0x04 | 0x63 | 0x64);
    let asks = match command {
        REGISTER => session == 0,
        _ if lists => length == 0,
        _ => input.dst_port == PORT,
    };
    let role = if asks && status == 0 && input.src_port != PORT { Role::Client } else { Role::Server };
    // A session's version is 1; CIP has interface 0 and a count of items; an answer to List … has items of its own type.
    match (command, body) {
        (REGISTER, [1, 0, 0, 0, ..])
        | (0x6f | 0x70, [0, 0, 0, 0, _, _, 1..=4, 0, ..])
        | (0x04, [1..=8, 0, 0, 1, ..])
        | (LIST_IDENTITY, [1..=8, 0, 0x0c, 0, ..]) => Probe::Certainly(role),
        _ if lists && matches!(body, [1..=8, 0, ..]) || input.port_in(&[PORT]) => Probe::Perhaps(role),
        _ => Probe::No,
    }
}

/// Whether so few bytes may become a header.
fn begins(bytes: &[u8]) -> bool {
    matches!(bytes, [] | [0x04 | 0x63..=0x66 | 0x6f | 0x70] | [0x04 | 0x63..=0x66 | 0x6f | 0x70, 0, ..])
}

/// Two items, a sequenced address of eight bytes and connected data, and nothing else (section 2-6.1).
fn is_io(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(&[2, 0, 0x02, 0x80, 8, 0]) else { return false };
    let Some(([.., 0xb1, 0, lo, hi], data)) = rest.split_first_chunk::<12>() else { return false };
    data.len() == usize::from(u16::from_le_bytes([*lo, *hi]))
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Enip(Cutters::new(HEADER, KEPT)))
}

struct Enip(Cutters);

impl Analyzer for Enip {
    fn held(&self) -> usize {
        self.0.held()
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let cutter = self.0.of(role);
        let whole = |bytes: &[u8]| header(bytes).map(|(_, length, ..)| length.saturating_add(HEADER));
        while let Some(message) = cutter.next(&mut bytes, whole) {
            let Ok(message) = message else {
                sink.broken(&ANOMALY, "header");
                return sink.give_up();
            };
            observe(&message, sink);
        }
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], _: u32, sink: &mut Sink) {
        if is_io(bytes) {
            sink.fact(&IO, Value::Yes);
        } else {
            observe(bytes, sink);
        }
    }
}

fn observe(message: &[u8], sink: &mut Sink) {
    let Some((command, _, _, status)) = header(message) else { return };
    sink.fact(&COMMAND, Value::Uint(u64::from(command)));
    if status != 0 {
        sink.fact(&STATUS, Value::Uint(u64::from(status)));
    }
    if command == LIST_IDENTITY {
        identity(message.get(HEADER..).unwrap_or_default(), sink);
    }
}

/// Count; type 12, length, version, socket address; vendor, device type, code, revision, status, serial number; name.
fn identity(body: &[u8], sink: &mut Sink) {
    let Some(([_, _, 0x0c, 0, _, _, _, _, rest @ ..], more)) = body.split_first_chunk::<26>() else { return };
    let [.., lo, hi] = *rest;
    sink.fact(&VENDOR, Value::Uint(u64::from(u16::from_le_bytes([lo, hi]))));
    let name = more.get(12..).and_then(<[u8]>::split_first);
    if let Some(name) = name.and_then(|(length, name)| name.get(..usize::from(*length))) {
        sink.fact(&PRODUCT, text(name, 64));
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, ask_udp, run_datagrams};
    use super::super::testing::{
        Session, client, every_cut, every_truncation, server, single_bytes, survives_noise,
    };
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    fn message(command: u8, session: u8, status: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_le_bytes();
        let numbers = [session, 0, 0, 0, status, 0, 0, 0];
        [&[command, 0], &length[..], &numbers, &[0; 12], body].concat()
    }

    #[test]
    fn commands_are_read_however_they_are_cut() {
        let item = [0, 0, 0, 0, 10, 0, 2, 0, 0, 0, 0, 0, 0xb2, 0, 2, 0, 0x54, 2];
        let steps = [
            client(message(0x65, 0, 0, &[1, 0, 0, 0])),
            server(message(0x65, 7, 0, &[1, 0, 0, 0])),
            client(message(0x6f, 7, 0, &item)),
            server(message(0x6f, 7, 100, &[])),
            client(message(0x66, 7, 0, &[])),
        ];
        let expected =
            ["enip.command=101 x2", "enip.command=102 x1", "enip.command=111 x2", "enip.status=100 x1"];
        assert_eq!(Session::run(&DEFINITION, &steps).list(), expected);
        for cut in every_cut(&steps).chain([single_bytes(&steps)]) {
            assert_eq!(Session::run(&DEFINITION, &cut).list(), expected);
        }
        every_truncation(&steps).for_each(|cut| drop(Session::run(&DEFINITION, &cut)));
        survives_noise(&DEFINITION, &steps);
    }

    #[test]
    fn an_identity_and_cyclic_data_are_read() {
        let identity =
            [&[1, 0, 0x0c, 0, 0x28, 0, 1, 0][..], &[0; 16], &[0xaf, 0x12], &[9; 12], b"\x041756", &[3]]
                .concat();
        let io = [&[2, 0, 2, 0x80, 8, 0][..], &[5; 8], &[0xb1, 0, 6, 0], &[1; 6]].concat();
        let facts = run_datagrams(
            &DEFINITION,
            &[(C, &message(0x63, 0, 0, &[])), (S, &message(0x63, 0, 0, &identity)), (C, &io)],
        );
        assert_eq!(facts.first(&VENDOR).unwrap().value, Value::Uint(4783));
        assert_eq!(facts.first(&PRODUCT).unwrap().value.to_string(), "1756");
        assert_eq!((facts.count(&COMMAND), facts.count(&IO)), (2, 1));
        assert_eq!(ask_udp(&DEFINITION, &io, 2222, 2222), Probe::Certainly(C));
        assert_eq!(ask_udp(&DEFINITION, &io[..io.len() - 1], 2222, 2222), Probe::No);
    }

    #[test]
    fn headers_are_recognised_by_what_they_announce() {
        let register = message(0x65, 0, 0, &[1, 0, 0, 0]);
        assert_eq!(ask(&DEFINITION, &register, 50_000, PORT), Probe::Certainly(C));
        assert_eq!(ask(&DEFINITION, &message(0x65, 7, 0, &[1, 0, 0, 0]), PORT, 50_000), Probe::Certainly(S));
        assert_eq!(ask(&DEFINITION, &register, 50_000, 9999), Probe::Certainly(C));
        for length in 0..HEADER {
            assert_eq!(ask(&DEFINITION, &register[..length], 50_000, PORT), Probe::More, "{length}");
            assert_eq!(ask(&DEFINITION, &register[..length], 50_000, 9999), Probe::No, "{length}");
        }
        assert_eq!(ask(&DEFINITION, &[0; 24], 50_000, PORT), Probe::No);
        assert_eq!(ask(&DEFINITION, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 50_000, PORT), Probe::No);
    }
}
