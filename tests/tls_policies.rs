//! TLS policies through the real program: each preset on recorded connections, a policy of one's own, that of a single
//! claim, and what is judged beside version and suite, on a handshake made by hand.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

mod support;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use support::wire::{Host, Pcap};
use support::{Answer, root, run};

/// Code, severity, observed, normative and reference of each row that a policy decided, sorted.
fn decided(answer: &Answer, policy: &str) -> Vec<String> {
    let mut rows: Vec<String> = answer
        .rows()
        .iter()
        .filter(|row| !row["policy"].is_null())
        .map(|row| {
            assert_eq!(row["policy"], policy, "{row}");
            ["code", "severity", "observed", "normative", "reference"]
                .map(|name| row[name].as_str().unwrap_or_default())
                .join(" | ")
        })
        .collect();
    rows.sort();
    rows.dedup();
    rows
}

fn check(capture: &Path, more: &[&str]) -> Answer {
    let capture = capture.display().to_string();
    let mut args = vec!["check", &capture, "--format", "ndjson"];
    args.extend(more);
    run(&args).into()
}

/// Negotiated in a recorded case, without what is only offered.
fn negotiated(case: &str, arguments: &[&str], policy: &str) -> Vec<String> {
    let capture = support::capture(&root().join("fixtures/cases").join(case));
    let answer = check(&capture, &[arguments, &["--tls-policy", policy]].concat());
    let mut rows = decided(&answer, policy);
    rows.retain(|row| !row.contains("| offers "));
    rows
}

/// The device of `imp-bad` speaks TLS 1.2 with static RSA and AES-CBC once, once with X25519 and AES-GCM, and all
/// certificates have RSA keys of 2048 bits signed with SHA-256; what its claims declare conforms.
#[test]
fn each_preset_judges_the_same_connections_itself() {
    const STATIC_RSA: &str = "TLS_RSA_WITH_AES_128_CBC_SHA";
    let weak = |severity: &str, normative: &str, reference: &str| {
        format!("weak-cipher | {severity} | {STATIC_RSA} | {normative} | {reference}")
    };
    let x25519 = |normative: &str, reference: &str| {
        format!("weak-group | warning | x25519 | {normative} | {reference}")
    };
    let rsa2048 = |normative: &str, reference: &str| {
        format!("weak-certificate-key | warning | rsa2048 | {normative} | {reference}")
    };
    let no_fs = ", no forward secrecy or a known weakness";
    let modern = "not in Mozilla 6.0 modern";
    let expected: Vec<(&str, Vec<String>)> = vec![
        ("bcp195", vec![weak("error", "MUST NOT", "RFC 10015, RFC 7366, RFC 9325")]),
        (
            "mozilla-modern",
            vec![
                rsa2048("-", "Mozilla 6.0 modern (ECDSA certificates only)"),
                format!("weak-certificate-signature | warning | sha256WithRSAEncryption | - | {modern}"),
                weak("error", "-", &format!("{modern}{no_fs}")),
                format!("weak-cipher | warning | TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 | - | {modern}"),
                format!("weak-tls-version | warning | tls1.2 | - | {modern}"),
            ],
        ),
        (
            "mozilla-intermediate",
            vec![weak("error", "-", &format!("not in Mozilla 6.0 intermediate{no_fs}"))],
        ),
        ("mozilla-old", vec![]),
        (
            "nist-800-52r2",
            vec![
                weak(
                    "warning",
                    "SHOULD NOT",
                    "SP 800-52r2 appendix D (RSA key transport, for transition only)",
                ),
                x25519("MUST NOT", "SP 800-52r2 section 3.4 (supported groups, not approved by NIST)"),
            ],
        ),
        (
            "bsi-tr-02102-2",
            vec![
                rsa2048("SHOULD NOT", "TR-02102-2 section 3.6.1 (3000 bits)"),
                weak("error", "SHOULD NOT", &format!("TR-02102-2 (not recommended){no_fs}")),
                x25519("SHOULD NOT", "TR-02102-2 (not recommended)"),
            ],
        ),
        (
            "anssi",
            vec![
                rsa2048("SHOULD NOT", "ANSSI PG-083 v3.00 (3072 bits from 2031)"),
                weak("error", "MUST NOT", &format!("ANSSI guide v1.2 R6 R9{no_fs}")),
            ],
        ),
        (
            "pci-dss-4",
            vec![weak("warning", "SHOULD NOT", "PCI DSS 4.0 requirement 4.2.1 with RFC 9325 section 4.1")],
        ),
        (
            "iot-constrained",
            vec![weak("error", "SHOULD NOT", "RFC 9325 section 4.1 (key exchange without forward secrecy)")],
        ),
    ];
    let arguments = ["-p", "electric-imp", "--device", "electric-imp=02:1a:69:00:00:07"];
    for (policy, mut rows) in expected {
        rows.sort();
        let mut found = negotiated("imp-bad", &arguments, policy);
        // Whether encrypt_then_mac was agreed on is the next test's.
        found.retain(|row| !row.starts_with("weak-tls-feature") && !row.starts_with("certificate-too"));
        assert_eq!(found, rows, "{policy}");
    }
}

