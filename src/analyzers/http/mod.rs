//! HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112).
//!
//! Parsed: the heads of requests and responses, pipelined and over kept-alive connections, which needs the
//! length of every body (RFC 9112 section 6.3); bodies themselves are skipped unread. A response is judged by
//! the request it answers: HEAD, CONNECT, Upgrade. After a CONNECT that succeeds the rest of the flow is whatever
//! the tunnel carries; after a status 101 it is the new protocol. What the client sends between asking for
//! either and the answer is held back, at most 64 KiB, since only the answer tells what it is.
//!
//! Assumed: a stream that was joined in the middle, or has a gap that is not within a body of known length,
//! goes on with a message that begins where a segment begins.
//!
//! Not parsed: bodies (so nothing is said of their content), trailers, HTTP/0.9.

mod body;
pub mod fields;
mod head;
mod probe;
#[cfg(test)]
mod tests;
mod upgrade;

use std::collections::VecDeque;

use httparse::{Header, Request, Response};

use self::body::{Body, Progress};
use self::fields::{
    ANOMALY, AUTHORIZATION, CONNECT_REFUSED, CONNECT_STATUS, CONNECT_TARGET, COOKIE, FIELDS, HOST, METHOD,
    PROXIED_TO, PROXY_AUTHORIZATION, REQUESTS, RESPONSES, SERVER, SET_COOKIE, STATUS, TARGET,
    TARGET_CREDENTIAL, UNANSWERED, UPGRADE, UPGRADED, USER_AGENT, VERSION,
};
use self::head::{Fed, Framing, HeadBuffer, MAX_HEAD, MAX_TEXT, Reading, SLOTS, elements, values};
use self::upgrade::Offer;
use super::buffer::StreamBuffer;
use super::websocket::fields::REFUSED as WEBSOCKET_REFUSED;
use super::{Analyzer, Context, Definition, Next, Probe, Role, Sink, text};
use crate::model::{Transport, Value};

/// HTTP/1.
pub static DEFINITION: Definition = Definition {
    id: "http",
    title: "HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112)",
    transports: &[Transport::Tcp],
    ports: &[80, 8080, 3128],
    fields: FIELDS,
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
        requests: 0,
        responses: 0,
        switched: false,
    })
}

