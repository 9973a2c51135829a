//! The course of one connection: which side may still be read, how far the handshake is, how it
//! ends.

use super::decrypt::Decryption;
use super::fields as f;
use super::fingerprint::Over;
use super::hello::{self, Answer, Choice, Offer};
use super::inference::{Bulk, Inference};
use super::message::Step;
use super::outcome::Outcome;
use super::record::{Content, Piece, Record, SSL2_CLIENT_HELLO, SSL2_SERVER_HELLO};
use super::renegotiation::Renegotiation;
use super::state::{Protection, Side, kind};
use std::net::IpAddr;
use std::sync::Arc;

use super::{alert, chain, psk};
use crate::analyzers::{Analyzer, Context, Role, Sink};
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{Observation, Value};

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Side,
    pub(super) server: Side,
    /// The streams may begin anywhere and no hello has been seen.
    pub(super) midstream: bool,
    /// What carries the handshake.
    pub(super) over: Over,
    pub(super) offer: Option<Offer>,
    pub(super) choice: Option<Choice>,
    pub(super) retry: bool,
    pub(super) early: psk::EarlyData,
    /// A HelloRetryRequest told what became of the encrypted hello.
    pub(super) ech_answered: bool,
    pub(super) server_done: bool,
    pub(super) client_key_exchange: bool,
    /// The client sent what only an answer can lead to.
    pub(super) answered: bool,
    /// TLS 1.3: an encrypted record of the server was seen.
    pub(super) server_encrypted: bool,
    pub(super) completed: bool,
    pub(super) outcome: Outcome,
    pub(super) renegotiation: Renegotiation,
    pub(super) application_data: bool,
    /// Who it is that may say in its certificate what it is.
    client_ip: Option<IpAddr>,
    /// Opens what is encrypted; only where the user holds secrets, and none is known to be missing.
    pub(super) decryption: Option<Box<Decryption>>,
    /// What the records say of what is inside, once there are any.
    pub(super) inference: Option<Box<Inference>>,
    /// Long records that are not counted there yet.
    pub(super) bulk: Option<Bulk>,
}

impl Connection {
    pub(super) fn new(context: &Context) -> Self {
        let secrets = context.secrets.as_ref().map(Arc::clone);
        let decryption = secrets.map(|secrets| Box::new(Decryption::new(secrets)));
        Self { decryption, client_ip: Some(context.client.ip), ..Self::over(Over::Tcp, context.from_start) }
    }

    /// What carries it puts its messages together itself, unless that is TCP.
    pub(super) fn over(over: Over, from_start: bool) -> Self {
        let protection = if from_start { Protection::Clear } else { Protection::Unknown };
        Self {
            client: Side::new(protection),
            server: Side::new(protection),
            midstream: !from_start,
            over,
            offer: None,
            choice: None,
            retry: false,
            early: psk::EarlyData::default(),
            ech_answered: false,
            server_done: false,
            client_key_exchange: false,
            answered: false,
            server_encrypted: false,
            completed: false,
            outcome: Outcome::default(),
            renegotiation: Renegotiation::default(),
            application_data: false,
            client_ip: None,
            decryption: None,
            inference: None,
            bulk: None,
        }
    }

    pub(super) fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    pub(super) fn is_tls13(&self) -> bool {
        self.choice.as_ref().is_some_and(Choice::is_tls13)
    }

    /// The next bytes of a side, beginning where the last ones ended.
    pub(super) fn read(&mut self, role: Role, mut input: &[u8], sink: &mut Sink) {
        loop {
            let Some(piece) = self.side(role).records.next(&mut input) else { return };
            match piece {
                Piece::Start(record) => self.start(role, record, sink),
                Piece::Body(record, body) => self.body(role, record, body, sink),
                Piece::End(record) => self.end_record(role, record, sink),
                Piece::Broken => return self.broken(role, sink),
            }
            if sink.done {
                return;
            }
        }
    }

    /// One direction cannot be followed any more; without both there is nothing to learn.
    pub(super) fn lose(&mut self, role: Role, sink: &mut Sink) {
        let side = self.side(role);
        side.lost = true;
        side.messages.reset();
        self.lose_inside(role, sink);
        if self.client.lost && self.server.lost {
            sink.give_up();
        }
    }

