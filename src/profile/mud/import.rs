//! Everything around the entries: the container, the policies and which lists they name, and the profile of it all.

use std::collections::{BTreeMap, BTreeSet};

use super::ace::{self, Entry, Walk};
use super::claims::{self, Made};
use super::json::Json;
use super::lints::{self, Lints, shown};
use super::{CONTAINER, DOCUMENT, Dialect, Extras, Side, bare, find};
use crate::profile::load::{DEFAULT_POLICY, profile_name};
use crate::profile::read::{At, Map, Reader};
use crate::profile::yaml::{Bounds, Item, Node, Place};
use crate::profile::{Identify, Profile, value};

/// Most entries of all lists together, which is four for each of ten thousand claims and some for
/// the baseline; the largest file that is known has 225.
const MAX_ENTRIES: usize = 50_000;
/// How large a file may be: an entry after RFC 8520 has some thirty values and, written for people, 600 bytes.
pub(super) const BOUNDS: Bounds = Bounds { bytes: 32 << 20, nodes: 1_500_000 };
/// Leaves of the container (RFC 8520 section 2.1), and of RFC 9761.
const LEAVES: &[&str] = &[
    "mud-version",
    "mud-url",
    "last-update",
    "mud-signature",
    "cache-validity",
    "is-supported",
    "systeminfo",
    "mfg-name",
    "model-name",
    "firmware-rev",
    "software-rev",
    "documentation",
    "extensions",
    "features",
    "is-tls-dtls-profile-supported",
];
/// Those without which it is none.
const MANDATORY: &[&str] = &["mud-version", "mud-url", "last-update", "is-supported"];

/// Reads a whole file.
pub(super) fn profile(reader: &mut Reader<'_>, tree: &Item, origin: &str) -> Option<Profile> {
    let root = reader.map(&At::new(tree, ""), &[])?;
    let Some(at) = root.get(CONTAINER) else {
        reader.problem(root.place, "", format!("missing key `{CONTAINER}` (this is no MUD file)"));
        return None;
    };
    let container = reader.map(&at, &[])?;
    let mut lints = Lints::default();
    let mut extras = Extras {
        dialect: Dialect::Rfc,
        url: None,
        lints: Vec::new(),
        leaves: Vec::new(),
        others: Vec::new(),
        kept: Vec::new(),
        rest: BTreeMap::new(),
        one_sided: BTreeSet::new(),
    };
    let told = leaves(reader, &container, &mut extras, &mut lints);
    let (lists, dialect) = lists(reader, &root, &mut extras, &mut lints);
    extras.dialect = dialect;
    let entries = entries(reader, &container, &lists, &mut lints);
    if dialect != Dialect::Rfc {
        let message = format!("the file follows {dialect}, not RFC 8520");
        lints.add(&lints::DIALECT, container.place, message);
    }
    let made = claims::make(&entries, &mut lints);
    extras.lints = lints.finish(|entry| made.ids.get(&entry).cloned());
    Some(assembled(made, extras, &told, origin))
}

/// What the container says of the device.
#[derive(Default)]
struct Told {
    url: String,
    updated: String,
    title: String,
    maker: String,
}

fn leaves(reader: &mut Reader<'_>, container: &Map<'_>, extras: &mut Extras, lints: &mut Lints) -> Told {
    let mut told = Told::default();
    let mut named: Vec<String> = Vec::new();
    if let Some(at) = container.entries().find(|(key, ..)| bare(key) == "extensions").map(|(.., at)| at) {
        named = reader.texts(&at).into_iter().map(|(text, _)| text).collect();
    }
    for (key, place, at) in container.entries() {
        let name = bare(key);
        if matches!(name, "from-device-policy" | "to-device-policy") {
            continue;
        }
        extras.leaves.push((key.to_owned(), Json::of(at.item)));
        if !LEAVES.contains(&name) {
            let module = key.split_once(':').map_or(key, |(module, _)| module);
            let short = shown(key, 80);
            if named.iter().any(|extension| module.contains(extension.as_str())) {
                lints.add(&lints::EXTENSION, place, format!("the extension `{short}` is not compared"));
            } else {
                lints.add(&lints::UNKNOWN, place, format!("the node `{short}` is unknown"));
            }
            continue;
        }
        leaf(reader, name, &at, &mut told, lints);
    }
    for name in MANDATORY {
        if !container.entries().any(|(key, ..)| bare(key) == *name) {
            lints.add(&lints::MISSING_LEAF, container.place, format!("`{name}` is missing"));
        }
    }
    if !container.entries().any(|(key, ..)| bare(key) == "mud-signature") {
        let message = "`mud-signature` is missing: nobody vouches for the file";
        lints.add(&lints::UNSIGNED, container.place, message);
    }
    extras.url = Some(told.url.clone()).filter(|url| !url.is_empty());
    told
}

