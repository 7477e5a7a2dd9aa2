//! The store is read at most twice a second, however many callers ask, leave or wait.

use super::*;

#[test]
fn the_store_is_read_at_most_twice_a_second_and_lists_are_signed_when_they_change() {
    let issuer = Issuer::new();
    let granted = issuer.service.open();
    let number = granted.session.status.unwrap().list().number();
    let first = issuer.list(number).unwrap();
    assert_eq!(issuer.asked(), 1);
    for _ in 0..20 {
        assert!(Arc::ptr_eq(&first, &issuer.list(number).unwrap()));
        let _ = issuer.list(number + 1).unwrap();
    }
    assert_eq!(issuer.asked(), 0);
    for _ in 0..20 {
        issuer.service.advance(Spans::FRESH);
        assert!(Arc::ptr_eq(&first, &issuer.list(number).unwrap()), "nothing has changed");
    }
    assert_eq!(issuer.asked(), 20);
    issuer.end(&granted, EndReason::Logout);
    issuer.service.advance(Spans::FRESH);
    let second = issuer.list(number).unwrap();
    assert_ne!((first.token(), first.tag()), (second.token(), second.tag()));
    // Read again with the overlap, and known already.
    issuer.service.advance(SECOND);
    assert!(Arc::ptr_eq(&second, &issuer.list(number).unwrap()));
}

