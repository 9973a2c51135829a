//! What the flow table makes of whole conversations. States and histories are those that Zeek documents
//! for the same packets; stream splits are those of Wireshark's `tcp.stream`.

mod hostile;
mod reuse;
mod silence;
mod streams;

use std::time::Duration;

use super::testing::{Frames, HostPort, OwnedFrame, Recorder, Told, run, run_with};
use super::*;
use crate::model::flow::{ConnState, End, RoleBasis, TcpFacts};
use crate::model::{Endpoint, Flow, MacAddr, PerDirection, Transport};
use Direction::{OrigToResp, RespToOrig};

const CLIENT_ISN: u32 = 1_000;
const SERVER_ISN: u32 = 5_000;

/// A conversation of one client and one server, with sequence numbers relative to the SYNs.
struct Talk {
    make: Frames,
    client: HostPort,
    server: HostPort,
    frames: Vec<OwnedFrame>,
}

impl Talk {
    fn new() -> Self {
        Self {
            make: Frames::default(),
            client: HostPort::v4(1, 1025),
            server: HostPort::v4(2, 443),
            frames: Vec::new(),
        }
    }

    /// With the three segments that open it.
    fn open() -> Self {
        let mut talk = Self::new();
        talk.c("S", 0, 0, "");
        talk.s("SA", 0, 1, "");
        talk.c("A", 1, 1, "");
        talk
    }

    /// The client sends.
    fn c(&mut self, flags: &str, seq: u32, ack: u32, data: &str) -> &mut OwnedFrame {
        let (seq, ack) = (CLIENT_ISN.wrapping_add(seq), ack_number(flags, SERVER_ISN, ack));
        let frame = self.make.tcp(self.client, self.server, flags, seq, ack).with(data.as_bytes());
        self.push(frame)
    }

    /// The server sends.
    fn s(&mut self, flags: &str, seq: u32, ack: u32, data: &str) -> &mut OwnedFrame {
        let (seq, ack) = (SERVER_ISN.wrapping_add(seq), ack_number(flags, CLIENT_ISN, ack));
        let frame = self.make.tcp(self.server, self.client, flags, seq, ack).with(data.as_bytes());
        self.push(frame)
    }

    fn push(&mut self, frame: OwnedFrame) -> &mut OwnedFrame {
        self.frames.push(frame);
        self.frames.last_mut().unwrap()
    }

    fn wait(&self, secs: i64) {
        self.make.wait_secs(secs);
    }

    fn flows(&self) -> Vec<(Told, Flow)> {
        run(&self.frames)
    }

    /// The only flow.
    fn flow(&self) -> (Told, Flow) {
        let mut flows = self.flows();
        assert_eq!(flows.len(), 1);
        flows.pop().unwrap()
    }

    fn facts(&self) -> TcpFacts {
        *self.flow().1.tcp.unwrap()
    }

    fn state(&self) -> (ConnState, String) {
        let facts = self.facts();
        (facts.state, facts.history)
    }
}

fn ack_number(flags: &str, isn: u32, ack: u32) -> u32 {
    if flags.contains('A') { isn.wrapping_add(ack) } else { 0 }
}

fn frame_no(seen: Option<Seen>) -> Option<u64> {
    seen.map(|seen| seen.frame.no().0)
}

