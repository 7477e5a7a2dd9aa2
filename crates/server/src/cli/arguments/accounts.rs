//! The arguments of `aquaware accounts`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The commands for accounts. An account is given by e-mail address, id or user name.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AccountsCommand {
    /// Create an account
    ///
    /// Also possible if sign-up is closed. Prompts for the password twice and does not show it.
    #[command(after_help = "Example: aquaware accounts add ann@example.com --first-name Ann")]
    Add {
        /// The e-mail address used to log in
        email: String,
        /// The given name
        #[arg(long, value_name = "NAME")]
        first_name: Option<String>,
        /// The family name
        #[arg(long, value_name = "NAME")]
        last_name: Option<String>,
        /// The source of the password
        #[command(flatten)]
        password: PasswordSource,
    },

    /// Import accounts of another system, with their ids and password hashes
    ///
    /// Reads one JSON object per line, or CSV with a header line. The fields are email, password_hash,
    /// id, login (a user name, if it is not the address), first_name, last_name, claims,
    /// email_verified, disabled and created_at. Password hashes may be in PHC format (argon2, scrypt,
    /// pbkdf2), bcrypt, or Django's; they are replaced by argon2id when their users log in.
    ///
    /// Existing accounts are left as they are, so an interrupted import continues when the command is
    /// run again. A line that cannot be imported is reported with its number, the others are imported,
    /// and the exit status is 1.
    #[command(after_help = "Examples:
  aquaware accounts import users.jsonl --dry-run
  aquaware accounts import users.csv
  pg-export | aquaware accounts import - --format csv")]
    Import {
        /// The file; `-` for standard input
        file: PathBuf,
        /// The format; by default CSV for files that end in .csv, and JSON lines for all others
        #[arg(long, value_name = "FORMAT", value_enum)]
        format: Option<ImportFormat>,
        /// Check the lines and count the accounts, but store nothing
        #[arg(long)]
        dry_run: bool,
    },

    /// List accounts, ordered by e-mail address
    List {
        /// Start after this address, the last one of the previous page
        #[arg(long, value_name = "EMAIL")]
        after: Option<String>,
        /// The maximum number of accounts to print
        #[arg(long, value_name = "COUNT")]
        limit: Option<u32>,
    },

    /// Show one account
    Show {
        /// The e-mail address, id or user name
        account: String,
    },

    /// Disable an account: its sessions end, and it cannot log in
    ///
    /// The server rejects its access tokens immediately. Other services accept them until they
    /// expire or, if they read status lists, for some seconds.
    Disable {
        /// The e-mail address, id or user name
        account: String,
    },

    /// Allow a disabled account to log in again
    ///
    /// Sessions that have ended do not come back.
    Enable {
        /// The e-mail address, id or user name
        account: String,
    },

    /// Set a new password without the old one
    ///
    /// Ends every session of the account. Prompts for the password twice and does not show it.
    SetPassword {
        /// The e-mail address, id or user name
        account: String,
        /// The source of the password
        #[command(flatten)]
        password: PasswordSource,
    },

    /// Replace the extra claims in the account's access tokens
    ///
    /// Replaces all extra claims; `{}` removes them. Sessions use the new claims from their next
    /// refresh on. Names of standard claims (sub, exp, scope and others) are reserved. Names given
    /// twice and numbers that JSON readers round, such as integers beyond 2^53, are rejected.
    #[command(after_help = "Examples:
  aquaware accounts set-claims ann@example.com '{\"roles\": [\"admin\"]}'
  aquaware accounts set-claims ann@example.com plan=gold tanks=3 'roles=[\"admin\"]'")]
    SetClaims {
        /// The e-mail address, id or user name
        account: String,
        /// A JSON object or NAME=VALUE pairs; a VALUE that is not valid JSON is a string
        #[arg(required = true, value_name = "CLAIMS")]
        claims: Vec<String>,
    },

    /// Delete an account and end its sessions
    ///
    /// This cannot be undone. The address becomes available again; the id is never reused.
    Delete {
        /// The e-mail address, id or user name
        account: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

/// The source of a password. Never an argument: other users of the machine can read arguments.
#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct PasswordSource {
    /// Read the password from standard input, as one line, instead of prompting
    #[arg(long)]
    pub(in crate::cli) password_stdin: bool,
}

/// The format of a file with accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ImportFormat {
    /// One JSON object per line
    Jsonl,
    /// Comma-separated values with a header line
    Csv,
}
