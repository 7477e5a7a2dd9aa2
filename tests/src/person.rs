//! Unique people and secrets, so that tests do not interfere with each other.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::random::Random;

static COUNT: AtomicU64 = AtomicU64::new(1);

/// A person with a unique address and a valid password.
#[derive(Clone, Debug)]
pub struct Person {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: String,
}

impl Person {
    /// A new person.
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

/// A new `Idempotency-Key` of 34 characters.
#[must_use]
pub fn retry_key() -> String {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("k-{}{}", mixed(number), mixed(!number))
}

fn mixed(number: u64) -> String {
    format!("{:016x}", Random::seeded(number).number())
}
