//! A 5-tuple without its transport, kept small: most are IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{Direction, Endpoint, FlowKey, Transport};

/// The two ends of a flow.
#[derive(Debug)]
pub(super) enum Ends {
    V4 { orig: u32, resp: u32, orig_port: u16, resp_port: u16 },
    V6(Box<V6>),
}

#[derive(Debug)]
pub(super) struct V6 {
    orig: Ipv6Addr,
    resp: Ipv6Addr,
    orig_port: u16,
    resp_port: u16,
}

impl Ends {
    pub(super) fn new(key: &FlowKey) -> Self {
        let (orig_port, resp_port) = (key.orig.port, key.resp.port);
        match (key.orig.ip, key.resp.ip) {
            (IpAddr::V4(orig), IpAddr::V4(resp)) => {
                Self::V4 { orig: orig.to_bits(), resp: resp.to_bits(), orig_port, resp_port }
            }
            (orig, resp) => {
                Self::V6(Box::new(V6 { orig: as_v6(orig), resp: as_v6(resp), orig_port, resp_port }))
            }
        }
    }

    /// With the transport and the roles.
    pub(super) fn key(&self, transport: Transport) -> FlowKey {
        let end = |ip, port| Endpoint { ip, port };
        let (orig, resp) = match self {
            Self::V4 { orig, resp, orig_port, resp_port } => (
                end(IpAddr::V4(Ipv4Addr::from_bits(*orig)), *orig_port),
                end(IpAddr::V4(Ipv4Addr::from_bits(*resp)), *resp_port),
            ),
            Self::V6(ends) => {
                (end(IpAddr::V6(ends.orig), ends.orig_port), end(IpAddr::V6(ends.resp), ends.resp_port))
            }
        };
        FlowKey { transport, orig, resp }
    }

    /// Which way a packet with `key` travels between these ends; `None` if it does not. From an endpoint to itself
    /// there is only one direction.
    pub(super) fn direction(&self, key: &FlowKey) -> Option<Direction> {
        let (forth, back) = match (self, key.orig.ip, key.resp.ip) {
            (Self::V4 { orig, resp, orig_port, resp_port }, IpAddr::V4(src), IpAddr::V4(dst)) => {
                let own = (*orig, *orig_port, *resp, *resp_port);
                let (src, dst) = (src.to_bits(), dst.to_bits());
                (
                    own == (src, key.orig.port, dst, key.resp.port),
                    own == (dst, key.resp.port, src, key.orig.port),
                )
            }
            (Self::V6(ends), IpAddr::V6(src), IpAddr::V6(dst)) => {
                let own = (ends.orig, ends.orig_port, ends.resp, ends.resp_port);
                (
                    own == (src, key.orig.port, dst, key.resp.port),
                    own == (dst, key.resp.port, src, key.orig.port),
                )
            }
            _ => return None,
        };
        if forth {
            Some(Direction::OrigToResp)
        } else if back {
            Some(Direction::RespToOrig)
        } else {
            None
        }
    }

    /// Exchanges the roles.
    pub(super) fn swap(&mut self) {
        match self {
            Self::V4 { orig, resp, orig_port, resp_port } => {
                std::mem::swap(orig, resp);
                std::mem::swap(orig_port, resp_port);
            }
            Self::V6(ends) => {
                let V6 { orig, resp, orig_port, resp_port } = ends.as_mut();
                std::mem::swap(orig, resp);
                std::mem::swap(orig_port, resp_port);
            }
        }
    }
}

/// An IP packet has both addresses of one version, so this changes nothing.
fn as_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_5_tuple_comes_back_and_knows_both_directions() {
        for (orig, resp) in [("192.0.2.1:1025", "192.0.2.2:443"), ("[2001:db8::1]:5000", "[2001:db8::2]:53")]
        {
            let end = |text: &str| {
                let address: std::net::SocketAddr = text.parse().unwrap();
                Endpoint { ip: address.ip(), port: address.port() }
            };
            let key = FlowKey { transport: Transport::Udp, orig: end(orig), resp: end(resp) };
            let mut ends = Ends::new(&key);
            assert_eq!(ends.key(Transport::Udp), key);
            assert_eq!(ends.direction(&key), Some(Direction::OrigToResp));
            assert_eq!(ends.direction(&key.reversed()), Some(Direction::RespToOrig));
            let mut other = key;
            other.resp.port ^= 1;
            assert_eq!(ends.direction(&other), None);
            ends.swap();
            assert_eq!(ends.key(Transport::Udp), key.reversed());
        }
        assert_eq!(size_of::<Ends>(), 16);
    }
}
