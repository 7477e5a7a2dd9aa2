//! The statements of the hot path, as types of their own.
//!
//! diesel caches a prepared statement when its type says that the text never changes. Its own
//! `update` and `on_conflict` say that it might and are parsed anew each time, so what runs at
//! each login and refresh is written out here. Selects through diesel are cached as they are.

use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_core::session::Ended;
use aquaware_core::store::{Advance, StoreError};
use aquaware_core::time::Timestamp;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::Sqlite;

use super::failure::asked;
use crate::row::{SessionRow, number};
use crate::schema::sessions;

type Built = QueryResult<()>;

/// Makes each type a statement that gives whole session rows.
macro_rules! returns_sessions {
    ($($statement:ty),* $(,)?) => {$(
        impl Query for $statement {
            type SqlType = sessions::SqlType;
        }
        impl RunQueryDsl<SqliteConnection> for $statement {}
    )*};
}

returns_sessions!(AdvanceSession, TouchSession, EndSession, EndSessions);

fn returning<'b>(mut out: AstPass<'_, 'b, Sqlite>) -> Built {
    out.push_sql(" RETURNING ");
    sessions::all_columns.walk_ast(out.reborrow())
}

/// Keeps a new session, unless its id or its status index is taken.
pub(super) struct InsertSession<'a>(pub(super) &'a SessionRow);

impl RunQueryDsl<SqliteConnection> for InsertSession<'_> {}

