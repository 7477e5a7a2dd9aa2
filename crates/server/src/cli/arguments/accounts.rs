//! `aquaware accounts`, as it is typed.

use clap::{Args, Subcommand};

/// What can be done with accounts. They are named by e-mail address or id.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AccountsCommand {
    /// Make an account
    ///
    /// Works although sign-up is closed. The password is asked for, twice, and isn't shown.
    #[command(after_help = "Example: aquaware accounts add ann@example.com --first-name Ann")]
    Add {
        /// The e-mail address to log in with
        email: String,
        /// The given name
        #[arg(long, value_name = "NAME")]
        first_name: Option<String>,
        /// The family name
        #[arg(long, value_name = "NAME")]
        last_name: Option<String>,
        /// Where the password comes from
        #[command(flatten)]
        password: PasswordSource,
    },

    /// List accounts in the order of their addresses
    List {
        /// Begin after this address, as the last page ended
        #[arg(long, value_name = "EMAIL")]
        after: Option<String>,
        /// Print no more than these
        #[arg(long, value_name = "COUNT")]
        limit: Option<u32>,
    },

    /// Show one account
    Show {
        /// Its e-mail address or id
        account: String,
    },

    /// Lock an account out: its sessions end at once, and it can't log in
    ///
    /// Access tokens that are out already are refused at once by the server itself, and by others
    /// when they expire.
    Disable {
        /// Its e-mail address or id
        account: String,
    },

    /// Let a disabled account log in again
    ///
    /// Its sessions stay ended.
    Enable {
        /// Its e-mail address or id
        account: String,
    },

    /// Set a new password without knowing the old one
    ///
    /// Every session of the account ends. The password is asked for, twice, and isn't shown.
    SetPassword {
        /// Its e-mail address or id
        account: String,
        /// Where the password comes from
        #[command(flatten)]
        password: PasswordSource,
    },

    /// Replace the extra claims that go into the account's access tokens
    ///
    /// The claims given here are all there are afterwards; `{}` takes the last one away. Sessions
    /// have them from their next refresh on. The names that tokens use themselves (sub, exp, scope
    /// and so on) can't be taken.
    #[command(after_help = "Examples:
  aquaware accounts set-claims ann@example.com '{\"roles\": [\"admin\"]}'
  aquaware accounts set-claims ann@example.com plan=gold tanks=3 'roles=[\"admin\"]'")]
    SetClaims {
        /// Its e-mail address or id
        account: String,
        /// A JSON object, or NAME=VALUE pairs; a VALUE that is JSON is taken as such, else as text
        #[arg(required = true, value_name = "CLAIMS")]
        claims: Vec<String>,
    },

    /// Delete an account and end its sessions
    ///
    /// It can't be undone. The address is free again; the id is never used again.
    Delete {
        /// Its e-mail address or id
        account: String,
        /// Don't ask whether it is meant
        #[arg(long)]
        yes: bool,
    },
}

/// How a password is given. Never as an argument: others on the machine can read those.
#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct PasswordSource {
    /// Read the password from standard input, one line, instead of asking
    #[arg(long)]
    pub(in crate::cli) password_stdin: bool,
}
