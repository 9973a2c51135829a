//! Opens the records of connections whose secrets the user holds (RFC 5246 sections 6.3 and 8.1, RFC 8446 section 7).
//!
//! TLS 1.2 with AES-GCM, AES-CBC and ChaCha20-Poly1305, and TLS 1.3 with the first and the last of these. Every record
//! is authenticated: with wrong keys, or after bytes that were not captured, nothing is made up.
//!
//! Memory: of each direction one record of at most 16 KiB + 2048, and as much again of what the client sends before
//! the server has answered. A connection without secrets has none of this.

mod cipher;
mod derive;
mod traffic;

use std::sync::Arc;

pub(super) use cipher::{Bulk, Suite};
use cipher::{MacOrder, Opener};
pub(super) use derive::Hash;
use derive::prf;
pub(super) use traffic::Opened;
use traffic::{Traffic, Unread};

use super::adapter::{self, Extension};
use super::hello::Choice;
use super::record::{Content, MAX_LENGTH, Record};
use crate::analyzers::{Next, Role};
use crate::model::Secrets;
use crate::model::secrets::{SecretKind, SecretsOfOne};

/// Opens the records of one connection.
#[derive(Debug)]
pub(super) struct Decryption {
    secrets: Arc<Secrets>,
    client_random: [u8; 32],
    /// There are secrets for that.
    known: bool,
    client: Reading,
    server: Reading,
    /// It is TLS 1.2, and both sides have something to change to.
    agreed: bool,
    /// Records of the client that came before the server's choice was known; bounded by [`MAX_LENGTH`].
    early: Vec<(Record, Vec<u8>)>,
    /// About what they take; `None` once there were too many, so that none that follows is taken for the next.
    early_room: Option<usize>,
    /// Who takes what is inside, by the ALPN that was chosen.
    pub(super) inner: Next,
    /// It was named.
    pub(super) handed_over: bool,
    /// Whose data has a gap, before there was anybody to tell.
    pub(super) gaps: Vec<Role>,
    /// That a record could be opened was told.
    pub(super) told: bool,
    /// TLS 1.3: whether the server's certificate is visible is still open.
    pub(super) certificate_open: bool,
    /// Early data of the client that the server has not taken yet; bounded by [`MAX_LENGTH`].
    pub(super) early_data: Vec<u8>,
    /// There was more of it.
    pub(super) early_dropped: bool,
    /// The server has taken it.
    pub(super) early_accepted: bool,
    /// The server has sent data.
    pub(super) server_spoke: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Reading {
    keys: Keys,
    /// TLS 1.2: what it changes to with a ChangeCipherSpec.
    next: Option<Box<Opener>>,
    /// Of the record at hand, as far as it came; [`MAX_LENGTH`] at most.
    body: Vec<u8>,
    /// The record at hand is wanted.
    wanted: bool,
    /// A part of it is not in the capture.
    cut: bool,
    /// A record since the keys changed was cut: where handshake messages begin is not known any more.
    blind: bool,
}

#[derive(Debug, Default)]
enum Keys {
    /// So far everything was in the clear.
    #[default]
    Clear,
    Tls12(Box<Opener>),
    Tls13(Box<Traffic>),
    /// What comes cannot be opened.
    Lost,
}

/// What became of a record.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It holds this.
    Opened(Opened),
    /// It is not looked at, and will not be missed.
    Passed,
    /// It cannot be opened, and nothing after it, for this reason.
    Failed(&'static str),
    /// A part of it is missing.
    Cut,
    /// It is not for us.
    Sealed,
}

impl Decryption {
    /// With what the user holds.
    pub(super) fn new(secrets: Arc<Secrets>) -> Self {
        Self {
            secrets,
            client_random: [0; 32],
            known: false,
            client: Reading::default(),
            server: Reading::default(),
            agreed: false,
            early: Vec::new(),
            early_room: Some(usize::from(MAX_LENGTH)),
            inner: Next::Probe,
            handed_over: false,
            gaps: Vec::new(),
            told: false,
            certificate_open: false,
            early_data: Vec::new(),
            early_dropped: false,
            early_accepted: false,
            server_spoke: false,
        }
    }

