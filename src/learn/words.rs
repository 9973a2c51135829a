//! What is said of each claim in comments: how often, when, how surely, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::draft::{Draft, Section};
use super::sort::{name_of, opener};
use crate::checks::subject::flow_evidence;
use crate::checks::{Subject, View, outcome};
use crate::model::finding::{Confidence, Way};
use crate::model::flow::RoleBasis;
use crate::model::stats::CaptureInfo;
use crate::model::text::{counted, printable};
use crate::model::{Evidence, NameSource, Timestamp, Transport};
use crate::profile::{FlowRule, Level, NamePattern, Peer, Ports, Rule};

/// Addresses, names and the like that one line tells.
pub(super) const TOLD: usize = 6;
/// Longest line of a comment.
const WIDTH: usize = 100;

/// The title of a claim: who, at which port.
pub(super) fn title(draft: &Draft) -> String {
    let Rule::Flow(rule) = &draft.rule else {
        return String::from("Connections go through a proxy");
    };
    let peers = match rule.peers.as_slice() {
        [] => String::from("anyone"),
        [Peer::Name(NamePattern::Below(apex))] => format!("Names below {apex}"),
        [Peer::Local] => String::from("the device's own networks"),
        [one] => one.to_string(),
        all => format!("{} peers", all.len()),
    };
    let ports = match &rule.ports {
        Ports::Of(list) if list.len() > 3 => String::from("several ports"),
        other => other.to_string(),
    };
    let place = match rule.transports.as_slice() {
        [Transport::Other(number)] => format!("by IP protocol {number}"),
        transports => {
            let transports: Vec<String> = transports.iter().map(ToString::to_string).collect();
            format!("on {ports}/{}", transports.join("+"))
        }
    };
    match (draft.section, rule.way) {
        (Section::Attempt, _) if draft.views.is_empty() => {
            String::from("Nobody opens a connection to the device")
        }
        (Section::Attempt, Some(Way::In)) => {
            format!("From {peers} {place}: tried by others, in vain")
        }
        (Section::Attempt, _) => format!("{peers} {place}: tried, in vain"),
        (Section::Inbound, _) => format!("From {peers} {place}"),
        _ => format!("{peers} {place}"),
    }
}

/// The lines of a comment: counts and times first, then whatever there is to know.
pub(super) fn comment(subject: &Subject<'_>, draft: &Draft) -> Vec<String> {
    let views: Vec<&View<'_>> = draft.views.iter().filter_map(|at| subject.views.get(*at)).collect();
    if views.is_empty() {
        return draft.remarks.iter().flat_map(|line| wrapped(line)).collect();
    }
    let mut lines = vec![counts(subject, draft, &views)];
    lines.extend(peers(&views, draft));
    lines.extend(draft.remarks.iter().cloned());
    if draft.section == Section::Attempt {
        lines.push(String::from(
            "attempted only: nothing is opened by this claim. If it is meant to work, make it `allowed` and take `blocked` away",
        ));
    }
    if let Some(evidence) = joined(&views) {
        lines.push(format!("seen in {}", frames(&evidence, subject.evidence.captures)));
    }
    lines.iter().flat_map(|line| wrapped(&printable(line))).collect()
}

fn counts(subject: &Subject<'_>, draft: &Draft, views: &[&View<'_>]) -> String {
    let count = views.len();
    let noun = if views.iter().all(|view| view.flow.tcp.is_some()) { "connection" } else { "flow" };
    let answered = views.iter().filter(|view| outcome::of(view).answered()).count();
    let refused = views.iter().filter(|view| outcome::of(view).refused()).count();
    let mut parts = Vec::new();
    if answered < count && answered > 0 {
        parts.push(format!("{answered} answered"));
    }
    if refused > 0 {
        parts.push(format!("{refused} refused"));
    }
    let how = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let first = views.iter().map(|view| view.flow.first.at).min().unwrap_or_default();
    let last = views.iter().map(|view| view.flow.last.at).max().unwrap_or_default();
    let sure = if draft.section == Section::Attempt {
        String::new()
    } else {
        format!("; confidence {}", confidence(subject, draft, views))
    };
    format!("{}{how}, first {}, last {}{sure}", counted(count as u64, noun), moment(first), moment(last))
}

/// How sure it is that the claim is what was meant: no surer than who opened it, what the peer is called, and how often it
/// was seen.
fn confidence(subject: &Subject<'_>, draft: &Draft, views: &[&View<'_>]) -> Confidence {
    let of = |view: &&View<'_>| {
        let name = match &draft.rule {
            Rule::Flow(rule) if rule.peers.iter().any(|peer| matches!(peer, Peer::Name(_))) => {
                view.name.confidence
            }
            _ if draft.section == Section::Unnamed => Confidence::Weak,
            _ => Confidence::Strong,
        };
        opener(view).unwrap_or(Confidence::Weak).min(name)
    };
    let best = views.iter().map(of).max().unwrap_or(Confidence::Weak);
    let often = if views.len() > 1 || draft.level == Level::Required {
        Confidence::Strong
    } else {
        Confidence::Probable
    };
    best.min(often).min(subject.absence)
}

