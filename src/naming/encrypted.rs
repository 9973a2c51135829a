//! Look-ups that cannot be seen: connections that carry DNS inside TLS, DTLS or QUIC (RFC 7858, RFC 8094, RFC 8484,
//! RFC 9250).
//!
//! The protocol that the client offers says it outright (`dot`, `doq`); port 853 is for nothing else, once there is a
//! handshake. DNS over HTTPS looks like any other HTTPS: it shows only where the server is known to be a resolver, by
//! its name or its address (`rules/addresses/public-resolvers.txt`, which is dated, and never complete).
//!
//! Likewise told: key establishment for NTP (RFC 8915), which has its own protocol and port.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;

use crate::analyzers::{dns, ntp, tls};
use crate::model::{Flow, Value};

/// A connection that carries look-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted {
    /// How.
    pub way: Way,
    /// What shows it.
    pub by: By,
}

/// How look-ups are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// DNS over TLS (or DTLS).
    Tls,
    /// DNS over HTTPS.
    Https,
    /// DNS over QUIC.
    Quic,
}

/// What shows that look-ups are carried, surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The client offers the protocol.
    Alpn,
    /// The port, with a handshake.
    Port,
    /// The server name.
    Name,
    /// The server's address.
    Address,
}

impl Way {
    /// The word in `dns.encrypted`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tls => "dot",
            Self::Https => "doh",
            Self::Quic => "doq",
        }
    }
}

/// `DNS over TLS`.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "DNS over TLS",
            Self::Https => "DNS over HTTPS",
            Self::Quic => "DNS over QUIC",
        })
    }
}

impl By {
    /// The word in `dns.encrypted_by`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Alpn => "alpn",
            Self::Port => "port",
            Self::Name => "name",
            Self::Address => "address",
        }
    }
}

/// Whether `flow` carries look-ups, as far as its handshake shows.
pub fn of(flow: &Flow) -> Option<Encrypted> {
    let carrier = flow.service.iter().find_map(|service| match *service {
        "quic" => Some(Way::Quic),
        "tls" | "dtls" => Some(Way::Tls),
        _ => None,
    })?;
    let is_direct = flow.service.first().is_some_and(|service| matches!(*service, "tls" | "dtls" | "quic"));
    let offered = |id: &str| {
        let mut offers = flow.facts.of(&tls::OFFERED_ALPN).chain(flow.facts.of(&tls::ALPN));
        offers.any(|fact| fact.value.as_str() == Some(id))
    };
    let found = |way, by| Some(Encrypted { way, by });
    match carrier {
        Way::Quic if offered("doq") => return found(Way::Quic, By::Alpn),
        Way::Tls if offered("dot") => return found(Way::Tls, By::Alpn),
        _ if is_direct && flow.key.resp.port == PORT => return found(carrier, By::Port),
        _ => {}
    }
    // Something else is offered, and not what HTTPS is asked with.
    let other = flow.facts.has(&tls::OFFERED_ALPN) && !["h2", "h3", "http/1.1"].into_iter().any(offered);
    let known = &*KNOWN;
    match flow.facts.latest(&tls::SNI).and_then(|fact| fact.value.as_str()) {
        _ if other => None,
        Some(name) => known.has_name(name).then_some(()).and(found(Way::Https, By::Name)),
        None if is_direct && flow.key.resp.port == HTTPS && known.has_address(flow.key.resp.ip) => {
            found(Way::Https, By::Address)
        }
        None => None,
    }
}

/// What shows that `flow` establishes keys for authenticated NTP, if anything does.
fn establishes_ntp_keys(flow: &Flow) -> Option<By> {
    let is_tls = flow.service.contains(&"tls");
    let offers = |field| flow.facts.of(field).any(|fact| fact.value.as_str() == Some("ntske/1"));
    match () {
        () if is_tls && (offers(&tls::OFFERED_ALPN) || offers(&tls::ALPN)) => Some(By::Alpn),
        () if flow.service.first() == Some(&"tls") && flow.key.resp.port == NTS_PORT => Some(By::Port),
        () => None,
    }
}

