//! The store itself: a pool of connections, and the port for sessions over it, the same for every
//! engine. The other ports have files of their own.

#![allow(
    private_bounds,
    reason = "the engines are sealed: callers name only PostgresStore and MysqlStore"
)]

use std::fmt;
use std::time::Duration;

use aquaware_core::id::{ClientId, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError, Touch};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use diesel_async::methods::{ExecuteDsl, LoadQuery};

use super::engine::Engine;
use super::error::{Access, StatementError};
use super::migration::{self, Migrate};
use super::options::check_options;
use super::pool::{Operation, Pool};
use crate::batches::{Scan, sweep};
use crate::error::{OpenError, SqlError};
use crate::row::{ExpiryColumns, RevokedRow, SessionRow, claims_text, is_expired, revocations};
use crate::statements;
use crate::update::{Condition, SessionUpdate};

/// Maximum number of times an update is run because its row was inserted after it had run.
const MAX_UPDATES: u32 = 4;
/// Rows read by one scan for expired sessions.
const SCAN_ROWS: i64 = 4096;
/// Expired sessions deleted by one statement.
const DELETE_BATCH: usize = 128;

/// Changes of sessions that find no row.
const SESSION_CHANGES: [&str; 3] = [
    "INSERT INTO sessions SELECT * FROM sessions WHERE 1 = 0",
    "UPDATE sessions SET generation = generation WHERE 1 = 0",
    "DELETE FROM sessions WHERE 1 = 0",
];
/// Changes of accounts that find no row.
pub(super) const ACCOUNT_CHANGES: [&str; 3] = [
    "INSERT INTO accounts SELECT * FROM accounts WHERE 1 = 0",
    "UPDATE accounts SET login = login WHERE 1 = 0",
    "DELETE FROM accounts WHERE 1 = 0",
];

/// Sessions and accounts in a database that is reached over a network.
///
/// An acknowledged operation is as durable as the server's settings make it, which `facts` reports.
/// Any number of stores, here and in other processes, may share a database. An operation runs on the
/// store's own threads and ends within the timeout, even if its caller is dropped;
/// [`purge`](SessionStore::purge) and [`release`](SessionStore::release) are many operations, each
/// with that timeout. Dropping the store does not wait for operations in progress.
pub struct ServerStore<C: Engine> {
    pool: Pool<C>,
    /// The server and the database, without user and password.
    name: String,
}

impl<C: Engine> ServerStore<C> {
    /// Opens a store; its threads are shown as `threads`.
    pub(crate) fn open_with(
        threads: &'static str,
        config: C::Config,
        pool_size: usize,
        timeout: Duration,
        migrate: bool,
    ) -> Result<Self, OpenError>
    where
        C: Migrate,
        C::Config: Clone + fmt::Display,
        statements::applied_migrations: LoadQuery<'static, C::Raw, String>,
    {
        check_options(pool_size, timeout)?;
        let name = config.to_string();
        let pool = Pool::new(threads, config.clone(), pool_size, timeout)?;
        pool.block_on(async move { migration::check::<C>(&config, timeout, migrate).await })
            .unwrap_or(Err(SqlError::Panicked.into()))
            .map_err(|reason| OpenError::Server { server: name.clone(), reason })?;
        Ok(Self { pool, name })
    }

