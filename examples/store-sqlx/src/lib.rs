//! An example of a storage adapter: sessions and accounts on sqlx and SQLite.
//!
//! Every record is one JSON text, the stored form of the core. A step on one session reads and writes
//! it in one immediate transaction, and the core changes the record; a change of many sessions is one
//! statement with a JSON merge patch (RFC 7396). Generated columns make the values that conditions and
//! indexes need visible to SQL; see `schema.sql`. The conformance checks run in
//! `tests/`.

mod accounts;

use std::cmp::Reverse;
use std::path::Path;

use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{
    Advance, Outcome, Revoked, SessionStore, StoreError, StoredSession, Touch,
};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::query::{Query, QueryScalar};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqlitePool, SqliteSynchronous};
use sqlx::{Sqlite, query, query_as, query_scalar, types::Json};

/// Sessions and accounts in a SQLite file. Clones share the connections.
#[derive(Clone, Debug)]
pub struct SqlxStore(SqlitePool);

type Result<T> = std::result::Result<T, StoreError>;
/// A query for stored records.
type Records<'q, T> = QueryScalar<'q, Sqlite, Json<T>, SqliteArguments>;

impl SqlxStore {
    /// Opens the file, and creates it and its tables if they do not exist.
    ///
    /// # Errors
    /// The file cannot be opened, or is not a database.
    pub async fn open(path: &Path) -> sqlx::Result<Self> {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        // With full synchronization, an acknowledged step survives a power failure.
        let options = options.pragma("journal_mode", "wal").synchronous(SqliteSynchronous::Full);
        let pool = SqlitePool::connect_with(options.pragma("busy_timeout", "30000")).await?;
        sqlx::raw_sql(include_str!("schema.sql")).execute(&pool).await?;
        Ok(Self(pool))
    }

    /// Executes one statement and returns the number of rows it has changed.
    async fn execute(&self, query: Query<'_, Sqlite, SqliteArguments>) -> Result<u64> {
        Ok(query.execute(&self.0).await.map_err(store_error)?.rows_affected())
    }

    async fn sessions(&self, query: Records<'_, StoredSession>) -> Result<Vec<Session>> {
        let found = query.fetch_all(&self.0).await.map_err(store_error)?.into_iter();
        found.map(|Json(stored)| stored.into_session()).collect()
    }

    /// Changes a session that has not ended and, if a generation is given, is at that generation. It
    /// is read and written in one transaction, which no other write can interrupt.
    async fn step(
        &self,
        id: &SessionId,
        generation: Option<Generation>,
        change: impl FnOnce(&mut Session) + Send,
    ) -> Result<Outcome> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await.map_err(store_error)?;
        let found = find(id).fetch_optional(&mut *transaction).await.map_err(store_error)?;
        let Some(Json(stored)) = found else { return Ok(Outcome::NotFound) };
        let mut session = stored.into_session()?;
        if session.ended.is_some() || generation.is_some_and(|it| it != session.generation) {
            return Ok(Outcome::Refused(session));
        }
        change(&mut session);
        let update = query("UPDATE sessions SET record = ? WHERE id = ?");
        let update = update.bind(Json(StoredSession::from(&session))).bind(id.to_string());
        update.execute(&mut *transaction).await.map_err(store_error)?;
        transaction.commit().await.map_err(store_error)?;
        Ok(Outcome::Applied(session))
    }
}

fn find(id: &SessionId) -> Records<'static, StoredSession> {
    query_scalar("SELECT record FROM sessions WHERE id = ?").bind(id.to_string())
}

/// Claims in the form of [`StoredSession::claims`].
fn claims_text(claims: &ExtraClaims) -> String {
    Value::Object(claims.clone()).to_string()
}

/// SQLite runs inside the process: a statement that fails has changed nothing.
fn store_error(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolTimedOut => StoreError::Unreachable(error.into()),
        // The cause is left out, because it may repeat parts of the record.
        sqlx::Error::ColumnDecode { .. } => StoreError::corrupt("a record", "not a stored form"),
        sqlx::Error::Database(_) => StoreError::Rejected(error.into()),
        _ => StoreError::UnknownOutcome(error.into()),
    }
}

