//! YAML as a tree in which every key and value knows its place, so that all problems of a file can be told at
//! once. Depth, nodes and alias expansion are bounded by the parser's budget.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// Deepest nesting that a file may have; a profile needs six.
const MAX_DEPTH: usize = 24;
/// Most scalars, lists and mappings, aliases expanded.
const MAX_NODES: usize = 200_000;
/// Largest file, in bytes.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// How large a file may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    /// Most scalars, lists and mappings, aliases expanded.
    pub(super) nodes: usize,
}

/// A value and where it stands.
pub(super) type Item = Spanned<Node>;

/// A YAML value. Scalars are text: what they mean is for the reader of a key to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// `~`, `null` or nothing at all.
    Null,
    /// A scalar.
    Text(String),
    /// A scalar that YAML takes for a number or a boolean, as the parser understood it; the text is in the source.
    Inferred(String),
    /// A sequence.
    List(Vec<Item>),
    /// A mapping, in the order of the file; keys are unique.
    Map(Vec<(Spanned<String>, Item)>),
}

/// Where something stands in a file: line and column from 1, zero when unknown; length in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) len: u64,
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        Self { line: location.line(), column: location.column(), len: location.span().len() }
    }
}

impl Node {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) | Self::Inferred(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Parses one document.
///
/// # Errors
/// The place and what is wrong with it, where the text is no YAML, has a key twice or exceeds the budget.
pub(super) fn parse(text: &str) -> Result<Item, (Place, String)> {
    parse_within(text, Bounds { bytes: MAX_BYTES, nodes: MAX_NODES })
}

/// Parses one document that may be larger or smaller than a profile.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_within(text: &str, bounds: Bounds) -> Result<Item, (Place, String)> {
    if text.len() > bounds.bytes {
        let message = format!("the file has {} bytes (at most {} are read)", text.len(), bounds.bytes);
        return Err((Place::default(), message));
    }
    // A list or a mapping has two, an alias one more.
    let most_events = bounds.nodes.saturating_mul(3);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: bounds.nodes, max_events: most_events, max_documents: 2 },
        strict_booleans: true,
    };
    serde_saphyr::from_str_with_options::<Item>(text, options).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location().map(Place::from).unwrap_or_default();
        let hint = hint(text, place);
        (place, format!("{}{hint}", message(error, bounds)))
    })
}

/// What most often helps where YAML reads something else than was meant.
fn hint(text: &str, place: Place) -> &'static str {
    let at = |number: u64| usize::try_from(number).ok()?.checked_sub(1);
    let line = at(place.line).and_then(|line| text.lines().nth(line)).unwrap_or_default();
    let rest: String = at(place.column).map(|column| line.chars().skip(column).collect()).unwrap_or_default();
    if rest.starts_with(['>', '|', '*', '&', '!', '@', '%', '`']) {
        return " (a text that begins with `>`, `*`, `@` or the like needs quotation marks)";
    }
    if rest.starts_with(": ") {
        return " (a text with `: ` in it needs quotation marks)";
    }
    // Text that goes on in the next line is told where it begins.
    let next = at(place.line).and_then(|line| text.lines().nth(line.checked_add(1)?)).unwrap_or_default();
    if [line, next].iter().any(|line| line.trim_start_matches(' ').starts_with('\t')) {
        return " (indent with blanks)";
    }
    ""
}

/// What is wrong, without the place, which is told apart from it.
fn message(error: &serde_saphyr::Error, bounds: Bounds) -> String {
    match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` exists already")
        }
        serde_saphyr::Error::Budget { .. } => {
            format!(
                "too large or too deep (at most {} values, aliases expanded, {MAX_DEPTH} levels deep)",
                bounds.nodes
            )
        }
        serde_saphyr::Error::MultipleDocuments { .. } => {
            "a second document begins here (one is read)".to_owned()
        }
        other => {
            let text = other.to_string();
            text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned()
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Inferred(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Inferred(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Inferred(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Inferred(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Inferred(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Inferred(format!("{value:?}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(item: &Item) -> &[(Spanned<String>, Item)] {
        match &item.value {
            Node::Map(entries) => entries,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_key_and_value_knows_its_place() {
        let item = parse("a: 1\nlist:\n  - x\n  - {k: 'v w'}\n").unwrap();
        let entries_of = entries(&item);
        let (key, value) = &entries_of[0];
        assert_eq!((key.value.as_str(), key.referenced.line(), key.referenced.column()), ("a", 1, 1));
        assert_eq!((&value.value, value.referenced.column()), (&Node::Inferred("1".into()), 4));
        let Node::List(list) = &entries_of[1].1.value else { panic!() };
        assert_eq!((list[0].referenced.line(), list[0].referenced.column()), (3, 5));
        let (key, value) = &entries(&list[1])[0];
        assert_eq!((key.referenced.line(), key.referenced.column()), (4, 6));
        assert_eq!(value.value, Node::Text("v w".into()));
    }

    #[test]
    fn a_key_twice_is_an_error_with_its_place() {
        let (place, message) = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(place.line, 3, "{message}");
        assert_eq!(message, "the key `a` exists already");
    }

    #[test]
    fn a_tab_before_a_key_is_told_to_be_a_blank() {
        for text in ["a:\n\tb: 1\n", "list:\n  - a: x\n\tb: y\n"] {
            let (_, message) = parse(text).unwrap_err();
            assert!(message.ends_with(" (indent with blanks)"), "{message}");
        }
    }

    #[test]
    fn alias_bombs_and_deep_nesting_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let uses = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb.extend(["a", &n.to_string(), ": &a", &n.to_string(), " [", &uses, "]\n"]);
        }
        assert!(parse(&bomb).is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
        let nested = format!("{}1{}", "[".repeat(60), "]".repeat(60));
        assert!(parse(&nested).is_err());
        assert!(parse(&"x".repeat(MAX_BYTES + 1)).is_err());
    }
}
