//! A check's result.

use std::fmt;
use std::net::IpAddr;

use super::{Evidence, MacAddr, NameSource, Transport};

/// What a finding says of a claim; the words never mix (see `wireclaim explain`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The device did what its profile does not allow, or failed to do what it must.
    Violation,
    /// The device tried what it is entitled to, and the network or the peer stopped it.
    Obstructed,
    /// Differs from the declaration, but not for the worse.
    Drift,
    /// Something is wrong, but this capture cannot say what.
    Inconclusive,
    /// Exercised and as declared.
    Conforms,
    /// Nothing in this capture touched the claim.
    NotExercised,
    /// Packets cannot show it.
    Unobservable,
    /// The profile leaves a parameter open and nobody bound it.
    Unbound,
}

impl Status {
    /// Whether it is a row of the discrepancy table.
    pub fn is_discrepancy(self) -> bool {
        matches!(self, Self::Violation | Self::Obstructed | Self::Drift | Self::Inconclusive)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Violation => "violation",
            Self::Obstructed => "obstructed",
            Self::Drift => "drift",
            Self::Inconclusive => "inconclusive",
            Self::Conforms => "conforms",
            Self::NotExercised => "not_exercised",
            Self::Unobservable => "unobservable",
            Self::Unbound => "unbound",
        })
    }
}

/// How bad, if true. Ordered from harmless to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warning,
    /// Must be dealt with.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl Severity {
    /// The next milder one.
    pub fn lower(self) -> Self {
        match self {
            Self::Error => Self::Warning,
            Self::Warning | Self::Info => Self::Info,
        }
    }
}

/// How sure. Ordered from weak to proven; the confidence of a combination is the minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// A hint.
    Weak,
    /// More likely than not.
    Probable,
    /// Other readings need coincidence.
    Strong,
    /// Packets leave no other reading.
    Proven,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weak => "weak",
            Self::Probable => "probable",
            Self::Strong => "strong",
            Self::Proven => "proven",
        })
    }
}

/// Direction of a flow as seen from the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// The device sent the first packet to somewhere else.
    Out,
    /// Somebody else sent the first packet to the device.
    In,
    /// To or from the device's own networks: broadcast, multicast, its LAN prefix.
    Local,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Out => "out",
            Self::In => "in",
            Self::Local => "local",
        })
    }
}

/// Who is judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceLabel {
    /// MAC address where the capture shows it on the link, else address: the identity.
    pub key: String,
    /// What people call it: its DHCP host name, else the key.
    pub name: String,
    /// Its first address.
    pub ip: Option<IpAddr>,
    /// Its MAC address.
    pub mac: Option<MacAddr>,
}

/// One row of the discrepancy table, in the order of its columns.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was found; `claim` for the rows that only `--all` shows.
    pub code: &'static str,
    /// What it says.
    pub status: Status,
    /// How bad; `None` where the status is no discrepancy.
    pub severity: Option<Severity>,
    /// How sure.
    pub confidence: Confidence,
    /// Which profile.
    pub profile: String,
    /// Its variants, joined by `+`.
    pub variant: String,
    /// The claim's identifier; empty when nothing declares this.
    pub claim: String,
    /// Who.
    pub device: DeviceLabel,
    /// From where to where; `None` for what has no direction.
    pub way: Option<Way>,
    /// Transport; `None` for what has none.
    pub transport: Option<Transport>,
    /// Protocol found by content, or empty.
    pub service: String,
    /// Best name of the peer, or empty.
    pub peer_name: String,
    /// Where it comes from.
    pub name_source: NameSource,
    /// The peer's (first) address.
    pub peer_ip: Option<IpAddr>,
    /// The responder's port.
    pub port: Option<u16>,
    /// What was declared, short and comparable.
    pub expected: String,
    /// What was seen, in the same form.
    pub observed: String,
    /// Normative source, or the profile's quote.
    pub reference: String,
    /// Where and how often; `None` for what was never seen.
    pub evidence: Option<Evidence>,
    /// The tunnels in which packets of its flow came: `VXLAN 42`; empty if they came in none.
    pub inside: String,
    /// One sentence for a network administrator; `{count}` stands for the folded number.
    pub message: String,
    /// The TLS policy that decided; empty where none did.
    pub policy: String,
    /// The strongest citation of that policy: `MUST NOT`, `SHOULD NOT`, `D`, `N`, `-`; empty where none decided.
    pub normative: &'static str,
}
