//! Names that differ only in a label that a machine made up, and where a wildcard may stand for them.

use std::collections::{BTreeMap, BTreeSet};

/// So many names make a wildcard.
pub(super) const ENOUGH: usize = 3;

/// Names that one wildcard stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Family {
    /// What they are below: `iot.example.com` of `*.iot.example.com`.
    pub(super) apex: String,
    /// They, ascending.
    pub(super) members: Vec<String>,
}

/// The families among `names`: at least [`ENOUGH`] names that are equal but for their first label, and there but for the
/// parts that look generated. Never directly below a name under which anybody may have one.
pub(super) fn families<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<Family> {
    let mut alike: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for name in names {
        let Some((label, apex)) = name.split_once('.') else { continue };
        if let Some(skeleton) = skeleton(label).filter(|_| !is_shared(apex)) {
            alike.entry((apex.to_owned(), skeleton)).or_default().insert(name.to_owned());
        }
    }
    alike
        .into_iter()
        .filter(|(_, members)| members.len() >= ENOUGH)
        .map(|((apex, _), members)| Family { apex, members: members.into_iter().collect() })
        .collect()
}

/// A label with `#` in place of each part that looks generated; `None` where none does.
fn skeleton(label: &str) -> Option<String> {
    if is_uuid(label) {
        return Some(String::from("#"));
    }
    let mut any = false;
    let mut out = String::new();
    for (at, part) in label.split('-').enumerate() {
        if at > 0 {
            out.push('-');
        }
        if is_generated(part) {
            any = true;
            out.push('#');
        } else if let Some(stem) = numbered(part) {
            any = true;
            out.push_str(stem);
            out.push('#');
        } else {
            out.push_str(part);
        }
    }
    any.then_some(out)
}

/// Digits alone, hexadecimal of some length, or long with letters and digits mixed.
fn is_generated(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 {
        return false;
    }
    let mixed = part
        .as_bytes()
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_digit() != b.is_ascii_digit()))
        .count();
    digits == part.len()
        || (part.len() >= 6 && part.bytes().all(|b| b.is_ascii_hexdigit()))
        || (part.len() >= 10 && digits >= 2 && mixed >= 2)
}

/// What stands before the number of something that is counted: `node` of `node17`. A single digit is a name.
fn numbered(part: &str) -> Option<&str> {
    let stem = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let letters = !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphabetic());
    (letters && part.len().saturating_sub(stem.len()) >= 2).then_some(stem)
}

