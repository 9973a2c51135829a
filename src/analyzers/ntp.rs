//! NTP versions 1 to 4 and SNTP (RFC 5905, RFC 1305, RFC 4330; extension fields RFC 7822; NTS RFC 8915).
//!
//! A reply belongs to the request whose transmit timestamp it returns as origin timestamp. They are compared as bytes,
//! for clients may send any value there, zero or random. In interleaved mode (RFC 9769) a reply returns the request's
//! receive timestamp instead. Symmetric peers ask each other. Control and private messages (modes 6 and 7) are
//! recognised, not read. Nothing is authenticated.

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
          STEP say not synchronised yet. Only from replies that a client would accept",
    source: "RFC 5905 section 7.4",
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
        // The response bit is in the second byte of control messages, and in the first of private ones.
        (1..=4, 6) if hinted && input.bytes.len() >= CONTROL_LEN => Probe::Certainly(response_role(second)),
        (1..=4, 7) if hinted && input.bytes.len() >= PRIVATE_LEN => Probe::Certainly(response_role(first)),
        (1..=4, 1..=5) if whole && (hinted || is_ordinary(input.bytes)) => {
            Probe::Certainly(if matches!(mode, 1 | 3) { Role::Client } else { Role::Server })
        }
        _ => Probe::No,
    }
}

