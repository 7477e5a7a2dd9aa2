//! The index of a subject's sessions, and the operations on all of them.
//!
//! The index is a separate key, and in a Cluster often on another node, so index and session are never
//! written in one step. The index may contain too much: entries of sessions that were never
//! inserted, have ended or expired, or belong to another subject are ignored. It must not contain too little, therefore:
//! - an entry is written before its session;
//! - an entry is removed only when its session has ended or cannot exist any more: after the end of
//!   its absolute lifetime, or when it is not found and was created too long ago to be an insert in
//!   progress;
//! - an entry is written again by every sixteenth use of its session, because after a failover the new
//!   master may lack acknowledged writes. This does not slow down a refresh: it is sent after the
//!   response, in the background. So `end_all` can miss a session with a lost entry for at most sixteen
//!   uses, or until an advance skips generations that were lost as well.
//!
//! An entry consists of the session's id and its time of creation, so writing it again changes
//! nothing.

use std::collections::{BTreeSet, HashSet};

use aquaware_core::id::{ClientId, SessionId, Subject};
use aquaware_core::session::{Ended, Session};
use aquaware_core::store::{Outcome, StoreError};
use aquaware_core::time::Timestamp;
use futures_util::stream::{self, StreamExt as _};
use redis::Value;
use tokio::time::Instant;

use crate::error::{before_step, partly_applied};
use crate::record::bytes;
use crate::scripts;
use crate::store::{RedisStore, unexpected};

