use std::sync::Arc;

use super::super::{
    Baseline, ClaimState, Condition, Level, NamePattern, Ports, ProxyRule, Rule, bind, builtin,
};
use super::*;
use crate::model::finding::{Severity, Way};

/// A profile with these claims and what they need.
fn with_claims(claims: &str) -> String {
    format!(
        "version: 1\nprofile: test\ntitle: Test\n\
         variants:\n  mode: {{options: [fast, slow]}}\n\
         parameters:\n  ports: {{kind: ports, help: which}}\n  on: {{kind: flag, help: whether}}\n  \
         fbos: {{kind: version, help: which}}\n\
         subjects:\n  browser: {{identify: {{names: web.example.com}}}}\n\
         services:\n  mqtts: {{tcp: 8883, service: tls/mqtt}}\n  amqps: {{tcp: 5671, service: tls/amqp}}\n  \
         broker: [$mqtts, $amqps, {{tcp: 5671, service: tls/amqp1}}]\n  time: {{udp: 123, service: ntp}}\n  \
         any_tls: {{tcp: any, service: tls}}\n  web: {{tcp: $ports, service: tls/http}}\n\
         tls_blocks:\n  strong: {{min_version: 1.3, mutual: true}}\n\
         groups:\n  both: [a.example.com, b.example.com]\n\
         claims:\n{claims}"
    )
}

fn errors(text: &str) -> String {
    from_str(text, "test.yaml").unwrap_err().to_string()
}

fn error_of_claim(claim: &str) -> String {
    errors(&with_claims(&format!("  - {{id: T-1, title: t, {claim}}}\n")))
}

#[test]
fn a_claim_becomes_a_rule_with_everything_it_says() {
    let profile = from_str(
        &with_claims(
            "  - id: T-1\n    title: t\n    required: {out: [$both, 192.0.2.0/24], tcp: {prefer: [31314, 993]}, service: tls/mqtt, at_least: 2}\n    \
             when: {mode: [fast, unbound], on: true}\n    severity: warning\n    keep_alive_max: 5 min\n    \
             tls: {min_version: 1.2, suites: [ECDHE-RSA-AES128-SHA256, 0x1301], mutual: true}\n    lifetime: {long_running: true}\n",
        ),
        "test.yaml",
    )
    .unwrap();
    let claim = &profile.claims[0];
    assert_eq!((claim.level, claim.severity, claim.line), (Level::Required, Some(Severity::Warning), 24));
    let flag = Condition::Flag { parameter: "on".into(), is: true };
    assert_eq!(claim.when.len(), 2);
    assert_eq!(claim.when[1], flag);
    let Rule::Flow(rule) = &claim.rule else { panic!("{:?}", claim.rule) };
    assert_eq!((rule.way, rule.peers.len(), rule.at_least), (Some(Way::Out), 3, 2));
    assert_eq!(rule.ports, Ports::Fallback(vec![31314, 993]));
    let tls = rule.tls.as_ref().unwrap();
    assert_eq!(
        (tls.min_version, tls.suites.as_slice(), tls.mutual),
        (Some(0x0303), &[0xc027, 0x1301][..], true)
    );
    assert!(rule.lifetime.unwrap().long_running);
}

#[test]
fn every_problem_of_a_file_is_told_with_line_column_key_and_near_miss() {
    let text = "version: 1\nprofile: test\ntitle: Test\nbasline: [arp]\nclaims:\n  - id: T-1\n    title: t\n    \
                requierd: {out: my.farm.bot}\n  - id: T-2\n    title: t\n    allowed: {out: 10.0.0.1/8, tcp: 70000}\n";
    assert_eq!(
        errors(text),
        "failed to load the profile `test.yaml`: 5 problems\n\
         test.yaml:4:1: unknown key `basline` (did you mean `baseline`?)\n   \
         4 | basline: [arp]\n     | ^^^^^^^\n\
         test.yaml:6:5: claims.T-1: expected exactly one of `required`, `allowed`, `forbidden`, `informational`, got 0\n   \
         6 |   - id: T-1\n     |     ^\n\
         test.yaml:8:5: claims.T-1: unknown key `requierd` (did you mean `required`?)\n   \
         8 |     requierd: {out: my.farm.bot}\n     |     ^^^^^^^^\n\
         test.yaml:11:20: claims.T-2.allowed.out: `10.0.0.1/8` has bits set below its prefix length (did you mean `10.0.0.0/8`?)\n  \
         11 |     allowed: {out: 10.0.0.1/8, tcp: 70000}\n     |                    ^^^^^^^^^^\n\
         test.yaml:11:37: claims.T-2.allowed.tcp: expected a port from 1 to 65535, got `70000`\n  \
         11 |     allowed: {out: 10.0.0.1/8, tcp: 70000}\n     |                                     ^^^^^"
    );
}

