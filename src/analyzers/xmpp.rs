//! XMPP (RFC 6120) over TCP, between clients and servers and between servers, up to STARTTLS or a login in the clear.
//!
//! Read: the domain that the stream is for, whether TLS is offered, requested and accepted, which SASL mechanisms are
//! offered, how the client authenticates in the clear (also by XEP-0078) and whether it succeeds. Tags are looked at
//! one by one; elements are not nested, and comments and character data with `>` in them are not told from tags. Not
//! kept: names of users, passwords, messages.

use super::starttls::StartTls;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, sasl, text};
use crate::model::{Transport, Value};

fields! {
    DOMAIN = "xmpp.domain", "RFC 6120 section 4.7.2",
        "Domain that the client opens the stream to.";
    STARTTLS = "xmpp.starttls", "RFC 6120 section 5.4",
        "One value each: `offered` by the server, `requested` by the client, `accepted`, `refused`.";
    OFFERED_MECHANISM = "xmpp.offered_mechanism", "RFC 6120 section 6.4.1",
        "A SASL mechanism that the server offers in the clear.";
    AUTH = "xmpp.auth", "RFC 6120 section 6.4.2, XEP-0078",
        "SASL mechanism by which the client authenticates in the clear; `iq` for the older way.";
    CREDENTIALS = "xmpp.credentials", "RFC 6120 section 13.8.3",
        "A password or token was sent as it is: the SASL mechanism, or `iq`.";
    LOGIN = "xmpp.login", "RFC 6120 section 6.4",
        "How the server answered an authentication in the clear: `accepted`, `refused`.";
}

/// XMPP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "xmpp",
    title: "XMPP (RFC 6120)",
    transports: &[Transport::Tcp],
    ports: &[5222, 5269],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

/// The namespace of streams (RFC 6120 section 4.8.1).
const NAMESPACE: &[u8] = b"http://etherx.jabber.org/streams";
/// How much is looked through for the opening tag.
const MAX_PROBE: usize = 2048;
/// How much of a tag and of the text before it is read.
const MAX_TAG: usize = 1024;
const MAX_TEXT: usize = 64;
/// Tags of one side after which a login in the clear is not awaited any more.
const MAX_TAGS: u16 = 256;
const MAX_NAME: usize = 255;

/// The opening tag of a stream; the server's has an identifier (RFC 6120 section 4.7.3).
fn probe(input: &ProbeInput<'_>) -> Probe {
    let bytes = input.bytes;
    let fits = [&b"<?xml "[..], b"<stream:stream "].into_iter().any(|start| {
        let length = bytes.len().min(start.len());
        bytes.get(..length) == start.get(..length)
    });
    if !input.at_start {
        return midstream(input);
    }
    if !fits {
        return Probe::No;
    }
    let more = if bytes.len() < MAX_PROBE { Probe::More } else { Probe::No };
    let mut tags = Tags::default();
    let mut rest = bytes;
    while tags.next(&mut rest) {
        match tags.name() {
            b"?xml" => {}
            b"stream" if tags.tag.windows(NAMESPACE.len()).any(|part| part == NAMESPACE) => {
                let server = tags.attribute(b"id").is_some();
                return Probe::Certainly(if server { Role::Server } else { Role::Client });
            }
            _ => return Probe::No,
        }
    }
    more
}

/// A stanza, which has attributes, or the end of the stream.
fn midstream(input: &ProbeInput<'_>) -> Probe {
    let role = input.role_by_port(DEFINITION.ports);
    let mut tags = Tags::default();
    let mut rest = input.bytes;
    if input.bytes.first() != Some(&b'<') || !tags.next(&mut rest) {
        return Probe::No;
    }
    match tags.name() {
        b"/stream:stream" => Probe::Certainly(role),
        b"iq" if tags.attribute(b"type").is_some() && tags.attribute(b"id").is_some() => {
            Probe::Certainly(role)
        }
        b"message" | b"presence" if tags.attribute(b"to").or(tags.attribute(b"from")).is_some() => {
            Probe::Perhaps(role)
        }
        _ => Probe::No,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Xmpp { client: Tags::default(), server: Tags::default(), tls: StartTls::default(), auth: false })
}

