//! The protection of Initial and Retry packets, whose keys anybody can know (RFC 9001 section 5).
//!
//! It keeps nobody out, but it tells: a packet that opens was made by somebody who speaks this version and knows the
//! connection identifier.

use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};
use aes_gcm::{AeadInPlace, Aes128Gcm};
use hkdf::Hkdf;
use sha2::Sha256;

use super::packet::{Long, RETRY_TAG};
use super::version::Version;
use crate::analyzers::Role;

/// Keys of both sides of a connection's Initial packets.
pub(super) struct Secrets {
    client: Keys,
    server: Keys,
}

struct Keys {
    aead: Aes128Gcm,
    iv: [u8; 12],
    header: Aes128,
}

/// Of the header and the sample that protects it.
const SAMPLE: usize = 16;
const TAG: usize = 16;
/// Longest packet number: the sample begins as far behind the place of the packet number.
const NUMBER: usize = 4;

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Those that follow from the connection identifier that the client chose for the server.
    pub(super) fn new(version: &'static Version, dcid: &[u8]) -> Option<Self> {
        let (_, initial) = Hkdf::<Sha256>::extract(Some(&version.salt), dcid);
        let of = |label| Keys::new(version, &expand::<32>(&initial, label)?);
        Some(Self { client: of("client in")?, server: of("server in")? })
    }

    /// The frames of an Initial packet from `role`, and its number; `None` if it does not open. `next` is the number
    /// after the largest that was seen of that side.
    pub(super) fn open(&self, role: Role, packet: &Long<'_>, next: u64) -> Option<(Vec<u8>, u64)> {
        let keys = if role == Role::Client { &self.client } else { &self.server };
        keys.open(packet.bytes, packet.number_at, next)
    }
}

impl Keys {
    fn new(version: &Version, secret: &[u8; 32]) -> Option<Self> {
        let prk = Hkdf::<Sha256>::from_prk(secret).ok()?;
        let [key, iv, header] = version.labels;
        Some(Self {
            aead: Aes128Gcm::new(&expand::<16>(&prk, key)?.into()),
            iv: expand(&prk, iv)?,
            header: Aes128::new(&expand::<16>(&prk, header)?.into()),
        })
    }

    fn open(&self, packet: &[u8], number_at: usize, next: u64) -> Option<(Vec<u8>, u64)> {
        let sample = packet.get(number_at.checked_add(NUMBER)?..)?.first_chunk::<SAMPLE>()?;
        let mut mask = (*sample).into();
        self.header.encrypt_block(&mut mask);
        let [mask, number_mask @ ..] = <[u8; SAMPLE]>::from(mask);
        let first = packet.first()? ^ mask & 0x0f;
        let length = usize::from(first & 0b11).saturating_add(1);
        let (header, sealed) = packet.split_at_checked(number_at.checked_add(length)?)?;
        let (sealed, tag) = sealed.split_last_chunk::<TAG>()?;
        let mut header = header.to_vec();
        *header.first_mut()? = first;
        let mut number = 0;
        for (byte, mask) in header.get_mut(number_at..)?.iter_mut().zip(number_mask) {
            *byte ^= mask;
            number = number << 8 | u64::from(*byte);
        }
        let number = full_number(number, length, next);
        let mut nonce = self.iv;
        for (byte, digit) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= digit;
        }
        let mut frames = sealed.to_vec();
        self.aead.decrypt_in_place_detached(&nonce.into(), &header, &mut frames, &(*tag).into()).ok()?;
        Some((frames, number))
    }
}

/// The packet number of which these are the last `length` bytes, nearest to the one expected (RFC 9000 appendix A.3).
fn full_number(bytes: u64, length: usize, expected: u64) -> u64 {
    let window = 1_u64 << (length.min(NUMBER).saturating_mul(8));
    let half = window / 2;
    let candidate = expected & !window.saturating_sub(1) | bytes;
    if candidate.saturating_add(half) <= expected {
        candidate.saturating_add(window)
    } else if candidate > expected.saturating_add(half) {
        candidate.checked_sub(window).unwrap_or(candidate)
    } else {
        candidate
    }
}

/// Whether a Retry packet answers an Initial packet to `dcid` (RFC 9001 section 5.8).
pub(super) fn retry_is_genuine(packet: &Long<'_>, dcid: &[u8]) -> bool {
    let Some((header, tag)) = packet.bytes.split_last_chunk::<RETRY_TAG>() else { return false };
    let Ok(length) = u8::try_from(dcid.len()) else { return false };
    let (key, nonce) = packet.version.retry;
    let pseudo = [&[length], dcid, header].concat();
    Aes128Gcm::new(&key.into())
        .decrypt_in_place_detached(&nonce.into(), &pseudo, &mut [], &(*tag).into())
        .is_ok()
}

/// HKDF-Expand-Label of TLS 1.3 with an empty context (RFC 8446 section 7.1).
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &str) -> Option<[u8; N]> {
    let (length, label_length) = (u16::try_from(N).ok()?, u8::try_from(label.len()).ok()?.checked_add(6)?);
    let parts = [&length.to_be_bytes()[..], &[label_length], b"tls13 ", label.as_bytes(), &[0]];
    let mut out = [0; N];
    secret.expand_multi_info(&parts, &mut out).ok()?;
    Some(out)
}
