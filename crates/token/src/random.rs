//! Where randomness comes from: an argument, like the time.

use std::fmt;

/// A source of unpredictable bytes. In production a cryptographic one: [`SystemRandom`].
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills `buffer` completely.
    fn fill(&self, buffer: &mut [u8]);
}

/// The cryptographic library's own generator, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        // The library aborts the process itself rather than return without entropy; an error here
        // would mean that its contract is broken, and no token may be made from a half-filled one.
        #[allow(
            clippy::expect_used,
            reason = "no request can cause it and none may go on after it"
        )]
        aws_lc_rs::rand::fill(buffer).expect("the system's random generator works");
    }
}