#[test]
fn text_that_is_no_yaml_is_told_with_its_place() {
    let message = errors("version: 1\nprofile: [a\n");
    assert!(
        message.starts_with("failed to load the profile `test.yaml`: 1 problem\ntest.yaml:"),
        "{message}"
    );
    assert!(
        errors("version: 1\ntitle: a\ntitle: b\n").contains("test.yaml:3:1:"),
        "{}",
        errors("a: 1\na: 2\n")
    );
    for text in ["", "- a", "just text", "version: 1\n---\nversion: 1\n", "\u{0}", "!!binary x"] {
        assert!(from_str(text, "test.yaml").is_err(), "{text:?}");
    }
}

#[test]
fn what_a_claim_refers_to_must_exist() {
    for (claim, expected) in [
        (
            "allowed: {out: anyone}, when: {mod: fast}",
            "unknown variant group, flag or version `mod` (did you mean `mode`?)",
        ),
        (
            "allowed: {out: anyone}, when: {mode: fats}",
            "unknown option `fats` of `mode` (did you mean `fast`?)",
        ),
        (
            "allowed: {out: anyone}, when: {ports: true}",
            "expected a variant group, a flag or a version, got the parameter `ports` of kind `ports`",
        ),
        (
            "allowed: {out: anyone}, when: fbso > 13",
            "unknown parameter or group `fbso` (did you mean `fbos`?)",
        ),
        ("allowed: {out: anyone}, when: mode > 13", "`mode` is a variant group, which has options"),
        ("allowed: {out: anyone}, when: ports > 13", "the parameter `ports` is not of kind `version`"),
        ("allowed: {out: anyone}, when: fbos new", "expected a comparison such as `fbos > 13.0.1`"),
        ("allowed: {out: anyone}, when: {fbos: new}", "expected a version of numbers and dots"),
        ("allowed: {out: anyone, service: $mqtst}", "unknown service `mqtst` (did you mean `mqtts`?)"),
        (
            "allowed: {out: anyone, service: [$mqtts, amqp]}",
            "expected a service by name (`$NAME`), got `amqp`",
        ),
        ("allowed: {out: anyone, service: [$mqtts, $time]}", "expected services of one transport"),
        (
            "allowed: {out: anyone, service: [$mqtts, $any_tls]}",
            "expected services with ports that are numbers",
        ),
        ("allowed: {out: anyone, service: $mqtts, tcp: 1}", "`tcp` does not go with a service by name"),
        ("allowed: {out: anyone}, tls: $stronk", "unknown TLS block `stronk` (did you mean `strong`?)"),
        (
            "allowed: {out: anyone}, tls: strong",
            "expected a mapping or a TLS block by name (`$NAME`), got `strong` (did you mean `$strong`?)",
        ),
        ("allowed: {out: anyone}, subject: browsr", "unknown subject `browsr` (did you mean `browser`?)"),
        ("allowed: {out: $boht}", "unknown parameter or group `boht` (did you mean `both`?)"),
        ("allowed: {out: $ports}", "the parameter `ports` is not of kind `peers`"),
        ("allowed: {out: anyone, tcp: $on}", "the parameter `on` is not of kind `ports`"),
        (
            "allowed: {out: 'list:aws-us-east-2'}",
            "unknown address list `aws-us-east-2` (did you mean `aws-us-east-1`?)",
        ),
        (
            "allowed: {out: anyone}, tls: {suites: ECDHE-RSA-AES128-SHA265}",
            "(did you mean `ECDHE-RSA-AES128-SHA256`?)",
        ),
        (
            "allowed: {out: anyone}, tls: {policy: bcp159}",
            "unknown TLS policy `bcp159` (did you mean `bcp195`?)",
        ),
        ("allowed: {out: anyone}, severity: fatal", "unknown value `fatal` (expected one of `error`"),
    ] {
        let message = error_of_claim(claim);
        assert!(message.contains(expected), "{claim}: {message}");
    }
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    for (claim, expected) in [
        ("allowed: {out: anyone}, forbidden: {in: anyone}", "exactly one of `required`"),
        ("allowed: {out: anyone, in: anyone}", "exactly one of `out`"),
        ("allowed: {tcp: 1}", "exactly one of `out`"),
        ("allowed: {out: [anyone, a.example.com]}", "`anyone` to stand alone"),
        ("allowed: {out: []}", "at least one value"),
        ("allowed: {out: anyone, tcp: 1, udp: 2}", "have the same ports"),
        ("allowed: {out: anyone, tcp: 1, icmp: true}", "`icmp` has no ports"),
        ("required: {out: anyone, blocked: true}", "cannot be `blocked`"),
        ("required: {out: $both, at_least: 3}", "a number from 1 to 2"),
        ("allowed: {out: $both, at_least: 1}", "goes with `required` only"),
        ("forbidden: {proxy: true, out: anyone}", "`out` does not go with `proxy`"),
        ("forbidden: {proxy: true}, encrypted: true", "does not go with `proxy`"),
        ("informational: {proxy: true}", "as the level of `proxy`"),
        ("informational: {same_addresses: a.example.com}", "at least two names"),
        ("allowed: {out: anyone}, lifetime: {long_running: true, max: 1 s}", "has no `max`"),
        ("allowed: {out: anyone}, lifetime: {}", "at least one of `long_running`"),
        ("allowed: {out: anyone}, lifetime: {min: 10 min, max: 5 min}", "above `max`"),
        ("allowed: {out: 'https://a.example.com/x'}", "did you mean `a.example.com`?"),
        ("allowed: {out: 'a.example.com:443'}", "did you mean `a.example.com`? A port goes into `tcp`"),
        ("allowed: {out: '10.0.0.0/33'}", "expected an address or a prefix"),
        ("allowed: {out: '2001:db8::/129'}", "expected an address or a prefix"),
        ("allowed: {out: anyone}, tls: {min_version: 1.3, max_version: 1.2}", "above `max_version`"),
        ("allowed: {out: anyone, tcp: {except: [1], prefer: [2]}}", "exactly one of `except`"),
        ("allowed: {out: anyone, tcp: }", "got nothing"),
        ("allowed: {out: anyone}, encrypted: yes", "expected `true` or `false`, got `yes`"),
        ("allowed: anyone", "expected a mapping with keys such as `out`, `in`"),
    ] {
        let message = error_of_claim(claim);
        assert!(message.contains(expected), "{claim}: {message}");
    }
}

