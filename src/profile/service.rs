//! Services by name: a transport with its ports and protocols, or several of which any will do.

use std::collections::BTreeMap;

use super::Ports;
use super::claim::{Context, Slots};
use super::flow_rule;
use super::layers::Layers;
use super::problem::near_or_all;
use super::read::{At, Reader};
use super::schema::{REFERENCE, keys};
use super::value;
use super::yaml::Node;
use crate::model::Transport;

/// What stands behind a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) transports: Vec<Transport>,
    pub(super) ports: Ports,
    /// Parameters that fill the ports.
    pub(super) slots: Slots,
    /// Protocols by content; empty for any.
    pub(super) chains: Vec<String>,
}

/// Reads the block `services`: one may name those before it.
pub(super) fn services(
    reader: &mut Reader<'_>,
    layers: &Layers<'_>,
    context: &Context,
) -> BTreeMap<String, Service> {
    let mut known: BTreeMap<String, Service> = BTreeMap::new();
    for entry in layers.named(reader, "services") {
        reader.enter(entry.file);
        let found = if matches!(entry.at.item.value, Node::List(_)) {
            let mut parts = Vec::new();
            for at in reader.list(&entry.at) {
                parts.extend(match at.item.value {
                    Node::Text(_) => reader.text(&at).and_then(|text| named(reader, &at, &text, &known)),
                    _ => service(reader, &at, context),
                });
            }
            if parts.is_empty() {
                reader.wrong(&entry.at, "expected at least one service");
            }
            reader.accept(&entry.at, united(parts)).flatten()
        } else {
            service(reader, &entry.at, context)
        };
        known.extend(found.map(|service| (entry.name.to_owned(), service)));
    }
    known
}

fn service(reader: &mut Reader<'_>, at: &At<'_>, context: &Context) -> Option<Service> {
    let map = reader.mapping(at, &keys::SERVICE)?;
    let mut slots = Slots::new();
    let (transports, ports) = flow_rule::transports(reader, &map, context, &mut slots);
    let chains = map.get("service").map(|at| reader.each(&at, value::service)).unwrap_or_default();
    Some(Service { transports, ports, slots, chains })
}

/// The service that `$NAME` stands for.
pub(super) fn named(
    reader: &mut Reader<'_>,
    at: &At<'_>,
    text: &str,
    known: &BTreeMap<String, Service>,
) -> Option<Service> {
    let Some(name) = text.strip_prefix(REFERENCE) else {
        reader.wrong(at, format!("expected a service by name (`{REFERENCE}NAME`), got `{text}`"));
        return None;
    };
    let found = known.get(name).cloned();
    if found.is_none() {
        let hint = near_or_all(name, known.keys().map(String::as_str));
        reader.wrong(at, format!("unknown service `{name}`{hint}; `services` declares them, in order"));
    }
    found
}

/// Services of which any will do as one: their ports and protocols together.
pub(super) fn united(parts: Vec<Service>) -> Result<Option<Service>, String> {
    let mut parts = parts.into_iter();
    let Some(mut whole) = parts.next() else { return Ok(None) };
    for part in parts {
        if part.transports != whole.transports {
            return Err("expected services of one transport (make a claim for each transport)".to_owned());
        }
        if part.chains.is_empty() != whole.chains.is_empty() {
            return Err("expected that all of these services name their protocols, or none".to_owned());
        }
        whole.chains.extend(part.chains);
        if part.ports == whole.ports && part.slots == whole.slots {
            continue;
        }
        let (Ports::Of(all), Ports::Of(more)) = (&mut whole.ports, part.ports) else {
            let message = "expected services with ports that are numbers (`any`, `except`, `prefer` and parameters \
                           stand alone)";
            return Err(message.to_owned());
        };
        all.extend(more);
        *all = value::united(std::mem::take(all));
    }
    let mut seen = Vec::new();
    whole.chains.retain(|chain| {
        let new = !seen.contains(chain);
        seen.push(chain.clone());
        new
    });
    Ok(Some(whole))
}
