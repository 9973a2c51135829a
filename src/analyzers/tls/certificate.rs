//! The only place that knows `x509-parser`: a certificate as DER in, what is observed of it out
//! (RFC 5280).
//!
//! Nothing is verified: no signature, no path. Sizes of keys are computed here, because the library
//! takes an RSA modulus for eight bits shorter when its first byte is not zero, and a P-521 point
//! for 528 bits.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::{Any, Oid, Tag};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::der_parser::der::parse_der_integer;
use x509_parser::nom::Parser;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name};

use super::adapter::bits;
use super::names::{MAX_NAMES, Names};
use super::times;
use crate::model::text::lossless;
use crate::model::{Timestamp, Value};

/// Longest object identifier that is written out, in bytes; each arc costs the square of its
/// length.
const MAX_OID: usize = 64;

/// What is observed of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) subject: String,
    pub(super) common_names: Vec<String>,
    pub(super) names: Names,
    pub(super) issuer: String,
    pub(super) issuer_organizations: Vec<String>,
    pub(super) issuer_common_names: Vec<String>,
    pub(super) key_type: Value,
    /// `None` where the key has no size of its own or is not readable.
    pub(super) key_bits: Option<u32>,
    /// Of keys of type `ec`.
    pub(super) curve: Option<Value>,
    pub(super) signature: Value,
    pub(super) hash: Option<&'static str>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// Issuer and subject are the same bytes.
    pub(super) self_signed: bool,
    /// The bytes of the two names.
    pub(super) subject_der: Box<[u8]>,
    pub(super) issuer_der: Box<[u8]>,
    pub(super) mud_url: Option<String>,
    /// It wants a stapled proof that it is not revoked.
    pub(super) must_staple: bool,
    /// Of the whole SubjectPublicKeyInfo, in lower-case hex.
    pub(super) spki_sha256: String,
}

/// Reads one certificate; `None` if it is none. Servers show the same ones over and over, so what was read
/// is kept for a while.
pub(super) fn read(der: &[u8]) -> Option<Rc<Certificate>> {
    KNOWN.with_borrow_mut(|known| {
        if let Some(certificate) = known.read.get(der) {
            return certificate.clone();
        }
        let certificate = parse(der).map(Rc::new);
        known.bytes = known.bytes.saturating_add(der.len());
        if known.bytes > MAX_KNOWN {
            *known = Known { bytes: der.len(), ..Known::default() };
        }
        known.read.insert(der.into(), certificate.clone());
        certificate
    })
}

/// Certificates read by a thread; what is said of one does not depend on what is in here.
#[derive(Default)]
struct Known {
    read: HashMap<Box<[u8]>, Option<Rc<Certificate>>, foldhash::fast::RandomState>,
    /// Of the certificates; what was read of them takes about as much again.
    bytes: usize,
}

/// Some hundreds of usual length.
const MAX_KNOWN: usize = 1 << 20;

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

fn parse(der: &[u8]) -> Option<Certificate> {
    // Extensions are not read deeply: of all of them only a few are wanted.
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    if let Ok((_, certificate)) = parser.parse(der) {
        return Some(observed(&certificate));
    }
    let der = times::in_universal_time(der)?;
    let (_, certificate) = parser.parse(&der).ok()?;
    Some(observed(&certificate))
}

