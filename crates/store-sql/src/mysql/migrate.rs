//! Migrations. A statement that changes tables commits on its own here, so each of them can be run
//! again: a migration that was interrupted continues where it stopped.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable};

use super::connection::MysqlConnection;
use crate::error::SqlError;
use crate::server::{
    Access, CREATE_MIGRATIONS, LOCK_WAIT, MAX_WAIT, Migrate, Migration, MigrationStatus,
    ServerState, SqlConnection as _, StatementError, status,
};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct LockRow {
    #[diesel(sql_type = Nullable<Integer>)]
    acquired: Option<i32>,
}

impl Migrate for MysqlConnection {
    const MIGRATIONS: &'static [Migration] = &[
        Migration {
            version: "20261123000000",
            sql: include_str!(
                "../../migrations/mysql/2026-11-23-000000_sessions_and_accounts/up.sql"
            ),
        },
        Migration {
            version: "20261126000000",
            sql: include_str!("../../migrations/mysql/2026-11-26-000000_status_indices/up.sql"),
        },
        Migration {
            version: "20261130000000",
            sql: include_str!("../../migrations/mysql/2026-11-30-000000_visible_uses/up.sql"),
        },
        Migration {
            version: "20261130000001",
            sql: include_str!("../../migrations/mysql/2026-11-30-000001_outbox/up.sql"),
        },
        Migration {
            version: "20261130000002",
            sql: include_str!("../../migrations/mysql/2026-11-30-000002_email_verified/up.sql"),
        },
    ];

    /// The columns store bytes, so the encoding of the database does not matter.
    async fn state(&mut self) -> Result<ServerState, StatementError> {
        let read_only = count(self, "SELECT CAST(@@global.read_only AS SIGNED) AS count").await?;
        Ok(ServerState { read_only: read_only != 0, is_utf8: true })
    }

    async fn has_migrations(&mut self) -> Result<bool, StatementError> {
        let tables = "SELECT COUNT(*) AS count FROM information_schema.tables WHERE \
                      table_schema = DATABASE() AND table_name = '__diesel_schema_migrations'";
        Ok(count(self, tables).await? > 0)
    }

    /// The lock belongs to the server and not to the database, so its name includes the database's.
    /// It ends with the connection, and its holder may acquire it again.
    async fn run_missing(&mut self) -> Result<(), StatementError> {
        let (seconds, wait) = (MAX_WAIT.as_secs(), LOCK_WAIT.as_secs());
        self.run_script(&format!(
            "SET SESSION lock_wait_timeout = {wait} /*M!100300 , max_statement_time = 0 */"
        ))
        .await?;
        let lock = diesel::sql_query(format!(
            "SELECT CAST(GET_LOCK(CONCAT('aquaware ', MD5(DATABASE())), {seconds}) AS SIGNED) \
             AS acquired"
        ));
        let rows: Vec<LockRow> = self.load(Access::Read, lock).await?;
        if !rows.iter().any(|row| row.acquired == Some(1)) {
            return Err(StatementError::rolled_back(SqlError::Locked));
        }
        // Compared again, because the last holder of the lock may have run them.
        let MigrationStatus::Behind(missing) = status(self).await? else { return Ok(()) };
        self.run_script(CREATE_MIGRATIONS).await?;
        for migration in Self::MIGRATIONS.iter().filter(|it| missing.contains(&it.version)) {
            self.run_script(migration.sql).await?;
            self.run_script(&migration.record()).await?;
        }
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), StatementError> {
        // Every statement has committed on its own.
        Ok(())
    }
}

async fn count(connection: &mut MysqlConnection, query: &str) -> Result<i64, StatementError> {
    let rows: Vec<Count> = connection.load(Access::Read, diesel::sql_query(query)).await?;
    let row =
        rows.first().ok_or(StatementError::rolled_back(SqlError::Unexpected("a row is missing")));
    row.map(|row| row.count)
}
