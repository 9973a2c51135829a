//! The only place that knows `tls-parser` and the nom 7 it brings: bodies of handshake messages in,
//! plain values of ours out.
//!
//! The list of extensions is walked here, not by the library, whose own walk ends without a word at
//! the first extension that it cannot read.

use tls_parser::{
    ECParametersContent, NamedGroup, TlsCipherAu, TlsCipherEnc, TlsCipherEncMode, TlsCipherKx, TlsCipherMac,
    TlsCipherSuite, TlsExtension, TlsMessageHandshake, TlsPRF, parse_dh_params, parse_ecdh_params,
    parse_tls_extension, parse_tls_handshake_client_hello, parse_tls_handshake_msg_certificate,
    parse_tls_handshake_msg_newsessionticket, parse_tls_handshake_msg_server_hello,
};

use super::decrypt::{Bulk, Hash, Suite};
use super::{is_grease, take};

/// ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2).
#[derive(Debug)]
pub(super) struct ClientHello<'a> {
    pub(super) legacy_version: u16,
    /// Empty when there is none.
    pub(super) session_id: &'a [u8],
    /// As sent, GREASE and signalling values included.
    pub(super) suites: Vec<u16>,
    pub(super) compression: Vec<u8>,
    pub(super) extensions: Extensions<'a>,
}

/// ServerHello of any version, or HelloRetryRequest since draft 22 (RFC 8446 sections 4.1.3 and
/// 4.1.4).
#[derive(Debug)]
pub(super) struct ServerHello<'a> {
    pub(super) legacy_version: u16,
    /// 32 bytes.
    pub(super) random: &'a [u8],
    pub(super) session_id: &'a [u8],
    pub(super) suite: u16,
    /// Zero where the message has no such field.
    pub(super) compression: u8,
    pub(super) extensions: Extensions<'a>,
}

/// Reads the body of a ClientHello.
pub(super) fn client_hello(body: &[u8]) -> Option<ClientHello<'_>> {
    let (_, hello) = parse_tls_handshake_client_hello(body).ok()?;
    Some(ClientHello {
        legacy_version: hello.version.0,
        session_id: hello.session_id.unwrap_or_default(),
        suites: hello.ciphers.iter().map(|suite| suite.0).collect(),
        compression: hello.comp.iter().map(|method| method.0).collect(),
        extensions: Extensions { rest: hello.ext.unwrap_or_default() },
    })
}

/// Reads the body of a ServerHello. Its version is rewritten in place to one of the same form that
/// the library reads: it refuses the drafts of TLS 1.3 other than 18, skips the extensions of SSLv3
/// (RFC 5746 section 3.6 allows one), and refuses 0x0304, which some send although section 4.1.3 of
/// RFC 8446 does not allow it.
pub(super) fn server_hello(body: &mut [u8]) -> Option<ServerHello<'_>> {
    let (version, _) = body.split_first_chunk_mut::<2>()?;
    let legacy_version = u16::from_be_bytes(*version);
    *version = match *version {
        // Up to draft 21 there was no session identifier and no compression method.
        [0x7f, 0..=21] => [0x7f, 0x12],
        [0x03, 0] => [0x03, 0x01],
        // DTLS counts down from 0xfeff (RFC 6347 section 4.1), and was 0x0100 before it was a standard.
        [0x03, 4] | [0x7f | 0xfe, _] | [0x01, 0] => [0x03, 0x03],
        other => other,
    };
    match parse_tls_handshake_msg_server_hello(body).ok()?.1 {
        TlsMessageHandshake::ServerHello(hello) => Some(ServerHello {
            legacy_version,
            random: hello.random,
            session_id: hello.session_id.unwrap_or_default(),
            suite: hello.cipher.0,
            compression: hello.compression.0,
            extensions: Extensions { rest: hello.ext.unwrap_or_default() },
        }),
        TlsMessageHandshake::ServerHelloV13Draft18(hello) => Some(ServerHello {
            legacy_version,
            random: hello.random,
            session_id: &[],
            suite: hello.cipher.0,
            compression: 0,
            extensions: Extensions { rest: hello.ext.unwrap_or_default() },
        }),
        _ => None,
    }
}

