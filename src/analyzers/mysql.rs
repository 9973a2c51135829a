//! MySQL and MariaDB client/server protocol, up to TLS or the end of the login.
//!
//! Read: the server's greeting (protocol 10) with its version and whether it can do TLS, whether the client asks for
//! that, else the authentication plugin and how the login ends. Not read: commands; not kept: names of users and
//! databases, passwords, scrambles.

use super::frames::{FrameReader, Framed, Size};
use super::starttls::StartTls;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    SERVER_VERSION = "mysql.server_version", "MySQL internals, Protocol::HandshakeV10",
        "Version in the server's greeting: `8.0.36`, `5.5.5-10.11.6-MariaDB`.";
    STARTTLS = "mysql.starttls", "MySQL internals, Protocol::SSLRequest",
        "One value each: `offered` by the server, `requested` by the client, after which TLS begins.";
    AUTH = "mysql.auth", "MySQL internals, Authentication Method",
        "Authentication plugin that the client uses in the clear, or that the server switches to.";
    CREDENTIALS = "mysql.credentials", "MySQL internals, Clear text client plugin",
        "A password was sent as it is, by this plugin.";
    LOGIN = "mysql.login", "MySQL internals, Connection Phase",
        "How the login in the clear ended: `accepted`, `refused`.";
    ERROR = "mysql.error", "MySQL internals, ERR_Packet",
        "Code of an error before or at the login: 1045 access denied, 1130 host not allowed.";
    ANOMALY = "mysql.anomaly", "MySQL internals, Protocol::Packet",
        "Bytes that break the protocol: `header`.";
}

/// MySQL in the registry.
pub static DEFINITION: Definition = Definition {
    id: "mysql",
    title: "MySQL client/server protocol",
    transports: &[Transport::Tcp],
    ports: &[3306],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

/// What is read of a packet.
const MAX_READ: usize = 1024;
/// Longest version that is believed.
const MAX_VERSION: usize = 100;
const CLIENT_CONNECT_WITH_DB: u32 = 0x8;
const CLIENT_PROTOCOL_41: u32 = 0x200;
const CLIENT_SSL: u32 = 0x800;
const CLIENT_SECURE_CONNECTION: u32 = 0x8000;
const CLIENT_PLUGIN_AUTH: u32 = 0x8_0000;
const CLIENT_PLUGIN_AUTH_LENENC: u32 = 0x20_0000;
/// Plugins that send the password as it is (`dialog` is PAM).
const CLEAR: &[&str] = &["mysql_clear_password", "dialog"];

/// The server's greeting, or its refusal to talk to this host.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start {
        return Probe::No;
    }
    let Some(([low, high, top, number], body)) = input.bytes.split_first_chunk::<4>() else {
        // A greeting has fewer than 512 bytes.
        let fits = matches!(*input.bytes, [] | [_] | [_, 0 | 1] | [_, 0 | 1, 0]);
        return if fits { Probe::More } else { Probe::No };
    };
    let length = u32::from_le_bytes([*low, *high, *top, 0]);
    if *number != 0 || !(8..512).contains(&length) {
        return Probe::No;
    }
    match body.split_first() {
        None | Some((0xff, [] | [_])) => Probe::More,
        Some((0x0a, rest)) => {
            let version =
                rest.iter().take(MAX_VERSION).take_while(|byte| (0x20..0x7f).contains(*byte)).count();
            let digit = rest.first().is_none_or(u8::is_ascii_digit);
            // Thread, first part of the scramble, and a zero.
            match (rest.get(version), rest.get(version.saturating_add(13))) {
                _ if !digit => Probe::No,
                (Some(0), Some(0)) if version >= 3 => Probe::Certainly(Role::Server),
                (Some(0), None) if version >= 3 => Probe::More,
                (None, _) => Probe::More,
                _ => Probe::No,
            }
        }
        // Too many connections, host blocked, host not privileged.
        Some((0xff, [code_low, code_high, rest @ ..])) => {
            let code = u16::from_le_bytes([*code_low, *code_high]);
            let message = rest.strip_prefix(b"#").and_then(|rest| rest.get(5..)).unwrap_or(rest);
            let known = matches!(code, 1040 | 1129 | 1130);
            match message.len() {
                _ if !known => Probe::No,
                0..=3 => Probe::More,
                _ if message.starts_with(b"Host") || message.starts_with(b"Too ") => {
                    Probe::Certainly(Role::Server)
                }
                _ => Probe::No,
            }
        }
        _ => Probe::No,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Mysql {
        client: FrameReader::new(MAX_READ),
        server: FrameReader::new(MAX_READ),
        greeted: false,
        answered: false,
        clear: None,
        tls: StartTls::default(),
    })
}

