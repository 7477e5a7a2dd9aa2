//! Locks a login or an address after too many failures within a period.
//!
//! Failures are counted per login, whether or not the account exists, so a lock does not reveal
//! that it does. Concurrent guesses are counted when they end, or before they begin; in both ways,
//! right and wrong guesses get the same response once the limit is reached.
//!
//! Failures are counted in this process or by all replicas together. If the shared store is away,
//! it is unknown whether a login is locked, so the request fails.

use std::net::IpAddr;
use std::sync::Arc;

use aquaware_core::account::Login;
use aquaware_core::error_chain;
use aquaware_core::limits::{CounterKey, LimitName, LocalCounters, Rate, Window};
use aquaware_core::service::RequestContext;
use aquaware_core::store::{Counters, StoreError};

use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::request_limit::address_key;

/// The failures per key, in windows that start with a first failure; shared by all workers.
#[derive(Debug)]
pub(crate) struct Failures {
    name: LimitName,
    rate: Option<Rate>,
    code: ErrorCode,
    counters: Arc<dyn Counters>,
}

/// What failures are counted for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Login(&'a Login),
    Address(IpAddr),
}

impl<'a> From<&'a Login> for Subject<'a> {
    fn from(login: &'a Login) -> Self {
        Self::Login(login)
    }
}

impl From<IpAddr> for Subject<'_> {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl Failures {
    /// Locks a login after `rate.count` failures within `rate.per`; `None` never locks.
    pub(crate) fn of_logins(rate: Option<Rate>, shared: Option<Arc<dyn Counters>>) -> Self {
        let counters = shared.unwrap_or_else(|| Arc::new(LocalCounters::default()));
        Self { name: LimitName::FailedLogin, rate, code: ErrorCode::AccountLocked, counters }
    }

    /// Rejects the clients of an address after `rate.count` failures within `rate.per`.
    pub(crate) fn of_clients(rate: Option<Rate>, shared: Option<Arc<dyn Counters>>) -> Self {
        let (name, code) = (LimitName::FailedClient, ErrorCode::RateLimited);
        Self { name, code, ..Self::of_logins(rate, shared) }
    }

    /// Checks that `subject` is not locked; to be called before the password is checked.
    ///
    /// # Errors
    /// The 429 with the remaining time, or 503.
    pub(crate) async fn check(
        &self,
        context: &RequestContext,
        subject: impl Into<Subject<'_>>,
    ) -> Result<(), Problem> {
        let Some(rate) = self.rate else { return Ok(()) };
        let key = self.key(subject.into());
        let failures = self.counters.failures(&key, rate, context.now);
        match context.wait_for_store(failures).await? {
            Some(window) if window.failures >= rate.count.get() => Err(self.locked(window)),
            _ => Ok(()),
        }
    }

    /// Counts a failure, or an attempt that may turn out as one, and returns whether it locks
    /// `subject`. If attempts are counted before they begin, concurrent ones get no more responses
    /// than the limit.
    ///
    /// # Errors
    /// The 429, to be returned instead, if `subject` is locked by now; or 503.
    pub(crate) async fn count(
        &self,
        context: &RequestContext,
        subject: impl Into<Subject<'_>>,
    ) -> Result<bool, Problem> {
        let Some(rate) = self.rate else { return Ok(false) };
        let key = self.key(subject.into());
        let failed = self.counters.fail(&key, rate, context.now);
        let (counted, window) = context.wait_for_store(failed).await?;
        if !counted {
            return Err(self.locked(window));
        }
        Ok(window.failures >= rate.count.get())
    }

    /// Takes back an attempt that did not fail.
    pub(crate) async fn take_back(
        &self,
        context: &RequestContext,
        subject: impl Into<Subject<'_>>,
    ) {
        self.take_back_up_to(context, subject.into(), u32::MAX).await;
    }

    /// Takes back an attempt that did not fail if it is the only one. Among concurrent guesses, the
    /// right one must not make room for another.
    pub(crate) async fn take_back_single(
        &self,
        context: &RequestContext,
        subject: impl Into<Subject<'_>>,
    ) {
        self.take_back_up_to(context, subject.into(), 1).await;
    }

    async fn take_back_up_to(&self, context: &RequestContext, subject: Subject<'_>, most: u32) {
        if self.rate.is_some() {
            let key = self.key(subject);
            log_failure(context.wait_for_store(self.counters.take_back(&key, most)).await);
        }
    }

    /// Resets the count after a correct password.
    ///
    /// # Errors
    /// The 429, to be returned instead, if `subject` is locked by now. Otherwise the correct one among
    /// many concurrent guesses would be recognizable. Or 503.
    pub(crate) async fn succeeded(
        &self,
        context: &RequestContext,
        subject: impl Into<Subject<'_>>,
    ) -> Result<(), Problem> {
        let Some(rate) = self.rate else { return Ok(()) };
        let key = self.key(subject.into());
        let cleared = self.counters.clear(&key, rate.count.get(), rate, context.now);
        context.wait_for_store(cleared).await?.map_or(Ok(()), |window| Err(self.locked(window)))
    }

    /// Forgets the failures of `subject`, after its owner was recognized in another way.
    pub(crate) async fn forget(&self, context: &RequestContext, subject: impl Into<Subject<'_>>) {
        if let Some(rate) = self.rate {
            let key = self.key(subject.into());
            let cleared = self.counters.clear(&key, u32::MAX, rate, context.now);
            log_failure(context.wait_for_store(cleared).await);
        }
    }

    fn key(&self, subject: Subject<'_>) -> CounterKey {
        match subject {
            Subject::Login(login) => CounterKey::of_text(self.name, login.as_str()),
            Subject::Address(address) => address_key(self.name, address),
        }
    }

    fn locked(&self, window: Window) -> Problem {
        Problem::from(self.code).retry_after(window.ends_in)
    }
}

