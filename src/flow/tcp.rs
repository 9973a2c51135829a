//! One TCP connection: what its headers tell, and its streams put in order.

use std::time::Duration;

use super::Limits;
use super::ending::{Act, Close, Idle, Unanswered};
use super::half::{Half, NOTHING_ACKED, Oddities, Segment, Spoke};
use super::reassembly::{Captured, Piece, Reassembler};
use super::repeats::Repeat;
use super::seq::{Novelty, SeqNum};
use super::state::{self, History};
use crate::model::evidence::Seen;
use crate::model::flow::{End, TcpFacts};
use crate::model::packet::{TcpFlags, TcpHeader};
use crate::model::stats::ShedKind;
use crate::model::{Direction, Packet, PerDirection};

/// Numbers that are nearer to each other than this are of one connection: more than the capture may lack at a time, and
/// one in a million for two that are not.
const NEAR: u64 = 1 << 21;

/// The state of a connection, from its first packet to its last.
#[derive(Debug)]
pub(super) struct Connection {
    halves: PerDirection<Half>,
    /// Streams being put in order: from the first payload on, as long as somebody listens.
    streams: Option<Box<PerDirection<Reassembler>>>,
    history: History,
    syn: Option<Seen>,
    syn_ack: Option<Seen>,
    established: Option<Seen>,
    close: Option<Close>,
    idle: Idle,
    unanswered: Unanswered,
    syn_count: u32,
    /// SYNs that were answered, as far as that matters.
    syn_acks: u8,
    /// Whoever listens wants more.
    wanted: bool,
    /// Whoever listens has been given something, so that the roles can no longer be exchanged.
    told: bool,
}

impl Connection {
    /// A connection whose first packet is seen now; `flipped` if its sender is the responder.
    pub(super) fn new(first: Seen, flipped: bool) -> Self {
        let mut history = History::default();
        if flipped {
            history.note(Direction::OrigToResp, '^');
        }
        Self {
            halves: PerDirection { orig: Half::new(), resp: Half::new() },
            streams: None,
            history,
            syn: None,
            syn_ack: None,
            established: None,
            close: None,
            idle: Idle::new(first.at),
            unanswered: Unanswered::default(),
            syn_count: 0,
            syn_acks: 0,
            wanted: true,
            told: false,
        }
    }

    /// Reads a little of each part, so that all of it is near when it is needed.
    pub(super) fn touch(&self) -> u64 {
        let Self { halves: PerDirection { orig, resp }, idle, .. } = self;
        let of = |half: &Half| half.sequence.next().unsigned_abs() ^ u64::from(half.payload);
        of(orig)
            ^ of(resp)
            ^ idle.now(crate::model::Timestamp::default()).as_secs()
            ^ u64::from(self.syn_count)
    }

    /// Whether bytes are handed out.
    pub(super) fn wants(&self) -> bool {
        self.wanted
    }

    /// No SYN was captured.
    pub(super) fn midstream(&self) -> bool {
        self.syn.is_none() && self.syn_ack.is_none()
    }

    /// Whether the roles can still be exchanged without contradicting what was said before.
    pub(super) fn can_swap(&self) -> bool {
        !self.told && self.midstream()
    }

    /// Whether this segment opens a new connection on the same 5-tuple. As Wireshark's `tcp.stream`: a
    /// SYN with another initial sequence number does, one with the same is a retransmission (Windows
    /// tries again like that when it is refused). Beyond it, one with the same does too after
    /// an established connection has ended, as in captures of a replay; and so does a SYN with ACK that
    /// neither has the known number nor answers the known SYN, when this connection is over or its number
    /// was sure: then the SYN itself is what the capture lost.
    pub(super) fn is_new_use(&self, from: Direction, packet: &Packet<'_>, tcp: &TcpHeader) -> bool {
        if !tcp.flags.has(TcpFlags::SYN) || tcp.flags.has(TcpFlags::RST) {
            return false;
        }
        let (half, peer) = (self.halves.of(from), self.halves.of(from.reverse()));
        let Some(base) = half.base else { return false };
        let differs = base != SeqNum(tcp.seq);
        let over = half.rst || peer.rst || (half.fin && peer.fin);
        if tcp.flags.has(TcpFlags::ACK) {
            let answers = peer.base == Some(SeqNum(tcp.ack).before());
            return differs && !answers && (over || half.base_is_sure);
        }
        differs || (over && self.established.is_some() && !half.repeats.holds(packet, tcp))
    }

