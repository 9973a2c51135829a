//! What runs inside the encryption, inferred from who sends records of which length when. Never certain: nothing of the
//! content is read, and whoever pads or mixes messages looks like something else.
//!
//! Read: the application protocols offered and chosen (RFC 7301); the first records of both sides; short records that
//! answer each other (MQTT PINGREQ and PINGRESP, two bytes each, MQTT 5.0 sections 3.12 and 3.13; WebSocket frames, of which
//! the client's are four bytes longer by their masking key, RFC 6455 section 5.2) and how regularly they do; whether
//! short records come that cannot begin a request or an answer of HTTP/1.1.
//!
//! Assumed: one message, one record. Ports and names are not looked at: whoever uses what is inferred here has them.
//!
//! Not read: connections of which the hellos were not captured, with early data, with CBC before TLS 1.1.
//!
//! Memory per connection: below [`Inference`]'s size, whatever it carries. A record costs a comparison once the other side is
//! not awaited any more, and nothing after [`ENOUGH`] records.

mod judge;
mod pairs;
mod sizes;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(super) use sizes::Sizes;

use super::connection::Connection;
use super::hello::{Choice, Offer};
use super::record::Record;
use crate::analyzers::{Role, Sink};
use crate::model::Timestamp;
use crate::model::evidence::Seen;
use pairs::Pairs;
use sizes::Size;

/// Who has been silent for so long begins anew.
const QUIET: Duration = Duration::from_secs(1);
/// So many records tell whatever they can tell.
const ENOUGH: u32 = 1 << 16;
/// First records of a client that are kept, and of the server's answer: session tickets of TLS 1.3 are among the latter.
const ASKED: usize = 4;
const ANSWERED: usize = 8;
/// HTTP/1.1: the shortest answer (`HTTP/1.1 200 OK` and a length), one with a type and a body, the shortest request.
const LEAST_ANSWER: u16 = 38;
const USUAL_ANSWER: u16 = 70;
const LEAST_REQUEST: u16 = 27;
/// Requests on one connection repeat the fields of the first one: what is shorter than this and half of that is none.
const SHORT_REQUEST: u16 = 64;

/// Application protocols that were offered, or the one that was chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Alpn {
    mqtt: bool,
    http1: bool,
    http2: bool,
    other: bool,
}

impl Alpn {
    /// Adds one of the names (RFC 7301 section 6; those of AWS IoT, which has MQTT and HTTP on one port).
    pub(super) fn add(&mut self, name: &[u8]) {
        match name {
            b"mqtt" | b"x-amzn-mqtt-ca" => self.mqtt = true,
            b"http/1.1" | b"http/1.0" | b"x-amzn-http-ca" => self.http1 = true,
            [b'h', b'2', ..] | [b's', b'p', b'd', b'y', ..] => self.http2 = true,
            _ => self.other = true,
        }
    }

    fn is_none(self) -> bool {
        self == Self::default()
    }

    fn only_mqtt(self) -> bool {
        self == Self { mqtt: true, ..Self::default() }
    }
}

/// How far the first exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// TLS 1.3 with a client certificate: the client has not sent its Finished yet.
    Handshake,
    /// The client has not said anything.
    Waiting,
    Asking,
    Answering,
    Over,
}

/// The latest record.
#[derive(Debug, Clone, Copy)]
struct Last {
    role: Role,
    at: Timestamp,
    length: u16,
    size: Size,
    /// It came after silence.
    fresh: bool,
}

