//! AMQP, recognised by its protocol header: eight bytes, `AMQP` and a version.
//!
//! Read: the header of the client, and what the server makes of it. A server of 0-9-1 that does not
//! speak the version offered sends a header with one that it does, and closes (0-9-1 section
//! 4.2.2); a server of 1.0 answers with a header in any case (1.0 part 2 section 2.2). Not read:
//! frames.

use super::{Analyzer, Class, Context, Definition, Next, Probe, ProbeInput, Role, Sink};
use crate::model::{Field, Transport, Value};

/// Version that the client asks for.
pub static OFFERED_VERSION: Field = Field {
    name: "amqp.offered_version",
    doc: "Version in the client's protocol header: `0-9-1`, `1.0`; other headers in hex.",
    source: "AMQP 0-9-1 section 4.2.2, AMQP 1.0 part 2 section 2.2",
};
/// Version that the server names.
pub static SERVER_VERSION: Field = Field {
    name: "amqp.server_version",
    doc: "Version in a protocol header of the server; before 1.0 it sends one only to refuse.",
    source: "AMQP 0-9-1 section 4.2.2, AMQP 1.0 part 2 section 2.2",
};
/// The server does not speak the version.
pub static REFUSED: Field = Field {
    name: "amqp.refused",
    doc: "The server answered with a protocol header of another version than the client's.",
    source: "AMQP 0-9-1 section 4.2.2, AMQP 1.0 part 2 section 2.2",
};
/// The server goes on.
pub static ACCEPTED: Field = Field {
    name: "amqp.accepted",
    doc: "The server went on with the version offered: Connection.Start before 1.0, the same header in 1.0.",
    source: "AMQP 0-9-1 section 4.2.2, AMQP 1.0 part 2 section 2.2",
};

/// AMQP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "amqp",
    title: "AMQP 0-8 to 0-10 and 1.0 (OASIS), protocol header",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: &[&OFFERED_VERSION, &SERVER_VERSION, &REFUSED, &ACCEPTED],
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[5672];
const MAGIC: &[u8] = b"AMQP";
const HEADER: usize = 8;

/// The client speaks first; a server's header looks the same, so its port tells.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start {
        return Probe::No;
    }
    match input.bytes.first_chunk::<HEADER>() {
        Some(header) if version(*header).is_some() => {
            let server = PORTS.contains(&input.src_port) && !PORTS.contains(&input.dst_port);
            Probe::Certainly(if server { Role::Server } else { Role::Client })
        }
        Some(_) => Probe::No,
        None => {
            let length = input.bytes.len().min(MAGIC.len());
            if input.bytes.get(..length) == MAGIC.get(..length) { Probe::More } else { Probe::No }
        }
    }
}

/// The version in a protocol header; `None` if it is none.
fn version(header: [u8; HEADER]) -> Option<String> {
    let [b'A', b'M', b'Q', b'P', a, b, c, d] = header else { return None };
    match [a, b, c, d] {
        [0, 0, 9, 1] => Some("0-9-1".into()),
        [1, 1, 0, 9] => Some("0-9".into()),
        [1, 1, 8, 0] => Some("0-8".into()),
        [1, 1, 0, 10] => Some("0-10".into()),
        [0, 1, 0, 0] => Some("1.0".into()),
        [TLS, 1, 0, 0] => Some("1.0 tls".into()),
        [3, 1, 0, 0] => Some("1.0 sasl".into()),
        other if other.iter().all(|byte| *byte < 32) => Some(format!("{a:02x}{b:02x}{c:02x}{d:02x}")),
        _ => None,
    }
}

/// Protocol identifier of TLS below AMQP 1.0 (part 5 section 5.2).
const TLS: u8 = 2;

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Amqp { client: Vec::new(), server: Vec::new() })
}

/// First bytes of each side, at most [`HEADER`].
struct Amqp {
    client: Vec<u8>,
    server: Vec<u8>,
}

impl Analyzer for Amqp {
    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        let start = if role == Role::Client { &mut self.client } else { &mut self.server };
        let room = HEADER.saturating_sub(start.len());
        if room == 0 {
            return;
        }
        start.extend(bytes.iter().take(room));
        let Some(header) = start.first_chunk::<HEADER>() else { return };
        let version = version(*header);
        if role == Role::Client {
            match version {
                Some(version) => sink.fact(&OFFERED_VERSION, Value::Text(version.into())),
                None => sink.give_up(),
            }
            return;
        }
        let same = self.server == self.client;
        let is_header = version.is_some();
        if let Some(version) = version {
            sink.fact(&SERVER_VERSION, Value::Text(version.into()));
        }
        sink.fact(if same || !is_header { &ACCEPTED } else { &REFUSED }, Value::Yes);
        if same && self.client.get(4) == Some(&TLS) {
            sink.hand_over(Next::Named("tls"));
            sink.forward(role, bytes.get(room..).unwrap_or_default());
        }
        sink.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, run};
    use super::*;

    #[test]
    fn a_server_that_starts_a_connection_accepts() {
        let talk: &[(Role, &[u8])] = &[
            (Role::Client, b"AMQP\x00\x00\x09\x01"),
            (Role::Server, b"\x01\x00\x00\x00\x00\x01\xd0\x00\x0a\x00\x0a\x00\x09"),
        ];
        let facts = run(&DEFINITION, talk);
        assert_eq!(facts.first(&OFFERED_VERSION).unwrap().value.to_string(), "0-9-1");
        assert!(facts.has(&ACCEPTED) && !facts.has(&REFUSED) && !facts.has(&SERVER_VERSION));
    }

    #[test]
    fn a_server_that_names_another_version_refuses() {
        let talk: &[(Role, &[u8])] =
            &[(Role::Client, b"AMQP\x00\x01\x00\x00"), (Role::Server, b"AMQP\x00\x00\x09\x01")];
        let facts = run(&DEFINITION, talk);
        assert_eq!(facts.first(&OFFERED_VERSION).unwrap().value.to_string(), "1.0");
        assert_eq!(facts.first(&SERVER_VERSION).unwrap().value.to_string(), "0-9-1");
        assert!(facts.has(&REFUSED) && !facts.has(&ACCEPTED));
    }

    #[test]
    fn the_header_is_recognised_whole() {
        let header = b"AMQP\x03\x01\x00\x00";
        for length in 0..8 {
            assert_eq!(ask(&DEFINITION, &header[..length], 50_000, 5672), Probe::More, "{length}");
        }
        assert_eq!(ask(&DEFINITION, header, 50_000, 5672), Probe::Certainly(Role::Client));
        assert_eq!(ask(&DEFINITION, header, 5672, 50_000), Probe::Certainly(Role::Server));
        assert_eq!(ask(&DEFINITION, b"AMQPisfun", 50_000, 5672), Probe::No);
    }
}
