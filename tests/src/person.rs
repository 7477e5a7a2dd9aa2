//! People and secrets of their own, so that tests never meet each other's.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::random::Random;

static COUNT: AtomicU64 = AtomicU64::new(1);

/// Somebody with an address and a good password.
#[derive(Clone, Debug)]
pub struct Person {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: String,
}

impl Person {
    /// Somebody new.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "nobody is a default person")]
    pub fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            email: format!("Keeper.{number}@Example.com"),
            password: format!("quartz otter {}", mixed(number)),
        }
    }
}

/// An `Idempotency-Key` that nobody used before: 34 characters.
#[must_use]
pub fn retry_key() -> String {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("k-{}{}", mixed(number), mixed(!number))
}

fn mixed(number: u64) -> String {
    format!("{:016x}", Random::seeded(number).number())
}
