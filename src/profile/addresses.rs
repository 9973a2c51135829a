//! Address lists, each with the date of its snapshot: those that ship with the program (`rules/addresses`), and those
//! that a profile reads from files beside it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::error::Category;

use super::problem::{near_or_all, quoted};
use super::{AddressSet, ClaimState, Declaration, Peer, Rule, value};
use crate::error::reason;
use crate::files;
use crate::model::{Date, Timestamp};

/// Names and texts of the lists that ship.
const LISTS: &[(&str, &str)] = &[
    ("aws-us-east-1", include_str!("../../rules/addresses/aws-us-east-1.txt")),
    ("public-resolvers", include_str!("../../rules/addresses/public-resolvers.txt")),
];

/// Largest file, in bytes; the `ip-ranges.json` of AWS has some two million.
const MAX_BYTES: u64 = 32 << 20;

/// What of an `ip-ranges.json` is wanted; empty for everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) services: Vec<String>,
    pub(super) regions: Vec<String>,
}

/// Names of the lists that ship.
pub(super) fn names<'n>() -> impl Iterator<Item = &'n str> {
    LISTS.iter().map(|(name, _)| *name)
}

/// The list called `name`, of those that ship.
///
/// # Errors
/// A sentence with the near miss where there is no such list.
pub fn named(name: &str) -> Result<AddressSet, String> {
    static PARSED: LazyLock<Vec<AddressSet>> = LazyLock::new(|| {
        let shipped =
            |(name, text): &(&str, &str)| set(name, date_of(text).unwrap_or_default(), &prefixes(text));
        LISTS.iter().map(shipped).collect()
    });
    PARSED
        .iter()
        .find(|set| set.name == name)
        .cloned()
        .ok_or_else(|| format!("unknown address list `{name}`{}", near_or_all(name, names())))
}

/// Reads a list from a file: prefixes and addresses line by line, or the `ip-ranges.json` of AWS, which begins with a
/// brace. `dated` is its date where the file does not tell it.
///
/// # Errors
/// A sentence that names the file, and the line where it is about one.
pub(super) fn open(
    path: &Path,
    name: &str,
    wanted: &Wanted,
    dated: Option<&str>,
) -> Result<AddressSet, String> {
    let failed = |what: String| format!("failed to read the list `{}`: {what}", path.display());
    let text = read(path).map_err(failed)?;
    let (found, networks) = if text.trim_start().starts_with('{') {
        aws(&text, wanted)
    } else if wanted.services.is_empty() && wanted.regions.is_empty() {
        lines(&text).map(|networks| (date_of(&text).map(str::to_owned), networks))
    } else {
        Err("`service` and `region` go with the `ip-ranges.json` of AWS, and this is a plain list".to_owned())
    }
    .map_err(failed)?;
    let Some(dated) = found.as_deref().or(dated) else {
        return Err(failed(
            "it does not say of when it is (a line `# dated: 2026-11-21`, or `dated` beside `file`)"
                .to_owned(),
        ));
    };
    Ok(set(name, &value::date(dated).map_err(failed)?, &networks))
}

/// Lists that claims in force refer to, each once.
pub fn of(declaration: &Declaration) -> Vec<&AddressSet> {
    let in_force = declaration
        .claims
        .iter()
        .filter(|bound| matches!(bound.state, ClaimState::Active | ClaimState::Noted(_)));
    let mut found: Vec<&AddressSet> = Vec::new();
    for bound in in_force {
        match &bound.claim.rule {
            Rule::Flow(rule) => found.extend(rule.peers.iter().filter_map(|peer| match peer {
                Peer::List(set) => Some(set),
                _ => None,
            })),
            Rule::AddressesWithin { networks, .. } => found.push(networks),
            _ => {}
        }
    }
    // What a parameter stands for has no date.
    found.retain(|set| !set.dated.is_empty());
    found.sort_by_key(|set| (&set.name, &set.dated));
    found.dedup_by_key(|set| (&set.name, &set.dated));
    found
}

impl AddressSet {
    /// How many days before `day` its snapshot was taken. One that says no day is as young as it can be.
    pub fn age_in_days(&self, day: Date) -> u64 {
        let youngest = match self.dated.split('-').count() {
            1 => vec![format!("{}-12-31", self.dated)],
            2 => ["31", "30", "29", "28"].map(|last| format!("{}-{last}", self.dated)).into(),
            _ => vec![self.dated.clone()],
        };
        youngest.iter().find_map(|text| Date::parse(text)).map_or(0, |taken| day.days_since(taken))
    }
}

