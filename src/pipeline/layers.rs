//! The layers of a session: who takes the bytes of each, and what waits until that is known.

use crate::analyzers::{self, Analyzer};
use crate::model::evidence::Seen;
use crate::model::flow::Basis;
use crate::model::{Direction, Transport};

/// Layers in a chain; an HTTP CONNECT inside an HTTP CONNECT inside … ends here.
pub(super) const MAX_LAYERS: usize = 5;

/// Bytes kept of each layer (both directions together) until its protocol is known.
const PROBE_BUDGET: usize = 8 * 1024;

/// A chain of layers, which nearly always is one layer.
pub(super) struct Layers {
    outermost: Layer,
    inner: Vec<Layer>,
    /// Directions in which bytes are missing after the last that came.
    pub(super) lacks: Directions,
    /// Directions in which bytes are missing since a layer was done.
    pub(super) missed: Directions,
}

/// One of them.
pub(super) struct Layer {
    /// Who took these bytes, kept after it is done: at the end it may have something to tell.
    pub(super) analyzer: Option<Box<dyn Analyzer>>,
    /// Directions in which bytes are missing before the first that came.
    pub(super) before: Directions,
    /// Directions in which its analyzer was given something.
    pub(super) heard: Directions,
    /// Bytes that wait.
    pub(super) held: Option<Box<Held>>,
    pub(super) stage: Stage,
    /// Datagrams or late segments that were offered to probes.
    pub(super) tries: u8,
    /// Of the analyzer, in the registry.
    pub(super) number: u8,
    /// Direction from client to server; meaningful once active or bypassed.
    pub(super) client: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The outer layer has not said yet who takes these bytes.
    Waiting,
    /// Nobody has recognised these bytes yet.
    Probing,
    /// Nobody has, but one that starts late still may.
    Late,
    /// The layer's analyzer takes them.
    Active,
    /// Its analyzer is done: bytes go to the next layer.
    Bypassed,
    /// Nobody wants these bytes.
    Dead,
}

type Chunk = (Direction, Seen, Vec<u8>);

/// Bytes that wait, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) chunks: Vec<Chunk>,
    bytes: usize,
    /// Directions in which every probe has said no.
    pub(super) refused: Directions,
}

impl Held {
    /// Whether it may hold these as well.
    pub(super) fn has_room(&self, bytes: &[u8]) -> bool {
        self.bytes.saturating_add(bytes.len()) <= PROBE_BUDGET
    }

    /// The bytes of one direction, in order.
    pub(super) fn stream(&self, from: Direction) -> Vec<u8> {
        self.chunks.iter().filter(|(dir, ..)| *dir == from).flat_map(|(.., bytes)| bytes).copied().collect()
    }
}

/// A set of directions.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Directions {
    orig: bool,
    resp: bool,
}

impl Directions {
    pub(super) const BOTH: Self = Self { orig: true, resp: true };

    /// Those that are in either.
    pub(super) fn with(self, other: Self) -> Self {
        Self { orig: self.orig || other.orig, resp: self.resp || other.resp }
    }

    pub(super) fn set(&mut self, from: Direction) {
        match from {
            Direction::OrigToResp => self.orig = true,
            Direction::RespToOrig => self.resp = true,
        }
    }

    pub(super) fn has(self, from: Direction) -> bool {
        match from {
            Direction::OrigToResp => self.orig,
            Direction::RespToOrig => self.resp,
        }
    }

    pub(super) fn is_empty(self) -> bool {
        !self.orig && !self.resp
    }

    pub(super) fn both(self) -> bool {
        self.orig && self.resp
    }
}

impl Layer {
    pub(super) fn new(stage: Stage, client: Direction) -> Self {
        Self {
            analyzer: None,
            before: Directions::default(),
            heard: Directions::default(),
            held: None,
            stage,
            tries: 0,
            number: 0,
            client,
        }
    }

    /// With the analyzer of this number in the registry, and what it did not get.
    pub(super) fn active(
        analyzer: Box<dyn Analyzer>,
        number: u8,
        client: Direction,
        before: Directions,
    ) -> Self {
        Self { analyzer: Some(analyzer), number, before, ..Self::new(Stage::Active, client) }
    }

    /// Goes to another stage, with nothing held.
    pub(super) fn set(&mut self, stage: Stage) {
        self.stage = stage;
        self.held = None;
        self.tries = 0;
    }

    /// Switches it off for good.
    pub(super) fn kill(&mut self) {
        self.set(Stage::Dead);
        self.analyzer = None;
    }

    /// Keeps bytes until it is known whose they are; false if they are too many.
    pub(super) fn hold(&mut self, from: Direction, seen: Seen, bytes: &[u8]) -> bool {
        let held = self.held.get_or_insert_default();
        if !held.has_room(bytes) {
            return false;
        }
        held.bytes = held.bytes.saturating_add(bytes.len());
        held.chunks.push((from, seen, bytes.to_vec()));
        true
    }

