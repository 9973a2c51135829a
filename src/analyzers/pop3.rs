//! POP3 (RFC 1939), up to STLS (RFC 2595) or a login in the clear.
//!
//! Read: the greeting, whether TLS is offered, requested and accepted, how the client authenticates in the clear and
//! whether it succeeds. After an accepted STLS the connection is TLS's. Not read: everything after a login; not kept:
//! user names, passwords, messages.

use std::collections::VecDeque;

use super::dialogue::{Dialogue, Step, Talk, begins, first_line, mentions, words};
use super::starttls::StartTls;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, sasl, text};
use crate::model::{Transport, Value};

fields! {
    GREETING = "pop3.greeting", "RFC 1939 section 4",
        "Text of the server's greeting.";
    STARTTLS = "pop3.starttls", "RFC 2595 section 4",
        "One value each: `offered` by the server, `requested` by the client, `accepted`, `refused`.";
    AUTH = "pop3.auth", "RFC 1939 section 7, RFC 5034 section 4",
        "How the client authenticates in the clear: `USER`, `APOP`, else the SASL mechanism of AUTH.";
    CREDENTIALS = "pop3.credentials", "RFC 1939 section 13",
        "A password or token was sent as it is: `PASS`, else the SASL mechanism.";
    LOGIN = "pop3.login", "RFC 1939 section 4",
        "How the server answered an authentication in the clear: `accepted`, `refused`.";
}

/// POP3 in the registry.
pub static DEFINITION: Definition = Definition {
    id: "pop3",
    title: "POP3 (RFC 1939)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[110];
/// Longest line that is read whole: 512 bytes of a reply (RFC 2449 section 4), and initial responses (RFC 5034).
const MAX_LINE: usize = 1024;
const MAX_TEXT: usize = 255;
/// Commands sent ahead of their replies.
const MAX_AHEAD: usize = 64;

/// The greeting: on other ports it must name the protocol or bring a timestamp for APOP, as Redis says `+OK` too.
/// From the client a command that only POP3 has.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start || input.bytes.is_empty() {
        return if input.at_start { Probe::More } else { Probe::No };
    }
    match begins(input.bytes, b"+OK") {
        Some(true) => return greeting(input),
        None => return Probe::More,
        Some(false) => {}
    }
    let mut more = false;
    for command in [&b"CAPA\r\n"[..], b"STLS\r\n", b"APOP "] {
        match begins(input.bytes, command) {
            Some(true) => return Probe::Certainly(Role::Client),
            Some(false) => {}
            None => more = true,
        }
    }
    if more { Probe::More } else { Probe::No }
}

fn greeting(input: &ProbeInput<'_>) -> Probe {
    let line = first_line(input.bytes);
    let here = line.unwrap_or(input.bytes);
    if input.port_in(PORTS) || mentions(here, b"POP") || has_timestamp(here) {
        Probe::Certainly(Role::Server)
    } else if line.is_none() && here.len() < MAX_LINE {
        Probe::More
    } else if here.len() > b"+OK ".len() {
        Probe::Perhaps(Role::Server)
    } else {
        Probe::No
    }
}

/// `<process.clock@host>` (RFC 1939 section 7).
fn has_timestamp(line: &[u8]) -> bool {
    let Some(open) = line.iter().position(|byte| *byte == b'<') else { return false };
    let rest = line.get(open..).unwrap_or_default();
    let Some(close) = rest.iter().position(|byte| *byte == b'>') else { return false };
    rest.get(..close).is_some_and(|stamp| stamp.contains(&b'@') && stamp.contains(&b'.'))
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Dialogue::new(Pop3::default(), MAX_LINE, &STARTTLS))
}

/// What a command's reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// One line.
    Line,
    /// If it succeeds, lines up to one with a single dot.
    Lines,
    /// Of one that authenticates.
    Login,
    Stls,
}

#[derive(Debug, Default)]
struct Pop3 {
    greeted: bool,
    /// Replies that are still to come, in order.
    awaited: VecDeque<Awaited>,
    /// Within the lines of a long reply.
    in_lines: bool,
    /// The client answers challenges of AUTH.
    in_auth: bool,
}

impl Talk for Pop3 {
    fn command(&mut self, line: &[u8], sink: &mut Sink) -> Step {
        if self.in_auth {
            return Step::Line;
        }
        let mut words = words(line);
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let argument = words.next().unwrap_or_default();
        let awaited = match verb.as_slice() {
            b"STLS" => Awaited::Stls,
            b"USER" => {
                sink.fact(&AUTH, Value::Word("USER"));
                Awaited::Line
            }
            b"PASS" => {
                sink.fact(&CREDENTIALS, Value::Word("PASS"));
                Awaited::Login
            }
            b"APOP" => {
                sink.fact(&AUTH, Value::Word("APOP"));
                Awaited::Login
            }
            b"CAPA" | b"RETR" | b"TOP" => Awaited::Lines,
            b"AUTH" | b"LIST" | b"UIDL" if argument.is_empty() => Awaited::Lines,
            b"AUTH" => {
                self.in_auth = true;
                sasl::observe(argument, &AUTH, &CREDENTIALS, sink);
                Awaited::Login
            }
            _ => Awaited::Line,
        };
        if self.awaited.len() >= MAX_AHEAD {
            return Step::Finish;
        }
        self.awaited.push_back(awaited);
        if awaited == Awaited::Stls { Step::AskTls } else { Step::Line }
    }

