//! Flows: both directions of a 5-tuple with a lifetime.

use std::fmt;
use std::time::Duration;

use super::evidence::Seen;
use super::packet::Link;
use super::{Endpoint, Facts, FrameRef};

/// IP protocol above the network layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Protocol 6.
    Tcp,
    /// Protocol 17.
    Udp,
    /// Protocol 1.
    Icmp,
    /// Protocol 58.
    Icmpv6,
    /// Any other, by number.
    Other(u8),
}

/// Lower-case keyword, or `ip-N` for a protocol without one here.
impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Icmp => f.write_str("icmp"),
            Self::Icmpv6 => f.write_str("icmpv6"),
            Self::Other(number) => write!(f, "ip-{number}"),
        }
    }
}

/// Which way a packet of a flow travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the originator.
    OrigToResp,
    /// From the responder.
    RespToOrig,
}

impl Direction {
    /// Both, originator first.
    pub const BOTH: [Self; 2] = [Self::OrigToResp, Self::RespToOrig];

    /// The other one.
    pub fn reverse(self) -> Self {
        match self {
            Self::OrigToResp => Self::RespToOrig,
            Self::RespToOrig => Self::OrigToResp,
        }
    }
}

/// Something that each direction has one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerDirection<T> {
    /// Of the originator's side.
    pub orig: T,
    /// Of the responder's side.
    pub resp: T,
}

impl<T> PerDirection<T> {
    /// The one of the sender in `direction`.
    pub fn of(&self, direction: Direction) -> &T {
        match direction {
            Direction::OrigToResp => &self.orig,
            Direction::RespToOrig => &self.resp,
        }
    }

    /// The same, to change.
    pub fn of_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::OrigToResp => &mut self.orig,
            Direction::RespToOrig => &mut self.resp,
        }
    }

    /// Exchanges the sides.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.orig, &mut self.resp);
    }
}

/// A 5-tuple with roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Transport protocol.
    pub transport: Transport,
    /// The originator's end.
    pub orig: Endpoint,
    /// The responder's end; its port is the service's.
    pub resp: Endpoint,
}

impl FlowKey {
    /// The same 5-tuple with the roles exchanged.
    pub fn reversed(self) -> Self {
        Self { transport: self.transport, orig: self.resp, resp: self.orig }
    }

    /// The same value for both directions: the smaller end first.
    pub fn unordered(self) -> Self {
        if self.orig <= self.resp { self } else { self.reversed() }
    }
}

/// `tcp 192.0.2.1:1025 > 198.51.100.2:443`.
impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} > {}", self.transport, self.orig, self.resp)
    }
}

/// A flow's identity: its first frame, so that it is the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub FrameRef);

/// How originator and responder were told apart, surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleBasis {
    /// A SYN, or a SYN with ACK, was captured.
    Syn,
    /// An analyzer knows the client from what was said.
    Protocol,
    /// One port is that of a known service and the other is not.
    Port,
    /// As [`Self::Port`], but the responder sent the first packet captured, with no SYN to tell.
    PortAlone,
    /// Whoever sent the first packet captured.
    FirstPacket,
}

/// How a protocol was recognised. Never by a port alone: a port may only settle what content leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// The protocol around it agreed on it: an upgrade, STARTTLS, a subprotocol.
    Handshake,
    /// Its own content, which nothing else has.
    Content,
    /// Its content has the right shape, which other protocols may have too.
    Shape,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "handshake",
            Self::Content => "content",
            Self::Shape => "shape",
        })
    }
}

