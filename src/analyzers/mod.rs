//! Bytes to observations: one file per protocol, told apart by content.
//!
//! An analyzer sees the bytes of one flow in order, with gaps announced, and says what it observes
//! through a [`Sink`]. It does not judge, does not know other analyzers, and never fails: bytes that
//! break its protocol are an observation (`<protocol>.anomaly`) and may make it [`Sink::give_up`].
//!
//! TLS is a part of DTLS and of QUIC, not a layer inside them: those two use its handshake as a module, and its facts.
//!
//! A new protocol is one file with a [`Definition`] and one line in [`REGISTRY`].

#![warn(clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")
)]

/// Declares the fields of an analyzer, and `FIELDS`, the list of them: one place for all.
macro_rules! fields {
    ($($id:ident = $name:literal, $source:literal, $doc:literal;)*) => {
        $(#[doc = $doc] pub static $id: $crate::model::Field =
            $crate::model::Field { name: $name, doc: $doc, source: $source };)*
        /// All of the above.
        pub static FIELDS: &[&$crate::model::Field] = &[$(&$id),*];
    };
}

pub mod amqp;
pub mod bacnet;
pub(crate) mod ber;
pub mod bittorrent;
pub(crate) mod buffer;
pub mod coap;
pub(crate) mod cutter;
pub mod dhcp;
pub(crate) mod dialogue;
pub mod dnp3;
pub mod dns;
pub mod dtls;
pub mod enip;
pub(crate) mod frames;
pub mod ftp;
pub mod hart_ip;
pub mod http;
pub mod http2;
pub mod iec104;
pub mod ike;
pub mod imap;
pub mod irc;
pub mod knxnet_ip;
pub mod ldap;
pub(crate) mod lines;
pub mod lon;
pub mod modbus;
pub mod mqtt;
pub mod mqtt_sn;
pub mod mysql;
pub mod netbios_dgm;
pub mod nntp;
pub mod ntp;
pub mod opcua;
pub mod openvpn;
pub(crate) mod period;
pub(crate) mod pieces;
pub mod pop3;
pub mod postgresql;
pub mod quic;
pub mod radius;
pub mod rdp;
pub mod redis;
pub mod rtsp;
pub mod s7comm;
pub(crate) mod sasl;
pub mod sip;
pub mod smb;
pub mod smtp;
pub mod snmp;
pub mod socks;
pub mod ssdp;
pub mod ssh;
pub(crate) mod start_line;
pub(crate) mod starttls;
pub mod stun;
pub mod syslog;
#[cfg(test)]
pub(crate) mod talk;
pub mod telnet;
#[cfg(test)]
pub(crate) mod testing;
pub mod tftp;
pub mod tls;
pub mod vnc;
pub mod websocket;
pub mod wireguard;
pub mod xmpp;

use std::sync::Arc;

use crate::model::evidence::Seen;
use crate::model::{Endpoint, Field, Observation, Secrets, Transport, Value};

/// Who of the two ends speaks; known from the protocol, not from who opened the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The side that asks.
    Client,
    /// The side that serves.
    Server,
}

impl Role {
    /// The other side.
    pub fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// What facts call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// Some of the two sides.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    client: bool,
    server: bool,
}

impl Sides {
    /// The two of them.
    pub const BOTH: Self = Self { client: true, server: true };

    /// With this one.
    pub fn add(&mut self, role: Role) {
        match role {
            Role::Client => self.client = true,
            Role::Server => self.server = true,
        }
    }

    /// Whether this is one of them.
    pub fn has(self, role: Role) -> bool {
        match role {
            Role::Client => self.client,
            Role::Server => self.server,
        }
    }
}

/// What a probe says of the first bytes of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// It is this protocol, and these bytes come from `Role`: nothing else begins like this.
    Certainly(Role),
    /// It has the shape of this protocol and comes from `Role`, but other things may have that shape too. Taken only
    /// where no other analyzer is certain or still undecided.
    Perhaps(Role),
    /// It is not this protocol.
    No,
    /// More bytes are needed to tell.
    More,
}

/// What kind of content a protocol carries: what a check may say of it whoever speaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Data of applications that anybody on the path can read.
    Readable,
    /// Data that only the two ends can read, once the handshake is over.
    Encrypted,
    /// Names, time, addresses, routes: in the clear by nature.
    Infrastructure,
    /// Nothing of its own: it carries another protocol to where that is going.
    Carrier,
}

