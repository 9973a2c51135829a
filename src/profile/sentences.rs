//! A bound profile in plain sentences, grouped as the administrator of a firewall thinks: outward, inward,
//! infrastructure, forbidden, what binds others, what packets cannot show.

use std::fmt::Write;
use std::time::Duration;

use super::schema::{ANYONE, TLS_VERSIONS};
use super::{
    BoundClaim, Claim, ClaimState, Declaration, FlowRule, Level, LifetimeRule, Peer, Ports, Profile,
    ProxyRule, Rule, Source, TlsRule, tls_policy, value,
};
use crate::model::Transport;
use crate::model::finding::Way;
use crate::model::text::printable;

/// Longest line of running text.
const WIDTH: usize = 100;
/// Where text below an id begins.
const INDENT: usize = 10;

/// The whole profile, as it is bound. Fit for a terminal: nothing in it but text and line breaks.
pub fn sentences(declaration: &Declaration) -> String {
    let profile = &declaration.profile;
    let mut out = Page(String::new());
    out.line(&format!("{} ({})", profile.title, profile.name));
    head(&mut out, declaration);
    for group in Group::ALL {
        let members: Vec<(usize, &BoundClaim)> =
            declaration.claims.iter().enumerate().filter(|(_, bound)| Group::of(bound) == group).collect();
        let infrastructure = group == Group::Infrastructure && !profile.baseline.is_empty();
        if members.is_empty() && !infrastructure {
            continue;
        }
        out.title(&group.title(&declaration.subject), members.len());
        if infrastructure {
            out.line("");
            let items: Vec<String> = profile.baseline.iter().map(ToString::to_string).collect();
            out.below(&format!("Baseline, needed by any device of this kind: {}.", items.join(", ")));
        }
        for (at, bound) in members {
            out.claim(bound, &declaration.subject, profile.excepts(at).is_some());
        }
    }
    if !profile.not_checkable.is_empty() {
        out.title("Not checkable: packets cannot show it", profile.not_checkable.len());
    }
    for statement in &profile.not_checkable {
        out.entry(&statement.id, &statement.title);
        out.below(&format!("Because: {}.", statement.reason));
        out.source(&statement.source);
    }
    if !profile.contradictions.is_empty() {
        out.title("The document contradicts itself", profile.contradictions.len());
    }
    for contradiction in &profile.contradictions {
        out.line("");
        out.line(&format!("  {}", contradiction.claims.join(", ")));
        out.below(&format!("{}.", capital(&contradiction.note)));
    }
    out.0
}

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Outbound,
    Inbound,
    Infrastructure,
    Forbidden,
    Compared,
    Others,
    Inactive,
}

impl Group {
    const ALL: [Self; 7] = [
        Self::Outbound,
        Self::Inbound,
        Self::Infrastructure,
        Self::Forbidden,
        Self::Compared,
        Self::Others,
        Self::Inactive,
    ];

    fn of(bound: &BoundClaim) -> Self {
        match &bound.state {
            ClaimState::OtherSubject => return Self::Others,
            ClaimState::Inactive(_) => return Self::Inactive,
            ClaimState::Active | ClaimState::Noted(_) | ClaimState::Unbound(_) => {}
        }
        match (&bound.claim.rule, bound.claim.level) {
            (Rule::Proxy(ProxyRule::Forbidden), _) | (_, Level::Forbidden) => Self::Forbidden,
            (Rule::Proxy(_), _) => Self::Outbound,
            (Rule::Flow(rule), Level::Required | Level::Allowed) => match rule.way {
                Some(Way::Out) => Self::Outbound,
                Some(Way::In) => Self::Inbound,
                Some(Way::Local) | None => Self::Infrastructure,
            },
            _ => Self::Compared,
        }
    }

    /// Its title, where what binds `subject` is shown.
    fn title(self, subject: &str) -> String {
        let title = match self {
            Self::Outbound => return format!("Outbound: the {subject} opens the connection"),
            Self::Others => return format!("Binds somebody other than the {subject}"),
            Self::Inbound => "Inbound: somebody else opens the connection",
            Self::Infrastructure => "Infrastructure and local traffic",
            Self::Forbidden => "Forbidden",
            Self::Compared => "Compared, and never worse than worth knowing",
            Self::Inactive => "Does not apply as it is bound",
        };
        title.to_owned()
    }
}

