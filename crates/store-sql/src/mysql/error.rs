//! The meaning of the errors of MySQL and MariaDB.
//!
//! Of an error after connecting, diesel reports only the text and no code. Each connection requests
//! English texts, and the beginnings below have been the same in every version of both engines.
//! Texts are not passed on, because they quote values and names.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use mysql_async::{DriverError, Error, IoError};

use crate::error::{SqlError, diesel_error};
use crate::server::{Execution, StatementError, handshake_error};

/// The meaning of an error of diesel; `has_sent` says whether a change may have been sent before.
pub(super) fn statement_error(error: &DieselError, has_sent: bool) -> StatementError {
    let DieselError::DatabaseError(kind, information) = error else {
        return StatementError::unknown(diesel_error(error));
    };
    let (error, execution) = match kind {
        DatabaseErrorKind::UniqueViolation => (SqlError::DuplicateKey, Execution::RolledBack),
        DatabaseErrorKind::ReadOnlyTransaction => (SqlError::ServerReadOnly, Execution::RolledBack),
        _ => message_error(information.message()),
    };
    match execution {
        Execution::Unknown if !has_sent => StatementError::not_sent(error),
        execution => StatementError::Sql { error, execution },
    }
}

fn message_error(message: &str) -> (SqlError, Execution) {
    let starts = |starts: &[&str]| starts.iter().any(|start| message.starts_with(start));
    // The driver's own texts for a connection that is lost.
    if starts(&["Input/output error", "Driver error", "Other error", "Connection was killed"]) {
        return (SqlError::ConnectionLost, Execution::Unknown);
    }
    if starts(&["Server shutdown in progress"]) {
        return (SqlError::ShuttingDown, Execution::Unknown);
    }
    let error = if starts(&["Deadlock found", "Record has changed since last read"]) {
        SqlError::Conflict
    } else if starts(&["Lock wait timeout exceeded"]) {
        SqlError::Locked
    } else if starts(&["Query execution was interrupted", "Query was interrupted"]) {
        SqlError::StatementTimeout
    } else if message.contains("read-only option")
        || message.contains("read_only option")
        || starts(&["Running in read-only mode", "Cannot execute statement in a READ ONLY"])
    {
        SqlError::ServerReadOnly
    } else if message.ends_with("' is full") || starts(&["Disk full", "Disk got full"]) {
        SqlError::DiskFull
    } else if starts(&["Out of memory", "Out of sort memory"]) {
        SqlError::OutOfMemory
    } else if message.ends_with("doesn't exist") || starts(&["Unknown column"]) {
        SqlError::NotMigrated
    } else if message.contains("command denied to user") || starts(&["Access denied"]) {
        SqlError::PermissionDenied
    } else if starts(&["Too many connections", "User "]) && message.contains("connections") {
        SqlError::TooManyConnections
    } else if starts(&["Unknown prepared statement handler", "Prepared statement needs"]) {
        // Another connection prepares it again.
        SqlError::ConnectionLost
    } else {
        SqlError::Unexpected("an error of the server")
    };
    (error, Execution::RolledBack)
}

/// The meaning of an error while connecting.
pub(super) fn connect_error(error: &Error) -> SqlError {
    match error {
        Error::Io(IoError::Io(error)) => {
            handshake_error(error).unwrap_or_else(|| SqlError::Connect(error.kind()))
        }
        Error::Io(IoError::Tls(_)) => SqlError::Tls("it cannot be set up"),
        Error::Driver(DriverError::NoClientSslFlagFromServer) => SqlError::Tls(NO_TLS),
        Error::Driver(DriverError::ConnectionClosed) => SqlError::ConnectionLost,
        Error::Server(error) => match error.code {
            1044 | 1049 => SqlError::UnknownDatabase,
            1045 | 1130 | 1251 | 1524 | 1698 => SqlError::Authentication,
            1040 | 1129 | 1203 | 1226 => SqlError::TooManyConnections,
            1053 | 1077 | 1079 => SqlError::ShuttingDown,
            3159 => SqlError::Tls("the server requires it"),
            _ => message_error(&error.message).0,
        },
        _ => SqlError::Unexpected("the connection failed"),
    }
}

/// The server does not offer TLS.
pub(super) const NO_TLS: &str = "the server does not offer it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Access;

    fn classify(message: &str) -> StatementError {
        let error =
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()));
        statement_error(&error, true)
    }

    #[test]
    fn the_error_texts_of_both_engines_are_known() {
        for (message, expected) in [
            (
                "Deadlock found when trying to get lock; try restarting transaction",
                SqlError::Conflict,
            ),
            ("Record has changed since last read in table 'sessions'", SqlError::Conflict),
            ("Lock wait timeout exceeded; try restarting transaction", SqlError::Locked),
            (
                "The MariaDB server is running with the --read-only option so it cannot execute \
                 this statement",
                SqlError::ServerReadOnly,
            ),
            (
                "The MySQL server is running with the --super-read-only option so it cannot \
                 execute this statement",
                SqlError::ServerReadOnly,
            ),
            ("Running in read-only mode", SqlError::ServerReadOnly),
            ("The table 'sessions' is full", SqlError::DiskFull),
            (
                "Disk full (/var/lib/mysql/#sql); waiting for someone to free some space...",
                SqlError::DiskFull,
            ),
            ("Table 'aquaware.sessions' doesn't exist", SqlError::NotMigrated),
            ("Unknown column 'mark' in 'field list'", SqlError::NotMigrated),
            (
                "UPDATE command denied to user 'ann'@'%' for table 'sessions'",
                SqlError::PermissionDenied,
            ),
            (
                "Query execution was interrupted (max_statement_time exceeded)",
                SqlError::StatementTimeout,
            ),
            (
                "Query execution was interrupted, maximum statement execution time exceeded",
                SqlError::StatementTimeout,
            ),
        ] {
            let error = classify(message);
            assert_eq!(error.sql_error(), expected, "{message}");
            assert!(!error.into_store_error(Access::Write).is_unknown(), "{message}");
        }
    }

    #[test]
    fn a_lost_connection_leaves_a_sent_change_unknown() {
        let message = "Input/output error: Input/output error: connection closed";
        assert!(classify(message).into_store_error(Access::Write).is_unknown());
        let error =
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()));
        assert!(!statement_error(&error, false).into_store_error(Access::Write).is_unknown());
        assert!(
            classify("Server shutdown in progress").into_store_error(Access::Write).is_unknown()
        );
    }

    #[test]
    fn error_texts_of_the_server_are_not_passed_on() {
        let error = classify("Duplicate entry 's3cret' for key 'PRIMARY'");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
