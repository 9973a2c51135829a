//! FTP (RFC 959), control connection, up to AUTH TLS (RFC 4217) or a login in the clear.
//!
//! Read: the greeting, whether TLS is offered, requested and accepted, whether a password is sent in the clear and
//! whether the login succeeds, and which data connections are announced. After an accepted AUTH the connection is TLS's.
//! Not read: everything else after a login, and what data connections carry; not kept: user names, passwords, files.

pub mod data;

use super::dialogue::{Dialogue, Step, Talk, begins, code, first_line, mentions, words};
use super::starttls::StartTls;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use std::net::{IpAddr, SocketAddr};

use crate::model::observation::Coming;
use crate::model::{Observation, Transport, Value};

fields! {
    GREETING = "ftp.greeting", "RFC 959 section 5.4",
        "Text of the server's greeting, its first line.";
    STARTTLS = "ftp.starttls", "RFC 4217 section 4",
        "One value each: `offered` by the server, `requested` by the client, `accepted`, `refused`.";
    ANONYMOUS = "ftp.anonymous", "RFC 1635 section 2.1",
        "The client logs in as `anonymous` or `ftp`: its password is none.";
    CREDENTIALS = "ftp.credentials", "RFC 2577 section 5",
        "`PASS`: a password was sent as it is.";
    LOGIN = "ftp.login", "RFC 959 section 5.4",
        "How the server answered a login in the clear: `accepted`, `refused`.";
}

/// FTP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "ftp",
    title: "FTP (RFC 959), control connection",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[21];
/// Longest line that is read whole.
const MAX_LINE: usize = 512;
/// How much of the server's first replies is looked through.
const MAX_PROBE: usize = 2048;

/// A greeting that names FTP or comes from its port; else the first reply or command that only FTP has. SMTP greets
/// with 220 as well, POP3 has USER too.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start || input.bytes.is_empty() {
        return if input.at_start { Probe::More } else { Probe::No };
    }
    match begins(input.bytes, b"220") {
        None => Probe::More,
        Some(true) => server(input),
        Some(false) => client(input),
    }
}

fn server(input: &ProbeInput<'_>) -> Probe {
    let bytes = input.bytes;
    if !matches!(bytes.get(3), None | Some(b' ' | b'-')) {
        return Probe::No;
    }
    let Some(greeting) = first_line(bytes) else {
        return if bytes.len() < MAX_LINE { Probe::More } else { Probe::No };
    };
    if mentions(greeting, b"SMTP") {
        return Probe::No;
    }
    if mentions(greeting, b"FTP") || input.port_in(PORTS) {
        return Probe::Certainly(Role::Server);
    }
    let replies = bytes.split(|byte| *byte == b'\n').filter_map(code).map(|(code, ..)| code);
    match replies.into_iter().find(|code| code != b"220") {
        // Need password, need account, security exchange complete, logged in.
        Some([b'3', b'3', b'1' | b'2'] | [b'2', b'3', b'0' | b'4']) => Probe::Certainly(Role::Server),
        None if bytes.len() < MAX_PROBE => Probe::More,
        _ => Probe::No,
    }
}

fn client(input: &ProbeInput<'_>) -> Probe {
    const ALONE: [&[u8]; 4] = [b"AUTH TLS\r\n", b"AUTH SSL\r\n", b"FEAT\r\n", b"OPTS UTF8 "];
    const AFTER_USER: [&[u8]; 8] = [b"SYST", b"FEAT", b"PWD", b"TYPE", b"PASV", b"EPSV", b"PORT", b"CWD"];
    let mut more = false;
    for command in ALONE {
        match begins(input.bytes, command) {
            Some(true) => return Probe::Certainly(Role::Client),
            Some(false) => {}
            None => more = true,
        }
    }
    match begins(input.bytes, b"USER ") {
        Some(true) if input.port_in(PORTS) => return Probe::Certainly(Role::Client),
        Some(true) => {
            let lines = input.bytes.split(|byte| *byte == b'\n').skip(1).take(4);
            let verb = |line: &[u8]| {
                let word = words(line).next().unwrap_or_default();
                word.strip_suffix(b"\r").unwrap_or(word).to_ascii_uppercase()
            };
            if lines.map(verb).any(|verb| AFTER_USER.contains(&verb.as_slice())) {
                return Probe::Certainly(Role::Client);
            }
            more |= input.bytes.len() < MAX_LINE;
        }
        Some(false) => {}
        None => more = true,
    }
    if more { Probe::More } else { Probe::No }
}