    /// Whether the numbers of a segment are near those that this connection is at; `None` if none of them is known.
    /// Of two connections with the same addresses and ports, numbers are as far from each other as chance will have it.
    pub(super) fn is_near(&self, from: Direction, tcp: &TcpHeader) -> Option<bool> {
        let near = |of: Direction, number: u32| {
            let half = self.halves.of(of);
            half.base?;
            let position = half.sequence.position(SeqNum(number));
            Some(position.is_some_and(|at| at.abs_diff(half.sequence.next()) < NEAR))
        };
        let ack = if tcp.flags.has(TcpFlags::ACK) { near(from.reverse(), tcp.ack) } else { None };
        match (near(from, tcp.seq), ack) {
            (Some(seq), Some(ack)) => Some(seq && ack),
            (seq, ack) => seq.or(ack),
        }
    }

    /// Exchanges the roles.
    pub(super) fn swap_roles(&mut self) {
        self.halves.swap();
        self.history.swap();
        self.idle.swap();
        self.unanswered.swap();
        if let Some(close) = &mut self.close {
            close.by = close.by.reverse();
        }
    }

    /// Takes note of a packet; whether it is a copy of one just before.
    #[inline]
    pub(super) fn note(&mut self, from: Direction, packet: &Packet<'_>, tcp: &TcpHeader) -> Repeat {
        // Each SYN may have been answered: then the same once more at once is the other answer.
        let answers = from == Direction::RespToOrig && u32::from(self.syn_acks) < self.syn_count;
        self.halves.of_mut(from).repeats.note(packet, tcp, answers)
    }

