//! The records that checks are made with.
//!
//! All of them expire late in the 21st century and after: a store that forgets by itself goes by
//! its own clock, and must not forget a record while it is looked at.

#![allow(clippy::expect_used, reason = "what is written down here is well-formed")]

use std::time::Duration;

use aquaware_core::account::{Account, Login};
use aquaware_core::claims::Scope;
use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::retry::Mark;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::{Device, EndReason, Ended, ExtraClaims, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::Advance;
use aquaware_core::time::Timestamp;
use serde_json::json;

/// 2100-01-01T12:00:00.250Z.
pub(crate) const NOON: Timestamp = Timestamp::from_millis(4_102_488_000_250);
/// The first instant RFC 3339 can write.
pub(crate) const DAWN: Timestamp = Timestamp::from_millis(-62_167_219_200_000);
/// The last instant RFC 3339 can write, to the millisecond.
pub(crate) const DUSK: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// [`NOON`] and `seconds` more.
pub(crate) fn later(seconds: u64) -> Timestamp {
    NOON.plus(Duration::from_secs(seconds))
}

/// [`NOON`] less `seconds`.
pub(crate) fn earlier(seconds: u64) -> Timestamp {
    NOON.minus(Duration::from_secs(seconds))
}

pub(crate) fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

pub(crate) fn id(number: u64) -> SessionId {
    SessionId::from_bytes((u128::from(number) << 64 | 0x5A).to_be_bytes())
}

pub(crate) fn subject(text: &str) -> Subject {
    Subject::new(text).expect("a subject")
}

pub(crate) fn client(text: &str) -> ClientId {
    ClientId::new(text).expect("a client id")
}

pub(crate) fn login(text: &str) -> Login {
    Login::new(text).expect("a login")
}

pub(crate) fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${text}"))
}

pub(crate) fn generation(number: u64) -> Generation {
    Generation::new(number).expect("a generation")
}

pub(crate) fn mark(number: u64) -> Mark {
    Mark::from_bytes((u128::from(number) << 32 | 0xA5).to_le_bytes())
}

/// Far from the numbers of sessions, so that nothing passes for anything else.
pub(crate) const fn index(number: u32) -> StatusIndex {
    StatusIndex::from_number(0x8000_0000 + number)
}

pub(crate) fn claims(value: serde_json::Value) -> ExtraClaims {
    value.as_object().cloned().expect("a JSON object")
}

pub(crate) const fn ended(reason: EndReason) -> Ended {
    Ended { at: NOON, reason }
}

/// A session of "ann" in which everything that may be missing is.
pub(crate) fn plain(number: u64) -> Session {
    Session {
        id: id(number),
        subject: subject("ann"),
        client: client("web"),
        scope: Scope::default(),
        claims: ExtraClaims::new(),
        device: Device::default(),
        created_at: NOON,
        ends_at: NOON.plus(days(365)),
        generation: Generation::FIRST,
        issued_at: NOON,
        expires_at: NOON.plus(days(30)),
        last_used_at: NOON,
        mark: None,
        ended: None,
        status: None,
    }
}

/// A live session of "ann" in which nothing is missing and no two fields are alike.
pub(crate) fn rich(number: u64) -> Session {
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
        mark: Some(mark(number)),
        status: Some(index(u32::try_from(number).expect("a small number"))),
        ..plain(number)
    }
}

/// The session of somebody else than "ann".
pub(crate) fn of(session: Session, text: &str) -> Session {
    Session { subject: subject(text), ..session }
}

/// A step of `session` by `by` generations, a minute after its last use.
pub(crate) fn step(session: &Session, by: u64) -> Advance {
    let to = generation(session.generation.number() + by);
    let issued_at = session.last_used_at.plus(Duration::from_secs(60));
    Advance {
        from: session.generation,
        to,
        mark: mark(1000 + to.number()),
        issued_at,
        expires_at: issued_at.plus(days(30)),
    }
}

/// What `session` must be after `step`.
pub(crate) fn advanced(session: &Session, step: &Advance) -> Session {
    let Advance { from: _, to, mark, issued_at, expires_at } = *step;
    Session {
        generation: to,
        mark: Some(mark),
        issued_at,
        expires_at,
        last_used_at: session.last_used_at.max(issued_at),
        ..session.clone()
    }
}

/// An account in which everything that may be missing is.
pub(crate) fn account(number: u64) -> Account {
    Account {
        id: subject(&format!("account-{number}")),
        email: format!("User{number}@Example.com"),
        login: login(&format!("user{number}@example.com")),
        password: hash(&format!("hash{number}")),
        first_name: None,
        last_name: None,
        created_at: NOON,
        disabled_at: None,
        claims: ExtraClaims::new(),
    }
}

/// An account in which nothing is missing.
pub(crate) fn rich_account(number: u64) -> Account {
    Account {
        first_name: Some("Ada".to_owned()),
        last_name: Some("King".to_owned()),
        disabled_at: Some(later(5)),
        claims: claims(json!({"roles": ["admin"], "tank": {"litres": 112}})),
        ..account(number)
    }
}

/// Claims of every shape that JSON has, and of those that codecs get wrong: an empty list that
/// comes back as an object, a number that comes back as a double, names that differ by case.
pub(crate) fn claims_of_every_shape() -> ExtraClaims {
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

/// Texts that are altered or refused by a store with a character set, a collation or an escape of
/// its own. None holds a NUL.
pub(crate) const TEXTS: [&str; 14] = [
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
