//! Manufacturer Usage Descriptions (RFC 8520): a device's access lists as JSON, read as a [`Profile`] and written from
//! one. Four generations of the schema occur in files that are in use; `docs/mud.md` says what becomes of what.
//!
//! `ace` turns one entry of an access list into plain values, whatever its dialect; `says` tells what it says, `groups`
//! which entries are one claim, `claims` makes them; `import` reads everything around them; `export` is the way back.

mod ace;
mod claims;
mod classes;
mod export;
mod frame;
mod groups;
mod import;
mod json;
mod lints;
mod order;
mod says;
mod titles;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(in crate::profile) use classes::EMPTY_LEAVES;
pub use export::{Exported, Header, export};
pub use lints::{KINDS as ODDITIES, Kind as Oddity};
pub use tls::{OfferKind, TlsOffer};

use super::lint::Lint;
use super::yaml::{Item, Node, Place};
use super::{Profile, load, problem, read, write, yaml};
use crate::error::{Error, Result};
use json::Json;

/// The container that makes a file a Manufacturer Usage Description.
const CONTAINER: &str = "ietf-mud:mud";
/// Largest file, in bytes.
pub(super) const MAX_BYTES: usize = import::BOUNDS.bytes;
/// What a profile calls the document that it is from; the URL of the file follows.
const DOCUMENT: &str = "MUD file";
/// What the names of access lists begin with that were written from a profile: the names of their entries are ids of claims.
const OURS: &str = "wireclaim-";
/// What parts the id of a claim from a number, where a claim needs several entries.
const NTH: char = '#';

/// What a Manufacturer Usage Description says beside its claims. Nothing of it is lost on the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extras {
    /// Generation of its schema.
    pub dialect: Dialect,
    /// `mud-url`
    pub url: Option<String>,
    /// What is odd in the file.
    pub lints: Vec<Lint>,
    /// Leaves of the container, those of extensions too; the policies are made anew.
    leaves: Vec<(String, Json)>,
    /// What stands beside the container and the access lists.
    others: Vec<(String, Json)>,
    /// Entries that no claim can say, by the id of their statement.
    kept: Vec<Kept>,
    /// What an entry says that is not compared, by the id of its claim.
    rest: BTreeMap<String, Vec<Rest>>,
    /// Claims that only one of the two policies has.
    one_sided: BTreeSet<String>,
}

/// A generation of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Drafts of 2017: `acl-name`, `ipv4-acl`, `source-port-range`.
    Draft2017,
    /// Drafts of early 2018: `access-list-entries`, `source-port-range-or-operator`.
    Draft2018,
    /// What mudgee writes: the entries of RFC 8520 in the container `access-lists`.
    AccessLists,
    /// RFC 8520 and RFC 8519: `acls`.
    Rfc,
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Draft2017 => "a draft of 2017",
            Self::Draft2018 => "a draft of early 2018",
            Self::AccessLists => "the drafts before RFC 8519 (`access-lists`)",
            Self::Rfc => "RFC 8520",
        })
    }
}

/// A group of peers that the site knows and the file does not (RFC 8520 section 8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// `controller`: the URI of a class of services, or of a role.
    Controller(String),
    /// `my-controller`
    MyController,
    /// `same-manufacturer`
    SameManufacturer,
    /// `manufacturer`: the authority of the peers' MUD URLs.
    Manufacturer(String),
    /// `model`: the peers' MUD URL.
    Model(String),
}

/// Which policy an access list belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    /// What the device sends.
    From,
    /// What is sent to it.
    To,
}

/// An entry that no claim can say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    id: String,
    side: Side,
    /// Of its access list: `ethernet-acl-type`.
    kind: String,
    matches: Json,
    actions: Json,
}

/// Something that an entry says and that is not compared: in which part of it, under which key, what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rest {
    part: String,
    key: String,
    value: Json,
}

/// Whether a file is a Manufacturer Usage Description.
pub(super) fn is_mud(text: &str) -> bool {
    // No YAML profile begins like this, and only what does is parsed to find out.
    is_object(text) && text.contains(CONTAINER)
}

/// Whether a text begins as an object in JSON does.
fn is_object(text: &str) -> bool {
    text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('{')
}

/// The Manufacturer Usage Description at `path`, which is to be one.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Usage`] where it is something else, [`Error::Profile`] with every
/// problem of it.
pub fn open(path: &Path) -> Result<Profile> {
    let (name, text) = (path.display().to_string(), load::read_text(path, "MUD file")?);
    if is_object(&text) {
        return import(&text, &name);
    }
    let is_profile = load::from_str_at(&text, &name, path).is_ok();
    let what = if is_profile { "it is a profile already, not a MUD file" } else { "it is no MUD file" };
    Err(Error::Usage(format!("failed to import `{name}`: {what} (JSON that has the key `{CONTAINER}`)")))
}

/// Reads a Manufacturer Usage Description; `origin` is what messages call it.
///
/// # Errors
/// [`Error::Profile`] with every problem of the text, each with line, column and key.
pub(super) fn import(text: &str, origin: &str) -> Result<Profile> {
    let mut reader = read::Reader::new(text);
    let profile = match yaml::parse_within(text, import::BOUNDS) {
        Ok(tree) => import::profile(&mut reader, &tree, origin),
        Err((place, message)) => {
            // JSON is read as the YAML that it is.
            let (place, message) = cut_off(text).unwrap_or((place, message.replace("YAML", "JSON")));
            reader.problem(place, "", message);
            None
        }
    };
    match profile {
        Some(profile) if reader.problems.is_empty() => Ok(profile),
        _ => Err(Error::Profile(problem::render("MUD file", origin, text, &mut reader.problems))),
    }
}

/// Where a text ends that is the beginning of JSON and no more.
fn cut_off(text: &str) -> Option<(Place, String)> {
    let error =
        serde_json::from_str::<serde::de::IgnoredAny>(text).err().filter(serde_json::Error::is_eof)?;
    let place = Place { line: error.line() as u64, column: error.column() as u64, len: 1 };
    Some((place, String::from("the JSON ends here before it is complete: the file is cut off (get it anew)")))
}

/// The text of the profile that a Manufacturer Usage Description is, for one that extends it.
///
/// # Errors
/// As [`import()`].
pub(super) fn as_yaml(text: &str, origin: &str) -> Result<String> {
    Ok(write::yaml(&import(text, origin)?, &write::Notes::default()))
}

/// Whether a profile is what a Manufacturer Usage Description says, read from it or from its import.
pub(super) fn describes(profile: &Profile) -> bool {
    profile.mud.is_some() || profile.document.starts_with(DOCUMENT)
}

/// A key without the name of its module.
fn bare(key: &str) -> &str {
    key.rsplit_once(':').map_or(key, |(_, name)| name)
}

/// The entry of a mapping whose key, its module aside, is one of `names`.
fn find<'n>(item: &'n Item, names: &[&str]) -> Option<(&'n str, &'n Item)> {
    let Node::Map(entries) = &item.value else { return None };
    entries
        .iter()
        .find(|(key, _)| names.contains(&bare(&key.value)))
        .map(|(key, item)| (key.value.as_str(), item))
}

#[cfg(test)]
#[path = "constructs_tests.rs"]
mod constructs;
#[cfg(test)]
#[path = "entries_tests.rs"]
mod entries;
#[cfg(test)]
mod tests;
