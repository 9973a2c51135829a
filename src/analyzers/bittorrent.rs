//! BitTorrent peer protocol (BEP 3), recognised by its handshake.
//!
//! Read: the handshake and the client software that a peer identifier names (BEP 20). Not read: everything else, also
//! trackers, DHT and encrypted peers; not kept: what is shared.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::Transport;

fields! {
    CLIENT_SOFTWARE = "bittorrent.client_software", "BEP 20",
        "Two letters and a version from the identifier of the peer that opened the connection: `TR2940`.";
    SERVER_SOFTWARE = "bittorrent.server_software", "BEP 20",
        "The same of the peer that answers.";
}

/// BitTorrent in the registry.
pub static DEFINITION: Definition = Definition {
    id: "bittorrent",
    title: "BitTorrent peer protocol (BEP 3)",
    transports: &[Transport::Tcp],
    ports: &[6881],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const MAGIC: &[u8] = b"\x13BitTorrent protocol";
/// The magic, eight bytes of extensions, the hash of what is shared, the identifier of the peer.
const HANDSHAKE: usize = 68;
const IDENTIFIER: usize = 48;

/// Both peers begin alike; who opened the connection is the client.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let length = input.bytes.len().min(MAGIC.len());
    if !input.at_start || input.bytes.get(..length) != MAGIC.get(..length) {
        Probe::No
    } else if length < MAGIC.len() {
        Probe::More
    } else {
        Probe::Certainly(Role::Client)
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Bittorrent { client: Vec::new(), server: Vec::new() })
}

struct Bittorrent {
    client: Vec<u8>,
    server: Vec<u8>,
}

impl Analyzer for Bittorrent {
    fn held(&self) -> usize {
        self.client.capacity().saturating_add(self.server.capacity())
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        let (side, field) = match role {
            Role::Client => (&mut self.client, &CLIENT_SOFTWARE),
            Role::Server => (&mut self.server, &SERVER_SOFTWARE),
        };
        if side.len() < HANDSHAKE {
            let room = HANDSHAKE.saturating_sub(side.len());
            side.extend(bytes.iter().take(room));
            // `-TR2940-`.
            if let (HANDSHAKE, Some([b'-', name @ .., b'-'])) = (side.len(), side.get(IDENTIFIER..56)) {
                sink.fact(field, text(name, 6));
            }
        }
        if self.client.len() == HANDSHAKE && self.server.len() == HANDSHAKE {
            sink.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{list, steady, told};
    use super::*;

    #[test]
    fn the_handshake_is_recognised_and_read() {
        let handshake = [MAGIC, &[0; 28], b"-TR2940-abcdefghijkl"].concat();
        assert_eq!(told(&DEFINITION, &handshake), Probe::Certainly(Role::Client));
        assert_eq!(told(&DEFINITION, b"\x13BitTorrent prot0col"), Probe::No);
        let facts = steady(&DEFINITION, &[(Role::Client, &handshake), (Role::Server, &handshake)]);
        assert_eq!(
            list(&facts),
            ["bittorrent.client_software=TR2940 x1", "bittorrent.server_software=TR2940 x1"]
        );
    }
}
