//! Waivers: deviations that somebody has accepted, why, and until when. Read from a file of their own, for they are the
//! site's and not the profile's.
//!
//! ```yaml
//! version: 1
//! waivers:
//!   - id: W-7
//!     match: {code: undeclared-destination, device: farmbot-1234, peer: "*.example.net", port: 443}
//!     reason: Telemetry of the field trial, ends with firmware 14
//!     owner: alice@example.com
//!     expires: 2026-12-31
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use super::problem::{self, near_or_all};
use super::read::{At, Map, Reader};
use super::schema::{WAY_WORDS, site, words};
use super::yaml::{self, Node};
use super::{NamePattern, load, value};
use crate::error::{Error, Result};
use crate::model::Date;
use crate::model::finding::Way;

/// One accepted deviation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Unique in all files of a run.
    pub id: String,
    /// Which findings; what is empty is not asked for.
    pub matches: Match,
    /// Why it is accepted.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it is valid, UTC.
    pub expires: Date,
    /// File and line, for messages: `waivers.yaml:3`.
    pub origin: String,
}

/// What a finding must be: of every list that is not empty, one entry must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Codes.
    pub codes: Vec<String>,
    /// Names of profiles.
    pub profiles: Vec<String>,
    /// Ids of claims.
    pub claims: Vec<String>,
    /// Devices, as `--device` takes them.
    pub devices: Vec<String>,
    /// Peers.
    pub peers: Vec<WaivedPeer>,
    /// Inclusive ranges of the responder's port.
    pub ports: Vec<(u16, u16)>,
    /// Transports as the table has them.
    pub transports: Vec<String>,
    /// Directions.
    pub ways: Vec<Way>,
    /// Observed values as the table has them; `*` stands for any run of characters.
    pub observed: Vec<String>,
    /// Ids of findings.
    pub finding_ids: Vec<String>,
}

/// Whom a finding is about, besides the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaivedPeer {
    /// Its name.
    Name(NamePattern),
    /// Its address, or the prefix that holds it.
    Network(IpNet),
}

/// What may be waived: the codes there are, and those that speak of the evidence and not of the device.
#[derive(Debug, Clone, Copy)]
pub struct Codes<'c> {
    /// Those a waiver may name.
    pub waivable: &'c [&'static str],
    /// Those it may not.
    pub never: &'c [&'static str],
}

/// Reads one file.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Profile`] with every problem where it is no valid list of waivers.
pub fn from_file(path: &Path, codes: Codes<'_>) -> Result<Vec<Waiver>> {
    let text = load::read_text(path, "waivers")?;
    from_str(&text, &path.display().to_string(), codes)
}

/// Reads waivers from YAML text; `origin` is what messages call it.
///
/// # Errors
/// [`Error::Profile`] with every problem of the text, each with line, column, key and near miss.
pub fn from_str(text: &str, origin: &str, codes: Codes<'_>) -> Result<Vec<Waiver>> {
    let mut file = File { reader: Reader::new(text), origin, codes };
    let waivers = match yaml::parse(text) {
        Ok(tree) => file.waivers(&At::new(&tree, "")),
        Err((place, message)) => {
            file.reader.problem(place, "", message);
            None
        }
    };
    match waivers {
        Some(waivers) if file.reader.problems.is_empty() => Ok(waivers),
        _ => Err(Error::Profile(problem::render("waivers", origin, text, &mut file.reader.problems))),
    }
}

/// Refuses ids that two files use: the table could not tell which waiver lowers a row.
///
/// # Errors
/// [`Error::Profile`] naming both places.
pub fn refuse_twins(waivers: &[Waiver]) -> Result<()> {
    let mut known: BTreeMap<&str, &Waiver> = BTreeMap::new();
    for waiver in waivers {
        if let Some(first) = known.insert(&waiver.id, waiver) {
            return Err(Error::Profile(format!(
                "failed to load the waivers: the id `{}` is used at {} and at {} (ids are unique; rename one)",
                waiver.id, first.origin, waiver.origin
            )));
        }
    }
    Ok(())
}

