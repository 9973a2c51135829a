//! SMTP (RFC 5321), recognised by its greeting or by EHLO, up to STARTTLS (RFC 3207).
//!
//! Read: the server's greeting, the name in EHLO, whether TLS is offered, requested and accepted,
//! whether credentials go over the line in the clear (RFC 4954), how many messages were
//! transferred. After an accepted STARTTLS the connection is TLS's. Not kept: senders, recipients,
//! credentials, contents.

use super::dialogue::{Dialogue, Step, Talk, words};
use super::starttls::StartTls;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, sasl};
use crate::model::{Field, Transport, Value};

/// The greeting.
pub static GREETING: Field = Field {
    name: "smtp.greeting",
    doc: "Text of the server's greeting, its first line.",
    source: "RFC 5321 section 4.2",
};
/// The client's name for itself.
pub static CLIENT_NAME: Field = Field {
    name: "smtp.client_name",
    doc: "What the client calls itself in EHLO or HELO.",
    source: "RFC 5321 section 4.1.1.1",
};
/// TLS.
pub static STARTTLS: Field = Field {
    name: "smtp.starttls",
    doc: "One value each: `offered` by the server, `requested` by the client, `accepted`, `refused`.",
    source: "RFC 3207 section 4",
};
/// Authentication in the clear.
pub static AUTH: Field = Field {
    name: "smtp.auth",
    doc: "Mechanism of an AUTH command that was sent in the clear, in upper case.",
    source: "RFC 4954 section 4",
};
/// Credentials that anybody can read.
pub static CREDENTIALS: Field = Field {
    name: "smtp.credentials",
    doc: "A password or token was sent as it is, by this mechanism of AUTH.",
    source: "RFC 4954 section 9",
};
/// Messages in the clear.
pub static MESSAGE: Field = Field {
    name: "smtp.message",
    doc: "A message was transferred in the clear; its count is that of the messages.",
    source: "RFC 5321 section 4.1.1.4, RFC 3030 section 2",
};

/// SMTP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "smtp",
    title: "SMTP (RFC 5321)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: &[&GREETING, &CLIENT_NAME, &STARTTLS, &AUTH, &CREDENTIALS, &MESSAGE],
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[25, 587, 2525];
/// Longest command or reply that is read whole (RFC 5321 section 4.5.3.1).
const MAX_LINE: usize = 512;

/// EHLO or HELO from the client; from the server a 220 greeting that names SMTP, or any on an SMTP
/// port: FTP greets with 220 as well.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let bytes = input.bytes;
    if !input.at_start || bytes.is_empty() {
        return if input.at_start { Probe::More } else { Probe::No };
    }
    let mut more = false;
    for command in [b"EHLO ", b"HELO "] {
        let length = bytes.len().min(command.len());
        let fits = bytes
            .get(..length)
            .is_some_and(|front| command.get(..length).is_some_and(|c| front.eq_ignore_ascii_case(c)));
        if fits && length == command.len() {
            return Probe::Certainly(Role::Client);
        }
        more |= fits;
    }
    if more || b"220".starts_with(bytes) {
        return Probe::More;
    }
    let (b"220", [b' ' | b'-', ..]) = bytes.split_at_checked(3).unwrap_or_default() else {
        return if bytes == b"220" { Probe::More } else { Probe::No };
    };
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    if input.port_in(PORTS) || line.windows(4).any(|word| word.eq_ignore_ascii_case(b"SMTP")) {
        Probe::Certainly(Role::Server)
    } else if end.is_none() && bytes.len() < MAX_LINE {
        Probe::More
    } else {
        Probe::No
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Dialogue::new(Smtp::default(), MAX_LINE, &STARTTLS))
}

#[derive(Debug, Default)]
struct Smtp {
    greeted: bool,
    /// Within the lines of a message, up to one with a single dot.
    in_message: bool,
    /// DATA waits for its reply.
    data: bool,
}

