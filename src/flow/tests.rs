//! What the flow table makes of whole conversations. States and histories are those that Zeek documents
//! for the same packets; stream splits are those of Wireshark's `tcp.stream`.

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
fn an_idle_connection_is_never_cut() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "a");
    talk.s("A", 1, 2, "");
    talk.wait(26 * 3600);
    talk.s("PA", 1, 2, "b");
    talk.c("A", 2, 2, "");
    let (told, flow) = talk.flow();
    assert_eq!((told.orig.as_str(), told.resp.as_str()), ("a", "b"));
    let facts = flow.tcp.unwrap();
    assert_eq!((facts.state, facts.end, facts.end_seen), (ConnState::S1, End::Open, None));
    assert_eq!(facts.idle_before_end, None);
    assert_eq!(facts.longest_idle, Duration::from_millis(26 * 3_600_000 + 20));
}

#[test]
fn data_retransmitted_and_never_answered_is_silence() {
    let mut talk = Talk::open();
    talk.s("PA", 1, 1, "greeting");
    talk.c("A", 1, 9, "");
    talk.wait(300);
    talk.c("PA", 1, 9, "ping");
    for secs in [1, 2, 4, 8] {
        talk.wait(secs);
        talk.c("PA", 1, 9, "ping");
    }
    let facts = talk.facts();
    assert_eq!((facts.end, frame_no(facts.end_seen)), (End::Silence(OrigToResp), Some(7)));
    assert_eq!((facts.unanswered.orig, facts.unanswered.resp, facts.retransmissions.orig), (4, 0, 4));
    assert_eq!(facts.idle_before_end, Some(Duration::from_millis(300_020)));
    assert_eq!(facts.end_hop_limit, None);
}

#[test]
fn giving_up_after_silence_is_still_silence_and_an_answer_ends_it() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "ping");
    talk.wait(1);
    talk.c("PA", 1, 1, "ping");
    talk.wait(60);
    talk.c("RA", 5, 1, "");
    let facts = talk.facts();
    assert_eq!((facts.end, frame_no(facts.end_seen)), (End::Silence(OrigToResp), Some(5)));
    assert_eq!(facts.state, ConnState::Rsto);
    // A late answer, from a box that has forgotten the connection: then the reset is what ended it.
    talk.frames.pop();
    talk.s("R", 1, 0, "").hop_limit = 255;
    let facts = talk.facts();
    assert_eq!((facts.end, facts.end_hop_limit), (End::Rst(RespToOrig), Some(255)));
    assert_eq!(facts.unanswered.orig, 0);
}

#[test]
fn a_capture_of_one_direction_shows_no_silence() {
    let mut talk = Talk::new();
    talk.c("PA", 1, 1, "ping");
    talk.wait(1);
    talk.c("PA", 1, 1, "ping");
    assert_eq!(talk.facts().end, End::Open);
    assert_eq!(talk.facts().unanswered.orig, 1);
    // Nor do attempts that nobody ever answers.
    let mut talk = Talk::new();
    talk.c("S", 0, 0, "");
    talk.wait(1);
    talk.c("S", 0, 0, "");
    let facts = talk.facts();
    assert_eq!(
        (facts.end, facts.state, facts.syn_count, facts.unanswered.orig),
        (End::Open, ConnState::S0, 2, 1)
    );
}

#[test]
fn keep_alive_probes_are_neither_data_nor_retransmissions() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "abc");
    talk.s("A", 1, 4, "");
    for data in ["", "\0", ""] {
        talk.wait(60);
        talk.c("A", 3, 1, data);
        talk.s("A", 1, 4, "");
    }
    talk.c("PA", 4, 1, "def");
    talk.s("A", 1, 7, "");
    let (told, flow) = talk.flow();
    assert_eq!(told.orig, "abcdef");
    let facts = flow.tcp.unwrap();
    assert_eq!((facts.keep_alive_probes.orig, facts.retransmissions.orig), (3, 0));
    assert_eq!(facts.history, "ShADa");
    assert_eq!((facts.end, facts.unanswered.orig), (End::Open, 0));
}

