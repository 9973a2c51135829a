//! Text from the wire, made harmless.

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
/// character is one of `= + - @` (tab and CR are escaped by then, and get the `'` too).
pub fn cell(text: &str) -> String {
    let shown = printable(text);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{shown}") } else { shown }
}

/// Whether a character is shown as itself: no control character, none that ends a line, reorders or hides text.
pub(crate) fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
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
}
