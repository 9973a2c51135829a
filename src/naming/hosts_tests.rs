use super::*;
use crate::model::packet::Link;
use crate::model::{Endpoint, FlowKey, FrameRef, Outline, PerDirection, Transport};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn seen() -> Seen {
    Seen { at: Timestamp::default(), frame: FrameRef::default() }
}

/// What one MAC address sends from, each with whether somebody had it before.
fn sightings(sources: &[(&str, bool)]) -> Sightings {
    let mut sightings = Sightings::default();
    for (source, routed) in sources {
        let end = |ip| Endpoint { ip, port: 9 };
        let key = FlowKey { transport: Transport::Udp, orig: end(ip(source)), resp: end(ip("224.0.0.9")) };
        let link = PerDirection { orig: Some(Link { src: Some(MAC), ..Link::default() }), resp: None };
        let routed = PerDirection { orig: *routed, resp: false };
        sightings.add(&Outline { key, link, routed, first: seen(), last: seen(), facts: None });
    }
    sightings
}

fn said(address: &str, kind: TraitKind) -> HostTrait {
    HostTrait { mac: Some(MAC), ip: Some(ip(address)), kind, seen: seen() }
}

/// Whether it is a router, and its own addresses.
fn told(sources: &[(&str, bool)], traits: &[HostTrait]) -> (bool, Vec<String>) {
    let hosts = sightings(sources).hosts(traits);
    let host = hosts.known().find(|host| host.mac == Some(MAC));
    let own = host.map(|host| host.addresses.iter().map(IpAddr::to_string).collect());
    (host.map_or(hosts.carried(MAC).is_some(), |host| host.is_router), own.unwrap_or_default())
}

#[test]
fn who_has_a_lease_is_a_device_and_what_it_passes_on_is_not_its_own() {
    let lease = [said("10.0.0.7", TraitKind::Lease(60))];
    let own = "10.0.0.7".to_owned();
    let phone = [("10.0.0.7", false), ("10.22.22.138", true)];
    assert_eq!(told(&phone, &lease), (false, vec![own.clone()]));
    // Its own access point, and its address of before.
    let before = [("10.0.0.7", false), ("20.20.20.21", false)];
    assert_eq!(told(&before, &lease), (false, vec![own.clone(), "20.20.20.21".to_owned()]));
    let many = [("10.0.0.7", false), ("10.1.0.1", false), ("10.2.0.1", false), ("10.2.0.2", false)];
    assert_eq!(told(&many, &lease), (false, vec![own]));
}

#[test]
fn who_claims_an_address_is_a_router_by_what_else_it_sends_from() {
    let claim = [said("10.0.0.7", TraitKind::Neighbour)];
    let own = ("10.0.0.7", false);
    for (others, is_router) in [
        (&[][..], false),
        (&[("192.168.20.3", false)], false),
        (&[("10.0.0.8", true)], false),
        (&[("192.168.20.3", true)], true),
        (&[("9.9.9.9", false)], true),
        (&[("10.1.0.1", false), ("10.2.0.1", false)], false),
        (&[("10.1.0.1", false), ("10.2.0.1", false), ("10.2.0.2", false)], true),
        (&[("10.1.0.1", false), ("10.1.0.2", false), ("10.1.0.3", false)], false),
    ] {
        let sources: Vec<(&str, bool)> = std::iter::once(own).chain(others.iter().copied()).collect();
        assert_eq!(told(&sources, &claim).0, is_router, "{others:?}");
    }
}

#[test]
fn who_claims_nothing_is_a_router_by_two_networks_and_shows_whom_it_carries() {
    assert!(!told(&[("10.0.0.7", false)], &[]).0);
    let hosts = sightings(&[("10.0.0.7", false), ("10.1.0.1", false)]).hosts(&[]);
    let carried = Carried { first: vec![ip("10.0.0.7"), ip("10.1.0.1")], count: 2 };
    assert_eq!(hosts.carriers().collect::<Vec<_>>(), [(MAC, &carried)]);
}