fn leaf(reader: &mut Reader<'_>, name: &str, at: &At<'_>, told: &mut Told, lints: &mut Lints) {
    if !matches!(at.item.value, Node::Text(_) | Node::Inferred(_)) {
        return;
    }
    if matches!(&at.item.value, Node::Text(text) if text.trim().is_empty()) {
        lints.add(&lints::VALUE, at.place(), format!("`{name}` is empty"));
        return;
    }
    let Some(text) = reader.text(at) else { return };
    match name {
        "mud-url" => {
            if !text.starts_with("https://") {
                let message = format!("`{}` is no https URL", shown(&text, 120));
                lints.add(&lints::URL, at.place(), message);
            }
            told.url = shown(&text, 255);
        }
        "mud-version" if text != "1" => {
            lints.add(&lints::VERSION, at.place(), format!("`mud-version` is {}", shown(&text, 20)));
        }
        "cache-validity" => {
            let hours = text.parse::<u32>().ok();
            if !hours.is_some_and(|hours| (1..=168).contains(&hours)) {
                let message = format!("`cache-validity` is {} hours, of 1 to 168", shown(&text, 20));
                lints.add(&lints::CACHE, at.place(), message);
            }
        }
        "is-supported" if text != "true" => {
            let message = format!("`is-supported` is {}", shown(&text, 20));
            lints.add(&lints::UNSUPPORTED, at.place(), message);
        }
        "last-update" => {
            if let Some(date) = text.get(..10).and_then(|date| value::date(date).ok()) {
                told.updated = date;
            } else {
                let message = format!("`last-update` is no date: `{}`", shown(&text, 40));
                lints.add(&lints::VALUE, at.place(), message);
            }
        }
        "systeminfo" => told.title = shown(&text, 120),
        "mfg-name" => told.maker = shown(&text, 80),
        "model-name" if told.title.is_empty() => told.title = shown(&text, 80),
        _ => {}
    }
}

/// An access list of the file.
struct List<'n> {
    name: String,
    kind: String,
    place: Place,
    entries: Vec<At<'n>>,
}

/// Every list, and the generation of the schema that they show.
fn lists<'n>(
    reader: &mut Reader<'_>,
    root: &Map<'n>,
    extras: &mut Extras,
    lints: &mut Lints,
) -> (Vec<List<'n>>, Dialect) {
    let mut lists = Vec::new();
    let mut dialect = Dialect::Rfc;
    for (key, place, at) in root.entries() {
        if key == CONTAINER {
            continue;
        }
        if !matches!(bare(key), "acls" | "access-lists") {
            extras.others.push((key.to_owned(), Json::of(at.item)));
            lints.add(&lints::UNKNOWN, place, format!("the node `{}` is unknown", shown(key, 80)));
            continue;
        }
        if bare(key) == "access-lists" {
            dialect = Dialect::AccessLists;
        }
        let Some(map) = reader.map(&at, &[]) else { continue };
        for (key, place, at) in map.entries() {
            if bare(key) != "acl" && bare(key) != "access-list" {
                lints.add(&lints::UNKNOWN, place, format!("the node `{}` is unknown", shown(key, 80)));
                continue;
            }
            for at in reader.list(&at) {
                lists.extend(list(reader, &at, &mut dialect, lints));
            }
        }
    }
    (lists, dialect)
}

