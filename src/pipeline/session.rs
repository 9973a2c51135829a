//! One flow's analyzers: recognises the protocol, feeds the analyzer, and hands inner bytes on.
//!
//! A flow has a chain of layers, the outermost first. Each is waiting to be told who takes its bytes, probing,
//! active, or dead. What layer *n* forwards goes to layer *n + 1*; a layer that is done passes its bytes on untouched.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::analyzers::{self, Analyzer, Context, Definition, Next, Probe, ProbeInput, Role, Sink};
use crate::flow::FlowHead;
use crate::model::evidence::Seen;
use crate::model::{Direction, FlowKey, Observation, Transport};

/// Bytes kept of each flow (both directions together) until its protocol is known.
const PROBE_BUDGET: usize = 8 * 1024;
/// Datagrams that are offered to the probes before a flow is given up as unknown.
const PROBE_DATAGRAMS: u8 = 8;
/// Protocols that may begin after another one's preamble (STARTTLS and its like), recognised at the start of a segment.
const STARTS_LATE: &[&str] = &["tls"];
/// Segments of an unknown protocol in which such a beginning is looked for.
const LATE_SEGMENTS: u8 = 64;
/// Layers in a chain; an HTTP CONNECT inside an HTTP CONNECT inside … ends here.
const MAX_LAYERS: usize = 5;

/// What a session tells its owner.
pub(crate) trait Listener {
    /// Something was observed.
    fn observed(&mut self, seen: Seen, observation: Observation);
    /// An analyzer panicked; it is switched off for this flow.
    fn failed(&mut self, analyzer: &'static str, flow: FlowKey, seen: Seen);
}

/// The analyzers of one flow.
#[derive(Default)]
pub(crate) struct Session {
    /// Outermost first; empty before the first byte.
    layers: Vec<Layer>,
    /// Identifiers of the protocols recognised, outermost first.
    pub(crate) service: Vec<&'static str>,
    /// Direction from client to server of the innermost protocol recognised.
    pub(crate) client: Option<Direction>,
    /// It was told something.
    begun: bool,
}

struct Layer {
    stage: Stage,
    /// Who took these bytes, kept after it is done: at the end it may have something to tell.
    analyzer: Option<(&'static Definition, Box<dyn Analyzer>)>,
    /// Direction from client to server; meaningful once active or bypassed.
    client: Direction,
}

enum Stage {
    /// The outer layer has not said yet who takes these bytes.
    Waiting(Held),
    /// Nobody has recognised these bytes yet.
    Probing(Held),
    /// Nobody has, but one that starts late still may; counts the segments seen.
    Late(u8),
    /// The layer's analyzer takes them.
    Active,
    /// Its analyzer is done: bytes go to the next layer.
    Bypassed,
    /// Nobody wants these bytes.
    Dead,
}

type Chunk = (Direction, Seen, Vec<u8>);

/// Bytes that wait, in order of arrival.
#[derive(Default)]
struct Held {
    chunks: Vec<Chunk>,
    bytes: usize,
    /// Directions in which every probe has said no.
    refused: [bool; 2],
    datagrams: u8,
    /// A gap came before the bytes of this direction.
    broken: [bool; 2],
}

impl Held {
    fn push(&mut self, from: Direction, seen: Seen, bytes: &[u8]) -> bool {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > PROBE_BUDGET {
            return false;
        }
        self.chunks.push((from, seen, bytes.to_vec()));
        true
    }

