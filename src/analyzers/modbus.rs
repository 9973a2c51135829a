//! Modbus/TCP (MODBUS Messaging on TCP/IP Implementation Guide V1.0b, MODBUS Application Protocol
//! V1.1b3).
//!
//! Read: header, unit, function code and exception code of every message; responses are matched to
//! requests by transaction, unit and function. Not read: addresses and values.

use std::collections::VecDeque;

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{Field, Transport, Value};

/// Requests.
pub static REQUEST: Field = Field {
    name: "modbus.request",
    doc: "Function code of a request; its count is that of the requests.",
    source: "MODBUS Application Protocol V1.1b3 section 5",
};
/// Responses.
pub static RESPONSE: Field = Field {
    name: "modbus.response",
    doc: "Function code of a response without exception; its count is that of the responses.",
    source: "MODBUS Application Protocol V1.1b3 section 5",
};
/// Exceptions.
pub static EXCEPTION: Field = Field {
    name: "modbus.exception",
    doc: "Exception code of a response (1 illegal function, 2 illegal data address, …).",
    source: "MODBUS Application Protocol V1.1b3 section 7",
};
/// Units.
pub static UNIT: Field = Field {
    name: "modbus.unit",
    doc: "Unit identifier that a request is for; 0 and 255 are the device itself.",
    source: "MODBUS Messaging on TCP/IP V1.0b section 4.4.2.2",
};
/// Requests without response.
pub static UNANSWERED: Field = Field {
    name: "modbus.unanswered",
    doc: "Number of requests without a response when the flow ended. Not told where bytes of the server are missing.",
    source: "MODBUS Messaging on TCP/IP V1.0b section 4.4.1.4",
};
/// Responses without request.
pub static UNMATCHED: Field = Field {
    name: "modbus.unmatched",
    doc: "Function code of a response that no request asked for. Not told where bytes of the client are missing.",
    source: "MODBUS Messaging on TCP/IP V1.0b section 4.4.1.4",
};
/// Broken framing.
pub static ANOMALY: Field = Field {
    name: "modbus.anomaly",
    doc: "Bytes that break the protocol: `header`.",
    source: "MODBUS Messaging on TCP/IP V1.0b section 3.1.3",
};

/// Modbus/TCP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "modbus",
    title: "Modbus/TCP (MODBUS Messaging on TCP/IP V1.0b)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: &[&REQUEST, &RESPONSE, &EXCEPTION, &UNIT, &UNANSWERED, &UNMATCHED, &ANOMALY],
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[502];
/// Transaction, protocol, length.
const PREFIX: usize = 6;
/// What is read of a message: prefix, unit, function, and the byte after it.
const HEAD: usize = PREFIX + 3;
/// Bytes after the prefix: unit and function at least, the longest PDU at most.
const LENGTH: std::ops::RangeInclusive<u16> = 2..=254;
/// Requests that wait at the same time; clients keep far fewer.
const MAX_WAITING: usize = 64;
/// Set in the function code of an exception response.
const EXCEPTION_BIT: u8 = 0x80;

/// What a message can be by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Request,
    Response,
    Either,
}

/// A whole message, whose length suits its function where that is a standard one. It only may be one: off its port it
/// must begin the stream too and be all of it, or be followed by another header.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let on_port = input.port_in(PORTS);
    let Some([_, _, protocol_hi, protocol_lo, hi, lo]) = input.bytes.first_chunk::<PREFIX>().copied() else {
        return if on_port && input.bytes.iter().skip(2).all(|byte| *byte == 0) {
            Probe::More
        } else {
            Probe::No
        };
    };
    let length = u16::from_be_bytes([hi, lo]);
    if [protocol_hi, protocol_lo] != [0, 0] || !LENGTH.contains(&length) || !(on_port || input.at_start) {
        return Probe::No;
    }
    let whole = PREFIX.saturating_add(usize::from(length));
    let Some(body) = input.bytes.get(PREFIX..whole) else {
        return if on_port { Probe::More } else { Probe::No };
    };
    let followed = match input.bytes.get(whole..).unwrap_or_default() {
        [_, _, 0, 0, hi, lo, ..] => LENGTH.contains(&u16::from_be_bytes([*hi, *lo])),
        rest => rest.len() < PREFIX && (rest.is_empty() || on_port),
    };
    // On its port also functions that vendors have made up, whose form nobody knows.
    let own = on_port && matches!(body, [_, 1..EXCEPTION_BIT, ..]);
    let form = form(body).or(own.then_some(Form::Either)).filter(|_| followed);
    let Some(form) = form else { return Probe::No };
    let role = match (PORTS.contains(&input.src_port), PORTS.contains(&input.dst_port), form) {
        (true, false, _) | (_, _, Form::Response) => Role::Server,
        _ => Role::Client,
    };
    // Two zero bytes and lengths that fit are no more than a shape, whatever the port.
    Probe::Perhaps(role)
}