    /// What should be a record header is none.
    fn broken(&mut self, role: Role, sink: &mut Sink) {
        let side = self.side(role);
        if side.missing || side.joined && !self.midstream {
            // What seemed to be a record after a gap was none, or the stream does not begin here.
            return self.passed_by(role, u64::MAX, sink);
        }
        let begun = self.side(role).records.begun();
        // The first bytes of a stream that begins anywhere need not be a header.
        if begun || !self.midstream {
            sink.fact(&f::ANOMALY, Value::Word("record-header"));
        }
        if role == Role::Server && !begun && !self.midstream && self.offer.is_some() {
            self.failed("not-tls", sink);
        }
        self.incomplete(if self.midstream { "midstream" } else { "framing" }, sink);
        self.lose(role, sink);
    }

    /// A record header is complete.
    fn start(&mut self, role: Role, record: Record, sink: &mut Sink) {
        let side = self.side(role);
        (side.have, side.cut, side.blind) = (0, false, false);
        if let Content::Ssl2(message) = record.content {
            // Its type and version were read as part of the header: here they begin the message.
            let [hi, lo] = record.version.to_be_bytes();
            side.messages.begin_ssl2([message, hi, lo], record.length);
        }
        if self.midstream && !self.is_settled() && record.content != Content::Handshake {
            sink.fact(&f::RECORD_VERSION, Value::Uint(u64::from(record.version)));
            self.incomplete("midstream", sink);
        }
        if let Some(decryption) = &mut self.decryption {
            decryption.begin(role, record, sink.wants_payload);
        }
    }

    /// Bytes of a record's body.
    fn body(&mut self, role: Role, record: Record, bytes: &[u8], sink: &mut Sink) {
        if let Some(decryption) = &mut self.decryption {
            decryption.body(role, bytes);
        }
        match record.content {
            Content::ApplicationData | Content::ChangeCipherSpec => {}
            Content::Handshake => self.handshake(role, bytes, sink),
            Content::Alert | Content::Heartbeat => {
                let side = self.side(role);
                for (slot, byte) in side.start.iter_mut().skip(side.have).zip(bytes) {
                    *slot = *byte;
                    side.have = side.have.saturating_add(1);
                }
            }
            Content::Ssl2(_) => {
                let mut rest = bytes;
                if let Some(Step::Message { kind, body }) = self.side(role).messages.next(&mut rest) {
                    self.ssl2(role, kind, &body, sink);
                }
            }
        }
    }

    /// A record is complete.
    fn end_record(&mut self, role: Role, record: Record, sink: &mut Sink) {
        if self.open_record(role, record, sink) {
            return;
        }
        match record.content {
            Content::ChangeCipherSpec => self.cipher_change(role, sink),
            Content::Alert => self.alert(role, record, sink),
            Content::Handshake => {
                if self.side(role).protection == Protection::Encrypted {
                    self.encrypted_message(role, sink);
                }
            }
            Content::ApplicationData => self.application_data(role, record, sink),
            Content::Heartbeat => self.heartbeat(role, record, sink),
            Content::Ssl2(_) => {}
        }
    }

    /// An SSLv2 message.
    fn ssl2(&mut self, role: Role, kind: u8, body: &[u8], sink: &mut Sink) {
        match (role, kind) {
            (Role::Client, SSL2_CLIENT_HELLO) => {
                self.midstream = false;
                self.offer = hello::ssl2_client_hello(body, sink).or(self.offer.take());
            }
            (Role::Server, SSL2_SERVER_HELLO) => {
                // From here on everything is SSLv2, which is not read.
                hello::ssl2_server_hello(body, sink);
                self.incomplete("framing", sink);
                sink.finish();
            }
            _ => sink.fact(&f::ANOMALY, Value::Word("wrong-direction")),
        }
    }

    /// Bytes of the handshake.
    pub(super) fn handshake(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        // Each turn takes bytes or finishes a message.
        while self.side(role).protection != Protection::Encrypted && !self.side(role).blind {
            let Some(step) = self.side(role).messages.next(&mut bytes) else { return };
            self.step(role, step, sink);
        }
    }

    /// A step of a handshake before TLS 1.3, or of its hellos.
    pub(super) fn step(&mut self, role: Role, step: Step, sink: &mut Sink) {
        match step {
            Step::Header { kind, length } => self.message_header(role, kind, length, sink),
            Step::Message { kind, body } => self.message(role, kind, body, sink),
            Step::Passed { kind } => self.message_passed(role, kind, sink),
        }
    }