/// A file that is being read.
struct File<'s> {
    reader: Reader<'s>,
    origin: &'s str,
    codes: Codes<'s>,
}

impl File<'_> {
    fn waivers(&mut self, at: &At<'_>) -> Option<Vec<Waiver>> {
        let map = self.reader.mapping(at, &site::WAIVERS)?;
        if let Some(version) = self.reader.required(&map, "version")
            && let Some(text) = self.reader.text(&version)
            && text != "1"
        {
            self.reader.wrong(&version, format!("expected version 1, got `{text}`"));
        }
        let list = self.reader.required(&map, "waivers")?;
        // A file whose last waiver was taken out is a file of no waivers.
        if matches!(list.item.value, Node::Null) {
            return Some(Vec::new());
        }
        let items = self.reader.list(&list);
        let mut waivers = Vec::with_capacity(items.len());
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        for item in &items {
            let Some(waiver) = self.waiver(item) else { continue };
            if let Some(line) = lines.insert(waiver.id.clone(), item.place().line) {
                self.reader.wrong(item, format!("the id `{}` is used already, in line {line}", waiver.id));
            }
            waivers.push(waiver);
        }
        Some(waivers)
    }

    fn waiver(&mut self, at: &At<'_>) -> Option<Waiver> {
        let mut map = self.reader.mapping(at, &site::WAIVER)?;
        let id = self.reader.required_text(&map, "id");
        let named =
            At::new(at.item, id.as_ref().map_or_else(|| at.key.clone(), |id| format!("waivers.{id}")));
        map.key.clone_from(&named.key);
        let reason = self.filled_in(&map, "reason", "say why this deviation is acceptable until it expires");
        let owner = self.filled_in(&map, "owner", "say who answers for it, a person or a team");
        let expires = self.reader.required(&map, "expires");
        let expires = expires.and_then(|at| self.reader.read(&at, day));
        let matches = self.reader.required(&map, "match").and_then(|at| self.matches(&at));
        Some(Waiver {
            id: id?,
            matches: matches?,
            reason: reason?,
            owner: owner?,
            expires: expires?,
            origin: format!("{}:{}", self.origin, at.place().line),
        })
    }

    /// The text of a key that a draft leaves empty for people to fill in.
    fn filled_in(&mut self, map: &Map<'_>, name: &str, how: &str) -> Option<String> {
        let at = self.reader.required(map, name)?;
        let empty = match &at.item.value {
            Node::Null => true,
            Node::Text(text) => text.trim().is_empty(),
            _ => false,
        };
        if empty {
            self.reader.wrong(&at, format!("`{name}` is still to be filled in: {how}"));
            return None;
        }
        self.reader.text(&at)
    }

    fn matches(&mut self, at: &At<'_>) -> Option<Match> {
        let map = self.reader.mapping(at, &site::MATCH).filter(|map| !map.entries.is_empty())?;
        let codes = self.codes;
        let mut each = |name: &str, read: &dyn Fn(&str) -> std::result::Result<String, String>| {
            map.get(name).map(|at| self.reader.each(&at, read)).unwrap_or_default()
        };
        let as_is = |text: &str| Ok(text.to_owned());
        Some(Match {
            codes: each("code", &|text| code(text, codes)),
            profiles: each("profile", &as_is),
            claims: each("claim", &as_is),
            devices: each("device", &device),
            transports: each("transport", &transport),
            observed: each("observed", &as_is),
            finding_ids: each("finding_id", &finding_id),
            peers: map.get("peer").map(|at| self.reader.each(&at, peer)).unwrap_or_default(),
            ports: map.get("port").map(|at| self.reader.each(&at, value::ports).concat()).unwrap_or_default(),
            ways: map
                .get("direction")
                .map(|at| {
                    self.reader.each(&at, |text| {
                        let found = WAY_WORDS.iter().find(|(word, _)| *word == text).map(|(_, way)| *way);
                        found.ok_or_else(|| {
                            let hint = near_or_all(text, words(WAY_WORDS));
                            format!("unknown direction `{text}`{hint}")
                        })
                    })
                })
                .unwrap_or_default(),
        })
    }
}

