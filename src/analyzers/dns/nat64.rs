//! How a network makes IPv6 addresses of IPv4 ones: what the answer for `ipv4only.arpa` shows (RFC 7050).

use std::net::IpAddr;

use super::NAT64_PREFIX;
use super::message::{Data, Message, Question, Section};
use crate::analyzers::Sink;
use crate::model::Value;
use crate::model::nat64::{Nat64Prefix, PROBE_NAME};

/// Observes the prefixes that a response for that name shows.
pub(super) fn observe(message: &Message, question: Option<&Question>, sink: &mut Sink) {
    if question.is_none_or(|question| *question.name != *PROBE_NAME) {
        return;
    }
    let answers = message.records.iter().filter(|record| record.section == Section::Answer);
    let shown = answers.filter_map(|record| match record.data {
        Data::Address(IpAddr::V6(address)) => Nat64Prefix::discovered(address),
        _ => None,
    });
    let mut known: Vec<Nat64Prefix> = shown.take(MAX_SHOWN).collect();
    known.sort_unstable();
    known.dedup();
    for prefix in known {
        sink.fact(&NAT64_PREFIX, Value::Text(prefix.to_string().into()));
    }
}

/// A network has one or two prefixes, each in two addresses.
const MAX_SHOWN: usize = 16;
