//! DNS over UDP and TCP (RFC 1034, RFC 1035, RFC 7766, EDNS: RFC 6891, SVCB and HTTPS: RFC 9460).
//!
//! Read are queries, and of responses the code, the addresses with the aliases that lead to them, reverse names and
//! address hints. A response belongs to the query with its identifier, question and asker on the same flow; one that
//! contradicts a waiting query names nothing. Of EDNS the sizes, the kinds of options, the client's network and extended
//! errors are read. Not read: dynamic updates, zone transfers beyond their addresses, DNSSEC (nothing is verified).
//!
//! DNS over TLS, HTTPS and QUIC is not visible; what shows that it is there is in `naming::encrypted`.
//!
//! Multicast DNS and LLMNR share the message format: see [`local`]; the NetBIOS name service its header: [`netbios`].

mod answers;
mod edns;
mod exchange;
pub mod local;
pub(super) mod message;
pub(super) mod name;
mod nat64;
pub mod netbios;
mod service;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use self::exchange::{Answers, Asked, Exchanges};
use self::message::{Data, HEADER_LEN, Header, Message, Problem, Question};
use self::service::Service;
use super::buffer::StreamBuffer;
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sides, Sink};
use crate::model::evidence::Seen;
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{Field, Observation, Transport, Value};

/// DNS.
pub static DNS: Definition = Definition {
    id: "dns",
    title: "DNS over UDP and TCP (RFC 1035, RFC 7766)",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: &[53],
    fields: &[
        &QUERY,
        &QUERY_TYPE,
        &OPCODE,
        &ZONE,
        &RCODE,
        &FAILED,
        &UNANSWERED,
        &ANSWERS,
        &TRUNCATED,
        &UNSOLICITED,
        &EDNS_SIZE,
        &EDNS_SERVER_SIZE,
        &EDNS_OPTION,
        &CLIENT_SUBNET,
        &EXTENDED_ERROR,
        &SERVICE,
        &ECH,
        &NAT64_PREFIX,
        &ENCRYPTED,
        &ENCRYPTED_BY,
        &ANOMALY,
    ],
    class: Class::Infrastructure,
    probe,
    start: |context| Box::new(Dns::new(context)),
};

/// `dns.query`.
pub static QUERY: Field = Field {
    name: "dns.query",
    doc: "Name asked for: lower case, no final dot, the root as `.`; once per query message, repetitions included",
    source: "RFC 1035 section 4.1.2",
};

/// `dns.query_type`.
pub static QUERY_TYPE: Field = Field {
    name: "dns.query_type",
    doc: "Type asked for, as mnemonic or `TYPE` and number; once per query message",
    source: "RFC 1035 section 3.2.2, IANA DNS RR TYPEs",
};

/// `dns.opcode`.
pub static OPCODE: Field = Field {
    name: "dns.opcode",
    doc: "Operation other than QUERY (NOTIFY, UPDATE, …), by mnemonic or number; of its content only the zone is read",
    source: "RFC 1035 section 4.1.1, RFC 1996, RFC 2136, RFC 8490",
};

/// `dns.zone`.
pub static ZONE: Field = Field {
    name: "dns.zone",
    doc: "Zone that a NOTIFY says has changed, or that an UPDATE is to change; in their answers too. It is no look-up",
    source: "RFC 1996 section 3.6, RFC 2136 section 2.3",
};

/// `dns.rcode`.
pub static RCODE: Field = Field {
    name: "dns.rcode",
    doc: "Response code with the bits that EDNS adds, by mnemonic or number; once per response, of other \
          operations (`dns.opcode`) too",
    source: "RFC 1035 section 4.1.1, RFC 6891 section 6.1.3",
};

/// `dns.failed`.
pub static FAILED: Field = Field {
    name: "dns.failed",
    doc: "Name asked for and the response code, separated by a blank, where that is not NOERROR: \
          `my.example NXDOMAIN`. Of look-ups only",
    source: "RFC 1035 section 4.1.1",
};