struct Mysql {
    client: FrameReader,
    server: FrameReader,
    greeted: bool,
    /// The client has sent its login.
    answered: bool,
    /// The plugin at work sends the password as it is.
    clear: Option<&'static str>,
    tls: StartTls,
}

fn size(front: &[u8]) -> Size {
    let Some([low, high, top, _]) = front.first_chunk::<4>() else { return Size::More };
    Size::Whole(u64::from(u32::from_le_bytes([*low, *high, *top, 0])).saturating_add(4))
}

/// Takes a string that ends in a zero.
fn string<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = input.iter().position(|byte| *byte == 0)?;
    let string = input.get(..end)?;
    *input = input.get(end.checked_add(1)?..)?;
    Some(string)
}

/// Whether the server can do TLS: the low half of its capabilities comes after thread, scramble and a zero.
fn greeting(mut body: &[u8], sink: &mut Sink) -> Option<()> {
    sink.fact(&SERVER_VERSION, text(string(&mut body)?, MAX_VERSION));
    let low = body.get(13..)?.first_chunk::<2>()?;
    if u32::from(u16::from_le_bytes(*low)) & CLIENT_SSL != 0 {
        StartTls::offer(&STARTTLS, sink);
    }
    Some(())
}

/// The plugin in the client's login, which comes after its name, its proof and the name of a database.
fn plugin(capabilities: u32, body: &[u8]) -> Option<&[u8]> {
    let has = |flag| capabilities & flag != 0;
    // Capabilities, greatest packet, character set, zeros.
    let mut rest = body.get(32..)?;
    string(&mut rest)?;
    if has(CLIENT_PLUGIN_AUTH_LENENC) || has(CLIENT_SECURE_CONNECTION) {
        // Proofs are shorter than 251 bytes, so that both ways of writing the length are one byte.
        let (length, after) = rest.split_first()?;
        rest = after.get(usize::from(*length)..)?;
    } else {
        string(&mut rest)?;
    }
    if has(CLIENT_CONNECT_WITH_DB) {
        string(&mut rest)?;
    }
    if has(CLIENT_PLUGIN_AUTH) { string(&mut rest) } else { None }
}

impl Mysql {
    fn uses(&mut self, plugin: &[u8], sink: &mut Sink) {
        sink.fact(&AUTH, text(plugin, 64));
        self.clear = CLEAR.iter().copied().find(|clear| clear.as_bytes() == plugin);
    }

    fn request(&mut self, body: &[u8], length: usize, sink: &mut Sink) {
        if std::mem::replace(&mut self.answered, true) {
            if let Some(clear) = self.clear {
                sink.fact(&CREDENTIALS, Value::Word(clear));
            }
            return;
        }
        let Some(flags) = body.first_chunk::<4>() else { return };
        let capabilities = u32::from_le_bytes(*flags);
        if capabilities & CLIENT_SSL != 0
            && (length == 32 || capabilities & CLIENT_PROTOCOL_41 == 0 && length == 4)
        {
            return self.tls.request(&STARTTLS, sink);
        }
        if let Some(plugin) = plugin(capabilities, body) {
            self.uses(plugin, sink);
            if let Some(clear) = self.clear {
                sink.fact(&CREDENTIALS, Value::Word(clear));
            }
        }
    }

    fn response(&mut self, body: &[u8], sink: &mut Sink) {
        let Some((kind, mut rest)) = body.split_first() else { return };
        match (kind, self.greeted) {
            (0xff, _) => {
                if let Some(code) = rest.first_chunk::<2>() {
                    sink.fact(&ERROR, Value::Uint(u64::from(u16::from_le_bytes(*code))));
                }
                if self.answered {
                    sink.fact(&LOGIN, Value::Word("refused"));
                }
                sink.finish();
            }
            (0x0a, false) => {
                self.greeted = true;
                let _ = greeting(rest, sink);
            }
            (_, false) => {
                sink.broken(&ANOMALY, "header");
                sink.give_up();
            }
            (0, true) => {
                sink.fact(&LOGIN, Value::Word("accepted"));
                sink.finish();
            }
            (0xfe, true) => {
                if let Some(plugin) = string(&mut rest) {
                    self.uses(plugin, sink);
                }
            }
            _ => {}
        }
    }
}

impl Analyzer for Mysql {
    fn held(&self) -> usize {
        [self.client.held(), self.server.held(), self.tls.held()].into_iter().fold(0, usize::saturating_add)
    }

