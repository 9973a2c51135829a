//! Syslog over UDP (RFC 5426) and TCP (RFC 6587), in the format of RFC 5424 or of RFC 3164.
//!
//! Read of the first messages: format and framing, facility, severity, and the sender's name for itself. Not kept: what
//! they say.

use super::lines::LineReader;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    FORMAT = "syslog.format", "RFC 5424 section 6, RFC 3164 section 4.1",
        "`rfc5424`, `rfc3164`, or `other`: a priority and free text.";
    FRAMING = "syslog.framing", "RFC 6587 section 3.4",
        "Over TCP: `octet-counting`, or `lines`.";
    FACILITY = "syslog.facility", "RFC 5424 section 6.2.1",
        "Number of a facility: 0 kernel, 4 and 10 security, 16 to 23 local.";
    SEVERITY = "syslog.severity", "RFC 5424 section 6.2.1",
        "Number of a severity: 0 emergency to 7 debug.";
    HOST_NAME = "syslog.host_name", "RFC 5424 section 6.2.4, RFC 3164 section 4.1.2",
        "The sender's name for itself.";
}

/// Syslog in the registry.
pub static DEFINITION: Definition = Definition {
    id: "syslog",
    title: "Syslog (RFC 5424, RFC 3164)",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[514, 601];
/// How much of a message is read.
const MAX_READ: usize = 512;
/// Messages that are read.
const MAX_MESSAGES: u16 = 32;
/// Longest version and time stamp.
const MAX_STAMP: usize = 40;
const MAX_HOST: usize = 255;
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// A priority and the time stamp of either format; on its port a priority is enough.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start {
        return Probe::No;
    }
    let over_tcp = input.transport == Transport::Tcp;
    let digits = input.bytes.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    let bytes = match (over_tcp, input.bytes.get(digits..)) {
        (true, Some([b' ', message @ ..])) if digits > 0 => message,
        (true, Some([])) if digits <= 5 => return Probe::More,
        (_, bytes) if digits == 0 => bytes.unwrap_or_default(),
        _ => return Probe::No,
    };
    let wait = if over_tcp { Probe::More } else { Probe::No };
    let Some((_, message)) = priority(bytes) else {
        let front = matches!(*bytes, [] | [b'<'])
            || matches!(*bytes, [b'<', ref rest @ ..]
            if rest.len() <= 3 && rest.iter().all(u8::is_ascii_digit));
        return if front { wait } else { Probe::No };
    };
    match format(message) {
        Some(_) => Probe::Certainly(Role::Client),
        None if input.port_in(PORTS) => Probe::Certainly(Role::Client),
        None if message.len() < MAX_STAMP && may_be_stamped(message) => wait,
        None => Probe::No,
    }
}

/// Whether a version or the initial of a month is there, or nothing yet.
fn may_be_stamped(message: &[u8]) -> bool {
    message.first().is_none_or(|first| b"1JFMASOND".contains(first))
}

/// `<0>` to `<191>`, and what follows.
fn priority(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let rest = bytes.strip_prefix(b"<")?;
    let close = rest.iter().take(4).position(|byte| *byte == b'>')?;
    let digits = rest.get(..close)?;
    let plain = digits.iter().all(u8::is_ascii_digit) && (digits.first() != Some(&b'0') || digits.len() == 1);
    let number =
        str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok().filter(|number| *number <= 191)?;
    Some((number, rest.get(close.checked_add(1)?..)?))
}

/// What follows the priority: the name of the format, and the text from the host's name on.
fn format(message: &[u8]) -> Option<(&'static str, &[u8])> {
    // `1 2003-10-11T22:14:15.003Z host`, `1 - host`.
    if let Some(rest) = message.strip_prefix(b"1 ") {
        let end = rest.iter().position(|byte| *byte == b' ')?;
        let stamp = rest.get(..end)?;
        let dated = matches!(stamp, [_, _, _, _, b'-', _, _, b'-', _, _, b'T', _, _, b':', ..])
            && stamp.iter().take(4).all(u8::is_ascii_digit);
        return if dated || stamp == b"-" {
            Some(("rfc5424", rest.get(end..)?.trim_ascii_start()))
        } else {
            None
        };
    }
    // `Oct 11 22:14:15 host`.
    let month = message.get(..3)?;
    let rest = message.get(3..)?;
    match rest {
        [b' ', b' ' | b'0'..=b'3', b'0'..=b'9', b' ', _, _, b':', _, _, b':', _, _, rest @ ..]
            if MONTHS.contains(&month) =>
        {
            Some(("rfc3164", rest.strip_prefix(b" ").unwrap_or_default()))
        }
        _ => None,
    }
}

fn observe(bytes: &[u8], sink: &mut Sink) {
    let Some((number, message)) = priority(bytes) else { return };
    sink.fact(&FACILITY, Value::Uint(u64::from(number >> 3)));
    sink.fact(&SEVERITY, Value::Uint(u64::from(number & 7)));
    let Some((format, rest)) = format(message) else { return sink.fact(&FORMAT, Value::Word("other")) };
    sink.fact(&FORMAT, Value::Word(format));
    let host = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
    // Many senders of the older format leave it out: then the tag of the program, with its colon, is there.
    let is_name = host.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(byte));
    if is_name && !matches!(host, [] | b"-" | [.., b':']) {
        sink.fact(&HOST_NAME, text(host, MAX_HOST));
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Syslog { lines: LineReader::new(MAX_READ), framing: Framing::Unknown, messages: 0 })
}