#[test]
fn keep_alive_probes_that_nothing_answers_are_silence() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "abc");
    talk.s("A", 1, 4, "");
    for _ in 0..3 {
        talk.wait(75);
        talk.c("A", 3, 1, "");
    }
    let facts = talk.facts();
    assert_eq!(
        (facts.end, facts.unanswered.orig, facts.keep_alive_probes.orig),
        (End::Silence(OrigToResp), 2, 3)
    );
    assert_eq!(frame_no(facts.end_seen), Some(7));
    // Idle before the first unanswered probe.
    assert_eq!(facts.idle_before_end, Some(Duration::from_millis(75_020)));
    // One probe alone may just not have been answered yet.
    talk.frames.truncate(6);
    assert_eq!(talk.facts().end, End::Open);
}

#[test]
fn one_unacknowledged_byte_sent_again_is_a_retransmission() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "a");
    talk.wait(1);
    talk.c("PA", 1, 1, "a");
    let facts = talk.facts();
    assert_eq!((facts.keep_alive_probes.orig, facts.retransmissions.orig), (0, 1));
}

#[test]
fn a_keep_alive_probe_seen_first_makes_no_hole() {
    let mut talk = Talk::new();
    talk.c("A", 99, 50, "");
    talk.s("A", 50, 100, "");
    talk.c("PA", 100, 50, "data");
    talk.s("PA", 50, 104, "reply");
    talk.s("A", 54, 104, "");
    talk.c("A", 104, 55, "");
    let (told, flow) = talk.flow();
    assert_eq!((told.orig.as_str(), told.resp.as_str()), ("data", "reply"));
    let facts = flow.tcp.unwrap();
    assert_eq!((flow.missed.orig, facts.acked_unseen.orig, facts.acked_unseen.resp), (0, 0, 0));
    assert!(facts.midstream);
    // The same when the answer is what the capture has first.
    let answer_first: Vec<OwnedFrame> = talk.frames.iter().skip(1).cloned().collect();
    let (told, flow) = run(&answer_first).pop().unwrap();
    assert_eq!((told.orig.as_str(), flow.missed.orig), ("data", 0));
    // And when the probe carries a byte.
    let mut one_byte = talk.frames.clone();
    one_byte[0] = one_byte[0].clone().with(b"\0");
    one_byte.swap(0, 1);
    let (told, flow) = run(&one_byte).pop().unwrap();
    assert_eq!((told.orig.as_str(), flow.tcp.unwrap().keep_alive_probes.orig), ("data", 1));
}

#[test]
fn a_reset_with_another_ttl_and_no_timestamp_stands_out() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "abc");
    talk.s("PA", 1, 4, "def").hop_limit = 52;
    let forged = talk.s("R", 4, 0, "");
    forged.hop_limit = 255;
    forged.tcp_header_mut().has_timestamp = false;
    let facts = talk.facts();
    assert_eq!((facts.end, facts.end_hop_limit), (End::Rst(RespToOrig), Some(255)));
    assert_eq!(facts.hop_limits.resp, Some((52, 64)));
    assert!(facts.end_lacks_timestamp);
    assert_eq!(facts.state, ConnState::Rstr);
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
fn a_5_tuple_is_used_anew_by_a_syn_with_another_number() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "one");
    talk.c("S", 900, 0, "");
    talk.s("SA", 700, 901, "");
    talk.c("PA", 901, 701, "two");
    let flows = talk.flows();
    let texts: Vec<&str> = flows.iter().map(|(told, _)| told.orig.as_str()).collect();
    assert_eq!(texts, ["one", "two"]);
    assert_eq!(flows[1].1.id.0.no().0, 5);
    assert!(!flows[1].1.tcp.as_ref().unwrap().midstream);
}

#[test]
fn a_syn_with_the_same_number_is_a_retransmission_even_when_it_was_refused() {
    let mut talk = Talk::new();
    for _ in 0..3 {
        talk.c("S", 0, 0, "");
        talk.s("RA", 0, 1, "");
        talk.wait(1);
    }
    let facts = talk.facts();
    assert_eq!((facts.state, facts.syn_count, facts.end), (ConnState::Rej, 3, End::Rst(RespToOrig)));
    assert_eq!(frame_no(facts.end_seen), Some(2));
}

