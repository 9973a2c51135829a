//! What decoding makes of a frame: borrowed, small, and without judgement.

use std::net::IpAddr;

use super::address::{Scope, scope};
use super::evidence::Seen;
use super::{Endpoint, Field, FlowKey, MacAddr, Transport};

/// An IP packet, headers read once. Lives as long as the block that holds its frame.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Frame and time.
    pub seen: Seen,
    /// Link-layer sender, receiver and outermost VLAN, where the link has them. Inside a tunnel they are those of the
    /// frame that it carries, if it carries frames.
    pub link: Link,
    /// The tunnels it came in.
    pub outer: Outer,
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

/// What a packet came in, as a fact of its flow.
pub static INSIDE: Field = Field {
    name: "packet.inside",
    doc: "Tunnels that packets of the flow came in, outermost first, each with what tells it from others of its kind \
        (VNI, label, session, key); one value for each such chain. The flow is that of the innermost packets.",
    source: "by kind: see `model::packet::WrapKind`",
};

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

/// What is around a packet: tunnels and stacked tags, the outermost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct Outer {
    /// No `None` before a `Some`. Apart from the numbers, so that an empty one is small: every packet carries one.
    kinds: [Option<WrapKind>; Self::MAX],
    /// Of each; zero where there is none.
    ids: [u32; Self::MAX],
}

impl Outer {
    /// So many are followed; a packet that is wrapped more often is taken as what the last of these carries.
    pub const MAX: usize = 6;

    /// Whether there is nothing around it, as with nearly all packets.
    pub fn is_empty(&self) -> bool {
        matches!(self.kinds, [None, ..])
    }

    /// The same with `kind` further in; `None` if that is too deep.
    #[must_use]
    pub fn with(mut self, kind: WrapKind, id: u32) -> Option<Self> {
        let (free, number) = self.kinds.iter_mut().zip(&mut self.ids).find(|(free, _)| free.is_none())?;
        (*free, *number) = (Some(kind), id);
        Some(self)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Wrap> {
        self.kinds.into_iter().zip(self.ids).map_while(|(kind, id)| Some(Wrap { kind: kind?, id }))
    }
}

/// `QinQ 7 / VXLAN 42`.
impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, wrap) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" / ")?;
            }
            f.write_str(wrap.kind.name())?;
            if wrap.kind.is_numbered() {
                write!(f, " {}", wrap.id)?;
            }
        }
        Ok(())
    }
}

/// Which network a packet was in: its VLANs, and the virtual network of its tunnels. What two networks use the same
/// addresses and ports for are two flows. Numbers that a tunnel has for each direction (GRE key, MPLS label, tunnel
/// endpoint, session) say nothing of that.
///
/// In VLANs alone, these are told apart exactly up to two; else it is a hash, with the highest bit set in virtual networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Network(u32);

impl Network {
    /// Set in virtual networks.
    const VIRTUAL: u32 = 1 << 31;

    /// Of a packet in a tunnel or with more than one tag.
    #[cold]
    fn of(vlan: u32, outer: &Outer) -> Self {
        let (mut tags, mut networks) = (vlan, None);
        for wrap in outer.iter() {
            if wrap.kind == WrapKind::Qinq {
                tags = tags.rotate_left(12) ^ wrap.id;
            } else if wrap.kind.is_network() {
                // Tags before it are those of its carrier.
                tags = vlan;
                let around = networks.map_or(0, |networks: u32| networks.rotate_left(7));
                networks = Some(around ^ wrap.id ^ ((wrap.kind as u32) << 26));
            }
        }
        match networks {
            None => Self(tags & !Self::VIRTUAL),
            Some(networks) => Self(networks ^ tags.rotate_left(19) | Self::VIRTUAL),
        }
    }

    /// Whether it has no other number than those of VLANs.
    pub fn is_vlan(self) -> bool {
        self.0 & Self::VIRTUAL == 0
    }

    /// The number, for hashing.
    pub fn bits(self) -> u32 {
        self.0
    }
}

/// One tunnel or stacked tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wrap {
    /// What it is.
    pub kind: WrapKind,
    /// Which one of its kind: VNI, VLAN, label, session, key; zero for kinds that have no number.
    pub id: u32,
}

