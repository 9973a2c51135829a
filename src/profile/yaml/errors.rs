//! What is wrong with YAML, in words of people who write configurations: no word of the library that reads it.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

use super::{Bounds, MAX_DEPTH};

/// What is wrong, without the place, which is told apart from it.
pub(super) fn message(error: &Error, bounds: Bounds) -> String {
    match error {
        Error::AliasError { error, .. } => message(error, bounds),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` exists already"),
        Error::MultipleDocuments { .. } => "a second document begins here (one is read)".to_owned(),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            format!("lists and mappings stand too deep in each other (at most {MAX_DEPTH} levels are read)")
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => too_large(bounds),
        Error::RecursiveReferencesRequireWeakTypes { .. } => "a list or mapping that holds itself".to_owned(),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => "expected a mapping behind `<<`".to_owned(),
        Error::NullIntoString { .. } => "expected a name for this key, got nothing".to_owned(),
        Error::NonFiniteFloat { value, .. } => {
            format!("`{value}` is no number that is read (a text needs quotation marks)")
        }
        Error::Unexpected { .. } => "expected the name of a key, got a list or a mapping".to_owned(),
        other => in_our_words(&other.to_string()).to_owned(),
    }
}

fn too_large(bounds: Bounds) -> String {
    format!(
        "too large: at most {} keys and values are read, with what aliases stand for (split it, or take out what is \
         not needed)",
        bounds.nodes
    )
}

/// What the library says of text that is no YAML, by a part of it, and what that means for who wrote the text.
const MEANINGS: &[(&str, &str)] = &[
    ("unexpected character: `\\u", "a character that text does not have (is this a text file?)"),
    ("unclosed bracket", "this bracket is not closed"),
    ("mismatched bracket", "this bracket does not go with the one that is open"),
    ("misplaced bracket", "this bracket closes none that is open"),
    ("multiline quoted scalar", "a text in quotation marks is not closed before this line"),
    ("invalid trailing content after", "nothing may follow the closing quotation mark"),
    (
        "unknown escape character",
        "an escape that is none (write `\\\\` for a backslash, or use single quotation marks)",
    ),
    ("surrogate", "`\\u` with half of a letter"),
    ("quoted scalar", "a text in quotation marks is not closed, or has an escape that is none"),
    ("cannot start with a tab", "a tab where blanks belong (indent with blanks)"),
    ("found a tab", "a tab where blanks belong (indent with blanks)"),
    ("tabs disallowed", "a tab where blanks belong (indent with blanks)"),
    ("tab cannot be used", "a tab where blanks belong (indent with blanks)"),
    ("unknown anchor", "nothing has the name that `*` refers to"),
    (
        "'-' indicator",
        "expected another entry with `-` in the column of those before, or less indented a key",
    ),
    ("did not find expected key", "expected another key in the column of those before"),
    ("simple key", "expected a key and its value, as in `key: value`"),
    ("expected ',' or '}'", "expected `,` or `}`"),
    ("expected ',' or ']'", "expected `,` or `]`"),
    ("expected node content", "expected a value"),
    (
        "mapping values are not allowed",
        "a key and its value cannot stand here (a text with `: ` in it needs quotation marks)",
    ),
    ("mapping keys are not allowed", "a key cannot stand here"),
    ("block sequence entries are not allowed", "a list with `-` begins on a line of its own"),
    ("followed by a valid YAML whitespace", "expected a blank after `-`"),
    ("must be separated", "expected a blank before `#`"),
    ("block scalar", "expected the text in the lines below, indented"),
    ("intercepting the multiline", "a comment within a text"),
    (
        "unexpected character",
        "a character that cannot begin a value (a text that begins so needs quotation marks)",
    ),
    ("<document start>", "nothing may follow the end of the outermost value"),
    ("document end", "nothing may follow the end of the outermost value"),
    ("irective", "lines that begin with `%` are not read (take it away)"),
    ("YAML major version", "lines that begin with `%` are not read (take it away)"),
    ("%TAG", "lines that begin with `%` are not read (take it away)"),
    ("!!binary", "a text that `!!binary` announces, and that is none"),
    ("tag", "`!` announces a kind of value that is not read (a text that begins so needs quotation marks)"),
    ("anchor", "expected a name right after `&` or `*`"),
    ("BOM", "a byte order mark within the file (take it away)"),
    ("indentation", "this line is indented otherwise than those that it belongs to"),
    ("recursion limit", "too deep"),
    ("EOF", "the file ends within a value (is it cut off?)"),
    ("eof", "the file ends within a value (is it cut off?)"),
    ("end of input", "the file ends within a value (is it cut off?)"),
    ("end of stream", "the file ends within a value (is it cut off?)"),
];

/// The meaning of what the library says.
fn in_our_words(said: &str) -> &'static str {
    let known = MEANINGS.iter().find(|(part, _)| said.contains(part));
    known.map_or("expected YAML, and this is none", |(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    /// No word of the library: what is wrong with each text, as its writer is to understand it.
    #[test]
    fn what_is_wrong_is_told_in_words_of_the_writer() {
        let line = |n: i32| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(10));
        let bomb = (1..9).map(line).collect::<Vec<_>>().concat();
        for (text, words) in [
            ("a: &b [*b]", "a list or mapping that holds itself"),
            ("a: *b", "nothing has the name that `*` refers to"),
            ("a: \"b\nc:\n", "quotation marks is not closed"),
            ("a: b\n\tc: d\n", "indent with blanks"),
            ("a: {b: c", "this bracket is not closed"),
            ("a: [b}", "bracket"),
            ("a: b]\nc: ]\n", "bracket"),
            ("a: 1\n<<: 3\n", "expected a mapping behind `<<`"),
            ("a: 1\n? [b]\n: c\n", "expected the name of a key"),
            ("a: !!binary \"%%\"\n", "!!binary"),
            ("a: .inf\n", "`.inf` is no number that is read"),
            ("a: @b\n", "cannot begin a value"),
            ("a: \"\\q\"\n", "an escape that is none"),
            ("~: a\n", "expected a name for this key"),
            ("a:\n  - b\n   - c: d\n", "a key and its value cannot stand here"),
            ("a:\n  - b: c\n   - d: e\n", "in the column of those before"),
            ("a: b\nc\n", "expected a key and its value"),
            ("a: b: c\n", "quotation marks"),
            ("a: \"b\" c\n", "nothing may follow"),
            ("%YAML 3.0\n---\na: b\n", "begin with `%`"),
            ("{\"a\": 1} b", "nothing may follow the end"),
            ("a: 1\n---\nb: 2\n", "a second document begins here"),
            ("\0\0", "is this a text file?"),
            (&format!("a0: &a0 [{}]\n{bomb}", "x,".repeat(10)), "too large: at most"),
        ] {
            let (_, told) = parse(text).unwrap_err();
            assert!(told.contains(words), "{text:?}: {told}");
            for theirs in [
                "scalar",
                "anchor",
                "alias references",
                "parsing",
                "scanning",
                "serde",
                "policy",
                "type",
                "budget",
            ] {
                assert!(!told.contains(theirs), "{text:?}: {told}");
            }
        }
    }
}
