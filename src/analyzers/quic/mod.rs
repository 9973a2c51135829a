//! QUIC versions 1 and 2 and drafts 25 to 34 (RFC 9000, RFC 9001, RFC 9369): who it is, which version, and the hellos
//! of the TLS handshake in its first packets.
//!
//! Read: packets with a long header, several in a datagram; Initial packets, whose keys follow from a connection
//! identifier on the wire; the handshake bytes in them, in any order and over any number of packets and datagrams;
//! Version Negotiation, Retry with its integrity tag, a change of version as of RFC 9368, 0-RTT packets as far as that
//! there are any, and closes in Initial packets. The handshake is that of TLS 1.3: its facts are those of `tls`.
//!
//! Inferred, as over TCP: the handshake is complete once the client sends a packet with a short header after the
//! server's Handshake packets. From then on everything is encrypted and nothing more is read.
//!
//! Versions that no server knows (RFC 9000 section 15) are read with the keys of version 1 or of draft 29, as clients
//! protect them. Other versions, Google's own among them, are recognised and named, no more. Not
//! read: Handshake, 0-RTT and 1-RTT packets, transport parameters, connections that move to other
//! addresses.
//!
//! Memory per flow: two sets of keys, and of each direction at most 32 KiB of handshake bytes that came too early and
//! one handshake message of at most 128 KiB while it is incomplete; four datagrams of the server that came before the
//! client's first. Keys are derived at most 64 times.

mod connection;
mod fields;
mod frame;
mod packet;
mod probe;
mod protection;
#[cfg(test)]
mod tests;
mod version;

pub use fields::*;

use super::{Analyzer, Class, Context, Definition};
use crate::model::Transport;

/// QUIC in the registry.
pub static DEFINITION: Definition = Definition {
    id: "quic",
    title: "QUIC versions 1 and 2 (RFC 9000, RFC 9001, RFC 9369)",
    transports: &[Transport::Udp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Encrypted,
    probe: probe::probe,
    start,
};

/// HTTP/3 and DNS over QUIC (RFC 9114, RFC 9250), and where both are tried out.
const PORTS: &[u16] = &[443, 80, 784, 853, 4433, 8443, 8853];

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(connection::Connection::new())
}