#[test]
fn a_whole_connection_is_sf_and_its_facts_are_those_of_its_packets() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "hello");
    talk.s("PA", 1, 6, "world!").hop_limit = 60;
    talk.c("A", 6, 7, "");
    talk.wait(30);
    talk.c("FA", 6, 7, "").hop_limit = 63;
    talk.s("FA", 7, 7, "");
    talk.c("A", 7, 8, "");
    let (told, flow) = talk.flow();
    assert_eq!((told.orig.as_str(), told.resp.as_str()), ("hello", "world!"));
    assert_eq!((flow.packets.orig, flow.packets.resp), (6, 3));
    assert_eq!((flow.bytes.orig, flow.bytes.resp), (5, 6));
    assert_eq!((flow.ip_bytes.orig, flow.ip_bytes.resp), (245, 126));
    assert_eq!((flow.missed.orig, flow.missed.resp, flow.truncated_frames), (0, 0, 0));
    assert_eq!((flow.roles, flow.id.0.no().0), (RoleBasis::Syn, 1));
    let facts = flow.tcp.unwrap();
    assert_eq!(
        (facts.state, facts.history.as_str()),
        (ConnState::Sf, "ShADdaFf".replace("daF", "dF").as_str())
    );
    assert_eq!((frame_no(facts.syn), facts.syn_count, frame_no(facts.syn_ack)), (Some(1), 1, Some(2)));
    assert_eq!(frame_no(facts.established), Some(3));
    assert_eq!((facts.end, frame_no(facts.end_seen)), (End::Fin(OrigToResp), Some(7)));
    assert_eq!(facts.end_hop_limit, Some(63));
    assert_eq!((facts.hop_limits.orig, facts.hop_limits.resp), (Some((64, 64)), Some((60, 64))));
    assert_eq!((frame_no(facts.last_data.orig), frame_no(facts.last_data.resp)), (Some(4), Some(5)));
    // Frames 5 and 7 are 30 s and two steps of 10 ms apart.
    assert_eq!(facts.idle_before_end, Some(Duration::from_millis(30_020)));
    assert_eq!(facts.longest_idle, Duration::from_millis(30_020));
    assert!(!facts.midstream && !facts.end_lacks_timestamp);
    assert_eq!(
        (facts.retransmissions.orig, facts.keep_alive_probes.orig, facts.acked_unseen.orig),
        (0, 0, 0)
    );
}

#[test]
fn every_state_has_its_packets() {
    type Case = (ConnState, &'static str, &'static [(char, &'static str, u32, u32, &'static str)]);
    let cases: &[Case] = &[
        (ConnState::S0, "S", &[('c', "S", 0, 0, "")]),
        (ConnState::S0, "S", &[('c', "S", 0, 0, ""), ('c', "S", 0, 0, "")]),
        (ConnState::S1, "Sh", &[('c', "S", 0, 0, ""), ('s', "SA", 0, 1, "")]),
        (
            ConnState::S1,
            "ShADd",
            &[
                ('c', "S", 0, 0, ""),
                ('s', "SA", 0, 1, ""),
                ('c', "A", 1, 1, ""),
                ('c', "A", 1, 1, "x"),
                ('s', "A", 1, 2, "y"),
            ],
        ),
        (ConnState::Rej, "Sr", &[('c', "S", 0, 0, ""), ('s', "RA", 0, 1, "")]),
        (
            ConnState::S2,
            "ShAFa",
            &[
                ('c', "S", 0, 0, ""),
                ('s', "SA", 0, 1, ""),
                ('c', "A", 1, 1, ""),
                ('c', "FA", 1, 1, ""),
                ('s', "A", 1, 2, ""),
            ],
        ),
        (
            ConnState::S3,
            "ShAf",
            &[
                ('c', "S", 0, 0, ""),
                ('s', "SA", 0, 1, ""),
                ('c', "A", 1, 1, ""),
                ('s', "FA", 1, 1, ""),
                ('c', "A", 1, 2, ""),
            ],
        ),
        (
            ConnState::Rsto,
            "ShADR",
            &[
                ('c', "S", 0, 0, ""),
                ('s', "SA", 0, 1, ""),
                ('c', "A", 1, 1, ""),
                ('c', "A", 1, 1, "x"),
                ('c', "RA", 2, 1, ""),
            ],
        ),
        (
            ConnState::Rstr,
            "ShADr",
            &[
                ('c', "S", 0, 0, ""),
                ('s', "SA", 0, 1, ""),
                ('c', "A", 1, 1, ""),
                ('c', "A", 1, 1, "x"),
                ('s', "R", 1, 0, ""),
            ],
        ),
        (ConnState::Rstos0, "SR", &[('c', "S", 0, 0, ""), ('c', "R", 1, 0, "")]),
        (ConnState::Rstrh, "^hr", &[('s', "SA", 0, 1, ""), ('s', "R", 1, 0, "")]),
        (ConnState::Sh, "SF", &[('c', "S", 0, 0, ""), ('c', "F", 1, 0, "")]),
        (ConnState::Shr, "^hf", &[('s', "SA", 0, 1, ""), ('s', "FA", 1, 1, "")]),
        (ConnState::Oth, "Da", &[('c', "PA", 1, 1, "x"), ('s', "A", 1, 2, "")]),
        (ConnState::Oth, "^dA", &[('s', "PA", 1, 1, "x"), ('c', "A", 1, 2, "")]),
        (
            ConnState::Sf,
            "FafA",
            &[('c', "FA", 1, 1, ""), ('s', "A", 1, 2, ""), ('s', "FA", 1, 2, ""), ('c', "A", 2, 2, "")],
        ),
    ];
    for (state, history, packets) in cases {
        let mut talk = Talk::new();
        for (who, flags, seq, ack, data) in *packets {
            match who {
                'c' => talk.c(flags, *seq, *ack, data),
                _ => talk.s(flags, *seq, *ack, data),
            };
        }
        assert_eq!(talk.state(), (*state, (*history).to_owned()), "{packets:?}");
        assert_eq!(talk.flow().1.key.resp, Endpoint { ip: talk.server.ip, port: 443 }, "{packets:?}");
    }
}

