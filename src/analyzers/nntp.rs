//! NNTP (RFC 3977), up to STARTTLS (RFC 4642) or a login in the clear (RFC 4643).
//!
//! Read: the greeting, whether TLS is offered, requested and accepted, how the client authenticates in the clear and
//! whether it succeeds. Not read: everything after a login; not kept: user names, passwords, articles.

use super::dialogue::{Dialogue, Step, Talk, begins, code, first_line, mentions, words};
use super::starttls::StartTls;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, sasl, text};
use crate::model::{Transport, Value};

fields! {
    GREETING = "nntp.greeting", "RFC 3977 section 5.1",
        "Text of the server's greeting.";
    STARTTLS = "nntp.starttls", "RFC 4642 section 2.2",
        "One value each: `offered` by the server, `requested` by the client, `accepted`, `refused`.";
    AUTH = "nntp.auth", "RFC 4643 section 2.3",
        "How the client authenticates in the clear: `USER`, else the SASL mechanism.";
    CREDENTIALS = "nntp.credentials", "RFC 4643 section 5",
        "A password or token was sent as it is: `PASS`, else the SASL mechanism.";
    LOGIN = "nntp.login", "RFC 4643 section 2.3",
        "How the server answered an authentication in the clear: `accepted`, `refused`.";
}

/// NNTP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "nntp",
    title: "NNTP (RFC 3977)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[119, 433];
/// Longest line that is read whole (RFC 3977 section 3.1).
const MAX_LINE: usize = 512;

/// A greeting with code 200 or 201 that names the protocol or comes from its port, or a command that only NNTP has.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start || input.bytes.is_empty() {
        return if input.at_start { Probe::More } else { Probe::No };
    }
    let mut more = false;
    for command in [&b"MODE READER\r\n"[..], b"AUTHINFO USER ", b"AUTHINFO SASL ", b"MODE STREAM\r\n"] {
        match begins(input.bytes, command) {
            Some(true) => return Probe::Certainly(Role::Client),
            Some(false) => {}
            None => more = true,
        }
    }
    for greeting in [b"200 ", b"201 "] {
        match begins(input.bytes, greeting) {
            Some(true) => {
                let line = first_line(input.bytes);
                let here = line.unwrap_or(input.bytes);
                let named = mentions(here, b"NNTP") || mentions(here, b"InterNetNews");
                return if named || (line.is_some() && input.port_in(PORTS)) {
                    Probe::Certainly(Role::Server)
                } else if line.is_none() && here.len() < MAX_LINE {
                    Probe::More
                } else {
                    Probe::No
                };
            }
            Some(false) => {}
            None => more = true,
        }
    }
    if more { Probe::More } else { Probe::No }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Dialogue::new(Nntp::default(), MAX_LINE, &STARTTLS))
}

#[derive(Debug, Default)]
struct Nntp {
    greeted: bool,
    /// Within a list of capabilities.
    in_capabilities: bool,
    /// The client sends an article.
    in_article: bool,
}

impl Talk for Nntp {
    fn command(&mut self, line: &[u8], sink: &mut Sink) -> Step {
        if self.in_article {
            self.in_article = line != b".";
            return Step::Line;
        }
        let mut words = words(line);
        let mut word = || words.next().unwrap_or_default().to_ascii_uppercase();
        match (word().as_slice(), word().as_slice()) {
            (b"STARTTLS", _) => return Step::AskTls,
            (b"AUTHINFO", b"USER") => sink.fact(&AUTH, Value::Word("USER")),
            (b"AUTHINFO", b"PASS") => sink.fact(&CREDENTIALS, Value::Word("PASS")),
            (b"AUTHINFO", b"SASL") => sasl::observe(&word(), &AUTH, &CREDENTIALS, sink),
            _ => {}
        }
        Step::Line
    }

    fn reply(&mut self, line: &[u8], asked: bool, sink: &mut Sink) -> Step {
        if self.in_capabilities {
            if line.eq_ignore_ascii_case(b"STARTTLS") {
                StartTls::offer(&STARTTLS, sink);
            }
            self.in_capabilities = line != b".";
            return Step::Line;
        }
        let Some((code, _, rest)) = code(line) else { return Step::Line };
        if !std::mem::replace(&mut self.greeted, true) {
            sink.fact(&GREETING, text(rest, MAX_LINE));
            return Step::Line;
        }
        match &code {
            b"101" => self.in_capabilities = true,
            b"335" | b"340" => self.in_article = true,
            b"382" if asked => return Step::TakeTls,
            [b'4' | b'5', ..] if asked => return Step::RefuseTls,
            b"281" => {
                sink.fact(&LOGIN, Value::Word("accepted"));
                return Step::Finish;
            }
            b"481" | b"482" => sink.fact(&LOGIN, Value::Word("refused")),
            _ => {}
        }
        Step::Line
    }
}

#[cfg(test)]
mod tests {
    use super::super::Next;
    use super::super::talk::{ask, run_with, steady, told, values};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    #[test]
    fn an_accepted_starttls_hands_over_what_follows() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"200 news.example InterNetNews NNRP server ready\r\n"),
            (C, b"CAPABILITIES\r\n"),
            (S, b"101 list:\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n"),
            (C, b"STARTTLS\r\n"),
            (S, b"382 Continue\r\n"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["offered", "requested", "accepted"]);
        assert_eq!(run_with(&DEFINITION, talk).1[4].next, Some(Next::Named("tls")));
    }

    #[test]
    fn a_password_in_the_clear_is_seen_and_articles_are_no_commands() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"200 x\r\n"),
            (C, b"POST\r\n"),
            (S, b"340 go\r\n"),
            (C, b"AUTHINFO PASS y\r\nSTARTTLS\r\n.\r\n"),
            (S, b"240 ok\r\n"),
            (C, b"STARTTLS\r\n"),
            (S, b"580 no\r\n"),
            (C, b"authinfo user bob\r\n"),
            (S, b"381 more\r\n"),
            (C, b"AUTHINFO PASS secret\r\n"),
            (S, b"281 in\r\n"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["requested", "refused"]);
        assert_eq!(facts.count(&CREDENTIALS), 1);
        assert_eq!(values(&facts, &LOGIN), ["accepted"]);
    }

    #[test]
    fn the_greeting_must_name_it_or_come_from_its_port() {
        assert_eq!(told(&DEFINITION, b"201 a.example NNTP ready\r\n"), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"200 OK\r\n"), Probe::No);
        assert_eq!(ask(&DEFINITION, b"200 hello\r\n", 119, 50_000), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"mode reader\r\n"), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, b"MODE +i\r\n"), Probe::No);
    }
}