    fn reply(&mut self, line: &[u8], _: bool, sink: &mut Sink) -> Step {
        if self.in_lines {
            if line.eq_ignore_ascii_case(b"STLS") {
                StartTls::offer(&STARTTLS, sink);
            }
            self.in_lines = line != b".";
            return Step::Line;
        }
        let accepted = match line {
            [b'+', b'O', b'K', ..] => true,
            [b'-', b'E', b'R', b'R', ..] => false,
            // A challenge of AUTH.
            _ => return Step::Line,
        };
        if !std::mem::replace(&mut self.greeted, true) {
            if accepted {
                let text_at = line.strip_prefix(b"+OK ").unwrap_or_default();
                sink.fact(&GREETING, text(text_at, MAX_TEXT));
            }
            return Step::Line;
        }
        match self.awaited.pop_front() {
            Some(Awaited::Lines) => self.in_lines = accepted,
            Some(Awaited::Stls) => return if accepted { Step::TakeTls } else { Step::RefuseTls },
            Some(Awaited::Login) => {
                self.in_auth = false;
                sink.fact(&LOGIN, Value::Word(if accepted { "accepted" } else { "refused" }));
                return if accepted { Step::Finish } else { Step::Line };
            }
            Some(Awaited::Line) | None => {}
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
    fn an_accepted_stls_hands_over_what_follows() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"+OK POP3 ready\r\n"),
            (C, b"CAPA\r\nNOOP\r\nSTLS\r\n"),
            (S, b"+OK\r\nSTLS\r\nSASL PLAIN\r\n.\r\n+OK\r\n"),
            (C, b"\x16\x03\x01"),
            (S, b"+OK Begin TLS\r\n\x16\x03"),
        ];
        let facts = steady(&DEFINITION, talk);
        // The request is seen before what offers it, as the client does not wait.
        assert_eq!(values(&facts, &STARTTLS), ["requested", "offered", "accepted"]);
        assert_eq!(values(&facts, &GREETING), ["POP3 ready"]);
        let sink = &run_with(&DEFINITION, talk).1[4];
        assert_eq!((sink.next, sink.done), (Some(Next::Named("tls")), true));
        assert_eq!(sink.forwarded, [(S, b"\x16\x03".to_vec()), (C, b"\x16\x03\x01".to_vec())]);
    }

    #[test]
    fn a_password_in_the_clear_is_seen_and_not_kept() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"+OK hello\r\n"),
            (C, b"STLS\r\n"),
            (S, b"-ERR not here\r\n"),
            (C, b"USER bob\r\n"),
            (S, b"+OK\r\n"),
            (C, b"PASS secret\r\n"),
            (S, b"+OK 2 messages\r\n"),
            (C, b"RETR 1\r\n"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["requested", "refused"]);
        assert_eq!(values(&facts, &AUTH), ["USER"]);
        assert_eq!(values(&facts, &CREDENTIALS), ["PASS"]);
        assert_eq!(values(&facts, &LOGIN), ["accepted"]);
        assert!(facts.iter().all(|fact| !fact.value.to_string().contains("bob")));
    }

    #[test]
    fn answers_to_challenges_are_no_commands() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"+OK hello\r\n"),
            (C, b"AUTH CRAM-MD5\r\n"),
            (S, b"+ PDE4\r\n"),
            (C, b"STLS\r\n"),
            (S, b"-ERR wrong\r\n"),
            (C, b"AUTH PLAIN AGEAYg==\r\n"),
            (S, b"+OK in\r\n"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert!(values(&facts, &STARTTLS).is_empty());
        assert_eq!(values(&facts, &AUTH), ["CRAM-MD5", "PLAIN"]);
        assert_eq!(values(&facts, &CREDENTIALS), ["PLAIN"]);
        assert_eq!(values(&facts, &LOGIN), ["refused", "accepted"]);
    }

    #[test]
    fn a_greeting_must_say_more_than_yes() {
        assert_eq!(told(&DEFINITION, b"+OK POP3 server\r\n"), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"+OK <1896.697170952@dbc.example>\r\n"), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"+OK ready\r\n"), Probe::Perhaps(S));
        assert_eq!(told(&DEFINITION, b"+OK\r\n"), Probe::No);
        assert_eq!(ask(&DEFINITION, b"+OK\r\n", 110, 50_000), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"capa\r\n"), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, b"CAPABILITIES\r\n"), Probe::No);
        assert_eq!(told(&DEFINITION, b"USER bob\r\n"), Probe::No);
    }
}
