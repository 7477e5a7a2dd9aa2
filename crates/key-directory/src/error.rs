//! Why keys could not be loaded or changed.

use std::io;
use std::path::PathBuf;

use aquaware_core::jwt::{Algorithm, TokenType};
use aquaware_core::keys::RecordError;
use thiserror::Error;

/// An error of a key directory. The texts name the file and, where there is one, the remedy; they
/// never quote a key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyDirectoryError {
    /// A file operation failed.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// The operation, as the rest of "failed to".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// Users other than the owner have access to a file.
    #[error("{} is accessible to users other than its owner (mode {mode:o}); run chmod {expected:o} {}", path.display(), path.display())]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it should have.
        expected: u32,
    },
    /// A file belongs to another user.
    #[error("{} belongs to another user (uid {owner}); run chown {expected} {}", path.display(), path.display())]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// The id of its owner.
        owner: u32,
        /// The id of the user that runs this process.
        expected: u32,
    },
    /// A path is not a regular file, for example a named pipe.
    #[error("{} is not a regular file; remove it from the key directory", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A symbolic link leads to a file outside the directory.
    #[error("{} is a symbolic link that leads out of the key directory; replace it by the file", path.display())]
    OutsideDirectory {
        /// The link.
        path: PathBuf,
    },
    /// Another process holds the lock for too long.
    #[error("another process has locked the keys for too long; find it with `fuser {}`", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A file is not a valid key record.
    #[error("{} is not a valid key file", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The defect.
        #[source]
        source: RecordError,
    },
    /// A new key could not be generated.
    #[error("failed to generate a new key")]
    Generate,
    /// The directory cannot be written, so that its keys cannot be changed.
    #[error("the key directory {} is read-only", path.display())]
    ReadOnly {
        /// The directory.
        path: PathBuf,
    },
    /// A key is missing, and the directory cannot be written.
    #[error("the key directory {} is read-only and has no {phase} key for {} tokens with {}; create it by starting a server once with write access to the directory", path.display(), type_name(*token_type), algorithm.as_str())]
    Incomplete {
        /// The directory.
        path: PathBuf,
        /// The phase that the missing key would have.
        phase: &'static str,
        /// The tokens that it would sign.
        token_type: TokenType,
        /// Its algorithm.
        algorithm: Algorithm,
    },
}

impl From<KeyDirectoryError> for aquaware_core::Error {
    fn from(error: KeyDirectoryError) -> Self {
        Self::Adapter(error.into())
    }
}

/// The name of a token type in texts and in file names.
pub(crate) const fn type_name(token_type: TokenType) -> &'static str {
    match token_type {
        TokenType::Access => "access",
        TokenType::Refresh => "refresh",
    }
}
