//! Sample values: an instant, an issuer, clients and subjects.
#![allow(
    clippy::expect_used,
    reason = "the constants here are valid; if one is not, the test that uses it must fail"
)]

use crate::id::{ClientId, Issuer, Subject};
use crate::time::Timestamp;

/// The instant at which everything here begins: 2026-09-21T14:13:20Z.
pub const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// `https://auth.example.com/prod1`, 30 characters long.
#[must_use]
pub fn issuer() -> Issuer {
    Issuer::new("https://auth.example.com/prod1").expect("an https URL")
}

/// A client's name.
///
/// # Panics
/// When `name` breaks the rule of client names.
#[must_use]
pub fn client(name: &str) -> ClientId {
    ClientId::new(name).expect("a client's name")
}

/// A subject of 36 characters, as the UUID of an account; another one for each `number`.
#[must_use]
pub fn subject(number: u32) -> Subject {
    Subject::new(format!("3f2504e0-4f89-41d3-9a0c-0305{number:08x}")).expect("a UUID")
}