/// Tells it as facts of the flow, where its hello is.
pub fn tell(flow: &mut Flow) {
    let hello = [&tls::OFFERED_ALPN, &tls::SNI, &tls::OFFERED_VERSION, &tls::VERSION];
    let shown = hello.into_iter().find_map(|field| flow.facts.first(field));
    let Some(seen) = shown.map(|fact| fact.evidence.first) else { return };
    if let Some(found) = of(flow) {
        flow.facts.add(&dns::ENCRYPTED, Value::Word(found.way.word()), seen);
        flow.facts.add(&dns::ENCRYPTED_BY, Value::Word(found.by.word()), seen);
    }
    if let Some(by) = establishes_ntp_keys(flow) {
        flow.facts.add(&ntp::KEY_ESTABLISHMENT, Value::Word(by.word()), seen);
    }
}

/// Whether somebody is known to run a resolver for everybody at `ip`.
pub fn is_public_resolver(ip: IpAddr) -> bool {
    KNOWN.has_address(ip)
}

/// RFC 7858 section 3.1, RFC 9250 section 4.1.1.
const PORT: u16 = 853;

const HTTPS: u16 = 443;

/// RFC 8915 section 4.
const NTS_PORT: u16 = 4460;

/// The list.
struct Known {
    networks: Vec<IpNet>,
    /// Whether each name stands for those below it too.
    names: BTreeMap<&'static str, Reach>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Reach {
    own: bool,
    below: bool,
}

static KNOWN: LazyLock<Known> =
    LazyLock::new(|| Known::parse(include_str!("../../rules/addresses/public-resolvers.txt")));

