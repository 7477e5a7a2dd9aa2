//! `aquaware token`, as it is typed.

use std::ffi::OsString;

use clap::Subcommand;

/// What can be done with a token.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum TokenCommand {
    /// Say what a token is, and why it would or wouldn't be accepted
    ///
    /// Reads the token from standard input, so that it doesn't end up in the list of processes or
    /// in the history of the shell. Holds it against the configuration: its keys, issuer and
    /// audiences, the clock, and the session in the store. Nothing is used up or changed, and the
    /// signature is never printed. The exit status is 0 if the token would be accepted, else 1.
    #[command(after_help = "Example: aquaware token inspect < token.txt")]
    Inspect {
        /// Taken so that it can be refused without being repeated.
        #[arg(hide = true)]
        misplaced: Vec<Misplaced>,
    },
}

/// An argument where none belongs. What it was isn't kept: most likely a token.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Misplaced;

impl From<OsString> for Misplaced {
    fn from(_: OsString) -> Self {
        Self
    }
}
