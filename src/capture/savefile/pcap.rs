//! Classic savefiles (draft-ietf-opsawg-pcap) and their relatives.
//!
//! The magic number tells byte order, resolution and the "modified" format of Alexey Kuznetzov's patches.
//! It does not tell how long record headers are: 16 bytes by the standard; 24 in the modified format, but 28
//! in its release of 1999-09-15 (SuSE 6.3); and 24 or 20 under the standard magic in files of his first
//! patch and of Nokia firewalls. As Wireshark does, the first records are tried with each length. The extra
//! fields (interface, protocol, packet type) are not read.
//!
//! Not read: AIX's variant (interface types for link types), IXIA's and the like.

use super::{Framed, Ledger, MAX_FRAME, Order, Split, Stop};
use crate::model::{LinkType, Timestamp};

/// What the header of a savefile says.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Pcap {
    order: Order,
    resolution: Resolution,
    lengths: Lengths,
    record_header: usize,
    /// For trying record headers only; zero means no limit.
    snaplen: u32,
    link_type: LinkType,
    /// The header itself is wrong, so there are no records.
    damage: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolution {
    Micro,
    Nano,
}

/// Order of the two lengths in a record: version 2.3 changed it, and not everybody noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    OriginalFirst,
    /// The captured one is the smaller one.
    Either,
}

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

