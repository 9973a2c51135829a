//! What is seen inside records that were opened with secrets that the user holds: the rest of the handshake (RFC 8446
//! section 4), alerts, and data, which goes to the next analyzer.

use super::adapter::{Extension, Extensions};
use super::connection::Connection;
use super::decrypt::{Advance, Opened, Outcome};
use super::fields as f;
use super::message::Step;
use super::record::{Content, MAX_LENGTH, Record};
use super::state::kind;
use super::{alert, chain, take};
use crate::analyzers::{Role, Sink};
use crate::model::Value;

impl Connection {
    /// A ClientHello came.
    pub(super) fn seek_secrets(&mut self, body: &[u8], sink: &mut Sink) {
        if let Some(decryption) = &mut self.decryption
            && !decryption.client_hello(body)
        {
            sink.fact(&f::DECRYPTION, Value::Word("no-keys"));
            self.decryption = None;
        }
    }

    /// The server has chosen; `body` is of its ServerHello.
    pub(super) fn agree_on_keys(&mut self, body: &[u8], sink: &mut Sink) {
        let (Some(decryption), Some(choice)) = (&mut self.decryption, &self.choice) else { return };
        let early_data = self.offer.as_ref().is_some_and(|offer| offer.early_data);
        if let Err(why) = decryption.server_hello(choice, body, early_data) {
            sink.fact(&f::DECRYPTION, Value::Word(why));
            if why == "unsupported" {
                // Nothing of it will be opened, and nothing is missing for that.
                for role in [Role::Client, Role::Server] {
                    decryption.lose(role);
                }
            }
        }
    }

    /// TLS 1.3: the server's certificate cannot be seen yet. If it will be never, that is told.
    pub(super) fn certificate_hidden(&mut self, sink: &mut Sink) {
        let open = self.decryption.as_mut().is_some_and(|decryption| decryption.certificate_open);
        if !open {
            sink.fact(&f::CERTIFICATE, Value::Word("encrypted"));
        }
    }

    /// The connection is over.
    pub(super) fn end_inside(&mut self, sink: &mut Sink) {
        if self.decryption.as_ref().is_some_and(|decryption| decryption.opened_nothing()) {
            sink.fact(&f::DECRYPTION, Value::Word("keys-not-fitting"));
        }
        self.certificate_missed(sink);
    }

    /// The server's certificate will not be seen any more.
    pub(super) fn certificate_missed(&mut self, sink: &mut Sink) {
        let decryption = self.decryption.as_mut();
        if decryption.is_some_and(|decryption| std::mem::take(&mut decryption.certificate_open)) {
            sink.fact(&f::CERTIFICATE, Value::Word("encrypted"));
        }
    }

    /// Records of the client that waited for the server's answer.
    pub(super) fn open_early(&mut self, sink: &mut Sink) {
        let early = self.decryption.as_mut().map(|decryption| decryption.take_early());
        for (record, body) in early.unwrap_or_default() {
            let Some(decryption) = &mut self.decryption else { return };
            let outcome = decryption.open(Role::Client, record, &body);
            self.outcome(Role::Client, outcome, sink);
        }
    }

    /// A record is complete; whether it was opened, or need not be.
    pub(super) fn open_record(&mut self, role: Role, record: Record, sink: &mut Sink) -> bool {
        let Some(decryption) = &mut self.decryption else { return false };
        let outcome = decryption.end(role, record);
        self.outcome(role, outcome, sink)
    }

    fn outcome(&mut self, role: Role, outcome: Outcome, sink: &mut Sink) -> bool {
        match outcome {
            Outcome::Opened(opened) => self.opened(role, opened, sink),
            Outcome::Passed => return true,
            Outcome::Sealed => return false,
            Outcome::Cut => {
                if let Some(decryption) = &mut self.decryption {
                    // For all that is known.
                    decryption.server_spoke |= role == Role::Server;
                }
                sink.fact(&f::DECRYPTION, Value::Word("gap"));
                self.sealed_from_here(role, sink);
                return false;
            }
            Outcome::Failed(why) => {
                sink.fact(&f::DECRYPTION, Value::Word(why));
                self.sealed_from_here(role, sink);
                return false;
            }
        }
        true
    }

    /// Something of this side cannot be opened: data is missing, and what follows of the handshake is not read.
    fn sealed_from_here(&mut self, role: Role, sink: &mut Sink) {
        self.side(role).messages.reset();
        self.gap_inside(role, sink);
        if role == Role::Server {
            self.certificate_missed(sink);
        }
    }

    /// Data of one side is missing here.
    fn gap_inside(&mut self, role: Role, sink: &mut Sink) {
        let Some(decryption) = &mut self.decryption else { return };
        if decryption.handed_over {
            sink.forward_gap(role);
        } else if !decryption.gaps.contains(&role) {
            decryption.gaps.push(role);
        }
    }