/// The last day of a waiver.
fn day(text: &str) -> std::result::Result<Date, String> {
    Date::parse(text).ok_or_else(|| {
        format!("expected the last day on which it is valid, such as `2026-12-31`, got `{text}`")
    })
}

fn code(text: &str, codes: Codes<'_>) -> std::result::Result<String, String> {
    if codes.never.contains(&text) {
        return Err(format!(
            "`{text}` cannot be waived: it says what this capture cannot show, not what the device does"
        ));
    }
    if codes.waivable.contains(&text) {
        return Ok(text.to_owned());
    }
    let known = codes.waivable.iter().copied();
    Err(format!("unknown code `{text}`{}", problem::near(text, known)))
}

fn device(text: &str) -> std::result::Result<String, String> {
    if text.starts_with("vlan:") {
        return Err(format!(
            "`{text}` cannot be told from a finding (name the device by its name, MAC address, OUI, address or prefix)"
        ));
    }
    Ok(text.to_owned())
}

fn transport(text: &str) -> std::result::Result<String, String> {
    const WORDS: [&str; 4] = ["tcp", "udp", "icmp", "icmpv6"];
    let numbered = text.strip_prefix("ip-").is_some_and(|number| number.parse::<u8>().is_ok());
    if WORDS.contains(&text) || numbered {
        return Ok(text.to_owned());
    }
    Err(format!("unknown transport `{text}`{}", near_or_all(text, WORDS)))
}

fn finding_id(text: &str) -> std::result::Result<String, String> {
    let plain = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    if plain {
        return Ok(text.to_owned());
    }
    Err(format!(
        "expected an id as in the column `finding_id`, 16 digits or letters from a to f, got `{text}`"
    ))
}

