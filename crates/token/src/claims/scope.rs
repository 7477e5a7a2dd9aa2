//! Scopes (RFC 6749 §3.3).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Maximum length of a scope in bytes.
pub const MAX_SCOPE_BYTES: usize = 1024;

/// A set of scope tokens (RFC 6749 §3.3), sorted, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(BTreeSet<String>);

/// The text is not a valid scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a valid scope")]
pub struct ScopeError;

impl Scope {
    /// Parses a space-delimited list; the empty text is the empty scope.
    ///
    /// # Errors
    /// [`ScopeError`] for characters outside RFC 6749 §3.3 or more than [`MAX_SCOPE_BYTES`].
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        Self::from_tokens(text.split(' ').filter(|token| !token.is_empty()))
    }

    /// Collects scope tokens.
    ///
    /// # Errors
    /// As [`Scope::parse`]; also for an empty token.
    pub fn from_tokens<'a>(tokens: impl Iterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let mut set = BTreeSet::new();
        let mut length = 0;
        for token in tokens {
            length += token.len() + 1;
            if !is_token(token) || length > MAX_SCOPE_BYTES {
                return Err(ScopeError);
            }
            set.insert(token.to_owned());
        }
        Ok(Self(set))
    }

    /// Collects the valid scope tokens among `tokens`, such as the roles of another issuer. Their
    /// number is bounded by the size of the token in which they are.
    pub(crate) fn of_valid<'a>(tokens: impl Iterator<Item = &'a str>) -> Self {
        Self(tokens.filter(|token| is_token(token)).map(str::to_owned).collect())
    }

    /// Whether the scope has no tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the scope contains `token`.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether every token of this scope is also in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Checks that this scope grants every token of `needed`.
    ///
    /// # Errors
    /// [`InsufficientScopeError`] when a token is missing.
    pub fn require(&self, needed: &Self) -> Result<(), InsufficientScopeError> {
        let granted = needed.is_within(self);
        granted.then_some(()).ok_or_else(|| InsufficientScopeError { needed: needed.clone() })
    }
}

fn is_token(text: &str) -> bool {
    let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    !text.is_empty() && text.bytes().all(allowed)
}

/// The token is valid, but does not grant the scope that the request requires.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the token lacks the scope \"{needed}\"")]
pub struct InsufficientScopeError {
    /// The complete scope that the request requires.
    pub needed: Scope,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, token) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::parse(text)
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_set_of_tokens() {
        let scope = Scope::parse("write  read write").unwrap();
        assert_eq!(scope.to_string(), "read write");
        assert!(Scope::parse("read").unwrap().is_within(&scope));
        assert!(!scope.is_within(&Scope::parse("read").unwrap()));
        for invalid in ["a\"b", "a\\b", "é", "a\tb"] {
            assert_eq!(Scope::parse(invalid), Err(ScopeError), "{invalid:?}");
        }
    }

    #[test]
    fn a_missing_scope_is_named() {
        let scope = Scope::parse("read write").unwrap();
        assert_eq!(scope.require(&Scope::parse("write read").unwrap()), Ok(()));
        let missing = scope.require(&Scope::parse("read admin").unwrap()).unwrap_err();
        assert_eq!(missing.to_string(), "the token lacks the scope \"admin read\"");
    }
}
