//! Every flaw of a session store is detected by the checks listed for it, and every check detects a flaw.

mod flawed;

use std::sync::{Arc, Mutex};

use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_store_testkit::{Harness, SESSION_CHECKS, Settings, run_session_check};
use async_trait::async_trait;

use self::flawed::{Flaw, Flawed};

struct Bad(Flaw);

#[async_trait]
impl Harness for Bad {
    type Store = Flawed;

    async fn fresh(&self) -> Flawed {
        Flawed::over(self.0, Arc::default())
    }

    async fn replica(&self, store: &Flawed) -> Option<Flawed> {
        // Flaws that are visible within one process must be detected without a replica.
        matches!(self.0, Flaw::LocksInTheProcess | Flaw::None)
            .then(|| Flawed::over(self.0, Arc::clone(&store.records)))
    }

    async fn reopen(&self, store: Flawed) -> Option<Flawed> {
        let mut records = store.records.lock().unwrap().clone();
        for session in records.values_mut() {
            match self.0 {
                Flaw::ForgetsEndsOnReopening => session.ended = None,
                Flaw::ForgetsAdvancesOnReopening => session.generation = Generation::FIRST,
                _ => {}
            }
        }
        Some(Flawed::over(self.0, Arc::new(Mutex::new(records))))
    }

    async fn corrupt_session(&self, store: &Flawed, id: &SessionId) -> bool {
        store.damaged.lock().unwrap().insert(*id)
    }

    async fn corrupt_account(&self, _: &Flawed, _: &Subject) -> bool {
        false
    }

    fn settings(&self) -> Settings {
        Settings { generations: 100, ..Settings::default() }
    }
}

mod without_a_flaw {
    use super::*;
    aquaware_store_testkit::session_conformance!(Bad(Flaw::None));
}

