//! A tree as YAML text that people like to read: short things on one line, long text folded, comments where they belong.

use std::fmt::Write;

use crate::model::text::is_plain;

/// Longest line, where words and entries allow it.
const WIDTH: usize = 110;
/// Longest mapping or list on one line; beyond it an entry has a line of its own.
const FLOW: usize = 100;
/// Columns of one level.
const STEP: usize = 2;

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    /// A word, a number, a name.
    Scalar(String),
    /// Running text.
    Text(String),
    /// A list.
    List(Vec<Tree>),
    /// A mapping in this order.
    Map(Vec<(String, Tree)>),
    /// Comment lines, without `#`, before what they are about.
    Noted(Vec<String>, Box<Tree>),
}

impl Tree {
    /// A scalar from anything that has text.
    pub(super) fn of(value: &impl ToString) -> Self {
        Self::Scalar(value.to_string())
    }

    /// A single value as itself, several as a list.
    pub(super) fn one_or_list(mut values: Vec<Self>) -> Self {
        match (values.len(), values.pop()) {
            (1, Some(only)) => only,
            (_, last) => Self::List(values.into_iter().chain(last).collect()),
        }
    }

    /// On one line; `None` where it holds text that is better folded, or comments.
    fn flow(&self) -> Option<String> {
        match self {
            Self::Scalar(text) => Some(scalar(text)),
            Self::Text(text) => folded(text).is_none().then(|| scalar(text)),
            Self::List(items) => {
                let items: Option<Vec<String>> = items.iter().map(Self::flow).collect();
                Some(format!("[{}]", items?.join(", ")))
            }
            Self::Map(entries) => {
                let entries: Option<Vec<String>> = entries
                    .iter()
                    .map(|(key, value)| Some(format!("{}: {}", scalar(key), value.flow()?)))
                    .collect();
                Some(format!("{{{}}}", entries?.join(", ")))
            }
            Self::Noted(..) => None,
        }
    }
}

/// The text of a mapping that is a whole document. Top-level entries whose value takes more than a line are set apart.
pub(super) fn document(header: &[String], entries: &[(String, Tree)]) -> String {
    let mut out = String::new();
    comments(&mut out, header, 0);
    let mut apart = false;
    for (key, value) in entries {
        let mut lines = String::new();
        entry(&mut lines, key, value, 0);
        let long = lines.lines().count() > 1;
        if !out.is_empty() && (long || apart) {
            out.push('\n');
        }
        apart = long;
        out.push_str(&lines);
    }
    out
}

/// `key: value`, however many lines that takes. The depth is that of our own trees.
fn entry(out: &mut String, key: &str, value: &Tree, indent: usize) {
    let pad = " ".repeat(indent);
    if let Tree::Noted(lines, inner) = value {
        comments(out, lines, indent);
        return entry(out, key, inner, indent);
    }
    let key = scalar(key);
    if let Tree::Text(text) = value
        && let Some(words) = folded(text)
    {
        let _ = writeln!(out, "{pad}{key}: >-");
        return fold(out, &words, indent + STEP);
    }
    // What is said at the top of a file is looked for: an entry a line.
    let top = indent == 0 && matches!(value, Tree::Map(_)) || is_list_of_maps(value);
    if let Some(flow) = value.flow().filter(|flow| !top && indent + key.len() + flow.chars().count() < FLOW) {
        let _ = writeln!(out, "{pad}{key}: {flow}");
        return;
    }
    match value {
        Tree::Map(entries) if !entries.is_empty() => {
            let _ = writeln!(out, "{pad}{key}:");
            for (key, value) in entries {
                entry(out, key, value, indent + STEP);
            }
        }
        Tree::List(items) if !items.is_empty() => {
            let _ = writeln!(out, "{pad}{key}:");
            list(out, items, indent + STEP);
        }
        other => {
            let _ = writeln!(out, "{pad}{key}: {}", other.flow().unwrap_or_default());
        }
    }
}

fn is_list_of_maps(value: &Tree) -> bool {
    matches!(value, Tree::List(items) if items.iter().any(|item| matches!(item, Tree::Map(_) | Tree::Noted(..))))
}

fn list(out: &mut String, items: &[Tree], indent: usize) {
    let pad = " ".repeat(indent);
    for (at, item) in items.iter().enumerate() {
        let item = match item {
            Tree::Noted(lines, inner) => {
                comments(out, lines, indent);
                inner
            }
            other => other,
        };
        match item {
            Tree::Map(entries) if !entries.is_empty() => {
                let mut lines = String::new();
                for (key, value) in entries {
                    entry(&mut lines, key, value, indent + STEP);
                }
                // The dash takes the place of the first entry's indentation, which no comment stands before.
                let (first, rest) = lines.split_at_checked(indent + STEP).unwrap_or((&lines, ""));
                debug_assert!(first.trim().is_empty(), "{first}");
                let _ = write!(out, "{pad}- {rest}");
                if at + 1 < items.len() {
                    out.push('\n');
                }
            }
            Tree::Text(text) if folded(text).is_some() => {
                let _ = writeln!(out, "{pad}- >-");
                fold(out, &folded(text).unwrap_or_default(), indent + STEP);
            }
            other => {
                let _ = writeln!(out, "{pad}- {}", other.flow().unwrap_or_default());
            }
        }
    }
}

