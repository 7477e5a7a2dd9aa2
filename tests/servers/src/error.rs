//! The errors of throwaway servers, with texts that explain a failed test.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::kind::Kind;

/// Why a server could not be started, used or disturbed.
///
/// `Debug` reads like `Display` with all causes, because tests show errors through `unwrap`.
#[derive(thiserror::Error)]
pub enum ServersError {
    /// The programs of these kinds are not installed.
    #[error("{}", tell_missing(.0))]
    Missing(Vec<Kind>),
    /// The caller is root, and none of these users exists to run a server as.
    #[error("a server refuses to run as root, and there is no user {}", .0.join(" or "))]
    NoUser(Vec<&'static str>),
    /// A system call failed.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// There is no free port.
    #[error("no free port on the loopback")]
    NoPort,
    /// A program failed, or ended unexpectedly.
    #[error("{what} ended: {status}\n{log}")]
    Ended {
        /// The program.
        what: String,
        /// Its exit status.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A timeout expired.
    #[error("{what} did not happen within {waited:?}\n{log}")]
    Timeout {
        /// The awaited condition.
        what: String,
        /// The timeout.
        waited: Duration,
        /// The end of the server's log.
        log: String,
    },
    /// A server replied with an error, or with an unexpected reply.
    #[error("the server replied {reply} to {command}")]
    Reply {
        /// The command.
        command: String,
        /// The reply.
        reply: String,
    },
    /// The server is not running, but must be.
    #[error("{0} is not running")]
    NotRunning(String),
    /// The server is running, but must not be.
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
    fn missing_programs_are_listed_once_with_their_packages() {
        let kinds = vec![Kind::Redis, Kind::Sentinel, Kind::Postgres];
        let text = ServersError::Missing(kinds).to_string();
        assert!(text.starts_with("not installed: initdb, postgres, redis-server. "), "{text}");
        assert!(text.contains("(postgresql, redis-server)"), "{text}");
        assert!(text.contains("cargo xtask stores --install"), "{text}");
    }

    #[test]
    fn a_failed_test_prints_the_cause() {
        let error = ServersError::io("make a directory", io::Error::other("disk on fire"));
        assert_eq!(format!("{error:?}"), "cannot make a directory: disk on fire");
    }
}