/// `dns.unanswered`.
pub static UNANSWERED: Field = Field {
    name: "dns.unanswered",
    doc: "Name asked for without any answer on this flow; once per query (repetitions of a waiting query are the same \
          query), seen in the frame of the query. Not stated over TCP where bytes are missing",
    source: "RFC 1035 section 4.2.1",
};

/// `dns.answers`.
pub static ANSWERS: Field = Field {
    name: "dns.answers",
    doc: "Number of A and AAAA records in the answer section; once per response, but not for a second answer to the \
          same query, nor where not all of that section is there",
    source: "RFC 1035 section 4.1.3, RFC 3596",
};

/// `dns.truncated`.
pub static TRUNCATED: Field = Field {
    name: "dns.truncated",
    doc: "A response says that it does not fit (TC bit); the asker repeats the query over TCP",
    source: "RFC 1035 section 4.1.1, RFC 2181 section 9",
};

/// `dns.unsolicited`.
pub static UNSOLICITED: Field = Field {
    name: "dns.unsolicited",
    doc: "A response to which no query was captured; over UDP all are where only one direction is captured, over TCP it \
          is not stated where bytes are missing",
    source: "RFC 5452 section 3",
};

/// `dns.edns_size`.
pub static EDNS_SIZE: Field = Field {
    name: "dns.edns_size",
    doc: "UDP payload that the asker is able to receive, in bytes",
    source: "RFC 6891 section 6.2.3",
};

/// `dns.edns_server_size`.
pub static EDNS_SERVER_SIZE: Field = Field {
    name: "dns.edns_server_size",
    doc: "UDP payload that the server is able to receive, in bytes",
    source: "RFC 6891 section 6.2.3",
};

/// `dns.edns_option`.
pub static EDNS_OPTION: Field = Field {
    name: "dns.edns_option",
    doc: "Kind of an EDNS option of a query or response: cookie, padding, client-subnet, …, or its number; once each time",
    source: "RFC 6891 section 6.1.2, IANA DNS EDNS0 Option Codes",
};

/// `dns.client_subnet`.
pub static CLIENT_SUBNET: Field = Field {
    name: "dns.client_subnet",
    doc: "Network of the client that a query gives away, or that an answer is for: `192.0.2.0/24`",
    source: "RFC 7871 section 6",
};

/// `dns.extended_error`.
pub static EXTENDED_ERROR: Field = Field {
    name: "dns.extended_error",
    doc: "Why a server answers as it does: blocked, censored, filtered, stale-answer, dnssec-bogus, …, or its number",
    source: "RFC 8914 section 4",
};

/// `dns.service`.
pub static SERVICE: Field = Field {
    name: "dns.service",
    doc: "What an HTTPS or SVCB record says of a name, separated by blanks: the name, `alias` with the other name, or \
          `at` with the name of the host, `port` and a number, `alpn` and identifiers separated by commas",
    source: "RFC 9460 section 2",
};

/// `dns.nat64_prefix`.
pub static NAT64_PREFIX: Field = Field {
    name: "dns.nat64_prefix",
    doc: "Prefix that the network puts before IPv4 addresses to make IPv6 ones of them, as the answer for \
          ipv4only.arpa shows it: `64:ff9b::/96`",
    source: "RFC 7050 section 3, RFC 6052 section 2",
};

/// `dns.encrypted`.
pub static ENCRYPTED: Field = Field {
    name: "dns.encrypted",
    doc: "The flow carries DNS that only its ends can read, or may well do: dot (over TLS), doh (over HTTPS), doq (over \
          QUIC). Names that the client looks up this way cannot be known",
    source: "RFC 7858, RFC 8484, RFC 9250",
};