fn comments(out: &mut String, lines: &[String], indent: usize) {
    let pad = " ".repeat(indent);
    for line in lines.iter().flat_map(|text| text.split('\n')) {
        let mut plain = String::new();
        for c in line.chars() {
            escape(&mut plain, c, is_plain(c));
        }
        let _ = writeln!(out, "{}", format!("{pad}# {plain}").trim_end());
    }
}

/// The words of a text that is long and that folding gives back as it was.
fn folded(text: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = text.split(' ').collect();
    let whole = text.chars().all(is_plain) && words.iter().all(|word| !word.is_empty());
    (text.chars().count() > 60 && whole).then_some(words)
}

fn fold(out: &mut String, words: &[&str], indent: usize) {
    let pad = " ".repeat(indent);
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{pad}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{pad}{line}");
}

/// A scalar that reads back as this text: bare where nothing could take it for something else, else in double quotes
/// with escapes (YAML 1.2.2 section 7.3.1), so that no character of it can end the line, the quotes or a list.
fn scalar(text: &str) -> String {
    let bare = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == '$')
        && !text.ends_with([' ', ':'])
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '$' | ' ' | '\''))
        && !["null", "true", "false", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    let flag = text == "true" || text == "false";
    if bare || flag {
        return text.to_owned();
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            _ => escape(&mut out, c, is_plain(c)),
        }
    }
    out.push('"');
    out
}

/// The character, or what YAML writes for it in double quotes.
fn escape(out: &mut String, c: char, plain: bool) {
    let code = u32::from(c);
    match (plain, code) {
        (true, _) => out.push(c),
        (false, ..0x100) => {
            let _ = write!(out, "\\x{code:02x}");
        }
        (false, ..0x1_0000) => {
            let _ = write!(out, "\\u{code:04x}");
        }
        (false, _) => {
            let _ = write!(out, "\\U{code:08x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::yaml::{self, Node};
    use super::*;

    fn read_back(written: &str, key: &str) -> String {
        let tree =
            yaml::parse(written).unwrap_or_else(|(place, error)| panic!("{place:?} {error}\n{written}"));
        let Node::Map(entries) = &tree.value else { panic!("{written}") };
        let (_, item) = entries.iter().find(|(known, _)| known.value == key).unwrap();
        match &item.value {
            Node::Text(text) => text.clone(),
            // The reader takes the text as written.
            Node::Inferred(_) => written.split_once("v: ").unwrap().1.lines().next().unwrap().to_owned(),
            other => panic!("{other:?} in {written}"),
        }
    }

    #[test]
    fn what_is_short_is_on_one_line_and_what_is_long_is_not() {
        let rule = |peers: usize| {
            let peers = (0..peers).map(|n| Tree::of(&format!("server-{n}.example.com"))).collect();
            Tree::Map(vec![("out".into(), Tree::one_or_list(peers)), ("tcp".into(), Tree::of(&443))])
        };
        let claim = |peers| Tree::Map(vec![("id".into(), Tree::of(&"A-1")), ("allowed".into(), rule(peers))]);
        let claims = Tree::List(vec![Tree::Noted(vec!["why".into()], Box::new(claim(1))), claim(5)]);
        assert_eq!(
            document(&["a header".into()], &[("version".into(), Tree::of(&1)), ("claims".into(), claims)]),
            "# a header\nversion: 1\n\nclaims:\n  # why\n  - id: A-1\n    allowed: {out: server-0.example.com, tcp: 443}\n\n  \
             - id: A-1\n    allowed:\n      out:\n        - server-0.example.com\n        - server-1.example.com\n        \
             - server-2.example.com\n        - server-3.example.com\n        - server-4.example.com\n      tcp: 443\n"
        );
    }

    #[test]
    fn a_comment_stays_a_comment() {
        let text = document(&["one\nclaims: []\r\u{2028}x".into()], &[("version".into(), Tree::of(&1))]);
        assert_eq!(text, "# one\n# claims: []\\x0d\\u2028x\nversion: 1\n");
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_it_was(text in "\\PC{0,20}|[ -~]{0,200}|.{0,30}|[a-z \u{7}\u{85}\u{feff}\u{202e}:#,{}\\[\\]&*!|>'\"%@`\n\t-]{0,30}") {
            for tree in [Tree::Scalar(text.clone()), Tree::Text(text.clone())] {
                let inside = Tree::List(vec![Tree::Map(vec![("a".into(), tree.clone()), ("b".into(), Tree::of(&"x"))])]);
                let written = document(std::slice::from_ref(&text), &[("v".into(), tree), ("claims".into(), inside)]);
                prop_assert_eq!(read_back(&written, "v"), text.clone(), "{}", written);
            }
        }
    }
}
