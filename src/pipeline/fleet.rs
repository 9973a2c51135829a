//! Judges a whole inventory in one run: calls the roll, binds what only the capture tells, and lists who is not in it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::Flows;
use super::judge::{Case, Judgement, Scene, Show, judge_all};
use crate::checks::devices::in_own_words;
use crate::checks::roster::{RollCall, Roster, Tie};
use crate::checks::{ClaimIndex, UNLISTED_DEVICE};
use crate::error::{Error, Result};
use crate::model::finding::{Confidence, DeviceLabel, Severity, Status};
use crate::model::text::printable;
use crate::model::{Evidence, Finding, MacAddr, NameSource, Outline, Seen};
use crate::naming::hosts::{Host, Hosts};
use crate::profile::inventory::{Choice, Inventory};
use crate::profile::tls_policy::TlsPolicy;

/// Who of an inventory was there, and who else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roll {
    /// Name of the inventory.
    pub inventory: String,
    /// Number of its entries.
    pub entries: usize,
    /// Number of devices that entries match.
    pub judged: usize,
    /// Devices that entries name, and the capture does not have.
    pub absent: Vec<String>,
    /// Entries for several devices, that match none.
    pub nobody: Vec<String>,
    /// Devices that no entry matches: the first few.
    pub unlisted: Vec<String>,
    /// Number of all of them.
    pub unlisted_count: usize,
    /// What is to be known of the inventory.
    pub notes: Vec<String>,
}

/// Judges every device of the capture that an entry matches.
///
/// # Errors
/// [`Error::Usage`] where two entries match a device equally well, and where an address of the capture does not fit a
/// parameter.
pub fn judge(scene: &Scene<'_>, inventory: &Inventory, show: Show) -> Result<Judgement> {
    let call = Roster::new(&inventory.entries)
        .call(&scene.hosts, &inventory.site)
        .map_err(|tie| told_apart(inventory, &tie))?;
    let choices = bind_kin(inventory, &call)?;
    let indices: Vec<_> =
        choices.iter().map(|choice| Arc::new(ClaimIndex::new(&choice.declaration))).collect();
    let unlisted = unlisted(&scene.hosts, scene.flows(), &call);
    let rows = inventory.unlisted.map(|severity| {
        unlisted.iter().map(|stranger| stranger.finding(&inventory.name, severity)).collect()
    });
    let mut roll = roll(inventory, &call, &unlisted);
    let mut cases = Vec::with_capacity(call.present.len());
    for (device, at) in call.present {
        let Some(entry) = inventory.entries.get(at) else { continue };
        let (Some(choice), Some(index)) = (choices.get(entry.choice), indices.get(entry.choice)) else {
            continue;
        };
        let Some(policy) = TlsPolicy::named(&choice.profile.tls_policy) else { continue };
        cases.push(Case {
            declaration: &choice.declaration,
            policy,
            index: Arc::clone(index),
            device: Some(device),
            name: entry.name.as_deref().filter(|_| entry.fits.is_one_device()),
            site: &inventory.site,
            why: format!("by line {} of the inventory, {}", entry.line, entry.fits),
        });
    }
    roll.judged = cases.len();
    let judgement = judge_all(scene, &cases, show, rows.unwrap_or_default());
    Ok(Judgement { roll: Some(roll), ..judgement })
}

/// What to say of a tie.
fn told_apart(inventory: &Inventory, tie: &Tie) -> Error {
    let entry = |at: usize| {
        let entry = inventory.entries.get(at);
        entry.map_or_else(String::new, |entry| format!("`{}` (line {})", entry.title(), entry.line))
    };
    let (one, other) = tie.entries;
    Error::Usage(format!(
        "failed to tell who judges {} ({}): {} and {} of the inventory `{}` match it equally well (add a key to `match` of the one that is meant)",
        printable(&tie.device.name),
        tie.device.key,
        entry(one),
        entry(other),
        inventory.origin
    ))
}

fn roll(inventory: &Inventory, call: &RollCall<'_>, unlisted: &[Stranger<'_>]) -> Roll {
    let mut roll = Roll {
        inventory: inventory.name.clone(),
        entries: inventory.entries.len(),
        unlisted: unlisted.iter().take(FEW).map(Stranger::title).collect(),
        unlisted_count: unlisted.len(),
        notes: inventory.notes.clone(),
        ..Roll::default()
    };
    for entry in call.absent.iter().filter_map(|at| inventory.entries.get(*at)) {
        let title = match &entry.name {
            Some(name) => format!("{name} ({})", entry.fits),
            None => entry.fits.to_string(),
        };
        if entry.fits.is_one_device() { roll.absent.push(title) } else { roll.nobody.push(title) }
    }
    roll
}

