//! What is known of one end of a TCP connection.

use super::repeats::Repeats;
use super::seq::{SeqNum, Sequence};
use super::state::{EndState, Marks};
use crate::model::evidence::Seen;
use crate::model::packet::TcpFlags;

/// What one end has sent.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) sequence: Sequence,
    /// Its peer has acknowledged everything before this position; the least there is before it says anything.
    pub(super) acked: i64,
    /// It has sent everything before this position, as its empty segments and RST count it, or its peer's RST does.
    reaches: i64,
    pub(super) last_data: Option<Seen>,
    pub(super) repeats: Repeats<4>,
    /// What few connections have anything of.
    oddities: Option<Box<Oddities>>,
    pub(super) marks: Marks,
    /// Its initial sequence number, or what stands for it midstream: one before the first number seen
    /// from it or acknowledged by its peer (as Wireshark guesses it). `None`: nothing known.
    pub(super) base: Option<SeqNum>,
    pub(super) state: EndState,
    pub(super) hop_limits: Option<(u8, u8)>,
    /// How often it has sent something, as far as that matters.
    pub(super) spoke: Spoke,
    /// `base` is what a SYN said, its own or the one that its peer's SYN acknowledged.
    pub(super) base_is_sure: bool,
    /// `sequence` and the reassembler know where to begin.
    pub(super) started: bool,
    /// Has sent payload.
    pub(super) payload: bool,
    /// Has sent a FIN.
    pub(super) fin: bool,
    /// Has sent a RST.
    pub(super) rst: bool,
    /// A segment had a timestamp option.
    pub(super) timestamps: bool,
}

/// Never, once, more often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoke {
    Never,
    Once,
    Again,
}

/// Counts of what usually does not happen.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    pub(super) retransmissions: u64,
    pub(super) keep_alive_probes: u64,
    pub(super) acked_unseen: u64,
    pub(super) conflicts: u64,
    pub(super) zero_windows: u64,
}

/// No position: before the peer has acknowledged anything.
pub(super) const NOTHING_ACKED: i64 = i64::MIN;

impl Half {
    /// Has sent nothing.
    pub(super) fn new() -> Self {
        Self {
            sequence: Sequence::new(SeqNum(0)),
            acked: NOTHING_ACKED,
            reaches: NOTHING_ACKED,
            last_data: None,
            repeats: Repeats::default(),
            oddities: None,
            marks: Marks::default(),
            base: None,
            state: EndState::default(),
            hop_limits: None,
            spoke: Spoke::Never,
            base_is_sure: false,
            started: false,
            payload: false,
            fin: false,
            rst: false,
            timestamps: false,
        }
    }

    /// What was odd, to count more of it.
    pub(super) fn odd(&mut self) -> &mut Oddities {
        self.oddities.get_or_insert_default()
    }

    /// One of the counts.
    pub(super) fn count(&self, which: impl Fn(&Oddities) -> u64) -> u64 {
        self.oddities.as_deref().map_or(0, which)
    }

    /// Learns its initial sequence number, for sure or as a guess.
    pub(super) fn set_base(&mut self, base: SeqNum, sure: bool) {
        self.base = Some(base);
        self.sequence = Sequence::new(base.after());
        self.base_is_sure = sure;
        self.started = sure;
        (self.acked, self.reaches) = (NOTHING_ACKED, NOTHING_ACKED);
    }

    /// Begins midstream with a segment at `position`. What the peer has acknowledged lies behind it,
    /// so that a keep-alive probe seen first does not make a missing byte.
    pub(super) fn start(&mut self, position: i64, empty: bool) {
        self.sequence.start_at(if empty { position.max(self.acked) } else { position });
        self.started = true;
    }

    /// Whether the capture lacks the end of what it has sent, or all of it. Beyond the last byte seen, one more may be
    /// the FIN. Without any, what lies between what its peer first acknowledged and its own first number is all.
    pub(super) fn lacks_end(&self) -> bool {
        let next = self.sequence.next();
        let sent = self.acked.max(self.reaches);
        match (self.spoke, self.fin) {
            (Spoke::Never, _) => true,
            _ if !self.payload && self.sequence.start() > 0 => true,
            (_, true) => sent > next || self.sequence.lacks(next.saturating_sub(2), next.saturating_sub(1)),
            (_, false) => sent > next.saturating_add(1),
        }
    }

    /// Everything before this number was sent.
    pub(super) fn note_sent(&mut self, number: SeqNum) {
        if self.base.is_some() {
            self.reaches = self.sequence.position(number).map_or(self.reaches, |at| at.max(self.reaches));
        }
    }

    /// Whether a segment at `position` is a keep-alive probe (RFC 9293 section 3.8.4): no or one byte,
    /// at one below the next number, when nothing is in flight.
    pub(super) fn is_keep_alive(&self, position: i64, segment: &Segment<'_>) -> bool {
        let next = self.sequence.next();
        segment.len <= 1
            && position.saturating_add(1) == next
            && !segment.has_any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST)
            && !self.fin
            && (self.acked == NOTHING_ACKED || self.acked >= next)
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
