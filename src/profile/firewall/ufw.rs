//! Commands for ufw, on the device itself.

use std::collections::HashSet;
use std::fmt::Write;

use super::super::{Baseline, Claim, Declaration, Peer, Ports};
use super::{LOCAL_V4, LOCAL_V6, Plan, Planned, Target, head, plan, safe};
use crate::model::Transport;

/// How many ports one command takes; a range counts twice.
const MOST_PORTS: usize = 15;

/// The profile as a script of ufw commands; its variables wait to be filled.
pub fn ufw(declaration: &Declaration) -> String {
    let plan = plan(declaration);
    let mut out = String::from("#!/bin/sh\n");
    for line in head(declaration) {
        remark(&mut out, &line);
    }
    out.push_str(
        "#\n# For the device itself. Before use, fill in the variables: the addresses of every name, separated by blanks, which ufw\n\
         # cannot look up by itself and which change; an empty variable opens nothing. The first two commands close\n\
         # everything: keep a way in. What a connection says (its protocol, TLS) is not looked at here.\n\n",
    );
    for set in &plan.sets {
        let addresses: Vec<String> = set.networks.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "{}='{}'  # {}", set.name, addresses.join(" "), safe::remark(&set.shown));
    }
    if plan.rules.iter().any(|rule| rule.target == Target::Local) {
        let all: Vec<&str> = LOCAL_V4.iter().chain(LOCAL_V6).copied().collect();
        let _ =
            writeln!(out, "local_networks='{}'  # narrow them to those that the device is in", all.join(" "));
    }
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
    out.push_str("ufw default deny incoming\nufw default deny outgoing\n\n");
    let mut told = HashSet::new();
    for rule in &plan.rules {
        titles(&mut out, rule, &mut told);
        commands(&mut out, &plan, rule);
    }
    out.push_str("\n# Infrastructure (baseline)\n");
    for item in &declaration.profile.baseline {
        baseline(&mut out, *item);
    }
    if !plan.left_out.is_empty() {
        out.push_str("\n# In no rule:\n");
    }
    for (claim, why) in &plan.left_out {
        remark(&mut out, &format!("{} ({}): {why}", claim.id, claim.title));
    }
    out
}

fn remark(out: &mut String, text: &str) {
    let _ = writeln!(out, "# {}", safe::remark(text));
}

/// A line for each claim, above the first of its rules.
fn titles<'d>(out: &mut String, rule: &Planned<'d>, told: &mut HashSet<&'d str>) {
    for Claim { id, title, level, .. } in rule.claims.iter().copied() {
        if told.insert(id) {
            remark(out, &format!("{id} ({level}): {title}"));
        }
    }
    if let Some(note) = rule.note {
        remark(out, &format!("  {note}"));
    }
    if let Some(open) = rule.open {
        remark(out, &format!("  not decided until `{open}` is bound (--set or --variant):"));
    }
}

fn commands(out: &mut String, plan: &Plan<'_>, rule: &Planned<'_>) {
    let mark = if rule.open.is_some() { "# " } else { "" };
    let Some(transports) = transports(rule.transports) else {
        return remark(out, "  ufw has no command for this protocol; see /etc/ufw/before.rules");
    };
    let ports = ports(rule);
    let verdict = if rule.deny { "deny" } else { "allow" };
    let comment = safe::quoted(&rule.ids());
    for transport in transports {
        // A port goes with TCP or UDP only.
        for port in &ports {
            let proto = if transport.is_empty() { String::new() } else { format!(" proto {transport}") };
            let port = if port.is_empty() { String::new() } else { format!(" port {port}") };
            if rule.outward() {
                let line = |to: &str| format!("ufw {verdict} out{proto} to {to}{port} comment '{comment}'");
                let _ = writeln!(out, "{mark}{}", looped(plan, rule, line));
            }
            if rule.inward() {
                let line = |from: &str| {
                    format!("ufw {verdict} in{proto} from {from} to any{port} comment '{comment}'")
                };
                let _ = writeln!(out, "{mark}{}", looped(plan, rule, line));
            }
        }
    }
}

