//! A small stand-in for the session of the pipeline, for the analyzers' tests: probes, feeds, hands
//! over.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::{Analyzer, Context, Definition, Next, Probe, ProbeInput, REGISTRY, Role, Sides, Sink, by_id};
use crate::model::evidence::Seen;
use crate::model::{CaptureId, Endpoint, Facts, FrameNo, FrameRef, Observation, Timestamp, Transport};

/// What happens on a flow, at a time in milliseconds.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Bytes.
    Data(Role, Vec<u8>, u64),
    /// Bytes that are not in the capture.
    Gap(Role, u64, u64),
    /// More was said than came, as is known at the end.
    Lacks(Role),
}

/// Bytes from the client at time zero.
pub(crate) fn client(bytes: impl AsRef<[u8]>) -> Step {
    Step::Data(Role::Client, bytes.as_ref().to_vec(), 0)
}

/// Bytes from the server at time zero.
pub(crate) fn server(bytes: impl AsRef<[u8]>) -> Step {
    Step::Data(Role::Server, bytes.as_ref().to_vec(), 0)
}

impl Step {
    /// The same at `ms` milliseconds.
    pub(crate) fn at(self, ms: u64) -> Self {
        match self {
            Self::Data(role, bytes, _) => Self::Data(role, bytes, ms),
            Self::Gap(role, missed, _) => Self::Gap(role, missed, ms),
            Self::Lacks(role) => Self::Lacks(role),
        }
    }
}

/// One analyzer of a flow, the ones behind it, and what they found.
pub(crate) struct Session {
    layers: Vec<Layer>,
    /// Ids of the analyzers, outermost first.
    pub(crate) services: Vec<&'static str>,
    pub(crate) facts: Facts,
    context: Context,
    frame: u64,
    at: Timestamp,
    lacks: Sides,
}

struct Layer {
    analyzer: Box<dyn Analyzer>,
    done: bool,
    next: Option<Next>,
    /// What waits for the next layer.
    waiting: Vec<(Role, Vec<u8>)>,
    unwanted: bool,
}

