//! What SQLite's errors mean.
//!
//! diesel passes on the engine's text and no code. The texts below are constants of the engine;
//! any other may quote a statement, so it goes no further than here.

use aquaware_core::store::StoreError;
use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::Failure;

/// A query's result inside a step: an error means that nothing happened.
pub(super) fn asked<T>(result: QueryResult<T>) -> Result<T, StoreError> {
    result.map_err(|error| failure(&error).before_commit())
}

/// The meaning of an error of diesel.
pub(super) fn failure(error: &DieselError) -> Failure {
    match error {
        DieselError::DatabaseError(kind, information) => {
            of_message(information.message()).unwrap_or_else(|| of_kind(kind))
        }
        DieselError::NotFound => Failure::Unexpected("a missing row"),
        DieselError::DeserializationError(_) => Failure::Unexpected("a value of another type"),
        DieselError::SerializationError(_) => Failure::Unexpected("a value that does not fit"),
        DieselError::InvalidCString(_) => Failure::Unexpected("a statement that is no text"),
        DieselError::QueryBuilderError(_) => Failure::Unexpected("a statement that is none"),
        _ => Failure::Unexpected("a transaction out of step"),
    }
}

/// The meaning of a text of the engine.
pub(super) fn of_message(message: &str) -> Option<Failure> {
    let known = match message {
        "database is locked" | "database table is locked" | "locking protocol" => Failure::Busy,
        "disk I/O error" => Failure::Io,
        "database or disk is full" => Failure::Full,
        "attempt to write a readonly database" => Failure::ReadOnly,
        "database disk image is malformed" => Failure::Damaged,
        "file is not a database" => Failure::NotADatabase,
        "unable to open database file" => Failure::CannotOpen,
        "out of memory" => Failure::NoMemory,
        // Some of the engine's texts go on with names of tables and columns.
        long if long.starts_with("malformed database schema") => Failure::Damaged,
        long if long.starts_with("database is locked") => Failure::Busy,
        long if long.starts_with("no such table") || long.starts_with("no such column") => {
            Failure::NotMigrated
        }
        long if long.contains(" has no column named ") => Failure::NotMigrated,
        _ => return None,
    };
    Some(known)
}

const fn of_kind(kind: &DatabaseErrorKind) -> Failure {
    match kind {
        DatabaseErrorKind::UniqueViolation => Failure::Unexpected("a key that is taken"),
        DatabaseErrorKind::NotNullViolation
        | DatabaseErrorKind::CheckViolation
        | DatabaseErrorKind::ForeignKeyViolation => Failure::Unexpected("a broken constraint"),
        _ => Failure::Unexpected("an error of the engine"),
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use diesel::{Connection as _, SqliteConnection};

    use super::*;

    fn said(sql: &str) -> Failure {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection.batch_execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b ANY)").unwrap();
        failure(&connection.batch_execute(sql).unwrap_err())
    }

    #[test]
    fn the_engine_still_says_what_is_expected_of_it() {
        let full = "PRAGMA max_page_count = 2; INSERT INTO t VALUES (1, zeroblob(100000))";
        assert_eq!(said(full), Failure::Full);
        let read_only = "PRAGMA query_only = ON; INSERT INTO t VALUES (1, 1)";
        assert_eq!(said(read_only), Failure::ReadOnly);
        assert_eq!(said("SELECT * FROM missing"), Failure::NotMigrated);
        assert_eq!(said("SELECT missing FROM t"), Failure::NotMigrated);
        assert_eq!(said("INSERT INTO t (missing) VALUES (1)"), Failure::NotMigrated);
        assert_eq!(
            said("INSERT INTO t VALUES (1, 1), (1, 2)"),
            Failure::Unexpected("a key that is taken")
        );
    }

    #[test]
    fn a_file_that_is_no_database_is_known_as_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        std::fs::write(&path, "not a database, and long enough to have a header".repeat(9))
            .unwrap();
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let error = connection.batch_execute("SELECT * FROM t").unwrap_err();
        assert_eq!(failure(&error), Failure::NotADatabase);
    }

    #[test]
    fn a_lock_of_somebody_else_is_known_as_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let connect = || SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let (mut one, mut other) = (connect(), connect());
        one.batch_execute("BEGIN IMMEDIATE").unwrap();
        let error = other.batch_execute("BEGIN IMMEDIATE").unwrap_err();
        assert_eq!(failure(&error), Failure::Busy);
    }

    #[test]
    fn no_statement_gets_into_a_cause() {
        let failure = said("SELECT secret secret secret");
        assert_eq!(failure, Failure::Unexpected("an error of the engine"));
        assert!(!failure.to_string().contains("secret"));
    }
}