#[test]
fn ids_are_unique_and_claims_exist() {
    let twice = with_claims(
        "  - {id: T-1, title: t, allowed: {out: anyone}}\n  - {id: T-1, title: t, allowed: {in: anyone}}\n",
    );
    assert!(errors(&twice).contains("the id `T-1` exists already (line 24)"), "{}", errors(&twice));
    assert!(errors(&with_claims("  []\n")).contains("at least one claim"));
    assert!(errors("version: 2\nprofile: a\ntitle: a\nclaims: []\n").contains("unknown version `2`"));
    assert!(errors("profile: A\ntitle: a\n").contains("missing key `version`"));
}

#[test]
fn claims_of_a_document_have_their_sentence() {
    let text = "version: 1\nprofile: a\ntitle: a\ndocument: {title: d}\nclaims:\n  - {id: A, title: t, allowed: {out: anyone}}\n";
    let message = errors(text);
    assert!(message.contains("missing key `quote`") && message.contains("missing key `source`"), "{message}");
    let silent = text.replace("title: t,", "title: t, silent: true,");
    assert!(from_str(&silent, "a").is_ok());
}

#[test]
fn every_statement_of_the_four_documents_is_there() {
    for (name, prefix, count) in [
        ("farmbot", "FB", 24),
        ("electric-imp", "EI", 14),
        ("smartserver", "SS", 25),
        ("fortrabbit", "FR", 8),
    ] {
        let profile = builtin::open(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(profile.name, name);
        let ids = profile.claims.iter().map(|claim| &claim.id);
        let mut ids: Vec<&str> = ids
            .chain(profile.not_checkable.iter().map(|statement| &statement.id))
            .map(|id| id.trim_end_matches(|c: char| c.is_ascii_lowercase()))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let expected: Vec<String> = (1..=count).map(|n| format!("{prefix}-{n:02}")).collect();
        assert_eq!(ids, expected, "{name}");
    }
}

#[test]
fn every_shipped_profile_binds_with_every_variant() {
    for name in builtin::names() {
        let profile = Arc::new(builtin::open(name).unwrap());
        bind::bind(&profile, &[], &[]).unwrap();
        for option in profile.variants.iter().flat_map(|group| &group.options) {
            let declaration = bind::bind(&profile, std::slice::from_ref(option), &[]).unwrap();
            assert!(declaration.variant.split('+').any(|bound| bound == option), "{name} {option}");
            assert_eq!(declaration.claims.len(), profile.claims.len());
        }
    }
}

/// Text with every run of white space as one blank, so that line breaks do not matter.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn quotes_are_verbatim() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/seeds");
    if !seeds.is_dir() {
        eprintln!("skipped: the source documents are not here");
        return;
    }
    for (name, file) in [
        ("farmbot", "farmbot.md"),
        ("electric-imp", "electric-imp.txt"),
        ("smartserver", "smartserver.txt"),
        ("fortrabbit", "fortrabbit.md"),
    ] {
        let seed = flowing(&std::fs::read_to_string(seeds.join(file)).unwrap());
        let profile = builtin::open(name).unwrap();
        let claims = profile.claims.iter().map(|claim| (&claim.id, &claim.source));
        for (id, source) in claims.chain(profile.not_checkable.iter().map(|s| (&s.id, &s.source))) {
            assert!(seed.contains(&flowing(&source.quote)), "{id}: {}", source.quote);
            assert!(source.quote.is_empty() || !source.place.is_empty(), "{id}");
        }
    }
}

