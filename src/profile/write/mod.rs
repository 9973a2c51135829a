//! A profile as a file: YAML that [`load`] reads back as the same profile. Groups, which a loaded profile
//! no longer has, are written out where they were referred to.

mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use super::bind::DEVICE;
use super::load::{self, DEFAULT_POLICY};
use super::mud::{Class, TlsOffer};
use super::schema::{self, ANYONE, REFERENCE, UNBOUND};
use super::{
    AddressSet, Claim, Condition, FlowRule, Identify, Level, LifetimeRule, Parameter, ParameterKind, Peer,
    Ports, Profile, Role, Rule, SlotPart, Source, Statement, TlsRule, addresses, tls_policy, value,
};
use crate::error::{Error, Result};
use crate::model::Transport;
use crate::model::finding::Way;
use text::Tree;

/// What is said in comments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Lines at the top of the file.
    pub header: Vec<String>,
    /// Lines before a claim or a statement, by its id.
    pub entries: BTreeMap<String, Vec<String>>,
}

/// The profile as YAML with these comments. Text that came from a capture or from another file cannot leave its place.
pub fn yaml(profile: &Profile, notes: &Notes) -> String {
    text::document(&notes.header, &entries(profile, notes))
}

/// As [`yaml`], of a profile whose text is not to be written where it does not load.
///
/// # Errors
/// [`Error::Profile`], which names the claim and what is wrong with it; `origin` is what messages call the profile.
pub fn loadable_yaml(profile: &Profile, notes: &Notes, origin: &str) -> Result<String> {
    let text = yaml(profile, notes);
    let again = load::from_str(&text, origin)?;
    let ids =
        |profile: &Profile| -> Vec<String> { profile.claims.iter().map(|claim| claim.id.clone()).collect() };
    if ids(&again) == ids(profile) {
        return Ok(text);
    }
    Err(Error::Profile(format!("failed to load the profile `{origin}`: it lost claims when it was written")))
}

/// Claims as they stand in the list of a file, for one that exists already; each line begins with two blanks.
pub fn claims_yaml(profile: &Profile, notes: &Notes) -> String {
    let whole = text::document(&[], &[("claims".to_owned(), claims(profile, notes))]);
    whole.split_once('\n').map_or_else(String::new, |(_, list)| list.to_owned())
}

/// A mapping, built key by key.
#[derive(Default)]
struct Entries(Vec<(String, Tree)>);

impl Entries {
    fn add(&mut self, key: &str, value: Tree) {
        self.0.push((key.to_owned(), value));
    }

    fn scalar(&mut self, key: &str, value: &impl ToString) {
        self.add(key, Tree::Scalar(value.to_string()));
    }

    fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.add(key, Tree::Text(value.to_owned()));
        }
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.scalar(key, &true);
        }
    }

    /// Nothing for no values.
    fn values<T: ToString>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        let values: Vec<Tree> = values.into_iter().map(|value| Tree::Scalar(value.to_string())).collect();
        if !values.is_empty() {
            self.add(key, Tree::one_or_list(values));
        }
    }

    fn length(&mut self, key: &str, length: Option<Duration>) {
        if let Some(length) = length {
            self.scalar(key, &duration(length));
        }
    }

    /// Nothing for an empty list.
    fn list(&mut self, key: &str, items: Vec<Tree>) {
        if !items.is_empty() {
            self.add(key, Tree::List(items));
        }
    }

    fn map(self) -> Tree {
        Tree::Map(self.0)
    }
}

fn entries(profile: &Profile, notes: &Notes) -> Vec<(String, Tree)> {
    let mut out = Entries::default();
    out.scalar("version", &schema::VERSION);
    out.scalar("profile", &profile.name);
    out.text("title", &profile.title);
    document(&mut out, profile);
    identify(&mut out, &profile.identify);
    subjects(&mut out, &profile.subjects);
    variants(&mut out, profile);
    let parameters_of_lists = lists_as_parameters(profile);
    parameters(&mut out, profile.parameters.iter().chain(&parameters_of_lists));
    out.list("baseline", profile.baseline.iter().map(Tree::of).collect());
    if profile.tls_policy != DEFAULT_POLICY {
        out.scalar("tls_policy", &profile.tls_policy);
    }
    out.add("claims", claims(profile, notes));
    out.list(
        "not_checkable",
        profile
            .not_checkable
            .iter()
            .map(|entry| noted(notes, &entry.id, statement(profile, entry)))
            .collect(),
    );
    out.list(
        "contradictions",
        profile
            .contradictions
            .iter()
            .map(|entry| {
                let mut map = Entries::default();
                map.values("claims", &entry.claims);
                map.text("note", &entry.note);
                map.map()
            })
            .collect(),
    );
    out.0
}

