//! Whole associations. What is expected comes from tshark, from `openssl x509`, and from what the recording commands
//! asked for; the recordings are in `testdata`.

use super::messages::without_cookie;
use super::record::{self, Content, Record};
use super::{DEFINITION, start};
use crate::analyzers::talk::{ask_udp, recording, replay, unhex};
use crate::analyzers::testing::Noise;
use crate::analyzers::{Context, Probe, Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{CaptureId, Endpoint, FrameNo, FrameRef, Timestamp, Transport};

const C: Role = Role::Client;
const S: Role = Role::Server;

type Talk = Vec<(Role, Vec<u8>)>;

macro_rules! recorded {
    ($name:literal) => {
        recording(include_str!(concat!("testdata/", $name, ".txt")))
    };
}

/// All that was recorded.
fn all() -> Vec<Talk> {
    vec![
        recorded!("dtls10"),
        recorded!("dtls12_ec"),
        recorded!("dtls12_mutual"),
        recorded!("dtls12_psk"),
        recorded!("dtls12_refused"),
        recorded!("dtls12_renegotiate"),
        recorded!("dtls12_unknown_ca"),
        recorded!("dtls13"),
    ]
}

fn said(talk: &[(Role, Vec<u8>)]) -> Vec<String> {
    replay(&DEFINITION, talk).0
}

/// Values of a field, in order.
fn values(said: &[String], field: &str) -> Vec<String> {
    said.iter().filter_map(|fact| Some(fact.strip_prefix(field)?.strip_prefix('=')?.to_owned())).collect()
}

/// Whether all of `facts`, as `name=value`, were said.
fn assert_said(said: &[String], facts: &[&str]) {
    for fact in facts {
        assert!(said.iter().any(|other| other == fact), "{fact} is not among {said:#?}");
    }
}

fn number(hex: u32) -> String {
    hex.to_string()
}

#[test]
fn dtls_12_with_a_cookie_is_read_as_tls_is() {
    let said = said(&recorded!("dtls12_ec"));
    assert_said(
        &said,
        &[
            "dtls.hello_verify=yes",
            "tls.sni=gateway.example.com",
            "tls.offered_alpn=coap",
            "tls.certificate=visible",
            "tls.certificate_cn=gateway.example.com",
            "tls.certificate_key_type=ec",
            "tls.certificate_key_bits=256",
            "tls.handshake_completed=yes",
            "tls.application_data=yes",
            "tls.closing_alert=client",
            "tls.closing_alert=server",
        ],
    );
    assert_eq!(values(&said, "tls.version"), [number(0xfefd)]);
    assert_eq!(values(&said, "tls.offered_version"), [number(0xfefd)]);
    assert_eq!(values(&said, "tls.suite"), [number(0xc02c)]);
    // ServerKeyExchange: secp256r1 or x25519, as the server chose, signed as of TLS 1.2.
    assert_eq!(values(&said, "tls.group").len(), 1);
    assert_eq!(values(&said, "tls.key_exchange_signature").len(), 1);
    assert!(values(&said, "tls.anomaly").is_empty() && values(&said, "dtls.anomaly").is_empty());
}

#[test]
fn dtls_10_and_certificates_in_pieces() {
    let old = said(&recorded!("dtls10"));
    assert_eq!(values(&old, "tls.version"), [number(0xfeff)]);
    assert_eq!(values(&old, "tls.suite"), [number(0xc014)]);
    assert_said(&old, &["tls.certificate_key_bits=2048", "tls.handshake_completed=yes"]);
    // Before TLS 1.2 a signature has no algorithm of its own.
    assert!(values(&old, "tls.key_exchange_signature").is_empty());
    let mutual = said(&recorded!("dtls12_mutual"));
    assert_said(
        &mutual,
        &[
            "tls.certificate_requested=yes",
            "tls.client_certificate=sent",
            "tls.client_subject=O=Example,CN=gateway.example.com",
            "tls.client_verified=yes",
            "tls.handshake_completed=yes",
        ],
    );
}

#[test]
fn psk_refusal_and_an_unknown_issuer() {
    let psk = said(&recorded!("dtls12_psk"));
    assert_eq!(values(&psk, "tls.suite"), [number(0xc0a8)]);
    assert_said(&psk, &["tls.certificate=none", "tls.handshake_completed=yes"]);
    assert_eq!(values(&psk, "tls.psk_identity"), ["device-7"]);
    let refused = said(&recorded!("dtls12_refused"));
    assert_said(&refused, &["tls.server_fatal_alert=handshake_failure", "tls.handshake_failed=server-alert"]);
    let unknown = said(&recorded!("dtls12_unknown_ca"));
    assert_said(&unknown, &["tls.client_fatal_alert=unknown_ca", "tls.handshake_failed=client-alert"]);
    assert!(values(&unknown, "tls.handshake_completed").is_empty());
}

#[test]
fn dtls_13_is_complete_when_the_client_uses_the_keys_for_data() {
    let talk = recorded!("dtls13");
    let whole = said(&talk);
    assert_eq!(values(&whole, "tls.version"), [number(0xfefc)]);
    assert_eq!(values(&whole, "tls.suite"), [number(0x1301)]);
    assert_said(
        &whole,
        &[
            "tls.hello_retry=yes",
            "tls.sni=gateway.example.com",
            "tls.certificate=encrypted",
            "tls.handshake_completed=yes",
        ],
    );
    // The first datagram with the epoch of data (0x2f) is the server's tenth, the client's first the twelfth.
    let client_data = talk.iter().position(|(role, bytes)| *role == C && bytes[0] == 0x2f).unwrap();
    let before = said(&talk[..client_data]);
    assert_eq!(values(&before, "tls.handshake_unfinished"), ["server-flight"]);
    assert!(values(&before, "tls.handshake_completed").is_empty());
}

#[test]
fn renegotiation_is_told_by_the_epoch_and_not_by_what_is_sent_twice() {
    let talk = recorded!("dtls12_renegotiate");
    assert_eq!(values(&said(&talk), "tls.renegotiation"), ["completed"]);
    // Every datagram of every other association sent twice is no renegotiation, and changes nothing.
    for talk in all().into_iter().filter(|other| *other != talk) {
        let doubled: Talk = talk.iter().flat_map(|datagram| [datagram.clone(), datagram.clone()]).collect();
        assert_eq!(said(&doubled), said(&talk));
    }
}

#[test]
fn flights_out_of_order_say_the_same() {
    for talk in all() {
        let straight: Vec<String> = said(&talk);
        // Every run of datagrams from the same side backwards.
        let mut turned: Talk = Vec::new();
        for flight in talk.chunk_by(|a, b| a.0 == b.0) {
            turned.extend(flight.iter().rev().cloned());
        }
        let mut straight: Vec<_> = straight.iter().filter(|fact| !fact.contains("_alert")).collect();
        let turned = said(&turned);
        let mut turned: Vec<_> = turned.iter().filter(|fact| !fact.contains("_alert")).collect();
        // A new session ticket may come after the keys have changed, and is then behind what can be read.
        straight.retain(|fact| !fact.contains("session_issued") && !fact.contains("ticket_lifetime"));
        straight.sort_unstable();
        turned.sort_unstable();
        let missing: Vec<_> =
            straight.iter().filter(|fact| !turned.contains(fact) && !fact.contains("handshake_")).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn what_the_capture_lacks_is_a_gap_and_never_a_resumption_or_a_failure() {
    for talk in all() {
        let whole = said(&talk);
        for lost in 0..talk.len() {
            let mut less = talk.clone();
            less.remove(lost);
            let less = said(&less);
            assert!(values(&less, "tls.resumed").is_empty(), "without {lost}: {less:#?}");
            let failed = values(&less, "tls.handshake_failed");
            assert!(failed.is_empty() || failed == values(&whole, "tls.handshake_failed"), "without {lost}");
            for field in ["tls.version", "tls.suite", "tls.sni", "tls.certificate_subject"] {
                let left = values(&less, field);
                assert!(left.is_empty() || left == values(&whole, field), "{field} without {lost}");
            }
        }
    }
}

#[test]
fn another_hello_begins_another_handshake() {
    let failing = recorded!("dtls12_refused");
    let mut talk = recorded!("dtls12_ec");
    talk.extend(failing);
    let said = said(&talk);
    assert_said(&said, &["tls.handshake_completed=yes", "tls.handshake_failed=server-alert"]);
}

#[test]
fn the_middle_of_an_association_is_recognised_and_said_to_be_one() {
    // Application data of epoch 1, as the seventh datagram of the recording.
    let talk = recorded!("dtls12_ec");
    let middle: Talk = talk.iter().skip_while(|(_, bytes)| bytes[0] != 23).cloned().collect();
    assert_eq!(ask_udp(&DEFINITION, &middle[0].1, 50_000, 5684), Probe::Certainly(C));
    assert_eq!(ask_udp(&DEFINITION, &middle[0].1, 5684, 50_000), Probe::Certainly(S));
    let said = said(&middle);
    assert_eq!(values(&said, "tls.handshake_incomplete"), ["midstream"]);
    assert_eq!(values(&said, "tls.record_version"), [number(0xfefd)]);
    assert!(values(&said, "tls.handshake_failed").is_empty());
}

#[test]
fn the_probe_knows_hellos_wherever_they_come_from() {
    for talk in all() {
        for (role, bytes) in talk.iter().take(2) {
            assert_eq!(ask_udp(&DEFINITION, bytes, 1, 1), Probe::Certainly(*role));
            // CAPWAP says what follows in four bytes.
            assert_eq!(
                ask_udp(&DEFINITION, &[&[1, 0, 0, 0], &bytes[..]].concat(), 1, 1),
                Probe::Certainly(*role)
            );
            for length in 0..bytes.len() {
                assert_ne!(ask_udp(&DEFINITION, &bytes[..length], 1, 1), Probe::Certainly(role.peer()));
            }
        }
    }
    let no: &[&[u8]] = &[
        b"",
        &[22],
        // TLS over TCP, an unknown version, a piece that is longer than its message, RTP, STUN.
        &unhex("16 0303 0040 01 00003c 0303"),
        &unhex("16 fefc 0000 000000000000 000c 01 000000 0000 000000 000000"),
        &unhex("16 fefd 0000 000000000000 000d 01 000000 0000 000000 000001 ff"),
        &unhex("80 60 0001 00000000 00000000 ff ff ff ff ff ff"),
        &unhex("0001 0000 2112a442 000102030405060708090a0b"),
    ];
    for bytes in no {
        assert_eq!(ask_udp(&DEFINITION, bytes, 5684, 5684), Probe::No, "{bytes:02x?}");
    }
}

#[test]
fn records_fill_datagrams_one_after_another() {
    let bytes =
        unhex("15 feff 0000 000000000001 0002 0228 14 feff 0000 000000000002 0001 01 2f 0001 0001 ff 1c");
    let mut rest = &bytes[..];
    let plain = |content, body| Record::Plain { content, version: 0xfeff, epoch: 0, body };
    assert_eq!(record::next(&mut rest), Some(plain(Content::Alert, &[2, 40][..])));
    assert_eq!(record::next(&mut rest), Some(plain(Content::ChangeCipherSpec, &[1][..])));
    assert_eq!(record::next(&mut rest), Some(Record::Unified { epoch: 3 }));
    assert_eq!(record::next(&mut rest), Some(Record::Foreign));
    assert_eq!(record::next(&mut rest), None);
    for length in 1..15 {
        let mut rest = &bytes[..length];
        assert_eq!(record::next(&mut rest), Some(Record::Cut), "{length}");
    }
}

#[test]
fn the_cookie_is_taken_out_of_the_hello() {
    // Version, random, a session of two bytes, a cookie of three, one suite, no compression.
    let start = [&[0xfe, 0xfd][..], &[7; 32], &[2, 0xaa, 0xbb]].concat();
    let end = [0, 2, 0xc0, 0xa8, 1, 0];
    let with = [&start[..], &[3, 1, 2, 3], &end].concat();
    assert_eq!(without_cookie(&with), [&start[..], &end].concat());
    for length in 0..with.len() {
        assert!(without_cookie(&with[..length]).len() <= length);
    }
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let context = Context {
        transport: Transport::Udp,
        client: Endpoint { ip: [192, 0, 2, 1].into(), port: 1 },
        server: Endpoint { ip: [192, 0, 2, 2].into(), port: 2 },
        from_start: true,
        secrets: None,
    };
    let mut analyzer = start(&context);
    let seen = Seen { at: Timestamp::default(), frame: FrameRef::new(CaptureId(0), FrameNo(1)) };
    let mut sink = Sink::new(seen);
    let mut noise = Noise(1);
    for number in 0_u32..20_000 {
        // One byte here and there of messages that announce 16 MiB.
        let offset = (noise.next() as u32 % 0x0f_ffff).to_be_bytes();
        let [_, _, hi, lo] = (number % 40).to_be_bytes();
        let header = [
            &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 11, 0xff, 0xff, 0xff, hi, lo][..],
            &offset[1..],
            &[0, 0, 1, 0x55],
        ];
        let role = if number % 2 == 0 { C } else { S };
        analyzer.datagram(role, &header.concat(), 0, &mut sink);
        sink.reset(seen);
        assert!(analyzer.held() < 600 * 1024, "{}", analyzer.held());
    }
    // Whole messages that nobody waits for.
    for number in 0_u16..2_000 {
        let [hi, lo] = number.to_be_bytes();
        let header = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 4, 12, 11, 0, 4, 0, hi, lo, 0, 0, 0, 0, 4, 0];
        analyzer.datagram(S, &[&header[..], &[0; 1024]].concat(), 0, &mut sink);
        sink.reset(seen);
        assert!(analyzer.held() < 600 * 1024, "{}", analyzer.held());
    }
}

#[test]
fn damage_never_panics() {
    for talk in all() {
        for seed in 0..60 {
            let mut noise = Noise(seed);
            let damaged: Talk = talk
                .iter()
                .map(|(role, bytes)| {
                    let mut bytes = bytes.clone();
                    for _ in 0..noise.next() % 4 {
                        let at = noise.next() as usize % bytes.len();
                        bytes[at] = noise.next() as u8;
                    }
                    bytes.truncate(1 + noise.next() as usize % (2 * bytes.len()));
                    (if noise.next().is_multiple_of(8) { role.peer() } else { *role }, bytes)
                })
                .collect();
            said(&damaged);
        }
    }
}