impl Pcap {
    /// Reads the file header; the second value is its length. A file that ends within it is a damaged
    /// capture, not something else.
    pub(super) fn recognise(head: &[u8]) -> Option<(Self, usize)> {
        let magic = *head.first_chunk::<4>()?;
        let (order, resolution, candidates): (_, _, &[usize]) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, Resolution::Micro, &STANDARD),
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, Resolution::Micro, &STANDARD),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, Resolution::Nano, &[RECORD_HEADER]),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, Resolution::Nano, &[RECORD_HEADER]),
            [0x34, 0xcd, 0xb2, 0xa1] => (Order::Little, Resolution::Micro, &MODIFIED),
            [0xa1, 0xb2, 0xcd, 0x34] => (Order::Big, Resolution::Micro, &MODIFIED),
            _ => return None,
        };
        let mut pcap = Self {
            order,
            resolution,
            lengths: Lengths::CapturedFirst,
            record_header: RECORD_HEADER,
            snaplen: 0,
            link_type: LinkType(0),
            damage: None,
        };
        let Some([_, _, _, _, snaplen, network]) = order.words::<6>(head) else {
            pcap.damage =
                Some(format!("the file ends after {} bytes of its {FILE_HEADER}-byte header", head.len()));
            return Some((pcap, 0));
        };
        let versions = head.get(4..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        let [a, b, c, d] = versions;
        let (major, minor) = (order.u16([a, b]), order.u16([c, d]));
        pcap.lengths = match (major, minor) {
            (0..=1, _) => {
                pcap.damage = Some(format!("savefile version {major}.{minor}, expected 2.4"));
                return Some((pcap, 0));
            }
            (2, 0..=2) => Lengths::OriginalFirst,
            (2, 3) => Lengths::Either,
            _ => Lengths::CapturedFirst,
        };
        pcap.snaplen = snaplen;
        // The upper bits say how long the frame check sequence at the end of each frame is.
        pcap.link_type = LinkType(network & 0x03ff_ffff);
        pcap.choose_record_header(head, candidates);
        Some((pcap, FILE_HEADER))
    }

    /// Takes the first candidate, unless only a later one makes sense of the first records.
    fn choose_record_header(&mut self, head: &[u8], candidates: &[usize]) {
        let mut best = None;
        for candidate in candidates {
            self.record_header = *candidate;
            let oddities = self.oddities(head);
            if best.is_none_or(|(least, _)| oddities < least) {
                best = Some((oddities, *candidate));
            }
        }
        self.record_header = best.map_or(RECORD_HEADER, |(_, candidate)| candidate);
    }

    /// How much is odd about the first records when their headers are as long as is assumed.
    fn oddities(&self, head: &[u8]) -> u32 {
        let mut at = FILE_HEADER;
        let mut oddities = 0_u32;
        for _ in 0..RECORDS_TO_TRY {
            let rest = head.get(at..).unwrap_or_default();
            let Some((_, frac, caplen, orig_len)) = self.header(rest) else {
                break;
            };
            let limit = match self.resolution {
                Resolution::Micro => 1_000_000,
                Resolution::Nano => 1_000_000_000,
            };
            if caplen > MAX_FRAME {
                // There is no next record to try.
                return oddities.saturating_add(100);
            }
            oddities = oddities
                .saturating_add(u32::from(frac >= limit))
                .saturating_add(u32::from(caplen > orig_len))
                .saturating_add(u32::from(self.snaplen > 0 && caplen > self.snaplen))
                .saturating_add(u32::from(orig_len > MAX_WIRE));
            at = at.saturating_add(self.record_header).saturating_add(caplen as usize);
        }
        oddities
    }

    /// Seconds, fraction, captured and original length of the record at the start of `rest`.
    fn header(&self, rest: &[u8]) -> Option<(u32, u32, u32, u32)> {
        let [secs, frac, first, second] = self.order.words::<4>(rest)?;
        let (caplen, orig_len) = match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::OriginalFirst => (second, first),
            Lengths::Either => (first.min(second), first.max(second)),
        };
        Some((secs, frac, caplen, orig_len))
    }

    /// See [`super::Savefile::split`].
    pub(super) fn split(&mut self, bytes: &[u8], mut at: usize, ledger: &mut Ledger) -> Split {
        if let Some(reason) = &self.damage {
            return Split { end: at, stop: Stop::Damage(reason.clone()) };
        }
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some((secs, frac, caplen, orig_len)) = self.header(rest) else {
                return Split { end: at, stop: Stop::More(self.record_header) };
            };
            if caplen > MAX_FRAME {
                let reason = format!("the next frame claims {caplen} bytes, expected at most {MAX_FRAME}");
                return Split { end: at, stop: Stop::Damage(reason) };
            }
            let needed = self.record_header.saturating_add(caplen as usize);
            if rest.len() < needed {
                return Split { end: at, stop: Stop::More(needed) };
            }
            let start = at.saturating_add(self.record_header);
            let time = self.time(secs, frac);
            ledger.frame(Framed { time, start, len: caplen, orig_len, link_type: self.link_type });
            at = at.saturating_add(needed);
        }
    }

    /// Fractions above a second, which damaged files have, count as they are.
    fn time(&self, secs: u32, frac: u32) -> Timestamp {
        let per_unit = match self.resolution {
            Resolution::Micro => 1_000,
            Resolution::Nano => 1,
        };
        // Cannot saturate: 2^32 seconds are less than half of what 64 bits of nanoseconds hold.
        let nanos = i64::from(secs).saturating_mul(1_000_000_000);
        Timestamp::from_nanos(nanos.saturating_add(i64::from(frac).saturating_mul(per_unit)))
    }
}

