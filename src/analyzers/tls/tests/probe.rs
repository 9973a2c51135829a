//! Recognition.

use super::*;

use super::bytes::refragment;
use super::crafted::{RFC8448_CLIENT_HELLO, RFC8448_SERVER_HELLO, SSL2_CLIENT_HELLO};
use crate::analyzers::tls::probe::probe;
use crate::analyzers::{Probe, ProbeInput};

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
