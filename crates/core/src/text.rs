//! Sanitizing of texts from users and clients, so that every store can keep them.

/// Maximum length of a stored text, in bytes.
pub const MAX_TEXT_BYTES: usize = 255;

/// Maximum length of a stored `User-Agent`, in bytes.
pub const MAX_USER_AGENT_BYTES: usize = 1024;

/// Whether a character has no visible form of its own: control characters (some databases reject NUL),
/// format characters such as direction marks, and line separators (categories Cc, Cf, Zl and Zp of
/// Unicode 16). In a terminal or a list they could make a text look like another one.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// Removes invisible characters ([`is_invisible`]) and truncates `text` to `max` bytes between
/// characters. `None` if nothing is left.
pub(crate) fn tidy(text: Option<String>, max: usize) -> Option<String> {
    let mut text = text?;
    text.retain(|c| !is_invisible(c));
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    let end = ends.take_while(|end| *end <= max).last().unwrap_or(0);
    text.truncate(end);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(text: &str, max: usize) -> Option<String> {
        tidy(Some(text.to_owned()), max)
    }

    #[test]
    fn invisible_characters_are_removed_and_characters_stay_whole() {
        assert_eq!(tidied("kitchen\0 tablet\r\n", 255).as_deref(), Some("kitchen tablet"));
        assert_eq!(tidied("ääää", 5).as_deref(), Some("ää"));
        assert_eq!(tidied("\0\u{7f}\u{85}", 255), None);
        let marks = "\u{202e}kitchen\u{2066} \u{2028}tab\u{200d}let\u{2029}\u{feff}\u{e0041}";
        assert_eq!(tidied(marks, 255).as_deref(), Some("kitchen tablet"));
        assert_eq!(tidied("\u{202e}\u{2069}", 255), None);
        assert_eq!(tidied("", 255), None);
        assert_eq!(tidy(None, 255), None);
    }
}
