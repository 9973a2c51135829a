//! Reads a YAML tree key by key and collects every problem on the way.

use std::path::Path;

use serde_saphyr::Spanned;

use super::problem::{Problem, near_or_all, quoted};
use super::schema::{Key, Mapping, Need};
use super::yaml::{Item, Node, Place};

/// Collects what is wrong; every method that answers `None` has added a problem first.
pub(super) struct Reader<'s> {
    /// Texts of the files that are read together, and what paths in them are relative to.
    files: Vec<(&'s str, Option<&'s Path>)>,
    /// Which of them is being read.
    file: usize,
    pub(super) problems: Vec<Problem>,
}

/// A value, its place and the path of keys to it.
#[derive(Clone)]
pub(super) struct At<'n> {
    pub(super) item: &'n Item,
    pub(super) key: String,
    /// What its key means, where that is described.
    doc: &'static str,
}

/// A mapping whose keys are known ones.
pub(super) struct Map<'n> {
    pub(super) entries: &'n [(Spanned<String>, Item)],
    pub(super) key: String,
    pub(super) place: Place,
    /// What its keys mean, where they are described.
    described: &'static [Key],
}

impl<'n> At<'n> {
    pub(super) fn new(item: &'n Item, key: impl Into<String>) -> Self {
        Self { item, key: key.into(), doc: "" }
    }

    pub(super) fn place(&self) -> Place {
        self.item.referenced.into()
    }

    /// The value of `name`, where this is a mapping that has it.
    pub(super) fn entry(&self, name: &str) -> Option<Self> {
        let Node::Map(entries) = &self.item.value else { return None };
        let (_, item) = entries.iter().find(|(key, _)| key.value == name)?;
        Some(self.child(item, name))
    }

    fn child(&self, item: &'n Item, name: &str) -> Self {
        Self { item, key: join(&self.key, name), doc: self.doc }
    }
}

impl<'n> Map<'n> {
    /// The value of `name`; nothing where the key is absent.
    pub(super) fn get(&self, name: &str) -> Option<At<'n>> {
        let (_, item) = self.entries.iter().find(|(key, _)| key.value == name)?;
        let doc = self.described.iter().find(|key| key.name == name).map_or("", |key| key.doc);
        Some(At { item, key: join(&self.key, name), doc })
    }

    /// Every entry with the place of its key, in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'n str, Place, At<'n>)> + use<'n> {
        let path = self.key.clone();
        self.entries.iter().map(move |(key, item)| {
            (key.value.as_str(), Place::from(key.referenced), At::new(item, join(&path, &key.value)))
        })
    }

    /// Those of `names` that are present, in the order of the file.
    pub(super) fn present(&self, names: &[&str]) -> Vec<(&'n str, Place)> {
        let mut found: Vec<_> = self.entries().map(|(name, place, _)| (name, place)).collect();
        found.retain(|(name, _)| names.contains(name));
        found
    }
}

