//! Redis serialization protocol (RESP 2 and 3).
//!
//! Read: names of the first commands, whether the client authenticates (AUTH, HELLO … AUTH), codes of errors. Not
//! kept: keys, values, passwords.

use super::dialogue::first_line;
use super::lines::LineReader;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    COMMAND = "redis.command", "Redis serialization protocol, Sending commands to a server",
        "Name of a command, in upper case.";
    CREDENTIALS = "redis.credentials", "Redis, AUTH and HELLO",
        "`AUTH` or `HELLO`: a password was sent as it is, by this command.";
    ERROR = "redis.error", "Redis serialization protocol, Simple errors",
        "First word of an error: `NOAUTH`, `WRONGPASS`, `ERR`.";
}

/// Redis in the registry.
pub static DEFINITION: Definition = Definition {
    id: "redis",
    title: "Redis serialization protocol",
    transports: &[Transport::Tcp],
    ports: &[6379],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

/// Longest line that is read whole; words of commands and errors are short.
const MAX_LINE: usize = 128;
/// Commands after which nothing new is awaited.
const MAX_COMMANDS: u16 = 64;
const MAX_WORD: usize = 32;

/// A command as an array whose first part is a word; an error or the answer to a ping that only Redis sends; a line that
/// begins with the name of a command (inline command), to its port or where no other protocol has that.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let bytes = input.bytes;
    match bytes.first() {
        None => return Probe::More,
        Some(b'*') => {}
        Some(b'+') => return pong(bytes),
        Some(first) if first.is_ascii_alphabetic() => return inline(input),
        Some(b'-') => {
            let mut more = false;
            for error in [&b"-NOAUTH Authentication required"[..], b"-WRONGPASS "] {
                if bytes.starts_with(error) {
                    return Probe::Certainly(Role::Server);
                }
                more |= error.starts_with(bytes);
            }
            return if more { Probe::More } else { Probe::No };
        }
        _ => return Probe::No,
    }
    let mut rest = bytes;
    for kind in [b'*', b'$'] {
        let Some(line) = first_line(rest) else {
            let plain = rest.first().is_none_or(|first| *first == kind)
                && rest.iter().skip(1).all(|byte| byte.is_ascii_digit() || *byte == b'\r');
            return if plain && rest.len() < 12 { Probe::More } else { Probe::No };
        };
        if number(line, kind).is_none_or(|number| number == 0) {
            return Probe::No;
        }
        rest = rest.get(line.len().saturating_add(2)..).unwrap_or_default();
    }
    let word = rest.iter().take(MAX_WORD).take_while(|byte| byte.is_ascii_alphabetic()).count();
    match rest.get(word) {
        None => Probe::More,
        Some(b'\r' | b'.') if word > 1 => Probe::Certainly(Role::Client),
        _ => Probe::No,
    }
}

/// The answer to a ping, maybe behind others.
fn pong(bytes: &[u8]) -> Probe {
    let mut rest = bytes;
    while let Some(after) = rest.strip_prefix(b"+OK\r\n") {
        rest = after;
    }
    // What may be more answers is greeting enough for others.
    if rest.starts_with(b"+PONG\r\n") { Probe::Certainly(Role::Server) } else { Probe::No }
}

