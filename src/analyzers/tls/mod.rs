//! SSLv3 and TLS 1.0 to 1.3 over a byte stream (RFC 6101, RFC 2246, RFC 4346, RFC 5246, RFC 8446),
//! and the ClientHello in SSLv2 format with which old clients begin (RFC 5246 appendix E.2).
//!
//! Read: the handshake as far as it is in the clear, with every hello extension that something is
//! judged by, and its fingerprints (JA3, JA3S, JA4); the certificates of both sides before TLS 1.3;
//! alerts in the clear. After that only record headers: whether the handshake was completed, what
//! became of early data, when application data began, whether a side said goodbye; and, always
//! marked as inferred, what runs inside (`inference`).
//!
//! Where the user holds the secrets of a connection, its records are opened (`decrypt`): what TLS 1.3 hides is read, and the
//! data inside goes to the next analyzer.
//!
//! Assumed: else nothing is decrypted; no signature is verified, the first certificate message of each
//! side counts. A handshake after the first one of a connection is encrypted; that it took place is
//! all that shows then (`renegotiation`). What TLS 1.3 hides is inferred from the order and size of records, and the
//! fields say so.
//!
//! After bytes that are not in the capture, records go on where one is to be seen (`gaps`); that something never came is
//! said only where nothing is missing (`outcome`).
//!
//! DTLS and QUIC carry the same handshake without these records; they read it through `Handshake`.
//!
//! Not read: Finished, OCSP responses, SSLv2 beyond its hellos.
//!
//! Memory per flow: two record headers, of each direction one handshake message of at most 128 KiB
//! while it is incomplete, and the keys of at most four tickets; with secrets, of each direction one record more. Per
//! thread: what was computed for certificates and hellos that come again, at most about 2 MiB and 0.5 MiB.

mod adapter;
mod agreement;
mod alert;
mod carried;
mod certificate;
mod chain;
mod connection;
mod decrypt;
mod ech;
mod fields;
pub(crate) mod fingerprint;
mod gaps;
mod hello;
mod inference;
mod inside;
mod message;
mod names;
mod outcome;
mod probe;
mod psk;
mod record;
mod renegotiation;
mod state;
#[cfg(test)]
mod tests;
mod times;

pub(crate) use carried::{Handshake, LONGEST_MESSAGE};
pub use fields::*;
pub(crate) use fingerprint::Over;
use message::MAX_MESSAGE;

use super::{Analyzer, Class, Context, Definition};
use crate::model::Transport;

/// TLS in the registry.
pub static DEFINITION: Definition = Definition {
    id: "tls",
    title: "SSL 3.0 and TLS 1.0 to 1.3 (RFC 6101, RFC 2246, RFC 4346, RFC 5246, RFC 8446)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Encrypted,
    probe: probe::probe,
    start,
};

/// Ports of services that begin with TLS (IANA), and those on which devices commonly do.
const PORTS: &[u16] =
    &[443, 465, 563, 636, 853, 989, 990, 992, 993, 995, 4433, 5061, 5671, 5986, 6514, 8443, 8883];

fn start(context: &Context) -> Box<dyn Analyzer> {
    Box::new(connection::Connection::new(context))
}

/// First byte of every version since SSLv3 on the wire.
const VERSION_MAJOR: u8 = 0x03;

/// At most `count` bytes from the front of `input`, which they leave.
pub(crate) fn take<'a>(input: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (front, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
    *input = rest;
    front
}

/// Whether a 16-bit value is reserved by RFC 8701: 0x0a0a, 0x1a1a, …, 0xfafa.
fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0x00ff
}
