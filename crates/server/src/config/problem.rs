//! The errors in a configuration, reported together.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Value as Json, json};
use strsim::levenshtein;
use thiserror::Error;

use super::source::Source;

/// One error or warning: its source, the value, and the expected values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The key, such as `listen.public`; `None` for an error in a whole file or variable.
    pub(crate) key: Option<String>,
    /// The value, with secrets masked.
    pub(crate) value: Option<String>,
    /// Where the value was set.
    pub(crate) source: Source,
    /// The error, or the expected values.
    pub(crate) what: String,
}

impl Problem {
    /// An error that is not about the value of one key.
    pub(super) fn at(source: Source, what: impl Into<String>) -> Self {
        Self { key: None, value: None, source, what: what.into() }
    }

    pub(crate) fn json(&self) -> Json {
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

/// All errors in a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// The errors as JSON: `{"ok": false, "errors": [{"key", "value", "source", "message"}]}`.
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

/// A description of valid values. Never contains the invalid value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub(super) struct Expected(pub(super) Cow<'static, str>);

impl Expected {
    /// "expected `what`".
    pub(super) fn new(what: impl fmt::Display) -> Self {
        Self(format!("expected {what}").into())
    }
}

/// The candidate that is most similar to `word`, if one is similar enough.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let max_distance = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= max_distance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_similar_words_are_suggested() {
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
