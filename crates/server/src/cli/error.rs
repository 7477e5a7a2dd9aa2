//! Why a command failed, and its exit status.

use thiserror::Error;

use crate::config::Problems;

/// Why a command failed.
#[derive(Debug, Error)]
pub(in crate::cli) enum CommandError {
    /// The configuration is invalid: exit status 2.
    #[error(transparent)]
    Configuration(#[from] Problems),
    /// The arguments, the input or the configuration do not fit the command: exit status 2.
    #[error("{0}")]
    Usage(String),
    /// The operation failed: exit status 1.
    #[error("{0}")]
    Failed(String),
    /// The printed result is negative and needs no further message: exit status 1.
    #[error("the result is negative")]
    Negative,
    /// The result could not be written: exit status 1.
    #[error("failed to write the result")]
    Output(#[from] std::io::Error),
}

impl CommandError {
    /// The exit status.
    pub(super) const fn status(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::Usage(_) => 2,
            Self::Failed(_) | Self::Negative | Self::Output(_) => 1,
        }
    }
}
