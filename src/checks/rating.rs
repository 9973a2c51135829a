//! What the TLS policy says of a value, known to it or not.

use crate::profile::tls_policy::{Judgement, Tier, TlsPolicy};

/// A judged value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rating {
    /// Its usual name, else its number in hex.
    pub(super) name: String,
    /// Risk; an unknown value is discouraged.
    pub(super) tier: Tier,
    /// Citation; empty for an unknown value.
    pub(super) reference: String,
    /// Whether the policy knows it.
    pub(super) known: bool,
}

fn of(judgement: Option<&Judgement>, name: String) -> Rating {
    match judgement {
        Some(found) => Rating {
            name: if found.name.is_empty() { name } else { found.name.clone() },
            tier: found.tier,
            reference: found.reference.clone(),
            known: true,
        },
        None => Rating { name, tier: Tier::Discouraged, reference: String::new(), known: false },
    }
}

/// A cipher suite.
pub(super) fn suite(policy: &TlsPolicy, code: u16) -> Rating {
    match policy.suite(code) {
        Some(found) => Rating {
            name: found.name.to_owned(),
            tier: found.tier,
            reference: found.reference.to_owned(),
            known: true,
        },
        None => of(None, format!("0x{code:04x}")),
    }
}

/// A protocol version.
pub(super) fn version(policy: &TlsPolicy, version: u16) -> Rating {
    of(policy.version(version), format!("0x{version:04x}"))
}

/// A group of the key exchange.
pub(super) fn group(policy: &TlsPolicy, group: u16) -> Rating {
    of(policy.group(group), format!("group 0x{group:04x}"))
}

/// A finite-field group by the size of its prime.
pub(super) fn prime(policy: &TlsPolicy, bits: u32) -> Rating {
    of(policy.dh_bits(bits), format!("dh{bits}"))
}

/// A certificate's key; types without sizes to choose from are as strong as they are.
pub(super) fn key(policy: &TlsPolicy, kind: &str, bits: u32) -> Rating {
    let name = format!("{kind}{bits}");
    match kind {
        "rsa" | "rsa-pss" | "dsa" | "dh" => of(policy.rsa_bits(bits), name),
        "ec" => of(policy.ec_bits(bits), name),
        _ => Rating { name, tier: Tier::Ok, reference: String::new(), known: true },
    }
}

/// A certificate's signature algorithm.
pub(super) fn signature(policy: &TlsPolicy, algorithm: &str) -> Rating {
    of(policy.signature(algorithm), algorithm.to_owned())
}

/// The RFCs that a text of reasons cites, each once, in order: `RFC 10015, RFC 7366`.
pub(super) fn citations(reasons: &str) -> String {
    let mut cited: Vec<String> = Vec::new();
    for part in reasons.split("RFC ").skip(1) {
        let number: String = part.chars().take_while(char::is_ascii_digit).collect();
        let citation = format!("RFC {number}");
        if !number.is_empty() && !cited.contains(&citation) {
            cited.push(citation);
        }
    }
    cited.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_rfc_numbers_each_once() {
        assert_eq!(
            citations("no forward secrecy (RFC 10015); CBC (RFC 7366); RFC 7366"),
            "RFC 10015, RFC 7366"
        );
        assert_eq!(citations("NULL encryption"), "");
    }
}
