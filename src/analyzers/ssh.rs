//! SSH (RFC 4253), recognised by its identification strings.
//!
//! Read: the identification string of both sides (section 4.2), and the first key exchange message of both (section
//! 7.1): what each offers, and what follows from the two. Not read: the exchange itself and all that comes after it,
//! and SSH 1. A server may send other lines before its string; they are passed over.

use std::collections::HashSet;

use super::buffer::StreamBuffer;
use super::lines::LineReader;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Field, Transport, Value};

fields! {
    CLIENT_SOFTWARE = "ssh.client_software", "RFC 4253 section 4.2",
        "Software version and comments in the client's identification string: `OpenSSH_9.2p1 Debian-2`.";
    SERVER_SOFTWARE = "ssh.server_software", "RFC 4253 section 4.2",
        "Software version and comments in the server's identification string.";
    CLIENT_PROTOCOL = "ssh.client_protocol", "RFC 4253 section 4.2",
        "Protocol version in the client's identification string: `2.0`.";
    SERVER_PROTOCOL = "ssh.server_protocol", "RFC 4253 sections 4.2 and 5.1",
        "Protocol version in the server's identification string; `1.99` is 2.0 and 1.x (section 5.1).";
    CLIENT_KEX = "ssh.client_kex", "RFC 4253 section 7.1",
        "Key exchange methods that the client offers, as sent: names with commas, best first, at most 2048 bytes.";
    SERVER_KEX = "ssh.server_kex", "RFC 4253 section 7.1", "Key exchange methods that the server offers, as sent.";
    CLIENT_HOST_KEYS = "ssh.client_host_keys", "RFC 4253 section 7.1",
        "Host key algorithms that the client takes, as sent.";
    SERVER_HOST_KEYS = "ssh.server_host_keys", "RFC 4253 section 7.1",
        "Algorithms for which the server has a host key, as sent.";
    KEX = "ssh.kex", "RFC 4253 section 7.1",
        "Key exchange method agreed on: the client's first that the server offers too; `none` if there is none. Where anything \
         is `none`, nothing was agreed on, and only that is told.";
    HOST_KEY = "ssh.host_key", "RFC 4253 section 7.1",
        "Host key algorithm agreed on: the client's first that the server has too; `none` if there is none.";
    CIPHER = "ssh.cipher", "RFC 4253 section 7.1",
        "Encryption agreed on; a value for each direction where they differ.";
    MAC = "ssh.mac", "RFC 4253 section 7.1, RFC 5647",
        "Integrity algorithm agreed on; a value for each direction where they differ. Not told where the cipher has its \
         own (GCM, ChaCha20-Poly1305).";
    ANOMALY = "ssh.anomaly", "RFC 4253 section 6", "Bytes that break the protocol: `packet`, `key-exchange`.";
}

/// SSH in the registry.
pub static DEFINITION: Definition = Definition {
    id: "ssh",
    title: "SSH (RFC 4253)",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Encrypted,
    probe,
    start,
};

const PORTS: &[u16] = &[22];
/// Longest identification string, its end included.
const MAX_LINE: usize = 255;
/// Lines before the identification string that are passed over.
const MAX_LINES: u8 = 64;
/// Longest packet before keys are in use (section 6.1).
const MAX_PACKET: usize = 35_000;
/// The first packet of either side.
const KEXINIT: u8 = 20;
/// What is told of a list.
const MAX_LIST: usize = 2048;

/// `SSH-` and a digit; who sends it only the ports can tell.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let start = b"SSH-";
    match input.bytes.split_at_checked(start.len()) {
        Some((front, [digit, ..])) if front == start && digit.is_ascii_digit() => {
            let server = match (PORTS.contains(&input.src_port), PORTS.contains(&input.dst_port)) {
                (true, false) => true,
                (false, true) => false,
                _ => input.src_port < input.dst_port,
            };
            Probe::Certainly(if server { Role::Server } else { Role::Client })
        }
        Some((front, [])) if front == start => Probe::More,
        None if start.starts_with(input.bytes) => Probe::More,
        _ => Probe::No,
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Ssh { client: Side::new(), server: Side::new() })
}

