//! Migrations, one replica at a time.
//!
//! A statement that changes tables commits by itself here, so each can be run again: a migration
//! that broke off goes on where it was.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel_async::RunQueryDsl;
use tokio::time::{Instant, sleep, timeout};

use super::address::Plan;
use super::connection::MysqlLink;
use crate::error::{Failure, Refusal};
use crate::server::{Link as _, Migration, Standing, Trouble, standing};

const STEPS: [Migration; 2] = [
    Migration {
        version: "20261123000000",
        sql: include_str!("../../migrations/mysql/2026-11-23-000000_sessions_and_accounts/up.sql"),
    },
    Migration {
        version: "20261126000000",
        sql: include_str!("../../migrations/mysql/2026-11-26-000000_status_indices/up.sql"),
    },
];

/// How long to wait for another replica that migrates, and for a step on a large table.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long to stand in line for a table, and how long to step aside then. Whoever waits to change
/// a table holds up all who come later, and so must not wait behind a backup.
const LINE: Duration = Duration::from_secs(1);

/// Checks the database, and brings its tables up to date if `migrate`.
pub(super) async fn check(plan: Plan, migrate: bool) -> Result<(), Refusal> {
    let connecting = timeout(plan.timeout, MysqlLink::connect(&plan)).await;
    let mut link = connecting.map_err(|_| Refusal::Silent)?.map_err(refusal)?;
    let asking = async {
        let read_only = is_read_only(&mut link).await?;
        Ok::<_, Trouble>((read_only, applied(&mut link).await?))
    };
    let asked = timeout(plan.timeout, asking).await;
    let (read_only, applied) = asked.map_err(|_| Refusal::Silent)?.map_err(refusal)?;
    match standing(&STEPS, &applied) {
        Standing::Ahead(version) => return Err(Refusal::Newer { version }),
        Standing::Behind(_) if !migrate => return Err(Refusal::NotMigrated),
        Standing::Behind(_) if read_only => return Err(Refusal::ReadOnly),
        Standing::Behind(_) => timeout(PATIENCE, run_when_free(&mut link))
            .await
            .map_err(|_| Refusal::Silent)?
            .map_err(refusal)?,
        Standing::Current => {}
    }
    // Told at the start, and not to the first user who logs in.
    if read_only { Err(Refusal::ReadOnly) } else { Ok(()) }
}

/// Whether the tables are those of this program.
pub(super) async fn is_current(link: &mut MysqlLink) -> Result<bool, Trouble> {
    Ok(standing(&STEPS, &applied(link).await?) == Standing::Current)
}

fn refusal(trouble: Trouble) -> Refusal {
    trouble.failure().into()
}

#[derive(QueryableByName)]
struct Got {
    #[diesel(sql_type = Nullable<Integer>)]
    got: Option<i32>,
}

/// Runs what is missing once nobody is in the way for long.
async fn run_when_free(link: &mut MysqlLink) -> Result<(), Trouble> {
    // A little earlier than the patience ends, so that the last answer says why.
    let until = Instant::now() + PATIENCE.saturating_sub(LINE * 3);
    loop {
        match run(link).await {
            Err(trouble) if trouble.failure() == Failure::Busy && Instant::now() < until => {
                tracing::warn!("somebody uses the tables that are to be migrated: waiting");
                sleep(LINE).await;
            }
            done => return done,
        }
    }
}

/// The lock is the server's, not the database's, so the database's name is in its own. It is gone
/// with the connection, however that ends, and may be had again by whoever has it.
async fn run(link: &mut MysqlLink) -> Result<(), Trouble> {
    let (seconds, line) = (PATIENCE.as_secs(), LINE.as_secs());
    link.execute(&format!(
        "SET SESSION lock_wait_timeout = {line} /*M!100300 , max_statement_time = 0 */"
    ))
    .await?;
    let lock = diesel::sql_query(format!(
        "SELECT CAST(GET_LOCK(CONCAT('aquaware ', MD5(DATABASE())), {seconds}) AS SIGNED) AS got"
    ));
    let answer = lock.load::<Got>(&mut link.connection).await;
    if !link.asked(answer)?.iter().any(|row| row.got == Some(1)) {
        return Err(Trouble::undone(Failure::Busy));
    }
    // Again: whoever had the lock may have done it.
    let Standing::Behind(missing) = standing(&STEPS, &applied(link).await?) else { return Ok(()) };
    link.execute(
        "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations (
             version VARCHAR(50) PRIMARY KEY NOT NULL,
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    )
    .await?;
    for step in STEPS.iter().filter(|step| missing.contains(&step.version)) {
        link.execute(step.sql).await?;
        let noted = "INSERT INTO __diesel_schema_migrations (version) VALUES";
        link.execute(&format!("{noted} ('{}')", step.version)).await?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn is_read_only(link: &mut MysqlLink) -> Result<bool, Trouble> {
    count(link, "SELECT CAST(@@global.read_only AS SIGNED) AS count").await.map(|on| on != 0)
}

async fn count(link: &mut MysqlLink, question: &str) -> Result<i64, Trouble> {
    let answer = diesel::sql_query(question).load::<Count>(&mut link.connection).await;
    let row = link.asked(answer)?.pop();
    row.map(|row| row.count).ok_or(Trouble::undone(Failure::Unexpected("a missing row")))
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// The steps the database has been through.
async fn applied(link: &mut MysqlLink) -> Result<Vec<String>, Trouble> {
    let tables = "SELECT COUNT(*) AS count FROM information_schema.tables \
                  WHERE table_schema = DATABASE() AND table_name = '__diesel_schema_migrations'";
    if count(link, tables).await? == 0 {
        return Ok(Vec::new());
    }
    let steps = diesel::sql_query("SELECT version FROM __diesel_schema_migrations");
    let answer = steps.load::<Applied>(&mut link.connection).await;
    Ok(link.asked(answer)?.into_iter().map(|step| step.version).collect())
}
