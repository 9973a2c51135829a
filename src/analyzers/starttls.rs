//! The upgrade to TLS in the middle of a connection, which many protocols have in their own words.

use super::{Next, Role, Sink};
use crate::model::{Field, Value};

/// What the client may send ahead of the server's answer; a ClientHello fits.
const MAX_HELD: usize = 16 * 1024;

/// Where such an upgrade stands.
#[derive(Debug, Default)]
pub(crate) struct StartTls {
    pending: bool,
    /// What the client sent since it asked, at most [`MAX_HELD`]: TLS, if the server accepts.
    held: Vec<u8>,
}

impl StartTls {
    /// The server says that it can.
    pub(crate) fn offer(field: &'static Field, sink: &mut Sink) {
        sink.fact(field, Value::Word("offered"));
    }

    /// The client asks for it.
    pub(crate) fn request(&mut self, field: &'static Field, sink: &mut Sink) {
        self.pending = true;
        sink.fact(field, Value::Word("requested"));
    }

    /// What the client sends next is for whomever the server chooses.
    pub(crate) fn expect(&mut self) {
        self.pending = true;
    }

    /// Whether the client's request has no answer yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending
    }

    /// Keeps what the client sends meanwhile.
    pub(crate) fn hold(&mut self, bytes: &[u8], sink: &mut Sink) {
        if self.held.len().saturating_add(bytes.len()) > MAX_HELD {
            self.held = Vec::new();
            sink.give_up();
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    /// The server accepts; `after` is what it sent after saying so. The rest of the connection is TLS.
    pub(crate) fn accept(&mut self, field: &'static Field, after: &[u8], sink: &mut Sink) {
        sink.fact(field, Value::Word("accepted"));
        self.begin(after, sink);
    }

    /// TLS begins without the server's saying so.
    pub(crate) fn begin(&mut self, after: &[u8], sink: &mut Sink) {
        self.pending = false;
        sink.hand_over(Next::Named("tls"));
        sink.forward(Role::Server, after);
        sink.forward_owned(Role::Client, std::mem::take(&mut self.held));
        sink.finish();
    }

    /// Bytes of `role` are none of the protocol's. Whether they are TLS, for which the request or its answer is missing:
    /// then the rest of the connection is TLS.
    pub(crate) fn begins_unasked(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) -> bool {
        // A record of the handshake, an alert or data, of any version since SSL 3.0.
        let is_record = matches!(bytes, [0x14..=0x17, 3, 0..=4, ..]);
        if is_record {
            self.pending = false;
            sink.hand_over(Next::Named("tls"));
            sink.forward_gap(role.peer());
            sink.forward_owned(Role::Client, std::mem::take(&mut self.held));
            sink.forward(role, bytes);
            sink.finish();
        }
        is_record
    }

    /// The server refuses. Returns what the client sent meanwhile: it is no TLS.
    #[must_use]
    pub(crate) fn refuse(&mut self, field: &'static Field, sink: &mut Sink) -> Vec<u8> {
        self.pending = false;
        sink.fact(field, Value::Word("refused"));
        self.take()
    }

    /// What was held.
    #[must_use]
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// What it takes beside itself.
    pub(crate) fn held(&self) -> usize {
        self.held.capacity()
    }
}