/// Kinds of [`Wrap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WrapKind {
    /// A further VLAN tag (IEEE 802.1ad), by its identifier.
    Qinq,
    /// Provider backbone bridging (IEEE 802.1ah), by service instance.
    Pbb,
    /// MPLS (RFC 3032), by the label at the bottom of the stack.
    Mpls,
    /// PPP over Ethernet (RFC 2516), by session.
    Pppoe,
    /// L2TP version 2 (RFC 2661), by session.
    L2tp,
    /// IPv4 in IPv4 (RFC 2003).
    IpIp,
    /// IPv6 in IPv6 (RFC 2473).
    Ip6Ip6,
    /// IPv6 in IPv4 (RFC 4213).
    SixInFour,
    /// IPv4 in IPv6 (RFC 2473).
    FourInSix,
    /// IPv6 in UDP in IPv4 (RFC 4380).
    Teredo,
    /// GRE without key (RFC 2784).
    Gre,
    /// GRE with a key (RFC 2890).
    GreKey,
    /// PPP in GRE (RFC 2637), by call.
    Pptp,
    /// NVGRE (RFC 7637), by virtual subnet.
    Nvgre,
    /// ERSPAN type I, which has no number.
    Erspan1,
    /// ERSPAN type II, by session.
    Erspan2,
    /// ERSPAN type III, by session.
    Erspan3,
    /// Ethernet in IP (RFC 3378).
    EtherIp,
    /// VXLAN (RFC 7348), by VNI.
    Vxlan,
    /// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe), by VNI.
    VxlanGpe,
    /// GENEVE (RFC 8926), by VNI.
    Geneve,
    /// Network service header (RFC 8300), by service path.
    Nsh,
    /// GTP-U (3GPP TS 29.281), by tunnel endpoint.
    GtpU,
    /// LISP (RFC 9300), by instance where it has one.
    Lisp,
    /// TZSP, what access points and routers send captured frames in.
    Tzsp,
    /// CAPWAP (RFC 5415), between access points and their controller.
    Capwap,
    /// IPComp (RFC 3173): compressed.
    IpComp,
}

impl WrapKind {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qinq => "QinQ",
            Self::Pbb => "802.1ah",
            Self::Mpls => "MPLS",
            Self::Pppoe => "PPPoE",
            Self::L2tp => "L2TP",
            Self::IpIp => "IP-in-IP",
            Self::Ip6Ip6 => "6in6",
            Self::SixInFour => "6in4",
            Self::FourInSix => "4in6",
            Self::Teredo => "Teredo",
            Self::Gre => "GRE",
            Self::GreKey => "GRE key",
            Self::Pptp => "PPTP",
            Self::Nvgre => "NVGRE",
            Self::Erspan1 => "ERSPAN I",
            Self::Erspan2 => "ERSPAN II",
            Self::Erspan3 => "ERSPAN III",
            Self::EtherIp => "EtherIP",
            Self::Vxlan => "VXLAN",
            Self::VxlanGpe => "VXLAN-GPE",
            Self::Geneve => "GENEVE",
            Self::Nsh => "NSH",
            Self::GtpU => "GTP-U",
            Self::Lisp => "LISP",
            Self::Tzsp => "TZSP",
            Self::Capwap => "CAPWAP",
            Self::IpComp => "IPComp",
        }
    }

    /// Whether its number is that of a network, the same in both directions.
    fn is_network(self) -> bool {
        matches!(self, Self::Pbb | Self::Nvgre | Self::Vxlan | Self::VxlanGpe | Self::Geneve)
    }

    /// Whether its number tells it from others of its kind.
    fn is_numbered(self) -> bool {
        !matches!(
            self,
            Self::IpIp
                | Self::Ip6Ip6
                | Self::SixInFour
                | Self::FourInSix
                | Self::Teredo
                | Self::Gre
                | Self::Erspan1
                | Self::EtherIp
                | Self::Tzsp
                | Self::Capwap
                | Self::IpComp
        )
    }
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
    /// What follows the checksum, as it is: of echo messages identifier and sequence number.
    pub rest: u32,
}

impl IcmpHeader {
    /// Whether it is an error: the consequence of another packet, and never answered (RFC 1122 section 3.2.2, RFC 4443
    /// section 2.1).
    pub fn is_error(self, is_ipv4: bool) -> bool {
        if is_ipv4 { matches!(self.kind, 3 | 4 | 5 | 11 | 12) } else { self.kind < 128 }
    }
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

    /// The network it was in.
    #[inline]
    pub fn network(&self) -> Network {
        let vlan = self.link.vlan.map_or(0, u32::from);
        if self.outer.is_empty() { Network(vlan) } else { Network::of(vlan, &self.outer) }
    }

    /// Whether its hop limit shows that a router had it before: it is none of those that hosts start with. What is sent
    /// to a group says nothing: it starts with any number.
    pub fn is_routed(&self) -> bool {
        !matches!(self.hop_limit, 32 | 64 | 128 | 255) && scope(self.dst) != Scope::Group
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
