use super::preset::named;
use super::*;

fn policy(name: &str) -> &'static TlsPolicy {
    TlsPolicy::named(name).unwrap_or_else(|| panic!("{name} ships"))
}

fn tier_of(name: &str, suite: &str) -> Tier {
    policy(name).suite(suite_by_name(suite).unwrap().code).unwrap().tier
}

fn codes(name: &str, tier: Tier) -> Vec<u16> {
    suites()
        .iter()
        .map(|entry| entry.code)
        .filter(|code| policy(name).suite(*code).unwrap().tier == tier)
        .collect()
}

#[test]
fn every_preset_parses_has_its_name_its_source_and_a_date() {
    assert_eq!(NAMES.first(), Some(&DEFAULT));
    for name in NAMES {
        let parsed = named(name).unwrap().parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(parsed.name, *name);
        assert!(!parsed.source.is_empty() && !parsed.title.is_empty(), "{name}");
        assert_eq!(PolicyRef::open(name).unwrap().dated(), parsed.dated, "{name}");
    }
    assert_eq!(TlsPolicy::named("default").unwrap().name, DEFAULT);
}

#[test]
fn every_preset_judges_every_suite_version_and_group_itself() {
    for name in NAMES {
        for (registry, say) in [
            (suite_names(), TlsPolicy::suite as fn(&TlsPolicy, u16) -> Option<&Judgement>),
            (group_names(), TlsPolicy::group),
            (version_names(), TlsPolicy::version),
        ] {
            for entry in registry.entries() {
                let found = say(policy(name), entry.code);
                assert!(found.is_some_and(|found| !found.reference.is_empty()), "{name}: {}", entry.name);
            }
        }
        assert_eq!(policy(name).suite(0x0a0a), None);
    }
}

/// The table in docs/tls.md: suites ok, discouraged, weak, broken.
const COUNTS: &[(&str, [usize; 4])] = &[
    ("bcp195", [16, 145, 160, 97]),
    // Three of TLS 1.3.
    ("mozilla-modern", [3, 164, 154, 97]),
    // Six of TLS 1.2 and three of TLS 1.3.
    ("mozilla-intermediate", [9, 158, 154, 97]),
    // 26 of TLS 1.2 and below, and three of TLS 1.3.
    ("mozilla-old", [29, 145, 147, 97]),
    // ECDSA 10, RSA 16, DSA 6, DH 12, ECDH 12, TLS 1.3 4; ten of appendix D and the pre-shared keys in doubt.
    ("nist-800-52r2", [60, 147, 114, 97]),
    // With forward secrecy 20, without 16, with pre-shared keys 15, TLS 1.3 3.
    ("bsi-tr-02102-2", [54, 137, 130, 97]),
    // ECDHE_ECDSA 5, ECDHE_RSA 3, TLS 1.3 4.
    ("anssi", [12, 136, 173, 97]),
    // The 16 of BCP 195, CBC with ECDHE 8, DHE_RSA 9; Skipjack alone is below 112 bits and not broken.
    ("pci-dss-4", [33, 287, 1, 97]),
    // The 16 of BCP 195 and three with short tags.
    ("iot-constrained", [19, 148, 154, 97]),
];