fn states(name: &str, variants: &[&str], sets: &[(&str, &str)]) -> impl Fn(&str) -> ClaimState + use<> {
    let profile = Arc::new(builtin::open(name).unwrap());
    let variants: Vec<String> = variants.iter().map(ToString::to_string).collect();
    let sets: Vec<_> = sets.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let declaration = bind::bind(&profile, &variants, &sets).unwrap();
    move |id| declaration.claims.iter().find(|bound| bound.claim.id == id).unwrap().state.clone()
}

#[test]
fn farmbot_takes_either_port_until_the_firmware_is_known() {
    let state = states("farmbot", &[], &[]);
    assert_eq!(state("FB-07b"), ClaimState::Active);
    assert_eq!(state("FB-07a"), ClaimState::Unbound("fbos".into()));
    assert_eq!(state("FB-08"), ClaimState::Unbound("fbos".into()));
    assert_eq!(state("FB-06"), ClaimState::OtherSubject);
    assert!(matches!(state("FB-21"), ClaimState::Noted(note) if note.contains("ssh_key")));
    let state = states("farmbot", &[], &[("fbos", "13.0.2"), ("ssh_key", "false")]);
    assert_eq!(state("FB-08"), ClaimState::Active);
    assert!(matches!(state("FB-07a"), ClaimState::Inactive(_)));
    assert!(matches!(state("FB-07b"), ClaimState::Inactive(_)));
    assert_eq!(state("FB-21"), ClaimState::Inactive("`ssh_key` is `false`".into()));
}