    /// The bytes of one direction, in order.
    fn stream(&self, from: Direction) -> Vec<u8> {
        self.chunks.iter().filter(|(dir, ..)| *dir == from).flat_map(|(.., bytes)| bytes).copied().collect()
    }
}

/// One thing to feed to a layer.
struct Work {
    layer: usize,
    from: Direction,
    seen: Seen,
    bytes: Vec<u8>,
}

impl Layer {
    /// About what it takes.
    fn bytes(&self) -> usize {
        let held = match &self.stage {
            Stage::Waiting(held) | Stage::Probing(held) => {
                held.bytes.saturating_add(held.chunks.capacity().saturating_mul(size_of::<Chunk>()))
            }
            _ => 0,
        };
        let analyzer = self.analyzer.as_ref().map_or(0, |(_, analyzer)| analyzer.bytes());
        size_of::<Self>().saturating_add(held).saturating_add(analyzer)
    }

    fn new(stage: Stage, client: Direction) -> Self {
        Self { stage, analyzer: None, client }
    }
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

fn index(from: Direction) -> usize {
    match from {
        Direction::OrigToResp => 0,
        Direction::RespToOrig => 1,
    }
}

impl Session {
    /// Whether it was never told anything.
    pub(crate) fn is_new(&self) -> bool {
        !self.begun
    }

    /// About what it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        let layers = self.layers.iter().map(Layer::bytes).fold(0, usize::saturating_add);
        let service = self.service.capacity().saturating_mul(size_of::<&str>());
        layers.saturating_add(service)
    }

    /// In-order stream bytes. Returns whether more are wanted.
    pub(crate) fn data(
        &mut self,
        flow: &FlowHead,
        from: Direction,
        bytes: &[u8],
        seen: Seen,
        listener: &mut dyn Listener,
    ) -> bool {
        self.begin(from);
        let outermost = self.first_live();
        let mut queue = VecDeque::new();
        self.feed(outermost, flow, from, bytes, seen, listener, &mut queue);
        self.drain(flow, listener, queue);
        self.wants_more()
    }

    /// Bytes that the capture does not hold. Returns whether more are wanted.
    pub(crate) fn gap(
        &mut self,
        flow: &FlowHead,
        from: Direction,
        missed: u64,
        seen: Seen,
        listener: &mut dyn Listener,
    ) -> bool {
        self.begin(from);
        let at = self.first_live();
        let mut queue = VecDeque::new();
        self.gap_in(at, flow, from, missed, seen, listener, &mut queue);
        self.drain(flow, listener, queue);
        self.wants_more()
    }

    #[expect(clippy::too_many_arguments, reason = "one packet's context, passed down one level")]
    fn gap_in(
        &mut self,
        at: usize,
        flow: &FlowHead,
        from: Direction,
        missed: u64,
        seen: Seen,
        listener: &mut dyn Listener,
        queue: &mut VecDeque<Work>,
    ) {
        let payload_wanted = self.payload_wanted(at);
        let Some(layer) = self.layers.get_mut(at) else { return };
        let client = layer.client;
        match &mut layer.stage {
            Stage::Probing(held) | Stage::Waiting(held) => {
                // What was held of this direction cannot be joined with what follows.
                if held.stream(from).is_empty() {
                    if let Some(broken) = held.broken.get_mut(index(from)) {
                        *broken = true;
                    }
                } else {
                    layer.stage = Stage::Late(0);
                }
            }
            Stage::Active => {
                let Some((definition, analyzer)) = &mut layer.analyzer else { return };
                let mut sink = Sink::new(seen);
                sink.wants_payload = payload_wanted;
                let ok = guarded(|| analyzer.gap(role(client, from), missed, &mut sink));
                let id = definition.id;
                self.settle(at, id, ok, sink, flow, listener, queue);
            }
            Stage::Bypassed | Stage::Late(_) | Stage::Dead => {}
        }
    }

