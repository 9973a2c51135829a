//! One flow's analyzers: recognises the protocol, feeds the analyzer, and hands inner bytes on.
//!
//! A flow has a chain of layers, the outermost first. Each is waiting to be told who takes its bytes, probing,
//! active, or dead. What layer *n* forwards goes to layer *n + 1*; a layer that is done passes its bytes on untouched.
//!
//! There may be millions of flows, of which few are at work at a time: what a session needs for that is freed as soon
//! as nobody has anything more to say, and no packet allocates anything unless it has to wait.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::layers::{Directions, Held, Layer, Layers, MAX_LAYERS, Services, Stage};
use super::recognise::{Beginning, Found, Verdict, is_by_content, probe, probe_input, survey};
use crate::analyzers::{self, Analyzer, Context, Next, Probe, Role, Sides, Sink};
use crate::flow::FlowHead;
use crate::model::evidence::Seen;
use crate::model::flow::Basis;
use crate::model::packed::at_end;
use crate::model::{Direction, FlowKey, FrameRef, Observation, Secrets, Timestamp};

/// Datagrams that are offered to the probes before a flow is given up as unknown.
const PROBE_DATAGRAMS: u8 = 8;
/// Protocols over datagrams whose first ones may not tell who is the client, as they may come too late or out of order,
/// and later ones do. Whoever is the client opens it.
const TELL_LATER: &[&str] = &["dtls", "quic"];
/// Segments of an unknown protocol in which such a beginning is looked for.
const LATE_SEGMENTS: u8 = 64;

/// What a session tells its owner.
pub(crate) trait Listener {
    /// These were observed, in order; the list is to be emptied.
    fn observed(&mut self, observations: &mut Vec<(Seen, Observation)>);
    /// An analyzer panicked; it is switched off for this flow.
    fn failed(&mut self, analyzer: &'static str, flow: FlowKey, seen: Seen);
}

/// What all sessions of a shard share: lists that are empty between calls.
pub(crate) struct Tools {
    sink: Sink,
    queue: VecDeque<Work>,
    /// Of connections, if there are any.
    secrets: Option<Arc<Secrets>>,
}

impl Tools {
    pub(crate) fn new(secrets: &Arc<Secrets>) -> Self {
        let seen = Seen { at: Timestamp::default(), frame: FrameRef::default() };
        let secrets = (!secrets.is_empty()).then(|| Arc::clone(secrets));
        Self { sink: Sink::new(seen), queue: VecDeque::new(), secrets }
    }
}

/// The analyzers of one flow.
#[derive(Default)]
pub(crate) struct Session {
    /// `None` before the first byte, and when nobody has anything more to say.
    layers: Option<Box<Layers>>,
    /// What it came to know of the flow.
    known: Known,
    /// It was told something.
    begun: bool,
}

#[derive(Debug, Default)]
struct Known {
    /// The protocols recognised, outermost first.
    services: Services,
    /// Direction from client to server of the outermost protocol recognised, if its content tells.
    client: Option<Direction>,
}

/// One thing to feed to a layer.
struct Work {
    layer: usize,
    from: Direction,
    seen: Seen,
    bytes: Vec<u8>,
}

fn role(client: Direction, from: Direction) -> Role {
    if client == from { Role::Client } else { Role::Server }
}

fn direction(client: Direction, role: Role) -> Direction {
    match role {
        Role::Client => client,
        Role::Server => client.reverse(),
    }
}

/// The sides of which bytes are missing.
fn sides(client: Direction, lacks: Directions) -> Sides {
    let mut sides = Sides::default();
    let lacking = Direction::BOTH.into_iter().filter(|from| lacks.has(*from));
    lacking.for_each(|from| sides.add(role(client, from)));
    sides
}

impl Session {
    /// About what it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.layers.as_ref().map_or(0, |layers| layers.bytes())
    }

    /// Reads a little of what is at work.
    pub(crate) fn touch(&self) -> u64 {
        self.layers.as_ref().map_or(0, |layers| u64::from(layers.payload_wanted(0)))
    }