#[test]
fn fortrabbit_says_nothing_of_ports_until_they_are_set() {
    let state = states("fortrabbit", &[], &[]);
    assert_eq!(state("FR-01a"), ClaimState::Unbound("standard_ports".into()));
    assert_eq!(state("FR-01b"), ClaimState::Unbound("standard_ports".into()));
    let profile = Arc::new(builtin::open("fortrabbit").unwrap());
    let unset = bind::bind(&profile, &[], &[]).unwrap();
    let rule = |claim: &super::super::BoundClaim| match &claim.claim.rule {
        Rule::Flow(rule) => (rule.ports.clone(), rule.blocked),
        other => panic!("{other:?}"),
    };
    assert_eq!(rule(&unset.claims[0]), (Ports::Unbound("standard_ports".into()), false));
    let sets = [("standard_ports".to_owned(), "443,80".to_owned())];
    let set = bind::bind(&profile, &[], &sets).unwrap();
    assert_eq!(rule(&set.claims[0]), (Ports::Of(vec![(80, 80), (443, 443)]), false));
    assert_eq!(rule(&set.claims[1]), (Ports::Except(vec![(80, 80), (443, 443)]), true));
    assert_eq!(set.claims[1].state, ClaimState::Active);
}

/// The state of a claim with this condition, with `fbos` set or not.
fn state_when(when: &str, fbos: Option<&str>) -> ClaimState {
    let claim = format!("  - {{id: T-1, title: t, allowed: {{out: anyone}}, when: {when}}}\n");
    let profile =
        from_str(&with_claims(&claim), "test.yaml").unwrap_or_else(|error| panic!("{when}: {error}"));
    let sets: Vec<_> = fbos.iter().map(|version| ("fbos".to_owned(), (*version).to_owned())).collect();
    let declaration = bind::bind(&Arc::new(profile), &["fast".to_owned()], &sets).unwrap();
    declaration.claims[0].state.clone()
}

#[test]
fn conditions_compare_versions() {
    let inactive = |version: &str| ClaimState::Inactive(format!("`fbos` is `{version}`"));
    for (when, version, state) in [
        ("fbos > 13.0.1", Some("13.0.2"), ClaimState::Active),
        ("fbos > 13.0.1", Some("13.0.1"), inactive("13.0.1")),
        ("fbos > 13.0.1", Some("v13.0"), inactive("v13.0")),
        ("fbos > 13.0.1", None, ClaimState::Unbound("fbos".into())),
        ("13.0 <= fbos < 14", Some("13"), ClaimState::Active),
        ("13.0 <= fbos < 14", Some("14.0"), inactive("14.0")),
        ("fbos unbound", None, ClaimState::Active),
        ("fbos unbound", Some("14.0"), inactive("14.0")),
        ("{fbos: unbound}", None, ClaimState::Active),
        ("{fbos: ['> 13.0.1', unbound]}", None, ClaimState::Active),
        ("{fbos: ['< 12', '13.0.1'], mode: fast}", Some("13.0.1"), ClaimState::Active),
        ("{fbos: '> 13.0.1', mode: slow}", Some("14"), ClaimState::Inactive("`mode` is `fast`".into())),
    ] {
        assert_eq!(state_when(when, version), state, "{when} {version:?}");
    }
    let profile =
        Arc::new(from_str(&with_claims("  - {id: T-1, title: t, allowed: {out: anyone}}\n"), "a").unwrap());
    let error = bind::bind(&profile, &[], &[("fbos".into(), "new".into())]).unwrap_err().to_string();
    assert!(error.contains("failed to set `fbos`: expected a version"), "{error}");
}

