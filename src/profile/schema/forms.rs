//! How single values of a profile, an inventory and waivers are written.

use super::super::tls_policy;
use super::Form;

pub(super) static TEXT: Form = Form {
    name: "text",
    doc: "Text.",
    pattern: Some(r"\S"),
    also: &["number", "boolean"],
    range: None,
    examples: &[],
};

pub(super) static PROFILE_NAME: Form = Form {
    name: "hyphenated",
    doc: "A name in lower case with hyphens.",
    pattern: Some("^[a-z][a-z0-9-]{0,63}$"),
    also: &[],
    range: None,
    examples: &["my-device"],
};

pub(super) static KEY_NAME: Form = Form {
    name: "word",
    doc: "A name in lower case with underscores.",
    pattern: Some("^[a-z][a-z0-9_]*$"),
    also: &[],
    range: None,
    examples: &["https_port"],
};

pub(super) static ID: Form = Form {
    name: "id",
    doc: "An id of letters, digits, `-`, `_` and `.`.",
    pattern: Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    also: &["integer"],
    range: None,
    examples: &["FB-08"],
};

pub(super) static OPTION: Form = Form {
    name: "option",
    doc: "An option in lower case; `unbound` stands for none.",
    pattern: Some("^[a-z0-9._-]+$"),
    also: &["number"],
    range: None,
    examples: &["enhanced"],
};

pub(super) static DATE: Form = Form {
    name: "date",
    doc: "A date, as exactly as it is known.",
    pattern: Some("^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"),
    also: &["integer"],
    range: None,
    examples: &["2021-04", "2021-04-30"],
};

pub(super) static DURATION: Form = Form {
    name: "duration",
    doc: "A length of time with its unit: `ms`, `s`, `min`, `h`, `d`.",
    pattern: Some("^[0-9]+ *(ms|s|min|h|d)$"),
    also: &[],
    range: None,
    examples: &["15 s", "5 min"],
};

pub(super) static NAME: Form = Form {
    name: "name",
    doc: "A name; `*.example.com` is what is below it, `.example.com` the name and what is below.",
    pattern: Some(r"^((\*\.|\.)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+)\.?$"),
    also: &[],
    range: None,
    examples: &["my.example.com", "*.example.com"],
};

