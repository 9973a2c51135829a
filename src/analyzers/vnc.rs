//! VNC, the RFB protocol (RFC 6143), up to the choice of its security.
//!
//! Read: versions, security types offered and chosen, whether it is accepted. Not read: what follows, also TLS within
//! VeNCrypt.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    SERVER_VERSION = "vnc.server_version", "RFC 6143 section 7.1.1",
        "Version that the server offers: `3.8`.";
    CLIENT_VERSION = "vnc.client_version", "RFC 6143 section 7.1.1",
        "Version that the client chooses.";
    OFFERED_SECURITY = "vnc.offered_security", "RFC 6143 section 7.1.2",
        "Number of a security type that the server offers: 1 none, 2 a challenge, 16 to 19 with encryption.";
    SECURITY = "vnc.security", "RFC 6143 section 7.1.2",
        "Number of the security type that is used; before 3.7 the server alone chooses.";
}

/// VNC in the registry.
pub static DEFINITION: Definition = Definition {
    id: "vnc",
    title: "VNC, RFB (RFC 6143)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[5900, 5901];
const VERSION: usize = 12;
/// A list of security types: its length and that many bytes.
const MAX_LIST: usize = 256;

/// `RFB 003.008` and a line feed; the server speaks first, so ports tell who this is.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let fits = input.bytes.iter().zip(b"RFB 000.000\n").all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        literal => byte == literal,
    });
    match (input.at_start && fits, input.bytes.len()) {
        (false, _) => Probe::No,
        (true, VERSION..) => Probe::Certainly(input.role_by_port(PORTS)),
        (true, _) => Probe::More,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Vnc { client: Vec::new(), server: Vec::new(), offered: false })
}

struct Vnc {
    /// The first bytes of each side.
    client: Vec<u8>,
    server: Vec<u8>,
    offered: bool,
}

/// The version in the first twelve bytes, as two numbers.
fn version(bytes: &[u8]) -> Option<(u16, u16)> {
    let number = |at: std::ops::Range<usize>| str::from_utf8(bytes.get(at)?).ok()?.parse().ok();
    Some((number(4..7)?, number(8..11)?))
}

impl Analyzer for Vnc {
    fn held(&self) -> usize {
        self.client.capacity().saturating_add(self.server.capacity())
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        let (side, field) = match role {
            Role::Client => (&mut self.client, &CLIENT_VERSION),
            Role::Server => (&mut self.server, &SERVER_VERSION),
        };
        let before = side.len();
        let room = VERSION.saturating_add(MAX_LIST).saturating_sub(before);
        side.extend(bytes.iter().take(room));
        if before < VERSION && side.len() >= VERSION {
            let Some((major, minor)) = version(side) else { return sink.give_up() };
            sink.fact(field, Value::text(format!("{major}.{minor}").as_bytes()));
        }
        // What the server sends depends on the version that the client chose.
        let Some(chosen) = version(&self.client) else { return };
        let after = self.server.get(VERSION..).unwrap_or_default();
        if chosen < (3, 7) {
            if let Some(kind) = after.first_chunk::<4>() {
                sink.fact(&SECURITY, Value::Uint(u64::from(u32::from_be_bytes(*kind))));
                sink.finish();
            }
            return;
        }
        let Some((count, kinds)) = after.split_first() else { return };
        let Some(kinds) = kinds.get(..usize::from(*count)) else { return };
        if !std::mem::replace(&mut self.offered, true) {
            for kind in kinds {
                sink.fact(&OFFERED_SECURITY, Value::Uint(u64::from(*kind)));
            }
        }
        if *count == 0 {
            sink.finish();
        } else if let Some(kind) = self.client.get(VERSION) {
            sink.fact(&SECURITY, Value::Uint(u64::from(*kind)));
            sink.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, list, steady, told};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    #[test]
    fn the_choice_of_security_is_read() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"RFB 003.008\n"),
            (C, b"RFB 003.008\n"),
            (S, b"\x02\x02\x13"),
            (C, b"\x02"),
            (S, b"0123456789abcdef"),
        ];
        assert_eq!(
            list(&steady(&DEFINITION, talk)),
            [
                "vnc.server_version=3.8 x1",
                "vnc.client_version=3.8 x1",
                "vnc.offered_security=2 x1",
                "vnc.offered_security=19 x1",
                "vnc.security=2 x1"
            ]
        );
        let old: &[(Role, &[u8])] = &[(S, b"RFB 003.008\n"), (C, b"RFB 003.003\n"), (S, b"\0\0\0\x01")];
        assert_eq!(
            list(&steady(&DEFINITION, old)),
            ["vnc.server_version=3.8 x1", "vnc.client_version=3.3 x1", "vnc.security=1 x1"]
        );
    }

    #[test]
    fn the_version_is_recognised() {
        assert_eq!(ask(&DEFINITION, b"RFB 003.008\n", 5900, 50_000), Probe::Certainly(S));
        assert!(matches!(told(&DEFINITION, b"RFB 004.001\n"), Probe::Certainly(_)));
        assert_eq!(told(&DEFINITION, b"RFB 3.8\n"), Probe::No);
    }
}