/// The tags of one direction.
#[derive(Debug, Default)]
struct Tags {
    /// What is between `<` and `>`, at most [`MAX_TAG`] of it.
    tag: Vec<u8>,
    /// What was before that, at most [`MAX_TEXT`] of it.
    text: Vec<u8>,
    inside: bool,
    /// Within a value in these quotes.
    quote: Option<u8>,
    /// `tag` and `text` are complete and go with the next call.
    complete: bool,
    count: u16,
}

impl Tags {
    /// Takes bytes up to the end of the next tag; false if it is not there yet.
    fn next(&mut self, input: &mut &[u8]) -> bool {
        if std::mem::take(&mut self.complete) {
            self.tag.clear();
            self.text.clear();
        }
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            match (self.inside, self.quote, byte) {
                (false, _, b'<') => self.inside = true,
                (false, ..) if self.text.len() < MAX_TEXT => self.text.push(byte),
                (false, ..) => {}
                (true, None, b'>') => {
                    self.inside = false;
                    self.complete = true;
                    self.count = self.count.saturating_add(1);
                    return true;
                }
                (true, quote, _) => {
                    if quote == Some(byte) {
                        self.quote = None;
                    } else if quote.is_none() && matches!(byte, b'"' | b'\'') {
                        self.quote = Some(byte);
                    }
                    if self.tag.len() < MAX_TAG {
                        self.tag.push(byte);
                    }
                }
            }
        }
        false
    }

    /// The tag's name without its prefix; that of a closing tag begins with `/`.
    fn name(&self) -> &[u8] {
        let end = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'/';
        let closing = usize::from(self.tag.first() == Some(&b'/'));
        let length = self.tag.iter().skip(closing).take_while(|byte| !end(byte)).count();
        let name = self.tag.get(..length.saturating_add(closing)).unwrap_or_default();
        let prefix = name.iter().position(|byte| *byte == b':').filter(|_| closing == 0);
        prefix.and_then(|at| name.get(at.checked_add(1)?..)).unwrap_or(name)
    }

    /// The value of an attribute.
    fn attribute(&self, name: &[u8]) -> Option<&[u8]> {
        let mut at = 0_usize;
        while let Some(rest) = self.tag.get(at..).filter(|rest| !rest.is_empty()) {
            at = at.saturating_add(1);
            let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = rest else { continue };
            let Some([b'=', quote @ (b'"' | b'\''), value @ ..]) = rest.strip_prefix(name) else { continue };
            return value.split(|byte| byte == quote).next();
        }
        None
    }

    fn held(&self) -> usize {
        self.tag.capacity().saturating_add(self.text.capacity())
    }
}

struct Xmpp {
    client: Tags,
    server: Tags,
    tls: StartTls,
    /// The client has authenticated and waits for the outcome.
    auth: bool,
}

impl Xmpp {
    fn client(&mut self, mut bytes: &[u8], sink: &mut Sink) {
        while !bytes.is_empty() && !sink.done {
            if self.tls.is_pending() {
                return self.tls.hold(bytes, sink);
            }
            if !self.client.next(&mut bytes) {
                return;
            }
            match self.client.name() {
                b"stream" => {
                    if let Some(domain) = self.client.attribute(b"to") {
                        sink.fact(&DOMAIN, text(domain, MAX_NAME));
                    }
                }
                b"starttls" => self.tls.request(&STARTTLS, sink),
                b"auth" | b"authenticate" => {
                    self.auth = true;
                    let mechanism = self.client.attribute(b"mechanism").unwrap_or_default();
                    sasl::observe(mechanism, &AUTH, &CREDENTIALS, sink);
                }
                b"digest" => sink.fact(&AUTH, Value::Word("iq")),
                b"/password" => {
                    sink.fact(&AUTH, Value::Word("iq"));
                    sink.fact(&CREDENTIALS, Value::Word("iq"));
                }
                _ => {}
            }
            if self.client.count >= MAX_TAGS {
                sink.finish();
            }
        }
    }