#[test]
fn a_replay_of_a_connection_that_ended_is_another_connection() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "abc");
    talk.c("FA", 4, 1, "");
    talk.s("FA", 1, 5, "");
    let again: Vec<OwnedFrame> = talk.frames.iter().map(|frame| frame.clone().later(1_000_000_000)).collect();
    talk.frames.extend(again);
    let texts: Vec<String> = talk.flows().into_iter().map(|(told, _)| told.orig).collect();
    assert_eq!(texts, ["abc", "abc"]);
}

#[test]
fn a_syn_ack_that_answers_nothing_known_opens_a_connection_after_the_last_one_ended() {
    let mut talk = Talk::open();
    talk.c("FA", 1, 1, "");
    talk.s("FA", 1, 2, "");
    talk.s("SA", 90_000, 70_001, "");
    talk.c("PA", 70_001, 90_001, "new");
    let flows = talk.flows();
    assert_eq!(flows.len(), 2);
    assert_eq!((flows[1].0.orig.as_str(), flows[1].1.tcp.as_ref().unwrap().midstream), ("new", false));
}

#[test]
fn a_late_syn_corrects_the_roles_while_nothing_was_told() {
    // Two ephemeral ports: nothing but the SYN tells. It was captured after the answer's ACK.
    let mut talk = Talk::new();
    (talk.client.port, talk.server.port) = (40_001, 40_002);
    talk.s("A", 1, 1, "");
    talk.c("S", 0, 0, "");
    talk.s("SA", 0, 1, "");
    talk.c("PA", 1, 1, "abc");
    let (told, flow) = talk.flow();
    assert_eq!((flow.key.orig.port, flow.roles, told.orig.as_str()), (40_001, RoleBasis::Syn, "abc"));
    assert_eq!((flow.packets.orig, flow.packets.resp), (2, 2));
    let facts = flow.tcp.unwrap();
    assert!(!facts.midstream && facts.history.contains('^'));
}

#[test]
fn a_syn_ack_seen_first_still_tells_where_both_streams_begin() {
    let mut talk = Talk::new();
    talk.s("SA", 0, 1, "");
    talk.c("PA", 4, 1, "def");
    talk.s("A", 1, 7, "");
    let (told, flow) = talk.flow();
    assert_eq!((told.orig.as_str(), flow.missed.orig), ("___def", 3));
    assert_eq!((flow.tcp.as_ref().unwrap().acked_unseen.orig, flow.roles), (1, RoleBasis::Syn));
    assert!(!flow.tcp.unwrap().midstream);
}

#[test]
fn streams_are_put_in_order_across_the_wrap_of_sequence_numbers() {
    let mut talk = Talk::new();
    let isn = u32::MAX - 4;
    let c = |talk: &mut Talk, flags: &str, seq: u32, data: &str| {
        let frame = talk.make.tcp(talk.client, talk.server, flags, isn.wrapping_add(seq), 0);
        talk.push(frame.with(data.as_bytes()));
    };
    c(&mut talk, "S", 0, "");
    c(&mut talk, "P", 9, "ijkl");
    c(&mut talk, "P", 5, "efgh");
    c(&mut talk, "P", 1, "abcdef");
    let (told, flow) = talk.flow();
    assert_eq!((told.orig.as_str(), flow.missed.orig), ("abcdefghijkl", 0));
}

#[test]
fn lost_segments_become_gaps_when_acknowledged_and_at_the_end() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "abc");
    talk.c("PA", 7, 1, "ghi");
    talk.s("A", 1, 10, "");
    talk.c("PA", 12, 1, "lmn");
    let (told, flow) = talk.flow();
    assert_eq!((told.orig.as_str(), flow.missed.orig), ("abc___ghi__lmn", 5));
    let facts = flow.tcp.unwrap();
    assert_eq!(facts.acked_unseen.orig, 1);
    assert_eq!(facts.history, "ShADaG");
    assert_eq!(told.last, Some(flow.last));
}

#[test]
fn data_that_fills_a_hole_in_time_is_no_retransmission() {
    let mut talk = Talk::open();
    talk.c("PA", 4, 1, "def");
    talk.c("PA", 1, 1, "abc");
    talk.s("A", 1, 7, "");
    talk.c("PA", 1, 1, "abcdef");
    let (told, flow) = talk.flow();
    assert_eq!((told.orig.as_str(), flow.missed.orig), ("abcdef", 0));
    assert_eq!(flow.tcp.unwrap().retransmissions.orig, 1);
}