/// Commands whose names no other protocol of lines has, with how many words follow at least.
const OWN: &[(&[u8], usize)] = &[
    (b"BGSAVE", 0),
    (b"CONFIG", 1),
    (b"DBSIZE", 0),
    (b"EVALSHA", 2),
    (b"FLUSHALL", 0),
    (b"FLUSHDB", 0),
    (b"HGETALL", 1),
    (b"HSET", 3),
    (b"LPUSH", 2),
    (b"LRANGE", 3),
    (b"PSUBSCRIBE", 1),
    (b"REPLICAOF", 2),
    (b"RPUSH", 2),
    (b"SADD", 2),
    (b"SLAVEOF", 2),
    (b"SMEMBERS", 1),
    (b"ZADD", 3),
    (b"ZRANGE", 3),
];
/// What may follow CONFIG, which much else has too.
const CONFIG: &[&[u8]] = &[b"GET", b"SET", b"RESETSTAT", b"REWRITE"];
/// Those that others may have too.
const COMMON: &[&[u8]] = &[
    b"AUTH",
    b"CLIENT",
    b"COMMAND",
    b"CONFIG",
    b"DEL",
    b"ECHO",
    b"EVAL",
    b"EXISTS",
    b"EXPIRE",
    b"GET",
    b"HELLO",
    b"HGET",
    b"INCR",
    b"INFO",
    b"KEYS",
    b"MGET",
    b"MONITOR",
    b"MULTI",
    b"PING",
    b"PUBLISH",
    b"QUIT",
    b"SAVE",
    b"SCAN",
    b"SELECT",
    b"SET",
    b"SHUTDOWN",
    b"SUBSCRIBE",
    b"TTL",
    b"TYPE",
];

/// A command as a line of its own; servers greet with such words too.
fn inline(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start || input.role_by_port(DEFINITION.ports) == Role::Server {
        return Probe::No;
    }
    let line = input.bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_whole = line.len() < input.bytes.len();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let upper = line.to_ascii_uppercase();
    let mut words = upper.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default();
    let hinted = DEFINITION.ports.contains(&input.dst_port);
    let names = || OWN.iter().map(|(name, _)| *name).chain(COMMON.iter().copied().filter(|_| hinted));
    if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) || line.len() > MAX_LINE {
        Probe::No
    } else if is_whole {
        let common = hinted && COMMON.contains(&name);
        if common || is_own(name, words) { Probe::Certainly(Role::Client) } else { Probe::No }
    } else if names().any(|known| known == name || (name.len() == line.len() && known.starts_with(name))) {
        Probe::More
    } else {
        Probe::No
    }
}

/// Whether nobody else says this, with these words behind it.
fn is_own<'a>(name: &[u8], mut rest: impl Iterator<Item = &'a [u8]>) -> bool {
    match OWN.iter().find(|(own, _)| *own == name) {
        Some((b"CONFIG", _)) => rest.next().is_some_and(|word| CONFIG.contains(&word)),
        Some((_, least)) => rest.count() >= *least,
        None => false,
    }
}

/// The number after a letter.
fn number(line: &[u8], kind: u8) -> Option<u64> {
    let (first, digits) = line.split_first()?;
    str::from_utf8(digits).ok().filter(|_| *first == kind)?.parse().ok()
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    let side = || Side { lines: LineReader::new(MAX_LINE), skip: 0 };
    Box::new(Redis { client: side(), server: side(), command: None, awaits: Awaits::Length, commands: 0 })
}

#[derive(Debug)]
struct Side {
    lines: LineReader,
    /// Bytes of a value still to come, with the end of its line.
    skip: u64,
}

