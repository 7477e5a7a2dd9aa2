//! The meaning of SQLite's errors.
//!
//! diesel reports the engine's text and no code. The texts below are constants of the engine; any
//! other may quote a statement and is not passed on.

use aquaware_core::store::StoreError;
use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::{SqlError, diesel_error};

/// The result of a statement inside an operation: an error means that nothing happened.
pub(super) fn store_result<T>(result: QueryResult<T>) -> Result<T, StoreError> {
    result.map_err(|error| sql_error(&error).before_commit())
}

/// The meaning of an error of diesel.
pub(super) fn sql_error(error: &DieselError) -> SqlError {
    match error {
        DieselError::DatabaseError(kind, information) => {
            message_error(information.message()).unwrap_or_else(|| kind_error(kind))
        }
        other => diesel_error(other),
    }
}

/// The meaning of a text of the engine.
pub(super) fn message_error(message: &str) -> Option<SqlError> {
    let known = match message {
        "database is locked" | "database table is locked" | "locking protocol" => SqlError::Locked,
        "disk I/O error" => SqlError::Io,
        "database or disk is full" => SqlError::DiskFull,
        "attempt to write a readonly database" => SqlError::ReadOnly,
        "database disk image is malformed" => SqlError::Damaged,
        "file is not a database" => SqlError::NotADatabase,
        "unable to open database file" => SqlError::CannotOpen,
        "out of memory" => SqlError::OutOfMemory,
        // Some texts continue with the names of tables and columns.
        long if long.starts_with("malformed database schema") => SqlError::Damaged,
        long if long.starts_with("database is locked") => SqlError::Locked,
        long if long.starts_with("no such table") || long.starts_with("no such column") => {
            SqlError::NotMigrated
        }
        long if long.contains(" has no column named ") => SqlError::NotMigrated,
        _ => return None,
    };
    Some(known)
}

const fn kind_error(kind: &DatabaseErrorKind) -> SqlError {
    match kind {
        DatabaseErrorKind::UniqueViolation => SqlError::DuplicateKey,
        DatabaseErrorKind::NotNullViolation
        | DatabaseErrorKind::CheckViolation
        | DatabaseErrorKind::ForeignKeyViolation => {
            SqlError::Unexpected("a constraint is violated")
        }
        _ => SqlError::Unexpected("an error of the engine"),
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use diesel::{Connection as _, SqliteConnection};

    use super::*;

    fn error_of(sql: &str) -> SqlError {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection.batch_execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b ANY)").unwrap();
        sql_error(&connection.batch_execute(sql).unwrap_err())
    }

    #[test]
    fn the_error_texts_of_the_engine_are_known() {
        let full = "PRAGMA max_page_count = 2; INSERT INTO t VALUES (1, zeroblob(100000))";
        assert_eq!(error_of(full), SqlError::DiskFull);
        let read_only = "PRAGMA query_only = ON; INSERT INTO t VALUES (1, 1)";
        assert_eq!(error_of(read_only), SqlError::ReadOnly);
        assert_eq!(error_of("SELECT * FROM missing"), SqlError::NotMigrated);
        assert_eq!(error_of("SELECT missing FROM t"), SqlError::NotMigrated);
        assert_eq!(error_of("INSERT INTO t (missing) VALUES (1)"), SqlError::NotMigrated);
        assert_eq!(error_of("INSERT INTO t VALUES (1, 1), (1, 2)"), SqlError::DuplicateKey);
    }

    #[test]
    fn a_file_that_is_not_a_database_is_recognised() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        std::fs::write(&path, "not a database, and long enough to have a header".repeat(9))
            .unwrap();
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let error = connection.batch_execute("SELECT * FROM t").unwrap_err();
        assert_eq!(sql_error(&error), SqlError::NotADatabase);
    }

    #[test]
    fn a_lock_of_another_connection_is_recognised() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let connect = || SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let (mut one, mut other) = (connect(), connect());
        one.batch_execute("BEGIN IMMEDIATE").unwrap();
        let error = other.batch_execute("BEGIN IMMEDIATE").unwrap_err();
        assert_eq!(sql_error(&error), SqlError::Locked);
    }

    #[test]
    fn statements_are_not_passed_on_in_errors() {
        let error = error_of("SELECT secret secret secret");
        assert_eq!(error, SqlError::Unexpected("an error of the engine"));
        assert!(!error.to_string().contains("secret"));
    }
}
