//! Fingerprints of hellos: JA3 and JA3S (Salesforce, 2017: MD5 of what is offered, in its order) and JA4 (FoxIO,
//! `technical_details/JA4.md`, BSD: SHA-256 of it, sorted). They name the library and its settings, not who uses it.
//!
//! Read from the bytes, not from what the adapter understands: every extension counts here, whether it is known or not.
//! A hello whose lists break their own form has no fingerprint, rather than one that nobody else computes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::rc::Rc;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::certificate::hex;
use super::{is_grease, take};

/// What carries the hello: the first letter of a JA4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// `t`
    Tcp,
    /// `q`
    Quic,
    /// `d`; the cookie of its hello (RFC 6347 section 4.2.1) is left out before.
    Dtls,
}

impl Over {
    fn letter(self) -> char {
        match self {
            Self::Tcp => 't',
            Self::Quic => 'q',
            Self::Dtls => 'd',
        }
    }
}

/// What a ClientHello is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// MD5 in hex.
    pub(crate) ja3: Box<str>,
    /// `t13d1516h2_8daaf6152771_e5627efa2ab1`
    pub(crate) ja4: Box<str>,
}

/// The fingerprints of the body of a ClientHello; `None` if its lists are broken.
pub(crate) fn client(over: Over, body: &[u8]) -> Option<Rc<Fingerprint>> {
    let key = client_key(over, body)?;
    CLIENTS.with_borrow_mut(|known| {
        known.get(key, || {
            let shape = Shape::read(over, body)?;
            Some(Rc::new(Fingerprint { ja3: shape.ja3().into(), ja4: shape.ja4().into() }))
        })
    })
}

/// JA3S of the body of a ServerHello: version, suite and extensions, in their order. `None` if its lists are broken.
pub(crate) fn server(body: &[u8]) -> Option<Rc<str>> {
    let mut rest = body;
    let version = number(&mut rest)?;
    take(&mut rest, 32);
    // Drafts of TLS 1.3 before 22 have no session identifier and no compression method.
    let short = matches!(version.to_be_bytes(), [0x7f, 0..=21]);
    if !short {
        list8(&mut rest)?;
    }
    let suite = number(&mut rest)?;
    if !short && take(&mut rest, 1).is_empty() {
        return None;
    }
    let mut key = Vec::with_capacity(32);
    key.extend(version.to_be_bytes());
    key.extend(suite.to_be_bytes());
    each_extension(rest, |[a, b], _| key.extend([a, b]))?;
    let kinds = numbers(key.get(4..).unwrap_or_default());
    SERVERS.with_borrow_mut(|known| {
        known.get(key, || {
            let mut text = format!("{version},{suite},");
            decimal(&mut text, kinds);
            Some(hex(&Md5::digest(text)).into())
        })
    })
}

/// Fingerprints computed by a thread, by what they are computed from: both sides say the same over and over. What is said of
/// a hello does not depend on what is in here.
struct Known<T> {
    computed: HashMap<Box<[u8]>, T, foldhash::fast::RandomState>,
    /// Of the keys; what was computed takes about as much again.
    bytes: usize,
}

impl<T: Clone> Known<T> {
    fn get(&mut self, key: Vec<u8>, compute: impl FnOnce() -> Option<T>) -> Option<T> {
        if let Some(known) = self.computed.get(key.as_slice()) {
            return Some(known.clone());
        }
        let new = compute()?;
        if self.bytes.saturating_add(key.len()) > MAX_KNOWN {
            *self = Self::default();
        }
        self.bytes = self.bytes.saturating_add(key.len());
        self.computed.insert(key.into(), new.clone());
        Some(new)
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { computed: HashMap::default(), bytes: 0 }
    }
}

/// Some hundreds; some clients shuffle their extensions and are never the same.
const MAX_KNOWN: usize = 1 << 17;

thread_local! {
    static CLIENTS: RefCell<Known<Rc<Fingerprint>>> = RefCell::default();
    static SERVERS: RefCell<Known<Rc<str>>> = RefCell::default();
}

