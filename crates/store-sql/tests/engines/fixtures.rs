//! Sample records, and a runtime like those of the server's workers.

use std::error::Error as StdError;

use aquaware_core::account::{Account, Login};
use aquaware_core::claims::Scope;
use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::retry::Mark;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::{Device, EndReason, Ended, ExtraClaims, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Advance, Outcome, StoreError};
use aquaware_core::time::Timestamp;
use aquaware_store_sql::SqlError;

/// Runs `future` on a single-threaded runtime without a timer.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn id(number: u16) -> SessionId {
    let mut bytes = [0xA5; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    SessionId::from_bytes(bytes)
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn generation(number: u64) -> Generation {
    Generation::new(number).unwrap()
}

pub(crate) fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

/// A new session of ann.
pub(crate) fn session(number: u16) -> Session {
    Session {
        id: id(number),
        subject: subject("ann"),
        client: ClientId::new("web").unwrap(),
        scope: Scope::default(),
        claims: ExtraClaims::new(),
        device: Device::default(),
        created_at: at(1_000),
        ends_at: at(1_000_000),
        generation: Generation::FIRST,
        issued_at: at(1_000),
        expires_at: at(100_000),
        last_used_at: at(1_000),
        mark: None,
        used_from: None,
        shown_use: None,
        ended: None,
        status: None,
    }
}

/// A session with a status index that ended at `millis`.
pub(crate) fn revoked(number: u16, index: u32, millis: i64) -> Session {
    let ended = Some(Ended { at: at(millis), reason: EndReason::Revoked });
    Session { status: Some(StatusIndex::from_number(index)), ended, ..session(number) }
}

/// The advance from `from` to the next generation at `millis`.
pub(crate) fn step(from: u64, millis: i64) -> Advance {
    Advance {
        from: generation(from),
        to: generation(from + 1),
        mark: Mark::from_bytes([u8::try_from(from % 256).unwrap(); 16]),
        issued_at: at(millis),
        expires_at: at(millis + 100_000),
        used_from: None,
        visible_before: at(millis),
    }
}

pub(crate) fn applied(outcome: Outcome) -> Session {
    match outcome {
        Outcome::Applied(session) => session,
        other => panic!("not applied: {other:?}"),
    }
}

pub(crate) fn account(name: &str) -> Account {
    let email = format!("{name}@Example.com");
    Account {
        id: subject(&format!("id-of-{name}")),
        login: Login::new(&email).unwrap(),
        email,
        password: PasswordHash::new("$argon2id$one".to_owned()),
        first_name: None,
        last_name: None,
        created_at: at(1_000),
        disabled_at: None,
        claims: ExtraClaims::new(),
    }
}

/// The cause of an error.
pub(crate) fn cause(error: &StoreError) -> SqlError {
    *error.source().unwrap().downcast_ref().unwrap()
}

/// The full text of an error, including its causes.
pub(crate) fn full_text(error: &(dyn StdError + 'static)) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(" {cause} {cause:?}"));
        next = cause.source();
    }
    text
}
