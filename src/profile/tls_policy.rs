//! What is weak in TLS, and who says so: policies (`rules/tls/*.yaml`) and the table of cipher suites
//! (`rules/tls/suites.csv`), keyed by code point.

use std::fmt;
use std::sync::LazyLock;

use super::problem;
use super::read::{At, Map, Reader};
use super::schema;
use super::value;
use super::yaml;

/// Names of the policies that ship.
pub const NAMES: &[&str] = &[DEFAULT_NAME];

const DEFAULT_NAME: &str = "default";
const DEFAULT_TEXT: &str = include_str!("../../rules/tls/default.yaml");
const SUITES: &str = include_str!("../../rules/tls/suites.csv");

/// Practical risk, ordered from harmless to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// On the allow-list.
    Ok,
    /// Works, but outside current best practice, or niche.
    Discouraged,
    /// Deprecated for known attacks, below 112 bits, or without forward secrecy.
    Weak,
    /// No confidentiality or no authentication against today's attacker.
    Broken,
}

/// The strongest that a standard or registry says against something, ordered from nothing to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Normative {
    /// Nothing.
    None,
    /// IANA: not recommended (which may only mean: for special uses).
    NotRecommended,
    /// IANA: discouraged (RFC 9847).
    Discouraged,
    /// An RFC: SHOULD NOT.
    ShouldNot,
    /// An RFC: MUST NOT.
    MustNot,
}

/// A cipher suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// Code point as on the wire: 0xC027.
    pub code: u16,
    /// IANA name: `TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256`.
    pub name: &'static str,
    /// OpenSSL name, if it has one: `ECDHE-RSA-AES128-SHA256`.
    pub openssl_name: Option<&'static str>,
    /// Older names.
    pub also: Vec<&'static str>,
    /// Risk.
    pub tier: Tier,
    /// Strongest citation.
    pub normative: Normative,
    /// Reasons and citations, separated by `; `.
    pub reference: &'static str,
}

/// What a policy says of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The value's usual name: `tls1.0`, `secp160r1`; empty where sizes are judged.
    pub name: String,
    /// Risk.
    pub tier: Tier,
    /// Strongest citation.
    pub normative: Normative,
    /// The citation: `RFC 8996`.
    pub reference: String,
}

/// A policy: everything but cipher suites is its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsPolicy {
    /// `default`
    pub name: String,
    /// What it follows, for people.
    pub title: String,
    /// Date of its newest source; a policy ages.
    pub dated: String,
    versions: Vec<(u16, Judgement)>,
    groups: Vec<(u16, Judgement)>,
    rsa_bits: Vec<SizeRule>,
    ec_bits: Vec<SizeRule>,
    dh_bits: Vec<SizeRule>,
    signatures: Vec<SignatureRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SizeRule {
    /// `None` on the last line.
    below: Option<u32>,
    judgement: Judgement,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SignatureRule {
    begins: Vec<String>,
    contains: Vec<String>,
    judgement: Judgement,
}

/// Every cipher suite that is known, by code point.
pub fn suites() -> &'static [Suite] {
    static PARSED: LazyLock<Vec<Suite>> = LazyLock::new(|| {
        let mut suites: Vec<Suite> = SUITES.lines().skip(1).filter_map(parse_suite).collect();
        suites.sort_unstable_by_key(|suite| suite.code);
        suites
    });
    &PARSED
}

/// The suite with this code point; `None` for an unknown one, and for [signals](is_signal).
pub fn suite(code: u16) -> Option<&'static Suite> {
    let suites = suites();
    suites.binary_search_by_key(&code, |suite| suite.code).ok().and_then(|index| suites.get(index))
}

/// The suite with this IANA, OpenSSL or older name; case is ignored.
pub fn suite_by_name(name: &str) -> Option<&'static Suite> {
    suites().iter().find(|suite| suite.names().any(|known| known.eq_ignore_ascii_case(name)))
}