impl Known {
    fn parse(text: &'static str) -> Self {
        let mut known = Self { networks: Vec::new(), names: BTreeMap::new() };
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let net = line.parse().or_else(|_| line.parse::<IpAddr>().map(IpNet::from));
            match (net, line.strip_prefix('.')) {
                (Ok(net), _) => known.networks.push(net),
                (Err(_), Some(apex)) => known.names.entry(apex).or_default().below = true,
                (Err(_), None) if !line.is_empty() => known.names.entry(line).or_default().own = true,
                (Err(_), None) => {}
            }
        }
        known
    }

    fn has_address(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|net| net.contains(&ip))
    }

    fn has_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let reach = |name: &str| self.names.get(name).copied().unwrap_or_default();
        let mut above = std::iter::successors(name.split_once('.'), |(_, rest)| rest.split_once('.'));
        reach(&name).own || above.any(|(_, apex)| reach(apex).below)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::flow::RoleBasis;
    use crate::model::{
        CaptureId, Endpoint, Facts, Field, FlowId, FlowKey, FrameNo, FrameRef, PerDirection, Seen, Timestamp,
        Transport,
    };

    fn seen(no: u64) -> Seen {
        Seen { at: Timestamp::new(1, 0), frame: FrameRef::new(CaptureId(0), FrameNo(no)) }
    }

    pub(in crate::naming) fn flow(
        service: &'static [&'static str],
        to: &str,
        said: &[(&'static Field, &str)],
    ) -> Flow {
        let mut facts = Facts::default();
        facts.add(&tls::OFFERED_VERSION, Value::Uint(0x0303), seen(4));
        for (field, text) in said {
            facts.add(field, Value::text(text.as_bytes()), seen(4));
        }
        let to: std::net::SocketAddr = to.parse().unwrap();
        let orig = Endpoint { ip: "192.0.2.7".parse().unwrap(), port: 40000 };
        let resp = Endpoint { ip: to.ip(), port: to.port() };
        Flow {
            id: FlowId(seen(1).frame),
            key: FlowKey { transport: Transport::Tcp, orig, resp },
            roles: RoleBasis::Syn,
            link: PerDirection::default(),
            first: seen(1),
            last: seen(9),
            packets: PerDirection::default(),
            bytes: PerDirection::default(),
            ip_bytes: PerDirection::default(),
            missed: PerDirection::default(),
            truncated_frames: 0,
            tcp: None,
            icmp_errors: Vec::new(),
            errors: 0,
            service: service.to_vec(),
            recognised: Vec::new(),
            facts,
        }
    }

    #[test]
    fn offers_ports_names_and_addresses_tell_in_this_order() {
        let (alpn, sni) = (&tls::OFFERED_ALPN, &tls::SNI);
        let shown = |service: &'static [&'static str], to: &str, said: &[(&'static Field, &str)]| {
            of(&flow(service, to, said)).map(|found| (found.way.word(), found.by.word()))
        };
        assert_eq!(shown(&["tls"], "203.0.113.1:4000", &[(alpn, "dot")]), Some(("dot", "alpn")));
        assert_eq!(shown(&["tls"], "203.0.113.1:853", &[(sni, "dns.example")]), Some(("dot", "port")));
        assert_eq!(shown(&[], "203.0.113.1:853", &[]), None, "a port is not enough");
        assert_eq!(shown(&["http"], "203.0.113.1:853", &[]), None);
        assert_eq!(shown(&["http", "tls"], "203.0.113.1:853", &[]), None, "the port of a proxy");
        assert_eq!(shown(&["http", "tls"], "203.0.113.1:853", &[(sni, "dns.google")]), Some(("doh", "name")));
        assert_eq!(shown(&["quic"], "203.0.113.1:443", &[(alpn, "doq")]), Some(("doq", "alpn")));
        assert_eq!(shown(&["quic"], "203.0.113.1:853", &[]), Some(("doq", "port")));
        let google = [(alpn, "h2"), (alpn, "http/1.1"), (sni, "dns.google")];
        assert_eq!(shown(&["tls"], "203.0.113.1:443", &google), Some(("doh", "name")));
        assert_eq!(shown(&["tls"], "9.9.9.9:443", &[(alpn, "h2")]), Some(("doh", "address")));
        assert_eq!(shown(&["tls"], "9.9.9.9:443", &[(sni, "other.example")]), None);
        assert_eq!(shown(&["tls"], "9.9.9.9:8443", &[]), None);
        assert_eq!(shown(&["tls"], "203.0.113.1:443", &[(alpn, "mqtt"), (sni, "dns.google")]), None);
        assert_eq!(shown(&["tls"], "203.0.113.1:443", &[(sni, "my.example")]), None);
    }

    #[test]
    fn what_is_carried_becomes_a_fact_of_the_hello() {
        let told = |to: &str, said: &[(&'static Field, &str)]| {
            let mut flow = flow(&["tls"], to, said);
            tell(&mut flow);
            let new = flow.facts.iter().filter(|fact| !fact.field.name.starts_with("tls."));
            new.map(|fact| {
                let no = fact.evidence.first.frame.no();
                format!("{no} {}={}", fact.field.name, fact.value)
            })
            .collect::<Vec<_>>()
        };
        let alpn = &tls::OFFERED_ALPN;
        assert_eq!(told("203.0.113.1:853", &[]), ["4 dns.encrypted=dot", "4 dns.encrypted_by=port"]);
        assert_eq!(told("203.0.113.1:5000", &[(alpn, "ntske/1")]), ["4 ntp.key_establishment=alpn"]);
        assert_eq!(told("203.0.113.1:4460", &[]), ["4 ntp.key_establishment=port"]);
        assert!(told("203.0.113.1:443", &[(alpn, "h2")]).is_empty());
    }

    #[test]
    fn every_line_of_the_list_is_an_address_or_a_name() {
        let known = &*KNOWN;
        assert!(known.networks.len() > 80 && known.names.len() > 40);
        for name in known.names.keys() {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            assert!(name.contains('.') && name.chars().all(fits), "{name}");
        }
        assert!(known.has_address("1.1.1.1".parse().unwrap()));
        assert!(!known.has_address("1.1.1.4".parse().unwrap()));
        assert!(known.has_address("2620:fe::fe".parse().unwrap()));
        for (name, is) in [
            ("dns.google", true),
            ("DNS.Google.", true),
            ("x.dns.google", false),
            ("abc123.dns.nextdns.io", true),
            ("dns.nextdns.io", true),
            ("nextdns.io", false),
            ("chrome.cloudflare-dns.com", true),
            ("google", false),
            ("", false),
        ] {
            assert_eq!(known.has_name(name), is, "{name}");
        }
    }
}
