//! How often something was done, and whether that makes it something that the device needs.

use std::time::Duration;

use super::words::span_text;
use crate::model::Timestamp;
use crate::model::evidence::Seen;

/// A device that was watched for less does not show what it does again and again.
pub(super) const LEAST_WATCH: Duration = Duration::from_mins(10);
/// Openings that are a habit.
const ENOUGH: usize = 3;
/// Parts of the time watched in each of which something must be seen.
const PARTS: u32 = 4;

/// When something was done.
#[derive(Debug, Default)]
pub(super) struct Cadence {
    /// First and last packet of each connection.
    lives: Vec<(Timestamp, Timestamp)>,
}

impl Cadence {
    /// Takes a connection.
    pub(super) fn add(&mut self, first: Seen, last: Seen) {
        self.lives.push((first.at, last.at.max(first.at)));
    }

    /// Whether a device that was watched from `start` to `end` needs it: it was seen in each quarter of a time of at least
    /// [`LEAST_WATCH`], by several connections or by one that lasted.
    pub(super) fn is_habit(&self, start: Timestamp, end: Timestamp) -> bool {
        let watched = end.since(start);
        if watched < LEAST_WATCH {
            return false;
        }
        let part = watched / PARTS;
        let touched = |number: u32| {
            let from = start.after(part.saturating_mul(number));
            let to = start.after(part.saturating_mul(number.saturating_add(1)));
            self.lives.iter().any(|(first, last)| *first <= to && *last >= from)
        };
        let lasted = self.lives.iter().any(|(first, last)| last.since(*first) >= part.saturating_mul(3));
        (self.lives.len() >= ENOUGH || lasted) && (0..PARTS).all(touched)
    }

    /// The time between openings, where it is always about the same: `about every 60 s`.
    pub(super) fn rhythm(&self) -> Option<String> {
        let mut starts: Vec<Timestamp> = self.lives.iter().map(|(first, _)| *first).collect();
        starts.sort_unstable();
        let mut gaps: Vec<Duration> = starts
            .windows(2)
            .filter_map(|pair| match pair {
                [earlier, later] => Some(later.since(*earlier)),
                _ => None,
            })
            .collect();
        gaps.sort_unstable();
        let middle = *gaps.get(gaps.len() / 2)?;
        // Single odd gaps are tolerated: nine of ten must be near the middle.
        let near = |gap: &&Duration| gap.abs_diff(middle) <= middle / 10 + Duration::from_secs(1);
        let steady = gaps.iter().filter(near).count().saturating_mul(10) >= gaps.len().saturating_mul(9);
        (gaps.len() >= ENOUGH && steady && middle >= Duration::from_secs(2))
            .then(|| format!("about every {}", span_text(middle)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FrameRef;

    fn cadence(lives: &[(i64, i64)]) -> Cadence {
        let seen = |secs| Seen { at: Timestamp::new(secs, 0), frame: FrameRef::default() };
        let mut cadence = Cadence::default();
        lives.iter().for_each(|(first, last)| cadence.add(seen(*first), seen(*last)));
        cadence
    }

    fn habit(lives: &[(i64, i64)], watched: i64) -> bool {
        cadence(lives).is_habit(Timestamp::new(0, 0), Timestamp::new(watched, 0))
    }

    #[test]
    fn what_is_seen_in_each_quarter_is_needed() {
        assert!(habit(&[(10, 11), (160, 161), (310, 311), (460, 461)], 600));
        assert!(habit(&[(5, 600)], 600), "one that lasts");
        assert!(!habit(&[(10, 11), (20, 21), (30, 31), (40, 41)], 600), "all at the start");
        assert!(!habit(&[(10, 11)], 600), "once");
        assert!(!habit(&[(10, 11), (160, 161), (310, 311), (460, 461)], 599), "too short a time");
    }

    #[test]
    fn a_rhythm_is_told_where_there_is_one() {
        assert_eq!(
            cadence(&[(0, 0), (60, 60), (121, 121), (180, 180)]).rhythm().as_deref(),
            Some("about every 60 s")
        );
        assert_eq!(cadence(&[(0, 0), (60, 60), (70, 70), (300, 300)]).rhythm(), None);
        assert_eq!(cadence(&[(0, 0), (60, 60)]).rhythm(), None);
    }
}
