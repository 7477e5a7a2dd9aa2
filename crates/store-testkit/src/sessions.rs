//! The checks of session stores. This is the only list of them; each check is in the file of its
//! topic.

mod advance;
mod concurrent;
mod end;
mod history;
mod interplay;
mod purge;
mod record;
mod recovery;
mod sequence;
mod status;
mod subject;
mod touch;

use aquaware_core::store::SessionStore;

use self::advance::*;
use self::concurrent::*;
use self::end::*;
use self::history::*;
use self::interplay::*;
use self::purge::*;
use self::record::*;
use self::recovery::*;
use self::sequence::*;
use self::status::*;
use self::subject::*;
use self::touch::*;
use crate::check::{Check, run};
use crate::error::CheckResult;
use crate::fixture::Fixture;
use crate::harness::Harness;

/// Every check of a session store.
pub const SESSION_CHECKS: &[Check<dyn SessionStore>] = crate::__each_session_check!(__table);

/// Runs one check of [`SESSION_CHECKS`] on a session store of this harness, in a separate async
/// runtime. The harness is created inside that runtime.
///
/// # Errors
/// [`CheckError`](crate::CheckError) when the store breaks the contract, or no check has this name.
pub fn run_session_check<H>(name: &str, harness: impl FnOnce() -> H) -> CheckResult
where
    H: Harness + 'static,
    H::Store: SessionStore,
{
    run(SESSION_CHECKS, name, async { Fixture::sessions(harness()).await })
}

#[doc(hidden)]
#[macro_export]
macro_rules! __each_session_check {
    ($then:ident $($context:tt)*) => {
        $crate::$then! { [$($context)*]
            the_store_answers_a_ping
            a_minimal_session_is_read_back_unchanged
            every_optional_field_is_read_back
            every_end_reason_is_read_back
            any_text_is_read_back_unchanged
            texts_of_maximum_length_are_read_back_unchanged
            claims_of_every_json_type_are_read_back
            times_are_kept_to_the_millisecond
            generations_are_kept_up_to_the_maximum
            ids_are_compared_bit_by_bit
            inserting_a_known_id_changes_nothing
            an_unknown_session_is_not_found

            an_advance_changes_only_its_own_fields
            an_advance_from_another_generation_changes_nothing
            an_ended_session_never_advances
            an_advance_never_creates_a_session
            an_advance_may_skip_generations
            replays_in_the_same_instant_are_distinguished_by_generation
            an_advance_that_changes_only_the_generation_is_applied
            an_advance_never_moves_the_last_use_back
            an_advance_never_moves_the_expiry_back
            the_shown_use_changes_only_when_the_last_use_is_old_enough
            an_advance_does_not_change_other_sessions
            ten_thousand_generations_stay_one_record

            a_touch_changes_only_the_last_use
            a_touch_never_moves_the_last_use_back
            a_touch_that_changes_nothing_is_applied
            a_touch_of_another_generation_changes_nothing
            an_ended_session_is_never_touched
            a_touch_never_creates_a_session

            an_end_changes_only_the_end
            the_first_end_reason_is_kept
            an_end_never_creates_a_session
            an_ended_session_stays_ended
            end_all_ends_and_returns_the_live_sessions
            end_all_skips_the_exception
            end_all_of_an_unknown_subject_ends_nothing
            an_end_erases_what_ended_sessions_do_not_need
            end_all_respects_its_limit
            end_least_used_keeps_the_sessions_used_last

            a_list_contains_only_live_sessions
            a_list_is_in_pages_newest_first
            a_long_list_is_complete
            set_claims_changes_only_the_given_live_sessions
            similar_subjects_are_different
            client_ids_are_case_sensitive

            a_purge_removes_only_sessions_expired_before_the_instant
            a_purge_respects_its_limit
            an_ended_session_is_kept_until_its_tokens_expire
            a_purge_keeps_recently_ended_sessions_with_a_status_index
            a_purged_session_leaves_no_trace
            an_expired_session_is_treated_like_any_other

            every_status_index_is_read_back
            a_status_index_belongs_to_one_session
            a_released_status_index_can_be_reused
            revoked_returns_sessions_that_ended_at_or_after_the_instant
            revoked_omits_live_sessions_and_sessions_without_an_index
            a_long_list_of_revocations_is_complete
            a_release_affects_only_sessions_that_ended_before_the_instant
            a_release_respects_its_limit

            concurrent_advances_of_one_generation_apply_once
            concurrent_inserts_of_one_id_succeed_once
            concurrent_inserts_of_one_status_index_succeed_once
            concurrent_ends_apply_once
            concurrent_end_alls_end_each_session_once
            no_session_advances_after_a_concurrent_end
            no_session_advances_after_a_concurrent_end_all
            concurrent_steps_never_undo_each_other
            concurrent_purges_count_each_session_once
            concurrent_observers_see_one_linear_history

            acknowledged_steps_survive_reopening
            an_ended_session_stays_ended_after_reopening
            a_damaged_record_is_reported_as_corrupt

            generated_sequences_match_the_reference
        }
    };
}
