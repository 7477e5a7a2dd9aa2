//! Stores whose operations are measured and whose changes are emitted as events. Every path to a
//! change of a session or an account leads through a store, so none can be forgotten here.

mod accounts;
mod counters;
mod outbox;
mod sessions;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use aquaware_core::store::{AccountStore, Counters, Outbox, SessionStore, StoreError};

use crate::events::Events;
use crate::metrics::Metrics;

/// A store with measured operations.
struct Observed<S: ?Sized> {
    store: Arc<S>,
    metrics: Arc<Metrics>,
    events: Events,
    /// The value of the label `store`.
    name: &'static str,
}

impl Metrics {
    /// Measures the operations of a session store, and emits the ends of its sessions as events.
    #[must_use]
    pub fn observe_sessions(
        self: &Arc<Self>,
        store: Arc<dyn SessionStore>,
        events: Events,
    ) -> Arc<dyn SessionStore> {
        Arc::new(Observed { store, metrics: Arc::clone(self), events, name: "sessions" })
    }

    /// Measures the operations of an account store, and emits changes of its accounts as events.
    #[must_use]
    pub fn observe_accounts(
        self: &Arc<Self>,
        store: Arc<dyn AccountStore>,
        events: Events,
    ) -> Arc<dyn AccountStore> {
        Arc::new(Observed { store, metrics: Arc::clone(self), events, name: "accounts" })
    }

    /// Measures the operations of counters that replicas share.
    #[must_use]
    pub fn observe_counters(self: &Arc<Self>, store: Arc<dyn Counters>) -> Arc<dyn Counters> {
        let (metrics, events) = (Arc::clone(self), Events::default());
        Arc::new(Observed { store, metrics, events, name: "limits" })
    }

    /// Measures the operations of an outbox.
    #[must_use]
    pub fn observe_outbox(self: &Arc<Self>, store: Arc<dyn Outbox>) -> Arc<dyn Outbox> {
        let (metrics, events) = (Arc::clone(self), Events::default());
        Arc::new(Observed { store, metrics, events, name: "outbox" })
    }
}

impl<S: ?Sized> Observed<S> {
    async fn measure<T>(
        &self,
        operation: &'static str,
        step: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = step.await;
        let outcome = match &result {
            Ok(_) => "ok",
            Err(StoreError::Unreachable(_)) => "unreachable",
            Err(StoreError::UnknownOutcome(_)) => "unknown_outcome",
            Err(StoreError::Rejected(_)) => "rejected",
            Err(StoreError::Corrupt { .. }) => "corrupt",
        };
        self.metrics.store_operation(self.name, operation, outcome, started.elapsed());
        result
    }
}

impl<S: ?Sized + fmt::Debug> fmt::Debug for Observed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observed").field(&self.store).finish()
    }
}

#[cfg(test)]
mod tests {
    use aquaware_core::service::Sessions;
    use aquaware_core::session::EndReason;
    use aquaware_core::store::MemoryStore;
    use aquaware_core::testing::{SeededRandom, fixture};

    use super::*;
    use crate::metrics::Format;

    #[actix_web::test]
    async fn operations_are_counted_and_each_session_ends_once() {
        let metrics = Arc::new(Metrics::new());
        let store = metrics.observe_sessions(Arc::new(MemoryStore::new()), Events::default());
        let snapshot = fixture::sessions(Arc::new(MemoryStore::new()), fixture::policy())
            .context(fixture::NOW)
            .snapshot;
        let sessions = Sessions::new(store, Arc::new(SeededRandom::new(1)), snapshot);
        let context = sessions.context(fixture::NOW);
        let client = context.snapshot.policy().clients().next().unwrap();
        let opened = sessions.open(&context, client, fixture::login_of(7)).await.unwrap();
        for _ in 0..2 {
            sessions.end(&context, &opened.session.id, EndReason::Revoked).await.unwrap();
        }
        let text = metrics.render(Format::Text, &context);
        for line in [
            r#"aquaware_store_operations_total{store="sessions",operation="insert",outcome="ok"} 1"#,
            r#"aquaware_store_operations_total{store="sessions",operation="end",outcome="ok"} 2"#,
            r#"aquaware_sessions_ended_total{reason="revoked"} 1"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
        }
    }
}
