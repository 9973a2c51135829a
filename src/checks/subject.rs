//! What a check looks at: one device, its declaration, and its flows with names and matching claims.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::Code;
use super::claim_index::{ClaimIndex, applies};
use super::matching::{self, Match};
use crate::analyzers::http::fields as http;
use crate::analyzers::mqtt::fields as mqtt;
use crate::analyzers::{socks, tls};
use crate::model::evidence::Seen;
use crate::model::finding::{Confidence, DeviceLabel, Severity, Status, Way};
use crate::model::flow::RoleBasis;
use crate::model::observation::Fact;
use crate::model::packet::INSIDE;
use crate::model::stats::{CaptureInfo, Stats};
use crate::model::{Endpoint, Finding, Flow, FlowKey, NameBinding, NameSource, Timestamp, Transport};
use crate::naming::encrypted::{self, Encrypted};
use crate::naming::hosts::Host;
use crate::naming::{Names, PeerName, Proxied, Resolver};
use crate::profile::inventory::Site;
use crate::profile::tls_policy::TlsPolicy;
use crate::profile::{BoundClaim, Declaration, FlowRule, Level, ProxyRule, Rule};

/// Everything the capture shows, whoever is judged.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Names of addresses.
    pub names: &'a Names<'a>,
    /// Counts of the run.
    pub stats: &'a Stats,
    /// The captures.
    pub captures: &'a [CaptureInfo],
    /// Earliest and latest packet of the input.
    pub span: (Timestamp, Timestamp),
    /// What the site says of itself.
    pub site: &'a Site,
}

/// One device under one declaration.
#[derive(Debug)]
pub struct Subject<'a> {
    /// What was declared.
    pub declaration: &'a Declaration,
    /// Where its claims are.
    pub index: &'a ClaimIndex,
    /// Who.
    pub device: &'a Host,
    /// How reports call it.
    pub label: DeviceLabel,
    /// What the capture shows.
    pub evidence: Evidence<'a>,
    /// The device's flows as it sees them, by first frame.
    pub views: Vec<View<'a>>,
    /// Earliest and latest packet of the input.
    pub span: (Timestamp, Timestamp),
    /// The device's start in the capture: its DHCP start, else its first DNS query before anything else.
    pub start: Option<Seen>,
    /// The capture cannot show this device's look-ups: their answers are cut or were let go, or only one direction
    /// was captured.
    pub names_hidden: bool,
    /// Whom the device asks for names where nobody else can read it, and how: `DNS over TLS with dns.example`. Only where
    /// it was answered.
    pub asks_in_secret: Option<String>,
    /// Only one direction of this device's traffic was captured: nothing was answered, as far as it shows.
    pub one_sided: bool,
    /// Least of what the capture's quality allows to say of what was *not* seen.
    pub absence: Confidence,
    /// What the device was told of names, by address.
    pub answers: Vec<&'a NameBinding>,
    /// Positions of the views that each claim selected, allowing or forbidding.
    by_claim: HashMap<usize, Vec<usize>>,
}

/// A flow as its device sees it.
#[derive(Debug)]
pub struct View<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// Whether the device sent the first packet.
    pub by_device: bool,
    /// Its direction as reports show it.
    pub way: Way,
    /// The other end's address.
    pub peer: IpAddr,
    /// The responder's port; `None` without ports.
    pub port: Option<u16>,
    /// The other end's name.
    pub name: PeerName,
    /// Protocols by content, of the inner connection in a tunnel.
    pub service: Vec<&'static str>,
    /// Set on the inner connection that an HTTP CONNECT or SOCKS carries.
    pub through_proxy: bool,
    /// Set on the connection to a proxy itself.
    pub is_proxy: bool,
    /// The flow whose full handshake issued the session that this one resumed, where the capture has it.
    pub session: Option<&'a Flow>,
    /// Look-ups that it carries encrypted.
    pub encrypted_dns: Option<Encrypted>,
    /// Claims that may be about it, as positions in the declaration, ascending: all that name its peer, and those about
    /// anybody with its port.
    pub candidates: Arc<[u32]>,
    /// What the declaration says of it.
    pub matched: Match,
}

