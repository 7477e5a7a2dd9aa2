//! `aquaware store`, as it is typed.

use clap::Subcommand;

/// What can be done with the stores of sessions and accounts.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StoreCommand {
    /// Bring the tables of the SQL stores up to date
    ///
    /// A server does so by itself when it starts, unless store.migrate is false. It is safe while
    /// servers run, of the release before too, and while several do it at once.
    Migrate,

    /// Tell what is wrong with the stores
    ///
    /// Whether each is reachable, of which version, migrated, writable and durable, how far its
    /// clock is from this machine's, and how long a question takes. Exits with 1 if something keeps
    /// a server from working; what is merely unwise is a warning.
    Check,
}
