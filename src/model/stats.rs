//! What happened to the input: every frame is analysed or skipped with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::evidence::{Evidence, Seen};
use super::frame::Frame;
use super::{CaptureId, LinkType, Timestamp};

/// Why a frame, or part of it, was not analysed. One per frame: the first that applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// The capture's link type is not one we read.
    LinkType(LinkType),
    /// Neither IP nor ARP, by EtherType (or 802.3 length field below 0x0600).
    EtherType(u16),
    /// Fewer bytes than the header needs although the wire had no more.
    Malformed(&'static str),
    /// The snap length cut the frame before its transport header ended.
    Truncated,
    /// A fragment of an IP packet whose other fragments were not captured, or came too late.
    Fragment,
    /// Inside a tunnel of this kind, in a form that is not read.
    Tunnel(&'static str),
    /// A message of this link-layer protocol that carries no packet.
    Protocol(&'static str),
    /// The user's capture filter does not take it.
    Filtered,
    /// A record of the capture file that is numbered like a frame but holds none, of this kind.
    NoFrame(&'static str),
}

impl std::fmt::Display for SkipReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LinkType(link) => write!(f, "link type {}", link.0),
            Self::EtherType(number) if *number < 0x0600 => f.write_str("802.3 frame"),
            Self::EtherType(number) => write!(f, "EtherType 0x{number:04x}"),
            Self::Malformed(what) => write!(f, "malformed {what}"),
            Self::Truncated => f.write_str("cut by the snap length"),
            Self::Fragment => f.write_str("fragment of an incomplete packet"),
            Self::Tunnel(kind) => write!(f, "inside {kind}"),
            Self::Protocol(kind) => write!(f, "{kind} without an IP packet"),
            Self::Filtered => f.write_str("not taken by the filter"),
            Self::NoFrame(kind) => f.write_str(kind),
        }
    }
}

/// Counts of a run. Merging is addition, so it does not depend on threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames read from captures.
    pub frames: u64,
    /// Frames decoded down to a transport, ARP included.
    pub analysed: u64,
    /// Frames not analysed, by reason; `frames == analysed + sum of skipped`.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Frames shorter than on the wire, analysed or not.
    pub truncated: u64,
    /// Bytes of frames as captured.
    pub captured_bytes: u64,
    /// Frames that repeat one captured a moment before, as a span of both ends of a path gives them; analysed, but not
    /// counted with their flows.
    pub copies: u64,
    /// What became of fragments of IP packets.
    pub fragments: Fragments,
    /// What was let go to stay within the limit of memory.
    pub shed: Shed,
}

/// Counts of IP packets that came in fragments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fragments {
    /// Packets put together.
    pub packets: u64,
    /// Packets of which something was missing; their fragments are skipped.
    pub incomplete: u64,
    /// Fragments of packets that were complete: captured twice.
    pub copies: u64,
    /// Fragments that say otherwise than one before about the same bytes.
    pub conflicts: u64,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was analysed.
    Analysed,
    /// It was not.
    Skipped(SkipReason),
    /// It is a fragment, and counted once it is known whether the others come.
    Waits,
}

/// Flows that were let go before they could be judged, because the limit of memory was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shed {
    /// How many of each kind.
    pub flows: BTreeMap<ShedKind, u64>,
    /// TCP streams whose missing bytes were no longer waited for.
    pub streams: u64,
    /// Names of addresses that were not kept.
    pub names: u64,
    /// First packets of the flows.
    pub evidence: Option<Evidence>,
    /// Whose flows and names they were.
    hosts: BTreeSet<IpAddr>,
    /// There were more hosts than [`MAX_SHED_HOSTS`].
    many: bool,
}

/// Kinds of flows, in the order in which they are let go: what tells least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShedKind {
    /// Nothing was said in it: an attempt nobody answered, or a packet without content.
    Attempt,
    /// It was over.
    Closed,
    /// Its protocol was known and nothing more was looked for.
    Recognised,
    /// It was still looked at.
    Open,
}

impl std::fmt::Display for ShedKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Attempt => "unanswered",
            Self::Closed => "closed",
            Self::Recognised => "recognised",
            Self::Open => "open",
        })
    }
}

/// How many hosts are kept whose flows were let go; beyond it, it may have been anybody's.
pub const MAX_SHED_HOSTS: usize = 4_096;

