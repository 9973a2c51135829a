//! What a reader of a profile should know before relying on it: contradictions, what its own TLS policy calls weak,
//! what is left open. A profile that does not load has errors instead (see [`load`](super::load)).

use super::tls_policy::{self, PolicyRef, Tier};
use super::{Claim, Condition, FlowRule, Level, NamePattern, Peer, Ports, Profile, Rule, SlotPart, value};
use crate::model::finding::Severity;

/// Something to know about a profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lint {
    /// Line in the file, from 1; the order of lints.
    pub line: u64,
    /// Kind, kebab-case.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Ids of the claims it is about; may be none.
    pub claims: Vec<String>,
    /// One sentence.
    pub message: String,
    /// What to do about it, one sentence.
    pub remedy: String,
}

/// Ports whose registered protocol is not encrypted, with its name.
const CLEARTEXT_PORTS: &[(u16, &str)] = &[
    (21, "FTP"),
    (23, "Telnet"),
    (25, "SMTP"),
    (80, "HTTP"),
    (110, "POP3"),
    (143, "IMAP"),
    (389, "LDAP"),
    (502, "Modbus/TCP"),
    (1883, "MQTT"),
    (5672, "AMQP"),
];

/// Every lint of a profile, in the order of lines.
pub fn lint(profile: &Profile) -> Vec<Lint> {
    let mut lints = Vec::new();
    for contradiction in &profile.contradictions {
        lints.push(Lint {
            line: contradiction.line,
            code: "contradiction-in-document",
            severity: Severity::Warning,
            claims: contradiction.claims.clone(),
            message: contradiction.note.clone(),
            remedy: "ask the document's author which of them is meant".to_owned(),
        });
    }
    for claim in &profile.claims {
        if let Rule::Flow(rule) = &claim.rule {
            weak_tls(profile, claim, rule, &mut lints);
            cleartext_port(claim, rule, &mut lints);
        }
    }
    forbidden_and_allowed(profile, &mut lints);
    left_open(profile, &mut lints);
    unused(profile, &mut lints);
    names_without_dns(profile, &mut lints);
    lints.sort();
    lints
}

fn about(claim: &Claim, code: &'static str, severity: Severity, message: String, remedy: &str) -> Lint {
    Lint {
        line: claim.line,
        code,
        severity,
        claims: vec![claim.id.clone()],
        message,
        remedy: remedy.to_owned(),
    }
}

/// Declared is not good: one row against the declaration, so that not every connection needs one.
fn weak_tls(profile: &Profile, claim: &Claim, rule: &FlowRule, lints: &mut Vec<Lint>) {
    let Some(tls) = &rule.tls else { return };
    let name = tls.policy.as_ref().unwrap_or(&profile.tls_policy);
    let Ok(policy) = PolicyRef::open(name) else { return };
    let mut weak = |what: String, tier: Tier, reference: &str| {
        let severity = match tier {
            Tier::Ok => return,
            Tier::Discouraged => Severity::Warning,
            Tier::Weak | Tier::Broken => Severity::Error,
        };
        let message = format!("declares {what}, which the TLS policy `{name}` calls {tier}: {reference}");
        lints.push(about(
            claim,
            "weak-tls-declared",
            severity,
            message,
            "declare a stronger one, or ask the vendor to support one",
        ));
    };
    for suite in tls.suites.iter().filter_map(|code| tls_policy::suite(*code)) {
        if let Some(judgement) = policy.suite(suite.code) {
            weak(format!("the cipher suite {}", suite.name), judgement.tier, &judgement.reference);
        }
    }
    for version in [tls.min_version, tls.max_version].into_iter().flatten() {
        if let (Some(judgement), Some(known)) =
            (policy.version(version), tls_policy::version_names().get(version))
        {
            weak(format!("the version {}", known.name), judgement.tier, &judgement.reference);
        }
    }
    if let Some((bits, judgement)) = tls.min_rsa_bits.and_then(|bits| Some((bits, policy.rsa_bits(bits)?))) {
        weak(format!("RSA keys of {bits} bits"), judgement.tier, &judgement.reference);
    }
    for signature in &tls.signatures {
        if let Some(judgement) = policy.signature(signature) {
            weak(format!("the signature {signature}"), judgement.tier, &judgement.reference);
        }
    }
    for signature in tls.signatures.iter().filter(|name| policy.signature(name).is_none()) {
        let message = format!("the TLS policy `{name}` does not know the signature algorithm {signature}");
        lints.push(about(
            claim,
            "unknown-signature",
            Severity::Warning,
            message,
            "write it as certificates do, such as sha256WithRSAEncryption",
        ));
    }
}

fn cleartext_port(claim: &Claim, rule: &FlowRule, lints: &mut Vec<Lint>) {
    let Ports::Of(ranges) = &rule.ports else { return };
    if !rule.encrypted {
        return;
    }
    for (port, protocol) in CLEARTEXT_PORTS {
        if ranges.contains(&(*port, *port)) {
            let message =
                format!("demands encryption on port {port}, which is that of {protocol} in the clear");
            lints.push(about(
                claim,
                "cleartext-port",
                Severity::Warning,
                message,
                "declare the port of the protocol inside TLS, or take `encrypted` away",
            ));
        }
    }
}