#[test]
fn services_and_tls_blocks_stand_for_what_they_name() {
    let text = with_claims(
        "  - {id: T-1, title: t, allowed: {out: anyone, service: $broker}, tls: $strong}\n  \
         - {id: T-2, title: t, allowed: {out: anyone, service: [$mqtts, $amqps]}}\n  \
         - {id: T-3, title: t, allowed: {out: anyone, service: $web}}\n",
    );
    let profile = from_str(&text, "test.yaml").unwrap_or_else(|error| panic!("{error}"));
    let shown: Vec<String> = profile.claims.iter().map(|claim| claim.rule.to_string()).collect();
    assert_eq!(
        shown,
        [
            "out to anyone, tcp/5671,8883, tls/mqtt or tls/amqp or tls/amqp1, TLS version >= tls1.3, client certificate",
            "out to anyone, tcp/5671,8883, tls/mqtt or tls/amqp",
            "out to anyone, tcp/$ports, tls/http",
        ]
    );
    assert_eq!(profile.slots.len(), 1);
    let set = bind::bind(&Arc::new(profile), &[], &[("ports".into(), "8443".into())]).unwrap();
    assert!(set.claims[2].claim.rule.to_string().contains("tcp/8443"));
}

#[test]
fn who_is_judged_selects_the_claims() {
    let profile = Arc::new(builtin::open("farmbot").unwrap());
    let declaration = bind::bind_as(&profile, "browser", &[], &[]).unwrap();
    assert_eq!((declaration.subject.as_str(), declaration.variant.as_str()), ("browser", "subject:browser"));
    for bound in &declaration.claims {
        let other = bound.state == ClaimState::OtherSubject;
        assert_eq!(other, bound.claim.subject == "device", "{}", bound.claim.id);
        // Whoever is named with the device: what the document does not tell apart.
        assert_eq!(bound.claim.id == "FB-06", bound.claim.subject == "browser", "{}", bound.claim.id);
    }
    let error = bind::bind_as(&profile, "brwser", &[], &[]).unwrap_err().to_string();
    assert!(error.contains("did you mean `browser`?"), "{error}");
    // Whoever recognises a browser does not recognise it by what recognises the device.
    assert!(declaration.profile.identify.names.is_empty() && !profile.identify.names.is_empty());
    let twice = errors(&with_claims("  []\n").replace("browser:", "device:"));
    assert!(twice.contains("`device` is always there"), "{twice}");
}

#[test]
fn electric_imp_has_three_paths() {
    let state = states("electric-imp", &["single-ip"], &[]);
    assert_eq!(state("EI-11a"), ClaimState::Unbound("external_ip".into()));
    assert!(matches!(state("EI-04"), ClaimState::Inactive(_)));
    let state = states("electric-imp", &["single-ip"], &[("external_ip", "203.0.113.9")]);
    assert_eq!(state("EI-11a"), ClaimState::Active);
    let state = states("electric-imp", &["proxy"], &[]);
    assert!(matches!(state("EI-05"), ClaimState::Inactive(_)));
    let profile = builtin::open("electric-imp").unwrap();
    let proxy = profile.claims.iter().find(|claim| claim.id == "EI-10").unwrap();
    assert!(matches!(proxy.rule, Rule::Proxy(ProxyRule::Required)));
    assert_eq!(state("EI-10"), ClaimState::Active);
}

#[test]
fn smartserver_ports_are_the_manuals() {
    let profile = Arc::new(builtin::open("smartserver").unwrap());
    let declaration = bind::bind(&profile, &[], &[]).unwrap();
    assert_eq!(declaration.variant, "enhanced+https-default");
    let Rule::Flow(bacnet) = &declaration.claims[0].claim.rule else { panic!() };
    // BAC0-BACF and C000-FFFF in decimal.
    assert_eq!(bacnet.ports, Ports::Of(vec![(0xbac0, 0xbacf), (0xc000, 0xffff)]));
    assert!(matches!(declaration.claims[0].state, ClaimState::Noted(_)));
    assert!(profile.baseline.contains(&Baseline::Mdns));
}

