//! Handshake messages of one direction, put together from pieces that come in any order and more than once (RFC 6347
//! section 4.2.3), and given out in their order.

use std::collections::BTreeMap;

use super::record::Fragment;
use crate::analyzers::pieces::Pieces;
use crate::analyzers::tls::{LONGEST_MESSAGE, take};

/// Messages that are put together at the same time; the longest flight has half as many.
const MAX_AHEAD: usize = 16;

/// About what one takes beside its bytes.
const ENTRY: usize = 128;

/// The messages of one direction.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Number of the next one; `None` before the first hello.
    next: Option<u16>,
    /// Those that are not complete, or wait for others, by number.
    open: BTreeMap<u16, Message>,
    /// Bytes in them.
    held: usize,
}

#[derive(Debug)]
struct Message {
    kind: u8,
    length: usize,
    /// Its bytes as far as there is no hole.
    body: Vec<u8>,
    /// Those beyond a hole.
    pieces: Pieces,
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was put in, or had been there before.
    Yes,
    /// It contradicts others of its message.
    Contradicts,
    /// There is no room for it.
    NoRoom,
}

impl Messages {
    /// Puts a piece in.
    pub(super) fn insert(&mut self, fragment: &Fragment<'_>) -> Taken {
        if self.is_past(fragment.number) {
            return Taken::Yes;
        }
        if !self.open.contains_key(&fragment.number) && self.open.len() >= MAX_AHEAD
            || self.held.saturating_add(fragment.bytes.len()) > LONGEST_MESSAGE
        {
            return Taken::NoRoom;
        }
        let message = self.open.entry(fragment.number).or_insert_with(|| Message {
            kind: fragment.kind,
            length: fragment.length,
            body: Vec::new(),
            pieces: Pieces::new(LONGEST_MESSAGE),
        });
        if (message.kind, message.length) != (fragment.kind, fragment.length) {
            return Taken::Contradicts;
        }
        let before = message.size();
        let put_in = message.pieces.insert(fragment.offset as u64, fragment.bytes);
        while let Some(piece) = message.pieces.take() {
            message.body.extend_from_slice(&piece);
        }
        self.held = self.held.saturating_add(message.size()).saturating_sub(before);
        if put_in { Taken::Yes } else { Taken::NoRoom }
    }

    /// Whether a message with this number was given out already.
    pub(super) fn is_past(&self, number: u16) -> bool {
        self.next.is_some_and(|next| number < next)
    }

    /// The next message, if it is complete: its type and its body. The first one is a hello, whatever its number: what
    /// came before it is not in the capture.
    pub(super) fn take(&mut self, is_hello: impl Fn(u8) -> bool) -> Option<(u8, Vec<u8>)> {
        let first = |(number, message): (&u16, &Message)| is_hello(message.kind).then_some(*number);
        let number = self.next.or_else(|| self.open.iter().find_map(first))?;
        self.open.get(&number).filter(|message| message.body.len() == message.length)?;
        let message = self.open.remove(&number)?;
        self.next = Some(number.saturating_add(1));
        self.held = self.held.saturating_sub(message.size());
        Some((message.kind, message.body))
    }

    /// Whether there are pieces that wait for others.
    pub(super) fn waits(&self) -> bool {
        !self.open.is_empty()
    }

    /// About what it takes beside itself.
    pub(super) fn held(&self) -> usize {
        self.held.saturating_add(self.open.len().saturating_mul(ENTRY))
    }
}

impl Message {
    fn size(&self) -> usize {
        self.body.len().saturating_add(self.pieces.held())
    }
}

/// The body of a ClientHello as TLS has it, without the cookie, which follows the session identifier (RFC 6347 section
/// 4.2.1). One that breaks off before it stays as it is.
pub(super) fn without_cookie(body: &[u8]) -> Vec<u8> {
    let mut rest = body;
    take(&mut rest, BEFORE_SESSION);
    let session = take(&mut rest, 1).first().map_or(0, |length| usize::from(*length));
    take(&mut rest, session);
    let front = body.len().saturating_sub(rest.len());
    let Some(cookie) = take(&mut rest, 1).first().map(|length| usize::from(*length)) else {
        return body.to_vec();
    };
    take(&mut rest, cookie);
    [body.get(..front).unwrap_or_default(), rest].concat()
}

/// Version and random of a hello.
const BEFORE_SESSION: usize = 2 + 32;

/// The random of a hello, in its first piece.
pub(super) fn random<'a>(fragment: &Fragment<'a>) -> Option<&'a [u8; 32]> {
    fragment.bytes.get(2..).filter(|_| fragment.offset == 0)?.first_chunk()
}
