//! Flows that ask a proxy for a connection to somebody else: HTTP CONNECT and SOCKS, also one through the other.

use std::net::IpAddr;

use crate::analyzers::http::fields as http;
use crate::analyzers::socks;
use crate::model::observation::Fact;
use crate::model::{Facts, Flow, NameSource, Value};

/// The status by which a proxy asks for credentials (RFC 9110 section 15.5.8).
const AUTHENTICATION_REQUIRED: u64 = 407;

/// What a flow asked a proxy for; of a chain of proxies, what it asked the last one for.
#[derive(Debug, Clone, Copy)]
pub struct Proxied<'f> {
    facts: &'f Facts,
    /// [`NameSource::Connect`] or [`NameSource::Socks`].
    pub source: NameSource,
    /// Host and port as sent; `None` where the proxy was not asked for a connection, or not yet.
    pub target: Option<&'f str>,
    /// Whether the proxy opened the connection to the target; what it carries begins behind [`Proxied::layers`].
    pub granted: bool,
    /// How many of the flow's services, from the outermost, are of the way to and through the proxies.
    pub layers: usize,
}

impl<'f> Proxied<'f> {
    /// `None` for a flow that asks no proxy for anything.
    pub fn of(flow: &'f Flow) -> Option<Self> {
        Self::read(&flow.facts, &flow.service)
    }

    fn read(facts: &'f Facts, services: &[&str]) -> Option<Self> {
        let connects = facts.has(&http::CONNECT_TARGET);
        if !connects && !services.contains(&"socks") {
            return None;
        }
        let status = |fact: &Fact| fact.value.as_uint().is_some_and(|status| status / 100 == 2);
        let granted = facts.of(&http::CONNECT_STATUS).filter(|fact| status(fact));
        let mut tunnels: u64 = granted.map(|fact| fact.evidence.count).sum();
        let refused = connects && tunnels == 0;
        let mut last = None;
        for (layers, service) in (1..).zip(services) {
            match *service {
                "socks" => last = Some((layers, NameSource::Socks)),
                "http" if tunnels > 0 => {
                    tunnels -= 1;
                    last = Some((layers, NameSource::Connect));
                }
                "http" if refused => {
                    last = Some((layers, NameSource::Connect));
                    break;
                }
                // A proxy that is reached over TLS.
                "tls" => {}
                _ => break,
            }
        }
        let (layers, source) = last?;
        let (target, granted) = match source {
            NameSource::Socks => (&socks::TARGET, facts.has(&socks::GRANTED) && facts.has(&socks::TARGET)),
            _ => (&http::CONNECT_TARGET, !refused),
        };
        let target = facts.latest(target).and_then(|fact| fact.value.as_str());
        Some(Self { facts, source, target, granted, layers })
    }

