//! The course of the connections of one flow, as far as their first packets can be read.

use super::fields as f;
use super::frame::{self, Frame};
use super::packet::{self, Kind, Long, Packet};
use super::probe;
use super::protection::{self, Secrets};
use super::version::{self, Version};
use crate::analyzers::pieces::Pieces;
use crate::analyzers::tls::{Handshake, Over};
use crate::analyzers::{Analyzer, Role, Sink};
use crate::model::Value;

/// How far ahead handshake bytes may come. A hello with the largest keys of today has 4 KiB, and RFC 9000 section 7.5
/// asks for room for as much.
const CRYPTO_WINDOW: usize = 32 * 1024;

/// How many times keys are derived for one flow. A connection takes one derivation, or two where its version or its
/// identifier is changed.
const MAX_DERIVATIONS: u8 = 64;

/// Versions of one connection for which keys are held: the first one and the one agreed on.
const MAX_SECRETS: usize = 2;

/// Versions of a server's list that are observed.
const MAX_VERSIONS: usize = 32;

/// Datagrams of the server that are held until the client's first packet comes, which gives the keys: captures may
/// have them in the wrong order. Servers send few before the client's second.
const MAX_EARLY: usize = 4;

/// Longest of them.
const MAX_EARLY_LEN: usize = 1500;

/// One flow: one connection, or several after each other.
#[derive(Debug)]
pub(super) struct Connection {
    handshake: Handshake,
    client: Side,
    server: Side,
    /// From which the keys follow: chosen by the client, or by the server in a Retry packet.
    dcid: Option<Box<[u8]>>,
    /// With the version of the packets that they open.
    secrets: Vec<(u32, Box<Secrets>)>,
    derivations: u8,
    /// The server asked for another version, or for a proof of the address.
    renegotiated: bool,
    retried: bool,
    /// An Initial packet of the server opened.
    server_opened: bool,
    /// A packet was cut off by the capture.
    cut: bool,
    zero_rtt: bool,
    /// A packet of a version that cannot be read came.
    foreign: bool,
    /// What was said last of the versions: offered, chosen.
    versions: [u32; 2],
    /// Datagrams of the server that came before there were keys.
    early: Vec<Box<[u8]>>,
}

/// One direction of the handshake.
#[derive(Debug)]
struct Side {
    crypto: Pieces,
    /// After the largest packet number.
    next_number: u64,
    /// Handshake bytes came that were too far ahead; said once.
    overrun: bool,
}

