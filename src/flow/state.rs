//! The state of a TCP connection in Zeek's words: `conn_state` and `history`, following the transitions
//! of Zeek 7 (`TCPSessionAdapter`, `scripts/base/protocols/conn`). Judges no sequence numbers.

use crate::model::Direction;
use crate::model::flow::{ConnState, MAX_HISTORY};
use crate::model::packet::TcpFlags;

/// How far one end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stage {
    /// Has sent nothing that counts.
    #[default]
    Inactive,
    /// Has sent a SYN.
    SynSent,
    /// As originator, has sent a SYN with ACK.
    SynAckSent,
    /// Has sent something, but no SYN.
    Partial,
    /// Its SYN was answered, or answers one.
    Established,
    /// Has sent a FIN.
    Closed,
    /// Has sent a RST.
    Reset,
}

/// The state of one end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EndState {
    pub(super) stage: Stage,
    before: Stage,
}

impl EndState {
    fn set(&mut self, stage: Stage) {
        self.before = self.stage;
        self.stage = stage;
    }
}

/// `sender`, which speaks in direction `from`, has sent a segment with `flags`, with payload or without.
pub(super) fn advance(
    sender: &mut EndState,
    peer: &mut EndState,
    from: Direction,
    flags: TcpFlags,
    payload: bool,
) {
    let (syn, fin, rst) = (flags.has(TcpFlags::SYN), flags.has(TcpFlags::FIN), flags.has(TcpFlags::RST));
    match sender.stage {
        Stage::Inactive => first(sender, peer, from, flags, payload),
        Stage::SynSent | Stage::SynAckSent => {
            if fin {
                sender.set(Stage::Closed);
            }
            if rst {
                sender.set(Stage::Reset);
            }
        }
        Stage::Established | Stage::Partial => {
            let lone = sender.stage == Stage::Partial && peer.stage == Stage::Inactive;
            if syn && lone && !flags.has(TcpFlags::ACK) {
                sender.set(Stage::SynSent);
            }
            if fin && !rst {
                sender.set(Stage::Closed);
                if peer.stage == Stage::Reset && peer.before == Stage::Closed {
                    // FIN, RST from one side and then FIN from the other: a normal end.
                    peer.set(Stage::Closed);
                }
            }
            if rst {
                sender.set(Stage::Reset);
            }
        }
        Stage::Closed => {
            if rst && peer.stage != Stage::Closed {
                sender.set(Stage::Reset);
            }
        }
        Stage::Reset => {}
    }
}

/// The first segment that counts from this end.
fn first(sender: &mut EndState, peer: &mut EndState, from: Direction, flags: TcpFlags, payload: bool) {
    let ack = flags.has(TcpFlags::ACK);
    if flags.has(TcpFlags::SYN) {
        match from {
            Direction::OrigToResp => sender.set(if ack { Stage::SynAckSent } else { Stage::SynSent }),
            Direction::RespToOrig => {
                if peer.stage == Stage::SynSent {
                    peer.set(Stage::Established);
                }
                sender.set(Stage::Established);
            }
        }
    }
    if flags.has(TcpFlags::FIN) {
        sender.set(Stage::Closed);
    }
    if flags.has(TcpFlags::RST) {
        sender.set(Stage::Reset);
    }
    if sender.stage != Stage::Inactive {
        return;
    }
    if from == Direction::RespToOrig && !payload && peer.stage == Stage::SynSent {
        // Some stacks acknowledge a SYN before they answer it.
    } else if ack && peer.stage == Stage::Established {
        // Only the originator's SYN is missing.
        sender.set(Stage::Established);
    } else {
        sender.set(Stage::Partial);
    }
}

