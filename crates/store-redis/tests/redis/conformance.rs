//! The conformance checks, on one server, behind Sentinel and in a Cluster.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aquaware_core::id::{SessionId, Subject};
use aquaware_core::limits::CounterKey;
use aquaware_core::store::Counters;
use aquaware_store_redis::RedisStore;
use aquaware_store_testkit::{
    CounterHarness, Harness, Settings, conformance, counter_conformance, outbox_conformance,
};
use async_trait::async_trait;

use crate::servers::{CLUSTER, SENTINEL, SINGLE, command, connect, prefix};

/// Stores at one URL, each with its own keys.
struct Stores {
    url: String,
    /// The server of a key.
    server_of: fn(&str) -> SocketAddr,
    prefix: Mutex<String>,
}

impl Stores {
    fn new(url: String, server_of: fn(&str) -> SocketAddr) -> Self {
        Self { url, server_of, prefix: Mutex::default() }
    }

    fn current(&self) -> String {
        self.prefix.lock().unwrap().clone()
    }

    fn set(&self, key: &str, field: &str, value: &str) -> bool {
        let added: u32 = command((self.server_of)(key), &["HSET", key, field, value]);
        added == 0
    }
}

#[async_trait]
impl Harness for Stores {
    type Store = RedisStore;

    async fn fresh(&self) -> RedisStore {
        let prefix = prefix();
        self.prefix.lock().unwrap().clone_from(&prefix);
        connect(&self.url, &prefix).await
    }

    async fn replica(&self, _: &RedisStore) -> Option<RedisStore> {
        Some(connect(&self.url, &self.current()).await)
    }

    async fn reopen(&self, store: RedisStore) -> Option<RedisStore> {
        drop(store);
        Some(connect(&self.url, &self.current()).await)
    }

    async fn corrupt_session(&self, _: &RedisStore, id: &SessionId) -> bool {
        self.set(&format!("{}s:{id}", self.current()), "generation", "0")
    }

    async fn corrupt_account(&self, _: &RedisStore, id: &Subject) -> bool {
        let pointer = format!("{}i:{id}", self.current());
        let login: String = command((self.server_of)(&pointer), &["GET", &pointer]);
        self.set(&format!("{}l:{login}", self.current()), "claims", "[]")
    }

    fn settings(&self) -> Settings {
        Settings { purges: false, sequences: 24, concurrency: 32, ..Settings::default() }
    }
}

#[async_trait]
impl CounterHarness for Stores {
    async fn fresh(&self) -> Arc<dyn Counters> {
        Arc::new(Harness::fresh(self).await)
    }

    async fn replica(&self) -> Option<Arc<dyn Counters>> {
        Some(Arc::new(connect(&self.url, &self.current()).await))
    }

    /// Moves the instants in the keys and their expiry, instead of the clock of the server.
    async fn pass(&self, span: Duration, keys: &[CounterKey]) {
        for key in keys {
            let key = format!("{}c:{key}", self.current());
            let address = (self.server_of)(&key);
            let value: Option<i64> = command(address, &["GET", &key]);
            let left: i64 = command(address, &["PTTL", &key]);
            let (Some(value), Ok(span)) = (value, i64::try_from(span.as_micros())) else {
                continue;
            };
            let left = left - span / 1000;
            if left <= 0 {
                let _: u32 = command(address, &["DEL", &key]);
                continue;
            }
            // An instant; a number of failures is small.
            if value > 1_000_000_000 {
                let value = (value - span).to_string();
                let _: String = command(address, &["SET", &key, &value, "KEEPTTL"]);
            }
            let _: u32 = command(address, &["PEXPIRE", &key, &left.to_string()]);
        }
    }

    fn has_clock(&self) -> bool {
        true
    }
}

mod single {
    use super::*;
    conformance!(Stores::new(SINGLE.url(), |_| SINGLE.address()));
    mod counters {
        use super::*;
        counter_conformance!(Stores::new(SINGLE.url(), |_| SINGLE.address()));
    }
    mod outbox {
        use super::*;
        outbox_conformance!(Stores::new(SINGLE.url(), |_| SINGLE.address()));
    }
}

mod sentinel {
    use super::*;
    conformance!(Stores::new(SENTINEL.url(), |_| SENTINEL.master().unwrap()));
    mod outbox {
        use super::*;
        outbox_conformance!(Stores::new(SENTINEL.url(), |_| SENTINEL.master().unwrap()));
    }
}

mod cluster {
    use super::*;
    conformance!(Stores::new(CLUSTER.lock().unwrap().url(), |key| {
        CLUSTER.lock().unwrap().master_of(key).unwrap()
    }));
    mod outbox {
        use super::*;
        outbox_conformance!(Stores::new(CLUSTER.lock().unwrap().url(), |key| {
            CLUSTER.lock().unwrap().master_of(key).unwrap()
        }));
    }
    mod counters {
        use super::*;
        counter_conformance!(Stores::new(CLUSTER.lock().unwrap().url(), |key| {
            CLUSTER.lock().unwrap().master_of(key).unwrap()
        }));
    }
}