    /// Whether its analyzer only knows streams, which another protocol has made of datagrams then.
    pub(super) fn takes_streams(&self) -> bool {
        let definition = analyzers::REGISTRY.get(usize::from(self.number));
        self.stage == Stage::Active
            && definition.is_some_and(|definition| !definition.transports.contains(&Transport::Udp))
    }

    /// What its analyzer is called.
    pub(super) fn id(&self) -> &'static str {
        id(self.number)
    }

    /// About what it takes beside itself.
    fn bytes(&self) -> usize {
        let held = self.held.as_ref().map_or(0, |held| {
            let chunks = held.chunks.capacity().saturating_mul(size_of::<Chunk>());
            held.bytes.saturating_add(chunks).saturating_add(size_of::<Held>())
        });
        self.analyzer.as_ref().map_or(0, |analyzer| analyzer.bytes()).saturating_add(held)
    }
}

impl Layers {
    /// One, to be recognised; `from` is who speaks first.
    pub(super) fn new(from: Direction) -> Self {
        let outermost = Layer::new(Stage::Probing, from);
        Self { outermost, inner: Vec::new(), lacks: Directions::default(), missed: Directions::default() }
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Layer> {
        match at.checked_sub(1) {
            None => Some(&mut self.outermost),
            Some(at) => self.inner.get_mut(at),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<&Layer> {
        match at.checked_sub(1) {
            None => Some(&self.outermost),
            Some(at) => self.inner.get(at),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.inner.len().saturating_add(1)
    }

    pub(super) fn push(&mut self, layer: Layer) {
        self.inner.reserve_exact(1);
        self.inner.push(layer);
    }

    fn iter(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.outermost).chain(&self.inner)
    }

    /// The first that does not just pass its bytes on.
    pub(super) fn first_live(&self) -> usize {
        // Nearly always it is the first.
        if self.outermost.stage != Stage::Bypassed {
            return 0;
        }
        let inner = self.inner.iter().position(|layer| layer.stage != Stage::Bypassed);
        inner.map_or_else(|| self.len(), |at| at.saturating_add(1))
    }

    /// Whether anybody may still take what layer `at` forwards.
    pub(super) fn payload_wanted(&self, at: usize) -> bool {
        let inner = at.saturating_add(1);
        inner < MAX_LAYERS && self.get(inner).is_none_or(|layer| layer.stage != Stage::Dead)
    }

    /// Bytes are wanted as long as the first layer that does not just pass them on takes them.
    pub(super) fn want_more(&self) -> bool {
        self.get(self.first_live()).is_some_and(|layer| layer.stage != Stage::Dead)
    }

    /// Whether no analyzer must know when the last packet comes.
    pub(super) fn may_end_early(&self) -> bool {
        self.iter().filter_map(|layer| layer.analyzer.as_ref()).all(|analyzer| analyzer.may_end_early())
    }

    /// About what they take.
    pub(super) fn bytes(&self) -> usize {
        let inner = self.inner.capacity().saturating_mul(size_of::<Layer>());
        let own = size_of::<Self>().saturating_add(inner);
        self.inner
            .iter()
            .map(Layer::bytes)
            .fold(own.saturating_add(self.outermost.bytes()), usize::saturating_add)
    }
}

/// Which protocols were recognised and how, outermost first.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Services {
    /// One more than each number in the registry; zero where there is none.
    numbers: [u8; MAX_LAYERS],
    /// How each was recognised, [`BASIS_BITS`] bits each.
    bases: u16,
}

const BASIS_BITS: u32 = 3;

impl Services {
    pub(super) fn push(&mut self, number: u8, basis: Basis) {
        if let Some((free, at)) = self.numbers.iter_mut().zip(0..).find(|(known, _)| **known == 0) {
            *free = number.saturating_add(1);
            let bits: u16 = match basis {
                Basis::Handshake => 0,
                Basis::Content => 1,
                Basis::Shape => 2,
            };
            self.bases |= bits.checked_shl(BASIS_BITS.saturating_mul(at)).unwrap_or(0);
        }
    }

    /// What they are called.
    pub(super) fn ids(self) -> impl Iterator<Item = &'static str> {
        self.numbers.into_iter().filter_map(|known| known.checked_sub(1)).map(id)
    }

    /// How each was recognised.
    pub(super) fn bases(self) -> impl Iterator<Item = Basis> {
        let count = self.numbers.iter().take_while(|known| **known != 0).count();
        (0..).take(count).map(move |at| {
            match self.bases.checked_shr(BASIS_BITS.saturating_mul(at)).unwrap_or(0) & 0b111 {
                0 => Basis::Handshake,
                1 => Basis::Content,
                _ => Basis::Shape,
            }
        })
    }
}

fn id(number: u8) -> &'static str {
    analyzers::REGISTRY.get(usize::from(number)).map_or("", |definition| definition.id)
}
