//! `check --inventory`: a whole fleet in one run, on recorded captures that are merged in time. Four devices of them had
//! the same address, one after the other.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, each test binary uses its own part, and tests print how much agrees"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use support::pcap::{End, SYN, Writer, tcp, udp};
use support::wire::{Host, dhcp};
use support::{Answer, say};
use tempfile::TempDir;

const CASES: [&str; 4] = ["farmbot-faults", "imp-bad", "fortrabbit-egress", "smartserver-standard"];
const BOT: &str = "mac: '02:fa:b0:00:12:34'";

fn capture(case: &str) -> String {
    format!("fixtures/cases/{case}/capture.pcap")
}

/// A folder with an inventory.
struct Site {
    folder: TempDir,
    path: PathBuf,
}

impl Site {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("campus.yaml");
        fs::write(&path, text).unwrap();
        Self { folder, path }
    }

    /// With these entries and nothing else.
    fn of(entries: &[&str]) -> Self {
        let list: Vec<String> = entries.iter().map(|entry| format!("  - {{{entry}}}\n")).collect();
        Self::new(&format!("version: 1\ninventory: campus\ndevices:\n{}", list.concat()))
    }

    fn check(&self, rest: &str) -> Answer {
        say(&format!("check --format ndjson --inventory {} {rest}", self.path.display()))
    }
}

