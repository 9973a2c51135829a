//! RTSP (RFC 2326, RFC 7826) over TCP.
//!
//! Read: methods, statuses, who the two sides say they are, by which scheme the client authenticates, and how the
//! media are to be carried. Media among the messages are passed over. Not kept: what is played, credentials.

use super::start_line::{self, Messages, Parts};
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    METHOD = "rtsp.method", "RFC 2326 section 6.1",
        "Method of a request: `DESCRIBE`.";
    STATUS = "rtsp.status", "RFC 2326 section 7.1",
        "Status code of a response.";
    USER_AGENT = "rtsp.user_agent", "RFC 2326 section 12.41",
        "What the client calls its software.";
    SERVER = "rtsp.server", "RFC 2326 section 12.36",
        "What the server calls its software.";
    TRANSPORT = "rtsp.transport", "RFC 2326 section 12.39",
        "How the media are carried, by the server's choice: `RTP/AVP/TCP` among the messages, `RTP/AVP` over UDP, \
        `RAW/RAW/UDP`.";
    AUTHORIZATION = "rtsp.authorization", "RFC 2326 section 12.5",
        "Scheme by which the client authenticates, in lower case: `digest`.";
    CREDENTIALS = "rtsp.credentials", "RFC 2326 section 16",
        "A password or token was sent as it is, by this scheme: `basic`, `bearer`.";
}

/// RTSP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "rtsp",
    title: "RTSP 1.0 and 2.0 (RFC 2326, RFC 7826)",
    transports: &[Transport::Tcp],
    ports: &[554],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const METHODS: &[&str] = &[
    "OPTIONS",
    "DESCRIBE",
    "ANNOUNCE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "GET_PARAMETER",
    "SET_PARAMETER",
    "REDIRECT",
    "RECORD",
    "PLAY_NOTIFY",
];
/// Messages after which nothing new is awaited.
const MAX_MESSAGES: u32 = 256;
const MAX_TEXT: usize = 255;

fn probe(input: &ProbeInput<'_>) -> Probe {
    start_line::probe(input.bytes, Seen::VERSIONS, METHODS)
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Rtsp { client: Messages::default(), server: Messages::default(), seen: Seen })
}

struct Rtsp {
    client: Messages,
    server: Messages,
    seen: Seen,
}

struct Seen;

impl Parts for Seen {
    const VERSIONS: &'static [&'static str] = &["RTSP/1.0", "RTSP/2.0"];

    fn method(&mut self, method: &[u8], sink: &mut Sink) {
        sink.fact(&METHOD, Value::text(method));
    }

    fn status(&mut self, status: u64, sink: &mut Sink) {
        sink.fact(&STATUS, Value::Uint(status));
    }

    fn header(&mut self, role: Role, name: &[u8], value: &[u8], sink: &mut Sink) {
        match name {
            b"user-agent" => sink.fact(&USER_AGENT, text(value, MAX_TEXT)),
            b"server" => sink.fact(&SERVER, text(value, MAX_TEXT)),
            b"transport" if role == Role::Server => {
                let kind = value.split(|byte| matches!(byte, b';' | b',')).next().unwrap_or_default();
                sink.fact(&TRANSPORT, text(kind, MAX_TEXT));
            }
            b"authorization" => {
                let scheme = start_line::scheme(value);
                sink.fact(&AUTHORIZATION, text(&scheme, MAX_TEXT));
                start_line::readable(&scheme, &CREDENTIALS, sink);
            }
            _ => {}
        }
    }
}

impl Analyzer for Rtsp {
    fn held(&self) -> usize {
        self.client.held().saturating_add(self.server.held())
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        let messages = if role == Role::Client { &mut self.client } else { &mut self.server };
        if messages.read(&mut self.seen, role, bytes, sink).is_none() {
            sink.give_up();
        }
        if self.client.count.saturating_add(self.server.count) >= MAX_MESSAGES {
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
    const SETUP: &[u8] = b"SETUP rtsp://cam.example/1 RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: player\r\n\
        Authorization: Basic YTpi\r\n\r\n";
    const OK: &[u8] = b"RTSP/1.0 200 OK\r\nServer: cam\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n";

    #[test]
    fn messages_are_read_with_media_among_them() {
        let media = [&b"$\x00\x00\x05RTSP/$\x01\x00\x00"[..], OK].concat();
        let facts = steady(&DEFINITION, &[(C, SETUP), (S, OK), (S, &media)]);
        assert_eq!(
            list(&facts),
            [
                "rtsp.method=SETUP x1",
                "rtsp.user_agent=player x1",
                "rtsp.authorization=basic x1",
                "rtsp.credentials=basic x1",
                "rtsp.status=200 x2",
                "rtsp.server=cam x2",
                "rtsp.transport=RTP/AVP/TCP x2",
            ]
        );
    }

    #[test]
    fn first_lines_are_recognised() {
        assert_eq!(told(&DEFINITION, SETUP), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, OK), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"PLAY rtsp://x RTSP/2.0\r\n"), Probe::Certainly(C));
        for other in
            [&b"OPTIONS * SIP/2.0\r\n"[..], b"OPTIONS * HTTP/1.1\r\n", b"RTSP/1.1 200 OK", b"PLAYER x\r\n"]
        {
            assert_eq!(ask(&DEFINITION, other, 554, 554), Probe::No);
        }
    }
}