#[test]
fn a_clean_device_is_clean_by_the_policies_that_its_servers_follow() {
    for policy in ["bcp195", "mozilla-intermediate", "mozilla-old", "pci-dss-4", "iot-constrained"] {
        assert_eq!(negotiated("farmbot-clean", &["-p", "farmbot"], policy), [""; 0], "{policy}");
    }
}

const DEVICE: Host = Host { mac: [0x02, 0xfa, 0xb0, 0, 0x66, 0x01], ip: Ipv4Addr::new(192, 0, 2, 100) };
const SERVER: Host = Host { mac: [0x02, 0, 0x5e, 0, 0, 1], ip: Ipv4Addr::new(203, 0, 113, 53) };

fn with_length(bytes: usize, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&length[4 - bytes..], body].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], with_length(2, body).as_slice()].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    record(22, &[&[kind], with_length(3, body).as_slice()].concat())
}

/// What the two sides of a handshake say (RFC 5246 section 7.4).
struct Handshake<'a> {
    /// The second byte of the version: 3 is TLS 1.2.
    version: u8,
    /// The one that is chosen, and what the client offers beside it.
    suite: u16,
    beside: &'a [u8],
    /// Compression methods of the client, and that of the server.
    compression: (&'a [u8], u8),
    /// Extensions of each side, with type and content.
    client: &'a [(u16, &'a [u8])],
    server: &'a [(u16, &'a [u8])],
}

const EXTENDED_MASTER_SECRET: u16 = 23;
const ENCRYPT_THEN_MAC: u16 = 22;
const TRUNCATED_HMAC: u16 = 4;
const HEARTBEAT: u16 = 15;
const RENEGOTIATION_INFO: u16 = 0xff01;
/// `TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256`.
const CBC: u16 = 0xc027;
/// `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
const GCM: u16 = 0xc02f;

fn extensions(list: &[(u16, &[u8])]) -> Vec<u8> {
    let one = |(kind, body): &(u16, &[u8])| [&kind.to_be_bytes(), with_length(2, body).as_slice()].concat();
    with_length(2, &list.iter().flat_map(one).collect::<Vec<u8>>())
}

/// A full handshake of TLS 1.2 or below, up to the first data of both sides.
fn handshake(shape: &Handshake<'_>, from: Host, to: Host) -> Vec<u8> {
    let suite = shape.suite.to_be_bytes();
    let hello = |random: u8| [[3, shape.version].as_slice(), &[random; 32], &[0]].concat();
    let client = [
        hello(7),
        with_length(2, &[&suite, shape.beside].concat()),
        with_length(1, shape.compression.0),
        extensions(shape.client),
    ];
    let server = [hello(9), suite.to_vec(), vec![shape.compression.1], extensions(shape.server)];
    let finished = || [record(20, &[1]), record(22, &[0x55; 40])].concat();
    let mut pcap = Pcap::new();
    pcap.talk(
        (from, 40_001),
        (to, 443),
        &[
            (true, message(1, &client.concat())),
            (false, [message(2, &server.concat()), message(14, b"")].concat()),
            (true, [message(16, &[0x20; 33]), finished()].concat()),
            (false, finished()),
            (true, record(23, &[0x66; 64])),
            (false, record(23, &[0x77; 64])),
        ],
    );
    pcap.into_bytes()
}

const PROFILE: &str = "version: 1
profile: pump
title: A pump
identify: {ports: [443]}
baseline: [arp, dns]
tls_policy: POLICY
claims:
  - {id: P-1, title: It reports to its server, allowed: {out: 203.0.113.53, tcp: 443}, tls: {TLS}}
";

/// What is found where a pump with this policy, and this in its claim about TLS, has this handshake.
fn pump(shape: &Handshake<'_>, policy: &str, tls: &str) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("pump.pcap");
    fs::write(&capture, handshake(shape, DEVICE, SERVER)).unwrap();
    let profile = folder.path().join("pump.yaml");
    fs::write(&profile, PROFILE.replace("POLICY", policy).replace("{TLS}", tls)).unwrap();
    fs::write(folder.path().join("house.yaml"), HOUSE).unwrap();
    check(&capture, &["-p", profile.to_str().unwrap()])
}