/// The text so far.
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.0, "{}", printable(text));
    }

    fn title(&mut self, text: &str, count: usize) {
        let count = if count == 0 { String::new() } else { format!(" ({count})") };
        self.line("");
        self.line(&format!("{text}{count}"));
    }

    fn entry(&mut self, id: &str, title: &str) {
        self.line("");
        self.line(&format!("  {id:<8}{title}"));
    }

    /// Running text, broken between words.
    fn below(&mut self, text: &str) {
        let mut line = " ".repeat(INDENT);
        let mut length = INDENT;
        for word in text.split_whitespace() {
            let word = printable(word);
            let size = word.chars().count();
            if length > INDENT && length.saturating_add(size) >= WIDTH {
                let _ = writeln!(self.0, "{}", line.trim_end());
                line.truncate(INDENT);
                length = INDENT;
            }
            line.push_str(&word);
            line.push(' ');
            length = length.saturating_add(size).saturating_add(1);
        }
        let _ = writeln!(self.0, "{}", line.trim_end());
    }

    fn claim(&mut self, bound: &BoundClaim, subject: &str, but: bool) {
        let claim = &bound.claim;
        self.entry(&claim.id, &claim.title);
        let mut text = statement(claim, subject, but);
        if claim.subject == ANYONE {
            text.push_str(" This binds every subject.");
        }
        match &bound.state {
            ClaimState::Inactive(why) => {
                let _ = write!(text, " Does not apply: {why}.");
            }
            ClaimState::Noted(note) => {
                let _ = write!(text, " Noted: {note}.");
            }
            ClaimState::Unbound(name) => {
                let _ = write!(text, " Not decided until `{name}` is bound.");
            }
            ClaimState::Active | ClaimState::OtherSubject => {}
        }
        let conditions: Vec<String> = claim.when.iter().map(ToString::to_string).collect();
        if !conditions.is_empty() {
            let _ = write!(text, " When {}.", conditions.join(" and "));
        }
        if let Some(severity) = claim.severity {
            let _ = write!(text, " Findings have the severity {severity}.");
        }
        self.below(&text);
        self.source(&claim.source);
    }

    fn source(&mut self, source: &Source) {
        if source.quote.is_empty() {
            return;
        }
        let reviewed = source.reviewed.as_ref().map_or(String::new(), |date| format!(", {date}"));
        self.below(&format!("\u{201c}{}\u{201d} ({}{reviewed})", source.quote, source.place));
    }
}

fn head(out: &mut Page, declaration: &Declaration) {
    let profile = &declaration.profile;
    let mut row = |name: &str, text: &str| {
        if !text.is_empty() {
            out.line(&format!("  {name:<14}{text}"));
        }
    };
    row("document", &profile.document);
    row("reviewed", profile.reviewed.as_deref().unwrap_or_default());
    row("read from", &profile.origin);
    row("recognised by", &recognised_by(profile));
    row("TLS policy", &profile.tls_policy);
    for subject in &profile.subjects {
        let help = if subject.help.is_empty() { String::new() } else { format!(": {}", subject.help) };
        row("subject", &format!("{}{help}", subject.name));
    }
    for group in &profile.variants {
        let chosen =
            group.options.iter().find(|option| declaration.variant.split('+').any(|bound| bound == *option));
        let chosen = chosen.map_or("not chosen".to_owned(), |option| format!("taken: {option}"));
        row("variant", &format!("{}: {} ({chosen})", group.name, group.options.join(" | ")));
    }
    for parameter in &profile.parameters {
        let value = match declaration.values.get(&parameter.name) {
            Some(value) if parameter.default.as_ref() == Some(value) => format!("default {value}"),
            Some(value) => format!("set to {value}"),
            None => "not set".to_owned(),
        };
        row("parameter", &format!("{} ({}, {value}): {}", parameter.name, parameter.kind, parameter.help));
    }
}

fn recognised_by(profile: &Profile) -> String {
    let identify = &profile.identify;
    let mut parts = Vec::new();
    let mut part = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            parts.push(format!("{name} {}", values.join(", ")));
        }
    };
    part("DHCP host name", identify.dhcp_host_names.clone());
    part("DHCP vendor class", identify.dhcp_vendor_classes.clone());
    part("MUD URL", identify.mud_urls.clone());
    part("MAC address", identify.ouis.iter().map(|[a, b, c]| format!("{a:02x}:{b:02x}:{c:02x}")).collect());
    part("the name", identify.names.iter().map(ToString::to_string).collect());
    part("port", identify.ports.iter().map(ToString::to_string).collect());
    parts.join("; ")
}

