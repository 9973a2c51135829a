//! Profiles of TLS and DTLS clients (RFC 9761): what a device offers.
//!
//! The YANG module (`ietf-acl-tls@2025-04-18`) and the example in the RFC spell several names differently; both are read,
//! and those of the module are written.

use super::bare;
use super::json::Json;
use super::lints::{self, Lints, shown};
use crate::profile::read::{At, Reader};
use crate::profile::tls_policy::{group_names, is_grease, suite};
use crate::profile::yaml::{Node, Place};

/// What a client may offer in its ClientHello. An empty list says nothing of its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsOffer {
    /// Name of the profile in its file; may be empty.
    pub name: String,
    /// Versions as on the wire, those of DTLS too (0x0303, 0xfefd).
    pub versions: Vec<u16>,
    /// Cipher suites.
    pub suites: Vec<u16>,
    /// Types of extensions.
    pub extensions: Vec<u16>,
    /// Groups of the key exchange.
    pub groups: Vec<u16>,
    /// Signature schemes.
    pub signatures: Vec<u16>,
    /// Signature schemes of certificates, where the client says those apart.
    pub certificate_signatures: Vec<u16>,
    /// Modes of pre-shared keys: 0 without a key exchange beside them, 1 with one.
    pub psk_modes: Vec<u16>,
    /// Application protocols.
    pub alpn: Vec<String>,
    /// What packets do not show: trust anchors, compression of certificates, authorities.
    pub(super) hidden: Vec<(String, Json)>,
}

/// Versions as the YANG module calls them and as on the wire.
const TLS_VERSIONS: &[(&str, u16)] = &[("tls12", 0x0303), ("tls13", 0x0304)];
const DTLS_VERSIONS: &[(&str, u16)] = &[("dtls12", 0xfefd), ("dtls13", 0xfefc)];
/// Names of the module, whose lists hold what is not seen on the wire.
const HIDDEN: &[&str] = &["accept-list-ta-cert", "cert-compression-algorithm", "certificate-authorities"];

/// The profiles that an entry lists.
pub(super) fn offers(
    reader: &mut Reader<'_>,
    lints: &mut Lints,
    at: &At<'_>,
    name: &str,
    place: Place,
) -> Vec<TlsOffer> {
    let mut odd = spelling(name, "client-profiles");
    let mut offers = Vec::new();
    if let Some(map) = reader.map(at, &[]) {
        for (key, key_place, list) in map.entries() {
            let name = bare(key);
            if name != "tls-dtls-profile" && name != "tls-dtls-profiles" {
                unknown(lints, key_place, key);
                continue;
            }
            odd = odd.or_else(|| spelling(name, "tls-dtls-profile"));
            for item in reader.list(&list) {
                offers.extend(offer(reader, lints, &item, &mut odd));
            }
        }
    }
    if let Some((written, right)) = odd {
        let message = format!("`{written}` is `{right}` in the YANG module");
        lints.add(&lints::TLS_SPELLING, place, message);
    }
    offers
}

fn spelling(written: &str, right: &'static str) -> Option<(String, &'static str)> {
    (written != right).then(|| (shown(written, 40), right))
}

fn unknown(lints: &mut Lints, place: Place, key: &str) {
    lints.add(&lints::UNKNOWN, place, format!("the node `{}` is unknown", shown(key, 80)));
}

fn offer(
    reader: &mut Reader<'_>,
    lints: &mut Lints,
    at: &At<'_>,
    odd: &mut Option<(String, &'static str)>,
) -> Option<TlsOffer> {
    let map = reader.map(at, &[])?;
    let mut offer = TlsOffer::default();
    for (key, place, at) in map.entries() {
        let written = bare(key);
        let name = LISTS.iter().find(|(name, also)| *name == written || also.contains(&written));
        let name = name.map_or(written, |(name, _)| *name);
        if name != written && odd.is_none() {
            *odd = spelling(written, LISTS.iter().find(|(n, _)| *n == name).map_or("", |(name, _)| *name));
        }
        let mut codes = |table, what| codes(reader, lints, &at, table, what);
        match name {
            "name" => offer.name = reader.text(&at).map(|name| shown(&name, 64)).unwrap_or_default(),
            "supported-tls-version" => offer.versions.extend(codes(TLS_VERSIONS, OfferKind::Version)),
            "supported-dtls-version" => offer.versions.extend(codes(DTLS_VERSIONS, OfferKind::Version)),
            "cipher-suite" => offer.suites = codes(&[], OfferKind::Suite),
            "extension-type" => offer.extensions = codes(&[], OfferKind::Extension),
            "supported-group" => offer.groups = codes(&[], OfferKind::Group),
            "signature-algorithm" => offer.signatures = codes(&[], OfferKind::Signature),
            "signature-algorithm-cert" => offer.certificate_signatures = codes(&[], OfferKind::Signature),
            "psk-key-exchange-mode" => {
                offer.psk_modes = codes(&[("psk-ke", 0), ("psk-dhe-ke", 1)], OfferKind::PskMode);
            }
            "application-protocol" => {
                offer.alpn = reader.texts(&at).into_iter().map(|(text, _)| text).collect();
            }
            _ => {
                offer.hidden.push((key.to_owned(), Json::of(at.item)));
                if HIDDEN.contains(&name) {
                    let message = format!("`{name}` is not compared: packets do not show it");
                    lints.add(&lints::NOT_COMPARED, place, message);
                } else {
                    unknown(lints, place, key);
                }
            }
        }
    }
    Some(offer)
}

/// Lists of the module, and how else they are spelled.
const LISTS: &[(&str, &[&str])] = &[
    ("supported-tls-version", &["supported-tls-versions"]),
    ("supported-dtls-version", &["supported-dtls-versions"]),
    ("cipher-suite", &["cipher-suites"]),
    ("extension-type", &["extension-types"]),
    ("supported-group", &["supported-groups"]),
    ("signature-algorithm", &["signature-algorithms"]),
    ("signature-algorithm-cert", &["signature-algorithms-cert", "signature-algorithm-certs"]),
    ("psk-key-exchange-mode", &["psk-key-exchange-modes"]),
    ("application-protocol", &["application-protocols"]),
    ("accept-list-ta-cert", &["accept-list-ta-certs"]),
    ("cert-compression-algorithm", &["cert-compression-algorithms"]),
];

/// What a code point is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferKind {
    /// A protocol version.
    Version,
    /// A cipher suite.
    Suite,
    /// An extension of the ClientHello.
    Extension,
    /// A group of the key exchange.
    Group,
    /// A signature scheme.
    Signature,
    /// A mode of pre-shared keys.
    PskMode,
}

