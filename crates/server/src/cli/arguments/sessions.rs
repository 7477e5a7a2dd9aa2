//! `aquaware sessions`, as it is typed.

use aquaware_core::id::SessionId;
use clap::Subcommand;

/// What can be done with sessions.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SessionsCommand {
    /// List the live sessions of an account, newest first
    List {
        /// Whose: an e-mail address or an id
        #[arg(long, value_name = "EMAIL")]
        account: String,
    },

    /// End a session
    ///
    /// Its refresh token is dead at once. Access tokens that are out already are refused at once by
    /// the server itself, and by others when they expire.
    Revoke {
        /// The session's id, as `aquaware sessions list` prints it
        #[arg(allow_hyphen_values = true)]
        id: SessionId,
    },
}
