//! Who of the two ends is the originator, as far as headers tell.

use crate::model::address::{Scope, scope};
use crate::model::flow::RoleBasis;
use crate::model::packet::{Segment, TcpFlags};
use crate::model::{FlowKey, Packet, Transport};

/// The 5-tuple of a flow's first packet with the roles decided, and by what. In order:
///
/// 1. what is sent to a group or broadcast address goes to the responder: a group never asks;
/// 2. a SYN comes from the originator, a SYN with ACK from the responder; an echo request from the
///    originator, an echo reply from the responder;
/// 3. of DHCP's two ports, the server's is the responder's (RFC 2131, RFC 8415);
/// 4. if exactly one port is that of a service ([`is_service_port`]), it is the responder's;
/// 5. for TCP, if exactly one port is below the ephemeral range of Linux (32768), it is the responder's;
/// 6. whoever sent the first packet captured is the originator.
pub(super) fn decide(packet: &Packet<'_>, key: &FlowKey) -> (FlowKey, RoleBasis) {
    let key = *key;
    if scope(packet.dst) == Scope::Group || packet.link.dst.is_some_and(crate::model::MacAddr::is_group) {
        return (key, RoleBasis::FirstPacket);
    }
    match by_header(packet).or_else(|| by_port(&key)) {
        Some((true, basis)) => (key, basis),
        Some((false, RoleBasis::Port)) => (key.reversed(), RoleBasis::PortAlone),
        Some((false, basis)) => (key.reversed(), basis),
        None => (key, RoleBasis::FirstPacket),
    }
}

fn by_header(packet: &Packet<'_>) -> Option<(bool, RoleBasis)> {
    match packet.segment {
        Segment::Tcp(tcp) if tcp.flags.has(TcpFlags::SYN) => {
            Some((!tcp.flags.has(TcpFlags::ACK), RoleBasis::Syn))
        }
        Segment::Icmp(icmp) => match (packet.src.is_ipv4(), icmp.kind) {
            (true, 8) | (false, 128) => Some((true, RoleBasis::Protocol)),
            (true, 0) | (false, 129) => Some((false, RoleBasis::Protocol)),
            _ => None,
        },
        _ => None,
    }
}

fn by_port(key: &FlowKey) -> Option<(bool, RoleBasis)> {
    let (sender, receiver) = (key.orig.port, key.resp.port);
    let (sender_serves, receiver_serves) = match (key.transport, sender, receiver) {
        (Transport::Udp, 68, 67) | (Transport::Udp, 546, 547) => (false, true),
        (Transport::Udp, 67, 68) | (Transport::Udp, 547, 546) => (true, false),
        (Transport::Tcp | Transport::Udp, ..) => {
            let service = (is_service_port(sender), is_service_port(receiver));
            if service.0 == service.1 && key.transport == Transport::Tcp {
                (sender < EPHEMERAL, receiver < EPHEMERAL)
            } else {
                service
            }
        }
        _ => return None,
    };
    (sender_serves != receiver_serves).then_some((receiver_serves, RoleBasis::Port))
}

/// First port of the range that Linux gives to clients; others (RFC 6335: 49152) begin above it.
const EPHEMERAL: u16 = 32_768;

/// Whether servers, not clients, are known to have this port: all below 1024, and what is common above.
/// A small list on purpose: a wrong role is worse than the first packet's word.
pub(super) fn is_service_port(port: u16) -> bool {
    port < 1024 || SERVICE_PORTS.binary_search(&port).is_ok()
}

