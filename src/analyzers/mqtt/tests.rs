//! Byte examples after the figures of OASIS MQTT 3.1.1 and 5.0, and captures in the tests of other
//! tools.

use super::observe::MAX_TOPICS;
use super::*;
use crate::analyzers::ProbeInput;
use crate::analyzers::testing::{
    Session, Step, client, every_cut, every_truncation, server, single_bytes, survives_noise,
};

fn run(steps: &[Step]) -> Session {
    Session::run(&DEFINITION, steps)
}

fn anomalies(steps: &[Step]) -> Vec<String> {
    run(steps).values("mqtt.anomaly").into_iter().map(|(word, _)| word).collect()
}

/// CONNECT of MQTT 3.1.1 as in figure 3.6 there: user name, password, will with QoS 1, clean
/// session, keep alive 10.
const CONNECT: &[u8] = b"\x10\x1b\x00\x04MQTT\x04\xce\x00\x0a\x00\x02id\x00\x01w\x00\x02hi\x00\x01u\x00\x01p";
const PLAIN: &[u8] = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x0a\x00\x02id";
const CONNECT_5: &[u8] = b"\x10\x14\x00\x04MQTT\x05\x02\x00\x0a\x05\x11\x00\x00\x00\x3c\x00\x02id";
const ACCEPTED: &[u8] = b"\x20\x02\x00\x00";
const ACCEPTED_5: &[u8] = b"\x20\x0e\x01\x00\x0b\x13\x00\x1e\x12\x00\x05fresh";
const PING: &[u8] = b"\xc0\x00";

/// One of each packet that MQTT 3.1.1 has.
fn conversation() -> Vec<Step> {
    vec![
        client(CONNECT),
        server(ACCEPTED),
        // Topic names and filters a/b and c/d, identifier 10: figures 3.11, 3.23, 3.31.
        client(b"\x82\x0e\x00\x0a\x00\x03a/b\x01\x00\x03c/d\x02"),
        server(b"\x90\x04\x00\x0a\x01\x80"),
        client(b"\x30\x07\x00\x03a/bhi"),
        client(b"\x32\x07\x00\x03a/b\x00\x0a"),
        server(b"\x40\x02\x00\x0a"),
        client(b"\x34\x09\x00\x03a/b\x00\x0bhi"),
        server(b"\x50\x02\x00\x0b"),
        client(b"\x62\x02\x00\x0b"),
        server(b"\x70\x02\x00\x0b"),
        server(b"\x31\x07\x00\x03x/yhi"),
        client(b"\xa2\x07\x00\x0c\x00\x03a/b"),
        server(b"\xb0\x02\x00\x0c"),
        client(PING),
        server(b"\xd0\x00"),
        client(b"\xe0\x00"),
    ]
}

#[test]
fn every_packet_type_is_counted_for_its_side() {
    assert_eq!(
        run(&conversation()).list(),
        [
            "mqtt.clean_start=yes x1",
            "mqtt.client_disconnect=0 x1",
            "mqtt.client_id=id x1",
            "mqtt.client_packets=connect x1",
            "mqtt.client_packets=disconnect x1",
            "mqtt.client_packets=pingreq x1",
            "mqtt.client_packets=publish x3",
            "mqtt.client_packets=pubrel x1",
            "mqtt.client_packets=subscribe x1",
            "mqtt.client_packets=unsubscribe x1",
            "mqtt.client_publish_qos=0 x1",
            "mqtt.client_publish_qos=1 x1",
            "mqtt.client_publish_qos=2 x1",
            "mqtt.connack_code=0 x1",
            "mqtt.keep_alive=10 x1",
            "mqtt.longest_client_gap=0.000000 x1",
            "mqtt.password=yes x1",
            "mqtt.protocol_level=4 x1",
            "mqtt.protocol_name=MQTT x1",
            "mqtt.server_packets=connack x1",
            "mqtt.server_packets=pingresp x1",
            "mqtt.server_packets=puback x1",
            "mqtt.server_packets=pubcomp x1",
            "mqtt.server_packets=publish x1",
            "mqtt.server_packets=pubrec x1",
            "mqtt.server_packets=suback x1",
            "mqtt.server_packets=unsuback x1",
            "mqtt.server_publish_qos=0 x1",
            "mqtt.subscribe_refused=128 x1",
            "mqtt.subscription=a/b x1",
            "mqtt.subscription=c/d x1",
            "mqtt.topic=a/b x3",
            "mqtt.topic=x/y x1",
            "mqtt.user_name=yes x1",
            "mqtt.will_qos=1 x1",
        ]
    );
}

