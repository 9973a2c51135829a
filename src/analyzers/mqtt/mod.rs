//! MQTT in the clear: 3.1, 3.1.1 and 5.0 (OASIS MQTT Version 5.0, OASIS MQTT Version 3.1.1, IBM MQTT V3.1).
//! Fields cite 5.0, whose sections 1 to 3 are numbered as those of 3.1.1 for what both have.
//!
//! Parsed: every control packet's fixed header; of the body at most the first 4 KiB, which holds all that is
//! observed. Messages are skipped unread.
//!
//! Assumed: after missed bytes that were not within one packet, the stream goes on where a segment begins
//! with control packets.
//!
//! Not parsed: message payload, user names, passwords and wills (their presence is told), MQTT 5 properties
//! but two of CONNACK, MQTT-SN.

pub mod fields;
mod packet;
mod probe;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::fields::{
    ANOMALY, ASSIGNED_CLIENT_ID, BRIDGE, CLEAN_START, CLIENT_DISCONNECT, CLIENT_ID, CLIENT_PACKETS,
    CLIENT_PUBLISH_QOS, CONNACK_CODE, FIELDS, INCOMPLETE, KEEP_ALIVE, KEEP_ALIVE_MISSED, LONGEST_CLIENT_GAP,
    PASSWORD, PING_PERIOD, PING_UNANSWERED, PROTOCOL_LEVEL, PROTOCOL_NAME, PUBLISH_REFUSED,
    SERVER_DISCONNECT, SERVER_KEEP_ALIVE, SERVER_PACKETS, SERVER_PUBLISH_QOS, SESSION_PRESENT,
    SUBSCRIBE_REFUSED, SUBSCRIPTION, TOPIC, UNSUBSCRIBE_REFUSED, USER_NAME, WILL_QOS, WILL_RETAIN,
};
use self::packet::{Connack, Connect, Malformed, RemainingLength, kind};
use super::period::Intervals;
use super::{Analyzer, Context, Definition, Probe, Role, Sink, text};
use crate::model::evidence::Seen;
use crate::model::{Field, Timestamp, Transport, Value};

/// MQTT.
pub static DEFINITION: Definition = Definition {
    id: "mqtt",
    title: "MQTT 3.1, 3.1.1 and 5.0 (OASIS)",
    transports: &[Transport::Tcp],
    ports: probe::PORTS,
    fields: FIELDS,
    probe: probe::probe,
    start,
};

fn start(context: &Context) -> Box<dyn Analyzer> {
    let side = if context.from_start { Side::default() } else { Side { at: At::Lost, ..Side::default() } };
    Box::new(Mqtt {
        from_start: context.from_start,
        client: side.clone(),
        server: side,
        level: None,
        connects: 0,
        connacks: 0,
        early_connack: None,
        keep_alive: Duration::ZERO,
        client_spoke: None,
        longest_gap: None,
        pings: Intervals::default(),
        ping_waits: None,
        topics: Vec::new(),
        filters: Vec::new(),
    })
}

/// How much of a packet's body is read.
const MAX_BODY: usize = 4096;
/// How much of a topic, filter or identifier is told.
const MAX_TEXT: usize = 256;
/// How many different topics, and filters, are told.
const MAX_TOPICS: usize = 32;

#[derive(Debug)]
struct Mqtt {
    from_start: bool,
    client: Side,
    server: Side,
    /// Protocol level of the last CONNECT, without the bridge bit.
    level: Option<u8>,
    connects: u64,
    connacks: u64,
    /// A CONNACK before any CONNECT: a fault of the server, unless the CONNECT is yet to come in the capture.
    early_connack: Option<Seen>,
    /// In force; zero if there is none.
    keep_alive: Duration,
    /// When the client finished its last packet, while it must not be silent for too long.
    client_spoke: Option<Timestamp>,
    longest_gap: Option<(Duration, Seen)>,
    pings: Intervals,
    ping_waits: Option<Seen>,
    topics: Vec<Box<[u8]>>,
    filters: Vec<Box<[u8]>>,
}

/// One direction.
#[derive(Debug, Clone, Default)]
struct Side {
    at: At,
    /// The beginning of a body that does not come in one piece; at most `MAX_BODY` bytes.
    kept: Vec<u8>,
    /// Number of packets.
    packets: u64,
    /// It sent DISCONNECT.
    left: bool,
    /// Packets may have been missed.
    incomplete: bool,
}

