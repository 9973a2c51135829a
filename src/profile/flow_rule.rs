//! From the flow part of a claim, and what must hold for its flows, to a [`FlowRule`].

use super::claim::{Context, Slots, nothing, parameter};
use super::load;
use super::mud::TlsOffer;
use super::problem::{near_or_all, quoted};
use super::read::{At, Map, Reader};
use super::schema::{self, ANYONE, REFERENCE, keys};
use super::service::{self, Service};
use super::value::{self, PeerWord};
use super::yaml::Node;
use super::{FlowRule, Level, LifetimeRule, ParameterKind, Peer, Ports, SlotPart, TlsRule};
use crate::model::Transport;
use crate::model::finding::Way;

/// Reads the flows that `body` is about and the constraints beside it in `map`.
pub(super) fn flow(
    reader: &mut Reader<'_>,
    map: &Map<'_>,
    body: &Map<'_>,
    level: Level,
    context: &Context,
    slots: &mut Slots,
) -> Option<FlowRule> {
    let ways = body.present(schema::WAYS);
    let [(way, _)] = ways.as_slice() else {
        let all = quoted(schema::WAYS.iter().copied());
        reader.problem(body.place, &body.key, format!("expected exactly one of {all}, got {}", ways.len()));
        return None;
    };
    let peers = peers(reader, &body.get(way)?, context, slots);
    let Service { transports, ports, slots: parts, chains } = service(reader, body, context);
    slots.extend(parts);
    let blocked = reader.flag(body, "blocked");
    if blocked && level == Level::Required {
        reader.problem(body.place, &body.key, "what is required cannot be `blocked`");
    }
    Some(FlowRule {
        way: match *way {
            "out" => Some(Way::Out),
            "in" => Some(Way::In),
            "local" => Some(Way::Local),
            _ => None,
        },
        at_least: at_least(reader, body, level, peers.len()),
        peers,
        transports,
        ports,
        services: chains,
        blocked,
        tls: map.get("tls").and_then(|at| tls(reader, &at, context)),
        lifetime: map.get("lifetime").and_then(|at| lifetime(reader, &at)),
        keep_alive_max: map.get("keep_alive_max").and_then(|at| reader.read(&at, value::duration)),
        websocket: reader.flag(map, "websocket"),
        encrypted: reader.flag(map, "encrypted"),
    })
}

fn peers(reader: &mut Reader<'_>, at: &At<'_>, context: &Context, slots: &mut Slots) -> Vec<Peer> {
    let mut out = Vec::new();
    let texts = reader.texts(at);
    let count = texts.len();
    for (text, at) in texts {
        match context.peer(&text) {
            Ok(PeerWord::Peer(peer)) => out.push(peer),
            Ok(PeerWord::Anyone) if count == 1 => {}
            Ok(PeerWord::Anyone) => reader.wrong(&at, format!("expected `{ANYONE}` to stand alone")),
            Ok(PeerWord::Reference(name)) => {
                if let Some(group) = context.groups.get(&name) {
                    out.extend(group.iter().cloned());
                } else if parameter(reader, &at, context, &name, ParameterKind::Peers).is_some() {
                    out.push(Peer::List(nothing(name.clone())));
                    slots.push((SlotPart::Peers, name));
                }
            }
            Err(message) => reader.wrong(&at, message),
        }
    }
    out
}

fn at_least(reader: &mut Reader<'_>, body: &Map<'_>, level: Level, peers: usize) -> usize {
    let Some(at) = body.get("at_least") else { return 1 };
    if level != Level::Required {
        reader.wrong(&at, "`at_least` goes with `required` only");
    }
    let most = peers.max(1);
    let number = reader.read(&at, |text| match text.parse::<usize>() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("expected a number from 1 to {most} (the number of peers), got `{text}`")),
    });
    number.unwrap_or(1)
}

/// Transports, ports and protocols: written out, or by the name of services.
fn service(reader: &mut Reader<'_>, body: &Map<'_>, context: &Context) -> Service {
    let mut slots = Slots::new();
    let (transports, ports) = transports(reader, body, context, &mut slots);
    let texts = body.get("service").map(|at| reader.texts(&at)).unwrap_or_default();
    if !texts.iter().any(|(text, _)| text.starts_with(REFERENCE)) {
        let chains = texts.iter().filter_map(|(text, at)| reader.accept(at, value::service(text))).collect();
        return Service { transports, ports, slots, chains };
    }
    for (key, place) in body.present(&["tcp", "udp", "icmp", "ip"]) {
        let message = format!("`{key}` does not go with a service by name, which has its own");
        reader.problem(place, &body.key, message);
    }
    let mut parts = Vec::new();
    for (text, at) in &texts {
        parts.extend(service::named(reader, at, text, &context.services));
    }
    let whole = body.get("service").and_then(|at| reader.accept(&at, service::united(parts)).flatten());
    whole.unwrap_or(Service { transports, ports, slots, chains: Vec::new() })
}

