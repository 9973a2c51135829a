//! Byte examples of RFC 6455 section 5.7.

use super::*;
use crate::analyzers::testing::{
    Session, Step, client, every_cut, every_truncation, server, single_bytes, survives_noise,
};

fn run(steps: &[Step]) -> Session {
    Session::run(&DEFINITION, steps)
}

fn anomalies(steps: &[Step]) -> Vec<String> {
    run(steps).values("websocket.anomaly").into_iter().map(|(word, _)| word).collect()
}

/// A frame from the client, masked as section 5.3 says.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap()];
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";

/// The examples of section 5.7 in order, as a conversation that is closed properly, with MQTT as
/// its content.
fn conversation() -> Vec<Step> {
    let (first, second) = CONNECT.split_at(7);
    let mut long = vec![0x82, 0x7e, 0x01, 0x00];
    long.extend([0; 256]);
    vec![
        // A fragmented masked message, with a ping between its fragments.
        client(masked(0x02, first)),
        client(masked(0x89, b"Hello")),
        client(masked(0x80, second)),
        // Unmasked pong; a single unmasked binary message.
        server([&[0x8a, 0x05][..], b"Hello"].concat()),
        server([0x82, 0x04, 0x20, 0x02, 0x00, 0x00]),
        // 256 bytes of binary in one frame: reserved control packets.
        server(long),
        server([&[0x88, 0x0b, 0x03, 0xe9][..], b"going off"].concat()),
        client(masked(0x88, &[0x03, 0xe8])),
    ]
}

#[test]
fn the_content_of_messages_is_handed_on() {
    let session = run(&conversation());
    assert_eq!(session.services, ["websocket", "mqtt"]);
    assert_eq!(
        session.list(),
        [
            "mqtt.anomaly=reserved-type x128",
            "mqtt.clean_start=yes x1",
            "mqtt.client_id=a x1",
            "mqtt.client_packets=connect x1",
            "mqtt.connack_code=0 x1",
            "mqtt.keep_alive=60 x1",
            "mqtt.protocol_level=4 x1",
            "mqtt.protocol_name=MQTT x1",
            "mqtt.server_packets=connack x1",
            "mqtt.server_packets=reserved x128",
            "websocket.client_close_code=1000 x1",
            "websocket.client_frames=binary x1",
            "websocket.client_frames=close x1",
            "websocket.client_frames=continuation x1",
            "websocket.client_frames=ping x1",
            "websocket.closed=1970-01-01T00:00:00.000000Z x1",
            "websocket.closed_by=server x1",
            "websocket.server_close_code=1001 x1",
            "websocket.server_close_reason=going off x1",
            "websocket.server_frames=binary x2",
            "websocket.server_frames=close x1",
            "websocket.server_frames=pong x1",
        ]
    );
}

#[test]
fn facts_do_not_depend_on_how_the_streams_are_cut() {
    let expected = run(&conversation()).list();
    assert_eq!(run(&single_bytes(&conversation())).list(), expected);
    for cut in every_cut(&conversation()) {
        assert_eq!(run(&cut).list(), expected);
    }
}

#[test]
fn every_truncation_and_noise_are_survived() {
    every_truncation(&conversation()).for_each(|steps| drop(run(&steps)));
    survives_noise(&DEFINITION, &conversation());
}

