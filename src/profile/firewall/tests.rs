//! Rules against what profiles mean, and against profiles that mean harm.

use std::sync::Arc;

use super::super::{bind, builtin, load};
use super::*;

fn declaration(profile: super::super::Profile, variants: &[&str], sets: &[(&str, &str)]) -> Declaration {
    let variants: Vec<String> = variants.iter().map(|word| (*word).to_owned()).collect();
    let sets: Vec<(String, String)> =
        sets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    bind::bind(&Arc::new(profile), &variants, &sets).unwrap()
}

fn shipped(name: &str, variants: &[&str], sets: &[(&str, &str)]) -> Declaration {
    declaration(builtin::open(name).unwrap(), variants, sets)
}

fn of(claims: &str) -> Declaration {
    let text = format!("version: 1\nprofile: example\ntitle: Example\nbaseline: [arp, dns]\n{claims}");
    declaration(load::from_str(&text, "example").unwrap(), &[], &[])
}

/// The rules of one chain, without comments.
fn chain<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let body = text.split_once(&format!("\tchain {name} {{\n")).unwrap().1.split_once("\n\t}").unwrap().0;
    body.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn the_narrowest_peer_comes_first_and_forbidden_before_allowed() {
    let text = nftables(&of("claims:\n  \
         - {id: A, title: a, allowed: {out: anyone, tcp: 443}}\n  \
         - {id: B, title: b, forbidden: {out: .example.com, tcp: 443}}\n  \
         - {id: C, title: c, allowed: {out: good.example.com, tcp: 443}}\n  \
         - {id: D, title: d, forbidden: {out: anyone, tcp: 80}}\n  \
         - {id: E, title: e, allowed: {out: 192.0.2.0/24, udp: [53, 5000-5010]}}\n"));
    assert_eq!(
        chain(&text, "from_device"),
        [
            "ct state established,related accept",
            "ct state invalid drop",
            "ip daddr @name_good_example_com_v4 tcp dport 443 accept comment \"C\"",
            "ip6 daddr @name_good_example_com_v6 tcp dport 443 accept comment \"C\"",
            "ip daddr @zone_example_com_v4 tcp dport 443 drop comment \"B\"",
            "ip6 daddr @zone_example_com_v6 tcp dport 443 drop comment \"B\"",
            "ip daddr 192.0.2.0/24 udp dport { 53, 5000-5010 } accept comment \"E\"",
            "tcp dport 80 drop comment \"D\"",
            "tcp dport 443 accept comment \"A\"",
            "meta l4proto { tcp, udp } th dport 53 accept comment \"baseline: dns\"",
            "counter drop comment \"the device opens what nothing declares\"",
        ]
    );
    assert_eq!(
        chain(&text, "to_device"),
        [
            "ct state established,related accept",
            "ct state invalid drop",
            "counter drop comment \"somebody opens to the device what nothing declares\"",
        ]
    );
}

#[test]
fn claims_that_open_the_same_are_one_rule() {
    let text = nftables(&shipped("farmbot", &[], &[]));
    assert!(text.contains(
        "ip daddr @name_my_farm_bot_v4 tcp dport 443 accept comment \"FB-01, FB-09, FB-10, FB-17a, FB-18\"\n"
    ));
    assert!(text.contains("\t\t# FB-01 (required): HTTPS to the web app, under either of its names\n"));
    assert!(text.contains("# FB-20 (No proxy): is no matter of addresses and ports\n"), "{text}");
    assert!(text.contains("\tset name_0_pool_ntp_org_v6 {\n"));
}

