//! What addresses are called, by whom and how surely; and which addresses are one host.
//!
//! Names come only from the capture and from the user, never from a look-up of ours. What a device itself
//! resolved holds for the whole capture: clients keep an address long past its time to live. Where it looked one address
//! up under several names, the last look-up before a flow names its peer where the capture tells which that was, else the
//! first answer does; any of them may be meant.

pub mod encrypted;
pub mod hosts;
mod lookups;
mod proxied;
mod sightings;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use foldhash::{HashMap, HashMapExt};

use lookups::LookUps;
pub use proxied::Proxied;
pub use sightings::Sightings;

use crate::analyzers::http::fields as http;
use crate::analyzers::tls;
use crate::model::finding::Confidence;
use crate::model::nat64::{Nat64Prefix, PROBE_NAME};
use crate::model::{Flow, NameBinding, NameSource, Seen};

/// Name bindings by address, and by who was told.
#[derive(Debug, Default)]
pub struct Names<'b> {
    by_address: HashMap<IpAddr, Called<'b>>,
    /// Answers to DNS queries, by who asked.
    told: HashMap<IpAddr, Vec<&'b NameBinding>>,
    /// How networks of the capture make IPv6 addresses of IPv4 ones: as everybody may, and as they say themselves.
    nat64: Vec<Nat64Prefix>,
}

/// What one address is called. Thousands of hosts may have looked it up, and each be asked what it calls it.
#[derive(Debug, Default)]
struct Called<'b> {
    /// By DNS answers to somebody.
    told: Vec<&'b NameBinding>,
    /// By everything else.
    open: Vec<&'b NameBinding>,
    /// For whoever did not look it up.
    by_others: OnceLock<PeerName>,
}

/// What a peer is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerName {
    /// The best name; `None` if there is none.
    pub name: Option<String>,
    /// Where it comes from.
    pub source: NameSource,
    /// Every name that may be meant, in order of their answers: several where one address was resolved under several names,
    /// and the names between the one asked for and the address.
    pub candidates: Arc<[String]>,
    /// How sure it is that the best name is meant.
    pub confidence: Confidence,
}

impl PeerName {
    /// No name at all.
    pub fn none() -> Self {
        Self {
            name: None,
            source: NameSource::None,
            candidates: Arc::new([]),
            confidence: Confidence::Strong,
        }
    }

    fn certain(name: &str, source: NameSource, confidence: Confidence) -> Self {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        Self { candidates: Arc::new([name.clone()]), name: Some(name), source, confidence }
    }
}

impl<'b> Names<'b> {
    /// Of the bindings of a run; the order given does not matter.
    pub fn new(bindings: impl IntoIterator<Item = &'b NameBinding>) -> Self {
        let mut names = Self { nat64: vec![Nat64Prefix::WELL_KNOWN], ..Self::default() };
        for binding in bindings {
            if let (NameSource::Dns, PROBE_NAME, IpAddr::V6(v6)) =
                (binding.source, &*binding.name, binding.address)
            {
                names.nat64.extend(Nat64Prefix::discovered(v6));
            }
            let called = names.by_address.entry(binding.address).or_default();
            if let (NameSource::Dns, Some(asker)) = (binding.source, binding.asked_by) {
                called.told.push(binding);
                names.told.entry(asker).or_default().push(binding);
            } else {
                called.open.push(binding);
            }
        }
        names.nat64.sort_unstable();
        names.nat64.dedup();
        names.nat64.truncate(MAX_PREFIXES);
        names
    }

    /// The IPv4 address that `ip` stands for, behind a translator from IPv6 (RFC 6146).
    pub fn embedded(&self, ip: IpAddr) -> Option<IpAddr> {
        let IpAddr::V6(v6) = ip else { return None };
        self.nat64.iter().find_map(|prefix| prefix.embedded(v6)).map(IpAddr::V4)
    }

    /// The other addresses under which the host at `ip` may have been looked up: what it stands for, and what stands for
    /// it (RFC 6147).
    fn also(&self, ip: IpAddr) -> impl Iterator<Item = IpAddr> {
        let with = |v4| self.nat64.iter().map(move |prefix| IpAddr::V6(prefix.with(v4)));
        let v4 = match ip {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        };
        self.embedded(ip).into_iter().chain(v4.into_iter().flat_map(with))
    }

