//! Sessions: each operation is one statement; if its condition does not hold, the current record is
//! read in the same transaction.

use aquaware_core::id::{ClientId, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError, Touch};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use diesel::prelude::*;

use super::SqliteStore;
use super::error::store_result;
use crate::error::SqlError;
use crate::row::{RevokedRow, SessionRow, claims_text, revocations};
use crate::schema::sessions::all_columns;
use crate::statements::{self, Prepared};
use crate::update::{Change, Condition, SessionUpdate};

#[async_trait]
impl SessionStore for SqliteStore {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        let row = SessionRow::from(session);
        self.write(move |connection| {
            let insert = statements::insert_session(row.clone()).on_conflict_do_nothing();
            store_result(Prepared(insert).execute(connection)).map(|rows| rows > 0)
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
        let update = SessionUpdate::advance(id, step);
        self.write(move |connection| run_update(connection, update)).await
    }

    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome, StoreError> {
        let update = SessionUpdate::touch(id, touch);
        self.write(move |connection| run_update(connection, update)).await
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        let update = SessionUpdate::end(id, ended);
        self.write(move |connection| commit_if_corrupt(run_update(connection, update))).await?
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
        let query =
            move || statements::live_sessions_of(subject.clone(), except.clone(), at_most.into());
        self.write(move |connection| {
            let ids = store_result(query().load(connection))?;
            commit_if_corrupt(end_sessions(connection, ids, ended))
        })
        .await?
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
        let rows = at_most.into();
        // On a reader: in most cases there is nothing to end.
        let query = statements::least_used_sessions(subject, client, except, kept, rows);
        let ids: Vec<Vec<u8>> =
            self.read(move |connection| store_result(query.load(connection))).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.write(move |connection| {
            commit_if_corrupt(end_sessions(connection, ids.clone(), ended))
        })
        .await?
    }

    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let (created_at, id) = statements::list_position(after);
        let subject = subject.as_str().to_owned();
        let query = statements::list_sessions(subject, created_at, id, at_most.into());
        self.read(move |connection| {
            let rows: Vec<SessionRow> = store_result(query.load(connection))?;
            rows.into_iter().map(SessionRow::into_session).collect()
        })
        .await
    }

    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<(), StoreError> {
        let (ids, claims) = (statements::id_bytes(ids), claims_text(claims));
        self.write(move |connection| {
            let change = statements::set_session_claims(ids.clone(), claims.clone());
            store_result(change.execute(connection)).map(|_| ())
        })
        .await
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.purge_expired(expired_before, at_most).await
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        let query = statements::revoked_since(since.millis());
        self.read(move |connection| {
            let rows: Vec<RevokedRow> = store_result(query.load(connection))?;
            revocations(rows)
        })
        .await
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.release_indices(ended_before, at_most).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.probe().await
    }
}

/// Runs a conditional update. If it changed nothing, the current row decides the outcome.
fn run_update(
    connection: &mut SqliteConnection,
    update: SessionUpdate,
) -> Result<Outcome, StoreError> {
    if let Some(row) = store_result(execute(connection, update))? {
        return row.into_session().map(Outcome::Applied);
    }
    let Some(row) = find(connection, &update.id)? else { return Ok(Outcome::NotFound) };
    match update.check(&row) {
        Condition::Refused => row.into_session().map(Outcome::Refused),
        Condition::AlreadyApplied => row.into_session().map(Outcome::Applied),
        // Impossible: no other connection can write between two statements of a transaction.
        Condition::Holds => Err(SqlError::Conflict.before_commit()),
    }
}

fn execute(
    connection: &mut SqliteConnection,
    SessionUpdate { id, change }: SessionUpdate,
) -> QueryResult<Option<SessionRow>> {
    let row = match change {
        Change::Advance(step) => {
            let update = statements::advance_session(id, step).returning(all_columns);
            Prepared(update).get_result(connection)
        }
        Change::Touch(touch) => {
            let update = statements::touch_session(id, touch).returning(all_columns);
            Prepared(update).get_result(connection)
        }
        Change::End(ended) => {
            let update = statements::end_session(id, ended.into()).returning(all_columns);
            Prepared(update).get_result(connection)
        }
    };
    row.optional()
}

fn end_sessions(
    connection: &mut SqliteConnection,
    ids: Vec<Vec<u8>>,
    ended: Ended,
) -> Result<Vec<Session>, StoreError> {
    let update = statements::end_sessions(ids, ended.into()).returning(all_columns);
    let rows: Vec<SessionRow> = store_result(update.load(connection))?;
    rows.into_iter().map(SessionRow::into_session).collect()
}

fn find(
    connection: &mut SqliteConnection,
    id: &SessionId,
) -> Result<Option<SessionRow>, StoreError> {
    let query = statements::session_by_id(id.as_bytes().to_vec());
    store_result(query.get_result(connection).optional())
}

