//! Versions of firmware and the like, compared number by number, and the ranges that conditions name.

use std::cmp::Ordering;
use std::fmt;

/// Most numbers that a version may have.
const MAX_PARTS: usize = 8;

/// A version: numbers with dots between them. `13.0` and `13` are the same, and `13.0.1` is above both.
#[derive(Debug, Clone)]
pub struct Version(Vec<u32>);

/// The versions from `low` to `high`; an end that is left out is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    /// Least version.
    pub low: Option<Limit>,
    /// Greatest version.
    pub high: Option<Limit>,
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The version.
    pub version: Version,
    /// Whether it belongs to the range.
    pub included: bool,
}

/// A comparison, as `when` writes it: of which parameter, and with what; without range it is about one that is unbound.
pub(super) type Comparison = (String, Option<VersionRange>);

impl Version {
    /// Reads `13.0.1` or `v13.0.1`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?;
        let numbers: Option<Vec<u32>> = digits.split('.').take(MAX_PARTS + 1).map(number).collect();
        match numbers {
            Some(numbers) if numbers.len() <= MAX_PARTS => Ok(Self(numbers)),
            _ => Err(format!("expected a version of numbers and dots such as `13.0.1`, got `{text}`")),
        }
    }

    /// Its numbers up to the last that is not zero: what two ways to write one version share.
    fn numbers(&self) -> &[u32] {
        let zeros = self.0.iter().rev().take_while(|number| **number == 0).count();
        self.0.get(..self.0.len().saturating_sub(zeros)).unwrap_or_default()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers().cmp(other.numbers())
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

/// As written.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// As a mapping of `when` compares its key: `> 13.0.1`, `>= 13.0, < 14`, `13.0.1`.
impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.low, &self.high) {
            (Some(low), Some(high)) if low == high => low.version.fmt(f),
            (low, high) => {
                let low = low.as_ref().map(|low| ('>', low));
                let both = low.into_iter().chain(high.as_ref().map(|high| ('<', high)));
                let sign = |limit: &Limit| if limit.included { "=" } else { "" };
                let texts = both.map(|(to, limit)| format!("{to}{} {}", sign(limit), limit.version));
                f.write_str(&texts.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl VersionRange {
    /// Whether `version` is in it.
    pub fn contains(&self, version: &Version) -> bool {
        let above = self.low.as_ref().is_none_or(|low| match version.cmp(&low.version) {
            Ordering::Less => false,
            Ordering::Equal => low.included,
            Ordering::Greater => true,
        });
        let below = self.high.as_ref().is_none_or(|high| match version.cmp(&high.version) {
            Ordering::Less => true,
            Ordering::Equal => high.included,
            Ordering::Greater => false,
        });
        above && below
    }

    /// Whether some version may be in both. Between any two versions there are others.
    pub fn overlaps(&self, other: &Self) -> bool {
        let reaches = |low: Option<&Limit>, high: Option<&Limit>| match (low, high) {
            (Some(low), Some(high)) => match low.version.cmp(&high.version) {
                Ordering::Less => true,
                Ordering::Equal => low.included && high.included,
                Ordering::Greater => false,
            },
            _ => true,
        };
        reaches(self.low.as_ref(), other.high.as_ref()) && reaches(other.low.as_ref(), self.high.as_ref())
    }

    /// The comparison in words of `when`, with `name` in its place: `fbos > 13.0.1`, `13.0 <= fbos < 14`.
    pub fn of(&self, name: &str) -> String {
        let sign = |limit: &Limit| if limit.included { "<=" } else { "<" };
        match (&self.low, &self.high) {
            (Some(low), Some(high)) if low == high => format!("{name} = {}", low.version),
            (Some(low), Some(high)) => {
                format!("{} {} {name} {} {}", low.version, sign(low), sign(high), high.version)
            }
            (Some(low), None) => {
                format!("{name} {} {}", if low.included { ">=" } else { ">" }, low.version)
            }
            (None, Some(high)) => format!("{name} {} {}", sign(high), high.version),
            (None, None) => name.to_owned(),
        }
    }

    /// Reads what a mapping compares its key with: `> 13.0.1`, `>= 13, < 14`, or a single version.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut whole = Self { low: None, high: None };
        for part in text.split(',') {
            let found = match words(part).as_slice() {
                [version] => Self::compared("=", version),
                [sign, version] => Self::compared(sign, version),
                _ => Err(expected(text)),
            };
            whole = whole.and(found?).ok_or_else(|| expected(text))?;
        }
        whole.not_empty(text)
    }

    /// What `sign version` demands of whatever stands before it.
    fn compared(sign: &str, version: &str) -> Result<Self, String> {
        let limit = |included| Version::parse(version).map(|version| Some(Limit { version, included }));
        Ok(match sign {
            "<" => Self { low: None, high: limit(false)? },
            "<=" => Self { low: None, high: limit(true)? },
            ">" => Self { low: limit(false)?, high: None },
            ">=" => Self { low: limit(true)?, high: None },
            "=" | "==" => Self { low: limit(true)?, high: limit(true)? },
            other => return Err(format!("expected one of `<`, `<=`, `=`, `>=`, `>`, got `{other}`")),
        })
    }

    /// Both; `None` where both name the same end.
    fn and(self, other: Self) -> Option<Self> {
        let one = |a: Option<Limit>, b: Option<Limit>| match (a, b) {
            (Some(_), Some(_)) => None,
            (a, b) => Some(a.or(b)),
        };
        Some(Self { low: one(self.low, other.low)?, high: one(self.high, other.high)? })
    }

    fn not_empty(self, text: &str) -> Result<Self, String> {
        let itself = self.overlaps(&self);
        if itself { Ok(self) } else { Err(format!("expected a range that holds a version, got `{text}`")) }
    }
}

/// Reads a condition on a version that is one text: `fbos > 13.0.1`, `13.0 <= fbos < 14`, `fbos unbound`.
pub(super) fn comparison(text: &str) -> Result<Comparison, String> {
    let words = words(text);
    let (name, range) = match words.as_slice() {
        [name, unbound] if *unbound == super::schema::UNBOUND => return Ok(((*name).to_owned(), None)),
        [first, sign, last] if is_name(first) => (first, VersionRange::compared(sign, last)?),
        [first, sign, last] => (last, VersionRange::compared(mirrored(sign), first)?),
        [first, sign, name, other, last] => {
            let (before, after) =
                (VersionRange::compared(mirrored(sign), first)?, VersionRange::compared(other, last)?);
            (name, before.and(after).ok_or_else(|| expected(text))?)
        }
        _ => return Err(expected(text)),
    };
    if !is_name(name) {
        return Err(expected(text));
    }
    Ok(((*name).to_owned(), Some(range.not_empty(text)?)))
}

fn expected(text: &str) -> String {
    format!(
        "expected a comparison such as `fbos > 13.0.1`, `13.0 <= fbos < 14` or `fbos unbound`, got `{text}`"
    )
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase()) && Version::parse(word).is_err()
}

/// The sign with its sides changed.
fn mirrored(sign: &str) -> &str {
    match sign {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}

/// Words and signs, with or without blanks between them.
fn words(text: &str) -> Vec<&str> {
    let is_sign = |c: char| matches!(c, '<' | '>' | '=');
    let mut out = Vec::new();
    for word in text.split_whitespace() {
        let mut rest = word;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| is_sign(c) != is_sign(first)).unwrap_or(rest.len());
            let Some((head, tail)) = rest.split_at_checked(end) else { break };
            out.push(head);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_are_compared_number_by_number() {
        let ascending = ["0", "1.2", "1.10", "13", "13.0.1", "13.1", "v14"];
        for (at, low) in ascending.iter().enumerate() {
            for high in &ascending[at + 1..] {
                assert!(version(low) < version(high), "{low} {high}");
            }
        }
        assert_eq!(version("13"), version("13.0.0"));
        assert_eq!(version("0.0"), version("0"));
        assert_eq!(version("v13.0").to_string(), "13.0");
        for bad in ["", "v", ".", "1.", "1..2", "1.a", "-1", "+1", "1.2.3.4.5.6.7.8.9", "4294967296", "13 0"]
        {
            assert!(Version::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_has_its_ends_or_not() {
        for (text, inside, outside) in [
            ("fbos > 13.0.1", "13.0.2 14", "13.0.1 13 1"),
            ("fbos>=13.0.1", "13.0.1 14", "13.0"),
            ("13.0 <= fbos < 14", "13 13.9.9", "14 12.9"),
            ("14>fbos>13", "13.0.1", "13 14"),
            ("fbos = 13", "13.0.0", "13.0.1"),
            ("13 < fbos", "14", "13"),
        ] {
            let (name, range) = comparison(text).unwrap();
            assert_eq!(name, "fbos", "{text}");
            let range = range.unwrap();
            assert!(inside.split(' ').all(|one| range.contains(&version(one))), "{text}");
            assert!(!outside.split(' ').any(|one| range.contains(&version(one))), "{text}");
            // What is shown or written is read as the same.
            assert_eq!(VersionRange::parse(&range.to_string()).as_ref(), Ok(&range), "{text}");
            assert_eq!(comparison(&range.of("fbos")).unwrap().1, Some(range), "{text}");
        }
        assert_eq!(comparison("fbos unbound"), Ok(("fbos".to_owned(), None)));
        assert_eq!(VersionRange::parse(">= 13, < 14").unwrap().of("x"), "13 <= x < 14");
        assert_eq!(VersionRange::parse("13.0.1").unwrap().of("x"), "x = 13.0.1");
        for bad in [
            "",
            "fbos",
            "fbos >",
            "> 13",
            "fbos => 13",
            "fbos > 13 or 14",
            "13 < 14",
            "a < b",
            "a < b < c",
            "14 < fbos < 13",
            "13 < fbos > 14",
            "13 < fbos < 13",
            "fbos != 13",
        ] {
            assert!(comparison(bad).is_err(), "{bad}");
        }
        for bad in ["", "> 13, > 14", "> 14, < 13", ">", "13 14", "x"] {
            assert!(VersionRange::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_overlap_where_a_version_is_in_both() {
        let overlap =
            |a: &str, b: &str| VersionRange::parse(a).unwrap().overlaps(&VersionRange::parse(b).unwrap());
        assert!(overlap("> 13", "< 14") && overlap(">= 13", "<= 13") && overlap("< 1", "< 2"));
        assert!(!overlap("> 13", "<= 13") && !overlap("13", "14"));
    }
}
