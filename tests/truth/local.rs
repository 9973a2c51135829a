//! Names and devices on the link: the NetBIOS name service, SSDP, multicast DNS, LLMNR, DHCP, LLDP, ARP, router
//! advertisements, EDNS, and what NTP is used for besides the time. `local.csv` is what tshark sees, as `local.py` wrote
//! it down.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use wireclaim::model::observation::TraitKind;

use super::case::{Case, Row};
use super::ledger::Ledger;
use super::support;

/// Facts of flows that are compared by value, with how often each was seen.
const FACTS: &[&str] = &[
    "dhcp.address",
    "dhcp.host_name",
    "dhcp.message",
    "dhcp.mud_url",
    "dhcp.requested_address",
    "dhcp.server",
    "dhcp.vendor_class",
    "dhcpv6.address",
    "dhcpv6.message",
    "dhcpv6.mud_url",
    "dns.edns_option",
    "dns.edns_server_size",
    "dns.edns_size",
    "llmnr.query",
    "mdns.instance",
    "mdns.query",
    "nbns.message",
    "nbns.name",
    "nbns.query",
    "ntp.control",
    "ntp.extension",
    "ntp.private",
    "ssdp.location",
    "ssdp.message",
    "ssdp.server",
    "ssdp.target",
    "ssdp.user_agent",
];

/// Traits of hosts that are compared once each.
const TRAITS: &[&str] =
    &["lldp.chassis", "lldp.description", "lldp.mud_url", "lldp.name", "neighbour", "resolver"];

pub(crate) fn compare(case: &Case, ledger: &mut Ledger) {
    let mut told: BTreeMap<(&'static str, String), [u64; 2]> = BTreeMap::new();
    for row in ROWS.iter().filter(|row| row["capture"] == case.name) {
        let known = FACTS.iter().chain(TRAITS).find(|fact| **fact == row["fact"]);
        let fact = known.unwrap_or_else(|| panic!("{} is compared", row["fact"]));
        told.entry((fact, row["value"].clone())).or_default()[0] = row["count"].parse().unwrap();
    }
    for (_, flow) in case.flows() {
        for fact in &flow.facts {
            if let Some(known) = FACTS.iter().find(|known| **known == fact.field.name) {
                told.entry((known, shown(&fact.value.to_string()))).or_default()[1] += fact.evidence.count;
            }
        }
    }
    for item in &case.analysis.hosts {
        let (fact, text) = match (&item.kind, item.mac, item.ip) {
            (TraitKind::Announced(text), Some(_), None) => ("lldp.name", text.to_string()),
            (TraitKind::Description(text), Some(_), None) => ("lldp.description", text.to_string()),
            (TraitKind::Chassis(text), ..) => ("lldp.chassis", text.to_string()),
            (TraitKind::Neighbour, _, Some(ip)) if ip.is_ipv4() => ("neighbour", ip.to_string()),
            (TraitKind::DnsServer(ip), None, None) => ("resolver", ip.to_string()),
            _ => continue,
        };
        let key = item.mac.map_or_else(|| shown(&text), |mac| format!("{mac} {}", shown(&text)));
        told.entry((fact, key)).or_default()[1] = 1;
    }
    for ((fact, value), counts) in told {
        let [theirs, ours] = counts.map(|count| if count == 0 { String::new() } else { count.to_string() });
        ledger.compare(fact, &value, &theirs, &ours);
    }
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| support::csv(include_str!("local.csv")));

/// Control characters in the way that tshark writes them in names.
fn shown(value: &str) -> String {
    let one = |c: char| if c.is_control() { format!("<{:02x}>", u32::from(c)) } else { c.to_string() };
    value.chars().map(one).collect()
}
