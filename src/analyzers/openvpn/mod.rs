//! OpenVPN over UDP and TCP (the protocol's own documentation, `doc/doxygen/doc_protocol_overview.h`).
//!
//! Read: that a session was asked for and answered; then, in its control channel, the TLS handshake of the first key, which
//! goes to that analyzer. It has no signature: recognised is the message that resets a session, the
//! first of each side, where its length is one of those that it can have (in the clear, with `tls-auth`, with `tls-crypt`,
//! with `tls-crypt-v2` and its wrapped key) and what is in the clear of it is what a first message has; of attempts
//! with numbers against replay, one of the first 16. Even then it only may be one.
//!
//! Assumed: codes and numbers against replay are not verified. Not read: what `tls-crypt` and `tls-crypt-v2` encrypt, handshakes for later keys
//! and of later sessions between the same ports, acknowledgements, the data channel.
//!
//! Memory per flow: of each direction 16 messages of at most 4 KiB that came before another, and over TCP one more.

mod control;
#[cfg(test)]
mod tests;

use self::control::{Control, Guard, Next, Ordered, Session};
use super::cutter::Cutter;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    RESET = "openvpn.reset", "OpenVPN protocol overview",
        "A side begins a session: `client`, `server`; its count is that of the messages.";
}

/// OpenVPN in the registry.
pub static DEFINITION: Definition = Definition {
    id: "openvpn",
    title: "OpenVPN",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: &[1194],
    fields: FIELDS,
    class: Class::Encrypted,
    probe,
    start,
};

fn probe(input: &ProbeInput<'_>) -> Probe {
    let message = match input.transport {
        Transport::Udp => Some(input.bytes),
        _ if !input.at_start => None,
        // A length goes before each message.
        _ => input.bytes.split_first_chunk::<2>().and_then(|(length, rest)| {
            (rest.len() == usize::from(u16::from_be_bytes(*length))).then_some(rest)
        }),
    };
    message.and_then(control::reset).map_or(Probe::No, |reset| Probe::Perhaps(reset.by))
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(OpenVpn {
        guard: None,
        has_tls: false,
        is_over: false,
        client: Side::new(),
        server: Side::new(),
    })
}

struct OpenVpn {
    /// What a reset showed of the control channel.
    guard: Option<Guard>,
    /// TLS was handed over: from now on there is no finishing, since then all bytes would be its.
    has_tls: bool,
    /// What follows is another session's, or no TLS.
    is_over: bool,
    client: Side,
    server: Side,
}

struct Side {
    session: Option<Session>,
    messages: Ordered,
    /// Of the stream.
    cutter: Cutter,
    /// It cannot be cut into messages any more.
    lost: bool,
}

/// Bytes of a message that are kept: that of the control channel that has most, with all that goes before it.
const KEPT: usize = 4096 + 256;
const LENGTH: usize = 2;

impl Side {
    fn new() -> Self {
        Self { session: None, messages: Ordered::new(), cutter: Cutter::new(LENGTH, KEPT), lost: false }
    }
}

impl Analyzer for OpenVpn {
    fn held(&self) -> usize {
        let side = |side: &Side| side.messages.held().saturating_add(side.cutter.held());
        side(&self.client).saturating_add(side(&self.server))
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let length = |header: &[u8]| {
            let (length, _) = header.split_first_chunk::<LENGTH>()?;
            usize::from(u16::from_be_bytes(*length)).checked_add(LENGTH).filter(|whole| *whole > LENGTH)
        };
        while !self.side(role).lost
            && !sink.done
            && let Some(message) = self.side(role).cutter.next(&mut bytes, length)
        {
            match message.as_deref().map(|message| message.get(LENGTH..).unwrap_or_default()) {
                Ok(message) if message.first().is_some_and(|first| control::is_message(*first)) => {
                    self.message(role, message, sink);
                    // Nothing more can be told of it.
                    if !self.has_tls && (self.is_over || self.is_sealed(message)) {
                        sink.finish();
                    }
                }
                _ => self.lose(role, sink),
            }
        }
    }

    fn gap(&mut self, role: Role, _: u64, sink: &mut Sink) {
        self.lose(role, sink);
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        if missed == 0 {
            self.message(role, bytes, sink);
        }
    }

    fn end(&mut self, sink: &mut Sink) {
        self.forward(Role::Client, true, sink);
        self.forward(Role::Server, true, sink);
    }
}

impl OpenVpn {
    fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// What follows the resets of a channel that cannot be read.
    fn is_sealed(&self, message: &[u8]) -> bool {
        self.guard == Some(Guard::Sealed) && control::reset(message).is_none()
    }

    /// The stream of one side cannot be followed any more.
    fn lose(&mut self, role: Role, sink: &mut Sink) {
        self.forward(role, true, sink);
        self.side(role).lost = true;
        if self.has_tls {
            sink.forward_gap(role);
        } else {
            sink.give_up();
        }
    }

    fn message(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        if let Some(reset) = control::reset(bytes).filter(|reset| reset.by == role) {
            sink.fact(&RESET, Value::Word(role.word()));
            // It is sent again until it is answered.
            let is_other = self.side(role).session.is_some_and(|session| session != reset.session);
            self.is_over |= is_other && self.has_tls;
            self.guard = Some(reset.guard);
            let side = self.side(role);
            side.session = Some(reset.session);
            if is_other {
                side.messages = Ordered::new();
            }
            return;
        }
        let Some(guard) = self.guard.filter(|_| !self.is_over) else { return };
        let Some(Control { session, peer, number, body }) = control::control(bytes, guard) else { return };
        let other = self.side(role.peer()).session;
        let contradicts = peer.is_some() && other.is_some() && peer != other;
        // Of a side whose reset was not captured, the session is known by what it acknowledges.
        let is_known = self.side(role).session.map_or(peer.is_some(), |known| known == session);
        if contradicts || !is_known {
            return;
        }
        self.side(role).session = Some(session);
        self.side(role).messages.insert(number, body);
        self.forward(role, false, sink);
    }

    /// Hands on what is in order.
    fn forward(&mut self, role: Role, is_end: bool, sink: &mut Sink) {
        while !self.is_over
            && let Some(next) = self.side(role).messages.take(is_end)
        {
            if !self.has_tls {
                // A record of a handshake, of any version.
                self.is_over = matches!(&next, Next::Bytes(bytes) if !bytes.starts_with(&[22, 3]));
                self.has_tls = !self.is_over;
                if self.has_tls {
                    sink.hand_over(super::Next::Named("tls"));
                }
            }
            match next {
                _ if self.is_over => {}
                Next::Bytes(bytes) => sink.forward_owned(role, bytes),
                Next::Gap => sink.forward_gap(role),
            }
        }
    }
}
