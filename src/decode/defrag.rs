//! Fragments of IP packets, put together (RFC 791 section 3.2, RFC 8200 section 4.5), and of what CAPWAP carries (RFC 5415
//! section 3.4), which are cut in the same way.
//!
//! Where fragments overlap, the byte that was captured first stays, and so does the end that a last fragment said first,
//! with nothing behind it; that a later one differs is counted. A packet whose
//! fragments do not arrive within [`TIMEOUT`] of the first, by packet time, is given up, and so is the oldest when there
//! are too many. Fragments that end up in no packet are counted as skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::Layer;
use super::network::{Around, Ip};
use crate::model::evidence::Seen;
use crate::model::packet::{Link, Outer};
use crate::model::stats::{SkipReason, Stats};
use crate::model::{Packet, Timestamp};

/// A fragment of an IP packet, or of what one carries.
#[derive(Debug, Clone, Copy)]
pub struct Fragment<'a> {
    /// What it is one of.
    pub(super) cut: Cut,
    /// What tells the packet from others between the same two ends.
    pub(super) id: u32,
    /// The protocol, in IPv4; in IPv6 later fragments may get it wrong (RFC 8200 section 4.5), so it is zero.
    pub(super) number: u8,
    /// Where its payload stands in that of the whole packet, in bytes.
    pub(super) offset: usize,
    /// It is not the last.
    pub(super) more: bool,
    /// It, as a packet.
    pub(super) ip: Ip<'a>,
}

/// What was cut into fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    /// An IP packet.
    Ip,
    /// What CAPWAP carries between these ports: its form is where IP has its protocol.
    Capwap {
        /// Of the sender and the receiver.
        ports: [u16; 2],
    },
}

/// What the fragments of a packet have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FragmentKey {
    src: IpAddr,
    dst: IpAddr,
    cut: Cut,
    id: u32,
    number: u8,
    vlan: Option<u16>,
    outer: Outer,
}

/// A packet put together or unpacked, behind its IP header. It was seen where its last missing fragment was.
#[derive(Debug)]
pub struct Whole {
    cut: Cut,
    link: Link,
    outer: Outer,
    seen: Seen,
    src: IpAddr,
    dst: IpAddr,
    hop_limit: u8,
    id: Option<u16>,
    number: u8,
    /// Bytes of all its fragments on the wire, headers included.
    len: usize,
    payload: Vec<u8>,
}

impl Whole {
    /// What was unpacked from `packet`, and which protocol that is.
    pub(super) fn inside(packet: &Packet<'_>, outer: Outer, number: u8, payload: Vec<u8>) -> Self {
        Self {
            cut: Cut::Ip,
            link: packet.link,
            outer,
            seen: packet.seen,
            src: packet.src,
            dst: packet.dst,
            hop_limit: packet.hop_limit,
            id: packet.ip_id,
            number,
            len: packet.ip_len as usize,
            payload,
        }
    }

    pub(super) fn cut(&self) -> Cut {
        self.cut
    }

    pub(super) fn ip(&self) -> Ip<'_> {
        Ip {
            around: Around { link: self.link, outer: self.outer, seen: self.seen },
            src: self.src,
            dst: self.dst,
            hop_limit: self.hop_limit,
            id: self.id,
            len: self.len,
            number: self.number,
            payload: Layer { bytes: &self.payload, wire: self.payload.len() },
        }
    }
}

/// Fragments that wait for others. Bounded in number and bytes.
#[derive(Debug, Default)]
pub struct Defragmenter {
    waiting: BTreeMap<FragmentKey, Waiting>,
    /// By the time of the first fragment.
    ages: BTreeSet<(Timestamp, FragmentKey)>,
    bytes: usize,
}

/// A packet of which something is missing, or which was complete a moment ago.
#[derive(Debug)]
struct Waiting {
    since: Timestamp,
    /// By offset; they do not overlap, and end at `end`.
    pieces: BTreeMap<usize, Vec<u8>>,
    /// Bytes in them.
    have: usize,
    /// Fragments so far, as frames.
    frames: u64,
    /// Length of the payload, once the last fragment is there.
    end: Option<usize>,
    /// Of the first fragment, which has the header that counts.
    number: u8,
    hop_limit: u8,
    link: Link,
    /// On the wire.
    len: usize,
    complete: Option<Timestamp>,
}

