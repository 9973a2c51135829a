//! What was declared: profiles as validated values, ready to be matched against flows.
//!
//! `schema` describes the keys of the file, for the reader and for editors; `layers` follows `extends`; `sections` reads
//! what claims refer to by name; `load` puts it together into these types, in which no name is left open, or into an
//! error that names file, line, column, key and near miss; `bind` selects variants and fills parameters in.

pub mod addresses;
pub mod append;
pub mod bind;
pub mod builtin;
mod claim;
pub mod firewall;
mod flow_rule;
pub mod inventory;
mod layers;
pub mod lint;
pub mod load;
pub mod mud;
mod problem;
mod read;
mod schema;
mod sections;
pub mod sentences;
mod service;
mod show;
pub mod tls_policy;
mod value;
pub mod version;
pub mod waivers;
pub mod write;
mod yaml;

pub use schema::{inventory_schema, json_schema, tls_policy_schema, waivers_schema};

use std::time::Duration;

use ipnet::IpNet;

use crate::model::Transport;
use crate::model::finding::{Severity, Way};
use version::VersionRange;

/// A validated profile: what a device, or another subject, may do on the network.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Short name: `farmbot`.
    pub name: String,
    /// What people call it: `FarmBot`.
    pub title: String,
    /// Where it was read from, for messages; `built-in farmbot` for those that ship.
    pub origin: String,
    /// The document the quotes are from, as title or URL.
    pub document: String,
    /// Date of that document or of its last review (`2021-04-01`), if stated.
    pub reviewed: Option<String>,
    /// Independent choices, each with its options.
    pub variants: Vec<VariantGroup>,
    /// Values that the site binds.
    pub parameters: Vec<Parameter>,
    /// Who claims bind beside the device: the browser of its user, the host of its application.
    pub subjects: Vec<Role>,
    /// How the device is recognised in a capture.
    pub identify: Identify,
    /// Undeclared infrastructure that any device of this kind uses.
    pub baseline: Vec<Baseline>,
    /// The TLS policy that judges what no claim declares: the name of one that ships (`rules/tls/<name>.yaml`), or a file.
    pub tls_policy: String,
    /// What is declared and can be checked on packets.
    pub claims: Vec<Claim>,
    /// What is declared and cannot.
    pub not_checkable: Vec<Statement>,
    /// Places in claims that parameters fill, for [`bind::bind`]; until then those places match nothing.
    pub slots: Vec<Slot>,
    /// Statements of the document that contradict each other, as its reader found them.
    pub contradictions: Vec<Contradiction>,
    /// What a Manufacturer Usage Description says beside its claims, where the profile is from one.
    pub mud: Option<Box<mud::Extras>>,
}

/// A place in a claim that a parameter fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Index into [`Profile::claims`].
    pub claim: usize,
    /// Which place.
    pub part: SlotPart,
    /// The parameter.
    pub parameter: String,
}

/// Which place of a claim a parameter fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotPart {
    /// Its peers are added to those of the flow rule.
    Peers,
    /// The flow rule's ports are these.
    Ports,
    /// The flow rule's ports are all but these.
    PortsExcept,
    /// The networks of [`Rule::AddressesWithin`].
    Networks,
}

/// Statements of one document that cannot all be meant as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Their ids.
    pub claims: Vec<String>,
    /// What contradicts what, and how the profile reads it.
    pub note: String,
    /// Line in the file, from 1.
    pub line: u64,
}

/// A choice that a site or a firmware version makes.
#[derive(Debug, Clone)]
pub struct VariantGroup {
    /// `security`, `firmware`, …
    pub name: String,
    /// What it is about, for messages; may be empty.
    pub help: String,
    /// Names of its options, unique in the profile.
    pub options: Vec<String>,
    /// The option taken when none is bound; `None` leaves the group unbound.
    pub default: Option<String>,
}

/// A value that the profile leaves open.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// `standard_ports`
    pub name: String,
    /// What it may hold.
    pub kind: ParameterKind,
    /// Its value when nobody sets it, in the form `--set` takes.
    pub default: Option<String>,
    /// What to bind it to, for messages.
    pub help: String,
    /// The group of peers that it stands for in a Manufacturer Usage Description.
    pub mud: Option<mud::Class>,
}

