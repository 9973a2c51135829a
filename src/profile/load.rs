//! From a file to a [`Profile`], or to everything that is wrong with it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::bind;
use super::claim::{self, Context};
use super::problem::{self, near_or_all};
use super::read::{At, Map, Reader};
use super::schema::{self, UNBOUND};
use super::version::Version;
use super::yaml::{self, Place};
use super::{
    Contradiction, Identify, Parameter, ParameterKind, Peer, Profile, Role, Slot, Statement, VariantGroup,
    tls_policy, value,
};
use crate::error::{Error, Result};

/// The name of the policy that judges TLS where a profile names none.
const DEFAULT_POLICY: &str = "default";

/// Reads a profile from a file.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Profile`] with every problem where it is no valid profile.
pub fn from_file(path: &Path) -> Result<Profile> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(io)?;
    // One byte more than is read tells that there is more.
    file.take(yaml::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    let origin = path.display().to_string();
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count()
                + 1;
        Error::Profile(format!("failed to load the profile `{origin}`: line {line} is not UTF-8"))
    })?;
    from_str(&text, &origin)
}

/// Reads a profile from YAML text; `origin` is what messages call it.
///
/// # Errors
/// [`Error::Profile`] with every problem of the text, each with line, column, key and near miss.
pub fn from_str(text: &str, origin: &str) -> Result<Profile> {
    let mut reader = Reader::new(text);
    let profile = match yaml::parse(text) {
        Ok(tree) => profile(&mut reader, &At::new(&tree, ""), origin),
        Err((place, message)) => {
            reader.problem(place, "", message);
            None
        }
    };
    match profile {
        Some(profile) if reader.problems.is_empty() => Ok(profile),
        _ => Err(Error::Profile(problem::render("profile", origin, text, &mut reader.problems))),
    }
}

fn profile(reader: &mut Reader<'_>, at: &At<'_>, origin: &str) -> Option<Profile> {
    let map = reader.map(at, schema::PROFILE)?;
    version(reader, &map);
    let name = reader.required(&map, "profile").and_then(|at| reader.read(&at, profile_name));
    let title = reader.required_text(&map, "title");
    let (document, reviewed) = document(reader, &map);
    let variants = variants(reader, &map);
    let parameters = parameters(reader, &map, &variants);
    let groups = groups(reader, &map, &parameters);
    let subjects = subjects(reader, &map);
    let context = Context {
        variants: &variants,
        parameters: &parameters,
        groups: &groups,
        subjects: &subjects,
        quoted: !document.is_empty(),
    };

    let mut ids = Ids::default();
    let mut claims = Vec::new();
    let mut slots = Vec::new();
    for at in required_list(reader, &map, "claims") {
        let Some((claim, parts)) = claim::claim(reader, &at, &context) else { continue };
        ids.add(reader, &at, &claim.id);
        slots.extend(parts.into_iter().map(|(part, parameter)| Slot {
            claim: claims.len(),
            part,
            parameter,
        }));
        claims.push(claim);
    }
    let mut not_checkable = Vec::new();
    for at in optional_list(reader, &map, "not_checkable") {
        let Some(statement) = statement(reader, &at, &context) else { continue };
        ids.add(reader, &at, &statement.id);
        not_checkable.push(statement);
    }
    let contradictions = contradictions(reader, &map, &ids);
    Some(Profile {
        name: name?,
        title: title?,
        origin: origin.to_owned(),
        document,
        reviewed,
        identify: map.get("identify").map(|at| identify(reader, &at)).unwrap_or_default(),
        baseline: map.get("baseline").map(|at| baseline(reader, &at)).unwrap_or_default(),
        tls_policy: policy(reader, &map, "tls_policy").unwrap_or_else(|| DEFAULT_POLICY.to_owned()),
        variants,
        parameters,
        subjects,
        claims,
        not_checkable,
        slots,
        contradictions,
    })
}

fn version(reader: &mut Reader<'_>, map: &Map<'_>) {
    let Some(at) = reader.required(map, "version") else { return };
    let version = reader.text(&at);
    if let Some(version) = version.filter(|version| version != schema::VERSION) {
        reader.wrong(
            &at,
            format!("unknown version `{version}` (this program reads version {})", schema::VERSION),
        );
    }
}

fn profile_name(text: &str) -> std::result::Result<String, String> {
    let valid = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    valid.then(|| text.to_owned()).ok_or_else(|| {
        format!("expected a name in lower case with hyphens such as `my-device`, got `{text}`")
    })
}

