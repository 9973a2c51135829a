//! What claims refer to: variants, parameters, subjects, groups, services, TLS blocks and address lists by name.

use std::collections::BTreeMap;

use super::claim::Context;
use super::layers::Layers;
use super::mud::{Class, EMPTY_LEAVES};
use super::problem::{near_or_all, quoted};
use super::read::{At, Reader};
use super::schema::{self, UNBOUND, keys};
use super::value::{self, PeerWord};
use super::yaml::Node;
use super::{
    AddressSet, Baseline, Identify, Parameter, ParameterKind, Peer, Role, TlsRule, VariantGroup, addresses,
    bind, flow_rule, load, service,
};

/// Everything that claims may refer to.
pub(super) fn context(reader: &mut Reader<'_>, layers: &Layers<'_>) -> Context {
    let mut context = Context {
        lists: lists(reader, layers),
        variants: variants(reader, layers),
        subjects: subjects(reader, layers),
        tls_blocks: tls_blocks(reader, layers),
        ..Context::default()
    };
    context.parameters = parameters(reader, layers, &context.variants);
    context.groups = groups(reader, layers, &context);
    context.services = service::services(reader, layers, &context);
    context
}

/// Title and address of the document, and when it was reviewed.
pub(super) fn document(reader: &mut Reader<'_>, at: &At<'_>) -> (String, Option<String>) {
    let Some(map) = reader.mapping(at, &keys::DOCUMENT) else { return (String::new(), None) };
    let title = reader.optional(&map, "title").unwrap_or_default();
    let reviewed = map.get("reviewed").and_then(|at| reader.read(&at, value::date));
    match reader.optional(&map, "url") {
        Some(url) => (format!("{title} <{url}>"), reviewed),
        None => (title, reviewed),
    }
}

/// How one is recognised in a capture.
pub(super) fn identify(reader: &mut Reader<'_>, at: &At<'_>) -> Identify {
    let Some(map) = reader.mapping(at, &keys::IDENTIFY) else { return Identify::default() };
    let plain = |text: &str| Ok(text.to_lowercase());
    let mut each = |name: &str| map.get(name).map(|at| reader.each(&at, plain)).unwrap_or_default();
    let (dhcp_host_names, dhcp_vendor_classes) = (each("dhcp_host_names"), each("dhcp_vendor_classes"));
    // Case is ignored where URLs are compared, and matters to whoever fetches one.
    let as_written = |text: &str| Ok(text.to_owned());
    let mud_urls = map.get("mud_urls").map(|at| reader.each(&at, as_written)).unwrap_or_default();
    Identify {
        dhcp_host_names,
        dhcp_vendor_classes,
        mud_urls,
        ouis: map.get("ouis").map(|at| reader.each(&at, value::oui)).unwrap_or_default(),
        names: map.get("names").map(|at| reader.each(&at, value::name_pattern)).unwrap_or_default(),
        ports: map.get("ports").map(|at| reader.each(&at, value::port)).unwrap_or_default(),
    }
}

/// Infrastructure traffic that needs no claim.
pub(super) fn baseline(reader: &mut Reader<'_>, at: &At<'_>) -> Vec<Baseline> {
    let mut found: Vec<Baseline> = reader.each(at, |text| {
        let known = schema::BASELINE.iter().find(|(word, _)| *word == text);
        known.map(|(_, baseline)| *baseline).ok_or_else(|| {
            format!("unknown value `{text}`{}", near_or_all(text, schema::words(schema::BASELINE)))
        })
    });
    found.sort_unstable();
    found.dedup();
    found
}

fn subjects(reader: &mut Reader<'_>, layers: &Layers<'_>) -> Vec<Role> {
    let mut roles = Vec::new();
    for entry in layers.named(reader, "subjects") {
        reader.enter(entry.file);
        if [bind::DEVICE, schema::ANYONE].contains(&entry.name) {
            let message = format!("`{}` is always there and needs no declaration", entry.name);
            reader.problem(entry.place, "subjects", message);
        }
        let Some(role) = reader.mapping(&entry.at, &keys::SUBJECT) else { continue };
        let help = reader.optional(&role, "help").unwrap_or_default();
        let identify = role.get("identify").map(|at| identify(reader, &at)).unwrap_or_default();
        roles.push(Role { name: entry.name.to_owned(), help, identify });
    }
    roles
}

fn variants(reader: &mut Reader<'_>, layers: &Layers<'_>) -> Vec<VariantGroup> {
    let mut groups: Vec<VariantGroup> = Vec::new();
    for entry in layers.named(reader, "variants") {
        reader.enter(entry.file);
        let Some(group) = reader.mapping(&entry.at, &keys::VARIANT) else { continue };
        let mut options: Vec<String> = Vec::new();
        let texts = group.get("options").map(|at| reader.texts(&at)).unwrap_or_default();
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
        groups.push(VariantGroup { name: entry.name.to_owned(), help, options, default });
    }
    groups
}

