//! The arguments of `aquaware sessions`.

use aquaware_core::id::SessionId;
use clap::Subcommand;

/// The commands for sessions.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SessionsCommand {
    /// List the live sessions of an account, newest first
    List {
        /// The e-mail address or id of the account
        #[arg(long, value_name = "EMAIL")]
        account: String,
    },

    /// End a session
    ///
    /// The server rejects the session's tokens immediately. Other services accept its access tokens
    /// until they expire or, if they read status lists, for some seconds.
    Revoke {
        /// The session's id, as `aquaware sessions list` prints it
        #[arg(allow_hyphen_values = true)]
        id: SessionId,
    },
}
