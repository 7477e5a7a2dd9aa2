//! The conformance suite of all stores.

use std::marker::PhantomData;
use std::sync::Mutex;

use aquaware_core::id::{SessionId, Subject};
use aquaware_store_testkit::Harness;
use async_trait::async_trait;

use crate::engine::{Engine, Maria, OpenWith, Postgresql, TestDatabase};

/// Databases on the shared server; a check uses one at a time.
struct TestDatabases<E> {
    url: Mutex<String>,
    engine: PhantomData<E>,
}

impl<E: Engine> TestDatabases<E> {
    fn new() -> Self {
        Self { url: Mutex::default(), engine: PhantomData }
    }

    fn url(&self) -> String {
        self.url.lock().unwrap().clone()
    }

    fn open(&self) -> E::Store {
        E::open(&self.url(), OpenWith { pool_size: 6, ..OpenWith::default() }).unwrap()
    }
}

#[async_trait]
impl<E: Engine> Harness for TestDatabases<E> {
    type Store = E::Store;

    async fn fresh(&self) -> E::Store {
        *self.url.lock().unwrap() = TestDatabase::<E>::new().url();
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
    use super::{Postgresql, TestDatabases};

    aquaware_store_testkit::conformance!(TestDatabases::<Postgresql>::new());

    mod outbox {
        use super::{Postgresql, TestDatabases};

        aquaware_store_testkit::outbox_conformance!(TestDatabases::<Postgresql>::new());
    }
}

mod mariadb {
    use super::{Maria, TestDatabases};

    aquaware_store_testkit::conformance!(TestDatabases::<Maria>::new());

    mod outbox {
        use super::{Maria, TestDatabases};

        aquaware_store_testkit::outbox_conformance!(TestDatabases::<Maria>::new());
    }
}
