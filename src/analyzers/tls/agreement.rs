//! What the server made of the parts of an offer that may come to nothing: early data, an encrypted hello, a pre-shared key.

use super::connection::Connection;
use super::fields as f;
use super::hello::{self, Choice};
use super::psk::Identity;
use super::{adapter, ech};
use crate::analyzers::Sink;
use crate::model::Value;

impl Connection {
    /// A ClientHello.
    pub(super) fn offered(&mut self, body: &[u8], sink: &mut Sink) {
        self.answered |= self.offer.is_some();
        let Some(offer) = hello::client_hello(self.over, body, sink) else { return };
        self.early.offered(offer.early_data);
        self.offer = Some(offer);
    }

    /// A HelloRetryRequest, with or without the confirmation of an encrypted hello.
    pub(super) fn asked_again(&mut self, confirmed: bool, sink: &mut Sink) {
        self.early.answered(sink);
        if let Some(offer) = &mut self.offer {
            // The second hello may offer others.
            offer.psk.clear();
        }
        self.early.rejected(sink);
        if self.offer.as_ref().is_some_and(|offer| offer.ech) {
            self.ech_answered = true;
            ech::retried(confirmed, sink);
        }
        self.retried();
    }

    /// The final ServerHello.
    pub(super) fn agreed(&mut self, choice: &Choice, sink: &mut Sink) {
        self.early.answered(sink);
        self.key_selected(choice, sink);
        if choice.psk.is_none() || !choice.is_tls13() {
            self.early.rejected(sink);
        }
        // What is missing before it may be another hello of both.
        let Some(offer) = self.offer.as_ref().filter(|_| !self.server.missing) else { return };
        if offer.ech && !self.ech_answered {
            ech::answered(choice.is_tls13(), sink);
        }
    }

    /// The server took a pre-shared key of TLS 1.3, or none: a ticket, if it is not known to be an external key.
    fn key_selected(&self, choice: &Choice, sink: &mut Sink) {
        let Some(place) = choice.psk.filter(|_| choice.is_tls13()) else { return };
        let presented = self.offer.as_ref().and_then(|offer| offer.psk.get(usize::from(place)));
        match presented {
            Some(Identity::External(name)) => {
                // Others are no name, but bytes.
                if let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_printable(name)) {
                    sink.fact(&f::PSK_IDENTITY, Value::text(name.as_bytes()));
                }
            }
            _ => sink.fact(&f::RESUMED, Value::Word("psk")),
        }
        // What is missing before may be another hello of both.
        if let Some(Identity::Ticket(key)) = presented.filter(|_| !self.server.missing) {
            sink.fact(&f::SESSION_RESUMED, Value::Text(key.as_str().into()));
        }
    }

    /// Whether the key of TLS 1.3 that was taken is an external one.
    pub(super) fn is_external_psk(&self) -> bool {
        let place = self.choice.as_ref().filter(|choice| choice.is_tls13()).and_then(|choice| choice.psk);
        let keys = self.offer.as_ref().map(|offer| &offer.psk);
        let key = place.zip(keys).and_then(|(place, keys)| keys.get(usize::from(place)));
        matches!(key, Some(Identity::External(_)))
    }

    /// A ClientKeyExchange, kept where it names a pre-shared key.
    pub(super) fn key_named(&mut self, body: &[u8], sink: &mut Sink) {
        self.client_key_exchange = true;
        match adapter::psk_identity(body) {
            Some(identity) => sink.fact(&f::PSK_IDENTITY, Value::text(identity)),
            None => sink.fact(&f::ANOMALY, Value::Word("malformed-key-exchange")),
        }
    }

    /// Whether the suite names a pre-shared key in the ClientKeyExchange.
    pub(super) fn names_key(&self) -> bool {
        self.choice.as_ref().is_some_and(|choice| adapter::is_psk(choice.suite))
    }
}

/// Whether it can be shown as it is.
fn is_printable(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}
