//! The index of a subject's sessions, and the operations on all of them.
//!
//! The index is a separate key, and in a Cluster often on another node, so index and session are never
//! written in one step. The index may contain too much: entries of sessions that were never
//! inserted, have expired or belong to another subject are ignored. It must not contain too little, therefore:
//! - an entry is written before its session;
//! - an entry is removed only when its session cannot exist any more: after the end of its absolute
//!   lifetime, or when it is not found and was created too long ago to be an insert in progress;
//! - an entry is written again by every sixteenth use of its session, because after a failover the new
//!   master may lack acknowledged writes. This does not slow down a refresh: it is sent after the
//!   response, in the background. So `end_all` can miss a session with a lost entry for at most sixteen
//!   uses, or until an advance skips generations that were lost as well.
//!
//! An entry consists of the session's id and its time of creation, so writing it again changes
//! nothing.

use std::collections::HashSet;

use aquaware_core::id::{SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Outcome, StoreError};
use futures_util::stream::{self, StreamExt as _};
use redis::Value;
use tokio::time::Instant;

use crate::error::{before_step, partly_applied};
use crate::record::{bytes, claims_text};
use crate::scripts;
use crate::store::{RedisStore, unexpected};

/// Number of sessions of a subject that are processed concurrently.
const CONCURRENT_STEPS: usize = 128;
/// How often `end_all` reads the index again to find sessions inserted in between. The port allows it
/// to miss sessions of a client that logs in even faster.
const MAX_PASSES: usize = 8;
/// Maximum number of stale entries that are removed by one request.
const MAX_DROPPED: usize = 500;

/// An entry of the index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    id: SessionId,
    created: i64,
}

impl Entry {
    const fn new(session: &Session) -> Self {
        Self { id: session.id, created: session.created_at.millis() }
    }

    fn text(&self) -> String {
        format!("{} {}", self.id, self.created)
    }

    /// `None` if this program did not write it.
    fn parse(text: &[u8]) -> Option<Self> {
        let (id, created) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        Some(Self { id: id.parse().ok()?, created: created.parse().ok()? })
    }
}

impl RedisStore {
    /// Writes the entry of `session`.
    pub(crate) async fn add_to_index(
        &self,
        session: &Session,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let entry = Entry::new(session).text();
        let ends = session.ends_at.millis().to_string();
        let key = self.keys.subject(&session.subject);
        let arguments: [&[u8]; 2] = [entry.as_bytes(), ends.as_bytes()];
        self.run(&scripts::INDEX_ADD, &key, &arguments, deadline).await.map(drop)
    }

    /// Writes the entry of `session` again, in the background.
    pub(crate) fn add_to_index_later(&self, session: Session) {
        let store = self.clone();
        self.connection.runtime().spawn(async move {
            // If it fails, a later use of the session repeats it.
            let _ = store.add_to_index(&session, store.deadline()).await;
        });
    }

    pub(crate) async fn list_sessions(
        &self,
        subject: &Subject,
        deadline: Instant,
    ) -> Result<Vec<Session>, StoreError> {
        let (mut sessions, mut stale) = (Vec::new(), Vec::new());
        let entries = self.entries(subject, deadline).await?;
        let mut reads = stream::iter(entries)
            .map(|entry| async move { (self.session(&entry.id, deadline).await, entry) })
            .buffer_unordered(CONCURRENT_STEPS);
        while let Some((found, entry)) = reads.next().await {
            match found? {
                Some(session) if session.subject == *subject => sessions.push(session),
                Some(_) => {}
                None => stale.push(entry),
            }
        }
        self.drop_entries_later(subject, stale);
        Ok(sessions)
    }

