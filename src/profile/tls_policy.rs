//! What is weak in TLS, and who says so: policies (`rules/tls/*.yaml`, or a file of one's own).
//!
//! Policies share names ([`Registry`]) and nothing else: each judges every cipher suite, version, group, size and feature
//! itself, and they contradict each other. They are never merged; a finding names the one that decided.

mod names;
mod preset;
mod read;

use std::collections::BTreeMap;
use std::fmt;

pub use names::{
    Entry, Registry, group_names, is_grease, is_signal, suite, suite_by_name, suite_names, suites,
    version_names,
};
pub use preset::{DEFAULT, NAMES, Policies, PolicyRef, Preset, is_file};

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
    /// SHOULD NOT.
    ShouldNot,
    /// MUST NOT.
    MustNot,
}

/// What a handshake agrees on, sends or leaves out, beside what has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Compression inside TLS (RFC 3749).
    Compression,
    /// The server does not answer `renegotiation_info` (RFC 5746) before TLS 1.3.
    NoRenegotiationInfo,
    /// A second handshake in such a connection.
    UnboundRenegotiation,
    /// No `extended_master_secret` (RFC 7627) before TLS 1.3.
    NoExtendedMasterSecret,
    /// A CBC suite without `encrypt_then_mac` (RFC 7366).
    NoEncryptThenMac,
    /// `truncated_hmac` agreed (RFC 6066).
    TruncatedHmac,
    /// Heartbeats agreed (RFC 6520).
    Heartbeat,
    /// A heartbeat that asks for more than it holds (CVE-2014-0160).
    HeartbeatOverread,
    /// Data sent before the handshake (TLS 1.3, 0-RTT).
    EarlyData,
    /// A pre-shared key of TLS 1.3 without a key exchange beside it.
    PskOnly,
}

/// What a policy says of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Risk.
    pub tier: Tier,
    /// Strongest citation.
    pub normative: Normative,
    /// The citation, for cipher suites with the reasons, separated by `; `: `RFC 8996`.
    pub reference: String,
}

/// A policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsPolicy {
    /// `bcp195`
    pub name: String,
    /// What it follows, for people.
    pub title: String,
    /// Where that can be read; may be empty.
    pub source: String,
    /// When it was last compared with its sources (`2026-08`); a policy ages.
    pub dated: String,
    versions: Judged,
    suites: Judged,
    groups: Judged,
    rsa_bits: Vec<SizeRule>,
    ec_bits: Vec<SizeRule>,
    dh_bits: Vec<SizeRule>,
    certificate_days: Vec<SizeRule>,
    signatures: Vec<SignatureRule>,
    features: BTreeMap<Feature, Judgement>,
}

/// By code point.
type Judged = BTreeMap<u16, Judgement>;

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

impl TlsPolicy {
    /// The policy of this name, if it ships.
    pub fn named(name: &str) -> Option<&'static Self> {
        preset::named(name).map(Preset::policy)
    }

    /// Whether a policy of this name ships.
    pub fn ships(name: &str) -> bool {
        preset::named(name).is_some()
    }

    /// A cipher suite by code point; `None` for an unknown one (a warning) and for [signals](is_signal).
    pub fn suite(&self, code: u16) -> Option<&Judgement> {
        self.suites.get(&code)
    }

    /// A protocol version as on the wire (0x0303 is TLS 1.2); `None` for an unknown one.
    pub fn version(&self, version: u16) -> Option<&Judgement> {
        self.versions.get(&version)
    }

    /// A named group of the key exchange, by IANA number; `None` for an unknown one.
    pub fn group(&self, group: u16) -> Option<&Judgement> {
        self.groups.get(&group)
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

    /// A certificate by the days for which it is valid; `None` where the policy says nothing of that.
    pub fn certificate_days(&self, days: u32) -> Option<&Judgement> {
        by_size(&self.certificate_days, days)
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

    /// A feature; `None` where the policy says nothing of it.
    pub fn feature(&self, feature: Feature) -> Option<&Judgement> {
        self.features.get(&feature)
    }

    /// The lowest version of TLS that is ok.
    pub fn least_version(&self) -> Option<u16> {
        (0x0300..=0x0304).find(|code| self.version(*code).is_some_and(|judgement| judgement.tier == Tier::Ok))
    }

    /// The shortest RSA key that is ok; `None` if none is.
    pub fn least_rsa_bits(&self) -> Option<u32> {
        least(&self.rsa_bits)
    }

    /// The shortest elliptic-curve key that is ok; `None` if none is.
    pub fn least_ec_bits(&self) -> Option<u32> {
        least(&self.ec_bits)
    }

    /// The longest time, in days, for which a certificate may be valid; `None` if the policy says nothing of it.
    pub fn most_certificate_days(&self) -> Option<u32> {
        let limit = self.certificate_days.iter().filter(|rule| rule.judgement.tier == Tier::Ok);
        limit.filter_map(|rule| rule.below?.checked_sub(1)).max()
    }
}

fn by_size(rules: &[SizeRule], size: u32) -> Option<&Judgement> {
    rules.iter().find(|rule| rule.below.is_none_or(|below| size < below)).map(|rule| &rule.judgement)
}

/// Where the first line that is ok begins: where the one before it ends.
fn least(rules: &[SizeRule]) -> Option<u32> {
    let ok = rules.iter().position(|rule| rule.judgement.tier == Tier::Ok)?;
    Some(ok.checked_sub(1).and_then(|before| rules.get(before)?.below).unwrap_or(0))
}

/// Letters and digits in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

pub(super) const TIERS: &[(&str, Tier)] =
    &[("ok", Tier::Ok), ("discouraged", Tier::Discouraged), ("weak", Tier::Weak), ("broken", Tier::Broken)];

pub(super) const NORMATIVE: &[(&str, Normative)] = &[
    ("-", Normative::None),
    ("N", Normative::NotRecommended),
    ("D", Normative::Discouraged),
    ("SHOULD NOT", Normative::ShouldNot),
    ("MUST NOT", Normative::MustNot),
];

pub(super) const FEATURES: &[(&str, Feature)] = &[
    ("compression", Feature::Compression),
    ("no-renegotiation-info", Feature::NoRenegotiationInfo),
    ("unbound-renegotiation", Feature::UnboundRenegotiation),
    ("no-extended-master-secret", Feature::NoExtendedMasterSecret),
    ("no-encrypt-then-mac", Feature::NoEncryptThenMac),
    ("truncated-hmac", Feature::TruncatedHmac),
    ("heartbeat", Feature::Heartbeat),
    ("heartbeat-overread", Feature::HeartbeatOverread),
    ("early-data", Feature::EarlyData),
    ("psk-only", Feature::PskOnly),
];

fn word<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

impl Normative {
    /// As in the table's column: `MUST NOT`, `SHOULD NOT`, `D`, `N`, `-`.
    pub fn word(self) -> &'static str {
        word(NORMATIVE, &self)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(word(TIERS, self))
    }
}

impl fmt::Display for Normative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(word(FEATURES, self))
    }
}

#[cfg(test)]
#[path = "tls_policy_tests.rs"]
mod tests;
