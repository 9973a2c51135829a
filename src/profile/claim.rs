//! From one entry of `claims` to a [`Claim`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bind::DEVICE;
use super::problem::{near_or_all, quoted};
use super::read::{At, Map, Reader};
use super::schema::{self, ANYONE, UNBOUND, keys};
use super::service::Service;
use super::value::{self, PeerWord};
use super::version::{self, VersionRange};
use super::yaml::{Node, Place};
use super::{
    AddressSet, Claim, Condition, Level, Parameter, ParameterKind, Peer, ProxyRule, Role, Rule, SlotPart,
    Source, TlsRule, VariantGroup, addresses,
};
use super::{flow_rule, load};

/// What a claim may refer to.
#[derive(Default)]
pub(super) struct Context {
    pub(super) variants: Vec<VariantGroup>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) subjects: Vec<Role>,
    pub(super) groups: BTreeMap<String, Vec<Peer>>,
    pub(super) services: BTreeMap<String, Service>,
    pub(super) tls_blocks: BTreeMap<String, TlsRule>,
    pub(super) lists: BTreeMap<String, AddressSet>,
    /// Whether claims come from a document, so that each needs its sentence.
    pub(super) quoted: bool,
}

impl Context {
    /// A peer, where the profile's own address lists go before those that ship.
    pub(super) fn peer(&self, text: &str) -> Result<PeerWord, String> {
        let Some(name) = text.strip_prefix(schema::LIST) else { return value::peer(text) };
        if let Some(set) = self.lists.get(name) {
            return Ok(PeerWord::Peer(Peer::List(set.clone())));
        }
        value::peer(text).map_err(|_| {
            let known = self.lists.keys().map(String::as_str).chain(addresses::names());
            format!("unknown address list `{name}`{}", near_or_all(name, known))
        })
    }
}

/// The places of a claim that parameters fill.
pub(super) type Slots = Vec<(SlotPart, String)>;

/// Reads one claim; `None` after at least one problem.
pub(super) fn claim(reader: &mut Reader<'_>, at: &At<'_>, context: &Context) -> Option<(Claim, Slots)> {
    let map = reader.mapping(at, &keys::CLAIM)?;
    let id = map.get("id").and_then(|at| reader.read(&at, load::id));
    let title = reader.optional(&map, "title");
    reader.flag(&map, "replace");
    let subject = map.get("subject").and_then(|at| subject(reader, &at, context));
    let subject = subject.unwrap_or_else(|| DEVICE.to_owned());
    let when = conditions(reader, &map, context);
    let severity = map.get("severity").and_then(|at| reader.word(&at, schema::SEVERITIES));
    let source = source(reader, &map, context);
    let (level, rule, slots) = rule(reader, &map, context)?;
    let line = at.place().line;
    Some((Claim { id: id?, title: title?, subject, level, when, rule, severity, source, line }, slots))
}

/// Where the sentence of a claim or statement is from.
pub(super) fn source(reader: &mut Reader<'_>, map: &Map<'_>, context: &Context) -> Source {
    let silent = reader.flag(map, "silent");
    let quote = reader.optional(map, "quote").unwrap_or_default();
    let place = reader.optional(map, "source").unwrap_or_default();
    if silent && !quote.is_empty() {
        reader.problem(
            map.place,
            &map.key,
            "`silent: true` says that no sentence exists, and `quote` gives one",
        );
    }
    if context.quoted && !silent {
        for name in ["quote", "source"] {
            if map.get(name).is_none() {
                let message = format!(
                    "missing key `{name}` (or `silent: true` where the document says nothing of this)"
                );
                reader.problem(map.place, &map.key, message);
            }
        }
    }
    Source { quote, place, reviewed: map.get("reviewed").and_then(|at| reader.read(&at, value::date)) }
}

/// Whom a claim binds.
fn subject(reader: &mut Reader<'_>, at: &At<'_>, context: &Context) -> Option<String> {
    let known: Vec<&str> =
        [DEVICE, ANYONE].into_iter().chain(context.subjects.iter().map(|role| role.name.as_str())).collect();
    let text = reader.text(at)?;
    if !known.contains(&text.as_str()) {
        let hint = near_or_all(&text, known);
        reader.wrong(at, format!("unknown subject `{text}`{hint}; `subjects` declares them"));
    }
    Some(text)
}

