//! The arguments of `aquaware store`.

use clap::Subcommand;

/// The commands for the stores of sessions and accounts.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StoreCommand {
    /// Migrate the tables of SQL stores
    ///
    /// A server does this automatically when it starts, unless store.migrate is false. It is safe
    /// while servers run, including servers of the previous release, and while several migrate at
    /// once.
    Migrate,

    /// Diagnose the stores
    ///
    /// Reports whether each store is reachable, migrated, writable and durable, its version, how far
    /// its clock differs from this machine's, and how long a round trip takes. Exits with 1 if
    /// something prevents a server from working; risky settings are warnings.
    Check,
}
