//! From a file, and those that it extends, to a [`Profile`], or to everything that is wrong with them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::claim::{self, Context, Slots};
use super::layers::{self, File, Layer, Layers};
use super::problem::{self, near_or_all};
use super::read::{At, Map, Reader};
use super::schema::{self, keys};
use super::version::Version;
use super::yaml::{self, Node};
use super::{
    Claim, Contradiction, ParameterKind, Profile, Slot, Statement, mud, sections, tls_policy, value,
};
use crate::error::{Error, Result};

/// The name of the policy that judges TLS where a profile names none.
pub(super) const DEFAULT_POLICY: &str = tls_policy::DEFAULT;

/// Reads a profile from a file, and what it extends; by its content it may be a Manufacturer Usage Description.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Profile`] with every problem where it is no valid profile.
pub fn from_file(path: &Path) -> Result<Profile> {
    let file = File::open(path)?;
    if mud::is_mud(&file.text) {
        return mud::import(&file.text, &file.origin);
    }
    from(file)
}

/// Reads a profile from YAML text; `origin` is what messages call it.
///
/// # Errors
/// [`Error::Profile`] with every problem of the text, each with line, column, key and near miss.
pub fn from_str(text: &str, origin: &str) -> Result<Profile> {
    from(File::of_text(text, origin))
}

/// As [`from_str`], with what the text refers to beside the file at `path`.
///
/// # Errors
/// [`Error::Profile`] with every problem of the text.
pub fn from_str_at(text: &str, origin: &str, path: &Path) -> Result<Profile> {
    from(File::of_text_at(text, origin, path))
}

/// The text of a file of bounded size.
pub(super) fn read_text(path: &Path, what: &str) -> Result<String> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(io)?;
    // One byte more than is read tells that there is more.
    file.take(yaml::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        let origin = path.display();
        Error::Profile(format!("failed to load the {what} `{origin}`: line {line} is not UTF-8"))
    })
}

fn from(file: File) -> Result<Profile> {
    let layers = layers::chain(file)?;
    let files: Vec<(&str, &str)> =
        layers.iter().map(|Layer { file, .. }| (file.origin.as_str(), file.text.as_str())).collect();
    let folders = layers.iter().map(|layer| layer.file.folder.as_deref());
    let mut reader = Reader::of(files.iter().map(|(_, text)| *text).zip(folders).collect());
    match profile(&mut reader, &layers) {
        Some(profile) if reader.problems.is_empty() => {
            // A policy in a file is part of the profile: what is wrong with it is told now.
            tls_policy::Policies::of(&profile)?;
            Ok(profile)
        }
        _ => Err(Error::Profile(problem::render_files("profile", &files, &mut reader.problems))),
    }
}

fn profile(reader: &mut Reader<'_>, files: &[Layer]) -> Option<Profile> {
    let layers = Layers::new(reader, files)?;
    let mut name = None;
    for (file, map) in layers.distant_first() {
        reader.enter(file);
        version(reader, map);
        name = map.get("profile").and_then(|at| reader.read(&at, profile_name));
        if let Some(at) = map.get("extends").filter(|at| !matches!(at.item.value, Node::Text(_))) {
            reader
                .wrong(&at, format!("expected the name or file of a profile, got {}", at.item.value.kind()));
        }
    }
    let title = layers.get(reader, "title").and_then(|at| reader.text(&at));
    let (document, reviewed) =
        layers.get(reader, "document").map(|at| sections::document(reader, &at)).unwrap_or_default();
    let identify = layers.get(reader, "identify").map(|at| sections::identify(reader, &at));
    let baseline = layers.get(reader, "baseline").map(|at| sections::baseline(reader, &at));
    let tls_policy = match layers.with(reader, "tls_policy") {
        Some(map) => policy(reader, map, "tls_policy"),
        None => None,
    };
    let mut context = sections::context(reader, &layers);
    let declared = declared(reader, &layers, &mut context);
    let mut slots = Vec::new();
    let mut claims = Vec::new();
    for (at, (claim, parts)) in declared.claims.into_iter().enumerate() {
        slots.extend(parts.into_iter().map(|(part, parameter)| Slot { claim: at, part, parameter }));
        claims.push(claim);
    }
    Some(Profile {
        name: name?,
        title: title?,
        origin: layers.origin(0).to_owned(),
        document,
        reviewed,
        identify: identify.unwrap_or_default(),
        baseline: baseline.unwrap_or_default(),
        tls_policy: tls_policy.unwrap_or_else(|| DEFAULT_POLICY.to_owned()),
        variants: context.variants,
        parameters: context.parameters,
        subjects: context.subjects,
        claims,
        not_checkable: declared.statements,
        slots,
        contradictions: declared.contradictions,
        mud: None,
    })
}