impl Session {
    /// A flow whose outermost protocol is `definition`.
    pub(crate) fn new(definition: &'static Definition, from_start: bool) -> Self {
        let endpoint = |port| Endpoint { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
        let context = Context {
            transport: Transport::Tcp,
            client: endpoint(40_000),
            server: endpoint(definition.ports[0]),
            from_start,
            secrets: None,
        };
        let mut session = Self {
            layers: Vec::new(),
            services: Vec::new(),
            facts: Facts::default(),
            context,
            frame: 0,
            at: Timestamp::default(),
            lacks: Sides::default(),
        };
        session.open(definition);
        session
    }

    /// All facts of `steps` on a flow seen from its start.
    pub(crate) fn run(definition: &'static Definition, steps: &[Step]) -> Self {
        let mut session = Self::new(definition, true);
        steps.iter().for_each(|step| session.step(step));
        session.end();
        session
    }

    fn open(&mut self, definition: &'static Definition) {
        self.services.push(definition.id);
        self.layers.push(Layer {
            analyzer: (definition.start)(&self.context),
            done: false,
            next: None,
            waiting: Vec::new(),
            unwanted: false,
        });
    }

    pub(crate) fn step(&mut self, step: &Step) {
        let (role, ms) = match step {
            Step::Lacks(role) => return self.lacks.add(*role),
            Step::Data(role, _, ms) | Step::Gap(role, _, ms) => (*role, *ms),
        };
        self.frame += 1;
        self.at = Timestamp::from_nanos(ms as i64 * 1_000_000);
        match step {
            Step::Data(_, bytes, _) => self.feed(0, role, bytes),
            Step::Gap(_, missed, _) => self.call(0, |analyzer, sink| analyzer.gap(role, *missed, sink)),
            Step::Lacks(_) => {}
        }
    }

    pub(crate) fn end(&mut self) {
        let mut layer = 0;
        while layer < self.layers.len() {
            let lacks = self.lacks;
            self.call(layer, |analyzer, sink| {
                sink.lacks = lacks;
                analyzer.end(sink);
            });
            layer += 1;
        }
    }

    fn feed(&mut self, layer: usize, role: Role, bytes: &[u8]) {
        let Some(this) = self.layers.get(layer) else { return };
        if this.done && self.layers.len() > layer + 1 {
            self.feed(layer + 1, role, bytes);
        } else if this.done {
            let mut sink = self.sink();
            sink.forward(role, bytes);
            self.collect(layer, sink);
        } else if bytes.is_empty() {
            self.call(layer, |analyzer, sink| analyzer.gap(role, u64::MAX, sink));
        } else {
            self.call(layer, |analyzer, sink| analyzer.data(role, bytes, sink));
        }
    }

    fn sink(&self) -> Sink {
        Sink::new(Seen { at: self.at, frame: FrameRef::new(CaptureId(0), FrameNo(self.frame)) })
    }

    fn call(&mut self, layer: usize, work: impl FnOnce(&mut Box<dyn Analyzer>, &mut Sink)) {
        let mut sink = self.sink();
        sink.wants_payload = !self.layers[layer].unwanted;
        work(&mut self.layers[layer].analyzer, &mut sink);
        self.collect(layer, sink);
    }

    fn collect(&mut self, layer: usize, sink: Sink) {
        for (seen, observation) in sink.observations {
            if let Observation::Fact(field, value) = observation {
                self.facts.add(field, value, seen);
            }
        }
        let this = &mut self.layers[layer];
        this.done |= sink.done;
        this.next = sink.next.or(this.next);
        if self.layers.len() > layer + 1 {
            for (role, bytes) in sink.forwarded {
                self.feed(layer + 1, role, &bytes);
            }
            return;
        }
        let this = &mut self.layers[layer];
        this.waiting.extend(sink.forwarded);
        let found = match this.next {
            Some(Next::Named(id)) => by_id(id),
            Some(Next::Probe) => recognise(&this.waiting, &mut this.unwanted),
            None => None,
        };
        if let Some(definition) = found {
            let waiting = std::mem::take(&mut this.waiting);
            self.open(definition);
            for (role, bytes) in waiting {
                self.feed(layer + 1, role, &bytes);
            }
        }
    }

    /// All facts as `name=value xcount`, in order of name.
    pub(crate) fn list(&self) -> Vec<String> {
        let mut list: BTreeMap<String, u64> = BTreeMap::new();
        for fact in &self.facts {
            *list.entry(format!("{}={}", fact.field.name, fact.value)).or_default() += fact.evidence.count;
        }
        list.into_iter().map(|(name, count)| format!("{name} x{count}")).collect()
    }

    /// The values of the field `name`, in order of first sighting, with their counts.
    pub(crate) fn values(&self, name: &str) -> Vec<(String, u64)> {
        let of_name = self.facts.iter().filter(|fact| fact.field.name == name);
        of_name.map(|fact| (fact.value.to_string(), fact.evidence.count)).collect()
    }
}

/// Who takes `waiting`, judged by the first bytes of either side.
fn recognise(waiting: &[(Role, Vec<u8>)], unwanted: &mut bool) -> Option<&'static Definition> {
    let mut more = false;
    for role in [Role::Client, Role::Server] {
        let bytes: Vec<u8> =
            waiting.iter().filter(|(from, _)| *from == role).flat_map(|(_, bytes)| bytes.clone()).collect();
        let input =
            ProbeInput { bytes: &bytes, transport: Transport::Tcp, src_port: 1, dst_port: 1, at_start: true };
        for definition in REGISTRY.iter().filter(|_| !bytes.is_empty()) {
            match (definition.probe)(&input) {
                Probe::Certainly(_) | Probe::Perhaps(_) => return Some(definition),
                Probe::More => more = true,
                Probe::No => {}
            }
        }
    }
    *unwanted = !more && !waiting.is_empty();
    None
}

