//! Hashing of 5-tuples, the same for both directions.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use crate::model::{Endpoint, FlowKey, Transport};

/// Which virtual shard a flow belongs to: modulo the number of shards. The same for both directions of
/// a 5-tuple, in every process and on every machine.
pub fn shard_hash(key: &FlowKey) -> u64 {
    let ends = fixed(key.orig).wrapping_add(fixed(key.resp));
    mix(ends ^ transport_number(key.transport))
}

fn fixed(end: Endpoint) -> u64 {
    let bits = ip_bits(end.ip);
    let upper = (bits >> 64) as u64;
    let lower = bits as u64 ^ (u64::from(end.port) << 40);
    if upper == 0 { mix(lower) } else { mix(lower ^ mix(upper)) }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): every input bit reaches every output bit.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Finds flows in a table. Seeded differently in each run, so that nobody can choose addresses that collide.
#[derive(Debug, Default)]
pub struct KeyHasher(foldhash::fast::RandomState);

impl KeyHasher {
    /// The same for both directions of a 5-tuple.
    pub fn hash(&self, key: &FlowKey) -> u32 {
        let mut hasher = self.0.build_hasher();
        let transport = transport_number(key.transport) << 48;
        if let (IpAddr::V4(orig), IpAddr::V4(resp)) = (key.orig.ip, key.resp.ip) {
            let orig = (u64::from(orig.to_bits()) << 16) | u64::from(key.orig.port);
            let resp = (u64::from(resp.to_bits()) << 16) | u64::from(key.resp.port);
            hasher.write_u64(orig.min(resp) | transport);
            hasher.write_u64(orig.max(resp));
        } else {
            let orig = (ip_bits(key.orig.ip), key.orig.port);
            let resp = (ip_bits(key.resp.ip), key.resp.port);
            let (low, high) = if orig <= resp { (orig, resp) } else { (resp, orig) };
            hasher.write_u128(low.0);
            hasher.write_u128(high.0);
            hasher.write_u64(transport | (u64::from(low.1) << 16) | u64::from(high.1));
        }
        let hash = hasher.finish();
        (hash ^ (hash >> 32)) as u32
    }
}

fn ip_bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn transport_number(transport: Transport) -> u64 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
        Transport::Icmp => 1,
        Transport::Icmpv6 => 58,
        // Never equal to a named one, even if the decoder leaves one of those unnamed.
        Transport::Other(number) => 0x100 | u64::from(number),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn key(transport: Transport, orig: &str, resp: &str) -> FlowKey {
        let end = |text: &str| {
            let addr: std::net::SocketAddr = text.parse().unwrap();
            Endpoint { ip: addr.ip(), port: addr.port() }
        };
        FlowKey { transport, orig: end(orig), resp: end(resp) }
    }

    #[test]
    fn both_directions_have_one_hash() {
        let hasher = KeyHasher::default();
        for (orig, resp) in [("192.0.2.1:1025", "192.0.2.2:443"), ("[2001:db8::1]:5000", "[2001:db8::2]:53")]
        {
            let key = key(Transport::Tcp, orig, resp);
            assert_eq!(shard_hash(&key), shard_hash(&key.reversed()));
            assert_eq!(hasher.hash(&key), hasher.hash(&key.reversed()));
            assert_ne!(shard_hash(&key), shard_hash(&FlowKey { transport: Transport::Udp, ..key }));
        }
    }

    #[test]
    fn the_shard_of_a_flow_never_changes() {
        // Results may depend on the number of shards only through what memory pressure sheds, but the
        // value is part of that: it must not move between versions. Computed by hand from the
        // definition: mix(mix(a) + mix(b) ^ 6) with a = ip | port << 40.
        let key = key(Transport::Tcp, "192.0.2.1:1025", "192.0.2.2:443");
        let a = mix(0xc000_0201 | (1025 << 40));
        let b = mix(0xc000_0202 | (443 << 40));
        assert_eq!(shard_hash(&key), mix(a.wrapping_add(b) ^ 6));
        assert_eq!(mix(1), 0x5692_161d_100b_05e5);
    }

    #[test]
    fn neighbouring_flows_spread_over_the_shards() {
        let mut shards = [0_u32; 64];
        let mut hashes = BTreeSet::new();
        for host in 0..16_u32 {
            for port in 0..1024_u32 {
                let key =
                    key(Transport::Tcp, &format!("10.0.0.{host}:{}", 40_000 + port), "198.51.100.7:443");
                hashes.insert(shard_hash(&key));
                shards[(shard_hash(&key) % 64) as usize] += 1;
            }
        }
        assert_eq!(hashes.len(), 16 * 1024);
        assert!(shards.iter().all(|count| (176..=336).contains(count)), "{shards:?}");
    }
}
