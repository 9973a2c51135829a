//! Certificates, where they can be seen: full handshakes before TLS 1.3, and sessions that such a one issued.

use super::subject::{Subject, View};
use super::tls::{at_fact, deciding, rate, rules, tier_severity};
use super::{Check, Code, Found, rating};
use crate::analyzers::tls;
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::observation::{Fact, Value};
use crate::model::{Field, Finding};
use crate::naming::is_literal;
use crate::profile::tls_policy::Tier;

/// The check.
pub(super) static CHECK: Check = Check {
    id: "certificate",
    codes: &[
        &WEAK_CERTIFICATE_KEY,
        &WEAK_CERTIFICATE_SIGNATURE,
        &CERTIFICATE_NOT_VALID,
        &CERTIFICATE_TOO_LONG_LIVED,
        &CERTIFICATE_NAME_MISMATCH,
        &UNDECLARED_ISSUER,
        &CLIENT_CERTIFICATE_MISSING,
    ],
    run,
};

static WEAK_CERTIFICATE_KEY: Code = Code {
    id: "weak-certificate-key",
    title: "A certificate's key is too short",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/weak-certificate-key.md"),
};
static WEAK_CERTIFICATE_SIGNATURE: Code = Code {
    id: "weak-certificate-signature",
    title: "A certificate is signed with a weak or undeclared algorithm",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/weak-certificate-signature.md"),
};
static CERTIFICATE_NOT_VALID: Code = Code {
    id: "certificate-not-valid",
    title: "A certificate was not valid at the time of the connection",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/certificate-not-valid.md"),
};
static CERTIFICATE_TOO_LONG_LIVED: Code = Code {
    id: "certificate-too-long-lived",
    title: "A certificate is valid for longer than the TLS policy allows",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/certificate-too-long-lived.md"),
};
static CERTIFICATE_NAME_MISMATCH: Code = Code {
    id: "certificate-name-mismatch",
    title: "A certificate is for another name than the one asked for",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/certificate-name-mismatch.md"),
};
static UNDECLARED_ISSUER: Code = Code {
    id: "undeclared-issuer",
    title: "A certificate is from another issuer than declared",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/undeclared-issuer.md"),
};
static CLIENT_CERTIFICATE_MISSING: Code = Code {
    id: "client-certificate-missing",
    title: "The client does not prove itself with a certificate, as declared",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/client-certificate-missing.md"),
};

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    for view in subject.views.iter().filter(|view| view.has_tls() && !view.is_proxy) {
        let server = Fields {
            whose: "server",
            key_type: &tls::CERTIFICATE_KEY_TYPE,
            key_bits: &tls::CERTIFICATE_KEY_BITS,
            signature: &tls::CERTIFICATE_SIGNATURE,
            self_signed: &tls::CERTIFICATE_SELF_SIGNED,
            validity: &tls::CERTIFICATE_VALIDITY,
            not_before: &tls::CERTIFICATE_NOT_BEFORE,
            not_after: &tls::CERTIFICATE_NOT_AFTER,
        };
        let client = Fields {
            whose: "client",
            key_type: &tls::CLIENT_KEY_TYPE,
            key_bits: &tls::CLIENT_KEY_BITS,
            signature: &tls::CLIENT_SIGNATURE,
            self_signed: &tls::CLIENT_SELF_SIGNED,
            validity: &tls::CLIENT_VALIDITY,
            not_before: &tls::CLIENT_NOT_BEFORE,
            not_after: &tls::CLIENT_NOT_AFTER,
        };
        let mut take = |found: Option<Finding>| {
            findings.extend(found.map(|finding| view.about_certificates(finding)));
        };
        for fields in [&server, &client] {
            take(key(subject, view, fields));
            take(signature(subject, view, fields));
            take(validity(subject, view, fields));
            take(lifetime(subject, view, fields));
        }
        take(name(subject, view));
        take(issuer(subject, view));
        take(mutual(subject, view));
    }
}

