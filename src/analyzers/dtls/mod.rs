//! DTLS 1.0, 1.2 and 1.3 (RFC 4347, RFC 6347, RFC 9147): TLS over datagrams.
//!
//! Read: records, several in a datagram; handshake messages in pieces, out of order, sent again; cookies, which are
//! taken out of the hello; alerts in the clear; what the epochs of encrypted records say of the course of the
//! handshake. The messages are those of TLS, so the facts are those of `tls`, with the versions that DTLS writes:
//! 0xfeff is 1.0, 0xfefd is 1.2, 0xfefc is 1.3.
//!
//! Inferred: before DTLS 1.3 the first record of a new epoch is a Finished, whose type is in the clear, but for
//! connection identifiers; in DTLS 1.3 the handshake is complete once the client uses the keys for data. A hello with
//! another random between the same ports is another handshake, and its facts join those of the first.
//!
//! Not read: what is encrypted, and whether records are in order: datagrams need not be. Datagrams of others on the
//! same port (STUN, SRTP) are passed over. The preamble of CAPWAP (RFC 5415) is left out.
//!
//! Memory per flow: of each direction 128 KiB of at most 16 handshake messages that are not complete or came early.

mod connection;
mod fields;
mod messages;
mod probe;
mod record;
#[cfg(test)]
mod tests;

pub use fields::*;

use super::{Analyzer, Class, Context, Definition};
use crate::model::Transport;

/// DTLS in the registry.
pub static DEFINITION: Definition = Definition {
    id: "dtls",
    title: "DTLS 1.0 to 1.3 (RFC 4347, RFC 6347, RFC 9147)",
    transports: &[Transport::Udp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Encrypted,
    probe: probe::probe,
    start,
};

/// CoAP, LwM2M, syslog, SIP, STUN, RADIUS, CAPWAP, VPNs over DTLS (IANA), and where they are tried out.
const PORTS: &[u16] = &[443, 2083, 3391, 4433, 5061, 5246, 5247, 5349, 5684, 5686, 6514, 8883, 10161];

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(connection::Connection::new())
}
