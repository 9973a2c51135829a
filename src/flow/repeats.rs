//! Frames that were captured twice.
//!
//! A span of both ports of a path, or a capture on several interfaces, holds the same frame twice within
//! microseconds. A real retransmission has another IPv4 identification, or comes later.

use std::hash::{BuildHasher, Hasher};

use crate::model::Packet;
use crate::model::packet::TcpHeader;

/// How far apart two copies of a frame can be. Less than any retransmission timer.
const WITHIN_MICROS: u32 = 5_000;

/// The last few frames from one end: copies of a burst come interleaved.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// The latest first.
    recent: [Print; 4],
}

#[derive(Debug, Clone, Copy, Default)]
struct Print {
    hash: u32,
    /// Packet time in microseconds, modulo 71 minutes.
    micros: u32,
}

impl Repeats {
    /// Takes note of a packet; whether it is a copy of a recent one.
    pub(super) fn note(&mut self, packet: &Packet<'_>, tcp: &TcpHeader) -> bool {
        let print = Print::of(packet, tcp);
        let repeated = self.has(print);
        let [first, second, third, _] = self.recent;
        self.recent = [print, first, second, third];
        repeated
    }

    /// The same without taking note.
    pub(super) fn holds(&self, packet: &Packet<'_>, tcp: &TcpHeader) -> bool {
        self.has(Print::of(packet, tcp))
    }

    fn has(&self, print: Print) -> bool {
        self.recent
            .iter()
            .any(|old| old.hash == print.hash && print.micros.wrapping_sub(old.micros) < WITHIN_MICROS)
    }
}

impl Print {
    fn of(packet: &Packet<'_>, tcp: &TcpHeader) -> Self {
        let id = packet.ip_id.map_or(0, |id| u64::from(id) | 1 << 16);
        let mut hasher = foldhash::fast::FixedState::default().build_hasher();
        hasher.write_u64((u64::from(tcp.seq) << 32) | u64::from(tcp.ack));
        hasher.write_u64((u64::from(packet.payload_len) << 32) | (id << 8) | u64::from(tcp.flags.0));
        hasher.write_u16(tcp.window);
        // Never the value of an empty slot.
        Self { hash: hasher.finish() as u32 | 1, micros: (packet.seen.at.nanos() / 1_000) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::testing::{Frames, HostPort, OwnedFrame};

    fn note(repeats: &mut Repeats, frame: &OwnedFrame) -> bool {
        repeats.note(&frame.packet(), &frame.tcp_header())
    }

    #[test]
    fn only_the_same_frame_at_nearly_the_same_time_is_a_copy() {
        let frames = Frames::default();
        let mut repeats = Repeats::default();
        let first = frames.tcp(HostPort::v4(1, 1025), HostPort::v4(2, 80), "PA", 1, 1).with(b"x");
        assert!(!note(&mut repeats, &first));
        assert!(note(&mut repeats, &first.clone().later(4_000_000)));
        assert!(!note(&mut repeats, &first.clone().later(200_000_000)));
        let mut other_id = first.clone().later(200_000_000);
        other_id.ip_id = Some(9);
        assert!(!note(&mut repeats, &other_id));
    }

    #[test]
    fn copies_of_a_burst_are_found_in_any_order() {
        let frames = Frames::default();
        let mut repeats = Repeats::default();
        let burst: Vec<OwnedFrame> = (0..4)
            .map(|n| frames.tcp(HostPort::v4(1, 1025), HostPort::v4(2, 80), "A", n, 1).at(0).with(b"x"))
            .collect();
        assert!(burst.iter().all(|frame| !note(&mut repeats, frame)));
        assert!(burst.iter().all(|frame| note(&mut repeats, &frame.clone().later(20_000))));
    }
}