/// What a message is, judged by whether its length suits its function (V1.1b3 section 6); `body`
/// begins with the unit.
fn form(body: &[u8]) -> Option<Form> {
    let (&[_unit, function], data) = body.split_first_chunk::<2>()?;
    let counted = |at: usize| {
        data.get(at)
            .is_some_and(|count| data.len() == at.saturating_add(usize::from(*count)).saturating_add(1))
    };
    let (request, response) = match function {
        1..=4 => (data.len() == 4, counted(0)),
        5 | 6 => (data.len() == 4, data.len() == 4),
        7 => (data.is_empty(), data.len() == 1),
        8 => (data.len() >= 4, data.len() >= 4),
        11 => (data.is_empty(), data.len() == 4),
        12 | 17 => (data.is_empty(), counted(0)),
        15 | 16 => (counted(4), data.len() == 4),
        20 | 21 => (counted(0), counted(0)),
        22 => (data.len() == 6, data.len() == 6),
        23 => (counted(8), counted(0)),
        24 => (data.len() == 2, data.len() >= 4),
        43 => (matches!(data, [13 | 14, ..]), matches!(data, [13 | 14, ..])),
        EXCEPTION_BIT.. => (false, matches!(data, [1..=11])),
        _ => (false, false),
    };
    match (request, response) {
        (true, true) => Some(Form::Either),
        (true, false) => Some(Form::Request),
        (false, true) => Some(Form::Response),
        (false, false) => None,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Modbus {
        client: Side::default(),
        server: Side::default(),
        waiting: VecDeque::new(),
        dropped: 0,
        unmatched: Vec::new(),
    })
}

/// Cuts one direction into messages.
#[derive(Debug, Default)]
struct Side {
    head: [u8; HEAD],
    /// Bytes of the message read so far, in `head` while it has room.
    have: usize,
}

/// One request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    transaction: u16,
    unit: u8,
    function: u8,
}

struct Modbus {
    client: Side,
    server: Side,
    /// At most [`MAX_WAITING`], oldest first.
    waiting: VecDeque<Waiting>,
    /// Requests that had to make room.
    dropped: u64,
    /// Functions of responses without request, at most [`MAX_WAITING`]: whether bytes of the client are missing is known
    /// at the end.
    unmatched: Vec<(Seen, u8)>,
}

impl Side {
    /// Takes bytes of one message from the front of `input`: `Some(Ok)` when it is complete,
    /// `Some(Err)` when its header is none.
    fn next(&mut self, input: &mut &[u8]) -> Option<Result<[u8; HEAD], ()>> {
        loop {
            let whole = if self.have < PREFIX {
                PREFIX
            } else {
                let [_, _, protocol_hi, protocol_lo, hi, lo, ..] = self.head;
                let length = u16::from_be_bytes([hi, lo]);
                if [protocol_hi, protocol_lo] != [0, 0] || !LENGTH.contains(&length) {
                    return Some(Err(()));
                }
                PREFIX.saturating_add(usize::from(length))
            };
            let (bytes, rest) =
                input.split_at_checked(whole.saturating_sub(self.have)).unwrap_or((input, &[]));
            *input = rest;
            for (slot, byte) in self.head.iter_mut().skip(self.have).zip(bytes) {
                *slot = *byte;
            }
            self.have = self.have.saturating_add(bytes.len());
            if self.have < whole {
                return None;
            }
            if whole > PREFIX {
                return Some(Ok(std::mem::take(self).head));
            }
        }
    }
}