#[test]
fn the_closers_last_words_belong_to_closing() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "abc");
    talk.s("PA", 1, 4, "def");
    talk.wait(60);
    talk.s("PA", 4, 4, "close notify");
    talk.s("FA", 16, 4, "");
    let facts = talk.facts();
    assert_eq!((facts.end, frame_no(facts.end_seen)), (End::Fin(RespToOrig), Some(7)));
    assert_eq!(facts.idle_before_end, Some(Duration::from_millis(60_010)));
    // What the other side said is an exchange, not closing.
    talk.frames.pop();
    talk.c("PA", 4, 16, "close notify");
    talk.s("FA", 16, 16, "");
    assert_eq!(talk.facts().idle_before_end, Some(Duration::from_millis(10)));
}

#[test]
fn datagrams_are_one_flow_until_the_end_of_the_capture() {
    let make = Frames::default();
    let (client, server) = (HostPort::v4(1, 40_000), HostPort::v4(2, 53));
    let mut frames = vec![make.udp(client, server, b"one"), make.udp(server, client, b"reply").cut_to(2)];
    make.wait_secs(100_000);
    frames.push(make.udp(client, server, b"two"));
    let (told, flow) = run(&frames).pop().unwrap();
    assert_eq!((told.orig.as_str(), told.resp.as_str()), ("one|two|", "re___|"));
    assert_eq!((flow.packets.orig, flow.bytes.resp, flow.truncated_frames), (2, 5, 1));
    assert!(flow.tcp.is_none() && flow.missed == PerDirection::default());
    let enough = run_with(&frames, Recorder { enough: 1 }, Limits::default());
    assert_eq!((enough[0].0.calls, enough[0].1.packets.orig), (1, 2));
}

#[test]
fn an_icmp_error_is_its_own_flow_and_an_error_of_the_flow_it_quotes() {
    let make = Frames::default();
    let (client, server, router) = (HostPort::v4(1, 40_000), HostPort::v4(2, 123), HostPort::v4(3, 0));
    let query = make.udp(client, server, b"time?");
    let quoted = query.packet().key();
    let mut frames = vec![query];
    for _ in 0..20 {
        frames.push(make.icmp(router, client, 3, 13, 0, Some(quoted)));
    }
    frames.push(make.icmp(router, client, 3, 1, 0, Some(quoted.reversed())));
    let flows = run(&frames);
    assert_eq!(flows.len(), 2);
    let errors = &flows[0].1.icmp_errors;
    assert_eq!(errors.len(), crate::model::flow::MAX_ICMP_ERRORS);
    assert_eq!(
        (errors[0].from, errors[0].kind, errors[0].code, errors[0].about),
        (router.ip, 3, 13, OrigToResp)
    );
    assert_eq!((flows[1].1.key.transport, flows[1].1.packets.orig), (Transport::Icmp, 21));

    let mut table: FlowTable<Recorder> = FlowTable::new(Limits::default());
    let about_nothing = make.icmp(router, client, 3, 1, 0, Some(quoted));
    assert!(!table.icmp_error(&about_nothing.packet(), &quoted, KeyHasher::default().hash(&quoted)));
    assert_eq!(table.len(), 0);
}

