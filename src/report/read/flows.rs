//! Flow tables read back, and folded into conversations: who spoke with whom, over which transport, to which port. What
//! was spoken is what two tables are compared by.
//!
//! A device is known by its MAC address, so that it may have another address in the next capture; behind a router, whose
//! MAC address stands for many, by its address. The other end is known by its name, else by its address.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::{Cells, Damage, Row, missing_of};
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::text;
use crate::model::text::counted;

/// What is read of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowLine {
    cells: Vec<String>,
}

/// The columns that are read; they were there from the first version on.
pub(super) const COLUMNS: [&str; 12] = [
    "flow_id",
    "first_seen",
    "last_seen",
    "transport",
    "orig_ip",
    "resp_ip",
    "resp_port",
    "resp_name",
    "name_source",
    "orig_mac",
    "resp_mac",
    "service",
];

impl FlowLine {
    fn cell(&self, name: &str) -> &str {
        let at = COLUMNS.iter().position(|column| *column == name);
        at.and_then(|at| self.cells.get(at)).map_or("", String::as_str)
    }

    /// Each end's MAC address with its address.
    fn ends(&self) -> [(&str, &str); 2] {
        [("orig_mac", "orig_ip"), ("resp_mac", "resp_ip")].map(|(mac, ip)| (self.cell(mac), self.cell(ip)))
    }

    /// Its name, else its address.
    fn peer(&self) -> &str {
        match self.cell("resp_name") {
            "" => self.cell("resp_ip"),
            name => name,
        }
    }
}

/// A flow of its cells.
pub(super) fn line(line: u64, cell: &mut Cells<'_>) -> Result<FlowLine, Damage> {
    let mut cells = Vec::with_capacity(COLUMNS.len());
    for column in COLUMNS {
        let found = cell(column)?
            .ok_or_else(|| Damage::new(line, missing_of(column, "flow table", "wireclaim flows")))?;
        cells.push(text::printable(text::uncell(&found)));
    }
    Ok(FlowLine { cells })
}

/// The conversations of two tables, each a row as [`super::super::diff::diff`] compares them: `observed` is what was
/// spoken, `count` how many flows.
pub fn conversations(old: &[FlowLine], new: &[FlowLine]) -> (Vec<Row>, Vec<Row>) {
    let mut routers = routers(old);
    routers.extend(self::routers(new));
    (folded(old, &routers), folded(new, &routers))
}

/// MAC addresses that stand for many: for addresses of more networks than a device has. Of one network it may have had
/// several addresses, one lease after the other.
fn routers(lines: &[FlowLine]) -> BTreeSet<&str> {
    let mut behind: BTreeMap<&str, Networks> = BTreeMap::new();
    for (mac, ip) in lines.iter().flat_map(FlowLine::ends).filter(|(mac, _)| !mac.is_empty()) {
        let (v4, v6) = behind.entry(mac).or_default();
        match ip.parse::<IpAddr>() {
            Ok(IpAddr::V4(bare)) if !bare.is_unspecified() && !bare.is_link_local() => {
                let [a, b, c, _] = bare.octets();
                v4.insert([a, b, c]);
            }
            Ok(IpAddr::V6(bare)) if !bare.is_unspecified() && !bare.is_unicast_link_local() => {
                let [a, b, c, d, ..] = bare.segments();
                v6.insert([a, b, c, d]);
            }
            _ => {}
        }
    }
    let many = |(v4, v6): &Networks| v4.len() > 1 || v6.len() > MOST_NETWORKS;
    behind.into_iter().filter(|(_, known)| many(known)).map(|(mac, _)| mac).collect()
}

/// Networks of IPv4 (/24) and IPv6 (/64).
type Networks = (BTreeSet<[u8; 3]>, BTreeSet<[u16; 4]>);

/// So many IPv6 networks may one device have: a unique local and a global one.
const MOST_NETWORKS: usize = 2;

/// What is known of one conversation.
#[derive(Default)]
struct Conversation<'l> {
    first: Option<&'l FlowLine>,
    first_seen: &'l str,
    last_seen: &'l str,
    services: BTreeSet<&'l str>,
    flows: Vec<&'l str>,
    count: u64,
}

fn folded(lines: &[FlowLine], routers: &BTreeSet<&str>) -> Vec<Row> {
    let mut found: BTreeMap<[&str; 4], Conversation<'_>> = BTreeMap::new();
    for line in lines {
        let device = Some(line.cell("orig_mac")).filter(|mac| !mac.is_empty() && !routers.contains(mac));
        let device = device.unwrap_or_else(|| line.cell("orig_ip"));
        let key = [device, line.peer(), line.cell("transport"), line.cell("resp_port")];
        let (first_seen, last_seen) = (line.cell("first_seen"), line.cell("last_seen"));
        let known = found.entry(key).or_default();
        known.first.get_or_insert(line);
        // Times are of one length and zone: their order is that of their letters.
        if known.count == 0 || first_seen < known.first_seen {
            known.first_seen = first_seen;
        }
        known.last_seen = known.last_seen.max(last_seen);
        known.services.extend(Some(line.cell("service")).filter(|service| !service.is_empty()));
        if known.flows.len() < MOST_FRAMES {
            known.flows.push(line.cell("flow_id"));
        }
        known.count = known.count.saturating_add(1);
    }
    found.into_iter().filter_map(|(key, known)| row(key, &known)).collect()
}

/// First frames that are named as evidence.
const MOST_FRAMES: usize = 8;

