use std::net::Ipv4Addr;
use std::path::Path;

use super::*;
use crate::model::evidence::Seen;
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{FrameRef, Timestamp};
use crate::naming::Sightings;
use crate::profile::inventory::Inventory;

/// Entries with these matches.
fn entries(matches: &[&str]) -> Vec<Entry> {
    let mut text = String::from("version: 1\ninventory: test\ndevices:\n");
    for fits in matches {
        text.extend(["  - {match: {", fits, "}, profile: farmbot}\n"]);
    }
    let inventory = Inventory::from_str(&text, "test", Path::new(""));
    inventory.unwrap_or_else(|error| panic!("{error}")).entries
}

fn mac(last: u8) -> MacAddr {
    MacAddr([0x02, 0x00, 0x5e, 0x10, 0x00, last])
}

fn host() -> Host {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Host {
        mac: Some(mac(1)),
        addresses: BTreeSet::from(["10.2.3.4".parse().unwrap(), "fe80::1".parse().unwrap()]),
        host_names: names(&["FarmBot-12"]),
        vendor_classes: names(&["udhcp 1.36"]),
        mud_urls: names(&["https://lamp.example.com/bulb.json"]),
        vlans: BTreeSet::from([12]),
        ..Host::default()
    }
}

fn best(matches: &[&str], host: &Host) -> Result<Option<usize>, Tie> {
    let entries = entries(matches);
    Roster::new(&entries).best(host, &mut vec![false; matches.len()])
}

#[test]
fn the_order_of_keys_is_from_the_device_to_the_class() {
    let order = [
        "mac: '02:00:5e:10:00:01'",
        "ip: 10.2.3.4",
        "mud_url: https://lamp.example.com/bulb.json",
        "mud_url: https://lamp.example.com/*",
        "mud_url: '*/bulb.json'",
        "dhcp_host_name: farmbot-12",
        "dhcp_host_name: farmbot-*",
        "dhcp_host_name: 'f*'",
        "dhcp_vendor_class: 'udhcp*'",
        "prefix: 10.2.0.0/16, vlan: 12, oui: '02:00:5e'",
        "oui: 02-00-5E",
        "prefix: 10.2.3.0/24, vlan: 12",
        "prefix: 10.2.3.0/24",
        "prefix: 10.2.0.0/16",
        "vlan: 12",
    ];
    // Each beats all that come after it, wherever it stands.
    for from in 0..order.len() {
        let rest: Vec<&str> = order[from..].iter().rev().copied().collect();
        assert_eq!(best(&rest, &host()), Ok(Some(rest.len() - 1)), "{}", order[from]);
    }
}

#[test]
fn every_key_must_hold_by_any_of_its_values() {
    assert_eq!(
        best(&["mac: ['02:00:5e:10:00:09', '02:00:5e:10:00:01'], vlan: [11, 12]"], &host()),
        Ok(Some(0))
    );
    for not in
        ["mac: '02:00:5e:10:00:01', vlan: 13", "ip: 10.2.3.5", "prefix: 10.3.0.0/16", "oui: '02:00:5f'"]
    {
        assert_eq!(best(&[not], &host()), Ok(None), "{not}");
    }
    for not in ["dhcp_host_name: farmbot", "dhcp_vendor_class: dhcpcd*", "mud_url: '*/bulb'"] {
        assert_eq!(best(&[not], &host()), Ok(None), "{not}");
    }
}

#[test]
fn equal_matches_are_a_tie_unless_another_is_narrower() {
    // Eight letters beat seven, and eight are eight.
    let narrower = ["dhcp_host_name: 'farmbot-*'", "dhcp_host_name: '*mbot-12'"];
    assert_eq!(best(&narrower, &host()), Ok(Some(0)));
    let both = ["dhcp_host_name: 'farmbot-*'", "dhcp_host_name: '*armbot-1*'"];
    assert_eq!(best(&both, &host()).unwrap_err().entries, (0, 1));
    assert_eq!(best(&[both[0], both[1], "ip: 10.2.3.4"], &host()), Ok(Some(2)));
}

#[test]
fn routers_and_vlans_of_routers_are_no_class() {
    let router = Host { is_router: true, ..host() };
    assert_eq!(best(&["prefix: 10.0.0.0/8", "vlan: 12", "oui: '02:00:5e'"], &router), Ok(None));
    assert_eq!(best(&["prefix: 10.0.0.0/8", "mac: '02:00:5e:10:00:01'"], &router), Ok(Some(1)));
    let beyond = Host { mac: None, ..host() };
    assert_eq!(best(&["vlan: 12"], &beyond), Ok(None));
    assert_eq!(best(&["prefix: 10.2.3.4/32"], &beyond), Ok(Some(0)));
}

