//! How an attempt went, told from packets alone.

use super::subject::{View, is_tls};
use crate::analyzers::{ntp, tls};
use crate::model::Transport;
use crate::model::flow::ConnState;
use crate::model::observation::Fact;
use crate::naming::Proxied;

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The responder took part: a handshake, or a datagram back.
    Answered,
    /// The responder, or somebody in its name, sent RST to the SYN.
    Reset,
    /// An ICMP error came back: type and code.
    Unreachable(u8, u8),
    /// Nothing came back.
    Silent,
    /// The connection's beginning was not captured, so it works at least in part.
    Midstream,
}

impl Outcome {
    /// Whether the responder took part in the flow.
    pub fn answered(self) -> bool {
        matches!(self, Self::Answered | Self::Midstream)
    }

    /// Whether it was told no.
    pub fn refused(self) -> bool {
        matches!(self, Self::Reset | Self::Unreachable(..))
    }

    /// One short comparable value.
    pub fn word(self) -> String {
        match self {
            Self::Answered | Self::Midstream => String::from("answered"),
            Self::Reset => String::from("refused (RST)"),
            Self::Unreachable(kind, code) => format!("unreachable (ICMP {kind}/{code})"),
            Self::Silent => String::from("unanswered"),
        }
    }
}

/// How the connection (not yet its protocol) went.
pub fn of(view: &View<'_>) -> Outcome {
    let flow = view.flow;
    if super::capture::shows_one_side(view) && flow.key.transport == Transport::Tcp {
        return Outcome::Midstream;
    }
    let unreachable = || {
        let error = flow.icmp_errors.first()?;
        Some(Outcome::Unreachable(error.kind, error.code))
    };
    match (&flow.tcp, flow.key.transport) {
        (Some(tcp), Transport::Tcp) => match tcp.state {
            ConnState::Rej => Outcome::Reset,
            ConnState::Rstr if tcp.syn_ack.is_none() && !tcp.midstream => Outcome::Reset,
            // Of one joined in its middle, these say only that the responder has not closed it.
            ConnState::S0 | ConnState::Rstos0 | ConnState::Sh if !(tcp.midstream && flow.answered()) => {
                unreachable().unwrap_or(Outcome::Silent)
            }
            _ if tcp.syn_ack.is_some() => Outcome::Answered,
            // Packets into the void, answered by RST and nothing else: nobody is there.
            _ if tcp.midstream && flow.bytes.resp == 0 && only_resets(&tcp.history) => Outcome::Reset,
            _ if tcp.midstream => Outcome::Midstream,
            _ if flow.answered() => Outcome::Answered,
            _ => unreachable().unwrap_or(Outcome::Silent),
        },
        _ if flow.answered() => Outcome::Answered,
        _ => unreachable().unwrap_or(Outcome::Silent),
    }
}

/// Whether the responder's letters of a connection's history are of RSTs alone, and there are any.
fn only_resets(history: &str) -> bool {
    let mut letters = history.chars().filter(char::is_ascii_lowercase).peekable();
    letters.peek().is_some() && letters.all(|letter| letter == 'r')
}

/// Whether the declared service worked, as far as packets show: the connection was answered, and where content was
/// recognised it got past its handshake.
pub fn worked(view: &View<'_>) -> bool {
    if !of(view).answered() {
        return false;
    }
    if view.is_proxy {
        return Proxied::of(view.flow).is_some_and(|proxied| proxied.granted);
    }
    let facts = &view.flow.facts;
    match view.service.first() {
        Some(id) if is_tls(id) => {
            let midstream = |fact: &Fact| fact.value.as_str() == Some("midstream");
            facts.has(&tls::HANDSHAKE_COMPLETED)
                || view.flow.tcp.as_ref().is_some_and(|tcp| tcp.midstream)
                || facts.of(&tls::HANDSHAKE_INCOMPLETE).any(midstream)
        }
        Some(&"ntp") => facts.has(&ntp::REPLY),
        _ => true,
    }
}
