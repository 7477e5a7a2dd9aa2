//! Limits: how often something may happen, and the keys under which it is counted.
//!
//! Requests have a budget that refills continuously (the generic cell rate algorithm): a burst of
//! [`Rate::count`] is allowed, and then one request per `per / count`. Failures are counted in windows
//! that begin with the first one; a full window locks its key until it ends.
//! [`Counters`](crate::store::Counters) is the port behind both.

mod local;

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use aws_lc_rs::digest;

pub use self::local::LocalCounters;

/// A number of requests within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many requests.
    pub count: NonZeroU32,
    /// The period. A rate of more than one request per microsecond limits nothing.
    pub per: Duration,
}

impl Rate {
    /// `count` requests per `period`.
    #[must_use]
    pub const fn new(count: NonZeroU32, period: Duration) -> Self {
        Self { count, per: period }
    }

    /// The time in which one request is added to a budget, in microseconds; zero for a rate that
    /// limits nothing.
    #[must_use]
    pub fn interval_micros(&self) -> i64 {
        // The longest period of the configuration is a hundred years.
        let micros = i64::try_from(self.per.as_micros()).unwrap_or(MAX_PERIOD_MICROS);
        micros.min(MAX_PERIOD_MICROS) / i64::from(self.count.get())
    }

    /// The time in which an empty budget is full again, in microseconds.
    #[must_use]
    pub fn refill_micros(&self) -> i64 {
        self.interval_micros().saturating_mul(i64::from(self.count.get()))
    }
}

/// A hundred years. An instant that far in the future is still exact in a script of Redis.
const MAX_PERIOD_MICROS: i64 = 100 * 366 * 86_400 * 1_000_000;

/// What is limited. Each limit is counted separately, so none can use up another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitName {
    /// Logins from one address.
    LogIn,
    /// Sign-ups from one address.
    SignUp,
    /// Refreshes of one session.
    Refresh,
    /// Messages to one mailbox.
    Message,
    /// Requests for messages from one address.
    MessageRequest,
    /// Wrong passwords for one account.
    FailedLogin,
    /// Failed authentications of OAuth clients from one address.
    FailedClient,
}

impl LimitName {
    /// The name as a part of a key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LogIn => "login",
            Self::SignUp => "signup",
            Self::Refresh => "refresh",
            Self::Message => "message",
            Self::MessageRequest => "message_request",
            Self::FailedLogin => "failed_login",
            Self::FailedClient => "failed_client",
        }
    }
}

/// What is counted: a limit, and a caller, a session or an account as a hash of fixed length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    limit: LimitName,
    of: [u8; 16],
}

impl CounterKey {
    /// A key of this limit.
    #[must_use]
    pub const fn new(limit: LimitName, of: [u8; 16]) -> Self {
        Self { limit, of }
    }

    /// A key of this limit for a text such as an address.
    #[must_use]
    pub fn of_text(limit: LimitName, text: &str) -> Self {
        let mut of = [0; 16];
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        for (byte, hashed) in of.iter_mut().zip(hash.as_ref()) {
            *byte = *hashed;
        }
        Self { limit, of }
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> LimitName {
        self.limit
    }
}

/// The name of the limit, a colon and 32 hexadecimal digits.
impl fmt::Display for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:032x}", self.limit.as_str(), u128::from_be_bytes(self.of))
    }
}

/// The failures of one key since the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many there are.
    pub failures: u32,
    /// When the window ends, from now on. At most the period of the rate, also after clocks were set.
    pub ends_in: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_a_fixed_length_and_do_not_contain_what_they_count() {
        let key = CounterKey::of_text(LimitName::FailedLogin, "ann@example.com").to_string();
        assert_eq!(key.len(), "failed_login:".len() + 32);
        assert!(key.bytes().all(|byte| b"abcdefghijklmnopqrstuvwxyz_:0123456789".contains(&byte)));
        assert_eq!(CounterKey::new(LimitName::Refresh, [0; 16]).to_string().len(), 40);
    }

    #[test]
    fn a_rate_has_an_interval_unless_it_limits_nothing() {
        let rate = |count, per| Rate::new(NonZeroU32::new(count).unwrap(), per);
        assert_eq!(rate(30, Duration::from_secs(60)).interval_micros(), 2_000_000);
        assert_eq!(rate(7, Duration::from_micros(10)).refill_micros(), 7);
        assert_eq!(rate(1, Duration::ZERO).interval_micros(), 0);
        assert_eq!(rate(u32::MAX, Duration::from_secs(1)).interval_micros(), 0);
        assert_eq!(rate(1, Duration::MAX).interval_micros(), MAX_PERIOD_MICROS);
    }
}