#[test]
fn what_is_not_bound_is_shown_and_not_set() {
    let open = shipped("fortrabbit", &[], &[]);
    let text = nftables(&open);
    assert!(
        text.contains("# meta l4proto { tcp, udp } th dport $standard_ports accept comment \"FR-01a\"\n"),
        "{text}"
    );
    assert!(!chain(&text, "from_device").iter().any(|line| line.contains("FR-01a")));
    assert!(
        text.contains("# meta l4proto { tcp, udp } th dport != $standard_ports drop comment \"FR-01b\"\n")
    );
    let bound = nftables(&shipped("fortrabbit", &[], &[("standard_ports", "80,443")]));
    let rules = chain(&bound, "from_device");
    assert!(
        rules.contains(&"meta l4proto { tcp, udp } th dport { 80, 443 } accept comment \"FR-01a\""),
        "{bound}"
    );
    assert!(
        rules.contains(&"meta l4proto { tcp, udp } th dport != { 80, 443 } drop comment \"FR-01b\""),
        "{bound}"
    );
    let ufw = ufw(&shipped("electric-imp", &["single-ip"], &[("external_ip", "192.0.2.9")]));
    assert!(
        ufw.contains("ufw allow out proto tcp to 192.0.2.9 port 443,993,31314 comment 'EI-11a, EI-11b'\n"),
        "{ufw}"
    );
    assert!(
        ufw.contains("# EI-04 (Port 31314, else 993, else 443): does not apply: `path` is `single-ip`\n"),
        "{ufw}"
    );
}

#[test]
fn variants_change_the_rules() {
    let enhanced = nftables(&shipped("smartserver", &[], &[]));
    assert!(enhanced.contains("udp dport 1628-1629 drop comment \"SS-22\""));
    assert!(
        !chain(&enhanced, "from_device")
            .iter()
            .any(|line| line.starts_with("meta l4proto { tcp, udp } accept"))
    );
    let standard = nftables(&shipped("smartserver", &["standard"], &[]));
    assert!(!standard.contains("1628-1629 drop"));
    assert!(chain(&standard, "from_device").contains(&"meta l4proto { tcp, udp } accept comment \"SS-21\""));
}

#[test]
fn ufw_takes_addresses_from_variables_and_ports_in_pieces() {
    let list: Vec<String> = (1..=20).map(|n| (n * 10).to_string()).collect();
    let text = ufw(&of(&format!(
        "claims:\n  - {{id: A, title: a, allowed: {{out: a.example.com, tcp: \"{}\"}}}}\n  \
         - {{id: B, title: b, forbidden: {{in: anyone, udp: {{except: 1-1024}}}}}}\n  \
         - {{id: C, title: c, allowed: {{local: local-network, udp: 5353}}}}\n  \
         - {{id: D, title: d, allowed: {{out: anyone, icmp: true}}}}\n",
        list.join(",")
    )));
    assert!(text.contains("name_a_example_com=''  # a.example.com\n"), "{text}");
    let first = list[..15].join(",");
    assert!(text.contains(&format!(
        "for address in $name_a_example_com; do ufw allow out proto tcp to \"$address\" port {first} comment 'A'; done\n"
    )));
    assert!(text.contains("to \"$address\" port 160,170,180,190,200 comment 'A'"), "{text}");
    assert!(text.contains("ufw deny in proto udp from any to any port 1025:65535 comment 'B'\n"), "{text}");
    for part in ["allow out proto udp to \"$address\"", "allow in proto udp from \"$address\" to any"] {
        assert!(
            text.contains(&format!(
                "for address in $local_networks; do ufw {part} port 5353 comment 'C'; done\n"
            )),
            "{text}"
        );
    }
    assert!(text.contains("#   ufw has no command for this protocol"), "{text}");
}

