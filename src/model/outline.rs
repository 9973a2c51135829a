//! A flow's outline: what has to be looked at to tell whose flow it is, without taking it out of its table.

use super::packed::{Dictionary, Packed};
use super::packet::Link;
use super::{Facts, Field, Flow, FlowKey, PerDirection, Seen};

/// What every flow is looked at for, where only some are needed whole.
#[derive(Debug, Clone, Copy)]
pub struct Outline<'a> {
    /// 5-tuple with roles.
    pub key: FlowKey,
    /// Link addresses of the first packet from each side.
    pub link: PerDirection<Option<Link>>,
    /// Whether a router had the first packet from each side before, by its hop limit.
    pub routed: PerDirection<bool>,
    /// First packet.
    pub first: Seen,
    /// Last packet.
    pub last: Seen,
    /// What was learnt of its content, if anything: far away in memory, so to be asked last.
    pub facts: Option<Said<'a>>,
}

/// Facts to look into.
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    /// As a whole flow has them.
    Whole(&'a Facts),
    /// As a flow in its table has them.
    Packed(&'a Packed, &'a Dictionary),
}

impl<'a> Said<'a> {
    /// The texts that any of `fields` had. Of a packed flow they come in order of first sighting, of a whole one field by
    /// field.
    pub fn texts(self, fields: &'a [&'static Field]) -> impl Iterator<Item = &'a str> {
        let (whole, packed) = match self {
            Self::Whole(facts) => (Some(facts), None),
            Self::Packed(packed, dictionary) => (None, Some((packed, dictionary))),
        };
        let whole = whole.into_iter().flat_map(move |facts| fields.iter().flat_map(|field| facts.of(field)));
        let packed =
            packed.into_iter().flat_map(move |(packed, dictionary)| packed.texts(dictionary, fields));
        whole.filter_map(|fact| fact.value.as_str()).chain(packed)
    }
}

impl<'a> From<&'a Flow> for Outline<'a> {
    #[inline]
    fn from(flow: &'a Flow) -> Self {
        Self {
            key: flow.key,
            link: flow.link,
            routed: PerDirection::default(),
            first: flow.first,
            last: flow.last,
            facts: (!flow.facts.is_empty()).then_some(Said::Whole(&flow.facts)),
        }
    }
}
