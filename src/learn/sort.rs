//! What becomes of each flow of the device: infrastructure, something to claim, or something that is left out and why.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::ports::{self, EPHEMERAL};
use crate::checks::matching::{self, Match};
use crate::checks::outcome::{self, Outcome};
use crate::checks::{Subject, View};
use crate::model::address::{Scope, scope};
use crate::model::finding::{Confidence, Way};
use crate::model::flow::RoleBasis;
use crate::model::{NameSource, Transport};
use crate::naming::hosts::Host;
use crate::profile::{Baseline, NamePattern, Peer};

/// Every flow of a device, sorted.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Infrastructure that was seen.
    pub(super) baseline: BTreeSet<Baseline>,
    /// Where something answered, or nothing has to.
    pub(super) open: BTreeMap<Spot, Vec<usize>>,
    /// Where nothing ever answered.
    pub(super) attempts: BTreeMap<Spot, Vec<usize>>,
    /// Connections to proxies.
    pub(super) proxies: Vec<usize>,
    /// What is not learnt; positions of views, like everywhere here.
    pub(super) left: BTreeMap<Why, Vec<usize>>,
}

/// Something to claim: who opened it, how, with whom, at which port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) by_device: bool,
    pub(super) transport: Transport,
    pub(super) port: Port,
    pub(super) who: Who,
}

/// The responder's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Port {
    /// This one.
    One(u16),
    /// One of several that are handed out anew each time; the range from here on.
    Dynamic(u16),
    /// One of several that are drawn anew each time, the same for both sides.
    Drawn,
    /// The protocol has none.
    None,
}

/// The other end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Name(String),
    Address(IpAddr),
    /// Any host of the device's own networks.
    Local,
}

/// Why something is not learnt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Nobody can tell who opened it.
    Opener,
    /// Datagrams that answer what came before the capture.
    Replies,
    /// A port that cannot be declared.
    PortZero,
    /// An existing profile forbids it, by this claim.
    Forbidden(String),
    /// Too many addresses without name, at this port.
    Peers(Transport, Port),
    /// Infrastructure that the baseline of an existing profile lacks and a claim cannot say.
    Baseline(Baseline),
    /// There is no room for more claims.
    Room,
}

/// Sorts the views of `subject`. With `fresh`, infrastructure becomes the baseline; else what an existing profile's baseline
/// does not cover is to be claimed like everything else.
pub(super) fn sort(subject: &Subject<'_>, fresh: bool) -> Sorted {
    let mut sorted = Sorted::default();
    for (at, view) in subject.views.iter().enumerate() {
        match &view.matched {
            Match::Undeclared => sorted.take(subject, at, view, fresh),
            Match::Forbidden(index) => {
                let id = subject.claim(*index).map_or_else(String::new, |bound| bound.claim.id.clone());
                sorted.leave(Why::Forbidden(id), at);
            }
            Match::Claims(_) | Match::Baseline(_) | Match::Undetermined(_) => {}
        }
    }
    // Attempts open nothing, and say what was tried.
    sorted.open = ports::settle(subject, std::mem::take(&mut sorted.open));
    sorted.settle_attempts(subject);
    sorted
}

impl Sorted {
    fn leave(&mut self, why: Why, at: usize) {
        self.left.entry(why).or_default().push(at);
    }

    fn take(&mut self, subject: &Subject<'_>, at: usize, view: &View<'_>, fresh: bool) {
        if view.is_proxy {
            return self.proxies.push(at);
        }
        if let Some(item) = matching::infrastructure(view) {
            let foreign = item == Baseline::Dns && matching::is_foreign_resolver(subject, view);
            if fresh && !foreign {
                self.baseline.insert(item);
                return;
            }
            // A claim for them would open more than was seen: anybody, in either direction.
            if matches!(item, Baseline::Igmp | Baseline::Icmp | Baseline::Ndp) {
                return self.leave(Why::Baseline(item), at);
            }
        }
        if view.flow.key.transport == Transport::Udp && matching::is_reply_only(view) {
            return self.leave(Why::Replies, at);
        }
        if opener(view).is_none() {
            return self.leave(Why::Opener, at);
        }
        let transport = view.flow.key.transport;
        let port = match (transport, view.port) {
            (Transport::Other(_), _) => Port::None,
            (_, Some(port)) if port > 0 => Port::One(port),
            _ => return self.leave(Why::PortZero, at),
        };
        let spot = Spot { by_device: view.by_device, transport, port, who: who(view) };
        let list = if is_open(subject, view) { &mut self.open } else { &mut self.attempts };
        list.entry(spot).or_default().push(at);
    }

