//! HART-IP (HCF_SPEC-085): field devices over UDP and TCP.
//!
//! Read: message types and what they carry. Its header of eight bytes has next to no signature, so it is believed on its
//! port only, and even there only may be one: version, types that exist, and a length that is the datagram's. A device may
//! answer from another port, on which the session goes on: there it must begin with a datagram that opens one, of which but
//! the sequence number and the time are given. Not read: HART commands.

use super::cutter::Cutters;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    MESSAGE = "hart-ip.message", "HCF_SPEC-085 section 10.3",
        "What a message is for: `session-initiate`, `session-close`, `keep-alive`, `token-passing`, `direct`; its count \
         is that of the requests, responses and publications together.";
    STATUS = "hart-ip.status", "HCF_SPEC-085 section 10.3", "Status of a response that is not zero.";
}

/// HART-IP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "hart-ip",
    title: "HART-IP (HCF_SPEC-085)",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[5094];
/// Version, type, identifier, status, sequence, length of all.
const HEADER: usize = 8;
const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;
/// A message that nobody asked for, and one that says that something was wrong.
const PUBLISH: u8 = 2;
const NAK: u8 = 15;

struct Message {
    kind: u8,
    name: &'static str,
    status: u8,
    length: usize,
}

fn header(bytes: &[u8]) -> Option<Message> {
    let [1, kind @ (REQUEST | RESPONSE | PUBLISH | NAK), id, status, _, _, hi, lo] =
        *bytes.first_chunk::<HEADER>()?
    else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([hi, lo]));
    let name = match id {
        // The kind of host and a time.
        0 if length >= HEADER + 5 || kind == NAK => "session-initiate",
        1 if length == HEADER => "session-close",
        2 if length == HEADER => "keep-alive",
        3 if length > HEADER => "token-passing",
        4 if length > HEADER => "direct",
        _ => return None,
    };
    (length >= HEADER && (kind != REQUEST || status == 0)).then_some(Message { kind, name, status, length })
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    let is_opening = input.transport == Transport::Udp && opens(input.bytes);
    let Some(message) = header(input.bytes).filter(|_| is_opening || input.port_in(PORTS)) else {
        return Probe::No;
    };
    let is_whole = if input.transport == Transport::Udp {
        input.bytes.len() == message.length
    } else {
        let rest = input.bytes.get(message.length..);
        rest.is_some_and(|rest| rest.is_empty() || header(rest).is_some())
    };
    let role = if message.kind == REQUEST { Role::Client } else { Role::Server };
    if is_whole { Probe::Perhaps(role) } else { Probe::No }
}

/// A session asked for or granted (section 10.3.1): all of it, from a primary or secondary master, with a time in milliseconds
/// up to which nobody need say anything, of at most a day.
fn opens(datagram: &[u8]) -> bool {
    let [1, REQUEST | RESPONSE, 0, 0, _, _, 0, 13, 0 | 1, time @ ..] = datagram else { return false };
    time.try_into().is_ok_and(|time| (1_000..=86_400_000).contains(&u32::from_be_bytes(time)))
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(HartIp(Cutters::new(HEADER, HEADER)))
}

struct HartIp(Cutters);

impl Analyzer for HartIp {
    fn held(&self) -> usize {
        self.0.held()
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let cutter = self.0.of(role);
        while let Some(message) = cutter.next(&mut bytes, |bytes| header(bytes).map(|message| message.length))
        {
            let Ok(message) = message else { return sink.give_up() };
            observe(&message, sink);
        }
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], _: u32, sink: &mut Sink) {
        observe(bytes, sink);
    }
}

fn observe(bytes: &[u8], sink: &mut Sink) {
    let Some(message) = header(bytes) else { return };
    sink.fact(&MESSAGE, Value::Word(message.name));
    if message.status != 0 {
        sink.fact(&STATUS, Value::Uint(u64::from(message.status)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, ask_udp, run, run_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    const OPEN: &[u8] = &[1, 0, 0, 0, 0, 2, 0, 13, 1, 0, 0, 0x75, 0x30];
    const OPENED: &[u8] = &[1, 1, 0, 8, 0, 2, 0, 13, 1, 0, 0, 0x75, 0x30];
    const COMMAND: &[u8] = &[1, 0, 3, 0, 0, 3, 0, 13, 2, 0, 0, 0, 2];

    #[test]
    fn sessions_and_commands_are_counted() {
        let talk = [(C, OPEN), (S, OPENED), (C, COMMAND), (C, &[1, 0, 1, 0, 0, 4, 0, 8][..])];
        for facts in [run_datagrams(&DEFINITION, &talk), run(&DEFINITION, &talk)] {
            let told: Vec<String> =
                facts.iter().map(|fact| format!("{} {}", fact.value, fact.evidence.count)).collect();
            assert_eq!(told, ["session-initiate 2", "8 1", "token-passing 1", "session-close 1"]);
        }
    }

    #[test]
    fn it_may_be_one_on_its_port() {
        assert_eq!(ask_udp(&DEFINITION, OPEN, 50_000, 5094), Probe::Perhaps(C));
        assert_eq!(ask_udp(&DEFINITION, OPENED, 5094, 50_000), Probe::Perhaps(S));
        assert_eq!(ask(&DEFINITION, &[OPEN, COMMAND].concat(), 50_000, 5094), Probe::Perhaps(C));
        assert_eq!(ask_udp(&DEFINITION, OPENED, 5095, 50_000), Probe::No, "granted with a warning");
        for (kind, by) in [(REQUEST, C), (RESPONSE, S)] {
            let opening = [1, kind, 0, 0, 0, 2, 0, 13, 1, 0, 0, 0xea, 0x60];
            assert_eq!(ask_udp(&DEFINITION, &opening, 5095, 49_905), Probe::Perhaps(by));
            for (at, value) in [(0, 2), (1, 2), (2, 3), (3, 8), (6, 1), (7, 12), (8, 2), (9, 6), (11, 0)] {
                let mut other = opening;
                other[at] = value;
                assert_eq!(ask_udp(&DEFINITION, &other, 5095, 49_905), Probe::No, "{at}");
            }
            assert_eq!(ask_udp(&DEFINITION, &[&opening[..], &[0]].concat(), 5095, 49_905), Probe::No);
            assert_eq!(ask(&DEFINITION, &opening, 5095, 49_905), Probe::No, "a stream");
        }
        assert_eq!(ask_udp(&DEFINITION, COMMAND, 5095, 49_905), Probe::No);
        for length in 0..OPEN.len() {
            assert_eq!(ask_udp(&DEFINITION, &OPEN[..length], 50_000, 5094), Probe::No, "{length}");
        }
        assert_eq!(ask_udp(&DEFINITION, &[1, 7, 0, 0, 0, 2, 0, 8], 50_000, 5094), Probe::No);
    }
}