/// The same of MQTT 5, as far as it differs.
fn conversation_5() -> Vec<Step> {
    vec![
        client(CONNECT_5),
        server(ACCEPTED_5),
        client(b"\x82\x0a\x00\x0a\x02\x0b\x01\x00\x02#a\x02"),
        server(b"\x90\x05\x00\x0a\x00\x02\x87"),
        client(b"\x32\x0a\x00\x00\x00\x0b\x03\x23\x00\x01hi"),
        server(b"\x40\x04\x00\x0b\x87\x00"),
        client(b"\xa2\x07\x00\x0c\x00\x00\x02#a"),
        server(b"\xb0\x04\x00\x0c\x00\x11"),
        server(b"\xf0\x00"),
        server(b"\xe0\x02\x8d\x00"),
    ]
}

#[test]
fn reason_codes_and_properties_of_mqtt_5_are_read() {
    let list = run(&conversation_5()).list();
    for expected in [
        "mqtt.assigned_client_id=fresh x1",
        "mqtt.connack_code=0 x1",
        "mqtt.keep_alive=10 x1",
        "mqtt.protocol_level=5 x1",
        "mqtt.publish_refused=135 x1",
        "mqtt.server_disconnect=141 x1",
        "mqtt.server_keep_alive=30 x1",
        "mqtt.server_packets=auth x1",
        "mqtt.session_present=yes x1",
        "mqtt.subscribe_refused=135 x1",
        "mqtt.subscription=#a x1",
    ] {
        assert!(list.contains(&expected.to_owned()), "{expected}\n{list:#?}");
    }
    assert!(!list.iter().any(|fact| fact.starts_with("mqtt.anomaly")), "{list:#?}");
}

#[test]
fn facts_do_not_depend_on_how_the_streams_are_cut() {
    let large = client([&b"\x32\xc0\x84\x3d\x00\x01t\x00\x01"[..], &vec![0x7f; 999_995]].concat());
    let with_large = vec![client(PLAIN), large, client(PING)];
    let expected = run(&with_large).list();
    assert_eq!(run(&single_bytes(&with_large)).list(), expected);
    for steps in [conversation(), conversation_5()] {
        let expected = run(&steps).list();
        assert_eq!(run(&single_bytes(&steps)).list(), expected);
        for cut in every_cut(&steps) {
            assert_eq!(run(&cut).list(), expected);
        }
    }
}

#[test]
fn every_truncation_and_noise_are_survived() {
    every_truncation(&conversation_5()).for_each(|steps| drop(run(&steps)));
    survives_noise(&DEFINITION, &conversation());
    survives_noise(&DEFINITION, &conversation_5());
}

#[test]
fn every_body_cut_short_is_malformed_or_shorter_but_never_more() {
    for step in conversation().into_iter().chain(conversation_5()) {
        let Step::Data(role, bytes, _) = step else { continue };
        let body = &bytes[2..];
        for cut in 0..body.len() {
            let mut packet = vec![bytes[0], u8::try_from(cut).unwrap()];
            packet.extend(&body[..cut]);
            let mut steps = vec![client(PLAIN), server(ACCEPTED)];
            steps.push(Step::Data(role, packet, 0));
            run(&steps);
        }
    }
}

