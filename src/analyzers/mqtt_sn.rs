//! MQTT-SN 1.2, MQTT for sensor networks over UDP.
//!
//! Read: message types, client identifier and keep alive of CONNECT, return codes. Recognised by a length that is the
//! datagram's and a type whose message can have it: certain on its usual ports, elsewhere a CONNECT only may be one. Not
//! read: topics and messages.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    MESSAGE = "mqtt-sn.message", "MQTT-SN 1.2 section 5.2.2",
        "Type of a message: `connect`, `publish`, `pingreq`, …; its count is that of the messages.";
    CLIENT_ID = "mqtt-sn.client_id", "MQTT-SN 1.2 section 5.4.4", "Client identifier in a CONNECT.";
    KEEP_ALIVE = "mqtt-sn.keep_alive", "MQTT-SN 1.2 section 5.4.4", "Keep alive in a CONNECT, in seconds.";
    RETURN_CODE = "mqtt-sn.return_code", "MQTT-SN 1.2 section 5.3.10",
        "Return code of a CONNACK: 0 accepted, 1 congestion, 2 invalid topic, 3 not supported.";
}

/// MQTT-SN in the registry.
pub static DEFINITION: Definition = Definition {
    id: "mqtt-sn",
    title: "MQTT-SN 1.2",
    transports: &[Transport::Udp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

/// None is registered; those of the usual gateways.
const PORTS: &[u16] = &[1883, 1884, 10000];
const CONNECT: u8 = 0x04;
/// The only version (section 5.3.8).
const PROTOCOL: u8 = 0x01;

/// Type and what follows it, of a datagram that is one whole message.
fn message(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (length, rest) = match *bytes {
        // A length in two bytes more, for messages that do not fit one (section 5.2.1).
        [1, hi, lo, ref rest @ ..] => (usize::from(u16::from_be_bytes([hi, lo])), rest),
        [length, ref rest @ ..] => (usize::from(length), rest),
        [] => return None,
    };
    let (kind, body) = rest.split_first()?;
    (length == bytes.len() && fits(*kind, body)).then_some((*kind, body))
}

/// Whether a message of this type may have this body (section 5.4).
fn fits(kind: u8, body: &[u8]) -> bool {
    let length = body.len();
    match kind {
        0x00 => length == 3,
        0x01 | 0x03 | 0x05 | 0x1b | 0x1d => length == 1,
        0x02 => length >= 1,
        CONNECT => matches!(body, [flags, PROTOCOL, _, _, _, ..] if flags & 0xf0 == 0) && length <= 4 + 23,
        0x06 | 0x08 | 0x17 => length == 0,
        0x07 | 0x09 | 0x1a => length <= 256,
        0x0a | 0x0c => length >= 5,
        0x0b | 0x0d => length == 5,
        0x0e..=0x10 | 0x15 => length == 2,
        0x12 | 0x14 => length >= 3,
        0x13 => length == 6,
        0x16 => length <= 23,
        0x18 => length == 0 || length == 2,
        _ => false,
    }
}

fn name(kind: u8) -> &'static str {
    match kind {
        0x00 => "advertise",
        0x01 => "searchgw",
        0x02 => "gwinfo",
        CONNECT => "connect",
        0x05 => "connack",
        0x06 => "willtopicreq",
        0x07 => "willtopic",
        0x08 => "willmsgreq",
        0x09 => "willmsg",
        0x0a => "register",
        0x0b => "regack",
        0x0c => "publish",
        0x0d => "puback",
        0x0e => "pubcomp",
        0x0f => "pubrec",
        0x10 => "pubrel",
        0x12 => "subscribe",
        0x13 => "suback",
        0x14 => "unsubscribe",
        0x15 => "unsuback",
        0x16 => "pingreq",
        0x17 => "pingresp",
        0x18 => "disconnect",
        0x1a => "willtopicupd",
        0x1b => "willtopicresp",
        0x1d => "willmsgresp",
        _ => "other",
    }
}

fn probe(input: &ProbeInput<'_>) -> Probe {
    let Some((kind, body)) = message(input.bytes) else { return Probe::No };
    let role = match kind {
        0x00 | 0x02 | 0x05 | 0x06 | 0x08 | 0x0b | 0x13 | 0x15 | 0x17 => Role::Server,
        _ if PORTS.contains(&input.src_port) && !PORTS.contains(&input.dst_port) => Role::Server,
        _ => Role::Client,
    };
    let is_text = body.get(4..).is_some_and(|id| !id.is_empty() && id.iter().all(u8::is_ascii_graphic));
    match input.port_in(PORTS) {
        true if kind == CONNECT && is_text => Probe::Certainly(role),
        true => Probe::Perhaps(role),
        false if kind == CONNECT && is_text => Probe::Perhaps(role),
        false => Probe::No,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(MqttSn)
}

struct MqttSn;

impl Analyzer for MqttSn {
    fn data(&mut self, _: Role, _: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let Some((kind, body)) = message(bytes).filter(|_| missed == 0) else { return };
        sink.fact(&MESSAGE, Value::Word(name(kind)));
        match (kind, body) {
            (CONNECT, [_, _, hi, lo, id @ ..]) => {
                sink.fact(&CLIENT_ID, text(id, 64));
                sink.fact(&KEEP_ALIVE, Value::Uint(u64::from(u16::from_be_bytes([*hi, *lo]))));
            }
            (0x05, [code]) => sink.fact(&RETURN_CODE, Value::Uint(u64::from(*code))),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask_udp, run_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    const HELLO: &[u8] = b"\x0c\x04\x04\x01\x00\x3csensor";
    const OK: &[u8] = &[3, 5, 0];
    const PING: &[u8] = &[2, 0x16];

    #[test]
    fn a_connect_its_answer_and_pings_are_read() {
        let facts = run_datagrams(&DEFINITION, &[(C, HELLO), (S, OK), (C, PING), (S, &[2, 0x17])]);
        let told: Vec<String> =
            facts.iter().map(|fact| format!("{}={}", fact.field.name, fact.value)).collect();
        let expected = [
            "mqtt-sn.message=connect",
            "mqtt-sn.client_id=sensor",
            "mqtt-sn.keep_alive=60",
            "mqtt-sn.message=connack",
            "mqtt-sn.return_code=0",
            "mqtt-sn.message=pingreq",
            "mqtt-sn.message=pingresp",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn only_whole_messages_that_can_be_are_recognised() {
        assert_eq!(ask_udp(&DEFINITION, HELLO, 50_000, 1883), Probe::Certainly(C));
        assert_eq!(ask_udp(&DEFINITION, HELLO, 50_000, 9), Probe::Perhaps(C));
        assert_eq!(ask_udp(&DEFINITION, OK, 1884, 50_000), Probe::Perhaps(S));
        assert_eq!(ask_udp(&DEFINITION, OK, 9, 50_000), Probe::No);
        for length in 0..HELLO.len() {
            assert_eq!(ask_udp(&DEFINITION, &HELLO[..length], 50_000, 1883), Probe::No, "{length}");
        }
        let long = [&[1, 1, 8, 0x0c, 0, 0, 1, 0, 0][..], &[7; 255]].concat();
        assert_eq!(ask_udp(&DEFINITION, &long, 50_000, 1883), Probe::Perhaps(C));
        assert_eq!(ask_udp(&DEFINITION, &[3, 0x19, 0], 50_000, 1883), Probe::No);
    }
}
