//! Records to try things with.

use aquaware_core::account::{Account, Login};
use aquaware_core::claims::Scope;
use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::retry::Mark;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::{Device, EndReason, Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome};
use aquaware_core::time::Timestamp;

/// 2100-01-01T12:00:00.250Z: no key of a test expires.
pub(crate) const NOON: Timestamp = Timestamp::from_millis(4_102_488_000_250);
const DAY: i64 = 86_400_000;

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn days(days: i64) -> Timestamp {
    at(NOON.millis() + days * DAY)
}

pub(crate) fn id(number: u16) -> SessionId {
    let mut bytes = [0xA5; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    SessionId::from_bytes(bytes)
}

pub(crate) fn generation(number: u64) -> Generation {
    Generation::new(number).unwrap()
}

pub(crate) fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

/// A fresh session of ann's.
pub(crate) fn session(number: u16) -> Session {
    Session {
        id: id(number),
        subject: subject("ann"),
        client: ClientId::new("web").unwrap(),
        scope: Scope::default(),
        claims: ExtraClaims::new(),
        device: Device::default(),
        created_at: NOON,
        ends_at: days(365),
        generation: Generation::FIRST,
        issued_at: NOON,
        expires_at: days(30),
        last_used_at: NOON,
        mark: None,
        ended: None,
        status: None,
    }
}

/// The step from `from` to the next generation, a day later for each.
pub(crate) fn step(from: u64) -> Advance {
    let day = i64::try_from(from).unwrap();
    Advance {
        from: generation(from),
        to: generation(from + 1),
        mark: Mark::from_bytes([u8::try_from(from % 256).unwrap(); 16]),
        issued_at: days(day),
        expires_at: days(day + 30),
    }
}

pub(crate) fn ended(reason: EndReason) -> Ended {
    Ended { at: NOON, reason }
}

pub(crate) fn done(outcome: Outcome) -> Session {
    match outcome {
        Outcome::Applied(session) => session,
        other => panic!("not done: {other:?}"),
    }
}

pub(crate) fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}

pub(crate) fn account(name: &str) -> Account {
    let email = format!("{name}@Example.com");
    Account {
        id: subject(&format!("id-of-{name}")),
        login: Login::new(&email).unwrap(),
        email,
        password: hash("$argon2id$one"),
        first_name: None,
        last_name: None,
        created_at: NOON,
        disabled_at: None,
        claims: ExtraClaims::new(),
    }
}
