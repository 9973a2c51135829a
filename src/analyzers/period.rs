//! How often something happens.

use std::time::Duration;

use crate::model::Timestamp;

/// How many intervals are kept; when they are full, every other one goes and from then on only
/// every second, fourth, … is added, so that those kept are spread over the whole time.
const MAX_KEPT: usize = 256;

/// Intervals between the times at which the same thing happened, in bounded memory.
#[derive(Debug, Default)]
pub(crate) struct Intervals {
    last: Option<Timestamp>,
    kept: Vec<Duration>,
    /// Intervals seen so far; every `1 << halvings`-th is kept.
    seen: u64,
    halvings: u32,
}

impl Intervals {
    /// It happened at `at`.
    pub(crate) fn mark(&mut self, at: Timestamp) {
        let Some(last) = self.last.replace(at) else { return };
        let number = self.seen;
        self.seen = self.seen.saturating_add(1);
        if number.trailing_zeros() < self.halvings {
            return;
        }
        if self.kept.len() >= MAX_KEPT {
            let mut odd = false;
            self.kept.retain(|_| {
                odd = !odd;
                odd
            });
            self.halvings = self.halvings.saturating_add(1);
            if number.trailing_zeros() < self.halvings {
                return;
            }
        }
        self.kept.push(at.since(last));
    }

    /// An occurrence may have been missed: the next interval is not one.
    pub(crate) fn interrupt(&mut self) {
        self.last = None;
    }

    /// The median (the lower one of two), or `None` if it happened less than twice.
    pub(crate) fn median(&self) -> Option<Duration> {
        let mut sorted = self.kept.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_a_late_one_and_a_gap() {
        let mut pings = Intervals::default();
        [0, 60, 120, 500, 560].iter().for_each(|&at| pings.mark(Timestamp::new(at, 0)));
        pings.interrupt();
        pings.mark(Timestamp::new(5000, 0));
        assert_eq!(pings.median(), Some(Duration::from_mins(1)));
        assert_eq!(pings.kept.len(), 4);
    }

    #[test]
    fn a_single_one_has_no_period() {
        let mut pings = Intervals::default();
        pings.mark(Timestamp::new(1, 0));
        assert_eq!(pings.median(), None);
    }

    #[test]
    fn memory_is_bounded_and_the_kept_are_spread_evenly() {
        let mut pings = Intervals::default();
        let mut at = 0;
        for interval in 0..100_000 {
            pings.mark(Timestamp::new(at, 0));
            at += interval;
        }
        assert!(pings.kept.len() <= MAX_KEPT);
        let median = pings.median().unwrap().as_secs();
        assert!((49_000..51_000).contains(&median), "{median}");
    }
}
