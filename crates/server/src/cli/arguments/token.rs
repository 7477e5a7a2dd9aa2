//! The arguments of `aquaware token`.

use std::ffi::OsString;

use clap::Subcommand;

/// The commands for tokens.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum TokenCommand {
    /// Explain a token, and why it would be accepted or rejected
    ///
    /// Reads the token from standard input, so that it appears neither in the list of processes nor
    /// in the shell history. Checks it against the keys, issuer and audiences of the configuration,
    /// the clock, and the session in the store. Changes nothing and never prints the signature. The
    /// exit status is 0 if the token would be accepted, otherwise 1.
    #[command(after_help = "Example: aquaware token inspect < token.txt")]
    Inspect {
        /// Accepted by the parser so that an error can be reported without printing the token.
        #[arg(hide = true)]
        misplaced: Vec<Misplaced>,
    },
}

/// An unexpected argument. Its value is discarded, because it is probably a token.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Misplaced;

impl From<OsString> for Misplaced {
    fn from(_: OsString) -> Self {
        Self
    }
}
