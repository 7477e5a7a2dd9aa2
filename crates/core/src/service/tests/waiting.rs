//! A store that never answers: how long a request waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;
use crate::id::{ClientId, SessionId};
use crate::session::ExtraClaims;
use crate::store::{Advance, Outcome, Revoked, StoreError, Touch};
use crate::time::Timestamp;

const TIMEOUT: Duration = Duration::from_millis(100);

/// Completes at the next poll after the time has passed.
#[derive(Debug)]
struct PollTimer;

impl Timer for PollTimer {
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        let until = Instant::now() + span;
        std::future::poll_fn(move |_| match Instant::now() < until {
            true => std::task::Poll::Pending,
            false => std::task::Poll::Ready(()),
        })
        .boxed()
    }
}

/// A store whose operations all take [`TIMEOUT`] and then have an unknown outcome.
#[derive(Debug, Default)]
struct Silent(AtomicU64);

impl Silent {
    async fn answer<T>(&self) -> Result<T, StoreError> {
        let _ = self.0.fetch_add(1, Ordering::Relaxed);
        PollTimer.sleep(TIMEOUT).await;
        Err(StoreError::UnknownOutcome("no response".into()))
    }
}

#[async_trait]
impl SessionStore for Silent {
    async fn insert(&self, _: &Session) -> Result<bool, StoreError> {
        self.answer().await
    }
    async fn find(&self, _: &SessionId) -> Result<Option<Session>, StoreError> {
        self.answer().await
    }
    async fn advance(&self, _: &SessionId, _: &Advance) -> Result<Outcome, StoreError> {
        self.answer().await
    }
    async fn touch(&self, _: &SessionId, _: &Touch) -> Result<Outcome, StoreError> {
        self.answer().await
    }
    async fn end(&self, _: &SessionId, _: Ended) -> Result<Outcome, StoreError> {
        self.answer().await
    }
    async fn end_all(
        &self,
        _: &Subject,
        _: Option<&SessionId>,
        _: Ended,
        _: u32,
    ) -> Result<Vec<Session>, StoreError> {
        self.answer().await
    }
    async fn end_least_used(
        &self,
        _: (&Subject, &ClientId),
        _: &SessionId,
        _: u32,
        _: Ended,
        _: u32,
    ) -> Result<Vec<Session>, StoreError> {
        self.answer().await
    }
    async fn list(
        &self,
        _: &Subject,
        _: Option<(Timestamp, SessionId)>,
        _: u32,
    ) -> Result<Vec<Session>, StoreError> {
        self.answer().await
    }
    async fn set_claims(&self, _: &[SessionId], _: &ExtraClaims) -> Result<(), StoreError> {
        self.answer().await
    }
    async fn purge(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        self.answer().await
    }
    async fn revoked(&self, _: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        self.answer().await
    }
    async fn release(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        self.answer().await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.answer().await
    }
}

#[test]
fn a_refresh_waits_for_a_silent_store_twice_its_timeout_at_most() {
    let token = token_of(&TestService::new(ProfileSettings::default()).open());
    // A busy machine may use up the time before the second operation, or add to it.
    let in_time = (0..50).find(|_| {
        let store = Arc::new(Silent::default());
        let timeout = StoreTimeout { operation: TIMEOUT, timer: Arc::new(PollTimer) };
        let settings =
            SessionSettings { store_timeout: Some(timeout), ..SessionSettings::default() };
        let sessions = fixture::sessions(store.clone(), fixture::policy()).with_settings(settings);
        let context = sessions.context(ManualClock::default().now());
        let start = Instant::now();
        let refused = block_on(sessions.refresh(&context, &token, None));
        let waited = start.elapsed();
        assert!(waited >= TIMEOUT, "{waited:?}");
        // The advance, and one read of its outcome.
        let operations = store.0.load(Ordering::Relaxed);
        assert!((1..=2).contains(&operations), "{operations}");
        if operations == 1 || waited >= TIMEOUT * 3 {
            return false;
        }
        assert!(matches!(
            refused,
            Err(RefreshError::Service(ServiceError::Store(StoreError::UnknownOutcome(_))))
        ));
        // The same request may not wait any longer.
        let spent = block_on(sessions.end_all(&context, &subject(), None, EndReason::LogoutAll));
        assert!(matches!(spent, Err(StoreError::Unreachable(_))), "{spent:?}");
        assert_eq!(store.0.load(Ordering::Relaxed), 2);
        true
    });
    assert!(in_time.is_some(), "every refresh waited longer");
}