/// Where in the stream a direction is.
#[derive(Debug, Clone, Copy, Default)]
enum At {
    /// Before a packet.
    #[default]
    Start,
    /// In the remaining length.
    Length { first: u8, length: RemainingLength },
    /// In the body, of which `left` bytes are to come; whether what comes is still contiguous with `kept`.
    Body { first: u8, length: u32, left: u32, keep: bool },
    /// Where packets begin cannot be told; one may begin with the next call.
    Lost,
}

/// A packet whose end has come.
#[derive(Debug, Clone, Copy)]
struct ControlPacket<'a> {
    kind: u8,
    flags: u8,
    /// Remaining length.
    length: u32,
    /// The beginning of the body, or all of it.
    body: &'a [u8],
}

impl ControlPacket<'_> {
    /// Whether `body` is all of it: only then is it malformed if it ends too early.
    fn is_whole(&self) -> bool {
        self.body.len() as u64 == u64::from(self.length)
    }
}

impl Analyzer for Mqtt {
    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        if matches!(self.side(role).at, At::Lost) {
            if probe::begins_packets(role, bytes) != Probe::Is(role) {
                return;
            }
            self.side(role).at = At::Start;
        }
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            let after = rest.get(1..).unwrap_or_default();
            rest = match self.side(role).at {
                At::Start => {
                    self.packet_begins(role, sink);
                    self.side(role).at = At::Length { first: byte, length: RemainingLength::default() };
                    after
                }
                At::Length { first, mut length } => {
                    match length.push(byte) {
                        Ok(None) => self.side(role).at = At::Length { first, length },
                        Ok(Some(0)) => self.packet_ends(role, first, 0, &[], sink),
                        Ok(Some(length)) => {
                            self.side(role).at = At::Body { first, length, left: length, keep: true };
                        }
                        Err(Malformed) => {
                            sink.fact(&ANOMALY, Value::Word("bad-remaining-length"));
                            return self.lose(role, sink);
                        }
                    }
                    after
                }
                At::Body { first, length, left, keep } => {
                    let taken = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    let (part, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
                    self.body(role, At::Body { first, length, left, keep }, part, sink);
                    after
                }
                At::Lost => return,
            };
        }
    }

    fn gap(&mut self, role: Role, missed: u64, sink: &mut Sink) {
        match self.side(role).at {
            At::Body { first, length, left, .. } if missed <= u64::from(left) => {
                let left = left.saturating_sub(u32::try_from(missed).unwrap_or(left));
                self.side(role).at = At::Body { first, length, left, keep: false };
                if left == 0 {
                    self.kept_packet_ends(role, first, length, sink);
                }
            }
            _ => self.lose(role, sink),
        }
    }

    fn end(&mut self, sink: &mut Sink) {
        // A client that sent nothing but a CONNECT, and got no answer, is not in a session to be kept alive.
        if self.connacks > 0 || self.client.packets > 1 {
            self.client_was_silent(sink);
        }
        if let Some((gap, seen)) = self.longest_gap.take() {
            sink.fact_at(seen, &LONGEST_CLIENT_GAP, Value::Span(gap));
        }
        if let Some(period) = std::mem::take(&mut self.pings).median() {
            sink.fact(&PING_PERIOD, Value::Span(period));
        }
        if let Some(seen) = self.ping_waits.take() {
            sink.fact_at(seen, &PING_UNANSWERED, Value::Yes);
        }
        if let Some(seen) =
            self.early_connack.take().filter(|_| self.connects == 0 && !self.client.incomplete)
        {
            sink.fact_at(seen, &ANOMALY, Value::Word("connack-without-connect"));
        }
    }
}

impl Mqtt {
    /// `part` of a body.
    fn body(&mut self, role: Role, at: At, part: &[u8], sink: &mut Sink) {
        let At::Body { first, length, left, keep } = at else { return };
        let left = left.saturating_sub(u32::try_from(part.len()).unwrap_or(left));
        if part.len() as u64 == u64::from(length) {
            // All at once: nothing is copied.
            return self.packet_ends(role, first, length, part.get(..MAX_BODY).unwrap_or(part), sink);
        }
        let side = self.side(role);
        if keep {
            let room = MAX_BODY.saturating_sub(side.kept.len());
            side.kept.extend_from_slice(part.get(..room).unwrap_or(part));
        }
        side.at = At::Body { first, length, left, keep };
        if left == 0 {
            self.kept_packet_ends(role, first, length, sink);
        }
    }

    fn kept_packet_ends(&mut self, role: Role, first: u8, length: u32, sink: &mut Sink) {
        let kept = std::mem::take(&mut self.side(role).kept);
        self.packet_ends(role, first, length, &kept, sink);
    }

