//! Messages of the control channel: what goes around them, and their order.

use std::collections::BTreeMap;

use crate::analyzers::Role;

/// Opcode in the five upper bits of the first byte, key in the lower three.
pub(super) const CLIENT: u8 = 7 << 3;
pub(super) const SERVER: u8 = 8 << 3;
/// Of a client with `tls-crypt-v2`, which brings its key along, wrapped.
pub(super) const CLIENT_V3: u8 = 10 << 3;
/// P_CONTROL_V1 of the first key: those of later ones are of another handshake.
const CONTROL: u8 = 4 << 3;
/// Opcodes that there are; in older versions the first two reset.
const OPCODES: std::ops::RangeInclusive<u8> = 1..=11;

/// Which of both sides has which identifier.
pub(super) type Session = [u8; 8];

/// Replay protection: packet number and time.
const REPLAY: usize = 8;
/// What goes before a body that `tls-crypt` encrypts: that, and a code.
const SEALED: usize = REPLAY + 32;
/// With `tls-crypt-v2` the server may say of itself, in a type, a length and flags, that it wants the key once more.
const FLAGS: usize = 6;
/// A wrapped key: a code, the key and a length, and what its server wrote into it.
const WRAPPED: std::ops::RangeInclusive<usize> = 32 + 256 + 2..=1024;
/// How many messages a side may have sent when it resets: it asks again until it is answered, and counts each.
const ATTEMPTS: u8 = 16;

/// What is done to messages of this channel beside what TLS does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nothing.
    None,
    /// `tls-auth`: a code of so many bytes, and replay protection, go before the body.
    Signed(usize),
    /// `tls-crypt` and `tls-crypt-v2`: the body is encrypted.
    Sealed,
}

/// The first message of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reset {
    pub(super) by: Role,
    pub(super) session: Session,
    pub(super) guard: Guard,
}

/// Who resets with this message, as far as can be told.
pub(super) fn reset(bytes: &[u8]) -> Option<Reset> {
    let (by, body) = match *bytes.first()? {
        CLIENT | CLIENT_V3 => (Role::Client, 5_usize),
        // It acknowledges the client's one message, and names its session.
        SERVER => (Role::Server, 17),
        _ => return None,
    };
    let (session, rest) = bytes.get(1..)?.split_first_chunk::<8>()?;
    if *session == Session::default() {
        return None;
    }
    // Acknowledgements and the number of the message, which is zero.
    let plain = |rest: &[u8]| match (by, rest) {
        (Role::Client, [0, 0, 0, 0, 0]) => true,
        (Role::Server, [1, 0, 0, 0, 0, peer @ .., 0, 0, 0, 0]) => peer.len() == 8 && peer != [0; 8],
        _ => false,
    };
    let is_v3 = bytes.starts_with(&[CLIENT_V3]);
    // A client with a wrapped key may say in the first byte that it understands what the server says of itself.
    let is_first = |replay: &[u8]| match replay {
        [start, 0, 0, 1..=ATTEMPTS, time @ ..] => (*start == 0 || is_v3 && *start == 0x0f) && time != [0; 4],
        _ => false,
    };
    // Of one of the usual hashes.
    let signed = [16, 20, 32, 48, 64].into_iter().find(|code| {
        let parts = rest.get(*code..).and_then(|behind| behind.split_at_checked(REPLAY));
        parts.is_some_and(|(replay, behind)| is_first(replay) && plain(behind))
    });
    let fits = match rest.len().checked_sub(body.saturating_add(SEALED)) {
        // The wrapped key ends with its length.
        Some(more) if is_v3 => {
            let said = rest.last_chunk::<2>().map(|length| usize::from(u16::from_be_bytes(*length)));
            WRAPPED.contains(&more) && said == Some(more)
        }
        Some(more) => more == 0 || by == Role::Server && more == FLAGS,
        None => false,
    };
    let sealed = fits && rest.get(..REPLAY).is_some_and(is_first);
    let guard = match signed {
        _ if is_v3 => sealed.then_some(Guard::Sealed)?,
        _ if plain(rest) => Guard::None,
        Some(code) => Guard::Signed(code),
        None if sealed => Guard::Sealed,
        None => return None,
    };
    Some(Reset { by, session: *session, guard })
}