impl QueryId for InsertSession<'_> {
    type QueryId = InsertSession<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for InsertSession<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> Built {
        let SessionRow {
            id,
            subject,
            client,
            scope,
            claims,
            device_name,
            ip,
            user_agent,
            created_at,
            ends_at,
            generation,
            issued_at,
            expires_at,
            last_used_at,
            mark,
            ended_at,
            end_reason,
            status_index,
        } = self.0;
        // By name: a newer release may have added columns.
        out.push_sql(
            "INSERT INTO sessions (id, subject, client, scope, claims, device_name, ip, \
             user_agent, created_at, ends_at, generation, issued_at, expires_at, last_used_at, \
             mark, ended_at, end_reason, status_index) VALUES (",
        );
        out.push_bind_param::<Binary, _>(id)?;
        for text in [subject, client, scope] {
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(text)?;
        }
        for text in [claims, device_name, ip, user_agent] {
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(text)?;
        }
        for number in [created_at, ends_at, generation, issued_at, expires_at, last_used_at] {
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(number)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Binary>, _>(mark)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(ended_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(end_reason)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(status_index)?;
        out.push_sql(") ON CONFLICT DO NOTHING");
        Ok(())
    }
}

/// Moves a session on, if it stands at `step.from` and hasn't ended.
#[derive(QueryId)]
pub(super) struct AdvanceSession {
    id: [u8; 16],
    from: i64,
    to: i64,
    mark: [u8; 16],
    issued_at: i64,
    expires_at: i64,
}

impl AdvanceSession {
    pub(super) fn new(id: &SessionId, step: &Advance) -> Self {
        let Advance { from, to, mark, issued_at, expires_at } = step;
        Self {
            id: *id.as_bytes(),
            from: number(*from),
            to: number(*to),
            mark: *mark.as_bytes(),
            issued_at: issued_at.millis(),
            expires_at: expires_at.millis(),
        }
    }
}

impl QueryFragment<Sqlite> for AdvanceSession {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> Built {
        out.push_sql("UPDATE sessions SET generation = ");
        out.push_bind_param::<BigInt, _>(&self.to)?;
        out.push_sql(", mark = ");
        out.push_bind_param::<Binary, _>(&self.mark)?;
        out.push_sql(", issued_at = ");
        out.push_bind_param::<BigInt, _>(&self.issued_at)?;
        out.push_sql(", expires_at = ");
        out.push_bind_param::<BigInt, _>(&self.expires_at)?;
        out.push_sql(", last_used_at = max(last_used_at, ");
        out.push_bind_param::<BigInt, _>(&self.issued_at)?;
        out.push_sql(") WHERE id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        out.push_sql(" AND generation = ");
        out.push_bind_param::<BigInt, _>(&self.from)?;
        out.push_sql(" AND ended_at IS NULL");
        returning(out)
    }
}

/// Notes a use, if the session stands at `generation` and hasn't ended.
#[derive(QueryId)]
pub(super) struct TouchSession {
    id: [u8; 16],
    generation: i64,
    at: i64,
}

impl TouchSession {
    pub(super) fn new(id: &SessionId, generation: Generation, at: Timestamp) -> Self {
        Self { id: *id.as_bytes(), generation: number(generation), at: at.millis() }
    }
}

impl QueryFragment<Sqlite> for TouchSession {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> Built {
        out.push_sql("UPDATE sessions SET last_used_at = max(last_used_at, ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(") WHERE id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        out.push_sql(" AND generation = ");
        out.push_bind_param::<BigInt, _>(&self.generation)?;
        out.push_sql(" AND ended_at IS NULL");
        returning(out)
    }
}

/// Ends a session that hasn't ended.
#[derive(QueryId)]
pub(super) struct EndSession {
    id: [u8; 16],
    at: i64,
    reason: &'static str,
}

impl EndSession {
    pub(super) fn new(id: &SessionId, ended: Ended) -> Self {
        Self { id: *id.as_bytes(), at: ended.at.millis(), reason: ended.reason.as_str() }
    }
}

impl QueryFragment<Sqlite> for EndSession {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> Built {
        out.push_sql("UPDATE sessions SET ended_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", end_reason = ");
        out.push_bind_param::<Text, _>(self.reason)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        out.push_sql(" AND ended_at IS NULL");
        returning(out)
    }
}

/// Ends every session of a subject that hasn't ended, but for one.
#[derive(Clone, QueryId)]
pub(super) struct EndSessions {
    subject: String,
    except: Option<Vec<u8>>,
    at: i64,
    reason: &'static str,
}

impl EndSessions {
    pub(super) fn new(subject: &Subject, except: Option<&SessionId>, ended: Ended) -> Self {
        Self {
            subject: subject.as_str().to_owned(),
            except: except.map(|id| id.as_bytes().to_vec()),
            at: ended.at.millis(),
            reason: ended.reason.as_str(),
        }
    }
}

impl QueryFragment<Sqlite> for EndSessions {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> Built {
        out.push_sql("UPDATE sessions SET ended_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", end_reason = ");
        out.push_bind_param::<Text, _>(self.reason)?;
        out.push_sql(" WHERE subject = ");
        out.push_bind_param::<Text, _>(&self.subject)?;
        // `IS NOT`, not `<>`: without an exception it is null, and no id is.
        out.push_sql(" AND ended_at IS NULL AND id IS NOT ");
        out.push_bind_param::<Nullable<Binary>, _>(&self.except)?;
        returning(out)
    }
}

/// A stretch of the table in the order it lies in: place, id, and whether it may be dropped.
#[derive(QueryId)]
pub(super) struct ScanSessions {
    /// The place to go on from.
    pub(super) after: i64,
    /// What expired before this may be dropped.
    pub(super) before: i64,
    /// How many rows to look at.
    pub(super) rows: i64,
}

impl Query for ScanSessions {
    type SqlType = (BigInt, Binary, Bool);
}

impl RunQueryDsl<SqliteConnection> for ScanSessions {}

impl QueryFragment<Sqlite> for ScanSessions {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> Built {
        out.push_sql("SELECT rowid, id, (expires_at < ");
        out.push_bind_param::<BigInt, _>(&self.before)?;
        out.push_sql(" OR ends_at < ");
        out.push_bind_param::<BigInt, _>(&self.before)?;
        out.push_sql(") AND ");
        shows_no_more(&self.before, out.reborrow())?;
        out.push_sql(" FROM sessions WHERE rowid > ");
        out.push_bind_param::<BigInt, _>(&self.after)?;
        out.push_sql(" ORDER BY rowid LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.rows)
    }
}

/// Drops a session, if it expired before an instant.
pub(super) struct DropSession<'a> {
    /// Which.
    pub(super) id: &'a [u8],
    /// The instant.
    pub(super) before: i64,
}

impl RunQueryDsl<SqliteConnection> for DropSession<'_> {}

impl QueryId for DropSession<'_> {
    type QueryId = DropSession<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for DropSession<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> Built {
        out.push_sql("DELETE FROM sessions WHERE id = ");
        out.push_bind_param::<Binary, _>(self.id)?;
        out.push_sql(" AND (expires_at < ");
        out.push_bind_param::<BigInt, _>(&self.before)?;
        out.push_sql(" OR ends_at < ");
        out.push_bind_param::<BigInt, _>(&self.before)?;
        out.push_sql(") AND ");
        shows_no_more(&self.before, out.reborrow())
    }
}

/// Whether nothing has to be known any more of a session's end: what has a status index and ended
/// lately stays.
fn shows_no_more<'b>(before: &'b i64, mut out: AstPass<'_, 'b, Sqlite>) -> Built {
    out.push_sql("(status_index IS NULL OR ended_at IS NULL OR ended_at < ");
    out.push_bind_param::<BigInt, _>(before)?;
    out.push_sql(")");
    Ok(())
}

/// Takes the status index away from sessions that ended before an instant.
#[derive(QueryId)]
pub(super) struct ReleaseIndices {
    /// The instant.
    pub(super) before: i64,
    /// From how many at most.
    pub(super) rows: i64,
}

impl RunQueryDsl<SqliteConnection> for ReleaseIndices {}

impl QueryFragment<Sqlite> for ReleaseIndices {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> Built {
        out.push_sql(
            "UPDATE sessions SET status_index = NULL WHERE rowid IN (\
             SELECT rowid FROM sessions WHERE status_index IS NOT NULL AND ended_at < ",
        );
        out.push_bind_param::<BigInt, _>(&self.before)?;
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.rows)?;
        out.push_sql(")");
        Ok(())
    }
}

/// The session with this id.
pub(super) fn find(
    connection: &mut SqliteConnection,
    id: &SessionId,
) -> Result<Option<SessionRow>, StoreError> {
    asked(sessions::table.find(id.as_bytes().as_slice()).get_result(connection).optional())
}

/// Reads from the file, and finds nothing more than that it can be read.
pub(super) fn look(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let some = sessions::table.select(sessions::generation).limit(1);
    asked(some.get_result::<i64>(connection).optional()).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use aquaware_core::retry::Mark;
    use aquaware_core::session::EndReason;
    use diesel::connection::InstrumentationEvent;

    use super::super::connection::{Place, open};
    use super::*;
    use crate::row::{RevokedRow, revoked_since};

    /// A connection to a new database, and how many statements it has put into its cache.
    fn connection(directory: &tempfile::TempDir) -> (SqliteConnection, Arc<AtomicUsize>) {
        let path = directory.path().join("a.db");
        std::fs::File::create(&path).unwrap();
        let place = Place::new(path, Duration::from_secs(60)).unwrap();
        let mut connection = open(&place, true).unwrap();
        let cached = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&cached);
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::CacheQuery { .. }) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        (connection, cached)
    }

    fn row(id: [u8; 16]) -> SessionRow {
        SessionRow {
            id: id.to_vec(),
            subject: "ann".to_owned(),
            client: "web".to_owned(),
            scope: String::new(),
            claims: None,
            device_name: None,
            ip: None,
            user_agent: None,
            created_at: 1,
            ends_at: 2,
            generation: 1,
            issued_at: 3,
            expires_at: 4,
            last_used_at: 5,
            mark: None,
            ended_at: None,
            end_reason: None,
            status_index: Some(id[0].into()),
        }
    }

    #[test]
    fn each_statement_is_prepared_once_for_a_connection() {
        type Run = fn(&mut SqliteConnection, u8);
        let runs: [(&str, Run); 10] = [
            ("insert", |connection, n| {
                assert_eq!(InsertSession(&row([n; 16])).execute(connection), Ok(1));
            }),
            ("find", |connection, n| {
                assert!(find(connection, &SessionId::from_bytes([n; 16])).unwrap().is_some());
            }),
            ("advance", |connection, n| {
                let step = Advance {
                    from: Generation::FIRST,
                    to: Generation::FIRST.next(),
                    mark: Mark::from_bytes([n; 16]),
                    issued_at: Timestamp::from_millis(6),
                    expires_at: Timestamp::from_millis(7),
                };
                let statement = AdvanceSession::new(&SessionId::from_bytes([n; 16]), &step);
                assert_eq!(statement.get_result::<SessionRow>(connection).unwrap().generation, 2);
            }),
            ("touch", |connection, n| {
                let (id, two) = (SessionId::from_bytes([n; 16]), Generation::FIRST.next());
                let statement = TouchSession::new(&id, two, Timestamp::from_millis(8));
                assert_eq!(statement.get_result::<SessionRow>(connection).unwrap().last_used_at, 8);
            }),
            ("end", |connection, n| {
                let ended = Ended { at: Timestamp::from_millis(9), reason: EndReason::Logout };
                let statement = EndSession::new(&SessionId::from_bytes([n; 16]), ended);
                let row: SessionRow = statement.get_result(connection).unwrap();
                assert_eq!(row.end_reason.as_deref(), Some("logout"));
            }),
            ("end all", |connection, _| {
                let ended = Ended { at: Timestamp::from_millis(9), reason: EndReason::Logout };
                let statement = EndSessions::new(&Subject::new("ann").unwrap(), None, ended);
                assert!(statement.load::<SessionRow>(connection).unwrap().is_empty());
            }),
            ("scan", |connection, _| {
                let statement = ScanSessions { after: 0, before: 0, rows: 10 };
                let seen: Vec<(i64, Vec<u8>, bool)> = statement.load(connection).unwrap();
                assert!(!seen.is_empty() && seen.iter().all(|row| !row.2));
            }),
            ("revoked", |connection, n| {
                let since = 10 - i64::from(n);
                let revoked: Vec<RevokedRow> = revoked_since(since).load(connection).unwrap();
                assert_eq!(revoked.len(), 4);
            }),
            ("release", |connection, _| {
                let statement = ReleaseIndices { before: 10, rows: 1 };
                assert_eq!(statement.execute(connection), Ok(1));
            }),
            ("drop", |connection, n| {
                let statement = DropSession { id: &[n; 16], before: 100 };
                assert_eq!(statement.execute(connection), Ok(1));
            }),
        ];
        let directory = tempfile::tempdir().unwrap();
        let (mut connection, cached) = connection(&directory);
        InsertSession(&row([255; 16])).execute(&mut connection).unwrap();
        EndSession::new(
            &SessionId::from_bytes([255; 16]),
            Ended { at: Timestamp::from_millis(9), reason: EndReason::Logout },
        )
        .execute(&mut connection)
        .unwrap();
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
    fn a_session_refreshed_since_it_was_found_is_spared() {
        let directory = tempfile::tempdir().unwrap();
        let (mut connection, _) = connection(&directory);
        // Expires at 4, ends at 2.
        InsertSession(&row([1; 16])).execute(&mut connection).unwrap();
        let mut drop_before =
            |before| DropSession { id: &[1; 16], before }.execute(&mut connection).unwrap();
        assert_eq!([drop_before(2), drop_before(3), drop_before(3)], [0, 1, 0]);
    }

    /// What the engine says of a statement when it is asked with these words in front.
    fn explained<T>(
        connection: &mut SqliteConnection,
        words: &str,
        statement: &impl QueryFragment<Sqlite>,
    ) -> Vec<T>
    where
        T: QueryableByName<Sqlite> + 'static,
    {
        let sql = diesel::debug_query::<Sqlite, _>(statement).to_string();
        let (sql, _binds) = sql.split_once(" -- binds").unwrap();
        diesel::sql_query(format!("{words} {sql}")).load(connection).unwrap()
    }

    #[derive(QueryableByName)]
    struct Plan {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    fn plan(connection: &mut SqliteConnection, statement: &impl QueryFragment<Sqlite>) -> String {
        let steps: Vec<Plan> = explained(connection, "EXPLAIN QUERY PLAN", statement);
        steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_is_revoked_is_read_from_an_index_that_has_all_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let (mut connection, _) = connection(&directory);
        assert_eq!(
            plan(&mut connection, &revoked_since(1)),
            "SEARCH sessions USING COVERING INDEX sessions_revoked (ended_at>?)"
        );
        let release = plan(&mut connection, &ReleaseIndices { before: 1, rows: 1 });
        assert!(release.contains("COVERING INDEX sessions_revoked (ended_at<?)"), "{release}");
        assert!(!release.contains("SCAN sessions"), "{release}");
    }

    #[derive(QueryableByName)]
    struct Instruction {
        #[diesel(sql_type = Text)]
        opcode: String,
    }

    /// How many indices a statement may write to.
    fn moved(connection: &mut SqliteConnection, statement: &impl QueryFragment<Sqlite>) -> usize {
        let steps: Vec<Instruction> = explained(connection, "EXPLAIN", statement);
        steps.iter().filter(|step| step.opcode == "IdxInsert").count()
    }

    #[test]
    fn a_refresh_moves_nothing_in_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let (mut connection, _) = connection(&directory);
        let id = SessionId::from_bytes([1; 16]);
        let step = Advance {
            from: Generation::FIRST,
            to: Generation::FIRST.next(),
            mark: Mark::from_bytes([1; 16]),
            issued_at: Timestamp::from_millis(6),
            expires_at: Timestamp::from_millis(7),
        };
        let touch = TouchSession::new(&id, Generation::FIRST, step.issued_at);
        assert_eq!(moved(&mut connection, &AdvanceSession::new(&id, &step)), 0);
        assert_eq!(moved(&mut connection, &touch), 0);
        // The index of revocations.
        let ended = Ended { at: Timestamp::from_millis(9), reason: EndReason::Logout };
        assert_eq!(moved(&mut connection, &EndSession::new(&id, ended)), 1);
    }
}
