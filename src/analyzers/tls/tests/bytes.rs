//! How the bytes come must not matter.

use super::*;

fn recordings() -> Vec<Talk> {
    vec![
        recording!("tls12_mutual"),
        recording!("tls10_resumed"),
        recording!("tls13_retry"),
        recording!("tls13_early"),
    ]
}

#[test]
fn segments_of_any_size_give_the_same_facts() {
    for talk in recordings() {
        let expected = plain(&facts(&talk));
        for size in [1, 2, 3, 5, 7, 64, 1000] {
            let small: Talk = talk
                .iter()
                .flat_map(|(role, bytes)| bytes.chunks(size).map(|chunk| (*role, chunk.to_vec())))
                .collect();
            assert_eq!(plain(&facts(&small)), expected, "segments of {size}");
        }
    }
}

#[test]
fn a_cut_at_any_offset_of_a_segment_gives_the_same_facts() {
    for talk in recordings() {
        let expected = plain(&facts(&talk));
        for (number, (role, bytes)) in talk.iter().enumerate() {
            for cut in 1..bytes.len() {
                let mut parts: Vec<_> = events(&talk);
                parts[number] = Event::Data(*role, &bytes[..cut]);
                parts.insert(number + 1, Event::Data(*role, &bytes[cut..]));
                assert_eq!(plain(&observe(true, RECORDED, &parts)), expected, "segment {number} at {cut}");
            }
        }
    }
}

#[test]
fn records_of_any_size_give_the_same_facts() {
    for talk in [recording!("tls12_mutual"), recording!("tls10_dhe"), recording!("tls13_retry")] {
        let expected = plain(&facts(&talk));
        for size in [1, 3, 100] {
            let refragmented: Talk =
                talk.iter().map(|(role, bytes)| (*role, refragment(bytes, size))).collect();
            let mut found = plain(&facts(&refragmented));
            // The encrypted Finished is one record by definition; only clear ones are cut.
            found.retain(|(name, _)| *name != "tls.renegotiation");
            assert_eq!(found, expected, "records of {size}");
        }
    }
}

#[test]
fn messages_in_one_record_give_the_same_facts() {
    for talk in [recording!("tls12_mutual"), recording!("tls10_dhe"), recording!("tls12_anonymous")] {
        let coalesced: Talk = talk.iter().map(|(role, bytes)| (*role, coalesce(bytes))).collect();
        assert_ne!(coalesced, talk);
        assert_eq!(plain(&facts(&coalesced)), plain(&facts(&talk)));
        // And that one record in three, at places that have nothing to do with the messages.
        let third = |bytes: &[u8]| refragment(bytes, bytes.len() / 3 + 1);
        let cut: Talk = coalesced.iter().map(|(role, bytes)| (*role, third(bytes))).collect();
        let mut found = plain(&facts(&cut));
        found.retain(|(name, _)| *name != "tls.renegotiation");
        assert_eq!(found, plain(&facts(&talk)));
    }
}

/// Puts the bodies of the handshake records at the front of a segment into one.
fn coalesce(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut body = Vec::new();
    while rest.first() == Some(&22) {
        let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
        body.extend_from_slice(&rest[5..5 + length]);
        rest = &rest[5 + length..];
    }
    if body.is_empty() { rest.to_vec() } else { [&record(22, &body), rest].concat() }
}

/// Cuts the handshake records at the front of a segment, up to the first other record.
pub(super) fn refragment(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut rest = bytes;
    let mut out = Vec::new();
    while rest.first() == Some(&22) {
        let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
        for part in rest[5..5 + length].chunks(size) {
            out.extend_from_slice(&rest[..3]);
            out.extend_from_slice(&(part.len() as u16).to_be_bytes());
            out.extend_from_slice(part);
        }
        rest = &rest[5 + length..];
    }
    out.extend_from_slice(rest);
    out
}

#[test]
fn every_truncation_ends_quietly() {
    for talk in recordings() {
        let whole = facts(&talk);
        for number in 0..talk.len() {
            for length in 0..talk[number].1.len() {
                let mut short: Talk = talk[..=number].to_vec();
                short[number].1.truncate(length);
                let facts = facts(&short);
                assert!(!facts.has(&f::ANOMALY));
                let outcome = [&f::HANDSHAKE_UNFINISHED, &f::HANDSHAKE_FAILED, &f::HANDSHAKE_COMPLETED];
                let said = outcome.iter().filter(|field| facts.has(field)).count();
                assert!(said <= 1, "segment {number} cut at {length}");
                // What the whole connection does not say, a part of it may not say either.
                for fact in &facts {
                    let new = !whole.of(fact.field).any(|known| known.value == fact.value);
                    let may = std::ptr::eq(fact.field, &raw const f::HANDSHAKE_UNFINISHED)
                        || std::ptr::eq(fact.field, &raw const f::PROBABLE_REJECTION);
                    assert!(!new || may, "{} {} at {number}:{length}", fact.field.name, fact.value);
                }
            }
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    for talk in recordings() {
        for (number, (_, bytes)) in talk.iter().enumerate() {
            for at in (0..bytes.len()).step_by(2) {
                let mut bad = talk.clone();
                bad[number].1[at] ^= [0x01, 0x80, 0xff][at / 2 % 3];
                assert!(!facts(&bad).is_empty() || number == 0);
            }
        }
    }
}