fn conditions(reader: &mut Reader<'_>, map: &Map<'_>, context: &Context) -> Vec<Condition> {
    let Some(at) = map.get("when") else { return Vec::new() };
    if matches!(at.item.value, Node::Text(_) | Node::Inferred(_)) {
        return comparison(reader, &at, context).into_iter().collect();
    }
    let Some(when) = reader.map(&at, &[]) else { return Vec::new() };
    when.entries()
        .filter_map(|(name, place, at)| condition(reader, &when, (name, place), &at, context))
        .collect()
}

/// `when` as one text, which is a comparison of a version.
fn comparison(reader: &mut Reader<'_>, at: &At<'_>, context: &Context) -> Option<Condition> {
    let (name, range) = reader.read(at, version::comparison)?;
    if context.variants.iter().any(|group| group.name == name) {
        reader
            .wrong(at, format!("`{name}` is a variant group, which has options: `when: {{{name}: OPTION}}`"));
        return None;
    }
    parameter(reader, at, context, &name, ParameterKind::Version)?;
    let unbound = range.is_none();
    Some(Condition::Version { parameter: name, ranges: range.into_iter().collect(), unbound })
}

/// One entry of `when`.
fn condition(
    reader: &mut Reader<'_>,
    when: &Map<'_>,
    (name, place): (&str, Place),
    at: &At<'_>,
    context: &Context,
) -> Option<Condition> {
    if let Some(group) = context.variants.iter().find(|group| group.name == name) {
        return Some(options(reader, group, at));
    }
    match context.parameters.iter().find(|parameter| parameter.name == name).map(|found| found.kind) {
        Some(ParameterKind::Flag) => {
            let is = reader.read(at, value::flag).unwrap_or(true);
            Some(Condition::Flag { parameter: name.to_owned(), is })
        }
        Some(ParameterKind::Version) => {
            let mut unbound = false;
            let mut ranges = Vec::new();
            for (text, at) in reader.texts(at) {
                if text == UNBOUND {
                    unbound = true;
                } else {
                    ranges.extend(reader.accept(&at, VersionRange::parse(&text)));
                }
            }
            Some(Condition::Version { parameter: name.to_owned(), ranges, unbound })
        }
        Some(kind) => {
            let message = format!(
                "expected a variant group, a flag or a version, got the parameter `{name}` of kind `{kind}`"
            );
            reader.problem(place, &when.key, message);
            None
        }
        None => {
            let known = context.variants.iter().map(|group| group.name.as_str());
            let known = known.chain(context.parameters.iter().map(|parameter| parameter.name.as_str()));
            let message =
                format!("unknown variant group, flag or version `{name}`{}", near_or_all(name, known));
            reader.problem(place, &when.key, message);
            None
        }
    }
}

/// Options of a variant group, any of them.
fn options(reader: &mut Reader<'_>, group: &VariantGroup, at: &At<'_>) -> Condition {
    let known: Vec<&str> = group.options.iter().map(String::as_str).chain([UNBOUND]).collect();
    let mut options = Vec::new();
    for (option, at) in reader.texts(at) {
        if known.contains(&option.as_str()) {
            options.push(option);
        } else {
            let hint = near_or_all(&option, known.iter().copied());
            reader.wrong(&at, format!("unknown option `{option}` of `{}`{hint}", group.name));
        }
    }
    Condition::Variant { group: group.name.clone(), options }
}

fn rule(reader: &mut Reader<'_>, map: &Map<'_>, context: &Context) -> Option<(Level, Rule, Slots)> {
    let levels = map.present(schema::LEVELS);
    let [(level, _)] = levels.as_slice() else {
        let all = quoted(schema::LEVELS.iter().copied());
        reader.problem(map.place, &map.key, format!("expected exactly one of {all}, got {}", levels.len()));
        return None;
    };
    let at = map.get(level)?;
    let level = match *level {
        "required" => Level::Required,
        "allowed" => Level::Allowed,
        "forbidden" => Level::Forbidden,
        _ => Level::Informational,
    };
    let body = reader.mapping(&at, &keys::RULE)?;
    let special = body.present(schema::SPECIAL);
    let mut slots = Slots::new();
    let rule = match special.as_slice() {
        [] => Rule::Flow(Box::new(flow_rule::flow(reader, map, &body, level, context, &mut slots)?)),
        [(name, _)] => {
            special_alone(reader, map, &body, name);
            special_rule(reader, &body, name, level, context, &mut slots)?
        }
        [_, (second, place), ..] => {
            reader.problem(*place, &body.key, format!("`{second}` needs a claim of its own"));
            return None;
        }
    };
    Some((level, rule, slots))
}

