//! AMQP 0-9-1 and 1.0, recognised by its protocol header: eight bytes, `AMQP` and a version.
//!
//! Read: the headers of both sides, and what the server makes of the client's. A server of 0-9-1 that does not speak the
//! version offered sends a header with one that it does, and closes (0-9-1 section 4.2.2); a server of 1.0 answers with
//! a header in any case (1.0 part 2 section 2.2). Of the frames: how the connection is authenticated, tuned, opened and
//! closed, channels closed with an error, and heartbeats. A connection joined in the middle is recognised by a whole
//! frame of 0-9-1.
//!
//! Not read: frames of 0-10, everything about queues, exchanges, links and messages. Never kept: credentials.

pub mod fields;
mod frame;
mod new;
mod old;
#[cfg(test)]
mod tests;

use self::fields::{
    ACCEPTED, ANOMALY, CLIENT_HEARTBEAT_PERIOD, CLIENT_HEARTBEATS, CLOSED_BY, FIELDS, OFFERED_VERSION,
    REFUSED, SERVER_HEARTBEAT_PERIOD, SERVER_HEARTBEATS, SERVER_VERSION,
};
use self::frame::{Cutter, Format, Frame};
use self::old::Told;
use super::period::Intervals;
use super::{Analyzer, Class, Context, Definition, Next, Probe, ProbeInput, Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{Transport, Value};

/// AMQP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "amqp",
    title: "AMQP 0-8 to 0-10 and 1.0 (OASIS)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[5672];
const MAGIC: &[u8] = b"AMQP";
const HEADER: usize = 8;
/// What is kept of a text.
const MAX_TEXT: usize = 256;
/// How many mechanisms are told.
const MAX_MECHANISMS: usize = 16;
/// Protocol identifier of TLS below AMQP 1.0 (part 5 section 5.2).
const TLS: u8 = 2;

/// The client speaks first; a server's header looks the same, so its port tells.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let server = PORTS.contains(&input.src_port) && !PORTS.contains(&input.dst_port);
    let certainly = Probe::Certainly(if server { Role::Server } else { Role::Client });
    if !input.at_start {
        return if input.port_in(PORTS) && is_frame(input.bytes) { certainly } else { Probe::No };
    }
    match input.bytes.first_chunk::<HEADER>() {
        Some(header) if version(*header).is_some() => certainly,
        Some(_) => Probe::No,
        None => {
            let length = input.bytes.len().min(MAGIC.len());
            if input.bytes.get(..length) == MAGIC.get(..length) { Probe::More } else { Probe::No }
        }
    }
}

/// Whether these bytes begin with a whole frame of 0-9-1 that ends as it should.
fn is_frame(mut bytes: &[u8]) -> bool {
    matches!(Cutter::default().next(Format::Old, &mut bytes), Some(Ok(_)))
}

/// The version in a protocol header; `None` if it is none.
fn version(header: [u8; HEADER]) -> Option<String> {
    let [b'A', b'M', b'Q', b'P', a, b, c, d] = header else { return None };
    match [a, b, c, d] {
        [0, 0, 9, 1] => Some("0-9-1".into()),
        [1, 1, 0, 9] => Some("0-9".into()),
        [1, 1, 8, 0] => Some("0-8".into()),
        [1, 1, 0, 10] => Some("0-10".into()),
        [0, 1, 0, 0] => Some("1.0".into()),
        [TLS, 1, 0, 0] => Some("1.0 tls".into()),
        [3, 1, 0, 0] => Some("1.0 sasl".into()),
        other if other.iter().all(|byte| *byte < 32) => Some(format!("{a:02x}{b:02x}{c:02x}{d:02x}")),
        _ => None,
    }
}

fn start(context: &Context) -> Box<dyn Analyzer> {
    let mut amqp = Amqp::default();
    if !context.from_start {
        amqp.format = Some(Format::Old);
        amqp.client.headed = true;
        amqp.server.headed = true;
    }
    Box::new(amqp)
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    /// The protocol header so far; in 1.0 there is another after SASL.
    header: Vec<u8>,
    /// The header is complete: frames follow.
    headed: bool,
    frames: Cutter,
    beats: Intervals,
    count: u64,
}

#[derive(Default)]
struct Amqp {
    client: Side,
    server: Side,
    /// What the client sent behind its header before the server answered that.
    waiting: Vec<u8>,
    /// `None` until the server has gone on.
    format: Option<Format>,
    /// Who closed first, and when.
    closed_first: Option<(Role, Seen)>,
    /// That was told.
    told_closed: bool,
}

/// What a client may send before the server has answered its header.
const MAX_WAITING: usize = 4096;

impl Amqp {
    fn side(&mut self, role: Role) -> &mut Side {
        if role == Role::Client { &mut self.client } else { &mut self.server }
    }

