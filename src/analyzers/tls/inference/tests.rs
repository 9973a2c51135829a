//! Conversations made of content lengths, wrapped by the arithmetic of the specifications; recordings of real
//! programs are in `tests/inside.rs`.

use super::*;
use crate::analyzers::tls::fields as f;
use crate::model::{CaptureId, Facts, FrameNo, FrameRef, Observation, Value};

const C: Role = Role::Client;
const S: Role = Role::Server;

/// Version, suite, and the length of a record with so much content.
type Wrapping = (u16, u16, fn(u16) -> u16);

/// Milliseconds, who, bytes of content.
type Word = (u64, Role, u16);

const TLS13: Wrapping = (0x0304, 0x1301, |n| n + 1 + 16);
const GCM: Wrapping = (0x0303, 0xc02b, |n| 8 + n + 16);
const CHACHA: Wrapping = (0x0303, 0xcca9, |n| n + 16);
const CCM_8: Wrapping = (0x0303, 0xc0ae, |n| 8 + n + 8);
const CBC_SHA1: Wrapping = (0x0303, 0xc009, |n| 16 + (n + 20 + 16) / 16 * 16);
const CBC_SHA256: Wrapping = (0x0303, 0xc023, |n| 16 + (n + 32 + 16) / 16 * 16);
const CBC_SHA1_ETM: Wrapping = (0x0303, 0xc009, |n| 16 + (n + 16) / 16 * 16 + 20);
const EXACT: [Wrapping; 4] = [TLS13, GCM, CHACHA, CCM_8];
const BLOCKS: [Wrapping; 3] = [CBC_SHA1, CBC_SHA256, CBC_SHA1_ETM];

/// A Finished of SHA-256, after which a client without certificate has no more handshake.
const FINISHED: u16 = 4 + 32 + 1 + 16;

fn seen(ms: u64) -> Seen {
    let at = Timestamp::from_nanos(i64::try_from(ms * 1_000_000).unwrap());
    Seen { at, frame: FrameRef::new(CaptureId(0), FrameNo(1)) }
}

fn offer(names: &[&str]) -> Offer {
    let mut offer = Offer::default();
    names.iter().for_each(|name| offer.alpn.add(name.as_bytes()));
    offer
}

fn begin(wrapping: Wrapping, offered: &[&str]) -> Inference {
    let choice = Choice { version: wrapping.0, suite: wrapping.1, ..Choice::default() };
    Inference::new(Some(&offer(offered)), &choice, FINISHED, seen(0)).unwrap()
}

fn facts(inside: &Inference) -> Facts {
    let mut sink = Sink::new(seen(0));
    inside.judge(&mut sink);
    let mut facts = Facts::default();
    for (seen, observation) in sink.observations {
        if let Observation::Fact(field, value) = observation {
            facts.add(field, value, seen);
        }
    }
    facts
}

/// What is inferred, and how clearly.
fn inferred(inside: &Inference) -> Option<(String, u64)> {
    let facts = facts(inside);
    let word = facts.first(&f::INSIDE)?.value.to_string();
    Some((word, facts.first(&f::INSIDE_SCORE)?.value.as_uint()?))
}

fn word(inside: &Inference) -> String {
    inferred(inside).map_or_else(|| String::from("-"), |(word, _)| word)
}

fn period(inside: &Inference) -> Option<Duration> {
    match facts(inside).first(&f::INSIDE_KEEP_ALIVE)?.value {
        Value::Span(span) => Some(span),
        _ => None,
    }
}

/// Talks. TLS 1.3 servers send their tickets before.
fn talk(wrapping: Wrapping, offered: &[&str], words: &[Word]) -> Inference {
    let mut inside = begin(wrapping, offered);
    if wrapping.0 == 0x0304 {
        inside.record(S, wrapping.2(233), seen(1));
        inside.record(S, wrapping.2(233), seen(1));
    }
    for (ms, role, bytes) in words {
        inside.record(*role, wrapping.2(*bytes), seen(*ms));
    }
    inside
}