    fn reading(&mut self, role: Role) -> &mut Reading {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// The body of a ClientHello. Tells whether there are secrets of this connection.
    pub(super) fn client_hello(&mut self, body: &[u8]) -> bool {
        if let Some(random) = random(body) {
            self.client_random = random;
        }
        self.known = self.secrets.of(&self.client_random).is_some();
        self.known
    }

    /// What the server chose, with the body of its ServerHello; `early_data` is whether the client may have sent some.
    ///
    /// # Errors
    ///
    /// Why nothing can be opened.
    pub(super) fn server_hello(
        &mut self,
        choice: &Choice,
        body: &[u8],
        early_data: bool,
    ) -> Result<(), &'static str> {
        let secrets = Arc::clone(&self.secrets);
        let secrets = secrets.of(&self.client_random).ok_or("no-keys")?;
        let suite = adapter::protection(choice.suite).ok_or("unsupported")?;
        match choice.version {
            0x0304 => {
                self.certificate_open =
                    choice.psk.is_none() && secrets.get(SecretKind::ServerHandshake).is_some();
                self.tls13(suite, secrets, early_data)
            }
            0x0303 => self.tls12(suite, secrets, body),
            _ => Err("unsupported"),
        }
    }

    fn tls13(&mut self, suite: Suite, secrets: &SecretsOfOne, early_data: bool) -> Result<(), &'static str> {
        // A second hello, after a retry, offers none any more.
        let early_data = early_data || !self.early.is_empty();
        let early = early_data.then(|| secrets.get(SecretKind::ClientEarly)).flatten();
        let client = [early, secrets.get(SecretKind::ClientHandshake), secrets.get(SecretKind::ClientData)];
        let server = [None, secrets.get(SecretKind::ServerHandshake), secrets.get(SecretKind::ServerData)];
        let mut result = Ok(());
        for (reading, secrets) in [(&mut self.client, client), (&mut self.server, server)] {
            // A side of which bytes are missing stays lost.
            if matches!(reading.keys, Keys::Clear) {
                let traffic = Traffic::new(suite, secrets).ok_or("no-keys");
                match traffic {
                    Ok(traffic) => reading.keys = Keys::Tls13(Box::new(traffic)),
                    Err(why) => {
                        reading.keys = Keys::Lost;
                        result = Err(why);
                    }
                }
            }
        }
        if let Keys::Tls13(traffic) = &mut self.client.keys
            && early_data
        {
            traffic.expect_refused();
        }
        result
    }

