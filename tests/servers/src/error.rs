//! What can go wrong with a throwaway server, in words that explain a failed test.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::find::Kind;

/// Why a server could not be started, asked or disturbed.
///
/// `Debug` reads like `Display` with all causes, because tests show errors through `unwrap`.
#[derive(thiserror::Error)]
pub enum ServersError {
    /// The programs of these kinds aren't installed.
    #[error("{}", tell_missing(.0))]
    Missing(Vec<Kind>),
    /// The caller is root, and the system has none of these users to run a server as.
    #[error("a server refuses to run as root, and there is no user {}", .0.join(" or "))]
    NoUser(Vec<&'static str>),
    /// The system refused something.
    #[error("can't {what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is no free port left to use.
    #[error("no free port on the loopback")]
    NoPort,
    /// A program ended when it should have gone on, or failed.
    #[error("{what} ended: {status}\n{log}")]
    Ended {
        /// Which program.
        what: String,
        /// How it ended.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// Something didn't come true in time.
    #[error("{what} didn't happen within {waited:?}\n{log}")]
    TooLate {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// The end of the log of the server concerned.
        log: String,
    },
    /// A server answered a command with an error, or not as expected.
    #[error("the server answered {answer} to {command}")]
    Answer {
        /// What was asked.
        command: String,
        /// What it said.
        answer: String,
    },
    /// The server must run for this, and doesn't.
    #[error("{0} isn't running")]
    NotRunning(String),
    /// The server must not run for this, and does.
    #[error("{0} is running already")]
    Running(String),
}

impl ServersError {
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }
}

impl fmt::Debug for ServersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

fn tell_missing(kinds: &[Kind]) -> String {
    let mut programs: Vec<_> = kinds.iter().flat_map(|kind| kind.programs()).copied().collect();
    let mut packages: Vec<_> = kinds.iter().map(|kind| kind.package()).collect();
    for names in [&mut programs, &mut packages] {
        names.sort_unstable();
        names.dedup();
    }
    format!(
        "not installed: {}. `cargo xtask stores --install` installs the packages of a Debian \
         system ({}); elsewhere, put the programs on the PATH",
        programs.join(", "),
        packages.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_once_with_the_way_to_get_it() {
        let kinds = vec![Kind::Redis, Kind::Sentinel, Kind::Postgres];
        let text = ServersError::Missing(kinds).to_string();
        assert!(text.starts_with("not installed: initdb, postgres, redis-server. "), "{text}");
        assert!(text.contains("(postgresql, redis-server)"), "{text}");
        assert!(text.contains("cargo xtask stores --install"), "{text}");
    }

    #[test]
    fn a_failed_test_shows_the_cause() {
        let error = ServersError::io("make a directory", io::Error::other("disk on fire"));
        assert_eq!(format!("{error:?}"), "can't make a directory: disk on fire");
    }
}
