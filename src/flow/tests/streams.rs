//! What is handed out of streams with losses, repetitions and contradictions.

use super::*;

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
