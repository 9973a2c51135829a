//! Opens the records of one direction: decrypts them and checks that they are what the sender sent.

use aes::{Aes128, Aes256};
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use cbc::Decryptor;
use cbc::cipher::{BlockDecryptMut, KeyIvInit};
use chacha20poly1305::ChaCha20Poly1305;

use super::super::record::Record;
use super::derive::{Hash, expand_label};

/// How a suite protects records, and with which hash it derives keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Suite {
    pub(in super::super) bulk: Bulk,
    /// Of the pseudo-random function, or of HKDF.
    pub(in super::super) hash: Hash,
}

/// How records are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Bulk {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
    /// With an HMAC.
    Aes128Cbc(Hash),
    Aes256Cbc(Hash),
}

impl Bulk {
    pub(super) fn key_len(self) -> u8 {
        match self {
            Self::Aes128Gcm | Self::Aes128Cbc(_) => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 | Self::Aes256Cbc(_) => 32,
        }
    }

    pub(super) fn mac_key_len(self) -> usize {
        match self {
            Self::Aes128Cbc(hash) | Self::Aes256Cbc(hash) => hash.len(),
            Self::Aes128Gcm | Self::Aes256Gcm | Self::ChaCha20Poly1305 => 0,
        }
    }

    /// What of the nonce comes from the key block of TLS 1.2 (RFC 5288 section 3, RFC 7905 section 2); CBC has an IV in
    /// each record.
    pub(super) fn fixed_iv_len(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm => 4,
            Self::ChaCha20Poly1305 => 12,
            Self::Aes128Cbc(_) | Self::Aes256Cbc(_) => 0,
        }
    }
}

/// Which comes first where there is an HMAC (RFC 7366).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MacOrder {
    MacThenEncrypt,
    EncryptThenMac,
}

/// Opens records in their order. It never shows its keys.
pub(super) struct Opener {
    cipher: Cipher,
    /// Of the next record.
    sequence: u64,
}

enum Cipher {
    Aead { key: Aead, iv: [u8; 12], nonce: Nonce, version: Version },
    Cbc { key: Box<[u8]>, mac_key: Box<[u8]>, hash: Hash, order: MacOrder },
}

enum Aead {
    Aes128(Box<Aes128Gcm>),
    Aes256(Box<Aes256Gcm>),
    ChaCha(Box<ChaCha20Poly1305>),
}

/// Where the rest of a nonce comes from.
#[derive(Clone, Copy)]
enum Nonce {
    /// The first eight bytes of a record (RFC 5288 section 3).
    Sent,
    /// The sequence number (RFC 7905 section 2, RFC 8446 section 5.3).
    Counted,
}

