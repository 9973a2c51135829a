//! Every key of a profile: its meaning, and what its value may be.

use super::super::mud::EMPTY_LEAVES;
use super::forms::{
    BITS, CHAIN, CODE_POINT, COMPARISON, CONDITION, COUNT, DATE, DURATION, EXACT_NAME, GROUP, ID,
    IP_PROTOCOL, KEY_NAME, NAME, OFFERED_VERSION, OPTION, OUI, PEER, POLICY, PORT, PORT_RANGES, PROFILE_NAME,
    REFERENCE, SHA256, SUITE, TEXT, TLS_VERSION,
};
use super::{BASELINE, KINDS, Key, LEVELS, Mapping, Need, SEVERITIES, Value, words};

/// Ways and special rules: exactly one says what a rule is about.
const ABOUT: &[&str] =
    &["out", "in", "local", "either", "proxy", "same_addresses", "canonical_name", "addresses_within"];

pub(in crate::profile) static PROFILE: Mapping = Mapping {
    name: "profile",
    doc: "What a device, or another subject, is declared to do on the network.",
    one_of: &[],
    some: true,
    keys: &[
        must("version", "The version of this format.", Value::Word(|| vec![super::VERSION])),
        must("profile", "A short name in lower case with hyphens.", Value::One(&PROFILE_NAME)),
        inherited("title", "What people call the device.", Value::One(&TEXT)),
        may(
            "document",
            "The document that the quotes are from; its claims need their sentence.",
            Value::Map(&DOCUMENT),
        ),
        may(
            "extends",
            "A profile whose claims and names this one takes over: a built-in name, or a file relative to this one.",
            Value::One(&TEXT),
        ),
        may(
            "without",
            "Ids of claims and statements of the extended profile that are left out.",
            Value::Some(&ID),
        ),
        may(
            "identify",
            "How the device is recognised in a capture; any one of these is enough.",
            Value::Map(&IDENTIFY),
        ),
        may(
            "subjects",
            "Who claims bind beside the device, such as `browser`.",
            Value::Named(&KEY_NAME, &Value::Map(&SUBJECT)),
        ),
        may(
            "variants",
            "Choices that a site or a firmware version makes, each with its options.",
            Value::Named(&KEY_NAME, &Value::Map(&VARIANT)),
        ),
        may(
            "parameters",
            "Values that the site sets (`--set NAME=VALUE`).",
            Value::Named(&KEY_NAME, &Value::Map(&PARAMETER)),
        ),
        may(
            "groups",
            "Peers by name: `$NAME` stands for all of them.",
            Value::Named(&KEY_NAME, &Value::Some(&PEER)),
        ),
        may(
            "services",
            "Services by name: transport, ports and protocols, or a list of such, of which any will do.",
            Value::Named(
                &KEY_NAME,
                &Value::Either(&[
                    Value::Map(&SERVICE),
                    Value::List(&Value::Either(&[Value::One(&REFERENCE), Value::Map(&SERVICE)])),
                ]),
            ),
        ),
        may(
            "tls_blocks",
            "What is declared of TLS, by name: `tls: $NAME` stands for it.",
            Value::Named(&KEY_NAME, &Value::Map(&TLS)),
        ),
        may(
            "lists",
            "Address lists from files: `list:NAME` stands for one.",
            Value::Named(&PROFILE_NAME, &Value::Map(&LIST)),
        ),
        may(
            "baseline",
            "Infrastructure traffic that needs no claim.",
            Value::Words(|| words(BASELINE).collect()),
        ),
        may(
            "tls_policy",
            "The TLS policy that judges what no claim declares: one that ships, or a file relative to this one.",
            Value::One(&POLICY),
        ),
        inherited("claims", "What is declared and packets can show.", Value::List(&Value::Map(&CLAIM))),
        may(
            "not_checkable",
            "What is declared and packets cannot show, with the reason.",
            Value::List(&Value::Map(&STATEMENT)),
        ),
        may(
            "contradictions",
            "Statements of the document that cannot all be meant as written.",
            Value::List(&Value::Map(&CONTRADICTION)),
        ),
    ],
};

pub(in crate::profile) static DOCUMENT: Mapping = Mapping {
    name: "document",
    doc: "The document that the quotes are from.",
    one_of: &[],
    some: true,
    keys: &[
        must("title", "Its title.", Value::One(&TEXT)),
        may("url", "Where it can be read.", Value::One(&TEXT)),
        may("reviewed", "The date of the document or of its last review.", Value::One(&DATE)),
    ],
};