#[test]
fn slightly_reordered_requests_are_harmless() {
    let issuer = Issuer::new();
    issuer.service.advance(HOUR);
    let now = issuer.service.clock.now();
    let list = |now| block_on(list_at(&issuer.lists, now)).unwrap();
    let first = list(now);
    for millis in [1, 100, 499] {
        assert!(Arc::ptr_eq(&first, &list(now.minus(Duration::from_millis(millis)))));
    }
    assert_eq!(issuer.asked(), 1);
    // A clock that was put back by an hour is believed.
    let back = list(now.minus(HOUR));
    assert!(!Arc::ptr_eq(&first, &back));
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn a_revocation_missed_by_the_incremental_read_appears_within_five_minutes() {
    let issuer = Issuer::new();
    let granted = issuer.service.open();
    issuer.service.advance(HOUR);
    assert_eq!(issuer.status_of(&granted), Status::Valid);
    let at = issuer.service.clock.now().minus(Duration::from_secs(600));
    let ended = Ended { at, reason: EndReason::Revoked };
    let _ = block_on(issuer.service.memory.end(&granted.session.id, ended)).unwrap();
    issuer.service.advance(Duration::from_secs(300));
    assert_eq!(issuer.status_of(&granted), Status::Invalid);
}

#[test]
fn an_outage_never_returns_an_old_list_and_recovers_automatically() {
    let issuer = Issuer::new();
    let _ = issuer.list(0).unwrap();
    issuer.service.advance(Spans::FRESH);
    for outcome in [CallOutcome::Unreachable, CallOutcome::Lost, CallOutcome::Unanswered] {
        issuer.service.store.plan(&[outcome]);
        assert!(matches!(issuer.list(0), Err(StatusListError::Store(_))), "{outcome:?}");
    }
    assert!(issuer.list(0).is_ok());
}

#[test]
fn a_million_sessions_with_one_in_a_hundred_revoked_stay_under_twenty_kilobytes() {
    // A million sessions fit into one list: see the tests of how indices are drawn.
    let random = SeededRandom::new(4);
    let mut drawn = std::collections::BTreeSet::new();
    while drawn.len() < 10_000 {
        let mut bytes = [0; 4];
        crate::random::Random::fill(&random, &mut bytes);
        let _ = drawn.insert(u32::from_le_bytes(bytes) % LIST_ENTRIES);
    }
    let revoked = drawn.into_iter().map(StatusIndex::from_number).collect();
    let (_, lists) = reading(Revocations { revoked, ..Revocations::default() });
    let list = block_on(list_at(&lists, NOW)).unwrap();
    let (plain, gzipped) = (list.token().len(), list.gzipped().len());
    assert!(gzipped < 20_000 && plain < 28_000, "{gzipped} of {plain} bytes");
}

fn reading(store: Revocations) -> (Arc<Revocations>, StatusLists) {
    let store = Arc::new(store);
    let random = Arc::new(SeededRandom::new(1));
    let snapshot = TestService::new(with_status()).context().snapshot;
    (store.clone(), StatusLists::new(Arc::new(Sessions::new(store, random, snapshot))))
}

async fn list_at(lists: &StatusLists, now: Timestamp) -> Result<Arc<SignedList>, StatusListError> {
    lists.list(&lists.sessions.context(now), ListId::default()).await
}

fn poll<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> std::task::Poll<F::Output> {
    future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[test]
fn requests_wait_for_at_most_two_reads_of_a_slow_store() {
    let (store, lists) = reading(Revocations { slow: true.into(), ..Revocations::default() });
    // Two seconds of arrivals, in no order, while the store thinks.
    let arrivals = [0, 1990, 20, 700, 1500, 510, 1000, 490, 1999, 3];
    let mut waiting: Vec<_> = arrivals
        .map(|millis| Box::pin(list_at(&lists, NOW.plus(Duration::from_millis(millis)))))
        .into_iter()
        .collect();
    assert!(waiting.iter_mut().all(|it| poll(it).is_pending()));
    assert_eq!(store.asked(), 1);
    store.slow.store(false, Relaxed);
    for it in waiting.iter_mut().rev() {
        assert!(matches!(poll(it), std::task::Poll::Ready(Ok(_))));
    }
    assert_eq!(store.asked(), 2, "the one under way, and the one after it");
}

#[test]
fn a_cancelled_caller_does_not_cancel_the_shared_read() {
    let (store, lists) = reading(Revocations { slow: true.into(), ..Revocations::default() });
    for millis in 0..100 {
        let mut asks = Box::pin(list_at(&lists, NOW.plus(Duration::from_millis(millis))));
        assert!(poll(&mut asks).is_pending());
    }
    assert_eq!(store.asked(), 1);
    store.slow.store(false, Relaxed);
    assert!(block_on(list_at(&lists, NOW)).is_ok());
    assert_eq!(store.asked(), 1, "another caller drives the read on");
}

#[test]
fn a_read_that_all_callers_abandoned_is_dropped() {
    let (store, lists) = reading(Revocations { stuck: true.into(), ..Revocations::default() });
    assert!(poll(&mut Box::pin(list_at(&lists, NOW))).is_pending());
    store.stuck.store(false, Relaxed);
    let after = |seconds| {
        let then = NOW.plus(SECOND * seconds);
        poll(&mut Box::pin(list_at(&lists, then)))
    };
    assert!(after(29).is_pending());
    assert!(matches!(after(31), std::task::Poll::Ready(Ok(_))));
    assert_eq!(store.asked(), 2);
}

#[test]
fn a_shortened_lifetime_never_hides_a_revocation() {
    let web = |hours: u64| ProfileSettings {
        access_lifetime: Lifetime::from_seconds(hours * 3600).unwrap(),
        ..with_status()
    };
    let service = TestService::new(web(12));
    let issuer = Issuer { lists: StatusLists::new(service.sessions.clone()), service };
    let granted = issuer.service.open();
    issuer.end(&granted, EndReason::Revoked);
    issuer.service.advance(HOUR * 2);
    assert_eq!(issuer.status_of(&granted), Status::Invalid);
    let shorter = fixture::policy_with([fixture::profile("web", ProfileSettings::default())]);
    issuer.service.sessions.replace_snapshot(fixture::snapshot(shorter));
    issuer.service.advance(HOUR * 9);
    assert_eq!(issuer.status_of(&granted), Status::Invalid, "its token is still out");
    issuer.service.advance(HOUR * 2);
    assert_eq!(issuer.status_of(&granted), Status::Valid);
}

#[test]
fn lists_continue_after_a_switch_to_a_shared_secret() {
    let issuer = Issuer::new();
    let granted = issuer.service.open();
    let (now, policy) = (issuer.service.clock.now(), issuer.service.policy.clone());
    let mut records = fixture::key_records(Algorithm::EdDsa, 0);
    let made =
        crate::keys::missing(&records, Algorithm::Hs256, now.plus(SECOND), &SeededRandom::new(8));
    records.extend(made.unwrap());
    let at = |then| {
        let ring = crate::keys::KeyRing::new(&records, &policy, then).unwrap();
        issuer.service.sessions.replace_snapshot(Arc::new(Snapshot::new(policy.clone(), ring)));
    };
    issuer.service.advance(SECOND);
    at(now.plus(SECOND));
    assert_eq!(issuer.status_of(&granted), Status::Valid, "its token is still checked elsewhere");
    assert_eq!(claim_of(&issuer.service.open()), None, "no other service could verify it");
    // Until the last token of the key is dead.
    issuer.service.advance(HOUR + Duration::from_secs(120));
    assert!(matches!(issuer.list(0), Err(StatusListError::SharedSecret)));
}

#[test]
fn revocations_of_other_replicas_reveal_their_lists() {
    let index = StatusIndex::from_number(6 * LIST_ENTRIES);
    let (_, lists) = reading(Revocations { revoked: vec![index], ..Revocations::default() });
    assert_eq!(lists.ids().count(), 2);
    assert!(block_on(list_at(&lists, NOW)).is_ok());
    assert_eq!(lists.ids().count(), 8);
}

/// A store that knows nothing but revocations, and may take its time.
#[derive(Debug, Default)]
struct Revocations {
    revoked: Vec<StatusIndex>,
    /// No question has its answer yet.
    slow: AtomicBool,
    /// Questions that come now never have one.
    stuck: AtomicBool,
    asked: AtomicUsize,
}

impl Revocations {
    fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }
}

#[async_trait::async_trait]
impl SessionStore for Revocations {
    async fn revoked(&self, _: Timestamp) -> Result<Vec<crate::store::Revoked>, StoreError> {
        let _ = self.asked.fetch_add(1, Relaxed);
        let stuck = self.stuck.load(Relaxed);
        std::future::poll_fn(|_| match stuck || self.slow.load(Relaxed) {
            true => std::task::Poll::Pending,
            false => std::task::Poll::Ready(()),
        })
        .await;
        let revoked = |index: &StatusIndex| crate::store::Revoked { index: *index, at: NOW };
        Ok(self.revoked.iter().map(revoked).collect())
    }
    async fn insert(&self, _: &Session) -> Result<bool, StoreError> {
        unreachable!()
    }
    async fn find(&self, _: &crate::id::SessionId) -> Result<Option<Session>, StoreError> {
        unreachable!()
    }
    async fn advance(
        &self,
        _: &crate::id::SessionId,
        _: &crate::store::Advance,
    ) -> Result<crate::store::Outcome, StoreError> {
        unreachable!()
    }
    async fn touch(
        &self,
        _: &crate::id::SessionId,
        _: &crate::store::Touch,
    ) -> Result<crate::store::Outcome, StoreError> {
        unreachable!()
    }
    async fn end(
        &self,
        _: &crate::id::SessionId,
        _: Ended,
    ) -> Result<crate::store::Outcome, StoreError> {
        unreachable!()
    }
    async fn end_all(
        &self,
        _: &Subject,
        _: Option<&crate::id::SessionId>,
        _: Ended,
        _: u32,
    ) -> Result<Vec<Session>, StoreError> {
        unreachable!()
    }
    async fn end_least_used(
        &self,
        _: (&Subject, &crate::id::ClientId),
        _: &crate::id::SessionId,
        _: u32,
        _: Ended,
        _: u32,
    ) -> Result<Vec<Session>, StoreError> {
        unreachable!()
    }
    async fn list(
        &self,
        _: &Subject,
        _: Option<(Timestamp, crate::id::SessionId)>,
        _: u32,
    ) -> Result<Vec<Session>, StoreError> {
        unreachable!()
    }
    async fn set_claims(
        &self,
        _: &[crate::id::SessionId],
        _: &crate::session::ExtraClaims,
    ) -> Result<(), StoreError> {
        unreachable!()
    }
    async fn purge(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        unreachable!()
    }
    async fn release(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        unreachable!()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        unreachable!()
    }
}
