//! What holds for everything that is registered: a name exists once, is well formed, and says what it stands for.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

mod support;

use std::collections::BTreeSet;

use wireclaim::analyzers;
use wireclaim::checks;
use wireclaim::report::{self, Content};

/// The codes that are promised to users; more may come, none goes.
const CODES: &[&str] = &[
    "undeclared-destination",
    "undeclared-port",
    "undeclared-service",
    "undeclared-direction",
    "inbound-accepted",
    "inbound-attempted",
    "forbidden-destination",
    "forbidden-service",
    "unnamed-destination",
    "undeclared-resolver",
    "undeclared-proxy",
    "name-mismatch",
    "protocol-mismatch",
    "cleartext",
    "cleartext-credentials",
    "weak-tls-version",
    "undeclared-tls-version",
    "weak-tls-feature",
    "weak-cipher",
    "undeclared-cipher",
    "undeclared-tls-offer",
    "mud-url-mismatch",
    "weak-certificate-key",
    "weak-certificate-signature",
    "certificate-not-valid",
    "certificate-too-long-lived",
    "certificate-name-mismatch",
    "undeclared-issuer",
    "client-certificate-missing",
    "insecure-renegotiation",
    "tls-compression",
    "weak-group",
    "handshake-failed",
    "required-not-seen",
    "required-blocked",
    "unanswered",
    "ntp-unanswered",
    "ntp-refused",
    "ntp-unsynchronised",
    "fallback-used",
    "dns-failed",
    "degraded",
    "connection-cut",
    "idle-timeout",
    "inferred-protocol",
    "lifetime-exceeded",
    "lifetime-too-short",
    "reconnect-loop",
    "keep-alive-too-long",
    "mqtt-refused",
    "mqtt-version",
    "mqtt-protocol-error",
    "mqtt-keep-alive-missed",
    "amqp-refused",
    "websocket-refused",
    "websocket-abnormal-close",
    "websocket-protocol-error",
    "unlisted-device",
    "internal-error",
    "waiver-expired",
    "capture-loss",
    "capture-truncated",
    "capture-one-sided",
];

/// What stands where somebody has still to write.
const UNWRITTEN: &str = concat!("TO", "DO");

/// The headings of a code's page, in this order.
const HEADINGS: &[&str] =
    &["What it reports", "Why it matters", "When it stays silent", "Profile keys", "References", "Example"];

/// Lower-case letters and digits in parts joined by `joint`, a letter first.
fn is_cased(id: &str, joint: char) -> bool {
    id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.split(joint).all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

fn assert_unique<'a>(ids: impl IntoIterator<Item = &'a str>) {
    let mut known = BTreeSet::new();
    for id in ids {
        assert!(known.insert(id), "`{id}` is there twice");
    }
    assert!(!known.is_empty());
}

#[test]
fn formats_have_unique_names_and_suffixes_and_help() {
    assert_unique(report::REGISTRY.iter().map(|format| format.name));
    assert_unique(report::REGISTRY.iter().flat_map(|format| format.suffixes.iter().copied()));
    for format in report::REGISTRY {
        assert!(is_cased(format.name, '-'), "{}", format.name);
        assert!(format.suffixes.iter().all(|suffix| is_cased(suffix, '-')), "{}", format.name);
        assert!((8..=60).contains(&format.help.len()), "help of {}: {}", format.name, format.help);
        assert!(!format.help.ends_with('.'), "help of {}: {}", format.name, format.help);
        assert!(format.offers(Content::Findings) || format.offers(Content::Flows), "{}", format.name);
    }
}

#[test]
fn formats_are_found_by_their_name_and_by_their_suffixes() {
    for format in report::REGISTRY {
        assert_eq!(report::by_name(format.name).map(|found| found.name), Some(format.name));
        for suffix in format.suffixes {
            let path = format!("some.folder/table.{}", suffix.to_uppercase());
            let found = report::by_suffix(path.as_ref());
            assert_eq!(found.map(|found| found.name), Some(format.name), "{path}");
        }
    }
    assert!(report::by_name("CSV").is_none() && report::by_suffix("csv".as_ref()).is_none());
}

#[test]
fn columns_are_named_once_in_snake_case() {
    for content in [Content::Findings, Content::Flows] {
        let columns = report::columns(content);
        assert_unique(columns.iter().map(|(name, _)| *name));
        for (name, _) in columns {
            assert!(is_cased(name, '_'), "{name}");
        }
    }
}

