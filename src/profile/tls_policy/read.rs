//! From a file to a [`TlsPolicy`], or to everything that is wrong with it.

use std::collections::BTreeMap;

use super::names::{self, Registry, group_names, suite_names, version_names};
use super::{
    FEATURES, Feature, Judged, Judgement, NORMATIVE, SignatureRule, SizeRule, TIERS, Tier, TlsPolicy, plain,
};
use crate::profile::problem::{self, near};
use crate::profile::read::{At, Map, Reader};
use crate::profile::schema::Mapping;
use crate::profile::schema::policy::{
    CODE_RULE, FEATURE_RULE, POLICY, SIGNATURE_RULE, SIZE_RULE, SUITE_RULE,
};
use crate::profile::{schema, value, yaml};

/// Largest policy in bytes; those that ship have up to nine thousand. A near miss is looked for among all names for each
/// name that is unknown.
const MAX_BYTES: usize = 64 << 10;

/// Reads a policy; `table` judges cipher suites one by one, before the text does.
///
/// # Errors
/// The text of the message, with every problem, each with line, column, key and near miss.
pub(super) fn parse(text: &str, origin: &str, table: Option<&str>) -> Result<TlsPolicy, String> {
    let mut reader = Reader::new(text);
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes (at most {MAX_BYTES} are read)", text.len());
        reader.problem(yaml::Place::default(), "", message);
        return Err(problem::render("TLS policy", origin, "", &mut reader.problems));
    }
    let policy = match yaml::parse(text) {
        Ok(tree) => policy(&mut reader, &At::new(&tree, ""), table),
        Err((place, message)) => {
            reader.problem(place, "", message);
            None
        }
    };
    match policy {
        Some(policy) if reader.problems.is_empty() => Ok(policy),
        _ => Err(problem::render("TLS policy", origin, text, &mut reader.problems)),
    }
}

fn policy(reader: &mut Reader<'_>, at: &At<'_>, table: Option<&str>) -> Option<TlsPolicy> {
    let map = reader.map(at, &POLICY.names().collect::<Vec<_>>())?;
    if let Some(at) = reader.required(&map, "version") {
        reader.known(&at, "version", &[schema::VERSION]);
    }
    let name = reader.required(&map, "policy").and_then(|at| reader.read(&at, policy_name));
    let title = reader.required_text(&map, "title");
    let dated = reader.required(&map, "dated").and_then(|at| reader.read(&at, value::date));
    let base = map.get("extends").and_then(|at| base(reader, &at));
    let start = base.cloned().unwrap_or_else(|| TlsPolicy {
        suites: table.map(table_of_suites).unwrap_or_default(),
        ..TlsPolicy::default()
    });
    // What a policy says of nothing, it does not allow: only with a base may it leave something out.
    let whole = Whole(base.is_none() && !map.entries.iter().any(|(key, _)| key.value == "extends"));
    Some(TlsPolicy {
        name: name?,
        title: title?,
        dated: dated?,
        source: reader.optional(&map, "source").unwrap_or(start.source),
        versions: codes(reader, &map, "versions", version_names(), start.versions, whole),
        suites: codes(reader, &map, "suites", suite_names(), start.suites, whole),
        groups: codes(reader, &map, "groups", group_names(), start.groups, whole),
        rsa_bits: sizes(reader, &map, "rsa_bits", start.rsa_bits, whole),
        ec_bits: sizes(reader, &map, "ec_bits", start.ec_bits, whole),
        dh_bits: sizes(reader, &map, "dh_bits", start.dh_bits, whole),
        certificate_days: sizes(reader, &map, "certificate_days", start.certificate_days, Whole(false)),
        signatures: signatures(reader, &map, start.signatures, whole),
        features: features(reader, &map, start.features),
    })
}

/// Whether a policy stands alone and must say something of everything.
#[derive(Clone, Copy)]
struct Whole(bool);

fn policy_name(text: &str) -> Result<String, String> {
    let valid = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    valid.then(|| text.to_owned()).ok_or_else(|| {
        format!("expected a name in lower case with hyphens such as `my-policy`, got `{text}`")
    })
}

