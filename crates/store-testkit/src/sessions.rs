//! The checks of sessions. The list below is the only one; each check stands in the file of its
//! theme.

mod advance;
mod end;
mod history;
mod interplay;
mod purge;
mod race;
mod record;
mod recovery;
mod sequence;
mod status;
mod subject;
mod touch;

use aquaware_core::store::SessionStore;

use self::advance::*;
use self::end::*;
use self::history::*;
use self::interplay::*;
use self::purge::*;
use self::race::*;
use self::record::*;
use self::recovery::*;
use self::sequence::*;
use self::status::*;
use self::subject::*;
use self::touch::*;
use crate::check::Check;

/// Everything that holds for every store of sessions.
pub const SESSION_CHECKS: &[Check<dyn SessionStore>] = crate::__each_session_check!(__table);

#[doc(hidden)]
#[macro_export]
macro_rules! __each_session_check {
    ($then:ident $($context:tt)*) => {
        $crate::$then! { [$($context)*]
            the_store_answers
            a_plain_session_comes_back_as_it_was
            every_optional_field_comes_back
            every_end_reason_comes_back
            any_text_comes_back_whole
            the_longest_names_come_back_whole
            claims_of_every_shape_come_back
            times_come_back_to_the_millisecond
            generations_come_back_up_to_the_last
            ids_are_told_apart_by_every_bit
            inserting_a_known_id_changes_nothing
            an_unknown_session_is_absent

            an_advance_changes_its_own_fields_and_no_other
            an_advance_from_another_generation_changes_nothing
            an_ended_session_never_advances
            an_unknown_session_is_never_advanced_into_being
            an_advance_may_skip_generations
            replays_of_the_same_second_are_told_apart_by_generation
            an_advance_that_changes_only_the_generation_is_done
            an_advance_never_moves_the_last_use_back
            an_advance_leaves_other_sessions_alone
            ten_thousand_generations_are_one_record

            a_touch_notes_the_use_and_nothing_else
            a_touch_never_moves_the_last_use_back
            a_touch_that_changes_nothing_is_done
            a_touch_of_another_generation_changes_nothing
            an_ended_session_is_never_touched
            an_unknown_session_is_never_touched_into_being

            an_end_changes_nothing_but_the_end
            the_first_reason_stays
            an_unknown_session_is_never_ended_into_being
            an_ended_session_never_lives_again
            end_all_ends_what_lives_and_gives_it
            end_all_spares_the_exception
            end_all_of_an_unknown_subject_ends_nothing

            a_list_holds_every_session_ended_or_not
            a_list_of_many_sessions_is_whole
            new_claims_reach_the_live_sessions_of_the_subject_alone
            subjects_that_look_alike_are_different
            clients_that_differ_by_case_are_different

            a_purge_drops_what_expired_before_the_instant_alone
            a_purge_drops_no_more_than_asked
            an_ended_session_is_kept_until_its_tokens_are_dead
            a_purge_spares_what_ended_lately_and_has_an_index
            a_purged_session_leaves_no_trace
            an_expired_session_is_a_record_like_any_other

            every_status_index_comes_back
            a_status_index_is_had_once
            a_status_index_that_was_given_up_can_be_had_again
            what_ended_is_revoked_from_its_instant_on
            the_living_and_those_without_an_index_are_never_revoked
            revocations_of_many_sessions_are_whole
            a_release_takes_the_index_of_what_ended_before_the_instant_alone
            a_release_takes_no_more_than_asked

            of_many_advances_of_one_generation_one_is_done
            of_many_inserts_of_one_id_one_is_kept
            of_many_inserts_of_one_status_index_one_is_kept
            of_many_ends_one_is_done
            no_session_is_ended_twice_by_racing_end_alls
            nothing_advances_after_a_racing_end
            nothing_advances_after_a_racing_end_all
            racing_steps_never_undo_each_other
            racing_purges_drop_nothing_twice
            the_history_of_a_session_is_one_chain

            what_was_acknowledged_survives_reopening
            an_ended_session_stays_ended_after_reopening
            a_damaged_record_is_reported_as_corrupt

            generated_sequences_match_the_reference
        }
    };
}