    /// An attempt at what worked at other times is no attempt.
    fn settle_attempts(&mut self, subject: &Subject<'_>) {
        let mut also_called: BTreeSet<(Transport, u16, &str)> = BTreeSet::new();
        for at in self.open.values().flatten() {
            let Some(view) = subject.views.get(*at) else { continue };
            if let (true, Some(port), true) = (view.by_device, view.port, view.name.candidates.len() > 1) {
                let all = view.name.candidates.iter();
                also_called.extend(all.map(|name| (view.flow.key.transport, port, name.as_str())));
            }
        }
        for (spot, found) in std::mem::take(&mut self.attempts) {
            let ambiguous = match (&spot.who, spot.port) {
                (Who::Name(name), Port::One(port)) => {
                    also_called.contains(&(spot.transport, port, name.as_str()))
                }
                _ => false,
            };
            if self.open.contains_key(&spot) || ambiguous {
                self.open.entry(spot).or_default().extend(found);
            } else {
                self.attempts.insert(spot, found);
            }
        }
        self.open.values_mut().for_each(|found| found.sort_unstable());
    }
}

impl Port {
    /// The first and last port that it stands for, if the protocol has any.
    pub(super) fn bounds(self) -> Option<(u16, u16)> {
        match self {
            Self::One(port) => Some((port, port)),
            Self::Dynamic(start) => Some((start, u16::MAX)),
            Self::Drawn => Some((ports::SYSTEM_END, u16::MAX)),
            Self::None => None,
        }
    }
}

/// How sure it is that whoever seems to have opened a flow did; `None` if it cannot be told.
pub(super) fn opener(view: &View<'_>) -> Option<Confidence> {
    let key = view.flow.key;
    let ephemeral = (key.orig.port >= EPHEMERAL, key.resp.port >= EPHEMERAL);
    match (view.flow.roles, key.transport) {
        (RoleBasis::Syn, _) => Some(Confidence::Proven),
        // Content of a connection without its beginning tells who asks only as far as ports agree.
        (RoleBasis::Protocol | RoleBasis::Port | RoleBasis::PortAlone, Transport::Tcp) => {
            (ephemeral != (true, true)).then_some(Confidence::Probable)
        }
        (RoleBasis::FirstPacket, Transport::Tcp) => None,
        (RoleBasis::Protocol | RoleBasis::Port | RoleBasis::PortAlone, _) => Some(Confidence::Strong),
        (RoleBasis::FirstPacket, _) if scope(key.resp.ip) == Scope::Group => Some(Confidence::Strong),
        (RoleBasis::FirstPacket, Transport::Udp) if ephemeral == (false, true) => None,
        (RoleBasis::FirstPacket, _) => Some(Confidence::Probable),
    }
}

/// Names before addresses; hosts of the device's own networks that come in have addresses on loan.
fn who(view: &View<'_>) -> Who {
    if !view.by_device && view.way == Way::Local {
        return Who::Local;
    }
    match name_of(view) {
        Some(name) => Who::Name(name.to_owned()),
        None => Who::Address(view.peer),
    }
}

/// The name of a view's peer that can stand in a profile; what somebody sends in the place of one may be a wildcard.
pub(super) fn name_of<'v>(view: &'v View<'_>) -> Option<&'v str> {
    let name = view.name.name.as_deref().filter(|_| view.name.source != NameSource::None)?;
    matches!(Peer::parse(name), Ok(Peer::Name(NamePattern::Exact(_)))).then_some(name)
}

/// Whether something answered, or none has to: what is sent to everybody, and what no answer belongs to.
fn is_open(subject: &Subject<'_>, view: &View<'_>) -> bool {
    let flow = view.flow;
    match flow.key.transport {
        Transport::Udp => match outcome::of(view) {
            Outcome::Silent => {
                subject.one_sided
                    || is_to_all(subject.device, flow.key.resp.ip)
                    || view.service.first() == Some(&"syslog")
            }
            other => other.answered(),
        },
        // Of a connection that began before the capture, an end without an answer may be all that is left.
        Transport::Tcp => match outcome::of(view) {
            Outcome::Silent => flow.tcp.as_deref().is_some_and(|tcp| tcp.midstream),
            other => other.answered(),
        },
        _ => true,
    }
}

/// Whether nobody in particular is meant: a group, or everybody on one of the device's networks.
pub(super) fn is_to_all(device: &Host, ip: IpAddr) -> bool {
    scope(ip) == Scope::Group || device.networks.iter().any(|net| ip.is_ipv4() && net.broadcast() == ip)
}
