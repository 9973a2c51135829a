//! What the heads of requests and responses say, and what follows from it for the streams.

use httparse::{Header, Request, Response};

use super::body::Body;
use super::fields::{
    ANOMALY, AUTHORIZATION, CONNECT_REFUSED, CONNECT_STATUS, CONNECT_TARGET, COOKIE, HOST, METHOD,
    PROXIED_TO, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SERVER, SET_COOKIE, STATUS, TARGET,
    TARGET_CREDENTIAL, UPGRADE, UPGRADED, USER_AGENT, VERSION,
};
use super::head::{self, Framing, MAX_HEAD, MAX_TEXT, Reading, SLOTS, elements, values};
use super::upgrade::{self, Offer};
use super::{Exchange, Http, State, probe};
use crate::analyzers::buffer::StreamBuffer;
use crate::analyzers::websocket::fields::REFUSED as WEBSOCKET_REFUSED;
use crate::analyzers::{Next, Probe, Role, Sink, text};
use crate::model::Value;

/// How many requests may await their response. RFC 9112 section 9.3.2 sets no limit; clients that
/// pipeline at all stay far below.
const MAX_EXCHANGES: usize = 256;
/// How many bytes a client may send between asking for a tunnel or an upgrade and the answer.
const MAX_HELD: usize = MAX_HEAD;
/// How many challenges of a proxy are told; each is a header line as a rule.
const MAX_CHALLENGES: usize = 8;
/// How many elements of an Upgrade header are told.
const MAX_UPGRADES: usize = 8;

impl Http {
    pub(super) fn read_request(&mut self, head: &[u8], sink: &mut Sink) -> Result<(), &'static str> {
        let mut slots = SLOTS;
        if let Ok(request) = head::request(head, &mut slots, Reading::Strict) {
            self.request(&request, sink);
            return Ok(());
        }
        let mut slots = SLOTS;
        let why = match head::request(head, &mut slots, Reading::Lenient) {
            Ok(request) => {
                sink.fact(&ANOMALY, Value::Word("bad-header"));
                self.request(&request, sink);
                return Ok(());
            }
            Err(why) => why,
        };
        let mended = head::mended_request_line(head).ok_or(why)?;
        let mut slots = SLOTS;
        let request = head::request(&mended, &mut slots, Reading::Lenient)?;
        sink.fact(&ANOMALY, Value::Word("bad-request-line"));
        self.request(&request, sink);
        Ok(())
    }

    pub(super) fn read_response(&mut self, head: &[u8], sink: &mut Sink) -> Result<(), &'static str> {
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
        if self.is_answered(&exchange, sink) {
            return;
        }
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
        for challenge in values(response.headers, "proxy-authenticate").take(MAX_CHALLENGES) {
            sink.fact(&PROXY_AUTHENTICATE, head::scheme(challenge));
        }
        if values(response.headers, "set-cookie").next().is_some() {
            sink.fact(&SET_COOKIE, Value::Yes);
        }
        if matches!(status, 100..=199) && status != 101 {
            return self.server.expect(None);
        }
        self.responses = self.responses.saturating_add(1);
        self.find_lost_answer(sink);
        let exchange = self.exchanges.pop_front();
        // A server may send 408 before it closes an idle connection (RFC 9110 section 15.5.9).
        if exchange.is_none() && self.paired && status != 408 {
            self.unrequested(sink);
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

    /// After a gap: what the client sent since it asked for a tunnel or an upgrade may be requests, so that the answer to
    /// that was not captured, and this one answers the last.
    fn find_lost_answer(&mut self, sink: &mut Sink) {
        let held = self.held.as_ref().map(StreamBuffer::unread).unwrap_or_default();
        if !self.paired && probe::begins(Role::Client, held) == Probe::Certainly(Role::Client) {
            self.exchanges.clear();
            self.release(sink);
            self.exchanges.drain(..self.exchanges.len().saturating_sub(1));
        }
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
            Some(offer) if self.paired => offer.accepted(headers, sink),
            _ => upgrade::accepted_unseen(headers, sink),
        }
        self.switch(if websocket { Next::Named("websocket") } else { Next::Probe }, sink);
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
        sink.fact(&AUTHORIZATION, head::credentials(value));
    }
    if let Some(value) = values(request.headers, "proxy-authorization").next() {
        sink.fact(&PROXY_AUTHORIZATION, head::scheme(value));
    }
    if values(request.headers, "cookie").next().is_some() {
        sink.fact(&COOKIE, Value::Yes);
    }
}

/// Whether the request asks for another protocol. Without `Upgrade` among the connection options
/// the header is to be ignored (RFC 9110 section 7.8).
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
