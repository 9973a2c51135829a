//! NTP versions 1 to 4 and SNTP (RFC 5905, RFC 1305, RFC 4330; extension fields RFC 7822; NTS RFC 8915).
//!
//! A reply belongs to the request whose transmit timestamp it returns as origin timestamp. They are compared as bytes,
//! for clients may send any value there, zero or random. In interleaved mode (RFC 9769) a reply returns the request's
//! receive timestamp instead. Symmetric peers ask each other. Of control and private messages (modes 6 and 7) it is read
//! what they ask for. Nothing is authenticated: which fields of NTS there are is told, not whether they are right.

mod manage;

use std::collections::VecDeque;

use nom::bytes::complete::take;
use nom::number::complete::{be_i8, be_u16, be_u64, u8 as any};
use nom::{IResult, Parser};

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{Field, Observation, Transport, Value};

/// NTP.
pub static NTP: Definition = Definition {
    id: "ntp",
    title: "Network Time Protocol, versions 1 to 4, and SNTP (RFC 5905)",
    transports: &[Transport::Udp],
    ports: &[123],
    fields: &[
        &VERSION,
        &MODE,
        &REQUEST,
        &REPLY,
        &UNMATCHED_REPLY,
        &UNANSWERED,
        &BROADCAST,
        &STRATUM,
        &LEAP,
        &KISS,
        &UNSYNCHRONISED,
        &POLL,
        &EXTENSION,
        &NTS,
        &KEY_ESTABLISHMENT,
        &CONTROL,
        &CONTROL_ERROR,
        &PRIVATE,
        &PRIVATE_ERROR,
        &ANOMALY,
    ],
    class: Class::Infrastructure,
    probe,
    start: |_: &Context| Box::<Ntp>::default(),
};

/// `ntp.version`.
pub static VERSION: Field =
    Field { name: "ntp.version", doc: "Protocol version; once per packet", source: "RFC 5905 section 7.3" };

/// `ntp.mode`.
pub static MODE: Field = Field {
    name: "ntp.mode",
    doc: "symmetric-active, symmetric-passive, client, server, broadcast, control, private or reserved; once per packet",
    source: "RFC 5905 section 7.3",
};

/// `ntp.request`.
pub static REQUEST: Field = Field {
    name: "ntp.request",
    doc: "A packet that asks for the time (modes 3 and 1; mode 0 of a version 1 client). The value says who asks: \
          client, or server where the other one of two symmetric peers does",
    source: "RFC 5905 section 3",
};

/// `ntp.reply`.
pub static REPLY: Field = Field {
    name: "ntp.reply",
    doc: "A packet that answers a request of this flow (modes 4, 2 and 1). The value says who answers: server, or \
          client where the other one of two symmetric peers does",
    source: "RFC 5905 section 8",
};

/// `ntp.unmatched_reply`.
pub static UNMATCHED_REPLY: Field = Field {
    name: "ntp.unmatched_reply",
    doc: "A reply (modes 4 and 2) to no request that was captured on this flow and still waits; a client ignores it. \
          The value says who sent it",
    source: "RFC 5905 section 8 (bogus packets)",
};

/// `ntp.unanswered`.
pub static UNANSWERED: Field = Field {
    name: "ntp.unanswered",
    doc: "A request without reply, seen in the frame of the request. The value says who asked. Not stated where the \
          snap length cut timestamps off",
    source: "RFC 5905 section 13",
};

/// `ntp.broadcast`.
pub static BROADCAST: Field =
    Field { name: "ntp.broadcast", doc: "A packet of a broadcast server", source: "RFC 5905 section 3" };

/// `ntp.stratum`.
pub static STRATUM: Field = Field {
    name: "ntp.stratum",
    doc: "Stratum stated in a reply or broadcast: 1 has a reference clock, 2 to 15 are that far from one, 16 is \
          unsynchronised, 0 is unspecified or a kiss",
    source: "RFC 5905 section 7.3",
};

/// `ntp.leap`.
pub static LEAP: Field = Field {
    name: "ntp.leap",
    doc: "Leap indicator of a reply or broadcast: 0 none, 1 and 2 a leap second to come, 3 clock not synchronised",
    source: "RFC 5905 section 7.3",
};