    fn packet_begins(&mut self, role: Role, sink: &mut Sink) {
        if role == Role::Server {
            return;
        }
        if let Some(gap) = self.client_was_silent(sink)
            && self.longest_gap.is_none_or(|(longest, _)| gap > longest)
        {
            self.longest_gap = Some((gap, sink.seen));
        }
    }

    /// The client's silence is over: how long it was, if it was one. Too long a one is told.
    fn client_was_silent(&mut self, sink: &mut Sink) -> Option<Duration> {
        let gap = sink.seen.at.since(self.client_spoke.take()?);
        // One and a half times the keep alive, in whole numbers.
        let allowed = self.keep_alive.saturating_mul(3).checked_div(2).unwrap_or_default();
        if !self.keep_alive.is_zero() && gap > allowed {
            sink.fact(&KEEP_ALIVE_MISSED, Value::Span(gap));
        }
        Some(gap)
    }

    fn packet_ends(&mut self, role: Role, first: u8, length: u32, body: &[u8], sink: &mut Sink) {
        self.side(role).at = At::Start;
        let packet = ControlPacket { kind: first >> 4, flags: first & 0x0f, length, body };
        self.observe_order(role, packet.kind, sink);
        if self.observe(role, packet, sink).is_err() && packet.is_whole() {
            anomaly("malformed-packet", sink);
        }
        if packet.kind != kind::CONNECT && !packet::flags_are_valid(packet.kind, packet.flags, self.level) {
            anomaly("reserved-flags", sink);
        }
        let packets = match role {
            Role::Client => &CLIENT_PACKETS,
            Role::Server => &SERVER_PACKETS,
        };
        sink.fact(packets, Value::Word(packet::word(packet.kind, self.level)));
        let side = self.side(role);
        side.packets = side.packets.saturating_add(1);
        if role == Role::Client && !self.client.left && !self.server.left {
            self.client_spoke = Some(sink.seen.at);
        }
    }

    /// What section 3 says of who may send what, when. Only one direction's order is relied on: across
    /// directions the order of capture may not be that of events.
    fn observe_order(&mut self, role: Role, kind: u8, sink: &mut Sink) {
        if packet::sender(kind).is_some_and(|sender| sender != role) {
            anomaly("wrong-direction", sink);
        }
        if packet::word(kind, self.level) == "reserved" {
            anomaly("reserved-type", sink);
        }
        let from_start = self.from_start;
        let side = self.side(role);
        if side.left {
            anomaly("packet-after-disconnect", sink);
        }
        let is_first = from_start && side.packets == 0 && !side.incomplete;
        match (role, kind) {
            (Role::Client, kind::CONNECT) => {
                self.connects = self.connects.saturating_add(1);
                if self.connects > 1 {
                    anomaly("second-connect", sink);
                }
            }
            (Role::Client, _) if is_first => anomaly("packet-before-connect", sink),
            (Role::Server, kind::CONNACK) if is_first && self.connects == 0 => {
                self.early_connack = Some(sink.seen);
            }
            (Role::Server, kind) if is_first && !matches!(kind, kind::CONNACK | kind::AUTH) => {
                anomaly("packet-before-connack", sink);
            }
            _ => {}
        }
    }

    fn observe(&mut self, role: Role, packet: ControlPacket<'_>, sink: &mut Sink) -> Result<(), Malformed> {
        match packet.kind {
            kind::CONNECT => return self.connect(packet, sink),
            kind::CONNACK => return self.connack(packet, sink),
            kind::PUBLISH => return self.publish(role, packet, sink),
            kind::PUBACK..=kind::PUBCOMP => {
                let (id, code) = packet::acknowledgement(packet.body)?;
                require_identifier(id, sink);
                if self.level.is_some_and(|level| level < 5) && packet.length != 2 {
                    return Err(Malformed);
                }
                if self.level == Some(5) && code >= 0x80 {
                    sink.fact(&PUBLISH_REFUSED, Value::Uint(code.into()));
                }
            }
            kind::SUBSCRIBE | kind::UNSUBSCRIBE => return self.subscribe(packet, sink),
            kind::SUBACK => return self.suback(packet, &SUBSCRIBE_REFUSED, sink),
            kind::UNSUBACK => return self.suback(packet, &UNSUBSCRIBE_REFUSED, sink),
            kind::PINGREQ => {
                self.pings.mark(sink.seen.at);
                self.ping_waits = (!self.server.incomplete).then_some(sink.seen);
            }
            kind::PINGRESP => self.ping_waits = None,
            kind::DISCONNECT => self.disconnect(role, packet, sink),
            _ => {}
        }
        let is_empty = matches!(packet.kind, kind::PINGREQ | kind::PINGRESP)
            || packet.kind == kind::DISCONNECT && self.level.is_some_and(|level| level < 5);
        if is_empty && packet.length > 0 { Err(Malformed) } else { Ok(()) }
    }

