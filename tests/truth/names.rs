//! Which names DNS, mDNS and LLMNR give to addresses, and whom they tell.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use wireclaim::model::NameSource;

use super::case::{Case, Row};
use super::ledger::Ledger;

pub(crate) fn compare(case: &Case, ledger: &mut Ledger) {
    let (theirs, ours) = (theirs(&case.table("dns")), ours(case));
    for told in theirs.union(&ours) {
        let side = |set: &BTreeSet<String>| if set.contains(told) { "told" } else { "" };
        let fact = match told.split_once(' ') {
            Some(("dns", _)) => "dns.address",
            Some(("mdns", _)) => "mdns.address",
            _ => "llmnr.address",
        };
        ledger.compare(fact, told, side(&theirs), side(&ours));
    }
}

/// `dns 192.0.2.1 example.com 198.51.100.1`: how, to whom (nobody in particular if said to all), name, address.
fn shown(kind: &str, to: &str, name: &str, address: IpAddr) -> String {
    let name = name.trim_end_matches('.').to_lowercase();
    format!("{kind} {to} {name} {address}")
}

fn ours(case: &Case) -> BTreeSet<String> {
    let told = case.analysis.names.iter().filter_map(|binding| {
        let kind = match binding.source {
            NameSource::Dns | NameSource::DnsOther => "dns",
            NameSource::Mdns => "mdns",
            NameSource::Llmnr => "llmnr",
            _ => return None,
        };
        let to = binding.asked_by.map_or_else(|| String::from("-"), |ip| ip.to_string());
        Some(shown(kind, &to, &binding.name, binding.address))
    });
    told.collect()
}

/// An address at the end of the aliases that begin at the name asked for belongs to that name, as for us.
fn theirs(rows: &[Row]) -> BTreeSet<String> {
    let mut messages: BTreeMap<[&str; 4], Vec<&Row>> = BTreeMap::new();
    for row in rows {
        messages.entry(["kind", "ts", "from", "to"].map(|name| row[name].as_str())).or_default().push(row);
    }
    let mut told = BTreeSet::new();
    for ([kind, _, _, to], records) in messages {
        for row in &records {
            let Ok(address) = row["value"].parse::<IpAddr>() else { continue };
            let chain = chain(&row["query"], &records);
            let asked = kind == "dns" && chain.contains(&row["name"].as_str());
            let name = if asked { &row["query"] } else { &row["name"] };
            let to = if kind == "dns" { to } else { "-" };
            told.insert(shown(kind, to, name, address));
        }
    }
    told
}

fn chain<'a>(query: &'a str, records: &[&'a Row]) -> Vec<&'a str> {
    let mut chain = vec![query];
    while let Some(next) = records
        .iter()
        .find(|row| row["type"] == "CNAME" && row["name"] == *chain[chain.len() - 1])
        .map(|row| row["value"].as_str())
        .filter(|next| !chain.contains(next))
    {
        chain.push(next);
    }
    chain
}