/// An opening, and then pairs every `period` milliseconds.
fn with_pairs(
    opening: &[Word],
    period: u64,
    pairs: u64,
    client_first: bool,
    (client, server): (u16, u16),
) -> Vec<Word> {
    let mut words = opening.to_vec();
    for number in 1..=pairs {
        let at = 200 + number * period;
        let pair = if client_first { [(C, client), (S, server)] } else { [(S, server), (C, client)] };
        words.push((at, pair[0].0, pair[0].1));
        words.push((at + 30, pair[1].0, pair[1].1));
    }
    words
}

/// CONNECT, CONNACK, SUBSCRIBE, SUBACK.
const MQTT: &[Word] = &[(10, C, 46), (40, S, 4), (45, C, 30), (80, S, 5)];
/// A request to upgrade and its answer.
const UPGRADED: &[Word] = &[(10, C, 197), (40, S, 160)];

#[test]
fn an_idle_mqtt_client_is_told_by_its_pings() {
    for wrapping in EXACT {
        let inside = talk(wrapping, &[], &with_pairs(MQTT, 60_000, 4, true, (2, 2)));
        assert_eq!(inferred(&inside), Some((String::from("mqtt"), 95)), "{:04x}", wrapping.1);
        assert_eq!(period(&inside), Some(Duration::from_mins(1)));
    }
    // Sixteen lengths share a block: without ALPN it has no name, but a period.
    for wrapping in BLOCKS {
        let words = with_pairs(MQTT, 60_000, 5, true, (2, 2));
        let inside = talk(wrapping, &[], &words);
        assert_eq!((word(&inside).as_str(), period(&inside)), ("-", Some(Duration::from_mins(1))));
        assert_eq!(inferred(&talk(wrapping, &["mqtt"], &words)), Some((String::from("mqtt"), 95)));
    }
}

#[test]
fn a_websocket_is_told_by_the_mask_of_its_client() {
    for client_first in [true, false] {
        let words = with_pairs(UPGRADED, 20_000, 4, client_first, (10, 6));
        for wrapping in EXACT {
            let inside = talk(wrapping, &[], &words);
            let (word, score) = inferred(&inside).unwrap();
            assert!(word == "websocket" && score >= 80, "{:04x} {word} {score}", wrapping.1);
            assert_eq!(period(&inside), Some(Duration::from_secs(20)));
        }
        // In blocks the mask is lost: ALPN, or a server that pings, must add to the rest.
        for wrapping in BLOCKS {
            let inside = talk(wrapping, &[], &words);
            assert_eq!(word(&inside), if client_first { "-" } else { "websocket" }, "{:04x}", wrapping.1);
            assert_eq!(word(&talk(wrapping, &["http/1.1"], &words)), "websocket");
            assert_eq!(period(&inside), Some(Duration::from_secs(20)));
        }
    }
}

#[test]
fn requests_that_are_alike_are_http_whatever_their_bodies() {
    for wrapping in EXACT.iter().chain(&BLOCKS) {
        let mut words = Vec::new();
        for number in 0..6_u64 {
            let at = 10 + number * 5000;
            // Header and a short body apart, as http.client writes them.
            words.extend([(at, C, 130), (at + 1, C, 10), (at + 30, S, 180), (at + 31, S, 11)]);
        }
        assert_eq!(word(&talk(*wrapping, &["http/1.1"], &words)), "http", "{:04x}", wrapping.1);
        // Telemetry of a protocol of its own looks the same.
        assert_eq!(word(&talk(*wrapping, &[], &words)), "-", "{:04x}", wrapping.1);
    }
}

#[test]
fn an_application_protocol_that_was_agreed_on_says_more_than_lengths() {
    let mut choice = Choice { version: 0x0303, suite: 0xc02b, ..Choice::default() };
    choice.alpn.add(b"h2");
    let mut inside = Inference::new(Some(&offer(&["h2", "http/1.1"])), &choice, 0, seen(0)).unwrap();
    for (ms, role, bytes) in with_pairs(UPGRADED, 20_000, 4, true, (10, 6)) {
        inside.record(role, GCM.2(bytes), seen(ms));
    }
    assert_eq!(word(&inside), "http");
    assert_eq!(word(&talk(TLS13, &["mqtt"], &[(10, C, 46)])), "mqtt");
    assert_eq!(word(&talk(TLS13, &["x-amzn-mqtt-ca"], &[(10, C, 900), (50, S, 9)])), "mqtt");
}