/// Zeek's summary. `payload` is whether either end sent any.
pub(super) fn summary(orig: EndState, resp: EndState, payload: bool) -> ConnState {
    use Stage::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
    let orig_inactive = matches!(orig.stage, Inactive | Partial);
    let resp_inactive = matches!(resp.stage, Inactive | Partial);
    match (orig.stage, resp.stage) {
        (SynSent | SynAckSent, Reset) => ConnState::Rej,
        (Reset, Reset) if !payload => ConnState::Rej,
        (_, Reset) if orig_inactive => ConnState::Rstrh,
        (_, Reset) => ConnState::Rstr,
        (Reset, _) if resp_inactive => ConnState::Rstos0,
        (Reset, _) => ConnState::Rsto,
        (Closed, Closed) => ConnState::Sf,
        (Closed, _) if resp_inactive => ConnState::Sh,
        (Closed, _) => ConnState::S2,
        (_, Closed) if orig_inactive => ConnState::Shr,
        (_, Closed) => ConnState::S3,
        (SynSent, Inactive) => ConnState::S0,
        (Established, Established) => ConnState::S1,
        _ => ConnState::Oth,
    }
}

/// What has been noted of one end in the history.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    noted: u8,
    syn: u32,
    fin: u32,
    rst: u32,
}

/// Bits of `Marks::noted`.
const SYN: u8 = 0x01;
const FIN: u8 = 0x02;
const RST: u8 = 0x04;
const DATA: u8 = 0x08;
const ACK: u8 = 0x10;
const FIN_RST: u8 = 0x20;
const MANY: u8 = 0x40;

/// Zeek's history letters, in order: `S` SYN, `H` SYN with ACK, `A` pure ACK, `D` payload, `F` FIN, `R` RST,
/// `I` FIN with RST, `Q` SYN with FIN or RST, each once (SYN, FIN and RST again when their sequence number
/// differs); `T` retransmission, `W` zero window, `G` gap, at the 1st, 10th, 100th…; `^` the sender of the
/// first packet is the responder. Unlike Zeek's, `T` leaves out keep-alive probes and what was only late.
#[derive(Debug)]
pub(super) enum History {
    /// As many as most connections have.
    Short { len: u8, letters: [u8; SHORT] },
    /// At most [`MAX_HISTORY`].
    #[expect(clippy::box_collection, reason = "a thin pointer keeps this small, and few are long")]
    Long(Box<Vec<u8>>),
}

/// So many letters fit where a pointer to more would be.
const SHORT: usize = 14;

impl Default for History {
    fn default() -> Self {
        Self::Short { len: 0, letters: [0; SHORT] }
    }
}

impl History {
    /// Upper case for the originator.
    pub(super) fn note(&mut self, from: Direction, letter: char) {
        let letter = letter as u8;
        self.push(match from {
            Direction::OrigToResp => letter.to_ascii_uppercase(),
            Direction::RespToOrig => letter.to_ascii_lowercase(),
        });
    }

    fn push(&mut self, letter: u8) {
        match self {
            Self::Short { len, letters } => {
                if let Some(place) = letters.get_mut(usize::from(*len)) {
                    *place = letter;
                    *len = len.saturating_add(1);
                } else {
                    let mut long = letters.to_vec();
                    long.push(letter);
                    *self = Self::Long(Box::new(long));
                }
            }
            // Zeek has no bound; a hostile connection could make one letter of every packet.
            Self::Long(letters) if letters.len() < MAX_HISTORY => letters.push(letter),
            Self::Long(_) => {}
        }
    }

    /// The same for what is noted at powers of ten only; `count` includes this time.
    pub(super) fn note_scaled(&mut self, from: Direction, letter: char, count: u64) {
        if is_power_of_ten(count) {
            self.note(from, letter);
        }
    }

    fn note_once(&mut self, marks: &mut Marks, bit: u8, from: Direction, letter: char) {
        if marks.noted & bit == 0 {
            marks.noted |= bit;
            self.note(from, letter);
        }
    }

