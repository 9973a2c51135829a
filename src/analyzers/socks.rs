//! SOCKS 4, 4A and 5 (RFC 1928), with the user name and password of RFC 1929.
//!
//! Read: the methods offered and chosen, whether a user name and password (or the user of SOCKS 4) crossed the line,
//! the request with its target, and the reply. What a granted CONNECT or BIND carries is another connection and is
//! handed on to be recognised. Of UDP ASSOCIATE the control connection is read: the datagrams go to the address in
//! `socks.bound` and are not followed. With GSSAPI (RFC 1961) what follows the choice may be encrypted and is not read.
//! Never kept: user names, passwords.
//!
//! A first message of SOCKS 5 is three bytes long as a rule, so without a request behind it, it only may be SOCKS.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::buffer::StreamBuffer;
use super::{Analyzer, Class, Context, Definition, Next, Probe, ProbeInput, Role, Sink};
use crate::model::{Transport, Value};

fields! {
    VERSION = "socks.version", "RFC 1928 section 3; SOCKS: A protocol for TCP proxy across firewalls; SOCKS 4A",
        "Version of a request: `4`, `4a` (the proxy is to look the name up), `5`.";
    OFFERED_METHOD = "socks.offered_method", "RFC 1928 section 3",
        "Method of authentication that the client offers: `none`, `gssapi`, `user-password`, …; unknown ones in hex.";
    METHOD = "socks.method", "RFC 1928 section 3",
        "Method that the proxy chose; `refused` where it accepts none of those offered.";
    CREDENTIALS = "socks.login", "RFC 1929 section 2",
        "A user name and password crossed the line in the clear, as they do by this method.";
    USER = "socks.user", "SOCKS: A protocol for TCP proxy across firewalls",
        "A request of SOCKS 4 named a user; who that is, is not kept.";
    AUTHENTICATION_FAILED = "socks.authentication_failed", "RFC 1929 section 2",
        "Status with which the proxy refused user name and password (anything but 0).";
    COMMAND = "socks.command", "RFC 1928 section 4", "What is asked for: `connect`, `bind`, `udp-associate`.";
    TARGET = "socks.target", "RFC 1928 section 4",
        "Host and port of a request as sent: a name, an IPv4 address or an IPv6 address in brackets, a colon, the port.";
    REPLY = "socks.reply", "RFC 1928 section 6; SOCKS: A protocol for TCP proxy across firewalls",
        "Code of a reply: 0 and 90 grant the request; 1 general failure, 2 not allowed, 3 network unreachable, 4 host \
         unreachable, 5 connection refused, 6 time to live expired, 7 command not supported, 8 address type not \
         supported; 91 to 93 in SOCKS 4.";
    GRANTED = "socks.granted", "RFC 1928 section 6", "The request was granted.";
    REFUSED = "socks.refused", "RFC 1928 section 6", "Code of a reply that did not grant the request.";
    BOUND = "socks.bound", "RFC 1928 section 6",
        "Address and port that the proxy names in a reply that grants: where its connection comes from, where it listens \
         (BIND), or where it takes datagrams (UDP ASSOCIATE).";
    ANOMALY = "socks.anomaly", "RFC 1928",
        "Bytes that break the protocol: `method`, `authentication`, `request`, `reply`, `too-long`.";
}

/// SOCKS in the registry.
pub static DEFINITION: Definition = Definition {
    id: "socks",
    title: "SOCKS 4, 4A and 5 (RFC 1928, RFC 1929)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Carrier,
    probe,
    start,
};

const PORTS: &[u16] = &[1080];
/// What a client may send before it is answered; some send the first bytes of the inner connection at once.
const MAX_CLIENT: usize = 16 * 1024;
/// The longest message of a proxy is a reply with a name in it.
const MAX_SERVER: usize = 1024;
/// How many methods a client offers at most; there are ten registered ones.
const MAX_METHODS: u8 = 16;
/// Longest user name or host name of SOCKS 4A; no length is given there.
const MAX_TEXT: usize = 255;
/// No acceptable methods.
const REFUSE_ALL: u8 = 0xff;

fn probe(input: &ProbeInput<'_>) -> Probe {
    if !input.at_start {
        return Probe::No;
    }
    match input.bytes {
        [] => Probe::More,
        [4, ..] => probe_4(input.bytes, input.port_in(PORTS)),
        [5, ..] => probe_5(input.bytes),
        _ => Probe::No,
    }
}

