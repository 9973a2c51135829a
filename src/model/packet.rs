//! What decoding makes of a frame: borrowed, small, and without judgement.

use std::net::IpAddr;

use super::evidence::Seen;
use super::{Endpoint, FlowKey, MacAddr, Transport};

/// An IP packet, headers read once. Lives as long as the block that holds its frame.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Frame and time.
    pub seen: Seen,
    /// Link-layer sender, receiver and outermost VLAN, where the link has them.
    pub link: Link,
    /// Sender.
    pub src: IpAddr,
    /// Receiver.
    pub dst: IpAddr,
    /// TTL or hop limit as captured.
    pub hop_limit: u8,
    /// IPv4 identification; `None` in IPv6.
    pub ip_id: Option<u16>,
    /// Bytes of the IP packet on the wire, header included.
    pub ip_len: u32,
    /// What the IP packet carries.
    pub segment: Segment,
    /// Transport payload as captured. Link padding is already cut off.
    pub payload: &'a [u8],
    /// Transport payload on the wire; more than `payload.len()` when the snap length cut the frame.
    pub payload_len: u32,
}

/// Link-layer facts of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// Source MAC address.
    pub src: Option<MacAddr>,
    /// Destination MAC address; cooked captures have none.
    pub dst: Option<MacAddr>,
    /// Outermost VLAN identifier.
    pub vlan: Option<u16>,
}

/// The transport header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// TCP (RFC 9293 section 3.1).
    Tcp(TcpHeader),
    /// UDP (RFC 768).
    Udp {
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
    },
    /// ICMP and ICMPv6, which of them is told by the addresses.
    Icmp(IcmpHeader),
    /// Anything else, by IP protocol number; `payload` is all that follows the IP header.
    Other(u8),
}

/// The fields of a TCP header that later stages use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpHeader {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number of the first payload byte (of SYN, where set).
    pub seq: u32,
    /// Acknowledgement number; meaningful with ACK.
    pub ack: u32,
    /// Flags, as [`TcpFlags`] bits.
    pub flags: TcpFlags,
    /// Window, unscaled.
    pub window: u16,
    /// Whether a timestamp option is present (RFC 7323 section 3).
    pub has_timestamp: bool,
}

/// TCP control bits in wire order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number is valid.
    pub const ACK: u8 = 0x10;

    /// Whether all of `bits` are set.
    pub fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }
}

/// An ICMP or ICMPv6 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpHeader {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Identifier of echo messages, else zero.
    pub id: u16,
}

impl Packet<'_> {
    /// The 5-tuple with this packet's sender as originator.
    pub fn key(&self) -> FlowKey {
        let (transport, src_port, dst_port) = match self.segment {
            Segment::Tcp(tcp) => (Transport::Tcp, tcp.src_port, tcp.dst_port),
            Segment::Udp { src_port, dst_port } => (Transport::Udp, src_port, dst_port),
            Segment::Icmp(icmp) if self.src.is_ipv4() => (Transport::Icmp, icmp.id, icmp.id),
            Segment::Icmp(icmp) => (Transport::Icmpv6, icmp.id, icmp.id),
            Segment::Other(number) => (Transport::Other(number), 0, 0),
        };
        FlowKey {
            transport,
            orig: Endpoint { ip: self.src, port: src_port },
            resp: Endpoint { ip: self.dst, port: dst_port },
        }
    }

    /// Payload bytes on the wire that the capture does not hold.
    pub fn missing(&self) -> u32 {
        self.payload_len.saturating_sub(u32::try_from(self.payload.len()).unwrap_or(u32::MAX))
    }
}

/// An ARP or neighbour-discovery statement that `ip` is at `mac` (RFC 826, RFC 4861).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Frame and time.
    pub seen: Seen,
    /// Who says so.
    pub mac: MacAddr,
    /// The address it claims.
    pub ip: IpAddr,
}

/// What a station says of itself in the Link Layer Discovery Protocol (IEEE 802.1AB).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lldp<'a> {
    /// Frame and time.
    pub seen: Seen,
    /// Who says so.
    pub mac: MacAddr,
    /// Kind of the chassis identifier, and the identifier.
    pub chassis: Option<(u8, &'a [u8])>,
    /// System name.
    pub system_name: Option<&'a [u8]>,
    /// System description.
    pub system_description: Option<&'a [u8]>,
    /// URL of a Manufacturer Usage Description (RFC 8520 section 12).
    pub mud_url: Option<&'a [u8]>,
}
