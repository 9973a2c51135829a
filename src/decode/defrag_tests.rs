//! Fragments, put together and compared with a twin that is slow and obviously right.

use proptest::prelude::*;

use super::*;
use crate::model::stats::Stats;
use crate::model::{CaptureId, FrameNo, FrameRef, LinkType, Timestamp};

/// A fragment of the IPv4 packet `id`: `offset` in units of eight bytes.
fn v4(id: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16 + 20).to_be_bytes();
    let word = (offset | if more { 0x2000 } else { 0 }).to_be_bytes();
    let header =
        [0x45, 0, len[0], len[1], 0, id, word[0], word[1], 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2];
    [&header[..], payload].concat()
}

fn v6(id: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16 + 8).to_be_bytes();
    let word = ((offset << 3) | u16::from(more)).to_be_bytes();
    let header = [0x60, 0, 0, 0, len[0], len[1], 44, 64];
    [&header[..], &[0x20; 16], &[0x21; 16], &[17, 0, word[0], word[1], 0, 0, 0, id], payload].concat()
}

fn datagram(payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16 + 8).to_be_bytes();
    [&[0x9c, 0x40, 0, 53, len[0], len[1], 0, 0][..], payload].concat()
}

/// What comes of the frames, each a second after the one before: the payload of each packet that was put together.
fn run(frames: &[Vec<u8>]) -> (Vec<Vec<u8>>, Stats) {
    run_at(frames.iter().zip(0..).map(|(frame, second)| (Timestamp::new(second, 0), frame.clone())))
}

fn run_at(frames: impl Iterator<Item = (Timestamp, Vec<u8>)>) -> (Vec<Vec<u8>>, Stats) {
    let (mut defragmenter, mut stats, mut found) = (Defragmenter::default(), Stats::default(), Vec::new());
    for ((time, data), no) in frames.zip(1..) {
        let at = FrameRef::new(CaptureId(0), FrameNo(no));
        let frame = Frame { at, time, link_type: LinkType::RAW, orig_len: data.len() as u32, data: &data };
        let decoded = decode(&frame);
        stats.frame(&frame, decoded.fate());
        let Decoded::Fragment(fragment) = decoded else { continue };
        if let Some(packet) = defragmenter.add(&fragment, &mut stats) {
            let Decoded::Packet(packet) = whole(&packet) else { panic!("{packet:?}") };
            assert_eq!(packet.seen.frame, at, "seen where it was complete");
            found.push(packet.payload.to_vec());
        }
    }
    defragmenter.finish(&mut stats);
    assert_eq!(stats.frames, stats.analysed + stats.skipped.values().sum::<u64>(), "{stats:?}");
    (found, stats)
}

#[test]
fn fragments_in_any_order_are_one_packet() {
    let text = b"a datagram that is longer than one fragment";
    let whole = datagram(text);
    for make in [v4, v6] {
        let parts = [
            make(1, 0, true, &whole[..16]),
            make(1, 2, true, &whole[16..32]),
            make(1, 4, false, &whole[32..]),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
            let (found, stats) = run(&order.map(|part| parts[part].clone()));
            assert_eq!(found, [text.to_vec()]);
            assert_eq!((stats.analysed, stats.fragments.packets, stats.fragments.conflicts), (3, 1, 0));
        }
    }
}

#[test]
fn a_packet_of_which_something_is_missing_is_skipped_and_counted() {
    let whole = datagram(&[7; 100]);
    let (found, stats) = run(&[v4(1, 0, true, &whole[..48]), v4(1, 8, false, &whole[64..])]);
    assert_eq!(found.len(), 0);
    assert_eq!((stats.skipped[&SkipReason::Fragment], stats.fragments.incomplete), (2, 1));
}

#[test]
fn what_waits_longer_than_a_minute_is_given_up_by_packet_time() {
    let whole = datagram(&[7; 40]);
    let (first, last) = (v4(1, 0, true, &whole[..24]), v4(1, 3, false, &whole[24..]));
    for (gap, packets) in [(60, 1), (61, 0)] {
        let frames = [(0, first.clone()), (gap, last.clone())];
        let (found, stats) =
            run_at(frames.into_iter().map(|(second, frame)| (Timestamp::new(second, 0), frame)));
        assert_eq!((found.len(), stats.fragments.incomplete), (packets, 2 * (1 - packets as u64)));
    }
}

