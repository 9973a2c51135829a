//! Every key of a TLS policy that a site writes.

use super::super::tls_policy::{FEATURES, NAMES, NORMATIVE, TIERS};
use super::forms::{BELOW, CODE_NAME, DATE, POLICY_NAME, TEXT};
use super::keys::{inherited, may, must};
use super::{Key, Mapping, Value, words};

pub(in crate::profile) static POLICY: Mapping = Mapping {
    name: "tls_policy",
    doc: "What is weak in TLS, and who says so.",
    one_of: &[],
    some: true,
    keys: &[
        must("version", "The version of this format.", Value::Word(|| vec![super::VERSION])),
        must("policy", "What the column `policy` calls it.", Value::One(&POLICY_NAME)),
        must("title", "What people call it.", Value::One(&TEXT)),
        may("source", "What it follows.", Value::One(&TEXT)),
        must("dated", "When it was last compared with its source.", Value::One(&DATE)),
        may(
            "extends",
            "A policy that ships: what is not said here is as there. Without it something must be said of everything.",
            Value::Word(|| NAMES.to_vec()),
        ),
        inherited(
            "versions",
            "Versions of TLS and DTLS; the first line that names one decides.",
            Value::List(&Value::Map(&CODE_RULE)),
        ),
        inherited(
            "suites",
            "Cipher suites; the first line that names one decides.",
            Value::List(&Value::Map(&SUITE_RULE)),
        ),
        inherited(
            "groups",
            "Groups of the key exchange; the first line that names one decides.",
            Value::List(&Value::Map(&CODE_RULE)),
        ),
        inherited("rsa_bits", "RSA keys of certificates.", Value::List(&Value::Map(&SIZE_RULE))),
        inherited(
            "ec_bits",
            "Keys of certificates on elliptic curves.",
            Value::List(&Value::Map(&SIZE_RULE)),
        ),
        inherited(
            "dh_bits",
            "Diffie-Hellman key exchange before TLS 1.3.",
            Value::List(&Value::Map(&SIZE_RULE)),
        ),
        may(
            "certificate_days",
            "How long certificates are valid, in days.",
            Value::List(&Value::Map(&SIZE_RULE)),
        ),
        inherited(
            "signatures",
            "Signatures of certificates; the first line that fits decides.",
            Value::List(&Value::Map(&SIGNATURE_RULE)),
        ),
        may(
            "features",
            "What is agreed on, sent or left out beside; the last line that names it decides.",
            Value::List(&Value::Map(&FEATURE_RULE)),
        ),
    ],
};

pub(in crate::profile) static CODE_RULE: Mapping = Mapping {
    name: "code_rule",
    doc: "How what has a number is judged; without `names`, all others.",
    one_of: &[],
    some: true,
    keys: &[
        may("names", "Which, by name or code point.", Value::Some(&CODE_NAME)),
        TIER,
        NORMATIVE_WORD,
        CITED,
    ],
};

pub(in crate::profile) static SUITE_RULE: Mapping = Mapping {
    name: "suite_rule",
    doc: "How cipher suites are judged; without `names` and `with`, all others.",
    one_of: &[],
    some: true,
    keys: &[
        may("names", "Which, by IANA name, OpenSSL name or code point.", Value::Some(&CODE_NAME)),
        may(
            "with",
            "Those with one of these parts, between underscores, in their IANA name.",
            Value::Some(&TEXT),
        ),
        TIER,
        NORMATIVE_WORD,
        CITED,
    ],
};

pub(in crate::profile) static SIZE_RULE: Mapping = Mapping {
    name: "size_rule",
    doc: "How what is smaller than a size is judged; the last line has no size.",
    one_of: &[],
    some: true,
    keys: &[
        may("below", "What is smaller than this; ascending from line to line.", Value::One(&BELOW)),
        TIER,
        NORMATIVE_WORD,
        CITED,
    ],
};

pub(in crate::profile) static SIGNATURE_RULE: Mapping = Mapping {
    name: "signature_rule",
    doc: "How signatures are judged, by their name without punctuation and case; `begins` or `contains` must be there.",
    one_of: &[],
    some: true,
    keys: &[
        may("begins", "What the name begins with.", Value::Some(&TEXT)),
        may("contains", "What the name has in it.", Value::Some(&TEXT)),
        TIER,
        NORMATIVE_WORD,
        CITED,
    ],
};

pub(in crate::profile) static FEATURE_RULE: Mapping = Mapping {
    name: "feature_rule",
    doc: "How features are judged.",
    one_of: &[],
    some: true,
    keys: &[must("names", "Which.", Value::Words(|| words(FEATURES).collect())), TIER, NORMATIVE_WORD, CITED],
};

const TIER: Key = must("tier", "The practical risk.", Value::Word(|| words(TIERS).collect()));
const NORMATIVE_WORD: Key = must(
    "normative",
    "The strongest word that the source has for it: D is IANA's discouraged, N its not recommended, - none.",
    Value::Word(|| words(NORMATIVE).collect()),
);
const CITED: Key = must("reference", "Where the source says so.", Value::One(&TEXT));
