//! Asks the analyzers whose bytes these are, and who sent them.

use std::sync::LazyLock;

use crate::analyzers::{self, Definition, Probe, ProbeInput, Role};
use crate::flow::FlowHead;
use crate::model::flow::Basis;
use crate::model::{Direction, Transport};

/// Protocols that may begin after another one's preamble (STARTTLS and its like), recognised at the start of a segment.
const STARTS_LATE: &[&str] = &["tls"];

/// What is made of the answers.
pub(super) enum Verdict {
    Is(Found, Basis),
    Nobody,
    Undecided,
}

/// What is known of where the bytes at hand stand in their stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// They begin it.
    Seen,
    /// They follow bytes that were not captured.
    Missed,
    /// They follow bytes that nobody recognised.
    Late,
}

/// The first that is certain wins, even if an earlier one is still undecided: undecided means that what it has seen
/// could be many things. One that only says that it may be wins where nobody is certain or undecided.
pub(super) fn probe(flow: &FlowHead, from: Direction, bytes: &[u8], beginning: Beginning) -> Verdict {
    let Survey { certain, perhaps, undecided } = survey(flow, from, bytes, beginning);
    match (certain, perhaps) {
        (Some(found), _) => Verdict::Is(found, Basis::Content),
        _ if undecided && flow.key.transport == Transport::Tcp => Verdict::Undecided,
        (None, Some(found)) => Verdict::Is(found, Basis::Shape),
        (None, None) => Verdict::Nobody,
    }
}

/// What the analyzers say of some bytes; of several that say the same, the first in the registry.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) certain: Option<Found>,
    pub(super) perhaps: Option<Found>,
    pub(super) undecided: bool,
}

/// One analyzer's answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Its number in the registry.
    pub(super) number: u8,
    /// Who sent the bytes.
    pub(super) role: Role,
    /// The content says so. Else only ports do, which is no more than the flow table knew.
    pub(super) by_content: bool,
}

/// Probes in registry order, each with its number there.
type Probes = Vec<(u8, fn(&ProbeInput<'_>) -> Probe)>;

/// Who is asked, by transport.
struct Asked {
    tcp: Probes,
    /// Of TCP, those that may begin after another one's preamble.
    late: Probes,
    udp: Probes,
}

static ASKED: LazyLock<Asked> = LazyLock::new(|| {
    let probes = |wanted: &dyn Fn(&Definition) -> bool| -> Probes {
        let all = (0..).zip(analyzers::REGISTRY);
        all.filter(|(_, definition)| wanted(definition)).map(|(number, it)| (number, it.probe)).collect()
    };
    let runs_on = |definition: &Definition, transport| definition.transports.contains(&transport);
    Asked {
        tcp: probes(&|it| runs_on(it, Transport::Tcp)),
        late: probes(&|it| runs_on(it, Transport::Tcp) && STARTS_LATE.contains(&it.id)),
        udp: probes(&|it| runs_on(it, Transport::Udp)),
    }
});

/// What probes are given of bytes sent `from` there.
pub(super) fn probe_input<'b>(
    flow: &FlowHead,
    from: Direction,
    bytes: &'b [u8],
    beginning: Beginning,
) -> ProbeInput<'b> {
    let (src, dst) = match from {
        Direction::OrigToResp => (flow.key.orig, flow.key.resp),
        Direction::RespToOrig => (flow.key.resp, flow.key.orig),
    };
    ProbeInput {
        bytes,
        transport: flow.key.transport,
        src_port: src.port,
        dst_port: dst.port,
        // Midstream, TLS is recognised by less than a hello; late, only a hello will do.
        at_start: beginning != Beginning::Missed,
    }
}

/// Asks every analyzer of the transport, in registry order, until one is certain.
pub(super) fn survey(flow: &FlowHead, from: Direction, bytes: &[u8], beginning: Beginning) -> Survey {
    let input = probe_input(flow, from, bytes, beginning);
    let mut survey = Survey::default();
    let asked = match (flow.key.transport, beginning) {
        (Transport::Tcp, Beginning::Late) => &ASKED.late,
        (Transport::Tcp, _) => &ASKED.tcp,
        (Transport::Udp, _) => &ASKED.udp,
        _ => return survey,
    };
    for (number, probe) in asked {
        let number = *number;
        let found = |role| Found { number, role, by_content: is_by_content(*probe, &input, role) };
        match probe(&input) {
            Probe::Certainly(role) => {
                survey.certain = Some(found(role));
                return survey;
            }
            Probe::Perhaps(role) => survey.perhaps = survey.perhaps.or_else(|| Some(found(role))),
            Probe::More => survey.undecided = true,
            Probe::No => {}
        }
    }
    survey
}

/// Whether content tells that `role` sends: the answer stays the same when the ports are exchanged. Between equal ports
/// it must not change when one of them, in turn, is a port that means nothing.
pub(super) fn is_by_content(probe: fn(&ProbeInput<'_>) -> Probe, input: &ProbeInput<'_>, role: Role) -> bool {
    let says = |src_port, dst_port| match probe(&ProbeInput { src_port, dst_port, ..*input }) {
        Probe::Certainly(role) | Probe::Perhaps(role) => Some(role),
        Probe::No | Probe::More => None,
    };
    let (src, dst) = (input.src_port, input.dst_port);
    if src == dst {
        [says(src, u16::MAX), says(u16::MAX, dst)].into_iter().flatten().all(|other| other == role)
    } else {
        says(dst, src) == Some(role)
    }
}
