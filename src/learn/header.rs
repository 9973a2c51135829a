//! The top of a learnt profile: from what, by which rules, what the captures could not show, what was not learnt, and what
//! checking the same captures gives.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::facts::without_certificate;
use super::settle::Found;
use super::sort::Why;
use super::words::{frames, joined, moment, some, span_text, wrapped};
use super::{Material, identify, is_about_capture};
use crate::analyzers::{dns, tls};
use crate::checks::{Subject, View};
use crate::model::Transport;
use crate::model::stats::SkipReason;
use crate::model::text::{counted, printable};
use crate::profile::Identify;

/// What the header is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'c> {
    pub(super) material: &'c Material<'c>,
    pub(super) subject: &'c Subject<'c>,
    pub(super) left: &'c BTreeMap<Why, Vec<usize>>,
    pub(super) rest: &'c Found,
    pub(super) fresh: bool,
    /// What the device says of itself beside what recognises it.
    pub(super) said: &'c [String],
    pub(super) identify: &'c Identify,
}

/// A capture that is shorter hides what devices do once a day.
const A_DAY: Duration = Duration::from_hours(24);
/// Captures that are named.
const MAX_CAPTURES: usize = 8;

/// The lines, without `#`.
pub(super) fn lines(context: &Context<'_>) -> Vec<String> {
    let mut out = Vec::new();
    let mut part = |title: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        if !title.is_empty() {
            out.push(String::new());
            out.push(title.to_owned());
        }
        for line in lines {
            let line = if title.is_empty() { line } else { format!("- {line}") };
            out.extend(wrapped(&printable(&line)));
        }
    };
    part("", origin(context));
    if context.fresh {
        part("How it was learnt (docs/learn.md):", RULES.iter().map(|rule| (*rule).to_owned()).collect());
    }
    part("What these captures could not show:", hidden(context));
    part("Not learnt:", not_learnt(context));
    part("Checking the same captures against this profile gives:", rest(context.rest));
    out
}

const RULES: &[&str] = &[
    "required: worked in each quarter of the time watched, at least 10 minutes, in 3 connections or in one that lasted; \
    everything else is allowed",
    "long_running: open for 5 minutes and still open at the end; never cut",
    "forbidden and blocked: tried in vain; nothing is opened, an answer would be a finding",
    "TLS as seen; what the policy does not call good is not declared, so that it goes on being told",
];

/// A name for the profile and a title, from what the device is called.
pub(super) fn called(subject: &Subject<'_>) -> (String, String) {
    let mut name = String::from("learnt");
    for c in subject.label.name.to_ascii_lowercase().chars().take(48) {
        let c = if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
        if c != '-' || !name.ends_with('-') {
            if name == "learnt" {
                name.push('-');
            }
            name.push(c);
        }
    }
    let name = name.replace("--", "-").trim_end_matches('-').to_owned();
    let title: String = printable(&subject.label.name).chars().take(80).collect();
    (name, format!("{title}, as learnt from its traffic"))
}