#[test]
fn frames_that_break_the_protocol_are_reported() {
    for (step, words) in [
        (client([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]), vec!["unmasked-client-frame"]),
        (server(masked(0x81, b"Hello")), vec!["masked-server-frame"]),
        (server([0xb1, 0x00]), vec!["reserved-bits"]),
        (server([0x83, 0x00]), vec!["reserved-opcode"]),
        (server([0x8b, 0x00]), vec!["reserved-opcode"]),
        (server([0xca, 0x00]), vec!["misplaced-rsv1"]),
        (server([0x09, 0x00]), vec!["fragmented-control-frame"]),
        (server([0x89, 0x7e, 0x00, 0x7e]), vec!["long-control-frame"]),
        (server([0x82, 0x7e, 0x00, 0x7d]), vec!["long-form-length"]),
        (server([0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), vec!["long-form-length"]),
        (server([0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0]), vec!["impossible-length"]),
        (server([0x80, 0x00]), vec!["unexpected-continuation"]),
        (server([0x01, 0x00, 0x81, 0x00]), vec!["interrupted-message"]),
        (server([0x88, 0x01, 0x03]), vec!["bad-close-payload"]),
        (server([0x88, 0x02, 0x03, 0xee]), vec!["bad-close-code"]),
        (server([0x88, 0x03, 0x03, 0xe8, 0xff]), vec!["bad-close-reason"]),
        (server([0x88, 0x00, 0x81, 0x00]), vec!["frame-after-close"]),
        // Codes that an application may choose, and an empty close frame.
        (server([0x88, 0x02, 0x0f, 0xa0]), vec![]),
        (server([0x88, 0x00]), vec![]),
        // Fragments in order, with a control frame between them.
        (server([0x01, 0x00, 0x89, 0x00, 0x00, 0x00, 0x80, 0x00]), vec![]),
    ] {
        assert_eq!(anomalies(std::slice::from_ref(&step)), words, "{step:?}");
    }
}

#[test]
fn a_compressed_message_is_told_and_not_handed_on() {
    // RFC 7692 section 7.2.3.2: "Hello" in two fragments; only the first has RSV1.
    let session = run(&[server([0x41, 0x03, 0xf2, 0x48, 0xcd, 0x80, 0x04, 0xc9, 0xc9, 0x07, 0x00])]);
    assert_eq!(session.values("websocket.compressed"), [("server".to_owned(), 1)]);
    assert_eq!(session.values("websocket.anomaly"), []);
    assert_eq!(session.services, ["websocket"]);
}

#[test]
fn pings_have_a_period_and_the_last_one_may_stay_unanswered() {
    let ping = |ms| client(masked(0x89, b"")).at(ms);
    let pong = |ms| server([0x8a, 0x00]).at(ms);
    let session = run(&[ping(0), pong(10), ping(30_000), pong(30_010), ping(60_000)]);
    assert_eq!(session.values("websocket.client_ping_period"), [("30.000000".to_owned(), 1)]);
    assert_eq!(session.values("websocket.ping_unanswered"), [("client".to_owned(), 1)]);
    let unanswered =
        session.facts.iter().find(|fact| fact.field.name == "websocket.ping_unanswered").unwrap();
    assert_eq!(unanswered.evidence.first.frame.no().0, 5);
    assert_eq!(run(&[ping(0), pong(10)]).values("websocket.ping_unanswered"), []);
    let closed = [ping(0), server([0x88, 0x00])];
    assert_eq!(run(&closed).values("websocket.ping_unanswered"), []);
}

#[test]
fn a_gap_within_a_frame_is_counted_past_and_another_ends_the_side() {
    let within = [
        server([&[0x82, 0x7e, 0x01, 0x00][..], &[0; 6]].concat()),
        Step::Gap(Role::Server, 250, 0),
        server([0x89, 0x00]),
    ];
    let session = run(&within);
    assert_eq!(session.values("websocket.server_frames"), [("binary".to_owned(), 1), ("ping".to_owned(), 1)]);
    assert_eq!(session.values("websocket.incomplete"), []);
    let across = [server([0x82, 0x02, 0x00]), Step::Gap(Role::Server, 2, 0), server([0x89, 0x00])];
    let session = run(&across);
    assert_eq!(session.values("websocket.server_frames"), [("binary".to_owned(), 1)]);
    assert_eq!(session.values("websocket.incomplete"), [("server".to_owned(), 1)]);
}

#[test]
fn payload_is_not_decoded_once_nobody_wants_it() {
    let seen = Seen { at: crate::model::Timestamp::default(), frame: crate::model::FrameRef::default() };
    let mut sink = Sink::new(seen);
    sink.wants_payload = false;
    let mut analyzer = WebSocket {
        client: Side::default(),
        server: Side::default(),
        closing: None,
        told_closed: false,
        handed_over: false,
    };
    analyzer.data(Role::Client, &masked(0x82, b"abc"), &mut sink);
    assert!(sink.forwarded.is_empty());
}

#[test]
fn who_closed_is_not_known_where_the_other_may_have_done_so_before() {
    let closes = server([0x88, 0x02, 0x03, 0xe8]);
    let by = |steps: &[Step]| run(steps).values("websocket.closed_by");
    assert_eq!(by(std::slice::from_ref(&closes)), [("server".to_owned(), 1)]);
    for missing in [Step::Gap(Role::Client, 8, 0), Step::Lacks(Role::Client)] {
        assert_eq!(by(&[missing.clone(), closes.clone()]), [], "{missing:?}");
        // What is missing after the client's own close frame does not matter.
        let both = [closes.clone(), client(masked(0x88, &[])), missing];
        assert_eq!(by(&both), [("server".to_owned(), 1)]);
        assert_eq!(run(&both).values("websocket.closed").len(), 1);
    }
    let ping = [server([0x89, 0]), Step::Lacks(Role::Client)];
    assert_eq!(run(&ping[..1]).values("websocket.ping_unanswered").len(), 1);
    assert_eq!(run(&ping).values("websocket.ping_unanswered"), []);
}