/// The greeting, alone or with a request behind it.
fn probe_5(bytes: &[u8]) -> Probe {
    let Some(([_, count], rest)) = bytes.split_first_chunk::<2>() else { return Probe::More };
    if !(1..=MAX_METHODS).contains(count) {
        return Probe::No;
    }
    let methods = rest.get(..usize::from(*count)).unwrap_or(rest);
    let known = methods.iter().all(|method| matches!(method, 0..=9 | 0x80..=0xfe));
    let distinct =
        (1..).zip(methods).all(|(next, method)| !methods.iter().skip(next).any(|other| other == method));
    if !known || !distinct {
        return Probe::No;
    }
    match rest.get(usize::from(*count)..) {
        None => Probe::More,
        Some([5, 1..=3, 0, 1 | 3 | 4, ..]) => Probe::Certainly(Role::Client),
        Some([] | [5] | [5, 1..=3] | [5, 1..=3, 0] | [1, ..]) => Probe::Perhaps(Role::Client),
        Some(_) => Probe::No,
    }
}

fn probe_4(bytes: &[u8], on_port: bool) -> Probe {
    if !matches!(bytes, [_] | [_, 1 | 2, ..]) {
        return Probe::No;
    }
    match request_4(bytes) {
        Read::More if bytes.iter().skip(8).all(|byte| *byte == 0 || byte.is_ascii_graphic()) => Probe::More,
        Read::Is(request, taken) if taken == bytes.len() => match request.target {
            // A name behind an address that cannot be: nothing else looks like this.
            Host::Name(name) if is_host_name(name) => Probe::Certainly(Role::Client),
            Host::V4(ip) if !ip.is_unspecified() => Probe::Perhaps(Role::Client),
            _ => Probe::No,
        },
        Read::Is(..) if on_port => Probe::Perhaps(Role::Client),
        Read::Is(..) | Read::More | Read::Broken => Probe::No,
    }
}

fn is_host_name(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.iter().all(is_part) && name.iter().any(u8::is_ascii_alphanumeric)
}

/// What reading a message comes to.
enum Read<T> {
    /// The message, and how many bytes it has.
    Is(T, usize),
    More,
    Broken,
}

/// Where a request goes to, or where the proxy is.
#[derive(Debug, Clone, Copy)]
enum Host<'a> {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    Name(&'a [u8]),
}

impl Host<'_> {
    fn with_port(self, port: u16) -> Value {
        match self {
            Self::V4(ip) => Value::Text(format!("{ip}:{port}").into()),
            Self::V6(ip) => Value::Text(format!("[{ip}]:{port}").into()),
            Self::Name(name) => Value::text(&[name, format!(":{port}").as_bytes()].concat()),
        }
    }
}

struct Request<'a> {
    version: &'static str,
    command: u8,
    target: Host<'a>,
    port: u16,
    /// It names a user.
    user: bool,
}

/// Version, command, port, address, user, 0; a name and 0 where the address is 0.0.0.x.
fn request_4(bytes: &[u8]) -> Read<Request<'_>> {
    let Some(([_, command, hi, lo, ip @ ..], rest)) = bytes.split_first_chunk::<8>() else {
        return Read::More;
    };
    let text = |rest: &[u8]| rest.iter().take(MAX_TEXT).position(|byte| *byte == 0);
    let missing = |rest: &[u8]| if rest.len() < MAX_TEXT { Read::More } else { Read::Broken };
    let Some(user) = text(rest) else { return missing(rest) };
    let taken = user.saturating_add(9);
    let request = |version, target, taken| {
        let port = u16::from_be_bytes([*hi, *lo]);
        Read::Is(Request { version, command: *command, target, port, user: user > 0 }, taken)
    };
    if !matches!(ip, [0, 0, 0, 1..=255]) {
        return request("4", Host::V4(Ipv4Addr::from(*ip)), taken);
    }
    let rest = bytes.get(taken..).unwrap_or_default();
    let Some(length) = text(rest) else { return missing(rest) };
    let name = rest.get(..length).unwrap_or_default();
    request("4a", Host::Name(name), taken.saturating_add(length).saturating_add(1))
}