#[test]
fn as_many_suites_are_ok_as_the_sources_list() {
    assert_eq!(COUNTS.len(), NAMES.len());
    let mut wrong = Vec::new();
    for (name, counts) in COUNTS {
        let found =
            [Tier::Ok, Tier::Discouraged, Tier::Weak, Tier::Broken].map(|tier| codes(name, tier).len());
        assert_eq!(found.iter().sum::<usize>(), suites().len(), "{name}");
        if found != *counts {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_documentation_has_the_same_counts() {
    let text = include_str!("../../docs/tls.md");
    for (name, [ok, discouraged, weak, broken]) in COUNTS {
        let row = format!("| `{name}` | {ok} | {discouraged} | {weak} | {broken} |");
        assert!(text.contains(&row), "docs/tls.md lacks: {row}");
    }
}

#[test]
fn ok_is_an_allow_list_by_code_point() {
    // TLS 1.3 AEAD, and ECDHE with AES-GCM, AES-CCM or ChaCha20-Poly1305 and full tags.
    let expected = [
        0x1301, 0x1302, 0x1303, 0x1304, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xc0ac, 0xc0ad, 0xcca8, 0xcca9,
        0xccac, 0xd001, 0xd002, 0xd005,
    ];
    assert_eq!(codes("bcp195", Tier::Ok), expected);
    let intermediate = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9];
    assert_eq!(codes("mozilla-intermediate", Tier::Ok), intermediate);
    assert_eq!(codes("mozilla-modern", Tier::Ok), [0x1301, 0x1302, 0x1303]);
    let mut iot = expected.to_vec();
    // PSK and ECDHE_ECDSA with CCM_8, and TLS 1.3 with it.
    iot.extend([0xc0a8, 0xc0ae, 0x1305]);
    iot.sort_unstable();
    assert_eq!(codes("iot-constrained", Tier::Ok), iot);
    // What looks fine by the parts of its name and is on nobody's list.
    for odd in ["TLS_CECPQ1_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256"] {
        for name in NAMES {
            assert!(tier_of(name, odd) > Tier::Ok, "{name}: {odd}");
        }
    }
}

#[test]
fn what_is_broken_is_broken_for_everybody() {
    for name in NAMES {
        assert_eq!(codes(name, Tier::Broken), codes("bcp195", Tier::Broken), "{name}");
    }
}

#[test]
fn presets_contradict_each_other() {
    // RFC 10015 forbids DHE and static ECDH; NIST and the BSI list them, Mozilla's old one did, too.
    let dhe = "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256";
    let code = suite_by_name(dhe).unwrap().code;
    assert_eq!(policy("bcp195").suite(code).unwrap().normative, Normative::MustNot);
    for name in ["nist-800-52r2", "bsi-tr-02102-2", "mozilla-old", "pci-dss-4"] {
        assert_eq!(tier_of(name, dhe), Tier::Ok, "{name}");
    }
    for (suite, preset, tier) in [
        ("TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256", "bcp195", Tier::Weak),
        ("TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256", "nist-800-52r2", Tier::Ok),
        ("TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256", "bsi-tr-02102-2", Tier::Ok),
        // And the reverse: what BCP 195 calls ok is on neither list.
        ("TLS_CHACHA20_POLY1305_SHA256", "bcp195", Tier::Ok),
        ("TLS_CHACHA20_POLY1305_SHA256", "nist-800-52r2", Tier::Discouraged),
        ("TLS_CHACHA20_POLY1305_SHA256", "bsi-tr-02102-2", Tier::Discouraged),
        // Static RSA: weak, for transition only, or what old clients need.
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "bcp195", Tier::Weak),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "nist-800-52r2", Tier::Discouraged),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "bsi-tr-02102-2", Tier::Weak),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "mozilla-old", Tier::Ok),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "pci-dss-4", Tier::Discouraged),
        // Three keys have 112 bits, which is strong cryptography for the PCI council and for nobody else.
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", "bcp195", Tier::Weak),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", "nist-800-52r2", Tier::Weak),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", "pci-dss-4", Tier::Discouraged),
        // CBC with SHA-2, declared by a real device.
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "bcp195", Tier::Discouraged),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "nist-800-52r2", Tier::Ok),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "anssi", Tier::Discouraged),
        ("TLS_PSK_WITH_AES_128_CCM_8", "bcp195", Tier::Discouraged),
        ("TLS_PSK_WITH_AES_128_CCM_8", "iot-constrained", Tier::Ok),
    ] {
        assert_eq!(tier_of(preset, suite), tier, "{preset}: {suite}");
    }
}