pub(in crate::profile) static IDENTIFY: Mapping = Mapping {
    name: "identify",
    doc: "How one is recognised in a capture; any one of these is enough.",
    one_of: &[],
    some: false,
    keys: &[
        may("dhcp_host_names", "Host names in DHCP; `*` matches any run of characters.", Value::Some(&TEXT)),
        may(
            "dhcp_vendor_classes",
            "Vendor classes in DHCP; `*` matches any run of characters.",
            Value::Some(&TEXT),
        ),
        may("mud_urls", "MUD URLs in DHCP or LLDP; `*` matches any run of characters.", Value::Some(&TEXT)),
        may("ouis", "First three bytes of the MAC address.", Value::Some(&OUI)),
        may("names", "Names that only such a device looks up or connects to.", Value::Some(&NAME)),
        may("ports", "Ports to which only such a device connects.", Value::Some(&PORT)),
    ],
};

pub(in crate::profile) static SUBJECT: Mapping = Mapping {
    name: "subject",
    doc: "Somebody other than the device whom claims bind.",
    one_of: &[],
    some: true,
    keys: &[
        may("help", "Who that is.", Value::One(&TEXT)),
        may("identify", "How one is recognised; without it, `--device` names them.", Value::Map(&IDENTIFY)),
    ],
};

pub(in crate::profile) static VARIANT: Mapping = Mapping {
    name: "variant",
    doc: "A choice (`--variant OPTION`).",
    one_of: &[],
    some: true,
    keys: &[
        may("help", "What the choice is about.", Value::One(&TEXT)),
        must("options", "Its options; their names are unique in the profile.", Value::Some(&OPTION)),
        may("default", "The option that is taken when none is chosen.", Value::One(&OPTION)),
    ],
};

pub(in crate::profile) static PARAMETER: Mapping = Mapping {
    name: "parameter",
    doc: "A value that the site sets (`--set NAME=VALUE`).",
    one_of: &[],
    some: true,
    keys: &[
        must("kind", "What it may hold.", Value::Word(|| words(KINDS).collect())),
        must("help", "What to set it to.", Value::One(&TEXT)),
        may("default", "Its value when nobody sets it.", Value::One(&TEXT)),
        may(
            "mud",
            "The group of peers that it is in a MUD file (RFC 8520).",
            Value::Either(&[Value::Word(|| EMPTY_LEAVES.to_vec()), Value::Map(&MUD_CLASS)]),
        ),
    ],
};

pub(in crate::profile) static MUD_CLASS: Mapping = Mapping {
    name: "mud_class",
    doc: "A group of peers of a MUD file that has a value.",
    one_of: &["controller", "manufacturer", "model"],
    some: true,
    keys: &[
        may("controller", "The URI of a class of controllers.", Value::One(&TEXT)),
        may("manufacturer", "The host name in the MUD URLs of the peers.", Value::One(&TEXT)),
        may("model", "The MUD URL of the peers.", Value::One(&TEXT)),
    ],
};

pub(in crate::profile) static LIST: Mapping = Mapping {
    name: "list",
    doc: "An address list: prefixes with the date of their snapshot.",
    one_of: &[],
    some: true,
    keys: &[
        must(
            "file",
            "One prefix or address per line, or the `ip-ranges.json` of AWS; relative to this profile.",
            Value::One(&TEXT),
        ),
        may(
            "service",
            "Of `ip-ranges.json`, only prefixes of these services, such as `EC2`.",
            Value::Some(&TEXT),
        ),
        may(
            "region",
            "Of `ip-ranges.json`, only prefixes of these regions, such as `us-east-1`.",
            Value::Some(&TEXT),
        ),
        may("dated", "The date of the snapshot, where the file does not tell it.", Value::One(&DATE)),
    ],
};

pub(in crate::profile) static SERVICE: Mapping = Mapping {
    name: "service",
    doc: "A service: transport, ports and protocols.",
    one_of: &[],
    some: true,
    keys: &[
        may("tcp", "TCP ports of the responder.", PORT_SET),
        may("udp", "UDP ports of the responder.", PORT_SET),
        may("icmp", "ICMP and ICMPv6.", Value::Flag),
        may(
            "ip",
            "Other protocols above IP, by number or word; they have no ports.",
            Value::Some(&IP_PROTOCOL),
        ),
        may("service", "Protocols by content, outermost first; any of these.", Value::Some(&CHAIN)),
    ],
};

