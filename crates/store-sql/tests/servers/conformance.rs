//! The suite that every store must pass.

use std::marker::PhantomData;
use std::sync::Mutex;

use aquaware_core::id::{SessionId, Subject};
use aquaware_store_testkit::Harness;
use async_trait::async_trait;

use crate::engine::{Engine, Maria, Opening, Postgresql, Space};

/// Spaces on the shared server. A check has one at a time.
struct Spaces<E> {
    url: Mutex<String>,
    engine: PhantomData<E>,
}

impl<E: Engine> Spaces<E> {
    fn new() -> Self {
        Self { url: Mutex::default(), engine: PhantomData }
    }

    fn url(&self) -> String {
        self.url.lock().unwrap().clone()
    }

    fn open(&self) -> E::Store {
        E::open(&self.url(), Opening { pool_size: 6, ..Opening::default() }).unwrap()
    }
}

#[async_trait]
impl<E: Engine> Harness for Spaces<E> {
    type Store = E::Store;

    async fn fresh(&self) -> E::Store {
        *self.url.lock().unwrap() = Space::<E>::new().url();
        self.open()
    }

    async fn replica(&self, _: &E::Store) -> Option<E::Store> {
        Some(self.open())
    }

    async fn reopen(&self, store: E::Store) -> Option<E::Store> {
        drop(store);
        Some(self.open())
    }

    async fn corrupt_session(&self, _: &E::Store, id: &SessionId) -> bool {
        let id = E::bytes(id.as_bytes());
        E::ask(&self.url(), &format!("UPDATE sessions SET generation = 0 WHERE id = {id}"));
        true
    }

    async fn corrupt_account(&self, _: &E::Store, id: &Subject) -> bool {
        let id = id.as_str();
        E::ask(&self.url(), &format!("UPDATE accounts SET claims = '[]' WHERE id = '{id}'"));
        true
    }
}

mod postgres {
    use super::{Postgresql, Spaces};

    aquaware_store_testkit::conformance!(Spaces::<Postgresql>::new());
}

mod mariadb {
    use super::{Maria, Spaces};

    aquaware_store_testkit::conformance!(Spaces::<Maria>::new());
}