#[test]
fn nothing_in_a_profile_breaks_out() {
    let evil = "x'; reboot; ' \\\" } table inet evil { } # $(id) `id` \\n\\r\\u2028\\u202e \\\\";
    let text = format!(
        "version: 1\nprofile: example\ntitle: \"{evil}\"\ndocument: {{title: \"{evil}\"}}\n\
         variants: {{v: {{options: [a, b], default: a}}}}\nclaims:\n  \
         - {{id: A-1, title: \"{evil}\", quote: \"{evil}\", source: \"{evil}\", allowed: {{out: a.example.com, tcp: 443}}}}\n  \
         - {{id: A-2, title: \"{evil}\", silent: true, subject: \"{evil}\", allowed: {{out: a.example.com, tcp: 443}}}}\n  \
         - {{id: A-3, title: \"{evil}\", silent: true, allowed: {{in: anyone, tcp: 1}}, when: {{v: b}}}}\n"
    );
    let profile = match load::from_str(&text, "example") {
        Ok(profile) => profile,
        // Where subjects are declared names, that one is refused.
        Err(_) => load::from_str(&text.replace(&format!("subject: \"{evil}\", "), ""), "example").unwrap(),
    };
    let declaration = declaration(profile, &[], &[]);
    for rules in [nftables(&declaration), ufw(&declaration)] {
        assert!(rules.is_ascii(), "{rules}");
        assert!(!rules.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{rules:?}");
        for line in rules.lines().map(str::trim_start).filter(|line| !line.starts_with('#')) {
            // A variable's line ends in a remark.
            let code = line.split_once("  # ").map_or(line, |(code, _)| code);
            for word in ["reboot", "evil", "$(", "`", "\\"] {
                assert!(!code.contains(word), "{code}");
            }
        }
    }
}

#[test]
fn openings_are_united_and_say_what_they_depend_on() {
    let rows = openings(&shipped("farmbot", &[], &[]));
    let row = |destination: &str, port: &str| {
        rows.iter().find(|row| row.destination == destination && row.port == port).unwrap()
    };
    let web = row("my.farm.bot", "443");
    assert_eq!(web.claim, "FB-01, FB-09, FB-10, FB-17a, FB-18");
    assert!(
        web.required && web.condition.is_empty() && web.reason.starts_with("The server uses the domains")
    );
    assert_eq!((web.source.as_str(), web.transport.as_str()), ("FarmBot", "tcp"));
    assert_eq!(web.reviewed, "2021-04");
    let ntp = row("1.pool.ntp.org", "123");
    assert_eq!(ntp.note, "at least 1 of 2 peers");
    assert!(!row("openfarm.cc", "443").required);
    assert!(rows.iter().any(|row| row.source == "browser"));
    assert_eq!(rows.iter().filter(|row| row.claim == "baseline").count(), 3);

    let imp = openings(&shipped("electric-imp", &[], &[]));
    let fallback = imp.iter().find(|row| row.port == "993").unwrap();
    assert!(
        fallback.required && fallback.note == "tried in this order: 31314, then 993, then 443",
        "{fallback:?}"
    );
    let server = openings(&shipped("smartserver", &[], &[]));
    let lon = server.iter().find(|row| row.claim == "SS-11" && row.transport == "udp").unwrap();
    assert_eq!(
        (lon.source.as_str(), lon.destination.as_str(), lon.port.as_str()),
        ("any", "SmartServer", "1628 to 1645")
    );
    assert!(lon.condition.contains("`lon` is not set"), "{}", lon.condition);
    assert!(
        !server.iter().any(|row| row.claim.contains("SS-21")),
        "it does not apply with enhanced security"
    );
}

#[test]
fn every_claim_has_a_line_in_the_table() {
    for name in builtin::names() {
        let declaration = shipped(name, &[], &[]);
        assert_eq!(claim_rows(&declaration).len(), declaration.claims.len());
    }
    let rows = claim_rows(&shipped("farmbot", &[], &[]));
    let row = |id: &str| rows.iter().find(|row| row.claim == id).unwrap();
    assert_eq!(row("FB-08").when, "fbos > 13.0.1: not decided until `fbos` is bound");
    assert_eq!((row("FB-08").encrypted.as_str(), row("FB-07a").encrypted.as_str()), ("yes", ""));
    assert_eq!(
        (row("FB-20").direction.as_str(), row("FB-20").peer.as_str()),
        ("", "connections through a proxy")
    );
}
