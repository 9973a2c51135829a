//! What is said on a connection beyond the recording: data in full segments, pings, and a little loss.

use std::collections::VecDeque;

use super::packet::{self, ACK, Ends, MSS, PSH, Tcp};
use super::random::Random;
use super::records::{Framing, Records};

/// How much more a connection says, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// Runs of data in this order.
    pub(super) runs: VecDeque<Run>,
    /// Then this often: a ping of the device and its answer.
    pub(super) pings: u32,
    /// Microseconds between pings.
    pub(super) period: u64,
    /// Bytes of a ping and of its answer.
    pub(super) ping: [u64; 2],
    /// Of a thousand full segments, how many are lost, doubled or out of order.
    pub(super) trouble: u64,
}

/// Data of one end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Microseconds before it.
    pub(super) wait: u64,
    /// 0 the device, 1 its peer.
    pub(super) from: usize,
    pub(super) bytes: u64,
}

/// Both ends' place in their streams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Next sequence number.
    pub(super) next: [u32; 2],
    /// Last timestamp of each end and when that was, where the connection has timestamps.
    pub(super) stamp: Option<[u32; 2]>,
    pub(super) since: u64,
}

/// A connection saying its plan.
#[derive(Debug)]
pub(super) struct Talk {
    ends: Ends,
    framing: Framing,
    plan: Plan,
    place: Place,
    records: Option<Records>,
    from: usize,
    /// Segments since the last acknowledgement, and in this run.
    unacknowledged: u32,
    segments: u64,
    /// The next frame is the receiver's acknowledgement.
    acknowledge: bool,
    /// Segments that the receiver lacks: sent (again) when so many segments of the run are out.
    missing: VecDeque<Missing>,
    random: Random,
    id: [u16; 2],
    /// Time of the next frame.
    pub(super) at: u64,
}

#[derive(Debug)]
struct Missing {
    due: u64,
    seq: u32,
    payload: Vec<u8>,
}

impl Talk {
    /// Begins at `place`; `None` if the plan is empty.
    pub(super) fn new(
        ends: Ends,
        framing: Framing,
        plan: Plan,
        place: Place,
        at: u64,
        random: Random,
    ) -> Option<Self> {
        let mut talk = Self {
            ends,
            framing,
            plan,
            place,
            records: None,
            from: 0,
            unacknowledged: 0,
            segments: 0,
            acknowledge: false,
            missing: VecDeque::new(),
            id: [random.clone().next() as u16, random.clone().next() as u16],
            random,
            at,
        };
        talk.next_run().then_some(talk)
    }

    /// Where both ends are; behind everything when the talk is over.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    fn next_run(&mut self) -> bool {
        if self.plan.runs.is_empty() && self.plan.pings > 0 {
            self.plan.pings -= 1;
            let [ping, answer] = self.plan.ping;
            self.plan.runs.push_back(Run { wait: self.plan.period, from: 0, bytes: ping });
            self.plan.runs.push_back(Run { wait: 250, from: 1, bytes: answer });
        }
        let Some(run) = self.plan.runs.pop_front() else { return false };
        self.at += run.wait;
        self.from = run.from;
        self.records = Some(Records::new(self.framing, run.from, run.bytes));
        self.segments = 0;
        self.unacknowledged = 0;
        true
    }

    /// Writes the frame at `at`; `false` if it is the last one.
    pub(super) fn emit(&mut self, out: &mut Vec<u8>) -> bool {
        if self.acknowledge {
            self.acknowledge = false;
            self.unacknowledged = 0;
            self.write(out, 1 - self.from, ACK, None);
        } else if let Some(missing) = self.due() {
            self.write(out, self.from, ACK | PSH, Some((missing.seq, &missing.payload)));
            self.sent(out);
        } else {
            self.segment(out);
        }
        if self.acknowledge {
            self.at += self.random.between(15, 60);
            return true;
        }
        let said = self.records.as_ref().is_none_or(|records| records.left() == 0) && self.missing.is_empty();
        if said && self.unacknowledged == 0 {
            return self.next_run();
        }
        // A window's worth, then the way there and back.
        let pause = if self.segments.is_multiple_of(32) { self.random.between(1_500, 9_000) } else { 0 };
        self.at += pause + self.random.between(8, 40);
        true
    }

    fn due(&mut self) -> Option<Missing> {
        let over = self.records.as_ref().is_none_or(|records| records.left() == 0);
        let due = self.missing.iter().position(|missing| over || missing.due <= self.segments)?;
        self.missing.remove(due)
    }

    fn segment(&mut self, out: &mut Vec<u8>) {
        let mut payload = Vec::new();
        loop {
            let Some(records) = &mut self.records else { return };
            payload.clear();
            payload.reserve(MSS);
            let len = (records.left() as usize).min(MSS);
            records.take(&mut payload, len, &mut self.random);
            let last = records.left() == 0;
            let seq = self.place.next[self.from];
            self.place.next[self.from] = seq.wrapping_add(len as u32);
            self.segments += 1;
            let flags = if last { ACK | PSH } else { ACK };
            // The last one of a run always arrives, so that every run ends with an acknowledgement.
            let trouble = !last && self.plan.trouble > 0 && self.random.below(1_000) < self.plan.trouble;
            if trouble {
                let kind = self.random.below(3);
                let due = self.segments + if kind == 0 { self.random.between(1, 4) } else { 24 };
                if kind == 2 {
                    self.write(out, self.from, flags, Some((seq, &payload)));
                }
                self.missing.push_back(Missing { due, seq, payload: payload.clone() });
                if kind != 2 {
                    continue;
                }
            } else {
                self.write(out, self.from, flags, Some((seq, &payload)));
            }
            return self.sent(out);
        }
    }

    /// Whether the receiver answers what was just sent: every second segment, and the end of a run.
    fn sent(&mut self, _out: &[u8]) {
        self.unacknowledged += 1;
        let over = self.records.as_ref().is_none_or(|records| records.left() == 0) && self.missing.is_empty();
        // A short question is acknowledged by its answer.
        let answered = self.segments == 1
            && self.plan.runs.front().is_some_and(|next| next.from != self.from && next.wait < 40_000);
        if over && answered {
            self.unacknowledged = 0;
        } else if over || self.unacknowledged >= 2 {
            self.acknowledge = true;
        }
    }

    fn write(&mut self, out: &mut Vec<u8>, from: usize, flags: u8, data: Option<(u32, &[u8])>) {
        let stamp = self.place.stamp.as_mut().map(|stamp| {
            let elapsed = self.at.saturating_sub(self.place.since) / 1_000;
            stamp[from] = stamp[from].wrapping_add(elapsed as u32);
            stamp[1 - from] = stamp[1 - from].wrapping_add(elapsed as u32);
            self.place.since += elapsed * 1_000;
            (stamp[from], stamp[1 - from])
        });
        // What the sender of this frame has of the other's stream, up to the first segment that is missing.
        let received = self.place.next[1 - from];
        let ack = if from == self.from {
            received
        } else {
            let hole = self.missing.iter().map(|missing| received.wrapping_sub(missing.seq)).max();
            received.wrapping_sub(hole.unwrap_or(0))
        };
        let seq = data.map_or(self.place.next[from], |(seq, _)| seq);
        self.id[from] = self.id[from].wrapping_add(1);
        packet::tcp(out, &self.ends, from, self.id[from], &Tcp { seq, ack, flags, stamp }, |out| {
            out.extend_from_slice(data.map_or(&[], |(_, payload)| payload));
        });
    }
}