    /// Decides what to do with a message by its header.
    fn message_header(&mut self, role: Role, kind: u8, length: u32, sink: &mut Sink) {
        let hello =
            matches!((role, kind), (Role::Client, kind::CLIENT_HELLO) | (Role::Server, kind::SERVER_HELLO));
        if self.side(role).protection == Protection::Unknown {
            let side = self.side(role);
            let unsure = side.missing || side.joined;
            let begins = hello && (36..=0xffff).contains(&length) && !side.missing
                || unsure && self.is_clear_again(role, kind, length);
            if !begins && unsure && !self.midstream {
                // Ciphertext, or the middle of a message.
                let side = self.side(role);
                side.messages.reset();
                side.blind = true;
                return;
            }
            if !begins {
                self.encrypted_so_far(role, sink);
                return;
            }
            let side = self.side(role);
            side.protection = Protection::Clear;
            side.joined &= !hello;
            self.midstream &= !hello;
        }
        let wanted = hello
            || matches!(
                (role, kind),
                (Role::Server, kind::NEW_SESSION_TICKET | kind::SERVER_KEY_EXCHANGE) | (_, kind::CERTIFICATE)
            )
            || (role, kind) == (Role::Client, kind::CLIENT_KEY_EXCHANGE) && self.names_key();
        if wanted && !self.side(role).messages.keep() {
            sink.fact(&f::ANOMALY, Value::Word("oversized-message"));
        }
    }

    /// What was taken for a handshake message is ciphertext.
    fn encrypted_so_far(&mut self, role: Role, sink: &mut Sink) {
        let side = self.side(role);
        side.protection = Protection::Encrypted;
        side.messages.reset();
        let version = side.records.current().map(|record| record.version);
        if self.midstream {
            if let Some(version) = version {
                sink.fact(&f::RECORD_VERSION, Value::Uint(u64::from(version)));
            }
            self.incomplete("midstream", sink);
        }
    }

    /// A message that was wanted is complete.
    fn message(&mut self, role: Role, kind: u8, body: Vec<u8>, sink: &mut Sink) {
        match (role, kind) {
            (Role::Client, kind::CLIENT_HELLO) => {
                self.offered(&body, sink);
                self.seek_secrets(&body, sink);
            }
            (Role::Client, kind::CLIENT_KEY_EXCHANGE) => self.key_named(&body, sink),
            (Role::Server, kind::SERVER_HELLO) => {
                let copy = self.decryption.is_some().then(|| body.clone());
                match hello::server_hello(body, sink) {
                    Some(Answer::Retry { ech }) => self.asked_again(ech, sink),
                    Some(Answer::Chosen(choice)) => self.chosen(choice, copy.as_deref(), sink),
                    None => {}
                }
            }
            (Role::Server, kind::SERVER_KEY_EXCHANGE) => {
                if let Some(choice) = &self.choice {
                    hello::key_exchange(choice, &body, sink);
                }
            }
            (Role::Server, kind::NEW_SESSION_TICKET) => hello::new_session_ticket(&body, sink),
            (_, kind::CERTIFICATE) if !self.side(role).certified => {
                self.side(role).certified = true;
                chain::certificates(role, &body, sink);
                self.announce(sink);
            }
            _ => {}
        }
    }

    /// The URL in its certificate says what a client is (RFC 8520 section 11).
    fn announce(&self, sink: &mut Sink) {
        let urls = sink.observations.iter().filter_map(|(seen, observation)| match observation {
            Observation::Fact(field, Value::Text(url))
                if std::ptr::eq(*field, &raw const f::CLIENT_MUD_URL) =>
            {
                Some((*seen, url.clone()))
            }
            _ => None,
        });
        let client = self.client_ip;
        let traits: Vec<_> = urls
            .filter_map(|(seen, url)| {
                let host = HostTrait { mac: None, ip: Some(client?), kind: TraitKind::MudUrl(url), seen };
                Some((seen, Observation::Host(Box::new(host))))
            })
            .collect();
        sink.observations.extend(traits);
    }

