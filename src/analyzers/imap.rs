//! IMAP4rev1 and IMAP4rev2 (RFC 3501, RFC 9051), up to STARTTLS or a login in the clear.
//!
//! Read: the greeting, whether TLS is offered, requested and accepted, how the client authenticates in the clear and
//! whether it succeeds. After an accepted STARTTLS the connection is TLS's. Not read: everything after a login; not
//! kept: user names, passwords, mailboxes.

use super::dialogue::{Dialogue, Step, Talk, first_line, mentions, words};
use super::starttls::StartTls;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, sasl, text};
use crate::model::{Transport, Value};

fields! {
    GREETING = "imap.greeting", "RFC 9051 section 7.1",
        "Text of the server's greeting.";
    STARTTLS = "imap.starttls", "RFC 9051 section 6.2.1",
        "One value each: `offered` by the server, `requested` by the client, `accepted`, `refused`.";
    AUTH = "imap.auth", "RFC 9051 sections 6.2.2 and 6.2.3",
        "How the client authenticates in the clear: `LOGIN` for the command, else the SASL mechanism.";
    CREDENTIALS = "imap.credentials", "RFC 9051 section 11",
        "A password or token was sent as it is, by this command or mechanism.";
    LOGIN = "imap.login", "RFC 9051 section 6.2",
        "How the server answered an authentication in the clear: `accepted`, `refused`.";
}

/// IMAP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "imap",
    title: "IMAP4 (RFC 3501, RFC 9051)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[143];
/// Longest line that is read whole (RFC 7162 section 4).
const MAX_LINE: usize = 8192;
/// Longest text that is kept.
const MAX_TEXT: usize = 255;
/// Commands that come first.
const COMMANDS: [&str; 5] = ["CAPABILITY", "STARTTLS", "AUTHENTICATE ", "LOGIN ", "ID ("];
/// Longest tag of a command by which the protocol is recognised.
const MAX_TAG: usize = 16;

/// The server's greeting, or a first command that no other protocol has.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start {
        return Probe::No;
    }
    let bytes = input.bytes;
    let mut more = false;
    for greeting in [&b"* OK"[..], b"* PREAUTH", b"* BYE"] {
        match bytes.strip_prefix(greeting) {
            Some([b' ' | b'\r' | b'\n', ..]) => return Probe::Certainly(Role::Server),
            Some([]) => more = true,
            Some(_) => {}
            None => more |= greeting.starts_with(bytes),
        }
    }
    if more { Probe::More } else { command(bytes) }
}

/// A tag and one of the commands that come first.
fn command(bytes: &[u8]) -> Probe {
    let tag = bytes
        .iter()
        .take(MAX_TAG + 1)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'.')
        .count();
    if tag == 0 || tag > MAX_TAG {
        return Probe::No;
    }
    let rest = match bytes.get(tag..) {
        Some([b' ', rest @ ..]) => rest,
        Some([]) => return Probe::More,
        _ => return Probe::No,
    };
    let fits = |command: &str| {
        let length = rest.len().min(command.len());
        rest.get(..length).is_some_and(|front| {
            command.as_bytes().get(..length).is_some_and(|c| front.eq_ignore_ascii_case(c))
        })
    };
    if !COMMANDS.into_iter().any(fits) {
        return Probe::No;
    }
    let Some(line) = first_line(rest) else {
        return if rest.len() < MAX_LINE { Probe::More } else { Probe::No };
    };
    let count = words(line).count();
    let whole = match words(line).next().map(<[u8]>::to_ascii_uppercase).as_deref() {
        Some(b"CAPABILITY" | b"STARTTLS") => count == 1,
        Some(b"AUTHENTICATE") => count == 2 || count == 3,
        // A password may hold spaces in quotes, or come as a literal.
        Some(b"LOGIN") => count >= 3 || line.ends_with(b"}"),
        Some(b"ID") => line.ends_with(b")"),
        _ => false,
    };
    if whole { Probe::Certainly(Role::Client) } else { Probe::No }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Dialogue::new(Imap::default(), MAX_LINE, &STARTTLS))
}

#[derive(Debug, Default)]
struct Imap {
    greeted: bool,
    offered: bool,
    /// The line before ended in a literal, so this one goes on with the same command or reply.
    client_goes_on: bool,
    server_goes_on: bool,
    /// Tags of commands that wait for their answer.
    starttls: Vec<u8>,
    login: Vec<u8>,
}

/// The length of the literal that a line ends in: `{12}`, `{12+}`, `{12-}`.
fn literal(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"}")?;
    let line = line.strip_suffix(b"+").or_else(|| line.strip_suffix(b"-")).unwrap_or(line);
    let open = line.iter().rposition(|byte| *byte == b'{')?;
    str::from_utf8(line.get(open.checked_add(1)?..)?).ok()?.parse().ok()
}

impl Imap {
    fn client_line(&mut self, line: &[u8], sink: &mut Sink) -> Step {
        let mut words = words(line);
        let tag = words.next().unwrap_or_default();
        match words.next().unwrap_or_default().to_ascii_uppercase().as_slice() {
            b"STARTTLS" => {
                self.starttls = tag.to_vec();
                return Step::AskTls;
            }
            b"LOGIN" => {
                self.login = tag.to_vec();
                sink.fact(&AUTH, Value::Word("LOGIN"));
                sink.fact(&CREDENTIALS, Value::Word("LOGIN"));
            }
            b"AUTHENTICATE" => {
                self.login = tag.to_vec();
                sasl::observe(words.next().unwrap_or_default(), &AUTH, &CREDENTIALS, sink);
            }
            _ => {}
        }
        Step::Line
    }
}