impl View<'_> {
    /// Whether nothing but ports or the order of packets tells who opened it: the capture begins in its middle. That
    /// it does is known of TCP; of datagrams, content shows it, or ports that contradict the first of them.
    pub fn opener_is_guessed(&self) -> bool {
        let FlowKey { transport, orig, resp, .. } = self.flow.key;
        let (roles, facts) = (self.flow.roles, &self.flow.facts);
        let midstream = |fact: &Fact| fact.value.as_str() == Some("midstream");
        roles > RoleBasis::Protocol
            && match transport {
                Transport::Tcp => true,
                Transport::Udp => {
                    let looks_reversed = match roles {
                        RoleBasis::PortAlone => true,
                        RoleBasis::FirstPacket => orig.port < EPHEMERAL && resp.port >= EPHEMERAL,
                        _ => false,
                    };
                    looks_reversed || facts.of(&tls::HANDSHAKE_INCOMPLETE).any(midstream)
                }
                _ => false,
            }
    }

    /// Whether TLS protects it, be it a layer of its own or a part of QUIC or DTLS.
    pub fn has_tls(&self) -> bool {
        self.service.iter().any(|id| is_tls(id))
    }
}

/// First port of the range that Linux gives to clients; others (RFC 6335: 49152) begin above it.
const EPHEMERAL: u16 = 32_768;

/// Whether a protocol is TLS, or TLS is a part of it.
pub fn is_tls(id: &str) -> bool {
    ["tls", "dtls", "quic"].contains(&id)
}

impl<'a> Subject<'a> {
    /// Names the peers of the device's `flows` (by first packet) and matches them with the claims.
    pub fn new(
        declaration: &'a Declaration,
        index: &'a ClaimIndex,
        device: &'a Host,
        flows: &'a [Flow],
        evidence: Evidence<'a>,
    ) -> Self {
        let mut names = Resolver::new(evidence.names, &device.addresses);
        let mut subject = Self {
            declaration,
            index,
            device,
            label: device.label(),
            evidence,
            views: Vec::new(),
            span: evidence.span,
            start: None,
            names_hidden: false,
            asks_in_secret: None,
            one_sided: false,
            absence: Confidence::Strong,
            answers: names.answers().to_vec(),
            by_claim: HashMap::new(),
        };
        let own = |flow: &&Flow| !is_anothers(device, flow);
        let opened = |flow: &&Flow| device.addresses.contains(&flow.key.orig.ip);
        flows.iter().filter(own).filter(opened).for_each(|flow| names.note(flow));
        for flow in flows.iter().filter(own) {
            let views = subject.views_of(flow, &mut names);
            subject.views.extend(views);
        }
        super::sessions::link(&mut subject.views);
        subject.start = subject.find_start();
        subject.one_sided = super::capture::is_one_sided(&subject);
        subject.names_hidden = subject.one_sided
            || super::capture::look_ups_are_cut(&subject)
            || super::capture::names_are_shed(&subject);
        subject.asks_in_secret = subject.views.iter().find_map(|view| {
            // A ServerHello is an answer; an alert alone is a refusal.
            let encrypted = view.encrypted_dns.filter(|_| view.flow.facts.has(&tls::VERSION))?;
            Some(format!("{} with {}", encrypted.way, view.peer_text()))
        });
        subject.absence = super::capture::absence(&subject);
        let matches = matching::of_all(&subject);
        for (at, (view, (candidates, matched))) in subject.views.iter_mut().zip(matches).enumerate() {
            match &matched {
                Match::Claims(list) => {
                    list.iter().for_each(|claim| subject.by_claim.entry(*claim).or_default().push(at));
                }
                Match::Forbidden(claim) => subject.by_claim.entry(*claim).or_default().push(at),
                _ => {}
            }
            (view.candidates, view.matched) = (candidates, matched);
        }
        subject
    }

