//! Mechanisms of SASL (RFC 4422): which of them show a secret to whoever reads along.

use super::{Sink, text};
use crate::model::{Field, Value};

/// Longest name of a mechanism (RFC 4422 section 3.1).
const MAX_NAME: usize = 20;

/// Mechanisms that send a password or a token as it is (RFC 4616, draft-murchison-sasl-login, RFC 7628, Google's
/// XOAUTH2, and its X-GOOGLE-TOKEN for XMPP). All others prove that they know it, or send none.
const READABLE: &[&str] = &["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2", "X-OAUTH2", "X-GOOGLE-TOKEN"];

/// Observes with which mechanism a client authenticates in the clear, and whether that shows a secret.
pub(crate) fn observe(mechanism: &[u8], field: &'static Field, credentials: &'static Field, sink: &mut Sink) {
    let mechanism = mechanism.to_ascii_uppercase();
    if mechanism.is_empty() {
        return;
    }
    sink.fact(field, text(&mechanism, MAX_NAME));
    if let Some(known) = READABLE.iter().copied().find(|known| known.as_bytes() == mechanism) {
        sink.fact(credentials, Value::Word(known));
    }
}
