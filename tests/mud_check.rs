//! A MUD file as the profile of `check`, and the commands that read and write them. The file is `fixtures/mud`; the
//! traffic is made by hand, since no recorded device has a MUD file.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says so, and each test binary uses its own part"
)]

mod support;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::wire::{self, Host, Pcap};
use support::{Answer, root};

const SENSOR: Host = Host { mac: [2, 0, 0x5e, 0, 0, 7], ip: Ipv4Addr::new(192, 168, 7, 20) };
const ROUTER: Host = Host { mac: [2, 0, 0x5e, 0, 0, 1], ip: Ipv4Addr::new(192, 168, 7, 1) };
const HUB: Host = Host { mac: ROUTER.mac, ip: Ipv4Addr::new(203, 0, 113, 9) };
const CONTROLLER: Host = Host { mac: [2, 0, 0x5e, 0, 0, 9], ip: Ipv4Addr::new(192, 168, 7, 50) };

/// What the sensor offers in TLS.
struct Offer {
    versions: &'static [u16],
    suites: &'static [u16],
    groups: &'static [u16],
    alpn: &'static [&'static str],
}

/// As `fixtures/mud/sensor-2.json` declares, and GREASE, which counts for nothing (RFC 8701).
const DECLARED: Offer = Offer {
    versions: &[0x7a7a, 0x0304, 0x0303],
    suites: &[0x0a0a, 0x1301, 0xc02b],
    groups: &[0x1a1a, 29],
    alpn: &["h2"],
};

/// A `ClientHello` (RFC 8446 section 4.1.2) to hub.example.com.
fn hello(offer: &Offer) -> Vec<u8> {
    let short = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    let codes = |codes: &[u16]| -> Vec<u8> { codes.iter().flat_map(|code| code.to_be_bytes()).collect() };
    let mut extensions: Vec<u8> = Vec::new();
    let mut add = |kind: u16, content: &[u8]| {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(short(content.len()));
        extensions.extend(content);
    };
    let name = b"hub.example.com";
    add(0, &[&short(name.len() + 3)[..], &[0], &short(name.len()), name].concat());
    let groups = codes(offer.groups);
    add(10, &[&short(groups.len())[..], &groups].concat());
    add(13, &[0, 2, 4, 3]);
    let names: Vec<u8> =
        offer.alpn.iter().flat_map(|name| [&[name.len() as u8][..], name.as_bytes()].concat()).collect();
    add(16, &[&short(names.len())[..], &names].concat());
    let versions = codes(offer.versions);
    add(43, &[&[versions.len() as u8][..], &versions].concat());
    let suites = codes(offer.suites);
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(short(suites.len()));
    body.extend(suites);
    body.extend([1, 0]);
    body.extend(short(extensions.len()));
    body.extend(extensions);
    let message = [&[1, 0][..], &short(body.len()), &body].concat();
    [&[22, 3, 1][..], &short(message.len()), &message].concat()
}

/// The sensor starts, says what it is, reports to its hub and to its controller.
fn capture(mud_url: &str, offer: &Offer) -> (tempfile::TempDir, PathBuf) {
    let mut pcap = Pcap::new();
    let nobody = Host { ip: Ipv4Addr::UNSPECIFIED, ..SENSOR };
    let everybody = Host { mac: [0xff; 6], ip: Ipv4Addr::BROADCAST };
    for (kind, answer) in [(1, 2), (3, 5)] {
        let mut ask = wire::dhcp(kind, SENSOR, Ipv4Addr::UNSPECIFIED, b"sensor-7");
        // RFC 8520 section 10.1: option 161, before the end.
        ask.pop();
        ask.extend([161, u8::try_from(mud_url.len()).unwrap()]);
        ask.extend(mud_url.as_bytes());
        ask.push(255);
        pcap.udp((nobody, 68), (everybody, 67), &ask);
        pcap.udp((ROUTER, 67), (SENSOR, 68), &wire::dhcp(answer, SENSOR, SENSOR.ip, b""));
    }
    pcap.connection((SENSOR, 40_000), (HUB, 443), &hello(offer), &[]);
    pcap.udp((SENSOR, 40_001), (CONTROLLER, 5683), b"hello controller");
    pcap.udp((CONTROLLER, 5683), (SENSOR, 40_001), b"hello sensor");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcap");
    std::fs::write(&path, pcap.into_bytes()).unwrap();
    (folder, path)
}

