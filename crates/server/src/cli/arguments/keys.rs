//! `aquaware keys`, as it is typed.

use aquaware_core::id::KeyId;
use aquaware_core::jwt::TokenType;
use clap::{Subcommand, ValueEnum};

/// What can be done with keys. None of it prints one.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeysCommand {
    /// List the keys and where they stand
    ///
    /// A key is `next` (published, not signing yet), then `active` (it signs), then `retiring`
    /// (published, no longer signing, as long as a token that it signed may live), then `gone`.
    List,

    /// Make the next key the active one, at once
    ///
    /// The key so far retires: what it signed stays good. A new next key is made. Whoever checks
    /// tokens offline has to know a key before it signs, so let five minutes pass between two
    /// rotations; the rotation on schedule does that by itself.
    ///
    /// With --drop a key that others may have is taken away instead: what it signed is refused from
    /// then on. For access tokens clients need a refresh; where it signed refresh tokens, their
    /// users have to log in again.
    Rotate {
        /// Rotate the key of these tokens alone
        #[arg(long = "type", value_name = "TYPE", value_enum)]
        key_type: Option<KeyType>,
        /// Take the key KID away, in an emergency
        #[arg(long, value_name = "KID", conflicts_with = "key_type", allow_hyphen_values = true)]
        drop: Option<KeyId>,
        /// Don't ask whether --drop is meant
        #[arg(long, requires = "drop")]
        yes: bool,
    },

    /// Make one more next key
    ///
    /// For a change of keys.algorithm without a gap: with the new algorithm in the configuration,
    /// make the key, wait five minutes for others to learn it, then restart the server or send it
    /// SIGHUP: the key is active at once.
    Generate {
        /// What the key is to sign
        #[arg(long = "type", value_name = "TYPE", value_enum, default_value = "access")]
        key_type: KeyType,
    },
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum KeyType {
    /// Access tokens
    Access,
    /// Refresh tokens
    Refresh,
}

impl From<KeyType> for TokenType {
    fn from(it: KeyType) -> Self {
        match it {
            KeyType::Access => Self::Access,
            KeyType::Refresh => Self::Refresh,
        }
    }
}
