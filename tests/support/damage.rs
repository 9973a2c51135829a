//! Ways to spoil a capture: as a file, and frame by frame.

use super::pcap::{Pcap, Record};
use super::random::Random;

/// Cuts or bends the bytes of a file. Even rounds cut.
pub(crate) fn file(whole: &[u8], round: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    if round.is_multiple_of(2) {
        bytes.truncate(random.below(bytes.len()));
        return bytes;
    }
    // Headers are a small part of a file and the more interesting one.
    let front = if random.one_in(2) { bytes.len().min(400) } else { bytes.len() };
    for _ in 0..=random.below(8) {
        let at = random.below(front);
        bend(&mut bytes, at, random);
    }
    bytes
}

/// A way to spoil frames.
pub(crate) struct Way {
    /// For messages.
    pub(crate) name: &'static str,
    /// Spoils.
    pub(crate) apply: fn(&mut Pcap, &mut Random),
}

/// Every way.
pub(crate) const WAYS: &[Way] = &[
    Way { name: "bent", apply: bend_frames },
    Way { name: "dropped", apply: drop_frames },
    Way { name: "extreme values", apply: set_extremes },
    Way { name: "snapped", apply: snap },
    Way { name: "reordered", apply: reorder },
    Way { name: "spliced", apply: splice },
    Way { name: "doubled", apply: double },
    Way { name: "shortened", apply: shorten },
    Way { name: "other times", apply: change_times },
    Way { name: "one-sided", apply: keep_one_side },
    Way { name: "all at once", apply: everything },
];

/// Ethernet, IPv4 and TCP headers; what lies behind is what analyzers read.
const HEADERS: usize = 54;

/// Where to spoil a frame: anywhere, or behind the headers where there is something.
fn place(data: &[u8], random: &mut Random) -> usize {
    match data.len().checked_sub(HEADERS) {
        Some(payload) if payload > 0 && !random.one_in(4) => HEADERS + random.below(payload),
        _ => random.below(data.len()),
    }
}

fn bend(bytes: &mut [u8], at: usize, random: &mut Random) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn bend_frames(pcap: &mut Pcap, random: &mut Random) {
    for record in &mut pcap.records {
        if random.one_in(3) {
            for _ in 0..=random.below(3) {
                let at = place(&record.data, random);
                bend(&mut record.data, at, random);
            }
        }
    }
}

/// Lengths and counts are where arithmetic goes wrong.
fn set_extremes(pcap: &mut Pcap, random: &mut Random) {
    const EXTREMES: &[&[u8]] = &[
        &[0],
        &[0xff],
        &[0x7f],
        &[0x80],
        &[0, 0],
        &[0, 1],
        &[0xff, 0xff],
        &[0, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    for record in &mut pcap.records {
        if random.one_in(3) {
            let at = place(&record.data, random);
            let extreme = EXTREMES[random.below(EXTREMES.len())];
            for (byte, value) in record.data.iter_mut().skip(at).zip(extreme) {
                *byte = *value;
            }
        }
    }
}

fn drop_frames(pcap: &mut Pcap, random: &mut Random) {
    let rate = 2 + random.below(10);
    pcap.records.retain(|_| !random.one_in(rate));
}

fn double(pcap: &mut Pcap, random: &mut Random) {
    let twice = |record: Record| {
        let count = if random.one_in(3) { 2 } else { 1 };
        std::iter::repeat_n(record, count)
    };
    pcap.records = std::mem::take(&mut pcap.records).into_iter().flat_map(twice).collect();
}

fn reorder(pcap: &mut Pcap, random: &mut Random) {
    let len = pcap.records.len();
    for at in 0..len {
        if random.one_in(4) {
            pcap.records.swap(at, (at + random.below(6)).min(len - 1));
        }
    }
}

fn snap(pcap: &mut Pcap, random: &mut Random) {
    let len = 14 + random.below(200);
    pcap.records.iter_mut().for_each(|record| record.data.truncate(len));
}

/// Frames that end early on the wire, as if headers lied.
fn shorten(pcap: &mut Pcap, random: &mut Random) {
    for record in &mut pcap.records {
        if random.one_in(3) {
            let len = random.below(record.data.len());
            record.data.truncate(len);
            record.orig_len = len as u32;
        }
    }
}

/// The tail of one frame in another: each protocol gets bytes of the others.
fn splice(pcap: &mut Pcap, random: &mut Random) {
    let donors = pcap.records.clone();
    for record in &mut pcap.records {
        if random.one_in(4) {
            let donor = &donors[random.below(donors.len())];
            let at = place(&record.data, random);
            let from = place(&donor.data, random);
            let tail = donor.data.get(from..).unwrap_or_default();
            for (byte, value) in record.data.iter_mut().skip(at).zip(tail) {
                *byte = *value;
            }
        }
    }
}

fn change_times(pcap: &mut Pcap, random: &mut Random) {
    for record in &mut pcap.records {
        match random.below(12) {
            0 => record.secs = u32::MAX,
            1 => record.secs = 0,
            2 => record.micros = u32::MAX,
            3 => record.secs = record.secs.wrapping_add(random.below(100_000) as u32),
            4 => record.secs = record.secs.wrapping_sub(random.below(100_000) as u32),
            _ => {}
        }
    }
}

fn keep_one_side(pcap: &mut Pcap, _: &mut Random) {
    let source = |record: &Record| record.data.get(26..30).map(<[u8]>::to_vec);
    let Some(first) = pcap.records.first().map(source) else { return };
    pcap.records.retain(|record| source(record) == first);
}

fn everything(pcap: &mut Pcap, random: &mut Random) {
    for way in &WAYS[..WAYS.len() - 2] {
        if random.one_in(2) {
            (way.apply)(pcap, random);
        }
    }
}
