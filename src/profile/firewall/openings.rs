//! What to ask the administrator of a firewall for, and every claim on one line: rows for tables.

use std::collections::HashMap;

use super::super::bind::DEVICE;
use super::super::{Baseline, BoundClaim, ClaimState, Declaration, FlowRule, Level, Ports, Profile, Rule};
use crate::model::finding::Way;

/// One opening that a device needs or may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Id of the claim; `baseline` for infrastructure.
    pub claim: String,
    /// Who opens the connection.
    pub source: String,
    /// To whom; `any` for anybody.
    pub destination: String,
    /// `tcp`, `udp`, …; `any`.
    pub transport: String,
    /// `443`, `8000 to 8010` (which no spreadsheet takes for a number or a date), `any`.
    pub port: String,
    /// Protocols by content.
    pub protocol: String,
    /// Whether the device does not work without it.
    pub required: bool,
    /// What it depends on, and what is not bound; empty where it is needed as things are.
    pub condition: String,
    /// In which order ports are tried, how many of several peers are enough, whether both directions are meant.
    pub note: String,
    /// The sentence that it comes from, else the claim's title.
    pub reason: String,
    /// Where in the document.
    pub place: String,
    /// The document.
    pub document: String,
    /// Its date.
    pub reviewed: String,
}

/// A claim on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRow {
    /// Its id.
    pub claim: String,
    /// `out`, `in`, `local`, `either`; empty where it is not about flows.
    pub direction: String,
    /// `tcp`, `tcp+udp`; `any`.
    pub transport: String,
    /// As in messages: `31314>993>443`.
    pub port: String,
    /// The other end, or what is said.
    pub peer: String,
    /// `required`, …
    pub level: String,
    /// Whether encryption is declared, and by what: `yes`, `tls`, empty.
    pub encrypted: String,
    /// Whether and when it applies.
    pub when: String,
}

/// Every opening, in the order of the file, infrastructure last; one row for each pair of peers, transport and range.
pub fn openings(declaration: &Declaration) -> Vec<Opening> {
    let mut out = Vec::new();
    for (at, bound) in declaration.claims.iter().enumerate() {
        let Rule::Flow(rule) = &bound.claim.rule else { continue };
        let opens = matches!(bound.claim.level, Level::Required | Level::Allowed);
        if !opens || matches!(bound.state, ClaimState::Inactive(_)) {
            continue;
        }
        let peers = match rule.peers.as_slice() {
            [] => vec!["any".to_owned()],
            peers => peers.iter().map(ToString::to_string).collect(),
        };
        for peer in peers {
            for transport in transports(rule) {
                for port in ports(&rule.ports, declaration.profile.excepts(at).is_some()) {
                    out.push(opening(declaration, bound, rule, &peer, &transport, port));
                }
            }
        }
    }
    for item in &declaration.profile.baseline {
        out.extend(infrastructure(&declaration.profile, *item));
    }
    united(out)
}

/// One row for what several claims say of the same opening: required where one of them requires it, with the sentence of
/// that one, and free of conditions where one of them is.
fn united(rows: Vec<Opening>) -> Vec<Opening> {
    let mut out: Vec<Opening> = Vec::with_capacity(rows.len());
    let mut known: HashMap<[String; 4], usize> = HashMap::new();
    for row in rows {
        let key = [&row.source, &row.destination, &row.transport, &row.port].map(String::clone);
        let Some(first) = known.get(&key).and_then(|at| out.get_mut(*at)) else {
            known.insert(key, out.len());
            out.push(row);
            continue;
        };
        first.claim = format!("{}, {}", first.claim, row.claim);
        add(&mut first.protocol, &row.protocol, " or ");
        add(&mut first.note, &row.note, "; ");
        if row.required && !first.required {
            let Opening { reason, place, document, reviewed, .. } = row;
            *first = Opening { required: true, reason, place, document, reviewed, ..first.clone() };
        }
        if first.condition != row.condition {
            first.condition = match (first.condition.as_str(), row.condition.as_str()) {
                ("", _) | (_, "") => String::new(),
                (a, b) => format!("{a} / {b}"),
            };
        }
    }
    out
}

/// Adds to a list in words what is not in it.
fn add(list: &mut String, more: &str, joint: &str) {
    for word in more.split(joint).filter(|word| !word.is_empty()) {
        if !list.split(joint).any(|known| known == word) {
            if !list.is_empty() {
                list.push_str(joint);
            }
            list.push_str(word);
        }
    }
}