fn noted(notes: &Notes, id: &str, tree: Tree) -> Tree {
    match notes.entries.get(id) {
        Some(lines) => Tree::Noted(lines.clone(), Box::new(tree)),
        None => tree,
    }
}

fn document(out: &mut Entries, profile: &Profile) {
    if profile.document.is_empty() {
        return;
    }
    let mut map = Entries::default();
    let with_url = profile.document.strip_suffix('>').and_then(|rest| rest.rsplit_once(" <"));
    let (title, url) = with_url.unwrap_or((&profile.document, ""));
    map.text("title", title);
    map.text("url", url);
    if let Some(date) = &profile.reviewed {
        map.scalar("reviewed", &date);
    }
    out.add("document", map.map());
}

fn identify(out: &mut Entries, identify: &Identify) {
    let mut map = Entries::default();
    map.values("dhcp_host_names", &identify.dhcp_host_names);
    map.values("dhcp_vendor_classes", &identify.dhcp_vendor_classes);
    map.values("mud_urls", &identify.mud_urls);
    map.values("ouis", identify.ouis.iter().map(|[a, b, c]| format!("{a:02x}:{b:02x}:{c:02x}")));
    map.values("names", &identify.names);
    map.values("ports", &identify.ports);
    if !map.0.is_empty() {
        out.add("identify", map.map());
    }
}

fn subjects(out: &mut Entries, subjects: &[Role]) {
    let mut all = Entries::default();
    for subject in subjects {
        let mut map = Entries::default();
        // A mapping has a key.
        map.text("help", if subject.help.is_empty() { &subject.name } else { &subject.help });
        identify(&mut map, &subject.identify);
        all.add(&subject.name, map.map());
    }
    if !all.0.is_empty() {
        out.add("subjects", all.map());
    }
}

fn variants(out: &mut Entries, profile: &Profile) {
    let mut groups = Entries::default();
    for group in &profile.variants {
        let mut map = Entries::default();
        map.text("help", &group.help);
        map.values("options", &group.options);
        if let Some(option) = &group.default {
            map.scalar("default", &option);
        }
        groups.add(&group.name, map.map());
    }
    if !groups.0.is_empty() {
        out.add("variants", groups.map());
    }
}

fn parameters<'p>(out: &mut Entries, parameters: impl Iterator<Item = &'p Parameter>) {
    let mut all = Entries::default();
    for parameter in parameters {
        let mut map = Entries::default();
        map.scalar("kind", &parameter.kind);
        map.text("help", &parameter.help);
        if let Some(default) = &parameter.default {
            map.scalar("default", &default);
        }
        if let Some(class) = &parameter.mud {
            map.add("mud", mud_class(class));
        }
        all.add(&parameter.name, map.map());
    }
    if !all.0.is_empty() {
        out.add("parameters", all.map());
    }
}

fn mud_class(class: &Class) -> Tree {
    match class.leaf() {
        (leaf, Some(value)) => Tree::Map(vec![(leaf.to_owned(), Tree::of(&value))]),
        (leaf, None) => Tree::of(&leaf),
    }
}

fn claims(profile: &Profile, notes: &Notes) -> Tree {
    let of = |(at, entry): (usize, &Claim)| noted(notes, &entry.id, claim(profile, at, entry));
    Tree::List(profile.claims.iter().enumerate().map(of).collect())
}

/// Whether a list is from a file beside the profile: neither a parameter, which has no date, nor one that ships.
fn is_own(set: &AddressSet) -> bool {
    !set.dated.is_empty() && addresses::named(&set.name).ok().as_ref() != Some(set)
}

/// The peers, each as itself, with the prefixes of the profile's own lists in the place of those.
fn peers(peers: &[Peer]) -> Vec<String> {
    let of = |peer: &Peer| match peer {
        Peer::List(set) if is_own(set) => {
            set.networks.iter().map(|net| Peer::Network(*net).to_string()).collect()
        }
        _ => vec![peer.to_string()],
    };
    peers.iter().flat_map(of).collect()
}

