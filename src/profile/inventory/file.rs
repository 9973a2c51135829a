//! From a file to an [`Inventory`], or to everything that is wrong with it and with the profiles that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use ipnet::IpNet;

use super::{Choice, Entry, Fits, Inventory, Site};
use crate::error::{Error, Result};
use crate::files;
use crate::model::MacAddr;
use crate::model::finding::Severity;
use crate::profile::problem::{self, near_or_all};
use crate::profile::read::{At, Map, Reader};
use crate::profile::schema::{UNLISTED, site};
use crate::profile::yaml::{self, Place};
use crate::profile::{Parameter, ParameterKind, Peer, Profile, bind, builtin, load, value};

/// Parameters that a list of the site binds where a profile has them: of that name, and those that stand for the
/// controller classes of MUD (RFC 8520).
const OF_LISTS: &[(&str, &[&str])] = &[
    ("local_networks", &["local_networks"]),
    ("resolvers", &["resolvers", "controller_dns"]),
    ("ntp_servers", &["ntp_servers", "controller_ntp"]),
];

/// Largest file, in bytes, and most values in it: some ten thousand devices with everything that one may say of them.
const BOUNDS: yaml::Bounds = yaml::Bounds { bytes: 32 << 20, nodes: 2_000_000 };

impl Inventory {
    /// Reads an inventory and every profile that it names.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Profile`] with every problem in it and in the profiles.
    pub fn open(path: &Path) -> Result<Self> {
        let text = files::text(path, BOUNDS.bytes as u64, "inventory")?;
        Self::from_str(&text, &path.display().to_string(), path.parent().unwrap_or(Path::new("")))
    }

    /// Reads an inventory from text; profiles that are files are looked for from `folder` on.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_str(text: &str, origin: &str, folder: &Path) -> Result<Self> {
        let mut reader = Reader::new(text);
        let mut profiles = Profiles::new(folder);
        let inventory = match yaml::parse_within(text, BOUNDS) {
            Ok(tree) => inventory(&mut reader, &At::new(&tree, ""), origin, &mut profiles),
            Err((place, message)) => {
                reader.problem(place, "", message);
                None
            }
        };
        match inventory {
            Some(inventory) if reader.problems.is_empty() && profiles.broken.is_empty() => Ok(inventory),
            _ => {
                let own = (!reader.problems.is_empty())
                    .then(|| problem::render("inventory", origin, text, &mut reader.problems));
                let all: Vec<String> = own.into_iter().chain(profiles.broken).collect();
                Err(Error::Profile(all.join("\n")))
            }
        }
    }
}

fn inventory(
    reader: &mut Reader<'_>,
    at: &At<'_>,
    origin: &str,
    profiles: &mut Profiles<'_>,
) -> Option<Inventory> {
    let map = reader.mapping(at, &site::INVENTORY)?;
    load::version(reader, &map);
    let name = reader.required(&map, "inventory").and_then(|at| reader.read(&at, short));
    let unlisted = map.get("unlisted").and_then(|at| reader.word(&at, UNLISTED));
    let (site, bound) = site_of(reader, &map);
    let mut choices = Choices { bound, profiles, known: HashMap::new(), all: Vec::new() };
    let mut entries: Vec<Entry> = Vec::new();
    let mut names: HashMap<String, u64> = HashMap::new();
    let mut fits: BTreeMap<Fits, u64> = BTreeMap::new();
    let mut alone: HashMap<String, u64> = HashMap::new();
    let list = reader.required(&map, "devices");
    for at in list.map(|at| reader.list(&at)).unwrap_or_default() {
        let Some(entry) = entry(reader, &at, &mut choices) else { continue };
        if let Some(line) = entry.name.clone().and_then(|name| names.insert(name, entry.line)) {
            reader.wrong(&at, format!("the name `{}` exists already (line {line})", entry.title()));
        }
        if let Some(line) = fits.insert(entry.fits.clone(), entry.line) {
            reader.wrong(&at, format!("this matches what line {line} matches: {}", entry.fits));
        } else {
            for value in entry.fits.alternatives() {
                if let Some(line) = alone.insert(value.clone(), entry.line).filter(|line| *line != entry.line)
                {
                    let message = format!(
                        "a device with {value} is matched in line {line} too, and neither entry counts more (take it out of one, or \
                         add a key to the `match` of the one that is meant)"
                    );
                    reader.wrong(&at, message);
                }
            }
        }
        entries.push(entry);
    }
    let notes = choices.notes();
    Some(Inventory {
        name: name?,
        origin: origin.to_owned(),
        site,
        unlisted: unlisted.unwrap_or(Some(Severity::Info)),
        choices: choices.all,
        entries,
        notes,
    })
}

