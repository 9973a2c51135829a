//! Declared is not good: one row against the declaration, so that not every connection needs one.

use super::super::tls_policy::{self, PolicyRef, Tier};
use super::super::{Profile, TlsRule};
use super::{Code, Declared, Family, Lint, Severity, Subject};

pub(super) static FAMILY: Family = Family { codes: &[&WEAK, &UNKNOWN], find };

static WEAK: Code = Code {
    id: "weak-tls-declared",
    title: "A claim declares or admits what its TLS policy calls weak",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/weak-tls-declared.md"),
};

static UNKNOWN: Code = Code {
    id: "unknown-signature",
    title: "The TLS policy does not know a declared signature algorithm",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/unknown-signature.md"),
};

/// The name of the policy that judges what no claim declares, and when it was last compared with its sources.
pub(super) fn policy_dated(profile: &Profile) -> Option<(&str, String)> {
    let policy = PolicyRef::open(&profile.tls_policy).ok()?;
    Some((&profile.tls_policy, policy.dated().to_owned()))
}

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    for claim in &subject.flows {
        if let Some(tls) = &claim.rule.tls {
            weak(subject, claim, tls, lints);
        }
    }
}

fn weak(subject: &Subject<'_>, claim: &Declared<'_>, tls: &TlsRule, lints: &mut Vec<Lint>) {
    let name = tls.policy.as_ref().unwrap_or(&subject.profile.tls_policy);
    let Ok(policy) = PolicyRef::open(name) else { return };
    let mut tell = |verb: &str, what: String, tier: Tier, reference: &str| {
        let severity = match tier {
            Tier::Ok => return,
            Tier::Discouraged => Severity::Warning,
            Tier::Weak | Tier::Broken => Severity::Error,
        };
        // A least size of keys only admits what is weak: each certificate is still judged.
        let severity = if verb == ADMITS { severity.lower() } else { severity };
        let message = format!("{verb} {what}, which the TLS policy `{name}` calls {tier}: {reference}");
        let remedy = match verb {
            ADMITS => "raise the bound to what the policy accepts, if the device keeps it",
            _ => "declare a stronger one, or ask the vendor to support one",
        };
        lints.push(subject.about(&WEAK, claim.claim, "tls", message, remedy).with_severity(severity));
    };
    for suite in tls.suites.iter().filter_map(|code| tls_policy::suite(*code)) {
        if let Some(judgement) = policy.suite(suite.code) {
            tell(DECLARES, format!("the cipher suite {}", suite.name), judgement.tier, &judgement.reference);
        }
    }
    if let Some((what, judgement)) =
        versions(tls).and_then(|(what, least)| Some((what, policy.version(least)?)))
    {
        tell(DECLARES, what, judgement.tier, &judgement.reference);
    }
    if let Some((bits, judgement)) = tls.min_rsa_bits.and_then(|bits| Some((bits, policy.rsa_bits(bits)?))) {
        tell(ADMITS, format!("RSA keys of {bits} bits"), judgement.tier, &judgement.reference);
    }
    for signature in &tls.signatures {
        if let Some(judgement) = policy.signature(signature) {
            tell(DECLARES, format!("the signature {signature}"), judgement.tier, &judgement.reference);
        }
    }
    for signature in tls.signatures.iter().filter(|signature| policy.signature(signature).is_none()) {
        let message = format!("the TLS policy `{name}` does not know the signature algorithm {signature}");
        let remedy = "write it as certificates do, such as sha256WithRSAEncryption";
        lints.push(subject.about(&UNKNOWN, claim.claim, "tls", message, remedy));
    }
}

/// The declared versions in words, and the lowest of them; of an upper bound alone, that one.
fn versions(tls: &TlsRule) -> Option<(String, u16)> {
    let name = |version: u16| tls_policy::version_names().get(version).map(|known| known.name);
    Some(match (tls.min_version, tls.max_version) {
        (Some(min), Some(max)) if min == max => (format!("the version {}", name(min)?), min),
        (Some(min), Some(max)) => (format!("versions from {} to {}", name(min)?, name(max)?), min),
        (Some(min), None) => (format!("versions from {}", name(min)?), min),
        (None, Some(max)) => (format!("no version above {}", name(max)?), max),
        (None, None) => return None,
    })
}

const DECLARES: &str = "declares";
const ADMITS: &str = "admits";
