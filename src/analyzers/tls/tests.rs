//! Whole connections. What is expected comes from tshark, from `openssl x509` and from what the
//! recording commands asked for; the recordings are in `testdata`.

use super::fields as f;
use super::{FIELDS, start};
use crate::analyzers::{Analyzer, Context, Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{
    CaptureId, Endpoint, Facts, Field, FrameNo, FrameRef, Observation, Timestamp, Transport, Value,
};

/// Segments in order.
type Talk = Vec<(Role, Vec<u8>)>;

const C: Role = Role::Client;
const S: Role = Role::Server;

macro_rules! recording {
    ($name:literal) => {
        parse(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/analyzers/tls/testdata/",
            $name,
            ".txt"
        )))
    };
}

mod bytes;
mod crafted;
mod gaps;
mod probe;
mod recorded;
mod renegotiation;

pub(super) fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let text = String::from_utf8(digits).unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn parse(text: &str) -> Talk {
    let line = |line: &str| match line.split_at(2) {
        ("> ", hex) => Some((C, unhex(hex))),
        ("< ", hex) => Some((S, unhex(hex))),
        _ => None,
    };
    text.lines().filter_map(line).collect()
}

/// 2026-11-22, within the validity of the recorded certificates.
const RECORDED: i64 = 1_795_305_600;

pub(super) fn seen(frame: u64, at: i64) -> Seen {
    Seen { at: Timestamp::new(at, 0), frame: FrameRef::new(CaptureId(0), FrameNo(frame)) }
}

fn analyzer(from_start: bool) -> Box<dyn Analyzer> {
    let end = |port| Endpoint { ip: [192, 0, 2, 1].into(), port };
    start(&Context {
        transport: Transport::Tcp,
        client: end(50_000),
        server: end(8883),
        from_start,
        secrets: None,
    })
}

/// What happens to a stream.
enum Event<'a> {
    Data(Role, &'a [u8]),
    Gap(Role, u64),
    /// What this side sent last is missing.
    CutShort(Role),
}

/// The facts of a flow; the frame of each event is its number from 1.
fn observe(from_start: bool, at: i64, events: &[Event<'_>]) -> Facts {
    let mut analyzer = analyzer(from_start);
    let mut facts = Facts::default();
    let mut done = false;
    for (number, event) in (1..).zip(events) {
        let mut sink = Sink::new(seen(number, at));
        match event {
            Event::Data(role, bytes) if !done => analyzer.data(*role, bytes, &mut sink),
            Event::Gap(role, missed) if !done => analyzer.gap(*role, *missed, &mut sink),
            _ => {}
        }
        done |= sink.done;
        collect(&mut facts, sink);
    }
    let mut sink = Sink::new(seen(events.len() as u64, at));
    for event in events {
        if let Event::CutShort(role) = event {
            sink.lacks.add(*role);
        }
    }
    analyzer.end(&mut sink);
    collect(&mut facts, sink);
    facts
}

fn collect(facts: &mut Facts, sink: Sink) {
    for (seen, observation) in sink.observations {
        if let Observation::Fact(field, value) = observation {
            facts.add(field, value, seen);
        }
    }
}

fn events(talk: &Talk) -> Vec<Event<'_>> {
    talk.iter().map(|(role, bytes)| Event::Data(*role, bytes)).collect()
}

fn facts(talk: &Talk) -> Facts {
    observe(true, RECORDED, &events(talk))
}

/// Values of a field as text, in order.
fn all(facts: &Facts, field: &'static Field) -> Vec<String> {
    facts.of(field).map(|fact| fact.value.to_string()).collect()
}

fn one(facts: &Facts, field: &'static Field) -> String {
    let values = all(facts, field);
    assert_eq!(values.len(), 1, "{}: {values:?}", field.name);
    values.into_iter().next().unwrap()
}

/// Field and value of everything observed, without frames.
fn plain(facts: &Facts) -> Vec<(&'static str, Value)> {
    facts.iter().map(|fact| (fact.field.name, fact.value.clone())).collect()
}

fn frame(facts: &Facts, field: &'static Field) -> u64 {
    facts.first(field).unwrap().evidence.first.frame.no().0
}

fn record(content: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [&[content, 3, 3], &length[..], body].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (body.len() as u32).to_be_bytes();
    [&[kind, a, b, c], body].concat()
}

/// ClientHello body: version, random, no session, `suites`, null compression, `extensions` with
/// their length.
fn client_hello(version: u16, suites: &[u16], extensions: Option<&[u8]>) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(((suites.len() * 2) as u16).to_be_bytes());
    suites.iter().for_each(|suite| body.extend(suite.to_be_bytes()));
    body.extend([1, 0]);
    if let Some(extensions) = extensions {
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
    }
    record(22, &handshake(1, &body))
}

fn server_hello(version: u16, suite: u16, extensions: Option<&[u8]>) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([9; 32]);
    body.push(0);
    body.extend(suite.to_be_bytes());
    body.push(0);
    if let Some(extensions) = extensions {
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
    }
    record(22, &handshake(2, &body))
}

#[test]
fn every_field_is_named_once_and_documented() {
    let mut names: Vec<_> = FIELDS.iter().map(|field| field.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FIELDS.len());
    assert!(FIELDS.iter().all(|field| field.name.starts_with("tls.") && field.doc.ends_with('.')));
}