/// Where a rule takes no prefixes, a parameter stands for a list of the profile's own, with those as its default.
fn lists_as_parameters(profile: &Profile) -> Vec<Parameter> {
    let mut out: Vec<Parameter> = Vec::new();
    for claim in &profile.claims {
        let Rule::AddressesWithin { networks, .. } = &claim.rule else { continue };
        let name = list_parameter(profile, networks);
        if !is_own(networks) || out.iter().any(|known| known.name == name) {
            continue;
        }
        let prefixes: Vec<String> = networks.networks.iter().map(ToString::to_string).collect();
        out.push(Parameter {
            name,
            kind: ParameterKind::Peers,
            default: Some(prefixes.join(",")),
            help: format!("the address list {}, of {}", networks.name, networks.dated),
            mud: None,
        });
    }
    out
}

/// A name that no parameter and no variant group has.
fn list_parameter(profile: &Profile, set: &AddressSet) -> String {
    let mut name = format!("list_{}", set.name.replace('-', "_"));
    while profile.parameters.iter().any(|known| known.name == name)
        || profile.variants.iter().any(|known| known.name == name)
    {
        name.push('_');
    }
    name
}

fn claim(profile: &Profile, at: usize, claim: &Claim) -> Tree {
    let mut out = Entries::default();
    out.scalar("id", &claim.id);
    out.text("title", &claim.title);
    if claim.subject != DEVICE {
        out.scalar("subject", &claim.subject);
    }
    let level = match claim.level {
        Level::Required => "required",
        Level::Allowed => "allowed",
        Level::Forbidden => "forbidden",
        Level::Informational => "informational",
    };
    out.add(level, rule(profile, at, &claim.rule));
    if !claim.when.is_empty() {
        out.add("when", conditions(&claim.when));
    }
    if let Rule::Flow(rule) = &claim.rule {
        constraints(&mut out, rule);
    }
    if let Some(severity) = claim.severity {
        out.scalar("severity", &severity);
    }
    source(&mut out, profile, &claim.source);
    out.map()
}

fn conditions(when: &[Condition]) -> Tree {
    let mut out = Entries::default();
    for condition in when {
        match condition {
            Condition::Variant { group, options } => out.values(group, options),
            Condition::Flag { parameter, is } => out.scalar(parameter, &is),
            Condition::Version { parameter, ranges, unbound } => {
                let ranges = ranges.iter().map(ToString::to_string);
                out.values(parameter, ranges.chain(unbound.then(|| UNBOUND.to_owned())));
            }
        }
    }
    out.map()
}

fn rule(profile: &Profile, at: usize, rule: &Rule) -> Tree {
    let mut out = Entries::default();
    match rule {
        Rule::Flow(rule) => return flow(profile, at, rule),
        Rule::Proxy(_) => out.flag("proxy", true),
        Rule::SameAddresses(names) => out.values("same_addresses", names),
        Rule::CanonicalName { name, under } => {
            let mut map = Entries::default();
            map.scalar("name", &name);
            map.scalar("under", &under);
            out.add("canonical_name", map.map());
        }
        Rule::AddressesWithin { names, networks } => {
            let mut map = Entries::default();
            map.values("names", names);
            if is_own(networks) {
                map.scalar("networks", &format!("{REFERENCE}{}", list_parameter(profile, networks)));
            } else {
                map.scalar("networks", &Peer::List(networks.clone()));
            }
            out.add("addresses_within", map.map());
        }
    }
    out.map()
}