    /// What DNS answered the host at `addresses`, by address, then earliest first.
    fn told(&self, addresses: &BTreeSet<IpAddr>) -> Vec<&'b NameBinding> {
        let mut told: Vec<&NameBinding> =
            addresses.iter().filter_map(|asker| self.told.get(asker)).flatten().copied().collect();
        told.sort_by(|a, b| a.address.cmp(&b.address).then_with(|| by_source(a, b)));
        told
    }

    /// What `peer` is called by look-ups and announcements, by a host that was told `own` names of it.
    fn resolved(&self, peer: IpAddr, own: &[&NameBinding]) -> PeerName {
        let Some(called) = self.by_address.get(&peer) else { return PeerName::none() };
        let open = || called.open.iter().map(|binding| (binding.source, *binding));
        if own.is_empty() {
            let others = || called.told.iter().map(|binding| (NameSource::DnsOther, *binding));
            return called.by_others.get_or_init(|| best(open().chain(others()))).clone();
        }
        // What others were told is less sure, and so of no interest.
        best(open().chain(own.iter().map(|binding| (NameSource::Dns, *binding))))
    }
}

/// The best of some names, each with what its source is worth.
fn best<'b>(names: impl Iterator<Item = (NameSource, &'b NameBinding)>) -> PeerName {
    let mut ranked: Vec<(NameSource, &NameBinding)> = names.collect();
    ranked.sort_by(|(a_worth, a), (b_worth, b)| {
        (a_worth, a.seen).cmp(&(b_worth, b.seen)).then_with(|| by_source(a, b))
    });
    let Some((source, best)) = ranked.first().copied() else { return PeerName::none() };
    // Only names from the best kind of source: what another host resolved says little once this one did.
    let same: Vec<&NameBinding> = ranked.iter().filter(|(s, _)| *s == source).map(|(_, b)| *b).collect();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut candidates: Vec<String> = Vec::new();
    let names = same.iter().map(|binding| &*binding.name);
    candidates.extend(names.filter(|name| known.insert(name)).map(str::to_owned));
    let confidence = match (source, candidates.len()) {
        (NameSource::Dns | NameSource::Hosts | NameSource::Dhcp, 1) => Confidence::Strong,
        _ => Confidence::Probable,
    };
    let aliases = same.iter().flat_map(|binding| &binding.aliases).map(|alias| &**alias);
    candidates.extend(aliases.filter(|name| known.insert(name)).map(str::to_owned));
    PeerName { name: Some(best.name.to_string()), source, candidates: candidates.into(), confidence }
}

/// Best source first, then earliest.
fn by_source(a: &NameBinding, b: &NameBinding) -> Ordering {
    (a.source, a.seen, &a.name, a.asked_by).cmp(&(b.source, b.seen, &b.name, b.asked_by))
}

/// What one device calls its peers. Sorts the names of an address once: an address may have a thousand, and a
/// device a hundred thousand connections to it.
#[derive(Debug)]
pub struct Resolver<'n> {
    names: &'n Names<'n>,
    /// What the device was told, by address.
    answers: Vec<&'n NameBinding>,
    look_ups: LookUps<'n>,
    /// What peers are called, with the answers of the device that say so.
    known: HashMap<IpAddr, (PeerName, Range<usize>)>,
}

impl<'n> Resolver<'n> {
    /// Of the device with these addresses.
    pub fn new(names: &'n Names<'n>, device: &BTreeSet<IpAddr>) -> Self {
        let answers = names.told(device);
        Self { names, look_ups: LookUps::of(&answers), answers, known: HashMap::new() }
    }

    /// Takes a flow that the device opened, for what it looked up there and when. To be called with all of them before
    /// anything is named: else a name is that of the first answer before the flow, and not of the last look-up.
    pub fn note(&mut self, flow: &Flow) {
        self.look_ups.note(flow);
    }

    /// What DNS answered the device, by address, then earliest first.
    pub fn answers(&self) -> &[&'n NameBinding] {
        &self.answers
    }

