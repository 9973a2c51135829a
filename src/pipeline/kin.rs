//! Parameters that stand for other devices of an inventory, by manufacturer or model (RFC 8520): bound to the addresses that
//! these have in the capture, where nobody has bound them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::checks::roster::RollCall;
use crate::error::Result;
use crate::profile::Parameter;
use crate::profile::inventory::{Choice, Inventory};

/// What the entries choose, with what these parameters stand for.
///
/// # Errors
/// Those of [`Choice::with`].
pub(super) fn bind<'i>(inventory: &'i Inventory, call: &RollCall<'_>) -> Result<Vec<Cow<'i, Choice>>> {
    let wanted = |choice: &Choice| choice.open_parameters().any(|parameter| Kin::of(parameter).is_some());
    let mut choices: Vec<Cow<'_, Choice>> = inventory.choices.iter().map(Cow::Borrowed).collect();
    if !choices.iter().any(|choice| wanted(choice)) {
        return Ok(choices);
    }
    let families = Families::new(inventory, call);
    for (at, choice) in choices.iter_mut().enumerate() {
        let open = choice.open_parameters();
        let sets: Vec<(String, String)> = open
            .filter_map(|parameter| {
                Some((parameter.name.clone(), families.addresses(&Kin::of(parameter)?, at)?))
            })
            .collect();
        if !sets.is_empty() {
            *choice = Cow::Owned(choice.with(sets)?);
        }
    }
    Ok(choices)
}

/// What a parameter of an imported profile stands for.
enum Kin<'p> {
    /// Devices whose MUD URLs have the same authority.
    SameManufacturer,
    /// Devices whose MUD URLs have this authority, as a word.
    Manufacturer(&'p str),
    /// Devices with a MUD URL that ends with this, as a word; the help of the parameter may have it whole.
    Model(&'p str, &'p str),
}

impl<'p> Kin<'p> {
    fn of(parameter: &'p Parameter) -> Option<Self> {
        if parameter.name == "same_manufacturer" {
            return Some(Self::SameManufacturer);
        }
        let manufacturer = parameter.name.strip_prefix("manufacturer_").map(Self::Manufacturer);
        let model = || parameter.name.strip_prefix("model_").map(|word| Self::Model(word, &parameter.help));
        manufacturer.or_else(model)
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
                let fitting = self.by_authority.iter().filter(|(authority, _)| is_word(word, authority));
                fitting.flat_map(|(_, addresses)| addresses).copied().collect()
            }
            Kin::Model(word, help) => {
                let help = help.to_ascii_lowercase();
                let fits =
                    |url: &str| is_word(word, last(url)) && (!help.contains("://") || help.contains(url));
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

/// What stands behind the last separator of a URL.
fn last(url: &str) -> &str {
    url.trim_end_matches('/').rsplit(['/', ':', '#', '?']).next().unwrap_or_default()
}

/// Whether `word`, the end of a parameter's name, stands for `text`: runs of other characters than letters and digits are
/// one underscore, a first digit has an `x` before it, and what is long is cut.
fn is_word(word: &str, text: &str) -> bool {
    let lower: String = text.to_ascii_lowercase().chars().take(MAX_WORD).collect();
    let parts = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let whole = parts.collect::<Vec<_>>().join("_");
    word == whole || word.strip_prefix('x') == Some(&whole)
}

/// Characters of a name that importing a profile keeps.
const MAX_WORD: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::roster::Roster;
    use crate::model::evidence::Seen;
    use crate::model::observation::{HostTrait, TraitKind};
    use crate::model::{FrameRef, MacAddr, Timestamp};
    use crate::naming::Sightings;

    const PROFILE: &str = "version: 1\nprofile: open\ntitle: Open\nparameters:
  same_manufacturer: {kind: peers, help: h}
  manufacturer_other_example: {kind: peers, help: h}
  manufacturer_nobody_example: {kind: peers, help: h}
  model_bulb: {kind: peers, help: devices with the MUD URL https://lamp.example/bulb}
claims:
  - {id: A, title: t, allowed: {out: [$same_manufacturer, $manufacturer_other_example, $manufacturer_nobody_example, $model_bulb]}}
";

    #[test]
    fn kin_are_the_devices_of_the_inventory_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("open.yaml"), PROFILE).unwrap();
        let text = "version: 1\ninventory: i\ndevices:\n  - {match: {mud_url: 'https://lamp.example/*'}, profile: open.yaml}\n  \
                    - {match: {mud_url: 'https://other.example/*'}, profile: open.yaml, set: {model_bulb: 10.0.0.9}}\n";
        let inventory =
            Inventory::from_str(text, "i", folder.path()).unwrap_or_else(|error| panic!("{error}"));
        let urls = [
            "https://lamp.example/bulb",
            "https://Lamp.example/strip",
            "https://other.example/bulb",
            "https://x.example/",
        ];
        let traits: Vec<HostTrait> = (1_u8..)
            .zip(urls)
            .flat_map(|(n, url)| {
                let (mac, ip) = (Some(MacAddr([2, 0, 0, 0, 0, n])), Some([10, 0, 0, n].into()));
                let seen = Seen { at: Timestamp::default(), frame: FrameRef::default() };
                let kinds = [TraitKind::Neighbour, TraitKind::MudUrl(url.into())];
                kinds.map(|kind| HostTrait { mac, ip, kind, seen })
            })
            .collect();
        let hosts = Sightings::default().hosts(&traits);
        let roster = Roster::new(&inventory.entries);
        let call = roster.call(&hosts, &inventory.site).unwrap();
        let sets = |at: usize| -> BTreeMap<String, String> {
            let choices = bind(&inventory, &call).unwrap();
            choices[at].sets.iter().cloned().collect()
        };
        let pairs =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        // Not the one that is in no entry; what the file sets stays; who has no kin stays open.
        assert_eq!(
            sets(0),
            pairs(&[
                ("same_manufacturer", "10.0.0.1,10.0.0.2"),
                ("manufacturer_other_example", "10.0.0.3"),
                ("model_bulb", "10.0.0.1")
            ])
        );
        assert_eq!(
            sets(1),
            pairs(&[
                ("same_manufacturer", "10.0.0.3"),
                ("manufacturer_other_example", "10.0.0.3"),
                ("model_bulb", "10.0.0.9")
            ])
        );
    }

    #[test]
    fn authorities_are_those_of_whole_urls() {
        let of = |url| authority(url);
        assert_eq!(of("https://Lamp.Example.com/bulb"), Some("lamp.example.com".into()));
        assert_eq!(of("https://me@lamp.example.com:8443"), Some("lamp.example.com".into()));
        assert_eq!(of("https://[2001:db8::1]/x"), Some("[2001:db8::1]".into()));
        for none in ["lamp.example.com/bulb", "https:///x", "https://*/x", "*", ""] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn words_stand_for_what_they_were_made_of() {
        assert!(is_word("lamp_example_com", "Lamp.example.com"));
        assert!(is_word("bulb_2000_json", last("https://lamp.example.com/bulb--2000.json/")));
        assert!(is_word("x3com_example", "3com.example"));
        assert!(!is_word("lamp", "lamp.example.com"));
    }
}
