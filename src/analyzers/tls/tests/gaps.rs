//! What is missing: one side, the beginning, bytes within.

use super::*;

#[test]
fn half_a_conversation_is_not_blamed_on_the_other_half() {
    let talk = recording!("tls12_mutual");
    let only = |role| facts(&talk.iter().filter(|(who, _)| *who == role).cloned().collect());
    assert_eq!(one(&only(C), &f::HANDSHAKE_INCOMPLETE), "one-sided");
    assert_eq!(one(&only(S), &f::HANDSHAKE_INCOMPLETE), "one-sided");
    assert_eq!(one(&only(S), &f::CERTIFICATE), "visible");
    let talk = recording!("tls13");
    let client = facts(&talk.iter().filter(|(who, _)| *who == C).cloned().collect());
    assert_eq!(one(&client, &f::HANDSHAKE_INCOMPLETE), "one-sided");
}

#[test]
fn a_gap_in_the_handshake_makes_it_incomplete_and_one_in_data_does_no_harm() {
    let talk = recording!("tls12_mutual");
    let mut cut = events(&talk);
    cut[1] = Event::Gap(S, talk[1].1.len() as u64);
    let lost = observe(true, RECORDED, &cut);
    assert_eq!(one(&lost, &f::HANDSHAKE_INCOMPLETE), "gap");
    assert!(!lost.has(&f::HANDSHAKE_COMPLETED) && !lost.has(&f::HANDSHAKE_UNFINISHED));
    assert_eq!(one(&lost, &f::CLIENT_CERTIFICATE), "sent", "the other side is still read");

    // Ten bytes inside the application data: records go on where they should.
    let data = &talk[4].1;
    let mut cut = events(&talk);
    cut[4] = Event::Data(C, &data[..8]);
    cut.insert(5, Event::Gap(C, 10));
    cut.insert(6, Event::Data(C, &data[18..]));
    assert_eq!(plain(&observe(true, RECORDED, &cut)), plain(&facts(&talk)));
}

#[test]
fn a_connection_joined_midstream_is_incomplete_and_still_says_goodbye() {
    let talk = recording!("tls12_mutual");
    let late: Talk = talk[4..].to_vec();
    let facts = observe(false, RECORDED, &events(&late));
    assert_eq!(one(&facts, &f::HANDSHAKE_INCOMPLETE), "midstream");
    assert_eq!(one(&facts, &f::RECORD_VERSION), "771");
    assert!(!facts.has(&f::APPLICATION_DATA), "in TLS 1.3 it could be a part of the handshake");
    assert_eq!(all(&facts, &f::CLOSING_ALERT), ["client", "server"]);
    assert!(!facts.has(&f::RENEGOTIATION) && !facts.has(&f::ANOMALY));
    let much: Talk = (0..9).map(|_| (C, record(23, &[0; 40]))).collect();
    assert_eq!(frame(&observe(false, RECORDED, &events(&much)), &f::APPLICATION_DATA), 9);
}

#[test]
fn a_connection_without_its_syn_is_read_when_the_hello_is_there() {
    let talk = recording!("tls12_mutual");
    assert_eq!(plain(&observe(false, RECORDED, &events(&talk))), plain(&facts(&talk)));
}

#[test]
fn tls13_pings_of_alert_size_are_no_goodbye() {
    let talk = recording!("tls13");
    let mut pings: Talk = talk[..6].to_vec();
    pings.extend([(C, record(23, &[1; 19])), (S, record(23, &[2; 19])), (C, record(23, &[3; 19]))]);
    let facts = facts(&pings);
    assert_eq!(
        all(&facts, &f::PROBABLE_CLOSE_NOTIFY),
        ["server"],
        "a single one cannot be told from a goodbye"
    );
}

/// `talk` without its events in `gone`; a gap is told when the same side speaks again, or at the end.
fn without<'a>(talk: &'a Talk, gone: &[usize]) -> Vec<Event<'a>> {
    let mut missed = [0, 0];
    let mut out = Vec::new();
    for (number, (role, bytes)) in talk.iter().enumerate() {
        let missed = &mut missed[usize::from(*role == S)];
        if gone.contains(&number) {
            *missed += bytes.len() as u64;
            continue;
        }
        if std::mem::take(missed) > 0 {
            let before: usize = talk[..number]
                .iter()
                .enumerate()
                .filter(|(at, (who, _))| gone.contains(at) && who == role)
                .map(|(_, (_, bytes))| bytes.len())
                .sum();
            out.push(Event::Gap(*role, before as u64));
        }
        out.push(Event::Data(*role, bytes));
    }
    for (role, missed) in [C, S].into_iter().zip(missed) {
        if missed > 0 {
            out.push(Event::CutShort(role));
        }
    }
    out
}

