//! Each flaw of a store of accounts is noticed by the checks made for it, and each check notices
//! a flaw.

mod flawed;

use std::sync::{Arc, Mutex};

use aquaware_core::id::{SessionId, Subject};
use aquaware_store_testkit::{ACCOUNT_CHECKS, Harness, prove_accounts};
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
        (self.0 == Flaw::None).then(|| Flawed::over(self.0, Arc::clone(&store.records)))
    }

    async fn reopen(&self, store: Flawed) -> Option<Flawed> {
        let mut records = store.records.lock().unwrap().clone();
        if self.0 == Flaw::ForgetsOnReopening {
            records.pop();
        }
        Some(Flawed::over(self.0, Arc::new(Mutex::new(records))))
    }

    async fn corrupt_session(&self, _: &Flawed, _: &SessionId) -> bool {
        false
    }

    async fn corrupt_account(&self, store: &Flawed, id: &Subject) -> bool {
        store.damaged.lock().unwrap().insert(id.clone())
    }
}

mod without_a_flaw {
    use super::*;
    aquaware_store_testkit::account_conformance!(Bad(Flaw::None));
}

macro_rules! bites {
    ($($flaw:ident: $($check:ident)*;)*) => {
        $(
            #[test]
            #[allow(non_snake_case, reason = "named after the flaw")]
            fn $flaw() {
                for name in [$(stringify!($check)),*] {
                    assert!(ACCOUNT_CHECKS.iter().any(|check| check.name() == name), "{name}");
                    let verdict = prove_accounts(name, || Bad(Flaw::$flaw));
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
            for check in ACCOUNT_CHECKS {
                assert!(checks.contains(&check.name()), "{check:?}");
            }
        }
    };
}

bites! {
    PingFails: the_store_of_accounts_answers;
    NamesAreLost: an_account_comes_back_as_it_was
        generated_sequences_of_accounts_match_the_reference;
    NamesAreCut: the_longest_names_of_an_account_come_back_whole;
    EmptyTextIsNull: any_text_of_an_account_comes_back_whole;
    TimesAreSeconds: times_of_an_account_come_back_to_the_millisecond;
    EmptyListIsObject: claims_of_an_account_come_back_in_every_shape;
    FindMakesUp: an_unknown_account_is_absent generated_sequences_of_accounts_match_the_reference;
    PasswordIsSetOnce: an_operators_password_replaces_any
        generated_sequences_of_accounts_match_the_reference;
    PasswordReachesOthers: a_change_touches_one_field_of_one_account
        generated_sequences_of_accounts_match_the_reference;
    CreateApart: of_many_accounts_with_one_login_one_is_kept
        of_many_accounts_with_one_id_one_is_kept;
    IdsAreNotUnique: a_taken_id_is_refused generated_sequences_of_accounts_match_the_reference;
    LoginsAreNotUnique: a_taken_login_is_refused
        generated_sequences_of_accounts_match_the_reference;
    LoginsAreTrimmedOfDots: logins_that_look_alike_are_different;
    IdsIgnoreCase: account_ids_that_look_alike_are_different;
    ReplacesAnyPassword: a_password_is_replaced_only_if_it_is_the_current_one
        generated_sequences_of_accounts_match_the_reference;
    ReplacesApart: of_many_replacements_of_one_password_one_is_done;
    CountsChangedRows: a_change_to_the_same_value_is_a_change
        generated_sequences_of_accounts_match_the_reference;
    ClaimsAreMerged: new_claims_replace_the_old
        generated_sequences_of_accounts_match_the_reference;
    ClaimsWriteBack: racing_changes_of_an_account_never_undo_each_other;
    DisabledOnce: an_account_is_disabled_and_enabled
        generated_sequences_of_accounts_match_the_reference;
    DeleteMarks: a_deleted_account_is_gone_and_its_login_is_free of_many_deletions_one_is_done
        generated_sequences_of_accounts_match_the_reference;
    OrderIsAlphabetic: a_list_is_in_the_order_of_the_logins_bytes;
    PagesBeginWithTheLast: a_list_comes_in_pages
        generated_sequences_of_accounts_match_the_reference;
    PagesIgnoreTheirSize: a_list_comes_in_pages
        generated_sequences_of_accounts_match_the_reference;
    UnknownIsCreated: an_unknown_account_is_never_changed_into_being
        generated_sequences_of_accounts_match_the_reference;
    ForgetsOnReopening: what_was_acknowledged_of_accounts_survives_reopening;
    CorruptIsAbsent: a_damaged_account_is_reported_as_corrupt;
}