impl Talk for Imap {
    fn command(&mut self, line: &[u8], sink: &mut Sink) -> Step {
        let goes_on = std::mem::take(&mut self.client_goes_on);
        let step = if goes_on { Step::Line } else { self.client_line(line, sink) };
        if let Some(length) = literal(line) {
            self.client_goes_on = true;
            return Step::Content(length);
        }
        step
    }

    fn reply(&mut self, line: &[u8], asked: bool, sink: &mut Sink) -> Step {
        let goes_on = std::mem::take(&mut self.server_goes_on);
        if let Some(length) = literal(line) {
            self.server_goes_on = true;
            return Step::Content(length);
        }
        if goes_on {
            return Step::Line;
        }
        let mut words = words(line);
        let tag = words.next().unwrap_or_default();
        let status = words.next().unwrap_or_default().to_ascii_uppercase();
        if tag == b"*" {
            if !std::mem::replace(&mut self.greeted, true) {
                let start = line.len().min(status.len().saturating_add(3));
                sink.fact(&GREETING, text(line.get(start..).unwrap_or_default(), MAX_TEXT));
            }
            if !self.offered && mentions(line, b"CAPABILITY ") && mentions(line, b" STARTTLS") {
                self.offered = true;
                StartTls::offer(&STARTTLS, sink);
            }
            return if status == b"PREAUTH" { Step::Finish } else { Step::Line };
        }
        let accepted = match status.as_slice() {
            b"OK" => true,
            b"NO" | b"BAD" => false,
            _ => return Step::Line,
        };
        if asked && tag == self.starttls {
            return if accepted { Step::TakeTls } else { Step::RefuseTls };
        }
        if !self.login.is_empty() && tag == self.login {
            self.login.clear();
            sink.fact(&LOGIN, Value::Word(if accepted { "accepted" } else { "refused" }));
            return if accepted { Step::Finish } else { Step::Line };
        }
        Step::Line
    }
}

#[cfg(test)]
mod tests {
    use super::super::Next;
    use super::super::talk::{run_with, steady, told, values};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    #[test]
    fn an_accepted_starttls_hands_over_what_follows() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"* OK [CAPABILITY IMAP4rev1 ID STARTTLS LOGINDISABLED] ready.\r\n"),
            (C, b"a001 CAPABILITY\r\n"),
            (S, b"* CAPABILITY IMAP4rev1 STARTTLS\r\na001 OK done\r\n"),
            (C, b"a002 starttls\r\n"),
            (S, b"* OK still here\r\na002 OK Begin TLS\r\n\x16"),
            (C, b"\x16\x03\x01"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["offered", "requested", "accepted"]);
        assert_eq!(values(&facts, &GREETING), ["[CAPABILITY IMAP4rev1 ID STARTTLS LOGINDISABLED] ready."]);
        let sink = &run_with(&DEFINITION, talk).1[4];
        assert_eq!((sink.next, sink.done), (Some(Next::Named("tls")), true));
        assert_eq!(sink.forwarded, [(S, b"\x16".to_vec())]);
    }

    #[test]
    fn credentials_in_the_clear_are_seen_and_not_kept() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"* OK ready\r\n"),
            // The password is a literal that looks like commands.
            (C, b"1 STARTTLS\r\n"),
            (S, b"1 BAD not here\r\n"),
            (C, b"2 LOGIN {4}\r\n"),
            (S, b"+ go\r\n"),
            (C, b"3 AB {18}\r\n5 AUTHENTICATE X\r\n4 AUTHENTICATE plain AGFiYwBzZWNyZXQ=\r\n"),
            (S, b"2 NO wrong\r\n4 OK in\r\n"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["requested", "refused"]);
        assert_eq!(values(&facts, &AUTH), ["LOGIN"]);
        assert_eq!(values(&facts, &CREDENTIALS), ["LOGIN"]);
        assert_eq!(values(&facts, &LOGIN), ["refused"]);
    }

    #[test]
    fn only_mechanisms_that_show_a_secret_are_credentials() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"* OK ready\r\n"),
            (C, b"1 AUTHENTICATE CRAM-MD5\r\n"),
            (S, b"+ PDEy\r\n"),
            (C, b"YWJj\r\n"),
            (S, b"1 NO\r\n"),
            (C, b"2 AUTHENTICATE PLAIN\r\n"),
            (S, b"2 OK in\r\n"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &AUTH), ["CRAM-MD5", "PLAIN"]);
        assert_eq!(values(&facts, &CREDENTIALS), ["PLAIN"]);
        assert_eq!(values(&facts, &LOGIN), ["refused", "accepted"]);
    }

    #[test]
    fn greetings_and_first_commands_are_recognised() {
        for greeting in [&b"* OK ready\r\n"[..], b"* PREAUTH in\r\n", b"* BYE full\r\n"] {
            assert_eq!(told(&DEFINITION, greeting), Probe::Certainly(S));
        }
        for command in [&b"a CAPABILITY\r\n"[..], b"A1 login x \"y z\"\r\n", b"1 AUTHENTICATE PLAIN\r\n"] {
            assert_eq!(told(&DEFINITION, command), Probe::Certainly(C));
        }
        for other in
            [&b"* OKAY\r\n"[..], b"GET / HTTP/1.1\r\n", b"a LOGIN x\r\n", b"x CAPABILITY y\r\n", b"- x"]
        {
            assert_eq!(told(&DEFINITION, other), Probe::No);
        }
    }
}