/// `ntp.kiss`.
pub static KISS: Field = Field {
    name: "ntp.kiss",
    doc: "Code of a kiss-o'-death, a reply of stratum 0: DENY and RSTR refuse, RATE asks for fewer requests, INIT and \
          STEP say not synchronised yet, NTSN that it cannot read the client's NTS cookie. Only from replies that a \
          client would accept",
    source: "RFC 5905 section 7.4, RFC 8915 section 5.7",
};

/// `ntp.unsynchronised`.
pub static UNSYNCHRONISED: Field = Field {
    name: "ntp.unsynchronised",
    doc: "A reply or broadcast whose sender has no time to give: leap indicator 3, stratum 16, or stratum 0 without \
          a kiss that says otherwise",
    source: "RFC 5905 sections 7.3 and 7.4",
};

/// `ntp.poll`.
pub static POLL: Field = Field {
    name: "ntp.poll",
    doc: "Poll exponent of a request: the interval between requests in seconds, as a power of two",
    source: "RFC 5905 section 7.3",
};

/// `ntp.extension`.
pub static EXTENSION: Field = Field {
    name: "ntp.extension",
    doc: "Type of an extension field of a version 4 packet, as a number; 0x0104, 0x0204, 0x0304 and 0x0404 are NTS",
    source: "RFC 7822, RFC 8915 section 5.7",
};

/// `ntp.nts`.
pub static NTS: Field = Field {
    name: "ntp.nts",
    doc: "A field of Network Time Security: unique-identifier, cookie, cookie-placeholder or authenticator; once each \
          time. Whether the packet is authentic is for the two ends to know",
    source: "RFC 8915 sections 5.3 to 5.6",
};

/// `ntp.key_establishment`.
pub static KEY_ESTABLISHMENT: Field = Field {
    name: "ntp.key_establishment",
    doc: "A TLS connection that establishes keys for NTS, and what shows it: alpn (the client offers ntske/1) or port \
          (4460, and a handshake)",
    source: "RFC 8915 section 4",
};

/// `ntp.control`.
pub static CONTROL: Field = Field {
    name: "ntp.control",
    doc: "What a control message (mode 6) asks for or answers: read-status, read-variables, …, or a number; once per \
          packet",
    source: "RFC 9327 section 2",
};

/// `ntp.control_error`.
pub static CONTROL_ERROR: Field = Field {
    name: "ntp.control_error",
    doc: "Error code of a control message: 1 authentication failed, 2 invalid length or format, 3 invalid opcode, \
          4 unknown association, 5 unknown variable, 6 invalid value, 7 prohibited",
    source: "RFC 9327 section 3.4",
};

/// `ntp.private`.
pub static PRIVATE: Field = Field {
    name: "ntp.private",
    doc: "Request code of a private message (mode 7) of ntpd, request or response; 20 and 42 list the server's clients \
          (monlist), which is used for amplification; once per packet",
    source: "ntpd 4.2 include/ntp_request.h",
};

/// `ntp.private_error`.
pub static PRIVATE_ERROR: Field = Field {
    name: "ntp.private_error",
    doc: "Error code of a private message: 1 implementation, 2 request code, 3 format, 4 no data, 7 authentication",
    source: "ntpd 4.2 include/ntp_request.h",
};

/// `ntp.anomaly`.
pub static ANOMALY: Field = Field {
    name: "ntp.anomaly",
    doc: "What breaks the protocol: cut-short, malformed-extension",
    source: "RFC 5905 section 7.3, RFC 7822",
};