/// What a probe looks at.
#[derive(Debug, Clone, Copy)]
pub struct ProbeInput<'a> {
    /// The first bytes of one direction (TCP, at most 64 KiB), or one datagram (UDP).
    pub bytes: &'a [u8],
    /// TCP or UDP.
    pub transport: Transport,
    /// Port of their sender.
    pub src_port: u16,
    /// Port of their receiver.
    pub dst_port: u16,
    /// Whether `bytes` is where the sender's stream begins; false midstream and after a gap.
    pub at_start: bool,
}

impl ProbeInput<'_> {
    /// Whether either port is one of `ports`. A hint only: it may lower what content must prove
    /// for protocols whose messages have no signature (NTP, DNS), never replace it.
    #[inline]
    pub fn port_in(&self, ports: &[u16]) -> bool {
        ports.iter().any(|port| *port == self.src_port || *port == self.dst_port)
    }

    /// Who sends, where content does not tell: the server has one of `ports`, else the smaller one.
    pub(crate) fn role_by_port(&self, ports: &[u16]) -> Role {
        match (ports.contains(&self.src_port), ports.contains(&self.dst_port)) {
            (true, false) => Role::Server,
            (false, true) => Role::Client,
            _ if self.src_port < self.dst_port => Role::Server,
            _ => Role::Client,
        }
    }
}

/// What an analyzer is, for the registry, the documentation and the tests.
#[derive(Debug)]
pub struct Definition {
    /// The word in the `service` column: lower case.
    pub id: &'static str,
    /// Its name and specification: `MQTT 3.1, 3.1.1 and 5 (OASIS)`.
    pub title: &'static str,
    /// Which transports it runs on.
    pub transports: &'static [Transport],
    /// Ports on which it is expected; elsewhere it is a mismatch to observe.
    pub ports: &'static [u16],
    /// Everything it observes.
    pub fields: &'static [&'static Field],
    /// What kind of content it carries.
    pub class: Class,
    /// Recognises it.
    pub probe: fn(&ProbeInput<'_>) -> Probe,
    /// Starts it for one flow.
    pub start: fn(&Context) -> Box<dyn Analyzer>,
}

/// What an analyzer is told at its start.
#[derive(Debug, Clone)]
pub struct Context {
    /// Transport of the flow.
    pub transport: Transport,
    /// The client's end.
    pub client: Endpoint,
    /// The server's end.
    pub server: Endpoint,
    /// Whether the beginning of the flow was captured, of both sides.
    pub from_start: bool,
    /// Secrets of connections that the user holds; `None` if there is none of any.
    pub secrets: Option<Arc<Secrets>>,
}

/// One protocol on one flow.
pub trait Analyzer: Send + Sync {
    /// The next bytes of the stream from `role`, contiguous with the previous call's unless
    /// [`Analyzer::gap`] was called in between. Called for TCP, and for bytes that an outer analyzer
    /// forwards.
    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink);

    /// `missed` bytes of the stream from `role` are not in the capture; the next `data` of that role
    /// continues after them. The greatest number stands for one that is not known.
    fn gap(&mut self, role: Role, missed: u64, sink: &mut Sink) {
        let (_, _) = (role, missed);
        sink.give_up();
    }

    /// One datagram from `role` (UDP). `missed` of its bytes were cut by the snap length.
    fn datagram(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let (_, _, _, _) = (role, bytes, missed, sink);
    }

    /// The flow has ended, or the capture has: `sink.seen` is the last packet. What was awaited and
    /// never came is observed here, and what came without being asked for, unless it may have been among what
    /// [`Sink::lacks`] or was a gap.
    fn end(&mut self, sink: &mut Sink) {
        let _ = sink;
    }

    /// Whether [`Analyzer::end`] tells the same when it is called before the last packet, once no more bytes can come:
    /// with a `sink.seen` that will be known to be the last packet's, but has the time of the latest so far.
    fn may_end_early(&self) -> bool {
        true
    }

    /// About how many bytes it holds back beside itself. Those that hold buffers tell.
    fn held(&self) -> usize {
        0
    }

    /// About what it takes, with what it holds back.
    fn bytes(&self) -> usize {
        size_of_val(self).saturating_add(self.held())
    }
}

/// Who takes the bytes that an analyzer forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The analyzer with this id.
    Named(&'static str),
    /// Whoever recognises them.
    Probe,
}

