//! An engine in memory. A real one calls the client of its database instead; what is one atomic
//! operation here must be one there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aquaware_core::store::StoreError;
use aquaware_store_testkit::key_value::{Engine, Entry};
use async_trait::async_trait;

/// Values by key, each with a version that no two writes share. Clones share the values.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryEngine(Arc<Mutex<Values>>);

#[derive(Debug, Default)]
struct Values {
    writes: u64,
    by_key: BTreeMap<String, Entry<u64>>,
}

impl Values {
    fn write(&mut self, key: &str, value: String) -> bool {
        self.writes += 1;
        self.by_key.insert(key.to_owned(), Entry { value, version: self.writes });
        true
    }

    fn has(&self, key: &str, version: u64) -> bool {
        self.by_key.get(key).is_some_and(|entry| entry.version == version)
    }
}

impl MemoryEngine {
    fn values(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Engine for MemoryEngine {
    type Version = u64;

    async fn get(&self, key: &str) -> Result<Option<Entry<u64>>, StoreError> {
        Ok(self.values().by_key.get(key).cloned())
    }

    async fn insert(&self, key: &str, value: String) -> Result<bool, StoreError> {
        let mut values = self.values();
        Ok(!values.by_key.contains_key(key) && values.write(key, value))
    }

    async fn replace(&self, key: &str, version: &u64, value: String) -> Result<bool, StoreError> {
        let mut values = self.values();
        Ok(values.has(key, *version) && values.write(key, value))
    }

    async fn remove(&self, key: &str, version: &u64) -> Result<bool, StoreError> {
        let mut values = self.values();
        Ok(values.has(key, *version) && values.by_key.remove(key).is_some())
    }

    async fn scan(&self, prefix: &str) -> Result<Vec<(String, Entry<u64>)>, StoreError> {
        let values = self.values();
        let found = values.by_key.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, entry)| (key.clone(), entry.clone())).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