fn flow(profile: &Profile, at: usize, rule: &FlowRule) -> Tree {
    let mut out = Entries::default();
    let way = match rule.way {
        Some(Way::Out) => "out",
        Some(Way::In) => "in",
        Some(Way::Local) => "local",
        None => "either",
    };
    if rule.peers.is_empty() {
        out.scalar(way, &ANYONE);
    } else {
        out.values(way, peers(&rule.peers));
    }
    for (key, transport) in [("tcp", Transport::Tcp), ("udp", Transport::Udp)] {
        if rule.transports.contains(&transport) {
            out.add(key, ports(profile, at, &rule.ports));
        }
    }
    let icmp = [Transport::Icmp, Transport::Icmpv6].iter().all(|both| rule.transports.contains(both));
    out.flag("icmp", icmp);
    let others = rule.transports.iter().filter_map(|transport| match transport {
        Transport::Other(number) => Some(value::ip_protocol_word(*number)),
        Transport::Icmp if !icmp => Some(value::ip_protocol_word(1)),
        Transport::Icmpv6 if !icmp => Some(value::ip_protocol_word(58)),
        _ => None,
    });
    out.values("ip", others);
    out.values("service", &rule.services);
    if rule.at_least > 1 {
        out.scalar("at_least", &rule.at_least);
    }
    out.flag("blocked", rule.blocked);
    out.map()
}

fn ports(profile: &Profile, at: usize, ports: &Ports) -> Tree {
    let but = |key: &str, value: Tree| Tree::Map(vec![(key.to_owned(), value)]);
    let ranges = |ranges: &[(u16, u16)]| {
        let one = |(low, high): &(u16, u16)| {
            Tree::Scalar(if low == high { low.to_string() } else { format!("{low}-{high}") })
        };
        Tree::one_or_list(ranges.iter().map(one).collect())
    };
    match ports {
        Ports::Any => Tree::of(&"any"),
        Ports::Of(list) => ranges(list),
        Ports::Except(list) => but("except", ranges(list)),
        Ports::Fallback(list) => but("prefer", Tree::List(list.iter().map(Tree::of).collect())),
        Ports::Unbound(name) => {
            let reference = Tree::Scalar(format!("{REFERENCE}{name}"));
            let except =
                profile.slots.iter().any(|slot| slot.claim == at && slot.part == SlotPart::PortsExcept);
            if except { but("except", reference) } else { reference }
        }
    }
}

fn constraints(out: &mut Entries, rule: &FlowRule) {
    if let Some(tls) = &rule.tls {
        out.add("tls", tls_block(tls));
    }
    if let Some(life) = &rule.lifetime {
        out.add("lifetime", lifetime(life));
    }
    out.length("keep_alive_max", rule.keep_alive_max);
    out.flag("websocket", rule.websocket);
    out.flag("encrypted", rule.encrypted);
}

fn tls_block(tls: &TlsRule) -> Tree {
    let mut out = Entries::default();
    if let Some(policy) = &tls.policy {
        out.scalar("policy", &policy);
    }
    for (key, version) in [("min_version", tls.min_version), ("max_version", tls.max_version)] {
        let word = schema::TLS_VERSIONS.iter().find(|(_, code)| Some(*code) == version);
        if let Some((word, _)) = word {
            out.scalar(key, &word);
        }
    }
    out.values("suites", tls.suites.iter().copied().map(suite));
    if let Some(bits) = tls.min_rsa_bits {
        out.scalar("min_rsa_bits", &bits);
    }
    out.values("signatures", &tls.signatures);
    out.flag("mutual", tls.mutual);
    out.values("issuers", &tls.issuers);
    out.values("pins", &tls.pins);
    out.values("alpn", &tls.alpn);
    out.list("offers", tls.offers.iter().map(offer).collect());
    out.map()
}

fn offer(offer: &TlsOffer) -> Tree {
    let mut out = Entries::default();
    let code = |code: &u16| format!("0x{code:04X}");
    out.text("name", &offer.name);
    out.values("versions", offer.versions.iter().map(|code| value::offered_version_word(*code)));
    out.values("suites", offer.suites.iter().copied().map(suite));
    out.values("extensions", &offer.extensions);
    out.values("groups", offer.groups.iter().map(code));
    out.values("signatures", offer.signatures.iter().map(code));
    out.values("certificate_signatures", offer.certificate_signatures.iter().map(code));
    out.values("psk_modes", &offer.psk_modes);
    out.values("alpn", &offer.alpn);
    out.map()
}

fn suite(code: u16) -> String {
    tls_policy::suite(code).map_or(format!("0x{code:04X}"), |suite| suite.name.to_owned())
}

fn lifetime(life: &LifetimeRule) -> Tree {
    let mut out = Entries::default();
    out.flag("long_running", life.long_running);
    out.length("min", life.min);
    out.length("max", life.max);
    out.length("max_idle_tail", life.max_idle_tail);
    out.map()
}