flaws_are_detected! {
    checks: SESSION_CHECKS, run: |name, flaw| run_session_check(name, || Bad(flaw)), last: CorruptIsNotFound;
    PingFails: the_store_answers_a_ping;
    DeviceDropsTheAddress: every_optional_field_is_read_back;
    OnlyTwoReasons: every_end_reason_is_read_back the_first_end_reason_is_kept
        generated_sequences_match_the_reference;
    TextsAreTruncated: texts_of_maximum_length_are_read_back_unchanged;
    IdsIgnoreCase: ids_are_compared_bit_by_bit;
    FindInventsRecords: an_unknown_session_is_not_found generated_sequences_match_the_reference;
    AdvanceByOneOnly: an_advance_may_skip_generations generated_sequences_match_the_reference;
    AdvanceReportsChangedRows: an_advance_that_changes_only_the_generation_is_applied;
    AdvanceAffectsOthers: an_advance_does_not_change_other_sessions
        generated_sequences_match_the_reference;
    TouchMovesExpiry: a_touch_changes_only_the_last_use
        generated_sequences_match_the_reference;
    TouchIgnoresGeneration: a_touch_of_another_generation_changes_nothing
        generated_sequences_match_the_reference;
    TouchAffectsEndedSessions: an_ended_session_is_never_touched an_ended_session_stays_ended
        generated_sequences_match_the_reference;
    EndMovesExpiry: an_end_changes_only_the_end generated_sequences_match_the_reference;
    EndCreates: an_end_never_creates_a_session
        generated_sequences_match_the_reference;
    EndAllIgnoresTheSubject: end_all_of_an_unknown_subject_ends_nothing
        generated_sequences_match_the_reference;
    ClientsIgnoreCase: client_ids_are_case_sensitive;
    PurgeLeavesTheIndex: a_purged_session_leaves_no_trace generated_sequences_match_the_reference;
    PurgeIsNotAtomic: concurrent_purges_count_each_session_once;
    ExpiredIsNotFound: an_expired_session_is_treated_like_any_other;
    StepsAreNotAtomic: concurrent_advances_of_one_generation_apply_once no_session_advances_after_a_concurrent_end
        no_session_advances_after_a_concurrent_end_all concurrent_observers_see_one_linear_history;
    LocksInTheProcess: concurrent_advances_of_one_generation_apply_once
        concurrent_observers_see_one_linear_history;
    AdvanceCreates: an_advance_never_creates_a_session
        generated_sequences_match_the_reference;
    AdvanceRevives: an_ended_session_never_advances an_ended_session_stays_ended
        generated_sequences_match_the_reference;
    AdvanceReportsFoundRows: an_advance_from_another_generation_changes_nothing
        concurrent_advances_of_one_generation_apply_once generated_sequences_match_the_reference;
    AdvanceComparesTimes: replays_in_the_same_instant_are_distinguished_by_generation;
    AdvanceKeepsTheMark: an_advance_changes_only_its_own_fields;
    AdvanceMovesLastUseBack: an_advance_never_moves_the_last_use_back
        generated_sequences_match_the_reference;
    TouchReportsChangedRows: a_touch_that_changes_nothing_is_applied
        a_touch_never_moves_the_last_use_back generated_sequences_match_the_reference;
    TouchMovesBack: a_touch_never_moves_the_last_use_back generated_sequences_match_the_reference;
    TouchCreates: a_touch_never_creates_a_session
        generated_sequences_match_the_reference;
    LastReasonWins: the_first_end_reason_is_kept concurrent_ends_apply_once
        generated_sequences_match_the_reference;
    EndAllIgnoresTheException: end_all_skips_the_exception
        generated_sequences_match_the_reference;
    EndAllReturnsEndedSessions: end_all_ends_and_returns_the_live_sessions
        concurrent_end_alls_end_each_session_once generated_sequences_match_the_reference;
    ListReturnsEndedSessions: a_list_contains_only_live_sessions an_ended_session_stays_ended
        generated_sequences_match_the_reference;
    ListIgnoresThePosition: a_list_is_in_pages_newest_first;
    EndKeepsTheOrigin: an_end_erases_what_ended_sessions_do_not_need an_end_changes_only_the_end;
    EndAllIgnoresTheLimit: end_all_respects_its_limit a_long_list_is_complete;
    EndLeastUsedIgnoresTheClient: end_least_used_keeps_the_sessions_used_last;
    AdvanceMovesExpiryBack: an_advance_never_moves_the_expiry_back
        generated_sequences_match_the_reference;
    EveryUseIsShown: the_shown_use_changes_only_when_the_last_use_is_old_enough
        generated_sequences_match_the_reference;
    ListStopsAtAHundred: a_long_list_is_complete;
    RowPerRefresh: ten_thousand_generations_stay_one_record generated_sequences_match_the_reference;
    ClaimsAffectEndedSessions: set_claims_changes_only_the_given_live_sessions
        an_ended_session_stays_ended generated_sequences_match_the_reference;
    ClaimsWriteBack: concurrent_steps_never_undo_each_other;
    SubjectsIgnoreCase: similar_subjects_are_different
        generated_sequences_match_the_reference;
    SubjectsAreTrimmed: similar_subjects_are_different
        generated_sequences_match_the_reference;
    InsertOverwrites: inserting_a_known_id_changes_nothing an_ended_session_stays_ended
        an_ended_session_stays_ended_after_reopening generated_sequences_match_the_reference;
    InsertIsNotAtomic: concurrent_inserts_of_one_id_succeed_once;
    TimesAreSeconds: a_minimal_session_is_read_back_unchanged times_are_kept_to_the_millisecond;
    GenerationsAreShort: generations_are_kept_up_to_the_maximum;
    EmptyTextIsNull: any_text_is_read_back_unchanged;
    EmptyListIsObject: claims_of_every_json_type_are_read_back;
    PurgeForgetsAbsoluteEnd: a_purge_removes_only_sessions_expired_before_the_instant
        generated_sequences_match_the_reference;
    PurgeDropsEndedSessions: an_ended_session_is_kept_until_its_tokens_expire
        generated_sequences_match_the_reference;
    PurgeDropsTheInstantItself: a_purge_removes_only_sessions_expired_before_the_instant
        an_ended_session_is_kept_until_its_tokens_expire
        generated_sequences_match_the_reference;
    PurgeIgnoresTheLimit: a_purge_respects_its_limit;
    FindIsStale: concurrent_observers_see_one_linear_history
        an_advance_changes_only_its_own_fields;
    ForgetsEndsOnReopening: an_ended_session_stays_ended_after_reopening
        acknowledged_steps_survive_reopening;
    ForgetsAdvancesOnReopening: acknowledged_steps_survive_reopening;
    PurgeIgnoresStatusIndices: a_purge_keeps_recently_ended_sessions_with_a_status_index;
    StatusIsDropped: every_status_index_is_read_back generated_sequences_match_the_reference;
    StatusIsShared: a_status_index_belongs_to_one_session concurrent_inserts_of_one_status_index_succeed_once
        generated_sequences_match_the_reference;
    StatusIsSharedWithEndedSessions: a_status_index_belongs_to_one_session
        generated_sequences_match_the_reference;
    StatusClaimIsNotAtomic: concurrent_inserts_of_one_status_index_succeed_once;
    RevokedIsLater: revoked_returns_sessions_that_ended_at_or_after_the_instant;
    RevokedReturnsLiveSessions: revoked_omits_live_sessions_and_sessions_without_an_index
        generated_sequences_match_the_reference;
    RevokedStopsAtAThousand: a_long_list_of_revocations_is_complete;
    ReleaseTakesLiveSessions: a_release_affects_only_sessions_that_ended_before_the_instant
        generated_sequences_match_the_reference;
    ReleaseIgnoresTheLimit: a_release_respects_its_limit;
    ReleaseKeepsTheIndex: a_released_status_index_can_be_reused
        a_release_affects_only_sessions_that_ended_before_the_instant
        generated_sequences_match_the_reference;
    CorruptIsNotFound: a_damaged_record_is_reported_as_corrupt;
}

#[test]
fn a_failing_sequence_is_reported_in_its_shortest_form() {
    let name = "generated_sequences_match_the_reference";
    let told = || run_session_check(name, || Bad(Flaw::AdvanceCreates)).unwrap_err().to_string();
    let steps = told().lines().filter(|line| line.starts_with("  Advance {")).count();
    // One advance of an unknown session is enough.
    assert_eq!((steps, told().lines().count()), (1, 3), "{}", told());
    assert_eq!(told(), told());
}
