//! Locks a login or an address after too many failures within a period.
//!
//! Failures are counted per login, whether or not the account exists, so a lock does not reveal
//! that it does. Concurrent guesses are counted when they end, or before they begin; in both ways,
//! right and wrong guesses get the same response once the limit is reached.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aquaware_core::account::Login;
use aquaware_core::time::Timestamp;
use aws_lc_rs::digest;

use crate::error_code::ErrorCode;
use crate::limits::Rate;
use crate::problem::Problem;
use crate::request_limit::address_key;

/// The failures per key, in windows that start with a first failure; shared by all workers.
#[derive(Debug)]
pub(crate) struct Failures {
    rate: Option<Rate>,
    code: ErrorCode,
    windows: Mutex<HashMap<Key, Window>>,
    max_keys: usize,
}

/// A hash of a login or an address: of fixed length, and without the login itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key([u8; 16]);

impl Key {
    fn of(text: &str) -> Self {
        let mut key = [0; 16];
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        for (byte, hashed) in key.iter_mut().zip(hash.as_ref()) {
            *byte = *hashed;
        }
        Self(key)
    }
}

impl From<&Login> for Key {
    fn from(login: &Login) -> Self {
        Self::of(login.as_str())
    }
}

impl From<IpAddr> for Key {
    fn from(address: IpAddr) -> Self {
        Self::of(&address_key(address).to_string())
    }
}

#[derive(Clone, Copy, Debug)]
struct Window {
    started: Timestamp,
    failures: u32,
}

/// The number of keys that are remembered. A failed login costs a password hash, so even a busy
/// server needs minutes for so many.
const MAX_KEYS: usize = 100_000;

impl Failures {
    /// Locks a login after `rate.count` failures within `rate.per`; `None` never locks.
    pub(crate) fn of_logins(rate: Option<Rate>) -> Self {
        Self { rate, code: ErrorCode::AccountLocked, windows: Mutex::default(), max_keys: MAX_KEYS }
    }

    /// Rejects the clients of an address after `rate.count` failures within `rate.per`.
    pub(crate) fn of_clients(rate: Option<Rate>) -> Self {
        Self { code: ErrorCode::RateLimited, ..Self::of_logins(rate) }
    }

    /// Checks that `key` is not locked; to be called before the password is checked.
    ///
    /// # Errors
    /// The 429 with the remaining time.
    pub(crate) fn check(&self, key: impl Into<Key>, now: Timestamp) -> Result<(), Problem> {
        self.locked(self.windows().get(&key.into()), now)
    }

