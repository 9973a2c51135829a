//! DNP3 (IEEE 1815) over TCP and UDP.
//!
//! Read: link frames whose checksum is right, and the function code of the first transport segment of every message.
//! Recognised by such a frame: two start bytes, a length and a checksum over them. Not read: objects, later segments.

use super::cutter::{Cutter, Cutters};
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    REQUEST = "dnp3.request", "IEEE 1815 section 4.2.2.5",
        "Function code of a request (1 read, 2 write, 3 select, 4 operate, 5 direct operate, 13 cold restart, 20 enable \
         unsolicited, …); its count is that of the requests.";
    RESPONSE = "dnp3.response", "IEEE 1815 section 4.2.2.5", "Function code of a response: 129, or 130 unsolicited.";
    LINK = "dnp3.link", "IEEE 1815 section 9.2.4.1.3",
        "Function code of a link frame without user data (0 reset or acknowledge, 9 request link status, 11 status).";
    MASTER = "dnp3.master", "IEEE 1815 section 9.2.4.1.4", "Link address of a master.";
    OUTSTATION = "dnp3.outstation", "IEEE 1815 section 9.2.4.1.4", "Link address of an outstation.";
    ANOMALY = "dnp3.anomaly", "IEEE 1815 section 9.2.4.3", "Bytes that break the protocol: `header`, `checksum`.";
}

/// DNP3 in the registry.
pub static DEFINITION: Definition = Definition {
    id: "dnp3",
    title: "DNP3 (IEEE 1815)",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: &[20000],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

/// Start bytes, length, control, destination, source, checksum.
const HEADER: usize = 10;
/// The header, and the first block of user data with its checksum.
const KEPT: usize = HEADER + 18;
/// Bytes of user data between two checksums.
const BLOCK: usize = 16;

/// Length of a frame on the wire: that in the header counts control, addresses and user data, but no checksums.
fn length(header: &[u8]) -> Option<usize> {
    let [0x05, 0x64, length @ 5..=255, ..] = *header else { return None };
    let data = usize::from(length).saturating_sub(5);
    let checksums = data.div_ceil(BLOCK).saturating_mul(2);
    Some(HEADER.saturating_add(data).saturating_add(checksums))
}

/// Checksum of section 9.2.4.3: polynomial 0x3d65, reflected, inverted at the end.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let byte = |sum: u16, byte: &u8| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xa6bc } else { sum >> 1 })
    };
    (!bytes.iter().fold(0, byte)).to_le_bytes()
}

/// Control of a header whose checksum is right.
fn control(bytes: &[u8]) -> Option<u8> {
    length(bytes.get(..HEADER)?)?;
    let (head, rest) = bytes.split_at_checked(HEADER - 2)?;
    let sum = rest.first_chunk::<2>()?;
    if checksum(head) == *sum { head.get(3).copied() } else { None }
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    match control(input.bytes) {
        Some(control) => Probe::Certainly(if control & 0x80 == 0 { Role::Server } else { Role::Client }),
        None if input.transport == Transport::Tcp && input.bytes.len() < HEADER && input.at_start => {
            let begins = b"\x05\x64".starts_with(input.bytes) || input.bytes.starts_with(b"\x05\x64");
            if begins { Probe::More } else { Probe::No }
        }
        None => Probe::No,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Dnp3(Cutters::new(HEADER, KEPT)))
}

struct Dnp3(Cutters);

impl Analyzer for Dnp3 {
    fn held(&self) -> usize {
        self.0.held()
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let cutter = self.0.of(role);
        while let Some(frame) = cutter.next(&mut bytes, length) {
            let Ok(frame) = frame else {
                sink.broken(&ANOMALY, "header");
                return sink.give_up();
            };
            observe(&frame, sink);
        }
    }

    fn datagram(&mut self, _: Role, mut bytes: &[u8], _: u32, sink: &mut Sink) {
        let mut cutter = Cutter::new(HEADER, KEPT);
        while let Some(Ok(frame)) = cutter.next(&mut bytes, length) {
            observe(&frame, sink);
        }
    }
}