    fn gap(&mut self, _role: Role, _missed: u64, sink: &mut Sink) {
        sink.give_up_but_tls();
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        while !bytes.is_empty() && !sink.done {
            let reader = if role == Role::Client { &mut self.client } else { &mut self.server };
            let Framed::Message(message) = reader.next(&mut bytes, size) else { return };
            let Some((_, body)) = message.split_first_chunk::<4>() else { return };
            match role {
                Role::Client => self.request(body, body.len(), sink),
                Role::Server => self.response(body, sink),
            }
            if self.tls.is_pending() {
                self.tls.hold(bytes, sink);
                return self.tls.begin(&[], sink);
            }
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

    fn packet(number: u8, body: &[u8]) -> Vec<u8> {
        [&[body.len() as u8, 0, 0, number], body].concat()
    }

    /// Version, thread, eight bytes of scramble, zero, capabilities, character set, status, capabilities, length of the
    /// scramble, zeros, the rest of the scramble, plugin.
    fn hello(capabilities: u16) -> Vec<u8> {
        let [low, high] = capabilities.to_le_bytes();
        let body = [
            &b"\x0a8.0.36\0\x08\0\0\0abcdefgh\0"[..],
            &[low, high, 0xff, 2, 0, 0xff, 0xdf, 21],
            &[0; 10],
            b"ijklmnopqrst\0caching_sha2_password\0",
        ]
        .concat();
        packet(0, &body)
    }

    fn login(plugin: &[u8]) -> Vec<u8> {
        let flags =
            CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH | CLIENT_CONNECT_WITH_DB;
        let body = [&flags.to_le_bytes()[..], &[0; 28], b"bob\0\x04wxyzshop\0", plugin, b"\0"].concat();
        packet(1, &body)
    }

    #[test]
    fn a_request_for_tls_hands_over_what_follows() {
        let request =
            [&packet(1, &[&CLIENT_SSL.to_le_bytes()[..], &[0; 28]].concat())[..], b"\x16\x03"].concat();
        let hello = hello(0xffff);
        let talk: &[(Role, &[u8])] = &[(S, &hello), (C, &request), (S, b"\x16")];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &STARTTLS), ["offered", "requested"]);
        assert_eq!(values(&facts, &SERVER_VERSION), ["8.0.36"]);
        let sink = &run_with(&DEFINITION, talk).1[1];
        assert_eq!((sink.next, sink.done), (Some(Next::Named("tls")), true));
        assert_eq!(sink.forwarded, [(C, b"\x16\x03".to_vec())]);
    }

    #[test]
    fn a_login_in_the_clear_has_its_plugin_and_its_end() {
        let (hello, login) = (hello(0xf7ff), login(b"mysql_native_password"));
        let facts =
            steady(&DEFINITION, &[(S, &hello), (C, &login), (S, &packet(2, b"\xff\x15\x04#28000no"))]);
        assert!(!facts.has(&STARTTLS) && !facts.has(&CREDENTIALS));
        assert_eq!(values(&facts, &AUTH), ["mysql_native_password"]);
        assert_eq!(
            (values(&facts, &LOGIN), values(&facts, &ERROR)),
            (vec!["refused".into()], vec!["1045".into()])
        );
    }

    #[test]
    fn a_password_as_it_is_is_seen() {
        let (hello, login) = (hello(0xf7ff), login(b"mysql_native_password"));
        let switch = packet(2, b"\xfemysql_clear_password\0");
        let (password, ok) = (packet(3, b"secret\0"), packet(4, &[0, 0, 0, 2, 0, 0, 0]));
        let facts = steady(&DEFINITION, &[(S, &hello), (C, &login), (S, &switch), (C, &password), (S, &ok)]);
        assert_eq!(values(&facts, &CREDENTIALS), ["mysql_clear_password"]);
        assert_eq!(values(&facts, &LOGIN), ["accepted"]);
    }

    #[test]
    fn the_greeting_is_recognised() {
        assert_eq!(told(&DEFINITION, &hello(0xffff)), Probe::Certainly(S));
        assert_eq!(
            told(&DEFINITION, &packet(0, b"\xff\x6a\x04Host '192.0.2.1' is not allowed")),
            Probe::Certainly(S)
        );
        for other in
            [&b"\x20\0\0\x01\x0a5.5\0"[..], b"\x20\0\0\0\x0aabc", b"\x20\0\0\0\x09", b"\x05\0\0\0\x0a5.5\0"]
        {
            assert_eq!(told(&DEFINITION, other), Probe::No);
        }
    }
}
