//! Link and transport addresses.

use std::fmt;
use std::net::IpAddr;

/// An IEEE 802 MAC address, in wire order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Whether the group bit is set: multicast or broadcast, so nobody's own address.
    pub fn is_group(self) -> bool {
        self.0[0] & 0x01 != 0
    }

    /// The first three bytes: who the address block was assigned to, unless it is locally administered.
    pub fn oui(self) -> [u8; 3] {
        [self.0[0], self.0[1], self.0[2]]
    }
}

/// Lower-case hex with colons: `02:00:5e:10:00:01`.
impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // DHCP says one in each message: formatting byte by byte costs twenty times as much.
        let digit = |four: u8| if four < 10 { b'0' + four } else { b'a' + (four - 10) };
        let mut text = [b':'; 17];
        for (pair, byte) in text.chunks_mut(3).zip(self.0) {
            if let [high, low, ..] = pair {
                (*high, *low) = (digit(byte >> 4), digit(byte & 0xf));
            }
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// One end of a flow. `port` is zero for transports without ports (ICMP carries its identifier
/// there, so that two pings are two flows).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Network address; IPv4-mapped IPv6 addresses stay IPv6, as on the wire.
    pub ip: IpAddr,
    /// Transport port.
    pub port: u16,
}

/// `192.0.2.1:443`, `[2001:db8::1]:443`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.port),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

/// How far an address reaches (RFC 6890 and the IANA special-purpose registries), as far as a
/// judgement depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `0.0.0.0`, `::`: a host that has no address yet.
    Unspecified,
    /// Group addresses, and the limited broadcast.
    Group,
    /// This link only: 169.254/16, fe80::/10.
    Link,
    /// Not routed in the Internet: RFC 1918, RFC 6598, unique local, loopback, documentation, benchmarking.
    Private,
    /// Everything else.
    Global,
}

/// The scope of `ip`.
pub fn scope(ip: IpAddr) -> Scope {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            if v4.is_unspecified() {
                Scope::Unspecified
            } else if v4.is_multicast() || v4.is_broadcast() {
                Scope::Group
            } else if v4.is_link_local() {
                Scope::Link
            } else if v4.is_private()
                || v4.is_loopback()
                || v4.is_documentation()
                || (a == 100 && (b & 0xc0) == 64)
                || (a == 198 && (b & 0xfe) == 18)
                || (a == 192 && b == 0 && c == 0)
            {
                Scope::Private
            } else {
                Scope::Global
            }
        }
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            if let Some(v4) = v6.to_ipv4_mapped() {
                scope(IpAddr::V4(v4))
            } else if v6.is_unspecified() {
                Scope::Unspecified
            } else if v6.is_multicast() {
                Scope::Group
            } else if (a & 0xffc0) == 0xfe80 {
                Scope::Link
            } else if (a & 0xfe00) == 0xfc00 || v6.is_loopback() || (a == 0x2001 && b == 0x0db8) {
                Scope::Private
            } else {
                Scope::Global
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_follow_the_special_purpose_registries() {
        for (ip, expected) in [
            ("0.0.0.0", Scope::Unspecified),
            ("255.255.255.255", Scope::Group),
            ("224.0.0.251", Scope::Group),
            ("169.254.1.1", Scope::Link),
            ("172.31.255.255", Scope::Private),
            ("172.32.0.0", Scope::Global),
            ("100.127.0.1", Scope::Private),
            ("100.128.0.1", Scope::Global),
            ("203.0.113.7", Scope::Private),
            ("8.8.8.8", Scope::Global),
            ("fe80::1", Scope::Link),
            ("fd00::1", Scope::Private),
            ("ff02::fb", Scope::Group),
            ("2001:db8::1", Scope::Private),
            ("2606:4700::1", Scope::Global),
            ("::ffff:10.0.0.1", Scope::Private),
        ] {
            assert_eq!(scope(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