fn observed(certificate: &X509Certificate<'_>) -> Certificate {
    let extension = |oid: &[u8]| {
        let mut extensions = certificate.extensions().iter();
        extensions.find(|extension| extension.oid.as_bytes() == oid).map(|extension| extension.value)
    };
    let (key_type, key_bits) = key(certificate.public_key());
    let (signature, hash) = signature(&certificate.signature_algorithm);
    Certificate {
        subject: distinguished_name(certificate.subject()),
        common_names: attributes(certificate.subject(), COMMON_NAME),
        names: extension(SUBJECT_ALT_NAME).map(Names::read).unwrap_or_default(),
        issuer: distinguished_name(certificate.issuer()),
        issuer_organizations: attributes(certificate.issuer(), ORGANIZATION),
        issuer_common_names: attributes(certificate.issuer(), COMMON_NAME),
        curve: (key_type == Value::Word("ec")).then(|| curve(certificate.public_key())),
        key_type,
        key_bits,
        signature,
        hash,
        not_before: Timestamp::new(certificate.validity().not_before.timestamp(), 0),
        not_after: Timestamp::new(certificate.validity().not_after.timestamp(), 0),
        self_signed: certificate.subject().as_raw() == certificate.issuer().as_raw(),
        subject_der: certificate.subject().as_raw().into(),
        issuer_der: certificate.issuer().as_raw().into(),
        mud_url: extension(MUD_URL).and_then(|value| Some(lossless(Any::from_der(value).ok()?.1.data))),
        must_staple: extension(TLS_FEATURE).is_some_and(wants_status_request),
        spki_sha256: hex(&Sha256::digest(certificate.public_key().raw)),
    }
}

/// Whether 5 or 17 is among the extensions that a TLS feature extension lists (RFC 7633 section 4.1), which are small
/// numbers: two bytes of header and one or two of value.
fn wants_status_request(der: &[u8]) -> bool {
    let Ok((_, list)) = Any::from_der(der) else { return false };
    let mut rest = list.data;
    while let Ok((next, feature)) = Any::from_der(rest) {
        if feature.tag() == Tag::Integer && matches!(feature.data, [5 | 17]) {
            return true;
        }
        rest = next;
    }
    false
}

/// Bytes in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0x0f));
    }
    out
}

/// Type and size of a public key (RFC 3279 section 2.3, RFC 5480, RFC 8410).
fn key(info: &SubjectPublicKeyInfo<'_>) -> (Value, Option<u32>) {
    let algorithm = dotted(&info.algorithm.algorithm);
    let parameters = info.algorithm.parameters.as_ref();
    let (name, size) = match algorithm.as_str() {
        "1.2.840.113549.1.1.1" => ("rsa", rsa_bits(info)),
        "1.2.840.113549.1.1.10" => ("rsa-pss", rsa_bits(info)),
        "1.2.840.10040.4.1" => ("dsa", parameters.and_then(|any| first_integer(any.data))),
        "1.2.840.10046.2.1" | "1.2.840.113549.1.3.1" => {
            ("dh", parameters.and_then(|any| first_integer(any.data)))
        }
        "1.2.840.10045.2.1" => ("ec", curve_bits(parameters).or_else(|| point_bits(info))),
        "1.3.101.112" => ("ed25519", Some(256)),
        "1.3.101.113" => ("ed448", Some(456)),
        "2.16.840.1.101.3.4.3.17" | "2.16.840.1.101.3.4.3.18" | "2.16.840.1.101.3.4.3.19" => ("ml-dsa", None),
        _ => return (Value::Text(algorithm.into()), None),
    };
    (Value::Word(name), size)
}

/// The modulus of an RSA key, also where it is marked for PSS only, which the library does not look
/// into.
fn rsa_bits(info: &SubjectPublicKeyInfo<'_>) -> Option<u32> {
    match info.parsed() {
        Ok(PublicKey::RSA(rsa)) => Some(bits(rsa.modulus)),
        Ok(PublicKey::Unknown(key)) => {
            let (_, sequence) = Any::from_der(key).ok()?;
            first_integer(sequence.data)
        }
        _ => None,
    }
}

/// Size of the integer at the front of `der`: the prime in the parameters of DSA and DH, the
/// modulus of RSA.
fn first_integer(der: &[u8]) -> Option<u32> {
    let (_, integer) = parse_der_integer(der).ok()?;
    integer.as_slice().ok().map(bits)
}

