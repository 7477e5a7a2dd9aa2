//! Status indices: each belongs to one session, and those of ended sessions are published as
//! revocations and released later.
//!
//! In a Cluster the claim of an index, its session and the set of revocations are on different nodes,
//! so no script can change two of them. The order of the writes makes every interruption harmless:
//! - An index is claimed before its session is inserted, so no two sessions have the same index. A
//!   claim without a session is taken over, after an hour, by the next insert that draws the index.
//! - A session is ended before its revocation is published. The end is acknowledged only after both,
//!   and every step that meets an ended session publishes its revocation again, which is idempotent.
//! - A release first removes the index from the session, then the claim, then the revocation. The
//!   revocation is what a release starts from, so an interrupted release is found and repeated.
//!
//! The reverse orders would not be harmless: a claim removed first could be taken by a new session
//! while the old one still has the index, and a revocation removed first would leave the index
//! occupied for good.
//!
//! None of this protects against a failover that loses acknowledged writes. A lost claim lets a second
//! session take the index, and then the end of either revokes both. A lost revocation is published
//! again when the session is ended again or one of its tokens is used.

use std::time::Duration;

use aquaware_core::id::SessionId;
use aquaware_core::session::{Ended, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Outcome, Revoked, StoreError};
use aquaware_core::time::Timestamp;
use futures_util::stream::{self, StreamExt as _};
use redis::Value;
use tokio::time::Instant;

use crate::error::{before_step, partly_applied};
use crate::record::bytes;
use crate::scripts;
use crate::store::{RedisStore, unexpected};

/// Number of indices that are released concurrently.
const CONCURRENT_RELEASES: u32 = 128;
/// How often publishing a revocation is tried again in the background. The first delay is a second,
/// and each one is twice as long as the previous.
const MAX_RETRIES: u32 = 8;

/// A revocation: a member of the sorted set.
///
/// It contains the instant although that is also the score, because scores are doubles and the
/// release compares the instant exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Revocation {
    index: StatusIndex,
    id: SessionId,
    at: Timestamp,
}

impl Revocation {
    fn new(session: &Session) -> Option<Self> {
        let (index, Ended { at, .. }) = session.status.zip(session.ended)?;
        Some(Self { index, id: session.id, at })
    }

    fn text(&self) -> String {
        format!("{} {} {}", self.index.number(), self.id, self.at.millis())
    }

    /// `None` if this program did not write it.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.split(' ');
        let index = StatusIndex::from_number(parts.next()?.parse().ok()?);
        let (id, at) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let revocation = Self { index, id, at: Timestamp::from_millis(at) };
        // Members are removed by their text, so only the canonical spelling is valid.
        (revocation.text().as_bytes() == text).then_some(revocation)
    }
}

impl RedisStore {
    /// Claims `index` for `session`, which is about to be inserted. `false` if another session has it.
    pub(crate) async fn claim(
        &self,
        index: StatusIndex,
        session: &Session,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let Some(held) = self.try_claim(index, session, &[], deadline).await? else {
            return Ok(true);
        };
        let holder = std::str::from_utf8(&held).ok().and_then(|it| it.split(' ').next());
        let Some(holder) = holder.and_then(|id| id.parse::<SessionId>().ok()) else {
            return Ok(false);
        };
        // An old claim of another session. It is abandoned if that session was never inserted, does
        // not exist any more, or has released the index. The script replaces the claim only if it is
        // still the same, so a race with another server cannot hand out the index twice.
        let key = self.keys.session(&holder);
        let mut request = redis::cmd("HGET");
        request.arg(&key).arg("status");
        match self.send(&request, &key, deadline).await? {
            Value::BulkString(status) if status == index.number().to_string().as_bytes() => {
                Ok(false)
            }
            _ => Ok(self.try_claim(index, session, &held, deadline).await?.is_none()),
        }
    }