fn row(key: [&str; 4], known: &Conversation<'_>) -> Option<Row> {
    let first = known.first?;
    let [device, peer, transport, port] = key;
    let services: Vec<&str> = known.services.iter().copied().collect();
    let spoken = services.join(", ");
    let place = if port.is_empty() { transport.to_owned() } else { format!("{port}/{transport}") };
    let what = if spoken.is_empty() { String::new() } else { format!(" {spoken}") };
    let message = format!(
        "{} spoke{what} with {peer} on {place} ({})",
        first.cell("orig_ip"),
        counted(known.count, "flow")
    );
    let own = |text: &str| text.to_owned();
    let (status, severity, confidence) = (Status::Drift, Severity::Info, Confidence::Strong);
    let cells = [
        ("finding_id", id(key)),
        ("code", own(CODE)),
        ("status", status.to_string()),
        ("severity", severity.to_string()),
        ("confidence", confidence.to_string()),
        ("device", own(device)),
        ("device_ip", own(first.cell("orig_ip"))),
        ("device_mac", own(first.cell("orig_mac"))),
        ("transport", own(transport)),
        ("service", spoken.clone()),
        ("peer_name", own(first.cell("resp_name"))),
        ("name_source", own(first.cell("name_source"))),
        ("peer_ip", own(first.cell("resp_ip"))),
        ("port", own(port)),
        ("observed", spoken),
        ("first_seen", own(known.first_seen)),
        ("last_seen", own(known.last_seen)),
        ("count", known.count.to_string()),
        ("evidence", known.flows.join(";")),
        ("message", message),
    ];
    Some(Row::of_cells(&cells, (status, severity, confidence), known.count))
}

/// What the column `code` says of a conversation.
const CODE: &str = "conversation";

/// The same in every table for the same conversation.
fn id(key: [&str; 4]) -> String {
    let mut hash = Sha256::new();
    for part in key {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut out = String::with_capacity(16);
    for byte in hash.finalize().iter().take(8) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::diff::{Fate, diff};

    /// A flow of these cells, in the order of [`COLUMNS`] from `orig_mac` on by name.
    fn flow(mac: &str, ip: &str, peer: &str, port: u16, service: &str) -> FlowLine {
        let name = if peer.parse::<IpAddr>().is_ok() { "" } else { peer };
        let peer_ip = if name.is_empty() { peer } else { "198.51.100.7" };
        let cells = [
            "a.pcap#1",
            "2026-01-01T00:00:00.000000Z",
            "2026-01-01T00:00:01.000000Z",
            "tcp",
            ip,
            peer_ip,
            &port.to_string(),
            name,
            "dns",
            mac,
            "02:00:00:00:00:01",
            service,
        ];
        FlowLine { cells: cells.map(str::to_owned).to_vec() }
    }

    fn fates(old: &[FlowLine], new: &[FlowLine]) -> Vec<(Fate, String, String)> {
        let (old, new) = conversations(old, new);
        let told = |change: crate::report::diff::Change| {
            (change.fate, change.row.cell("message").to_owned(), change.what_changed())
        };
        diff(old, new).into_iter().map(told).collect()
    }

    #[test]
    fn a_device_with_another_address_is_the_same_and_another_service_is_a_change() {
        let old = [flow("02:00:00:00:00:09", "192.0.2.9", "a.example", 443, "tls")];
        let new = [flow("02:00:00:00:00:09", "192.0.2.10", "a.example", 443, "http")];
        assert_eq!(
            fates(&old, &new),
            [(
                Fate::Changed,
                "192.0.2.10 spoke http with a.example on 443/tcp (1 flow)".into(),
                "observed: tls -> http".into()
            )]
        );
        assert_eq!(fates(&old, &old)[0].0, Fate::Same);
    }

    #[test]
    fn flows_of_one_conversation_are_one_row_and_ten_times_as_many_are_a_change() {
        let one = flow("02:00:00:00:00:09", "192.0.2.9", "198.51.100.8", 80, "");
        let told = fates(std::slice::from_ref(&one), &vec![one.clone(); 10]);
        assert_eq!(
            told,
            [(
                Fate::Changed,
                "192.0.2.9 spoke with 198.51.100.8 on 80/tcp (10 flows)".into(),
                "count: 1 -> 10".into()
            )]
        );
        let (rows, _) = conversations(&vec![one; 10], &[]);
        assert_eq!(rows[0].frames().map(|found| found.len()), Some(8));
    }

    #[test]
    fn who_comes_through_a_router_is_known_by_the_address() {
        let inbound = |ip: &str| flow("02:00:00:00:00:aa", ip, "a.example", 22, "ssh");
        let both = [inbound("198.51.100.1"), inbound("203.0.113.2")];
        let told = fates(&both, &both[..1]);
        assert_eq!(told.iter().map(|(fate, ..)| *fate).collect::<Vec<_>>(), [Fate::Gone, Fate::Same]);
        assert!(told[0].1.starts_with("203.0.113.2 spoke"), "{told:?}");
        // Two leases in one capture make no router, and the device is the same in the next.
        let leased = |ip: &str| flow("02:00:00:00:00:09", ip, "a.example", 443, "tls");
        let told = fates(&[leased("192.0.2.7"), leased("192.0.2.8")], &[leased("192.0.2.9")]);
        assert_eq!(told.iter().map(|(fate, ..)| *fate).collect::<Vec<_>>(), [Fate::Same]);
        // What a device sends before it has an address makes it no router.
        let early = [flow("02:00:00:00:00:09", "0.0.0.0", "255.255.255.255", 67, "dhcp"), both[0].clone()];
        assert!(!routers(&early).contains("02:00:00:00:00:09"));
    }
}
