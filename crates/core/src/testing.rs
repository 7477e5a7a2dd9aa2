//! For the tests of whoever builds on this crate (feature `testing`): a clock moved by hand,
//! randomness from a seed, password hashing that takes microseconds, ready-made parts, and
//! strategies that generate records and claims.
//!
//! Nothing here is fit for production, and nothing in production uses it. What is generated or
//! ready-made keeps every rule of the crate, so a failing test is never the fixture's fault.

mod executor;
pub mod fixture;
mod hasher;
pub mod strategy;

pub use aquaware_token::testing::{ManualClock, SeededRandom};

pub use self::executor::block_on;
pub use self::hasher::InlineHasher;
