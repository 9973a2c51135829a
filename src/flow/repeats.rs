//! Frames that were captured twice.
//!
//! A span of both ports of a path, or a capture on several interfaces, holds the same packet twice within
//! microseconds. A real retransmission has another IPv4 identification, or comes later. Link addresses and tags may
//! differ or not, and tell nothing.
//!
//! Where packets have no identification (IPv6, and IPv4 of hosts that leave it at zero), a segment of TCP or a datagram of
//! UDP that says the same with a lower hop limit is a copy for sure: a router lies between the two places where it was
//! captured. That makes one copy of each packet, and only ever lowers the limit. One that says the same with a higher
//! limit was sent again, as traceroute does with rising ones, and so may be what comes once limits have risen; a copy from
//! a place before the router whose clock is late is counted as well then. With the same limit it is a copy only if it comes
//! sooner than any peer could have asked for it. Of ICMP and others not everything that tells packets apart is looked
//! at, so without an identification none of them is a copy for sure.
//!
//! One more reason to say the same at once is that both of two SYNs are answered, which many hosts do without an
//! identification: of these answers as many count as SYNs were captured before.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};

use crate::model::packet::{Outer, Segment, TcpFlags, TcpHeader, WrapKind};
use crate::model::{Direction, Packet};

/// How far apart two copies of a frame can be. Less than any retransmission timer.
const WITHIN_MICROS: u32 = 5_000;
/// The same where nothing but its content tells a packet from one that was sent again.
const WITHOUT_ID_MICROS: u32 = 100;

/// What a packet may be to those before it from the same end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// New.
    No,
    /// The same as one a moment ago, for which there may be another reason than that it was captured twice.
    Perhaps,
    /// The same packet once more.
    Sure,
}

/// The last few packets from one end: copies of a burst come interleaved.
#[derive(Debug)]
pub(super) struct Repeats<const N: usize> {
    /// The latest first.
    recent: [Print; N],
}

