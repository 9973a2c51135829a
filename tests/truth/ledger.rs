//! What agrees and what does not.

use std::collections::BTreeMap;

/// Counts per fact, and every disagreement.
#[derive(Default)]
pub(crate) struct Ledger {
    /// The capture at hand.
    pub(crate) capture: String,
    pub(crate) counts: BTreeMap<&'static str, Count>,
    pub(crate) disagreements: Vec<Disagreement>,
}

#[derive(Default)]
pub(crate) struct Count {
    pub(crate) agreed: u64,
    pub(crate) compared: u64,
}

/// One fact on which the two sides differ; nothing stands for not seen.
pub(crate) struct Disagreement {
    capture: String,
    fact: &'static str,
    key: String,
    theirs: String,
    ours: String,
}

impl Disagreement {
    pub(crate) fn cells(&self) -> [&str; 5] {
        [&self.capture, self.fact, &self.key, &self.theirs, &self.ours]
    }
}

impl Ledger {
    /// Compares one fact, unless neither side has it.
    pub(crate) fn compare(&mut self, fact: &'static str, key: &str, theirs: &str, ours: &str) {
        if theirs.is_empty() && ours.is_empty() {
            return;
        }
        let count = self.counts.entry(fact).or_default();
        count.compared += 1;
        if theirs == ours {
            count.agreed += 1;
            return;
        }
        self.disagreements.push(Disagreement {
            capture: self.capture.clone(),
            fact,
            key: key.to_owned(),
            theirs: theirs.to_owned(),
            ours: ours.to_owned(),
        });
    }
}