/// Packets have no signature. With port 123 the version, the mode and the length must be right; elsewhere the rest
/// must look like an NTP packet too.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if input.transport != Transport::Udp {
        return Probe::No;
    }
    let Some(&[first, second, ..]) = input.bytes.first_chunk::<4>() else { return Probe::No };
    let hinted = input.port_in(NTP.ports);
    let (version, mode) = (first >> 3 & 7, first & 7);
    // Whoever sends towards the port asks, if the packet does not tell.
    let by_port = if input.dst_port == 123 { Role::Client } else { Role::Server };
    let whole = input.bytes.len() >= FIXED_LEN && input.bytes.len().is_multiple_of(4);
    match (version, mode) {
        (1, 0) if hinted && whole => Probe::Certainly(by_port),
        (1..=4, 6) if hinted && manage::is_control(input.bytes) => {
            Probe::Certainly(manage::role(mode, first, second))
        }
        (1..=4, 7) if hinted && manage::is_private(input.bytes) => {
            Probe::Certainly(manage::role(mode, first, second))
        }
        (1..=4, 1..=5) if whole && (hinted || is_ordinary(input.bytes)) => {
            Probe::Certainly(if matches!(mode, 1 | 3) { Role::Client } else { Role::Server })
        }
        _ => Probe::No,
    }
}

/// Whether a packet on an unusual port is a request or reply such as today's programs send.
fn is_ordinary(bytes: &[u8]) -> bool {
    let Ok((_, packet)) = packet(bytes) else { return false };
    let recent = |timestamp: u64| {
        // From 2000 to 2036, or in the first half of the era that begins then.
        let seconds = timestamp >> 32;
        seconds >= 0xbc17_c200 || (1..0x8000_0000).contains(&seconds)
    };
    let alike = matches!(packet.version, 3 | 4)
        && packet.stratum <= 16
        && (0..=17).contains(&packet.poll)
        && (-32..=0).contains(&packet.precision)
        && (packet.tail.is_empty() || extensions(packet.tail).is_ok());
    let blank = bytes.get(4..40).is_some_and(|middle| middle.iter().all(|byte| *byte == 0));
    alike
        && match packet.mode {
            // A client that gives nothing away sends zeros and a random timestamp.
            3 => packet.transmit != 0 && (blank || recent(packet.transmit)),
            4 => packet.origin != 0 && recent(packet.transmit) && recent(packet.receive),
            _ => false,
        }
}

/// A packet of modes 1 to 5.
#[derive(Debug, Clone, Copy)]
struct Packet<'a> {
    leap: u8,
    version: u8,
    mode: u8,
    stratum: u8,
    poll: i8,
    precision: i8,
    reference: [u8; 4],
    origin: u64,
    receive: u64,
    transmit: u64,
    /// Extension fields and message authentication code.
    tail: &'a [u8],
}

fn packet(input: &[u8]) -> IResult<&[u8], Packet<'_>> {
    // Root delay and dispersion, four bytes each, and the reference timestamp are of no interest here.
    let (tail, (first, stratum, poll, precision, _, reference, _, origin, receive, transmit)) =
        (any, any, be_i8, be_i8, take(8_u8), take(4_u8), take(8_u8), be_u64, be_u64, be_u64).parse(input)?;
    let packet = Packet {
        leap: first >> 6,
        version: first >> 3 & 7,
        mode: first & 7,
        stratum,
        poll,
        precision,
        reference: reference.try_into().unwrap_or_default(),
        origin,
        receive,
        transmit,
        tail,
    };
    Ok((&[], packet))
}

/// Types of the extension fields in front of the authentication code, at most [`MAX_EXTENSIONS`]. What is left may be
/// a code when it is 24 bytes or less (RFC 7822 section 7.5).
fn extensions(mut tail: &[u8]) -> Result<Vec<u16>, ()> {
    let mut kinds = Vec::new();
    while tail.len() > MAX_MAC && kinds.len() < MAX_EXTENSIONS {
        let parsed: IResult<&[u8], (u16, u16)> = (be_u16, be_u16).parse(tail);
        let (_, (kind, length)) = parsed.map_err(|_| ())?;
        let length = usize::from(length);
        if length < 16 || !length.is_multiple_of(4) {
            return Err(());
        }
        tail = tail.get(length..).ok_or(())?;
        kinds.push(kind);
    }
    Ok(kinds)
}