/// What requests and replies of SOCKS 5 share: version, command or code, 0, address.
fn message_5(bytes: &[u8]) -> Read<(u8, Host<'_>, u16)> {
    let Some(([version, code, _, kind], rest)) = bytes.split_first_chunk::<4>() else {
        return if matches!(bytes, [] | [5, ..]) { Read::More } else { Read::Broken };
    };
    if *version != 5 {
        return Read::Broken;
    }
    let (host, length) = match kind {
        1 => (rest.first_chunk::<4>().map(|ip| Host::V4(Ipv4Addr::from(*ip))), 4),
        4 => (rest.first_chunk::<16>().map(|ip| Host::V6(Ipv6Addr::from(*ip))), 16),
        3 => {
            let Some((length, name)) = rest.split_first() else { return Read::More };
            let length = usize::from(*length);
            (name.get(..length).map(Host::Name), length.saturating_add(1))
        }
        _ => return Read::Broken,
    };
    let port = rest.get(length..).and_then(<[u8]>::first_chunk::<2>);
    match (host, port) {
        (Some(host), Some(port)) => {
            Read::Is((*code, host, u16::from_be_bytes(*port)), length.saturating_add(6))
        }
        _ => Read::More,
    }
}

fn method(code: u8) -> Value {
    match code {
        0 => Value::Word("none"),
        1 => Value::Word("gssapi"),
        2 => Value::Word("user-password"),
        3 => Value::Word("chap"),
        5 => Value::Word("challenge-response"),
        6 => Value::Word("ssl"),
        REFUSE_ALL => Value::Word("refused"),
        _ => Value::Text(format!("0x{code:02x}").into()),
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Socks {
        client: StreamBuffer::new(MAX_CLIENT),
        server: StreamBuffer::new(MAX_SERVER),
        state: State::Greeting,
        bind: false,
    })
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The client's first message.
    Greeting,
    /// The proxy's choice of a method.
    Choice,
    /// User name and password.
    Password,
    /// What the proxy makes of them.
    Status,
    /// The request of SOCKS 5.
    Request,
    /// A reply of SOCKS 4 to a request for this.
    Reply4(Command),
    /// A reply of SOCKS 5 to a request for this.
    Reply5(Command),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Connect,
    Bind,
    Associate,
    /// One that nobody knows.
    Other,
}

struct Socks {
    client: StreamBuffer,
    server: StreamBuffer,
    state: State,
    /// The first of the two replies to BIND has come.
    bind: bool,
}

/// Whether there may be more to read in what is there.
#[derive(PartialEq, Eq)]
enum Step {
    On,
    Wait,
}

impl Socks {
    fn step(&mut self, sink: &mut Sink) -> Step {
        match self.state {
            State::Greeting => self.greeting(sink),
            State::Choice => self.choice(sink),
            State::Password => self.password(sink),
            State::Status => self.status(sink),
            State::Request => self.request_5(sink),
            State::Reply4(command) => self.reply_4(command, sink),
            State::Reply5(command) => self.reply_5(command, sink),
        }
    }

    fn greeting(&mut self, sink: &mut Sink) -> Step {
        match *self.client.unread() {
            [] | [5] => Step::Wait,
            [4, ..] => self.request_4(sink),
            [5, count, ref rest @ ..] => {
                let Some(methods) = rest.get(..usize::from(count)) else { return Step::Wait };
                for code in methods {
                    sink.fact(&OFFERED_METHOD, method(*code));
                }
                self.client.consume(usize::from(count).saturating_add(2));
                self.state = State::Choice;
                Step::On
            }
            _ => broken(sink, "request"),
        }
    }

    fn choice(&mut self, sink: &mut Sink) -> Step {
        let code = match *self.server.unread() {
            [5, code, ..] => code,
            [] | [5] => return Step::Wait,
            _ => return broken(sink, "method"),
        };
        self.server.consume(2);
        sink.fact(&METHOD, method(code));
        self.state = match code {
            0 => State::Request,
            2 => State::Password,
            _ => {
                sink.finish();
                return Step::Wait;
            }
        };
        Step::On
    }

    /// Version, length and user name, length and password: only that they were sent matters.
    fn password(&mut self, sink: &mut Sink) -> Step {
        let bytes = self.client.unread();
        if !matches!(bytes, [] | [1, ..]) {
            return broken(sink, "authentication");
        }
        let length = bytes.get(1).and_then(|user| {
            let at = usize::from(*user).saturating_add(2);
            bytes.get(at).map(|password| at.saturating_add(1).saturating_add(usize::from(*password)))
        });
        let Some(length) = length.filter(|length| *length <= bytes.len()) else { return Step::Wait };
        self.client.consume(length);
        sink.fact(&CREDENTIALS, Value::Yes);
        self.state = State::Status;
        Step::On
    }