/// The same properties of either side's certificate.
struct Fields {
    whose: &'static str,
    key_type: &'static Field,
    key_bits: &'static Field,
    signature: &'static Field,
    self_signed: &'static Field,
    validity: &'static Field,
    not_before: &'static Field,
    not_after: &'static Field,
}

fn key(subject: &Subject<'_>, view: &View<'_>, fields: &Fields) -> Option<Finding> {
    let facts = view.certificates();
    let bits_fact = facts.first(fields.key_bits)?;
    let bits = u32::try_from(bits_fact.value.as_uint()?).ok()?;
    let kind = facts.first(fields.key_type)?.value.to_string();
    let declared = rules(subject, view)
        .into_iter()
        .filter_map(|(bound, rule)| Some((bound, rule.min_rsa_bits?)))
        .max_by_key(|(_, least)| *least);
    let claim =
        declared.map(|(bound, _)| bound).or_else(|| deciding(subject, view, |rule| rule.policy.is_some()));
    let policy = subject.policy(view);
    let rated = rating::key(policy, &kind, bits);
    let below = kind.starts_with("rsa") && declared.is_some_and(|(_, least)| bits < least);
    if rated.tier == Tier::Ok && !below {
        return None;
    }
    let mut finding = at_fact(subject, &WEAK_CERTIFICATE_KEY, view, claim, bits_fact);
    if rated.tier <= Tier::Discouraged && !below {
        rate(&mut finding, claim, Severity::Warning);
    }
    finding.expected = match declared {
        Some((_, bits)) if below && rated.tier == Tier::Ok => format!("rsa>={bits}"),
        Some((_, bits)) if below => least("rsa", policy.least_rsa_bits().map(|least| least.max(bits))),
        _ if kind == "ec" => least("ec", policy.least_ec_bits()),
        _ => least("rsa", policy.least_rsa_bits()),
    };
    finding.observed = format!("{kind}{bits}");
    if rated.tier > Tier::Ok {
        rated.decides(&mut finding);
    }
    finding.message = format!(
        "The {}'s certificate in connections with {} has a key of {bits} bits ({kind}; {{count connection}}).",
        fields.whose,
        view.peer_port()
    );
    Some(finding)
}

/// `rsa>=2048`; where no size is ok, another kind of key.
fn least(kind: &str, bits: Option<u32>) -> String {
    bits.map_or_else(|| format!("not {kind}"), |bits| format!("{kind}>={bits}"))
}

fn signature(subject: &Subject<'_>, view: &View<'_>, fields: &Fields) -> Option<Finding> {
    let facts = view.certificates();
    let fact = facts.first(fields.signature)?;
    let algorithm = fact.value.to_string();
    let rated = rating::signature(subject.policy(view), &algorithm);
    let declared = rules(subject, view).into_iter().find(|(_, rule)| !rule.signatures.is_empty());
    if let Some((bound, rule)) = declared {
        if rule.signatures.iter().any(|known| known.eq_ignore_ascii_case(&algorithm)) {
            return None;
        }
        let mut finding = at_fact(subject, &WEAK_CERTIFICATE_SIGNATURE, view, Some(bound), fact);
        if rated.tier == Tier::Ok {
            finding.status = Status::Drift;
            finding.severity = Some(Severity::Info);
        }
        finding.expected = rule.signatures.join(" or ");
        finding.message = sentence(view, fields, &algorithm);
        finding.observed = algorithm;
        return Some(finding);
    }
    // Nobody relies on the signature of a certificate that is its own issuer.
    if rated.tier == Tier::Ok || facts.has(fields.self_signed) {
        return None;
    }
    let claim = deciding(subject, view, |rule| rule.policy.is_some());
    let mut finding = at_fact(subject, &WEAK_CERTIFICATE_SIGNATURE, view, claim, fact);
    if rated.tier <= Tier::Discouraged {
        rate(&mut finding, claim, Severity::Warning);
    }
    finding.expected = String::from("sha256 or better");
    rated.decides(&mut finding);
    finding.message = sentence(view, fields, &algorithm);
    finding.observed = algorithm;
    Some(finding)
}

