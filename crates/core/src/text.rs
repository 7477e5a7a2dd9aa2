//! Texts that people and clients give: made harmless once, here, so that every store can keep them.

/// The longest text kept, in bytes; a store needs no more room.
pub const MAX_TEXT_BYTES: usize = 255;

/// The longest `User-Agent` kept, in bytes.
pub const MAX_USER_AGENT_BYTES: usize = 1024;

/// `text` without control characters (a NUL among them, which some databases refuse), cut to
/// `most` bytes at a character's border. `None` if nothing is left.
pub(crate) fn tidy(text: Option<String>, most: usize) -> Option<String> {
    let mut text = text?;
    text.retain(|c| !c.is_control());
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    let end = ends.take_while(|end| *end <= most).last().unwrap_or(0);
    text.truncate(end);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(text: &str, most: usize) -> Option<String> {
        tidy(Some(text.to_owned()), most)
    }

    #[test]
    fn control_characters_go_and_nothing_is_cut_in_two() {
        assert_eq!(tidied("kitchen\0 tablet\r\n", 255).as_deref(), Some("kitchen tablet"));
        assert_eq!(tidied("ääää", 5).as_deref(), Some("ää"));
        assert_eq!(tidied("\0\u{7f}\u{85}", 255), None);
        assert_eq!(tidied("", 255), None);
        assert_eq!(tidy(None, 255), None);
    }
}