fn start(context: &Context) -> Box<dyn Analyzer> {
    let (client, server) = (context.client.ip, context.server.ip);
    Box::new(Dialogue::new(
        Ftp { greeted: false, anonymous: false, client, server, data: 0 },
        MAX_LINE,
        &STARTTLS,
    ))
}

#[derive(Debug)]
struct Ftp {
    greeted: bool,
    anonymous: bool,
    client: IpAddr,
    server: IpAddr,
    /// Data connections announced so far.
    data: u16,
}

/// Data connections of one control connection that are told.
const MAX_DATA: u16 = 4096;

impl Ftp {
    /// The end `listener` waits for a data connection there, which only counts for itself: else a server could name any
    /// connection of the client's. An address that a router has still to translate is its own, too.
    fn listens(&mut self, listener: Role, at: Option<(Option<IpAddr>, u16)>, sink: &mut Sink) -> Step {
        let Some((ip, port)) = at else { return Step::Line };
        let (own, orig) = match listener {
            Role::Client => (self.client, self.server),
            Role::Server => (self.server, self.client),
        };
        if ip.is_some_and(|ip| ip != own && (!data::is_inside(ip) || data::is_inside(own))) {
            return Step::Line;
        }
        let resp = SocketAddr::new(own, port);
        let coming = Coming { orig, resp, service: data::DEFINITION.id, seen: sink.seen };
        sink.observe(Observation::Coming(Box::new(coming)));
        self.data = self.data.saturating_add(1);
        if self.data < MAX_DATA { Step::Line } else { Step::Finish }
    }
}

impl Talk for Ftp {
    fn command(&mut self, line: &[u8], sink: &mut Sink) -> Step {
        let mut words = words(line);
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let argument = words.next().unwrap_or_default().to_ascii_lowercase();
        let where_to = match verb.as_slice() {
            b"PORT" => data::six_numbers(&argument),
            b"EPRT" => data::extended(&argument),
            _ => None,
        };
        if where_to.is_some() {
            return self.listens(Role::Client, where_to, sink);
        }
        match verb.as_slice() {
            b"AUTH" if matches!(argument.as_slice(), b"tls" | b"tls-c" | b"ssl" | b"tls-p") => Step::AskTls,
            b"USER" => {
                self.anonymous = matches!(argument.as_slice(), b"anonymous" | b"ftp");
                if self.anonymous {
                    sink.fact(&ANONYMOUS, Value::Yes);
                }
                Step::Line
            }
            b"PASS" => {
                if !self.anonymous {
                    sink.fact(&CREDENTIALS, Value::Word("PASS"));
                }
                Step::Line
            }
            _ => Step::Line,
        }
    }