/// The records of one connection after its handshake, summed up.
#[derive(Debug)]
pub(super) struct Inference {
    sizes: Sizes,
    /// Body of a record with the client's Finished (TLS 1.3).
    finished: Option<u16>,
    offered: Alpn,
    chosen: Alpn,
    stage: Stage,
    /// The server spoke before the client; of TLS 1.3, more than session tickets.
    server_first: bool,
    /// TLS 1.3: records of the server before the client's first, which are session tickets.
    tickets: u8,
    asked: [Size; ASKED],
    answered: [Size; ANSWERED],
    asked_count: u8,
    answered_count: u8,
    /// The client's last words were two bytes that nothing answered, beside a close_notify of TLS 1.3.
    farewell: bool,
    last: Option<Last>,
    /// Latest record.
    seen: Seen,
    records: u32,
    bytes: [u64; 2],
    /// Greatest common divisor of all lengths without tag: 16 and more if records are padded to blocks.
    common: u16,
    /// Beginnings of the client after its first: too short for a WebSocket frame, for a request, unlike the first, like
    /// it.
    client_tiny: u16,
    client_short: u16,
    client_middle: u16,
    client_long: u16,
    /// Answers of the server after its first: too short for one of HTTP/1.1, unusually short, or neither; and those of
    /// the length of an acknowledgement of MQTT.
    server_short: u16,
    server_middle: u16,
    server_long: u16,
    acknowledged: u16,
    /// Records of the server that nobody asked for, and of the client after one.
    pushed: u16,
    pushed_between: u16,
    /// A tiny record of the server: shorter than a WebSocket frame.
    server_tiny: u16,
    pairs: Pairs,
}

impl Connection {
    /// From here on records are of applications. `completing` is the length of the record before, in TLS 1.3.
    pub(super) fn begin_inference(&mut self, completing: u16, sink: &Sink) {
        let choice = self.choice.as_ref().filter(|_| !self.midstream);
        let made =
            choice.and_then(|choice| Inference::new(self.offer.as_ref(), choice, completing, sink.seen));
        self.inference = made.map(Box::new);
    }

    /// Another record of them.
    pub(super) fn infer(&mut self, role: Role, record: Record, sink: &Sink) {
        if self.is_missing_any() {
            // What was inferred before the gap stands.
            return;
        }
        if let Some(bulk) = &mut self.bulk {
            if bulk.goes_on(role, record.length, sink.seen) {
                return;
            }
            self.end_bulk();
        }
        if let Some(inference) = &mut self.inference {
            inference.record(role, record.length, sink.seen);
            self.bulk = inference.bulk(role, record.length);
        }
    }

    /// Counts the long records that came one after the other.
    pub(super) fn end_bulk(&mut self) {
        if let (Some(inference), Some(bulk)) = (&mut self.inference, self.bulk.take()) {
            inference.add_bulk(&bulk);
        }
    }
}

/// Long records of one side, one after the other: most of what is sent, and nothing that tells what is inside. Counted beside
/// [`Inference`], so that they cost no more than that.
#[derive(Debug)]
pub(super) struct Bulk {
    role: Role,
    sizes: Sizes,
    length: u16,
    records: u32,
    bytes: u64,
    seen: Seen,
}

impl Bulk {
    /// Counts a record, if it is one of them.
    fn goes_on(&mut self, role: Role, length: u16, seen: Seen) -> bool {
        let Some(size) = self.sizes.content(length).filter(|_| length >= LONG) else { return false };
        if role != self.role || seen.at.since(self.seen.at) >= QUIET {
            return false;
        }
        self.records = self.records.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::from(size.high));
        (self.length, self.seen) = (length, seen);
        true
    }
}

/// Shorter records may be control messages (see [`pairs`]).
const LONG: u16 = 1024;

impl Inference {
    /// For what was agreed on; `None` where records say too little. `completing` is the length of the record that
    /// completed a handshake of TLS 1.3.
    pub(super) fn new(offer: Option<&Offer>, choice: &Choice, completing: u16, seen: Seen) -> Option<Self> {
        let offer = offer.filter(|offer| !offer.early_data)?;
        let tls13 = choice.is_tls13();
        let sizes = Sizes::of(choice.version, tls13, choice.suite, choice.truncated_mac)?;
        let finished = match sizes {
            // Type and length, a hash of the suite, content type, tag (RFC 8446 section 4.4.4).
            Sizes::Tls13 { tag } => {
                let hash = if choice.suite == AES_256_GCM_SHA384 { 48 } else { 32 };
                Some(tag.saturating_add(4 + 1).saturating_add(hash))
            }
            _ => None,
        };
        let certified = finished.is_some_and(|length| length != completing);
        Some(Self {
            sizes,
            finished,
            offered: offer.alpn,
            chosen: choice.alpn,
            stage: if certified { Stage::Handshake } else { Stage::Waiting },
            server_first: false,
            tickets: 0,
            asked: [Size { low: 0, high: 0 }; ASKED],
            answered: [Size { low: 0, high: 0 }; ANSWERED],
            asked_count: 0,
            answered_count: 0,
            farewell: false,
            last: None,
            seen,
            records: 0,
            bytes: [0; 2],
            common: 0,
            client_tiny: 0,
            client_short: 0,
            client_middle: 0,
            client_long: 0,
            server_short: 0,
            server_middle: 0,
            server_long: 0,
            acknowledged: 0,
            server_tiny: 0,
            pushed: 0,
            pushed_between: 0,
            pairs: Pairs::default(),
        })
    }