/// A name for people.
fn short(text: &str) -> std::result::Result<String, String> {
    let valid = text.chars().count() <= 64 && !text.chars().any(char::is_control);
    valid.then(|| text.to_owned()).ok_or_else(|| "expected a name of at most 64 characters".to_owned())
}

fn site_of(reader: &mut Reader<'_>, map: &Map<'_>) -> (Site, Bound) {
    let mut site = Site::default();
    let mut bound = Bound::default();
    let Some(map) = map.get("site").and_then(|at| reader.mapping(&at, &site::SITE)) else {
        return (site, bound);
    };
    if let Some(at) = map.get("local_networks") {
        site.local_networks = reader.each(&at, network);
    }
    if let Some(at) = map.get("resolvers") {
        site.resolvers = reader.each(&at, address).into_iter().collect();
    }
    if let Some(at) = map.get("ntp_servers") {
        site.ntp_servers = reader.each(&at, address).into_iter().collect();
    }
    for (list, names) in OF_LISTS {
        let Some(at) = map.get(list) else { continue };
        let texts: Vec<String> = reader.texts(&at).into_iter().map(|(text, _)| text).collect();
        bound.lists.extend(names.iter().map(|name| ((*name).to_owned(), texts.join(","))));
    }
    bound.sets = sets(reader, &map);
    (site, bound)
}

/// The parameters of `set`.
fn sets(reader: &mut Reader<'_>, map: &Map<'_>) -> Vec<Set> {
    let Some(map) = map.get("set").and_then(|at| reader.map(&at, &[])) else { return Vec::new() };
    let mut sets = Vec::new();
    for (name, place, at) in map.entries() {
        let texts: Vec<String> = reader.texts(&at).into_iter().map(|(text, _)| text).collect();
        let (name, value, key) = (name.to_owned(), texts.join(","), at.key.clone());
        if !value.is_empty() {
            sets.push(Set { name, value, key, place, value_place: at.place() });
        }
    }
    sets
}

/// A parameter as a file sets it.
#[derive(Clone)]
struct Set {
    name: String,
    value: String,
    /// Path of keys to it.
    key: String,
    /// Of its name.
    place: Place,
    value_place: Place,
}

/// What the site binds for every profile that has such a parameter.
#[derive(Default)]
struct Bound {
    sets: Vec<Set>,
    /// By its lists: names of parameters and their values.
    lists: Vec<(String, String)>,
}

fn entry(reader: &mut Reader<'_>, at: &At<'_>, choices: &mut Choices<'_, '_>) -> Option<Entry> {
    let map = reader.mapping(at, &site::DEVICE)?;
    let name = map.get("name").and_then(|at| reader.read(&at, short));
    let fits = reader.required(&map, "match").and_then(|at| fits(reader, &at));
    let choice = choices.choose(reader, &map);
    Some(Entry { name, fits: fits?, choice: choice?, line: at.place().line })
}

