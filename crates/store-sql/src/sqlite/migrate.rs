//! Migrations: steps that are part of the program, run in one transaction, forwards only.

use std::collections::BTreeSet;
use std::error::Error as StdError;

use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::connection::Place;
use super::failure::{failure, of_message};
use crate::error::{Failure, OpenError};
use crate::schema::__diesel_schema_migrations as applied_steps;

const STEPS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

type Boxed = Box<dyn StdError + Send + Sync>;

/// Where the tables stand, beside where this program wants them.
enum Standing {
    Current,
    Behind,
    /// With the first step that is unknown here.
    Ahead(String),
}

/// Checks the tables, and brings them up to date if `migrate`.
pub(super) fn check(
    connection: &mut SqliteConnection,
    place: &Place,
    migrate: bool,
) -> Result<(), OpenError> {
    let refused = |error: Boxed| place.refused(meaning(&*error));
    match standing(connection).map_err(refused)? {
        Standing::Current => Ok(()),
        Standing::Ahead(version) => {
            Err(OpenError::Newer { path: place.path().to_owned(), version })
        }
        Standing::Behind if !migrate => {
            Err(OpenError::NotMigrated { path: place.path().to_owned() })
        }
        // Somebody else may be at it: the harness looks again once the lock is ours.
        Standing::Behind => connection
            .immediate_transaction(|connection| {
                connection.run_pending_migrations(STEPS).map(|_| ())
            })
            .map_err(refused),
    }
}

fn standing(connection: &mut SqliteConnection) -> Result<Standing, Boxed> {
    let mut known = BTreeSet::new();
    for step in diesel::migration::MigrationSource::<Sqlite>::migrations(&STEPS)? {
        known.insert(step.name().version().to_string());
    }
    let applied = applied(connection)?;
    if let Some(unknown) = applied.difference(&known).next() {
        return Ok(Standing::Ahead(unknown.clone()));
    }
    Ok(if applied == known { Standing::Current } else { Standing::Behind })
}

/// The steps the file has been through. The harness has this too, but makes a table to ask.
fn applied(connection: &mut SqliteConnection) -> QueryResult<BTreeSet<String>> {
    let steps = applied_steps::table.select(applied_steps::version).load::<String>(connection);
    match steps {
        Ok(steps) => Ok(steps.into_iter().collect()),
        Err(error) if failure(&error) == Failure::NotMigrated => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

fn meaning(error: &(dyn StdError + 'static)) -> Failure {
    if let Some(error) = error.downcast_ref::<DieselError>() {
        return failure(error);
    }
    // The harness has a type of its own for a step that failed and keeps it to itself; its text
    // ends with the engine's.
    error
        .to_string()
        .split_once(" with: ")
        .and_then(|(_, message)| of_message(message))
        .unwrap_or(Failure::Unexpected("a migration that cannot be run"))
}
