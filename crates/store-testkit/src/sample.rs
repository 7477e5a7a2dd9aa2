//! Sample records, for the checks and for a store's own tests.
//!
//! All of them expire after the year 2100, so that a store with automatic expiry does not drop one
//! during a test.
//!
//! ```
//! use aquaware_core::session::Session;
//! use aquaware_store_testkit::sample;
//!
//! let session = Session { client: sample::client_id("tablet"), ..sample::minimal(1) };
//! let step = sample::step(&session, 1);
//! assert_eq!(sample::advanced(&session, &step).generation, step.to);
//! ```
//!
//! # Panics
//! The functions that take text panic if it is not valid.

#![allow(clippy::expect_used, reason = "samples are written by hand and well-formed")]

use std::time::Duration;

use aquaware_core::account::{Account, Login};
use aquaware_core::claims::Scope;
use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::retry::Mark;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::{Device, EndReason, Ended, ExtraClaims, Session, Use};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Advance, Touch};
use aquaware_core::time::Timestamp;
use serde_json::json;

/// 2100-01-01T12:00:00.250Z, when most sample records were created.
pub const NOON: Timestamp = Timestamp::from_millis(4_102_488_000_250);
/// The first instant that RFC 3339 can express.
pub const FIRST_INSTANT: Timestamp = Timestamp::from_millis(-62_167_219_200_000);
/// The last instant that RFC 3339 can express, to the millisecond.
pub const LAST_INSTANT: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// The instant `seconds` after [`NOON`].
#[must_use]
pub fn later(seconds: u64) -> Timestamp {
    NOON.plus(Duration::from_secs(seconds))
}

/// The instant `seconds` before [`NOON`].
#[must_use]
pub fn earlier(seconds: u64) -> Timestamp {
    NOON.minus(Duration::from_secs(seconds))
}

/// So many days of 24 hours.
#[must_use]
pub const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

/// The session id with this number.
#[must_use]
pub fn session_id(number: u64) -> SessionId {
    SessionId::from_bytes((u128::from(number) << 64 | 0x5A).to_be_bytes())
}

/// This text as a subject.
#[must_use]
pub fn subject(text: &str) -> Subject {
    Subject::new(text).expect("a subject")
}

/// This text as a client id.
#[must_use]
pub fn client_id(text: &str) -> ClientId {
    ClientId::new(text).expect("a client id")
}

/// This text as a login.
#[must_use]
pub fn login(text: &str) -> Login {
    Login::new(text).expect("a login")
}

