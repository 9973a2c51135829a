//! What the TLS policy says of a value, known to it or not.

use crate::model::Finding;
use crate::profile::tls_policy::{
    Feature, Judgement, Normative, Registry, Tier, TlsPolicy, group_names, suite_names, version_names,
};

/// A judged value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rating {
    /// Its usual name, else its number in hex.
    pub(super) name: String,
    /// Risk; an unknown value is discouraged.
    pub(super) tier: Tier,
    /// Citation, with reasons; empty for an unknown value.
    pub(super) reference: String,
    /// Whether the policy knows it.
    pub(super) known: bool,
    normative: Normative,
    policy: String,
}

impl Rating {
    /// Says in a finding that the policy decided it, and with which citation.
    pub(super) fn decides(&self, finding: &mut Finding) {
        finding.policy.clone_from(&self.policy);
        finding.normative = self.normative.word();
        finding.reference = citation(&self.reference);
    }
}

fn of(policy: &TlsPolicy, judgement: Option<&Judgement>, name: String) -> Rating {
    Rating {
        name,
        tier: judgement.map_or(Tier::Discouraged, |found| found.tier),
        reference: judgement.map(|found| found.reference.clone()).unwrap_or_default(),
        known: judgement.is_some(),
        normative: judgement.map_or(Normative::None, |found| found.normative),
        policy: policy.name.clone(),
    }
}

/// What has a number: its usual name, else the number.
fn numbered(
    policy: &TlsPolicy,
    judgement: Option<&Judgement>,
    registry: &Registry,
    code: u16,
    prefix: &str,
) -> Rating {
    let known = registry.get(code).map(|entry| entry.name.to_owned());
    of(policy, judgement, known.unwrap_or_else(|| format!("{prefix}0x{code:04x}")))
}

/// A cipher suite.
pub(super) fn suite(policy: &TlsPolicy, code: u16) -> Rating {
    numbered(policy, policy.suite(code), suite_names(), code, "")
}

/// A protocol version.
pub(super) fn version(policy: &TlsPolicy, version: u16) -> Rating {
    numbered(policy, policy.version(version), version_names(), version, "")
}

/// A group of the key exchange.
pub(super) fn group(policy: &TlsPolicy, group: u16) -> Rating {
    numbered(policy, policy.group(group), group_names(), group, "group ")
}

/// A finite-field group by the size of its prime.
pub(super) fn prime(policy: &TlsPolicy, bits: u32) -> Rating {
    of(policy, policy.dh_bits(bits), format!("dh{bits}"))
}

/// A certificate's key; types without sizes to choose from are as strong as they are.
pub(super) fn key(policy: &TlsPolicy, kind: &str, bits: u32) -> Rating {
    let name = format!("{kind}{bits}");
    match kind {
        "rsa" | "rsa-pss" | "dsa" | "dh" => of(policy, policy.rsa_bits(bits), name),
        "ec" => of(policy, policy.ec_bits(bits), name),
        _ => Rating { tier: Tier::Ok, known: true, ..of(policy, None, name) },
    }
}

/// A certificate's signature algorithm.
pub(super) fn signature(policy: &TlsPolicy, algorithm: &str) -> Rating {
    of(policy, policy.signature(algorithm), algorithm.to_owned())
}

/// A certificate by the days for which it is valid, where the policy says something of that.
pub(super) fn days(policy: &TlsPolicy, days: u32) -> Option<Rating> {
    policy.certificate_days(days).map(|judgement| of(policy, Some(judgement), format!("{days} d")))
}

/// A feature, where the policy says something of it.
pub(super) fn feature(policy: &TlsPolicy, feature: Feature) -> Option<Rating> {
    policy.feature(feature).map(|judgement| of(policy, Some(judgement), feature.to_string()))
}

/// A citation as it is; of reasons with citations among them, the RFCs, each once, in order: `RFC 10015, RFC 7366`.
fn citation(reference: &str) -> String {
    if !reference.contains("; ") && !reference.contains("(RFC") {
        return reference.to_owned();
    }
    let mut cited: Vec<String> = Vec::new();
    for part in reference.split("RFC ").skip(1) {
        let number: String = part.chars().take_while(char::is_ascii_digit).collect();
        let rfc = format!("RFC {number}");
        if !number.is_empty() && !cited.contains(&rfc) {
            cited.push(rfc);
        }
    }
    cited.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_rfc_numbers_each_once_or_as_they_stand() {
        for (reference, expected) in [
            ("no forward secrecy (RFC 10015); CBC (RFC 7366); RFC 7366", "RFC 10015, RFC 7366"),
            ("RFC 9325 section 4.5", "RFC 9325 section 4.5"),
            ("SP 800-52r2 section 3.3.1 (not listed)", "SP 800-52r2 section 3.3.1 (not listed)"),
            ("NULL encryption; HMAC-SHA1", ""),
            ("", ""),
        ] {
            assert_eq!(citation(reference), expected);
        }
    }
}