/// Logs an error and goes on: the request has succeeded, and the failure stays counted.
fn log_failure<T>(result: Result<T, StoreError>) {
    if let Err(error) = result {
        let cause = error_chain(&error);
        tracing::warn!(cause, "a counted failure could not be taken back");
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use actix_web::http::header;
    use aquaware_core::store::MemoryStore;
    use aquaware_core::testing::fixture;

    use super::*;
    use crate::testing::Unreachable;

    fn after(millis: u64) -> RequestContext {
        let sessions = fixture::sessions(Arc::new(MemoryStore::new()), fixture::policy());
        sessions.context(fixture::NOW.plus(Duration::from_millis(millis)))
    }

    fn login(name: &str) -> Login {
        Login::new(&format!("{name}@example.com")).unwrap()
    }

    fn a_minute(count: u32) -> Option<Rate> {
        Some(Rate::new(NonZeroU32::new(count).unwrap(), Duration::from_secs(60)))
    }

    fn three_in_a_minute() -> Failures {
        Failures::of_logins(a_minute(3), None)
    }

    fn wait<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
        let problem = result.unwrap_err();
        assert_eq!(problem.code(), ErrorCode::AccountLocked);
        let response = problem.response();
        response.headers().get(header::RETRY_AFTER).unwrap().to_str().unwrap().to_owned()
    }

    #[actix_web::test]
    async fn reaching_the_limit_locks_for_the_rest_of_the_period() {
        let (logins, ann) = (three_in_a_minute(), login("ann"));
        for (millis, locks) in [(0, false), (10_000, false), (20_000, true)] {
            assert!(logins.check(&after(millis), &ann).await.is_ok());
            assert_eq!(logins.count(&after(millis), &ann).await.unwrap(), locks);
        }
        assert_eq!(wait(logins.check(&after(20_001), &ann).await), "40");
        assert_eq!(wait(logins.check(&after(59_999), &ann).await), "1");
        assert!(logins.check(&after(60_000), &ann).await.is_ok());
        // A new period begins.
        assert!(!logins.count(&after(60_000), &ann).await.unwrap());
        assert!(!logins.count(&after(60_000), &ann).await.unwrap());
        assert!(logins.check(&after(60_000), &ann).await.is_ok());
    }

    #[actix_web::test]
    async fn a_success_resets_the_count() {
        let (logins, ann, now) = (three_in_a_minute(), login("ann"), after(0));
        for _ in 0..5 {
            assert!(logins.count(&now, &ann).await.is_ok());
            assert!(logins.count(&now, &ann).await.is_ok());
            assert!(logins.succeeded(&now, &ann).await.is_ok());
        }
    }

    #[actix_web::test]
    async fn guesses_that_end_after_the_lock_get_the_same_response() {
        let (logins, ann, now) = (three_in_a_minute(), login("ann"), after(0));
        for _ in 0..3 {
            assert!(logins.count(&now, &ann).await.is_ok());
        }
        assert_eq!(wait(logins.count(&now, &ann).await), "60");
        assert_eq!(wait(logins.succeeded(&now, &ann).await), "60");
        assert_eq!(wait(logins.check(&now, &ann).await), "60");
        logins.forget(&now, &ann).await;
        assert!(logins.check(&now, &ann).await.is_ok());
    }

    #[actix_web::test]
    async fn logins_are_counted_separately_and_in_any_spelling() {
        let (logins, now) = (three_in_a_minute(), after(0));
        for _ in 0..3 {
            assert!(logins.count(&now, &login("ANN")).await.is_ok());
        }
        assert!(logins.check(&now, &login("ann")).await.is_err());
        assert!(logins.check(&now, &login("bob")).await.is_ok());
    }

    #[actix_web::test]
    async fn without_a_rate_logins_are_never_locked() {
        let (logins, ann) = (Failures::of_logins(None, Some(Arc::new(Unreachable))), login("ann"));
        for _ in 0..100 {
            assert!(!logins.count(&after(0), &ann).await.unwrap());
        }
        assert!(logins.check(&after(0), &ann).await.is_ok());
    }

    #[actix_web::test]
    async fn concurrent_attempts_are_counted_before_they_begin() {
        let (logins, ann, now) = (three_in_a_minute(), login("ann"), after(0));
        let mut counted = 0;
        for _ in 0..200 {
            counted += u32::from(logins.count(&now, &ann).await.is_ok());
        }
        assert_eq!(counted, 3);
        // The right one among them leaves the lock.
        logins.take_back_single(&now, &ann).await;
        assert!(logins.check(&now, &ann).await.is_err());
        // One that was never checked does not.
        logins.take_back(&now, &ann).await;
        assert!(logins.count(&now, &ann).await.is_ok());
        assert!(logins.count(&now, &ann).await.is_err());
    }

    #[actix_web::test]
    async fn a_single_right_attempt_is_not_counted() {
        let (logins, ann, now) = (three_in_a_minute(), login("ann"), after(0));
        for _ in 0..10 {
            assert!(!logins.count(&now, &ann).await.unwrap());
            logins.take_back_single(&now, &ann).await;
        }
        logins.take_back(&now, &ann).await;
    }

    #[actix_web::test]
    async fn addresses_are_counted_by_network_and_rejected_as_limited() {
        let clients = Failures::of_clients(a_minute(1), None);
        let (now, address) = (after(0), |text: &str| text.parse::<IpAddr>().unwrap());
        assert!(clients.count(&now, address("2001:db8::1")).await.is_ok());
        let problem = clients.count(&now, address("2001:db8::2")).await.unwrap_err();
        assert_eq!(problem.code(), ErrorCode::RateLimited);
        assert!(clients.count(&now, address("192.0.2.1")).await.is_ok());
        assert!(clients.count(&now, address("::ffff:192.0.2.1")).await.is_err());
    }

    #[actix_web::test]
    async fn replicas_share_locks_and_successes() {
        let shared: Arc<dyn Counters> = Arc::new(LocalCounters::default());
        let replica = || Failures::of_logins(a_minute(3), Some(shared.clone()));
        let (one, other, ann, now) = (replica(), replica(), login("ann"), after(0));
        assert!(!one.count(&now, &ann).await.unwrap());
        assert!(!other.count(&now, &ann).await.unwrap());
        assert!(one.count(&now, &ann).await.unwrap());
        assert_eq!(wait(other.check(&now, &ann).await), "60");
        other.forget(&now, &ann).await;
        assert!(one.check(&now, &ann).await.is_ok());
    }

    #[actix_web::test]
    async fn while_the_shared_store_is_away_no_password_is_checked() {
        let logins = Failures::of_logins(a_minute(3), Some(Arc::new(Unreachable)));
        let (ann, now) = (login("ann"), after(0));
        for result in [
            logins.check(&now, &ann).await,
            logins.count(&now, &ann).await.map(drop),
            logins.succeeded(&now, &ann).await,
        ] {
            assert_eq!(result.unwrap_err().code(), ErrorCode::StoreUnavailable);
        }
        logins.take_back(&now, &ann).await;
        logins.forget(&now, &ann).await;
    }
}