const HOUSE: &str = "version: 1
policy: house
title: Our own
dated: 2021
extends: bcp195
suites:
  - {names: [ECDHE-RSA-AES128-GCM-SHA256], tier: weak, normative: MUST NOT, reference: house rule 3}
";

const GOOD: Handshake<'_> = Handshake {
    version: 3,
    suite: GCM,
    beside: &[],
    compression: (&[0], 0),
    client: &[(RENEGOTIATION_INFO, &[0]), (EXTENDED_MASTER_SECRET, &[])],
    server: &[(RENEGOTIATION_INFO, &[0]), (EXTENDED_MASTER_SECRET, &[])],
};

const ANY_TLS: &str = "{min_version: tls1.2}";

#[test]
fn a_good_handshake_has_no_row() {
    let answer = pump(&GOOD, "bcp195", ANY_TLS);
    assert_eq!(decided(&answer, "bcp195"), [""; 0], "{}", answer.err);
    assert_eq!(answer.codes(), [""; 0], "{}", answer.out);
}

#[test]
fn features_are_judged_where_the_policy_says_something_of_them() {
    let poor = Handshake {
        version: 3,
        suite: CBC,
        beside: &[],
        compression: (&[1, 0], 0),
        client: &[(HEARTBEAT, &[1]), (TRUNCATED_HMAC, &[])],
        server: &[(HEARTBEAT, &[1]), (TRUNCATED_HMAC, &[])],
    };
    let declared = "{suites: ECDHE-RSA-AES128-SHA256}";
    let bcp195 = [
        "insecure-renegotiation | warning | not supported | MUST NOT | RFC 5746",
        // Offered is one milder than negotiated.
        "tls-compression | warning | offers 1 | SHOULD NOT | RFC 9325 section 3.3",
        "weak-tls-feature | error | truncated_hmac | MUST NOT | RFC 9325 section 4.6",
        "weak-tls-feature | warning | no extended_master_secret | MUST NOT | RFC 9325 section 3.5",
    ];
    assert_eq!(decided(&pump(&poor, "bcp195", declared), "bcp195"), bcp195);
    // The BSI says more, Mozilla nothing; the declared suite is a row by none of them.
    let bsi = decided(&pump(&poor, "bsi-tr-02102-2", declared), "bsi-tr-02102-2");
    for more in ["heartbeat", "no encrypt_then_mac"] {
        let row = format!("weak-tls-feature | warning | {more} | SHOULD NOT | TR-02102-2 section 3.3.4");
        assert!(bsi.contains(&row), "{bsi:?}");
    }
    assert_eq!(bsi.len(), bcp195.len() + 2, "{bsi:?}");
    assert_eq!(decided(&pump(&poor, "mozilla-intermediate", declared), "mozilla-intermediate"), [""; 0]);

    let compressed = Handshake { compression: (&[1, 0], 1), ..GOOD };
    assert_eq!(
        decided(&pump(&compressed, "bcp195", ANY_TLS), "bcp195"),
        ["tls-compression | error | 1 | SHOULD NOT | RFC 9325 section 3.3"]
    );
    let with_etm = Handshake {
        suite: CBC,
        client: &[(RENEGOTIATION_INFO, &[0]), (EXTENDED_MASTER_SECRET, &[]), (ENCRYPT_THEN_MAC, &[])],
        server: &[(RENEGOTIATION_INFO, &[0]), (EXTENDED_MASTER_SECRET, &[]), (ENCRYPT_THEN_MAC, &[])],
        ..GOOD
    };
    assert_eq!(decided(&pump(&with_etm, "bsi-tr-02102-2", declared), "bsi-tr-02102-2"), [""; 0]);
}

/// A declared suite that the policy discourages: no row for each connection, one lint against the declaration.
#[test]
fn a_declared_suite_is_a_matter_of_the_profile() {
    let cbc = Handshake { suite: CBC, ..GOOD };
    let undeclared = decided(&pump(&cbc, "bcp195", ANY_TLS), "bcp195");
    let row = "weak-cipher | warning | TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 | ";
    assert!(undeclared.len() == 1 && undeclared[0].starts_with(row), "{undeclared:?}");
    let declared = "{suites: ECDHE-RSA-AES128-SHA256}";
    assert_eq!(pump(&cbc, "bcp195", declared).codes(), [""; 0]);

    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("pump.yaml");
    fs::write(&profile, PROFILE.replace("POLICY", "bcp195").replace("{TLS}", declared)).unwrap();
    let lint: Answer = run(&["profile", "lint", profile.to_str().unwrap()]).into();
    let said = format!("{}{}", lint.out, lint.err);
    let lints: Vec<&str> = said.lines().filter(|line| line.contains("weak-tls-declared")).collect();
    assert!(lints.len() == 1 && lints[0].contains("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"), "{said}");
    // The same in a recording: electric-imp declares this suite, and its devices use it.
    let capture = support::capture(&root().join("fixtures/cases/imp-clean"));
    assert_eq!(decided(&check(&capture, &["-p", "electric-imp"]), "bcp195"), [""; 0]);
}

