//! IRC (RFC 2812), recognised by its registration.
//!
//! Read: that a client registers, with a password or not, and the upgrade to TLS of some servers. Not read: channels
//! and messages; not kept: names, passwords.

use super::dialogue::{Dialogue, Step, Talk, words};
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, sasl};
use crate::model::{Transport, Value};

fields! {
    REGISTERED = "irc.registered", "RFC 2812 section 5.1",
        "The server welcomed the client (reply 001).";
    STARTTLS = "irc.starttls", "IRCv3 tls",
        "One value each: `requested` by the client, `accepted`, `refused` by the server.";
    AUTH = "irc.auth", "IRCv3 sasl-3.1",
        "SASL mechanism by which the client authenticates in the clear.";
    CREDENTIALS = "irc.credentials", "RFC 2812 section 3.1.1",
        "A password was sent as it is: `PASS`, else the SASL mechanism.";
}

/// IRC in the registry.
pub static DEFINITION: Definition = Definition {
    id: "irc",
    title: "IRC (RFC 2812)",
    transports: &[Transport::Tcp],
    ports: &[6667],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

/// Longest line, without the tags of IRCv3.
const MAX_LINE: usize = 512;
/// Lines of a client before its registration is given up.
const MAX_LINES: u8 = 32;

/// NICK and USER, after PASS and CAP; the server's first word is a notice or a welcome with its name before it.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start {
        return Probe::No;
    }
    let Some(first) = input.bytes.first() else { return Probe::More };
    if !matches!(first, b'N' | b'n' | b'U' | b'u' | b'P' | b'p' | b'C' | b'c' | b':') {
        return Probe::No;
    }
    let (mut nick, mut user) = (false, false);
    let mut rest = input.bytes;
    while let Some(end) = rest.iter().take(MAX_LINE).position(|byte| *byte == b'\n') {
        let line = rest.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        let mut words = words(line);
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        match (verb.as_slice(), words.next()) {
            ([b':', ..], Some(b"NOTICE" | b"001" | b"020")) if words.next().is_some() => {
                return Probe::Certainly(Role::Server);
            }
            (b"PASS" | b"CAP", Some(_)) => {}
            (b"NICK", Some(_)) => nick = true,
            // Name, host or mode, server or unused, real name.
            (b"USER", Some(_)) if words.count() >= 3 => user = true,
            _ => return Probe::No,
        }
        if nick && user {
            return Probe::Certainly(Role::Client);
        }
    }
    let printable = rest.iter().all(|byte| *byte >= b' ' || *byte == b'\r');
    if rest.len() < MAX_LINE && input.bytes.len() < MAX_LINE.saturating_mul(4) && printable {
        Probe::More
    } else {
        Probe::No
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Dialogue::new(Irc::default(), MAX_LINE, &STARTTLS))
}

#[derive(Debug, Default)]
struct Irc {
    lines: u8,
}

impl Talk for Irc {
    fn command(&mut self, line: &[u8], sink: &mut Sink) -> Step {
        let mut words = words(line);
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_slice() {
            b"STARTTLS" => return Step::AskTls,
            b"PASS" => sink.fact(&CREDENTIALS, Value::Word("PASS")),
            b"AUTHENTICATE" => {
                let mechanism = words.next().unwrap_or_default();
                let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'-';
                if (3..=20).contains(&mechanism.len()) && mechanism.iter().all(is_name) {
                    sasl::observe(mechanism, &AUTH, &CREDENTIALS, sink);
                }
            }
            _ => {}
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines >= MAX_LINES { Step::Finish } else { Step::Line }
    }

    fn reply(&mut self, line: &[u8], asked: bool, sink: &mut Sink) -> Step {
        match words(line).nth(1).unwrap_or_default() {
            b"670" if asked => Step::TakeTls,
            b"691" | b"421" if asked => Step::RefuseTls,
            b"001" => {
                sink.fact(&REGISTERED, Value::Yes);
                Step::Finish
            }
            _ => Step::Line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{list, steady, told};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    #[test]
    fn a_registration_is_read() {
        let talk: &[(Role, &[u8])] = &[
            (C, b"STARTTLS\r\n"),
            (S, b":irc.example 691 * :no\r\n"),
            (C, b"PASS secret\r\nNICK bob\r\nUSER bob 0 * :Bob\r\nAUTHENTICATE PLAIN\r\nAUTHENTICATE YWJjZGVm=\r\n"),
            (S, b":irc.example 001 bob :Welcome\r\n"),
            (C, b"PASS again\r\n"),
        ];
        assert_eq!(
            list(&steady(&DEFINITION, talk)),
            [
                "irc.starttls=requested x1",
                "irc.starttls=refused x1",
                "irc.credentials=PASS x1",
                "irc.auth=PLAIN x1",
                "irc.credentials=PLAIN x1",
                "irc.registered=yes x1"
            ]
        );
    }

    #[test]
    fn registrations_are_recognised() {
        assert_eq!(told(&DEFINITION, b"CAP LS 302\r\nNICK a\r\nUSER a 0 * :b c\r\n"), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, b":irc.example NOTICE AUTH :*** hi\r\n"), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"NICK a\r\n"), Probe::More);
        for other in
            [&b"USER a\r\n"[..], b"POST / HTTP/1.1\r\n", b"CONNECT x:443 HTTP/1.1\r\n", b"NO\x01", b"user"]
        {
            assert!(told(&DEFINITION, other) != Probe::Certainly(C));
        }
    }
}
