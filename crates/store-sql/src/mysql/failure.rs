//! What the errors of MySQL and MariaDB mean.
//!
//! Of an error after connecting diesel passes on the text and no code. Each connection asks for the
//! texts in English, and their beginnings below have been the same in every version of both
//! engines. Texts go no further than here: they quote values and names.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use mysql_async::{DriverError, Error, IoError};

use crate::error::Failure;
use crate::server::{Fate, Trouble, of_handshake};

/// The meaning of an error of diesel for a step of which nothing was sent before, or something.
pub(super) fn trouble(error: &DieselError, has_sent: bool) -> Trouble {
    let DieselError::DatabaseError(kind, information) = error else {
        return Trouble::unknown(match error {
            DieselError::NotFound => Failure::Unexpected("a missing row"),
            DieselError::DeserializationError(_) => Failure::Unexpected("a value of another type"),
            DieselError::SerializationError(_) => Failure::Unexpected("a value that does not fit"),
            DieselError::QueryBuilderError(_) => Failure::Unexpected("a statement that is none"),
            _ => Failure::Unexpected("a transaction out of step"),
        });
    };
    let (failure, fate) = match kind {
        DatabaseErrorKind::UniqueViolation => {
            (Failure::Unexpected("a key that is taken"), Fate::Undone)
        }
        DatabaseErrorKind::ReadOnlyTransaction => (Failure::Replica, Fate::Undone),
        _ => of_message(information.message()),
    };
    match fate {
        Fate::Unknown if !has_sent => Trouble::unsent(failure),
        fate => Trouble::Engine { failure, fate },
    }
}

fn of_message(message: &str) -> (Failure, Fate) {
    let starts = |starts: &[&str]| starts.iter().any(|start| message.starts_with(start));
    // These are the driver's own, of a connection that is no more.
    if starts(&["Input/output error", "Driver error", "Other error", "Connection was killed"]) {
        return (Failure::Broken, Fate::Unknown);
    }
    if starts(&["Server shutdown in progress"]) {
        return (Failure::ShuttingDown, Fate::Unknown);
    }
    let failure = if starts(&["Deadlock found", "Record has changed since last read"]) {
        Failure::Conflict
    } else if starts(&["Lock wait timeout exceeded"]) {
        Failure::Busy
    } else if starts(&["Query execution was interrupted", "Query was interrupted"]) {
        Failure::Slow
    } else if message.contains("read-only option")
        || message.contains("read_only option")
        || starts(&["Running in read-only mode", "Cannot execute statement in a READ ONLY"])
    {
        Failure::Replica
    } else if message.ends_with("' is full") || starts(&["Disk full", "Disk got full"]) {
        Failure::Full
    } else if starts(&["Out of memory", "Out of sort memory"]) {
        Failure::NoMemory
    } else if message.ends_with("doesn't exist") || starts(&["Unknown column"]) {
        Failure::NotMigrated
    } else if message.contains("command denied to user") || starts(&["Access denied"]) {
        Failure::NotAllowed
    } else if starts(&["Too many connections", "User "]) && message.contains("connections") {
        Failure::TooMany
    } else if starts(&["Unknown prepared statement handler", "Prepared statement needs"]) {
        // Made anew on another connection.
        Failure::Broken
    } else {
        Failure::Unexpected("an error of the server")
    };
    (failure, Fate::Undone)
}

/// The meaning of an error of connecting.
pub(super) fn of_connecting(error: &Error) -> Failure {
    match error {
        Error::Io(IoError::Io(error)) => {
            of_handshake(error).unwrap_or_else(|| Failure::Connect(error.kind()))
        }
        Error::Io(IoError::Tls(_)) => Failure::Tls("it can't be prepared"),
        Error::Driver(DriverError::NoClientSslFlagFromServer) => Failure::Tls(NO_TLS),
        Error::Driver(DriverError::ConnectionClosed) => Failure::Broken,
        Error::Server(error) => match error.code {
            1044 | 1049 => Failure::NoDatabase,
            1045 | 1130 | 1251 | 1524 | 1698 => Failure::Login,
            1040 | 1129 | 1203 | 1226 => Failure::TooMany,
            1053 | 1077 | 1079 => Failure::ShuttingDown,
            3159 => Failure::Tls("the server takes no connection without it"),
            _ => of_message(&error.message).0,
        },
        _ => Failure::Unexpected("a connection that can't be made"),
    }
}

/// What is said of a server that offers no TLS.
pub(super) const NO_TLS: &str = "the server offers none";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Access;

    fn said(message: &str) -> Trouble {
        let error =
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()));
        trouble(&error, true)
    }

    #[test]
    fn the_texts_of_both_engines_are_known() {
        for (message, failure) in [
            (
                "Deadlock found when trying to get lock; try restarting transaction",
                Failure::Conflict,
            ),
            ("Record has changed since last read in table 'sessions'", Failure::Conflict),
            ("Lock wait timeout exceeded; try restarting transaction", Failure::Busy),
            (
                "The MariaDB server is running with the --read-only option so it cannot execute \
                 this statement",
                Failure::Replica,
            ),
            (
                "The MySQL server is running with the --super-read-only option so it cannot \
                 execute this statement",
                Failure::Replica,
            ),
            ("Running in read-only mode", Failure::Replica),
            ("The table 'sessions' is full", Failure::Full),
            (
                "Disk full (/var/lib/mysql/#sql); waiting for someone to free some space...",
                Failure::Full,
            ),
            ("Table 'aquaware.sessions' doesn't exist", Failure::NotMigrated),
            ("Unknown column 'mark' in 'field list'", Failure::NotMigrated),
            ("UPDATE command denied to user 'ann'@'%' for table 'sessions'", Failure::NotAllowed),
            ("Query execution was interrupted (max_statement_time exceeded)", Failure::Slow),
            (
                "Query execution was interrupted, maximum statement execution time exceeded",
                Failure::Slow,
            ),
        ] {
            let trouble = said(message);
            assert_eq!(trouble.failure(), failure, "{message}");
            assert!(!trouble.into_error(Access::Write).is_unknown(), "{message}");
        }
    }

    #[test]
    fn a_connection_that_broke_after_something_was_sent_leaves_the_step_unknown() {
        let message = "Input/output error: Input/output error: connection closed";
        assert!(said(message).into_error(Access::Write).is_unknown());
        let error =
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()));
        assert!(!trouble(&error, false).into_error(Access::Write).is_unknown());
        assert!(said("Server shutdown in progress").into_error(Access::Write).is_unknown());
    }

    #[test]
    fn no_text_of_the_server_gets_into_a_cause() {
        let trouble = said("Duplicate entry 's3cret' for key 'PRIMARY'");
        assert!(!format!("{trouble} {trouble:?}").contains("s3cret"));
    }
}
