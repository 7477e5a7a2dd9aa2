//! A store of sessions on a key-value engine that can do one thing: replace a value if nobody has
//! since it was read. Every engine with versions or compare-and-swap can be adapted like this.
//!
//! The last lines prove it: `cargo test -p aquaware-store-testkit --example key_value`.

mod engine;
mod row;

use std::sync::Arc;

use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use crate::engine::Engine;

/// Sessions in an [`Engine`], one value each.
#[derive(Debug)]
struct KeyValueStore {
    engine: Arc<Engine>,
    /// The sessions that have a status index, by it.
    indices: Arc<Engine>,
}

impl KeyValueStore {
    /// One atomic step: read, decide, and write only over what was read. If somebody else was
    /// quicker, everything is decided again on what they left.
    fn step(
        &self,
        id: &SessionId,
        holds: impl Fn(&Session) -> bool,
        change: impl Fn(&mut Session),
    ) -> Result<Outcome, StoreError> {
        let key = id.to_string();
        while let Some((version, value)) = self.engine.get(&key) {
            let mut session = row::decode(&key, &value)?;
            if session.ended.is_some() || !holds(&session) {
                return Ok(Outcome::Refused(session));
            }
            change(&mut session);
            if self.engine.replace(&key, version, row::encode(&session)?) {
                return Ok(Outcome::Applied(session));
            }
        }
        Ok(Outcome::NotFound)
    }

    /// Every record. A store that is to grow keeps an index by subject beside the records.
    fn all(&self) -> Result<Vec<(u64, Session)>, StoreError> {
        let decode = |(key, version, value): (String, u64, String)| {
            row::decode(&key, &value).map(|session| (version, session))
        };
        self.engine.scan().into_iter().map(decode).collect()
    }

    /// Lets others have the index of a session that had it and has it no more.
    fn give_up(&self, session: &Session) {
        let Some(index) = session.status else { return };
        let key = index.number().to_string();
        if let Some((version, holder)) = self.indices.get(&key)
            && holder == session.id.to_string()
        {
            self.indices.remove(&key, version);
        }
    }

    fn of(&self, subject: &Subject) -> Result<Vec<Session>, StoreError> {
        let all = self.all()?.into_iter().map(|(_, session)| session);
        Ok(all.filter(|session| session.subject == *subject).collect())
    }
}

#[async_trait]
impl SessionStore for KeyValueStore {
    /// The index is claimed first: if this broke off in between, it would be had by nobody, and
    /// never by two.
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        let (id, text) = (session.id.to_string(), row::encode(session)?);
        if let Some(index) = session.status
            && !self.indices.add(&index.number().to_string(), id.clone())
        {
            return Ok(false);
        }
        let kept = self.engine.add(&id, text);
        if !kept {
            self.give_up(session);
        }
        Ok(kept)
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let key = id.to_string();
        self.engine.get(&key).map(|(_, value)| row::decode(&key, &value)).transpose()
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        let Advance { from, to, mark, issued_at, expires_at } = *step;
        self.step(
            id,
            |session| session.generation == from,
            |session| {
                session.generation = to;
                session.mark = Some(mark);
                session.issued_at = issued_at;
                session.expires_at = expires_at;
                session.last_used_at = session.last_used_at.max(issued_at);
            },
        )
    }

    async fn touch(
        &self,
        id: &SessionId,
        generation: Generation,
        at: Timestamp,
    ) -> Result<Outcome, StoreError> {
        self.step(
            id,
            |session| session.generation == generation,
            |session| session.last_used_at = session.last_used_at.max(at),
        )
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        self.step(id, |_| true, |session| session.ended = Some(ended))
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
    ) -> Result<Vec<Session>, StoreError> {
        let mut given = Vec::new();
        for session in self.of(subject)? {
            if Some(&session.id) == except {
                continue;
            }
            // Those that somebody else ended meanwhile are theirs to give.
            if let Outcome::Applied(session) = self.end(&session.id, ended).await? {
                given.push(session);
            }
        }
        Ok(given)
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Session>, StoreError> {
        self.of(subject)
    }

    async fn set_claims(&self, subject: &Subject, claims: &ExtraClaims) -> Result<(), StoreError> {
        for session in self.of(subject)? {
            let _ = self.step(&session.id, |_| true, |found| found.claims.clone_from(claims))?;
        }
        Ok(())
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let mut dropped = 0;
        for (version, session) in self.all()? {
            let shows = session.status.and(session.ended);
            let dead = session.expires_at.min(session.ends_at) < expired_before
                && shows.is_none_or(|ended| ended.at < expired_before);
            // Over an advance made meanwhile nothing is dropped: the version is another.
            let room = dropped < u64::from(at_most);
            if dead && room && self.engine.remove(&session.id.to_string(), version) {
                self.give_up(&session);
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        let revoked = |(_, session): (u64, Session)| {
            let at = session.ended?.at;
            (at >= since).then_some(Revoked { index: session.status?, at })
        };
        Ok(self.all()?.into_iter().filter_map(revoked).collect())
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let mut released = 0;
        for (version, session) in self.all()? {
            let over = session.ended.is_some_and(|ended| ended.at < ended_before);
            if session.status.is_none() || !over || released == u64::from(at_most) {
                continue;
            }
            let bare = row::encode(&Session { status: None, ..session.clone() })?;
            if self.engine.replace(&session.id.to_string(), version, bare) {
                self.give_up(&session);
                released += 1;
            }
        }
        Ok(released)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn main() {
    let store = KeyValueStore { engine: Arc::default(), indices: Arc::default() };
    assert!(store.all().is_ok_and(|sessions| sessions.is_empty()));
}

#[cfg(test)]
mod proof {
    use super::*;
    use aquaware_store_testkit::{Harness, session_conformance};

    struct KeyValue;

    #[async_trait]
    impl Harness for KeyValue {
        type Store = KeyValueStore;

        async fn fresh(&self) -> KeyValueStore {
            KeyValueStore { engine: Arc::default(), indices: Arc::default() }
        }

        async fn replica(&self, store: &KeyValueStore) -> Option<KeyValueStore> {
            let KeyValueStore { engine, indices } = store;
            Some(KeyValueStore { engine: Arc::clone(engine), indices: Arc::clone(indices) })
        }

        async fn reopen(&self, store: KeyValueStore) -> Option<KeyValueStore> {
            Some(store)
        }

        async fn corrupt_session(&self, store: &KeyValueStore, id: &SessionId) -> bool {
            let key = id.to_string();
            let (version, _) = store.engine.get(&key).unwrap();
            store.engine.replace(&key, version, "{\"id\":".to_owned())
        }

        async fn corrupt_account(&self, _: &KeyValueStore, _: &Subject) -> bool {
            false
        }
    }

    session_conformance!(KeyValue);

    #[test]
    fn the_page_on_adapters_shows_this_very_code() {
        let lines = |text: &'static str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        let page = lines(include_str!("../../../../docs/storage-adapters.md"));
        let shown = page.split("```").find(|block| block.contains("/// One atomic step")).unwrap();
        assert!(lines(include_str!("main.rs")).contains(shown.trim_start_matches("rs").trim()));
    }
}
