//! How a handshake went, and what the end shows of it. What never came is said only where it would have been captured.

use super::connection::Connection;
use super::fields as f;
use super::record::Record;
use crate::analyzers::{Role, Sink};
use crate::model::Value;
use crate::model::evidence::Seen;

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Why the capture does not hold it wholly.
    incomplete: Option<&'static str>,
    failed: bool,
    /// It failed like this, unless it turns out that the other side has finished.
    failing: Option<(Seen, &'static str)>,
    /// TLS 1.3: encrypted records of the client before any of the server, at most [`MAX_OVERTAKING`].
    overtaking: Vec<(Seen, Record)>,
}

/// A client sends a handful of records in one breath: certificate, proof, Finished, a first request.
const MAX_OVERTAKING: usize = 8;

impl Outcome {
    /// Failed, or known not to be wholly in the capture.
    fn is_settled(&self) -> bool {
        self.failed || self.incomplete.is_some()
    }
}

impl Connection {
    /// Whether it is known how it went, or why it cannot be.
    pub(super) fn is_settled(&self) -> bool {
        self.outcome.is_settled()
    }

    /// A client without early data encrypts only what answers the server's flight: where that comes later in the capture, as
    /// where two mirror ports are merged, its record waits for it.
    pub(super) fn overtakes(&mut self, record: Record, sink: &Sink) {
        let awaits = self.offer.as_ref().is_some_and(|offer| offer.tls13) && !self.early.is_open();
        if awaits && self.outcome.overtaking.len() < MAX_OVERTAKING {
            self.outcome.overtaking.push((sink.seen, record));
        }
    }

    /// The records that overtook the server's flight, which is there now.
    pub(super) fn take_overtaking(&mut self) -> Vec<(Seen, Record)> {
        std::mem::take(&mut self.outcome.overtaking)
    }

    /// Says why the handshake cannot be known wholly, unless its outcome is known.
    pub(super) fn incomplete(&mut self, reason: &'static str, sink: &mut Sink) {
        if !self.completed && !self.is_settled() {
            self.outcome.incomplete = Some(reason);
            sink.fact(&f::HANDSHAKE_INCOMPLETE, Value::Word(reason));
        }
    }

    pub(super) fn failed(&mut self, how: &'static str, sink: &mut Sink) {
        if !self.completed && !self.is_settled() {
            self.outcome.failed = true;
            sink.fact(&f::HANDSHAKE_FAILED, Value::Word(how));
        }
    }

    /// The same by an alert in the clear, which nobody sends who has finished: what is missing changes nothing of it.
    pub(super) fn refused(&mut self, how: &'static str, sink: &mut Sink) {
        if self.outcome.incomplete == Some("gap") && !self.completed && !self.outcome.failed {
            self.outcome.failed = true;
            sink.fact(&f::HANDSHAKE_FAILED, Value::Word(how));
        }
        self.failed(how, sink);
    }

    /// An encrypted alert before TLS 1.3: the handshake failed, unless the other side finishes it, or did so in bytes of
    /// which only later ones show that they are missing.
    pub(super) fn failing(&mut self, how: &'static str, sink: &Sink) {
        self.outcome.failing.get_or_insert((sink.seen, how));
    }

    pub(super) fn complete(&mut self, sink: &mut Sink) {
        if !self.completed && !self.is_settled() {
            self.completed = true;
            sink.fact(&f::HANDSHAKE_COMPLETED, Value::Yes);
        }
    }

    /// What this side sent last, or all that it sent, is missing.
    pub(super) fn ends_unseen(&mut self, role: Role) {
        self.side(role).missing = true;
        self.renegotiation.misses();
    }

    /// Says what the end shows of the handshake: whether only one side was captured, or how far it came.
    /// `server_heard` is whether the server sent anything.
    pub(super) fn conclude(&mut self, server_heard: bool, sink: &mut Sink) {
        let answered = self.answered || self.client_key_exchange || self.client.finished();
        let unheard = self.offer.is_some() && !server_heard && (answered || self.server.missing);
        if self.offer.is_none() && self.choice.is_some() || unheard {
            return self.incomplete("one-sided", sink);
        }
        if self.offer.is_none() && self.outcome.failing.is_none() {
            return;
        }
        if self.is_missing_any() || self.server.joined && self.server.records.begun() {
            return self.incomplete("gap", sink);
        }
        if self.completed || self.is_settled() {
            return;
        }
        match self.outcome.failing {
            Some((seen, how)) => sink.fact_at(seen, &f::HANDSHAKE_FAILED, Value::Word(how)),
            None => sink.fact(&f::HANDSHAKE_UNFINISHED, Value::Word(self.stage())),
        }
    }

    /// How far a handshake came that neither completed nor failed.
    fn stage(&self) -> &'static str {
        if self.client.finished() && !self.is_tls13() {
            "client-flight"
        } else if self.server_done || self.server.finished() || self.server_encrypted {
            "server-flight"
        } else if self.choice.is_some() {
            "server-hello"
        } else {
            "client-hello"
        }
    }
}
