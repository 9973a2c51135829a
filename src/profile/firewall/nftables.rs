//! Rules for nftables, for a firewall that forwards the device's traffic.

use std::collections::HashSet;
use std::fmt::Write;

use ipnet::IpNet;

use super::super::{Baseline, Claim, Declaration, Peer, Ports};
use super::{LOCAL_V4, LOCAL_V6, Plan, Planned, Target, head, plan, safe};
use crate::model::Transport;

/// The profile as a complete table; `nft -c -f` accepts it as it is, and its sets wait to be filled.
pub fn nftables(declaration: &Declaration) -> String {
    let plan = plan(declaration);
    let mut out = String::from("#!/usr/sbin/nft -f\n");
    for line in head(declaration) {
        remark(&mut out, "", &line);
    }
    out.push_str(
        "#\n# For a firewall that forwards what the device sends and gets. Before use, fill in the sets: the addresses of the\n\
         # device, and those of every name, which a firewall cannot look up by itself and which change. An empty set matches\n\
         # nothing. Check with: nft -c -f FILE. What a connection says (its protocol, TLS) is not looked at here.\n\n",
    );
    let table = format!("wireclaim_{}", safe::identifier(&declaration.profile.name));
    let _ = write!(out, "table inet {table}\ndelete table inet {table}\n\ntable inet {table} {{\n");
    sets(&mut out, &plan);
    out.push_str(
        "\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\
         \t\tip saddr @device_v4 goto from_device\n\t\tip6 saddr @device_v6 goto from_device\n\
         \t\tip daddr @device_v4 goto to_device\n\t\tip6 daddr @device_v6 goto to_device\n\t}\n",
    );
    chain(&mut out, &plan, Side::From, &declaration.profile.baseline);
    chain(&mut out, &plan, Side::To, &declaration.profile.baseline);
    out.push_str("}\n");
    left_out(&mut out, &plan);
    out
}

/// Which packets a chain sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Those that the device sends.
    From,
    /// Those that it gets.
    To,
}

fn remark(out: &mut String, indent: &str, text: &str) {
    let _ = writeln!(out, "{indent}# {}", safe::remark(text));
}