/// The curve of a key of type `ec`.
fn curve(info: &SubjectPublicKeyInfo<'_>) -> Value {
    match info.algorithm.parameters.as_ref() {
        Some(parameters) if parameters.tag() == Tag::Oid => {
            let id = dotted(&Oid::new(parameters.data.into()));
            named_curve(&id).map_or(Value::Text(id.into()), |(name, _)| Value::Word(name))
        }
        _ => Value::Word("explicit"),
    }
}

/// Size of the field of a named curve.
fn curve_bits(parameters: Option<&Any<'_>>) -> Option<u32> {
    let parameters = parameters.filter(|parameters| parameters.tag() == Tag::Oid)?;
    named_curve(&dotted(&Oid::new(parameters.data.into()))).map(|(_, bits)| bits)
}

/// Name as OpenSSL prints it, and size of the field, of a curve (RFC 5480 section 2.1.1.1, RFC 5639, SEC 2).
fn named_curve(id: &str) -> Option<(&'static str, u32)> {
    Some(match id {
        "1.3.132.0.8" => ("secp160r1", 160),
        "1.3.132.0.9" => ("secp160k1", 160),
        "1.3.132.0.30" => ("secp160r2", 160),
        "1.3.132.0.1" => ("sect163k1", 163),
        "1.3.132.0.2" => ("sect163r1", 163),
        "1.3.132.0.15" => ("sect163r2", 163),
        "1.2.840.10045.3.1.1" => ("prime192v1", 192),
        "1.3.132.0.31" => ("secp192k1", 192),
        "1.3.132.0.32" => ("secp224k1", 224),
        "1.3.132.0.33" => ("secp224r1", 224),
        "1.3.132.0.26" => ("sect233k1", 233),
        "1.3.132.0.27" => ("sect233r1", 233),
        "1.2.840.10045.3.1.7" => ("prime256v1", 256),
        "1.3.132.0.10" => ("secp256k1", 256),
        "1.3.36.3.3.2.8.1.1.7" => ("brainpoolP256r1", 256),
        "1.2.156.10197.1.301" => ("SM2", 256),
        "1.3.132.0.16" => ("sect283k1", 283),
        "1.3.132.0.17" => ("sect283r1", 283),
        "1.3.132.0.34" => ("secp384r1", 384),
        "1.3.36.3.3.2.8.1.1.11" => ("brainpoolP384r1", 384),
        "1.3.132.0.36" => ("sect409k1", 409),
        "1.3.132.0.37" => ("sect409r1", 409),
        "1.3.36.3.3.2.8.1.1.13" => ("brainpoolP512r1", 512),
        "1.3.132.0.35" => ("secp521r1", 521),
        "1.3.132.0.38" => ("sect571k1", 571),
        "1.3.132.0.39" => ("sect571r1", 571),
        _ => return None,
    })
}

/// Size of the field of an unknown curve, from its point (SEC 1 section 2.3.3); whole bytes only.
fn point_bits(info: &SubjectPublicKeyInfo<'_>) -> Option<u32> {
    match info.subject_public_key.data.split_first()? {
        (4, point) => Some((point.len() as u32 / 2).saturating_mul(8)),
        (2 | 3, point) => Some((point.len() as u32).saturating_mul(8)),
        _ => None,
    }
}

