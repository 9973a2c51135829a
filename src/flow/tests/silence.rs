//! What idle times, retransmissions and keep-alive probes say of a connection.

use super::*;

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
