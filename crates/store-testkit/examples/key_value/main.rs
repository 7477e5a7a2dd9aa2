//! Sessions and accounts in a key-value engine with compare-and-swap: an implementation of
//! `key_value::Engine`, and the conformance checks on it.
//!
//! Run the checks with `cargo test -p aquaware-store-testkit --example key_value`.

mod engine;
#[cfg(test)]
mod overtaken;

use aquaware_core::store::{SessionStore, StoreError};
use aquaware_store_testkit::{key_value::KeyValueStore, sample};

use crate::engine::MemoryEngine;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StoreError> {
    let store = KeyValueStore::new(MemoryEngine::default());
    let session = sample::minimal(1);
    store.insert(&session).await?;
    assert_eq!(store.find(&session.id).await?, Some(session));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquaware_core::id::{SessionId, Subject};
    use aquaware_store_testkit::key_value::Engine;
    use aquaware_store_testkit::{Harness, conformance};
    use async_trait::async_trait;

    struct KeyValue;

    async fn corrupt(engine: &MemoryEngine, key: &str) -> bool {
        let entry = engine.get(key).await.unwrap().unwrap();
        engine.replace(key, &entry.version, "{\"id\":".to_owned()).await.unwrap()
    }

    #[async_trait]
    impl Harness for KeyValue {
        type Store = KeyValueStore<MemoryEngine>;

        async fn fresh(&self) -> Self::Store {
            KeyValueStore::new(MemoryEngine::default())
        }

        async fn replica(&self, store: &Self::Store) -> Option<Self::Store> {
            Some(store.clone())
        }

        async fn reopen(&self, store: Self::Store) -> Option<Self::Store> {
            Some(store)
        }

        async fn corrupt_session(&self, store: &Self::Store, id: &SessionId) -> bool {
            corrupt(store.engine(), &format!("s:{id}")).await
        }

        async fn corrupt_account(&self, store: &Self::Store, id: &Subject) -> bool {
            corrupt(store.engine(), &format!("c:{id}")).await
        }
    }

    conformance!(KeyValue);
}