/// Ascending.
const SERVICE_PORTS: &[u16] = &[
    1080,  // SOCKS
    1194,  // OpenVPN
    1433,  // Microsoft SQL Server
    1521,  // Oracle
    1723,  // PPTP
    1883,  // MQTT
    1900,  // SSDP
    2049,  // NFS
    3128,  // HTTP proxy
    3306,  // MySQL
    3389,  // RDP
    3478,  // STUN
    4840,  // OPC UA
    5060,  // SIP
    5061,  // SIP over TLS
    5222,  // XMPP
    5353,  // mDNS
    5355,  // LLMNR
    5432,  // PostgreSQL
    5671,  // AMQP over TLS
    5672,  // AMQP
    5683,  // CoAP
    5684,  // CoAP over DTLS
    5900,  // VNC
    6379,  // Redis
    8000,  // HTTP
    8008,  // HTTP
    8080,  // HTTP
    8081,  // HTTP
    8443,  // HTTPS
    8883,  // MQTT over TLS
    8888,  // HTTP
    9092,  // Kafka
    9200,  // Elasticsearch
    20000, // DNP3
    27017, // MongoDB
    31314, // Electric Imp
    44818, // EtherNet/IP
    47808, // BACnet/IP
    51820, // WireGuard
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::testing::{Frames, HostPort};
    use crate::model::MacAddr;

    fn roles(packet: &Packet<'_>) -> (bool, RoleBasis) {
        let (key, basis) = decide(packet, &packet.key());
        (key == packet.key(), basis)
    }

    #[test]
    fn the_list_is_ascending() {
        assert!(SERVICE_PORTS.is_sorted());
        assert!(is_service_port(0) && is_service_port(1023) && is_service_port(8883));
        assert!(!is_service_port(1024) && !is_service_port(49_152));
    }

    #[test]
    fn the_handshake_tells_and_ports_do_not_matter_then() {
        let (client, server) = (HostPort::v4(1, 443), HostPort::v4(2, 50_000));
        let frames = Frames::default();
        assert_eq!(roles(&frames.tcp(client, server, "S", 1, 0).packet()), (true, RoleBasis::Syn));
        assert_eq!(roles(&frames.tcp(server, client, "SA", 1, 2).packet()), (false, RoleBasis::Syn));
    }

    #[test]
    fn midstream_the_service_port_is_the_responders() {
        let frames = Frames::default();
        for (sender, receiver, expected) in [
            (50_000, 443, (true, RoleBasis::Port)),
            (443, 50_000, (false, RoleBasis::PortAlone)),
            (31_314, 1025, (false, RoleBasis::PortAlone)),
            (9999, 40_000, (false, RoleBasis::PortAlone)),
            (40_000, 9999, (true, RoleBasis::Port)),
            (40_000, 50_000, (true, RoleBasis::FirstPacket)),
            (443, 80, (true, RoleBasis::FirstPacket)),
        ] {
            let packet = frames.tcp(HostPort::v4(1, sender), HostPort::v4(2, receiver), "A", 1, 1);
            assert_eq!(roles(&packet.packet()), expected, "{sender} {receiver}");
        }
    }

    #[test]
    fn datagrams_between_equal_ports_go_by_the_first_packet_and_dhcp_by_its_server() {
        let frames = Frames::default();
        for (sender, receiver, expected) in [
            (123, 123, (true, RoleBasis::FirstPacket)),
            (53, 40_000, (false, RoleBasis::PortAlone)),
            (40_000, 53, (true, RoleBasis::Port)),
            (9999, 40_000, (true, RoleBasis::FirstPacket)),
            (68, 67, (true, RoleBasis::Port)),
            (67, 68, (false, RoleBasis::PortAlone)),
            (67, 67, (true, RoleBasis::FirstPacket)),
            (547, 546, (false, RoleBasis::PortAlone)),
        ] {
            let packet = frames.udp(HostPort::v4(1, sender), HostPort::v4(2, receiver), b"");
            assert_eq!(roles(&packet.packet()), expected, "{sender} {receiver}");
        }
    }

    #[test]
    fn a_group_never_asks() {
        let frames = Frames::default();
        let group = HostPort { ip: "224.0.0.251".parse().unwrap(), port: 40_000 };
        let mut frame = frames.udp(HostPort::v4(1, 5353), group, b"");
        assert_eq!(roles(&frame.packet()), (true, RoleBasis::FirstPacket));
        // Directed broadcast: only the link tells.
        frame = frames.udp(HostPort::v4(1, 53), HostPort::v4(255, 40_000), b"");
        assert_eq!(roles(&frame.packet()), (false, RoleBasis::PortAlone));
        frame.link.dst = Some(MacAddr([0xff; 6]));
        assert_eq!(roles(&frame.packet()), (true, RoleBasis::FirstPacket));
    }

    #[test]
    fn an_echo_reply_comes_from_the_responder() {
        let frames = Frames::default();
        let (one, other) = (HostPort::v4(1, 0), HostPort::v4(2, 0));
        assert_eq!(roles(&frames.icmp(one, other, 8, 0, 7, None).packet()), (true, RoleBasis::Protocol));
        assert_eq!(roles(&frames.icmp(one, other, 0, 0, 7, None).packet()), (false, RoleBasis::Protocol));
        assert_eq!(roles(&frames.icmp(one, other, 3, 1, 0, None).packet()), (true, RoleBasis::FirstPacket));
    }
}