/// Lengths of record headers under the standard magic: everybody, Kuznetzov's first patch, Nokia.
const STANDARD: [usize; 3] = [RECORD_HEADER, 24, 20];
/// Under the modified magic.
const MODIFIED: [usize; 2] = [24, 28];
const RECORDS_TO_TRY: usize = 3;
/// No frame on a wire is longer; offloading makes them at most 512 KiB.
const MAX_WIRE: u32 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// A savefile in any of the variants, with frames of the given lengths and one second between them.
    fn savefile(magic: u32, order: Order, extra: usize, minor: u16, network: u32, frames: &[u32]) -> Vec<u8> {
        let four = |value: u32| match order {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        };
        let mut out = four(magic).to_vec();
        let version = match order {
            Order::Little => [2, 0, minor as u8, 0],
            Order::Big => [0, 2, 0, minor as u8],
        };
        out.extend(version);
        out.extend([0; 8]);
        out.extend(four(65_535));
        out.extend(four(network));
        for (i, len) in frames.iter().enumerate() {
            let lengths = if minor < 3 { [len + 4, *len] } else { [*len, len + 4] };
            out.extend([1_000 + i as u32, 7, lengths[0], lengths[1]].map(four).concat());
            out.extend(vec![0xee; extra]);
            out.extend(vec![i as u8; *len as usize]);
        }
        out
    }

    fn read(bytes: &[u8]) -> (Vec<super::super::Record>, LinkType, Split) {
        let (mut pcap, start) = Pcap::recognise(bytes).unwrap();
        let mut ledger = Ledger::default();
        let split = pcap.split(bytes, start, &mut ledger);
        (ledger.records, pcap.link_type, split)
    }

    #[test]
    fn every_variant_gives_the_same_frames() {
        let lens = [60, 0, 1500, 42];
        for order in [Order::Little, Order::Big] {
            for (magic, extra, minor, nanos) in [
                (0xa1b2_c3d4, 0, 4, 7_000),
                (0xa1b2_3c4d, 0, 4, 7),
                (0xa1b2_cd34, 8, 4, 7_000),
                (0xa1b2_cd34, 12, 4, 7_000),
                (0xa1b2_c3d4, 8, 4, 7_000),
                (0xa1b2_c3d4, 4, 4, 7_000),
                (0xa1b2_c3d4, 0, 2, 7_000),
                (0xa1b2_c3d4, 0, 3, 7_000),
            ] {
                let bytes = savefile(magic, order, extra, minor, 0x3000_0001, &lens);
                let (records, link_type, split) = read(&bytes);
                let case = format!("{order:?} {magic:x} {extra} {minor}");
                assert_eq!(split, Split { end: bytes.len(), stop: Stop::More(16 + extra) }, "{case}");
                assert_eq!(link_type, LinkType::ETHERNET, "FCS bits are no part of the link type");
                assert_eq!(records.iter().map(|r| r.len).collect::<Vec<_>>(), lens, "{case}");
                assert_eq!(records[2].time, Timestamp::new(1_002, nanos), "{case}");
                assert_eq!((records[3].no, records[3].orig_len), (4, 46), "{case}");
                assert_eq!(bytes[records[3].start as usize], 3, "{case}");
            }
        }
    }

    #[test]
    fn a_cut_file_gives_the_whole_records_and_says_what_the_next_one_needs() {
        let bytes = savefile(0xa1b2_c3d4, Order::Little, 0, 4, 1, &[4, 6]);
        for cut in 0..bytes.len() {
            let head = &bytes[..cut];
            let Some((mut pcap, start)) = Pcap::recognise(head) else {
                assert!(cut < 4);
                continue;
            };
            let mut ledger = Ledger::default();
            let split = pcap.split(head, start, &mut ledger);
            match cut {
                0..24 => assert!(matches!(split.stop, Stop::Damage(_))),
                24..40 => assert_eq!(split, Split { end: 24, stop: Stop::More(16) }),
                40..44 => assert_eq!(split, Split { end: 24, stop: Stop::More(20) }),
                44..60 => assert_eq!(split, Split { end: 44, stop: Stop::More(16) }),
                _ => assert_eq!(split, Split { end: 44, stop: Stop::More(22) }),
            }
            assert_eq!(ledger.records.len(), usize::from(cut >= 44));
        }
    }

    #[test]
    fn an_impossible_length_is_damage_at_its_record() {
        let mut bytes = savefile(0xa1b2_c3d4, Order::Little, 0, 4, 1, &[4, 4, 4, 4]);
        bytes[24 + 3 * 20 + 11] = 0x7f;
        let (records, _, split) = read(&bytes);
        assert_eq!(records.len(), 3);
        assert_eq!(split.end, 84);
        assert!(matches!(split.stop, Stop::Damage(reason) if reason.contains("claims 2130706436 bytes")));
    }

    #[test]
    fn an_archaic_version_is_named() {
        let mut bytes = savefile(0xa1b2_c3d4, Order::Little, 0, 4, 1, &[4]);
        bytes[4] = 1;
        assert!(matches!(read(&bytes).2.stop, Stop::Damage(reason) if reason.contains("version 1.4")));
    }

    #[test]
    fn a_fraction_above_one_second_counts_as_it_is() {
        let mut bytes = savefile(0xa1b2_3c4d, Order::Little, 0, 4, 1, &[4]);
        bytes[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&bytes).0[0].time, Timestamp::from_nanos(1_004_294_967_295));
    }
}