    /// What the host at `peer`, reached by `flow`, is called. `outbound` says that the device is the client: what a
    /// client says of its server (SNI, Host) names the peer only then.
    pub fn peer(&mut self, flow: &Flow, peer: IpAddr, outbound: bool) -> PeerName {
        let said = outbound.then(|| said_in_flow(flow)).flatten();
        said.unwrap_or_else(|| self.resolved(peer, flow.first))
    }

    /// What `peer` is called by look-ups and announcements for something that began `then`: its address, else one that a
    /// translator makes of it.
    pub fn resolved(&mut self, peer: IpAddr, then: Seen) -> PeerName {
        let Self { names, answers, look_ups, known } = self;
        let called = |ip: IpAddr| {
            let from = answers.partition_point(|binding| binding.address < ip);
            let to = answers.partition_point(|binding| binding.address <= ip);
            (names.resolved(ip, answers.get(from..to).unwrap_or_default()), from..to)
        };
        let find = || {
            let own = called(peer);
            let mut also = names.also(peer).map(called);
            if own.0.name.is_some() { own } else { also.find(|(name, _)| name.name.is_some()).unwrap_or(own) }
        };
        let (name, own) = known.entry(peer).or_insert_with(find);
        let mut name = name.clone();
        if let (NameSource::Dns, Some(own @ [_, _, ..])) = (name.source, answers.get(own.clone()))
            && let Some(last) = look_ups.last(own, then)
        {
            name.name = Some(last.to_owned());
        }
        name
    }
}

/// Networks have one or two; more are somebody's game.
const MAX_PREFIXES: usize = 16;

/// What the flow itself calls its server: what it asks a proxy for, SNI, the certificate's only name, Host. Where it asks
/// a proxy for an address, what follows names who is there.
fn said_in_flow(flow: &Flow) -> Option<PeerName> {
    let text = |field| flow.facts.latest(field).and_then(|fact| fact.value.as_str());
    if let Some(proxied) = Proxied::of(flow)
        && let Some(host) = proxied.host().filter(|_| proxied.address().is_none())
    {
        return Some(PeerName::certain(host, proxied.source, Confidence::Strong));
    }
    if let Some(sni) = text(&tls::SNI).filter(|name| !is_literal(name)) {
        // With ECH the name outside is that of the provider, and a GREASE extension looks the same.
        let outer = text(&tls::ECH).is_some_and(|kind| kind != "inner");
        let confidence = if outer { Confidence::Probable } else { Confidence::Strong };
        return Some(PeerName::certain(sni, NameSource::Sni, confidence));
    }
    let mut sans = flow.facts.of(&tls::CERTIFICATE_DNS);
    if let (Some(only), None) = (sans.next(), sans.next())
        && let Some(name) = only.value.as_str().filter(|name| is_host_name(name))
    {
        return Some(PeerName::certain(name, NameSource::Certificate, Confidence::Probable));
    }
    text(&http::HOST)
        .map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name))
        .filter(|host| is_host_name(host))
        .map(|host| PeerName::certain(host, NameSource::Host, Confidence::Strong))
}

/// A name, not an address, not a wildcard.
fn is_host_name(name: &str) -> bool {
    name.contains('.') && !name.contains('*') && !is_literal(name)
}

