//! Migrations, in one transaction, one replica at a time.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::RunQueryDsl;
use tokio::time::{Instant, sleep, timeout};

use super::address::Plan;
use super::connection::PgLink;
use crate::error::{Failure, Refusal};
use crate::server::{Link as _, Migration, Standing, Trouble, standing};

const STEPS: [Migration; 2] = [
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
];

/// Whoever holds this migrates; the others wait and then find that it is done. A number nobody
/// else should use: the first bytes of "aquaware".
const LOCK: i64 = 0x6171_7561_7761_7265;

/// How long to wait for another replica that migrates, and for a step on a large table.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long to stand in line for a table, and how long to step aside then. Whoever waits to change
/// a table holds up all who come later, and so must not wait behind a backup.
const LINE: Duration = Duration::from_secs(1);

/// Checks the database, and brings its tables up to date if `migrate`.
pub(super) async fn check(plan: Plan, migrate: bool) -> Result<(), Refusal> {
    let connecting = timeout(plan.timeout, PgLink::connect(&plan)).await;
    let mut link = connecting.map_err(|_| Refusal::Silent)?.map_err(refusal)?;
    let server = timeout(plan.timeout, server(&mut link)).await;
    let server = server.map_err(|_| Refusal::Silent)?.map_err(refusal)?;
    if server.encoding != "UTF8" {
        return Err(Refusal::Encoding);
    }
    let applied = timeout(plan.timeout, applied(&mut link)).await;
    let applied = applied.map_err(|_| Refusal::Silent)?.map_err(refusal)?;
    match standing(&STEPS, &applied) {
        Standing::Ahead(version) => return Err(Refusal::Newer { version }),
        Standing::Behind(_) if !migrate => return Err(Refusal::NotMigrated),
        Standing::Behind(_) if server.read_only => return Err(Refusal::ReadOnly),
        Standing::Behind(_) => timeout(PATIENCE, run_when_free(&mut link))
            .await
            .map_err(|_| Refusal::Silent)?
            .map_err(refusal)?,
        Standing::Current => {}
    }
    // Told at the start, and not to the first user who logs in.
    if server.read_only { Err(Refusal::ReadOnly) } else { Ok(()) }
}

/// Whether the tables are those of this program.
pub(super) async fn is_current(link: &mut PgLink) -> Result<bool, Trouble> {
    Ok(standing(&STEPS, &applied(link).await?) == Standing::Current)
}

fn refusal(trouble: Trouble) -> Refusal {
    trouble.failure().into()
}

/// Runs what is missing once nobody is in the way for long.
async fn run_when_free(link: &mut PgLink) -> Result<(), Trouble> {
    // A little earlier than the patience ends, so that the last answer says why.
    let until = Instant::now() + PATIENCE.saturating_sub(LINE * 3);
    loop {
        match run(link).await {
            Err(trouble) if trouble.failure() == Failure::Busy && Instant::now() < until => {
                tracing::warn!("somebody uses the tables that are to be migrated: waiting");
                link.execute("ROLLBACK").await?;
                sleep(LINE).await;
            }
            done => return done,
        }
    }
}

async fn run(link: &mut PgLink) -> Result<(), Trouble> {
    // A step may take longer than what the tables are for. `LOCAL` ends with the transaction.
    link.execute(
        "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
         SET LOCAL idle_in_transaction_session_timeout = 0",
    )
    .await?;
    link.execute(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    link.execute(&format!("SET LOCAL lock_timeout = {}", LINE.as_millis())).await?;
    // Again: whoever had the lock may have done it.
    if let Standing::Behind(missing) = standing(&STEPS, &applied(link).await?) {
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
    }
    link.execute("COMMIT").await
}

#[derive(QueryableByName)]
struct Server {
    #[diesel(sql_type = Text)]
    encoding: String,
    #[diesel(sql_type = Bool)]
    read_only: bool,
}

async fn server(link: &mut PgLink) -> Result<Server, Trouble> {
    let question = diesel::sql_query(
        "SELECT current_setting('server_encoding') AS encoding, \
         current_setting('transaction_read_only') = 'on' AS read_only",
    );
    let answer = question.load(&mut link.connection).await;
    link.asked(answer)?.pop().ok_or(Trouble::undone(Failure::Unexpected("a missing row")))
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Bool)]
    is_there: bool,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// The steps the database has been through. Asking a table that isn't there would end the
/// transaction, so its name is looked up first. Not by `to_regclass` alone: without a table to
/// lock, it may answer from what the connection knew before it waited.
async fn applied(link: &mut PgLink) -> Result<Vec<String>, Trouble> {
    let table = diesel::sql_query(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class \
         WHERE oid = to_regclass('__diesel_schema_migrations')) AS is_there",
    );
    let answer = table.load::<Table>(&mut link.connection).await;
    if !link.asked(answer)?.iter().any(|table| table.is_there) {
        return Ok(Vec::new());
    }
    let steps = diesel::sql_query("SELECT version FROM __diesel_schema_migrations");
    let answer = steps.load::<Applied>(&mut link.connection).await;
    Ok(link.asked(answer)?.into_iter().map(|step| step.version).collect())
}
