//! Whole connections. What is expected comes from tshark, from `openssl x509` and from what the
//! recording commands asked for; the recordings are in `testdata`.

use super::fields as f;
use super::probe::probe;
use super::{FIELDS, start};
use crate::analyzers::{Analyzer, Context, Probe, ProbeInput, Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{
    CaptureId, Endpoint, Facts, Field, FrameNo, FrameRef, Observation, Timestamp, Transport, Value,
};

/// Segments in order.
type Talk = Vec<(Role, Vec<u8>)>;

const C: Role = Role::Client;
const S: Role = Role::Server;

macro_rules! recording {
    ($name:literal) => {
        parse(include_str!(concat!("testdata/", $name, ".txt")))
    };
}

pub(super) fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let text = String::from_utf8(digits).unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn parse(text: &str) -> Talk {
    let line = |line: &str| match line.split_at(2) {
        ("> ", hex) => Some((C, unhex(hex))),
        ("< ", hex) => Some((S, unhex(hex))),
        _ => None,
    };
    text.lines().filter_map(line).collect()
}

/// 2026-11-22, within the validity of the recorded certificates.
const RECORDED: i64 = 1_795_305_600;

pub(super) fn seen(frame: u64, at: i64) -> Seen {
    Seen { at: Timestamp::new(at, 0), frame: FrameRef::new(CaptureId(0), FrameNo(frame)) }
}

fn analyzer(from_start: bool) -> Box<dyn Analyzer> {
    let end = |port| Endpoint { ip: [192, 0, 2, 1].into(), port };
    start(&Context {
        transport: Transport::Tcp,
        client: end(50_000),
        server: end(8883),
        from_start,
        secrets: None,
    })
}

/// What happens to a stream.
enum Event<'a> {
    Data(Role, &'a [u8]),
    Gap(Role, u64),
}

/// The facts of a flow; the frame of each event is its number from 1.
fn observe(from_start: bool, at: i64, events: &[Event<'_>]) -> Facts {
    let mut analyzer = analyzer(from_start);
    let mut facts = Facts::default();
    let mut done = false;
    for (number, event) in (1..).zip(events) {
        let mut sink = Sink::new(seen(number, at));
        match event {
            Event::Data(role, bytes) if !done => analyzer.data(*role, bytes, &mut sink),
            Event::Gap(role, missed) if !done => analyzer.gap(*role, *missed, &mut sink),
            _ => {}
        }
        done |= sink.done;
        collect(&mut facts, sink);
    }
    let mut sink = Sink::new(seen(events.len() as u64, at));
    analyzer.end(&mut sink);
    collect(&mut facts, sink);
    facts
}

fn collect(facts: &mut Facts, sink: Sink) {
    for (seen, observation) in sink.observations {
        if let Observation::Fact(field, value) = observation {
            facts.add(field, value, seen);
        }
    }
}

fn events(talk: &Talk) -> Vec<Event<'_>> {
    talk.iter().map(|(role, bytes)| Event::Data(*role, bytes)).collect()
}

fn facts(talk: &Talk) -> Facts {
    observe(true, RECORDED, &events(talk))
}

/// Values of a field as text, in order.
fn all(facts: &Facts, field: &'static Field) -> Vec<String> {
    facts.of(field).map(|fact| fact.value.to_string()).collect()
}

fn one(facts: &Facts, field: &'static Field) -> String {
    let values = all(facts, field);
    assert_eq!(values.len(), 1, "{}: {values:?}", field.name);
    values.into_iter().next().unwrap()
}

/// Field and value of everything observed, without frames.
fn plain(facts: &Facts) -> Vec<(&'static str, Value)> {
    facts.iter().map(|fact| (fact.field.name, fact.value.clone())).collect()
}

fn frame(facts: &Facts, field: &'static Field) -> u64 {
    facts.first(field).unwrap().evidence.first.frame.no().0
}

fn record(content: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [&[content, 3, 3], &length[..], body].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (body.len() as u32).to_be_bytes();
    [&[kind, a, b, c], body].concat()
}

// ---- Recorded connections.

#[test]
fn mutual_tls12_shows_both_certificates_and_what_was_agreed() {
    let facts = facts(&recording!("tls12_mutual"));
    let text = |field| one(&facts, field);
    assert_eq!(text(&f::SNI), "broker.example");
    assert_eq!(text(&f::OFFERED_VERSION), "771");
    // ECDHE-ECDSA-AES128-GCM-SHA256 and AES128-SHA; the SCSV of OpenSSL is no suite.
    assert_eq!(all(&facts, &f::OFFERED_SUITE), ["49195", "47"]);
    assert_eq!(text(&f::OFFERED_RENEGOTIATION_INFO), "scsv");
    assert_eq!(all(&facts, &f::OFFERED_ALPN), ["mqtt", "h2"]);
    assert_eq!(text(&f::VERSION), "771");
    assert_eq!(text(&f::SUITE), "49195");
    assert_eq!(text(&f::GROUP), "29");
    assert_eq!(text(&f::KEY_EXCHANGE_SIGNATURE), 0x0403.to_string());
    assert_eq!(text(&f::ALPN), "mqtt");
    assert!(facts.has(&f::EXTENDED_MASTER_SECRET) && facts.has(&f::SECURE_RENEGOTIATION));
    assert!(!facts.has(&f::ENCRYPT_THEN_MAC) && !facts.has(&f::COMPRESSION) && !facts.has(&f::RESUMED));
    assert_eq!(text(&f::CERTIFICATE), "visible");
    assert_eq!(text(&f::CERTIFICATE_SUBJECT), "CN=broker.example,O=Example Devices");
    assert_eq!(text(&f::CERTIFICATE_CN), "broker.example");
    assert_eq!(all(&facts, &f::CERTIFICATE_DNS), ["broker.example", "*.iot.example"]);
    assert_eq!(text(&f::CERTIFICATE_IP), "192.0.2.7");
    assert_eq!(text(&f::CERTIFICATE_ISSUER), "CN=Example Root,O=Example Trust,C=AT");
    assert_eq!(text(&f::CERTIFICATE_ISSUER_O), "Example Trust");
    assert_eq!(text(&f::CERTIFICATE_ISSUER_CN), "Example Root");
    assert_eq!((text(&f::CERTIFICATE_KEY_TYPE), text(&f::CERTIFICATE_KEY_BITS)), ("ec".into(), "256".into()));
    assert_eq!(text(&f::CERTIFICATE_SIGNATURE), "ecdsa-with-SHA256");
    assert_eq!(text(&f::CERTIFICATE_HASH), "sha256");
    assert_eq!(text(&f::CERTIFICATE_NOT_BEFORE), "2026-11-21T00:55:02.000000Z");
    assert_eq!(text(&f::CERTIFICATE_NOT_AFTER), "2029-01-29T00:55:02.000000Z");
    assert_eq!(text(&f::CERTIFICATE_VALIDITY), "valid");
    assert!(!facts.has(&f::CERTIFICATE_SELF_SIGNED));
    // openssl x509 -pubkey | openssl pkey -pubin -outform DER | sha256sum
    let pin = "4b320aa1468889cd8074329b3be84c942ab328a8da06aea2eade02a94cc9eb00";
    assert_eq!(text(&f::SPKI_SHA256), pin);
    assert_eq!((text(&f::CHAIN_LENGTH), text(&f::CHAIN_KEY)), ("2".into(), "ec 256".into()));
    assert!(!facts.has(&f::CHAIN_SIGNATURE), "the second certificate is the root itself");
    assert!(facts.has(&f::CERTIFICATE_REQUESTED) && facts.has(&f::CLIENT_VERIFIED));
    assert_eq!(text(&f::CLIENT_CERTIFICATE), "sent");
    assert_eq!(text(&f::CLIENT_SUBJECT), "CN=device-1,O=Example Devices");
    assert_eq!((text(&f::CLIENT_KEY_TYPE), text(&f::CLIENT_KEY_BITS)), ("ec".into(), "521".into()));
    assert_eq!(text(&f::CLIENT_SIGNATURE), "ecdsa-with-SHA256");
    assert_eq!(frame(&facts, &f::HANDSHAKE_COMPLETED), 4);
    assert_eq!(frame(&facts, &f::APPLICATION_DATA), 5);
    assert_eq!(all(&facts, &f::CLOSING_ALERT), ["client", "server"]);
    for silent in [&f::ANOMALY, &f::HANDSHAKE_FAILED, &f::HANDSHAKE_UNFINISHED, &f::HANDSHAKE_INCOMPLETE] {
        assert!(!facts.has(silent), "{}", silent.name);
    }
}

#[test]
fn a_resumed_session_names_the_connection_that_issued_it() {
    let (first, second) = (facts(&recording!("tls12_mutual")), facts(&recording!("tls12_resumed")));
    assert_eq!(one(&second, &f::RESUMED), "ticket");
    assert_eq!(one(&second, &f::OFFERED_TICKET), "presented");
    assert_eq!(one(&second, &f::SESSION_RESUMED), one(&first, &f::SESSION_ISSUED));
    assert_eq!(one(&second, &f::CERTIFICATE), "resumed");
    assert!(!second.has(&f::CLIENT_CERTIFICATE));
    assert_eq!(frame(&second, &f::HANDSHAKE_COMPLETED), 3);

    let (first, second) = (facts(&recording!("tls10_dhe")), facts(&recording!("tls10_resumed")));
    assert_eq!(one(&second, &f::RESUMED), "session-id");
    assert_eq!(one(&second, &f::SESSION_RESUMED), one(&first, &f::SESSION_ISSUED));
    assert!(!second.has(&f::SESSION_ISSUED));
}

#[test]
fn tls10_with_a_weak_self_signed_key_and_a_small_prime() {
    let facts = facts(&recording!("tls10_dhe"));
    assert_eq!(one(&facts, &f::VERSION), "769");
    assert_eq!(one(&facts, &f::SUITE), "57");
    assert_eq!(one(&facts, &f::DH_BITS), "1024");
    assert!(!facts.has(&f::GROUP) && !facts.has(&f::KEY_EXCHANGE_SIGNATURE));
    assert!(facts.has(&f::ENCRYPT_THEN_MAC));
    assert_eq!(one(&facts, &f::CERTIFICATE_KEY_TYPE), "rsa");
    assert_eq!(one(&facts, &f::CERTIFICATE_KEY_BITS), "1024");
    assert_eq!(one(&facts, &f::CERTIFICATE_SIGNATURE), "sha1WithRSAEncryption");
    assert_eq!(one(&facts, &f::CERTIFICATE_HASH), "sha1");
    assert!(facts.has(&f::CERTIFICATE_SELF_SIGNED));
}

#[test]
fn validity_is_judged_at_packet_time() {
    let talk = recording!("tls12_mutual");
    let at = |time| one(&observe(true, time, &events(&talk)), &f::CERTIFICATE_VALIDITY);
    assert_eq!(at(1_577_836_800), "not-yet-valid");
    assert_eq!(at(RECORDED), "valid");
    assert_eq!(at(2_000_000_000), "expired");
}

#[test]
fn an_anonymous_suite_has_no_certificate() {
    let facts = facts(&recording!("tls12_anonymous"));
    assert_eq!(one(&facts, &f::CERTIFICATE), "none");
    assert_eq!(one(&facts, &f::DH_BITS), "1024");
    assert!(facts.has(&f::HANDSHAKE_COMPLETED) && !facts.has(&f::APPLICATION_DATA));
}

#[test]
fn a_second_handshake_is_seen_though_it_is_encrypted() {
    let facts = facts(&recording!("tls12_renegotiation"));
    assert_eq!(all(&facts, &f::RENEGOTIATION), ["started", "completed"]);
    assert_eq!(frame(&facts, &f::HANDSHAKE_COMPLETED), 4);
    assert!(!crate::analyzers::tls::tests::facts(&recording!("tls12_mutual")).has(&f::RENEGOTIATION));
}

#[test]
fn refused_handshakes_say_who_refused_and_why() {
    let cases = [
        (recording!("tls11_refused"), &f::SERVER_FATAL_ALERT, "protocol_version", "server-alert"),
        (recording!("tls12_unknown_ca"), &f::CLIENT_FATAL_ALERT, "unknown_ca", "client-alert"),
        (recording!("tls13_unknown_ca"), &f::CLIENT_FATAL_ALERT, "unknown_ca", "client-alert"),
        (
            recording!("tls12_no_client_certificate"),
            &f::SERVER_FATAL_ALERT,
            "handshake_failure",
            "server-alert",
        ),
    ];
    for (talk, field, description, how) in cases {
        let facts = facts(&talk);
        assert_eq!(one(&facts, field), description);
        assert_eq!(one(&facts, &f::HANDSHAKE_FAILED), how);
        assert!(!facts.has(&f::HANDSHAKE_COMPLETED) && !facts.has(&f::HANDSHAKE_UNFINISHED));
    }
    let facts = facts(&recording!("tls12_no_client_certificate"));
    assert_eq!(one(&facts, &f::CLIENT_CERTIFICATE), "empty");
    assert!(!facts.has(&f::CLIENT_SUBJECT) && !facts.has(&f::CLIENT_VERIFIED));
}

#[test]
fn tls13_shows_its_hello_and_hides_the_rest() {
    let facts = facts(&recording!("tls13"));
    assert_eq!(one(&facts, &f::OFFERED_VERSION), "772");
    assert_eq!(one(&facts, &f::VERSION), "772");
    assert_eq!(one(&facts, &f::SUITE), 0x1302.to_string());
    assert_eq!(one(&facts, &f::GROUP), "29");
    assert_eq!(one(&facts, &f::CERTIFICATE), "encrypted");
    assert!(!facts.has(&f::ALPN) && !facts.has(&f::CERTIFICATE_REQUESTED) && !facts.has(&f::RESUMED));
    assert_eq!(frame(&facts, &f::HANDSHAKE_COMPLETED), 3);
    assert_eq!(frame(&facts, &f::APPLICATION_DATA), 6);
    // Both sent close_notify.
    assert_eq!(all(&facts, &f::PROBABLE_CLOSE_NOTIFY), ["client", "server"]);
    assert_eq!(frame(&facts, &f::PROBABLE_CLOSE_NOTIFY), 7);
    assert!(!facts.has(&f::CLOSING_ALERT) && !facts.has(&f::RENEGOTIATION));
}

#[test]
fn tls13_resumption_is_told_from_the_selected_key() {
    let resumed = facts(&recording!("tls13_resumed"));
    assert_eq!(one(&resumed, &f::RESUMED), "psk");
    assert_eq!(one(&resumed, &f::CERTIFICATE), "resumed");
    assert!(resumed.has(&f::OFFERED_PSK) && !resumed.has(&f::PSK_ONLY) && !resumed.has(&f::EARLY_DATA));
    assert_eq!(frame(&resumed, &f::HANDSHAKE_COMPLETED), 3);

    let early = facts(&recording!("tls13_early"));
    assert!(early.has(&f::EARLY_DATA) && early.has(&f::EARLY_DATA_SENT));
    assert_eq!(one(&early, &f::EARLY_DATA_ANSWER), "probably-accepted");
    // Both connections used the one ticket that the recording was given.
    assert_eq!(one(&early, &f::SESSION_RESUMED).len(), "ticket:".len() + 32);
    assert_eq!(one(&resumed, &f::OFFERED_PSK_MODE), "psk_dhe_ke");
    assert_eq!(one(&early, &f::RESUMED), "psk");
    assert_eq!(frame(&early, &f::HANDSHAKE_COMPLETED), 3);
    assert!(!early.has(&f::HANDSHAKE_FAILED));
}

#[test]
fn a_hello_retry_request_is_not_the_final_hello() {
    let talk = recording!("tls13_retry");
    let whole = facts(&talk);
    assert!(whole.has(&f::HELLO_RETRY));
    assert_eq!(whole.count(&f::SNI), 2, "both hellos of the client");
    assert_eq!(frame(&whole, &f::VERSION), 4);
    assert_eq!(one(&whole, &f::GROUP), "24");
    assert_eq!(frame(&whole, &f::HANDSHAKE_COMPLETED), 5);
    let cut = facts(&talk[..3].to_vec());
    assert!(!cut.has(&f::VERSION) && !cut.has(&f::SUITE));
    assert_eq!(one(&cut, &f::HANDSHAKE_UNFINISHED), "client-hello");
}

#[test]
fn a_server_that_says_one_short_thing_after_finished_probably_refused() {
    let facts = facts(&recording!("tls13_mutual_refused"));
    assert!(facts.has(&f::HANDSHAKE_COMPLETED) && facts.has(&f::PROBABLE_REJECTION));
    assert!(!facts.has(&f::PROBABLE_CLOSE_NOTIFY) && !facts.has(&f::APPLICATION_DATA));
}

// ---- How the bytes come must not matter.

fn recordings() -> Vec<Talk> {
    vec![
        recording!("tls12_mutual"),
        recording!("tls10_resumed"),
        recording!("tls13_retry"),
        recording!("tls13_early"),
    ]
}

#[test]
fn segments_of_any_size_give_the_same_facts() {
    for talk in recordings() {
        let expected = plain(&facts(&talk));
        for size in [1, 2, 3, 5, 7, 64, 1000] {
            let small: Talk = talk
                .iter()
                .flat_map(|(role, bytes)| bytes.chunks(size).map(|chunk| (*role, chunk.to_vec())))
                .collect();
            assert_eq!(plain(&facts(&small)), expected, "segments of {size}");
        }
    }
}

#[test]
fn a_cut_at_any_offset_of_a_segment_gives_the_same_facts() {
    for talk in recordings() {
        let expected = plain(&facts(&talk));
        for (number, (role, bytes)) in talk.iter().enumerate() {
            for cut in 1..bytes.len() {
                let mut parts: Vec<_> = events(&talk);
                parts[number] = Event::Data(*role, &bytes[..cut]);
                parts.insert(number + 1, Event::Data(*role, &bytes[cut..]));
                assert_eq!(plain(&observe(true, RECORDED, &parts)), expected, "segment {number} at {cut}");
            }
        }
    }
}

#[test]
fn records_of_any_size_give_the_same_facts() {
    for talk in [recording!("tls12_mutual"), recording!("tls10_dhe"), recording!("tls13_retry")] {
        let expected = plain(&facts(&talk));
        for size in [1, 3, 100] {
            let refragmented: Talk =
                talk.iter().map(|(role, bytes)| (*role, refragment(bytes, size))).collect();
            let mut found = plain(&facts(&refragmented));
            // The encrypted Finished is one record by definition; only clear ones are cut.
            found.retain(|(name, _)| *name != "tls.renegotiation");
            assert_eq!(found, expected, "records of {size}");
        }
    }
}

#[test]
fn messages_in_one_record_give_the_same_facts() {
    for talk in [recording!("tls12_mutual"), recording!("tls10_dhe"), recording!("tls12_anonymous")] {
        let coalesced: Talk = talk.iter().map(|(role, bytes)| (*role, coalesce(bytes))).collect();
        assert_ne!(coalesced, talk);
        assert_eq!(plain(&facts(&coalesced)), plain(&facts(&talk)));
        // And that one record in three, at places that have nothing to do with the messages.
        let third = |bytes: &[u8]| refragment(bytes, bytes.len() / 3 + 1);
        let cut: Talk = coalesced.iter().map(|(role, bytes)| (*role, third(bytes))).collect();
        let mut found = plain(&facts(&cut));
        found.retain(|(name, _)| *name != "tls.renegotiation");
        assert_eq!(found, plain(&facts(&talk)));
    }
}

/// Puts the bodies of the handshake records at the front of a segment into one.
fn coalesce(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut body = Vec::new();
    while rest.first() == Some(&22) {
        let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
        body.extend_from_slice(&rest[5..5 + length]);
        rest = &rest[5 + length..];
    }
    if body.is_empty() { rest.to_vec() } else { [&record(22, &body), rest].concat() }
}

/// Cuts the handshake records at the front of a segment, up to the first other record.
fn refragment(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut rest = bytes;
    let mut out = Vec::new();
    while rest.first() == Some(&22) {
        let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
        for part in rest[5..5 + length].chunks(size) {
            out.extend_from_slice(&rest[..3]);
            out.extend_from_slice(&(part.len() as u16).to_be_bytes());
            out.extend_from_slice(part);
        }
        rest = &rest[5 + length..];
    }
    out.extend_from_slice(rest);
    out
}

#[test]
fn every_truncation_ends_quietly() {
    for talk in recordings() {
        let whole = facts(&talk);
        for number in 0..talk.len() {
            for length in 0..talk[number].1.len() {
                let mut short: Talk = talk[..=number].to_vec();
                short[number].1.truncate(length);
                let facts = facts(&short);
                assert!(!facts.has(&f::ANOMALY));
                let outcome = [&f::HANDSHAKE_UNFINISHED, &f::HANDSHAKE_FAILED, &f::HANDSHAKE_COMPLETED];
                let said = outcome.iter().filter(|field| facts.has(field)).count();
                assert!(said <= 1, "segment {number} cut at {length}");
                // What the whole connection does not say, a part of it may not say either.
                for fact in &facts {
                    let new = !whole.of(fact.field).any(|known| known.value == fact.value);
                    let may = std::ptr::eq(fact.field, &raw const f::HANDSHAKE_UNFINISHED)
                        || std::ptr::eq(fact.field, &raw const f::PROBABLE_REJECTION);
                    assert!(!new || may, "{} {} at {number}:{length}", fact.field.name, fact.value);
                }
            }
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    for talk in recordings() {
        for (number, (_, bytes)) in talk.iter().enumerate() {
            for at in (0..bytes.len()).step_by(2) {
                let mut bad = talk.clone();
                bad[number].1[at] ^= [0x01, 0x80, 0xff][at / 2 % 3];
                assert!(!facts(&bad).is_empty() || number == 0);
            }
        }
    }
}

// ---- RFC 8448 section 3.

const RFC8448_CLIENT_HELLO: &str = "
    16 03 01 00 c4 01 00 00 c0 03 03 cb 34 ec b1 e7 81 63 ba 1c 38 c6 da cb 19 6a 6d ff a2 1a 8d 99 12 ec 18
    a2 ef 62 83 02 4d ec e7 00 00 06 13 01 13 03 13 02 01 00 00 91 00 00 00 0b 00 09 00 00 06 73 65 72 76 65
    72 ff 01 00 01 00 00 0a 00 14 00 12 00 1d 00 17 00 18 00 19 01 00 01 01 01 02 01 03 01 04 00 23 00 00 00
    33 00 26 00 24 00 1d 00 20 99 38 1d e5 60 e4 bd 43 d2 3d 8e 43 5a 7d ba fe b3 c0 6e 51 c1 3c ae 4d 54 13
    69 1e 52 9a af 2c 00 2b 00 03 02 03 04 00 0d 00 20 00 1e 04 03 05 03 06 03 02 03 08 04 08 05 08 06 04 01
    05 01 06 01 02 01 04 02 05 02 06 02 02 02 00 2d 00 02 01 01 00 1c 00 02 40 01";
const RFC8448_SERVER_HELLO: &str = "
    16 03 03 00 5a 02 00 00 56 03 03 a6 af 06 a4 12 18 60 dc 5e 6e 60 24 9c d3 4c 95 93 0c 8a c5 cb 14 34 da
    c1 55 77 2e d3 e2 69 28 00 13 01 00 00 2e 00 33 00 24 00 1d 00 20 c9 82 88 76 11 20 95 fe 66 76 2b db f7
    c6 72 e1 56 d6 cc 25 3b 83 3d f1 dd 69 b1 b0 4e 75 1f 0f 00 2b 00 02 03 04";

#[test]
fn the_hellos_of_rfc_8448_are_read_as_it_explains_them() {
    let talk = vec![(C, unhex(RFC8448_CLIENT_HELLO)), (S, unhex(RFC8448_SERVER_HELLO))];
    let facts = facts(&talk);
    assert_eq!(one(&facts, &f::SNI), "server");
    assert_eq!(all(&facts, &f::OFFERED_SUITE), [0x1301, 0x1303, 0x1302].map(|n: u32| n.to_string()));
    assert_eq!(
        all(&facts, &f::OFFERED_GROUP),
        [29, 23, 24, 25, 256, 257, 258, 259, 260].map(|n: u32| n.to_string())
    );
    assert_eq!(one(&facts, &f::OFFERED_RENEGOTIATION_INFO), "extension");
    assert_eq!(one(&facts, &f::SUITE), 0x1301.to_string());
    assert_eq!(one(&facts, &f::VERSION), "772");
    assert_eq!(one(&facts, &f::HANDSHAKE_UNFINISHED), "server-hello");
}

// ---- Bytes made by hand, for what no present program sends.

/// ClientHello body: version, random, no session, `suites`, null compression, `extensions` with
/// their length.
fn client_hello(version: u16, suites: &[u16], extensions: Option<&[u8]>) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(((suites.len() * 2) as u16).to_be_bytes());
    suites.iter().for_each(|suite| body.extend(suite.to_be_bytes()));
    body.extend([1, 0]);
    if let Some(extensions) = extensions {
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
    }
    record(22, &handshake(1, &body))
}

fn server_hello(version: u16, suite: u16, extensions: Option<&[u8]>) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([9; 32]);
    body.push(0);
    body.extend(suite.to_be_bytes());
    body.push(0);
    if let Some(extensions) = extensions {
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
    }
    record(22, &handshake(2, &body))
}

#[test]
fn sslv3_has_no_extensions_and_says_no_certificate_by_alert() {
    let talk = vec![
        (C, client_hello(0x0300, &[0x0004, 0x000a], None)),
        (S, server_hello(0x0300, 0x0004, None)),
        (S, record(22, &[13, 0, 0, 0, 14, 0, 0, 0])),
        (C, record(21, &[1, 41])),
        (C, [record(22, &handshake(16, &[0; 64])), record(20, &[1]), record(22, &[0xaa; 56])].concat()),
        (S, [record(20, &[1]), record(22, &[0xbb; 56])].concat()),
    ];
    let facts = facts(&talk);
    assert_eq!(one(&facts, &f::OFFERED_VERSION), "768");
    assert_eq!(one(&facts, &f::VERSION), "768");
    assert_eq!(one(&facts, &f::SUITE), "4");
    assert_eq!(one(&facts, &f::CLIENT_WARNING_ALERT), "no_certificate");
    assert_eq!(one(&facts, &f::CLIENT_CERTIFICATE), "empty");
    assert!(facts.has(&f::CERTIFICATE_REQUESTED));
    assert_eq!(frame(&facts, &f::HANDSHAKE_COMPLETED), 6);
    assert!(!facts.has(&f::SECURE_RENEGOTIATION) && !facts.has(&f::HANDSHAKE_FAILED));
}

/// RFC 5246 appendix E.2: type, version, three lengths, cipher specs, challenge.
const SSL2_CLIENT_HELLO: &str = "80 25 01 03 01 00 0c 00 00 00 10  00 00 2f 00 00 0a 01 00 80 00 00 ff
    11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 00";

#[test]
fn a_hello_in_sslv2_format_offers_tls() {
    let talk = vec![(C, unhex(SSL2_CLIENT_HELLO)), (S, server_hello(0x0301, 0x002f, None))];
    let facts = facts(&talk);
    assert!(facts.has(&f::SSL2_HELLO));
    assert_eq!(one(&facts, &f::OFFERED_VERSION), "769");
    assert_eq!(all(&facts, &f::OFFERED_SUITE), ["47", "10"]);
    assert_eq!(one(&facts, &f::OFFERED_SSL2_CIPHER), 0x01_0080.to_string());
    assert_eq!(one(&facts, &f::OFFERED_RENEGOTIATION_INFO), "scsv");
    assert_eq!(one(&facts, &f::VERSION), "769");
}

#[test]
fn grease_is_noted_and_left_out() {
    let extensions = unhex(
        "3a3a 0000  000a 0008 0006 4a4a 001d 0017  0010 000b 0009 02 5a5a 02 6832 02 6d71
        002b 0007 06 6a6a 0304 0303",
    );
    let talk = vec![(C, client_hello(0x0303, &[0x8a8a, 0x1301, 0x5600], Some(&extensions)))];
    let facts = facts(&talk);
    assert!(facts.has(&f::GREASE) && facts.has(&f::FALLBACK_SCSV));
    assert_eq!(one(&facts, &f::OFFERED_SUITE), 0x1301.to_string());
    assert_eq!(all(&facts, &f::OFFERED_GROUP), ["29", "23"]);
    assert_eq!(all(&facts, &f::OFFERED_ALPN), ["h2", "mq"]);
    assert_eq!(all(&facts, &f::OFFERED_VERSION), ["772", "771"]);
    assert_eq!(one(&facts, &f::HANDSHAKE_UNFINISHED), "client-hello");
}

#[test]
fn a_malformed_extension_does_not_hide_those_after_it() {
    // A group list of odd length, then a server name; at the end two bytes that are no extension.
    let extensions = unhex("000a 0003 0001 00  0000 0008 0006 00 0003 616263  ffff");
    let facts = facts(&vec![(C, client_hello(0x0303, &[0x1301], Some(&extensions)))]);
    assert_eq!(one(&facts, &f::SNI), "abc");
    assert_eq!(one(&facts, &f::ANOMALY), "malformed-extension");
    assert_eq!(facts.count(&f::ANOMALY), 2);
}

#[test]
fn a_psk_without_key_exchange_has_no_forward_secrecy() {
    let extensions = unhex("002b 0002 0304  0029 0002 0000");
    let talk = vec![
        (C, client_hello(0x0303, &[0x1301], Some(&unhex("002b 0003 02 0304")))),
        (S, server_hello(0x0303, 0x1301, Some(&extensions))),
    ];
    let facts = facts(&talk);
    assert!(facts.has(&f::PSK_ONLY));
    assert_eq!(one(&facts, &f::RESUMED), "psk");
}

#[test]
fn drafts_of_tls13_are_read() {
    // Draft 16 has no session identifier; the version is the draft's.
    let mut body = unhex("7f10");
    body.extend([5; 32]);
    body.extend(unhex("1301  0006 0028 0002 001d"));
    let talk = vec![
        (C, client_hello(0x0303, &[0x1301], Some(&unhex("002b 0003 02 7f10")))),
        (S, record(22, &handshake(2, &body))),
    ];
    let facts = facts(&talk);
    assert_eq!(one(&facts, &f::VERSION), 0x7f10.to_string());
    assert_eq!(one(&facts, &f::CERTIFICATE), "encrypted");
    assert_eq!(one(&facts, &f::GROUP), "29");
}

#[test]
fn an_oversized_heartbeat_is_seen() {
    let talk = vec![
        (C, client_hello(0x0302, &[0x002f], None)),
        (C, record(24, &unhex("01 4000"))),
        (S, record(24, &unhex("02 0001 61 00000000000000000000000000000000"))),
    ];
    assert_eq!(one(&facts(&talk), &f::HEARTBEAT_OVERREAD), "client");
}

#[test]
fn a_server_that_does_not_speak_tls_is_told_apart_from_silence() {
    let hello = (C, client_hello(0x0303, &[0xc02f], None));
    let silent = facts(&vec![hello.clone()]);
    assert_eq!(one(&silent, &f::HANDSHAKE_UNFINISHED), "client-hello");
    let other = facts(&vec![hello, (S, b"HTTP/1.1 400 Bad Request\r\n".to_vec())]);
    assert_eq!(one(&other, &f::HANDSHAKE_FAILED), "not-tls");
    assert_eq!(one(&other, &f::ANOMALY), "record-header");
}

#[test]
fn half_a_conversation_is_not_blamed_on_the_other_half() {
    let talk = recording!("tls12_mutual");
    let only = |role| facts(&talk.iter().filter(|(who, _)| *who == role).cloned().collect());
    assert_eq!(one(&only(C), &f::HANDSHAKE_INCOMPLETE), "one-sided");
    assert_eq!(one(&only(S), &f::HANDSHAKE_INCOMPLETE), "one-sided");
    assert_eq!(one(&only(S), &f::CERTIFICATE), "visible");
    let talk = recording!("tls13");
    let client = facts(&talk.iter().filter(|(who, _)| *who == C).cloned().collect());
    assert_eq!(one(&client, &f::HANDSHAKE_INCOMPLETE), "one-sided");
}

#[test]
fn a_gap_in_the_handshake_makes_it_incomplete_and_one_in_data_does_no_harm() {
    let talk = recording!("tls12_mutual");
    let mut cut = events(&talk);
    cut[1] = Event::Gap(S, talk[1].1.len() as u64);
    let lost = observe(true, RECORDED, &cut);
    assert_eq!(one(&lost, &f::HANDSHAKE_INCOMPLETE), "gap");
    assert!(!lost.has(&f::HANDSHAKE_COMPLETED) && !lost.has(&f::HANDSHAKE_UNFINISHED));
    assert_eq!(one(&lost, &f::CLIENT_CERTIFICATE), "sent", "the other side is still read");

    // Ten bytes inside the application data: records go on where they should.
    let data = &talk[4].1;
    let mut cut = events(&talk);
    cut[4] = Event::Data(C, &data[..8]);
    cut.insert(5, Event::Gap(C, 10));
    cut.insert(6, Event::Data(C, &data[18..]));
    assert_eq!(plain(&observe(true, RECORDED, &cut)), plain(&facts(&talk)));
}

#[test]
fn a_connection_joined_midstream_is_incomplete_and_still_says_goodbye() {
    let talk = recording!("tls12_mutual");
    let late: Talk = talk[4..].to_vec();
    let facts = observe(false, RECORDED, &events(&late));
    assert_eq!(one(&facts, &f::HANDSHAKE_INCOMPLETE), "midstream");
    assert_eq!(one(&facts, &f::RECORD_VERSION), "771");
    assert!(facts.has(&f::APPLICATION_DATA));
    assert_eq!(all(&facts, &f::CLOSING_ALERT), ["client", "server"]);
    assert!(!facts.has(&f::RENEGOTIATION) && !facts.has(&f::ANOMALY));
}

#[test]
fn a_connection_without_its_syn_is_read_when_the_hello_is_there() {
    let talk = recording!("tls12_mutual");
    assert_eq!(plain(&observe(false, RECORDED, &events(&talk))), plain(&facts(&talk)));
}

#[test]
fn tls13_pings_of_alert_size_are_no_goodbye() {
    let talk = recording!("tls13");
    let mut pings: Talk = talk[..6].to_vec();
    pings.extend([(C, record(23, &[1; 19])), (S, record(23, &[2; 19])), (C, record(23, &[3; 19]))]);
    let facts = facts(&pings);
    assert_eq!(
        all(&facts, &f::PROBABLE_CLOSE_NOTIFY),
        ["server"],
        "a single one cannot be told from a goodbye"
    );
}

#[test]
fn a_message_longer_than_the_limit_is_passed_over() {
    let mut talk = vec![(C, client_hello(0x0303, &[0x002f], None)), (S, server_hello(0x0303, 0x002f, None))];
    let huge = handshake(11, &vec![0; 200_000]);
    huge.chunks(16_000).for_each(|part| talk.push((S, record(22, part))));
    talk.push((S, record(22, &handshake(14, &[]))));
    let facts = facts(&talk);
    assert_eq!(one(&facts, &f::ANOMALY), "oversized-message");
    assert_eq!(one(&facts, &f::HANDSHAKE_UNFINISHED), "server-flight");
}

#[test]
fn early_data_that_cannot_be_taken_is_rejected() {
    // supported_versions, early_data, pre_shared_key with one identity of four bytes.
    let offer = unhex("002b 0003 02 0304  002a 0000  0029 0010 000a 0004 aabbccdd 00000000 0002 0100");
    let hello = (C, client_hello(0x0303, &[0x1301, 0x002f], Some(&offer)));
    let data = (C, record(23, &[0x5a; 40]));
    let versions = unhex("002b 0002 0304");
    let selected = unhex("002b 0002 0304  0029 0002 0000");
    let answers = [
        (server_hello(0x0303, 0x002f, None), "rejected"),
        (server_hello(0x0303, 0x1301, Some(&versions)), "rejected"),
        (retry(&versions), "rejected"),
    ];
    for (answer, expected) in answers {
        let facts = facts(&vec![hello.clone(), data.clone(), (S, answer)]);
        assert!(facts.has(&f::EARLY_DATA_SENT));
        assert_eq!(one(&facts, &f::EARLY_DATA_ANSWER), expected);
    }
    // EndOfEarlyData (4 + 1 + 16) and Finished (4 + 32 + 1 + 16), or the latter alone.
    let mut talk = vec![
        hello,
        (S, [server_hello(0x0303, 0x1301, Some(&selected)), record(23, &[0; 100])].concat()),
        (C, record(23, &[0; 21])),
        (C, record(23, &[0; 53])),
    ];
    assert_eq!(one(&facts(&talk), &f::EARLY_DATA_ANSWER), "probably-accepted");
    // The key of the identity: the start of the SHA-256 of aabbccdd.
    assert_eq!(one(&facts(&talk), &f::SESSION_RESUMED), "ticket:8d70d691c822d55638b6e7fd54cd9417");
    talk.remove(2);
    assert_eq!(one(&facts(&talk), &f::EARLY_DATA_ANSWER), "probably-rejected");
}

/// HelloRetryRequest.
fn retry(extensions: &[u8]) -> Vec<u8> {
    let mut body = unhex("0303 cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c 00 1301 00");
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    record(22, &handshake(2, &body))
}

#[test]
fn an_encrypted_hello_is_answered_or_not() {
    let offer = unhex("002b 0003 02 0304  fe0d 000a 00 0001 0001 42 0000 0000");
    let talk = |answer: &[u8]| {
        let hello = (C, client_hello(0x0303, &[0x1301, 0x002f], Some(&offer)));
        facts(&vec![hello, (S, answer.to_vec())])
    };
    let answer = |answer: &[u8]| one(&talk(answer), &f::ECH_ANSWER);
    assert_eq!(one(&talk(&[]), &f::ECH), "outer");
    assert_eq!(one(&talk(&[]), &f::ECH_CONFIG), 0x42.to_string());
    let versions = unhex("002b 0002 0304");
    assert_eq!(answer(&server_hello(0x0303, 0x002f, None)), "rejected");
    assert_eq!(answer(&server_hello(0x0303, 0x1301, Some(&versions))), "unknown");
    assert_eq!(answer(&retry(&versions)), "rejected");
    assert_eq!(answer(&retry(&unhex("002b 0002 0304  fe0d 0008 0011223344556677"))), "confirmed-or-grease");
    let retried = talk(&retry(&unhex("002b 0002 0304  0033 0002 0018")));
    assert_eq!(one(&retried, &f::HELLO_RETRY_GROUP), "24");
    let inner = facts(&vec![(C, client_hello(0x0303, &[0x1301], Some(&unhex("fe0d 0001 01"))))]);
    assert_eq!(one(&inner, &f::ECH), "inner");
}

#[test]
fn a_pre_shared_key_has_a_name_before_tls13() {
    // TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA: hint, named curve x25519 with a point, no signature.
    let mut exchange = unhex("0004 68696e74  03 001d 20");
    exchange.extend([7; 32]);
    let talk = vec![
        (
            C,
            client_hello(
                0x0303,
                &[0xc035],
                Some(&unhex("0016 0000  0005 0005 0100000000  000d 0004 0002 0403")),
            ),
        ),
        (S, server_hello(0x0303, 0xc035, None)),
        (S, record(22, &[handshake(12, &exchange), handshake(14, &[])].concat())),
        (C, record(22, &handshake(16, &unhex("0008 6465766963652d37 20")))),
    ];
    let facts = facts(&talk);
    assert_eq!(
        (one(&facts, &f::PSK_HINT), one(&facts, &f::PSK_IDENTITY)),
        ("hint".into(), "device-7".into())
    );
    assert_eq!((one(&facts, &f::GROUP), one(&facts, &f::CERTIFICATE)), ("29".into(), "none".into()));
    assert!(facts.has(&f::OFFERED_ENCRYPT_THEN_MAC) && facts.has(&f::OFFERED_OCSP));
    assert_eq!(one(&facts, &f::OFFERED_SIGNATURE), "0x0403");
    assert!(!facts.has(&f::ANOMALY));
}

#[test]
fn a_stapled_proof_is_agreed_on_and_sent() {
    let talk = vec![
        (C, client_hello(0x0303, &[0x002f], Some(&unhex("0005 0005 0100000000")))),
        (S, server_hello(0x0303, 0x002f, Some(&unhex("0005 0000")))),
        (S, record(22, &[handshake(22, &unhex("01 000003 300100")), handshake(14, &[])].concat())),
    ];
    assert_eq!(all(&facts(&talk), &f::OCSP), ["agreed", "stapled"]);
}

#[test]
fn the_order_of_a_chain_is_told() {
    // The leaf and the root of the recorded chain.
    let chain = |der: &[&[u8]]| {
        let entry = |der: &&[u8]| [&(der.len() as u32).to_be_bytes()[1..], der].concat();
        let list = der.iter().map(entry).collect::<Vec<_>>().concat();
        let body = [&(list.len() as u32).to_be_bytes()[1..], &list].concat();
        let talk = vec![
            (C, client_hello(0x0303, &[0xc02b], None)),
            (S, server_hello(0x0303, 0xc02b, None)),
            (S, record(22, &handshake(11, &body))),
        ];
        all(&facts(&talk), &f::CHAIN_ORDER)
    };
    let recorded = &recording!("tls12_mutual")[1].1;
    let [leaf, root] = &sent_certificates(recorded)[..] else { panic!("two certificates were sent") };
    assert_eq!(chain(&[leaf, root]), ["right"]);
    assert_eq!(chain(&[leaf, root, root]), ["right"]);
    assert_eq!(chain(&[root, leaf]), ["wrong"]);
    assert_eq!(chain(&[leaf, &[0x30, 0], root]), ["unknown"]);
    assert_eq!(chain(&[leaf]), [""; 0]);
}

/// The certificates in a flight of the server: every SEQUENCE behind a length of three bytes that it fills.
fn sent_certificates(flight: &[u8]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    while at + 7 < flight.len() {
        let length = u32::from_be_bytes([0, flight[at], flight[at + 1], flight[at + 2]]) as usize;
        let inner = usize::from(u16::from_be_bytes([flight[at + 5], flight[at + 6]]));
        if flight[at + 3..at + 5] == [0x30, 0x82] && inner + 4 == length {
            found.push(flight[at + 3..at + 3 + length].to_vec());
            at += length;
        }
        at += 1;
    }
    found
}

// ---- Recognition.

fn ask(bytes: &[u8], at_start: bool) -> Probe {
    probe(&ProbeInput { bytes, transport: Transport::Tcp, src_port: 50_000, dst_port: 8883, at_start })
}

#[test]
fn hellos_are_recognised_and_no_prefix_is_refused() {
    let hellos = [
        (unhex(RFC8448_CLIENT_HELLO), C),
        (unhex(RFC8448_SERVER_HELLO), S),
        (unhex(SSL2_CLIENT_HELLO), C),
        (refragment(&unhex(RFC8448_CLIENT_HELLO), 1), C),
        (refragment(&unhex(RFC8448_CLIENT_HELLO), 4), C),
        (client_hello(0x0300, &[4], None), C),
    ];
    for (bytes, role) in hellos {
        assert_eq!(ask(&bytes, true), Probe::Certainly(role));
        let mut decided = false;
        for length in 0..bytes.len() {
            match ask(&bytes[..length], true) {
                Probe::More => assert!(!decided, "undecided again at {length}"),
                answer => {
                    assert_eq!(answer, Probe::Certainly(role), "at {length}");
                    decided = true;
                }
            }
        }
    }
}

#[test]
fn other_protocols_are_not_taken_for_tls() {
    let others: [&[u8]; 14] = [
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail.example ESMTP\r\n",
        b"AMQP\x00\x00\x09\x01",
        b"\x10\x1e\x00\x04MQTT\x04\x02\x00\x3c",
        b"\x05\x01\x00",
        b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x01",
        b"HELF\x20\x00\x00\x00",
        b"\x16\x03\x01\x00\x05\x00\x00\x00\x00\x00",
        b"\x16\x03\x01\x00\x00\x16\x03\x01\x00\x00",
        b"\x16\x04\x01\x00\x05\x01",
        b"\x15\x03\x01\x00\x02\x02\xee",
        b"\x80\x2e\x01\x00\x02\x00\x00\x00\x00\x00\x10",
        b"\x17\x03\x03\x00\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    for bytes in others {
        assert_eq!(ask(bytes, true), Probe::No, "{bytes:02x?}");
    }
}

#[test]
fn midstream_records_are_recognised_when_another_follows() {
    let one = record(23, &[0x5a; 40]);
    assert_eq!(ask(&[one.clone(), one.clone()].concat(), false), Probe::Certainly(C));
    assert_eq!(ask(&one[..20], false), Probe::Certainly(C));
    assert_eq!(ask(&[one, b"hello".to_vec()].concat(), false), Probe::No);
    assert_eq!(ask(&record(23, &[0x5a; 3]), false), Probe::No);
    assert_eq!(ask(&[23, 3], false), Probe::More);
    assert_eq!(ask(&record(21, &[0x5a; 26]), false), Probe::Certainly(C));
    assert_eq!(ask(&record(21, &[0x5a; 26])[..20], false), Probe::No);
}

#[test]
fn a_lone_alert_is_recognised() {
    let alert = record(21, &[2, 80]);
    for length in 0..alert.len() {
        assert_eq!(ask(&alert[..length], true), Probe::More, "{length}");
    }
    assert_eq!(ask(&alert, true), Probe::Certainly(C));
    let facts = facts(&vec![(C, alert)]);
    assert_eq!(one(&facts, &f::CLIENT_FATAL_ALERT), "internal_error");
    assert_eq!(one(&facts, &f::HANDSHAKE_FAILED), "client-alert");
}

#[test]
fn every_field_is_named_once_and_documented() {
    let mut names: Vec<_> = FIELDS.iter().map(|field| field.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FIELDS.len());
    assert!(FIELDS.iter().all(|field| field.name.starts_with("tls.") && field.doc.ends_with('.')));
}