/// Whether a code point in a list of suites is a signal and no suite: GREASE (RFC 8701),
/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV` (RFC 5746), `TLS_FALLBACK_SCSV` (RFC 7507).
pub fn is_signal(code: u16) -> bool {
    is_grease(code) || matches!(code, 0x00ff | 0x5600)
}

/// Whether a code point of suites, groups, versions or extensions is GREASE (RFC 8701 section 2): both bytes equal and
/// of the form 0x?A.
pub fn is_grease(code: u16) -> bool {
    let [high, low] = code.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

impl Suite {
    /// All its names, the IANA one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.openssl_name).chain(self.also.iter().copied())
    }
}

impl TlsPolicy {
    /// The policy called `name`, if it ships. It is read when it is first asked for anything, which captures without
    /// TLS never do.
    pub fn named(name: &str) -> Option<&'static LazyLock<Self>> {
        // That every shipped policy parses is a test.
        static DEFAULT: LazyLock<TlsPolicy> =
            LazyLock::new(|| parse(DEFAULT_TEXT, DEFAULT_NAME).unwrap_or_default());
        (name == DEFAULT_NAME).then_some(&DEFAULT)
    }

    /// What is known of a cipher suite; `None` for an unknown code point (a warning) and for [signals](is_signal).
    pub fn suite(&self, code: u16) -> Option<&'static Suite> {
        suite(code)
    }

    /// A protocol version as on the wire (0x0303 is TLS 1.2); `None` for an unknown one.
    pub fn version(&self, version: u16) -> Option<&Judgement> {
        by_code(&self.versions, version)
    }

    /// A named group of the key exchange, by IANA number; `None` for an unknown one.
    pub fn group(&self, group: u16) -> Option<&Judgement> {
        by_code(&self.groups, group)
    }

    /// An RSA key of a certificate, by its size in bits.
    pub fn rsa_bits(&self, bits: u32) -> Option<&Judgement> {
        by_size(&self.rsa_bits, bits)
    }

    /// An elliptic-curve key of a certificate, by its size in bits.
    pub fn ec_bits(&self, bits: u32) -> Option<&Judgement> {
        by_size(&self.ec_bits, bits)
    }

    /// The finite-field group of a key exchange in TLS 1.2 or below, by the size of its prime in bits.
    pub fn dh_bits(&self, bits: u32) -> Option<&Judgement> {
        by_size(&self.dh_bits, bits)
    }

    /// The signature algorithm of a certificate by name, as `sha256WithRSAEncryption` or `ecdsa-with-SHA256`; `None`
    /// for an unknown one.
    pub fn signature(&self, name: &str) -> Option<&Judgement> {
        let plain = plain(name);
        self.signatures
            .iter()
            .find(|rule| {
                rule.begins.iter().any(|part| plain.starts_with(part.as_str()))
                    || rule.contains.iter().any(|part| plain.contains(part.as_str()))
            })
            .map(|rule| &rule.judgement)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TIERS.iter().find(|(_, tier)| tier == self).map_or("", |(word, _)| word))
    }
}

impl fmt::Display for Normative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NORMATIVE.iter().find(|(_, normative)| normative == self).map_or("", |(word, _)| word))
    }
}

const TIERS: &[(&str, Tier)] =
    &[("ok", Tier::Ok), ("discouraged", Tier::Discouraged), ("weak", Tier::Weak), ("broken", Tier::Broken)];

const NORMATIVE: &[(&str, Normative)] = &[
    ("-", Normative::None),
    ("N", Normative::NotRecommended),
    ("D", Normative::Discouraged),
    ("SHOULD NOT", Normative::ShouldNot),
    ("MUST NOT", Normative::MustNot),
];

const POLICY: &[&str] = &[
    "version",
    "policy",
    "title",
    "dated",
    "versions",
    "groups",
    "rsa_bits",
    "ec_bits",
    "dh_bits",
    "signatures",
];
const CODE_RULE: &[&str] = &["code", "name", "tier", "normative", "reference"];
const SIZE_RULE: &[&str] = &["below", "tier", "normative", "reference"];
const SIGNATURE_RULE: &[&str] = &["begins", "contains", "tier", "normative", "reference"];

fn by_code(rules: &[(u16, Judgement)], code: u16) -> Option<&Judgement> {
    rules.iter().find(|(known, _)| *known == code).map(|(_, judgement)| judgement)
}

fn by_size(rules: &[SizeRule], bits: u32) -> Option<&Judgement> {
    rules.iter().find(|rule| rule.below.is_none_or(|below| bits < below)).map(|rule| &rule.judgement)
}

/// Letters and digits in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// One line of the table; no cell holds a comma.
fn parse_suite(line: &'static str) -> Option<Suite> {
    let cells: Vec<&'static str> = line.split(',').collect();
    let &[code, name, openssl, also, tier, normative, reference] = cells.as_slice() else { return None };
    Some(Suite {
        code: u16::from_str_radix(code.strip_prefix("0x")?, 16).ok()?,
        name,
        openssl_name: (!openssl.is_empty()).then_some(openssl),
        also: also.split_ascii_whitespace().collect(),
        tier: TIERS.iter().find(|(word, _)| *word == tier)?.1,
        normative: NORMATIVE.iter().find(|(word, _)| *word == normative)?.1,
        reference,
    })
}

fn parse(text: &str, origin: &str) -> Result<TlsPolicy, String> {
    let mut reader = Reader::new(text);
    let policy = match yaml::parse(text) {
        Ok(tree) => policy(&mut reader, &At::new(&tree, "")),
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

fn policy(reader: &mut Reader<'_>, at: &At<'_>) -> Option<TlsPolicy> {
    let map = reader.map(at, POLICY)?;
    if let Some(at) = reader.required(&map, "version") {
        reader.known(&at, "version", &[schema::VERSION]);
    }
    let name = reader.required_text(&map, "policy");
    let title = reader.required_text(&map, "title");
    let dated = reader.required(&map, "dated").and_then(|at| reader.read(&at, value::date));
    Some(TlsPolicy {
        name: name?,
        title: title?,
        dated: dated?,
        versions: each(reader, &map, "versions", CODE_RULE, code_rule),
        groups: each(reader, &map, "groups", CODE_RULE, code_rule),
        rsa_bits: each(reader, &map, "rsa_bits", SIZE_RULE, size_rule),
        ec_bits: each(reader, &map, "ec_bits", SIZE_RULE, size_rule),
        dh_bits: each(reader, &map, "dh_bits", SIZE_RULE, size_rule),
        signatures: each(reader, &map, "signatures", SIGNATURE_RULE, signature_rule),
    })
}

fn each<T>(
    reader: &mut Reader<'_>,
    map: &Map<'_>,
    key: &str,
    keys: &[&str],
    read: impl Fn(&mut Reader<'_>, &Map<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(at) = reader.required(map, key) else { return Vec::new() };
    let items = reader.list(&at);
    let maps: Vec<_> = items.iter().filter_map(|item| reader.map(item, keys)).collect();
    maps.iter().filter_map(|map| read(reader, map)).collect()
}

fn judgement(reader: &mut Reader<'_>, map: &Map<'_>) -> Option<Judgement> {
    let tier = reader.required(map, "tier").and_then(|at| reader.word(&at, TIERS));
    let normative = reader.required(map, "normative").and_then(|at| reader.word(&at, NORMATIVE));
    let reference = reader.required_text(map, "reference");
    let name = reader.optional(map, "name").unwrap_or_default();
    Some(Judgement { name, tier: tier?, normative: normative?, reference: reference? })
}

fn code_rule(reader: &mut Reader<'_>, map: &Map<'_>) -> Option<(u16, Judgement)> {
    let code = reader.required(map, "code").and_then(|at| reader.read(&at, code_point));
    judgement(reader, map).and_then(|judgement| Some((code?, judgement)))
}

fn code_point(text: &str) -> Result<u16, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("expected a number up to 0xffff, got `{text}`"))
}

fn size_rule(reader: &mut Reader<'_>, map: &Map<'_>) -> Option<SizeRule> {
    let bits =
        |text: &str| text.parse::<u32>().map_err(|_| format!("expected a number of bits, got `{text}`"));
    let below = map.get("below").and_then(|at| reader.read(&at, bits));
    judgement(reader, map).map(|judgement| SizeRule { below, judgement })
}

fn signature_rule(reader: &mut Reader<'_>, map: &Map<'_>) -> Option<SignatureRule> {
    let mut parts =
        |key: &str| map.get(key).map(|at| reader.each(&at, |text| Ok(plain(text)))).unwrap_or_default();
    let (begins, contains) = (parts("begins"), parts("contains"));
    judgement(reader, map).map(|judgement| SignatureRule { begins, contains, judgement })
}

#[cfg(test)]
#[path = "tls_policy_tests.rs"]
mod tests;