/// A word for a variant group, a parameter or a group of peers.
fn key_name(text: &str) -> std::result::Result<(), String> {
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

fn document(reader: &mut Reader<'_>, map: &Map<'_>) -> (String, Option<String>) {
    let Some(at) = map.get("document") else { return (String::new(), None) };
    let Some(map) = reader.map(&at, schema::DOCUMENT) else { return (String::new(), None) };
    let title = reader.required_text(&map, "title").unwrap_or_default();
    let reviewed = map.get("reviewed").and_then(|at| reader.read(&at, value::date));
    match reader.optional(&map, "url") {
        Some(url) => (format!("{title} <{url}>"), reviewed),
        None => (title, reviewed),
    }
}

fn subjects(reader: &mut Reader<'_>, map: &Map<'_>) -> Vec<Role> {
    let Some(map) = map.get("subjects").and_then(|at| reader.map(&at, &[])) else { return Vec::new() };
    let mut roles = Vec::new();
    for (name, place, at) in map.entries() {
        name_of_key(reader, place, &map.key, name);
        if name == bind::DEVICE {
            let message = format!("`{name}` is always there, and the profile's own `identify` recognises it");
            reader.problem(place, &map.key, message);
        }
        let Some(role) = reader.map(&at, schema::SUBJECT) else { continue };
        let help = reader.optional(&role, "help").unwrap_or_default();
        let identify = role.get("identify").map(|at| identify(reader, &at)).unwrap_or_default();
        roles.push(Role { name: name.to_owned(), help, identify });
    }
    roles
}

fn identify(reader: &mut Reader<'_>, at: &At<'_>) -> Identify {
    let Some(map) = reader.map(at, schema::IDENTIFY) else { return Identify::default() };
    let plain = |text: &str| Ok(text.to_lowercase());
    let mut each = |name: &str| map.get(name).map(|at| reader.each(&at, plain)).unwrap_or_default();
    let (dhcp_host_names, dhcp_vendor_classes) = (each("dhcp_host_names"), each("dhcp_vendor_classes"));
    let mud_urls = each("mud_urls");
    Identify {
        dhcp_host_names,
        dhcp_vendor_classes,
        mud_urls,
        ouis: map.get("ouis").map(|at| reader.each(&at, value::oui)).unwrap_or_default(),
        names: map.get("names").map(|at| reader.each(&at, value::name_pattern)).unwrap_or_default(),
        ports: map.get("ports").map(|at| reader.each(&at, value::port)).unwrap_or_default(),
    }
}

fn variants(reader: &mut Reader<'_>, map: &Map<'_>) -> Vec<VariantGroup> {
    let Some(map) = map.get("variants").and_then(|at| reader.map(&at, &[])) else { return Vec::new() };
    let mut groups: Vec<VariantGroup> = Vec::new();
    for (name, place, at) in map.entries() {
        name_of_key(reader, place, &map.key, name);
        let Some(group) = reader.map(&at, schema::VARIANT) else { continue };
        let mut options: Vec<String> = Vec::new();
        let texts = reader.required(&group, "options").map(|at| reader.texts(&at)).unwrap_or_default();
        for (option, at) in texts {
            let taken = groups.iter().flat_map(|group| &group.options).chain(&options).any(|o| *o == option);
            if let Err(message) = option_name(&option) {
                reader.wrong(&at, message);
            } else if taken {
                reader.wrong(
                    &at,
                    format!("the option `{option}` exists already (options are unique in a profile)"),
                );
            } else {
                options.push(option);
            }
        }
        let default = group.get("default").and_then(|at| {
            let known: Vec<&str> = options.iter().map(String::as_str).collect();
            reader.known(&at, "option", &known)
        });
        let help = reader.optional(&group, "help").unwrap_or_default();
        groups.push(VariantGroup { name: name.to_owned(), help, options, default });
    }
    groups
}

fn option_name(text: &str) -> std::result::Result<(), String> {
    if text == UNBOUND {
        return Err(format!("`{UNBOUND}` stands for no option and cannot be one"));
    }
    let valid =
        text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'));
    if valid {
        Ok(())
    } else {
        Err(format!("expected an option in lower case such as `enhanced`, got `{text}`"))
    }
}

fn name_of_key(reader: &mut Reader<'_>, place: Place, path: &str, name: &str) {
    if let Err(message) = key_name(name) {
        reader.problem(place, path, message);
    }
}

fn parameters(reader: &mut Reader<'_>, map: &Map<'_>, variants: &[VariantGroup]) -> Vec<Parameter> {
    let Some(map) = map.get("parameters").and_then(|at| reader.map(&at, &[])) else { return Vec::new() };
    let mut parameters = Vec::new();
    for (name, place, at) in map.entries() {
        name_of_key(reader, place, &map.key, name);
        if variants.iter().any(|group| group.name == name) {
            reader.problem(place, &map.key, format!("`{name}` is a variant group already"));
        }
        let Some(entry) = reader.map(&at, schema::PARAMETER) else { continue };
        let kind = reader.required(&entry, "kind").and_then(|at| reader.word(&at, schema::KINDS));
        let help = reader.required_text(&entry, "help").unwrap_or_default();
        let Some(kind) = kind else { continue };
        let default = entry.get("default").and_then(|at| {
            let text = reader.text(&at)?;
            reader.accept(&at, check_value(kind, &text)).map(|()| text)
        });
        parameters.push(Parameter { name: name.to_owned(), kind, default, help });
    }
    parameters
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

fn groups(reader: &mut Reader<'_>, map: &Map<'_>, parameters: &[Parameter]) -> BTreeMap<String, Vec<Peer>> {
    let Some(map) = map.get("groups").and_then(|at| reader.map(&at, &[])) else { return BTreeMap::new() };
    let mut groups = BTreeMap::new();
    for (name, place, at) in map.entries() {
        name_of_key(reader, place, &map.key, name);
        if parameters.iter().any(|parameter| parameter.name == name) {
            reader.problem(place, &map.key, format!("`{name}` is a parameter already"));
        }
        let peers = reader.each(&at, |text| match value::peer(text)? {
            value::PeerWord::Peer(peer) => Ok(peer),
            _ => Err(format!(
                "expected a name, an address, a prefix or a list in a group of peers, got `{text}`"
            )),
        });
        groups.insert(name.to_owned(), peers);
    }
    groups
}

fn baseline(reader: &mut Reader<'_>, at: &At<'_>) -> Vec<super::Baseline> {
    let mut found: Vec<super::Baseline> = reader.each(at, |text| {
        let known = schema::BASELINE.iter().find(|(word, _)| *word == text);
        known.map(|(_, baseline)| *baseline).ok_or_else(|| {
            format!("unknown value `{text}`{}", near_or_all(text, schema::words(schema::BASELINE)))
        })
    });
    found.sort_unstable();
    found.dedup();
    found
}

/// The name of a TLS policy.
pub(super) fn policy(reader: &mut Reader<'_>, map: &Map<'_>, key: &str) -> Option<String> {
    let at = map.get(key)?;
    reader.known(&at, "TLS policy", tls_policy::NAMES)
}

fn statement(reader: &mut Reader<'_>, at: &At<'_>, context: &Context<'_>) -> Option<Statement> {
    let map = reader.map(at, schema::STATEMENT)?;
    let id = reader.required(&map, "id").and_then(|at| reader.read(&at, id));
    let map = Map { key: id.as_ref().map_or(map.key.clone(), |id| format!("not_checkable.{id}")), ..map };
    let title = reader.required_text(&map, "title");
    let reason = reader.required_text(&map, "reason");
    let source = claim::source(reader, &map, context);
    Some(Statement { id: id?, title: title?, reason: reason?, source, line: at.place().line })
}

fn contradictions(reader: &mut Reader<'_>, map: &Map<'_>, ids: &Ids) -> Vec<Contradiction> {
    let mut out = Vec::new();
    for at in optional_list(reader, map, "contradictions") {
        let Some(map) = reader.map(&at, schema::CONTRADICTION) else { continue };
        let named = reader.required(&map, "claims").map(|at| reader.texts(&at)).unwrap_or_default();
        for (id, at) in &named {
            if !ids.lines.contains_key(id) {
                let hint = problem::near(id, ids.lines.keys().map(String::as_str));
                reader.wrong(at, format!("unknown claim `{id}`{hint}"));
            }
        }
        let note = reader.required_text(&map, "note").unwrap_or_default();
        let claims = named.into_iter().map(|(id, _)| id).collect();
        out.push(Contradiction { claims, note, line: at.place().line });
    }
    out
}

fn required_list<'n>(reader: &mut Reader<'_>, map: &Map<'n>, key: &str) -> Vec<At<'n>> {
    let Some(at) = reader.required(map, key) else { return Vec::new() };
    let items = reader.list(&at);
    if items.is_empty() && matches!(at.item.value, yaml::Node::List(_)) {
        reader.wrong(&at, "expected at least one claim, got an empty list");
    }
    items
}

fn optional_list<'n>(reader: &mut Reader<'_>, map: &Map<'n>, key: &str) -> Vec<At<'n>> {
    map.get(key).map(|at| reader.list(&at)).unwrap_or_default()
}

/// Ids of claims and statements and the lines where they stand.
#[derive(Default)]
struct Ids {
    lines: BTreeMap<String, u64>,
}

impl Ids {
    fn add(&mut self, reader: &mut Reader<'_>, at: &At<'_>, id: &str) {
        if let Some(line) = self.lines.get(id) {
            reader.wrong(at, format!("the id `{id}` exists already (line {line})"));
        } else {
            self.lines.insert(id.to_owned(), at.place().line);
        }
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
