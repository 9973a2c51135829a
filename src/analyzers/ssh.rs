//! SSH (RFC 4253), recognised by its identification strings.
//!
//! Read: the identification string of both sides (section 4.2). Not read: key exchange and all that
//! follows. A server may send other lines before its string; they are passed over.

use super::lines::LineReader;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Field, Transport, Value};

/// Software version and comments of the client.
pub static CLIENT_SOFTWARE: Field = Field {
    name: "ssh.client_software",
    doc: "Software version and comments in the client's identification string: `OpenSSH_9.2p1 Debian-2`.",
    source: "RFC 4253 section 4.2",
};
/// Software version and comments of the server.
pub static SERVER_SOFTWARE: Field = Field {
    name: "ssh.server_software",
    doc: "Software version and comments in the server's identification string.",
    source: "RFC 4253 section 4.2",
};
/// Protocol version of the client.
pub static CLIENT_PROTOCOL: Field = Field {
    name: "ssh.client_protocol",
    doc: "Protocol version in the client's identification string: `2.0`.",
    source: "RFC 4253 section 4.2",
};
/// Protocol version of the server.
pub static SERVER_PROTOCOL: Field = Field {
    name: "ssh.server_protocol",
    doc: "Protocol version in the server's identification string; `1.99` is 2.0 and 1.x (section 5.1).",
    source: "RFC 4253 sections 4.2 and 5.1",
};

/// SSH in the registry.
pub static DEFINITION: Definition = Definition {
    id: "ssh",
    title: "SSH (RFC 4253)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: &[&CLIENT_SOFTWARE, &SERVER_SOFTWARE, &CLIENT_PROTOCOL, &SERVER_PROTOCOL],
    class: Class::Encrypted,
    probe,
    start,
};

const PORTS: &[u16] = &[22];
/// Longest identification string, its end included.
const MAX_LINE: usize = 255;
/// Lines before the identification string that are passed over.
const MAX_LINES: u8 = 64;

/// `SSH-` and a digit; who sends it only the ports can tell.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let start = b"SSH-";
    match input.bytes.split_at_checked(start.len()) {
        Some((front, [digit, ..])) if front == start && digit.is_ascii_digit() => {
            let server = match (PORTS.contains(&input.src_port), PORTS.contains(&input.dst_port)) {
                (true, false) => true,
                (false, true) => false,
                _ => input.src_port < input.dst_port,
            };
            Probe::Certainly(if server { Role::Server } else { Role::Client })
        }
        Some((front, [])) if front == start => Probe::More,
        None if start.starts_with(input.bytes) => Probe::More,
        _ => Probe::No,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Ssh { client: Side::new(), server: Side::new() })
}

struct Side {
    lines: LineReader,
    /// Lines read so far.
    count: u8,
    identified: bool,
}

impl Side {
    fn new() -> Self {
        Self { lines: LineReader::new(MAX_LINE), count: 0, identified: false }
    }
}

struct Ssh {
    client: Side,
    server: Side,
}

impl Analyzer for Ssh {
    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let (side, protocol, software) = match role {
            Role::Client => (&mut self.client, &CLIENT_PROTOCOL, &CLIENT_SOFTWARE),
            Role::Server => (&mut self.server, &SERVER_PROTOCOL, &SERVER_SOFTWARE),
        };
        while !side.identified && side.lines.next(&mut bytes) {
            if let Some(identification) = side.lines.line().strip_prefix(b"SSH-") {
                let mut parts = identification.splitn(2, |byte| *byte == b'-');
                sink.fact(protocol, Value::text(parts.next().unwrap_or_default()));
                sink.fact(software, Value::text(parts.next().unwrap_or_default()));
                side.identified = true;
            }
            side.count = side.count.saturating_add(1);
            if side.count > MAX_LINES {
                return sink.give_up();
            }
        }
        if self.client.identified && self.server.identified {
            sink.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, run};
    use super::*;

    #[test]
    fn both_identification_strings_are_read_and_nothing_after_them() {
        let talk: &[(Role, &[u8])] = &[
            (Role::Server, b"Authorised use only\r\nSSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
            (Role::Client, b"SSH-2.0-dropbear_2022.83\r\n\x00\x00\x01\x0c"),
        ];
        let facts = run(&DEFINITION, talk);
        let text = |field| facts.first(field).unwrap().value.to_string();
        assert_eq!(text(&SERVER_SOFTWARE), "OpenSSH_9.2p1 Debian-2+deb12u3");
        assert_eq!(text(&CLIENT_SOFTWARE), "dropbear_2022.83");
        assert_eq!((text(&CLIENT_PROTOCOL), text(&SERVER_PROTOCOL)), ("2.0".into(), "2.0".into()));
    }

    #[test]
    fn the_first_five_bytes_decide_and_the_ports_say_who_speaks() {
        for length in 0..5 {
            assert_eq!(ask(&DEFINITION, &b"SSH-2"[..length], 50_000, 22), Probe::More);
        }
        assert_eq!(ask(&DEFINITION, b"SSH-2.0-x", 50_000, 22), Probe::Certainly(Role::Client));
        assert_eq!(ask(&DEFINITION, b"SSH-1.99-x", 2022, 50_000), Probe::Certainly(Role::Server));
        assert_eq!(ask(&DEFINITION, b"SSH is great", 50_000, 22), Probe::No);
    }
}
