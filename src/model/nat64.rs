//! IPv6 addresses that stand for IPv4 ones: a network of IPv6 alone reaches IPv4 by them (RFC 6052, RFC 6147).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The name that has IPv4 addresses only, so that an IPv6 one that is answered for it was made up (RFC 7050).
pub const PROBE_NAME: &str = "ipv4only.arpa";

/// What a network puts before an IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nat64Prefix {
    /// With zeros behind the prefix.
    bits: u128,
    /// 32, 40, 48, 56, 64 or 96.
    length: u8,
}

impl Nat64Prefix {
    /// The one that needs no telling: `64:ff9b::/96` (RFC 6052 section 2.1).
    pub const WELL_KNOWN: Self = Self { bits: 0x64_ff9b << 96, length: 96 };

    /// The prefix of an address that was answered for [`PROBE_NAME`]: what is in front of 192.0.0.170 or 192.0.0.171
    /// (RFC 7050 section 3), with zeros behind. There is one such place at most.
    pub fn discovered(address: Ipv6Addr) -> Option<Self> {
        LENGTHS.into_iter().map(|length| Self::of(address, length)).find(|prefix| {
            let v4 = prefix.embedded(address).map(|v4| v4.octets());
            matches!(v4, Some([192, 0, 0, 170 | 171]))
        })
    }

    fn of(address: Ipv6Addr, length: u8) -> Self {
        let rest = u128::MAX.checked_shr(length.into()).unwrap_or(0);
        Self { bits: address.to_bits() & !rest, length }
    }

    /// The IPv4 address that `address` stands for, if it has this prefix.
    pub fn embedded(self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        if Self::of(address, self.length) != self {
            return None;
        }
        let octets = address.octets();
        // The byte after 64 bits is reserved: the IPv4 address goes around it (RFC 6052 section 2.2).
        if self.length < 96 && octets.get(RESERVED) != Some(&0) {
            return None;
        }
        let mut v4 = [0; 4];
        let mut behind = octets.iter().enumerate().skip(usize::from(self.length / 8));
        for slot in &mut v4 {
            *slot = *behind.by_ref().find(|(at, _)| self.length >= 96 || *at != RESERVED)?.1;
        }
        behind.all(|(_, byte)| *byte == 0).then(|| Ipv4Addr::from(v4))
    }

    /// The address that stands for `v4`.
    pub fn with(self, v4: Ipv4Addr) -> Ipv6Addr {
        let mut octets = self.bits.to_be_bytes();
        let start = usize::from(self.length / 8);
        let places = (start..).filter(|at| self.length >= 96 || *at != RESERVED);
        for (at, byte) in places.zip(v4.octets()) {
            if let Some(slot) = octets.get_mut(at) {
                *slot = byte;
            }
        }
        Ipv6Addr::from(octets)
    }
}

/// `64:ff9b::/96`.
impl fmt::Display for Nat64Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv6Addr::from_bits(self.bits), self.length)
    }
}

/// RFC 6052 section 2.2.
const LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// The byte that is zero in all of them but the longest.
const RESERVED: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6052 section 2.4, tables 2 and 3.
    const TABLE: [(&str, &str); 7] = [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
    ];

    #[test]
    fn the_examples_of_rfc_6052_hold() {
        let v4: Ipv4Addr = "192.0.2.33".parse().unwrap();
        for (prefix, address) in TABLE {
            let address: Ipv6Addr = address.parse().unwrap();
            let (_, length) = prefix.split_once('/').unwrap();
            let own = Nat64Prefix::of(address, length.parse().unwrap());
            assert_eq!(own.to_string(), prefix);
            assert_eq!(own.with(v4), address, "{prefix}");
            assert_eq!(own.embedded(address), Some(v4), "{prefix}");
        }
        assert_eq!(Nat64Prefix::WELL_KNOWN.to_string(), "64:ff9b::/96");
        assert_eq!(Nat64Prefix::WELL_KNOWN.embedded("2001:db8::1".parse().unwrap()), None);
    }

    #[test]
    fn prefixes_are_discovered_by_the_one_place_of_the_known_address() {
        for (prefix, address) in TABLE {
            let address: Ipv6Addr = address.parse().unwrap();
            let (_, length) = prefix.split_once('/').unwrap();
            let own = Nat64Prefix::of(address, length.parse().unwrap());
            let answer = own.with("192.0.0.170".parse().unwrap());
            assert_eq!(Nat64Prefix::discovered(answer), Some(own), "{prefix}");
            assert_eq!(Nat64Prefix::discovered(own.with("192.0.0.172".parse().unwrap())), None);
        }
        assert_eq!(Nat64Prefix::discovered("c000:ab::".parse().unwrap()), None);
    }
}