/// How many requests may await their response. RFC 9112 section 9.3.2 sets no limit; clients that pipeline at
/// all stay far below.
const MAX_EXCHANGES: usize = 256;
/// How many bytes a client may send between asking for a tunnel or an upgrade and the answer.
const MAX_HELD: usize = MAX_HEAD;
/// How many elements of an Upgrade header are told.
const MAX_UPGRADES: usize = 8;

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
    requests: u64,
    responses: u64,
    /// The rest of the flow is of another protocol.
    switched: bool,
}

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
            (State::Ignore, _) => return,
            _ => Progress::Broken,
        };
        match progress {
            Progress::More => {}
            Progress::Done(_) => side.expect(None),
            Progress::Broken => self.lose(role, State::Resync),
        }
    }

    fn end(&mut self, sink: &mut Sink) {
        if self.switched {
            return;
        }
        // A capture of the client's side only, say: what it sends into a tunnel tells what the tunnel is for.
        while self.held.as_ref().is_some_and(|held| !held.unread().is_empty()) {
            self.answer_is_missing(&[], sink);
            if self.switched {
                return;
            }
        }
        self.summarise(sink);
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

    /// Looks whether a message begins here; if not, skips the segment.
    fn resync(&mut self, role: Role, bytes: &[u8]) -> usize {
        let side = self.side(role);
        let wanted = probe::ENOUGH.saturating_sub(side.head.bytes().len()).max(1);
        let taken = bytes.get(..wanted).unwrap_or(bytes);
        let fed = side.head.feed(taken);
        match probe::begins(role, side.head.bytes()) {
            Probe::Is(_) if fed == Fed::More => {
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

    fn read_request(&mut self, head: &[u8], sink: &mut Sink) -> Result<(), &'static str> {
        let mut slots = SLOTS;
        if let Ok(request) = head::request(head, &mut slots, Reading::Strict) {
            self.request(&request, sink);
            return Ok(());
        }
        let mut slots = SLOTS;
        let request = head::request(head, &mut slots, Reading::Lenient)?;
        sink.fact(&ANOMALY, Value::Word("bad-header"));
        self.request(&request, sink);
        Ok(())
    }

    fn read_response(&mut self, head: &[u8], sink: &mut Sink) -> Result<(), &'static str> {
        let mut slots = SLOTS;
        if let Ok(response) = head::response(head, &mut slots, Reading::Strict) {
            self.response(&response, sink);
            return Ok(());
        }
        let mut slots = SLOTS;
        let response = head::response(head, &mut slots, Reading::Lenient)?;
        sink.fact(&ANOMALY, Value::Word("bad-header"));
        self.response(&response, sink);
        Ok(())
    }

    fn request(&mut self, request: &Request<'_, '_>, sink: &mut Sink) {
        let method = request.method.unwrap_or_default();
        let sent = request.path.unwrap_or_default().as_bytes();
        self.requests = self.requests.saturating_add(1);
        let known = probe::known_method(method);
        sink.fact(&METHOD, known.map_or_else(|| text(method.as_bytes(), 32), Value::Word));
        sink.fact(&VERSION, Value::Word(if request.version == Some(0) { "1.0" } else { "1.1" }));
        let mut authority = None;
        if method == "CONNECT" {
            sink.fact(&CONNECT_TARGET, text(sent, MAX_TEXT));
        } else {
            let target = head::target(sent);
            sink.fact(&TARGET, target.shown);
            authority = target.authority;
            for name in target.credentials {
                sink.fact(&TARGET_CREDENTIAL, text(name, 64));
            }
        }
        observe_request_headers(request, authority, sink);

        let exchange = match method {
            "CONNECT" => Exchange::Connect,
            "HEAD" => Exchange::Head,
            _ => upgrade_in(method, request.headers, sink),
        };
        self.await_response(exchange, sink);
        let framing = Framing::of(request.headers);
        observe_framing(framing, sink);
        match framing {
            Framing { chunked: Some(true), .. } => self.client.expect(Some(Body::chunked())),
            // Neither has an end that can be told (RFC 9112 section 6.3, items 4 and 5).
            Framing { chunked: Some(false), .. } | Framing { length: Some(Err(())), .. } => {
                self.lose(Role::Client, State::Ignore);
            }
            Framing { length: Some(Ok(length)), .. } => self.client.expect(Body::of_length(length)),
            Framing { length: None, .. } => self.client.expect(None),
        }
    }

    fn await_response(&mut self, exchange: Exchange, sink: &mut Sink) {
        if matches!(exchange, Exchange::Connect | Exchange::Upgrade(_)) {
            self.held = Some(StreamBuffer::new(MAX_HELD));
            self.held_gap = false;
        }
        if self.exchanges.len() >= MAX_EXCHANGES {
            if self.paired {
                sink.fact(&ANOMALY, Value::Word("too-many-requests"));
            }
            self.exchanges.clear();
            self.paired = false;
        }
        self.exchanges.push_back(exchange);
    }

    fn response(&mut self, response: &Response<'_, '_>, sink: &mut Sink) {
        let status = response.code.unwrap_or_default();
        sink.fact(&STATUS, Value::Uint(status.into()));
        if let Some(server) = values(response.headers, "server").next() {
            sink.fact(&SERVER, text(server, MAX_TEXT));
        }
        if values(response.headers, "set-cookie").next().is_some() {
            sink.fact(&SET_COOKIE, Value::Yes);
        }
        if matches!(status, 100..=199) && status != 101 {
            return self.server.expect(None);
        }
        self.responses = self.responses.saturating_add(1);
        let exchange = self.exchanges.pop_front();
        // A server may send 408 before it closes an idle connection (RFC 9110 section 15.5.9).
        if exchange.is_none() && self.paired && status != 408 {
            sink.fact(&ANOMALY, Value::Word("unrequested-response"));
        }
        if status == 101 {
            return self.upgraded(exchange.as_ref(), response.headers, sink);
        }
        let mut bodiless = matches!(status, 204 | 304);
        match exchange {
            Some(Exchange::Connect) => {
                sink.fact(&CONNECT_STATUS, Value::Uint(status.into()));
                if matches!(status, 200..=299) {
                    return self.switch(Next::Probe, sink);
                }
                sink.fact(&CONNECT_REFUSED, Value::Uint(status.into()));
                self.release(sink);
            }
            Some(Exchange::Upgrade(offer)) => {
                if offer.is_some() {
                    sink.fact(&WEBSOCKET_REFUSED, Value::Uint(status.into()));
                }
                self.release(sink);
            }
            Some(Exchange::Head) => bodiless = true,
            Some(Exchange::Plain) | None => {}
        }
        let framing = Framing::of(response.headers);
        observe_framing(framing, sink);
        self.server.expect(match framing {
            _ if bodiless => None,
            Framing { chunked: Some(true), .. } => Some(Body::chunked()),
            Framing { chunked: None, length: Some(Ok(length)) } => Body::of_length(length),
            _ => Some(Body::UntilClose),
        });
    }

    /// Status 101: the server's next byte is of another protocol.
    fn upgraded(&mut self, exchange: Option<&Exchange>, headers: &[Header<'_>], sink: &mut Sink) {
        let chosen = elements(headers, "upgrade").next();
        if let Some(chosen) = chosen {
            sink.fact(&UPGRADED, text(chosen, 64));
        }
        let offer = match exchange {
            Some(Exchange::Upgrade(offer)) => offer.as_deref(),
            asked => {
                if asked.is_some() && self.paired {
                    sink.fact(&ANOMALY, Value::Word("unrequested-switch"));
                }
                None
            }
        };
        // A server that forgets the Upgrade header means what it was asked for.
        let websocket = chosen.map_or(offer.is_some(), |chosen| chosen.eq_ignore_ascii_case(b"websocket"));
        match offer {
            _ if !websocket => {}
            Some(offer) => offer.accepted(headers, sink),
            None => upgrade::accepted_unseen(headers, sink),
        }
        self.switch(if websocket { Next::Named("websocket") } else { Next::Probe }, sink);
    }

    /// Everything from here on belongs to `next`.
    fn switch(&mut self, next: Next, sink: &mut Sink) {
        if self.client.state == State::Body {
            sink.fact(&ANOMALY, Value::Word("early-switch"));
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
        self.answer_is_missing(bytes, sink);
        0
    }

    /// What was asked for is in use, or was refused: what was held back tells, or `next` if that is nothing.
    fn answer_is_missing(&mut self, next: &[u8], sink: &mut Sink) {
        let held =
            self.held.as_ref().map(StreamBuffer::unread).filter(|held| !held.is_empty()).unwrap_or(next);
        if probe::begins(Role::Client, held) == Probe::Is(Role::Client) {
            self.paired = false;
            self.exchanges.clear();
            self.release(sink);
        } else {
            self.use_ungranted(sink);
        }
    }

    /// The client uses what it asked for, without a captured answer.
    fn use_ungranted(&mut self, sink: &mut Sink) {
        sink.fact(&ANOMALY, Value::Word("unanswered-switch"));
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
        // Which response belongs to which request is unknown now; a tunnel or upgrade is always asked for last.
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
        if self.paired && !self.exchanges.is_empty() {
            sink.fact(&UNANSWERED, Value::Uint(self.exchanges.len() as u64));
        }
    }
}

/// Header fields that are told as they are.
fn observe_request_headers(request: &Request<'_, '_>, authority: Option<&[u8]>, sink: &mut Sink) {
    let mut hosts = values(request.headers, "host");
    let host = hosts.next();
    if hosts.next().is_some() {
        sink.fact(&ANOMALY, Value::Word("several-hosts"));
    }
    if host.is_none() && request.version == Some(1) {
        sink.fact(&ANOMALY, Value::Word("no-host"));
    }
    if let Some(authority) = authority {
        sink.fact(&PROXIED_TO, text(authority, MAX_TEXT));
    }
    if let Some(host) = authority.or(host).filter(|host| !host.is_empty()) {
        sink.fact(&HOST, text(host, MAX_TEXT));
    }
    if let Some(agent) = values(request.headers, "user-agent").next() {
        sink.fact(&USER_AGENT, text(agent, MAX_TEXT));
    }
    if let Some(value) = values(request.headers, "authorization").next() {
        sink.fact(&AUTHORIZATION, head::scheme(value));
    }
    if let Some(value) = values(request.headers, "proxy-authorization").next() {
        sink.fact(&PROXY_AUTHORIZATION, head::scheme(value));
    }
    if values(request.headers, "cookie").next().is_some() {
        sink.fact(&COOKIE, Value::Yes);
    }
}

/// Whether the request asks for another protocol. Without `Upgrade` among the connection options the header is
/// to be ignored (RFC 9110 section 7.8).
fn upgrade_in(method: &str, headers: &[Header<'_>], sink: &mut Sink) -> Exchange {
    let mut websocket = false;
    let mut any = false;
    for protocol in elements(headers, "upgrade").take(MAX_UPGRADES) {
        sink.fact(&UPGRADE, text(protocol, 64));
        any = true;
        websocket = websocket || protocol.eq_ignore_ascii_case(b"websocket");
    }
    if websocket {
        Exchange::Upgrade(Some(Box::new(Offer::of_request(method, headers, sink))))
    } else if any && elements(headers, "connection").any(|option| option.eq_ignore_ascii_case(b"upgrade")) {
        Exchange::Upgrade(None)
    } else {
        Exchange::Plain
    }
}

fn observe_framing(framing: Framing, sink: &mut Sink) {
    for (odd, word) in [
        (framing.length == Some(Err(())), "bad-content-length"),
        (framing.length.is_some() && framing.chunked.is_some(), "length-and-coding"),
        (framing.chunked == Some(false), "bad-transfer-coding"),
    ] {
        if odd {
            sink.fact(&ANOMALY, Value::Word(word));
        }
    }
}