    /// Identifiers of the protocols recognised, outermost first.
    pub(crate) fn services(&self) -> impl Iterator<Item = &'static str> {
        self.known.services.ids()
    }

    /// How each of them was recognised.
    pub(crate) fn bases(&self) -> impl Iterator<Item = Basis> {
        self.known.services.bases()
    }

    /// Direction from client to server, if content tells.
    pub(crate) fn client(&self) -> Option<Direction> {
        self.known.client
    }

    /// In-order stream bytes. Returns whether more are wanted.
    pub(crate) fn data(
        &mut self,
        flow: &FlowHead,
        from: Direction,
        bytes: &[u8],
        seen: Seen,
        tools: &mut Tools,
        listener: &mut dyn Listener,
    ) -> bool {
        let Some(mut run) = self.run(flow, from, seen, tools, listener) else { return false };
        let outermost = run.layers.first_live();
        run.feed(outermost, from, bytes, seen);
        run.drain();
        self.rest(flow, seen, tools, listener)
    }

    /// Bytes that the capture does not hold. Returns whether more are wanted.
    pub(crate) fn gap(
        &mut self,
        flow: &FlowHead,
        from: Direction,
        missed: u64,
        seen: Seen,
        tools: &mut Tools,
        listener: &mut dyn Listener,
    ) -> bool {
        let Some(mut run) = self.run(flow, from, seen, tools, listener) else { return false };
        let outermost = run.layers.first_live();
        if outermost > 0 {
            run.layers.missed.set(from);
        }
        run.gap(outermost, from, missed, seen);
        run.drain();
        self.rest(flow, seen, tools, listener)
    }

    /// One datagram, with how many bytes of it the snap length cut off. Returns whether more are wanted.
    #[expect(clippy::too_many_arguments, reason = "one packet's context, passed down one level")]
    pub(crate) fn datagram(
        &mut self,
        flow: &FlowHead,
        from: Direction,
        bytes: &[u8],
        missed: u32,
        seen: Seen,
        tools: &mut Tools,
        listener: &mut dyn Listener,
    ) -> bool {
        let Some(mut run) = self.run(flow, from, seen, tools, listener) else { return false };
        run.datagram(0, from, bytes, missed, seen);
        // What the outer one leaves to others is a datagram too, unless they only know streams.
        while let Some(Work { layer, from, seen, bytes }) = run.tools.queue.pop_front() {
            if run.layers.get(layer).is_some_and(Layer::takes_streams) {
                run.feed(layer, from, &bytes, seen);
            } else {
                run.datagram(layer, from, &bytes, 0, seen);
            }
        }
        self.rest(flow, seen, tools, listener)
    }

    /// The end `from` said more than was handed out, or nothing of it was captured.
    pub(crate) fn lacks(&mut self, from: Direction) {
        if let Some(layers) = &mut self.layers {
            layers.lacks.set(from);
        }
    }

    /// The flow is over, `last` was its last packet: every analyzer, the outermost first, tells what it still has to
    /// tell.
    pub(crate) fn end(
        &mut self,
        flow: &FlowHead,
        last: Seen,
        tools: &mut Tools,
        listener: &mut dyn Listener,
    ) {
        self.end_at(last, flow, last, tools, listener);
    }

    /// No more bytes will come, but packets may: as [`Self::end`], with what is told of the last packet left to be found
    /// out; `seen` is the latest so far. Does nothing if an analyzer must know when the end is.
    pub(crate) fn end_early(
        &mut self,
        flow: &FlowHead,
        seen: Seen,
        tools: &mut Tools,
        listener: &mut dyn Listener,
    ) {
        if self.layers.as_ref().is_some_and(|layers| layers.may_end_early()) {
            self.end_at(at_end(seen), flow, seen, tools, listener);
        }
    }

    fn end_at(
        &mut self,
        last: Seen,
        flow: &FlowHead,
        now: Seen,
        tools: &mut Tools,
        listener: &mut dyn Listener,
    ) {
        let Some(mut layers) = self.layers.take() else { return };
        let mut run = Run { layers: &mut layers, known: &mut self.known, flow, now, tools, listener };
        // An analyzer's last words may start an inner one, so the list may grow.
        let mut at = 0;
        while at < run.layers.len() {
            run.settle_for_shape(at);
            run.drain();
            run.end(at, last);
            run.drain();
            at = at.saturating_add(1);
        }
    }

    /// `None` if nobody wants anything any more.
    fn run<'a>(
        &'a mut self,
        flow: &'a FlowHead,
        from: Direction,
        now: Seen,
        tools: &'a mut Tools,
        listener: &'a mut dyn Listener,
    ) -> Option<Run<'a>> {
        if !self.begun {
            self.begun = true;
            self.layers = Some(Box::new(Layers::new(from)));
        }
        let layers = self.layers.as_deref_mut()?;
        Some(Run { layers, known: &mut self.known, flow, now, tools, listener })
    }

    /// After a call: whether more are wanted. If not, nothing is kept that can be told now.
    fn rest(&mut self, flow: &FlowHead, seen: Seen, tools: &mut Tools, listener: &mut dyn Listener) -> bool {
        let more = self.layers.as_ref().is_some_and(|layers| layers.want_more());
        if !more {
            // What comes is not looked at.
            if let Some(layers) = &mut self.layers {
                layers.lacks = Directions::BOTH;
            }
            self.end_early(flow, seen, tools, listener);
        }
        more
    }
}