#[derive(Debug, Clone)]
enum Framing {
    Unknown,
    Lines,
    /// The length so far.
    Length(u32),
    /// Bytes of a message still to come, and its front.
    Counted(u32, Vec<u8>),
}

struct Syslog {
    lines: LineReader,
    framing: Framing,
    messages: u16,
}

impl Syslog {
    fn message(&mut self, bytes: &[u8], sink: &mut Sink) {
        observe(bytes, sink);
        self.messages = self.messages.saturating_add(1);
        if self.messages >= MAX_MESSAGES {
            sink.finish();
        }
    }

    /// One byte of a length; what comes after it.
    fn length(length: u32, byte: u8, sink: &mut Sink) -> Framing {
        match byte {
            b'0'..=b'9' => {
                let digit = u32::from(byte.saturating_sub(b'0'));
                Framing::Length(length.saturating_mul(10).saturating_add(digit))
            }
            b' ' if length > 0 => Framing::Counted(length, Vec::new()),
            _ => {
                sink.give_up();
                Framing::Unknown
            }
        }
    }
}

impl Analyzer for Syslog {
    fn held(&self) -> usize {
        let counted = if let Framing::Counted(_, front) = &self.framing { front.capacity() } else { 0 };
        self.lines.held().saturating_add(counted)
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        if role == Role::Server {
            return;
        }
        // Each turn takes bytes or ends the loop.
        while let Some((&first, rest)) = bytes.split_first() {
            if sink.done {
                return;
            }
            match &mut self.framing {
                Framing::Unknown => {
                    let counted = first.is_ascii_digit();
                    self.framing = if counted { Framing::Length(0) } else { Framing::Lines };
                    sink.fact(&FRAMING, Value::Word(if counted { "octet-counting" } else { "lines" }));
                }
                Framing::Lines => {
                    if !self.lines.next(&mut bytes) {
                        return;
                    }
                    let line = self.lines.line().to_vec();
                    self.message(&line, sink);
                }
                Framing::Length(length) => {
                    bytes = rest;
                    self.framing = Self::length(*length, first, sink);
                }
                Framing::Counted(left, front) => {
                    let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
                    let (part, after) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
                    bytes = after;
                    front.extend(part.iter().take(MAX_READ.saturating_sub(front.len())));
                    *left = left.saturating_sub(part.len() as u32);
                    if *left == 0 {
                        let front = std::mem::take(front);
                        self.framing = Framing::Length(0);
                        self.message(&front, sink);
                    }
                }
            }
        }
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], _missed: u32, sink: &mut Sink) {
        if role == Role::Client {
            self.message(bytes, sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, ask_udp, list, steady, steady_datagrams, told, values};
    use super::*;

    const C: Role = Role::Client;
    /// From the examples of the two RFCs.
    const NEW: &[u8] = b"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 - hi";
    const OLD: &[u8] = b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed";

    #[test]
    fn datagrams_are_read() {
        let facts = steady_datagrams(
            &DEFINITION,
            &[(C, NEW), (C, OLD), (C, b"<13>Feb  5 17:32:18 su: x"), (C, b"<0>x")],
        );
        assert_eq!(values(&facts, &FORMAT), ["rfc5424", "rfc3164", "other"]);
        assert_eq!(values(&facts, &FACILITY), ["20", "4", "1", "0"]);
        assert_eq!(values(&facts, &SEVERITY), ["5", "2", "0"]);
        assert_eq!(values(&facts, &HOST_NAME), ["mymachine.example.com", "mymachine"]);
    }

    #[test]
    fn streams_are_cut_into_messages_either_way() {
        let counted = [format!("{} ", NEW.len()).as_bytes(), NEW, b"4 <0>x"].concat();
        let facts = steady(&DEFINITION, &[(C, &counted)]);
        assert_eq!(values(&facts, &FRAMING), ["octet-counting"]);
        assert_eq!(values(&facts, &FORMAT), ["rfc5424", "other"]);
        let lines = [OLD, b"\n<0>x\n"].concat();
        let facts = steady(&DEFINITION, &[(C, &lines)]);
        assert_eq!(list(&facts).len(), 8, "{:?}", list(&facts));
        assert_eq!(values(&facts, &FRAMING), ["lines"]);
    }

    #[test]
    fn messages_are_recognised() {
        for message in [NEW, OLD, b"<14>1 - - - - - -"] {
            assert_eq!(told(&DEFINITION, message), Probe::Certainly(C));
            assert_eq!(ask_udp(&DEFINITION, message, 50_000, 9), Probe::Certainly(C));
            let counted = [format!("{} ", message.len()).as_bytes(), message].concat();
            assert_eq!(told(&DEFINITION, &counted), Probe::Certainly(C));
        }
        assert_eq!(ask_udp(&DEFINITION, b"<13>free text", 50_000, 514), Probe::Certainly(C));
        for other in [
            &b"<13>free text of some length"[..],
            b"<192>Oct 11 22:14:15 x",
            b"<html>",
            b"<007>Oct 11 22:14:15 x",
        ] {
            assert_eq!(ask_udp(&DEFINITION, other, 50_000, 9), Probe::No);
            assert_eq!(ask(&DEFINITION, other, 50_000, 9), Probe::No);
        }
    }
}