fn fits(reader: &mut Reader<'_>, at: &At<'_>) -> Option<Fits> {
    let before = reader.problems.len();
    let map = reader.mapping(at, &site::FITS)?;
    let pattern = |text: &str| Ok(text.to_ascii_lowercase());
    let mut fits = Fits::default();
    for (key, _, at) in map.entries() {
        match key {
            "mac" => fits.macs = reader.each(&at, mac),
            "ip" => fits.ips = reader.each(&at, address),
            "mud_url" => fits.mud_urls = reader.each(&at, pattern),
            "dhcp_host_name" => fits.dhcp_host_names = reader.each(&at, pattern),
            "dhcp_vendor_class" => fits.dhcp_vendor_classes = reader.each(&at, pattern),
            "prefix" => fits.prefixes = reader.each(&at, network),
            "vlan" => fits.vlans = reader.each(&at, vlan),
            "oui" => fits.ouis = reader.each(&at, value::oui),
            _ => {}
        }
    }
    (reader.problems.len() == before).then_some(fits)
}

fn mac(text: &str) -> std::result::Result<MacAddr, String> {
    let bytes: Option<Vec<u8>> = text
        .split([':', '-'])
        .map(|byte| (byte.len() == 2).then(|| u8::from_str_radix(byte, 16).ok()).flatten())
        .collect();
    let mac = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok()).map(MacAddr);
    mac.filter(|mac| !mac.is_group()).ok_or_else(|| {
        format!("expected the MAC address of a device such as `02:00:5e:10:00:01`, got `{text}`")
    })
}

fn address(text: &str) -> std::result::Result<IpAddr, String> {
    text.parse()
        .map_err(|_| format!("expected an address such as `192.0.2.7` or `2001:db8::7`, got `{text}`"))
}

fn network(text: &str) -> std::result::Result<IpNet, String> {
    match value::peer(text)? {
        value::PeerWord::Peer(Peer::Network(network)) => Ok(network),
        _ => Err(format!("expected a prefix such as `192.0.2.0/24` or `2001:db8::/32`, got `{text}`")),
    }
}

fn vlan(text: &str) -> std::result::Result<u16, String> {
    let number = text.parse().ok().filter(|number| (1..=4094).contains(number));
    number.ok_or_else(|| format!("expected a VLAN from 1 to 4094, got `{text}`"))
}

/// Profiles by how the file names them, each opened once.
struct Profiles<'f> {
    folder: &'f Path,
    known: HashMap<String, Option<Arc<Profile>>>,
    /// What is wrong with profiles, each with its own places.
    broken: Vec<String>,
}

impl<'f> Profiles<'f> {
    fn new(folder: &'f Path) -> Self {
        Self { folder, known: HashMap::new(), broken: Vec::new() }
    }

    /// The profile that `at` names: a shipped one, else the file at that path from the inventory on.
    fn get(&mut self, reader: &mut Reader<'_>, at: &At<'_>, name: &str) -> Option<Arc<Profile>> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let profile = self.load(reader, at, name).map(Arc::new);
        self.known.insert(name.to_owned(), profile.clone());
        profile
    }

    fn load(&mut self, reader: &mut Reader<'_>, at: &At<'_>, name: &str) -> Option<Profile> {
        let path = self.folder.join(name);
        let is_shipped = builtin::source(name).is_some();
        let argument = if is_shipped { Some(name) } else { path.to_str().filter(|_| path.exists()) };
        let Some(argument) = argument else {
            let hint = near_or_all(name, builtin::names());
            let message = format!("no such file `{}` and no built-in profile{hint}", path.display());
            reader.wrong(at, message);
            return None;
        };
        match builtin::open(argument) {
            Ok(profile) => return Some(profile),
            Err(Error::Profile(text)) => {
                self.broken.push(text);
                reader.wrong(at, format!("the profile `{name}` cannot be loaded, for what is told below"));
            }
            Err(other) => reader.wrong(at, other.to_string()),
        }
        None
    }
}

/// What entries have chosen so far.
struct Choices<'p, 'f> {
    bound: Bound,
    profiles: &'p mut Profiles<'f>,
    known: HashMap<Key, usize>,
    all: Vec<Choice>,
}

/// What an entry says of how its devices are judged.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    profile: String,
    subject: String,
    variants: Vec<String>,
    sets: Vec<(String, String)>,
}

