//! The engine, for which your database's client stands in a real adapter. What it does in one
//! step here, it must do in one step there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Values {
    writes: u64,
    by_key: BTreeMap<String, (u64, String)>,
}

impl Values {
    fn write(&mut self, key: &str, value: String) {
        self.writes += 1;
        self.by_key.insert(key.to_owned(), (self.writes, value));
    }

    fn has(&self, key: &str, version: u64) -> bool {
        self.by_key.get(key).is_some_and(|held| held.0 == version)
    }
}

/// Values by key, each with a version that no two writes share.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    values: Mutex<Values>,
}

impl Engine {
    /// The value and its version.
    pub(crate) fn get(&self, key: &str) -> Option<(u64, String)> {
        self.values().by_key.get(key).cloned()
    }

    /// Keeps a value if the key is free.
    pub(crate) fn add(&self, key: &str, value: String) -> bool {
        let mut values = self.values();
        let free = !values.by_key.contains_key(key);
        if free {
            values.write(key, value);
        }
        free
    }

    /// Replaces the value if it still has this version.
    pub(crate) fn replace(&self, key: &str, version: u64, value: String) -> bool {
        let mut values = self.values();
        let held = values.has(key, version);
        if held {
            values.write(key, value);
        }
        held
    }

    /// Removes the value if it still has this version.
    pub(crate) fn remove(&self, key: &str, version: u64) -> bool {
        let mut values = self.values();
        values.has(key, version) && values.by_key.remove(key).is_some()
    }

    /// Everything there is.
    pub(crate) fn scan(&self) -> Vec<(String, u64, String)> {
        let all = self.values().by_key.clone().into_iter();
        all.map(|(key, (version, value))| (key, version, value)).collect()
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
