//! JSON that is kept as it is, and JSON that is written. Depth is bounded by the parser that made it.

use std::fmt::{self, Write};

use crate::profile::yaml::{Item, Node};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::profile) enum Json {
    /// `null`
    Null,
    /// A number or a boolean, as written.
    Bare(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in the order of the file.
    Map(Vec<(String, Json)>),
}

impl Json {
    /// What stands at `item`.
    pub(super) fn of(item: &Item) -> Self {
        match &item.value {
            Node::Null => Self::Null,
            Node::Inferred(text) if serde_json::from_str::<serde_json::Value>(text).is_ok() => {
                Self::Bare(text.clone())
            }
            Node::Inferred(text) | Node::Text(text) => Self::Text(text.clone()),
            Node::List(items) => Self::List(items.iter().map(Self::of).collect()),
            Node::Map(entries) => {
                Self::Map(entries.iter().map(|(key, item)| (key.value.clone(), Self::of(item))).collect())
            }
        }
    }

    /// A string.
    pub(super) fn text(text: &(impl ToString + ?Sized)) -> Self {
        Self::Text(text.to_string())
    }

    /// A number or a boolean.
    pub(super) fn bare(value: &impl ToString) -> Self {
        Self::Bare(value.to_string())
    }

    /// An object.
    pub(super) fn map<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The value of `key` in an object.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The object at `key` of this object, made where there is none.
    pub(super) fn object(&mut self, key: &str) -> &mut Vec<(String, Self)> {
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(Vec::new());
        }
        let Self::Map(entries) = self else { unreachable!("made one above") };
        let at = entries.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
            entries.push((key.to_owned(), Self::Map(Vec::new())));
            entries.len().saturating_sub(1)
        });
        let (_, inner) = entries.get_mut(at).unwrap_or_else(|| unreachable!("just found or made"));
        if !matches!(inner, Self::Map(_)) {
            *inner = Self::Map(Vec::new());
        }
        let Self::Map(inner) = inner else { unreachable!("made one above") };
        inner
    }

    /// On one line.
    pub(super) fn compact(&self) -> String {
        let mut out = String::new();
        let _ = self.write(&mut out, None);
        out
    }

    /// With two blanks for each level, and a final line end.
    pub(super) fn pretty(&self) -> String {
        let mut out = String::new();
        let _ = self.write(&mut out, Some(0));
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, level: Option<usize>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bare(text) => out.write_str(text),
            Self::Text(text) => quoted(out, text),
            Self::List(items) => {
                // Lists of small things are read across.
                let flat = items.iter().all(|item| !matches!(item, Self::List(_) | Self::Map(_)));
                let level = level.filter(|_| !flat);
                between(out, ('[', ']'), level, items.iter(), |out, item, level| item.write(out, level))
            }
            Self::Map(entries) => {
                between(out, ('{', '}'), level, entries.iter(), |out, (key, value), level| {
                    quoted(out, key)?;
                    out.write_str(if level.is_some() { ": " } else { ":" })?;
                    value.write(out, level)
                })
            }
        }
    }
}

/// Items between brackets, on a line each where there are levels.
fn between<T>(
    out: &mut String,
    (open, close): (char, char),
    level: Option<usize>,
    items: impl ExactSizeIterator<Item = T>,
    write: impl Fn(&mut String, T, Option<usize>) -> fmt::Result,
) -> fmt::Result {
    let line = |out: &mut String, level: usize| write!(out, "\n{:1$}", "", level.saturating_mul(2));
    let inner = level.map(|level| level.saturating_add(1));
    let empty = items.len() == 0;
    out.write_char(open)?;
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.write_str(if inner.is_none() && open == '[' { ", " } else { "," })?;
        }
        if let Some(inner) = inner {
            line(out, inner)?;
        }
        write(out, item, inner)?;
    }
    if let Some(level) = level.filter(|_| !empty) {
        line(out, level)?;
    }
    out.write_char(close)
}

fn quoted(out: &mut String, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                write!(out, "\\u{:04x}", u32::from(c))?;
            }
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::yaml;

    #[test]
    fn what_is_kept_is_written_as_it_was() {
        let text =
            r#"{"a":1,"b":[null, true, "x"],"c":{"d":"q\"\\\n\u0007é","e":[],"f":{}},"g":[{"h":-1.5}]}"#;
        assert_eq!(Json::of(&yaml::parse(text).unwrap()).compact(), text);
    }

    #[test]
    fn what_is_written_for_people_is_indented_and_reads_back() {
        let json = Json::map([
            ("a", Json::List(vec![Json::bare(&1), Json::text("x")])),
            ("b", Json::map([("c", Json::Null)])),
            ("d", Json::Map(Vec::new())),
        ]);
        let text = json.pretty();
        assert_eq!(text, "{\n  \"a\": [1, \"x\"],\n  \"b\": {\n    \"c\": null\n  },\n  \"d\": {}\n}\n");
        assert_eq!(Json::of(&yaml::parse(&text).unwrap()), json);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn an_object_is_made_where_it_is_missing() {
        let mut json = Json::map([("a", Json::Null)]);
        json.object("a").push(("x".into(), Json::bare(&1)));
        json.object("b").push(("y".into(), Json::bare(&2)));
        assert_eq!(json.compact(), r#"{"a":{"x":1},"b":{"y":2}}"#);
    }
}