/// Reads the body of a Certificate message before TLS 1.3: the certificates in their order, as DER.
pub(super) fn certificates(body: &[u8]) -> Option<Vec<&[u8]>> {
    match parse_tls_handshake_msg_certificate(body).ok()?.1 {
        TlsMessageHandshake::Certificate(message) => {
            Some(message.cert_chain.iter().map(|certificate| certificate.data).collect())
        }
        _ => None,
    }
}

/// Reads the body of a NewSessionTicket before TLS 1.3: its lifetime in seconds and the ticket (RFC 5077 section 3.3).
/// What the library calls the ticket still begins with its length.
pub(super) fn new_session_ticket(body: &[u8]) -> Option<(u32, &[u8])> {
    match parse_tls_handshake_msg_newsessionticket(body, body.len()).ok()?.1 {
        TlsMessageHandshake::NewSessionTicket(message) => {
            let (length, ticket) = message.ticket.split_first_chunk::<2>()?;
            let ticket = ticket.get(..usize::from(u16::from_be_bytes(*length)))?;
            Some((message.ticket_lifetime_hint, ticket))
        }
        _ => None,
    }
}

/// How a suite protects records; `None` for those that cannot be opened here.
pub(super) fn protection(suite: u16) -> Option<Suite> {
    let suite = TlsCipherSuite::from_id(suite)?;
    let hash = if suite.prf == TlsPRF::Sha384 { Hash::Sha384 } else { Hash::Sha256 };
    let code = match suite.mac {
        TlsCipherMac::HmacSha1 => Some(Hash::Sha1),
        TlsCipherMac::HmacSha256 => Some(Hash::Sha256),
        TlsCipherMac::HmacSha384 => Some(Hash::Sha384),
        _ => None,
    };
    let bulk = match (suite.enc, suite.enc_mode, suite.enc_size, code) {
        (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 128, None) => Bulk::Aes128Gcm,
        (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 256, None) => Bulk::Aes256Gcm,
        (TlsCipherEnc::Chacha20_Poly1305, _, _, None) => Bulk::ChaCha20Poly1305,
        (TlsCipherEnc::Aes, TlsCipherEncMode::Cbc, 128, Some(code)) => Bulk::Aes128Cbc(code),
        (TlsCipherEnc::Aes, TlsCipherEncMode::Cbc, 256, Some(code)) => Bulk::Aes256Cbc(code),
        _ => return None,
    };
    Some(Suite { bulk, hash })
}

/// What a ServerKeyExchange says (RFC 5246 section 7.4.3, RFC 8422 section 5.4).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KeyExchange<'a> {
    /// Of suites with a pre-shared key; empty is no hint.
    pub(super) hint: &'a [u8],
    pub(super) group: Option<u16>,
    pub(super) dh_bits: Option<u32>,
    /// Hash and signature algorithm; TLS 1.2 only.
    pub(super) signature: Option<u16>,
}

/// How a suite protects records: what it adds to their content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cipher {
    /// Explicit nonce before TLS 1.3, tag.
    Aead { nonce: u16, tag: u16 },
    /// Blocks of this many bytes in CBC, and a MAC.
    Block { block: u16, mac: u16 },
    /// Bytes one by one, or no encryption, and a MAC.
    Stream { mac: u16 },
}

/// How `suite` protects records; `None` if the library does not know it.
pub(super) fn cipher(suite: u16) -> Option<Cipher> {
    let suite = TlsCipherSuite::from_id(suite)?;
    let mac = u16::try_from(suite.mac_length()).ok()?;
    let tag = if suite.name.contains("_CCM_8") { 8 } else { 16 };
    Some(match (suite.mac, suite.enc_mode) {
        (TlsCipherMac::Aead, TlsCipherEncMode::Gcm | TlsCipherEncMode::Ccm) => Cipher::Aead { nonce: 8, tag },
        // ChaCha20-Poly1305, whose nonce is not sent (RFC 7905 section 2).
        (TlsCipherMac::Aead, _) => Cipher::Aead { nonce: 0, tag },
        (_, TlsCipherEncMode::Cbc) => {
            Cipher::Block { block: u16::try_from(suite.enc_block_size()).ok()?, mac }
        }
        _ => Cipher::Stream { mac },
    })
}

