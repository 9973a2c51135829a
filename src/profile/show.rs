//! The parts of a profile as short text for people; the words are those of the file.

use std::fmt;
use std::time::Duration;

use super::schema::{self, ANYONE, LIST, LOCAL_NETWORK};
use super::{
    Baseline, Condition, FlowRule, Level, ParameterKind, Peer, Ports, Profile, ProxyRule, Rule, SlotPart,
    TlsRule, tls_policy,
};
use crate::model::finding::Way;

/// As in a file: `required`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
            Self::Informational => "informational",
        })
    }
}

/// As in a file: `mdns`.
impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(schema::BASELINE, self))
    }
}

/// As in a file: `ports`.
impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(schema::KINDS, self))
    }
}

/// As in a file: a name, a prefix (a single address without its length), `list:NAME`, `local-network`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(pattern) => pattern.fmt(f),
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Self::Network(network) => network.fmt(f),
            Self::List(set) if set.dated.is_empty() => write!(f, "{}{}", schema::REFERENCE, set.name),
            Self::List(set) => write!(f, "{LIST}{}", set.name),
            Self::Local => f.write_str(LOCAL_NETWORK),
        }
    }
}

/// Short and comparable: `443,8000-8010`, `31314>993>443` for a fallback, `any but 80,443`, `any`, `$parameter`.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Of(list) => ranges(f, list),
            Self::Except(list) => {
                f.write_str("any but ")?;
                ranges(f, list)
            }
            Self::Fallback(ports) => {
                f.write_str(&ports.iter().map(u16::to_string).collect::<Vec<_>>().join(">"))
            }
            Self::Unbound(name) => write!(f, "{}{name}", schema::REFERENCE),
        }
    }
}

/// As in a file: `path: proxy`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variant { group, options } => write!(f, "{group}: {}", options.join(" or ")),
            Self::Flag { parameter, is } => write!(f, "{parameter}: {is}"),
            Self::Version { parameter, ranges, unbound } => {
                let ranges = ranges.iter().map(|range| range.of(parameter));
                let open = unbound.then(|| format!("{parameter} {}", schema::UNBOUND));
                f.write_str(&ranges.chain(open).collect::<Vec<_>>().join(" or "))
            }
        }
    }
}

/// What the claim says, on one line: `out to my.farm.bot, tcp/443, tls`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow(rule) => rule.fmt(f),
            Self::Proxy(ProxyRule::Required) => {
                f.write_str("every connection that leaves the LAN goes through a proxy")
            }
            Self::Proxy(ProxyRule::Allowed | ProxyRule::Forbidden) => {
                f.write_str("connections through a proxy")
            }
            Self::SameAddresses(names) => write!(f, "the addresses of {} overlap", names.join(", ")),
            Self::CanonicalName { name, under } => write!(f, "the alias {name} leads to a name of {under}"),
            Self::AddressesWithin { names, networks } => {
                let peer = Peer::List(networks.clone());
                write!(f, "the addresses of {} are in {peer}", joined(names))?;
                if networks.dated.is_empty() { Ok(()) } else { write!(f, " (of {})", networks.dated) }
            }
        }
    }
}

impl fmt::Display for FlowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.way {
            Some(Way::Out) => "out to ",
            Some(Way::In) => "in from ",
            Some(Way::Local) => "local with ",
            None => "with ",
        })?;
        let peers = if self.peers.is_empty() { ANYONE.to_owned() } else { joined(&self.peers) };
        f.write_str(&peers)?;
        if self.at_least > 1 {
            write!(f, " (at least {})", self.at_least)?;
        }
        let transports: Vec<String> = self.transports.iter().map(ToString::to_string).collect();
        match (transports.is_empty(), &self.ports) {
            (true, Ports::Any) => {}
            (true, ports) => write!(f, ", port {ports}")?,
            (false, ports) => write!(f, ", {}/{ports}", transports.join("+"))?,
        }
        if !self.services.is_empty() {
            write!(f, ", {}", self.services.join(" or "))?;
        }
        if self.blocked {
            f.write_str(", the network gives no answer")?;
        }
        if self.encrypted {
            f.write_str(", encrypted")?;
        }
        if self.websocket {
            f.write_str(", WebSocket upgrades succeed")?;
        }
        self.tls.as_ref().map_or(Ok(()), |tls| show_tls(f, tls))?;
        show_times(f, self)
    }
}