    /// A record of application data, or in TLS 1.3 of anything, with a body of `length` bytes.
    pub(super) fn record(&mut self, role: Role, length: u16, seen: Seen) {
        if self.records >= ENOUGH {
            return;
        }
        let Some(size) = self.sizes.content(length) else { return };
        if self.stage == Stage::Handshake {
            let is_finished = role == Role::Client && self.finished == Some(length);
            if is_finished || role == Role::Server {
                self.stage = Stage::Waiting;
            }
            if role == Role::Client {
                return;
            }
        }
        self.records = self.records.saturating_add(1);
        let [client, server] = &mut self.bytes;
        let sum = if role == Role::Client { client } else { server };
        *sum = sum.saturating_add(u64::from(size.high));
        self.seen = seen;
        let before = self.last;
        let turned = before.is_none_or(|last| last.role != role);
        let fresh = before.is_none_or(|last| seen.at.since(last.at) >= QUIET);
        self.last = Some(Last { role, at: seen.at, length, size, fresh });
        if role == Role::Client || !size.is(ALERT) {
            let twice = before.is_some_and(|last| last.role == role && last.size.is(ALERT)) && !fresh;
            self.farewell = role == Role::Client && size.is(ALERT) && (twice || !self.sizes.may_be_padded());
        }
        if self.records <= PADDING_LOOKED_AT && self.sizes.may_be_padded() {
            self.common = divisor(self.common, size.high.saturating_add(1));
        }
        let first_exchange = self.stage != Stage::Over;
        if first_exchange {
            self.open(role, size, fresh);
        }
        // What follows in the same breath belongs to what was begun.
        if !turned && !fresh {
            return;
        }
        if self.stage == Stage::Over {
            self.begin(role, size, turned);
        }
        if let Some(before) = before.filter(|_| turned) {
            self.pairs.add(&before, role, length, size, seen.at);
        }
    }

    /// What to count further long records in, if the one at hand was long and says nothing but its length.
    fn bulk(&self, role: Role, length: u16) -> Option<Bulk> {
        let settled = self.stage == Stage::Over && self.records > PADDING_LOOKED_AT && self.records < ENOUGH;
        (settled && length >= LONG).then_some(Bulk {
            role,
            sizes: self.sizes,
            length,
            records: 0,
            bytes: 0,
            seen: self.seen,
        })
    }

    /// Records that only went on with what was begun.
    fn add_bulk(&mut self, bulk: &Bulk) {
        let Some(size) = self.sizes.content(bulk.length).filter(|_| bulk.records > 0) else { return };
        self.records = self.records.saturating_add(bulk.records);
        let [client, server] = &mut self.bytes;
        let sum = if bulk.role == Role::Client { client } else { server };
        *sum = sum.saturating_add(bulk.bytes);
        self.seen = bulk.seen;
        let (role, at, length) = (bulk.role, bulk.seen.at, bulk.length);
        self.last = Some(Last { role, at, length, size, fresh: false });
    }

    /// A record of the first exchange.
    fn open(&mut self, role: Role, size: Size, fresh: bool) {
        self.stage = match (self.stage, role) {
            (Stage::Waiting, Role::Server) => {
                // Session tickets are longer.
                self.tickets = self.tickets.saturating_add(1);
                self.server_first |= !self.sizes.may_be_padded() || size.high < LEAST_TICKET;
                Stage::Waiting
            }
            (Stage::Waiting | Stage::Asking, Role::Client) => {
                push(&mut self.asked, &mut self.asked_count, size);
                Stage::Asking
            }
            (Stage::Asking | Stage::Answering, Role::Server)
                if !fresh || usize::from(self.answered_count) <= self.tickets() =>
            {
                push(&mut self.answered, &mut self.answered_count, size);
                Stage::Answering
            }
            _ => Stage::Over,
        };
    }

