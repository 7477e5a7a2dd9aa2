//! Sessions: each step one statement that gives the row it changed, and on refusal a second that
//! reads what stands.

use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel_async::RunQueryDsl;

use super::PostgresStore;
use super::connection::PgLink;
use crate::error::Failure;
use crate::row::{SessionRow, claims_text, revocations, revoked_since};
use crate::schema::sessions;
use crate::server::{
    AdvanceSession, EndSession, Forgetful, InsertSession, STRETCH, Seen, Step, TouchSession,
    Trouble, Verdict, purge,
};

/// How often a step is tried again because what it found had not been there before.
const TRIES: u32 = 4;

#[async_trait]
impl SessionStore for PostgresStore {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        let statement = OrNothing(InsertSession(SessionRow::of(session)?));
        self.write(statement, |link, statement| {
            Box::pin(async move {
                let done = statement.execute(&mut link.connection).await;
                link.asked(done).map(|rows| rows > 0)
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
        let statement = EndSessions {
            subject: subject.as_str().to_owned(),
            except: except.map(|id| *id.as_bytes()),
            at: ended.at.millis(),
            reason: ended.reason.as_str(),
        };
        self.write(statement, |link, statement| {
            Box::pin(async move {
                let rows = Returning(statement).load::<SessionRow>(&mut link.connection).await;
                all(link.asked(rows)?)
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
                let done = change.execute(&mut link.connection).await;
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

impl PostgresStore {
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

impl Forgetful for PostgresStore {
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
                let done = diesel::delete(dead).execute(&mut link.connection).await;
                link.asked(done)
            })
        })
        .await
    }
}

/// Runs a conditional statement; where its condition didn't hold, says what stands instead.
async fn attempt<S>(link: &mut PgLink, step: &S) -> Result<Outcome, Trouble>
where
    S: Step + QueryFragment<Pg> + QueryId,
{
    for _ in 0..TRIES {
        let rows = Returning(step).load::<SessionRow>(&mut link.connection).await;
        if let Some(row) = link.asked(rows)?.pop() {
            return Ok(Outcome::Applied(row.into_session()?));
        }
        let Some(row) = find(link, step.id()).await? else { return Ok(Outcome::NotFound) };
        match step.verdict(&row) {
            Verdict::Refused => return Ok(Outcome::Refused(row.into_session()?)),
            Verdict::Satisfied => return Ok(Outcome::Applied(row.into_session()?)),
            Verdict::Open => {}
        }
    }
    Err(Trouble::undone(Failure::Conflict))
}

async fn find(link: &mut PgLink, id: &[u8; 16]) -> Result<Option<SessionRow>, Trouble> {
    let rows = sessions::table.find(id.as_slice()).load(&mut link.connection).await;
    link.asked(rows).map(|mut rows| rows.pop())
}

fn all(rows: Vec<SessionRow>) -> Result<Vec<Session>, Trouble> {
    Ok(rows.into_iter().map(SessionRow::into_session).collect::<Result<_, _>>()?)
}

/// An insert that does nothing if the id or the status index is taken.
#[derive(QueryId)]
struct OrNothing(InsertSession);

impl QueryFragment<Pg> for OrNothing {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" ON CONFLICT DO NOTHING");
        Ok(())
    }
}

/// A change that gives the whole rows as they are after it.
#[derive(QueryId)]
struct Returning<S>(S);

impl<S> Query for Returning<S> {
    type SqlType = sessions::SqlType;
}

impl<S: QueryFragment<Pg>> QueryFragment<Pg> for Returning<S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING ");
        sessions::all_columns.walk_ast(out.reborrow())
    }
}

/// Ends every session of a subject that hasn't ended, but for one.
#[derive(QueryId)]
struct EndSessions {
    subject: String,
    except: Option<[u8; 16]>,
    at: i64,
    reason: &'static str,
}

impl QueryFragment<Pg> for EndSessions {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE sessions SET ended_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", end_reason = ");
        out.push_bind_param::<Text, _>(self.reason)?;
        out.push_sql(" WHERE subject = ");
        out.push_bind_param::<Text, _>(&self.subject)?;
        // Not `<>`: without an exception it is null, and no id is.
        out.push_sql(" AND ended_at IS NULL AND id IS DISTINCT FROM ");
        out.push_bind_param::<Nullable<Binary>, _>(&self.except)
    }
}