fn option_name(text: &str) -> Result<(), String> {
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

fn parameters(reader: &mut Reader<'_>, layers: &Layers<'_>, variants: &[VariantGroup]) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for entry in layers.named(reader, "parameters") {
        reader.enter(entry.file);
        if variants.iter().any(|group| group.name == entry.name) {
            reader.problem(entry.place, "parameters", format!("`{}` is a variant group already", entry.name));
        }
        let Some(map) = reader.mapping(&entry.at, &keys::PARAMETER) else { continue };
        let kind = map.get("kind").and_then(|at| reader.word(&at, schema::KINDS));
        let help = reader.optional(&map, "help").unwrap_or_default();
        let Some(kind) = kind else { continue };
        let default = map.get("default").and_then(|at| {
            let text = reader.text(&at)?;
            reader.accept(&at, load::check_value(kind, &text)).map(|()| text)
        });
        let mud = map.get("mud").and_then(|at| mud_class(reader, &at, kind));
        parameters.push(Parameter { name: entry.name.to_owned(), kind, default, help, mud });
    }
    parameters
}

/// The group of peers that a parameter stands for in a MUD file.
fn mud_class(reader: &mut Reader<'_>, at: &At<'_>, kind: ParameterKind) -> Option<Class> {
    if kind != ParameterKind::Peers {
        reader.wrong(at, "`mud` goes with `kind: peers`");
    }
    if !matches!(at.item.value, Node::Map(_)) {
        let leaf = reader.known(at, "group of peers", EMPTY_LEAVES)?;
        return Class::of_leaf(&leaf, String::new());
    }
    let map = reader.mapping(at, &keys::MUD_CLASS)?;
    let [(leaf, _)] = map.present(keys::MUD_CLASS.one_of)[..] else {
        reader.wrong(at, format!("expected exactly one of {}", quoted(keys::MUD_CLASS.names())));
        return None;
    };
    Class::of_leaf(leaf, reader.optional(&map, leaf)?)
}

fn groups(reader: &mut Reader<'_>, layers: &Layers<'_>, context: &Context) -> BTreeMap<String, Vec<Peer>> {
    let mut groups = BTreeMap::new();
    for entry in layers.named(reader, "groups") {
        reader.enter(entry.file);
        if context.parameters.iter().any(|parameter| parameter.name == entry.name) {
            reader.problem(entry.place, "groups", format!("`{}` is a parameter already", entry.name));
        }
        let peers = reader.each(&entry.at, |text| match context.peer(text)? {
            PeerWord::Peer(peer) => Ok(peer),
            _ => Err(format!(
                "expected a name, an address, a prefix or a list in a group of peers, got `{text}`"
            )),
        });
        groups.insert(entry.name.to_owned(), peers);
    }
    groups
}

fn tls_blocks(reader: &mut Reader<'_>, layers: &Layers<'_>) -> BTreeMap<String, TlsRule> {
    let mut blocks = BTreeMap::new();
    for entry in layers.named(reader, "tls_blocks") {
        reader.enter(entry.file);
        let block = flow_rule::tls_block(reader, &entry.at);
        blocks.extend(block.map(|block| (entry.name.to_owned(), block)));
    }
    blocks
}

fn lists(reader: &mut Reader<'_>, layers: &Layers<'_>) -> BTreeMap<String, AddressSet> {
    let mut lists = BTreeMap::new();
    for entry in layers.named_by(reader, "lists", |name| load::profile_name(name).map(drop)) {
        reader.enter(entry.file);
        let Some(map) = reader.mapping(&entry.at, &keys::LIST) else { continue };
        let plain = |text: &str| Ok(text.to_owned());
        let mut each = |key: &str| map.get(key).map(|at| reader.each(&at, plain)).unwrap_or_default();
        let wanted = addresses::Wanted { services: each("service"), regions: each("region") };
        let dated = map.get("dated").and_then(|at| reader.read(&at, value::date));
        let Some(at) = map.get("file") else { continue };
        let folder = reader.folder();
        let set = reader.read(&at, |file| {
            let folder = folder.ok_or("expected a profile in a file: only it has lists beside it")?;
            addresses::open(&folder.join(file), entry.name, &wanted, dated.as_deref())
        });
        // One that cannot be read is told once, not wherever it is used.
        let set = set.unwrap_or_else(|| AddressSet {
            name: entry.name.to_owned(),
            dated: String::new(),
            networks: std::sync::Arc::default(),
        });
        lists.insert(entry.name.to_owned(), set);
    }
    lists
}
