//! Recordings of `openssl s_client` and `s_server` (3.0), which wrote their secrets down; the server sends each line back in
//! reverse. What is expected is what both were told to say, and tshark's reading of the same.

use std::sync::Arc;

use super::super::{fields as f, start};
use crate::analyzers::{Context, Next, Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{
    CaptureId, Endpoint, Facts, Field, FrameNo, FrameRef, Observation, Secrets, Timestamp, Transport,
};

const C: Role = Role::Client;
const S: Role = Role::Server;

macro_rules! recordings {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../decrypt/testdata/", $name, ".txt")))),*] };
}

/// Each with two lines, `one` and `two`.
const PLAIN: &[(&str, &str)] = recordings!(
    "tls12_aes128_gcm" "tls12_aes256_gcm" "tls12_chacha20" "tls12_cbc_sha1" "tls12_cbc_sha1_etm"
    "tls12_cbc_sha256" "tls12_cbc_sha256_etm" "tls12_cbc_sha384" "tls12_cbc_sha384_etm"
    "tls12_renegotiation" "tls13_aes128" "tls13_aes256" "tls13_chacha20" "tls13_padded" "tls13_mutual"
);
const OTHERS: &[(&str, &str)] =
    recordings!("tls13_early" "tls13_early_refused" "tls13_key_update" "tls13_refused");

fn recording(name: &str) -> &'static str {
    let mut all = PLAIN.iter().chain(OTHERS);
    all.find(|(known, _)| *known == name).expect("it was recorded").1
}

/// What happens to a stream; `None` for bytes that are missing.
type Steps = Vec<(Role, Vec<u8>, Option<u64>)>;

fn steps(text: &str) -> Steps {
    let unhex = |hex: &str| {
        let pairs = hex.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    };
    let step = |line: &str| match line.split_at(2) {
        ("> ", hex) => Some((C, unhex(hex), None)),
        ("< ", hex) => Some((S, unhex(hex), None)),
        _ => None,
    };
    text.lines().filter_map(step).collect()
}

fn secrets(text: &str) -> Secrets {
    let mut secrets = Secrets::with_room(100_000);
    secrets.read(text.as_bytes());
    secrets
}

/// What was observed, and what was handed on.
#[derive(Debug, Default)]
struct Seen1 {
    facts: Facts,
    client: Vec<u8>,
    server: Vec<u8>,
    gaps: usize,
    next: Option<Next>,
    held: usize,
}

fn observe(secrets: Secrets, steps: &Steps) -> Seen1 {
    let end = |port| Endpoint { ip: [192, 0, 2, 1].into(), port };
    let mut analyzer = start(&Context {
        transport: Transport::Tcp,
        client: end(50_000),
        server: end(4433),
        from_start: true,
        secrets: (!secrets.is_empty()).then(|| Arc::new(secrets)),
    });
    let mut seen = Seen1::default();
    let at = |frame| Seen { at: Timestamp::new(0, 0), frame: FrameRef::new(CaptureId(0), FrameNo(frame)) };
    let mut done = false;
    for (number, (role, bytes, missed)) in (1..).zip(steps) {
        let mut sink = Sink::new(at(number));
        match missed {
            _ if done => {}
            None => analyzer.data(*role, bytes, &mut sink),
            Some(missed) => analyzer.gap(*role, *missed, &mut sink),
        }
        done |= sink.done;
        seen.held = seen.held.max(analyzer.held());
        collect(&mut seen, sink);
    }
    let mut sink = Sink::new(at(steps.len() as u64));
    analyzer.end(&mut sink);
    collect(&mut seen, sink);
    seen
}

fn collect(seen: &mut Seen1, sink: Sink) {
    for (at, observation) in sink.observations {
        if let Observation::Fact(field, value) = observation {
            seen.facts.add(field, value, at);
        }
    }
    for (role, bytes) in sink.forwarded {
        seen.gaps += usize::from(bytes.is_empty());
        if role == C { &mut seen.client } else { &mut seen.server }.extend(bytes);
    }
    if let Some(next) = sink.next {
        assert_eq!(seen.next.replace(next), None, "handed over once");
    }
}

fn with_keys(name: &str) -> Seen1 {
    observe(secrets(recording(name)), &steps(recording(name)))
}

fn all(seen: &Seen1, field: &'static Field) -> Vec<String> {
    seen.facts.of(field).map(|fact| fact.value.to_string()).collect()
}