    fn connect(&mut self, packet: ControlPacket<'_>, sink: &mut Sink) -> Result<(), Malformed> {
        let connect = Connect::parse(packet.body)?;
        let level = connect.level & 0x7f;
        self.level = Some(level);
        sink.fact(&PROTOCOL_NAME, text(connect.name, MAX_TEXT));
        sink.fact(&PROTOCOL_LEVEL, Value::Uint(level.into()));
        sink.fact(&KEEP_ALIVE, Value::Uint(connect.keep_alive.into()));
        self.keep_alive = Duration::from_secs(connect.keep_alive.into());
        let has = |bit: u8| connect.flags & bit != 0;
        let (user_name, password, will) = (has(0x80), has(0x40), has(0x04));
        let (will_retain, will_qos) = (has(0x20), connect.flags >> 3 & 0x3);
        for (is_set, field, value) in [
            (connect.level != level, &BRIDGE, Value::Yes),
            (has(0x02), &CLEAN_START, Value::Yes),
            (user_name, &USER_NAME, Value::Yes),
            (password, &PASSWORD, Value::Yes),
            (will, &WILL_QOS, Value::Uint(will_qos.into())),
            (will && will_retain, &WILL_RETAIN, Value::Yes),
        ] {
            if is_set {
                sink.fact(field, value);
            }
        }
        let name_fits = match level {
            3 => connect.name == b"MQIsdp",
            4 | 5 => connect.name == b"MQTT",
            _ => packet::is_protocol_name(connect.name),
        };
        for (wrong, word) in [
            (!name_fits, "bad-protocol-name"),
            (!matches!(level, 3..=5), "unknown-protocol-level"),
            // Bit 0 is reserved, and MQTT 3.1 says nothing of it; a will's flags need a will.
            ((level > 3 && has(0x01)) || (!will && (will_retain || will_qos > 0)), "reserved-flags"),
            (will_qos == 3, "bad-qos"),
            // MQTT 5 allows it (section 3.1.2.9).
            (level < 5 && password && !user_name, "password-without-user-name"),
            (packet.flags != 0 && level > 3, "reserved-flags"),
        ] {
            if wrong {
                anomaly(word, sink);
            }
        }
        if !matches!(level, 3..=5) {
            // What its CONNECT holds behind this is not known.
            return Ok(());
        }
        let client_id = connect.client_id?;
        sink.fact(&CLIENT_ID, text(client_id, MAX_TEXT));
        Ok(())
    }

    fn connack(&mut self, packet: ControlPacket<'_>, sink: &mut Sink) -> Result<(), Malformed> {
        self.connacks = self.connacks.saturating_add(1);
        let connack = Connack::parse(packet.body).or_else(|malformed| match packet.body {
            // Properties that make no sense do not hide the code before them.
            [flags, code, ..] => {
                anomaly("malformed-packet", sink);
                Ok(Connack { flags: *flags, code: *code, server_keep_alive: None, assigned_client_id: None })
            }
            _ => Err(malformed),
        })?;
        sink.fact(&CONNACK_CODE, Value::Uint(connack.code.into()));
        if connack.flags & 0x01 != 0 {
            sink.fact(&SESSION_PRESENT, Value::Yes);
        }
        if let Some(seconds) = connack.server_keep_alive {
            sink.fact(&SERVER_KEEP_ALIVE, Value::Uint(seconds.into()));
            self.keep_alive = Duration::from_secs(seconds.into());
        }
        if let Some(id) = connack.assigned_client_id {
            sink.fact(&ASSIGNED_CLIENT_ID, text(id, MAX_TEXT));
        }
        if connack.code != 0 {
            // There is no session to be kept alive.
            self.keep_alive = Duration::ZERO;
        }
        Ok(())
    }

