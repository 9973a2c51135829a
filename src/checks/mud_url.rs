//! The URL of the Manufacturer Usage Description that a device gives, against that of its profile (RFC 8520).

use super::devices::wildcard;
use super::subject::{Subject, View};
use super::{Check, Code, Found};
use crate::analyzers::{dhcp, tls};
use crate::model::Evidence;
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::text::printable;

/// The check.
pub(super) static CHECK: Check = Check { id: "mud-url", codes: &[&MUD_URL_MISMATCH], run };

static MUD_URL_MISMATCH: Code = Code {
    id: "mud-url-mismatch",
    title: "The device gives another MUD URL than its profile",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/mud-url-mismatch.md"),
};

fn run(subject: &Subject<'_>, found: &mut Found<'_>) {
    let declared = &subject.declaration.profile.identify.mud_urls;
    if declared.is_empty() {
        return;
    }
    for url in &subject.device.mud_urls {
        if declared.iter().any(|pattern| wildcard(pattern, url)) {
            continue;
        }
        let (way, evidence) = seen(subject, url);
        let mut finding =
            subject.bare_finding(&MUD_URL_MISMATCH, Status::Violation, Confidence::Strong, None);
        finding.expected = declared.join(" or ");
        finding.observed.clone_from(url);
        finding.reference = String::from("RFC 8520 section 1.5");
        finding.evidence = evidence;
        finding.message = format!(
            "{} says {way} that its description is {}, and the profile is that of {}: another model or firmware, or the wrong profile.",
            subject.who(),
            printable(url),
            declared.join(" or ")
        );
        found.push(finding);
    }
}

/// How the device said it, and where.
fn seen(subject: &Subject<'_>, url: &str) -> (&'static str, Option<Evidence>) {
    let fields = [
        (&dhcp::MUD_URL, "by DHCP"),
        (&dhcp::v6::MUD_URL, "by DHCPv6"),
        (&tls::CLIENT_MUD_URL, "in its certificate"),
    ];
    for (field, way) in fields {
        let fact = |view: &&View<'_>| view.flow.facts.of(field).any(|fact| fact.value.as_str() == Some(url));
        if let Some(view) = subject.views.iter().find(fact) {
            let fact = view.flow.facts.of(field).find(|fact| fact.value.as_str() == Some(url));
            return (way, fact.map(|fact| fact.evidence.clone()));
        }
    }
    ("on the link", None)
}