fn list<'n>(
    reader: &mut Reader<'_>,
    at: &At<'n>,
    dialect: &mut Dialect,
    lints: &mut Lints,
) -> Option<List<'n>> {
    let map = reader.map(at, &[])?;
    let mut list = List { name: String::new(), kind: String::new(), place: at.place(), entries: Vec::new() };
    for (key, place, at) in map.entries() {
        match bare(key) {
            "name" => list.name = reader.text(&at)?,
            "acl-name" => {
                *dialect = Dialect::Draft2017;
                list.name = reader.text(&at)?;
            }
            "type" | "acl-type" => list.kind = reader.text(&at)?,
            words @ ("aces" | "access-list-entries") => {
                if words != "aces" && *dialect != Dialect::Draft2017 {
                    *dialect = Dialect::Draft2018;
                }
                if at.item.value == Node::Null {
                    continue;
                }
                let Some(map) = reader.map(&at, &[]) else { continue };
                for (key, place, at) in map.entries() {
                    if bare(key) == "ace" {
                        list.entries.extend(reader.list(&at));
                    } else {
                        lints.add(
                            &lints::UNKNOWN,
                            place,
                            format!("the node `{}` is unknown", shown(key, 80)),
                        );
                    }
                }
            }
            _ => lints.add(&lints::UNKNOWN, place, format!("the node `{}` is unknown", shown(key, 80))),
        }
    }
    Some(list)
}

