//! The profiles that ship with the program (`rules/profiles`).

use std::path::Path;

use super::{Profile, load, problem};
use crate::error::{Error, Result};

/// Names and texts of the shipped profiles, in alphabetical order.
const PROFILES: &[(&str, &str)] = &[
    ("electric-imp", include_str!("../../rules/profiles/electric-imp.yaml")),
    ("farmbot", include_str!("../../rules/profiles/farmbot.yaml")),
    ("fortrabbit", include_str!("../../rules/profiles/fortrabbit.yaml")),
    ("smartserver", include_str!("../../rules/profiles/smartserver.yaml")),
];

/// Their names, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

/// The YAML text of a shipped profile.
pub fn source(name: &str) -> Option<&'static str> {
    PROFILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The text of the profile that a command line names, for showing its lines; as far as it is text.
pub fn text(argument: &str) -> Option<String> {
    if let Some(text) = source(argument) {
        return Some(text.to_owned());
    }
    let path = Path::new(argument);
    // What a pipe held has been read.
    if !path.is_file() {
        return None;
    }
    load::read_text(path, "profile").ok()
}

/// What messages call the shipped profile `name`.
pub(super) fn origin(name: &str) -> String {
    format!("built-in {name}")
}

/// The profile that a command line names: a shipped one, else the file at that path, a profile or a MUD file by its
/// content.
///
/// # Errors
/// [`Error::Usage`] with the near miss where it is neither; the errors of [`load::from_file`] else.
pub fn open(argument: &str) -> Result<Profile> {
    if let Some(text) = source(argument) {
        return load::from_str(text, &origin(argument));
    }
    let path = Path::new(argument);
    if path.exists() {
        return load::from_file(path);
    }
    let hint = match argument {
        "-" => String::from(" (for standard input write /dev/stdin)"),
        _ => problem::near_or_all(argument, names()),
    };
    Err(Error::Usage(format!(
        "failed to find the profile `{argument}`: no such file and no built-in profile{hint}"
    )))
}
