//! Why a statement failed, and whether it was executed all the same.

use std::fmt;

use aquaware_core::store::StoreError;

use crate::error::SqlError;

/// Whether an operation may change records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// How far an operation that failed was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Execution {
    /// Nothing that changes a record was sent: the connection failed before.
    NotSent,
    /// The server rejected it or rolled it back.
    RolledBack,
    /// It was sent, and no response arrived.
    Unknown,
}

/// Why an operation has no result.
#[derive(Debug)]
pub(crate) enum StatementError {
    /// The server or the connection failed.
    Sql { error: SqlError, execution: Execution },
    /// A record cannot be decoded. The statements themselves succeeded.
    Record(StoreError),
}

impl StatementError {
    pub(crate) const fn not_sent(error: SqlError) -> Self {
        Self::Sql { error, execution: Execution::NotSent }
    }

    pub(crate) const fn rolled_back(error: SqlError) -> Self {
        Self::Sql { error, execution: Execution::RolledBack }
    }

    pub(crate) const fn unknown(error: SqlError) -> Self {
        Self::Sql { error, execution: Execution::Unknown }
    }

    /// Whether the connection can be used again.
    pub(crate) const fn keeps_connection(&self) -> bool {
        match self {
            Self::Record(_) => true,
            Self::Sql { error, execution } => {
                matches!(execution, Execution::RolledBack)
                    && !matches!(
                        error,
                        // A primary may have become a replica: a new connection may reach the
                        // server that is the primary now.
                        SqlError::ServerReadOnly
                            | SqlError::ConnectionLost
                            | SqlError::ShuttingDown
                    )
            }
        }
    }

    /// Whether running the operation again on a new connection is safe and may help.
    pub(crate) const fn allows_new_connection(&self, access: Access) -> bool {
        match self {
            Self::Sql { execution: Execution::NotSent, .. } => true,
            Self::Sql { error: SqlError::ConnectionLost | SqlError::ShuttingDown, execution } => {
                matches!(execution, Execution::RolledBack) || matches!(access, Access::Read)
            }
            _ => false,
        }
    }

    /// Whether the server rolled the operation back because of a concurrent one.
    pub(crate) const fn is_conflict(&self) -> bool {
        matches!(self, Self::Sql { error: SqlError::Conflict, execution: Execution::RolledBack })
    }

    /// The error for the caller of the port.
    pub(crate) fn into_store_error(self, access: Access) -> StoreError {
        match self {
            Self::Record(error) => error,
            Self::Sql { error, execution: Execution::Unknown }
                if matches!(access, Access::Write) =>
            {
                error.after_sending()
            }
            Self::Sql { error, .. } => error.before_commit(),
        }
    }

    pub(crate) fn sql_error(&self) -> SqlError {
        match self {
            Self::Sql { error, .. } => *error,
            Self::Record(_) => SqlError::Unexpected("a record is corrupt"),
        }
    }
}

impl From<StoreError> for StatementError {
    fn from(error: StoreError) -> Self {
        Self::Record(error)
    }
}

impl fmt::Display for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sql_error().fmt(f)
    }
}

impl std::error::Error for StatementError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_that_was_sent_has_an_unknown_outcome() {
        let lost = || StatementError::unknown(SqlError::ConnectionLost);
        assert!(lost().into_store_error(Access::Write).is_unknown());
        assert!(!lost().into_store_error(Access::Read).is_unknown());
        for error in [
            StatementError::not_sent(SqlError::ConnectionLost),
            StatementError::rolled_back(SqlError::StatementTimeout),
        ] {
            let error = error.into_store_error(Access::Write);
            assert!(error.is_transient() && !error.is_unknown());
        }
    }

    #[test]
    fn a_change_that_may_have_happened_is_never_repeated() {
        for error in [SqlError::ConnectionLost, SqlError::ShuttingDown, SqlError::Conflict] {
            let unknown = StatementError::unknown(error);
            assert!(!unknown.allows_new_connection(Access::Write), "{error}");
            assert!(!unknown.is_conflict(), "{error}");
            assert!(!unknown.keeps_connection(), "{error}");
        }
        let not_sent = StatementError::not_sent(SqlError::ConnectionLost);
        assert!(not_sent.allows_new_connection(Access::Write));
        let unknown = StatementError::unknown(SqlError::ConnectionLost);
        assert!(unknown.allows_new_connection(Access::Read));
    }

    #[test]
    fn a_connection_is_kept_after_a_rejection_unless_it_leads_to_a_replica() {
        assert!(StatementError::rolled_back(SqlError::DiskFull).keeps_connection());
        assert!(StatementError::rolled_back(SqlError::Conflict).keeps_connection());
        assert!(!StatementError::rolled_back(SqlError::ServerReadOnly).keeps_connection());
    }
}
