//! Status indices: one session has each, and those of ended sessions are told and given back.
//!
//! In a Cluster the claim on an index, its session and the set of revocations lie on nodes of their
//! own, so no step changes two of them. The order makes up for it:
//! - an index is claimed before its session is kept, so none is had twice. A claim without a session
//!   is taken over by the next who draws that index, after an hour;
//! - a session is ended before its revocation is told. Until that is done too, the end is not
//!   acknowledged, and whoever meets the ended session does it: telling twice is telling once;
//! - an index is taken from its session, then the claim is dropped, then the revocation forgotten,
//!   so a release that broke off is found and repeated.
//!
//! Nothing here keeps pace with a server that loses acknowledged writes. A lost claim lets a second
//! session have the index: then the end of either shows for both. A lost revocation is told again
//! when the session's end is asked for once more, or one of its tokens comes back.

use std::time::Duration;

use aquaware_core::id::SessionId;
use aquaware_core::session::{Ended, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Outcome, Revoked, StoreError};
use aquaware_core::time::Timestamp;
use futures_util::stream::{self, StreamExt as _};
use redis::Value;
use tokio::time::Instant;

use crate::record::{bytes, index_of};
use crate::scripts;
use crate::sessions::{before, partly};
use crate::store::{RedisStore, unexpected};

/// So many indices are released at once.
const AT_ONCE: u32 = 128;
/// How often a revocation is told again that the server didn't take, each time after twice as long,
/// a second at first.
const MOST_RETRIES: u32 = 8;

/// What is told of an ended session, as it is written in the set.
///
/// The instant stands in it although it is the score too: scores are doubles, this is exact.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Revocation {
    index: StatusIndex,
    id: SessionId,
    at: Timestamp,
}

impl Revocation {
    fn of(session: &Session) -> Option<Self> {
        let (index, Ended { at, .. }) = session.status.zip(session.ended)?;
        Some(Self { index, id: session.id, at })
    }

    fn text(&self) -> String {
        format!("{} {} {}", self.index.number(), self.id, self.at.millis())
    }

    /// `None` for what nobody here wrote.
    fn read(text: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.split(' ');
        let index = index_of(parts.next()?)?;
        let (id, at) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let revocation = Self { index, id, at: Timestamp::from_millis(at) };
        // It is taken out of the set by its text, so one has one spelling.
        (revocation.text().as_bytes() == text).then_some(revocation)
    }
}