/// Whether a message begins like this at all.
pub(super) fn is_message(first: u8) -> bool {
    OPCODES.contains(&(first >> 3))
}

/// A piece of the TLS stream of one side.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Control<'a> {
    pub(super) session: Session,
    /// The other side's, where the message acknowledges something.
    pub(super) peer: Option<Session>,
    pub(super) number: u32,
    pub(super) body: &'a [u8],
}

/// Session, what guards it, acknowledgements, number, and a piece of the stream.
pub(super) fn control(bytes: &[u8], guard: Guard) -> Option<Control<'_>> {
    let (session, rest) = bytes.strip_prefix(&[CONTROL])?.split_first_chunk::<8>()?;
    let rest = match guard {
        Guard::None => rest,
        Guard::Signed(code) => rest.get(code.checked_add(REPLAY)?..)?,
        Guard::Sealed => return None,
    };
    let (acknowledged, rest) = rest.split_first()?;
    let (peer, rest) = match usize::from(*acknowledged) {
        0 => (None, rest),
        count @ 1..=MAX_ACKNOWLEDGED => {
            let (peer, rest) = rest.get(count.checked_mul(4)?..)?.split_first_chunk::<8>()?;
            (Some(*peer), rest)
        }
        _ => return None,
    };
    let (number, body) = rest.split_first_chunk::<4>()?;
    Some(Control { session: *session, peer, number: u32::from_be_bytes(*number), body })
}

/// A message acknowledges no more.
const MAX_ACKNOWLEDGED: usize = 8;

/// The messages of one side by their numbers: they come in any order, twice, or not at all.
#[derive(Debug)]
pub(super) struct Ordered {
    next: u32,
    /// At most [`WINDOW`], each of at most [`MAX_BODY`] bytes; none is before `next`.
    waiting: BTreeMap<u32, Vec<u8>>,
}

/// What comes next in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Bytes(Vec<u8>),
    /// Something that was not captured.
    Gap,
}

/// No side has so many messages on their way that are not acknowledged: what is still missing then was not captured.
const WINDOW: u32 = 16;
/// Bytes in a message; they are made to fit into a datagram that nobody cuts.
const MAX_BODY: usize = 4096;

impl Ordered {
    /// Behind the reset, whose number is zero.
    pub(super) fn new() -> Self {
        Self { next: 1, waiting: BTreeMap::new() }
    }

    /// Puts a message in; what came before stays.
    pub(super) fn insert(&mut self, number: u32, body: &[u8]) {
        // More than the window may be there only until what is ahead is taken out.
        let has_room = self.waiting.len() <= WINDOW as usize;
        if number >= self.next && body.len() <= MAX_BODY && has_room {
            self.waiting.entry(number).or_insert_with(|| body.to_vec());
        }
    }

    /// Takes the next bytes out, or says that there is a gap. At the end nothing is waited for any more.
    pub(super) fn take(&mut self, is_end: bool) -> Option<Next> {
        let (first, last) = (*self.waiting.first_key_value()?.0, *self.waiting.last_key_value()?.0);
        if first == self.next {
            self.next = first.saturating_add(1);
            return self.waiting.remove(&first).map(Next::Bytes);
        }
        (is_end || last.saturating_sub(self.next) >= WINDOW).then(|| {
            self.next = first;
            Next::Gap
        })
    }

    /// About what it takes beside itself.
    pub(super) fn held(&self) -> usize {
        self.waiting.values().fold(0, |sum, body| sum.saturating_add(body.len()).saturating_add(ENTRY))
    }
}

/// About what a message takes beside its bytes.
const ENTRY: usize = 64;