impl Talk for Smtp {
    fn command(&mut self, line: &[u8], sink: &mut Sink) -> Step {
        if self.in_message {
            self.in_message = line != b".";
            return Step::Line;
        }
        let mut words = words(line);
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let argument = words.next().unwrap_or_default();
        match verb.as_slice() {
            b"EHLO" | b"HELO" => sink.fact(&CLIENT_NAME, Value::text(argument)),
            b"AUTH" => sasl::observe(argument, &AUTH, &CREDENTIALS, sink),
            b"DATA" => self.data = true,
            b"BDAT" => {
                let size = str::from_utf8(argument).ok().and_then(|size| size.parse().ok());
                if words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST")) {
                    sink.fact(&MESSAGE, Value::Yes);
                }
                return size.map_or(Step::Line, Step::Content);
            }
            b"STARTTLS" => return Step::AskTls,
            _ => {}
        }
        Step::Line
    }

    fn reply(&mut self, line: &[u8], asked: bool, sink: &mut Sink) -> Step {
        let (code, text) = line.split_at_checked(3).unwrap_or((line, &[]));
        let (last, text) = match text {
            [b'-', text @ ..] => (false, text),
            [_, text @ ..] => (true, text),
            [] => (true, text),
        };
        if !self.greeted {
            self.greeted = true;
            if code == b"220" {
                sink.fact(&GREETING, Value::text(text));
                return Step::Line;
            }
        }
        match code {
            b"250" if text.eq_ignore_ascii_case(b"STARTTLS") => StartTls::offer(&STARTTLS, sink),
            b"354" if self.data => {
                self.data = false;
                self.in_message = true;
                sink.fact(&MESSAGE, Value::Yes);
            }
            b"220" if asked && last => return Step::TakeTls,
            [b'4' | b'5', ..] if asked && last => return Step::RefuseTls,
            [b'4' | b'5', ..] => self.data = false,
            _ => {}
        }
        Step::Line
    }
}

#[cfg(test)]
mod tests {
    use super::super::Next;
    use super::super::talk::{ask, run, run_with, values as words};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    #[test]
    fn an_accepted_starttls_hands_over_what_follows() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"220 mail.example ESMTP Postfix\r\n"),
            (C, b"EHLO device-1\r\n"),
            (S, b"250-mail.example\r\n250-STARTTLS\r\n250 HELP\r\n"),
            (C, b"STARTTLS\r\n"),
            (C, b"\x16\x03\x01"),
            (S, b"220 2.0.0 Ready\r\n\x16\x03\x03"),
        ];
        let (facts, sinks) = run_with(&DEFINITION, talk);
        assert_eq!(words(&facts, &STARTTLS), ["offered", "requested", "accepted"]);
        assert_eq!(words(&facts, &GREETING), ["mail.example ESMTP Postfix"]);
        assert_eq!(words(&facts, &CLIENT_NAME), ["device-1"]);
        let last = &sinks[5];
        assert_eq!(last.next, Some(Next::Named("tls")));
        assert!(last.done);
        assert_eq!(last.forwarded, [(S, b"\x16\x03\x03".to_vec()), (C, b"\x16\x03\x01".to_vec())]);
    }

    #[test]
    fn credentials_in_the_clear_are_seen_and_not_kept() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"220 x ESMTP\r\n"),
            (C, b"EHLO d\r\nSTARTTLS\r\n"),
            (S, b"250 x\r\n454 TLS not available\r\n"),
            (C, b"auth plain AGEAYg==\r\n"),
            (S, b"235 ok\r\n"),
        ];
        let facts = run(&DEFINITION, talk);
        assert_eq!(words(&facts, &STARTTLS), ["requested", "refused"]);
        assert_eq!(words(&facts, &AUTH), ["PLAIN"]);
        assert!(facts.iter().all(|fact| !fact.value.to_string().contains("AGEA")));
    }

    #[test]
    fn contents_are_no_commands() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"220 x ESMTP\r\n"),
            (C, b"HELO d\r\nMAIL FROM:<a@b>\r\nDATA\r\n"),
            (S, b"250 x\r\n250 ok\r\n354 go\r\n"),
            (C, b"AUTH LOGIN\r\nSTARTTLS\r\n.\r\nBDAT 12 LAST\r\nAUTH PLAIN\r\nQUIT\r\n"),
            (S, b"250 ok\r\n250 ok\r\n221 bye\r\n"),
        ];
        let facts = run(&DEFINITION, talk);
        assert!(!facts.has(&AUTH) && !facts.has(&STARTTLS));
        assert_eq!(facts.count(&MESSAGE), 2);
    }

    #[test]
    fn a_greeting_must_name_smtp_or_come_from_its_port() {
        assert_eq!(ask(&DEFINITION, b"220 ftp.example FTP server ready\r\n", 21, 50_000), Probe::No);
        assert_eq!(ask(&DEFINITION, b"220 a.example ESMTP\r\n", 2500, 50_000), Probe::Certainly(S));
        assert_eq!(ask(&DEFINITION, b"220 a.example ready\r\n", 25, 50_000), Probe::Certainly(S));
        assert_eq!(ask(&DEFINITION, b"220 a.exa", 2500, 50_000), Probe::More);
        assert_eq!(ask(&DEFINITION, b"ehlo d\r\n", 50_000, 9), Probe::Certainly(C));
        assert_eq!(ask(&DEFINITION, b"HELP\r\n", 50_000, 25), Probe::No);
        for prefix in [&b""[..], b"2", b"22", b"220", b"E", b"EHLO", b"he"] {
            assert_eq!(ask(&DEFINITION, prefix, 50_000, 9), Probe::More, "{prefix:?}");
        }
    }
}
