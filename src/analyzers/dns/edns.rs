//! OPT records (RFC 6891): what asker and server say of themselves, beside the question.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::be_u16;

use super::message::fixed;
use crate::model::Value;

/// What a record says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Edns {
    /// UDP payload that the sender is able to receive.
    pub(super) size: u16,
    /// Upper bits of the response code.
    pub(super) high_rcode: u8,
    /// Version other than 0, which nobody has defined.
    pub(super) version: u8,
    /// The sender wants DNSSEC records (RFC 3225).
    pub(super) dnssec_ok: bool,
    /// Codes of the options, in order, at most [`MAX_OPTIONS`].
    pub(super) options: Vec<u16>,
    /// Network that the answer is for, and its length (RFC 7871).
    pub(super) subnet: Option<(IpAddr, u8)>,
    /// Why the answer is what it is (RFC 8914), at most [`MAX_OPTIONS`].
    pub(super) errors: Vec<u16>,
    /// Options end inside one, or one has a content that its kind cannot have.
    pub(super) malformed: bool,
}

impl Edns {
    /// Reads the fields that a record has class and lifetime for, and its options as far as they can be read.
    pub(super) fn read(class: u16, ttl: u32, content: &[u8]) -> Self {
        let [high_rcode, version, flags, _] = ttl.to_be_bytes();
        let dnssec_ok = flags & 0x80 != 0;
        let mut edns = Self { size: class, high_rcode, version, dnssec_ok, ..Self::default() };
        edns.malformed = edns.read_options(content).is_none();
        edns
    }

    fn read_options(&mut self, mut content: &[u8]) -> Option<()> {
        while !content.is_empty() {
            let (rest, (code, length)) = fixed((be_u16, be_u16).parse(content)).ok()?;
            let (rest, value) = fixed(take(length)(rest)).ok()?;
            if self.options.len() < MAX_OPTIONS {
                self.options.push(code);
                match code {
                    CLIENT_SUBNET => self.subnet = self.subnet.or(Some(subnet(value)?)),
                    EXTENDED_ERROR => self.errors.push(u16::from_be_bytes(*value.first_chunk::<2>()?)),
                    _ => {}
                }
            }
            content = rest;
        }
        Some(())
    }
}

/// Family, two lengths of prefix, and as many bytes of the address as the first needs (RFC 7871 section 6).
fn subnet(value: &[u8]) -> Option<(IpAddr, u8)> {
    let (&[family_high, family_low, length, _], address) = value.split_first_chunk::<4>()?;
    let fill = |octets: &mut [u8]| {
        let fits = address.len() <= octets.len() && usize::from(length) <= octets.len().saturating_mul(8);
        octets.iter_mut().zip(address).for_each(|(octet, byte)| *octet = *byte);
        fits
    };
    let ip = match [family_high, family_low] {
        [0, 1] => {
            let mut octets = [0; 4];
            fill(&mut octets).then(|| IpAddr::from(Ipv4Addr::from(octets)))
        }
        [0, 2] => {
            let mut octets = [0; 16];
            fill(&mut octets).then(|| IpAddr::from(Ipv6Addr::from(octets)))
        }
        _ => None,
    };
    ip.map(|ip| (ip, length))
}

/// What an option is called, or its number.
pub(super) fn option_value(code: u16) -> Value {
    let known = OPTIONS.iter().find(|(number, _)| *number == code);
    known.map_or(Value::Uint(code.into()), |(_, word)| Value::Word(word))
}

/// What an extended error is called, or its number.
pub(super) fn error_value(code: u16) -> Value {
    ERRORS.get(usize::from(code)).map_or(Value::Uint(code.into()), |word| Value::Word(word))
}

/// Options kept of one record.
const MAX_OPTIONS: usize = 32;

const CLIENT_SUBNET: u16 = 8;
const EXTENDED_ERROR: u16 = 15;

/// IANA "DNS EDNS0 Option Codes (OPT)".
const OPTIONS: [(u16, &str); 18] = [
    (1, "llq"),
    (2, "update-lease"),
    (3, "nsid"),
    (5, "dau"),
    (6, "dhu"),
    (7, "n3u"),
    (CLIENT_SUBNET, "client-subnet"),
    (9, "expire"),
    (10, "cookie"),
    (11, "tcp-keepalive"),
    (12, "padding"),
    (13, "chain"),
    (14, "key-tag"),
    (EXTENDED_ERROR, "extended-error"),
    (16, "client-tag"),
    (17, "server-tag"),
    (18, "report-channel"),
    (19, "zoneversion"),
];

/// IANA "Extended DNS Error Codes", from 0.
const ERRORS: [&str; 25] = [
    "other",
    "unsupported-dnskey-algorithm",
    "unsupported-ds-digest-type",
    "stale-answer",
    "forged-answer",
    "dnssec-indeterminate",
    "dnssec-bogus",
    "signature-expired",
    "signature-not-yet-valid",
    "dnskey-missing",
    "rrsigs-missing",
    "no-zone-key-bit-set",
    "nsec-missing",
    "cached-error",
    "not-ready",
    "blocked",
    "censored",
    "filtered",
    "prohibited",
    "stale-nxdomain-answer",
    "not-authoritative",
    "not-supported",
    "no-reachable-authority",
    "network-error",
    "invalid-data",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// As `dig +subnet=192.0.2.0/24 +cookie +dnssec` sends it, with an extended error 15 (Blocked) behind.
    const CONTENT: [u8; 29] = [
        0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2, // client subnet
        0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, // cookie
        0, 15, 0, 2, 0, 15, // extended error
    ];

    #[test]
    fn fields_and_options_are_read() {
        let edns = Edns::read(1232, 0x0100_8000, &CONTENT);
        assert_eq!((edns.size, edns.high_rcode, edns.version, edns.dnssec_ok), (1232, 1, 0, true));
        assert_eq!(edns.options, [8, 10, 15]);
        assert_eq!(edns.subnet, Some(("192.0.2.0".parse().unwrap(), 24)));
        assert_eq!(edns.errors, [15]);
        assert_eq!(error_value(15), Value::Word("blocked"));
        assert_eq!(option_value(12), Value::Word("padding"));
        assert_eq!((error_value(25), option_value(65001)), (Value::Uint(25), Value::Uint(65001)));
    }

    #[test]
    fn every_shorter_length_is_a_flaw_unless_options_end_there() {
        for end in 0..CONTENT.len() {
            let read = Edns::read(512, 0x0100_0000, &CONTENT[..end]);
            assert_eq!(read.malformed, ![0, 11, 23].contains(&end), "{end}");
            assert_eq!((read.size, read.high_rcode), (512, 1), "{end}");
        }
    }

    #[test]
    fn subnets_that_do_not_fit_are_refused() {
        for value in [
            [0, 1, 33, 0].as_slice(),
            &[0, 1, 24, 0, 1, 2, 3, 4, 5],
            &[0, 2, 129, 0],
            &[0, 3, 0, 0],
            &[0, 1, 24],
        ] {
            assert_eq!(subnet(value), None, "{value:?}");
        }
        assert_eq!(subnet(&[0, 1, 0, 0]), Some(("0.0.0.0".parse().unwrap(), 0)));
        let v6 = [0, 2, 32, 0, 0x20, 0x01, 0x0d, 0xb8];
        assert_eq!(subnet(&v6), Some(("2001:db8::".parse().unwrap(), 32)));
    }

    #[test]
    fn options_are_bounded() {
        let many = [0, 12, 0, 0].repeat(1000);
        assert_eq!(Edns::read(512, 0, &many).options.len(), MAX_OPTIONS);
    }
}
