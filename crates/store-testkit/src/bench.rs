//! One store under test, with its type forgotten: the checks see a port and nothing behind it, and
//! are compiled once for all stores.

use std::fmt;
use std::sync::Arc;

use aquaware_core::id::{SessionId, Subject};
use aquaware_core::store::{AccountStore, SessionStore};
use async_trait::async_trait;

use crate::failure::Failure;
use crate::harness::{Harness, Settings};

/// A store of sessions under test.
pub(crate) type SessionBench = Bench<dyn SessionStore>;
/// A store of accounts under test.
pub(crate) type AccountBench = Bench<dyn AccountStore>;

/// An open store seen through the port `P`, and what its harness can do with it.
pub struct Bench<P: ?Sized> {
    rig: Box<dyn Rig<P>>,
    store: Arc<P>,
    settings: Settings,
}

impl<P: ?Sized> fmt::Debug for Bench<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Bench<dyn SessionStore> {
    pub(crate) async fn sessions<H>(harness: H) -> Self
    where
        H: Harness + 'static,
        H::Store: SessionStore,
    {
        Self::open(harness, |store| store).await
    }
}

impl Bench<dyn AccountStore> {
    pub(crate) async fn accounts<H>(harness: H) -> Self
    where
        H: Harness + 'static,
        H::Store: AccountStore,
    {
        Self::open(harness, |store| store).await
    }
}

impl<P: ?Sized + Send + Sync + 'static> Bench<P> {
    async fn open<H: Harness + 'static>(harness: H, port: fn(Arc<H::Store>) -> Arc<P>) -> Self {
        let (settings, store) = (harness.settings(), Arc::new(harness.fresh().await));
        let seen = port(Arc::clone(&store));
        Self { rig: Box::new(Opened { harness, store: Some(store), port }), store: seen, settings }
    }

    /// The store.
    pub(crate) fn store(&self) -> &P {
        &self.store
    }

    /// How much to ask.
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Goes on with an empty store.
    pub(crate) async fn renew(&mut self) {
        self.store = self.rig.renew().await;
    }

    /// `count` handles on the store: every other one a replica's, where there is one.
    pub(crate) async fn handles(&self, count: usize) -> Vec<Arc<P>> {
        let other = self.rig.replica().await.unwrap_or_else(|| Arc::clone(&self.store));
        let pick = |n| if n % 2 == 0 { Arc::clone(&self.store) } else { Arc::clone(&other) };
        (0..count).map(pick).collect()
    }

    /// Closes the store and opens it again; `false` if it can't be.
    pub(crate) async fn reopen(self) -> Result<Option<Self>, Failure> {
        let Self { mut rig, store, settings } = self;
        drop(store);
        Ok(rig.reopen().await?.map(|store| Self { rig, store, settings }))
    }

    pub(crate) async fn corrupt_session(&self, id: &SessionId) -> bool {
        self.rig.corrupt_session(id).await
    }

    pub(crate) async fn corrupt_account(&self, id: &Subject) -> bool {
        self.rig.corrupt_account(id).await
    }
}

/// A harness and the store it opened, without their types.
#[async_trait]
trait Rig<P: ?Sized>: Send + Sync {
    async fn renew(&mut self) -> Arc<P>;
    async fn replica(&self) -> Option<Arc<P>>;
    async fn reopen(&mut self) -> Result<Option<Arc<P>>, Failure>;
    async fn corrupt_session(&self, id: &SessionId) -> bool;
    async fn corrupt_account(&self, id: &Subject) -> bool;
}

struct Opened<H: Harness, P: ?Sized> {
    harness: H,
    store: Option<Arc<H::Store>>,
    port: fn(Arc<H::Store>) -> Arc<P>,
}

impl<H: Harness, P: ?Sized> Opened<H, P> {
    fn keep(&mut self, store: H::Store) -> Arc<P> {
        let store = Arc::new(store);
        self.store = Some(Arc::clone(&store));
        (self.port)(store)
    }
}

#[async_trait]
impl<H: Harness, P: ?Sized + Send + Sync> Rig<P> for Opened<H, P> {
    async fn renew(&mut self) -> Arc<P> {
        let store = self.harness.fresh().await;
        self.keep(store)
    }

    async fn replica(&self) -> Option<Arc<P>> {
        let other = self.harness.replica(self.store.as_deref()?).await?;
        Some((self.port)(Arc::new(other)))
    }

    async fn reopen(&mut self) -> Result<Option<Arc<P>>, Failure> {
        let store = self.store.take().and_then(Arc::into_inner);
        let store = store.ok_or_else(|| Failure::new("the store is still in use"))?;
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
