//! Where the claims are that may be about a flow, so that a profile may have a thousand and a device a hundred thousand
//! flows.

use std::collections::BTreeSet;
use std::net::IpAddr;

use foldhash::HashMap;
use ipnet::IpNet;

use super::subject::flow_rule;
use crate::profile::{
    BoundClaim, ClaimState, Declaration, FlowRule, NamePattern, Peer, Ports, ProxyRule, Rule,
};

/// Claims with a flow rule, by peer and by port; each as its position in the declaration. What the index leaves out is
/// not about a flow; what it gives need not be, and is to be looked at.
#[derive(Debug, Default)]
pub struct ClaimIndex {
    /// By exact name.
    names: HashMap<String, Vec<u32>>,
    /// By the name that wildcards stand below.
    apexes: HashMap<String, Vec<u32>>,
    /// Length of the longest of those in bytes: longer ends of names need not be looked up.
    longest_apex: usize,
    /// By network.
    networks: HashMap<IpNet, Vec<u32>>,
    /// Lengths of the prefixes among the networks.
    lengths: BTreeSet<(bool, u8)>,
    /// About anybody, by port, where they have few of those.
    ports: HashMap<u16, Vec<u32>>,
    /// Whose peers or ports are looked at one by one: address lists, the LAN, ranges and exceptions.
    others: Vec<u32>,
    /// About anybody, whatever their ports.
    anybody: Vec<u32>,
    /// Whether an active claim names a peer.
    has_names: bool,
    /// The first active claim about proxies.
    proxy: Option<(usize, ProxyRule)>,
}

/// A rule with more ports than this is looked at for every flow instead.
const FEW_PORTS: u32 = 256;

impl ClaimIndex {
    /// Of the claims of `declaration`.
    pub fn new(declaration: &Declaration) -> Self {
        let mut index = Self::default();
        for (at, bound) in declaration.claims.iter().enumerate() {
            if let Some(rule) = flow_rule(bound) {
                index.add(at as u32, rule);
                index.has_names |=
                    applies(bound) && rule.peers.iter().any(|peer| matches!(peer, Peer::Name(_)));
            } else if let Rule::Proxy(rule) = bound.claim.rule
                && applies(bound)
            {
                index.proxy.get_or_insert((at, rule));
            }
        }
        index
    }

    fn add(&mut self, at: u32, rule: &FlowRule) {
        if rule.peers.is_empty() {
            self.anybody.push(at);
            match few(&rule.ports) {
                Some(ports) => {
                    for port in ports {
                        self.ports.entry(port).or_default().push(at);
                    }
                }
                None => self.others.push(at),
            }
            return;
        }
        for peer in &rule.peers {
            match peer {
                Peer::Name(NamePattern::Exact(name)) => push(self.names.entry(name.clone()).or_default(), at),
                Peer::Name(NamePattern::Below(apex) | NamePattern::Suffix(apex)) => {
                    self.longest_apex = self.longest_apex.max(apex.len());
                    push(self.apexes.entry(apex.clone()).or_default(), at);
                }
                Peer::Network(net) => {
                    self.lengths.insert((matches!(net, IpNet::V4(_)), net.prefix_len()));
                    push(self.networks.entry(net.trunc()).or_default(), at);
                }
                Peer::List(_) | Peer::Local => push(&mut self.others, at),
            }
        }
    }