impl Modbus {
    fn request(&mut self, head: [u8; HEAD], sink: &mut Sink) {
        let [a, b, _, _, _, _, unit, function, _] = head;
        sink.fact(&REQUEST, Value::Uint(u64::from(function)));
        sink.fact(&UNIT, Value::Uint(u64::from(unit)));
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.waiting.push_back(Waiting { transaction: u16::from_be_bytes([a, b]), unit, function });
    }

    fn response(&mut self, head: [u8; HEAD], sink: &mut Sink) {
        let [a, b, _, _, _, length, unit, code, exception] = head;
        let function = code & !EXCEPTION_BIT;
        if code == function {
            sink.fact(&RESPONSE, Value::Uint(u64::from(function)));
        } else if length > 2 {
            sink.fact(&EXCEPTION, Value::Uint(u64::from(exception)));
        }
        let asked = Waiting { transaction: u16::from_be_bytes([a, b]), unit, function };
        match self.waiting.iter().position(|waiting| *waiting == asked) {
            Some(at) => {
                self.waiting.remove(at);
            }
            None if self.unmatched.len() < MAX_WAITING => self.unmatched.push((sink.seen, function)),
            None => {}
        }
    }
}

impl Analyzer for Modbus {
    fn held(&self) -> usize {
        let waiting = self.waiting.capacity().saturating_mul(size_of::<Waiting>());
        waiting.saturating_add(self.unmatched.capacity().saturating_mul(size_of::<(Seen, u8)>()))
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        loop {
            let side = if role == Role::Client { &mut self.client } else { &mut self.server };
            match (side.next(&mut bytes), role) {
                (None, _) => return,
                (Some(Err(())), _) => {
                    sink.broken(&ANOMALY, "header");
                    return sink.give_up();
                }
                (Some(Ok(head)), Role::Client) => self.request(head, sink),
                (Some(Ok(head)), Role::Server) => self.response(head, sink),
            }
        }
    }

    fn end(&mut self, sink: &mut Sink) {
        for (seen, function) in std::mem::take(&mut self.unmatched) {
            if sink.has_all_of(Role::Client) {
                sink.fact_at(seen, &UNMATCHED, Value::Uint(u64::from(function)));
            }
        }
        let unanswered = self.dropped.saturating_add(self.waiting.len() as u64);
        if unanswered > 0 && !sink.lacks.has(Role::Server) {
            sink.fact(&UNANSWERED, Value::Uint(unanswered));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, run};
    use super::*;
    use crate::model::{FrameRef, Timestamp};

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    /// Read holding registers 0 to 9 of unit 1.
    const READ: &[u8] = &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10];
    /// Two registers.
    const ANSWER: &[u8] = &[0, 1, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2];
    /// Write single coil, refused with illegal data address.
    const WRITE: &[u8] = &[0, 2, 0, 0, 0, 6, 1, 5, 0, 9, 0xff, 0];
    const REFUSAL: &[u8] = &[0, 2, 0, 0, 0, 3, 1, 0x85, 2];

    #[test]
    fn what_waits_for_the_end_is_counted() {
        let end = |port| crate::model::Endpoint { ip: [192, 0, 2, 1].into(), port };
        let transport = Transport::Tcp;
        let context =
            Context { transport, client: end(50_000), server: end(502), from_start: true, secrets: None };
        let mut modbus = start(&context);
        let at = Seen { at: Timestamp::new(0, 0), frame: FrameRef::default() };
        modbus.data(S, &ANSWER.repeat(100), &mut Sink::new(at));
        assert!(modbus.held() >= MAX_WAITING * size_of::<(Seen, u8)>(), "{}", modbus.held());
    }

    #[test]
    fn responses_are_matched_to_requests_however_they_are_cut() {
        for size in 1..30 {
            let (asked, told) = ([READ, WRITE, READ].concat(), [REFUSAL, ANSWER, ANSWER, ANSWER].concat());
            let mut talk: Vec<(Role, &[u8])> = asked.chunks(size).map(|part| (C, part)).collect();
            talk.extend(told.chunks(size).map(|part| (S, part)));
            let facts = run(&DEFINITION, &talk);
            assert_eq!(facts.count(&REQUEST), 3);
            assert_eq!(facts.of(&REQUEST).map(|fact| fact.evidence.count).collect::<Vec<_>>(), [2, 1]);
            assert_eq!(facts.count(&RESPONSE), 3);
            assert_eq!(facts.first(&EXCEPTION).unwrap().value, Value::Uint(2));
            assert_eq!(facts.count(&UNMATCHED), 1, "the third answer");
            assert!(!facts.has(&UNANSWERED) && !facts.has(&ANOMALY));
        }
    }