    fn server(&mut self, mut bytes: &[u8], sink: &mut Sink) {
        while !sink.done && self.server.next(&mut bytes) {
            match self.server.name() {
                b"starttls" => StartTls::offer(&STARTTLS, sink),
                b"/mechanism" => {
                    sink.fact(&OFFERED_MECHANISM, text(&self.server.text.to_ascii_uppercase(), MAX_TEXT));
                }
                b"proceed" if self.tls.is_pending() => self.tls.accept(&STARTTLS, bytes, sink),
                b"failure" if self.tls.is_pending() => {
                    let held = self.tls.refuse(&STARTTLS, sink);
                    self.client(&held, sink);
                }
                b"failure" if std::mem::take(&mut self.auth) => sink.fact(&LOGIN, Value::Word("refused")),
                b"success" if self.auth => {
                    sink.fact(&LOGIN, Value::Word("accepted"));
                    sink.finish();
                }
                _ => {}
            }
            if self.server.count >= MAX_TAGS {
                sink.finish();
            }
        }
    }
}

impl Analyzer for Xmpp {
    fn held(&self) -> usize {
        [self.client.held(), self.server.held(), self.tls.held()].into_iter().fold(0, usize::saturating_add)
    }

    fn gap(&mut self, _role: Role, _missed: u64, sink: &mut Sink) {
        sink.give_up_but_tls();
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        match role {
            Role::Client => self.client(bytes, sink),
            Role::Server => self.server(bytes, sink),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Next;
    use super::super::talk::{run_with, steady, told, values};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    const OPEN: &[u8] = b"<?xml version='1.0'?><stream:stream to='im.example' xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
    const OPENED: &[u8] =
        b"<?xml version='1.0'?><stream:stream id='a>b' from=\"im.example\" xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams'>";

    #[test]
    fn an_accepted_starttls_hands_over_what_follows() {
        let talk: &[(Role, &[u8])] = &[
            (C, OPEN),
            (S, OPENED),
            (
                S,
                b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>\
                <mechanisms><mechanism>plain</mechanism></mechanisms></stream:features>",
            ),
            (C, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            (C, b"\x16\x03\x01"),
            (S, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\x16"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["offered", "requested", "accepted"]);
        assert_eq!(values(&facts, &DOMAIN), ["im.example"]);
        assert_eq!(values(&facts, &OFFERED_MECHANISM), ["PLAIN"]);
        let sink = &run_with(&DEFINITION, talk).1[5];
        assert_eq!((sink.next, sink.done), (Some(Next::Named("tls")), true));
        assert_eq!(sink.forwarded, [(S, b"\x16".to_vec()), (C, b"\x16\x03\x01".to_vec())]);
    }

    #[test]
    fn a_password_in_the_clear_is_seen_and_not_kept() {
        let talk: &[(Role, &[u8])] = &[
            (C, OPEN),
            (S, OPENED),
            (C, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            (S, b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            (C, b"<auth mechanism='PLAIN' xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AGEAYg==</auth>"),
            (S, b"<failure><not-authorized/></failure>"),
            (C, b"<iq><query xmlns='jabber:iq:auth'><username>bob</username><password>secret</password></query></iq>"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["requested", "refused"]);
        assert_eq!(values(&facts, &AUTH), ["PLAIN", "iq"]);
        assert_eq!(values(&facts, &CREDENTIALS), ["PLAIN", "iq"]);
        assert_eq!(values(&facts, &LOGIN), ["refused"]);
    }

    #[test]
    fn a_stanza_tells_a_stream_joined_midway() {
        let ask = |bytes: &[u8]| {
            probe(&ProbeInput {
                bytes,
                transport: Transport::Tcp,
                src_port: 9,
                dst_port: 5222,
                at_start: false,
            })
        };
        assert_eq!(ask(b"</stream:stream>"), Probe::Certainly(C));
        assert_eq!(ask(b"<iq type='set' id='1'><x/></iq>"), Probe::Certainly(C));
        assert_eq!(ask(b"<message to='a@b'>"), Probe::Perhaps(C));
        for other in
            [&b"<message>"[..], b"<iq id='1'>", b"<html lang='en'>", b"x<iq type='set' id='1'>", b"<iq typ"]
        {
            assert_eq!(ask(other), Probe::No);
        }
    }

    #[test]
    fn the_opening_tag_is_recognised() {
        assert_eq!(told(&DEFINITION, OPEN), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, OPENED), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"<?xml version='1.0'?><soap:Envelope>"), Probe::No);
        assert_eq!(told(&DEFINITION, b"<stream:stream xmlns='other'>"), Probe::No);
        assert_eq!(told(&DEFINITION, b"<html>"), Probe::No);
    }
}
