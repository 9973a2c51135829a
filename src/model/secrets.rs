//! Secrets of TLS connections that the user holds: a key log in the NSS format, from a file or from inside a capture.
//!
//! They are looked up by the client's random and used, never shown: nothing here prints one.

use std::collections::BTreeMap;
use std::fmt;

/// Which secret of a connection, by the label of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretKind {
    /// `CLIENT_RANDOM`: the master secret, before TLS 1.3.
    Master,
    /// `CLIENT_EARLY_TRAFFIC_SECRET`: the client's early data in TLS 1.3.
    ClientEarly,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`: the client's handshake in TLS 1.3.
    ClientHandshake,
    /// `SERVER_HANDSHAKE_TRAFFIC_SECRET`: the server's handshake in TLS 1.3.
    ServerHandshake,
    /// `CLIENT_TRAFFIC_SECRET_0`: the client's data in TLS 1.3.
    ClientData,
    /// `SERVER_TRAFFIC_SECRET_0`: the server's data in TLS 1.3.
    ServerData,
}

impl SecretKind {
    /// Labels of other secrets, which nothing here needs, give `None`.
    fn of_label(label: &[u8]) -> Option<Self> {
        Some(match label {
            b"CLIENT_RANDOM" => Self::Master,
            b"CLIENT_EARLY_TRAFFIC_SECRET" => Self::ClientEarly,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshake,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshake,
            b"CLIENT_TRAFFIC_SECRET_0" => Self::ClientData,
            b"SERVER_TRAFFIC_SECRET_0" => Self::ServerData,
            _ => return None,
        })
    }
}

/// The random of a ClientHello, which tells connections apart.
type Random = [u8; 32];

/// Secrets of any number of connections, up to a limit of memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// In an order of its own, so that whatever is made of all of them is the same each time.
    by_random: BTreeMap<Random, SecretsOfOne>,
    bytes: usize,
    room: usize,
    dropped: u64,
}

/// Secrets of one connection.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretsOfOne {
    /// At most one of each kind: the first that was given.
    list: Vec<(SecretKind, Box<[u8]>)>,
}

impl SecretsOfOne {
    /// The secret of this kind.
    pub fn get(&self, kind: SecretKind) -> Option<&[u8]> {
        self.list.iter().find(|(known, _)| *known == kind).map(|(_, secret)| &**secret)
    }
}

/// What a secret takes: itself, its entry, and its share of the map.
const EACH: usize = 128;

impl Secrets {
    /// None yet, and no more than fit into `room` bytes.
    pub fn with_room(room: usize) -> Self {
        Self { room, ..Self::default() }
    }

    /// Bytes that all of them may take.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Reads a key log: lines of a label, the client's random and the secret, the latter two in hex. Comments and
    /// what is not such a line are passed over. Tells how many lines were of secrets that are used.
    pub fn read(&mut self, log: &[u8]) -> u64 {
        let lines = log.split(|byte| matches!(byte, b'\n' | b'\r'));
        let secrets = lines.filter_map(line);
        secrets.fold(0, |count, (random, kind, secret)| {
            self.add(random, kind, secret);
            count.saturating_add(1)
        })
    }

    /// Adds those of another log; of one and the same secret, what is known already stays.
    pub fn merge(&mut self, other: &Self) {
        self.dropped = self.dropped.saturating_add(other.dropped);
        for (random, secrets) in &other.by_random {
            for (kind, secret) in &secrets.list {
                self.add(*random, *kind, secret.clone());
            }
        }
    }

    fn add(&mut self, random: Random, kind: SecretKind, secret: Box<[u8]>) {
        if self.of(&random).is_some_and(|known| known.get(kind).is_some()) {
            return;
        }
        let bytes = self.bytes.saturating_add(EACH).saturating_add(secret.len());
        if bytes > self.room {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes = bytes;
        self.by_random.entry(random).or_default().list.push((kind, secret));
    }

    /// Those of the connection whose ClientHello has this random.
    pub fn of(&self, client_random: &Random) -> Option<&SecretsOfOne> {
        self.by_random.get(client_random)
    }

    /// Whether every secret of `other` is here too.
    pub fn cover(&self, other: &Self) -> bool {
        other.by_random.iter().all(|(random, secrets)| {
            self.of(random)
                .is_some_and(|known| secrets.list.iter().all(|(kind, _)| known.get(*kind).is_some()))
        })
    }

    /// How many connections they are of.
    pub fn len(&self) -> usize {
        self.by_random.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_random.is_empty()
    }

    /// Secrets for which there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Notes secrets that were never looked at for want of room.
    pub fn drop_unread(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets of {} connections", self.len())
    }
}

impl fmt::Debug for SecretsOfOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(|(kind, _)| kind)).finish()
    }
}

fn line(line: &[u8]) -> Option<(Random, SecretKind, Box<[u8]>)> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let kind = SecretKind::of_label(words.next()?)?;
    let random = unhex(words.next()?)?;
    let secret = unhex(words.next()?)?;
    let random: Random = random.as_slice().try_into().ok()?;
    (!secret.is_empty() && secret.len() <= MAX_SECRET).then(|| (random, kind, secret.into()))
}

/// As long as the longest hash.
const MAX_SECRET: usize = 64;

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > 2 * MAX_SECRET {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_chunks::<2>();
    let byte = |[a, b]: &[u8; 2]| u8::try_from(digit(*a)? << 4 | digit(*b)?).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(last: u8) -> (Random, String) {
        let mut random = [0xab; 32];
        random[31] = last;
        (random, format!("{}{last:02x}", "ab".repeat(31)))
    }

    #[test]
    fn lines_are_read_and_all_else_is_passed_over() {
        let (one, hex) = random(1);
        let log = format!(
            "# a comment\r\n\r\nCLIENT_RANDOM {hex} {}\r\nEXPORTER_SECRET {hex} 0102\n\
             CLIENT_TRAFFIC_SECRET_0  {} 0A0b\nCLIENT_TRAFFIC_SECRET_0 {hex} 0102\n\
             SERVER_TRAFFIC_SECRET_0 {hex} 123\nSERVER_TRAFFIC_SECRET_0 {hex} zz\n\
             SERVER_TRAFFIC_SECRET_0 {hex}\nSERVER_TRAFFIC_SECRET_0 00 11\n\u{fffd}\n",
            "11".repeat(48),
            hex.to_uppercase(),
        );
        let mut secrets = Secrets::with_room(10_000);
        assert_eq!(secrets.read(log.as_bytes()), 3);
        assert_eq!(secrets.len(), 1);
        let found = secrets.of(&one).unwrap();
        assert_eq!(found.get(SecretKind::Master), Some(&[0x11; 48][..]));
        assert_eq!(found.get(SecretKind::ClientData), Some(&[10, 11][..]), "the first counts");
        assert_eq!(found.get(SecretKind::ServerData), None);
        assert_eq!(secrets.of(&random(2).0), None);
    }

    #[test]
    fn there_is_a_bound_and_what_is_beyond_is_counted() {
        let secret = "22".repeat(48);
        let log = (0..10)
            .fold(String::new(), |log, n| log + "CLIENT_RANDOM " + &random(n).1 + " " + &secret + "\n");
        let mut secrets = Secrets::with_room(3 * (EACH + 48));
        assert_eq!(secrets.read(log.as_bytes()), 10);
        assert_eq!((secrets.len(), secrets.dropped()), (3, 7));
        let mut more = Secrets::with_room(10_000);
        more.read(log.as_bytes());
        assert!(more.cover(&secrets) && !secrets.cover(&more));
        let mut union = secrets.clone();
        union.merge(&more);
        assert_eq!((union.len(), union.dropped()), (3, 14));
    }

    #[test]
    fn no_secret_is_printed() {
        let mut secrets = Secrets::with_room(10_000);
        secrets.read(format!("CLIENT_RANDOM {} {}\n", random(7).1, "5a".repeat(48)).as_bytes());
        let shown = format!("{secrets:?} {:?}", secrets.of(&random(7).0));
        assert!(!shown.contains("5a5a") && !shown.contains("90, 90") && !shown.contains('Z'), "{shown}");
        assert!(shown.contains("Master"));
    }
}
