//! Small files made by hand, one for each construct; what they mean is from the sections of RFC 8520 and RFC 8519 that
//! are named.

use super::*;
use crate::profile::load;

/// A file of RFC 8520 with these entries in its two lists.
pub(super) fn file(from: &[&str], to: &[&str]) -> String {
    let list = |name: &str, entries: &[&str]| {
        let entries: Vec<String> = entries
            .iter()
            .enumerate()
            .map(|(at, matches)| {
                format!(
                    "{{\"name\": \"{name}-{at}\", \"matches\": {matches}, \"actions\": {{\"forwarding\": \"accept\"}}}}"
                )
            })
            .collect();
        format!(
            "{{\"name\": \"{name}\", \"type\": \"ipv4-acl-type\", \"aces\": {{\"ace\": [\n{}\n]}}}}",
            entries.join(",\n")
        )
    };
    format!(
        "{{\"ietf-mud:mud\": {{\"mud-version\": 1, \"mud-url\": \"https://lamp.example/lamp.json\",\n\
         \"mud-signature\": \"https://lamp.example/lamp.p7s\", \"last-update\": \"2024-02-03T04:05:06Z\",\n\
         \"cache-validity\": 48, \"is-supported\": true, \"systeminfo\": \"A lamp\",\n\
         \"from-device-policy\": {{\"access-lists\": {{\"access-list\": [{{\"name\": \"fr\"}}]}}}},\n\
         \"to-device-policy\": {{\"access-lists\": {{\"access-list\": [{{\"name\": \"to\"}}]}}}}}},\n\
         \"ietf-access-control-list:acls\": {{\"acl\": [\n{},\n{}]}}}}",
        list("fr", from),
        list("to", to)
    )
}

pub(super) fn read(text: &str) -> Profile {
    import(text, "test.json").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The claims as one line each, without that of local NTP.
pub(super) fn claims(profile: &Profile) -> Vec<String> {
    let claims = profile.claims.iter().filter(|claim| claim.id != claims::NTP_ID);
    claims.map(|claim| format!("{}: {}", claim.level, claim.rule)).collect()
}

pub(super) fn codes(profile: &Profile) -> Vec<&'static str> {
    profile.mud.as_ref().unwrap().lints.iter().map(|lint| lint.code).collect()
}

/// What one entry of the from-device policy becomes.
pub(super) fn one(matches: &str) -> (Vec<String>, Vec<&'static str>) {
    let profile = read(&file(&[matches], &[]));
    // That there is no other direction is not what these tests are about.
    let codes =
        codes(&profile).into_iter().filter(|code| !["mud-one-policy", "mud-one-direction"].contains(code));
    (claims(&profile), codes.collect())
}

#[test]
fn what_the_container_says_is_told_and_kept() {
    let profile = read(&file(&[], &[]));
    assert_eq!((profile.name.as_str(), profile.title.as_str()), ("lamp", "A lamp"));
    assert_eq!(profile.document, "MUD file <https://lamp.example/lamp.json>");
    assert_eq!(profile.reviewed.as_deref(), Some("2024-02-03"));
    assert_eq!(profile.identify.mud_urls, ["https://lamp.example/lamp.json"]);
    let extras = profile.mud.as_ref().unwrap();
    assert_eq!(extras.url.as_deref(), Some("https://lamp.example/lamp.json"));
    assert!(extras.leaves.contains(&("cache-validity".into(), Json::bare(&48))));
    assert_eq!(codes(&profile), ["mud-no-acl"]);
}

#[test]
fn local_dns_and_ntp_are_allowed_by_default() {
    // RFC 8520 appendix A.
    let profile = read(&file(&[], &[]));
    let baseline: Vec<String> = profile.baseline.iter().map(ToString::to_string).collect();
    assert_eq!(baseline, ["arp", "ndp", "dhcp", "dns"]);
    let [ntp] = profile.claims.as_slice() else { panic!("{:?}", profile.claims) };
    assert_eq!(format!("{} {}", ntp.id, ntp.rule), "MUD-NTP out to $controller_ntp, udp/123");
    let [parameter] = profile.parameters.as_slice() else { panic!() };
    assert_eq!(parameter.default.as_deref(), Some("local-network"));
}

