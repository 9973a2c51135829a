//! What analyzers say: facts of a flow, names of addresses, traits of hosts.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::evidence::{Evidence, Seen};
use super::{MacAddr, Timestamp};

/// An observable property, documented where its analyzer is.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Dotted and lower case, the analyzer first: `mqtt.client_id`.
    pub name: &'static str,
    /// What it tells, with unit and the meaning of unusual values.
    pub doc: &'static str,
    /// Normative source: RFC and section, or a specification.
    pub source: &'static str,
}

impl Field {
    /// Whether it says that a credential was sent as it is: such a field is called `<protocol>.credentials`, its value
    /// tells in which way. Wherever it is seen outside of encryption, it is a finding.
    pub fn is_credentials(&self) -> bool {
        self.name.ends_with(".credentials")
    }

    /// The analyzer that observes it.
    pub fn analyzer(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(analyzer, _)| analyzer)
    }
}

/// An observed value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// The field is true; a field that is not true is not observed.
    Yes,
    /// A count, code or identifier.
    Uint(u64),
    /// Text from the wire, not neutralised; reports do that.
    Text(Box<str>),
    /// A constant word of ours.
    Word(&'static str),
    /// An address.
    Ip(IpAddr),
    /// A moment.
    Time(Timestamp),
    /// A length of time.
    Span(Duration),
}

impl Value {
    /// Text as sent, invalid UTF-8 as `\xNN`.
    pub fn text(bytes: &[u8]) -> Self {
        Self::Text(str::from_utf8(bytes).map_or_else(|_| super::text::lossless(bytes).into(), Into::into))
    }

    /// The number in it, if it is one.
    pub fn as_uint(&self) -> Option<u64> {
        match self {
            Self::Uint(number) => Some(*number),
            _ => None,
        }
    }

    /// The text in it, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::Uint(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Word(word) => f.write_str(word),
            Self::Ip(ip) => ip.fmt(f),
            Self::Time(time) => time.fmt(f),
            Self::Span(span) => write!(f, "{:.6}", span.as_secs_f64()),
        }
    }
}

/// A field with a value and where it was seen.
#[derive(Debug, Clone)]
pub struct Fact {
    /// What.
    pub field: &'static Field,
    /// The value.
    pub value: Value,
    /// Sightings of this field with this value.
    pub evidence: Evidence,
}

/// How many different values of one field a flow keeps.
pub const MAX_VALUES: usize = 256;

/// The facts of one flow, folded: one entry per field and value, in order of first sighting.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    entries: Vec<Fact>,
    /// Where to find each, once there are too many to look through.
    index: Option<Box<Index>>,
    /// Sightings that found their field's list full.
    pub dropped: u64,
}

/// As many facts are looked through one by one; most flows have fewer.
const WITHOUT_INDEX: usize = 32;

/// Facts by their hash. Keyed at random, so that no sender can make values meet; never iterated.
#[derive(Debug, Clone, Default)]
struct Index {
    hasher: RandomState,
    /// Hash of a fact to its place: the first one, if two should have the same.
    places: HashMap<u64, usize>,
    /// Values of each field, by the field's address.
    values: HashMap<usize, usize>,
}

impl Index {
    fn hash(&self, field: &'static Field, value: &Value) -> u64 {
        self.hasher.hash_one((std::ptr::from_ref(field).addr(), value))
    }

    fn insert(&mut self, field: &'static Field, value: &Value, place: usize) {
        let hash = self.hash(field, value);
        self.places.entry(hash).or_insert(place);
        *self.values.entry(std::ptr::from_ref(field).addr()).or_default() += 1;
    }
}

impl Facts {
    /// Of facts that are different from each other, in order of first sighting.
    pub(super) fn of_parts(entries: Vec<Fact>, dropped: u64) -> Self {
        Self { entries, index: None, dropped }
    }