#[async_trait]
impl SessionStore for SqlxStore {
    async fn insert(&self, session: &Session) -> Result<bool> {
        let insert = query("INSERT INTO sessions (record) VALUES (?) ON CONFLICT DO NOTHING");
        Ok(self.execute(insert.bind(Json(StoredSession::from(session)))).await? == 1)
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>> {
        Ok(self.sessions(find(id)).await?.pop())
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome> {
        self.step(id, Some(step.from), |session| step.apply(session)).await
    }

    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome> {
        self.step(id, Some(touch.generation), |session| touch.apply(session)).await
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome> {
        self.step(id, None, |session| session.end(ended)).await
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>> {
        let update = query_scalar(
            "UPDATE sessions SET record = json_patch(record, ?) WHERE rowid IN
             (SELECT rowid FROM sessions WHERE subject = ? AND id IS NOT ? AND ended_at IS NULL
             LIMIT ?) RETURNING record",
        );
        let update = update.bind(Json(end_patch(ended))).bind(subject.as_str());
        self.sessions(update.bind(except.map(SessionId::to_string)).bind(at_most)).await
    }

    async fn end_least_used(
        &self,
        (subject, client): (&Subject, &ClientId),
        except: &SessionId,
        keep: u32,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>> {
        let update = query_scalar(
            "UPDATE sessions SET record = json_patch(record, ?) WHERE rowid IN
             (SELECT rowid FROM sessions WHERE subject = ? AND record ->> 'client' = ?
             AND id IS NOT ? AND ended_at IS NULL
             ORDER BY record ->> 'last_used_at' DESC LIMIT ? OFFSET ?) RETURNING record",
        );
        let update = update.bind(Json(end_patch(ended))).bind(subject.as_str());
        let update = update.bind(client.as_str()).bind(except.to_string());
        self.sessions(update.bind(at_most).bind(keep.saturating_sub(1))).await
    }

    /// The text of an id has another order than its bytes, so the sessions are sorted here.
    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>> {
        let select = query_scalar(
            "SELECT record FROM sessions WHERE subject = ? AND ended_at IS NULL
             AND record ->> 'created_at' <= ?",
        );
        let latest = after.map_or(i64::MAX, |(created_at, _)| created_at.millis());
        let mut sessions = self.sessions(select.bind(subject.as_str()).bind(latest)).await?;
        sessions.retain(|it| after.is_none_or(|after| (it.created_at, it.id) < after));
        sessions.sort_by_key(|session| Reverse((session.created_at, session.id)));
        sessions.truncate(usize::try_from(at_most).unwrap_or(usize::MAX));
        Ok(sessions)
    }

    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<()> {
        let patch = json!({ "claims": claims_text(claims) });
        for id in ids {
            let update = query(
                "UPDATE sessions SET record = json_patch(record, ?)
                 WHERE id = ? AND ended_at IS NULL",
            );
            self.execute(update.bind(Json(&patch)).bind(id.to_string())).await?;
        }
        Ok(())
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64> {
        let delete = query(
            "DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE expires_at < ?1
             AND (status IS NULL OR ended_at IS NULL OR ended_at < ?1) LIMIT ?2)",
        );
        self.execute(delete.bind(expired_before.millis()).bind(at_most)).await
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>> {
        let select = "SELECT status, ended_at FROM sessions WHERE status >= 0 AND ended_at >= ?";
        let rows = query_as(select).bind(since.millis()).fetch_all(&self.0).await;
        let revoked = |(index, at)| Revoked {
            index: StatusIndex::from_number(index),
            at: Timestamp::from_millis(at),
        };
        Ok(rows.map_err(store_error)?.into_iter().map(revoked).collect())
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64> {
        let update = query(
            "UPDATE sessions SET record = json_remove(record, '$.status_index') WHERE rowid IN
             (SELECT rowid FROM sessions WHERE status >= 0 AND ended_at < ? LIMIT ?)",
        );
        self.execute(update.bind(ended_before.millis()).bind(at_most)).await
    }

    async fn ping(&self) -> Result<()> {
        self.execute(query("DELETE FROM sessions WHERE 0")).await.map(drop)
    }
}

/// A merge patch removes what is null: only what is needed to refuse tokens remains.
fn end_patch(ended: Ended) -> Value {
    json!({ "ended_at": ended.at.millis(), "end_reason": ended.reason.as_str(),
        "claims": null, "device_name": null, "ip": null, "user_agent": null, "used_from": null })
}

// Compiles the examples of the page on storage adapters.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/storage-adapters.md")]
struct StorageAdapters;