impl Shed {
    /// Counts a flow of these hosts.
    pub fn flow(&mut self, kind: ShedKind, first: Seen, hosts: impl IntoIterator<Item = IpAddr>) {
        self.evidence(&Evidence::once(first));
        let count = self.flows.entry(kind).or_default();
        *count = count.saturating_add(1);
        hosts.into_iter().for_each(|host| self.host(host));
    }

    /// Counts names that these hosts were told.
    pub fn names(&mut self, count: u64, hosts: impl IntoIterator<Item = IpAddr>) {
        self.names = self.names.saturating_add(count);
        hosts.into_iter().for_each(|host| self.host(host));
    }

    fn evidence(&mut self, more: &Evidence) {
        match &mut self.evidence {
            Some(evidence) => evidence.merge(more),
            None => self.evidence = Some(more.clone()),
        }
    }

    fn host(&mut self, host: IpAddr) {
        if self.hosts.len() < MAX_SHED_HOSTS {
            self.hosts.insert(host);
        } else {
            self.many |= !self.hosts.contains(&host);
        }
    }

    /// How many flows in all.
    pub fn total(&self) -> u64 {
        self.flows.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether nothing was let go that anybody could miss.
    pub fn is_nothing(&self) -> bool {
        self.names == 0 && self.total() == 0
    }

    /// Whether flows or names of `host` may be among them.
    pub fn may_touch(&self, host: IpAddr) -> bool {
        self.many || self.hosts.contains(&host)
    }

    /// Adds those of another part of the same run.
    pub fn merge(&mut self, other: &Self) {
        for (kind, count) in &other.flows {
            let sum = self.flows.entry(*kind).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.streams = self.streams.saturating_add(other.streams);
        self.names = self.names.saturating_add(other.names);
        self.many |= other.many;
        other.evidence.iter().for_each(|evidence| self.evidence(evidence));
        other.hosts.iter().for_each(|host| self.host(*host));
    }
}

impl Fragments {
    fn merge(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.packets, other.packets),
            (&mut self.incomplete, other.incomplete),
            (&mut self.copies, other.copies),
            (&mut self.conflicts, other.conflicts),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

impl Stats {
    /// Counts a frame. In the end frames always equal the sum of those analysed and those skipped.
    pub fn frame(&mut self, frame: &Frame<'_>, fate: Fate) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.frames, 1);
        add(&mut self.captured_bytes, frame.data.len() as u64);
        add(&mut self.truncated, u64::from(frame.data.len() < frame.orig_len as usize));
        match fate {
            Fate::Analysed => add(&mut self.analysed, 1),
            Fate::Skipped(reason) => self.skip(reason),
            Fate::Waits => {}
        }
    }

    /// Counts one skipped frame.
    pub fn skip(&mut self, reason: SkipReason) {
        let count = self.skipped.entry(reason).or_default();
        *count = count.saturating_add(1);
    }

    /// Adds the counts of another part of the same run.
    pub fn merge(&mut self, other: &Self) {
        self.frames = self.frames.saturating_add(other.frames);
        self.analysed = self.analysed.saturating_add(other.analysed);
        self.truncated = self.truncated.saturating_add(other.truncated);
        self.captured_bytes = self.captured_bytes.saturating_add(other.captured_bytes);
        self.copies = self.copies.saturating_add(other.copies);
        self.fragments.merge(other.fragments);
        self.shed.merge(&other.shed);
        for (reason, count) in &other.skipped {
            let sum = self.skipped.entry(*reason).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
}

/// What became of one capture of the input.
#[derive(Debug, Clone)]
pub struct CaptureInfo {
    /// Which.
    pub id: CaptureId,
    /// Its file name without folders, as shown in evidence; `-` for standard input. Made unique by
    /// the shortest folder suffix where two captures share it.
    pub name: String,
    /// Frames read.
    pub frames: u64,
    /// Time of its earliest frame.
    pub first: Option<Timestamp>,
    /// Time of its latest frame.
    pub last: Option<Timestamp>,
    /// Frames whose time is before that of the frame ahead of them.
    pub out_of_order: u64,
    /// Frames that the capturing interface or kernel reports as dropped; `None` where it says nothing.
    pub dropped: Option<u64>,
    /// Why reading stopped before the end of the file, with the byte offset in it.
    pub damage: Option<Damage>,
}

/// Where and why a capture could not be read further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Offset in the (decompressed) capture.
    pub offset: u64,
    /// What is wrong there: got and expected.
    pub reason: String,
}
