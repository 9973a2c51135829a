//! The course of the associations of one flow.

use super::fields as f;
use super::messages::{self, Messages, Taken};
use super::record::{self, Content, Fragment, Record};
use crate::analyzers::tls::{Handshake, Over};
use crate::analyzers::{Analyzer, Role, Sink};
use crate::model::Value;

/// One flow: one association, or several after each other.
#[derive(Debug)]
pub(super) struct Connection {
    handshake: Handshake,
    client: Side,
    server: Side,
    /// Of the client's hello; another one begins another association.
    random: Option<Box<[u8; 32]>>,
    /// The server asked for the hello once more, with a cookie.
    verifying: bool,
    /// A datagram was cut off by the capture.
    cut: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    messages: Messages,
    /// The highest epoch seen: zero is in the clear.
    epoch: u16,
}

/// Handshake message types (RFC 6347 section 4.3.2, RFC 8446 section 4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// Epoch of the data of a client with DTLS 1.3 (RFC 9147 section 6.1).
const DATA_EPOCH: u8 = 3;

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            handshake: Handshake::new(Over::Dtls),
            client: Side::default(),
            server: Side::default(),
            random: None,
            verifying: false,
            cut: false,
        }
    }

    fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// A record in the clear.
    fn clear(&mut self, role: Role, content: Content, body: &[u8], sink: &mut Sink) {
        match content {
            Content::Handshake => {
                let mut rest = body;
                // Each turn takes a header at least.
                while !rest.is_empty() {
                    let Some(fragment) = record::fragment(&mut rest) else {
                        return sink.fact(&f::ANOMALY, Value::Word("fragment"));
                    };
                    self.fragment(role, &fragment, sink);
                }
            }
            Content::Alert => {
                if let [level, description] = *body {
                    self.handshake.alert(role, level, description, sink);
                }
            }
            // A ChangeCipherSpec has no number and may come before what it ends: the first record of the next epoch
            // says the same.
            Content::ChangeCipherSpec
            | Content::ApplicationData
            | Content::Heartbeat
            | Content::WithId
            | Content::Ack => {}
        }
    }

    fn fragment(&mut self, role: Role, fragment: &Fragment<'_>, sink: &mut Sink) {
        if role == Role::Client && fragment.kind == CLIENT_HELLO {
            self.begin(fragment, sink);
        }
        match self.side(role).messages.insert(fragment) {
            Taken::Yes => {}
            Taken::Contradicts => sink.fact(&f::ANOMALY, Value::Word("fragment")),
            Taken::NoRoom => sink.fact(&f::ANOMALY, Value::Word("message-limit")),
        }
        let is_hello = |kind| match role {
            Role::Client => kind == CLIENT_HELLO,
            Role::Server => matches!(kind, SERVER_HELLO | HELLO_VERIFY_REQUEST),
        };
        while let Some((kind, body)) = self.side(role).messages.take(is_hello) {
            self.message(role, kind, &body, sink);
        }
    }

    /// A hello with another random begins another association between the same ports (RFC 6347 section 4.2.8), unless
    /// it was asked for: before DTLS was a standard, the random changed with the cookie.
    fn begin(&mut self, fragment: &Fragment<'_>, sink: &mut Sink) {
        let Some(random) = messages::random(fragment) else { return };
        if self.random.as_deref().is_some_and(|known| known != random) {
            if self.verifying {
                self.client = Side::default();
            } else {
                self.conclude(sink);
                *self = Self::new();
            }
            self.random = None;
        }
        self.random.get_or_insert_with(|| Box::new(*random));
    }

    /// A whole message.
    fn message(&mut self, role: Role, kind: u8, body: &[u8], sink: &mut Sink) {
        if kind == HELLO_VERIFY_REQUEST {
            self.verifying = true;
            self.handshake.hear(role);
            return sink.fact(&f::HELLO_VERIFY, Value::Yes);
        }
        if role == Role::Server {
            self.verifying = false;
        }
        let stripped;
        let body = if kind == CLIENT_HELLO {
            stripped = messages::without_cookie(body);
            &stripped
        } else {
            body
        };
        let [_, a, b, c] = (body.len() as u32).to_be_bytes();
        self.handshake.messages(role, &[kind, a, b, c], sink);
        self.handshake.messages(role, body, sink);
    }

    /// A record that is encrypted with the keys of DTLS 1.2 or before.
    fn encrypted(&mut self, role: Role, content: Content, version: u16, epoch: u16, sink: &mut Sink) {
        if self.random.is_none() && !self.handshake.is_answered() {
            return self.handshake.midstream(version, sink);
        }
        if epoch > self.side(role).epoch {
            self.new_epoch(role, epoch, sink);
        }
        match content {
            Content::ApplicationData => self.handshake.application_data(sink),
            Content::Alert => self.handshake.encrypted_alert(role, sink),
            _ => {}
        }
    }

    /// New keys: the first record with them is this side's Finished. What comes with them later may be the same once
    /// more.
    fn new_epoch(&mut self, role: Role, epoch: u16, sink: &mut Sink) {
        let side = self.side(role);
        let first = side.epoch == 0;
        side.epoch = epoch;
        if side.messages.waits() {
            self.handshake.keys_changed_unseen(role);
        } else {
            self.handshake.keys_changed(role, sink);
        }
        if first {
            self.handshake.finished(role, sink);
        }
    }

    /// A record that is encrypted with the keys of DTLS 1.3.
    fn unified(&mut self, role: Role, epoch: u8, sink: &mut Sink) {
        if self.random.is_none() && !self.handshake.is_answered() {
            // Only a hello says that these bytes are DTLS at all.
            return;
        }
        match role {
            Role::Server => self.handshake.server_encrypted(),
            Role::Client if epoch == DATA_EPOCH && !self.handshake.is_over() => {
                self.handshake.client_uses_keys(sink);
            }
            Role::Client => {}
        }
    }

    /// Says what the end of an association, or of the capture, shows of its handshake.
    fn conclude(&mut self, sink: &mut Sink) {
        let server_missed = self.random.is_some() && self.server.epoch > 0 && !self.handshake.is_answered();
        if self.cut || self.client.messages.waits() || self.server.messages.waits() || server_missed {
            self.handshake.incomplete("gap", sink);
        }
        self.handshake.end(sink);
    }
}

impl Analyzer for Connection {
    fn data(&mut self, _: Role, _: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let mut rest = record::without_preamble(bytes);
        // Each turn takes a header at least, or all that is left.
        while let Some(record) = record::next(&mut rest) {
            match record {
                Record::Plain { content, epoch: 0, body, .. } => self.clear(role, content, body, sink),
                Record::Plain { content, version, epoch, .. } => {
                    self.encrypted(role, content, version, epoch, sink);
                }
                Record::Unified { epoch } => self.unified(role, epoch, sink),
                Record::Cut if missed > 0 => self.cut = true,
                Record::Cut => sink.fact(&f::ANOMALY, Value::Word("record-length")),
                Record::Foreign => {}
            }
        }
    }

    fn end(&mut self, sink: &mut Sink) {
        self.conclude(sink);
    }

    fn held(&self) -> usize {
        [self.client.messages.held(), self.server.messages.held(), self.handshake.held()]
            .into_iter()
            .fold(0, usize::saturating_add)
    }
}