impl OfferKind {
    /// Whether this program knows what the number means; else a profile or a client may be newer than it.
    pub fn is_known(self, code: u16) -> bool {
        match self {
            Self::Version => matches!(code, 0x0002 | 0x0300..=0x0304 | 0xfefc | 0xfefd | 0xfeff),
            Self::Suite => suite(code).is_some() || matches!(code, 0x00ff | 0x5600),
            // IANA, TLS ExtensionType Values.
            Self::Extension => matches!(code, 0..=62 | 13172 | 17513 | 17613 | 30032 | 64768 | 65037 | 65281),
            Self::Group => group_names().get(code).is_some(),
            // IANA, TLS SignatureScheme and the pairs of hash and signature before it.
            Self::Signature => {
                let [hash, signature] = code.to_be_bytes();
                match hash {
                    0..=6 => signature <= 3,
                    7 => (4..=15).contains(&signature),
                    8 => matches!(signature, 4..=11 | 0x1a..=0x1c),
                    9 => matches!(signature, 4..=6 | 0x11..=0x1c),
                    _ => false,
                }
            }
            Self::PskMode => code <= 1,
        }
    }

    /// What it is, for messages.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Suite => "cipher suite",
            Self::Extension => "extension",
            Self::Group => "group",
            Self::Signature => "signature scheme",
            Self::PskMode => "mode of pre-shared keys",
        }
    }
}

/// Numbers, or words of a table, each once and in order. Values that clients make up are left out.
fn codes(
    reader: &mut Reader<'_>,
    lints: &mut Lints,
    at: &At<'_>,
    table: &[(&str, u16)],
    what: OfferKind,
) -> Vec<u16> {
    let mut codes: Vec<u16> = Vec::new();
    if matches!(&at.item.value, Node::List(items) if items.is_empty()) {
        return codes;
    }
    for (text, at) in reader.texts(at) {
        let word = bare(&text).to_ascii_lowercase().replace('_', "-");
        let known = table.iter().find(|(name, _)| *name == word).map(|(_, code)| *code);
        let hex = word.strip_prefix("0x").and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let Some(code) = known.or(hex).or_else(|| word.parse().ok()) else {
            let message = format!("expected the number of a {}, got `{}`", what.noun(), shown(&text, 40));
            reader.wrong(&at, message);
            continue;
        };
        if is_grease(code) {
            let message = format!("0x{code:04x} is GREASE, which clients send at random; left out");
            lints.add(&lints::TLS_GREASE, at.place(), message);
            continue;
        }
        if !what.is_known(code) {
            let message = format!("nothing is known of the {} 0x{code:04x}", what.noun());
            lints.add(&lints::TLS_UNKNOWN, at.place(), message);
        }
        codes.push(code);
    }
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// The container of an entry, in the names of the module.
pub(super) fn container(offers: &[TlsOffer]) -> Json {
    let profiles = offers.iter().enumerate().map(|(at, offer)| profile(offer, at)).collect();
    Json::map([("tls-dtls-profile", Json::List(profiles))])
}

fn profile(offer: &TlsOffer, at: usize) -> Json {
    let name = match offer.name.as_str() {
        "" => format!("profile-{}", at.saturating_add(1)),
        name => name.to_owned(),
    };
    let mut entries = vec![("name".to_owned(), Json::Text(name))];
    let mut add = |key: &str, values: Vec<Json>| {
        if !values.is_empty() {
            entries.push((key.to_owned(), Json::List(values)));
        }
    };
    for (key, table) in [("supported-tls-version", TLS_VERSIONS), ("supported-dtls-version", DTLS_VERSIONS)] {
        let words = table.iter().filter(|(_, code)| offer.versions.contains(code));
        add(key, words.map(|(word, _)| Json::text(*word)).collect());
    }
    for (key, codes) in [
        ("cipher-suite", &offer.suites),
        ("extension-type", &offer.extensions),
        ("supported-group", &offer.groups),
        ("signature-algorithm", &offer.signatures),
        ("signature-algorithm-cert", &offer.certificate_signatures),
        ("psk-key-exchange-mode", &offer.psk_modes),
    ] {
        add(key, codes.iter().map(Json::bare).collect());
    }
    add("application-protocol", offer.alpn.iter().map(Json::text).collect());
    entries.extend(offer.hidden.iter().cloned());
    Json::Map(entries)
}