impl<'s> Reader<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self::of(vec![(source, None)])
    }

    /// A reader of several files; it begins with the first.
    pub(super) fn of(files: Vec<(&'s str, Option<&'s Path>)>) -> Self {
        Self { files, file: 0, problems: Vec::new() }
    }

    /// What paths in the file that is being read are relative to; text that is no file has none.
    pub(super) fn folder(&self) -> Option<&'s Path> {
        self.files.get(self.file)?.1
    }

    /// What is read next is of this file.
    pub(super) fn enter(&mut self, file: usize) {
        self.file = file;
    }

    pub(super) fn problem(&mut self, place: Place, key: &str, message: impl Into<String>) {
        let file = self.file;
        self.problems.push(Problem { file, place, key: key.to_owned(), message: message.into() });
    }

    /// Tells that something else stands where `what` is expected, and what that would mean.
    fn expected(&mut self, at: &At<'_>, what: &str) {
        let doc =
            if at.doc.is_empty() { String::new() } else { format!(" ({})", at.doc.trim_end_matches('.')) };
        self.wrong(at, format!("expected {what}{doc}, got {}", at.item.value.kind()));
    }

    pub(super) fn wrong(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.problem(at.place(), &at.key, message);
    }

    /// A mapping with keys of `known` only; with an empty `known`, any keys.
    pub(super) fn map<'n>(&mut self, at: &At<'n>, known: &[&str]) -> Option<Map<'n>> {
        let Node::Map(entries) = &at.item.value else {
            self.expected(at, "a mapping");
            return None;
        };
        for (key, _) in entries {
            if !known.is_empty() && !known.contains(&key.value.as_str()) {
                let hint = near_or_all(&key.value, known.iter().copied());
                self.problem(key.referenced.into(), &at.key, format!("unknown key `{}`{hint}", key.value));
            }
        }
        Some(Map { entries, key: at.key.clone(), place: at.place(), described: &[] })
    }

    /// A mapping with the keys that it is described with, none of those that must be there missing.
    pub(super) fn mapping<'n>(&mut self, at: &At<'n>, described: &'static Mapping) -> Option<Map<'n>> {
        let all = described.names();
        if !matches!(at.item.value, Node::Map(_)) {
            let some = quoted(all.take(SOME_KEYS));
            self.expected(at, &format!("a mapping with keys such as {some}"));
            return None;
        }
        let map = self.map(at, &all.clone().collect::<Vec<_>>())?;
        let map = Map { described: described.keys, ..map };
        if described.some && map.entries.is_empty() {
            self.wrong(at, format!("expected at least one of {}", quoted(all)));
            return Some(map);
        }
        for key in described.keys {
            let needed = match key.need {
                Need::May => false,
                Need::Must => true,
                Need::MustUnless(other) => map.get(other).is_none(),
            };
            if needed && map.get(key.name).is_none() {
                let doc = key.doc.trim_end_matches('.');
                self.problem(map.place, &map.key, format!("missing key `{}` ({doc})", key.name));
            }
        }
        Some(map)
    }

    /// The value of a key that must be there.
    pub(super) fn required<'n>(&mut self, map: &Map<'n>, name: &str) -> Option<At<'n>> {
        let found = map.get(name);
        // Where keys are described, what lacks has been told.
        if found.is_none() && !map.described.iter().any(|key| key.name == name) {
            self.problem(map.place, &map.key, format!("missing key `{name}`"));
        }
        found
    }

    /// A list; a single value is no list. An entry with an id is called by it, another by its number.
    pub(super) fn list<'n>(&mut self, at: &At<'n>) -> Vec<At<'n>> {
        if let Node::List(items) = &at.item.value {
            let name = |(n, item): (usize, &'n Item)| {
                let id = At::new(item, "").entry("id").and_then(|id| self.scalar(&id));
                let id = id.filter(|id| super::load::id(id).is_ok());
                at.child(item, &id.unwrap_or_else(|| format!("{}", n + 1)))
            };
            items.iter().enumerate().map(name).collect()
        } else {
            self.expected(at, "a list");
            Vec::new()
        }
    }

    /// A scalar's text, as written, if it is one.
    fn scalar(&self, at: &At<'_>) -> Option<String> {
        match &at.item.value {
            Node::Text(text) => Some(text.trim().to_owned()),
            Node::Inferred(understood) => Some(self.as_written(at).unwrap_or(understood).to_owned()),
            _ => None,
        }
    }

    /// A scalar's text, as written.
    pub(super) fn text(&mut self, at: &At<'_>) -> Option<String> {
        match &at.item.value {
            Node::Text(text) if text.trim().is_empty() => {
                self.wrong(at, "expected a value, got an empty one");
                None
            }
            Node::Text(_) | Node::Inferred(_) => self.scalar(at),
            Node::Null | Node::List(_) | Node::Map(_) => {
                self.expected(at, "a single value");
                None
            }
        }
    }

    /// A scalar, or a list of them, which must not be empty.
    pub(super) fn texts<'n>(&mut self, at: &At<'n>) -> Vec<(String, At<'n>)> {
        match &at.item.value {
            Node::List(items) if items.is_empty() => {
                self.wrong(at, "expected at least one value, got an empty list");
                Vec::new()
            }
            Node::List(_) => {
                let items = self.list(at);
                items.into_iter().filter_map(|item| Some((self.text(&item)?, item))).collect()
            }
            _ => self.text(at).map(|text| vec![(text, at.clone())]).unwrap_or_default(),
        }
    }

    /// The texts of [`Self::texts`], each turned into something.
    pub(super) fn each<T>(&mut self, at: &At<'_>, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let texts = self.texts(at);
        texts.into_iter().filter_map(|(text, item)| self.accept(&item, read(&text))).collect()
    }

    /// The text of an optional key.
    pub(super) fn optional(&mut self, map: &Map<'_>, name: &str) -> Option<String> {
        let at = map.get(name)?;
        self.text(&at)
    }

    /// The text of a key that must be there.
    pub(super) fn required_text(&mut self, map: &Map<'_>, name: &str) -> Option<String> {
        let at = self.required(map, name)?;
        self.text(&at)
    }

    /// An optional `true` or `false`; absent is false.
    pub(super) fn flag(&mut self, map: &Map<'_>, name: &str) -> bool {
        let Some(at) = map.get(name) else { return false };
        if !matches!(at.item.value, Node::Text(_) | Node::Inferred(_)) {
            self.expected(&at, "`true` or `false`");
            return false;
        }
        match self.text(&at).as_deref() {
            Some("true") => true,
            Some("false") | None => false,
            Some(other) => {
                self.wrong(&at, format!("expected `true` or `false`, got `{other}`"));
                false
            }
        }
    }

    /// A value that `read` understands or says what is wrong with.
    pub(super) fn read<T>(&mut self, at: &At<'_>, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(at)?;
        self.accept(at, read(&text))
    }

    /// Keeps a success, tells a failure.
    pub(super) fn accept<T>(&mut self, at: &At<'_>, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.wrong(at, message)).ok()
    }

    /// One word of a table.
    pub(super) fn word<T: Copy>(&mut self, at: &At<'_>, table: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(at)?;
        let found = table.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let hint = near_or_all(&text, super::schema::words(table));
            self.wrong(at, format!("unknown value `{text}`{hint}"));
        }
        found
    }

    /// A text that is one of `known`.
    pub(super) fn known(&mut self, at: &At<'_>, what: &str, known: &[&str]) -> Option<String> {
        let text = self.text(at)?;
        if known.contains(&text.as_str()) {
            return Some(text);
        }
        self.wrong(at, format!("unknown {what} `{text}`{}", near_or_all(&text, known.iter().copied())));
        None
    }

    /// The source text of a plain scalar: YAML reads `1.10` as a number, a profile means the text.
    fn as_written(&self, at: &At<'_>) -> Option<&'s str> {
        let span = at.item.defined.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
        let text = self.files.get(self.file)?.0.get(start..end)?.trim();
        (!text.is_empty() && !text.contains(char::is_whitespace)).then_some(text)
    }
}

/// How many keys are told of a mapping that is missing.
const SOME_KEYS: usize = 6;

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