fn mud() -> PathBuf {
    root().join("fixtures/mud/sensor-2.json")
}

fn check(mud_url: &str, offer: &Offer, more: &[&str]) -> Answer {
    check_by(&mud(), mud_url, offer, more)
}

fn check_by(profile: &Path, mud_url: &str, offer: &Offer, more: &[&str]) -> Answer {
    let (_folder, path) = capture(mud_url, offer);
    let mut command = support::wireclaim();
    command.arg("check").arg(&path).arg("-p").arg(profile).args(["--format", "ndjson"]).args(more);
    Answer::from(command.output().unwrap())
}

const URL: &str = "https://sensors.example/sensor-2.json";

/// The rows of one code.
fn of<'a>(rows: &'a [Value], code: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["code"] == code).collect()
}

#[test]
fn a_device_that_does_what_its_file_says_has_no_discrepancy_of_it() {
    let answer = check(URL, &DECLARED, &[]);
    let codes = answer.codes();
    // The connection to the hub has no answer to its hello, which is for other checks to tell.
    let ours = ["undeclared-destination", "undeclared-port", "undeclared-tls-offer", "mud-url-mismatch"];
    assert!(codes.iter().all(|code| !ours.contains(&code.as_str())), "{codes:?}");
    assert!(
        answer.err.contains(
            "recognised by the profile sensor-2, says of itself: https://sensors.example/sensor-2.json"
        ),
        "{}",
        answer.err
    );
}

#[test]
fn a_group_of_peers_that_nobody_bound_is_unbound_and_no_violation() {
    let rows = check(URL, &DECLARED, &["--all"]).rows();
    let claim = |rows: &[Value]| rows.iter().find(|row| row["claim"] == "MUD-02").unwrap()["status"].clone();
    assert_eq!(claim(&rows), "unbound");
    let row = rows.iter().find(|row| row["claim"] == "MUD-02").unwrap();
    let message = row["message"].as_str().unwrap();
    assert!(
        message.contains("1 connection that nothing else declares may be of it, with 192.168.7.50"),
        "{message}"
    );
    let rows = check(URL, &DECLARED, &["--all", "--set", "my_controller=192.168.7.50"]).rows();
    assert_eq!(claim(&rows), "conforms");
    let rows = check(URL, &DECLARED, &["--all", "--set", "my_controller=192.168.7.51"]).rows();
    assert_eq!(claim(&rows), "not_exercised");
    // The only other claim about the local network is that of NTP.
    let [row] = of(&rows, "undeclared-port")[..] else { panic!("{rows:#?}") };
    assert_eq!((&row["peer_ip"], &row["port"]), (&Value::from("192.168.7.50"), &Value::from(5683)));
}

#[test]
fn the_import_of_a_file_finds_what_the_file_finds() {
    let folder = tempfile::tempdir().unwrap();
    let imported = folder.path().join("sensor-2.yaml");
    let mut command = support::wireclaim();
    command.args(["profile", "import"]).arg(mud()).arg("-o").arg(&imported);
    let answer = Answer::from(command.output().unwrap());
    assert_eq!(answer.status, 0, "{}", answer.err);
    let offer = Offer {
        versions: &[0x0304, 0x0303, 0x0302],
        suites: &[0x1301, 0x002f, 0x0035],
        groups: &[29, 23, 0xfe31],
        alpn: &["h2", "http/1.1"],
    };
    let rows = check(URL, &offer, &["--all"]).rows();
    assert!(!of(&rows, "undeclared-tls-offer").is_empty(), "{rows:#?}");
    assert_eq!(check_by(&imported, URL, &offer, &["--all"]).rows(), rows);
}