#[test]
fn a_fragment_captured_twice_is_no_packet_of_its_own() {
    let whole = datagram(&[7; 40]);
    let (first, last) = (v4(1, 0, true, &whole[..24]), v4(1, 3, false, &whole[24..]));
    let micros = |at: u32, frame: &Vec<u8>| (Timestamp::new(5, at * 1_000), frame.clone());
    let twice = [micros(0, &first), micros(1, &first), micros(9, &last), micros(10, &last)];
    let (found, stats) = run_at(twice.into_iter());
    assert_eq!((found.len(), stats.analysed, stats.fragments.copies), (1, 4, 1));
    assert_eq!((stats.fragments.conflicts, stats.fragments.incomplete), (0, 0));
    // The same number again, later: another packet.
    let (found, _) = run(&[first.clone(), last.clone(), first, last]);
    assert_eq!(found.len(), 2);
}

#[test]
fn the_bytes_captured_first_stay_and_a_difference_is_counted() {
    let whole = datagram(b"first come, first kept, whoever says");
    let (found, stats) =
        run(&[v4(1, 0, true, &whole[..24]), v4(1, 2, true, &[b'x'; 16]), v4(1, 4, false, &whole[32..])]);
    let expected = [&whole[8..24], &[b'x'; 8], &whole[32..]].concat();
    assert_eq!((found, stats.fragments.conflicts), (vec![expected], 1));
}

#[test]
fn the_end_that_was_said_first_stays_and_another_is_counted() {
    let whole = datagram(b"as long as it says, whoever says more");
    let (first, last) = (v4(1, 0, true, &whole[..24]), v4(1, 3, false, &whole[24..]));
    for other in [v4(1, 3, false, &whole[24..32]), v4(1, 9, true, &[b'x'; 8])] {
        let (found, stats) = run(&[last.clone(), other.clone(), first.clone()]);
        assert_eq!((found, stats.fragments.conflicts), (vec![whole[8..].to_vec()], 1));
    }
    // What stands behind an end that is said later is not of the packet.
    let (found, stats) = run(&[v4(1, 9, true, &[b'x'; 8]), last, first]);
    assert_eq!((found, stats.fragments.conflicts), (vec![whole[8..].to_vec()], 1));
}

#[test]
fn fragments_in_two_vlans_are_of_two_packets() {
    let whole = datagram(&[7; 40]);
    let tagged = |id: u8, ip: &[u8]| {
        let link = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, id, 8, 0];
        [&link[..], ip].concat()
    };
    let (mut defragmenter, mut stats) = (Defragmenter::default(), Stats::default());
    let (first, last) = (v4(1, 0, true, &whole[..24]), v4(1, 3, false, &whole[24..]));
    let frames = [tagged(1, &first), tagged(2, &last), tagged(1, &last)];
    let complete: Vec<bool> = frames
        .iter()
        .zip(1..)
        .map(|(data, no)| {
            let (at, time) = (FrameRef::new(CaptureId(0), FrameNo(no)), Timestamp::new(no as i64, 0));
            let (link_type, orig_len) = (LinkType::ETHERNET, data.len() as u32);
            let Decoded::Fragment(fragment) = decode(&Frame { at, time, link_type, orig_len, data }) else {
                panic!()
            };
            defragmenter.add(&fragment, &mut stats).is_some()
        })
        .collect();
    assert_eq!(complete, [false, false, true]);
}

/// Behind a declared end nothing is kept, so that a flood of it costs no walk each.
#[test]
fn a_flood_behind_the_end_costs_nothing() {
    let piece = [7; 8];
    let mut frames: Vec<_> = (1..4_000).map(|at| v4(1, at, true, &piece)).collect();
    frames.push(v4(1, 4_000, false, &piece));
    let micros = |(frame, at): (Vec<u8>, u32)| (Timestamp::new(5, at * 1_000), frame);
    let behind = std::iter::repeat_n(v4(1, 4_001, true, &piece), 200_000);
    let (found, stats) = run_at(frames.into_iter().chain(behind).zip(0..).map(micros));
    assert_eq!((found.len(), stats.fragments.conflicts, stats.fragments.incomplete), (0, 200_000, 1));
}

