//! Sessions: each step the conditional statement and the row it left, in one short transaction.

use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use diesel::mysql::Mysql;
use diesel::prelude::*;
use diesel::query_builder::{QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::RunQueryDsl;

use super::MysqlStore;
use super::connection::MysqlLink;
use crate::error::Failure;
use crate::row::{SessionRow, claims_text, revocations, revoked_since};
use crate::schema::sessions;
use crate::server::{
    AdvanceSession, EndSession, Forgetful, InsertSession, STRETCH, Seen, Step, TouchSession,
    Trouble, Verdict, purge,
};

/// How often a step is tried again because what it found had not been there before.
const TRIES: u32 = 4;
/// How many sessions of a subject are ended by one statement.
const BITE: usize = 512;

#[async_trait]
impl SessionStore for MysqlStore {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        let statement = InsertSession(SessionRow::of(session)?);
        self.write(statement, |link, statement| {
            Box::pin(async move {
                let done = statement.execute(link.changing()).await;
                unless_taken(link, done)
            })
        })
        .await
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.read(*id.as_bytes(), |link, id| {
            Box::pin(async move {
                let row = find(link, id).await?;
                Ok(row.map(SessionRow::into_session).transpose()?)
            })
        })
        .await
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        self.write(AdvanceSession::new(id, step), |link, step| Box::pin(attempt(link, step))).await
    }

    async fn touch(
        &self,
        id: &SessionId,
        generation: Generation,
        at: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let step = TouchSession::new(id, generation, at);
        self.write(step, |link, step| Box::pin(attempt(link, step))).await
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        self.write(EndSession::new(id, ended), |link, step| Box::pin(attempt(link, step))).await
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
    ) -> Result<Vec<Session>, StoreError> {
        let wish = EndAll {
            subject: subject.as_str().to_owned(),
            except: except.map(|id| id.as_bytes().to_vec()),
            at: ended.at.millis(),
            reason: ended.reason.as_str(),
        };
        self.write(wish, |link, wish| {
            Box::pin(async move {
                link.begin_transaction().await?;
                let ended = end_all(link, wish).await;
                all(link.end_transaction(ended).await?)
            })
        })
        .await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Session>, StoreError> {
        self.read(subject.as_str().to_owned(), |link, subject| {
            Box::pin(async move {
                let theirs = sessions::table.filter(sessions::subject.eq(subject));
                let rows = theirs.load::<SessionRow>(&mut link.connection).await;
                all(link.asked(rows)?)
            })
        })
        .await
    }

    async fn set_claims(&self, subject: &Subject, claims: &ExtraClaims) -> Result<(), StoreError> {
        let input = (subject.as_str().to_owned(), claims_text(claims)?);
        self.write(input, |link, (subject, claims)| {
            Box::pin(async move {
                let theirs = sessions::table
                    .filter(sessions::subject.eq(subject))
                    .filter(sessions::ended_at.is_null());
                let change = diesel::update(theirs).set(sessions::claims.eq(claims));
                let done = change.execute(link.changing()).await;
                link.asked(done).map(|_| ())
            })
        })
        .await
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        purge(self, expired_before, at_most).await
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        self.read(since.millis(), |link, since| {
            Box::pin(async move {
                let rows = revoked_since(*since).load(&mut link.connection).await;
                Ok(revocations(link.asked(rows)?)?)
            })
        })
        .await
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.release_indices(ended_before, at_most).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.answers().await
    }
}

impl MysqlStore {
    /// Whether the server answers and has the table.
    pub(super) async fn answers(&self) -> Result<(), StoreError> {
        self.read((), |link, ()| {
            Box::pin(async move {
                let some = sessions::table.select(sessions::generation).limit(1);
                let row = some.load::<i64>(&mut link.connection).await;
                link.asked(row).map(|_| ())
            })
        })
        .await
    }
}

impl Forgetful for MysqlStore {
    async fn look_through(&self, after: Vec<u8>) -> Result<Vec<Seen>, StoreError> {
        self.read(after, |link, after| {
            Box::pin(async move {
                let stretch = sessions::table
                    .select((
                        sessions::id,
                        sessions::expires_at,
                        sessions::ends_at,
                        sessions::status_index,
                        sessions::ended_at,
                    ))
                    .filter(sessions::id.gt(after))
                    .order(sessions::id)
                    .limit(STRETCH);
                let seen = stretch.load::<Seen>(&mut link.connection).await;
                link.asked(seen)
            })
        })
        .await
    }

    async fn drop_these(&self, ids: Vec<Vec<u8>>, before: i64) -> Result<usize, StoreError> {
        self.write((ids, before), |link, (ids, before)| {
            Box::pin(async move {
                let dead = sessions::table
                    .filter(sessions::id.eq_any(ids))
                    .filter(sessions::expires_at.lt(before).or(sessions::ends_at.lt(before)))
                    .filter(
                        sessions::status_index
                            .is_null()
                            .or(sessions::ended_at.is_null())
                            .or(sessions::ended_at.assume_not_null().lt(before)),
                    );
                let done = diesel::delete(dead).execute(link.changing()).await;
                link.asked(done)
            })
        })
        .await
    }
}

/// Runs a conditional statement; where its condition didn't hold, says what stands instead.
async fn attempt<S>(link: &mut MysqlLink, step: &S) -> Result<Outcome, Trouble>
where
    S: Step + QueryFragment<Mysql> + QueryId,
{
    link.begin_transaction().await?;
    let found = change_and_look(link, step).await;
    Ok(match link.end_transaction(found).await? {
        Found::Changed(row) => Outcome::Applied(row.into_session()?),
        Found::Standing(row) => Outcome::Refused(row.into_session()?),
        Found::Nothing => Outcome::NotFound,
    })
}

/// What a step found, before anything is read into it: what the transaction did stands even if
/// its row is no session.
enum Found {
    Changed(SessionRow),
    Standing(SessionRow),
    Nothing,
}

async fn change_and_look<S>(link: &mut MysqlLink, step: &S) -> Result<Found, Trouble>
where
    S: Step + QueryFragment<Mysql> + QueryId,
{
    for _ in 0..TRIES {
        let changed = step.execute(link.changing()).await;
        let changed = link.asked(changed)? > 0;
        let Some(row) = find(link, step.id()).await? else { return Ok(Found::Nothing) };
        if changed {
            // The row is locked by the change, so this is what the step left.
            return Ok(Found::Changed(row));
        }
        match step.verdict(&row) {
            Verdict::Refused => return Ok(Found::Standing(row)),
            Verdict::Satisfied => return Ok(Found::Changed(row)),
            Verdict::Open => {}
        }
    }
    Err(Trouble::undone(Failure::Conflict))
}

async fn find(link: &mut MysqlLink, id: &[u8; 16]) -> Result<Option<SessionRow>, Trouble> {
    let rows = sessions::table.find(id.as_slice()).load(&mut link.connection).await;
    link.asked(rows).map(|mut rows| rows.pop())
}

struct EndAll {
    subject: String,
    except: Option<Vec<u8>>,
    at: i64,
    reason: &'static str,
}

/// Locks what hasn't ended, and ends exactly that.
async fn end_all(link: &mut MysqlLink, wish: &EndAll) -> Result<Vec<SessionRow>, Trouble> {
    let theirs = sessions::table
        .filter(sessions::subject.eq(&wish.subject))
        .filter(sessions::ended_at.is_null())
        // No id is empty.
        .filter(sessions::id.ne(wish.except.as_deref().unwrap_or_default()))
        .for_update();
    let rows = theirs.load::<SessionRow>(link.changing()).await;
    let mut rows = link.asked(rows)?;
    let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    for bite in ids.chunks(BITE) {
        let change = diesel::update(sessions::table.filter(sessions::id.eq_any(bite)))
            .set((sessions::ended_at.eq(wish.at), sessions::end_reason.eq(wish.reason)));
        let done = change.execute(link.changing()).await;
        link.asked(done)?;
    }
    for row in &mut rows {
        row.ended_at = Some(wish.at);
        row.end_reason = Some(wish.reason.to_owned());
    }
    Ok(rows)
}

/// Whether an insert took place. `INSERT IGNORE` would hide other errors, too, and what `ON
/// DUPLICATE KEY` counts depends on the connection.
pub(super) fn unless_taken(link: &MysqlLink, done: QueryResult<usize>) -> Result<bool, Trouble> {
    match done {
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(false),
        done => link.asked(done).map(|_| true),
    }
}

fn all(rows: Vec<SessionRow>) -> Result<Vec<Session>, Trouble> {
    Ok(rows.into_iter().map(SessionRow::into_session).collect::<Result<_, _>>()?)
}