/// What a parameter may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// `true` or `false`.
    Flag,
    /// `80,443,8000-8010`.
    Ports,
    /// Addresses, prefixes, names or name patterns, separated by commas.
    Peers,
    /// `13.0.1`: compared in conditions.
    Version,
}

/// Somebody other than the device whom claims bind.
#[derive(Debug, Clone)]
pub struct Role {
    /// `browser`
    pub name: String,
    /// Who that is, for messages; may be empty.
    pub help: String,
    /// How one is recognised in a capture.
    pub identify: Identify,
}

/// How a device of this profile is recognised; any one of these is enough.
#[derive(Debug, Clone, Default)]
pub struct Identify {
    /// DHCP host names, `*` matches any run of characters, case is ignored.
    pub dhcp_host_names: Vec<String>,
    /// DHCP vendor classes, same pattern.
    pub dhcp_vendor_classes: Vec<String>,
    /// URLs of Manufacturer Usage Descriptions, by DHCP or LLDP (RFC 8520); `*` matches any run of characters.
    pub mud_urls: Vec<String>,
    /// First three bytes of the MAC address.
    pub ouis: Vec<[u8; 3]>,
    /// Names that only such a device looks up or connects to.
    pub names: Vec<NamePattern>,
    /// Responder ports to which only such a device connects.
    pub ports: Vec<u16>,
}

/// Infrastructure traffic that needs no claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Baseline {
    /// Address resolution (RFC 826).
    Arp,
    /// ICMPv6 neighbour discovery, MLD (RFC 4861, RFC 3810).
    Ndp,
    /// The device as DHCP or DHCPv6 client.
    Dhcp,
    /// DNS to the resolvers that DHCP handed out, else to any.
    Dns,
    /// ICMP and ICMPv6 echo and errors.
    Icmp,
    /// Group membership (RFC 3376).
    Igmp,
    /// Multicast DNS.
    Mdns,
    /// Link-local multicast name resolution.
    Llmnr,
    /// SSDP.
    Ssdp,
    /// NetBIOS name service and datagrams.
    Netbios,
}

/// One statement that packets can contradict or bear out.
#[derive(Debug, Clone)]
pub struct Claim {
    /// `FB-08`
    pub id: String,
    /// What it says, short, in our words.
    pub title: String,
    /// Whom it binds: `device`, one of [`Profile::subjects`], or `anyone`.
    pub subject: String,
    /// How strongly.
    pub level: Level,
    /// All must hold for the claim to apply.
    pub when: Vec<Condition>,
    /// What it says.
    pub rule: Rule,
    /// Overrides the default severity of findings that this claim decides.
    pub severity: Option<Severity>,
    /// Where the sentence is from.
    pub source: Source,
    /// Line of the claim in its file, from 1.
    pub line: u64,
}

/// How strongly a claim binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Must be possible, and must be seen when the device is active.
    Required,
    /// May be done.
    Allowed,
    /// Must not be done.
    Forbidden,
    /// Worth comparing; never above `info`.
    Informational,
}

/// A condition on what was bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// One of these options of the group is bound; the word `unbound` stands for none of them.
    Variant {
        /// Group.
        group: String,
        /// Options.
        options: Vec<String>,
    },
    /// A flag parameter is true. When it is unbound the claim applies with a note.
    Flag {
        /// The parameter.
        parameter: String,
        /// The value it must have.
        is: bool,
    },
    /// A version parameter is in one of these ranges, or nobody bound it.
    Version {
        /// The parameter.
        parameter: String,
        /// Any of these.
        ranges: Vec<VersionRange>,
        /// Whether it holds while the parameter is unbound.
        unbound: bool,
    },
}

/// What a claim says.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Which flows it is about, and what must hold for them.
    Flow(Box<FlowRule>),
    /// Whether connections go through a proxy (HTTP CONNECT, SOCKS).
    Proxy(ProxyRule),
    /// DNS answers for these names share an address.
    SameAddresses(Vec<String>),
    /// The CNAME chain of the name ends below `under`.
    CanonicalName {
        /// Name asked for.
        name: String,
        /// Suffix of the canonical name.
        under: NamePattern,
    },
    /// Peers called one of `names` have addresses of `networks`.
    AddressesWithin {
        /// Which peers.
        names: Vec<NamePattern>,
        /// Where they must be.
        networks: AddressSet,
    },
}

