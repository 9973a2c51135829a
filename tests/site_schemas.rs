//! The JSON Schemas of inventories and waivers: what ships, what the command prints, and what the readers take are one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says so"
)]

#[path = "support/json_schema.rs"]
mod json_schema;
mod support;

use std::path::Path;

use serde_json::Value;
use wireclaim::checks;
use wireclaim::profile::inventory::Inventory;
use wireclaim::profile::waivers::{self, Codes};

use support::{root, say};

fn schema(of: &str) -> Value {
    let printed = say(&format!("profile schema --of {of}"));
    assert_eq!((printed.status, printed.err.as_str()), (0, ""));
    let shipped = std::fs::read_to_string(root().join(format!("rules/schema/{of}.json"))).unwrap();
    assert_eq!(printed.out, shipped, "wireclaim profile schema --of {of} > rules/schema/{of}.json");
    serde_json::from_str(&printed.out).unwrap()
}

fn problems(schema: &Value, text: &str) -> Vec<String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let value: Value =
        serde_saphyr::from_str_with_options(text, options).unwrap_or_else(|error| panic!("{error}\n{text}"));
    json_schema::problems(schema, schema, &value, "")
}

fn reads_inventory(text: &str) -> Result<(), String> {
    Inventory::from_str(text, "i.yaml", Path::new("")).map(drop).map_err(|error| error.to_string())
}

fn reads_waivers(text: &str) -> Result<(), String> {
    let (waivable, never): (Vec<_>, Vec<_>) =
        checks::codes().map(|code| code.id).partition(|id| checks::is_waivable(id));
    let codes = Codes { waivable: &waivable, never: &never };
    waivers::from_str(text, "w.yaml", codes).map(drop).map_err(|error| error.to_string())
}

