//! The sessions of a subject: an index beside the sessions, and what is done with all of them.
//!
//! The index is a key of its own, in a Cluster on a node of its own, so it and a session are never
//! written in one step. It may hold too much: entries whose session never came to be, is gone, or
//! is somebody else's are passed over. It must not hold too little, so:
//! - an entry is written before its session;
//! - it is dropped only when no session can be behind it any more: after the absolute end of the
//!   session's life, or when the session is gone and was made too long ago to be under way;
//! - it is written again by every sixteenth use of its session, since a server that takes over from
//!   a dead one may lack acknowledged writes. That costs a refresh nothing: it is sent after the
//!   answer, and nobody waits for it. So a session that lost its entry is out of reach for `end_all`
//!   for sixteen uses at most, or until an advance goes past writes that were lost with it.
//!
//! An entry is the session's id and when it was made, so it is the same however often it is
//! written.

use std::collections::HashSet;

use aquaware_core::id::{SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Outcome, StoreError};
use futures_util::stream::{self, StreamExt as _};
use redis::Value;
use tokio::time::Instant;

use crate::record::{bytes, claims_text};
use crate::scripts;
use crate::sessions::{before, partly};
use crate::store::{RedisStore, unexpected};

/// So many sessions of a subject are asked about at once.
const AT_ONCE: usize = 128;
/// So often the index is read again for sessions that came meanwhile. Who logs in faster than that
/// may be missed, as the port says.
const MOST_PASSES: usize = 8;
/// Of so many entries at most one request drops those that are stale.
const MOST_DROPPED: usize = 500;

/// An entry of the index, as it is written there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    id: SessionId,
    made: i64,
}

impl Entry {
    const fn of(session: &Session) -> Self {
        Self { id: session.id, made: session.created_at.millis() }
    }

    fn text(&self) -> String {
        format!("{} {}", self.id, self.made)
    }

    /// `None` for what nobody here wrote.
    fn read(text: &[u8]) -> Option<Self> {
        let (id, made) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        Some(Self { id: id.parse().ok()?, made: made.parse().ok()? })
    }
}

impl RedisStore {
    /// Writes the entry of `session`.
    pub(crate) async fn index(
        &self,
        session: &Session,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let entry = Entry::of(session).text();
        let ends = session.ends_at.millis().to_string();
        let key = self.keys.subject(&session.subject);
        let arguments: [&[u8]; 2] = [entry.as_bytes(), ends.as_bytes()];
        self.step(&scripts::INDEX_ADD, &key, &arguments, deadline).await.map(drop)
    }

    /// Writes the entry of `session` again, without anybody waiting for it.
    pub(crate) fn index_later(&self, session: Session) {
        let store = self.clone();
        self.link.home().spawn(async move {
            // If it fails, a later use of the session writes it.
            let _ = store.index(&session, store.deadline()).await;
        });
    }

    pub(crate) async fn list_sessions(
        &self,
        subject: &Subject,
        deadline: Instant,
    ) -> Result<Vec<Session>, StoreError> {
        let (mut sessions, mut stale) = (Vec::new(), Vec::new());
        let entries = self.entries(subject, deadline).await?;
        let mut looks = stream::iter(entries)
            .map(|entry| async move { (self.session(&entry.id, deadline).await, entry) })
            .buffer_unordered(AT_ONCE);
        while let Some((found, entry)) = looks.next().await {
            match found? {
                Some(session) if session.subject == *subject => sessions.push(session),
                Some(_) => {}
                None => stale.push(entry),
            }
        }
        self.drop_later(subject, stale);
        Ok(sessions)
    }

    /// Ends each session by itself. What fails on the way leaves the others ended.
    pub(crate) async fn end_sessions(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        deadline: Instant,
    ) -> Result<Vec<Session>, StoreError> {
        let mut seen: HashSet<SessionId> = except.copied().into_iter().collect();
        let (mut given, mut stale, mut failed) = (Vec::new(), Vec::new(), None);
        for _ in 0..MOST_PASSES {
            let mut entries = match self.entries(subject, deadline).await {
                Ok(entries) => entries,
                Err(error) => {
                    failed = Some(graver(failed, error));
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
                .buffer_unordered(AT_ONCE);
            while let Some((outcome, entry)) = ends.next().await {
                match outcome {
                    Ok(Outcome::Applied(session)) => given.push(session),
                    Ok(Outcome::Refused(_)) => {}
                    Ok(Outcome::NotFound) => stale.push(entry),
                    Err(error) => failed = Some(graver(failed, error)),
                }
            }
        }
        self.drop_later(subject, stale);
        match failed {
            None => Ok(given),
            Some(error) if given.is_empty() => Err(error),
            Some(error) => Err(partly(error)),
        }
    }

    pub(crate) async fn set_claims_of_sessions(
        &self,
        subject: &Subject,
        claims: &ExtraClaims,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let claims = claims_text(claims)?.unwrap_or_default();
        let arguments: &[&[u8]] = &[subject.as_str().as_bytes(), &claims];
        let mut changes = stream::iter(self.entries(subject, deadline).await?)
            .map(|entry| async move {
                let key = self.keys.session(&entry.id);
                self.step(&scripts::SET_CLAIMS, &key, arguments, deadline).await
            })
            .buffer_unordered(AT_ONCE);
        let mut failed = None;
        while let Some(change) = changes.next().await {
            failed = change.err().or(failed);
        }
        failed.map_or(Ok(()), |error| Err(partly(error)))
    }

    /// Each session once that may be the subject's.
    async fn entries(
        &self,
        subject: &Subject,
        deadline: Instant,
    ) -> Result<Vec<Entry>, StoreError> {
        let key = self.keys.subject(subject);
        let mut question = redis::cmd("ZRANGE");
        question.arg(&key).arg(0).arg(-1);
        // A reading that broke off did nothing.
        let found = self.ask(&question, &key, deadline).await.map_err(before)?;
        let Value::Array(found) = found else { return Err(unexpected()) };
        let mut seen = HashSet::new();
        let entries = found.into_iter().filter_map(|value| Entry::read(&bytes(value).ok()?));
        Ok(entries.filter(|entry| seen.insert(entry.id)).collect())
    }

    /// Drops entries whose session is gone, without anybody waiting for it.
    fn drop_later(&self, subject: &Subject, stale: Vec<Entry>) {
        if stale.is_empty() {
            return;
        }
        let (store, key) = (self.clone(), self.keys.subject(subject));
        self.link.home().spawn(async move {
            let texts = stale.iter().flat_map(|entry| [entry.text(), entry.made.to_string()]);
            let texts: Vec<String> = texts.take(2 * MOST_DROPPED).collect();
            let arguments: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            // If it fails, whoever lists next tries again.
            let _ = store.step(&scripts::INDEX_DROP, &key, &arguments, store.deadline()).await;
        });
    }
}

/// What to say of two failures: that nothing is known of a step, if that is so of one.
fn graver(one: Option<StoreError>, other: StoreError) -> StoreError {
    one.filter(StoreError::is_unknown).unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_from_its_text() {
        let entry = Entry { id: SessionId::from_bytes([7; 16]), made: -62_167_219_200_000 };
        assert_eq!(Entry::read(entry.text().as_bytes()), Some(entry));
        for bad in ["", "x", "BwcHBwcHBwcHBwcHBwcHBw", "BwcHBwcHBwcHBwcHBwcHBw x"] {
            assert_eq!(Entry::read(bad.as_bytes()), None, "{bad}");
        }
    }
}
