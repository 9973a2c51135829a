//! Whether what one claim is about overlaps, or holds, what another is about.

use super::super::schema::ANYONE;
use super::super::{Claim, Condition, FlowRule, NamePattern, Peer, Ports, Profile, SlotPart, value};
use super::Declared;

/// Whether some flow may fall under both, for peers that are named equally narrowly.
pub(super) fn overlap(a: &Declared<'_>, b: &Declared<'_>) -> bool {
    same_peers(a.rule, b.rule) && overlap_whoever(a, b)
}

/// Whether direction, transport, port, protocol and conditions of both fit some flow, whoever the peer is.
pub(super) fn overlap_whoever(a: &Declared<'_>, b: &Declared<'_>) -> bool {
    (a.rule.way.is_none() || b.rule.way.is_none() || a.rule.way == b.rule.way)
        && subjects_meet(a.claim, b.claim)
        && share(&a.rule.transports, &b.rule.transports, |a, b| a == b)
        && share(&a.rule.services, &b.rule.services, |a, b| begins(a, b) || begins(b, a))
        && ports_overlap(&a.ports, &b.ports)
        && !exclude_each_other(a.claim, b.claim)
}

/// Whether somebody is bound by both.
pub(super) fn subjects_meet(a: &Claim, b: &Claim) -> bool {
    a.subject == b.subject || a.subject == ANYONE || b.subject == ANYONE
}

/// Whether both are about anybody, or name a peer in the same words.
pub(super) fn same_peers(a: &FlowRule, b: &FlowRule) -> bool {
    if a.peers.is_empty() || b.peers.is_empty() {
        return a.peers.is_empty() && b.peers.is_empty();
    }
    a.peers.iter().any(|peer| b.peers.contains(peer))
}

/// Whether every flow that falls under `inner` has the direction, transport, port and protocol of `outer`, which applies
/// whenever `inner` does. Peers are not looked at.
pub(super) fn shape_within(inner: &Declared<'_>, outer: &Declared<'_>) -> bool {
    let services_within = outer.rule.services.is_empty()
        || (!inner.rule.services.is_empty()
            && inner
                .rule
                .services
                .iter()
                .all(|chain| outer.rule.services.iter().any(|start| begins(chain, start))));
    let transports_within = outer.rule.transports.is_empty()
        || (!inner.rule.transports.is_empty()
            && inner.rule.transports.iter().all(|transport| outer.rule.transports.contains(transport)));
    (inner.claim.subject == outer.claim.subject || outer.claim.subject == ANYONE)
        && (outer.rule.way.is_none() || outer.rule.way == inner.rule.way)
        && services_within
        && transports_within
        && ports_within(&inner.ports, &outer.ports)
        && implies(inner.claim, outer.claim)
}

/// Whether every peer that `inner` names is named by `outer` in the same words.
pub(super) fn peers_within(inner: &FlowRule, outer: &FlowRule) -> bool {
    inner.peers.is_empty() == outer.peers.is_empty()
        && inner.peers.iter().all(|peer| outer.peers.contains(peer))
}

/// Whether every peer that `inner` names is one of those of `outer`, in the same words or in wider ones.
pub(super) fn peers_reach(inner: &FlowRule, outer: &FlowRule) -> bool {
    outer.peers.is_empty()
        || (!inner.peers.is_empty()
            && inner.peers.iter().all(|peer| outer.peers.iter().any(|wide| reaches(wide, peer))))
}

fn reaches(wide: &Peer, narrow: &Peer) -> bool {
    match (wide, narrow) {
        (Peer::Network(wide), Peer::Network(narrow)) => wide.contains(narrow),
        (Peer::Name(pattern), Peer::Name(NamePattern::Exact(name))) => pattern.matches(name),
        (wide, narrow) => wide == narrow,
    }
}

/// Whether `outer` applies whenever `inner` does.
fn implies(inner: &Claim, outer: &Claim) -> bool {
    outer.when.iter().all(|needed| {
        inner.when.iter().any(|given| match (given, needed) {
            (
                Condition::Variant { group: a, options: given },
                Condition::Variant { group: b, options: needed },
            ) => a == b && given.iter().all(|option| needed.contains(option)),
            (given, needed) => given == needed,
        })
    })
}

/// Whether no binding makes both claims apply.
pub(super) fn exclude_each_other(a: &Claim, b: &Claim) -> bool {
    a.when.iter().any(|a| b.when.iter().any(|b| conditions_exclude(a, b)))
}

/// Whether no binding meets both conditions.
pub(super) fn conditions_exclude(a: &Condition, b: &Condition) -> bool {
    match (a, b) {
        (Condition::Variant { group: a, options: of_a }, Condition::Variant { group: b, options: of_b }) => {
            a == b && !of_a.iter().any(|option| of_b.contains(option))
        }
        (Condition::Flag { parameter: a, is: is_a }, Condition::Flag { parameter: b, is: is_b }) => {
            a == b && is_a != is_b
        }
        (
            Condition::Version { parameter: a, ranges: of_a, unbound: open_a },
            Condition::Version { parameter: b, ranges: of_b, unbound: open_b },
        ) => {
            let both = of_a.iter().any(|a| of_b.iter().any(|b| a.overlaps(b)));
            a == b && !both && !(*open_a && *open_b)
        }
        _ => false,
    }
}

