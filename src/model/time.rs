//! Packet time: the only clock below the command line.

use std::fmt;
use std::time::Duration;

const NANOS_PER_SEC: i64 = 1_000_000_000;

/// A moment as the capture states it: nanoseconds since 1970-01-01 00:00:00 UTC, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From whole seconds and nanoseconds; saturates at the ends of the range (years 1677 and 2262).
    pub fn new(secs: i64, nanos: u32) -> Self {
        Self(secs.saturating_mul(NANOS_PER_SEC).saturating_add(i64::from(nanos)))
    }

    /// From nanoseconds since the epoch.
    pub fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub fn nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded towards the past.
    pub fn secs(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SEC)
    }

    /// Time since `earlier`; zero when `earlier` is later, as in captures whose clock stepped back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment moved into the future; saturates.
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339, UTC, microseconds (finer digits are cut): `2026-11-21T00:03:00.000001Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.secs();
        let micros = self.0.rem_euclid(NANOS_PER_SEC) / 1_000;
        let (days, in_day) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{micros:06}Z",
            in_day / 3_600,
            in_day / 60 % 60,
            in_day % 60
        )
    }
}

/// Days since the epoch to (year, month, day) in the proleptic Gregorian calendar, counting years
/// from March so that the leap day is the last of its year.
pub(super) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_print_as_rfc_3339() {
        for (secs, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, 999_999_999, "2000-02-29T00:00:00.999999Z"),
            (1_795_219_200, 1_000, "2026-11-21T00:00:00.000001Z"),
            (-1, 500_000_000, "1969-12-31T23:59:59.500000Z"),
        ] {
            assert_eq!(Timestamp::new(secs, nanos).to_string(), text);
        }
    }

    #[test]
    fn a_clock_that_steps_back_gives_zero_not_a_panic() {
        assert_eq!(Timestamp::new(1, 0).since(Timestamp::new(2, 0)), Duration::ZERO);
        assert_eq!(
            Timestamp::from_nanos(i64::MAX).since(Timestamp::from_nanos(i64::MIN)).as_nanos(),
            i64::MAX as u128
        );
    }
}