/// What a claim says, in full sentences; `but` says that its ports are all but those of a parameter, while that is
/// not bound.
fn statement(claim: &Claim, subject: &str, but: bool) -> String {
    match &claim.rule {
        Rule::Flow(rule) => {
            let mut text = opening(claim, rule, subject, but);
            terms(&mut text, rule);
            text
        }
        Rule::Proxy(ProxyRule::Required) => {
            "Every connection that leaves the LAN must go through a proxy (HTTP CONNECT or SOCKS).".to_owned()
        }
        Rule::Proxy(ProxyRule::Allowed) => {
            "The device may connect through a proxy (HTTP CONNECT or SOCKS).".to_owned()
        }
        Rule::Proxy(ProxyRule::Forbidden) => {
            "The device must not connect through a proxy (HTTP CONNECT or SOCKS).".to_owned()
        }
        other => format!("{} ({}).", capital(&other.to_string()), claim.level),
    }
}

/// Who may, must or must not open which connection.
fn opening(claim: &Claim, rule: &FlowRule, subject: &str, but: bool) -> String {
    let who = format!("the {}", if claim.subject == ANYONE { subject } else { &claim.subject });
    let peers = peers(rule, claim.level);
    let on = on(rule, but);
    let text = match (rule.way, claim.level) {
        (Some(Way::Out), Level::Required) => format!("{who} must be able to reach {peers}{on}"),
        (Some(Way::Out), Level::Allowed) => format!("{who} may connect to {peers}{on}"),
        (Some(Way::Out), Level::Forbidden) if rule.blocked => {
            format!("the network must give no answer when {who} tries {peers}{on}")
        }
        (Some(Way::Out), Level::Forbidden) => format!("{who} must not connect to {peers}{on}"),
        (Some(Way::In), Level::Required) => format!("{peers} must be able to reach {who}{on}"),
        (Some(Way::In), Level::Allowed) => format!("{peers} may connect to {who}{on}"),
        (Some(Way::In), Level::Forbidden) if rule.peers.is_empty() => {
            format!("no connection to {who}{on} may succeed")
        }
        (Some(Way::In), Level::Forbidden) => format!("no connection from {peers} to {who}{on} may succeed"),
        (Some(Way::Local), Level::Forbidden) => {
            format!("{who} and {peers} must not talk on {who}'s own networks{on}")
        }
        (Some(Way::Local), Level::Required) => {
            format!("{who} and {peers} must be able to talk on {who}'s own networks{on}")
        }
        (Some(Way::Local), _) => format!("{who} and {peers} may talk on {who}'s own networks{on}"),
        (None, Level::Forbidden) => format!("{who} and {peers} must not talk{on}, whoever begins"),
        (None, Level::Required) => format!("{who} and {peers} must be able to talk{on}, whoever begins"),
        (None, _) => format!("{who} and {peers} may talk{on}, whoever begins"),
        (Some(Way::Out), Level::Informational) => format!("worth comparing: {who} connects to {peers}{on}"),
        (Some(Way::In), Level::Informational) => format!("worth comparing: {peers} connect to {who}{on}"),
    };
    format!("{}.", capital(&text))
}

fn peers(rule: &FlowRule, level: Level) -> String {
    let one = |peer: &Peer| match peer {
        Peer::List(set) if set.dated.is_empty() => format!("the peers that `{}` is set to", set.name),
        Peer::List(set) => format!("the addresses of the list {} (of {})", set.name, set.dated),
        Peer::Local => "its own networks".to_owned(),
        other => other.to_string(),
    };
    let names: Vec<String> = rule.peers.iter().map(one).collect();
    match names.as_slice() {
        [] => "anyone".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => {
            let listed = format!("{} or {last}", first.join(", "));
            match (level, rule.at_least) {
                (Level::Required, 1) => format!("{listed} (one of them is enough)"),
                (Level::Required, count) => format!("{listed} (at least {count} of them)"),
                _ => listed,
            }
        }
    }
}

