//! Hand-made packets, and a handler that writes down what it is told.

use std::cell::Cell;
use std::net::IpAddr;

use super::{FlowHead, FlowTable, Handler, KeyHasher, Limits};
use crate::model::evidence::Seen;
use crate::model::packet::{IcmpHeader, Link, Outer, Segment, TcpFlags, TcpHeader};
use crate::model::{CaptureId, Direction, Flow, FlowKey, FrameNo, FrameRef, MacAddr, Packet, Timestamp};

/// One end of the packets made here.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostPort {
    pub(super) ip: IpAddr,
    pub(super) port: u16,
}

impl HostPort {
    /// 192.0.2.`host`.
    pub(super) fn v4(host: u8, port: u16) -> Self {
        Self { ip: IpAddr::from([192, 0, 2, host]), port }
    }
}

/// Makes frames: each 10 ms after the last, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Frames {
    made: Cell<u64>,
    nanos: Cell<i64>,
}

/// A packet that owns its payload.
#[derive(Debug, Clone)]
pub(super) struct OwnedFrame {
    pub(super) seen: Seen,
    pub(super) link: Link,
    pub(super) outer: Outer,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) hop_limit: u8,
    pub(super) ip_id: Option<u16>,
    pub(super) segment: Segment,
    pub(super) payload: Vec<u8>,
    pub(super) payload_len: u32,
    /// Of an ICMP error.
    pub(super) quoted: Option<FlowKey>,
}

impl Frames {
    /// Lets time pass.
    pub(super) fn wait_secs(&self, secs: i64) {
        self.nanos.set(self.nanos.get() + secs * 1_000_000_000);
    }

    fn frame(&self, from: HostPort, to: HostPort, segment: Segment, payload: &[u8]) -> OwnedFrame {
        let no = self.made.get() + 1;
        self.made.set(no);
        self.nanos.set(self.nanos.get() + 10_000_000);
        OwnedFrame {
            seen: Seen {
                at: Timestamp::from_nanos(self.nanos.get()),
                frame: FrameRef::new(CaptureId(0), FrameNo(no)),
            },
            link: Link { src: Some(MacAddr([2, 0, 0, 0, 0, 1])), dst: None, vlan: None },
            outer: Outer::default(),
            src: from.ip,
            dst: to.ip,
            hop_limit: 64,
            ip_id: Some(no as u16),
            segment,
            payload: payload.to_vec(),
            payload_len: payload.len() as u32,
            quoted: None,
        }
    }

    /// `flags` in Wireshark's letters: `S A P F R`.
    pub(super) fn tcp(&self, from: HostPort, to: HostPort, flags: &str, seq: u32, ack: u32) -> OwnedFrame {
        let bits = flags.chars().fold(0, |bits, letter| {
            bits | match letter {
                'F' => TcpFlags::FIN,
                'S' => TcpFlags::SYN,
                'R' => TcpFlags::RST,
                'P' => TcpFlags::PSH,
                'A' => TcpFlags::ACK,
                _ => panic!("no such flag: {letter}"),
            }
        });
        let header = TcpHeader {
            src_port: from.port,
            dst_port: to.port,
            seq,
            ack,
            flags: TcpFlags(bits),
            window: 1024,
            has_timestamp: true,
        };
        self.frame(from, to, Segment::Tcp(header), b"")
    }

    pub(super) fn udp(&self, from: HostPort, to: HostPort, payload: &[u8]) -> OwnedFrame {
        self.frame(from, to, Segment::Udp { src_port: from.port, dst_port: to.port }, payload)
    }

    pub(super) fn icmp(
        &self,
        from: HostPort,
        to: HostPort,
        kind: u8,
        code: u8,
        id: u16,
        quoted: Option<FlowKey>,
    ) -> OwnedFrame {
        let header = IcmpHeader { kind, code, id, rest: u32::from(id) << 16 };
        let frame = self.frame(from, to, Segment::Icmp(header), b"quoted");
        OwnedFrame { quoted, ..frame }
    }
}

impl OwnedFrame {
    pub(super) fn with(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self.payload_len = payload.len() as u32;
        self
    }

    /// As if the snap length had left only `kept` bytes of payload.
    pub(super) fn cut_to(mut self, kept: usize) -> Self {
        self.payload.truncate(kept);
        self
    }