/// RFC 8200 section 4.5.
const TIMEOUT: Duration = Duration::from_mins(1);
/// A fragment that comes so soon after its packet was complete is a copy, if it was captured twice.
const COPIES: Duration = Duration::from_millis(5);
/// No IP packet has more payload, jumbograms apart, which cannot be fragmented (RFC 2675 section 3).
const MAX_PAYLOAD: usize = 65_535;
/// All fragments that wait may take so much.
const MAX_BYTES: usize = 4 << 20;
/// About what a fragment takes beside its bytes, and a packet beside its fragments.
const EACH: usize = 96;

impl Defragmenter {
    /// Takes the next fragment of the capture; `stats` has counted its frame, but not yet what became of it. Gives the packet
    /// that it completes.
    pub fn add(&mut self, fragment: &Fragment<'_>, stats: &mut Stats) -> Option<Whole> {
        let Fragment { cut, id, number, offset, more, ip } = *fragment;
        let (vlan, outer) = (ip.around.link.vlan, ip.around.outer);
        let key = FragmentKey { src: ip.src, dst: ip.dst, cut, id, number, vlan, outer };
        let now = ip.around.seen.at;
        self.give_up(now, stats);
        let bytes = ip.payload.bytes;
        let end = offset.saturating_add(bytes.len());
        if ip.payload.wire > bytes.len() {
            stats.skip(SkipReason::Truncated);
            return None;
        }
        // All but the last are whole units of eight bytes (RFC 791 section 3.2), and none is empty.
        if bytes.is_empty() || end > MAX_PAYLOAD || more && !bytes.len().is_multiple_of(8) {
            stats.skip(SkipReason::Malformed("IP fragment"));
            return None;
        }
        if let Some(old) = self.waiting.get(&key)
            && let Some(complete) = old.complete
        {
            if now.since(complete) <= COPIES {
                stats.fragments.copies = stats.fragments.copies.saturating_add(1);
                stats.analysed = stats.analysed.saturating_add(1);
                return None;
            }
            self.remove(&key, stats);
        }
        if !self.waiting.contains_key(&key) {
            self.ages.insert((now, key));
            self.bytes = self.bytes.saturating_add(EACH);
        }
        let waiting = self.waiting.entry(key).or_insert_with(|| Waiting::new(now, &ip));
        waiting.frames = waiting.frames.saturating_add(1);
        waiting.len = waiting.len.saturating_add(ip.len);
        if offset == 0 {
            (waiting.number, waiting.hop_limit, waiting.link) = (ip.number, ip.hop_limit, ip.around.link);
        }
        let (added, freed, differs) = waiting.add(offset, bytes, more);
        self.bytes = self.bytes.saturating_add(added).saturating_sub(freed);
        stats.fragments.conflicts = stats.fragments.conflicts.saturating_add(u64::from(differs));
        let whole = waiting.finish(cut, &ip);
        if let Some(whole) = &whole {
            self.bytes = self.bytes.saturating_sub(waiting.held());
            waiting.pieces.clear();
            waiting.complete = Some(now);
            stats.analysed = stats.analysed.saturating_add(waiting.frames);
            stats.fragments.packets = stats.fragments.packets.saturating_add(1);
            debug_assert!(whole.payload.len() <= MAX_PAYLOAD, "checked for every fragment");
        }
        while self.bytes > MAX_BYTES
            && let Some((_, oldest)) = self.ages.first().copied()
        {
            self.remove(&oldest, stats);
        }
        whole
    }

    /// Nothing comes any more.
    pub fn finish(mut self, stats: &mut Stats) {
        while let Some((_, oldest)) = self.ages.first().copied() {
            self.remove(&oldest, stats);
        }
    }

    /// Gives up what has waited too long.
    fn give_up(&mut self, now: Timestamp, stats: &mut Stats) {
        while let Some((since, oldest)) = self.ages.first().copied()
            && now.since(since) > TIMEOUT
        {
            self.remove(&oldest, stats);
        }
    }

    fn remove(&mut self, key: &FragmentKey, stats: &mut Stats) {
        let Some(gone) = self.waiting.remove(key) else { return };
        self.ages.remove(&(gone.since, *key));
        self.bytes = self.bytes.saturating_sub(EACH.saturating_add(gone.held()));
        if gone.complete.is_none() {
            for _ in 0..gone.frames {
                stats.skip(SkipReason::Fragment);
            }
            stats.fragments.incomplete = stats.fragments.incomplete.saturating_add(1);
        }
    }
}

