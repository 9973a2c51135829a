//! Judges a whole inventory in one run: calls the roll, binds what only the capture tells, and lists who is not in it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::judge::{Case, Judgement, Scene, Show, judge_all};
use super::{Flows, kin};
use crate::checks::devices::in_own_words;
use crate::checks::roster::{RollCall, Roster, Tie};
use crate::checks::{ClaimIndex, UNLISTED_DEVICE};
use crate::error::{Error, Result};
use crate::model::finding::{Confidence, DeviceLabel, Severity, Status};
use crate::model::text::printable;
use crate::model::{Evidence, Finding, MacAddr, NameSource, Outline, Seen};
use crate::naming::hosts::{Carried, Host, Hosts};
use crate::profile::inventory::{Entry, Inventory};

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
    /// Entries that match devices which narrower ones take, all of them.
    pub outdone: Vec<String>,
    /// Who is taken for a router, so that no class has it, and no entry names it: the first few.
    pub routers: Vec<String>,
    /// Number of all of them.
    pub router_count: usize,
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
    let choices = kin::bind(inventory, &call)?;
    let indices: Vec<_> =
        choices.iter().map(|choice| Arc::new(ClaimIndex::new(&choice.declaration))).collect();
    let unlisted = unlisted(&scene.hosts, scene.flows(), &call);
    let rows = inventory.unlisted.map(|severity| {
        unlisted.iter().map(|stranger| stranger.finding(&inventory.name, severity)).collect()
    });
    let mut roll = roll(inventory, &call, &unlisted);
    let routers = routers(&scene.hosts, &call);
    roll.router_count = routers.len();
    roll.routers = routers.into_iter().take(FEW).collect();
    let mut cases = Vec::with_capacity(call.present.len());
    for (device, at) in call.present {
        let Some(entry) = inventory.entries.get(at) else { continue };
        let (Some(choice), Some(index)) = (choices.get(entry.choice), indices.get(entry.choice)) else {
            continue;
        };
        cases.push(Case {
            declaration: &choice.declaration,
            index: Arc::clone(index),
            device: Some(device),
            name: entry.name.as_deref().filter(|_| entry.fits.is_one_device()),
            site: &inventory.site,
            why: why(entry),
        });
    }
    roll.judged = cases.len();
    let judgement = judge_all(scene, &cases, show, rows.unwrap_or_default());
    Ok(Judgement { roll: Some(roll), ..judgement })
}

/// How a device was found: by which entry.
fn why(entry: &Entry) -> String {
    let place = format!("line {} of the inventory ({})", entry.line, entry.fits);
    // Devices of a class keep their own names.
    match entry.name.as_ref().filter(|_| !entry.fits.is_one_device()) {
        Some(name) => format!("{name}, {place}"),
        None => place,
    }
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
    let title = |entry: &Entry| match &entry.name {
        Some(name) => format!("{name} ({})", entry.fits),
        None => entry.fits.to_string(),
    };
    roll.outdone = call.outdone.iter().filter_map(|at| inventory.entries.get(*at)).map(title).collect();
    for entry in call.absent.iter().filter_map(|at| inventory.entries.get(*at)) {
        let title = title(entry);
        if entry.fits.is_one_device() { roll.absent.push(title) } else { roll.nobody.push(title) }
    }
    roll
}

/// Who is taken for a router and in no entry, and for whom it sends. There may be no more of it than a MAC address.
fn routers(hosts: &Hosts, call: &RollCall<'_>) -> Vec<String> {
    let title = |title: String, carried: Option<&Carried>| match carried {
        Some(Carried { first, count }) => {
            let shown: Vec<String> = first.iter().map(IpAddr::to_string).collect();
            let more = count.saturating_sub(first.len());
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{title}, which sends from {}{rest}", shown.join(", "))
        }
        None => title,
    };
    let known: HashSet<MacAddr> = hosts.known().filter_map(|host| host.mac).collect();
    let near = call.routers.iter().map(|host| {
        let carried = host.mac.and_then(|mac| hosts.carried(mac));
        title(Stranger { host: Cow::Borrowed(host), presence: None }.title(), carried)
    });
    let nameless = hosts.carriers().filter(|(mac, _)| !known.contains(mac));
    near.chain(nameless.map(|(mac, carried)| title(mac.to_string(), Some(carried)))).collect()
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
                let sender = link.and_then(|link| link.src).or_else(|| hosts.holder(ip, flow.first.at));
                add(seen, end(hosts, ip, sender), Presence::of(flow, opened));
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
            waiver: String::new(),
            policy: String::new(),
            normative: "",
            message: format!(
                "{}{words} is in the capture {seen}, and no entry of the inventory {inventory} matches it: nothing was judged.",
                device.name
            ),
            device,
        }
    }
}