/// Reads the body of a ServerKeyExchange, whose form depends on the suite; empty for suites whose
/// form holds nothing that is observed (RSA_EXPORT, SRP, plain PSK), `None` if it does not parse.
pub(super) fn key_exchange(suite: u16, version: u16, body: &[u8]) -> Option<KeyExchange<'_>> {
    let Some(suite) = TlsCipherSuite::from_id(suite) else {
        return Some(KeyExchange::default());
    };
    let mut params = body;
    let mut found = KeyExchange::default();
    // An identity hint comes first (RFC 4279 section 3, RFC 5489 section 2).
    if suite.au == TlsCipherAu::Psk {
        let length = u16::from_be_bytes(take(&mut params, 2).try_into().ok()?);
        found.hint = take(&mut params, usize::from(length));
    }
    let rest = match suite.kx {
        TlsCipherKx::Dhe | TlsCipherKx::Dh => {
            let (rest, dh) = parse_dh_params(params).ok()?;
            found.dh_bits = Some(bits(dh.dh_p));
            rest
        }
        TlsCipherKx::Ecdhe | TlsCipherKx::Aecdh | TlsCipherKx::Ecdh => {
            // The library reads named curves and explicit prime ones; explicit binary ones are only
            // told apart.
            if params.first() == Some(&EXPLICIT_CHAR2) {
                found.group = Some(NamedGroup::ArbitraryExplicitChar2Curves.0);
                return Some(found);
            }
            let (rest, ecdh) = parse_ecdh_params(params).ok()?;
            found.group = Some(match ecdh.curve_params.params_content {
                ECParametersContent::NamedGroup(group) => group.0,
                ECParametersContent::ExplicitPrime(_) => NamedGroup::ArbitraryExplicitPrimeCurves.0,
            });
            rest
        }
        _ => return Some(found),
    };
    let signed = !matches!(suite.au, TlsCipherAu::Null | TlsCipherAu::Psk);
    if matches!(version, 0x0303 | 0xfefd) && signed {
        found.signature = rest.first_chunk::<2>().map(|scheme| u16::from_be_bytes(*scheme));
    }
    Some(found)
}

const EXPLICIT_CHAR2: u8 = 2;

/// Whether a pre-shared key authenticates the handshake of this suite (before TLS 1.3).
pub(super) fn is_psk(suite: u16) -> bool {
    TlsCipherSuite::from_id(suite).is_some_and(|suite| suite.au == TlsCipherAu::Psk)
}

/// The identity at the front of the body of a ClientKeyExchange of such a suite (RFC 4279 section 2).
pub(super) fn psk_identity(body: &[u8]) -> Option<&[u8]> {
    let (length, rest) = body.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

/// Size in bits of an unsigned big-endian number, leading zeros not counted.
pub(super) fn bits(number: &[u8]) -> u32 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    let unused = digits.first().map_or(0, |first| first.leading_zeros());
    (digits.len() as u32).saturating_mul(8).saturating_sub(unused)
}