#[test]
fn every_cipher_is_opened() {
    for (name, text) in PLAIN {
        let seen = observe(secrets(text), &steps(text));
        assert_eq!(all(&seen, &f::DECRYPTION), ["decrypted"], "{name}");
        assert_eq!(seen.client, b"one\ntwo\n", "{name}");
        assert_eq!(seen.server, b"eno\nowt\n", "{name}");
        assert_eq!(seen.gaps, 0, "{name}");
        assert_eq!(all(&seen, &f::CERTIFICATE), ["visible"], "{name}");
        assert_eq!(all(&seen, &f::CERTIFICATE_CN), ["broker.example"], "{name}");
        assert_eq!(all(&seen, &f::HANDSHAKE_COMPLETED), ["yes"], "{name}");
        assert_eq!(all(&seen, &f::APPLICATION_DATA), ["yes"], "{name}");
        assert_eq!(all(&seen, &f::CLIENT_WARNING_ALERT), ["close_notify"], "{name}");
        // ecdsa_secp256r1_sha256
        assert_eq!(all(&seen, &f::KEY_EXCHANGE_SIGNATURE), ["1027"], "{name}");
        assert!(!seen.facts.has(&f::ANOMALY) && !seen.facts.has(&f::HANDSHAKE_FAILED), "{name}");
        assert!(!seen.facts.has(&f::PROBABLE_CLOSE_NOTIFY), "{name}: seen, not inferred");
        let alpn = if *name == "tls13_mutual" { Next::Named("mqtt") } else { Next::Probe };
        assert_eq!(seen.next, Some(alpn), "{name}");
    }
}

#[test]
fn tls13_shows_what_it_hides() {
    let seen = with_keys("tls13_mutual");
    assert_eq!(all(&seen, &f::ALPN), ["mqtt"]);
    assert_eq!(all(&seen, &f::CERTIFICATE_REQUESTED), ["yes"]);
    assert_eq!(all(&seen, &f::CLIENT_CERTIFICATE), ["sent"]);
    assert_eq!(all(&seen, &f::CLIENT_CN), ["device-7"]);
    assert_eq!(all(&seen, &f::CLIENT_VERIFIED), ["yes"]);
    let seen = with_keys("tls13_refused");
    assert_eq!(all(&seen, &f::CLIENT_CERTIFICATE), ["empty"]);
    assert_eq!(all(&seen, &f::SERVER_FATAL_ALERT), ["certificate_required"]);
    assert_eq!(all(&seen, &f::HANDSHAKE_FAILED), ["server-alert"]);
    assert!(!seen.facts.has(&f::PROBABLE_REJECTION));
}

#[test]
fn keys_are_updated_and_early_data_counts_where_it_was_taken() {
    let seen = with_keys("tls13_key_update");
    assert_eq!(
        (seen.client.as_slice(), seen.server.as_slice()),
        (&b"one\ntwo\nthree\n"[..], &b"eno\nowt\neerht\n"[..])
    );
    assert_eq!(all(&seen, &f::DECRYPTION), ["decrypted"]);
    let seen = with_keys("tls13_early");
    assert_eq!(seen.client, b"early data\none\n");
    assert_eq!(all(&seen, &f::CERTIFICATE), ["resumed"]);
    let seen = with_keys("tls13_early_refused");
    assert_eq!(seen.client, b"one\n");
    assert_eq!(all(&seen, &f::EARLY_DATA), ["yes"]);
    assert_eq!(all(&seen, &f::DECRYPTION), ["decrypted"]);
}

#[test]
fn it_does_not_matter_how_the_stream_is_cut() {
    for (name, text) in PLAIN.iter().chain(OTHERS) {
        let whole = observe(secrets(text), &steps(text));
        let single: Steps = steps(text)
            .into_iter()
            .flat_map(|(role, bytes, _)| bytes.into_iter().map(move |byte| (role, vec![byte], None)))
            .collect();
        let single = observe(secrets(text), &single);
        assert_eq!((&single.client, &single.server), (&whole.client, &whole.server), "{name}");
        let plain = |seen: &Seen1| {
            seen.facts.iter().map(|fact| (fact.field.name, fact.value.clone())).collect::<Vec<_>>()
        };
        assert_eq!(plain(&single), plain(&whole), "{name}");
    }
}

