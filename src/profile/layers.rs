//! A profile and those that it extends: one file after the other, and which of them says what.

use std::path::{Path, PathBuf};

use super::builtin;
use super::load::{self, key_name};
use super::mud;
use super::problem::{self, Problem, near_or_all, quoted};
use super::read::{At, Map, Reader};
use super::schema::keys;
use super::yaml::{self, Item, Node, Place};
use crate::error::{Error, Result};

/// Most profiles that extend each other.
const MAX_FILES: usize = 8;

/// The text of a profile.
pub(super) struct File {
    /// What messages call it.
    pub(super) origin: String,
    /// What paths in it are relative to; a profile that is no file has none.
    pub(super) folder: Option<PathBuf>,
    pub(super) text: String,
    /// What tells it from others, however it is written.
    identity: String,
}

/// A file with what YAML reads in it.
pub(super) struct Layer {
    pub(super) file: File,
    tree: Item,
}

impl File {
    /// Text that is no file.
    pub(super) fn of_text(text: &str, origin: &str) -> Self {
        let identity = origin.to_owned();
        Self { origin: identity.clone(), folder: None, text: text.to_owned(), identity }
    }

    /// Text that is to stand where `path` is, or in its place.
    pub(super) fn of_text_at(text: &str, origin: &str, path: &Path) -> Self {
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self {
            folder: path.parent().map(Path::to_path_buf),
            identity: whole.display().to_string(),
            ..Self::of_text(text, origin)
        }
    }

    /// The file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let origin = path.display().to_string();
        let text = load::read_text(path, "profile")?;
        let folder = path.parent().map(Path::to_path_buf);
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Ok(Self { origin, folder, text, identity: whole.display().to_string() })
    }
}

/// Reads `first`, and what it extends, and what that extends; the first stays first.
///
/// # Errors
/// Where one of them is no YAML, is not to be found, or extends itself.
pub(super) fn chain(first: File) -> Result<Vec<Layer>> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut next = Some(first);
    while let Some(file) = next {
        let tree = match yaml::parse(&file.text) {
            Ok(tree) => tree,
            Err((place, message)) => return Err(failed(&layers, &file, place, "", message)),
        };
        next = match extended(&tree) {
            Some((name, place)) => {
                let parent = parent(&layers, &file, &name);
                Some(parent.map_err(|message| failed(&layers, &file, place, "extends", message))?)
            }
            None => None,
        };
        layers.push(Layer { file, tree });
    }
    Ok(layers)
}

/// What the file extends. That it is no text is for the reader of keys to say.
fn extended(tree: &Item) -> Option<(String, Place)> {
    let at = At::new(tree, "").entry("extends")?;
    match &at.item.value {
        Node::Text(text) => Some((text.trim().to_owned(), at.place())),
        _ => None,
    }
}

/// The profile that `file` calls `name`; the error is a sentence.
fn parent(before: &[Layer], file: &File, name: &str) -> std::result::Result<File, String> {
    let parent = match builtin::source(name) {
        Some(text) => File::of_text(text, &builtin::origin(name)),
        None => beside(file, name)?,
    };
    let mut chain: Vec<&File> = before.iter().map(|layer| &layer.file).collect();
    chain.push(file);
    if let Some(at) = chain.iter().position(|known| known.identity == parent.identity) {
        let names: Vec<&str> = chain.iter().skip(at).map(|known| known.origin.as_str()).collect();
        return Err(format!("a profile cannot extend itself: {} -> {}", names.join(" -> "), parent.origin));
    }
    if chain.len() >= MAX_FILES {
        return Err(format!("expected at most {MAX_FILES} profiles that extend each other"));
    }
    Ok(parent)
}

fn beside(file: &File, name: &str) -> std::result::Result<File, String> {
    let Some(folder) = &file.folder else {
        let known = quoted(builtin::names());
        return Err(format!(
            "expected a built-in profile ({known}), got `{name}` (only a profile in a file extends another by its path)"
        ));
    };
    let path = folder.join(name);
    if !path.exists() {
        let hint = near_or_all(name, builtin::names());
        let path = path.display();
        return Err(format!("expected a built-in profile or a file, got `{name}`: no file `{path}`{hint}"));
    }
    let parent = File::open(&path).map_err(|error| error.to_string())?;
    if !mud::is_mud(&parent.text) {
        return Ok(parent);
    }
    let text = mud::as_yaml(&parent.text, &parent.origin).map_err(|error| error.to_string())?;
    Ok(File { text, ..parent })
}