    /// One side cannot be followed any more.
    pub(super) fn lose_inside(&mut self, role: Role, sink: &mut Sink) {
        if self.decryption.as_mut().is_some_and(|decryption| decryption.lose(role)) {
            sink.fact(&f::DECRYPTION, Value::Word("gap"));
            self.sealed_from_here(role, sink);
        }
    }

    fn opened(&mut self, role: Role, opened: Opened, sink: &mut Sink) {
        if let Some(decryption) = &mut self.decryption
            && !std::mem::replace(&mut decryption.told, true)
        {
            sink.fact(&f::DECRYPTION, Value::Word("decrypted"));
        }
        let tls13 = self.is_tls13();
        if tls13 {
            self.server_encrypted |= role == Role::Server;
            let side = self.side(role);
            // What is inferred from sizes, should later records not open, counts these too.
            side.after = side.after.saturating_add(1);
            side.alert_sized = side.alert_sized.saturating_add(u64::from(opened.content == Content::Alert));
        }
        let Opened { content, bytes, early } = opened;
        match content {
            Content::Handshake => self.handshake_inside(role, &bytes, tls13, sink),
            Content::Alert => self.alert_inside(role, &bytes, sink),
            Content::ApplicationData if early => self.early_data(bytes, sink),
            Content::ApplicationData => {
                if tls13 && role == Role::Client {
                    // It comes after the client's Finished, which may not have been captured.
                    self.complete(sink);
                }
                self.data_inside(role, bytes, sink);
            }
            Content::ChangeCipherSpec | Content::Heartbeat | Content::Ssl2(_) => {}
        }
    }

    fn handshake_inside(&mut self, role: Role, mut bytes: &[u8], tls13: bool, sink: &mut Sink) {
        if let Some(decryption) = &mut self.decryption
            && decryption.is_blind(role)
        {
            // A message that changes keys fills its record (RFC 8446 section 5.1); others could be misread.
            if tls13 && matches!(bytes, [kind::KEY_UPDATE, 0, 0, 1, 0 | 1]) {
                decryption.advance(role, Advance::KeyUpdate);
            }
            bytes = &[];
        }
        // Each turn takes bytes or finishes a message.
        while let Some(step) = self.side(role).messages.next(&mut bytes) {
            if tls13 {
                self.step13(role, step, sink);
            } else {
                self.step(role, step, sink);
            }
        }
        if !tls13 {
            self.encrypted_message(role, sink);
        }
    }

    /// A handshake message of TLS 1.3.
    fn step13(&mut self, role: Role, step: Step, sink: &mut Sink) {
        match step {
            Step::Header { kind, .. } => {
                let wanted = matches!(
                    (role, kind),
                    (Role::Server, kind::ENCRYPTED_EXTENSIONS)
                        | (_, kind::CERTIFICATE | kind::CERTIFICATE_VERIFY)
                );
                if wanted && !self.side(role).messages.keep() {
                    sink.fact(&f::ANOMALY, Value::Word("oversized-message"));
                }
            }
            Step::Message { kind: kind::ENCRYPTED_EXTENSIONS, body } => {
                self.encrypted_extensions(&body, sink);
            }
            Step::Message { kind: kind::CERTIFICATE, body } if !self.side(role).certified => {
                self.side(role).certified = true;
                self.certificate(role, &body, sink);
            }
            Step::Message { kind: kind::CERTIFICATE_VERIFY, body } => {
                if role == Role::Client {
                    sink.fact(&f::CLIENT_VERIFIED, Value::Yes);
                } else if let Some(scheme) = body.first_chunk::<2>() {
                    let scheme = u16::from_be_bytes(*scheme);
                    sink.fact(&f::KEY_EXCHANGE_SIGNATURE, Value::Uint(u64::from(scheme)));
                }
            }
            Step::Message { .. } => {}
            Step::Passed { kind } => self.passed13(role, kind, sink),
        }
    }

    /// A message of TLS 1.3 of which only the type counts.
    fn passed13(&mut self, role: Role, kind: u8, sink: &mut Sink) {
        let advance = match kind {
            kind::FINISHED => Advance::Finished,
            kind::KEY_UPDATE => Advance::KeyUpdate,
            kind::END_OF_EARLY_DATA => Advance::EndOfEarlyData,
            kind::CERTIFICATE_REQUEST if role == Role::Server => {
                return sink.fact(&f::CERTIFICATE_REQUESTED, Value::Yes);
            }
            kind::COMPRESSED_CERTIFICATE if !self.side(role).certified => {
                self.side(role).certified = true;
                return self.unreadable_certificate(role, sink);
            }
            _ => return,
        };
        if let Some(decryption) = &mut self.decryption {
            decryption.advance(role, advance);
        }
        match (advance, role) {
            (Advance::Finished, Role::Client) => self.complete(sink),
            (Advance::Finished, Role::Server) => self.certificate_missed(sink),
            // The client says so only once the server has taken it (RFC 8446 section 4.5).
            (Advance::EndOfEarlyData, Role::Client) => self.early_data_taken(sink),
            _ => {}
        }
    }

