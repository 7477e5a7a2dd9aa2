//! A request for a reset makes the same calls for every address: its duration tells nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aquaware_core::account::Account;
use aquaware_core::password::{Check, EstablishError, Overloaded, PasswordHasher};
use aquaware_core::secret::{Password, PasswordHash};
use aquaware_core::service::Accounts;
use aquaware_core::store::{AccountStore as _, MemoryStore};
use aquaware_core::testing::{SeededRandom, fixture};
use aquaware_core::time::Timestamp;
use aquaware_store_testkit::{Call, FaultyStore, sample};
use async_trait::async_trait;

/// A hasher that counts what it is asked.
#[derive(Debug, Default)]
struct CountingHasher(AtomicUsize);

#[async_trait]
impl PasswordHasher for CountingHasher {
    async fn check(&self, _: &Password, _: Option<&PasswordHash>) -> Result<Check, Overloaded> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(Overloaded)
    }

    async fn establish(
        &self,
        _: &Password,
        _: &[String],
        _: Timestamp,
    ) -> Result<PasswordHash, EstablishError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(Overloaded.into())
    }
}

#[tokio::test]
async fn a_reset_request_makes_one_call_and_hashes_nothing_whether_or_not_there_is_an_account() {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let sessions = Arc::new(fixture::sessions(store.clone(), fixture::policy()));
    let (random, hasher) = (Arc::new(SeededRandom::new(1)), Arc::new(CountingHasher::default()));
    let accounts = Accounts::new(store.clone(), hasher.clone(), random, Arc::clone(&sessions))
        .with_outbox(store.clone());
    let known = sample::account(1);
    assert!(store.create(&known).await.unwrap());
    let disabled = Account { disabled_at: Some(fixture::NOW), ..sample::account(2) };
    assert!(store.create(&disabled).await.unwrap());
    let context = sessions.context(fixture::NOW);
    for email in [&*known.email, &*disabled.email, "unknown@example.com", "a user name"] {
        store.reset_calls();
        accounts.request_reset(&context, email).await.unwrap();
        let calls = store.calls();
        assert_eq!((calls.count(Call::Append), calls.total()), (1, 1), "{email}");
    }
    assert_eq!(hasher.0.load(Ordering::Relaxed), 0);
}