    fn views_of(&self, flow: &'a Flow, names: &mut Resolver<'_>) -> Vec<View<'a>> {
        let by_device =
            self.device.addresses.contains(&flow.key.orig.ip) || flow.key.orig.ip.is_unspecified();
        let peer = if by_device { flow.key.resp.ip } else { flow.key.orig.ip };
        let way = match (self.is_local(peer), by_device) {
            (true, _) => Way::Local,
            (false, true) => Way::Out,
            (false, false) => Way::In,
        };
        let port =
            matches!(flow.key.transport, Transport::Tcp | Transport::Udp).then_some(flow.key.resp.port);
        let proxied = Proxied::of(flow).filter(|_| by_device);
        let name = if proxied.is_some() {
            names.resolved(peer, flow.first)
        } else {
            names.peer(flow, peer, by_device)
        };
        let outer = View {
            flow,
            by_device,
            way,
            peer,
            port,
            name,
            service: flow
                .service
                .iter()
                .take(proxied.map_or(usize::MAX, |proxied| proxied.layers))
                .copied()
                .collect(),
            through_proxy: false,
            is_proxy: proxied.is_some(),
            session: None,
            encrypted_dns: encrypted::of(flow).filter(|_| by_device && proxied.is_none()),
            candidates: Arc::new([]),
            matched: Match::Undeclared,
        };
        let inner = proxied.and_then(|proxied| self.inner_view(flow, way, peer, proxied, names));
        std::iter::once(outer).chain(inner).collect()
    }

    /// The connection that a proxy has opened: its peer is the target, not the proxy.
    fn inner_view(
        &self,
        flow: &'a Flow,
        way: Way,
        proxy: IpAddr,
        proxied: Proxied<'_>,
        names: &mut Resolver<'_>,
    ) -> Option<View<'a>> {
        // A target that is no host names nobody that the connection could be with.
        if !proxied.granted || proxied.host().is_none() {
            return None;
        }
        // Where a name was asked for, only the proxy knows the address.
        let address = proxied.address();
        let peer = address.unwrap_or(proxy);
        let is_local = address.is_some_and(|address| self.is_local(address));
        Some(View {
            flow,
            by_device: true,
            way: if way == Way::Local && !is_local { Way::Out } else { way },
            peer,
            port: proxied.port(),
            name: names.peer(flow, peer, true),
            service: flow.service.iter().skip(proxied.layers).copied().collect(),
            through_proxy: true,
            is_proxy: false,
            session: None,
            encrypted_dns: encrypted::of(flow),
            candidates: Arc::new([]),
            matched: Match::Undeclared,
        })
    }

    /// A DHCP start; else a DNS query ahead of any other flow that leaves the LAN: nothing else tells a boot from a
    /// capture that starts in the middle of a life.
    fn find_start(&self) -> Option<Seen> {
        let dns = |view: &&View<'_>| view.by_device && view.service.first() == Some(&"dns");
        let first_query = self.views.iter().find(dns).map(|view| view.flow.first);
        let first_other = self
            .views
            .iter()
            .find(|view| view.by_device && view.way == Way::Out && view.service.first() != Some(&"dns"))
            .map(|view| view.flow.first);
        self.device.booted.or_else(|| match (first_query, first_other) {
            (Some(query), Some(other)) if query > other => None,
            (query, _) => query,
        })
    }

    /// The claims that apply, with their position in the declaration.
    pub fn active_claims(&self) -> impl Iterator<Item = (usize, &'a BoundClaim)> + use<'a> {
        self.declaration.claims.iter().enumerate().filter(|(_, bound)| applies(bound))
    }

    /// The flow rules of some claims, with their positions in the declaration, whether or not they apply.
    pub(super) fn rules_at(
        &self,
        places: &[u32],
    ) -> impl Iterator<Item = (usize, &'a BoundClaim, &'a FlowRule)> {
        places.iter().filter_map(|at| {
            let at = *at as usize;
            let bound = self.declaration.claims.get(at)?;
            Some((at, bound, flow_rule(bound)?))
        })
    }

    /// The views that the claim at `index` selected, allowing or forbidding, by first frame.
    pub fn views_under(&self, index: usize) -> impl Iterator<Item = &View<'a>> {
        self.by_claim.get(&index).into_iter().flatten().filter_map(|at| self.views.get(*at))
    }

    /// The claim at `index` of the declaration.
    pub fn claim(&self, index: usize) -> Option<&'a BoundClaim> {
        self.declaration.claims.get(index)
    }

    /// The claims that a view matched, with their flow rules.
    pub fn rules(&self, view: &View<'_>) -> Vec<(&'a BoundClaim, &'a FlowRule)> {
        let Match::Claims(indices) = &view.matched else { return Vec::new() };
        indices
            .iter()
            .filter_map(|index| self.claim(*index))
            .filter_map(|bound| Some((bound, flow_rule(bound)?)))
            .collect()
    }

    /// The TLS policy that decides for a view: that of a claim it matched, else that of the profile. A shipped one is read
    /// once something asks for it.
    pub fn policy(&self, view: &View<'_>) -> &'a TlsPolicy {
        let rules = self.rules(view);
        let of_claim = rules.iter().find_map(|(_, rule)| rule.tls.as_ref()?.policy.as_deref());
        self.declaration.policies.get(of_claim)
    }

    /// What the declaration says of proxies, and by which claim.
    pub fn proxy_rule(&self) -> Option<(&'a BoundClaim, ProxyRule)> {
        let (at, rule) = self.index.proxy()?;
        Some((self.claim(at)?, rule))
    }

    /// A finding about a view, filled in as far as the view tells. `claim` decides severity where it says so.
    pub fn finding(
        &self,
        code: &'static Code,
        status: Status,
        confidence: Confidence,
        view: &View<'_>,
        claim: Option<&BoundClaim>,
    ) -> Finding {
        Finding {
            way: Some(view.way),
            transport: Some(view.flow.key.transport),
            service: view.service.join("/"),
            peer_name: view.name.name.clone().unwrap_or_default(),
            name_source: view.name.source,
            peer_ip: Some(view.peer),
            port: view.port,
            evidence: Some(flow_evidence(view.flow)),
            inside: inside(view.flow),
            ..self.bare_finding(code, status, confidence, claim)
        }
    }

    /// A finding about no flow in particular.
    pub fn bare_finding(
        &self,
        code: &'static Code,
        status: Status,
        confidence: Confidence,
        claim: Option<&BoundClaim>,
    ) -> Finding {
        Finding {
            code: code.id,
            status,
            severity: severity(code, status, claim),
            confidence,
            profile: self.declaration.profile.name.clone(),
            variant: self.declaration.variant.clone(),
            claim: claim.map(|bound| bound.claim.id.clone()).unwrap_or_default(),
            device: self.label.clone(),
            way: None,
            transport: None,
            service: String::new(),
            peer_name: String::new(),
            name_source: NameSource::None,
            peer_ip: None,
            port: None,
            expected: String::new(),
            observed: String::new(),
            reference: claim
                .map(|bound| format!("{} {}", self.declaration.profile.name, bound.claim.id))
                .unwrap_or_default(),
            evidence: None,
            inside: String::new(),
            message: String::new(),
            waiver: String::new(),
            policy: String::new(),
            normative: "",
        }
    }

    /// Whether `ip` is on one of the device's own networks, or on one that the site calls local.
    pub fn is_local(&self, ip: IpAddr) -> bool {
        self.device.is_local(ip) || self.evidence.site.local_networks.iter().any(|net| net.contains(&ip))
    }

    /// The resolvers that the device may ask: the site's, else those that it was given; none where nobody says.
    pub fn resolvers(&self) -> &'a BTreeSet<IpAddr> {
        let site = &self.evidence.site.resolvers;
        if site.is_empty() { &self.device.resolvers } else { site }
    }

    /// What people call the device.
    pub fn who(&self) -> &str {
        &self.label.name
    }
}