/// ` on TCP port 443 (MQTT in TLS)`
fn on(rule: &FlowRule, but: bool) -> String {
    let transports: Vec<String> =
        rule.transports.iter().map(|transport| transport_word(*transport)).collect();
    let transports = transports.join(" or ");
    let ports = match &rule.ports {
        Ports::Any if transports.is_empty() => String::new(),
        Ports::Any if rule.transports.iter().any(|t| matches!(t, Transport::Tcp | Transport::Udp)) => {
            format!(" on any {transports} port")
        }
        Ports::Any => format!(" by {transports}"),
        Ports::Of(ranges) => format!(" on {transports} {}", ranges_words(ranges)),
        Ports::Except(ranges) => format!(" on any {transports} port but {}", listed(ranges)),
        Ports::Fallback(ports) => {
            let words: Vec<String> = ports.iter().map(u16::to_string).collect();
            format!(" on {transports} port {}", words.join(", else "))
        }
        Ports::Unbound(name) if but => {
            format!(" on any {transports} port but those that `{name}` is set to")
        }
        Ports::Unbound(name) => format!(" on the {transports} ports that `{name}` is set to"),
    };
    let services: Vec<String> = rule.services.iter().map(|chain| spoken(chain)).collect();
    if services.is_empty() { ports } else { format!("{ports} ({})", services.join(" or ")) }
}

fn transport_word(transport: Transport) -> String {
    match transport {
        Transport::Other(number) => match value::ip_protocol_word(number) {
            word if word.parse::<u8>().is_ok() => format!("IP protocol {word}"),
            word => word.to_uppercase(),
        },
        other => other.to_string().to_uppercase(),
    }
}

fn ranges_words(ranges: &[(u16, u16)]) -> String {
    let one = matches!(ranges, [(low, high)] if low == high);
    format!("{} {}", if one { "port" } else { "ports" }, listed(ranges))
}

fn listed(ranges: &[(u16, u16)]) -> String {
    let word =
        |(low, high): &(u16, u16)| if low == high { low.to_string() } else { format!("{low} to {high}") };
    let words: Vec<String> = ranges.iter().map(word).collect();
    match words.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}

/// `tls/mqtt` as people say it: MQTT in TLS.
fn spoken(chain: &str) -> String {
    let word = |word: &str| match word {
        "websocket" => "WebSocket".to_owned(),
        "modbus" => "Modbus".to_owned(),
        "bacnet" => "BACnet".to_owned(),
        other => other.to_uppercase(),
    };
    chain.split('/').rev().map(word).collect::<Vec<_>>().join(" in ")
}

/// What must hold for the connection, each in a sentence.
fn terms(text: &mut String, rule: &FlowRule) {
    if rule.encrypted {
        text.push_str(" All of it is encrypted.");
    }
    if rule.websocket {
        text.push_str(" Upgrades to WebSocket must succeed.");
    }
    if let Some(tls) = &rule.tls {
        tls_terms(text, tls);
    }
    if let Some(life) = rule.lifetime {
        life_terms(text, life);
    }
    if let Some(time) = rule.keep_alive_max {
        let _ = write!(text, " The keep alive that it announces is at most {}.", seconds(time));
    }
}

fn tls_terms(text: &mut String, tls: &TlsRule) {
    let version =
        |code: u16| TLS_VERSIONS.iter().find(|(_, known)| *known == code).map_or("?", |(word, _)| word);
    match (tls.min_version, tls.max_version) {
        (Some(min), None) => drop(write!(text, " At least {}.", version(min))),
        (None, Some(max)) => drop(write!(text, " At most {}.", version(max))),
        (Some(min), Some(max)) => drop(write!(text, " From {} to {}.", version(min), version(max))),
        (None, None) => {}
    }
    let suites: Vec<String> = tls
        .suites
        .iter()
        .map(|code| tls_policy::suite(*code).map_or(format!("0x{code:04X}"), |suite| suite.name.to_owned()))
        .collect();
    let bits = tls.min_rsa_bits.map(|bits| format!("of at least {bits} bits"));
    for (what, values) in [
        ("Cipher suite:", suites),
        ("RSA keys", bits.into_iter().collect()),
        ("Certificates signed with", tls.signatures.clone()),
        ("Certificates issued by", tls.issuers.clone()),
        ("Server key:", tls.pins.clone()),
        ("Application protocol:", tls.alpn.clone()),
    ] {
        if !values.is_empty() {
            let _ = write!(text, " {what} {}.", values.join(" or "));
        }
    }
    if tls.mutual {
        text.push_str(" Both sides show certificates.");
    }
    if let Some(policy) = &tls.policy {
        let _ = write!(text, " Judged by the TLS policy {policy}.");
    }
}

