//! IEC 60870-5-104, telecontrol over TCP.
//!
//! Read: control functions (start, stop, test), type and cause of the application data. Recognised by a control function
//! of six bytes where a stream begins, or on its port by a run of messages whose lengths and control fields are right.
//! Not read: addresses, values.

use super::cutter::Cutters;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    CONTROL = "iec104.control", "IEC 60870-5-104 section 5.1",
        "Control function: `startdt-act`, `startdt-con`, `stopdt-act`, `stopdt-con`, `testfr-act`, `testfr-con`.";
    TYPE = "iec104.type", "IEC 60870-5-101 section 7.2.1",
        "Type of application data: 1 to 44 from the process, 45 to 69 commands to it, 100 and up system and parameters; \
         its count is that of the messages.";
    CAUSE = "iec104.cause", "IEC 60870-5-101 section 7.2.3",
        "Cause of transmission, without its flags: 3 spontaneous, 6 activation, 7 its confirmation, 20 interrogated, 44 to \
         47 refused as unknown.";
    NEGATIVE = "iec104.negative", "IEC 60870-5-101 section 7.2.3", "A confirmation was negative; its value is the type.";
    ANOMALY = "iec104.anomaly", "IEC 60870-5-104 section 5", "Bytes that break the protocol: `header`.";
}

/// IEC 60870-5-104 in the registry.
pub static DEFINITION: Definition = Definition {
    id: "iec104",
    title: "IEC 60870-5-104",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[2404];
/// Start byte, length, four bytes of control.
const HEADER: usize = 6;
/// Header; type, number, cause, originator.
const KEPT: usize = HEADER + 4;
const START: u8 = 0x68;

/// What the control field says (section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Supervision,
    Function(&'static str),
}

/// Kind and length of a message whose header is right.
fn header(bytes: &[u8]) -> Option<(Kind, usize)> {
    let [START, length @ 4..=253, control @ ..] = bytes.first_chunk::<HEADER>()? else { return None };
    let kind = match *control {
        [first, _, third, _] if first & 1 == 0 && third & 1 == 0 && *length >= 10 => Kind::Data,
        [1, 0, third, _] if third & 1 == 0 && *length == 4 => Kind::Supervision,
        [function, 0, 0, 0] if *length == 4 => Kind::Function(match function {
            0x07 => "startdt-act",
            0x0b => "startdt-con",
            0x13 => "stopdt-act",
            0x23 => "stopdt-con",
            0x43 => "testfr-act",
            0x83 => "testfr-con",
            _ => return None,
        }),
        _ => return None,
    };
    Some((kind, usize::from(*length).saturating_add(2)))
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    let on_port = input.port_in(PORTS);
    let Some((kind, length)) = header(input.bytes) else {
        let begins = matches!(input.bytes, [] | [START] | [START, 4..=253, ..]) && input.bytes.len() < HEADER;
        return if begins && (on_port || input.at_start) { Probe::More } else { Probe::No };
    };
    let by_port = if PORTS.contains(&input.src_port) { Role::Server } else { Role::Client };
    let rest = input.bytes.get(length..).unwrap_or_default();
    // Another header follows, or nothing.
    let goes_on = rest.len() < HEADER || header(rest).is_some();
    match kind {
        Kind::Function("startdt-act" | "stopdt-act") if goes_on => Probe::Certainly(Role::Client),
        Kind::Function("startdt-con" | "stopdt-con") if goes_on => Probe::Certainly(Role::Server),
        Kind::Function(_) if goes_on => Probe::Certainly(by_port),
        Kind::Data | Kind::Supervision if on_port && goes_on && is_known(input.bytes, kind) => {
            Probe::Certainly(by_port)
        }
        _ => Probe::No,
    }
}

/// Whether data is of a type that exists.
fn is_known(message: &[u8], kind: Kind) -> bool {
    kind != Kind::Data || matches!(message.get(HEADER), Some(1..=127))
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Iec104(Cutters::new(HEADER, KEPT)))
}

struct Iec104(Cutters);

impl Analyzer for Iec104 {
    fn held(&self) -> usize {
        self.0.held()
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let cutter = self.0.of(role);
        while let Some(message) = cutter.next(&mut bytes, |bytes| header(bytes).map(|(_, length)| length)) {
            let Ok(message) = message else {
                sink.broken(&ANOMALY, "header");
                return sink.give_up();
            };
            match (header(&message), message.get(HEADER..)) {
                (Some((Kind::Function(word), _)), _) => sink.fact(&CONTROL, Value::Word(word)),
                (Some((Kind::Data, _)), Some([kind, _, cause, ..])) => {
                    sink.fact(&TYPE, Value::Uint(u64::from(*kind)));
                    sink.fact(&CAUSE, Value::Uint(u64::from(cause & 0x3f)));
                    if cause & 0x40 != 0 {
                        sink.fact(&NEGATIVE, Value::Uint(u64::from(*kind)));
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::ask;
    use super::super::testing::{
        Session, client, every_cut, every_truncation, server, single_bytes, survives_noise,
    };
    use super::*;

    const START_ACT: &[u8] = &[0x68, 4, 7, 0, 0, 0];
    const START_CON: &[u8] = &[0x68, 4, 0x0b, 0, 0, 0];
    /// General interrogation: activation, and its negative confirmation.
    const ASK: &[u8] = &[0x68, 14, 0, 0, 0, 0, 100, 1, 6, 1, 0x0d, 0x91, 0, 0, 0, 20];
    const NO: &[u8] = &[0x68, 14, 0, 0, 2, 0, 100, 1, 0x47, 1, 0x0d, 0x91, 0, 0, 0, 20];
    const ACK: &[u8] = &[0x68, 4, 1, 0, 2, 0];

    #[test]
    fn functions_types_and_causes_are_read_however_they_are_cut() {
        let steps = [client(START_ACT), server(START_CON), client(ASK), server(NO), client(ACK)];
        let expected = [
            "iec104.cause=6 x1",
            "iec104.cause=7 x1",
            "iec104.control=startdt-act x1",
            "iec104.control=startdt-con x1",
            "iec104.negative=100 x1",
            "iec104.type=100 x2",
        ];
        assert_eq!(Session::run(&DEFINITION, &steps).list(), expected);
        for cut in every_cut(&steps).chain([single_bytes(&steps)]) {
            assert_eq!(Session::run(&DEFINITION, &cut).list(), expected);
        }
        every_truncation(&steps).for_each(|cut| drop(Session::run(&DEFINITION, &cut)));
        survives_noise(&DEFINITION, &steps);
    }

    #[test]
    fn a_function_is_recognised_anywhere_and_data_on_its_port() {
        assert_eq!(ask(&DEFINITION, START_ACT, 50_000, 1099), Probe::Certainly(Role::Client));
        assert_eq!(ask(&DEFINITION, START_CON, 2404, 50_000), Probe::Certainly(Role::Server));
        assert_eq!(ask(&DEFINITION, ASK, 50_000, 2404), Probe::Certainly(Role::Client));
        assert_eq!(ask(&DEFINITION, ACK, 2404, 50_000), Probe::Certainly(Role::Server));
        assert_eq!(ask(&DEFINITION, ASK, 50_000, 2405), Probe::No);
        for length in 0..HEADER {
            assert_eq!(ask(&DEFINITION, &START_ACT[..length], 50_000, 2404), Probe::More, "{length}");
        }
        assert_eq!(ask(&DEFINITION, b"hello world", 50_000, 2404), Probe::No);
        assert_eq!(ask(&DEFINITION, &[START_ACT, b"something"].concat(), 50_000, 2404), Probe::No);
    }
}