/// Claims and statements of a profile and those that it extends.
#[derive(Default)]
struct Declared {
    claims: Vec<(Claim, Slots)>,
    statements: Vec<Statement>,
    contradictions: Vec<Contradiction>,
    /// Where each id stands: file and line.
    places: BTreeMap<String, (usize, u64)>,
}

fn declared(reader: &mut Reader<'_>, layers: &Layers<'_>, context: &mut Context) -> Declared {
    let mut all = Declared::default();
    for (file, map) in layers.distant_first() {
        reader.enter(file);
        leave_out(reader, map, &mut all);
        // What a file adds of its own to another's document is not from that document.
        context.quoted = map.get("document").is_some();
        // Lines are those of the file that was asked for.
        let line = |line: u64| if file == 0 { line } else { layers.line_of_extends() };
        for at in claims_of(reader, map) {
            let Some((mut claim, parts)) = claim::claim(reader, &at, context) else { continue };
            let replaced = new_id(reader, &mut all, layers, file, (&at, &claim.id));
            claim.line = line(claim.line);
            all.statements.retain(|other| other.id != claim.id);
            match all.claims.iter_mut().find(|(other, _)| other.id == claim.id) {
                Some(old) if replaced => *old = (claim, parts),
                _ => all.claims.push((claim, parts)),
            }
        }
        for at in optional_list(reader, map, "not_checkable") {
            let Some(mut statement) = statement(reader, &at, context) else { continue };
            let replaced = new_id(reader, &mut all, layers, file, (&at, &statement.id));
            statement.line = line(statement.line);
            all.claims.retain(|(other, _)| other.id != statement.id);
            match all.statements.iter_mut().find(|other| other.id == statement.id) {
                Some(old) if replaced => *old = statement,
                _ => all.statements.push(statement),
            }
        }
        let contradictions = contradictions(reader, map, &all.places);
        all.contradictions.extend(
            contradictions.into_iter().map(|found| Contradiction { line: line(found.line), ..found }),
        );
    }
    let Declared { contradictions, places, .. } = &mut all;
    contradictions.retain(|found| found.claims.iter().all(|id| places.contains_key(id)));
    if all.claims.is_empty()
        && let Some(at) = layers.get(reader, "without")
    {
        reader.wrong(&at, "expected at least one claim to be left");
    }
    all
}

/// Takes away what a file says of its parents that it goes without.
fn leave_out(reader: &mut Reader<'_>, map: &Map<'_>, all: &mut Declared) {
    let Some(at) = map.get("without") else { return };
    if map.get("extends").is_none() {
        reader.wrong(&at, "`without` goes with `extends`");
    }
    for (id, at) in reader.texts(&at) {
        if all.places.remove(&id).is_none() {
            let hint = near_or_all(&id, all.places.keys().map(String::as_str).take(MAX_OFFERED));
            reader.wrong(&at, format!("the extended profile has no claim or statement `{id}`{hint}"));
        }
        all.claims.retain(|(claim, _)| claim.id != id);
        all.statements.retain(|statement| statement.id != id);
    }
}