#[test]
fn what_is_offered_in_tls_and_not_declared_is_told_by_kind() {
    let offer = Offer {
        versions: &[0x0304, 0x0303, 0x0302],
        suites: &[0x0a0a, 0x1301, 0x002f, 0x0035, 0x1302, 0xc02b, 0xc02c],
        groups: &[29, 23, 0xfe31],
        alpn: &["h2", "http/1.1"],
    };
    let answer = check(URL, &offer, &[]);
    let rows = answer.rows();
    let told: Vec<(&str, &str, &str)> = of(&rows, "undeclared-tls-offer")
        .iter()
        .map(|row| {
            (
                row["status"].as_str().unwrap(),
                row["severity"].as_str().unwrap(),
                row["observed"].as_str().unwrap(),
            )
        })
        .collect();
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            // 0xfe31 is in no registry: newer than this program, for all it knows (RFC 9761 section 6).
            ("drift", "info", "offers 0xfe31"),
            (
                "violation",
                "warning",
                "offers TLS_RSA_WITH_AES_128_CBC_SHA, TLS_RSA_WITH_AES_256_CBC_SHA, TLS_AES_256_GCM_SHA384, 1 more"
            ),
            ("violation", "warning", "offers http/1.1"),
            ("violation", "warning", "offers secp256r1"),
            ("violation", "warning", "offers tls1.1"),
        ]
    );
    let expected = |observed: &str| {
        let row = rows.iter().find(|row| row["observed"] == observed).unwrap();
        row["expected"].as_str().unwrap().to_owned()
    };
    let (version, group) = (expected("offers tls1.1"), expected("offers secp256r1"));
    assert!(version.starts_with("version as declared") && version.ends_with(": tls1.2, tls1.3"), "{version}");
    assert!(group.ends_with(": x25519"), "{group}");
    let row = of(&rows, "undeclared-tls-offer")[0];
    assert_eq!(
        (&row["claim"], &row["reference"]),
        (&Value::from("MUD-01"), &Value::from("RFC 9761 section 6"))
    );
}

#[test]
fn another_mud_url_than_the_profiles_is_told() {
    let answer = check("https://sensors.example/sensor-3.json", &DECLARED, &["--device", "192.168.7.20"]);
    let rows = answer.rows();
    let [row] = of(&rows, "mud-url-mismatch")[..] else { panic!("{rows:#?}") };
    assert_eq!((&row["status"], &row["severity"]), (&Value::from("violation"), &Value::from("warning")));
    assert_eq!(row["expected"], URL);
    assert_eq!(row["observed"], "https://sensors.example/sensor-3.json");
    assert!(row["message"].as_str().unwrap().contains("says by DHCP"), "{row}");
    assert!(answer.err.contains("MUD URL https://sensors.example/sensor-3.json"), "{}", answer.err);
    // Case makes no difference.
    let same =
        check("https://Sensors.Example/sensor-2.json", &DECLARED, &["--device", "192.168.7.20"]).rows();
    assert!(of(&same, "mud-url-mismatch").is_empty());
}

#[test]
fn a_mud_file_becomes_a_yaml_profile_that_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = folder.path().join("sensor.yaml");
    let run = |args: &[&str]| Answer::from(support::wireclaim().args(args).output().unwrap());
    let mud = mud();
    let (mud, yaml) = (mud.to_str().unwrap(), yaml.to_str().unwrap());
    let answer = run(&["profile", "import", mud, "-o", yaml]);
    assert_eq!((answer.status, answer.out.as_str()), (0, ""), "{}", answer.err);
    assert!(answer.err.contains("claims: 3"), "{}", answer.err);
    assert!(answer.err.contains("my_controller"), "{}", answer.err);
    let claims = |file: &str| -> Vec<String> {
        let shown = run(&["profile", "show", file, "--format", "table"]);
        assert_eq!(shown.status, 0, "{}", shown.err);
        shown.out.lines().filter(|line| line.starts_with("MUD-")).map(str::to_owned).collect()
    };
    assert_eq!(claims(yaml), claims(mud));
    assert_eq!(claims(yaml).len(), 3);
    let text = std::fs::read_to_string(yaml).unwrap();
    assert!(text.contains("mud-extension"), "what is odd is a comment: {text}");
}

