//! Which full handshake a resumed session goes back to: there its certificates were shown, and what they are is true of
//! the resumed connection as well, though it does not show them.

use foldhash::{HashMap, HashMapExt};

use super::subject::View;
use crate::analyzers::tls;
use crate::model::finding::Confidence;
use crate::model::{Facts, Field, Finding, Flow};

/// Finds, for every view that resumed a session, the flow of the same device whose full handshake issued it, if need be
/// over resumed ones that issued new tickets. `views` are by first frame, so a session is issued before it is resumed.
///
/// A key is an identifier or the hash of a ticket that a server chose at random; besides, both connections must go to the
/// same place by name or by address, because a server may claim any identifier.
pub(super) fn link(views: &mut [View<'_>]) {
    let mut issued: HashMap<&str, &Flow> = HashMap::new();
    for view in views.iter_mut().filter(|view| view.service.contains(&"tls")) {
        let flow = view.flow;
        let facts = &flow.facts;
        let resumed = text(facts, &tls::SESSION_RESUMED);
        let root = match resumed {
            None => Some(flow).filter(|_| text(facts, &tls::CERTIFICATE) == Some("visible")),
            Some(key) => issued.get(key).copied().filter(|root| same_place(root, flow)),
        };
        let Some(root) = root else { continue };
        view.session = resumed.map(|_| root);
        for key in facts.of(&tls::SESSION_ISSUED).filter_map(|fact| fact.value.as_str()) {
            issued.entry(key).or_insert(root);
        }
    }
}

fn text<'a>(facts: &'a Facts, field: &'static Field) -> Option<&'a str> {
    facts.first(field)?.value.as_str()
}

fn same_place(one: &Flow, other: &Flow) -> bool {
    let name = |flow: &'_ Flow| text(&flow.facts, &tls::SNI).map(str::to_ascii_lowercase);
    one.key.resp == other.key.resp || name(one).is_some_and(|name_of_one| Some(name_of_one) == name(other))
}

impl<'a> View<'a> {
    /// The facts that hold its certificates: its own, or of the handshake that issued its session.
    pub fn certificates(&self) -> &'a Facts {
        &self.session.unwrap_or(self.flow).facts
    }

    /// A finding about certificates: less sure, and said so, where they are those of another handshake.
    pub(super) fn about_certificates(&self, mut finding: Finding) -> Finding {
        let Some(issuer) = self.session else { return finding };
        finding.confidence = finding.confidence.min(Confidence::Strong);
        let frame = issuer.facts.first(&tls::CERTIFICATE).map_or(issuer.first, |fact| fact.evidence.first);
        if let (Some(evidence), Some(fact)) =
            (&mut finding.evidence, self.flow.facts.first(&tls::SESSION_RESUMED))
        {
            evidence.merge(&fact.evidence);
            evidence.count = 1;
        }
        finding.message = format!(
            "{} It resumed a session and showed no certificate: this is the one of the full handshake that issued the session (frame {}).",
            finding.message,
            frame.frame.no()
        );
        finding
    }
}
