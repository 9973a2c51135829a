//! What shipped captures have for each analyzer, gathered as the pipeline would feed it: in order, recognised by content,
//! handed on from the outer protocol to the inner one.

use std::collections::BTreeMap;

use wireclaim::analyzers::{self, Context, Definition, Next, Probe, ProbeInput, REGISTRY, Role};
use wireclaim::capture::{Input, Options};
use wireclaim::decode::{Decoded, decode};
use wireclaim::flow::{FlowHead, FlowTable, Handler, KeyHasher, Limits};
use wireclaim::model::evidence::Seen;
use wireclaim::model::{Direction, FlowKey, FrameRef, Timestamp};

use super::CASES;
use super::analyzers::listen;
use super::made_up::MESSAGES;

/// What an analyzer is fed at once: a piece of a stream, or a datagram.
pub(crate) struct Piece {
    pub(crate) from: Direction,
    /// `None` for a gap.
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) missed: u64,
    pub(crate) seen: Seen,
}

/// Everything that one flow has for one analyzer.
pub(crate) struct Talk {
    pub(crate) context: Context,
    pub(crate) client: Direction,
    pub(crate) pieces: Vec<Piece>,
}

type Talks = BTreeMap<&'static str, Vec<Talk>>;

/// Stands for the frame of what was in none.
pub(crate) fn nowhere() -> Seen {
    Seen { at: Timestamp::default(), frame: FrameRef::default() }
}

/// What there is for each analyzer, by its identifier.
pub(crate) fn of_all() -> Talks {
    let mut talks = Talks::new();
    for flow in recorded() {
        share_out(&mut talks, &flow.head, flow.pieces, None);
    }
    for message in MESSAGES {
        let head = FlowHead { key: message.key(), first: nowhere(), midstream: false };
        let bytes = Some(message.bytes.to_vec());
        let piece = Piece { from: Direction::OrigToResp, bytes, missed: 0, seen: nowhere() };
        share_out(&mut talks, &head, vec![piece], None);
    }
    talks
}

/// Gives pieces of a flow to the analyzer `known`, else to whoever recognises them, and what it passes on to the next.
fn share_out(talks: &mut Talks, head: &FlowHead, pieces: Vec<Piece>, known: Option<Taker>) {
    let Some(taker) = known.or_else(|| recognised(head, &pieces)) else { return };
    let Taker { definition, client } = taker;
    let FlowKey { transport, orig, resp } = head.key;
    let (client_end, server_end) = if client == Direction::OrigToResp { (orig, resp) } else { (resp, orig) };
    let context = Context {
        transport,
        client: client_end,
        server: server_end,
        from_start: !head.midstream,
        secrets: None,
    };
    let mut talk = Talk { context, client, pieces };
    let heard = listen(definition, &talk);
    // What an analyzer is not asked to take does not count as its speed.
    let rest = talk.pieces.split_off(heard.taken);
    if let Some(next) = heard.next {
        let known = match next {
            Next::Named(id) => analyzers::by_id(id).map(|definition| Taker { definition, client }),
            Next::Probe => None,
        };
        let mut inner = heard.inner;
        inner.extend(rest);
        share_out(talks, head, inner, known);
    }
    talks.entry(definition.id).or_default().push(talk);
}

struct Taker {
    definition: &'static Definition,
    client: Direction,
}

/// The first who is sure of either direction's bytes so far.
fn recognised(head: &FlowHead, pieces: &[Piece]) -> Option<Taker> {
    let mut streams: [Vec<u8>; 2] = Default::default();
    pieces.iter().find_map(|piece| {
        let is_orig = piece.from == Direction::OrigToResp;
        let stream = &mut streams[usize::from(is_orig)];
        stream.extend(piece.bytes.iter().flatten());
        let (src, dst) =
            if is_orig { (head.key.orig, head.key.resp) } else { (head.key.resp, head.key.orig) };
        let input = ProbeInput {
            bytes: stream,
            transport: head.key.transport,
            src_port: src.port,
            dst_port: dst.port,
            at_start: !head.midstream,
        };
        let fits = |definition: &&Definition| definition.transports.contains(&head.key.transport);
        REGISTRY.iter().copied().filter(fits).find_map(|definition| match (definition.probe)(&input) {
            Probe::Certainly(Role::Client) | Probe::Perhaps(Role::Client) => {
                Some(Taker { definition, client: piece.from })
            }
            Probe::Certainly(Role::Server) | Probe::Perhaps(Role::Server) => {
                Some(Taker { definition, client: piece.from.reverse() })
            }
            Probe::No | Probe::More => None,
        })
    })
}

/// A flow with everything that was said on it.
struct Flow {
    head: FlowHead,
    pieces: Vec<Piece>,
}

/// The flows of all shipped captures, each capture by itself, in the order in which they end.
fn recorded() -> Vec<Flow> {
    let mut flows = Recorder::default();
    let mut captures: Vec<_> = std::fs::read_dir(CASES)
        .expect("the cases are there")
        .flat_map(|case| std::fs::read_dir(case.expect("a folder entry").path()).expect("a case is a folder"))
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.file_stem().is_some_and(|name| name.to_string_lossy().starts_with("capture")))
        .collect();
    captures.sort();
    assert!(captures.len() >= 12, "the captures are there");
    for capture in captures {
        let mut input = Input::open(&[&capture], Options::default()).expect("the capture opens");
        let (mut table, hasher) = (FlowTable::new(Limits::default()), KeyHasher::default());
        while let Some(batch) = input.next_batch().expect("the capture can be read") {
            for frame in batch.frames() {
                if let Decoded::Packet(packet) = decode(&frame) {
                    table.packet(&packet, hasher.hash(&packet.key()), &mut flows);
                }
            }
        }
        table.close(&mut flows);
    }
    flows.0
}

/// Keeps everything that it is told.
#[derive(Default)]
struct Recorder(Vec<Flow>);

impl Handler for Recorder {
    type State = Vec<Piece>;

    fn data(
        &mut self,
        said: &mut Vec<Piece>,
        _: &FlowHead,
        from: Direction,
        bytes: &[u8],
        seen: Seen,
    ) -> bool {
        said.push(Piece { from, bytes: Some(bytes.to_vec()), missed: 0, seen });
        true
    }

    fn gap(&mut self, said: &mut Vec<Piece>, _: &FlowHead, from: Direction, missed: u64, seen: Seen) -> bool {
        said.push(Piece { from, bytes: None, missed, seen });
        true
    }

    fn datagram(
        &mut self,
        said: &mut Vec<Piece>,
        _: &FlowHead,
        from: Direction,
        bytes: &[u8],
        missed: u32,
        seen: Seen,
    ) -> bool {
        said.push(Piece { from, bytes: Some(bytes.to_vec()), missed: missed.into(), seen });
        true
    }

    fn closed(&mut self, said: &mut Vec<Piece>, head: &FlowHead, _: Seen) -> Option<Direction> {
        self.0.push(Flow { head: *head, pieces: std::mem::take(said) });
        None
    }
}
