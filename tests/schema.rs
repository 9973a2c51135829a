//! The JSON Schema of profiles: what ships, what the command prints, and what the reader takes are one.

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

use std::path::PathBuf;

use serde_json::Value;
use wireclaim::profile::load;

use support::{root, run};

fn schema() -> Value {
    serde_json::from_str(&wireclaim::profile::json_schema()).unwrap()
}

/// What the schema says against a profile, as an editor reads it.
fn problems(schema: &Value, text: &str) -> Vec<String> {
    // As in YAML 1.2, `yes` is a text.
    let options = serde_saphyr::options! { strict_booleans: true };
    let value: Value =
        serde_saphyr::from_str_with_options(text, options).unwrap_or_else(|error| panic!("{error}\n{text}"));
    json_schema::problems(schema, schema, &value, "")
}

/// Every YAML file below `folder` that is a profile.
fn profiles_below(folder: PathBuf) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                if text.lines().any(|line| line.starts_with("profile:")) {
                    found.push((path, text));
                }
            }
        }
    }
    found.sort();
    found
}

/// A profile with everything that claims may refer to, and this claim.
fn with_claim(claim: &str) -> String {
    format!(
        "version: 1\nprofile: test\ntitle: Test\nvariants:\n  mode: {{options: [fast, slow]}}\nparameters:\n  \
         ports: {{kind: ports, help: which}}\n  site: {{kind: peers, help: which}}\n  on: {{kind: flag, help: whether}}\n  \
         fbos: {{kind: version, help: which}}\nsubjects:\n  browser: {{help: who}}\ngroups:\n  both: [a.example.com, b.example.com]\n\
         services:\n  mqtts: {{tcp: 8883, service: tls/mqtt}}\ntls_blocks:\n  strong: {{min_version: 1.3}}\n\
         claims:\n  - {{id: T-1, title: t, {claim}}}\n"
    )
}

#[test]
fn the_file_beside_the_profiles_is_what_the_command_prints() {
    let printed = run(&["profile", "schema"]);
    assert!(printed.status.success());
    let shipped = std::fs::read_to_string(root().join("rules/schema/profile.json")).unwrap();
    assert_eq!(
        String::from_utf8(printed.stdout).unwrap(),
        shipped,
        "wireclaim profile schema > rules/schema/profile.json"
    );
    for (path, text) in profiles_below(root().join("rules/profiles")) {
        let first = "# yaml-language-server: $schema=../schema/profile.json\n";
        assert!(text.starts_with(first), "{}", path.display());
    }
}

