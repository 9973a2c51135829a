//! Which ports are those of a service, and which are handed out anew each time.
//!
//! What a peer is asked for by its port is what it serves, whatever the number. Only where several ports of one peer, all from
//! the range that hosts hand out, were seen and nothing tells them apart is the range meant.

use std::collections::{BTreeMap, BTreeSet};

use super::sort::{Port, Spot, Who, name_of, opener};
use crate::analyzers;
use crate::checks::{Subject, View};
use crate::model::Transport;
use crate::model::address::{Scope, scope};
use crate::model::finding::{Confidence, Way};

/// First port of those that hosts give to clients, and to what is opened for once: Linux begins here, RFC 6335 at
/// [`REGISTERED_END`].
pub(super) const EPHEMERAL: u16 = 32_768;
/// First port that nobody can register (RFC 6335 section 6).
const REGISTERED_END: u16 = 49_152;
/// First port that programs may take without being the system's (RFC 6335 section 6).
pub(super) const SYSTEM_END: u16 = 1_024;
/// So many connections to one port of the ephemeral range show that it is that of a service.
const STABLE: usize = 3;
/// So many ports show that they are handed out anew.
const SEVERAL: usize = 2;

/// Flows by what is to be claimed of them.
type Spots = BTreeMap<Spot, Vec<usize>>;
/// What ports are handed out for: by the device or to it, by which transport, to whom.
type Peer = (bool, Transport, Option<Who>);

/// Puts ranges in place of ports that are handed out anew each time.
pub(super) fn settle(subject: &Subject<'_>, spots: Spots) -> Spots {
    // A client that takes the number that it sends to for its own end has drawn it for both, where it is another one
    // each time. Two low numbers may as well be two services.
    let drawn = |transport: Transport, port: u16, views: &[&View<'_>]| {
        let alike = |view: &&View<'_>| view.flow.key.orig.port == port && view.service.is_empty();
        transport == Transport::Udp
            && port >= SYSTEM_END
            && !is_registered(transport, port)
            && views.iter().all(alike)
    };
    let spots = widen(subject, spots, drawn, |ports| {
        ports.last().is_some_and(|port| *port >= EPHEMERAL).then_some(Port::Drawn)
    });
    let handed_out = |transport: Transport, port: u16, views: &[&View<'_>]| {
        port >= EPHEMERAL && !is_registered(transport, port) && !is_service(views)
    };
    widen(subject, spots, handed_out, |ports| {
        let nobody_can_register = ports.first().is_some_and(|port| *port >= REGISTERED_END);
        Some(Port::Dynamic(if nobody_can_register { REGISTERED_END } else { EPHEMERAL }))
    })
}

/// Whether the port of a peer seen once may have been handed out for once. What is sent to a group has to be known to all of
/// it, unless the sender draws it for both sides.
pub(super) fn may_change(view: &View<'_>) -> bool {
    let key = view.flow.key;
    let is_known = is_registered(key.transport, key.resp.port)
        || scope(key.resp.ip) == Scope::Group && key.orig.port != key.resp.port;
    key.resp.port >= EPHEMERAL && !is_known
}

/// Where a peer has several ports that are `loose`, what stands for them all, if anything does.
fn widen(
    subject: &Subject<'_>,
    spots: Spots,
    loose: impl Fn(Transport, u16, &[&View<'_>]) -> bool,
    range: impl Fn(&BTreeSet<u16>) -> Option<Port>,
) -> Spots {
    let of_spot = |spot: &Spot, found: &[usize]| {
        let views: Vec<&View<'_>> = found.iter().filter_map(|at| subject.views.get(*at)).collect();
        matches!(spot.port, Port::One(port) if loose(spot.transport, port, &views))
    };
    let mut ports: BTreeMap<Peer, BTreeSet<u16>> = BTreeMap::new();
    for (spot, _) in spots.iter().filter(|(spot, found)| of_spot(spot, found)) {
        if let Port::One(port) = spot.port {
            ports.entry(peer(spot)).or_default().insert(port);
        }
    }
    let mut settled = Spots::new();
    for (mut spot, found) in spots {
        let several = ports.get(&peer(&spot)).filter(|ports| ports.len() >= SEVERAL);
        if let Some(wide) = several.and_then(&range)
            && of_spot(&spot, &found)
        {
            spot.port = wide;
        }
        settled.entry(spot).or_default().extend(found);
    }
    settled.values_mut().for_each(|found| found.sort_unstable());
    settled
}

/// The responder is whom ports belong to: the device itself, whoever comes in.
fn peer(spot: &Spot) -> Peer {
    (spot.by_device, spot.transport, spot.by_device.then(|| spot.who.clone()))
}

/// Whether a protocol that is known here has the port as its own.
fn is_registered(transport: Transport, port: u16) -> bool {
    let mut known =
        analyzers::REGISTRY.iter().filter(|definition| definition.transports.contains(&transport));
    known.any(|definition| definition.ports.contains(&port))
}

/// Whether an ephemeral port is that of a service all the same: a protocol was recognised there at a host elsewhere that has
/// a name; a group is sent to; or it is come back to.
fn is_service(views: &[&View<'_>]) -> bool {
    let served = |view: &View<'_>| {
        view.by_device && view.way == Way::Out && !view.service.is_empty() && name_of(view).is_some()
    };
    let to_group = |view: &View<'_>| scope(view.flow.key.resp.ip) == Scope::Group;
    let sure = |view: &&&View<'_>| opener(view) >= Some(Confidence::Strong);
    views.iter().any(|view| served(view) || to_group(view)) || views.iter().filter(sure).count() >= STABLE
}