    /// Records that `field` had `value`.
    pub fn add(&mut self, field: &'static Field, value: Value, seen: Seen) {
        if let Some(fact) = self.find(field, &value).and_then(|place| self.entries.get_mut(place)) {
            fact.evidence.again(seen);
        } else if self.values(field) < MAX_VALUES {
            let place = self.entries.len();
            if place == WITHOUT_INDEX {
                let mut index = Box::<Index>::default();
                for (place, fact) in self.entries.iter().enumerate() {
                    index.insert(fact.field, &fact.value, place);
                }
                self.index = Some(index);
            }
            if let Some(index) = &mut self.index {
                index.insert(field, &value, place);
            }
            self.entries.push(Fact { field, value, evidence: Evidence::once(seen) });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The place of `field` with `value`.
    fn find(&self, field: &'static Field, value: &Value) -> Option<usize> {
        let is_it = |fact: &Fact| std::ptr::eq(fact.field, field) && fact.value == *value;
        if let Some(index) = &self.index {
            let place = *index.places.get(&index.hash(field, value))?;
            if self.entries.get(place).is_some_and(is_it) {
                return Some(place);
            }
        }
        self.entries.iter().position(is_it)
    }

    /// How many values of `field` there are.
    fn values(&self, field: &'static Field) -> usize {
        match &self.index {
            Some(index) => index.values.get(&std::ptr::from_ref(field).addr()).copied().unwrap_or(0),
            None => self.of(field).count(),
        }
    }

    /// All of them, in order of first sighting.
    pub fn iter(&self) -> std::slice::Iter<'_, Fact> {
        self.entries.iter()
    }

    /// Those of `field`, in order of first sighting.
    pub fn of(&self, field: &'static Field) -> impl Iterator<Item = &Fact> {
        self.entries.iter().filter(move |fact| std::ptr::eq(fact.field, field))
    }

    /// The first of `field`.
    pub fn first(&self, field: &'static Field) -> Option<&Fact> {
        self.of(field).next()
    }

    /// The last of `field` to be seen for the first time.
    pub fn latest(&self, field: &'static Field) -> Option<&Fact> {
        self.of(field).last()
    }

    /// Whether `field` was observed.
    pub fn has(&self, field: &'static Field) -> bool {
        self.first(field).is_some()
    }

    /// Sightings of `field`, over all its values.
    pub fn count(&self, field: &'static Field) -> u64 {
        self.of(field).map(|fact| fact.evidence.count).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<'a> IntoIterator for &'a Facts {
    type Item = &'a Fact;
    type IntoIter = std::slice::Iter<'a, Fact>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Where a name of an address comes from, surest first; the order of `domain` knowledge, not of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameSource {
    /// Target of an HTTP CONNECT.
    Connect,
    /// Target of a SOCKS request.
    Socks,
    /// TLS server name indication.
    Sni,
    /// The only name of the server's certificate.
    Certificate,
    /// HTTP Host header.
    Host,
    /// A DNS answer to this device.
    Dns,
    /// A DNS answer to another host, or to this device but about a name that was not asked for.
    DnsOther,
    /// Multicast DNS.
    Mdns,
    /// LLMNR.
    Llmnr,
    /// NetBIOS name service.
    Netbios,
    /// DHCP host name.
    Dhcp,
    /// A reverse look-up seen in the capture.
    Ptr,
    /// A name resolution block of the capture file.
    Capture,
    /// The user's hosts file.
    Hosts,
    /// No name.
    None,
}

impl fmt::Display for NameSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Socks => "socks",
            Self::Sni => "sni",
            Self::Certificate => "certificate",
            Self::Host => "host",
            Self::Dns => "dns",
            Self::DnsOther => "dns-other",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
            Self::Netbios => "netbios",
            Self::Dhcp => "dhcp",
            Self::Ptr => "ptr",
            Self::Capture => "capture",
            Self::Hosts => "hosts",
            Self::None => "none",
        })
    }
}