impl Choices<'_, '_> {
    /// What the entry `map` chooses, as an index.
    fn choose(&mut self, reader: &mut Reader<'_>, map: &Map<'_>) -> Option<usize> {
        let subject =
            map.get("subject").and_then(|at| reader.text(&at)).unwrap_or_else(|| bind::DEVICE.to_owned());
        let variants = map.get("variant").map(|at| reader.texts(&at)).unwrap_or_default();
        let variants: Vec<String> = variants.into_iter().map(|(text, _)| text).collect();
        let own = sets(reader, map);
        let at = reader.required(map, "profile")?;
        let name = reader.text(&at)?;
        let pairs = own.iter().map(|set| (set.name.clone(), set.value.clone())).collect();
        let key = Key { profile: name, subject, variants, sets: pairs };
        if let Some(known) = self.known.get(&key) {
            return Some(*known);
        }
        let profile = self.profiles.get(reader, &at, &key.profile)?;
        let before = reader.problems.len();
        own.iter().for_each(|set| check(reader, &profile, set));
        let site: Vec<&Set> =
            self.bound.sets.iter().filter(|set| parameter(&profile, &set.name).is_some()).collect();
        site.iter().for_each(|set| check(reader, &profile, set));
        if reader.problems.len() > before {
            return None;
        }
        // The entry's own value, else the site's, else that of one of its lists.
        let mut sets: BTreeMap<&str, &str> = BTreeMap::new();
        let is_peers = |name: &str| {
            parameter(&profile, name).is_some_and(|parameter| parameter.kind == ParameterKind::Peers)
        };
        sets.extend(
            self.bound.lists.iter().filter(|(name, _)| is_peers(name)).map(|(n, v)| (n.as_str(), v.as_str())),
        );
        sets.extend(site.into_iter().chain(&own).map(|set| (set.name.as_str(), set.value.as_str())));
        let sets = sets.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let judges =
            key.subject == bind::DEVICE || profile.subjects.iter().any(|subject| subject.name == key.subject);
        match Choice::new(profile, key.subject.clone(), key.variants.clone(), sets) {
            Ok(choice) => self.all.push(choice),
            Err(error) => {
                let wrong = if judges { "variant" } else { "subject" };
                reader.wrong(&map.get(wrong).unwrap_or(at), error.to_string());
                return None;
            }
        }
        let index = self.all.len().saturating_sub(1);
        self.known.insert(key, index);
        Some(index)
    }

    /// Parameters that the site sets and no profile has.
    fn notes(&self) -> Vec<String> {
        let parameters = self.all.iter().flat_map(|choice| &choice.profile.parameters);
        let known: BTreeSet<&str> = parameters.map(|parameter| parameter.name.as_str()).collect();
        let unknown = self.bound.sets.iter().filter(|set| !known.contains(set.name.as_str()));
        unknown
            .map(|set| {
                let hint = near_or_all(&set.name, known.iter().copied());
                format!(
                    "line {}: no profile of the inventory has the parameter `{}`{hint}",
                    set.place.line, set.name
                )
            })
            .collect()
    }
}

fn parameter<'p>(profile: &'p Profile, name: &str) -> Option<&'p Parameter> {
    profile.parameters.iter().find(|parameter| parameter.name == name)
}

/// Whether the profile has such a parameter, and may have it this value.
fn check(reader: &mut Reader<'_>, profile: &Profile, set: &Set) {
    let Some(parameter) = parameter(profile, &set.name) else {
        let names: Vec<&str> = profile.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let hint = if names.is_empty() { " (it has none)".to_owned() } else { near_or_all(&set.name, names) };
        let message = format!("`{}` has no parameter `{}`{hint}", profile.name, set.name);
        reader.problem(set.place, &set.key, message);
        return;
    };
    if let Err(message) = load::check_value(parameter.kind, &set.value) {
        reader.problem(set.value_place, &set.key, format!("{message} ({})", parameter.help));
    }
}
