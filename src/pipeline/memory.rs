//! How the limit of memory is shared out.
//!
//! Every part has a fixed share, whatever the others take, and every shard a fixed share of that: so what is let go
//! depends on the capture and the limit alone, not on threads or on what happened to be freed in time.

use super::shard::SHARDS;

/// What may be taken if nobody says otherwise: the same on every machine, so that results are.
pub const DEFAULT_MAX_MEMORY: u64 = 2 << 30;

/// Less than this holds no more than the buffers.
pub const LEAST_MAX_MEMORY: u64 = 64 << 20;

/// Goes to blocks being read and to what the allocator keeps for each thread, however little there is; measured with two
/// threads.
const RESERVE: u64 = 20 << 20;

/// A sixteenth of what is shared out.
fn part(max: u64) -> u64 {
    max.max(LEAST_MAX_MEMORY).saturating_sub(RESERVE) / 16
}

/// What unpacking a capture may take in a run that may take `max` bytes. Packed captures that overlap in time take it each.
pub fn window(max: u64) -> u64 {
    max.max(LEAST_MAX_MEMORY) / 8
}

/// Shares of one shard, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    /// Flows with what was learnt of their content.
    pub(super) flows: usize,
    /// Names of addresses.
    pub(super) names: usize,
    /// Traits of hosts.
    pub(super) traits: usize,
}

impl Shares {
    /// Of a run that may take `max` bytes: of sixteen parts six for flows, two for names, one for traits of hosts, three for
    /// [`Room`]. What is left is what the allocator cannot use, about a third of the rest.
    pub(super) fn of(max: u64) -> Self {
        let share = |parts: u64| {
            let bytes = part(max) * parts / SHARDS as u64;
            usize::try_from(bytes).unwrap_or(usize::MAX)
        };
        Self { flows: share(6), names: share(2), traits: share(1) }
    }
}

/// How much is judged at once and kept of it. What is judged depends on this, so it depends on no number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Flows of one device.
    pub(super) flows: usize,
    /// Rows of one device and code.
    pub(super) rows: usize,
    /// Rows of all devices.
    pub(super) all_rows: usize,
}

impl Default for Room {
    /// Without bound.
    fn default() -> Self {
        Self { flows: usize::MAX, rows: usize::MAX, all_rows: usize::MAX }
    }
}

impl Room {
    /// In a run that may take `max` bytes: of sixteen parts two for flows, one for rows of a device and four for rows of all,
    /// which come when what packed captures took is free again.
    pub(super) fn of(max: u64) -> Self {
        let part = part(max);
        let count = |bytes: u64, each: u64| usize::try_from(bytes / each).unwrap_or(usize::MAX);
        Self { flows: count(part * 2, FLOW), rows: count(part, ROW), all_rows: count(part * 4, ROW) }
    }
}

/// About what a flow takes while its device is judged: unpacked, with facts and names.
const FLOW: u64 = 2 << 10;

/// About what a row takes, with its texts.
const ROW: u64 = 2 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_parts_of_the_limit() {
        let shares = Shares::of(RESERVE + (1 << 30));
        assert_eq!(shares, Shares { flows: 12 << 20, names: 4 << 20, traits: 2 << 20 });
        assert_eq!(Shares::of(0), Shares::of(LEAST_MAX_MEMORY));
    }
}
