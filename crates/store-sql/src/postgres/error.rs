//! The meaning of PostgreSQL's errors, by their code: it is the same in every language and in every
//! database that speaks the protocol. Texts are not passed on, because they quote values.

use std::error::Error as _;
use std::io;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::wire::WireState;
use crate::error::{SqlError, SqlState, diesel_error};
use crate::server::{Execution, StatementError};

/// The meaning of an error of diesel on a connection with this state.
pub(super) fn statement_error(error: &DieselError, wire: &WireState) -> StatementError {
    if let DieselError::DatabaseError(kind, _) = error {
        return match (wire.code(), kind) {
            (Some(code), _) => code_error(code),
            (None, _) if wire.has_sent() => StatementError::unknown(SqlError::ConnectionLost),
            (None, DatabaseErrorKind::UnableToSendCommand) => {
                StatementError::not_sent(SqlError::ConnectionLost)
            }
            (None, _) => StatementError::unknown(SqlError::Unexpected("an error without a code")),
        };
    }
    StatementError::unknown(diesel_error(error))
}

/// The meaning of an error while connecting.
pub(super) fn connect_error(error: &tokio_postgres::Error) -> SqlError {
    if let Some(error) = error.as_db_error().and_then(|error| pooler_error(error.message())) {
        return error;
    }
    if let Some(code) = error.code() {
        return <[u8; 5]>::try_from(code.code().as_bytes())
            .map_or(SqlError::Unexpected("an invalid SQLSTATE"), |code| {
                code_error(code).sql_error()
            });
    }
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(error) => SqlError::Connect(error.kind()),
        None if error.is_closed() => SqlError::ConnectionLost,
        // The password is missing, or the server's authentication method is not supported.
        None => SqlError::Authentication,
    }
}

/// The meaning of an error of PgBouncer before the first statement. Up to version 1.20 it gives the
/// same code to all of them; its texts are in no other language than this.
fn pooler_error(text: &str) -> Option<SqlError> {
    match text {
        _ if text.starts_with("unsupported startup parameter") => Some(SqlError::StartupParameter),
        _ if text.starts_with("no such database") => Some(SqlError::UnknownDatabase),
        "no such user"
        | "password authentication failed"
        | "SASL authentication failed"
        | "auth failed" => Some(SqlError::Authentication),
        _ => None,
    }
}

/// The meaning of a code (PostgreSQL, appendix "PostgreSQL Error Codes").
fn code_error(code: [u8; 5]) -> StatementError {
    let (error, execution) = match &code {
        b"40001" | b"40P01" => (SqlError::Conflict, Execution::RolledBack),
        // Distributed databases report this for a commit with an outcome that they do not know.
        b"40003" => (SqlError::ConnectionLost, Execution::Unknown),
        b"25006" => (SqlError::ServerReadOnly, Execution::RolledBack),
        b"53100" => (SqlError::DiskFull, Execution::RolledBack),
        b"53200" => (SqlError::OutOfMemory, Execution::RolledBack),
        b"53300" => (SqlError::TooManyConnections, Execution::RolledBack),
        b"53400" => (SqlError::QueueFull, Execution::RolledBack),
        b"55P03" => (SqlError::Locked, Execution::RolledBack),
        b"57014" => (SqlError::StatementTimeout, Execution::RolledBack),
        // The server is starting: it listens, but does nothing yet.
        b"57P03" => (SqlError::ShuttingDown, Execution::RolledBack),
        // A server that shuts down may report this for a statement that it has already executed.
        [b'5', b'7', b'P', ..] => (SqlError::ShuttingDown, Execution::Unknown),
        b"58030" => (SqlError::Io, Execution::RolledBack),
        [b'0', b'8', ..] => (SqlError::ConnectionLost, Execution::Unknown),
        // A prepared statement is gone, or its table has changed: another connection prepares it again.
        // One with the same name was left on a server connection that a pooler shares.
        b"26000" | b"0A000" | b"42P05" => (SqlError::ConnectionLost, Execution::RolledBack),
        [b'2', b'8', ..] => (SqlError::Authentication, Execution::RolledBack),
        b"3D000" => (SqlError::UnknownDatabase, Execution::RolledBack),
        b"3F000" | b"42P01" | b"42703" => (SqlError::NotMigrated, Execution::RolledBack),
        b"42501" => (SqlError::PermissionDenied, Execution::RolledBack),
        b"XX001" | b"XX002" => (SqlError::Damaged, Execution::RolledBack),
        b"23505" => (SqlError::DuplicateKey, Execution::RolledBack),
        [b'2', b'3', ..] => {
            (SqlError::Unexpected("a constraint is violated"), Execution::RolledBack)
        }
        [b'2', b'2', ..] => {
            (SqlError::Unexpected("a value does not fit its column"), Execution::RolledBack)
        }
        other => (SqlError::Other(SqlState(*other)), Execution::RolledBack),
    };
    StatementError::Sql { error, execution }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Access;

    #[test]
    fn only_codes_of_statements_that_may_have_run_are_unknown() {
        for code in [b"40001", b"40P01", b"25006", b"53100", b"57014", b"55P03", b"57P03"] {
            let error = code_error(*code).into_store_error(Access::Write);
            assert!(!error.is_unknown(), "{code:?}");
        }
        for code in [b"57P01", b"57P02", b"40003", b"08006"] {
            assert!(code_error(*code).into_store_error(Access::Write).is_unknown(), "{code:?}");
        }
    }

    #[test]
    fn errors_that_need_an_operator_are_not_transient() {
        for code in [b"25006", b"53100", b"28P01", b"28000", b"3D000", b"42P01", b"42501"] {
            assert!(!code_error(*code).into_store_error(Access::Write).is_transient(), "{code:?}");
        }
        for code in [b"53300", b"40001", b"57P03", b"55P03"] {
            assert!(code_error(*code).into_store_error(Access::Write).is_transient(), "{code:?}");
        }
    }

    #[test]
    fn only_conflicts_are_retried_on_the_same_connection() {
        assert!(code_error(*b"40001").is_conflict() && code_error(*b"40P01").is_conflict());
        assert!(!code_error(*b"57014").is_conflict());
    }
}
