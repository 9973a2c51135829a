//! WebSocket (RFC 6455), from the first frame on: the opening handshake belongs to the analyzer of
//! HTTP, which hands over here.
//!
//! Parsed: frame headers of both sides, close frames, the order of fragments. The payload of text
//! and binary messages is unmasked and passed to the inner protocol as it arrives, as one stream of
//! bytes for each side: message boundaries mean nothing to the protocols found there (MQTT: OASIS
//! MQTT 3.1.1 section 6).
//!
//! Not parsed: compressed messages (RFC 7692), whether text is UTF-8, the payload of pings and
//! pongs. Extensions were agreed on in the handshake, which is not known here: bit RSV1 is taken
//! for compression and observed, other reserved bits are an anomaly.

pub mod fields;
mod frame;
#[cfg(test)]
mod tests;

use self::fields::{
    ANOMALY, CLIENT_CLOSE_CODE, CLIENT_CLOSE_REASON, CLIENT_FRAMES, CLIENT_PING_PERIOD, CLOSED, CLOSED_BY,
    COMPRESSED, FIELDS, INCOMPLETE, PING_UNANSWERED, SERVER_CLOSE_CODE, SERVER_CLOSE_REASON, SERVER_FRAMES,
    SERVER_PING_PERIOD,
};
use self::frame::{BINARY, CLOSE, CONTINUATION, Header, HeaderBuffer, PING, PONG, TEXT, unmasked};
use super::period::Intervals;
use super::{Analyzer, Class, Context, Definition, Next, Probe, ProbeInput, Role, Sink, text};
use crate::model::evidence::Seen;
use crate::model::{Transport, Value};

