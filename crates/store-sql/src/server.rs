//! What the engines that are reached over a network share: the store with its ports, its runtime
//! and connection pool, a deadline for each operation, and what an error says about it.
//!
//! An operation never runs on its caller's runtime. It is passed to the store's own runtime, where
//! the connections live, and always finishes there: a caller that is dropped leaves no half-sent
//! statement, and a worker that ends takes no connection with it.

mod accounts;
mod connection;
mod engine;
mod error;
mod migration;
mod options;
mod outbox;
mod pool;
mod runtime;
mod store;
mod tls;

pub(crate) use self::connection::{Connection, SqlConnection};
pub(crate) use self::engine::Engine;
pub(crate) use self::error::{Access, Execution, StatementError};
pub(crate) use self::migration::{
    CREATE_MIGRATIONS, LOCK_WAIT, MAX_WAIT, Migrate, Migration, MigrationStatus, ServerState,
    is_migrated, status,
};
pub(crate) use self::options::extract_parameters;
pub(crate) use self::pool::Pool;
pub(crate) use self::store::ServerStore;
pub(crate) use self::tls::{TlsConfig, TlsMode, handshake_error};