    /// One datagram. Returns whether more are wanted.
    pub(crate) fn datagram(
        &mut self,
        flow: &FlowHead,
        from: Direction,
        bytes: &[u8],
        missed: u32,
        seen: Seen,
        listener: &mut dyn Listener,
    ) -> bool {
        self.begin(from);
        let Some(layer) = self.layers.first_mut() else { return false };
        if let Stage::Probing(held) = &mut layer.stage {
            held.datagrams = held.datagrams.saturating_add(1);
            let given_up = held.datagrams >= PROBE_DATAGRAMS;
            match probe(flow, from, bytes, Beginning::Seen) {
                Verdict::Is(definition, role) => {
                    self.start(0, definition, direction(from, role), flow);
                }
                _ if given_up => layer.stage = Stage::Dead,
                _ => {}
            }
        }
        let mut queue = VecDeque::new();
        if let Some(Layer { stage: Stage::Active, analyzer: Some((definition, analyzer)), client }) =
            self.layers.first_mut()
        {
            let mut sink = Sink::new(seen);
            let who = role(*client, from);
            let ok = guarded(|| analyzer.datagram(who, bytes, missed, &mut sink));
            let id = definition.id;
            self.settle(0, id, ok, sink, flow, listener, &mut queue);
        }
        self.wants_more()
    }

    /// The flow is over: every analyzer, the outermost first, tells what it still has to tell.
    pub(crate) fn end(&mut self, flow: &FlowHead, last: Seen, listener: &mut dyn Listener) {
        // An analyzer's last words may start an inner one, so the list may grow.
        let mut at = 0;
        while let Some(layer) = self.layers.get_mut(at) {
            if let Some((definition, analyzer)) = &mut layer.analyzer {
                let mut sink = Sink::new(last);
                let ok = guarded(|| analyzer.end(&mut sink));
                let id = definition.id;
                let mut queue = VecDeque::new();
                self.settle(at, id, ok, sink, flow, listener, &mut queue);
                self.drain(flow, listener, queue);
            }
            at = at.saturating_add(1);
        }
        self.layers = Vec::new();
    }

    /// Begins with what comes from `from`.
    fn begin(&mut self, from: Direction) {
        if !self.begun {
            self.begun = true;
            self.layers.reserve_exact(1);
            self.layers.push(Layer::new(Stage::Probing(Held::default()), from));
        }
    }

    fn first_live(&self) -> usize {
        self.layers
            .iter()
            .position(|layer| !matches!(layer.stage, Stage::Bypassed))
            .unwrap_or(self.layers.len())
    }

    /// Whether anybody may still take what layer `at` forwards.
    fn payload_wanted(&self, at: usize) -> bool {
        let inner = at.saturating_add(1);
        inner < MAX_LAYERS && self.layers.get(inner).is_none_or(|layer| !matches!(layer.stage, Stage::Dead))
    }

    /// Bytes are wanted as long as the first layer that does not just pass them on takes them.
    fn wants_more(&self) -> bool {
        self.layers.get(self.first_live()).is_some_and(|layer| !matches!(layer.stage, Stage::Dead))
    }

