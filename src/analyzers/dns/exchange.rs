//! Which query a response answers.

use std::collections::VecDeque;

use super::message::Question;
use crate::analyzers::Role;
use crate::model::evidence::Seen;

/// A query that waits for its answer.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    id: u16,
    by: Role,
    pub(super) question: Question,
    /// Its frame.
    pub(super) seen: Seen,
}

/// What a response is to the queries before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// The answer to a query that waits.
    Query,
    /// Another answer to a query already answered.
    Again,
    /// No query with its identifier was captured, and none with its question waits.
    Nothing,
    /// A query with its identifier waits, which asks something else.
    OtherQuestion,
    /// A query with its question waits, which has another identifier.
    OtherId,
}

/// The queries of one flow.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    /// In order of asking, at most [`MAX_WAITING`].
    waiting: VecDeque<Asked>,
    /// Identifiers answered last, at most [`MAX_ANSWERED`].
    answered: VecDeque<(Role, u16)>,
}

impl Exchanges {
    /// Records a query; true if it is new, false if it repeats one that waits. What it displaces is pushed to
    /// `unanswered`.
    pub(super) fn ask(
        &mut self,
        by: Role,
        id: u16,
        question: &Question,
        seen: Seen,
        unanswered: &mut Vec<Asked>,
    ) -> bool {
        let same_id = self.waiting.iter().position(|asked| asked.id == id && asked.by == by);
        if let Some(at) = same_id {
            if self.waiting.get(at).is_some_and(|asked| asked.question == *question) {
                return false;
            }
            // The identifier is used anew: its asker has stopped waiting.
            unanswered.extend(self.waiting.remove(at));
        }
        if self.waiting.len() >= MAX_WAITING {
            unanswered.extend(self.waiting.pop_front());
        }
        self.waiting.push_back(Asked { id, by, question: question.clone(), seen });
        true
    }

    /// Finds what a response from the peer of `asker` answers. A response without a question (an error of a
    /// server that could not read the query) is matched by its identifier.
    pub(super) fn answer(&mut self, asker: Role, id: u16, question: Option<&Question>) -> Answers {
        let mut same_id = false;
        let mut same_question = false;
        let mut found = None;
        for (at, asked) in self.waiting.iter().enumerate().filter(|(_, asked)| asked.by == asker) {
            let fits = question.is_none_or(|question| *question == asked.question);
            if asked.id == id && fits {
                found = Some(at);
                break;
            }
            same_id |= asked.id == id;
            same_question |= fits && question.is_some();
        }
        if let Some(at) = found {
            self.waiting.remove(at);
            if self.waiting.is_empty() {
                // Most flows have one query, and there may be very many.
                self.waiting = VecDeque::new();
            }
            if self.answered.len() >= MAX_ANSWERED {
                self.answered.pop_front();
            }
            self.answered.push_back((asker, id));
            return Answers::Query;
        }
        match (same_id, self.answered.contains(&(asker, id)), same_question) {
            (true, _, _) => Answers::OtherQuestion,
            (_, true, _) => Answers::Again,
            (_, _, true) => Answers::OtherId,
            _ => Answers::Nothing,
        }
    }

    /// About what they take beside themselves.
    pub(super) fn held(&self) -> usize {
        let names = self.waiting.iter().map(|asked| asked.question.name.len());
        let places = self.waiting.capacity().saturating_mul(size_of::<Asked>());
        names.fold(places, usize::saturating_add)
    }

    /// Everything that still waits, in order of asking.
    pub(super) fn into_unanswered(self) -> impl Iterator<Item = Asked> {
        self.waiting.into_iter()
    }
}

/// Queries of one flow that may wait at a time; a forwarder's flow has the most.
const MAX_WAITING: usize = 128;

/// Answered identifiers remembered, to know a duplicate.
const MAX_ANSWERED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::dns::testing::seen;

    fn question(name: &str) -> Question {
        Question { name: name.into(), kind: 1, class: 1 }
    }

    #[test]
    fn answers_are_told_from_forgeries() {
        let mut exchanges = Exchanges::default();
        let mut lost = Vec::new();
        assert!(exchanges.ask(Role::Client, 7, &question("a"), seen(1), &mut lost));
        assert!(!exchanges.ask(Role::Client, 7, &question("a"), seen(2), &mut lost));
        assert!(lost.is_empty());
        let mut answer = |asker, id, name: &str| exchanges.answer(asker, id, Some(&question(name)));
        assert_eq!(answer(Role::Server, 7, "a"), Answers::Nothing);
        assert_eq!(answer(Role::Client, 8, "b"), Answers::Nothing);
        assert_eq!(answer(Role::Client, 8, "a"), Answers::OtherId);
        assert_eq!(answer(Role::Client, 7, "b"), Answers::OtherQuestion);
        assert_eq!(answer(Role::Client, 7, "a"), Answers::Query);
        assert_eq!(answer(Role::Client, 7, "a"), Answers::Again);
        assert_eq!(exchanges.into_unanswered().count(), 0);
    }

    #[test]
    fn an_error_without_question_answers_by_identifier() {
        let mut exchanges = Exchanges::default();
        exchanges.ask(Role::Client, 7, &question("a"), seen(1), &mut Vec::new());
        assert_eq!(exchanges.answer(Role::Client, 8, None), Answers::Nothing);
        assert_eq!(exchanges.answer(Role::Client, 7, None), Answers::Query);
    }

    #[test]
    fn what_is_displaced_is_unanswered() {
        let mut exchanges = Exchanges::default();
        let mut lost = Vec::new();
        for id in 0..=MAX_WAITING as u16 {
            exchanges.ask(Role::Client, id, &question(&id.to_string()), seen(id.into()), &mut lost);
        }
        assert_eq!(lost.iter().map(|asked| &*asked.question.name).collect::<Vec<_>>(), ["0"]);
        exchanges.ask(Role::Client, 5, &question("other"), seen(999), &mut lost);
        assert_eq!(lost.iter().map(|asked| &*asked.question.name).collect::<Vec<_>>(), ["0", "5"]);
        assert_eq!(exchanges.into_unanswered().count(), MAX_WAITING);
    }
}