/// Where names came from and which addresses they had, or which names an address may have.
fn peers(views: &[&View<'_>], draft: &Draft) -> Vec<String> {
    let mut lines = Vec::new();
    let sources: BTreeSet<NameSource> =
        views.iter().filter(|view| name_of(view).is_some()).map(|view| view.name.source).collect();
    let addresses: BTreeSet<IpAddr> =
        views.iter().filter(|view| !view.through_proxy).map(|view| view.peer).collect();
    match draft.section {
        Section::Named => {
            let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
            // Behind a proxy only that knows the address.
            let at = if addresses.is_empty() { String::new() } else { format!("; at {}", some(&addresses)) };
            lines.push(format!("name by {}{at}", sources.join(", ")));
            let best: BTreeSet<&str> = views.iter().filter_map(|view| name_of(view)).collect();
            let others: BTreeSet<String> = views
                .iter()
                .filter(|view| view.name.confidence < Confidence::Strong)
                .flat_map(|view| view.name.candidates.iter())
                .filter(|name| !best.contains(name.as_str()))
                .cloned()
                .collect();
            if !others.is_empty() {
                lines.push(format!("other names lead there too, and may be meant: {}", some(&others)));
            }
        }
        Section::Unnamed => {
            let said: BTreeSet<String> = views.iter().filter_map(|view| view.name.name.clone()).collect();
            lines.push(if said.is_empty() {
                String::from("no name led here")
            } else {
                format!("no name that a profile can hold led here, but {}", some(&said))
            });
        }
        Section::Inbound | Section::Attempt | Section::Near | Section::Proxy => {
            let called: BTreeSet<String> = views
                .iter()
                .filter_map(|view| Some(format!("{} is {}", view.peer, name_of(view)?)))
                .collect();
            // Where the claim names no address, or not theirs.
            let unsaid = |rule: &FlowRule| rule.peers.is_empty() || rule.peers == [Peer::Local];
            if matches!(&draft.rule, Rule::Flow(rule) if unsaid(rule)) {
                let from = if views.iter().any(|view| view.by_device) { "to" } else { "from" };
                lines.push(format!("{from} {}", some(&addresses)));
            }
            if !called.is_empty() {
                lines.push(some(&called));
            }
        }
    }
    lines.extend(beginnings(views));
    lines
}

/// Of which connections the beginning is missing, and what tells who opened them.
fn beginnings(views: &[&View<'_>]) -> Option<String> {
    let missing = |view: &&&View<'_>| {
        let midstream = view.flow.tcp.as_deref().is_some_and(|tcp| tcp.midstream);
        midstream && view.flow.roles != RoleBasis::Syn
    };
    let bases: BTreeSet<RoleBasis> = views.iter().filter(missing).map(|view| view.flow.roles).collect();
    let by_port = [RoleBasis::Port, RoleBasis::PortAlone].iter().any(|basis| bases.contains(basis));
    let tell = match (bases.contains(&RoleBasis::Protocol), by_port) {
        (true, true) => "content or ports tell",
        (true, false) => "content tells",
        _ => "ports tell",
    };
    let count = views.iter().filter(missing).count();
    (count > 0).then(|| {
        let them = if count == 1 { "it" } else { "them" };
        format!("the beginning of {count} of {} was not captured: {tell} who opened {them}", views.len())
    })
}

/// Some values, and how many more.
pub(super) fn some<T: ToString>(values: &BTreeSet<T>) -> String {
    let told: Vec<String> = values.iter().take(TOLD).map(T::to_string).collect();
    match values.len().saturating_sub(told.len()) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// The evidence of several flows.
pub(super) fn joined(views: &[&View<'_>]) -> Option<Evidence> {
    let mut all = views.iter().map(|view| flow_evidence(view.flow));
    let mut sum = all.next()?;
    all.for_each(|one| sum.merge(&one));
    Some(sum)
}

/// `capture.pcap#17,18,42`, as in the discrepancy table.
pub(super) fn frames(evidence: &Evidence, captures: &[CaptureInfo]) -> String {
    let mut by_capture: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for frame in evidence.frames() {
        by_capture.entry(frame.capture().0).or_default().push(frame.no().0.to_string());
    }
    let name = |id: u32| {
        let known = captures.iter().find(|capture| capture.id.0 == id);
        known.map_or_else(|| format!("capture-{id}"), |capture| capture.name.clone())
    };
    let parts: Vec<String> =
        by_capture.into_iter().map(|(id, numbers)| format!("{}#{}", name(id), numbers.join(","))).collect();
    parts.join(" ")
}

/// `2026-11-21T00:03:00Z`.
pub(super) fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// `under 1 s`, `12 s`, `5 min`, `1.5 h`.
pub(super) fn span_text(span: Duration) -> String {
    let seconds = span.as_secs_f64().round() as u64;
    match seconds {
        0 => String::from("under 1 s"),
        1..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", (seconds + 30) / 60),
        7_200..=172_799 => format!("{:.1} h", span.as_secs_f64() / 3_600.0),
        _ => format!("{:.1} d", span.as_secs_f64() / 86_400.0),
    }
}

/// A text in lines of comments; the first of several begins it, the others are indented.
pub(super) fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, String::from("  ")));
        } else if !line.is_empty() && line != "  " {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