    /// A message of which only the type counts is complete.
    pub(super) fn message_passed(&mut self, role: Role, kind: u8, sink: &mut Sink) {
        match (role, kind) {
            (Role::Server, kind::HELLO_RETRY_REQUEST) => {
                sink.fact(&f::HELLO_RETRY, Value::Yes);
                self.retried();
            }
            (Role::Server, kind::CERTIFICATE_STATUS) => sink.fact(&f::OCSP, Value::Word("stapled")),
            (Role::Server, kind::CERTIFICATE_REQUEST) => sink.fact(&f::CERTIFICATE_REQUESTED, Value::Yes),
            (Role::Server, kind::SERVER_HELLO_DONE) => {
                self.server_done = true;
                if !self.server.certified && !self.server.missing {
                    sink.fact(&f::CERTIFICATE, Value::Word("none"));
                }
            }
            (Role::Client, kind::CERTIFICATE_VERIFY) => sink.fact(&f::CLIENT_VERIFIED, Value::Yes),
            (Role::Client, kind::CLIENT_KEY_EXCHANGE) => self.client_key_exchange = true,
            (_, kind::CLIENT_HELLO | kind::SERVER_HELLO) => {
                sink.fact(&f::ANOMALY, Value::Word("wrong-direction"));
            }
            (
                _,
                kind::HELLO_REQUEST
                | kind::NEW_SESSION_TICKET
                | kind::CERTIFICATE..=kind::CLIENT_KEY_EXCHANGE
                | kind::FINISHED..=kind::SUPPLEMENTAL_DATA
                | kind::NEXT_PROTOCOL,
            ) => {}
            _ => sink.fact(&f::ANOMALY, Value::Word("unknown-message")),
        }
    }

    /// The server wants another hello: a ChangeCipherSpec before it meant nothing.
    pub(super) fn retried(&mut self) {
        self.retry = true;
        if self.client.protection == Protection::Unknown {
            self.client.protection = Protection::Clear;
        }
    }

    /// The server has chosen.
    fn chosen(&mut self, choice: Choice, hello: Option<&[u8]>, sink: &mut Sink) {
        self.midstream = false;
        self.agreed(&choice, sink);
        let asked = self.offer.as_ref().map(|offer| &offer.session_id);
        let (tls13, psk) = (choice.is_tls13(), choice.psk.is_some());
        if tls13 {
            // From here on handshake messages look like application data (RFC 8446 section 5.2).
            self.server.protection = Protection::Encrypted;
            self.client.protection = Protection::Encrypted;
            self.client.messages.reset();
        } else if !choice.session_id.is_empty() && asked.is_some_and(|asked| *asked != choice.session_id) {
            sink.fact(&f::SESSION_ISSUED, Value::Text(hello::session_key(&choice.session_id).into()));
        }
        self.choice = Some(choice);
        if let Some(hello) = hello {
            self.agree_on_keys(hello, sink);
        }
        if tls13 && psk {
            sink.fact(&f::CERTIFICATE, Value::Word(if self.is_external_psk() { "none" } else { "resumed" }));
        } else if tls13 {
            self.certificate_hidden(sink);
        }
        self.open_early(sink);
    }

    /// ChangeCipherSpec: what this side sends from now on is encrypted, unless it is TLS 1.3.
    pub(super) fn cipher_change(&mut self, role: Role, sink: &mut Sink) {
        if self.is_tls13() || self.retry {
            return;
        }
        self.side(role).messages.reset();
        let undecided = self.choice.is_none() && !self.client_key_exchange;
        if role == Role::Client && undecided && self.offer.as_ref().is_some_and(|offer| offer.tls13) {
            self.client.protection = Protection::Unknown;
            return;
        }
        if let Some(decryption) = &mut self.decryption {
            decryption.cipher_change(role);
        }
        let side = self.side(role);
        side.protection = Protection::Encrypted;
        side.cipher_changes = side.cipher_changes.saturating_add(1);
        self.renegotiation.keys_changed(role, self.before_finished(role));
        if role == Role::Server && self.server.cipher_changes == 1 {
            self.server_changed(sink);
        }
    }