/// Whether a proxy may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyRule {
    /// Every connection that leaves the LAN goes through one.
    Required,
    /// May.
    Allowed,
    /// Must not.
    Forbidden,
}

/// Which flows a claim is about, and what must hold for them.
#[derive(Debug, Clone)]
pub struct FlowRule {
    /// By who sent the first packet; `None` for either.
    pub way: Option<Way>,
    /// The other end: any of these; empty for anybody.
    pub peers: Vec<Peer>,
    /// Transports, any of these; empty for any.
    pub transports: Vec<Transport>,
    /// The responder's port.
    pub ports: Ports,
    /// Protocols by content, any of these chains (`tls/mqtt`): a flow fits when its own chain is a beginning
    /// of one (the rest may be encrypted) or one is a beginning of its chain. Empty for any.
    pub services: Vec<String>,
    /// How many of `peers` must work (`required` only); 1 means any one.
    pub at_least: usize,
    /// The network is to block these flows: an answer is the violation, silence conforms.
    pub blocked: bool,
    /// TLS on these flows.
    pub tls: Option<TlsRule>,
    /// How long they live.
    pub lifetime: Option<LifetimeRule>,
    /// The longest keep alive the device may announce (MQTT).
    pub keep_alive_max: Option<Duration>,
    /// A WebSocket upgrade on these flows must succeed.
    pub websocket: bool,
    /// Cleartext content on these flows is a violation.
    pub encrypted: bool,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// By name.
    Name(NamePattern),
    /// By prefix; a single address is the longest prefix.
    Network(IpNet),
    /// By address list.
    List(AddressSet),
    /// The device's own networks.
    Local,
}

/// A name or a documented wildcard; lower-case A-labels without final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamePattern {
    /// `my.farm.bot`
    Exact(String),
    /// `*.farm.bot`: one or more labels below, not the apex. Holds `farm.bot`.
    Below(String),
    /// `.farm.bot`: the apex or below. Holds `farm.bot`.
    Suffix(String),
}

/// A named list of prefixes, with the date of its snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSet {
    /// `aws-us-east-1`
    pub name: String,
    /// Date of the snapshot.
    pub dated: String,
    /// Prefixes, ascending; none within another.
    pub networks: std::sync::Arc<Vec<IpNet>>,
}

/// Responder ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// Any port.
    Any,
    /// One of these inclusive ranges, sorted.
    Of(Vec<(u16, u16)>),
    /// Any port outside these inclusive ranges.
    Except(Vec<(u16, u16)>),
    /// In order of preference: a later one is a fallback.
    Fallback(Vec<u16>),
    /// As `Of` (or `Except`) a parameter that nobody bound.
    Unbound(String),
}

/// What is declared of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsRule {
    /// Least version, as on the wire: 0x0303 is TLS 1.2.
    pub min_version: Option<u16>,
    /// Greatest version.
    pub max_version: Option<u16>,
    /// Cipher suites by code point; empty for any.
    pub suites: Vec<u16>,
    /// Least size of an RSA key in bits.
    pub min_rsa_bits: Option<u32>,
    /// Signature algorithms of certificates, as `sha256WithRSAEncryption`; empty for any.
    pub signatures: Vec<String>,
    /// The client proves itself with a certificate.
    pub mutual: bool,
    /// Organisation or common name of the issuer contains one of these; empty for any.
    pub issuers: Vec<String>,
    /// SHA-256 of the server certificate's SubjectPublicKeyInfo, lower-case hex; empty for any.
    pub pins: Vec<String>,
    /// Application protocols of which one is offered; empty for any.
    pub alpn: Vec<String>,
    /// A policy other than the profile's.
    pub policy: Option<String>,
    /// What the client may offer, one of these; empty for anything.
    pub offers: Vec<mud::TlsOffer>,
}

/// What is declared of a flow's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LifetimeRule {
    /// Kept open without limit: only an endpoint may close it.
    pub long_running: bool,
    /// Least life.
    pub min: Option<Duration>,
    /// Greatest life.
    pub max: Option<Duration>,
    /// Longest time between the last payload and the close.
    pub max_idle_tail: Option<Duration>,
}