fn base(reader: &mut Reader<'_>, at: &At<'_>) -> Option<&'static TlsPolicy> {
    let name = reader.text(at)?;
    let found = TlsPolicy::named(&name);
    if found.is_none() {
        let hint = problem::near_or_all(&name, super::NAMES.iter().copied());
        reader.wrong(at, format!("unknown TLS policy `{name}`{hint}"));
    }
    found
}

/// What a table with a line of headings says of suites; no cell holds a comma.
fn table_of_suites(table: &str) -> Judged {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let &[code, tier, normative, reference] = cells.as_slice() else { return None };
        let judgement = Judgement {
            tier: TIERS.iter().find(|(word, _)| *word == tier)?.1,
            normative: NORMATIVE.iter().find(|(word, _)| *word == normative)?.1,
            reference: reference.to_owned(),
        };
        Some((names::hex(code)?, judgement))
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// The mappings of a list; where it is absent, none, which is a problem if it must be there.
fn lines<'n>(
    reader: &mut Reader<'_>,
    map: &Map<'n>,
    key: &str,
    described: &Mapping,
    Whole(required): Whole,
) -> Vec<Map<'n>> {
    let at = if required { reader.required(map, key) } else { map.get(key) };
    let items = at.map(|at| reader.list(&at)).unwrap_or_default();
    let keys: Vec<&str> = described.names().collect();
    items.iter().filter_map(|item| reader.map(item, &keys)).collect()
}

/// A line about things with numbers.
struct CodeRule {
    /// These, and
    codes: Vec<u16>,
    /// those with one of these parts in their name; without both, all.
    parts: Vec<String>,
    everything: bool,
    judgement: Judgement,
}

/// Of the lines that are about something, the first decides; where none is, what the base says.
fn codes(
    reader: &mut Reader<'_>,
    map: &Map<'_>,
    key: &str,
    registry: &'static Registry,
    base: Judged,
    whole: Whole,
) -> Judged {
    let described = if key == "suites" { &SUITE_RULE } else { &CODE_RULE };
    // A table beside the file judges suites.
    let needed = Whole(whole.0 && base.is_empty());
    let lines = lines(reader, map, key, described, needed);
    let rules: Vec<CodeRule> = lines.iter().filter_map(|line| code_rule(reader, line, registry)).collect();
    let mut judged = base;
    for rule in rules.iter().rev() {
        let named = registry
            .entries()
            .iter()
            .filter(|entry| rule.everything || rule.parts.iter().any(|part| entry.has_part(part)));
        for code in named.map(|entry| entry.code).chain(rule.codes.iter().copied()) {
            judged.insert(code, rule.judgement.clone());
        }
    }
    let silent: Vec<&str> = registry
        .entries()
        .iter()
        .filter(|entry| !judged.contains_key(&entry.code))
        .map(|entry| entry.name)
        .collect();
    if let (true, Some(at), [first, ..]) = (whole.0, map.get(key), silent.as_slice()) {
        let message = format!(
            "nothing is said of {} {}s, such as {first} (end with a line without `names` for all others, or extend a policy)",
            silent.len(),
            registry.what
        );
        reader.wrong(&at, message);
    }
    judged
}

fn code_rule(reader: &mut Reader<'_>, map: &Map<'_>, registry: &'static Registry) -> Option<CodeRule> {
    let judgement = judgement(reader, map);
    let listed = map.get("names");
    let with = map.get("with");
    let everything = listed.is_none() && with.is_none();
    if judgement.as_ref().is_some_and(|found| found.tier == Tier::Ok) && (everything || with.is_some()) {
        reader.problem(
            map.place,
            &map.key,
            "what is `ok` is listed by `names`, never by default or by parts of a name",
        );
    }
    let codes = listed.map(|at| reader.each(&at, |text| code(text, registry))).unwrap_or_default();
    let parts = with.map(|at| reader.each(&at, |text| part(text, registry))).unwrap_or_default();
    Some(CodeRule { codes, parts, everything, judgement: judgement? })
}

fn code(text: &str, registry: &'static Registry) -> Result<u16, String> {
    if let Some(code) = names::hex(text) {
        return Ok(code);
    }
    registry.by_name(text).map(|entry| entry.code).ok_or_else(|| {
        let what = registry.what;
        format!(
            "unknown {what} `{text}`{} (a number such as `0xC027` is fine, too)",
            near(text, registry.names())
        )
    })
}

