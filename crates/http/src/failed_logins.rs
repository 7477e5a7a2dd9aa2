//! Locks a login after too many failures within a period.
//!
//! Failures are counted per login, whether or not the account exists, so a lock does not reveal
//! that it does. Concurrent guesses are counted when they end: once the limit is reached, right and
//! wrong guesses get the same response.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aquaware_core::account::Login;
use aquaware_core::time::Timestamp;
use aws_lc_rs::digest;

use crate::error_code::ErrorCode;
use crate::limits::Rate;
use crate::problem::Problem;

/// The failures per login, in windows that start with a first failure; shared by all workers.
#[derive(Debug)]
pub(crate) struct FailedLogins {
    rate: Option<Rate>,
    windows: Mutex<HashMap<Key, Window>>,
    max_logins: usize,
}

/// A hash of a login: of fixed length, and without the address itself.
type Key = [u8; 16];

#[derive(Clone, Copy, Debug)]
struct Window {
    started: Timestamp,
    failures: u32,
}

/// The number of logins that are remembered. Each failure costs a password hash, so even a busy
/// server needs minutes for so many.
const MAX_LOGINS: usize = 100_000;

impl FailedLogins {
    /// Locks a login after `rate.count` failures within `rate.per`; `None` never locks.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self::with_capacity(rate, MAX_LOGINS)
    }

    fn with_capacity(rate: Option<Rate>, max_logins: usize) -> Self {
        Self { rate, windows: Mutex::default(), max_logins }
    }

    /// Checks that `login` is not locked; to be called before the password is checked.
    ///
    /// # Errors
    /// [`ErrorCode::AccountLocked`] with the remaining time.
    pub(crate) fn check(&self, login: &Login, now: Timestamp) -> Result<(), Problem> {
        let Some(rate) = self.rate else { return Ok(()) };
        locked(rate, self.windows().get(&key(login)), now)
    }

    /// Counts a wrong password; returns whether it locks the login.
    ///
    /// # Errors
    /// [`ErrorCode::AccountLocked`], to be returned instead, if the login is locked by now.
    pub(crate) fn failed(&self, login: &Login, now: Timestamp) -> Result<bool, Problem> {
        let Some(rate) = self.rate else { return Ok(false) };
        let (key, mut windows) = (key(login), self.windows());
        locked(rate, windows.get(&key), now)?;
        if windows.len() >= self.max_logins && !windows.contains_key(&key) {
            make_room(&mut windows, rate, self.max_logins, now);
        }
        let window = windows.entry(key).or_insert(Window { started: now, failures: 0 });
        if is_over(rate, window, now) {
            *window = Window { started: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
        Ok(window.failures == rate.count.get())
    }

    /// Resets the count after a correct password.
    ///
    /// # Errors
    /// [`ErrorCode::AccountLocked`], to be returned instead, if the login is locked by now.
    /// Otherwise the correct one among many concurrent guesses would be recognizable.
    pub(crate) fn succeeded(&self, login: &Login, now: Timestamp) -> Result<(), Problem> {
        let Some(rate) = self.rate else { return Ok(()) };
        let (key, mut windows) = (key(login), self.windows());
        locked(rate, windows.get(&key), now)?;
        windows.remove(&key);
        Ok(())
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<Key, Window>> {
        // Every operation leaves the map consistent, so a poisoned lock is harmless.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An account of an earlier release may be stored under another form of its login, which counts
/// together with the current one.
fn key(login: &Login) -> Key {
    let mailbox = Login::of_mailbox(login.as_str()).unwrap_or_else(|| login.clone());
    let hash = digest::digest(&digest::SHA256, mailbox.as_str().as_bytes());
    let mut key = Key::default();
    for (byte, hashed) in key.iter_mut().zip(hash.as_ref()) {
        *byte = *hashed;
    }
    key
}

fn is_over(rate: Rate, window: &Window, now: Timestamp) -> bool {
    window.started.plus(rate.per) <= now
}

fn locked(rate: Rate, window: Option<&Window>, now: Timestamp) -> Result<(), Problem> {
    match window {
        Some(window) if window.failures >= rate.count.get() && !is_over(rate, window, now) => {
            let end = window.started.plus(rate.per).millis();
            let remaining = u64::try_from(end.saturating_sub(now.millis())).unwrap_or(0);
            // A clock that was set back must not prolong the lock beyond its period.
            let remaining = Duration::from_millis(remaining).min(rate.per);
            Err(Problem::from(ErrorCode::AccountLocked).retry_after(remaining))
        }
        _ => Ok(()),
    }
}

/// Drops windows that have ended and, if that is not enough, the older half, locked ones last.
/// Dropping half at once keeps the cost per failure low.
fn make_room(windows: &mut HashMap<Key, Window>, rate: Rate, max_logins: usize, now: Timestamp) {
    windows.retain(|_, window| !is_over(rate, window, now));
    if windows.len() < max_logins {
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

    fn three_in_a_minute() -> FailedLogins {
        let rate = Rate { count: NonZeroU32::new(3).unwrap(), per: Duration::from_secs(60) };
        FailedLogins::with_capacity(Some(rate), 100)
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
            assert!(logins.failed(&ann, after(millis)).is_ok());
        }
        assert_eq!(wait(logins.check(&ann, after(20_001))), "40");
        assert_eq!(wait(logins.check(&ann, after(59_999))), "1");
        assert!(logins.check(&ann, after(60_000)).is_ok());
        assert!(logins.failed(&ann, after(60_000)).is_ok());
        assert!(logins.failed(&ann, after(60_000)).is_ok());
        assert!(logins.check(&ann, after(60_000)).is_ok());
    }

    #[test]
    fn a_success_resets_the_count() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..5 {
            assert!(logins.failed(&ann, START).is_ok());
            assert!(logins.failed(&ann, START).is_ok());
            assert!(logins.succeeded(&ann, START).is_ok());
        }
    }

    #[test]
    fn guesses_that_end_after_the_lock_get_the_same_response() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..3 {
            assert!(logins.failed(&ann, START).is_ok());
        }
        assert_eq!(wait(logins.failed(&ann, START)), "60");
        assert_eq!(wait(logins.succeeded(&ann, START)), "60");
        assert_eq!(wait(logins.check(&ann, START)), "60");
    }

    #[test]
    fn logins_are_counted_separately_and_in_any_spelling() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..3 {
            assert!(logins.failed(&login("ANN"), START).is_ok());
        }
        assert!(logins.check(&ann, START).is_err());
        assert!(logins.check(&login("bob"), START).is_ok());
    }

    #[test]
    fn a_clock_set_back_does_not_prolong_the_lock() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..3 {
            assert!(logins.failed(&ann, START).is_ok());
        }
        assert_eq!(wait(logins.check(&ann, START.minus(Duration::from_secs(3600)))), "60");
    }

    #[test]
    fn without_a_rate_logins_are_never_locked() {
        let (logins, ann) = (FailedLogins::new(None), login("ann"));
        assert!((0..100).all(|_| logins.failed(&ann, START).is_ok()));
        assert!(logins.check(&ann, START).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_locked_logins_are_dropped_last() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for _ in 0..3 {
            assert!(logins.failed(&ann, START).is_ok());
        }
        for n in 0..1000_u64 {
            assert!(logins.failed(&login(&format!("x{n}")), after(n)).is_ok());
            assert!(logins.windows().len() <= 100);
        }
        assert!(logins.check(&ann, after(1000)).is_err());
    }
}
