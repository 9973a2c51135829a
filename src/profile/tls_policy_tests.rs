use super::*;

fn policy() -> &'static TlsPolicy {
    TlsPolicy::named("default").unwrap()
}

#[test]
fn every_line_of_the_table_is_a_suite_and_every_policy_parses() {
    assert_eq!(suites().len(), SUITES.lines().count() - 1);
    let default = parse(DEFAULT_TEXT, DEFAULT_NAME).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(default.name, DEFAULT_NAME);
    assert!(NAMES.iter().all(|name| TlsPolicy::named(name).is_some_and(|policy| policy.name == *name)));
}

#[test]
fn code_points_and_names_are_unique() {
    let mut codes: Vec<u16> = suites().iter().map(|suite| suite.code).collect();
    codes.dedup();
    assert_eq!(codes.len(), suites().len());
    let mut names: Vec<String> =
        suites().iter().flat_map(|suite| suite.names().map(str::to_lowercase).collect::<Vec<_>>()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    // TLS 1.3 suites have the same name everywhere and count twice.
    assert_eq!(
        all - names.len(),
        suites().iter().filter(|suite| suite.openssl_name == Some(suite.name)).count()
    );
}

#[test]
fn ok_is_an_allow_list_by_code_point() {
    let ok: Vec<u16> =
        suites().iter().filter(|suite| suite.tier == Tier::Ok).map(|suite| suite.code).collect();
    // TLS 1.3 AEAD, and ECDHE with AES-GCM, AES-CCM or ChaCha20-Poly1305 and full tags.
    let expected = [
        0x1301, 0x1302, 0x1303, 0x1304, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xc0ac, 0xc0ad, 0xcca8, 0xcca9,
        0xccac, 0xd001, 0xd002, 0xd005,
    ];
    assert_eq!(ok, expected);
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
        assert!(suite.tier >= least, "{} is {} and must be at least {least}", suite.name, suite.tier);
        // RFC 10015 appendices A, C and D.
        if begins(&["RSA_", "DH_", "DHE_"]) {
            assert_eq!(suite.normative, Normative::MustNot, "{}", suite.name);
        }
        assert!(!suite.reference.is_empty(), "{}", suite.name);
    }
}

#[test]
fn suites_are_found_by_any_of_their_names() {
    let imp = suite_by_name("ECDHE-RSA-AES128-SHA256").unwrap();
    assert_eq!((imp.code, imp.tier), (0xc027, Tier::Discouraged));
    assert_eq!(imp.openssl_name, Some("ECDHE-RSA-AES128-SHA256"));
    assert_eq!(suite_by_name("tls_ecdhe_rsa_with_aes_128_cbc_sha256"), Some(imp));
    assert_eq!(suite_by_name("EDH-RSA-DES-CBC3-SHA").unwrap().code, 0x0016);
    assert_eq!(suite_by_name("DES-CBC3-SHA").unwrap().code, 0x000a);
    assert_eq!(suite(0xc012).unwrap().tier, Tier::Weak);
    assert_eq!(suite_by_name("nonsense"), None);
    assert_eq!(suite(0x0a0a), None);
}

#[test]
fn signals_are_no_suites() {
    for code in [0x0a0a, 0xfafa, 0x00ff, 0x5600] {
        assert!(is_signal(code) && suite(code).is_none(), "{code:#06x}");
    }
    assert!(!is_signal(0x1301) && !is_signal(0x0a1a));
}

#[test]
fn versions_groups_keys_and_signatures_are_judged_as_the_scheme_says() {
    let version = |code| policy().version(code).map(|judgement| judgement.tier);
    assert_eq!(version(0x0300), Some(Tier::Broken));
    assert_eq!(version(0x0301), Some(Tier::Weak));
    assert_eq!(version(0x0303), Some(Tier::Ok));
    assert_eq!(version(0x7f12), None);
    assert_eq!(policy().version(0x0302).unwrap().reference, "RFC 8996");

    let group = |code| policy().group(code).map(|judgement| judgement.tier);
    assert_eq!(group(16), Some(Tier::Weak));
    assert_eq!(group(21), Some(Tier::Discouraged));
    assert_eq!(group(0x11ec), Some(Tier::Ok));
    assert_eq!(group(0x0a0a), None);

    let rsa = |bits| policy().rsa_bits(bits).unwrap().tier;
    assert_eq!([rsa(512), rsa(1024), rsa(2047), rsa(2048)], [Tier::Broken, Tier::Weak, Tier::Weak, Tier::Ok]);
    assert_eq!(policy().ec_bits(192).unwrap().tier, Tier::Weak);
    assert_eq!(policy().ec_bits(256).unwrap().tier, Tier::Ok);
    assert_eq!(policy().dh_bits(1024).unwrap().tier, Tier::Weak);
    assert_eq!(policy().dh_bits(2048).unwrap().tier, Tier::Discouraged);

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
        assert_eq!(policy().signature(name).map(|judgement| judgement.tier), Some(tier), "{name}");
    }
    assert_eq!(policy().signature("1.2.3.4"), None);
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