impl<const N: usize> Default for Repeats<N> {
    fn default() -> Self {
        Self { recent: [Print::default(); N] }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Print {
    /// Of what the packet says; zero in an empty slot only.
    hash: u32,
    /// Packet time in microseconds, modulo 17 seconds, above the hop limit.
    at: u32,
}

/// Earlier packets that say the same.
#[derive(Debug, Clone, Copy, Default)]
struct Same {
    /// How long ago the last of them with the same hop limit came, in microseconds.
    age: Option<u32>,
    /// How many there are with a higher one of which no copy with this one has come.
    higher: usize,
    /// There are some with a lower one.
    rises: bool,
}

impl<const N: usize> Repeats<N> {
    /// Takes note of a segment; what it is to recent ones. `answers` says that a SYN may have no answer yet.
    #[inline]
    pub(super) fn note(&mut self, packet: &Packet<'_>, tcp: &TcpHeader, answers: bool) -> Repeat {
        self.note_print(Print::of_segment(packet, tcp), packet, || {
            // An acknowledgement without content that is repeated at once asks for what is missing (RFC 5681 section 3.2);
            // each segment that a closed port gets is answered by a reset.
            packet.payload_len > 0
                || (tcp.flags.has(TcpFlags::SYN) && !answers)
                || tcp.flags.has(TcpFlags::FIN)
        })
    }

    /// Takes note of a packet that is no segment.
    pub(super) fn note_datagram(&mut self, packet: &Packet<'_>, from: Direction) -> Repeat {
        self.note_print(Print::of_datagram(packet, from), packet, || {
            matches!(packet.segment, Segment::Udp { .. })
        })
    }

    /// Whether a packet that is no segment is the same as a recent one.
    pub(super) fn holds_datagram(&self, packet: &Packet<'_>, from: Direction) -> bool {
        self.same(Print::of_datagram(packet, from)).is_some()
    }

    /// Whether a segment is the same as a recent one.
    pub(super) fn holds(&self, packet: &Packet<'_>, tcp: &TcpHeader) -> bool {
        self.same(Print::of_segment(packet, tcp)).is_some()
    }

    /// `tells` says whether nothing but a second capture explains the same once more at once.
    #[inline]
    fn note_print(&mut self, print: Print, packet: &Packet<'_>, tells: impl FnOnce() -> bool) -> Repeat {
        let same = self.same(print);
        let mut older = print;
        for slot in &mut self.recent {
            std::mem::swap(slot, &mut older);
        }
        match same {
            None => Repeat::No,
            Some(_) if id(packet) != 0 => Repeat::Sure,
            Some(Same { higher: 1.., rises: false, .. })
                if matches!(packet.segment, Segment::Tcp(_) | Segment::Udp { .. }) =>
            {
                Repeat::Sure
            }
            Some(Same { age: Some(..WITHOUT_ID_MICROS), .. }) if tells() => Repeat::Sure,
            Some(_) => Repeat::Perhaps,
        }
    }

    /// What is known of the same packet, if it came not long ago.
    #[inline]
    fn same(&self, print: Print) -> Option<Same> {
        let is_known = self.recent.iter().any(|old| old.hash == print.hash);
        if is_known { self.lately(print) } else { None }
    }

    #[cold]
    fn lately(&self, print: Print) -> Option<Same> {
        let with_age = |old: &Print| {
            let age = (print.at >> HOP_BITS).wrapping_sub(old.at >> HOP_BITS) & (u32::MAX >> HOP_BITS);
            (old.hash == print.hash && age < WITHIN_MICROS).then_some((age, old.at as u8))
        };
        // The latest last.
        self.recent.iter().rev().filter_map(with_age).fold(None, |same, (age, hop_limit)| {
            let same = same.unwrap_or_default();
            Some(match hop_limit.cmp(&(print.at as u8)) {
                Ordering::Less => Same { rises: true, ..same },
                Ordering::Equal => Same { age: Some(age), higher: same.higher.saturating_sub(1), ..same },
                Ordering::Greater => Same { higher: same.higher.saturating_add(1), ..same },
            })
        })
    }
}

fn id(packet: &Packet<'_>) -> u16 {
    packet.ip_id.unwrap_or(0)
}

impl Print {
    #[inline]
    fn of_segment(packet: &Packet<'_>, tcp: &TcpHeader) -> Self {
        let id = packet.ip_id.map_or(0, |id| u64::from(id) | 1 << 16);
        let mut hasher = foldhash::fast::FixedState::default().build_hasher();
        let numbers = (u64::from(tcp.seq) << 32) | u64::from(tcp.ack);
        // Lengths that reach the bits of the window are of segments that were never on a wire as such.
        let (length, window) = (u64::from(packet.payload_len) << 32, u64::from(tcp.window) << 48);
        let rest = (length ^ window) | (id << 8) | u64::from(tcp.flags.0);
        hasher.write_u128((u128::from(numbers) << 64) | u128::from(rest));
        Self::new(hasher, packet)
    }

    #[inline]
    fn of_datagram(packet: &Packet<'_>, from: Direction) -> Self {
        let mut hasher = foldhash::fast::FixedState::default().build_hasher();
        let (kind, rest) = match packet.segment {
            Segment::Icmp(icmp) => (u16::from_be_bytes([icmp.kind, icmp.code]), icmp.rest),
            _ => (0, 0),
        };
        let header = [u64::from(packet.payload_len) << 32, u64::from(id(packet)) << 16, u64::from(kind)];
        let header = header.iter().fold(0, |all, part| all | part);
        // Both ends have their packets here.
        let end = u128::from(from == Direction::RespToOrig) << 64;
        hasher.write_u128((u128::from(rest) << 96) | end | u128::from(header));
        // As much as tells messages apart.
        hasher.write(packet.payload.get(..FRONT).unwrap_or(packet.payload));
        Self::new(hasher, packet)
    }

    #[inline]
    fn new(mut hasher: impl Hasher, packet: &Packet<'_>) -> Self {
        // What comes in two tunnels is of two networks; a tag may come and go on the way.
        if !packet.outer.is_empty() {
            hash_tunnels(&packet.outer, &mut hasher);
        }
        // Never the value of an empty slot.
        let micros = (packet.seen.at.nanos() / 1_000) as u32;
        Self { hash: hasher.finish() as u32 | 1, at: micros << HOP_BITS | u32::from(packet.hop_limit) }
    }
}

/// Bits of the hop limit beside the time in a print.
const HOP_BITS: u32 = 8;

#[cold]
fn hash_tunnels(outer: &Outer, hasher: &mut impl Hasher) {
    outer.iter().filter(|wrap| wrap.kind != WrapKind::Qinq).for_each(|wrap| wrap.hash(hasher));
}

/// How much of a datagram is compared.
const FRONT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::testing::{Frames, HostPort, OwnedFrame};

    fn note(repeats: &mut Repeats<4>, frame: &OwnedFrame) -> bool {
        repeats.note(&frame.packet(), &frame.tcp_header(), false) == Repeat::Sure
    }

    #[test]
    fn only_the_same_frame_at_nearly_the_same_time_is_a_copy() {
        let frames = Frames::default();
        let mut repeats = Repeats::<4>::default();
        let first = frames.tcp(HostPort::v4(1, 1025), HostPort::v4(2, 80), "PA", 1, 1).with(b"x");
        assert!(!note(&mut repeats, &first));
        assert!(note(&mut repeats, &first.clone().later(4_000_000)));
        assert!(!note(&mut repeats, &first.clone().later(200_000_000)));
        let mut other_id = first.clone().later(200_000_000);
        other_id.ip_id = Some(9);
        assert!(!note(&mut repeats, &other_id));
    }

    #[test]
    fn another_hop_limit_tells_a_copy_from_behind_a_router() {
        let frames = Frames::default();
        for (flags, nanos, expected) in
            [("A", 40_000, Repeat::Sure), ("PA", 900_000, Repeat::Sure), ("A", 6_000_000, Repeat::No)]
        {
            let mut first = frames.tcp(HostPort::v4(1, 1025), HostPort::v4(2, 80), flags, 1, 1).at(0);
            first.ip_id = None;
            let mut repeats = Repeats::<4>::default();
            assert!(!note(&mut repeats, &first));
            let mut behind = first.clone().later(nanos);
            behind.hop_limit -= 1;
            assert_eq!(
                repeats.note(&behind.packet(), &behind.tcp_header(), false),
                expected,
                "{flags} {nanos}"
            );
        }
    }

    /// What each of these packets is, sent 200 microseconds apart without an identification, by their hop limits.
    fn each<const N: usize>(frame: &OwnedFrame, hop_limits: &[u8]) -> Vec<Repeat> {
        let mut repeats = Repeats::<N>::default();
        let note = |(number, hop_limit): (i64, &u8)| {
            let mut frame = frame.clone().at(number * 200_000);
            (frame.hop_limit, frame.ip_id) = (*hop_limit, None);
            match frame.segment {
                Segment::Tcp(tcp) => repeats.note(&frame.packet(), &tcp, false),
                _ => repeats.note_datagram(&frame.packet(), Direction::OrigToResp),
            }
        };
        (0..).zip(hop_limits).map(note).collect()
    }

    #[test]
    fn routers_lower_the_hop_limit_and_traceroute_lets_it_rise() {
        let (from, to) = (HostPort::v4(1, 1025), HostPort::v4(2, 53));
        let frames = Frames::default();
        let (no, perhaps, sure) = (Repeat::No, Repeat::Perhaps, Repeat::Sure);
        let udp = frames.udp(from, to, b"probe");
        let ack = frames.tcp(from, to, "A", 1, 1);
        for series in [&[1, 2, 3, 4, 5, 6][..], &[1, 1, 2, 2, 3, 3], &[1, 3, 2, 5, 4, 6]] {
            for told in [each::<2>(&udp, series), each::<4>(&ack, series)] {
                assert_eq!((told[0], told.contains(&sure)), (no, false), "{series:?} {told:?}");
            }
        }
        // Behind two routers, and what asks for the same segment again and again.
        assert_eq!(each::<2>(&udp, &[64, 63, 62]), [no, sure, sure]);
        assert_eq!(each::<4>(&ack, &[64, 63, 64, 63, 64, 63]), [no, sure, perhaps, sure, perhaps, sure]);
        assert_eq!(each::<4>(&ack, &[64, 64, 63, 63, 63]), [no, perhaps, sure, sure, perhaps]);
    }

    #[test]
    fn echo_requests_are_told_apart_by_their_numbers() {
        let (from, to) = (HostPort::v4(1, 0), HostPort::v4(2, 0));
        let frames = Frames::default();
        let mut echo = frames.icmp(from, to, 8, 0, 77, None);
        assert_eq!(each::<2>(&echo, &[1, 2, 3]), [Repeat::No, Repeat::Perhaps, Repeat::Perhaps]);
        assert_eq!(each::<2>(&echo, &[3, 2]), [Repeat::No, Repeat::Perhaps]);
        let mut repeats = Repeats::<2>::default();
        for number in 1..=10 {
            if let Segment::Icmp(icmp) = &mut echo.segment {
                icmp.rest = 77 << 16 | number;
            }
            echo.hop_limit = number as u8;
            assert_eq!(repeats.note_datagram(&echo.packet(), Direction::OrigToResp), Repeat::No);
        }
    }

    #[test]
    fn copies_of_a_burst_are_found_in_any_order() {
        let frames = Frames::default();
        let mut repeats = Repeats::<4>::default();
        let burst: Vec<OwnedFrame> = (0..4)
            .map(|n| frames.tcp(HostPort::v4(1, 1025), HostPort::v4(2, 80), "A", n, 1).at(0).with(b"x"))
            .collect();
        assert!(burst.iter().all(|frame| !note(&mut repeats, frame)));
        assert!(burst.iter().all(|frame| note(&mut repeats, &frame.clone().later(20_000))));
    }

    #[test]
    fn without_an_identification_only_what_comes_at_once_is_a_copy_for_sure() {
        let frames = Frames::default();
        let repeat = |flags: &str, payload: &[u8], nanos: i64| {
            let mut first =
                frames.tcp(HostPort::v4(1, 1025), HostPort::v4(2, 80), flags, 1, 1).at(0).with(payload);
            first.ip_id = None;
            let mut repeats = Repeats::<4>::default();
            let _ = note(&mut repeats, &first);
            let again = first.clone().later(nanos);
            repeats.note(&again.packet(), &again.tcp_header(), false)
        };
        assert_eq!(repeat("PA", b"x", 50_000), Repeat::Sure);
        assert_eq!(repeat("PA", b"x", 500_000), Repeat::Perhaps);
        assert_eq!(repeat("PA", b"x", 6_000_000), Repeat::No);
        assert_eq!(repeat("S", b"", 50_000), Repeat::Sure);
        assert_eq!(repeat("A", b"", 50_000), Repeat::Perhaps, "it may ask for what is missing");
    }
}