/// Devices that no entry matches are named up to this number.
const FEW: usize = 10;

/// A device that no entry matches, with what is seen of it.
struct Stranger<'h> {
    host: Cow<'h, Host>,
    presence: Option<Presence>,
}

/// When and how often a host takes part in flows.
#[derive(Debug, Clone, Copy)]
struct Presence {
    first: Seen,
    last: Seen,
    flows: u64,
    opened: bool,
}

impl Presence {
    fn of(flow: &Outline<'_>, opened: bool) -> Self {
        Self { first: flow.first, last: flow.last.max(flow.first), flows: 1, opened }
    }

    fn and(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            flows: self.flows.saturating_add(other.flows),
            opened: self.opened || other.opened,
        }
    }
}

/// Everybody of the site who is in no entry, in the order of their addresses.
fn unlisted<'h>(hosts: &Hosts, flows: &Flows, call: &RollCall<'h>) -> Vec<Stranger<'h>> {
    let near = call.unlisted.iter().flat_map(|host| &host.addresses);
    let wanted: HashSet<IpAddr> = near.chain(&call.unlisted_far).copied().collect();
    let presence = if wanted.is_empty() { HashMap::new() } else { presence(hosts, flows, &wanted) };
    let of = |host: &Host| {
        let seen = host.addresses.iter().filter_map(|ip| presence.get(&end(hosts, *ip, host.mac))).copied();
        seen.reduce(Presence::and)
    };
    let near = call.unlisted.iter().map(|host| Stranger { host: Cow::Borrowed(host), presence: of(host) });
    let far = call.unlisted_far.iter().map(|ip| Host::far(*ip)).filter_map(|host| {
        let presence = of(&host).filter(|presence| presence.opened)?;
        Some(Stranger { host: Cow::Owned(host), presence: Some(presence) })
    });
    let mut all: Vec<_> = near.chain(far).collect();
    all.sort_by_key(|stranger| (stranger.host.addresses.first().copied(), stranger.host.mac));
    all
}

/// An address, with who sent from it where several had it.
type End = (IpAddr, Option<MacAddr>);

fn end(hosts: &Hosts, ip: IpAddr, mac: Option<MacAddr>) -> End {
    (ip, mac.filter(|_| hosts.is_shared(ip)))
}

/// When and how often each of the addresses `wanted` takes part in flows.
fn presence(hosts: &Hosts, flows: &Flows, wanted: &HashSet<IpAddr>) -> HashMap<End, Presence> {
    let parts = flows.fold(HashMap::<End, Presence>::new, |seen, _, flow| {
        let (orig, resp) = (flow.key.orig.ip, flow.key.resp.ip);
        for (ip, link, opened) in [(orig, flow.link.orig, true), (resp, flow.link.resp, false)] {
            if wanted.contains(&ip) && (opened || orig != resp) {
                add(seen, end(hosts, ip, link.and_then(|link| link.src)), Presence::of(flow, opened));
            }
        }
    });
    let mut all = HashMap::new();
    for part in parts {
        #[expect(clippy::iter_over_hash_type, reason = "joining them is the same in any order")]
        for (end, more) in part {
            add(&mut all, end, more);
        }
    }
    all
}

fn add(all: &mut HashMap<End, Presence>, end: End, more: Presence) {
    all.entry(end).and_modify(|known| *known = known.and(more)).or_insert(more);
}

impl Stranger<'_> {
    /// For people: name, MAC address, address.
    fn title(&self) -> String {
        let DeviceLabel { name, ip, mac, .. } = self.host.label();
        let mac = mac.map(|mac| mac.to_string());
        let ip = ip.map(|ip| ip.to_string());
        let parts: Vec<String> = mac.into_iter().chain(ip).filter(|part| *part != name).collect();
        if parts.is_empty() { name } else { format!("{name} ({})", parts.join(", ")) }
    }

    /// Its row.
    fn finding(&self, inventory: &str, severity: Severity) -> Finding {
        let device = self.host.label();
        let words =
            in_own_words(&self.host).map_or_else(String::new, |words| format!(" (says of itself: {words})"));
        let evidence = self.presence.map(|Presence { first, last, flows, .. }| {
            let mut evidence = Evidence::once(first);
            (evidence.last, evidence.count) = (last, flows);
            evidence
        });
        let seen = if evidence.is_some() { "with {count flow}" } else { "without any flow" };
        // Only who says that there be no others declares that there are none.
        let status = if severity > Severity::Info { Status::Violation } else { Status::Drift };
        Finding {
            code: UNLISTED_DEVICE.id,
            status,
            severity: Some(severity),
            confidence: Confidence::Strong,
            profile: String::new(),
            variant: String::new(),
            claim: String::new(),
            way: None,
            transport: None,
            service: String::new(),
            peer_name: String::new(),
            name_source: NameSource::None,
            peer_ip: None,
            port: None,
            expected: String::from("an entry of the inventory"),
            observed: String::from("none"),
            reference: String::new(),
            evidence,
            inside: String::new(),
            message: format!(
                "{}{words} is in the capture {seen}, and no entry of the inventory {inventory} matches it: nothing was judged.",
                device.name
            ),
            device,
        }
    }
}