/// Name lists of a key exchange message, in their order (section 7.1).
#[derive(Debug, Clone, Copy)]
enum List {
    Kex = 0,
    HostKeys = 1,
    CipherToServer = 2,
    CipherToClient = 3,
    MacToServer = 4,
    MacToClient = 5,
}

const LISTS: usize = 6;

struct Side {
    lines: LineReader,
    /// Lines read so far.
    count: u8,
    identified: bool,
    /// It speaks SSH 2.
    second: bool,
    packet: StreamBuffer,
    /// What it offers.
    offer: Option<[Box<[u8]>; LISTS]>,
}

impl Side {
    fn new() -> Self {
        Self {
            lines: LineReader::new(MAX_LINE),
            count: 0,
            identified: false,
            second: false,
            packet: StreamBuffer::new(MAX_PACKET),
            offer: None,
        }
    }

    /// What it has of one list.
    fn list(&self, list: List) -> &[u8] {
        self.offer.as_ref().and_then(|offer| offer.get(list as usize)).map_or(&[], |list| list)
    }

    /// Takes bytes of its first packet, or tells what is wrong with it.
    fn exchange(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        if self.offer.is_some() {
            return Ok(());
        }
        let room = MAX_PACKET.saturating_sub(self.packet.unread().len());
        let pushed = self.packet.push(bytes.get(..room).unwrap_or(bytes));
        let Some(([a, b, c, d, padding, kind], rest)) = self.packet.unread().split_first_chunk::<6>() else {
            return Ok(());
        };
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if length > MAX_PACKET || !pushed {
            return Err("packet");
        }
        if *kind != KEXINIT {
            return Err("key-exchange");
        }
        // The length counts padding length, message and padding.
        let Some(packet) = rest.get(..length.saturating_sub(2)) else { return Ok(()) };
        let body = packet.len().checked_sub(usize::from(*padding)).and_then(|length| packet.get(..length));
        self.offer = Some(body.and_then(lists).ok_or("key-exchange")?);
        self.packet = StreamBuffer::new(0);
        Ok(())
    }
}

/// The first lists behind the cookie, each with its length in four bytes.
fn lists(body: &[u8]) -> Option<[Box<[u8]>; LISTS]> {
    let mut rest = body.get(16..)?;
    let mut lists: [Box<[u8]>; LISTS] = Default::default();
    for list in &mut lists {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (names, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        *list = names.into();
        rest = after;
    }
    Some(lists)
}

/// The first of the client's names that the server has too.
fn agreed<'a>(client: &'a [u8], server: &[u8]) -> Option<&'a [u8]> {
    let is_comma = |byte: &u8| *byte == b',';
    // Thousands of names fit into a packet.
    let known: HashSet<&[u8]> = server.split(is_comma).collect();
    client.split(is_comma).find(|name| !name.is_empty() && known.contains(name))
}

struct Ssh {
    client: Side,
    server: Side,
}

impl Ssh {
    fn observe_offer(&self, role: Role, sink: &mut Sink) {
        let (side, kex, keys) = match role {
            Role::Client => (&self.client, &CLIENT_KEX, &CLIENT_HOST_KEYS),
            Role::Server => (&self.server, &SERVER_KEX, &SERVER_HOST_KEYS),
        };
        sink.fact(kex, text(side.list(List::Kex), MAX_LIST));
        sink.fact(keys, text(side.list(List::HostKeys), MAX_LIST));
    }