    /// RFC 8446 section 4.3.1.
    fn encrypted_extensions(&mut self, body: &[u8], sink: &mut Sink) {
        let extensions = Extensions::new(body.get(2..).unwrap_or_default());
        for extension in extensions {
            match extension {
                Extension::Alpn(names) => {
                    names.iter().take(1).for_each(|name| sink.fact(&f::ALPN, Value::text(name)));
                    if let Some(decryption) = &mut self.decryption {
                        decryption.alpn(&names);
                    }
                }
                Extension::EarlyData => self.early_data_taken(sink),
                Extension::Malformed => sink.fact(&f::ANOMALY, Value::Word("malformed-extension")),
                _ => {}
            }
        }
    }

    /// RFC 8446 section 4.4.2.
    fn certificate(&mut self, role: Role, body: &[u8], sink: &mut Sink) {
        if role == Role::Server
            && let Some(decryption) = &mut self.decryption
        {
            decryption.certificate_open = false;
        }
        match certificates(body) {
            Some(chain) if chain.is_empty() && role == Role::Client => {
                sink.fact(&f::CLIENT_CERTIFICATE, Value::Word("empty"));
            }
            chain => chain::observe(role, &chain.unwrap_or_default(), sink),
        }
    }

    /// It is compressed (RFC 8879), which is not read.
    fn unreadable_certificate(&mut self, role: Role, sink: &mut Sink) {
        let field = if role == Role::Client { &f::CLIENT_CERTIFICATE } else { &f::CERTIFICATE };
        sink.fact(field, Value::Word("unreadable"));
        if role == Role::Server
            && let Some(decryption) = &mut self.decryption
        {
            decryption.certificate_open = false;
        }
    }

    fn alert_inside(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        let [level, description] = *bytes else {
            return sink.fact(&f::ANOMALY, Value::Word("alert-length"));
        };
        self.clear_alert(role, level, description, sink);
        let silent = !self.server.missing
            && self.decryption.as_ref().is_some_and(|decryption| !decryption.server_spoke);
        if role == Role::Server && alert::is_fatal(level) && self.completed && silent && self.is_tls13() {
            // The client is done first in TLS 1.3: this is the answer to its part.
            sink.fact(&f::HANDSHAKE_FAILED, Value::Word("server-alert"));
        }
    }

    /// Early data, which counts only once the server takes it.
    fn early_data(&mut self, bytes: Vec<u8>, sink: &mut Sink) {
        let Some(decryption) = &mut self.decryption else { return };
        if decryption.early_accepted {
            return self.data_inside(Role::Client, bytes, sink);
        }
        let room = usize::from(MAX_LENGTH).saturating_sub(decryption.early_data.len());
        if decryption.early_dropped || bytes.len() > room {
            decryption.early_dropped = true;
            decryption.early_data = Vec::new();
        } else {
            decryption.early_data.extend_from_slice(&bytes);
        }
    }

    fn early_data_taken(&mut self, sink: &mut Sink) {
        let Some(decryption) = &mut self.decryption else { return };
        decryption.early_accepted = true;
        let bytes = std::mem::take(&mut decryption.early_data);
        if std::mem::take(&mut decryption.early_dropped) {
            self.gap_inside(Role::Client, sink);
        }
        self.data_inside(Role::Client, bytes, sink);
    }

    /// Data of the application.
    fn data_inside(&mut self, role: Role, bytes: Vec<u8>, sink: &mut Sink) {
        if bytes.is_empty() {
            return;
        }
        if !self.application_data {
            self.application_data = true;
            sink.fact(&f::APPLICATION_DATA, Value::Yes);
        }
        let Some(decryption) = &mut self.decryption else { return };
        decryption.server_spoke |= role == Role::Server;
        if !std::mem::replace(&mut decryption.handed_over, true) {
            decryption.gaps.drain(..).for_each(|role| sink.forward_gap(role));
            sink.hand_over(decryption.inner);
        }
        sink.forward_owned(role, bytes);
    }
}

/// The certificates in a message of TLS 1.3: a context, then each with extensions of its own.
fn certificates(body: &[u8]) -> Option<Vec<&[u8]>> {
    let (context, rest) = body.split_first()?;
    let mut rest = rest.get(usize::from(*context)..)?;
    let listed = length24(&mut rest)?;
    let mut list = rest.get(..listed)?;
    let mut chain = Vec::new();
    while !list.is_empty() {
        let length = length24(&mut list)?;
        let certificate = take(&mut list, length);
        let extensions = usize::from(u16::from_be_bytes(take(&mut list, 2).try_into().ok()?));
        if certificate.len() < length || take(&mut list, extensions).len() < extensions {
            return None;
        }
        chain.push(certificate);
    }
    Some(chain)
}

fn length24(input: &mut &[u8]) -> Option<usize> {
    let [a, b, c] = *take(input, 3) else { return None };
    Some(u32::from_be_bytes([0, a, b, c]) as usize)
}

#[cfg(test)]
mod tests;
