use super::control::{CLIENT, CLIENT_V3, SERVER};
use super::*;
use crate::analyzers::talk::{
    ask, ask_udp, play, recording, run, run_datagrams, run_with, steady, steady_datagrams,
};
use crate::analyzers::testing::Noise;

const C: Role = Role::Client;
const S: Role = Role::Server;

fn client() -> Vec<u8> {
    [&[CLIENT][..], &[7; 8], &[0; 5]].concat()
}

fn server() -> Vec<u8> {
    [&[SERVER][..], &[8; 8], &[1, 0, 0, 0, 0], &[7; 8], &[0; 4]].concat()
}

fn in_stream(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

#[test]
fn both_sides_begin() {
    let facts = run_datagrams(&DEFINITION, &[(C, &client()), (S, &server()), (C, &[0x20; 100])]);
    let told: Vec<String> = facts.iter().map(|fact| fact.value.to_string()).collect();
    assert_eq!(told, ["client", "server"]);
    let facts =
        run(&DEFINITION, &[(C, &in_stream(&client())), (S, &in_stream(&server())), (C, &[0x20; 100])]);
    assert_eq!(facts.count(&RESET), 2);
}

/// The reset of `tls-crypt-v2`.
fn with_key(start: u8, number: u8) -> Vec<u8> {
    let replay = [start, 0, 0, number, 9, 9, 9, 9];
    [&[CLIENT_V3][..], &[7; 8], &replay, &[3; 37], &[4; 300], &302_u16.to_be_bytes()].concat()
}

#[test]
fn a_client_with_a_wrapped_key_or_that_asks_again_is_known() {
    for (start, number, expected) in [
        (0, 1, Probe::Perhaps(C)),
        (0, 16, Probe::Perhaps(C)),
        (0x0f, 1, Probe::Perhaps(C)),
        (0, 0, Probe::No),
        (0, 17, Probe::No),
        (1, 1, Probe::No),
    ] {
        let whole = with_key(start, number);
        assert_eq!(ask_udp(&DEFINITION, &whole, 50_000, 1194), expected, "{start} {number}");
        let auth = [&[CLIENT][..], &[7; 8], &[3; 20], &[start, 0, 0, number, 9, 9, 9, 9], &[0; 5]].concat();
        let expected = if start == 0 { expected } else { Probe::No };
        assert_eq!(ask_udp(&DEFINITION, &auth, 50_000, 1194), expected, "{start} {number}");
    }
    let facts = run_datagrams(&DEFINITION, &[(C, &with_key(0x0f, 1)), (C, &[0x20; 100])]);
    assert_eq!(facts.count(&RESET), 1);
}

#[test]
fn resets_may_be_one_and_nothing_else() {
    assert_eq!(ask_udp(&DEFINITION, &client(), 50_000, 1194), Probe::Perhaps(C));
    assert_eq!(ask_udp(&DEFINITION, &server(), 1194, 50_000), Probe::Perhaps(S));
    assert_eq!(ask(&DEFINITION, &in_stream(&client()), 50_000, 443), Probe::Perhaps(C));
    let auth = [&[CLIENT][..], &[7; 8], &[3; 20], &[0, 0, 0, 1, 9, 9, 9, 9], &[0; 5]].concat();
    assert_eq!(ask_udp(&DEFINITION, &auth, 50_000, 1194), Probe::Perhaps(C));
    let crypt = [&[CLIENT][..], &[7; 8], &[0, 0, 0, 1, 9, 9, 9, 9], &[3; 37]].concat();
    assert_eq!(ask_udp(&DEFINITION, &crypt, 50_000, 1194), Probe::Perhaps(C));
    let flags = [&[SERVER][..], &[8; 8], &[0, 0, 0, 1, 9, 9, 9, 9], &[3; 32 + 17 + 6]].concat();
    assert_eq!(ask_udp(&DEFINITION, &flags, 1194, 50_000), Probe::Perhaps(S));
    for whole in [client(), server(), auth, crypt, with_key(0, 1), with_key(0x0f, 16)] {
        for length in 0..whole.len() {
            assert_eq!(ask_udp(&DEFINITION, &whole[..length], 50_000, 1194), Probe::No, "{length}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(ask_udp(&DEFINITION, &longer, 50_000, 1194), Probe::No);
    }
    assert_eq!(ask_udp(&DEFINITION, &[0x30; 14], 50_000, 1194), Probe::No);
}

/// A message of the control channel that carries a piece of TLS.
fn carries(session: [u8; 8], number: u32, acknowledges: &[u32], peer: [u8; 8], body: &[u8]) -> Vec<u8> {
    let mut message = vec![0x20];
    message.extend(session);
    message.push(acknowledges.len() as u8);
    message.extend(acknowledges.iter().flat_map(|number| number.to_be_bytes()));
    if !acknowledges.is_empty() {
        message.extend(peer);
    }
    message.extend(number.to_be_bytes());
    message.extend(body);
    message
}

/// What was handed to TLS, by side; a gap is `None`.
fn handed(sinks: &[Sink], role: Role) -> Vec<Option<Vec<u8>>> {
    let forwarded = sinks.iter().flat_map(|sink| &sink.forwarded).filter(|(from, _)| *from == role);
    forwarded.map(|(_, bytes)| Some(bytes.clone()).filter(|bytes| !bytes.is_empty())).collect()
}

const HELLO: &[u8] = &[22, 3, 1, 0, 9, 1, 2, 3];

#[test]
fn pieces_of_tls_are_handed_on_in_order_and_once() {
    let (ours, theirs) = ([7; 8], [8; 8]);
    let piece = |number, body: &[u8]| carries(ours, number, &[], theirs, body);
    let talk = [
        (C, client()),
        (S, server()),
        (C, piece(3, b"c")),
        (C, piece(1, HELLO)),
        (C, piece(1, b"again, and otherwise")),
        (S, carries(theirs, 1, &[0, 1, 3], ours, &[22, 3, 3, 0])),
        // An acknowledgement alone, data, of another session, for another, of the second key, and nothing at all.
        (C, [&[0x28][..], &ours, &[1, 0, 0, 0, 1], &theirs].concat()),
        (C, vec![0x30; 90]),
        (C, carries([9; 8], 2, &[], theirs, b"x")),
        (C, carries(ours, 2, &[1], [9; 8], b"x")),
        (C, [&[0x21][..], &piece(2, b"x")[1..]].concat()),
        (C, piece(2, b"b")),
    ];
    let as_slices: Vec<(Role, &[u8])> = talk.iter().map(|(role, bytes)| (*role, &bytes[..])).collect();
    let in_streams: Vec<(Role, Vec<u8>)> =
        talk.iter().map(|(role, bytes)| (*role, in_stream(bytes))).collect();
    let in_streams: Vec<(Role, &[u8])> = in_streams.iter().map(|(role, bytes)| (*role, &bytes[..])).collect();
    for sinks in [play(&DEFINITION, &as_slices, Transport::Udp).1, run_with(&DEFINITION, &in_streams).1] {
        let next: Vec<usize> =
            (0..).zip(&sinks).filter(|(_, sink)| sink.next.is_some()).map(|(at, _)| at).collect();
        assert_eq!(next, [3], "with the first piece");
        let expected = [HELLO, b"b", b"c"].map(|bytes| Some(bytes.to_vec()));
        assert_eq!(handed(&sinks, C), expected);
        assert_eq!(handed(&sinks, S), [Some(vec![22, 3, 3, 0])]);
        assert!(sinks.iter().all(|sink| !sink.done), "then all bytes would go to TLS");
    }
    steady(&DEFINITION, &in_streams);
    steady_datagrams(&DEFINITION, &as_slices);
}

#[test]
fn what_was_not_captured_is_a_gap_once_nobody_can_wait_for_it() {
    let piece = |number: u32| carries([7; 8], number, &[], [0; 8], &[22, 3, number as u8]);
    let mut talk = vec![(C, client()), (C, piece(1))];
    talk.extend((3..=20).map(|number| (C, piece(number))));
    talk.push((C, piece(22)));
    let talk: Vec<(Role, &[u8])> = talk.iter().map(|(role, bytes)| (*role, &bytes[..])).collect();
    let sinks = play(&DEFINITION, &talk, Transport::Udp).1;
    let expected: Vec<Option<Vec<u8>>> = std::iter::once(Some(1))
        .chain([None])
        .chain((3..=20).map(Some))
        .chain([None, Some(22)])
        .map(|number| number.map(|number| vec![22, 3, number]))
        .collect();
    assert_eq!(handed(&sinks, C), expected);
    // The second gap is only told at the end, since what is missing might still have come.
    assert_eq!(sinks.last().unwrap().forwarded.len(), 2);
}

#[test]
fn the_first_session_with_tls_is_read_and_no_other() {
    let again = [&[CLIENT][..], &[6; 8], &[0; 5]].concat();
    let piece = |session, number, body: &[u8]| carries([session; 8], number, &[], [0; 8], body);
    for (talk, expected) in [
        // Asked for again before anything was said: what came too early was the first one's.
        (
            vec![client(), piece(7, 2, b"old"), again.clone(), piece(6, 1, HELLO), piece(6, 2, b"new")],
            [HELLO, b"new"],
        ),
        (vec![client(), piece(7, 1, HELLO), piece(7, 2, b"old"), again, piece(6, 1, HELLO)], [HELLO, b"old"]),
    ] {
        let talk: Vec<(Role, &[u8])> = talk.iter().map(|bytes| (C, &bytes[..])).collect();
        let sinks = play(&DEFINITION, &talk, Transport::Udp).1;
        assert_eq!(handed(&sinks, C), expected.map(|bytes| Some(bytes.to_vec())));
    }
}

#[test]
fn a_stream_with_a_gap_is_followed_no_further() {
    let context = Context {
        transport: Transport::Tcp,
        client: crate::model::Endpoint { ip: [192, 0, 2, 1].into(), port: 50_000 },
        server: crate::model::Endpoint { ip: [192, 0, 2, 2].into(), port: 1194 },
        from_start: true,
        secrets: None,
    };
    let seen = crate::model::evidence::Seen {
        at: crate::model::Timestamp::default(),
        frame: crate::model::FrameRef::default(),
    };
    let piece = |number| in_stream(&carries([7; 8], number, &[], [0; 8], HELLO));
    for with_tls in [false, true] {
        let mut analyzer = (DEFINITION.start)(&context);
        let mut sink = Sink::new(seen);
        analyzer.data(C, &in_stream(&client()), &mut sink);
        if with_tls {
            analyzer.data(C, &piece(1), &mut sink);
        }
        sink.reset(seen);
        analyzer.gap(C, 10, &mut sink);
        assert_eq!(
            (sink.done, sink.forwarded.clone()),
            (!with_tls, vec![(C, Vec::new()); usize::from(with_tls)])
        );
        sink.reset(seen);
        analyzer.data(C, &piece(2), &mut sink);
        assert!(sink.forwarded.is_empty());
    }
}

#[test]
fn what_is_no_tls_or_encrypted_is_not_handed_on() {
    let sealed = |opcode: u8, session: u8, body: usize| {
        [&[opcode][..], &[session; 8], &[0, 0, 0, 1, 9, 9, 9, 9], &vec![3; 32 + body]].concat()
    };
    for talk in [
        vec![(C, client()), (C, carries([7; 8], 1, &[], [0; 8], b"GET / HTTP/1.1"))],
        vec![(C, sealed(CLIENT, 7, 5)), (S, sealed(SERVER, 8, 17)), (C, sealed(0x20, 7, 200))],
    ] {
        let streams: Vec<(Role, Vec<u8>)> =
            talk.iter().map(|(role, bytes)| (*role, in_stream(bytes))).collect();
        for (transport, talk) in [(Transport::Udp, talk), (Transport::Tcp, streams)] {
            let talk: Vec<(Role, &[u8])> = talk.iter().map(|(role, bytes)| (*role, &bytes[..])).collect();
            let sinks = play(&DEFINITION, &talk, transport).1;
            assert!(sinks.iter().all(|sink| sink.next.is_none() && sink.forwarded.is_empty()));
            assert_eq!(sinks.iter().any(|sink| sink.done), transport == Transport::Tcp);
        }
    }
}

/// The first bytes of each record of TLS that the two sides sent: what the namespaces' programs agreed on.
#[test]
fn a_recorded_handshake_behind_codes_is_found() {
    let talk = recording(include_str!("testdata/udp_tls_auth.txt"));
    let talk: Vec<(Role, &[u8])> = talk.iter().map(|(role, bytes)| (*role, &bytes[..])).collect();
    assert_eq!(ask_udp(&DEFINITION, talk[0].1, 50_000, 9), Probe::Perhaps(C));
    let sinks = play(&DEFINITION, &talk, Transport::Udp).1;
    for (role, first) in [(C, [22, 3, 1]), (S, [22, 3, 3])] {
        let stream: Vec<u8> = handed(&sinks, role).into_iter().flat_map(Option::unwrap).collect();
        assert_eq!(stream[..3], first);
        // Record by record up to the very end.
        let mut rest = &stream[..];
        while let [20..=23, 3, 1 | 3, hi, lo, ..] = *rest {
            rest = &rest[5 + usize::from(u16::from_be_bytes([hi, lo]))..];
        }
        assert!(rest.is_empty());
    }
}

#[test]
fn noise_behind_a_reset_does_no_harm() {
    for seed in 0..300 {
        let mut noise = Noise(seed);
        let mut talk = vec![(C, client()), (S, server())];
        for _ in 0..40 {
            let length = (noise.next() % 60) as usize;
            let (role, session) = if noise.next().is_multiple_of(2) { (C, 7) } else { (S, 8) };
            let start = [&[0x20][..], &[session; 8]].concat();
            let kept = (noise.next() % 10) as usize;
            talk.push((role, [&start[..kept], &noise.bytes(length, &[0, 1, 2])].concat()));
        }
        let streams: Vec<(Role, Vec<u8>)> =
            talk.iter().map(|(role, bytes)| (*role, in_stream(bytes))).collect();
        for (transport, talk) in [(Transport::Udp, talk), (Transport::Tcp, streams)] {
            let talk: Vec<(Role, &[u8])> = talk.iter().map(|(role, bytes)| (*role, &bytes[..])).collect();
            play(&DEFINITION, &talk, transport);
        }
    }
}
