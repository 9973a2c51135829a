//! When a 5-tuple is used anew, and late handshakes.

use super::*;

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
