//! Sample records for the tests of all engines. Their times are small numbers, so that a test can
//! name one.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::{Generation, SessionId};
use aquaware_core::retry::Mark;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::Session;
use aquaware_core::store::{Advance, Outcome};
use aquaware_core::time::Timestamp;
use aquaware_store_testkit::sample::{self, minimal};
pub(crate) use aquaware_store_testkit::sample::{generation, subject};

pub(crate) fn id(number: u16) -> SessionId {
    let mut bytes = [0xA5; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    SessionId::from_bytes(bytes)
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A new session of ann.
pub(crate) fn session(number: u16) -> Session {
    Session {
        id: id(number),
        created_at: at(1_000),
        ends_at: at(1_000_000),
        generation: Generation::FIRST,
        issued_at: at(1_000),
        expires_at: at(100_000),
        last_used_at: at(1_000),
        ..minimal(0)
    }
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
        created_at: at(1_000),
        ..sample::account(0)
    }
}
