//! Sample values: an instant, an issuer, clients and subjects.
#![allow(
    clippy::expect_used,
    reason = "the constants here are valid; if one is not, the test that uses it must fail"
)]

use crate::id::{ClientId, Issuer, Subject};
use crate::time::Timestamp;

/// The initial time of tests: 2026-09-21T14:13:20Z.
pub const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// `https://auth.example.com/prod1`, 30 characters long.
#[must_use]
pub fn issuer() -> Issuer {
    Issuer::new("https://auth.example.com/prod1").expect("valid URL")
}

/// The client id `id`.
///
/// # Panics
/// When `id` is not a valid client id.
#[must_use]
pub fn client(id: &str) -> ClientId {
    ClientId::new(id).expect("valid client id")
}

/// A subject with the form of a UUID, different for each `number`.
#[must_use]
pub fn subject(number: u32) -> Subject {
    Subject::new(format!("3f2504e0-4f89-41d3-9a0c-0305{number:08x}")).expect("valid subject")
}
