//! Days of the calendar, UTC: what people write into files. A day is compared with packet time, never with a clock.

use std::fmt;

use super::Timestamp;
use super::time::civil_from_days;

/// A day, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Since 1970-01-01.
    days: i64,
}

impl Date {
    /// Reads `2026-12-31`, years 1970 to 9999; `None` for a day that no calendar has.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            let part = parts.next()?;
            (part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| part.parse::<i64>().ok())?
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        if parts.next().is_some() || year < 1970 || !(1..=12).contains(&month) {
            return None;
        }
        let date = Self { days: days_from_civil(year, month, day) };
        // The 30th of February would be the 2nd of March.
        (civil_from_days(date.days) == (year, month, day)).then_some(date)
    }

    /// The day of a moment.
    pub fn of(moment: Timestamp) -> Self {
        Self { days: moment.secs().div_euclid(86_400) }
    }

    /// How many days after `other` it is; 0 if it is not.
    pub fn days_since(self, other: Self) -> u64 {
        u64::try_from(self.days.saturating_sub(other.days)).unwrap_or(0)
    }

    /// So many days later.
    pub fn plus_days(self, days: u32) -> Self {
        Self { days: self.days.saturating_add(i64::from(days)) }
    }
}

/// `2026-12-31`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.days);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// The reverse of [`civil_from_days`], for years from 1970 on and months from 1 to 12.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_shown_and_only_real_ones() {
        for text in ["1970-01-01", "2000-02-29", "2024-12-31", "2026-03-01", "9999-12-31"] {
            assert_eq!(Date::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-1-01",
            "26-01-01",
            "2026-04-31",
            "2026-04",
            "",
            "+026-01-01",
        ] {
            assert_eq!(Date::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_day_lasts_until_midnight_utc() {
        // 2026-11-21 begins at second 1 795 219 200.
        let day = Date::parse("2026-11-21").unwrap();
        assert_eq!(Date::of(Timestamp::new(1_795_219_200, 0)), day);
        assert_eq!(Date::of(Timestamp::new(1_795_219_200 + 86_399, 999_999_999)), day);
        assert!(Date::of(Timestamp::new(1_795_219_199, 0)) < day);
        assert_eq!(day.plus_days(90).to_string(), "2027-02-19");
    }
}