impl Packet<'_> {
    /// The code of a kiss-o'-death: up to four ASCII letters or digits, left-justified and padded with zeros.
    fn kiss(&self) -> Option<&[u8]> {
        let end = self.reference.iter().rposition(|byte| *byte != 0)?;
        let code = self.reference.get(..=end)?;
        (self.stratum == 0 && code.iter().all(u8::is_ascii_alphanumeric)).then_some(code)
    }

    fn is_unsynchronised(&self) -> bool {
        match self.kiss() {
            Some(code) => matches!(code, b"INIT" | b"STEP"),
            None => self.leap == 3 || matches!(self.stratum, 0 | 16),
        }
    }
}

/// A request that waits.
#[derive(Debug, Clone, Copy)]
struct Asked {
    by: Role,
    transmit: u64,
    receive: u64,
    seen: Seen,
}

impl Asked {
    fn is_answered_by(&self, origin: u64, from: Role) -> bool {
        self.by == from.peer() && (origin == self.transmit || self.receive != 0 && origin == self.receive)
    }
}

/// A reply to nothing so far: in captures of several interfaces it may come before its request.
#[derive(Debug, Clone, Copy)]
struct Early {
    from: Role,
    origin: u64,
    seen: Seen,
}

#[derive(Debug, Default)]
struct Ntp {
    /// In order of asking, at most [`MAX_WAITING`].
    waiting: VecDeque<Asked>,
    /// In order of arrival, at most [`MAX_EARLY`].
    early: VecDeque<Early>,
    /// Somebody asked on this flow, so unmatched replies are none that a client would accept.
    asked: bool,
    /// Timestamps were cut off, so requests and replies cannot be matched any more.
    blind: bool,
}

impl Ntp {
    fn time(&mut self, from: Role, packet: &Packet<'_>, sink: &mut Sink) {
        match (packet.version, packet.mode) {
            (_, 1) => {
                // Both of two active peers ask, and each request answers the other's last.
                if packet.origin != 0 && self.answer(packet.origin, from) {
                    sink.fact(&REPLY, who(from));
                    state(packet, true, sink);
                }
                self.ask(from, packet, sink);
            }
            (_, 3) | (1, 0) if packet.mode == 3 || from == Role::Client => self.ask(from, packet, sink),
            (_, 2 | 4) | (1, 0) => {
                let matched = self.answer(packet.origin, from);
                if matched {
                    sink.fact(&REPLY, who(from));
                } else {
                    self.unmatched(packet.origin, from, sink);
                }
                state(packet, matched || !self.asked, sink);
            }
            (_, 5) => {
                sink.fact(&BROADCAST, Value::Yes);
                state(packet, true, sink);
            }
            _ => {}
        }
        if packet.version == 4 {
            match extensions(packet.tail) {
                Ok(kinds) => {
                    for kind in kinds {
                        sink.fact(&EXTENSION, Value::Uint(kind.into()));
                        nts_word(kind).into_iter().for_each(|word| sink.fact(&NTS, Value::Word(word)));
                    }
                }
                Err(()) => sink.fact(&ANOMALY, Value::Word("malformed-extension")),
            }
        }
    }

    fn ask(&mut self, by: Role, packet: &Packet<'_>, sink: &mut Sink) {
        sink.fact(&REQUEST, who(by));
        if let Ok(poll) = u64::try_from(packet.poll) {
            sink.fact(&POLL, Value::Uint(poll));
        }
        self.asked = true;
        let asked = Asked { by, transmit: packet.transmit, receive: packet.receive, seen: sink.seen };
        let early = self.early.iter().position(|early| asked.is_answered_by(early.origin, early.from));
        if let Some(early) = early.and_then(|at| self.early.remove(at)) {
            sink.observations.push((early.seen, Observation::Fact(&REPLY, who(early.from))));
            return;
        }
        if self.waiting.len() >= MAX_WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.unanswered(oldest, sink);
        }
        self.waiting.push_back(asked);
    }

    /// Whether a waiting request is answered; the latest, if several have the same timestamp.
    fn answer(&mut self, origin: u64, from: Role) -> bool {
        let found = self.waiting.iter().rposition(|asked| asked.is_answered_by(origin, from));
        let answered = found.and_then(|at| self.waiting.remove(at)).is_some();
        if self.waiting.is_empty() {
            // There may be very many clients, and most ask rarely.
            self.waiting = VecDeque::new();
        }
        answered
    }

    fn unmatched(&mut self, origin: u64, from: Role, sink: &mut Sink) {
        if self.early.len() >= MAX_EARLY
            && let Some(oldest) = self.early.pop_front()
        {
            sink.observations.push((oldest.seen, Observation::Fact(&UNMATCHED_REPLY, who(oldest.from))));
        }
        self.early.push_back(Early { from, origin, seen: sink.seen });
    }

    fn unanswered(&self, asked: Asked, sink: &mut Sink) {
        if !self.blind {
            sink.observations.push((asked.seen, Observation::Fact(&UNANSWERED, who(asked.by))));
        }
    }

    /// A packet of which only the front is captured, or which ends there.
    fn cut(&mut self, from: Role, mode: u8, missed: u32, sink: &mut Sink) {
        if missed == 0 {
            sink.fact(&ANOMALY, Value::Word("cut-short"));
            return;
        }
        self.blind = true;
        match mode {
            1 | 3 => sink.fact(&REQUEST, who(from)),
            5 => sink.fact(&BROADCAST, Value::Yes),
            _ => {}
        }
    }
}