    fn reply(&mut self, line: &[u8], asked: bool, sink: &mut Sink) -> Step {
        let Some((code, divider, rest)) = code(line) else {
            // The list of features has its lines indented (RFC 2389 section 3.2).
            let mut words = words(line);
            let feature = words.next().unwrap_or_default();
            if feature.eq_ignore_ascii_case(b"AUTH") && words.any(|word| mentions(word, b"TLS")) {
                StartTls::offer(&STARTTLS, sink);
            }
            return Step::Line;
        };
        if !std::mem::replace(&mut self.greeted, true) && &code == b"220" {
            sink.fact(&GREETING, text(rest, MAX_LINE));
        }
        match (&code, divider) {
            (_, b'-') => Step::Line,
            (b"234", _) if asked => Step::TakeTls,
            ([b'4' | b'5', ..] | b"334", _) if asked => Step::RefuseTls,
            (b"230", _) => {
                sink.fact(&LOGIN, Value::Word("accepted"));
                Step::Line
            }
            (b"227", _) => self.listens(Role::Server, data::six_numbers(rest), sink),
            (b"229", _) => self.listens(Role::Server, data::extended(rest), sink),
            (b"530", _) => {
                sink.fact(&LOGIN, Value::Word("refused"));
                Step::Line
            }
            _ => Step::Line,
        }
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
    fn an_accepted_auth_hands_over_what_follows() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"220-Welcome to\r\n220 files.example FTP server\r\n"),
            (C, b"FEAT\r\n"),
            (S, b"211-Features:\r\n AUTH TLS\r\n PBSZ\r\n211 End\r\n"),
            (C, b"AUTH TLS\r\n"),
            (S, b"234 AUTH TLS OK.\r\n"),
            (C, b"\x16\x03\x01"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["offered", "requested", "accepted"]);
        assert_eq!(values(&facts, &GREETING), ["Welcome to"]);
        let sink = &run_with(&DEFINITION, talk).1[4];
        assert_eq!((sink.next, sink.done), (Some(Next::Named("tls")), true));
    }

    #[test]
    fn a_password_in_the_clear_is_seen_and_not_kept() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"220 x FTP\r\n"),
            (C, b"AUTH SSL\r\n"),
            (S, b"500 AUTH not understood\r\n"),
            (C, b"USER bob\r\n"),
            (S, b"331 Password required\r\n"),
            (C, b"PASS secret\r\n"),
            (S, b"530 no\r\n"),
            (C, b"USER anonymous\r\n"),
            (S, b"331 Any password\r\n"),
            (C, b"PASS me@example\r\n"),
            (S, b"230 in\r\n"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["requested", "refused"]);
        assert_eq!(facts.count(&CREDENTIALS), 1);
        assert_eq!(values(&facts, &LOGIN), ["refused", "accepted"]);
        assert!(facts.has(&ANONYMOUS));
    }

    #[test]
    fn data_connections_are_announced() {
        let talk: &[(Role, &[u8])] = &[
            (S, b"220 x FTP\r\n"),
            (C, b"USER anonymous\r\n"),
            (S, b"230 in\r\n"),
            (C, b"PASV\r\n"),
            (S, b"227 Entering Passive Mode (10,0,0,9,4,1).\r\n"),
            (C, b"EPSV\r\n"),
            (S, b"229 Entering Extended Passive Mode (|||1026|)\r\n"),
            (C, b"PORT 192,0,2,1,4,3\r\n"),
            (C, b"EPRT |2|2001:db8::1|1028|\r\n"),
            (C, b"PORT 192,0,2,1,4,999\r\n"),
            // Somebody else's.
            (S, b"227 x (198,51,100,66,17,92)\r\n"),
            (C, b"PORT 198,51,100,66,17,92\r\n"),
        ];
        let coming = data::tests::announced(talk);
        // The stand-in has the same address at both ends.
        assert_eq!(
            coming,
            ["192.0.2.1 > 192.0.2.1:1025", "192.0.2.1 > 192.0.2.1:1026", "192.0.2.1 > 192.0.2.1:1027",]
        );
    }

    #[test]
    fn it_is_told_from_its_likes() {
        assert_eq!(told(&DEFINITION, b"220 (vsFTPd 3.0.3)\r\n"), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"220 hello\r\n331 password?\r\n"), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"220 ftp.example ESMTP\r\n"), Probe::No);
        assert_eq!(told(&DEFINITION, b"220 hello\r\n250 mail.example\r\n"), Probe::No);
        assert_eq!(told(&DEFINITION, b"220 hello\r\n"), Probe::More);
        assert_eq!(ask(&DEFINITION, b"220 hello\r\n", 21, 50_000), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"AUTH TLS\r\n"), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, b"USER x\r\nPASS y\r\nSYST\r\n"), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, b"USER x\r\nPASS y\r\nSTAT\r\n"), Probe::More);
        assert_eq!(told(&DEFINITION, b"AUTH PLAIN\r\n"), Probe::No);
    }
}