    /// Claims `index`, replacing the claim `abandoned` if it still exists. `None` if it succeeded;
    /// otherwise the existing claim, or no bytes if it is too young to be abandoned.
    async fn try_claim(
        &self,
        index: StatusIndex,
        session: &Session,
        abandoned: &[u8],
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (id, ends) = (session.id.to_string(), session.ends_at.millis().to_string());
        let arguments: [&[u8]; 3] = [id.as_bytes(), ends.as_bytes(), abandoned];
        match self.run(&scripts::CLAIM, &self.keys.claim(index), &arguments, deadline).await? {
            Value::Nil => Ok(None),
            Value::BulkString(held) => Ok(Some(held)),
            _ => Err(unexpected()),
        }
    }

    /// Removes the claim of `index`, if it belongs to the session `id`.
    pub(crate) async fn drop_claim(
        &self,
        index: StatusIndex,
        id: &SessionId,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let (key, id) = (self.keys.claim(index), id.to_string());
        self.run(&scripts::CLAIM_DROP, &key, &[id.as_bytes()], deadline).await.map(drop)
    }

    /// Publishes the revocation of `session`, if it has ended and has an index.
    ///
    /// The session was ended before. If publishing fails, the step is therefore partly applied: its
    /// outcome is unknown to the caller, who will try to end the session again.
    pub(crate) async fn publish_revocation(
        &self,
        session: &Session,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let Some(revocation) = Revocation::new(session) else { return Ok(()) };
        let published = self.add(&revocation, deadline).await;
        published.map_err(|error| {
            self.publish_later(revocation);
            match error {
                StoreError::Rejected(cause) => StoreError::UnknownOutcome(cause),
                error => partly_applied(error),
            }
        })
    }

    /// Publishes the revocation of a session that refused a step because it has ended: the step that
    /// ended it may have failed before publishing. The outcome is known, so an error is ignored.
    pub(crate) async fn publish_if_ended(&self, outcome: &Outcome, deadline: Instant) {
        if let Outcome::Refused(session) = outcome
            && let Some(revocation) = Revocation::new(session)
        {
            let _ = self.add(&revocation, deadline).await;
        }
    }

    /// Tries again in the background, for callers that do not.
    fn publish_later(&self, revocation: Revocation) {
        let store = self.clone();
        self.connection.runtime().spawn(async move {
            for retry in 0..MAX_RETRIES {
                tokio::time::sleep(Duration::from_secs(1 << retry)).await;
                if store.add(&revocation, store.deadline()).await.is_ok() {
                    return;
                }
            }
        });
    }

    async fn add(&self, revocation: &Revocation, deadline: Instant) -> Result<(), StoreError> {
        let key = self.keys.revoked();
        let mut add = redis::cmd("ZADD");
        add.arg(&key).arg(revocation.at.millis()).arg(revocation.text());
        self.send(&add, &key, deadline).await.map(drop)
    }

    pub(crate) async fn revocations(
        &self,
        since: Timestamp,
        deadline: Instant,
    ) -> Result<Vec<Revoked>, StoreError> {
        let key = self.keys.revoked();
        let mut request = redis::cmd("ZRANGEBYSCORE");
        // Scores are doubles. Rounding preserves the order, so beyond 2^53 the range contains too
        // much but never too little, and the exact comparison follows below.
        request.arg(&key).arg(since.millis()).arg("+inf");
        let mut found = Vec::new();
        for revocation in self.members(&request, &key, deadline).await? {
            let Revocation { index, at, .. } = revocation.ok_or_else(|| invalid_member(&key))?;
            found.push(Revoked { index, at });
        }
        found.retain(|revoked| revoked.at >= since);
        Ok(found)
    }