fn origin(context: &Context<'_>) -> Vec<String> {
    let subject = context.subject;
    let captures = subject.evidence.captures;
    let names: BTreeSet<String> =
        captures.iter().take(MAX_CAPTURES).map(|capture| capture.name.clone()).collect();
    let more = captures.len().saturating_sub(MAX_CAPTURES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let files = names.into_iter().collect::<Vec<_>>().join(", ");
    let (first, last) = subject.span;
    let frames: u64 = captures.iter().map(|capture| capture.frames).sum();
    let label = &subject.label;
    let mut names = vec![label.name.clone(), label.key.clone()];
    names.extend(label.ip.map(|ip| ip.to_string()));
    names.dedup();
    let mut lines = vec![
        if context.fresh {
            format!("Learnt by wireclaim from {files}{more}: a draft that wants a review.")
        } else {
            format!("new in {files}{more}, {}: review", moment(last).chars().take(10).collect::<String>())
        },
        format!(
            "{} of all hosts, {} to {} ({}); {} of the device.",
            counted(frames, "frame"),
            moment(first),
            moment(last),
            span_text(last.since(first)),
            counted(subject.views.iter().filter(|view| !view.through_proxy).count() as u64, "flow")
        ),
        format!("Device: {}, {}.", names.join(", "), context.material.why),
    ];
    if context.fresh && identify::is_empty(context.identify) {
        lines.push(format!(
            "Nothing that it says of itself tells it from other hosts: check with `--device {}`.",
            label.key
        ));
    }
    if !context.said.is_empty() {
        lines.push(format!("It also says: {}.", context.said.join(", ")));
    }
    lines
}

fn hidden(context: &Context<'_>) -> Vec<String> {
    let subject = context.subject;
    let mut out = Vec::new();
    let watched = subject.span.1.since(subject.span.0);
    if watched < A_DAY {
        out.push(format!(
            "what the device does less often than once in {} (updates, nightly jobs)",
            span_text(watched)
        ));
    }
    if subject.start.is_none() {
        out.push(String::from(
            "its start: names that it looked up before are missing, and what it does only then",
        ));
    }
    out.extend(subject.asks_in_secret.as_ref().map(|how| format!("names that it looks up by {how}")));
    if subject.names_hidden {
        out.push(String::from("names whose look-ups are cut, one-sided or were let go"));
    }
    let about_capture = context.rest.iter().filter(|((code, _), _)| is_about_capture(code));
    out.extend(about_capture.map(|((code, _), (_, sentence))| format!("{code}: {sentence}")));
    let with_tls: Vec<&View<'_>> = subject.views.iter().filter(|view| view.has_tls()).collect();
    out.extend(without_certificate(&with_tls));
    let covered = with_tls.iter().filter(|view| view.flow.facts.has(&tls::ECH)).count();
    if covered > 0 {
        let those = counted(covered as u64, "TLS connection");
        out.push(format!("whether the name is the true one of {those} with an encrypted hello"));
    }
    let midstream =
        subject.views.iter().filter(|view| view.flow.tcp.as_deref().is_some_and(|tcp| tcp.midstream));
    let midstream = midstream.count();
    if midstream > 0 {
        let those = counted(midstream as u64, "connection");
        let them = if midstream == 1 { "it" } else { "them" };
        out.push(format!("the beginning of {those}: at most ports and content tell who opened {them}"));
    }
    for capture in subject.evidence.captures {
        if let Some(damage) = &capture.damage {
            out.push(format!("{} is damaged at byte {}: what comes after it", capture.name, damage.offset));
        }
    }
    let skipped: u64 = subject
        .evidence
        .stats
        .skipped
        .iter()
        .filter(|(reason, _)| !matches!(reason, SkipReason::NoFrame(_)))
        .map(|(_, count)| count)
        .sum();
    if skipped > 0 {
        out.push(format!("{} that could not be analysed", counted(skipped, "frame")));
    }
    out.extend(looked_up(subject));
    out
}

/// Names that were looked up and that no flow went to, under that name or at an address that it has.
fn looked_up(subject: &Subject<'_>) -> Option<String> {
    let mut used: BTreeSet<&str> =
        subject.views.iter().flat_map(|view| view.name.candidates.iter()).map(String::as_str).collect();
    let peers: BTreeSet<IpAddr> = subject.views.iter().map(|view| view.peer).collect();
    let reached = subject.answers.iter().filter(|answer| peers.contains(&answer.address));
    used.extend(reached.map(|answer| &*answer.name));
    let asked =
        subject.views.iter().filter(|view| view.by_device).flat_map(|view| view.flow.facts.of(&dns::QUERY));
    let unused: BTreeSet<String> = asked
        .filter_map(|fact| fact.value.as_str())
        .filter(|name| !used.contains(name) && !is_reverse(name) && name.contains('.'))
        .map(str::to_owned)
        .collect();
    (!unused.is_empty())
        .then(|| format!("what it wanted of names that it looked up and never contacted: {}", some(&unused)))
}

/// A look-up of what an address is called.
fn is_reverse(name: &str) -> bool {
    name.rsplit('.').next() == Some("arpa")
}

/// What was not learnt, and why.
pub(super) fn not_learnt(context: &Context<'_>) -> Vec<String> {
    let subject = context.subject;
    context
        .left
        .iter()
        .map(|(why, at)| {
            let views: Vec<&View<'_>> = at.iter().filter_map(|at| subject.views.get(*at)).collect();
            let ends = |view: &&View<'_>| match why {
                // Nobody can tell whose port is that of a service.
                Why::Opener => both_ports(view),
                _ => view.peer_port(),
            };
            let peers: BTreeSet<String> = views.iter().map(ends).collect();
            let seen =
                joined(&views).map_or_else(String::new, |seen| frames(&seen, subject.evidence.captures));
            format!("{} {}: {} [{seen}]", counted(views.len() as u64, "flow"), reason(why), some(&peers))
        })
        .collect()
}