pub(super) static EXACT_NAME: Form = Form {
    name: "exact_name",
    doc: "A name without wildcard.",
    pattern: Some(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\.?$"),
    also: &[],
    range: None,
    examples: &["my.example.com"],
};

pub(super) static PEER: Form = Form {
    name: "peer",
    doc: "A name or wildcard, an address, a prefix, an address list, a group or parameter, or a word for many.",
    pattern: Some(
        r"^(anyone|local-network|\$[a-z][a-z0-9_]*|list:[a-z0-9][a-z0-9-]*|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?|[0-9.]+/[0-9]{1,2}|(\*\.|\.)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\.?)$",
    ),
    also: &[],
    range: None,
    examples: &[
        "anyone",
        "local-network",
        "my.example.com",
        "*.example.com",
        "192.0.2.0/24",
        "list:aws-us-east-1",
        "$broker",
    ],
};

pub(super) static POLICY: Form = Form {
    name: "policy",
    doc: "A TLS policy that ships, or a YAML file.",
    pattern: Some(r"\S"),
    also: &[],
    range: None,
    examples: tls_policy::NAMES,
};

pub(super) static PORT: Form = Form {
    name: "port",
    doc: "A port.",
    pattern: Some("^[0-9]{1,5}$"),
    also: &["integer"],
    range: Some((1, 65535)),
    examples: &["443"],
};

pub(super) static PORT_RANGES: Form = Form {
    name: "ports",
    doc: "A port, a range, several of them, a parameter, or `any`.",
    pattern: Some(
        r"^(any|\$[a-z][a-z0-9_]*|[0-9]{1,5}( *- *[0-9]{1,5})?( *, *[0-9]{1,5}( *- *[0-9]{1,5})?)*)$",
    ),
    also: &["integer"],
    range: Some((1, 65535)),
    examples: &["443", "8000-8010", "80,443", "$https_port", "any"],
};

pub(super) static IP_PROTOCOL: Form = Form {
    name: "ip_protocol",
    doc: "A protocol above IP: its number, or a word for it.",
    pattern: Some("^([0-9]{1,3}|icmp|igmp|gre|esp|ah|icmpv6|ospf|sctp)$"),
    also: &["integer"],
    range: Some((0, 255)),
    examples: &["47", "gre"],
};

pub(super) static CHAIN: Form = Form {
    name: "protocols",
    doc: "Protocols by content, outermost first, or a service by name.",
    pattern: Some(r"^(\$[a-z][a-z0-9_]*|[a-z0-9.-]+(/[a-z0-9.-]+)*)$"),
    also: &[],
    range: None,
    examples: &["tls/mqtt", "dns", "$mqtts"],
};

pub(super) static REFERENCE: Form = Form {
    name: "reference",
    doc: "What the profile names elsewhere.",
    pattern: Some(r"^\$[a-z][a-z0-9_]*$"),
    also: &[],
    range: None,
    examples: &["$strong"],
};

pub(super) static COMPARISON: Form = Form {
    name: "comparison",
    doc: "A comparison of a version parameter.",
    pattern: Some(r"^(.*[<>=].*|[a-z][a-z0-9_]* +unbound)$"),
    also: &[],
    range: None,
    examples: &["fbos > 13.0.1", "13.0 <= fbos < 14", "fbos unbound"],
};

pub(super) static CONDITION: Form = Form {
    name: "condition",
    doc: "An option, `true` or `false`, a version or its comparison, or `unbound`.",
    pattern: Some(r"\S"),
    also: &["number", "boolean"],
    range: None,
    examples: &["enhanced", "> 13.0.1", "unbound"],
};

pub(super) static COUNT: Form = Form {
    name: "count",
    doc: "A number from 1.",
    pattern: Some("^[0-9]+$"),
    also: &["integer"],
    range: Some((1, 65535)),
    examples: &["1"],
};

pub(super) static BITS: Form = Form {
    name: "bits",
    doc: "The size of a key in bits.",
    pattern: Some("^[0-9]+$"),
    also: &["integer"],
    range: Some((512, 65536)),
    examples: &["2048"],
};

pub(super) static TLS_VERSION: Form = Form {
    name: "tls_version",
    doc: "A TLS version.",
    pattern: Some("^([sS][sS][lL] *[vV]?3|([tT][lL][sS] *[vV]?)?1\\.[0-3])$"),
    also: &["number"],
    range: None,
    examples: &["tls1.2", "tls1.3"],
};

pub(super) static SUITE: Form = Form {
    name: "suite",
    doc: "A cipher suite by IANA name, OpenSSL name or code point.",
    pattern: Some("^(0[xX][0-9a-fA-F]{1,4}|[A-Z][A-Za-z0-9_-]+)$"),
    also: &["integer"],
    range: None,
    examples: &["TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "0xC027"],
};

pub(super) static OFFERED_VERSION: Form = Form {
    name: "offered_version",
    doc: "A version of TLS or DTLS, or its code point.",
    pattern: Some("^(0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5}|ssl3|tls1\\.[0-3]|dtls1\\.[23])$"),
    also: &["integer"],
    range: Some((0, 65535)),
    examples: &["tls1.2", "dtls1.2"],
};

pub(super) static CODE_POINT: Form = Form {
    name: "code_point",
    doc: "A code point as a number, decimal or hexadecimal.",
    pattern: Some("^(0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5})$"),
    also: &["integer"],
    range: Some((0, 65535)),
    examples: &["0x001d", "23"],
};

pub(super) static POLICY_NAME: Form = Form {
    name: "policy_name",
    doc: "A name in lower case with hyphens.",
    pattern: Some("^[a-z][a-z0-9.-]{0,63}$"),
    also: &[],
    range: None,
    examples: &["my-policy"],
};

pub(super) static CODE_NAME: Form = Form {
    name: "code_name",
    doc: "A name, or a code point in hexadecimal.",
    pattern: Some("^(0[xX][0-9a-fA-F]{1,4}|[A-Za-z][A-Za-z0-9_.-]*)$"),
    // What is written as 0xC027.
    also: &["integer"],
    range: Some((0, 65535)),
    examples: &["TLS_AES_128_GCM_SHA256", "x25519", "tls1.2", "0xC027"],
};

pub(super) static BELOW: Form = Form {
    name: "below",
    doc: "A number of bits or days.",
    pattern: Some("^[0-9]+$"),
    also: &["integer"],
    range: Some((0, u32::MAX)),
    examples: &["3072"],
};

pub(super) static GROUP: Form = Form {
    name: "group",
    doc: "A group of key exchange by name or code point.",
    pattern: Some("^(0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5}|[A-Za-z][A-Za-z0-9_.-]*)$"),
    also: &["integer"],
    range: Some((0, 65535)),
    examples: &["x25519", "secp256r1", "0x001D"],
};

pub(super) static OUI: Form = Form {
    name: "oui",
    doc: "The first three bytes of a MAC address.",
    pattern: Some("^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){2}$"),
    also: &[],
    range: None,
    examples: &["0c:2a:69"],
};

pub(super) static SHA256: Form = Form {
    name: "sha256",
    doc: "64 hexadecimal digits.",
    pattern: Some("^(:*[0-9A-Fa-f]:*){64}$"),
    also: &[],
    range: None,
    examples: &[],
};

pub(super) static SHORT: Form = Form {
    name: "short",
    doc: "A name of at most 64 letters.",
    pattern: Some(r"^\s*\S.{0,63}$"),
    also: &["number", "boolean"],
    range: None,
    examples: &["campus"],
};

pub(super) static MAC: Form = Form {
    name: "mac",
    doc: "The MAC address of a device.",
    pattern: Some("^[0-9A-Fa-f][02468ACEace]([:-][0-9A-Fa-f]{2}){5}$"),
    also: &[],
    range: None,
    examples: &["02:00:5e:10:00:01"],
};

pub(super) static ADDRESS: Form = Form {
    name: "address",
    doc: "An address.",
    pattern: Some(
        r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)$",
    ),
    also: &[],
    range: None,
    examples: &["192.0.2.7", "2001:db8::7"],
};

pub(super) static NETWORK: Form = Form {
    name: "network",
    doc: "A prefix, or an address.",
    pattern: Some(
        r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}(/[0-9]{1,2})?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?)$",
    ),
    also: &[],
    range: None,
    examples: &["192.0.2.0/24", "2001:db8::/32"],
};

