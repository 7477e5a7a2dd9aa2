//! The statements of the outbox.

use diesel::dsl::{auto_type, delete, insert_into, update};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, HasSqlType, Text};

use crate::row::EntryRow;
use crate::schema::outbox;

#[auto_type]
pub(crate) fn insert_entry(row: EntryRow) -> _ {
    insert_into(outbox::table).values(row)
}

/// Claims an entry that is due at `due_at`, unless another claim was faster.
#[auto_type]
pub(crate) fn claim_entry(id: Vec<u8>, due_at: i64, lease_until: i64) -> _ {
    update(outbox::table.filter(outbox::id.eq(id)).filter(outbox::due_at.eq(due_at)))
        .set(outbox::due_at.eq(lease_until))
}

/// Ends the claim of an entry after a failed attempt.
#[auto_type]
pub(crate) fn retry_entry(id: Vec<u8>, claim: i64, at: i64, attempts: i64) -> _ {
    update(outbox::table.filter(outbox::id.eq(id)).filter(outbox::due_at.eq(claim)))
        .set((outbox::due_at.eq(at), outbox::attempts.eq(attempts)))
}

/// Moves the entries behind one that waits until `at`, so that no search for due entries passes
/// them before that instant.
#[auto_type]
pub(crate) fn postpone_queue(queue: String, at: i64) -> _ {
    update(outbox::table.filter(outbox::queue.eq(queue)).filter(outbox::due_at.lt(at)))
        .set(outbox::due_at.eq(at))
}

/// Removes a claimed entry.
#[auto_type]
pub(crate) fn remove_entry(id: Vec<u8>, claim: i64) -> _ {
    delete(outbox::table.filter(outbox::id.eq(id)).filter(outbox::due_at.eq(claim)))
}

/// Up to `rows` entries that are due at `now` and the first of their queues.
#[derive(Clone, Copy, QueryId)]
pub(crate) struct DueEntries {
    pub(crate) now: i64,
    pub(crate) rows: i64,
}

impl Query for DueEntries {
    type SqlType = (Binary, Text, Text, Text, BigInt, BigInt, BigInt);
}

impl<C> diesel::RunQueryDsl<C> for DueEntries {}

impl<DB> QueryFragment<DB> for DueEntries
where
    DB: diesel::backend::Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(
            "SELECT id, queue, kind, payload, created_at, due_at, attempts FROM outbox entry \
             WHERE due_at <= ",
        );
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(
            " AND NOT EXISTS (SELECT 1 FROM outbox earlier \
             WHERE earlier.queue = entry.queue AND earlier.seq < entry.seq) \
             ORDER BY due_at, seq LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.rows)
    }
}

/// The number of entries, counted up to `at_most`.
#[derive(Clone, Copy, QueryId)]
pub(crate) struct CountEntries {
    pub(crate) at_most: i64,
}

impl Query for CountEntries {
    type SqlType = BigInt;
}

impl<C> diesel::RunQueryDsl<C> for CountEntries {}

impl<DB> QueryFragment<DB> for CountEntries
where
    DB: diesel::backend::Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("SELECT COUNT(*) FROM (SELECT seq FROM outbox LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.at_most)?;
        out.push_sql(") counted");
        Ok(())
    }
}
