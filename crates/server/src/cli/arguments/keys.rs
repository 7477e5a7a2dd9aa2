//! The arguments of `aquaware keys`.

use aquaware_core::id::KeyId;
use aquaware_core::jwt::TokenType;
use clap::{Subcommand, ValueEnum};

/// The commands for keys. None of them prints a key.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeysCommand {
    /// List the keys and their phases
    ///
    /// A key is first `next` (published, not signing yet), then `active` (signing), then `retiring`
    /// (published, until the last token that it signed has expired), then `gone`.
    List,

    /// Activate the next key immediately
    ///
    /// The active key retires, and the tokens that it signed stay valid. A new next key is
    /// generated. Services that verify tokens offline must know a key before it signs, so wait five
    /// minutes between two rotations. Scheduled rotations do so automatically.
    ///
    /// With --drop, a compromised key is removed instead, and the tokens that it signed are
    /// rejected. After an access key was removed, clients have to refresh; after a refresh key was
    /// removed, users have to log in again.
    Rotate {
        /// Rotate only the key for these tokens
        #[arg(long = "type", value_name = "TYPE", value_enum)]
        key_type: Option<KeyType>,
        /// Remove the compromised key KID
        #[arg(long, value_name = "KID", conflicts_with = "key_type", allow_hyphen_values = true)]
        drop: Option<KeyId>,
        /// Do not ask for confirmation of --drop
        #[arg(long, requires = "drop")]
        yes: bool,
    },

    /// Generate another next key
    ///
    /// To change keys.algorithm without rejected tokens: set the new algorithm in the
    /// configuration, generate the key, wait five minutes until other services know it, then
    /// restart the server or send SIGHUP, which activates the key.
    Generate {
        /// The tokens that the key signs
        #[arg(long = "type", value_name = "TYPE", value_enum, default_value = "access")]
        key_type: KeyType,
    },
}

/// The tokens that a key signs.
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