/// `dns.encrypted_by`.
pub static ENCRYPTED_BY: Field = Field {
    name: "dns.encrypted_by",
    doc: "What shows it: alpn (the client offers the protocol), port (853, and a handshake), name (the server name is \
          that of a known resolver) or address (the server has the address of one)",
    source: "RFC 7858 section 3.1, RFC 9250 section 4.1.1",
};

/// `dns.ech`.
pub static ECH: Field = Field {
    name: "dns.ech",
    doc: "Name for which an HTTPS or SVCB record offers Encrypted ClientHello: its TLS server name may be hidden",
    source: "RFC 9848",
};

/// `dns.anomaly`.
pub static ANOMALY: Field = Field {
    name: "dns.anomaly",
    doc: "What breaks the protocol: cut-short, pointer-not-backwards, unknown-label-type, name-too-long, \
          malformed-record, too-many-records, trailing-bytes (message form), too-many-answers (more than is kept, or \
          aliases without end), other-question and other-id (a response that contradicts a waiting query), \
          query-with-answers",
    source: "RFC 1035 section 4.1, RFC 5452 section 9.1",
};

/// Multicast DNS and LLMNR have the same header, and so nearly has the NetBIOS name service.
const OTHERS: [u16; 3] = [5353, 5355, 137];

/// Messages have no signature. Towards port 53 a sane header and question suffice; elsewhere the whole message must
/// be an ordinary query or response of class IN.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let hinted = input.port_in(DNS.ports);
    if !hinted && (input.port_in(&OTHERS) || !input.at_start) {
        return Probe::No;
    }
    match input.transport {
        Transport::Udp => probe_message(input.bytes, hinted).unwrap_or(Probe::No),
        Transport::Tcp => probe_stream(input.bytes, hinted),
        _ => Probe::No,
    }
}

fn probe_stream(stream: &[u8], hinted: bool) -> Probe {
    if let Some(message) = message::framed(stream) {
        return probe_message(message, hinted).unwrap_or(Probe::No);
    }
    let Some((length, message)) = stream.split_first_chunk::<2>() else { return Probe::More };
    let longest = if hinted { usize::from(u16::MAX) } else { MAX_UNHINTED };
    if !(HEADER_LEN..=longest).contains(&usize::from(u16::from_be_bytes(*length))) {
        return Probe::No;
    }
    match message::header(message) {
        Some(header) if !is_plausible(header, hinted) => Probe::No,
        Some(_) if hinted => probe_message(message, hinted).unwrap_or(Probe::More),
        None | Some(_) => Probe::More,
    }
}

/// `None` if `message` ends inside its first question.
fn probe_message(message: &[u8], hinted: bool) -> Option<Probe> {
    let Some(header) = message::header(message).filter(|header| is_plausible(*header, hinted)) else {
        return Some(Probe::No);
    };
    let verdict = Probe::Certainly(if header.is_response() { Role::Server } else { Role::Client });
    if header.counts.first() == Some(&0) {
        // Hinted, for otherwise it is not plausible.
        return Some(verdict);
    }
    let (kind, class) = match message::asked(message, HEADER_LEN) {
        Ok(asked) => asked,
        Err(Problem::Cut) => return None,
        Err(_) => return Some(Probe::No),
    };
    let known_class = matches!(class, 1 | 3 | 4 | 254 | 255);
    let proven = hinted || class == message::IN && is_ordinary(message);
    Some(if known_class && kind != 0 && proven { verdict } else { Probe::No })
}

/// Whether a message asks for a name with a dot and has nothing wrong about it.
fn is_ordinary(message: &[u8]) -> bool {
    let asks = message::question(message, HEADER_LEN).is_ok_and(|(question, _)| question.name.contains('.'));
    asks && Message::read(message).is_some_and(|message| message.problem.is_none())
}

