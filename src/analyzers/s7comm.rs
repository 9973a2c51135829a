//! S7 communication of Siemens controllers over ISO transport on TCP (RFC 1006, ISO 8073). Siemens publishes no
//! specification; what is read here is what implementations agree on.
//!
//! Read: function codes of jobs and their answers, errors, and whether it is the later protocol of S7-1200 and S7-1500
//! (0x72), of which nothing else is read. Recognised by the first message inside the transport: its connection request
//! looks like that of RDP and MMS. Not read: addresses, values, user data, messages spread over several transport ones.

use super::cutter::Cutters;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    PROTOCOL = "s7comm.protocol", "-", "`s7` (protocol identifier 0x32) or `s7-plus` (0x72).";
    FUNCTION = "s7comm.function", "-",
        "Function code of a job: 4 read, 5 write, 26 to 31 down- and upload, 40 control, 41 stop, 240 set-up; its count \
         is that of the jobs.";
    ANSWERED = "s7comm.answered", "-", "Function code of the answer to a job, without error.";
    USER_DATA = "s7comm.user_data", "-", "Messages of type 7: diagnostics, clock, blocks, security.";
    ERROR = "s7comm.error", "-", "Error class (high byte) and code (low byte) of an answer that are not zero.";
    ANOMALY = "s7comm.anomaly", "RFC 1006 section 6", "Bytes that break the protocol: `header`.";
}

/// S7 in the registry.
pub static DEFINITION: Definition = Definition {
    id: "s7comm",
    title: "S7 communication over ISO transport (RFC 1006)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[102];
/// Version, reserved, length (RFC 1006 section 6).
const HEADER: usize = 4;
/// Packets in which the first data is looked for.
const MAX_PACKETS: usize = 3;
/// What is read of a message: its headers, and the function behind them.
const KEPT: usize = 32;

/// Length of a transport packet.
fn length(header: &[u8]) -> Option<usize> {
    let [3, 0, hi, lo] = *header else { return None };
    Some(usize::from(u16::from_be_bytes([hi, lo]))).filter(|length| *length >= 7)
}

/// What a packet holds.
enum Packet<'a> {
    /// A request for a connection, or its confirmation.
    Connection,
    Data(&'a [u8]),
    Other,
}

fn packet(bytes: &[u8]) -> Packet<'_> {
    match bytes.get(HEADER..).unwrap_or_default() {
        // Length of the header; number and end-of-message bit.
        [2, 0xf0, _, data @ ..] => Packet::Data(data),
        // Two references and class 0, then parameters: packet size and selectors, not a cookie.
        [_, 0xe0 | 0xd0, _, _, _, _, 0, 0xc0..=0xc2, ..] => Packet::Connection,
        _ => Packet::Other,
    }
}

/// The first data must be S7's.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let mut rest = input.bytes;
    for _ in 0..MAX_PACKETS {
        let Some(header) = rest.get(..HEADER) else {
            return if b"\x03\x00".starts_with(rest) || rest.starts_with(b"\x03\x00") {
                Probe::More
            } else {
                Probe::No
            };
        };
        let Some(length) = length(header) else { return Probe::No };
        let whole = rest.get(..length);
        match packet(whole.unwrap_or(rest)) {
            // A message may begin with packets that have next to nothing in them.
            Packet::Data(data) if whole.is_none() || data.len() >= 4 => {
                return judge(data, whole.is_some(), input);
            }
            Packet::Data(_) | Packet::Connection if whole.is_some() => {
                rest = rest.get(length..).unwrap_or_default();
            }
            Packet::Data(_) | Packet::Connection => return Probe::More,
            Packet::Other => return if rest.len() < 12 { Probe::More } else { Probe::No },
        }
    }
    Probe::No
}