/// Name as OpenSSL prints it, and hash, of a signature algorithm.
fn signature(algorithm: &AlgorithmIdentifier<'_>) -> (Value, Option<&'static str>) {
    let id = dotted(&algorithm.algorithm);
    let (name, hash) = match id.as_str() {
        "1.2.840.113549.1.1.2" => ("md2WithRSAEncryption", Some("md2")),
        "1.2.840.113549.1.1.3" => ("md4WithRSAEncryption", Some("md4")),
        "1.2.840.113549.1.1.4" => ("md5WithRSAEncryption", Some("md5")),
        "1.3.14.3.2.3" => ("md5WithRSA", Some("md5")),
        "1.2.840.113549.1.1.5" => ("sha1WithRSAEncryption", Some("sha1")),
        "1.3.14.3.2.29" => ("sha1WithRSA", Some("sha1")),
        "1.2.840.113549.1.1.14" => ("sha224WithRSAEncryption", Some("sha224")),
        "1.2.840.113549.1.1.11" => ("sha256WithRSAEncryption", Some("sha256")),
        "1.2.840.113549.1.1.12" => ("sha384WithRSAEncryption", Some("sha384")),
        "1.2.840.113549.1.1.13" => ("sha512WithRSAEncryption", Some("sha512")),
        "1.2.840.113549.1.1.10" => ("rsassaPss", pss_hash(algorithm)),
        "1.2.840.10040.4.3" => ("dsaWithSHA1", Some("sha1")),
        "1.3.14.3.2.27" => ("dsaWithSHA1-old", Some("sha1")),
        "2.16.840.1.101.3.4.3.1" => ("dsa_with_SHA224", Some("sha224")),
        "2.16.840.1.101.3.4.3.2" => ("dsa_with_SHA256", Some("sha256")),
        "2.16.840.1.101.3.4.3.3" => ("dsa_with_SHA384", Some("sha384")),
        "2.16.840.1.101.3.4.3.4" => ("dsa_with_SHA512", Some("sha512")),
        "1.2.840.10045.4.1" => ("ecdsa-with-SHA1", Some("sha1")),
        "1.2.840.10045.4.3.1" => ("ecdsa-with-SHA224", Some("sha224")),
        "1.2.840.10045.4.3.2" => ("ecdsa-with-SHA256", Some("sha256")),
        "1.2.840.10045.4.3.3" => ("ecdsa-with-SHA384", Some("sha384")),
        "1.2.840.10045.4.3.4" => ("ecdsa-with-SHA512", Some("sha512")),
        "1.3.101.112" => ("ED25519", None),
        "1.3.101.113" => ("ED448", None),
        "1.2.156.10197.1.501" => ("SM2-with-SM3", Some("sm3")),
        "2.16.840.1.101.3.4.3.17" => ("ML-DSA-44", None),
        "2.16.840.1.101.3.4.3.18" => ("ML-DSA-65", None),
        "2.16.840.1.101.3.4.3.19" => ("ML-DSA-87", None),
        _ => return (Value::Text(id.into()), None),
    };
    (Value::Word(name), hash)
}