/// Number of sessions that are processed concurrently.
pub(crate) const CONCURRENT_STEPS: usize = 128;
/// Maximum number of entries that are read and removed together.
const END_BATCH: usize = 500;
/// How often `end_all` reads the index again to find sessions inserted in between. The port allows it
/// to miss sessions of a client that logs in even faster.
const MAX_PASSES: usize = 8;
/// Number of entries that are requested together by a scan of the index.
const SCAN_WINDOW: usize = 1000;
/// Maximum number of entries that are remembered while the index is scanned for a page.
const MAX_CANDIDATES: usize = 8192;
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

    /// Its place in a list.
    const fn position(&self) -> (i64, SessionId) {
        (self.created, self.id)
    }

    fn text(&self) -> String {
        format!("{} {}", self.id, self.created)
    }

    /// The time of creation in an entry.
    fn created_in(text: &[u8]) -> Option<i64> {
        let space = text.iter().rposition(|byte| *byte == b' ')?;
        std::str::from_utf8(text.get(space + 1..)?).ok()?.parse().ok()
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

    /// Removes the entry of a session that has ended, in the background.
    pub(crate) fn drop_from_index_later(&self, session: &Session) {
        self.drop_later(&session.subject, vec![Entry::new(session)]);
    }

    fn drop_later(&self, subject: &Subject, entries: Vec<Entry>) {
        let (store, subject) = (self.clone(), subject.clone());
        self.connection.runtime().spawn(async move {
            // If it fails, the entries stay until their sessions are dropped.
            let _ = store.drop_from_index(&subject, &entries, store.deadline()).await;
        });
    }

    /// Removes the entries of sessions that have ended; returns how many. Unlike those of sessions that
    /// are not found, they can be removed at once.
    async fn drop_from_index(
        &self,
        subject: &Subject,
        entries: &[Entry],
        deadline: Instant,
    ) -> Result<usize, StoreError> {
        if entries.is_empty() {
            return Ok(0);
        }
        let key = self.keys.subject(subject);
        let mut request = redis::cmd("ZREM");
        request.arg(&key).arg(entries.iter().map(Entry::text).collect::<Vec<_>>());
        match self.send(&request, &key, deadline).await? {
            Value::Int(count) => Ok(usize::try_from(count).unwrap_or_default()),
            _ => Err(unexpected()),
        }
    }

    /// The order of the list is that of the entries, so hardly more sessions are read than the page
    /// contains. The index is sorted by another time, so all of it is scanned, in windows: memory
    /// depends on the page alone, and no single request occupies the server for long.
    pub(crate) async fn list_sessions(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
        deadline: Instant,
    ) -> Result<Vec<Session>, StoreError> {
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        let mut after = after.map(|(created_at, id)| (created_at.millis(), id));
        let mut candidates = at_most.clamp(1, MAX_CANDIDATES);
        let (mut sessions, mut stale) = (Vec::new(), Vec::new());
        while sessions.len() < at_most {
            let newest = self.newest_entries(subject, after, candidates, deadline).await?;
            let is_last = newest.len() < candidates;
            after = newest.last().map(Entry::position);
            let mut reads = stream::iter(newest)
                .map(|entry| async move { (self.session(&entry.id, deadline).await, entry) })
                .buffered(at_most.clamp(1, CONCURRENT_STEPS));
            while sessions.len() < at_most
                && let Some((found, entry)) = reads.next().await
            {
                match found? {
                    // An insert of a known id leaves an entry with another time of creation.
                    Some(session)
                        if session.subject == *subject
                            && session.ended.is_none()
                            && Entry::new(&session) == entry =>
                    {
                        sessions.push(session);
                    }
                    Some(_) => {}
                    None => stale.push(entry),
                }
            }
            if is_last {
                break;
            }
            // Many entries of sessions that have ended must not mean many scans.
            candidates = (candidates * 2).min(MAX_CANDIDATES);
        }
        self.drop_entries_later(subject, stale);
        Ok(sessions)
    }

    /// The newest entries after a position of the list, newest first, at most `count`.
    async fn newest_entries(
        &self,
        subject: &Subject,
        after: Option<(i64, SessionId)>,
        count: usize,
        deadline: Instant,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut newest = BTreeSet::new();
        let mut scan = Scan::default();
        while let Some(texts) = self.scan(&mut scan, subject, deadline).await? {
            for text in texts {
                // Of a large index, almost every entry is too old, which its end shows.
                let oldest = newest.first().filter(|_| newest.len() >= count);
                if oldest.is_some_and(|(oldest, _)| Entry::created_in(&text) < Some(*oldest)) {
                    continue;
                }
                let position = Entry::parse(&text).map(|entry| entry.position());
                let wanted = |it: &(i64, SessionId)| after.is_none_or(|after| *it < after);
                newest.extend(position.filter(wanted));
                if newest.len() > count {
                    newest.pop_first();
                }
            }
        }
        Ok(newest.into_iter().rev().map(|(created, id)| Entry { id, created }).collect())
    }

    /// Ends up to `at_most` sessions, one by one, and removes their entries, so that the next call
    /// continues with the others. If one fails, the others are ended all the same.
    pub(crate) async fn end_sessions(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
        deadline: Instant,
    ) -> Result<Vec<Session>, StoreError> {
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        let mut all = Vec::new();
        for _ in 0..MAX_PASSES {
            let (mut start, before) = (0, all.len());
            while all.len() < at_most {
                let rows = (at_most - all.len()).min(END_BATCH);
                let last = start + rows - 1;
                let entries = match self.entries(subject, start, signed(last), deadline).await {
                    Err(error) if all.is_empty() => return Err(error),
                    entries => entries.map_err(partly_applied)?,
                };
                if entries.is_empty() {
                    break;
                }
                start += entries.len();
                let chosen = entries.into_iter().filter(|entry| Some(&entry.id) != except);
                let batch = self.end_entries(subject, chosen, ended, deadline).await;
                start -= batch.dropped.min(start);
                all.extend(batch.sessions);
                match batch.failed {
                    None => {}
                    Some(error) if all.is_empty() => return Err(error),
                    Some(error) => return Err(partly_applied(error)),
                }
            }
            if all.len() == before || all.len() >= at_most {
                break;
            }
        }
        Ok(all)
    }

    pub(crate) async fn end_least_used_sessions(
        &self,
        (subject, client): (&Subject, &ClientId),
        except: &SessionId,
        (keep, at_most): (u32, u32),
        ended: Ended,
        deadline: Instant,
    ) -> Result<Vec<Session>, StoreError> {
        let [keep, at_most] =
            [keep, at_most].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let key = self.keys.subject(subject);
        let mut request = redis::cmd("ZCARD");
        request.arg(&key);
        match self.send(&request, &key, deadline).await.map_err(before_step)? {
            // The index contains all clients and may contain too much, never too little.
            Value::Int(count) if usize::try_from(count).is_ok_and(|count| count > keep) => {}
            Value::Int(_) => return Ok(Vec::new()),
            _ => return Err(unexpected()),
        }
        let excess = self.least_used(subject, client, except, (keep, at_most), deadline).await?;
        let batch = self.end_entries(subject, excess.into_iter(), ended, deadline).await;
        match batch.failed {
            None => Ok(batch.sessions),
            Some(error) if batch.sessions.is_empty() => Err(error),
            Some(error) => Err(partly_applied(error)),
        }
    }

    /// Up to `at_most` sessions of a client that are not among the `keep - 1` used last, not counting
    /// `except`.
    ///
    /// Reads no more sessions than it needs to: a session is one of them as soon as enough others are
    /// known to have been used later. After half of the time it returns what it has found, so that
    /// every call makes progress.
    async fn least_used(
        &self,
        subject: &Subject,
        client: &ClientId,
        except: &SessionId,
        (keep, at_most): (usize, usize),
        deadline: Instant,
    ) -> Result<Vec<Entry>, StoreError> {
        let now = Instant::now();
        let until = now + deadline.saturating_duration_since(now) / 2;
        let (mut kept, mut excess) = (BTreeSet::new(), Vec::new());
        let mut scan = Scan::default();
        while let Some(texts) = self.scan(&mut scan, subject, deadline).await? {
            let entries: Vec<_> = texts.iter().filter_map(|text| Entry::parse(text)).collect();
            let mut reads = stream::iter(entries)
                .map(|entry| async move { self.session(&entry.id, deadline).await })
                .buffer_unordered(CONCURRENT_STEPS);
            while let Some(found) = reads.next().await {
                let Some(session) = found? else { continue };
                let counts = session.subject == *subject && session.client == *client;
                if !counts || session.ended.is_some() || session.id == *except {
                    continue;
                }
                kept.insert((session.last_used_at, session.id, session.created_at.millis()));
                if kept.len() >= keep.max(1)
                    && let Some((_, id, created)) = kept.pop_first()
                {
                    excess.push(Entry { id, created });
                }
                if excess.len() >= at_most {
                    return Ok(excess);
                }
            }
            if Instant::now() > until {
                break;
            }
        }
        Ok(excess)
    }

    async fn end_entries(
        &self,
        subject: &Subject,
        entries: impl Iterator<Item = Entry>,
        ended: Ended,
        deadline: Instant,
    ) -> EndedBatch {
        let (mut sessions, mut over, mut stale) = (Vec::new(), Vec::new(), Vec::new());
        let mut failed = None;
        let entries: Vec<Entry> = entries.collect();
        let mut ends = stream::iter(entries)
            .map(|entry| async move {
                (self.end_one(&entry.id, Some(subject), ended, deadline).await, entry)
            })
            .buffer_unordered(CONCURRENT_STEPS);
        while let Some((outcome, entry)) = ends.next().await {
            match outcome {
                Ok(Outcome::Applied(session)) => {
                    sessions.push(session);
                    over.push(entry);
                }
                Ok(Outcome::Refused(session)) if session.ended.is_some() => over.push(entry),
                Ok(Outcome::Refused(_)) => {}
                Ok(Outcome::NotFound) => stale.push(entry),
                Err(error) => failed = Some(more_severe(failed, error)),
            }
        }
        self.drop_entries_later(subject, stale);
        let dropped = match self.drop_from_index(subject, &over, deadline).await {
            Ok(dropped) => dropped,
            Err(_) => {
                // The ends took all the time. Otherwise the next call would begin with these again.
                self.drop_later(subject, over);
                0
            }
        };
        EndedBatch { sessions, dropped, failed }
    }

    /// The next window of the texts of all the subject's entries; `None` after the last. Finds each entry that is
    /// in the index during the whole scan, and some of them twice.
    async fn scan(
        &self,
        scan: &mut Scan,
        subject: &Subject,
        deadline: Instant,
    ) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        let Some(cursor) = &scan.cursor else { return Ok(None) };
        let key = self.keys.subject(subject);
        let mut request = redis::cmd("ZSCAN");
        request.arg(&key).arg(cursor).arg("COUNT").arg(SCAN_WINDOW);
        // A failed read has changed nothing.
        let found = self.send(&request, &key, deadline).await.map_err(before_step)?;
        let Value::Array(found) = found else { return Err(unexpected()) };
        let Ok([next, Value::Array(pairs)]) = <[Value; 2]>::try_from(found) else {
            return Err(unexpected());
        };
        let next = bytes(next).map_err(|_| unexpected())?;
        scan.cursor = (next != b"0").then_some(next);
        let texts = pairs.into_iter().step_by(2);
        Ok(Some(texts.filter_map(|value| bytes(value).ok()).collect()))
    }

    /// The entries of the subject from position `start` to `last`, at most one per session.
    async fn entries(
        &self,
        subject: &Subject,
        start: usize,
        last: i64,
        deadline: Instant,
    ) -> Result<Vec<Entry>, StoreError> {
        let key = self.keys.subject(subject);
        let mut request = redis::cmd("ZRANGE");
        request.arg(&key).arg(start).arg(last);
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

/// The position in a scan of an index.
#[derive(Debug)]
struct Scan {
    /// `None` at the end.
    cursor: Option<Vec<u8>>,
}

impl Default for Scan {
    fn default() -> Self {
        Self { cursor: Some(b"0".to_vec()) }
    }
}

/// The sessions that were ended, and what became of their entries.
struct EndedBatch {
    sessions: Vec<Session>,
    /// The number of entries that were removed.
    dropped: usize,
    /// The failure of an end or of its publication.
    failed: Option<StoreError>,
}

fn signed(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
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
        assert_eq!(Entry::created_in(entry.text().as_bytes()), Some(entry.created));
        assert_eq!(Entry::parse(entry.text().as_bytes()), Some(entry));
        for bad in ["", "x", "BwcHBwcHBwcHBwcHBwcHBw", "BwcHBwcHBwcHBwcHBwcHBw x"] {
            assert_eq!(Entry::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