fn judge(data: &[u8], whole: bool, input: &ProbeInput<'_>) -> Probe {
    let by_port = if PORTS.contains(&input.src_port) { Role::Server } else { Role::Client };
    match *data {
        [0x32, 1, 0, 0, ..] => Probe::Certainly(Role::Client),
        [0x32, 2 | 3, 0, 0, ..] => Probe::Certainly(Role::Server),
        [0x32, 7, 0, 0, ..] => Probe::Certainly(by_port),
        [0x72, 1..=3 | 0xfe, _, _, ..] if input.port_in(PORTS) => Probe::Certainly(by_port),
        [0x32, 1 | 2 | 3 | 7, 0] | [0x32, 1 | 2 | 3 | 7] | [0x32 | 0x72] | [] if !whole => Probe::More,
        _ => Probe::No,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(S7(Cutters::new(HEADER, KEPT)))
}

struct S7(Cutters);

impl Analyzer for S7 {
    fn held(&self) -> usize {
        self.0.held()
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let cutter = self.0.of(role);
        while let Some(message) = cutter.next(&mut bytes, length) {
            let Ok(message) = message else {
                sink.broken(&ANOMALY, "header");
                return sink.give_up();
            };
            if let Packet::Data(data) = packet(&message) {
                observe(data, sink);
            }
        }
    }
}

/// Identifier, type, reserved, reference, lengths of parameters and data; in answers error class and code; parameters.
fn observe(data: &[u8], sink: &mut Sink) {
    match *data {
        [0x72, ..] => sink.fact(&PROTOCOL, Value::Word("s7-plus")),
        [0x32, kind, _, _, _, _, _, _, _, _, ref rest @ ..] => {
            sink.fact(&PROTOCOL, Value::Word("s7"));
            match (kind, rest) {
                (1, [function, ..]) => sink.fact(&FUNCTION, Value::Uint(u64::from(*function))),
                (2 | 3, [0, 0, function, ..]) => sink.fact(&ANSWERED, Value::Uint(u64::from(*function))),
                (2 | 3, [class, code, ..]) if [*class, *code] != [0, 0] => {
                    sink.fact(&ERROR, Value::Uint(u64::from(u16::from_be_bytes([*class, *code]))));
                }
                (7, _) => sink.fact(&USER_DATA, Value::Yes),
                _ => {}
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::ask;
    use super::super::testing::{
        Session, client, every_cut, every_truncation, server, single_bytes, survives_noise,
    };
    use super::*;

    /// Connection request and confirmation with packet size and selectors.
    const REQUEST: &[u8] =
        b"\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x01\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02";
    const CONFIRM: &[u8] =
        b"\x03\x00\x00\x16\x11\xd0\x00\x01\x00\x07\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02";
    /// As snap7 sets a connection up.
    const SETUP: &[u8] =
        b"\x03\x00\x00\x19\x02\xf0\x80\x32\x01\x00\x00\xff\xff\x00\x08\x00\x00\xf0\x00\x00\x01\x00\x01\x07\x80";
    const AGREED: &[u8] =
        b"\x03\x00\x00\x1b\x02\xf0\x80\x32\x03\x00\x00\xff\xff\x00\x08\x00\x00\x00\x00\xf0\x00\x00\x01\x00\x01\x00\xf0";
    const REFUSED: &[u8] = b"\x03\x00\x00\x13\x02\xf0\x80\x32\x02\x00\x00\x00\x01\x00\x00\x00\x00\x85\x00";

    #[test]
    fn jobs_and_answers_are_read_however_they_are_cut() {
        let steps = [client(REQUEST), server(CONFIRM), client(SETUP), server(AGREED), server(REFUSED)];
        let expected = [
            "s7comm.answered=240 x1",
            "s7comm.error=34048 x1",
            "s7comm.function=240 x1",
            "s7comm.protocol=s7 x3",
        ];
        assert_eq!(Session::run(&DEFINITION, &steps).list(), expected);
        for cut in every_cut(&steps).chain([single_bytes(&steps)]) {
            assert_eq!(Session::run(&DEFINITION, &cut).list(), expected);
        }
        every_truncation(&steps).for_each(|cut| drop(Session::run(&DEFINITION, &cut)));
        survives_noise(&DEFINITION, &steps);
    }

    #[test]
    fn the_first_data_decides() {
        assert_eq!(ask(&DEFINITION, REQUEST, 50_000, 102), Probe::More);
        let whole = [REQUEST, SETUP].concat();
        for length in 0..REQUEST.len() + 11 {
            assert_eq!(ask(&DEFINITION, &whole[..length], 50_000, 102), Probe::More, "{length}");
        }
        assert_eq!(ask(&DEFINITION, &whole, 50_000, 102), Probe::Certainly(Role::Client));
        assert_eq!(ask(&DEFINITION, AGREED, 102, 50_000), Probe::Certainly(Role::Server));
        let plus = b"\x03\x00\x00\x11\x02\xf0\x80\x72\x01\x00\x02\x31\x04\xca\x00\x00\x00";
        assert_eq!(ask(&DEFINITION, plus, 50_000, 102), Probe::Certainly(Role::Client));
        assert_eq!(ask(&DEFINITION, plus, 50_000, 103), Probe::No);
        // RDP, MMS (session layer), something else.
        let rdp = b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00";
        assert_eq!(ask(&DEFINITION, rdp, 50_000, 3389), Probe::No);
        let mms = [REQUEST, b"\x03\x00\x00\x0b\x02\xf0\x80\x0d\xb2\x05\x06"].concat();
        assert_eq!(ask(&DEFINITION, &mms, 50_000, 102), Probe::No);
        assert_eq!(ask(&DEFINITION, b"\x03\x00\x00\x02", 50_000, 102), Probe::No);
        assert_eq!(ask(&DEFINITION, b"\x03\x01", 50_000, 102), Probe::No);
    }
}