    fn tls12(&mut self, suite: Suite, secrets: &SecretsOfOne, body: &[u8]) -> Result<(), &'static str> {
        let master = secrets.get(SecretKind::Master).ok_or("no-keys")?;
        let server_random = random(body).ok_or("unsupported")?;
        let mut body = body.to_vec();
        let hello = adapter::server_hello(&mut body).ok_or("unsupported")?;
        let mut order = MacOrder::MacThenEncrypt;
        let mut unsupported = hello.compression != 0;
        for extension in hello.extensions {
            match extension {
                Extension::EncryptThenMac => order = MacOrder::EncryptThenMac,
                Extension::Alpn(names) => self.alpn(&names),
                Extension::Other(TRUNCATED_HMAC) => unsupported = true,
                _ => {}
            }
        }
        if unsupported {
            return Err("unsupported");
        }
        let Suite { bulk, hash } = suite;
        let lengths = [bulk.mac_key_len(), usize::from(bulk.key_len()), bulk.fixed_iv_len()];
        let len = lengths.iter().sum::<usize>().saturating_mul(2);
        let block = prf(hash, master, b"key expansion", [&server_random, &self.client_random], len);
        // Each kind for the client, then for the server (RFC 5246 section 6.3).
        let mut rest = block.as_slice();
        let [mac_keys, keys, ivs] =
            lengths.map(|len| [super::take(&mut rest, len), super::take(&mut rest, len)]);
        let [client_mac, server_mac] = mac_keys;
        let [client_key, server_key] = keys;
        let [client_iv, server_iv] = ivs;
        let client = Opener::tls12(bulk, client_mac, client_key, client_iv, order).ok_or("unsupported")?;
        let server = Opener::tls12(bulk, server_mac, server_key, server_iv, order).ok_or("unsupported")?;
        self.client.next = Some(Box::new(client));
        self.server.next = Some(Box::new(server));
        self.agreed = true;
        Ok(())
    }

    /// The names of an ALPN extension of the server, which are one.
    pub(super) fn alpn(&mut self, names: &[&[u8]]) {
        self.inner = match names {
            [b"http/1.1" | b"http/1.0"] => Next::Named("http"),
            [b"h2"] => Next::Named("http2"),
            [b"mqtt" | b"x-amzn-mqtt-ca"] => Next::Named("mqtt"),
            [b"dot"] => Next::Named("dns"),
            _ => Next::Probe,
        };
    }

    /// ChangeCipherSpec of TLS 1.2.
    pub(super) fn cipher_change(&mut self, role: Role) {
        let reading = self.reading(role);
        let next = reading.next.take().map_or(Keys::Lost, Keys::Tls12);
        reading.keys = next;
        reading.blind = false;
    }

    /// A record begins. `payload_wanted` is whether anybody takes what is inside.
    pub(super) fn begin(&mut self, role: Role, record: Record, payload_wanted: bool) {
        let reading = self.reading(role);
        reading.body.clear();
        reading.cut = false;
        let data = record.content == Content::ApplicationData;
        reading.wanted = match &mut reading.keys {
            Keys::Tls12(opener) if data && !payload_wanted && !opener.at_start() => {
                opener.skip();
                false
            }
            Keys::Tls12(_) => record.content != Content::ChangeCipherSpec,
            Keys::Tls13(_) | Keys::Clear => data,
            Keys::Lost => false,
        };
    }

    /// Bytes of the record at hand.
    pub(super) fn body(&mut self, role: Role, bytes: &[u8]) {
        let reading = self.reading(role);
        if reading.wanted && !reading.cut {
            // A header of more is none.
            let room = usize::from(MAX_LENGTH).saturating_sub(reading.body.len());
            reading.body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
    }

    /// A part of the record at hand is not in the capture.
    pub(super) fn cut(&mut self, role: Role) {
        let reading = self.reading(role);
        reading.cut = true;
        reading.body = Vec::new();
    }

    /// The record at hand is complete.
    pub(super) fn end(&mut self, role: Role, record: Record) -> Outcome {
        let reading = self.reading(role);
        if !std::mem::take(&mut reading.wanted) {
            return Outcome::Sealed;
        }
        let (body, cut) = (std::mem::take(&mut reading.body), std::mem::take(&mut reading.cut));
        if matches!(reading.keys, Keys::Clear) {
            return self.wait(role, record, body, cut);
        }
        let outcome = if cut { self.skip(role) } else { self.open(role, record, &body) };
        let reading = self.reading(role);
        // Its memory serves the next record.
        reading.body = body;
        outcome
    }

    /// A record of data before anything was agreed on: early data, or one that overtook the server's answer.
    fn wait(&mut self, role: Role, record: Record, body: Vec<u8>, cut: bool) -> Outcome {
        if role == Role::Server || self.agreed {
            // TLS 1.2 has none of this: a ChangeCipherSpec was missed.
            self.reading(role).keys = Keys::Lost;
            return Outcome::Failed("gap");
        }
        let takes = body.len().saturating_add(EARLY_RECORD);
        self.early_room = self.early_room.filter(|_| !cut).and_then(|room| room.checked_sub(takes));
        if self.early_room.is_none() {
            return Outcome::Cut;
        }
        self.early.push((record, body));
        Outcome::Sealed
    }

    /// The records that waited for the server's answer.
    pub(super) fn take_early(&mut self) -> Vec<(Record, Vec<u8>)> {
        std::mem::take(&mut self.early)
    }

    /// Whether it is not known where handshake messages of this side begin.
    pub(super) fn is_blind(&mut self, role: Role) -> bool {
        self.reading(role).blind
    }

    fn skip(&mut self, role: Role) -> Outcome {
        self.reading(role).blind = true;
        match &mut self.reading(role).keys {
            Keys::Tls12(opener) => opener.skip(),
            Keys::Tls13(traffic) => traffic.skip(),
            Keys::Clear | Keys::Lost => return Outcome::Sealed,
        }
        Outcome::Cut
    }

    /// Opens a whole record.
    pub(super) fn open(&mut self, role: Role, record: Record, body: &[u8]) -> Outcome {
        let reading = self.reading(role);
        let (opened, at_start) = match &mut reading.keys {
            Keys::Tls12(opener) => {
                let at_start = opener.at_start();
                let opened = opener.open(record, body);
                (opened.map(|bytes| Opened { content: record.content, bytes, early: false }), at_start)
            }
            Keys::Tls13(traffic) => {
                let at_start = traffic.at_start();
                match (traffic.open(record, body), traffic.unread()) {
                    (None, Unread::EarlyData) => return Outcome::Passed,
                    (None, Unread::Handshake) => return Outcome::Sealed,
                    (opened, _) => (opened, at_start),
                }
            }
            Keys::Clear | Keys::Lost => return Outcome::Sealed,
        };
        if let Some(opened) = opened {
            return Outcome::Opened(opened);
        }
        reading.keys = Keys::Lost;
        Outcome::Failed(if at_start { "keys-not-fitting" } else { "broken" })
    }

    /// TLS 1.3: what this side sends from now on is under its next keys.
    pub(super) fn advance(&mut self, role: Role, how: Advance) {
        if let Keys::Tls13(traffic) = &mut self.reading(role).keys {
            match how {
                Advance::Finished => traffic.finished(),
                Advance::KeyUpdate => traffic.update(),
                Advance::EndOfEarlyData => traffic.end_of_early_data(),
            }
        }
    }

    /// Whether records of some side were passed over, and none was opened.
    pub(super) fn opened_nothing(&self) -> bool {
        [&self.client, &self.server].into_iter().any(|reading| match &reading.keys {
            Keys::Tls13(traffic) => traffic.opened_nothing(),
            Keys::Clear | Keys::Tls12(_) | Keys::Lost => false,
        })
    }

    /// The bytes of one side cannot be followed any more. Tells whether it would have been read.
    pub(super) fn lose(&mut self, role: Role) -> bool {
        let known = self.known;
        let reading = self.reading(role);
        let read = known && !matches!(reading.keys, Keys::Lost);
        *reading = Reading { keys: Keys::Lost, ..Reading::default() };
        read
    }

    /// About what it takes beside the connection.
    pub(super) fn held(&self) -> usize {
        // What they may take at most: looking at each would take longer with each.
        let early = if self.early.is_empty() { 0 } else { usize::from(MAX_LENGTH).saturating_mul(2) };
        [&self.client, &self.server]
            .into_iter()
            .map(|reading| reading.body.capacity().saturating_add(reading.keys.held()))
            .fold(size_of::<Self>().saturating_add(early), usize::saturating_add)
            .saturating_add(self.early_data.capacity())
    }
}

