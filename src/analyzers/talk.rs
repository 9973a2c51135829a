//! What the tests of small analyzers share.

use super::{Definition, Probe, ProbeInput, Role, Sink};
use crate::analyzers::Context;
use crate::model::evidence::Seen;
use crate::model::{CaptureId, Endpoint, Facts, Field, FrameNo, FrameRef, Observation, Timestamp, Transport};

/// What a definition's probe says of the first bytes of a TCP stream.
pub(super) fn ask(definition: &Definition, bytes: &[u8], src_port: u16, dst_port: u16) -> Probe {
    (definition.probe)(&ProbeInput { bytes, transport: Transport::Tcp, src_port, dst_port, at_start: true })
}

/// The same of a datagram.
pub(super) fn ask_udp(definition: &Definition, bytes: &[u8], src_port: u16, dst_port: u16) -> Probe {
    (definition.probe)(&ProbeInput { bytes, transport: Transport::Udp, src_port, dst_port, at_start: true })
}

/// Facts of a talk over TCP; each segment is a frame of its own, from 1.
pub(super) fn run(definition: &Definition, talk: &[(Role, &[u8])]) -> Facts {
    run_with(definition, talk).0
}

/// The same of datagrams.
pub(super) fn run_datagrams(definition: &Definition, talk: &[(Role, &[u8])]) -> Facts {
    play(definition, talk, Transport::Udp).0
}

/// Facts of a talk over TCP, and what each segment left in its sink besides.
pub(super) fn run_with(definition: &Definition, talk: &[(Role, &[u8])]) -> (Facts, Vec<Sink>) {
    play(definition, talk, Transport::Tcp)
}

/// The same over either transport.
pub(super) fn play(
    definition: &Definition,
    talk: &[(Role, &[u8])],
    transport: Transport,
) -> (Facts, Vec<Sink>) {
    let end = |port| Endpoint { ip: [192, 0, 2, 1].into(), port };
    let context = Context { transport, client: end(50_000), server: end(1), from_start: true, secrets: None };
    let mut analyzer = (definition.start)(&context);
    let (mut facts, mut sinks) = (Facts::default(), Vec::new());
    let mut done = false;
    let at = |frame| Seen { at: Timestamp::new(0, 0), frame: FrameRef::new(CaptureId(0), FrameNo(frame)) };
    let last = talk.len() as u64;
    for (number, (role, bytes)) in (1..).zip(talk) {
        let mut sink = Sink::new(at(number));
        match transport {
            Transport::Udp => analyzer.datagram(*role, bytes, 0, &mut sink),
            _ if !done => analyzer.data(*role, bytes, &mut sink),
            _ => {}
        }
        done |= sink.done;
        sinks.push(sink);
    }
    let mut sink = Sink::new(at(last));
    analyzer.end(&mut sink);
    sinks.push(sink);
    for sink in &mut sinks {
        sink.observations.retain(|(seen, observation)| {
            let Observation::Fact(field, value) = observation else { return true };
            assert!(definition.fields.contains(field), "{} is not listed", field.name);
            facts.add(field, value.clone(), *seen);
            false
        });
    }
    (facts, sinks)
}

/// A recording: one line for each datagram, `> ` from the client, `< ` from the server, then its bytes in hex.
pub(super) fn recording(text: &str) -> Vec<(Role, Vec<u8>)> {
    let line = |line: &str| match line.split_at(2) {
        ("> ", hex) => Some((Role::Client, unhex(hex))),
        ("< ", hex) => Some((Role::Server, unhex(hex))),
        _ => None,
    };
    text.lines().filter_map(line).collect()
}

/// Bytes from hex; anything else in between is left out.
pub(super) fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// What an analyzer with TLS inside says of datagrams, as `name=value`, each once, in order; and whether it wanted more
/// at the end.
pub(super) fn replay(definition: &Definition, talk: &[(Role, Vec<u8>)]) -> (Vec<String>, bool) {
    let end = |port| Endpoint { ip: [192, 0, 2, 1].into(), port };
    let context = Context {
        transport: Transport::Udp,
        client: end(50_000),
        server: end(1),
        from_start: true,
        secrets: None,
    };
    let mut analyzer = (definition.start)(&context);
    let at = |frame| Seen { at: Timestamp::new(0, 0), frame: FrameRef::new(CaptureId(0), FrameNo(frame)) };
    let (mut said, mut done) = (Vec::new(), false);
    for (number, (role, bytes)) in (1..).zip(talk) {
        let mut sink = Sink::new(at(number));
        if !done {
            analyzer.datagram(*role, bytes, 0, &mut sink);
        }
        done |= sink.done;
        said.extend(sink.observations);
    }
    let mut sink = Sink::new(at(talk.len() as u64));
    analyzer.end(&mut sink);
    said.extend(sink.observations);
    let mut list: Vec<String> = Vec::new();
    for (_, observation) in said {
        if let Observation::Fact(field, value) = observation {
            assert!(definition.fields.contains(&field) || super::tls::FIELDS.contains(&field));
            let shown = format!("{}={value}", field.name);
            if !list.contains(&shown) {
                list.push(shown);
            }
        }
    }
    (list, !done)
}

/// Facts of a talk over TCP, which are the same however its segments are cut; no beginning of it does harm.
pub(super) fn steady(definition: &Definition, talk: &[(Role, &[u8])]) -> Facts {
    let whole = run(definition, talk);
    let bytes: Vec<(Role, &[u8])> =
        talk.iter().flat_map(|(role, bytes)| bytes.chunks(1).map(|byte| (*role, byte))).collect();
    assert_eq!(list(&run(definition, &bytes)), list(&whole), "byte by byte");
    for (at, (role, segment)) in talk.iter().enumerate() {
        for cut in 0..segment.len() {
            let (first, second) = segment.split_at(cut);
            let mut steps = talk.to_vec();
            steps[at] = (*role, first);
            run(definition, &steps[..=at]);
            steps.insert(at + 1, (*role, second));
            assert_eq!(list(&run(definition, &steps)), list(&whole), "segment {at} cut at {cut}");
        }
    }
    whole
}

/// Facts of datagrams; none of them does harm when it is cut.
pub(super) fn steady_datagrams(definition: &Definition, talk: &[(Role, &[u8])]) -> Facts {
    for (role, datagram) in talk {
        for cut in 0..datagram.len() {
            run_datagrams(definition, &[(*role, &datagram[..cut])]);
        }
    }
    run_datagrams(definition, talk)
}

/// All facts as `name=value xcount`, in order of first sighting.
pub(super) fn list(facts: &Facts) -> Vec<String> {
    facts.iter().map(|fact| format!("{}={} x{}", fact.field.name, fact.value, fact.evidence.count)).collect()
}

/// The values of one field.
pub(super) fn values(facts: &Facts, field: &'static Field) -> Vec<String> {
    facts.of(field).map(|fact| fact.value.to_string()).collect()
}

/// What the probe says of `bytes` on ports that are nobody's, and that it says no of no beginning of them.
pub(super) fn told(definition: &Definition, bytes: &[u8]) -> Probe {
    let answer = ask(definition, bytes, 50_001, 50_002);
    if answer != Probe::No {
        for cut in 0..bytes.len() {
            let front = ask(definition, &bytes[..cut], 50_001, 50_002);
            assert!(front == answer || front == Probe::More, "{front:?} of the first {cut} bytes");
        }
    }
    answer
}
