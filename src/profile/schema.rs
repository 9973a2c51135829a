//! The file formats, version 1: their words here, the keys of profiles in `keys`, those of inventories and waivers in
//! `site`, those of TLS policies in `policy`, each once. The readers take the known keys from there, `json` prints them as a JSON Schema, and the documentation names each of them.

mod forms;
mod json;
pub(super) mod keys;
pub(super) mod policy;
pub(super) mod site;

pub use json::{inventory_schema, json_schema, tls_policy_schema, waivers_schema};

use super::{Baseline, ParameterKind};
use crate::model::finding::{Severity, Way};

/// A key of the file.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it means, one sentence.
    pub(super) doc: &'static str,
    pub(super) need: Need,
    pub(super) value: Value,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    May,
    Must,
    /// Unless this other key is there.
    MustUnless(&'static str),
}

/// What the value of a key may be.
pub(super) enum Value {
    /// A single value of this form.
    One(&'static Form),
    /// A single value of this form, or a list of them that is not empty.
    Some(&'static Form),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
    /// One of these words, or a list of them that is not empty.
    Words(fn() -> Vec<&'static str>),
    /// A mapping with known keys.
    Map(&'static Mapping),
    /// A list.
    List(&'static Value),
    /// A mapping from names of this form.
    Named(&'static Form, &'static Value),
    /// Either of these.
    Either(&'static [Value]),
    /// No value behind the key.
    Nothing,
}

/// How a single value is written.
pub(super) struct Form {
    /// Its name among the definitions of the JSON Schema.
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    /// What texts look like; what a program can check without knowing more than the text.
    pub(super) pattern: Option<&'static str>,
    /// What YAML may take it for, beside a text.
    pub(super) also: &'static [&'static str],
    /// Least and greatest, where it is a whole number.
    pub(super) range: Option<(u32, u32)>,
    pub(super) examples: &'static [&'static str],
}

/// A mapping with known keys.
pub(super) struct Mapping {
    /// Its name among the definitions of the JSON Schema.
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) keys: &'static [Key],
    /// Exactly one of these is there; empty where nothing is demanded.
    pub(super) one_of: &'static [&'static str],
    /// Whether there is at least one key.
    pub(super) some: bool,
}

impl Mapping {
    /// Names of the keys.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.keys.iter().map(|key| key.name)
    }
}

/// The version of the format that this program reads.
pub(super) const VERSION: &str = "1";

/// Keys of a claim that say how strongly it binds.
pub(super) const LEVELS: &[&str] = &["required", "allowed", "forbidden", "informational"];
/// Keys of a rule that name the other end; at most one of them.
pub(super) const WAYS: &[&str] = &["out", "in", "local", "either"];
/// Keys of a rule that is not about flows.
pub(super) const SPECIAL: &[&str] = &["proxy", "same_addresses", "canonical_name", "addresses_within"];
/// Keys of a claim that hold for the flows of its rule.
pub(super) const CONSTRAINTS: &[&str] = &["tls", "lifetime", "keep_alive_max", "websocket", "encrypted"];

/// The peer that is anybody.
pub(super) const ANYONE: &str = "anyone";
/// The peer that is the device's own networks.
pub(super) const LOCAL_NETWORK: &str = "local-network";
/// What a peer that is an address list begins with.
pub(super) const LIST: &str = "list:";
/// What a reference to a parameter or to a group of peers begins with.
pub(super) const REFERENCE: char = '$';
/// The option that stands for a variant group that nobody bound.
pub(super) const UNBOUND: &str = "unbound";

/// Words of `kind`.
pub(super) const KINDS: &[(&str, ParameterKind)] = &[
    ("flag", ParameterKind::Flag),
    ("ports", ParameterKind::Ports),
    ("peers", ParameterKind::Peers),
    ("version", ParameterKind::Version),
];

/// Words of `severity`.
pub(super) const SEVERITIES: &[(&str, Severity)] =
    &[("error", Severity::Error), ("warning", Severity::Warning), ("info", Severity::Info)];

/// Words of `unlisted` in an inventory.
pub(super) const UNLISTED: &[(&str, Option<Severity>)] = &[
    ("error", Some(Severity::Error)),
    ("warning", Some(Severity::Warning)),
    ("info", Some(Severity::Info)),
    ("ignore", None),
];

/// Words of `direction` in a waiver.
pub(super) const WAY_WORDS: &[(&str, Way)] = &[("out", Way::Out), ("in", Way::In), ("local", Way::Local)];

/// Words of `baseline`.
pub(super) const BASELINE: &[(&str, Baseline)] = &[
    ("arp", Baseline::Arp),
    ("ndp", Baseline::Ndp),
    ("dhcp", Baseline::Dhcp),
    ("dns", Baseline::Dns),
    ("icmp", Baseline::Icmp),
    ("igmp", Baseline::Igmp),
    ("mdns", Baseline::Mdns),
    ("llmnr", Baseline::Llmnr),
    ("ssdp", Baseline::Ssdp),
    ("netbios", Baseline::Netbios),
];

/// Words of `ip`: protocols above IP without ports, by number (IANA, Assigned Internet Protocol Numbers).
pub(super) const IP_PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ospf", 89),
    ("sctp", 132),
];

/// TLS versions as written and as on the wire.
pub(super) const TLS_VERSIONS: &[(&str, u16)] =
    &[("ssl3", 0x0300), ("tls1.0", 0x0301), ("tls1.1", 0x0302), ("tls1.2", 0x0303), ("tls1.3", 0x0304)];

/// Versions of DTLS likewise.
pub(super) const DTLS_VERSIONS: &[(&str, u16)] = &[("dtls1.2", 0xfefd), ("dtls1.3", 0xfefc)];

/// The words of a table.
pub(super) fn words<T>(table: &[(&'static str, T)]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|(word, _)| *word)
}