/// Every preset about every suite: the two axes do not contradict each other, and what is said to be forbidden or
/// discouraged says by whom.
#[test]
fn tier_and_normative_statement_fit_each_other() {
    let mut wrong = Vec::new();
    for name in NAMES {
        // Mozilla and the BSI recommend; they forbid nothing.
        let strongest = match *name {
            "bsi-tr-02102-2" => Normative::ShouldNot,
            _ if name.starts_with("mozilla") => Normative::None,
            _ => Normative::MustNot,
        };
        for suite in suites() {
            let found = policy(name).suite(suite.code).unwrap();
            let fits = match found.tier {
                Tier::Ok => found.normative <= Normative::NotRecommended,
                Tier::Broken if strongest > Normative::None => found.normative >= Normative::Discouraged,
                Tier::Discouraged | Tier::Weak | Tier::Broken => true,
            };
            // In the table reasons are beside citations.
            let cited = *name != DEFAULT || found.reference.contains("RFC ");
            if !fits || found.normative > strongest || (found.normative >= Normative::Discouraged && !cited) {
                wrong.push(format!(
                    "{name}: {} is {}, {}: {}",
                    suite.name, found.tier, found.normative, found.reference
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A section is cited for the suites that it speaks of, and for no others.
#[test]
fn sections_are_cited_for_what_they_say() {
    let gcm = [0xc02b, 0xc02c, 0xc02f, 0xc030];
    for name in NAMES {
        for suite in suites() {
            let reference = &policy(name).suite(suite.code).unwrap().reference;
            let cites =
                |what: &str| reference.contains(what) && !reference.contains(&format!("not in {what}"));
            let has = |parts: &[&str]| parts.iter().any(|part| suite.has_part(part));
            // No encryption, RC4, below 112 bits, below 128 bits, static keys.
            let general =
                has(&["NULL", "RC4", "EXPORT", "EXPORT1024", "RC2", "DES", "DES40", "FORTEZZA", "3DES"])
                    || has(&["TLS_RSA", "TLS_DH", "TLS_ECDH", "RSA_PSK"]);
            assert!(!cites("RFC 9325 section 4.1") || general, "{name}: {}", suite.name);
            assert!(!cites("RFC 9325 section 4.2") || gcm.contains(&suite.code), "{name}: {}", suite.name);
            let named = [0xc0a8, 0xc0ae].contains(&suite.code) || reference.contains("not named by RFC 7925");
            assert!(*name == DEFAULT || !cites("RFC 7925") || named, "{name}: {}", suite.name);
        }
        // RFC 9150 says what these are, whoever judges them.
        for code in [0xc0b4, 0xc0b5] {
            let judgement = policy(name).suite(code).unwrap();
            assert!(judgement.tier == Tier::Broken && judgement.reference.contains("RFC 9150"), "{name}");
        }
    }
}

#[test]
fn iana_discouraged_is_no_list_of_what_is_weak() {
    for code in [0xc012, 0xc008] {
        let judgement = policy("bcp195").suite(code).unwrap();
        assert_eq!(judgement.tier, Tier::Weak);
        assert_ne!(judgement.normative, Normative::Discouraged);
    }
}

/// The rules of the scheme, each by what a suite's name says of its parts; the table must not be milder.
#[test]
fn no_suite_is_milder_than_its_worst_part() {
    for suite in suites() {
        let name = suite.name.trim_start_matches("TLS_").trim_start_matches("SSL_");
        let has = |part: &str| name.split('_').any(|word| word == part);
        let begins = |kex: &[&str]| kex.iter().any(|kex| name.starts_with(kex));
        let broken = ["NULL", "EXPORT", "EXPORT1024", "RC4", "RC2", "DES", "DES40", "anon"]
            .iter()
            .any(|part| has(part));
        let integrity_only = name.starts_with("SHA");
        let weak = begins(&["RSA_", "DH_", "ECDH_"]) || has("3DES") || has("IDEA") || has("DSS");
        let discouraged = has("CBC") || has("DHE") || has("8") || begins(&["PSK_", "SRP_", "KRB5_", "GOST"]);
        let least = if broken || integrity_only {
            Tier::Broken
        } else if weak {
            Tier::Weak
        } else if discouraged {
            Tier::Discouraged
        } else {
            Tier::Ok
        };
        let judgement = policy("bcp195").suite(suite.code).unwrap();
        assert!(judgement.tier >= least, "{} is {} and must be at least {least}", suite.name, judgement.tier);
        // RFC 10015 appendices A, C and D.
        if begins(&["RSA_", "DH_", "DHE_"]) {
            assert_eq!(judgement.normative, Normative::MustNot, "{}", suite.name);
        }
    }
}

#[test]
fn versions_groups_keys_and_signatures_are_judged_as_the_scheme_says() {
    let policy = policy("bcp195");
    let version = |code| policy.version(code).map(|judgement| judgement.tier);
    assert_eq!(version(0x0300), Some(Tier::Broken));
    assert_eq!(version(0x0301), Some(Tier::Weak));
    assert_eq!(version(0x0303), Some(Tier::Ok));
    assert_eq!(version(0x7f12), None);
    assert_eq!(policy.version(0x0302).unwrap().reference, "RFC 8996");

    let group = |code| policy.group(code).map(|judgement| judgement.tier);
    assert_eq!(group(16), Some(Tier::Weak));
    assert_eq!(group(21), Some(Tier::Discouraged));
    assert_eq!(group(0x11ec), Some(Tier::Ok));
    assert_eq!(group(0x0a0a), None);

    let rsa = |bits| policy.rsa_bits(bits).unwrap().tier;
    assert_eq!([rsa(512), rsa(1024), rsa(2047), rsa(2048)], [Tier::Broken, Tier::Weak, Tier::Weak, Tier::Ok]);
    assert_eq!(policy.ec_bits(192).unwrap().tier, Tier::Weak);
    assert_eq!(policy.ec_bits(256).unwrap().tier, Tier::Ok);
    assert_eq!(policy.dh_bits(1024).unwrap().tier, Tier::Weak);
    assert_eq!(policy.dh_bits(2048).unwrap().tier, Tier::Discouraged);

    for (name, tier) in [
        ("md5WithRSAEncryption", Tier::Broken),
        ("sha1WithRSAEncryption", Tier::Weak),
        ("sha-1WithRSAEncryption", Tier::Weak),
        ("ecdsa-with-SHA1", Tier::Weak),
        ("dsa-with-sha256", Tier::Weak),
        ("sha224WithRSAEncryption", Tier::Discouraged),
        ("sha256WithRSAEncryption", Tier::Ok),
        ("ecdsa-with-SHA384", Tier::Ok),
        ("RSASSA-PSS", Tier::Ok),
        ("Ed25519", Tier::Ok),
    ] {
        assert_eq!(policy.signature(name).map(|judgement| judgement.tier), Some(tier), "{name}");
    }
    assert_eq!(policy.signature("1.2.3.4"), None);
}

#[test]
fn sizes_and_days_are_those_of_each_source() {
    assert_eq!(policy("bcp195").least_rsa_bits(), Some(2048));
    assert_eq!(policy("bcp195").least_ec_bits(), Some(224));
    assert_eq!(policy("bsi-tr-02102-2").least_rsa_bits(), Some(3000));
    assert_eq!(policy("bsi-tr-02102-2").rsa_bits(2048).unwrap().tier, Tier::Discouraged);
    assert_eq!(policy("anssi").least_rsa_bits(), Some(3072));
    assert_eq!(policy("mozilla-modern").least_rsa_bits(), None);
    assert_eq!(policy("mozilla-modern").least_version(), Some(0x0304));
    assert_eq!(policy("mozilla-old").least_version(), Some(0x0301));
    assert_eq!(policy("nist-800-52r2").least_version(), Some(0x0303));
    let days = |name| policy(name).most_certificate_days();
    assert_eq!([days("mozilla-modern"), days("mozilla-intermediate")], [Some(90), Some(366)]);
    // Three years, one of them a leap year.
    assert_eq!([days("nist-800-52r2"), days("bcp195")], [Some(1096), None]);
    // X25519 is ok but for those who list NIST's or their own curves alone.
    let x25519 = |name| policy(name).group(29).unwrap().tier;
    for name in NAMES {
        let listed = !["nist-800-52r2", "bsi-tr-02102-2"].contains(name);
        assert_eq!(x25519(name) == Tier::Ok, listed, "{name}");
    }
    assert_eq!(policy("bcp195").feature(Feature::Heartbeat), None);
    assert_eq!(policy("bsi-tr-02102-2").feature(Feature::Heartbeat).unwrap().tier, Tier::Discouraged);
}

#[test]
fn tiers_and_citations_are_ordered_from_harmless_to_bad() {
    assert!(Tier::Ok < Tier::Discouraged && Tier::Weak < Tier::Broken);
    assert!(Normative::None < Normative::NotRecommended && Normative::ShouldNot < Normative::MustNot);
    assert_eq!(
        (Tier::Broken.to_string(), Normative::MustNot.to_string()),
        ("broken".into(), "MUST NOT".into())
    );
}

const MINE: &str = "version: 1
policy: mine
title: As BCP 195, with the suite of the old pumps
dated: 2026-11
extends: bcp195
suites:
  - {names: [ECDHE-RSA-AES128-SHA256, 0xfe01], tier: ok, normative: \"-\", reference: risk register 17}
  - {with: [CHACHA20], tier: weak, normative: MUST NOT, reference: house rule}
rsa_bits:
  - {below: 4096, tier: weak, normative: MUST NOT, reference: house rule}
  - {tier: ok, normative: \"-\", reference: house rule}
features:
  - {names: [heartbeat], tier: weak, normative: MUST NOT, reference: house rule}
";

fn own(text: &str) -> Result<TlsPolicy, String> {
    read::parse(text, "mine.yaml", None)
}

#[test]
fn a_policy_of_ones_own_says_what_is_different() {
    let mine = own(MINE).unwrap();
    let suite = |code| mine.suite(code).map(|judgement| judgement.tier);
    assert_eq!(suite(0xc027), Some(Tier::Ok));
    assert_eq!(suite(0xfe01), Some(Tier::Ok));
    assert_eq!(suite(0x1303), Some(Tier::Weak));
    // The rest is that of the base.
    assert_eq!(suite(0x002f), Some(Tier::Weak));
    assert_eq!(mine.version(0x0301), policy("bcp195").version(0x0301));
    assert_eq!(mine.rsa_bits(2048).unwrap().reference, "house rule");
    assert_eq!(mine.feature(Feature::Heartbeat).unwrap().tier, Tier::Weak);
    assert_eq!(mine.feature(Feature::Compression), policy("bcp195").feature(Feature::Compression));
}

#[test]
fn what_is_wrong_with_a_policy_is_told_all_at_once() {
    let text = MINE
        .replace("extends: bcp195", "extends: bcp159")
        .replace("ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA265")
        .replace("[heartbeat]", "[hartbeat]")
        .replace("below: 4096", "below: many");
    let error = own(&text).unwrap_err();
    for part in [
        "failed to load the TLS policy `mine.yaml`: 4 problems",
        "mine.yaml:5:10: extends: unknown TLS policy `bcp159` (did you mean `bcp195`?)",
        "unknown cipher suite `ECDHE-RSA-AES128-SHA265` (did you mean `ECDHE-RSA-AES128-SHA256`?)",
        "unknown feature `hartbeat` (did you mean `heartbeat`?)",
        "expected a number, got `many`",
    ] {
        assert!(error.contains(part), "{part}:\n{error}");
    }
    for (from, to, part) in [
        ("{with: [CHACHA20], tier: weak", "{with: [CHACHA20], tier: ok", "what is `ok` is listed by `names`"),
        ("with: [CHACHA20]", "with: [CHACHA]", "no cipher suite has `CHACHA` in its name"),
        ("{below: 4096, ", "{", "expected lines with ascending `below`"),
        ("extends: bcp195\n", "", "missing key `groups`"),
    ] {
        let error = own(&MINE.replace(from, to)).unwrap_err();
        assert!(error.contains(part), "{part}:\n{error}");
    }
    // A policy that stands alone must say something of every suite.
    let shipped = include_str!("../../rules/tls/mozilla-modern.yaml");
    let (before, after) = shipped.split_once("\n\ngroups:").unwrap();
    let (before, _) = before.rsplit_once("  - tier: discouraged").unwrap();
    let error = own(&format!("{before}\ngroups:{after}")).unwrap_err();
    assert!(
        error.contains("nothing is said of") && error.contains("end with a line without `names`"),
        "{error}"
    );
}

#[test]
fn a_policy_that_is_cut_or_too_large_is_an_error_and_nothing_worse() {
    for end in 0..MINE.len() {
        let _ = own(MINE.get(..end).unwrap());
    }
    let error = own(&format!("{MINE}# {}", "x".repeat(1 << 16))).unwrap_err();
    assert!(error.contains("at most 65536 are read"), "{error}");
}

#[test]
fn what_means_a_file_is_told_from_a_name() {
    assert!(is_file("./mine") && is_file("mine.yaml") && is_file("a/b.yml"));
    assert!(NAMES.iter().all(|name| !is_file(name)));
    let error = PolicyRef::open("bcp159").unwrap_err().to_string();
    assert!(error.contains("did you mean `bcp195`?"), "{error}");
    assert!(PolicyRef::open("./no/such.yaml").is_err());
}