/// A session at work.
struct Run<'a> {
    layers: &'a mut Layers,
    known: &'a mut Known,
    flow: &'a FlowHead,
    /// The packet at hand; bytes may have waited since earlier ones.
    now: Seen,
    tools: &'a mut Tools,
    listener: &'a mut dyn Listener,
}

impl Run<'_> {
    fn gap(&mut self, at: usize, from: Direction, missed: u64, seen: Seen) {
        let Some(layer) = self.layers.get_mut(at) else { return };
        match layer.stage {
            // What was held of this direction cannot be joined with what follows.
            Stage::Probing | Stage::Waiting => {
                if layer.held.as_ref().is_none_or(|held| held.stream(from).is_empty()) {
                    layer.before.set(from);
                } else {
                    layer.set(Stage::Late);
                }
            }
            Stage::Active => self.call(at, from, seen, |analyzer, who, sink| analyzer.gap(who, missed, sink)),
            Stage::Bypassed | Stage::Late | Stage::Dead => {}
        }
    }

    fn datagram(&mut self, at: usize, from: Direction, bytes: &[u8], missed: u32, seen: Seen) {
        let Some(layer) = self.layers.get_mut(at) else { return };
        if layer.stage == Stage::Probing {
            layer.tries = layer.tries.saturating_add(1);
            let given_up = layer.tries >= PROBE_DATAGRAMS;
            match probe(self.flow, from, bytes, Beginning::Seen) {
                Verdict::Is(found, basis) => self.start(at, found, from, basis),
                _ if given_up => layer.set(Stage::Dead),
                _ => {}
            }
        }
        if at == 0 && self.known.client.is_none() {
            self.ask_again(from, bytes);
        }
        if self.layers.get(at).is_some_and(|layer| layer.stage == Stage::Active) {
            self.call(at, from, seen, |analyzer, who, sink| analyzer.datagram(who, bytes, missed, sink));
        }
    }

    /// Asks the outermost analyzer, started without knowing who is the client, whether this datagram tells. If it was
    /// started the wrong way round, it begins anew.
    fn ask_again(&mut self, from: Direction, bytes: &[u8]) {
        let Some(layer) = self.layers.get_mut(0).filter(|layer| layer.stage == Stage::Active) else { return };
        let Some(definition) = analyzers::REGISTRY.get(usize::from(layer.number)) else { return };
        if layer.tries >= PROBE_DATAGRAMS || !TELL_LATER.contains(&definition.id) {
            return;
        }
        layer.tries = layer.tries.saturating_add(1);
        let input = probe_input(self.flow, from, bytes, Beginning::Seen);
        let (Probe::Certainly(role) | Probe::Perhaps(role)) = (definition.probe)(&input) else { return };
        if !is_by_content(definition.probe, &input, role) {
            return;
        }
        let client = direction(from, role);
        self.known.client = Some(client);
        if layer.client != client {
            let (number, before) = (layer.number, layer.before);
            let context = context(self.flow, client, before, self.tools);
            *layer = Layer::active((definition.start)(&context), number, client, before);
        }
    }

    /// No more bytes will come to decide by: who only may be it, takes what is held.
    fn settle_for_shape(&mut self, at: usize) {
        let midstream = at == 0 && self.flow.midstream;
        let Some(layer) = self.layers.get_mut(at).filter(|layer| layer.stage == Stage::Probing) else {
            return;
        };
        let Some(held) = layer.held.as_deref() else { return };
        let found = [Direction::OrigToResp, Direction::RespToOrig].into_iter().find_map(|from| {
            let broken = at == 0 && layer.before.has(from);
            let beginning = if midstream || broken { Beginning::Missed } else { Beginning::Seen };
            let stream = Some(held.stream(from)).filter(|stream| !stream.is_empty())?;
            Some((survey(self.flow, from, &stream, beginning).perhaps?, from))
        });
        let Some((found, from)) = found else { return };
        let chunks = layer.held.take().map(|held| held.chunks).unwrap_or_default();
        self.start(at, found, from, Basis::Shape);
        for (from, seen, bytes) in chunks.into_iter().rev() {
            self.tools.queue.push_front(Work { layer: at, from, seen, bytes });
        }
    }

    fn end(&mut self, at: usize, last: Seen) {
        let Layers { lacks, missed, .. } = *self.layers;
        let Some(layer) = self.layers.get_mut(at) else { return };
        let lacks = match layer.stage {
            Stage::Active => lacks,
            Stage::Bypassed => lacks.with(missed),
            // It has not looked at what came since.
            _ => Directions::BOTH,
        };
        let Some(analyzer) = &mut layer.analyzer else { return };
        let sink = &mut self.tools.sink;
        sink.reset(last);
        sink.before = sides(layer.client, layer.before);
        sink.lacks = sides(layer.client, lacks);
        let ok = guarded(|| analyzer.end(sink));
        self.settle(at, ok);
    }

    /// Works off what analyzers forwarded, in order.
    fn drain(&mut self) {
        while let Some(work) = self.tools.queue.pop_front() {
            self.feed(work.layer, work.from, &work.bytes, work.seen);
        }
    }

    fn feed(&mut self, at: usize, from: Direction, bytes: &[u8], seen: Seen) {
        if bytes.is_empty() {
            // How an outer analyzer passes a gap of unknown length on.
            return self.gap(at, from, u64::MAX, seen);
        }
        let Some(layer) = self.layers.get_mut(at) else { return };
        match layer.stage {
            Stage::Dead => {}
            Stage::Bypassed => {
                let layer = at.saturating_add(1);
                self.tools.queue.push_back(Work { layer, from, seen, bytes: bytes.to_vec() });
            }
            Stage::Waiting => {
                if !layer.hold(from, seen, bytes) {
                    layer.set(Stage::Dead);
                }
            }
            Stage::Probing => self.probe(at, from, bytes, seen),
            Stage::Late => {
                layer.tries = layer.tries.saturating_add(1);
                if layer.tries > LATE_SEGMENTS {
                    layer.set(Stage::Dead);
                } else if let Verdict::Is(found, basis) = probe(self.flow, from, bytes, Beginning::Late) {
                    self.start(at, found, from, basis);
                    self.active(at, from, bytes, seen);
                }
            }
            Stage::Active => self.active(at, from, bytes, seen),
        }
    }

    /// Gives bytes to the layer's analyzer.
    fn active(&mut self, at: usize, from: Direction, bytes: &[u8], seen: Seen) {
        self.call(at, from, seen, |analyzer, who, sink| analyzer.data(who, bytes, sink));
    }

    /// Tells the layer's analyzer something of what the end `from` sent.
    fn call(
        &mut self,
        at: usize,
        from: Direction,
        seen: Seen,
        tell: impl FnOnce(&mut dyn Analyzer, Role, &mut Sink),
    ) {
        let payload_wanted = self.layers.payload_wanted(at);
        let Some(layer) = self.layers.get_mut(at) else { return };
        let Some(analyzer) = &mut layer.analyzer else { return };
        let who = role(layer.client, from);
        let sink = &mut self.tools.sink;
        sink.reset(seen);
        sink.wants_payload = payload_wanted;
        sink.before = sides(layer.client, layer.before);
        layer.heard.set(from);
        sink.alone = !layer.heard.both();
        let ok = guarded(|| tell(&mut **analyzer, who, sink));
        self.settle(at, ok);
    }

    /// Probes what is held with what comes; on success starts the analyzer and gives it all that.
    fn probe(&mut self, at: usize, from: Direction, bytes: &[u8], seen: Seen) {
        let midstream = at == 0 && self.flow.midstream;
        let Some(layer) = self.layers.get_mut(at) else { return };
        let held = layer.held.as_deref();
        if !held.map_or_else(|| Held::default().has_room(bytes), |held| held.has_room(bytes)) {
            return layer.set(Stage::Late);
        }
        let beginning = if midstream || layer.before.has(from) { Beginning::Missed } else { Beginning::Seen };
        let verdict = match held.map(|held| held.stream(from)).filter(|stream| !stream.is_empty()) {
            None => probe(self.flow, from, bytes, beginning),
            Some(mut stream) => {
                stream.extend_from_slice(bytes);
                probe(self.flow, from, &stream, beginning)
            }
        };
        match verdict {
            Verdict::Is(found, basis) => {
                let chunks = layer.held.take().map(|held| held.chunks).unwrap_or_default();
                self.start(at, found, from, basis);
                if chunks.is_empty() {
                    return self.active(at, from, bytes, seen);
                }
                // What is queued already came after what was held.
                self.tools.queue.push_front(Work { layer: at, from, seen, bytes: bytes.to_vec() });
                for (from, seen, bytes) in chunks.into_iter().rev() {
                    self.tools.queue.push_front(Work { layer: at, from, seen, bytes });
                }
            }
            Verdict::Nobody => {
                layer.hold(from, seen, bytes);
                let held = layer.held.get_or_insert_default();
                held.refused.set(from);
                if held.refused.both() {
                    layer.set(Stage::Late);
                }
            }
            Verdict::Undecided => {
                layer.hold(from, seen, bytes);
            }
        }
    }

    /// Starts the analyzer that was found by bytes sent `from` there.
    fn start(&mut self, at: usize, found: Found, from: Direction, basis: Basis) {
        let Found { number, role, by_content } = found;
        let client = direction(from, role);
        let unseen = if at == 0 && self.flow.midstream { Directions::BOTH } else { Directions::default() };
        let before = self.layers.get(at).map_or(unseen, |layer| layer.before.with(unseen));
        let context = context(self.flow, client, before, self.tools);
        let Some(definition) = analyzers::REGISTRY.get(usize::from(number)) else { return };
        if let Some(layer) = self.layers.get_mut(at) {
            *layer = Layer::active((definition.start)(&context), number, client, before);
            let is_outermost = self.known.services.ids().next().is_none();
            self.known.services.push(number, basis);
            if is_outermost && by_content {
                self.known.client = Some(client);
            }
        }
    }

    /// Takes what one call to an analyzer left in the sink.
    fn settle(&mut self, at: usize, ok: bool) {
        let Tools { sink, queue, .. } = &mut *self.tools;
        if !sink.observations.is_empty() {
            self.listener.observed(&mut sink.observations);
        }
        let Some(layer) = self.layers.get_mut(at) else { return };
        if !ok {
            let id = layer.id();
            layer.kill();
            return self.listener.failed(id, self.flow.key, self.now);
        }
        let client = layer.client;
        let inner = at.saturating_add(1);
        if (sink.next.is_some() || !sink.forwarded.is_empty())
            && self.layers.len() == inner
            && inner < MAX_LAYERS
        {
            self.layers.push(Layer::new(Stage::Waiting, client));
        }
        // Bytes of this call are newer than what waits, so they are fed after it.
        let first_new = queue.len();
        let seen = sink.seen;
        for (role, bytes) in sink.forwarded.drain(..) {
            queue.push_back(Work { layer: inner, from: direction(client, role), seen, bytes });
        }
        let (next, done, late) = (sink.next, sink.done, sink.late);
        if let Some(next) = next {
            self.assign(inner, next, client, first_new);
        }
        if done {
            let has_inner = self.layers.len() > inner;
            if let Some(layer) = self.layers.get_mut(at) {
                layer.set(match (has_inner, late) {
                    (true, _) => Stage::Bypassed,
                    (false, true) => Stage::Late,
                    (false, false) => Stage::Dead,
                });
            }
        }
    }

    /// The outer layer has said who takes the inner bytes.
    fn assign(&mut self, inner: usize, next: Next, client: Direction, first_new: usize) {
        let Some(layer) = self.layers.get_mut(inner).filter(|layer| layer.stage == Stage::Waiting) else {
            return;
        };
        let chunks = layer.held.take().map(|held| held.chunks).unwrap_or_default();
        match next {
            Next::Named(id) => match analyzers::number(id) {
                Some(number) => {
                    let found = Found { number, role: Role::Client, by_content: true };
                    self.start(inner, found, client, Basis::Handshake);
                }
                None => layer.kill(),
            },
            Next::Probe => layer.set(Stage::Probing),
        }
        let queue = &mut self.tools.queue;
        for (offset, (from, seen, bytes)) in chunks.into_iter().enumerate() {
            let at = first_new.saturating_add(offset).min(queue.len());
            queue.insert(at, Work { layer: inner, from, seen, bytes });
        }
    }
}