/// The transports of a mapping with `tcp`, `udp`, `icmp` and `ip`, and their ports.
pub(super) fn transports(
    reader: &mut Reader<'_>,
    body: &Map<'_>,
    context: &Context,
    slots: &mut Slots,
) -> (Vec<Transport>, Ports) {
    let mut transports = Vec::new();
    let mut found: Option<(Ports, Slots)> = None;
    for (name, transport) in [("tcp", Transport::Tcp), ("udp", Transport::Udp)] {
        let Some(at) = body.get(name) else { continue };
        let mut part = Slots::new();
        let Some(set) = ports(reader, &at, context, &mut part) else { continue };
        transports.push(transport);
        match &found {
            Some(first) if *first != (set.clone(), part.clone()) => {
                reader.wrong(&at, "`tcp` and `udp` of one claim have the same ports (make two claims of it)");
            }
            _ => found = Some((set, part)),
        }
    }
    if reader.flag(body, "icmp") {
        if !transports.is_empty() {
            reader.problem(body.place, &body.key, "`icmp` has no ports and does not go with `tcp` or `udp`");
        }
        transports.extend([Transport::Icmp, Transport::Icmpv6]);
    }
    if let Some(at) = body.get("ip") {
        if found.is_some() {
            reader.wrong(&at, "what `ip` names has no ports and does not go with `tcp` or `udp`");
        }
        let mut others = reader.each(&at, value::ip_protocol);
        others.retain(|other| !transports.contains(other));
        others.sort_unstable();
        others.dedup();
        transports.extend(others);
    }
    let (ports, part) = found.unwrap_or((Ports::Any, Slots::new()));
    slots.extend(part);
    (transports, ports)
}

fn ports(reader: &mut Reader<'_>, at: &At<'_>, context: &Context, slots: &mut Slots) -> Option<Ports> {
    if matches!(at.item.value, Node::Map(_)) {
        let map = reader.mapping(at, &keys::PORTS)?;
        let [(kind, _)] = map.present(keys::PORTS.one_of)[..] else {
            reader.wrong(at, format!("expected exactly one of {}", quoted(keys::PORTS.names())));
            return None;
        };
        let inner = map.get(kind)?;
        if kind == "prefer" {
            return Some(Ports::Fallback(reader.each(&inner, value::port)));
        }
        return match port_set(reader, &inner, context, SlotPart::PortsExcept, slots)? {
            Ports::Of(ranges) => Some(Ports::Except(ranges)),
            other => Some(other),
        };
    }
    port_set(reader, at, context, SlotPart::Ports, slots)
}

/// `any`, ports and ranges, or a parameter.
fn port_set(
    reader: &mut Reader<'_>,
    at: &At<'_>,
    context: &Context,
    part: SlotPart,
    slots: &mut Slots,
) -> Option<Ports> {
    let texts = reader.texts(at);
    if let [(text, at)] = texts.as_slice() {
        if text == "any" && part == SlotPart::Ports {
            return Some(Ports::Any);
        }
        if let Some(name) = text.strip_prefix(REFERENCE) {
            parameter(reader, at, context, name, ParameterKind::Ports)?;
            slots.push((part, name.to_owned()));
            return Some(Ports::Unbound(name.to_owned()));
        }
    }
    let known = texts.len();
    let ranges: Vec<_> =
        texts.iter().filter_map(|(text, at)| reader.accept(at, value::ports(text))).collect();
    (known > 0 && ranges.len() == known).then(|| Ports::Of(value::united(ranges.concat())))
}

/// What a claim declares of TLS: a block of its own, or one by name.
fn tls(reader: &mut Reader<'_>, at: &At<'_>, context: &Context) -> Option<TlsRule> {
    let Node::Text(text) = &at.item.value else { return tls_block(reader, at) };
    let known = || context.tls_blocks.keys().map(String::as_str);
    let Some(name) = text.trim().strip_prefix(REFERENCE) else {
        let names: Vec<String> = known().map(|name| format!("{REFERENCE}{name}")).collect();
        let hint = near_or_all(&format!("{REFERENCE}{text}"), names.iter().map(String::as_str));
        reader.wrong(
            at,
            format!("expected a mapping or a TLS block by name (`{REFERENCE}NAME`), got `{text}`{hint}"),
        );
        return None;
    };
    let block = context.tls_blocks.get(name).cloned();
    if block.is_none() {
        let hint = near_or_all(name, known());
        reader.wrong(at, format!("unknown TLS block `{name}`{hint}; `tls_blocks` declares them"));
    }
    block
}