impl View<'_> {
    /// The peer for a sentence: its name, else its address.
    pub fn peer_text(&self) -> String {
        self.name.name.clone().unwrap_or_else(|| self.peer.to_string())
    }

    /// The peer with its port: `my.farm.bot:443/tcp`.
    pub fn peer_port(&self) -> String {
        let transport = self.flow.key.transport;
        match self.port {
            Some(port) => format!("{} {port}/{transport}", self.peer_text()),
            None => format!("{} {transport}", self.peer_text()),
        }
    }

    /// The service port with its transport: `443/tcp`.
    pub fn port_text(&self) -> String {
        self.port.map_or_else(
            || self.flow.key.transport.to_string(),
            |port| format!("{port}/{}", self.flow.key.transport),
        )
    }

    /// Addresses of the two ends, device first.
    pub fn ends(&self) -> (Endpoint, Endpoint) {
        if self.by_device {
            (self.flow.key.orig, self.flow.key.resp)
        } else {
            (self.flow.key.resp, self.flow.key.orig)
        }
    }
}

/// What packets of a flow came in.
fn inside(flow: &Flow) -> String {
    let chains: Vec<String> = flow.facts.of(&INSIDE).map(|fact| fact.value.to_string()).collect();
    chains.join(" or ")
}

/// The flow rule of a claim, if it has one.
pub fn flow_rule(bound: &BoundClaim) -> Option<&FlowRule> {
    match &bound.claim.rule {
        Rule::Flow(rule) => Some(rule),
        _ => None,
    }
}

