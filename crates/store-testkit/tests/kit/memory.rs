//! The reference passes every check, also behind a `FaultyStore` without faults.

use std::sync::Arc;
use std::time::Duration;

use aquaware_core::id::{SessionId, Subject};
use aquaware_core::limits::{CounterKey, LocalCounters};
use aquaware_core::store::{Counters, MemoryStore};
use aquaware_store_testkit::{
    CounterHarness, FaultyStore, Harness, conformance, outbox_conformance,
};
use async_trait::async_trait;

/// A harness of an in-memory store.
macro_rules! in_memory {
    ($harness:ident, $store:ty, $fresh:expr) => {
        pub(super) struct $harness;

        #[async_trait]
        impl Harness for $harness {
            type Store = $store;

            async fn fresh(&self) -> $store {
                $fresh
            }

            async fn replica(&self, _: &$store) -> Option<$store> {
                None
            }

            async fn reopen(&self, _: $store) -> Option<$store> {
                None
            }

            async fn corrupt_session(&self, _: &$store, _: &SessionId) -> bool {
                false
            }

            async fn corrupt_account(&self, _: &$store, _: &Subject) -> bool {
                false
            }
        }
    };
}

in_memory!(Memory, MemoryStore, MemoryStore::new());
in_memory!(Wrapped, FaultyStore<MemoryStore>, FaultyStore::new(MemoryStore::new()));

mod reference {
    use super::*;
    conformance!(Memory);
    mod outbox {
        use super::*;
        outbox_conformance!(Memory);
    }
}

/// The counters of one process, which use the clock of the caller.
mod counters {
    use super::*;
    aquaware_store_testkit::counter_conformance!(OneProcess);

    struct OneProcess;

    #[async_trait]
    impl CounterHarness for OneProcess {
        async fn fresh(&self) -> Arc<dyn Counters> {
            Arc::new(LocalCounters::default())
        }

        async fn replica(&self) -> Option<Arc<dyn Counters>> {
            None
        }

        async fn pass(&self, _: Duration, _: &[CounterKey]) {}

        fn has_clock(&self) -> bool {
            false
        }
    }
}

mod wrapped {
    use super::*;
    conformance!(Wrapped);
    mod outbox {
        use super::*;
        outbox_conformance!(Wrapped);
    }
}

mod lists {
    use super::*;
    use aquaware_store_testkit::{
        ACCOUNT_CHECKS, SESSION_CHECKS, account_conformance, run_session_check, session_conformance,
    };

    mod apart {
        use super::*;
        // Both fit into one module, because no check of sessions has the name of a check of accounts.
        session_conformance!(Memory);
        account_conformance!(super::Memory);
    }

    #[test]
    fn check_names_are_unique() {
        let sessions = SESSION_CHECKS.iter().map(|check| check.name());
        let mut names: Vec<_> =
            sessions.chain(ACCOUNT_CHECKS.iter().map(|check| check.name())).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn running_an_unknown_check_fails() {
        assert!(run_session_check("a_check_that_does_not_exist", || Memory).is_err());
    }
}
