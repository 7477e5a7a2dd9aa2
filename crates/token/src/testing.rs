//! For the tests of crates that build on this one (feature `testing`): a clock moved by hand,
//! reproducible randomness and sample values. Feature `proptest` adds strategies.
//!
//! Never use this module in production.

mod clock;
pub mod fixture;
mod random;
#[cfg(any(test, feature = "proptest"))]
pub mod strategy;

pub use self::clock::ManualClock;
pub use self::random::SeededRandom;