impl Side {
    fn new() -> Self {
        Self { crypto: Pieces::new(CRYPTO_WINDOW), next_number: 0, overrun: false }
    }
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            handshake: Handshake::new(Over::Quic),
            client: Side::new(),
            server: Side::new(),
            dcid: None,
            secrets: Vec::new(),
            derivations: 0,
            renegotiated: false,
            retried: false,
            server_opened: false,
            cut: false,
            zero_rtt: false,
            foreign: false,
            versions: [0; 2],
            early: Vec::new(),
        }
    }

    fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    fn long(&mut self, role: Role, packet: &Long<'_>, sink: &mut Sink) {
        match (packet.kind, role) {
            (Kind::Initial, _) => self.initial(role, packet, sink),
            (Kind::Handshake, Role::Server) => {
                self.version(role, packet.number, sink);
                self.handshake.server_encrypted();
            }
            (Kind::Handshake, Role::Client) => self.handshake.hear(role),
            (Kind::ZeroRtt, Role::Client) => {
                if !self.zero_rtt {
                    self.zero_rtt = true;
                    sink.fact(&f::EARLY_DATA, Value::Yes);
                }
            }
            (Kind::Retry, Role::Server) => self.retry(packet, sink),
            (Kind::ZeroRtt, Role::Server) | (Kind::Retry, Role::Client) => {
                sink.fact(&f::ANOMALY, Value::Word("packet-header"));
            }
        }
    }

    /// Says the version of a packet, unless the last one of that side had the same.
    fn version(&mut self, role: Role, number: u32, sink: &mut Sink) {
        let [offered, chosen] = &mut self.versions;
        let (last, field) = match role {
            Role::Client => (offered, &f::OFFERED_VERSION),
            Role::Server => (chosen, &f::VERSION),
        };
        if std::mem::replace(last, number) != number {
            sink.fact(field, Value::Text(version::name(number).into()));
        }
    }

    fn initial(&mut self, role: Role, packet: &Long<'_>, sink: &mut Sink) {
        let Some((frames, number)) = self.open(role, packet, sink) else { return };
        self.handshake.hear(role);
        self.server_opened |= role == Role::Server;
        self.version(role, packet.number, sink);
        let side = self.side(role);
        side.next_number = side.next_number.max(number.saturating_add(1));
        let mut rest = frames.as_slice();
        while let Some(frame) = frame::next(&mut rest) {
            match frame {
                Frame::Crypto(offset, bytes) => self.crypto(role, offset, bytes, sink),
                Frame::Close(error) => self.close(role, error, sink),
                Frame::Broken => sink.fact(&f::ANOMALY, Value::Word("frame")),
            }
        }
    }

    /// What an Initial packet holds, with the keys at hand or with new ones.
    fn open(&mut self, role: Role, packet: &Long<'_>, sink: &mut Sink) -> Option<(Vec<u8>, u64)> {
        let next = self.side(role).next_number;
        let at_hand = self.secrets.iter().find(|(number, _)| *number == packet.number);
        let opened = match (at_hand, self.dcid.clone()) {
            (Some((_, secrets)), _) => secrets.open(role, packet, next),
            // After a Retry packet, or the server has chosen another version than the client's first.
            (None, Some(dcid)) if self.secrets.len() < MAX_SECRETS => {
                let secrets = self.derive(packet, &dcid, sink)?;
                let opened = secrets.open(role, packet, next);
                if opened.is_some() && role == Role::Client && self.renegotiated {
                    self.begin(packet, secrets, sink);
                } else if opened.is_some() {
                    self.secrets.push((packet.number, secrets));
                }
                opened
            }
            _ => None,
        };
        if opened.is_some() {
            return opened;
        }
        let own = packet.dcid;
        if role == Role::Client && self.dcid.as_deref() != Some(own) {
            let other = Version::or(packet.number).map(|version| Long { version, ..*packet });
            for packet in [Some(*packet), other].iter().flatten() {
                let secrets = self.derive(packet, own, sink)?;
                if let Some(opened) = secrets.open(role, packet, 0) {
                    self.begin(packet, secrets, sink);
                    return Some(opened);
                }
            }
        }
        // Where not even the first packet opens, the beginning is not in the capture, which the end says.
        if self.dcid.is_some() {
            sink.fact(&f::ANOMALY, Value::Word("initial-protection"));
        }
        None
    }

    /// Keys from a connection identifier, as long as that is not asked for too often.
    fn derive(&mut self, packet: &Long<'_>, dcid: &[u8], sink: &mut Sink) -> Option<Box<Secrets>> {
        if self.derivations >= MAX_DERIVATIONS {
            sink.fact(&f::ANOMALY, Value::Word("connections"));
            sink.finish();
            return None;
        }
        self.derivations = self.derivations.saturating_add(1);
        Secrets::new(packet.version, dcid).map(Box::new)
    }

    /// The first packet of a connection, or of the next attempt after the server has asked for another version.
    fn begin(&mut self, packet: &Long<'_>, secrets: Box<Secrets>, sink: &mut Sink) {
        if std::mem::take(&mut self.renegotiated) {
            self.handshake.again();
        } else if self.dcid.is_some() {
            self.conclude(sink);
            *self = Self { derivations: self.derivations, ..Self::new() };
        }
        self.client = Side::new();
        self.server = Side::new();
        self.dcid = Some(packet.dcid.into());
        self.secrets = vec![(packet.number, secrets)];
        if !packet.token.is_empty() {
            sink.fact(&f::TOKEN, Value::Yes);
        }
    }

    fn crypto(&mut self, role: Role, offset: u64, bytes: &[u8], sink: &mut Sink) {
        if self.handshake.is_answered() {
            // After the server's hello nothing of the handshake is in Initial packets any more.
            return;
        }
        let side = self.side(role);
        if !side.crypto.insert(offset, bytes) && !std::mem::replace(&mut side.overrun, true) {
            sink.fact(&f::ANOMALY, Value::Word("crypto-limit"));
        }
        while let Some(bytes) = self.side(role).crypto.take() {
            self.handshake.messages(role, &bytes, sink);
        }
    }

    /// The connection is closed before its handshake is over.
    fn close(&mut self, role: Role, error: u64, sink: &mut Sink) {
        let (field, how) = match role {
            Role::Client => (&f::CLIENT_CLOSE, "client-close"),
            Role::Server => (&f::SERVER_CLOSE, "server-close"),
        };
        sink.fact(field, frame::error_name(error).map_or(Value::Uint(error), Value::Word));
        match frame::alert(error) {
            Some(description) => self.handshake.alert(role, FATAL, description, sink),
            None => self.handshake.failed(how, sink),
        }
    }

    /// The server wants to see that the client gets what is sent to its address; the client begins anew with the
    /// identifier that the server chose, and goes on with the same hello (RFC 9000 section 17.2.5.3).
    fn retry(&mut self, packet: &Long<'_>, sink: &mut Sink) {
        let Some(dcid) = self.dcid.as_deref().filter(|_| !self.server_opened && !self.retried) else {
            return;
        };
        if !protection::retry_is_genuine(packet, dcid) {
            return sink.fact(&f::ANOMALY, Value::Word("retry-integrity"));
        }
        self.retried = true;
        self.handshake.hear(Role::Server);
        self.dcid = Some(packet.scid.into());
        self.secrets.clear();
        sink.fact(&f::RETRY, Value::Yes);
    }

    /// The server does not know the client's version.
    fn negotiation(&mut self, versions: &[u8], sink: &mut Sink) {
        if self.server_opened || self.renegotiated {
            return;
        }
        self.renegotiated = true;
        self.secrets.clear();
        self.handshake.hear(Role::Server);
        let (numbers, _) = versions.as_chunks::<4>();
        let numbers = numbers.iter().map(|number| u32::from_be_bytes(*number));
        for number in numbers.filter(|number| !version::is_reserved(*number)).take(MAX_VERSIONS) {
            sink.fact(&f::SERVER_VERSION, Value::Text(version::name(number).into()));
        }
    }

    /// A packet of an established connection.
    fn short(&mut self, role: Role, sink: &mut Sink) {
        self.handshake.hear(role);
        if role == Role::Client {
            if self.dcid.is_some() {
                // The client has keys for data: it has finished.
                self.handshake.client_uses_keys(sink);
            }
            // What follows is encrypted.
            sink.finish();
        }
    }

    /// Says what the end of a connection, or of the capture, shows of its handshake.
    fn conclude(&mut self, sink: &mut Sink) {
        if self.dcid.is_none() {
            if !self.foreign {
                self.handshake.incomplete(if self.cut { "gap" } else { "midstream" }, sink);
            }
        } else if self.cut || self.client.crypto.waits() || self.server.crypto.waits() {
            self.handshake.incomplete("gap", sink);
        }
        self.handshake.end(sink);
    }
}