/// Commits an operation although its record is corrupt: a revocation must not be undone because
/// another field of the session is invalid. The caller still gets the error.
fn commit_if_corrupt<T>(
    result: Result<T, StoreError>,
) -> Result<Result<T, StoreError>, StoreError> {
    match result {
        Err(corrupt @ StoreError::Corrupt { .. }) => Ok(Err(corrupt)),
        Err(other) => Err(other),
        Ok(value) => Ok(Ok(value)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use aquaware_core::claims::Scope;
    use aquaware_core::id::Generation;
    use aquaware_core::retry::Mark;
    use aquaware_core::session::{Device, EndReason};
    use aquaware_core::status::StatusIndex;
    use diesel::connection::InstrumentationEvent;
    use diesel::query_builder::QueryFragment;
    use diesel::sql_types::Text;
    use diesel::sqlite::Sqlite;

    use super::super::connection::open;
    use super::super::file::DatabaseFile;
    use super::super::maintenance::{ReleaseIndices, ScanSessions};
    use super::*;
    use crate::row::ExpiryColumns;

    const ENDED: Ended = Ended { at: Timestamp::from_millis(9), reason: EndReason::Logout };

    /// A connection to a new database, and the number of statements in its cache.
    fn connection(directory: &tempfile::TempDir) -> (SqliteConnection, Arc<AtomicUsize>) {
        let path = directory.path().join("a.db");
        std::fs::File::create(&path).unwrap();
        let file = DatabaseFile::new(path, Duration::from_secs(60)).unwrap();
        let mut connection = open(&file, true).unwrap();
        let cached = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&cached);
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::CacheQuery { .. }) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        (connection, cached)
    }

    fn id(number: u8) -> SessionId {
        SessionId::from_bytes([number; 16])
    }

    fn insert(connection: &mut SqliteConnection, number: u8) -> usize {
        let session = Session {
            id: id(number),
            subject: Subject::new("ann").unwrap(),
            client: ClientId::new("web").unwrap(),
            scope: Scope::default(),
            claims: ExtraClaims::new(),
            device: Device::default(),
            created_at: Timestamp::from_millis(1),
            ends_at: Timestamp::from_millis(2),
            generation: Generation::FIRST,
            issued_at: Timestamp::from_millis(3),
            expires_at: Timestamp::from_millis(4),
            last_used_at: Timestamp::from_millis(5),
            shown_use: None,
            mark: None,
            used_from: None,
            ended: None,
            status: Some(StatusIndex::from_number(number.into())),
        };
        let insert = statements::insert_session(SessionRow::from(&session));
        Prepared(insert.on_conflict_do_nothing()).execute(connection).unwrap()
    }

    fn step(number: u8) -> Advance {
        Advance {
            from: Generation::FIRST,
            to: Generation::FIRST.next(),
            mark: Mark::from_bytes([number; 16]),
            used_from: None,
            issued_at: Timestamp::from_millis(6),
            expires_at: Timestamp::from_millis(7),
            visible_before: Timestamp::from_millis(5),
        }
    }

    fn touch(generation: Generation, at: i64) -> Touch {
        let visible_before = Timestamp::from_millis(at - 1);
        Touch { generation, at: Timestamp::from_millis(at), visible_before }
    }

    fn applied(connection: &mut SqliteConnection, update: SessionUpdate) -> Session {
        match run_update(connection, update).unwrap() {
            Outcome::Applied(session) => session,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_statement_is_prepared_once_per_connection() {
        type Run = fn(&mut SqliteConnection, u8);
        let runs: [(&str, Run); 10] = [
            ("insert", |connection, n| assert_eq!(insert(connection, n), 1)),
            ("find", |connection, n| assert!(find(connection, &id(n)).unwrap().is_some())),
            ("advance", |connection, n| {
                let session = applied(connection, SessionUpdate::advance(&id(n), &step(n)));
                assert_eq!(session.generation, Generation::FIRST.next());
            }),
            ("touch", |connection, n| {
                let touch = touch(Generation::FIRST.next(), 8);
                let session = applied(connection, SessionUpdate::touch(&id(n), &touch));
                assert_eq!(session.last_used_at, touch.at);
            }),
            ("end", |connection, n| {
                let session = applied(connection, SessionUpdate::end(&id(n), ENDED));
                assert_eq!(session.ended, Some(ENDED));
            }),
            ("live", |connection, _| {
                let live = statements::live_sessions_of("ann".to_owned(), Vec::new(), 10);
                assert!(live.load::<Vec<u8>>(connection).unwrap().is_empty());
            }),
            ("scan", |connection, _| {
                let scan = ScanSessions { after: 0, rows: 10 };
                let rows: Vec<(i64, Vec<u8>, ExpiryColumns)> = scan.load(connection).unwrap();
                assert_eq!(rows.len(), 4);
            }),
            ("revoked", |connection, n| {
                let query = statements::revoked_since(10 - i64::from(n));
                assert_eq!(query.load::<RevokedRow>(connection).unwrap().len(), 4);
            }),
            ("release", |connection, _| {
                let release = ReleaseIndices { before: 10, rows: 1 };
                assert_eq!(release.execute(connection), Ok(1));
            }),
            ("delete", |connection, n| {
                let delete = statements::delete_if_expired(vec![n; 16], 100);
                assert_eq!(Prepared(delete).execute(connection), Ok(1));
            }),
        ];
        let directory = tempfile::tempdir().unwrap();
        let (mut connection, cached) = connection(&directory);
        insert(&mut connection, 255);
        applied(&mut connection, SessionUpdate::end(&id(255), ENDED));
        let mut before = cached.load(Ordering::Relaxed);
        assert_eq!(before, 2);
        for (name, run) in runs {
            for n in 1..=3 {
                run(&mut connection, n);
            }
            let now = cached.load(Ordering::Relaxed);
            let expected = if matches!(name, "insert" | "end") { before } else { before + 1 };
            assert_eq!(now, expected, "{name}");
            before = now;
        }
    }

    #[test]
    fn a_session_refreshed_after_the_scan_is_not_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let (mut connection, _) = connection(&directory);
        // Expires at 4, ends at 2.
        insert(&mut connection, 1);
        let mut delete = |before| {
            let delete = statements::delete_if_expired(vec![1; 16], before);
            Prepared(delete).execute(&mut connection).unwrap()
        };
        assert_eq!([delete(2), delete(3), delete(3)], [0, 1, 0]);
    }

    /// The rows that the engine returns for a statement with `prefix` in front.
    fn explain<T>(
        connection: &mut SqliteConnection,
        prefix: &str,
        statement: &impl QueryFragment<Sqlite>,
    ) -> Vec<T>
    where
        T: QueryableByName<Sqlite> + 'static,
    {
        let sql = diesel::debug_query::<Sqlite, _>(statement).to_string();
        let (sql, _binds) = sql.split_once(" -- binds").unwrap();
        diesel::sql_query(format!("{prefix} {sql}")).load(connection).unwrap()
    }

    #[derive(QueryableByName)]
    struct PlanRow {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    fn plan(connection: &mut SqliteConnection, statement: &impl QueryFragment<Sqlite>) -> String {
        let rows: Vec<PlanRow> = explain(connection, "EXPLAIN QUERY PLAN", statement);
        rows.into_iter().map(|row| row.detail).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn revocations_are_read_from_a_covering_index() {
        let directory = tempfile::tempdir().unwrap();
        let (mut connection, _) = connection(&directory);
        assert_eq!(
            plan(&mut connection, &statements::revoked_since(1)),
            "SEARCH sessions USING COVERING INDEX sessions_revoked (ended_at>?)"
        );
        let release = plan(&mut connection, &ReleaseIndices { before: 1, rows: 1 });
        assert!(release.contains("COVERING INDEX sessions_revoked (ended_at<?)"), "{release}");
        assert!(!release.contains("SCAN sessions"), "{release}");
    }

    #[test]
    fn sessions_that_ended_cost_lists_and_ends_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (mut connection, _) = connection(&directory);
        let live = statements::live_sessions_of("ann".to_owned(), Vec::new(), 10);
        let list = statements::list_sessions("ann".to_owned(), 1, vec![1; 16], 10);
        for plan in [plan(&mut connection, &live), plan(&mut connection, &list)] {
            assert!(plan.contains("INDEX sessions_live_by_subject (subject=?"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[derive(QueryableByName)]
    struct Instruction {
        #[diesel(sql_type = Text)]
        opcode: String,
    }

    /// The number of indices that a statement may write to.
    fn index_writes(
        connection: &mut SqliteConnection,
        statement: &impl QueryFragment<Sqlite>,
    ) -> usize {
        let rows: Vec<Instruction> = explain(connection, "EXPLAIN", statement);
        rows.iter().filter(|row| row.opcode == "IdxInsert").count()
    }

    #[test]
    fn a_refresh_writes_to_no_index() {
        let directory = tempfile::tempdir().unwrap();
        let (mut connection, _) = connection(&directory);
        let advance = statements::advance_session(id(1), step(1));
        assert_eq!(index_writes(&mut connection, &advance), 0);
        let touch = statements::touch_session(id(1), touch(Generation::FIRST, 6));
        assert_eq!(index_writes(&mut connection, &touch), 0);
        // The index of revocations, which the session enters, and that of live ones, which it leaves.
        assert_eq!(index_writes(&mut connection, &statements::end_session(id(1), ENDED.into())), 2);
    }
}