#[test]
fn a_profile_becomes_a_mud_file_and_what_is_lost_is_said() {
    let run = |args: &[&str]| Answer::from(support::wireclaim().args(args).output().unwrap());
    let answer = run(&[
        "profile",
        "export",
        "electric-imp",
        "--mud-url",
        "https://imp.example/imp.json",
        "--last-update",
        "2024-05-06",
    ]);
    assert_eq!(answer.status, 0, "{}", answer.err);
    let json: Value = serde_json::from_str(&answer.out).unwrap();
    let container = &json["ietf-mud:mud"];
    assert_eq!(container["mud-url"], "https://imp.example/imp.json");
    assert_eq!(container["last-update"], "2024-05-06T00:00:00Z");
    assert_eq!(container["mud-version"], 1);
    let lists = json["ietf-access-control-list:acls"]["acl"].as_array().unwrap();
    let named = |policy: &str| container[policy]["access-lists"]["access-list"].as_array().unwrap().len();
    assert_eq!(
        named("from-device-policy") + named("to-device-policy"),
        lists.len(),
        "every list is named once"
    );
    assert!(answer.err.contains("EI-04: loses that it is required"), "{}", answer.err);
    assert!(answer.err.contains("EI-10: is left out"), "{}", answer.err);
    // Names of entries and lists fit (RFC 8519 section 4.1), and are unique in their list.
    for list in lists {
        let entries = list["aces"]["ace"].as_array().unwrap();
        let names: std::collections::BTreeSet<&str> =
            entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), entries.len());
        assert!(names.iter().all(|name| (1..=64).contains(&name.len())));
    }
    for (args, expected) in [
        (["profile", "export", "farmbot", "--mud-url=http://a.example/x"], "https://"),
        (["profile", "export", "farmbot", "--last-update=yesterday"], "expected a date"),
        (["profile", "export", "framboot", "-q"], "did you mean `farmbot`"),
        (["profile", "import", "no-such.json", "-q"], "no such file"),
    ] {
        let answer = run(&args);
        assert_eq!(answer.status, 2);
        assert!(answer.err.contains(expected), "{}", answer.err);
    }
}

#[test]
fn an_unknown_extension_survives_the_way_there_and_back() {
    let run = |args: &[&str]| Answer::from(support::wireclaim().args(args).output().unwrap());
    let answer = run(&["profile", "export", mud().to_str().unwrap()]);
    assert_eq!((answer.status, answer.err.as_str()), (0, ""), "nothing is lost");
    let json: Value = serde_json::from_str(&answer.out).unwrap();
    let before: Value = serde_json::from_str(&std::fs::read_to_string(mud()).unwrap()).unwrap();
    for (key, value) in before["ietf-mud:mud"].as_object().unwrap() {
        if !key.ends_with("-policy") {
            assert_eq!(&json["ietf-mud:mud"][key], value, "{key}");
        }
    }
}

#[test]
fn examples_of_the_documentation_are_true() {
    let page = std::fs::read_to_string(root().join("docs/mud.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("example.json");
    let mut examples = 0;
    for line in page.lines().filter(|line| line.starts_with("| `{")) {
        let cells: Vec<&str> =
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [matches, policies, expected] = cells[..] else { panic!("three cells: {line}") };
        let list = |name: &str, with: bool| {
            let entry = format!(
                "{{\"name\": \"e\", \"matches\": {matches}, \"actions\": {{\"forwarding\": \"accept\"}}}}"
            );
            let entries = if with { entry.as_str() } else { "" };
            format!(
                "{{\"name\": \"{name}\", \"type\": \"ipv4-acl-type\", \"aces\": {{\"ace\": [{entries}]}}}}"
            )
        };
        let policy =
            |name: &str| format!("{{\"access-lists\": {{\"access-list\": [{{\"name\": \"{name}\"}}]}}}}");
        let text = format!(
            "{{\"ietf-mud:mud\": {{\"mud-version\": 1, \"mud-url\": \"https://a.example/a\", \"last-update\": \"2024-01-01T00:00:00Z\", \
             \"is-supported\": true, \"from-device-policy\": {}, \"to-device-policy\": {}}}, \
             \"ietf-access-control-list:acls\": {{\"acl\": [{}, {}]}}}}",
            policy("f"),
            policy("t"),
            list("f", policies.contains("from")),
            list("t", policies.contains("to"))
        );
        std::fs::write(&path, text).unwrap();
        let profile = wireclaim::profile::builtin::open(path.to_str().unwrap())
            .unwrap_or_else(|error| panic!("{error}"));
        let claims = profile.claims.iter().filter(|claim| claim.id != "MUD-NTP");
        let mut got: Vec<String> = claims.map(|claim| format!("{}: {}", claim.level, claim.rule)).collect();
        got.extend(
            profile.not_checkable.iter().map(|statement| format!("not checkable: {}", statement.title)),
        );
        if got.is_empty() {
            let lints = &profile.mud.as_ref().unwrap().lints;
            got.extend(
                lints
                    .iter()
                    .filter(|lint| lint.code == "mud-baseline")
                    .map(|lint| format!("baseline: {}", lint.message.rsplit('`').nth(1).unwrap_or_default())),
            );
        }
        assert_eq!(got, [expected], "{line}");
        examples += 1;
    }
    assert!(examples >= 15, "{examples} examples");
}