/// `forbidden` beats `allowed` among claims whose peers are equally narrow; a pair that overlaps should be known.
fn forbidden_and_allowed(profile: &Profile, lints: &mut Vec<Lint>) {
    let flows = |level: fn(Level) -> bool| {
        profile.claims.iter().enumerate().filter_map(move |(index, claim)| match &claim.rule {
            Rule::Flow(rule) if level(claim.level) => Some((claim, rule, ports_of(profile, index, rule))),
            _ => None,
        })
    };
    for (forbidden, no, no_ports) in flows(|level| level == Level::Forbidden) {
        for (allowed, yes, yes_ports) in flows(|level| matches!(level, Level::Required | Level::Allowed)) {
            let overlap = no.peers == yes.peers
                && (no.way.is_none() || yes.way.is_none() || no.way == yes.way)
                && share(&no.transports, &yes.transports, |a, b| a == b)
                && share(&no.services, &yes.services, |a, b| begins(a, b) || begins(b, a))
                && ports_overlap(&no_ports, &yes_ports)
                && !exclude_each_other(forbidden, allowed);
            if overlap {
                lints.push(Lint {
                    line: forbidden.line,
                    code: "forbidden-and-allowed",
                    severity: Severity::Warning,
                    claims: vec![forbidden.id.clone(), allowed.id.clone()],
                    message: format!(
                        "{} forbids some of what {} declares, for the same peers; what is forbidden wins",
                        forbidden.id, allowed.id
                    ),
                    remedy: "narrow what is forbidden, or take away what is declared and can never be"
                        .to_owned(),
                });
            }
        }
    }
}

/// Whether two lists have something in common; an empty list is any.
fn share<T>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|a| b.iter().any(|b| same(a, b)))
}

