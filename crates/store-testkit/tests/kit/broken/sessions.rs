//! Each flaw of a store of sessions is noticed by the checks made for it, and each check notices
//! a flaw.

mod flawed;

use std::sync::{Arc, Mutex};

use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_store_testkit::{Harness, SESSION_CHECKS, Settings, prove_sessions};
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
        // A flaw that needs no second process to be seen is to be seen without one.
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

macro_rules! bites {
    ($($flaw:ident: $($check:ident)*;)*) => {
        $(
            #[test]
            #[allow(non_snake_case, reason = "named after the flaw")]
            fn $flaw() {
                for name in [$(stringify!($check)),*] {
                    assert!(SESSION_CHECKS.iter().any(|check| check.name() == name), "{name}");
                    let verdict = prove_sessions(name, || Bad(Flaw::$flaw));
                    assert!(verdict.is_err(), "{name} has not noticed it");
                }
            }
        )*

        #[test]
        fn every_flaw_is_noticed_by_a_check_made_for_it() {
            // The last flaw of the list says how many there are.
            assert_eq!([$(Flaw::$flaw),*].len(), Flaw::CorruptIsAbsent as usize);
        }

        #[test]
        fn every_check_notices_a_flaw() {
            let checks = [$($(stringify!($check),)*)*];
            for check in SESSION_CHECKS {
                assert!(checks.contains(&check.name()), "{check:?}");
            }
        }
    };
}