/// Hosts of which nothing but a neighbour's announcement, and perhaps a trait, is known.
fn hosts(known: &[(u8, &str)], more: Vec<(u8, TraitKind)>) -> Hosts {
    let seen = Seen { at: Timestamp::default(), frame: FrameRef::default() };
    let neighbours = known.iter().map(|(last, ip)| HostTrait {
        mac: Some(mac(*last)),
        ip: Some(ip.parse().unwrap()),
        kind: TraitKind::Neighbour,
        seen,
    });
    let more = more.into_iter().map(|(last, kind)| HostTrait { mac: Some(mac(last)), ip: None, kind, seen });
    Sightings::default().hosts(&neighbours.chain(more).collect::<Vec<_>>())
}

#[test]
fn who_is_there_who_is_not_and_who_else() {
    let hosts = hosts(
        &[(1, "10.2.3.1"), (4, "10.2.3.4"), (5, "10.2.3.5"), (6, "45.0.0.6"), (7, "fe80::7")],
        vec![
            (4, TraitKind::Router("10.2.3.1".parse().unwrap())),
            (8, TraitKind::Boot),
            (9, TraitKind::Announced("switch".into())),
        ],
    );
    let entries = entries(&[
        "ip: 10.2.3.4",
        "mac: '02:00:5e:10:00:0a'",
        "vlan: 3",
        "prefix: 10.2.0.0/16, oui: '02:00:5e'",
        "prefix: 10.2.3.0/24",
    ]);
    let roster = Roster::new(&entries);
    let call = roster.call(&hosts, &Site::unsaid()).unwrap();
    let present: Vec<_> = call.present.iter().map(|(host, at)| (host.mac.unwrap(), *at)).collect();
    assert_eq!(present, [(mac(4), 0), (mac(5), 3)]);
    assert_eq!((call.absent, call.outdone), (vec![1, 2], vec![4]));
    assert_eq!(call.routers.iter().map(|host| host.mac.unwrap()).collect::<Vec<_>>(), [mac(1)]);
    let call = roster.call(&hosts, &Site::unsaid()).unwrap();
    let macs =
        |call: &RollCall<'_>| call.unlisted.iter().map(|host| host.mac.unwrap()).collect::<BTreeSet<_>>();
    // Not the router, not a public address, not gear without address; but who asks for one.
    assert_eq!(macs(&call), BTreeSet::from([mac(7), mac(8)]));
    let site = Site { local_networks: vec!["45.0.0.0/24".parse().unwrap()], ..Site::unsaid() };
    assert_eq!(macs(&roster.call(&hosts, &site).unwrap()), BTreeSet::from([mac(6), mac(7), mac(8)]));
}

/// The index must find what looking at every entry finds.
#[test]
fn looking_up_and_looking_through_agree() {
    let mut state = 7_u64;
    let mut below = move |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut matches = BTreeSet::new();
    while matches.len() < 150 {
        let keys = [
            format!("mac: '02:00:5e:10:00:{:02x}'", below(16)),
            format!("ip: 10.0.{}.{}", below(3), below(8)),
            format!("dhcp_host_name: '{}'", ["a*", "a-1*", "*-12", "a-12", "b*2", "*"][below(6) as usize]),
            format!("dhcp_vendor_class: '{}'", ["v*", "v1", "*1"][below(3) as usize]),
            format!("prefix: 10.0.{}.0/{}", below(3), 24 + below(3)),
            format!("vlan: {}", 1 + below(3)),
            String::from("oui: '02:00:5e'"),
        ];
        let chosen: Vec<String> = keys.into_iter().filter(|_| below(3) == 0).collect();
        if !chosen.is_empty() {
            matches.insert(chosen.join(", "));
        }
    }
    let matches: Vec<&str> = matches.iter().map(String::as_str).collect();
    let entries = entries(&matches);
    let roster = Roster::new(&entries);
    let mut fitting = 0;
    for _ in 0..2_000 {
        let address = Ipv4Addr::new(10, 0, below(3) as u8, below(8) as u8);
        let host = Host {
            mac: (below(4) > 0).then(|| mac(below(16) as u8)),
            addresses: BTreeSet::from([address.into()]),
            host_names: ["a-12", "a-1", "B-2", "c"]
                .into_iter()
                .filter(|_| below(3) == 0)
                .map(str::to_owned)
                .collect(),
            vendor_classes: ["v1", "v2"].into_iter().filter(|_| below(3) == 0).map(str::to_owned).collect(),
            vlans: BTreeSet::from([1 + below(3) as u16]),
            ..Host::default()
        };
        let mut ranks: Vec<(Rank, usize)> = entries
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| Some((rank(&entry.fits, &host)?, at)))
            .collect();
        ranks.sort_unstable();
        fitting += ranks.len();
        let mut seen = vec![false; entries.len()];
        let found = roster.best(&host, &mut seen);
        let all: Vec<usize> = (0..entries.len()).filter(|at| seen[*at]).collect();
        let mut expected: Vec<usize> = ranks.iter().map(|(_, at)| *at).collect();
        expected.sort_unstable();
        assert_eq!(all, expected);
        match ranks.as_slice() {
            [.., (second, _), (first, _)] if first == second => assert!(found.is_err()),
            [.., (_, at)] => assert_eq!(found, Ok(Some(*at))),
            [] => assert_eq!(found, Ok(None)),
        }
    }
    assert!(fitting > 4_000, "{fitting}");
}
