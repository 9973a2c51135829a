//! Each analyzer, fed what it is fed in all shipped captures, and where none has its protocol, a message that is
//! made up.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use wireclaim::analyzers::{self, Definition, Next, REGISTRY, Role, Sink};
use wireclaim::model::Transport;

use super::talks::{self, Piece, Talk, nowhere};

static TALKS: LazyLock<BTreeMap<&'static str, Vec<Talk>>> = LazyLock::new(talks::of_all);

fn ids() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|definition| definition.id)
}

#[divan::bench(args = ids())]
fn analyzer(bencher: Bencher<'_, '_>, id: &str) {
    let definition = analyzers::by_id(id).expect("the analyzer is registered");
    let talks = TALKS.get(id).unwrap_or_else(|| panic!("nothing to feed to {id}"));
    let all = || talks.iter().map(|talk| listen(definition, talk).observed).sum::<usize>();
    let observed = all();
    assert!(observed > 0, "{id} observes nothing");
    let pieces = || talks.iter().flat_map(|talk| &talk.pieces);
    let bytes: usize = pieces().filter_map(|piece| piece.bytes.as_ref()).map(Vec::len).sum();
    bencher
        .counter(BytesCount::new(bytes))
        .counter(ItemsCount::new(pieces().count()))
        .bench(|| assert_eq!(all(), observed));
}

/// What an analyzer made of a talk.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) observed: usize,
    /// What it has for an inner one, and which that is.
    pub(crate) inner: Vec<Piece>,
    pub(crate) next: Option<Next>,
    /// How many pieces it took.
    pub(crate) taken: usize,
}

/// Feeds a talk to its analyzer, as the pipeline does.
pub(crate) fn listen(definition: &Definition, talk: &Talk) -> Heard {
    let mut analyzer = (definition.start)(&talk.context);
    let mut heard = Heard::default();
    let mut sink = Sink::new(nowhere());
    for piece in &talk.pieces {
        sink.reset(piece.seen);
        let role = if piece.from == talk.client { Role::Client } else { Role::Server };
        match (&piece.bytes, talk.context.transport) {
            (None, _) => analyzer.gap(role, piece.missed, &mut sink),
            (Some(bytes), Transport::Udp) => analyzer.datagram(role, bytes, piece.missed as u32, &mut sink),
            (Some(bytes), _) => analyzer.data(role, bytes, &mut sink),
        }
        heard.taken += 1;
        heard.settle(talk, &mut sink);
        if sink.done {
            break;
        }
    }
    analyzer.end(&mut sink);
    heard.settle(talk, &mut sink);
    heard
}

impl Heard {
    fn settle(&mut self, talk: &Talk, sink: &mut Sink) {
        self.observed += sink.observations.drain(..).count();
        self.next = sink.next.or(self.next);
        for (role, bytes) in sink.forwarded.drain(..) {
            let from = if role == Role::Client { talk.client } else { talk.client.reverse() };
            let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
            self.inner.push(Piece { from, bytes, missed: 0, seen: sink.seen });
        }
    }
}
