//! The names of events, and what reaches the outbox.

use aquaware_core::store::{MemoryStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::*;

const PATIENCE: Duration = Duration::from_millis(200);

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn events(outbox: Arc<dyn Outbox>, kinds: &[EventKind]) -> Events {
    Events::for_webhook(outbox, kinds.iter().copied().collect(), Arc::default(), PATIENCE)
}

async fn stored(outbox: &MemoryStore) -> Vec<OutboxEntry> {
    let (now, later) = (SystemClock.now(), Timestamp::from_millis(i64::MAX));
    outbox.claim(now, later, 100).await.unwrap()
}

#[test]
fn every_kind_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(names.len(), EventKind::ALL.len());
    for kind in EventKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(*kind));
    }
    assert!("login".parse::<EventKind>().is_err());
}

#[actix_web::test]
async fn an_event_is_in_the_outbox_of_its_account_when_it_was_emitted() {
    let outbox = Arc::new(MemoryStore::new());
    let event = Event::of_account(EventKind::AccountCreated, &subject("a-1"));
    events(outbox.clone(), EventKind::ALL).emit(event).await;
    let entries = stored(&outbox).await;
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((entry.queue.as_str(), entry.kind.as_str()), ("a-1", "account_created"));
    assert_eq!(entry.payload, r#"{"account_id":"a-1"}"#);
}

#[actix_web::test]
async fn events_that_the_webhook_does_not_want_are_not_stored() {
    let outbox = Arc::new(MemoryStore::new());
    let events = events(outbox.clone(), &[EventKind::SessionEnded]);
    events.emit(Event::of_account(EventKind::AccountCreated, &subject("a-1"))).await;
    assert_eq!(stored(&outbox).await, []);
}

#[actix_web::test]
async fn events_without_an_account_do_not_wait_for_each_other() {
    let outbox = Arc::new(MemoryStore::new());
    let client = ClientId::new("web").unwrap();
    let failed = Event::login_failed(&client, "invalid_credentials");
    events(outbox.clone(), EventKind::ALL).emit_all(vec![failed.clone(), failed]).await;
    assert_eq!(stored(&outbox).await.len(), 2);
}

/// An outbox that is never written to.
#[derive(Debug)]
struct Full;

#[async_trait]
impl Outbox for Full {
    async fn append(&self, entry: &OutboxEntry) -> Result<(), StoreError> {
        if entry.queue == "slow" {
            std::future::pending::<()>().await;
        }
        Err(StoreError::Rejected("full".into()))
    }

    async fn claim(
        &self,
        _: Timestamp,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn retry_at(&self, _: &OutboxEntry, _: Timestamp, _: u32) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn remove(&self, _: &OutboxEntry) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn count(&self, _: u32) -> Result<u32, StoreError> {
        Ok(0)
    }
}

#[actix_web::test]
async fn an_event_that_cannot_be_stored_is_counted() {
    let metrics = Arc::new(Metrics::new());
    let kinds = EventKind::ALL.iter().copied().collect();
    let events = Events::for_webhook(Arc::new(Full), kinds, Arc::clone(&metrics), PATIENCE);
    events.emit(Event::of_account(EventKind::AccountCreated, &subject("a-1"))).await;
    assert_eq!(metrics.deliveries(Channel::Webhook, DeliveryOutcome::NotStored), 1);
}

#[actix_web::test]
async fn a_request_does_not_wait_for_an_outbox_that_hangs() {
    let event = Event::of_account(EventKind::AccountCreated, &subject("slow"));
    let start = std::time::Instant::now();
    events(Arc::new(Full), EventKind::ALL).emit(event).await;
    assert!(start.elapsed() >= PATIENCE && start.elapsed() < 50 * PATIENCE);
}

#[actix_web::test]
async fn an_event_is_stored_even_if_its_request_is_dropped() {
    let outbox = Arc::new(MemoryStore::new());
    let event = Event::of_account(EventKind::AccountCreated, &subject("a-1"));
    let events = events(outbox.clone(), EventKind::ALL);
    let emitted = futures_util::FutureExt::now_or_never(events.emit(event));
    assert_eq!(emitted, None);
    actix_web::rt::task::yield_now().await;
    assert_eq!(stored(&outbox).await.len(), 1);
}