#[test]
fn without_secrets_of_the_connection_nothing_else_changes() {
    for (name, text) in PLAIN.iter().chain(OTHERS) {
        let steps = steps(text);
        let none = observe(Secrets::default(), &steps);
        let others = observe(secrets(&text.replace("CLIENT_RANDOM ", "X ").replace("_SECRET", "_X")), &steps);
        assert!(!none.facts.has(&f::DECRYPTION) && none.next.is_none(), "{name}");
        assert_eq!(none.facts.iter().count(), others.facts.iter().count(), "{name}: no secret at all");
        let (key, _) = text.split_once('\n').unwrap();
        let random = key.split(' ').nth(1).unwrap();
        let foreign = observe(secrets(&text.replace(random, &"07".repeat(32))), &steps);
        if *name != "tls12_renegotiation" {
            assert_eq!(all(&foreign, &f::DECRYPTION), ["no-keys"], "{name}");
        }
        let known = |seen: &Seen1| {
            let facts = seen.facts.iter().filter(|fact| fact.field.name != f::DECRYPTION.name);
            facts.map(|fact| (fact.field.name, fact.value.clone())).collect::<Vec<_>>()
        };
        assert_eq!(known(&foreign), known(&none), "{name}");
        assert!(foreign.client.is_empty() && foreign.server.is_empty(), "{name}");
    }
}

#[test]
fn wrong_secrets_open_nothing_and_the_facts_are_those_without() {
    for (name, text) in PLAIN {
        // The last digit of each secret is another one.
        let lines = text.lines().filter(|line| line.starts_with(['C', 'S']));
        let wrong = lines.fold(String::new(), |all, line| {
            let (rest, last) = line.split_at(line.len() - 1);
            all + rest + if last == "0" { "1\n" } else { "0\n" }
        });
        let seen = observe(secrets(&wrong), &steps(text));
        assert_eq!(all(&seen, &f::DECRYPTION), ["keys-not-fitting"], "{name}");
        assert!(seen.client.is_empty() && seen.server.is_empty(), "{name}");
        let known = |seen: &Seen1| {
            let facts = seen.facts.iter().filter(|fact| fact.field.name != f::DECRYPTION.name);
            let mut all: Vec<_> = facts.map(|fact| (fact.field.name, fact.value.clone())).collect();
            all.sort();
            all
        };
        assert_eq!(known(&seen), known(&observe(Secrets::default(), &steps(text))), "{name}");
    }
}

/// Whether `part` is `whole` with stretches left out.
fn is_left_of(part: &[u8], whole: &[u8]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|byte| rest.any(|other| other == byte))
}

#[test]
fn a_damaged_record_is_told_and_nothing_is_made_up() {
    for (name, text) in PLAIN.iter().chain(OTHERS) {
        let steps = steps(text);
        let whole = observe(secrets(text), &steps);
        for number in 0..steps.len() {
            for at in (0..steps[number].1.len()).rev().step_by(29) {
                let mut damaged = steps.clone();
                damaged[number].1[at] ^= 0x04;
                let seen = observe(secrets(text), &damaged);
                assert!(is_left_of(&seen.client, &whole.client), "{name} {number} {at}: {seen:?}");
                assert!(is_left_of(&seen.server, &whole.server), "{name} {number} {at}: {seen:?}");
            }
        }
    }
}

#[test]
fn a_gap_is_told_and_what_follows_is_opened_where_it_can_be() {
    for (name, text) in PLAIN.iter().chain(OTHERS) {
        let steps = steps(text);
        let whole = observe(secrets(text), &steps);
        for number in 0..steps.len() {
            let (role, bytes, _) = steps[number].clone();
            for at in (0..bytes.len()).step_by(23) {
                let missed = (bytes.len() - at).min(9);
                let parts = [
                    (role, bytes[..at].to_vec(), None),
                    (role, Vec::new(), Some(missed as u64)),
                    (role, bytes[at + missed..].to_vec(), None),
                ];
                let mut cut = steps.clone();
                cut.splice(number..=number, parts);
                let seen = observe(secrets(text), &cut);
                assert!(is_left_of(&seen.client, &whole.client), "{name} {number} {at}: {seen:?}");
                assert!(is_left_of(&seen.server, &whole.server), "{name} {number} {at}: {seen:?}");
                // What is said of the handshake is what is said without a gap, or nothing.
                for field in [
                    &f::CERTIFICATE_CN,
                    &f::CLIENT_CN,
                    &f::CERTIFICATE_REQUESTED,
                    &f::CLIENT_CERTIFICATE,
                    &f::ALPN,
                ] {
                    let (known, all) = (all(&seen, field), all(&whole, field));
                    assert!(known.iter().all(|value| all.contains(value)), "{name} {number} {at}: {known:?}");
                }
                let visible = all(&seen, &f::CERTIFICATE) == ["visible"];
                let asked = seen.facts.has(&f::CERTIFICATE_REQUESTED);
                assert!(
                    !visible || asked == whole.facts.has(&f::CERTIFICATE_REQUESTED),
                    "{name} {number} {at}"
                );
                assert!(all(&seen, &f::CERTIFICATE).len() <= 1, "{name} {number} {at}: {seen:?}");
                let complete = seen.client == whole.client && seen.server == whole.server;
                let told = all(&seen, &f::DECRYPTION).iter().any(|word| word != "decrypted");
                let hidden = !seen.facts.has(&f::DECRYPTION);
                assert!(complete || told || hidden || seen.gaps > 0, "{name} {number} {at}: {seen:?}");
            }
        }
    }
    // One record of the first line is lost in part: the second line is there all the same.
    for name in ["tls12_aes128_gcm", "tls12_cbc_sha256", "tls13_aes128"] {
        let mut steps = steps(recording(name));
        let first = steps.iter().position(|(role, bytes, _)| *role == C && bytes[0] == 23).unwrap();
        let bytes = steps[first].1.clone();
        let last = bytes.len() as u64 - 8;
        steps.splice(first..=first, [(C, bytes[..8].to_vec(), None), (C, Vec::new(), Some(last))]);
        let seen = observe(secrets(recording(name)), &steps);
        assert_eq!(all(&seen, &f::DECRYPTION), ["decrypted", "gap"], "{name}");
        assert_eq!(seen.client, b"two\n", "{name}");
        assert_eq!(seen.server, b"eno\nowt\n", "{name}");
    }
}