/// The same steps, with all data of each step cut in two at `at` of its length, for every `at` in
/// turn.
pub(crate) fn every_cut(steps: &[Step]) -> impl Iterator<Item = Vec<Step>> + '_ {
    let cuts = (0..steps.len()).flat_map(|index| {
        let length = if let Step::Data(_, bytes, _) = &steps[index] { bytes.len() } else { 0 };
        (1..length).map(move |at| (index, at))
    });
    cuts.map(|(index, at)| {
        let mut cut = steps.to_vec();
        if let Step::Data(role, bytes, ms) = &steps[index] {
            let (first, second) = bytes.split_at(at);
            cut[index] = Step::Data(*role, first.to_vec(), *ms);
            cut.insert(index + 1, Step::Data(*role, second.to_vec(), *ms));
        }
        cut
    })
}

/// The same steps, byte by byte.
pub(crate) fn single_bytes(steps: &[Step]) -> Vec<Step> {
    let pieces = |step: &Step| match step {
        Step::Data(role, bytes, ms) => bytes.iter().map(|byte| Step::Data(*role, vec![*byte], *ms)).collect(),
        other => vec![other.clone()],
    };
    steps.iter().flat_map(pieces).collect()
}

/// Every beginning of `steps`: whole steps, and the last one cut short.
pub(crate) fn every_truncation(steps: &[Step]) -> impl Iterator<Item = Vec<Step>> + '_ {
    (0..steps.len()).flat_map(move |index| {
        let length = if let Step::Data(_, bytes, _) = &steps[index] { bytes.len() } else { 1 };
        (0..length).map(move |at| {
            let mut cut = steps[..index].to_vec();
            if let Step::Data(role, bytes, ms) = &steps[index] {
                cut.push(Step::Data(*role, bytes[..at].to_vec(), *ms));
            }
            cut
        })
    })
}

/// A generator of reproducible noise (splitmix64).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Bytes of any value, or mostly of those in `from`.
    pub(crate) fn bytes(&mut self, length: usize, from: &[u8]) -> Vec<u8> {
        let mut byte = || match (self.next(), from.is_empty()) {
            (number, false) if number % 8 != 0 => from[(number >> 8) as usize % from.len()],
            (number, _) => (number >> 8) as u8,
        };
        (0..length).map(|_| byte()).collect()
    }
}

/// Feeds `definition` noise, `steps` with noise in them, and gaps anywhere: it may say what it
/// likes, but not panic.
pub(crate) fn survives_noise(definition: &'static Definition, steps: &[Step]) {
    let alphabet: Vec<u8> = steps
        .iter()
        .flat_map(|step| if let Step::Data(_, bytes, _) = step { bytes.clone() } else { vec![] })
        .collect();
    for seed in 0..400 {
        let mut noise = Noise(seed);
        let mut session = Session::new(definition, seed % 3 != 0);
        for index in 0..20 {
            let role = if noise.next().is_multiple_of(2) { Role::Client } else { Role::Server };
            let step = match (noise.next() % 8, steps.get(index % steps.len().max(1))) {
                (0, _) => Step::Gap(role, noise.next() % 2000, 0),
                (1, _) => Step::Gap(role, noise.next(), 0),
                (2, _) => Step::Data(role, noise.bytes(300, &[]), 0),
                (3, _) => Step::Data(role, noise.bytes(300, &alphabet), 0),
                (4, Some(Step::Data(role, bytes, ms))) => {
                    let mut bytes = bytes.clone();
                    let at = noise.next() as usize % bytes.len().max(1);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << (noise.next() % 8);
                    }
                    Step::Data(*role, bytes, *ms)
                }
                (_, Some(step)) => step.clone(),
                (_, None) => Step::Data(role, noise.bytes(30, &[]), 0),
            };
            session.step(&step);
        }
        session.end();
    }
}