/// The command for each address of the target.
fn looped(plan: &Plan<'_>, rule: &Planned<'_>, line: impl Fn(&str) -> String) -> String {
    let each = |variable: &str| format!("for address in ${variable}; do {}; done", line("\"$address\""));
    match &rule.target {
        Target::Anyone => line("any"),
        Target::Network(net) => line(&Peer::Network(net.trunc()).to_string()),
        Target::Local => each("local_networks"),
        Target::Set(index) => plan.sets.get(*index).map(|set| each(&set.name)).unwrap_or_default(),
        Target::Parameter(name) => line(&format!("\"${}\"", safe::identifier(name))),
    }
}

/// Words for `proto`; one empty word for any, `None` where ufw has none.
fn transports(transports: &[Transport]) -> Option<Vec<&'static str>> {
    if transports.is_empty() {
        return Some(vec![""]);
    }
    let word = |transport: &Transport| match transport {
        Transport::Tcp => Some("tcp"),
        Transport::Udp => Some("udp"),
        Transport::Other(47) => Some("gre"),
        Transport::Other(50) => Some("esp"),
        Transport::Other(51) => Some("ah"),
        // It has others for one family of addresses only.
        Transport::Icmp | Transport::Icmpv6 | Transport::Other(_) => None,
    };
    transports.iter().map(word).collect()
}

/// Port lists as ufw takes them, in pieces that it takes; one empty list for any port.
fn ports(rule: &Planned<'_>) -> Vec<String> {
    let ranges = match (rule.ports, rule.ports.ranges()) {
        (Ports::Any, _) => return vec![String::new()],
        (Ports::Except(ranges), _) if ranges.is_empty() => return vec![String::new()],
        // Only shown: ufw has no word for all others.
        (Ports::Unbound(name), _) if rule.but => return vec![format!("ALL-BUT-${}", safe::identifier(name))],
        (Ports::Unbound(name), _) => return vec![format!("\"${}\"", safe::identifier(name))],
        (_, ranges) => ranges.unwrap_or_default(),
    };
    let mut pieces: Vec<(usize, String)> = Vec::new();
    for (low, high) in ranges {
        let (size, word) = if low == high { (1, low.to_string()) } else { (2, format!("{low}:{high}")) };
        match pieces.last_mut() {
            Some((count, text)) if count.saturating_add(size) <= MOST_PORTS => {
                *count = count.saturating_add(size);
                text.push(',');
                text.push_str(&word);
            }
            _ => pieces.push((size, word)),
        }
    }
    pieces.into_iter().map(|(_, text)| text).collect()
}

fn baseline(out: &mut String, item: Baseline) {
    let lines: &[&str] = match item {
        Baseline::Dhcp => &["out proto udp to any port 67,547", "in proto udp from any to any port 68,546"],
        Baseline::Dns => &["out proto udp to any port 53", "out proto tcp to any port 53"],
        Baseline::Mdns => &["out proto udp to any port 5353", "in proto udp from any to any port 5353"],
        Baseline::Llmnr => &["out proto udp to any port 5355", "in proto udp from any to any port 5355"],
        Baseline::Ssdp => &["out proto udp to any port 1900", "in proto udp from any to any port 1900"],
        Baseline::Netbios => {
            &["out proto udp to any port 137,138", "in proto udp from any to any port 137,138"]
        }
        Baseline::Igmp => &["out proto igmp to any", "in proto igmp from any"],
        Baseline::Arp | Baseline::Ndp => {
            return remark(out, &format!("{item}: needs no command"));
        }
        Baseline::Icmp => {
            return remark(
                out,
                "icmp: what comes in is let through by /etc/ufw/before.rules; what the device sends of itself needs a line \
                 there: -A ufw-before-output -p icmp -j ACCEPT",
            );
        }
    };
    for line in lines {
        let _ = writeln!(out, "ufw allow {line} comment 'baseline: {item}'");
    }
}