/// All of a ClientHello that counts, as one text without ambiguity.
fn client_key(over: Over, body: &[u8]) -> Option<Vec<u8>> {
    let (version, suites, rest) = front(body)?;
    let mut key = Vec::with_capacity(body.len());
    key.push(over.letter() as u8);
    key.extend(version.to_be_bytes());
    key.extend((suites.len() as u16).to_be_bytes());
    key.extend(suites);
    each_extension(rest, |kind, data| {
        key.extend(kind);
        let kind = u16::from_be_bytes(kind);
        if [SUPPORTED_GROUPS, POINT_FORMATS, SIGNATURE_ALGORITHMS, ALPN, SUPPORTED_VERSIONS].contains(&kind) {
            key.extend((data.len() as u16).to_be_bytes());
            key.extend(data);
        }
    })?;
    Some(key)
}

/// Version and suites of a ClientHello, and what comes after its compression methods.
fn front(body: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let mut rest = body;
    let version = number(&mut rest)?;
    take(&mut rest, 32);
    list8(&mut rest)?;
    let suites = list16(&mut rest)?;
    list8(&mut rest)?;
    Some((version, suites, rest))
}

/// Shows type and content of the extensions of a hello, which may have none; `None` if they do not fill their list, or more
/// follows.
fn each_extension<'a>(mut rest: &'a [u8], mut show: impl FnMut([u8; 2], &'a [u8])) -> Option<()> {
    if rest.is_empty() {
        return Some(());
    }
    let mut list = list16(&mut rest)?;
    while let [a, b, c, d, tail @ ..] = list {
        let (data, next) = tail.split_at_checked(usize::from(u16::from_be_bytes([*c, *d])))?;
        show([*a, *b], data);
        list = next;
    }
    (list.is_empty() && rest.is_empty()).then_some(())
}

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// What of a ClientHello counts.
struct Shape<'a> {
    over: Over,
    legacy_version: u16,
    suites: &'a [u8],
    extensions: Vec<(u16, &'a [u8])>,
}

impl<'a> Shape<'a> {
    fn read(over: Over, body: &'a [u8]) -> Option<Self> {
        let (legacy_version, suites, rest) = front(body)?;
        let mut extensions = Vec::new();
        each_extension(rest, |kind, data| extensions.push((u16::from_be_bytes(kind), data)))?;
        Some(Self { over, legacy_version, suites, extensions })
    }

    /// Content of the first extension of a kind.
    fn extension(&self, kind: u16) -> Option<&'a [u8]> {
        self.extensions.iter().find(|(other, _)| *other == kind).map(|(_, data)| *data)
    }

    /// Types of the extensions, GREASE left out.
    fn kinds(&self) -> Vec<u16> {
        self.extensions.iter().map(|(kind, _)| *kind).filter(|kind| !is_grease(*kind)).collect()
    }

    fn suites(&self) -> Vec<u16> {
        numbers(self.suites)
    }

    /// The numbers of a list of 16-bit numbers, GREASE left out.
    fn list(&self, kind: u16) -> Vec<u16> {
        self.extension(kind).and_then(|mut data| list16(&mut data)).map(numbers).unwrap_or_default()
    }

    fn ja3(&self) -> String {
        let mut text = format!("{},", self.legacy_version);
        decimal(&mut text, self.suites());
        text.push(',');
        decimal(&mut text, self.kinds());
        text.push(',');
        decimal(&mut text, self.list(SUPPORTED_GROUPS));
        text.push(',');
        let formats = self.extension(POINT_FORMATS).and_then(|mut data| list8(&mut data)).unwrap_or_default();
        decimal(&mut text, formats.iter().map(|format| u16::from(*format)));
        hex(&Md5::digest(text))
    }

    fn ja4(&self) -> String {
        let mut suites = self.suites();
        suites.sort_unstable();
        let mut kinds = self.kinds();
        let head = format!(
            "{}{}{}{:02}{:02}{}",
            self.over.letter(),
            self.version(),
            if self.extension(SERVER_NAME).is_some() { 'd' } else { 'i' },
            suites.len().min(99),
            kinds.len().min(99),
            self.alpn()
        );
        kinds.retain(|kind| !matches!(*kind, SERVER_NAME | ALPN));
        kinds.sort_unstable();
        let mut tail = hexadecimal(&kinds);
        let signatures = self.list(SIGNATURE_ALGORITHMS);
        if !signatures.is_empty() {
            tail.push('_');
            tail.push_str(&hexadecimal(&signatures));
        }
        let tail = if kinds.is_empty() { String::new() } else { tail };
        format!("{head}_{}_{}", shortened(&hexadecimal(&suites)), shortened(&tail))
    }

    /// The highest version offered, in two characters.
    fn version(&self) -> &'static str {
        let supported = self.extension(SUPPORTED_VERSIONS).and_then(|mut data| list8(&mut data));
        let supported = supported.map(numbers).unwrap_or_default();
        // The numbers of DTLS grow downwards.
        let highest =
            if self.over == Over::Dtls { supported.into_iter().min() } else { supported.into_iter().max() };
        match highest.unwrap_or(self.legacy_version) {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            0xfeff => "d1",
            0xfefd => "d2",
            0xfefc => "d3",
            _ => "00",
        }
    }

    /// First and last character of the first application protocol; of its hex, where they are no letters or digits.
    fn alpn(&self) -> String {
        let first =
            self.extension(ALPN).and_then(|mut data| list16(&mut data)).and_then(|mut list| list8(&mut list));
        match first {
            Some([first, .., last] | [first @ last]) => {
                if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
                    [char::from(*first), char::from(*last)].into_iter().collect()
                } else {
                    let digits = (format!("{first:02x}"), format!("{last:02x}"));
                    digits.0.chars().take(1).chain(digits.1.chars().skip(1)).collect()
                }
            }
            _ => String::from("00"),
        }
    }
}