fn sets(out: &mut String, plan: &Plan<'_>) {
    remark(out, "\t", "The device.");
    set(out, "device_v4", "ipv4_addr", &[], "192.0.2.10");
    set(out, "device_v6", "ipv6_addr", &[], "2001:db8::10");
    if plan.rules.iter().any(|rule| rule.target == Target::Local) {
        remark(out, "\t", "The device's own networks: narrow them to those that it is in.");
        set(out, "local_v4", "ipv4_addr", &owned(LOCAL_V4), "");
        set(out, "local_v6", "ipv6_addr", &owned(LOCAL_V6), "");
    }
    for peers in &plan.sets {
        remark(out, "\t", &peers.shown);
        let of = |v4: bool| -> Vec<String> {
            let nets = peers.networks.iter().filter(|net| matches!(net, IpNet::V4(_)) == v4);
            nets.map(ToString::to_string).collect()
        };
        set(out, &format!("{}_v4", peers.name), "ipv4_addr", &of(true), "198.51.100.7");
        set(out, &format!("{}_v6", peers.name), "ipv6_addr", &of(false), "2001:db8::7");
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn set(out: &mut String, name: &str, kind: &str, elements: &[String], example: &str) {
    let _ = write!(out, "\tset {name} {{\n\t\ttype {kind}\n\t\tflags interval\n\t\tauto-merge\n");
    if elements.is_empty() {
        let _ = writeln!(out, "\t\t# elements = {{ {example} }}");
    } else {
        let _ = writeln!(out, "\t\telements = {{ {} }}", elements.join(", "));
    }
    out.push_str("\t}\n");
}

fn chain(out: &mut String, plan: &Plan<'_>, side: Side, baseline: &[Baseline]) {
    let (name, undeclared) = match side {
        Side::From => ("from_device", "the device opens what nothing declares"),
        Side::To => ("to_device", "somebody opens to the device what nothing declares"),
    };
    let _ = write!(
        out,
        "\tchain {name} {{\n\t\tct state established,related accept\n\t\tct state invalid drop\n"
    );
    let mut told = HashSet::new();
    let concerned = |rule: &&Planned<'_>| if side == Side::From { rule.outward() } else { rule.inward() };
    for rule in plan.rules.iter().filter(concerned) {
        titles(out, rule, &mut told);
        lines(out, plan, rule, side);
    }
    for item in baseline {
        if let Some(line) = baseline_line(*item, side) {
            let _ = writeln!(out, "\t\t{line} accept comment \"baseline: {item}\"");
        }
    }
    let _ = writeln!(out, "\t\tcounter drop comment \"{undeclared}\"\n\t}}");
}

/// A line for each claim, above the first of its rules.
fn titles<'d>(out: &mut String, rule: &Planned<'d>, told: &mut HashSet<&'d str>) {
    for Claim { id, title, level, .. } in rule.claims.iter().copied() {
        if told.insert(id) {
            remark(out, "\t\t", &format!("{id} ({level}): {title}"));
        }
    }
    if let Some(note) = rule.note {
        remark(out, "\t\t", &format!("  {note}"));
    }
    if let Some(open) = rule.open {
        remark(out, "\t\t", &format!("  not decided until `{open}` is bound (--set or --variant):"));
    }
}

fn lines(out: &mut String, plan: &Plan<'_>, rule: &Planned<'_>, side: Side) {
    let Some(what) = transports_and_ports(rule) else { return };
    let verdict = if rule.deny { "drop" } else { "accept" };
    for who in addresses(plan, rule, side) {
        let line = [who.as_str(), what.as_str(), verdict].iter().filter(|part| !part.is_empty()).fold(
            String::new(),
            |mut line, part| {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(part);
                line
            },
        );
        let mark = if rule.open.is_some() { "# " } else { "" };
        let _ = writeln!(out, "\t\t{mark}{line} comment \"{}\"", safe::quoted(&rule.ids()));
    }
}

/// The match on the other end's address, for each family; one empty match for anybody.
fn addresses(plan: &Plan<'_>, rule: &Planned<'_>, side: Side) -> Vec<String> {
    let end = if side == Side::From { "daddr" } else { "saddr" };
    let both = |name: &str| vec![format!("ip {end} @{name}_v4"), format!("ip6 {end} @{name}_v6")];
    match &rule.target {
        Target::Anyone => vec![String::new()],
        Target::Network(net @ IpNet::V4(_)) => vec![format!("ip {end} {}", Peer::Network(net.trunc()))],
        Target::Network(net @ IpNet::V6(_)) => vec![format!("ip6 {end} {}", Peer::Network(net.trunc()))],
        Target::Local => both("local"),
        Target::Set(index) => plan.sets.get(*index).map(|set| both(&set.name)).unwrap_or_default(),
        Target::Parameter(name) => vec![format!("ip {end} ${}", safe::identifier(name))],
    }
}

/// The match on transport and port; `None` where nothing can match.
fn transports_and_ports(rule: &Planned<'_>) -> Option<String> {
    let words: Vec<String> = rule.transports.iter().map(|transport| word(*transport)).collect();
    let ports = ports(rule)?;
    Some(match (words.as_slice(), ports.as_str()) {
        ([], "") => String::new(),
        ([], ports) => format!("meta l4proto {{ tcp, udp }} th dport {ports}"),
        ([one], "") => format!("meta l4proto {one}"),
        ([one], ports) => format!("{one} dport {ports}"),
        (several, "") => format!("meta l4proto {{ {} }}", several.join(", ")),
        (several, ports) => format!("meta l4proto {{ {} }} th dport {ports}", several.join(", ")),
    })
}

fn word(transport: Transport) -> String {
    match transport {
        Transport::Tcp => "tcp".to_owned(),
        Transport::Udp => "udp".to_owned(),
        Transport::Icmp => "icmp".to_owned(),
        Transport::Icmpv6 => "ipv6-icmp".to_owned(),
        Transport::Other(number) => number.to_string(),
    }
}

/// The right side of a match on ports; empty for any.
fn ports(rule: &Planned<'_>) -> Option<String> {
    let list = |ranges: &[(u16, u16)]| {
        let words: Vec<String> = ranges
            .iter()
            .map(|(low, high)| if low == high { low.to_string() } else { format!("{low}-{high}") })
            .collect();
        match words.as_slice() {
            [one] => one.clone(),
            _ => format!("{{ {} }}", words.join(", ")),
        }
    };
    match rule.ports {
        Ports::Any => Some(String::new()),
        Ports::Of(ranges) if ranges.is_empty() => None,
        Ports::Of(ranges) => Some(list(ranges)),
        Ports::Except(ranges) if ranges.is_empty() => Some(String::new()),
        Ports::Except(ranges) => Some(format!("!= {}", list(ranges))),
        Ports::Fallback(ports) => {
            let mut sorted: Vec<(u16, u16)> = ports.iter().map(|port| (*port, *port)).collect();
            sorted.sort_unstable();
            sorted.dedup();
            (!sorted.is_empty()).then(|| list(&sorted))
        }
        Ports::Unbound(name) if rule.but => Some(format!("!= ${}", safe::identifier(name))),
        Ports::Unbound(name) => Some(format!("${}", safe::identifier(name))),
    }
}

/// Infrastructure that a firewall which forwards may see.
fn baseline_line(item: Baseline, side: Side) -> Option<&'static str> {
    Some(match (item, side) {
        (Baseline::Dhcp, Side::From) => "udp dport { 67, 547 }",
        (Baseline::Dhcp, Side::To) => "udp dport { 68, 546 }",
        (Baseline::Dns, Side::From) => "meta l4proto { tcp, udp } th dport 53",
        (Baseline::Icmp, _) => "meta l4proto { icmp, ipv6-icmp }",
        (Baseline::Igmp, _) => "meta l4proto igmp",
        (Baseline::Mdns, _) => "udp dport 5353",
        (Baseline::Llmnr, _) => "meta l4proto { tcp, udp } th dport 5355",
        (Baseline::Ssdp, _) => "udp dport 1900",
        (Baseline::Netbios, _) => "udp dport { 137, 138 }",
        // Below IP, or never beyond the link.
        (Baseline::Arp | Baseline::Ndp, _) | (Baseline::Dns, Side::To) => return None,
    })
}

fn left_out(out: &mut String, plan: &Plan<'_>) {
    if plan.left_out.is_empty() {
        return;
    }
    out.push_str("\n# In no rule:\n");
    for (claim, why) in &plan.left_out {
        remark(out, "", &format!("{} ({}): {why}", claim.id, claim.title));
    }
}