#[test]
fn what_breaks_the_protocol_is_reported() {
    let after = |step: Step| vec![client(PLAIN), server(ACCEPTED), step];
    for (steps, words) in [
        (vec![client(PING)], vec!["packet-before-connect"]),
        (vec![server(ACCEPTED)], vec!["connack-without-connect"]),
        (vec![client(PLAIN), server(b"\x30\x04\x00\x01a!")], vec!["packet-before-connack"]),
        (after(client(PLAIN)), vec!["second-connect"]),
        (after(server(PING)), vec!["wrong-direction"]),
        (after(server(b"\xe0\x00")), vec!["wrong-direction"]),
        (after(client(b"\x00\x00")), vec!["reserved-type"]),
        (after(client(b"\xf0\x00")), vec!["reserved-type"]),
        (after(client(b"\x80\x06\x00\x01\x00\x01a\x00")), vec!["reserved-flags"]),
        (after(client(b"\xc1\x00")), vec!["reserved-flags"]),
        (after(client(b"\x36\x03\x00\x01a")), vec!["bad-qos"]),
        (after(client(b"\x38\x03\x00\x01a")), vec!["duplicate-qos-0"]),
        (after(client(b"\xc0\xff\xff\xff\xff")), vec!["bad-remaining-length"]),
        (after(client(b"\xc0\x80\x00")), vec!["bad-remaining-length"]),
        (after(client(b"\xc0\x01\x00")), vec!["malformed-packet"]),
        (after(client(b"\x30\x02\x00\x01")), vec!["malformed-packet"]),
        (after(server(b"\x40\x03\x00\x01\x00")), vec!["malformed-packet"]),
        (after(server(b"\x90\x02\x00\x01")), vec!["malformed-packet"]),
        (after(client(b"\x30\x03\x00\x01#")), vec!["bad-topic"]),
        (after(client(b"\x30\x02\x00\x00")), vec!["bad-topic"]),
        (after(client(b"\x82\x06\x00\x00\x00\x01a\x00")), vec!["packet-identifier-zero"]),
        (after(client(b"\x82\x02\x00\x01")), vec!["no-topic-filter"]),
        (vec![client(b"\x10\x0c\x00\x04MQTT\x04\x40\x00\x0a\x00\x00")], vec!["password-without-user-name"]),
        (vec![client(b"\x10\x0c\x00\x04MQTT\x04\x01\x00\x0a\x00\x00")], vec!["reserved-flags"]),
        (vec![client(b"\x10\x0c\x00\x04MQTT\x04\x20\x00\x0a\x00\x00")], vec!["reserved-flags"]),
        (vec![client(b"\x10\x0c\x00\x04MQTT\x04\x1c\x00\x0a\x00\x00")], vec!["bad-qos"]),
        (vec![client(b"\x10\x0c\x00\x04MQTT\x06\x02\x00\x0a\x00\x00")], vec!["unknown-protocol-level"]),
        (vec![client(b"\x10\x0c\x00\x04MQTT\x03\x02\x00\x0a\x00\x00")], vec!["bad-protocol-name"]),
        (vec![client(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x09")], vec!["malformed-packet"]),
        (vec![client(PLAIN), client(b"\xe0\x00"), client(PING)], vec!["packet-after-disconnect"]),
        // A client may go on before it is answered (3.1.1 section 3.1.4), and the capture may swap
        // directions.
        (vec![client(PLAIN), client(PING), server(ACCEPTED)], vec![]),
        (vec![server(ACCEPTED), client(PLAIN)], vec![]),
        // MQTT 3.1 may repeat a SUBSCRIBE with DUP set.
        (
            vec![
                client(b"\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x00"),
                client(b"\x8a\x06\x00\x01\x00\x01a\x00"),
            ],
            vec![],
        ),
    ] {
        assert_eq!(anomalies(&steps), words, "{steps:?}");
    }
}

#[test]
fn a_refusal_is_read_even_if_its_properties_make_no_sense() {
    let session = run(&[client(CONNECT_5), server(b"\x20\x03\x00\x86\x7f")]);
    assert_eq!(session.values("mqtt.connack_code"), [("134".to_owned(), 1)]);
    assert_eq!(session.values("mqtt.anomaly"), [("malformed-packet".to_owned(), 1)]);
}

#[test]
fn a_client_that_is_silent_for_too_long_is_reported_in_its_late_frame() {
    let ping = |ms| client(PING).at(ms);
    let steps = [client(PLAIN), server(ACCEPTED), ping(10_000), ping(25_000), ping(40_001), ping(50_000)];
    let session = run(&steps);
    // 15 s is one and a half times 10 s: not more.
    assert_eq!(session.values("mqtt.keep_alive_missed"), [("15.001000".to_owned(), 1)]);
    let missed = session.facts.iter().find(|fact| fact.field.name == "mqtt.keep_alive_missed").unwrap();
    assert_eq!(missed.evidence.first.frame.no().0, 5);
    assert_eq!(session.values("mqtt.longest_client_gap"), [("15.001000".to_owned(), 1)]);
    assert_eq!(session.values("mqtt.ping_period"), [("15.000000".to_owned(), 1)]);
    assert_eq!(session.values("mqtt.ping_unanswered"), [("yes".to_owned(), 1)]);
}

#[test]
fn silence_before_the_end_counts_unless_nothing_is_owed() {
    let end = server(b"\x30\x05\x00\x03a/b").at(20_000);
    let missed = |steps: &[Step]| run(steps).values("mqtt.keep_alive_missed").len();
    assert_eq!(missed(&[client(PLAIN), server(ACCEPTED), end.clone()]), 1);
    assert_eq!(missed(&[client(PLAIN), server(ACCEPTED), client(b"\xe0\x00"), end.clone()]), 0);
    assert_eq!(missed(&[client(PLAIN), server(b"\x20\x02\x00\x05"), end.clone()]), 0);
    assert_eq!(missed(&[client(PLAIN), end.clone()]), 0);
    // The server's keep alive is in force: 30 s.
    assert_eq!(missed(&[client(CONNECT_5), server(ACCEPTED_5), end.clone()]), 0);
    // What the client sent may just not be in the capture.
    assert_eq!(missed(&[client(PLAIN), server(ACCEPTED), Step::Gap(Role::Client, 2, 0), end]), 0);
}

#[test]
fn gaps_within_a_packet_are_counted_past_and_others_end_where_packets_begin() {
    let steps = [
        client(PLAIN),
        server(ACCEPTED),
        client([&b"\x30\xe8\x07\x00\x03a/b"[..], &[0; 100]].concat()),
        Step::Gap(Role::Client, 895, 0),
        client(PING),
        Step::Gap(Role::Client, 77, 0),
        client(b"middle of something"),
        client(b"\x30\x07\x00\x03c/dhi"),
    ];
    let session = run(&steps);
    assert_eq!(
        session.values("mqtt.client_packets"),
        [("connect".to_owned(), 1), ("publish".to_owned(), 2), ("pingreq".to_owned(), 1)]
    );
    assert_eq!(session.values("mqtt.incomplete"), [("client".to_owned(), 1)]);
    assert_eq!(session.values("mqtt.anomaly"), []);
}

#[test]
fn what_the_capture_cut_off_a_packet_is_not_judged() {
    // CONNACK with a property of which the capture has one byte: it may be the server's keep alive.
    let cut = [
        client(CONNECT_5),
        server(b"\x20\x06\x00\x00\x03"),
        Step::Gap(Role::Server, 3, 0),
        Step::Data(Role::Client, PING.to_vec(), 500_000),
    ];
    let session = run(&cut);
    assert_eq!(session.values("mqtt.connack_code"), [("0".to_owned(), 1)]);
    for absent in ["mqtt.anomaly", "mqtt.keep_alive_missed"] {
        assert_eq!(session.values(absent), [], "{absent}");
    }
    // DISCONNECT with a code that is not there.
    let left = run(&[client(CONNECT_5), client(b"\xe0\x01"), Step::Gap(Role::Client, 1, 0)]);
    assert_eq!(left.values("mqtt.client_disconnect"), []);
    assert_eq!(left.values("mqtt.client_packets").len(), 2);
}

#[test]
fn topics_are_told_up_to_a_limit() {
    let topic = |n: u8| client([&b"\x30\x03\x00\x01"[..], &[b'0' + n]].concat());
    let mut steps = vec![client(PLAIN)];
    steps.extend((0..40).map(topic));
    steps.push(topic(0));
    let topics = run(&steps).values("mqtt.topic");
    assert_eq!(topics.len(), MAX_TOPICS);
    assert_eq!(topics[0], ("0".to_owned(), 2));
}

#[test]
fn a_bridge_is_told_from_its_level() {
    let session = run(&[client(b"\x10\x0e\x00\x04MQTT\x84\x02\x00\x0a\x00\x02id")]);
    assert_eq!(session.values("mqtt.bridge"), [("yes".to_owned(), 1)]);
    assert_eq!(session.values("mqtt.protocol_level"), [("4".to_owned(), 1)]);
    assert_eq!(session.values("mqtt.anomaly"), []);
}

#[test]
fn a_flow_joined_in_the_middle_is_read_from_its_first_packets() {
    let mut session = Session::new(&DEFINITION, false);
    [client(b"junk"), client(PING), server(b"\xd0\x00"), client(PING)]
        .iter()
        .for_each(|step| session.step(step));
    session.end();
    assert_eq!(session.values("mqtt.client_packets"), [("pingreq".to_owned(), 2)]);
    assert_eq!(session.values("mqtt.anomaly"), []);
}

fn probed(bytes: &[u8], src_port: u16, dst_port: u16) -> Probe {
    probe::probe(&ProbeInput { bytes, transport: Transport::Tcp, src_port, dst_port, at_start: false })
}

#[test]
fn connect_is_recognised_on_any_port_and_the_rest_where_it_is_expected() {
    for bytes in [CONNECT, PLAIN, CONNECT_5, b"\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x00"] {
        let name_ends = 4 + usize::from(bytes[3]);
        for cut in 0..bytes.len() {
            let expected = if cut < name_ends { Probe::More } else { Probe::Certainly(Role::Client) };
            assert_eq!(probed(&bytes[..cut], 40_000, 4711), expected, "{cut}");
        }
    }
    for step in conversation().into_iter().chain(conversation_5()) {
        let Step::Data(role, bytes, _) = step else { continue };
        let (src, dst) = if role == Role::Client { (40_000, 1883) } else { (1883, 40_000) };
        // A PUBLISH with an alias for its topic, and AUTH, have too little to be known by.
        let telling = !bytes.starts_with(b"\x32\x0a\x00\x00") && bytes[0] != 0xf0;
        assert_eq!(probed(&bytes, src, dst) == Probe::Certainly(role), telling, "{bytes:?}");
        if bytes[0] != 0x10 {
            assert_eq!(probed(&bytes, 40_000, 4711), Probe::No);
        }
    }
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-x\r\n",
        b"\x10\x80\x80\x80\x80\x01",
    ] {
        assert_eq!(probed(bytes, 40_000, 1883), Probe::No, "{bytes:?}");
    }
}

#[test]
fn remaining_length_of_table_2_4() {
    for (bytes, length) in [
        (&[0x00][..], 0),
        (&[0x7f], 127),
        (&[0x80, 0x01], 128),
        (&[0xff, 0x7f], 16_383),
        (&[0x80, 0x80, 0x01], 16_384),
        (&[0xff, 0xff, 0x7f], 2_097_151),
        (&[0x80, 0x80, 0x80, 0x01], 2_097_152),
        (&[0xff, 0xff, 0xff, 0x7f], 268_435_455),
    ] {
        let mut encoded = RemainingLength::default();
        let (last, before) = bytes.split_last().unwrap();
        before.iter().for_each(|byte| assert_eq!(encoded.push(*byte), Ok(None)));
        assert_eq!(encoded.push(*last), Ok(Some(length)));
    }
    let mut encoded = RemainingLength::default();
    assert_eq!([0xff, 0xff, 0xff, 0xff].map(|byte| encoded.push(byte)).last(), Some(&Err(Malformed)));
}

#[test]
fn what_a_side_did_not_say_is_not_known_where_its_bytes_are_missing() {
    let facts = |steps: &[Step], field: &str| run(steps).values(field).len();
    let ping = [client(PLAIN), server(ACCEPTED), client(PING)];
    assert_eq!(facts(&ping, "mqtt.ping_unanswered"), 1);
    assert_eq!(facts(&[&ping[..], &[Step::Lacks(Role::Server)]].concat(), "mqtt.ping_unanswered"), 0);
    assert_eq!(anomalies(&[server(ACCEPTED)]), ["connack-without-connect"]);
    assert_eq!(anomalies(&[server(ACCEPTED), Step::Lacks(Role::Client)]), [""; 0]);
    // Keep alive is ten seconds; the last of the client is half a minute old.
    let silent = [client(PLAIN), server(ACCEPTED), server(b"\x31\x05\x00\x03x/y").at(30_000)];
    assert_eq!(facts(&silent, "mqtt.keep_alive_missed"), 1);
    assert_eq!(facts(&[&silent[..], &[Step::Lacks(Role::Client)]].concat(), "mqtt.keep_alive_missed"), 0);
    let left = [client(CONNECT_5), server(b"\x20\x03\x00\x00\x00"), server(b"\xe0\x01\x8d").at(30_000)];
    assert_eq!(facts(&left, "mqtt.keep_alive_missed"), 1);
    for missing in [Step::Lacks(Role::Client), Step::Gap(Role::Client, 2, 30_000)] {
        assert_eq!(facts(&[&left[..], &[missing]].concat(), "mqtt.keep_alive_missed"), 0);
    }
}
