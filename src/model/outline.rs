//! A flow's outline: what has to be looked at to tell whose flow it is, without taking it out of its table.

use super::packet::Link;
use super::{Facts, Flow, FlowKey, PerDirection, Seen};

/// What every flow is looked at for, where only some are needed whole.
#[derive(Debug, Clone, Copy)]
pub struct Outline<'a> {
    /// 5-tuple with roles.
    pub key: FlowKey,
    /// Link addresses of the first packet from each side.
    pub link: PerDirection<Option<Link>>,
    /// First packet.
    pub first: Seen,
    /// Last packet.
    pub last: Seen,
    /// What was learnt of its content; `None` if nothing was.
    pub facts: Option<&'a Facts>,
}

impl<'a> From<&'a Flow> for Outline<'a> {
    #[inline]
    fn from(flow: &'a Flow) -> Self {
        Self {
            key: flow.key,
            link: flow.link,
            first: flow.first,
            last: flow.last,
            facts: (!flow.facts.is_empty()).then_some(&flow.facts),
        }
    }
}