/// Whether another host had the device's address when this flow ran: the link shows another sender of it.
fn is_anothers(device: &Host, flow: &Flow) -> bool {
    let Some(mac) = device.mac else { return false };
    [(flow.key.orig.ip, flow.link.orig), (flow.key.resp.ip, flow.link.resp)].into_iter().any(|(ip, link)| {
        device.addresses.contains(&ip) && link.and_then(|link| link.src).is_some_and(|sender| sender != mac)
    })
}

/// One connection as evidence: its first frame, and those that show what it is: the answer to its SYN, the names that
/// the client gave, its request.
pub fn flow_evidence(flow: &Flow) -> crate::model::Evidence {
    let mut evidence = crate::model::Evidence::once(flow.first);
    let answer = flow.tcp.as_ref().and_then(|tcp| tcp.syn_ack);
    let told = [&tls::SNI, &http::METHOD, &http::CONNECT_TARGET, &socks::TARGET, &mqtt::PROTOCOL_NAME];
    let told = told.into_iter().filter_map(|field| flow.facts.first(field)).map(|fact| fact.evidence.first);
    for seen in answer.into_iter().chain(told) {
        evidence.merge(&crate::model::Evidence::once(seen));
    }
    evidence.count = 1;
    evidence.last = flow.last.max(flow.first);
    evidence
}

fn severity(code: &'static Code, status: Status, claim: Option<&BoundClaim>) -> Option<Severity> {
    let by_status = match status {
        Status::Violation | Status::Obstructed => {
            claim.and_then(|bound| bound.claim.severity).unwrap_or(code.severity)
        }
        Status::Drift => Severity::Info,
        Status::Inconclusive => Severity::Warning,
        _ => return None,
    };
    let informational = claim.is_some_and(|bound| bound.claim.level == Level::Informational);
    Some(if informational { Severity::Info } else { by_status })
}

/// The distinct peers of some views, as names where they have one.
pub fn peers_of<'v>(views: impl IntoIterator<Item = &'v View<'v>>) -> BTreeSet<String> {
    views.into_iter().map(View::peer_text).collect()
}
