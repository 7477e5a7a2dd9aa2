//! A connection to PostgreSQL: made here and not by diesel, which neither speaks TLS nor says what
//! went wrong.

use std::sync::Arc;
use std::time::Duration;

use diesel::QueryResult;
use diesel::result::ConnectionError;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use tokio::task::{JoinHandle, yield_now};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::address::{Place, Plan};
use super::dial::{Dialled, dial};
use super::failure::{of_connecting, trouble};
use super::probe::{Idle, Probe};
use super::wire::{Watched, Wire};
use crate::error::Failure;
use crate::server::{Link, Trouble};

/// How often the driver may run to read what has arrived on an idle connection: the end of the last
/// response, or a notice. More than that is not idle.
const MAX_YIELDS: usize = 16;

/// A connection, and what is seen of it.
pub(super) struct PgLink {
    pub(super) connection: AsyncPgConnection,
    wire: Arc<Wire>,
    driver: JoinHandle<()>,
    probe: Probe,
    encrypted: bool,
}

impl PgLink {
    /// What a query came to.
    pub(super) fn asked<T>(&self, result: QueryResult<T>) -> Result<T, Trouble> {
        result.map_err(|error| trouble(&error, &self.wire))
    }

    /// Whether nobody on the way can read along.
    pub(super) const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Carries out statements that give nothing.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<(), Trouble> {
        let done = self.connection.batch_execute(sql).await;
        self.asked(done)
    }
}

impl Link for PgLink {
    type Plan = Plan;

    async fn connect(plan: &Plan) -> Result<Self, Trouble> {
        let mut last = Trouble::unsent(Failure::NoConnection);
        // As libpq does: the places in order, the first that serves.
        for place in &plan.places {
            match reach(plan, place).await {
                Ok(link) => return Ok(link),
                Err(failure) => last = Trouble::unsent(failure),
            }
        }
        Err(last)
    }

    /// Looks at the socket too: the driver learns of a closed connection only when its task runs,
    /// and a statement sent before that has an unknown outcome.
    async fn is_closed(&mut self) -> bool {
        for _ in 0..MAX_YIELDS {
            match self.probe.state() {
                Idle::Quiet => return self.driver.is_finished(),
                Idle::Closed => return true,
                Idle::Unread => yield_now().await,
            }
        }
        true
    }

    async fn check(&mut self) -> Result<(), Trouble> {
        // A connection that was closed shows itself by its driver's end.
        Ok(())
    }

    fn begin(&mut self) {
        self.wire.begin();
    }

    fn has_sent(&self) -> bool {
        self.wire.has_sent()
    }

    fn abandon(&mut self) {
        // Else it waits for answers that may never come.
        self.driver.abort();
    }
}

async fn reach(plan: &Plan, place: &Place) -> Result<PgLink, Failure> {
    let wire = Arc::new(Wire::default());
    let dialled = dial(place, &plan.trust, plan.timeout).await?;
    let Dialled { stream, probe, encrypted } = dialled;
    let watched = Watched::new(stream, Arc::clone(&wire));
    let (client, connection) = plan
        .config
        .connect_raw(watched, super::dial::Ready)
        .await
        .map_err(|error| of_connecting(&error))?;
    let driver = tokio::spawn(async move {
        // Whoever waits for an answer learns of it by the answer's absence.
        let _ = connection.await;
    });
    if plan.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite {
        takes_changes(&client).await?;
    }
    let connection = AsyncPgConnection::try_from(client).await.map_err(|error| match error {
        ConnectionError::CouldntSetupConfiguration(error) => trouble(&error, &wire).failure(),
        _ => Failure::Broken,
    })?;
    let mut link = PgLink { connection, wire, driver, probe, encrypted };
    link.execute(&settings(plan.timeout)).await.map_err(|trouble| trouble.failure())?;
    Ok(link)
}

async fn takes_changes(client: &Client) -> Result<(), Failure> {
    let answer = client
        .simple_query("SHOW transaction_read_only")
        .await
        .map_err(|error| of_connecting(&error))?;
    let off = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("off"));
    if answer.iter().any(off) { Ok(()) } else { Err(Failure::Replica) }
}

/// The server gives up before the caller does, so that a step that took too long is known to have
/// changed nothing, and so that nothing lingers there when this side is gone. The isolation is the
/// weakest: each step is one statement, and whoever is second must see what the first left.
fn settings(timeout: Duration) -> String {
    let millis = timeout.as_millis();
    let patience = millis.saturating_mul(3) / 4;
    format!(
        "SET statement_timeout = {patience};
         SET lock_timeout = {patience};
         SET idle_in_transaction_session_timeout = {millis};
         SET default_transaction_isolation = 'read committed'"
    )
}