    /// The server's first ChangeCipherSpec: before it said ServerHelloDone, this resumes a session
    /// (RFC 5246 section 7.3).
    fn server_changed(&mut self, sink: &mut Sink) {
        let (Some(choice), false, false) = (&self.choice, self.server_done, self.server.certified) else {
            return;
        };
        if self.server.missing {
            return;
        }
        sink.fact(&f::CERTIFICATE, Value::Word("resumed"));
        // By what, depends on what the client presented.
        let Some(offer) = &self.offer else { return };
        let ticket = offer.ticket.clone();
        let how = if ticket.is_some() { "ticket" } else { "session-id" };
        let key = ticket.unwrap_or_else(|| hello::session_key(&choice.session_id));
        sink.fact(&f::RESUMED, Value::Word(how));
        sink.fact(&f::SESSION_RESUMED, Value::Text(key.into()));
    }

    /// Midstream: whether a record of data cannot be of the handshake of TLS 1.3, which has so many messages at most of a
    /// side, and alerts beside them.
    fn is_past_handshake(&mut self, role: Role, record: Record) -> bool {
        const MESSAGES: u64 = 8;
        let side = self.side(role);
        side.after = side.after.saturating_add(1);
        record.version < 0x0303 || side.after > MESSAGES
    }

    /// A record of application data, or in TLS 1.3 of anything.
    fn application_data(&mut self, role: Role, record: Record, sink: &mut Sink) {
        if !self.is_tls13() {
            // A client may send early data before anything is agreed on.
            let agreed = self.choice.is_some() || self.midstream && self.is_past_handshake(role, record);
            if !self.application_data && agreed {
                self.application_data = true;
                sink.fact(&f::APPLICATION_DATA, Value::Yes);
                self.begin_inference(0, sink);
            }
            self.infer(role, record, sink);
            self.answered |=
                role == Role::Client && self.offer.as_ref().is_some_and(|offer| !offer.early_data);
            if role == Role::Client && self.choice.is_none() {
                self.early.sent(sink);
                self.overtakes(record, sink);
            }
            return;
        }
        let suite = self.choice.as_ref().map_or(0, |choice| choice.suite);
        if role == Role::Client {
            self.early.record(record.length, suite, sink);
        }
        let alert_sized = alert::has_size(record.length, suite);
        if self.completed {
            self.infer(role, record, sink);
            if role == Role::Client && !alert_sized && !self.application_data {
                self.application_data = true;
                sink.fact(&f::APPLICATION_DATA, Value::Yes);
            }
            let side = self.side(role);
            side.after = side.after.saturating_add(1);
            side.alert_sized = side.alert_sized.saturating_add(u64::from(alert_sized));
            side.last = Some((sink.seen, record.length));
        } else if role == Role::Server {
            self.server_encrypted = true;
            let now = sink.seen;
            for (seen, record) in self.take_overtaking() {
                sink.seen = seen;
                self.application_data(Role::Client, record, sink);
            }
            sink.seen = now;
        } else if !self.server_encrypted {
            self.overtakes(record, sink);
        } else if alert_sized && !self.early.is_open() {
            self.failed("client-encrypted-alert", sink);
        } else if alert::may_be_finished(record.length) {
            self.complete(sink);
            self.begin_inference(record.length, sink);
        }
    }
}

impl Analyzer for Connection {
    fn held(&self) -> usize {
        // What matters later of the hellos is less than a few hundred bytes.
        let decryption = self.decryption.as_ref().map_or(0, |decryption| decryption.held());
        let inference = self.inference.as_ref().map_or(0, |_| size_of::<Inference>());
        let messages = self.client.messages.held().saturating_add(self.server.messages.held());
        [decryption, inference, self.renegotiation.held()].into_iter().fold(messages, usize::saturating_add)
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        let side = self.side(role);
        if side.lost {
            return;
        }
        if role == Role::Client {
            self.renegotiation.tell_requests(sink);
        }
        if let Some(input) = self.resume(role, bytes, sink) {
            self.read(role, input, sink);
        }
    }

    fn gap(&mut self, role: Role, missed: u64, sink: &mut Sink) {
        self.passed_by(role, missed, sink);
    }

    fn end(&mut self, sink: &mut Sink) {
        for role in [Role::Client, Role::Server] {
            if sink.lacks.has(role) {
                self.ends_unseen(role);
            }
        }
        self.renegotiation.tell_requests(sink);
        self.goodbyes(sink);
        self.end_inside(sink);
        self.end_bulk();
        if let Some(inference) = &self.inference {
            inference.judge(sink);
        }
        self.conclude(self.server.records.begun(), sink);
    }
}
