//! Sessions: each step one statement, and on refusal the record as it stands, read in the same
//! transaction.

use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use diesel::prelude::*;
use diesel::query_dsl::LoadQuery;

use super::SqliteStore;
use super::failure::asked;
use super::statements::{
    AdvanceSession, EndSession, EndSessions, InsertSession, TouchSession, find,
};
use crate::row::{SessionRow, claims_text, revocations, revoked_since};
use crate::schema::sessions;

#[async_trait]
impl SessionStore for SqliteStore {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        let row = SessionRow::of(session)?;
        self.write(move |connection| {
            asked(InsertSession(&row).execute(connection)).map(|rows| rows > 0)
        })
        .await
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let id = *id;
        self.read(move |connection| {
            find(connection, &id)?.map(SessionRow::into_session).transpose()
        })
        .await
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        let (id, step) = (*id, *step);
        self.write(move |connection| attempt(connection, &id, AdvanceSession::new(&id, &step)))
            .await
    }

    async fn touch(
        &self,
        id: &SessionId,
        generation: Generation,
        at: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let id = *id;
        self.write(move |connection| {
            attempt(connection, &id, TouchSession::new(&id, generation, at))
        })
        .await
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        let id = *id;
        self.write(move |connection| {
            even_if_corrupt(attempt(connection, &id, EndSession::new(&id, ended)))
        })
        .await?
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
    ) -> Result<Vec<Session>, StoreError> {
        let statement = EndSessions::new(subject, except, ended);
        self.write(move |connection| {
            let rows: Vec<SessionRow> = asked(statement.clone().load(connection))?;
            even_if_corrupt(rows.into_iter().map(SessionRow::into_session).collect())
        })
        .await?
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Session>, StoreError> {
        let subject = subject.clone();
        self.read(move |connection| {
            let theirs = sessions::table.filter(sessions::subject.eq(subject.as_str()));
            let rows: Vec<SessionRow> = asked(theirs.load(connection))?;
            rows.into_iter().map(SessionRow::into_session).collect()
        })
        .await
    }

    async fn set_claims(&self, subject: &Subject, claims: &ExtraClaims) -> Result<(), StoreError> {
        let (subject, claims) = (subject.clone(), claims_text(claims)?);
        self.write(move |connection| {
            let theirs = sessions::table
                .filter(sessions::subject.eq(subject.as_str()))
                .filter(sessions::ended_at.is_null());
            let change = diesel::update(theirs).set(sessions::claims.eq(&claims));
            asked(change.execute(connection)).map(|_| ())
        })
        .await
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.drop_expired(expired_before, at_most).await
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        self.read(move |connection| {
            revocations(asked(revoked_since(since.millis()).load(connection))?)
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

/// Runs a conditional statement; where its condition didn't hold, says what stands instead.
fn attempt<'q, S>(
    connection: &mut SqliteConnection,
    id: &SessionId,
    statement: S,
) -> Result<Outcome, StoreError>
where
    S: LoadQuery<'q, SqliteConnection, SessionRow> + RunQueryDsl<SqliteConnection>,
{
    if let Some(row) = asked(statement.get_result(connection).optional())? {
        return row.into_session().map(Outcome::Applied);
    }
    match find(connection, id)? {
        Some(row) => row.into_session().map(Outcome::Refused),
        None => Ok(Outcome::NotFound),
    }
}

/// Lets a step stand although its record can't be read: revoking must not be undone because
/// something else about a session is broken. The caller still hears of it.
fn even_if_corrupt<T>(result: Result<T, StoreError>) -> Result<Result<T, StoreError>, StoreError> {
    match result {
        Err(corrupt @ StoreError::Corrupt { .. }) => Ok(Err(corrupt)),
        Err(other) => Err(other),
        Ok(value) => Ok(Ok(value)),
    }
}