    /// Ends the sessions one by one. If one fails, the others are ended all the same.
    pub(crate) async fn end_sessions(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        deadline: Instant,
    ) -> Result<Vec<Session>, StoreError> {
        let mut seen: HashSet<SessionId> = except.copied().into_iter().collect();
        let (mut ended_sessions, mut stale, mut failed) = (Vec::new(), Vec::new(), None);
        for _ in 0..MAX_PASSES {
            let mut entries = match self.entries(subject, deadline).await {
                Ok(entries) => entries,
                Err(error) => {
                    failed = Some(more_severe(failed, error));
                    break;
                }
            };
            entries.retain(|entry| seen.insert(entry.id));
            if entries.is_empty() {
                break;
            }
            let mut ends = stream::iter(entries)
                .map(|entry| async move {
                    (self.end_one(&entry.id, Some(subject), ended, deadline).await, entry)
                })
                .buffer_unordered(CONCURRENT_STEPS);
            while let Some((outcome, entry)) = ends.next().await {
                match outcome {
                    Ok(Outcome::Applied(session)) => ended_sessions.push(session),
                    Ok(Outcome::Refused(_)) => {}
                    Ok(Outcome::NotFound) => stale.push(entry),
                    Err(error) => failed = Some(more_severe(failed, error)),
                }
            }
        }
        self.drop_entries_later(subject, stale);
        match failed {
            None => Ok(ended_sessions),
            Some(error) if ended_sessions.is_empty() => Err(error),
            Some(error) => Err(partly_applied(error)),
        }
    }

    pub(crate) async fn set_claims_of_sessions(
        &self,
        subject: &Subject,
        claims: &ExtraClaims,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let claims = claims_text(claims).unwrap_or_default();
        let arguments: &[&[u8]] = &[subject.as_str().as_bytes(), claims.as_bytes()];
        let mut changes = stream::iter(self.entries(subject, deadline).await?)
            .map(|entry| async move {
                let key = self.keys.session(&entry.id);
                self.run(&scripts::SET_CLAIMS, &key, arguments, deadline).await
            })
            .buffer_unordered(CONCURRENT_STEPS);
        let mut failed = None;
        while let Some(change) = changes.next().await {
            failed = change.err().or(failed);
        }
        failed.map_or(Ok(()), |error| Err(partly_applied(error)))
    }

    /// The entries of the subject, at most one per session.
    async fn entries(
        &self,
        subject: &Subject,
        deadline: Instant,
    ) -> Result<Vec<Entry>, StoreError> {
        let key = self.keys.subject(subject);
        let mut request = redis::cmd("ZRANGE");
        request.arg(&key).arg(0).arg(-1);
        // A failed read has changed nothing.
        let found = self.send(&request, &key, deadline).await.map_err(before_step)?;
        let Value::Array(found) = found else { return Err(unexpected()) };
        let mut seen = HashSet::new();
        let entries = found.into_iter().filter_map(|value| Entry::parse(&bytes(value).ok()?));
        Ok(entries.filter(|entry| seen.insert(entry.id)).collect())
    }

    /// Removes the entries of sessions that were not found, in the background.
    fn drop_entries_later(&self, subject: &Subject, stale: Vec<Entry>) {
        if stale.is_empty() {
            return;
        }
        let (store, key) = (self.clone(), self.keys.subject(subject));
        self.connection.runtime().spawn(async move {
            let texts = stale.iter().flat_map(|entry| [entry.text(), entry.created.to_string()]);
            let texts: Vec<String> = texts.take(2 * MAX_DROPPED).collect();
            let arguments: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            // If it fails, the next list tries again.
            let _ = store.run(&scripts::INDEX_DROP, &key, &arguments, store.deadline()).await;
        });
    }
}

/// Of two errors, one with an unknown outcome.
fn more_severe(one: Option<StoreError>, other: StoreError) -> StoreError {
    one.filter(StoreError::is_unknown).unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip() {
        let entry = Entry { id: SessionId::from_bytes([7; 16]), created: -62_167_219_200_000 };
        assert_eq!(Entry::parse(entry.text().as_bytes()), Some(entry));
        for bad in ["", "x", "BwcHBwcHBwcHBwcHBwcHBw", "BwcHBwcHBwcHBwcHBwcHBw x"] {
            assert_eq!(Entry::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
