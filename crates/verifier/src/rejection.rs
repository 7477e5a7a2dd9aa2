//! Why a token isn't accepted.

use aquaware_core::claims::MissingScope;
use aquaware_core::jwt::TokenError;
use thiserror::Error;

/// Why a token isn't accepted. Says nothing that its bearer couldn't know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// It breaks a rule. Never [`TokenError::UnknownKey`] for a key that has a name.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No key of its name is known here. Keys are being fetched, if they haven't just been: a
    /// token of a key that really exists is good a moment later.
    #[error("the token's key is not known")]
    UnknownKey,
    /// No keys have been fetched yet, so that nothing can be said of the token.
    #[error("no keys are known yet")]
    NoKeys,
    /// The keys haven't been confirmed for too long, and the service said that it rather refuses.
    #[error("the keys are too old")]
    StaleKeys,
    /// It is bound to a key of its bearer (`cnf`: DPoP, mutual TLS), and nobody here checks that
    /// the bearer has it.
    #[error("the token is bound to a key")]
    Bound,
    /// It is good, but not for this.
    #[error(transparent)]
    Scope(#[from] MissingScope),
}

impl Rejection {
    /// Whether the same token may be good once keys have arrived.
    #[must_use]
    pub const fn may_pass_later(&self) -> bool {
        matches!(self, Self::UnknownKey | Self::NoKeys | Self::StaleKeys)
    }

    /// Whether the trouble is this service's own, so that the token may be as good as any.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::NoKeys | Self::StaleKeys)
    }
}
