//! What was written down long before the capture, and may have been overtaken.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Date;
use crate::model::text::printable;
use crate::profile::{Declaration, addresses};

/// Advice ages: what was known of TLS more than a year before `today` may have been overtaken.
pub(super) fn tell_old_policies(declarations: &[&Declaration], today: Option<Date>) {
    let Some(today) = today.map(|today| today.to_string()) else { return };
    let policies = declarations.iter().flat_map(|declaration| declaration.policies.all());
    let old: BTreeMap<&str, &str> = policies
        .filter(|policy| is_a_year_before(policy.dated(), &today))
        .map(|policy| (policy.name(), policy.dated()))
        .collect();
    for (name, dated) in old {
        tell!(
            "wireclaim: the TLS policy `{}` is of {dated} and the last packet of {today}: newer advice may exist",
            printable(name)
        );
    }
}

/// Says which address lists are more than `most` days older than `today`: what an old list says of an address may no longer
/// be so.
pub(super) fn tell_old_lists(declarations: &[&Declaration], today: Option<Date>, most: u64) {
    let Some(today) = today else { return };
    let lists: BTreeSet<(&str, &str, u64)> = declarations
        .iter()
        .flat_map(|declaration| addresses::of(declaration))
        .map(|set| (set.name.as_str(), set.dated.as_str(), set.age_in_days(today)))
        .collect();
    for (name, dated, age) in lists.into_iter().filter(|(.., age)| *age > most) {
        tell!(
            "wireclaim: the address list `{name}` is of {dated}, {age} days before the capture ends: an address outside it \
             may be inside by then (`lists` in a profile reads a newer one under this name)"
        );
    }
}

/// Whether a day is more than twelve months after a date that may be a year or a month only.
fn is_a_year_before(dated: &str, day: &str) -> bool {
    let (year, rest) = dated.split_at_checked(4).unwrap_or((dated, ""));
    let Ok(year) = year.parse::<u16>() else { return false };
    let limit = format!("{:04}{rest}", year.saturating_add(1));
    day.get(..limit.len()).is_some_and(|day| day > limit.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_old_after_twelve_months_of_packets() {
        for (dated, last, old) in [
            ("2026-08", "2027-08-31", false),
            ("2026-08", "2027-09-01", true),
            ("2026-08", "2019-01-01", false),
            ("2026", "2027-12-31", false),
            ("2026", "2028-01-01", true),
            ("2026-08-15", "2027-08-16", true),
            ("", "2027-08-16", false),
        ] {
            assert_eq!(is_a_year_before(dated, last), old, "{dated} {last}");
        }
    }
}