    /// The claims that may be about the host at `peer`, called one of `names`, at `port`; ascending. Those about anybody
    /// only where their ports fit.
    pub(super) fn about(&self, peer: IpAddr, names: &[String], port: Option<u16>) -> Vec<u32> {
        let mut found = self.others.clone();
        for name in names {
            found.extend(self.names.get(name.as_str()).into_iter().flatten());
            let ends = name.match_indices('.').filter_map(|(dot, _)| name.get(dot.saturating_add(1)..));
            for end in std::iter::once(name.as_str()).chain(ends).filter(|end| end.len() <= self.longest_apex)
            {
                found.extend(self.apexes.get(end).into_iter().flatten());
            }
        }
        for (v4, length) in &self.lengths {
            if *v4 == peer.is_ipv4()
                && let Ok(net) = IpNet::new(peer, *length)
            {
                found.extend(self.networks.get(&net.trunc()).into_iter().flatten());
            }
        }
        found.extend(port.and_then(|port| self.ports.get(&port)).into_iter().flatten());
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Claims about anybody, ascending.
    pub(super) fn anybody(&self) -> &[u32] {
        &self.anybody
    }

    /// Whether an active claim names a peer.
    pub(super) fn has_names(&self) -> bool {
        self.has_names
    }

    /// What is declared of proxies, and by which claim.
    pub(super) fn proxy(&self) -> Option<(usize, ProxyRule)> {
        self.proxy
    }
}

/// Whether a claim applies in this run.
pub(super) fn applies(bound: &BoundClaim) -> bool {
    matches!(bound.state, ClaimState::Active | ClaimState::Noted(_))
}

fn push(list: &mut Vec<u32>, at: u32) {
    if list.last() != Some(&at) {
        list.push(at);
    }
}

/// The ports, if they are few; each once.
fn few(ports: &Ports) -> Option<BTreeSet<u16>> {
    match ports {
        Ports::Any | Ports::Except(_) | Ports::Unbound(_) => None,
        Ports::Fallback(list) => Some(list.iter().copied().collect()),
        Ports::Of(ranges) => {
            let count: u32 = ranges.iter().map(|(low, high)| u32::from(high.saturating_sub(*low)) + 1).sum();
            (count <= FEW_PORTS).then(|| ranges.iter().flat_map(|(low, high)| *low..=*high).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::sync::Arc;

    use super::*;
    use crate::profile::{bind, load};

    const HEAD: &str = "
version: 1
profile: index
title: Index
document: {title: Made up for the test, reviewed: 2024-01-01}
identify: {names: [a.example]}
baseline: [dns]
tls_policy: default
claims:
";

    #[test]
    fn every_claim_that_fits_is_a_candidate() {
        let peers = [
            "anyone",
            "a.example",
            "'*.example'",
            "'.b.example'",
            "'*.a.b.example'",
            "203.0.113.7",
            "203.0.113.0/24",
            "203.0.112.0/23",
            "'2001:db8::/32'",
            "local-network",
            "'list:aws-us-east-1'",
            "[c.example, 198.51.100.0/24]",
        ];
        let ports = ["tcp: 443", "tcp: 1000-1100", "udp: 1-60000", "tcp: [80, 443]", "service: tls"];
        let mut text = String::from(HEAD);
        for (at, (peer, port)) in peers.iter().flat_map(|p| ports.map(|q| (*p, q))).enumerate() {
            let _ = writeln!(
                text,
                "  - {{id: 'I-{at}', title: t, quote: q, source: s, allowed: {{out: {peer}, {port}}}}}"
            );
        }
        let profile = Arc::new(load::from_str(&text, "index").unwrap_or_else(|error| panic!("{error}")));
        let declaration = bind::bind(&profile, &[], &[]).unwrap();
        let index = ClaimIndex::new(&declaration);
        let addresses =
            ["203.0.113.7", "203.0.113.9", "203.0.112.1", "198.51.100.3", "3.208.0.1", "2001:db8::1"];
        let names = [
            "",
            "a.example",
            "b.example",
            "x.b.example",
            "y.a.b.example",
            ".example",
            "example",
            "c.example",
        ];
        let (mut fitting, mut given) = (0, 0);
        for address in addresses.map(|text| text.parse::<IpAddr>().unwrap()) {
            for name in names {
                let candidates = [name.to_owned()];
                let called = if name.is_empty() { &[][..] } else { &candidates };
                for port in [None, Some(443), Some(80), Some(1_050), Some(61_000)] {
                    let found = index.about(address, called, port);
                    assert!(found.is_sorted());
                    given += found.len();
                    for (at, bound) in declaration.claims.iter().enumerate() {
                        let rule = flow_rule(bound).unwrap();
                        let is_it = |peer: &Peer| match peer {
                            Peer::Name(pattern) => called.iter().any(|name| pattern.matches(name)),
                            Peer::Network(net) => net.contains(&address),
                            Peer::List(list) => list.networks.iter().any(|net| net.contains(&address)),
                            Peer::Local => true,
                        };
                        let opens = port.map_or(rule.ports == Ports::Any, |port| rule.ports.contains(port));
                        if if rule.peers.is_empty() { opens } else { rule.peers.iter().any(is_it) } {
                            fitting += 1;
                            assert!(
                                found.contains(&(at as u32)),
                                "{address} {name} {port:?}: {}",
                                bound.claim.id
                            );
                        }
                        for peer in &rule.peers {
                            if let Peer::List(list) = peer {
                                assert_eq!(list.contains(address), is_it(peer), "{address}");
                            }
                        }
                    }
                }
            }
        }
        assert!(given < fitting * 3, "{given} given, {fitting} fit");
    }
}