#[test]
fn a_segment_that_contradicts_one_that_waits_is_counted_and_the_first_stays() {
    let mut talk = Talk::open();
    talk.c("PA", 4, 1, "def");
    talk.c("PA", 4, 1, "dXf");
    talk.c("PA", 4, 1, "def");
    talk.c("PA", 1, 1, "abcd");
    talk.s("A", 1, 7, "");
    let (told, flow) = talk.flow();
    assert_eq!(told.orig, "abcdef");
    let facts = flow.tcp.unwrap();
    assert_eq!((facts.conflicts.orig, facts.conflicts.resp), (1, 0));
}

#[test]
fn a_frame_captured_twice_counts_once() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "abc");
    talk.s("A", 1, 4, "");
    let (told, once) = run(&talk.frames).pop().unwrap();
    let twice: Vec<OwnedFrame> =
        talk.frames.iter().flat_map(|frame| [frame.clone(), frame.clone().later(30_000)]).collect();
    let (told_twice, flow) = run(&twice).pop().unwrap();
    assert_eq!(told_twice.orig, told.orig);
    assert_eq!((flow.packets, flow.bytes, flow.ip_bytes), (once.packets, once.bytes, once.ip_bytes));
    let (facts, facts_once) = (flow.tcp.unwrap(), once.tcp.unwrap());
    assert_eq!(facts.history, facts_once.history);
    assert_eq!((facts.retransmissions, facts.syn_count), (facts_once.retransmissions, 1));
}

#[test]
fn a_kept_copy_is_counted_but_is_no_unanswered_retransmission() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "abc");
    let twice: Vec<OwnedFrame> =
        talk.frames.iter().flat_map(|frame| [frame.clone(), frame.clone().later(30_000)]).collect();
    let limits = Limits { copies: Copies::Keep, ..Limits::default() };
    let (told, flow) = run_with(&twice, Recorder::default(), limits).pop().unwrap();
    assert_eq!((told.orig.as_str(), flow.packets.orig, flow.bytes.orig), ("abc", 6, 6));
    let facts = flow.tcp.unwrap();
    assert_eq!((facts.retransmissions.orig, facts.unanswered.orig, facts.syn_count), (1, 0, 1));
    assert_eq!((facts.end, facts.history.as_str()), (End::Open, "ShADT"));
}

#[test]
fn a_segment_cut_by_the_snap_length_is_a_gap_and_the_frame_is_counted() {
    let mut talk = Talk::open();
    let cut = talk.c("PA", 1, 1, "abcdefgh").clone().cut_to(3);
    *talk.frames.last_mut().unwrap() = cut;
    talk.s("A", 1, 9, "");
    talk.c("PA", 9, 1, "ijk");
    let (told, flow) = talk.flow();
    assert_eq!((told.orig.as_str(), flow.missed.orig, flow.truncated_frames), ("abc_____ijk", 5, 1));
    assert_eq!((flow.bytes.orig, flow.tcp.unwrap().acked_unseen.orig), (11, 0));
}

#[test]
fn data_in_a_syn_is_part_of_the_stream_and_in_a_reset_is_not() {
    let mut talk = Talk::new();
    talk.c("S", 0, 0, "fast");
    talk.s("SA", 0, 5, "");
    talk.c("PA", 5, 1, " open");
    talk.s("RA", 1, 10, "go away");
    let (told, flow) = talk.flow();
    assert_eq!((told.orig.as_str(), told.resp.as_str()), ("fast open", ""));
    assert_eq!(flow.bytes.resp, 7);
}