/// What the sender of a reply says of its clock; kisses and refusals only if a client would `accept` it.
fn state(packet: &Packet<'_>, accept: bool, sink: &mut Sink) {
    sink.fact(&STRATUM, Value::Uint(packet.stratum.into()));
    sink.fact(&LEAP, Value::Uint(packet.leap.into()));
    if accept {
        if let Some(code) = packet.kiss() {
            sink.fact(&KISS, Value::text(code));
        }
        if packet.is_unsynchronised() {
            sink.fact(&UNSYNCHRONISED, Value::Yes);
        }
    }
}

/// What an extension field is called that NTS defines.
fn nts_word(kind: u16) -> Option<&'static str> {
    match kind {
        0x0104 => Some("unique-identifier"),
        0x0204 => Some("cookie"),
        0x0304 => Some("cookie-placeholder"),
        0x0404 => Some("authenticator"),
        _ => None,
    }
}

fn who(role: Role) -> Value {
    Value::Word(role.word())
}

fn mode_word(mode: u8) -> &'static str {
    match mode {
        1 => "symmetric-active",
        2 => "symmetric-passive",
        3 => "client",
        4 => "server",
        5 => "broadcast",
        6 => "control",
        7 => "private",
        _ => "reserved",
    }
}

impl Analyzer for Ntp {
    /// Not called: NTP runs on UDP.
    fn data(&mut self, _role: Role, _bytes: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let Some(first) = bytes.first() else { return self.cut(role, 0, missed, sink) };
        let mode = first & 7;
        sink.fact(&VERSION, Value::Uint((first >> 3 & 7).into()));
        sink.fact(&MODE, Value::Word(mode_word(mode)));
        if matches!(mode, 6 | 7) {
            if !manage::observe(mode, bytes, sink) && missed == 0 {
                sink.fact(&ANOMALY, Value::Word("cut-short"));
            }
            return;
        }
        match packet(bytes) {
            Ok((_, packet)) => self.time(role, &packet, sink),
            Err(_) => self.cut(role, mode, missed, sink),
        }
    }

    fn end(&mut self, sink: &mut Sink) {
        for early in std::mem::take(&mut self.early) {
            sink.observations.push((early.seen, Observation::Fact(&UNMATCHED_REPLY, who(early.from))));
        }
        for asked in std::mem::take(&mut self.waiting) {
            self.unanswered(asked, sink);
        }
    }
}

/// Everything up to and with the transmit timestamp.
const FIXED_LEN: usize = 48;

/// Longest authentication code with its key identifier.
const MAX_MAC: usize = 24;

/// Extension fields read of one packet; NTS asks for at most eight cookies and needs two more fields.
const MAX_EXTENSIONS: usize = 16;

/// Requests of one flow that may wait at a time.
const MAX_WAITING: usize = 64;

/// Replies of one flow that may wait for their request.
const MAX_EARLY: usize = 8;

#[cfg(test)]
mod tests;