/// Everything here has something of what is looked for, and is something else or cannot be known.
#[test]
fn what_only_resembles_them_is_not_named() {
    let counter: [(&str, Vec<Word>); 12] = [
        // Redis: PING is 14 bytes, PONG 7; other commands between.
        (
            "redis",
            with_pairs(&[(10, C, 14), (40, S, 7), (2000, C, 22), (2030, S, 4)], 3000, 9, true, (14, 7)),
        ),
        ("redis with AUTH", with_pairs(&[(10, C, 36), (40, S, 5)], 3000, 9, true, (14, 7))),
        // AMQP: header, Start, Start-Ok, …; heartbeats of both sides.
        ("amqp", with_pairs(&[(10, C, 8), (40, S, 500), (50, C, 300), (80, S, 20)], 30_000, 5, true, (8, 8))),
        // The server greets first.
        ("smtp", with_pairs(&[(10, S, 40), (40, C, 25), (50, S, 120)], 6000, 5, true, (6, 8))),
        // HTTP/2 without ALPN to go by: preface and settings, then pings.
        (
            "h2",
            with_pairs(
                &[(10, C, 64), (20, C, 60), (40, S, 40), (41, S, 9), (42, C, 9)],
                5000,
                5,
                true,
                (17, 17),
            ),
        ),
        // Pushed events: the client is silent, whether it is one or the other.
        (
            "pushes",
            (1..20).map(|n| (40 + n * 3000, S, 40)).fold(UPGRADED.to_vec(), |mut all, one| {
                all.push(one);
                all
            }),
        ),
        // Long messages both ways in a WebSocket look like neither.
        ("long messages", with_pairs(UPGRADED, 4000, 9, true, (110, 75))),
        // A login, then short commands; heartbeats of two bytes, but no CONNACK; a short answer, but longer heartbeats.
        ("commands", with_pairs(&[(10, C, 150), (40, S, 200)], 4000, 9, true, (20, 12))),
        ("heartbeats", with_pairs(&[(10, C, 100), (40, S, 120)], 4000, 9, true, (2, 2))),
        ("status", with_pairs(&[(10, C, 60), (40, S, 8)], 4000, 9, true, (4, 4))),
        ("one exchange", vec![(10, C, 90), (60, S, 700)]),
        ("silence", Vec::new()),
    ];
    for (what, words) in &counter {
        for wrapping in EXACT.iter().chain(&BLOCKS) {
            assert_eq!(word(&talk(*wrapping, &[], words)), "-", "{what} {:04x}", wrapping.1);
        }
    }
}

#[test]
fn padded_records_say_nothing() {
    let padded: Wrapping = (0x0304, 0x1301, |n| (n + 1).next_multiple_of(128) + 16);
    assert_eq!(word(&talk(padded, &[], &with_pairs(MQTT, 5000, 9, true, (2, 2)))), "-");
    assert_eq!(word(&talk(padded, &[], &with_pairs(UPGRADED, 5000, 9, true, (10, 6)))), "-");
    assert_eq!(word(&talk(padded, &["mqtt"], &with_pairs(MQTT, 5000, 9, true, (2, 2)))), "mqtt");
}

#[test]
fn a_client_certificate_of_tls_1_3_is_not_taken_for_content() {
    let choice = Choice { version: 0x0304, suite: 0x1301, ..Choice::default() };
    // The record that completed the handshake was a certificate: CertificateVerify and Finished follow.
    let mut inside = Inference::new(Some(&offer(&[])), &choice, 900, seen(0)).unwrap();
    inside.record(C, TLS13.2(80), seen(1));
    inside.record(C, FINISHED, seen(1));
    for (ms, role, bytes) in with_pairs(MQTT, 30_000, 3, true, (2, 2)) {
        inside.record(role, TLS13.2(bytes), seen(ms));
    }
    assert_eq!(inferred(&inside), Some((String::from("mqtt"), 95)));
}