    pub(super) fn at(mut self, nanos: i64) -> Self {
        self.seen.at = Timestamp::from_nanos(nanos);
        self
    }

    pub(super) fn later(self, nanos: i64) -> Self {
        let at = self.seen.at.nanos();
        self.at(at + nanos)
    }

    pub(super) fn tcp_header_mut(&mut self) -> &mut TcpHeader {
        match &mut self.segment {
            Segment::Tcp(header) => header,
            other => panic!("not TCP: {other:?}"),
        }
    }

    pub(super) fn tcp_header(&self) -> TcpHeader {
        *self.clone().tcp_header_mut()
    }

    pub(super) fn packet(&self) -> Packet<'_> {
        Packet {
            seen: self.seen,
            link: self.link,
            outer: self.outer,
            src: self.src,
            dst: self.dst,
            hop_limit: self.hop_limit,
            ip_id: self.ip_id,
            ip_len: self.payload_len + 40,
            segment: self.segment,
            payload: &self.payload,
            payload_len: self.payload_len,
        }
    }
}

/// What a handler was told of one flow: per direction, bytes as text with `_` for each byte of a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) orig: String,
    pub(super) resp: String,
    pub(super) calls: usize,
    pub(super) last: Option<Seen>,
    /// Whose last bytes are missing.
    pub(super) lacks: Vec<Direction>,
    closed: bool,
}

/// Writes everything down. Wants no more of a flow after `enough` calls.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) enough: usize,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { enough: usize::MAX }
    }
}

impl Recorder {
    fn tell(&self, told: &mut Told, from: Direction, text: &str, seen: Seen) -> bool {
        assert!(told.calls < self.enough, "told more than was wanted");
        told.calls += 1;
        told.last = Some(seen);
        match from {
            Direction::OrigToResp => told.orig.push_str(text),
            Direction::RespToOrig => told.resp.push_str(text),
        }
        told.calls < self.enough
    }
}

impl Handler for Recorder {
    type State = Told;

    fn data(&mut self, told: &mut Told, _: &FlowHead, from: Direction, bytes: &[u8], seen: Seen) -> bool {
        self.tell(told, from, &String::from_utf8_lossy(bytes), seen)
    }

    fn gap(&mut self, told: &mut Told, _: &FlowHead, from: Direction, missed: u64, seen: Seen) -> bool {
        let text = if missed < 2_000 { "_".repeat(missed as usize) } else { format!("_{missed}_") };
        self.tell(told, from, &text, seen)
    }

    fn datagram(
        &mut self,
        told: &mut Told,
        _: &FlowHead,
        from: Direction,
        bytes: &[u8],
        missed: u32,
        seen: Seen,
    ) -> bool {
        let text = format!("{}{}|", String::from_utf8_lossy(bytes), "_".repeat(missed as usize));
        self.tell(told, from, &text, seen)
    }

    fn lacks(&mut self, told: &mut Told, from: Direction) {
        told.lacks.push(from);
    }

    fn closed(&mut self, told: &mut Told, _: &FlowHead, _: Seen) -> Option<Direction> {
        told.closed = true;
        None
    }
}

/// The flows of `frames`, with a handler that wants everything.
pub(super) fn run<'a>(frames: impl IntoIterator<Item = &'a OwnedFrame>) -> Vec<(Told, Flow)> {
    run_with(frames, Recorder::default(), Limits::default())
}

pub(super) fn run_with<'a>(
    frames: impl IntoIterator<Item = &'a OwnedFrame>,
    mut recorder: Recorder,
    limits: Limits,
) -> Vec<(Told, Flow)> {
    let (mut table, hasher) = (FlowTable::new(limits), KeyHasher::default());
    for frame in frames {
        let packet = frame.packet();
        table.packet(&packet, hasher.hash(&packet.key()), &mut recorder);
        if let Some(quoted) = frame.quoted {
            table.icmp_error(&packet, &quoted, hasher.hash(&quoted));
        }
    }
    table.close(&mut recorder);
    let mut flows: Vec<(Told, Flow)> = table
        .outlines()
        .filter_map(|(at, ..)| table.flow(at))
        .map(|(flow, told)| (told.cloned().unwrap_or_default(), flow))
        .collect();
    assert!(flows.iter().all(|(told, _)| told.closed || told.calls == 0));
    flows.sort_by_key(|(_, flow)| (flow.first.frame, flow.key));
    flows
}