#[test]
fn parts_of_the_secrets_open_parts() {
    let text = recording("tls13_mutual");
    let without = |label: &str| {
        let lines = text.lines().filter(|line| !line.starts_with(label));
        lines.fold(String::new(), |all, line| all + line + "\n")
    };
    let seen = observe(secrets(&without("CLIENT_HANDSHAKE")), &steps(text));
    assert_eq!(seen.client, b"one\ntwo\n", "the handshake ends with the first record of data");
    assert_eq!(all(&seen, &f::CERTIFICATE), ["visible"]);
    assert!(!seen.facts.has(&f::CLIENT_CERTIFICATE));
    let seen = observe(secrets(&without("SERVER_")), &steps(text));
    assert_eq!((seen.client.as_slice(), seen.server.len()), (&b"one\ntwo\n"[..], 0));
    assert_eq!(all(&seen, &f::DECRYPTION), ["no-keys", "decrypted"]);
    assert_eq!(all(&seen, &f::CERTIFICATE), ["encrypted"]);
}

#[test]
fn a_record_that_overtook_the_answer_waits_for_it() {
    let text = recording("tls13_aes128");
    let mut steps = steps(text);
    let hello = steps.iter().position(|(role, ..)| *role == S).unwrap();
    let second = steps.iter().skip(1).position(|(role, ..)| *role == C).unwrap() + 1;
    let finished = steps.remove(second);
    steps.insert(hello, finished);
    let seen = observe(secrets(text), &steps);
    assert_eq!(seen.client, b"one\ntwo\n");
    assert_eq!(all(&seen, &f::DECRYPTION), ["decrypted"]);
}

#[test]
fn nothing_is_missing_where_a_suite_is_not_opened() {
    let text = recording("tls13_aes128");
    let mut steps = steps(text);
    let (_, hello, _) = steps.iter_mut().find(|(role, ..)| *role == S).unwrap();
    // Record and message header, version, random, session identifier; then TLS_AES_128_CCM_SHA256.
    let suite = 5 + 4 + 2 + 32 + 1 + usize::from(hello[43]);
    assert_eq!(hello[suite..suite + 2], [0x13, 0x01]);
    hello[suite + 1] = 0x04;
    let seen = observe(secrets(text), &steps);
    assert_eq!(all(&seen, &f::DECRYPTION), ["unsupported"]);
    assert_eq!((seen.client.len(), seen.gaps), (0, 0));
}

#[test]
fn what_is_held_is_bounded_and_there_only_with_secrets() {
    let text = recording("tls13_early");
    let mut long = steps(text);
    // Early data without end, before the server answers.
    let record = [&[23, 3, 3, 0x40, 0][..], &[0; 0x4000]].concat();
    long.truncate(1);
    long.extend((0..20).map(|_| (C, record.clone(), None)));
    let seen = observe(secrets(text), &long);
    assert!(seen.held > 0x4000 && seen.held < 0x1_8000, "{}", seen.held);
    assert_eq!(observe(Secrets::default(), &long).held, 0);
}
