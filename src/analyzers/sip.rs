//! SIP (RFC 3261) over TCP and UDP.
//!
//! Read: methods, statuses, who the two sides say they are, and by which scheme the client authenticates. Not read:
//! bodies, and the media that they agree on; not kept: whom anybody calls, credentials.

use super::start_line::{self, Messages, Parts};
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    METHOD = "sip.method", "RFC 3261 section 7.1",
        "Method of a request: `REGISTER`.";
    STATUS = "sip.status", "RFC 3261 section 7.2",
        "Status code of a response.";
    USER_AGENT = "sip.user_agent", "RFC 3261 section 20.41",
        "What the sender of a request calls its software.";
    SERVER = "sip.server", "RFC 3261 section 20.35",
        "What the sender of a response calls its software, by `Server` or `User-Agent`.";
    AUTHORIZATION = "sip.authorization", "RFC 3261 section 22",
        "Scheme by which a client authenticates, in lower case: `digest`.";
    CREDENTIALS = "sip.credentials", "RFC 3261 section 26.1",
        "A password or token was sent as it is, by this scheme: `basic`, `bearer`.";
}

/// SIP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "sip",
    title: "SIP (RFC 3261)",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: &[5060],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const METHODS: &[&str] = &[
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "PRACK",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "INFO",
    "REFER",
    "MESSAGE",
    "UPDATE",
];
/// Messages after which nothing new is awaited.
const MAX_MESSAGES: u32 = 256;
const MAX_TEXT: usize = 255;

fn probe(input: &ProbeInput<'_>) -> Probe {
    start_line::probe(input.bytes, Seen::VERSIONS, METHODS)
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Sip { client: Messages::default(), server: Messages::default(), seen: Seen::default() })
}

struct Sip {
    client: Messages,
    server: Messages,
    seen: Seen,
}

/// What is known of the message at hand.
#[derive(Debug, Default)]
struct Seen {
    is_request: bool,
    messages: u32,
}

impl Parts for Seen {
    const VERSIONS: &'static [&'static str] = &["SIP/2.0"];

    fn method(&mut self, method: &[u8], sink: &mut Sink) {
        self.is_request = true;
        self.messages = self.messages.saturating_add(1);
        sink.fact(&METHOD, Value::text(method));
    }

    fn status(&mut self, status: u64, sink: &mut Sink) {
        self.is_request = false;
        self.messages = self.messages.saturating_add(1);
        sink.fact(&STATUS, Value::Uint(status));
    }

    fn header(&mut self, _: Role, name: &[u8], value: &[u8], sink: &mut Sink) {
        match name {
            b"user-agent" if self.is_request => sink.fact(&USER_AGENT, text(value, MAX_TEXT)),
            b"user-agent" | b"server" => sink.fact(&SERVER, text(value, MAX_TEXT)),
            b"authorization" | b"proxy-authorization" => {
                let scheme = start_line::scheme(value);
                sink.fact(&AUTHORIZATION, text(&scheme, MAX_TEXT));
                start_line::readable(&scheme, &CREDENTIALS, sink);
            }
            _ => {}
        }
    }
}

impl Analyzer for Sip {
    fn held(&self) -> usize {
        self.client.held().saturating_add(self.server.held())
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        let messages = if role == Role::Client { &mut self.client } else { &mut self.server };
        if messages.read(&mut self.seen, role, bytes, sink).is_none() {
            sink.give_up();
        }
        if self.seen.messages >= MAX_MESSAGES {
            sink.finish();
        }
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], _missed: u32, sink: &mut Sink) {
        // One message each, which need not say how long its body is; others keep the path through a NAT open.
        let _ = Messages::default().read(&mut self.seen, role, bytes, sink);
        if self.seen.messages >= MAX_MESSAGES {
            sink.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, ask_udp, list, steady, steady_datagrams, told, values};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    const REGISTER: &[u8] = b"REGISTER sip:pbx.example SIP/2.0\r\nUser-Agent: phone 1\r\n\
        Authorization: Digest username=\"bob\"\r\nl: 4\r\n\r\nBYE ";
    const OK: &[u8] = b"SIP/2.0 200 OK\r\nserver:pbx\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn messages_are_read_over_either_transport() {
        let talk: &[(Role, &[u8])] = &[(C, b"\r\n\r\n"), (C, REGISTER), (S, OK), (C, REGISTER)];
        for facts in [steady(&DEFINITION, talk), steady_datagrams(&DEFINITION, talk)] {
            assert_eq!(
                list(&facts),
                [
                    "sip.method=REGISTER x2",
                    "sip.user_agent=phone 1 x2",
                    "sip.authorization=digest x2",
                    "sip.status=200 x1",
                    "sip.server=pbx x1",
                ]
            );
        }
    }

    #[test]
    fn a_password_as_it_is_is_seen() {
        let asked = b"INVITE sip:a@b SIP/2.0\r\nProxy-Authorization: Basic YTpi\r\n\r\n";
        let facts = steady(&DEFINITION, &[(C, asked)]);
        assert_eq!(values(&facts, &CREDENTIALS), ["basic"]);
    }

    #[test]
    fn first_lines_are_recognised() {
        assert_eq!(told(&DEFINITION, REGISTER), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, OK), Probe::Certainly(S));
        assert_eq!(ask_udp(&DEFINITION, b"\r\nOPTIONS sip:a SIP/2.0\r\n", 9, 9), Probe::Certainly(C));
        for other in [
            &b"OPTIONS * HTTP/1.1\r\n"[..],
            b"OPTIONS * RTSP/1.0\r\n",
            b"SIP/3.0 200 OK",
            b"GET / SIP/2.0\r\n",
        ] {
            assert_eq!(ask(&DEFINITION, other, 5060, 5060), Probe::No);
        }
    }
}
