//! Connections: how each is set up, and what is checked when the first one is made.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::deserialize::QueryableByName;
use diesel::result::ConnectionError;
use diesel::sql_types::Text;
use diesel::{Connection as _, QueryResult, RunQueryDsl as _, SqliteConnection};

use super::failure::failure;
use super::migrate;
use crate::error::{Failure, OpenError};

/// How long to let somebody else finish switching a file over.
const PAUSE: Duration = Duration::from_millis(5);

/// Which file, and how long to wait for it. Cheap to clone: every thread has one.
#[derive(Clone)]
pub(super) struct Place(Arc<Inner>);

struct Inner {
    path: PathBuf,
    url: String,
    timeout: Duration,
}

impl Place {
    /// The file at `path`, from now on independent of the working directory.
    pub(super) fn new(path: PathBuf, timeout: Duration) -> Result<Self, OpenError> {
        let Ok(absolute) = std::path::absolute(&path) else {
            return Err(OpenError::Path { path, what: "is empty" });
        };
        // An absolute path can't be taken for one of the engine's special names or URLs.
        match absolute.to_str() {
            None => Err(OpenError::Path { path, what: "is not UTF-8" }),
            Some(text) if text.contains('\0') => {
                Err(OpenError::Path { path, what: "contains a NUL" })
            }
            Some(text) => {
                let url = text.to_owned();
                Ok(Self(Arc::new(Inner { path: absolute, url, timeout })))
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Why opening failed, for whoever asked for it.
    pub(super) fn refused(&self, failure: Failure) -> OpenError {
        let path = self.path().to_owned();
        match failure {
            Failure::CannotOpen | Failure::ReadOnly => OpenError::NoPermission { path },
            Failure::NotADatabase | Failure::Damaged => OpenError::NotADatabase { path },
            source => OpenError::Engine { path, source },
        }
    }
}

/// The first connection, which becomes the writer's. The tables are checked, and brought up to
/// date if `migrate`, before anything else is changed in the file.
pub(super) fn open(place: &Place, migrate: bool) -> Result<SqliteConnection, OpenError> {
    let mut connection = connect(place).map_err(|failure| place.refused(failure))?;
    migrate::check(&mut connection, place, migrate)?;
    let mode = log_ahead(&mut connection, place).map_err(|failure| place.refused(failure))?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog { path: place.path().to_owned() });
    }
    try_to_write(&mut connection).map_err(|failure| place.refused(failure))?;
    Ok(connection)
}

/// Finds out now, not at the first login, that the file can only be read: the engine opens such a
/// one without a word, and begins a transaction too. A statement that would write is refused, one
/// that has nothing to write as well.
fn try_to_write(connection: &mut SqliteConnection) -> Result<(), Failure> {
    match connection.batch_execute("DELETE FROM sessions WHERE 0").map_err(|error| failure(&error))
    {
        // Somebody else is writing, so one can.
        Err(Failure::Busy) | Ok(()) => Ok(()),
        Err(other) => Err(other),
    }
}

/// A connection that may write.
pub(super) fn connect(place: &Place) -> Result<SqliteConnection, Failure> {
    let mut connection = SqliteConnection::establish(&place.0.url).map_err(|error| of(&error))?;
    // The engine gives up before the caller does, so that a lock held too long is known to have
    // changed nothing. FULL waits for the disk at each commit; 8 MiB of pages; the log is cut back
    // after a burst.
    let patience = place.timeout().as_millis().saturating_mul(3) / 4;
    let patience = i32::try_from(patience).unwrap_or(i32::MAX).max(1);
    connection
        .batch_execute(&format!(
            "PRAGMA busy_timeout = {patience};
             PRAGMA synchronous = FULL;
             PRAGMA cache_size = -8192;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA trusted_schema = OFF;"
        ))
        .map_err(|error| failure(&error))?;
    Ok(connection)
}

/// A connection that can't write, whatever it is told.
pub(super) fn connect_to_read(place: &Place) -> Result<SqliteConnection, Failure> {
    let mut connection = connect(place)?;
    connection.batch_execute("PRAGMA query_only = ON").map_err(|error| failure(&error))?;
    Ok(connection)
}

fn of(error: &ConnectionError) -> Failure {
    match error {
        ConnectionError::BadConnection(_) => Failure::CannotOpen,
        ConnectionError::CouldntSetupConfiguration(error) => failure(error),
        ConnectionError::InvalidCString(_) => Failure::Unexpected("a path with a NUL"),
        _ => Failure::Unexpected("a connection that cannot be made"),
    }
}

#[derive(QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}

/// Switches to the write-ahead log; gives what the file now has.
///
/// Of two processes that switch a new file at once the engine fails one without waiting, so the
/// waiting is done here. Once switched the file stays so.
fn log_ahead(connection: &mut SqliteConnection, place: &Place) -> Result<String, Failure> {
    let until = Instant::now() + place.timeout();
    loop {
        match journal_mode(connection).map_err(|error| failure(&error)) {
            Err(Failure::Busy) if Instant::now() < until => thread::park_timeout(PAUSE),
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
    fn every_commit_waits_for_the_disk_and_no_reader_writes() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path().join("a.db"), Duration::from_secs(2)).unwrap();
        let mut writing = open(&place, true).unwrap();
        assert_eq!(journal_mode(&mut writing).unwrap(), "wal");
        let again = connect(&place).unwrap();
        let reading = connect_to_read(&place).unwrap();
        for (mut connection, reads_only) in [(writing, 0), (again, 0), (reading, 1)] {
            assert_eq!(setting(&mut connection, "synchronous"), 2, "FULL");
            assert_eq!(setting(&mut connection, "busy_timeout"), 1_500);
            assert_eq!(setting(&mut connection, "query_only"), reads_only);
        }
    }

    #[test]
    fn a_connection_that_cannot_write_is_found_out() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path().join("a.db"), Duration::from_millis(10)).unwrap();
        let mut writing = open(&place, true).unwrap();
        let mut reading = connect_to_read(&place).unwrap();
        assert_eq!(try_to_write(&mut writing), Ok(()));
        assert_eq!(try_to_write(&mut reading), Err(Failure::ReadOnly));
        writing.batch_execute("BEGIN IMMEDIATE").unwrap();
        assert_eq!(try_to_write(&mut connect(&place).unwrap()), Ok(()));
    }

    #[test]
    fn what_the_engine_may_not_open_or_write_is_a_matter_of_permission() {
        let place = Place::new(PathBuf::from("a.db"), Duration::from_secs(1)).unwrap();
        for failure in [Failure::CannotOpen, Failure::ReadOnly] {
            assert!(matches!(place.refused(failure), OpenError::NoPermission { .. }));
        }
        assert!(matches!(place.refused(Failure::Damaged), OpenError::NotADatabase { .. }));
        assert!(matches!(place.refused(Failure::Busy), OpenError::Engine { .. }));
    }
}
