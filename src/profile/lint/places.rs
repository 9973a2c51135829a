//! Where keys stand in the file, for the lines of lints.

use std::collections::BTreeMap;

use super::super::yaml::{self, Item, Node, Place};

/// Lines of keys; empty for a file that is no YAML profile.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By path from the top: `["document", "reviewed"]`; two deep.
    keys: BTreeMap<Vec<String>, u64>,
    /// By claim or statement and key.
    claims: BTreeMap<(String, String), u64>,
}

impl Places {
    /// Of the file with this text.
    pub(super) fn of(text: &str) -> Self {
        let mut places = Self::default();
        let Ok(tree) = yaml::parse(text) else { return places };
        for (key, line, value) in entries(&tree) {
            places.keys.insert(vec![key.to_owned()], line);
            for (inner, line, _) in entries(value) {
                places.keys.insert(vec![key.to_owned(), inner.to_owned()], line);
            }
            if let Node::List(items) = &value.value {
                items.iter().for_each(|item| places.add_claim(item));
            }
        }
        places
    }

    fn add_claim(&mut self, item: &Item) {
        let id = entries(item).find_map(|(key, _, value)| match &value.value {
            Node::Text(id) | Node::Inferred(id) if key == "id" => Some(id.trim().to_owned()),
            _ => None,
        });
        let Some(id) = id else { return };
        for (key, line, _) in entries(item) {
            self.claims.insert((id.clone(), key.to_owned()), line);
        }
    }

    /// The line of a claim's key.
    pub(super) fn of_claim(&self, id: &str, key: &str) -> Option<u64> {
        self.claims.get(&(id.to_owned(), key.to_owned())).copied()
    }

    /// The line of the key at `path`.
    pub(super) fn of_key(&self, path: &[&str]) -> Option<u64> {
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        self.keys.get(&path).copied()
    }
}

fn entries(item: &Item) -> impl Iterator<Item = (&str, u64, &Item)> {
    let map = if let Node::Map(entries) = &item.value { entries.as_slice() } else { &[] };
    map.iter().map(|(key, value)| (key.value.as_str(), Place::from(key.referenced).line, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_path_and_by_claim() {
        let places = Places::of(
            "document:\n  title: x\n  reviewed: 2020\nclaims:\n  - id: A-1\n    lifetime: {max: 1 s}\n  - {id: 7, tls: {}}\n",
        );
        assert_eq!(places.of_key(&["document", "reviewed"]), Some(3));
        assert_eq!(places.of_claim("A-1", "lifetime"), Some(6));
        assert_eq!(places.of_claim("7", "tls"), Some(7));
        assert_eq!((places.of_claim("A-1", "tls"), places.of_key(&["claims", "A-1"])), (None, None));
    }

    #[test]
    fn what_is_no_profile_has_no_places() {
        assert_eq!(Places::of("[").of_key(&["claims"]), None);
        assert_eq!(Places::of("{\"a\": 1}").of_claim("", ""), None);
    }
}