fn number(input: &mut &[u8]) -> Option<u16> {
    take(input, 2).first_chunk().map(|number| u16::from_be_bytes(*number))
}

/// Bytes behind a length of one byte.
fn list8<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let [length] = *take(input, 1) else { return None };
    let list = take(input, usize::from(length));
    (list.len() == usize::from(length)).then_some(list)
}

/// Bytes behind a length of two bytes.
fn list16<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(number(input)?);
    let list = take(input, length);
    (list.len() == length).then_some(list)
}

/// Numbers of two bytes, GREASE left out.
fn numbers(bytes: &[u8]) -> Vec<u16> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| u16::from_be_bytes(*pair)).filter(|number| !is_grease(*number)).collect()
}

/// `4-5-10`, GREASE left out by the caller.
fn decimal(text: &mut String, numbers: impl IntoIterator<Item = u16>) {
    for (at, number) in numbers.into_iter().enumerate() {
        let separator = if at == 0 { "" } else { "-" };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{number}");
    }
}

/// `002f,0035`
fn hexadecimal(numbers: &[u16]) -> String {
    let mut text = String::with_capacity(numbers.len().saturating_mul(5));
    for (at, number) in numbers.iter().enumerate() {
        let separator = if at == 0 { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{number:04x}");
    }
    text
}

/// The first twelve digits of the SHA-256, zeros for nothing.
fn shortened(text: &str) -> String {
    if text.is_empty() {
        return String::from("000000000000");
    }
    hex(Sha256::digest(text).get(..6).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello body: version, random, session identifier, suites, null compression, extensions.
    fn body(version: u16, suites: &[u16], extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend(((suites.len() * 2) as u16).to_be_bytes());
        suites.iter().for_each(|suite| body.extend(suite.to_be_bytes()));
        body.extend([1, 0]);
        let mut list = Vec::new();
        for (kind, data) in extensions {
            list.extend(kind.to_be_bytes());
            list.extend((data.len() as u16).to_be_bytes());
            list.extend(*data);
        }
        if !extensions.is_empty() {
            body.extend((list.len() as u16).to_be_bytes());
            body.extend(list);
        }
        body
    }

    /// The example of FoxIO's `technical_details/JA4.md`, whose hashes it spells out.
    #[test]
    fn the_example_of_the_specification_is_met() {
        let suites = [
            0x5a5a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
            0x009c, 0x009d, 0x002f, 0x0035,
        ];
        let signatures: &[u8] = &[0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1];
        let kinds = [
            0xbaba, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012,
            0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
        ];
        let extensions: Vec<(u16, &[u8])> = kinds
            .iter()
            .map(|kind| {
                let data: &[u8] = match *kind {
                    13 => signatures,
                    16 => &[0, 12, 2, b'h', b'2', 8, b'h', b't', b't', b'p', b'/', b'1', b'.', b'1'],
                    43 => &[6, 0x3a, 0x3a, 3, 4, 3, 3],
                    _ => &[],
                };
                (*kind, data)
            })
            .collect();
        let hello = body(0x0303, &suites, &extensions);
        let found = client(Over::Tcp, &hello).unwrap();
        assert_eq!(&*found.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(&*client(Over::Quic, &hello).unwrap().ja4, "q13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    /// <https://github.com/salesforce/ja3>: the string and its MD5 in the README.
    #[test]
    fn the_examples_of_ja3_are_met() {
        // 769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0
        let hello = body(
            0x0301,
            &[47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
            &[(0, &[]), (10, &[0, 6, 0, 23, 0, 24, 0, 25]), (11, &[1, 0])],
        );
        assert_eq!(&*client(Over::Tcp, &hello).unwrap().ja3, "ada70206e40642a3e4461f35503241d5");
        // 769,4-5-10-9-100-98-3-6-19-18-99,,,
        let hello = body(0x0301, &[4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], &[]);
        assert_eq!(&*client(Over::Tcp, &hello).unwrap().ja3, "de350869b8c85de67a350c8d186f11e6");
    }

    #[test]
    fn what_is_missing_has_its_own_signs() {
        let none = client(Over::Tcp, &body(0x0300, &[], &[])).unwrap();
        assert_eq!(&*none.ja4, "ts3i000000_000000000000_000000000000");
        let alpn = |name: &[u8]| {
            let list = [&[0, name.len() as u8 + 1, name.len() as u8], name].concat();
            client(Over::Tcp, &body(0x0303, &[1], &[(16, &list)])).unwrap().ja4[8..10].to_owned()
        };
        // The table of the specification.
        assert_eq!(alpn(b"h"), "hh");
        assert_eq!(alpn(&[0xab]), "ab");
        assert_eq!(alpn(&[0xab, 0xcd]), "ad");
        assert_eq!(alpn(&[0x30, 0xab]), "3b");
        assert_eq!(alpn(&[0x30, 0x31, 0xab, 0xcd]), "3d");
        assert_eq!(alpn(&[0x30, 0xab, 0xcd, 0x31]), "01");
        assert_eq!(alpn(b""), "00");
    }

    #[test]
    fn a_dtls_hello_counts_downwards() {
        let hello = body(0xfefd, &[0xc02b], &[(43, &[4, 0xfe, 0xfc, 0xfe, 0xfd])]);
        assert!(client(Over::Dtls, &hello).unwrap().ja4.starts_with("dd3i0101"));
    }

    #[test]
    fn every_cut_gives_none_or_another_and_never_panics() {
        let hello = body(0x0303, &[1, 2], &[(0, &[]), (10, &[0, 2, 0, 23])]);
        for length in 0..hello.len() {
            let cut = client(Over::Tcp, &hello[..length]);
            assert_eq!(
                cut.is_some(),
                length == 43,
                "only the hello without extensions is whole, not {length}"
            );
            let _ = (client(Over::Dtls, &hello[..length]), server(&hello[..length]));
        }
    }

    #[test]
    fn a_server_is_named_by_its_choice() {
        // 769,47,65281: version, suite, renegotiation_info.
        let mut hello = 0x0301_u16.to_be_bytes().to_vec();
        hello.extend([9; 32]);
        hello.extend([0, 0, 47, 0, 0, 5, 0xff, 1, 0, 1, 0]);
        assert_eq!(*server(&hello).unwrap(), hex(&Md5::digest("769,47,65281")));
        assert_eq!(server(&hello[..40]), None);
        // Draft 16, as tshark writes it: 32528,4867,13-40.
        let mut hello = 0x7f10_u16.to_be_bytes().to_vec();
        hello.extend([9; 32]);
        hello.extend([0x13, 3, 0, 8, 0, 13, 0, 0, 0, 40, 0, 0]);
        assert_eq!(&*server(&hello).unwrap(), "ddc938d7dbdf21719feb5ed34c1d267d");
    }
}