    /// Somebody begins to speak, after the first exchange.
    fn begin(&mut self, role: Role, size: Size, turned: bool) {
        let add = |count: &mut u16| *count = count.saturating_add(1);
        match role {
            Role::Client => {
                // Requests on one connection are about as long as the first one.
                let first = self.asked.first().map_or(0, |size| size.low);
                let short = (first / 2).clamp(LEAST_REQUEST, SHORT_REQUEST);
                let alike = first.saturating_sub(first / 3);
                add(match size.high {
                    0..LEAST_FRAME => &mut self.client_tiny,
                    high if high < short => &mut self.client_short,
                    high if high < alike => &mut self.client_middle,
                    _ => &mut self.client_long,
                });
                if self.pushed > 0 {
                    add(&mut self.pushed_between);
                }
            }
            Role::Server => {
                if size.high < LEAST_SERVER_FRAME {
                    add(&mut self.server_tiny);
                }
                if size.is_exact() && ACKNOWLEDGEMENTS.contains(&size.low) {
                    add(&mut self.acknowledged);
                }
                add(match size.high {
                    _ if !turned => &mut self.pushed,
                    high if high < LEAST_ANSWER => &mut self.server_short,
                    high if high < USUAL_ANSWER => &mut self.server_middle,
                    _ => &mut self.server_long,
                });
            }
        }
    }

    fn asked(&self) -> &[Size] {
        self.asked.get(..usize::from(self.asked_count)).unwrap_or_default()
    }

    fn answered(&self) -> &[Size] {
        self.answered.get(..usize::from(self.answered_count)).unwrap_or_default()
    }

    /// TLS 1.3: the client ended with two messages of two bytes, of which the last can only be an alert.
    pub(super) fn says_goodbye(&self) -> bool {
        self.farewell && self.sizes.may_be_padded()
    }

    /// How many session tickets may stand before the answer to the client's first message.
    fn tickets(&self) -> usize {
        if self.sizes.may_be_padded() && self.tickets == 0 { 2 } else { 0 }
    }

    /// The first record of the answer to the client's first message: in TLS 1.3 after the session tickets, which are two of
    /// the same length or one.
    fn answer(&self) -> Option<Size> {
        let answers = self.answered();
        let tickets = match answers {
            _ if self.tickets() == 0 => 0,
            [one, two, _, ..] if one == two => 2,
            [_, _, ..] => 1,
            _ => 0,
        };
        answers.get(tickets).copied()
    }

    /// Whether records are padded so that their lengths say nothing.
    fn is_padded(&self) -> bool {
        self.sizes.may_be_padded() && self.records >= 4 && self.common >= 16
    }
}

/// An alert has two bytes, as have PINGREQ and DISCONNECT of MQTT.
const ALERT: u16 = 2;
/// PUBACK and its like, SUBACK for one topic, before MQTT 5.0 and since (sections 3.4 and 3.9).
const ACKNOWLEDGEMENTS: std::ops::RangeInclusive<u16> = 4..=6;
/// A masked WebSocket frame of the client, and one of the server (RFC 6455 section 5.2).
const LEAST_FRAME: u16 = 6;
const LEAST_SERVER_FRAME: u16 = 2;
/// Records of TLS 1.3 that servers send unasked after the handshake are NewSessionTickets, with some 50 bytes at least (RFC
/// 8446 section 4.6.1).
const LEAST_TICKET: u16 = 50;
/// The only suite of TLS 1.3 with a longer hash.
const AES_256_GCM_SHA384: u16 = 0x1302;
/// Whoever pads does so from the first record on.
const PADDING_LOOKED_AT: u32 = 64;

fn push<const N: usize>(list: &mut [Size; N], count: &mut u8, size: Size) {
    if let Some(slot) = list.get_mut(usize::from(*count)) {
        *slot = size;
        *count = count.saturating_add(1);
    }
}

/// The greatest common divisor; of 0 and a number that number.
fn divisor(mut a: u16, mut b: u16) -> u16 {
    while b != 0 {
        (a, b) = (b, a.checked_rem(b).unwrap_or_default());
    }
    a
}
