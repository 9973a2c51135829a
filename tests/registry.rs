//! What holds for everything that is registered: a name exists once, is well formed, and says what it stands for.

use std::collections::BTreeSet;

use wireclaim::report::{self, Content};

/// Lower-case letters and digits in parts joined by `joint`, a letter first.
fn is_cased(id: &str, joint: char) -> bool {
    id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.split(joint).all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

fn assert_unique<'a>(ids: impl IntoIterator<Item = &'a str>) {
    let mut known = BTreeSet::new();
    for id in ids {
        assert!(known.insert(id), "`{id}` is there twice");
    }
    assert!(!known.is_empty());
}

#[test]
fn formats_have_unique_names_and_suffixes_and_help() {
    assert_unique(report::REGISTRY.iter().map(|format| format.name));
    assert_unique(report::REGISTRY.iter().flat_map(|format| format.suffixes.iter().copied()));
    for format in report::REGISTRY {
        assert!(is_cased(format.name, '-'), "{}", format.name);
        assert!(format.suffixes.iter().all(|suffix| is_cased(suffix, '-')), "{}", format.name);
        assert!((8..=60).contains(&format.help.len()), "help of {}: {}", format.name, format.help);
        assert!(!format.help.ends_with('.'), "help of {}: {}", format.name, format.help);
        assert!(format.offers(Content::Findings) || format.offers(Content::Flows), "{}", format.name);
    }
}

#[test]
fn formats_are_found_by_their_name_and_by_their_suffixes() {
    for format in report::REGISTRY {
        assert_eq!(report::by_name(format.name).map(|found| found.name), Some(format.name));
        for suffix in format.suffixes {
            let path = format!("some.folder/table.{}", suffix.to_uppercase());
            let found = report::by_suffix(path.as_ref());
            assert_eq!(found.map(|found| found.name), Some(format.name), "{path}");
        }
    }
    assert!(report::by_name("CSV").is_none() && report::by_suffix("csv".as_ref()).is_none());
}

#[test]
fn columns_are_named_once_in_snake_case() {
    for content in [Content::Findings, Content::Flows] {
        let columns = report::columns(content);
        assert_unique(columns.iter().map(|(name, _)| *name));
        for (name, _) in columns {
            assert!(is_cased(name, '_'), "{name}");
        }
    }
}
