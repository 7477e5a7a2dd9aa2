//! Sources of randomness, passed as arguments like the time.

use std::fmt;

/// A source of unpredictable bytes. Use [`SystemRandom`] in production.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills the whole `buffer`.
    fn fill(&self, buffer: &mut [u8]);
}

/// The generator of the cryptographic library, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        // The library aborts the process when it has no entropy, so an error means a broken
        // contract. Continuing would create tokens and keys from predictable bytes.
        #[allow(
            clippy::expect_used,
            reason = "requests cannot cause it, and continuing would be unsafe"
        )]
        aws_lc_rs::rand::fill(buffer).expect("the system's random generator works");
    }
}
