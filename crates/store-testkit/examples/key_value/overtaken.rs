//! A takeover of a login that is decided before the login is used and written after it.

use std::sync::Arc;

use aquaware_core::account::Account;
use aquaware_core::store::{AccountStore, EmailChange, NewEmail, StoreError};
use aquaware_store_testkit::key_value::{Engine, Entry, KeyValueStore};
use aquaware_store_testkit::sample::{account, later};
use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};

use crate::engine::MemoryEngine;

/// An engine that waits in one place: before it replaces the reference of a login.
#[derive(Clone, Debug)]
struct Waiting {
    engine: MemoryEngine,
    reached: Arc<Notify>,
    go_on: Arc<Semaphore>,
}

#[async_trait]
impl Engine for Waiting {
    type Version = u64;

    async fn get(&self, key: &str) -> Result<Option<Entry<u64>>, StoreError> {
        self.engine.get(key).await
    }

    async fn insert(&self, key: &str, value: String) -> Result<bool, StoreError> {
        self.engine.insert(key, value).await
    }

    async fn replace(&self, key: &str, version: &u64, value: String) -> Result<bool, StoreError> {
        if key.starts_with("l:") {
            self.reached.notify_one();
            drop(self.go_on.acquire().await);
        }
        self.engine.replace(key, version, value).await
    }

    async fn remove(&self, key: &str, version: &u64) -> Result<bool, StoreError> {
        self.engine.remove(key, version).await
    }

    async fn scan(&self, prefix: &str) -> Result<Vec<(String, Entry<u64>)>, StoreError> {
        self.engine.scan(prefix).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.engine.ping().await
    }
}

/// Two clients want one login. `first` has reserved it; `second` has found that no account has it and
/// is about to take it over when `first` completes.
struct Race {
    first: KeyValueStore<Waiting>,
    second: KeyValueStore<Waiting>,
}

fn store(engine: &MemoryEngine, permits: usize) -> KeyValueStore<Waiting> {
    KeyValueStore::new(Waiting {
        engine: engine.clone(),
        reached: Arc::new(Notify::new()),
        go_on: Arc::new(Semaphore::new(permits)),
    })
}

impl Race {
    async fn on(login: &str, holder: &str) -> Self {
        let engine = MemoryEngine::default();
        assert!(engine.insert(&format!("l:{login}"), holder.to_owned()).await.unwrap());
        Self { first: store(&engine, 2), second: store(&engine, 0) }
    }

    /// Runs `second` up to its takeover, then `first`, then the rest of `second`.
    async fn run<T: Send + 'static>(
        &self,
        first: impl Future<Output = T>,
        second: impl Future<Output = T> + Send + 'static,
    ) -> (T, T) {
        let waiting = self.second.engine();
        let second = tokio::spawn(second);
        waiting.reached.notified().await;
        let first = first.await;
        waiting.go_on.add_permits(2);
        (first, second.await.unwrap())
    }
}

#[tokio::test]
async fn a_login_that_another_account_has_confirmed_is_not_taken_over() {
    let (one, other) = (account(1), Account { login: account(1).login, ..account(2) });
    let race = Race::on(one.login.as_str(), one.id.as_str()).await;
    let second = race.second.clone();
    let results =
        race.run(race.first.create(&one), async move { second.create(&other).await }).await;
    assert!(matches!(results, (Ok(true), Ok(false))), "{results:?}");
    assert_eq!(race.first.by_login(&one.login).await.unwrap(), Some(one));
}

#[tokio::test]
async fn an_address_that_another_account_has_confirmed_is_not_taken_over() {
    let (one, other, target) = (account(1), account(2), account(3));
    let new = NewEmail { email: target.email, login: target.login, at: later(1) };
    let race = Race::on(new.login.as_str(), one.id.as_str()).await;
    for account in [&one, &other] {
        assert!(race.first.create(account).await.unwrap());
    }
    let (second, theirs) = (race.second.clone(), new.clone());
    let results = race
        .run(race.first.change_email(&one.id, (&one).into(), &new), async move {
            second.change_email(&other.id, (&other).into(), &theirs).await
        })
        .await;
    assert!(matches!(results, (Ok(EmailChange::Changed), Ok(EmailChange::Taken))), "{results:?}");
    assert_eq!(race.first.by_login(&new.login).await.unwrap().unwrap().id, one.id);
}