/// A statement that no packet shows.
#[derive(Debug, Clone)]
pub struct Statement {
    /// `FB-12`
    pub id: String,
    /// Short, in our words.
    pub title: String,
    /// Why packets cannot show it.
    pub reason: String,
    /// Where the sentence is from.
    pub source: Source,
    /// Line in its file, from 1.
    pub line: u64,
}

/// Where a sentence is from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The sentence, verbatim; empty where the document is silent and the claim says so in its title.
    pub quote: String,
    /// Section or line of the document.
    pub place: String,
    /// Overrides the profile's date.
    pub reviewed: Option<String>,
}

/// A profile with everything bound that could be, for one run.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// The profile; its `identify` is that of the subject.
    pub profile: std::sync::Arc<Profile>,
    /// As whom the selected are judged: `device`, or one of [`Profile::subjects`].
    pub subject: String,
    /// The bound options, joined by `+` in the order of the groups; groups without one are left out. Another subject
    /// than the device stands first: `subject:browser`.
    pub variant: String,
    /// The parameters that have a value, bound or by default.
    pub values: std::collections::BTreeMap<String, String>,
    /// Every claim, in file order.
    pub claims: Vec<BoundClaim>,
    /// What judges TLS where no claim declares anything.
    pub policies: tls_policy::Policies,
}

/// A claim with its parameters filled in.
#[derive(Debug, Clone)]
pub struct BoundClaim {
    /// The claim.
    pub claim: Claim,
    /// Whether it applies.
    pub state: ClaimState,
}

/// Whether a claim applies in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimState {
    /// It does.
    Active,
    /// It does, for want of knowing better: the note says what nobody bound.
    Noted(String),
    /// It does not: the bound variant or flag excludes it.
    Inactive(String),
    /// It depends on this variant group or parameter, which nobody bound.
    Unbound(String),
    /// It binds somebody other than who is judged.
    OtherSubject,
}

impl Peer {
    /// One peer as written in a profile: a name or pattern, an address or prefix, an address list, the device's networks.
    ///
    /// # Errors
    /// What is wrong with it, for a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        match value::peer(text)? {
            value::PeerWord::Peer(peer) => Ok(peer),
            _ => Err(format!("expected one peer, got `{text}`")),
        }
    }
}

impl NamePattern {
    /// Whether `name` (lower case, no final dot) fits.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == exact,
            Self::Below(apex) => below(apex, name),
            Self::Suffix(apex) => name == apex || below(apex, name),
        }
    }
}

fn below(apex: &str, name: &str) -> bool {
    name.strip_suffix(apex).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// As written in a profile.
impl std::fmt::Display for NamePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(apex) => write!(f, "*.{apex}"),
            Self::Suffix(apex) => write!(f, ".{apex}"),
        }
    }
}

impl AddressSet {
    /// Whether `ip` is in one of its networks.
    pub fn contains(&self, ip: std::net::IpAddr) -> bool {
        let after = self.networks.partition_point(|net| net.network() <= ip);
        let before = after.checked_sub(1).and_then(|at| self.networks.get(at));
        before.is_some_and(|net| net.contains(&ip))
    }
}

impl Ports {
    /// The ports as ascending inclusive ranges, whatever their order of preference; `None` for an unbound set.
    pub fn ranges(&self) -> Option<Vec<(u16, u16)>> {
        match self {
            Self::Any => Some(vec![(1, u16::MAX)]),
            Self::Of(ranges) => Some(ranges.clone()),
            Self::Fallback(ports) => Some(value::united(ports.iter().map(|port| (*port, *port)).collect())),
            Self::Except(ranges) => Some(value::others(ranges)),
            Self::Unbound(_) => None,
        }
    }

    /// Whether `port` is among them; an unbound set has none.
    pub fn contains(&self, port: u16) -> bool {
        let within = |ranges: &[(u16, u16)]| ranges.iter().any(|(low, high)| (*low..=*high).contains(&port));
        match self {
            Self::Any => true,
            Self::Of(ranges) => within(ranges),
            Self::Except(ranges) => !within(ranges),
            Self::Fallback(ports) => ports.contains(&port),
            Self::Unbound(_) => false,
        }
    }
}
