//! The session port with injected faults.

use aquaware_core::id::{ClientId, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError, Touch};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::{Call, FaultyStore};

#[async_trait]
impl<S: SessionStore + ?Sized> SessionStore for FaultyStore<S> {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        self.inject(Call::Insert, self.inner.insert(session)).await
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.inject(Call::Find, self.inner.find(id)).await
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        self.inject(Call::Advance, self.inner.advance(id, step)).await
    }

    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome, StoreError> {
        self.inject(Call::Touch, self.inner.touch(id, touch)).await
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        self.inject(Call::End, self.inner.end(id, ended)).await
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        self.inject(Call::EndAll, self.inner.end_all(subject, except, ended, at_most)).await
    }

    async fn end_least_used(
        &self,
        owner: (&Subject, &ClientId),
        except: &SessionId,
        keep: u32,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let end = self.inner.end_least_used(owner, except, keep, ended, at_most);
        self.inject(Call::EndLeastUsed, end).await
    }

    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        self.inject(Call::ListSessions, self.inner.list(subject, after, at_most)).await
    }

    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<(), StoreError> {
        self.inject(Call::SetSessionClaims, self.inner.set_claims(ids, claims)).await
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.inject(Call::Purge, self.inner.purge(expired_before, at_most)).await
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        self.inject(Call::Revoked, self.inner.revoked(since)).await
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.inject(Call::Release, self.inner.release(ended_before, at_most)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inject(Call::PingSessions, self.inner.ping()).await
    }
}
