//! Packets to flows: both directions of a 5-tuple, from first to last packet. Knows no protocol
//! above TCP and UDP, calls nothing but the [`Handler`] it is given.
//!
//! **No timer ever ends a flow**: how long connections live is what users ask about. A TCP 5-tuple is
//! used anew when a SYN comes that its sequence numbers cannot explain; a UDP flow lives as long as the capture.
//!
//! **The same 5-tuple in two networks is two flows**, where their packets contradict each other: see
//! [`Network`](crate::model::packet::Network) and `FlowTable::locate`. A flow whose directions come with different tags is one.

#![warn(clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")
)]

mod ending;
mod ends;
mod entry;
mod half;
mod hash;
#[cfg(test)]
mod lacks_tests;
#[cfg(test)]
mod networks_tests;
mod reassembly;
mod repeats;
mod roles;
mod seq;
mod shed;
mod slab;
mod state;
mod table;
mod tcp;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use hash::{KeyHasher, shard_hash};
pub use shed::least_telling;
pub use table::FlowTable;

use crate::model::evidence::Seen;
use crate::model::packet::Outer;
use crate::model::{Direction, FlowKey};

/// What is told of a flow while it lives. `S` is the handler's own state for each flow.
pub trait Handler {
    /// Per-flow state of the handler; made by default when the flow opens.
    type State: Default + Send;

    /// In-order stream bytes of one direction (TCP), each byte once. Returns whether more bytes of
    /// this flow are wanted: when false, reassembly stops and frees its memory, `data` and `gap` are
    /// not called again, and bytes are only counted.
    fn data(
        &mut self,
        state: &mut Self::State,
        flow: &FlowHead,
        from: Direction,
        bytes: &[u8],
        seen: Seen,
    ) -> bool;

    /// `missed` stream bytes are not in the capture (TCP). Same return as [`Handler::data`].
    fn gap(
        &mut self,
        state: &mut Self::State,
        flow: &FlowHead,
        from: Direction,
        missed: u64,
        seen: Seen,
    ) -> bool;

    /// One datagram (UDP), with the number of payload bytes that the snap length cut off. Returns
    /// whether more are wanted.
    fn datagram(
        &mut self,
        state: &mut Self::State,
        flow: &FlowHead,
        from: Direction,
        bytes: &[u8],
        missed: u32,
        seen: Seen,
    ) -> bool;

    /// A packet of the flow came in a tunnel.
    fn inside(&mut self, state: &mut Self::State, outer: Outer, seen: Seen) {
        let (_, _, _) = (state, outer, seen);
    }

    /// Both ends of a TCP connection have sent their FIN, and everything before it was handed out: [`Handler::data`] and
    /// [`Handler::gap`] are not called again. Packets may still come, as retransmissions and the last acknowledgement.
    fn heard_out(&mut self, state: &mut Self::State, flow: &FlowHead, seen: Seen) {
        let (_, _, _) = (state, flow, seen);
    }

    /// The end `from` said more than was handed out, or nothing of it was captured: what it did not say is not known.
    /// Told before [`Handler::closed`], and only of the end of the stream: what is missing before it is a
    /// [`Handler::gap`].
    fn lacks(&mut self, state: &mut Self::State, from: Direction) {
        let (_, _) = (state, from);
    }

    /// Reads a little of a state that will be told something soon, so that it is near by then.
    fn touch(state: &Self::State) -> u64 {
        let _ = state;
        0
    }

    /// About how many bytes the handler keeps, of living flows and of others.
    fn bytes(&self) -> usize {
        0
    }

    /// About how many of these go with a flow that is let go.
    fn bytes_of(&self, state: &Self::State) -> usize {
        let _ = state;
        0
    }

    /// Flows were let go, and these are left: what only the others needed can go.
    fn tidy(&mut self, left: &mut dyn Iterator<Item = &mut Self::State>) {
        let _ = left;
    }

    /// The flow is let go, because there is no more room for all: what the handler keeps of it goes with it.
    fn shed(&mut self, state: Self::State) {
        drop(state);
    }

    /// The flow is over: replaced by a new use of its 5-tuple, or at the end of the capture; `last` is its last packet.
    /// Not called for flows of which the handler was told nothing. Returns in which direction the client speaks, if
    /// content tells.
    fn closed(&mut self, state: &mut Self::State, flow: &FlowHead, last: Seen) -> Option<Direction>;
}

/// What a handler may know of a living flow.
#[derive(Debug, Clone, Copy)]
pub struct FlowHead {
    /// 5-tuple with the roles as known so far.
    pub key: FlowKey,
    /// First packet.
    pub first: Seen,
    /// No SYN was captured (TCP), so streams begin anywhere. Always false for UDP.
    pub midstream: bool,
}

/// How much one direction of a connection may hold back to put bytes in order. Reaching a limit gives up the
/// oldest missing bytes, which are announced as a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that came too early.
    pub reorder_bytes: usize,
    /// Separate runs of contiguous bytes among them.
    pub reorder_segments: usize,
    /// What all flows of a table may take, with what the handler keeps of them.
    pub bytes: usize,
    /// What each flow costs others of that, whatever is said in it.
    pub beside: usize,
    /// What becomes of packets that were captured twice.
    pub copies: Copies,
}

/// What becomes of a packet that repeats one captured a moment before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Copies {
    /// It is not counted with its flow.
    #[default]
    Drop,
    /// It is counted as any other, though not as sent again.
    Keep,
}

impl Default for Limits {
    /// 256 KiB in 64 runs; any number of flows.
    fn default() -> Self {
        Self {
            reorder_bytes: 256 * 1024,
            reorder_segments: 64,
            bytes: usize::MAX,
            beside: 0,
            copies: Copies::Drop,
        }
    }
}
