//! Groups of peers that only the site knows, as parameters of a profile.

use std::collections::{BTreeMap, BTreeSet};

use super::frame::MAX_NAME;
use super::{Class, titles};
use crate::profile::{Parameter, ParameterKind, schema};

/// Standard classes of controllers (RFC 8520 section 4.6), and the one that mudgee uses for the router.
pub(super) const DNS: &str = "urn:ietf:params:mud:dns";
pub(super) const NTP: &str = "urn:ietf:params:mud:ntp";
pub(super) const GATEWAY: &str = "urn:ietf:params:mud:gateway";
/// A class that stands for a parameter of a profile.
pub(super) const PARAMETER: &str = "urn:x-wireclaim:parameter:";

/// Names that are given, each once; a second is numbered.
#[derive(Default)]
pub(super) struct Taken {
    names: BTreeSet<String>,
    /// How often each was asked for: a file may ask for one a thousand times.
    asked: BTreeMap<String, usize>,
}

impl Taken {
    pub(super) fn name(&mut self, wanted: &str, between: char) -> String {
        let asked = self.asked.entry(wanted.to_owned()).or_default();
        let mut name = wanted.to_owned();
        while !self.names.insert(name.clone()) {
            *asked = asked.saturating_add(1);
            let number = format!("{between}{}", asked.saturating_add(1));
            // An id is of bounded length, with its number too.
            let room = MAX_NAME.saturating_sub(number.len());
            name = wanted.chars().take(room).chain(number.chars()).collect();
        }
        name
    }
}

/// Parameters that stand for classes, each with a name of its own.
#[derive(Default)]
pub(super) struct Classes {
    pub(super) names: BTreeMap<Class, String>,
    by_name: BTreeMap<String, Class>,
    taken: Taken,
}

impl Classes {
    pub(super) fn of(&self, name: &str) -> Option<Class> {
        self.by_name.get(name).cloned()
    }

    /// The parameter of a class.
    pub(super) fn name(&mut self, class: &Class) -> String {
        if let Some(name) = self.names.get(class) {
            return name.clone();
        }
        let name = self.taken.name(&base_name(class), '_');
        self.names.insert(class.clone(), name.clone());
        self.by_name.insert(name.clone(), class.clone());
        name
    }

    pub(super) fn parameters(&self) -> Vec<Parameter> {
        let parameter = |(class, name): (&Class, &String)| Parameter {
            name: name.clone(),
            kind: ParameterKind::Peers,
            // Only local ones, says RFC 8520.
            default: (*class == Class::Controller(NTP.to_owned())).then(|| schema::LOCAL_NETWORK.to_owned()),
            help: format!("addresses, prefixes or names of {}", titles::class_text(class)),
            mud: Some(class.clone()),
        };
        let mut all: Vec<Parameter> = self.names.iter().map(parameter).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// Leaves of MUD that have no value.
pub(in crate::profile) const EMPTY_LEAVES: &[&str] = &["my-controller", "same-manufacturer"];

impl Class {
    /// The leaf of MUD that says it, and the value of that where it has one.
    pub(in crate::profile) fn leaf(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Controller(name) => ("controller", Some(name)),
            Self::MyController => ("my-controller", None),
            Self::SameManufacturer => ("same-manufacturer", None),
            Self::Manufacturer(name) => ("manufacturer", Some(name)),
            Self::Model(name) => ("model", Some(name)),
        }
    }

    /// What a leaf of this name says.
    pub(in crate::profile) fn of_leaf(name: &str, value: String) -> Option<Self> {
        Some(match name {
            "controller" => Self::Controller(value),
            "my-controller" => Self::MyController,
            "same-manufacturer" => Self::SameManufacturer,
            "manufacturer" => Self::Manufacturer(value),
            "model" => Self::Model(value),
            _ => return None,
        })
    }
}

/// `controller_gateway` for `urn:ietf:params:mud:gateway`
fn base_name(class: &Class) -> String {
    let last = |text: &str| {
        let parts = text.trim_end_matches(['/', ':']).rsplit(['/', ':', '#', '?']);
        snake(parts.into_iter().find(|part| !part.is_empty()).unwrap_or("unnamed"))
    };
    match class {
        Class::Controller(name) => match name.strip_prefix(PARAMETER) {
            Some(parameter) => snake(parameter),
            None => format!("controller_{}", last(name)),
        },
        Class::MyController => "my_controller".to_owned(),
        Class::SameManufacturer => "same_manufacturer".to_owned(),
        Class::Manufacturer(name) => format!("manufacturer_{}", snake(name)),
        Class::Model(name) => format!("model_{}", last(name)),
    }
}

fn snake(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(60) {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_matches('_');
    if out.starts_with(|c: char| c.is_ascii_lowercase()) { out.to_owned() } else { format!("x{out}") }
}
