//! Why a token isn't accepted.

use aquaware_token::claims::MissingScope;
use aquaware_token::jwt::TokenError;
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
    /// Its issuer's status list says that it is worth nothing, for good or for now.
    #[error("the token was revoked")]
    Revoked,
    /// Its status list is shorter than it says.
    #[error("the token is not in its status list")]
    NotListed,
    /// Its status list is at an address that none may come from, so that nothing was asked: the
    /// issuer's origin, or one that the service allows by name, is where they are.
    #[error("the token's status list is at a foreign address")]
    ForeignStatus,
    /// Its status list hasn't been fetched yet, so that nothing can be said of the token. It is
    /// being fetched.
    #[error("the token's status is not known")]
    UnknownStatus,
    /// Its status list hasn't been confirmed for too long, or has expired, and the service said
    /// that it rather refuses.
    #[error("the token's status is too old")]
    StaleStatus,
    /// It is good, but not for this.
    #[error(transparent)]
    Scope(#[from] MissingScope),
}

impl Rejection {
    /// Whether the same token may be good once keys, or its status list, have arrived.
    #[must_use]
    pub const fn may_pass_later(&self) -> bool {
        matches!(self, Self::UnknownKey) || self.is_ours()
    }

    /// Whether the trouble is this service's own, so that the token may be as good as any.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::NoKeys | Self::StaleKeys | Self::UnknownStatus | Self::StaleStatus)
    }
}
