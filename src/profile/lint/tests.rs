//! Every page's examples, and what the lints of the shipped profiles must and must not say.

use std::path::PathBuf;

use super::super::{builtin, load};
use super::*;

/// What the examples of the pages leave out.
const HEAD: &str = "version: 1\nprofile: example\ntitle: Example\nidentify: {ouis: \"02:00:00\"}\n";
/// What the examples may name: a profile does not know who recognises what.
const PROTOCOLS: &[&str] = &["amqp", "coap", "dns", "http", "mqtt", "ntp", "tls", "websocket"];
const BASELINE: &str = "baseline: [arp, dhcp, dns]\n";

/// A complete profile from an example.
fn profile(example: &str) -> (Profile, String) {
    let mut text = String::new();
    if !example.starts_with("version: 1") {
        text.push_str(HEAD);
        if !example.contains("baseline:") {
            text.push_str(BASELINE);
        }
    }
    text.push_str(example);
    (load::from_str(&text, "example.yaml").unwrap(), text)
}

fn of(example: &str) -> Vec<Lint> {
    let (profile, text) = profile(example);
    lint_on(&profile, Terms { text: Some(&text), protocols: PROTOCOLS, ..Terms::default() })
}

fn codes_of(example: &str) -> Vec<&'static str> {
    of(example).iter().map(|lint| lint.code).collect()
}

/// The text of the fenced blocks of `kind`.
fn blocks<'p>(page: &'p str, kind: &str) -> Vec<&'p str> {
    let fence = format!("```{kind}\n");
    page.split(fence.as_str())
        .skip(1)
        .filter_map(|rest| rest.split_once("```").map(|(block, _)| block))
        .collect()
}

/// A lint as a page shows it.
fn shown(lint: &Lint) -> String {
    let claims = if lint.claims.is_empty() { String::new() } else { format!(" {}", lint.claims.join(", ")) };
    format!("{}[{}]{claims}: {}\nhelp: {}\n", lint.severity, lint.code, lint.message, lint.remedy)
}

#[test]
fn every_page_has_its_parts_and_its_examples_are_true() {
    for code in codes() {
        let headings: Vec<&str> = code.page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(
            headings,
            ["What it reports", "Why it matters", "What to do", "Example", "Put right"],
            "{}",
            code.id
        );
        let [told, put_right] = blocks(code.page, "yaml")[..] else { panic!("{} has two examples", code.id) };
        let lints = of(told);
        let expected: String = lints.iter().filter(|lint| lint.code == code.id).map(shown).collect();
        assert!(!expected.is_empty(), "{}: {lints:#?}", code.id);
        assert!(!codes_of(put_right).contains(&code.id), "{}", code.id);
        if std::env::var_os("WIRECLAIM_BLESS").is_some() {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join(format!("src/profile/lint/pages/{}.md", code.id));
            let old = format!("```text\n{}```", blocks(code.page, "text")[0]);
            std::fs::write(path, code.page.replace(&old, &format!("```text\n{expected}```"))).unwrap();
        } else {
            assert_eq!(blocks(code.page, "text"), [expected.as_str()], "{}", code.id);
        }
    }
}

#[test]
fn codes_exist_once_and_say_what_they_are() {
    let ids: Vec<&str> = codes().map(|code| code.id).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), ids.len());
    for code in codes() {
        assert!(code.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", code.id);
        assert!((16..=100).contains(&code.title.len()) && !code.title.ends_with('.'), "{}", code.title);
    }
}

#[test]
fn texts_are_fragments_without_full_stop() {
    for name in builtin::names() {
        for lint in lint(&builtin::open(name).unwrap()) {
            for text in [&lint.message, &lint.remedy] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{name}: {text}");
            }
        }
    }
}

#[test]
fn lines_are_those_of_the_key() {
    let example = "claims:\n  - id: A\n    title: t\n    required: {out: a.example.com, tcp: 80}\n    encrypted: true\n";
    let (profile, text) = profile(example);
    let line =
        |terms| lint_on(&profile, terms).iter().find(|lint| lint.code == "cleartext-port").unwrap().line;
    let at = |wanted: &str| text.lines().position(|line| line.contains(wanted)).unwrap() as u64 + 1;
    assert_eq!(line(Terms { text: Some(&text), ..Terms::default() }), at("encrypted"));
    assert_eq!(line(Terms::default()), at("- id: A"));
}

#[test]
fn ages_are_counted_to_the_given_day() {
    let example = "document: {title: T, reviewed: 2025-06}\nclaims:\n  \
                   - {id: A, title: t, required: {out: a.example.com, tcp: 443}, silent: true}\n";
    let (profile, _) = profile(example);
    let old = |as_of| {
        lint_on(&profile, Terms { as_of, ..Terms::default() }).iter().any(|lint| lint.code == "reviewed-long-ago")
    };
    assert!(!old(None) && !old(Some("2027-05")));
    assert!(old(Some("2027-06-30")));
}

