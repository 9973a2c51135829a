//! Exchanges as RabbitMQ 3.10 had them with pika and Qpid Proton, with long tables cut short.

use super::super::talk::{ask, run, run_with};
use super::super::testing::{
    Session, Step, client, every_cut, every_truncation, server, single_bytes, survives_noise,
};
use super::fields::{CREDENTIALS, REFUSED};
use super::*;

/// A method frame on a channel.
fn method(channel: u8, class: u8, method: u8, arguments: &[u8]) -> Vec<u8> {
    let size = (arguments.len() as u32 + 4).to_be_bytes();
    [&[1, 0, channel], &size[..], &[0, class, 0, method], arguments, &[0xce]].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

const BEAT: &[u8] = &[8, 0, 0, 0, 0, 0, 0, 0xce];
const TUNE: &[u8] = &[0x07, 0xff, 0, 2, 0, 0, 0, 2];

fn old() -> Vec<Step> {
    // A table within the table, then product and version.
    let inner = long(b"\x12publisher_confirmst\x01");
    let properties =
        [&b"\x0ccapabilitiesF"[..], &inner, b"\x07productS\0\0\0\x08RabbitMQ\x07versionS\0\0\0\x063.10.8"]
            .concat();
    let start = [&[0, 9][..], &long(&properties), &long(b"PLAIN AMQPLAIN"), &long(b"en_US")].concat();
    let start_ok =
        [&long(b"\x07productS\0\0\0\x04Pika")[..], b"\x05PLAIN", &long(b"\0guest\0guest"), b"\x05en_US"]
            .concat();
    let closed = [&404_u16.to_be_bytes()[..], b"\x09NOT_FOUND", &[0, 50, 0, 10]].concat();
    vec![
        client(b"AMQP\x00\x00\x09\x01"),
        server(method(0, 10, 10, &start)),
        client(method(0, 10, 11, &start_ok)),
        server(method(0, 10, 30, TUNE)),
        client([method(0, 10, 31, TUNE), method(0, 10, 40, b"\x01/\x00\x01")].concat()),
        server(method(0, 10, 41, b"\x00")),
        client(BEAT).at(1000),
        server(BEAT).at(1500),
        client(BEAT).at(3000),
        server(method(1, 20, 40, &closed)),
        client(method(0, 10, 50, b"\x00\xc8\x0fNormal shutdown\0\0\0\0")).at(4000),
        server(method(0, 10, 51, b"")),
    ]
}

/// A frame of 1.0 with a list of fewer than 256 bytes.
fn performative(kind: u8, code: u8, count: u8, elements: &[u8]) -> Vec<u8> {
    let list = [&[0, 0x53, code, 0xc0, elements.len() as u8 + 1, count], elements].concat();
    [&(list.len() as u32 + 8).to_be_bytes()[..], &[2, kind, 0, 0], &list].concat()
}

fn new() -> Vec<Step> {
    let sasl = b"AMQP\x03\x01\x00\x00";
    let amqp = b"AMQP\x00\x01\x00\x00";
    let mechanisms = b"\xe0\x18\x02\xb3\x00\x00\x00\x09ANONYMOUS\x00\x00\x00\x05PLAIN";
    let init = b"\xa3\x05PLAIN\xa0\x0c\x00guest\x00guest";
    let open = b"\xa1\x02c1\xa1\x09192.0.2.1\x60\x7f\xff\x70\x00\x00\x07\xd0";
    let error = b"\x00\x53\x1d\xc0\x25\x02\xa3\x18amqp:unauthorized-access\xa1\x08no entry";
    vec![
        client(sasl),
        server([&sasl[..], &performative(1, 0x40, 1, mechanisms)].concat()),
        client(performative(1, 0x41, 2, init)),
        server(performative(1, 0x44, 1, &[0x50, 0])),
        client(
            [&amqp[..], &performative(0, 0x10, 5, &[&open[..], b"\x70\x00\x00\x07\xd0"].concat())].concat(),
        ),
        server(amqp),
        server(performative(0, 0x10, 1, b"\xa1\x0aproxy@host1")),
        client([0, 0, 0, 8, 2, 0, 0, 0]).at(1000),
        server([0, 0, 0, 8, 2, 0, 0, 0]).at(1000),
        client([0, 0, 0, 8, 2, 0, 0, 0]).at(2000),
        server(performative(0, 0x18, 1, error)),
        client([0, 0, 0, 12, 2, 0, 0, 0, 0, 0x53, 0x18, 0x45]),
    ]
}

#[test]
fn a_connection_of_0_9_1_is_read_however_it_is_cut() {
    let whole = Session::run(&DEFINITION, &old());
    let expected = [
        "amqp.accepted=yes x1",
        "amqp.channel_close_code=404 x1",
        "amqp.client_heartbeat_period=2.000000 x1",
        "amqp.client_heartbeats=2 x1",
        "amqp.client_product=Pika x1",
        "amqp.close_code=200 x1",
        "amqp.close_text=Normal shutdown x1",
        "amqp.closed_by=client x1",
        "amqp.credentials=yes x1",
        "amqp.heartbeat=2 x1",
        "amqp.heartbeat_offered=2 x1",
        "amqp.mechanism=PLAIN x1",
        "amqp.mechanism_offered=AMQPLAIN x1",
        "amqp.mechanism_offered=PLAIN x1",
        "amqp.offered_version=0-9-1 x1",
        "amqp.opened=yes x1",
        "amqp.server_heartbeats=1 x1",
        "amqp.server_product=RabbitMQ 3.10.8 x1",
        "amqp.virtual_host=/ x1",
    ];
    assert_eq!(whole.list(), expected);
    for cut in every_cut(&old()).chain([single_bytes(&old())]) {
        assert_eq!(Session::run(&DEFINITION, &cut).list(), expected);
    }
    for cut in every_truncation(&old()) {
        assert!(Session::run(&DEFINITION, &cut).values("amqp.anomaly").is_empty());
    }
    survives_noise(&DEFINITION, &old());
}

#[test]
fn a_connection_of_1_0_is_read_however_it_is_cut() {
    let whole = Session::run(&DEFINITION, &new());
    let expected = [
        "amqp.accepted=yes x1",
        "amqp.client_heartbeat_period=1.000000 x1",
        "amqp.client_heartbeats=2 x1",
        "amqp.client_idle_timeout=2000 x1",
        "amqp.close_error=amqp:unauthorized-access x1",
        "amqp.close_text=no entry x1",
        "amqp.closed_by=server x1",
        "amqp.container=c1 x1",
        "amqp.container=proxy@host x1",
        "amqp.credentials=yes x1",
        "amqp.mechanism=PLAIN x1",
        "amqp.mechanism_offered=ANONYMOUS x1",
        "amqp.mechanism_offered=PLAIN x1",
        "amqp.offered_version=1.0 x1",
        "amqp.offered_version=1.0 sasl x1",
        "amqp.opened=yes x1",
        "amqp.sasl_outcome=0 x1",
        "amqp.server_heartbeats=1 x1",
        "amqp.server_version=1.0 x1",
        "amqp.server_version=1.0 sasl x1",
        "amqp.virtual_host=192.0.2.1 x1",
    ];
    assert_eq!(whole.list(), expected);
    for cut in every_cut(&new()).chain([single_bytes(&new())]) {
        assert_eq!(Session::run(&DEFINITION, &cut).list(), expected);
    }
    for cut in every_truncation(&new()) {
        assert!(Session::run(&DEFINITION, &cut).values("amqp.anomaly").is_empty());
    }
    survives_noise(&DEFINITION, &new());
}

#[test]
fn a_server_that_names_another_version_refuses() {
    let talk: &[(Role, &[u8])] =
        &[(Role::Client, b"AMQP\x00\x01\x00\x00"), (Role::Server, b"AMQP\x00\x00\x09\x01")];
    let facts = run(&DEFINITION, talk);
    assert_eq!(facts.first(&OFFERED_VERSION).unwrap().value.to_string(), "1.0");
    assert_eq!(facts.first(&SERVER_VERSION).unwrap().value.to_string(), "0-9-1");
    assert!(facts.has(&REFUSED) && !facts.has(&ACCEPTED) && !facts.has(&CREDENTIALS));
}

#[test]
fn tls_below_amqp_is_handed_over() {
    let header = b"AMQP\x02\x01\x00\x00";
    let hello = b"\x16\x03\x01";
    let talk: &[(Role, &[u8])] = &[
        (Role::Client, &[&header[..], hello].concat()),
        (Role::Server, &[&header[..], b"\x16\x03\x03"].concat()),
    ];
    let (_, sinks) = run_with(&DEFINITION, talk);
    assert_eq!(sinks[1].next, Some(Next::Named("tls")));
    assert_eq!(
        sinks[1].forwarded,
        [(Role::Client, hello.to_vec()), (Role::Server, b"\x16\x03\x03".to_vec())]
    );
}

#[test]
fn broken_frames_end_it() {
    let begin = |then: &[u8]| {
        let talk: &[(Role, &[u8])] = &[
            (Role::Client, b"AMQP\x00\x00\x09\x01"),
            (Role::Server, &method(0, 10, 30, TUNE)),
            (Role::Client, then),
        ];
        run(&DEFINITION, talk).first(&ANOMALY).map(|fact| fact.value.to_string())
    };
    assert_eq!(begin(b"GET / HTTP/1.1"), Some("frame".into()));
    assert_eq!(begin(&[8, 0, 0, 0, 0, 0, 0, 0]), Some("frame-end".into()));
    assert_eq!(begin(BEAT), None);
}

#[test]
fn headers_are_recognised_whole_and_frames_midstream_on_their_port() {
    let header = b"AMQP\x03\x01\x00\x00";
    for length in 0..8 {
        assert_eq!(ask(&DEFINITION, &header[..length], 50_000, 5672), Probe::More, "{length}");
    }
    assert_eq!(ask(&DEFINITION, header, 50_000, 5672), Probe::Certainly(Role::Client));
    assert_eq!(ask(&DEFINITION, header, 5672, 50_000), Probe::Certainly(Role::Server));
    assert_eq!(ask(&DEFINITION, b"AMQPisfun", 50_000, 5672), Probe::No);
    let midstream = |bytes: &[u8], src_port| {
        probe(&ProbeInput { bytes, transport: Transport::Tcp, src_port, dst_port: 50_000, at_start: false })
    };
    assert_eq!(midstream(BEAT, 5672), Probe::Certainly(Role::Server));
    assert_eq!(midstream(BEAT, 5673), Probe::No);
    assert_eq!(midstream(&[8, 0, 0, 0, 0, 0, 0, 1], 5672), Probe::No);
}

#[test]
fn who_closed_first_is_not_known_where_the_other_may_have() {
    let by = |steps: &[Step]| Session::run(&DEFINITION, steps).values("amqp.closed_by");
    assert_eq!(by(&old()), [("client".to_owned(), 1)]);
    assert_eq!(by(&[old(), vec![Step::Lacks(Role::Server)]].concat()), []);
}

#[test]
fn what_a_server_was_asked_is_not_known_where_the_client_is_missing() {
    for talk in [old(), new()] {
        let of_server = |step: &&Step| matches!(step, Step::Data(Role::Server, ..));
        let half: Vec<Step> = talk.iter().filter(of_server).cloned().collect();
        let session = Session::run(&DEFINITION, &half);
        for absent in ["amqp.accepted", "amqp.refused", "amqp.anomaly"] {
            assert_eq!(session.values(absent), [], "{absent}");
        }
    }
}
