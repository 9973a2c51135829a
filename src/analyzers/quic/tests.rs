//! Whole connections, and the examples of RFC 9001 appendix A and RFC 9369 appendix A. What is expected of the
//! recordings in `testdata` comes from tshark and from what the recording commands asked for.

use super::frame::{self, Frame};
use super::packet::{self, Kind, Long, Packet};
use super::protection::{Secrets, retry_is_genuine};
use super::version::Version;
use super::{DEFINITION, start};
use crate::analyzers::talk::{ask_udp, recording, replay, unhex};
use crate::analyzers::testing::Noise;
use crate::analyzers::{Context, Probe, Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{CaptureId, Endpoint, FrameNo, FrameRef, Timestamp, Transport};

const C: Role = Role::Client;
const S: Role = Role::Server;

type Talk = Vec<(Role, Vec<u8>)>;

/// Connection identifier of all examples (RFC 9001 appendix A).
const DCID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

/// Number of a version; client's and server's Initial packet and Retry packet.
type Example = (u32, Vec<u8>, Vec<u8>, Vec<u8>);

fn examples() -> [Example; 2] {
    [
        (
            1,
            unhex(include_str!("testdata/client_initial_v1.txt")),
            unhex(
                "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5
                 a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4
                 cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee",
            ),
            unhex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba"),
        ),
        (
            0x6b33_43cf,
            unhex(include_str!("testdata/client_initial_v2.txt")),
            unhex(
                "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf8726301791
                 5358230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2c984c707
                 f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140",
            ),
            unhex("cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6"),
        ),
    ]
}

macro_rules! recorded {
    ($name:literal) => {
        recording(include_str!(concat!("testdata/", $name, ".txt")))
    };
}

fn all() -> Vec<Talk> {
    vec![
        recorded!("plain"),
        recorded!("retry"),
        recorded!("negotiation"),
        recorded!("compatible"),
        recorded!("alpn"),
    ]
}

fn said(talk: &[(Role, Vec<u8>)]) -> Vec<String> {
    replay(&DEFINITION, talk).0
}

fn values(said: &[String], field: &str) -> Vec<String> {
    said.iter().filter_map(|fact| Some(fact.strip_prefix(field)?.strip_prefix('=')?.to_owned())).collect()
}

fn assert_said(said: &[String], facts: &[&str]) {
    for fact in facts {
        assert!(said.iter().any(|other| other == fact), "{fact} is not among {said:#?}");
    }
}

fn long(bytes: &[u8]) -> Long<'_> {
    match packet::next(&mut &bytes[..], true) {
        Some(Packet::Long(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_examples_of_the_rfcs_open() {
    for (number, client, server, retry) in examples() {
        let version = Version::of(number).unwrap();
        let secrets = Secrets::new(version, &DCID).unwrap();
        let packet = long(&client);
        assert_eq!((packet.kind, packet.number, packet.dcid), (Kind::Initial, number, &DCID[..]));
        let (frames, number) = secrets.open(C, &packet, 0).unwrap();
        assert_eq!((frames.len(), number), (1162, 2));
        let mut rest = &frames[..];
        let Some(Frame::Crypto(0, hello)) = frame::next(&mut rest) else { panic!("a hello") };
        assert_eq!((hello.len(), hello[0]), (241, 1));
        assert_eq!(frame::next(&mut rest), None);
        let packet = long(&server);
        assert_eq!((packet.kind, packet.scid), (Kind::Initial, &unhex("f067a5502a4262b5")[..]));
        let (frames, number) = secrets.open(S, &packet, 0).unwrap();
        assert_eq!((frames.len(), number), (99, 1));
        // An acknowledgement, then the hello.
        let Some(Frame::Crypto(0, hello)) = frame::next(&mut &frames[..]) else { panic!("a hello") };
        assert_eq!((hello.len(), hello[0]), (90, 2));
        assert!(secrets.open(C, &packet, 0).is_none(), "the keys of the sides differ");
        let packet = long(&retry);
        assert_eq!((packet.kind, packet.token), (Kind::Retry, &b"token"[..]));
        assert!(retry_is_genuine(&packet, &DCID) && !retry_is_genuine(&packet, &DCID[1..]));
    }
}

#[test]
fn the_examples_give_facts() {
    for ((_, client, server, _), name) in examples().into_iter().zip(["1", "2"]) {
        let said = said(&[(C, client), (S, server)]);
        assert_eq!(values(&said, "quic.offered_version"), [name]);
        assert_eq!(values(&said, "quic.version"), [name]);
        assert_said(
            &said,
            &[
                "tls.sni=example.com",
                "tls.offered_alpn=alpn",
                "tls.offered_suite=4865",
                "tls.offered_suite=4866",
                "tls.version=772",
                "tls.suite=4865",
                "tls.group=29",
                "tls.handshake_unfinished=server-hello",
            ],
        );
        assert!(!said.iter().any(|fact| fact.contains("anomaly")), "{said:#?}");
    }
}

#[test]
fn a_connection_is_complete_when_the_client_sends_data_and_nothing_more_is_read() {
    let talk = recorded!("plain");
    let (said, wants_more) = replay(&DEFINITION, &talk);
    assert_said(
        &said,
        &[
            "tls.sni=gateway.example.com",
            "tls.offered_alpn=doq",
            "tls.suite=4866",
            "tls.certificate=encrypted",
            "tls.handshake_completed=yes",
        ],
    );
    assert!(!wants_more && !said.iter().any(|fact| fact.contains("unfinished") || fact.contains("failed")));
}

#[test]
fn retry_and_both_kinds_of_version_negotiation() {
    let retry = said(&recorded!("retry"));
    assert_said(&retry, &["quic.retry=yes", "tls.suite=4866", "tls.handshake_completed=yes"]);
    assert!(values(&retry, "quic.token").is_empty(), "the token is of this connection");
    let asked = said(&recorded!("negotiation"));
    assert_eq!(values(&asked, "quic.offered_version"), ["2", "1"]);
    assert_eq!(values(&asked, "quic.version"), ["1"]);
    assert_said(&asked, &["quic.server_version=1", "tls.suite=4866", "tls.handshake_completed=yes"]);
    let compatible = said(&recorded!("compatible"));
    assert_eq!(values(&compatible, "quic.offered_version"), ["1"]);
    assert_eq!(values(&compatible, "quic.version"), ["2"]);
    assert_said(&compatible, &["tls.suite=4866", "tls.handshake_completed=yes"]);
}

#[test]
fn a_forged_retry_changes_nothing() {
    let mut talk = recorded!("retry");
    let last = talk[1].1.len() - 1;
    talk[1].1[last] ^= 1;
    let said = said(&talk[..2]);
    assert_said(&said, &["quic.anomaly=retry-integrity", "tls.sni=gateway.example.com"]);
    assert!(values(&said, "quic.retry").is_empty());
}

#[test]
fn what_the_server_said_waits_for_the_clients_first_packet() {
    let mut talk = recorded!("plain");
    let whole = said(&talk);
    talk.swap(0, 1);
    let swapped = said(&talk);
    for field in ["quic.version", "tls.version", "tls.suite", "tls.ja3s", "tls.handshake_completed"] {
        assert_eq!(values(&swapped, field), values(&whole, field), "{field}");
        assert!(!values(&swapped, field).is_empty(), "{field}");
    }
}

#[test]
fn a_close_with_an_alert_is_a_failed_handshake() {
    let said = said(&recorded!("alpn"));
    assert_said(
        &said,
        &[
            "quic.server_close=crypto_error",
            "tls.server_fatal_alert=no_application_protocol",
            "tls.handshake_failed=server-alert",
        ],
    );
}

#[test]
fn what_the_capture_lacks_is_said_and_nothing_is_made_up() {
    for talk in all() {
        let whole = said(&talk);
        for lost in 0..talk.len() {
            let mut less = talk.clone();
            less.remove(lost);
            let less = said(&less);
            for field in ["tls.version", "tls.suite", "tls.sni", "quic.version", "tls.handshake_failed"] {
                let left = values(&less, field);
                assert!(
                    left.is_empty() || left == values(&whole, field),
                    "{field} without {lost}: {less:#?}"
                );
            }
        }
    }
    // Without the client's first packets there are no keys.
    let talk = recorded!("plain");
    assert_eq!(values(&said(&talk[1..]), "tls.handshake_incomplete"), ["midstream"]);
    // One side only.
    let client: Talk = talk.iter().filter(|(role, _)| *role == C).cloned().collect();
    assert_eq!(values(&said(&client), "tls.handshake_incomplete"), ["one-sided"]);
    assert!(values(&said(&client), "tls.handshake_completed").is_empty());
}

#[test]
fn another_connection_between_the_same_ports_is_another_handshake() {
    let mut talk = recorded!("alpn");
    talk.extend(recorded!("plain"));
    let said = said(&talk);
    assert_said(&said, &["tls.handshake_failed=server-alert", "tls.handshake_completed=yes"]);
}

fn ask(bytes: &[u8], src: u16, dst: u16) -> Probe {
    ask_udp(&DEFINITION, bytes, src, dst)
}

#[test]
fn a_client_is_certain_only_where_its_packet_opens() {
    for (_, client, server, retry) in examples() {
        assert_eq!(ask(&client, 1, 1), Probe::Certainly(C));
        assert_eq!(ask(&server, 443, 50_000), Probe::Perhaps(S));
        assert_eq!(ask(&retry, 1, 1), Probe::Perhaps(S));
        let mut other = client.clone();
        other[100] ^= 1;
        assert_eq!(ask(&other, 50_000, 443), Probe::Perhaps(C));
        for length in 0..client.len() {
            assert_eq!(ask(&client[..length], 1, 1), Probe::No, "{length}");
        }
    }
    let negotiation = unhex("80 00000000 04 01020304 08 0102030405060708 0a0a0a0a 00000001");
    assert_eq!(ask(&negotiation, 1, 1), Probe::Certainly(S));
    let unknown = unhex("80 00000000 04 01020304 08 0102030405060708 0a0a0a0a 00000003");
    assert_eq!(ask(&unknown, 443, 443), Probe::No);
    // A version of one among zeros proves nothing.
    assert_eq!(ask(&unhex("80 00000000 00 00 00000000 00000001"), 443, 443), Probe::No);
    // Google's own: Q043 with its old header, Q046 with a long one.
    assert_eq!(ask(&unhex("09 0102030405060708 51303433 01 ff"), 1, 1), Probe::Certainly(C));
    assert_eq!(ask(&unhex("c0 51303436 50 0102030405060708 01 ff"), 50_000, 443), Probe::No);
    assert_eq!(ask(&unhex("c0 51303530 08 0102030405060708 00 ff"), 50_000, 443), Probe::Perhaps(C));
    // A version that no server knows, in a datagram as large as that of a client; short headers; DTLS; NTP.
    let mut reserved = unhex("c0 1a2a3a4a 08 0102030405060708 00");
    assert_eq!(ask(&reserved, 1, 1), Probe::No);
    reserved.resize(1200, 0);
    assert_eq!(ask(&reserved, 1, 1), Probe::Perhaps(C));
    for bytes in
        [&unhex("40 01020304050607080910")[..], &unhex("16fefd0000000000000000"), &[0xe3; 48], &[], &[0xc0]]
    {
        assert_eq!(ask(bytes, 443, 443), Probe::No);
    }
}

#[test]
fn frames_end_at_the_first_that_has_no_place_here() {
    let all = |bytes: &[u8]| {
        let mut rest = bytes;
        std::iter::from_fn(|| frame::next(&mut rest).map(|frame| format!("{frame:?}"))).collect::<Vec<_>>()
    };
    // ACK with one more range and marks, PING, PADDING, CRYPTO at 2^62 - 1, CONNECTION_CLOSE.
    let bytes =
        unhex("03 05 00 01 00 00 00 01 02 03 01 00 00 06 ffffffffffffffff 02 aabb 1c 4128 06 02 6e6f");
    assert_eq!(all(&bytes), ["Crypto(4611686018427387903, [170, 187])", "Close(296)"]);
    for length in 0..bytes.len() {
        all(&bytes[..length]);
    }
    // STREAM is for later packets; lengths reach beyond the packet; ranges without end.
    assert_eq!(all(&unhex("08 00 00 06 00 01 ff")), ["Broken"]);
    assert_eq!(all(&unhex("06 00 40ff ff")), ["Broken"]);
    assert_eq!(all(&unhex("02 00 00 ffffffffffffffff 00 00 00")), ["Broken"]);
}

fn seen() -> Seen {
    Seen { at: Timestamp::default(), frame: FrameRef::new(CaptureId(0), FrameNo(1)) }
}

fn context() -> Context {
    let end = |port| Endpoint { ip: [192, 0, 2, 1].into(), port };
    Context {
        transport: Transport::Udp,
        client: end(50_000),
        server: end(443),
        from_start: true,
        secrets: None,
    }
}

#[test]
fn a_flood_of_connections_ends_at_a_limit() {
    let (_, client, _, _) = &examples()[0];
    let mut analyzer = start(&context());
    let mut sink = Sink::new(seen());
    let mut count = 0_u64;
    while !sink.done {
        // Every packet has another identifier; none opens.
        let mut bytes = client.clone();
        bytes[6..14].copy_from_slice(&count.to_be_bytes());
        analyzer.datagram(C, &bytes, 0, &mut sink);
        count += 1;
        assert!(count < 1000 && analyzer.held() < 64 * 1024);
    }
    assert_eq!(count, 65);
}

#[test]
fn damage_never_panics_and_memory_is_bounded() {
    for talk in all() {
        for seed in 0..20 {
            let mut noise = Noise(seed);
            let mut analyzer = start(&context());
            let mut sink = Sink::new(seen());
            for (role, bytes) in &talk {
                let mut bytes = bytes.clone();
                for _ in 0..noise.next() % 3 {
                    // Headers more often than what is behind them.
                    let at =
                        noise.next() as usize % if noise.next().is_multiple_of(2) { 40 } else { bytes.len() };
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = noise.next() as u8;
                    }
                }
                bytes.truncate(1 + noise.next() as usize % (3 * bytes.len()));
                let role = if noise.next().is_multiple_of(8) { role.peer() } else { *role };
                analyzer.datagram(role, &bytes, 0, &mut sink);
                sink.reset(seen());
                assert!(analyzer.held() < 256 * 1024);
            }
            analyzer.end(&mut sink);
        }
    }
}