/// Whether the chain `long` begins with the chain `short`.
fn begins(long: &str, short: &str) -> bool {
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The ports of a rule, with a parameter's default where it has one.
fn ports_of(profile: &Profile, index: usize, rule: &FlowRule) -> Ports {
    let Ports::Unbound(name) = &rule.ports else { return rule.ports.clone() };
    let default = profile
        .parameters
        .iter()
        .find(|parameter| parameter.name == *name)
        .and_then(|parameter| value::ports(parameter.default.as_ref()?).ok());
    let except = profile.slots.iter().any(|slot| slot.claim == index && slot.part == SlotPart::PortsExcept);
    match default {
        Some(ranges) if except => Ports::Except(ranges),
        Some(ranges) => Ports::Of(ranges),
        None => rule.ports.clone(),
    }
}

/// Whether some port is in both; unbound sets and pairs of exceptions are left out.
fn ports_overlap(a: &Ports, b: &Ports) -> bool {
    let sample = |ports: &Ports| -> Vec<u16> {
        match ports {
            Ports::Of(ranges) => ranges.iter().flat_map(|(low, high)| [*low, *high]).collect(),
            Ports::Fallback(ports) => ports.clone(),
            Ports::Any | Ports::Except(_) | Ports::Unbound(_) => Vec::new(),
        }
    };
    // Two ranges overlap where an end of one is in the other.
    (*a == Ports::Any && !matches!(b, Ports::Unbound(_)))
        || (*b == Ports::Any && !matches!(a, Ports::Unbound(_)))
        || sample(a).into_iter().any(|port| b.contains(port))
        || sample(b).into_iter().any(|port| a.contains(port))
}

/// Whether no binding makes both claims apply.
fn exclude_each_other(a: &Claim, b: &Claim) -> bool {
    a.when.iter().any(|a| {
        b.when.iter().any(|b| match (a, b) {
            (
                Condition::Variant { group: a, options: of_a },
                Condition::Variant { group: b, options: of_b },
            ) => a == b && !of_a.iter().any(|option| of_b.contains(option)),
            (Condition::Flag { parameter: a, is: is_a }, Condition::Flag { parameter: b, is: is_b }) => {
                a == b && is_a != is_b
            }
            (
                Condition::Version { parameter: a, ranges: of_a, unbound: open_a },
                Condition::Version { parameter: b, ranges: of_b, unbound: open_b },
            ) => {
                let both = of_a.iter().any(|a| of_b.iter().any(|b| a.overlaps(b)));
                a == b && !both && !(*open_a && *open_b)
            }
            _ => false,
        })
    })
}

fn left_open(profile: &Profile, lints: &mut Vec<Lint>) {
    for parameter in profile.parameters.iter().filter(|parameter| parameter.default.is_none()) {
        let claims: Vec<&Claim> = profile
            .slots
            .iter()
            .filter(|slot| slot.parameter == parameter.name)
            .filter_map(|slot| profile.claims.get(slot.claim))
            .collect();
        if let Some(first) = claims.first() {
            let mut ids: Vec<String> = claims.iter().map(|claim| claim.id.clone()).collect();
            ids.dedup();
            lints.push(Lint {
                line: first.line,
                code: "parameter-left-open",
                severity: Severity::Info,
                claims: ids,
                message: format!("says nothing until `{}` is set: {}", parameter.name, parameter.help),
                remedy: format!("set it: --set {}=VALUE", parameter.name),
            });
        }
    }
}

fn unused(profile: &Profile, lints: &mut Vec<Lint>) {
    let in_conditions = |name: &str| {
        profile.claims.iter().flat_map(|claim| &claim.when).any(|condition| match condition {
            Condition::Variant { group, .. } => group == name,
            Condition::Flag { parameter, .. } | Condition::Version { parameter, .. } => parameter == name,
        })
    };
    let in_slots = |name: &str| profile.slots.iter().any(|slot| slot.parameter == name);
    let groups = profile.variants.iter().map(|group| ("variant group", &group.name));
    let parameters = profile.parameters.iter().map(|parameter| ("parameter", &parameter.name));
    for (what, name) in groups.chain(parameters) {
        if !in_conditions(name) && !in_slots(name) {
            lints.push(Lint {
                line: 1,
                code: "unused",
                severity: Severity::Warning,
                claims: Vec::new(),
                message: format!("no claim refers to the {what} `{name}`"),
                remedy: "refer to it in `when` or in a rule, or take it away".to_owned(),
            });
        }
    }
}

fn names_without_dns(profile: &Profile, lints: &mut Vec<Lint>) {
    let named = |peer: &Peer| {
        matches!(peer, Peer::Name(NamePattern::Exact(_) | NamePattern::Below(_) | NamePattern::Suffix(_)))
    };
    let first = profile
        .claims
        .iter()
        .find(|claim| matches!(&claim.rule, Rule::Flow(rule) if rule.peers.iter().any(named)));
    let dns = profile.baseline.contains(&super::Baseline::Dns)
        || profile
            .claims
            .iter()
            .any(|claim| matches!(&claim.rule, Rule::Flow(rule) if rule.ports.contains(53)));
    if let Some(claim) = first.filter(|_| !dns) {
        let message = "names a peer, and neither the baseline nor a claim allows DNS".to_owned();
        lints.push(about(
            claim,
            "names-without-dns",
            Severity::Warning,
            message,
            "add `dns` to `baseline`, or a claim for port 53",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{builtin, load};
    use super::*;

    fn of(name: &str) -> Vec<Lint> {
        lint(&builtin::open(name).unwrap())
    }

    fn codes<'l>(lints: &'l [Lint], id: &str) -> Vec<&'l str> {
        lints
            .iter()
            .filter(|lint| lint.claims.iter().any(|claim| claim == id))
            .map(|lint| lint.code)
            .collect()
    }

    #[test]
    fn a_declared_suite_that_the_policy_discourages_is_one_lint() {
        let lints = of("electric-imp");
        let weak: Vec<_> = lints.iter().filter(|lint| lint.claims == ["EI-09"]).collect();
        assert_eq!(weak.len(), 1);
        assert_eq!((weak[0].code, weak[0].severity), ("weak-tls-declared", Severity::Warning));
        assert!(weak[0].message.contains("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"), "{}", weak[0].message);
        assert!(!codes(&lints, "EI-08").contains(&"weak-tls-declared"));
    }

    #[test]
    fn the_documents_own_contradictions_are_told() {
        let lints = of("smartserver");
        assert_eq!(codes(&lints, "SS-19"), ["contradiction-in-document"]);
        assert!(codes(&lints, "SS-22").contains(&"forbidden-and-allowed"), "{lints:#?}");
        let lints = of("farmbot");
        assert!(codes(&lints, "FB-17c").contains(&"cleartext-port"));
        assert!(codes(&of("fortrabbit"), "FR-01a").contains(&"parameter-left-open"));
    }

    #[test]
    fn shipped_profiles_have_nothing_unused_and_no_error_but_what_is_known() {
        for name in builtin::names() {
            for lint in of(name) {
                assert_ne!(lint.code, "unused", "{name}: {}", lint.message);
                // FR-03 only rules SSL 3.0 out, as its document does.
                assert!(lint.severity < Severity::Error || lint.claims == ["FR-03"], "{name}: {lint:?}");
            }
        }
    }

    #[test]
    fn claims_that_exclude_each_other_do_not_collide() {
        let text = "version: 1\nprofile: a\ntitle: a\nvariants: {m: {options: [x, y]}, n: {options: [z]}}\nclaims:\n  \
                    - {id: A, title: t, allowed: {out: a.example.com, tcp: 80-90}, when: {m: x}}\n  \
                    - {id: B, title: t, forbidden: {out: a.example.com, tcp: 85}, when: {m: y}}\n  \
                    - {id: C, title: t, forbidden: {out: a.example.com, tcp: 91}}\n";
        let codes: Vec<_> =
            lint(&load::from_str(text, "a").unwrap()).into_iter().map(|lint| lint.code).collect();
        assert_eq!(codes, ["unused", "names-without-dns"]);
        let both = text.replace("when: {m: y}", "when: {m: [x, y]}");
        let lints = lint(&load::from_str(&both, "a").unwrap());
        assert!(lints.iter().any(|lint| lint.claims == ["B", "A"]), "{lints:?}");
    }
}
