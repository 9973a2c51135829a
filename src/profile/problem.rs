//! What is wrong with a file, told so that it can be put right: place, key, line, near miss.

use std::fmt::Write;

use super::yaml::Place;
use crate::model::text::printable;

/// How many problems of one file are told.
const MAX_SHOWN: usize = 50;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    /// Which of the files that are read together.
    pub(super) file: usize,
    pub(super) place: Place,
    /// Path of keys to it: `claims.FB-08.required.tcp`.
    pub(super) key: String,
    /// Lower-case sentence, near miss included.
    pub(super) message: String,
}

/// The text of a profile error: how many, then each with its line shown.
pub(super) fn render(what: &str, origin: &str, source: &str, problems: &mut Vec<Problem>) -> String {
    render_files(what, &[(origin, source)], problems)
}

/// As [`render`], where several files make one: what they are called, and their texts. The first is the one asked for.
pub(super) fn render_files(what: &str, files: &[(&str, &str)], problems: &mut Vec<Problem>) -> String {
    problems.sort();
    problems.dedup();
    let count = problems.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    let asked_for = files.first().map_or("", |(origin, _)| origin);
    let mut out = format!("failed to load the {what} `{asked_for}`: {count} {noun}");
    for problem in problems.iter().take(MAX_SHOWN) {
        let (origin, source) = files.get(problem.file).copied().unwrap_or_default();
        let Place { line, column, len } = problem.place;
        let _ = write!(out, "\n{origin}:");
        if line > 0 {
            let _ = write!(out, "{line}:{column}:");
        }
        if !problem.key.is_empty() {
            let _ = write!(out, " {}:", problem.key);
        }
        let _ = write!(out, " {}", problem.message);
        let shown = usize::try_from(line).ok().and_then(|n| source.lines().nth(n.checked_sub(1)?));
        if let Some(text) = shown {
            let width = line.to_string().len().max(4);
            let column = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
            let (text, indent) = part(text, column);
            let rest = text.chars().count().saturating_sub(indent).max(1);
            let marks = usize::try_from(len).unwrap_or(1).clamp(1, rest);
            let _ = write!(out, "\n{line:>width$} | {}", printable(&text));
            let _ = write!(out, "\n{:>width$} | {}{}", "", " ".repeat(indent), "^".repeat(marks));
        }
    }
    if count > MAX_SHOWN {
        let _ = write!(out, "\nand {} more", count - MAX_SHOWN);
    }
    out
}

/// The part of a line around a column, and where in it the column is: JSON may be one line of a megabyte.
fn part(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 200;
    let before = column.saturating_sub(WIDTH / 2);
    let from = if line.chars().nth(WIDTH).is_none() { 0 } else { before };
    (line.chars().skip(from).take(WIDTH).collect(), column.saturating_sub(from))
}

/// ` (did you mean ...?)` for the candidate nearest to `given`, or nothing when none is near.
pub(super) fn near<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(given, candidates).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

/// The near miss if there is one, else all candidates: ` (expected one of ...)`.
pub(super) fn near_or_all<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    let all: Vec<&str> = candidates.into_iter().collect();
    let near = near(given, all.iter().copied());
    if !near.is_empty() || all.is_empty() {
        return near;
    }
    format!(" (expected one of {})", quoted(all))
}

/// `a`, `b`, `c`, each in backticks.
pub(super) fn quoted<'c>(words: impl IntoIterator<Item = &'c str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn nearest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // The comparison is quadratic in length; nobody mistypes more than this.
    let given: String = given.chars().take(80).collect::<String>().to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&given, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().min(12) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_shown_with_the_place_marked() {
        let mut problems = vec![Problem {
            file: 0,
            place: Place { line: 2, column: 3, len: 8 },
            key: "claims.X-1".into(),
            message: format!("unknown key `requierd`{}", near("requierd", ["required", "allowed"])),
        }];
        assert_eq!(
            render("profile", "a.yaml", "version: 1\n  requierd: {}\n", &mut problems),
            "failed to load the profile `a.yaml`: 1 problem\n\
             a.yaml:2:3: claims.X-1: unknown key `requierd` (did you mean `required`?)\n   \
             2 |   requierd: {}\n     |   ^^^^^^^^"
        );
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let line = format!("{}HERE{}", "a".repeat(5_000), "b".repeat(5_000));
        let place = Place { line: 1, column: 5_001, len: 4 };
        let mut problems = vec![Problem { file: 0, place, key: String::new(), message: "odd".into() }];
        let text = render("profile", "a", &line, &mut problems);
        let expected =
            format!("\n   1 | {}HERE{}\n     | {}^^^^", "a".repeat(100), "b".repeat(96), " ".repeat(100));
        assert!(text.ends_with(&expected), "{text}");
    }

    #[test]
    fn only_what_is_near_is_offered() {
        assert_eq!(near("lifetme", ["lifetime", "tls"]), " (did you mean `lifetime`?)");
        assert_eq!(near("colour", ["lifetime", "tls"]), "");
        assert_eq!(near_or_all("colour", ["a", "b"]), " (expected one of `a`, `b`)");
    }
}
