//! What hellos, key exchange and tickets say, as observations.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::adapter::{self, Extension, Extensions};
use super::certificate::hex;
use super::fields as f;
use super::fingerprint::{self, Over};
use super::inference::Alpn;
use super::{chain, ech, is_grease, psk, take};
use crate::analyzers::{Role, Sink};
use crate::model::observation::MAX_VALUES;
use crate::model::{Field, Value};

/// TLS 1.3, and the same over datagrams (RFC 9147 section 5.3).
const TLS13: u16 = 0x0304;
const DTLS13: u16 = 0xfefc;
/// Signalling values among the suites (RFC 5746 section 3.3, RFC 7507 section 3).
const RENEGOTIATION_INFO_SCSV: u16 = 0x00ff;
const FALLBACK_SCSV: u16 = 0x5600;
/// Extensions that the library does not name.
const TRUNCATED_HMAC: u16 = 4;
const ENCRYPTED_SERVER_NAME: u16 = 0xffce;
/// Both make the client send encrypted handshake messages before its Finished.
const NEXT_PROTOCOL: u16 = 13172;
const CHANNEL_ID: u16 = 30032;
/// SHA-256 of `HelloRetryRequest`: the random that makes a ServerHello one (RFC 8446 section
/// 4.1.3).
const HELLO_RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What of the client's offer matters later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) session_id: Vec<u8>,
    /// Key of the ticket it presents.
    pub(super) ticket: Option<String>,
    /// TLS 1.3 or a draft of it is among its versions.
    pub(super) tls13: bool,
    /// The first pre-shared keys that a TLS 1.3 client presents.
    pub(super) psk: Vec<psk::Identity>,
    pub(super) early_data: bool,
    /// It is the outer hello of an encrypted one, or says so.
    pub(super) ech: bool,
    pub(super) alpn: Alpn,
}

/// What of the server's choice matters later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) version: u16,
    pub(super) suite: u16,
    pub(super) session_id: Vec<u8>,
    /// TLS 1.3: the place of the selected pre-shared key in the client's list.
    pub(super) psk: Option<u16>,
    /// The client may send encrypted handshake messages before its Finished (NPN, channel ID).
    pub(super) before_finished: u8,
    pub(super) alpn: Alpn,
    pub(super) truncated_mac: bool,
}

impl Choice {
    /// Whether it is TLS 1.3 or a draft of it.
    pub(super) fn is_tls13(&self) -> bool {
        is_tls13(self.version)
    }
}

/// TLS 1.3, its drafts (0x7fNN) and the experiments that shipped (0xfbNN, 0x7eNN).
fn is_tls13(version: u16) -> bool {
    matches!(version, TLS13 | DTLS13) || matches!(version >> 8, 0x7e | 0x7f | 0xfb) && !is_grease(version)
}

/// Observes a list of numbers, each once, GREASE left out.
pub(super) fn list(sink: &mut Sink, field: &'static Field, values: &[u16]) {
    for value in values.iter().filter(|value| !is_grease(**value)).take(MAX_VALUES) {
        sink.fact(field, Value::Uint(u64::from(*value)));
    }
    if values.iter().any(|value| is_grease(*value)) {
        sink.fact(&f::GREASE, Value::Yes);
    }
}

/// Observes a list that nothing is looked for in alone as one value, without GREASE: `0x0403 0x0804`.
fn joined(sink: &mut Sink, field: &'static Field, values: &[u16]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(values.len().min(MAX_VALUES).saturating_mul(7));
    for value in values.iter().filter(|value| !is_grease(**value)).take(MAX_VALUES) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str("0x");
        for shift in [12, 8, 4, 0] {
            text.push(HEX.get(usize::from(value >> shift & 0xf)).copied().map_or('?', char::from));
        }
    }
    if !text.is_empty() {
        sink.fact(field, Value::Text(text.into()));
    }
    if values.iter().any(|value| is_grease(*value)) {
        sink.fact(&f::GREASE, Value::Yes);
    }
}