fn is_plausible(header: Header, hinted: bool) -> bool {
    let [questions, answers, authorities, additionals] = header.counts;
    let reserved = header.flags & 0x0040 != 0;
    if reserved || !matches!(header.opcode(), 0..=2 | 4..=6) {
        return false;
    }
    if header.is_response() {
        // A server that could not read the query leaves it out; so do the later messages of a zone transfer.
        let has_question = questions == 1 || hinted && questions == 0;
        return has_question && (hinted || header.opcode() == 0);
    }
    let is_query = header.opcode() == 0;
    // No authoritative answer, no available recursion, no code: those are for responses, but servers ignore them.
    let idle = hinted || header.flags & 0x048f == 0;
    // One record in the authority section is that of an incremental transfer.
    let ordinary = answers == 0 && authorities <= 1 && additionals <= 3;
    idle && questions == 1 && (if is_query { ordinary } else { hinted })
}

/// What is so if nothing of one side is missing.
type Doubt = (Seen, Role, &'static Field, Value);

struct Dns {
    client: IpAddr,
    server: IpAddr,
    exchanges: Exchanges,
    /// What waits for the rest of its message, client's and server's (TCP).
    streams: [StreamBuffer; 2],
    /// Bytes are missing, so an answer may be.
    blind: bool,
    /// Over TCP what is wrong with an exchange depends on whether bytes are missing, which is known at the end; at most
    /// [`MAX_DOUBTFUL`].
    doubtful: Option<Vec<Doubt>>,
    /// Bytes of texts among them.
    doubtful_texts: usize,
}

impl Dns {
    fn new(context: &Context) -> Self {
        Self {
            client: context.client.ip,
            server: context.server.ip,
            exchanges: Exchanges::default(),
            streams: [StreamBuffer::new(MAX_BUFFERED), StreamBuffer::new(MAX_BUFFERED)],
            blind: false,
            doubtful: (context.transport == Transport::Tcp).then(Vec::new),
            doubtful_texts: 0,
        }
    }

    fn address(&self, role: Role) -> IpAddr {
        match role {
            Role::Client => self.client,
            Role::Server => self.server,
        }
    }

    fn stream(&mut self, role: Role) -> &mut StreamBuffer {
        let [client, server] = &mut self.streams;
        match role {
            Role::Client => client,
            Role::Server => server,
        }
    }

    /// One whole message. Who asks is told by the message: on a flow between port 53 and port 53 both may.
    fn message(&mut self, from: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let Some(message) = Message::read(bytes) else {
            self.blind |= missed > 0;
            report(Some(Problem::Cut), missed, sink);
            return;
        };
        let opcode = message.header.opcode();
        // The content of other operations has another form (DSO), or is not known.
        if matches!(opcode, QUERY_CODE | NOTIFY | UPDATE) {
            report(message.problem, missed, sink);
        }
        if opcode != QUERY_CODE {
            sink.fact(&OPCODE, message::opcode_value(opcode));
            let zone = message.questions.first().filter(|_| matches!(opcode, NOTIFY | UPDATE));
            if let Some(zone) = zone {
                sink.fact(&ZONE, Value::Text(zone.name.clone()));
            }
            if message.header.is_response() {
                // Where EDNS stands is known only in messages of the usual form.
                let known = matches!(opcode, NOTIFY | UPDATE);
                let rcode = if known { message.rcode() } else { message.header.low_rcode() };
                sink.fact(&RCODE, rcode_value(rcode));
            }
        } else if message.header.is_response() {
            self.response(from.peer(), &message, sink);
        } else {
            self.query(from, &message, sink);
        }
    }

    fn query(&mut self, asker: Role, message: &Message, sink: &mut Sink) {
        for question in &message.questions {
            sink.fact(&QUERY, Value::Text(question.name.clone()));
            sink.fact(&QUERY_TYPE, message::type_value(question.kind));
        }
        options(message, &EDNS_SIZE, sink);
        if message.header.counts.get(1).is_some_and(|answers| *answers > 0) {
            sink.fact(&ANOMALY, Value::Word("query-with-answers"));
        }
        // There is one question (RFC 9619); no server answers another.
        let Some(question) = message.questions.first() else {
            self.blind |= message.problem == Some(Problem::Cut);
            return;
        };
        let mut displaced = Vec::new();
        if self.exchanges.ask(asker, message.header.id, question, sink.seen, &mut displaced) {
            sink.observe(Observation::Host(Box::new(HostTrait {
                mac: None,
                ip: Some(self.address(asker)),
                kind: TraitKind::Lookup(question.name.clone()),
                seen: sink.seen,
            })));
        }
        for asked in displaced.into_iter().filter(|_| !self.blind).collect::<Vec<_>>() {
            self.doubt_at(asked.seen, asker.peer(), &UNANSWERED, Value::Text(asked.question.name), sink);
        }
    }

    fn response(&mut self, asker: Role, message: &Message, sink: &mut Sink) {
        let question = message.questions.first();
        match self.exchanges.answer(asker, message.header.id, question) {
            Answers::OtherQuestion => {
                return self.doubt(asker, &ANOMALY, Value::Word("other-question"), sink);
            }
            Answers::OtherId => return self.doubt(asker, &ANOMALY, Value::Word("other-id"), sink),
            Answers::Nothing => self.doubt(asker, &UNSOLICITED, Value::Yes, sink),
            // A second answer comes too late to be used.
            Answers::Again => return outcome(message, question, sink),
            Answers::Query => {}
        }
        outcome(message, question, sink);
        let told = answers::observe(message, question, self.address(asker), sink);
        if message.has_all_answers() {
            sink.fact(&ANSWERS, Value::Uint(told.addresses));
        }
        if told.excess {
            sink.fact(&ANOMALY, Value::Word("too-many-answers"));
        }
        nat64::observe(message, question, sink);
        for record in &message.records {
            if let Data::Service(service) = &record.data {
                shown(&record.name, service)
                    .into_iter()
                    .for_each(|text| sink.fact(&SERVICE, Value::Text(text)));
                if service.ech {
                    sink.fact(&ECH, Value::Text(record.name.clone()));
                }
            }
        }
    }

    /// Observes what is so if no query of `asker` is missing.
    fn doubt(&mut self, asker: Role, field: &'static Field, value: Value, sink: &mut Sink) {
        self.doubt_at(sink.seen, asker, field, value, sink);
    }

    /// Observes what is so if nothing of `role` is missing.
    fn doubt_at(&mut self, seen: Seen, role: Role, field: &'static Field, value: Value, sink: &mut Sink) {
        match &mut self.doubtful {
            None => sink.fact_at(seen, field, value),
            Some(list) if list.len() < MAX_DOUBTFUL => {
                if let Value::Text(text) = &value {
                    self.doubtful_texts = self.doubtful_texts.saturating_add(text.len());
                }
                list.push((seen, role, field, value));
            }
            Some(_) => {}
        }
    }

    fn unanswered(&self, asked: impl Iterator<Item = Asked>, sink: &mut Sink) {
        if !self.blind {
            sink.observations.extend(
                asked.map(|asked| {
                    (asked.seen, Observation::Fact(&UNANSWERED, Value::Text(asked.question.name)))
                }),
            );
        }
    }
}

/// What the sender says of itself and of the answer by EDNS.
fn options(message: &Message, size: &'static Field, sink: &mut Sink) {
    for record in &message.records {
        let Data::Edns(edns) = &record.data else { continue };
        sink.fact(size, Value::Uint(edns.size.into()));
        for option in &edns.options {
            sink.fact(&EDNS_OPTION, edns::option_value(*option));
        }
        if let Some((network, length)) = edns.subnet {
            sink.fact(&CLIENT_SUBNET, Value::Text(format!("{network}/{length}").into()));
        }
        for error in &edns.errors {
            sink.fact(&EXTENDED_ERROR, edns::error_value(*error));
        }
    }
}

/// A service binding as `dns.service` shows it, if it says anything that is shown.
fn shown(name: &str, service: &Service) -> Option<Box<str>> {
    let mut parts = vec![name.to_owned()];
    if *service.target != *"." {
        let how = if service.is_alias { "alias" } else { "at" };
        parts.push(format!("{how} {}", service.target));
    }
    parts.extend(service.port.map(|port| format!("port {port}")));
    if !service.alpn.is_empty() {
        parts.push(format!("alpn {}", service.alpn.join(",")));
    }
    (parts.len() > 1).then(|| parts.join(" ").into())
}

/// Code and truncation of a response.
fn outcome(message: &Message, question: Option<&Question>, sink: &mut Sink) {
    options(message, &EDNS_SERVER_SIZE, sink);
    let rcode = message.rcode();
    sink.fact(&RCODE, rcode_value(rcode));
    if rcode != 0
        && let Some(question) = question
    {
        let code = message::rcode_word(rcode).map_or_else(|| format!("RCODE{rcode}"), str::to_owned);
        sink.fact(&FAILED, Value::Text(format!("{} {code}", question.name).into()));
    }
    if message.header.is_truncated() {
        sink.fact(&TRUNCATED, Value::Yes);
    }
}

fn rcode_value(rcode: u16) -> Value {
    message::rcode_word(rcode).map_or(Value::Uint(rcode.into()), Value::Word)
}

/// Observes what is wrong with a message, unless it is the capture that cut it.
fn report(problem: Option<Problem>, missed: u32, sink: &mut Sink) {
    match problem {
        Some(Problem::Cut) if missed > 0 => {}
        Some(problem) => sink.fact(&ANOMALY, Value::Word(problem.word())),
        None => {}
    }
}

impl Analyzer for Dns {
    fn held(&self) -> usize {
        let [client, server] = &self.streams;
        let doubtful = self.doubtful.as_ref().map_or(0, Vec::capacity).saturating_mul(size_of::<Doubt>());
        [self.exchanges.held(), client.held(), server.held(), doubtful, self.doubtful_texts]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        for chunk in bytes.chunks(MAX_CHUNK) {
            if !self.stream(role).push(chunk) {
                return sink.give_up();
            }
            // Taken out, so that messages can be handled while they are borrowed.
            let mut stream = std::mem::replace(self.stream(role), StreamBuffer::new(0));
            let mut used: usize = 0;
            while let Some(message) = message::framed(stream.unread().get(used..).unwrap_or_default()) {
                self.message(role, message, 0, sink);
                used = used.saturating_add(2).saturating_add(message.len());
            }
            stream.consume(used);
            *self.stream(role) = stream;
        }
    }

    fn gap(&mut self, _role: Role, _missed: u64, sink: &mut Sink) {
        self.blind = true;
        sink.give_up();
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        self.message(role, bytes, missed, sink);
    }

    fn end(&mut self, sink: &mut Sink) {
        self.doubtful_texts = 0;
        for (seen, role, field, value) in self.doubtful.take().unwrap_or_default() {
            if !self.blind && sink.has_all_of(role) {
                sink.fact_at(seen, field, value);
            }
        }
        let exchanges = std::mem::take(&mut self.exchanges);
        self.blind |= sink.lacks != Sides::default();
        self.unanswered(exchanges.into_unanswered(), sink);
    }
}

/// Operations (IANA DNS OpCodes).
const QUERY_CODE: u8 = 0;
const NOTIFY: u8 = 4;
const UPDATE: u8 = 5;

/// The longest message, its length, and the longest piece that is added at a time.
const MAX_BUFFERED: usize = 2 + 0xffff + MAX_CHUNK;

/// What is wrong with answers over TCP that waits for the end; more tells no more.
const MAX_DOUBTFUL: usize = 256;

/// Pieces in which stream bytes are taken.
const MAX_CHUNK: usize = 16 * 1024;

/// Away from port 53, longer messages than this are not waited for.
const MAX_UNHINTED: usize = 4096;
