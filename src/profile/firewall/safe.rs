//! Text of a profile inside rules that are pasted into a shell: it stays text.

/// The longest comment that nftables takes, in bytes, with some to spare.
const MAX_COMMENT: usize = 110;
/// The longest line of a comment.
const MAX_LINE: usize = 300;

/// For a line behind `#`: one line of plain ASCII. Nothing ends the comment but a line break, and none is left.
pub(super) fn remark(text: &str) -> String {
    let mut out = ascii(text);
    out.truncate(MAX_LINE);
    out.trim_end_matches('\\').to_owned()
}

/// For a string in single or double quotes: letters, digits and what no shell and no nftables takes for more.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " .,:;()+-_/=@".contains(c);
    let mut out: String = ascii(text).chars().map(|c| if plain(c) { c } else { ' ' }).collect();
    out.truncate(MAX_COMMENT);
    out.trim().to_owned()
}

/// For the name of a set or a variable, behind a prefix: letters, digits and underscores.
pub(super) fn identifier(text: &str) -> String {
    text.chars()
        .take(64)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect()
}

/// Printable ASCII; typographic signs become what a typewriter has, anything else `?`.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => out.push(c),
            '\u{2018}' | '\u{2019}' => out.push('\''),
            '\u{201c}'..='\u{201e}' => out.push('"'),
            '\u{2010}'..='\u{2015}' => out.push('-'),
            '\u{2026}' => out.push_str("..."),
            '\u{2192}' => out.push_str("->"),
            '\u{a0}' | '\t' | '\n' | '\r' => out.push(' '),
            _ => out.push('?'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_one_line_and_a_quoted_text_stays_inside_its_quotes() {
        let hostile = "a\"; drop # '$(reboot)` \\\n}\u{202e}\u{85}\u{2028}x\u{2019}s\\";
        let remark = remark(hostile);
        assert!(!remark.chars().any(|c| c.is_control() || !c.is_ascii()), "{remark}");
        assert!(!remark.ends_with('\\'));
        let quoted = quoted(hostile);
        assert!(!quoted.contains(['"', '\'', '$', '`', '\\', '\n', '#', '{', '}', '!']), "{quoted}");
        assert!(super::quoted(&"x".repeat(500)).len() <= 127);
    }

    #[test]
    fn an_identifier_has_no_other_signs() {
        assert_eq!(identifier("0.Pool-x.org; }"), "0_pool_x_org___");
    }
}
