//! Migrations, all in one transaction.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::connection::PostgresConnection;
use crate::error::SqlError;
use crate::server::{
    Access, CREATE_MIGRATIONS, LOCK_WAIT, Migrate, Migration, MigrationStatus, ServerState,
    SqlConnection as _, StatementError, status,
};

/// The advisory lock of the replica that migrates; the others wait for it and then find nothing left
/// to do. An arbitrary number: the first bytes of "aquaware".
const LOCK: i64 = 0x6171_7561_7761_7265;

#[derive(QueryableByName)]
struct ServerRow {
    #[diesel(sql_type = Text)]
    encoding: String,
    #[diesel(sql_type = Bool)]
    read_only: bool,
}

#[derive(QueryableByName)]
struct TableRow {
    #[diesel(sql_type = Bool)]
    is_there: bool,
}

impl Migrate for PostgresConnection {
    const MIGRATIONS: &'static [Migration] = &[
        Migration {
            version: "20261123000000",
            sql: include_str!(
                "../../migrations/postgres/2026-11-23-000000_sessions_and_accounts/up.sql"
            ),
        },
        Migration {
            version: "20261126000000",
            sql: include_str!("../../migrations/postgres/2026-11-26-000000_status_indices/up.sql"),
        },
        Migration {
            version: "20261130000000",
            sql: include_str!("../../migrations/postgres/2026-11-30-000000_visible_uses/up.sql"),
        },
        Migration {
            version: "20261130000001",
            sql: include_str!("../../migrations/postgres/2026-11-30-000001_outbox/up.sql"),
        },
        Migration {
            version: "20261130000002",
            sql: include_str!("../../migrations/postgres/2026-11-30-000002_email_verified/up.sql"),
        },
    ];

    async fn state(&mut self) -> Result<ServerState, StatementError> {
        let query = diesel::sql_query(
            "SELECT current_setting('server_encoding') AS encoding, \
             current_setting('transaction_read_only') = 'on' AS read_only",
        );
        let row: Option<ServerRow> = self.load(Access::Read, query).await?.pop();
        let row =
            row.ok_or(StatementError::rolled_back(SqlError::Unexpected("a row is missing")))?;
        Ok(ServerState { read_only: row.read_only, is_utf8: row.encoding == "UTF8" })
    }

    /// Reading a table that does not exist would abort the transaction, so its name is looked up
    /// first. `to_regclass` alone is not enough: without a table to lock, it may respond from what
    /// the connection knew before it waited for the lock.
    async fn has_migrations(&mut self) -> Result<bool, StatementError> {
        let query = diesel::sql_query(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_class \
             WHERE oid = to_regclass('__diesel_schema_migrations')) AS is_there",
        );
        let rows: Vec<TableRow> = self.load(Access::Read, query).await?;
        Ok(rows.iter().any(|row| row.is_there))
    }

    async fn run_missing(&mut self) -> Result<(), StatementError> {
        // A migration may take longer than other operations. `LOCAL` ends with the transaction.
        self.run_script(
            "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
             SET LOCAL idle_in_transaction_session_timeout = 0",
        )
        .await?;
        self.run_script(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
        self.run_script(&format!("SET LOCAL lock_timeout = {}", LOCK_WAIT.as_millis())).await?;
        // Compared again, because the last holder of the lock may have run them.
        if let MigrationStatus::Behind(missing) = status(self).await? {
            self.run_script(CREATE_MIGRATIONS).await?;
            let missing = Self::MIGRATIONS.iter().filter(|it| missing.contains(&it.version));
            for migration in missing {
                self.run_script(migration.sql).await?;
                self.run_script(&migration.record()).await?;
            }
        }
        self.run_script("COMMIT").await
    }

    async fn abort(&mut self) -> Result<(), StatementError> {
        self.run_script("ROLLBACK").await
    }
}
