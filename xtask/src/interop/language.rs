//! The languages that scripts are written in.

use std::path::PathBuf;

use crate::cargo;

/// The directory of the scripts and the pinned versions.
const SOURCES: &str = "tests/interop";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Node,
    Go,
}

impl Language {
    /// The directory of this language's scripts.
    pub(super) fn sources(self) -> PathBuf {
        let name = match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Go => "go",
        };
        cargo::root().join(SOURCES).join(name)
    }
}