    fn status(&mut self, sink: &mut Sink) -> Step {
        match *self.server.unread() {
            [] | [_] => return Step::Wait,
            [_, 0, ..] => self.state = State::Request,
            [_, status, ..] => {
                sink.fact(&AUTHENTICATION_FAILED, Value::Uint(u64::from(status)));
                sink.finish();
                return Step::Wait;
            }
        }
        self.server.consume(2);
        Step::On
    }

    fn request_4(&mut self, sink: &mut Sink) -> Step {
        let (request, taken) = match request_4(self.client.unread()) {
            Read::Is(request, taken) => (request, taken),
            Read::More => return Step::Wait,
            Read::Broken => return broken(sink, "request"),
        };
        if request.user {
            sink.fact(&USER, Value::Yes);
        }
        let command = asked(&request, sink);
        self.client.consume(taken);
        self.state = State::Reply4(command);
        Step::On
    }

    fn request_5(&mut self, sink: &mut Sink) -> Step {
        let (request, taken) = match message_5(self.client.unread()) {
            Read::Is((command, target, port), taken) => {
                (Request { version: "5", command, target, port, user: false }, taken)
            }
            Read::More => return Step::Wait,
            Read::Broken => return broken(sink, "request"),
        };
        let command = asked(&request, sink);
        self.client.consume(taken);
        self.state = State::Reply5(command);
        Step::On
    }

    /// 0, code, port, address.
    fn reply_4(&mut self, command: Command, sink: &mut Sink) -> Step {
        let Some([version, code, hi, lo, ip @ ..]) = self.server.unread().first_chunk::<8>().copied() else {
            return Step::Wait;
        };
        // Some proxies put their version where zero belongs.
        if !matches!(version, 0 | 4) || !(90..=93).contains(&code) {
            return broken(sink, "reply");
        }
        self.server.consume(8);
        let bound = Host::V4(Ipv4Addr::from(ip)).with_port(u16::from_be_bytes([hi, lo]));
        self.replied(command, code, code == 90, bound, sink)
    }

    fn reply_5(&mut self, command: Command, sink: &mut Sink) -> Step {
        let (code, bound, taken) = match message_5(self.server.unread()) {
            Read::Is((code, host, port), taken) => (code, host.with_port(port), taken),
            Read::More => return Step::Wait,
            Read::Broken => return broken(sink, "reply"),
        };
        self.server.consume(taken);
        self.replied(command, code, code == 0, bound, sink)
    }

    fn replied(&mut self, command: Command, code: u8, granted: bool, bound: Value, sink: &mut Sink) -> Step {
        sink.fact(&REPLY, Value::Uint(u64::from(code)));
        if !granted {
            sink.fact(&REFUSED, Value::Uint(u64::from(code)));
            sink.finish();
            return Step::Wait;
        }
        sink.fact(&BOUND, bound);
        match command {
            // The first reply says where the proxy listens, the second who came.
            Command::Bind if !self.bind => {
                self.bind = true;
                return Step::On;
            }
            Command::Connect | Command::Bind => {
                sink.fact(&GRANTED, Value::Yes);
                sink.hand_over(Next::Probe);
                sink.forward(Role::Client, self.client.unread());
                sink.forward(Role::Server, self.server.unread());
            }
            Command::Associate | Command::Other => sink.fact(&GRANTED, Value::Yes),
        }
        self.client.clear();
        self.server.clear();
        sink.finish();
        Step::Wait
    }
}

/// Tells of a request.
fn asked(request: &Request<'_>, sink: &mut Sink) -> Command {
    sink.fact(&VERSION, Value::Word(request.version));
    let (command, word) = match request.command {
        1 => (Command::Connect, Value::Word("connect")),
        2 => (Command::Bind, Value::Word("bind")),
        3 => (Command::Associate, Value::Word("udp-associate")),
        code => (Command::Other, Value::Text(format!("0x{code:02x}").into())),
    };
    sink.fact(&COMMAND, word);
    // What UDP ASSOCIATE names is where the client sends from, and mostly zero.
    if command != Command::Associate {
        sink.fact(&TARGET, request.target.with_port(request.port));
    }
    command
}

fn broken(sink: &mut Sink, what: &'static str) -> Step {
    sink.broken(&ANOMALY, what);
    sink.give_up();
    Step::Wait
}