#[test]
fn wrong_bindings_are_usage_errors_with_the_near_miss() {
    let profile = Arc::new(builtin::open("smartserver").unwrap());
    let variant = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        bind::bind(&profile, &names, &[]).unwrap_err().to_string()
    };
    assert!(variant(&["enhancd"]).contains("did you mean `enhanced`?"));
    assert!(variant(&["enhanced", "standard"]).contains("exclude each other"));
    let set = |name: &str, value: &str| {
        bind::bind(&profile, &[], &[(name.to_owned(), value.to_owned())]).unwrap_err().to_string()
    };
    assert!(set("mqt", "true").contains("did you mean `mqtt`?"));
    assert!(set("mqtt", "yes").contains("expected `true` or `false`"));
    assert!(set("opc_ua_port", "0").contains("a port from 1"));
    let error = builtin::open("farmbto").unwrap_err().to_string();
    assert!(error.contains("did you mean `farmbot`?"), "{error}");
}

#[test]
fn address_lists_are_dated_and_complete() {
    let set = super::super::addresses::named("aws-us-east-1").unwrap();
    assert_eq!(set.dated, "2026-06-18");
    let contains = |ip: &str| {
        set.networks.iter().any(|network| network.contains(&ip.parse::<std::net::IpAddr>().unwrap()))
    };
    assert!(contains("3.208.0.1") && contains("54.239.17.6") && contains("2600:1f18::1"));
    assert!(!contains("8.8.8.8") && !contains("52.208.0.1"));
    let names = NamePattern::Suffix("fortrabbit.com".into());
    assert!(names.matches("dashboard.fortrabbit.com"));
}

#[test]
fn damaged_names_and_conditions_are_errors_or_profiles_and_never_a_panic() {
    let text = with_claims(
        "  - {id: T-1, title: t, subject: browser, replace: true, allowed: {out: $both, service: [$mqtts, $broker]}, tls: $strong, \
         when: 13.0.1 <= fbos < 14}\n  - {id: T-2, title: t, allowed: {out: 'list:x'}, when: {fbos: ['> 1, <= 2', unbound]}}\n",
    ) + "lists: {x: {file: none, region: [a, b], dated: 2026-01}}\nextends: fortrabbit\nwithout: [FR-01a]\n";
    for cut in (0..text.len()).step_by(3) {
        let (head, tail) = text.split_at(cut);
        let _ = from_str(head, "a");
        let _ = from_str(&format!("{head}{}", tail.get(1..).unwrap_or_default()), "a");
        let _ = from_str(&format!("{head}[{tail}"), "a");
    }
}

#[test]
fn damaged_profiles_are_errors_or_profiles_and_never_a_panic() {
    let text = builtin::source("smartserver").unwrap();
    for cut in (0..text.len()).step_by(389).filter(|cut| text.is_char_boundary(*cut)) {
        let (head, tail) = text.split_at(cut);
        let _ = from_str(head, "a");
        let _ = from_str(&format!("{head}: [{tail}"), "a");
        let _ = from_str(&format!("{head}{}", tail.replacen(' ', "", 1)), "a");
    }
}

#[test]
fn plain_scalars_keep_their_text() {
    let text = "version: 1\nprofile: a\ntitle: 1.10 # a number to YAML\nclaims:\n  - {id: 0x10, title: true, allowed: {out: anyone}}\n";
    let profile = from_str(text, "a").unwrap();
    assert_eq!((profile.title.as_str(), profile.claims[0].id.as_str()), ("1.10", "0x10"));
}

#[test]
fn a_file_is_read_and_named_in_its_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    std::fs::write(&path, with_claims("  - {id: T-1, title: t, allowed: {out: anyone}}\n")).unwrap();
    assert_eq!(builtin::open(path.to_str().unwrap()).unwrap().name, "test");
    std::fs::write(&path, b"version: 1\nprofile: \xff\n").unwrap();
    let message = from_file(&path).unwrap_err().to_string();
    assert!(message.contains("mine.yaml") && message.contains("line 2 is not UTF-8"), "{message}");
    assert!(matches!(from_file(&folder.path().join("none.yaml")), Err(Error::Io { .. })));
}