impl RedisStore {
    /// Claims `index` for `session`, which is about to be kept. `false` if another has it.
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
        // An old claim. If its session never came to be, or is gone, or has given the index up,
        // nothing can be behind it any more.
        let key = self.keys.session(&holder);
        let mut question = redis::cmd("HGET");
        question.arg(&key).arg("status");
        match self.ask(&question, &key, deadline).await? {
            Value::BulkString(status) if status == index.number().to_string().as_bytes() => {
                Ok(false)
            }
            _ => Ok(self.try_claim(index, session, &held, deadline).await?.is_none()),
        }
    }

    /// Claims `index`, in the place of the claim `dead` if that is the one that stands. Nothing if
    /// that went well; else the claim that stands, or no bytes if it is too young to be dead.
    async fn try_claim(
        &self,
        index: StatusIndex,
        session: &Session,
        dead: &[u8],
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (id, ends) = (session.id.to_string(), session.ends_at.millis().to_string());
        let arguments: [&[u8]; 3] = [id.as_bytes(), ends.as_bytes(), dead];
        match self.step(&scripts::CLAIM, &self.keys.claim(index), &arguments, deadline).await? {
            Value::Nil => Ok(None),
            Value::BulkString(held) => Ok(Some(held)),
            _ => Err(unexpected()),
        }
    }

    /// Gives `index` up, if the session `id` has claimed it.
    pub(crate) async fn unclaim(
        &self,
        index: StatusIndex,
        id: &SessionId,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let (key, id) = (self.keys.claim(index), id.to_string());
        self.step(&scripts::CLAIM_DROP, &key, &[id.as_bytes()], deadline).await.map(drop)
    }

    /// Tells that `session` is revoked, if it has ended and has an index. It ended before, so where
    /// this fails, something was done.
    pub(crate) async fn tell(
        &self,
        session: &Session,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let Some(revocation) = Revocation::of(session) else { return Ok(()) };
        let told = self.add(&revocation, deadline).await;
        told.map_err(|error| {
            self.tell_later(revocation);
            match error {
                StoreError::Rejected(cause) => StoreError::UnknownOutcome(cause),
                error => partly(error),
            }
        })
    }

    /// The same of a session that was met as it stands: its end may lack only this. The answer is
    /// known, so this failing is no reason to give none.
    pub(crate) async fn tell_if_ended(&self, outcome: &Outcome, deadline: Instant) {
        if let Outcome::Refused(session) = outcome
            && let Some(revocation) = Revocation::of(session)
        {
            let _ = self.add(&revocation, deadline).await;
        }
    }

    /// For those who ended a session and don't ask again.
    fn tell_later(&self, revocation: Revocation) {
        let store = self.clone();
        self.link.home().spawn(async move {
            for retry in 0..MOST_RETRIES {
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
        self.ask(&add, &key, deadline).await.map(drop)
    }

    pub(crate) async fn revocations(
        &self,
        since: Timestamp,
        deadline: Instant,
    ) -> Result<Vec<Revoked>, StoreError> {
        let key = self.keys.revoked();
        let mut question = redis::cmd("ZRANGEBYSCORE");
        // Rounding keeps the order, so beyond 2^53 this finds too much, and never too little.
        question.arg(&key).arg(since.millis()).arg("+inf");
        let mut found = Vec::new();
        for revocation in self.members(&question, &key, deadline).await? {
            let Revocation { index, at, .. } = revocation.ok_or_else(|| no_revocation(&key))?;
            found.push(Revoked { index, at });
        }
        found.retain(|revoked| revoked.at >= since);
        Ok(found)
    }

    /// Releases the oldest first, and stops early rather than late: what is left is for next time.
    pub(crate) async fn release_indices(
        &self,
        ended_before: Timestamp,
        at_most: u32,
        deadline: Instant,
    ) -> Result<u64, StoreError> {
        let key = self.keys.revoked();
        let (mut released, mut passed, mut damaged) = (0, 0_usize, None);
        while released < at_most && Instant::now() < deadline {
            let page = AT_ONCE.min(at_most - released);
            let mut question = redis::cmd("ZRANGEBYSCORE");
            question.arg(&key).arg("-inf").arg(format!("({}", ended_before.millis()));
            question.arg("LIMIT").arg(passed).arg(page);
            let found = self.members(&question, &key, deadline).await;
            let found = found.map_err(|error| if released > 0 { partly(error) } else { error })?;
            if found.is_empty() {
                break;
            }
            let mut forgotten = redis::cmd("ZREM");
            forgotten.arg(&key);
            let (mut any, mut failed) = (false, None);
            let mut steps = stream::iter(found)
                .map(|revocation| async {
                    let revocation = revocation.ok_or_else(|| no_revocation(&key))?;
                    Ok((self.release_one(&revocation, deadline).await?, revocation.text()))
                })
                .buffer_unordered(page as usize);
            while let Some(step) = steps.next().await {
                match step {
                    Ok((taken, text)) => {
                        released += u32::from(taken);
                        forgotten.arg(text);
                        any = true;
                    }
                    // It would be in the way for ever.
                    Err(error @ StoreError::Corrupt { .. }) => {
                        passed += 1;
                        damaged = Some(error);
                    }
                    Err(error) => failed = Some(error),
                }
            }
            drop(steps);
            if any {
                self.ask(&forgotten, &key, deadline).await.map_err(partly)?;
            }
            if let Some(error) = failed {
                return Err(partly(error));
            }
        }
        damaged.map_or(Ok(released.into()), Err)
    }

    /// Whether a session lost its index by this. If not, it had lost it before, or is gone, or its
    /// end was lost: then it lives, or ended once more, which is told apart from this.
    async fn release_one(
        &self,
        revocation: &Revocation,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let Revocation { index, id, at } = revocation;
        let (number, ended) = (index.number().to_string(), at.millis().to_string());
        let arguments: [&[u8]; 2] = [number.as_bytes(), ended.as_bytes()];
        let key = self.keys.session(id);
        let word = match self.step(&scripts::RELEASE, &key, &arguments, deadline).await? {
            Value::BulkString(word) => word,
            _ => return Err(unexpected()),
        };
        if word != b"held" {
            self.unclaim(*index, id, deadline).await?;
        }
        Ok(word == b"released")
    }

    /// What a question finds in the set; nothing for what nobody here wrote.
    async fn members(
        &self,
        question: &redis::Cmd,
        key: &str,
        deadline: Instant,
    ) -> Result<Vec<Option<Revocation>>, StoreError> {
        // A reading that broke off did nothing.
        let found = self.ask(question, key, deadline).await.map_err(before)?;
        let Value::Array(found) = found else { return Err(unexpected()) };
        let read = |value| Revocation::read(&bytes(value).ok()?);
        Ok(found.into_iter().map(read).collect())
    }
}

fn no_revocation(key: &str) -> StoreError {
    StoreError::corrupt(key.escape_debug().to_string(), "an entry is no revocation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_comes_back_from_its_text_to_the_millisecond() {
        for (number, at) in [(0, i64::MIN), (7, -62_167_219_200_001), (u32::MAX, i64::MAX)] {
            let revocation = Revocation {
                index: StatusIndex::from_number(number),
                id: SessionId::from_bytes([7; 16]),
                at: Timestamp::from_millis(at),
            };
            assert_eq!(Revocation::read(revocation.text().as_bytes()), Some(revocation));
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
            assert_eq!(Revocation::read(bad.as_bytes()), None, "{bad}");
        }
    }
}