/// The same with versions: TLS 1.0 where TLS 1.0 and all above it is declared.
#[test]
fn a_declared_version_is_a_matter_of_the_profile() {
    // Whether the extensions are right is not this test's matter.
    let found = |shape: &Handshake<'_>, tls: &str| {
        let mut rows = decided(&pump(shape, "bcp195", tls), "bcp195");
        rows.retain(|row| row.starts_with("weak-tls-version"));
        rows
    };
    let old = Handshake { version: 1, ..GOOD };
    let row = |observed: &str, severity: &str| {
        vec![format!("weak-tls-version | {severity} | {observed} | MUST NOT | RFC 8996")]
    };
    assert_eq!(found(&old, "{min_rsa_bits: 2048}"), row("tls1.0", "error"));
    assert_eq!(found(&old, "{min_version: tls1.1}"), row("tls1.0", "error"));
    for declared in
        ["{min_version: tls1.0}", "{max_version: tls1.0}", "{min_version: tls1.0, max_version: tls1.1}"]
    {
        assert_eq!(found(&old, declared), [""; 0], "{declared}");
    }
    // An upper bound declares nothing of what is below it.
    assert_eq!(found(&old, "{max_version: tls1.1}"), row("tls1.0", "error"));
    // What is declared may be offered as well; what is below it may not.
    let ssl = Handshake { version: 0, ..GOOD };
    assert_eq!(
        found(&ssl, "{min_version: tls1.0}"),
        ["weak-tls-version | error | ssl3.0 | MUST NOT | RFC 7568"]
    );
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("pump.yaml");
    fs::write(&profile, PROFILE.replace("POLICY", "bcp195").replace("{TLS}", "{min_version: tls1.0}"))
        .unwrap();
    let lint: Answer = run(&["profile", "lint", profile.to_str().unwrap()]).into();
    let told: Vec<&str> = lint.out.lines().filter(|line| line.contains("weak-tls-declared")).collect();
    assert!(
        told.len() == 1 && told[0].contains("error") && told[0].contains("versions from tls1.0"),
        "{}{}",
        lint.out,
        lint.err
    );
}

#[test]
fn a_claim_s_own_policy_decides_about_its_connections() {
    let cbc = Handshake { suite: CBC, ..GOOD };
    let by_profile = pump(&cbc, "bcp195", ANY_TLS);
    assert_eq!(decided(&by_profile, "bcp195").len(), 1);
    let by_claim = pump(&cbc, "bcp195", "{policy: mozilla-old}");
    assert_eq!(decided(&by_claim, "mozilla-old"), [""; 0], "{}", by_claim.out);
    let stricter = pump(&GOOD, "bcp195", "{policy: mozilla-modern}");
    let rows = decided(&stricter, "mozilla-modern");
    assert!(rows.iter().any(|row| row.starts_with("weak-tls-version | warning | tls1.2")), "{rows:?}");
}

/// Static RSA beside a good suite, by the device as client or by a client of the device.
#[test]
fn what_is_only_offered_is_milder_and_by_a_peer_information() {
    let beside = Handshake { beside: &[0x00, 0x2f], ..GOOD };
    let row = |severity: &str| {
        let suite = "offers TLS_RSA_WITH_AES_128_CBC_SHA | MUST NOT | RFC 10015, RFC 7366, RFC 9325";
        [format!("weak-cipher | {severity} | {suite}")]
    };
    assert_eq!(decided(&pump(&beside, "bcp195", ANY_TLS), "bcp195"), row("warning"));

    let folder = tempfile::tempdir().unwrap();
    let (capture, profile) = (folder.path().join("in.pcap"), folder.path().join("pump.yaml"));
    fs::write(&capture, handshake(&beside, SERVER, DEVICE)).unwrap();
    let text = PROFILE.replace("POLICY", "bcp195").replace("{TLS}", ANY_TLS).replace("out: 203", "in: 203");
    fs::write(&profile, text).unwrap();
    let answer = check(&capture, &["-p", profile.to_str().unwrap(), "--device", "192.0.2.100"]);
    assert_eq!(decided(&answer, "bcp195"), row("info"), "{}{}", answer.out, answer.err);
}