/// Where an analyzer puts what it finds, and how it steers its flow. The caller reads and clears the
/// public lists after each call.
#[derive(Debug)]
pub struct Sink {
    /// Frame and time of the packet that completed the bytes at hand.
    pub seen: Seen,
    /// What was observed, in order.
    pub observations: Vec<(Seen, Observation)>,
    /// Payload for the inner protocol, in order; an empty one marks a gap of unknown length.
    pub forwarded: Vec<(Role, Vec<u8>)>,
    /// Whether anybody takes forwarded payload; the caller clears it once nobody recognised it, or its
    /// taker is done. What is forwarded then is dropped, so that an analyzer that checks it first need not
    /// decode payload (unmask, copy) for nothing.
    pub wants_payload: bool,
    /// Sides of which bytes are missing before the first that this analyzer was given.
    pub before: Sides,
    /// Only the side at hand has said anything so far.
    pub alone: bool,
    /// At [`Analyzer::end`]: sides that said more than was given, after the last byte of it, or of which nothing was
    /// captured. What such a side did not say is not known. ([`Analyzer::gap`] is told of what is missing in between.)
    pub lacks: Sides,
    /// Who takes it, once that is known. Payload forwarded earlier waits for it.
    pub next: Option<Next>,
    /// This analyzer has nothing to add any more: its flow's bytes go to the inner protocol directly
    /// where there is one, and are counted only where there is none.
    pub done: bool,
    /// It is done because it lost track, before a TLS that may still begin in this stream.
    pub late: bool,
}

impl Sink {
    /// An empty one.
    pub fn new(seen: Seen) -> Self {
        Self {
            seen,
            observations: Vec::new(),
            forwarded: Vec::new(),
            wants_payload: true,
            before: Sides::default(),
            alone: false,
            lacks: Sides::default(),
            next: None,
            done: false,
            late: false,
        }
    }

    /// Empties it for the next call.
    pub fn reset(&mut self, seen: Seen) {
        self.seen = seen;
        self.observations.clear();
        self.forwarded.clear();
        self.wants_payload = true;
        self.before = Sides::default();
        self.alone = false;
        self.lacks = Sides::default();
        self.next = None;
        self.done = false;
        self.late = false;
    }

    /// Observes that `field` has `value`, in the frame at hand.
    pub fn fact(&mut self, field: &'static Field, value: Value) {
        self.observations.push((self.seen, Observation::Fact(field, value)));
    }

    /// Observes something else.
    pub fn observe(&mut self, observation: Observation) {
        self.observations.push((self.seen, observation));
    }

    /// Observes that bytes break the protocol, in a way that `field` tells by a word; unless they may be the middle of
    /// something, or what both agreed on, where the beginning of a side is missing or a side was not heard.
    pub(crate) fn broken(&mut self, field: &'static Field, word: &'static str) {
        if self.before == Sides::default() && !self.alone {
            self.fact(field, Value::Word(word));
        }
    }

    /// Whether everything that `role` said was given; told at [`Analyzer::end`].
    pub(crate) fn has_all_of(&self, role: Role) -> bool {
        !self.before.has(role) && !self.lacks.has(role)
    }

    /// Passes payload to the inner protocol.
    pub fn forward(&mut self, role: Role, bytes: &[u8]) {
        if self.wants_payload && !bytes.is_empty() {
            self.forwarded.push((role, bytes.to_vec()));
        }
    }

    /// Passes payload that was decoded into its own memory to the inner protocol.
    pub fn forward_owned(&mut self, role: Role, bytes: Vec<u8>) {
        if self.wants_payload && !bytes.is_empty() {
            self.forwarded.push((role, bytes));
        }
    }

    /// Tells the inner protocol that payload from `role` is missing here.
    pub fn forward_gap(&mut self, role: Role) {
        if self.wants_payload {
            self.forwarded.push((role, Vec::new()));
        }
    }

    /// Observes that `field` has `value`, in an earlier packet than the one at hand.
    pub fn fact_at(&mut self, seen: Seen, field: &'static Field, value: Value) {
        self.observations.push((seen, Observation::Fact(field, value)));
    }

    /// Names the inner protocol.
    pub fn hand_over(&mut self, next: Next) {
        self.next = Some(next);
    }

