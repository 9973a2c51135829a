//! What the document's reader found to contradict itself, as the profile notes it.

use std::collections::HashMap;

use super::{Code, Family, Lint, Severity, Subject};

pub(super) static FAMILY: Family = Family { codes: &[&NOTED], find };

static NOTED: Code = Code {
    id: "contradiction-in-document",
    title: "Statements of the document contradict each other",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/contradiction-in-document.md"),
};

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    for contradiction in &subject.profile.contradictions {
        lints.push(Lint {
            line: contradiction.line,
            code: NOTED.id,
            severity: NOTED.severity,
            claims: contradiction.claims.clone(),
            message: contradiction.note.clone(),
            remedy: "ask the document's author which of them is meant".to_owned(),
        });
    }
}

/// Where the same contradiction is also told by a lint of its own, that one takes the note over: one row for one thing.
pub(super) fn join(lints: &mut Vec<Lint>) {
    let (notes, mut others): (Vec<Lint>, Vec<Lint>) =
        lints.drain(..).partition(|lint| lint.code == NOTED.id && lint.claims.len() > 1);
    let sorted = |lint: &Lint| {
        let mut claims = lint.claims.clone();
        claims.sort_unstable();
        claims
    };
    // The first of those with the same claims.
    let mut known: HashMap<Vec<String>, usize> = HashMap::new();
    for (at, lint) in others.iter().enumerate() {
        known.entry(sorted(lint)).or_insert(at);
    }
    for note in notes {
        match known.get(&sorted(&note)).and_then(|at| others.get_mut(*at)) {
            Some(lint) => lint.message = format!("{}; the profile notes: {}", lint.message, note.message),
            None => others.push(note),
        }
    }
    *lints = others;
}