fn statement(profile: &Profile, statement: &Statement) -> Tree {
    let mut out = Entries::default();
    out.scalar("id", &statement.id);
    out.text("title", &statement.title);
    out.text("reason", &statement.reason);
    source(&mut out, profile, &statement.source);
    out.map()
}

/// Where a document is named, each claim says its sentence or that there is none.
fn source(out: &mut Entries, profile: &Profile, source: &Source) {
    out.text("quote", &source.quote);
    out.flag("silent", source.quote.is_empty() && !profile.document.is_empty());
    out.text("source", &source.place);
    if let Some(date) = &source.reviewed {
        out.scalar("reviewed", &date);
    }
}

/// In the largest unit that leaves no rest.
fn duration(length: Duration) -> String {
    let millis = length.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let unit = units.into_iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size));
    let (size, word) = unit.unwrap_or((1, "ms"));
    format!("{} {word}", millis / size)
}

#[cfg(test)]
mod tests {
    use super::super::builtin;
    use super::*;

    /// Everything but the places in the file.
    fn content(profile: &Profile) -> String {
        let mut profile = profile.clone();
        profile.origin.clear();
        profile.claims.iter_mut().for_each(|claim| claim.line = 0);
        profile.not_checkable.iter_mut().for_each(|entry| entry.line = 0);
        profile.contradictions.iter_mut().for_each(|entry| entry.line = 0);
        format!("{profile:#?}")
    }