/// Observes a ClientHello; `None` if it cannot be read.
pub(super) fn client_hello(over: Over, body: &[u8], sink: &mut Sink) -> Option<Offer> {
    let Some(hello) = adapter::client_hello(body) else {
        sink.fact(&f::ANOMALY, Value::Word("malformed-hello"));
        return None;
    };
    let mut offer = Offer { session_id: hello.session_id.to_vec(), ..Offer::default() };
    if let Some(fingerprint) = fingerprint::client(over, body) {
        sink.fact(&f::JA3, Value::Text(fingerprint.ja3.clone()));
        sink.fact(&f::JA4, Value::Text(fingerprint.ja4.clone()));
    }
    suites(&hello.suites, sink);
    for method in hello.compression.iter().filter(|method| **method != 0) {
        sink.fact(&f::OFFERED_COMPRESSION, Value::Uint(u64::from(*method)));
    }
    let legacy_version = hello.legacy_version;
    let versions = client_extensions(hello.extensions, &mut offer, sink);
    if versions.is_empty() {
        list(sink, &f::OFFERED_VERSION, &[legacy_version]);
    } else {
        list(sink, &f::OFFERED_VERSION, &versions);
    }
    offer.tls13 = versions.iter().any(|version| is_tls13(*version));
    Some(offer)
}

/// Suites and the signals among them.
fn suites(suites: &[u16], sink: &mut Sink) {
    let is_signal = |suite: &u16| matches!(*suite, RENEGOTIATION_INFO_SCSV | FALLBACK_SCSV);
    let real: Vec<u16> = suites.iter().copied().filter(|suite| !is_signal(suite)).collect();
    list(sink, &f::OFFERED_SUITE, &real);
    if suites.contains(&RENEGOTIATION_INFO_SCSV) {
        sink.fact(&f::OFFERED_RENEGOTIATION_INFO, Value::Word("scsv"));
    }
    if suites.contains(&FALLBACK_SCSV) {
        sink.fact(&f::FALLBACK_SCSV, Value::Yes);
    }
}

/// Observes the extensions of a ClientHello and gives the versions in supported_versions.
fn client_extensions(extensions: Extensions<'_>, offer: &mut Offer, sink: &mut Sink) -> Vec<u16> {
    let mut offered = Vec::new();
    for extension in extensions {
        match extension {
            Extension::ServerName(names) => {
                names.iter().take(MAX_VALUES).for_each(|name| sink.fact(&f::SNI, Value::text(name)));
            }
            Extension::Groups(groups) => list(sink, &f::OFFERED_GROUP, &groups),
            Extension::Alpn(names) => {
                names.iter().for_each(|name| offer.alpn.add(name));
                alpn(&names, sink);
            }
            Extension::Versions(versions) => offered = versions,
            Extension::KeyShare(shares) => psk::key_shares(shares, sink),
            Extension::Signatures(schemes) => joined(sink, &f::OFFERED_SIGNATURE, &schemes),
            Extension::CertificateSignatures(schemes) => {
                joined(sink, &f::OFFERED_CERTIFICATE_SIGNATURE, &schemes);
            }
            Extension::PskModes(modes) => psk::modes(&modes, sink),
            Extension::PreSharedKey(keys) => {
                offer.psk = psk::identities(keys);
                sink.fact(&f::OFFERED_PSK, Value::Yes);
            }
            Extension::EarlyData => {
                offer.early_data = true;
                sink.fact(&f::EARLY_DATA, Value::Yes);
            }
            Extension::Ocsp => sink.fact(&f::OFFERED_OCSP, Value::Yes),
            Extension::EncryptThenMac => sink.fact(&f::OFFERED_ENCRYPT_THEN_MAC, Value::Yes),
            Extension::Ticket([]) => sink.fact(&f::OFFERED_TICKET, Value::Word("empty")),
            Extension::Ticket(ticket) => {
                offer.ticket = Some(ticket_key(ticket));
                sink.fact(&f::OFFERED_TICKET, Value::Word("presented"));
            }
            Extension::RenegotiationInfo => {
                sink.fact(&f::OFFERED_RENEGOTIATION_INFO, Value::Word("extension"));
            }
            Extension::ExtendedMasterSecret => sink.fact(&f::OFFERED_EXTENDED_MASTER_SECRET, Value::Yes),
            Extension::Grease => sink.fact(&f::GREASE, Value::Yes),
            Extension::Ech(data) => offer.ech = ech::offered(data, sink),
            Extension::Other(ENCRYPTED_SERVER_NAME) => sink.fact(&f::ECH, Value::Word("esni")),
            Extension::Malformed => sink.fact(&f::ANOMALY, Value::Word("malformed-extension")),
            Extension::Heartbeat(_) | Extension::Other(_) => {}
        }
    }
    offered
}

fn alpn(names: &[&[u8]], sink: &mut Sink) {
    for name in names.iter().take(MAX_VALUES) {
        match **name {
            // RFC 8701 section 2: two equal bytes of the reserved values.
            [a, b] if is_grease(u16::from_be_bytes([a, b])) => sink.fact(&f::GREASE, Value::Yes),
            _ => sink.fact(&f::OFFERED_ALPN, Value::text(name)),
        }
    }
}