    /// A segment with `flags`. `seq` is its sequence number, `len` its payload.
    pub(super) fn segment(
        &mut self,
        marks: &mut Marks,
        from: Direction,
        flags: TcpFlags,
        seq: u32,
        len: u32,
    ) {
        let kinds = [TcpFlags::SYN, TcpFlags::FIN, TcpFlags::RST];
        match kinds.into_iter().filter(|bit| flags.has(*bit)).count() {
            0 if len > 0 => self.note_once(marks, DATA, from, 'd'),
            0 if flags.has(TcpFlags::ACK) => self.note_once(marks, ACK, from, 'a'),
            0 => {}
            1 => self.control(marks, from, flags, seq, len),
            _ if flags.has(TcpFlags::FIN | TcpFlags::RST) => self.note_once(marks, FIN_RST, from, 'i'),
            _ => self.note_once(marks, MANY, from, 'q'),
        }
    }

    fn control(&mut self, marks: &mut Marks, from: Direction, flags: TcpFlags, seq: u32, len: u32) {
        let (bit, letter, last, seq) = if flags.has(TcpFlags::SYN) {
            (SYN, if flags.has(TcpFlags::ACK) { 'h' } else { 's' }, &mut marks.syn, seq)
        } else if flags.has(TcpFlags::FIN) {
            // A FIN's own number comes after the payload.
            (FIN, 'f', &mut marks.fin, seq.wrapping_add(len))
        } else {
            (RST, 'r', &mut marks.rst, seq)
        };
        let differs = *last != seq;
        *last = seq;
        if marks.noted & bit == 0 || differs {
            marks.noted |= bit;
            self.note(from, letter);
        }
    }

    /// Exchanges the roles in what has been noted.
    pub(super) fn swap(&mut self) {
        let letters = match self {
            Self::Short { letters, .. } => letters.as_mut_slice(),
            Self::Long(letters) => letters.as_mut_slice(),
        };
        // The bit that tells upper from lower case. What is behind the last letter is written over.
        letters.iter_mut().filter(|letter| letter.is_ascii_alphabetic()).for_each(|letter| *letter ^= 0x20);
        self.note(Direction::OrigToResp, '^');
    }

    /// The letters.
    pub(super) fn letters(&self) -> &str {
        let letters = match self {
            Self::Short { len, letters } => letters.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(letters) => letters.as_slice(),
        };
        std::str::from_utf8(letters).unwrap_or_default()
    }
}

fn is_power_of_ten(mut count: u64) -> bool {
    while count != 0 && count.is_multiple_of(10) {
        count /= 10;
    }
    count == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{OrigToResp, RespToOrig};

    #[test]
    fn scaled_letters_come_at_powers_of_ten() {
        let mut history = History::default();
        (1..=1000).for_each(|count| history.note_scaled(RespToOrig, 't', count));
        assert_eq!(history.letters(), "tttt");
        assert!(!is_power_of_ten(0));
    }

    #[test]
    fn letters_are_noted_once_unless_the_number_differs() {
        let mut history = History::default();
        let mut marks = Marks::default();
        let flags = |bits| TcpFlags(bits);
        for (bits, seq) in
            [(0x02, 5), (0x02, 5), (0x02, 9), (0x10, 6), (0x10, 6), (0x11, 7), (0x14, 7), (0x04, 8)]
        {
            history.segment(&mut marks, OrigToResp, flags(bits), seq, 0);
        }
        history.segment(&mut marks, OrigToResp, flags(0x07), 1, 0);
        history.segment(&mut marks, OrigToResp, flags(0x03), 1, 0);
        assert_eq!(history.letters(), "SSAFRRIQ");
        history.swap();
        assert_eq!(history.letters(), "ssafrriq^");
    }

    #[test]
    fn a_hostile_history_stops_at_its_bound() {
        let mut history = History::default();
        let mut marks = Marks::default();
        (0..1000).for_each(|seq| history.segment(&mut marks, OrigToResp, TcpFlags(TcpFlags::RST), seq, 0));
        assert_eq!(history.letters().len(), MAX_HISTORY);
    }
}