impl Waiting {
    fn new(since: Timestamp, ip: &Ip<'_>) -> Self {
        Self {
            since,
            pieces: BTreeMap::new(),
            have: 0,
            frames: 0,
            end: None,
            number: ip.number,
            hop_limit: ip.hop_limit,
            link: ip.around.link,
            len: 0,
            complete: None,
        }
    }

    fn held(&self) -> usize {
        self.pieces.values().fold(0, |sum, piece| sum.saturating_add(piece.len()).saturating_add(EACH))
    }

    /// Takes a fragment. Gives what it takes, what is free for it, and whether it says otherwise than those before.
    fn add(&mut self, offset: usize, bytes: &[u8], more: bool) -> (usize, usize, bool) {
        let end = offset.saturating_add(bytes.len());
        let (mut freed, mut contradicts) = (0, false);
        match self.end {
            Some(said) => contradicts = end > said || !more && end < said,
            None if more => {}
            None => {
                self.end = Some(end);
                (freed, contradicts) = self.clip(end);
            }
        }
        let room = self.end.map_or(usize::MAX, |end| end.saturating_sub(offset));
        let (added, differs) = self.insert(offset, bytes.get(..room).unwrap_or(bytes));
        (added, freed, contradicts || differs)
    }

    /// Drops what stands behind `end`. Gives what it took, and whether there was any.
    fn clip(&mut self, end: usize) -> (usize, bool) {
        let (held, had) = (self.held(), self.have);
        self.pieces.split_off(&end);
        if let Some(mut last) = self.pieces.last_entry() {
            let room = end.saturating_sub(*last.key());
            last.get_mut().truncate(room);
        }
        self.have = self.pieces.values().fold(0, |sum, piece| sum.saturating_add(piece.len()));
        (held.saturating_sub(self.held()), self.have < had)
    }

    /// Keeps what is new of `bytes`. Gives what that takes, and whether something that was there already differs.
    fn insert(&mut self, offset: usize, bytes: &[u8]) -> (usize, bool) {
        let end = offset.saturating_add(bytes.len());
        let (mut added, mut differs) = (0_usize, false);
        let mut at = offset;
        // The pieces that may overlap: the last that begins before, and those that begin inside.
        let before = self.pieces.range(..offset).next_back().map(|(start, _)| *start);
        let over: Vec<usize> =
            before.into_iter().chain(self.pieces.range(offset..end).map(|(start, _)| *start)).collect();
        let part = |from: usize, to: usize| {
            bytes.get(from.saturating_sub(offset)..to.saturating_sub(offset)).unwrap_or_default()
        };
        for start in over {
            let Some(old) = self.pieces.get(&start) else { continue };
            let old_end = start.saturating_add(old.len());
            let (from, to) = (start.max(offset), old_end.min(end));
            if from < to {
                let there = old.get(from.saturating_sub(start)..to.saturating_sub(start));
                differs |= there != Some(part(from, to));
            }
            if at < start {
                added = added.saturating_add(self.keep(at, part(at, start.min(end))));
            }
            at = at.max(old_end);
        }
        if at < end {
            added = added.saturating_add(self.keep(at, part(at, end)));
        }
        (added, differs)
    }

    fn keep(&mut self, at: usize, bytes: &[u8]) -> usize {
        self.pieces.insert(at, bytes.to_vec());
        self.have = self.have.saturating_add(bytes.len());
        bytes.len().saturating_add(EACH)
    }

    /// The whole packet, if nothing is missing. `last` is the fragment at hand.
    fn finish(&self, cut: Cut, last: &Ip<'_>) -> Option<Whole> {
        // Pieces neither overlap nor go beyond the end.
        let end = self.end.filter(|end| self.have >= *end)?;
        let mut payload = Vec::with_capacity(end);
        self.pieces.values().for_each(|piece| payload.extend_from_slice(piece));
        Some(Whole {
            cut,
            link: self.link,
            outer: last.around.outer,
            seen: last.around.seen,
            src: last.src,
            dst: last.dst,
            hop_limit: self.hop_limit,
            id: last.id,
            number: self.number,
            len: self.len,
            payload,
        })
    }
}