/// Pieces of many protocols, so that noise made of them gets somewhere.
const PIECES: &[&[u8]] = &[
    b"220 x FTP\r\n331 x\r\n234 x\r\nUSER a\r\nPASS b\r\nAUTH TLS\r\n",
    b"* OK x\r\na STARTTLS\r\na OK x\r\nb LOGIN {3}\r\nb NO {99999999999999999999}\r\n",
    b"+OK POP3\r\nSTLS\r\nCAPA\r\n.\r\n-ERR\r\nAUTH PLAIN\r\n200 NNTP\r\n382 x\r\n",
    b"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams'><starttls/><proceed/>",
    b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00\x30\x84\xff\xff\xff\xff\x77\x80\xa3\x0a",
    b"\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x12\0\x03\0\0user\0bob\0\0SNR\0\0\0\x08\0\0\0\x03E\0\0\0\x05Z\0\0\0\x04",
    b"\x4a\0\0\0\x0a5.5.5\0\x01\0\0\0abcdefgh\0\xff\xff\x20\0\0\x01\0\x0a\0\0\xfe\xff\0",
    b"REGISTER sip:a SIP/2.0\r\nContent-Length: 18446744073709551615\r\n\r\nSIP/2.0 200\r\nRTSP/1.0 200\r\n$\0\xff\xff",
    b"\xff\xfd\x18\xff\xfb\x01\xff\xfa\x18\xff\xf0password:x",
    b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0\x03\0\0\x13\x0e\xd0\0\0\0\0\0\x02\0\x08\0\x01\0\0\0",
    b"\0\0\0\x40\xffSMBr\0\0\0\0\x88\0\0\0\0\x81\0\0\x44 CKFDENECFDEFFCFGEFFCCACACACACACA\0\0\0\0\x42\xfeSMB@\0",
    b"*2\r\n$4\r\nAUTH\r\n$18446744073709551615\r\n*18446744073709551615\r\n$5\r\nHELLO\r\n-ERR\r\n",
    b"RFB 003.008\n\x02\x01\x02NICK a\r\nUSER a 0 * :b\r\n:x 001 a\r\n\x13BitTorrent protocol-TR2940-",
    b"<34>1 2003-10-11T22:14:15.003Z h a - - x\n99999999999999 <0>x\0\x01a\0octet\0blksize\0\0\x06tsize\0",
];

#[test]
fn every_analyzer_survives_noise() {
    for definition in REGISTRY {
        let end = |port| Endpoint { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
        for seed in 0..600 {
            let mut noise = Noise(seed);
            let transport = definition.transports[seed as usize % definition.transports.len()];
            let context = Context {
                transport,
                client: end(50_000),
                server: end(9),
                from_start: seed % 2 == 0,
                secrets: None,
            };
            let mut analyzer = (definition.start)(&context);
            let mut sink =
                Sink::new(Seen { at: Timestamp::default(), frame: FrameRef::new(CaptureId(0), FrameNo(1)) });
            for _ in 0..40 {
                let role = if noise.next().is_multiple_of(2) { Role::Client } else { Role::Server };
                let piece = PIECES[noise.next() as usize % PIECES.len()];
                let mut bytes = piece[..=noise.next() as usize % piece.len()].to_vec();
                for _ in 0..noise.next() % 4 {
                    let at = noise.next() as usize % bytes.len();
                    bytes[at] = noise.next() as u8;
                }
                let input = ProbeInput {
                    bytes: &bytes,
                    transport,
                    src_port: noise.next() as u16,
                    dst_port: definition.ports.first().copied().unwrap_or(9),
                    at_start: noise.next().is_multiple_of(2),
                };
                let _ = (definition.probe)(&input);
                match (transport, noise.next() % 16) {
                    (Transport::Udp, _) => analyzer.datagram(role, &bytes, 0, &mut sink),
                    (_, 0) => analyzer.gap(role, noise.next(), &mut sink),
                    _ => analyzer.data(role, &bytes, &mut sink),
                }
                assert!(analyzer.held() < 1 << 20, "{}", definition.id);
                if sink.done {
                    analyzer = (definition.start)(&context);
                }
                sink.reset(sink.seen);
            }
            analyzer.end(&mut sink);
        }
    }
}
