//! Why a command failed, for the person who ran it.

use std::io;

/// An error of a developer command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// A file or a program could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// A program ran and reported failure.
    #[error("`{line}` failed: {status}")]
    Program {
        /// Its command line.
        line: String,
        /// Its exit status.
        status: String,
    },
    /// Anything else.
    #[error("{0}")]
    Message(String),
}

impl TaskError {
    /// An I/O error while trying `what`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Turns the findings of a check into an error, one line each; no finding is success.
    ///
    /// # Errors
    /// [`TaskError::Message`] if there is any finding.
    pub(crate) fn if_any(findings: &[String]) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self::Message(findings.join("\n"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_without_findings_succeeds() {
        assert!(TaskError::if_any(&[]).is_ok());
    }

    #[test]
    fn every_finding_is_printed_on_its_own_line() {
        let error = TaskError::if_any(&["a".into(), "b".into()]).unwrap_err();
        assert_eq!(error.to_string(), "a\nb");
    }
}
