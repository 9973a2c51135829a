//! The opening handshake of WebSocket (RFC 6455 section 4), as far as HTTP carries it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::Header;
use sha1::{Digest as _, Sha1};

use super::head::{elements, values};
use crate::analyzers::websocket::fields::{
    ACCEPT_MISMATCH, ACCEPTED, ANOMALY, EXTENSION, EXTENSION_OFFERED, OPENED, REQUESTED, SUBPROTOCOL,
    SUBPROTOCOL_CREDENTIAL, SUBPROTOCOL_OFFERED, VERSION,
};
use crate::analyzers::{Sink, text};
use crate::model::Value;

/// What a client offered, to compare the answer with.
#[derive(Debug, Default)]
pub(super) struct Offer {
    /// What Sec-WebSocket-Accept must be; `None` without a key.
    accept: Option<Box<str>>,
    protocols: Vec<Box<[u8]>>,
    /// Their names only.
    extensions: Vec<Box<[u8]>>,
}

/// How many subprotocols and extensions of one offer are read; more are not compared.
const MAX_OFFERED: usize = 16;
/// What is kept of each.
const MAX_ELEMENT: usize = 128;
/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

impl Offer {
    /// Reads the header fields of the request.
    pub(super) fn of_request(method: &str, headers: &[Header<'_>], sink: &mut Sink) -> Self {
        sink.fact(&REQUESTED, Value::Yes);
        let mut offer = Self::default();
        if let Some(version) = values(headers, "sec-websocket-version").next() {
            sink.fact(&VERSION, text(version, MAX_ELEMENT));
        }
        for protocol in elements(headers, "sec-websocket-protocol").take(MAX_OFFERED) {
            let (shown, secret) = without_token(protocol);
            if secret {
                sink.fact(&SUBPROTOCOL_CREDENTIAL, Value::Yes);
            }
            sink.fact(&SUBPROTOCOL_OFFERED, shown);
            offer.protocols.push(clipped(protocol));
        }
        for extension in elements(headers, "sec-websocket-extensions").take(MAX_OFFERED) {
            sink.fact(&EXTENSION_OFFERED, text(extension, MAX_ELEMENT));
            offer.extensions.push(clipped(name(extension)));
        }
        if method != "GET" {
            sink.fact(&ANOMALY, Value::Word("request-not-get"));
        }
        let key = values(headers, "sec-websocket-key").next().map(<[u8]>::trim_ascii);
        // Section 4.1 item 7: 16 bytes in base64, so 24 characters.
        if !key.is_some_and(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)) {
            sink.fact(&ANOMALY, Value::Word("bad-key"));
        }
        offer.accept = key.map(accept_for);
        offer
    }

    /// Reads the header fields of the response with status 101.
    pub(super) fn accepted(&self, headers: &[Header<'_>], sink: &mut Sink) {
        sink.fact(&ACCEPTED, Value::Yes);
        sink.fact(&OPENED, Value::Time(sink.seen.at));
        let accept = values(headers, "sec-websocket-accept").next().unwrap_or_default().trim_ascii();
        if self.accept.as_ref().is_some_and(|expected| expected.as_bytes() != accept) {
            sink.fact(&ACCEPT_MISMATCH, Value::Yes);
        }
        for protocol in elements(headers, "sec-websocket-protocol").take(MAX_OFFERED) {
            sink.fact(&SUBPROTOCOL, without_token(protocol).0);
            if self.protocols.len() < MAX_OFFERED && !self.protocols.contains(&clipped(protocol)) {
                sink.fact(&ANOMALY, Value::Word("subprotocol-not-offered"));
            }
        }
        for extension in elements(headers, "sec-websocket-extensions").take(MAX_OFFERED) {
            sink.fact(&EXTENSION, text(extension, MAX_ELEMENT));
            if self.extensions.len() < MAX_OFFERED && !self.extensions.contains(&clipped(name(extension))) {
                sink.fact(&ANOMALY, Value::Word("extension-not-offered"));
            }
        }
    }
}

/// A switch to WebSocket whose request was not captured.
pub(super) fn accepted_unseen(headers: &[Header<'_>], sink: &mut Sink) {
    let unknown = || vec![Box::default(); MAX_OFFERED];
    Offer { accept: None, protocols: unknown(), extensions: unknown() }.accepted(headers, sink);
}

/// Section 4.2.2 item 5.4.
fn accept_for(key: &[u8]) -> Box<str> {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize()).into()
}

/// An extension without its parameters.
fn name(extension: &[u8]) -> &[u8] {
    extension.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

fn clipped(element: &[u8]) -> Box<[u8]> {
    element.get(..MAX_ELEMENT).unwrap_or(element).into()
}

/// Browsers cannot set Authorization on a WebSocket, so some clients offer a bearer token as if it
/// were a subprotocol (`authorization.bearer.TOKEN`,
/// `base64url.bearer.authorization.k8s.io.TOKEN`). What may be shown, and whether a token was left
/// out.
fn without_token(protocol: &[u8]) -> (Value, bool) {
    const LONGEST_WORD: usize = 24;
    let labels: Vec<&[u8]> = protocol.split(|byte| *byte == b'.').collect();
    if !labels.iter().any(|label| label.eq_ignore_ascii_case(b"bearer")) {
        return (text(protocol, MAX_ELEMENT), false);
    }
    let words = labels.iter().take_while(|label| label.len() <= LONGEST_WORD).count();
    if words == labels.len() {
        return (text(protocol, MAX_ELEMENT), false);
    }
    let mut shown = labels.get(..words).unwrap_or_default().join(&b'.');
    shown.extend_from_slice(b".*");
    (text(&shown, MAX_ELEMENT), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_that_of_rfc_6455_section_1_3() {
        assert_eq!(&*accept_for(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_token_among_the_subprotocols_is_not_shown() {
        let token = "eyJhbGciOiJIUzI1NiJ9".repeat(2);
        for (sent, shown, secret) in [
            ("mqtt".to_owned(), "mqtt", false),
            ("bearer.mqtt".to_owned(), "bearer.mqtt", false),
            (format!("authorization.bearer.{token}.a.b"), "authorization.bearer.*", true),
            (
                format!("base64url.bearer.authorization.k8s.io.{token}"),
                "base64url.bearer.authorization.k8s.io.*",
                true,
            ),
        ] {
            assert_eq!(without_token(sent.as_bytes()), (Value::text(shown.as_bytes()), secret), "{sent}");
        }
    }
}
