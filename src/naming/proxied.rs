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
        let facts = &flow.facts;
        let connects = facts.has(&http::CONNECT_TARGET);
        if !connects && !flow.service.contains(&"socks") {
            return None;
        }
        let status = |fact: &Fact| fact.value.as_uint().is_some_and(|status| status / 100 == 2);
        let granted = facts.of(&http::CONNECT_STATUS).filter(|fact| status(fact));
        let mut tunnels: u64 = granted.map(|fact| fact.evidence.count).sum();
        let refused = connects && tunnels == 0;
        let mut last = None;
        for (layers, service) in (1..).zip(&flow.service) {
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

    /// The host asked for, without the brackets of an IPv6 address.
    pub fn host(&self) -> Option<&'f str> {
        let target = self.target?;
        Some(target.rsplit_once(':').map_or(target, |(host, _)| host).trim_matches(['[', ']']))
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