/// The entries of the lists that the policies name, in their order.
fn entries(
    reader: &mut Reader<'_>,
    container: &Map<'_>,
    lists: &[List<'_>],
    lints: &mut Lints,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut policies = 0;
    for (side, key) in [(Side::From, "from-device-policy"), (Side::To, "to-device-policy")] {
        let Some((_, place, at)) = container.entries().find(|(name, ..)| bare(name) == key) else { continue };
        policies += 1;
        for (name, place) in named(reader, &at, place) {
            let Some(list) = lists.iter().find(|list| list.name == name) else {
                let message = format!("`{key}` names the list `{}`, which is not there", shown(&name, 80));
                lints.add(&lints::MISSING, place, message);
                continue;
            };
            used.insert(&list.name);
            for at in &list.entries {
                if entries.len() >= MAX_ENTRIES {
                    let message = format!(
                        "the lists have more than {MAX_ENTRIES} entries, the most that are read: leave lists out of the \
                         policies that this device does not need"
                    );
                    reader.wrong(at, message);
                    return entries;
                }
                lints.entry = Some(entries.len());
                entries.extend(entry(reader, at, list, side, lints));
            }
            lints.entry = None;
        }
    }
    for list in lists.iter().filter(|list| !used.contains(list.name.as_str())) {
        let message = format!(
            "no policy names the list `{}` with its {} entries",
            shown(&list.name, 80),
            list.entries.len()
        );
        lints.add(&lints::UNUSED, list.place, message);
    }
    let of = |side| entries.iter().any(|entry: &Entry| entry.side == side);
    if entries.is_empty() {
        lints.add(&lints::NO_LISTS, container.place, "the file has no entry of an access list");
    } else if policies < 2 || !of(Side::From) || !of(Side::To) {
        let empty = if of(Side::From) { "to-device" } else { "from-device" };
        lints.add(&lints::ONE_POLICY, container.place, format!("the {empty} policy has no entry"));
    }
    entries
}

/// Names of the lists of a policy, and where they stand.
fn named(reader: &mut Reader<'_>, at: &At<'_>, place: Place) -> Vec<(String, Place)> {
    let Some((_, outer)) = find(at.item, &["access-lists"]) else {
        reader.problem(place, &at.key, "missing key `access-lists`");
        return Vec::new();
    };
    let Some((_, inner)) = find(outer, &["access-list"]) else {
        reader.problem(outer.referenced.into(), &at.key, "missing key `access-list`");
        return Vec::new();
    };
    let list = At::new(inner, format!("{}.access-lists.access-list", at.key));
    let mut names = Vec::new();
    for item in reader.list(&list) {
        let name = match find(item.item, &["name", "acl-name"]) {
            Some((_, name)) => At::new(name, item.key.clone()),
            None => item,
        };
        let place = name.place();
        names.extend(reader.text(&name).map(|text| (text, place)));
    }
    names
}

fn entry(
    reader: &mut Reader<'_>,
    at: &At<'_>,
    list: &List<'_>,
    side: Side,
    lints: &mut Lints,
) -> Option<Entry> {
    let map = reader.map(at, &[])?;
    let (mut name, mut actions, mut matches) = (None, None, None);
    for (key, place, at) in map.entries() {
        match bare(key) {
            "name" | "rule-name" => name = reader.text(&at),
            "matches" => matches = Some(at),
            "actions" => actions = Some(Json::of(at.item)),
            _ => lints.add(&lints::UNKNOWN, place, format!("the node `{}` is unknown", shown(key, 80))),
        }
    }
    let named = name.clone().unwrap_or_else(|| format!("on line {}", at.place().line));
    let parts = ace::Parts::default();
    let mut walk = Walk {
        reader,
        lints,
        side,
        entry: named.clone(),
        parts,
        narrowed: Vec::new(),
        actions: None,
        implied: None,
    };
    let mut seen = Json::Map(Vec::new());
    if let Some(at) = matches {
        let key = format!(
            "{}.{}",
            shown(&list.name, 64),
            name.as_deref().map_or_else(|| at.key.clone(), |n| shown(n, 64))
        );
        walk.matches(&At::new(at.item, key), "");
        seen = Json::of(at.item);
    }
    walk.settle(at.place());
    let inner = walk.actions.take();
    let mut parts = walk.parts;
    if inner.is_some() && actions.is_none() {
        let message = "`actions` stands inside of `matches`";
        lints.add(&lints::TLS_SPELLING, at.place(), message);
    }
    let actions = actions.or(inner).unwrap_or(Json::Null);
    let denies = action(&actions, at.place(), &mut parts, lints);
    let (list, kind) = (list.name.clone(), list.kind.clone());
    Some(Entry { side, list, kind, name: named, place: at.place(), matches: seen, actions, denies, parts })
}

/// Whether an entry denies.
fn action(actions: &Json, place: Place, parts: &mut ace::Parts, lints: &mut Lints) -> bool {
    match ace::denies(actions) {
        Some(Ok(denies)) => denies,
        Some(Err(word)) => {
            lints.add(&lints::ACTION, place, format!("the action `{word}` is unknown"));
            parts.broken = Some(format!("its action `{word}` is neither to accept nor to deny"));
            false
        }
        None => {
            lints.add(&lints::ACTION, place, "the entry has no action, which it must have: it is left out");
            parts.broken = Some("it has no action (`accept`, `drop` or `reject`)".to_owned());
            false
        }
    }
}

fn assembled(made: Made, mut extras: Extras, told: &Told, origin: &str) -> Profile {
    let name = name(&told.url, &told.title, origin);
    let mut title = told.title.clone();
    if title.is_empty() || title.starts_with("http") {
        title.clone_from(&name);
    } else if !told.maker.is_empty() && !title.to_lowercase().contains(&told.maker.to_lowercase()) {
        title = format!("{} {title}", told.maker);
    }
    extras.kept = made.kept;
    extras.rest = made.rest;
    extras.one_sided = made.one_sided;
    let document =
        if told.url.is_empty() { DOCUMENT.to_owned() } else { format!("{DOCUMENT} <{}>", told.url) };
    let mud_urls = extras.url.iter().cloned().collect();
    Profile {
        name,
        title,
        origin: origin.to_owned(),
        document,
        reviewed: Some(told.updated.clone()).filter(|date| !date.is_empty()),
        variants: Vec::new(),
        parameters: made.parameters,
        subjects: Vec::new(),
        identify: Identify { mud_urls, ..Identify::default() },
        baseline: made.baseline,
        tls_policy: DEFAULT_POLICY.to_owned(),
        claims: made.claims,
        not_checkable: made.not_checkable,
        slots: made.slots,
        contradictions: Vec::new(),
        mud: Some(Box::new(extras)),
    }
}

/// The name of a profile from the last word of its URL, else from what the device is, else from its file.
fn name(url: &str, title: &str, origin: &str) -> String {
    let last = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let last = last.strip_suffix(".json").unwrap_or(last);
    let file = origin.rsplit(['/', '\\']).next().unwrap_or_default();
    let file = file.split('.').next().unwrap_or_default();
    let candidates = [last, title, file].map(|text| {
        let words: Vec<String> = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        let joined: String = words.join("-").chars().take(60).collect();
        let joined = joined.trim_end_matches('-');
        if joined.starts_with(|c: char| c.is_ascii_digit()) {
            format!("mud-{joined}")
        } else {
            joined.to_owned()
        }
    });
    candidates
        .into_iter()
        .find_map(|text| profile_name(&text).ok())
        .unwrap_or_else(|| "mud-device".to_owned())
}