/// Takes an id of `file` into account, and says whether it takes the place of an extended profile's.
fn new_id(
    reader: &mut Reader<'_>,
    all: &mut Declared,
    layers: &Layers<'_>,
    file: usize,
    (at, id): (&At<'_>, &str),
) -> bool {
    let asked =
        at.entry("replace").filter(|at| matches!(&at.item.value, Node::Inferred(word) if word == "true"));
    match (all.places.get(id).copied(), asked) {
        (Some((other, line)), _) if other == file => {
            reader
                .wrong(at, format!("expected an id of its own: the id `{id}` exists already (line {line})"));
            return false;
        }
        (Some((other, line)), None) => {
            let origin = layers.origin(other);
            let message = format!(
                "the id `{id}` exists already ({origin}, line {line}); `replace: true` puts this in its place"
            );
            reader.wrong(at, message);
            return false;
        }
        (None, Some(replace)) => {
            let known = all.places.iter().filter(|(_, (other, _))| *other != file).map(|(id, _)| id.as_str());
            let hint = near_or_all(id, known.take(MAX_OFFERED));
            reader.wrong(&replace, format!("the extended profile has no `{id}` to replace{hint}"));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    all.places.insert(id.to_owned(), (file, at.place().line)).is_some()
}

/// How many ids a message offers.
const MAX_OFFERED: usize = 50;

/// Whether the file is of the version that this program reads.
pub(super) fn version(reader: &mut Reader<'_>, map: &Map<'_>) {
    let Some(at) = reader.required(map, "version") else { return };
    let version = reader.text(&at);
    if let Some(version) = version.filter(|version| version != schema::VERSION) {
        reader.wrong(
            &at,
            format!("unknown version `{version}` (this program reads version {})", schema::VERSION),
        );
    }
}

pub(super) fn profile_name(text: &str) -> std::result::Result<String, String> {
    let valid = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    valid.then(|| text.to_owned()).ok_or_else(|| {
        format!("expected a name in lower case with hyphens such as `my-device`, got `{text}`")
    })
}

/// A word for a variant group, a parameter or a group of peers.
pub(super) fn key_name(text: &str) -> std::result::Result<(), String> {
    let valid = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if valid {
        Ok(())
    } else {
        Err(format!("expected a name in lower case such as `https_port`, got `{text}`"))
    }
}

/// The id of a claim or statement.
pub(super) fn id(text: &str) -> std::result::Result<String, String> {
    let valid = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    valid.then(|| text.to_owned()).ok_or_else(|| {
        format!("expected an id of letters, digits, `-`, `_` and `.`, such as `FB-08`, got `{text}`")
    })
}

/// Whether `text` is a value of this kind.
pub(super) fn check_value(kind: ParameterKind, text: &str) -> std::result::Result<(), String> {
    match kind {
        ParameterKind::Flag => value::flag(text).map(drop),
        ParameterKind::Ports => value::ports(text).map(drop),
        ParameterKind::Peers => value::peers(text).map(drop),
        ParameterKind::Version => Version::parse(text).map(drop),
    }
}

/// The name of a TLS policy that ships, or a file, whose path is relative to the profile.
pub(super) fn policy(reader: &mut Reader<'_>, map: &Map<'_>, key: &str) -> Option<String> {
    let at = map.get(key)?;
    let text = reader.text(&at)?;
    if tls_policy::is_file(&text) {
        let Some(path) = reader.folder().map(|folder| folder.join(&text)) else { return Some(text) };
        if !path.exists() {
            reader.wrong(&at, format!("expected a TLS policy, got `{text}`: no file `{}`", path.display()));
        }
        return Some(path.display().to_string());
    }
    if tls_policy::TlsPolicy::ships(&text) {
        return Some(text);
    }
    let hint = near_or_all(&text, tls_policy::NAMES.iter().copied());
    reader
        .wrong(&at, format!("unknown TLS policy `{text}`{hint}; one of your own is a file, `./{text}.yaml`"));
    None
}

fn statement(reader: &mut Reader<'_>, at: &At<'_>, context: &Context) -> Option<Statement> {
    let map = reader.mapping(at, &keys::STATEMENT)?;
    let id = map.get("id").and_then(|at| reader.read(&at, id));
    let title = reader.optional(&map, "title");
    let reason = reader.optional(&map, "reason");
    reader.flag(&map, "replace");
    let source = claim::source(reader, &map, context);
    Some(Statement { id: id?, title: title?, reason: reason?, source, line: at.place().line })
}

fn contradictions(
    reader: &mut Reader<'_>,
    map: &Map<'_>,
    places: &BTreeMap<String, (usize, u64)>,
) -> Vec<Contradiction> {
    let mut out = Vec::new();
    for at in optional_list(reader, map, "contradictions") {
        let Some(map) = reader.mapping(&at, &keys::CONTRADICTION) else { continue };
        let named = map.get("claims").map(|at| reader.texts(&at)).unwrap_or_default();
        for (id, at) in &named {
            if !places.contains_key(id) {
                let hint = near_or_all(id, places.keys().map(String::as_str).take(MAX_OFFERED));
                reader.wrong(at, format!("unknown claim `{id}`{hint}"));
            }
        }
        let note = reader.optional(&map, "note").unwrap_or_default();
        let claims = named.into_iter().map(|(id, _)| id).collect();
        out.push(Contradiction { claims, note, line: at.place().line });
    }
    out
}

/// The claims of one file, of which only one that extends another may have none.
fn claims_of<'n>(reader: &mut Reader<'_>, map: &Map<'n>) -> Vec<At<'n>> {
    let Some(at) = map.get("claims") else { return Vec::new() };
    let items = reader.list(&at);
    if items.is_empty() && matches!(at.item.value, Node::List(_)) && map.get("extends").is_none() {
        reader.wrong(&at, "expected at least one claim, got an empty list");
    }
    items
}

fn optional_list<'n>(reader: &mut Reader<'_>, map: &Map<'n>, key: &str) -> Vec<At<'n>> {
    map.get(key).map(|at| reader.list(&at)).unwrap_or_default()
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "extends_tests.rs"]
mod extends_tests;
