//! How a TCP connection ends: who closed it, who was no longer answered, and how long it was idle.

use std::time::Duration;

use crate::model::evidence::Seen;
use crate::model::flow::End;
use crate::model::{Direction, Timestamp};

/// What a segment does for its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing that asks for an answer.
    Nothing,
    /// Sends bytes for the first time.
    Payload,
    /// Sends a SYN or FIN for the first time.
    Fresh,
    /// Sends again what was sent before.
    Again,
    /// Asks whether the peer is still there.
    Probe,
}

/// The first FIN or RST.
#[derive(Debug)]
pub(super) struct Close {
    pub(super) by: Direction,
    pub(super) reset: bool,
    pub(super) seen: Seen,
    pub(super) hop_limit: u8,
    pub(super) lacks_timestamp: bool,
    /// See [`Idle::before_close`].
    pub(super) idle: Duration,
    /// Its sender was waiting for an answer to this retransmission.
    pub(super) silent_since: Option<Seen>,
}

impl Close {
    pub(super) fn end(&self) -> End {
        if self.reset { End::Rst(self.by) } else { End::Fin(self.by) }
    }
}

/// What one end has sent since its peer was last heard.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    /// Something is unanswered; the idle time before the first of it.
    idle: Option<Duration>,
    /// Retransmissions among it, and probes after the first.
    count: u32,
    first: Option<Seen>,
}

impl Unanswered {
    /// The end does `act`, `idle` after the last new byte of the connection.
    pub(super) fn note(&mut self, act: Act, seen: Seen, idle: Duration) {
        let again = match act {
            Act::Nothing => return,
            Act::Payload | Act::Fresh => false,
            Act::Again => true,
            Act::Probe => self.idle.is_some(),
        };
        self.idle.get_or_insert(idle);
        if again {
            self.count = self.count.saturating_add(1);
            self.first.get_or_insert(seen);
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The first unanswered retransmission, and the idle time before what it repeats was first sent.
    pub(super) fn run(&self) -> Option<(Seen, Duration)> {
        self.first.zip(self.idle)
    }
}

/// How recently before closing something was said for it to count as part of closing.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Time without new payload from either side.
#[derive(Debug)]
pub(super) struct Idle {
    /// Last new payload; before any, the beginning.
    last: Timestamp,
    spoken: bool,
    longest: Duration,
    /// Who spoke alone since the last pause of at least `LAST_WORDS`.
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Turn {
    by: Direction,
    at: Timestamp,
    pause: Duration,
}

impl Idle {
    pub(super) fn new(at: Timestamp) -> Self {
        Self { last: at, spoken: false, longest: Duration::ZERO, turn: None }
    }

    /// The handshake is complete: what came before was no idling.
    pub(super) fn begin(&mut self, at: Timestamp) {
        if !self.spoken {
            self.last = at;
        }
    }

    /// How long it has lasted.
    pub(super) fn now(&self, at: Timestamp) -> Duration {
        at.since(self.last)
    }

    /// New payload comes from `by`.
    pub(super) fn payload(&mut self, by: Direction, at: Timestamp) {
        let pause = self.now(at);
        self.longest = self.longest.max(pause);
        if pause >= LAST_WORDS {
            self.turn = Some(Turn { by, at, pause });
        } else if self.turn.as_ref().is_some_and(|turn| turn.by != by) {
            self.turn = None;
        }
        self.last = self.last.max(at);
        self.spoken = true;
    }

    /// How long it lasted when `by` closes. What only the closer has said within the last second (an
    /// alert of TLS, a DISCONNECT of MQTT) belongs to closing and ends no idling.
    pub(super) fn before_close(&self, by: Direction, at: Timestamp) -> Duration {
        match &self.turn {
            Some(turn) if turn.by == by && at.since(turn.at) <= LAST_WORDS => turn.pause,
            _ => self.now(at),
        }
    }

    /// The longest of all until `end`.
    pub(super) fn longest(&self, end: Timestamp) -> Duration {
        self.longest.max(self.now(end))
    }

    /// Exchanges the roles.
    pub(super) fn swap(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.by = turn.by.reverse();
        }
    }
}