/// A text with the form of a password hash, ending in `text`.
#[must_use]
pub fn password_hash(text: &str) -> PasswordHash {
    PasswordHash::new(format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${text}"))
}

/// The generation with this number.
#[must_use]
pub fn generation(number: u64) -> Generation {
    Generation::new(number).expect("a generation")
}

/// The mark with this number.
#[must_use]
pub fn mark(number: u64) -> Mark {
    Mark::from_bytes((u128::from(number) << 32 | 0xA5).to_le_bytes())
}

/// The status index with this number, offset so that it equals no other number of a session.
#[must_use]
pub const fn status_index(number: u32) -> StatusIndex {
    StatusIndex::from_number(0x8000_0000 + number)
}

/// This JSON object as extra claims.
#[must_use]
pub fn claims(value: serde_json::Value) -> ExtraClaims {
    value.as_object().cloned().expect("a JSON object")
}

/// An end at [`NOON`].
#[must_use]
pub const fn ended(reason: EndReason) -> Ended {
    Ended { at: NOON, reason }
}

/// A new session of the subject "ann" without any optional value.
#[must_use]
pub fn minimal(number: u64) -> Session {
    Session {
        id: session_id(number),
        subject: subject("ann"),
        client: client_id("web"),
        scope: Scope::default(),
        claims: ExtraClaims::new(),
        device: Device::default(),
        created_at: NOON,
        ends_at: NOON.plus(days(365)),
        generation: Generation::FIRST,
        issued_at: NOON,
        expires_at: NOON.plus(days(30)),
        last_used_at: NOON,
        shown_use: None,
        mark: None,
        used_from: None,
        ended: None,
        status: None,
    }
}

/// A live session of the subject "ann" at generation 17, with every optional value and no two equal
/// times.
#[must_use]
pub fn full(number: u64) -> Session {
    Session {
        scope: Scope::parse("read write:all").expect("a scope"),
        claims: claims(json!({"roles": ["admin", "keeper"], "tank": {"litres": 112}})),
        device: Device {
            name: Some("kitchen tablet".to_owned()),
            ip: Some("2001:db8::17".to_owned()),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".to_owned()),
        },
        generation: generation(17),
        created_at: earlier(86_400),
        issued_at: later(1),
        last_used_at: later(2),
        shown_use: Some(Use { at: earlier(5), expires_at: earlier(5).plus(days(30)) }),
        mark: Some(mark(number)),
        used_from: "2001:db8::/48 0123456789abcdef".parse().ok(),
        status: Some(status_index(u32::try_from(number).expect("a small number"))),
        ..minimal(number)
    }
}

/// The same session with another subject.
#[must_use]
pub fn owned_by(session: Session, text: &str) -> Session {
    Session { subject: subject(text), ..session }
}

/// An advance of `session` by `by` generations, one minute after its last use.
#[must_use]
pub fn step(session: &Session, by: u64) -> Advance {
    let to = generation(session.generation.number() + by);
    let issued_at = session.last_used_at.plus(Duration::from_secs(60));
    Advance {
        from: session.generation,
        to,
        mark: mark(1000 + to.number()),
        used_from: "203.0.113.0/24 fedcba9876543210".parse().ok(),
        issued_at,
        expires_at: issued_at.plus(days(30)),
        visible_before: issued_at.minus(Duration::from_secs(60)),
    }
}

/// A use of `session` at `at`, with which the last use becomes the one to show.
#[must_use]
pub fn touch(session: &Session, at: Timestamp) -> Touch {
    Touch { generation: session.generation, at, visible_before: LAST_INSTANT }
}

/// The record of `session` after `touch`.
#[must_use]
pub fn touched(session: &Session, touch: &Touch) -> Session {
    let mut session = session.clone();
    touch.apply(&mut session);
    session
}

/// The record of `session` after `end`: with nothing left that is not needed to refuse its tokens.
#[must_use]
pub fn over(session: &Session, end: Ended) -> Session {
    let mut session = session.clone();
    session.end(end);
    session
}

/// The record of `session` after `step`.
#[must_use]
pub fn advanced(session: &Session, step: &Advance) -> Session {
    let mut session = session.clone();
    step.apply(&mut session);
    session
}

/// An account without any optional value.
#[must_use]
pub fn account(number: u64) -> Account {
    Account {
        id: subject(&format!("account-{number}")),
        email: format!("User{number}@Example.com"),
        login: login(&format!("user{number}@example.com")),
        password: password_hash(&format!("hash{number}")),
        first_name: None,
        last_name: None,
        created_at: NOON,
        disabled_at: None,
        email_verified_at: None,
        email_changed_at: None,
        claims: ExtraClaims::new(),
    }
}

/// A disabled account with every optional value.
#[must_use]
pub fn full_account(number: u64) -> Account {
    Account {
        first_name: Some("Ada".to_owned()),
        last_name: Some("King".to_owned()),
        disabled_at: Some(later(5)),
        email_verified_at: Some(later(6)),
        email_changed_at: Some(later(7)),
        claims: claims(json!({"roles": ["admin"], "tank": {"litres": 112}})),
        ..account(number)
    }
}

/// Claims of every JSON type, and values that encoders often get wrong: an empty list that becomes
/// an object, an integer that becomes a double, names that differ only by case.
#[must_use]
pub fn claims_of_every_type() -> ExtraClaims {
    claims(json!({
        "null": null, "yes": true, "no": false,
        "zero": 0, "negative": -1, "large": 9_007_199_254_740_993_u64, "largest": u64::MAX,
        "least": i64::MIN, "half": 0.5, "tenth": 0.1, "whole_double": 1.0,
        "empty_text": "", "empty_list": [], "empty_object": {}, "": "a nameless claim",
        "role": "lower", "Role": "upper", "list": [null, [], {}, [1, "1", [true]]],
        "deep": {"a": {"b": {"c": [{"d": {"e": "f"}}]}}},
        "text": "\u{0}\u{1}\u{7f}\"\\/\u{8}\u{c}\n\r\t'`%_;--\u{2028}\u{feff}🐟",
        "ключ": "значение"
    }))
}

/// Texts that a store alters or rejects if its character set, collation or escaping is wrong. None
/// contains a NUL.
pub const DIFFICULT_TEXTS: [&str; 14] = [
    "",
    " ",
    " both ends ",
    "trailing\t\n",
    "\r\n",
    "it's \"quoted\" `thrice`",
    "back\\slash \\n \\0 \\x00 \\",
    "'; DROP TABLE sessions; --",
    "100% _wild_ * ? [a-z] {tag} $1 :name @p1 #{x}",
    "null",
    "Ünïcödé Ελλάδα Русский 日本語 العربية",
    "e\u{301} is not \u{e9}",
    "🐠🐟👩\u{200d}👩\u{200d}👧",
    "\u{1}\u{7f}\u{feff}\u{fffd}\u{10ffff}",
];