/// Both take `good`; both refuse it with each of `breaks` in the place of what it replaces.
fn agree(of: &str, reads: fn(&str) -> Result<(), String>, good: &[&str], breaks: &[(&str, &str)]) {
    let schema = schema(of);
    for text in good {
        reads(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(problems(&schema, text), Vec::<String>::new(), "{text}");
    }
    for (from, to) in breaks {
        let text = good[0].replacen(from, to, 1);
        assert_ne!(text, good[0], "nothing is broken by {to}");
        assert!(reads(&text).is_err(), "the reader takes\n{text}");
        assert_ne!(problems(&schema, &text), Vec::<String>::new(), "the schema takes\n{text}");
    }
}

const INVENTORY: &str = "version: 1
inventory: campus
unlisted: warning
site:
  local_networks: [10.0.0.0/8, '2001:db8::/32', 192.0.2.7]
  resolvers: 10.0.0.53
  ntp_servers: [10.0.0.123, '2001:db8::123']
  set: {ssh_key: false}
devices:
  - name: bot
    match: {mac: 02-00-5E-10-00-01, vlan: [3, '4']}
    profile: farmbot
    set: {fbos: 13.0.2}
    subject: device
  - match: {oui: 02:00:5e, prefix: 10.1.0.0/16, ip: '2001:db8::7', dhcp_host_name: Bot*, dhcp_vendor_class: x*, mud_url: 'https://*'}
    profile: fortrabbit
    set: {standard_ports: [22, 443]}
";

#[test]
fn inventories_are_refused_and_taken_by_both() {
    let good = [
        INVENTORY,
        "version: 1\ninventory: 7\ndevices: []\n",
        "version: 1\ninventory: i\ndevices:\n  - {match: {vlan: 1}, profile: smartserver, variant: [standard]}\n",
    ];
    let breaks = [
        ("version: 1", "version: 2"),
        ("version: 1\n", ""),
        ("inventory: campus\n", ""),
        ("inventory: campus", "inventory: []"),
        ("inventory: campus", "inventory: ''"),
        ("inventory: campus", "fleet: campus"),
        ("unlisted: warning", "unlisted: fatal"),
        ("10.0.0.0/8", "10.0.0.300/8"),
        ("10.0.0.0/8", "campus.example.com"),
        ("resolvers: 10.0.0.53", "resolvers: 10.0.0.53/32"),
        ("resolvers: 10.0.0.53", "resolvers: []"),
        ("resolvers: 10.0.0.53", "resolver: 10.0.0.53"),
        ("set: {ssh_key: false}", "set: [ssh_key]"),
        ("mac: 02-00-5E-10-00-01", "mac: ff:ff:ff:ff:ff:ff"),
        ("mac: 02-00-5E-10-00-01", "mac: 02-00-5E"),
        ("vlan: [3, '4']", "vlan: 5000"),
        ("vlan: [3, '4']", "vlan: guests"),
        ("match: {mac: 02-00-5E-10-00-01, vlan: [3, '4']}", "match: {}"),
        ("match: {mac: 02-00-5E-10-00-01, vlan: [3, '4']}", "match: bot"),
        ("    match: {mac: 02-00-5E-10-00-01, vlan: [3, '4']}\n", ""),
        ("    profile: farmbot\n", ""),
        ("profile: farmbot", "profil: farmbot"),
        ("set: {fbos: 13.0.2}", "variant: {fbos: above}"),
        ("oui: 02:00:5e", "oui: 02:00:5e:10"),
        ("ip: '2001:db8::7'", "ip: bot.local"),
        ("set: {standard_ports: [22, 443]}", "set: {standard_ports: []}"),
        ("devices:\n", "devices:\nentries:\n"),
    ];
    agree("inventory", reads_inventory, &good, &breaks);
}

const TLS_POLICY: &str = "version: 1
policy: mine
title: As BCP 195, with the suite of the old pumps
dated: 2026-11
extends: bcp195
versions:
  - {names: [tls1.2, 0x0304], tier: ok, normative: \"-\", reference: house rule}
suites:
  - {names: [ECDHE-RSA-AES128-SHA256, 0xfe01], tier: ok, normative: \"-\", reference: risk register 17}
  - {with: [CHACHA20], tier: weak, normative: MUST NOT, reference: house rule}
groups:
  - {names: x25519, tier: ok, normative: \"-\", reference: house rule}
rsa_bits:
  - {below: 4096, tier: weak, normative: MUST NOT, reference: house rule}
  - {tier: ok, normative: \"-\", reference: house rule}
signatures:
  - {begins: sha1, contains: [md5], tier: broken, normative: SHOULD NOT, reference: house rule}
features:
  - {names: [heartbeat], tier: weak, normative: D, reference: house rule}
";

fn reads_tls_policy(text: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    std::fs::write(&path, text).unwrap();
    let read = wireclaim::profile::tls_policy::PolicyRef::open(&path.display().to_string());
    read.map(drop).map_err(|error| error.to_string())
}

#[test]
fn tls_policies_are_refused_and_taken_by_both() {
    let modern = std::fs::read_to_string(root().join("rules/tls/mozilla-modern.yaml")).unwrap();
    let breaks = [
        ("version: 1", "version: 2"),
        ("policy: mine", "policy: Mine"),
        ("policy: mine\n", ""),
        ("title: As", "titel: As"),
        ("dated: 2026-11", "dated: lately"),
        ("extends: bcp195", "extends: bcp159"),
        ("extends: bcp195\n", ""),
        ("versions:\n", "version_list:\n"),
        ("tier: ok", "tier: good"),
        ("normative: MUST NOT", "normative: MUSTN'T"),
        ("tier: weak, ", ""),
        (", reference: house rule", ""),
        ("names: x25519", "with: x25519"),
        ("names: x25519", "names: []"),
        ("with: [CHACHA20]", "without: [CHACHA20]"),
        ("below: 4096", "below: many"),
        ("begins: sha1", "starts: sha1"),
        ("[heartbeat]", "[hartbeat]"),
        ("{names: [heartbeat], ", "{"),
    ];
    agree("tls-policy", reads_tls_policy, &[TLS_POLICY, &modern], &breaks);
    // What ships fits, but for the default, whose suites stand in a table of their own.
    let schema = schema("tls-policy");
    for entry in std::fs::read_dir(root().join("rules/tls")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|suffix| suffix == "yaml") && !path.ends_with("bcp195.yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(problems(&schema, &text), Vec::<String>::new(), "{}", path.display());
        }
    }
}

const WAIVERS: &str = "version: 1
waivers:
  - id: W-1
    match: {code: [weak-cipher, undeclared-destination], profile: farmbot, claim: FB-1, device: 02:00:5e:10:00:01, peer: ['*.example.net', 192.0.2.0/24, '2001:db8::1', printer], port: ['443', 8000-8010, 22], transport: [tcp, ip-47], direction: [in, local], observed: '* s', finding_id: 48b695f2081c18c4}
    reason: The field trial
    owner: alice@example.com
    expires: 2026-12-31
";

#[test]
fn waivers_are_refused_and_taken_by_both() {
    let good = [
        WAIVERS,
        "version: 1\nwaivers: []\n",
        "version: 1\nwaivers:\n",
        "version: 1\nwaivers:\n  - {id: 7, match: {port: 443}, reason: 4711, owner: 1, expires: 2027-01-01}\n",
        "version: 1\nwaivers:\n  - {id: 7, match: {finding_id: 1234567890123456}, reason: r, owner: o, expires: 2027-01-01}\n",
    ];
    let breaks = [
        ("version: 1", "version: 2"),
        ("version: 1\n", ""),
        ("waivers:", "waiver:"),
        ("  - id: W-1\n", "  -\n"),
        ("id: W-1", "name: W-1"),
        ("weak-cipher", "weak-ciper"),
        ("weak-cipher", "capture-loss"),
        ("code: [weak-cipher, undeclared-destination]", "code: []"),
        ("claim: FB-1", "claims: FB-1"),
        ("'*.example.net'", "'a.example:443'"),
        ("'*.example.net'", "'a.*.example'"),
        ("192.0.2.0/24", "https://a.example"),
        ("port: ['443', 8000-8010, 22]", "port: 0"),
        ("port: ['443', 8000-8010, 22]", "port: https"),
        ("transport: [tcp, ip-47]", "transport: tpc"),
        ("direction: [in, local]", "direction: inward"),
        ("finding_id: 48b695f2081c18c4", "finding_id: 48b6"),
        ("reason: The field trial", "reason: ''"),
        ("reason: The field trial", "reason:"),
        ("    reason: The field trial\n", ""),
        ("owner: alice@example.com", "owner: []"),
        ("expires: 2026-12-31", "expires: 31.12.2026"),
        ("expires: 2026-12-31", "expires: 2026-13-01"),
        ("expires: 2026-12-31", "expires: never"),
        ("expires: 2026-12-31", "expires: 2026"),
        ("    expires: 2026-12-31\n", ""),
        ("    reason", "    colour: red\n    reason"),
    ];
    agree("waivers", reads_waivers, &good, &breaks);
    let empty = WAIVERS.replacen(WAIVERS.lines().nth(3).unwrap(), "    match: {}", 1);
    assert!(reads_waivers(&empty).is_err_and(|error| error.contains("expected at least one of `code`")));
    assert_ne!(problems(&schema("waivers"), &empty), Vec::<String>::new());
}

#[test]
fn keys_and_codes_tell_editors_what_they_are() {
    for of in ["inventory", "waivers"] {
        let schema = schema(of);
        let mut left = vec![&schema];
        let mut seen = 0;
        while let Some(value) = left.pop() {
            for (name, key) in value["properties"].as_object().into_iter().flatten() {
                let text = key["description"].as_str().unwrap_or_default();
                assert!(text.len() > 8 && text.ends_with('.'), "{name}: {text}");
                seen += 1;
            }
            let values = value.as_object().into_iter().flat_map(|map| map.values());
            left.extend(values.filter(|value| value.is_object()));
        }
        assert!(seen >= 17, "{of}: {seen}");
        for (name, form) in schema["$defs"].as_object().unwrap() {
            for example in form["examples"].as_array().into_iter().flatten() {
                assert_eq!(json_schema::problems(&schema, form, example, name), Vec::<String>::new());
            }
        }
    }
    let codes = schema("waivers")["$defs"]["code"]["enum"].as_array().unwrap().len();
    assert_eq!(codes, checks::codes().filter(|code| checks::is_waivable(code.id)).count());
}

/// Every inventory and every file of waivers that the documentation shows fits its schema.
#[test]
fn what_the_documentation_shows_fits() {
    let mut found = 0;
    for (page, of, key) in [
        ("fleet.md", "inventory", "inventory:"),
        ("waivers.md", "waivers", "waivers:"),
        ("walkthrough.md", "waivers", "waivers:"),
        ("tls.md", "tls-policy", "policy:"),
    ] {
        let schema = schema(of);
        let text = std::fs::read_to_string(root().join("docs").join(page)).unwrap();
        for block in text.split("```yaml").skip(1).filter_map(|rest| rest.split("```").next()) {
            let block = block.split_once('\n').map_or("", |(_, block)| block);
            if block.lines().any(|line| line.starts_with(key)) {
                assert_eq!(problems(&schema, block), Vec::<String>::new(), "{page}:\n{block}");
                found += 1;
            }
        }
    }
    assert!(found >= 4, "{found}");
}