/// A finished flow with everything that was learnt of it.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Identity.
    pub id: FlowId,
    /// 5-tuple with roles.
    pub key: FlowKey,
    /// How the roles were decided.
    pub roles: RoleBasis,
    /// Link addresses of the first packet from each side.
    pub link: PerDirection<Option<Link>>,
    /// First packet.
    pub first: Seen,
    /// Last packet.
    pub last: Seen,
    /// Packets from each side.
    pub packets: PerDirection<u64>,
    /// Transport payload bytes on the wire from each side, retransmissions included.
    pub bytes: PerDirection<u64>,
    /// IP bytes on the wire from each side, headers included.
    pub ip_bytes: PerDirection<u64>,
    /// Stream bytes that the capture does not hold though later ones were seen.
    pub missed: PerDirection<u64>,
    /// Frames of this flow that the snap length cut.
    pub truncated_frames: u64,
    /// TCP only.
    pub tcp: Option<Box<TcpFacts>>,
    /// ICMP errors that quote this flow, in order, at most [`MAX_ICMP_ERRORS`].
    pub icmp_errors: Vec<IcmpError>,
    /// Its own packets that are ICMP errors.
    pub errors: u64,
    /// Protocols found by content, outermost first: `["http", "websocket", "mqtt"]`.
    pub service: Vec<&'static str>,
    /// How each of them was recognised.
    pub recognised: Vec<Basis>,
    /// What the analyzers observed.
    pub facts: Facts,
}

/// How many ICMP errors a flow keeps.
pub const MAX_ICMP_ERRORS: usize = 8;

/// How many letters a history has at most.
pub const MAX_HISTORY: usize = 64;

/// An ICMP error about a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// When and where.
    pub seen: Seen,
    /// Who sent it: a router or firewall on the path, or the peer itself.
    pub from: std::net::IpAddr,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Which way the quoted packet travelled.
    pub about: Direction,
}

/// State of a TCP connection at its end, in Zeek's words (`conn_state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnState {
    /// Attempt seen, no reply.
    S0,
    /// Established, not ended.
    S1,
    /// Ended by both sides.
    Sf,
    /// Attempt rejected.
    Rej,
    /// Established, the originator alone closed.
    S2,
    /// Established, the responder alone closed.
    S3,
    /// Established, the originator reset it.
    Rsto,
    /// The responder reset it.
    Rstr,
    /// SYN then RST by the originator, no SYN-ACK seen.
    Rstos0,
    /// SYN-ACK then RST by the responder, no SYN seen.
    Rstrh,
    /// SYN then FIN by the originator, no SYN-ACK seen.
    Sh,
    /// SYN-ACK then FIN by the responder, no SYN seen.
    Shr,
    /// Midstream: no SYN seen, not ended.
    Oth,
}

impl ConnState {
    /// The same state with the roles exchanged.
    fn swapped(self) -> Self {
        match self {
            Self::S2 => Self::S3,
            Self::S3 => Self::S2,
            Self::Rsto => Self::Rstr,
            Self::Rstr => Self::Rsto,
            Self::Rstos0 => Self::Rstrh,
            Self::Rstrh => Self::Rstos0,
            Self::Sh => Self::Shr,
            Self::Shr => Self::Sh,
            same => same,
        }
    }
}

impl fmt::Display for ConnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S0 => "S0",
            Self::S1 => "S1",
            Self::Sf => "SF",
            Self::Rej => "REJ",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::Rsto => "RSTO",
            Self::Rstr => "RSTR",
            Self::Rstos0 => "RSTOS0",
            Self::Rstrh => "RSTRH",
            Self::Sh => "SH",
            Self::Shr => "SHR",
            Self::Oth => "OTH",
        })
    }
}

/// What ended a TCP connection, first cause first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing did before the capture ended.
    Open,
    /// The first FIN came from the sender in this direction.
    Fin(Direction),
    /// A reset came from this direction before any FIN.
    Rst(Direction),
    /// The sender in this direction retransmitted without ever being answered again.
    Silence(Direction),
}

