//! MQTT in the clear: refusals, versions, keep alive, and what breaks the protocol.

use std::time::Duration;

use super::subject::{Subject, View};
use super::tls::at_fact;
use super::{Check, Code, Found, inside};
use crate::analyzers::mqtt::fields as mqtt;
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::{Finding, Value};

/// The check.
pub(super) static CHECK: Check = Check {
    id: "mqtt",
    codes: &[
        &MQTT_REFUSED,
        &MQTT_VERSION,
        &MQTT_PROTOCOL_ERROR,
        &MQTT_KEEP_ALIVE_MISSED,
        &KEEP_ALIVE_TOO_LONG,
    ],
    run,
};

static MQTT_REFUSED: Code = Code {
    id: "mqtt-refused",
    title: "An MQTT broker refuses the client",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/mqtt-refused.md"),
};
static MQTT_VERSION: Code = Code {
    id: "mqtt-version",
    title: "MQTT is spoken in an outdated version",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/mqtt-version.md"),
};
static MQTT_PROTOCOL_ERROR: Code = Code {
    id: "mqtt-protocol-error",
    title: "MQTT packets break the protocol",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/mqtt-protocol-error.md"),
};
static MQTT_KEEP_ALIVE_MISSED: Code = Code {
    id: "mqtt-keep-alive-missed",
    title: "An MQTT client is silent for longer than its keep alive allows",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/mqtt-keep-alive-missed.md"),
};
static KEEP_ALIVE_TOO_LONG: Code = Code {
    id: "keep-alive-too-long",
    title: "The keep alive is longer than declared",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/keep-alive-too-long.md"),
};

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    let mqtt = |view: &&View<'_>| view.service.contains(&"mqtt") && !view.is_proxy;
    findings.extend(subject.views.iter().filter(mqtt).flat_map(|view| judge(subject, view)));
    findings.extend(subject.views.iter().filter_map(|view| inferred_too_long(subject, view)));
}

fn judge(subject: &Subject<'_>, view: &View<'_>) -> Vec<Finding> {
    let facts = &view.flow.facts;
    let claim = subject.rules(view).first().map(|(bound, _)| *bound);
    let (who, peer) = (subject.who(), view.peer_port());
    let mut findings = Vec::new();
    for fact in facts.of(&mqtt::CONNACK_CODE).filter(|fact| fact.value.as_uint().is_some_and(|code| code > 0))
    {
        let mut finding = at_fact(subject, &MQTT_REFUSED, view, claim, fact);
        finding.status = Status::Obstructed;
        finding.expected = String::from("CONNACK 0");
        finding.observed = format!("CONNACK {}", fact.value);
        finding.reference = String::from("MQTT 5.0 section 3.2.2.2, MQTT 3.1.1 section 3.2.2.3");
        finding.message = format!(
            "{peer} refused the MQTT connection of {who} with code {} ({{count connection}}).",
            fact.value
        );
        findings.push(finding);
    }
    for fact in facts.of(&mqtt::PROTOCOL_LEVEL).filter(|fact| fact.value == Value::Uint(3)) {
        let mut finding = at_fact(subject, &MQTT_VERSION, view, claim, fact);
        finding.status = Status::Drift;
        finding.severity = Some(Severity::Info);
        finding.expected = String::from("mqtt>=3.1.1");
        finding.observed = String::from("mqtt3.1");
        finding.reference = String::from("MQTT 3.1.1 section 3.1.2.2");
        finding.message = format!(
            "{who} speaks MQTT 3.1 with {peer} ({{count connection}}), which no standard describes any more."
        );
        findings.push(finding);
    }
    for fact in facts.of(&mqtt::ANOMALY) {
        let mut finding = at_fact(subject, &MQTT_PROTOCOL_ERROR, view, claim, fact);
        finding.expected = String::from("MQTT");
        finding.observed = fact.value.to_string();
        finding.message = format!(
            "MQTT between {who} and {peer} breaks the protocol: {} ({{count connection}}).",
            fact.value
        );
        findings.push(finding);
    }
    for fact in facts.of(&mqtt::KEEP_ALIVE_MISSED) {
        let mut finding = at_fact(subject, &MQTT_KEEP_ALIVE_MISSED, view, claim, fact);
        finding.status =
            if subject.absence < Confidence::Strong { Status::Inconclusive } else { Status::Violation };
        if finding.status == Status::Inconclusive {
            finding.severity = finding.severity.map(|severity| severity.min(Severity::Warning));
        }
        let declared = facts.first(&mqtt::KEEP_ALIVE).map(|fact| fact.value.to_string()).unwrap_or_default();
        finding.expected = format!("gap<={declared} s x 1.5");
        finding.observed = format!("gap {} s", fact.value);
        finding.reference = String::from("MQTT 5.0 section 3.1.2.10");
        finding.message = format!(
            "The MQTT client of {who} with {peer} sent nothing for {} s although its keep alive is {declared} s ({{count connection}}).",
            fact.value
        );
        findings.push(finding);
    }
    findings.extend(too_long(subject, view));
    findings
}

/// The time between what looks like pings inside TLS, where the claim says that this is what they are.
fn inferred_too_long(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let (fact, period) = inside::pings(view)?;
    let inferred = inside::of(view);
    let rules = subject.rules(view);
    let (bound, max) = rules.iter().find_map(|(bound, rule)| {
        let pings = |chain: &String| chain.starts_with("tls/mqtt") || chain.ends_with("/websocket");
        let like = |chain: &String| inferred.as_ref().is_none_or(|what| what.supports(chain) == Some(true));
        let said = rule.services.iter().any(|chain| pings(chain) && like(chain));
        rule.keep_alive_max.filter(|_| said).map(|max| (*bound, max))
    })?;
    // Clients look at the clock once in a second, and answers take their time.
    if period <= max + max / 10 + Duration::from_secs(2) {
        return None;
    }
    let mut finding = at_fact(subject, &KEEP_ALIVE_TOO_LONG, view, Some(bound), fact);
    finding.confidence = Confidence::Probable;
    finding.expected = format!("keep alive<={} s", max.as_secs());
    finding.observed = format!("{} s, inferred", period.as_secs());
    finding.message = format!(
        "{} and {} exchange short records inside TLS every {} s ({{count connection}}), inferred to be pings; {} declares a keep alive of at most {} s.",
        subject.who(),
        view.peer_port(),
        period.as_secs(),
        bound.claim.id,
        max.as_secs()
    );
    Some(finding)
}

fn too_long(subject: &Subject<'_>, view: &View<'_>) -> Option<Finding> {
    let rules = subject.rules(view);
    let (bound, max) = rules.iter().find_map(|(bound, rule)| Some((*bound, rule.keep_alive_max?)))?;
    let fact = view.flow.facts.first(&mqtt::KEEP_ALIVE)?;
    let seconds = fact.value.as_uint()?;
    // Zero switches the mechanism off, which is longer than any.
    if seconds != 0 && seconds <= max.as_secs() {
        return None;
    }
    let mut finding = at_fact(subject, &KEEP_ALIVE_TOO_LONG, view, Some(bound), fact);
    finding.expected = format!("keep alive<={} s", max.as_secs());
    finding.observed = if seconds == 0 { String::from("off") } else { format!("{seconds} s") };
    finding.message = format!(
        "{} announces a keep alive of {} to {} ({{count connection}}); {} declares at most {} s.",
        subject.who(),
        finding.observed,
        view.peer_port(),
        bound.claim.id,
        max.as_secs()
    );
    Some(finding)
}
