//! A bound profile as a firewall needs it: rules that can be pasted, and the openings to ask for.
//!
//! Rules stand in the order in which a firewall has to look at them so that the first that fits decides as a profile
//! does: the narrowest peer first, and what is forbidden before what is allowed. Names cannot be filtered: each is a set
//! or a variable that the administrator fills. What no firewall can tell (content, proxies, what is not bound) is
//! listed, not guessed.

mod nftables;
mod openings;
mod safe;
mod ufw;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use ipnet::IpNet;

use super::{
    BoundClaim, Claim, ClaimState, Declaration, FlowRule, Level, NamePattern, Peer, Ports, ProxyRule, Rule,
};
use crate::model::Transport;
use crate::model::finding::Way;

pub use nftables::nftables;
pub use openings::{ClaimRow, Opening, claim_rows, openings};
pub use ufw::ufw;

/// Everything that rules are written from.
struct Plan<'d> {
    /// In the order in which a firewall looks at them.
    rules: Vec<Planned<'d>>,
    /// Peers that the administrator fills in, and address lists.
    sets: Vec<Set>,
    /// What is in no rule, and why.
    left_out: Vec<(&'d Claim, String)>,
    /// Where a rule is that says the same of the same packets.
    known: HashMap<Likeness<'d>, usize>,
    /// Sets by what they stand for.
    known_sets: HashMap<String, usize>,
    /// Names that sets have.
    taken: HashSet<String>,
}

/// What two rules have in common that are one: direction, peer, transports, ports whatever their order (or the parameter
/// that is to fill them in), verdict, and what is not bound.
type Likeness<'d> = (
    (Option<Way>, Target, &'d [Transport], bool),
    (Option<Vec<(u16, u16)>>, Option<&'d str>, bool),
    (Option<&'d str>, Option<&'d str>),
);

/// A rule for one peer.
struct Planned<'d> {
    way: Option<Way>,
    target: Target,
    transports: &'d [Transport],
    ports: &'d Ports,
    deny: bool,
    /// The claims that say so.
    claims: Vec<&'d Claim>,
    /// What nobody bound; such a rule is only shown.
    open: Option<&'d str>,
    /// Whether the ports are all but those of a parameter that nobody bound.
    but: bool,
    /// What was taken for granted.
    note: Option<&'d str>,
    width: (u8, Reverse<usize>),
}

/// The other end of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Target {
    Anyone,
    Network(IpNet),
    /// Index into [`Plan::sets`].
    Set(usize),
    Local,
    /// A parameter that nobody bound.
    Parameter(String),
}

/// Addresses under a name.
struct Set {
    /// Letters, digits and underscores, a letter first.
    name: String,
    /// What it stands for: `my.farm.bot`.
    shown: String,
    /// Its addresses, where they are known.
    networks: Vec<IpNet>,
}

/// What stands for the device's own networks until the administrator narrows it.
const LOCAL_V4: &[&str] =
    &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255"];
const LOCAL_V6: &[&str] = &["fc00::/7", "fe80::/10", "ff00::/8"];

fn plan(declaration: &Declaration) -> Plan<'_> {
    let mut plan = Plan {
        rules: Vec::new(),
        sets: Vec::new(),
        left_out: Vec::new(),
        known: HashMap::new(),
        known_sets: HashMap::new(),
        taken: HashSet::new(),
    };
    for (at, bound) in declaration.claims.iter().enumerate() {
        match in_no_rule(bound, &declaration.subject) {
            Some(why) => plan.left_out.push((&bound.claim, why)),
            None => plan.add(bound, declaration.profile.excepts(at).is_some()),
        }
    }
    // Stable: within one width the order is that of the file.
    plan.rules.sort_by_key(|rule| (rule.width, !rule.deny));
    plan
}

/// Why a firewall for `subject` has no rule for the claim, if it has none.
fn in_no_rule(bound: &BoundClaim, subject: &str) -> Option<String> {
    let claim = &bound.claim;
    match &bound.state {
        ClaimState::Inactive(why) => return Some(format!("does not apply: {why}")),
        ClaimState::OtherSubject => return Some(format!("binds the {}, not the {subject}", claim.subject)),
        ClaimState::Active | ClaimState::Noted(_) | ClaimState::Unbound(_) => {}
    }
    match &claim.rule {
        Rule::Proxy(ProxyRule::Required) => {
            Some("everything goes through a proxy: open the way to the proxy instead".to_owned())
        }
        Rule::Flow(rule) => match claim.level {
            Level::Informational => Some("opens nothing, it is only compared".to_owned()),
            Level::Forbidden if !rule.services.is_empty() => {
                Some(format!("goes by content ({}), which no port tells", rule.services.join(", ")))
            }
            _ => None,
        },
        _ => Some("is no matter of addresses and ports".to_owned()),
    }
}

