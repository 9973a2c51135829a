//! Which protocols tshark sees in each conversation, of those that are only recognised and not read field by field.

use std::collections::{BTreeMap, BTreeSet};

use wireclaim::model::Transport;

use super::case::{Case, Ends, ends_of_flow, ends_of_row};
use super::ledger::Ledger;

/// What tshark calls them, and what we do.
const NAMES: &[(&str, &str)] = &[
    ("bittorrent", "bittorrent"),
    ("cldap", "ldap"),
    ("ftp", "ftp"),
    ("hart_ip", "hart-ip"),
    ("imap", "imap"),
    ("irc", "irc"),
    ("isakmp", "ike"),
    ("kip", "knxnet-ip"),
    ("ldap", "ldap"),
    ("mysql", "mysql"),
    ("nbdgm", "netbios-dgm"),
    ("nbss", "smb"),
    ("nntp", "nntp"),
    ("openvpn", "openvpn"),
    ("pgsql", "postgresql"),
    ("pop", "pop3"),
    ("radius", "radius"),
    ("rdp", "rdp"),
    ("redis", "redis"),
    ("rtsp", "rtsp"),
    ("sip", "sip"),
    ("smtp", "smtp"),
    ("snmp", "snmp"),
    ("stun", "stun"),
    ("syslog", "syslog"),
    ("telnet", "telnet"),
    ("tftp", "tftp"),
    ("vnc", "vnc"),
    ("wg", "wireguard"),
    ("xmpp", "xmpp"),
];

pub(crate) fn compare(case: &Case, ledger: &mut Ledger) {
    let mut theirs: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for row in case.table("flows") {
        let words = row["protocols"].split(' ').filter_map(|word| word.split(':').next());
        let known = words.filter_map(|word| NAMES.iter().find(|(name, _)| *name == word));
        let label = key(ends_of_row(&row), &format!("{}:{}", row["proto"], row["stream"]));
        theirs.entry(label).or_default().extend(known.map(|(_, id)| id));
    }
    let mut ours: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (label, flow) in case.flows() {
        let known = flow.service.iter().copied().filter(|id| NAMES.iter().any(|(_, name)| name == id));
        ours.entry(key(ends_of_flow(flow), label)).or_default().extend(known);
    }
    let shown = |side: &BTreeMap<String, BTreeSet<&str>>, label: &str| {
        side.get(label).map_or_else(String::new, |ids| ids.iter().copied().collect::<Vec<_>>().join(" "))
    };
    for label in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        ledger.compare("service", label, &shown(&theirs, label), &shown(&ours, label));
    }
}

/// tshark may have several conversations of datagrams between two ends, where there is one flow.
fn key(ends: Option<Ends>, label: &str) -> String {
    match ends {
        Some((Transport::Udp, a, b)) => format!("udp {a} {b}"),
        _ => label.to_owned(),
    }
}