fn set(name: &str, dated: &str, networks: &Vec<IpNet>) -> AddressSet {
    let networks = Arc::new(IpNet::aggregate(networks));
    AddressSet { name: name.to_owned(), dated: dated.to_owned(), networks }
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = files::read(path, MAX_BYTES).map_err(|error| reason(&error))?;
    files::utf8(bytes, MAX_BYTES)
}

/// The date that a comment tells: `# dated: 2026-11-21`.
fn date_of(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("# dated: ")).map(str::trim)
}

/// What is on each line, without comments.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim())
}

/// The prefixes among the lines of a list that ships; names, where it has them, are for others.
fn prefixes(text: &str) -> Vec<IpNet> {
    let network = |line: &str| line.parse().or_else(|_| line.parse::<IpAddr>().map(IpNet::from)).ok();
    entries(text).filter_map(network).collect()
}

/// The prefixes and addresses of a plain list.
fn lines(text: &str) -> Result<Vec<IpNet>, String> {
    let mut found = Vec::new();
    for (at, line) in entries(text).enumerate().filter(|(_, line)| !line.is_empty()) {
        let told = |message| format!("line {}: {message}", at.saturating_add(1));
        let network = value::network(line).map_err(told)?;
        found.push(network.ok_or_else(|| told(format!("expected an address or a prefix, got `{line}`")))?);
    }
    if found.is_empty() { Err("it has no address".to_owned()) } else { Ok(found) }
}

/// `ip-ranges.json`, as far as it is read.
#[derive(Deserialize)]
struct Ranges<'t> {
    #[serde(rename = "syncToken", borrow, default)]
    sync_token: Cow<'t, str>,
    #[serde(rename = "createDate", borrow, default)]
    create_date: Cow<'t, str>,
    #[serde(borrow, default)]
    prefixes: Vec<Prefix<'t>>,
    #[serde(borrow, default)]
    ipv6_prefixes: Vec<Prefix<'t>>,
}

#[derive(Deserialize)]
struct Prefix<'t> {
    #[serde(borrow, rename = "ip_prefix", alias = "ipv6_prefix")]
    network: Cow<'t, str>,
    #[serde(borrow)]
    region: Cow<'t, str>,
    #[serde(borrow)]
    service: Cow<'t, str>,
}