impl<'d> Plan<'d> {
    fn add(&mut self, bound: &'d BoundClaim, but: bool) {
        let claim = &bound.claim;
        let Rule::Flow(rule) = &claim.rule else { return };
        let (open, note) = match &bound.state {
            ClaimState::Unbound(name) => (Some(name.as_str()), None),
            ClaimState::Noted(text) => (None, Some(text.as_str())),
            _ => (None, None),
        };
        let but = but && matches!(rule.ports, Ports::Unbound(_));
        if rule.peers.is_empty() {
            return self.push(claim, rule, Target::Anyone, (5, Reverse(0)), (open, note, but));
        }
        for peer in &rule.peers {
            let (target, width) = self.target(peer);
            self.push(claim, rule, target, width, (open, note, but));
        }
    }

    /// The target of a peer, and how narrow it is: smaller is narrower.
    fn target(&mut self, peer: &Peer) -> (Target, (u8, Reverse<usize>)) {
        match peer {
            Peer::Name(pattern) => {
                let (prefix, apex, width) = match pattern {
                    NamePattern::Exact(name) => ("name", name, (0, Reverse(0))),
                    NamePattern::Below(apex) => ("below", apex, (1, Reverse(apex.len()))),
                    NamePattern::Suffix(apex) => ("zone", apex, (1, Reverse(apex.len()))),
                };
                (self.set(prefix, apex, pattern.to_string(), &[]), width)
            }
            Peer::Network(net) if net.prefix_len() == net.max_prefix_len() => {
                (Target::Network(*net), (2, Reverse(0)))
            }
            Peer::Network(net) => (Target::Network(*net), (3, Reverse(usize::from(net.prefix_len())))),
            Peer::List(set) if set.dated.is_empty() && set.networks.is_empty() => {
                (Target::Parameter(set.name.clone()), (4, Reverse(0)))
            }
            Peer::List(set) => {
                let shown = format!("{} (of {})", set.name, set.dated);
                (self.set("list", &set.name, shown, &set.networks), (4, Reverse(0)))
            }
            Peer::Local => (Target::Local, (4, Reverse(0))),
        }
    }

    fn set(&mut self, prefix: &str, name: &str, shown: String, networks: &[IpNet]) -> Target {
        if let Some(known) = self.known_sets.get(&shown) {
            return Target::Set(*known);
        }
        let stem = format!("{prefix}_{}", safe::identifier(name));
        let mut name = stem.clone();
        let mut number = 2_usize;
        while !self.taken.insert(name.clone()) {
            name = format!("{stem}_{number}");
            number = number.saturating_add(1);
        }
        self.known_sets.insert(shown.clone(), self.sets.len());
        self.sets.push(Set { name, shown, networks: networks.to_vec() });
        Target::Set(self.sets.len().saturating_sub(1))
    }

    fn push(
        &mut self,
        claim: &'d Claim,
        rule: &'d FlowRule,
        target: Target,
        width: (u8, Reverse<usize>),
        (open, note, but): (Option<&'d str>, Option<&'d str>, bool),
    ) {
        let deny = claim.level == Level::Forbidden;
        let parameter = if let Ports::Unbound(name) = &rule.ports { Some(name.as_str()) } else { None };
        let likeness = (
            (rule.way, target.clone(), rule.transports.as_slice(), deny),
            (rule.ports.ranges(), parameter, but),
            (open, note),
        );
        let known = self.known.get(&likeness).and_then(|at| self.rules.get_mut(*at));
        if let Some(known) = known {
            return known.claims.push(claim);
        }
        self.known.insert(likeness, self.rules.len());
        self.rules.push(Planned {
            way: rule.way,
            target,
            transports: &rule.transports,
            ports: &rule.ports,
            deny,
            claims: vec![claim],
            open,
            but,
            note,
            width,
        });
    }
}

impl Planned<'_> {
    /// `FB-01, FB-09`
    fn ids(&self) -> String {
        self.claims.iter().map(|claim| claim.id.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Whether it is about packets that the device sends first.
    fn outward(&self) -> bool {
        self.way != Some(Way::In)
    }

    /// Whether it is about packets that others send first.
    fn inward(&self) -> bool {
        self.way != Some(Way::Out)
    }
}

/// What stands at the top of both: the profile, its document, what is bound, and what is not.
fn head(declaration: &Declaration) -> Vec<String> {
    let profile = &declaration.profile;
    let mut lines = vec![format!("{} ({})", profile.title, profile.name)];
    if !profile.document.is_empty() {
        let reviewed = profile.reviewed.as_ref().map_or(String::new(), |date| format!(", reviewed {date}"));
        lines.push(format!("From: {}{reviewed}", profile.document));
    }
    if !declaration.variant.is_empty() {
        lines.push(format!("Variant: {}", declaration.variant));
    }
    lines
}

#[cfg(test)]
mod tests;