/// A command that the client is sending.
#[derive(Debug)]
struct Command {
    /// Parts still to come.
    parts: u64,
    /// The first of them was read.
    named: bool,
    /// It is HELLO, which may have a password in it.
    hello: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaits {
    /// The length of a part.
    Length,
    /// A part that is a word.
    Word,
}

struct Redis {
    client: Side,
    server: Side,
    command: Option<Command>,
    awaits: Awaits,
    commands: u16,
}

impl Side {
    /// Takes bytes up to the end of the next line that is no value; false if it is not there yet.
    fn next(&mut self, input: &mut &[u8]) -> bool {
        if self.skip > 0 {
            let taken = usize::try_from(self.skip).unwrap_or(usize::MAX).min(input.len());
            *input = input.get(taken..).unwrap_or_default();
            self.skip = self.skip.saturating_sub(taken as u64);
        }
        self.skip == 0 && self.lines.next(input)
    }
}

impl Redis {
    fn client_line(&mut self, sink: &mut Sink) {
        let line = self.client.lines.line();
        let Some(command) = &mut self.command else {
            if let Some(parts) = number(line, b'*').filter(|parts| *parts > 0) {
                self.command = Some(Command { parts, named: false, hello: false });
            } else if let Some(name) = line.split(|byte| *byte == b' ').next().filter(|name| !name.is_empty())
            {
                // One without a frame, as people type it.
                let name = name.to_ascii_uppercase();
                let mut words = line.split(|byte| *byte == b' ').skip(1);
                let hello = name == b"HELLO" && words.any(|word| word.eq_ignore_ascii_case(b"AUTH"));
                self.named(&name, sink);
                if hello {
                    sink.fact(&CREDENTIALS, Value::Word("HELLO"));
                }
            }
            return;
        };
        if self.awaits == Awaits::Length {
            let Some(length) = number(line, b'$') else { return sink.give_up() };
            if (!command.named || command.hello) && length <= MAX_WORD as u64 {
                self.awaits = Awaits::Word;
                return;
            }
            self.client.skip = length.saturating_add(2);
        } else {
            self.awaits = Awaits::Length;
            let word = line.to_ascii_uppercase();
            if !command.named {
                command.hello = word == b"HELLO";
                command.named = true;
                self.named(&word, sink);
            } else if word == b"AUTH" {
                sink.fact(&CREDENTIALS, Value::Word("HELLO"));
            }
        }
        if let Some(command) = &mut self.command {
            command.named = true;
            command.parts = command.parts.saturating_sub(1);
            if command.parts == 0 {
                self.command = None;
            }
        }
    }

    /// A command with this name.
    fn named(&mut self, name: &[u8], sink: &mut Sink) {
        if !name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte)) {
            return sink.give_up();
        }
        sink.fact(&COMMAND, text(name, MAX_WORD));
        if name == b"AUTH" {
            sink.fact(&CREDENTIALS, Value::Word("AUTH"));
        }
        self.commands = self.commands.saturating_add(1);
        if self.commands >= MAX_COMMANDS {
            sink.finish();
        }
    }

    fn server_line(&mut self, sink: &mut Sink) {
        let line = self.server.lines.line();
        if let Some(length) = [b'$', b'=', b'!'].into_iter().find_map(|kind| number(line, kind)) {
            self.server.skip = length.saturating_add(2);
        } else if let Some(error) = line.strip_prefix(b"-") {
            let word = error.split(|byte| *byte == b' ').next().unwrap_or_default();
            if word.iter().all(u8::is_ascii_uppercase) {
                sink.fact(&ERROR, text(word, MAX_WORD));
            }
        }
    }
}