/// `x.example.com 5555/tcp with the device's 40000`.
fn both_ports(view: &View<'_>) -> String {
    let key = view.flow.key;
    let (own, peers) =
        if view.by_device { (key.orig.port, key.resp.port) } else { (key.resp.port, key.orig.port) };
    format!("{} {peers}/{} with the device's {own}", view.peer_text(), key.transport)
}

fn reason(why: &Why) -> String {
    match why {
        Why::Opener => String::from("whose opener cannot be told"),
        Why::Replies => String::from("of answers to what the captures do not have"),
        Why::PortZero => String::from("without a port that could be declared"),
        Why::Forbidden(id) => format!("that {id} forbids"),
        Why::Peers(transport, port) => {
            let place = match (transport, port.bounds()) {
                (Transport::Other(number), _) => format!("ip: {number}"),
                (_, Some((low, high))) if low < high => format!("{transport}: {low}-{high}"),
                (_, bounds) => format!("{transport}: {}", bounds.map_or(0, |(low, _)| low)),
            };
            format!(
                "with more addresses without name than anybody reviews; if they are to be allowed: `allowed: {{out: anyone, {place}}}`"
            )
        }
        Why::Baseline(item) => format!("of infrastructure that the baseline lacks (`{item}`)"),
        Why::Room => {
            String::from("beyond the number of claims that anybody reviews, or at odds with another claim")
        }
    }
}

/// The codes that remain, each with what it is about.
pub(super) fn by_code(found: &Found) -> Vec<(&'static str, u64, String)> {
    let mut all: BTreeMap<&'static str, (u64, String)> = BTreeMap::new();
    for ((code, _), (count, sentence)) in found {
        let (sum, _) = all.entry(code).or_insert_with(|| (0, sentence.clone()));
        *sum = sum.saturating_add(*count);
    }
    all.into_iter().map(|(code, (count, sentence))| (code, count, sentence)).collect()
}

fn rest(found: &Found) -> Vec<String> {
    let all: Vec<_> = by_code(found).into_iter().filter(|(code, ..)| !is_about_capture(code)).collect();
    if all.is_empty() {
        let of_capture: BTreeSet<&str> = found.keys().map(|(code, _)| *code).collect();
        return vec![if of_capture.is_empty() {
            String::from("nothing")
        } else {
            let codes = of_capture.into_iter().collect::<Vec<_>>().join(", ");
            format!("nothing but what is said of the captures above ({codes})")
        }];
    }
    all.into_iter()
        .map(|(code, count, sentence)| format!("{code} ({count}): {} e.g. {sentence}", why_it_stays(code)))
        .collect()
}

/// Why a code is not learnt away.
fn why_it_stays(code: &str) -> &'static str {
    match code {
        "undeclared-destination"
        | "undeclared-port"
        | "undeclared-service"
        | "undeclared-direction"
        | "inbound-accepted"
        | "inbound-attempted"
        | "unnamed-destination"
        | "undeclared-resolver" => "what is not learnt is not declared (see above);",
        "dns-failed"
        | "ntp-refused"
        | "ntp-unsynchronised"
        | "ntp-unanswered"
        | "required-blocked"
        | "unanswered"
        | "degraded"
        | "handshake-failed"
        | "mqtt-refused"
        | "websocket-refused"
        | "websocket-abnormal-close" => "it is entitled to this and was kept from it;",
        _ => "a fault, which no profile declares away;",
    }
}
