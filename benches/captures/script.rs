//! Conversations that are made up: a list of what each end says.

use super::packet::{self, ACK, Ends, SYN, Tcp};
use super::timeline::{Flow, Source};

/// Shortest Ethernet frame without its check sequence.
const SHORTEST: usize = 60;

/// One frame of a script.
#[derive(Debug)]
pub(super) struct Line {
    /// Microseconds after the one before.
    pub(super) wait: u32,
    /// 0 the device, 1 its peer.
    pub(super) from: usize,
    /// TCP control bits; not used in UDP.
    pub(super) flags: u8,
    pub(super) payload: Vec<u8>,
}

/// A conversation that follows a script.
pub(super) struct Script {
    ends: Ends,
    tcp: bool,
    /// Next sequence number of each end, and timestamp where there are any.
    next: [u32; 2],
    /// Which end has sent a SYN.
    opened: [bool; 2],
    stamp: Option<[u32; 2]>,
    lines: std::vec::IntoIter<Line>,
    at: u64,
    started: u64,
    id: u16,
}

impl Script {
    /// A TCP connection; `stamps` gives it timestamps.
    pub(super) fn tcp(ends: Ends, lines: Vec<Line>, at: u64, seed: u64, stamps: bool) -> Self {
        let next = [seed as u32, (seed >> 32) as u32];
        let stamp = stamps.then(|| [next[1].rotate_left(7), next[0].rotate_left(11)]);
        Self {
            ends,
            tcp: true,
            next,
            opened: [false; 2],
            stamp,
            lines: lines.into_iter(),
            at,
            started: at,
            id: seed as u16,
        }
    }

    /// An exchange of datagrams.
    pub(super) fn udp(ends: Ends, lines: Vec<Line>, at: u64, seed: u64) -> Self {
        let lines = lines.into_iter();
        Self {
            ends,
            tcp: false,
            next: [0; 2],
            opened: [false; 2],
            stamp: None,
            lines,
            at,
            started: at,
            id: seed as u16,
        }
    }

    fn segment(&mut self, line: &Line, out: &mut Vec<u8>) {
        let (from, flags) = (line.from, line.flags);
        let elapsed = ((self.at - self.started) / 1_000) as u32;
        let stamp = self.stamp.map(|stamp| {
            let echo = if flags & ACK == 0 { 0 } else { stamp[1 - from].wrapping_add(elapsed) };
            (stamp[from].wrapping_add(elapsed), echo)
        });
        // A SYN that was sent before is sent again as it was.
        let again = flags & SYN != 0 && std::mem::replace(&mut self.opened[from], true);
        let seq = self.next[from].wrapping_sub(u32::from(again));
        let tcp = Tcp { seq, ack: self.next[1 - from], flags, stamp };
        packet::tcp(out, &self.ends, from, self.id, &tcp, |out| out.extend_from_slice(&line.payload));
        let control = u32::from(flags & SYN != 0) + u32::from(flags & packet::FIN != 0);
        self.next[from] = seq.wrapping_add(line.payload.len() as u32).wrapping_add(control);
    }
}

impl Source for Script {
    fn flow(&self) -> Option<Flow> {
        Some(if self.tcp { Flow::Tcp } else { Flow::Udp })
    }

    fn at(&self) -> u64 {
        self.at + self.lines.as_slice().first().map_or(0, |line| u64::from(line.wait))
    }

    fn emit(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(line) = self.lines.next() else { return false };
        self.at += u64::from(line.wait);
        self.id = self.id.wrapping_add(1);
        if self.tcp {
            self.segment(&line, out);
        } else {
            packet::udp(out, &self.ends, line.from, self.id, &line.payload);
        }
        if out.len() < SHORTEST {
            out.resize(SHORTEST, 0);
        }
        !self.lines.as_slice().is_empty()
    }
}