/// One extension of a hello, as far as it is observed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Extension<'a> {
    /// Host names; empty in a ServerHello.
    ServerName(Vec<&'a [u8]>),
    Groups(Vec<u16>),
    Alpn(Vec<&'a [u8]>),
    /// All that a client offers, or the one that the server chose.
    Versions(Vec<u16>),
    /// As sent; a server's begins with the group.
    KeyShare(&'a [u8]),
    Signatures(Vec<u16>),
    CertificateSignatures(Vec<u16>),
    /// As sent: identities and binders of a client, the place of the selected one of a server.
    PreSharedKey(&'a [u8]),
    PskModes(Vec<u8>),
    EarlyData,
    /// Status request, of either version.
    Ocsp,
    /// encrypted_client_hello, as sent.
    Ech(&'a [u8]),
    Ticket(&'a [u8]),
    Heartbeat(u8),
    RenegotiationInfo,
    EncryptThenMac,
    ExtendedMasterSecret,
    Grease,
    /// Any other, by type.
    Other(u16),
    /// One that breaks its own form, or bytes that are no extension; nothing can follow the latter.
    Malformed,
}

/// The extensions of a hello, in order.
#[derive(Debug)]
pub(super) struct Extensions<'a> {
    rest: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// Of their bytes, without the length of them all.
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        let [_, _, a, b, ..] = *self.rest else {
            return (!take(&mut self.rest, 3).is_empty()).then_some(Extension::Malformed);
        };
        let whole = usize::from(u16::from_be_bytes([a, b])).saturating_add(4);
        let bytes = take(&mut self.rest, whole);
        if bytes.len() < whole {
            return Some(Extension::Malformed);
        }
        Some(extension(bytes))
    }
}

/// Types of the extensions that are read; others are not asked to be well-formed.
const READ: &[u16] = &[0, 5, 10, 15, 16, 22, 23, 35, 40, 41, 42, 43, 45, 51, 0xff01];
/// Those that the library does not name, or reads one number at a time.
const STATUS_REQUEST_V2: u16 = 17;
const SIGNATURE_ALGORITHMS: u16 = 13;
const SIGNATURE_ALGORITHMS_CERT: u16 = 50;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// One extension with its type and length.
fn extension(bytes: &[u8]) -> Extension<'_> {
    let kind = bytes.first_chunk::<2>().map_or(0, |kind| u16::from_be_bytes(*kind));
    let data = bytes.get(4..).unwrap_or_default();
    match kind {
        STATUS_REQUEST_V2 => return Extension::Ocsp,
        // A server of an early draft of TLS 1.3 says that it knows the extension, without a list.
        SIGNATURE_ALGORITHMS if data.is_empty() => return Extension::Signatures(Vec::new()),
        SIGNATURE_ALGORITHMS => return numbers(data).map_or(Extension::Malformed, Extension::Signatures),
        SIGNATURE_ALGORITHMS_CERT => {
            return numbers(data).map_or(Extension::Malformed, Extension::CertificateSignatures);
        }
        ENCRYPTED_CLIENT_HELLO => return Extension::Ech(data),
        _ if !READ.contains(&kind) && !is_grease(kind) => return Extension::Other(kind),
        _ => {}
    }
    let Ok((_, content)) = parse_tls_extension(bytes) else {
        return Extension::Malformed;
    };
    match content {
        TlsExtension::SNI(names) => Extension::ServerName(
            names.iter().filter(|(kind, _)| kind.0 == 0).map(|(_, name)| *name).collect(),
        ),
        TlsExtension::EllipticCurves(groups) => {
            Extension::Groups(groups.iter().map(|group| group.0).collect())
        }
        TlsExtension::ALPN(names) => Extension::Alpn(names),
        TlsExtension::SupportedVersions(versions) => {
            Extension::Versions(versions.iter().map(|version| version.0).collect())
        }
        TlsExtension::KeyShare(share) | TlsExtension::KeyShareOld(share) => Extension::KeyShare(share),
        TlsExtension::PreSharedKey(keys) => Extension::PreSharedKey(keys),
        TlsExtension::PskExchangeModes(modes) => Extension::PskModes(modes),
        TlsExtension::StatusRequest(_) => Extension::Ocsp,
        TlsExtension::EarlyData(_) => Extension::EarlyData,
        TlsExtension::SessionTicket(ticket) => Extension::Ticket(ticket),
        TlsExtension::Heartbeat(mode) => Extension::Heartbeat(mode),
        TlsExtension::RenegotiationInfo(_) => Extension::RenegotiationInfo,
        TlsExtension::EncryptThenMac => Extension::EncryptThenMac,
        TlsExtension::ExtendedMasterSecret => Extension::ExtendedMasterSecret,
        TlsExtension::Grease(..) => Extension::Grease,
        _ => Extension::Other(kind),
    }
}

/// A list of numbers of two bytes that fills `data`.
fn numbers(data: &[u8]) -> Option<Vec<u16>> {
    let (length, list) = data.split_first_chunk::<2>()?;
    let (pairs, odd) = list.as_chunks::<2>();
    let whole = odd.is_empty() && usize::from(u16::from_be_bytes(*length)) == list.len();
    whole.then(|| pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
}