    #[test]
    fn requests_without_response_are_counted() {
        let facts = run(&DEFINITION, &[(C, READ), (C, WRITE), (S, REFUSAL)]);
        assert_eq!(facts.first(&UNANSWERED).unwrap().value, Value::Uint(1));
    }

    #[test]
    fn what_has_no_counterpart_may_have_it_among_missing_bytes() {
        use super::super::testing::{Session, Step, client, server};
        let has = |steps: &[Step], field: &str| !Session::run(&DEFINITION, steps).values(field).is_empty();
        for (step, missing, field) in [
            (client(READ), Role::Server, "modbus.unanswered"),
            (server(ANSWER), Role::Client, "modbus.unmatched"),
        ] {
            assert!(has(std::slice::from_ref(&step), field));
            assert!(!has(&[step, Step::Lacks(missing)], field));
        }
    }

    #[test]
    fn what_may_be_the_middle_of_something_is_no_anomaly() {
        let seen = Seen { at: Timestamp::default(), frame: FrameRef::default() };
        let after = |prepare: fn(&mut Sink)| {
            let mut sink = Sink::new(seen);
            prepare(&mut sink);
            sink.broken(&ANOMALY, "header");
            sink.observations.len()
        };
        assert_eq!(after(|_| {}), 1);
        assert_eq!(after(|sink| sink.before.add(Role::Server)), 0);
        assert_eq!(after(|sink| sink.alone = true), 0);
    }

    #[test]
    fn an_exception_without_code_has_none() {
        let facts = run(&DEFINITION, &[(C, WRITE), (S, &[0, 2, 0, 0, 0, 2, 1, 0x85])]);
        assert!(!facts.has(&EXCEPTION) && !facts.has(&UNANSWERED) && !facts.has(&RESPONSE));
    }

    #[test]
    fn a_broken_header_ends_it() {
        let facts = run(&DEFINITION, &[(C, READ), (C, b"\x00\x01\x00\x07\x00\x06abcdef")]);
        assert!(facts.has(&ANOMALY));
    }

    #[test]
    fn messages_are_recognised_by_a_length_that_suits_their_function() {
        assert_eq!(ask(&DEFINITION, READ, 50_000, 502), Probe::Perhaps(C));
        assert_eq!(ask(&DEFINITION, READ, 50_000, 9999), Probe::Perhaps(C));
        assert_eq!(ask(&DEFINITION, ANSWER, 9999, 50_000), Probe::Perhaps(S));
        assert_eq!(ask(&DEFINITION, REFUSAL, 502, 50_000), Probe::Perhaps(S));
        assert_eq!(ask(&DEFINITION, &[READ, WRITE].concat(), 50_000, 9999), Probe::Perhaps(C));
        for length in 0..READ.len() {
            assert_eq!(ask(&DEFINITION, &READ[..length], 50_000, 502), Probe::More, "{length}");
            assert_eq!(ask(&DEFINITION, &READ[..length], 50_000, 9999), Probe::No, "{length}");
        }
        // A vendor's function is taken on the port only.
        let umas = [0, 0, 0, 0, 0, 4, 0, 0x5a, 0, 2];
        assert_eq!(ask(&DEFINITION, &umas, 50_000, 502), Probe::Perhaps(C));
        assert_eq!(ask(&DEFINITION, &umas, 50_000, 9999), Probe::No);
        // Length too long for the function; protocol not zero; more that is no header.
        assert_eq!(ask(&DEFINITION, &[0, 1, 0, 0, 0, 7, 1, 3, 0, 0, 0, 10, 0], 50_000, 9999), Probe::No);
        assert_eq!(ask(&DEFINITION, &[0, 1, 0, 1, 0, 6, 1, 3, 0, 0, 0, 10], 50_000, 502), Probe::No);
        assert_eq!(ask(&DEFINITION, &[READ, b"abcdefgh"].concat(), 50_000, 9999), Probe::No);
    }
}
