//! Support for tests (feature `testing`): a manual clock, seeded randomness, password hashing that
//! takes microseconds, ready-made parts, and strategies that generate records and claims.
//!
//! Do not use any of it in production. All generated and ready-made values satisfy the rules of this
//! crate, so a failing test is never caused by its fixture.

mod executor;
pub mod fixture;
#[cfg(feature = "passwords")]
mod hasher;
pub mod strategy;

pub use aquaware_token::testing::{ManualClock, SeededRandom};

pub use self::executor::block_on;
#[cfg(feature = "passwords")]
pub use self::hasher::InlineHasher;