/// RFC 9562 section 4.
fn is_uuid(label: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = label.split('-').collect();
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether names directly below `apex` may be those of anybody: registries, and operators who give their customers names.
fn is_shared(apex: &str) -> bool {
    let labels: Vec<&str> = apex.split('.').collect();
    let registry = match labels.as_slice() {
        [] | [_] => true,
        [second, top] => top.len() == 2 && SECOND_LEVEL.contains(second),
        _ => false,
    };
    let of_operator = |operator: &&str| {
        apex.strip_suffix(*operator).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    registry || OPERATORS.iter().any(of_operator)
}

/// Second labels that registries of countries register names below (`co.uk`), as the registries publish them.
const SECOND_LEVEL: &[&str] = &[
    "ac", "asn", "biz", "co", "com", "ed", "edu", "gen", "go", "gob", "gouv", "gov", "govt", "gv", "id",
    "info", "law", "ltd", "me", "mil", "net", "ne", "nhs", "nom", "or", "org", "plc", "police", "sch", "web",
];

/// Operators below whose names, at any depth, are those of their customers: hosting, content delivery, dynamic DNS, and
/// the reverse look-up. A list that is never complete: a wildcard is an offer, and its evidence stands beside it.
const OPERATORS: &[&str] = &[
    "akadns.net",
    "akamai.net",
    "akamaiedge.net",
    "akamaihd.net",
    "akamaized.net",
    "aliyuncs.com",
    "amazonaws.com",
    "amazonaws.com.cn",
    "appspot.com",
    "arpa",
    "awsglobalaccelerator.com",
    "azure-api.net",
    "azure-devices.net",
    "azure.com",
    "azureedge.net",
    "azurefd.net",
    "azurewebsites.net",
    "b-cdn.net",
    "backblazeb2.com",
    "blogspot.com",
    "cdn77.org",
    "cloudapp.net",
    "cloudflare.net",
    "cloudfront.net",
    "cloudfunctions.net",
    "ddns.net",
    "digitaloceanspaces.com",
    "duckdns.org",
    "dyndns.org",
    "edgekey.net",
    "edgesuite.net",
    "edgecastcdn.net",
    "fastly.net",
    "fastlylb.net",
    "firebaseapp.com",
    "firebaseio.com",
    "github.io",
    "githubusercontent.com",
    "googleapis.com",
    "googleusercontent.com",
    "herokuapp.com",
    "heroku.com",
    "hopto.org",
    "llnwd.net",
    "local",
    "myqcloud.com",
    "netlify.app",
    "ngrok.io",
    "ngrok-free.app",
    "no-ip.org",
    "ondigitalocean.app",
    "oraclecloud.com",
    "pages.dev",
    "run.app",
    "trafficmanager.net",
    "trycloudflare.com",
    "vercel.app",
    "wasabisys.com",
    "web.app",
    "windows.net",
    "workers.dev",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, usize)> {
        let families = families(names.iter().copied());
        families.into_iter().map(|family| (family.apex, family.members.len())).collect()
    }

    #[test]
    fn labels_that_look_generated_are_told_from_words() {
        for (label, skeleton_is) in [
            ("0", Some("#")),
            ("20260501", Some("#")),
            ("a3f09c", Some("#")),
            ("a3k7odshaiipe8", Some("#")),
            ("a3k7odshaiipe8-ats", Some("#-ats")),
            ("node17", Some("node#")),
            ("123e4567-e89b-12d3-a456-426614174000", Some("#")),
            ("api", None),
            ("api2", None),
            ("decade", None),
            ("facade", None),
            ("eu-west", None),
            ("mqtt", None),
            ("telemetry-collector", None),
        ] {
            assert_eq!(skeleton(label).as_deref(), skeleton_is, "{label}");
        }
    }

    #[test]
    fn three_names_make_a_family_and_two_do_not() {
        assert_eq!(found(&["1a2b3c.iot.example.com", "9f8e7d.iot.example.com"]), []);
        let three = ["1a2b3c.iot.example.com", "9f8e7d.iot.example.com", "00ffaa.iot.example.com"];
        assert_eq!(found(&three), [("iot.example.com".to_owned(), 3)]);
        assert_eq!(found(&["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "api.ntp.org"])[0].1, 3);
    }

    #[test]
    fn names_that_differ_otherwise_are_no_family() {
        assert_eq!(found(&["api.example.com", "cdn.example.com", "mqtt.example.com"]), []);
        assert_eq!(found(&["node17.a.example.com", "node18.b.example.com", "node19.c.example.com"]), []);
        assert_eq!(found(&["node17.example.com", "edge18.example.com", "cache19.example.com"]), []);
    }

    #[test]
    fn nothing_is_offered_where_anybody_may_have_a_name() {
        for apex in [
            "com",
            "co.uk",
            "com.au",
            "amazonaws.com",
            "s3.amazonaws.com",
            "iot.us-east-1.amazonaws.com",
            "azure-devices.net",
            "2.0.192.in-addr.arpa",
        ] {
            let names = ["1a2b3c", "9f8e7d", "00ffaa"].map(|label| format!("{label}.{apex}"));
            assert!(families(names.iter().map(String::as_str)).is_empty(), "{apex}");
        }
        assert!(!is_shared("notamazonaws.com"));
        assert!(!is_shared("example.com"));
    }
}