/// What is said of a damaged connection is said of the whole one, and no more often.
fn contradicts_nothing(damaged: &Facts, whole: &Facts, what: &str) {
    let may_differ = [&f::HANDSHAKE_INCOMPLETE, &f::INSIDE, &f::INSIDE_SCORE, &f::INSIDE_FEATURES];
    for fact in damaged {
        if may_differ.iter().any(|field| std::ptr::eq(fact.field, *field)) {
            continue;
        }
        let known = whole.of(fact.field).find(|known| known.value == fact.value);
        let times = known.map_or(0, |known| known.evidence.count);
        assert!(fact.evidence.count <= times, "{} {} {what}", fact.field.name, fact.value);
    }
}

fn every_recording() -> Vec<Talk> {
    vec![
        recording!("tls10_dhe"),
        recording!("tls10_resumed"),
        recording!("tls11_refused"),
        recording!("tls12_anonymous"),
        recording!("tls12_mutual"),
        recording!("tls12_no_client_certificate"),
        recording!("tls12_renegotiation"),
        recording!("tls12_resumed"),
        recording!("tls12_unknown_ca"),
        recording!("tls13"),
        recording!("tls13_early"),
        recording!("tls13_mutual_refused"),
        recording!("tls13_resumed"),
        recording!("tls13_retry"),
        recording!("tls13_unknown_ca"),
    ]
}

#[test]
fn nothing_is_said_without_some_segments_that_is_not_said_with_them() {
    for (number, talk) in every_recording().iter().enumerate() {
        let whole = facts(talk);
        for first in 0..talk.len() {
            for last in first..talk.len() {
                let run: Vec<usize> = (first..=last).collect();
                for gone in [run, vec![first, last]] {
                    let damaged = observe(true, RECORDED, &without(talk, &gone));
                    contradicts_nothing(&damaged, &whole, &format!("recording {number} without {gone:?}"));
                }
            }
        }
        for role in [C, S] {
            let gone: Vec<usize> = (0..talk.len()).filter(|at| talk[*at].0 == role).collect();
            let damaged = observe(true, RECORDED, &without(talk, &gone));
            contradicts_nothing(&damaged, &whole, &format!("recording {number} without {role:?}"));
        }
    }
}

#[test]
fn nothing_is_said_without_some_bytes_that_is_not_said_with_them() {
    for (number, talk) in every_recording().iter().enumerate() {
        let whole = facts(talk);
        for (at, (role, bytes)) in talk.iter().enumerate() {
            // A hole of this many bytes, further on each time.
            for (hole, step) in [(1, 3), (7, 5), (150, 17), (bytes.len() / 2, 11)] {
                for from in (0..bytes.len().saturating_sub(hole)).step_by(step) {
                    let mut damaged: Vec<_> = events(talk);
                    damaged[at] = Event::Data(*role, &bytes[..from]);
                    damaged.insert(at + 1, Event::Gap(*role, hole as u64));
                    damaged.insert(at + 2, Event::Data(*role, &bytes[from + hole..]));
                    let what = format!("recording {number}, segment {at} without {hole} from {from}");
                    contradicts_nothing(&observe(true, RECORDED, &damaged), &whole, &what);
                }
            }
        }
    }
}

#[test]
fn a_finish_that_may_lie_in_a_gap_is_not_denied() {
    let talk = recording!("tls12_mutual");
    let alerts: Vec<usize> = (5..talk.len()).filter(|at| talk[*at].1[0] == 21).collect();
    let (client, server) = (&talk[alerts[0]], &talk[alerts[1]]);
    assert_eq!((client.0, server.0), (C, S));
    let mut short = vec![talk[0].clone(), talk[1].clone(), talk[2].clone(), client.clone()];
    let whole = facts(&short);
    assert_eq!(one(&whole, &f::HANDSHAKE_FAILED), "client-encrypted-alert");
    assert_eq!(frame(&whole, &f::HANDSHAKE_FAILED), 4);

    short.extend([talk[3].clone(), server.clone()]);
    assert_eq!(frame(&facts(&short), &f::HANDSHAKE_COMPLETED), 5, "it finished after all");
    for gone in [vec![4], vec![4, 5]] {
        let lost = observe(true, RECORDED, &without(&short, &gone));
        assert!(!lost.has(&f::HANDSHAKE_FAILED) && !lost.has(&f::HANDSHAKE_UNFINISHED));
        assert_eq!(one(&lost, &f::HANDSHAKE_INCOMPLETE), "gap");
    }
}

