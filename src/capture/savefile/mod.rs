//! The two formats, as splitters: they are given the bytes of a block and say where the records are.
//!
//! Why our own splitter and not the readers of `pcap-parser`: those own the buffer and lend one record at a
//! time, so each frame would have to be copied before the next is read. What is parsed rarely and has
//! structure, the options of pcapng blocks, goes through `pcap-parser`, one option at a time so that
//! nothing is allocated for them. Its block parsers are not used: they collect all options of a block in
//! a list as long as the file likes, read 64-bit option values as little-endian in big-endian sections,
//! and do not know `if_tsresol` in powers of two. Its file header parser does not know the big-endian
//! modified format.

mod clock;
mod pcap;
mod pcapng;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::batch::Record;
use crate::model::stats::{SkipReason, Stats};
use crate::model::{LinkType, Secrets, Timestamp};
use pcap::Pcap;
use pcapng::PcapNg;

/// Frames longer than this are taken for damage: four times Wireshark's limit for Ethernet.
const MAX_FRAME: u32 = 4 * 262_144;

/// Blocks of pcapng longer than this are taken for damage or, where nothing in them matters, skipped:
/// Wireshark's limit.
const MAX_BLOCK: u32 = 16 << 20;

/// A capture file's format and what it has said so far.
#[derive(Debug)]
pub(super) enum Savefile {
    Pcap(Pcap),
    PcapNg(Box<PcapNg>),
}

/// Where a splitter stopped, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// Position behind the last whole record.
    pub(super) end: usize,
    pub(super) stop: Stop,
}

/// Why a splitter stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The next record needs this many bytes, counted from its start; fewer are there.
    More(usize),
    /// The next record has nothing for us in this many bytes, more than are there.
    Skip(u64),
    /// The next record makes no sense: got and expected.
    Damage(String),
}

impl Savefile {
    /// The format of a capture that begins with `head`, and how many bytes its header takes; `None` if it
    /// is no capture. `head` should hold the first records, or all there is.
    pub(super) fn recognise(head: &[u8]) -> Option<(Self, usize)> {
        if let Some((pcap, start)) = Pcap::recognise(head) {
            return Some((Self::Pcap(pcap), start));
        }
        PcapNg::recognise(head).map(|pcapng| (Self::PcapNg(Box::new(pcapng)), 0))
    }

    /// Finds the records in `bytes` from `at` on and enters them into `ledger`.
    pub(super) fn split(&mut self, bytes: &[u8], at: usize, ledger: &mut Ledger) -> Split {
        match self {
            Self::Pcap(pcap) => pcap.split(bytes, at, ledger),
            Self::PcapNg(pcapng) => pcapng.split(bytes, at, ledger),
        }
    }

    /// Frames that the capture says were dropped.
    pub(super) fn dropped(&self) -> Option<u64> {
        match self {
            Self::Pcap(_) => None,
            Self::PcapNg(pcapng) => pcapng.dropped(),
        }
    }

    /// Secrets that the blocks since the last call brought along, if any.
    pub(super) fn take_secrets(&mut self) -> Option<Secrets> {
        match self {
            Self::Pcap(_) => None,
            Self::PcapNg(pcapng) => pcapng.take_secrets(),
        }
    }

    /// Names of addresses that the capture brings along.
    pub(super) fn names(self) -> Names {
        match self {
            Self::Pcap(_) => Names::default(),
            Self::PcapNg(pcapng) => pcapng.names,
        }
    }
}

/// Names of addresses, each pair once, up to a limit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Lower case, no final dot.
    pub(super) pairs: BTreeSet<(IpAddr, Box<str>)>,
    /// Names beyond the limit.
    pub(super) dropped: u64,
}

impl Names {
    /// Adds one unless the limit is reached.
    pub(super) fn add(&mut self, address: IpAddr, name: Box<str>) {
        if self.pairs.len() < MAX_NAMES {
            self.pairs.insert((address, name));
        } else if !self.pairs.contains(&(address, name)) {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Adds those of another capture.
    pub(super) fn merge(&mut self, other: Self) {
        self.dropped = self.dropped.saturating_add(other.dropped);
        for (address, name) in other.pairs {
            self.add(address, name);
        }
    }
}

/// A file can hold any number; nobody resolves this many hosts in one capture.
const MAX_NAMES: usize = 65_536;

/// The account of one capture: its frames in the block at hand, and counts over all blocks.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Frames of the block at hand.
    pub(super) records: Vec<Record>,
    /// Records counted so far: the number of the latest frame.
    pub(super) count: u64,
    pub(super) earliest: Option<Timestamp>,
    pub(super) latest: Option<Timestamp>,
    pub(super) out_of_order: u64,
    /// Time of the record before.
    previous: Option<Timestamp>,
    /// Records that no batch brings: not taken by the filter, or not frames at all.
    pub(super) passed_over: Stats,
}

/// What a record says of its frame.
#[derive(Debug, Clone, Copy)]
struct Framed {
    time: Timestamp,
    start: usize,
    len: u32,
    orig_len: u32,
    link_type: LinkType,
}

impl Ledger {
    /// An empty account that enters frames into `records`.
    pub(super) fn new(records: Vec<Record>) -> Self {
        Self { records, ..Self::default() }
    }

    fn frame(&mut self, framed: Framed) {
        let Framed { time, start, len, orig_len, link_type } = framed;
        self.count = self.count.saturating_add(1);
        if self.previous.is_some_and(|previous| time < previous) {
            self.out_of_order = self.out_of_order.saturating_add(1);
        }
        self.previous = Some(time);
        self.earliest = Some(self.earliest.map_or(time, |earliest| earliest.min(time)));
        self.latest = Some(self.latest.map_or(time, |latest| latest.max(time)));
        // Blocks are far smaller than 4 GiB.
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        self.records.push(Record { time, no: self.count, start, len, orig_len, link_type });
    }

    /// Time of the record before, for records that have none of their own.
    fn previous_time(&self) -> Timestamp {
        self.previous.unwrap_or_default()
    }

    /// Counts a record that Wireshark numbers although it is no frame.
    fn no_frame(&mut self, what: &'static str) {
        self.count = self.count.saturating_add(1);
        self.passed_over.frames = self.passed_over.frames.saturating_add(1);
        self.passed_over.skip(SkipReason::NoFrame(what));
    }
}

/// Byte order of numbers in a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// The first `N` 32-bit numbers; `None` if there are fewer.
    fn words<const N: usize>(self, bytes: &[u8]) -> Option<[u32; N]> {
        let words = bytes.as_chunks::<4>().0.first_chunk::<N>()?;
        Some(words.map(|word| self.u32(word)))
    }
}