fn context(flow: &FlowHead, client: Direction, before: Directions, tools: &Tools) -> Context {
    let FlowKey { transport, orig, resp, .. } = flow.key;
    let (client, server) = match client {
        Direction::OrigToResp => (orig, resp),
        Direction::RespToOrig => (resp, orig),
    };
    Context { transport, client, server, from_start: before.is_empty(), secrets: tools.secrets.clone() }
}

/// Runs analyzer code; false if it panicked, which is a bug of ours in one flow and must not end the run.
fn guarded(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::ProbeInput;
    use crate::model::{Endpoint, Transport};

    fn told_by_content(id: &str, bytes: &[u8], src_port: u16, dst_port: u16) -> bool {
        let definition = analyzers::REGISTRY.iter().find(|definition| definition.id == id).unwrap();
        let transport = definition.transports[0];
        let input = ProbeInput { bytes, transport, src_port, dst_port, at_start: false };
        let (Probe::Certainly(role) | Probe::Perhaps(role)) = (definition.probe)(&input) else {
            panic!("{id} not recognised")
        };
        is_by_content(definition.probe, &input, role)
    }

    #[test]
    fn encrypted_records_do_not_tell_who_sends_and_a_hello_does() {
        let record = [&[23, 3, 3, 0, 32][..], &[0x5a; 32], &[21, 3, 3, 0, 26], &[0x5a; 26]].concat();
        let mut hello = vec![22, 3, 1, 0, 60, 1, 0, 0, 56, 3, 3];
        hello.resize(65, 0);
        for (src, dst) in [(50_443, 34_418), (34_418, 50_443), (443, 50_000), (443, 443)] {
            assert!(!told_by_content("tls", &record, src, dst), "{src} {dst}");
            assert!(told_by_content("tls", &hello, src, dst), "{src} {dst}");
        }
    }

    #[test]
    fn a_request_tells_who_asks_whatever_its_ports() {
        for (src, dst) in [(50_000, 80), (80, 50_000), (80, 80)] {
            assert!(
                told_by_content("http", b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", src, dst),
                "{src} {dst}"
            );
        }
    }

    /// Names of the fields that were observed.
    #[derive(Default)]
    struct Observed(Vec<&'static str>);

    impl Listener for Observed {
        fn observed(&mut self, observations: &mut Vec<(Seen, Observation)>) {
            for (_, observation) in observations.drain(..) {
                if let Observation::Fact(field, _) = observation {
                    self.0.push(field.name);
                }
            }
        }

        fn failed(&mut self, analyzer: &'static str, _: FlowKey, _: Seen) {
            panic!("{analyzer} failed");
        }
    }

    #[test]
    fn a_gap_of_unknown_length_is_not_taken_for_one_byte() {
        let end = |port| Endpoint { ip: [192, 0, 2, 1].into(), port };
        let key = FlowKey { transport: Transport::Tcp, orig: end(50_000), resp: end(443) };
        let seen = Seen { at: Timestamp::default(), frame: FrameRef::default() };
        let flow = FlowHead { key, first: seen, midstream: false };
        let (mut session, mut observed) = (Session::default(), Observed::default());
        let mut tools = Tools::new(&Arc::default());
        let mut hello = vec![22, 3, 1, 0, 60, 1, 0, 0, 56, 3, 3];
        hello.resize(65, 0);
        // A record of which the end is missing, an empty piece for what is missing, an alert.
        let data = [&[23, 3, 3, 0, 100][..], &[0x5a; 20]].concat();
        for bytes in [&hello[..], &data, &[], &[21, 3, 3, 0, 2, 2, 48]] {
            session.data(&flow, Direction::OrigToResp, bytes, seen, &mut tools, &mut observed);
        }
        assert!(observed.0.contains(&"tls.client_fatal_alert"), "{:?}", observed.0);
    }
}