#[test]
fn a_listener_that_has_enough_is_left_alone_and_counting_goes_on() {
    let mut talk = Talk::open();
    talk.c("PA", 1, 1, "abc");
    talk.c("PA", 10, 1, "xyz");
    talk.c("PA", 4, 1, "def");
    talk.s("PA", 1, 7, "reply");
    talk.c("PA", 4, 1, "def");
    let recorder = Recorder { enough: 1 };
    let (told, flow) = run_with(&talk.frames, recorder, Limits::default()).pop().unwrap();
    assert_eq!((told.orig.as_str(), told.calls), ("abc", 1));
    assert_eq!((flow.bytes.orig, flow.missed.orig, flow.tcp.unwrap().retransmissions.orig), (12, 3, 1));
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

mod hostile {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// One stream in segments of any size, in any order, some more than once, some never, across the
        /// wrap of sequence numbers: every byte once and in its place, and what was lost as gaps. (Not of one byte: with no
        /// ACK captured, one byte sent again is taken for a keep-alive probe, as Wireshark takes it.)
        #[test]
        fn a_stream_survives_order_duplication_loss_and_wrap(
            isn in prop_oneof![any::<u32>(), (u32::MAX - 300)..=u32::MAX],
            cuts in prop::collection::vec((2..30_usize, prop::collection::vec(any::<u16>(), 0..3)), 1..40),
        ) {
            let make = Frames::default();
            let (client, server) = (HostPort::v4(1, 1025), HostPort::v4(2, 443));
            let mut frames = vec![make.tcp(client, server, "S", isn, 0)];
            let (mut expected, mut sent, mut at) = (String::new(), Vec::new(), 0);
            for (len, orders) in &cuts {
                let text: String = (at..at + len).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
                expected.push_str(&if orders.is_empty() { "_".repeat(*len) } else { text.clone() });
                let seq = isn.wrapping_add(1).wrapping_add(at as u32);
                sent.extend(orders.iter().map(|order| (*order, seq, text.clone())));
                at += len;
            }
            sent.sort();
            frames.extend(sent.iter().map(|(_, seq, text)| {
                make.tcp(client, server, "A", *seq, 0).with(text.as_bytes())
            }));
            let limits = Limits { reorder_bytes: usize::MAX, reorder_segments: usize::MAX, ..Limits::default() };
            let (told, flow) = run_with(&frames, Recorder::default(), limits).pop().unwrap();
            let expected = expected.trim_end_matches('_');
            prop_assert_eq!(told.orig, expected);
            // Nothing later tells of what was lost at the end.
            prop_assert_eq!(flow.missed.orig, expected.matches('_').count() as u64);
            let distinct = cuts.iter().filter(|(_, orders)| !orders.is_empty()).count();
            prop_assert_eq!(flow.tcp.unwrap().retransmissions.orig, (sent.len() - distinct) as u64);
        }

        /// Any packets at all: no panic, everything counted, histories bounded, roles consistent.
        #[test]
        fn any_segments_are_counted(
            packets in prop::collection::vec(
                (any::<bool>(), any::<u8>(), prop_oneof![0..300_u32, any::<u32>()],
                 prop_oneof![0..300_u32, any::<u32>()], 0..40_usize, 0..40_usize, any::<u8>()), 0..60),
            enough in prop_oneof![Just(usize::MAX), 1..10_usize],
        ) {
            let make = Frames::default();
            let (one, other) = (HostPort::v4(1, 1025), HostPort::v4(2, 443));
            let frames: Vec<OwnedFrame> = packets
                .iter()
                .map(|(forth, flags, seq, ack, len, kept, window)| {
                    let (from, to) = if *forth { (one, other) } else { (other, one) };
                    let mut frame = make.tcp(from, to, "", *seq, *ack).with(&vec![b'x'; *len]).cut_to(*kept);
                    frame.tcp_header_mut().flags.0 = *flags;
                    frame.tcp_header_mut().window = u16::from(*window);
                    frame
                })
                .collect();
            let limits = Limits { reorder_bytes: 64, reorder_segments: 4, ..Limits::default() };
            let flows = run_with(&frames, Recorder { enough }, limits);
            let packets: u64 = flows.iter().map(|(_, flow)| flow.packets.orig + flow.packets.resp).sum();
            let bytes: u64 = flows.iter().map(|(_, flow)| flow.bytes.orig + flow.bytes.resp).sum();
            prop_assert_eq!(packets, frames.len() as u64);
            prop_assert_eq!(bytes, frames.iter().map(|frame| u64::from(frame.payload_len)).sum::<u64>());
            for (_, flow) in flows {
                prop_assert!(flow.tcp.unwrap().history.len() <= 64);
            }
        }
    }
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