/// Whether two lists have something in common; an empty list is any.
pub(super) fn share<T>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|a| b.iter().any(|b| same(a, b)))
}

/// Whether the chain `long` begins with the chain `short`.
pub(super) fn begins(long: &str, short: &str) -> bool {
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The ports of a rule, with a parameter's default where it has one.
pub(super) fn ports_of(profile: &Profile, index: usize, rule: &FlowRule) -> Ports {
    let Ports::Unbound(name) = &rule.ports else { return rule.ports.clone() };
    let default = profile
        .parameters
        .iter()
        .find(|parameter| parameter.name == *name)
        .and_then(|parameter| value::ports(parameter.default.as_ref()?).ok());
    let except = profile.slots.iter().any(|slot| slot.claim == index && slot.part == SlotPart::PortsExcept);
    match default {
        Some(ranges) if except => Ports::Except(ranges),
        Some(ranges) => Ports::Of(ranges),
        // All but what is not known is not what is not known.
        None if except => Ports::Unbound(format!("any but {name}")),
        None => rule.ports.clone(),
    }
}

/// How many ports; `None` while they are unbound.
pub(super) fn count(ports: &Ports) -> Option<u32> {
    let sizes = ports.ranges()?;
    Some(sizes.into_iter().map(|(low, high)| u32::from(high.saturating_sub(low)).saturating_add(1)).sum())
}

/// Whether two claims have a port in common.
pub(super) fn ports_of_both(a: &Declared<'_>, b: &Declared<'_>) -> bool {
    ports_overlap(&a.ports, &b.ports)
}

fn ports_overlap(a: &Ports, b: &Ports) -> bool {
    !common(a, b).is_empty()
}

fn ports_within(inner: &Ports, outer: &Ports) -> bool {
    if inner == outer || *outer == Ports::Any {
        return true;
    }
    let (Some(inner), Some(outer)) = (inner.ranges(), outer.ranges()) else { return false };
    inner.iter().all(|(low, high)| outer.iter().any(|(from, to)| from <= low && high <= to))
}

/// The ports that are in both, as ascending ranges; none where one is unbound.
pub(super) fn common(a: &Ports, b: &Ports) -> Vec<(u16, u16)> {
    let (Some(a), Some(b)) = (a.ranges(), b.ranges()) else { return Vec::new() };
    let mut out = Vec::new();
    for (low, high) in &a {
        for (from, to) in &b {
            let (low, high) = (*low.max(from), *high.min(to));
            if low <= high {
                out.push((low, high));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_compared_as_sets() {
        let of = |ranges: &[(u16, u16)]| Ports::Of(ranges.to_vec());
        assert_eq!(common(&of(&[(80, 90), (443, 443)]), &of(&[(85, 500)])), [(85, 90), (443, 443)]);
        assert!(ports_overlap(&Ports::Except(vec![(80, 80)]), &Ports::Except(vec![(443, 443)])));
        assert!(!ports_overlap(&Ports::Except(vec![(80, 80)]), &of(&[(80, 80)])));
        assert!(ports_within(&Ports::Fallback(vec![993, 443]), &of(&[(443, 443), (900, 1000)])));
        assert!(!ports_within(&Ports::Any, &of(&[(1, 65_534)])));
        assert!(ports_within(&Ports::Unbound("p".into()), &Ports::Unbound("p".into())));
        assert!(!ports_overlap(&Ports::Unbound("p".into()), &of(&[(1, 2)])));
        assert_eq!(count(&Ports::Except(vec![(1, 1024)])), Some(64_511));
        assert_eq!(count(&Ports::Except(vec![(1, 65_535)])), Some(0));
    }

    #[test]
    fn a_chain_begins_at_whole_words() {
        assert!(begins("tls/mqtt", "tls") && begins("tls", "tls"));
        assert!(!begins("tlsx", "tls") && !begins("tls", "tls/mqtt"));
    }

    #[test]
    fn wider_words_reach_narrower_ones() {
        let network = |text: &str| Peer::Network(text.parse().unwrap());
        let name = |text: &str| Peer::Name(value::name_pattern(text).unwrap());
        assert!(reaches(&network("10.0.0.0/8"), &network("10.1.0.0/16")));
        assert!(!reaches(&network("10.1.0.0/16"), &network("10.0.0.0/8")));
        assert!(reaches(&name("*.a.example"), &name("x.a.example")));
        assert!(!reaches(&name("*.a.example"), &name("a.example")));
        assert!(!reaches(&name("*.a.example"), &network("10.0.0.0/8")));
    }
}