#[test]
fn every_profile_of_the_project_fits_the_schema() {
    let schema = schema();
    let shipped = profiles_below(root().join("rules"));
    assert_eq!(shipped.len(), 4);
    for (path, text) in shipped.into_iter().chain(profiles_below(root().join("fixtures"))) {
        assert_eq!(problems(&schema, &text), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn what_the_reader_takes_the_schema_takes() {
    let schema = schema();
    for claim in [
        "allowed: {out: anyone}",
        "required: {out: [$both, 192.0.2.0/24, 2001:db8::/32, '*.example.com', .example.com, 'list:aws-us-east-1', $site], at_least: 2}",
        "allowed: {in: local-network, tcp: 443}",
        "allowed: {either: a.example.com., udp: [53, '5000-5010', '80,443']}",
        "allowed: {local: 192.0.2.7, tcp: {except: [22, 80-90]}}",
        "allowed: {out: anyone, tcp: {prefer: [31314, 993]}}",
        "allowed: {out: anyone, tcp: {except: $ports}}",
        "allowed: {out: anyone, tcp: any, udp: any, service: [tls/mqtt, dns]}",
        "allowed: {out: anyone, icmp: true}",
        "allowed: {out: anyone}, tls: {offers: [{versions: [tls1.2, dtls1.2, 0x0305], suites: 0x1301, groups: [29, '0x0017', x25519, P-256], alpn: h2}]}",
        "allowed: {out: anyone, ip: [47, esp, '99']}",
        "allowed: {out: anyone, service: $mqtts}, tls: $strong",
        "forbidden: {out: anyone, blocked: true}, severity: info, subject: browser",
        "forbidden: {proxy: true}, subject: anyone",
        "informational: {same_addresses: [a.example.com, b.example.com]}",
        "informational: {canonical_name: {name: a.example.com, under: .example.com}}",
        "informational: {addresses_within: {names: '*.example.com', networks: $site}}",
        "allowed: {out: anyone}, when: {mode: [fast, unbound], on: true}",
        "allowed: {out: anyone}, when: fbos > 13.0.1",
        "allowed: {out: anyone}, when: {fbos: ['> 13.0.1', unbound, 12]}",
        "allowed: {out: anyone}, tls: {policy: default, min_version: TLS 1.2, max_version: 1.3, suites: [ECDHE-RSA-AES128-SHA256, 0x1301], min_rsa_bits: 2048, signatures: x, mutual: true, issuers: [a, b], alpn: mqtt, pins: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF}",
        "allowed: {out: anyone}, tls: {}",
        "allowed: {out: anyone}, lifetime: {long_running: true, min: 5 min, max_idle_tail: 500ms}, keep_alive_max: 2 h, websocket: true, encrypted: false",
        "allowed: {out: anyone}, quote: 1.10, source: true, reviewed: 2021",
        "allowed: {out: anyone}, silent: true, reviewed: 2021-04-30",
    ] {
        let text = with_claim(claim);
        load::from_str(&text, "test").unwrap_or_else(|error| panic!("{claim}: {error}"));
        assert_eq!(problems(&schema, &text), Vec::<String>::new(), "{claim}");
    }
}

/// What is wrong with a claim whatever its words refer to.
const BROKEN_CLAIMS: &[&str] = &[
    "",
    "allowed: {out: anyone}, colour: red",
    "allowed: {out: anyone}, forbidden: {in: anyone}",
    "allowed: anyone",
    "allowed: {}",
    "allowed: {tcp: 1}",
    "allowed: {out: anyone, in: anyone}",
    "allowed: {out: anyone, proxy: true}",
    "allowed: {out: []}",
    "allowed: {out: {name: a.example.com}}",
    "allowed: {out: anyon}",
    "allowed: {out: 'a b'}",
    "allowed: {out: anyone, tcp: 0}",
    "allowed: {out: anyone, tcp: 70000}",
    "allowed: {out: anyone, tcp: http}",
    "allowed: {out: anyone, tcp: {only: 1}}",
    "allowed: {out: anyone, tcp: {except: 1, prefer: 2}}",
    "allowed: {out: anyone, tcp: }",
    "allowed: {out: anyone, icmp: yes}",
    "allowed: {out: anyone, ip: 256}",
    "allowed: {out: anyone, ip: tunnel}",
    "allowed: {out: anyone, service: TLS}",
    "allowed: {out: anyone, service: 'tls/'}",
    "required: {out: anyone, at_least: some}",
    "informational: {canonical_name: a.example.com}",
    "informational: {canonical_name: {name: a.example.com}}",
    "informational: {addresses_within: {names: a.example.com, network: 'list:aws-us-east-1'}}",
    "informational: {same_addresses: ['*.example.com', b.example.com]}",
    "allowed: {out: anyone}, severity: fatal",
    "allowed: {out: anyone}, encrypted: yes",
    "allowed: {out: anyone}, keep_alive_max: 15",
    "allowed: {out: anyone}, keep_alive_max: 15 sec",
    "allowed: {out: anyone}, lifetime: {}",
    "allowed: {out: anyone}, lifetime: 15 s",
    "allowed: {out: anyone}, lifetime: {longest: 15 s}",
    "allowed: {out: anyone}, tls: strong",
    "allowed: {out: anyone}, tls: {min_version: tls1.4}",
    "allowed: {out: anyone}, tls: {min_rsa_bits: 64}",
    "allowed: {out: anyone}, tls: {version: 1.3}",
    "allowed: {out: anyone}, tls: {pins: abc}",
    "allowed: {out: anyone}, when: fbos",
    "allowed: {out: anyone}, when: {mode: []}",
    "allowed: {out: anyone}, reviewed: April",
    "allowed: {out: anyone}, replace: maybe",
];

#[test]
fn what_is_broken_in_structure_is_refused_by_both() {
    let schema = schema();
    let plain = with_claim("allowed: {out: anyone}");
    let of_file = [
        plain.replace("version: 1", "version: 2"),
        plain.replace("version: 1\n", ""),
        plain.replace("profile: test", "profile: Test"),
        plain.replace("profile: test\n", ""),
        plain.replace("title: Test\n", ""),
        plain.replace("title: Test", "title: Test\nbasline: [arp]"),
        plain.replace("title: Test", "title: Test\nbaseline: [arp, smtp]"),
        plain.replace("title: Test", "title: Test\nbaseline: []"),
        plain.replace("title: Test", "title: Test\ndocument: Manual"),
        plain.replace("title: Test", "title: Test\ndocument: {url: 'https://a.example'}"),
        plain.replace("title: Test", "title: Test\nidentify: {ouis: '0c:2a'}"),
        plain.replace("title: Test", "title: Test\nidentify: {names: anyone}"),
        plain.replace("title: Test", "title: Test\nlists: {x: {region: us-east-1}}"),
        plain.replace("title: Test", "title: Test\nlists: {X_1: {file: x.txt}}"),
        plain.replace("title: Test", "title: Test\nextends: [farmbot]"),
        plain.replace("title: Test", "title: Test\nnot_checkable: [{id: N-1, title: t}]"),
        plain.replace("title: Test", "title: Test\ncontradictions: [{claims: T-1}]"),
        plain.replace("title: Test", "title: []"),
        plain.replace("options: [fast, slow]", "default: fast"),
        plain.replace("options: [fast, slow]", "options: [Fast]"),
        plain.replace("kind: flag", "kind: boolean"),
        plain.replace("kind: flag, ", ""),
        plain.replace("kind: flag, help: whether", "kind: flag"),
        plain.replace("  both: [", "  Both: ["),
        plain.replace("tcp: 8883, service: tls/mqtt", ""),
        plain.replace("tcp: 8883, service", "tcp: 8883, protocol"),
        plain.replace("{help: who}", "{}"),
        plain.replace("  strong: {min_version: 1.3}", "  strong: {minimum: 1.3}"),
        plain.replace("id: T-1", "id: T 1"),
        plain.replace("id: T-1, ", ""),
        plain.replace("title: t, ", ""),
        plain.replace("claims:", "claim:"),
        "- version: 1".to_owned(),
    ];
    let of_claims = BROKEN_CLAIMS.iter().map(|claim| with_claim(claim));
    for text in of_claims.chain(of_file) {
        assert_ne!(text, plain, "nothing was broken");
        assert!(load::from_str(&text, "test").is_err(), "the reader takes\n{text}");
        assert_ne!(problems(&schema, &text), Vec::<String>::new(), "the schema takes\n{text}");
    }
}

#[test]
fn every_key_and_form_tells_editors_what_it_is() {
    let schema = schema();
    let mut seen = 0;
    let mut left = vec![&schema];
    while let Some(value) = left.pop() {
        for (name, key) in value["properties"].as_object().into_iter().flatten() {
            let text = key["description"].as_str().unwrap_or_default();
            assert!(text.len() > 8 && text.ends_with('.'), "{name}: {text}");
            assert_eq!(value["additionalProperties"], false, "beside {name}");
            seen += 1;
        }
        left.extend(
            value.as_object().into_iter().flat_map(|map| map.values()).filter(|value| value.is_object()),
        );
    }
    assert!(seen > 100, "{seen}");
    for (name, form) in schema["$defs"].as_object().unwrap() {
        // Examples are values that the form itself takes.
        for example in form["examples"].as_array().into_iter().flatten() {
            assert_eq!(json_schema::problems(&schema, form, example, name), Vec::<String>::new());
        }
    }
}