    /// The next packet, of which `repeat` says what [`Self::note`] said. `out` gets stream bytes in order and says whether it
    /// wants more.
    pub(super) fn packet(
        &mut self,
        from: Direction,
        packet: &Packet<'_>,
        tcp: &TcpHeader,
        repeat: Repeat,
        limits: &Limits,
        out: &mut impl FnMut(Direction, Piece<'_>) -> bool,
    ) {
        let rst = tcp.flags.has(TcpFlags::RST);
        let segment = Segment {
            seen: packet.seen,
            flags: tcp.flags,
            seq: SeqNum(tcp.seq),
            ack: SeqNum(tcp.ack),
            len: if rst { 0 } else { packet.payload_len },
            bytes: if rst { &[] } else { packet.payload },
        };
        let half = self.halves.of_mut(from);
        half.spoke = if half.spoke == Spoke::Never { Spoke::Once } else { Spoke::Again };
        let repeated = repeat != Repeat::No;
        self.anchor(from, &segment);
        self.note_flags(from, &segment, tcp.window, repeated);
        if segment.len == 0 {
            self.halves.of_mut(from).note_sent(segment.seq);
        }
        if rst && segment.has(TcpFlags::ACK) {
            self.halves.of_mut(from.reverse()).note_sent(segment.ack);
        } else if segment.has(TcpFlags::ACK) {
            self.acknowledge(from.reverse(), segment.ack, out);
        }
        let act = if rst { Act::Nothing } else { self.place(from, &segment, repeated) };
        if self.wanted && segment.len > 0 && act != Act::Probe {
            self.hand_on(from, &segment, limits, out);
        }
        if !repeated {
            self.note_end(from, &segment, act, packet.hop_limit, tcp.has_timestamp);
        }
    }

    /// The connection is over: hands out what waits. `out` as in [`Connection::packet`].
    pub(super) fn finish(&mut self, out: &mut impl FnMut(Direction, Piece<'_>) -> bool) {
        let Some(mut streams) = self.streams.take() else { return };
        for of in Direction::BOTH {
            self.wanted = self.wanted && streams.of_mut(of).finish(&mut |piece| out(of, piece));
        }
    }

    /// Stream bytes that wait for missing ones before them.
    pub(super) fn waiting(&self) -> usize {
        self.streams
            .as_ref()
            .map_or(0, |streams| streams.orig.waiting().saturating_add(streams.resp.waiting()))
    }

    /// Waits no longer for missing bytes: hands out what waits. `out` as in [`Connection::packet`].
    pub(super) fn give_up_holes(&mut self, out: &mut impl FnMut(Direction, Piece<'_>) -> bool) {
        let Some(streams) = &mut self.streams else { return };
        for of in Direction::BOTH {
            self.wanted = self.wanted && streams.of_mut(of).finish(&mut |piece| out(of, piece));
        }
        if !self.wanted {
            self.streams = None;
        }
    }

    /// What it would be let go as.
    pub(super) fn kind(&self) -> ShedKind {
        let PerDirection { orig, resp } = &self.halves;
        if !orig.payload && !resp.payload && self.established.is_none() {
            ShedKind::Attempt
        } else if orig.rst || resp.rst || (orig.fin && resp.fin) {
            ShedKind::Closed
        } else if !self.wanted {
            ShedKind::Recognised
        } else {
            ShedKind::Open
        }
    }

    /// Whether somebody listens to whom no byte can come any more: both ends have sent their FIN, and
    /// everything before.
    pub(super) fn is_heard_out(&self) -> bool {
        let through = |of: Direction| {
            let half = self.halves.of(of);
            half.fin
                && self.streams.as_ref().is_none_or(|streams| streams.of(of).is_at_fin(half.sequence.next()))
        };
        let ends = |of: Direction| through(of) && !self.lacks_end(of);
        self.wanted && ends(Direction::OrigToResp) && ends(Direction::RespToOrig)
    }

    /// Nobody listens any more.
    pub(super) fn stop(&mut self) {
        self.wanted = false;
        self.streams = None;
    }

    /// Learns where the streams begin.
    fn anchor(&mut self, from: Direction, segment: &Segment<'_>) {
        let (half, peer) = two(&mut self.halves, from);
        let syn = segment.has(TcpFlags::SYN) && !segment.has(TcpFlags::RST);
        match half.base {
            None if syn => half.set_base(segment.seq, true),
            None => half.set_base(segment.seq.before(), false),
            // A SYN answered twice with different numbers: the later stands while nothing was sent.
            Some(base) if syn && base != segment.seq && !half.payload => half.set_base(segment.seq, true),
            Some(base) if syn && base == segment.seq && !half.base_is_sure => {
                half.base_is_sure = true;
                half.started = true;
            }
            Some(_) => {}
        }
        if segment.has(TcpFlags::ACK) && peer.base.is_none() {
            peer.set_base(segment.ack.before(), syn);
        }
        // Nothing was sent in this direction yet, so nothing was handed out.
        if syn && !half.payload {
            restart(&mut self.streams, from, half);
        }
    }

    /// History, state, handshake.
    fn note_flags(&mut self, from: Direction, segment: &Segment<'_>, window: u16, repeated: bool) {
        let (half, peer) = two(&mut self.halves, from);
        self.history.segment(&mut half.marks, from, segment.flags, segment.seq.0, segment.len);
        if window == 0
            && !segment.has(TcpFlags::RST)
            && peer.state.stage != state::Stage::Closed
            && half.state.stage != state::Stage::Reset
        {
            let odd = half.odd();
            odd.zero_windows = odd.zero_windows.saturating_add(1);
            self.history.note_scaled(from, 'w', odd.zero_windows);
        }
        state::advance(&mut half.state, &mut peer.state, from, segment.flags, segment.len > 0);
        match from {
            Direction::OrigToResp if segment.is_syn() && !repeated => {
                self.syn.get_or_insert(segment.seen);
                self.syn_count = self.syn_count.saturating_add(1);
            }
            Direction::RespToOrig if segment.is_syn_ack() => {
                self.syn_ack.get_or_insert(segment.seen);
                self.syn_acks = self.syn_acks.saturating_add(1);
            }
            _ => {}
        }
        let handshake = segment.has_any(TcpFlags::SYN | TcpFlags::RST);
        let answered = self.syn_ack.is_some() && from == Direction::OrigToResp && segment.has(TcpFlags::ACK);
        let data = segment.len > 0 && !self.midstream();
        if self.established.is_none() && !handshake && (answered || data) {
            self.established = Some(segment.seen);
            self.idle.begin(segment.seen.at);
        }
    }

    /// The peer of `of` has acknowledged everything before `ack`.
    fn acknowledge(
        &mut self,
        of: Direction,
        ack: SeqNum,
        out: &mut impl FnMut(Direction, Piece<'_>) -> bool,
    ) {
        let half = self.halves.of_mut(of);
        let Some(position) = half.sequence.position(ack) else { return };
        let before = half.acked;
        if position <= before {
            return;
        }
        half.acked = position;
        let next = half.sequence.next();
        let unseen = if !half.started {
            // Nothing came from it yet: only what is acknowledged beyond the first time says anything.
            before != NOTHING_ACKED
        } else if !half.payload && !half.base_is_sure && position == next.saturating_add(1) {
            // Midstream, and its only segment was a keep-alive probe: the stream begins here.
            half.start(position, true);
            restart(&mut self.streams, of, half);
            false
        } else {
            half.sequence.lacks(before, position)
        };
        if unseen {
            let odd = half.odd();
            odd.acked_unseen = odd.acked_unseen.saturating_add(1);
            self.history.note_scaled(of, 'g', odd.acked_unseen);
        }
        if let Some(streams) = &mut self.streams {
            let told = &mut self.told;
            let wanted = streams.of_mut(of).acked(position, &mut |piece| {
                *told = true;
                out(of, piece)
            });
            if !wanted {
                self.stop();
            }
        }
    }

    /// Where the segment stands in its stream, and what that says of it.
    fn place(&mut self, from: Direction, segment: &Segment<'_>, repeated: bool) -> Act {
        let opened = !self.midstream();
        let half = self.halves.of_mut(from);
        let syn = segment.has(TcpFlags::SYN);
        let first_byte = if syn { segment.seq.after() } else { segment.seq };
        let Some(position) = half.sequence.position(first_byte) else { return Act::Nothing };
        if !half.started {
            let probe = segment.len == 1 && half.acked == position.saturating_add(1);
            // Where the connection was seen to begin, what its peer expected next is not what came before the capture.
            let position = if opened { position.min(0) } else { position };
            half.start(position, !opened && (probe || segment.len == 0));
            restart(&mut self.streams, from, half);
        }
        if half.is_keep_alive(position, segment) {
            if !repeated {
                let odd = half.odd();
                odd.keep_alive_probes = odd.keep_alive_probes.saturating_add(1);
            }
            return Act::Probe;
        }
        let mut act =
            if syn { if half.spoke == Spoke::Again { Act::Again } else { Act::Fresh } } else { Act::Nothing };
        if segment.len > 0 {
            half.payload = true;
            act = match half.sequence.cover(position, segment.bytes.len(), segment.len) {
                Novelty::New => {
                    half.last_data = Some(segment.seen);
                    Act::Payload
                }
                Novelty::Seen => {
                    let odd = half.odd();
                    odd.retransmissions = odd.retransmissions.saturating_add(1);
                    self.history.note_scaled(from, 't', odd.retransmissions);
                    Act::Again
                }
                Novelty::Before => act,
            };
        }
        if segment.has(TcpFlags::FIN) {
            half.sequence.finish_at(position.saturating_add(i64::from(segment.len)));
            if act == Act::Nothing {
                act = if half.fin { Act::Again } else { Act::Fresh };
            }
        }
        act
    }

    /// Gives the segment's bytes to whoever listens.
    fn hand_on(
        &mut self,
        from: Direction,
        segment: &Segment<'_>,
        limits: &Limits,
        out: &mut impl FnMut(Direction, Piece<'_>) -> bool,
    ) {
        let half = self.halves.of(from);
        let first_byte = if segment.has(TcpFlags::SYN) { segment.seq.after() } else { segment.seq };
        let Some(position) = half.sequence.position(first_byte) else { return };
        let streams = self.streams.get_or_insert_with(|| {
            let stream = |of| Reassembler::at(self.halves.of(of).sequence.start());
            Box::new(PerDirection {
                orig: stream(Direction::OrigToResp),
                resp: stream(Direction::RespToOrig),
            })
        });
        let bytes = Captured::new(segment.bytes, segment.len);
        if streams.of(from).contradicts(position, bytes) {
            let odd = self.halves.of_mut(from).odd();
            odd.conflicts = odd.conflicts.saturating_add(1);
        }
        let half = self.halves.of(from);
        let told = &mut self.told;
        let wanted = streams.of_mut(from).segment(position, bytes, half.acked, limits, &mut |piece| {
            *told = true;
            out(from, piece)
        });
        if !wanted {
            self.stop();
        }
    }

    /// Everything that tells how the connection ended. Not for frames captured twice.
    fn note_end(&mut self, from: Direction, segment: &Segment<'_>, act: Act, hop_limit: u8, timestamp: bool) {
        let idle = self.idle.now(segment.seen.at);
        let half = self.halves.of_mut(from);
        let (fin, rst) = (segment.has(TcpFlags::FIN), segment.has(TcpFlags::RST));
        let closes = self.close.is_none() && (fin || rst);
        if closes {
            self.unanswered.close(from);
        }
        self.unanswered.note(from, act, segment.seen, idle);
        if act == Act::Payload {
            self.idle.payload(from, segment.seen.at);
        }
        if closes {
            self.close = Some(Close {
                by: from,
                reset: rst,
                seen: segment.seen,
                hop_limit,
                lacks_timestamp: half.timestamps && !timestamp,
                idle: self.idle.before_close(from, segment.seen.at),
            });
        } else if self.close.is_none() {
            let (least, greatest) = half.hop_limits.unwrap_or((hop_limit, hop_limit));
            half.hop_limits = Some((least.min(hop_limit), greatest.max(hop_limit)));
        }
        half.timestamps |= timestamp;
        half.fin |= fin && !rst;
        half.rst |= rst;
    }

    /// What is known at the end; `last` is the last packet.
    pub(super) fn facts(&self, last: Seen) -> TcpFacts {
        let Self { halves: PerDirection { orig, resp }, close, .. } = self;
        let count =
            |which: fn(&Oddities) -> u64| PerDirection { orig: orig.count(which), resp: resp.count(which) };
        let silent = Direction::BOTH.into_iter().find_map(|of| self.silence(of));
        let (end, end_seen, idle_before_end) = match (silent, close) {
            (Some((of, first, idle)), _) => (End::Silence(of), Some(first), Some(idle)),
            (None, Some(close)) => (close.end(), Some(close.seen), Some(close.idle)),
            (None, None) => (End::Open, None, None),
        };
        let closing_packet = if silent.is_none() { close.as_ref() } else { None };
        TcpFacts {
            state: state::summary(orig.state, resp.state, orig.payload || resp.payload),
            history: self.history.letters().to_owned(),
            syn: self.syn,
            syn_count: self.syn_count,
            syn_ack: self.syn_ack,
            established: self.established,
            end,
            end_seen,
            end_hop_limit: closing_packet.map(|close| close.hop_limit),
            hop_limits: PerDirection { orig: orig.hop_limits, resp: resp.hop_limits },
            end_lacks_timestamp: closing_packet.is_some_and(|close| close.lacks_timestamp),
            last_data: PerDirection { orig: orig.last_data, resp: resp.last_data },
            idle_before_end,
            longest_idle: self.idle.longest(end_seen.unwrap_or(last).at),
            retransmissions: count(|odd| odd.retransmissions),
            unanswered: PerDirection {
                orig: self.unanswered.count(Direction::OrigToResp),
                resp: self.unanswered.count(Direction::RespToOrig),
            },
            keep_alive_probes: count(|odd| odd.keep_alive_probes),
            acked_unseen: count(|odd| odd.acked_unseen),
            conflicts: count(|odd| odd.conflicts),
            midstream: self.midstream(),
        }
    }

    /// Stream bytes that the capture does not hold though later ones were seen.
    pub(super) fn missed(&self) -> PerDirection<u64> {
        PerDirection { orig: self.halves.orig.sequence.missed(), resp: self.halves.resp.sequence.missed() }
    }

    /// Whether an end said more than the capture has after its last byte here, or was not captured at all.
    pub(super) fn lacks_end(&self, of: Direction) -> bool {
        self.halves.of(of).lacks_end()
    }

    /// Whether the end in direction `of` fell on deaf ears before anything else ended the connection: the
    /// first unanswered retransmission, and the time without a byte before what was retransmitted. Needs a
    /// peer that had spoken: a SYN that nobody ever answers is an attempt, and a capture of one
    /// direction shows no silence.
    fn silence(&self, of: Direction) -> Option<(Direction, Seen, Duration)> {
        let (first, idle) = self.unanswered.run(of)?;
        let heard = self.halves.of(of.reverse()).spoke != Spoke::Never;
        let earliest = self.close.is_none() || self.unanswered.closed(of);
        (heard && earliest).then_some((of, first, idle))
    }
}

/// The sender's half and its peer's.
fn two(halves: &mut PerDirection<Half>, from: Direction) -> (&mut Half, &mut Half) {
    match from {
        Direction::OrigToResp => (&mut halves.orig, &mut halves.resp),
        Direction::RespToOrig => (&mut halves.resp, &mut halves.orig),
    }
}

/// Lets a stream of which nothing was handed out begin where its sender does.
fn restart(streams: &mut Option<Box<PerDirection<Reassembler>>>, of: Direction, half: &Half) {
    if let Some(streams) = streams {
        streams.of_mut(of).start_at(half.sequence.start());
    }
}