#[test]
fn a_handshake_is_unfinished_only_where_its_end_would_have_been_captured() {
    let talk = recording!("tls13");
    let flight = talk.iter().rposition(|(role, _)| *role == C).map(|_| 2).unwrap();
    let begun: Talk = talk[..flight].to_vec();
    assert_eq!(one(&facts(&begun), &f::HANDSHAKE_UNFINISHED), "server-flight");
    for (role, reason) in [(C, "gap"), (S, "gap")] {
        let mut cut = events(&begun);
        cut.push(Event::CutShort(role));
        let cut = observe(true, RECORDED, &cut);
        assert_eq!(one(&cut, &f::HANDSHAKE_INCOMPLETE), reason);
        assert!(!cut.has(&f::HANDSHAKE_UNFINISHED));
    }
    let unheard = observe(true, RECORDED, &[Event::Data(C, &talk[0].1), Event::CutShort(S)]);
    assert_eq!(one(&unheard, &f::HANDSHAKE_INCOMPLETE), "one-sided");
    assert!(!unheard.has(&f::HANDSHAKE_UNFINISHED));
}

#[test]
fn an_alert_after_a_gap_is_told() {
    let talk = recording!("tls13_unknown_ca");
    let lost = observe(true, RECORDED, &without(&talk, &[0]));
    assert_eq!(one(&lost, &f::CLIENT_FATAL_ALERT), "unknown_ca");
    assert_eq!(one(&lost, &f::HANDSHAKE_FAILED), "client-alert");
    assert_eq!(one(&lost, &f::HANDSHAKE_INCOMPLETE), "gap");

    // No level, no description, or more than two bytes: no alert in the clear.
    for other in [record(21, &[9, 48]), record(21, &[2, 99]), record(21, &[2; 30])] {
        let segments = [Event::Data(C, &talk[0].1), Event::Gap(C, 100), Event::Data(C, &other)];
        let facts = observe(true, RECORDED, &segments);
        assert!(!facts.has(&f::CLIENT_FATAL_ALERT) && !facts.has(&f::CLIENT_WARNING_ALERT));
        assert!(!facts.has(&f::HANDSHAKE_FAILED) && !facts.has(&f::ANOMALY));
    }
    // In the middle of a segment, with nothing after it that bears it out.
    let inside = [&[0x5a; 40][..], &record(21, &[2, 48]), &[0x5a; 40]].concat();
    let segments = [Event::Data(C, &talk[0].1), Event::Gap(C, 100), Event::Data(C, &inside)];
    assert!(!observe(true, RECORDED, &segments).has(&f::CLIENT_FATAL_ALERT));
}

#[test]
fn a_second_gap_does_not_end_the_record_before_the_first() {
    let talk: Talk = recording!("tls12_mutual")[..5].to_vec();
    let begun = [&[21, 3, 3, 0, 100][..], &[0xaa; 20]].concat();
    let mut gaps = events(&talk);
    gaps.extend([Event::Data(C, &begun), Event::Gap(C, 500), Event::Data(C, &[0x5a; 50]), Event::Gap(C, 80)]);
    assert!(!observe(true, RECORDED, &gaps).has(&f::CLOSING_ALERT));
    // What is left of the record in the first is passed over.
    let at = gaps.len() - 3;
    gaps[at] = Event::Gap(C, 80);
    assert!(observe(true, RECORDED, &gaps).has(&f::CLOSING_ALERT));
}

#[test]
fn what_comes_in_the_clear_after_a_gap_is_read() {
    let talk = recording!("tls12_mutual");
    // The first record of the server's flight is its hello.
    let flight = &talk[1].1;
    let hello = 5 + usize::from(u16::from_be_bytes([flight[3], flight[4]]));
    let mut cut = events(&talk);
    cut[1] = Event::Gap(S, hello as u64);
    cut.insert(2, Event::Data(S, &flight[hello..]));
    let lost = observe(true, RECORDED, &cut);
    assert_eq!(one(&lost, &f::CERTIFICATE_CN), "broker.example");
    assert!(lost.has(&f::CERTIFICATE_REQUESTED) && !lost.has(&f::VERSION));
    assert_eq!(one(&lost, &f::HANDSHAKE_INCOMPLETE), "gap");

    // A hole in the certificate: what follows it is where it should be.
    let mut cut = events(&talk);
    cut[1] = Event::Data(S, &flight[..hello + 200]);
    cut.insert(2, Event::Gap(S, 50));
    cut.insert(3, Event::Data(S, &flight[hello + 250..]));
    let lost = observe(true, RECORDED, &cut);
    assert_eq!(one(&lost, &f::GROUP), "29");
    assert!(lost.has(&f::CERTIFICATE_REQUESTED) && !lost.has(&f::CERTIFICATE));
}

#[test]
fn by_what_a_session_was_resumed_is_not_known_without_the_client() {
    for talk in [recording!("tls10_resumed"), recording!("tls12_resumed")] {
        let server: Talk = talk.iter().filter(|(who, _)| *who == S).cloned().collect();
        let facts = facts(&server);
        assert_eq!(one(&facts, &f::CERTIFICATE), "resumed");
        for silent in [&f::RESUMED, &f::SESSION_RESUMED, &f::SESSION_ISSUED] {
            assert!(!facts.has(silent), "{}", silent.name);
        }
    }
}