/// The hash of an RSASSA-PSS signature: SHA-1 unless its parameters name another (RFC 4055 section
/// 3.1).
fn pss_hash(algorithm: &AlgorithmIdentifier<'_>) -> Option<&'static str> {
    let parameters = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
    match dotted(parameters.hash_algorithm_oid()).as_str() {
        "1.3.14.3.2.26" => Some("sha1"),
        "2.16.840.1.101.3.4.2.4" => Some("sha224"),
        "2.16.840.1.101.3.4.2.1" => Some("sha256"),
        "2.16.840.1.101.3.4.2.2" => Some("sha384"),
        "2.16.840.1.101.3.4.2.3" => Some("sha512"),
        _ => None,
    }
}

/// Values of one attribute of a name, as text.
fn attributes(name: &X509Name<'_>, oid: &[u8]) -> Vec<String> {
    name.iter_attributes()
        .filter(|attribute| attribute.attr_type().as_bytes() == oid)
        .take(MAX_NAMES)
        .map(|attribute| attribute_text(attribute.attr_value()))
        .collect()
}

/// A name as one line, most specific part first (RFC 4514); attributes as OpenSSL abbreviates them.
pub(super) fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| {
            let attributes = rdn.iter().map(|attribute| {
                format!(
                    "{}={}",
                    short_name(attribute.attr_type()),
                    escaped(&attribute_text(attribute.attr_value()))
                )
            });
            attributes.collect::<Vec<_>>().join("+")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// Escapes what separates the parts of a name (RFC 4514 section 2.4).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (at, c) in text.chars().enumerate() {
        let special = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        if special || (at == 0 && matches!(c, '#' | ' ')) || (at == last && c == ' ') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The text of a directory string in any of its encodings (RFC 5280 section 4.1.2.4).
pub(super) fn attribute_text(value: &Any<'_>) -> String {
    match value.tag() {
        Tag::BmpString => {
            let units =
                value.data.chunks(2).map(|c| c.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        Tag::UniversalString => value
            .data
            .chunks(4)
            .map(|c| <[u8; 4]>::try_from(c).ok().and_then(|c| char::from_u32(u32::from_be_bytes(c))))
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        // In practice it holds Latin-1.
        Tag::T61String => value.data.iter().map(|byte| char::from(*byte)).collect(),
        _ => lossless(value.data),
    }
}

/// An object identifier in dots; of one that is too long only that.
pub(super) fn dotted(oid: &Oid<'_>) -> String {
    if oid.as_bytes().len() > MAX_OID { "long".to_owned() } else { oid.to_id_string() }
}

/// Abbreviation of an attribute type.
fn short_name(oid: &Oid<'_>) -> String {
    let dotted = dotted(oid);
    let short = match dotted.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.13" => "description",
        "2.5.4.15" => "businessCategory",
        "2.5.4.17" => "postalCode",
        "2.5.4.41" => "name",
        "2.5.4.42" => "GN",
        "2.5.4.46" => "dnQualifier",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "1.2.840.113549.1.9.2" => "unstructuredName",
        "1.3.6.1.4.1.311.60.2.1.1" => "jurisdictionL",
        "1.3.6.1.4.1.311.60.2.1.2" => "jurisdictionST",
        "1.3.6.1.4.1.311.60.2.1.3" => "jurisdictionC",
        _ => return dotted,
    };
    short.to_owned()
}

/// 1.3.6.1.5.5.7.1.25 (RFC 8520 section 11)
const MUD_URL: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x19];
/// 1.3.6.1.5.5.7.1.24 (RFC 7633 section 4)
const TLS_FEATURE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x18];
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.4.10
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn unhex(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            hex.bytes().filter_map(|c| char::from(c).to_digit(16)).map(|d| d as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// openssl req -x509 -utf8 -subj '/C=AT/O=Müller, Söhne \+ Co/CN= a#b /emailAddress=x@y.example'
    /// -addext subjectAltName=DNS:xn--mller-kva.example,IP:2001:db8::7,email:a@b, Ed25519 key.
    const ED25519: &str = "
        30820202308201b4a00302010202143690d1d79279ddbaa7ee85b089e08ebc236de766300506032b65703058310b3009
        060355040613024154311d301b060355040a0c144dc3bc6c6c65722c2053c3b6686e65202b20436f310e300c06035504
        030c052061236220311a301806092a864886f70d010901160b7840792e6578616d706c653020170d3236313132313031
        313531375a180f32303534303430383031313531375a3058310b3009060355040613024154311d301b060355040a0c14
        4dc3bc6c6c65722c2053c3b6686e65202b20436f310e300c06035504030c052061236220311a301806092a864886f70d
        010901160b7840792e6578616d706c65302a300506032b6570032100081a7f069dd27a34862702235428b171392c1b8c
        774a82c7995be54aa12d4ccea3818d30818a301d0603551d0e04160414f040bdc639ed7c61c236b8c4d8c0d0b48f9607
        4a301f0603551d23041830168014f040bdc639ed7c61c236b8c4d8c0d0b48f96074a300f0603551d130101ff04053003
        0101ff30370603551d110430302e8215786e2d2d6d6c6c65722d6b76612e6578616d706c65871020010db80000000000
        000000000000078103614062300506032b657003410012aedeb3d5cdbab6b18eee2a43a47dec0ee60977c7f1d3bf6ab7
        9def5be624ec1f4ca3b7a9a5468b27a7913e5316eba1e1203fc9192e5b02dcde492f877f7204";

    /// openssl req -x509 -subj /CN=pss -sha384 -days 100000, RSA-PSS key of 1024 bits.
    const RSA_PSS: &str = "
        3082026030820195a003020102021411f718433f0b16cc6a27a358839ffa062840f10b304106092a864886f70d01010a
        3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d060960864801650304020205
        00a203020120300e310c300a06035504030c037073733020170d3236313132313031313435365a180f32333030303930
        363031313435365a300e310c300a06035504030c0370737330819d300b06092a864886f70d01010a03818d0030818902
        818100c7e71b5239ff55d4d3cfbb22203409cbb65c65e842c6818fe85eb348ac2c20876b511b1617f2893f96bb7dec8d
        2b3ec24c8a1e816b012c308f3969918d7a6867a57b9261ccdd2eec654a30fcaa13d6034ff6f31a48d0d32d692c36aa05
        87dea74b366638d495152fcfd87957185f0db04bdf92f6be25a5263e94db8d19d3237b0203010001a3533051301d0603
        551d0e0416041461c4da12b31c45e81adf440109d8142c5f4e6295301f0603551d2304183016801461c4da12b31c45e8
        1adf440109d8142c5f4e6295300f0603551d130101ff040530030101ff304106092a864886f70d01010a3034a00f300d
        06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020120
        038181007edf911b287037529b70cf09febe3d9b3589872e8c1990c2f243a5c207a3dfd363f8b07a2e829c992963ee0f
        39b3a382be471cd9d732d76febba79ff6d2bf5f82875028ddfec1beb41cab27cf6b93fe21b439a9c297c10dc19f3c9a1
        699f95d1dbb6e958c9d864fdd4956030adfeea0da0d30328b109b33acd52d7e7635f7be8";

    #[test]
    fn names_are_escaped_and_ordered_as_rfc_4514_wants() {
        let found = parse(&unhex(ED25519)).unwrap();
        let name = "emailAddress=x@y.example,CN=\\ a#b\\ ,O=Müller\\, Söhne \\+ Co,C=AT";
        assert_eq!((found.subject.as_str(), found.issuer.as_str()), (name, name));
        assert!(found.self_signed);
        assert_eq!(found.common_names, [" a#b "]);
        assert_eq!(found.names.dns, ["xn--mller-kva.example"]);
        assert_eq!(found.names.addresses, ["2001:db8::7".parse::<IpAddr>().unwrap()]);
        assert_eq!((found.key_type, found.key_bits), (Value::Word("ed25519"), Some(256)));
        assert_eq!((found.signature, found.hash), (Value::Word("ED25519"), None));
    }

    #[test]
    fn pss_parameters_give_the_hash() {
        let found = parse(&unhex(RSA_PSS)).unwrap();
        assert_eq!((found.key_type, found.key_bits), (Value::Word("rsa-pss"), Some(1024)));
        assert_eq!((found.signature, found.hash), (Value::Word("rsassaPss"), Some("sha384")));
        // Not after Sep 5 2300: beyond what a timestamp holds.
        assert_eq!(found.not_after, Timestamp::from_nanos(i64::MAX));
    }

    #[test]
    fn a_cut_or_altered_certificate_is_none_or_another_and_never_panics() {
        for der in [unhex(ED25519), unhex(RSA_PSS)] {
            for length in 0..der.len() {
                assert_eq!(parse(&der[..length]), None, "{length}");
                let mut bad = der.clone();
                bad[length] ^= 0xff;
                let _ = parse(&bad);
            }
        }
    }

    #[test]
    fn leading_zeros_do_not_count_as_bits() {
        assert_eq!(bits(&[0, 0x80, 0]), 16);
        assert_eq!(bits(&[0x7f, 0]), 15);
        assert_eq!(bits(&[0, 0]), 0);
    }
}
