//! What PostgreSQL's errors mean: by their code, which is the same in every language and in the
//! databases that speak its protocol. Texts go no further than here: they quote values.

use std::error::Error as _;
use std::io;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::wire::Wire;
use crate::error::{Failure, SqlState};
use crate::server::{Fate, Trouble};

/// The meaning of an error of diesel on a connection of which `wire` was seen.
pub(super) fn trouble(error: &DieselError, wire: &Wire) -> Trouble {
    if let DieselError::DatabaseError(kind, _) = error {
        return match (wire.code(), kind) {
            (Some(code), _) => of_code(code),
            (None, _) if wire.has_sent() => Trouble::unknown(Failure::Broken),
            (None, DatabaseErrorKind::UnableToSendCommand) => Trouble::unsent(Failure::Broken),
            (None, _) => Trouble::unknown(Failure::Unexpected("an error without a code")),
        };
    }
    Trouble::unknown(match error {
        DieselError::NotFound => Failure::Unexpected("a missing row"),
        DieselError::DeserializationError(_) => Failure::Unexpected("a value of another type"),
        DieselError::SerializationError(_) => Failure::Unexpected("a value that does not fit"),
        DieselError::QueryBuilderError(_) => Failure::Unexpected("a statement that is none"),
        _ => Failure::Unexpected("a transaction out of step"),
    })
}

/// The meaning of an error of connecting.
pub(super) fn of_connecting(error: &tokio_postgres::Error) -> Failure {
    if let Some(code) = error.code() {
        return <[u8; 5]>::try_from(code.code().as_bytes())
            .map_or(Failure::Unexpected("a code that is none"), |code| of_code(code).failure());
    }
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(error) => Failure::Connect(error.kind()),
        None if error.is_closed() => Failure::Broken,
        // A password that is missing, or a way of asking for it that isn't known.
        None => Failure::Login,
    }
}

/// The meaning of a code (PostgreSQL, appendix "PostgreSQL Error Codes").
fn of_code(code: [u8; 5]) -> Trouble {
    let (failure, fate) = match &code {
        b"40001" | b"40P01" => (Failure::Conflict, Fate::Undone),
        // Distributed databases say so of a commit whose end they don't know.
        b"40003" => (Failure::Broken, Fate::Unknown),
        b"25006" => (Failure::Replica, Fate::Undone),
        b"53100" => (Failure::Full, Fate::Undone),
        b"53200" => (Failure::NoMemory, Fate::Undone),
        b"53300" => (Failure::TooMany, Fate::Undone),
        b"53400" => (Failure::Crowded, Fate::Undone),
        b"55P03" => (Failure::Busy, Fate::Undone),
        b"57014" => (Failure::Slow, Fate::Undone),
        // Starting up: it listens, and does nothing yet.
        b"57P03" => (Failure::ShuttingDown, Fate::Undone),
        // While stopping, a server may say so of a statement that was already done.
        [b'5', b'7', b'P', ..] => (Failure::ShuttingDown, Fate::Unknown),
        b"58030" => (Failure::Io, Fate::Undone),
        [b'0', b'8', ..] => (Failure::Broken, Fate::Unknown),
        // A prepared statement that is gone, or whose table has changed: made anew elsewhere.
        b"26000" | b"0A000" => (Failure::Broken, Fate::Undone),
        [b'2', b'8', ..] => (Failure::Login, Fate::Undone),
        b"3D000" => (Failure::NoDatabase, Fate::Undone),
        b"3F000" | b"42P01" | b"42703" => (Failure::NotMigrated, Fate::Undone),
        b"42501" => (Failure::NotAllowed, Fate::Undone),
        b"XX001" | b"XX002" => (Failure::Damaged, Fate::Undone),
        b"23505" => (Failure::Unexpected("a key that is taken"), Fate::Undone),
        [b'2', b'3', ..] => (Failure::Unexpected("a broken constraint"), Fate::Undone),
        [b'2', b'2', ..] => (Failure::Unexpected("a value that does not fit"), Fate::Undone),
        other => (Failure::State(SqlState(*other)), Fate::Undone),
    };
    Trouble::Engine { failure, fate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Access;

    #[test]
    fn what_the_server_undid_is_not_unknown_and_what_it_may_have_done_is() {
        for code in [b"40001", b"40P01", b"25006", b"53100", b"57014", b"55P03", b"57P03"] {
            let error = of_code(*code).into_error(Access::Write);
            assert!(!error.is_unknown(), "{code:?}");
        }
        for code in [b"57P01", b"57P02", b"40003", b"08006"] {
            assert!(of_code(*code).into_error(Access::Write).is_unknown(), "{code:?}");
        }
    }

    #[test]
    fn what_needs_an_operator_is_not_transient() {
        for code in [b"25006", b"53100", b"28P01", b"28000", b"3D000", b"42P01", b"42501"] {
            assert!(!of_code(*code).into_error(Access::Write).is_transient(), "{code:?}");
        }
        for code in [b"53300", b"40001", b"57P03", b"55P03"] {
            assert!(of_code(*code).into_error(Access::Write).is_transient(), "{code:?}");
        }
    }

    #[test]
    fn only_a_conflict_is_tried_again_on_the_same_connection() {
        assert!(of_code(*b"40001").is_conflict() && of_code(*b"40P01").is_conflict());
        assert!(!of_code(*b"57014").is_conflict());
    }
}