    /// Wants no more bytes: everything worth observing has been, or the rest is encrypted.
    pub fn finish(&mut self) {
        self.done = true;
    }

    /// Cannot follow the stream any more, in which TLS may still begin (STARTTLS and its like).
    pub fn give_up_but_tls(&mut self) {
        self.done = true;
        self.late = true;
    }

    /// Cannot follow the stream any more (gap, broken framing).
    pub fn give_up(&mut self) {
        self.done = true;
    }
}

/// Every analyzer, in probe order: those with the most telling first bytes first.
pub const REGISTRY: &[&Definition] = &[
    &ssh::DEFINITION,
    &amqp::DEFINITION,
    &tls::DEFINITION,
    &dtls::DEFINITION,
    &quic::DEFINITION,
    &http::DEFINITION,
    &http2::DEFINITION,
    &mqtt::DEFINITION,
    &smb::DEFINITION,
    &rdp::DEFINITION,
    &postgresql::DEFINITION,
    &mysql::DEFINITION,
    &smtp::DEFINITION,
    &imap::DEFINITION,
    &ftp::DEFINITION,
    &ftp::data::DEFINITION,
    &xmpp::DEFINITION,
    &ldap::DEFINITION,
    &sip::DEFINITION,
    &rtsp::DEFINITION,
    &redis::DEFINITION,
    &vnc::DEFINITION,
    &bittorrent::DEFINITION,
    &irc::DEFINITION,
    &telnet::DEFINITION,
    &syslog::DEFINITION,
    &pop3::DEFINITION,
    &nntp::DEFINITION,
    &socks::DEFINITION,
    &opcua::DEFINITION,
    &dnp3::DEFINITION,
    &s7comm::DEFINITION,
    &enip::DEFINITION,
    &iec104::DEFINITION,
    &modbus::DEFINITION,
    &websocket::DEFINITION,
    &bacnet::DEFINITION,
    &lon::IP852,
    &stun::DEFINITION,
    &knxnet_ip::DEFINITION,
    &wireguard::DEFINITION,
    &ike::DEFINITION,
    &dhcp::DHCP,
    &dhcp::v6::DHCPV6,
    &ssdp::DEFINITION,
    &dns::netbios::NBNS,
    &dns::local::MDNS,
    &dns::local::LLMNR,
    &dns::DNS,
    &ntp::NTP,
    &snmp::DEFINITION,
    &netbios_dgm::DEFINITION,
    &tftp::DEFINITION,
    &coap::DEFINITION,
    &mqtt_sn::DEFINITION,
    &openvpn::DEFINITION,
    &radius::DEFINITION,
    &hart_ip::DEFINITION,
    &lon::IP70,
];

/// The analyzer called `id`.
pub fn by_id(id: &str) -> Option<&'static Definition> {
    REGISTRY.iter().copied().find(|definition| definition.id == id)
}

/// What kind of content the protocol called `id` carries.
pub fn class(id: &str) -> Option<Class> {
    by_id(id).map(|definition| definition.class)
}

/// The place of the analyzer called `id` in [`REGISTRY`].
pub(crate) fn number(id: &str) -> Option<u8> {
    let place = REGISTRY.iter().position(|definition| definition.id == id)?;
    u8::try_from(place).ok()
}

/// Text from the wire as a value, cut to at most `max` bytes, not within a UTF-8 character.
pub(crate) fn text(bytes: &[u8], max: usize) -> Value {
    let is_inner = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut end = max.min(bytes.len());
    if end < bytes.len() {
        // A character has at most three inner bytes; more are no UTF-8, and cut anywhere.
        end = (end.saturating_sub(3)..=end).rev().find(|&at| !is_inner(at)).unwrap_or(end);
    }
    Value::text(bytes.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(text("aé".as_bytes(), 2), Value::text(b"a"));
        assert_eq!(text("aé".as_bytes(), 3), Value::text("aé".as_bytes()));
        assert_eq!(text(b"a\x80\x80\x80\x80\x80", 4), Value::text(b"a\x80\x80\x80"));
    }

    #[test]
    fn ids_are_unique_and_fields_are_named_after_their_analyzer() {
        let mut names: Vec<&str> = REGISTRY.iter().map(|definition| definition.id).collect();
        for definition in REGISTRY {
            for field in definition.fields {
                assert_eq!(field.name.split('.').next(), Some(definition.id), "{}", field.name);
                names.push(field.name);
            }
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
