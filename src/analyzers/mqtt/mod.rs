//! MQTT in the clear: 3.1, 3.1.1 and 5.0 (OASIS MQTT Version 5.0, OASIS MQTT Version 3.1.1, IBM
//! MQTT V3.1). Fields cite 5.0, whose sections 1 to 3 are numbered as those of 3.1.1 for what both
//! have.
//!
//! Parsed: every control packet's fixed header; of the body at most the first 4 KiB, which holds
//! all that is observed. Messages are skipped unread.
//!
//! Assumed: after missed bytes that were not within one packet, the stream goes on where a segment
//! begins with control packets.
//!
//! Not parsed: message payload, user names, passwords and wills (their presence is told), MQTT 5
//! properties but two of CONNACK, MQTT-SN.

pub mod fields;
mod observe;
mod packet;
mod probe;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::fields::{
    ANOMALY, CLIENT_PACKETS, FIELDS, INCOMPLETE, KEEP_ALIVE_MISSED, LONGEST_CLIENT_GAP, PING_PERIOD,
    PING_UNANSWERED, SERVER_PACKETS,
};
use self::observe::anomaly;
use self::packet::{Malformed, RemainingLength, kind};
use super::period::Intervals;
use super::{Analyzer, Class, Context, Definition, Probe, Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{Timestamp, Transport, Value};

/// MQTT.
pub static DEFINITION: Definition = Definition {
    id: "mqtt",
    title: "MQTT 3.1, 3.1.1 and 5.0 (OASIS)",
    transports: &[Transport::Tcp],
    ports: probe::PORTS,
    fields: FIELDS,
    class: Class::Readable,
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
        silent_at_last: None,
        pings: Intervals::default(),
        ping_waits: None,
        topics: Vec::new(),
        filters: Vec::new(),
    })
}

/// How much of a packet's body is read.
const MAX_BODY: usize = 4096;
#[derive(Debug)]
struct Mqtt {
    from_start: bool,
    client: Side,
    server: Side,
    /// Protocol level of the last CONNECT, without the bridge bit.
    level: Option<u8>,
    connects: u64,
    connacks: u64,
    /// A CONNACK before any CONNECT: a fault of the server, unless the CONNECT is yet to come in
    /// the capture.
    early_connack: Option<Seen>,
    /// In force; zero if there is none.
    keep_alive: Duration,
    /// When the client finished its last packet, while it must not be silent for too long.
    client_spoke: Option<Timestamp>,
    longest_gap: Option<(Duration, Seen)>,
    /// The client's silence when the server left, if it was too long and nothing of the client is missing.
    silent_at_last: Option<(Duration, Seen)>,
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
    /// In the body, of which `left` bytes are to come; whether what comes is still contiguous with
    /// `kept`.
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
    fn held(&self) -> usize {
        let texts = self.topics.iter().chain(&self.filters).map(|text| text.len().saturating_add(16));
        let kept = self.client.kept.capacity().saturating_add(self.server.kept.capacity());
        texts.fold(kept, usize::saturating_add)
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        if matches!(self.side(role).at, At::Lost) {
            if probe::begins_packets(role, bytes) != Probe::Certainly(role) {
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

    /// How long the client was silent at the end depends on when that is.
    fn may_end_early(&self) -> bool {
        self.client_spoke.is_none() || self.keep_alive.is_zero()
    }

    fn end(&mut self, sink: &mut Sink) {
        // A client that sent nothing but a CONNECT, and got no answer, is not in a session to be
        // kept alive.
        if sink.has_all_of(Role::Client) && (self.connacks > 0 || self.client.packets > 1) {
            self.client_was_silent(sink);
        }
        if let Some((gap, seen)) = self.silent_at_last.take().filter(|_| sink.has_all_of(Role::Client)) {
            sink.fact_at(seen, &KEEP_ALIVE_MISSED, Value::Span(gap));
        }
        if let Some((gap, seen)) = self.longest_gap.take() {
            sink.fact_at(seen, &LONGEST_CLIENT_GAP, Value::Span(gap));
        }
        if let Some(period) = std::mem::take(&mut self.pings).median() {
            sink.fact(&PING_PERIOD, Value::Span(period));
        }
        if let Some(seen) = self.ping_waits.take().filter(|_| !sink.lacks.has(Role::Server)) {
            sink.fact_at(seen, &PING_UNANSWERED, Value::Yes);
        }
        let knows_client = !self.client.incomplete && sink.has_all_of(Role::Client);
        if let Some(seen) = self.early_connack.take().filter(|_| self.connects == 0 && knows_client) {
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
        let (gap, too_long) = self.silence(sink)?;
        if too_long {
            sink.fact(&KEEP_ALIVE_MISSED, Value::Span(gap));
        }
        Some(gap)
    }

    /// How long the client was silent, and whether for too long.
    fn silence(&mut self, sink: &Sink) -> Option<(Duration, bool)> {
        let gap = sink.seen.at.since(self.client_spoke.take()?);
        // One and a half times the keep alive, in whole numbers.
        let allowed = self.keep_alive.saturating_mul(3).checked_div(2).unwrap_or_default();
        Some((gap, !self.keep_alive.is_zero() && gap > allowed))
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

    fn lose(&mut self, role: Role, sink: &mut Sink) {
        let side = self.side(role);
        side.at = At::Lost;
        side.kept = Vec::new();
        side.incomplete = true;
        match role {
            Role::Client => {
                self.client_spoke = None;
                self.silent_at_last = None;
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
