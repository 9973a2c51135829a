//! Handshakes after the first one of a connection (RFC 5246 section 7.4.1.1): they are encrypted, so how many there
//! were is inferred from whose handshake records come when.

use super::connection::Connection;
use super::fields as f;
use crate::analyzers::{Role, Sink};
use crate::model::Value;
use crate::model::evidence::Seen;

/// Requests that wait to be told.
const MAX_REQUESTS: usize = 8;

/// How far one side is with the handshake at hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Old,
    /// It has changed keys; so many of its handshake records come before its Finished.
    Changed(u8),
    Finished,
}

/// Of one connection.
#[derive(Debug, Default)]
pub(super) struct Renegotiation {
    /// The client has begun, and not both sides have finished.
    running: bool,
    client: Stage,
    server: Stage,
    /// What the server said while no handshake was going on: a request, unless the capture lacks the client's hello
    /// before it, which shows only when the client speaks again.
    asked: Vec<Seen>,
    /// Bytes are missing, so that nobody knows who would be next.
    blind: bool,
    /// And no further handshake can be told from what was begun.
    over: bool,
}

impl Renegotiation {
    fn side(&mut self, role: Role) -> &mut Stage {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// Bytes of one side are missing.
    pub(super) fn misses(&mut self) {
        self.blind = true;
        self.over |= self.running;
        self.asked = Vec::new();
    }

    /// A handshake record after the first Finished of this side.
    fn record(&mut self, role: Role, sink: &mut Sink) {
        if self.over {
            return;
        }
        if !self.running {
            if role == Role::Client {
                self.over = self.blind;
                (self.running, self.client, self.server) = (true, Stage::Old, Stage::Old);
                sink.fact(&f::RENEGOTIATION, Value::Word("started"));
            } else if !self.blind && self.asked.len() < MAX_REQUESTS {
                self.asked.push(sink.seen);
            }
            return;
        }
        let stage = self.side(role);
        *stage = match *stage {
            Stage::Changed(0) => Stage::Finished,
            Stage::Changed(before) => Stage::Changed(before.saturating_sub(1)),
            other => other,
        };
        if (self.client, self.server) == (Stage::Finished, Stage::Finished) {
            self.running = false;
            sink.fact(&f::RENEGOTIATION, Value::Word("completed"));
        }
    }

    /// The client goes on where it was, or will not any more: what the server said in between were requests.
    pub(super) fn tell_requests(&mut self, sink: &mut Sink) {
        for seen in self.asked.drain(..) {
            sink.fact_at(seen, &f::RENEGOTIATION, Value::Word("requested"));
        }
    }

    /// A ChangeCipherSpec; `before` is how many handshake records come between it and the Finished.
    pub(super) fn keys_changed(&mut self, role: Role, before: u8) {
        if self.running {
            *self.side(role) = Stage::Changed(before);
        }
    }

    /// An alert: neither side goes on with it.
    pub(super) fn alert(&mut self) {
        self.running = false;
    }

    pub(super) fn held(&self) -> usize {
        self.asked.capacity().saturating_mul(size_of::<Seen>())
    }
}

impl Connection {
    /// Handshake records of a side between its ChangeCipherSpec and its Finished.
    pub(super) fn before_finished(&self, role: Role) -> u8 {
        match (role, &self.choice) {
            (Role::Client, Some(choice)) => choice.before_finished,
            _ => 0,
        }
    }

    /// A handshake record that cannot be read.
    pub(super) fn encrypted_message(&mut self, role: Role, sink: &mut Sink) {
        if self.is_tls13() || self.midstream {
            return;
        }
        let first = self.before_finished(role).saturating_add(1);
        let side = self.side(role);
        side.encrypted_messages = side.encrypted_messages.saturating_add(1);
        if side.encrypted_messages > first && self.choice.is_some() {
            self.renegotiation.record(role, sink);
        }
        if self.client.finished() && self.server.finished() {
            self.complete(sink);
        }
    }
}
