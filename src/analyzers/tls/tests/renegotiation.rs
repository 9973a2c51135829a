//! Handshakes after the first.

use super::*;

#[test]
fn a_second_handshake_is_seen_though_it_is_encrypted() {
    let facts = facts(&recording!("tls12_renegotiation"));
    assert_eq!(all(&facts, &f::RENEGOTIATION), ["started", "completed"]);
    assert_eq!(frame(&facts, &f::HANDSHAKE_COMPLETED), 4);
    assert!(!super::facts(&recording!("tls12_mutual")).has(&f::RENEGOTIATION));
}

/// A handshake of TLS 1.2 that completes.
fn first() -> Talk {
    let change = || record(20, &[1]);
    vec![
        (C, client_hello(0x0303, &[0x002f], None)),
        (S, [server_hello(0x0303, 0x002f, None), record(22, &handshake(14, &[]))].concat()),
        (C, [record(22, &handshake(16, &[0; 64])), change(), encrypted(1)].concat()),
        (S, [change(), encrypted(1)].concat()),
    ]
}

/// Handshake records that cannot be read.
fn encrypted(count: usize) -> Vec<u8> {
    record(22, &[0xaa; 64]).repeat(count)
}

/// A whole handshake and one that resumes, as they look inside the encryption.
fn again() -> Talk {
    let finished = || [record(20, &[1]), encrypted(1)].concat();
    vec![
        (C, encrypted(1)),
        (S, encrypted(4)),
        (C, [encrypted(2), finished()].concat()),
        (S, [encrypted(1), finished()].concat()),
        (C, encrypted(1)),
        (S, [encrypted(2), finished()].concat()),
        (C, finished()),
    ]
}

fn told(facts: &Facts) -> Vec<(String, u64)> {
    facts.of(&f::RENEGOTIATION).map(|fact| (fact.value.to_string(), fact.evidence.count)).collect()
}

fn counts(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

#[test]
fn each_further_handshake_is_counted_once() {
    let talk: Talk = [first(), again()].concat();
    let facts = facts(&talk);
    assert_eq!(told(&facts), counts(&[("started", 2), ("completed", 2)]));
    assert!(facts.has(&f::HANDSHAKE_COMPLETED));
}

#[test]
fn each_request_is_counted_once() {
    let request = || (S, encrypted(1));
    let (again, data) = (again(), (C, record(23, &[0; 40])));
    let talk = [first(), vec![request()], again[..4].to_vec(), vec![request()], again[4..].to_vec()].concat();
    let expected = counts(&[("requested", 2), ("started", 2), ("completed", 2)]);
    let mut found = told(&facts(&talk));
    found.sort_by_key(|(word, _)| expected.iter().position(|(known, _)| known == word));
    assert_eq!(found, expected);
    // One that the client passes over.
    let ignored = [first(), vec![request(), data, request()]].concat();
    assert_eq!(told(&facts(&ignored)), counts(&[("requested", 2)]));
}

#[test]
fn a_refused_handshake_does_not_swallow_the_next() {
    let refused = (S, record(21, &[0xaa; 48]));
    let data = (C, record(23, &[0; 40]));
    let talk = [first(), vec![(C, encrypted(1)), refused, data], again()].concat();
    assert_eq!(told(&facts(&talk)), counts(&[("started", 3), ("completed", 2)]));
}

#[test]
fn an_answer_to_a_hello_in_a_gap_is_no_request() {
    let again = again();
    // The client's second hello is missing, which shows when it speaks again, or at the end.
    let lost = again[0].1.len() as u64;
    let talk = [first(), again[1..2].to_vec()].concat();
    assert_eq!(told(&facts(&talk)), counts(&[("requested", 4)]), "were it captured");
    let mut cut = events(&talk);
    cut.push(Event::CutShort(C));
    assert_eq!(told(&observe(true, RECORDED, &cut)), counts(&[]));
    let mut cut = events(&talk);
    cut.push(Event::Gap(C, lost));
    cut.push(Event::Data(C, &again[2].1));
    let after = told(&observe(true, RECORDED, &cut));
    assert!(after.iter().all(|(word, _)| word != "requested"), "{after:?}");
}

#[test]
fn after_a_gap_no_more_is_told_than_that_one_began() {
    let talk: Talk = [first(), again()].concat();
    // The end of the first handshake of the server; its part of the second.
    for (lost, expected) in [(3, &[("started", 1)]), (5, &[("started", 1)])] {
        let mut cut = events(&talk);
        cut[lost] = Event::Gap(S, talk[lost].1.len() as u64);
        assert_eq!(told(&observe(true, RECORDED, &cut)), counts(expected), "without {lost}");
    }
}