#[test]
fn a_version_above_the_declared_ones_is_drift() {
    let answer = pump(&GOOD, "mozilla-old", "{max_version: tls1.1}");
    let rows = answer.rows();
    let row = rows.iter().find(|row| row["code"] == "undeclared-tls-version").expect(&answer.out);
    let cells =
        ["status", "severity", "claim", "expected", "observed"].map(|name| row[name].as_str().unwrap());
    assert_eq!(cells, ["drift", "info", "P-1", "tls<=1.1", "tls1.2"]);
    // No policy decided this.
    assert!(row["policy"].is_null() && row["normative"].is_null(), "{row}");
    let within = pump(&GOOD, "mozilla-old", "{max_version: tls1.2}");
    assert_eq!(within.codes(), [""; 0]);
}

#[test]
fn a_policy_of_ones_own_stands_beside_the_profile() {
    let row = ["weak-cipher | error | TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 | MUST NOT | house rule 3"];
    for (policy, tls) in [("./house.yaml", ANY_TLS), ("bcp195", "{policy: house.yaml}")] {
        let answer = pump(&GOOD, policy, tls);
        assert_eq!(decided(&answer, "house"), row, "{}", answer.err);
        // Packets of November 2023, a policy of 2021.
        let note =
            "the TLS policy `house` is of 2021 and the last packet of 2023-11-14: newer advice may exist";
        assert_eq!(answer.err.matches(note).count(), 1, "{}", answer.err);
    }
    let answer = pump(&GOOD, "bcp195", ANY_TLS);
    assert!(!answer.err.contains("newer advice"), "{}", answer.err);
    // The command line decides about all.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("house.yaml");
    fs::write(&path, HOUSE).unwrap();
    let capture = support::capture(&root().join("fixtures/cases/farmbot-clean"));
    let answer = check(&capture, &["-p", "farmbot", "--tls-policy", path.to_str().unwrap()]);
    assert!(!answer.rows().iter().any(|row| row["policy"] == "bcp195"), "{}", answer.out);
}

#[test]
fn what_is_wrong_with_a_policy_stops_the_run() {
    let capture = support::capture(&root().join("fixtures/cases/farmbot-clean"));
    let answer = check(&capture, &["-p", "farmbot", "--tls-policy", "mozilla-moderm"]);
    assert_eq!(answer.status, 2);
    assert!(answer.err.contains("did you mean `mozilla-modern`?"), "{}", answer.err);

    let missing = pump(&GOOD, "./none.yaml", ANY_TLS);
    assert_eq!(missing.status, 2);
    assert!(
        missing.err.contains("pump.yaml:6:13: tls_policy: failed to read the TLS policy"),
        "{}",
        missing.err
    );
    assert!(missing.err.contains("none.yaml"), "{}", missing.err);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("house.yaml");
    fs::write(&path, HOUSE.replace("tier: weak", "tier: wek")).unwrap();
    let answer = check(&capture, &["-p", "farmbot", "--tls-policy", path.to_str().unwrap()]);
    assert_eq!(answer.status, 2);
    for part in ["house.yaml:7:50: suites.1.tier: unknown value `wek`", "did you mean `weak`?"] {
        assert!(answer.err.contains(part), "{}", answer.err);
    }
}

#[test]
fn explain_shows_what_each_policy_says() {
    let page = |what: &str| -> Answer { run(&["explain", what]).into() };
    let suite = page("AES128-SHA");
    assert_eq!(suite.status, 0);
    assert!(
        suite.out.starts_with("# TLS_RSA_WITH_AES_128_CBC_SHA\n\n0x002F, cipher suite of TLS."),
        "{}",
        suite.out
    );
    assert!(suite.out.contains("| nist-800-52r2        | discouraged | SHOULD NOT |"), "{}", suite.out);
    assert_eq!(page("0x002f").out, suite.out);
    assert!(page("tls1.0").out.contains("RFC 8996"));
    let unknown = page("TLS_RSA_WITH_AES_128_CBC_SHAA");
    assert_eq!(unknown.status, 2);
    assert!(unknown.err.contains("did you mean `TLS_RSA_WITH_AES_128_CBC_SHA`?"), "{}", unknown.err);
    // Codes have their pages as before.
    assert!(page("weak-cipher").out.starts_with("# weak-cipher\n"));
    assert!(page("weak-ciphr").err.contains("did you mean `weak-cipher`?"));
}