    fn take(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        // Each turn takes bytes, or learns that frames follow, or ends it.
        while !sink.done && !bytes.is_empty() {
            if !self.side(role).headed {
                self.header(role, &mut bytes, sink);
                continue;
            }
            let Some(format) = self.format else {
                if self.waiting.len().saturating_add(bytes.len()) > MAX_WAITING {
                    sink.give_up();
                }
                return self.waiting.extend(bytes.iter().take(MAX_WAITING));
            };
            let side = self.side(role);
            // No frame is as long as this would be: after SASL the headers are exchanged once more.
            if format == Format::New && side.frames.is_between() && bytes.first() == MAGIC.first() {
                side.header.clear();
                side.headed = false;
                continue;
            }
            match side.frames.next(format, &mut bytes) {
                None => return,
                Some(Ok(frame)) => self.frame(role, format, &frame, sink),
                Some(Err(what)) => {
                    sink.broken(&ANOMALY, what);
                    sink.give_up();
                }
            }
        }
    }

    /// Takes bytes of a protocol header.
    fn header(&mut self, role: Role, bytes: &mut &[u8], sink: &mut Sink) {
        let first = self.format.is_none();
        let side = self.side(role);
        // Before 1.0 a server goes on with a frame.
        if role == Role::Server && first && side.header.is_empty() && bytes.first() != MAGIC.first() {
            side.headed = true;
            return self.answered(sink);
        }
        let room = HEADER.saturating_sub(side.header.len());
        let (taken, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        side.header.extend_from_slice(taken);
        *bytes = rest;
        let Some(header) = side.header.first_chunk::<HEADER>().copied() else { return };
        side.headed = true;
        let Some(version) = version(header) else {
            sink.broken(&ANOMALY, "header");
            return sink.give_up();
        };
        let field = if role == Role::Client { &OFFERED_VERSION } else { &SERVER_VERSION };
        sink.fact(field, Value::Text(version.into()));
        if role == Role::Server && first {
            self.answered(sink);
            if sink.next.is_some() {
                sink.forward(role, bytes);
            }
        }
    }

    /// The server has sent its header, or begins a frame.
    fn answered(&mut self, sink: &mut Sink) {
        let same = self.server.header == self.client.header;
        let named = !self.server.header.is_empty();
        let waiting = std::mem::take(&mut self.waiting);
        if self.client.header.is_empty() {
            // What was asked for is not in the capture.
            self.format = (!named).then_some(Format::Old);
            return if named { sink.finish() } else { self.take(Role::Client, &waiting, sink) };
        }
        sink.fact(if same || !named { &ACCEPTED } else { &REFUSED }, Value::Yes);
        match *self.client.header.as_slice() {
            [_, _, _, _, TLS, ..] if same => {
                sink.hand_over(Next::Named("tls"));
                sink.forward(Role::Client, &waiting);
                return sink.finish();
            }
            [_, _, _, _, 0 | 3, 1, 0, 0] if same => self.format = Some(Format::New),
            [_, _, _, _, 0, 0, 9, 1] | [_, _, _, _, 1, 1, 0, 9] | [_, _, _, _, 1, 1, 8, 0] if !named => {
                self.format = Some(Format::Old);
            }
            _ => return sink.finish(),
        }
        self.take(Role::Client, &waiting, sink);
    }

    fn frame(&mut self, role: Role, format: Format, frame: &Frame, sink: &mut Sink) {
        let told = match format {
            Format::Old => match frame.old_type() {
                Some(1) => old::method(role, frame.old_payload(), sink),
                Some(8) => self.beat(role, sink),
                _ => Told::Nothing,
            },
            Format::New if frame.new_payload().is_empty() => self.beat(role, sink),
            Format::New => new::performative(role, frame.new_payload(), sink),
        };
        if told == Told::Close && self.closed_first.is_none() {
            self.closed_first = Some((role, sink.seen));
        } else if told == Told::Close && self.closed_first.is_some_and(|(first, _)| first != role) {
            // Nothing is missing before this one, so there was none before the other.
            self.tell_closed(sink);
        }
    }

    /// Tells who closed first.
    fn tell_closed(&mut self, sink: &mut Sink) {
        if let Some((role, seen)) = self.closed_first.filter(|_| !self.told_closed) {
            self.told_closed = true;
            sink.fact_at(seen, &CLOSED_BY, Value::Word(role.word()));
        }
    }

    fn beat(&mut self, role: Role, sink: &Sink) -> Told {
        let side = self.side(role);
        side.count = side.count.saturating_add(1);
        side.beats.mark(sink.seen.at);
        Told::Nothing
    }
}

impl Analyzer for Amqp {
    fn held(&self) -> usize {
        let frames = self.client.frames.held().saturating_add(self.server.frames.held());
        frames.saturating_add(self.waiting.capacity())
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        self.take(role, bytes, sink);
    }

    fn end(&mut self, sink: &mut Sink) {
        if self.closed_first.is_some_and(|(role, _)| !sink.lacks.has(role.peer())) {
            self.tell_closed(sink);
        }
        for (side, count, period) in [
            (&self.client, &CLIENT_HEARTBEATS, &CLIENT_HEARTBEAT_PERIOD),
            (&self.server, &SERVER_HEARTBEATS, &SERVER_HEARTBEAT_PERIOD),
        ] {
            if side.count > 0 {
                sink.fact(count, Value::Uint(side.count));
            }
            if let Some(median) = side.beats.median() {
                sink.fact(period, Value::Span(median));
            }
        }
    }
}