/// A name, one of the two wildcards, an address or a prefix. Names on the link have no dot.
fn peer(text: &str) -> std::result::Result<WaivedPeer, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(WaivedPeer::Network(IpNet::from(ip)));
    }
    if let Ok(network) = text.parse::<IpNet>() {
        return Ok(WaivedPeer::Network(network.trunc()));
    }
    let label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let letters = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    if letters && text.len() <= 63 && text.bytes().all(label) {
        return Ok(WaivedPeer::Name(NamePattern::Exact(text.to_ascii_lowercase())));
    }
    if text.contains([':', '/']) || !text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return Err(format!(
            "expected a name, an address or a prefix such as `192.0.2.0/24`, got `{text}` (the port is a key of its own)"
        ));
    }
    value::name_pattern(text).map(WaivedPeer::Name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: Codes<'_> =
        Codes { waivable: &["weak-cipher", "undeclared-destination"], never: &["capture-loss"] };

    fn read(entry: &str) -> Result<Vec<Waiver>> {
        from_str(&format!("version: 1\nwaivers:\n  - id: W-1\n{entry}"), "w.yaml", CODES)
    }

    fn matching(keys: &str) -> Result<Vec<Waiver>> {
        read(&format!("    match: {{{keys}}}\n    reason: r\n    owner: o\n    expires: 2026-12-31\n"))
    }

    fn error(result: Result<Vec<Waiver>>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn every_key_is_read() {
        let waivers = matching(
            "code: [weak-cipher, undeclared-destination], profile: farmbot, claim: FB-1, device: 02:00:5e:10:00:01, \
             peer: ['*.example.net', 192.0.2.0/24, 2001:db8::1, printer], port: ['443', 8000-8010], transport: tcp, \
             direction: [in, local], observed: '* s', finding_id: 48b695f2081c18c4",
        )
        .unwrap();
        let [waiver] = waivers.as_slice() else { panic!() };
        assert_eq!((waiver.id.as_str(), waiver.owner.as_str()), ("W-1", "o"));
        assert_eq!((waiver.expires.to_string().as_str(), waiver.origin.as_str()), ("2026-12-31", "w.yaml:3"));
        let Match { codes, devices, peers, ports, ways, observed, .. } = &waiver.matches;
        assert_eq!((codes.len(), devices.join("")), (2, String::from("02:00:5e:10:00:01")));
        assert_eq!(ports, &[(443, 443), (8000, 8010)]);
        assert_eq!((ways.as_slice(), observed.join("")), (&[Way::In, Way::Local][..], String::from("* s")));
        let exact = |name: &str| WaivedPeer::Name(NamePattern::Exact(name.into()));
        assert_eq!(peers[0], WaivedPeer::Name(NamePattern::Below("example.net".into())));
        assert_eq!(peers[1], WaivedPeer::Network("192.0.2.0/24".parse().unwrap()));
        assert_eq!(
            (&peers[2], &peers[3]),
            (&WaivedPeer::Network("2001:db8::1/128".parse().unwrap()), &exact("printer"))
        );
    }

    #[test]
    fn all_problems_are_told_at_once_with_place_key_and_remedy() {
        let text = error(read(
            "    match: {code: weak-ciper, prot: 443}\n    reason: \"\"\n    owner:\n    expires: 2026-02-30\n",
        ));
        for part in [
            "failed to load the waivers `w.yaml`: 5 problems",
            "w.yaml:4:12: waivers.W-1.match.code",
            "did you mean `weak-cipher`?",
            "unknown key `prot` (did you mean `port`?)",
            "w.yaml:5:13: waivers.W-1.reason: `reason` is still to be filled in: say why",
            "waivers.W-1.owner: `owner` is still to be filled in: say who",
            "expected the last day on which it is valid, such as `2026-12-31`, got `2026-02-30`",
        ] {
            assert!(text.contains(part) || part.starts_with("w.yaml:4"), "{part}\n{text}");
        }
        assert!(text.contains("w.yaml:4:19: waivers.W-1.match.code: unknown code `weak-ciper`"), "{text}");
    }

    #[test]
    fn what_says_nothing_of_the_device_cannot_be_waived() {
        assert!(error(matching("code: capture-loss")).contains("`capture-loss` cannot be waived"));
        assert!(error(matching("")).contains("expected at least one of `code`"));
        assert!(error(matching("device: 'vlan:7'")).contains("cannot be told from a finding"));
        assert!(error(matching("peer: 'a.example:443'")).contains("the port is a key of its own"));
        assert!(error(matching("port: 0")).contains("from 1 to 65535"));
        assert!(error(matching("direction: inward")).contains("`out`, `in`, `local`"));
        assert!(error(matching("transport: tpc")).contains("did you mean `tcp`?"));
        assert!(error(matching("finding_id: 48b6")).contains("column `finding_id`"));
    }

    #[test]
    fn ids_are_unique_within_a_file_and_over_all_files() {
        let entry = "  - {id: A, match: {port: 1}, reason: r, owner: o, expires: 2026-12-31}\n";
        let twice = from_str(&format!("version: 1\nwaivers:\n{entry}{entry}"), "w.yaml", CODES);
        assert!(error(twice).contains("w.yaml:4:5: waivers.A: the id `A` is used already, in line 3"));
        let once = |origin| from_str(&format!("version: 1\nwaivers:\n{entry}"), origin, CODES).unwrap();
        let both = [once("a.yaml"), once("b.yaml")].concat();
        let text = refuse_twins(&both).unwrap_err().to_string();
        assert!(text.contains("`A` is used at a.yaml:3 and at b.yaml:3"), "{text}");
        assert!(refuse_twins(&once("a.yaml")).is_ok());
    }

    #[test]
    fn a_file_without_waivers_is_one() {
        assert_eq!(from_str("version: 1\nwaivers: []\n", "w.yaml", CODES).unwrap(), []);
        assert_eq!(from_str("version: 1\nwaivers:\n", "w.yaml", CODES).unwrap(), []);
        assert!(error(from_str("version: 2\nwaivers: []\n", "w.yaml", CODES)).contains("expected version 1"));
        assert!(error(from_str("", "w.yaml", CODES)).contains("w.yaml"));
    }
}