impl Analyzer for Socks {
    fn held(&self) -> usize {
        self.client.held().saturating_add(self.server.held())
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        let buffer = if role == Role::Client { &mut self.client } else { &mut self.server };
        if !buffer.push(bytes) {
            broken(sink, "too-long");
            return;
        }
        while !sink.done && self.step(sink) == Step::On {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, run, run_with};
    use super::super::testing::{self, Session, client, every_cut, every_truncation, server, single_bytes};
    use super::*;
    use crate::model::Facts;

    const C: Role = Role::Client;
    const S: Role = Role::Server;
    /// Greeting with no authentication or a password, and CONNECT files.example:443, as curl sends them to Dante.
    const GREETING: &[u8] = &[5, 2, 0, 1];
    const CONNECT: &[u8] = b"\x05\x01\x00\x03\x0dfiles.example\x01\xbb";
    const GRANT: &[u8] = b"\x05\x00\x00\x01\x7f\x00\x00\x01\xc2\xe6";

    fn values(facts: &Facts) -> Vec<String> {
        facts.iter().map(|fact| format!("{}={}", fact.field.name, fact.value)).collect()
    }

    fn granted() -> Vec<testing::Step> {
        let request = b"GET / HTTP/1.1\r\nHost: files.example\r\n\r\n";
        vec![client(GREETING), server([5, 0]), client(CONNECT), server(GRANT), client(request)]
    }

    #[test]
    fn a_granted_connect_names_its_target_and_hands_on_however_it_is_cut() {
        let whole = Session::run(&DEFINITION, &granted());
        assert_eq!(whole.services, ["socks", "http"]);
        let expected = [
            "socks.bound=127.0.0.1:49894 x1",
            "socks.command=connect x1",
            "socks.granted=yes x1",
            "socks.method=none x1",
            "socks.offered_method=gssapi x1",
            "socks.offered_method=none x1",
            "socks.reply=0 x1",
            "socks.target=files.example:443 x1",
            "socks.version=5 x1",
        ];
        let told: Vec<String> = whole.list().into_iter().filter(|line| line.starts_with("socks")).collect();
        assert_eq!(told, expected);
        for cut in every_cut(&granted()).chain([single_bytes(&granted())]) {
            assert_eq!(Session::run(&DEFINITION, &cut).list(), whole.list());
        }
        for cut in every_truncation(&granted()) {
            assert!(Session::run(&DEFINITION, &cut).values("socks.anomaly").is_empty());
        }
        testing::survives_noise(&DEFINITION, &granted());
    }

    #[test]
    fn bytes_sent_before_the_answer_are_the_inner_connections() {
        let early = [GREETING, CONNECT, b"\x16\x03\x01"].concat();
        let (_, sinks) =
            run_with(&DEFINITION, &[(C, &early), (S, &[&[5, 0], GRANT, b"\x16\x03\x03"].concat())]);
        assert_eq!(sinks[1].next, Some(Next::Probe));
        assert_eq!(sinks[1].forwarded, [(C, b"\x16\x03\x01".to_vec()), (S, b"\x16\x03\x03".to_vec())]);
        assert!(sinks[1].done);
    }

    #[test]
    fn passwords_are_seen_and_not_kept() {
        let talk: &[(Role, &[u8])] = &[
            (C, &[5, 1, 2]),
            (S, &[5, 2]),
            (C, b"\x01\x06pxuser\x06s3cret"),
            (S, &[1, 0]),
            (C, b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05\x00\x50"),
            (S, b"\x05\x02\x00\x01\0\0\0\0\0\0"),
        ];
        let facts = run(&DEFINITION, talk);
        assert!(facts.has(&CREDENTIALS) && !facts.has(&GRANTED));
        assert_eq!(facts.first(&TARGET).unwrap().value.to_string(), "[2001:db8::5]:80");
        assert_eq!(facts.first(&REFUSED).unwrap().value, Value::Uint(2));
        assert!(!values(&facts).concat().contains("s3cret") && !values(&facts).concat().contains("pxuser"));
        let failed = run(&DEFINITION, &[talk[0], talk[1], talk[2], (S, &[1, 1])]);
        assert_eq!(failed.first(&AUTHENTICATION_FAILED).unwrap().value, Value::Uint(1));
        let refused = run(&DEFINITION, &[talk[0], (S, &[5, 0xff])]);
        assert_eq!(refused.first(&METHOD).unwrap().value, Value::Word("refused"));
    }

    #[test]
    fn version_4_and_4a_and_their_replies() {
        // As curl sends them to Dante.
        let four: &[u8] = b"\x04\x01\x00\x50\xc0\x00\x02\x50\x00";
        let named: &[u8] = b"\x04\x01\x00\x50\x00\x00\x00\x01root\x00files.example\x00";
        let facts = run(&DEFINITION, &[(C, four), (S, b"\x00\x5a\xc2\xf4\x7f\x00\x00\x01")]);
        assert_eq!(
            values(&facts),
            [
                "socks.version=4",
                "socks.command=connect",
                "socks.target=192.0.2.80:80",
                "socks.reply=90",
                "socks.bound=127.0.0.1:49908",
                "socks.granted=yes",
            ]
        );
        let facts = run(&DEFINITION, &[(C, named), (S, b"\x00\x5b\xc3\x02\x7f\x00\x00\x01")]);
        assert_eq!(
            values(&facts),
            [
                "socks.user=yes",
                "socks.version=4a",
                "socks.command=connect",
                "socks.target=files.example:80",
                "socks.reply=91",
                "socks.refused=91",
            ]
        );
        assert_eq!(ask(&DEFINITION, four, 50_000, 1080), Probe::Perhaps(C));
        assert_eq!(ask(&DEFINITION, four, 50_000, 9050), Probe::Perhaps(C));
        assert_eq!(ask(&DEFINITION, named, 50_000, 9050), Probe::Certainly(C));
        for length in 0..named.len() {
            assert_eq!(ask(&DEFINITION, &named[..length], 50_000, 1080), Probe::More, "{length}");
        }
    }

    #[test]
    fn bind_has_two_replies_and_udp_associate_one() {
        let bind: &[(Role, &[u8])] = &[
            (C, &[5, 1, 0]),
            (S, &[5, 0]),
            (C, b"\x05\x02\x00\x01\xcb\x00\x71\x05\x00\x15"),
            (S, b"\x05\x00\x00\x01\xc0\x00\x02\x01\xe4\xaf"),
            (S, b"\x05\x00\x00\x01\xcb\x00\x71\x05\x00\x14220"),
        ];
        let (facts, sinks) = run_with(&DEFINITION, bind);
        assert_eq!(facts.count(&REPLY), 2);
        assert_eq!((sinks[3].next, sinks[4].next), (None, Some(Next::Probe)));
        assert_eq!(sinks[4].forwarded, [(S, b"220".to_vec())]);
        let udp: &[(Role, &[u8])] = &[
            bind[0],
            bind[1],
            (C, b"\x05\x03\x00\x01\0\0\0\0\0\0"),
            (S, b"\x05\x00\x00\x01\xc0\x00\x02\x01\xe4\xaf"),
        ];
        let (facts, sinks) = run_with(&DEFINITION, udp);
        assert_eq!(facts.first(&BOUND).unwrap().value.to_string(), "192.0.2.1:58543");
        assert!(facts.has(&GRANTED) && !facts.has(&TARGET) && sinks[3].done && sinks[3].next.is_none());
    }

    #[test]
    fn a_greeting_alone_is_certain_on_its_port_only() {
        assert_eq!(ask(&DEFINITION, &[5, 1, 0], 50_000, 1080), Probe::Perhaps(C));
        assert_eq!(ask(&DEFINITION, &[5, 1, 0], 50_000, 9050), Probe::Perhaps(C));
        assert_eq!(ask(&DEFINITION, &[&[5, 1, 0], CONNECT].concat(), 50_000, 9050), Probe::Certainly(C));
        for more in [&[][..], &[5], &[5, 3], &[5, 3, 0, 1]] {
            assert_eq!(ask(&DEFINITION, more, 50_000, 9050), Probe::More, "{more:?}");
        }
        // DCE/RPC; repeated, unknown and no methods; something else behind them.
        for not in [&[5, 0, 11, 3][..], &[5, 2, 0, 0], &[5, 1, 0x20], &[5, 17], &[5, 1, 0, 9], &[6]] {
            assert_eq!(ask(&DEFINITION, not, 50_000, 1080), Probe::No, "{not:?}");
        }
    }

    #[test]
    fn what_breaks_the_protocol_ends_it() {
        for (talk, what) in [
            (&[(C, &[5, 1, 0][..]), (S, b"HTTP/1.1 400")][..], "method"),
            (&[(C, &[5, 1, 2]), (S, &[5, 2]), (C, &[5, 1])], "authentication"),
            (&[(C, &[5, 1, 0]), (S, &[5, 0]), (C, b"GET ")], "request"),
            (&[(C, b"\x04\x01\x00\x50\xc0\x00\x02\x50\x00"), (S, b"HTTP/1.1")], "reply"),
        ] {
            let facts = run(&DEFINITION, talk);
            assert_eq!(facts.first(&ANOMALY).unwrap().value, Value::Word(what));
        }
    }
}
