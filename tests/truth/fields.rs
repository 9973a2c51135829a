//! Proxies, messaging, SSH and automation against `fields.csv`, which `fields.py` made with tshark 4.0.17: the
//! distinct values of each field by flow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use wireclaim::model::{Flow, Transport};

use super::case::Case;
use super::ledger::Ledger;
use super::support;

/// What there is to compare, in order.
const FACTS: &[&str] = &[
    "bacnet.acknowledged",
    "bacnet.confirmed",
    "bacnet.function",
    "bacnet.unconfirmed",
    "bacnet.vendor",
    "coap.code",
    "coap.path",
    "dnp3.request",
    "dnp3.response",
    "enip.command",
    "enip.product",
    "iec104.cause",
    "iec104.control",
    "iec104.type",
    "lon-ip852.packet",
    "modbus.exception",
    "modbus.request",
    "modbus.unit",
    "opcua.endpoint",
    "opcua.security_mode",
    "opcua.security_policy",
    "s7comm.function",
    "socks.method",
    "socks.target",
    "ssh.client_host_keys",
    "ssh.client_kex",
    "ssh.server_host_keys",
    "ssh.server_kex",
];

/// Values by capture, then by fact and flow.
type Table = BTreeMap<String, BTreeMap<(&'static str, String), BTreeSet<String>>>;

static THEIRS: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::new();
    for row in support::csv(include_str!("fields.csv")) {
        let fact = FACTS.iter().find(|fact| **fact == row["fact"]).expect("a fact that is compared");
        let values = row["values"].split(';').map(str::to_owned).collect();
        table.entry(row["capture"].clone()).or_default().insert((*fact, row["flow"].clone()), values);
    }
    table
});

pub(crate) fn compare(case: &Case, ledger: &mut Ledger) {
    let nothing = BTreeMap::new();
    let theirs = THEIRS.get(&case.name).unwrap_or(&nothing);
    let mut ours: BTreeMap<(&'static str, String), BTreeSet<String>> = BTreeMap::new();
    for (_, flow) in case.flows() {
        let key = key(flow);
        for fact in &flow.facts {
            if let Some((fact, value)) = as_theirs(fact.field.name, &fact.value.to_string()) {
                ours.entry((fact, key.clone())).or_default().insert(value);
            }
        }
    }
    let shown = |values: Option<&BTreeSet<String>>| -> String {
        values
            .map(|values| values.iter().map(String::as_str).collect::<Vec<_>>().join(";"))
            .unwrap_or_default()
    };
    let all: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    for key in all {
        ledger.compare(key.0, &key.1, &shown(theirs.get(key)), &shown(ours.get(key)));
    }
}

/// Transport and the two ends, in order of their text.
fn key(flow: &Flow) -> String {
    let end = |end: wireclaim::model::Endpoint| format!("{}:{}", end.ip, end.port);
    let mut ends = [end(flow.key.orig), end(flow.key.resp)];
    ends.sort();
    let transport = if flow.key.transport == Transport::Tcp { "tcp" } else { "udp" };
    format!("{transport} {} {}", ends[0], ends[1])
}

/// A fact of ours as tshark names and writes it; `None` if it is not compared.
fn as_theirs(name: &str, value: &str) -> Option<(&'static str, String)> {
    let number = |words: &[&str]| {
        let place = words.iter().position(|word| *word == value);
        place.map_or_else(|| value.to_owned(), |place| place.to_string())
    };
    let (name, value) = match name {
        "coap.empty" => ("coap.code", String::from("0")),
        "coap.request" => {
            ("coap.code", number(&["", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"]))
        }
        "coap.response" => {
            let (class, detail) = value.split_once('.')?;
            let number = class.parse::<u32>().ok()? * 32 + detail.parse::<u32>().ok()?;
            ("coap.code", number.to_string())
        }
        "iec104.control" => {
            let words =
                ["startdt-act", "startdt-con", "stopdt-act", "stopdt-con", "testfr-act", "testfr-con"];
            let bit = words.iter().position(|word| *word == value)?;
            (name, (1_u32 << bit).to_string())
        }
        "lon-ip852.packet" => (name, number(&["", "data"])),
        "opcua.security_mode" => (name, number(&["invalid", "none", "sign", "sign-and-encrypt"])),
        "socks.method" => (name, number(&["none", "gssapi", "user-password"])),
        // Only names, and without the port.
        "socks.target" => {
            let (host, _) = value.rsplit_once(':')?;
            let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
            (name, Some(host).filter(|_| !is_address)?.to_owned())
        }
        _ => (name, value.to_owned()),
    };
    FACTS.iter().find(|fact| **fact == name).map(|fact| (*fact, value))
}
