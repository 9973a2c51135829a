//! Where policies come from: those that ship, and files.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::{TlsPolicy, read};
use crate::error::{Error, Result};
use crate::profile::{Profile, Rule, load, problem};

/// The policy where nobody names one.
pub const DEFAULT: &str = "bcp195";

/// What it was called once; still accepted.
const OLD_DEFAULT: &str = "default";

/// Names of the policies that ship, the default first.
pub const NAMES: &[&str] = &[
    DEFAULT,
    "mozilla-modern",
    "mozilla-intermediate",
    "mozilla-old",
    "nist-800-52r2",
    "bsi-tr-02102-2",
    "anssi",
    "pci-dss-4",
    "iot-constrained",
];

/// A policy that ships: read when it is first asked for anything, which captures without TLS never do.
#[derive(Debug)]
pub struct Preset {
    name: &'static str,
    text: &'static str,
    /// Cipher suites one by one.
    table: Option<&'static str>,
    parsed: OnceLock<TlsPolicy>,
}

macro_rules! preset {
    ($name:literal) => {
        preset!($name, None)
    };
    ($name:literal, $table:expr) => {
        Preset {
            name: $name,
            text: include_str!(concat!("../../../rules/tls/", $name, ".yaml")),
            table: $table,
            parsed: OnceLock::new(),
        }
    };
}

static PRESETS: [Preset; 9] = [
    preset!("bcp195", Some(include_str!("../../../rules/tls/bcp195.csv"))),
    preset!("mozilla-modern"),
    preset!("mozilla-intermediate"),
    preset!("mozilla-old"),
    preset!("nist-800-52r2"),
    preset!("bsi-tr-02102-2"),
    preset!("anssi"),
    preset!("pci-dss-4"),
    preset!("iot-constrained"),
];

/// The preset of this name.
pub(super) fn named(name: &str) -> Option<&'static Preset> {
    let name = if name == OLD_DEFAULT { DEFAULT } else { name };
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Preset {
    pub(super) fn policy(&'static self) -> &'static TlsPolicy {
        // That every shipped policy parses is a test.
        self.parsed.get_or_init(|| self.parse().unwrap_or_default())
    }

    pub(super) fn parse(&self) -> std::result::Result<TlsPolicy, String> {
        read::parse(self.text, &format!("built-in {}", self.name), self.table)
    }
}

/// A policy, shipped or one's own.
#[derive(Debug, Clone)]
pub enum PolicyRef {
    /// Ships.
    Shipped(&'static Preset),
    /// From a file.
    Own(Arc<TlsPolicy>),
}

impl Deref for PolicyRef {
    type Target = TlsPolicy;

    fn deref(&self) -> &TlsPolicy {
        match self {
            Self::Shipped(preset) => preset.policy(),
            Self::Own(policy) => policy,
        }
    }
}

/// Whether what stands where a policy is expected means a file: it has a `/`, or ends in `.yaml` or `.yml`.
pub fn is_file(text: &str) -> bool {
    text.contains(['/', '\\']) || [".yaml", ".yml"].iter().any(|end| text.ends_with(end))
}

impl PolicyRef {
    /// The policy of this name, or in this file.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown name with the near miss, [`Error::Io`] for a file that cannot be read,
    /// [`Error::Profile`] with every problem of one that is no policy.
    pub fn open(text: &str) -> Result<Self> {
        if let Some(preset) = named(text) {
            return Ok(Self::Shipped(preset));
        }
        let path = Path::new(text);
        if !is_file(text) && !path.exists() {
            let hint = problem::near_or_all(text, NAMES.iter().copied());
            return Err(Error::Usage(format!(
                "failed to find the TLS policy `{text}`: no such file and no built-in policy{hint}"
            )));
        }
        let origin = path.display().to_string();
        let yaml = load::read_text(path, "TLS policy")?;
        let policy = read::parse(&yaml, &origin, None).map_err(Error::Profile)?;
        Ok(Self::Own(Arc::new(policy)))
    }

    /// When it was last compared with its sources; for a shipped one without reading it whole.
    pub fn dated(&self) -> &str {
        match self {
            Self::Shipped(preset) => {
                let dates = preset.text.lines().filter_map(|line| line.strip_prefix("dated: "));
                dates.map(str::trim).next().unwrap_or_default()
            }
            Self::Own(policy) => &policy.dated,
        }
    }

    /// Its name, without reading a shipped one.
    pub fn name(&self) -> &str {
        match self {
            Self::Shipped(preset) => preset.name,
            Self::Own(policy) => &policy.name,
        }
    }
}

/// The policies of one profile: that of all its flows, and those of single claims.
#[derive(Debug, Clone)]
pub struct Policies {
    of_all: PolicyRef,
    /// As claims call them.
    of_claims: BTreeMap<String, PolicyRef>,
}

impl Policies {
    /// Opens every policy that a profile names.
    ///
    /// # Errors
    /// As [`PolicyRef::open`].
    pub fn of(profile: &Profile) -> Result<Self> {
        let rules = profile.claims.iter().filter_map(|claim| match &claim.rule {
            Rule::Flow(rule) => rule.tls.as_ref()?.policy.as_ref(),
            _ => None,
        });
        let mut of_claims = BTreeMap::new();
        for name in rules {
            if !of_claims.contains_key(name) {
                of_claims.insert(name.clone(), PolicyRef::open(name)?);
            }
        }
        Ok(Self { of_all: PolicyRef::open(&profile.tls_policy)?, of_claims })
    }

    /// One policy for everything, whatever the profile says.
    pub fn only(policy: PolicyRef) -> Self {
        Self { of_all: policy, of_claims: BTreeMap::new() }
    }

    /// The policy of a claim that calls it `name`; without one, that of all.
    pub fn get(&self, name: Option<&str>) -> &PolicyRef {
        name.and_then(|name| self.of_claims.get(name)).unwrap_or(&self.of_all)
    }

    /// All of them, the general one first.
    pub fn all(&self) -> impl Iterator<Item = &PolicyRef> {
        std::iter::once(&self.of_all).chain(self.of_claims.values())
    }
}