/// Whether it is an address in the place of a name, where it names nobody (RFC 6066 section 3 forbids it in SNI).
pub fn is_literal(name: &str) -> bool {
    name.trim_end_matches('.').trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Reads a hosts file (hosts(5)): an address, then names; `#` starts a comment. Gives the bindings, or the number
/// of the first line that cannot be read.
pub fn parse_hosts(text: &str) -> Result<Vec<NameBinding>, usize> {
    let mut bindings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(address) = words.next() else { continue };
        let address = address.parse().map_err(|_| number.saturating_add(1))?;
        for name in words {
            bindings.push(NameBinding {
                name: name.trim_end_matches('.').to_ascii_lowercase().into(),
                aliases: Vec::new(),
                address,
                source: NameSource::Hosts,
                asked_by: None,
                seen: None,
            });
        }
    }
    Ok(bindings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(name: &str, ip: &str, source: NameSource, asker: Option<&str>) -> NameBinding {
        NameBinding {
            name: name.into(),
            aliases: vec!["edge.example.net".into()],
            address: ip.parse().unwrap(),
            source,
            asked_by: asker.map(|ip| ip.parse().unwrap()),
            seen: None,
        }
    }

    fn seen(at: i64) -> Seen {
        Seen { at: crate::model::Timestamp::new(at, 0), frame: crate::model::FrameRef::default() }
    }

    #[test]
    fn an_address_in_the_place_of_a_name_names_nobody() {
        let said = |sni| {
            let flow = encrypted::tests::flow(&["tls"], "203.0.113.1:8883", &[(&tls::SNI, sni)]);
            said_in_flow(&flow).and_then(|peer| peer.name)
        };
        assert_eq!(said("203.0.113.1"), None);
        assert_eq!(said("2001:db8::1"), None);
        assert_eq!(said("[2001:db8::1]"), None);
        assert_eq!(said("broker").as_deref(), Some("broker"));
    }

    #[test]
    fn a_devices_own_answer_beats_another_hosts() {
        let bindings = [
            binding("other.example", "203.0.113.1", NameSource::Dns, Some("192.0.2.9")),
            binding("mine.example", "203.0.113.1", NameSource::Dns, Some("192.0.2.7")),
        ];
        let names = Names::new(&bindings);
        let resolved = |asker: &str| {
            let device = BTreeSet::from([asker.parse().unwrap()]);
            let mut resolver = Resolver::new(&names, &device);
            (resolver.resolved("203.0.113.1".parse().unwrap(), seen(9)), resolver.answers().to_vec())
        };
        let (peer, answers) = resolved("192.0.2.7");
        assert_eq!((peer.name.as_deref(), peer.source), (Some("mine.example"), NameSource::Dns));
        assert_eq!(*peer.candidates, ["mine.example", "edge.example.net"]);
        assert_eq!(answers, [&bindings[1]]);
        let (stranger, answers) = resolved("192.0.2.8");
        assert_eq!(stranger.source, NameSource::DnsOther);
        assert_eq!(*stranger.candidates, ["mine.example", "other.example", "edge.example.net"]);
        assert!(answers.is_empty());
    }

    #[test]
    fn the_last_look_up_before_a_flow_names_its_peer() {
        let told = |name: &str, at| NameBinding {
            seen: Some(seen(at)),
            aliases: Vec::new(),
            ..binding(name, "203.0.113.1", NameSource::Dns, Some("192.0.2.7"))
        };
        let bindings = [told("a.example", 10), told("b.example", 20)];
        let names = Names::new(&bindings);
        let device = BTreeSet::from(["192.0.2.7".parse().unwrap()]);
        let mut resolver = Resolver::new(&names, &device);
        let called = |resolver: &mut Resolver<'_>, then| {
            let peer = resolver.resolved("203.0.113.1".parse().unwrap(), seen(then));
            assert_eq!(*peer.candidates, ["a.example", "b.example"], "either may be meant");
            assert_eq!((peer.source, peer.confidence), (NameSource::Dns, Confidence::Probable));
            peer.name.unwrap()
        };
        let all = [5, 15, 20, 25, 35, 55].map(|then| called(&mut resolver, then));
        // Before any answer the first one; an answer says what was asked before it.
        assert_eq!(all, ["a", "a", "b", "b", "b", "b"].map(|label| format!("{label}.example")));
        // Later look-ups of what is known already are no new bindings, but the flows show them.
        for (query, at) in [("a.example", 30), ("b.example", 40), ("a.example", 50), ("c.example", 60)] {
            let mut flow = encrypted::tests::flow(&["dns"], "192.0.2.1:53", &[]);
            flow.facts = crate::model::Facts::default();
            flow.facts.add(
                &crate::analyzers::dns::QUERY,
                crate::model::Value::text(query.as_bytes()),
                seen(at),
            );
            resolver.note(&flow);
        }
        let all = [25, 35, 45, 55, 65].map(|then| called(&mut resolver, then));
        assert_eq!(all, ["b", "a", "b", "a", "a"].map(|label| format!("{label}.example")));
    }

    #[test]
    fn look_ups_in_between_are_not_guessed_at() {
        let told = |name: &str, at| NameBinding {
            seen: Some(seen(at)),
            aliases: Vec::new(),
            ..binding(name, "203.0.113.1", NameSource::Dns, Some("192.0.2.7"))
        };
        let called = |asked: &[(&str, i64)], at: &[i64]| {
            let bindings = [told("a.example", 10), told("b.example", 20)];
            let names = Names::new(&bindings);
            let mut resolver = Resolver::new(&names, &BTreeSet::from(["192.0.2.7".parse().unwrap()]));
            let mut flow = encrypted::tests::flow(&["dns"], "192.0.2.1:53", &[]);
            flow.facts = crate::model::Facts::default();
            for (query, at) in asked {
                let name = crate::model::Value::text(query.as_bytes());
                flow.facts.add(&crate::analyzers::dns::QUERY, name, seen(*at));
            }
            resolver.note(&flow);
            let mut name =
                |then: &i64| resolver.resolved("203.0.113.1".parse().unwrap(), seen(*then)).name.unwrap();
            at.iter().map(&mut name).collect::<Vec<_>>()
        };
        let (a, b) = ("a.example", "b.example");
        // One socket for all: of the three of a, only the first and the last are known.
        let asked = [(a, 10), (b, 20), (a, 30), (b, 40), (a, 50)];
        assert_eq!(called(&asked, &[15, 25, 35, 45, 55]), [a, a, a, a, a], "up to 50 what was told first");
        // Twice is first and last.
        assert_eq!(called(&asked[..4], &[15, 25, 35, 45]), [a, b, a, b]);
        // That b was asked for oftener says nothing against it.
        assert_eq!(called(&[(a, 10), (b, 20), (b, 30), (b, 50)], &[25, 35, 55]), [b, b, b]);
    }

    #[test]
    fn what_everybody_is_told_counts_as_ones_own() {
        let bindings = [
            binding("theirs.example", "203.0.113.1", NameSource::Dns, Some("192.0.2.9")),
            binding("all.example", "203.0.113.1", NameSource::Dns, None),
            binding("spoken.example", "203.0.113.1", NameSource::Mdns, None),
        ];
        let names = Names::new(&bindings);
        for (asker, candidates) in
            [("192.0.2.8", vec!["all.example"]), ("192.0.2.9", vec!["all.example", "theirs.example"])]
        {
            let device = BTreeSet::from([asker.parse().unwrap()]);
            let peer = Resolver::new(&names, &device).resolved("203.0.113.1".parse().unwrap(), seen(9));
            assert_eq!(peer.candidates.split_last().unwrap().1, candidates);
            assert_eq!(peer.source, NameSource::Dns);
        }
    }

    #[test]
    fn addresses_that_a_translator_makes_are_one_host() {
        let device = "2001:db8::7";
        let mut bindings = vec![
            binding("six.example", "64:ff9b::203.0.113.1", NameSource::Dns, Some(device)),
            binding("four.example", "203.0.113.2", NameSource::Dns, Some(device)),
        ];
        let called = |bindings: &[NameBinding], ip: &str| {
            let names = Names::new(bindings);
            let device = BTreeSet::from([device.parse().unwrap()]);
            Resolver::new(&names, &device).resolved(ip.parse().unwrap(), seen(9)).name
        };
        // As seen behind the translator, or by a device that makes the addresses itself.
        assert_eq!(called(&bindings, "203.0.113.1").as_deref(), Some("six.example"));
        assert_eq!(called(&bindings, "64:ff9b::203.0.113.2").as_deref(), Some("four.example"));
        assert_eq!(called(&bindings, "2001:db8:64::203.0.113.2"), None);
        bindings.push(binding("ipv4only.arpa", "2001:db8:64::192.0.0.170", NameSource::Dns, Some(device)));
        assert_eq!(called(&bindings, "2001:db8:64::203.0.113.2").as_deref(), Some("four.example"));
        assert_eq!(called(&bindings, "203.0.113.9"), None);
    }

    #[test]
    fn hosts_files_name_addresses_and_name_the_bad_line() {
        let good = parse_hosts("# lab\n192.0.2.1 Gate.Example gate # ours\n\n2001:db8::1 six\n").unwrap();
        assert_eq!(good.iter().map(|b| &*b.name).collect::<Vec<_>>(), ["gate.example", "gate", "six"]);
        assert_eq!(parse_hosts("192.0.2.1 a\nnonsense b\n").unwrap_err(), 2);
    }
}