impl Profile {
    /// The parameter whose ports the claim leaves out, while nobody has bound it.
    pub(super) fn excepts(&self, claim: usize) -> Option<&str> {
        let slot =
            self.slots.iter().find(|slot| slot.claim == claim && slot.part == SlotPart::PortsExcept)?;
        Some(&slot.parameter)
    }
}

fn show_tls(f: &mut fmt::Formatter<'_>, tls: &TlsRule) -> fmt::Result {
    let version = |version: u16| word(schema::TLS_VERSIONS, &version);
    if let Some(min) = tls.min_version {
        write!(f, ", TLS version >= {}", version(min))?;
    }
    if let Some(max) = tls.max_version {
        write!(f, ", TLS version <= {}", version(max))?;
    }
    if !tls.suites.is_empty() {
        let name = |code: &u16| {
            tls_policy::suite(*code).map_or(format!("0x{code:04X}"), |suite| suite.name.to_owned())
        };
        write!(f, ", {}", tls.suites.iter().map(name).collect::<Vec<_>>().join(" or "))?;
    }
    if let Some(bits) = tls.min_rsa_bits {
        write!(f, ", RSA keys >= {bits} bits")?;
    }
    for (name, values) in [
        ("signed with", &tls.signatures),
        ("issued by", &tls.issuers),
        ("with the key", &tls.pins),
        ("ALPN", &tls.alpn),
    ] {
        if !values.is_empty() {
            write!(f, ", {name} {}", values.join(" or "))?;
        }
    }
    if tls.mutual {
        f.write_str(", client certificate")?;
    }
    tls.policy.as_ref().map_or(Ok(()), |policy| write!(f, ", TLS policy {policy}"))
}

fn show_times(f: &mut fmt::Formatter<'_>, rule: &FlowRule) -> fmt::Result {
    if let Some(life) = &rule.lifetime {
        if life.long_running {
            f.write_str(", kept open")?;
        }
        for (name, length) in [
            ("life >=", life.min),
            ("life <=", life.max),
            ("closed after its last data within", life.max_idle_tail),
        ] {
            if let Some(length) = length {
                write!(f, ", {name} {}", seconds(length))?;
            }
        }
    }
    rule.keep_alive_max.map_or(Ok(()), |max| write!(f, ", keep alive <= {}", seconds(max)))
}

fn seconds(length: Duration) -> String {
    if length.subsec_millis() == 0 {
        format!("{} s", length.as_secs())
    } else {
        format!("{} ms", length.as_millis())
    }
}

fn ranges(f: &mut fmt::Formatter<'_>, list: &[(u16, u16)]) -> fmt::Result {
    let one = |(low, high): &(u16, u16)| if low == high { low.to_string() } else { format!("{low}-{high}") };
    f.write_str(&list.iter().map(one).collect::<Vec<_>>().join(","))
}

fn joined<T: ToString>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn word<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, known)| known == value).map_or("?", |(word, _)| *word)
}

#[cfg(test)]
mod tests {
    use super::super::builtin;
    use super::*;

    #[test]
    fn a_claim_reads_like_its_declaration() {
        let profile = builtin::open("electric-imp").unwrap();
        let rule = |id: &str| profile.claims.iter().find(|claim| claim.id == id).unwrap().rule.to_string();
        assert_eq!(rule("EI-04"), "out to anyone, tcp/31314>993>443, tls");
        assert_eq!(
            rule("EI-08"),
            "out to anyone, tcp/443,993,31314, tls, RSA keys >= 2048 bits, signed with sha256WithRSAEncryption"
        );
        assert_eq!(rule("EI-02"), "out to agent.electricimp.com");
        assert!(rule("EI-11a").starts_with("out to $external_ip, "), "{}", rule("EI-11a"));
    }

    #[test]
    fn ports_are_shown_short() {
        assert_eq!(Ports::Of(vec![(80, 80), (8000, 8010)]).to_string(), "80,8000-8010");
        assert_eq!(Ports::Except(vec![(443, 443)]).to_string(), "any but 443");
        assert_eq!(Ports::Fallback(vec![31314, 993]).to_string(), "31314>993");
        assert_eq!(Ports::Unbound("p".into()).to_string(), "$p");
    }
}