    fn publish(&mut self, role: Role, packet: ControlPacket<'_>, sink: &mut Sink) -> Result<(), Malformed> {
        let qos = packet.flags >> 1 & 0x3;
        if qos == 3 {
            anomaly("bad-qos", sink);
            return Ok(());
        }
        if qos == 0 && packet.flags & 0x8 != 0 {
            anomaly("duplicate-qos-0", sink);
        }
        let field = match role {
            Role::Client => &CLIENT_PUBLISH_QOS,
            Role::Server => &SERVER_PUBLISH_QOS,
        };
        sink.fact(field, Value::Uint(qos.into()));
        let (topic, id) = packet::publish(qos, packet.body)?;
        if let Some(id) = id {
            require_identifier(id, sink);
        }
        // MQTT 5 may name a topic by an alias instead (section 3.3.2.3.4).
        let is_empty = topic.is_empty() && self.level.is_some_and(|level| level < 5);
        if is_empty || !packet::is_topic(topic, false) {
            anomaly("bad-topic", sink);
        }
        if !topic.is_empty() {
            observe_distinct(&TOPIC, topic, &mut self.topics, sink);
        }
        Ok(())
    }

    fn subscribe(&mut self, packet: ControlPacket<'_>, sink: &mut Sink) -> Result<(), Malformed> {
        let Some(level) = self.level else { return Ok(()) };
        let (id, mut list) = packet::subscription(level, packet.body)?;
        require_identifier(id, sink);
        if list.is_empty() && packet.is_whole() {
            anomaly("no-topic-filter", sink);
        }
        while !list.is_empty() {
            let (filter, after) = packet::topic_filter(packet.kind, list)?;
            list = after;
            if filter.is_empty() || !packet::is_topic(filter, true) {
                anomaly("bad-topic", sink);
            }
            if packet.kind == kind::SUBSCRIBE {
                observe_distinct(&SUBSCRIPTION, filter, &mut self.filters, sink);
            }
        }
        Ok(())
    }

    /// A code for each topic filter; UNSUBACK has them from MQTT 5 on.
    fn suback(
        &mut self,
        packet: ControlPacket<'_>,
        refused: &'static Field,
        sink: &mut Sink,
    ) -> Result<(), Malformed> {
        let Some(level) = self.level else { return Ok(()) };
        let (id, codes) = packet::subscription(level, packet.body)?;
        require_identifier(id, sink);
        for code in codes.iter().filter(|code| **code >= 0x80) {
            sink.fact(refused, Value::Uint((*code).into()));
        }
        let has_codes = packet.kind == kind::SUBACK || level >= 5;
        if packet.is_whole() && codes.is_empty() == has_codes { Err(Malformed) } else { Ok(()) }
    }

    fn disconnect(&mut self, role: Role, packet: ControlPacket<'_>, sink: &mut Sink) {
        let code = packet.body.first().copied().unwrap_or(0);
        let field = match role {
            Role::Client => &CLIENT_DISCONNECT,
            Role::Server => {
                if self.level.is_some_and(|level| level < 5) {
                    anomaly("wrong-direction", sink);
                }
                // What the client does from here on is of no session.
                self.client_was_silent(sink);
                &SERVER_DISCONNECT
            }
        };
        sink.fact(field, Value::Uint(code.into()));
        self.side(role).left = true;
        // Nobody answers a ping after this.
        self.ping_waits = None;
    }

    fn lose(&mut self, role: Role, sink: &mut Sink) {
        let side = self.side(role);
        side.at = At::Lost;
        side.kept = Vec::new();
        side.incomplete = true;
        match role {
            Role::Client => {
                self.client_spoke = None;
                self.pings.interrupt();
                sink.fact(&INCOMPLETE, Value::Word("client"));
            }
            Role::Server => {
                self.ping_waits = None;
                sink.fact(&INCOMPLETE, Value::Word("server"));
            }
        }
    }

    fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }
}

fn anomaly(word: &'static str, sink: &mut Sink) {
    sink.fact(&ANOMALY, Value::Word(word));
}

/// Section 2.2.1: zero is no packet identifier.
fn require_identifier(id: u16, sink: &mut Sink) {
    if id == 0 {
        anomaly("packet-identifier-zero", sink);
    }
}

/// Tells `topic` if it is among the first `MAX_TOPICS` different ones, kept in `told`.
fn observe_distinct(field: &'static Field, topic: &[u8], told: &mut Vec<Box<[u8]>>, sink: &mut Sink) {
    let topic = topic.get(..MAX_TEXT).unwrap_or(topic);
    if !told.iter().any(|known| **known == *topic) {
        if told.len() >= MAX_TOPICS {
            return;
        }
        told.push(topic.into());
    }
    sink.fact(field, text(topic, MAX_TEXT));
}