    fn back(profile: &Profile, notes: &Notes) -> Profile {
        let text = yaml(profile, notes);
        load::from_str(&text, "written").unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn a_shipped_profile_reads_back_as_it_was() {
        for name in builtin::names() {
            let profile = builtin::open(name).unwrap();
            assert_eq!(content(&back(&profile, &Notes::default())), content(&profile), "{name}");
        }
    }

    #[test]
    fn every_construct_reads_back_as_it_was() {
        let text = "version: 1\nprofile: a\ntitle: 'it''s: \"odd\" # text'\nidentify: {mud_urls: 'https://a.example/*'}\n\
            parameters:\n  p: {kind: ports, help: h, default: '80,90-99'}\n  q: {kind: peers, help: h}\n  f: {kind: flag, help: h}\n  w: {kind: version, help: h, default: '1.10'}\n\
            subjects: {browser: {help: h, identify: {dhcp_host_names: 'pc-*'}}}\n\
            variants: {v: {options: [a, b], default: b}}\ntls_policy: default\nclaims:\n  \
            - {id: A, title: t, subject: browser, when: {v: [a, unbound], f: false}, severity: info,\n     \
               required: {out: [a.example, '*.b.example', .c.example, 192.0.2.1, 2001:db8::/32, $q, local-network], at_least: 2,\n       \
               tcp: {except: $p}}, tls: {min_version: tls1.2, max_version: tls1.3, suites: [ECDHE-RSA-AES128-SHA256, 0xfefe],\n       \
               min_rsa_bits: 2048, signatures: s, mutual: true, issuers: ['Let''s Encrypt', b], alpn: [h2, http/1.1],\n       \
               offers: [{name: a, versions: [tls1.2, dtls1.2, 0x0305], suites: [0x1301, 0xfefe], groups: 29, signatures: [0x0403], psk_modes: 1, alpn: h2}, {certificate_signatures: 0x0804, extensions: [0, 65281]}]},\n     \
               lifetime: {min: 90 s, max: 2 h, max_idle_tail: 1500 ms}, keep_alive_max: 5 min, websocket: true, encrypted: true}\n  \
            - {id: B, title: t, forbidden: {in: anyone, udp: $p, tcp: $p, blocked: true}}\n  \
            - {id: C, title: t, allowed: {local: anyone, icmp: true}}\n  \
            - {id: D, title: t, allowed: {out: anyone, tcp: {prefer: [1, 3, 2]}, service: [tls/mqtt, amqp]}}\n  \
            - {id: I, title: t, allowed: {out: 192.0.2.1, ip: [esp, gre, 99, 0]}}\n  \
            - {id: J, title: t, allowed: {local: anyone, icmp: true, ip: ospf}}\n  \
            - {id: E, title: t, forbidden: {proxy: true}}\n  \
            - {id: F, title: t, informational: {addresses_within: {names: a.example, networks: $q}}}\n  \
            - {id: G, title: t, informational: {either: anyone, udp: any}, lifetime: {long_running: true}}\n  \
            - {id: H, title: t, subject: anyone, allowed: {out: anyone}, when: {w: ['> 1, <= 2', '< 0.5', '3.0', unbound]}}\n";
        let profile = load::from_str(text, "a").unwrap();
        assert_eq!(content(&back(&profile, &Notes::default())), content(&profile));
    }

    #[test]
    fn a_list_of_the_profiles_own_is_written_out() {
        let set = |count: u8| AddressSet {
            name: "office".into(),
            dated: "2026-01".into(),
            networks: std::sync::Arc::new(
                (0..count).map(|n| format!("192.0.{n}.0/25").parse().unwrap()).collect(),
            ),
        };
        let text = "version: 1\nprofile: a\ntitle: a\nclaims:\n  - {id: A, title: t, allowed: {out: [a.example, 198.51.100.1]}}\n";
        let mut profile = load::from_str(text, "a").unwrap();
        let mut written = |count| {
            let Rule::Flow(rule) = &mut profile.claims[0].rule else { panic!() };
            rule.peers[1] = Peer::List(set(count));
            yaml(&profile, &Notes::default())
        };
        assert!(written(2).contains("{out: [a.example, 192.0.0.0/25, 192.0.1.0/25]}"), "{}", written(2));
        for count in [2, 64, 65, 250] {
            let again = load::from_str(&written(count), "written").unwrap();
            let Rule::Flow(rule) = &again.claims[0].rule else { panic!() };
            assert_eq!(rule.peers.len(), usize::from(count) + 1);
        }
        // Where no prefixes can stand, a parameter holds them.
        let names = vec![super::super::NamePattern::Exact("a.example".into())];
        profile.claims[0].rule = Rule::AddressesWithin { names, networks: set(100) };
        let text = yaml(&profile, &Notes::default());
        let again = std::sync::Arc::new(load::from_str(&text, "written").unwrap());
        let bound = super::super::bind::bind(&again, &[], &[]).unwrap();
        let Rule::AddressesWithin { networks, .. } = &bound.claims[0].claim.rule else { panic!() };
        assert_eq!(*networks.networks, *set(100).networks);
    }

    #[test]
    fn what_would_not_load_again_is_not_written() {
        let mut profile = builtin::open("electric-imp").unwrap();
        assert!(loadable_yaml(&profile, &Notes::default(), "written").is_ok());
        let id = std::mem::replace(&mut profile.claims[1].id, "a b".to_owned());
        let error = loadable_yaml(&profile, &Notes::default(), "written").unwrap_err().to_string();
        assert!(error.contains("id: a b") && error.contains("expected an id of letters"), "{error}");
        profile.claims[1].id = profile.claims[0].id.clone();
        let error = loadable_yaml(&profile, &Notes::default(), "written").unwrap_err().to_string();
        assert!(error.contains("exists already"), "{error}");
        profile.claims[1].id = id;
        profile.claims[1].title = " ".to_owned();
        let error = loadable_yaml(&profile, &Notes::default(), "written").unwrap_err().to_string();
        assert!(
            error.contains(&format!("claims.{}.title: expected a value", profile.claims[1].id)),
            "{error}"
        );
    }

    #[test]
    fn comments_stand_before_what_they_are_about_and_change_nothing() {
        let profile = builtin::open("electric-imp").unwrap();
        let mut notes = Notes { header: vec!["made for a test".into()], ..Notes::default() };
        notes.entries.insert("EI-04".into(), vec!["seen 3 times".into(), "in two\nlines".into()]);
        let text = yaml(&profile, &notes);
        assert!(text.starts_with("# made for a test\nversion: 1\n"), "{text}");
        assert!(text.contains("\n  # seen 3 times\n  # in two\n  # lines\n  - id: EI-04\n"), "{text}");
        assert_eq!(content(&back(&profile, &notes)), content(&profile));
    }

    #[test]
    fn lengths_are_said_in_the_largest_unit() {
        for (millis, said) in
            [(0, "0 ms"), (1500, "1500 ms"), (90_000, "90 s"), (7_200_000, "2 h"), (86_400_000, "1 d")]
        {
            assert_eq!(duration(Duration::from_millis(millis)), said);
        }
    }
}
