//! What an entry narrows, what it leaves out, and which of two entries decides (RFC 8519 section 4.1).

use proptest::prelude::*;

use super::constructs::{claims, file, one, read};
use super::*;
use crate::model::finding::Severity;
use crate::profile::{NamePattern, Parameter, Peer, Rule, load, write};

/// The lints of one code, by message.
fn told(profile: &Profile, code: &str) -> Vec<String> {
    let lints = profile.mud.as_ref().unwrap().lints.iter().filter(|lint| lint.code == code);
    lints.map(|lint| lint.message.clone()).collect()
}

#[test]
fn types_and_codes_of_icmp_are_told_with_entry_and_field() {
    for (kind, code) in [(8, 0), (3, 1)] {
        let entry =
            format!("{{\"ipv4\": {{\"protocol\": 1}}, \"icmp\": {{\"type\": {kind}, \"code\": {code}}}}}");
        let profile = read(&file(&[&entry], &[]));
        assert_eq!(claims(&profile), ["allowed: out to anyone, icmp/any"]);
        let expected = format!(
            "the entry `fr-0`: `type` {kind} and `code` {code} narrow it, and the claim is about all of ICMP, which is \
             not compared with traffic"
        );
        assert_eq!(told(&profile, "mud-not-compared"), [expected]);
    }
}