    /// The host asked for, without the brackets of an IPv6 address; `None` for a target that is not a host, with or without
    /// a port.
    pub fn host(&self) -> Option<&'f str> {
        let target = self.target?;
        let with_port = target.rsplit_once(':').filter(|_| !target.ends_with(']'));
        let (host, port) = with_port.unwrap_or((target, ""));
        let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = in_brackets.unwrap_or(host);
        let is_name = || {
            let of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
            in_brackets.is_none() && host.contains(char::is_alphanumeric) && host.chars().all(of_name)
        };
        let is_host = host.parse::<IpAddr>().is_ok() || is_name();
        (is_host && (port.is_empty() || port.parse::<u16>().is_ok())).then_some(host)
    }

    /// The host asked for, if it is an address.
    pub fn address(&self) -> Option<IpAddr> {
        self.host()?.parse().ok()
    }

    /// The port asked for.
    pub fn port(&self) -> Option<u16> {
        self.target?.rsplit_once(':')?.1.parse().ok()
    }

    /// How it was asked for, for reports: `CONNECT host:443`, `SOCKS host:443`.
    pub fn request(&self) -> String {
        let how = if self.source == NameSource::Socks { "SOCKS" } else { "CONNECT" };
        self.target.map_or_else(|| how.to_owned(), |target| format!("{how} {target}"))
    }

    /// The status or code with which the proxy refused, and whether it only asked for credentials.
    pub fn refusal(&self) -> Option<(&'f Fact, bool)> {
        let facts = self.facts;
        if self.source == NameSource::Socks {
            let no_method = facts.of(&socks::METHOD).find(|fact| fact.value == Value::Word("refused"));
            let wants_credentials = facts.first(&socks::AUTHENTICATION_FAILED).or(no_method);
            let refused = facts.first(&socks::REFUSED).map(|fact| (fact, false));
            return refused.or(wants_credentials.map(|fact| (fact, true)));
        }
        let wants_credentials = |fact: &Fact| fact.value.as_uint() == Some(AUTHENTICATION_REQUIRED);
        let mut refused = facts.of(&http::CONNECT_REFUSED).map(|fact| (fact, wants_credentials(fact)));
        let first = refused.next()?;
        Some(if first.1 { refused.find(|(_, asked)| !asked).unwrap_or(first) } else { first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CaptureId, Field, FrameNo, FrameRef, Seen, Timestamp};

    fn facts(list: &[(&'static Field, Value)]) -> Facts {
        let mut facts = Facts::default();
        let seen = Seen { at: Timestamp::default(), frame: FrameRef::new(CaptureId(0), FrameNo(1)) };
        list.iter().for_each(|(field, value)| facts.add(field, value.clone(), seen));
        facts
    }

    #[test]
    fn the_last_proxy_of_a_chain_tells_the_peer_and_what_follows_is_inside() {
        let list = [
            (&socks::TARGET, Value::text(b"proxy.example:8080")),
            (&socks::GRANTED, Value::Yes),
            (&http::CONNECT_TARGET, Value::text(b"[2001:db8::5]:443")),
            (&http::CONNECT_STATUS, Value::Uint(407)),
            (&http::CONNECT_REFUSED, Value::Uint(407)),
            (&http::CONNECT_STATUS, Value::Uint(200)),
        ];
        let both = facts(&list);
        let last = Proxied::read(&both, &["socks", "http", "tls", "http"]).unwrap();
        assert_eq!((last.source, last.layers, last.granted), (NameSource::Connect, 2, true));
        assert_eq!((last.address(), last.port()), ("2001:db8::5".parse().ok(), Some(443)));
        assert_eq!(last.request(), "CONNECT [2001:db8::5]:443");
        let first = facts(&list[..2]);
        let only = Proxied::read(&first, &["socks", "http", "websocket"]).unwrap();
        assert_eq!((only.source, only.layers, only.host()), (NameSource::Socks, 1, Some("proxy.example")));
        assert!(Proxied::read(&first, &["http", "websocket"]).is_none());
    }

    #[test]
    fn what_is_no_host_names_nobody() {
        let named = |target: &str| {
            let asked = [
                (&http::CONNECT_TARGET, Value::text(target.as_bytes())),
                (&http::CONNECT_STATUS, Value::Uint(200)),
            ];
            let facts = facts(&asked);
            let proxied = Proxied::read(&facts, &["http"]).unwrap();
            assert!(proxied.granted);
            proxied.host().map(str::to_owned)
        };
        for target in ["/", "", "*", "/a:80", "http://a.example/", "a.example:http", "[a.example]:80", ".:80"]
        {
            assert_eq!(named(target), None, "{target}");
        }
        for (target, host) in [
            ("a.example:443", "a.example"),
            ("a_b-c", "a_b-c"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[2001:db8::5]:443", "2001:db8::5"),
            ("[2001:db8::5]", "2001:db8::5"),
        ] {
            assert_eq!(named(target).as_deref(), Some(host));
        }
    }

    #[test]
    fn a_refusal_is_told_apart_from_asking_for_credentials() {
        let target = (&http::CONNECT_TARGET, Value::text(b"a.example:443"));
        let status = |status| (&http::CONNECT_REFUSED, Value::Uint(status));
        let told = |list: &[(&'static Field, Value)], service| {
            let facts = facts(list);
            let proxied = Proxied::read(&facts, &[service]).unwrap();
            assert!(!proxied.granted);
            proxied.refusal().map(|(fact, asks)| (fact.value.to_string(), asks))
        };
        assert_eq!(told(&[target.clone(), status(407)], "http"), Some(("407".into(), true)));
        assert_eq!(told(&[target.clone(), status(407), status(403)], "http"), Some(("403".into(), false)));
        assert_eq!(told(&[target], "http"), None);
        assert_eq!(
            told(&[(&socks::METHOD, Value::Word("refused"))], "socks"),
            Some(("refused".into(), true))
        );
        let refused = [(&socks::TARGET, Value::text(b"a:1")), (&socks::REFUSED, Value::Uint(2))];
        assert_eq!(told(&refused, "socks"), Some(("2".into(), false)));
    }
}