fn observe(frame: &[u8], sink: &mut Sink) {
    let (Some(control), Some([_, _, _, _, a, b, c, d, _, _])) =
        (control(frame), frame.first_chunk::<HEADER>())
    else {
        return sink.fact(&ANOMALY, Value::Word("checksum"));
    };
    let (to, from) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
    let is_master = control & 0x80 != 0;
    let (master, outstation) = if is_master { (from, to) } else { (to, from) };
    sink.fact(&MASTER, Value::Uint(u64::from(master)));
    sink.fact(&OUTSTATION, Value::Uint(u64::from(outstation)));
    // Primary frames with user data: 3 confirmed, 4 unconfirmed (table 9-3).
    let has_data = control & 0x40 != 0 && matches!(control & 0x0f, 3 | 4);
    if !has_data {
        return sink.fact(&LINK, Value::Uint(u64::from(control & 0x0f)));
    }
    // Transport octet with its first-segment bit, application control, function.
    let Some([transport, _, function, ..]) = frame.get(HEADER..) else { return };
    if transport & 0x40 != 0 {
        let field = if *function >= 0x81 { &RESPONSE } else { &REQUEST };
        sink.fact(field, Value::Uint(u64::from(*function)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, ask_udp, run_datagrams};
    use super::super::testing::{
        Session, client, every_cut, every_truncation, server, single_bytes, survives_noise,
    };
    use super::*;

    /// A write of outstation 1 by master 100, its response, and a request of the link's status, from the test captures
    /// of Zeek.
    const WRITE: &[u8] = &[
        0x05, 0x64, 0x0e, 0xc4, 0x01, 0x00, 0x64, 0x00, 0xcd, 0x12, 0xcc, 0xce, 0x02, 0x50, 0x01, 0x00, 0x07,
        0x07, 0x00, 0x38, 0x35,
    ];
    const RESPONSE_FRAME: &[u8] = &[
        0x05, 0x64, 0x0a, 0x44, 0x64, 0x00, 0x01, 0x00, 0xcb, 0xe1, 0xf7, 0xce, 0x81, 0x00, 0x00, 0xec, 0x52,
    ];
    const STATUS: &[u8] = &[0x05, 0x64, 0x05, 0x49, 0x64, 0x00, 0x01, 0x00, 0x7e, 0x5f];

    #[test]
    fn functions_are_read_however_they_are_cut() {
        let steps = [client(WRITE), server([RESPONSE_FRAME, STATUS].concat())];
        let expected = [
            "dnp3.link=9 x1",
            "dnp3.master=100 x3",
            "dnp3.outstation=1 x3",
            "dnp3.request=2 x1",
            "dnp3.response=129 x1",
        ];
        assert_eq!(Session::run(&DEFINITION, &steps).list(), expected);
        for cut in every_cut(&steps).chain([single_bytes(&steps)]) {
            assert_eq!(Session::run(&DEFINITION, &cut).list(), expected);
        }
        every_truncation(&steps).for_each(|cut| drop(Session::run(&DEFINITION, &cut)));
        survives_noise(&DEFINITION, &steps);
        let facts = run_datagrams(&DEFINITION, &[(Role::Client, WRITE), (Role::Server, RESPONSE_FRAME)]);
        assert_eq!((facts.count(&REQUEST), facts.count(&RESPONSE)), (1, 1));
    }

    #[test]
    fn only_a_right_checksum_convinces() {
        assert_eq!(ask(&DEFINITION, WRITE, 50_000, 9), Probe::Certainly(Role::Client));
        assert_eq!(ask_udp(&DEFINITION, STATUS, 20000, 50_000), Probe::Certainly(Role::Server));
        for length in 0..HEADER {
            assert_eq!(ask(&DEFINITION, &WRITE[..length], 50_000, 20000), Probe::More, "{length}");
            assert_eq!(ask_udp(&DEFINITION, &WRITE[..length], 50_000, 20000), Probe::No, "{length}");
        }
        let mut wrong = WRITE.to_vec();
        wrong[3] ^= 1;
        assert_eq!(ask(&DEFINITION, &wrong, 50_000, 20000), Probe::No);
    }
}
