//! HTTP/2 with prior knowledge in the clear (RFC 9113 section 3.3): recognised by the client's
//! connection preface (section 3.4). Frames are not parsed. It also follows an upgrade to `h2c`.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    PREFACE = "http2.preface", "RFC 9113 section 3.4", "The client's connection preface was seen.";
}

/// HTTP/2 in the clear.
pub static DEFINITION: Definition = Definition {
    id: "http2",
    title: "HTTP/2 in the clear (RFC 9113), recognised only",
    transports: &[Transport::Tcp],
    ports: &[80, 8080],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const CLIENT_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn probe(input: &ProbeInput<'_>) -> Probe {
    if input.transport != Transport::Tcp || !input.at_start {
        return Probe::No;
    }
    if input.bytes.starts_with(CLIENT_PREFACE) {
        Probe::Certainly(Role::Client)
    } else if CLIENT_PREFACE.starts_with(input.bytes) {
        Probe::More
    } else {
        Probe::No
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Http2)
}

struct Http2;

impl Analyzer for Http2 {
    fn data(&mut self, role: Role, _: &[u8], sink: &mut Sink) {
        if role == Role::Client {
            sink.fact(&PREFACE, Value::Yes);
            sink.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_recognised_and_every_beginning_of_it_asks_for_more() {
        let at = |bytes| {
            probe(&ProbeInput { bytes, transport: Transport::Tcp, src_port: 1, dst_port: 2, at_start: true })
        };
        for cut in 0..CLIENT_PREFACE.len() {
            assert_eq!(at(&CLIENT_PREFACE[..cut]), Probe::More);
        }
        assert_eq!(at(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0"), Probe::Certainly(Role::Client));
        assert_eq!(at(b"PRI * HTTP/1.1\r\n\r\n"), Probe::No);
    }
}
