//! What stands around the claims of a file that is written: container, lists, and the entries of the baseline.

use super::classes::{DNS, GATEWAY};
use super::export::{Header, Key, Writer, ace, name};
use super::json::Json;
use super::lints::shown;
use super::{CONTAINER, OURS, Side, bare};
use crate::profile::{Baseline, Profile};

/// Longest systeminfo (RFC 8520 section 3.7).
const MAX_TITLE: usize = 60;
/// Longest name of a list or an entry (RFC 8519 section 4.1).
pub(super) const MAX_NAME: usize = 64;

impl Writer<'_> {
    /// The entries that say what a baseline item does.
    pub(super) fn baseline(&mut self, item: Baseline) {
        let id = format!("baseline-{item}");
        if item == Baseline::Arp {
            let matches = Json::map([("eth", Json::map([("ethertype", Json::text("0x0806"))]))]);
            for side in [Side::From, Side::To] {
                let key = (side, "eth-acl-type".to_owned());
                self.lists.entry(key).or_default().push(ace(&id, matches.clone(), accept()));
            }
        }
        if item == Baseline::Icmp {
            self.note("", "the baseline item `icmp` loses echoes and errors beyond the local network");
        }
        for (at, (family, of, protocol, port)) in shapes(item).into_iter().enumerate() {
            for side in [Side::From, Side::To] {
                let mut matches = Json::Map(Vec::new());
                matches.object(CONTAINER).push(of.clone());
                matches.object(family).push(("protocol".to_owned(), Json::bare(&protocol)));
                if let Some(port) = port {
                    let end = if side == Side::From { "destination-port" } else { "source-port" };
                    let of = Json::map([("operator", Json::text("eq")), ("port", Json::bare(&port))]);
                    matches.object(if protocol == TCP { "tcp" } else { "udp" }).push((end.to_owned(), of));
                }
                let entry = ace(&name(&id, at.saturating_add(1)), matches, accept());
                self.lists.entry((side, format!("{family}-acl-type"))).or_default().push(entry);
            }
        }
    }

    pub(super) fn container(&mut self, profile: &Profile, header: &Header) -> Json {
        let mut leaves: Vec<(String, Json)> =
            self.extras.map(|extras| extras.leaves.clone()).unwrap_or_default();
        let mut set = |key: &str, value: Json, replace: bool| match leaves
            .iter_mut()
            .find(|(name, _)| bare(name) == key)
        {
            Some((_, known)) if replace => *known = value,
            Some(_) => {}
            None => leaves.push((key.to_owned(), value)),
        };
        set("mud-version", Json::bare(&1), true);
        let known = self.extras.and_then(|extras| extras.url.clone());
        let own = profile.identify.mud_urls.iter().find(|url| !url.contains('*')).cloned();
        let url = header.url.clone().or(known).or(own);
        if url.is_none() {
            self.notes.push((
                String::new(),
                "MUD needs the URL of the file: a stand-in is written (give it with --mud-url)".to_owned(),
            ));
        }
        let url = url.unwrap_or_else(|| format!("https://mud.invalid/{}.json", profile.name));
        set("mud-url", Json::Text(url), true);
        let has_date =
            self.extras.is_some_and(|extras| extras.leaves.iter().any(|(key, _)| bare(key) == "last-update"));
        let date = header.updated.clone().or_else(|| profile.reviewed.clone().filter(|_| !has_date));
        if date.is_none() && !has_date {
            self.notes.push((
                String::new(),
                "MUD needs the date of the last update: a stand-in is written (give it with --last-update)"
                    .to_owned(),
            ));
        }
        let replace = date.is_some();
        let date = whole_date(&date.unwrap_or_default());
        set("last-update", Json::Text(format!("{date}T00:00:00Z")), replace);
        set("cache-validity", Json::bare(&48), false);
        set("is-supported", Json::bare(&true), false);
        set("systeminfo", Json::Text(shown(&profile.title, MAX_TITLE.saturating_sub(1))), false);
        if self.tls {
            set("ietf-mud-tls:is-tls-dtls-profile-supported", Json::bare(&true), false);
        }
        for (key, side) in [("from-device-policy", Side::From), ("to-device-policy", Side::To)] {
            let names: Vec<Json> = self
                .lists
                .keys()
                .filter(|(of, _)| *of == side)
                .map(|key| Json::map([("name", Json::Text(list_name(profile, key)))]))
                .collect();
            leaves.push((
                key.to_owned(),
                Json::map([("access-lists", Json::map([("access-list", Json::List(names))]))]),
            ));
        }
        Json::Map(leaves)
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Family of addresses, peers, protocol and port of the service.
type Shape = (&'static str, (String, Json), u8, Option<u16>);

/// What a baseline item is to an access list; address resolution is none of IP's.
fn shapes(item: Baseline) -> Vec<Shape> {
    let class = |name: &str| ("controller".to_owned(), Json::text(name));
    let local = || ("local-networks".to_owned(), Json::List(vec![Json::Null]));
    let group = |port: u16| ["ipv4", "ipv6"].map(|family| (family, local(), UDP, Some(port))).to_vec();
    match item {
        Baseline::Arp => Vec::new(),
        Baseline::Ndp => vec![("ipv6", local(), 58, None)],
        Baseline::Dhcp => vec![
            ("ipv4", class(GATEWAY), UDP, Some(67)),
            ("ipv4", local(), UDP, Some(67)),
            ("ipv6", local(), UDP, Some(547)),
        ],
        Baseline::Dns => [("ipv4", UDP), ("ipv4", TCP), ("ipv6", UDP), ("ipv6", TCP)]
            .map(|(family, protocol)| (family, class(DNS), protocol, Some(53)))
            .to_vec(),
        Baseline::Icmp => vec![("ipv4", local(), 1, None), ("ipv6", local(), 58, None)],
        Baseline::Igmp => vec![("ipv4", local(), 2, None)],
        Baseline::Mdns => group(5353),
        Baseline::Llmnr => group(5355),
        Baseline::Ssdp => group(1900),
        Baseline::Netbios => [137, 138].map(|port| ("ipv4", local(), UDP, Some(port))).to_vec(),
    }
}

fn accept() -> Json {
    Json::map([("forwarding", Json::text("accept"))])
}

pub(super) fn list(profile: &Profile, key: &Key, entries: Vec<Json>) -> Json {
    Json::map([
        ("name", Json::Text(list_name(profile, key))),
        ("type", Json::text(&key.1)),
        ("aces", Json::map([("ace", Json::List(entries))])),
    ])
}

/// `wireclaim-farmbot-ipv4-from`, as long as a name may be.
fn list_name(profile: &Profile, (side, kind): &Key) -> String {
    let end = if *side == Side::From { "from" } else { "to" };
    let kind = kind.strip_suffix("-acl-type").unwrap_or(kind);
    let tail = format!("-{}-{end}", kind.chars().take(20).collect::<String>());
    let room = MAX_NAME.saturating_sub(OURS.len()).saturating_sub(tail.len());
    format!("{OURS}{}{tail}", profile.name.chars().take(room).collect::<String>())
}

/// A date that is known to the year or month, to the day.
fn whole_date(text: &str) -> String {
    match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        10 => text.to_owned(),
        _ => "1970-01-01".to_owned(),
    }
}
