//! The file format, version 1: its keys and words, each once. Readers, messages and documentation take them from
//! here.

use super::{Baseline, ParameterKind};
use crate::model::finding::Severity;

/// The version of the format that this program reads.
pub(super) const VERSION: &str = "1";

/// Keys of the file.
pub(super) const PROFILE: &[&str] = &[
    "version",
    "profile",
    "title",
    "document",
    "identify",
    "variants",
    "parameters",
    "subjects",
    "groups",
    "baseline",
    "tls_policy",
    "claims",
    "not_checkable",
    "contradictions",
];
/// Keys of `document`.
pub(super) const DOCUMENT: &[&str] = &["title", "url", "reviewed"];
/// Keys of `identify`.
pub(super) const IDENTIFY: &[&str] =
    &["dhcp_host_names", "dhcp_vendor_classes", "mud_urls", "ouis", "names", "ports"];
/// Keys of a group in `variants`.
pub(super) const VARIANT: &[&str] = &["help", "options", "default"];
/// Keys of a subject.
pub(super) const SUBJECT: &[&str] = &["help", "identify"];
/// Keys of a parameter.
pub(super) const PARAMETER: &[&str] = &["kind", "help", "default"];
/// Keys of a claim; exactly one of [`LEVELS`] is among them.
pub(super) const CLAIM: &[&str] = &[
    "id",
    "title",
    "subject",
    "required",
    "allowed",
    "forbidden",
    "informational",
    "when",
    "tls",
    "lifetime",
    "keep_alive_max",
    "websocket",
    "encrypted",
    "severity",
    "quote",
    "silent",
    "source",
    "reviewed",
];
/// Keys of a claim that say how strongly it binds.
pub(super) const LEVELS: &[&str] = &["required", "allowed", "forbidden", "informational"];
/// Keys of what a claim requires, allows, forbids or informs about.
pub(super) const RULE: &[&str] = &[
    "out",
    "in",
    "local",
    "either",
    "tcp",
    "udp",
    "icmp",
    "service",
    "at_least",
    "blocked",
    "proxy",
    "same_addresses",
    "canonical_name",
    "addresses_within",
];
/// Keys of a rule that name the other end; at most one of them.
pub(super) const WAYS: &[&str] = &["out", "in", "local", "either"];
/// Keys of a rule that is not about flows.
pub(super) const SPECIAL: &[&str] = &["proxy", "same_addresses", "canonical_name", "addresses_within"];
/// Keys of a claim that hold for the flows of its rule.
pub(super) const CONSTRAINTS: &[&str] = &["tls", "lifetime", "keep_alive_max", "websocket", "encrypted"];
/// Keys of `canonical_name`.
pub(super) const CANONICAL_NAME: &[&str] = &["name", "under"];
/// Keys of `addresses_within`.
pub(super) const ADDRESSES_WITHIN: &[&str] = &["names", "networks"];
/// Keys of `tls`.
pub(super) const TLS: &[&str] = &[
    "policy",
    "min_version",
    "max_version",
    "suites",
    "min_rsa_bits",
    "signatures",
    "mutual",
    "issuers",
    "pins",
    "alpn",
];
/// Keys of `lifetime`.
pub(super) const LIFETIME: &[&str] = &["long_running", "min", "max", "max_idle_tail"];
/// Keys of a port set that is a mapping.
pub(super) const PORTS: &[&str] = &["except", "prefer"];
/// Keys of a statement in `not_checkable`.
pub(super) const STATEMENT: &[&str] = &["id", "title", "reason", "quote", "silent", "source", "reviewed"];
/// Keys of an entry of `contradictions`.
pub(super) const CONTRADICTION: &[&str] = &["claims", "note"];

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

/// TLS versions as written and as on the wire.
pub(super) const TLS_VERSIONS: &[(&str, u16)] =
    &[("ssl3", 0x0300), ("tls1.0", 0x0301), ("tls1.1", 0x0302), ("tls1.2", 0x0303), ("tls1.3", 0x0304)];

/// The words of a table.
pub(super) fn words<T>(table: &[(&'static str, T)]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|(word, _)| *word)
}