/// Somebody said that `name` is at `address`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameBinding {
    /// The name asked for: lower case, no final dot.
    pub name: Box<str>,
    /// Names between `name` and the address (CNAME targets), in order, at most 16.
    pub aliases: Vec<Box<str>>,
    /// The address.
    pub address: IpAddr,
    /// How it was said.
    pub source: NameSource,
    /// Who was told; `None` when it was said to everybody or by the user.
    pub asked_by: Option<IpAddr>,
    /// The frame of the answer; `None` for names given by the user or by the file.
    pub seen: Option<Seen>,
}

/// Something a host says or is told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTrait {
    /// Its MAC address, where known.
    pub mac: Option<MacAddr>,
    /// Its address, where known.
    pub ip: Option<IpAddr>,
    /// What is said.
    pub kind: TraitKind,
    /// Frame and time.
    pub seen: Seen,
}

/// Kinds of [`HostTrait`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TraitKind {
    /// DHCP option 12, or the leftmost label of option 81.
    HostName(Box<str>),
    /// DHCP option 60.
    VendorClass(Box<str>),
    /// What it calls itself elsewhere than in DHCP, as sent: by multicast DNS, NetBIOS, LLDP.
    Announced(Box<str>),
    /// Where its manufacturer says what it does: the URL of a Manufacturer Usage Description (RFC 8520), by DHCP, LLDP or
    /// certificate.
    MudUrl(Box<str>),
    /// What it says it is, in words: LLDP system description, product in SSDP.
    Description(Box<str>),
    /// What identifies the box that it is in: LLDP chassis identifier.
    Chassis(Box<str>),
    /// A DHCP server gave `ip` to `mac` for this many seconds.
    Lease(u32),
    /// ARP or neighbour discovery: `ip` is at `mac`.
    Neighbour,
    /// DHCP option 3.
    Router(IpAddr),
    /// DHCP option 6.
    DnsServer(IpAddr),
    /// DHCP option 1 as a prefix length.
    PrefixLen(u8),
    /// Started or rebooted: a DHCP DISCOVER or a REQUEST without lease (RFC 2131 section 3.1, 3.2).
    Boot,
    /// Looked this name up (lower case, no final dot).
    Lookup(Box<str>),
}

/// What an analyzer emits.
#[derive(Debug, Clone)]
pub enum Observation {
    /// About the flow.
    Fact(&'static Field, Value),
    /// About an address.
    Name(Box<NameBinding>),
    /// About a host.
    Host(Box<HostTrait>),
    /// About another flow, which is to come.
    Coming(Box<Coming>),
}

/// A flow that another one has announced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coming {
    /// Who will open it.
    pub orig: IpAddr,
    /// To which address and port.
    pub resp: SocketAddr,
    /// What it will carry: the identifier of an analyzer.
    pub service: &'static str,
    /// The announcement.
    pub seen: Seen,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FrameRef;

    static ONE: Field = Field { name: "test.one", doc: "One", source: "none" };
    static TWO: Field = Field { name: "test.two", doc: "Two", source: "none" };

    #[test]
    fn values_are_told_apart_with_and_without_index_and_have_a_bound() {
        let seen = Seen { at: Timestamp::default(), frame: FrameRef::default() };
        let mut facts = Facts::default();
        for round in 1..=2 {
            for n in 0..300_u64 {
                facts.add(&ONE, Value::Uint(n), seen);
                facts.add(&TWO, Value::Uint(n / 100), seen);
            }
            assert_eq!(facts.of(&ONE).count(), MAX_VALUES);
            assert!(facts.of(&ONE).zip(0..).all(|(fact, n)| fact.value == Value::Uint(n)));
            assert!(facts.of(&ONE).all(|fact| fact.evidence.count == round));
            assert_eq!(facts.of(&TWO).map(|fact| fact.evidence.count).collect::<Vec<_>>(), [100 * round; 3]);
            assert_eq!(facts.dropped, round * (300 - MAX_VALUES as u64));
        }
    }
}
