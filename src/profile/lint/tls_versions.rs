//! Versions of TLS that leave nothing to use: for a cipher suite, or for a connection that two claims are about.

use super::super::{TlsRule, tls_policy};
use super::compare::overlap;
use super::{Code, Declared, Family, Lint, Severity, Subject, listed};

pub(super) static FAMILY: Family = Family { codes: &[&UNUSABLE, &DISAGREE], find };

static UNUSABLE: Code = Code {
    id: "unusable-suite",
    title: "A claim declares a cipher suite that none of its TLS versions has",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/unusable-suite.md"),
};

static DISAGREE: Code = Code {
    id: "versions-disagree",
    title: "Two claims about the same connections leave no TLS version that both accept",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/versions-disagree.md"),
};

const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    for claim in &subject.flows {
        if let Some(tls) = &claim.rule.tls {
            unusable(subject, claim, tls, lints);
        }
    }
    for claim in subject.compared().iter().filter(|claim| claim.opens()) {
        disagree(subject, claim, lints);
    }
}

fn name(version: u16) -> &'static str {
    tls_policy::version_names().get(version).map_or("", |known| known.name)
}

fn unusable(subject: &Subject<'_>, claim: &Declared<'_>, tls: &TlsRule, lints: &mut Vec<Lint>) {
    let suites: Vec<&tls_policy::Entry> =
        tls.suites.iter().filter_map(|code| tls_policy::suite(*code)).collect();
    let too_old = |suite: &tls_policy::Entry| tls.max_version.is_some_and(|max| max < of_suite(suite).0);
    let too_new = |suite: &tls_policy::Entry| tls.min_version.is_some_and(|min| min > of_suite(suite).1);
    let left = suites.iter().filter(|suite| !too_old(suite) && !too_new(suite)).count();
    let severity =
        if left == 0 && suites.len() == tls.suites.len() { Severity::Error } else { Severity::Warning };
    let mut tell = |bound: String, limit: String, wanted: &dyn Fn(&tls_policy::Entry) -> bool| {
        let which: Vec<&str> = suites.iter().filter(|suite| wanted(suite)).map(|suite| suite.name).collect();
        if which.is_empty() {
            return;
        }
        let message = format!("declares {bound}, and {}, which no version {limit} has", listed(&which));
        let remedy = "take the suite away, or declare a version that has it";
        lints.push(subject.about(&UNUSABLE, claim.claim, "tls", message, remedy).with_severity(severity));
    };
    if let Some(max) = tls.max_version {
        for least in [TLS_1_2, TLS_1_3] {
            tell(format!("no version above {}", name(max)), format!("below {}", name(least)), &|suite| {
                too_old(suite) && of_suite(suite).0 == least
            });
        }
    }
    if let Some(min) = tls.min_version {
        tell(format!("versions from {}", name(min)), format!("above {}", name(TLS_1_2)), &too_new);
    }
}

/// The least and the greatest version that has a cipher suite (RFC 8446 section 4.1.2; RFC 5246 section 6.2.3.3 and appendix
/// A.5; RFC 5289). Suites with pre-shared keys and CBC have a way to use them in older versions (RFC 5487, RFC 5489).
fn of_suite(suite: &tls_policy::Entry) -> (u16, u16) {
    let has = |parts: &[&str]| parts.iter().any(|part| suite.has_part(part));
    if !suite.has_part("WITH") {
        // Those of GM/T 0024 belong to a protocol of their own.
        return if suite.code < 0xe000 { (TLS_1_3, TLS_1_3) } else { (0, TLS_1_3) };
    }
    let aead = has(&["GCM", "CCM", "POLY1305"]);
    let hash = has(&["SHA256", "SHA384"]) && !has(&["PSK"]);
    (if aead || hash { TLS_1_2 } else { 0 }, TLS_1_2)
}

fn disagree(subject: &Subject<'_>, claim: &Declared<'_>, lints: &mut Vec<Lint>) {
    let Some(min) = claim.rule.tls.as_ref().and_then(|tls| tls.min_version) else { return };
    for other in subject.compared().iter().filter(|other| other.opens()) {
        let Some(max) = other.rule.tls.as_ref().and_then(|tls| tls.max_version) else { continue };
        if max >= min || !overlap(claim, other) {
            continue;
        }
        let message = format!(
            "declares versions from {}, where {} declares none above {}: every connection differs from one of them",
            name(min),
            other.claim.id,
            name(max)
        );
        let remedy = "make both accept one version, or narrow one of them to other connections";
        let both = [claim.claim, other.claim];
        lints.push(subject.about(&DISAGREE, claim.claim, "tls", message, remedy).with_claims(both));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_have_the_versions_of_their_specifications() {
        let versions = |name: &str| of_suite(tls_policy::suite_by_name(name).unwrap());
        for (name, expected) in [
            ("TLS_AES_128_GCM_SHA256", (TLS_1_3, TLS_1_3)),
            ("TLS_SHA256_SHA256", (TLS_1_3, TLS_1_3)),
            ("TLS_SM4_GCM_SM3", (TLS_1_3, TLS_1_3)),
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", (TLS_1_2, TLS_1_2)),
            ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", (TLS_1_2, TLS_1_2)),
            ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", (TLS_1_2, TLS_1_2)),
            ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", (TLS_1_2, TLS_1_2)),
            // RFC 5487 section 3.
            ("TLS_PSK_WITH_AES_128_CBC_SHA256", (0, TLS_1_2)),
            ("TLS_PSK_WITH_AES_128_CCM_8", (TLS_1_2, TLS_1_2)),
            ("TLS_RSA_WITH_AES_128_CBC_SHA", (0, TLS_1_2)),
        ] {
            assert_eq!(versions(name), expected, "{name}");
        }
    }
}
