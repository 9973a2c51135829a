//! Bytes made by hand: the hellos of RFC 8448 section 3, and what no present program sends.

use super::*;

pub(super) const RFC8448_CLIENT_HELLO: &str = "
    16 03 01 00 c4 01 00 00 c0 03 03 cb 34 ec b1 e7 81 63 ba 1c 38 c6 da cb 19 6a 6d ff a2 1a 8d 99 12 ec 18
    a2 ef 62 83 02 4d ec e7 00 00 06 13 01 13 03 13 02 01 00 00 91 00 00 00 0b 00 09 00 00 06 73 65 72 76 65
    72 ff 01 00 01 00 00 0a 00 14 00 12 00 1d 00 17 00 18 00 19 01 00 01 01 01 02 01 03 01 04 00 23 00 00 00
    33 00 26 00 24 00 1d 00 20 99 38 1d e5 60 e4 bd 43 d2 3d 8e 43 5a 7d ba fe b3 c0 6e 51 c1 3c ae 4d 54 13
    69 1e 52 9a af 2c 00 2b 00 03 02 03 04 00 0d 00 20 00 1e 04 03 05 03 06 03 02 03 08 04 08 05 08 06 04 01
    05 01 06 01 02 01 04 02 05 02 06 02 02 02 00 2d 00 02 01 01 00 1c 00 02 40 01";
pub(super) const RFC8448_SERVER_HELLO: &str = "
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
pub(super) const SSL2_CLIENT_HELLO: &str =
    "80 25 01 03 01 00 0c 00 00 00 10  00 00 2f 00 00 0a 01 00 80 00 00 ff
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
fn an_external_key_of_tls13_is_no_session() {
    // supported_versions, and pre_shared_key with one identity of four bytes, an age, and a binder of 32.
    let hello = |name: &[u8; 4], age: u32| {
        let identity = [&[0, 10, 0, 4][..], name, &age.to_be_bytes()].concat();
        let keys = [&identity[..], &[0, 33, 32], &[5; 32]].concat();
        let length = (keys.len() as u16).to_be_bytes();
        let extensions = [&unhex("002b 0003 02 0304")[..], &[0, 41], &length, &keys].concat();
        (C, client_hello(0x0303, &[0x1301], Some(&extensions)))
    };
    let answer = (S, server_hello(0x0303, 0x1301, Some(&unhex("002b 0002 0304  0029 0002 0000"))));
    let told = |hello| {
        let facts = facts(&vec![hello, answer.clone()]);
        [&f::RESUMED, &f::CERTIFICATE, &f::PSK_IDENTITY].map(|field| all(&facts, field).concat())
    };
    assert_eq!(told(hello(b"dev7", 0)), ["", "none", "dev7"]);
    assert_eq!(told(hello(b"\x00\x01\xff\x02", 0)), ["", "none", ""]);
    // A ticket has an age that is hidden.
    assert_eq!(told(hello(b"dev7", 0x1234_5678)), ["psk", "resumed", ""]);
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
    let offer = unhex("002b 0003 02 0304  002a 0000  0029 0010 000a 0004 aabbccdd 5ca1ab1e 0002 0100");
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
