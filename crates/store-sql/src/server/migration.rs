//! Migrations: part of the program, known by their version, forwards only.
//!
//! The versions a database has been through are in the table that diesel's own tools use.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use diesel_async::methods::LoadQuery;
use tokio::time::{Instant, sleep, timeout};

use super::engine::Engine;
use super::error::{Access, StatementError};
use crate::error::{ServerError, SqlError};
use crate::schema::is_additive;
use crate::statements;

/// Maximum duration of a migration, including the wait for another replica's.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(300);

/// How long a migration waits for the lock of a table, and how long it then lets others pass. A
/// waiting schema change blocks every later query on the table, so it must not wait behind a backup.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Creates the table of applied migrations.
pub(crate) const CREATE_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations (
    version VARCHAR(50) PRIMARY KEY NOT NULL,
    run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)";

/// One migration.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    /// The start of its folder's name, without dashes.
    pub(crate) version: &'static str,
    /// Its statements.
    pub(crate) sql: &'static str,
}

impl Migration {
    /// The statement that records this migration as applied.
    pub(crate) fn record(&self) -> String {
        format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{}')", self.version)
    }
}

/// What has to be known of a server before it is used.
pub(crate) struct ServerState {
    pub(crate) read_only: bool,
    /// Whether the database stores text as UTF-8.
    pub(crate) is_utf8: bool,
}

/// An engine with migrations.
pub(crate) trait Migrate: Engine {
    const MIGRATIONS: &'static [Migration];

    fn state(&mut self) -> impl Future<Output = Result<ServerState, StatementError>> + Send;

    /// Whether the table of applied migrations exists.
    fn has_migrations(&mut self) -> impl Future<Output = Result<bool, StatementError>> + Send;

    /// Runs the missing migrations, one replica at a time.
    fn run_missing(&mut self) -> impl Future<Output = Result<(), StatementError>> + Send;

    /// Ends the transaction of a migration that failed.
    fn abort(&mut self) -> impl Future<Output = Result<(), StatementError>> + Send;
}

/// Checks the database, and migrates its tables if `migrate`.
pub(crate) async fn check<C: Migrate>(
    config: &C::Config,
    patience: Duration,
    migrate: bool,
) -> Result<(), ServerError>
where
    statements::applied_migrations: LoadQuery<'static, C::Raw, String>,
{
    let mut connection = within(patience, C::connect(config)).await?;
    let state = within(patience, connection.state()).await?;
    if !state.is_utf8 {
        return Err(ServerError::Encoding);
    }
    match within(patience, status(&mut connection)).await? {
        MigrationStatus::Ahead(version) => return Err(ServerError::NewerSchema { version }),
        MigrationStatus::Behind(_) if !migrate => return Err(ServerError::NotMigrated),
        MigrationStatus::Behind(_) if state.read_only => return Err(ServerError::ReadOnly),
        MigrationStatus::Behind(_) => within(MAX_WAIT, run_patiently(&mut connection)).await?,
        MigrationStatus::Current => {}
    }
    // Reported now, and not at the first login.
    if state.read_only { Err(ServerError::ReadOnly) } else { Ok(()) }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StatementError>>,
) -> Result<T, ServerError> {
    let result = timeout(limit, work).await.map_err(|_| ServerError::Timeout)?;
    result.map_err(|error| error.sql_error().into())
}

/// Runs the missing migrations as soon as no other transaction blocks them.
async fn run_patiently<C: Migrate>(connection: &mut C) -> Result<(), StatementError> {
    // Ends a little before the caller's limit, so that the last error is reported.
    let until = Instant::now() + MAX_WAIT.saturating_sub(LOCK_WAIT * 3);
    loop {
        match connection.run_missing().await {
            Err(error) if error.sql_error() == SqlError::Locked && Instant::now() < until => {
                tracing::warn!("another transaction uses the tables to be migrated; waiting");
                connection.abort().await?;
                sleep(LOCK_WAIT).await;
            }
            done => return done,
        }
    }
}

/// Whether the tables are those of this program.
pub(crate) async fn is_migrated<C: Migrate>(connection: &mut C) -> Result<bool, StatementError>
where
    statements::applied_migrations: LoadQuery<'static, C::Raw, String>,
{
    Ok(status(connection).await? == MigrationStatus::Current)
}

/// The migrations of a database, compared with those of this program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MigrationStatus {
    Current,
    /// With the missing versions.
    Behind(Vec<&'static str>),
    /// With the first version that this program does not know.
    Ahead(String),
}

pub(crate) async fn status<C: Migrate>(
    connection: &mut C,
) -> Result<MigrationStatus, StatementError>
where
    statements::applied_migrations: LoadQuery<'static, C::Raw, String>,
{
    let applied = if connection.has_migrations().await? {
        connection.load(Access::Read, statements::applied_migrations()).await?
    } else {
        Vec::new()
    };
    Ok(compare(C::MIGRATIONS, &applied))
}

fn compare(known: &[Migration], applied: &[String]) -> MigrationStatus {
    let known: BTreeSet<&'static str> = known.iter().map(|migration| migration.version).collect();
    let applied: BTreeSet<&str> = applied.iter().map(String::as_str).collect();
    let mut unknown = applied.iter().filter(|version| !known.contains(**version));
    if let Some(unknown) = unknown.find(|version| !is_additive(version)) {
        return MigrationStatus::Ahead((*unknown).to_owned());
    }
    let missing: Vec<_> = known.into_iter().filter(|version| !applied.contains(version)).collect();
    if missing.is_empty() { MigrationStatus::Current } else { MigrationStatus::Behind(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_behind_current_or_ahead() {
        let known = [Migration { version: "1", sql: "" }, Migration { version: "2", sql: "" }];
        let of = |applied: &[&str]| {
            let applied: Vec<String> = applied.iter().map(|&version| version.into()).collect();
            compare(&known, &applied)
        };
        assert_eq!(of(&[]), MigrationStatus::Behind(vec!["1", "2"]));
        assert_eq!(of(&["1"]), MigrationStatus::Behind(vec!["2"]));
        assert_eq!(of(&["2", "1"]), MigrationStatus::Current);
        assert_eq!(of(&["1", "2", "3"]), MigrationStatus::Ahead("3".to_owned()));
        assert_eq!(of(&["3"]), MigrationStatus::Ahead("3".to_owned()));
        let additive = "20270101500000";
        assert_eq!(of(&["1", "2", additive]), MigrationStatus::Current);
        assert_eq!(of(&["1", additive]), MigrationStatus::Behind(vec!["2"]));
        assert_eq!(of(&["1", "2", "3", additive]), MigrationStatus::Ahead("3".to_owned()));
    }
}