fn sentence(view: &View<'_>, fields: &Fields, algorithm: &str) -> String {
    format!(
        "The {}'s certificate in connections with {} is signed with {algorithm} ({{count connection}}).",
        fields.whose,
        view.peer_port()
    )
}

fn validity(subject: &Subject<'_>, view: &View<'_>, fields: &Fields) -> Option<Finding> {
    let fact =
        view.certificates().first(fields.validity).filter(|fact| fact.value.as_str() != Some("valid"))?;
    let claim = deciding(subject, view, |rule| rule.policy.is_some());
    let (word, field) = match fact.value.as_str() {
        Some("expired") => ("until", fields.not_after),
        _ => ("from", fields.not_before),
    };
    let limit = view.certificates().first(field).map(|fact| (word, fact));
    let mut finding = at_fact(subject, &CERTIFICATE_NOT_VALID, view, claim, fact);
    finding.expected = String::from("valid");
    finding.observed = fact.value.to_string();
    finding.reference = String::from("RFC 5280 section 4.1.2.5");
    finding.message = format!(
        "The {}'s certificate in connections with {} was {} when it was sent ({{count connection}}){}.",
        fields.whose,
        view.peer_port(),
        fact.value,
        limit.map(|(word, fact)| format!(": valid {word} {}", fact.value)).unwrap_or_default()
    );
    Some(finding)
}

/// How long it is valid from its first to its last day, where the policy limits that.
fn lifetime(subject: &Subject<'_>, view: &View<'_>, fields: &Fields) -> Option<Finding> {
    let facts = view.certificates();
    let policy = subject.policy(view);
    let most = policy.most_certificate_days()?;
    let after = facts.first(fields.not_after)?;
    let (Value::Time(from), Value::Time(until)) = (&facts.first(fields.not_before)?.value, &after.value)
    else {
        return None;
    };
    let days = u32::try_from(until.since(*from).as_secs().div_ceil(24 * 60 * 60)).ok()?;
    let rated = rating::days(policy, days)?;
    let severity = tier_severity(rated.tier, false)?;
    let claim = deciding(subject, view, |rule| rule.policy.is_some());
    let mut finding = at_fact(subject, &CERTIFICATE_TOO_LONG_LIVED, view, claim, after);
    rate(&mut finding, claim, severity);
    finding.expected = format!("at most {most} d");
    finding.observed.clone_from(&rated.name);
    rated.decides(&mut finding);
    finding.message = format!(
        "The {}'s certificate in connections with {} is valid for {days} days ({{count connection}}); the TLS policy {} allows {most}.",
        fields.whose,
        view.peer_port(),
        policy.name
    );
    Some(finding)
}

/// Asked for by SNI, named by the certificate's alternative names (RFC 6125 section 6.4), else by its common name.
fn name(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = view.certificates();
    if !view.by_device || !facts.has(&tls::CERTIFICATE_KEY_BITS) {
        return None;
    }
    let asked = view.flow.facts.latest(&tls::SNI)?.value.as_str()?.trim_end_matches('.').to_ascii_lowercase();
    let mut names: Vec<&Fact> = facts.of(&tls::CERTIFICATE_DNS).collect();
    if names.is_empty() {
        names = facts.of(&tls::CERTIFICATE_CN).collect();
    }
    let shown: Vec<&str> = names.iter().filter_map(|fact| fact.value.as_str()).collect();
    if is_literal(&asked) || shown.iter().any(|name| covers(&name.to_ascii_lowercase(), &asked)) {
        return None;
    }
    let fact = names.first().copied().or_else(|| facts.first(&tls::CERTIFICATE_KEY_BITS))?;
    let claim = deciding(subject, view, |rule| rule.policy.is_some());
    let mut finding = at_fact(subject, &CERTIFICATE_NAME_MISMATCH, view, claim, fact);
    finding.expected.clone_from(&asked);
    finding.observed = shown.first().map_or_else(|| String::from("no name"), |name| (*name).to_owned());
    finding.reference = String::from("RFC 9325 section 3.7");
    finding.message = format!(
        "{} asked for {asked} on {} and got a certificate for {} ({{count connection}}).",
        subject.who(),
        view.port_text(),
        finding.observed
    );
    Some(finding)
}

