//! Connections: their settings, and the checks when the first one is opened.

use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::deserialize::QueryableByName;
use diesel::result::ConnectionError;
use diesel::sql_types::Text;
use diesel::{Connection as _, QueryResult, RunQueryDsl as _, SqliteConnection};

use super::error::sql_error;
use super::file::DatabaseFile;
use super::migrate;
use crate::error::{OpenError, SqlError};

/// The pause between two attempts to switch a file to the write-ahead log.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// Opens the first connection, which becomes the writer's. The tables are checked, and migrated if
/// `migrate`, before anything else in the file is changed.
pub(super) fn open(file: &DatabaseFile, migrate: bool) -> Result<SqliteConnection, OpenError> {
    let mut connection = connect(file).map_err(|error| file.open_error(error))?;
    migrate::check(&mut connection, file, migrate)?;
    let mode = enable_wal(&mut connection, file).map_err(|error| file.open_error(error))?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog { path: file.path().to_owned() });
    }
    check_writable(&mut connection).map_err(|error| file.open_error(error))?;
    Ok(connection)
}

/// Detects a read-only file now, and not at the first login: the engine opens it and begins a
/// transaction without an error. It rejects a statement that could write, even one without rows.
fn check_writable(connection: &mut SqliteConnection) -> Result<(), SqlError> {
    let done = connection.batch_execute("DELETE FROM sessions WHERE 0");
    match done.map_err(|error| sql_error(&error)) {
        // Another connection is writing, so the file is writable.
        Err(SqlError::Locked) | Ok(()) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Opens a connection that may write.
pub(super) fn connect(file: &DatabaseFile) -> Result<SqliteConnection, SqlError> {
    let mut connection =
        SqliteConnection::establish(file.url()).map_err(|error| connection_error(&error))?;
    // The engine stops waiting for a lock before the caller's deadline, so such an operation is known
    // to have changed nothing. FULL waits for the disk at each commit. The cache is 8 MiB, and the log
    // is truncated after a burst.
    let patience = file.timeout().as_millis().saturating_mul(3) / 4;
    let patience = i32::try_from(patience).unwrap_or(i32::MAX).max(1);
    connection
        .batch_execute(&format!(
            "PRAGMA busy_timeout = {patience};
             PRAGMA synchronous = FULL;
             PRAGMA cache_size = -8192;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA trusted_schema = OFF;"
        ))
        .map_err(|error| sql_error(&error))?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(super) fn connect_read_only(file: &DatabaseFile) -> Result<SqliteConnection, SqlError> {
    let mut connection = connect(file)?;
    connection.batch_execute("PRAGMA query_only = ON").map_err(|error| sql_error(&error))?;
    Ok(connection)
}

fn connection_error(error: &ConnectionError) -> SqlError {
    match error {
        ConnectionError::BadConnection(_) => SqlError::CannotOpen,
        ConnectionError::CouldntSetupConfiguration(error) => sql_error(error),
        ConnectionError::InvalidCString(_) => SqlError::Unexpected("the path contains a NUL"),
        _ => SqlError::Unexpected("the connection failed"),
    }
}

#[derive(QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}

/// Switches to the write-ahead log; returns the mode that the file has now.
///
/// If two processes switch a new file at once, the engine fails one of them without waiting, so it
/// is retried here. The mode is stored in the file.
fn enable_wal(connection: &mut SqliteConnection, file: &DatabaseFile) -> Result<String, SqlError> {
    let until = Instant::now() + file.timeout();
    loop {
        match journal_mode(connection).map_err(|error| sql_error(&error)) {
            Err(SqlError::Locked) if Instant::now() < until => thread::park_timeout(RETRY_PAUSE),
            done => return done,
        }
    }
}

fn journal_mode(connection: &mut SqliteConnection) -> QueryResult<String> {
    let mode: JournalMode =
        diesel::sql_query("PRAGMA journal_mode = WAL").get_result(connection)?;
    Ok(mode.journal_mode)
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::BigInt;

    use super::*;

    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = BigInt)]
        value: i64,
    }

    fn setting(connection: &mut SqliteConnection, pragma: &str) -> i64 {
        let column = if pragma == "busy_timeout" { "timeout" } else { pragma };
        let sql = format!("SELECT {column} AS value FROM pragma_{pragma}");
        diesel::sql_query(sql).get_result::<Setting>(connection).unwrap().value
    }

    #[test]
    fn every_commit_waits_for_the_disk_and_readers_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let file =
            DatabaseFile::new(directory.path().join("a.db"), Duration::from_secs(2)).unwrap();
        let mut writing = open(&file, true).unwrap();
        assert_eq!(journal_mode(&mut writing).unwrap(), "wal");
        let again = connect(&file).unwrap();
        let reading = connect_read_only(&file).unwrap();
        for (mut connection, reads_only) in [(writing, 0), (again, 0), (reading, 1)] {
            assert_eq!(setting(&mut connection, "synchronous"), 2, "FULL");
            assert_eq!(setting(&mut connection, "busy_timeout"), 1_500);
            assert_eq!(setting(&mut connection, "query_only"), reads_only);
        }
    }

    #[test]
    fn a_read_only_connection_is_detected() {
        let directory = tempfile::tempdir().unwrap();
        let file =
            DatabaseFile::new(directory.path().join("a.db"), Duration::from_millis(10)).unwrap();
        let mut writing = open(&file, true).unwrap();
        let mut reading = connect_read_only(&file).unwrap();
        assert_eq!(check_writable(&mut writing), Ok(()));
        assert_eq!(check_writable(&mut reading), Err(SqlError::ReadOnly));
        writing.batch_execute("BEGIN IMMEDIATE").unwrap();
        assert_eq!(check_writable(&mut connect(&file).unwrap()), Ok(()));
    }
}
