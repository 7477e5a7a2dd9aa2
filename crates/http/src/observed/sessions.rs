//! The session port, observed.

use aquaware_core::id::{ClientId, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError, Touch};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::Observed;
use crate::events::Event;

impl<S: ?Sized> Observed<S> {
    async fn ended(&self, sessions: &[Session], ended: Ended) {
        let event = |session| {
            self.metrics.session_ended(ended.reason);
            Event::session_ended(session, ended.reason)
        };
        self.events.emit_all(sessions.iter().map(event).collect()).await;
    }
}

#[async_trait]
impl<S: SessionStore + ?Sized> SessionStore for Observed<S> {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        self.measure("insert", self.store.insert(session)).await
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.measure("find", self.store.find(id)).await
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        self.measure("advance", self.store.advance(id, step)).await
    }

    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome, StoreError> {
        self.measure("touch", self.store.touch(id, touch)).await
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        let outcome = self.measure("end", self.store.end(id, ended)).await?;
        if let Outcome::Applied(session) = &outcome {
            self.ended(std::slice::from_ref(session), ended).await;
        }
        Ok(outcome)
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let end = self.store.end_all(subject, except, ended, at_most);
        let sessions = self.measure("end_all", end).await?;
        self.ended(&sessions, ended).await;
        Ok(sessions)
    }

    async fn end_least_used(
        &self,
        owner: (&Subject, &ClientId),
        except: &SessionId,
        keep: u32,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let end = self.store.end_least_used(owner, except, keep, ended, at_most);
        let sessions = self.measure("end_least_used", end).await?;
        self.ended(&sessions, ended).await;
        Ok(sessions)
    }

    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        self.measure("list", self.store.list(subject, after, at_most)).await
    }

    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<(), StoreError> {
        self.measure("set_claims", self.store.set_claims(ids, claims)).await
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.measure("purge", self.store.purge(expired_before, at_most)).await
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        self.measure("revoked", self.store.revoked(since)).await
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.measure("release", self.store.release(ended_before, at_most)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.measure("ping", self.store.ping()).await
    }
}