pub(super) static VLAN: Form = Form {
    name: "vlan",
    doc: "A VLAN.",
    pattern: Some("^[0-9]{1,4}$"),
    also: &["integer"],
    range: Some((1, 4094)),
    examples: &["12"],
};

pub(super) static DAY: Form = Form {
    name: "day",
    doc: "A day.",
    pattern: Some("^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"),
    also: &[],
    range: None,
    examples: &["2026-12-31"],
};

pub(super) static CODE: Form = Form {
    name: "code",
    doc: "A code that can be waived.",
    pattern: Some("^[a-z][a-z0-9-]*$"),
    also: &[],
    range: None,
    examples: &["undeclared-destination"],
};

pub(super) static FINDING_ID: Form = Form {
    name: "finding_id",
    doc: "An id as in the column `finding_id`.",
    pattern: Some("^[0-9a-f]{16}$"),
    // Sixteen digits, or such as 1234567890123e45.
    also: &["number"],
    range: None,
    examples: &["48b695f2081c18c4"],
};

pub(super) static TRANSPORT: Form = Form {
    name: "transport",
    doc: "A transport as the table has it.",
    pattern: Some("^(tcp|udp|icmp|icmpv6|ip-[0-9]{1,3})$"),
    also: &[],
    range: None,
    examples: &["tcp", "ip-47"],
};

pub(super) static WAIVED_PORTS: Form = Form {
    name: "waived_ports",
    doc: "A port, a range, or several of them.",
    pattern: Some("^[0-9]{1,5}( *- *[0-9]{1,5})?( *, *[0-9]{1,5}( *- *[0-9]{1,5})?)*$"),
    also: &["integer"],
    range: Some((1, 65535)),
    examples: &["443", "8000-8010"],
};

pub(super) static WAIVED_PEER: Form = Form {
    name: "waived_peer",
    doc: "A name or wildcard, an address, or a prefix.",
    pattern: Some(
        r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}(/[0-9]{1,2})?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?|((\*\.|\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?))$",
    ),
    also: &[],
    range: None,
    examples: &["my.example.com", "*.example.com", "192.0.2.0/24", "printer"],
};