pub(in crate::profile) static CLAIM: Mapping = Mapping {
    name: "claim",
    doc: "One statement that packets can contradict or bear out.",
    one_of: LEVELS,
    some: true,
    keys: &[
        must("id", "What the table calls it.", Value::One(&ID)),
        must("title", "What it says, short, in your words.", Value::One(&TEXT)),
        may("replace", "It takes the place of the extended profile's claim of this id.", Value::Flag),
        may("subject", "Whom it binds: `device`, one of `subjects`, or `anyone`.", Value::One(&KEY_NAME)),
        may("required", "Must be possible, and must be seen when the device is active.", Value::Map(&RULE)),
        may("allowed", "May be done.", Value::Map(&RULE)),
        may("forbidden", "Must not be done.", Value::Map(&RULE)),
        may("informational", "Worth comparing; never more than for information.", Value::Map(&RULE)),
        may(
            "when",
            "When it applies: options of variant groups, flags, comparisons of versions; all must hold.",
            Value::Either(&[Value::One(&COMPARISON), Value::Named(&KEY_NAME, &Value::Some(&CONDITION))]),
        ),
        may(
            "tls",
            "What must hold of TLS on its flows; `$NAME` stands for one of `tls_blocks`.",
            Value::Either(&[Value::One(&REFERENCE), Value::Map(&TLS)]),
        ),
        may("lifetime", "How long its flows live.", Value::Map(&LIFETIME)),
        may(
            "keep_alive_max",
            "The longest keep alive that the device may announce (MQTT).",
            Value::One(&DURATION),
        ),
        may("websocket", "WebSocket upgrades on its flows must succeed.", Value::Flag),
        may("encrypted", "Cleartext content on its flows is a violation.", Value::Flag),
        may(
            "severity",
            "The severity of what this claim decides, instead of the usual one.",
            Value::Word(|| words(SEVERITIES).collect()),
        ),
        may("quote", "The sentence of the document, verbatim.", Value::One(&TEXT)),
        may("silent", "The document says nothing of this.", Value::Flag),
        may("source", "Where in the document the sentence stands.", Value::One(&TEXT)),
        may("reviewed", "The date of this sentence, where it is not the document's.", Value::One(&DATE)),
    ],
};

pub(in crate::profile) static RULE: Mapping = Mapping {
    name: "rule",
    doc: "Which flows a claim is about, or what else.",
    one_of: ABOUT,
    some: true,
    keys: &[
        may("out", "Flows that the device opens, to these peers.", Value::Some(&PEER)),
        may("in", "Flows that these peers open to the device.", Value::Some(&PEER)),
        may("local", "Flows between the device and these peers on its own networks.", Value::Some(&PEER)),
        may("either", "Flows between the device and these peers, whoever opens them.", Value::Some(&PEER)),
        may("tcp", "TCP ports of the responder.", PORT_SET),
        may("udp", "UDP ports of the responder.", PORT_SET),
        may("icmp", "ICMP and ICMPv6.", Value::Flag),
        may(
            "ip",
            "Other protocols above IP, by number or word; they have no ports.",
            Value::Some(&IP_PROTOCOL),
        ),
        may(
            "service",
            "Protocols by content, outermost first, any of these; or `$NAME`, of `services`.",
            Value::Some(&CHAIN),
        ),
        may("at_least", "How many of the peers must work (`required` only).", Value::One(&COUNT)),
        may("blocked", "The network lets none of these through: an answer is the violation.", Value::Flag),
        may("proxy", "Connections through a proxy (HTTP CONNECT, SOCKS).", Value::Flag),
        may("same_addresses", "DNS answers for these names share an address.", Value::Some(&EXACT_NAME)),
        may("canonical_name", "The CNAME chain of a name ends below another.", Value::Map(&CANONICAL_NAME)),
        may(
            "addresses_within",
            "Peers by these names have addresses of a list.",
            Value::Map(&ADDRESSES_WITHIN),
        ),
    ],
};

pub(in crate::profile) static CANONICAL_NAME: Mapping = Mapping {
    name: "canonical_name",
    doc: "The CNAME chain of a name ends below another.",
    one_of: &[],
    some: true,
    keys: &[
        must("name", "The name that is asked for.", Value::One(&EXACT_NAME)),
        must("under", "What its canonical name ends with.", Value::One(&NAME)),
    ],
};

pub(in crate::profile) static ADDRESSES_WITHIN: Mapping = Mapping {
    name: "addresses_within",
    doc: "Peers by these names have addresses of a list.",
    one_of: &[],
    some: true,
    keys: &[
        must("names", "Which peers.", Value::Some(&NAME)),
        must("networks", "An address list (`list:NAME`), or a parameter of kind `peers`.", Value::One(&PEER)),
    ],
};

