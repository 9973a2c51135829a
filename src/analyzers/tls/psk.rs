//! What a TLS 1.3 client brings along to be quicker: its half of the key exchange, keys of earlier connections, and data
//! before the server has answered (RFC 8446 sections 2.2 and 2.3).

use super::fields as f;
use super::hello::{list, ticket_key};
use super::take;
use crate::analyzers::Sink;
use crate::model::Value;
use crate::model::evidence::Seen;
use crate::model::observation::MAX_VALUES;

/// How many identities are kept until the server has chosen; clients send one or two.
const MAX_IDENTITIES: usize = 4;

/// Observes the groups of a client's key shares (section 4.2.8).
pub(super) fn key_shares(data: &[u8], sink: &mut Sink) {
    let mut rest = data;
    let length = take(&mut rest, 2).first_chunk().map_or(0, |length| u16::from_be_bytes(*length));
    let mut shares = take(&mut rest, usize::from(length));
    let mut groups = Vec::new();
    while let [a, b, c, d, ..] = *shares
        && groups.len() < MAX_VALUES
    {
        groups.push(u16::from_be_bytes([a, b]));
        take(&mut shares, usize::from(u16::from_be_bytes([c, d])).saturating_add(4));
    }
    list(sink, &f::OFFERED_KEY_SHARE, &groups);
}

/// Observes how the client would use a pre-shared key (section 4.2.9).
pub(super) fn modes(modes: &[u8], sink: &mut Sink) {
    for mode in modes {
        let value = match mode {
            0 => Value::Word("psk_ke"),
            1 => Value::Word("psk_dhe_ke"),
            // RFC 8701 section 2.
            mode if mode % 0x1f == 0x0b => Value::Word("grease"),
            mode => Value::Uint(u64::from(*mode)),
        };
        match value {
            Value::Word("grease") => sink.fact(&f::GREASE, Value::Yes),
            value => sink.fact(&f::OFFERED_PSK_MODE, value),
        }
    }
}

/// A pre-shared key that a client presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// Key of a ticket, or of what looks like one.
    Ticket(String),
    /// The name of a key that no server issued.
    External(Box<[u8]>),
}

/// How much of the name of an external key is kept.
const MAX_NAME: usize = 256;

/// The first identities of a client's pre_shared_key (section 4.2.11). The age of a ticket is hidden by adding a random number
/// of 32 bits; of an external key it is to be zero.
pub(super) fn identities(data: &[u8]) -> Vec<Identity> {
    let mut rest = data;
    let length = take(&mut rest, 2).first_chunk().map_or(0, |length| u16::from_be_bytes(*length));
    let mut identities = take(&mut rest, usize::from(length));
    let mut keys = Vec::new();
    while let [a, b, ..] = *identities
        && keys.len() < MAX_IDENTITIES
    {
        let length = usize::from(u16::from_be_bytes([a, b]));
        let identity = take(&mut identities, length.saturating_add(2));
        let name = identity.get(2..).unwrap_or_default();
        let age = take(&mut identities, 4);
        keys.push(match age {
            [0, 0, 0, 0] => Identity::External(name.get(..MAX_NAME).unwrap_or(name).into()),
            _ => Identity::Ticket(ticket_key(name)),
        });
    }
    keys
}

/// What becomes of early data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct EarlyData {
    awaited: bool,
    /// The first of it.
    sent: Option<Seen>,
    /// Length of the client's last record since the server's hello.
    last: u16,
}

impl EarlyData {
    /// The client offers some, or in its second hello no longer does.
    pub(super) fn offered(&mut self, offered: bool) {
        self.awaited = offered;
    }

    /// The client sends some, if the server's hello is yet to come.
    pub(super) fn sent(&mut self, sink: &Sink) {
        if self.awaited {
            self.sent.get_or_insert(sink.seen);
        }
    }

    /// The server's hello has come: what was sent before it was early.
    pub(super) fn answered(&mut self, sink: &mut Sink) {
        if let Some(seen) = self.sent.take() {
            sink.fact_at(seen, &f::EARLY_DATA_SENT, Value::Yes);
        }
    }

    /// Bytes of the client are missing: what comes tells nothing any more.
    pub(super) fn lost(&mut self) {
        self.awaited = false;
    }

    /// Whether it is still open what becomes of it.
    pub(super) fn is_open(self) -> bool {
        self.awaited
    }

    /// The server's hello leaves no room for it.
    pub(super) fn rejected(&mut self, sink: &mut Sink) {
        if std::mem::take(&mut self.awaited) {
            sink.fact(&f::EARLY_DATA_ANSWER, Value::Word("rejected"));
        }
    }

    /// A record of the client after the server's hello. The one before its Finished says how it went: only where early data
    /// was accepted is there an EndOfEarlyData (section 4.5).
    pub(super) fn record(&mut self, length: u16, suite: u16, sink: &mut Sink) {
        if !self.awaited {
            return;
        }
        let tag = if suite == super::alert::AES_128_CCM_8 { 8 } else { 16 };
        let hash = if suite == AES_256_GCM { 48 } else { 32 };
        let size = |body: u16| 4_u16.saturating_add(body).saturating_add(1).saturating_add(tag);
        if length == size(hash) {
            self.awaited = false;
            let accepted = self.last == size(0);
            let word = if accepted { "probably-accepted" } else { "probably-rejected" };
            sink.fact(&f::EARLY_DATA_ANSWER, Value::Word(word));
        }
        self.last = length;
    }
}

/// TLS_AES_256_GCM_SHA384, the only suite of TLS 1.3 with a longer hash.
const AES_256_GCM: u16 = 0x1302;