/// An error in a file before its keys are read.
fn failed(before: &[Layer], file: &File, place: Place, key: &str, message: String) -> Error {
    let mut problems = vec![Problem { file: before.len(), place, key: key.to_owned(), message }];
    let files = before.iter().map(|layer| &layer.file).chain([file]);
    let files: Vec<(&str, &str)> = files.map(|file| (file.origin.as_str(), file.text.as_str())).collect();
    Error::Profile(problem::render_files("profile", &files, &mut problems))
}

/// Mappings of the files; the one that was asked for is the first, and nearer than those that it extends.
pub(super) struct Layers<'n> {
    maps: Vec<Map<'n>>,
    files: &'n [Layer],
}

/// An entry of a mapping that files share, from the nearest file that has it.
pub(super) struct Entry<'n> {
    pub(super) name: &'n str,
    pub(super) at: At<'n>,
    /// Its file, and the place of its key there.
    pub(super) file: usize,
    pub(super) place: Place,
}

impl<'n> Layers<'n> {
    /// `None` where a file is no mapping.
    pub(super) fn new(reader: &mut Reader<'_>, files: &'n [Layer]) -> Option<Self> {
        let mut maps = Vec::new();
        for (file, layer) in files.iter().enumerate() {
            reader.enter(file);
            maps.push(reader.mapping(&At::new(&layer.tree, ""), &keys::PROFILE));
        }
        Some(Self { maps: maps.into_iter().collect::<Option<_>>()?, files })
    }

    /// Every file, the most distant first, as the reader enters it.
    pub(super) fn distant_first(&self) -> impl Iterator<Item = (usize, &Map<'n>)> {
        self.maps.iter().enumerate().rev()
    }

    /// The file whose `key` holds: the nearest that has it. The reader enters it.
    pub(super) fn with(&self, reader: &mut Reader<'_>, key: &str) -> Option<&Map<'n>> {
        let (file, map) = self.maps.iter().enumerate().find(|(_, map)| map.get(key).is_some())?;
        reader.enter(file);
        Some(map)
    }

    /// The value of `key` in the nearest file that has it, which the reader enters.
    pub(super) fn get(&self, reader: &mut Reader<'_>, key: &str) -> Option<At<'n>> {
        self.with(reader, key)?.get(key)
    }

    /// The entries of the mapping `key` of all files: an entry takes the place of a more distant one of its name.
    pub(super) fn named(&self, reader: &mut Reader<'_>, key: &str) -> Vec<Entry<'n>> {
        self.named_by(reader, key, key_name)
    }

    /// As [`Self::named`], with names that `check` accepts.
    pub(super) fn named_by(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        check: fn(&str) -> std::result::Result<(), String>,
    ) -> Vec<Entry<'n>> {
        let mut entries: Vec<Entry<'n>> = Vec::new();
        for (file, map) in self.distant_first() {
            reader.enter(file);
            let Some(map) = map.get(key).and_then(|at| reader.map(&at, &[])) else { continue };
            for (name, place, at) in map.entries() {
                if let Err(message) = check(name) {
                    reader.problem(place, &map.key, message);
                }
                let entry = Entry { name, at, file, place };
                match entries.iter_mut().find(|known| known.name == name) {
                    Some(known) => *known = entry,
                    None => entries.push(entry),
                }
            }
        }
        entries
    }

    /// What messages call a file.
    pub(super) fn origin(&self, file: usize) -> &'n str {
        self.files.get(file).map_or("", |layer| &layer.file.origin)
    }

    /// The line that stands for what another file says: that of `extends`.
    pub(super) fn line_of_extends(&self) -> u64 {
        self.maps.first().and_then(|map| map.get("extends")).map_or(1, |at| at.place().line)
    }
}