pub(in crate::profile) static TLS: Mapping = Mapping {
    name: "tls",
    doc: "What is declared of TLS.",
    one_of: &[],
    some: false,
    keys: &[
        may(
            "policy",
            "A TLS policy other than the profile's: one that ships, or a file relative to it.",
            Value::One(&POLICY),
        ),
        may("min_version", "The least version.", Value::One(&TLS_VERSION)),
        may("max_version", "The greatest version.", Value::One(&TLS_VERSION)),
        may(
            "suites",
            "Cipher suites by IANA name, OpenSSL name or code point; any of these.",
            Value::Some(&SUITE),
        ),
        may("min_rsa_bits", "The least size of RSA keys in certificates.", Value::One(&BITS)),
        may("signatures", "Signature algorithms of certificates; any of these.", Value::Some(&TEXT)),
        may("mutual", "The client proves itself with a certificate, too.", Value::Flag),
        may(
            "issuers",
            "What the name of the certificate's issuer contains; any of these.",
            Value::Some(&TEXT),
        ),
        may(
            "pins",
            "SHA-256 of the server's public key (SubjectPublicKeyInfo); any of these.",
            Value::Some(&SHA256),
        ),
        may("alpn", "Application protocols of which one is offered.", Value::Some(&TEXT)),
        may(
            "offers",
            "What the client offers in its ClientHello, any one of these (RFC 9761).",
            Value::List(&Value::Map(&OFFER)),
        ),
    ],
};

pub(in crate::profile) static OFFER: Mapping = Mapping {
    name: "offer",
    doc: "All that a client offers in its ClientHello; of what is not listed nothing is said.",
    one_of: &[],
    some: true,
    keys: &[
        may("name", "What the document calls it.", Value::One(&TEXT)),
        may("versions", "Versions of TLS and DTLS.", Value::Some(&OFFERED_VERSION)),
        may("suites", "Cipher suites by IANA name, OpenSSL name or code point.", Value::Some(&SUITE)),
        may("extensions", "Types of extensions.", Value::Some(&CODE_POINT)),
        may("groups", "Groups of the key exchange by name or code point.", Value::Some(&GROUP)),
        may("signatures", "Signature schemes.", Value::Some(&CODE_POINT)),
        may(
            "certificate_signatures",
            "Signature schemes of certificates, where said apart.",
            Value::Some(&CODE_POINT),
        ),
        may(
            "psk_modes",
            "Modes of pre-shared keys: 0 without a key exchange beside them, 1 with one.",
            Value::Some(&CODE_POINT),
        ),
        may("alpn", "Application protocols.", Value::Some(&TEXT)),
    ],
};

pub(in crate::profile) static LIFETIME: Mapping = Mapping {
    name: "lifetime",
    doc: "How long flows live.",
    one_of: &[],
    some: true,
    keys: &[
        may("long_running", "Kept open without limit: only an endpoint may close them.", Value::Flag),
        may("min", "The least life.", Value::One(&DURATION)),
        may("max", "The greatest life.", Value::One(&DURATION)),
        may(
            "max_idle_tail",
            "The longest time between the last payload and the close.",
            Value::One(&DURATION),
        ),
    ],
};

pub(in crate::profile) static PORTS: Mapping = Mapping {
    name: "ports_but",
    doc: "Ports by what they are not, or in order of preference.",
    one_of: &["except", "prefer"],
    some: true,
    keys: &[
        may("except", "Any port but these.", Value::Some(&PORT_RANGES)),
        may("prefer", "In order of preference: each is the fallback of the one before.", Value::Some(&PORT)),
    ],
};

pub(in crate::profile) static STATEMENT: Mapping = Mapping {
    name: "statement",
    doc: "A statement that no packet shows.",
    one_of: &[],
    some: true,
    keys: &[
        must("id", "What the table calls it.", Value::One(&ID)),
        must("title", "What it says, short, in your words.", Value::One(&TEXT)),
        must("reason", "Why packets cannot show it.", Value::One(&TEXT)),
        may("replace", "It takes the place of the extended profile's statement of this id.", Value::Flag),
        may("quote", "The sentence of the document, verbatim.", Value::One(&TEXT)),
        may("silent", "The document says nothing of this.", Value::Flag),
        may("source", "Where in the document the sentence stands.", Value::One(&TEXT)),
        may("reviewed", "The date of this sentence, where it is not the document's.", Value::One(&DATE)),
    ],
};

pub(in crate::profile) static CONTRADICTION: Mapping = Mapping {
    name: "contradiction",
    doc: "Statements that cannot all be meant as written.",
    one_of: &[],
    some: true,
    keys: &[
        must("claims", "Their ids.", Value::Some(&ID)),
        must("note", "What contradicts what, and how the profile reads it.", Value::One(&TEXT)),
    ],
};

const PORT_SET: Value = Value::Either(&[Value::Some(&PORT_RANGES), Value::Map(&PORTS)]);

const fn key(name: &'static str, doc: &'static str, need: Need, value: Value) -> Key {
    Key { name, doc, need, value }
}

pub(super) const fn may(name: &'static str, doc: &'static str, value: Value) -> Key {
    key(name, doc, Need::May, value)
}

pub(super) const fn must(name: &'static str, doc: &'static str, value: Value) -> Key {
    key(name, doc, Need::Must, value)
}

/// What an extended profile gives.
pub(super) const fn inherited(name: &'static str, doc: &'static str, value: Value) -> Key {
    key(name, doc, Need::MustUnless("extends"), value)
}