fn response_role(byte: u8) -> Role {
    if byte & 0x80 == 0 { Role::Client } else { Role::Server }
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
                    kinds.into_iter().for_each(|kind| sink.fact(&EXTENSION, Value::Uint(kind.into())));
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

fn who(role: Role) -> Value {
    Value::Word(match role {
        Role::Client => "client",
        Role::Server => "server",
    })
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

/// Header of a control message (RFC 9327 section 2).
const CONTROL_LEN: usize = 12;

/// Header of a private message of ntpd, and what its requests and responses have at least.
const PRIVATE_LEN: usize = 8;

/// Longest authentication code with its key identifier.
const MAX_MAC: usize = 24;

/// Extension fields read of one packet; NTS asks for at most eight cookies and needs two more fields.
const MAX_EXTENSIONS: usize = 16;

/// Requests of one flow that may wait at a time.
const MAX_WAITING: usize = 64;

/// Replies of one flow that may wait for their request.
const MAX_EARLY: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CaptureId, FrameNo, FrameRef, Timestamp};

    fn seen(n: u64) -> Seen {
        Seen { at: Timestamp::new(n as i64, 0), frame: FrameRef::new(CaptureId(0), FrameNo(n)) }
    }

    /// 2026-01-01 in NTP seconds.
    const NOW: u64 = 0xed00_3780_0000_0000;

    /// Leap, version and mode; stratum; reference identifier; origin, receive and transmit timestamp.
    fn build(first: u8, stratum: u8, reference: [u8; 4], times: [u64; 3]) -> Vec<u8> {
        let mut bytes = vec![first, stratum, 6, 0xe9, 0, 0, 0, 1, 0, 0, 0, 2];
        bytes.extend(reference);
        bytes.extend(NOW.to_be_bytes());
        times.iter().for_each(|time| bytes.extend(time.to_be_bytes()));
        assert_eq!(bytes.len(), FIXED_LEN);
        bytes
    }

    fn request(transmit: u64) -> (Role, Vec<u8>) {
        (Role::Client, build(0x23, 0, [0; 4], [0, 0, transmit]))
    }

    fn reply(origin: u64) -> (Role, Vec<u8>) {
        (Role::Server, build(0x24, 2, [192, 0, 2, 1], [origin, NOW + 1, NOW + 2]))
    }

    fn run(packets: &[(Role, Vec<u8>)]) -> Vec<String> {
        let mut ntp = Ntp::default();
        let mut all = Vec::new();
        for (frame, (role, bytes)) in (1..).zip(packets) {
            let mut sink = Sink::new(seen(frame));
            ntp.datagram(*role, bytes, 0, &mut sink);
            all.extend(sink.observations);
        }
        let mut sink = Sink::new(seen(99));
        ntp.end(&mut sink);
        all.extend(sink.observations);
        shown(all)
    }

    fn shown(observations: Vec<(Seen, Observation)>) -> Vec<String> {
        let shown = observations.into_iter().map(|(seen, observation)| match observation {
            Observation::Fact(field, value) => format!("{} {}={value}", seen.frame.no().0, field.name),
            other => panic!("{other:?}"),
        });
        shown.collect()
    }

    /// Only those of some fields.
    fn only(lines: Vec<String>, fields: &[&'static Field]) -> Vec<String> {
        let wanted = |line: &String| fields.iter().any(|field| line.contains(&format!("{}=", field.name)));
        lines.into_iter().filter(wanted).collect()
    }

    const EXCHANGE: [&Field; 4] = [&REQUEST, &REPLY, &UNMATCHED_REPLY, &UNANSWERED];

    fn probe_at(bytes: &[u8], src_port: u16, dst_port: u16) -> Probe {
        probe(&ProbeInput { bytes, transport: Transport::Udp, src_port, dst_port, at_start: true })
    }

    #[test]
    fn a_request_and_its_reply_match() {
        assert_eq!(
            run(&[request(NOW), reply(NOW)]),
            [
                "1 ntp.version=4",
                "1 ntp.mode=client",
                "1 ntp.request=client",
                "1 ntp.poll=6",
                "2 ntp.version=4",
                "2 ntp.mode=server",
                "2 ntp.reply=server",
                "2 ntp.stratum=2",
                "2 ntp.leap=0",
            ]
        );
    }

    #[test]
    fn a_reply_with_another_origin_answers_nothing() {
        assert_eq!(
            only(run(&[request(NOW), reply(NOW + 1), request(NOW + 5), reply(NOW + 5)]), &EXCHANGE),
            [
                "1 ntp.request=client",
                "3 ntp.request=client",
                "4 ntp.reply=server",
                "2 ntp.unmatched_reply=server",
                "1 ntp.unanswered=client",
            ]
        );
    }

    #[test]
    fn a_second_reply_to_the_same_request_is_unmatched() {
        assert_eq!(
            only(run(&[request(NOW), reply(NOW), reply(NOW)]), &EXCHANGE),
            ["1 ntp.request=client", "2 ntp.reply=server", "3 ntp.unmatched_reply=server"]
        );
    }

    #[test]
    fn timestamps_are_compared_as_bytes_zero_included() {
        assert_eq!(
            only(run(&[request(0), request(0), reply(0), reply(0)]), &EXCHANGE),
            ["1 ntp.request=client", "2 ntp.request=client", "3 ntp.reply=server", "4 ntp.reply=server"]
        );
    }

    #[test]
    fn a_reply_captured_before_its_request_is_its_reply() {
        assert_eq!(
            only(run(&[reply(NOW), request(NOW)]), &EXCHANGE),
            ["2 ntp.request=client", "1 ntp.reply=server"]
        );
    }

    #[test]
    fn interleaved_replies_return_the_receive_timestamp() {
        let ask = (Role::Client, build(0x23, 0, [0; 4], [NOW - 9, NOW - 8, 0x1234]));
        assert_eq!(
            only(run(&[ask, reply(NOW - 8)]), &EXCHANGE),
            ["1 ntp.request=client", "2 ntp.reply=server"]
        );
    }

    #[test]
    fn symmetric_peers_ask_and_answer_both_ways() {
        let active = |role, origin, transmit| (role, build(0x21, 3, [192, 0, 2, 1], [origin, NOW, transmit]));
        assert_eq!(
            only(
                run(&[active(Role::Client, 0, 1), active(Role::Server, 1, 2), active(Role::Client, 2, 3)]),
                &EXCHANGE
            ),
            [
                "1 ntp.request=client",
                "2 ntp.reply=server",
                "2 ntp.request=server",
                "3 ntp.reply=client",
                "3 ntp.request=client",
                "3 ntp.unanswered=client",
            ]
        );
        let passive = (Role::Server, build(0x22, 2, [192, 0, 2, 1], [7, NOW, NOW]));
        assert_eq!(
            only(run(&[active(Role::Client, 0, 7), passive]), &EXCHANGE),
            ["1 ntp.request=client", "2 ntp.reply=server"]
        );
    }

    #[test]
    fn version_1_without_modes_goes_by_role() {
        let ask = (Role::Client, build(0x08, 0, [0; 4], [0, 0, 7]));
        let tell = (Role::Server, build(0x08, 2, [192, 0, 2, 1], [7, NOW, NOW]));
        assert_eq!(only(run(&[ask, tell]), &EXCHANGE), ["1 ntp.request=client", "2 ntp.reply=server"]);
    }

    #[test]
    fn kisses_are_told_from_servers_without_time() {
        let answer = |first, stratum, reference| {
            let tell = (Role::Server, build(first, stratum, reference, [NOW, NOW, NOW]));
            only(run(&[request(NOW), tell]), &[&KISS, &UNSYNCHRONISED])
        };
        assert_eq!(answer(0xe4, 0, *b"RATE"), ["2 ntp.kiss=RATE"]);
        assert_eq!(answer(0xe4, 0, *b"DENY"), ["2 ntp.kiss=DENY"]);
        assert_eq!(answer(0xe4, 0, *b"INIT"), ["2 ntp.kiss=INIT", "2 ntp.unsynchronised=yes"]);
        assert_eq!(answer(0xe4, 0, *b"X1\0\0"), ["2 ntp.kiss=X1"]);
        assert_eq!(answer(0xe4, 0, [0; 4]), ["2 ntp.unsynchronised=yes"]);
        assert_eq!(answer(0xe4, 3, [192, 0, 2, 1]), ["2 ntp.unsynchronised=yes"]);
        assert_eq!(answer(0x24, 16, [192, 0, 2, 1]), ["2 ntp.unsynchronised=yes"]);
        assert!(answer(0x24, 1, *b"GPS\0").is_empty());
    }

    #[test]
    fn a_forged_kiss_is_not_believed() {
        let forged = (Role::Server, build(0xe4, 0, *b"DENY", [1, NOW, NOW]));
        assert!(only(run(&[request(NOW), forged.clone()]), &[&KISS]).is_empty());
        // Where only the server's side is captured, there is nothing to match.
        assert_eq!(only(run(&[forged]), &[&KISS]), ["1 ntp.kiss=DENY"]);
    }

    #[test]
    fn thousands_of_requests_are_counted_and_the_waiting_ones_bounded() {
        let requests: Vec<_> = (0..1000).map(|n| request(NOW + n)).collect();
        let lines = only(run(&requests), &[&UNANSWERED]);
        assert_eq!(lines.len(), 1000);
        let frames: Vec<u64> =
            lines.iter().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
        assert!(frames.is_sorted());
    }

    #[test]
    fn extension_fields_are_told_from_authentication_codes() {
        let with = |tail: &[u8]| {
            let (role, mut bytes) = request(NOW);
            bytes.extend(tail);
            only(run(&[(role, bytes)]), &[&EXTENSION, &ANOMALY])
        };
        // A unique identifier of 32 bytes (RFC 8915 section 5.3) and a cookie of 100.
        let mut nts = vec![0x01, 0x04, 0, 36];
        nts.extend([0xaa; 32]);
        nts.extend([0x02, 0x04, 0, 104]);
        nts.extend([0xbb; 100]);
        assert_eq!(with(&nts), ["1 ntp.extension=260", "1 ntp.extension=516"]);
        assert!(with(&[0; 4]).is_empty(), "crypto-NAK");
        assert!(with(&[7; 20]).is_empty(), "key identifier and MD5");
        assert!(with(&[7; 24]).is_empty(), "key identifier and SHA-1");
        assert_eq!(with(&[0xff; 28]), ["1 ntp.anomaly=malformed-extension"]);
        assert_eq!(with(&[0; 28]), ["1 ntp.anomaly=malformed-extension"]);
    }

    #[test]
    fn what_the_capture_cut_is_counted_but_never_unanswered() {
        let (role, bytes) = request(NOW);
        for end in 1..FIXED_LEN {
            let mut ntp = Ntp::default();
            let mut sink = Sink::new(seen(1));
            ntp.datagram(role, &bytes[..end], (FIXED_LEN - end) as u32, &mut sink);
            ntp.end(&mut sink);
            assert_eq!(
                shown(sink.observations),
                ["1 ntp.version=4", "1 ntp.mode=client", "1 ntp.request=client"],
                "{end}"
            );
            assert_eq!(only(run(&[(role, bytes[..end].to_vec())]), &[&ANOMALY]), ["1 ntp.anomaly=cut-short"]);
        }
    }

    #[test]
    fn packets_are_recognised_on_and_off_the_port() {
        let (ask, tell) = (request(NOW).1, reply(NOW).1);
        assert_eq!(probe_at(&ask, 40000, 123), Probe::Certainly(Role::Client));
        assert_eq!(probe_at(&tell, 123, 123), Probe::Certainly(Role::Server));
        assert_eq!(probe_at(&ask, 40000, 4000), Probe::Certainly(Role::Client));
        assert_eq!(probe_at(&tell, 4000, 40000), Probe::Certainly(Role::Server));
        // A client that sends nothing but a random timestamp.
        let mut blank = vec![0x23];
        blank.resize(40, 0);
        blank.extend([0x9e; 8]);
        assert_eq!(probe_at(&blank, 40000, 4000), Probe::Certainly(Role::Client));
        for end in 0..FIXED_LEN {
            assert_eq!(probe_at(&ask[..end], 40000, 123), Probe::No, "{end}");
        }
    }

    #[test]
    fn control_and_private_messages_tell_their_role() {
        let control = |second: u8| [&[0x16, second], [0_u8; 10].as_slice()].concat();
        assert_eq!(probe_at(&control(0x02), 40000, 123), Probe::Certainly(Role::Client));
        assert_eq!(probe_at(&control(0x82), 123, 40000), Probe::Certainly(Role::Server));
        let private = |first: u8| [&[first, 0, 3, 42], [0_u8; 44].as_slice()].concat();
        assert_eq!(probe_at(&private(0x17), 123, 123), Probe::Certainly(Role::Client));
        assert_eq!(probe_at(&private(0x97), 123, 123), Probe::Certainly(Role::Server));
        assert_eq!(run(&[(Role::Client, control(2))]), ["1 ntp.version=2", "1 ntp.mode=control"]);
        assert_eq!(run(&[(Role::Server, private(0x97))]), ["1 ntp.version=2", "1 ntp.mode=private"]);
    }

    #[test]
    fn every_byte_may_be_any_byte() {
        let (_, mut message) = request(NOW);
        message.extend([0x01, 0x04, 0, 28]);
        message.extend([0xaa; 24]);
        for at in 0..message.len() {
            for value in 0..=255 {
                let mut bent = message.clone();
                bent[at] = value;
                probe_at(&bent, 40000, 123);
                probe_at(&bent, 40000, 4000);
                let mut ntp = Ntp::default();
                let mut sink = Sink::new(seen(1));
                ntp.datagram(Role::Client, &bent, 0, &mut sink);
                ntp.datagram(Role::Server, &bent, 0, &mut sink);
                ntp.end(&mut sink);
                assert!(sink.observations.len() < 20, "byte {at} is {value}");
            }
        }
    }

    #[test]
    fn other_bytes_are_not_taken_for_packets() {
        let (_, mut version_5) = request(NOW);
        version_5[0] = 0x2b;
        for bytes in
            [&[0; 48][..], &[0xff; 48], &version_5, b"", &[0x23], &[0x80; 60], &[0x24; 48], &[0x23; 48]]
        {
            assert_eq!(probe_at(bytes, 40000, 4000), Probe::No, "{bytes:02x?}");
        }
        for bytes in [&[0; 48][..], &[0xff; 48], &version_5, b"", &[0x23], &[0x80; 60]] {
            assert_eq!(probe_at(bytes, 40000, 123), Probe::No, "{bytes:02x?}");
        }
    }
}