#[test]
fn a_flood_of_first_fragments_is_bounded() {
    let mut defragmenter = Defragmenter::default();
    let mut stats = Stats::default();
    for n in 0..20_000_u32 {
        let mut data = v4(0, 0, true, &[0; 1_400]);
        data[12..16].copy_from_slice(&n.to_be_bytes());
        let at = FrameRef::new(CaptureId(0), FrameNo(u64::from(n) + 1));
        let time = Timestamp::new(0, n);
        let frame = Frame { at, time, link_type: LinkType::RAW, orig_len: data.len() as u32, data: &data };
        let Decoded::Fragment(fragment) = decode(&frame) else { panic!() };
        stats.frame(&frame, Fate::Waits);
        assert!(defragmenter.add(&fragment, &mut stats).is_none());
    }
    assert!(stats.skipped[&SkipReason::Fragment] > 15_000, "4 MiB hold less than three thousand of these");
    defragmenter.finish(&mut stats);
    assert_eq!(stats.skipped[&SkipReason::Fragment], 20_000);
}

/// Byte by byte: who comes first, stays.
struct Twin {
    bytes: Vec<Option<u8>>,
    end: Option<usize>,
    conflicts: u64,
}

impl Twin {
    fn add(&mut self, offset: usize, more: bool, payload: &[u8]) -> Option<Vec<u8>> {
        let own_end = offset + payload.len();
        if !more {
            self.end.get_or_insert(own_end);
        }
        let end = self.end.unwrap_or(usize::MAX);
        let mut differs = own_end > end || !more && own_end != end;
        for behind in self.bytes.iter_mut().skip(end) {
            differs |= behind.take().is_some();
        }
        for (at, byte) in (offset..end).zip(payload) {
            match &mut self.bytes[at] {
                Some(old) => differs |= old != byte,
                empty => *empty = Some(*byte),
            }
        }
        self.conflicts += u64::from(differs);
        self.bytes[..self.end?].iter().copied().collect()
    }
}

proptest! {
    #[test]
    fn overlapping_fragments_are_put_together_as_by_the_twin(
        fragments in prop::collection::vec((0_u16..12, 1_usize..5, any::<bool>(), any::<u8>()), 1..24),
    ) {
        let mut twin = Twin { bytes: vec![None; 256], end: None, conflicts: 0 };
        let (mut defragmenter, mut stats) = (Defragmenter::default(), Stats::default());
        for ((offset, units, more, fill), no) in fragments.into_iter().zip(1..) {
            // A datagram's length must be good for its packet to be read: its header is the same in all of them.
            let mut payload = vec![fill % 3; units * 8];
            if offset == 0 {
                payload[..8].copy_from_slice(&[1, 2, 3, 4, 0, 0, 0, 0]);
            }
            let data = v4(1, offset, more, &payload);
            let at = FrameRef::new(CaptureId(0), FrameNo(no));
            let time = Timestamp::new(no as i64, 0);
            let frame = Frame { at, time, link_type: LinkType::RAW, orig_len: data.len() as u32, data: &data };
            let Decoded::Fragment(fragment) = decode(&frame) else {
                prop_assert_eq!((offset, more), (0, false), "a whole packet");
                continue;
            };
            let found = defragmenter.add(&fragment, &mut stats);
            let expected = twin.add(usize::from(offset) * 8, more, &payload);
            prop_assert_eq!(stats.fragments.conflicts, twin.conflicts);
            let Some(expected) = expected else {
                prop_assert!(found.is_none());
                continue;
            };
            let found = found.expect("complete, as the twin says");
            let Decoded::Packet(packet) = whole(&found) else { panic!("{found:?}") };
            prop_assert_eq!(packet.payload, &expected[8..]);
            break;
        }
    }
}
