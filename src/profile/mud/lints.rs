//! What is odd in a file, collected on the way; each once.

use super::Lint;
use crate::model::finding::Severity;
use crate::model::text::printable;
use crate::profile::yaml::Place;

/// A kind of oddity.
#[derive(Debug)]
pub struct Kind {
    /// Kebab-case, begins with `mud-`.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What to do about it, without a full stop.
    pub remedy: &'static str,
}

/// Collects lints; those about an entry know its number until claims have ids.
#[derive(Default)]
pub(super) struct Lints {
    found: Vec<(Option<usize>, Lint)>,
    /// The entry that is being read.
    pub(super) entry: Option<usize>,
}

impl Lints {
    pub(super) fn add(&mut self, kind: &Kind, place: Place, message: impl Into<String>) {
        self.about(kind, place.line, Vec::new(), message);
    }

    /// Something of an entry that narrows it, and that claims cannot say.
    pub(super) fn not_compared(&mut self, entry: &str, place: Place, what: &str) {
        let message = format!("the entry `{}`: {what}, which is not compared with traffic", shown(entry, 80));
        self.add(&NOT_COMPARED, place, message);
    }

    pub(super) fn about(&mut self, kind: &Kind, line: u64, claims: Vec<String>, message: impl Into<String>) {
        let lint = Lint {
            line,
            code: kind.code,
            severity: kind.severity,
            claims,
            message: shown(&message.into(), 400),
            remedy: kind.remedy.to_owned(),
        };
        self.found.push((self.entry, lint));
    }

    /// All of them by line, with the ids of the claims that their entries became.
    pub(super) fn finish(self, id_of: impl Fn(usize) -> Option<String>) -> Vec<Lint> {
        let with_claim = |(entry, mut lint): (Option<usize>, Lint)| {
            if lint.claims.is_empty() {
                lint.claims.extend(entry.and_then(&id_of));
            }
            lint
        };
        let mut lints: Vec<Lint> = self.found.into_iter().map(with_claim).collect();
        lints.sort();
        lints.dedup();
        lints
    }
}

/// Text of a file for people: without control characters, and not longer than this.
pub(super) fn shown(text: &str, most: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}\u{2026}", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

macro_rules! kinds {
    ($($name:ident = $code:literal, $severity:ident, $remedy:literal;)+) => {
        $(pub(super) const $name: Kind = Kind { code: $code, severity: Severity::$severity, remedy: $remedy };)+
        /// Every kind.
        pub const KINDS: &[&Kind] = &[$(&$name),+];
    };
}

kinds! {
    DIALECT = "mud-dialect", Info,
        "ask the vendor for a file after RFC 8520, or write one with `wireclaim profile export`";
    NO_LISTS = "mud-no-acl", Warning,
        "ask the vendor for the access lists: as it stands, everything but local DNS and NTP is denied";
    MISSING_LEAF = "mud-missing-leaf", Warning, "ask the vendor to state it";
    VALUE = "mud-value", Warning, "ask the vendor which value is meant";
    VERSION = "mud-version", Warning, "ask the vendor for a file of version 1, the only one that is defined";
    URL = "mud-url-form", Warning, "ask the vendor for a URL that begins with https:// (RFC 8520 section 6)";
    CACHE = "mud-cache-validity", Warning, "take a value from 1 to 168 hours (RFC 8520 section 3.5)";
    UNSIGNED = "mud-unsigned", Info,
        "get the file over https from the vendor and verify its signature, if there is one, with another program";
    UNSUPPORTED = "mud-not-supported", Info, "expect no more updates of device or file";
    UNKNOWN = "mud-unknown-node", Warning,
        "look whether it narrows what is allowed: it is kept, and not compared with traffic";
    EXTENSION = "mud-extension", Info, "nothing: what it adds is kept, and not compared with traffic";
    NOT_COMPARED = "mud-not-compared", Info, "nothing, or look at these connections with another tool";
    UNUSED = "mud-unused-acl", Warning,
        "name the list in `from-device-policy` or `to-device-policy`: until then nothing in it is declared";
    MISSING = "mud-missing-acl", Warning, "add the list, or take its name away";
    ONE_POLICY = "mud-one-policy", Warning,
        "add the other policy: as it stands, no answer is allowed, and connections are judged by who begins them";
    ONE_SIDED = "mud-one-direction", Info,
        "add the entry of the other direction, without which the answers are denied";
    PORTS_DIFFER = "mud-ports-differ", Warning,
        "make the two entries name the same port: each is taken as a claim of its own";
    FAMILY = "mud-address-family", Warning, "put the address into the field of its family";
    ADDRESS = "mud-address-form", Info, "write prefixes as in 192.0.2.0/24, and IPv6 addresses short (RFC 5952)";
    NAME_CASE = "mud-name-case", Info, "write names in lower case; case makes no difference to what is compared";
    NAME = "mud-name", Warning, "name a host by its whole domain name";
    EMPTY_LEAF = "mud-empty-leaf", Info, "write it as [null], which is how JSON says it (RFC 7951 section 6.9)";
    ETHERTYPE = "mud-ethertype", Warning, "take the entry away if it was learnt from traffic by mistake";
    ETHERNET = "mud-ethernet", Info, "nothing: connections are judged, frames without IP are not";
    BASELINE = "mud-baseline", Info, "nothing: this is infrastructure, which the profile lists in its `baseline`";
    PORT = "mud-ephemeral-port", Warning,
        "make sure that it is the port of a service, and not one that was chosen for a connection when the file was learnt";
    ANY_PORT = "mud-wide-ports", Warning, "ask the vendor for the ports of the services";
    OPERATOR = "mud-port-operator", Info, "leave `operator` out beside `lower-port` and `upper-port`";
    DIRECTION = "mud-direction", Warning,
        "put the port on the side of whoever is connected to, or turn `direction-initiated` around";
    ACTION = "mud-action", Warning, "write `\"actions\": {\"forwarding\": \"accept\"}`, or drop the entry: what no entry accepts is denied in any case";
    SHADOWED = "mud-shadowed", Warning,
        "put the entry before the other, or take it away: the first entry that matches a packet decides";
    OVERLAP = "mud-overlap", Info, "nothing: what no entry accepts is denied in any case";
    PROTOCOL = "mud-protocol", Warning, "make the number in `protocol` and the ports' protocol the same";
    OWN_SIDE = "mud-own-address", Warning,
        "name the peer: in the from-device policy it is the destination, in the other the source";
    REPEATED = "mud-repeated", Info, "take one of them away";
    TLS_SPELLING = "mud-tls-spelling", Info,
        "spell it as the YANG module does (RFC 9761 section 5.1; the example in the RFC does not)";
    TLS_GREASE = "mud-tls-grease", Warning, "take values that are sent at random out of the profile (RFC 9761 section 6)";
    TLS_UNKNOWN = "mud-tls-unknown", Warning,
        "make sure that the number is the one that is meant: it is compared, but nothing is known of it";
}