#[test]
fn both_directions_of_a_connection_are_one_claim() {
    // RFC 8520 section 9 has such a pair; the peer is the destination one way and the source the other.
    let profile = read(&file(
        &[r#"{"ipv4": {"protocol": 6, "ietf-acldns:dst-dnsname": "a.example.com"},
            "tcp": {"ietf-mud:direction-initiated": "from-device", "destination-port": {"operator": "eq", "port": 443}}}"#],
        &[r#"{"ipv4": {"protocol": 6, "ietf-acldns:src-dnsname": "a.example.com"},
            "tcp": {"ietf-mud:direction-initiated": "from-device", "source-port": {"operator": "eq", "port": 443}}}"#],
    ));
    assert_eq!(claims(&profile), ["allowed: out to a.example.com, tcp/443"]);
    let claim = &profile.claims[0];
    assert_eq!((claim.id.as_str(), claim.line), ("MUD-01", 8));
    assert_eq!(claim.title, "may connect to a.example.com on 443/tcp");
    assert_eq!(claim.source.place, "fr/fr-0, to/to-0");
    assert_eq!(codes(&profile), Vec::<&str>::new());
}

#[test]
fn who_begins_is_told_by_direction_initiated_else_by_the_side_of_the_port() {
    // RFC 8520 section 4.8; without it, the port is that of the service.
    for (matches, expected) in [
        (r#"{"tcp": {"destination-port": {"operator": "eq", "port": 80}}}"#, "out to anyone, tcp/80"),
        (r#"{"tcp": {"source-port": {"operator": "eq", "port": 80}}}"#, "in from anyone, tcp/80"),
        (
            r#"{"tcp": {"direction-initiated": "to-device", "source-port": {"port": 80}}}"#,
            "in from anyone, tcp/80",
        ),
        (r#"{"tcp": {"ietf-mud:direction-initiated": "from-device"}}"#, "out to anyone, tcp/any"),
        (r#"{"tcp": {"ietf-mud:direction-initiated": "to-device"}}"#, "in from anyone, tcp/any"),
        (r#"{"udp": {"destination-port": {"operator": "eq", "port": 5}}}"#, "out to anyone, udp/5"),
        (r#"{"ipv4": {"protocol": 17}}"#, "out to anyone, udp/any"),
    ] {
        assert_eq!(one(matches).0, [format!("allowed: {expected}")], "{matches}");
    }
    // The other policy looks from the other side.
    let to = read(&file(&[], &[r#"{"udp": {"destination-port": {"operator": "eq", "port": 5}}}"#]));
    assert_eq!(claims(&to), ["allowed: in from anyone, udp/5"]);
    assert!(codes(&to).contains(&"mud-one-policy"));
}

#[test]
fn a_port_of_whoever_begins_is_no_claim() {
    let text = file(
        &[r#"{"tcp": {"ietf-mud:direction-initiated": "to-device", "destination-port": {"port": 80}}}"#],
        &[],
    );
    let profile = read(&text);
    assert!(claims(&profile).is_empty());
    let [statement] = profile.not_checkable.as_slice() else { panic!() };
    assert!(statement.reason.contains("the port of whoever begins"), "{}", statement.reason);
    assert!(codes(&profile).contains(&"mud-direction"));
}

#[test]
fn without_ports_whoever_may_send_may_begin() {
    let local = r#"{"ietf-mud:mud": {"local-networks": [null]}}"#;
    assert_eq!(claims(&read(&file(&[local], &[local]))), ["allowed: with local-network"]);
    assert_eq!(claims(&read(&file(&[local], &[]))), ["allowed: out to local-network"]);
    assert_eq!(claims(&read(&file(&[], &[local]))), ["allowed: in from local-network"]);
}

#[test]
fn the_same_port_on_both_sides_is_open_to_both() {
    let bacnet = r#"{"ipv4": {"protocol": 17}, "udp": {"source-port": {"operator": "eq", "port": 47808},
        "destination-port": {"operator": "eq", "port": 47808}}}"#;
    assert_eq!(claims(&read(&file(&[bacnet], &[bacnet]))), ["allowed: with anyone, udp/47808"]);
    assert_eq!(claims(&read(&file(&[bacnet], &[]))), ["allowed: out to anyone, udp/47808"]);
}

#[test]
fn ports_have_operators_and_ranges() {
    // RFC 8519 section 4.2, and the words of the drafts.
    for (port, expected) in [
        (r#"{"operator": "neq", "port": 80}"#, "any but 80"),
        (r#"{"operator": "lte", "port": 80}"#, "1-80"),
        (r#"{"operator": "lt", "port": 80}"#, "1-79"),
        (r#"{"operator": "gte", "port": 80}"#, "80-65535"),
        (r#"{"operator": "gt", "port": 80}"#, "81-65535"),
        (r#"{"lower-port": 80, "upper-port": 90}"#, "80-90"),
        (r#"{"operator": "range", "lower-port": 80, "upper-port": 90}"#, "80-90"),
        (r#"{"port-range-or-operator": {"operator": "eq", "port": 80}}"#, "80"),
        ("80", "80"),
    ] {
        let (claims, _) = one(&format!("{{\"tcp\": {{\"destination-port\": {port}}}}}"));
        assert_eq!(claims, [format!("allowed: out to anyone, tcp/{expected}")], "{port}");
    }
}

#[test]
fn what_a_port_or_a_number_cannot_be_is_an_error_with_its_place() {
    for (matches, expected) in [
        (r#"{"tcp": {"destination-port": {"operator": "eq", "port": 70000}}}"#, "test.json:8:"),
        (r#"{"tcp": {"destination-port": {"operator": "near", "port": 7}}}"#, "unknown operator `near`"),
        (r#"{"tcp": {"destination-port": {"lower-port": 9, "upper-port": 7}}}"#, "has no port"),
        (r#"{"tcp": {"destination-port": {"operator": "eq"}}}"#, "expected `port`"),
        (r#"{"tcp": {"destination-port": {"prot": 9}}}"#, "unknown key `prot`"),
        (r#"{"ipv4": {"protocol": 256}}"#, "expected a number in its range, got `256`"),
        (r#"{"ipv4": {"destination-ipv4-network": "10.0.0.300"}}"#, "expected a prefix"),
        (r#"{"tcp": {"ietf-mud:direction-initiated": "out"}}"#, "expected `from-device`"),
        (r#"{"eth": {"ethertype": "arpa"}}"#, "expected an EtherType"),
    ] {
        let error = import(&file(&[matches], &[]), "test.json").unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("MUD file"), "{error}");
    }
}

#[test]
fn classes_of_peers_are_parameters_that_nobody_has_bound() {
    // RFC 8520 sections 4.1 to 4.7.
    for (matches, expected) in [
        (r#"{"ietf-mud:mud": {"my-controller": [null]}}"#, "my_controller"),
        (r#"{"ietf-mud:mud": {"same-manufacturer": [null]}}"#, "same_manufacturer"),
        (r#"{"ietf-mud:same-manufacturer": [null]}"#, "same_manufacturer"),
        (r#"{"ietf-mud:mud-acl": {"my-controller": [null]}}"#, "my_controller"),
        (r#"{"ietf-mud:mud": {"manufacturer": "lamps.example.com"}}"#, "manufacturer_lamps_example_com"),
        (r#"{"ietf-mud:mud": {"model": "https://lamps.example.com/lamp-2"}}"#, "model_lamp_2"),
        (r#"{"ietf-mud:mud": {"controller": "urn:ietf:params:mud:gateway"}}"#, "controller_gateway"),
        (r#"{"ietf-mud:mud": {"controller": "https://x.example/hub.json/"}}"#, "controller_hub_json"),
        (r#"{"ietf-mud:mud": {"controller": "urn:x-wireclaim:parameter:hub"}}"#, "hub"),
    ] {
        let profile = read(&file(&[matches], &[matches]));
        assert_eq!(claims(&profile), [format!("allowed: with ${expected}")], "{matches}");
        let parameter = profile.parameters.iter().find(|parameter| parameter.name == expected).unwrap();
        assert_eq!((parameter.kind, &parameter.default), (crate::profile::ParameterKind::Peers, &None));
        assert_eq!(profile.slots[0].parameter, expected);
    }
}

#[test]
fn two_classes_with_the_same_last_word_have_two_parameters() {
    let of = |uri: &str| format!("{{\"ietf-mud:mud\": {{\"controller\": \"{uri}\"}}}}");
    let profile = read(&file(&[&of("urn:a:hub"), &of("urn:b:hub")], &[]));
    assert_eq!(claims(&profile), ["allowed: out to $controller_hub", "allowed: out to $controller_hub_2"]);
}

#[test]
fn a_standard_class_with_its_port_is_infrastructure() {
    let of = |class: &str, protocol: u8, port: u16| {
        let container = if protocol == 6 { "tcp" } else { "udp" };
        format!(
            "{{\"ietf-mud:mud\": {{\"controller\": \"urn:ietf:params:mud:{class}\"}}, \"ipv4\": {{\"protocol\": {protocol}}}, \
             \"{container}\": {{\"destination-port\": {{\"operator\": \"eq\", \"port\": {port}}}}}}}"
        )
    };
    for (matches, claim) in [
        (of("dns", 17, 53), None),
        (of("dns", 6, 53), None),
        (of("gateway", 17, 67), None),
        (of("dns", 6, 853), Some("allowed: out to $controller_dns, tcp/853")),
        (of("gateway", 6, 80), Some("allowed: out to $controller_gateway, tcp/80")),
    ] {
        let (claims, codes) = one(&matches);
        assert_eq!(claims.first().map(String::as_str), claim, "{matches}");
        assert_eq!(codes.contains(&"mud-baseline"), claim.is_none(), "{matches}");
    }
    // An entry about NTP stands for the default.
    let profile = read(&file(&[&of("ntp", 17, 123)], &[]));
    assert_eq!(profile.claims.len(), 1);
    assert_eq!(profile.claims[0].rule.to_string(), "out to $controller_ntp, udp/123");
    assert_eq!(profile.parameters[0].default.as_deref(), Some("local-network"));
}

#[test]
fn addresses_are_read_however_they_are_written() {
    for (field, text, expected, code) in [
        ("destination-ipv4-network", "192.0.2.0/24", "192.0.2.0/24", None),
        ("destination-ipv4-network", "192.0.2.7", "192.0.2.7", Some("mud-address-form")),
        ("destination-ipv4-network", "192.0.2.7/24", "192.0.2.0/24", Some("mud-address-form")),
        ("destination-ipv6-network", "192.0.2.7/32", "192.0.2.7", Some("mud-address-family")),
        ("destination-ipv6-network", "2001:db8:0:0:0:0:0:1/128", "2001:db8::1", Some("mud-address-form")),
        ("destination-ipv6-network", "2001:db8::/32", "2001:db8::/32", None),
    ] {
        let (claims, codes) = one(&format!("{{\"ipv6\": {{\"protocol\": 6, \"{field}\": \"{text}\"}}}}"));
        assert_eq!(claims, [format!("allowed: out to {expected}, tcp/any")], "{text}");
        assert_eq!(codes.first().copied(), code, "{text}");
    }
}

#[test]
fn of_what_must_all_hold_the_narrowest_is_compared() {
    let local = r#"{"ietf-mud:mud": {"local-networks": [null]}, "ipv4": {"destination-ipv4-network": "224.0.0.251/32"}}"#;
    assert_eq!(one(local).0, ["allowed: out to 224.0.0.251"]);
    let named = r#"{"ipv4": {"ietf-acldns:dst-dnsname": "a.example.com", "destination-ipv4-network": "192.0.2.0/24"}}"#;
    let (claims, codes) = one(named);
    assert_eq!(claims, ["allowed: out to a.example.com"]);
    assert_eq!(codes, ["mud-not-compared"]);
}

#[test]
fn an_empty_leaf_may_be_written_in_many_ways() {
    // RFC 7951 section 6.9 has [null].
    for (written, set, odd) in [
        ("[null]", true, false),
        ("[]", true, true),
        ("null", true, true),
        ("\"\"", true, true),
        ("{}", true, true),
        ("true", true, true),
        ("false", false, true),
    ] {
        let (claims, codes) = one(&format!("{{\"ietf-mud:mud\": {{\"local-networks\": {written}}}}}"));
        let expected = if set { "allowed: out to local-network" } else { "allowed: out to anyone" };
        assert_eq!(claims, [expected], "{written}");
        assert_eq!(codes.contains(&"mud-empty-leaf"), odd, "{written}");
    }
}

#[test]
fn an_echo_says_who_begins() {
    let of =
        |kind: u8| format!("{{\"ipv4\": {{\"protocol\": 1}}, \"icmp\": {{\"type\": {kind}, \"code\": 0}}}}");
    let profile = read(&file(&[&of(8)], &[&of(0)]));
    assert_eq!(claims(&profile), ["allowed: out to anyone, icmp/any"]);
    let profile = read(&file(&[&of(0)], &[&of(8)]));
    assert_eq!(claims(&profile), ["allowed: in from anyone, icmp/any"]);
}

#[test]
fn protocols_below_the_transport_are_infrastructure_or_no_claim() {
    let of = |family: &str, protocol: u8, to: &str| {
        format!("{{\"{family}\": {{\"protocol\": {protocol}, \"destination-{family}-network\": \"{to}\"}}}}")
    };
    let baseline = |text: &str| -> Vec<String> {
        read(&file(&[text], &[])).baseline.iter().map(ToString::to_string).collect()
    };
    assert!(baseline(&of("ipv4", 2, "224.0.0.22/32")).contains(&"igmp".to_owned()));
    for protocol in [0, 58] {
        let profile = read(&file(&[&of("ipv6", protocol, "ff00::/8")], &[]));
        assert!(claims(&profile).is_empty() && profile.not_checkable.is_empty(), "{protocol}");
    }
    let profile = read(&file(&[&of("ipv6", 44, "ff00::/8"), &of("ipv4", 47, "192.0.2.1/32")], &[]));
    let titles: Vec<&str> = profile.not_checkable.iter().map(|statement| statement.title.as_str()).collect();
    assert_eq!(titles, ["packets of protocol 44 (IPv6 fragments)"]);
    assert_eq!(claims(&profile), ["allowed: out to 192.0.2.1, ip-47/any"]);
}

#[test]
fn ports_of_a_protocol_that_has_none_here_are_no_claim() {
    let text = r#"{"ipv4": {"protocol": 132}, "tcp": {"destination-port": {"operator": "eq", "port": 80}}}"#;
    let profile = read(&file(&[text], &[]));
    assert!(claims(&profile).iter().all(|claim| !claim.contains("132/80")), "{:?}", claims(&profile));
}

#[test]
fn frames_without_ip_are_told_apart() {
    let of = |ethertype: &str| format!("{{\"eth\": {{\"ethertype\": \"{ethertype}\"}}}}");
    let (claims, codes) = one(&of("0x0806"));
    assert_eq!((claims.len(), codes), (0, vec!["mud-baseline"]));
    for (ethertype, title, code) in [
        ("0x888e", "Ethernet frames of EAPOL (802.1X)", "mud-ethernet"),
        ("0x0006", "Ethernet frames of length 6", "mud-ethertype"),
        ("0x9999", "Ethernet frames of type 0x9999", "mud-ethertype"),
    ] {
        let profile = read(&file(&[&of(ethertype)], &[]));
        assert_eq!(profile.not_checkable[0].title, title);
        assert!(self::codes(&profile).contains(&code), "{ethertype}");
    }
    // Beside IP, the type says what the addresses say already.
    assert_eq!(
        one(r#"{"eth": {"ethertype": "0x0800"}, "ipv4": {"protocol": 6}}"#).0,
        ["allowed: out to anyone, tcp/any"]
    );
    assert_eq!(one(r#"{"eth": {"ethertype": "0x0800"}}"#).0, ["allowed: out to anyone"]);
}

#[test]
fn what_denies_forbids_and_what_is_unknown_is_no_claim() {
    let with = |action: &str| {
        file(&[r#"{"ipv4": {"protocol": 6}}"#], &[]).replace("{\"forwarding\": \"accept\"}", action)
    };
    for action in [r#"{"forwarding": "drop"}"#, r#"{"forwarding": "reject"}"#, r#"{"deny": [null]}"#] {
        let profile = read(&with(action));
        assert_eq!(claims(&profile), ["forbidden: out to anyone, tcp/any"], "{action}");
        assert!(codes(&profile).contains(&"mud-action"));
    }
    for action in [
        r#"{"permit": [null]}"#,
        r#"{"forwarding": "ietf-access-control-list:accept"}"#,
        r#"{"packet-handling": "permit"}"#,
    ] {
        assert_eq!(claims(&read(&with(action))), ["allowed: out to anyone, tcp/any"], "{action}");
    }
    let profile = read(&with(r#"{"forwarding": "mirror"}"#));
    assert!(claims(&profile).is_empty());
    assert_eq!(profile.not_checkable[0].reason, "its action `mirror` is neither to accept nor to deny");
}

#[test]
fn odd_leaves_are_lints() {
    let odd = file(&[], &[])
        .replace("\"cache-validity\": 48", "\"cache-validity\": 169, \"x-color\": {\"a\": [1]}")
        .replace("\"mud-version\": 1", "\"mud-version\": 2")
        .replace("\"is-supported\": true", "\"is-supported\": false")
        .replace("https://lamp.example/lamp.json", "http://lamp.example/lamp.json")
        .replace("2024-02-03T04:05:06Z", "yesterday")
        .replace("\"mud-signature\": \"https://lamp.example/lamp.p7s\", ", "");
    let profile = read(&odd);
    let mut found = codes(&profile);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "mud-cache-validity",
            "mud-no-acl",
            "mud-not-supported",
            "mud-unknown-node",
            "mud-unsigned",
            "mud-url-form",
            "mud-value",
            "mud-version"
        ]
    );
    let extras = profile.mud.as_ref().unwrap();
    assert!(extras.leaves.iter().any(|(key, value)| key == "x-color" && value.compact() == r#"{"a":[1]}"#));
}

#[test]
fn extensions_that_the_file_names_are_kept_without_alarm() {
    let text = file(&[], &[]).replace(
        "\"cache-validity\": 48",
        "\"extensions\": [\"ol\"], \"ol:owners\": [\"Lamps\"], \"cache-validity\": 48",
    );
    let profile = read(&text);
    assert!(codes(&profile).contains(&"mud-extension") && !codes(&profile).contains(&"mud-unknown-node"));
    assert!(profile.mud.unwrap().leaves.iter().any(|(key, _)| key == "ol:owners"));
}

#[test]
fn lists_that_nobody_names_and_names_without_list_are_told() {
    let text = file(&[r#"{"ipv4": {"protocol": 6}}"#], &[])
        .replace("[{\"name\": \"fr\"}]", "[{\"name\": \"gone\"}]");
    let profile = read(&text);
    assert!(claims(&profile).is_empty());
    let codes = codes(&profile);
    assert!(codes.contains(&"mud-missing-acl") && codes.contains(&"mud-unused-acl"), "{codes:?}");
}

#[test]
fn what_narrows_and_is_not_compared_is_kept() {
    let profile = read(&file(&[r#"{"ipv4": {"protocol": 6, "dscp": 46}, "x:colour": "red"}"#], &[]));
    assert_eq!(claims(&profile), ["allowed: out to anyone, tcp/any"]);
    let mut found = codes(&profile);
    found.retain(|code| !code.starts_with("mud-one"));
    assert_eq!(found, ["mud-not-compared", "mud-unknown-node"]);
    assert_eq!(profile.mud.as_ref().unwrap().rest["MUD-01"].len(), 2);
}

#[test]
fn names_are_lower_case_and_whole() {
    let (claims, codes) = one(r#"{"ipv4": {"ietf-acldns:dst-dnsname": "A.Example.COM."}}"#);
    assert_eq!((claims, codes), (vec!["allowed: out to a.example.com".to_owned()], vec!["mud-name-case"]));
    let profile = read(&file(&[r#"{"ipv4": {"ietf-acldns:dst-dnsname": "localhost"}}"#], &[]));
    assert_eq!(profile.not_checkable.len(), 1);
    assert!(self::codes(&profile).contains(&"mud-name"));
    // The device's own side is not the peer.
    let profile = read(&file(&[r#"{"ipv4": {"ietf-acldns:src-dnsname": "a.example.com"}}"#], &[]));
    assert_eq!(profile.not_checkable.len(), 1);
    assert!(self::codes(&profile).contains(&"mud-own-address"));
}

#[test]
fn one_name_with_another_port_in_each_direction_is_told() {
    let of = |side: &str, port: &str, number: u16| {
        format!(
            "{{\"ipv4\": {{\"protocol\": 6, \"ietf-acldns:{side}-dnsname\": \"a.example.com\"}}, \
             \"tcp\": {{\"{port}-port\": {{\"operator\": \"eq\", \"port\": {number}}}}}}}"
        )
    };
    let profile = read(&file(&[&of("dst", "destination", 443)], &[&of("src", "source", 8443)]));
    assert_eq!(claims(&profile).len(), 2);
    let lint =
        profile.mud.as_ref().unwrap().lints.iter().find(|lint| lint.code == "mud-ports-differ").unwrap();
    assert_eq!(lint.claims, ["MUD-01", "MUD-02"]);
    assert!(lint.message.contains("443 in one direction and 8443 in the other"), "{}", lint.message);
}

#[test]
fn ports_chosen_at_random_are_told() {
    let (_, codes) = one(r#"{"tcp": {"destination-port": {"operator": "eq", "port": 52433}}}"#);
    assert_eq!(codes, ["mud-ephemeral-port"]);
    let (_, codes) = one(r#"{"tcp": {"destination-port": {"operator": "eq", "port": 49151}}}"#);
    assert_eq!(codes, Vec::<&str>::new());
    // What a client sends from the port that its system chose is not a service.
    let (claims, _) = one(r#"{"udp": {"source-port": {"lower-port": 1024, "upper-port": 65535}}}"#);
    assert_eq!(claims, ["allowed: out to anyone, udp/any"]);
}

#[test]
fn older_dialects_say_the_same() {
    let old = |matches: &str, list: &str| {
        file(&[matches], &[])
            .replace("\"ietf-access-control-list:acls\"", "\"ietf-access-control-list:access-lists\"")
            .replace("\"aces\"", &format!("\"{list}\""))
    };
    let draft_2018 = old(
        r#"{"ipv4-acl": {"ietf-acldns:dst-dnsname": "a.example.com", "protocol": 6,
            "destination-port-range-or-operator": {"operator": "eq", "port": 443}}, "tcp": {"ietf-mud:direction-initiated": "from-device"}}"#,
        "access-list-entries",
    );
    let draft_2017 = old(
        r#"{"ipv4-acl": {"ietf-acldns:dst-dnsname": "a.example.com", "protocol": 6,
            "destination-port-range": {"lower-port": 443, "upper-port": 443}}}"#,
        "aces",
    )
    .replace("{\"name\": \"fr\"", "{\"acl-name\": \"fr\"")
    .replace("{\"name\": \"to\"", "{\"acl-name\": \"to\"")
    .replace("\"name\": \"fr-0\"", "\"rule-name\": \"fr-0\"");
    let mudgee = old(
        r#"{"ipv4": {"ietf-acldns:dst-dnsname": "a.example.com", "protocol": 6}, "tcp": {"destination-port": {"operator": "eq", "port": 443}}}"#,
        "aces",
    );
    for (text, dialect) in
        [(draft_2017, Dialect::Draft2017), (draft_2018, Dialect::Draft2018), (mudgee, Dialect::AccessLists)]
    {
        let profile = read(&text);
        assert_eq!(claims(&profile), ["allowed: out to a.example.com, tcp/443"], "{dialect}");
        assert_eq!(profile.mud.as_ref().unwrap().dialect, dialect);
        assert_eq!(profile.claims[0].source.place, "fr/fr-0");
        assert!(codes(&profile).contains(&"mud-dialect"));
    }
}

/// A TLS profile in the names of the YANG module, and as the RFC's example spells it.
const TLS_YANG: &str = r#"{"ipv4": {"protocol": 6}, "tcp": {"destination-port": {"operator": "eq", "port": 443}},
    "ietf-acl-tls:client-profiles": {"tls-dtls-profile": [{"name": "p", "supported-tls-version": ["tls12", "tls13"],
    "cipher-suite": [4865, 49195, 2570], "extension-type": [0, 10, 13], "supported-group": [29],
    "signature-algorithm": [1027, 65000], "psk-key-exchange-mode": [1], "application-protocol": ["h2"],
    "accept-list-ta-cert": ["AAAA"]}]}}"#;

#[test]
fn a_client_profile_is_read_in_both_spellings() {
    let profile = read(&file(&[TLS_YANG], &[]));
    let offer = |profile: &Profile| match &profile.claims[0].rule {
        crate::profile::Rule::Flow(rule) => rule.tls.as_ref().unwrap().offers[0].clone(),
        other => panic!("{other:?}"),
    };
    let got = offer(&profile);
    assert_eq!((got.name.as_str(), got.versions.as_slice()), ("p", [0x0303, 0x0304].as_slice()));
    assert_eq!(got.suites, [0x1301, 0xc02b], "GREASE (0x0a0a) is left out");
    assert_eq!((got.groups.as_slice(), got.psk_modes.as_slice()), ([29].as_slice(), [1].as_slice()));
    assert_eq!(
        (got.extensions.as_slice(), got.alpn.as_slice()),
        ([0, 10, 13].as_slice(), [String::from("h2")].as_slice())
    );
    let mut found = codes(&profile);
    found.retain(|code| !code.starts_with("mud-one"));
    assert_eq!(found, ["mud-tls-grease", "mud-tls-unknown", "mud-not-compared"], "in the order of lines");

    let example = TLS_YANG
        .replace("client-profiles", "client-profile")
        .replace("tls-dtls-profile", "tls-dtls-profiles")
        .replace("supported-tls-version", "supported-tls-versions")
        .replace("extension-type", "extension-types")
        .replace("supported-group", "supported-groups");
    let profile = read(&file(&[&example], &[]));
    assert_eq!(offer(&profile), got);
    assert!(codes(&profile).contains(&"mud-tls-spelling"));
}

#[test]
fn actions_inside_of_matches_are_found() {
    // As the example of RFC 9761 has them.
    let text = file(&[r#"{"ipv4": {"protocol": 6}, "actions": {"forwarding": "accept"}}"#], &[])
        .replace(", \"actions\": {\"forwarding\": \"accept\"}}", "}")
        .replace("\"protocol\": 6}}", "\"protocol\": 6}, \"actions\": {\"forwarding\": \"drop\"}}");
    let profile = read(&text);
    assert_eq!(claims(&profile), ["forbidden: out to anyone, tcp/any"], "{text}");
}

#[test]
fn a_client_profile_is_written_in_the_names_of_the_module() {
    let profile = read(&file(&[TLS_YANG], &[TLS_YANG]));
    let json = export(&profile, &[], &[], &Header::default()).unwrap().json;
    for name in [
        "\"ietf-acl-tls:client-profiles\"",
        "\"tls-dtls-profile\"",
        "\"supported-tls-version\": [\"tls12\", \"tls13\"]",
        "\"cipher-suite\": [4865, 49195]",
        "\"accept-list-ta-cert\": [\"AAAA\"]",
        "is-tls-dtls-profile-supported\": true",
    ] {
        assert!(json.contains(name), "{name}\n{json}");
    }
}

#[test]
fn what_is_no_mud_file_is_not_taken_for_one() {
    assert!(!is_mud("version: 1\nprofile: a\n# ietf-mud:mud\n"));
    assert!(!is_mud("{\"version\": 1}"));
    assert!(is_mud("\u{feff}\n\t{\"ietf-mud:mud\": {}}"));
    let error = import("{\"a\": \"ietf-mud:mud\"}", "a.json").unwrap_err().to_string();
    assert!(error.contains("missing key `ietf-mud:mud`"), "{error}");
    // JSON is read with the eyes of YAML, which names lines and columns.
    let error = import("{\"ietf-mud:mud\": {\n  \"mud-version\" 1}}", "a.json").unwrap_err().to_string();
    assert!(error.contains("a.json:2:"), "{error}");
    assert!(load::from_str("{\"ietf-mud:mud\": {}}", "a").is_err());
}

#[test]
fn hostile_files_are_refused_or_bounded() {
    let deep = format!("{{\"ietf-mud:mud\": {}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(import(&deep, "deep").unwrap_err().to_string().contains("deep"));
    let deep = format!("{{\"ietf-mud:mud\": {{}}, \"x\": {}1{}}}", "{\"l3\":".repeat(22), "}".repeat(22));
    assert!(import(&deep, "deep").is_ok(), "as deep as is read");
    let many = vec![r#"{"tcp": {}}"#; 50_001];
    let error = import(&file(&many, &[]), "many").unwrap_err().to_string();
    assert!(error.contains("more than 50000 entries"), "{error}");
    // Ten thousand that all want the same name have one each.
    let many: Vec<String> =
        (0..5_000).map(|n| format!("{{\"ietf-mud:mud\": {{\"controller\": \"urn:{n}:hub\"}}}}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let profile = read(&file(&many, &[]));
    assert_eq!(profile.claims.last().map(|claim| claim.id.as_str()), Some("MUD-NTP"));
    assert_eq!(profile.parameters.len(), 5_001);
    // Nothing of a file reaches a terminal as it is, or without end.
    let evil = format!("{{\"ipv4\": {{\"{}\\u001b[31m\": 1}}}}", "x".repeat(900));
    let profile = read(&file(&[&evil], &[]));
    for lint in &profile.mud.as_ref().unwrap().lints {
        assert!(!lint.message.contains('\u{1b}') && lint.message.chars().count() < 500, "{}", lint.message);
    }
    assert!(profile.claims.iter().all(|claim| !claim.source.quote.contains('\u{1b}')));
}

#[test]
fn odd_structures_are_errors_and_never_panics() {
    for text in [
        "{\"ietf-mud:mud\": []}",
        "{\"ietf-mud:mud\": {\"from-device-policy\": 1}}",
        "{\"ietf-mud:mud\": {\"from-device-policy\": {\"access-lists\": {\"access-list\": {}}}}}",
        "{\"ietf-mud:mud\": {}, \"acls\": []}",
        "{\"ietf-mud:mud\": {}, \"acls\": {\"acl\": [1]}}",
        "{\"ietf-mud:mud\": {}, \"acls\": {\"acl\": [{\"aces\": 1}]}}",
    ] {
        let error = import(text, "odd").unwrap_err().to_string();
        assert!(error.contains("expected") || error.contains("missing"), "{text}: {error}");
    }
    // Every beginning of a file is an error, not a panic, and so is every other byte in its place.
    let whole = file(&[TLS_YANG], &[]);
    for end in (0..whole.len()).step_by(7) {
        let _ = import(whole.get(..end).unwrap_or_default(), "cut");
    }
    for (round, at) in (0..whole.len()).step_by(5).enumerate() {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] = b"\"{}[]:,0n9-\\"[round % 12];
        let _ = import(&String::from_utf8_lossy(&bytes), "changed");
    }
}

#[test]
fn codes_of_lints_are_well_formed_and_unique() {
    let mut seen = BTreeSet::new();
    for code in lints::KINDS.iter().map(|kind| &kind.code) {
        assert!(
            code.starts_with("mud-") && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
            "{code}"
        );
        assert!(seen.insert(code), "{code} twice");
    }
}
