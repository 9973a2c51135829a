//! HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112).
//!
//! Parsed: the heads of requests and responses, pipelined and over kept-alive connections, which
//! needs the length of every body (RFC 9112 section 6.3); bodies themselves are skipped unread. A
//! response is judged by the request it answers: HEAD, CONNECT, Upgrade. After a CONNECT that
//! succeeds the rest of the flow is whatever the tunnel carries; after a status 101 it is the new
//! protocol. What the client sends between asking for either and the answer is held back, at most
//! 64 KiB, since only the answer tells what it is.
//!
//! Assumed: a stream that was joined in the middle, or has a gap that is not within a body of known
//! length, goes on with a message that begins where a segment begins.
//!
//! Not parsed: bodies (so nothing is said of their content), trailers, HTTP/0.9.

mod body;
pub mod fields;
mod head;
mod message;
mod probe;
#[cfg(test)]
mod tests;
mod upgrade;

use std::collections::VecDeque;
use std::time::Duration;

use self::body::{Body, Progress};
use self::fields::{ANOMALY, FIELDS, REQUESTS, RESPONSES, UNANSWERED};
use self::head::{Fed, HeadBuffer};
use self::upgrade::Offer;
use super::buffer::StreamBuffer;
use super::websocket::fields::{ACCEPT_MISMATCH, ANOMALY as WEBSOCKET_ANOMALY};
use super::{Analyzer, Class, Context, Definition, Next, Probe, Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{Observation, Transport, Value};

/// HTTP/1.
pub static DEFINITION: Definition = Definition {
    id: "http",
    title: "HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112)",
    transports: &[Transport::Tcp],
    ports: &[80, 8080, 3128],
    fields: FIELDS,
    class: Class::Readable,
    probe: probe::probe,
    start,
};

fn start(context: &Context) -> Box<dyn Analyzer> {
    let state = if context.from_start { State::Head } else { State::Resync };
    Box::new(Http {
        client: Side::new(state),
        server: Side::new(state),
        exchanges: VecDeque::new(),
        paired: context.from_start,
        held: None,
        held_gap: false,
        doubtful: Vec::new(),
        early: None,
        requests: 0,
        responses: 0,
        switched: false,
    })
}

#[derive(Debug)]
struct Http {
    client: Side,
    server: Side,
    /// Requests that await their final response, in order.
    exchanges: VecDeque<Exchange>,
    /// Whether `exchanges` is known to hold all of them: no byte was missed so far.
    paired: bool,
    /// From a request for a tunnel or an upgrade to its answer: what the client sends after it.
    held: Option<StreamBuffer>,
    /// Bytes are missing in `held`.
    held_gap: bool,
    /// Anomalies that are none if more of the client's bytes are missing than is known yet; at most [`MAX_DOUBTFUL`].
    doubtful: Vec<(Seen, &'static str)>,
    /// The last response, if nothing before it asked for it.
    early: Option<Seen>,
    requests: u64,
    responses: u64,
    /// The rest of the flow is of another protocol.
    switched: bool,
}

/// A response that nothing before it asked for.
const UNREQUESTED: &str = "unrequested-response";

/// So late after its response a request may be captured; no client asks so soon after what it did not ask for.
const AT_ONCE: Duration = Duration::from_millis(5);

/// Anomalies that wait for the end; more tell no more.
const MAX_DOUBTFUL: usize = 256;

#[derive(Debug)]
struct Side {
    state: State,
    head: HeadBuffer,
    /// The body at hand; present in `State::Body`.
    body: Option<Body>,
}

impl Side {
    fn new(state: State) -> Self {
        Self { state, head: HeadBuffer::default(), body: None }
    }

    /// The body goes on for as long as it says; without one, a head comes next.
    fn expect(&mut self, body: Option<Body>) {
        self.state = if body.is_some() { State::Body } else { State::Head };
        self.body = body;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the head of a message, or before it.
    Head,
    /// In a body.
    Body,
    /// Lost: a message may begin with the next call.
    Resync,
    /// Lost for good.
    Ignore,
}

/// A request, as far as its response depends on it.
#[derive(Debug)]
enum Exchange {
    Plain,
    Head,
    Connect,
    /// With what was offered, if that was WebSocket.
    Upgrade(Option<Box<Offer>>),
}

impl Analyzer for Http {
    fn held(&self) -> usize {
        let exchanges = self.exchanges.capacity().saturating_mul(size_of::<Exchange>());
        let held = self.held.as_ref().map_or(0, StreamBuffer::held);
        let heads = self.client.head.held().saturating_add(self.server.head.held());
        let doubtful = self.doubtful.capacity().saturating_mul(size_of::<(Seen, &str)>());
        [exchanges, held, heads, doubtful].into_iter().fold(0, usize::saturating_add)
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        let mut rest = bytes;
        // Each step takes bytes, or gives up bytes held back.
        while !rest.is_empty() {
            if self.switched {
                sink.forward(role, rest);
                return;
            }
            let taken = self.step(role, rest, sink);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    fn gap(&mut self, role: Role, missed: u64, sink: &mut Sink) {
        if self.switched {
            return sink.forward_gap(role);
        }
        if self.holds(role) {
            self.held_gap = true;
            return;
        }
        let side = self.side(role);
        let progress = match (side.state, &mut side.body) {
            (State::Body, Some(body)) => body.gap(missed),
            (State::Head, _) => return self.head_is_cut(role, sink),
            (State::Ignore, _) => return,
            _ => Progress::Broken,
        };
        match progress {
            Progress::More => {}
            Progress::Done(_) => side.expect(None),
            Progress::Broken => self.lose(role, State::Resync),
        }
    }

    /// What is held back may go to a protocol whose analyzer reads the clock.
    fn may_end_early(&self) -> bool {
        self.switched || self.held.as_ref().is_none_or(|held| held.unread().is_empty())
    }

    fn end(&mut self, sink: &mut Sink) {
        self.pair_late();
        let doubtful = std::mem::take(&mut self.doubtful);
        if sink.has_all_of(Role::Client) {
            doubtful.iter().for_each(|(seen, word)| sink.fact_at(*seen, &ANOMALY, Value::Word(word)));
        }
        if self.switched {
            return;
        }
        // A capture of the client's side only, say: what it sends into a tunnel tells what the
        // tunnel is for.
        while self.held.as_ref().is_some_and(|held| !held.unread().is_empty()) {
            let never = self.paired && sink.has_all_of(Role::Server);
            self.answer_is_missing(&[], if never { Answer::Never } else { Answer::Missing }, sink);
            if self.switched {
                return;
            }
        }
        self.summarise(sink);
        if self.paired && sink.has_all_of(Role::Server) {
            self.tell_unanswered(sink);
        }
    }
}

impl Http {
    /// Takes some of `bytes`; how many.
    fn step(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) -> usize {
        if self.holds(role) {
            return self.hold(bytes, sink);
        }
        match self.side(role).state {
            State::Ignore => bytes.len(),
            State::Head => self.head(role, bytes, sink),
            State::Resync => self.resync(role, bytes),
            State::Body => self.body(role, bytes, sink),
        }
    }

    fn body(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) -> usize {
        let side = self.side(role);
        match side.body.as_mut().map_or(Progress::Done(0), |body| body.advance(bytes)) {
            Progress::More => bytes.len(),
            Progress::Done(taken) => {
                side.expect(None);
                taken
            }
            Progress::Broken => {
                sink.fact(&ANOMALY, Value::Word("bad-chunk"));
                self.lose(role, State::Resync);
                bytes.len()
            }
        }
    }

    fn head(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) -> usize {
        match self.side(role).head.feed(bytes) {
            Fed::More => bytes.len(),
            Fed::TooLong => {
                sink.fact(&ANOMALY, Value::Word("head-too-long"));
                self.lose(role, State::Resync);
                bytes.len()
            }
            Fed::Whole(taken) => {
                let head = self.side(role).head.take();
                let read = match role {
                    Role::Client => self.read_request(&head, sink),
                    Role::Server => self.read_response(&head, sink),
                };
                self.side(role).head.reuse(head);
                if let Err(why) = read {
                    sink.fact(&ANOMALY, Value::Word(why));
                    self.lose(role, State::Resync);
                }
                taken
            }
        }
    }

    /// The rest of a head is missing, as in captures with a small snap length: the lines that are
    /// there are read, without judging what may be in those that are not.
    fn head_is_cut(&mut self, role: Role, sink: &mut Sink) {
        let mut head = self.side(role).head.take();
        let lines = head.iter().rposition(|byte| *byte == b'\n');
        if let Some(last) = lines {
            head.truncate(last.saturating_add(1));
            head.extend_from_slice(b"\r\n");
            let before = sink.observations.len();
            // A head that cannot be read is one that is missing.
            let _ = match role {
                Role::Client => self.read_request(&head, sink),
                Role::Server => self.read_response(&head, sink),
            };
            let told = sink.observations.split_off(before.min(sink.observations.len()));
            sink.observations.extend(told.into_iter().filter(|(_, told)| !is_judgement(told)));
        }
        if self.switched {
            sink.forward_gap(role);
        } else {
            self.lose(role, State::Resync);
        }
    }

    /// Looks whether a message begins here; if not, skips the segment.
    fn resync(&mut self, role: Role, bytes: &[u8]) -> usize {
        let side = self.side(role);
        let wanted = probe::ENOUGH.saturating_sub(side.head.bytes().len()).max(1);
        let taken = bytes.get(..wanted).unwrap_or(bytes);
        let fed = side.head.feed(taken);
        match probe::begins(role, side.head.bytes()) {
            Probe::Certainly(_) if fed == Fed::More => {
                side.state = State::Head;
                taken.len()
            }
            Probe::More if fed == Fed::More => taken.len(),
            _ => {
                side.head.clear();
                bytes.len()
            }
        }
    }

    /// Everything from here on belongs to `next`.
    fn switch(&mut self, next: Next, sink: &mut Sink) {
        if self.client.state == State::Body {
            self.doubt("early-switch", sink);
        }
        self.summarise(sink);
        self.switched = true;
        sink.hand_over(next);
        if self.held_gap {
            sink.forward_gap(Role::Client);
        }
        match self.held.take() {
            Some(held) => sink.forward(Role::Client, held.unread()),
            // The request was not captured: what seemed to be the beginning of one is not.
            None => sink.forward(Role::Client, self.client.head.bytes()),
        }
        self.client.head.clear();
        sink.finish();
    }

    /// Whether the bytes of `role` are to be held back: its request is over and awaits its answer.
    fn holds(&self, role: Role) -> bool {
        role == Role::Client && self.held.is_some() && self.client.state != State::Body
    }

    fn hold(&mut self, bytes: &[u8], sink: &mut Sink) -> usize {
        if self.held.as_mut().is_some_and(|held| held.push(bytes)) {
            return bytes.len();
        }
        // So much is not sent on speculation: the answer exists, and was not captured.
        self.answer_is_missing(bytes, Answer::Missing, sink);
        0
    }

    /// What was asked for is in use, or was refused: what was held back tells, or `next` if that is
    /// nothing.
    fn answer_is_missing(&mut self, next: &[u8], answer: Answer, sink: &mut Sink) {
        let held =
            self.held.as_ref().map(StreamBuffer::unread).filter(|held| !held.is_empty()).unwrap_or(next);
        if probe::begins(Role::Client, held) == Probe::Certainly(Role::Client) {
            if let Answer::Missing = answer {
                self.paired = false;
                self.exchanges.clear();
            }
            self.release(sink);
        } else {
            self.use_ungranted(answer, sink);
        }
    }

    /// The client uses what it asked for, without a captured answer.
    fn use_ungranted(&mut self, answer: Answer, sink: &mut Sink) {
        match answer {
            Answer::Never => {
                self.tell_unanswered(sink);
                sink.fact(&ANOMALY, Value::Word("unanswered-switch"));
            }
            // Where in the server's bytes the new protocol begins is not known.
            Answer::Missing => sink.forward_gap(Role::Server),
        }
        let websocket = matches!(self.exchanges.back(), Some(Exchange::Upgrade(Some(_))));
        self.switch(if websocket { Next::Named("websocket") } else { Next::Probe }, sink);
    }

    /// The tunnel or upgrade was refused: what was held back is more requests.
    fn release(&mut self, sink: &mut Sink) {
        let Some(mut held) = self.held.take() else { return };
        if std::mem::take(&mut self.held_gap) {
            self.lose(Role::Client, State::Resync);
        }
        while !held.unread().is_empty() {
            // One of these requests may ask for a tunnel or an upgrade in its turn.
            if self.holds(Role::Client) {
                self.held = Some(held);
                return;
            }
            let taken = self.step(Role::Client, held.unread(), sink);
            held.consume(taken);
        }
    }

    /// It cannot be told any more where messages of `role` begin.
    fn lose(&mut self, role: Role, state: State) {
        let side = self.side(role);
        side.state = state;
        side.head.clear();
        side.body = None;
        self.paired = false;
        if role == Role::Client {
            // What was not asked for may have been.
            self.doubtful.clear();
        }
        // Which response belongs to which request is unknown now; a tunnel or upgrade is always
        // asked for last.
        let kept = usize::from(self.held.is_some());
        self.exchanges.drain(..self.exchanges.len().saturating_sub(kept));
    }

    fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    fn summarise(&mut self, sink: &mut Sink) {
        for (field, count) in [(&REQUESTS, self.requests), (&RESPONSES, self.responses)] {
            if count > 0 {
                sink.fact(field, Value::Uint(count));
            }
        }
    }

    /// A response without a request: it may come a little later in the capture, as where two mirror ports are merged.
    fn unrequested(&mut self, sink: &Sink) {
        self.early = Some(sink.seen);
        self.doubt(UNREQUESTED, sink);
    }

    /// Whether the last response is the answer to this request, which was captured at once after it.
    fn is_answered(&mut self, exchange: &Exchange, sink: &Sink) -> bool {
        let Some(early) = self.early.take().filter(|_| self.paired) else { return false };
        let fits = matches!(exchange, Exchange::Plain | Exchange::Head);
        if !fits || sink.seen.at.since(early.at) > AT_ONCE {
            return false;
        }
        if let Some(at) = self.doubtful.iter().rposition(|(_, word)| *word == UNREQUESTED) {
            self.doubtful.remove(at);
        }
        if matches!(exchange, Exchange::Head) && self.server.state == State::Body {
            // It has none, whatever its head says.
            self.server.expect(None);
        }
        true
    }

    /// As many requests without a response as there are responses without a request: they belong together.
    fn pair_late(&mut self) {
        while matches!(self.exchanges.front(), Some(Exchange::Plain | Exchange::Head))
            && let Some(at) = self.doubtful.iter().position(|(_, word)| *word == UNREQUESTED)
        {
            self.doubtful.remove(at);
            self.exchanges.pop_front();
        }
    }

    /// Nothing is missing that could be an answer.
    fn tell_unanswered(&self, sink: &mut Sink) {
        if !self.exchanges.is_empty() {
            sink.fact(&UNANSWERED, Value::Uint(self.exchanges.len() as u64));
        }
    }

    /// Observes an anomaly at the end, if by then it is one.
    fn doubt(&mut self, word: &'static str, sink: &Sink) {
        if self.doubtful.len() < MAX_DOUBTFUL {
            self.doubtful.push((sink.seen, word));
        }
    }
}

/// What became of the answer to a request for a tunnel or an upgrade.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// There was none.
    Never,
    /// It is not in the capture, or comes later.
    Missing,
}

/// Whether this tells that something is wrong or missing in a head.
fn is_judgement(told: &Observation) -> bool {
    let Observation::Fact(field, _) = told else { return false };
    [&ANOMALY, &WEBSOCKET_ANOMALY, &ACCEPT_MISMATCH].iter().any(|judgement| std::ptr::eq(*judgement, *field))
}