impl Analyzer for Redis {
    fn held(&self) -> usize {
        self.client.lines.held().saturating_add(self.server.lines.held())
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        match role {
            Role::Client => {
                while !sink.done && self.client.next(&mut bytes) {
                    self.client_line(sink);
                }
            }
            Role::Server => {
                while !sink.done && self.server.next(&mut bytes) {
                    self.server_line(sink);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, list, steady, told, values};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    #[test]
    fn commands_are_named_and_a_password_is_not_kept() {
        let talk: &[(Role, &[u8])] = &[
            (C, b"*1\r\n$4\r\nping\r\n"),
            (S, b"-NOAUTH Authentication required.\r\n"),
            (C, b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"),
            (S, b"+OK\r\n"),
            (C, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$14\r\n*1\r\n$4\r\nBAD?\r\n\r\nget k\r\n"),
            (S, b"+OK\r\n$7\r\n-ERR x\n\r\n"),
        ];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &COMMAND), ["PING", "AUTH", "SET", "GET"]);
        assert_eq!(values(&facts, &CREDENTIALS), ["AUTH"]);
        assert_eq!(values(&facts, &ERROR), ["NOAUTH"]);
    }

    #[test]
    fn hello_may_have_a_password_in_it() {
        let hello = b"*5\r\n$5\r\nhello\r\n$1\r\n3\r\n$4\r\nauth\r\n$3\r\nbob\r\n$6\r\nsecret\r\n*1\r\n$4\r\nPING\r\n";
        let facts = steady(&DEFINITION, &[(C, hello)]);
        assert_eq!(
            list(&facts),
            ["redis.command=HELLO x1", "redis.credentials=HELLO x1", "redis.command=PING x1"]
        );
    }

    #[test]
    fn commands_on_lines_are_recognised_where_nobody_else_speaks_so() {
        let talk: &[(Role, &[u8])] = &[(C, b"AUTH secret\r\nPING\r\nhello 3 auth bob secret\r\n")];
        let facts = steady(&DEFINITION, talk);
        assert_eq!(values(&facts, &COMMAND), ["AUTH", "PING", "HELLO"]);
        assert_eq!(values(&facts, &CREDENTIALS), ["AUTH", "HELLO"]);
        let on_port = |bytes: &[u8]| ask(&DEFINITION, bytes, 50_000, 6379);
        assert_eq!(on_port(b"PING\r\n"), Probe::Certainly(C));
        assert_eq!(on_port(b"auth x\n"), Probe::Certainly(C));
        for end in 1..6 {
            assert_eq!(on_port(&b"PING\r\n"[..end]), Probe::More, "{end}");
        }
        for other in [&b"PINGER\r\n"[..], b"EHLO x\r\n", b"QUITE"] {
            assert_eq!(on_port(other), Probe::No);
        }
        for own in [&b"CONFIG GET *\r\n"[..], b"config resetstat\n", b"DBSIZE\r\n", b"LRANGE k 0 -1\r\n"] {
            assert_eq!(ask(&DEFINITION, own, 50_000, 9999), Probe::Certainly(C));
            assert_eq!(ask(&DEFINITION, own, 9999, 50_000), Probe::No, "no server says that");
        }
        assert_eq!(ask(&DEFINITION, b"+OK\r\n+PONG\r\n", 50_001, 50_002), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, b"+OK ready\r\n"), Probe::No);
    }

    #[test]
    fn lines_of_other_protocols_are_no_commands() {
        for other in [
            "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "get key\r\n",
            "set key 0 60 5\r\nhello\r\n",
            "incr key 1\r\n",
            "flush_all\r\n",
            "EHLO mail.example\r\n",
            "AUTH PLAIN AGEAYg==\r\n",
            "QUIT\r\n",
            "PING :irc.example\r\n",
            "INFO\r\n",
            "TYPE I\r\n",
            "USER x\r\n",
            "/docs/file.txt\r\n",
            "config interface eth0 up\r\n",
            "CONFIG v1 ready\r\n",
            "configure terminal\r\n",
            "config\r\n",
            "show running-config\r\n",
            "eval 1 + 1\r\n",
            "HSET 25\r\n",
            "SUBSCRIBE a.b 1\r\n",
        ] {
            assert_eq!(ask(&DEFINITION, other.as_bytes(), 50_000, 9999), Probe::No, "{other}");
        }
    }

    #[test]
    fn commands_in_frames_are_recognised() {
        assert_eq!(told(&DEFINITION, b"*1\r\n$4\r\nPING\r\n"), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, b"*3\r\n$8\r\nJSON.SET\r\n"), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, b"-NOAUTH Authentication required.\r\n"), Probe::Certainly(S));
        for other in [
            &b"* OK ready\r\n"[..],
            b"*0\r\n",
            b"*1\r\n:4\r\n",
            b"*1\r\n$4\r\n\x01abc\r\n",
            b"+OK\r\n",
            b"-ERR",
        ] {
            assert_eq!(ask(&DEFINITION, other, 50_000, 6379), Probe::No);
        }
    }
}
