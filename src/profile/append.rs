//! More claims in a file that people wrote: every byte of it stays as it is.

use super::read::{At, Reader};
use super::yaml::{self, Item, Node, Place};
use super::{builtin, load, mud};
use crate::error::{Error, Result};

/// A profile's text with more claims at the end of its list.
///
/// `claims` are entries of a list as [`write::claims_yaml`](super::write::claims_yaml) gives them, `before` and `after` the
/// lines of comments around them, without `#`.
///
/// # Errors
/// [`Error::Usage`] where the list is not written one claim below the other, so that nothing can be put at its end.
pub fn claims(text: &str, origin: &str, claims: &str, before: &[String], after: &str) -> Result<String> {
    let failed = |why: &str| Error::Usage(format!("failed to add claims to `{origin}`: {why}"));
    if mud::is_mud(text) {
        return Err(failed(
            "it is a MUD file (make a profile of it with `wireclaim profile import`, and add the claims to that)",
        ));
    }
    let item = last_claim(text)
        .ok_or_else(|| failed("it has no list of claims (begin one: `claims:` with a first claim below)"))?;
    let place = Place::from(item.defined);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let start = usize::try_from(place.line).ok().and_then(|line| line.checked_sub(1));
    let dash = start.and_then(|at| lines.get(at)).and_then(|line| dash_column(line));
    let (Some(start), Some(dash)) = (start, dash) else {
        return Err(failed("its claims stand in brackets (write each below the other, after `- `)"));
    };
    let end = end_of_item(&lines, start, dash);
    let newline = if lines.first().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" };
    let pad = " ".repeat(dash);
    let comment = |line: &str| format!("{pad}# {line}").trim_end().to_owned();
    let mut block: Vec<String> = vec![String::new()];
    block.extend(before.iter().map(|line| comment(line)));
    block.push(String::new());
    // Written two columns in; in this file it may be more or less.
    block.extend(claims.lines().map(|line| match line.strip_prefix("  ") {
        Some(rest) => format!("{pad}{rest}"),
        None => line.to_owned(),
    }));
    block.push(comment(after));
    let head: String = lines.iter().take(end).copied().collect();
    let tail: String = lines.iter().skip(end).copied().collect();
    let open = if head.ends_with('\n') { "" } else { newline };
    Ok(format!("{head}{open}{}{newline}{tail}", block.join(newline)))
}

/// The text of the profile that a command line names, with what messages call it.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn source(argument: &str) -> Result<String> {
    match builtin::source(argument) {
        Some(text) => Ok(text.to_owned()),
        None => load::read_text(std::path::Path::new(argument), "profile"),
    }
}

/// The last entry of the list `claims`.
fn last_claim(text: &str) -> Option<Item> {
    let tree = yaml::parse(text).ok()?;
    let mut reader = Reader::new(text);
    let map = reader.map(&At::new(&tree, ""), &[])?;
    let claims = map.get("claims")?;
    match &claims.item.value {
        Node::List(items) => items.last().cloned(),
        _ => None,
    }
}

/// The column, from zero, of the dash that a line begins with.
fn dash_column(line: &str) -> Option<usize> {
    let rest = line.trim_start_matches(' ');
    let blank =
        rest.strip_prefix('-').is_some_and(|after| after.starts_with([' ', '\n', '\r']) || after.is_empty());
    blank.then(|| line.len().saturating_sub(rest.len()))
}

/// The number of lines up to the end of the entry of a list that begins in line `start` with a dash at column `dash`. Blank
/// lines and comments behind it belong to what follows, unless they are within it.
fn end_of_item(lines: &[&str], start: usize, dash: usize) -> usize {
    let mut end = start.saturating_add(1);
    for (at, line) in lines.iter().enumerate().skip(end) {
        let rest = line.trim_start_matches(' ');
        let column = line.len().saturating_sub(rest.len());
        let blank = rest.trim().is_empty();
        if !blank && column <= dash && !rest.starts_with('#') {
            break;
        }
        if !blank && column > dash {
            end = at.saturating_add(1);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "  # seen once\n  - id: N\n    title: t\n    allowed: {out: n.example.com}\n";

    fn add(text: &str) -> String {
        let out = claims(text, "a.yaml", NEW, &["new: review".to_owned()], "end").unwrap();
        let profile = load::from_str(&out, "a.yaml").unwrap_or_else(|error| panic!("{error}\n{out}"));
        assert_eq!(profile.claims.last().unwrap().id, "N");
        assert_eq!(profile.claims.len(), load::from_str(text, "a.yaml").unwrap().claims.len() + 1);
        // What was there is there, in one piece before the block and one after it.
        let at = out.find("# new: review").unwrap();
        let head = out.get(..at).unwrap().trim_end_matches([' ', '\n', '\r']);
        assert!(text.starts_with(head), "{out}");
        let behind = out.split_once("# end").unwrap().1.trim_start_matches(['\n', '\r']);
        assert!(text.ends_with(behind), "{out}");
        out
    }

    #[test]
    fn where_no_claim_can_be_added_the_remedy_is_told() {
        let refused = |text: &str| claims(text, "a", NEW, &[], "end").unwrap_err().to_string();
        assert!(refused("{\"ietf-mud:mud\": {}}").contains("`wireclaim profile import`"));
        assert!(refused("version: 1\nprofile: a\nextends: farmbot\n").contains("begin one: `claims:`"));
    }

    #[test]
    fn claims_go_to_the_end_of_the_list_and_nothing_else_moves() {
        let head = "version: 1 # ours\nprofile: a\ntitle: a\n";
        let one = "- {id: A, title: t, allowed: {out: a.example.com}} # why\n";
        let long =
            "- id: B\n  title: t\n  allowed: {out: b.example.com}\n  source: |\n    # no comment\n    x\n";
        let indented = |text: &str, by: usize| -> String {
            text.split_inclusive('\n').flat_map(|line| [" ".repeat(by), line.to_owned()]).collect()
        };
        for by in [0, 2, 4] {
            let both = indented(&format!("{one}{long}"), by);
            let out = add(&format!("{head}claims:\n{both}"));
            assert!(out.contains(&format!("\n{}- id: N\n", " ".repeat(by))), "{out}");
            add(&format!(
                "{head}claims:\n{both}\n# about the rest\nnot_checkable:\n  - {{id: X, title: t, reason: r}}\n"
            ));
            add(&format!("{head}claims:\n\n{both}  # a last word\n\n"));
        }
        add(&format!("claims:\n  {one}{head}"));
    }

    #[test]
    fn a_file_without_a_last_line_end_and_one_with_two_characters_of_it_stay_so() {
        let text =
            "version: 1\nprofile: a\ntitle: a\nclaims:\n  - {id: A, title: t, allowed: {out: a.example.com}}";
        add(text);
        let out = add(&format!("{text}\n").replace('\n', "\r\n"));
        assert!(out.matches('\n').count() == out.matches("\r\n").count(), "{out:?}");
    }

    #[test]
    fn a_list_in_brackets_is_refused_with_a_remedy() {
        let text =
            "version: 1\nprofile: a\ntitle: a\nclaims: [{id: A, title: t, allowed: {out: a.example.com}}]\n";
        let error = claims(text, "a.yaml", NEW, &[], "end").unwrap_err().to_string();
        assert!(error.contains("below the other"), "{error}");
    }
}
