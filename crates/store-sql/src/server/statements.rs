//! The statements of the hot path, as types of their own, in the words that PostgreSQL and MySQL
//! have in common.
//!
//! diesel caches a prepared statement when its type says that the text never changes. Its own
//! `update` and upserts say that it might and are parsed anew each time, so what runs at each login
//! and refresh is written out here. Selects through diesel are cached as they are.

use aquaware_core::id::{Generation, SessionId};
use aquaware_core::session::Ended;
use aquaware_core::store::Advance;
use aquaware_core::time::Timestamp;
use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use crate::row::{SessionRow, number};

/// A conditional step on one session: a statement that changes the row if, and only if, the
/// condition holds. It changes it so that it differs from what it was, so "rows found" and "rows
/// changed" are the same number.
pub(crate) trait Step: Send + Sync {
    /// Which session.
    fn id(&self) -> &[u8; 16];

    /// What a row means that was read after the statement had changed nothing.
    fn verdict(&self, row: &SessionRow) -> Verdict;
}

/// What stands, beside what a step wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The condition doesn't hold.
    Refused,
    /// The condition holds and what was to be done is so already.
    Satisfied,
    /// The condition holds: the row has come to be, or come back, since. The step is to be tried
    /// again.
    Open,
}

/// Keeps a new session. A statement that fails if its id or its status index is taken.
#[derive(Clone, QueryId)]
pub(crate) struct InsertSession(pub(crate) SessionRow);

impl<DB> QueryFragment<DB> for InsertSession
where
    DB: Backend,
    i64: ToSql<BigInt, DB>,
    [u8]: ToSql<Binary, DB>,
    str: ToSql<Text, DB>,
    Vec<u8>: ToSql<Binary, DB>,
    String: ToSql<Text, DB>,
    Option<i64>: ToSql<Nullable<BigInt>, DB>,
    Option<Vec<u8>>: ToSql<Nullable<Binary>, DB>,
    Option<String>: ToSql<Nullable<Text>, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
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
        } = &self.0;
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
        out.push_sql(")");
        Ok(())
    }
}

/// Moves a session on, if it stands at `step.from` and hasn't ended.
#[derive(Clone, Copy, QueryId)]
pub(crate) struct AdvanceSession {
    id: [u8; 16],
    from: i64,
    to: i64,
    mark: [u8; 16],
    issued_at: i64,
    expires_at: i64,
}

impl AdvanceSession {
    pub(crate) fn new(id: &SessionId, step: &Advance) -> Self {
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

impl Step for AdvanceSession {
    fn id(&self) -> &[u8; 16] {
        &self.id
    }

    fn verdict(&self, row: &SessionRow) -> Verdict {
        let holds = row.generation == self.from && row.ended_at.is_none();
        if holds { Verdict::Open } else { Verdict::Refused }
    }
}

impl<DB> QueryFragment<DB> for AdvanceSession
where
    DB: Backend,
    i64: ToSql<BigInt, DB>,
    [u8; 16]: ToSql<Binary, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE sessions SET generation = ");
        out.push_bind_param::<BigInt, _>(&self.to)?;
        out.push_sql(", mark = ");
        out.push_bind_param::<Binary, _>(&self.mark)?;
        out.push_sql(", issued_at = ");
        out.push_bind_param::<BigInt, _>(&self.issued_at)?;
        out.push_sql(", expires_at = ");
        out.push_bind_param::<BigInt, _>(&self.expires_at)?;
        out.push_sql(", last_used_at = GREATEST(last_used_at, ");
        out.push_bind_param::<BigInt, _>(&self.issued_at)?;
        out.push_sql(") WHERE id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        out.push_sql(" AND generation = ");
        out.push_bind_param::<BigInt, _>(&self.from)?;
        out.push_sql(" AND ended_at IS NULL");
        Ok(())
    }
}

/// Notes a use, if the session stands at `generation`, hasn't ended, and was last used before.
#[derive(Clone, Copy, QueryId)]
pub(crate) struct TouchSession {
    id: [u8; 16],
    generation: i64,
    at: i64,
}

impl TouchSession {
    pub(crate) fn new(id: &SessionId, generation: Generation, at: Timestamp) -> Self {
        Self { id: *id.as_bytes(), generation: number(generation), at: at.millis() }
    }
}

impl Step for TouchSession {
    fn id(&self) -> &[u8; 16] {
        &self.id
    }

    fn verdict(&self, row: &SessionRow) -> Verdict {
        if row.generation != self.generation || row.ended_at.is_some() {
            Verdict::Refused
        } else if row.last_used_at >= self.at {
            Verdict::Satisfied
        } else {
            Verdict::Open
        }
    }
}

impl<DB> QueryFragment<DB> for TouchSession
where
    DB: Backend,
    i64: ToSql<BigInt, DB>,
    [u8; 16]: ToSql<Binary, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE sessions SET last_used_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        out.push_sql(" AND generation = ");
        out.push_bind_param::<BigInt, _>(&self.generation)?;
        out.push_sql(" AND ended_at IS NULL AND last_used_at < ");
        out.push_bind_param::<BigInt, _>(&self.at)
    }
}

/// Ends a session that hasn't ended.
#[derive(Clone, Copy, QueryId)]
pub(crate) struct EndSession {
    id: [u8; 16],
    at: i64,
    reason: &'static str,
}

impl EndSession {
    pub(crate) fn new(id: &SessionId, ended: Ended) -> Self {
        Self { id: *id.as_bytes(), at: ended.at.millis(), reason: ended.reason.as_str() }
    }
}

impl Step for EndSession {
    fn id(&self) -> &[u8; 16] {
        &self.id
    }

    fn verdict(&self, row: &SessionRow) -> Verdict {
        if row.ended_at.is_none() { Verdict::Open } else { Verdict::Refused }
    }
}

impl<DB> QueryFragment<DB> for EndSession
where
    DB: Backend,
    i64: ToSql<BigInt, DB>,
    [u8; 16]: ToSql<Binary, DB>,
    str: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE sessions SET ended_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", end_reason = ");
        out.push_bind_param::<Text, _>(self.reason)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        out.push_sql(" AND ended_at IS NULL");
        Ok(())
    }
}
