//! One direction of TLS 1.3: early data, the handshake, then data, each under keys of its own (RFC 8446 section 7).

use super::super::record::{Content, Record};
use super::cipher::{Opener, Suite};
use super::derive::expand_label;

/// What was in a record.
pub(in super::super) struct Opened {
    /// What it is; in TLS 1.3 that is inside as well (RFC 8446 section 5.2).
    pub(in super::super) content: Content,
    pub(in super::super) bytes: Vec<u8>,
    /// It is early data of the client, or its end.
    pub(in super::super) early: bool,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {} bytes", self.content, self.bytes.len())
    }
}

/// The keys of one direction, in the order in which they are used.
pub(super) struct Traffic {
    suite: Suite,
    early: Option<Opener>,
    handshake: Option<Opener>,
    data: Option<Opener>,
    /// Of the data; the next one is made from it.
    secret: Vec<u8>,
    /// Records of the handshake may be missing, so that it may end any time.
    gap: bool,
    /// Records that do not open may be these.
    unread: Unread,
    /// Records that did not open: not counted further than this.
    passed: bool,
    /// None was opened yet.
    fresh: bool,
}

/// What records may be that do not open, before the first that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Nothing: the keys do not fit.
    Nothing,
    /// Early data that the server does not take.
    EarlyData,
    /// The handshake, for which there is no secret.
    Handshake,
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traffic").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Traffic {
    /// With the secrets of early data, handshake and data; `None` if there is none that fits the suite.
    pub(super) fn new(suite: Suite, secrets: [Option<&[u8]>; 3]) -> Option<Self> {
        let [early, handshake, data] = secrets.map(|secret| Opener::tls13(suite, secret?));
        let secret = secrets.last().copied().flatten().unwrap_or_default().to_vec();
        let gap = handshake.is_none();
        let any = handshake.is_some() || data.is_some();
        let unread = if handshake.is_none() { Unread::Handshake } else { Unread::Nothing };
        any.then(|| Self { suite, early, handshake, data, secret, gap, unread, passed: false, fresh: true })
    }

    /// The client may have sent early data, and the server may not want it.
    pub(super) fn expect_refused(&mut self) {
        if self.unread == Unread::Nothing {
            self.unread = Unread::EarlyData;
        }
    }

    /// What a record may be that does not open.
    pub(super) fn unread(&self) -> Unread {
        self.unread
    }

    /// Whether records were passed over, and none was opened.
    pub(super) fn opened_nothing(&self) -> bool {
        self.passed && self.fresh
    }

    /// Whether no record was opened yet.
    pub(super) fn at_start(&self) -> bool {
        self.fresh
    }

    /// What is in the next record.
    pub(super) fn open(&mut self, record: Record, body: &[u8]) -> Option<Opened> {
        let opened = self.try_open(record, body);
        self.passed |= opened.is_none();
        opened
    }

    fn try_open(&mut self, record: Record, body: &[u8]) -> Option<Opened> {
        if let Some(opened) = self.early.as_mut().and_then(|keys| keys.open(record, body)) {
            self.fresh = false;
            return inner(opened, true);
        }
        let opened = match self.handshake.as_mut().and_then(|keys| keys.open(record, body)) {
            Some(opened) => opened,
            // The handshake is over, or its end was not captured.
            None if self.gap || self.handshake.is_none() => {
                let opened = self.data.as_mut()?.open(record, body)?;
                self.handshake = None;
                opened
            }
            None => return None,
        };
        // What was sent under later keys ends what comes before.
        self.early = None;
        self.unread = Unread::Nothing;
        self.fresh = false;
        inner(opened, false)
    }

    /// Passes over a record that is not in the capture as a whole.
    pub(super) fn skip(&mut self) {
        let keys = [&mut self.early, &mut self.handshake, &mut self.data].into_iter().flatten().next();
        keys.map(Opener::skip);
        self.gap = true;
    }

    /// The handshake is over.
    pub(super) fn finished(&mut self) {
        self.early = None;
        self.handshake = None;
    }

    pub(super) fn end_of_early_data(&mut self) {
        self.early = None;
    }

    /// RFC 8446 section 7.2.
    pub(super) fn update(&mut self) {
        let len = u8::try_from(self.suite.hash.len()).unwrap_or(u8::MAX);
        let next = expand_label(self.suite.hash, &self.secret, b"traffic upd", len);
        self.data = next.as_ref().and_then(|secret| Opener::tls13(self.suite, secret));
        self.secret = next.unwrap_or_default();
    }
}

/// Content, its type, zeros (RFC 8446 section 5.2); `None` if there is no type that anybody may send.
fn inner(mut bytes: Vec<u8>, early: bool) -> Option<Opened> {
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    let content = match bytes.get(end)? {
        21 => Content::Alert,
        22 => Content::Handshake,
        23 => Content::ApplicationData,
        24 => Content::Heartbeat,
        _ => return None,
    };
    bytes.truncate(end);
    Some(Opened { content, bytes, early })
}
