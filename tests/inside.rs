//! What is inferred inside TLS in recordings of real programs, of which it is known what they spoke: part of the measured
//! sets. `docs/inference.md` has the figures of all of them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails says so, and this one prints how much agrees"
)]

mod support;

use std::collections::BTreeMap;

use wireclaim::analyzers::tls;
use wireclaim::capture::{Input, Options};
use wireclaim::model::{Flow, Value};
use wireclaim::pipeline::analyse;

/// Seconds that a measured keep alive may be off: clients look at the clock once in a second.
const TOLERANCE: f64 = 1.2;

/// A protocol of nobody's that was made to look like WebSocket, to the byte.
const MADE_ALIKE: &str = "heartbeats like WebSocket's";

/// What is known and what is inferred of one connection.
struct Row {
    truth: BTreeMap<String, String>,
    flow: Flow,
}

impl Row {
    fn inferred(&self) -> String {
        self.flow.facts.first(&tls::INSIDE).map_or_else(|| String::from("-"), |fact| fact.value.to_string())
    }

    fn known(&self) -> &str {
        match self.truth["inside"].as_str() {
            known @ ("mqtt" | "websocket" | "http") => known,
            _ if self.truth["what"] == MADE_ALIKE => "websocket",
            _ => "-",
        }
    }
}

fn rows() -> Vec<Row> {
    let folder = support::root().join("fixtures/inside");
    let mut rows = Vec::new();
    for name in ["mqtt", "websocket", "http", "others"] {
        let input = Input::open(&[folder.join(format!("{name}.pcap.gz"))], Options::default()).unwrap();
        let flows = analyse(input, 1).unwrap().flows.all();
        let table = std::fs::read_to_string(folder.join(format!("{name}.csv"))).unwrap();
        for truth in support::csv(&table) {
            let flow = flows.iter().find(|flow| flow.key.orig.ip.to_string() == truth["client"]).unwrap();
            rows.push(Row { truth, flow: flow.clone() });
        }
    }
    rows
}

#[test]
fn nothing_is_taken_for_something_else_and_most_is_told() {
    let rows = rows();
    let wrong: Vec<String> = rows
        .iter()
        .filter(|row| row.inferred() != "-" && row.inferred() != row.known())
        .map(|row| format!("{:?} taken for {}", row.truth, row.inferred()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // Of so many connections so many are told; the others are too short, padded, or in blocks.
    for (word, told, all) in [("mqtt", 5, 9), ("websocket", 5, 8), ("http", 3, 8), ("-", 8, 8)] {
        let of_it: Vec<&Row> = rows.iter().filter(|row| row.known() == word).collect();
        let right = of_it.iter().filter(|row| row.inferred() == word).count();
        println!("{word}: {right} of {}", of_it.len());
        assert_eq!((right, of_it.len()), (told, all), "{word}");
    }
}

#[test]
fn keep_alives_are_those_that_the_programs_were_told() {
    let mut compared = 0;
    for row in rows() {
        let told: f64 = row.truth["keep_alive"].parse().unwrap();
        let Some(fact) = row.flow.facts.first(&tls::INSIDE_KEEP_ALIVE) else { continue };
        let Value::Span(span) = &fact.value else { panic!("{}", fact.value) };
        if told > 0.0 {
            assert!((span.as_secs_f64() - told).abs() <= TOLERANCE, "{:?}: {span:?}", row.truth);
            compared += 1;
        }
    }
    assert!(compared >= 9, "{compared}");
}

#[test]
fn what_is_inferred_is_never_a_service() {
    for row in rows() {
        assert_eq!(row.flow.service, ["tls"], "{:?}", row.truth);
        let scored = row.flow.facts.first(&tls::INSIDE_SCORE).and_then(|fact| fact.value.as_uint());
        assert_eq!(scored.is_some(), row.inferred() != "-");
        assert!(scored.is_none_or(|score| (60..=95).contains(&score)));
        assert_eq!(row.flow.facts.has(&tls::INSIDE_FEATURES), scored.is_some());
    }
}

/// A profile of one device that may speak `service` on `port`.
fn profile(folder: &std::path::Path, service: &str, port: u16, keep_alive: &str) -> std::path::PathBuf {
    let path = folder.join(format!("{port}{keep_alive}.yaml"));
    let text = format!(
        "version: 1\nprofile: mine\ntitle: Mine\nclaims:\n  - id: M-1\n    title: Its service\n    \
         allowed: {{out: anyone, tcp: {port}, service: {service}}}\n    keep_alive_max: {keep_alive} s\n    \
         quote: It speaks.\n    source: Manual\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Status, confidence and what was observed of each finding with this code.
fn found(capture: &str, profile: &std::path::Path, code: &str) -> Vec<String> {
    let path = profile.to_str().unwrap();
    let capture = format!("fixtures/inside/{capture}.pcap.gz");
    let args = ["check", "-q", &capture, "-p", path, "--device", "mine=192.0.2.70", "--format", "ndjson"];
    let rows = support::Answer::from(support::run(&args)).rows();
    let of_it = rows.iter().filter(|row| row["code"] == code);
    of_it.map(|row| format!("{} {} {}", row["status"], row["confidence"], row["observed"])).collect()
}

#[test]
fn a_contradiction_asks_for_a_look_and_agreement_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    // The server on 9444 is a WebSocket server.
    let wrong = profile(folder.path(), "tls/mqtt", 9444, "60");
    let said = found("websocket", &wrong, "inferred-protocol");
    assert_eq!(said, [r#""inconclusive" "weak" "tls, inferred websocket""#]);
    for (service, keep_alive) in [("tls/http/websocket", "30"), ("tls/http", "31"), ("tls", "32")] {
        let right = profile(folder.path(), service, 9444, keep_alive);
        assert_eq!(found("websocket", &right, "inferred-protocol"), [""; 0], "{service}");
    }
}

#[test]
fn pings_that_are_rarer_than_declared_are_a_probable_violation() {
    let folder = tempfile::tempdir().unwrap();
    // Its server pings every 9 s.
    let short = profile(folder.path(), "tls/http/websocket", 9444, "5");
    let said = found("websocket", &short, "keep-alive-too-long");
    assert_eq!(said, [r#""violation" "probable" "9 s, inferred""#]);
    let enough = profile(folder.path(), "tls/http/websocket", 9444, "9");
    assert_eq!(found("websocket", &enough, "keep-alive-too-long"), [""; 0]);
    // Nothing says that these would be pings.
    let other = profile(folder.path(), "tls", 9444, "4");
    assert_eq!(found("websocket", &other, "keep-alive-too-long"), [""; 0]);
}
