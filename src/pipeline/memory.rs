//! How the limit of memory is shared out.
//!
//! Every part has a fixed share, whatever the others take, and every shard a fixed share of that: so what is let go
//! depends on the capture and the limit alone, not on threads or on what happened to be freed in time.

use super::shard::SHARDS;

/// What may be taken if nobody says otherwise: the same on every machine, so that results are.
pub const DEFAULT_MAX_MEMORY: u64 = 2 << 30;

/// Less than this holds no more than the buffers.
pub const LEAST_MAX_MEMORY: u64 = 64 << 20;

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
    /// Of a run that may take `max` bytes: half of it for flows, an eighth for names, a sixteenth for traits of hosts. What
    /// is left is for blocks being read, for unpacking, and for judging.
    pub(super) fn of(max: u64) -> Self {
        let share = |parts: u64| {
            let bytes = max.max(LEAST_MAX_MEMORY) / 16 * parts / SHARDS as u64;
            usize::try_from(bytes).unwrap_or(usize::MAX)
        };
        Self { flows: share(8), names: share(2), traits: share(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_parts_of_the_limit() {
        let shares = Shares::of(DEFAULT_MAX_MEMORY);
        assert_eq!(shares, Shares { flows: 32 << 20, names: 8 << 20, traits: 4 << 20 });
        assert_eq!(Shares::of(0), Shares::of(LEAST_MAX_MEMORY));
    }
}