/// WebSocket.
pub static DEFINITION: Definition = Definition {
    id: "websocket",
    title: "WebSocket (RFC 6455)",
    transports: &[Transport::Tcp],
    ports: &[80, 8080],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

/// Frames have no signature: only the handshake tells.
fn probe(_: &ProbeInput<'_>) -> Probe {
    Probe::No
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(WebSocket {
        client: Side::default(),
        server: Side::default(),
        closing: None,
        told_closed: false,
        handed_over: false,
    })
}

/// The longest payload of a control frame (section 5.5).
const MAX_CONTROL: usize = 125;

#[derive(Debug)]
struct WebSocket {
    client: Side,
    server: Side,
    /// The side that sent the first close frame, and when.
    closing: Option<(Role, Seen)>,
    /// That was told.
    told_closed: bool,
    /// The inner protocol was named.
    handed_over: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    header: HeaderBuffer,
    frame: Option<Open>,
    /// A data message whose last frame has not come yet.
    message: Option<Message>,
    closed: bool,
    /// Where frames begin cannot be told any more.
    lost: bool,
    pings: Intervals,
    /// The last ping, while the other side has not answered it.
    waits_since: Option<Seen>,
}

/// A frame whose header was read.
#[derive(Debug)]
struct Open {
    header: Header,
    /// Payload bytes that came, and that are to come.
    before: u64,
    left: u64,
    to: Payload,
}

/// What becomes of a frame's payload.
#[derive(Debug)]
enum Payload {
    Skip,
    Forward,
    /// Kept, unmasked; whether bytes are missing in it.
    Close {
        kept: Vec<u8>,
        hole: bool,
    },
}

#[derive(Debug, Clone, Copy)]
struct Message {
    compressed: bool,
}

impl Analyzer for WebSocket {
    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.side(role).lost {
            let taken = if self.side(role).frame.is_some() {
                self.payload(role, rest, sink)
            } else {
                let (taken, header) = self.side(role).header.feed(rest);
                if let Some(header) = header {
                    self.frame_begins(role, header, sink);
                }
                taken
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    fn gap(&mut self, role: Role, missed: u64, sink: &mut Sink) {
        let side = self.side(role);
        let within = side.frame.as_mut().filter(|frame| frame.left >= missed);
        let Some(frame) = within else { return self.lose(role, sink) };
        frame.left = frame.left.saturating_sub(missed);
        frame.before = frame.before.saturating_add(missed);
        let over = frame.left == 0;
        match &mut frame.to {
            Payload::Skip => {}
            Payload::Forward => sink.forward_gap(role),
            Payload::Close { hole, .. } => *hole = true,
        }
        if over {
            self.frame_ends(role, sink);
        }
    }

    fn end(&mut self, sink: &mut Sink) {
        self.tell_closed(sink);
        for (side, period, role) in [
            (&mut self.client, &CLIENT_PING_PERIOD, Role::Client),
            (&mut self.server, &SERVER_PING_PERIOD, Role::Server),
        ] {
            // Taken, so that it is told once, even if the flow was given up before its end.
            if let Some(median) = std::mem::take(&mut side.pings).median() {
                sink.fact(period, Value::Span(median));
            }
            if let Some(ping) = side.waits_since.take()
                && sink.has_all_of(role.peer())
            {
                sink.fact_at(ping, &PING_UNANSWERED, Value::Word(role.word()));
            }
        }
    }
}

impl WebSocket {
    fn frame_begins(&mut self, role: Role, header: Header, sink: &mut Sink) {
        let frames = match role {
            Role::Client => &CLIENT_FRAMES,
            Role::Server => &SERVER_FRAMES,
        };
        sink.fact(frames, Value::Word(header.word()));
        if header.length >> 63 != 0 {
            sink.fact(&ANOMALY, Value::Word("impossible-length"));
            return self.lose(role, sink);
        }
        for word in header_anomalies(role, header) {
            sink.fact(&ANOMALY, Value::Word(word));
        }
        let side = self.side(role);
        if side.closed {
            sink.fact(&ANOMALY, Value::Word("frame-after-close"));
        }
        let to = match header.opcode {
            CONTINUATION | TEXT | BINARY => side.data_frame(role, header, sink),
            CLOSE => Payload::Close { kept: Vec::new(), hole: false },
            _ => Payload::Skip,
        };
        side.frame = Some(Open { header, before: 0, left: header.length, to });
        if matches!(header.opcode, CLOSE | PING | PONG) {
            self.control_frame(role, header.opcode, sink);
        }
        if header.length == 0 {
            self.frame_ends(role, sink);
        }
    }

    fn control_frame(&mut self, role: Role, opcode: u8, sink: &mut Sink) {
        if opcode == PING {
            let peer_is_heard = !self.side(role.peer()).lost;
            let side = self.side(role);
            side.pings.mark(sink.seen.at);
            side.waits_since = peer_is_heard.then_some(sink.seen);
            return;
        }
        self.side(role.peer()).waits_since = None;
        if opcode == CLOSE && self.closing.is_none() {
            self.closing = Some((role, sink.seen));
        }
    }

    /// Tells of the first close frame, if no earlier one of the other side may be among what is missing.
    fn tell_closed(&mut self, sink: &mut Sink) {
        let Some((role, seen)) = self.closing.filter(|_| !self.told_closed) else { return };
        let peer = self.side(role.peer());
        // What is missing after its own close frame does not matter.
        if peer.closed || (!peer.lost && sink.has_all_of(role.peer())) {
            self.told_closed = true;
            sink.fact_at(seen, &CLOSED, Value::Time(seen.at));
            sink.fact_at(seen, &CLOSED_BY, Value::Word(role.word()));
        }
    }

    /// The next payload bytes of the frame at hand; how many there are.
    fn payload(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) -> usize {
        let Some(frame) = &mut self.side(role).frame else { return bytes.len() };
        let taken = usize::try_from(frame.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let part = bytes.get(..taken).unwrap_or_default();
        let forwards = match &mut frame.to {
            Payload::Skip => false,
            Payload::Forward => {
                if sink.wants_payload {
                    sink.forward_owned(role, unmasked(part, frame.header.key, frame.before));
                }
                true
            }
            Payload::Close { kept, .. } => {
                let room = MAX_CONTROL.saturating_sub(kept.len());
                kept.extend(unmasked(part.get(..room).unwrap_or(part), frame.header.key, frame.before));
                false
            }
        };
        frame.before = frame.before.saturating_add(taken as u64);
        frame.left = frame.left.saturating_sub(taken as u64);
        let over = frame.left == 0;
        if forwards && !self.handed_over {
            self.handed_over = true;
            sink.hand_over(Next::Probe);
        }
        if over {
            self.frame_ends(role, sink);
        }
        taken
    }

    fn frame_ends(&mut self, role: Role, sink: &mut Sink) {
        let side = self.side(role);
        let Some(Open { to: Payload::Close { kept, hole }, .. }) = side.frame.take() else { return };
        if !std::mem::replace(&mut side.closed, true) && !hole {
            observe_close(role, &kept, sink);
        }
    }

    fn lose(&mut self, role: Role, sink: &mut Sink) {
        let side = self.side(role);
        if side.lost {
            return;
        }
        side.lost = true;
        side.frame = None;
        side.pings.interrupt();
        self.side(role.peer()).waits_since = None;
        sink.fact(&INCOMPLETE, Value::Word(role.word()));
        sink.forward_gap(role);
        if self.client.lost && self.server.lost {
            self.end(sink);
            sink.give_up();
        }
    }

    fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }
}

impl Side {
    /// A frame of a message (section 5.4): what becomes of its payload.
    fn data_frame(&mut self, role: Role, header: Header, sink: &mut Sink) -> Payload {
        let message = match (self.message.take(), header.opcode) {
            (Some(message), CONTINUATION) => message,
            (None, CONTINUATION) => {
                sink.fact(&ANOMALY, Value::Word("unexpected-continuation"));
                return Payload::Skip;
            }
            (before, _) => {
                if before.is_some() {
                    sink.fact(&ANOMALY, Value::Word("interrupted-message"));
                }
                if header.rsv1 {
                    sink.fact(&COMPRESSED, Value::Word(role.word()));
                }
                Message { compressed: header.rsv1 }
            }
        };
        if !header.fin {
            self.message = Some(message);
        }
        if message.compressed { Payload::Skip } else { Payload::Forward }
    }
}

/// What is wrong with a header by itself.
fn header_anomalies(role: Role, header: Header) -> impl Iterator<Item = &'static str> {
    let control = header.is_control();
    [
        // Section 5.1.
        (role == Role::Client && header.key.is_none(), "unmasked-client-frame"),
        (role == Role::Server && header.key.is_some(), "masked-server-frame"),
        // Section 5.2.
        (header.reserved, "reserved-bits"),
        (header.word() == "reserved", "reserved-opcode"),
        (header.long_form, "long-form-length"),
        // Section 5.5.
        (control && !header.fin, "fragmented-control-frame"),
        (control && header.length > MAX_CONTROL as u64, "long-control-frame"),
        // RFC 7692 section 6: only the first frame of a data message has it.
        (header.rsv1 && (control || header.opcode == CONTINUATION), "misplaced-rsv1"),
    ]
    .into_iter()
    .filter_map(|(wrong, word)| wrong.then_some(word))
}

/// The payload of a close frame (section 5.5.1): nothing, or a code and a reason.
fn observe_close(role: Role, payload: &[u8], sink: &mut Sink) {
    let (code_field, reason_field) = match role {
        Role::Client => (&CLIENT_CLOSE_CODE, &CLIENT_CLOSE_REASON),
        Role::Server => (&SERVER_CLOSE_CODE, &SERVER_CLOSE_REASON),
    };
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        if !payload.is_empty() {
            sink.fact(&ANOMALY, Value::Word("bad-close-payload"));
        }
        return;
    };
    let code = u16::from_be_bytes(*code);
    sink.fact(code_field, Value::Uint(code.into()));
    // Sections 7.4.1 and 7.4.2, and the IANA registry: 1000 to 1014 are assigned, but 1004 is
    // reserved, and 1005 and 1006 are never sent; 3000 to 4999 are for libraries and applications.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        sink.fact(&ANOMALY, Value::Word("bad-close-code"));
    }
    if !reason.is_empty() {
        sink.fact(reason_field, text(reason, MAX_CONTROL));
        if std::str::from_utf8(reason).is_err() {
            sink.fact(&ANOMALY, Value::Word("bad-close-reason"));
        }
    }
}
