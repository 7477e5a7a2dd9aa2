//! The arguments of `aquaware sessions`.

use aquaware_core::id::SessionId;
use clap::{ArgGroup, Subcommand};

/// The commands for sessions.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SessionsCommand {
    /// List the live sessions of an account, newest first
    List {
        /// The e-mail address or id of the account
        #[arg(long, value_name = "EMAIL")]
        account: String,
    },

    /// End a session, the sessions of an account, or all sessions
    ///
    /// The server rejects the tokens of ended sessions immediately. Other services accept their access
    /// tokens until they expire or, if they read status lists, for some seconds.
    ///
    /// With --all, every user logs in again. It finds the sessions of the accounts in the store; to
    /// end those of accounts that were deleted too, remove the refresh keys with
    /// `aquaware keys rotate --drop`.
    #[command(group = ArgGroup::new("which").required(true).args(["id", "account", "all"]))]
    Revoke {
        /// The session's id, as `aquaware sessions list` prints it
        #[arg(allow_hyphen_values = true)]
        id: Option<SessionId>,
        /// End every session of this account, given by e-mail address, id or user name
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// End every session of every account
        #[arg(long)]
        all: bool,
        /// Do not ask for confirmation of --all
        #[arg(long)]
        yes: bool,
    },
}
