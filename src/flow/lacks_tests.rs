//! What a side sent last, and the capture does not hold.

use super::testing::{Frames, HostPort, OwnedFrame, run};
use super::*;
use Direction::{OrigToResp, RespToOrig};

/// Flags, number, acknowledged, data; sent by the client, or by the server if the flags begin with `s`.
type Line = (&'static str, u32, u32, &'static str);

fn frames(lines: &[Line]) -> Vec<OwnedFrame> {
    let (make, client, server) = (Frames::default(), HostPort::v4(1, 1025), HostPort::v4(2, 443));
    let frame = |(flags, seq, ack, data): &Line| {
        if let Some(flags) = flags.strip_prefix('s') {
            return make.tcp(server, client, flags, 5_000 + seq, 1_000 + ack).with(data.as_bytes());
        }
        let ack = if flags.contains('A') { 5_000 + ack } else { 0 };
        make.tcp(client, server, flags, 1_000 + seq, ack).with(data.as_bytes())
    };
    lines.iter().map(frame).collect()
}

/// Asked, answered, closed by both.
const WHOLE: [Line; 9] = [
    ("S", 0, 0, ""),
    ("sSA", 0, 1, ""),
    ("A", 1, 1, ""),
    ("PA", 1, 1, "question"),
    ("sPA", 1, 9, "answer"),
    ("PA", 9, 7, "thanks"),
    ("FA", 15, 7, ""),
    ("sFA", 7, 16, ""),
    ("A", 16, 8, ""),
];

/// Whose last bytes are missing where these lines are left.
fn lacking(lines: &[Line]) -> Vec<Direction> {
    let flows = run(&frames(lines));
    assert_eq!(flows.len(), 1);
    flows[0].0.lacks.clone()
}

fn without(gone: &[usize]) -> Vec<Line> {
    (0..WHOLE.len()).filter(|at| !gone.contains(at)).map(|at| WHOLE[at]).collect()
}

#[test]
fn a_captured_end_is_an_end() {
    for length in 4..=WHOLE.len() {
        assert_eq!(lacking(&WHOLE[..length]), [], "the first {length}");
    }
    // That only a FIN was missed is no missing byte.
    assert_eq!(lacking(&without(&[6])), []);
    assert_eq!(lacking(&without(&[6, 7])), []);
}

#[test]
fn a_fin_or_what_the_other_acknowledges_shows_that_the_end_is_missing() {
    assert_eq!(lacking(&without(&[5])), [OrigToResp], "by its own FIN");
    assert_eq!(lacking(&without(&[5, 6])), [OrigToResp], "by what the server acknowledges");
    assert_eq!(lacking(&without(&[5, 6, 7])), [OrigToResp], "by the number of its last acknowledgement");
    assert_eq!(lacking(&without(&[4])), [RespToOrig]);
    assert_eq!(lacking(&without(&[4, 5])), [OrigToResp, RespToOrig]);
}

#[test]
fn a_reset_shows_it_too() {
    let begun = &WHOLE[..5];
    assert_eq!(lacking(&[begun, &[("RA", 9, 7, "")]].concat()), []);
    assert_eq!(lacking(&[begun, &[("RA", 15, 7, "")]].concat()), [OrigToResp]);
    assert_eq!(lacking(&[begun, &[("sRA", 7, 15, "")]].concat()), [OrigToResp]);
}

#[test]
fn a_side_that_was_not_captured_lacks_everything() {
    let of = |server: bool| -> Vec<Line> {
        WHOLE.into_iter().filter(|(flags, ..)| flags.starts_with('s') == server).collect()
    };
    assert_eq!(lacking(&of(false)), [RespToOrig]);
    assert_eq!(lacking(&of(true)), [OrigToResp]);
}

#[test]
fn all_that_was_said_lies_before_a_lone_fin() {
    // No SYN, and of the server nothing but its FIN, which is beyond what the client first expected.
    let lines = [WHOLE[2], WHOLE[3], ("FA", 9, 7, ""), ("sFA", 7, 10, ""), ("A", 10, 8, "")];
    assert_eq!(lacking(&lines), [RespToOrig]);
}

#[test]
fn bytes_before_the_first_that_were_captured_are_a_gap_where_the_opening_was() {
    // The answer to the SYN and the first of two answers are missing, but not what the client expected next.
    let mut lines = without(&[1, 4]);
    lines.insert(4, ("sPA", 7, 15, "more"));
    let flows = run(&frames(&lines[..5]));
    assert_eq!(flows[0].0.resp, "______more");
}