fn opening(
    declaration: &Declaration,
    bound: &BoundClaim,
    rule: &FlowRule,
    peer: &str,
    transport: &str,
    port: String,
) -> Opening {
    let (profile, claim) = (&declaration.profile, &bound.claim);
    let who = match &bound.state {
        ClaimState::OtherSubject => claim.subject.clone(),
        _ if declaration.subject != DEVICE => declaration.subject.clone(),
        _ => profile.title.clone(),
    };
    let (source, destination) = match rule.way {
        Some(Way::In) => (peer.to_owned(), who),
        _ => (who, peer.to_owned()),
    };
    // What is met by what is bound is no condition any more.
    let condition = when(bound).filter(|_| bound.state != ClaimState::Active);
    let mut notes = Vec::new();
    if matches!(rule.way, None | Some(Way::Local)) {
        notes.push("in both directions".to_owned());
    }
    if let Ports::Fallback(ports) = &rule.ports {
        let order: Vec<String> = ports.iter().map(u16::to_string).collect();
        notes.push(format!("tried in this order: {}", order.join(", then ")));
    }
    if rule.peers.len() > 1 && claim.level == Level::Required && rule.at_least < rule.peers.len() {
        notes.push(format!("at least {} of {} peers", rule.at_least, rule.peers.len()));
    }
    Opening {
        claim: claim.id.clone(),
        source,
        destination,
        transport: transport.to_owned(),
        port,
        protocol: rule.services.join(" or "),
        required: claim.level == Level::Required,
        condition: condition.unwrap_or_default(),
        note: notes.join("; "),
        reason: if claim.source.quote.is_empty() { claim.title.clone() } else { claim.source.quote.clone() },
        place: claim.source.place.clone(),
        document: profile.document.clone(),
        reviewed: claim.source.reviewed.clone().or_else(|| profile.reviewed.clone()).unwrap_or_default(),
    }
}

/// What the device needs of the network itself, where a firewall may stand in between.
fn infrastructure(profile: &Profile, item: Baseline) -> Vec<Opening> {
    let (destination, transports, port): (&str, &[&str], &str) = match item {
        Baseline::Dns => ("the resolvers", &["udp", "tcp"], "53"),
        Baseline::Dhcp => ("the DHCP servers", &["udp"], "67"),
        _ => return Vec::new(),
    };
    let one = |transport: &&str| Opening {
        claim: "baseline".to_owned(),
        source: profile.title.clone(),
        destination: destination.to_owned(),
        transport: (*transport).to_owned(),
        port: port.to_owned(),
        protocol: item.to_string(),
        required: true,
        condition: String::new(),
        note: String::new(),
        reason: "infrastructure that any device of this kind uses".to_owned(),
        place: String::new(),
        document: String::new(),
        reviewed: String::new(),
    };
    transports.iter().map(one).collect()
}

/// Every claim, in the order of the file.
pub fn claim_rows(declaration: &Declaration) -> Vec<ClaimRow> {
    let rows = declaration.claims.iter().enumerate();
    rows.map(|(at, bound)| row(bound, declaration.profile.excepts(at).is_some())).collect()
}

fn row(bound: &BoundClaim, but: bool) -> ClaimRow {
    let claim = &bound.claim;
    let mut row = ClaimRow {
        claim: claim.id.clone(),
        direction: String::new(),
        transport: String::new(),
        port: String::new(),
        peer: claim.rule.to_string(),
        level: claim.level.to_string(),
        encrypted: String::new(),
        when: when(bound).unwrap_or_default(),
    };
    if let Rule::Flow(rule) = &claim.rule {
        row.direction = rule.way.map_or("either".to_owned(), |way| way.to_string());
        row.transport = transports(rule).join("+");
        let unbound = matches!(rule.ports, Ports::Unbound(_));
        row.port = if unbound && but { format!("any but {}", rule.ports) } else { rule.ports.to_string() };
        let peers: Vec<String> = rule.peers.iter().map(ToString::to_string).collect();
        row.peer = if peers.is_empty() { "anyone".to_owned() } else { peers.join(", ") };
        let inside =
            |chain: &String| matches!(chain.split('/').next(), Some("tls" | "dtls" | "quic" | "ssh"));
        row.encrypted = match () {
            () if rule.encrypted => "yes".to_owned(),
            () if !rule.services.is_empty() && rule.services.iter().all(inside) => "yes".to_owned(),
            () if rule.tls.is_some() => "tls".to_owned(),
            () => String::new(),
        };
        if !rule.services.is_empty() {
            row.transport = format!("{} ({})", row.transport, rule.services.join(", "));
        }
    }
    row
}

/// Whether and when a claim applies; nothing where it simply does.
fn when(bound: &BoundClaim) -> Option<String> {
    let conditions: Vec<String> = bound.claim.when.iter().map(ToString::to_string).collect();
    let conditions = conditions.join(", ");
    Some(match &bound.state {
        ClaimState::Active if conditions.is_empty() => return None,
        ClaimState::Active => conditions,
        ClaimState::Noted(note) => note.clone(),
        ClaimState::Unbound(name) if conditions.is_empty() => format!("not decided until `{name}` is bound"),
        ClaimState::Unbound(name) => format!("{conditions}: not decided until `{name}` is bound"),
        ClaimState::Inactive(why) => format!("does not apply: {why}"),
        ClaimState::OtherSubject => format!("binds the {}", bound.claim.subject),
    })
}

fn transports(rule: &FlowRule) -> Vec<String> {
    if rule.transports.is_empty() {
        return vec!["any".to_owned()];
    }
    rule.transports.iter().map(ToString::to_string).collect()
}

fn ports(ports: &Ports, but: bool) -> Vec<String> {
    let word =
        |(low, high): (u16, u16)| if low == high { low.to_string() } else { format!("{low} to {high}") };
    match ports {
        Ports::Any => vec!["any".to_owned()],
        Ports::Fallback(ports) => ports.iter().map(u16::to_string).collect(),
        Ports::Unbound(name) if but => vec![format!("all but those to be set: {name}")],
        Ports::Unbound(name) => vec![format!("to be set: {name}")],
        Ports::Of(_) | Ports::Except(_) => ports.ranges().unwrap_or_default().into_iter().map(word).collect(),
    }
}
