//! Why a command did not succeed, in words for the person who ran it.

use std::fmt;
use std::io;

use crate::interop::Tally;

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A file or a program could not be used.
    Io {
        /// Which one, and for what.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ran and reported failure.
    Program {
        /// Its command line.
        line: String,
        /// How it ended.
        status: String,
    },
    /// A program answered something that can't be understood.
    Unexpected(String),
    /// A check found these, one line each.
    Findings(Vec<String>),
    /// These steps of a command failed.
    Steps(Vec<&'static str>),
    /// Of these checks, some failed.
    Checks(Tally),
}

impl Failure {
    /// What to do with findings: none is success.
    ///
    /// # Errors
    /// [`Failure::Findings`] if there are any.
    pub(crate) fn if_any(findings: Vec<String>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self::Findings(findings)) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Program { line, status } => write!(f, "`{line}` failed: {status}"),
            Self::Unexpected(what) => f.write_str(what),
            Self::Findings(lines) => f.write_str(&lines.join("\n")),
            Self::Checks(tally) => tally.fmt(f),
            Self::Steps(names) => write!(f, "failed: {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_finding_is_success() {
        assert!(Failure::if_any(Vec::new()).is_ok());
    }

    #[test]
    fn every_finding_gets_its_line() {
        let failure = Failure::if_any(vec!["a".into(), "b".into()]).unwrap_err();
        assert_eq!(failure.to_string(), "a\nb");
    }
}