/// A wildcard stands for exactly one leftmost label.
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(apex) => name.split_once('.').is_some_and(|(_, rest)| rest == apex),
        None => pattern == name,
    }
}

fn issuer(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let facts = view.certificates();
    for (bound, rule) in rules(subject, view) {
        if !rule.issuers.is_empty()
            && let Some(fact) = facts.first(&tls::CERTIFICATE_ISSUER)
        {
            let shown = fact.value.to_string();
            let fits = |want: &String| shown.to_lowercase().contains(&want.to_lowercase());
            if !rule.issuers.iter().any(fits) {
                let mut finding = at_fact(subject, &UNDECLARED_ISSUER, view, Some(bound), fact);
                finding.expected = rule.issuers.join(" or ");
                let who =
                    facts.first(&tls::CERTIFICATE_ISSUER_O).or(facts.first(&tls::CERTIFICATE_ISSUER_CN));
                finding.observed = who.map_or(shown, |fact| fact.value.to_string());
                finding.message = format!(
                    "The certificate of {} is issued by {} ({{count connection}}), not by {}: another operator, or a TLS inspection proxy on the path.",
                    view.peer_port(),
                    finding.observed,
                    finding.expected
                );
                return Some(finding);
            }
        }
        if !rule.pins.is_empty()
            && let Some(fact) = facts.first(&tls::SPKI_SHA256)
            && !rule.pins.iter().any(|pin| fact.value.as_str() == Some(pin))
        {
            let mut finding = at_fact(subject, &UNDECLARED_ISSUER, view, Some(bound), fact);
            finding.expected = rule.pins.join(" or ");
            finding.observed = fact.value.to_string();
            finding.message = format!(
                "The key of {} is none of those pinned by {} ({{count connection}}).",
                view.peer_port(),
                bound.claim.id
            );
            return Some(finding);
        }
    }
    None
}

/// Mutual authentication is declared: visible only where the server's certificate is.
fn mutual(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let (bound, _) = rules(subject, view).into_iter().find(|(_, rule)| rule.mutual)?;
    let facts = view.certificates();
    let completed = view.flow.facts.first(&tls::HANDSHAKE_COMPLETED)?;
    let visible = facts.first(&tls::CERTIFICATE).is_some_and(|fact| fact.value.as_str() == Some("visible"));
    let answer = facts.first(&tls::CLIENT_CERTIFICATE);
    if !visible || answer.is_some_and(|fact| fact.value.as_str() == Some("sent")) {
        return None;
    }
    let (observed, fact) = match answer {
        Some(fact) if fact.value.as_str() == Some("empty") => ("none sent", fact),
        Some(_) => return None,
        None if facts.has(&tls::CERTIFICATE_REQUESTED) => return None,
        None => ("not requested", completed),
    };
    let mut finding = at_fact(subject, &CLIENT_CERTIFICATE_MISSING, view, Some(bound), fact);
    finding.confidence = Confidence::Proven;
    finding.expected = String::from("client certificate");
    finding.observed = String::from(observed);
    finding.message = format!(
        "{} and {} completed a handshake without a client certificate ({{count connection}}): {}.",
        subject.who(),
        view.peer_port(),
        if observed == "none sent" {
            "it was asked for and an empty one sent"
        } else {
            "the server did not ask for one"
        }
    );
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label() {
        assert!(covers("*.farm.bot", "my.farm.bot"));
        assert!(!covers("*.farm.bot", "a.my.farm.bot"));
        assert!(!covers("*.farm.bot", "farm.bot"));
        assert!(covers("my.farm.bot", "my.farm.bot"));
    }
}