/// The blocks of a page that begin with this word behind their fence.
fn blocks(page: &str, kind: &str) -> Vec<String> {
    let fence = format!("```{kind}\n");
    let parts = page.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// One column of the expected tables of some cases.
fn expected(cases: &[&str], column: &str) -> BTreeSet<String> {
    let table = |case: &&str| {
        let path = support::root().join("fixtures/cases").join(case).join("expected.csv");
        support::csv(&fs::read_to_string(path).unwrap())
    };
    cases.iter().flat_map(table).map(|row| row[column].clone()).collect()
}

fn column(answer: &Answer, code: &str, name: &str) -> Vec<String> {
    let rows = answer.rows().into_iter().filter(|row| row["code"] == code);
    rows.map(|row| row[name].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_documented_inventory_gives_each_device_the_rows_of_its_own_run() {
    let page = fs::read_to_string(support::root().join("docs/fleet.md")).unwrap();
    let site = Site::new(&blocks(&page, "yaml")[0]);
    let captures = CASES.map(capture).join(" ");
    let answer = site.check(&captures);
    // FarmBot, imp and SmartServer each lease 192.0.2.100. Each has what it has alone; nobody has what is another's.
    let ids: BTreeSet<String> =
        answer.rows().iter().map(|row| row["finding_id"].as_str().unwrap().to_owned()).collect();
    let strangers: BTreeSet<String> = column(&answer, "unlisted-device", "finding_id").into_iter().collect();
    assert_eq!(&ids - &strangers, expected(&CASES, "finding_id"));
    // Two more hosts of the LAN talk to them: one that tries the imp's ports, and the meter. The router is no device.
    assert_eq!(column(&answer, "unlisted-device", "device_ip"), ["192.0.2.50", "192.0.2.60"]);
    assert_eq!(column(&answer, "unlisted-device", "severity"), ["warning", "warning"]);
    assert_eq!(column(&answer, "unlisted-device", "status"), ["violation", "violation"]);
    let names: BTreeSet<String> =
        answer.rows().iter().map(|row| row["device"].as_str().unwrap().to_owned()).collect();
    for name in ["farmbot-3", "shop", "imp-c0c0c0", "smartserver-1a2b3c"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    assert_eq!(answer.status, 1);
    let shown = &blocks(&page, "text")[0];
    let said =
        answer.err.lines().filter(|line| !line.starts_with("capture: ") && !line.starts_with("time: "));
    assert_eq!(said.collect::<Vec<_>>(), shown.lines().collect::<Vec<_>>(), "docs/fleet.md shows it");
}

#[test]
fn profiles_recognise_their_devices_at_an_address_that_both_had() {
    let cases = ["farmbot-faults", "imp-bad"];
    let captures = cases.map(capture).join(" ");
    let answer = say(&format!("check --format ndjson -p farmbot -p electric-imp {captures}"));
    let ids: BTreeSet<String> =
        answer.rows().iter().map(|row| row["finding_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, expected(&cases, "finding_id"), "{}", answer.err);
    for device in ["farmbot-1234 (02:fa:b0:00:12:34", "imp-c0c0c0 (02:1a:69:00:00:07"] {
        assert_eq!(answer.err.matches(device).count(), 1, "{device} in {}", answer.err);
    }
    assert!(answer.err.contains("claims of all 2 devices: 38 declared"), "{}", answer.err);
}

/// A device with a lease, or without one that the capture shows; a phone behind it sends one packet through it.
fn setup(site: &Site, with_lease: bool) -> String {
    let path = site.folder.path().join("setup.pcap");
    let mut file = Writer::create(&path, 1);
    let (router, device) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 7));
    let (server, other) = (Ipv4Addr::new(198, 51, 100, 5), Ipv4Addr::new(203, 0, 113, 9));
    let mac = [0x02, 0, 0x5e, 0x10, 0, 7];
    if with_lease {
        let mut ack = dhcp(5, Host { mac, ip: device }, device, b"");
        // The lease time before the end.
        ack.splice(ack.len() - 1.., [51, 4, 0, 0, 0, 60, 255]);
        file.frame(0, udp(End(router, 67), End(device, 68), &ack));
    }
    let mut passed_on = tcp(End(Ipv4Addr::new(10, 22, 22, 138), 4_000), End(other, 443), SYN, 1, 0, b"");
    passed_on[6..12].copy_from_slice(&mac);
    passed_on[22] = 63;
    file.frame(1_000, passed_on);
    file.frame(2_000, tcp(End(device, 5_000), End(server, 8_883), SYN, 1, 0, b""));
    let mut refused = tcp(End(server, 8_883), End(device, 5_000), 0x14, 0, 2, b"");
    refused[22] = 50;
    file.frame(3_000, refused);
    file.finish();
    path.display().to_string()
}

#[test]
fn a_device_that_passes_a_packet_on_is_a_device_and_the_packet_is_not_its_own() {
    let site = Site::of(&["name: lab, match: {oui: '02:00:5e'}, profile: farmbot"]);
    let answer = site.check(&setup(&site, true));
    assert!(answer.err.contains("inventory: campus: 1 entry, 1 device judged\n"), "{}", answer.err);
    assert!(answer.err.contains("(02:00:5e:10:00:07, 10.0.0.7): lab, line 4"), "{}", answer.err);
    let peers: BTreeSet<String> =
        answer.rows().iter().filter_map(|row| Some(row["peer_ip"].as_str()?.to_owned())).collect();
    assert!(peers.contains("198.51.100.5") && !peers.contains("203.0.113.9"), "{peers:?}");
    // Without a lease it may be a router, and that is said.
    let answer = site.check(&setup(&site, false));
    let taken =
        "taken for a router, so not judged: 02:00:5e:10:00:07, which sends from 10.0.0.7, 10.22.22.138\n";
    assert!(answer.err.contains(taken), "{}", answer.err);
}

#[test]
fn what_a_device_is_goes_before_where_it_is_and_an_entry_for_nobody_is_told() {
    let site = Site::of(&[
        "name: all, match: {prefix: 10.0.0.4/30}, profile: electric-imp",
        "name: plugs, match: {oui: '02:00:5e', prefix: 10.0.0.0/24}, profile: farmbot",
        "name: lab, match: {oui: '02:00:5e'}, profile: fortrabbit",
    ]);
    let answer = site.check(&setup(&site, true));
    assert!(answer.err.contains("(02:00:5e:10:00:07, 10.0.0.7): plugs, line 5"), "{}", answer.err);
    let told = "inventory: counts for nobody, as narrower entries match its devices: all (prefix 10.0.0.4/30); lab (oui 02:00:5e)\n";
    assert!(answer.err.contains(told), "{}", answer.err);
}

#[test]
fn one_device_under_two_profiles_is_one_device() {
    let answer = say(&format!(
        "check -p farmbot -p electric-imp --device farmbot=02:fa:b0:00:12:34 --device electric-imp=02:fa:b0:00:12:34 {}",
        capture("farmbot-clean")
    ));
    assert!(answer.err.contains("claims of all profiles for farmbot-1234: 38 declared"), "{}", answer.err);
}

#[test]
fn the_table_is_the_same_for_any_number_of_threads() {
    let page = fs::read_to_string(support::root().join("docs/fleet.md")).unwrap();
    let site = Site::new(&blocks(&page, "yaml")[0]);
    let run = |jobs: &str| site.check(&format!("{} --all -j {jobs}", CASES.map(capture).join(" ")));
    let one = run("1");
    for jobs in ["2", "8"] {
        let more = run(jobs);
        assert_eq!((&more.out, &more.err), (&one.out, &one.err), "-j {jobs}");
    }
}

#[test]
fn an_exception_for_one_device_stands_beside_the_rule_for_its_kind() {
    let captures = ["farmbot-faults", "imp-bad"].map(capture).join(" ");
    let kind = "match: {prefix: 192.0.2.0/24}, profile: electric-imp";
    let site = Site::of(&[kind, &format!("match: {{{BOT}}}, profile: farmbot")]);
    let answer = site.check(&captures);
    let judged = |profile: &str| -> BTreeSet<String> {
        let rows = answer.rows().into_iter().filter(|row| row["profile"] == profile);
        rows.map(|row| row["device_mac"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(judged("farmbot"), BTreeSet::from(["02:fa:b0:00:12:34".to_owned()]));
    // Every other device of the network, and not its router, 192.0.2.1.
    let others = ["02:00:5e:00:00:50", "02:1a:69:00:00:07"].map(str::to_owned);
    assert_eq!(judged("electric-imp"), BTreeSet::from(others));
    assert!(answer.err.contains("inventory: campus: 2 entries, 3 devices judged\n"), "{}", answer.err);
}

#[test]
fn entries_that_match_equally_well_are_an_error_that_names_both() {
    let site = Site::of(&[
        "match: {dhcp_host_name: 'farmbot-*'}, profile: farmbot",
        "name: other, match: {dhcp_host_name: '*rmbot-123*'}, profile: farmbot",
        "name: third, match: {dhcp_host_name: '*armbot-12*'}, profile: farmbot",
    ]);
    let answer = site.check(&capture("farmbot-clean"));
    assert_eq!((answer.status, answer.out.as_str()), (2, ""));
    for part in
        ["farmbot-1234 (02:fa:b0:00:12:34)", "`other` (line 5)", "`third` (line 6)", "add a key to `match`"]
    {
        assert!(answer.err.contains(part), "`{part}` in {}", answer.err);
    }
}

#[test]
fn who_is_missing_and_who_is_new_is_told_and_gates_only_if_asked() {
    let clean = capture("farmbot-clean");
    let there = format!("match: {{{BOT}}}, profile: farmbot");
    let site = Site::of(&[
        &there,
        "name: press, match: {mac: '02:00:00:00:00:07'}, profile: farmbot",
        "name: lamps, match: {oui: '0c:2a:69'}, profile: farmbot",
    ]);
    let answer = site.check(&clean);
    assert_eq!((answer.status, answer.out.as_str()), (0, ""), "{}", answer.err);
    assert!(
        answer.err.contains("inventory: not in the capture: press (mac 02:00:00:00:00:07)\n"),
        "{}",
        answer.err
    );
    assert!(
        answer.err.contains("inventory: matches nobody in the capture: lamps (oui 0c:2a:69)\n"),
        "{}",
        answer.err
    );
    // Nobody at all: nothing can be said.
    let site = Site::of(&["match: {mac: '02:00:00:00:00:07'}, profile: farmbot"]);
    let answer = site.check(&clean);
    assert_eq!((answer.status, answer.codes()), (3, vec![String::from("unlisted-device")]));
    assert!(
        answer
            .err
            .contains("1 device that no entry matches: farmbot-1234 (02:fa:b0:00:12:34, 192.0.2.100)\n")
    );
    assert!(
        answer.err.ends_with("no device of the inventory `campus` is in the capture\n"),
        "{}",
        answer.err
    );
    // The imp is new beside the FarmBot.
    let both = format!("{clean} {}", capture("imp-clean"));
    for (word, rest, status, rows) in [
        ("info", "", 0, 1),
        ("info", "--fail-on info", 1, 1),
        ("warning", "", 0, 1),
        ("warning", "--fail-on warning", 1, 1),
        ("error", "", 1, 1),
        ("error", "--fail-on never", 0, 1),
        ("ignore", "--fail-on info", 0, 0),
    ] {
        let text = format!("version: 1\ninventory: campus\nunlisted: {word}\ndevices:\n  - {{{there}}}\n");
        let answer = Site::new(&text).check(&format!("{both} {rest}"));
        assert_eq!((answer.status, answer.rows().len()), (status, rows), "{word} {rest}: {}", answer.err);
        assert!(answer.err.contains("1 device that no entry matches: imp-c0c0c0"), "{}", answer.err);
        if let [row] = answer.rows().as_slice() {
            assert_eq!((&row["severity"], &row["device"]), (&word.into(), &"imp-c0c0c0".into()));
            assert!(row["peer_ip"].is_null() && row["profile"] != "farmbot", "{row}");
        }
    }
    let quiet = site.check(&format!("{clean} -q"));
    assert_eq!(quiet.err, "wireclaim: no device of the inventory `campus` is in the capture\n");
}

#[test]
fn what_the_inventory_says_is_said_there_only() {
    let site = Site::of(&[&format!("match: {{{BOT}}}, profile: farmbot")]);
    for (option, key) in [
        ("-p farmbot", "`--profile farmbot` does not go with `--inventory`"),
        ("--device 192.0.2.7", "`match: {ip: 192.0.2.7}`"),
        ("--variant enhanced", "`variant: NAME`"),
        ("--set ssh_key=false", "`set: {NAME: VALUE}`"),
    ] {
        let answer = site.check(&format!("{} {option}", capture("farmbot-clean")));
        assert_eq!(answer.status, 2);
        assert!(answer.err.contains(key) && answer.err.contains("campus.yaml"), "{}", answer.err);
    }
    let neither = say(&format!("check {}", capture("farmbot-clean")));
    assert!(neither.status == 2 && neither.err.contains("--profile"), "{}", neither.err);
}

#[test]
fn problems_of_the_inventory_and_of_its_profiles_are_told_at_once() {
    let site = Site::of(&[
        "match: {ip: 192.0.2.7}, profile: mine.yaml",
        "match: {mac: '02:00'}, profile: farmbot",
        "match: {ip: 192.0.2.8}, profile: farmbot, set: {ssh_kye: true}",
        "match: {ip: 192.0.2.9}, profile: farmbot, subject: browsr",
    ]);
    fs::write(site.folder.path().join("mine.yaml"), "version: 1\nprofile: mine\ntitle: Mine\nclams: []\n")
        .unwrap();
    let answer = site.check("no-such-capture.pcap");
    assert_eq!((answer.status, answer.out.as_str()), (2, ""));
    for part in [
        "campus.yaml:5:19: devices.2.match.mac: expected the MAC address of a device",
        "campus.yaml:6:54: devices.3.set.ssh_kye: `farmbot` has no parameter `ssh_kye` (did you mean `ssh_key`?)",
        "campus.yaml:7:57: devices.4.subject: failed to select a subject: `farmbot` has no subject `browsr`",
        "mine.yaml:4:1: unknown key `clams` (did you mean `claims`?)",
    ] {
        assert!(answer.err.contains(part), "`{part}` in {}", answer.err);
    }
    let missing = say("check x.pcap --inventory nowhere.yaml");
    assert!(missing.status == 2 && missing.err.contains("failed to read `nowhere.yaml`"), "{}", missing.err);
}

/// A profile that leaves open whom the device may talk to.
const OPEN: &str = "
version: 1
profile: open
title: Open
baseline: [arp, ndp, dhcp, dns, icmp]
identify: {mud_urls: ['https://lamp.example.com/bulb']}
parameters:
  my_controller: {kind: peers, help: addresses of its controllers}
  same_manufacturer: {kind: peers, help: addresses of devices of the same manufacturer}
claims:
  - {id: O-1, title: Its controllers, allowed: {out: $my_controller}}
  - {id: O-2, title: Its kin, allowed: {either: $same_manufacturer}}
";

#[test]
fn what_a_profile_leaves_open_is_bound_by_the_site_and_by_the_fleet_itself() {
    // The host at 192.0.2.50 tries the imp's ports 23 and 80; somebody outside, 203.0.113.90, does so too.
    let entries = "devices:\n  - {match: {ip: 192.0.2.50}, profile: open.yaml}\n  - {match: {oui: '02:1a:69'}, profile: open.yaml}\n";
    let site = Site::new(&format!(
        "version: 1\ninventory: campus\nsite: {{set: {{my_controller: [198.51.100.60, 198.51.100.0/28]}}}}\n{entries}"
    ));
    fs::write(site.folder.path().join("open.yaml"), OPEN).unwrap();
    let answer = site.check(&format!("{} --all", capture("imp-bad")));
    let of = |claim: &str| -> Vec<String> {
        let rows = answer.rows().into_iter().filter(|row| row["claim"] == claim);
        rows.map(|row| format!("{} {}", row["device_ip"].as_str().unwrap(), row["status"].as_str().unwrap()))
            .collect()
    };
    // Whoever is in the inventory is kin of both, and the imp refuses one of the two ports; the imp alone asks a controller.
    let mut kin = of("O-2");
    kin.sort();
    assert_eq!(kin, ["192.0.2.100 conforms", "192.0.2.50 obstructed"]);
    // One of its connections with them is weak, which is a matter of that claim then.
    let mut controllers = of("O-1");
    controllers.sort();
    controllers.dedup();
    assert_eq!(controllers, ["192.0.2.100 violation", "192.0.2.50 not_exercised"]);
    let open: BTreeSet<String> = answer
        .rows()
        .iter()
        .filter(|row| row["claim"] == "" || row["claim"].is_null())
        .filter_map(|row| row["peer_ip"].as_str().map(str::to_owned))
        .collect();
    assert!(open.contains("203.0.113.90") && open.contains("198.51.100.61"), "{open:?}");
    assert!(!open.contains("192.0.2.50") && !open.contains("198.51.100.60"), "{open:?}");
    // Without the site's word, nobody knows the controller.
    fs::write(&site.path, format!("version: 1\ninventory: campus\n{entries}")).unwrap();
    let answer = site.check(&format!("{} --all", capture("imp-bad")));
    let unbound = answer.rows().into_iter().filter(|row| row["claim"] == "O-1" && row["status"] == "unbound");
    assert_eq!(unbound.count(), 2, "{}", answer.out);
}

#[test]
fn the_site_says_what_is_local_and_whom_to_ask_for_names() {
    let entry = format!("devices:\n  - {{match: {{{BOT}}}, profile: farmbot, set: {{ssh_key: false}}}}\n");
    let with = |site: &str| {
        let site = Site::new(&format!("version: 1\ninventory: campus\nsite: {site}\n{entry}"));
        site.check(&capture("farmbot-odd"))
    };
    // DHCP gave it 192.0.2.1, and it asks 203.0.113.53 as well.
    let asked = |answer: &Answer| column(answer, "undeclared-resolver", "observed");
    assert_eq!(asked(&with("{}")), ["203.0.113.53"]);
    assert_eq!(asked(&with("{resolvers: [192.0.2.1, 203.0.113.53]}")), [""; 0]);
    let other = with("{resolvers: 203.0.113.53}");
    assert_eq!(asked(&other), ["192.0.2.1"]);
    assert!(
        column(&other, "undeclared-resolver", "message")[0]
            .ends_with("the site's resolvers are 203.0.113.53.")
    );
    // Somebody at 203.0.113.90 reaches its SSH port.
    let way = |answer: &Answer| column(answer, "inbound-accepted", "direction");
    assert_eq!(way(&with("{}")), ["in"]);
    assert_eq!(way(&with("{local_networks: [203.0.113.0/24, '2001:db8::/32']}")), ["local"]);
}

#[test]
fn one_tls_policy_may_judge_the_whole_fleet() {
    let captures = ["farmbot-faults", "imp-bad"].map(capture).join(" ");
    let site = Site::of(&[
        &format!("match: {{{BOT}}}, profile: farmbot"),
        "match: {oui: '02:1a:69'}, profile: electric-imp",
    ]);
    let policies = |answer: &Answer| -> BTreeSet<String> {
        let rows = answer.rows().into_iter().filter_map(|row| row["policy"].as_str().map(str::to_owned));
        rows.filter(|policy| !policy.is_empty()).collect()
    };
    assert_eq!(policies(&site.check(&captures)), BTreeSet::from([String::from("bcp195")]));
    let other = site.check(&format!("{captures} --tls-policy pci-dss-4"));
    assert_eq!(policies(&other), BTreeSet::from([String::from("pci-dss-4")]), "{}", other.err);
}

/// Whatever happens to the captures, the fleet is judged or the run says why not.
#[test]
fn spoilt_captures_are_judged_or_refused() {
    let page = fs::read_to_string(support::root().join("docs/fleet.md")).unwrap();
    let site = Site::new(&blocks(&page, "yaml")[0]);
    let mut random = support::random::Random::new(5);
    for way in support::damage::WAYS {
        let spoilt = ["farmbot-faults", "smartserver-standard"].map(|case| {
            let mut pcap = support::pcap::Pcap::read(&support::root().join(capture(case)), 400).unwrap();
            (way.apply)(&mut pcap, &mut random);
            let path = site.folder.path().join(format!("{case}.pcap"));
            pcap.write(&path);
            path.display().to_string()
        });
        let answer = site.check(&spoilt.join(" "));
        assert!([0, 1, 3].contains(&answer.status), "{}: {}", way.name, answer.err);
        assert!(answer.err.contains("inventory: campus: 5 entries, "), "{}: {}", way.name, answer.err);
    }
}
