//! Recorded connections.

use super::*;

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

/// Of two mirror ports that are merged, one may be late: a data segment stands up to two places from where it was.
#[test]
fn the_order_of_the_two_sides_in_a_capture_proves_nothing() {
    let recordings = [recording!("tls13"), recording!("tls13_resumed"), recording!("tls13_retry")];
    for (number, talk) in recordings.into_iter().enumerate() {
        let whole = facts(&talk);
        for from in 0..talk.len() {
            for to in from.saturating_sub(2)..(from + 3).min(talk.len()) {
                let passed = &talk[from.min(to)..=from.max(to)];
                if passed.iter().filter(|(role, _)| *role == talk[from].0).count() > 1 {
                    // TCP puts one direction in order.
                    continue;
                }
                let mut moved = talk.clone();
                let segment = moved.remove(from);
                moved.insert(to, segment);
                let facts = facts(&moved);
                for field in [&f::HANDSHAKE_FAILED, &f::PROBABLE_REJECTION, &f::HANDSHAKE_UNFINISHED] {
                    assert!(!facts.has(field), "{number}: {from} to {to}: {}", field.name);
                }
                let completed = facts.has(&f::HANDSHAKE_COMPLETED);
                assert_eq!(completed, whole.has(&f::HANDSHAKE_COMPLETED), "{number}: {from} to {to}");
            }
        }
    }
}

#[test]
fn a_server_that_says_one_short_thing_after_finished_probably_refused() {
    let facts = facts(&recording!("tls13_mutual_refused"));
    assert!(facts.has(&f::HANDSHAKE_COMPLETED) && facts.has(&f::PROBABLE_REJECTION));
    assert!(!facts.has(&f::PROBABLE_CLOSE_NOTIFY) && !facts.has(&f::APPLICATION_DATA));
}