#[test]
fn pings_that_other_traffic_delays_or_hides_keep_their_period() {
    let mut words = with_pairs(MQTT, 10_000, 7, true, (2, 2));
    // Something was sent in between: the third and those after it come later.
    words.iter_mut().filter(|(ms, ..)| *ms > 30_000).for_each(|(ms, ..)| *ms += 6_000);
    words.push((26_000, C, 60));
    words.sort_by_key(|(ms, ..)| *ms);
    assert_eq!(period(&talk(GCM, &[], &words)), Some(Duration::from_secs(10)));
    // TLS 1.3 says goodbye with two bytes on both sides, soon after a ping.
    let mut words = with_pairs(MQTT, 10_000, 4, true, (2, 2));
    words.extend([(42_000, C, 2), (42_030, S, 2)]);
    assert_eq!(period(&talk(TLS13, &[], &words)), Some(Duration::from_secs(10)));
}

#[test]
fn a_client_that_publishes_and_leaves_is_told_where_lengths_are_exact() {
    let words = [(10, C, 40), (40, S, 4), (45, C, 30), (46, C, 2)];
    assert_eq!(word(&talk(GCM, &[], &words)), "mqtt");
    // In TLS 1.3 its close_notify looks the same: both must be there.
    assert_eq!(word(&talk(TLS13, &[], &words)), "-");
    let both = [&words[..], &[(47, C, 2), (80, S, 2)]].concat();
    let inside = talk(TLS13, &[], &both);
    assert!(word(&inside) == "mqtt" && inside.says_goodbye());
    assert!(!talk(TLS13, &[], &words).says_goodbye() && !talk(TLS13, &[], MQTT).says_goodbye());
    assert_eq!(word(&talk(CBC_SHA1, &[], &words)), "-");
}

#[test]
fn early_data_and_unknown_suites_are_left_alone() {
    let choice = Choice { version: 0x0304, suite: 0x1301, ..Choice::default() };
    let early = Offer { early_data: true, ..Offer::default() };
    assert!(Inference::new(Some(&early), &choice, FINISHED, seen(0)).is_none());
    assert!(Inference::new(None, &choice, FINISHED, seen(0)).is_none());
    let unknown = Choice { version: 0x0303, suite: 0xeaea, ..Choice::default() };
    assert!(Inference::new(Some(&offer(&[])), &unknown, 0, seen(0)).is_none());
}

#[test]
fn any_records_are_borne_in_little_memory() {
    assert!(size_of::<Inference>() <= 800, "{}", size_of::<Inference>());
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    for wrapping in EXACT.iter().chain(&BLOCKS) {
        let mut inside = begin(*wrapping, &[]);
        for _ in 0..u64::from(ENOUGH) + 10 {
            let role = if next() % 2 == 0 { C } else { S };
            // Times may go back.
            let at = next() % 1_000_000;
            inside.record(role, u16::try_from(next() & 0xffff).unwrap(), seen(at));
        }
        assert!(inside.records <= ENOUGH);
        facts(&inside);
    }
}

/// Long records counted beside it make no difference.
#[test]
fn long_records_count_as_if_each_were_looked_at() {
    let mut seed = 0x9e37_79b9_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for (turn, wrapping) in EXACT.into_iter().chain(BLOCKS).cycle().take(200).enumerate() {
        let (mut each, mut beside, mut bulk) = (begin(wrapping, &[]), begin(wrapping, &[]), None::<Bulk>);
        let (mut ms, mut role, mut counted) = (0, C, 0);
        for _ in 0..400 {
            ms += if random(20) == 0 { random(3_000) } else { random(30) };
            if random(6) == 0 {
                role = if role == C { S } else { C };
            }
            let bytes = if random(4) == 0 { random(200) } else { 900 + random(15_000) };
            let length = (wrapping.2)(bytes as u16);
            each.record(role, length, seen(ms));
            if bulk.as_mut().is_some_and(|bulk| bulk.goes_on(role, length, seen(ms))) {
                counted += 1;
                continue;
            }
            bulk.take().iter().for_each(|bulk| beside.add_bulk(bulk));
            beside.record(role, length, seen(ms));
            bulk = beside.bulk(role, length);
        }
        bulk.iter().for_each(|bulk| beside.add_bulk(bulk));
        assert_eq!(format!("{beside:?}"), format!("{each:?}"), "turn {turn}");
        assert!(counted > 20, "{counted}");
    }
}
