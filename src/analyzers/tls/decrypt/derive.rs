//! Keys from secrets: the pseudo-random function of TLS 1.2 (RFC 5246 section 5) and HKDF-Expand-Label of TLS 1.3 (RFC
//! 8446 section 7.1).

use hkdf::Hkdf;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384};

/// A hash that suites name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
}

impl Hash {
    /// Length of what it gives.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    /// HMAC of the parts one after the other.
    pub(super) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha1 => fed::<Hmac<Sha1>>(key, parts).map(|mac| mac.finalize().into_bytes().to_vec()),
            Self::Sha256 => fed::<Hmac<Sha256>>(key, parts).map(|mac| mac.finalize().into_bytes().to_vec()),
            Self::Sha384 => fed::<Hmac<Sha384>>(key, parts).map(|mac| mac.finalize().into_bytes().to_vec()),
        }
        .unwrap_or_default()
    }

    /// Whether `code` is the HMAC of the parts one after the other.
    pub(super) fn verifies(self, key: &[u8], parts: &[&[u8]], code: &[u8]) -> bool {
        match self {
            Self::Sha1 => fed::<Hmac<Sha1>>(key, parts).is_some_and(|mac| mac.verify_slice(code).is_ok()),
            Self::Sha256 => fed::<Hmac<Sha256>>(key, parts).is_some_and(|mac| mac.verify_slice(code).is_ok()),
            Self::Sha384 => fed::<Hmac<Sha384>>(key, parts).is_some_and(|mac| mac.verify_slice(code).is_ok()),
        }
    }
}

fn fed<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Option<M> {
    // HMAC takes keys of any length.
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    Some(mac)
}

/// The pseudo-random function of TLS 1.2: `len` bytes.
pub(super) fn prf(hash: Hash, secret: &[u8], label: &[u8], seeds: [&[u8]; 2], len: usize) -> Vec<u8> {
    let [first, second] = seeds;
    let seed = [label, first, second].concat();
    let mut out = Vec::with_capacity(len.saturating_add(hash.len()));
    let mut a = hash.hmac(secret, &[&seed]);
    while out.len() < len {
        out.extend_from_slice(&hash.hmac(secret, &[&a, &seed]));
        a = hash.hmac(secret, &[&a]);
    }
    out.truncate(len);
    out
}

/// HKDF-Expand-Label with an empty context; `None` if the secret is too short for the hash.
pub(super) fn expand_label(hash: Hash, secret: &[u8], label: &[u8], len: u8) -> Option<Vec<u8>> {
    const PREFIX: &[u8] = b"tls13 ";
    let label_len = u8::try_from(PREFIX.len().checked_add(label.len())?).ok()?;
    let info: [&[u8]; 4] = [&[0, len, label_len], PREFIX, label, &[0]];
    let mut out = vec![0; usize::from(len)];
    match hash {
        Hash::Sha256 => {
            Hkdf::<Sha256>::from_prk(secret).ok()?.expand_multi_info(&info, &mut out).ok()?;
        }
        Hash::Sha384 => {
            Hkdf::<Sha384>::from_prk(secret).ok()?.expand_multi_info(&info, &mut out).ok()?;
        }
        // No suite of TLS 1.3 has it.
        Hash::Sha1 => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// RFC 8448 section 3: the server's handshake traffic secret and what is written with it.
    #[test]
    fn labels_are_expanded_as_in_rfc_8448() {
        let secret = unhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
        let key = expand_label(Hash::Sha256, &secret, b"key", 16).unwrap();
        assert_eq!(key, unhex("3fce516009c21727d0f2e4e86ee403bc"));
        let iv = expand_label(Hash::Sha256, &secret, b"iv", 12).unwrap();
        assert_eq!(iv, unhex("5d313eb2671276ee13000b30"));
        assert_eq!(expand_label(Hash::Sha384, &secret, b"key", 16), None, "too short for the hash");
        assert_eq!(expand_label(Hash::Sha1, &secret, b"key", 16), None);
    }

    /// The test vector for P_SHA256 that the TLS working group's list has (Peter Gutmann, Juho Vähä-Herttala, 2009).
    #[test]
    fn the_prf_gives_the_published_vector() {
        let secret = unhex("9bbe436ba940f017b17652849a71db35");
        let seed = unhex("a0ba9f936cda311827a6f796ffd5198c");
        let expected = unhex(
            "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af\
             0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701\
             87347b66",
        );
        assert_eq!(prf(Hash::Sha256, &secret, b"test label", [&seed, &[]], 100), expected);
        assert_eq!(prf(Hash::Sha384, &secret, b"test label", [&seed, &[]], 49).len(), 49);
    }
}
