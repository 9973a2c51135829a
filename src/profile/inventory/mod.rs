//! An inventory: which device of a site is judged by which profile, and what the site binds for all of them.
//!
//! [`Inventory::open`] reads the file with every profile that it names, and binds each combination of profile, variants
//! and parameters once, however many devices share it.

mod file;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Declaration, Parameter, Profile, bind};
use crate::error::Result;
use crate::model::MacAddr;
use crate::model::finding::Severity;

/// A fleet, read and bound.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// What reports call it.
    pub name: String,
    /// The file it was read from, for messages.
    pub origin: String,
    /// What holds for all its devices.
    pub site: Site,
    /// How bad a device is that no entry matches; `None` where it needs no row.
    pub unlisted: Option<Severity>,
    /// What entries choose, each combination once.
    pub choices: Vec<Choice>,
    /// Who is who, in the order of the file.
    pub entries: Vec<Entry>,
    /// What is to be known of the file that is no error, one sentence each.
    pub notes: Vec<String>,
}

/// What a site says of itself; what it does not say is taken from the capture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// Networks that are local to every device, beside its own.
    pub local_networks: Vec<IpNet>,
    /// The resolvers that devices may ask, whatever DHCP hands out; empty to go by that.
    pub resolvers: BTreeSet<IpAddr>,
    /// Where devices may get the time, for parameters of profiles.
    pub ntp_servers: BTreeSet<IpAddr>,
}

/// Devices, and what judges them.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What reports call it.
    pub name: Option<String>,
    /// Which devices.
    pub fits: Fits,
    /// Index into [`Inventory::choices`].
    pub choice: usize,
    /// Line in the file, from 1.
    pub line: u64,
}

/// Which devices an entry is about: every list that is not empty must hold, by any one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fits {
    /// MAC addresses.
    pub macs: Vec<MacAddr>,
    /// Addresses.
    pub ips: Vec<IpAddr>,
    /// URLs of Manufacturer Usage Descriptions; `*` matches any run of characters.
    pub mud_urls: Vec<String>,
    /// DHCP host names, same pattern.
    pub dhcp_host_names: Vec<String>,
    /// DHCP vendor classes, same pattern.
    pub dhcp_vendor_classes: Vec<String>,
    /// Networks that have one of its addresses.
    pub prefixes: Vec<IpNet>,
    /// VLANs of its frames.
    pub vlans: Vec<u16>,
    /// First three bytes of its MAC address.
    pub ouis: Vec<[u8; 3]>,
}

/// A profile with what is bound for it.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The profile.
    pub profile: Arc<Profile>,
    /// As whom its devices are judged.
    pub subject: String,
    /// Options of its variants.
    pub variants: Vec<String>,
    /// Names and values of its parameters: the site's and the entry's.
    pub sets: Vec<(String, String)>,
    /// What comes of them.
    pub declaration: Declaration,
}

impl Site {
    /// Says nothing.
    pub const fn unsaid() -> Self {
        Self { local_networks: Vec::new(), resolvers: BTreeSet::new(), ntp_servers: BTreeSet::new() }
    }
}

impl Choice {
    fn new(
        profile: Arc<Profile>,
        subject: String,
        variants: Vec<String>,
        sets: Vec<(String, String)>,
    ) -> Result<Self> {
        let declaration = bind::bind_as(&profile, &subject, &variants, &sets)?;
        Ok(Self { profile, subject, variants, sets, declaration })
    }

    /// The same with more parameters bound, as addresses that only the capture tells.
    ///
    /// # Errors
    /// Those of [`bind::bind`].
    pub fn with(&self, more: Vec<(String, String)>) -> Result<Self> {
        let sets = self.sets.iter().cloned().chain(more).collect();
        let (profile, subject) = (Arc::clone(&self.profile), self.subject.clone());
        let mut choice = Self::new(profile, subject, self.variants.clone(), sets)?;
        choice.declaration.policies = self.declaration.policies.clone();
        Ok(choice)
    }

    /// The parameters that nobody has bound.
    pub fn open_parameters(&self) -> impl Iterator<Item = &Parameter> {
        let is_set = |name: &str| self.sets.iter().any(|(set, _)| set == name);
        let parameters = self.profile.parameters.iter();
        parameters.filter(move |parameter| parameter.default.is_none() && !is_set(&parameter.name))
    }
}

impl Entry {
    /// What messages call it: its name, else what it matches.
    pub fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.fits.to_string())
    }
}

impl Fits {
    /// Whether it means a certain device, not whoever fits.
    pub fn is_one_device(&self) -> bool {
        !self.macs.is_empty() || !self.ips.is_empty()
    }

    /// The keys that are given, with their values as shown.
    fn given(&self) -> impl Iterator<Item = (&'static str, Vec<String>)> {
        let oui = |[a, b, c]: &[u8; 3]| format!("{a:02x}:{b:02x}:{c:02x}");
        let parts = [
            ("mac", shown(&self.macs, ToString::to_string)),
            ("ip", shown(&self.ips, ToString::to_string)),
            ("mud_url", self.mud_urls.clone()),
            ("dhcp_host_name", self.dhcp_host_names.clone()),
            ("dhcp_vendor_class", self.dhcp_vendor_classes.clone()),
            ("prefix", shown(&self.prefixes, ToString::to_string)),
            ("vlan", shown(&self.vlans, ToString::to_string)),
            ("oui", shown(&self.ouis, oui)),
        ];
        parts.into_iter().filter(|(_, values)| !values.is_empty())
    }

    /// Of an entry with one key, each of its values, as `mac 02:00:5e:10:00:01`: two entries that share one match a device
    /// equally well. Nothing where several keys must hold.
    fn alternatives(&self) -> Vec<String> {
        match self.given().collect::<Vec<_>>().as_slice() {
            [(key, values)] => values.iter().map(|value| format!("{key} {value}")).collect(),
            _ => Vec::new(),
        }
    }
}

/// `oui 0c:2a:69, vlan 12`
impl fmt::Display for Fits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: Vec<String> =
            self.given().map(|(key, values)| format!("{key} {}", values.join(" or "))).collect();
        f.write_str(&text.join(", "))
    }
}

fn shown<T>(values: &[T], show: impl Fn(&T) -> String) -> Vec<String> {
    values.iter().map(show).collect()
}

#[cfg(test)]
mod tests;