fn special_alone(reader: &mut Reader<'_>, map: &Map<'_>, body: &Map<'_>, name: &str) {
    for (key, place, _) in
        body.entries().filter(|(key, ..)| *key != name && keys::RULE.names().any(|known| known == *key))
    {
        reader.problem(place, &body.key, format!("`{key}` does not go with `{name}`"));
    }
    for (key, place) in map.present(schema::CONSTRAINTS) {
        reader.problem(place, &map.key, format!("`{key}` holds for flows and does not go with `{name}`"));
    }
}

fn special_rule(
    reader: &mut Reader<'_>,
    body: &Map<'_>,
    name: &str,
    level: Level,
    context: &Context,
    slots: &mut Slots,
) -> Option<Rule> {
    let at = body.get(name)?;
    match name {
        "proxy" => {
            if !reader.flag(body, name) {
                reader
                    .wrong(&at, "expected `true` (the level of the claim says whether a proxy may be used)");
            }
            match level {
                Level::Required => Some(Rule::Proxy(ProxyRule::Required)),
                Level::Allowed => Some(Rule::Proxy(ProxyRule::Allowed)),
                Level::Forbidden => Some(Rule::Proxy(ProxyRule::Forbidden)),
                Level::Informational => {
                    reader
                        .wrong(&at, "expected `required`, `allowed` or `forbidden` as the level of `proxy`");
                    None
                }
            }
        }
        "same_addresses" => {
            let names = reader.each(&at, value::exact_name);
            if names.len() < 2 {
                reader.wrong(&at, format!("expected at least two names, got {}", names.len()));
            }
            Some(Rule::SameAddresses(names))
        }
        "canonical_name" => {
            let map = reader.mapping(&at, &keys::CANONICAL_NAME)?;
            let name = map.get("name").and_then(|at| reader.read(&at, value::exact_name));
            let under = map.get("under").and_then(|at| reader.read(&at, value::name_pattern));
            Some(Rule::CanonicalName { name: name?, under: under? })
        }
        _ => {
            let map = reader.mapping(&at, &keys::ADDRESSES_WITHIN)?;
            let names = map.get("names").map(|at| reader.each(&at, value::name_pattern));
            let networks = map.get("networks").and_then(|at| networks(reader, &at, context, slots));
            Some(Rule::AddressesWithin { names: names?, networks: networks? })
        }
    }
}

fn networks(
    reader: &mut Reader<'_>,
    at: &At<'_>,
    context: &Context,
    slots: &mut Slots,
) -> Option<AddressSet> {
    let text = reader.text(at)?;
    match context.peer(&text) {
        Ok(PeerWord::Peer(Peer::List(set))) => Some(set),
        Ok(PeerWord::Reference(name)) => {
            parameter(reader, at, context, &name, ParameterKind::Peers)?;
            slots.push((SlotPart::Networks, name.clone()));
            Some(nothing(name))
        }
        Ok(_) => {
            let message =
                format!("expected an address list (`{}NAME`) or a parameter, got `{text}`", schema::LIST);
            reader.wrong(at, message);
            None
        }
        Err(message) => {
            reader.wrong(at, message);
            None
        }
    }
}

/// What stands for a parameter until it is bound: it contains no address.
pub(super) fn nothing(name: String) -> AddressSet {
    AddressSet { name, dated: String::new(), networks: Arc::default() }
}

/// Makes sure that `name` is a parameter of this kind.
pub(super) fn parameter(
    reader: &mut Reader<'_>,
    at: &At<'_>,
    context: &Context,
    name: &str,
    kind: ParameterKind,
) -> Option<()> {
    match context.parameters.iter().find(|parameter| parameter.name == name) {
        Some(parameter) if parameter.kind == kind => Some(()),
        Some(other) => {
            let word = schema::KINDS.iter().find(|(_, known)| *known == kind).map_or("", |(word, _)| *word);
            reader.wrong(
                at,
                format!("the parameter `{name}` is not of kind `{word}` but of kind `{}`", other.kind),
            );
            None
        }
        None => {
            let known = context.parameters.iter().map(|parameter| parameter.name.as_str());
            let known = known.chain(context.groups.keys().map(String::as_str));
            reader.wrong(at, format!("unknown parameter or group `{name}`{}", near_or_all(name, known)));
            None
        }
    }
}