#[test]
fn claims_that_exclude_each_other_do_not_collide() {
    let text = "variants: {m: {options: [x, y], default: x}, n: {options: [z]}}\nclaims:\n  \
                - {id: A, title: t, allowed: {out: a.example.com, tcp: 80-90}, when: {m: x}}\n  \
                - {id: B, title: t, forbidden: {out: a.example.com, tcp: 85}, when: {m: y}}\n  \
                - {id: C, title: t, forbidden: {out: a.example.com, tcp: 91}}\n";
    assert_eq!(codes_of(text), ["unused"]);
    let both = of(&text.replace("when: {m: y}", "when: {m: [x, y]}"));
    assert!(both.iter().any(|lint| lint.claims == ["B", "A"]), "{both:?}");
}

#[test]
fn conditions_that_never_hold_are_told() {
    let of = |when: &str| {
        codes_of(&format!(
            "variants: {{m: {{options: [x, y], default: x}}}}\nparameters: {{f: {{kind: flag, help: h, default: \"true\"}}}}\n\
             claims:\n  - {{id: A, title: t, allowed: {{out: a.example.com, tcp: 80}}, when: {when}}}\n  \
             - {{id: B, title: t, allowed: {{out: b.example.com, tcp: 80}}, when: {{m: x, f: true}}}}\n"
        ))
    };
    assert_eq!(of("{m: unbound}"), ["unreachable"]);
    assert_eq!(of("{m: [x, unbound], f: true}"), [""; 0]);
}

#[test]
fn a_claim_that_holds_its_place_against_a_prohibition_is_not_redundant() {
    let text = "claims:\n  - {id: A, title: t, allowed: {out: anyone, tcp: 443}}\n  \
                - {id: B, title: t, allowed: {out: a.example.com, tcp: 443}}\n";
    assert!(codes_of(text).contains(&"redundant"));
    let no = format!("{text}  - {{id: C, title: t, forbidden: {{out: .example.com, tcp: 443}}}}\n");
    assert!(!codes_of(&no).contains(&"redundant"), "{:?}", of(&no));
    let terms = text.replace("tcp: 443}}\n  - {id: B", "tcp: 443}, encrypted: true}\n  - {id: B");
    assert!(!codes_of(&terms).contains(&"redundant"));
}

#[test]
fn of_two_that_say_the_same_the_second_is_redundant() {
    let lints = of("claims:\n  - {id: A, title: t, required: {out: a.example.com, tcp: 443}}\n  \
                    - {id: B, title: t, required: {out: a.example.com, tcp: 443}}\n");
    let redundant: Vec<_> = lints.iter().filter(|lint| lint.code == "redundant").collect();
    assert_eq!(redundant.len(), 1, "{lints:?}");
    assert_eq!(redundant[0].claims, ["B", "A"]);
}

#[test]
fn the_documents_own_contradictions_are_told_once() {
    let lints = lint(&builtin::open("smartserver").unwrap());
    let about = |id: &str| -> Vec<&str> {
        lints
            .iter()
            .filter(|lint| lint.claims.iter().any(|claim| claim == id))
            .map(|lint| lint.code)
            .collect()
    };
    assert!(about("SS-19").contains(&"opposite-directions") && about("SS-19").contains(&"over-broad"));
    assert!(!about("SS-19").contains(&"contradiction-in-document"), "the lint has taken the note over");
    assert!(
        lints.iter().any(|lint| lint.code == "opposite-directions" && lint.message.contains("C000-FFFF"))
    );
    assert_eq!(about("SS-13"), ["tcp-against-udp"], "its sentence says TCP; the note is in the same row");
    assert!(about("SS-22").contains(&"forbidden-and-allowed"));
}

#[test]
fn a_declared_suite_that_the_policy_discourages_is_one_lint() {
    let lints = lint(&builtin::open("electric-imp").unwrap());
    let weak: Vec<_> = lints
        .iter()
        .filter(|lint| lint.claims == ["EI-09", "EI-11b"] && lint.code == "weak-tls-declared")
        .collect();
    assert_eq!(weak.len(), 1);
    assert_eq!(weak[0].severity, Severity::Warning);
    assert!(weak[0].message.contains("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"), "{}", weak[0].message);
}

#[test]
fn shipped_profiles_have_no_error_and_nothing_unused() {
    for name in builtin::names() {
        for lint in lint(&builtin::open(name).unwrap()) {
            assert!(lint.code != "unused" && lint.severity < Severity::Error, "{name}: {lint:?}");
        }
    }
}

#[test]
fn a_group_is_not_anybody() {
    let told = |peers: &str| {
        let claim = format!("claims:\n  - {{id: A-1, title: t, allowed: {{out: {peers}, udp: 5353}}}}\n");
        codes_of(&claim).contains(&"any-peer")
    };
    for group in ["\"ff00::/8\"", "\"ff02::/16\"", "224.0.0.0/4", "239.0.0.0/8"] {
        assert!(!told(group), "{group}");
    }
    for anybody in ["anyone", "\"::/0\"", "\"2000::/3\"", "224.0.0.0/3", "0.0.0.0/0", "\"fe00::/7\""] {
        assert!(told(anybody), "{anybody}");
    }
}
