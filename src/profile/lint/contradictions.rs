//! What the document's reader found to contradict itself, as the profile notes it.

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
    for note in notes {
        let same = |lint: &&mut Lint| {
            lint.claims.len() == note.claims.len() && lint.claims.iter().all(|id| note.claims.contains(id))
        };
        match others.iter_mut().find(same) {
            Some(lint) => lint.message = format!("{}; the profile notes: {}", lint.message, note.message),
            None => others.push(note),
        }
    }
    *lints = others;
}