#[test]
fn an_error_about_a_packet_of_the_responder_says_so() {
    let mut talk = Talk::open();
    let from_server = talk.frames[1].packet().key();
    let frame = talk.make.icmp(talk.client, talk.server, 3, 3, 0, Some(from_server));
    talk.push(frame);
    let flows = talk.flows();
    assert_eq!(flows[0].1.icmp_errors[0].about, RespToOrig);
}

#[test]
fn flows_close_in_the_order_of_their_first_frames_whatever_the_hash() {
    let make = Frames::default();
    let frames: Vec<OwnedFrame> =
        (0..500).map(|n| make.udp(HostPort::v4(1, 1024 + n), HostPort::v4(2, 53), b"q")).collect();
    let order: Vec<u64> = run(&frames).iter().map(|(_, flow)| flow.id.0.no().0).collect();
    assert_eq!(order, (1..=500).collect::<Vec<u64>>());
}

#[test]
fn a_packet_to_its_own_sender_is_one_direction() {
    let make = Frames::default();
    let me = HostPort::v4(1, 5000);
    let frames = [make.udp(me, me, b"a"), make.udp(me, me, b"b")];
    let (told, flow) = run(&frames).pop().unwrap();
    assert_eq!((told.orig.as_str(), flow.packets.resp), ("a|b|", 0));
}

#[test]
fn link_addresses_are_those_of_the_first_packet_from_each_side() {
    let mut talk = Talk::open();
    talk.frames[1].link.src = Some(MacAddr([2, 0, 0, 0, 0, 9]));
    talk.frames[2].link.src = Some(MacAddr([2, 0, 0, 0, 0, 8]));
    let flow = talk.flow().1;
    assert_eq!(flow.link.orig.unwrap().src, Some(MacAddr([2, 0, 0, 0, 0, 1])));
    assert_eq!(flow.link.resp.unwrap().src, Some(MacAddr([2, 0, 0, 0, 0, 9])));
}

#[test]
fn a_far_off_sequence_number_is_counted_and_otherwise_ignored() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "abc");
    talk.c("PA", 0x7000_0000, 1, "forged");
    talk.s("A", 1, 0x7000_0006, "");
    talk.c("PA", 4, 1, "def");
    let (told, flow) = talk.flow();
    assert_eq!((told.orig.as_str(), flow.bytes.orig, flow.missed.orig), ("abcdef", 12, 0));
}

#[test]
fn roles_of_a_finished_flow_can_be_exchanged_as_if_they_had_been_known() {
    let talk = |client_port: u16, server_port: u16| {
        let mut talk = Talk::new();
        (talk.client.port, talk.server.port) = (client_port, server_port);
        talk.s("PA", 1, 1, "greeting").hop_limit = 60;
        talk.c("PA", 1, 9, "abc");
        talk.s("FA", 9, 4, "").hop_limit = 60;
        talk.flow().1
    };
    // Midstream between two ephemeral ports, the server speaks first; and where its port tells.
    let mut guessed = talk(40_001, 40_002);
    let known = talk(40_001, 443);
    assert_eq!((guessed.key.orig.port, guessed.roles), (40_002, RoleBasis::FirstPacket));
    guessed.reverse_roles();
    assert_eq!(guessed.key.orig.port, 40_001);
    assert_eq!((guessed.packets, guessed.bytes, guessed.link), (known.packets, known.bytes, known.link));
    let (guessed, known) = (guessed.tcp.unwrap(), known.tcp.unwrap());
    assert_eq!((guessed.state, guessed.end, guessed.hop_limits), (known.state, known.end, known.hop_limits));
    assert_eq!((guessed.history.as_str(), known.history.as_str()), ("dDf^", "^dDf"));
    assert_eq!(guessed.last_data, known.last_data);
}
