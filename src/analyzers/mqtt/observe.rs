//! What single control packets say (sections 3.1 to 3.15).

use std::time::Duration;

use super::fields::{
    ANOMALY, ASSIGNED_CLIENT_ID, BRIDGE, CLEAN_START, CLIENT_DISCONNECT, CLIENT_ID, CLIENT_PUBLISH_QOS,
    CONNACK_CODE, KEEP_ALIVE, PASSWORD, PROTOCOL_LEVEL, PROTOCOL_NAME, PUBLISH_REFUSED, SERVER_DISCONNECT,
    SERVER_KEEP_ALIVE, SERVER_PUBLISH_QOS, SESSION_PRESENT, SUBSCRIBE_REFUSED, SUBSCRIPTION, TOPIC,
    UNSUBSCRIBE_REFUSED, USER_NAME, WILL_QOS, WILL_RETAIN,
};
use super::packet::{self, Connack, Connect, Malformed, kind};
use super::{ControlPacket, Mqtt};
use crate::analyzers::{Role, Sink, text};
use crate::model::{Field, Value};

/// How much of a topic, filter or identifier is told.
const MAX_TEXT: usize = 256;
/// How many different topics, and filters, are told.
pub(super) const MAX_TOPICS: usize = 32;

impl Mqtt {
    /// What section 3 says of who may send what, when. Only one direction's order is relied on:
    /// across directions the order of capture may not be that of events.
    pub(super) fn observe_order(&mut self, role: Role, kind: u8, sink: &mut Sink) {
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

    pub(super) fn observe(
        &mut self,
        role: Role,
        packet: ControlPacket<'_>,
        sink: &mut Sink,
    ) -> Result<(), Malformed> {
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
                if packet.is_whole() {
                    anomaly("malformed-packet", sink);
                } else if self.level != Some(3) && self.level != Some(4) {
                    // The server's own keep alive may be among what is missing.
                    self.keep_alive = Duration::ZERO;
                }
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
        // Without a code it is 0, unless that is not in the capture.
        let code = packet.body.first().copied().or((packet.length == 0).then_some(0));
        let field = match role {
            Role::Client => &CLIENT_DISCONNECT,
            Role::Server => {
                if self.level.is_some_and(|level| level < 5) {
                    anomaly("wrong-direction", sink);
                }
                // What the client does from here on is of no session.
                let silence = self.silence(sink).filter(|(_, too_long)| *too_long);
                self.silent_at_last = silence.map(|(gap, _)| (gap, sink.seen)).or(self.silent_at_last);
                &SERVER_DISCONNECT
            }
        };
        if let Some(code) = code {
            sink.fact(field, Value::Uint(code.into()));
        }
        self.side(role).left = true;
        // Nobody answers a ping after this.
        self.ping_waits = None;
    }
}

pub(super) fn anomaly(word: &'static str, sink: &mut Sink) {
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