    pub(crate) async fn read<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        operation: Operation<C, I, T>,
    ) -> Result<T, StoreError> {
        self.pool.run(Access::Read, input, operation).await
    }

    pub(super) async fn write<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        operation: Operation<C, I, T>,
    ) -> Result<T, StoreError> {
        self.pool.run(Access::Write, input, operation).await
    }

    /// Whether the server responds and lets this user read and write these tables. The changes find
    /// no row, so nothing remains of them, but the server rejects them like any other.
    pub(super) async fn probe(
        &self,
        statements: &'static [&'static str],
    ) -> Result<(), StoreError> {
        self.read(statements, |connection, statements| {
            Box::pin(async move {
                for statement in statements.iter() {
                    connection.run_script(statement).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn update_session(&self, update: SessionUpdate) -> Result<Outcome, StoreError>
    where
        statements::session_by_id: LoadQuery<'static, C::Raw, SessionRow>,
    {
        self.write(update, |connection, update| Box::pin(run_update(connection, *update))).await
    }

    /// Ends the sessions that `select` finds, until it finds no more or `at_most` have ended. They are
    /// found without locks, so other requests can end some of them first.
    async fn end_selected<Q>(
        &self,
        select: impl Fn(i64) -> Q + Send + Sync + 'static,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError>
    where
        Q: LoadQuery<'static, C::Raw, Vec<u8>> + Send + 'static,
    {
        self.write((select, ended, at_most), |connection, (select, ended, at_most)| {
            Box::pin(async move {
                let mut rows = Vec::new();
                loop {
                    let left = usize::try_from(*at_most).unwrap_or(usize::MAX) - rows.len();
                    let select = select(i64::try_from(left).unwrap_or(i64::MAX));
                    let ids: Vec<Vec<u8>> = connection.load(Access::Read, select).await?;
                    if ids.is_empty() {
                        return into_sessions(rows);
                    }
                    rows.extend(connection.end_sessions(ids, *ended).await?);
                }
            })
        })
        .await
    }
}

impl<C: Engine> fmt::Debug for ServerStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(C::STORE).field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl<C: Engine> SessionStore for ServerStore<C>
where
    statements::session_by_id: LoadQuery<'static, C::Raw, SessionRow>,
    statements::live_sessions_of: LoadQuery<'static, C::Raw, Vec<u8>>,
    statements::least_used_sessions: LoadQuery<'static, C::Raw, Vec<u8>>,
    statements::list_sessions: LoadQuery<'static, C::Raw, SessionRow>,
    statements::set_session_claims: ExecuteDsl<C::Raw>,
    statements::scan_sessions: LoadQuery<'static, C::Raw, (Vec<u8>, ExpiryColumns)>,
    statements::delete_expired: ExecuteDsl<C::Raw>,
    statements::revoked_since: LoadQuery<'static, C::Raw, RevokedRow>,
{
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        self.write(SessionRow::from(session), |connection, row| {
            Box::pin(connection.insert_session(row.clone()))
        })
        .await
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.read(*id, |connection, id| {
            Box::pin(async move {
                let row = find_session(connection, id).await?;
                Ok(row.map(SessionRow::into_session).transpose()?)
            })
        })
        .await
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        self.update_session(SessionUpdate::advance(id, step)).await
    }

    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome, StoreError> {
        self.update_session(SessionUpdate::touch(id, touch)).await
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        self.update_session(SessionUpdate::end(id, ended)).await
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let subject = subject.as_str().to_owned();
        let except = except.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let select =
            move |rows| statements::live_sessions_of(subject.clone(), except.clone(), rows);
        self.end_selected(select, ended, at_most).await
    }

    async fn end_least_used(
        &self,
        (subject, client): (&Subject, &ClientId),
        except: &SessionId,
        keep: u32,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let (subject, client) = (subject.as_str().to_owned(), client.as_str().to_owned());
        let (except, kept) = (except.as_bytes().to_vec(), keep.saturating_sub(1).into());
        let select = move |rows| {
            let (subject, client) = (subject.clone(), client.clone());
            statements::least_used_sessions(subject, client, except.clone(), kept, rows)
        };
        self.end_selected(select, ended, at_most).await
    }

    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let input = (subject.as_str().to_owned(), statements::list_position(after));
        self.read((input, at_most), |connection, ((subject, (created_at, id)), at_most)| {
            Box::pin(async move {
                let (subject, id, rows) = (subject.clone(), id.clone(), i64::from(*at_most));
                let list = statements::list_sessions(subject, *created_at, id, rows);
                into_sessions(connection.load(Access::Read, list).await?)
            })
        })
        .await
    }

    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<(), StoreError> {
        let input = (statements::id_bytes(ids), claims_text(claims));
        self.write(input, |connection, (ids, claims)| {
            Box::pin(async move {
                let change = statements::set_session_claims(ids.clone(), claims.clone());
                connection.execute(change).await.map(|_| ())
            })
        })
        .await
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let before = expired_before.millis();
        let scan = |after| self.scan_expired(after, before);
        let delete = |ids| self.delete_expired(ids, before);
        sweep(Vec::new(), at_most, DELETE_BATCH, scan, delete).await
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        self.read(since.millis(), |connection, since| {
            Box::pin(async move {
                let revoked = statements::revoked_since(*since);
                Ok(revocations(connection.load(Access::Read, revoked).await?)?)
            })
        })
        .await
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        C::release_indices(&self.pool, ended_before.millis(), at_most).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.probe(&SESSION_CHANGES).await
    }
}

impl<C: Engine> ServerStore<C>
where
    statements::scan_sessions: LoadQuery<'static, C::Raw, (Vec<u8>, ExpiryColumns)>,
    statements::delete_expired: ExecuteDsl<C::Raw>,
{
    async fn scan_expired(
        &self,
        after: Vec<u8>,
        before: i64,
    ) -> Result<Scan<Vec<u8>, Vec<u8>>, StoreError> {
        let rows = self
            .read(after, |connection, after| {
                let scan = statements::scan_sessions(after.clone(), SCAN_ROWS);
                Box::pin(connection.load(Access::Read, scan))
            })
            .await?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        let last = last.clone();
        let expired = rows.into_iter().filter(|(_, columns)| is_expired(columns, before));
        Ok(Some((last, expired.map(|(id, _)| id).collect())))
    }

    /// The statement has the condition too: it spares a session that was refreshed after the scan.
    async fn delete_expired(&self, ids: Vec<Vec<u8>>, before: i64) -> Result<usize, StoreError> {
        self.write((ids, before), |connection, (ids, before)| {
            Box::pin(connection.execute(statements::delete_expired(ids.clone(), *before)))
        })
        .await
    }
}

/// Runs a conditional update. If it changed nothing, the current row decides the outcome.
async fn run_update<C: Engine>(
    connection: &mut C,
    update: SessionUpdate,
) -> Result<Outcome, StatementError>
where
    statements::session_by_id: LoadQuery<'static, C::Raw, SessionRow>,
{
    connection.begin().await?;
    let updated = update_or_find(connection, update).await;
    // Decoded after the commit: a session with a corrupt row can still be ended.
    Ok(match connection.finish(updated).await? {
        Some((row, true)) => Outcome::Applied(row.into_session()?),
        Some((row, false)) => Outcome::Refused(row.into_session()?),
        None => Outcome::NotFound,
    })
}

/// The row, and whether it has the update's new values.
async fn update_or_find<C: Engine>(
    connection: &mut C,
    update: SessionUpdate,
) -> Result<Option<(SessionRow, bool)>, StatementError>
where
    statements::session_by_id: LoadQuery<'static, C::Raw, SessionRow>,
{
    for _ in 0..MAX_UPDATES {
        if let Some(row) = connection.update_session(update).await? {
            return Ok(Some((row, true)));
        }
        let Some(row) = find_session(connection, &update.id).await? else { return Ok(None) };
        match update.check(&row) {
            Condition::Refused => return Ok(Some((row, false))),
            Condition::AlreadyApplied => return Ok(Some((row, true))),
            Condition::Holds => {}
        }
    }
    Err(StatementError::rolled_back(SqlError::Conflict))
}

async fn find_session<C: Engine>(
    connection: &mut C,
    id: &SessionId,
) -> Result<Option<SessionRow>, StatementError>
where
    statements::session_by_id: LoadQuery<'static, C::Raw, SessionRow>,
{
    let query = statements::session_by_id(id.as_bytes().to_vec());
    let rows: Vec<SessionRow> = connection.load(Access::Read, query).await?;
    Ok(rows.into_iter().next())
}

fn into_sessions(rows: Vec<SessionRow>) -> Result<Vec<Session>, StatementError> {
    Ok(rows.into_iter().map(SessionRow::into_session).collect::<Result<_, _>>()?)
}
