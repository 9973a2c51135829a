//! LonTalk over IP: ANSI/CTA-852 (also EIA-852, EN 14908-4, IP-852), which tunnels packets of a LON channel, and LON/IP
//! (ISO/IEC 14908-7, the IP-70 channel), which addresses devices by IP.
//!
//! Read of IP-852: packet types; that there is security is in the header. It is recognised by a length that is the
//! datagram's (over TCP: that leads to the next header), version 1 and a type that exists: certain on its ports,
//! elsewhere it may be. LON/IP has a header of two bytes with next to no shape, so its datagrams are believed on its
//! port only, and even there only may be. Not read: what devices say to each other.

use super::cutter::Cutters;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

/// Fields of IP-852.
pub mod ip852 {
    fields! {
        PACKET = "lon-ip852.packet", "ANSI/CTA-852 section 8",
            "Type of a packet: `data`, `device-registration`, `channel-membership`, `send-list`, `acknowledge`, \
             `channel-routing`, `segment`, `status-request`, `status-response`, `device-configuration`, and requests of \
             these; its count is that of the packets.";
        SECURE = "lon-ip852.secure", "ANSI/CTA-852 section 8",
            "A packet says that it is authenticated (bit 5 of its protocol flags).";
    }
}

/// Fields of LON/IP.
pub mod ip70 {
    fields! {
        VERSION = "lon-ip70.version", "ISO/IEC 14908-7", "Version of the header: 0 legacy, 1 enhanced.";
        KIND = "lon-ip70.kind", "ISO/IEC 14908-7",
            "What a datagram holds: `transport`, `session`, `authentication`, `application`.";
    }
}

/// IP-852 in the registry.
pub static IP852: Definition = Definition {
    id: "lon-ip852",
    title: "LonTalk in IP-852 (ANSI/CTA-852)",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: TUNNEL_PORTS,
    fields: ip852::FIELDS,
    class: Class::Readable,
    probe: probe_852,
    start: start_852,
};

/// LON/IP in the registry.
pub static IP70: Definition = Definition {
    id: "lon-ip70",
    title: "LON/IP on IP-70 channels (ISO/IEC 14908-7)",
    transports: &[Transport::Udp],
    ports: &[NATIVE_PORT],
    fields: ip70::FIELDS,
    class: Class::Readable,
    probe: probe_70,
    start: start_70,
};

/// Devices, and the server of their configuration.
const TUNNEL_PORTS: &[u16] = &[1628, 1629];
const NATIVE_PORT: u16 = 2541;
/// Length, version, type, more header, flags, vendor, session, sequence, time.
const HEADER: usize = 20;

/// Type, protocol flags and length of a packet whose header is right.
fn packet(bytes: &[u8]) -> Option<(&'static str, u8, usize)> {
    let [hi, lo, 1, kind, more, flags, ..] = *bytes.first_chunk::<HEADER>()? else { return None };
    let length = usize::from(u16::from_be_bytes([hi, lo]));
    // The extended header is counted in units of four bytes.
    let least = usize::from(more).saturating_mul(4).saturating_add(HEADER);
    (length >= least).then_some((name(kind)?, flags, length))
}

fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x01 => "data",
        0x03 => "device-registration",
        0x04 => "channel-membership",
        0x06 => "send-list",
        0x07 => "acknowledge",
        0x08 => "channel-routing",
        0x60 => "status-request",
        0x63 => "device-configuration-request",
        0x64 => "channel-membership-request",
        0x66 => "send-list-request",
        0x68 => "channel-routing-request",
        0x70 => "status-response",
        0x71 => "device-configuration",
        0x7f => "segment",
        _ => return None,
    })
}

fn probe_852(input: &ProbeInput<'_>) -> Probe {
    let on_port = input.port_in(TUNNEL_PORTS);
    let Some((kind, _, length)) = packet(input.bytes) else {
        let more = input.transport == Transport::Tcp && on_port && input.bytes.len() < HEADER;
        return if more { Probe::More } else { Probe::No };
    };
    // Requests come from clients, and so do packets of peers, which have no roles.
    let role = if kind == "status-response" { Role::Server } else { Role::Client };
    let whole = match input.transport {
        Transport::Udp => input.bytes.len() == length,
        _ => {
            on_port
                && input.bytes.get(length..).is_none_or(|rest| rest.len() < HEADER || packet(rest).is_some())
        }
    };
    match (whole, on_port) {
        (true, true) => Probe::Certainly(role),
        (true, false) => Probe::Perhaps(role),
        (false, _) => Probe::No,
    }
}

fn start_852(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Tunnel(Cutters::new(HEADER, HEADER)))
}

struct Tunnel(Cutters);

impl Analyzer for Tunnel {
    fn held(&self) -> usize {
        self.0.held()
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let cutter = self.0.of(role);
        while let Some(message) = cutter.next(&mut bytes, |bytes| packet(bytes).map(|(.., length)| length)) {
            let Ok(message) = message else { return sink.give_up() };
            observe(&message, sink);
        }
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], _: u32, sink: &mut Sink) {
        observe(bytes, sink);
    }
}