bites! {
    PingFails: the_store_answers;
    DeviceDropsTheAddress: every_optional_field_comes_back;
    ReasonsAreTwo: every_end_reason_comes_back the_first_reason_stays
        generated_sequences_match_the_reference;
    NamesAreCut: the_longest_names_come_back_whole;
    IdsIgnoreCase: ids_are_told_apart_by_every_bit;
    FindMakesUp: an_unknown_session_is_absent generated_sequences_match_the_reference;
    AdvanceByOneOnly: an_advance_may_skip_generations generated_sequences_match_the_reference;
    AdvanceReportsChangedRows: an_advance_that_changes_only_the_generation_is_done;
    AdvanceReachesOthers: an_advance_leaves_other_sessions_alone
        generated_sequences_match_the_reference;
    TouchMovesExpiry: a_touch_notes_the_use_and_nothing_else
        generated_sequences_match_the_reference;
    TouchIgnoresGeneration: a_touch_of_another_generation_changes_nothing
        generated_sequences_match_the_reference;
    TouchReachesTheDead: an_ended_session_is_never_touched an_ended_session_never_lives_again
        generated_sequences_match_the_reference;
    EndMovesExpiry: an_end_changes_nothing_but_the_end generated_sequences_match_the_reference;
    EndCreates: an_unknown_session_is_never_ended_into_being
        generated_sequences_match_the_reference;
    EndAllIgnoresTheSubject: end_all_of_an_unknown_subject_ends_nothing
        generated_sequences_match_the_reference;
    ClientsIgnoreCase: clients_that_differ_by_case_are_different;
    PurgeLeavesTheIndex: a_purged_session_leaves_no_trace generated_sequences_match_the_reference;
    PurgeApart: racing_purges_drop_nothing_twice;
    ExpiredIsAbsent: an_expired_session_is_a_record_like_any_other;
    ActsApart: of_many_advances_of_one_generation_one_is_done nothing_advances_after_a_racing_end
        nothing_advances_after_a_racing_end_all the_history_of_a_session_is_one_chain;
    LocksInTheProcess: of_many_advances_of_one_generation_one_is_done
        the_history_of_a_session_is_one_chain;
    AdvanceCreates: an_unknown_session_is_never_advanced_into_being
        generated_sequences_match_the_reference;
    AdvanceRevives: an_ended_session_never_advances an_ended_session_never_lives_again
        generated_sequences_match_the_reference;
    AdvanceReportsFoundRows: an_advance_from_another_generation_changes_nothing
        of_many_advances_of_one_generation_one_is_done generated_sequences_match_the_reference;
    AdvanceComparesTimes: replays_of_the_same_second_are_told_apart_by_generation;
    AdvanceKeepsTheMark: an_advance_changes_its_own_fields_and_no_other;
    AdvanceMovesLastUseBack: an_advance_never_moves_the_last_use_back
        generated_sequences_match_the_reference;
    TouchReportsChangedRows: a_touch_that_changes_nothing_is_done
        a_touch_never_moves_the_last_use_back generated_sequences_match_the_reference;
    TouchMovesBack: a_touch_never_moves_the_last_use_back generated_sequences_match_the_reference;
    TouchCreates: an_unknown_session_is_never_touched_into_being
        generated_sequences_match_the_reference;
    LastReasonWins: the_first_reason_stays of_many_ends_one_is_done
        generated_sequences_match_the_reference;
    EndAllIgnoresTheException: end_all_spares_the_exception
        generated_sequences_match_the_reference;
    EndAllGivesTheDead: end_all_ends_what_lives_and_gives_it
        no_session_is_ended_twice_by_racing_end_alls generated_sequences_match_the_reference;
    ListHidesTheDead: a_list_holds_every_session_ended_or_not
        generated_sequences_match_the_reference;
    ListStopsAtAHundred: a_list_of_many_sessions_is_whole;
    RowPerRefresh: ten_thousand_generations_are_one_record generated_sequences_match_the_reference;
    ClaimsReachTheDead: new_claims_reach_the_live_sessions_of_the_subject_alone
        an_ended_session_never_lives_again generated_sequences_match_the_reference;
    ClaimsWriteBack: racing_steps_never_undo_each_other;
    SubjectsIgnoreCase: subjects_that_look_alike_are_different
        generated_sequences_match_the_reference;
    SubjectsAreTrimmed: subjects_that_look_alike_are_different
        generated_sequences_match_the_reference;
    InsertOverwrites: inserting_a_known_id_changes_nothing an_ended_session_never_lives_again
        an_ended_session_stays_ended_after_reopening generated_sequences_match_the_reference;
    InsertApart: of_many_inserts_of_one_id_one_is_kept;
    TimesAreSeconds: a_plain_session_comes_back_as_it_was times_come_back_to_the_millisecond;
    GenerationsAreShort: generations_come_back_up_to_the_last;
    EmptyTextIsNull: any_text_comes_back_whole;
    EmptyListIsObject: claims_of_every_shape_come_back;
    PurgeForgetsAbsoluteEnd: a_purge_drops_what_expired_before_the_instant_alone
        generated_sequences_match_the_reference;
    PurgeDropsTheDead: an_ended_session_is_kept_until_its_tokens_are_dead
        generated_sequences_match_the_reference;
    PurgeDropsTheInstantItself: a_purge_drops_what_expired_before_the_instant_alone
        an_ended_session_is_kept_until_its_tokens_are_dead
        generated_sequences_match_the_reference;
    PurgeIgnoresTheLimit: a_purge_drops_no_more_than_asked;
    FindIsStale: the_history_of_a_session_is_one_chain
        an_advance_changes_its_own_fields_and_no_other;
    ForgetsEndsOnReopening: an_ended_session_stays_ended_after_reopening
        what_was_acknowledged_survives_reopening;
    ForgetsAdvancesOnReopening: what_was_acknowledged_survives_reopening;
    PurgeDropsWhatShows: a_purge_spares_what_ended_lately_and_has_an_index;
    StatusIsDropped: every_status_index_comes_back generated_sequences_match_the_reference;
    StatusIsShared: a_status_index_is_had_once of_many_inserts_of_one_status_index_one_is_kept
        generated_sequences_match_the_reference;
    StatusIsSharedWithTheDead: a_status_index_is_had_once
        generated_sequences_match_the_reference;
    StatusClaimedApart: of_many_inserts_of_one_status_index_one_is_kept;
    RevokedIsLater: what_ended_is_revoked_from_its_instant_on;
    RevokedGivesTheLiving: the_living_and_those_without_an_index_are_never_revoked
        generated_sequences_match_the_reference;
    RevokedStopsAtAThousand: revocations_of_many_sessions_are_whole;
    ReleaseTakesTheLiving: a_release_takes_the_index_of_what_ended_before_the_instant_alone
        generated_sequences_match_the_reference;
    ReleaseIgnoresTheLimit: a_release_takes_no_more_than_asked;
    ReleaseKeepsTheIndex: a_status_index_that_was_given_up_can_be_had_again
        a_release_takes_the_index_of_what_ended_before_the_instant_alone
        generated_sequences_match_the_reference;
    CorruptIsAbsent: a_damaged_record_is_reported_as_corrupt;
}

#[test]
fn a_failing_sequence_is_told_in_its_shortest_form() {
    let name = "generated_sequences_match_the_reference";
    let told = || prove_sessions(name, || Bad(Flaw::AdvanceCreates)).unwrap_err().to_string();
    let steps = told().lines().filter(|line| line.starts_with("  Advance {")).count();
    // An advance of nothing is enough.
    assert_eq!((steps, told().lines().count()), (1, 3), "{}", told());
    assert_eq!(told(), told());
}
