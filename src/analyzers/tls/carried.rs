//! The handshake of TLS without its record layer, for the protocols that carry it in their own way: DTLS (RFC 9147,
//! RFC 6347) and QUIC (RFC 9001), of which it is a part.
//!
//! They put its messages in order and say what they see of keys and ends; what is read of it, and what it is called,
//! is the same as over TCP. Nothing that is inferred from the number or the size of records is inferred here.

use super::MAX_MESSAGE;
use super::connection::Connection;
use super::fields as f;
use super::fingerprint::Over;
use super::state::Protection;
use crate::analyzers::{Role, Sink};
use crate::model::Value;

/// Longest handshake message that anybody need put together.
pub(crate) const LONGEST_MESSAGE: usize = MAX_MESSAGE as usize;

/// One handshake.
#[derive(Debug)]
pub(crate) struct Handshake {
    connection: Connection,
    /// Whether each side was heard at all: client, server.
    heard: [bool; 2],
}

impl Handshake {
    /// One whose beginning is in the capture.
    pub(crate) fn new(over: Over) -> Self {
        Self { connection: Connection::over(over, true), heard: [false; 2] }
    }

    /// Bytes of its messages in the form of TLS, in order; cut anywhere.
    pub(crate) fn messages(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        self.hear(role);
        self.connection.handshake(role, bytes, sink);
    }

    /// This side was heard, whatever it said.
    pub(crate) fn hear(&mut self, role: Role) {
        let [client, server] = &mut self.heard;
        *(if role == Role::Client { client } else { server }) = true;
    }

    /// The client begins it once more, before the server has said anything of it.
    pub(crate) fn again(&mut self) {
        self.connection.client.messages.reset();
        self.connection.server.messages.reset();
    }

    /// Whether a hello of the client was read.
    pub(crate) fn is_offered(&self) -> bool {
        self.connection.offer.is_some()
    }

    /// Whether a hello of the server was read.
    pub(crate) fn is_answered(&self) -> bool {
        self.connection.choice.is_some()
    }

    /// Before TLS 1.3: this side's next message is encrypted, which a new set of keys says.
    pub(crate) fn keys_changed(&mut self, role: Role, sink: &mut Sink) {
        self.hear(role);
        let it = &self.connection;
        let client_first = it.client.cipher_changes > 0 || it.client_key_exchange;
        if role == Role::Server && client_first && !it.server_done {
            // Not a resumption, in which the server comes first: the capture lacks what it said before.
            return self.keys_changed_unseen(role);
        }
        let before = it.client.cipher_changes.min(it.server.cipher_changes);
        self.connection.cipher_change(role, sink);
        // Epochs count handshakes, so these need not be inferred from records.
        let it = &self.connection;
        if it.client.cipher_changes.min(it.server.cipher_changes) > before.max(1) {
            sink.fact(&f::RENEGOTIATION, Value::Word("completed"));
        }
    }

    /// The same where it is known that messages before it are not in the capture.
    pub(crate) fn keys_changed_unseen(&mut self, role: Role) {
        self.hear(role);
        let side = self.connection.side(role);
        side.messages.reset();
        side.protection = Protection::Encrypted;
        side.cipher_changes = side.cipher_changes.saturating_add(1);
    }

    /// Before TLS 1.3: this side's Finished, which is encrypted.
    pub(crate) fn finished(&mut self, role: Role, sink: &mut Sink) {
        self.connection.encrypted_message(role, sink);
    }

    /// TLS 1.3: the server sent what only the client can read.
    pub(crate) fn server_encrypted(&mut self) {
        self.hear(Role::Server);
        self.connection.server_encrypted = true;
    }

    /// TLS 1.3: the client sent what only an end that has finished sends.
    pub(crate) fn client_uses_keys(&mut self, sink: &mut Sink) {
        self.hear(Role::Client);
        let [_, server] = self.heard;
        if self.connection.server_encrypted {
            self.connection.complete(sink);
        } else if server {
            self.incomplete("gap", sink);
        } else {
            self.connection.answered = true;
        }
    }

    /// Data of the application.
    pub(crate) fn application_data(&mut self, sink: &mut Sink) {
        if self.is_answered() && !self.connection.application_data {
            self.connection.application_data = true;
            sink.fact(&f::APPLICATION_DATA, Value::Yes);
        }
    }

    /// An alert in the clear.
    pub(crate) fn alert(&mut self, role: Role, level: u8, description: u8, sink: &mut Sink) {
        self.hear(role);
        self.connection.clear_alert(role, level, description, sink);
    }

    /// An alert before TLS 1.3 that cannot be read.
    pub(crate) fn encrypted_alert(&mut self, role: Role, sink: &mut Sink) {
        self.hear(role);
        sink.fact(&f::CLOSING_ALERT, Value::Word(role.word()));
        if self.heard == [true; 2] && !self.connection.application_data {
            self.failed(
                if role == Role::Client { "client-encrypted-alert" } else { "server-encrypted-alert" },
                sink,
            );
        }
    }

    /// Something outside the handshake ended it.
    pub(crate) fn failed(&mut self, how: &'static str, sink: &mut Sink) {
        self.connection.failed(how, sink);
    }

    /// The capture does not hold all of it.
    pub(crate) fn incomplete(&mut self, reason: &'static str, sink: &mut Sink) {
        self.connection.incomplete(reason, sink);
    }

    /// The capture does not hold its beginning; `version` is that of the records.
    pub(crate) fn midstream(&mut self, version: u16, sink: &mut Sink) {
        if !self.connection.is_settled() && !self.connection.completed {
            sink.fact(&f::RECORD_VERSION, Value::Uint(u64::from(version)));
            self.incomplete("midstream", sink);
        }
        for role in [Role::Client, Role::Server] {
            self.connection.side(role).protection = Protection::Encrypted;
        }
    }

    /// Whether it is known how it went.
    pub(crate) fn is_over(&self) -> bool {
        self.connection.completed || self.connection.is_settled()
    }

    /// It, or the capture, is over.
    pub(crate) fn end(&mut self, sink: &mut Sink) {
        let [_, server] = self.heard;
        self.connection.conclude(server, sink);
    }

    /// About what it takes beside itself.
    pub(crate) fn held(&self) -> usize {
        self.connection.client.messages.held().saturating_add(self.connection.server.messages.held())
    }
}