/// Level of an alert that ends the handshake; in QUIC all do (RFC 9001 section 4.8).
const FATAL: u8 = 2;

impl Analyzer for Connection {
    fn data(&mut self, _: Role, _: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        if let Some(number) = probe::google(bytes) {
            self.foreign = true;
            self.version(Role::Client, number, sink);
            return sink.finish();
        }
        self.packets(role, bytes, missed, sink);
        if self.dcid.is_none() {
            let room = self.early.len() < MAX_EARLY && bytes.len() <= MAX_EARLY_LEN;
            let initial = || matches!(packet::next(&mut &*bytes, true), Some(Packet::Long(packet)) if packet.kind == Kind::Initial);
            if role == Role::Server && missed == 0 && room && initial() {
                self.early.push(bytes.into());
            }
        } else if self.handshake.is_offered() {
            for bytes in std::mem::take(&mut self.early) {
                self.packets(Role::Server, &bytes, 0, sink);
            }
        }
    }

    fn end(&mut self, sink: &mut Sink) {
        self.conclude(sink);
    }

    fn held(&self) -> usize {
        let secrets = self.secrets.len().saturating_mul(size_of::<Secrets>());
        let early = self.early.iter().map(|bytes| bytes.len()).sum();
        [self.client.crypto.held(), self.server.crypto.held(), self.handshake.held(), early]
            .into_iter()
            .fold(secrets, usize::saturating_add)
    }
}

impl Connection {
    /// The packets of one datagram.
    fn packets(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let (mut rest, mut first) = (bytes, true);
        // Each turn takes a header at least, or all that is left.
        while let Some(packet) = packet::next(&mut rest, first) {
            first = false;
            match packet {
                Packet::Long(packet) => self.long(role, &packet, sink),
                Packet::Negotiation { versions, .. } if role == Role::Server => {
                    self.negotiation(versions, sink);
                }
                Packet::Foreign { number, .. } => {
                    self.foreign = true;
                    self.handshake.hear(role);
                    self.version(role, number, sink);
                }
                Packet::Short => self.short(role, sink),
                Packet::Cut if missed > 0 => self.cut = true,
                Packet::Cut => sink.fact(&f::ANOMALY, Value::Word("packet-length")),
                Packet::Negotiation { .. } | Packet::Broken => {
                    sink.fact(&f::ANOMALY, Value::Word("packet-header"));
                }
            }
            if sink.done {
                return;
            }
        }
    }
}