/// Observes a ClientHello in SSLv2 format (RFC 5246 appendix E.2): `body` begins with its type.
pub(super) fn ssl2_client_hello(body: &[u8], sink: &mut Sink) -> Option<Offer> {
    let mut rest = body;
    let [_, major, minor, a, b, c, d, _, _] = *take(&mut rest, 9) else {
        sink.fact(&f::ANOMALY, Value::Word("malformed-hello"));
        return None;
    };
    sink.fact(&f::SSL2_HELLO, Value::Yes);
    sink.fact(&f::OFFERED_VERSION, Value::Uint(u64::from(u16::from_be_bytes([major, minor]))));
    let ciphers = take(&mut rest, usize::from(u16::from_be_bytes([a, b])));
    let mut tls = Vec::new();
    for cipher in ciphers.chunks_exact(3).take(MAX_VALUES) {
        match *cipher {
            [0, hi, lo] => tls.push(u16::from_be_bytes([hi, lo])),
            [kind, hi, lo] => {
                let number = u32::from_be_bytes([0, kind, hi, lo]);
                sink.fact(&f::OFFERED_SSL2_CIPHER, Value::Uint(u64::from(number)));
            }
            _ => {}
        }
    }
    suites(&tls, sink);
    let session_id = take(&mut rest, usize::from(u16::from_be_bytes([c, d])));
    Some(Offer { session_id: session_id.to_vec(), ..Offer::default() })
}

/// Observes a ServerHello in SSLv2 format (draft-hickman-netscape-ssl-00 section 2.6), which holds
/// the server's certificate: `body` begins with its type.
pub(super) fn ssl2_server_hello(body: &[u8], sink: &mut Sink) {
    sink.fact(&f::VERSION, Value::Uint(0x0002));
    let mut rest = body;
    // Type, session reuse, certificate type, version; lengths of certificate, ciphers, connection
    // identifier.
    let [_, _, _, _, _, a, b, ..] = *take(&mut rest, 11) else { return };
    let certificate = take(&mut rest, usize::from(u16::from_be_bytes([a, b])));
    if !certificate.is_empty() {
        chain::observe(Role::Server, &[certificate], sink);
    }
}

/// A server's answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It wants another ClientHello first; with an answer to an encrypted one or without.
    Retry {
        /// Whether there is a confirmation.
        ech: bool,
    },
    /// It has chosen.
    Chosen(Choice),
}

/// Observes a ServerHello or HelloRetryRequest; `None` if it cannot be read.
pub(super) fn server_hello(mut body: Vec<u8>, sink: &mut Sink) -> Option<Answer> {
    let ja3s = fingerprint::server(&body);
    let Some(hello) = adapter::server_hello(&mut body) else {
        sink.fact(&f::ANOMALY, Value::Word("malformed-hello"));
        return None;
    };
    if hello.random == HELLO_RETRY_RANDOM {
        sink.fact(&f::HELLO_RETRY, Value::Yes);
        return Some(Answer::Retry { ech: retry_extensions(hello.extensions, sink) });
    }
    if let Some(ja3s) = ja3s {
        sink.fact(&f::JA3S, Value::Text((*ja3s).into()));
    }
    let mut choice = Choice {
        version: hello.legacy_version,
        suite: hello.suite,
        session_id: hello.session_id.to_vec(),
        ..Choice::default()
    };
    let group = server_extensions(hello.extensions, &mut choice, sink);
    sink.fact(&f::VERSION, Value::Uint(u64::from(choice.version)));
    sink.fact(&f::SUITE, Value::Uint(u64::from(choice.suite)));
    if hello.compression != 0 {
        sink.fact(&f::COMPRESSION, Value::Uint(u64::from(hello.compression)));
    }
    if choice.is_tls13() {
        if let Some(group) = group {
            sink.fact(&f::GROUP, Value::Uint(u64::from(group)));
        }
        if choice.psk.is_some() && group.is_none() {
            sink.fact(&f::PSK_ONLY, Value::Yes);
        }
    }
    Some(Answer::Chosen(choice))
}