fn observe(bytes: &[u8], sink: &mut Sink) {
    let Some((kind, flags, _)) = packet(bytes) else { return };
    sink.fact(&ip852::PACKET, Value::Word(kind));
    if flags & 0x20 != 0 {
        sink.fact(&ip852::SECURE, Value::Yes);
    }
}

/// Version and flags; address format, priority, kind; what these demand, and something behind it.
fn native(bytes: &[u8]) -> Option<(u8, &'static str)> {
    let ([first, second], rest) = bytes.split_first_chunk::<2>()?;
    let (version, format) = (first >> 4, second >> 4);
    let address = match format {
        // The Neuron identifier of whom it is for.
        0 | 6 => 6,
        1..=3 | 7 => 0,
        // Group, or group and member.
        4 => 1,
        5 => 2,
        _ => return None,
    };
    // Reserved flags are zero.
    if version > 1 || first & 0x0c != 0 || rest.len() <= address {
        return None;
    }
    let kind = match second & 0x03 {
        0 => "transport",
        1 => "session",
        2 => "authentication",
        _ => "application",
    };
    Some((version, kind))
}

fn probe_70(input: &ProbeInput<'_>) -> Probe {
    let both = input.src_port == NATIVE_PORT && input.dst_port == NATIVE_PORT;
    // Peers send from the port to the port.
    if both && native(input.bytes).is_some() { Probe::Perhaps(Role::Client) } else { Probe::No }
}

fn start_70(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Native)
}

struct Native;

impl Analyzer for Native {
    fn data(&mut self, _: Role, _: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], _: u32, sink: &mut Sink) {
        let Some((version, kind)) = native(bytes) else { return };
        sink.fact(&ip70::VERSION, Value::Uint(u64::from(version)));
        sink.fact(&ip70::KIND, Value::Word(kind));
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
    /// A data packet of twelve bytes, from Wireshark's sample capture; a secured request of the status.
    const DATA: &[u8] = &[
        0x00, 0x20, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x6b, 0x8b, 0x45, 0x67, 0, 0, 0, 0, 0, 0, 0, 0, 0x01,
        0x09, 0x01, 0xaa, 0x01, 0xa9, 0x01, 0x03, 0x81, 0x0d, 0x00, 0xca,
    ];
    const STATUS: &[u8] = &[0, 20, 1, 0x60, 0, 0x20, 0, 0, 1, 2, 3, 4, 0, 0, 0, 9, 0, 0, 0, 0];

    #[test]
    fn packets_are_read_over_udp_and_tcp() {
        let facts = run_datagrams(&IP852, &[(C, DATA), (C, STATUS)]);
        assert_eq!(facts.of(&ip852::PACKET).count(), 2);
        assert!(facts.has(&ip852::SECURE));
        let steps = [client(DATA), client(STATUS), server(DATA)];
        let expected =
            ["lon-ip852.packet=data x2", "lon-ip852.packet=status-request x1", "lon-ip852.secure=yes x1"];
        assert_eq!(Session::run(&IP852, &steps).list(), expected);
        for cut in every_cut(&steps).chain([single_bytes(&steps)]) {
            assert_eq!(Session::run(&IP852, &cut).list(), expected);
        }
        every_truncation(&steps).for_each(|cut| drop(Session::run(&IP852, &cut)));
        survives_noise(&IP852, &steps);
    }

    #[test]
    fn a_packet_is_as_long_as_it_says() {
        assert_eq!(ask_udp(&IP852, DATA, 39819, 1628), Probe::Certainly(C));
        assert_eq!(ask_udp(&IP852, DATA, 39819, 1700), Probe::Perhaps(C));
        for length in 0..DATA.len() {
            assert_eq!(ask_udp(&IP852, &DATA[..length], 39819, 1628), Probe::No, "{length}");
        }
        assert_eq!(ask(&IP852, &[DATA, STATUS].concat(), 50_000, 1629), Probe::Certainly(C));
        assert_eq!(ask(&IP852, &DATA[..9], 50_000, 1629), Probe::More);
        assert_eq!(ask(&IP852, &[DATA, b"and twenty bytes of text"].concat(), 50_000, 1629), Probe::No);
        assert_eq!(ask(&IP852, DATA, 50_000, 1700), Probe::No);
    }

    #[test]
    fn native_datagrams_may_be_on_their_port() {
        // Enhanced, subnet and node, an application message.
        let message = [0x10, 0x13, 0x81, 0x0d, 0, 0xca];
        assert_eq!(ask_udp(&IP70, &message, 2541, 2541), Probe::Perhaps(C));
        assert_eq!(ask_udp(&IP70, &message, 50_000, 2541), Probe::No);
        assert_eq!(
            ask_udp(&IP70, &[0x10, 0x03, 1, 2, 3, 4, 5, 6], 2541, 2541),
            Probe::No,
            "no Neuron identifier"
        );
        assert_eq!(ask_udp(&IP70, &[0x20, 0x13, 0], 2541, 2541), Probe::No, "no such version");
        let facts = run_datagrams(&IP70, &[(C, &message)]);
        assert_eq!(facts.first(&ip70::KIND).unwrap().value, Value::Word("application"));
    }
}
