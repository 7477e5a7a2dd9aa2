//! Why traces cannot be exported.

use std::io;

use thiserror::Error;

/// Why traces cannot be exported.
#[derive(Debug, Error)]
pub(crate) enum TracesError {
    #[error("the HTTP client for traces could not be set up")]
    Client(#[source] reqwest::Error),
    #[error("the environment variable {0} is invalid")]
    Variable(&'static str),
    #[error("failed to start the thread that exports traces")]
    Thread(#[source] io::Error),
}