/// What is declared of TLS.
pub(super) fn tls_block(reader: &mut Reader<'_>, at: &At<'_>) -> Option<TlsRule> {
    let map = reader.mapping(at, &keys::TLS)?;
    let mut texts = |name: &str, read: fn(&str) -> Result<String, String>| {
        map.get(name).map(|at| reader.each(&at, read)).unwrap_or_default()
    };
    let plain: fn(&str) -> Result<String, String> = |text| Ok(text.to_owned());
    let (signatures, issuers) = (texts("signatures", plain), texts("issuers", plain));
    let (pins, alpn) = (texts("pins", value::sha256), texts("alpn", plain));
    let rule = TlsRule {
        min_version: map.get("min_version").and_then(|at| reader.read(&at, value::tls_version)),
        max_version: map.get("max_version").and_then(|at| reader.read(&at, value::tls_version)),
        suites: map.get("suites").map(|at| reader.each(&at, value::suite)).unwrap_or_default(),
        min_rsa_bits: map.get("min_rsa_bits").and_then(|at| reader.read(&at, key_bits)),
        signatures,
        mutual: reader.flag(&map, "mutual"),
        issuers,
        pins,
        alpn,
        policy: load::policy(reader, &map, "policy"),
        offers: map.get("offers").map(|at| offers(reader, &at)).unwrap_or_default(),
    };
    if let (Some(min), Some(max)) = (rule.min_version, rule.max_version)
        && min > max
    {
        reader.wrong(at, "expected a `min_version` up to `max_version`: it is above `max_version`");
    }
    Some(rule)
}

/// What a client offers: code points each once and in order, as they are compared.
fn offers(reader: &mut Reader<'_>, at: &At<'_>) -> Vec<TlsOffer> {
    let mut out = Vec::new();
    for at in reader.list(at) {
        let Some(map) = reader.mapping(&at, &keys::OFFER) else { continue };
        let mut codes = |name: &str, read: fn(&str) -> Result<u16, String>| {
            let mut codes = map.get(name).map(|at| reader.each(&at, read)).unwrap_or_default();
            codes.sort_unstable();
            codes.dedup();
            codes
        };
        let mut offer = TlsOffer::default();
        offer.versions = codes("versions", value::offered_version);
        offer.suites = codes("suites", value::suite);
        offer.extensions = codes("extensions", value::code_point);
        offer.groups = codes("groups", value::group);
        offer.signatures = codes("signatures", value::code_point);
        offer.certificate_signatures = codes("certificate_signatures", value::code_point);
        offer.psk_modes = codes("psk_modes", value::code_point);
        offer.name = map.get("name").and_then(|at| reader.text(&at)).unwrap_or_default();
        let alpn = map.get("alpn").map(|at| reader.texts(&at)).unwrap_or_default();
        offer.alpn = alpn.into_iter().map(|(text, _)| text).collect();
        out.push(offer);
    }
    out
}

fn key_bits(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(bits) if (512..=65_536).contains(&bits) => Ok(bits),
        _ => Err(format!("expected a key size in bits from 512 to 65536, got `{text}`")),
    }
}

fn lifetime(reader: &mut Reader<'_>, at: &At<'_>) -> Option<LifetimeRule> {
    let map = reader.mapping(at, &keys::LIFETIME)?;
    let long_running = reader.flag(&map, "long_running");
    let mut length = |name: &str| map.get(name).and_then(|at| reader.read(&at, value::duration));
    let rule = LifetimeRule {
        long_running,
        min: length("min"),
        max: length("max"),
        max_idle_tail: length("max_idle_tail"),
    };
    if let (Some(min), Some(max)) = (rule.min, rule.max)
        && min > max
    {
        reader.wrong(at, "expected a `min` up to `max`: it is above `max`");
    }
    if rule.long_running && rule.max.is_some() {
        reader.wrong(at, "expected `long_running` or `max`: what only an endpoint may close has no `max`");
    }
    let limits = map.present(&["min", "max", "max_idle_tail"]);
    if !long_running && limits.is_empty() && !map.entries.is_empty() {
        reader.wrong(at, "expected at least one limit, or `long_running: true`");
    }
    Some(rule)
}