    /// Releases up to `at_most` indices, the oldest first, and stops at the deadline: the rest is
    /// released by a later call.
    pub(crate) async fn release_indices(
        &self,
        ended_before: Timestamp,
        at_most: u32,
        deadline: Instant,
    ) -> Result<u64, StoreError> {
        let key = self.keys.revoked();
        // Invalid members stay in the set. They are counted and skipped, so that they do not block the
        // valid ones behind them, and reported at the end.
        let (mut released, mut invalid, mut corrupt) = (0, 0_usize, None);
        while released < at_most && Instant::now() < deadline {
            let page = CONCURRENT_RELEASES.min(at_most - released);
            let mut request = redis::cmd("ZRANGEBYSCORE");
            request.arg(&key).arg("-inf").arg(format!("({}", ended_before.millis()));
            request.arg("LIMIT").arg(invalid).arg(page);
            let found = self.members(&request, &key, deadline).await;
            let found =
                found.map_err(|error| if released > 0 { partly_applied(error) } else { error })?;
            if found.is_empty() {
                break;
            }
            let mut remove = redis::cmd("ZREM");
            remove.arg(&key);
            let (mut any, mut failed) = (false, None);
            let mut steps = stream::iter(found)
                .map(|revocation| async {
                    let revocation = revocation.ok_or_else(|| invalid_member(&key))?;
                    Ok((self.release_one(&revocation, deadline).await?, revocation.text()))
                })
                .buffer_unordered(page as usize);
            while let Some(step) = steps.next().await {
                match step {
                    Ok((was_released, text)) => {
                        released += u32::from(was_released);
                        remove.arg(text);
                        any = true;
                    }
                    Err(error @ StoreError::Corrupt { .. }) => {
                        invalid += 1;
                        corrupt = Some(error);
                    }
                    Err(error) => failed = Some(error),
                }
            }
            drop(steps);
            if any {
                self.send(&remove, &key, deadline).await.map_err(partly_applied)?;
            }
            if let Some(error) = failed {
                return Err(partly_applied(error));
            }
        }
        corrupt.map_or(Ok(released.into()), Err)
    }

    /// Releases one index; `true` if the session had it. It may have been released by an interrupted
    /// call before, the record may have expired, or the end may have been lost in a failover: then the
    /// session is live or has ended at another instant, and this revocation is obsolete.
    async fn release_one(
        &self,
        revocation: &Revocation,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let Revocation { index, id, at } = revocation;
        let (number, ended) = (index.number().to_string(), at.millis().to_string());
        let arguments: [&[u8]; 2] = [number.as_bytes(), ended.as_bytes()];
        let key = self.keys.session(id);
        let result = match self.run(&scripts::RELEASE, &key, &arguments, deadline).await? {
            Value::BulkString(result) => result,
            _ => return Err(unexpected()),
        };
        if result != b"held" {
            self.drop_claim(*index, id, deadline).await?;
        }
        Ok(result == b"released")
    }

    /// The members that a request finds in the set; `None` for a member this program did not write.
    async fn members(
        &self,
        request: &redis::Cmd,
        key: &str,
        deadline: Instant,
    ) -> Result<Vec<Option<Revocation>>, StoreError> {
        // A failed read has changed nothing.
        let found = self.send(request, key, deadline).await.map_err(before_step)?;
        let Value::Array(found) = found else { return Err(unexpected()) };
        let read = |value| Revocation::parse(&bytes(value).ok()?);
        Ok(found.into_iter().map(read).collect())
    }
}

fn invalid_member(key: &str) -> StoreError {
    StoreError::corrupt(key.escape_debug().to_string(), "a member is not a revocation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revocations_round_trip_to_the_millisecond() {
        for (number, at) in [(0, i64::MIN), (7, -62_167_219_200_001), (u32::MAX, i64::MAX)] {
            let revocation = Revocation {
                index: StatusIndex::from_number(number),
                id: SessionId::from_bytes([7; 16]),
                at: Timestamp::from_millis(at),
            };
            assert_eq!(Revocation::parse(revocation.text().as_bytes()), Some(revocation));
        }
        let id = SessionId::from_bytes([7; 16]);
        for bad in [
            String::new(),
            "1".to_owned(),
            format!("1 {id}"),
            format!("1 {id} "),
            format!("1 {id} x"),
            format!("01 {id} 2"),
            format!("1 {id} 02"),
            format!("1 {id} 2 "),
            format!("4294967296 {id} 2"),
            "1 x 2".to_owned(),
        ] {
            assert_eq!(Revocation::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
