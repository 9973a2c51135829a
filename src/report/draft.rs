//! Waivers drafted from findings, as YAML for people to fill in.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::View;
use super::cell::Cell;
use super::diff::without_measurements;
use super::findings::{finding_id, message};
use crate::model::finding::Finding;
use crate::model::{Date, text};

/// One waiver for each of `findings`, as narrow as the identity of its row: a measurement in the observed value is left
/// open, for it is another one in the next capture. `reason` and `owner` are empty, with which no file is read. `known`
/// are the ids of waivers that are there already.
pub fn waivers(findings: &[&Finding], view: &View<'_>, expires: Date, known: &BTreeSet<&str>) -> String {
    let mut out = String::from(HEADER);
    let mut used: BTreeSet<String> = known.iter().map(|id| (*id).to_owned()).collect();
    for finding in findings {
        let id = finding_id(finding);
        let name = fresh(&id, &mut used);
        out.push('\n');
        comment(&mut out, &message(finding));
        comment(&mut out, &particulars(finding, view));
        let _ = write!(out, "  - id: {name}\n    match:\n{}", keys(finding, &id));
        let _ = write!(out, "    reason: \"\"\n    owner: \"\"\n    expires: {expires}\n");
    }
    out
}

const HEADER: &str = "\
# Drafted by wireclaim from the findings that reach the gate. A waiver lowers the findings that it covers to `info`, so
# that they fail no run, through the day `expires` (UTC). Fill in `reason` and `owner` of those that are to be accepted
# and delete the others: with one that is empty the file is refused. What `match` does not name is not asked for.
version: 1
waivers:
";

/// Lines of comment, of which none is long unless a word is. The text holds no line end: it is fit to be shown.
fn comment(out: &mut String, text: &str) {
    const HEAD: &str = "  #";
    let mut line = String::from(HEAD);
    for word in text.split(' ') {
        if line.len() > HEAD.len() && line.len() + word.len() >= MAX_LINE {
            out.extend([line.trim_end(), "\n"]);
            line = String::from(HEAD);
        }
        line.extend([" ", word]);
    }
    out.extend([line.trim_end(), "\n"]);
}

/// Bytes of a line of comment.
const MAX_LINE: usize = 110;

/// An id of which there is none yet: the finding's first half, the whole, the whole with a number.
fn fresh(id: &str, used: &mut BTreeSet<String>) -> String {
    let short = id.get(..8).unwrap_or(id);
    let tries = [format!("W-{short}"), format!("W-{id}")];
    let numbered = (2..).map(|n: u64| format!("W-{id}-{n}"));
    let name = tries.into_iter().chain(numbered).find(|name| !used.contains(name)).unwrap_or_default();
    used.insert(name.clone());
    name
}

/// `error, strong; finding 48b695f2081c18c4; capture.pcap#173,174`.
fn particulars(finding: &Finding, view: &View<'_>) -> String {
    let severity = finding.severity.map(|severity| format!("{severity}, ")).unwrap_or_default();
    let mut out = format!("{severity}{}; finding {}", finding.confidence, finding_id(finding));
    if let Some(evidence) = &finding.evidence
        && let Some(frames) = Cell::frames(evidence, view.captures).text()
    {
        let _ = write!(out, "; {frames}");
    }
    out
}

/// The keys of `match`.
fn keys(finding: &Finding, id: &str) -> String {
    let mut out = String::new();
    let mut key = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "      {name}: {value}");
        }
    };
    key("code", finding.code);
    key("profile", &quoted(&finding.profile));
    key("claim", &quoted(&finding.claim));
    key("device", &quoted(&finding.device.key));
    let peer = peer(finding);
    key("peer", &quoted(peer.as_deref().unwrap_or_default()));
    let shown = |value: Option<String>| value.unwrap_or_default();
    key("port", &shown(finding.port.filter(|port| *port > 0).map(|port| port.to_string())));
    key("transport", &shown(finding.transport.map(|transport| transport.to_string())));
    key("direction", &shown(finding.way.map(|way| way.to_string())));
    let observed = text::printable(&finding.observed);
    key("observed", &quoted(&without_measurements(&observed).unwrap_or(observed)));
    // A name that no waiver can spell would leave the peer open.
    if peer.is_none() && !finding.peer_name.is_empty() {
        key("finding_id", &quoted(id));
    }
    out
}

/// The peer as a waiver spells it: its name, else its address; `None` where it has neither, or a name that is none.
fn peer(finding: &Finding) -> Option<String> {
    if finding.peer_name.is_empty() {
        return finding.peer_ip.map(|ip| ip.to_string());
    }
    let name = finding.peer_name.trim_end_matches('.');
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let spelt = name.len() <= 253
        && name.split('.').all(label)
        && name.bytes().any(|byte| byte.is_ascii_alphabetic())
        && name.parse::<IpAddr>().is_err();
    spelt.then(|| name.to_owned())
}

/// A double-quoted YAML scalar: what JSON writes of text without control characters is one. Nothing of nothing.
fn quoted(value: &str) -> String {
    let value = text::printable(value);
    match value.trim() {
        "" => String::new(),
        value => serde_json::Value::from(value).to_string(),
    }
}