/// Binds the parameters that stand for other devices of the inventory, by manufacturer or model (RFC 8520), where nobody
/// has: to the addresses that these have in the capture.
fn bind_kin<'i>(inventory: &'i Inventory, call: &RollCall<'_>) -> Result<Vec<Cow<'i, Choice>>> {
    let wanted = |choice: &Choice| choice.open_parameters().any(|name| Kin::of(name).is_some());
    let mut choices: Vec<Cow<'_, Choice>> = inventory.choices.iter().map(Cow::Borrowed).collect();
    if !choices.iter().any(|choice| wanted(choice)) {
        return Ok(choices);
    }
    let families = Families::new(inventory, call);
    for (at, choice) in choices.iter_mut().enumerate() {
        let open = choice.open_parameters();
        let sets: Vec<(String, String)> = open
            .filter_map(|name| Some((name.to_owned(), families.addresses(&Kin::of(name)?, at)?)))
            .collect();
        if !sets.is_empty() {
            *choice = Cow::Owned(choice.with(sets)?);
        }
    }
    Ok(choices)
}

/// What a parameter of an imported profile stands for.
enum Kin<'n> {
    /// Devices whose MUD URLs have the same authority.
    SameManufacturer,
    /// Devices whose MUD URLs have this authority, as a word.
    Manufacturer(&'n str),
    /// Devices with this MUD URL, as a word.
    Model(&'n str),
}

impl<'n> Kin<'n> {
    fn of(parameter: &'n str) -> Option<Self> {
        if parameter == "same_manufacturer" {
            return Some(Self::SameManufacturer);
        }
        let manufacturer = parameter.strip_prefix("manufacturer_").map(Self::Manufacturer);
        manufacturer.or_else(|| parameter.strip_prefix("model_").map(Self::Model))
    }
}

/// Addresses of the inventory's devices in the capture, by what their MUD URLs say.
#[derive(Default)]
struct Families {
    by_authority: BTreeMap<String, BTreeSet<IpAddr>>,
    by_url: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Authorities by choice.
    of_choice: BTreeMap<usize, BTreeSet<String>>,
}

impl Families {
    fn new(inventory: &Inventory, call: &RollCall<'_>) -> Self {
        let mut families = Self::default();
        for (host, at) in &call.present {
            let Some(entry) = inventory.entries.get(*at) else { continue };
            let profile = inventory.choices.get(entry.choice).map(|choice| &choice.profile.identify.mud_urls);
            for url in host.mud_urls.iter().chain(profile.into_iter().flatten()) {
                let Some(authority) = authority(url) else { continue };
                families.of_choice.entry(entry.choice).or_default().insert(authority.clone());
                families.by_authority.entry(authority).or_default().extend(&host.addresses);
                families.by_url.entry(url.to_ascii_lowercase()).or_default().extend(&host.addresses);
            }
        }
        families
    }

    /// The addresses that a parameter of the choice at `at` stands for; `None` where there are none.
    fn addresses(&self, kin: &Kin<'_>, at: usize) -> Option<String> {
        let found: BTreeSet<IpAddr> = match kin {
            Kin::SameManufacturer => {
                let own = self.of_choice.get(&at).into_iter().flatten();
                own.filter_map(|authority| self.by_authority.get(authority)).flatten().copied().collect()
            }
            Kin::Manufacturer(word) => {
                let fitting = self.by_authority.iter().filter(|(authority, _)| as_word(authority) == *word);
                fitting.flat_map(|(_, addresses)| addresses).copied().collect()
            }
            Kin::Model(word) => {
                let fits = |url: &str| {
                    let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
                    [url, bare].into_iter().any(|text| as_word(text) == *word)
                };
                let fitting = self.by_url.iter().filter(|(url, _)| fits(url));
                fitting.flat_map(|(_, addresses)| addresses).copied().collect()
            }
        };
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join(","))
    }
}

/// The authority of a URL, lower case, without user and port; none of a pattern that leaves it open.
fn authority(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(host, _)| host);
    (!host.is_empty() && !host.contains('*')).then(|| host.to_ascii_lowercase())
}

/// A text as the end of a parameter's name: runs of other characters than letters and digits are one underscore.
fn as_word(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let parts = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;