fn life_terms(text: &mut String, life: LifetimeRule) {
    if life.long_running {
        text.push_str(" It stays open: nobody on the path may cut it.");
    }
    for (what, time) in [
        ("It lasts at least", life.min),
        ("It lasts at most", life.max),
        ("It is closed after its last data within", life.max_idle_tail),
    ] {
        if let Some(time) = time {
            let _ = write!(text, " {what} {}.", seconds(time));
        }
    }
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    match rest.next() {
        // A name of the network keeps its case.
        Some(first) if !text.split(' ').next().unwrap_or_default().contains(['.', ':']) => {
            first.to_uppercase().chain(rest).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{bind, builtin, load};
    use super::*;

    fn declaration(name: &str) -> Declaration {
        bind::bind(&Arc::new(builtin::open(name).unwrap()), &[], &[]).unwrap()
    }

    fn said(declaration: &Declaration, id: &str) -> String {
        let at = declaration.claims.iter().position(|bound| bound.claim.id == id).unwrap();
        statement(
            &declaration.claims[at].claim,
            &declaration.subject,
            declaration.profile.excepts(at).is_some(),
        )
    }

    #[test]
    fn a_claim_is_a_sentence() {
        let farmbot = declaration("farmbot");
        assert_eq!(
            said(&farmbot, "FB-01"),
            "The device must be able to reach my.farm.bot or my.farmbot.io (one of them is enough) on TCP port 443 (TLS). \
             All of it is encrypted."
        );
        assert_eq!(said(&farmbot, "FB-21"), "Anyone may connect to the device on TCP port 22 (SSH).");
        let imp = declaration("electric-imp");
        assert_eq!(
            said(&imp, "EI-04"),
            "The device must be able to reach anyone on TCP port 31314, else 993, else 443 (TLS)."
        );
        assert_eq!(said(&imp, "EI-01"), "No connection to the device on any TCP port may succeed.");
        assert_eq!(said(&imp, "EI-02"), "The device must not connect to agent.electricimp.com.");
        assert!(
            said(&declaration("smartserver"), "SS-22").contains("must not talk on UDP ports 1628 to 1629")
        );
        assert!(
            said(&declaration("fortrabbit"), "FR-01b").starts_with("The network must give no answer when")
        );
    }

    #[test]
    fn every_statement_is_there_once_and_lines_fit() {
        for name in builtin::names() {
            let declaration = declaration(name);
            let text = sentences(&declaration);
            let ids = declaration.claims.iter().map(|bound| (&bound.claim.id, &bound.claim.title));
            let statements = declaration.profile.not_checkable.iter().map(|other| (&other.id, &other.title));
            for (id, title) in ids.chain(statements) {
                assert_eq!(text.matches(&format!("\n  {id:<8}{title}\n")).count(), 1, "{name} {id}");
            }
            let claims = text.split_once("\nOutbound").unwrap().1;
            assert!(claims.lines().all(|line| line.chars().count() <= 120), "{name}");
        }
    }

    #[test]
    fn groups_are_those_of_a_firewall() {
        let text = sentences(&declaration("smartserver"));
        let place = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"));
        assert!(place("\nOutbound") < place("  SS-03 ") && place("  SS-03 ") < place("\nInbound"));
        assert!(place("\nInbound") < place("  SS-01 ") && place("  SS-01 ") < place("\nInfrastructure"));
        assert!(place("\nForbidden") < place("  SS-22 "));
        assert!(
            place("\nDoes not apply") < place("  SS-21 ") && place("  SS-21 ") < place("\nNot checkable")
        );
    }

    #[test]
    fn a_hostile_profile_is_only_text() {
        let text = "version: 1\nprofile: a\ntitle: \"\\e[2J\\u202e\"\nclaims:\n  \
                    - {id: A, title: \"t\\rx\\x07\", quote: \"q\\e]0;x\\a\", source: \"\\u2028x\", allowed: {in: anyone}}\n";
        let profile = load::from_str(text, "a\u{1b}.yaml").unwrap();
        let shown = sentences(&bind::bind(&Arc::new(profile), &[], &[]).unwrap());
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        assert!(!shown.contains(['\u{202e}', '\u{2028}']), "{shown:?}");
    }
}
