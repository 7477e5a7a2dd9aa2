//! What is wrong with a configuration: one sentence for each mistake, all of them together.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Value as Json, json};
use thiserror::Error;

use super::source::Source;

/// One mistake: where it stands, what stands there, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The key, as `listen.public`; none where a file or a variable as a whole is meant.
    pub(crate) key: Option<String>,
    /// The value as it may be shown: secrets are masked already.
    pub(crate) value: Option<String>,
    /// Where it was typed.
    pub(crate) source: Source,
    /// What is wrong, or what would be right.
    pub(crate) what: String,
}

impl Problem {
    /// A mistake that isn't about one key's value.
    pub(super) fn at(source: Source, what: impl Into<String>) -> Self {
        Self { key: None, value: None, source, what: what.into() }
    }

    fn json(&self) -> Json {
        json!({
            "key": self.key,
            "value": self.value,
            "source": self.source.to_string(),
            "message": self.what,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key} = {value}: ")?,
            (Some(key), None) => write!(f, "{key}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.what)
    }
}

/// Everything that is wrong with a configuration, one line each; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// The mistakes for a program to read: `{"ok": false, "errors": [{"key", "value", "source",
    /// "message"}]}`.
    pub(crate) fn json(&self) -> Json {
        let errors: Vec<Json> = self.0.iter().map(Problem::json).collect();
        json!({ "ok": false, "errors": errors })
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {} in the configuration", if count == 1 { "error" } else { "errors" })?;
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// What a value should have been. Never holds the value itself, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub(super) struct Expected(pub(super) Cow<'static, str>);

impl Expected {
    /// "expected `what`".
    pub(super) fn new(what: impl fmt::Display) -> Self {
        Self(format!("expected {what}").into())
    }
}

/// The candidate most like `word`, if one is near enough to have been meant.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let reach = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= reach)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, case aside: how many letters to insert, drop or replace.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.to_lowercase().chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = line + 1;
        next.push(left);
        for (pair, other) in row.windows(2).zip(&to) {
            let &[diagonal, above] = pair else { continue };
            left = (diagonal + usize::from(letter != *other)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        for (from, to, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("A", "a", 0),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let words = ["public", "management", "workers"];
        assert_eq!(nearest("publik", words), Some("public"));
        assert_eq!(nearest("worker", words), Some("workers"));
        assert_eq!(nearest("colour", words), None);
    }

    #[test]
    fn a_problem_names_source_key_value_and_remedy() {
        let problem = Problem {
            key: Some("store.timeout".to_owned()),
            value: Some("5".to_owned()),
            source: Source::File { path: "aquaware.toml".to_owned(), line: 12 },
            what: "expected a duration".to_owned(),
        };
        assert_eq!(
            Problems(vec![problem]).to_string(),
            "1 error in the configuration\n  aquaware.toml:12: store.timeout = 5: expected a duration"
        );
    }
}
