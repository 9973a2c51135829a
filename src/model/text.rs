//! Text from the wire, made harmless, and numbers with their nouns.

use std::fmt::Write;

/// Bytes as text that shows each of them: valid UTF-8 as it is, anything else as `\xNN`. Control
/// characters stay; [`printable`] removes them when the text is shown.
pub fn lossless(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// The longest cell that a report shows; a longer one ends in `…`.
pub const MAX_SHOWN: usize = 1024;

/// Text fit for a terminal and for one line of a table: control characters, line separators and
/// characters that reorder or hide text are shown as escapes; at most [`MAX_SHOWN`] characters.
pub fn printable(text: &str) -> String {
    // Nearly all text is short and plain.
    if text.len() <= MAX_SHOWN && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for (shown, c) in text.chars().enumerate() {
        if shown == MAX_SHOWN {
            out.push('…');
            break;
        }
        if is_plain(c) {
            out.push(c);
        } else if (c as u32) < 0x100 {
            let _ = write!(out, "\\x{:02x}", c as u32);
        } else {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        }
    }
    out
}

/// A cell that no spreadsheet takes for a formula: [`printable`], with a leading `'` where the first
/// character is one of `= + - @` (tab and CR are escaped by then, and get the `'` too). Text that has such a `'` of its
/// own gets another one, so that [`uncell`] finds it again.
pub fn cell(text: &str) -> String {
    let shown = printable(text);
    if needs_guard(&shown) { format!("'{shown}") } else { shown }
}

/// What [`cell`] was made from, as [`printable`] shows it: without the `'` that guards a formula.
pub fn uncell(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| needs_guard(rest)).unwrap_or(cell)
}

/// Whether shown text would be taken for a formula once a `'` at its beginning is taken off.
fn needs_guard(shown: &str) -> bool {
    let bare = shown.trim_start_matches('\'');
    bare.starts_with(['=', '+', '-', '@']) || bare.starts_with("\\x09") || bare.starts_with("\\x0d")
}

/// Whether a character is shown as itself: no control character, none that ends a line, reorders or hides text.
pub(crate) fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The number with its noun in singular or plural: `1 frame`, `1,234 frames`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {}", grouped(count), plural(noun)) }
}

/// Digits in groups of three: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The regular plural of an English noun; of several words, that of the last.
pub fn plural(noun: &str) -> String {
    let stem = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    if noun.is_empty() {
        String::new()
    } else if let Some(stem) = stem {
        format!("{stem}ies")
    } else if ["s", "x", "ch", "sh"].iter().any(|end| noun.ends_with(end)) {
        format!("{noun}es")
    } else {
        format!("{noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_utf8_is_shown_byte_by_byte() {
        assert_eq!(lossless(b"a\xff\xc3\xa9"), "a\\xff\u{e9}");
    }

    #[test]
    fn nothing_reaches_a_terminal_that_is_not_plain() {
        assert_eq!(printable("a\x1b[31m\u{202e}\n"), "a\\x1b[31m\\u{202e}\\x0a");
        assert_eq!(printable(&"x".repeat(MAX_SHOWN + 1)).chars().count(), MAX_SHOWN + 1);
    }

    #[test]
    fn formulas_are_quoted() {
        for text in ["=1+1", "+1", "-1", "@a", "\tx", "\rx"] {
            assert!(cell(text).starts_with('\''), "{text:?}");
        }
        assert_eq!(cell("my.farm.bot"), "my.farm.bot");
    }

    #[test]
    fn a_cell_gives_back_what_it_was_made_from() {
        for text in [
            "", "a", "'", "''", "'a", "=1", "'=1", "''=1", "\t", "\\x09", "'\\x09", "\rx", "-", "'-", "a'=1",
            "@\u{1b}",
        ] {
            let cell = cell(text);
            assert_eq!(uncell(&cell), printable(text), "{text:?} as {cell:?}");
        }
    }

    #[test]
    fn digits_are_grouped_from_the_right() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (u64::MAX, "18,446,744,073,709,551,615")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}
