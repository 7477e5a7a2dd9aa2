//! Migrations: part of the program, run in one transaction, forwards only.

use std::collections::BTreeSet;
use std::error::Error as StdError;

use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::error::{message_error, sql_error};
use super::file::DatabaseFile;
use crate::error::{OpenError, SqlError};
use crate::schema::is_additive;
use crate::statements;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

type BoxError = Box<dyn StdError + Send + Sync>;

/// The migrations of a file, compared with those of this program.
enum MigrationStatus {
    Current,
    Behind,
    /// With the first version that this program does not know.
    Ahead(String),
}

/// Checks the tables, and migrates them if `migrate`.
pub(super) fn check(
    connection: &mut SqliteConnection,
    file: &DatabaseFile,
    migrate: bool,
) -> Result<(), OpenError> {
    let open_error = |error: BoxError| file.open_error(migration_error(&*error));
    match status(connection).map_err(open_error)? {
        MigrationStatus::Current => Ok(()),
        MigrationStatus::Ahead(version) => {
            Err(OpenError::NewerSchema { path: file.path().to_owned(), version })
        }
        MigrationStatus::Behind if !migrate => {
            Err(OpenError::NotMigrated { path: file.path().to_owned() })
        }
        // Another process may be migrating: the harness compares again under the lock.
        MigrationStatus::Behind => connection
            .immediate_transaction(|connection| {
                connection.run_pending_migrations(MIGRATIONS).map(|_| ())
            })
            .map_err(open_error),
    }
}

fn status(connection: &mut SqliteConnection) -> Result<MigrationStatus, BoxError> {
    let mut known = BTreeSet::new();
    for migration in diesel::migration::MigrationSource::<Sqlite>::migrations(&MIGRATIONS)? {
        known.insert(migration.name().version().to_string());
    }
    let applied = applied(connection)?;
    if let Some(unknown) = applied.difference(&known).find(|version| !is_additive(version)) {
        return Ok(MigrationStatus::Ahead(unknown.clone()));
    }
    let is_current = applied.is_superset(&known);
    Ok(if is_current { MigrationStatus::Current } else { MigrationStatus::Behind })
}

/// The migrations the file has been through. The harness has such a function too, but it creates the
/// table.
fn applied(connection: &mut SqliteConnection) -> QueryResult<BTreeSet<String>> {
    match statements::applied_migrations().load::<String>(connection) {
        Ok(versions) => Ok(versions.into_iter().collect()),
        Err(error) if sql_error(&error) == SqlError::NotMigrated => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

fn migration_error(error: &(dyn StdError + 'static)) -> SqlError {
    if let Some(error) = error.downcast_ref::<DieselError>() {
        return sql_error(error);
    }
    // The harness reports a failed migration with a private type; its text ends with the engine's.
    error
        .to_string()
        .split_once(" with: ")
        .and_then(|(_, message)| message_error(message))
        .unwrap_or(SqlError::Unexpected("a migration cannot be run"))
}