/// What a record that waits takes beside its body.
const EARLY_RECORD: usize = size_of::<(Record, Vec<u8>)>();

/// What makes a side of TLS 1.3 change its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advance {
    Finished,
    KeyUpdate,
    EndOfEarlyData,
}

impl Keys {
    /// Expanded keys, which the cipher keeps on the heap.
    fn held(&self) -> usize {
        const EXPANDED: usize = 1 << 10;
        match self {
            Self::Clear | Self::Lost => 0,
            Self::Tls12(_) => size_of::<Opener>().saturating_add(EXPANDED),
            Self::Tls13(_) => size_of::<Traffic>().saturating_add(3 * EXPANDED),
        }
    }
}

/// The random of a hello, behind the version.
fn random(body: &[u8]) -> Option<[u8; 32]> {
    body.get(2..34)?.try_into().ok()
}

/// RFC 6066 section 7.
const TRUNCATED_HMAC: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of early data with `length` bytes of body.
    fn early(decryption: &mut Decryption, length: usize) -> Outcome {
        let content = Content::ApplicationData;
        let record = Record { content, version: 0x0303, length: u16::try_from(length).unwrap() };
        decryption.begin(Role::Client, record, true);
        decryption.body(Role::Client, &vec![7; length]);
        decryption.end(Role::Client, record)
    }

    #[test]
    fn records_that_wait_are_bounded_by_bytes_and_by_number() {
        let most = usize::from(MAX_LENGTH);
        for length in [0, 1, 100, 4_000] {
            let mut decryption = Decryption::new(Arc::default());
            let room = most / (length + EARLY_RECORD);
            for n in 0..room {
                assert!(matches!(early(&mut decryption, length), Outcome::Sealed), "{n} of {length}");
            }
            assert!(matches!(early(&mut decryption, length), Outcome::Cut), "{length}");
            // One that would have room does not take the place of one that had none.
            assert!(matches!(early(&mut decryption, 0), Outcome::Cut), "{length}");
            assert!(decryption.held() >= room * (length + EARLY_RECORD));
            assert_eq!(decryption.take_early().len(), room);
        }
    }

    #[test]
    fn behind_a_record_that_is_cut_none_waits() {
        let mut decryption = Decryption::new(Arc::default());
        assert!(matches!(early(&mut decryption, 10), Outcome::Sealed));
        let record = Record { content: Content::ApplicationData, version: 0x0303, length: 10 };
        decryption.begin(Role::Client, record, true);
        decryption.cut(Role::Client);
        assert!(matches!(decryption.end(Role::Client, record), Outcome::Cut));
        assert!(matches!(early(&mut decryption, 10), Outcome::Cut));
        assert_eq!(decryption.take_early().len(), 1);
    }
}
