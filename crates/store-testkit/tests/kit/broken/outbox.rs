//! Every flaw of an outbox is detected by the checks listed for it, and every check detects a flaw.

mod flawed;

use std::sync::{Arc, Mutex};

use aquaware_core::id::{SessionId, Subject};
use aquaware_store_testkit::{Harness, OUTBOX_CHECKS, run_outbox_check};
use async_trait::async_trait;

use self::flawed::{Flaw, Flawed};

struct Bad(Flaw);

#[async_trait]
impl Harness for Bad {
    type Store = Flawed;

    async fn fresh(&self) -> Flawed {
        Flawed::over(self.0, Arc::default())
    }

    async fn replica(&self, _: &Flawed) -> Option<Flawed> {
        None
    }

    async fn reopen(&self, store: Flawed) -> Option<Flawed> {
        let mut entries = store.entries.lock().unwrap().clone();
        if self.0 == Flaw::ForgetsOnReopening {
            entries.pop();
        }
        Some(Flawed::over(self.0, Arc::new(Mutex::new(entries))))
    }

    async fn corrupt_session(&self, _: &Flawed, _: &SessionId) -> bool {
        false
    }

    async fn corrupt_account(&self, _: &Flawed, _: &Subject) -> bool {
        false
    }
}

mod without_a_flaw {
    use super::*;
    aquaware_store_testkit::outbox_conformance!(Bad(Flaw::None));
}

flaws_are_detected! {
    checks: OUTBOX_CHECKS, run: |name, flaw| run_outbox_check(name, || Bad(flaw)), last: OldEntriesAreDropped;
    PayloadsAreCut: an_entry_is_claimed_unchanged;
    ClaimIgnoresTheInstant: an_entry_is_not_claimed_before_it_is_due;
    LeasesNeverEnd: a_claimed_entry_is_claimed_again_when_its_lease_ends;
    ClaimsAreNotCompared: a_sender_whose_lease_ended_changes_nothing;
    AttemptsAreForgotten: a_failed_attempt_is_counted_and_postponed;
    RemovedEntriesStay: a_removed_entry_is_gone;
    LimitIsIgnored: claims_respect_their_limit;
    AppendOverwrites: appending_a_stored_entry_changes_nothing;
    CountIgnoresItsLimit: the_count_respects_its_limit;
    OrderIsThatOfIds: a_queue_is_claimed_in_the_order_of_appending;
    OneQueueForAll: a_queue_that_waits_does_not_delay_others;
    QueuesIgnoreCase: similar_queues_are_different;
    ForgetsOnReopening: acknowledged_entries_survive_reopening;
    ClaimIsNotAtomic: concurrent_claims_return_each_entry_once;
    RemoveIsNotAtomic: concurrent_removals_succeed_once;
    AppendIsNotAtomic: no_entry_is_lost_while_its_queue_is_emptied;
    OldEntriesAreDropped: ten_thousand_entries_are_claimed_once;
}
