//! How a TCP connection ends: who closed it, who was no longer answered, and how long it was idle.

use std::num::NonZeroU64;
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
#[derive(Debug, Clone, Copy)]
pub(super) struct Close {
    pub(super) seen: Seen,
    /// See [`Idle::before_close`].
    pub(super) idle: Duration,
    pub(super) by: Direction,
    pub(super) reset: bool,
    pub(super) hop_limit: u8,
    pub(super) lacks_timestamp: bool,
}

impl Close {
    pub(super) fn end(&self) -> End {
        if self.reset { End::Rst(self.by) } else { End::Fin(self.by) }
    }
}

/// What the end that spoke last has sent since its peer was last heard; of the other end, everything is answered.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    by: Option<Direction>,
    /// Something is unanswered: the idle time before the first of it, in nanoseconds.
    idle: Option<Span>,
    /// Retransmissions among it, and probes after the first.
    again: Option<Box<Again>>,
}

#[derive(Debug)]
struct Again {
    count: u32,
    first: Seen,
    /// Its sender closed the connection meanwhile, the first to do so.
    closed: bool,
}

impl Unanswered {
    /// The end does `act`, `idle` after the last new byte of the connection.
    pub(super) fn note(&mut self, by: Direction, act: Act, seen: Seen, idle: Duration) {
        if self.by != Some(by) {
            *self = Self { by: Some(by), ..Self::default() };
        }
        let again = match act {
            Act::Nothing => return,
            Act::Payload | Act::Fresh => false,
            Act::Again => true,
            Act::Probe => self.idle.is_some(),
        };
        self.idle.get_or_insert(Span::new(idle));
        if again {
            let again =
                self.again.get_or_insert_with(|| Box::new(Again { count: 0, first: seen, closed: false }));
            again.count = again.count.saturating_add(1);
        }
    }

    pub(super) fn count(&self, by: Direction) -> u32 {
        self.of(by).map_or(0, |again| again.count)
    }

    /// The first unanswered retransmission, and the idle time before what it repeats was first sent.
    pub(super) fn run(&self, by: Direction) -> Option<(Seen, Duration)> {
        self.of(by).map(|again| again.first).zip(self.idle.map(Span::get))
    }

    /// The first close of the connection comes from `by`.
    pub(super) fn close(&mut self, by: Direction) {
        if let Some(again) = self.again.as_deref_mut().filter(|_| self.by == Some(by)) {
            again.closed = true;
        }
    }

    /// Whether the first close came from `by` while it waited for the answer that it waits for still.
    pub(super) fn closed(&self, by: Direction) -> bool {
        self.of(by).is_some_and(|again| again.closed)
    }

    fn of(&self, by: Direction) -> Option<&Again> {
        self.again.as_deref().filter(|_| self.by == Some(by))
    }

    /// Exchanges the roles.
    pub(super) fn swap(&mut self) {
        self.by = self.by.map(Direction::reverse);
    }
}

/// How recently before closing something was said for it to count as part of closing.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A length of time that takes no more room if there may be none.
#[derive(Debug, Clone, Copy)]
struct Span(NonZeroU64);

impl Span {
    fn new(duration: Duration) -> Self {
        // Packet times are 64 bits of nanoseconds, so that nothing is lost but one nanosecond in 584 years.
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    fn get(self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(1))
    }
}

/// Time without new payload from either side.
#[derive(Debug)]
pub(super) struct Idle {
    /// Last new payload; before any, the beginning.
    last: Timestamp,
    /// `None` before any payload.
    longest: Option<Span>,
    /// Who spoke alone since the last pause of at least `LAST_WORDS`, if anybody: since when, after which pause.
    turn_by: Option<Direction>,
    turn_at: Timestamp,
    turn_pause: u64,
}

impl Idle {
    pub(super) fn new(at: Timestamp) -> Self {
        Self { last: at, longest: None, turn_by: None, turn_at: at, turn_pause: 0 }
    }

    /// The handshake is complete: what came before was no idling.
    pub(super) fn begin(&mut self, at: Timestamp) {
        if self.longest.is_none() {
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
        self.longest = Some(Span::new(self.longest.map_or(Duration::ZERO, Span::get).max(pause)));
        if pause >= LAST_WORDS {
            self.turn_by = Some(by);
            self.turn_at = at;
            self.turn_pause = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        } else if self.turn_by != Some(by) {
            self.turn_by = None;
        }
        self.last = self.last.max(at);
    }

    /// How long it lasted when `by` closes. What only the closer has said within the last second (an
    /// alert of TLS, a DISCONNECT of MQTT) belongs to closing and ends no idling.
    pub(super) fn before_close(&self, by: Direction, at: Timestamp) -> Duration {
        if self.turn_by == Some(by) && at.since(self.turn_at) <= LAST_WORDS {
            Duration::from_nanos(self.turn_pause)
        } else {
            self.now(at)
        }
    }

    /// The longest of all until `end`.
    pub(super) fn longest(&self, end: Timestamp) -> Duration {
        self.longest.map_or(Duration::ZERO, Span::get).max(self.now(end))
    }

    /// Exchanges the roles.
    pub(super) fn swap(&mut self) {
        self.turn_by = self.turn_by.map(Direction::reverse);
    }
}