fn part(text: &str, registry: &Registry) -> Result<String, String> {
    let found = registry.entries().iter().any(|entry| entry.has_part(text));
    found.then(|| text.to_owned()).ok_or_else(|| {
        format!("no {} has `{text}` in its name, as a part between underscores", registry.what)
    })
}

fn judgement(reader: &mut Reader<'_>, map: &Map<'_>) -> Option<Judgement> {
    let tier = reader.required(map, "tier").and_then(|at| reader.word(&at, TIERS));
    let normative = reader.required(map, "normative").and_then(|at| reader.word(&at, NORMATIVE));
    let reference = reader.required_text(map, "reference");
    Some(Judgement { tier: tier?, normative: normative?, reference: reference? })
}

/// A list of one's own replaces that of the base.
fn sizes(
    reader: &mut Reader<'_>,
    map: &Map<'_>,
    key: &str,
    base: Vec<SizeRule>,
    whole: Whole,
) -> Vec<SizeRule> {
    let lines = lines(reader, map, key, &SIZE_RULE, whole);
    if lines.is_empty() {
        return base;
    }
    let rules: Vec<SizeRule> = lines.iter().filter_map(|line| size_rule(reader, line)).collect();
    let ascending = rules.is_sorted_by_key(|rule| rule.below.unwrap_or(u32::MAX));
    let open = rules.iter().filter(|rule| rule.below.is_none()).count();
    if let Some(at) = map.get(key).filter(|_| rules.len() == lines.len() && (!ascending || open != 1)) {
        reader.wrong(
            &at,
            "expected lines with ascending `below`, and a last one without it for all that is larger",
        );
    }
    rules
}

fn size_rule(reader: &mut Reader<'_>, map: &Map<'_>) -> Option<SizeRule> {
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("expected a number, got `{text}`"));
    let below = map.get("below").map(|at| reader.read(&at, number));
    let judgement = judgement(reader, map)?;
    match below {
        Some(below) => below.map(|below| SizeRule { below: Some(below), judgement }),
        None => Some(SizeRule { below: None, judgement }),
    }
}

/// One's own lines come before those of the base.
fn signatures(
    reader: &mut Reader<'_>,
    map: &Map<'_>,
    base: Vec<SignatureRule>,
    whole: Whole,
) -> Vec<SignatureRule> {
    let lines = lines(reader, map, "signatures", &SIGNATURE_RULE, whole);
    let own = lines.iter().filter_map(|line| signature_rule(reader, line));
    own.collect::<Vec<_>>().into_iter().chain(base).collect()
}

fn signature_rule(reader: &mut Reader<'_>, map: &Map<'_>) -> Option<SignatureRule> {
    let mut parts =
        |key: &str| map.get(key).map(|at| reader.each(&at, |text| Ok(plain(text)))).unwrap_or_default();
    let (begins, contains): (Vec<String>, Vec<String>) = (parts("begins"), parts("contains"));
    if begins.is_empty() && contains.is_empty() {
        reader.problem(map.place, &map.key, "expected `begins` or `contains`");
    }
    judgement(reader, map).map(|judgement| SignatureRule { begins, contains, judgement })
}

fn features(
    reader: &mut Reader<'_>,
    map: &Map<'_>,
    base: BTreeMap<Feature, Judgement>,
) -> BTreeMap<Feature, Judgement> {
    let mut features = base;
    for line in lines(reader, map, "features", &FEATURE_RULE, Whole(false)) {
        let named = reader.required(&line, "names").map(|at| {
            reader.each(&at, |text| {
                let found = FEATURES.iter().find(|(word, _)| *word == text).map(|(_, feature)| *feature);
                found.ok_or_else(|| {
                    format!("unknown feature `{text}`{}", problem::near_or_all(text, schema::words(FEATURES)))
                })
            })
        });
        let Some(judgement) = judgement(reader, &line) else { continue };
        features.extend(named.unwrap_or_default().into_iter().map(|feature| (feature, judgement.clone())));
    }
    features
}