/// Date and prefixes of an `ip-ranges.json`.
fn aws(text: &str, wanted: &Wanted) -> Result<(Option<String>, Vec<IpNet>), String> {
    let ranges: Ranges<'_> = serde_json::from_str(text).map_err(|error| {
        let got = match error.classify() {
            Category::Eof => "JSON that is cut off",
            Category::Data => "another value",
            Category::Syntax | Category::Io => "what is no JSON",
        };
        let (line, column) = (error.line(), error.column());
        format!("line {line}, column {column}: expected the `ip-ranges.json` of AWS or one prefix per line, got {got}")
    })?;
    let all = || ranges.prefixes.iter().chain(&ranges.ipv6_prefixes);
    let takes = |wanted: &[String], word: &str| {
        wanted.is_empty() || wanted.iter().any(|one| one.eq_ignore_ascii_case(word))
    };
    let networks: Vec<IpNet> = all()
        .filter(|prefix| takes(&wanted.regions, &prefix.region) && takes(&wanted.services, &prefix.service))
        .map(|prefix| match value::network(&prefix.network)? {
            Some(network) => Ok(network),
            None => Err(format!("expected a prefix, got `{}`", prefix.network)),
        })
        .collect::<Result<_, String>>()?;
    if networks.is_empty() {
        let mut hint = String::new();
        for (given, known) in [
            (&wanted.regions, all().map(|prefix| &*prefix.region).collect::<Vec<_>>()),
            (&wanted.services, all().map(|prefix| &*prefix.service).collect()),
        ] {
            for one in given.iter().filter(|one| !known.iter().any(|word| word.eq_ignore_ascii_case(one))) {
                hint.push_str(&super::problem::near(one, known.iter().copied()));
            }
        }
        let given = quoted(wanted.regions.iter().chain(&wanted.services).map(String::as_str));
        return Err(if given.is_empty() {
            "it has no prefix".to_owned()
        } else {
            format!("it has no prefix of {given}{hint}")
        });
    }
    // `2026-11-21-09-14-52`, or seconds since 1970.
    let stated = ranges.create_date.get(..10).and_then(|date| value::date(date).ok());
    let counted = || ranges.sync_token.parse().ok().map(|secs: i64| Timestamp::new(secs, 0).to_string());
    let dated = stated.or_else(|| counted()?.get(..10).map(str::to_owned));
    Ok((dated, networks))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS: &str = r#"{"syncToken": "1767225600", "createDate": "2026-01-01-00-00-00",
        "prefixes": [
            {"ip_prefix": "192.0.2.0/25", "region": "us-east-1", "service": "AMAZON", "network_border_group": "us-east-1"},
            {"ip_prefix": "192.0.2.128/25", "region": "us-east-1", "service": "EC2", "network_border_group": "us-east-1"},
            {"ip_prefix": "198.51.100.0/24", "region": "eu-west-1", "service": "EC2", "network_border_group": "eu-west-1"}],
        "ipv6_prefixes": [
            {"ipv6_prefix": "2001:db8::/32", "region": "us-east-1", "service": "EC2", "network_border_group": "us-east-1"}]}"#;

    fn opened(
        text: &str,
        services: &[&str],
        regions: &[&str],
        dated: Option<&str>,
    ) -> Result<AddressSet, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let own = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        open(file.path(), "x", &Wanted { services: own(services), regions: own(regions) }, dated)
    }

    fn texts(set: &AddressSet) -> Vec<String> {
        set.networks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_of_aws_are_taken_by_region_and_service() {
        let set = opened(AWS, &[], &["us-east-1"], None).unwrap();
        assert_eq!(texts(&set), ["192.0.2.0/24", "2001:db8::/32"]);
        assert_eq!(set.dated, "2026-01-01");
        assert_eq!(
            texts(&opened(AWS, &["ec2"], &["us-east-1"], None).unwrap()),
            ["192.0.2.128/25", "2001:db8::/32"]
        );
        assert_eq!(opened(AWS, &["EC2"], &[], None).unwrap().networks.len(), 3);
        let error = opened(AWS, &[], &["us-esat-1"], None).unwrap_err();
        assert!(error.contains("no prefix of `us-esat-1` (did you mean `us-east-1`?)"), "{error}");
        let undated = AWS.replace("createDate", "created");
        assert_eq!(opened(&undated, &[], &[], None).unwrap().dated, "2026-01-01");
    }

    #[test]
    fn a_plain_list_has_a_date_and_nothing_but_addresses() {
        let set = opened(
            "# dated: 2026-11-21\n192.0.2.0/25\n192.0.2.128/25 # both\n\n2001:db8::1\n",
            &[],
            &[],
            None,
        );
        assert_eq!(texts(&set.unwrap()), ["192.0.2.0/24", "2001:db8::1/128"]);
        assert_eq!(opened("192.0.2.1", &[], &[], Some("2026-11")).unwrap().dated, "2026-11");
        for (text, services, told) in [
            ("192.0.2.1", &[][..], "does not say of when it is"),
            ("# dated: soon\n192.0.2.1", &[], "expected a date"),
            ("# dated: 2026\n\n10.0.0.1/8", &[], "line 3: `10.0.0.1/8` has bits set below"),
            ("# dated: 2026\nexample.com", &[], "line 2: expected an address or a prefix, got `example.com`"),
            ("# dated: 2026\n", &[], "it has no address"),
            ("# dated: 2026\n192.0.2.1", &["EC2"], "go with the `ip-ranges.json` of AWS"),
            ("{", &[], "expected the `ip-ranges.json` of AWS or one prefix per line"),
            ("{}", &[], "it has no prefix"),
        ] {
            let error = opened(text, services, &[], None).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn a_snapshot_ages_by_days_and_is_as_young_as_it_can_be() {
        let age = |dated: &str, days: i64| {
            let at = Date::of(Timestamp::new(days * 86_400 + 5, 0));
            AddressSet { name: String::new(), dated: dated.to_owned(), networks: Arc::default() }
                .age_in_days(at)
        };
        // 2026-11-21 is 20,778 days after 1970-01-01.
        assert_eq!(age("2026-11-21", 20_778), 0);
        assert_eq!(age("2026-06-18", 20_778), 156);
        assert_eq!(age("2026-10", 20_778), 21);
        assert_eq!(age("2025", 20_778), 325);
        assert_eq!(age("2027", 20_778), 0);
        assert_eq!(age("1970-01-01", 1), 1);
        assert_eq!(age("2000-02-29", 11_017), 1);
    }
}