#[test]
fn analyzers_have_unique_ids_and_say_where_they_run() {
    assert_unique(analyzers::REGISTRY.iter().map(|definition| definition.id));
    for definition in analyzers::REGISTRY {
        let id = definition.id;
        assert!(is_cased(id, '-'), "{id}");
        assert!(!definition.title.is_empty() && !definition.transports.is_empty(), "{id}");
        assert_unique(definition.transports.iter().map(|transport| match transport {
            wireclaim::model::Transport::Tcp => "tcp",
            wireclaim::model::Transport::Udp => "udp",
            other => panic!("{id} runs on {other}"),
        }));
        assert_eq!(analyzers::by_id(id).map(|found| found.title), Some(definition.title));
    }
}

#[test]
fn fields_are_named_after_their_analyzer_and_say_what_and_whence() {
    let fields = || analyzers::REGISTRY.iter().flat_map(|definition| definition.fields);
    assert_unique(fields().map(|field| field.name));
    for definition in analyzers::REGISTRY {
        for field in definition.fields {
            let name = field.name;
            let rest = name.strip_prefix(definition.id).and_then(|rest| rest.strip_prefix('.'));
            let rest = rest.unwrap_or_else(|| panic!("{name} is not of {}", definition.id));
            assert!(rest.split('.').all(|part| is_cased(part, '_')), "{name}");
            assert!(field.doc.len() >= 8 && !field.doc.contains(UNWRITTEN), "{name}: {}", field.doc);
            assert!(!field.source.is_empty(), "{name} has a source, `-` where it is wireclaim's own");
        }
    }
}

#[test]
fn codes_are_well_formed_and_each_belongs_to_one_check() {
    assert_unique(checks::REGISTRY.iter().map(|check| check.id));
    assert_unique(checks::codes().map(|code| code.id));
    for check in checks::REGISTRY {
        assert!(is_cased(check.id, '-') && !check.codes.is_empty(), "{}", check.id);
    }
    for code in checks::codes() {
        assert!(is_cased(code.id, '-'), "{}", code.id);
        assert!((16..=100).contains(&code.title.len()), "title of {}: {}", code.id, code.title);
        assert!(code.title.starts_with(|c: char| c.is_uppercase() || c == 'w'), "title of {}", code.id);
        assert!(!code.title.ends_with('.'), "title of {}: {}", code.id, code.title);
        assert!(code.since.split('.').all(|part| part.parse::<u32>().is_ok()), "{}", code.id);
    }
}

#[test]
fn every_promised_code_is_there() {
    let known: BTreeSet<&str> = checks::codes().map(|code| code.id).collect();
    let missing: Vec<&str> = CODES.iter().copied().filter(|code| !known.contains(code)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn every_page_has_its_six_parts() {
    for code in checks::codes() {
        let headings: Vec<&str> =
            code.page.lines().filter_map(|line| line.strip_prefix("## ")).map(str::trim).collect();
        assert_eq!(headings, HEADINGS, "{}", code.id);
        assert!(!code.page.contains(UNWRITTEN), "{}", code.id);
        for part in code.page.split("## ").skip(1) {
            let (heading, text) = part.split_once('\n').unwrap_or((part, ""));
            assert!(text.trim().len() >= 5, "{}: nothing under {heading}", code.id);
        }
        let long = code.page.lines().find(|line| line.chars().count() > 110);
        assert_eq!(long, None, "{}", code.id);
        let words = ["violation", "obstructed", "drift", "inconclusive"];
        assert!(words.iter().any(|status| code.page.contains(status)), "{} names a status", code.id);
        assert!(code.page.contains("```text\n"), "{} shows a row", code.id);
    }
}

#[test]
fn every_code_a_page_mentions_exists() {
    let known: BTreeSet<&str> = checks::codes().map(|code| code.id).collect();
    let families = [
        "undeclared-",
        "inbound-",
        "forbidden-",
        "weak-",
        "certificate-",
        "ntp-",
        "mqtt-",
        "amqp-",
        "capture-",
    ];
    for code in checks::codes() {
        let quoted = code.page.split('`').skip(1).step_by(2);
        for word in quoted.filter(|word| families.iter().any(|family| word.starts_with(family))) {
            assert!(known.contains(word), "{} mentions {word}", code.id);
        }
    }
}

#[test]
fn explain_shows_the_page_of_every_code() {
    for code in checks::codes() {
        let output = support::run(&["explain", code.id]);
        let shown = String::from_utf8(output.stdout).expect("the page is UTF-8");
        assert_eq!(output.status.code(), Some(0), "{}", code.id);
        assert!(shown.starts_with(&format!("# {}\n", code.id)), "{shown}");
        assert!(shown.contains(code.title) && shown.ends_with('\n'), "{shown}");
        assert!(HEADINGS.iter().all(|heading| shown.contains(&format!("\n## {heading}\n"))), "{shown}");
        assert!(output.stderr.is_empty(), "{}", code.id);
    }
}
