//! Sanitizing of texts from users and clients, so that every store can keep them.

/// Maximum length of a stored text, in bytes.
pub const MAX_TEXT_BYTES: usize = 255;

/// Maximum length of a stored `User-Agent`, in bytes.
pub const MAX_USER_AGENT_BYTES: usize = 1024;

/// Removes control characters (some databases reject NUL) and truncates `text` to `max` bytes between
/// characters. `None` if nothing is left.
pub(crate) fn tidy(text: Option<String>, max: usize) -> Option<String> {
    let mut text = text?;
    text.retain(|c| !c.is_control());
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
    fn control_characters_are_removed_and_characters_stay_whole() {
        assert_eq!(tidied("kitchen\0 tablet\r\n", 255).as_deref(), Some("kitchen tablet"));
        assert_eq!(tidied("ääää", 5).as_deref(), Some("ää"));
        assert_eq!(tidied("\0\u{7f}\u{85}", 255), None);
        assert_eq!(tidied("", 255), None);
        assert_eq!(tidy(None, 255), None);
    }
}
