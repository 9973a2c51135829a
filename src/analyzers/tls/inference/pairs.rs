//! Short records that answer each other: which lengths, how often, how regularly.

use std::time::Duration;

use super::Last;
use super::sizes::Size;
use crate::analyzers::Role;
use crate::model::Timestamp;

/// Kinds of pairs that are counted apart.
const KINDS: usize = 6;
/// Times between the latest pairs of a kind.
const KEPT: usize = 8;
/// The longest control frame of WebSocket with its head and masking key (RFC 6455 section 5.5).
const LONGEST: u16 = 125 + 2 + 4;
/// An answer that comes later is none.
const LATEST: Duration = Duration::from_secs(5);
/// Two messages closer together are no keep alive.
const LEAST_PERIOD_MS: u32 = 1000;
/// Clients look at the clock once in a second.
const LATE_MS: u32 = 1100;

/// One kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) client: Size,
    pub(super) server: Size,
    pub(super) begun_by: Role,
    /// Lengths of the records, client's first.
    lengths: (u16, u16),
    pub(super) count: u32,
    last: Timestamp,
    /// Milliseconds between one and the next, the latest ones.
    spans: [u32; KEPT],
    span_count: u32,
}

impl Pair {
    /// The lengths of the two may differ by what masking adds to the client's.
    pub(super) fn may_be_masked(&self) -> bool {
        let (least, most) = (self.server.low.saturating_add(4), self.server.high.saturating_add(4));
        self.client.may_be_within(least.max(6), most)
    }

    pub(super) fn is_exact(&self) -> bool {
        self.client.is_exact() && self.server.is_exact()
    }

    fn spans(&self) -> &[u32] {
        let kept = usize::try_from(self.span_count).map_or(KEPT, |count| count.min(KEPT));
        self.spans.get(..kept).unwrap_or_default()
    }

    /// The shortest time between two of them, if there were three: what comes between pings delays them.
    pub(super) fn least_span(&self) -> Option<Duration> {
        let spans = self.spans();
        let least = spans.iter().copied().min().filter(|_| spans.len() >= 2)?;
        (least >= LEAST_PERIOD_MS).then(|| Duration::from_millis(u64::from(least)))
    }

    /// The usual time between two of them, if three in four of at least two are about that or (where one was
    /// not told from other traffic) a multiple of it.
    pub(super) fn period(&self) -> Option<Duration> {
        let mut sorted = [0; KEPT];
        let spans = self.spans();
        let sorted = sorted.get_mut(..spans.len())?;
        sorted.copy_from_slice(spans);
        sorted.sort_unstable();
        // The lower quartile: one that came early does no harm.
        let base = sorted.get(sorted.len() / 4).copied().filter(|base| *base >= LEAST_PERIOD_MS)?;
        let tolerance = (base / 10).max(100);
        let fits = |span: &&u32| {
            let off = span.checked_rem(base).unwrap_or_default();
            off <= tolerance || base.saturating_sub(off) <= tolerance || span.abs_diff(base) <= LATE_MS
        };
        let fitting = spans.iter().filter(fits).count();
        let enough = spans.len() >= 2 && fitting.saturating_mul(4) >= spans.len().saturating_mul(3);
        enough.then(|| Duration::from_millis(u64::from(base)))
    }
}

/// The kinds of one connection.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    kinds: [Option<Pair>; KINDS],
    /// Of all kinds.
    pub(super) count: u32,
}

impl Pairs {
    /// The record of `role` at hand is the other side's first word since the one `before` it.
    pub(super) fn add(&mut self, before: &Last, role: Role, length: u16, size: Size, at: Timestamp) {
        let short = before.size.high <= LONGEST && size.high <= LONGEST;
        if !before.fresh || !short || at.since(before.at) > LATEST {
            return;
        }
        self.count = self.count.saturating_add(1);
        let (client, server, lengths) = match role {
            Role::Server => (before.size, size, (before.length, length)),
            Role::Client => (size, before.size, (length, before.length)),
        };
        let is_it = |kind: &&mut Option<Pair>| {
            kind.as_ref().is_some_and(|pair| pair.lengths == lengths && pair.begun_by == before.role)
        };
        if let Some(Some(pair)) = self.kinds.iter_mut().find(is_it) {
            let span = u32::try_from(before.at.since(pair.last).as_millis()).unwrap_or(u32::MAX);
            let slot =
                usize::try_from(pair.span_count).unwrap_or_default().checked_rem(KEPT).unwrap_or_default();
            if let Some(slot) = pair.spans.get_mut(slot) {
                *slot = span;
            }
            pair.span_count = pair.span_count.saturating_add(1);
            pair.count = pair.count.saturating_add(1);
            pair.last = before.at;
            return;
        }
        let new = Pair {
            client,
            server,
            begun_by: before.role,
            lengths,
            count: 1,
            last: before.at,
            spans: [0; KEPT],
            span_count: 0,
        };
        // The rarest of those that are no pings makes room.
        let slot = match self.kinds.iter().position(Option::is_none) {
            Some(free) => self.kinds.get_mut(free),
            None => self.kinds.iter_mut().min_by_key(|kind| kind.as_ref().map_or(0, |pair| pair.count)),
        };
        if let Some(slot) = slot {
            *slot = Some(new);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.kinds.iter().flatten()
    }
}
