//! A store under test behind its port. The type of the store is erased, so that the checks are
//! compiled once for all stores.

use std::fmt;
use std::sync::Arc;

use aquaware_core::id::{SessionId, Subject};
use aquaware_core::store::{AccountStore, Outbox, SessionStore};
use async_trait::async_trait;

use crate::error::CheckError;
use crate::harness::{Harness, Settings};

/// A session store under test.
pub(crate) type SessionFixture = Fixture<dyn SessionStore>;
/// An account store under test.
pub(crate) type AccountFixture = Fixture<dyn AccountStore>;

/// An outbox under test.
pub(crate) type OutboxFixture = Fixture<dyn Outbox>;

/// An open store behind the port `P`, and its harness.
pub struct Fixture<P: ?Sized> {
    harness: Box<dyn ErasedHarness<P>>,
    store: Arc<P>,
    settings: Settings,
}

impl<P: ?Sized> fmt::Debug for Fixture<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Fixture<dyn SessionStore> {
    pub(crate) async fn sessions<H>(harness: H) -> Self
    where
        H: Harness + 'static,
        H::Store: SessionStore,
    {
        Self::open(harness, |store| store).await
    }
}

impl Fixture<dyn AccountStore> {
    pub(crate) async fn accounts<H>(harness: H) -> Self
    where
        H: Harness + 'static,
        H::Store: AccountStore,
    {
        Self::open(harness, |store| store).await
    }
}

impl Fixture<dyn Outbox> {
    pub(crate) async fn outbox<H>(harness: H) -> Self
    where
        H: Harness + 'static,
        H::Store: Outbox,
    {
        Self::open(harness, |store| store).await
    }
}

impl<P: ?Sized + Send + Sync + 'static> Fixture<P> {
    async fn open<H: Harness + 'static>(harness: H, port: fn(Arc<H::Store>) -> Arc<P>) -> Self {
        let (settings, store) = (harness.settings(), Arc::new(harness.fresh().await));
        let visible = port(Arc::clone(&store));
        Self {
            harness: Box::new(OpenStore { harness, store: Some(store), port }),
            store: visible,
            settings,
        }
    }

    /// The store under test.
    pub(crate) fn store(&self) -> &P {
        &self.store
    }

    /// How thorough the checks are.
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Replaces the store by an empty one.
    pub(crate) async fn renew(&mut self) {
        self.store = self.harness.renew().await;
    }

    /// `count` handles of the store. Every other one belongs to a replica if the harness has one.
    pub(crate) async fn handles(&self, count: usize) -> Vec<Arc<P>> {
        let other = self.harness.replica().await.unwrap_or_else(|| Arc::clone(&self.store));
        let pick = |n| if n % 2 == 0 { Arc::clone(&self.store) } else { Arc::clone(&other) };
        (0..count).map(pick).collect()
    }

    /// As many handles as a check of concurrency has tasks.
    pub(crate) async fn all_handles(&self) -> Vec<Arc<P>> {
        self.handles(self.settings.concurrency).await
    }

    /// Closes the store and opens it again. `None` if the harness cannot.
    pub(crate) async fn reopen(self) -> Result<Option<Self>, CheckError> {
        let Self { mut harness, store, settings } = self;
        drop(store);
        Ok(harness.reopen().await?.map(|store| Self { harness, store, settings }))
    }

    pub(crate) async fn corrupt_session(&self, id: &SessionId) -> bool {
        self.harness.corrupt_session(id).await
    }

    pub(crate) async fn corrupt_account(&self, id: &Subject) -> bool {
        self.harness.corrupt_account(id).await
    }
}

/// A harness and the store it opened, with their types erased.
#[async_trait]
trait ErasedHarness<P: ?Sized>: Send + Sync {
    async fn renew(&mut self) -> Arc<P>;
    async fn replica(&self) -> Option<Arc<P>>;
    async fn reopen(&mut self) -> Result<Option<Arc<P>>, CheckError>;
    async fn corrupt_session(&self, id: &SessionId) -> bool;
    async fn corrupt_account(&self, id: &Subject) -> bool;
}

struct OpenStore<H: Harness, P: ?Sized> {
    harness: H,
    store: Option<Arc<H::Store>>,
    port: fn(Arc<H::Store>) -> Arc<P>,
}

impl<H: Harness, P: ?Sized> OpenStore<H, P> {
    fn keep(&mut self, store: H::Store) -> Arc<P> {
        let store = Arc::new(store);
        self.store = Some(Arc::clone(&store));
        (self.port)(store)
    }
}

#[async_trait]
impl<H: Harness, P: ?Sized + Send + Sync> ErasedHarness<P> for OpenStore<H, P> {
    async fn renew(&mut self) -> Arc<P> {
        let store = self.harness.fresh().await;
        self.keep(store)
    }

    async fn replica(&self) -> Option<Arc<P>> {
        let other = self.harness.replica(self.store.as_deref()?).await?;
        Some((self.port)(Arc::new(other)))
    }

    async fn reopen(&mut self) -> Result<Option<Arc<P>>, CheckError> {
        let store = self.store.take().and_then(Arc::into_inner);
        let store = store
            .ok_or_else(|| CheckError::new("the store is still in use and cannot be reopened"))?;
        let again = self.harness.reopen(store).await;
        Ok(again.map(|store| self.keep(store)))
    }

    async fn corrupt_session(&self, id: &SessionId) -> bool {
        match &self.store {
            Some(store) => self.harness.corrupt_session(store, id).await,
            None => false,
        }
    }

    async fn corrupt_account(&self, id: &Subject) -> bool {
        match &self.store {
            Some(store) => self.harness.corrupt_account(store, id).await,
            None => false,
        }
    }
}