/// What is known of a TCP connection beyond its counts.
#[derive(Debug, Clone)]
pub struct TcpFacts {
    /// Zeek's connection state.
    pub state: ConnState,
    /// Zeek's history letters: upper case originator, lower case responder; at most [`MAX_HISTORY`].
    pub history: String,
    /// First SYN of the originator.
    pub syn: Option<Seen>,
    /// SYNs of the originator, retransmissions included.
    pub syn_count: u32,
    /// First SYN-ACK of the responder.
    pub syn_ack: Option<Seen>,
    /// When the handshake was complete: the originator's first ACK after the SYN-ACK, or data.
    pub established: Option<Seen>,
    /// What ended it.
    pub end: End,
    /// The frame of that end: the FIN, the RST, or the first unanswered retransmission.
    pub end_seen: Option<Seen>,
    /// TTL of the packet that ended it.
    pub end_hop_limit: Option<u8>,
    /// Least and greatest TTL of each side before the end.
    pub hop_limits: PerDirection<Option<(u8, u8)>>,
    /// Whether the FIN or RST that ended it lacks a timestamp option although its side used them before.
    pub end_lacks_timestamp: bool,
    /// Last packet with payload from each side, retransmissions not counted.
    pub last_data: PerDirection<Option<Seen>>,
    /// Time without a byte from either side before `end_seen` (before the first of the unanswered data for
    /// silence); since the beginning where there was none. What only the closer said within its last second (a
    /// TLS alert, an MQTT DISCONNECT) belongs to closing: the time before it is meant.
    pub idle_before_end: Option<Duration>,
    /// Longest time without new payload from either side, within the connection.
    pub longest_idle: Duration,
    /// Segments whose payload had been seen before.
    pub retransmissions: PerDirection<u64>,
    /// Retransmissions at the end of the connection that nothing answered.
    pub unanswered: PerDirection<u32>,
    /// Keep-alive probes: no or one byte at one below the next sequence number (RFC 9293 section 3.8.4).
    pub keep_alive_probes: PerDirection<u64>,
    /// ACKs of bytes from each side that the capture never held: evidence of loss in capturing.
    pub acked_unseen: PerDirection<u64>,
    /// Segments that say otherwise than one before about the same bytes, as far as that one still waited for others; the
    /// bytes captured first count.
    pub conflicts: PerDirection<u64>,
    /// No SYN was captured.
    pub midstream: bool,
}

impl TcpFacts {
    fn reverse_roles(&mut self) {
        self.state = self.state.swapped();
        self.history = self.history.chars().map(swap_case).chain(['^']).take(MAX_HISTORY).collect();
        self.end = match self.end {
            End::Open => End::Open,
            End::Fin(by) => End::Fin(by.reverse()),
            End::Rst(by) => End::Rst(by.reverse()),
            End::Silence(by) => End::Silence(by.reverse()),
        };
        self.hop_limits.swap();
        self.last_data.swap();
        self.unanswered.swap();
        for counts in [
            &mut self.retransmissions,
            &mut self.keep_alive_probes,
            &mut self.acked_unseen,
            &mut self.conflicts,
        ] {
            counts.swap();
        }
    }
}

fn swap_case(letter: char) -> char {
    if letter.is_ascii_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
}

impl Flow {
    /// Exchanges originator and responder in everything but `roles`, `service` and `facts`: protocol knowledge
    /// has decided otherwise than the headers.
    pub fn reverse_roles(&mut self) {
        self.key = self.key.reversed();
        self.link.swap();
        for counts in [&mut self.packets, &mut self.bytes, &mut self.ip_bytes, &mut self.missed] {
            counts.swap();
        }
        for error in &mut self.icmp_errors {
            error.about = error.about.reverse();
        }
        if let Some(tcp) = &mut self.tcp {
            tcp.reverse_roles();
        }
    }

    /// Time from first to last packet.
    pub fn duration(&self) -> Duration {
        self.last.at.since(self.first.at)
    }

    /// Whether it is nothing but ICMP errors, which open nothing: they are the consequence of other traffic.
    pub fn is_errors(&self) -> bool {
        self.errors > 0 && self.errors == self.packets.orig.saturating_add(self.packets.resp)
    }

    /// Whether the responder ever sent anything.
    pub fn answered(&self) -> bool {
        self.packets.resp > 0
    }

    /// How sure the service is: the weakest basis of all its protocols.
    pub fn basis(&self) -> Option<Basis> {
        self.recognised.iter().max().copied()
    }

    /// The service as shown: `http/websocket`; `None` if no analyzer recognised the content.
    pub fn service_name(&self) -> Option<String> {
        (!self.service.is_empty()).then(|| self.service.join("/"))
    }
}