    fn observe_agreement(&self, sink: &mut Sink) {
        let agreed = |list| agreed(self.client.list(list), self.server.list(list));
        let ways = [(List::CipherToServer, List::MacToServer), (List::CipherToClient, List::MacToClient)];
        let with_mac = |(cipher, mac): (List, List)| {
            (!agreed(cipher).is_some_and(has_own_integrity)).then(|| agreed(mac))
        };
        let mut names: Vec<(&'static Field, Option<&[u8]>)> =
            vec![(&KEX, agreed(List::Kex)), (&HOST_KEY, agreed(List::HostKeys))];
        names.extend(distinct(ways.map(|(cipher, _)| agreed(cipher))).map(|name| (&CIPHER, name)));
        names.extend(distinct(ways.map(with_mac)).flatten().map(|name| (&MAC, name)));
        // Where one thing has nothing in common, both leave, and nothing was agreed on (section 7.1).
        let failed = names.iter().any(|(_, name)| name.is_none());
        for (field, name) in names {
            match name {
                None => sink.fact(field, Value::Word("none")),
                Some(name) if !failed => sink.fact(field, text(name, MAX_LIST)),
                Some(_) => {}
            }
        }
    }
}

/// Both, or one if they are the same.
fn distinct<T: PartialEq>([first, second]: [T; 2]) -> impl Iterator<Item = T> {
    let second = Some(second).filter(|second| *second != first);
    std::iter::once(first).chain(second)
}

fn has_own_integrity(cipher: &[u8]) -> bool {
    cipher.ends_with(b"-gcm@openssh.com")
        || cipher == b"chacha20-poly1305@openssh.com"
        || cipher.starts_with(b"AEAD_")
}

impl Analyzer for Ssh {
    fn held(&self) -> usize {
        let of = |side: &Side| {
            let offer = side.offer.iter().flatten().map(|list| list.len()).fold(0, usize::saturating_add);
            side.lines.held().saturating_add(side.packet.held()).saturating_add(offer)
        };
        of(&self.client).saturating_add(of(&self.server))
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        let (side, protocol, software) = match role {
            Role::Client => (&mut self.client, &CLIENT_PROTOCOL, &CLIENT_SOFTWARE),
            Role::Server => (&mut self.server, &SERVER_PROTOCOL, &SERVER_SOFTWARE),
        };
        while !side.identified && side.lines.next(&mut bytes) {
            if let Some(identification) = side.lines.line().strip_prefix(b"SSH-") {
                let mut parts = identification.splitn(2, |byte| *byte == b'-');
                let version = parts.next().unwrap_or_default();
                sink.fact(protocol, Value::text(version));
                sink.fact(software, Value::text(parts.next().unwrap_or_default()));
                side.identified = true;
                side.second = matches!(version, b"2.0" | b"1.99");
            }
            side.count = side.count.saturating_add(1);
            if side.count > MAX_LINES {
                return sink.give_up();
            }
        }
        if !side.identified {
            return;
        }
        if side.second {
            let known = side.offer.is_some();
            if let Err(what) = side.exchange(bytes) {
                sink.broken(&ANOMALY, what);
                return sink.give_up();
            }
            if !known && side.offer.is_some() {
                self.observe_offer(role, sink);
            }
        }
        if self.client.offer.is_some() && self.server.offer.is_some() {
            self.observe_agreement(sink);
            sink.finish();
        } else if self.client.identified
            && self.server.identified
            && !(self.client.second && self.server.second)
        {
            sink.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask, run};
    use super::super::testing::{
        Session, client, every_cut, every_truncation, server, single_bytes, survives_noise,
    };
    use super::*;

    /// A key exchange message with these lists; compression and languages are empty.
    fn kexinit(lists: [&str; LISTS]) -> Vec<u8> {
        let mut body = vec![KEXINIT];
        body.extend([7; 16]);
        for list in lists.into_iter().chain(["none", "none", "", ""]) {
            body.extend((list.len() as u32).to_be_bytes());
            body.extend(list.as_bytes());
        }
        body.extend([0; 5]);
        let padding = 8 - (body.len() + 5) % 8 + 4;
        let length = (body.len() + 1 + padding) as u32;
        [&length.to_be_bytes()[..], &[padding as u8], &body, &vec![0; padding]].concat()
    }

    fn talk() -> Vec<super::super::testing::Step> {
        let offered = kexinit([
            "curve25519-sha256,ecdh-sha2-nistp256,ext-info-c",
            "ssh-ed25519,rsa-sha2-512",
            "aes256-gcm@openssh.com,aes128-ctr",
            "aes128-ctr",
            "hmac-sha2-256,hmac-sha1",
            "hmac-sha1,hmac-sha2-256",
        ]);
        let taken = kexinit([
            "diffie-hellman-group14-sha256,ecdh-sha2-nistp256",
            "rsa-sha2-512,ssh-rsa",
            "aes128-ctr,aes256-gcm@openssh.com",
            "aes128-ctr",
            "hmac-sha2-256",
            "hmac-sha2-256",
        ]);
        vec![
            server(b"Authorised use only\r\nSSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
            client([&b"SSH-2.0-dropbear_2022.83\r\n"[..], &offered].concat()),
            server(taken),
            client([0, 0, 0, 44, 6, 30]),
        ]
    }

    #[test]
    fn identification_and_key_exchange_are_read_however_they_are_cut() {
        let expected = [
            "ssh.cipher=aes128-ctr x1",
            "ssh.cipher=aes256-gcm@openssh.com x1",
            "ssh.client_host_keys=ssh-ed25519,rsa-sha2-512 x1",
            "ssh.client_kex=curve25519-sha256,ecdh-sha2-nistp256,ext-info-c x1",
            "ssh.client_protocol=2.0 x1",
            "ssh.client_software=dropbear_2022.83 x1",
            "ssh.host_key=rsa-sha2-512 x1",
            "ssh.kex=ecdh-sha2-nistp256 x1",
            "ssh.mac=hmac-sha2-256 x1",
            "ssh.server_host_keys=rsa-sha2-512,ssh-rsa x1",
            "ssh.server_kex=diffie-hellman-group14-sha256,ecdh-sha2-nistp256 x1",
            "ssh.server_protocol=2.0 x1",
            "ssh.server_software=OpenSSH_9.2p1 Debian-2+deb12u3 x1",
        ];
        assert_eq!(Session::run(&DEFINITION, &talk()).list(), expected);
        for cut in every_cut(&talk()).chain([single_bytes(&talk())]) {
            assert_eq!(Session::run(&DEFINITION, &cut).list(), expected);
        }
        for cut in every_truncation(&talk()) {
            assert!(Session::run(&DEFINITION, &cut).values("ssh.anomaly").is_empty());
        }
        survives_noise(&DEFINITION, &talk());
    }

    #[test]
    fn nothing_in_common_is_told_and_ssh_1_has_no_key_exchange() {
        let one = kexinit(["a", "b", "c", "c", "d", "d"]);
        let other = kexinit(["x", "b", "y", "y", "d", "d"]);
        let hello: &[u8] = b"SSH-2.0-x\r\n";
        let facts = run(
            &DEFINITION,
            &[(Role::Client, &[hello, &one].concat()), (Role::Server, &[hello, &other].concat())],
        );
        assert_eq!(facts.first(&KEX).unwrap().value, Value::Word("none"));
        assert_eq!(facts.of(&CIPHER).map(|fact| &fact.value).collect::<Vec<_>>(), [&Value::Word("none")]);
        // What they have in common was not agreed on all the same.
        assert!(!facts.has(&HOST_KEY) && !facts.has(&MAC));
        let old: &[u8] = b"SSH-1.5-x\n\x00\x00\x01\x0b";
        let facts = run(&DEFINITION, &[(Role::Server, old), (Role::Client, old)]);
        assert!(!facts.has(&ANOMALY) && !facts.has(&KEX));
        let broken = run(&DEFINITION, &[(Role::Client, b"SSH-2.0-x\r\n\xff\xff\xff\xff\x00\x14")]);
        assert_eq!(broken.first(&ANOMALY).unwrap().value, Value::Word("packet"));
    }

    #[test]
    fn the_first_five_bytes_decide_and_the_ports_say_who_speaks() {
        for length in 0..5 {
            assert_eq!(ask(&DEFINITION, &b"SSH-2"[..length], 50_000, 22), Probe::More);
        }
        assert_eq!(ask(&DEFINITION, b"SSH-2.0-x", 50_000, 22), Probe::Certainly(Role::Client));
        assert_eq!(ask(&DEFINITION, b"SSH-1.99-x", 2022, 50_000), Probe::Certainly(Role::Server));
        assert_eq!(ask(&DEFINITION, b"SSH is great", 50_000, 22), Probe::No);
    }
}