/// Whose rules say what else is authenticated.
#[derive(Clone, Copy)]
enum Version {
    Tls12,
    Tls13,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Opener {
    /// For one direction of TLS 1.2, with its parts of the key block.
    pub(super) fn tls12(bulk: Bulk, mac_key: &[u8], key: &[u8], iv: &[u8], order: MacOrder) -> Option<Self> {
        let cipher = match bulk {
            Bulk::Aes128Cbc(hash) | Bulk::Aes256Cbc(hash) => {
                Cipher::Cbc { key: key.into(), mac_key: mac_key.into(), hash, order }
            }
            Bulk::Aes128Gcm | Bulk::Aes256Gcm | Bulk::ChaCha20Poly1305 => {
                let sent = bulk != Bulk::ChaCha20Poly1305;
                let mut whole = [0; 12];
                whole.get_mut(..iv.len())?.copy_from_slice(iv);
                let nonce = if sent { Nonce::Sent } else { Nonce::Counted };
                Cipher::Aead { key: Aead::new(bulk, key)?, iv: whole, nonce, version: Version::Tls12 }
            }
        };
        Some(Self { cipher, sequence: 0 })
    }

    /// For what one traffic secret of TLS 1.3 protects (RFC 8446 section 7.3).
    pub(super) fn tls13(suite: Suite, secret: &[u8]) -> Option<Self> {
        let key = expand_label(suite.hash, secret, b"key", suite.bulk.key_len())?;
        let iv = expand_label(suite.hash, secret, b"iv", 12)?;
        let key = Aead::new(suite.bulk, &key)?;
        let iv = iv.try_into().ok()?;
        let cipher = Cipher::Aead { key, iv, nonce: Nonce::Counted, version: Version::Tls13 };
        Some(Self { cipher, sequence: 0 })
    }

    /// What is in the next record; `None` if it is not what was sent under these keys at this place, which then stays
    /// the next.
    pub(super) fn open(&mut self, record: Record, body: &[u8]) -> Option<Vec<u8>> {
        let plain = match &self.cipher {
            Cipher::Aead { key, iv, nonce, version } => {
                aead(key, *iv, (*nonce, *version), self.sequence, record, body)
            }
            Cipher::Cbc { key, mac_key, hash, order: MacOrder::MacThenEncrypt } => {
                mac_then_encrypt(key, (mac_key, *hash), self.sequence, record, body)
            }
            Cipher::Cbc { key, mac_key, hash, order: MacOrder::EncryptThenMac } => {
                encrypt_then_mac(key, (mac_key, *hash), self.sequence, record, body)
            }
        }?;
        self.skip();
        Some(plain)
    }

    /// Passes over a record that is not wanted, or not there.
    pub(super) fn skip(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Whether no record was opened yet.
    pub(super) fn at_start(&self) -> bool {
        self.sequence == 0
    }
}

impl Aead {
    fn new(bulk: Bulk, key: &[u8]) -> Option<Self> {
        Some(match bulk {
            Bulk::Aes128Gcm => Self::Aes128(Box::new(Aes128Gcm::new_from_slice(key).ok()?)),
            Bulk::Aes256Gcm => Self::Aes256(Box::new(Aes256Gcm::new_from_slice(key).ok()?)),
            Bulk::ChaCha20Poly1305 => Self::ChaCha(Box::new(ChaCha20Poly1305::new_from_slice(key).ok()?)),
            Bulk::Aes128Cbc(_) | Bulk::Aes256Cbc(_) => return None,
        })
    }

    fn open(&self, nonce: [u8; 12], aad: &[u8], plain: &mut [u8], tag: [u8; TAG]) -> Option<()> {
        let (nonce, tag) = (&nonce.into(), &tag.into());
        match self {
            Self::Aes128(key) => key.decrypt_in_place_detached(nonce, aad, plain, tag),
            Self::Aes256(key) => key.decrypt_in_place_detached(nonce, aad, plain, tag),
            Self::ChaCha(key) => key.decrypt_in_place_detached(nonce, aad, plain, tag),
        }
        .ok()
    }
}

/// Length of the tag of every AEAD here.
const TAG: usize = 16;
/// Length of a block of AES, and so of the IV of CBC.
const BLOCK: usize = 16;

fn aead(
    key: &Aead,
    iv: [u8; 12],
    (nonce, version): (Nonce, Version),
    sequence: u64,
    record: Record,
    body: &[u8],
) -> Option<Vec<u8>> {
    let mut whole = iv;
    let (sent, sealed) = match nonce {
        Nonce::Sent => body.split_first_chunk::<8>()?,
        Nonce::Counted => (&sequence.to_be_bytes(), body),
    };
    for (slot, byte) in whole.iter_mut().skip(4).zip(sent) {
        // The part of the IV that the record brings is zero in `iv`.
        *slot ^= *byte;
    }
    let (sealed, tag) = sealed.split_last_chunk::<TAG>()?;
    let aad = match version {
        Version::Tls12 => pseudo_header(sequence, record, sealed.len()).to_vec(),
        Version::Tls13 => record.header().to_vec(),
    };
    let mut plain = sealed.to_vec();
    key.open(whole, &aad, &mut plain, *tag)?;
    Some(plain)
}

/// What is authenticated beside the content before TLS 1.3 (RFC 5246 sections 6.2.3.1 and 6.2.3.3).
fn pseudo_header(sequence: u64, record: Record, length: usize) -> [u8; 13] {
    let [kind, hi, lo, _, _] = record.header();
    let [a, b, c, d, e, f, g, h] = sequence.to_be_bytes();
    let [length_hi, length_lo] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    [a, b, c, d, e, f, g, h, kind, hi, lo, length_hi, length_lo]
}

/// RFC 5246 section 6.2.3.2: IV, then content, its HMAC and padding, encrypted.
fn mac_then_encrypt(
    key: &[u8],
    (mac_key, hash): (&[u8], Hash),
    sequence: u64,
    record: Record,
    body: &[u8],
) -> Option<Vec<u8>> {
    let mut plain = decrypt(key, body)?;
    unpad(&mut plain)?;
    let length = plain.len().checked_sub(hash.len())?;
    let (content, code) = plain.split_at_checked(length)?;
    let header = pseudo_header(sequence, record, length);
    let genuine = hash.verifies(mac_key, &[&header, content], code);
    plain.truncate(length);
    genuine.then_some(plain)
}

/// RFC 7366 section 3: IV and encrypted content with padding, then the HMAC of both.
fn encrypt_then_mac(
    key: &[u8],
    (mac_key, hash): (&[u8], Hash),
    sequence: u64,
    record: Record,
    body: &[u8],
) -> Option<Vec<u8>> {
    let (sealed, code) = body.split_at_checked(body.len().checked_sub(hash.len())?)?;
    let header = pseudo_header(sequence, record, sealed.len());
    if !hash.verifies(mac_key, &[&header, sealed], code) {
        return None;
    }
    let mut plain = decrypt(key, sealed)?;
    unpad(&mut plain)?;
    Some(plain)
}

/// AES in CBC mode, after an IV of one block.
fn decrypt(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (iv, sealed) = sealed.split_first_chunk::<BLOCK>()?;
    let mut plain = sealed.to_vec();
    let (blocks, rest) = plain.as_chunks_mut::<BLOCK>();
    if !rest.is_empty() || blocks.is_empty() {
        return None;
    }
    let (mut short, mut long) =
        (Decryptor::<Aes128>::new_from_slices(key, iv), Decryptor::<Aes256>::new_from_slices(key, iv));
    for block in blocks {
        match (&mut short, &mut long) {
            (Ok(cipher), _) => cipher.decrypt_block_mut(block.into()),
            (_, Ok(cipher)) => cipher.decrypt_block_mut(block.into()),
            (Err(_), Err(_)) => return None,
        }
    }
    Some(plain)
}

/// Takes off the padding: its last byte tells how many more there are, and all are the same.
fn unpad(plain: &mut Vec<u8>) -> Option<()> {
    let padding = *plain.last()?;
    let content = plain.len().checked_sub(usize::from(padding).checked_add(1)?)?;
    if plain.get(content..)?.iter().any(|byte| *byte != padding) {
        return None;
    }
    plain.truncate(content);
    Some(())
}
