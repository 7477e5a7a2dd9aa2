//! The checks of the outbox. This is the only list of them; each check is in the file of its topic.

mod claim;
mod concurrent;
mod queue;
mod steps;

use aquaware_core::store::Outbox;

use self::claim::*;
use self::concurrent::*;
use self::queue::*;
use crate::check::{Check, run};
use crate::error::CheckResult;
use crate::fixture::Fixture;
use crate::harness::Harness;

/// Every check of an outbox.
pub const OUTBOX_CHECKS: &[Check<dyn Outbox>] = crate::__each_outbox_check!(__table);

/// Runs one check of [`OUTBOX_CHECKS`] on an outbox of this harness, in a separate async runtime. The
/// harness is created inside that runtime.
///
/// # Errors
/// [`CheckError`](crate::CheckError) when the store breaks the contract, or no check has this name.
pub fn run_outbox_check<H>(name: &str, harness: impl FnOnce() -> H) -> CheckResult
where
    H: Harness + 'static,
    H::Store: Outbox,
{
    run(OUTBOX_CHECKS, name, async { Fixture::outbox(harness()).await })
}

#[doc(hidden)]
#[macro_export]
macro_rules! __each_outbox_check {
    ($then:ident $($context:tt)*) => {
        $crate::$then! { [$($context)*]
            an_entry_is_claimed_unchanged
            an_entry_is_not_claimed_before_it_is_due
            a_claimed_entry_is_claimed_again_when_its_lease_ends
            a_sender_whose_lease_ended_changes_nothing
            a_failed_attempt_is_counted_and_postponed
            a_removed_entry_is_gone
            claims_respect_their_limit
            appending_a_stored_entry_changes_nothing
            the_count_respects_its_limit

            a_queue_is_claimed_in_the_order_of_appending
            a_queue_that_waits_does_not_delay_others
            similar_queues_are_different
            acknowledged_entries_survive_reopening

            concurrent_claims_return_each_entry_once
            concurrent_removals_succeed_once
            no_entry_is_lost_while_its_queue_is_emptied
            ten_thousand_entries_are_claimed_once
        }
    };
}