    /// Works off what analyzers forwarded, in order.
    fn drain(&mut self, flow: &FlowHead, listener: &mut dyn Listener, mut queue: VecDeque<Work>) {
        while let Some(work) = queue.pop_front() {
            self.feed(work.layer, flow, work.from, &work.bytes, work.seen, listener, &mut queue);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one packet's context, passed down one level")]
    fn feed(
        &mut self,
        at: usize,
        flow: &FlowHead,
        from: Direction,
        bytes: &[u8],
        seen: Seen,
        listener: &mut dyn Listener,
        queue: &mut VecDeque<Work>,
    ) {
        if bytes.is_empty() {
            // How an outer analyzer passes a gap of unknown length on.
            return self.gap_in(at, flow, from, 1, seen, listener, queue);
        }
        let payload_wanted = self.payload_wanted(at);
        let Some(layer) = self.layers.get_mut(at) else { return };
        match &mut layer.stage {
            Stage::Dead => {}
            Stage::Bypassed => {
                queue.push_back(Work { layer: at.saturating_add(1), from, seen, bytes: bytes.to_vec() });
            }
            Stage::Waiting(held) => {
                if !held.push(from, seen, bytes) {
                    layer.stage = Stage::Dead;
                }
            }
            Stage::Probing(held) => {
                if !held.push(from, seen, bytes) {
                    layer.stage = Stage::Late(0);
                    return;
                }
                self.try_start(at, flow, from, queue);
            }
            Stage::Late(segments) => {
                *segments = segments.saturating_add(1);
                if *segments > LATE_SEGMENTS {
                    layer.stage = Stage::Dead;
                } else if let Verdict::Is(definition, role) = probe(flow, from, bytes, Beginning::Late) {
                    self.start(at, definition, direction(from, role), flow);
                    queue.push_front(Work { layer: at, from, seen, bytes: bytes.to_vec() });
                }
            }
            Stage::Active => {
                let Some((definition, analyzer)) = &mut layer.analyzer else { return };
                let mut sink = Sink::new(seen);
                sink.wants_payload = payload_wanted;
                let who = role(layer.client, from);
                let ok = guarded(|| analyzer.data(who, bytes, &mut sink));
                let id = definition.id;
                self.settle(at, id, ok, sink, flow, listener, queue);
            }
        }
    }

    /// Probes what is held; on success starts the analyzer and queues the held bytes for it.
    fn try_start(&mut self, at: usize, flow: &FlowHead, from: Direction, queue: &mut VecDeque<Work>) {
        let Some(Layer { stage: Stage::Probing(held), .. }) = self.layers.get_mut(at) else { return };
        let broken = held.broken.get(index(from)).copied().unwrap_or(true);
        let beginning =
            if at > 0 || (!flow.midstream && !broken) { Beginning::Seen } else { Beginning::Missed };
        match probe(flow, from, &held.stream(from), beginning) {
            Verdict::Is(definition, role) => {
                let chunks = std::mem::take(&mut held.chunks);
                self.start(at, definition, direction(from, role), flow);
                // What is queued already came after what was held.
                for (dir, seen, bytes) in chunks.into_iter().rev() {
                    queue.push_front(Work { layer: at, from: dir, seen, bytes });
                }
            }
            Verdict::Nobody => {
                if let Some(refused) = held.refused.get_mut(index(from)) {
                    *refused = true;
                }
                if held.refused == [true, true] {
                    self.set_stage(at, Stage::Late(0));
                }
            }
            Verdict::Undecided => {}
        }
    }

    fn start(&mut self, at: usize, definition: &'static Definition, client: Direction, flow: &FlowHead) {
        let (client_end, server_end) = match client {
            Direction::OrigToResp => (flow.key.orig, flow.key.resp),
            Direction::RespToOrig => (flow.key.resp, flow.key.orig),
        };
        let context = Context {
            transport: flow.key.transport,
            client: client_end,
            server: server_end,
            from_start: at > 0 || !flow.midstream,
        };
        let analyzer = (definition.start)(&context);
        if let Some(layer) = self.layers.get_mut(at) {
            *layer = Layer { stage: Stage::Active, analyzer: Some((definition, analyzer)), client };
            self.service.push(definition.id);
            self.client.get_or_insert(client);
        }
    }

    fn set_stage(&mut self, at: usize, stage: Stage) {
        if let Some(layer) = self.layers.get_mut(at) {
            layer.stage = stage;
        }
    }

    /// Switches a layer off for good.
    fn kill(&mut self, at: usize) {
        if let Some(layer) = self.layers.get_mut(at) {
            layer.stage = Stage::Dead;
            layer.analyzer = None;
        }
    }

    /// Takes what one call to an analyzer left in its sink.
    #[expect(clippy::too_many_arguments, reason = "one packet's context, passed down one level")]
    fn settle(
        &mut self,
        at: usize,
        id: &'static str,
        ok: bool,
        sink: Sink,
        flow: &FlowHead,
        listener: &mut dyn Listener,
        queue: &mut VecDeque<Work>,
    ) {
        for (seen, observation) in sink.observations {
            listener.observed(seen, observation);
        }
        if !ok {
            listener.failed(id, flow.key, sink.seen);
            self.kill(at);
            return;
        }
        let inner = at.saturating_add(1);
        if (sink.next.is_some() || !sink.forwarded.is_empty())
            && self.layers.len() == inner
            && inner < MAX_LAYERS
        {
            let client = self.layers.get(at).map_or(Direction::OrigToResp, |layer| layer.client);
            self.layers.push(Layer::new(Stage::Waiting(Held::default()), client));
        }
        let client = self.layers.get(at).map_or(Direction::OrigToResp, |layer| layer.client);
        // Bytes of this call are newer than what waits, so they are fed after it.
        let first_new = queue.len();
        for (role, bytes) in sink.forwarded {
            queue.push_back(Work { layer: inner, from: direction(client, role), seen: sink.seen, bytes });
        }
        if let Some(next) = sink.next {
            self.assign(inner, next, client, flow, queue, first_new);
        }
        if sink.done {
            let has_inner = self.layers.len() > inner;
            if let Some(layer) = self.layers.get_mut(at) {
                layer.stage = if has_inner { Stage::Bypassed } else { Stage::Dead };
            }
        }
    }

    /// The outer layer has said who takes the inner bytes.
    fn assign(
        &mut self,
        inner: usize,
        next: Next,
        client: Direction,
        flow: &FlowHead,
        queue: &mut VecDeque<Work>,
        first_new: usize,
    ) {
        let Some(layer) = self.layers.get_mut(inner) else { return };
        let Stage::Waiting(held) = &mut layer.stage else { return };
        let chunks = std::mem::take(&mut held.chunks);
        match next {
            Next::Named(id) => match analyzers::by_id(id) {
                Some(definition) => self.start(inner, definition, client, flow),
                None => self.kill(inner),
            },
            Next::Probe => layer.stage = Stage::Probing(Held::default()),
        }
        for (offset, (from, seen, bytes)) in chunks.into_iter().enumerate() {
            let at = first_new.saturating_add(offset).min(queue.len());
            queue.insert(at, Work { layer: inner, from, seen, bytes });
        }
    }
}

enum Verdict {
    Is(&'static Definition, Role),
    Nobody,
    Undecided,
}

/// What is known of where the bytes at hand stand in their stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// They begin it.
    Seen,
    /// They follow bytes that were not captured.
    Missed,
    /// They follow bytes that nobody recognised.
    Late,
}

/// Asks every analyzer of the transport, in registry order. The first that is sure wins, even if an earlier one
/// is still undecided: undecided means that what it has seen could be many things.
fn probe(flow: &FlowHead, from: Direction, bytes: &[u8], beginning: Beginning) -> Verdict {
    let (src, dst) = match from {
        Direction::OrigToResp => (flow.key.orig, flow.key.resp),
        Direction::RespToOrig => (flow.key.resp, flow.key.orig),
    };
    let input = ProbeInput {
        bytes,
        transport: flow.key.transport,
        src_port: src.port,
        dst_port: dst.port,
        // Midstream, TLS is recognised by less than a hello; late, only a hello will do.
        at_start: beginning != Beginning::Missed,
    };
    let mut undecided = false;
    for definition in analyzers::REGISTRY {
        let too_late = beginning == Beginning::Late && !STARTS_LATE.contains(&definition.id);
        if too_late || !definition.transports.contains(&flow.key.transport) {
            continue;
        }
        match (definition.probe)(&input) {
            Probe::Is(role) => return Verdict::Is(definition, role),
            Probe::More => undecided = true,
            Probe::Not => {}
        }
    }
    if undecided && flow.key.transport == Transport::Tcp { Verdict::Undecided } else { Verdict::Nobody }
}

/// Runs analyzer code; false if it panicked, which is a bug of ours in one flow and must not end the run.
fn guarded(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_ok()
}