#[test]
fn icmp_is_that_of_its_family() {
    for (matches, expected) in [
        (r#"{"ipv4": {"protocol": 1}}"#, "icmp/any"),
        (r#"{"ipv6": {"protocol": 58}}"#, "icmpv6/any"),
        // Only the container is there: the list is one of IPv4.
        (r#"{"icmp": {"type": 8}}"#, "icmp/any"),
    ] {
        assert_eq!(one(matches).0, [format!("allowed: out to anyone, {expected}")], "{matches}");
    }
    let other_list = file(&[r#"{"icmp": {"type": 128}}"#], &[])
        .replace("ipv4-acl-type", "ietf-access-control-list:ipv6-acl-type");
    assert_eq!(claims(&read(&other_list)), ["allowed: out to anyone, icmpv6/any"]);
    // The same of both families is one claim; what only one of them may is not the other's.
    let both = [r#"{"ipv4": {"protocol": 1}}"#, r#"{"ipv6": {"protocol": 58}}"#];
    assert_eq!(claims(&read(&file(&both, &both))), ["allowed: with anyone, icmp+icmpv6/any"]);
    let profile = read(&file(&both[..1], &both[1..]));
    assert_eq!(claims(&profile), ["allowed: out to anyone, icmp/any", "allowed: in from anyone, icmpv6/any"]);
    // No packet is both.
    let profile =
        read(&file(&[r#"{"ipv6": {"protocol": 58, "destination-ipv6-network": "192.0.2.1/32"}}"#], &[]));
    assert_eq!((claims(&profile).len(), profile.not_checkable.len()), (0, 1));
    let (claims, codes) = one(r#"{"ipv4": {"protocol": 17}, "icmp": {"type": 8}}"#);
    assert!(claims.is_empty() && codes.contains(&"mud-protocol"), "{claims:?} {codes:?}");
}

#[test]
fn a_port_of_whoever_begins_is_told() {
    let bacnet = r#"{"ipv4": {"protocol": 17}, "udp": {"source-port": {"operator": "eq", "port": 47808},
        "destination-port": {"operator": "eq", "port": 47808}}}"#;
    let profile = read(&file(&[bacnet], &[bacnet]));
    let [from, to] = &told(&profile, "mud-not-compared")[..] else { panic!() };
    assert!(from.contains("`fr-0`") && from.contains("`source-port`"), "{from}");
    assert!(to.contains("`to-0`"), "{to}");
}

#[test]
fn what_matches_everything_is_told_as_such() {
    // RFC 8519 section 4.1: without matches, any packet matches.
    let without = file(&["{}"], &[]).replace("\"matches\": {}, ", "");
    for text in [without, file(&["{}"], &[]), file(&[r#"{"eth": {"ethertype": "0x0800"}}"#], &[])] {
        let profile = read(&text);
        assert_eq!(claims(&profile), ["allowed: out to anyone"], "{text}");
        let lints = crate::profile::lint::lint(&profile);
        let broad = lints.iter().find(|lint| lint.code == "over-broad").unwrap();
        assert_eq!(
            (broad.severity, broad.claims.as_slice()),
            (Severity::Warning, ["MUD-01".to_owned()].as_slice()),
            "{text}"
        );
    }
}

#[test]
fn an_entry_without_action_is_left_out() {
    // RFC 8519 section 4.1: `forwarding` is mandatory.
    for text in [
        file(&[r#"{"ipv4": {"protocol": 6}}"#], &[])
            .replace(", \"actions\": {\"forwarding\": \"accept\"}", ""),
        file(&[r#"{"ipv4": {"protocol": 6}}"#], &[]).replace("{\"forwarding\": \"accept\"}", "{}"),
        file(&[r#"{"eth": {"ethertype": "0x0806"}}"#], &[]).replace("{\"forwarding\": \"accept\"}", "{}"),
    ] {
        let profile = read(&text);
        assert!(claims(&profile).is_empty(), "{text}");
        assert_eq!(profile.not_checkable[0].reason, "it has no action (`accept`, `drop` or `reject`)");
        assert_eq!(
            told(&profile, "mud-action"),
            ["the entry has no action, which it must have: it is left out"]
        );
    }
}

/// These entries, of which those that begin with `!` deny.
fn mixed(entries: &[&str]) -> Profile {
    let matches: Vec<&str> = entries.iter().map(|entry| entry.trim_start_matches('!')).collect();
    let mut text = file(&matches, &[]);
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.starts_with('!')) {
        let of = |action: &str| {
            let matches = entry.trim_start_matches('!');
            format!("\"fr-{at}\", \"matches\": {matches}, \"actions\": {{\"forwarding\": \"{action}\"}}")
        };
        text = text.replace(&of("accept"), &of("drop"));
    }
    read(&text)
}

#[test]
fn the_first_entry_that_matches_decides() {
    const WEB: &str =
        r#"{"ipv4": {"protocol": 6}, "tcp": {"destination-port": {"operator": "eq", "port": 80}}}"#;
    const TCP: &str = r#"{"ipv4": {"protocol": 6}}"#;
    let no_web = format!("!{WEB}");
    // A narrow exception before what is wide, and a wide one after what is narrow: both count.
    let profile = mixed(&[&no_web, TCP]);
    assert_eq!(claims(&profile), ["forbidden: out to anyone, tcp/80", "allowed: out to anyone, tcp/any"]);
    assert!(told(&profile, "mud-shadowed").is_empty());
    // What comes after what covers it is never reached.
    let profile = mixed(&[TCP, &no_web]);
    assert_eq!(claims(&profile), ["allowed: out to anyone, tcp/any"]);
    assert_eq!(
        told(&profile, "mud-shadowed"),
        ["`fr-1` is never reached: the entry `fr-0` accepts all that it matches"]
    );
    assert_eq!(profile.not_checkable[0].reason, "the entry `fr-0` decides before it");
    let profile = mixed(&[&format!("!{TCP}"), WEB]);
    assert_eq!(claims(&profile), ["forbidden: out to anyone, tcp/any"]);
    // To deny the rest is what happens anyhow, and must not forbid what every device does.
    let profile = mixed(&[WEB, "!{}"]);
    assert_eq!(claims(&profile), ["allowed: out to anyone, tcp/80"]);
    assert_eq!(profile.not_checkable[0].title, "everything else is denied");
    assert!(told(&profile, "mud-action").is_empty());
    // Address resolution that is denied is no baseline.
    let profile = mixed(&[r#"!{"eth": {"ethertype": "0x0806"}}"#]);
    assert_eq!(profile.not_checkable[0].title, "Ethernet frames of ARP");
}

#[test]
fn what_is_denied_is_what_no_entry_before_accepts() {
    const WEB: &str = r#"{"ipv4": {"protocol": 6, "ietf-acldns:dst-dnsname": "a.example"}, "tcp": {"destination-port": {"operator": "eq", "port": 443}}}"#;
    const ALL: &str = r#"!{"ipv4": {"protocol": 6, "ietf-acldns:dst-dnsname": "a.example"}}"#;
    let alt = WEB.replace("443", "8443");
    let web = "allowed: out to a.example, tcp/443";
    let forbidden = |entries: &[&str]| -> Vec<String> {
        let profile = mixed(entries);
        assert!(told(&profile, "mud-shadowed").is_empty() && told(&profile, "mud-overlap").is_empty());
        claims(&profile).into_iter().filter(|claim| claim.starts_with("forbidden")).collect()
    };
    assert_eq!(claims(&mixed(&[WEB, ALL])), [web, "forbidden: out to a.example, tcp/any but 443"]);
    assert_eq!(forbidden(&[WEB, &alt, ALL]), ["forbidden: out to a.example, tcp/any but 443,8443"]);
    // A range, of which the middle is accepted before it.
    let range = WEB.replace(r#""operator": "eq", "port": 443"#, r#""lower-port": 400, "upper-port": 500"#);
    assert_eq!(forbidden(&[WEB, &format!("!{range}")]), ["forbidden: out to a.example, tcp/400-442,444-500"]);
    // Another host, another protocol, other ports.
    let other = WEB.replace("a.example", "b.example");
    let udp = WEB.replace("\"protocol\": 6", "\"protocol\": 17").replace("tcp", "udp");
    assert_eq!(forbidden(&[&other, &udp, ALL]), ["forbidden: out to a.example, tcp/any"]);
    assert_eq!(forbidden(&[WEB, &format!("!{alt}")]), ["forbidden: out to a.example, tcp/8443"]);
    // Once all of it is denied, what comes after makes no difference.
    let profile = mixed(&[ALL, WEB, ALL]);
    assert_eq!(claims(&profile), ["forbidden: out to a.example, tcp/any"]);
    assert_eq!(
        told(&profile, "mud-shadowed"),
        ["`fr-1` is never reached: the entry `fr-0` denies all that it matches"]
    );
    // Several together accept all of it.
    let except = WEB.replace("\"eq\"", "\"neq\"");
    let profile = mixed(&[WEB, &except, ALL]);
    assert_eq!((claims(&profile).len(), told(&profile, "mud-shadowed").len()), (2, 1));
}

#[test]
fn what_is_denied_but_for_a_part_that_ports_cannot_say_is_not_checked() {
    const TCP: &str = r#"!{"ipv4": {"protocol": 6}}"#;
    let of = |peer: &str| {
        format!(
            "{{\"ipv4\": {{\"protocol\": 6, {peer}}}, \"tcp\": {{\"destination-port\": {{\"port\": 443}}}}}}"
        )
    };
    let name = of(r#""ietf-acldns:dst-dnsname": "a.example""#);
    let host = of(r#""destination-ipv4-network": "192.0.2.7/32""#);
    let network = r#"!{"ipv4": {"protocol": 6, "destination-ipv4-network": "192.0.2.0/24"}}"#;
    let controller = r#"{"ietf-mud:mud": {"my-controller": [null]}, "ipv4": {"protocol": 6}}"#;
    let local = r#"!{"ietf-mud:mud": {"local-networks": [null]}, "ipv4": {"protocol": 6}}"#;
    // The name may be that of an address in the network.
    for (first, then) in [
        (name.as_str(), TCP),
        (&host, network),
        (&name, network),
        (&name, r#"!{"ipv4": {"protocol": 6, "destination-ipv4-network": "192.0.2.7/32"}}"#),
        (controller, local),
        (&name, r#"!{"ipv4": {"ietf-acldns:dst-dnsname": "a.example"}}"#),
    ] {
        let profile = mixed(&[first, then]);
        assert!(claims(&profile).iter().all(|claim| claim.starts_with("allowed")), "{first} {then}");
        let reason = "the entry `fr-0` before it accepts part of it";
        assert_eq!(profile.not_checkable[0].reason, reason, "{first} {then}");
        assert_eq!(told(&profile, "mud-overlap"), [format!("`fr-1` denies, and {reason}")]);
        // Denied first, all of it is denied.
        assert_eq!(claims(&mixed(&[then, first])).iter().filter(|c| c.starts_with("forbidden")).count(), 1);
    }
    let elsewhere = mixed(&[&host, &network.replace("192.0.2.0", "198.51.100.0")]);
    assert!(claims(&elsewhere).contains(&"forbidden: out to 198.51.100.0/24, tcp/any".to_owned()));
}

#[test]
fn an_empty_leaf_of_the_container_is_told_and_no_error() {
    let profile = read(&file(&[], &[]).replace("\"A lamp\"", "\" \""));
    assert_eq!(told(&profile, "mud-value"), ["`systeminfo` is empty"]);
    assert_eq!(profile.title, "lamp");
}

#[test]
fn no_port_is_below_the_first_or_above_the_last() {
    for (operator, port) in [("lt", 1), ("gt", 65_535)] {
        let entry = format!(
            "{{\"tcp\": {{\"destination-port\": {{\"operator\": \"{operator}\", \"port\": {port}}}}}}}"
        );
        let error = import(&file(&[&entry], &[]), "test.json").unwrap_err().to_string();
        assert!(error.contains(&format!("no port is `{operator}` {port}")), "{error}");
    }
}

#[test]
fn ranges_may_begin_with_port_0() {
    // RFC 6991: a port number is from 0 to 65535.
    for port in [
        r#"{"lower-port": 0, "upper-port": 1023}"#,
        r#"{"operator": "range", "lower-port": 0, "upper-port": 1023}"#,
    ] {
        let (claims, _) = one(&format!("{{\"tcp\": {{\"destination-port\": {port}}}}}"));
        assert_eq!(claims, ["allowed: out to anyone, tcp/1-1023"]);
    }
    let (claims, _) = one(r#"{"tcp": {"destination-port": {"operator": "gte", "port": 0}}}"#);
    assert_eq!(claims, ["allowed: out to anyone, tcp/1-65535"]);
}

#[test]
fn two_protocols_at_once_are_no_claim() {
    for matches in [
        r#"{"ipv4": {"protocol": 6}, "ipv6": {"protocol": 17}}"#,
        r#"{"tcp": {"destination-port": {"port": 80}}, "udp": {"destination-port": {"port": 80}}}"#,
    ] {
        let profile = read(&file(&[matches], &[]));
        assert!(claims(&profile).is_empty(), "{matches}");
        assert_eq!(profile.not_checkable[0].reason, "its two protocols contradict each other", "{matches}");
    }
}

#[test]
fn an_address_where_a_name_belongs_is_an_address() {
    let profile = read(&file(&[r#"{"ipv4": {"ietf-acldns:dst-dnsname": "192.0.2.1"}}"#], &[]));
    let Rule::Flow(rule) = &profile.claims[0].rule else { panic!() };
    assert_eq!(rule.peers, [Peer::Network("192.0.2.1/32".parse().unwrap())]);
    assert_eq!(told(&profile, "mud-name").len(), 1);
}

#[test]
fn a_list_may_have_nothing() {
    let text = file(&[r#"{"ipv4": {"protocol": 6}}"#], &[]).replace("{\"ace\": [\n\n]}", "null");
    assert!(text.contains("\"aces\": null"), "{text}");
    assert_eq!(claims(&read(&text)), ["allowed: out to anyone, tcp/any"]);
}

#[test]
fn a_wildcard_is_a_pattern_and_not_a_name() {
    let profile = read(&file(&[r#"{"ipv4": {"ietf-acldns:dst-dnsname": "*.example.com"}}"#], &[]));
    let Rule::Flow(rule) = &profile.claims[0].rule else { panic!() };
    assert_eq!(rule.peers, [Peer::Name(NamePattern::Below("example.com".into()))]);
}

#[test]
fn groups_of_peers_come_back_from_yaml_as_what_they_were() {
    let groups = [
        r#"{"ietf-mud:mud": {"my-controller": [null]}}"#,
        r#"{"ietf-mud:mud": {"same-manufacturer": [null]}}"#,
        r#"{"ietf-mud:mud": {"manufacturer": "lamps.example.com"}}"#,
        r#"{"ietf-mud:mud": {"model": "https://lamps.example.com/lamp-2"}}"#,
        r#"{"ietf-mud:mud": {"controller": "https://x.example/roles/hub"}}"#,
        r#"{"ietf-mud:mud": {"controller": "urn:ietf:params:mud:ntp"}, "udp": {"destination-port": {"port": 123}}}"#,
    ];
    let profile = read(&file(&groups, &[]));
    let yaml = write::yaml(&profile, &write::Notes::default());
    assert!(
        yaml.contains("mud: my-controller") && yaml.contains("mud: {manufacturer: lamps.example.com}"),
        "{yaml}"
    );
    let from_yaml = load::from_str(&yaml, "written").unwrap();
    let json = export(&from_yaml, &[], &[], &Header::default()).unwrap().json;
    for leaf in [
        "\"my-controller\": [null]",
        "\"same-manufacturer\": [null]",
        "\"manufacturer\": \"lamps.example.com\"",
        "\"model\": \"https://lamps.example.com/lamp-2\"",
        "\"controller\": \"https://x.example/roles/hub\"",
        "\"controller\": \"urn:ietf:params:mud:ntp\"",
    ] {
        assert!(json.contains(leaf), "{leaf}\n{json}");
    }
    assert!(!json.contains("x-wireclaim"), "{json}");
    let shown = |parameters: &[Parameter]| format!("{parameters:#?}");
    assert_eq!(shown(&read(&json).parameters), shown(&profile.parameters));
    // A parameter of another kind stands for no peers.
    let odd = yaml.replace("kind: peers", "kind: ports");
    assert!(load::from_str(&odd, "odd").unwrap_err().to_string().contains("`mud` goes with `kind: peers`"));
}

#[test]
fn ten_thousand_entries_are_read() {
    let entry = r#"{"ipv4": {"protocol": 6, "ietf-acldns:dst-dnsname": "a.example.com"}, "tcp":
        {"ietf-mud:direction-initiated": "from-device", "destination-port": {"operator": "eq", "port": 443}}}"#;
    let profile = read(&file(&vec![entry; 10_000], &[]));
    assert_eq!(claims(&profile), ["allowed: out to a.example.com, tcp/443"]);
}

/// Keys, values and names that a file may have and nobody expects.
const ODD: &[&str] = &[
    "MUD-NTP",
    "MUD-01",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "a b",
    "true",
    "~",
    "\\u0007",
    "\\u2028 x",
    "é",
    "- x: {y}",
    "#",
    "*.example.com",
    ".example.com",
    "a_b.example.com",
    "urn:ietf:params:mud:ntp",
    "urn:x-wireclaim:parameter:local-network",
    "https://x.example/roles/hub/",
    ":",
    "[",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_imported_loads_again(
        entries in prop::collection::vec((0..8_usize, 0..ODD.len(), 0..ODD.len(), any::<u8>(), any::<bool>()), 1..12),
        list in prop::sample::select(vec!["fr", "wireclaim-x", "wireclaim- \\u0007"]),
        title in prop::sample::select(ODD.to_vec()),
    ) {
        let matches: Vec<String> = entries
            .iter()
            .map(|(form, odd, _, number, _)| {
                let odd = ODD[*odd];
                match form {
                    0 => format!("{{\"ietf-mud:mud\": {{\"controller\": \"{odd}\"}}}}"),
                    1 => format!("{{\"ietf-mud:mud\": {{\"model\": \"{odd}\"}}, \"ipv4\": {{\"protocol\": {number}}}}}"),
                    2 => format!("{{\"ipv4\": {{\"ietf-acldns:dst-dnsname\": \"{odd}\"}}}}"),
                    3 => format!("{{\"ipv4\": {{\"protocol\": {number}, \"{odd}\": 1}}}}"),
                    4 => format!("{{\"icmp\": {{\"type\": {number}}}}}"),
                    5 => format!("{{\"udp\": {{\"destination-port\": {{\"operator\": \"neq\", \"port\": {}}}}}}}", u16::from(*number) + 1),
                    6 => format!("{{\"eth\": {{\"ethertype\": \"{number}\"}}}}"),
                    _ => format!("{{\"ietf-mud:mud\": {{\"manufacturer\": \"{odd}\", \"same-manufacturer\": []}}}}"),
                }
            })
            .collect();
        let matches: Vec<&str> = matches.iter().map(String::as_str).collect();
        let mut text = file(&matches, &[]).replace("\"name\": \"fr\"", &format!("\"name\": \"{list}\""));
        for (at, (_, _, name, _, denies)) in entries.iter().enumerate() {
            text = text.replace(&format!("\"fr-{at}\""), &format!("\"{}\"", ODD[*name]));
            if *denies {
                text = text.replacen("accept", "drop", 1);
            }
        }
        let text = text.replace("A lamp", title);
        // What is no MUD file at all is told; what is one becomes a profile that loads.
        if let Ok(profile) = import(&text, "odd.json") {
            let written = write::loadable_yaml(&profile, &write::Notes::default(), "written");
            prop_assert!(written.is_ok(), "{}\n{text}", written.unwrap_err());
            let exported = export(&profile, &[], &[], &Header::default()).unwrap();
            prop_assert!(import(&exported.json, "exported.json").is_ok(), "{text}\n{}", exported.json);
        }
    }
}

#[test]
fn two_claims_never_have_one_id() {
    // Entries of ours whose ids are taken: as long as an id may be, and that of what is permitted by default.
    let long = "a".repeat(64);
    let text = file(
        &[
            r#"{"ipv4": {"protocol": 6}}"#,
            r#"{"ipv4": {"protocol": 2}, "x": 1}"#,
            r#"{"ipv4": {"protocol": 47}}"#,
        ],
        &[],
    )
    .replace("\"fr\"", "\"wireclaim-x\"")
    .replace("fr-0", &long)
    .replace("fr-1", &long)
    .replace("fr-2", "MUD-NTP");
    let profile = read(&text);
    let ids: BTreeSet<&str> = profile.claims.iter().map(|claim| claim.id.as_str()).collect();
    assert_eq!(ids.len(), profile.claims.len());
    assert!(ids.iter().all(|id| id.len() <= 64) && ids.contains("MUD-NTP-2"), "{ids:?}");
    write::loadable_yaml(&profile, &write::Notes::default(), "written").unwrap();
}

#[test]
fn dns_that_everybody_permits_is_not_missed() {
    let entry = r#"{"ipv4": {"protocol": 6, "ietf-acldns:dst-dnsname": "a.example.com"}, "tcp": {"destination-port": {"port": 443}}}"#;
    let profile = read(&file(&[entry], &[]));
    let yaml = write::yaml(&profile, &write::Notes::default());
    for profile in [profile, load::from_str(&yaml, "written").unwrap()] {
        let lints = crate::profile::lint::lint(&profile);
        assert!(lints.iter().all(|lint| lint.code != "names-without-dns"), "{lints:?}");
    }
    // Where the profile says no more than that, it is told.
    let other = load::from_str(&yaml.replace("title: MUD file", "title: A document"), "other").unwrap();
    assert!(crate::profile::lint::lint(&other).iter().any(|lint| lint.code == "names-without-dns"));
}