/// Observes the extensions of a HelloRetryRequest: whether it answers an encrypted hello.
fn retry_extensions(extensions: Extensions<'_>, sink: &mut Sink) -> bool {
    let mut ech = false;
    for extension in extensions {
        match extension {
            Extension::KeyShare(share) => {
                if let Some(group) = group(share) {
                    sink.fact(&f::HELLO_RETRY_GROUP, Value::Uint(u64::from(group)));
                }
            }
            Extension::Ech(_) => ech = true,
            _ => {}
        }
    }
    ech
}

/// The group at the front of a server's key share.
fn group(share: &[u8]) -> Option<u16> {
    share.first_chunk::<2>().map(|group| u16::from_be_bytes(*group))
}

/// Observes the extensions of a ServerHello, and gives the group of its key share.
fn server_extensions(extensions: Extensions<'_>, choice: &mut Choice, sink: &mut Sink) -> Option<u16> {
    let mut share_group = None;
    for extension in extensions {
        match extension {
            Extension::Versions(versions) => {
                choice.version = versions.first().copied().unwrap_or(choice.version);
            }
            Extension::KeyShare(share) => share_group = group(share),
            Extension::PreSharedKey(place) => choice.psk = Some(group(place).unwrap_or_default()),
            Extension::Ocsp => sink.fact(&f::OCSP, Value::Word("agreed")),
            Extension::Alpn(names) => {
                names.iter().take(1).for_each(|name| {
                    choice.alpn.add(name);
                    sink.fact(&f::ALPN, Value::text(name));
                });
            }
            Extension::ExtendedMasterSecret => sink.fact(&f::EXTENDED_MASTER_SECRET, Value::Yes),
            Extension::EncryptThenMac => sink.fact(&f::ENCRYPT_THEN_MAC, Value::Yes),
            Extension::RenegotiationInfo => sink.fact(&f::SECURE_RENEGOTIATION, Value::Yes),
            Extension::Heartbeat(mode) => sink.fact(&f::HEARTBEAT, Value::Uint(u64::from(mode))),
            Extension::Other(TRUNCATED_HMAC) => {
                choice.truncated_mac = true;
                sink.fact(&f::TRUNCATED_HMAC, Value::Yes);
            }
            Extension::Other(NEXT_PROTOCOL | CHANNEL_ID) => {
                choice.before_finished = choice.before_finished.saturating_add(1);
            }
            Extension::Malformed => sink.fact(&f::ANOMALY, Value::Word("malformed-extension")),
            Extension::ServerName(_)
            | Extension::Groups(_)
            | Extension::EarlyData
            | Extension::Signatures(_)
            | Extension::CertificateSignatures(_)
            | Extension::PskModes(_)
            | Extension::Ech(_)
            | Extension::Ticket(_)
            | Extension::Grease
            | Extension::Other(_) => {}
        }
    }
    share_group
}

/// Observes a ServerKeyExchange.
pub(super) fn key_exchange(choice: &Choice, body: &[u8], sink: &mut Sink) {
    let Some(found) = adapter::key_exchange(choice.suite, choice.version, body) else {
        sink.fact(&f::ANOMALY, Value::Word("malformed-key-exchange"));
        return;
    };
    if let Some(group) = found.group {
        sink.fact(&f::GROUP, Value::Uint(u64::from(group)));
    }
    if !found.hint.is_empty() {
        sink.fact(&f::PSK_HINT, Value::text(found.hint));
    }
    if let Some(bits) = found.dh_bits {
        sink.fact(&f::DH_BITS, Value::Uint(u64::from(bits)));
    }
    if let Some(scheme) = found.signature {
        sink.fact(&f::KEY_EXCHANGE_SIGNATURE, Value::Uint(u64::from(scheme)));
    }
}

/// Observes a NewSessionTicket.
pub(super) fn new_session_ticket(body: &[u8], sink: &mut Sink) {
    // An empty ticket says that there is none after all (RFC 5077 section 3.3).
    let Some((lifetime, ticket)) = adapter::new_session_ticket(body).filter(|(_, ticket)| !ticket.is_empty())
    else {
        return;
    };
    sink.fact(&f::SESSION_ISSUED, Value::Text(ticket_key(ticket).into()));
    if lifetime > 0 {
        sink.fact(&f::TICKET_LIFETIME, Value::Span(Duration::from_secs(u64::from(lifetime))));
    }
}

/// The key of a session with this ticket.
pub(super) fn ticket_key(ticket: &[u8]) -> String {
    let digest = Sha256::digest(ticket);
    format!("ticket:{}", hex(digest.get(..16).unwrap_or_default()))
}

/// The key of a session with this identifier.
pub(super) fn session_key(id: &[u8]) -> String {
    format!("id:{}", hex(id))
}
