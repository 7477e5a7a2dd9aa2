//! The page: its width, and colours where they are wanted.

use std::fmt::Display;

/// The longest line, in columns.
pub(super) const WIDTH: usize = 96;

/// `text` in lines of at most [`WIDTH`] columns: the first is indented by `indent`, the others by
/// `hang`. It breaks at spaces, and through words that are too long for a line; spaces between
/// words stay as they are.
pub(super) fn wrapped(text: &str, indent: usize, hang: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && columns(&line) + 1 + columns(word) > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        for character in word.chars() {
            if columns(&line) == WIDTH {
                lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
            }
            line.push(character);
        }
        empty = false;
    }
    lines.push(line);
    lines
}

/// How wide `text` is. Nothing told here has characters of two columns.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// How something looks, where colours are wanted.
#[derive(Clone, Copy)]
pub(super) enum Look {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Arrow,
}

/// Whether colours are wanted.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    pub(super) colours: bool,
}

impl Paint {
    /// `text` in its look (ECMA-48, SGR), or as it is.
    pub(super) fn paint(self, look: Look, text: impl Display) -> String {
        let code = match look {
            Look::Plain => return text.to_string(),
            Look::Strong => "1",
            Look::Faint => "2",
            Look::Good => "32",
            Look::Bad => "1;31",
            Look::Arrow => "36",
        };
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_never_exceed_the_page() {
        let text = ["the refresh token buys new access tokens"; 9].join(" ");
        let lines = wrapped(&text, 2, 4);
        assert!(lines.len() > 3);
        assert!(lines.iter().all(|line| columns(line) <= WIDTH && !line.ends_with(' ')));
        assert!(lines[0].starts_with("  the") && lines[1].starts_with("    "), "{lines:?}");
        let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
        assert_eq!(words, text.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn words_in_columns_stay_in_columns() {
        assert_eq!(wrapped("got       nothing", 4, 14), ["    got       nothing"]);
    }

    #[test]
    fn a_word_too_long_for_a_line_is_cut_and_complete() {
        let word = "é".repeat(250);
        let lines = wrapped(&format!("so {word}"), 4, 6);
        assert!(lines.iter().all(|line| columns(line) <= WIDTH), "{lines:?}");
        let whole: String = lines.iter().map(|line| line.trim()).collect();
        assert_eq!(whole, format!("so{word}"));
    }

    #[test]
    fn without_colours_nothing_but_the_text_is_written() {
        assert_eq!(Paint { colours: false }.paint(Look::Bad, "no"), "no");
        assert_eq!(Paint { colours: true }.paint(Look::Good, "yes"), "\u{1b}[32myes\u{1b}[0m");
    }
}
