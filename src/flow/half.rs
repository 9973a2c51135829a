//! What is known of one end of a TCP connection.

use super::ending::Unanswered;
use super::reassembly::Reassembler;
use super::repeats::Repeats;
use super::seq::{SeqNum, Sequence};
use super::state::{EndState, Marks};
use crate::model::evidence::Seen;
use crate::model::packet::TcpFlags;

/// What one end has sent.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) state: EndState,
    pub(super) marks: Marks,
    /// Its initial sequence number, or what stands for it midstream: one before the first number seen
    /// from it or acknowledged by its peer (as Wireshark guesses it). `None`: nothing known.
    pub(super) base: Option<SeqNum>,
    /// `base` is what a SYN said, its own or the one that its peer's SYN acknowledged.
    pub(super) base_is_sure: bool,
    /// `sequence` and `reassembler` know where to begin.
    pub(super) started: bool,
    /// Has sent payload.
    pub(super) payload: bool,
    /// Has sent a FIN.
    pub(super) fin: bool,
    /// Has sent a RST.
    pub(super) rst: bool,
    /// A segment had a timestamp option.
    pub(super) timestamps: bool,
    pub(super) sequence: Sequence,
    pub(super) reassembler: Reassembler,
    /// Its peer has acknowledged everything before this position.
    pub(super) acked: Option<i64>,
    pub(super) repeats: Repeats,
    pub(super) unanswered: Unanswered,
    pub(super) hop_limits: Option<(u8, u8)>,
    pub(super) last_data: Option<Seen>,
    pub(super) packets: u64,
    pub(super) retransmissions: u64,
    pub(super) keep_alive_probes: u64,
    pub(super) acked_unseen: u64,
}

impl Half {
    /// Has sent nothing.
    pub(super) fn new() -> Self {
        Self {
            state: EndState::default(),
            marks: Marks::default(),
            base: None,
            base_is_sure: false,
            started: false,
            payload: false,
            fin: false,
            rst: false,
            timestamps: false,
            sequence: Sequence::new(SeqNum(0)),
            reassembler: Reassembler::default(),
            acked: None,
            repeats: Repeats::default(),
            unanswered: Unanswered::default(),
            hop_limits: None,
            last_data: None,
            packets: 0,
            retransmissions: 0,
            keep_alive_probes: 0,
            acked_unseen: 0,
        }
    }

    /// Learns its initial sequence number, for sure or as a guess.
    pub(super) fn set_base(&mut self, base: SeqNum, sure: bool) {
        self.base = Some(base);
        self.sequence = Sequence::new(base.after());
        self.base_is_sure = sure;
        self.started = sure;
        self.acked = None;
        self.reassembler.start_at(0);
    }

    /// Begins midstream with a segment at `position`. What the peer has acknowledged lies behind it,
    /// so that a keep-alive probe seen first does not make a missing byte.
    pub(super) fn start(&mut self, position: i64, empty: bool) {
        let position = if empty { position.max(self.acked.unwrap_or(position)) } else { position };
        self.sequence.start_at(position);
        self.reassembler.start_at(position);
        self.started = true;
    }

    /// Whether a segment at `position` is a keep-alive probe (RFC 9293 section 3.8.4): no or one byte,
    /// at one below the next number, when nothing is in flight.
    pub(super) fn is_keep_alive(&self, position: i64, segment: &Segment<'_>) -> bool {
        let next = self.sequence.next();
        segment.len <= 1
            && position.saturating_add(1) == next
            && !segment.has_any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST)
            && !self.fin
            && self.acked.is_none_or(|acked| acked >= next)
    }
}

/// A segment as far as it concerns its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) seen: Seen,
    pub(super) flags: TcpFlags,
    pub(super) seq: SeqNum,
    pub(super) ack: SeqNum,
    /// Stream bytes on the wire. None in a RST: what it carries is no part of the stream.
    pub(super) len: u32,
    pub(super) bytes: &'a [u8],
}

impl Segment<'_> {
    pub(super) fn has(&self, bits: u8) -> bool {
        self.flags.has(bits)
    }

    pub(super) fn has_any(&self, bits: u8) -> bool {
        self.flags.0 & bits != 0
    }

    pub(super) fn is_syn(&self) -> bool {
        self.has(TcpFlags::SYN) && !self.has(TcpFlags::ACK)
    }

    pub(super) fn is_syn_ack(&self) -> bool {
        self.has(TcpFlags::SYN | TcpFlags::ACK)
    }
}