    /// Counts a failure, or an attempt that may turn out as one, and returns whether it locks `key`.
    /// If attempts are counted before they begin, concurrent ones get no more responses than the
    /// limit.
    ///
    /// # Errors
    /// The 429, to be returned instead, if `key` is locked by now.
    pub(crate) fn count(&self, key: impl Into<Key>, now: Timestamp) -> Result<bool, Problem> {
        let Some(rate) = self.rate else { return Ok(false) };
        let (key, mut windows) = (key.into(), self.windows());
        self.locked(windows.get(&key), now)?;
        if windows.len() >= self.max_keys && !windows.contains_key(&key) {
            make_room(&mut windows, rate, self.max_keys, now);
        }
        let window = windows.entry(key).or_insert(Window { started: now, failures: 0 });
        if is_over(rate, window, now) {
            *window = Window { started: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
        Ok(window.failures >= rate.count.get())
    }

    /// Takes back an attempt that did not fail.
    pub(crate) fn take_back(&self, key: impl Into<Key>) {
        self.take_back_if(key.into(), |_| true);
    }

    /// Takes back an attempt that did not fail if it is the only one. Among concurrent guesses, the
    /// right one must not make room for another.
    pub(crate) fn take_back_single(&self, key: impl Into<Key>) {
        self.take_back_if(key.into(), |failures| failures == 1);
    }

    fn take_back_if(&self, key: Key, condition: impl Fn(u32) -> bool) {
        let mut windows = self.windows();
        if let Some(window) = windows.get_mut(&key).filter(|it| condition(it.failures)) {
            window.failures = window.failures.saturating_sub(1);
            if window.failures == 0 {
                windows.remove(&key);
            }
        }
    }

    /// Resets the count after a correct password.
    ///
    /// # Errors
    /// The 429, to be returned instead, if `key` is locked by now. Otherwise the correct one among
    /// many concurrent guesses would be recognizable.
    pub(crate) fn succeeded(&self, key: impl Into<Key>, now: Timestamp) -> Result<(), Problem> {
        let (key, mut windows) = (key.into(), self.windows());
        self.locked(windows.get(&key), now)?;
        windows.remove(&key);
        Ok(())
    }

    /// Forgets the failures of `key`, after its owner was recognized in another way.
    pub(crate) fn forget(&self, key: impl Into<Key>) {
        self.windows().remove(&key.into());
    }

    fn locked(&self, window: Option<&Window>, now: Timestamp) -> Result<(), Problem> {
        let Some((rate, window)) = self.rate.zip(window) else { return Ok(()) };
        if window.failures < rate.count.get() || is_over(rate, window, now) {
            return Ok(());
        }
        let end = window.started.plus(rate.per).millis();
        let remaining = u64::try_from(end.saturating_sub(now.millis())).unwrap_or(0);
        // A clock that was set back must not prolong the lock beyond its period.
        let remaining = Duration::from_millis(remaining).min(rate.per);
        Err(Problem::from(self.code).retry_after(remaining))
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<Key, Window>> {
        // Every operation leaves the map consistent, so a poisoned lock is harmless.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An account of an earlier release may be stored under another form of its login, which counts
/// together with the current one.
fn is_over(rate: Rate, window: &Window, now: Timestamp) -> bool {
    window.started.plus(rate.per) <= now
}

/// Drops windows that have ended and, if that is not enough, the older half, locked ones last.
/// Dropping half at once keeps the cost per failure low.
fn make_room(windows: &mut HashMap<Key, Window>, rate: Rate, max_keys: usize, now: Timestamp) {
    windows.retain(|_, window| !is_over(rate, window, now));
    if windows.len() < max_keys {
        return;
    }
    let rank = |window: &Window| (window.failures >= rate.count.get(), window.started);
    let mut by_rank: Vec<_> = windows.iter().map(|(key, window)| (rank(window), *key)).collect();
    let half = by_rank.len() / 2;
    by_rank.select_nth_unstable(half);
    for (_, key) in by_rank.iter().take(half.max(1)) {
        windows.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use actix_web::http::header;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn after(millis: u64) -> Timestamp {
        START.plus(Duration::from_millis(millis))
    }

    fn login(name: &str) -> Login {
        Login::new(&format!("{name}@example.com")).unwrap()
    }

    fn three_in_a_minute() -> Failures {
        let rate = Rate { count: NonZeroU32::new(3).unwrap(), per: Duration::from_secs(60) };
        Failures { max_keys: 100, ..Failures::of_logins(Some(rate)) }
    }

    fn wait<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
        let problem = result.unwrap_err();
        assert_eq!(problem.code(), ErrorCode::AccountLocked);
        let response = problem.response();
        response.headers().get(header::RETRY_AFTER).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn reaching_the_limit_locks_for_the_rest_of_the_period() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for millis in [0, 10_000, 20_000] {
            assert!(logins.check(&ann, after(millis)).is_ok());
            assert!(logins.count(&ann, after(millis)).is_ok());
        }
        assert_eq!(wait(logins.check(&ann, after(20_001))), "40");
        assert_eq!(wait(logins.check(&ann, after(59_999))), "1");
        assert!(logins.check(&ann, after(60_000)).is_ok());
        assert!(logins.count(&ann, after(60_000)).is_ok());
        assert!(logins.count(&ann, after(60_000)).is_ok());
        assert!(logins.check(&ann, after(60_000)).is_ok());
    }

    #[test]
    fn a_success_resets_the_count() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..5 {
            assert!(logins.count(&ann, START).is_ok());
            assert!(logins.count(&ann, START).is_ok());
            assert!(logins.succeeded(&ann, START).is_ok());
        }
    }

    #[test]
    fn guesses_that_end_after_the_lock_get_the_same_response() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..3 {
            assert!(logins.count(&ann, START).is_ok());
        }
        assert_eq!(wait(logins.count(&ann, START)), "60");
        assert_eq!(wait(logins.succeeded(&ann, START)), "60");
        assert_eq!(wait(logins.check(&ann, START)), "60");
    }

    #[test]
    fn logins_are_counted_separately_and_in_any_spelling() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..3 {
            assert!(logins.count(&login("ANN"), START).is_ok());
        }
        assert!(logins.check(&ann, START).is_err());
        assert!(logins.check(&login("bob"), START).is_ok());
    }

    #[test]
    fn a_clock_set_back_does_not_prolong_the_lock() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..3 {
            assert!(logins.count(&ann, START).is_ok());
        }
        assert_eq!(wait(logins.check(&ann, START.minus(Duration::from_secs(3600)))), "60");
    }

    #[test]
    fn without_a_rate_logins_are_never_locked() {
        let (logins, ann) = (Failures::of_logins(None), login("ann"));
        assert!((0..100).all(|_| logins.count(&ann, START).is_ok()));
        assert!(logins.check(&ann, START).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_locked_logins_are_dropped_last() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..3 {
            assert!(logins.count(&ann, START).is_ok());
        }
        for n in 0..1000_u64 {
            assert!(logins.count(&login(&format!("x{n}")), after(n)).is_ok());
            assert!(logins.windows().len() <= 100);
        }
        assert!(logins.check(&ann, after(1000)).is_err());
    }

    #[test]
    fn concurrent_attempts_are_counted_before_they_begin() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        assert_eq!((0..200).filter(|_| logins.count(&ann, START).is_ok()).count(), 3);
        // The right one among them leaves the lock.
        logins.take_back_single(&ann);
        assert!(logins.check(&ann, START).is_err());
        // One that was never checked does not.
        logins.take_back(&ann);
        assert!(logins.count(&ann, START).is_ok());
        assert!(logins.count(&ann, START).is_err());
    }

    #[test]
    fn a_single_right_attempt_is_not_counted() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..10 {
            assert!(logins.count(&ann, START).is_ok());
            logins.take_back_single(&ann);
        }
        assert!(logins.windows().is_empty());
        logins.take_back(&ann);
    }

    #[test]
    fn addresses_are_counted_by_network_and_rejected_as_limited() {
        let rate = Rate { count: NonZeroU32::new(1).unwrap(), per: Duration::from_secs(60) };
        let clients = Failures::of_clients(Some(rate));
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(clients.count(address("2001:db8::1"), START).is_ok());
        let problem = clients.count(address("2001:db8::2"), START).unwrap_err();
        assert_eq!(problem.code(), ErrorCode::RateLimited);
        assert!(clients.count(address("192.0.2.1"), START).is_ok());
        assert!(clients.count(address("::ffff:192.0.2.1"), START).is_err());
    }
}
