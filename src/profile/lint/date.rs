//! Dates as exactly as a document states them, compared by month.

use std::fmt;

use super::super::value;

/// A month, and the text it was read from. Where only a year is stated, its last month.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month {
    /// Months since the year zero.
    count: u32,
    text: String,
}

impl Month {
    /// Reads `2021`, `2021-04`, `2021-04-30`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = value::date(text).ok()?;
        let mut parts = text.split('-').map(str::parse::<u32>);
        let year = parts.next()?.ok()?;
        let month = parts.next().and_then(Result::ok).unwrap_or(12);
        Some(Self { count: year.saturating_mul(12).saturating_add(month), text })
    }

    /// How many months `later` is after it; zero where it is not.
    pub(super) fn until(&self, later: &Self) -> u32 {
        later.count.saturating_sub(self.count)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `5 months`, `3 years`, `8 years and 1 month`.
pub(super) fn span(months: u32) -> String {
    let counted = |count: u32, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    match (months / 12, months % 12) {
        (0, months) => counted(months, "month"),
        (years, 0) => counted(years, "year"),
        (years, months) => format!("{} and {}", counted(years, "year"), counted(months, "month")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_alone_is_as_young_as_it_can_be() {
        let month = |text| Month::read(text).unwrap();
        assert_eq!(month("2016").until(&month("2017-01-01")), 1);
        assert_eq!(month("2017-12-20").until(&month("2026-08")), 104);
        assert_eq!(month("2026-08").until(&month("2017")), 0);
        assert!(month("2020-11") > month("2020-02-28"));
        assert_eq!(Month::read("soon"), None);
    }

    #[test]
    fn spans_are_told_in_words() {
        assert_eq!(span(1), "1 month");
        assert_eq!(span(24), "2 years");
        assert_eq!(span(104), "8 years and 8 months");
    }
}
